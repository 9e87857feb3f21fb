//! Digests of an installation: what two of them compare instead of their rows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sqlx::Row as _;

use super::{Check, Finding, Snapshot};
use crate::row::Class;
use crate::store::StoreError;
use crate::store::postgres::{ArchivedBlocks, archived_blocks, failed};
use crate::table;

/// Blocks of one stretch where nothing else is asked for.
pub const STEP: u64 = 10_000;

/// The tables whose old blocks `maintain` puts into files.
const ARCHIVED: [&str; 3] = ["asset_events", "asset_transactions", "asset_operations"];

/// A stretch of blocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// First block.
    pub from_block: u64,
    /// Last block.
    pub to_block: u64,
    /// Events in it.
    pub events: u64,
    /// Their digest, SHA-256 in hexadecimal.
    pub digest: String,
}

/// A whole table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableDigest {
    /// Its rows.
    pub rows: u64,
    /// Their digest, SHA-256 in hexadecimal.
    pub digest: String,
}

/// What an installation says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digests {
    /// The chain.
    pub chain_id: u64,
    /// Hash of its block 0, `0x` text.
    pub genesis: String,
    /// The last block in the tables.
    pub checkpoint: u64,
    /// Its hash, `0x` text.
    pub checkpoint_hash: String,
    /// The newest final block in the tables.
    pub finalized: u64,
    /// Blocks of a stretch.
    pub step: u64,
    /// Ground by stretches of final blocks.
    pub stretches: Vec<Stretch>,
    /// Whether facts of some blocks are in files: their stretches and the tables of facts are not told then.
    #[serde(default)]
    pub archived: bool,
    /// The first block from which on no facts are in files: 0 where none are.
    #[serde(default)]
    pub first_block: u64,
    /// Every table that equality speaks of, as of the checkpoint.
    pub tables: BTreeMap<String, TableDigest>,
}

/// The digests of an installation.
///
/// # Errors
/// The database's.
pub async fn digests(snapshot: &mut Snapshot, step: u64) -> Result<Digests, StoreError> {
    let wrong = |error: sqlx::Error| failed("computing digests", &error);
    let genesis: Vec<u8> =
        sqlx::query_scalar("select genesis_hash::bytea from chain.checkpoints where chain_id = $1")
            .bind(snapshot.chain())
            .fetch_one(&mut snapshot.connection)
            .await
            .map_err(wrong)?;
    let at = snapshot.at();
    let finalized = snapshot.checkpoint.finalized.number.min(at.number);
    let number = |row: &sqlx::postgres::PgRow, place: usize| {
        u64::try_from(row.get::<i64, _>(place)).unwrap_or_default()
    };
    let archived = archived_blocks(&mut snapshot.connection, snapshot.chain_id).await.map_err(wrong)?;
    let mut stretches = Vec::new();
    for (from, to) in whole(&archived, finalized, step.max(1)) {
        let rows =
            sqlx::query("select from_block, to_block, events, digest from api.digests($1, $2, $3, $4)")
                .bind(snapshot.chain())
                .bind(i64::try_from(from).unwrap_or(i64::MAX))
                .bind(i64::try_from(to).unwrap_or(i64::MAX))
                .bind(i64::try_from(step.max(1)).unwrap_or(i64::MAX))
                .fetch_all(&mut snapshot.connection)
                .await
                .map_err(wrong)?;
        stretches.extend(rows.iter().map(|row| Stretch {
            from_block: number(row, 0),
            to_block: number(row, 1),
            events: number(row, 2),
            digest: row.get(3),
        }));
    }
    let mut tables = BTreeMap::new();
    for table in table::ALL.into_iter().filter(|table| table.class != Class::Operation) {
        if !archived.is_empty() && ARCHIVED.contains(&table.name) {
            continue;
        }
        let row = sqlx::query("select row_count, digest from api.table_digest($1, $2)")
            .bind(snapshot.chain())
            .bind(table.name)
            .fetch_one(&mut snapshot.connection)
            .await
            .map_err(wrong)?;
        tables.insert(table.name.to_owned(), TableDigest { rows: number(&row, 0), digest: row.get(1) });
    }
    Ok(Digests {
        chain_id: snapshot.chain_id,
        genesis: alloy::hex::encode_prefixed(genesis),
        checkpoint: at.number,
        checkpoint_hash: at.hash.to_string(),
        finalized,
        step: step.max(1),
        archived: !archived.is_empty(),
        first_block: archived.iter().map(|one| one.to + 1).max().unwrap_or(0),
        stretches,
        tables,
    })
}

/// Blocks in whole stretches of which nothing is in files, first and last of each run of them.
fn whole(archived: &[ArchivedBlocks], finalized: u64, step: u64) -> Vec<(u64, u64)> {
    let mut runs = Vec::new();
    let mut next = 0u64;
    for one in archived {
        let (from, end) = (next.div_ceil(step) * step, one.from / step * step);
        if from < end {
            runs.push((from, end - 1));
        }
        next = next.max(one.to + 1);
    }
    let from = next.div_ceil(step) * step;
    if from <= finalized {
        runs.push((from, finalized));
    }
    runs
}

/// Compares two installations: ground up to the block that is final in both, tables where both stand at one block.
pub fn compare(ours: &Digests, theirs: &Digests) -> Check {
    let mut check = Check::new(
        "digests_are_equal",
        "Another installation holds the same ground, and the same tables where it stands at the same block.",
    );
    let name = check.name;
    if (ours.chain_id, &ours.genesis) != (theirs.chain_id, &theirs.genesis) {
        let say = |of: &Digests| format!("chain {} with genesis {}", of.chain_id, of.genesis);
        check.find(
            Finding::of(name, "the other installation follows another chain").values(say(ours), say(theirs)),
        );
        return check;
    }
    if ours.step != theirs.step {
        check.give_up(format!("their stretches have {} blocks and ours {}", theirs.step, ours.step));
        return check;
    }
    let shared = ours.finalized.min(theirs.finalized);
    let first = ours.first_block.max(theirs.first_block);
    if first > 0 {
        check.remark = Some(format!(
            "ground is compared from block {first} on: of blocks below it, facts are in archives here or there"
        ));
    }
    let known: BTreeMap<u64, &Stretch> =
        theirs.stretches.iter().map(|stretch| (stretch.from_block, stretch)).collect();
    for stretch in &ours.stretches {
        let Some(other) = known.get(&stretch.from_block) else { continue };
        // The last stretch ends where finality does, which two installations need not share.
        if stretch.to_block != other.to_block || stretch.to_block > shared {
            continue;
        }
        check.examined += 1;
        if stretch.digest != other.digest {
            let message = format!("events of blocks {} to {} differ", stretch.from_block, stretch.to_block);
            let key =
                format!("{{\"from_block\": {}, \"to_block\": {}}}", stretch.from_block, stretch.to_block);
            let say = |of: &Stretch| format!("{} events, {}", of.events, of.digest);
            let finding = Finding::of(name, message).row("asset_events", key).block(stretch.from_block);
            check.find(finding.values(say(stretch), say(other)));
        }
    }
    if (ours.checkpoint, &ours.checkpoint_hash) == (theirs.checkpoint, &theirs.checkpoint_hash) {
        let in_files = |table: &str| (ours.archived || theirs.archived) && ARCHIVED.contains(&table);
        for (table, digest) in ours.tables.iter().filter(|(table, _)| !in_files(table)) {
            check.examined += 1;
            let other = theirs.tables.get(table);
            if other != Some(digest) {
                let say = |of: &TableDigest| format!("{} rows, {}", of.rows, of.digest);
                let finding = Finding::of(name, format!("table {table} differs")).row(table, "{}");
                check.find(finding.values(say(digest), other.map_or_else(|| "none".to_owned(), say)));
            }
        }
    } else if check.examined == 0 {
        check.give_up("no stretch of final blocks is whole in both, and they stand at different blocks");
    }
    check
}

#[cfg(test)]
mod tests {
    use super::{ArchivedBlocks, whole};

    #[test]
    fn runs_lie_between_what_is_in_files() {
        let away = |ranges: &[(u64, u64)]| -> Vec<ArchivedBlocks> {
            let one = |&(from, to)| ArchivedBlocks { partition: String::new(), from, to };
            ranges.iter().map(one).collect()
        };
        assert_eq!(whole(&[], 25, 10), [(0, 25)]);
        assert_eq!(whole(&away(&[(0, 9), (10, 19)]), 25, 10), [(20, 25)]);
        assert_eq!(whole(&away(&[(0, 14)]), 45, 10), [(20, 45)], "a stretch is whole or is not told");
        assert_eq!(whole(&away(&[(0, 9), (40, 49)]), 72, 10), [(10, 39), (50, 72)], "a hold left some");
        assert_eq!(whole(&away(&[(0, 99)]), 80, 10), []);
    }
}
