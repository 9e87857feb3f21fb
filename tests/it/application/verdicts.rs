//! What events of wide effect did to the verdicts of a registry: one row an asset and final block, once.

use std::collections::BTreeSet;

use sqlx::PgConnection;

use super::findings::followed;
use super::{count, refused, run};
use crate::support::world::CHAIN_ID;

async fn log(owner: &mut PgConnection, at_most: i32) -> i32 {
    sqlx::query_scalar("select app.log_verdicts($1, $2)")
        .bind(i64::try_from(CHAIN_ID).expect("small"))
        .bind(at_most)
        .fetch_one(owner)
        .await
        .expect("the daemon asks so")
}

/// What is in the log: position of each event it names.
async fn logged_events(owner: &mut PgConnection) -> Vec<(String, i64, i64, String, String)> {
    sqlx::query_as(
        "select l.asset_id::text, (l.details ->> 'block_number')::bigint, (e ->> 'log_index')::bigint, e ->> 'kind',
            e ->> 'change'
         from app.compliance_logs l cross join jsonb_array_elements(l.details -> 'events') e
         where l.compliance_check = 'verdicts_of_registry'",
    )
    .fetch_all(owner)
    .await
    .expect("the log can be read")
}

#[tokio::test]
async fn what_issuers_topics_and_keys_do_to_verdicts_is_logged_once() {
    let mut begins = 0;
    for seed in [71, 74, 79] {
        let mut platform = followed(seed, 2).await;
        let mut app = platform.works("asset_indexer_app", 0).await;
        assert_eq!(refused(&mut app, "select app.log_verdicts(1)").await, "42501");
        let owner = &mut platform.owner;
        assert_eq!(log(owner, 2).await, 2, "seed {seed}: no more than asked for at once");
        while log(owner, 20).await > 0 {}
        let rows = "select count(*) from app.compliance_logs";
        let before = count(owner, rows).await;
        assert_eq!(log(owner, 20).await, 0);
        assert_eq!(count(owner, rows).await, before, "each is logged once");
        let unlike = "select count(*) from app.compliance_logs l
            join chain.assets a on a.id = l.asset_id
            cross join lateral (select (l.details ->> 'block_number')::bigint as number) b
            left join lateral (select count(*) filter (where v.after = 'verified' and v.before = 'not_verified') as gained,
                count(*) filter (where v.before = 'verified' and v.after = 'not_verified') as lost,
                count(*) filter (where v.after = 'verified') as verified
              from (select coalesce(x.verdict, 'not_verified') as before, coalesce(y.verdict, 'not_verified') as after
                from (select v.wallet from chain.verdicts(a.chain_id, api.address(l.details ->> 'registry_before'), b.number - 1) v
                        where l.details ? 'registry_before'
                    union select v.wallet from chain.verdicts(a.chain_id, api.address(l.details ->> 'registry'), b.number) v
                        where l.details ? 'registry') w
                left join lateral chain.verdict(a.chain_id, api.address(l.details ->> 'registry_before'), w.wallet, b.number - 1) x
                    on l.details ? 'registry_before'
                left join lateral chain.verdict(a.chain_id, api.address(l.details ->> 'registry'), w.wallet, b.number) y
                    on l.details ? 'registry') v) r on true
            where (r.lost, r.gained, r.verified) is distinct from ((l.details ->> 'lost')::bigint, (l.details ->> 'gained')::bigint,
                    (l.details ->> 'verified_after')::bigint)
                or (l.result = 'failed') <> (r.lost > 0)
                or l.tenant_id <> (select tenant_id from app.tenant_assets t where t.asset_id = l.asset_id)";
        assert_eq!(
            count(owner, unlike).await,
            0,
            "seed {seed}: counts are what the verdicts before and after say"
        );
        // Told from the events themselves: whom the registries that an asset points to now began to trust, while it did.
        let trusted: Vec<(String, i64, i64)> = sqlx::query_as(
            "select a.id::text, e.block_number, e.log_index::bigint
             from chain.assets a
             join chain.contract_links r on r.chain_id = a.chain_id and r.address = a.contract_address and r.link = 'identity_registry'
                and r.to_block is null
             join chain.contract_links i on i.chain_id = a.chain_id and i.address = r.target and i.link = 'trusted_issuers' and i.to_block is null
             join chain.asset_events e on e.chain_id = a.chain_id and e.address = i.target and e.event_type = 'TrustedIssuerAdded'
                and e.unreadable is null and e.block_number >= greatest(a.created_block, r.from_block, i.from_block)
             join chain.checkpoints k on k.chain_id = a.chain_id and e.block_number <= k.finalized_number",
        )
        .fetch_all(&mut *owner)
        .await
        .expect("events can be read");
        let events = logged_events(owner).await;
        let begun: BTreeSet<(String, i64, i64)> = events
            .iter()
            .filter(|(_, _, _, kind, change)| kind == "issuer" && change == "begins")
            .map(|(asset, block, log, _, _)| (asset.clone(), *block, *log))
            .collect();
        begins += trusted.len();
        for event in trusted {
            assert!(begun.contains(&event), "seed {seed}: {event:?} is not logged");
        }
        // No event is made up: something was logged there, in a final block.
        let made_up = "select count(*) from app.compliance_logs l cross join jsonb_array_elements(l.details -> 'events') e
            where not exists (select from chain.asset_events x join chain.checkpoints k on k.chain_id = x.chain_id
                where x.block_number = (l.details ->> 'block_number')::bigint and x.log_index = (e ->> 'log_index')::int
                    and api.hex(x.address) = e ->> 'contract' and x.block_number <= k.finalized_number
                    and api.hex(x.block_hash) = l.details ->> 'block_hash')";
        assert_eq!(count(owner, made_up).await, 0, "seed {seed}");
        let other =
            format!("select count(*) from app.compliance_logs where tenant_id = '{}'", platform.tenants[1]);
        assert_eq!(count(&mut platform.owner, &other).await, 0);
    }
    assert!(begins > 0, "no issuer was trusted");
}

#[tokio::test]
async fn verdicts_of_blocks_that_are_not_final_are_not_logged_yet() {
    let mut platform = followed(71, 1000).await;
    assert_eq!(log(&mut platform.owner, 20).await, 0);
    run(&mut platform.owner, "update chain.checkpoints set finalized_number = block_number").await;
    assert!(log(&mut platform.owner, 20).await > 0);
}

/// All topics end in one block and another that nobody attests begins in the next: all wallets gain, and all lose.
#[tokio::test]
async fn an_event_that_concerns_everybody_counts_everybody() {
    let mut concerned = 0;
    for seed in 71..77 {
        concerned += everybody(seed).await;
    }
    assert!(concerned > 1, "no registry has wallets");
}

/// How many wallets were concerned.
async fn everybody(seed: u64) -> i64 {
    let mut platform = followed(seed, 2).await;
    let owner = &mut platform.owner;
    run(
        owner,
        "update chain.required_topics t set to_block = k.finalized_number - 1, to_log = 0, to_at = now()
         from chain.checkpoints k where t.to_block is null;
         insert into chain.required_topics (chain_id, registry, topic, from_block, from_log, from_at)
         select l.chain_id, l.target, 424242, k.finalized_number, 0, now() from chain.contract_links l
         join chain.checkpoints k on k.chain_id = l.chain_id where l.link = 'claim_topics' and l.to_block is null
         group by l.chain_id, l.target, k.finalized_number",
    )
    .await;
    while log(owner, 20).await > 0 {}
    let rows: Vec<(String, i64, i64, i64, i64)> = sqlx::query_as(
        "select l.result, (l.details ->> 'gained')::bigint, (l.details ->> 'lost')::bigint,
            (l.details ->> 'verified_before')::bigint, (l.details ->> 'wallets_after')::bigint
         from app.compliance_logs l join chain.checkpoints k on k.chain_id = (l.details ->> 'chain_id')::bigint
         where (l.details ->> 'block_number')::bigint >= k.finalized_number - 1 and l.details -> 'events' @> '[{\"kind\": \"topic\"}]'
         order by l.asset_id, (l.details ->> 'block_number')::bigint",
    )
    .fetch_all(&mut *owner)
    .await
    .expect("the log can be read");
    assert!(!rows.is_empty() && rows.len().is_multiple_of(2), "{rows:?}");
    for pair in rows.chunks(2) {
        let (all, none) = (&pair[0], &pair[1]);
        assert_eq!(
            (all.0.as_str(), all.1 + all.3, all.2),
            ("passed", all.4, 0),
            "all are verified then: {pair:?}"
        );
        assert_eq!(
            (none.0.as_str(), none.1, none.2),
            (if all.4 > 0 { "failed" } else { "passed" }, 0, all.4),
            "{pair:?}"
        );
    }
    rows.iter().map(|row| row.2).sum()
}

/// Every registry demands nothing and knows one wallet more; then every asset points to one that never told its storage, and
/// whose past is being read.
const UNKNOWN: &str = "
    delete from chain.required_topics;
    insert into chain.registrations (chain_id, storage, wallet, from_block, from_log, identity, identity_id, country, undetermined,
        from_at)
    select distinct l.chain_id, l.target, substr(sha256('wallet'), 1, 20), 1, 0, substr(sha256('identity'), 1, 20),
        md5('identity')::uuid, 756, false, now()
    from chain.contract_links l where l.link = 'storage';
    update chain.contract_links l set to_block = k.finalized_number, to_log = 0, to_at = now() from chain.checkpoints k
    where l.link = 'identity_registry' and l.to_block is null;
    insert into chain.contract_links (chain_id, address, link, slot, from_block, from_log, target, from_at)
    select l.chain_id, l.address, l.link, l.slot, l.to_block, 0, substr(sha256('registry'), 1, 20), now()
    from chain.contract_links l join chain.checkpoints k on k.finalized_number = l.to_block where l.link = 'identity_registry';
    insert into ops.coverage (chain_id, address, from_block, through_block)
    select chain_id, substr(sha256('registry'), 1, 20), 0, 1 from chain.checkpoints";

/// Nobody lost anything that anybody knows of: it waits for the past, and is undetermined where the past does not tell.
#[tokio::test]
async fn of_a_registry_whose_storage_is_not_known_no_loss_is_logged() {
    let mut platform = followed(71, 2).await;
    let owner = &mut platform.owner;
    run(owner, UNKNOWN).await;
    let rows = "select count(*) from app.compliance_logs
        where details ->> 'registry' = api.hex(substr(sha256('registry'), 1, 20))";
    while log(owner, 20).await > 0 {}
    assert_eq!(count(owner, rows).await, 0, "its past is being read");
    let read =
        "update ops.coverage set through_block = null where address = substr(sha256('registry'), 1, 20)";
    run(owner, read).await;
    while log(owner, 20).await > 0 {}
    let assets = count(owner, "select count(*) from chain.assets where asset_type = 'erc3643'").await;
    let undetermined = format!(
        "{rows} and result = 'undetermined' and (details ->> 'verified_before')::bigint > 0
            and details -> 'undetermined_after' = details -> 'wallets_before'
            and details @> '{{\"lost\": 0, \"gained\": 0, \"verified_after\": 0}}'"
    );
    assert!(assets > 0);
    assert_eq!((count(owner, rows).await, count(owner, &undetermined).await), (assets, assets));
}

/// The facts of a block are archived: what it did to verdicts was logged with its hash.
#[tokio::test]
async fn what_is_archived_since_is_not_logged_again() {
    let mut platform = followed(71, 2).await;
    let owner = &mut platform.owner;
    while log(owner, 20).await > 0 {}
    let rows = "select count(*) from app.compliance_logs";
    let before = count(owner, rows).await;
    assert!(before > 1);
    run(owner, "create table kept as select * from chain.asset_events; delete from chain.asset_events").await;
    assert_eq!(log(owner, 20).await, 0, "no hash is there to be compared");
    // Put back, and with another hash: an operator took it back, and it was indexed anew.
    run(owner, "insert into chain.asset_events select * from kept").await;
    assert_eq!(log(owner, 20).await, 0);
    run(owner, "update chain.asset_events set block_hash = sha256(block_hash)").await;
    while log(owner, 20).await > 0 {}
    assert_eq!(count(owner, rows).await, 2 * before, "each is logged anew");
}
