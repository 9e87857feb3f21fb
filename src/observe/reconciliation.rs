//! What the looks at the contracts come to.

use metrics::{counter, gauge};

use super::Board;
use super::series::{RECONCILIATIONS, SUSPECT_ASSETS};

/// How a look can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Contracts and tables agree.
    Agreed,
    /// They differ.
    Drifted,
    /// The answers say nothing.
    Inconclusive,
}

impl Look {
    const ALL: [Self; 3] = [Self::Agreed, Self::Drifted, Self::Inconclusive];

    fn name(self) -> &'static str {
        match self {
            Self::Agreed => "agreed",
            Self::Drifted => "drifted",
            Self::Inconclusive => "inconclusive",
        }
    }
}

impl Board {
    /// The series exist from now on.
    pub(super) fn begin_reconciliation(&self) {
        for look in Look::ALL {
            counter!(RECONCILIATIONS, "chain" => self.chain.clone(), "outcome" => look.name()).absolute(0);
        }
    }

    /// Contracts were asked what the tables say of them.
    pub fn looked(&self, look: Look) {
        counter!(RECONCILIATIONS, "chain" => self.chain.clone(), "outcome" => look.name()).increment(1);
    }

    /// How many assets answer otherwise than the tables say.
    pub fn suspect_assets(&self, count: u64) {
        gauge!(SUSPECT_ASSETS, "chain" => self.chain.clone()).set(count as f64);
    }
}
