//! A register of some size, for what must not grow with it: loaded once in a run, and copied.

use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Executor as _};
use tokio::sync::OnceCell;

use super::world::{cluster, copy_of, database};

static LOADED: OnceCell<String> = OnceCell::const_new();

/// 200 assets of 200 holders each, with their movements and history, registrations, claims; a tenant with users and logs.
pub const LOAD: &str = "
    select ops.ensure_partitions(1, 100000);
    insert into chain.checkpoints (chain_id, genesis_hash, block_number, block_hash, parent_hash, block_timestamp,
        finalized_number, finalized_hash, status, origin_number, origin_hash, verified_number, verified_hash)
    values (1, sha256('g'), 100000, sha256('b'), sha256('p'), now(), 99900, sha256('f'), 'running', 0, sha256('g'), 0, sha256('g'));
    create temp table assets as select n, md5('asset' || n)::uuid as id, substr(sha256(('asset' || n)::bytea), 1, 20) as address
    from generate_series(1, 200) n;
    create temp table holders as select n, substr(sha256(('holder' || n)::bytea), 1, 20) as address from generate_series(1, 60000) n;
    insert into chain.assets (chain_id, contract_address, id, asset_type, total_supply, holder_count, negative_balance,
        exceeds_uint256, unreadable_logs, created_block, created_at, name, symbol, decimals, frozen, squares)
    select 1, address, id, 'erc3643', 200000, 200, false, false, 0, n, now(), 'asset', 'A', 0, 0, 200 * 1000 * 1000 from assets;
    create temp table held as select a.id as asset_id, a.address as asset, h.address as holder, a.n * 200 + h.n % 200 as n
    from assets a join holders h on h.n % 300 = a.n % 300;
    insert into chain.asset_holders (chain_id, asset_id, holder, balance, frozen, wallet_frozen, first_block, updated_block, updated_at)
    select 1, asset_id, holder, 1000, 0, false, 1, 1, now() from held;
    insert into chain.ownership_history (chain_id, asset_id, holder, block_number, log_index, id, balance, frozen,
        wallet_frozen, block_hash, timestamp, transaction_hash)
    select 1, asset_id, holder, n, 0, md5('h' || n || asset_id)::uuid, 1000, 0, false, sha256('b'), now(), sha256(('t' || n)::bytea) from held;
    insert into chain.asset_events (chain_id, block_number, log_index, part, id, asset_id, block_hash, block_timestamp,
        transaction_hash, transaction_index, address, role, event_type, event_data, topic0, topic1, topic2, data)
    select 1, n, row_number() over (partition by n), 0, md5('e' || n || holder::text)::uuid, asset_id, sha256('b'), now(),
        sha256(('t' || n)::bytea), 0, asset, 'trex_token', 'Transfer', '{\"value\": \"1\"}', sha256('Transfer'),
        decode(repeat('00', 32), 'hex'), decode(repeat('00', 12), 'hex') || holder, '' from held;
    insert into chain.asset_transactions (chain_id, block_number, log_index, part, id, asset_id, block_hash, block_timestamp,
        transaction_hash, transaction_index, operation_type, event_count, transfer_count, amount)
    select 1, n, row_number() over (partition by n), 0, md5('t' || n || holder::text)::uuid, asset_id, sha256('b'), now(),
        sha256(('t' || n)::bytea), 0, 'mint', 1, 1, 1 from held;
    insert into chain.asset_operations (chain_id, block_number, log_index, part, id, asset_id, transaction_id, operation_type,
        parameters, executed_at, block_hash, transaction_hash)
    select 1, block_number, log_index, 0, md5('o' || id)::uuid, asset_id, id, 'mint', '{}', now(), block_hash, transaction_hash
    from chain.asset_transactions;
    create temp table registry as select substr(sha256('registry'), 1, 20) as registry, substr(sha256('storage'), 1, 20) as storage,
        substr(sha256('topics'), 1, 20) as topics, substr(sha256('issuers'), 1, 20) as issuers, decode(repeat('00', 20), 'hex') as zero;
    insert into chain.contract_links (chain_id, address, link, slot, from_block, from_log, target, from_at)
    select 1, a.address, 'identity_registry', zero, 0, 0, registry, now() from assets a, registry
    union all select 1, registry, 'storage', zero, 0, 0, storage, now() from registry
    union all select 1, registry, 'claim_topics', zero, 0, 0, topics, now() from registry
    union all select 1, registry, 'trusted_issuers', zero, 0, 0, issuers, now() from registry;
    insert into chain.required_topics (chain_id, registry, topic, from_block, from_log, from_at)
    select 1, topics, 7, 0, 0, now() from registry;
    insert into chain.identities (chain_id, id, onchain_id, first_block, first_at)
    select 1, md5('i' || n)::uuid, substr(sha256(('identity' || n)::bytea), 1, 20), 0, now() from holders;
    insert into chain.registrations (chain_id, storage, wallet, from_block, from_log, identity, identity_id, country, undetermined, from_at)
    select 1, storage, h.address, 0, h.n, i.onchain_id, i.id, 756, false, now()
    from holders h join chain.identities i on i.id = md5('i' || h.n)::uuid cross join registry;
    insert into chain.identity_claims (chain_id, identity, claim_id, from_block, from_log, id, identity_id, claim_type, scheme,
        issuer, id_matches, signature, signature_hash, claim_data, uri, transaction_hash, from_at)
    select 1, i.onchain_id, sha256(('c' || t || i.id)::bytea), 0, t, md5('c' || t || i.id)::uuid, i.id, t, 1,
        i.onchain_id, true, '', sha256(('s' || t || i.id)::bytea), '', '', sha256('t'), now()
    from chain.identities i, generate_series(1, 5) t;
    insert into app.tenants (id, name) values (md5('tenant')::uuid, 'tenant');
    insert into app.users (id, tenant_id, email) select md5('u' || n)::uuid, md5('tenant')::uuid, 'u' || n || '@example.org'
    from generate_series(1, 60000) n;
    insert into app.wallet_links (tenant_id, user_id, chain_id, wallet)
    select md5('tenant')::uuid, md5('u' || n)::uuid, 1, api.hex(address) from holders;
    insert into app.login_history (tenant_id, user_id, login_method, success, timestamp)
    select md5('tenant')::uuid, md5('u' || (1 + n % 60000))::uuid, 'password', true,
        date_trunc('month', now()) + (now() - date_trunc('month', now())) * random() from generate_series(1, 60000) n;
    insert into app.compliance_violations (tenant_id, asset_id, violation_type)
    select md5('tenant')::uuid, id, 'max_balance' from assets, generate_series(1, 50);
    analyze";

/// A database of its own with [`LOAD`] in it.
pub async fn loaded_database() -> String {
    let model = LOADED
        .get_or_init(|| async {
            let model = database().await;
            let options = cluster().await.connect_options("postgres", &model);
            let mut owner = PgConnection::connect_with(&options).await.expect("a connection");
            owner.execute(LOAD).await.expect("a loaded register");
            owner.close().await.expect("the model is free to be copied");
            model
        })
        .await;
    copy_of(Some(model)).await
}
