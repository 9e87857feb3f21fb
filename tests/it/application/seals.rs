//! The trails' chain of seals: whoever goes around the guards is shown.

use sqlx::{AssertSqlSafe, Executor, PgConnection};

use super::{Platform, count, refused, run};

async fn seal(connection: &mut PgConnection) {
    for trail in ["audit_trail", "system_changes"] {
        let end = format!("select app.trail_end('{trail}')");
        let last: Option<i64> =
            sqlx::query_scalar(AssertSqlSafe(end)).fetch_one(&mut *connection).await.expect("its end");
        sqlx::query("select app.seal_trail($1, $2)")
            .bind(trail)
            .bind(last)
            .execute(&mut *connection)
            .await
            .expect("sealed");
    }
}

async fn change(platform: &mut Platform, times: usize) {
    let user = platform.users[0];
    for n in 0..times {
        run(&mut platform.owner, &format!("update app.users set username = 'name {n}' where id = '{user}'"))
            .await;
    }
}

const BROKEN: &str = "select count(*) from app.broken_seals()";

#[tokio::test]
async fn every_way_to_change_a_sealed_trail_shows() {
    let mut platform = Platform::new().await;
    change(&mut platform, 5).await;
    run(&mut platform.owner, "insert into app.system_config (key, value, type) values ('a', '1', 'number')")
        .await;
    seal(&mut platform.owner).await;
    change(&mut platform, 5).await;
    seal(&mut platform.owner).await;
    seal(&mut platform.owner).await;
    let owner = &mut platform.owner;
    assert_eq!(
        count(owner, "select count(*) from app.audit_seals where table_name = 'audit_trail'").await,
        2
    );
    let all = "select ((select sum(row_count) from app.audit_seals where table_name = 'audit_trail')
        = (select count(*) from app.audit_trail))::int::bigint";
    assert_eq!(count(owner, all).await, 1, "every row is sealed");
    assert_eq!(count(owner, BROKEN).await, 0);
    assert_eq!(refused(owner, "delete from app.audit_seals").await, "42501");
    let ways = [
        ("a row is changed", "update app.audit_trail set actor = 'nobody' where id = 3"),
        ("a row is taken out", "delete from app.audit_trail where id = 3"),
        (
            "a row is put in",
            "insert into app.audit_trail (id, entity_type, entity_id, action) overriding system value
            values (2, 'x', 'y', 'delete')",
        ),
        (
            "a seal is taken out",
            "delete from app.audit_seals where id = (select min(id) from app.audit_seals where table_name = 'audit_trail')",
        ),
        (
            "a seal is changed",
            "update app.audit_seals set digest = repeat('0', 64) where id = (select min(id) from app.audit_seals)",
        ),
        ("the configuration's trail", "update app.system_changes set changed_by = 'nobody'"),
    ];
    for (what, sql) in ways {
        let cheat = format!("begin; set local session_replication_role = replica; {sql}");
        run(owner, &cheat).await;
        assert!(count(owner, BROKEN).await > 0, "{what}");
        run(owner, "rollback").await;
        assert_eq!(count(owner, BROKEN).await, 0, "{what}, taken back");
    }
    let before: String = sqlx::query_scalar("select app.newest_seal('audit_trail')")
        .fetch_one(&mut *owner)
        .await
        .expect("a seal");
    run(
        owner,
        "begin; set local session_replication_role = replica; update app.audit_trail set actor = 'nobody' where id = 3;
         delete from app.audit_seals",
    )
    .await;
    seal(owner).await;
    assert_eq!(count(owner, BROKEN).await, 0, "all seals made anew hold");
    let after: String = sqlx::query_scalar("select app.newest_seal('audit_trail')")
        .fetch_one(&mut *owner)
        .await
        .expect("a seal");
    assert_ne!(before, after, "and are not those that were told");
}

#[tokio::test]
async fn a_row_under_way_is_waited_for_and_the_writer_alone_may_seal() {
    let mut platform = Platform::new().await;
    let user = platform.users[1];
    let mut slow = super::connect(&platform.database).await;
    run(&mut slow, &format!("begin; update app.users set username = 'slow' where id = '{user}'")).await;
    change(&mut platform, 2).await;
    assert_eq!(
        refused(&mut platform.owner, "select app.trail_end('audit_trail')").await,
        "55P03",
        "not over its head"
    );
    run(&mut slow, "commit").await;
    let mut writer = platform.works("asset_indexer_writer", 0).await;
    seal(&mut writer).await;
    assert_eq!(count(&mut writer, BROKEN).await, 0);
    writer.execute("reset role").await.expect("the superuser may");
    for role in ["app", "reader", "support", "compliance", "auditor"] {
        let mut works = platform.works(&format!("asset_indexer_{role}"), 0).await;
        assert_eq!(refused(&mut works, "select app.seal_trail('audit_trail', 1)").await, "42501", "{role}");
    }
}

/// What remains of an archived stretch counts in the place of what was sealed; where nothing was archived, nothing remains.
#[tokio::test]
async fn a_remainder_that_somebody_made_up_excuses_nothing() {
    let mut platform = Platform::new().await;
    change(&mut platform, 5).await;
    seal(&mut platform.owner).await;
    let owner = &mut platform.owner;
    run(
        owner,
        "set session_replication_role = replica; delete from app.audit_trail where id = 3; reset session_replication_role",
    )
    .await;
    let broken = count(owner, BROKEN).await;
    assert!(broken > 0);
    run(
        owner,
        "insert into app.seal_remainders (seal_id, partition, row_count, digest)
         select s.id, 'x', d.row_count, d.digest
         from app.audit_seals s, app.trail_digest(s.table_name, s.first_row, s.last_row, s.previous) d",
    )
    .await;
    assert_eq!(count(owner, BROKEN).await, broken);
}
