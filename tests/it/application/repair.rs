//! The repair of guards (`app.guard_table`): it makes what is meant anew, and approves nothing else.

use sqlx::postgres::PgConnection;

use super::{Platform, count, refused, run};

/// What is told of guards: kind and name.
pub(super) async fn told(owner: &mut PgConnection) -> Vec<(String, String)> {
    sqlx::query_as(
        "select kind, subject from app.security_findings() where kind in ('guards_changed', 'guards_beyond') order by 1, 2",
    )
    .fetch_all(owner)
    .await
    .expect("the findings")
}

pub(super) fn changed(name: &str) -> (String, String) {
    ("guards_changed".to_owned(), name.to_owned())
}

pub(super) fn beyond(name: &str) -> (String, String) {
    ("guards_beyond".to_owned(), name.to_owned())
}

/// The first month of a table.
pub(super) async fn month(owner: &mut PgConnection, table: &str) -> String {
    let sql = format!(
        "select min(relname)::text from pg_class where relispartition and relkind = 'r' and relname ~ '^{table}_2'"
    );
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(owner).await.expect("a month is there")
}

#[tokio::test]
async fn the_repair_makes_its_guards_anew_and_approves_nobody_elses() {
    let mut platform = Platform::new().await;
    let owner = &mut platform.owner;
    let approved = "select count(*) from app.system_changes where table_name = 'kept_guards'";
    let before = count(owner, approved).await;
    run(owner, "select app.guard_tables()").await;
    assert_eq!(count(owner, approved).await, before, "what is as it was is made as it was");
    // What a migration made by hand under such a name is not the repair's: it is neither taken away nor approved.
    run(
        owner,
        "begin; alter table app.erasures disable trigger refuse_change; select app.guard_table('erasures')",
    )
    .await;
    assert_eq!(told(owner).await, [changed("trigger refuse_change on app.erasures")]);
    run(owner, "rollback").await;
    let part = month(owner, "access_logs").await;
    let tampering = format!(
        "create function public.swallow() returns trigger language plpgsql as 'begin return null; end';
         create trigger touch before insert on app.access_logs for each row execute function public.swallow();
         create trigger audit before insert on app.{part} for each row execute function public.swallow();
         alter table app.{part} disable trigger refuse_truncate; alter table app.{part} disable trigger refuse_change;
         create trigger refuse_change before insert on app.users for each row execute function public.swallow();
         create policy own on app.roles using (true)"
    );
    run(owner, &tampering).await;
    assert_eq!(
        told(owner).await,
        [
            beyond("policy own on app.roles"),
            beyond(&format!("trigger audit on app.{part}")),
            beyond("trigger refuse_change on app.users"),
            beyond(&format!("trigger refuse_change on app.{part}")),
            beyond("trigger touch on app.access_logs"),
            changed("trigger refuse_truncate on partitions of app.access_logs"),
        ]
        .into_iter()
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect::<Vec<_>>()
    );
    for table in ["access_logs", "users", "roles"] {
        run(owner, &format!("select app.guard_table('{table}')")).await;
    }
    assert_eq!(told(owner).await, []);
    let foreign = "select count(*) from pg_trigger where tgfoid = 'public.swallow'::regproc";
    assert_eq!(count(owner, foreign).await, 0, "what was told is gone, not approved");
    for sql in [format!("truncate app.{part}"), "truncate app.access_logs".to_owned()] {
        assert_eq!(refused(owner, &sql).await, "42501", "{sql}");
    }
    let tenant = platform.tenants[0];
    let rows = format!(
        "insert into app.access_logs (tenant_id, resource, action, result) values ('{tenant}', 'x', 'y', 'denied')"
    );
    run(owner, &rows).await;
    assert_eq!(count(owner, "select count(*) from app.access_logs").await, 1);
    assert_eq!(refused(owner, &format!("delete from app.{part}")).await, "42501");
}
