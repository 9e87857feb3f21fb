//! Following: from a node's new head to rows that are committed and told of, beside what the commit of those rows alone takes.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use sqlx::postgres::PgListener;
use sqlx::{AssertSqlSafe, Executor, PgConnection};
use tokio::process::Child;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::chain::Chain;
use crate::database::Database;
use crate::ledger::{CHAIN_ID, Ledger};
use crate::measure::program;
use crate::node::Node;
use crate::stages::{self, Stages};

type Failed = Box<dyn Error + Send + Sync>;

/// What happened in a block.
const FACTS: [&str; 4] = ["asset_events", "asset_transactions", "asset_operations", "ownership_history"];

/// How the chain grows.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Blocks that come while the program follows; those below are there before.
    pub blocks: u64,
    /// Between two of them.
    pub every: Duration,
}

/// What was measured, a duration for each block.
pub struct Followed {
    pace: Pace,
    logs: u64,
    /// From the new head to the notice of its commit; blocks with logs, then those without.
    told: [Vec<Duration>; 2],
    /// The same rows, each block's in a transaction of its own.
    committed: Vec<Duration>,
    /// How many blocks the program was behind at most.
    behind: u64,
    /// Where the program's time went meanwhile.
    stages: Stages,
}

/// Lets the program follow a growing chain, whose node tells it of each new head.
///
/// # Errors
/// When the program ends or does not come to the last block in time.
pub async fn follow(
    chain: &Arc<Chain>,
    node: &Node,
    url: &str,
    pace: Pace,
    patience: Duration,
    database: &Database,
    name: &str,
) -> Result<Followed, Failed> {
    let first = chain.head().checked_sub(pace.blocks).ok_or("more blocks are to follow than there are")?;
    node.publish(first);
    let log = database.scratch()?.join("program.log");
    let mut program = program(&["run"], chain.as_ref(), url, database, name, &log)?
        .env(stages::LOG_LEVEL.0, stages::LOG_LEVEL.1)
        .spawn()?;
    let mut listener = PgListener::connect(&database.admin_url(name)).await?;
    listener.listen("asset_indexer").await?;
    let ended = |program: &mut Child| -> Result<(), Failed> {
        match program.try_wait()? {
            Some(status) => Err(format!("the program ended with {status}").into()),
            None => Ok(()),
        }
    };
    let watched = async {
        while told(&mut listener).await? < first {}
        // What was read for the first time is settled before anything is measured.
        sleep(Duration::from_secs(2)).await;
        let told_before = std::fs::metadata(&log)?.len();
        let followed = run(chain, node, pace, first, &mut listener).await?;
        let mut log = File::open(&log)?;
        log.seek(SeekFrom::Start(told_before))?;
        Ok(Followed { stages: Stages::read(BufReader::new(log))?, ..followed })
    };
    let done = timeout(patience, watched).await;
    ended(&mut program)?;
    program.kill().await?;
    done.map_err(|_| format!("the program did not come to block {} within {patience:?}", chain.head()))?
}

/// The block of the next notice of a commit.
async fn told(listener: &mut PgListener) -> Result<u64, Failed> {
    loop {
        let notice = listener.recv().await?;
        let (chain, block) = notice.payload().split_once(':').ok_or("a notice without a block")?;
        if chain == CHAIN_ID.to_string() {
            return Ok(block.parse()?);
        }
    }
}

async fn run(
    chain: &Arc<Chain>,
    node: &Node,
    pace: Pace,
    first: u64,
    listener: &mut PgListener,
) -> Result<Followed, Failed> {
    let (mut came, mut took, mut behind) = (BTreeMap::new(), BTreeMap::new(), 0);
    let mut tick = interval(pace.every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut head, mut at) = (first, first);
    while at < chain.head() {
        tokio::select! {
            _ = tick.tick(), if head < chain.head() => {
                head += 1;
                came.insert(head, Instant::now());
                node.publish(head);
                behind = behind.max(head - at);
            }
            block = told(listener) => {
                let (now, block) = (Instant::now(), block?);
                for number in at + 1..=block {
                    let came = came.get(&number).ok_or("a block was told of before it came")?;
                    took.insert(number, now - *came);
                }
                at = at.max(block);
            }
        }
    }
    let has_logs = |number: u64| chain.logs(number, number).next().is_some();
    let (with, without): (Vec<_>, Vec<_>) = took.into_iter().partition(|(number, _)| has_logs(*number));
    let times = |blocks: Vec<(u64, Duration)>| blocks.into_iter().map(|(_, took)| took).collect();
    Ok(Followed {
        pace,
        logs: chain.logs(first + 1, chain.head()).count() as u64,
        told: [times(with), times(without)],
        committed: Vec::new(),
        behind,
        stages: Stages::default(),
    })
}

/// What a block left: for each table of facts its COPY data, as text.
struct Rows {
    copies: Vec<(String, Vec<u8>)>,
    number: u64,
}

/// Commits the rows of each followed block anew, into a database that holds those below: facts by COPY, positions by one
/// upsert. `from` is the run's database, `to` another with empty tables.
///
/// # Errors
/// The databases'.
pub async fn commit_alone(
    followed: &mut Followed,
    chain: &Chain,
    from: &mut PgConnection,
    to: &mut PgConnection,
) -> Result<(), Failed> {
    let first = chain.head() - followed.pace.blocks;
    let below = rows(from, &format!("block_number <= {first}"), first).await?;
    sqlx::query("select ops.ensure_partitions($1, $2)")
        .bind(CHAIN_ID as i64)
        .bind(chain.head() as i64)
        .execute(&mut *to)
        .await?;
    put(to, &below, 0).await?;
    to.execute("analyze; checkpoint").await?;
    for number in first + 1..=chain.head() {
        if chain.logs(number, number).next().is_none() {
            continue;
        }
        let rows = rows(from, &format!("block_number = {number}"), number).await?;
        let began = Instant::now();
        put(to, &rows, number).await?;
        followed.committed.push(began.elapsed());
    }
    Ok(())
}

async fn rows(from: &mut PgConnection, which: &str, number: u64) -> Result<Rows, Failed> {
    let mut copies = Vec::new();
    for table in FACTS {
        let columns: String = sqlx::query_scalar(
            "select string_agg(quote_ident(a.attname), ', ' order by a.attnum) from pg_attribute a
             where a.attrelid = ('chain.' || $1)::regclass and a.attnum > 0 and not a.attisdropped",
        )
        .bind(table)
        .fetch_one(&mut *from)
        .await?;
        let order = "order by block_number, log_index";
        let out = format!("copy (select {columns} from chain.{table} where {which} {order}) to stdout");
        let mut data = Vec::new();
        let mut stream = from.copy_out_raw(&out).await?;
        while let Some(bytes) = stream.try_next().await? {
            data.extend_from_slice(&bytes);
        }
        copies.push((format!("copy chain.{table} ({columns}) from stdin"), data));
    }
    Ok(Rows { copies, number })
}

async fn put(to: &mut PgConnection, rows: &Rows, above: u64) -> Result<(), Failed> {
    to.execute("begin").await?;
    for (statement, data) in &rows.copies {
        let mut copy = to.copy_in_raw(statement).await?;
        copy.send(data.as_slice()).await?;
        copy.finish().await?;
    }
    let upsert = format!(
        "insert into chain.asset_holders (chain_id, asset_id, holder, balance, frozen, wallet_frozen, first_block,
             updated_block, updated_at)
         select distinct on (asset_id, holder) chain_id, asset_id, holder, balance, frozen, wallet_frozen, block_number,
             block_number, timestamp
         from chain.ownership_history where chain_id = {CHAIN_ID} and block_number between {above} and {}
         order by asset_id, holder, block_number desc, log_index desc
         on conflict (chain_id, asset_id, holder) do update set balance = excluded.balance,
             updated_block = excluded.updated_block, updated_at = excluded.updated_at",
        rows.number
    );
    to.execute(AssertSqlSafe(upsert)).await?;
    to.execute("commit").await?;
    Ok(())
}

impl fmt::Display for Followed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Pace { blocks, every } = self.pace;
        writeln!(
            f,
            "followed    {blocks} blocks, one each {} ms, with {} logs: {:.0} a second; at most {} behind",
            every.as_millis(),
            self.logs,
            self.logs as f64 / (every.as_secs_f64() * blocks as f64),
            self.behind
        )?;
        writeln!(f, "\n{:<42}{:>9}{:>9}{:>9}{:>9}", "ms", "blocks", "p50", "p99", "most")?;
        let [with, without] = &self.told;
        line(f, "new head to notice, blocks with logs", with)?;
        line(f, "the commit of the same rows alone", &self.committed)?;
        // Blocks differ in size: each is compared with itself.
        let beyond = with.iter().zip(&self.committed).map(|(told, alone)| told.saturating_sub(*alone));
        line(f, "what each block took beyond that", &beyond.collect::<Vec<_>>())?;
        line(f, "new head to notice, blocks without logs", without)?;
        write!(f, "{}", self.stages)
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, times: &[Duration]) -> fmt::Result {
    if times.is_empty() {
        return Ok(());
    }
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let at = |part: usize| {
        let place = (sorted.len() * part).div_ceil(100).saturating_sub(1);
        sorted.get(place).map_or(f64::NAN, |took| took.as_secs_f64() * 1e3)
    };
    writeln!(f, "{name:<42}{:>9}{:>9.1}{:>9.1}{:>9.1}", sorted.len(), at(50), at(99), at(100))
}
