//! Retention: policies, legal holds, archives, and what comes back from them.

mod asked;
mod facts;
mod months;
mod policies;
mod rows;

use sqlx::postgres::PgPool;
use sqlx::{AssertSqlSafe, Executor};
use uuid::Uuid;

use crate::support::command::{Ended, Folder, Line, database_url};
use crate::support::world::{database, pool};

/// A database with a tenant and two users, its owner's pool, and a folder for archives.
struct House {
    database: String,
    pool: PgPool,
    folder: Folder,
    tenant: Uuid,
    users: [Uuid; 2],
}

impl House {
    async fn new() -> Self {
        let database = database().await;
        let pool = pool(&database).await;
        let tenant = scalar(&pool, "insert into app.tenants (name) values ('one') returning id").await;
        let mut users = [Uuid::nil(); 2];
        for (n, user) in users.iter_mut().enumerate() {
            let sql = format!(
                "insert into app.users (tenant_id, email) values ('{tenant}', 'user{n}@example.org') returning id"
            );
            *user = scalar(&pool, &sql).await;
        }
        // Else the months of these tests would be destroyed as the years go by.
        run(
            &pool,
            "update ops.retention_policies set delete_after = null where table_name = 'app.user_actions'",
        )
        .await;
        Self { database, pool, folder: Folder::new(), tenant, users }
    }

    /// A month of the past, as a migration from another system would bring it.
    async fn month(&self, table: &str, month: &str) -> String {
        let name = format!("{table}_{}", month.replace('-', "_"));
        let end = next(month);
        self.run(&format!(
            "create table app.{name} partition of app.{table} for values from ('{month}-01 00:00:00+00') to ('{end}');
             create trigger refuse_truncate before truncate on app.{name}
                 for each statement execute function app.refuse_change()"
        ))
        .await;
        name
    }

    async fn actions(&self, month: &str, user: Uuid, count: u32) {
        let tenant = self.tenant;
        self.run(&format!(
            "insert into app.user_actions (tenant_id, user_id, action_type, resource, details, timestamp)
             select '{tenant}', '{user}', 'read', 'a \"line\"' || chr(10) || chr(9) || '\\ and ' || n, '{{\"n\": [1, null]}}',
                 timestamptz '{month}-02 03:04:05.678901+00' + n * interval '1 minute' from generate_series(1, {count}) n"
        ))
        .await;
    }

    async fn run(&self, sql: &str) {
        run(&self.pool, sql).await;
    }

    async fn count(&self, sql: &str) -> i64 {
        scalar(&self.pool, sql).await
    }

    /// `maintain` as the owner.
    async fn line(&self, words: &[&str]) -> Line {
        maintain(&self.database, words).await
    }

    async fn dry(&self) -> String {
        let said = self.line(&[]).await.run().await.done();
        assert!(said.contains("nothing was changed: --apply does it"), "{said}");
        said
    }

    async fn apply(&self) -> String {
        let folder = self.folder.path().display().to_string();
        self.line(&["--apply", "--to", &folder]).await.run().await.done()
    }

    async fn attach(&self) -> Ended {
        let folder = self.folder.path().display().to_string();
        self.line(&["--attach", &folder]).await.run().await
    }

    async fn hold(&self, columns: &str, values: &str) -> i64 {
        let sql = format!(
            "insert into ops.legal_holds ({columns}, reason) values ({values}, 'case 4711') returning id"
        );
        scalar(&self.pool, &sql).await
    }

    async fn release(&self, hold: i64) {
        let sql = format!(
            "update ops.legal_holds set released_at = clock_timestamp(), released_by = 'counsel' where id = {hold}"
        );
        self.run(&sql).await;
    }
}

/// The first instant after a month.
fn next(month: &str) -> String {
    let (year, month) = month.split_once('-').expect("a year and a month");
    let (year, month): (u32, u32) = (year.parse().expect("a year"), month.parse().expect("a month"));
    match month {
        12 => format!("{}-01-01 00:00:00+00", year + 1),
        _ => format!("{year}-{:02}-01 00:00:00+00", month + 1),
    }
}

async fn maintain(database: &str, words: &[&str]) -> Line {
    let line = Line::new(&[&["maintain"], words].concat());
    line.set("ADMIN_DATABASE_URL", database_url("postgres", database).await)
}

async fn run(pool: &PgPool, sql: &str) {
    pool.execute(AssertSqlSafe(sql.to_owned())).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

async fn scalar<T>(pool: &PgPool, sql: &str) -> T
where
    T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
{
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
        .fetch_one(pool)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"))
}
