//! What is told of the providers.

use metrics::{counter, gauge};

use super::Board;
use super::series::*;
use crate::providers::Standing;
use crate::rpc::UNCLASSIFIED_ERRORS;

impl Board {
    /// How the providers stand now, how often another one was turned to, and whether they contradict each other.
    pub fn providers(&self, standings: Vec<Standing>, switches: u64, disagree: bool) {
        gauge!(PROVIDERS_DISAGREE, "chain" => self.chain.clone()).set(u8::from(disagree));
        counter!(PROVIDER_SWITCHES, "chain" => self.chain.clone()).absolute(switches);
        for standing in &standings {
            let provider = || standing.alias.clone();
            gauge!(PROVIDER_SCORE, "provider" => provider()).set(standing.score);
            gauge!(PROVIDER_QUARANTINED, "provider" => provider())
                .set(u8::from(standing.quarantine.is_some()));
            gauge!(PROVIDER_BUDGET_USED_UP, "provider" => provider()).set(u8::from(standing.budget_used_up));
            gauge!(PROVIDER_HEAD_BLOCK, "provider" => provider())
                .set(standing.head.unwrap_or_default() as f64);
            // So that the series is there before the first one.
            counter!(UNCLASSIFIED_ERRORS, "provider" => provider()).increment(0);
        }
        self.inner().status.providers = standings;
    }
}
