//! The compliance of all holders read at once, against one holder after the other.

use asset_indexer::report::{Kind, Period, Readers, compliance, regulatory};
use sqlx::{AssertSqlSafe, Executor};

use super::Indexed;

/// How many rows one question gives that another does not.
async fn surplus(indexed: &Indexed, one: &str, other: &str) -> i64 {
    let sql = format!("select count(*) from (({one}) except all ({other})) more");
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&indexed.pool).await.expect("both can be asked")
}

/// The story registers few: whoever else holds is registered, with claims of every fate, some of them only for a time.
const REGISTERED: &str = "
    insert into chain.registrations (chain_id, storage, wallet, from_block, from_log, identity, identity_id, country,
        undetermined, from_at, to_block, to_log, to_at)
    select distinct on (s.target, h.holder) a.chain_id, s.target, h.holder, 5 + get_byte(h.holder, 19) % 9, 1000, i.onchain_id, i.id,
        case when get_byte(h.holder, 19) % 5 = 0 then 8401 else 756 end, get_byte(h.holder, 19) % 7 = 0, now(), 55, 0, now()
    from chain.assets a
    join chain.contract_links l on l.chain_id = a.chain_id and l.address = a.contract_address and l.link = 'identity_registry'
    join chain.contract_links s on s.chain_id = a.chain_id and s.address = l.target and s.link = 'storage'
    join chain.asset_holders h on h.chain_id = a.chain_id and h.asset_id = a.id
    join lateral (select i.onchain_id, i.id from chain.identities i
        order by sha256(i.onchain_id || h.holder) limit 1) i on true
    where not exists (select from chain.registrations r where r.chain_id = a.chain_id and r.storage = s.target
        and r.wallet = h.holder)";

/// Every registry trusts one more issuer, for all topics, whose key is known.
const TRUSTED: &str = "
    insert into chain.verification_providers (chain_id, registry, issuer, from_block, from_log, topics, from_at)
    select distinct l.chain_id, l.target, substr(sha256('issuer'), 1, 20), 8, 3000,
        (select array_agg(distinct q.topic) from chain.required_topics q), now()
    from chain.contract_links l where l.link = 'trusted_issuers';
    insert into chain.identity_keys (chain_id, identity, key_hash, purpose, from_block, from_log, key_type, from_at)
    select chain_id, substr(sha256('issuer'), 1, 20), sha256('key'), 3, 0, 0, 1, now() from chain.checkpoints";

const CLAIMED: &str = "
    insert into chain.identity_claims (chain_id, identity, claim_id, from_block, from_log, id, identity_id, claim_type, scheme,
        issuer, id_matches, signature, signature_hash, signer_key, claim_data, uri, transaction_hash, from_at, to_block, to_log, to_at)
    select i.chain_id, i.onchain_id, sha256(p.issuer || numeric_send(t.topic) || i.onchain_id), 12 + f.fate, 2000, gen_random_uuid(),
        i.id, t.topic, 1, p.issuer, f.fate <> 3, '', sha256(p.issuer || numeric_send(t.topic) || i.onchain_id),
        case when f.fate <> 4 then k.key_hash end, '', '', sha256('t'), now(), case when f.fate = 5 then 40 end,
        case when f.fate = 5 then 0 end, case when f.fate = 5 then now() end
    from chain.identities i
    cross join (select distinct issuer from chain.verification_providers) p
    cross join (select distinct topic from chain.required_topics union select distinct unnest(topics) from chain.verification_providers) t (topic)
    cross join lateral (select get_byte(sha256(i.onchain_id || p.issuer || numeric_send(t.topic)), 0) % 9 as fate) f
    left join lateral (select k.key_hash from chain.identity_keys k where k.chain_id = i.chain_id and k.identity = p.issuer
        and k.purpose in (1, 3) order by k.key_hash limit 1) k on true
    where f.fate <> 6";

const REVOKED: &str = "
    insert into chain.claim_revocations (chain_id, issuer, signature_hash, revoked_block, revoked_log, revoked_at, transaction_hash)
    select distinct on (c.issuer, c.signature_hash) c.chain_id, c.issuer, c.signature_hash, 35, 0, now(), sha256('t')
    from chain.identity_claims c
    where get_byte(c.signature_hash, 0) % 5 = 0 and c.from_log = 2000
    on conflict do nothing";

#[tokio::test]
async fn the_compliance_of_all_holders_at_once_is_that_of_each_alone() {
    let mut verdicts = std::collections::BTreeMap::<String, i64>::new();
    for seed in [4, 11, 17] {
        let indexed = Indexed::new(seed).await;
        for sql in [TRUSTED, REGISTERED, CLAIMED, REVOKED] {
            indexed.pool.execute(sql).await.expect("the superuser may");
        }
        // An identity and an issuer that are catching up.
        indexed
            .pool
            .execute(
                "update ops.coverage set through_block = 30 where address in (
                     (select identity from chain.registrations order by identity limit 1),
                     (select issuer from chain.verification_providers order by issuer desc limit 1))",
            )
            .await
            .expect("the superuser may");
        let through = indexed.checkpoint().await;
        for (asset, token) in indexed.assets().await {
            for block in (0..=through).step_by(3) {
                let ask = |function: &str| format!("select * from chain.{function}('{asset}', {block})");
                let (each, all) = (ask("compliance_one_by_one"), ask("compliance_at_once"));
                let context = format!("seed {seed}, {token} at {block}");
                assert_eq!(surplus(&indexed, &each, &all).await, 0, "{context}: each alone says more");
                assert_eq!(surplus(&indexed, &all, &each).await, 0, "{context}: all at once say more");
                let told: Vec<(String, i64)> = sqlx::query_as(AssertSqlSafe(format!(
                    "select verdict || coalesce(': ' || regexp_replace(reason, '[0-9]+', 'N'), ''), count(*) from ({each}) x group by 1"
                )))
                .fetch_all(&indexed.pool)
                .await
                .expect("readable");
                for (verdict, count) in told {
                    *verdicts.entry(verdict).or_default() += count;
                }
            }
        }
    }
    // The comparison is worth what it met.
    for met in [
        "verified",
        "not_verified: not registered",
        "not_verified: topic N: claim revoked",
        "not_verified: topic N: no claim of a trusted issuer",
        "undetermined: undetermined identity",
    ] {
        assert!(verdicts.contains_key(met), "{met} was never met: {verdicts:#?}");
    }
}

/// Of half of all contracts that decide, what was before block 10 is not known.
const PARTIAL: &str = "
    insert into chain.configured_contracts (chain_id, address, role, opening_hash, opening_block)
    select distinct k.chain_id, c.address, c.role, sha256('opening'), 10
    from chain.checkpoints k
    cross join lateral (
        select target::bytea, case link when 'storage' then 'identity_registry_storage' when 'claim_topics' then 'claim_topics_registry'
            else 'trusted_issuers_registry' end
        from chain.contract_links where link in ('storage', 'claim_topics', 'trusted_issuers')
        union select issuer::bytea, 'identity' from chain.verification_providers
        union select identity::bytea, 'identity' from chain.registrations) c (address, role)
    where get_byte(sha256(c.address || 'a'), 0) % 2 = 0
    on conflict (chain_id, address) do update set opening_hash = excluded.opening_hash, opening_block = excluded.opening_block";

#[tokio::test]
async fn all_at_once_and_each_alone_know_equally_little_of_before() {
    let mut met = std::collections::BTreeSet::<String>::new();
    for seed in [4, 11, 17] {
        let indexed = Indexed::new(seed).await;
        for sql in [TRUSTED, REGISTERED, CLAIMED, REVOKED, PARTIAL] {
            indexed.pool.execute(sql).await.expect("the superuser may");
        }
        let through = indexed.checkpoint().await;
        for (asset, token) in indexed.assets().await {
            for block in (0..=through).step_by(3) {
                let ask = |function: &str| format!("select * from chain.{function}('{asset}', {block})");
                let (each, all) = (ask("compliance_one_by_one"), ask("compliance_at_once"));
                let context = format!("seed {seed}, {token} at {block}");
                assert_eq!(surplus(&indexed, &each, &all).await, 0, "{context}: each alone says more");
                assert_eq!(surplus(&indexed, &all, &each).await, 0, "{context}: all at once say more");
                let told: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!(
                    "select distinct verdict || coalesce(': ' || regexp_replace(reason, '[0-9]+', 'N'), '') from ({each}) x"
                )))
                .fetch_all(&indexed.pool)
                .await
                .expect("readable");
                met.extend(told);
                let mut connection = indexed.pool.acquire().await.expect("a connection");
                let own =
                    compliance::body(&mut Readers::alone(&mut connection), asset, block, None, "0").await;
                if let Some((own, _)) = own.expect("the program's own") {
                    let asked = Kind::Compliance.body(&mut connection, asset, block).await.expect("by SQL");
                    let judged = |body: &str| -> Vec<String> {
                        let columns = |line: &str| line.split(',').take(4).collect::<Vec<_>>().join(",");
                        body.lines().map(columns).collect()
                    };
                    assert_eq!(judged(&own), judged(&asked), "{context}");
                }
            }
        }
    }
    assert!(met.iter().any(|told| told.contains("past of")), "{met:#?}");
}

/// The summary in one pass against what its sections are by themselves.
#[tokio::test]
async fn the_regulatory_summary_is_what_its_sections_say_by_themselves() {
    let indexed = Indexed::new(4).await;
    for sql in [TRUSTED, REGISTERED, CLAIMED, REVOKED] {
        indexed.pool.execute(sql).await.expect("the superuser may");
    }
    let through = indexed.checkpoint().await;
    let mut lines = 0;
    for (asset, token) in indexed.assets().await {
        for block in (0..=through).step_by(5) {
            let whole = format!(
                "select section, item, holders, amount_base from api.regulatory_summary('{asset}', {block})
                 where section in ('register', 'verdict', 'country', 'frozen', 'largest')"
            );
            let held = format!("api.holder_compliance('{asset}', {block})");
            let parts = format!(
                "select 'register' as section, 'supply' as item, null::bigint as holders, chain.supply_at('{asset}', {block})
                 union all select 'register', 'wallets', count(*), coalesce(sum(balance_base), 0) from {held}
                 union all select 'register', 'investors', count(*), coalesce(sum(balance_base), 0) from api.cap_table_by_investor('{asset}', {block}, null)
                 union all select 'frozen', 'wallets', count(*), coalesce(sum(balance_base), 0) from {held} where wallet_frozen
                 union all select 'frozen', 'parts', count(*), coalesce(sum(frozen_base), 0) from {held} where frozen_base <> 0
                 union all select 'verdict', verdict, count(*), sum(balance_base) from {held} group by verdict
                 union all select 'country', coalesce(to_char(country, 'FM99000'), 'not known'), count(*), sum(balance_base) from {held} group by country
                 union all select 'largest', measure, holders, balance_base
                     from api.concentration('{asset}', {block}, true, '{{1,10}}') where measure like 'top %'"
            );
            let context = format!("{token} at {block}");
            assert_eq!(surplus(&indexed, &whole, &parts).await, 0, "{context}: the summary says more");
            assert_eq!(surplus(&indexed, &parts, &whole).await, 0, "{context}: its sections say more");
            lines += 1;
        }
    }
    assert!(lines > 20, "{lines}");
}

/// The program's own bodies for many holders against those that the database alone writes.
#[tokio::test]
async fn what_the_program_judges_and_sums_is_what_the_database_says() {
    let mut compared = 0;
    for seed in [4, 11] {
        let indexed = Indexed::new(seed).await;
        for sql in [TRUSTED, REGISTERED, CLAIMED, REVOKED] {
            indexed.pool.execute(sql).await.expect("the superuser may");
        }
        indexed.take_snapshots(8).await;
        let through = indexed.checkpoint().await;
        let mut connection = indexed.pool.acquire().await.expect("a connection");
        for (asset, token) in indexed.assets().await {
            let decimals: Option<i64> = sqlx::query_scalar("select decimals from chain.assets where id = $1")
                .bind(asset)
                .fetch_one(&indexed.pool)
                .await
                .expect("readable");
            let places = decimals.map(|decimals| u32::try_from(decimals).expect("small"));
            for block in (1..=through).step_by(4) {
                let context = format!("seed {seed}, {token} at {block}");
                let supply: String = sqlx::query_scalar("select chain.supply_at($1, $2)::text")
                    .bind(asset)
                    .bind(block)
                    .fetch_one(&indexed.pool)
                    .await
                    .expect("readable");
                let (own, totals) =
                    compliance::body(&mut Readers::alone(&mut connection), asset, block, places, &supply)
                        .await
                        .expect("the program's own")
                        .expect("few topics");
                let asked = Kind::Compliance.body(&mut connection, asset, block).await.expect("by SQL");
                assert_eq!(own, asked, "{context}");
                assert_eq!(totals.holders as usize, own.lines().count() - 1, "{context}");
                for period in [None, Some("2026".parse::<Period>().expect("a year"))] {
                    let zone = "Europe/Zurich".to_owned();
                    let within = (period.as_ref(), zone.as_str());
                    let own = regulatory::body(
                        &mut Readers::alone(&mut connection),
                        asset,
                        block,
                        (places, &supply),
                        within,
                    )
                    .await
                    .expect("the program's own")
                    .expect("few topics");
                    let kind = Kind::Regulatory { period: period.clone(), zone: zone.clone() };
                    let asked = kind.body(&mut connection, asset, block).await.expect("by SQL");
                    assert_eq!(own, asked, "{context}");
                }
                compared += 1;
            }
        }
    }
    assert!(compared > 40, "{compared}");
}
