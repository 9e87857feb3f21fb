//! `maintain`: retention by hand or from a schedule; without `--apply` it tells what it would do.

use std::path::PathBuf;

use super::{Failure, setup};
use crate::config::Config;
use crate::maintain::{self, Due, MaintainError, rows};

/// What is asked.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Do it; without, nothing is changed.
    #[arg(long)]
    apply: bool,
    /// Where archives are written, and destroyed when their time is over: a file and a manifest for each partition.
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// Put archived partitions back, from their files in this folder; nothing else is done.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["apply", "to"])]
    attach: Option<PathBuf>,
}

impl From<MaintainError> for Failure {
    fn from(error: MaintainError) -> Self {
        use MaintainError as E;
        let code = match error {
            E::Store(error) => return error.into(),
            E::File { .. } => Self::CANNOT_WRITE,
            E::Altered { .. }
            | E::Unreadable { .. }
            | E::Taken { .. }
            | E::NothingToAttach { .. }
            | E::Incomplete { .. } => Self::FINDINGS,
            E::Busy => Self::TEMPORARY,
            E::NotTheOwner { .. } => Self::PERMISSION,
            E::NoRule { .. } => Self::CONFIG,
        };
        Self::new(code, error)
    }
}

/// See the module.
pub(super) async fn maintain(config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    let mut owner = setup::owner(config).await?;
    let ended = work(&mut owner.connection, arguments).await;
    owner.close().await;
    ended
}

async fn work(connection: &mut sqlx::postgres::PgConnection, arguments: &Arguments) -> Result<(), Failure> {
    maintain::prepare(connection).await?;
    if let Some(folder) = &arguments.attach {
        for message in maintain::attach::attach(connection, folder).await? {
            println!("{message}");
        }
        return Ok(());
    }
    let due = maintain::due(connection).await?;
    let goes = due.iter().filter(|due| due.kept.is_empty()).count();
    if arguments.apply && arguments.to.is_none() && goes > 0 {
        let message = format!("{goes} partitions are due to be archived: say where to, with --to DIR");
        return Err(Failure::new(2, message));
    }
    // Listed before anything is archived: what a run writes it does not destroy.
    let expired = maintain::expired(connection).await?;
    let tells = |partition: &maintain::Partition| rows::TELL_OF_ACTIVITY.contains(&partition.table.as_str());
    let tells_of_activity = |due: &Due| due.kept.is_empty() && due.unit.partitions.iter().any(tells);
    if arguments.apply && due.iter().any(tells_of_activity) {
        rows::note_activity(connection).await?;
    }
    for due in &due {
        archive(connection, arguments, due).await?;
    }
    for rows in rows::due(connection).await? {
        delete(connection, arguments, &rows).await?;
    }
    destroy(connection, arguments, expired).await?;
    let silent = rows::silent_subjects(connection).await?;
    if silent > 0 {
        println!(
            "{silent} users have been without activity for as long as their data is kept: each is erased by name"
        );
    }
    if !arguments.apply {
        println!("nothing was changed: --apply does it");
    }
    Ok(())
}

fn keeps(what: &str, kept: &[String]) {
    println!("keeps {what}: {}", kept.join("; "));
}

async fn archive(
    connection: &mut sqlx::postgres::PgConnection,
    arguments: &Arguments,
    due: &Due,
) -> Result<(), Failure> {
    if !due.kept.is_empty() {
        keeps(&due.unit.to_string(), &due.kept);
        return Ok(());
    }
    match &arguments.to {
        Some(folder) if arguments.apply => {
            let kept = maintain::archive::archive(connection, due, folder).await?;
            if kept.is_empty() {
                println!("archived {}: {} rows", due.unit, due.rows);
            } else {
                keeps(&due.unit.to_string(), &kept);
            }
        }
        _ => println!("would archive {}: {} rows", due.unit, due.rows),
    }
    Ok(())
}

async fn delete(
    connection: &mut sqlx::postgres::PgConnection,
    arguments: &Arguments,
    rows: &rows::Rows,
) -> Result<(), Failure> {
    let rows::Rows { table, activity, due, held, kept } = rows;
    if *held > 0 {
        let mut reasons = kept.clone();
        if reasons.is_empty() {
            reasons.push("legal holds stand on them".to_owned());
        }
        keeps(&format!("{held} rows of {table}"), &reasons);
    }
    if *due == 0 {
        return Ok(());
    }
    if arguments.apply {
        let deleted = rows::delete(connection, rows).await?;
        println!("deleted {deleted} rows of {table} ({activity})");
    } else {
        println!("would delete {due} rows of {table} ({activity})");
    }
    Ok(())
}

async fn destroy(
    connection: &mut sqlx::postgres::PgConnection,
    arguments: &Arguments,
    expired: Vec<maintain::Expired>,
) -> Result<(), Failure> {
    for one in expired {
        if !one.kept.is_empty() {
            keeps(&one.file, &one.kept);
            continue;
        }
        match &arguments.to {
            Some(folder) if arguments.apply => {
                if maintain::destroy(connection, &one, folder).await? {
                    println!("destroyed {}", one.file);
                } else {
                    println!(
                        "{} is due to be destroyed, and not in {} or held since",
                        one.file,
                        folder.display()
                    );
                }
            }
            _ => println!("would destroy {}", one.file),
        }
    }
    Ok(())
}
