//! The command line: arguments, and which exit code an end has.

mod backfill;
mod decode;
mod derivation;
mod maintain;
mod migrate;
mod operate;
mod privacy;
mod providers;
mod redact;
mod report;
mod requests;
mod run;
mod setup;
mod status;
mod verify;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::Overrides;
use crate::store::postgres::Part;

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 something was found (differences, a failed check); 2 usage; 69 the node or the database was not \
there at the start; 70 a stored row cannot be read, or a bug; 71 no threads could be started; 73 a file could not be \
written; 75 try again, or a check that could not be finished; 76 halted: an operator must act; 77 rights are missing; 78 \
the configuration or the schema is wrong; 141 the reader of its output has gone.";

/// Keeps the register of title for tokenized assets: follows ERC-3643, ONCHAINID and ERC-20 contracts into PostgreSQL.
///
/// The shortest start:  asset-indexer run --rpc http://127.0.0.1:8545 --contract trex_factory=0x…
///
/// Without a database URL a private PostgreSQL is started from the programs on this machine.
#[derive(Parser)]
#[command(version, after_help = EXIT_CODES)]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command understands.
#[derive(Args)]
struct Global {
    /// The configuration, TOML; see config/asset-indexer.toml for every key.
    #[arg(long, global = true, env = "ASSET_INDEXER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The node's URL: http, https, ws or wss. Environment: RPC_URL, RPC_URL_FILE.
    #[arg(long, global = true, value_name = "URL")]
    rpc: Option<String>,
    /// A contract to start from, as ROLE=ADDRESS or ROLE=ADDRESS@START_BLOCK; may be repeated.
    #[arg(long = "contract", global = true, value_name = "ROLE=ADDRESS")]
    contracts: Vec<String>,
    /// The database's URL. Environment: DATABASE_URL, DATABASE_URL_FILE. None: a private PostgreSQL.
    #[arg(long, global = true, value_name = "URL")]
    database_url: Option<String>,
    /// Accept a register that is complete only from a start block above the first event.
    #[arg(long, global = true)]
    partial: bool,
    /// Where to serve /live, /ready, /status and /metrics, or `off`.
    #[arg(long, global = true, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Log lines as json or text; by default text on a terminal, json elsewhere. Environment: LOG_FORMAT.
    #[arg(long, global = true, value_name = "FORMAT")]
    log_format: Option<String>,
}

impl Global {
    fn overrides(&self) -> Overrides {
        Overrides {
            rpc: self.rpc.clone(),
            contracts: self.contracts.clone(),
            database_url: self.database_url.clone(),
            partial: self.partial,
            listen: self.listen.clone(),
            log_format: self.log_format.clone(),
        }
    }
}

#[derive(Subcommand)]
enum Command {
    /// Follow the chain until stopped: backfill, then every new block, through reorgs.
    Run,
    /// Index a bounded range and stop; over indexed blocks, read them again and compare.
    ///
    /// On an empty database indexing starts at --from. Over blocks that are indexed already, they are read again,
    /// compared with the tables, and differences are reported (exit code 1); --repair mends them. While a worker runs,
    /// the work is handed to it through the database. Exit code 0 means that the range is complete.
    Backfill {
        /// First block.
        #[arg(long, value_name = "BLOCK")]
        from: u64,
        /// Last block; by default the newest one when the command begins.
        #[arg(long, value_name = "BLOCK")]
        to: Option<u64>,
        /// Mend differences: put missing events in, take false ones out, derive the tables again.
        #[arg(long)]
        repair: bool,
        /// Where no worker is alive: index also with another configuration than rows were derived with so far; no repair does.
        #[arg(long, conflicts_with = "repair")]
        accept_configuration: bool,
    },
    /// Show how far the tables are: head, finalized, checkpoint, lag, contracts, holders.
    Status {
        /// For machines.
        #[arg(long)]
        json: bool,
    },
    /// Show what each node is and can prove; exit code 1 when one is on another chain, or nothing can be proved that must.
    Providers {
        /// For machines.
        #[arg(long)]
        json: bool,
    },
    /// Check the tables: by themselves, against the node's proofs, the contracts, other nodes and installations.
    ///
    /// Changes nothing and may run beside a worker. Exit code 0: every check was finished and found nothing; 1: something
    /// was found; 75: a check could not be finished.
    Verify(verify::Arguments),
    /// Report what the register says of an asset: cap table, concentration, compliance, issuance, or the regulatory summary.
    ///
    /// Only reads, from one snapshot of the database. Exact, as of the end of one block, with a SHA-256 over the CSV form.
    #[command(after_long_help = report::DIGEST)]
    Report(report::Arguments),
    /// Derive every table again from the stored events; needs no node, and gives equal tables.
    Rebuild {
        /// Where no worker is alive: also with another configuration than rows were derived with so far, which is refused else.
        #[arg(long)]
        accept_configuration: bool,
    },
    /// Show what would be written for a transaction, without writing.
    Decode {
        /// The transaction's hash.
        #[arg(value_name = "TX")]
        transaction: alloy::primitives::B256,
        /// For machines.
        #[arg(long)]
        json: bool,
    },
    /// Let a halted chain go on as it is, after the cause was looked into.
    Resume {
        /// Why; kept in the system's events.
        #[arg(long)]
        reason: String,
    },
    /// Take every block above N back; the way out of a halt when the chain changed below finality.
    Rewind {
        /// The block that stays.
        #[arg(long, value_name = "BLOCK")]
        to: u64,
        /// Why; kept in the audit trail.
        #[arg(long)]
        reason: String,
    },
    /// Show what was handed to the worker and has not ended; or take one back that has not begun.
    ///
    /// `backfill`, `rebuild`, `rewind` and `resume` hand their work to a worker that is alive. Ended by SIGINT or SIGTERM, or
    /// when the database stays away for a minute, they take it back; what has begun goes on, and they say so.
    Requests {
        /// Take this one back: it is not carried out.
        #[arg(long, value_name = "ID")]
        withdraw: Option<uuid::Uuid>,
    },
    /// Bring the database's schema to this program's version (as its owner: ADMIN_DATABASE_URL).
    Migrate {
        /// Print the SQL that makes the roles, for an administrator, and do nothing else.
        #[arg(long)]
        print_roles: bool,
        /// Leave the application's tables (schema `app`) out: the platform has its own.
        #[arg(long)]
        without_app: bool,
        /// The way back: take every version above this one down, newest first; 0 for all. Stop the daemon first.
        #[arg(long, value_name = "VERSION", conflicts_with_all = ["print_roles", "without_app"])]
        down_to: Option<i64>,
        /// With --down-to: the versions of the application's tables instead of the chain's. They go first.
        #[arg(long, requires = "down_to")]
        application: bool,
        /// With --down-to: the tables and columns that may be lost with their rows, each by its name.
        #[arg(long, requires = "down_to", value_name = "NAME,...", value_delimiter = ',')]
        accept_loss: Vec<String>,
    },
    /// Archive, delete and put back by the retention policies (as the owner: ADMIN_DATABASE_URL); by default a dry run.
    ///
    /// What ops.retention_policies says is old enough goes into files or is deleted; what a legal hold (ops.legal_holds)
    /// stands on is kept. May be killed at any point and run again, and runs beside a worker.
    Maintain(maintain::Arguments),
    /// Write everything that is stored of a person, and what the chain says of their wallets, as JSON.
    ///
    /// As the application's owner: ADMIN_DATABASE_URL. The same state gives the same bytes. Secrets are left out, by name.
    /// Recorded in app.access_logs.
    Export {
        /// The person: app.users.id.
        #[arg(long, value_name = "UUID")]
        subject: uuid::Uuid,
        /// A new file for it, which only its owner can read; by default standard output.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// The keys that wrap the persons' keys, a line each: NAME and 32 bytes in base64. Without it, what is encrypted
        /// is named as encrypted.
        #[arg(long, value_name = "FILE")]
        key_file: Option<PathBuf>,
    },
    /// Erase a person: show what that does and to how many rows, or do it with --apply.
    ///
    /// As the application's owner: ADMIN_DATABASE_URL. The user becomes a placeholder; profile, settings, sessions,
    /// accounts, verifications and wallet links are deleted, the person's key destroyed, logs cleared; what law retains is
    /// restricted to compliance and auditors. Refused under a legal hold. Recorded in app.erasures and app.access_logs.
    Erase {
        /// The person: app.users.id.
        #[arg(long, value_name = "UUID")]
        subject: uuid::Uuid,
        /// The request's reference, kept for ever: no name, no address.
        #[arg(long)]
        ticket: String,
        /// Do it.
        #[arg(long)]
        apply: bool,
        /// Afterwards, look through every text of the application's tables for the person's e-mail, names, addresses and
        /// wallets, and tell where they stand still: in reports, in what others wrote. Takes its time.
        #[arg(long, requires = "apply")]
        search: bool,
    },
    /// Check the configuration and print what is in effect, and where from; secrets are not shown.
    CheckConfig,
}

/// How a command ended, when not well.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// Something was found.
    pub(crate) const FINDINGS: u8 = 1;
    /// The node or the database was not there.
    pub(crate) const UNAVAILABLE: u8 = 69;
    /// A stored row cannot be read, or a bug.
    pub(crate) const BUG: u8 = 70;
    /// A file could not be written.
    pub(crate) const CANNOT_WRITE: u8 = 73;
    /// Try again.
    pub(crate) const TEMPORARY: u8 = 75;
    /// An operator must act.
    pub(crate) const HALTED: u8 = 76;
    /// Rights are missing.
    pub(crate) const PERMISSION: u8 = 77;
    /// The configuration or the schema is wrong.
    pub(crate) const CONFIG: u8 = 78;

    fn new(code: u8, message: impl std::fmt::Display) -> Self {
        Self { code, message: message.to_string() }
    }
}

/// Whether the database refused for want of rights, or of a login.
fn lacks_rights(reason: &str) -> bool {
    ["SQLSTATE 42501", "SQLSTATE 28"].iter().any(|known| reason.contains(known))
}

impl From<crate::store::StoreError> for Failure {
    fn from(error: crate::store::StoreError) -> Self {
        use crate::store::StoreError as E;
        let code = match &error {
            E::Unavailable { .. } => Self::UNAVAILABLE,
            E::Refused { reason, .. } if lacks_rights(reason) => Self::PERMISSION,
            E::Refused { .. } | E::OtherChain { .. } | E::OtherSchema { .. } => Self::CONFIG,
            E::NotTheWriter => Self::TEMPORARY,
            E::Archived { .. } => Self::HALTED,
            E::Corrupt { .. } => Self::BUG,
        };
        match &error {
            E::Refused { during, reason } if *during != "migrating" && reason.contains("SQLSTATE 42501") => {
                // For staging tables; no group of ours has it, PUBLIC does unless somebody revoked it.
                let remedy = if reason.contains("create temporary tables") {
                    "grant temporary on database … to the role of the database's URL"
                } else {
                    "grant asset_indexer_writer to the role of the database's URL"
                };
                Self::new(code, format!("{error}; {remedy}"))
            }
            // Statements are prepared once a connection, which a pooler gives to another at the next transaction.
            E::Refused { reason, .. } if ["42P05", "26000"].iter().any(|known| reason.contains(known)) => {
                let remedy =
                    "the database's URL leads through a pooler by transaction: name PostgreSQL itself";
                Self::new(code, format!("{error}; {remedy}"))
            }
            _ => Self::new(code, error),
        }
    }
}

impl From<crate::source::SourceError> for Failure {
    fn from(error: crate::source::SourceError) -> Self {
        use crate::source::SourceError as E;
        let code = match &error {
            E::Unavailable { .. } => Self::UNAVAILABLE,
            E::Refused { .. } | E::Pruned { .. } => Self::CONFIG,
            E::BlockGone { .. } => Self::TEMPORARY,
            E::Inconsistent { .. } => Self::HALTED,
        };
        Self::new(code, error)
    }
}

impl From<crate::sync::SyncError> for Failure {
    fn from(error: crate::sync::SyncError) -> Self {
        use crate::sync::SyncError as E;
        match error {
            E::Source(error) => error.into(),
            E::Store(error) => error.into(),
            E::Start(error) => Self::new(Self::CONFIG, error),
            E::Unprovable { .. } => Self::new(Self::TEMPORARY, error),
            E::Contradiction(_) | E::Disproved { .. } => Self::new(Self::HALTED, error),
        }
    }
}

impl From<crate::execute::ExecuteError> for Failure {
    fn from(error: crate::execute::ExecuteError) -> Self {
        match error {
            crate::execute::ExecuteError::Sync(error) => error.into(),
            crate::execute::ExecuteError::OtherConfiguration { .. } => Self::new(Self::CONFIG, error),
            error => Self::new(Self::FINDINGS, error),
        }
    }
}

/// Runs the command that was typed.
pub fn main() -> ExitCode {
    redact::watch_panics();
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&Failure::new(71, format!("no runtime could be started: {error}"))),
    };
    let ended = runtime.block_on(execute(&arguments));
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failed(&failure),
    }
}

fn failed(failure: &Failure) -> ExitCode {
    eprintln!("asset-indexer: {}", redact::clean(&failure.message));
    ExitCode::from(failure.code)
}

async fn execute(arguments: &Arguments) -> Result<(), Failure> {
    if let Command::Migrate { print_roles: true, .. } = arguments.command {
        print!("{}", crate::store::postgres::role_sql());
        return Ok(());
    }
    let config = setup::configured(&arguments.global)?;
    match &arguments.command {
        Command::Run => run::run(config).await,
        Command::Backfill { from, to, repair, accept_configuration } => {
            backfill::backfill(config, *from, *to, *repair, *accept_configuration).await
        }
        Command::Status { json } => status::status(&config, *json).await,
        Command::Providers { json } => providers::providers(&config, *json).await,
        Command::Verify(arguments) => verify::verify(&config, arguments).await,
        Command::Report(arguments) => report::report(&config, arguments).await,
        Command::Rebuild { accept_configuration } => operate::rebuild(config, *accept_configuration).await,
        Command::Decode { transaction, json } => decode::decode(&config, *transaction, *json).await,
        Command::Rewind { to, reason } => operate::rewind(config, *to, reason).await,
        Command::Resume { reason } => operate::resume(config, reason).await,
        Command::Requests { withdraw } => requests::requests(&config, *withdraw).await,
        Command::Migrate { down_to: Some(target), application, accept_loss, .. } => {
            let part = if *application { Part::Application } else { Part::Chain };
            migrate::down(&config, part, *target, accept_loss).await
        }
        Command::Migrate { without_app, .. } => migrate::up(&config, !without_app).await,
        Command::Maintain(arguments) => maintain::maintain(&config, arguments).await,
        Command::Export { subject, out, key_file } => {
            privacy::export(&config, *subject, out.as_deref(), key_file.as_deref()).await
        }
        Command::Erase { subject, ticket, apply, search } => {
            let order = privacy::Order { subject: *subject, ticket, apply: *apply, search: *search };
            privacy::erase(&config, &order).await
        }
        Command::CheckConfig => {
            print!("{}", config.effective());
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreError;

    #[test]
    fn a_right_that_is_missing_is_told_with_the_one_to_grant() {
        let cases = [
            ("permission denied for schema chain", "; grant asset_indexer_writer to the role"),
            (
                "permission denied to create temporary tables in database \"register\"",
                "; grant temporary on database … to the role",
            ),
        ];
        for (said, remedy) in cases {
            let reason = format!("{said} (SQLSTATE 42501)");
            let failure = Failure::from(StoreError::Refused { during: "committing", reason });
            assert_eq!(failure.code, Failure::PERMISSION, "{said}");
            assert!(failure.message.contains(said) && failure.message.contains(remedy), "{failure:?}");
        }
    }
}
