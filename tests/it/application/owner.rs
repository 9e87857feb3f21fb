//! The owner need not be a superuser: an administrator makes the roles, the owner migrates, and everything works for the
//! application; also after the tables were given to another owner.

use asset_indexer::store::postgres::{migrate, migrate_application, role_sql};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::{count, refused, run};
use crate::support::world::{cluster, empty_database};

#[tokio::test]
async fn an_owner_without_more_rights_migrates_and_the_guards_work_under_any_owner() {
    let cluster = cluster().await;
    let name = empty_database().await;
    let [owner, heir, app, bound] = ["owner", "heir", "app", "bound"].map(|role| format!("{role}_{name}"));
    let connect = async |login: &str| {
        PgConnection::connect_with(&cluster.connect_options(login, &name)).await.expect("a connection")
    };
    let mut administrator = connect("postgres").await;
    administrator.execute(AssertSqlSafe(role_sql().to_owned())).await.expect("an administrator may");
    run(
        &mut administrator,
        &format!(
            "create role {owner} login; create role {heir} login; alter database {name} owner to {owner};
             create role {app} login in role asset_indexer_app; create role {bound} login in role asset_indexer_app"
        ),
    )
    .await;
    let mut owning = connect(&owner).await;
    migrate(&mut owning).await.expect("the owner migrates");
    migrate_application(&mut owning).await.expect("the application's tables too");
    // Rights that were given before are approved; those of a login that comes later are for the owner to approve.
    let beyond = format!(
        "select count(*) from app.security_findings() where kind = 'rights_beyond'
             and (subject in ('{owner}', '{heir}', '{app}', '{bound}') or subject = 'late_{name}')"
    );
    assert_eq!(count(&mut owning, &beyond).await, 0, "of the installation");
    run(&mut administrator, &format!("create role late_{name} login in role asset_indexer_app")).await;
    assert_eq!(count(&mut owning, &beyond).await, 1, "of the later login");
    run(&mut owning, "select app.keep_rights()").await;
    assert_eq!(count(&mut owning, &beyond).await, 0, "approved");
    let nobody = format!("insert into app.tenant_logins select 'nobody_{name}', id from app.tenants");
    run(
        &mut owning,
        &format!(
            "insert into app.tenants (id, name) values (md5('one')::uuid, 'one'), (md5('two')::uuid, 'two');
             insert into app.tenant_logins values ('{bound}', md5('one')::uuid);
             insert into app.users (tenant_id, email) values (md5('two')::uuid, 'two@example.org')"
        ),
    )
    .await;
    let misspelt =
        owning.execute(AssertSqlSafe(nobody)).await.expect_err("there is no such login").to_string();
    assert!(misspelt.contains("there is no login nobody_"), "{misspelt}");
    for (after, by) in [("migrating", &owner), ("reassigning", &heir)] {
        if after == "reassigning" {
            run(
                &mut administrator,
                &format!("reassign owned by {owner} to {heir}; select app.guard_tables()"),
            )
            .await;
        }
        let mut works = connect(&bound).await;
        run(&mut works, "select set_config('app.tenant', md5('two')::uuid::text, false)").await;
        assert_eq!(
            count(&mut works, "select count(*) from app.users where email like 'two@%'").await,
            0,
            "{after}"
        );
        run(&mut works, &format!("insert into app.users (email) values ('{after}@example.org')")).await;
        let trail = format!(
            "select count(*) from app.audit_trail where login = '{bound}' and tenant_id = md5('one')::uuid
                and entity_type = 'users'"
        );
        let mut owning = connect(by).await;
        assert_eq!(count(&mut owning, &trail).await, if after == "migrating" { 1 } else { 2 }, "{after}");
        assert_eq!(count(&mut owning, "select app.months_ahead()::bigint").await, 12, "{after}");
        assert_eq!(refused(&mut owning, "delete from app.audit_trail").await, "42501", "{after}");
    }
    let mut free = connect(&app).await;
    assert_eq!(
        count(&mut free, "select count(*) from app.users").await,
        0,
        "without a tenant nothing is seen"
    );
}
