//! Who is one investor and who is not: the same in every report, also where the logs do not tell, and where an identity holds
//! by itself; and countries that are none.

use asset_indexer::report::{By, Kind, Readers, regulatory};
use sqlx::{AssertSqlSafe, Executor, PgPool};
use uuid::Uuid;

use crate::support::world::{database, pool};

/// Two wallets of an identity of which one may be another's now; and two of an identity that holds as much by itself,
/// unregistered.
const LOAD: &str = "
    select ops.ensure_partitions(7, 100);
    create temp table known (n bigint, wallet text, identity text, country bigint, undetermined boolean, units numeric);
    insert into known values (1, 'one', 'changed', 756, true, 30), (2, 'two', 'changed', 756, true, 30),
        (3, 'three', 'fund', 840, false, 20), (4, 'four', 'fund', 8401, false, 20), (5, 'fund', null, null, null, 40);
    insert into chain.checkpoints (chain_id, genesis_hash, block_number, block_hash, parent_hash, block_timestamp,
        finalized_number, finalized_hash, status, origin_number, origin_hash, verified_number, verified_hash)
    select 7, sha256('g'), 12, sha256('b12'), sha256('b11'), now(), 12, sha256('b12'), 'running', 0, sha256('g'), 0, sha256('g');
    insert into chain.assets (chain_id, contract_address, id, asset_type, total_supply, holder_count, negative_balance,
        exceeds_uint256, unreadable_logs, created_block, created_at, decimals, frozen, squares)
    values (7, substr(sha256('token'), 1, 20), $ID$, 'erc3643', 140, 5, false, false, 0, 1, now(), 0, 0, 0);
    insert into chain.contract_links (chain_id, address, link, slot, from_block, from_log, target, from_at)
    select 7, substr(sha256(l.of), 1, 20), l.link, chain.zero_address(), 1, l.n, substr(sha256(l.target), 1, 20), now()
    from (values ('token'::bytea, 'identity_registry', 0, 'registry'::bytea), ('registry', 'storage', 1, 'storage')) l (of, link, n, target);
    insert into chain.registrations (chain_id, storage, wallet, from_block, from_log, identity, identity_id, country,
        undetermined, from_at)
    select 7, substr(sha256('storage'), 1, 20), substr(sha256(wallet::bytea), 1, 20), 2, n, substr(sha256(identity::bytea), 1, 20),
        md5(identity)::uuid, country, undetermined, now() from known where identity is not null;
    insert into chain.asset_operations (chain_id, block_number, log_index, part, id, asset_id, transaction_id, operation_type,
        to_address, amount, parameters, executed_at, block_hash, transaction_hash)
    select 7, 3, n, 0, md5('o' || n)::uuid, $ID$, md5('t' || n)::uuid, 'mint', substr(sha256(wallet::bytea), 1, 20), units, '{}',
        now(), sha256('b3'), sha256(wallet::bytea) from known;
    insert into chain.ownership_history (chain_id, asset_id, holder, block_number, log_index, id, balance, frozen,
        wallet_frozen, block_hash, timestamp, transaction_hash)
    select 7, $ID$, substr(sha256(wallet::bytea), 1, 20), 3, n, md5('h' || n)::uuid, units, 0, false, sha256('b3'), now(),
        sha256(wallet::bytea) from known";

async fn loaded() -> (PgPool, Uuid) {
    let pool = pool(&database().await).await;
    let asset = Uuid::from_u128(7);
    let sql = LOAD.replace("$ID$", &format!("'{asset}'::uuid"));
    pool.acquire().await.expect("a connection").execute(AssertSqlSafe(sql)).await.expect("a register");
    (pool, asset)
}

async fn lines(pool: &PgPool, sql: String) -> Vec<String> {
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(pool).await.expect("readable")
}

#[tokio::test]
async fn every_report_knows_the_same_investors() {
    let (pool, asset) = loaded().await;
    let table = "select case when is_identity then 'identity' else 'wallet' end || ' ' || balance_base
        from api.cap_table_by_investor";
    let investors = lines(&pool, format!("{table}('{asset}', 12, null)")).await;
    assert_eq!(investors, ["wallet 40", "identity 40", "wallet 30", "wallet 30"]);
    let sums = lines(
        &pool,
        format!(
            "select concat_ws(' ', measure, holders, balance_base) from api.concentration('{asset}', 12, true, '{{1,3}}')
             where measure <> 'hhi'"
        ),
    );
    assert_eq!(sums.await, ["all 4 140", "top 1 1 40", "top 3 3 110"]);
    let summary = lines(
        &pool,
        format!(
            "select concat_ws(' ', item, holders, amount_base) from api.regulatory_summary('{asset}', 12)
             where item = 'investors' or section in ('country', 'largest')"
        ),
    );
    assert_eq!(
        summary.await,
        [
            "investors 4 140",
            "756 2 60",
            "840 1 20",
            "8401 1 20",
            "not known 1 40",
            "top 1 1 40",
            "top 10 4 140"
        ]
    );
    let mut connection = pool.acquire().await.expect("a connection");
    let own =
        regulatory::body(&mut Readers::alone(&mut connection), asset, 12, (Some(0), "140"), (None, "UTC"))
            .await
            .expect("the program's own")
            .expect("few topics");
    let kind = Kind::Regulatory { period: None, zone: "UTC".to_owned() };
    assert_eq!(own, kind.body(&mut connection, asset, 12).await.expect("by SQL"));
    let report = Kind::CapTable(By::Investor).body(&mut connection, asset, 12).await.expect("by SQL");
    let fund = lines(&pool, "select api.hex(substr(sha256('fund'), 1, 20))".to_owned()).await.remove(0);
    let of_fund: Vec<&str> = report.lines().filter_map(|line| line.strip_prefix(&fund)).collect();
    assert_eq!(of_fund.len(), 2, "{report}");
    assert!(of_fund[0].starts_with(",f,") && of_fund[1].starts_with(",t,"), "in one order: {report}");
}

/// A page may end between two lines of one address and one balance.
#[tokio::test]
async fn no_investor_is_lost_between_pages() {
    let (pool, asset) = loaded().await;
    let all = format!(
        "select concat_ws(''',''', balance_base, investor, is_identity) from api.cap_table_by_investor('{asset}', 12"
    );
    let whole = lines(&pool, format!("{all}, null)")).await;
    assert_eq!(whole.len(), 4);
    let mut paged: Vec<String> = Vec::new();
    loop {
        let after = paged.last().map_or_else(String::new, |last| format!(", '{last}'"));
        let page = lines(&pool, format!("{all}, 1{after})")).await;
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    assert_eq!(paged, whole);
}
