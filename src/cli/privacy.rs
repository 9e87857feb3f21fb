//! `export` and `erase`: what is stored of a person, given out or erased. The database does both
//! (`app.export_subject`, `app.erase_subject`); here are files, keys and words.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::Failure;
use super::setup;
use crate::cipher::{PersonalKey, WrappingKeys};
use crate::config::Config;
use crate::store::postgres::failed;

/// What stands in the place of a value that only a key can tell.
const ENCRYPTED: &str = "encrypted";

/// `export`.
pub(super) async fn export(
    config: &Config,
    subject: Uuid,
    out: Option<&Path>,
    key_file: Option<&Path>,
) -> Result<(), Failure> {
    let keys = key_file.map(wrapping_keys).transpose()?;
    // Before anything is read: an export that cannot be delivered is none.
    let file = out.map(|path| create(path).map(|file| (path, file))).transpose()?;
    let bundle = match bundle(config, subject, keys.as_ref()).await {
        Ok(bundle) => format!("{bundle:#}\n"),
        Err(failure) => {
            if let Some((path, _)) = file {
                // Empty, and ours.
                drop(std::fs::remove_file(path));
            }
            return Err(failure);
        }
    };
    let Some((path, file)) = file else {
        print!("{bundle}");
        return Ok(());
    };
    put(file, path, &bundle)?;
    println!("what is stored of user {subject} is in {}", path.display());
    Ok(())
}

/// A file that only we can read, and that was not there.
fn create(path: &Path) -> Result<File, Failure> {
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    opened.map_err(|error| {
        let remedy = match error.kind() {
            std::io::ErrorKind::AlreadyExists => "; a file is never overwritten: name a new one",
            _ => "",
        };
        Failure::new(Failure::CANNOT_WRITE, format!("--out {}: {error}{remedy}", path.display()))
    })
}

/// Writes the whole of it, down to the disk.
fn put(mut file: File, path: &Path, text: &str) -> Result<(), Failure> {
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|error| Failure::new(Failure::CANNOT_WRITE, format!("--out {}: {error}", path.display())))
}

fn wrapping_keys(path: &Path) -> Result<WrappingKeys, Failure> {
    let wrong = |error: &dyn std::fmt::Display| {
        Failure::new(Failure::CONFIG, format!("--key-file {}: {error}", path.display()))
    };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
    WrappingKeys::parse(&text).map_err(|error| wrong(&error))
}

async fn bundle(config: &Config, subject: Uuid, keys: Option<&WrappingKeys>) -> Result<Json, Failure> {
    let mut owner = setup::owner(config).await?;
    let bundle = read(&mut owner.connection, subject, keys).await;
    owner.close().await;
    bundle
}

async fn read(
    connection: &mut PgConnection,
    subject: Uuid,
    keys: Option<&WrappingKeys>,
) -> Result<Json, Failure> {
    let refused = |error| refusal("exporting", &error);
    // Recorded first: what was given out is never without its record.
    let mut bundle: Json = sqlx::query_scalar("select app.export_subject($1)")
        .bind(subject)
        .fetch_one(&mut *connection)
        .await
        .map_err(refused)?;
    let key = match keys {
        Some(keys) => {
            let wrapped: Option<(String, String)> = sqlx::query_as(
                "select wrapped_key, wrapping_key from app.subject_keys where user_id = $1 and wrapped_key is not null",
            )
            .bind(subject)
            .fetch_optional(connection)
            .await
            .map_err(refused)?;
            let unwrapped = wrapped.map(|(key, by)| keys.unwrap_key(subject, &key, &by)).transpose();
            unwrapped.map_err(|error| Failure::new(Failure::CONFIG, format!("user {subject}: {error}")))?
        }
        None => None,
    };
    decrypt(&mut bundle, key.as_ref())
        .map_err(|error| Failure::new(Failure::FINDINGS, format!("user {subject}: {error}")))?;
    Ok(bundle)
}

/// Puts what a key tells, or the word that it takes one, in the place of ciphertext. `encrypted` of the bundle lists the
/// columns that hold any.
fn decrypt(bundle: &mut Json, key: Option<&PersonalKey>) -> Result<(), crate::cipher::CipherError> {
    let columns = bundle["encrypted"].as_array().cloned().unwrap_or_default();
    for place in columns.iter().filter_map(Json::as_str) {
        let Some((table, column)) = place.split_once('.') else { continue };
        let rows = bundle["stored"][table].as_array_mut();
        for value in rows.into_iter().flatten().filter_map(|row| row.get_mut(column)) {
            let Some(ciphertext) = value.as_str() else { continue };
            *value = match key {
                Some(key) => json!(key.read(place, ciphertext)?),
                None => json!(ENCRYPTED),
            };
        }
    }
    if key.is_some() {
        bundle["encrypted"] = json!([]);
    }
    Ok(())
}

/// One table's part of an erasure, as the database tells it.
#[derive(Debug, sqlx::FromRow)]
struct Part {
    table_name: String,
    row_count: i64,
    on_erasure: String,
    cleared: Option<String>,
    why: String,
    until: Option<DateTime<Utc>>,
}

impl Part {
    fn what(&self) -> String {
        let what = match (self.on_erasure.as_str(), &self.cleared, self.until) {
            ("clear", Some(columns), _) => format!("overwritten: {columns}"),
            ("restrict", _, Some(until)) => format!("restricted until {}", until.format("%Y-%m-%d")),
            ("delete", ..) => "deleted".to_owned(),
            _ => "kept".to_owned(),
        };
        format!("{what} ({})", self.why)
    }
}

/// What an erasure is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Order<'a> {
    /// The person.
    pub(super) subject: Uuid,
    /// The request's reference.
    pub(super) ticket: &'a str,
    /// Whether to do it, or to show it.
    pub(super) apply: bool,
    /// Whether to look for the person's values everywhere, afterwards.
    pub(super) search: bool,
}

/// `erase`.
pub(super) async fn erase(config: &Config, order: &Order<'_>) -> Result<(), Failure> {
    check_ticket(order.ticket)?;
    let mut owner = setup::owner(config).await?;
    let erased = erase_by(&mut owner.connection, order).await;
    owner.close().await;
    erased.map_err(|error| refusal("erasing", &error))
}

/// An erasure does not reach into files.
async fn tell_of_archives(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let away: i64 = sqlx::query_scalar(
        "select count(*) from ops.archived_partitions
         where table_name like 'app.%' and attached_at is null and destroyed_at is null",
    )
    .fetch_one(connection)
    .await?;
    if away > 0 {
        println!(
            "{away} months of logs are in archives alone and were not looked into: attach them (`maintain --attach`), \
             and clear there what is said of this person, before anybody else does"
        );
    }
    Ok(())
}

/// A reference, so that no name comes into a record that outlives the erasure.
fn check_ticket(ticket: &str) -> Result<(), Failure> {
    let is_first = |c: char| c.is_ascii_alphanumeric();
    let is_next = |c: char| is_first(c) || "._/#:-".contains(c);
    if ticket.len() <= 100 && ticket.starts_with(is_first) && ticket.chars().all(is_next) {
        return Ok(());
    }
    let message = "--ticket is a reference like DSR-2026/17: letters, digits and . _ / # : -, at most 100, no name and no \
                   address: it is kept";
    Err(Failure::new(2, message))
}

async fn erase_by(connection: &mut PgConnection, order: &Order<'_>) -> Result<(), sqlx::Error> {
    let Order { subject, ticket, apply, search } = *order;
    let hold: Option<String> =
        sqlx::query_scalar("select app.hold_on($1)").bind(subject).fetch_one(&mut *connection).await?;
    // Known before they are gone; nowhere else than in this process, and not told.
    let values: Vec<String> = match search {
        true => {
            sqlx::query_scalar("select unnest(app.values_of($1))")
                .bind(subject)
                .fetch_all(&mut *connection)
                .await?
        }
        false => Vec::new(),
    };
    let parts: Vec<Part> = sqlx::query_as("select * from app.erase_subject($1, $2, $3)")
        .bind(subject)
        .bind(ticket)
        .bind(apply)
        .fetch_all(&mut *connection)
        .await?;
    if parts.is_empty() {
        let (under, at): (String, DateTime<Utc>) =
            sqlx::query_as("select ticket, finished_at from app.erasures where user_id = $1")
                .bind(subject)
                .fetch_one(&mut *connection)
                .await?;
        let at = at.format("%Y-%m-%d %H:%M:%S UTC");
        println!("user {subject} was erased on {at} under ticket {under}: nothing is left to do");
        return Ok(());
    }
    for part in &parts {
        println!("{:<24}{:>8}  {}", part.table_name, part.row_count, part.what());
    }
    match (apply, hold) {
        (true, _) => {
            // The log outlives a restore of an older backup.
            tracing::info!(%subject, ticket, "erased");
            tell_of_archives(&mut *connection).await?;
            println!(
                "user {subject} is erased under ticket {ticket}. Keep this ticket outside of the database: whoever \
                 restores an older backup erases again"
            );
        }
        (false, None) => println!("nothing was changed: --apply erases user {subject}"),
        (false, Some(hold)) => {
            println!(
                "nothing was changed, and --apply would be refused: user {subject} is under legal hold {hold}"
            );
        }
    }
    if search {
        tell_traces(connection, &values).await?;
    }
    Ok(())
}

/// Where values of the person stand still.
async fn tell_traces(connection: &mut PgConnection, values: &[String]) -> Result<(), sqlx::Error> {
    let traces: Vec<(String, String, i64)> =
        sqlx::query_as("select * from app.traces_of($1)").bind(values).fetch_all(connection).await?;
    if traces.is_empty() {
        println!("no text of the application's tables holds a value that the person was known by");
    }
    for (table, column, rows) in traces {
        println!(
            "app.{table}.{column} holds such values still, in {rows} rows: whoever wrote them must judge"
        );
    }
    Ok(())
}

/// What the database refused, with its remedy.
fn refusal(during: &'static str, error: &sqlx::Error) -> Failure {
    let told = error.as_database_error().and_then(|database| Some((database.code()?, database.message())));
    match told {
        Some((code, _)) if ["42883", "3F000", "42P01"].contains(&code.as_ref()) => Failure::new(
            Failure::CONFIG,
            "the application's tables are not in this database, or older than this program: `asset-indexer migrate` \
             makes them (without --without-app)",
        ),
        Some((code, message)) if code == "42501" => Failure::new(
            Failure::PERMISSION,
            format!("{message}: connect as the application's owner (ADMIN_DATABASE_URL)"),
        ),
        // No such user; a legal hold.
        Some((code, message)) if code == "P0002" || code == "55000" => {
            Failure::new(Failure::FINDINGS, message)
        }
        _ => failed(during, error).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_a_reference_and_no_sentence() {
        for right in ["1", "DSR-2026/17", "jira:ABC-1#2"] {
            assert!(check_ticket(right).is_ok(), "{right}");
        }
        for wrong in ["", " ", "for Alice", "alice@example.org", "-1", "ä", &"x".repeat(101)] {
            assert!(check_ticket(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_made_or_written_has_an_exit_code_of_its_own() {
        let nowhere = Path::new("/nonexistent/bundle.json");
        let failure = create(nowhere).expect_err("there is no such directory");
        assert_eq!(failure.code, Failure::CANNOT_WRITE);
        assert!(failure.message.contains("/nonexistent/bundle.json"), "{failure:?}");
        let full = Path::new("/dev/full");
        let file = std::fs::OpenOptions::new().write(true).open(full).expect("Linux has it");
        let failure = put(file, full, "{}").expect_err("it is always full");
        assert_eq!(failure.code, Failure::CANNOT_WRITE);
        assert!(failure.message.contains("/dev/full"), "{failure:?}");
    }

    #[test]
    fn without_a_key_the_bundle_says_that_values_are_encrypted() {
        let mut bundle = json!({
            "encrypted": ["user_profiles.phone"],
            "stored": { "user_profiles": [{ "phone": "v1.x", "preferences": "v1.y" }, { "phone": null }], "users": [] },
        });
        decrypt(&mut bundle, None).expect("nothing is decrypted");
        let rows = json!([{ "phone": "encrypted", "preferences": "v1.y" }, { "phone": null }]);
        assert_eq!(bundle["stored"]["user_profiles"], rows);
        assert_eq!(bundle["encrypted"], json!(["user_profiles.phone"]));
    }
}
