//! `make demo`: the real contracts on a real node, the daemon following them, and what is in its tables.
//!
//! Ends by itself and leaves nothing behind; with `KEEP=1` it goes on until Ctrl-C, for you to look around. The exit
//! code is 0 if every value compared equals the chain's.

mod compare;
mod daemon;
mod invitation;
mod names;
mod place;
mod register;
mod report;
mod stage;
mod story;
mod text;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use scenario::{Played, Step};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{sleep, timeout};

use names::{Names, hex};
use stage::{Stage, now};
use text::{Table, heading, paragraph, print, say};

/// Any error will do: it is printed and the demo ends.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// How often a kept demo makes a block, and how often it says so off a terminal.
const BLOCK_EVERY: Duration = Duration::from_secs(2);
const SAY_EVERY: u64 = 15;
/// How many of the newest transactions are shown.
const NEWEST: i64 = 12;

/// How the demo ended.
enum End {
    /// It was shown, and everything was equal.
    Shown,
    /// Ctrl-C, or another wish to end.
    Asked,
}

#[tokio::main]
async fn main() -> ExitCode {
    match demo().await {
        Ok(End::Shown) => ExitCode::SUCCESS,
        Ok(End::Asked) => ExitCode::from(130),
        Err(error) => {
            eprintln!("\ndemo: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn demo() -> Result<End> {
    let mut wishes = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()]
        .map(signal)
        .into_iter()
        .collect::<std::io::Result<Vec<Signal>>>()?;
    let begun = Instant::now();
    let mut stage = Stage::set()?;
    let mut is_shown = false;
    let mut ended = tokio::select! {
        () = asked(&mut wishes) => Ok(End::Asked),
        ended = show(&mut stage, &mut is_shown, begun) => ended.map(|()| End::Shown),
    };
    // Ctrl-C reaches the node too: its end may be noticed before the signal.
    if ended.is_err() && timeout(Duration::from_millis(300), asked(&mut wishes)).await.is_ok() {
        ended = Ok(End::Asked);
    }
    if let Ok(End::Asked) = ended {
        say!("\nStopping the indexer, its PostgreSQL and the node.");
        if is_shown {
            ended = Ok(End::Shown);
        }
    }
    stage.clear().await?;
    ended
}

/// Waits for a wish to end.
async fn asked(wishes: &mut [Signal]) {
    std::future::poll_fn(|context| {
        if wishes.iter_mut().any(|wish| wish.poll_recv(context).is_ready()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}

/// The whole demo, from the first line to the last.
async fn show(stage: &mut Stage, is_shown: &mut bool, begun: Instant) -> Result<()> {
    let is_kept = std::env::var("KEEP").is_ok_and(|keep| !matches!(keep.as_str(), "" | "0"));
    say!("asset-indexer: a register of tokenized assets, kept from a chain");
    heading(1, "The chain, and the indexer following it");
    paragraph(
        "A node (anvil) with the real T-REX and ONCHAINID contracts. A bond and a share live through all that can \
         happen to them. A line appears once its blocks are in the tables.",
    );
    say!("");
    stage.start_node().await?;
    let played = story::tell(stage).await?;
    tables(stage, &played).await?;
    let is_equal = compared(stage, &played).await?;
    heading(8, "How far it is");
    let url = stage.node()?.url();
    say!("$ asset-indexer status --rpc {url}");
    print(&stage.program().answer(&["status", "--rpc", &url]).await?);
    heading(9, "Try it yourself");
    if !is_kept {
        paragraph(
            "This run ends here and removes what it made. make demo KEEP=1 leaves it running until Ctrl-C, with \
             lines like these to copy:",
        );
        say!("");
    }
    let minted = played.acts.iter().find(|act| act.step == Step::Mint).map_or(0, |act| act.last_block);
    invitation::print(stage, is_kept, &played.bond.symbol, minted, &hex(played.wallets.bob))?;
    say!("\nThat took {} s.", begun.elapsed().as_secs());
    *is_shown = is_equal;
    if is_kept {
        keep(stage).await?;
    }
    if is_equal { Ok(()) } else { Err("the register differs from the chain".into()) }
}

/// What the tables say.
async fn tables(stage: &mut Stage, played: &Played) -> Result<()> {
    let names = Names::new(played);
    let register = stage.register()?;
    let assets = register.assets().await?;
    let bond = hex(played.bond.address);
    let bond =
        assets.iter().find(|asset| asset.contract_address == bond).ok_or("the bond is not in api.assets")?;
    section(
        2,
        "Who owns what: api.asset_holders",
        "Today's register. Verified is what the token's identity registry answers (isVerified), computed from \
         registrations, claims, revocations, keys and trusted issuers.",
    );
    report::cap_tables(register, &assets, &names).await?;
    section(
        3,
        &format!("How Bob's {} came to be: api.ownership_history", bond.symbol),
        "A row for each change of a balance or a freeze. What is final, no reorg can take back.",
    );
    report::history(register, bond, played.wallets.bob).await?;
    section(
        4,
        &format!("What was done to {}: api.asset_operations", bond.symbol),
        "All that is more than a plain transfer, each by its block. Who did it is told where the chain tells it.",
    );
    report::operations(register, bond, &names).await?;
    section(
        5,
        "What the claims are worth: api.identity_claims",
        "A row for each version of a claim. It counts while its status is valid and its issuer still has the key \
         that signed it.",
    );
    report::claims(register, &names).await?;
    heading(6, "The newest transactions: api.asset_transactions");
    report::transactions(register, NEWEST).await
}

fn section(number: u32, title: &str, explanation: &str) {
    heading(number, title);
    paragraph(explanation);
    say!("");
}

/// Compares everything with the chain; whether all is equal.
async fn compared(stage: &mut Stage, played: &Played) -> Result<bool> {
    heading(7, "Is it true? The same values, asked of the contracts");
    let (head, hash, _) = stage.caught_up().await?;
    let (node, register) = stage.both()?;
    let tally = compare::everything(register, node, hash, played).await?;
    let mut table = Table::new(["what", ">compared", ">different"]);
    for (kind, compared, different) in tally.kinds() {
        table.row([(*kind).to_owned(), compared.to_string(), different.to_string()]);
    }
    table.print();
    say!("");
    if tally.differences.is_empty() {
        let total = tally.total();
        paragraph(&format!(
            "{total} values of the register were compared with the contracts at block {head}: all are equal."
        ));
        return Ok(true);
    }
    tally.differences.iter().for_each(|difference| say!("DIFFERENT: {difference}"));
    Ok(false)
}

/// Lets the chain go on until somebody wishes to end.
async fn keep(stage: &mut Stage) -> Result<()> {
    let log = stage.daemon()?.log().display().to_string();
    say!("\nKept running, with a block every {} s; Ctrl-C ends it.", BLOCK_EVERY.as_secs());
    say!("Node {}; the indexer's log {log}\n", stage.node()?.url());
    let is_terminal = std::io::stdout().is_terminal();
    for turn in 0_u64.. {
        let node = stage.node()?;
        let last = node.head().await?.header.timestamp;
        node.set_next_timestamp(now().max(last + 1)).await?;
        node.mine(1).await?;
        let (head, _, took) = stage.caught_up().await?;
        let line = format!("block {head} is in the tables, {} ms after it was made", took.as_millis());
        if is_terminal {
            print(&format!("\r{line:<80}"));
        } else if turn.is_multiple_of(SAY_EVERY) {
            say!("{line}");
        }
        sleep(BLOCK_EVERY).await;
    }
    Ok(())
}
