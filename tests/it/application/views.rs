//! What the application knows, joined with what the chain says, under the seed's names.

use std::sync::Arc;

use simulation::chain::SimChain;
use simulation::play::Play;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Platform, count, run};
use crate::support::world::{config, converge, postgres_store, worker};

/// A platform whose database follows a played chain; the holder of most assets is the first tenant's user.
struct Followed {
    platform: Platform,
    asset: Uuid,
    wallet: String,
}

async fn followed(seed: u64) -> Followed {
    let mut platform = Platform::new().await;
    let chain: Arc<SimChain> = Arc::new(Play::chain(6));
    for block in Play::new(seed).blocks(60) {
        chain.mine(block);
    }
    let store = Arc::new(postgres_store(&platform.database).await);
    converge(&mut worker(chain, store, config(&Play::contracts()))).await;
    let (asset, wallet): (Uuid, String) = sqlx::query_as(
        "select h.asset_id, h.holder_address from api.asset_holders h join api.assets a on a.id = h.asset_id
         where h.balance_base > 1 and a.asset_type = 'erc3643' order by h.updated_block desc, h.balance_base desc limit 1",
    )
    .fetch_one(&mut platform.owner)
    .await
    .unwrap_or_else(|error| panic!("seed {seed}: somebody holds a T-REX token: {error}"));
    let (tenant, user) = (platform.tenants[0], platform.users[0]);
    run(
        &mut platform.owner,
        &format!(
            "set app.tenant = '{tenant}';
             insert into app.wallet_links (user_id, chain_id, wallet)
                select '{user}', chain_id, '{wallet}' from api.assets where id = '{asset}'"
        ),
    )
    .await;
    Followed { platform, asset, wallet }
}

#[tokio::test]
async fn movements_modules_rules_and_figures_follow_from_the_chain() {
    for seed in [71, 72] {
        let Followed { mut platform, asset, .. } = followed(seed).await;
        let owner = &mut platform.owner;
        let equal = [
            (
                "movements and supply",
                format!(
                    "select count(*) from api.assets a where a.id = '{asset}' and a.total_supply_base = (
                        select coalesce(sum(case l.transaction_type when 'mint' then amount_base when 'burn' then -amount_base end), 0)
                        from api.transaction_logs l where l.asset_id = a.id and l.transaction_type in ('mint', 'burn')
                            and l.from_address <> l.to_address)"
                ),
            ),
            (
                "holders",
                format!(
                    "select count(*) from api.asset_metrics m where m.asset_id = '{asset}' and m.metric_type = 'holders'
                        and m.value = (select count(*) from api.asset_holders h where h.asset_id = m.asset_id and h.balance_base <> 0)"
                ),
            ),
            (
                "transactions a day",
                format!(
                    "select (sum((data ->> 'transactions')::bigint) = (select count(*) from api.asset_transactions t
                        where t.asset_id = '{asset}'))::int::bigint from api.asset_analytics where asset_id = '{asset}'"
                ),
            ),
            (
                "operations a day",
                format!(
                    "select (sum(o.value::bigint) = (select count(*) from api.asset_transactions t
                        where t.asset_id = '{asset}'))::int::bigint
                     from api.asset_analytics a, jsonb_each_text(a.data -> 'by_operation') o where asset_id = '{asset}'"
                ),
            ),
        ];
        for (what, sql) in equal {
            assert_eq!(count(owner, &sql).await, 1, "seed {seed}: {what}");
        }
        let rules = count(owner, "select count(*) from api.compliance_rules where source = 'chain'").await;
        let links = "select (select count(distinct (address, target)) from chain.contract_links where link = 'module')
            + (select count(distinct (registry, topic)) from chain.required_topics)";
        assert_eq!(rules, count(owner, links).await, "seed {seed}");
        assert!(rules > 0, "seed {seed}: the play has rules");
        for kind in ["required_topic", "compliance_module"] {
            let applied = format!(
                "select count(*) from api.asset_compliance c join api.compliance_rules r on r.id = c.rule_id
                 where r.rule_type = '{kind}'"
            );
            assert!(count(owner, &applied).await > 0, "seed {seed}: some asset is under a {kind}");
        }
        let unknown = "select count(*) from api.asset_compliance c where not exists (
            select from api.compliance_rules r where r.id = c.rule_id and r.active)";
        assert_eq!(count(owner, unknown).await, 0, "seed {seed}: an asset is under rules that there are");
        let configured = format!(
            "select (jsonb_array_length(compliance_rules) = (select count(*) from api.asset_compliance c
                where c.asset_id = '{asset}'))::int::bigint from api.asset_configuration where asset_id = '{asset}'"
        );
        assert_eq!(count(owner, &configured).await, 1, "seed {seed}");
    }
}

/// Widened by the application, a view of the chain keeps every column that it has without.
#[tokio::test]
async fn a_widened_view_keeps_the_columns_of_the_chains() {
    let mut platform = Platform::new().await;
    let lost: Vec<String> = sqlx::query_scalar(
        "select format('%s.%s', c.relname, a.attname) from pg_class c
         join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
         where c.relnamespace = 'api'::regnamespace and c.relname like 'chain\\_%' and not exists (
            select from pg_attribute o where o.attname = a.attname and o.atttypid = a.atttypid
                and o.attrelid = to_regclass('api.' || substr(c.relname, 7)))",
    )
    .fetch_all(&mut platform.owner)
    .await
    .expect("the catalogue can be read");
    assert!(lost.is_empty(), "{lost:?}");
}

#[tokio::test]
async fn a_linked_wallet_shows_its_user_to_its_tenant_alone() {
    let Followed { platform, asset, wallet } = followed(73).await;
    let (user, role) = (platform.users[0], "asset_indexer_app");
    let mut ours = platform.works(role, 0).await;
    let mut theirs = platform.works(role, 1).await;
    let moved = format!(
        "select count(*) from api.transaction_logs where asset_id = '{asset}' and '{user}' in (from_user_id, to_user_id)"
    );
    let of_wallet = format!(
        "select count(*) from api.transaction_logs where asset_id = '{asset}' and '{wallet}' in (from_address, to_address)"
    );
    let movements = count(&mut ours, &of_wallet).await;
    assert!(movements > 0);
    assert_eq!(count(&mut ours, &moved).await, movements);
    assert_eq!(count(&mut theirs, &moved).await, 0);
    assert_eq!(count(&mut theirs, &of_wallet).await, movements, "the chain is everybody's");
    let identity =
        format!("select count(*) from api.identities where user_id = '{user}' and '{wallet}' = any(wallets)");
    let registered = format!("select count(*) from api.identities where '{wallet}' = any(wallets)");
    assert_eq!(count(&mut ours, &identity).await, count(&mut ours, &registered).await);
    assert_eq!(count(&mut theirs, &identity).await, 0);
    run(&mut ours, "update app.wallet_links set unlinked_at = now()").await;
    assert_eq!(count(&mut ours, &moved).await, movements, "whose it was then");
    assert_eq!(count(&mut ours, &identity).await, 0, "unlinked");
}

/// What a wallet moved stays whose it was; before anybody had linked it, it is whose it was first.
#[tokio::test]
async fn a_wallet_linked_anew_shows_each_movement_with_who_had_it_then() {
    let mut seen = (0, 0);
    for seed in [71, 72, 73, 75] {
        let Followed { mut platform, asset, wallet } = followed(seed).await;
        let (tenant, first) = (platform.tenants[0], platform.users[0]);
        let relinked = format!(
            "insert into app.users (tenant_id, email, username) values ('{tenant}', 'next@example.org', 'next');
             create table times as select max(l.timestamp) as newest from api.chain_transaction_logs l
                where l.asset_id = '{asset}' and '{wallet}' in (l.from_address, l.to_address);
             grant select on times to asset_indexer_app;
             update app.wallet_links set linked_at = newest - interval '1 second', unlinked_at = newest from times;
             insert into app.wallet_links (tenant_id, user_id, chain_id, wallet)
             select '{tenant}', u.id, l.chain_id, l.wallet from app.wallet_links l cross join app.users u where u.username = 'next'"
        );
        run(&mut platform.owner, &relinked).await;
        let mut ours = platform.works("asset_indexer_app", 0).await;
        let of = |user: &str, when: &str| {
            format!(
                "select count(*) from api.transaction_logs l cross join times t
                 where l.asset_id = '{asset}' and l.timestamp {when} t.newest and (
                    l.from_address = '{wallet}' and l.from_user_id = {user} or l.to_address = '{wallet}' and l.to_user_id = {user})"
            )
        };
        let moved = |when: &str| {
            format!(
                "select count(*) from api.transaction_logs l cross join times t
                 where l.asset_id = '{asset}' and l.timestamp {when} t.newest and '{wallet}' in (l.from_address, l.to_address)"
            )
        };
        let (first, next) = (format!("'{first}'"), "(select id from app.users where username = 'next')");
        let (earlier, last) = (count(&mut ours, &moved("<")).await, count(&mut ours, &moved("=")).await);
        assert_eq!(count(&mut ours, &of(&first, "<")).await, earlier, "seed {seed}");
        assert_eq!(count(&mut ours, &of(next, "=")).await, last, "seed {seed}: the first had ended then");
        run(&mut ours, &format!("delete from app.wallet_links where user_id = {next}")).await;
        assert_eq!(count(&mut ours, &of(&first, "<")).await, earlier, "seed {seed}");
        assert_eq!(count(&mut ours, &of(&first, "=")).await, 0, "seed {seed}: nobody's any more");
        seen = (seen.0 + earlier, seen.1 + last);
    }
    assert!(seen.0 > 0 && seen.1 > 0, "{seen:?}");
}

/// Who acts sees the own links alone: by these, what a wallet moved before it came to this person would be this person's.
#[tokio::test]
async fn who_acts_is_shown_no_movement_of_who_had_the_wallet_before() {
    let mut seen = (0, 0);
    for seed in [71, 72, 73, 75] {
        let Followed { mut platform, asset, wallet } = followed(seed).await;
        let (tenant, alice) = (platform.tenants[0], platform.users[0]);
        let relinked = format!(
            "insert into app.users (tenant_id, email, username) values ('{tenant}', 'bob@example.org', 'bob');
             create table times as select max(l.timestamp) as newest from api.chain_transaction_logs l
                where l.asset_id = '{asset}' and '{wallet}' in (l.from_address, l.to_address);
             grant select on times to asset_indexer_app;
             update app.wallet_links set linked_at = newest - interval '1 second', unlinked_at = newest from times;
             insert into app.wallet_links (tenant_id, user_id, chain_id, wallet)
             select '{tenant}', u.id, l.chain_id, l.wallet from app.wallet_links l cross join app.users u where u.username = 'bob'"
        );
        run(&mut platform.owner, &relinked).await;
        let bob: Uuid = sqlx::query_scalar("select id from app.users where username = 'bob'")
            .fetch_one(&mut platform.owner)
            .await
            .expect("he is there");
        let mut ours = platform.works("asset_indexer_app", 0).await;
        let moved = |when: &str| {
            format!(
                "select count(*) from api.transaction_logs l cross join times t
                 where l.asset_id = '{asset}' and l.timestamp {when} t.newest and '{wallet}' in (l.from_address, l.to_address)"
            )
        };
        let (earlier, last) = (count(&mut ours, &moved("<")).await, count(&mut ours, &moved("=")).await);
        for (person, when, number) in
            [(alice, "<", earlier), (alice, "=", 0), (bob, "<", 0), (bob, "=", last)]
        {
            run(&mut ours, &format!("set app.user_id = '{person}'")).await;
            let own = format!(
                "{} and l.user_id = '{person}' and '{person}' in (l.from_user_id, l.to_user_id)",
                moved(when)
            );
            let told =
                format!("{} and coalesce(l.user_id, l.from_user_id, l.to_user_id) is not null", moved(when));
            assert_eq!(count(&mut ours, &own).await, number, "seed {seed}: {when}");
            assert_eq!(count(&mut ours, &told).await, number, "seed {seed}: {when}: nobody else is told of");
        }
        seen = (seen.0 + earlier, seen.1 + last);
    }
    assert!(seen.0 > 0 && seen.1 > 0, "{seen:?}");
}

/// A violation is open until its own end, also where another has the same id.
#[tokio::test]
async fn of_two_violations_with_one_id_each_has_its_own_end() {
    let mut platform = Platform::new().await;
    let tenant = platform.tenants[0];
    let twice = format!(
        "insert into app.compliance_violations (id, tenant_id, violation_type, detected_at)
         select md5('v')::uuid, '{tenant}', 'x', now() - n * interval '1 microsecond' from generate_series(0, 1) n;
         insert into app.violation_resolutions (violation_id, detected_at, tenant_id, resolution_type)
         select id, min(detected_at), tenant_id, 'corrected' from app.compliance_violations group by id, tenant_id"
    );
    run(&mut platform.owner, &twice).await;
    let mut ours = platform.works("asset_indexer_app", 0).await;
    for (state, number) in [("is null", 1), ("is not null", 1)] {
        let sql = format!("select count(*) from api.compliance_violations where resolved_at {state}");
        assert_eq!(count(&mut ours, &sql).await, number, "{state}");
    }
}

/// Identities whose status, or the claim that tells since when, is not what the verdicts of all registries say.
const MISJUDGED: &str = "
    select count(*) from api.identities i
    cross join lateral (
        select case
            when bool_or(v.verdict = 'verified') then 'verified'
            when bool_or(v.verdict = 'undetermined') then 'undetermined'
            when count(*) > 0 then 'not_verified'
            else 'unregistered'
        end as status
        from chain.verdicts(i.chain_id) v where v.identity = i.onchain_id_bytes) e
    left join lateral (
        select c.from_at, api.hex(c.issuer) as issuer
        from chain.verdicts(i.chain_id) v
        cross join lateral chain.verification_rules(i.chain_id, v.registry, null) g
        join chain.identity_claims c on c.chain_id = i.chain_id and c.identity = v.identity
        where v.identity = i.onchain_id_bytes and v.verdict = 'verified' and c.to_block is null and c.id_matches
            and c.issuer || numeric_send(c.claim_type) = any (g.trusted) and c.issuer || c.signer_key = any (g.keys)
            and c.issuer <> all (g.unknown) and (c.expires_at is null or c.expires_at > now())
            and (c.issuer, c.signature_hash) not in (select x.issuer, x.signature_hash from chain.claim_revocations x)
        order by c.from_block desc, c.from_log desc limit 1) c on true
    where (i.verification_status, i.verified_at, i.issuer) is distinct from (e.status, c.from_at, c.issuer)";

/// Every registered identity has a claim of an issuer trusted everywhere for each topic that is demanded, and a newer one that
/// nobody signed.
const CLAIMED: &str = "
    insert into chain.verification_providers (chain_id, registry, issuer, from_block, from_log, topics, from_at)
    select distinct l.chain_id, l.target, substr(sha256('issuer'), 1, 20), 0, 0, array(select distinct topic from chain.required_topics), now()
    from chain.contract_links l where l.link = 'trusted_issuers' and l.to_block is null;
    insert into chain.identity_keys (chain_id, identity, key_hash, purpose, from_block, from_log, key_type, from_at)
    select k.chain_id, substr(sha256('issuer'), 1, 20), sha256('key'), 3, 0, 0, 1, now() from chain.checkpoints k;
    insert into chain.identity_claims (chain_id, identity, claim_id, from_block, from_log, id, identity_id, claim_type, scheme, issuer,
        id_matches, signature, signature_hash, signer_key, claim_data, uri, transaction_hash, from_at)
    select r.chain_id, r.identity, sha256(r.identity || numeric_send(t.topic) || sha256(c.key)), c.block, 0, gen_random_uuid(),
        r.identity_id, t.topic, 1, substr(sha256('issuer'), 1, 20), true, '', sha256(r.identity || numeric_send(t.topic)), sha256(c.key),
        '', '', sha256(''), now() + c.block * interval '1 second'
    from (select chain_id, identity, min(identity_id::text)::uuid as identity_id from chain.registrations
        where to_block is null group by 1, 2) r
    cross join (select distinct topic from chain.required_topics) t
    cross join (values (0, 'key'::bytea), (1000000, 'nobody')) c (block, key)";

#[tokio::test]
async fn an_identity_stands_as_all_registries_find_it() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in [71, 72, 75] {
        let Followed { mut platform, .. } = followed(seed).await;
        let owner = &mut platform.owner;
        for change in [
            "select",
            CLAIMED,
            // Nothing is demanded.
            "delete from chain.required_topics",
            "update ops.coverage set through_block = 0 where address in (
                select address from chain.contract_links where link = 'storage' order by address limit 1)",
            "update ops.coverage set through_block = 0 where address in (
                select address from chain.contract_links where link = 'storage')",
        ] {
            run(owner, change).await;
            assert_eq!(count(owner, MISJUDGED).await, 0, "seed {seed}, after {change}");
            let statuses: Vec<String> = sqlx::query_scalar(
                "select distinct case when verified_at is null then '' else 'since ' end || verification_status from api.identities",
            )
            .fetch_all(&mut *owner)
            .await
            .expect("the view");
            seen.extend(statuses);
        }
    }
    let seen: Vec<&str> = seen.iter().map(String::as_str).collect();
    assert_eq!(seen, ["not_verified", "since verified", "undetermined", "unregistered", "verified"]);
}

async fn eligible(
    connection: &mut PgConnection,
    asset: Uuid,
    from: &str,
    to: &str,
    amount: &str,
) -> (String, Vec<String>) {
    let sql =
        format!("select eligible, reasons from api.check_eligibility('{asset}', '{from}', '{to}', {amount})");
    sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_one(connection).await.expect("it answers")
}

#[tokio::test]
async fn eligibility_is_answered_with_every_reason() {
    let Followed { mut platform, asset, wallet } = followed(74).await;
    let owner = &mut platform.owner;
    let stranger = "0x00000000000000000000000000000000000000ff";
    let zero = "0x0000000000000000000000000000000000000000";
    let set = |what: &str| {
        format!(
            "update chain.assets set paused = false where id = '{asset}';
            update chain.asset_holders set wallet_frozen = false, frozen = 0 where asset_id = '{asset}';
            delete from chain.contract_links where link in ('module', 'identity_registry'); {what}"
        )
    };
    run(owner, &set("")).await;
    let (answer, reasons) = eligible(owner, asset, &wallet, stranger, "1").await;
    assert_eq!(
        (answer.as_str(), reasons),
        (
            "undetermined",
            [
                "the asset's identity registry is not known",
                "the compliance did not log which token it serves"
            ]
            .map(str::to_owned)
            .to_vec()
        )
    );
    // Of a token without rules, what is known is all there is.
    run(owner, &format!("update chain.assets set asset_type = 'erc20' where id = '{asset}'")).await;
    assert_eq!(eligible(owner, asset, &wallet, stranger, "1").await, ("yes".to_owned(), vec![]));
    for (from, to, amount, expected) in [
        (wallet.as_str(), stranger, "null", "undetermined"),
        (wallet.as_str(), stranger, "0.5", "no"),
        (wallet.as_str(), stranger, "-1", "no"),
        (zero, stranger, "0", "no"),
    ] {
        assert_eq!(eligible(owner, asset, from, to, amount).await.0, expected, "{from} {to} {amount}");
    }
    run(owner, &format!("update chain.assets set complete_from = 5 where id = '{asset}'")).await;
    assert_eq!(
        eligible(owner, asset, stranger, &wallet, "1").await.0,
        "undetermined",
        "a holder that was not read"
    );
    run(owner, &format!("update chain.assets set complete_from = null where id = '{asset}'")).await;
    let (answer, reasons) = eligible(owner, asset, stranger, zero, "1").await;
    assert_eq!(answer, "no");
    assert_eq!(reasons, ["the recipient is the zero address", "the sender may move 0 base units"]);
    run(owner, &set(&format!("update chain.assets set paused = true where id = '{asset}';
        update chain.asset_holders set wallet_frozen = true where asset_id = '{asset}' and holder = api.address('{wallet}')"))).await;
    let (answer, reasons) = eligible(owner, asset, &wallet, &wallet, "1").await;
    assert_eq!(answer, "no");
    assert_eq!(
        reasons,
        ["the asset is paused", "the recipient's wallet is frozen", "the sender's wallet is frozen"]
    );
    run(owner, &set(&format!("update chain.asset_holders set frozen = balance where asset_id = '{asset}'")))
        .await;
    assert_eq!(eligible(owner, asset, &wallet, stranger, "1").await.0, "no", "all of it is frozen");
    run(owner, &set(&format!("insert into chain.contract_links (chain_id, address, link, slot, from_block, from_log, target, from_at)
        select chain_id, target, 'module', api.address('{stranger}'), 1, 1, api.address('{stranger}'), now()
        from chain.contract_links where link = 'compliance' and to_block is null
            and address = (select contract_address from chain.assets where id = '{asset}')"))).await;
    let (answer, reasons) = eligible(owner, asset, &wallet, stranger, "1").await;
    assert_eq!(
        (answer.as_str(), reasons.len()),
        ("undetermined", 1),
        "a module judges by itself: {reasons:?}"
    );
    let nothing = eligible(owner, Uuid::nil(), &wallet, stranger, "1").await;
    assert_eq!(nothing, ("undetermined".to_owned(), vec!["the asset is not known".to_owned()]));
}

#[tokio::test]
async fn who_wrote_waits_until_it_can_be_read() {
    let Followed { mut platform, .. } = followed(75).await;
    let owner = &mut platform.owner;
    let at = count(owner, "select block_number from chain.checkpoints").await;
    let chain = count(owner, "select chain_id from chain.checkpoints").await;
    let wait = |block: i64, patience: &str| {
        format!("select api.wait_for_block({chain}, {block}, '{patience}')::int::bigint")
    };
    assert_eq!(count(owner, &wait(at, "0 seconds")).await, 1);
    assert_eq!(count(owner, &wait(at + 1, "100 milliseconds")).await, 0, "patience is over");
    let mut other = super::connect(&platform.database).await;
    let writing = async {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        run(&mut other, "update chain.checkpoints set block_number = block_number + 1").await;
    };
    let waited = wait(at + 1, "20 seconds");
    let (seen, ()) = tokio::join!(count(&mut platform.owner, &waited), writing);
    assert_eq!(seen, 1, "it sees what is committed meanwhile");
}

#[tokio::test]
async fn what_became_of_a_transaction_is_told() {
    let Followed { mut platform, asset, .. } = followed(76).await;
    let tenant = platform.tenants[0];
    let owner = &mut platform.owner;
    run(
        owner,
        &format!(
            "set app.tenant = '{tenant}';
             insert into app.submitted_transactions (transaction_hash, chain_id, asset_id, operation_type)
                select distinct api.hex(transaction_hash), chain_id, asset_id, 'transfer' from chain.asset_events where asset_id = '{asset}';
             insert into app.submitted_transactions (transaction_hash, chain_id, asset_id, operation_type)
                select api.hex(sha256('never sent')), chain_id, id, 'transfer' from chain.assets where id = '{asset}'"
        ),
    )
    .await;
    let wrong = "select count(*) from api.submitted_transactions s
        left join api.asset_events e on e.transaction_hash = s.transaction_hash and e.chain_id = s.chain_id
        where s.status <> case e.finality when 'final' then 'finalized' when 'provisional' then 'included'
            else 'pending' end";
    assert_eq!(
        count(owner, "select count(*) from api.submitted_transactions where status = 'pending'").await,
        1
    );
    assert!(
        count(owner, "select count(*) from api.submitted_transactions where status = 'finalized'").await > 0
    );
    assert_eq!(count(owner, wrong).await, 0);
}

/// Two movements of one transaction are each what they are.
#[tokio::test]
async fn a_transfer_beside_a_mint_is_a_transfer() {
    let Followed { mut platform, .. } = followed(77).await;
    let owner = &mut platform.owner;
    run(
        owner,
        "insert into chain.asset_events (chain_id, block_number, log_index, part, id, asset_id, block_hash, block_timestamp,
            transaction_hash, transaction_index, address, role, event_type, event_data, topic0, topic1, topic2, data)
         select 31337, 900, n, 0, md5('e' || n)::uuid, a.id, sha256('b'), now(), sha256('two movements'), 0, a.contract_address,
            'trex_token', 'Transfer', '{\"value\": \"100\"}', sha256('T'),
            decode(repeat('00', 12) || repeat(case n when 1 then '00' else '01' end, 20), 'hex'),
            decode(repeat('00', 12) || repeat('0' || n, 20), 'hex'), ''
         from (select * from chain.assets order by id limit 1) a, generate_series(1, 2) n;
         insert into chain.asset_operations (chain_id, block_number, log_index, part, id, asset_id, transaction_id,
            operation_type, parameters, executed_at, block_hash, transaction_hash)
         select 31337, 900, 1, 0, md5('o')::uuid, id, md5('t')::uuid, 'mint', '{}', now(), sha256('b'), sha256('two movements')
         from chain.assets order by id limit 1",
    )
    .await;
    let kinds: Vec<String> = sqlx::query_scalar(
        "select transaction_type from api.transaction_logs where block_number = 900 order by log_index",
    )
    .fetch_all(owner)
    .await
    .expect("readable");
    assert_eq!(kinds, ["mint", "transfer"]);
}
