//! `verify`: whether the tables are what they must be.

mod told;

use std::path::PathBuf;
use std::sync::Arc;

use alloy::primitives::Address;
use clap::{Args, ValueEnum};
use sqlx::postgres::PgConnectOptions;
use uuid::Uuid;

use super::Failure;
use super::backfill::Progress;
use super::report::put;
use super::setup::{self, Database};
use crate::block::BlockRange;
use crate::config::{Config, DatabaseUrl};
use crate::rpc::Rpc;
use crate::source::Source;
use crate::store::postgres::{PostgresStore, archived_blocks, failed};
use crate::sync::{self, Sync};
use crate::verify::contracts::Wallets;
use crate::verify::digest::{Digests, STEP};
use crate::verify::report::{Report, in_words};
use crate::verify::{self as checks, Check, Snapshot, Verdict};
use told::Told;

/// Wallets asked about where not all are.
const WALLETS_DRAWN: usize = 500;

/// What is checked; each level also makes the checks of `quick`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Level {
    /// What the database can check by itself.
    Quick,
    /// Contracts, asked at the checkpoint's hash.
    Chain,
    /// Every block proved anew by headers and receipts, every stored answer asked again.
    Receipts,
    /// Every table derived anew from the stored events.
    Deep,
    /// Another node, another installation, or its digests: see --against.
    Against,
    /// The audit trail and the system's events.
    Audit,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Chain => "chain",
            Self::Receipts => "receipts",
            Self::Deep => "deep",
            Self::Against => "against",
            Self::Audit => "audit",
        }
    }
}

/// What `verify` understands.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// What to check; may be repeated.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "quick")]
    level: Vec<Level>,
    /// First block to prove or compare; by default the first that is indexed.
    #[arg(long, value_name = "BLOCK")]
    from: Option<u64>,
    /// Last block to prove or compare; by default the checkpoint.
    #[arg(long, value_name = "BLOCK")]
    to: Option<u64>,
    /// What to compare with: a node's URL, another installation's database URL, or a file made by --digests.
    #[arg(long, value_name = "URL-OR-FILE")]
    against: Option<String>,
    /// Ask about one asset only, by its token's address.
    #[arg(long, value_name = "ADDRESS")]
    asset: Option<Address>,
    /// Ask about every wallet, not a sample.
    #[arg(long)]
    all: bool,
    /// Find the first block at which an asset's contract answers otherwise; needs --asset and a node with old states.
    #[arg(long, requires = "asset")]
    bisect: bool,
    /// With --bisect: look into one wallet.
    #[arg(long, value_name = "ADDRESS", requires = "bisect")]
    holder: Option<Address>,
    /// Write this installation's digests into a file, for another one to compare with.
    #[arg(long, value_name = "FILE")]
    digests: Option<PathBuf>,
    /// Blocks of one digest.
    #[arg(long, value_name = "BLOCKS", default_value_t = STEP, value_parser = clap::value_parser!(u64).range(1..))]
    step: u64,
    /// Write a report to be signed off: Markdown, or JSON where the file's name ends in .json.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// JSON lines: an object for each finding, then a summary. The default where the output is no terminal.
    #[arg(long)]
    json: bool,
}

impl Arguments {
    fn asks(&self, level: Level) -> bool {
        self.level.contains(&level)
    }

    fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<&'static str> = Vec::new();
        for level in Level::value_variants().iter().filter(|level| self.asks(**level)) {
            names.push(level.name());
        }
        if self.bisect {
            names.push("bisect");
        }
        names
    }
}

/// What `--against` names.
enum Against {
    Node(Box<crate::rpc::Config>),
    Database(Box<PgConnectOptions>),
    File(Box<Digests>),
}

/// See the module.
pub(super) async fn verify(config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    let against = against(config, arguments)?;
    let database = Database::open(config).await?;
    let ended = run(config, arguments, against, &database).await;
    database.close().await;
    ended
}

async fn run(
    config: &Config,
    arguments: &Arguments,
    against: Option<Against>,
    database: &Database,
) -> Result<(), Failure> {
    let chain_id = setup::chain_without_node(config, &database.pool).await?;
    let snapshot = Snapshot::open(&database.options, chain_id).await?;
    let Some(mut snapshot) = snapshot else { return Err(crate::execute::ExecuteError::Empty.into()) };
    let range = range(arguments, &mut snapshot).await?;
    let needs_node = arguments.bisect || arguments.asks(Level::Chain) || arguments.asks(Level::Receipts);
    let node = match (needs_node, &config.rpc) {
        (true, _) => Some(setup::node(config).await?.0),
        // Deep works without; where there is a node, it tells what ground lacks.
        (false, Some(_)) if arguments.asks(Level::Deep) => Some(Arc::new(setup::unconnected(config)?)),
        _ => None,
    };
    let mut run = Run {
        config,
        arguments,
        options: database.options.clone(),
        node,
        told: Told::new(arguments.json),
        checks: Vec::new(),
        range,
        asset: asset(arguments, chain_id),
        snapshot,
    };
    run.levels(against).await?;
    run.end().await
}

fn asset(arguments: &Arguments, chain_id: u64) -> Option<Uuid> {
    arguments.asset.map(|token| crate::id::asset_id(chain_id, token))
}

async fn range(arguments: &Arguments, snapshot: &mut Snapshot) -> Result<BlockRange, Failure> {
    let at = snapshot.at().number;
    let archived = archived_blocks(&mut snapshot.connection, snapshot.chain_id).await;
    let archived = archived.map_err(|error| Failure::from(failed("looking for archived blocks", &error)))?;
    // What is in files is compared with nothing: unless asked otherwise, what is read begins above it.
    let first = archived.iter().map(|one| one.to + 1).max().unwrap_or(1).min(at);
    let (from, to) = (arguments.from.unwrap_or(first).max(1), arguments.to.unwrap_or(at));
    if let Some(one) = archived.iter().find(|one| one.from <= to && one.to >= from) {
        let message = format!(
            "blocks {} to {} are archived ({}): ask from {first} on, or put them back with `maintain --attach DIR`",
            one.from, one.to, one.partition
        );
        return Err(Failure::new(2, message));
    }
    if to > at || from > to {
        let message = format!("blocks {from} to {to} are not all indexed: the checkpoint is {at}");
        return Err(Failure::new(2, message));
    }
    Ok(BlockRange { from, to })
}

/// Looks at what `--against` names before anything is connected to. No message quotes a URL.
fn against(config: &Config, arguments: &Arguments) -> Result<Option<Against>, Failure> {
    let usage = |message: String| Failure::new(2, message);
    let Some(text) = &arguments.against else {
        return match arguments.asks(Level::Against) {
            true => Err(usage(
                "--level against needs --against: a node's URL, a database's URL or a file".to_owned(),
            )),
            false => Ok(None),
        };
    };
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        let url = DatabaseUrl::parse(text, config.database.allow_unverified)
            .map_err(|error| usage(format!("--against: {error}")))?;
        return Ok(Some(Against::Database(Box::new(url.connect_options()))));
    }
    if text.contains("://") {
        let url =
            text.parse::<crate::rpc::SecretUrl>().map_err(|error| usage(format!("--against: {error}")))?;
        let Some(rpc) = &config.rpc else {
            let message = "--against a node needs a node of one's own in the configuration, to compare with";
            return Err(Failure::new(Failure::CONFIG, message));
        };
        let alias = "the other node".to_owned();
        return Ok(Some(Against::Node(Box::new(crate::rpc::Config { url, alias, ..rpc.clone() }))));
    }
    let read = std::fs::read_to_string(text).map_err(|error| usage(format!("--against {text}: {error}")))?;
    let digests: Digests = serde_json::from_str(&read)
        .map_err(|error| usage(format!("--against {text} is no file of digests: {error}")))?;
    Ok(Some(Against::File(Box::new(digests))))
}

struct Run<'a> {
    config: &'a Config,
    arguments: &'a Arguments,
    options: PgConnectOptions,
    node: Option<Arc<setup::Node>>,
    told: Told,
    checks: Vec<Check>,
    range: BlockRange,
    asset: Option<Uuid>,
    snapshot: Snapshot,
}

impl Run<'_> {
    fn add(&mut self, check: Check) {
        self.told.check(&check);
        self.checks.push(check);
    }

    fn add_all(&mut self, checks: Vec<Check>) {
        checks.into_iter().for_each(|check| self.add(check));
    }

    fn sync_config(&self) -> sync::Config {
        setup::sync_config(self.config, self.snapshot.chain_id)
    }

    /// A worker that only reads: its store holds no lease.
    fn reader<S: Source>(&self, node: Arc<S>) -> Sync<S, PostgresStore> {
        let store = PostgresStore::new(self.options.clone(), self.snapshot.chain_id, Uuid::new_v4());
        Sync::new(node, Arc::new(store), setup::decoder(self.config), self.sync_config())
    }

    async fn levels(&mut self, other: Option<Against>) -> Result<(), Failure> {
        let quick = checks::quick::quick(&mut self.snapshot).await?;
        self.add_all(quick);
        if self.arguments.asks(Level::Audit) {
            let audit = checks::audit::audit(&mut self.snapshot).await?;
            self.add_all(audit);
        }
        if self.arguments.asks(Level::Deep) {
            self.deep().await?;
        }
        if let Some(node) = self.node.clone() {
            if self.arguments.asks(Level::Chain) {
                let wallets = if self.arguments.all { Wallets::All } else { Wallets::Drawn(WALLETS_DRAWN) };
                let (snapshot, asset) = (&mut self.snapshot, self.asset);
                let check =
                    checks::contracts::contracts(&*node, snapshot, wallets, asset, &mut |_| {}).await?;
                self.add(check);
            }
            if self.arguments.asks(Level::Receipts) {
                self.receipts(&node).await?;
            }
            if self.arguments.bisect
                && let Some(token) = self.arguments.asset
            {
                let mut reader = self.reader(node);
                let wallet = self.arguments.holder;
                let check = checks::bisect::bisect(&mut reader, &mut self.snapshot, token, wallet).await?;
                self.add(check);
            }
        }
        if let Some(other) = other {
            self.against(other).await?;
        }
        Ok(())
    }

    async fn deep(&mut self) -> Result<(), Failure> {
        let decoder = setup::decoder(self.config);
        let again = checks::ground::read_again(&mut self.snapshot, &decoder).await?;
        self.add(again);
        let behind = "select count(*) from ops.coverage where chain_id = $1 and through_block is not null";
        if self.snapshot.count(behind).await? > 0 {
            let check =
                Check::new("tables_equal_ground", "Every row of every derived table is what ground gives.");
            self.add(check.unfinished("contracts are still catching up"));
            return Ok(());
        }
        let mut progress = Progress::new(0, self.snapshot.at().number);
        let config = self.sync_config();
        let node = self.node.clone();
        let mut reached = |block| progress.reached(block, 0);
        let deep = checks::deep::deep(&self.options, node, &decoder, &config, &mut reached).await?;
        self.add_all(deep);
        Ok(())
    }

    async fn receipts(&mut self, node: &Arc<setup::Node>) -> Result<(), Failure> {
        let mut reader = self.reader(node.clone());
        reader.check_chain().await?;
        let mut progress = Progress::new(self.range.from, self.range.to);
        let (snapshot, range) = (&self.snapshot, self.range);
        let logs =
            checks::receipts::logs(&mut reader, snapshot, range, &mut |block| progress.reached(block, 0))
                .await?;
        self.add(logs);
        let observations = checks::receipts::observations(&**node, &mut self.snapshot).await?;
        self.add(observations);
        let inputs = checks::receipts::inputs(&**node, &mut self.snapshot).await?;
        self.add(inputs);
        Ok(())
    }

    async fn against(&mut self, other: Against) -> Result<(), Failure> {
        let theirs = match other {
            Against::Node(rpc) => {
                let node = Arc::new(Rpc::new(*rpc)?);
                let mut reader = self.reader(node.clone());
                let (snapshot, range) = (&self.snapshot, self.range);
                let check = checks::against::node(&mut reader, snapshot, range, &mut |_| {}).await?;
                self.add(check);
                let (wallets, asset) = (Wallets::Drawn(WALLETS_DRAWN), self.asset);
                let snapshot = &mut self.snapshot;
                let mut check =
                    checks::contracts::contracts(&*node, snapshot, wallets, asset, &mut |_| {}).await?;
                check.name = "contracts_agree_at_the_other_node";
                self.add(check);
                return Ok(());
            }
            Against::Database(options) => {
                let theirs = Snapshot::open(&options, self.snapshot.chain_id).await?;
                let Some(mut theirs) = theirs else {
                    let message = "the other installation has indexed nothing of this chain";
                    return Err(Failure::new(Failure::FINDINGS, message));
                };
                checks::digest::digests(&mut theirs, self.arguments.step).await?
            }
            Against::File(digests) => *digests,
        };
        let ours = checks::digest::digests(&mut self.snapshot, theirs.step).await?;
        self.add(checks::digest::compare(&ours, &theirs));
        Ok(())
    }

    async fn end(mut self) -> Result<(), Failure> {
        let verdict = Verdict::of(&self.checks);
        let at = self.snapshot.at();
        self.told.end(&self.arguments.names(), self.snapshot.chain_id, at, &self.checks, &verdict);
        if self.arguments.digests.is_some() || self.arguments.report.is_some() {
            let digests = checks::digest::digests(&mut self.snapshot, self.arguments.step).await?;
            if let Some(file) = &self.arguments.digests {
                let text = serde_json::to_string_pretty(&digests).unwrap_or_default();
                put(file, &format!("{text}\n"))?;
            }
            if let Some(file) = &self.arguments.report {
                let report = self.report(digests, verdict.clone());
                let is_json = file.extension().is_some_and(|ending| ending == "json");
                put(file, &if is_json { report.json() } else { report.markdown() })?;
            }
        }
        match (verdict.found, verdict.unfinished.as_slice()) {
            (0, []) => Ok(()),
            (0, _) => Err(Failure::new(Failure::TEMPORARY, in_words(&verdict))),
            _ => Err(Failure::new(Failure::FINDINGS, in_words(&verdict))),
        }
    }

    fn report(&self, digests: Digests, verdict: Verdict) -> Report {
        let asked = self.node.is_some() || self.arguments.asks(Level::Against);
        Report {
            version: env!("CARGO_PKG_VERSION"),
            made_at: chrono::Utc::now().format("%Y-%m-%d %H:%M:%S UTC").to_string(),
            levels: self.arguments.names(),
            range: asked.then_some((self.range.from, self.range.to)),
            provider: self.node.as_ref().map(|node| Source::alias(&**node)),
            verified: self.snapshot.checkpoint.verified.number,
            digests,
            findings: self.checks.iter().flat_map(|check| check.findings.iter().cloned()).collect(),
            checks: self.checks.clone(),
            verdict,
        }
    }
}
