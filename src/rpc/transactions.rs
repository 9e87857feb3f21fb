//! Transactions: all of a block, or those at some positions of several blocks.

use std::sync::atomic::Ordering;

use alloy::primitives::U64;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde_json::json;

use super::Rpc;
use super::blocks::BY_HASH;
use super::classify::RpcFault;
use super::exchange::{Answer, Call};
use super::wire::{WireBlock, WireTransaction};
use crate::block::{BlockId, Transaction};
use crate::source::SourceError;

const BY_INDEX: &str = "eth_getTransactionByBlockHashAndIndex";
/// So many transactions of a block are asked for one by one; more come with the whole block, in one request.
const ONE_BY_ONE_MAX: usize = 4;

impl Rpc {
    /// See [`crate::source::Source::transactions`].
    pub(super) async fn block_transactions(&self, block: BlockId) -> Result<Vec<Transaction>, SourceError> {
        let gone = SourceError::BlockGone { number: block.number, hash: Some(block.hash) };
        let answer = self.client.one(Call { method: BY_HASH, params: json!([block.hash, true]) }).await;
        if matches!(&answer, Err(fault) if fault.kind == RpcFault::Missing) {
            return Err(gone);
        }
        let full: WireBlock =
            self.decoded::<Option<WireBlock>>(BY_HASH, Some(block.number), answer)?.ok_or(gone)?;
        let read = || -> Result<Vec<Transaction>, String> {
            full.header_of(block.number, Some(block.hash))?;
            let mut transactions = Vec::with_capacity(full.transactions.len());
            for raw in &full.transactions {
                let wire: WireTransaction =
                    serde_json::from_str(raw.get()).map_err(|error| error.to_string())?;
                transactions.push(wire.resolve(block)?);
            }
            transactions.sort_by_key(|transaction| transaction.index);
            if transactions.windows(2).any(|pair| pair[0].index == pair[1].index) {
                return Err("two transactions at one index".to_owned());
            }
            Ok(transactions)
        };
        self.consistent(BY_HASH, read())
    }

    /// See [`crate::source::Source::transactions_at`].
    pub(super) async fn placed_transactions(
        &self,
        wanted: &[(BlockId, Vec<u32>)],
    ) -> Result<Vec<Vec<Transaction>>, SourceError> {
        let are_few = |places: &[u32]| places.len() <= ONE_BY_ONE_MAX && self.knows_places();
        let by_place: Vec<bool> = wanted.iter().map(|(_, places)| are_few(places)).collect();
        let few = wanted.iter().zip(&by_place).filter(|(_, by_place)| **by_place);
        let calls = few.flat_map(|((block, places), _)| places.iter().map(|place| at(*block, *place)));
        let mut answers = self.client.each(calls.collect()).await.into_iter();
        let mut found = Vec::with_capacity(wanted.len());
        for ((block, places), by_place) in wanted.iter().zip(by_place) {
            let answers = answers.by_ref().take(if by_place { places.len() } else { 0 });
            found.push((*block, self.all_placed(*block, places, answers.collect())?));
        }
        stream::iter(found)
            .map(|(block, found)| async move {
                match found {
                    Some(transactions) => Ok(transactions),
                    None => self.block_transactions(block).await,
                }
            })
            .buffered(self.client.in_flight_max())
            .try_collect()
            .await
    }

    /// The transactions at these places, as they were answered; `None` where the whole block has to tell: it was not asked
    /// for them, does not know that question, or has nothing at a place.
    fn all_placed(
        &self,
        block: BlockId,
        places: &[u32],
        answers: Vec<Answer>,
    ) -> Result<Option<Vec<Transaction>>, SourceError> {
        let mut transactions = Vec::with_capacity(places.len());
        for (place, answer) in places.iter().zip(answers) {
            match &answer {
                Err(fault) if fault.kind == RpcFault::Unsupported => {
                    self.lacks_places.store(true, Ordering::Relaxed);
                    return Ok(None);
                }
                Err(fault) if fault.kind == RpcFault::Missing => return Ok(None),
                _ => {}
            }
            let wire = self.decoded::<Option<WireTransaction>>(BY_INDEX, Some(block.number), answer)?;
            let Some(wire) = wire else { return Ok(None) };
            let resolved = wire.resolve(block).and_then(|transaction| match transaction.index == *place {
                true => Ok(transaction),
                false => {
                    Err(format!("asked for transaction {place} of {block:?}, got {}", transaction.index))
                }
            });
            transactions.push(self.consistent(BY_INDEX, resolved)?);
        }
        Ok((transactions.len() == places.len()).then_some(transactions))
    }

    fn knows_places(&self) -> bool {
        !self.lacks_places.load(Ordering::Relaxed)
    }
}

fn at(block: BlockId, place: u32) -> Call {
    Call { method: BY_INDEX, params: json!([block.hash, U64::from(place)]) }
}
