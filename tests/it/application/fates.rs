//! What became of submitted transactions: told of the row that it is told for, settled once, and told anew where finality
//! went back.

use sqlx::PgConnection;
use uuid::Uuid;

use super::findings::followed;
use super::{Platform, count, refused, run};
use crate::support::world::CHAIN_ID;

const SENT: &str = "0x5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e";
const SENDER: &str = "0x1111111111111111111111111111111111111111";
/// Greater, and busier.
const OTHER: &str = "0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee";

async fn submit(owner: &mut PgConnection, tenant: Uuid, hash: &str, sender: &str, nonce: i64) {
    let sql = format!(
        "insert into app.submitted_transactions (tenant_id, chain_id, transaction_hash, operation_type, sender, nonce)
         values ('{tenant}', {CHAIN_ID}, '{hash}', 'transfer', '{sender}', {nonce})"
    );
    run(owner, &sql).await;
}

/// As the daemon notes it; a block is so many above the final one.
async fn note(
    owner: &mut PgConnection,
    sender: &str,
    nonce: i64,
    fate: &str,
    above_final: Option<i64>,
) -> bool {
    sqlx::query_scalar(
        "select app.note_fate(k.chain_id, $1, $2, $3, nullif($4, ''), k.finalized_number + $5,
            case when $5 is not null then api.hex(sha256('a block')) end, k.finalized_number) from chain.checkpoints k",
    )
    .bind(SENT)
    .bind(sender)
    .bind(nonce)
    .bind(fate)
    .bind(above_final)
    .fetch_one(owner)
    .await
    .expect("the daemon notes so")
}

/// What the tenant's application reads.
async fn status(owner: &mut PgConnection, tenant: Uuid, hash: &str) -> String {
    run(owner, &format!("set app.tenant = '{tenant}'")).await;
    sqlx::query_scalar("select status from api.submitted_transactions where transaction_hash = $1")
        .bind(hash)
        .fetch_one(owner)
        .await
        .expect("it was submitted")
}

async fn settle(owner: &mut PgConnection) -> i64 {
    count(owner, &format!("select app.settle_logged({CHAIN_ID})")).await
}

async fn a_minute_passes(owner: &mut PgConnection) {
    run(owner, "update app.transaction_fates set asked_at = asked_at - interval '61 seconds'").await;
}

#[tokio::test]
async fn another_tenants_sender_and_nonce_decide_nothing() {
    let mut platform = followed(71, 2).await;
    let [ours, theirs] = platform.tenants;
    let mut app = platform.works("asset_indexer_app", 0).await;
    for sql in [
        "select app.settle_logged(1)",
        "select * from app.followed_transactions",
        "select * from app.drawn_transactions(1, 1)",
    ] {
        assert_eq!(refused(&mut app, sql).await, "42501", "{sql}");
    }
    let owner = &mut platform.owner;
    submit(owner, ours, SENT, SENDER, 5).await;
    submit(owner, theirs, SENT, OTHER, 900).await;
    let mut asked: Vec<(String, String, i64)> =
        sqlx::query_as("select transaction_hash, sender, nonce from app.pending_transactions($1)")
            .bind(i64::try_from(CHAIN_ID).expect("small"))
            .fetch_all(&mut *owner)
            .await
            .expect("the daemon asks so");
    asked.sort();
    let hash = SENT.to_owned();
    assert_eq!(
        asked,
        [(hash.clone(), SENDER.to_owned(), 5), (hash, OTHER.to_owned(), 900)],
        "each by what it says"
    );
    assert!(note(owner, OTHER, 900, "replaced", None).await);
    a_minute_passes(owner).await;
    assert!(note(owner, OTHER, 900, "replaced", None).await);
    assert_eq!(status(owner, theirs, SENT).await, "dropped");
    assert_eq!(status(owner, ours, SENT).await, "pending");
    // A receipt is everybody's, and a settled word of its absence gives way to one from a final block.
    assert!(note(owner, SENDER, 5, "included", Some(1)).await);
    assert_eq!(status(owner, ours, SENT).await, "included");
    assert_eq!(status(owner, theirs, SENT).await, "dropped");
    assert!(note(owner, SENDER, 5, "included", Some(0)).await);
    for tenant in [ours, theirs] {
        assert_eq!(status(owner, tenant, SENT).await, "finalized");
    }
    assert!(!note(owner, OTHER, 900, "replaced", None).await, "what is settled stays");
    assert_eq!(count(owner, "select count(*) from app.followed_transactions").await, 0);
}

#[tokio::test]
async fn a_transaction_is_dropped_when_that_is_told_again_a_minute_later() {
    let mut platform = followed(71, 2).await;
    let tenant = platform.tenants[0];
    let owner = &mut platform.owner;
    submit(owner, tenant, SENT, SENDER, 5).await;
    let seen = async |owner: &mut PgConnection, fate: &str, above: Option<i64>| {
        note(owner, SENDER, 5, fate, above).await;
        status(owner, tenant, SENT).await
    };
    assert_eq!(seen(owner, "replaced", None).await, "pending");
    assert_eq!(seen(owner, "replaced", None).await, "pending", "five seconds later");
    a_minute_passes(owner).await;
    // The node caught up, and lagged again.
    assert_eq!(seen(owner, "", None).await, "pending");
    assert_eq!(count(owner, "select count(*) from app.transaction_fates").await, 0);
    assert_eq!(seen(owner, "replaced", None).await, "pending", "the first time again");
    a_minute_passes(owner).await;
    assert_eq!(seen(owner, "failed", Some(1)).await, "failed");
    assert_eq!(seen(owner, "replaced", None).await, "pending");
    assert_eq!(count(owner, "select count(*) from app.followed_transactions").await, 1);
    a_minute_passes(owner).await;
    assert_eq!(seen(owner, "replaced", None).await, "dropped");
    assert_eq!(count(owner, "select count(*) from app.followed_transactions").await, 0);
}

async fn correct(app: &mut PgConnection, hash: &str, change: &str) {
    run(app, &format!("update app.submitted_transactions set {change} where transaction_hash = '{hash}'"))
        .await;
}

/// What is said of sender and nonce decided that it was dropped: said otherwise, that is open again.
#[tokio::test]
async fn a_dropped_transaction_is_followed_again_when_its_sender_or_nonce_is_corrected() {
    let mut platform = followed(71, 2).await;
    let tenant = platform.tenants[0];
    let mut app = platform.works("asset_indexer_app", 0).await;
    let owner = &mut platform.owner;
    let followed = "select count(*) from app.followed_transactions";
    let dropped = async |owner: &mut PgConnection, sender: &str, nonce: i64| {
        note(owner, sender, nonce, "replaced", None).await;
        a_minute_passes(owner).await;
        note(owner, sender, nonce, "replaced", None).await;
        assert_eq!(status(owner, tenant, SENT).await, "dropped");
        assert_eq!(count(owner, followed).await, 0);
    };
    submit(owner, tenant, SENT, SENDER, 5).await;
    dropped(owner, SENDER, 5).await;
    correct(&mut app, SENT, &format!("operation_type = 'mint', sender = '{SENDER}', nonce = 5")).await;
    assert_eq!(status(owner, tenant, SENT).await, "dropped", "nothing was corrected");
    correct(&mut app, SENT, "nonce = 6").await;
    assert_eq!(status(owner, tenant, SENT).await, "pending");
    assert_eq!(count(owner, followed).await, 1);
    assert!(!note(owner, SENDER, 5, "replaced", None).await, "told of what it said before");
    dropped(owner, SENDER, 6).await;
    correct(&mut app, SENT, &format!("sender = '{OTHER}'")).await;
    assert_eq!(status(owner, tenant, SENT).await, "pending");
    // Told once of the former nonce, it is not told twice of the new one.
    note(owner, OTHER, 6, "replaced", None).await;
    correct(&mut app, SENT, "nonce = 7").await;
    a_minute_passes(owner).await;
    note(owner, OTHER, 7, "replaced", None).await;
    assert_eq!(status(owner, tenant, SENT).await, "pending");
    dropped(owner, OTHER, 7).await;
    correct(&mut app, SENT, "sender = null, nonce = null").await;
    assert_eq!(status(owner, tenant, SENT).await, "dropped", "an erasure takes away, and corrects nothing");
    correct(&mut app, SENT, &format!("sender = '{SENDER}', nonce = 8")).await;
    assert_eq!(status(owner, tenant, SENT).await, "pending");
    assert!(note(owner, SENDER, 8, "included", Some(0)).await);
    correct(&mut app, SENT, "nonce = 9").await;
    assert_eq!(status(owner, tenant, SENT).await, "finalized", "a receipt is the transaction's");
    assert_eq!(count(owner, followed).await, 0);
}

/// The fate that a correction takes away is held until it ends: nobody waits for that, and nothing is told of what was said
/// before.
#[tokio::test]
async fn a_correction_under_way_keeps_nobody_elses_from_being_settled() {
    let mut platform = followed(71, 2).await;
    let tenant = platform.tenants[0];
    let mut app = platform.works("asset_indexer_app", 0).await;
    let owner = &mut platform.owner;
    let logged = "select distinct api.hex(e.transaction_hash) from chain.asset_events e join chain.checkpoints k using (chain_id)
        where e.block_number <= k.finalized_number order by 1 limit 2";
    let logged: Vec<String> = sqlx::query_scalar(logged).fetch_all(&mut *owner).await.expect("the events");
    assert_eq!(logged.len(), 2);
    for hash in logged.iter().map(String::as_str).chain([SENT]) {
        submit(owner, tenant, hash, SENDER, 5).await;
    }
    run(
        owner,
        "insert into app.transaction_fates (tenant_id, chain_id, transaction_hash, fate, is_settled, asked_at)
         select tenant_id, chain_id, transaction_hash, 'replaced', false, now() - interval '61 seconds' from app.submitted_transactions",
    )
    .await;
    run(&mut app, "begin").await;
    correct(&mut app, &logged[0], "nonce = 6").await;
    correct(&mut app, SENT, "nonce = 6").await;
    assert_eq!(settle(owner).await, 1, "the other");
    assert!(!note(owner, SENDER, 5, "replaced", None).await, "left for another time");
    run(&mut app, "commit").await;
    assert_eq!(settle(owner).await, 1);
    assert_eq!(status(owner, tenant, SENT).await, "pending");
    assert_eq!(count(owner, "select count(*) from app.followed_transactions").await, 1);
}

/// Those that are final, and those that are not; of both tenants.
async fn submitted(platform: &mut Platform) -> (i64, i64) {
    for tenant in platform.tenants {
        let sql = format!(
            "insert into app.submitted_transactions (tenant_id, transaction_hash, chain_id, operation_type)
             select distinct '{tenant}'::uuid, api.hex(transaction_hash), chain_id, 'transfer' from chain.asset_events"
        );
        run(&mut platform.owner, &sql).await;
    }
    let of = async |owner: &mut PgConnection, which: &str| {
        let sql = format!(
            "select 2 * count(distinct e.transaction_hash) from chain.asset_events e join chain.checkpoints k using (chain_id)
             where e.block_number {which} k.finalized_number"
        );
        count(owner, &sql).await
    };
    (of(&mut platform.owner, "<=").await, of(&mut platform.owner, ">").await)
}

#[tokio::test]
async fn what_final_blocks_logged_is_settled_before_it_is_archived_and_anew_after_a_rewind() {
    let mut platform = followed(71, 8).await;
    let (finals, provisional) = submitted(&mut platform).await;
    assert!(finals > 50 && provisional > 0, "{finals} and {provisional}");
    let owner = &mut platform.owner;
    let sent_long_ago = format!("0x{}", "ab".repeat(32));
    submit(owner, platform.tenants[0], &sent_long_ago, SENDER, 1).await;
    run(owner, &format!("update app.followed_transactions set since = now() - interval '31 days' where transaction_hash = '{sent_long_ago}'")).await;
    let mut settled = 0;
    for _ in 0..20 {
        settled += settle(owner).await;
    }
    assert_eq!(settled, finals);
    assert_eq!(
        count(owner, "select count(*) from app.followed_transactions").await,
        provisional,
        "one is let go"
    );
    run(owner, "create table kept as select * from chain.asset_events; delete from chain.asset_events").await;
    let states = async |owner: &mut PgConnection, state: &str| {
        let mut sum = 0;
        for tenant in platform.tenants {
            run(owner, &format!("set app.tenant = '{tenant}'")).await;
            let sql = format!("select count(*) from api.submitted_transactions where status = '{state}'");
            sum += count(owner, &sql).await;
        }
        sum
    };
    assert_eq!(states(owner, "finalized").await, finals, "their logs are in archives alone");
    // An operator goes back below finality.
    run(
        owner,
        "set asset_indexer.rewind = 'on';
         update chain.checkpoints set block_number = finalized_number / 2, finalized_number = finalized_number / 2;
         reset asset_indexer.rewind",
    )
    .await;
    let below = "select count(*) from app.transaction_fates f join chain.checkpoints k using (chain_id) where f.block_number <= k.finalized_number";
    let below = count(owner, below).await;
    assert!(below > 0 && below < finals, "{below} of {finals}");
    assert_eq!(states(owner, "finalized").await, below);
    assert_eq!(
        count(owner, "select count(*) from app.transaction_fates").await,
        below,
        "the rest is told anew"
    );
    assert_eq!(
        count(owner, "select count(*) from app.followed_transactions").await,
        finals - below + provisional
    );
    run(owner, "update chain.checkpoints set block_number = 2 * finalized_number + 20, finalized_number = 2 * finalized_number + 20").await;
    assert_eq!(states(owner, "finalized").await, below, "not by what was final before");
    run(owner, "insert into chain.asset_events select * from kept").await;
    for _ in 0..20 {
        settle(owner).await;
    }
    assert_eq!(states(owner, "finalized").await, finals + provisional);
    assert_eq!(count(owner, "select count(*) from app.followed_transactions").await, 0);
}

#[tokio::test]
async fn one_tenants_many_do_not_keep_anothers_from_their_turn() {
    let mut platform = followed(71, 2).await;
    let [many, few] = platform.tenants;
    let owner = &mut platform.owner;
    for (tenant, number) in [(many, 5_000), (few, 3)] {
        let sql = format!(
            "insert into app.submitted_transactions (tenant_id, chain_id, transaction_hash, operation_type)
             select '{tenant}', {CHAIN_ID}, api.hex(sha256(convert_to('{tenant}' || n, 'UTF8'))), 'transfer' from generate_series(1, {number}) n"
        );
        run(owner, &sql).await;
    }
    let asked = format!(
        "select count(*) from app.pending_transactions({CHAIN_ID}, 100) p
         join app.submitted_transactions s using (transaction_hash) where s.tenant_id = "
    );
    let mut seen = 0;
    for _ in 0..10 {
        assert_eq!(count(owner, &format!("{asked}'{few}'")).await, 3);
        seen = count(owner, &format!("{asked}'{many}'")).await;
        assert_eq!(seen, 50, "its share");
    }
    assert_eq!(seen, 50);
}
