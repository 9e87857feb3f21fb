//! The report that somebody signs: what was checked, of which block, by what, and what was found.
//!
//! Two runs over the same state give the same text but for one line, which tells when. The last line is the SHA-256 of
//! everything above it: `head -n -1 FILE | sha256sum` gives it again.

use std::fmt::Write as _;

use serde::Serialize;

use super::digest::Digests;
use super::{Check, Finding, Verdict};

/// Findings that a report lists; the rest is counted.
const FINDINGS_MAX: usize = 1_000;

/// Everything that a report tells.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The program's version.
    pub version: &'static str,
    /// When it was made, as text.
    pub made_at: String,
    /// The levels that were asked for.
    pub levels: Vec<&'static str>,
    /// Blocks that were proved or compared with a node, where that was asked for.
    pub range: Option<(u64, u64)>,
    /// Alias of the provider that answered, where one was asked.
    pub provider: Option<String>,
    /// Up to here every block is proved without a gap, by the evidence that is kept.
    pub verified: u64,
    /// Whose tables they are, as of which block.
    pub digests: Digests,
    /// All checks.
    pub checks: Vec<Check>,
    /// What they say together.
    pub verdict: Verdict,
    /// What was found, the first of each check.
    pub findings: Vec<Finding>,
}

impl Report {
    /// As JSON lines: one object, then the digest of it.
    pub fn json(&self) -> String {
        let body = serde_json::to_string(self).unwrap_or_default();
        let body = format!("{body}\n");
        let digest = sha256(body.as_bytes());
        format!("{body}{{\"sha256\":\"{digest}\"}}\n")
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        self.write(&mut text).expect("writing to memory does not fail");
        let digest = sha256(text.as_bytes());
        format!("{text}sha256: {digest}\n")
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let (digests, verdict) = (&self.digests, &self.verdict);
        writeln!(text, "# Verification of the register on chain {}\n", digests.chain_id)?;
        writeln!(text, "| | |\n|---|---|")?;
        writeln!(text, "| result | {} |", in_words(verdict))?;
        writeln!(text, "| made | {} |", self.made_at)?;
        writeln!(text, "| by | asset-indexer {} |", self.version)?;
        writeln!(text, "| levels | {} |", self.levels.join(", "))?;
        writeln!(text, "| as of block | {} `{}` |", digests.checkpoint, digests.checkpoint_hash)?;
        writeln!(text, "| final up to block | {} |", digests.finalized)?;
        writeln!(text, "| proved complete up to block | {} |", self.verified)?;
        writeln!(text, "| genesis | `{}` |", digests.genesis)?;
        if digests.archived {
            writeln!(text, "| facts are in archives below block | {} |", digests.first_block)?;
        }
        if let Some((from, to)) = self.range {
            writeln!(text, "| blocks asked about | {from} to {to} |")?;
        }
        writeln!(text, "| node | {} |", self.provider.as_deref().map_or("none was asked".to_owned(), cell))?;
        writeln!(
            text,
            "\n## Checks\n\n| check | says | looked at | found | unfinished because |\n|---|---|---|---|---|"
        )?;
        for check in &self.checks {
            let unfinished = check.unfinished.as_deref().map(cell).unwrap_or_default();
            let (name, sentence) = (check.name, check.sentence);
            writeln!(text, "| {name} | {sentence} | {} | {} | {unfinished} |", check.examined, check.found)?;
        }
        writeln!(text, "\n## Findings\n")?;
        if self.findings.is_empty() {
            writeln!(text, "None.")?;
        }
        for finding in self.findings.iter().take(FINDINGS_MAX) {
            let place = finding.table.as_deref().unwrap_or("-");
            let key = finding.key.as_deref().unwrap_or("");
            write!(
                text,
                "- {}: {} `{}`: {}",
                finding.check,
                place,
                key.replace('`', "'"),
                cell(&finding.message)
            )?;
            if let (Some(ours), Some(theirs)) = (&finding.ours, &finding.theirs) {
                write!(text, "; tables: {}; should be: {}", cell(ours), cell(theirs))?;
            }
            writeln!(text)?;
        }
        writeln!(
            text,
            "\n## Digests\n\nOf all rows, SHA-256; another installation at the same block has the same.\n"
        )?;
        writeln!(text, "| table | rows | digest |\n|---|---|---|")?;
        for (table, digest) in &digests.tables {
            writeln!(text, "| {table} | {} | `{}` |", digest.rows, digest.digest)?;
        }
        writeln!(text, "\n## Signed off\n\nName:\n\nDate:\n\nSignature:\n")
    }
}

/// What a run says, in one sentence.
pub fn in_words(verdict: &Verdict) -> String {
    let clean = match verdict.found {
        0 => format!("{} checks found nothing", verdict.checks),
        1 => format!("{} checks found 1 thing", verdict.checks),
        found => format!("{} checks found {found} things", verdict.checks),
    };
    match verdict.unfinished.as_slice() {
        [] => clean,
        names => format!("{clean}; not finished: {}", names.join(", ")),
    }
}

/// Text for a cell of a table: what others wrote must not look like ours.
fn cell(text: &str) -> String {
    text.chars()
        .filter(|letter| !letter.is_control())
        .flat_map(|letter| match letter {
            '|' | '<' | '>' | '`' | '[' | ']' => vec!['\\', letter],
            letter => vec![letter],
        })
        .collect()
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    alloy::hex::encode(sha2::Sha256::digest(bytes))
}
