//! Violations that the chain shows: found, kept open, cleared, and an officer's word kept.

use std::sync::Arc;

use simulation::chain::SimChain;
use simulation::play::Play;
use sqlx::PgConnection;

use super::{Platform, count, refused, run};
use crate::support::world::{CHAIN_ID, config, converge, postgres_store, worker};

/// Who holds a T-REX token of the first tenant without being verified, as the register shows it.
const UNVERIFIED: &str = "select count(*) from api.asset_holders h join api.assets a on a.id = h.asset_id
    where a.asset_type = 'erc3643' and h.balance_base > 0 and not h.verified";
const OPEN: &str = "select count(*) from app.compliance_violations v where not exists (
    select from app.violation_resolutions r where r.violation_id = v.id)";

/// Has the daemon's question asked: how many were opened, and cleared.
pub(super) async fn found(owner: &mut PgConnection) -> (i64, i64) {
    sqlx::query_as("select opened, cleared from app.find_violations($1)")
        .bind(i64::try_from(CHAIN_ID).expect("small"))
        .fetch_one(owner)
        .await
        .expect("the daemon asks so")
}

/// A platform whose database follows a played chain; its first tenant deals with every asset.
pub(super) async fn followed(seed: u64, finality_depth: u64) -> Platform {
    let mut platform = Platform::new().await;
    let chain: Arc<SimChain> = Arc::new(Play::chain(finality_depth));
    for block in Play::new(seed).blocks(60) {
        chain.mine(block);
    }
    for _ in 0..3 {
        chain.mine(Vec::new());
    }
    let store = Arc::new(postgres_store(&platform.database).await);
    converge(&mut worker(chain, store, config(&Play::contracts()))).await;
    let tenant = platform.tenants[0];
    let deals =
        format!("insert into app.tenant_assets (tenant_id, asset_id) select '{tenant}', id from api.assets");
    run(&mut platform.owner, &deals).await;
    platform
}

#[tokio::test]
async fn a_holder_who_is_no_longer_verified_is_found_and_cleared_when_that_ends() {
    let mut met = 0;
    for seed in [71, 72, 73] {
        let mut platform = followed(seed, 2).await;
        let mut support = platform.works("asset_indexer_app", 0).await;
        assert_eq!(refused(&mut support, "select * from app.find_violations(1)").await, "42501");
        let owner = &mut platform.owner;
        let unverified = count(owner, UNVERIFIED).await;
        let (opened, cleared) = found(owner).await;
        let kind =
            "select count(*) from app.compliance_violations where violation_type = 'holder_not_verified'";
        assert_eq!((count(owner, kind).await, cleared), (unverified, 0), "seed {seed}");
        assert_eq!(found(owner).await, (0, 0), "each is opened once");
        if unverified == 0 {
            continue;
        }
        met += 1;
        // One sells all: cleared, and found again when it buys.
        let one = "select v.details ->> 'wallet' from app.compliance_violations v order by v.detected_at, v.id limit 1";
        let wallet: String = sqlx::query_scalar(one).fetch_one(&mut *owner).await.expect("there is one");
        let set = |balance: &str| {
            format!(
                "update chain.asset_holders set balance = {balance}, updated_block = 1 where holder = api.address('{wallet}')"
            )
        };
        let held = format!(
            "select count(*) from chain.asset_holders h join chain.assets a on a.id = h.asset_id
            where holder = api.address('{wallet}') and balance > 0 and a.asset_type = 'erc3643'"
        );
        let held = count(owner, &held).await;
        run(owner, "create temporary table kept as select * from chain.asset_holders").await;
        run(owner, &set("0")).await;
        let (again, cleared) = found(owner).await;
        assert!(again == 0 && cleared >= 1 && cleared <= held * 2, "seed {seed}: {cleared} of {held}");
        let automatic =
            "select count(*) from app.violation_resolutions where resolution_type = 'auto_cleared'
            and resolved_by = 'asset-indexer' and resolution_data ? 'block_hash'";
        assert_eq!(count(owner, automatic).await, cleared);
        run(owner, "update chain.asset_holders h set balance = k.balance from kept k where k.asset_id = h.asset_id and k.holder = h.holder")
            .await;
        assert_eq!(found(owner).await, (cleared, 0), "seed {seed}");
        assert_eq!(count(owner, OPEN).await, opened);
        // An officer waives: it is not opened again for the same reason.
        run(
            owner,
            "insert into app.violation_resolutions (violation_id, detected_at, tenant_id, resolution_type)
             select v.id, v.detected_at, v.tenant_id, 'waived' from app.compliance_violations v
             where not exists (select from app.violation_resolutions r where r.violation_id = v.id)",
        )
        .await;
        assert_eq!(found(owner).await, (0, 0), "seed {seed}: waived");
        // The other tenant deals with none of these assets.
        let other = format!(
            "select count(*) from app.compliance_violations where tenant_id = '{}'",
            platform.tenants[1]
        );
        assert_eq!(count(&mut platform.owner, &other).await, 0);
    }
    assert!(met > 0, "no seed has an unverified holder");
}

/// A violation's key looks at its person, whose row a tenant may hold locked as long as it likes.
#[tokio::test]
async fn whose_row_is_held_is_found_in_the_next_round_and_everybody_else_at_once() {
    let mut platform = followed(71, 2).await;
    let ([ours, theirs], user) = (platform.tenants, platform.users[0]);
    let mut app = platform.works("asset_indexer_app", 0).await;
    let owner = &mut platform.owner;
    let link = format!(
        "insert into app.tenant_assets (tenant_id, asset_id)
         select '{theirs}', asset_id from app.tenant_assets where tenant_id = '{ours}';
         insert into app.wallet_links (tenant_id, user_id, chain_id, wallet)
         select '{ours}', '{user}', {CHAIN_ID}, min(b.wallet) from app.breaches({CHAIN_ID}) b where b.standing = 'breached'"
    );
    run(owner, &link).await;
    let breached = format!("select count(*) from app.breaches({CHAIN_ID}) where standing = 'breached'");
    let all = count(owner, &breached).await;
    let of_person = count(owner, &format!("{breached} and user_id = '{user}'")).await;
    assert!(of_person > 0 && of_person < all, "{of_person} of {all}");
    run(&mut app, &format!("begin; select from app.users where id = '{user}' for update")).await;
    run(owner, "set lock_timeout = '2s'").await;
    assert_eq!(found(owner).await, (all - of_person, 0), "nobody waits for a tenant");
    run(&mut app, "rollback").await;
    assert_eq!(found(owner).await, (of_person, 0), "and now it is had");
}

/// What an officer has ended and not yet committed may stay so for as long as the officer likes.
#[tokio::test]
async fn what_an_officer_is_ending_is_cleared_in_the_next_round_and_everything_else_at_once() {
    let mut platform = followed(71, 2).await;
    let [ours, theirs] = platform.tenants;
    let mut officer = platform.works("asset_indexer_compliance", 0).await;
    let owner = &mut platform.owner;
    let deals = format!(
        "insert into app.tenant_assets (tenant_id, asset_id)
         select '{theirs}', asset_id from app.tenant_assets where tenant_id = '{ours}'"
    );
    run(owner, &deals).await;
    found(owner).await;
    let one = "select v.details ->> 'wallet' from app.compliance_violations v
        where v.details ->> 'wallet' is not null order by v.detected_at, v.id limit 1";
    let wallet: String = sqlx::query_scalar(one).fetch_one(&mut *owner).await.expect("there is one");
    let [open_ours, open_theirs] = [ours, theirs]
        .map(|tenant| format!("{OPEN} and v.tenant_id = '{tenant}' and v.details ->> 'wallet' = '{wallet}'"));
    let open = count(owner, &open_ours).await;
    assert!(open > 0);
    assert_eq!(count(owner, &open_theirs).await, open);
    let ending = format!(
        "begin; insert into app.violation_resolutions (violation_id, detected_at, resolution_type)
         select v.id, v.detected_at, 'waived' from app.compliance_violations v where v.details ->> 'wallet' = '{wallet}' limit 1"
    );
    run(&mut officer, &ending).await;
    let sold = format!(
        "update chain.asset_holders set balance = 0, updated_block = 1 where holder = api.address('{wallet}');
         set lock_timeout = '2s'"
    );
    run(owner, &sold).await;
    let (opened, cleared) = found(owner).await;
    assert!(opened == 0 && cleared > open * 2 - 2, "{opened} opened, {cleared} cleared, {open} of each");
    assert_eq!(count(owner, &open_theirs).await, 0, "nobody waits for a tenant");
    assert_eq!(count(owner, &open_ours).await, 1, "the officer's is left");
    run(&mut officer, "rollback").await;
    assert_eq!(found(owner).await, (0, 1), "and now it is had");
    assert_eq!(count(owner, &open_ours).await, 0);
    let waits: String =
        sqlx::query_scalar("show lock_timeout").fetch_one(&mut *owner).await.expect("readable");
    assert_eq!(waits, "2s", "as it was");
}

/// What only a provisional block says is nobody's violation yet.
#[tokio::test]
async fn what_is_not_final_opens_and_clears_nothing() {
    let mut platform = followed(71, 1000).await;
    let owner = &mut platform.owner;
    assert_eq!(
        count(owner, &format!("select count(*) from app.breaches({CHAIN_ID}) where standing = 'kept' and violation_type = 'holder_not_verified'")).await,
        0,
        "nobody was verified at block 0"
    );
    let before = count(owner, UNVERIFIED).await;
    assert!(before > 0, "there is somebody to be found");
    assert_eq!(found(owner).await, (0, 0), "nobody held anything at block 0");
    run(owner, "update chain.checkpoints set finalized_number = block_number, finalized_hash = block_hash")
        .await;
    found(owner).await;
    let kind = "select count(*) from app.compliance_violations where violation_type = 'holder_not_verified'";
    assert_eq!(count(owner, kind).await, before, "who is not verified");
}

/// While a chain catches up, finality is far above what is indexed, of which alone anything can be said.
#[tokio::test]
async fn what_is_found_while_catching_up_is_told_as_of_the_last_block_that_is_indexed() {
    let mut platform = followed(71, 2).await;
    let owner = &mut platform.owner;
    let ahead =
        "update chain.checkpoints set finalized_number = block_number + 1000, finalized_hash = genesis_hash";
    run(owner, ahead).await;
    let (opened, _) = found(owner).await;
    assert!(opened > 0, "there is somebody to be found");
    let told = |data: &str, table: &str| {
        format!(
            "select count(*) from app.{table} v join chain.checkpoints k on v.{data} ->> 'chain_id' = k.chain_id::text
            where v.{data} ->> 'block_number' = k.block_number::text and v.{data} ->> 'block_hash' = api.hex(k.block_hash)"
        )
    };
    assert_eq!(count(owner, &told("details", "compliance_violations")).await, opened);
    // Who is not in the register may be there later; who is there with nothing has sold all.
    let about_wallets = format!("{OPEN} and v.details ? 'wallet'");
    let wallets = count(owner, &about_wallets).await;
    let gone =
        "create temporary table kept as select * from chain.asset_holders; delete from chain.asset_holders";
    run(owner, gone).await;
    found(owner).await;
    assert_eq!(count(owner, &about_wallets).await, wallets);
    let sold =
        "insert into chain.asset_holders select * from kept; update chain.asset_holders set balance = 0";
    run(owner, sold).await;
    found(owner).await;
    assert_eq!(count(owner, &about_wallets).await, 0);
    let cleared = count(owner, "select count(*) from app.violation_resolutions").await;
    assert!(wallets > 0 && cleared >= wallets, "{cleared} of {wallets}");
    assert_eq!(count(owner, &told("resolution_data", "violation_resolutions")).await, cleared);
}

/// Nobody knows who is registered where the registry's storage is not known, or is still being read.
#[tokio::test]
async fn of_a_registry_whose_storage_is_not_known_or_not_read_nothing_is_opened_or_cleared() {
    let mut platform = followed(71, 2).await;
    let owner = &mut platform.owner;
    let unverified = count(owner, UNVERIFIED).await;
    assert!(unverified > 0, "there is somebody to be found");
    let told = format!(
        "select count(*) from app.breaches({CHAIN_ID}) where violation_type in ('holder_not_verified', 'claim_expired')"
    );
    let kind = "select count(*) from app.compliance_violations where violation_type = 'holder_not_verified'";
    let links =
        "create temporary table storages as select * from chain.contract_links where link = 'storage'";
    run(owner, links).await;
    let read = |through: &str| {
        format!(
            "update ops.coverage set through_block = {through} where address in (select target from storages)"
        )
    };
    let not_known = "delete from chain.contract_links where link = 'storage'".to_owned();
    let known = "insert into chain.contract_links select * from storages".to_owned();
    for (away, back) in [(not_known, known), (read("1"), read("null"))] {
        run(owner, &away).await;
        assert!(count(owner, &told).await > 0);
        assert_eq!(count(owner, &format!("{told} and standing <> 'undetermined'")).await, 0, "{away}");
        found(owner).await;
        assert_eq!(count(owner, kind).await, 0, "{away}");
        run(owner, &back).await;
    }
    found(owner).await;
    assert_eq!(count(owner, kind).await, unverified);
}

/// One tenant's row in the daemon's name would count as open already, or stop the search of all.
#[tokio::test]
async fn nobody_writes_in_the_daemons_name_and_what_was_written_stops_nothing() {
    let mut platform = followed(71, 2).await;
    let asset = "(select asset_id from app.tenant_assets order by asset_id limit 1)";
    for role in ["asset_indexer_app", "asset_indexer_compliance"] {
        let mut works = platform.works(role, 0).await;
        run(&mut works, &format!(
            "insert into app.compliance_violations (asset_id, violation_type, detected_by) values ({asset}, 'max_balance', 'officer 7');
             insert into app.violation_resolutions (violation_id, detected_at, resolution_type)
                select v.id, v.detected_at, 'waived' from app.compliance_violations v
                where not exists (select from app.violation_resolutions r where r.violation_id = v.id);
             insert into app.compliance_violations (violation_type) values ('later');
             insert into app.compliance_logs (compliance_check, result) values ('kyc', 'passed')"
        )).await;
        for sql in [
            format!("insert into app.compliance_violations (asset_id, violation_type, details, detected_by)
                values ({asset}, 'holder_not_verified', '{{\"wallet\": \"junk\"}}', 'asset-indexer')"),
            "insert into app.compliance_violations (violation_type, detected_at) values ('later', now() + interval '10 days')".to_owned(),
            "set app.actor = 'asset-indexer'; insert into app.compliance_violations (violation_type) values ('x')".to_owned(),
            "reset app.actor; insert into app.violation_resolutions (violation_id, detected_at, resolution_type, resolved_by)
                select v.id, v.detected_at, 'auto_cleared', 'asset-indexer' from app.compliance_violations v where v.violation_type = 'later'".to_owned(),
            "insert into app.compliance_logs (compliance_check, result) values ('verdicts_of_registry', 'passed')".to_owned(),
        ] {
            assert_eq!(refused(&mut works, &sql).await, "42501", "{role}: {sql}");
        }
    }
    let tenant = platform.tenants[0];
    let owner = &mut platform.owner;
    // Such rows may stand from before: no address, no identity, one from the future, two of one id.
    let one = "(select h.asset_id, api.hex(h.holder) as wallet from chain.asset_holders h join chain.assets a on a.id = h.asset_id
        where a.asset_type = 'erc3643' and h.balance > 0 and h.holder <> chain.zero_address() order by h.asset_id, h.holder limit 1)";
    run(owner, &format!(
        "insert into app.compliance_violations (tenant_id, asset_id, violation_type, details, detected_at, detected_by)
         select '{tenant}', {asset}, k, d, now(), 'asset-indexer' from (values
            ('holder_not_verified', '{{\"wallet\": \"junk\"}}'::jsonb), ('holder_not_verified', '{{\"wallet\": [1]}}'), ('holder_not_verified', '{{}}'),
            ('balance_above_maximum', '{{\"identity\": \"junk\"}}'), ('balance_above_maximum', '{{\"identity\": null}}')) v (k, d);
         update chain.asset_holders h set balance = 0, updated_block = 1 from {one} o where h.asset_id = o.asset_id and api.hex(h.holder) = o.wallet;
         insert into app.compliance_violations (tenant_id, asset_id, violation_type, details, detected_at, detected_by)
         select '{tenant}', h.asset_id, 'holder_not_verified', jsonb_build_object('wallet', api.hex(h.holder)), now() + interval '60 days', 'asset-indexer'
         from chain.asset_holders h;
         insert into app.compliance_violations (tenant_id, id, asset_id, violation_type, details, detected_at, detected_by)
         select '{tenant}', '00000000-0000-4000-8000-000000000001', h.asset_id, 'holder_not_verified', jsonb_build_object('wallet', api.hex(h.holder)),
            now() - n * interval '1 minute', 'asset-indexer'
         from (select * from chain.asset_holders h where balance = 0 and updated_block = 1 limit 1) h, generate_series(1, 2) n"
    )).await;
    let unverified = count(owner, UNVERIFIED).await;
    let (opened, cleared) = found(owner).await;
    assert!(
        unverified > 0 && opened >= unverified,
        "{opened} of {unverified}: what is of the future is not open yet"
    );
    assert!(cleared >= 1, "the two of one id");
    assert_eq!(found(owner).await, (0, 0));
}
