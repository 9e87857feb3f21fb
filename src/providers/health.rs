//! How well one provider does: its score, its faults, and how long it is left alone. Pure: told the time, asks nobody.

use std::time::Duration;

use alloy::primitives::B256;
use serde::Serialize;

use crate::block::BlockId;
use crate::pace::{Bucket, Day};
use crate::source::View;

/// What a failure takes from the score, and a success gives back of what is missing.
const FAILURE: f64 = 0.5;
const GONE: f64 = 0.9;
const SUCCESS: f64 = 0.1;
/// Strikes that lead to quarantine, and how long one is remembered.
const STRIKES_MAX: f64 = 2.5;
const STRIKE_LASTS: Duration = Duration::from_secs(30);
/// How often the time before a return doubles, and after how long without being left it is short again.
const RETURN_DOUBLED_MAX: u32 = 6;
const RELAPSE_FORGOTTEN: Duration = Duration::from_secs(3 * 3_600);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// How providers are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// How many providers must have a block before it is shown as head.
    pub quorum: usize,
    /// A head that is further behind the best of the others, in blocks and in seconds of block time, is lagging.
    pub lag_blocks_max: u64,
    /// See [`Rules::lag_blocks_max`]; also the longest time to reach a block that another has.
    pub lag_seconds_max: u64,
    /// A provider whose final block is further behind does not hold finality back.
    pub finality_lag_blocks_max: u64,
    /// How long the last answer of a provider that is not pinned is good for.
    pub look_every: Duration,
    /// The longest wait for a head when another provider has told its own.
    pub head_patience: Duration,
    /// The longest wait for an answer about one block, where another provider can be asked instead.
    pub answer_patience: Duration,
    /// The longest wait for another provider's logs of a range.
    pub opinion_patience: Duration,
    /// How often chain id and genesis are compared.
    pub identify_every: Duration,
    /// A provider that stands earlier in the configuration is returned to after so long without a fault.
    pub return_after: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            quorum: 1,
            lag_blocks_max: 5,
            lag_seconds_max: 15,
            finality_lag_blocks_max: 128,
            look_every: 4 * SECOND,
            head_patience: 2 * SECOND,
            answer_patience: 10 * SECOND,
            opinion_patience: 30 * SECOND,
            identify_every: 60 * MINUTE,
            return_after: MINUTE,
        }
    }
}

/// Why a provider is left alone; the worse, the later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// Too many failed requests.
    Errors,
    /// Its head is behind the others'.
    Lagging,
    /// It does not keep the history that was asked for.
    Pruned,
    /// Its final block is not the one that most others have.
    Forked,
    /// A proof showed that it answered wrong.
    Blamed,
    /// Its chain id or genesis is not ours.
    WrongChain,
}

impl Trouble {
    /// Whether nothing that it says counts as another's word meanwhile.
    pub fn is_of_integrity(self) -> bool {
        self >= Self::Forked
    }

    /// The first quarantine, the longest one, and after how long without trouble the next is a first one again.
    fn terms(self) -> (Duration, Duration, Duration) {
        match self {
            Self::Errors => (5 * SECOND, 2 * MINUTE, 10 * MINUTE),
            Self::Lagging => (10 * SECOND, 2 * MINUTE, 10 * MINUTE),
            Self::Pruned => (MINUTE, 30 * MINUTE, 60 * MINUTE),
            Self::Forked | Self::Blamed | Self::WrongChain => (5 * MINUTE, 240 * MINUTE, 24 * 60 * MINUTE),
        }
    }
}

/// A time in which a provider is left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantine {
    /// Why.
    pub trouble: Trouble,
    /// In words.
    pub reason: String,
    /// Until when.
    pub until: Duration,
}

/// What a request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No answer, or a refusal.
    Error,
    /// An answer that contradicts itself or the question.
    Contradiction,
    /// A block that should be there is not: normal in a reorg, bad when repeated.
    Gone,
}

/// Most requests; `None` for no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budget {
    /// In a second.
    pub requests_per_second: Option<u64>,
    /// In any 24 hours, counted since the start of the process.
    pub requests_per_day: Option<u64>,
}

/// The last look at a provider that was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// When.
    pub at: Duration,
    /// What it said.
    pub view: View,
}

/// How well a provider does.
#[derive(Debug, Clone, PartialEq)]
pub struct Health {
    /// From 0 (nothing works) to 1.
    pub score: f64,
    strikes: f64,
    struck_at: Duration,
    last_trouble: Option<Duration>,
    quarantine: Option<Quarantine>,
    /// It was left alone and has not answered since: the next fault is one too many.
    is_on_trial: bool,
    /// Of errors and of integrity: how often in a row, and when the last one ended.
    repeats: [(u32, Duration); 2],
    /// How often in a row it was left soon after a fault.
    left: u32,
    left_at: Option<Duration>,
    /// The last look that was answered.
    pub heard: Option<Heard>,
    /// A block that another had and this one had not, and since when.
    pub behind: Option<(u64, Duration)>,
    /// Chain id and genesis, and when they were asked for; none after a fault, for something else may stand there now.
    pub identity: Option<(u64, Option<B256>, Duration)>,
    /// A block that it was asked for since the last look.
    pub vote: Option<BlockId>,
    /// Whether its answers can be proved complete, once that is known.
    pub proves: Option<bool>,
    budget: Budget,
    second: Option<Bucket>,
    day: Option<Day>,
    requests: u64,
}

impl Health {
    /// Of a provider that was not asked anything yet.
    pub fn new(budget: Budget) -> Self {
        Self {
            score: 1.0,
            strikes: 0.0,
            struck_at: Duration::ZERO,
            last_trouble: None,
            quarantine: None,
            is_on_trial: false,
            repeats: [(0, Duration::ZERO); 2],
            left: 0,
            left_at: None,
            heard: None,
            behind: None,
            identity: None,
            vote: None,
            proves: None,
            budget,
            second: budget.requests_per_second.map(Bucket::new),
            day: budget.requests_per_day.map(Day::new),
            requests: 0,
        }
    }

    /// An answer came.
    pub fn went_well(&mut self) {
        self.score += SUCCESS * (1.0 - self.score);
    }

    /// None came, or one that is of no use; true when this was one too many and it should be left alone.
    #[must_use]
    pub fn failed(&mut self, now: Duration, fault: Fault) -> bool {
        let (factor, weight) = match fault {
            Fault::Error => (FAILURE, 1.0),
            Fault::Contradiction => (FAILURE * FAILURE, 2.0),
            Fault::Gone => (GONE, 0.5),
        };
        self.score *= factor;
        let faded = now.saturating_sub(self.struck_at).as_secs_f64() / STRIKE_LASTS.as_secs_f64();
        self.strikes = (self.strikes - faded).max(0.0) + weight;
        self.struck_at = now;
        if fault != Fault::Gone {
            self.last_trouble = Some(now);
            self.identity = None;
        }
        self.strikes >= STRIKES_MAX || (self.is_on_trial && fault != Fault::Gone)
    }

    /// Leaves it alone for a while, longer with each time; a graver trouble is not shortened by a lighter one.
    pub fn put_aside(&mut self, now: Duration, trouble: Trouble, reason: String) -> Duration {
        let (first, longest, forgotten) = trouble.terms();
        let repeats = &mut self.repeats[usize::from(trouble.is_of_integrity())];
        if now.saturating_sub(repeats.1) > forgotten {
            repeats.0 = 0;
        }
        let length = first.saturating_mul(2u32.saturating_pow(repeats.0)).min(longest);
        let until = now + length;
        *repeats = (repeats.0.saturating_add(1), until);
        self.strikes = 0.0;
        self.is_on_trial = true;
        self.score *= FAILURE;
        self.last_trouble = Some(now);
        self.identity = None;
        self.behind = None;
        let graver = self.quarantine.as_ref().filter(|old| old.trouble > trouble && old.until > until);
        if graver.is_none() {
            self.quarantine = Some(Quarantine { trouble, reason, until });
        }
        length
    }

    /// It was asked for want of a better one, and answered: mere errors are over.
    pub fn pardon(&mut self) {
        self.quarantine = self.quarantine.take().filter(|quarantine| quarantine.trouble != Trouble::Errors);
        self.is_on_trial &= self.quarantine.is_some();
    }

    /// It is known better now which chain is ours: who it is, is asked again.
    pub fn is_judged_anew(&mut self) {
        self.identity = None;
        self.quarantine =
            self.quarantine.take().filter(|quarantine| quarantine.trouble != Trouble::WrongChain);
        self.is_on_trial &= self.quarantine.is_some();
    }

    /// Why it is left alone now, if it is.
    pub fn quarantine(&self, now: Duration) -> Option<&Quarantine> {
        self.quarantine.as_ref().filter(|quarantine| quarantine.until > now)
    }

    /// Why it was left alone, until it answers again: for people.
    pub fn confined(&self, now: Duration) -> Option<&Quarantine> {
        self.quarantine.as_ref().filter(|quarantine| quarantine.until > now || self.is_on_trial)
    }

    /// Whether nothing that it says counts now: until its time is over and it was looked at again.
    pub fn is_distrusted(&self, now: Duration) -> bool {
        self.confined(now).is_some_and(|quarantine| quarantine.trouble.is_of_integrity())
    }

    /// Whether it had no fault for so long that it is returned to: for twice as long each time it was left again.
    pub fn is_calm(&self, now: Duration, rules: &Rules) -> bool {
        let doubled = self.left.saturating_sub(1).min(RETURN_DOUBLED_MAX);
        let time = rules.return_after.saturating_mul(1 << doubled);
        self.last_trouble.is_none_or(|at| now.saturating_sub(at) >= time)
    }

    /// Another is asked from now on.
    pub fn was_left(&mut self, now: Duration, rules: &Rules) {
        let relapsed = self.last_trouble.is_some_and(|at| now.saturating_sub(at) < rules.return_after);
        if relapsed && self.left_at.is_some_and(|at| now.saturating_sub(at) < RELAPSE_FORGOTTEN) {
            self.left = self.left.saturating_add(1);
        } else {
            self.left = u32::from(relapsed);
        }
        self.left_at = Some(now);
    }

    /// It was looked at.
    pub fn heard(&mut self, now: Duration, view: View) {
        self.heard = Some(Heard { at: now, view });
        self.is_on_trial &= self.quarantine(now).is_some();
        self.vote = None;
        self.went_well();
    }

    /// How long its last answer is good for: longer where requests are scarce, of which looks take a tenth at most.
    pub fn look_every(&self, rules: &Rules) -> Duration {
        /// Head, final block, and a header to compare.
        const REQUESTS_OF_A_LOOK: u64 = 3;
        let scarce = self.budget.requests_per_day.map_or(0, |limit| {
            let looks = (limit / 10 / REQUESTS_OF_A_LOOK).max(1);
            24 * 3_600_000 / looks
        });
        if rules.quorum > 1 { Duration::ZERO } else { rules.look_every.max(Duration::from_millis(scarce)) }
    }

    /// The provider has been sent so many requests since the beginning.
    pub fn spent(&mut self, now: Duration, requests: u64) {
        let count = requests.saturating_sub(self.requests);
        self.requests = self.requests.max(requests);
        if let Some(second) = &mut self.second {
            second.take(now, count);
        }
        if let Some(day) = &mut self.day {
            day.spend(now, count);
        }
    }

    /// Whether the day's requests are used up.
    pub fn is_used_up(&mut self, now: Duration) -> bool {
        self.day.as_mut().is_some_and(|day| !day.is_open(now))
    }

    /// Whether the second's requests are used up, so that it would answer late.
    pub fn is_busy(&mut self, now: Duration) -> bool {
        self.second.as_mut().is_some_and(|second| !second.is_open(now))
    }
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
