//! Level `deep`: every table is derived anew from ground and compared row by row with what is stored.

use std::sync::Arc;

use sqlx::postgres::PgConnectOptions;

use super::{Check, Finding, LISTED_MAX};
use crate::decode::Decoder;
use crate::decode::withhold::ClaimData;
use crate::row::Class;
use crate::source::{Source, SourceError};
use crate::store::postgres::ShadowStore;
use crate::store::{Cause, Store, StoreError};
use crate::sync::{Config, SyncError, fold_ground};
use crate::table;

/// Folds ground beside the tables and compares. What ground lacks is asked of the node, where there is one, and is then
/// a finding itself. `progress` is told each block reached.
///
/// # Errors
/// The node's and the database's; not that ground cannot be folded, which is found.
pub async fn deep<S: Source>(
    options: &PgConnectOptions,
    node: Option<Arc<S>>,
    decoder: &Arc<Decoder>,
    config: &Config,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<Vec<Check>, SyncError> {
    let mut folded =
        Check::new("ground_can_be_folded", "Ground holds everything that its tables are derived from.");
    let shadow = Arc::new(ShadowStore::open(options, config.chain_id).await?);
    let Some(checkpoint) = shadow.checkpoint().await? else { return Ok(vec![folded]) };
    let headers = shadow.headers().await?;
    // Ground says itself what of it is withheld; what is to be from now on is no difference.
    let config = &Config { claim_data: ClaimData::default(), ..config.clone() };
    let folding =
        fold_ground(node, &shadow, decoder, config, &Cause::Rebuild, &checkpoint, &headers, progress);
    match folding.await {
        Ok(events) => folded.examined = events as u64,
        Err(error @ SyncError::Source(SourceError::Refused { .. })) => {
            folded.find(Finding::of(folded.name, format!("a table cannot be derived: {error}")));
            return Ok(vec![folded]);
        }
        Err(SyncError::Store(error @ StoreError::Archived { .. })) => {
            return Ok(vec![folded.unfinished(error.to_string())]);
        }
        Err(SyncError::Store(error @ StoreError::Corrupt { .. })) => {
            folded.find(Finding::of(folded.name, error.to_string()));
            return Ok(vec![folded]);
        }
        Err(error) => return Err(error),
    }
    let mut compared = Check::new(
        "tables_equal_ground",
        "Every row of every derived table is what ground gives, and none is missing.",
    );
    for table in table::ALL {
        let check = match table.class {
            Class::History | Class::State => &mut compared,
            Class::Ground => &mut folded,
            Class::Operation => continue,
        };
        if *table == *<crate::table::event::AssetEvent as crate::row::Table>::DEF {
            continue;
        }
        check.examined += shadow.count(table).await?;
        let (total, differences) = shadow.differences(table, LISTED_MAX).await?;
        check.found += total;
        let name = check.name;
        check.findings.extend(differences.into_iter().map(|difference| {
            let message = match difference.kind.as_str() {
                "missing" => "ground gives a row that is not there",
                "extra" => "a row is there that ground does not give",
                _ => "the row is not what ground gives",
            };
            let finding = Finding::of(name, message).row(table.name, difference.key);
            finding.values(difference.ours, difference.theirs)
        }));
    }
    Ok(vec![folded, compared])
}
