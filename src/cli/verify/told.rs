//! What `verify` prints: JSON lines for programs, text for people.

use std::io::IsTerminal;

use serde_json::json;

use crate::block::BlockId;
use crate::verify::report::in_words;
use crate::verify::{Check, LISTED_MAX, Verdict};

/// Where checks are told as they end.
pub(super) struct Told {
    json: bool,
}

impl Told {
    /// JSON where asked for, and where nobody looks at the output.
    pub(super) fn new(json: bool) -> Self {
        Self { json: json || !std::io::stdout().is_terminal() }
    }

    /// A check has ended.
    pub(super) fn check(&self, check: &Check) {
        if self.json {
            for finding in &check.findings {
                let mut line = serde_json::to_value(finding).unwrap_or_default();
                line["kind"] = "finding".into();
                println!("{line}");
            }
            return;
        }
        let word = match (check.found, &check.unfinished) {
            (0, None) => "ok  ",
            (0, Some(_)) => "?   ",
            _ => "BAD ",
        };
        println!("{word} {} ({})", check.sentence, check.examined);
        if let Some(reason) = &check.unfinished {
            println!("       not finished: {}", printable(reason));
        }
        if let Some(remark) = &check.remark {
            println!("       {}", printable(remark));
        }
        for finding in &check.findings {
            let place = finding.table.as_deref().unwrap_or("");
            let key = finding.key.as_deref().unwrap_or("");
            println!("       {place} {}: {}", printable(key), printable(&finding.message));
            if let (Some(ours), Some(theirs)) = (&finding.ours, &finding.theirs) {
                println!("         tables: {}", printable(ours));
                println!("         should: {}", printable(theirs));
            }
        }
        if check.found > LISTED_MAX as u64 {
            println!("       and {} more", check.found - LISTED_MAX as u64);
        }
    }

    /// All checks have ended.
    pub(super) fn end(&self, levels: &[&str], chain: u64, at: BlockId, checks: &[Check], verdict: &Verdict) {
        if self.json {
            let summary = json!({
                "kind": "summary", "chain_id": chain, "levels": levels, "block": at.number, "hash": at.hash,
                "version": env!("CARGO_PKG_VERSION"), "checks": checks, "found": verdict.found,
                "unfinished": verdict.unfinished,
            });
            println!("{summary}");
        } else {
            println!("\n{} as of block {} {}", in_words(verdict), at.number, at.hash);
        }
    }
}

/// Without what a terminal would obey: names and messages hold what others wrote.
fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}
