//! Logs: of one block by its hash, and of a range in pages that fit the provider.
//!
//! Invariant: a list that could be incomplete is never returned. Every page is asked together with the
//! header of its last block, so that a backend that lags behind is noticed; a list of a suspiciously round
//! length is asked again in halves; a block whose bloom is not zero has logs.

use alloy::primitives::{Address, B256};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde_json::json;
use serde_json::value::RawValue;

use super::Rpc;
use super::classify::RpcFault;
use super::client::Verdict;
use super::exchange::{Answer, Call, Fault};
use super::page::is_suspicious;
use super::wire::{self, WireBlock, WireLog};
use crate::block::{BlockId, BlockRange, Header, RawLog};
use crate::source::SourceError;

pub(super) const GET_LOGS: &str = "eth_getLogs";
/// Blocks asked for at once, by provider.
pub const RANGE_BLOCKS: &str = "asset_indexer_rpc_range_blocks";

/// A part of the work of a range.
#[derive(Debug, Clone, Copy)]
struct Piece<'a> {
    range: BlockRange,
    addresses: &'a [Address],
    /// Ask for no more blocks than this at once.
    blocks: u64,
}

/// What one page came to.
enum Page {
    Logs(Vec<RawLog>),
    /// Ask for less.
    TooMuch(Fault),
}

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

    /// See [`crate::source::Source::logs_in_range`].
    pub(super) async fn range_logs(
        &self,
        range: BlockRange,
        addresses: &[Address],
    ) -> Result<Vec<RawLog>, SourceError> {
        let mut addresses = addresses.to_vec();
        addresses.sort_unstable();
        addresses.dedup();
        let pieces: BoxFuture<'_, _> = Box::pin(
            stream::iter(Pieces {
                rpc: self,
                range,
                addresses: &addresses,
                from: Some(range.from),
                first: 0,
                blocks: 0,
            })
            .map(|piece| self.piece(piece))
            .buffered(self.client.in_flight_max())
            .try_concat(),
        );
        let logs = pieces.await?;
        self.ordered(logs)
    }

    /// All logs of a piece, in as many pages as it takes.
    fn piece<'a>(&'a self, piece: Piece<'a>) -> BoxFuture<'a, Result<Vec<RawLog>, SourceError>> {
        Box::pin(async move {
            let mut logs = Vec::new();
            let mut todo = vec![piece];
            let (mut was_too_much, mut largest) = (false, 0);
            while let Some(piece) = todo.pop() {
                if piece.range.len() > piece.blocks {
                    let (one, rest) = split(piece, piece.blocks);
                    todo.extend([rest, one]);
                    continue;
                }
                match self.page(piece).await? {
                    Page::Logs(page) if is_suspicious(page.len()) && piece.range.len() > 1 => {
                        logs.extend(self.in_halves(piece, page).await?);
                    }
                    Page::Logs(page) => {
                        let blocks = piece.range.len();
                        self.size.went_well(blocks, page.len());
                        largest = largest.max(blocks);
                        logs.extend(page);
                        // One dense block must not keep the rest of the range small.
                        if let Some(next) = todo.last_mut() {
                            next.blocks = next.blocks.max((2 * blocks).min(self.size.blocks()));
                        }
                    }
                    Page::TooMuch(fault) => {
                        was_too_much |= fault.kind != RpcFault::Addresses;
                        self.less(piece, fault, &mut todo, &mut logs).await?;
                    }
                }
                if was_too_much && todo.is_empty() {
                    self.size.at_most(largest);
                }
                metrics::gauge!(RANGE_BLOCKS, "provider" => self.client.alias().to_owned())
                    .set(self.size.blocks() as f64);
            }
            Ok(logs)
        })
    }

    /// A piece was too much: fewer addresses, fewer blocks, and for a single block its receipts.
    async fn less<'a>(
        &'a self,
        piece: Piece<'a>,
        fault: Fault,
        todo: &mut Vec<Piece<'a>>,
        logs: &mut Vec<RawLog>,
    ) -> Result<(), SourceError> {
        if fault.kind == RpcFault::Addresses && piece.addresses.len() > 1 {
            self.size.fewer_addresses(piece.addresses.len());
            let (one, two) = piece.addresses.split_at(piece.addresses.len() / 2);
            todo.extend([Piece { addresses: two, ..piece }, Piece { addresses: one, ..piece }]);
        } else if piece.range.len() > 1 {
            let blocks = self.size.after(piece.range, &fault.kind);
            tracing::debug!(provider = %self.client.alias(), from = piece.range.from, to = piece.range.to, blocks,
                reason = %fault.text, "asking for fewer blocks");
            let (one, rest) = split(Piece { blocks, ..piece }, blocks);
            todo.extend([rest, one]);
        } else {
            logs.extend(self.receipt_logs(piece.range.from, None, Some(piece.addresses), fault).await?);
        }
        Ok(())
    }

    /// Asks again, in halves, for what may have been cut in silence.
    async fn in_halves(&self, piece: Piece<'_>, whole: Vec<RawLog>) -> Result<Vec<RawLog>, SourceError> {
        let half = piece.range.len() / 2;
        let (one, two) = split(piece, half);
        let mut halves = self.piece(one).await?;
        halves.extend(self.piece(two).await?);
        let halves = self.ordered(halves)?;
        for log in &whole {
            let found =
                halves.binary_search_by_key(&log.position(), RawLog::position).map(|index| &halves[index]);
            if !found.is_ok_and(|other| log.same_as(other)) {
                let reason =
                    format!("a log at {:?} that is in a range's list is not in its half's", log.position());
                return Err(self.client.inconsistent(GET_LOGS, reason));
            }
        }
        if halves.len() > whole.len() {
            tracing::warn!(provider = %self.client.alias(), listed = whole.len(), there = halves.len(),
                "the provider cuts lists in silence");
            self.size.at_most(half);
        }
        Ok(halves)
    }

    /// One page: the logs and the header of its last block, asked together.
    async fn page(&self, piece: Piece<'_>) -> Result<Page, SourceError> {
        let BlockRange { from, to } = piece.range;
        let filter = json!({
            "fromBlock": format!("0x{from:x}"),
            "toBlock": format!("0x{to:x}"),
            "address": piece.addresses,
        });
        let calls = [
            Call { method: GET_LOGS, params: json!([filter]) },
            Call { method: super::blocks::BY_NUMBER, params: json!([format!("0x{to:x}"), false]) },
        ];
        let several = piece.range.len() > 1;
        let page = self
            .client
            .until(&calls, |answers, tries| judge_page(answers, tries, several, to))
            .await
            .map_err(|fault| self.client.error(GET_LOGS, Some(from), fault))?;
        let (logs, last) = match page {
            Ok(page) => page,
            Err(fault) => return Ok(Page::TooMuch(fault)),
        };
        let last = last
            .header_of(to, None)
            .map_err(|reason| self.client.inconsistent(super::blocks::BY_NUMBER, reason))?;
        let logs = self.resolved(&logs)?;
        self.check_page(piece, last, &logs)?;
        Ok(Page::Logs(self.ordered(logs)?))
    }

    fn check_page(&self, piece: Piece<'_>, last: Header, logs: &[RawLog]) -> Result<(), SourceError> {
        for log in logs {
            let fault = if !piece.range.contains(log.block.number) {
                "lies outside the range"
            } else if piece.addresses.binary_search(&log.address).is_err() {
                "is of a contract that was not asked for"
            } else if log.block.number == last.id.number && log.block.hash != last.id.hash {
                "is of another block than the header at its height"
            } else {
                continue;
            };
            let reason = format!(
                "asked for blocks {} to {}; a log at block {} index {} of {} {fault}",
                piece.range.from, piece.range.to, log.block.number, log.log_index, log.address
            );
            return Err(self.client.inconsistent(GET_LOGS, reason));
        }
        Ok(())
    }

    fn resolved(&self, raw: &RawValue) -> Result<Vec<RawLog>, SourceError> {
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

/// The first `blocks` blocks of a piece, and the rest; `blocks` is at least one and less than the piece has.
fn split(piece: Piece<'_>, blocks: u64) -> (Piece<'_>, Piece<'_>) {
    let BlockRange { from, to } = piece.range;
    let last = from + blocks - 1;
    let one = Piece { range: BlockRange { from, to: last }, ..piece };
    let two = Piece { range: BlockRange { from: last + 1, to }, ..piece };
    (one, two)
}

/// Cuts a range and a list of addresses into pieces, each cut by the size that holds when it is its turn.
struct Pieces<'a> {
    rpc: &'a Rpc,
    range: BlockRange,
    addresses: &'a [Address],
    /// Next block; `None` at the end.
    from: Option<u64>,
    /// Next address of the present page.
    first: usize,
    /// Blocks of the present page.
    blocks: u64,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let from = self.from?;
        if self.first == 0 {
            self.blocks = self.rpc.size.blocks();
        }
        let to = from.saturating_add(self.blocks - 1).min(self.range.to);
        let end = (self.first + self.rpc.size.addresses()).min(self.addresses.len());
        let addresses = self.addresses.get(self.first..end).filter(|part| !part.is_empty())?;
        if end == self.addresses.len() {
            self.first = 0;
            self.from = (to < self.range.to).then(|| to + 1);
        } else {
            self.first = end;
        }
        Some(Piece { range: BlockRange { from, to }, addresses, blocks: self.blocks })
    }
}

/// Whether asking for less may help where asking again does not.
fn is_too_much(fault: &Fault, tries: u32) -> bool {
    match fault.kind {
        RpcFault::Range { .. } | RpcFault::Size { .. } | RpcFault::Addresses | RpcFault::Timeout => true,
        // Once more first: most unknown errors and broken answers pass.
        RpcFault::Unknown => tries > 1,
        RpcFault::Transport => fault.broken && tries > 1,
        _ => false,
    }
}

type PageAnswer = Result<(Box<RawValue>, WireBlock), Fault>;

fn judge_page(answers: Vec<Answer>, tries: u32, several: bool, to: u64) -> Verdict<PageAnswer> {
    let Ok([logs, last]) = <[Answer; 2]>::try_from(answers) else {
        return Verdict::Failed(Fault::broken("not two answers"));
    };
    let logs = match logs {
        Ok(logs) if logs.get() == "null" => return Verdict::Again(no_list()),
        Ok(logs) => logs,
        Err(fault) if is_too_much(&fault, if several { tries } else { tries.max(2) }) => {
            return Verdict::Done(Err(fault));
        }
        // A backend that is behind: another one, or the same a moment later, may know the block.
        Err(fault) if fault.kind == RpcFault::Missing => return Verdict::Again(fault),
        Err(fault) => return Verdict::fault(fault),
    };
    match last {
        Ok(last) => match serde_json::from_str::<Option<WireBlock>>(last.get()) {
            Ok(Some(block)) => Verdict::Done(Ok((logs, block))),
            Ok(None) => Verdict::Again(Fault::new(
                RpcFault::Missing,
                format!("the node does not have block {to} yet, so its list of logs may be short"),
            )),
            Err(error) => Verdict::Again(Fault::broken(error.to_string())),
        },
        Err(fault) if fault.kind == RpcFault::Missing => Verdict::Again(fault),
        Err(fault) => Verdict::fault(fault),
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

fn no_list() -> Fault {
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
