//! What a running daemon does beside following the chain, seen on a real node: submitted transactions are followed to
//! their end, months are made, trails sealed, changes of verdicts logged.

use alloy::primitives::{Address, B256, Bytes};
use scenario::{Call, Step};
use uuid::Uuid;

use super::slots;
use crate::support::process::until;
use crate::support::scene::Scene;

async fn tenant(scene: &Scene) -> Uuid {
    sqlx::query_scalar("insert into app.tenants (name) values ('a platform') returning id")
        .fetch_one(&scene.pool)
        .await
        .expect("a tenant")
}

/// Waits until transactions have these states, as the tenant's application reads them.
async fn become_states(scene: &Scene, tenant: Uuid, wanted: &[(B256, &str)]) {
    let mut connection = scene.pool.acquire().await.expect("a connection");
    sqlx::query(sqlx::AssertSqlSafe(format!("set app.tenant = '{tenant}'")))
        .execute(&mut *connection)
        .await
        .expect("set");
    let mut wanted: Vec<(String, String)> =
        wanted.iter().map(|(hash, state)| (hash.to_string(), (*state).to_owned())).collect();
    wanted.sort();
    until(&format!("{wanted:?}"), async || {
        let states: Vec<(String, String)> = sqlx::query_as(
            "select transaction_hash, status from api.submitted_transactions order by transaction_hash",
        )
        .fetch_all(&mut *connection)
        .await
        .expect("readable");
        (states == wanted).then_some(())
    })
    .await;
}

#[tokio::test]
async fn submitted_transactions_are_followed_to_their_end() {
    let scene = Scene::begin(slots(4)).await;
    let tenant = tenant(&scene).await;
    let (sender, other) = (scene.node.account(7), scene.node.account(8));
    let quiet = Call::raw(sender, other, Bytes::new(), "nothing to a wallet");
    let done = scene.node.send(&quiet).await.expect("it is mined").transaction_hash;
    // Code that is one invalid instruction: the deployment is mined, and fails.
    let broken =
        Call::deploy(sender, Bytes::from_static(&[0xfe]), "a deployment that fails").with_gas(200_000);
    let failed = scene.node.attempt(&broken).await.expect("it is mined").transaction_hash;
    let [replaced, waiting, unsigned] = [[1; 32], [2; 32], [3; 32]].map(B256::from);
    let insert = |hash: B256, sender: Option<(Address, i64)>| {
        sqlx::query(
            "insert into app.submitted_transactions (tenant_id, chain_id, transaction_hash, operation_type, sender, nonce)
             values ($1, 31337, $2, 'transfer', $3, $4)",
        )
        .bind(tenant)
        .bind(hash.to_string())
        .bind(sender.map(|(sender, _)| format!("{sender:#x}")))
        .bind(sender.map(|(_, nonce)| nonce))
        .execute(&scene.pool)
    };
    insert(done, None).await.expect("inserted");
    insert(failed, None).await.expect("inserted");
    insert(replaced, Some((sender, 0))).await.expect("inserted");
    insert(waiting, Some((sender, 9))).await.expect("inserted");
    insert(unsigned, None).await.expect("inserted");
    let _daemon = scene.program.writer().await;
    // The sender's first transaction is in a block that may be taken back: what stands in its place is not lost yet.
    let early = [
        (done, "included"),
        (failed, "failed"),
        (replaced, "pending"),
        (waiting, "pending"),
        (unsigned, "pending"),
    ];
    become_states(&scene, tenant, &early).await;
    scene.node.mine(12).await.expect("anvil mines");
    // Told once, it is dropped only if it is told again a minute later; the test does not wait for that.
    until("its place is taken", async || {
        let moved = "update app.transaction_fates set asked_at = asked_at - interval '2 minutes'
            where fate = 'replaced' and not is_settled";
        let moved = sqlx::query(moved).execute(&scene.pool).await.expect("moved");
        (moved.rows_affected() > 0).then_some(())
    })
    .await;
    let late = [
        (done, "finalized"),
        (failed, "failed"),
        (replaced, "dropped"),
        (waiting, "pending"),
        (unsigned, "pending"),
    ];
    become_states(&scene, tenant, &late).await;
    let unsettled: i64 =
        sqlx::query_scalar("select count(*) from app.transaction_fates where not is_settled")
            .fetch_one(&scene.pool)
            .await
            .expect("readable");
    // Its block is final; the next round sees it.
    until("all fates are settled", async || {
        let left: i64 = sqlx::query_scalar("select count(*) from app.transaction_fates where not is_settled")
            .fetch_one(&scene.pool)
            .await
            .expect("readable");
        (left == 0).then_some(())
    })
    .await;
    assert!(unsettled <= 1, "{unsettled}");
}

/// A reorg takes a transaction's block: it is pending again.
#[tokio::test]
async fn a_transaction_whose_block_is_taken_back_is_pending_again() {
    let scene = Scene::begin(slots(16)).await;
    let tenant = tenant(&scene).await;
    let quiet = Call::raw(scene.node.account(7), scene.node.account(8), Bytes::new(), "nothing to a wallet");
    let done = scene.node.send(&quiet).await.expect("it is mined").transaction_hash;
    sqlx::query(
        "insert into app.submitted_transactions (tenant_id, chain_id, transaction_hash, operation_type)
         values ($1, 31337, $2, 'transfer')",
    )
    .bind(tenant)
    .bind(done.to_string())
    .execute(&scene.pool)
    .await
    .expect("inserted");
    let _daemon = scene.program.writer().await;
    become_states(&scene, tenant, &[(done, "included")]).await;
    scene.node.reorg(&scenario::Reorg::of(2)).await.expect("anvil forks");
    become_states(&scene, tenant, &[(done, "pending")]).await;
}

#[tokio::test]
async fn a_running_daemon_makes_months_seals_trails_and_logs_verdicts() {
    let mut scene = Scene::begin(slots(2)).await;
    scene.play_through(Step::Investors).await;
    scene.node.mine(8).await.expect("anvil mines");
    let daemon = scene.program.writer().await;
    scene.caught_up().await;
    daemon.stop("to start again with a tenant").await;
    let tenant = tenant(&scene).await;
    sqlx::query("insert into app.tenant_assets (tenant_id, asset_id) select $1, id from chain.assets")
        .bind(tenant)
        .execute(&scene.pool)
        .await
        .expect("it deals with them");
    let _daemon = scene.program.writer().await;
    for (what, sql) in [
        (
            "verdicts are logged",
            "select count(*) from app.compliance_logs where compliance_check = 'verdicts_of_registry'",
        ),
        ("the trail is sealed", "select count(*) from app.audit_seals"),
        ("months are made ahead", "select greatest(app.months_ahead() - 2, 0)::bigint"),
    ] {
        until(what, async || {
            let count: i64 = sqlx::query_scalar(sql).fetch_one(&scene.pool).await.expect("readable");
            (count > 0).then_some(())
        })
        .await;
    }
}

/// Looks that fail are told, and what does not hang on what failed is told all the same.
#[tokio::test]
async fn what_cannot_be_looked_at_is_told_and_months_that_run_out_are_counted() {
    let scene = Scene::begin(slots(4)).await;
    let spoil = r"
        alter function app.ensure_months(integer) rename to not_to_be_found;
        alter function app.security_figures() rename to not_to_be_found;
        do $$
        declare
            month text;
        begin
            for month in
                select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
                where n.nspname = 'app' and c.relname ~ '^access_logs_\d{4}_\d{2}$'
                    and c.relname > 'access_logs' || to_char(now() at time zone 'UTC', '_YYYY_MM')
            loop
                execute format('drop table app.%I', month);
            end loop;
        end
        $$";
    sqlx::raw_sql(spoil).execute(&scene.pool).await.expect("the superuser may");
    let daemon = scene.program.writer().await;
    let tells = async |sample: &str| {
        until(sample, async || {
            let (_, text) = daemon.get("/metrics").await;
            text.lines().any(|line| line == sample).then_some(())
        })
        .await;
    };
    tells("asset_indexer_partitions_ahead{chain=\"31337\"} 0").await;
    for look in ["months", "security"] {
        tells(&format!("asset_indexer_application_unseen{{chain=\"31337\",look=\"{look}\"}} 1")).await;
    }
    daemon.stop("to look again").await;
    let mend = "alter function app.not_to_be_found(integer) rename to ensure_months;
        alter function app.not_to_be_found() rename to security_figures";
    sqlx::raw_sql(mend).execute(&scene.pool).await.expect("the superuser may");
    let daemon = scene.program.writer().await;
    for look in ["months", "security"] {
        let sample = format!("asset_indexer_application_unseen{{chain=\"31337\",look=\"{look}\"}} 0");
        until(&sample, async || {
            let (_, text) = daemon.get("/metrics").await;
            (text.contains(&sample) && text.contains("asset_indexer_partitions_ahead{chain=\"31337\"} 3"))
                .then_some(())
        })
        .await;
    }
}
