//! Down to which block a rewind goes: one that the tables and the node share.

use alloy::primitives::B256;

use super::{ExecuteError, Executor};
use crate::block::{BlockId, Header};
use crate::source::{Source, SourceError};

/// A block of which the tables tell the hash, beside the node's at its height.
enum Compared {
    /// The tables tell of none.
    Nothing,
    /// The same.
    Shared(Header),
    /// Another one; the node's hash.
    Strange(BlockId, B256),
}

impl<S: Source> Executor<S> {
    /// The newest block, at a height whose header is not kept or below it, that the tables and the node are known to share. It
    /// is the one at that height where they share one above: a hash stands for all that is below it. Else it is the newest one
    /// below of which the tables tell the hash, and the node has the same: nothing is in them between the two.
    pub(super) async fn shared(&self, to: u64) -> Result<Header, ExecuteError> {
        let [_, above] = self.store.known_around(to).await?;
        let node = self.node().await?;
        if let Some(above) = above
            && node.header(above.number).await?.is_some_and(|there| there.id == above)
        {
            return header(&*node, to).await;
        }
        let (mut strange, mut steps) = match self.compared_below(&node, to).await? {
            Compared::Nothing => return header(&*node, to).await,
            Compared::Shared(header) => return Ok(header),
            Compared::Strange(ours, theirs) => ((ours, theirs), 1),
        };
        // Ever further down, until they share one; and up from there, by halves, to the newest.
        let mut shared = loop {
            match self.compared_below(&node, strange.0.number.saturating_sub(steps)).await? {
                Compared::Shared(header) => break header,
                Compared::Strange(ours, theirs) if ours.number < strange.0.number => strange = (ours, theirs),
                // Below the lowest that the tables tell of.
                Compared::Strange(..) | Compared::Nothing => {
                    break self.lowest_shared(&node, to, strange).await?;
                }
            }
            steps *= 2;
        };
        let (mut low, mut high) = (shared.id.number, strange.0.number);
        while low + 1 < high {
            let middle = low + (high - low) / 2;
            match self.compared_below(&node, middle).await? {
                Compared::Shared(header) => (low, shared) = (middle, header),
                Compared::Strange(ours, _) => high = ours.number,
                Compared::Nothing => low = middle,
            }
        }
        Ok(shared)
    }

    /// The lowest block of which the tables tell the hash, if the node has it.
    async fn lowest_shared(
        &self,
        node: &S,
        to: u64,
        strange: (BlockId, B256),
    ) -> Result<Header, ExecuteError> {
        let [_, lowest] = self.store.known_around(0).await?;
        let ours = lowest.unwrap_or(strange.0);
        let there = header(node, ours.number).await?;
        if there.id == ours {
            return Ok(there);
        }
        let BlockId { number, hash } = ours;
        Err(ExecuteError::NothingShared { to, number, ours: hash, theirs: there.id.hash })
    }

    /// The newest block, at a height or below it, of which the tables tell the hash, beside the node's.
    async fn compared_below(&self, node: &S, height: u64) -> Result<Compared, ExecuteError> {
        let [below, _] = self.store.known_around(height).await?;
        let Some(ours) = below else { return Ok(Compared::Nothing) };
        let there = header(node, ours.number).await?;
        Ok(if there.id == ours { Compared::Shared(there) } else { Compared::Strange(ours, there.id.hash) })
    }
}

async fn header<S: Source>(node: &S, number: u64) -> Result<Header, ExecuteError> {
    let header = node.header(number).await?;
    Ok(header.ok_or(SourceError::BlockGone { number, hash: None })?)
}
