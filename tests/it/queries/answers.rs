//! What the documented questions answer, against the tables on a followed chain.

use std::fs;
use std::sync::Arc;

use simulation::play::Play;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgPool;

use crate::support::world::{config, converge, database, pool, postgres_store, worker};

/// A documented question with its parameters as SQL.
fn question(name: &str, parameters: &[&str]) -> String {
    let sql = fs::read_to_string(format!("tests/queries/{name}.sql")).expect("it is documented");
    let text = |at: usize| format!("${}", at + 1);
    let filled =
        parameters.iter().enumerate().rev().fold(sql, |sql, (at, value)| sql.replace(&text(at), value));
    filled.trim_end().trim_end_matches(';').to_owned()
}

async fn rows(pool: &PgPool, sql: &str) -> Vec<String> {
    let sql = format!("select to_jsonb(q)::text from ({sql}) q");
    sqlx::query_scalar(AssertSqlSafe(sql.clone()))
        .fetch_all(pool)
        .await
        .unwrap_or_else(|e| panic!("{sql}: {e}"))
}

async fn scalars(pool: &PgPool, sql: &str) -> Vec<String> {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
        .fetch_all(pool)
        .await
        .unwrap_or_else(|e| panic!("{sql}: {e}"))
}

async fn followed(seed: u64) -> PgPool {
    let chain = Arc::new(Play::chain(4));
    for block in Play::new(seed).blocks(60) {
        chain.mine(block);
    }
    let database = database().await;
    let store = Arc::new(postgres_store(&database).await);
    converge(&mut worker(chain, store, config(&Play::contracts()))).await;
    pool(&database).await
}

#[tokio::test]
async fn holders_come_page_by_page_and_final_ones_as_of_the_final_block() {
    let pool = followed(81).await;
    let assets = scalars(&pool, "select id::text from chain.assets order by id").await;
    let mut pages = 0;
    for asset in assets {
        let asset = format!("'{asset}'");
        let all = format!(
            "select holder_address, balance_base::text as held from api.asset_holders where asset_id = {asset} and balance_base <> 0
             order by balance_base desc, holder_bytes"
        );
        let all: Vec<(String, String)> =
            sqlx::query_as(AssertSqlSafe(all)).fetch_all(&pool).await.expect("readable");
        let (mut seen, mut after) = (Vec::new(), ("null".to_owned(), "null".to_owned()));
        loop {
            let page = question("holders_page", &[&asset, &after.0, &after.1, "3"]);
            let page = format!("select holder_address, balance_base::text from ({page}) q");
            let page: Vec<(String, String)> =
                sqlx::query_as(AssertSqlSafe(page)).fetch_all(&pool).await.expect("readable");
            let Some((holder, balance)) = page.last().cloned() else { break };
            after = (balance, format!("'{holder}'"));
            seen.extend(page);
            pages += 1;
        }
        assert_eq!(seen, all);
        let is_at_finality = format!(
            "select h.holder_address from api.assets a join api.checkpoints k on k.chain_id = a.chain_id
             cross join lateral api.holders_at(a.id, k.finalized_number) h where a.id = {asset}
             order by h.balance_base desc, h.holder_address"
        );
        let told = format!("select holder_address from ({}) q", question("final_holders", &[&asset, "1000"]));
        assert_eq!(scalars(&pool, &told).await, scalars(&pool, &is_at_finality).await);
    }
    assert!(pages > 4, "{pages}");
    // While a chain catches up, finality is above what is indexed.
    let ahead =
        "update chain.checkpoints set finalized_number = block_number + 1000, finalized_hash = genesis_hash";
    sqlx::query(ahead).execute(&pool).await.expect("finality moves up");
    let indexed = scalars(&pool, "select block_number::text from chain.checkpoints").await;
    let mut told = Vec::new();
    for asset in scalars(&pool, "select id::text from chain.assets order by id").await {
        let holders = question("final_holders", &[&format!("'{asset}'"), "1000"]);
        told.extend(scalars(&pool, &format!("select as_of_block::text from ({holders}) q")).await);
    }
    told.dedup();
    assert_eq!(told, indexed, "as of the last block that is indexed");
}

#[tokio::test]
async fn a_transaction_tells_its_events_and_what_it_created() {
    let pool = followed(82).await;
    let hashes = scalars(&pool, "select distinct api.hex(transaction_hash) from chain.asset_events").await;
    let (mut events, mut created) = (0, Vec::new());
    for hash in hashes {
        let hash = format!("'{hash}'");
        events += rows(&pool, &question("transaction_events", &[&hash])).await.len();
        let sql = format!("select address from ({}) q", question("created_by_transaction", &[&hash]));
        created.extend(scalars(&pool, &sql).await);
    }
    created.sort();
    let all = scalars(&pool, "select '' from chain.asset_events").await.len();
    assert_eq!(events, all);
    let announced = "select address from api.contracts where announced_block is not null order by 1";
    let announced = scalars(&pool, announced).await;
    assert!(!announced.is_empty());
    assert_eq!(created, announced, "each contract is created by one transaction");
}

/// What came to each wallet and went from it, but for what changed nothing.
#[tokio::test]
async fn a_wallets_movements_are_those_that_changed_what_it_holds() {
    let pool = followed(83).await;
    let pairs = "select asset_id::text, api.hex(holder) from chain.asset_holders where holder <> chain.zero_address()";
    let pairs: Vec<(String, String)> = sqlx::query_as(pairs).fetch_all(&pool).await.expect("readable");
    let mut told = 0;
    for (asset, wallet) in pairs {
        let (asset, wallet) = (format!("'{asset}'"), format!("'{wallet}'"));
        let movements = format!(
            "select to_jsonb(q)::text from ({}) q",
            question("movements", &[&asset, &wallet, "100000"])
        );
        let all = format!(
            "select to_jsonb(q)::text from (
                select timestamp, transaction_type, from_address, to_address, amount, blockchain_hash, finality
                from api.transaction_logs where asset_id = {asset} and api.address({wallet}) in (from_bytes, to_bytes)
                    and from_bytes <> to_bytes and amount_base <> 0
                order by block_number desc, log_index desc) q"
        );
        let (movements, all) = (scalars(&pool, &movements).await, scalars(&pool, &all).await);
        assert_eq!(movements, all, "{wallet} of {asset}");
        let newest = question("movements", &[&asset, &wallet, "2"]);
        assert_eq!(rows(&pool, &newest).await, all[..all.len().min(2)]);
        told += all.len();
    }
    assert!(told > 0);
}

#[tokio::test]
async fn a_wallets_events_and_a_topics_claims_are_all_told() {
    let pool = followed(83).await;
    let wallets = scalars(&pool, "select distinct api.hex(holder) from chain.asset_holders").await;
    let mut told = 0;
    for wallet in &wallets {
        told += rows(&pool, &question("wallet_events", &[&format!("'{wallet}'"), "100000"])).await.len();
    }
    assert!(told > 0);
    assert_eq!(told, scalars(&pool, "select '' from chain.ownership_history").await.len());
    by_time_on_two_chains(&pool, &wallets).await;
    let topics = scalars(&pool, "select distinct claim_type::text from chain.identity_claims").await;
    assert!(!topics.is_empty());
    for topic in topics {
        let chain: String = scalars(&pool, "select chain_id::text from chain.checkpoints").await.remove(0);
        let sql = format!(
            "select identity from ({}) q order by 1",
            question("claims_of_topic", &[&chain, &topic, "1000"])
        );
        let standing = format!(
            "select identity from api.identity_claims where claim_type = '{topic}' and status = 'valid' and signed_by_issuer
             and id_matches order by 1"
        );
        assert_eq!(scalars(&pool, &sql).await, scalars(&pool, &standing).await, "topic {topic}");
    }
}

/// Blocks of another chain may bear greater numbers and be older; and what is archived leaves the position.
async fn by_time_on_two_chains(pool: &PgPool, wallets: &[String]) {
    for table in ["assets", "asset_holders", "ownership_history"] {
        let change = match table {
            "ownership_history" => {
                "set chain_id = 7, block_number = block_number + 1000, timestamp = timestamp - interval '1 day'"
            }
            _ => "set chain_id = 7",
        };
        let copy = format!(
            "create table copied as select * from chain.{table}; update copied {change};
             insert into chain.{table} select * from copied; drop table copied"
        );
        sqlx::raw_sql(AssertSqlSafe(copy)).execute(pool).await.unwrap_or_else(|e| panic!("{table}: {e}"));
    }
    let mut told = 0;
    for wallet in wallets {
        let newest = format!(
            "select to_jsonb(q)::text from (
                select timestamp, asset_id, balance from api.ownership_history where holder_bytes = api.address('{wallet}')
                order by timestamp desc, chain_id, block_number desc, log_index desc limit 5) q"
        );
        let events = question("wallet_events", &[&format!("'{wallet}'"), "5"]);
        let events = format!(
            "select to_jsonb(q)::text from (select timestamp, asset_id, balance from ({events}) e) q"
        );
        let newest = scalars(pool, &newest).await;
        assert_eq!(scalars(pool, &events).await, newest, "{wallet}");
        told += newest.len();
    }
    assert!(told > 0);
}

/// Who is verified no longer, with the reason; also where nobody can tell any more.
#[tokio::test]
async fn who_lost_being_verified_is_told_apart_from_whom_nobody_can_tell_of() {
    let pool = followed(71).await;
    let run = async |sql: &'static str| {
        sqlx::query(sql).execute(&pool).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    };
    run("delete from chain.required_topics").await;
    run("insert into chain.registrations (chain_id, storage, wallet, from_block, from_log, identity, identity_id, country,
            undetermined, from_at)
         select distinct l.chain_id, l.target, substr(sha256('wallet'), 1, 20), 1, 0, substr(sha256('identity'), 1, 20),
            md5('identity')::uuid, 756, false, now() from chain.contract_links l where l.link = 'storage'")
    .await;
    let registry = "select chain_id || ' ' || quote_literal(api.hex(address)) from chain.contract_links
        where link = 'storage' and to_block is null and from_block < 50 order by address limit 1";
    let registry = scalars(&pool, registry).await.remove(0);
    let (chain, registry) = registry.split_once(' ').expect("two");
    let told = format!(
        "select verdict || ': ' || reason from ({}) q where wallet = api.hex(substr(sha256('wallet'), 1, 20))",
        question("lost_verification", &[chain, registry, "50", "60"])
    );
    assert!(scalars(&pool, &told).await.is_empty());
    run("update chain.registrations set to_block = 55, to_log = 0, to_at = now()
         where wallet = substr(sha256('wallet'), 1, 20)")
    .await;
    assert_eq!(scalars(&pool, &told).await, ["not_verified: not registered"]);
    run("update ops.coverage set through_block = 52
         where address in (select target from chain.contract_links where link = 'storage')")
    .await;
    assert_eq!(scalars(&pool, &told).await, ["undetermined: a contract of the registry is catching up"]);
    run("update chain.contract_links set to_block = 55, to_log = 0, to_at = now()
         where link = 'storage' and to_block is null")
    .await;
    assert_eq!(scalars(&pool, &told).await, ["undetermined: storage of the registry not known"]);
}
