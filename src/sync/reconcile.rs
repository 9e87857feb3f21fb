//! The look at the contracts behind the checkpoint: now and then, when there is nothing else to do, a sample of what the
//! tables say is asked of the contracts at the checkpoint's hash.
//!
//! A difference is written down when a second look, at another block, finds it too. What cannot be told is told as such;
//! a node that refuses calls stops nothing.

use std::collections::BTreeSet;

use super::{Outcome, Sync, SyncError};
use crate::block::BlockId;
use crate::reconcile::{Found, Ground, Judgement, Sample, Subject, ask, questions};
use crate::source::Source;
use crate::store::{Checkpoint, Store};

/// How often and how much is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looking {
    /// Blocks from one look to the next; zero for never.
    pub every_blocks: u64,
    /// Wallets of one look that are drawn at random; as many again that moved since the last one.
    pub holders_sampled: usize,
    /// Most calls of one look.
    pub calls_max: usize,
}

impl Looking {
    /// No look at all.
    pub const NEVER: Self = Self { every_blocks: 0, holders_sampled: 0, calls_max: 0 };
}

/// What the worker remembers of its looks: lost with it, which costs a look.
#[derive(Debug)]
pub(super) struct Looks {
    pub(super) looking: Looking,
    last: Option<BlockId>,
    suspected: BTreeSet<Subject>,
}

impl Looks {
    pub(super) fn new(looking: Looking) -> Self {
        Self { looking, last: None, suspected: BTreeSet::new() }
    }

    /// Whether it is time; what is suspected is looked at again at the next block.
    fn is_due(&self, at: BlockId) -> bool {
        let every = self.looking.every_blocks;
        every > 0
            && self.last.is_none_or(|last| {
                let went_on = at.number >= last.number.saturating_add(every) || at.number < last.number;
                went_on || (!self.suspected.is_empty() && at != last)
            })
    }
}

impl<S: Source, D: Store> Sync<S, D> {
    /// Looks at the contracts too, when there is nothing else to do.
    #[must_use]
    pub fn looking(mut self, looking: Looking) -> Self {
        self.looks = Looks::new(looking);
        self
    }

    /// One look, if it is time for one.
    pub(super) async fn reconcile(&mut self, checkpoint: &Checkpoint) -> Result<Outcome, SyncError> {
        let at = checkpoint.block.id;
        if !self.looks.is_due(at) || self.contract_counts().1 > 0 {
            return Ok(Outcome::Idle);
        }
        let looking = self.looks.looking;
        let last = self.looks.last.replace(at);
        let since = last.map_or(at.number.saturating_sub(looking.every_blocks), |last| last.number);
        let sample = Sample {
            at,
            touched_since: since,
            touched_max: looking.holders_sampled,
            drawn: looking.holders_sampled,
            supplies_max: looking.calls_max / 4,
            suspected: self.looks.suspected.clone(),
        };
        let stated = self.store.sample(&sample).await?;
        let mut asked_about = questions(&stated);
        // What must be looked at comes first; the budget cuts off what was only drawn.
        let must =
            |subject: &Subject| sample.suspected.contains(subject) || stated.standing.contains(subject);
        asked_about.sort_by_key(|question| !must(&question.subject));
        asked_about.truncate(looking.calls_max);
        let questions = asked_about.len();
        let asked = match ask(&*self.source, at, &asked_about, &stated.probes).await {
            Ok(asked) => asked,
            Err(error) => {
                let doubt = Some(error.to_string());
                return Ok(Outcome::Reconciled { at, questions, resolved: 0, doubt });
            }
        };
        if let Ground::None(reason) = asked.ground {
            return Ok(Outcome::Reconciled { at, questions, resolved: 0, doubt: Some(reason) });
        }
        let mut found =
            Found { at, provider: self.source.alias(), confirmed: Vec::new(), resolved: Vec::new() };
        let mut suspected = BTreeSet::new();
        for (question, judgement) in asked_about.iter().zip(asked.judgements) {
            let subject = question.subject;
            match judgement {
                Judgement::Differs(drift) if must(&subject) && last != Some(at) => {
                    found.confirmed.push(drift)
                }
                Judgement::Differs(_) => {
                    suspected.insert(subject);
                }
                Judgement::Agreed if stated.standing.contains(&subject) => found.resolved.push(subject),
                Judgement::Agreed | Judgement::Unanswered(_) => {}
            }
        }
        let (confirmed, resolved) = (found.confirmed.len(), found.resolved.len());
        if confirmed + resolved > 0 {
            self.store.record(&found).await?;
        }
        let newly = suspected.len();
        self.looks.suspected = suspected;
        if confirmed + newly > 0 {
            return Ok(Outcome::Drifted { at, confirmed, suspected: newly });
        }
        Ok(Outcome::Reconciled { at, questions, resolved, doubt: None })
    }
}
