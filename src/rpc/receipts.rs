//! The receipts of one block: as evidence, and for its logs where `eth_getLogs` cannot give them.

use std::sync::atomic::Ordering;

use alloy::primitives::{Address, B256};
use serde_json::json;

use super::Rpc;
use super::classify::RpcFault;
use super::client::Verdict;
use super::exchange::{Answer, Call, Fault};
use super::logs::receipts_of;
use super::wire::{WireBlock, WireLog, WireReceipt};
use crate::block::{BlockId, RawLog, Receipt};
use crate::source::SourceError;

const RECEIPTS: &str = "eth_getBlockReceipts";
const RECEIPT: &str = "eth_getTransactionReceipt";

impl Rpc {
    /// See [`crate::source::Source::receipts`].
    pub(super) async fn block_receipts(&self, block: BlockId) -> Result<Vec<Receipt>, SourceError> {
        let mut receipts = match self.lacks_hashes.load(Ordering::Relaxed) {
            true => self.receipts_by_number(block).await?,
            false => self.receipts_by_hash(block).await?,
        };
        receipts.sort_by_key(|receipt| receipt.transaction_index);
        let resolved: Result<Vec<Receipt>, String> =
            receipts.into_iter().map(|receipt| receipt.resolve(block)).collect();
        self.consistent(RECEIPTS, resolved)
    }

    async fn receipts_by_hash(&self, block: BlockId) -> Result<Vec<WireReceipt>, SourceError> {
        let call = Call { method: RECEIPTS, params: json!([block.hash]) };
        let judge = |answers: Vec<Answer>, _| match answers.into_iter().next() {
            Some(Ok(list)) => Verdict::Done(list),
            // Asked in vain again and again, it would take a minute to come to the number.
            Some(Err(fault)) if fault.is_of_params() => Verdict::Failed(fault),
            Some(Err(fault)) => Verdict::fault(fault),
            None => Verdict::Failed(Fault::broken("no answer")),
        };
        match self.client.until(std::slice::from_ref(&call), judge).await {
            Err(fault) if fault.kind == RpcFault::Missing => Err(gone(block)),
            Err(fault) if fault.kind == RpcFault::Unsupported => self.receipts_one_by_one(block).await,
            Err(fault) if fault.is_of_params() => {
                let receipts = self.receipts_by_number(block).await?;
                self.lacks_hashes.store(true, Ordering::Relaxed);
                Ok(receipts)
            }
            answer => {
                let list = self.decoded::<Option<Vec<WireReceipt>>>(RECEIPTS, Some(block.number), answer)?;
                list.ok_or_else(|| gone(block))
            }
        }
    }

    /// For nodes that take a number and no hash; the header there, asked for with them, tells whether they are of the block.
    async fn receipts_by_number(&self, block: BlockId) -> Result<Vec<WireReceipt>, SourceError> {
        let number = format!("0x{:x}", block.number);
        let header = Call { method: super::blocks::BY_NUMBER, params: json!([number, false]) };
        let calls = [Call { method: RECEIPTS, params: json!([number]) }, header];
        let (receipts, header) = match self.client.until(&calls, |answers, _| judge(answers)).await {
            Err(fault) if fault.kind == RpcFault::Missing => return Err(gone(block)),
            Err(fault) if fault.is_of_params() => {
                let provider = self.client.alias().to_owned();
                return Err(SourceError::Refused { provider, method: RECEIPTS, reason: fault.text });
            }
            asked => asked.map_err(|fault| self.client.error(RECEIPTS, Some(block.number), fault))?,
        };
        let there = self.consistent(super::blocks::BY_NUMBER, header.header_of(block.number, None))?;
        let is_of_it = |receipt: &WireReceipt| receipt.block_hash.is_none_or(|hash| hash == block.hash);
        if there.id == block && receipts.iter().all(is_of_it) { Ok(receipts) } else { Err(gone(block)) }
    }

    /// For nodes that know receipts by transaction only.
    async fn receipts_one_by_one(&self, block: BlockId) -> Result<Vec<WireReceipt>, SourceError> {
        let transactions = self.block_transactions(block).await?;
        let mut calls: Vec<Call> =
            transactions.iter().map(|one| Call { method: RECEIPT, params: json!([one.hash]) }).collect();
        let mut receipts = Vec::with_capacity(transactions.len());
        // A node that knows none refuses the first as it would all.
        let first = match calls.pop() {
            Some(call) => self.client.one(call).await,
            None => return Ok(receipts),
        };
        let others = if first.is_ok() { self.client.each(calls).await } else { Vec::new() };
        for answer in others.into_iter().chain([first]) {
            let receipt: Option<WireReceipt> = self.decoded(RECEIPT, Some(block.number), answer)?;
            receipts.push(receipt.ok_or_else(|| gone(block))?);
        }
        Ok(receipts)
    }

    /// The logs of a block's receipts, of these contracts (or all), after `eth_getLogs` failed with `first`.
    ///
    /// The block's header comes with them; there must be a receipt for every transaction and all must be of
    /// the block.
    pub(super) async fn receipt_logs(
        &self,
        number: u64,
        hash: Option<B256>,
        addresses: Option<&[Address]>,
        first: Fault,
    ) -> Result<Vec<RawLog>, SourceError> {
        tracing::debug!(provider = %self.client.alias(), number, reason = %first.text, "logs from receipts");
        let header = match hash {
            Some(hash) => Call { method: super::blocks::BY_HASH, params: json!([hash, false]) },
            None => {
                Call { method: super::blocks::BY_NUMBER, params: json!([format!("0x{number:x}"), false]) }
            }
        };
        let calls = [Call { method: RECEIPTS, params: json!([receipts_of(number, hash)]) }, header];
        let (receipts, block) =
            self.client.until(&calls, |answers, _| judge(answers)).await.map_err(|fault| {
                let text =
                    format!("{}; before that, for the logs of this one block: {}", fault.text, first.text);
                self.client.error(RECEIPTS, Some(number), Fault { text, ..fault })
            })?;
        let checked = || -> Result<Vec<RawLog>, String> {
            let header = block.header_of(number, hash)?;
            if receipts.len() < block.transactions.len() {
                return Err(format!(
                    "{} receipts for {} transactions",
                    receipts.len(),
                    block.transactions.len()
                ));
            }
            if receipts.iter().any(|receipt| receipt.block_hash != Some(header.id.hash)) {
                return Err(format!("a receipt of another block than {:?}", header.id));
            }
            let logs = receipts.into_iter().flat_map(|receipt| receipt.logs);
            let logs: Vec<RawLog> = logs.map(WireLog::resolve).collect::<Result<_, _>>()?;
            if logs.iter().any(|log| log.block != header.id) {
                return Err(format!("a log of another block in the receipts of {:?}", header.id));
            }
            Ok(logs)
        };
        let mut logs = checked().map_err(|reason| self.client.inconsistent(RECEIPTS, reason))?;
        if let Some(addresses) = addresses {
            logs.retain(|log| addresses.binary_search(&log.address).is_ok());
        }
        self.ordered(logs)
    }
}

fn gone(block: BlockId) -> SourceError {
    SourceError::BlockGone { number: block.number, hash: Some(block.hash) }
}

fn judge(answers: Vec<Answer>) -> Verdict<(Vec<WireReceipt>, WireBlock)> {
    let mut answers = answers.into_iter();
    let (Some(receipts), Some(block)) = (answers.next(), answers.next()) else {
        return Verdict::Failed(Fault::broken("not two answers"));
    };
    let (receipts, block) = match (receipts, block) {
        (Ok(receipts), Ok(block)) => (receipts, block),
        (Err(fault), _) | (_, Err(fault)) if fault.kind == RpcFault::Missing => return Verdict::Again(fault),
        (Err(fault), _) if fault.is_of_params() => return Verdict::Failed(fault),
        (Err(fault), _) | (_, Err(fault)) => return Verdict::fault(fault),
    };
    let receipts = serde_json::from_str::<Option<Vec<WireReceipt>>>(receipts.get());
    let block = serde_json::from_str::<Option<WireBlock>>(block.get());
    match (receipts, block) {
        (Ok(Some(receipts)), Ok(Some(block))) => Verdict::Done((receipts, block)),
        (Ok(_), Ok(_)) => Verdict::Again(Fault::new(
            RpcFault::Missing,
            "the node does not have the block or its receipts yet",
        )),
        (Err(error), _) | (_, Err(error)) => Verdict::Again(Fault::broken(error.to_string())),
    }
}
