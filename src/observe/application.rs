//! What is told of the application's tables (schema `app`), and whether they can be looked at.

use metrics::gauge;

use super::Board;
use super::series::{APPLICATION_UNSEEN, PARTITIONS_AHEAD, SECURITY_FINDINGS};

/// What the daemon looks at in schema `app` now and then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// The monthly tables' partitions, which it also makes.
    Months,
    /// The findings of security.
    Security,
}

impl Look {
    const ALL: [Self; 2] = [Self::Months, Self::Security];

    fn name(self) -> &'static str {
        match self {
            Self::Months => "months",
            Self::Security => "security",
        }
    }
}

impl Board {
    /// The series exist from now on.
    pub(super) fn begin_looks_at_the_application(&self) {
        for look in Look::ALL {
            self.unseen(look, false);
        }
    }

    /// Whether the last look failed. What it told before stays told: an alert about it must not end because nobody can look any
    /// more.
    pub fn unseen(&self, look: Look, failed: bool) {
        gauge!(APPLICATION_UNSEEN, "chain" => self.chain.clone(), "look" => look.name())
            .set(u8::from(failed));
    }

    /// Months after this one that every monthly table of the application has a partition for; below zero where there is none for
    /// this one either.
    pub fn partitions_ahead(&self, months: i32) {
        gauge!(PARTITIONS_AHEAD, "chain" => self.chain.clone()).set(f64::from(months));
    }

    /// Findings of security within the last hour: failed logins, rights beyond those approved, and the like.
    pub fn security_findings(&self, kind: String, count: i64) {
        self.inner().finding_kinds.insert(kind.clone());
        gauge!(SECURITY_FINDINGS, "chain" => self.chain.clone(), "kind" => kind).set(count as f64);
    }
}
