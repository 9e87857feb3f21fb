//! Several providers as one source: one of them answers a unit of work, the others watch it.
//!
//! A unit of work begins with [`Source::view`] or [`Source::chain_id`]; they choose the provider that everything else is
//! asked of until the next one begins. A provider that fails is left; one that lags, stands on a fork or another chain, or
//! was caught with a wrong answer is left alone for a growing time. Knows no ABI, no SQL and no JSON-RPC.
//!
//! Invariant: within a unit of work one provider answers, and what it shows as head and final block are its own blocks.
//! Invariant: there is always a provider to ask, unless all are on another chain or have used up their budget; but one
//! that is distrusted is never another's witness.

mod asked;
mod choose;
mod clock;
mod confirm;
mod health;
mod look;
mod others;
mod probe;
mod standing;

use std::fmt;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use alloy::primitives::B256;

pub use clock::{Clock, RuntimeClock};
pub use health::{Budget, Quarantine, Rules, Trouble};
pub use probe::{Capabilities, Finding, Need};
pub use standing::{Confined, Standing};

use crate::block::BlockId;
use crate::source::{Source, SourceError};
use health::{Fault, Health};

/// What is known of the providers.
#[derive(Debug)]
struct State {
    all: Vec<Health>,
    pinned: usize,
    /// Chain id and genesis that all must have, once they are known.
    chain_id: Option<u64>,
    genesis: Option<B256>,
    /// The newest final block that a provider and another had.
    agreed: Option<BlockId>,
    /// Where the final blocks of the providers contradict each other, and nobody can say who is right; until two of them
    /// have the same final block there or above. Kept in memory only: with other providers it begins anew.
    disputed: Option<u64>,
    capabilities: Vec<Option<Capabilities>>,
    switches: u64,
    /// Whose turn it is to give a second opinion.
    turn: usize,
}

/// Several providers of one chain, or one.
pub struct Providers<S, C = RuntimeClock> {
    sources: Vec<S>,
    rules: Rules,
    clock: C,
    state: Mutex<State>,
}

impl<S: Source> Providers<S> {
    /// Providers in the order of preference, each with its budget. `chain_id` is what they must serve; without it, what
    /// most of them serve at the first look.
    ///
    /// # Panics
    /// Without any provider.
    pub fn new(sources: Vec<(S, Budget)>, chain_id: Option<u64>, rules: Rules) -> Self {
        Self::with_clock(sources, chain_id, rules, RuntimeClock::default())
    }
}

impl<S: Source, C: Clock> Providers<S, C> {
    /// The same with a clock of the caller's.
    ///
    /// # Panics
    /// Without any provider.
    pub fn with_clock(sources: Vec<(S, Budget)>, chain_id: Option<u64>, rules: Rules, clock: C) -> Self {
        assert!(!sources.is_empty(), "there is a provider");
        let (sources, budgets): (Vec<S>, Vec<Budget>) = sources.into_iter().unzip();
        let state = State {
            all: budgets.into_iter().map(Health::new).collect(),
            pinned: 0,
            chain_id,
            genesis: None,
            agreed: None,
            disputed: None,
            capabilities: vec![None; sources.len()],
            switches: 0,
            turn: 0,
        };
        Self { sources, rules, clock, state: Mutex::new(state) }
    }

    /// All of them, in the order of the configuration.
    pub fn sources(&self) -> &[S] {
        &self.sources
    }

    /// The one that answers now: for questions that are not every source's.
    pub fn pinned(&self) -> &S {
        &self.sources[self.state().pinned]
    }

    /// How often another provider was turned to.
    pub fn switches(&self) -> u64 {
        self.state().switches
    }

    /// Whether their final blocks contradict each other and nobody can say who is right: nothing more is final then.
    pub fn disagree(&self) -> bool {
        self.state().disputed.is_some()
    }

    /// How all of them stand.
    pub fn standings(&self) -> Vec<Standing> {
        let now = self.clock.now();
        self.count_requests(now);
        let mut state = self.state();
        let (pinned, capabilities) = (state.pinned, state.capabilities.clone());
        let standing = |(i, health): (usize, &mut Health)| Standing {
            alias: self.sources[i].alias(),
            pinned: i == pinned,
            score: (health.score * 100.0).round() / 100.0,
            quarantine: health.confined(now).map(|quarantine| Confined {
                trouble: quarantine.trouble,
                reason: quarantine.reason.clone(),
                seconds_left: (quarantine.until.saturating_sub(now)).as_secs(),
            }),
            head: health.heard.map(|heard| heard.view.head.id.number),
            finalized: health.heard.map(|heard| heard.view.finalized.number),
            budget_used_up: health.is_used_up(now),
            capabilities: capabilities[i].clone(),
        };
        state.all.iter_mut().enumerate().map(standing).collect()
    }

    /// Finds out what each of them can give and prove. What it finds decides who is preferred.
    pub async fn probe(&self, need: Need) -> Vec<(String, Capabilities)> {
        let asked = self.sources.iter().map(|source| probe::collect(source, need));
        let found: Vec<Capabilities> =
            futures_util::future::join_all(asked).await.iter().map(probe::judge).collect();
        self.count_requests(self.clock.now());
        let mut state = self.state();
        for (i, capabilities) in found.iter().enumerate() {
            if let Some(proves) = capabilities.proves() {
                state.all[i].proves = Some(proves);
            }
            state.capabilities[i] = Some(capabilities.clone());
        }
        drop(state);
        self.sources.iter().map(Source::alias).zip(found).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Plain values, and nothing in between is asked: a panic elsewhere leaves them usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_alone(&self) -> bool {
        self.sources.len() == 1
    }

    /// Adds what was asked since to the budgets.
    fn count_requests(&self, now: Duration) {
        let sent: Vec<u64> = self.sources.iter().map(|source| source.traffic().requests).collect();
        let mut state = self.state();
        state.all.iter_mut().zip(sent).for_each(|(health, requests)| health.spent(now, requests));
    }

    /// Leaves a provider alone for a while.
    fn put_aside(&self, i: usize, trouble: Trouble, reason: String) {
        let now = self.clock.now();
        let length = self.state().all[i].put_aside(now, trouble, reason.clone());
        let (provider, seconds) = (self.sources[i].alias(), length.as_secs());
        if !self.is_alone() {
            tracing::warn!(provider, ?trouble, reason, seconds, "provider in quarantine");
        }
    }

    /// Keeps account of what a provider's answer was worth.
    fn note<T>(&self, i: usize, answer: &Result<T, SourceError>) {
        let fault = match answer {
            Ok(_) => return self.state().all[i].went_well(),
            Err(error @ SourceError::Pruned { .. }) => {
                return self.put_aside(i, Trouble::Pruned, error.to_string());
            }
            Err(SourceError::BlockGone { .. }) => Fault::Gone,
            Err(SourceError::Inconsistent { .. }) => Fault::Contradiction,
            Err(SourceError::Unavailable { .. } | SourceError::Refused { .. }) => Fault::Error,
        };
        let reason = answer.as_ref().err().map(ToString::to_string).unwrap_or_default();
        self.failed(i, fault, &reason);
    }

    fn failed(&self, i: usize, fault: Fault, reason: &str) {
        let now = self.clock.now();
        let too_often = self.state().all[i].failed(now, fault);
        if too_often {
            self.put_aside(i, Trouble::Errors, format!("too many failures, the last one: {reason}"));
        }
    }

    /// Asks the pinned provider; where another could be asked instead, only for so long.
    async fn ask<'a, T, F>(
        &'a self,
        method: &'static str,
        patience: Option<Duration>,
        question: impl FnOnce(&'a S) -> F + Send,
    ) -> Result<T, SourceError>
    where
        T: Send,
        F: Future<Output = Result<T, SourceError>> + Send + 'a,
    {
        let pinned = self.state().pinned;
        let asked = question(&self.sources[pinned]);
        let answer = match patience.filter(|_| !self.is_alone()) {
            None => asked.await,
            Some(patience) => {
                let answer = look::before(&self.clock, patience, asked).await;
                answer.unwrap_or_else(|| Err(self.late(pinned, method, patience)))
            }
        };
        self.note(pinned, &answer);
        answer.map_err(|error| self.bearable(pinned, error))
    }

    fn late(&self, i: usize, method: &'static str, patience: Duration) -> SourceError {
        let reason = format!("no answer within {patience:?}, and another provider can be asked");
        SourceError::Unavailable { provider: self.sources[i].alias(), method, reason }
    }

    /// History that one provider does not keep may be another's: the end only when none has it.
    fn bearable(&self, pinned: usize, error: SourceError) -> SourceError {
        let SourceError::Pruned { provider, method, reason, block } = error else { return error };
        let now = self.clock.now();
        let is_hopeless = |(i, health): (usize, &Health)| {
            i == pinned
                || health.quarantine(now).is_some_and(|quarantine| {
                    matches!(quarantine.trouble, Trouble::Pruned | Trouble::WrongChain)
                })
        };
        if self.state().all.iter().enumerate().all(is_hopeless) {
            return SourceError::Pruned { provider, method, block, reason };
        }
        let reason = format!("it has no history at block {block} ({reason}); another provider is asked next");
        SourceError::Unavailable { provider, method, reason }
    }

    /// A block that the pinned provider has shown and does not give.
    fn expect_block(&self, number: u64) {
        let (pinned, is_shown) = {
            let state = self.state();
            let shown = state.all[state.pinned].heard.map(|heard| heard.view.head.id.number);
            (state.pinned, shown.is_some_and(|head| number <= head))
        };
        if is_shown {
            self.failed(
                pinned,
                Fault::Gone,
                &format!("block {number} is below its head, and it does not give it"),
            );
        }
    }
}

impl<S: Source, C: Clock> fmt::Debug for Providers<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let aliases: Vec<String> = self.sources.iter().map(Source::alias).collect();
        f.debug_struct("Providers")
            .field("aliases", &aliases)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}
