//! What providers other than the pinned one say: witnesses, and a second opinion.

use alloy::primitives::Address;
use futures_util::stream::FuturesUnordered;

use super::Providers;
use super::clock::Clock;
use super::health::Fault;
use super::look::{before, gathered};
use crate::block::{BlockId, BlockRange};
use crate::source::{SecondOpinion, Source, SourceError, Witnesses};

impl<S: Source, C: Clock> Providers<S, C> {
    /// Providers beside the pinned one that are not left alone, in the order of the configuration.
    fn healthy_others(&self) -> Vec<usize> {
        let now = self.clock.now();
        let mut state = self.state();
        let pinned = state.pinned;
        let healthy = |(i, health): (usize, &mut super::Health)| {
            let is_fit = i != pinned && health.confined(now).is_none() && !health.is_used_up(now);
            // Nobody's word counts whose chain was not looked at.
            (is_fit && health.identity.is_some()).then_some(i)
        };
        state.all.iter_mut().enumerate().filter_map(healthy).collect()
    }

    /// See [`Source::witnesses`].
    pub(super) async fn witnesses_of(&self, block: BlockId) -> Witnesses {
        let asked: FuturesUnordered<_> = self
            .healthy_others()
            .into_iter()
            .map(|i| async move { (i, self.sources[i].header(block.number).await) })
            .collect();
        let all: Vec<usize> = self.healthy_others();
        let patience = (self.rules.head_patience, self.rules.answer_patience);
        let has_said = |answer: &Result<_, SourceError>| matches!(answer, Ok(Some(_)));
        let answers = gathered(&self.clock, patience, asked, has_said).await;
        let mut witnesses = Witnesses { others: self.sources.len() - 1, ..Witnesses::default() };
        for (i, answer) in &answers {
            match answer {
                Ok(Some(header)) if header.id == block => witnesses.agree += 1,
                Ok(Some(_)) => witnesses.disagree += 1,
                Ok(None) => continue,
                Err(_) => {}
            }
            self.note(*i, answer);
        }
        for i in all.into_iter().filter(|i| answers.iter().all(|(of, _)| of != i)) {
            self.failed(i, Fault::Error, &format!("no answer within {:?}", patience.0));
        }
        witnesses
    }

    /// See [`Source::second_opinion`]: each time another provider's turn.
    pub(super) async fn opinion_of_another(
        &self,
        range: BlockRange,
        addresses: &[Address],
    ) -> Option<SecondOpinion> {
        let mut others = self.healthy_others();
        if others.is_empty() {
            return None;
        }
        let turn = {
            let mut state = self.state();
            state.turn = state.turn.wrapping_add(1);
            state.turn % others.len()
        };
        others.rotate_left(turn);
        let patience = self.rules.opinion_patience;
        for i in others {
            let provider = self.sources[i].alias();
            let asked = self.sources[i].logs_in_range(range, addresses);
            match before(&self.clock, patience, asked).await {
                Some(Ok(logs)) => {
                    self.state().all[i].went_well();
                    return Some(SecondOpinion { provider, logs });
                }
                Some(Err(error)) => self.note::<()>(i, &Err(error)),
                None => self.failed(i, Fault::Error, &format!("no logs within {patience:?}")),
            }
        }
        None
    }
}
