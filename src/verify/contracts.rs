//! Level `chain`: what the contracts themselves answer at the checkpoint's hash.

use alloy::primitives::Address;
use uuid::Uuid;

use super::{Check, Finding, Snapshot};
use crate::reconcile::{Ground, Judgement, Probe, Question, Stated, What, ask, questions};
use crate::row::{Row, Table};
use crate::source::Source;
use crate::store::postgres::{failed, read_drawn, read_page, read_positions, read_probes, read_supplies};
use crate::sync::SyncError;
use crate::table::holder::AssetHolder;

/// Questions asked at once.
const AT_ONCE: usize = 400;
/// Wallets read at once.
const PAGE: u32 = 500;

/// Which wallets are asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wallets {
    /// So many, drawn by the checkpoint's hash.
    Drawn(usize),
    /// Every one that ever held.
    All,
}

/// Asks every asset, or one, and its wallets. `progress` is told how many wallets were asked about.
///
/// # Errors
/// The node's and the database's.
pub async fn contracts<S: Source>(
    node: &S,
    snapshot: &mut Snapshot,
    wallets: Wallets,
    asset: Option<Uuid>,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<Check, SyncError> {
    let mut check = Check::new(
        "contracts_agree",
        "The contracts, asked at the checkpoint's hash, answer what the tables say: supply, balances, freezes, \
         registrations, verdicts.",
    );
    let wrong = |error: sqlx::Error| failed("reading what is asked about", &error);
    let (chain_id, at) = (snapshot.chain_id, snapshot.at());
    let only = asset.map(|asset| vec![asset]);
    let connection = &mut snapshot.connection;
    let probes = read_probes(connection, chain_id).await.map_err(wrong)?;
    let supplies = read_supplies(connection, chain_id, only.as_deref()).await.map_err(wrong)?;
    let assets: Vec<Uuid> = supplies.iter().map(|supply| supply.asset_id).collect();
    let stated = Stated { supplies, ..Stated::default() };
    put(node, &mut check, at, &questions(&stated), &probes).await?;
    let mut done = 0;
    match wallets {
        Wallets::Drawn(count) => {
            let drawn = read_drawn(connection, chain_id, at.hash, count, &assets).await.map_err(wrong)?;
            let mut keys: Vec<(Uuid, Address)> = drawn;
            keys.sort_unstable();
            keys.dedup();
            for keys in keys.chunks(PAGE as usize) {
                positions(node, snapshot, &mut check, keys, &probes).await?;
                done += keys.len() as u64;
                progress(done);
            }
        }
        Wallets::All => {
            let mut after: Option<Row> = None;
            loop {
                let page: Vec<AssetHolder> =
                    read_page(&mut snapshot.connection, chain_id, after.as_ref(), PAGE)
                        .await
                        .map_err(wrong)?;
                let Some(last) = page.last() else { break };
                after = Some(AssetHolder::key_values(&last.key()));
                let keys: Vec<(Uuid, Address)> = page
                    .iter()
                    .filter(|row| asset.is_none_or(|asset| row.asset_id == asset))
                    .map(|row| (row.asset_id, row.holder))
                    .collect();
                positions(node, snapshot, &mut check, &keys, &probes).await?;
                done += page.len() as u64;
                progress(done);
            }
        }
    }
    Ok(check)
}

async fn positions<S: Source>(
    node: &S,
    snapshot: &mut Snapshot,
    check: &mut Check,
    keys: &[(Uuid, Address)],
    probes: &[Probe],
) -> Result<(), SyncError> {
    let positions = read_positions(&mut snapshot.connection, snapshot.chain_id, keys)
        .await
        .map_err(|error| failed("reading positions", &error))?;
    let stated = Stated { positions, ..Stated::default() };
    put(node, check, snapshot.at(), &questions(&stated), probes).await
}

/// Asks; what differs is asked once more, and is found when it differs again.
async fn put<S: Source>(
    node: &S,
    check: &mut Check,
    at: crate::block::BlockId,
    all: &[Question],
    probes: &[Probe],
) -> Result<(), SyncError> {
    for some in all.chunks(AT_ONCE) {
        let mut open: Vec<Question> = some.to_vec();
        for look in [1, 2] {
            let asked = ask(node, at, &open, probes).await?;
            if let Ground::None(reason) = asked.ground {
                check.give_up(reason);
                break;
            }
            let mut differing = Vec::new();
            for (question, judgement) in open.iter().zip(asked.judgements) {
                match judgement {
                    Judgement::Agreed => check.examined += u64::from(look == 1),
                    Judgement::Unanswered(reason) => silent(check, question, reason),
                    Judgement::Differs(_) if look == 1 => {
                        check.examined += 1;
                        differing.push(question.clone());
                    }
                    Judgement::Differs(drift) => {
                        let flags = match drift.flags.as_slice() {
                            [] => String::new(),
                            flags => format!("; the asset's flags: {}", flags.join(", ")),
                        };
                        let what = drift.subject.what.name();
                        let message = format!("the contract answers another {what}{flags}");
                        let finding =
                            Finding::of(check.name, message).row(table_of(drift.subject.what), key(question));
                        check.find(finding.block(at.number).values(drift.ours, drift.theirs));
                    }
                }
            }
            open = differing;
            if open.is_empty() {
                break;
            }
        }
    }
    Ok(())
}

/// A contract that reverts says nothing; a node that keeps no state leaves the check unfinished.
fn silent(check: &mut Check, question: &Question, reason: &'static str) {
    if reason.contains("node") {
        check.give_up(reason);
    } else {
        tracing::debug!(target = %question.target, what = question.subject.what.name(), reason, "no answer");
    }
}

fn table_of(what: What) -> &'static str {
    match what {
        What::TotalSupply => "assets",
        What::Balance | What::Frozen | What::WalletFrozen => "asset_holders",
        What::Identity | What::Country | What::Registered | What::Verified => "registrations",
    }
}

fn key(question: &Question) -> String {
    let subject = question.subject;
    match subject.wallet {
        None => format!("{{\"id\": \"{}\"}}", subject.asset_id),
        Some(wallet) => {
            format!("{{\"asset_id\": \"{}\", \"holder\": \"{wallet:#x}\"}}", subject.asset_id)
        }
    }
}
