//! Holds what a provider shows against what the others say: a head that enough of them have, and a final block that none
//! of them contradicts. Both are the provider's own blocks.

use alloy::primitives::B256;
use futures_util::future::join_all;

use super::Providers;
use super::choose::{self, Vote};
use super::clock::Clock;
use super::health::{Fault, Trouble};
use super::look::before;
use crate::block::{BlockId, Header};
use crate::source::{Source, SourceError, View};

/// How far below the heads a block is looked for that enough providers have.
const QUORUM_STEPS: u64 = 32;

impl<S: Source, C: Clock> Providers<S, C> {
    /// What a provider shows, as far as the others do not contradict it; nothing when they outvote it, or when too few of
    /// them have its head.
    pub(super) async fn confirmed(
        &self,
        choice: usize,
        answered: &[usize],
    ) -> Result<Option<View>, SourceError> {
        let Some(mut view) = self.state().all[choice].heard.map(|heard| heard.view) else { return Ok(None) };
        if self.is_alone() {
            return Ok(Some(view));
        }
        if self.rules.quorum > 1 {
            view.head = self.head_of_quorum(choice, view.head, answered).await?;
        }
        let Some(finalized) = self.uncontradicted(choice, view.finalized).await? else { return Ok(None) };
        view.finalized = if finalized.number > view.head.id.number { view.head.id } else { finalized };
        Ok(Some(view))
    }

    /// The newest block of a provider's chain that enough providers have.
    async fn head_of_quorum(
        &self,
        choice: usize,
        head: Header,
        answered: &[usize],
    ) -> Result<Header, SourceError> {
        let (others, own) = {
            let (state, now) = (self.state(), self.clock.now());
            let trusted = answered.iter().copied().filter(|&i| !state.all[i].is_distrusted(now));
            let mut heads: Vec<(usize, u64)> = trusted
                .clone()
                .filter(|&i| i != choice)
                .filter_map(|i| Some((i, state.all[i].heard?.view.head.id.number.min(head.id.number))))
                .collect();
            heads.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
            (heads, trusted.filter(|&i| i == choice).count())
        };
        let wanted = self.rules.quorum;
        let refused = |what: String| SourceError::Unavailable {
            provider: self.sources[choice].alias(),
            method: "eth_getBlockByNumber",
            reason: format!("{what}; {wanted} providers must have a block before it is shown (rpc.quorum)"),
        };
        let Some((_, top)) = others.get(wanted - own - 1).copied() else {
            return Err(refused(format!("{} of {} providers answer", answered.len(), self.sources.len())));
        };
        for number in (top.saturating_sub(QUORUM_STEPS)..=top).rev() {
            let Some(header) = self.header_of(choice, number).await else { break };
            let having =
                others.iter().filter(|(_, top)| *top >= number).map(|(i, _)| self.hash_of(*i, number));
            let hashes = join_all(having).await;
            let having = |wanted: Option<B256>| hashes.iter().filter(|hash| **hash == wanted).count();
            if own + having(Some(header.id.hash)) >= wanted {
                return Ok(header);
            }
            if hashes.iter().any(|hash| hash.is_some() && having(*hash) >= wanted) {
                return Err(refused(format!("enough others have another block {number}")));
            }
        }
        Err(refused(format!(
            "too few others have the chain of {} below block {top}",
            self.sources[choice].alias()
        )))
    }

    /// The newest final block of a provider that no other contradicts; nothing when it is outvoted.
    ///
    /// While they contradict each other, one provider's word alone is not enough: who is silent has not agreed.
    async fn uncontradicted(&self, choice: usize, own: BlockId) -> Result<Option<BlockId>, SourceError> {
        loop {
            let others = self.witnesses_to_finality(choice, own);
            let lowest = others.iter().map(|(_, final_number)| *final_number).min();
            let Some(number) = lowest.map(|lowest| lowest.min(own.number)) else {
                return self.unless_disputed(choice, own, own).await.map(Some);
            };
            let mine = if number == own.number { Some(own.hash) } else { self.hash_of(choice, number).await };
            let Some(mine) = mine else {
                return Err(SourceError::BlockGone { number, hash: None });
            };
            let asked = others.iter().map(|(i, _)| async move { (*i, self.hash_of(*i, number).await) });
            let heard = join_all(asked).await;
            let mut votes: Vec<(usize, B256)> =
                heard.into_iter().filter_map(|(i, hash)| Some((i, hash?))).collect();
            votes.push((choice, mine));
            match choose::count(&votes) {
                Vote::Agreed => {
                    let block = BlockId { number, hash: mine };
                    if votes.len() == 1 {
                        return self.unless_disputed(choice, own, block).await.map(Some);
                    }
                    self.have_agreed(block);
                    return Ok(Some(block));
                }
                Vote::Outvoted(few) => {
                    for &i in &few {
                        let reason =
                            format!("its final block {number} is not the one that most providers have");
                        self.put_aside(i, Trouble::Forked, reason);
                    }
                    if few.contains(&choice) {
                        return Ok(None);
                    }
                }
                Vote::Tied => {
                    self.dispute(number);
                    return self.last_agreed(choice, number).await.map(Some);
                }
            }
        }
    }

    /// Whose word on a final block counts beside a provider's: who, and the number of the final block it tells of.
    ///
    /// Who stands still, far behind, does not hold finality back. But where nobody is near the provider's word, it may be the
    /// provider that is wrong (a gateway that answers `finalized` with its head): then two or more count that have the newest
    /// blocks too, and are near each other.
    fn witnesses_to_finality(&self, choice: usize, own: BlockId) -> Vec<(usize, u64)> {
        let now = self.clock.now();
        let state = self.state();
        let others =
            state.all.iter().enumerate().filter(|(i, health)| *i != choice && !health.is_distrusted(now));
        let fresh = others.filter_map(|(i, health)| {
            let good_for = health.look_every(&self.rules).saturating_add(self.rules.answer_patience);
            let heard = health.heard.filter(|heard| now.saturating_sub(heard.at) <= good_for)?;
            Some((i, heard.view))
        });
        let fresh: Vec<(usize, View)> = fresh.collect();
        let near =
            |number: u64, other: u64| number.saturating_sub(other) <= self.rules.finality_lag_blocks_max;
        let told = |(i, view): &(usize, View)| (*i, view.finalized.number);
        let beside: Vec<_> = fresh.iter().map(told).filter(|(_, number)| near(own.number, *number)).collect();
        if !beside.is_empty() {
            return beside;
        }
        let head = state.all[choice].heard.map_or(0, |heard| heard.view.head.id.number);
        // One that tells of block 0 knows of no finality.
        let is_alive = |view: &View| near(head, view.head.id.number) && view.finalized.number > 0;
        let alive: Vec<_> = fresh.iter().filter(|(_, view)| is_alive(view)).map(told).collect();
        let highest = alive.iter().map(|(_, number)| *number).max().unwrap_or_default();
        let agreeing: Vec<_> = alive.into_iter().filter(|(_, number)| near(highest, *number)).collect();
        if agreeing.len() > 1 { agreeing } else { Vec::new() }
    }

    /// Two providers or more have this block as a final one, and none has another.
    fn have_agreed(&self, block: BlockId) {
        let mut state = self.state();
        // That they have the same below what they contradict each other about was never in doubt.
        state.disputed = state.disputed.filter(|disputed| *disputed > block.number);
        if state.agreed.is_none_or(|agreed| agreed.number < block.number) {
            state.agreed = Some(block);
        }
    }

    /// Providers contradict each other at this height and nobody can say who is right.
    fn dispute(&self, number: u64) {
        let mut state = self.state();
        if state.disputed.is_none() {
            tracing::error!(
                number,
                "the providers have different final blocks: nothing is final until they agree"
            );
        }
        state.disputed = state.disputed.max(Some(number));
    }

    /// `block`, which only the provider itself vouches for; while there is a dispute, the last one that was agreed on.
    async fn unless_disputed(
        &self,
        choice: usize,
        own: BlockId,
        block: BlockId,
    ) -> Result<BlockId, SourceError> {
        let is_disputed = self.state().disputed.is_some();
        if is_disputed { self.last_agreed(choice, own.number.saturating_add(1)).await } else { Ok(block) }
    }

    /// What the providers once agreed on below a height, where it is the provider's block too; else block 0.
    async fn last_agreed(&self, choice: usize, number: u64) -> Result<BlockId, SourceError> {
        let (agreed, genesis) = {
            let state = self.state();
            (state.agreed, state.genesis)
        };
        if let Some(agreed) = agreed.filter(|agreed| agreed.number < number)
            && self.hash_of(choice, agreed.number).await == Some(agreed.hash)
        {
            return Ok(agreed);
        }
        match genesis {
            Some(hash) => Ok(BlockId { number: 0, hash }),
            None => Err(SourceError::BlockGone { number: 0, hash: None }),
        }
    }

    /// What a provider has at a height; nothing when it does not say so in time.
    async fn hash_of(&self, i: usize, number: u64) -> Option<B256> {
        let known = {
            let state = self.state();
            let view = state.all[i].heard.map(|heard| heard.view);
            let blocks = [view.map(|view| view.head.id), view.map(|view| view.finalized), state.all[i].vote];
            blocks.into_iter().flatten().find(|block| block.number == number)
        };
        if let Some(block) = known {
            return Some(block.hash);
        }
        let block = self.header_of(i, number).await?.id;
        self.state().all[i].vote = Some(block);
        Some(block.hash)
    }

    async fn header_of(&self, i: usize, number: u64) -> Option<Header> {
        let known = self.state().all[i].heard.map(|heard| heard.view.head);
        if let Some(head) = known.filter(|head| head.id.number == number) {
            return Some(head);
        }
        let patience = self.rules.head_patience;
        match before(&self.clock, patience, self.sources[i].header(number)).await {
            Some(Ok(header)) => header,
            Some(Err(error)) => {
                self.note::<()>(i, &Err(error));
                None
            }
            None => {
                self.failed(i, Fault::Error, &format!("no answer within {patience:?}"));
                None
            }
        }
    }
}
