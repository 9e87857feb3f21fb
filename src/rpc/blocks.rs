//! Headers, the view of head and finality, and the transactions of a block.

use std::sync::atomic::Ordering;

use alloy::primitives::U64;
use serde::de::DeserializeOwned;
use serde_json::json;
use serde_json::value::RawValue;

use super::classify::RpcFault;
use super::client::Verdict;
use super::exchange::{Answer, Call, Fault};
use super::wire::{WireBlock, holdable};
use super::{Finality, Rpc};
use crate::block::{BlockId, Header, Sealed};
use crate::source::{SourceError, View};

pub(super) const BY_NUMBER: &str = "eth_getBlockByNumber";
pub(super) const BY_HASH: &str = "eth_getBlockByHash";
const CHAIN_ID: &str = "eth_chainId";

/// What the node said to the question for its final block.
enum Tag {
    Block(WireBlock),
    /// The node has no such tag, or no final block: its words.
    Missing(String),
}

impl Rpc {
    /// See [`crate::source::Source::chain_id`].
    pub(super) async fn id_of_chain(&self) -> Result<u64, SourceError> {
        let answer = self.client.one(Call { method: CHAIN_ID, params: json!([]) }).await;
        let id: U64 = self.decoded(CHAIN_ID, None, answer)?;
        self.consistent(CHAIN_ID, holdable(id))
    }

    /// See [`crate::source::Source::view`].
    pub(super) async fn head_and_finality(&self) -> Result<View, SourceError> {
        let (head, tag) = match self.finality {
            Finality::Tag { .. } => self.head_and_tag().await?,
            Finality::Depth(_) => (self.latest().await?, Tag::Missing(String::new())),
        };
        let head = self.consistent(BY_NUMBER, head.header())?;
        self.heads.seen(head.id.number);
        let finalized = match (tag, self.finality) {
            (Tag::Block(block), _) => self.consistent(BY_NUMBER, block.header())?.id,
            (Tag::Missing(_), Finality::Depth(depth) | Finality::Tag { fallback_depth: Some(depth) }) => {
                self.at_depth(head, depth).await?
            }
            (Tag::Missing(words), Finality::Tag { fallback_depth: None }) => {
                return Err(SourceError::Refused {
                    provider: self.client.alias().to_owned(),
                    method: BY_NUMBER,
                    reason: format!(
                        "no finalized block ({words}); configure a finality depth for this chain"
                    ),
                });
            }
        };
        if finalized.number == head.id.number && finalized.hash != head.id.hash {
            let reason = format!("head {:?} and final block {finalized:?} differ at one height", head.id);
            return Err(self.client.inconsistent(BY_NUMBER, reason));
        }
        Ok(View { head, finalized })
    }

    /// Head and final block in one batch, hence of one backend where the provider has several.
    async fn head_and_tag(&self) -> Result<(WireBlock, Tag), SourceError> {
        let calls = [latest(), Call { method: BY_NUMBER, params: json!(["finalized", false]) }];
        let judged = self.client.until(&calls, |answers, _| judge_view(answers)).await;
        judged.map_err(|fault| self.client.error(BY_NUMBER, None, fault))
    }

    async fn latest(&self) -> Result<WireBlock, SourceError> {
        let answer = self.client.one(latest()).await;
        self.decoded(BY_NUMBER, None, answer)
    }

    async fn at_depth(&self, head: Header, depth: u64) -> Result<BlockId, SourceError> {
        if depth == 0 {
            return Ok(head.id);
        }
        let number = head.id.number.saturating_sub(depth);
        match self.header_at(number).await? {
            Some(header) => Ok(header.id),
            None => Err(SourceError::BlockGone { number, hash: None }),
        }
    }

    /// See [`crate::source::Source::header`].
    pub(super) async fn header_at(&self, number: u64) -> Result<Option<Header>, SourceError> {
        let answer = self.client.one(by_number(number)).await;
        self.header_from(number, answer)
    }

    /// See [`crate::source::Source::headers`].
    pub(super) async fn headers_at(&self, numbers: &[u64]) -> Result<Vec<Header>, SourceError> {
        let answers = self.client.each(numbers.iter().map(|&number| by_number(number)).collect()).await;
        let headers = numbers.iter().zip(answers).map(|(&number, answer)| {
            self.header_from(number, answer)?.ok_or(SourceError::BlockGone { number, hash: None })
        });
        headers.collect()
    }

    /// See [`crate::source::Source::sealed`].
    pub(super) async fn sealed_at(&self, numbers: &[u64]) -> Result<Vec<Sealed>, SourceError> {
        let answers = self.client.each(numbers.iter().map(|&number| by_number(number)).collect()).await;
        let sealed = numbers.iter().zip(answers).map(|(&number, answer)| {
            let gone = SourceError::BlockGone { number, hash: None };
            if matches!(&answer, Err(fault) if fault.kind == RpcFault::Missing) {
                return Err(gone);
            }
            let raw: Option<Box<RawValue>> = self.decoded(BY_NUMBER, Some(number), answer)?;
            self.consistent(BY_NUMBER, super::wire::sealed(&raw.ok_or(gone)?, number))
        });
        sealed.collect()
    }

    pub(super) fn header_from(&self, number: u64, answer: Answer) -> Result<Option<Header>, SourceError> {
        if matches!(&answer, Err(fault) if fault.kind == RpcFault::Missing) {
            return Ok(None);
        }
        let block: Option<WireBlock> = self.decoded(BY_NUMBER, Some(number), answer)?;
        block.map(|block| self.consistent(BY_NUMBER, block.header_of(number, None))).transpose()
    }

    /// The number of the newest block, by the cheapest question, asked once.
    pub(super) async fn head_number(&self) -> Option<u64> {
        let call = Call { method: "eth_blockNumber", params: json!([]) };
        let answer = self.client.once(&call).await.ok()?;
        let number: U64 = serde_json::from_str(answer.get()).ok()?;
        Some(number.to())
    }

    /// An answer's value, or the error.
    pub(super) fn decoded<T: DeserializeOwned>(
        &self,
        method: &'static str,
        block: Option<u64>,
        answer: Answer,
    ) -> Result<T, SourceError> {
        let raw: Box<RawValue> = answer.map_err(|fault| self.client.error(method, block, fault))?;
        self.consistent(method, serde_json::from_str(raw.get()).map_err(|error| error.to_string()))
    }

    pub(super) fn consistent<T>(
        &self,
        method: &'static str,
        checked: Result<T, String>,
    ) -> Result<T, SourceError> {
        checked.map_err(|reason| self.client.inconsistent(method, reason))
    }
}

impl super::doorbell::Heads {
    /// A head that [`Rpc::head_and_finality`] has delivered.
    pub(super) fn seen(&self, number: u64) {
        self.delivered.store(number, Ordering::Relaxed);
    }
}

fn latest() -> Call {
    Call { method: BY_NUMBER, params: json!(["latest", false]) }
}

pub(super) fn by_number(number: u64) -> Call {
    Call { method: BY_NUMBER, params: json!([format!("0x{number:x}"), false]) }
}

fn judge_view(answers: Vec<Answer>) -> Verdict<(WireBlock, Tag)> {
    let Ok([head, tag]) = <[Answer; 2]>::try_from(answers) else {
        return Verdict::Failed(Fault::broken("not two answers"));
    };
    let head = match head {
        Ok(head) => match serde_json::from_str::<WireBlock>(head.get()) {
            Ok(head) => head,
            Err(error) => return Verdict::Again(Fault::broken(format!("latest block: {error}"))),
        },
        Err(fault) => return Verdict::fault(fault),
    };
    let tag = match tag {
        Ok(tag) => match serde_json::from_str::<Option<WireBlock>>(tag.get()) {
            Ok(Some(block)) => Tag::Block(block),
            Ok(None) => Tag::Missing("null".to_owned()),
            Err(error) => return Verdict::Again(Fault::broken(format!("finalized block: {error}"))),
        },
        Err(fault) if has_no_tag(&fault) => Tag::Missing(fault.text),
        Err(fault) => return Verdict::fault(fault),
    };
    if let (Tag::Block(block), Ok(header)) = (&tag, head.header())
        && let Ok(finalized) = block.header()
        && finalized.id.number > header.id.number
    {
        let text = format!("final block {} is above head {}", finalized.id.number, header.id.number);
        return Verdict::Again(Fault::new(RpcFault::Missing, text));
    }
    Verdict::Done((head, tag))
}

/// Whether the node does not know the tag `finalized`, or has no final block.
fn has_no_tag(fault: &Fault) -> bool {
    match fault.kind {
        RpcFault::Unsupported | RpcFault::Missing => true,
        RpcFault::Unknown => fault.is_of_params() || fault.text.to_lowercase().contains("finalized"),
        _ => false,
    }
}
