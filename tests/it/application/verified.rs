//! By whom somebody is verified, and of whom it is not known: on a register of one asset, whose registry demands one topic.

use std::fs;

use sqlx::{AssertSqlSafe, PgConnection};

use super::{Platform, run};

/// Wallet 1 has an identity with a good claim; of wallets 2 and 3 the logs do not tell which identity they have; wallet 4 has none,
/// and sold what it held. Identity 1 has newer claims that verify nothing: of a topic that another platform trusts the issuer for and
/// signed by nobody; of the topic, but expired; of the topic, but of an issuer trusted for another. And one of a second registry, which
/// demands its topic beside one that the identity has no claim of.
const REGISTER: &str = "
    create function pg_temp.a(n int) returns bytea language sql as $$ select decode(lpad(to_hex(n), 40, '0'), 'hex') $$;
    create function pg_temp.h(n int) returns bytea language sql as $$ select decode(lpad(to_hex(n), 64, '0'), 'hex') $$;
    insert into chain.checkpoints (chain_id, genesis_hash, block_number, block_hash, parent_hash, block_timestamp, finalized_number,
        finalized_hash, status, origin_number, origin_hash, verified_number, verified_hash)
    values (1, pg_temp.h(1), 200, pg_temp.h(200), pg_temp.h(199), '2026-03-10 12:00+00', 150, pg_temp.h(150), 'running', 0,
        pg_temp.h(1), 0, pg_temp.h(1));
    insert into chain.assets (chain_id, id, contract_address, asset_type, name, symbol, decimals, paused, total_supply, holder_count,
        negative_balance, exceeds_uint256, unreadable_logs, created_block, created_at, frozen, squares)
    values (1, '00000000-0000-0000-0000-0000000000a1', pg_temp.a(10), 'erc3643', 'T', 'T', 0, false, 100, 3, false, false, 0, 10,
        '2026-03-01', 0, 0);
    insert into chain.contract_links (chain_id, address, link, slot, from_block, from_log, target, from_at)
    select 1, pg_temp.a(address), link, pg_temp.a(0), 10, 0, pg_temp.a(target), '2026-03-01' from (values
        (10, 'identity_registry', 11), (11, 'storage', 12), (11, 'claim_topics', 13), (11, 'trusted_issuers', 14),
        (21, 'storage', 12), (21, 'claim_topics', 23), (21, 'trusted_issuers', 24)) l (address, link, target);
    insert into chain.required_topics (chain_id, registry, topic, from_block, from_log, from_at)
    values (1, pg_temp.a(13), 1, 11, 0, '2026-03-01'), (1, pg_temp.a(23), 2, 11, 0, '2026-03-01'), (1, pg_temp.a(23), 3, 11, 1, '2026-03-01');
    insert into chain.verification_providers (chain_id, registry, issuer, from_block, from_log, topics, from_at) values
        (1, pg_temp.a(14), pg_temp.a(70), 11, 1, '{1}', '2026-03-01'), (1, pg_temp.a(14), pg_temp.a(71), 11, 2, '{5}', '2026-03-01'),
        (1, pg_temp.a(24), pg_temp.a(72), 11, 3, '{2,3}', '2026-03-01'), (1, pg_temp.a(99), pg_temp.a(73), 11, 4, '{77}', '2026-03-01');
    insert into chain.identity_keys (chain_id, identity, key_hash, purpose, from_block, from_log, key_type, from_at)
    select 1, pg_temp.a(n), pg_temp.h(n), 3, 11, 0, 1, '2026-03-01' from generate_series(70, 73) n;
    insert into chain.identities (chain_id, id, onchain_id, first_block, first_at)
    select 1, ('00000000-0000-0000-0000-00000000050' || n)::uuid, pg_temp.a(500 + n), 15, '2026-03-01' from generate_series(1, 2) n;
    insert into chain.registrations (chain_id, storage, wallet, from_block, from_log, identity, identity_id, country, undetermined, from_at)
    select 1, pg_temp.a(12), pg_temp.a(wallet), 20, wallet, pg_temp.a(500 + n), ('00000000-0000-0000-0000-00000000050' || n)::uuid, 756,
        n = 2, '2026-03-02' from (values (1, 1), (2, 2), (3, 2)) r (wallet, n);
    insert into chain.identity_claims (chain_id, identity, claim_id, from_block, from_log, id, identity_id, claim_type, scheme, issuer,
        id_matches, signature, signature_hash, signer_key, claim_data, uri, transaction_hash, from_at, expires_at)
    select 1, pg_temp.a(501), pg_temp.h(block), block, 0, gen_random_uuid(), '00000000-0000-0000-0000-000000000501', topic, 1,
        pg_temp.a(issuer), true, '', pg_temp.h(1000 + block), pg_temp.h(key), '', '', pg_temp.h(block),
        timestamptz '2026-03-01' + block * interval '1 minute', expires
    from (values (15, 1, 70, 70, null::timestamptz), (16, 1, 70, 70, '2100-01-01'), (30, 1, 70, 70, '2026-03-09'), (31, 1, 71, 71, null),
        (32, 2, 72, 72, null), (33, 77, 73, 666, null), (34, 1, 70, 666, null)) c (block, topic, issuer, key, expires);
    insert into chain.asset_holders (chain_id, asset_id, holder, balance, frozen, wallet_frozen, first_block, updated_block, updated_at)
    select 1, '00000000-0000-0000-0000-0000000000a1', pg_temp.a(wallet), balance, 0, false, 30, 30, '2026-03-03'
    from (values (1, 50), (2, 30), (3, 20), (4, 0)) h (wallet, balance)";

const IDENTITY: &str =
    "select to_jsonb(i) ->> 'verification_status' || ' ' || coalesce((verified_at at time zone 'UTC')::text, '-') || ' '
        || coalesce(issuer, '-') from api.identities i where id = '00000000-0000-0000-0000-000000000501'";

async fn text(connection: &mut PgConnection, sql: &str) -> String {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
        .fetch_one(connection)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"))
}

#[tokio::test]
async fn an_identity_is_verified_by_a_claim_that_verifies_it() {
    let mut platform = Platform::new().await;
    run(&mut platform.owner, REGISTER).await;
    let mut reader = platform.works("asset_indexer_reader", 0).await;
    let by = |minute: u32| {
        format!("verified 2026-03-01 00:{minute}:00 0x0000000000000000000000000000000000000046")
    };
    assert_eq!(text(&mut reader, IDENTITY).await, by(16), "the newest of those that count");
    let owner = &mut platform.owner;
    for (change, told) in [
        // The second registry's demands are met: its claim counts as well.
        (
            "delete from chain.required_topics where topic = 3",
            "verified 2026-03-01 00:32:00 0x0000000000000000000000000000000000000048".to_owned(),
        ),
        ("update chain.identity_keys set to_block = 40 where identity = pg_temp.a(72)", by(16)),
        (
            "insert into chain.claim_revocations (chain_id, issuer, signature_hash, revoked_block, revoked_log, revoked_at,
                transaction_hash) values (1, pg_temp.a(70), pg_temp.h(1016), 40, 0, now(), pg_temp.h(40))",
            by(15),
        ),
        // For T-REX a claim does not expire.
        (
            "update chain.identity_claims set expires_at = '2026-03-09' where from_block = 15",
            "verified - -".to_owned(),
        ),
        (
            "update chain.identity_keys set to_block = 40 where identity = pg_temp.a(70)",
            "not_verified - -".to_owned(),
        ),
    ] {
        run(owner, change).await;
        assert_eq!(text(&mut reader, IDENTITY).await, told, "after {change}");
    }
}

#[tokio::test]
async fn a_user_is_verified_where_that_is_known_of_every_wallet_that_holds() {
    let mut platform = Platform::new().await;
    run(&mut platform.owner, REGISTER).await;
    let user = platform.users[0];
    let page = fs::read_to_string("tests/queries/user_page.sql")
        .expect("it is documented")
        .replace("$1", "'00000000-0000-0000-0000-0000000000a1'")
        .replace("$2", "10")
        .replace("$3", "0");
    let page = page.trim_end().trim_end_matches(';');
    let told =
        format!("select coalesce(verified::text, 'not known') || ' ' || balance_base from ({page}\n) q");
    let mut app = platform.works("asset_indexer_app", 0).await;
    for (wallets, expected) in [
        ("{1}", "true 50"),
        // Who holds nothing any more is nobody's holder.
        ("{1,4}", "true 50"),
        ("{1,2}", "not known 80"),
        ("{2,3}", "not known 50"),
    ] {
        let link = format!(
            "delete from app.wallet_links;
             insert into app.wallet_links (user_id, chain_id, wallet)
                select '{user}', 1, '0x' || lpad(n::text, 40, '0') from unnest('{wallets}'::int[]) n"
        );
        run(&mut app, &link).await;
        assert_eq!(text(&mut app, &told).await, expected, "{wallets}");
    }
    let bought = "update chain.asset_holders set balance = 1 where holder = pg_temp.a(4)";
    run(&mut platform.owner, bought).await;
    let link = format!(
        "insert into app.wallet_links (user_id, chain_id, wallet) values ('{user}', 1, '0x' || lpad('4', 40, '0'))"
    );
    run(&mut app, &link).await;
    assert_eq!(text(&mut app, &told).await, "false 51", "one that is refused is enough");
}
