//! What a provider can give and prove: questions to it, and a pure judgement over the answers.
//!
//! Takes the place of a list of chains and their habits: it is found out, at the start and once a day.

use std::collections::BTreeSet;
use std::fmt;

use alloy::primitives::{Address, B256, Bytes};
use futures_util::future::join_all;
use serde::Serialize;

use crate::block::{BlockId, RawLog, Receipt, Sealed};
use crate::proof;
use crate::source::{CallAnswer, CallRequest, Source, SourceError, View};

/// Blocks that are looked at.
const SAMPLES_MAX: usize = 16;
/// Of these, in a row below the newest final one; the others ever further back.
const SAMPLES_IN_A_ROW: u64 = 8;
/// Blocks whose logs are compared with their receipts'.
const LOGS_COMPARED_MAX: usize = 3;
/// A contract that every Ethereum machine has: it returns its input.
const IDENTITY: Address = Address::with_last_byte(4);

/// Where the history that is needed begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Need {
    /// The first block that will be read, where it is known.
    pub first_block: Option<u64>,
    /// A contract that is there then.
    pub contract: Option<Address>,
}

/// Whether a provider can do something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "is", content = "reason", rename_all = "snake_case")]
pub enum Finding {
    /// It was tried and works.
    Yes,
    /// It was tried and does not work.
    No(String),
    /// It could not be tried, or nothing fit for a trial was found.
    Unknown(String),
}

impl Finding {
    fn of<T>(answer: &Result<T, Refusal>) -> Self {
        match answer {
            Ok(_) => Self::Yes,
            Err(refusal) if refusal.is_final => Self::No(refusal.reason.clone()),
            Err(refusal) => Self::Unknown(refusal.reason.clone()),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Yes => f.write_str("yes"),
            Self::No(reason) => write!(f, "no ({reason})"),
            Self::Unknown(reason) => write!(f, "unknown ({reason})"),
        }
    }
}

/// What a provider can give and prove.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Capabilities {
    /// EIP-155 id.
    pub chain_id: Option<u64>,
    /// Hash of block 0.
    pub genesis: Option<B256>,
    /// Its newest block.
    pub head: Option<u64>,
    /// Its newest final block, in the way that is configured.
    pub finalized: Option<u64>,
    /// Hashes of headers can be computed, so that absence can be proved by bloom.
    pub headers: Finding,
    /// Receipts by block hash are to be had and have the root that the header commits to: completeness can be proved.
    pub receipts: Finding,
    /// Logs by block hash are to be had, and are those of the receipts.
    pub logs_by_hash: Finding,
    /// A call names its block by hash (EIP-1898), and one that does not exist is not answered.
    pub calls_by_hash: Finding,
    /// Receipts are kept from the first block on that is needed.
    pub history: Finding,
    /// So is state.
    pub state: Finding,
    /// It takes several requests at once.
    pub batches: Option<bool>,
}

impl Capabilities {
    /// Whether it proves by itself that logs are complete; `None` where nothing could be tried.
    pub fn proves(&self) -> Option<bool> {
        match (&self.headers, &self.receipts) {
            (Finding::Unknown(_), _) => None,
            (Finding::No(_), _) | (_, Finding::No(_)) => Some(false),
            (Finding::Yes, _) => Some(true),
        }
    }

    /// The proof there is, for people.
    pub fn proof(&self) -> String {
        match (&self.headers, &self.receipts) {
            (Finding::Yes, Finding::Yes) => "by receipts".to_owned(),
            (Finding::Yes, Finding::Unknown(reason)) => format!("by receipts, as it seems ({reason})"),
            (Finding::Yes, Finding::No(reason)) => format!("absence only, by bloom ({reason})"),
            (Finding::No(reason), _) => format!("nothing by itself ({reason})"),
            (Finding::Unknown(reason), _) => format!("unknown ({reason})"),
        }
    }
}

/// An error of a node, and whether asking again is of no use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Whether it is the node's last word.
    pub is_final: bool,
    /// In words, without secrets.
    pub reason: String,
}

impl From<SourceError> for Refusal {
    fn from(error: SourceError) -> Self {
        use SourceError::{BlockGone, Inconsistent, Pruned, Refused, Unavailable};
        let is_final = matches!(error, Refused { .. } | Pruned { .. } | Inconsistent { .. });
        let reason = match error {
            Refused { reason, .. }
            | Pruned { reason, .. }
            | Inconsistent { reason, .. }
            | Unavailable { reason, .. } => reason,
            BlockGone { .. } => error.to_string(),
        };
        Self { is_final, reason }
    }
}

/// A block that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Its header.
    pub sealed: Sealed,
    /// Its receipts.
    pub receipts: Result<Vec<Receipt>, Refusal>,
    /// Its logs by its hash, where they were asked for.
    pub logs: Option<Result<Vec<RawLog>, Refusal>>,
}

/// What a provider answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Samples {
    /// EIP-155 id.
    pub chain_id: Result<u64, Refusal>,
    /// Hash of block 0.
    pub genesis: Result<Option<B256>, Refusal>,
    /// Head and final block.
    pub view: Result<View, Refusal>,
    /// Blocks.
    pub blocks: Result<Vec<Sample>, Refusal>,
    /// A call at its head.
    pub call: Result<CallAnswer, Refusal>,
    /// The same call at a block that does not exist.
    pub call_nowhere: Result<CallAnswer, Refusal>,
    /// The receipts of the first block that is needed.
    pub history: Option<Result<(), Refusal>>,
    /// Whether there is code at the contract then.
    pub state: Option<Result<Option<bool>, Refusal>>,
    /// It takes several requests at once.
    pub batches: Option<bool>,
}

/// Asks a provider all that must be known of it.
pub async fn collect<S: Source>(source: &S, need: Need) -> Samples {
    let chain_id = source.chain_id().await.map_err(Refusal::from);
    let genesis = source.header(0).await.map(|header| header.map(|header| header.id.hash));
    let view = source.view().await.map_err(Refusal::from);
    let (blocks, head) = match &view {
        Ok(view) => (blocks(source, view, need).await, view.head.id),
        Err(refusal) => (Err(refusal.clone()), BlockId { number: 0, hash: B256::ZERO }),
    };
    let nowhere = BlockId { hash: B256::repeat_byte(0xa5), ..head };
    let (call, call_nowhere) = (call_at(source, head).await, call_at(source, nowhere).await);
    let history = match need.first_block {
        Some(first) => Some(receipts_at(source, first).await),
        None => None,
    };
    let state = match (need.contract, need.first_block) {
        (Some(contract), Some(first)) => Some(source.has_code(contract, first).await.map_err(Refusal::from)),
        _ => None,
    };
    let genesis = genesis.map_err(Refusal::from);
    let batches = source.traffic().batches;
    Samples { chain_id, genesis, view, blocks, call, call_nowhere, history, state, batches }
}

async fn call_at<S: Source>(source: &S, block: BlockId) -> Result<CallAnswer, Refusal> {
    let request = CallRequest { block, target: IDENTITY, input: Bytes::from_static(&[1]) };
    let nothing = || Refusal { is_final: false, reason: "no answer".to_owned() };
    source.calls(&[request]).await?.into_iter().next().ok_or_else(nothing)
}

async fn receipts_at<S: Source>(source: &S, number: u64) -> Result<(), Refusal> {
    let header = source.header(number).await?;
    let gone = SourceError::BlockGone { number, hash: None };
    source.receipts(header.ok_or(gone)?.id).await?;
    Ok(())
}

/// Heights to look at: some in a row, some ever further back, and where the history begins.
fn heights(view: &View, need: Need) -> Vec<u64> {
    let (head, finalized) = (view.head.id.number, view.finalized.number);
    let top = if finalized >= SAMPLES_IN_A_ROW { finalized } else { head };
    let mut heights: BTreeSet<u64> = need.first_block.into_iter().filter(|first| *first <= head).collect();
    heights.extend((0..SAMPLES_IN_A_ROW).filter_map(|back| top.checked_sub(back)));
    let mut back = 2 * SAMPLES_IN_A_ROW;
    while heights.len() < SAMPLES_MAX && back <= top {
        heights.insert(top - back);
        back *= 2;
    }
    heights.into_iter().collect()
}

async fn blocks<S: Source>(source: &S, view: &View, need: Need) -> Result<Vec<Sample>, Refusal> {
    let sealed = source.sealed(&heights(view, need)).await?;
    let receipts = receipts(source, &sealed).await;
    let mut compared = 0;
    let mut samples = Vec::with_capacity(sealed.len());
    for (sealed, receipts) in sealed.into_iter().zip(receipts).rev() {
        let has_logs = receipts.as_ref().is_ok_and(|list| list.iter().any(|one| !one.logs.is_empty()));
        let logs = if has_logs && compared < LOGS_COMPARED_MAX {
            compared += 1;
            Some(source.logs_of_block(sealed.header.id).await.map_err(Refusal::from))
        } else {
            None
        };
        samples.push(Sample { sealed, receipts, logs });
    }
    if compared == 0
        && let Some(newest) = samples.first_mut()
    {
        let logs = source.logs_of_block(newest.sealed.header.id).await;
        newest.logs = Some(logs.map_err(Refusal::from));
    }
    Ok(samples)
}

/// The receipts of blocks; where those of the newest are refused, the others need not be asked for.
async fn receipts<S: Source>(source: &S, sealed: &[Sealed]) -> Vec<Result<Vec<Receipt>, Refusal>> {
    let Some((newest, older)) = sealed.split_last() else { return Vec::new() };
    let first = source.receipts(newest.header.id).await;
    let mut all = match &first {
        Err(refused @ SourceError::Refused { .. }) => vec![Err(refused.clone()); older.len()],
        _ => join_all(older.iter().map(|sealed| source.receipts(sealed.header.id))).await,
    };
    all.push(first);
    all.into_iter().map(|answer| answer.map_err(Refusal::from)).collect()
}

/// What the answers say.
pub fn judge(samples: &Samples) -> Capabilities {
    let unknown = |reason: &str| Finding::Unknown(reason.to_owned());
    let [headers, receipts, logs_by_hash] = match &samples.blocks {
        Ok(blocks) => judge_blocks(blocks),
        Err(refusal) => [(); 3].map(|()| unknown(&refusal.reason)),
    };
    let calls_by_hash = match (&samples.call, &samples.call_nowhere) {
        (Ok(_), Ok(CallAnswer::Returned(_))) => {
            Finding::No("it answers a call at a block that does not exist".to_owned())
        }
        (Ok(CallAnswer::StateUnavailable), _) => unknown("no state at its head"),
        (answer, _) => Finding::of(answer),
    };
    let view = samples.view.as_ref().ok();
    Capabilities {
        chain_id: samples.chain_id.as_ref().ok().copied(),
        genesis: samples.genesis.as_ref().ok().copied().flatten(),
        head: view.map(|view| view.head.id.number),
        finalized: view.map(|view| view.finalized.number),
        headers,
        receipts,
        logs_by_hash,
        calls_by_hash,
        history: samples
            .history
            .as_ref()
            .map_or_else(|| unknown("no start block is configured"), Finding::of),
        state: match &samples.state {
            None => unknown("no start block is configured"),
            Some(Ok(None)) => Finding::No("no state at the start block".to_owned()),
            Some(answer) => Finding::of(answer),
        },
        batches: samples.batches,
    }
}

fn judge_blocks(blocks: &[Sample]) -> [Finding; 3] {
    let unknown = |reason: &str| Finding::Unknown(reason.to_owned());
    let mut headers = unknown("there is no block yet");
    let (mut receipts, mut logs_by_hash) =
        (unknown("no sample has transactions"), unknown("no sample has logs"));
    for sample in blocks {
        let proved = match proof::header(&sample.sealed) {
            Ok(proved) => proved,
            Err(flaw) => {
                headers = Finding::No(flaw.to_string());
                break;
            }
        };
        headers = Finding::Yes;
        let proved_logs = match &sample.receipts {
            Ok(list) => proved.logs(list.clone()).map_err(|flaw| Finding::No(flaw.to_string())),
            Err(refusal) => Err(Finding::of::<()>(&Err(refusal.clone()))),
        };
        let is_empty = proved.is_empty();
        receipts = match (receipts, &proved_logs) {
            (no @ Finding::No(_), _) => no,
            (_, Err(no @ Finding::No(_))) => no.clone(),
            (yes @ Finding::Yes, _) => yes,
            (_, Ok(_)) if !is_empty => Finding::Yes,
            (_, Err(other)) => other.clone(),
            (before, Ok(_)) => before,
        };
        let listed = match (&sample.logs, proved_logs) {
            (Some(Ok(listed)), Ok(proved)) => {
                let same = listed.len() == proved.len()
                    && listed.iter().zip(&proved).all(|(one, other)| one.same_as(other));
                let number = sample.sealed.header.id.number;
                match (same, proved.is_empty()) {
                    (false, _) => {
                        Finding::No(format!("the logs of block {number} are not those of its receipts"))
                    }
                    (true, true) => continue,
                    (true, false) => Finding::Yes,
                }
            }
            (Some(Err(refusal)), _) => Finding::of::<()>(&Err(refusal.clone())),
            _ => continue,
        };
        if !matches!(logs_by_hash, Finding::No(_)) {
            logs_by_hash = listed;
        }
    }
    [headers, receipts, logs_by_hash]
}

#[cfg(test)]
#[path = "probe_tests.rs"]
mod tests;
