//! The application's tables: what the seed promises of them, and that they guard themselves.

mod fates;
mod findings;
mod guards;
mod module_findings;
mod owner;
mod privacy;
mod repair;
mod rights;
mod seals;
mod security;
pub mod seed;
mod tenants;
mod times;
mod verdicts;
mod verified;
mod views;
mod watch;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};
use uuid::Uuid;

use crate::support::world::{cluster, database};

/// A database with two tenants, each with a user, and how to work for them.
struct Platform {
    database: String,
    owner: PgConnection,
    tenants: [Uuid; 2],
    users: [Uuid; 2],
}

impl Platform {
    async fn new() -> Self {
        let database = database().await;
        let mut owner = connect(&database).await;
        let mut tenants = [Uuid::nil(); 2];
        let mut users = [Uuid::nil(); 2];
        for (n, name) in ["one", "two"].into_iter().enumerate() {
            tenants[n] = sqlx::query_scalar("insert into app.tenants (name) values ($1) returning id")
                .bind(name)
                .fetch_one(&mut owner)
                .await
                .expect("a tenant");
            users[n] = sqlx::query_scalar(
                "insert into app.users (tenant_id, email, username) values ($1, $2, $3) returning id",
            )
            .bind(tenants[n])
            .bind(format!("{name}@example.org"))
            .bind(name)
            .fetch_one(&mut owner)
            .await
            .expect("a user");
        }
        Self { database, owner, tenants, users }
    }

    /// A connection in a role, for the nth tenant.
    async fn works(&self, role: &str, tenant: usize) -> PgConnection {
        let mut connection = connect(&self.database).await;
        let sql = format!("set role {role}; set app.tenant = '{}'", self.tenants[tenant]);
        connection.execute(AssertSqlSafe(sql)).await.expect("the superuser may");
        connection
    }
}

pub async fn connect(database: &str) -> PgConnection {
    let options = cluster().await.connect_options("postgres", database);
    PgConnection::connect_with(&options).await.expect("a connection")
}

/// The SQLSTATE that a statement is refused with.
async fn refused(connection: &mut PgConnection, sql: &str) -> String {
    let error = connection.execute(AssertSqlSafe(sql.to_owned())).await.expect_err(sql);
    error.as_database_error().and_then(|error| error.code()).unwrap_or_default().into_owned()
}

pub async fn run(connection: &mut PgConnection, sql: &str) {
    connection.execute(AssertSqlSafe(sql.to_owned())).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

async fn count(connection: &mut PgConnection, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
        .fetch_one(connection)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"))
}
