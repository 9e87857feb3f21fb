//! `providers`: what each node is and can prove; and the watch over them while the daemon runs.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::Failure;
use super::setup::{self, Node};
use crate::config::Config;
use crate::observe::Board;
use crate::providers::{Capabilities, Confined, Finding, Need, Standing, Trouble};
use crate::source::Source;
use crate::sync::Proving;

/// How often the board is told how the providers stand.
const TOLD_EVERY: Duration = Duration::from_secs(1);
/// How often it is found out anew what they can prove.
const PROBED_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// What is told of one provider.
#[derive(Debug, Serialize)]
struct Line {
    #[serde(flatten)]
    standing: Standing,
    proof: String,
}

/// See the module.
pub(super) async fn providers(config: &Config, json: bool) -> Result<(), Failure> {
    let node = setup::unconnected(config)?;
    let connected = node.view().await;
    let found = node.probe(need(config)).await;
    let lines: Vec<Line> = node
        .standings()
        .into_iter()
        .zip(&found)
        .map(|(standing, (_, capabilities))| Line { standing, proof: capabilities.proof() })
        .collect();
    if json {
        println!("{}", serde_json::to_string_pretty(&lines).unwrap_or_default());
    } else {
        print!("{}", table(&lines));
    }
    let expected = config.chain.id;
    let wrong: Vec<String> = lines.iter().filter_map(|line| on_another_chain(line, expected)).collect();
    if !wrong.is_empty() {
        return Err(Failure::new(Failure::FINDINGS, wrong.join("; ")));
    }
    if let Some(reason) = unprovable(config, &found) {
        return Err(Failure::new(Failure::FINDINGS, reason));
    }
    connected.map(drop).map_err(Failure::from)
}

fn on_another_chain(line: &Line, expected: Option<u64>) -> Option<String> {
    let standing = &line.standing;
    let confined = standing.quarantine.as_ref().filter(|confined| confined.trouble == Trouble::WrongChain);
    let found = standing.capabilities.as_ref().and_then(|capabilities| capabilities.chain_id);
    match (confined, found, expected) {
        (Some(Confined { reason, .. }), ..) => Some(format!("{}: {reason}", standing.alias)),
        (None, Some(found), Some(expected)) if found != expected => {
            Some(format!("{}: it serves chain {found} and not chain {expected}", standing.alias))
        }
        _ => None,
    }
}

/// The first block that will be read, as far as the configuration says.
pub(super) fn need(config: &Config) -> Need {
    let earliest = config.contracts.iter().filter_map(|one| Some((one.start_block?, one.address))).min();
    let floor = Some(config.chain.floor_block).filter(|floor| *floor > 0);
    Need {
        first_block: earliest.map(|(start, _)| start).or(floor),
        contract: earliest.map(|(_, address)| address),
    }
}

/// Why nothing can be made visible when everything must be proved before: the only provider proves nothing.
pub(super) fn unprovable(config: &Config, found: &[(String, Capabilities)]) -> Option<String> {
    let [(alias, capabilities)] = found else { return None };
    if config.proof.mode != Proving::BeforeCommit || capabilities.proves() != Some(false) {
        return None;
    }
    let proof = capabilities.proof();
    Some(format!(
        "proof.mode = \"before-commit\", and {alias} alone cannot prove that logs are complete: {proof}; use a provider \
         that gives receipts by block hash (eth_getBlockReceipts), add a second provider with [[provider]] to compare \
         with, or set proof.mode = \"background\""
    ))
}

/// Finds out what the providers can prove, where nothing may be seen without a proof.
pub(super) async fn refuse_unprovable(config: &Config, node: &Node) -> Result<(), Failure> {
    if config.proof.mode != Proving::BeforeCommit || config.providers.len() > 1 {
        return Ok(());
    }
    match unprovable(config, &node.probe(need(config)).await) {
        Some(reason) => Err(Failure::new(Failure::CONFIG, reason)),
        None => Ok(()),
    }
}

/// Tells the board how the providers stand, and finds out now and once a day what they can prove, until it is stopped.
pub(super) fn watch(config: &Config, node: &Arc<Node>, board: &Arc<Board>, stop: &CancellationToken) {
    let tell = {
        let (node, board) = (node.clone(), board.clone());
        move || board.providers(node.standings(), node.switches(), node.disagree())
    };
    tell();
    tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
        loop {
            tokio::time::sleep(TOLD_EVERY).await;
            tell();
        }
    }));
    let (node, need) = (node.clone(), need(config));
    tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
        let mut before = Vec::new();
        loop {
            let found = node.probe(need).await;
            for (alias, capabilities) in found.iter().filter(|found| !before.contains(*found)) {
                log(alias, capabilities);
            }
            before = found;
            tokio::time::sleep(PROBED_EVERY).await;
        }
    }));
}

/// A provider's line in the log.
fn log(provider: &str, found: &Capabilities) {
    let Capabilities { chain_id, head, finalized, batches, .. } = found;
    let said = |finding: &Finding| finding.to_string();
    tracing::info!(
        provider,
        chain_id,
        head,
        finalized,
        proof = found.proof(),
        logs_by_hash = said(&found.logs_by_hash),
        calls_by_hash = said(&found.calls_by_hash),
        history = said(&found.history),
        state = said(&found.state),
        batches,
        "what a provider can prove"
    );
}

/// The lines for people: a table, and under it the reasons.
fn table(lines: &[Line]) -> String {
    let names = [
        "provider",
        "chain",
        "head",
        "finalized",
        "proves",
        "logs",
        "calls",
        "history",
        "state",
        "left alone",
    ];
    let mut rows: Vec<[String; 10]> = vec![names.map(str::to_owned)];
    let mut notes = String::new();
    let shown = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let word = |finding: &Finding| match finding {
        Finding::Yes => "yes".to_owned(),
        Finding::No(_) => "no".to_owned(),
        Finding::Unknown(_) => "unknown".to_owned(),
    };
    for Line { standing, proof } in lines {
        let Some(found) = &standing.capabilities else { continue };
        let proves = match found.proves() {
            Some(true) => "yes",
            Some(false) => "no",
            None => "unknown",
        };
        rows.push([
            standing.alias.clone(),
            shown(found.chain_id),
            shown(found.head),
            shown(found.finalized),
            proves.to_owned(),
            word(&found.logs_by_hash),
            word(&found.calls_by_hash),
            word(&found.history),
            word(&found.state),
            standing.quarantine.as_ref().map_or_else(|| "no".to_owned(), |_| "yes".to_owned()),
        ]);
        notes.push_str(&format!("\n{}: proves {proof}\n", standing.alias));
        let findings = [
            ("logs by block hash", &found.logs_by_hash),
            ("calls by block hash", &found.calls_by_hash),
            ("receipts from the start block on", &found.history),
            ("state from the start block on", &found.state),
        ];
        for (what, finding) in findings.into_iter().filter(|(_, finding)| **finding != Finding::Yes) {
            notes.push_str(&format!("  {what}: {finding}\n"));
        }
        if let Some(confined) = &standing.quarantine {
            notes.push_str(&format!("  left alone for {} s: {}\n", confined.seconds_left, confined.reason));
        }
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..names.len()).map(width).collect();
    let mut out = String::new();
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
    }
    out + &notes
}
