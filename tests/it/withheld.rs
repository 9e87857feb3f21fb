//! What claims say, kept from the tables by the configuration: of the real contracts' claims nothing is left anywhere, and
//! everything else is as if it were there.

use std::collections::BTreeSet;
use std::sync::Arc;

use asset_indexer::block::{BlockRange, Withheld};
use asset_indexer::decode::withhold::ClaimData;
use asset_indexer::row::{Row, TableDef, Value};
use asset_indexer::rpc::Rpc;
use asset_indexer::store::Store;
use asset_indexer::store::memory::MemoryStore;
use asset_indexer::store::postgres::{PostgresStore, Request};
use asset_indexer::sync::{Config, Sync};
use asset_indexer::table;
use asset_indexer::table::event::AssetEvent;
use asset_indexer::table::identity::IdentityClaim;
use scenario::play;
use sqlx::PgConnection;

use crate::application::connect;
use crate::support::real::{factories, node, rows, rpc};
use crate::support::traces::traces;
use crate::support::world::{
    assert_equal, assert_same, converge, database, dump, executor, postgres_store, worker,
};

/// The columns that say less.
const SAID: [(&str, &[&str]); 2] = [
    ("asset_events", &["event_data", "data", "withheld"]),
    ("identity_claims", &["signature", "claim_data", "uri", "withheld"]),
];

fn withholding(config: &Config, how: Withheld) -> Config {
    let claim_data = ClaimData { others: Some(how), ..ClaimData::default() };
    Config { claim_data, ..config.clone() }
}

/// The rows without what a claim says, whether it is withheld or not.
fn without_claims(mut tables: Vec<(&'static str, Vec<Row>)>) -> Vec<(&'static str, Vec<Row>)> {
    for (name, columns) in SAID {
        let def: &TableDef = table::ALL.into_iter().find(|def| def.name == name).expect("declared");
        let place = |column: &str| def.column(column).expect("declared");
        let is_claim = |row: &Row| {
            name == "identity_claims"
                || matches!(&row[place("event_type")], Value::Text(event) if event.starts_with("Claim") && event != "ClaimRevoked")
        };
        let (_, rows) = tables.iter_mut().find(|(table, _)| *table == name).expect("dumped");
        for row in rows.iter_mut().filter(|row| is_claim(row)) {
            for column in columns {
                row[place(column)] = Value::Null;
            }
        }
    }
    tables
}

/// Bytes as they are looked for: as the text that they are, else in hexadecimal.
fn shown(bytes: &[u8]) -> String {
    let text = str::from_utf8(bytes).ok().filter(|text| !text.contains(char::is_control));
    text.map_or_else(|| alloy::hex::encode(bytes), str::to_owned)
}

async fn follow(url: &str, database: &str, config: Config) -> Sync<Rpc, PostgresStore> {
    let mut worker = worker(rpc(url), Arc::new(postgres_store(database).await), config);
    converge(&mut worker).await;
    worker
}

/// Everything that could be compared with the chain is, and nothing differs.
async fn nothing_is_amiss(worker: &mut Sync<Rpc, PostgresStore>) {
    let checkpoint = worker.store().checkpoint().await.expect("readable").expect("there");
    assert_eq!(checkpoint.verified, checkpoint.block.id, "proved up to the head");
    let range = BlockRange { from: 1, to: checkpoint.block.id.number };
    let audited = worker.audit(range).await.expect("it is proved");
    assert!(audited.comparison.logs > 100 && audited.comparison.differences.is_empty(), "{audited:?}");
    let listed = worker.list_again(range).await.expect("it is listed");
    assert!(listed.differences.is_empty(), "{listed:?}");
}

#[tokio::test]
async fn what_claims_say_is_nowhere_and_verdicts_are_what_they_were() {
    let node = node().await;
    let played = play(&node).await.expect("the scenario plays");
    let whole = factories(&played.suite);
    let open = database().await;
    let mut kept = follow(&node.url(), &open, whole.clone()).await;
    let kept_claims: Vec<IdentityClaim> = rows(&**kept.store()).await;
    let said: BTreeSet<String> = kept_claims
        .iter()
        .flat_map(|claim| [shown(&claim.claim_data), claim.uri.clone()])
        .filter(|text| text.len() > 3)
        .collect();
    assert!(said.len() > 10, "{said:?}");
    let said: Vec<String> = said.into_iter().collect();
    let schemas = ["chain", "ops", "api"];
    let everywhere = traces(&mut connect(&open).await, &schemas, &said).await;
    for place in ["chain.asset_events", "chain.identity_claims", "api.asset_events", "api.identity_claims"] {
        assert!(everywhere.iter().any(|found| found == place), "{place} not in {everywhere:?}");
    }
    let expected = without_claims(dump(&**kept.store()).await);
    let mut dropped = None;
    for how in Withheld::ALL {
        let name = database().await;
        let config = withholding(&whole, how);
        let mut withheld = follow(&node.url(), &name, config.clone()).await;
        let found = traces(&mut connect(&name).await, &schemas, &said).await;
        assert!(found.is_empty(), "{how:?}: {found:?}");
        let tables = without_claims(dump(&**withheld.store()).await);
        assert_same(&tables, &expected, "all but what claims say");
        let memory = Arc::new(MemoryStore::new());
        converge(&mut worker(rpc(&node.url()), memory.clone(), config)).await;
        assert_equal(&**withheld.store(), &*memory, "PostgreSQL against memory").await;
        nothing_is_amiss(&mut withheld).await;
        let claims: Vec<IdentityClaim> = rows(&**withheld.store()).await;
        for claim in &claims {
            let was = kept_claims.iter().find(|kept| kept.id == claim.id).expect("the same claims");
            // What is no signature may be anything.
            let how = if was.signature.len() == 65 { how } else { Withheld::Drop };
            assert_eq!(claim.withheld.as_deref(), Some(how.name()), "{was:?}");
        }
        assert!(claims.iter().filter(|claim| claim.signer_key.is_some()).count() > 5, "signers are known");
        told_as_withheld(&mut connect(&name).await, how).await;
        dropped = Some(dump(&**withheld.store()).await);
    }
    let dropped = dropped.expect("the last was dropped");

    // What was stored whole is withheld by a rebuild under the new configuration; the node is not asked.
    let events: Vec<AssetEvent> = rows(&**kept.store()).await;
    assert!(events.iter().all(|event| event.withheld.is_none()));
    for how in Withheld::ALL {
        let rebuild = executor::<Rpc>(None, kept.store(), &withholding(&whole, how));
        rebuild.execute(&Request::Rebuild, &mut |_| {}).await.expect("ground holds everything");
        let found = traces(&mut connect(&open).await, &schemas, &said).await;
        assert!(found.is_empty(), "rebuilt with {how:?}: {found:?}");
    }
    assert_same(&dump(&**kept.store()).await, &dropped, "rebuilt against dropped from the start");
    // Who would keep everything again finds nothing to mend: what is withheld is compared as that.
    kept.forget();
    nothing_is_amiss(&mut kept).await;
}

/// Readers are not shown a digest for the statement.
async fn told_as_withheld(owner: &mut PgConnection, how: Withheld) {
    let told: Vec<(String, Option<String>, Option<String>)> = sqlx::query_as(
        "select k.withheld, c.claim_data, c.signature from api.identity_claims c join chain.identity_claims k using (chain_id, id)",
    )
    .fetch_all(&mut *owner)
    .await
    .expect("readable");
    assert!(told.iter().filter(|(withheld, ..)| withheld == how.name()).count() > 5);
    for (withheld, data, signature) in told {
        if withheld == "digest" {
            let data = data.expect("a digest");
            assert!(data.starts_with("digest:0x") && data.len() == 9 + 64, "{data}");
            assert!(signature.is_some());
        } else {
            assert_eq!((data, signature), (None, None));
        }
    }
    let events: i64 = sqlx::query_scalar(
        "select count(*) from api.asset_events where event_type = 'ClaimAdded' and event_data->>'withheld' = $1",
    )
    .bind(how.name())
    .fetch_one(owner)
    .await
    .expect("readable");
    assert!(events > 5, "{events}");
}
