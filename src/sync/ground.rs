//! Ground as a source: what was read from the chain, out of the tables.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use alloy::primitives::Address;

use crate::block::{BlockId, BlockRange, Header, RawLog, Receipt, Sealed, Transaction};
use crate::row::{Field, Row, Table};
use crate::source::{CallAnswer, CallRequest, Source, SourceError, View};
use crate::store::{Store, StoreError};
use crate::table::event::{Observation, TransactionInput};
use crate::table::fold::Load;

/// Blocks whose inputs are asked of the node at once. Few: the transaction of a rebuild ends when it is silent for 20 s, and of
/// so few blocks a provider that does not answer is left before that.
const BLOCKS_AT_ONCE: usize = 5;

/// Blocks whose logs are looked for at once where only a part of them may be of use: at first, and at most.
const STRETCH_BLOCKS: RangeInclusive<u64> = 2_000..=256_000;

/// Ground as a source: logs come from the tables; a call or an input that ground does not hold comes from a node, where
/// there is one.
#[derive(Debug)]
pub struct Ground<S, D> {
    node: Option<Arc<S>>,
    store: Arc<D>,
    chain_id: u64,
}

impl<S: Source, D: Store> Ground<S, D> {
    /// Over a store; without a node it works offline.
    pub fn new(node: Option<Arc<S>>, store: Arc<D>, chain_id: u64) -> Self {
        Self { node, store, chain_id }
    }

    fn not_kept(method: &'static str) -> SourceError {
        SourceError::Refused {
            provider: "ground".to_owned(),
            method,
            reason: "the tables do not hold this answer; run with an RPC URL, so that it can be asked"
                .to_owned(),
        }
    }

    fn unreadable(method: &'static str, error: &StoreError) -> SourceError {
        SourceError::Unavailable { provider: "ground".to_owned(), method, reason: error.to_string() }
    }

    async fn logs(
        &self,
        range: BlockRange,
        addresses: Option<&[Address]>,
    ) -> Result<Vec<RawLog>, SourceError> {
        let logs = self.store.ground_logs(range, addresses).await;
        logs.map_err(|error| Self::unreadable("asset_events", &error))
    }

    /// Rows of ground that the rebuild set aside.
    async fn kept<T: Table>(&self, columns: Vec<usize>, keys: Vec<Row>) -> Result<Vec<T>, SourceError> {
        let rows = self.store.kept(&Load { table: T::DEF, columns, keys }).await;
        let rows = rows.map_err(|error| Self::unreadable(T::DEF.name, &error))?;
        let typed: Option<Vec<T>> = rows.into_iter().map(T::from_row).collect();
        typed.ok_or_else(|| Self::unreadable(T::DEF.name, &StoreError::misfit(T::DEF)))
    }

    async fn kept_answers(
        &self,
        requests: &[CallRequest],
    ) -> Result<HashMap<CallRequest, CallAnswer>, SourceError> {
        let key = |request: &CallRequest| {
            let (block, input) = (request.block.number, &request.input);
            vec![self.chain_id.to_value(), block.to_value(), request.target.to_value(), input.to_value()]
        };
        let kept: Vec<Observation> = self.kept(vec![0, 1, 2, 3], requests.iter().map(key).collect()).await?;
        let answered = kept.into_iter().map(|row| {
            let block = BlockId { number: row.block_number, hash: row.block_hash };
            let answer = match (row.outcome.as_str(), row.output) {
                ("returned", Some(output)) => CallAnswer::Returned(output),
                ("unavailable", _) => CallAnswer::StateUnavailable,
                _ => CallAnswer::Reverted,
            };
            (CallRequest { block, target: row.target, input: row.input }, answer)
        });
        Ok(answered.collect())
    }

    /// The transactions of these blocks that were once asked for, by height.
    async fn kept_inputs(
        &self,
        wanted: &[(BlockId, Vec<u32>)],
    ) -> Result<HashMap<u64, Vec<Transaction>>, SourceError> {
        let key = |block: &BlockId| vec![self.chain_id.to_value(), block.number.to_value()];
        let keys = wanted.iter().map(|(block, _)| key(block)).collect();
        let kept: Vec<TransactionInput> = self.kept(vec![0, 1], keys).await?;
        let blocks: HashMap<u64, BlockId> = wanted.iter().map(|(block, _)| (block.number, *block)).collect();
        let mut found: HashMap<u64, Vec<Transaction>> = HashMap::new();
        for row in kept {
            let Some(block) = blocks.get(&row.block_number) else { continue };
            found.entry(row.block_number).or_default().push(Transaction {
                block: *block,
                hash: row.transaction_hash,
                index: row.transaction_index,
                from: row.from_address,
                to: row.to_address,
                input: row.input,
            });
        }
        Ok(found)
    }

    /// The transactions of a few blocks: those that are kept, and of the node what is not.
    async fn some_transactions(
        &self,
        wanted: &[(BlockId, Vec<u32>)],
    ) -> Result<Vec<Vec<Transaction>>, SourceError> {
        let mut kept = self.kept_inputs(wanted).await?;
        let mut found = Vec::with_capacity(wanted.len());
        let mut asked = Vec::new();
        for (block, places) in wanted {
            let kept = kept.remove(&block.number).unwrap_or_default();
            let has = |place: &u32| kept.iter().any(|transaction| transaction.index == *place);
            let has_all = places.iter().all(has);
            if !has_all {
                asked.push((*block, places.clone()));
            }
            found.push(has_all.then_some(kept));
        }
        let answers = match &self.node {
            _ if asked.is_empty() => Vec::new(),
            Some(node) => node.transactions_at(&asked).await?,
            None => return Err(Self::not_kept("transactions")),
        };
        let mut answers = answers.into_iter();
        Ok(found.into_iter().map(|kept| kept.or_else(|| answers.next()).unwrap_or_default()).collect())
    }
}

impl<S: Source, D: Store> Source for Ground<S, D> {
    async fn chain_id(&self) -> Result<u64, SourceError> {
        Ok(self.chain_id)
    }

    async fn view(&self) -> Result<View, SourceError> {
        Err(Self::not_kept("view"))
    }

    async fn header(&self, _: u64) -> Result<Option<Header>, SourceError> {
        Err(Self::not_kept("header"))
    }

    async fn headers(&self, numbers: &[u64]) -> Result<Vec<Header>, SourceError> {
        if numbers.is_empty() { Ok(Vec::new()) } else { Err(Self::not_kept("headers")) }
    }

    async fn logs_of_block(&self, block: BlockId) -> Result<Vec<RawLog>, SourceError> {
        self.logs(BlockRange { from: block.number, to: block.number }, None).await
    }

    async fn logs_in_range(
        &self,
        range: BlockRange,
        addresses: &[Address],
    ) -> Result<Vec<RawLog>, SourceError> {
        if addresses.is_empty() {
            return Ok(Vec::new());
        }
        self.logs(range, Some(addresses)).await
    }

    async fn logs_up_to(
        &self,
        range: BlockRange,
        addresses: &[Address],
        most: usize,
    ) -> Result<Vec<RawLog>, SourceError> {
        let (mut logs, mut left, mut blocks) = (Vec::new(), Some(range), *STRETCH_BLOCKS.start());
        while let Some(rest) = left.filter(|_| logs.len() <= most) {
            let to = rest.to.min(rest.from.saturating_add(blocks - 1));
            let found = self.logs_in_range(BlockRange { to, ..rest }, addresses).await?;
            blocks = if found.len() > most / 4 { blocks / 2 } else { blocks * 2 };
            blocks = blocks.clamp(*STRETCH_BLOCKS.start(), *STRETCH_BLOCKS.end());
            logs.extend(found);
            left = (to < rest.to).then(|| BlockRange { from: to + 1, ..rest });
        }
        Ok(logs)
    }

    async fn calls(&self, requests: &[CallRequest]) -> Result<Vec<CallAnswer>, SourceError> {
        let mut known = self.kept_answers(requests).await?;
        let unknown: Vec<CallRequest> =
            requests.iter().filter(|request| !known.contains_key(*request)).cloned().collect();
        if !unknown.is_empty() {
            let node = self.node.as_ref().ok_or_else(|| Self::not_kept("eth_call"))?;
            let answers = node.calls(&unknown).await?;
            known.extend(unknown.into_iter().zip(answers));
        }
        let answers = requests.iter().map(|request| known.get(request).cloned());
        answers.collect::<Option<Vec<_>>>().ok_or_else(|| Self::not_kept("eth_call"))
    }

    async fn transactions(&self, block: BlockId) -> Result<Vec<Transaction>, SourceError> {
        Ok(self.transactions_at(&[(block, Vec::new())]).await?.pop().unwrap_or_default())
    }

    async fn transactions_at(
        &self,
        wanted: &[(BlockId, Vec<u32>)],
    ) -> Result<Vec<Vec<Transaction>>, SourceError> {
        let mut found = Vec::with_capacity(wanted.len());
        for some in wanted.chunks(BLOCKS_AT_ONCE) {
            found.extend(self.some_transactions(some).await?);
        }
        Ok(found)
    }

    async fn has_code(&self, _: Address, _: u64) -> Result<Option<bool>, SourceError> {
        Ok(None)
    }

    async fn sealed(&self, _: &[u64]) -> Result<Vec<Sealed>, SourceError> {
        Err(Self::not_kept("sealed headers"))
    }

    async fn receipts(&self, _: BlockId) -> Result<Vec<Receipt>, SourceError> {
        Err(Self::not_kept("receipts"))
    }

    fn alias(&self) -> String {
        "ground".to_owned()
    }

    async fn wait_for_head(&self) {}
}
