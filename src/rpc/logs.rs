//! Logs of one block by its hash, and what every list of logs has to be.
//!
//! Invariant: a list that could be incomplete is never returned: a block whose bloom is not zero has logs.

use alloy::primitives::B256;
use serde_json::json;
use serde_json::value::RawValue;

use super::Rpc;
use super::classify::RpcFault;
use super::client::Verdict;
use super::exchange::{Answer, Call, Fault};
use super::wire::{self, WireBlock, WireLog};
use crate::block::{BlockId, RawLog};
use crate::source::SourceError;

pub(super) const GET_LOGS: &str = "eth_getLogs";

/// What a question about one block came to.
enum BlockPage {
    Gone,
    Logs(Box<RawValue>, WireBlock),
    TooMuch(Fault),
}

impl Rpc {
    /// See [`crate::source::Source::logs_of_block`].
    pub(super) async fn block_logs(&self, block: BlockId) -> Result<Vec<RawLog>, SourceError> {
        let calls = [
            Call { method: GET_LOGS, params: json!([{ "blockHash": block.hash }]) },
            Call { method: super::blocks::BY_HASH, params: json!([block.hash, false]) },
        ];
        let page = self
            .client
            .until(&calls, |answers, _| judge_block(answers))
            .await
            .map_err(|fault| self.client.error(GET_LOGS, Some(block.number), fault))?;
        let (logs, header) = match page {
            BlockPage::Gone => {
                return Err(SourceError::BlockGone { number: block.number, hash: Some(block.hash) });
            }
            BlockPage::Logs(logs, header) => (logs, header),
            BlockPage::TooMuch(fault) => {
                return self.receipt_logs(block.number, Some(block.hash), None, fault).await;
            }
        };
        header
            .header_of(block.number, Some(block.hash))
            .map_err(|reason| self.client.inconsistent(super::blocks::BY_HASH, reason))?;
        let logs = self.resolved(&logs)?;
        if let Some(odd) = logs.iter().find(|log| log.block != block) {
            let reason = format!("asked for the logs of {block:?}, got one of {:?}", odd.block);
            return Err(self.client.inconsistent(GET_LOGS, reason));
        }
        self.ordered(logs)
    }

    pub(super) fn resolved(&self, raw: &RawValue) -> Result<Vec<RawLog>, SourceError> {
        let resolve = || -> Result<Vec<RawLog>, String> {
            let logs: Vec<WireLog> = serde_json::from_str(raw.get()).map_err(|error| error.to_string())?;
            logs.into_iter().map(WireLog::resolve).collect()
        };
        resolve().map_err(|reason| self.client.inconsistent(GET_LOGS, reason))
    }

    pub(super) fn ordered(&self, logs: Vec<RawLog>) -> Result<Vec<RawLog>, SourceError> {
        wire::in_order(logs).map_err(|reason| self.client.inconsistent(GET_LOGS, reason))
    }
}

/// Whether asking for less may help where asking again does not. A limit of time may be the other side's or our own: of
/// the latter a caller that goes on asking for less bears only a few in a row.
pub(super) fn is_too_much(fault: &Fault, tries: u32) -> bool {
    match fault.kind {
        RpcFault::Range { .. } | RpcFault::Size { .. } | RpcFault::Addresses | RpcFault::Timeout => true,
        // Once more first: most unknown errors and broken answers pass.
        RpcFault::Unknown => tries > 1,
        RpcFault::Transport => fault.broken && tries > 1,
        _ => false,
    }
}

fn judge_block(answers: Vec<Answer>) -> Verdict<BlockPage> {
    let Ok([logs, block]) = <[Answer; 2]>::try_from(answers) else {
        return Verdict::Failed(Fault::broken("not two answers"));
    };
    let header = match block {
        Ok(block) => match serde_json::from_str::<Option<WireBlock>>(block.get()) {
            Ok(Some(block)) => block,
            Ok(None) => return Verdict::Done(BlockPage::Gone),
            Err(error) => return Verdict::Again(Fault::broken(error.to_string())),
        },
        Err(fault) if fault.kind == RpcFault::Missing => return Verdict::Done(BlockPage::Gone),
        // The cap may have been reached by the logs that came with it.
        Err(fault) if matches!(fault.kind, RpcFault::Size { .. }) => {
            return Verdict::Done(BlockPage::TooMuch(fault));
        }
        Err(fault) => return Verdict::fault(fault),
    };
    match logs {
        Ok(logs) if logs.get() == "null" => Verdict::Again(no_list()),
        Ok(logs) if is_empty_list(&logs) && header.bloom_has_logs() => Verdict::Again(Fault::new(
            RpcFault::Missing,
            "no logs for a block whose bloom says that it has some; they may not be indexed yet",
        )),
        Ok(logs) => Verdict::Done(BlockPage::Logs(logs, header)),
        Err(fault) if fault.kind == RpcFault::Missing => Verdict::Again(fault),
        Err(fault) if is_too_much(&fault, 2) => Verdict::Done(BlockPage::TooMuch(fault)),
        Err(fault) => Verdict::fault(fault),
    }
}

pub(super) fn no_list() -> Fault {
    Fault::new(RpcFault::Missing, "null instead of a list of logs")
}

fn is_empty_list(raw: &RawValue) -> bool {
    raw.get().chars().filter(|letter| !letter.is_whitespace()).eq("[]".chars())
}

/// A block's name in a request for its receipts.
pub(super) fn receipts_of(number: u64, hash: Option<B256>) -> serde_json::Value {
    match hash {
        Some(hash) => json!(hash),
        None => json!(format!("0x{number:x}")),
    }
}
