//! `migrate`: the schema up to this program's version, and down again.

use sqlx::postgres::PgConnection;

use super::Failure;
use super::setup::{Database, connect};
use crate::config::Config;
use crate::store::postgres::{Loss, Migrated, Part, SteppedDown, migrate, migrate_application, step_down};

/// A connection as the schema's owner; none where the database is private.
async fn as_owner(config: &Config) -> Result<Option<PgConnection>, Failure> {
    match config.database.owner_url() {
        Some(url) => Ok(Some(connect(&url.connect_options()).await?)),
        None => Ok(None),
    }
}

/// Brings the configured database's schema up to date, as its owner, and the application's tables, where they are wanted.
pub(super) async fn up(config: &Config, with_application: bool) -> Result<(), Failure> {
    let Some(mut connection) = as_owner(config).await? else {
        let database = Database::open(config).await?;
        println!("the private PostgreSQL is up to date");
        database.close().await;
        return Ok(());
    };
    tell("the schema", &migrate(&mut connection).await?);
    if with_application {
        tell("the application's schema", &migrate_application(&mut connection).await?);
    }
    Ok(())
}

fn tell(what: &str, migrated: &Migrated) {
    match migrated.applied.len() {
        0 => println!("{what} is at version {}: nothing to do", migrated.version),
        count => println!("{what} is at version {}: {count} migrations applied", migrated.version),
    }
}

/// Takes versions of the configured database back, as its owner; refused where rows would be lost that nobody named.
pub(super) async fn down(
    config: &Config,
    part: Part,
    target: i64,
    accepted: &[String],
) -> Result<(), Failure> {
    let Some(mut connection) = as_owner(config).await? else {
        let message =
            "a private PostgreSQL is brought up at each start: give ADMIN_DATABASE_URL or DATABASE_URL";
        return Err(Failure::new(Failure::CONFIG, message));
    };
    match step_down(&mut connection, part, target, accepted).await? {
        SteppedDown::Done(versions) if versions.is_empty() => println!("nothing to take down"),
        SteppedDown::Done(versions) => {
            for version in versions {
                println!("version {version} was taken down");
            }
        }
        SteppedDown::WouldLose(losses) => return Err(would_lose(&losses)),
    }
    Ok(())
}

/// Keys that a message names of each table.
const KEYS_SHOWN: usize = 5;

fn would_lose(losses: &[Loss]) -> Failure {
    let names = |some: &dyn Fn(&&Loss) -> bool| -> Vec<&str> {
        losses.iter().filter(some).map(|loss| loss.name.as_str()).collect()
    };
    let mut told = Vec::new();
    let gone = names(&|loss| loss.rows.is_empty());
    if !gone.is_empty() {
        told.push(format!("these hold rows and would be gone: {}", gone.join(",")));
    }
    for Loss { name, rows } in losses.iter().filter(|loss| !loss.rows.is_empty()) {
        let keys = rows.iter().take(KEYS_SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = rows.len().saturating_sub(KEYS_SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let table = name.trim_end_matches(":rows");
        told.push(format!(
            "rows of {table} were changed since they were made, and that would be lost: {keys}{more}"
        ));
    }
    let message = format!(
        "{}; nothing was changed. Make a backup, and accept the loss by name: --accept-loss {}",
        told.join("; "),
        names(&|_| true).join(",")
    );
    Failure::new(Failure::FINDINGS, message)
}
