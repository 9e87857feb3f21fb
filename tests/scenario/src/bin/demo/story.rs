//! The story, played while the daemon follows: with a reorg in the middle, and a crash before the end.

use std::time::Duration;

use scenario::play::{Act, Wallets};
use scenario::{Play, Played, Step};

use crate::Result;
use crate::compare::{self, Tally};
use crate::names;
use crate::stage::Stage;
use crate::text::{Table, broken, command, count, paragraph, say};

/// After this step the chain is reorganized.
const REORG_AFTER: Step = Step::Burn;
/// How many blocks are replaced, and by how many their transactions move.
const REORG: (u64, u64) = (6, 2);
/// After this step, before its last blocks are in the tables, the daemon is killed.
const CRASH_AFTER: Step = Step::Registries;

/// Plays it all.
pub(crate) async fn tell(stage: &mut Stage) -> Result<Played> {
    let mut play = Play::begin(stage.node()?)?;
    let (mut longest, mut slowest) = (0, Duration::ZERO);
    say!("   blocks  what happens\n  -------  ------------");
    while let Some(act) = play.play_next(stage.node()?).await? {
        let is_followed = act.step < CRASH_AFTER && act.step != Step::Platform;
        if is_followed {
            longest = longest.max(act.last_block + 1 - act.first_block);
            slowest = slowest.max(stage.caught_up().await?.2);
        }
        chapter(&act);
        if act.step == Step::Platform {
            first_start(stage, &play).await?;
        }
        if act.step == REORG_AFTER {
            reorg(stage, play.wallets()).await?;
        }
        if act.step == CRASH_AFTER {
            let reached = stage.reached(act.first_block.midpoint(act.last_block)).await?;
            stage.kill_daemon().await?;
            interlude(&format!(
                "The daemon is killed (kill -9) with block {reached} of {} in its tables. The chain goes on without it:",
                act.last_block
            ));
        }
    }
    let played = play.finish(stage.node()?).await?;
    second_start(stage, &played).await?;
    let (events, transactions, changes) = stage.register()?.sizes().await?;
    paragraph(&format!(
        "In the tables: {} blocks, {events} events, {transactions} transactions of tokens, {changes} changes of \
         ownership. While it followed, a chapter of up to {longest} blocks, made as fast as the node can, was in the \
         tables {:.2} s after its last block at the latest.",
        played.head,
        slowest.as_secs_f64()
    ));
    Ok(played)
}

fn chapter(act: &Act) {
    let blocks = format!("{}-{}", act.first_block, act.last_block);
    say!("{}", broken(act.step.sentence(), &format!("  {blocks:>7}  "), "           "));
}

fn interlude(text: &str) {
    say!("\n{}\n", broken(text, "  > ", "    "));
}

/// The daemon learns of two factories and finds everything else by itself.
async fn first_start(stage: &mut Stage, play: &Play) -> Result<()> {
    let suite = play.suite()?;
    let arguments = vec![
        "run".to_owned(),
        "--rpc".to_owned(),
        stage.node()?.ws_url(),
        "--contract".to_owned(),
        format!("trex_factory={}", suite.trex_factory),
        "--contract".to_owned(),
        format!("id_factory={}", suite.id_factory),
    ];
    interlude(
        "The indexer is started. It is told the two factories and finds all other contracts by itself. No database \
         is configured: it makes a private PostgreSQL.",
    );
    say!("{}", command(&arguments));
    let took = stage.start_daemon(arguments).await?;
    stage.caught_up().await?;
    interlude(&format!(
        "It runs, with a new database, after {:.1} s. From now on it follows.",
        took.as_secs_f64()
    ));
    Ok(())
}

/// The killed daemon starts again, with one contract more.
async fn second_start(stage: &mut Stage, played: &Played) -> Result<()> {
    let (before, _, _) = stage.daemons();
    let mut arguments = before.to_vec();
    arguments.extend(["--contract".to_owned(), format!("erc20={}", played.plain.address)]);
    interlude("It is started again, and the plain token is added to its contracts:");
    say!("{}", command(&arguments));
    let took = stage.start_daemon(arguments).await?;
    let (head, _, more) = stage.caught_up().await?;
    interlude(&format!(
        "PostgreSQL has recovered, the daemon went on where its last transaction ended, and {:.1} s after the start \
         the tables are at block {head}.",
        (took + more).as_secs_f64()
    ));
    Ok(())
}

/// Blocks that were in the tables are replaced by others.
async fn reorg(stage: &mut Stage, wallets: &Wallets) -> Result<()> {
    let (depth, shift) = REORG;
    let before = stage.register()?.last_evidence().await?;
    let heard = stage.daemon()?.lines()?.len();
    let old = stage.node()?.head().await?.header;
    interlude(&format!(
        "A reorg: the node replaces its last {depth} blocks by others, with the same transactions {shift} blocks \
         later.",
    ));
    stage.node()?.reorg_with_the_same_transactions(depth, shift).await?;
    let (head, hash, took) = stage.caught_up().await?;
    say!("    block {} was  {}\n    block {head} is   {hash}\n", old.number, old.hash);
    for line in stage.daemon()?.lines()?.iter().skip(heard).filter(|line| line.field("depth").is_some()) {
        say!("    daemon: {line}\n");
    }
    let evidence = stage.register()?.evidence(before).await?;
    let mut table = Table::new(["rows of", ">withdrawn", ">restored"]).indented(4);
    let (mut withdrawn, mut restored) = (0, 0);
    for (name, rows) in &evidence {
        table.row([name.clone(), rows.0.to_string(), rows.1.to_string()]);
        withdrawn += rows.0;
        restored += rows.1;
    }
    table.row(["together".to_owned(), withdrawn.to_string(), restored.to_string()]);
    table.print();
    let mut tally = Tally::default();
    let wallets = names::people(wallets);
    let (node, register) = stage.both()?;
    for asset in register.assets().await? {
        compare::positions(register, node, hash, &asset, &wallets, &mut tally).await?;
    }
    if let Some(difference) = tally.differences.first() {
        return Err(format!("after the reorg: {difference}").into());
    }
    interlude(&format!(
        "All in one transaction; api.audit_trail keeps the withdrawn rows. {:.2} s after the reorg the tables are at \
         the new block {head}, and {} of the cap tables equal what the contracts answer there.",
        took.as_secs_f64(),
        count(tally.total(), "value"),
    ));
    Ok(())
}
