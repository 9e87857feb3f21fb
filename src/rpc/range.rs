//! Logs of a range, in pages that fit the provider.
//!
//! Invariant: a list that could be incomplete is never returned. Every page is asked together with the header of its last
//! block, so that a backend that lags behind is noticed; a list of a suspiciously round length is asked again in halves.

use alloy::primitives::Address;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde_json::json;
use serde_json::value::RawValue;

use super::Rpc;
use super::blocks::BY_NUMBER;
use super::classify::RpcFault;
use super::client::Verdict;
use super::exchange::{Answer, Call, Fault};
use super::logs::{GET_LOGS, is_too_much, no_list};
use super::page::{Course, Whose, is_suspicious};
use super::wire::WireBlock;
use crate::block::{BlockRange, Header, RawLog};
use crate::source::SourceError;

/// Blocks asked for at once, by provider.
pub const RANGE_BLOCKS: &str = "asset_indexer_rpc_range_blocks";

/// So many times in a row fewer blocks are asked for because no answer came in time; then the node hangs.
const LESS_UNANSWERED_MAX: u32 = 2;

/// A part of the work of a range.
#[derive(Debug, Clone, Copy)]
struct Piece<'a> {
    range: BlockRange,
    addresses: &'a [Address],
    /// Ask for no more blocks than this at once.
    blocks: u64,
    /// The list that it is a part of.
    course: &'a Course,
}

/// What one page came to.
enum Page {
    Logs {
        /// How many logs the provider listed.
        listed: usize,
        /// Those of the contracts that were asked for.
        ours: Vec<RawLog>,
    },
    /// Ask for less.
    TooMuch(Fault),
}

impl Page {
    /// Whether our own limit of time was its end.
    fn is_unanswered(&self) -> bool {
        matches!(self, Self::TooMuch(fault) if fault.unanswered)
    }
}

impl Rpc {
    /// See [`crate::source::Source::logs_in_range`], and [`crate::source::Source::logs_up_to`].
    pub(super) async fn range_logs(
        &self,
        range: BlockRange,
        addresses: &[Address],
        most: usize,
    ) -> Result<Vec<RawLog>, SourceError> {
        let mut addresses = addresses.to_vec();
        addresses.sort_unstable();
        addresses.dedup();
        let filters = addresses.len().div_ceil(self.size.addresses());
        let (mut logs, mut left) = (Vec::new(), Some(range));
        while let Some(rest) = left
            && let Some(window) = self.everyones.window(rest, filters, self.size.page_blocks())
            && let Some(picked) = self.picked_logs(window, &addresses, most).await
        {
            logs.extend(picked);
            let goes_on = window.to < rest.to && logs.len() <= most;
            left = goes_on.then(|| BlockRange { from: window.to + 1, ..rest });
        }
        if let Some(left) = left {
            logs.extend(self.course_logs(left, &addresses, Whose::Named, most).await?);
            self.everyones.named(filters);
        }
        self.ordered(logs)
    }

    /// Ours of everyone's logs; `None` where that list cannot be had, whatever the reason: others' logs must not stop ours.
    async fn picked_logs(
        &self,
        range: BlockRange,
        addresses: &[Address],
        most: usize,
    ) -> Option<Vec<RawLog>> {
        match self.course_logs(range, addresses, Whose::Everyones, most).await {
            Ok(logs) => Some(logs),
            Err(error) => {
                tracing::info!(%error, from = range.from, to = range.to,
                    "no list of everyone's logs: contracts are named, a few hundred at a time");
                self.everyones.failed();
                None
            }
        }
    }

    async fn course_logs(
        &self,
        range: BlockRange,
        addresses: &[Address],
        whose: Whose,
        most: usize,
    ) -> Result<Vec<RawLog>, SourceError> {
        let course = self.size.course(range, whose).up_to(most);
        let pieces = Pieces {
            rpc: self,
            course: &course,
            range,
            addresses,
            from: Some(range.from),
            first: 0,
            blocks: 0,
        };
        let logs: BoxFuture<'_, _> = Box::pin(
            stream::iter(pieces)
                .map(|piece| self.piece(piece))
                .buffered(self.client.in_flight_max())
                .try_concat(),
        );
        let logs = logs.await?;
        self.size.end(&course);
        Ok(logs)
    }

    /// All logs of a piece, in as many pages as it takes; none any more once its list has enough.
    fn piece<'a>(&'a self, piece: Piece<'a>) -> BoxFuture<'a, Result<Vec<RawLog>, SourceError>> {
        Box::pin(async move {
            let mut logs = Vec::new();
            let course = piece.course;
            let mut todo = vec![piece];
            let (mut was_too_much, mut had_too_many, mut largest) = (false, false, 0);
            let mut unanswered = 0;
            while !course.is_enough()
                && let Some(piece) = todo.pop()
            {
                if piece.range.len() > piece.blocks {
                    let (one, rest) = split(piece, piece.blocks);
                    todo.extend([rest, one]);
                    continue;
                }
                let page = self.page(piece).await?;
                unanswered = if page.is_unanswered() { unanswered + 1 } else { 0 };
                match page {
                    Page::TooMuch(fault) if unanswered > LESS_UNANSWERED_MAX => {
                        // If it is only slow, the next try begins with what was not tried yet.
                        self.size.at_most(piece.range.len() / 2);
                        return Err(self.client.error(GET_LOGS, Some(piece.range.from), fault));
                    }
                    Page::Logs { listed, ours } if is_suspicious(listed) && piece.range.len() > 1 => {
                        logs.extend(self.in_halves(piece, ours).await?);
                    }
                    // Nothing of one block is to be had in halves.
                    Page::Logs { listed, .. }
                        if is_suspicious(listed) && course.whose() == Whose::Everyones =>
                    {
                        let fault = Fault::new(RpcFault::Missing, "a list of round length, perhaps cut off");
                        let number = piece.range.from;
                        logs.extend(self.receipt_logs(number, None, Some(piece.addresses), fault).await?);
                    }
                    Page::Logs { listed, ours } => {
                        let blocks = piece.range.len();
                        self.size.went_well(course, blocks, listed);
                        if course.whose() == Whose::Everyones {
                            self.everyones.listed(blocks, listed);
                        }
                        largest = largest.max(blocks);
                        course.found(ours.len());
                        logs.extend(ours);
                        // One dense block must not keep the rest of the range small.
                        if let Some(next) = todo.last_mut() {
                            next.blocks = next.blocks.max((2 * blocks).min(self.size.blocks(course)));
                        }
                    }
                    Page::TooMuch(fault) => {
                        // Too many results are no limit of blocks, where there are results.
                        match fault.kind {
                            RpcFault::Addresses => {}
                            RpcFault::Size { .. } => had_too_many = true,
                            _ => was_too_much = true,
                        }
                        self.less(piece, fault, &mut todo, &mut logs).await?;
                    }
                }
                if todo.is_empty() && (was_too_much || had_too_many && !course.has_results()) {
                    self.size.at_most(largest);
                }
                metrics::gauge!(RANGE_BLOCKS, "provider" => self.client.alias().to_owned())
                    .set(self.size.blocks(course) as f64);
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
        if piece.course.whose() == Whose::Everyones && !matches!(fault.kind, RpcFault::Size { .. }) {
            // Whatever else it says, contracts that are named may help.
            return Err(SourceError::Refused {
                provider: self.client.alias().to_owned(),
                method: GET_LOGS,
                reason: fault.text,
            });
        }
        if fault.kind == RpcFault::Addresses && piece.addresses.len() > 1 {
            self.size.fewer_addresses(piece.addresses.len());
            let (one, two) = piece.addresses.split_at(piece.addresses.len() / 2);
            todo.extend([Piece { addresses: two, ..piece }, Piece { addresses: one, ..piece }]);
        } else if piece.range.len() > 1 {
            let blocks = self.size.after(piece.course, piece.range, &fault.kind);
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
        if piece.course.is_enough() {
            // They may lack some of what is in the whole.
            return Ok(halves);
        }
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
        let mut filter = json!({ "fromBlock": format!("0x{from:x}"), "toBlock": format!("0x{to:x}") });
        if piece.course.whose() == Whose::Named {
            filter["address"] = json!(piece.addresses);
        }
        let calls = [
            Call { method: GET_LOGS, params: json!([filter]) },
            Call { method: BY_NUMBER, params: json!([format!("0x{to:x}"), false]) },
        ];
        let several = piece.range.len() > 1;
        let mut may_be_range = false;
        let judge = |answers: Vec<Answer>, tries| {
            may_be_range = several && matches!(answers.first(), Some(Err(fault)) if fault.rate_by_code);
            judge_page(answers, tries, several, to)
        };
        let asked = self.client.until(&calls, judge).await;
        let (logs, last) = match asked {
            Ok(Ok(page)) => page,
            Ok(Err(fault)) => return Ok(Page::TooMuch(fault)),
            // The same code stands for too large a range: such a one is refused for ever.
            Err(fault) if may_be_range && fault.rate_by_code => return Ok(Page::TooMuch(fault)),
            Err(fault) => return Err(self.client.error(GET_LOGS, Some(from), fault)),
        };
        let bloom_has_logs = last.bloom_has_logs();
        let last = last.header_of(to, None).map_err(|reason| self.client.inconsistent(BY_NUMBER, reason))?;
        let logs = self.resolved(&logs)?;
        self.check_page(piece, last, &logs)?;
        if bloom_has_logs
            && piece.course.whose() == Whose::Everyones
            && !logs.iter().any(|log| log.block.number == to)
        {
            let reason =
                format!("the bloom of block {to} says that it has logs, and a list of all of them has none");
            return Err(self.client.inconsistent(GET_LOGS, reason));
        }
        let listed = logs.len();
        let mut ours = self.ordered(logs)?;
        if piece.course.whose() == Whose::Everyones {
            ours.retain(|log| piece.addresses.binary_search(&log.address).is_ok());
        }
        Ok(Page::Logs { listed, ours })
    }

    fn check_page(&self, piece: Piece<'_>, last: Header, logs: &[RawLog]) -> Result<(), SourceError> {
        for log in logs {
            let fault = if !piece.range.contains(log.block.number) {
                "lies outside the range"
            } else if piece.course.whose() == Whose::Named
                && piece.addresses.binary_search(&log.address).is_err()
            {
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
    course: &'a Course,
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
            let left = (self.range.to - from).saturating_add(1);
            self.blocks = self.rpc.size.blocks_of(self.course, left);
        }
        let to = from.saturating_add(self.blocks - 1).min(self.range.to);
        let most = match self.course.whose() {
            Whose::Named => self.rpc.size.addresses(),
            Whose::Everyones => usize::MAX,
        };
        let end = self.first.saturating_add(most).min(self.addresses.len());
        let addresses = self.addresses.get(self.first..end).filter(|part| !part.is_empty())?;
        if end == self.addresses.len() {
            self.first = 0;
            self.from = (to < self.range.to).then(|| to + 1);
        } else {
            self.first = end;
        }
        let course = self.course;
        Some(Piece { range: BlockRange { from, to }, addresses, blocks: self.blocks, course })
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
