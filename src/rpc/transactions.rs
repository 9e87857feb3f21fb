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
            found.push((*block, places.clone(), self.all_placed(*block, places, answers.collect())));
        }
        let whole = found.into_iter().map(|(block, places, found)| self.or_whole(block, places, found));
        stream::iter(whole).buffered(self.client.in_flight_max()).try_collect().await
    }

    /// What was found, or what stands at these places of the whole block.
    async fn or_whole(
        &self,
        block: BlockId,
        places: Vec<u32>,
        found: Option<Vec<Transaction>>,
    ) -> Result<Vec<Transaction>, SourceError> {
        if let Some(transactions) = found {
            return Ok(transactions);
        }
        let mut all = self.block_transactions(block).await?;
        // Others' are not kept until all blocks are there.
        all.retain(|transaction| places.contains(&transaction.index));
        Ok(all)
    }

    /// The transactions at these places, as they were answered; `None` where the whole block has to tell: it was not asked
    /// for them, or what came for a place is not a transaction that says that it stands there.
    fn all_placed(&self, block: BlockId, places: &[u32], answers: Vec<Answer>) -> Option<Vec<Transaction>> {
        let mut transactions = Vec::with_capacity(places.len());
        for (place, answer) in places.iter().zip(answers) {
            if matches!(&answer, Err(fault) if fault.kind == RpcFault::Unsupported) {
                self.lacks_places.store(true, Ordering::Relaxed);
            }
            let wire = serde_json::from_str::<Option<WireTransaction>>(answer.ok()?.get()).ok()??;
            let transaction = wire.names_its_block().then(|| wire.resolve(block).ok())??;
            transactions.push(Some(transaction).filter(|transaction| transaction.index == *place)?);
        }
        (transactions.len() == places.len()).then_some(transactions)
    }

    fn knows_places(&self) -> bool {
        !self.lacks_places.load(Ordering::Relaxed)
    }
}

fn at(block: BlockId, place: u32) -> Call {
    Call { method: BY_INDEX, params: json!([block.hash, U64::from(place)]) }
}
