//! The beginning of a unit of work: all that are due are looked at, and one is chosen.

use std::future::Future;
use std::time::Duration;

use alloy::primitives::B256;
use futures_util::future::{Either, select};
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::pin::pin;

use super::choose;
use super::clock::Clock;
use super::health::Trouble;
use super::{Providers, State};
use crate::source::{Source, SourceError, View};

/// What a provider says when it is looked at.
#[derive(Debug, Clone, Copy)]
struct Look {
    /// Chain id and genesis, where it was time to ask.
    identity: Option<(u64, Option<B256>)>,
    view: View,
}

/// Whom to ask; each wave only those that were not asked in the same unit of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wave {
    /// The pinned one, and those whose last answer is old.
    Due,
    /// All that are not left alone.
    Fit,
    /// All but those of another chain, and those that have used up their budget.
    Any,
}

/// The answer, or nothing when it did not come in time.
pub(super) async fn before<T, C: Clock>(
    clock: &C,
    patience: Duration,
    asked: impl Future<Output = T> + Send,
) -> Option<T> {
    match select(pin!(asked), pin!(clock.sleep(patience))).await {
        Either::Left((answer, _)) => Some(answer),
        Either::Right(_) => None,
    }
}

/// All answers that come within `soft`; while none that is `enough` has come, those within `hard`.
pub(super) async fn gathered<T, C: Clock, F: Future<Output = (usize, T)> + Send>(
    clock: &C,
    (soft, hard): (Duration, Duration),
    mut asked: FuturesUnordered<F>,
    enough: impl Fn(&T) -> bool,
) -> Vec<(usize, T)> {
    let mut answers: Vec<(usize, T)> = Vec::new();
    let began = clock.now();
    let mut over = pin!(clock.sleep(soft));
    let mut is_soft = true;
    loop {
        match select(asked.next(), over.as_mut()).await {
            Either::Left((Some(answer), _)) => answers.push(answer),
            Either::Left((None, _)) => return answers,
            Either::Right(_) if is_soft && !answers.iter().any(|(_, answer)| enough(answer)) => {
                is_soft = false;
                over.set(clock.sleep(hard.saturating_sub(clock.now().saturating_sub(began))));
            }
            Either::Right(_) => return answers,
        }
        if !is_soft && answers.iter().any(|(_, answer)| enough(answer)) {
            return answers;
        }
    }
}

impl<S: Source, C: Clock> Providers<S, C> {
    /// See [`Source::view`].
    pub(super) async fn shown(&self) -> Result<View, SourceError> {
        let (_, view) = self.begin().await?;
        Ok(view)
    }

    /// See [`Source::chain_id`].
    pub(super) async fn identified(&self) -> Result<u64, SourceError> {
        match self.begin().await {
            Ok((chain_id, _)) => Ok(chain_id),
            Err(error) => {
                // When all of them are of another chain, the caller knows what to make of it.
                let state = self.state();
                let ids = state.all.iter().map(|health| health.identity.map(|identity| identity.0));
                let ids: Option<Vec<u64>> = ids.collect();
                let strange = ids.filter(|ids| ids.iter().all(|id| Some(*id) != state.chain_id));
                strange.and_then(|ids| ids.first().copied()).ok_or(error)
            }
        }
    }

    /// Chooses the provider of the next unit of work; its chain id, and what it shows.
    async fn begin(&self) -> Result<(u64, View), SourceError> {
        self.count_requests(self.clock.now());
        let mut answered: Vec<usize> = Vec::new();
        let mut asked: Vec<usize> = Vec::new();
        let mut problems: Vec<(usize, SourceError)> = Vec::new();
        for wave in [Wave::Due, Wave::Fit, Wave::Any] {
            let now_asked = self.of_wave(wave, &asked);
            asked.extend(&now_asked);
            let is_last = self.of_wave(Wave::Fit, &asked).is_empty();
            problems.extend(self.look_at(&now_asked, is_last, &mut answered).await);
            self.leave_those_that_lag();
            // With more of them answering, one that was too few before may be enough now.
            let mut left = answered.clone();
            while let Some(choice) = self.choice(wave, &left) {
                match self.confirmed(choice, &answered).await {
                    Ok(Some(view)) => return Ok((self.pin(choice, wave), view)),
                    Ok(None) => {}
                    Err(error) => problems.push((choice, error)),
                }
                left.retain(|i| *i != choice);
            }
        }
        Err(self.nobody(problems))
    }

    fn of_wave(&self, wave: Wave, asked: &[usize]) -> Vec<usize> {
        let now = self.clock.now();
        let mut state = self.state();
        let pinned = state.pinned;
        if self.is_alone() {
            let is_open = !state.all[0].is_used_up(now);
            return if wave == Wave::Due && is_open { vec![0] } else { Vec::new() };
        }
        let (is_busy, health) = (state.all[pinned].is_busy(now), &state.all[pinned]);
        let is_content = !is_busy && health.quarantine(now).is_none() && health.score > 0.75;
        let rules = &self.rules;
        let wanted = |(i, health): (usize, &mut super::Health)| {
            if asked.contains(&i) || health.is_used_up(now) {
                return None;
            }
            let trouble = health.quarantine(now).map(|quarantine| quarantine.trouble);
            let is_wanted = match wave {
                Wave::Any => trouble != Some(Trouble::WrongChain),
                _ if trouble.is_some() || health.is_busy(now) => false,
                Wave::Fit => true,
                Wave::Due if i == pinned || !is_content => true,
                Wave::Due => {
                    let good_for = health.look_every(rules);
                    health.heard.is_none_or(|heard| now.saturating_sub(heard.at) >= good_for)
                }
            };
            is_wanted.then_some(i)
        };
        state.all.iter_mut().enumerate().filter_map(wanted).collect()
    }

    /// Looks at some at once, and keeps account of what they say; those that did not answer, with the reason.
    /// For a slow one is waited longer when there is nobody else to ask.
    async fn look_at(
        &self,
        asked: &[usize],
        is_last: bool,
        answered: &mut Vec<usize>,
    ) -> Vec<(usize, SourceError)> {
        let looks: FuturesUnordered<_> =
            asked.iter().map(|&i| async move { (i, self.look(i).await) }).collect();
        let soft = self.rules.head_patience;
        let hard = if is_last { self.rules.answer_patience } else { soft };
        let looked = if self.is_alone() {
            looks.collect().await
        } else {
            gathered(&self.clock, (soft, hard), looks, Result::is_ok).await
        };
        let now = self.clock.now();
        self.count_requests(now);
        let mut problems = Vec::new();
        for &i in asked {
            let look = looked.iter().find(|(of, _)| *of == i).map(|(_, look)| look);
            let error = match look {
                Some(Ok(look)) => {
                    let mut state = self.state();
                    if let Some((chain_id, genesis)) = look.identity {
                        state.all[i].identity = Some((chain_id, genesis, now));
                    }
                    state.all[i].heard(now, look.view);
                    answered.push(i);
                    continue;
                }
                Some(Err(error)) => error.clone(),
                None => self.late(i, "eth_getBlockByNumber", soft),
            };
            self.note::<()>(i, &Err(error.clone()));
            problems.push((i, error));
        }
        self.leave_those_of_another_chain(answered);
        problems
    }

    async fn look(&self, i: usize) -> Result<Look, SourceError> {
        let source = &self.sources[i];
        let now = self.clock.now();
        let known = self.state().all[i].identity;
        let is_due = known.is_none_or(|(_, _, at)| now.saturating_sub(at) >= self.rules.identify_every);
        let identity = if is_due && !self.is_alone() {
            let chain_id = source.chain_id().await?;
            let genesis = match source.header(0).await {
                Ok(header) => header.map(|header| header.id.hash),
                // A node may have dropped all that is old; its chain id must do.
                Err(SourceError::Pruned { .. }) => None,
                Err(error) => return Err(error),
            };
            Some((chain_id, genesis))
        } else {
            None
        };
        Ok(Look { identity, view: source.view().await? })
    }

    /// Chain id and genesis are what is configured, else what most had when they were first asked.
    fn leave_those_of_another_chain(&self, answered: &mut Vec<usize>) {
        let mut wrong = Vec::new();
        {
            let mut guard = self.state();
            let state: &mut State = &mut guard;
            let said: Vec<(u64, Option<B256>)> = answered
                .iter()
                .filter_map(|&i| Some((state.all[i].identity?.0, state.all[i].identity?.1)))
                .collect();
            let ids: Vec<u64> = said.iter().map(|(id, _)| *id).collect();
            state.chain_id = state.chain_id.or(choose::majority(&ids));
            let ours = |(id, genesis): &(u64, Option<B256>)| genesis.filter(|_| Some(*id) == state.chain_id);
            let geneses: Vec<B256> = said.iter().filter_map(ours).collect();
            state.genesis = state.genesis.or(choose::majority(&geneses));
            for &i in answered.iter() {
                let Some((id, genesis, _)) = state.all[i].identity else { continue };
                let other_genesis = genesis.zip(state.genesis).filter(|(theirs, ours)| theirs != ours);
                if state.chain_id.is_some_and(|ours| ours != id) {
                    let ours = state.chain_id.unwrap_or_default();
                    wrong.push((i, format!("it serves chain {id} and not chain {ours}"), id));
                } else if let Some((theirs, ours)) = other_genesis {
                    wrong.push((i, format!("its block 0 is {theirs} and not {ours}"), id));
                }
            }
        }
        for (i, reason, id) in wrong {
            answered.retain(|other| *other != i);
            self.put_aside(i, Trouble::WrongChain, reason);
            // Kept for whoever asks what chain there is; asked for again all the same.
            self.state().all[i].identity = Some((id, None, Duration::ZERO));
        }
    }

    fn leave_those_that_lag(&self) {
        if self.is_alone() {
            return;
        }
        let now = self.clock.now();
        let lagging = choose::lagging(&mut self.state().all, now, &self.rules);
        for (i, reason) in lagging {
            self.put_aside(i, Trouble::Lagging, reason);
        }
    }

    /// Who is to be asked, of those that answered.
    fn choice(&self, wave: Wave, answered: &[usize]) -> Option<usize> {
        if self.is_alone() {
            return answered.first().copied();
        }
        let now = self.clock.now();
        let state = self.state();
        let fit: Vec<usize> =
            answered.iter().copied().filter(|&i| state.all[i].quarantine(now).is_none()).collect();
        let choice = choose::choose(&state.all, &fit, state.pinned, now, &self.rules);
        if wave == Wave::Any {
            choice.or_else(|| choose::least_bad(&state.all, answered, now))
        } else {
            choice
        }
    }

    /// From now on this one answers; its chain's id.
    fn pin(&self, choice: usize, wave: Wave) -> u64 {
        let mut state = self.state();
        let before = std::mem::replace(&mut state.pinned, choice);
        if wave == Wave::Any || self.is_alone() {
            state.all[choice].pardon();
        }
        let chain_id = state.all[choice].identity.map(|identity| identity.0).or(state.chain_id);
        if before != choice {
            state.all[before].was_left(self.clock.now(), &self.rules);
            state.switches += 1;
            drop(state);
            let (from, to) = (self.sources[before].alias(), self.sources[choice].alias());
            tracing::warn!(from, to, "another provider is asked from now on");
        }
        chain_id.unwrap_or_default()
    }

    /// Why no provider can be asked.
    fn nobody(&self, mut problems: Vec<(usize, SourceError)>) -> SourceError {
        if self.is_alone()
            && let Some((_, error)) = problems.pop()
        {
            return error;
        }
        let now = self.clock.now();
        let mut state = self.state();
        let mut words: Vec<String> = problems.iter().map(|(_, error)| error.to_string()).collect();
        for (i, health) in state.all.iter_mut().enumerate() {
            let alias = self.sources[i].alias();
            if health.is_used_up(now) {
                words.push(format!("{alias} has used up its requests of the day (requests_per_day)"));
            } else if let Some(quarantine) = health.quarantine(now)
                && problems.iter().all(|(of, _)| *of != i)
            {
                words.push(format!("{alias} is left alone: {}", quarantine.reason));
            }
        }
        let provider = match self.sources.as_slice() {
            [only] => only.alias(),
            several => format!("all {} providers", several.len()),
        };
        SourceError::Unavailable { provider, method: "eth_getBlockByNumber", reason: words.join("; ") }
    }
}
