//! Whether a transfer would be let through is asked before every transfer: it must cost next to nothing.

use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Executor, PgConnection};

use crate::support::loaded::loaded_database;
use crate::support::world::pool;

/// What an answer may take.
const BUDGET: Duration = Duration::from_millis(5);

/// One asset of the load under a compliance of five modules, each with many rules; and one identity of twenty
/// wallets with a hundred movements each.
const MODULES: &str = "
    create temp table compliance as select substr(sha256('compliance'), 1, 20) as address;
    create temp table modules as select name, substr(sha256(name::bytea), 1, 20) as address
        from unnest(array['CountryAllowModule', 'CountryRestrictModule', 'MaxBalanceModule', 'SupplyLimitModule',
            'TransferRestrictModule']) name;
    create temp table asked as select a.id, a.contract_address as token from chain.assets a order by a.id limit 1;
    update chain.assets set paused = false where id = (select id from asked);
    delete from chain.required_topics;
    insert into chain.contract_links (chain_id, address, link, slot, from_block, from_log, target, from_at)
        select 1, a.token, 'compliance', decode(repeat('00', 20), 'hex'), 0, 0, c.address, now() from asked a, compliance c
        union all select 1, c.address, 'token', decode(repeat('00', 20), 'hex'), 0, 0, a.token, now() from asked a, compliance c
        union all select 1, c.address, 'module', m.address, 0, 0, m.address, now() from modules m, compliance c;
    insert into chain.asset_events (chain_id, block_number, log_index, part, id, block_hash, block_timestamp, transaction_hash,
        transaction_index, address, role, event_type, data)
        select 1, 60000 + n, 0, 0, md5('i' || n)::uuid, sha256('b'), now(), sha256('t'), 0, c.address, 'compliance',
            'ModuleInteraction', '' from compliance c, generate_series(1, 30000) n;
    insert into chain.compliance_modules (chain_id, module, name, first_block, first_at)
        select 1, address, name, 0, now() from modules;
    insert into chain.module_parameters (chain_id, module, scope, parameter, argument, from_block, from_log, value, from_at)
        select 1, m.address, c.address, p.parameter, p.argument, 0, 0, p.value, now()
        from compliance c, modules m join (
            select name, 'bound' as parameter, '' as argument, null::numeric as value from modules
            union all select 'CountryAllowModule', 'allowed_country', n::text, null from generate_series(1, 900) n
            union all select 'CountryRestrictModule', 'restricted_country', n::text, null from generate_series(1, 190) n
            union all select 'MaxBalanceModule', 'max_balance', '', 1000000
            union all select 'SupplyLimitModule', 'supply_limit', '', 300000
            union all select 'TransferRestrictModule', 'allowed_user', api.hex(r.wallet), null from chain.registrations r
        ) p on p.name = m.name;
    create temp table family as select h.holder, row_number() over (order by h.holder) as n
        from chain.asset_holders h where h.asset_id = (select id from asked) order by h.holder limit 20;
    update chain.registrations r set identity = substr(sha256('family'), 1, 20) from family f where f.holder = r.wallet;
    insert into chain.ownership_history (chain_id, asset_id, holder, block_number, log_index, id, balance, frozen,
        wallet_frozen, block_hash, timestamp, transaction_hash)
        select 1, a.id, f.holder, 50000 + t, f.n, md5('f' || f.n || '-' || t)::uuid, 900 + t, 0, false, sha256('b'), now(), sha256('t')
        from asked a, family f, generate_series(1, 100) t;
    analyze";

async fn answer(connection: &mut PgConnection, from: &str, to: &str) -> (String, Vec<String>, Duration) {
    let sql = format!(
        "select e.eligible, e.reasons from api.check_eligibility((select id from asked), {from}, {to}, 5) e"
    );
    let mut best = Duration::MAX;
    let mut told = (String::new(), Vec::new());
    // The best of many: this is about the work, not about who else uses the machine.
    for _ in 0..40 {
        let started = Instant::now();
        told =
            sqlx::query_as(AssertSqlSafe(sql.clone())).fetch_one(&mut *connection).await.expect("it answers");
        best = best.min(started.elapsed());
    }
    (told.0, told.1, best)
}

#[tokio::test]
async fn eligibility_is_answered_within_its_budget_on_a_loaded_register() {
    let pool = pool(&loaded_database().await).await;
    let mut connection = pool.acquire().await.expect("a connection");
    connection.execute(MODULES).await.expect("modules and their rules");
    let wallet = |place: u32| format!("(select api.hex(holder) from family where n = {place})");
    let zero = "'0x0000000000000000000000000000000000000000'".to_owned();
    for (from, to, expected) in [
        (wallet(1), wallet(2), "yes"),
        (zero, wallet(3), "yes"),
        (wallet(1), "'0x00000000000000000000000000000000000000ff'".to_owned(), "no"),
    ] {
        let (told, reasons, best) = answer(&mut connection, &from, &to).await;
        assert_eq!(told, expected, "{reasons:?}");
        assert!(best < BUDGET, "{from} to {to} took {best:?}");
    }
    // It read the wallets of one identity, and no table as a whole.
    let counted: String = sqlx::query_scalar(
        "select chain.counted_balance(1, a.id, c.address, m.address, substr(sha256('family'), 1, 20))::text
         from asked a, compliance c, modules m where m.name = 'MaxBalanceModule'",
    )
    .fetch_one(&mut *connection)
    .await
    .expect("it counts");
    assert_eq!(counted, (20 * 1_000).to_string(), "twenty wallets with a thousand each at the end");
}
