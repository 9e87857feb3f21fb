//! What is said of contracts that are followed from a later block on, and of issuers that are not followed: on a register of one
//! asset, whose registry demands one topic.

use std::collections::BTreeMap;
use std::fs;

use sqlx::{AssertSqlSafe, Executor, PgConnection};

use crate::support::world::{database, pool};

/// Wallet 1 has a good claim, 2 none, 3 one that its issuer's keys did not sign, 4 one that is revoked, 5 one of issuer 71, whom
/// nobody is known to trust, 9 one of issuer 72, who is not trusted any more. 6 was never registered, 7 no longer is, and 8 has no
/// identity.
const REGISTER: &str = "
    create function pg_temp.a(n int) returns bytea language sql as $$ select decode(lpad(to_hex(n), 40, '0'), 'hex') $$;
    create function pg_temp.h(n int) returns bytea language sql as $$ select decode(lpad(to_hex(n), 64, '0'), 'hex') $$;
    insert into chain.checkpoints (chain_id, genesis_hash, block_number, block_hash, parent_hash, block_timestamp, finalized_number,
        finalized_hash, status, origin_number, origin_hash, verified_number, verified_hash)
    values (1, pg_temp.h(1), 200, pg_temp.h(200), pg_temp.h(199), '2026-03-10 12:00+00', 150, pg_temp.h(150), 'running', 0, pg_temp.h(1), 0, pg_temp.h(1));
    insert into chain.assets (chain_id, id, contract_address, asset_type, name, symbol, decimals, paused, total_supply, holder_count,
        negative_balance, exceeds_uint256, unreadable_logs, created_block, created_at, frozen, squares)
    values (1, '00000000-0000-0000-0000-0000000000a1', pg_temp.a(10), 'erc3643', 'T', 'T', 0, false, 80, 8, false, false, 0, 10, '2026-03-01', 0, 0);
    insert into chain.contract_links (chain_id, address, link, slot, from_block, from_log, target, from_at)
    select 1, pg_temp.a(address), link, pg_temp.a(0), 10, 0, pg_temp.a(target), '2026-03-01' from (values
        (10, 'identity_registry', 11), (11, 'storage', 12), (11, 'claim_topics', 13), (11, 'trusted_issuers', 14)) l (address, link, target);
    insert into chain.required_topics (chain_id, registry, topic, from_block, from_log, from_at) values (1, pg_temp.a(13), 1, 11, 0, '2026-03-01');
    insert into chain.verification_providers (chain_id, registry, issuer, from_block, from_log, topics, from_at) values
        (1, pg_temp.a(14), pg_temp.a(70), 11, 1, '{1}', '2026-03-01');
    insert into chain.verification_providers (chain_id, registry, issuer, from_block, from_log, topics, from_at, to_block, to_log, to_at) values
        (1, pg_temp.a(14), pg_temp.a(72), 11, 2, '{1}', '2026-03-01', 12, 0, '2026-03-01');
    insert into chain.identity_keys (chain_id, identity, key_hash, purpose, from_block, from_log, key_type, from_at)
    select 1, pg_temp.a(n), pg_temp.h(n), 3, 11, 0, 1, '2026-03-01' from generate_series(70, 72) n;
    insert into chain.identities (chain_id, id, onchain_id, first_block, first_at)
    select 1, ('00000000-0000-0000-0000-00000000050' || n)::uuid, pg_temp.a(500 + n), 15, '2026-03-01' from generate_series(1, 9) n;
    insert into chain.registrations (chain_id, storage, wallet, from_block, from_log, identity, identity_id, country, undetermined, from_at)
    select 1, pg_temp.a(12), pg_temp.a(n), 20, n, pg_temp.a(500 + n), ('00000000-0000-0000-0000-00000000050' || n)::uuid, 756, false, '2026-03-02' from unnest('{1,2,3,4,5,9}'::int[]) n;
    insert into chain.registrations (chain_id, storage, wallet, from_block, from_log, identity, identity_id, country, undetermined, from_at, to_block, to_log, to_at)
    values (1, pg_temp.a(12), pg_temp.a(7), 20, 7, pg_temp.a(507), '00000000-0000-0000-0000-000000000507', 756, false, '2026-03-02', 25, 0, '2026-03-02'),
     (1, pg_temp.a(12), pg_temp.a(8), 20, 8, pg_temp.a(0), '00000000-0000-0000-0000-000000000508', 756, false, '2026-03-02', null, null, null);
    insert into chain.identity_claims (chain_id, identity, claim_id, from_block, from_log, id, identity_id, claim_type, scheme, issuer,
        id_matches, signature, signature_hash, signer_key, claim_data, uri, transaction_hash, from_at)
    select 1, pg_temp.a(500 + n), pg_temp.h(n), 21, n, gen_random_uuid(), ('00000000-0000-0000-0000-00000000050' || n)::uuid, 1, 1,
        pg_temp.a(issuer), true, '', pg_temp.h(1000 + n), pg_temp.h(key), '', '', pg_temp.h(n), '2026-03-02'
    from (values (1, 70, 70), (3, 70, 666), (4, 70, 70), (5, 71, 71), (9, 72, 72)) c (n, issuer, key);
    insert into chain.claim_revocations (chain_id, issuer, signature_hash, revoked_block, revoked_log, revoked_at, transaction_hash)
    values (1, pg_temp.a(70), pg_temp.h(1004), 22, 0, '2026-03-02', pg_temp.h(1));
    insert into chain.asset_holders (chain_id, asset_id, holder, balance, frozen, wallet_frozen, first_block, updated_block, updated_at)
    select 1, '00000000-0000-0000-0000-0000000000a1', pg_temp.a(n), 10, 0, false, 30, 30, '2026-03-03' from generate_series(1, 9) n;
    insert into chain.ownership_history (chain_id, asset_id, holder, block_number, log_index, id, balance, frozen, wallet_frozen, block_hash, timestamp, transaction_hash)
    select 1, '00000000-0000-0000-0000-0000000000a1', pg_temp.a(n), 30, n, gen_random_uuid(), 10, 0, false, pg_temp.h(30), '2026-03-03', pg_temp.h(1) from generate_series(1, 9) n";

const ASSET: &str = "'00000000-0000-0000-0000-0000000000a1'";

/// The verdict on each wallet, everywhere it is told.
async fn told(connection: &mut PgConnection, context: &str) -> BTreeMap<i32, String> {
    let sql = format!(
        "select n, v.verdict || coalesce(': ' || v.reason, ''),
             (select c.verdict || coalesce(': ' || c.reason, '') from chain.compliance_one_by_one({ASSET}, 150) c where c.holder = w.a),
             (select c.verdict || coalesce(': ' || c.reason, '') from chain.compliance_at_once({ASSET}, 150) c where c.holder = w.a),
             case v.verdict when 'verified' then true when 'not_verified' then false end, v.valid_now,
             (select h.verified from api.asset_holders h where h.holder_bytes = w.a),
             (select h.verified from api.holders_at({ASSET}, 150) h where h.holder_bytes = w.a)
         from generate_series(1, 9) n cross join lateral (select pg_temp.a(n) as a) w
         cross join lateral chain.verdict(1, pg_temp.a(11), w.a) v"
    );
    type Line = (i32, String, String, String, Option<bool>, Option<bool>, Option<bool>, Option<bool>);
    let lines: Vec<Line> = sqlx::query_as(AssertSqlSafe(sql)).fetch_all(connection).await.expect("readable");
    lines
        .into_iter()
        .map(|(wallet, verdict, alone, at_once, verified, valid_now, holder, holder_at)| {
            let context = format!("{context}, wallet {wallet}");
            assert_eq!((&alone, &at_once), (&verdict, &verdict), "{context}: compliance");
            assert_eq!((valid_now, holder, holder_at), (verified, verified, verified), "{context}: holders");
            (wallet, verdict)
        })
        .collect()
}

const VERIFIED: &str = "verified";
const NO_CLAIM: &str = "not_verified: topic 1: no claim of a trusted issuer";
const UNSIGNED: &str = "not_verified: topic 1: claim not signed by a key of its issuer";
const REVOKED: &str = "not_verified: topic 1: claim revoked";
const UNREGISTERED: &str = "not_verified: not registered";
const STORAGE: &str = "undetermined: past of the storage not known";
const ISSUERS: &str = "undetermined: topic 1: past of the trusted issuers registry not known";
const TOPICS: &str = "undetermined: past of the claim topics registry not known";
const KEYS: &str = "undetermined: topic 1: issuer's keys not known";
const IDENTITY: &str = "undetermined: topic 1: past of the identity not known";
const NOBODY: &str = "not_verified: topic 9: no trusted issuer";

/// What stands before, and what is told of wallets 1 to 9.
type Case = (&'static str, &'static str, [&'static str; 9]);

const CASES: [Case; 9] = [
    (
        "all from the beginning",
        "select",
        [VERIFIED, NO_CLAIM, UNSIGNED, REVOKED, NO_CLAIM, UNREGISTERED, UNREGISTERED, UNREGISTERED, NO_CLAIM],
    ),
    (
        "storage",
        "select pg_temp.partial('identity_registry_storage', 12)",
        [VERIFIED, NO_CLAIM, UNSIGNED, REVOKED, NO_CLAIM, STORAGE, UNREGISTERED, UNREGISTERED, NO_CLAIM],
    ),
    (
        "trusted issuers",
        "select pg_temp.partial('trusted_issuers_registry', 14)",
        [VERIFIED, NO_CLAIM, UNSIGNED, REVOKED, ISSUERS, UNREGISTERED, UNREGISTERED, UNREGISTERED, NO_CLAIM],
    ),
    (
        "trusted issuers, of whom none is known",
        "select pg_temp.partial('trusted_issuers_registry', 14); delete from chain.verification_providers",
        [ISSUERS, NO_CLAIM, ISSUERS, REVOKED, ISSUERS, UNREGISTERED, UNREGISTERED, UNREGISTERED, ISSUERS],
    ),
    (
        "topics",
        "select pg_temp.partial('claim_topics_registry', 13)",
        [TOPICS, NO_CLAIM, UNSIGNED, REVOKED, NO_CLAIM, UNREGISTERED, UNREGISTERED, UNREGISTERED, NO_CLAIM],
    ),
    (
        "topics, of which none is known",
        "select pg_temp.partial('claim_topics_registry', 13); delete from chain.required_topics",
        [TOPICS, TOPICS, TOPICS, TOPICS, TOPICS, UNREGISTERED, UNREGISTERED, UNREGISTERED, TOPICS],
    ),
    (
        "topics, one of them nobody's",
        "select pg_temp.partial('claim_topics_registry', 13);
         update chain.required_topics set topic = 9",
        [NOBODY, NOBODY, NOBODY, NOBODY, NOBODY, UNREGISTERED, UNREGISTERED, UNREGISTERED, NOBODY],
    ),
    (
        "issuer",
        "select pg_temp.partial('identity', 70)",
        [KEYS, NO_CLAIM, KEYS, REVOKED, NO_CLAIM, UNREGISTERED, UNREGISTERED, UNREGISTERED, NO_CLAIM],
    ),
    (
        "identities: of one whose claim of the only trusted issuer is known, all is known",
        "select pg_temp.partial('identity', 500 + n) from generate_series(1, 9) n",
        [VERIFIED, IDENTITY, UNSIGNED, REVOKED, IDENTITY, UNREGISTERED, UNREGISTERED, UNREGISTERED, IDENTITY],
    ),
];

const PARTIAL: &str = "create function pg_temp.partial(role text, n int) returns void language sql as $$
    insert into chain.configured_contracts (chain_id, address, role, opening_hash, opening_block)
    values (1, pg_temp.a(n), role, pg_temp.h(19), 19) $$";

#[tokio::test]
async fn what_was_before_a_contract_is_followed_is_not_taken_for_nothing() {
    let pool = pool(&database().await).await;
    let mut connection = pool.acquire().await.expect("a connection");
    for sql in [REGISTER, PARTIAL] {
        connection.execute(sql).await.expect("the superuser may");
    }
    for (case, change, expected) in CASES {
        connection.execute("begin").await.expect("a transaction");
        connection.execute(change).await.unwrap_or_else(|error| panic!("{case}: {error}"));
        let expected: BTreeMap<i32, String> = (1..).zip(expected.map(str::to_owned)).collect();
        assert_eq!(told(&mut connection, case).await, expected, "{case}");
        connection.execute("rollback").await.expect("as it was");
    }
    // Another trusted issuer's claim may be on an identity from before, and a claim from before be of an issuer trusted before.
    let both = "begin;
        insert into chain.verification_providers (chain_id, registry, issuer, from_block, from_log, topics, from_at)
        values (1, pg_temp.a(14), pg_temp.a(71), 13, 1, '{1}', '2026-03-01');
        select pg_temp.partial('identity', 500 + n) from generate_series(1, 9) n";
    connection.execute(both).await.expect("the superuser may");
    let verdicts = told(&mut connection, "two issuers").await;
    assert_eq!(
        [1, 3, 4, 5].map(|wallet| verdicts[&wallet].as_str()),
        [VERIFIED, IDENTITY, IDENTITY, VERIFIED]
    );
    connection.execute("rollback").await.expect("as it was");
    // An identity that was there before a storage is followed may be registered with it.
    let statuses = async |connection: &mut PgConnection| -> Vec<String> {
        let sql = "select (select i.verification_status from api.identities i where i.onchain_id_bytes = pg_temp.a(500 + n))
            from unnest('{1,2,6}'::int[]) n";
        sqlx::query_scalar(sql).fetch_all(connection).await.expect("readable")
    };
    assert_eq!(statuses(&mut connection).await, ["verified", "not_verified", "unregistered"]);
    connection.execute("select pg_temp.partial('identity_registry_storage', 12)").await.expect("told");
    assert_eq!(statuses(&mut connection).await, ["verified", "not_verified", "undetermined"]);
    connection.execute("update chain.identities set first_block = 20").await.expect("told");
    assert_eq!(
        statuses(&mut connection).await,
        ["verified", "not_verified", "unregistered"],
        "it came later"
    );
}

/// Status, whether its issuer's key signed it, and whether it was revoked by a block, of the claims on identities 1, 3, 4, 5, 9.
async fn claims(connection: &mut PgConnection) -> Vec<String> {
    let sql = "select concat_ws(' ', c.status, coalesce(c.signed_by_issuer::text, '-'), coalesce(t.revoked::text, '-'))
        from api.identity_claims c left join lateral api.claims_at(c.identity_id, 150) t on t.id = c.id order by c.identity";
    sqlx::query_scalar(sql).fetch_all(connection).await.expect("readable")
}

/// A rating agency's claim is on the token's own identity, and no registry trusts the agency.
#[tokio::test]
async fn a_claim_of_an_issuer_that_nobody_listens_to_is_not_said_to_be_valid() {
    let pool = pool(&database().await).await;
    let mut connection = pool.acquire().await.expect("a connection");
    for sql in [REGISTER, PARTIAL] {
        connection.execute(sql).await.expect("the superuser may");
    }
    let of_others = ["undetermined true -", "undetermined true -"];
    for (change, told) in [
        ("select", ["undetermined true -", "undetermined false -", "revoked true true"]),
        (
            "insert into chain.contracts (chain_id, address, role) values (1, pg_temp.a(70), 'identity')",
            ["valid true false", "valid false false", "revoked true true"],
        ),
        (
            "insert into ops.coverage (chain_id, address, from_block, through_block) values (1, pg_temp.a(70), 0, 100)",
            ["undetermined true -", "undetermined false -", "revoked true true"],
        ),
        (
            "update ops.coverage set through_block = null; select pg_temp.partial('identity', 70)",
            ["undetermined true -", "undetermined - -", "revoked true true"],
        ),
    ] {
        connection.execute(change).await.expect("the superuser may");
        assert_eq!(claims(&mut connection).await, [told.as_slice(), &of_others].concat(), "after {change}");
    }
    // What is certain by itself, and what an identity claims of itself.
    let certain = "update chain.identity_claims set expires_at = '2026-03-05' where identity = pg_temp.a(501);
        update chain.identity_claims set to_block = 160, to_log = 0, to_at = now(), ended_by = 'removed' where identity = pg_temp.a(503);
        update chain.identity_claims set issuer = identity where identity = pg_temp.a(505)";
    connection.execute(certain).await.expect("the superuser may");
    assert_eq!(
        claims(&mut connection).await,
        ["expired true -", "removed - -", "revoked true true", "valid - false", "undetermined true -"]
    );
}

/// A compliance (40) that serves the asset, with one module (41), and what that was given.
const MODULAR: &str = "
    create function pg_temp.given(parameter text, argument text, value numeric) returns void language sql as $$
        insert into chain.module_parameters (chain_id, module, scope, parameter, argument, from_block, from_log, value, from_at)
        values (1, pg_temp.a(41), pg_temp.a(40), parameter, argument, 20, 1, value, '2026-03-01') $$;
    create function pg_temp.modular(name text) returns void language sql as $$
        insert into chain.contract_links (chain_id, address, link, slot, from_block, from_log, target, from_at)
        select 1, pg_temp.a(address), link, pg_temp.a(slot), 20, 0, pg_temp.a(target), '2026-03-01' from (values
            (10, 'compliance', 0, 40), (40, 'token', 0, 10), (40, 'module', 41, 41)) l (address, link, slot, target);
        insert into chain.compliance_modules (chain_id, module, name, first_block, first_at) values (1, pg_temp.a(41), name, 20, '2026-03-01');
        select pg_temp.given('bound', '', null) $$";

/// Whether 5 base units may go to wallet 1, from wallet 2, or from nobody: each step on what the ones before it left, in one
/// transaction a case.
const TRANSFERS: [&[(&str, i32, &str)]; 4] = [
    &[
        (
            "select pg_temp.modular('CountryAllowModule')",
            2,
            "no: CountryAllowModule 41 does not allow the recipient's country 756",
        ),
        ("select pg_temp.given('allowed_country', '756', null)", 2, "yes: "),
        ("select pg_temp.partial('compliance', 40)", 2, "undetermined: past of the compliance not known"),
        (
            "update chain.contract_links set to_block = 30, to_log = 0, to_at = now() where link = 'token'",
            2,
            "no: the compliance serves no token any more; \
             CountryAllowModule 41 asks a token, and the compliance did not log that it serves this one; \
             past of the compliance not known",
        ),
    ],
    &[
        (
            "select pg_temp.modular('CountryAllowModule'), pg_temp.partial('compliance_module', 41)",
            2,
            "undetermined: past of CountryAllowModule 41 not known",
        ),
        ("select pg_temp.given('allowed_country', '756', null)", 2, "yes: "),
    ],
    &[
        ("select pg_temp.modular('CountryRestrictModule')", 2, "yes: "),
        (
            "select pg_temp.partial('compliance_module', 41)",
            2,
            "undetermined: past of CountryRestrictModule 41 not known",
        ),
        (
            "select pg_temp.given('restricted_country', '756', null)",
            2,
            "no: CountryRestrictModule 41 restricts the recipient's country 756",
        ),
    ],
    &[
        (
            "select pg_temp.modular('SupplyLimitModule'), pg_temp.partial('compliance_module', 41)",
            0,
            "undetermined: past of SupplyLimitModule 41 not known",
        ),
        ("select pg_temp.given('supply_limit', '', 85)", 0, "yes: "),
        (
            "update chain.module_parameters set value = 84 where parameter = 'supply_limit'",
            0,
            "no: SupplyLimitModule 41 lets the supply be 84 base units, and it is 80",
        ),
    ],
];

/// A refusal that rests on what was given since stays one.
#[tokio::test]
async fn what_a_compliance_or_a_module_was_given_before_it_is_followed_may_refuse_a_transfer() {
    let pool = pool(&database().await).await;
    let mut connection = pool.acquire().await.expect("a connection");
    for sql in [REGISTER, PARTIAL, MODULAR] {
        connection.execute(sql).await.expect("the superuser may");
    }
    for steps in TRANSFERS {
        connection.execute("begin").await.expect("a transaction");
        for &(change, sender, expected) in steps {
            connection.execute(change).await.unwrap_or_else(|error| panic!("{change}: {error}"));
            let sql = format!(
                "select e.eligible || ': ' || replace(array_to_string(e.reasons, '; '), api.hex(pg_temp.a(41)), '41')
                 from api.check_eligibility({ASSET}, api.hex(pg_temp.a({sender})), api.hex(pg_temp.a(1)), 5) e"
            );
            let told: String =
                sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *connection).await.expect("readable");
            assert_eq!(told, expected, "after {change}");
        }
        connection.execute("rollback").await.expect("as it was");
    }
}

/// What an identity moved to a wallet that nothing is known of may still be its own.
#[tokio::test]
async fn a_limit_is_not_kept_by_moving_to_a_wallet_that_may_be_the_same_identitys() {
    let pool = pool(&database().await).await;
    let mut connection = pool.acquire().await.expect("a connection");
    let dealt = "insert into app.tenants (id, name) values ('00000000-0000-0000-0000-0000000000f1', 'T');
        insert into app.tenant_assets (tenant_id, asset_id)
        values ('00000000-0000-0000-0000-0000000000f1', '00000000-0000-0000-0000-0000000000a1');
        select pg_temp.modular('MaxBalanceModule'), pg_temp.given('max_balance', '', 5)";
    for sql in [REGISTER, PARTIAL, MODULAR, dealt] {
        connection.execute(sql).await.expect("the superuser may");
    }
    let moved = "update chain.asset_holders set balance = case holder when pg_temp.a(1) then 2 else 18 end
            where holder in (pg_temp.a(1), pg_temp.a(6));
        update chain.ownership_history set balance = case holder when pg_temp.a(1) then 2 else 18 end
            where holder in (pg_temp.a(1), pg_temp.a(6))";
    let restricted = "update chain.compliance_modules set name = 'CountryRestrictModule';
        select pg_temp.given('restricted_country', '1', null)";
    let whole = "delete from chain.configured_contracts";
    let storage = "select pg_temp.partial('identity_registry_storage', 12)";
    let limit =
        "violation_type = 'balance_above_maximum' and details ->> 'identity' = api.hex(pg_temp.a(501))";
    let country = "violation_type = 'country_restricted' and wallet = api.hex(pg_temp.a(6))";
    for (change, violation, expected) in [
        (whole, limit, "breached"),
        (storage, limit, "breached"),
        (moved, limit, "undetermined"),
        (whole, limit, "kept"),
        (restricted, country, "kept"),
        (storage, country, "undetermined"),
    ] {
        connection.execute(change).await.unwrap_or_else(|error| panic!("{change}: {error}"));
        let sql = format!("select standing from app.breaches(1) where {violation}");
        let told: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut *connection).await.expect("readable");
        assert_eq!(told, [expected], "after {change}");
    }
}

/// A registry's storage is another one since block 100, of which less is known.
#[tokio::test]
async fn who_may_be_registered_with_another_storage_did_not_lose_being_verified() {
    let pool = pool(&database().await).await;
    let mut connection = pool.acquire().await.expect("a connection");
    let another = "update chain.contract_links set to_block = 100, to_log = 0, to_at = now() where link = 'storage';
        insert into chain.contract_links (chain_id, address, link, slot, from_block, from_log, target, from_at)
        values (1, pg_temp.a(11), 'storage', pg_temp.a(0), 100, 0, pg_temp.a(15), now())";
    for sql in [REGISTER, PARTIAL, another] {
        connection.execute(sql).await.expect("the superuser may");
    }
    let lost = fs::read_to_string("tests/queries/lost_verification.sql").expect("it is documented");
    for (change, expected) in
        [("select", UNREGISTERED), ("select pg_temp.partial('identity_registry_storage', 15)", STORAGE)]
    {
        connection.execute(change).await.expect("the superuser may");
        let told: Vec<(String, Option<String>, String, String)> = sqlx::query_as(AssertSqlSafe(lost.clone()))
            .bind(1_i64)
            .bind("0x000000000000000000000000000000000000000b")
            .bind(90_i64)
            .bind(150_i64)
            .fetch_all(&mut *connection)
            .await
            .expect("readable");
        let told: Vec<String> =
            told.into_iter().map(|(_, _, verdict, reason)| format!("{verdict}: {reason}")).collect();
        assert_eq!(told, [expected], "after {change}");
    }
}

/// A token names its registry when it is made, which may have been before it is followed.
#[tokio::test]
async fn a_token_that_is_followed_later_is_not_said_to_have_no_registry() {
    let pool = pool(&database().await).await;
    let mut connection = pool.acquire().await.expect("a connection");
    for sql in [REGISTER, "delete from chain.contract_links where link = 'identity_registry'"] {
        connection.execute(sql).await.expect("the superuser may");
    }
    for (change, expected) in [
        ("select", "no registry: the asset has no identity registry"),
        (
            "update chain.assets set complete_from = 5",
            "undetermined: identity registry of the asset not known",
        ),
        ("update chain.assets set asset_type = 'erc20'", "no registry: the asset has no identity registry"),
    ] {
        connection.execute(change).await.expect("the superuser may");
        for function in ["compliance_one_by_one", "compliance_at_once"] {
            let sql =
                format!("select distinct verdict || ': ' || reason from chain.{function}({ASSET}, 150)");
            let told: Vec<String> =
                sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut *connection).await.expect("readable");
            assert_eq!(told, [expected], "{function} after {change}");
        }
    }
}
