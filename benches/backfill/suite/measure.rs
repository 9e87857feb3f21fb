//! The two things that are measured: the backfill of all blocks but the last, and the last one's, in which an issuer goes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::draw::Event;
use super::register::Register;
use super::report::Report;
use super::{Failed, NOBODY, Shape, Suite};
use crate::database::{self, Database};
use crate::ledger::Ledger;
use crate::measure::backfill;
use crate::node::{Manner, Node};
use crate::process;

/// The database of the program.
const NAME: &str = "run";

/// Lets the program read the chain, and checks what it made of it after each of the two runs.
///
/// # Errors
/// When it fails, takes too long, or is wrong.
pub async fn measure(
    shape: Shape,
    manner: Manner,
    patience: Duration,
    database: &Database,
) -> Result<Report, Failed> {
    let began = Instant::now();
    let suite = Arc::new(Suite::new(shape));
    eprintln!("the workload was drawn and signed within {:?}", began.elapsed());
    let head = suite.head();
    let (before, after) = (Register::of(&suite, head - 1), Register::of(&suite, head));
    let (node, address) = Node::serve(suite.clone(), manner).await?;
    let url = format!("http://{address}");
    let mut connection = database.create(NAME).await?;
    node.publish(head - 1);
    let run = backfill(&*suite, 1, &url, patience, database, NAME, &mut connection).await?;
    let asked = node.asked();
    before.compare(&mut connection).await?;
    node.publish(head);
    let removal = backfill(&*suite, head, &url, patience, database, NAME, &mut connection).await?;
    after.compare(&mut connection).await?;
    let exchanges = node.asked().exchanges - asked.exchanges;
    Ok(Report {
        shape,
        manner,
        logs: after.events(),
        holders: after.holders(),
        verified: [before.verified(), after.verified()],
        blocks_with_movements: blocks_with_movements(&suite),
        run,
        asked,
        removal,
        removal_exchanges: exchanges,
        size: database::size_bytes(&mut connection).await?,
        version: database::version(&mut connection).await?,
        file_system: process::file_system(database.directory()),
    })
}

/// Blocks in which a wallet gave something to another: whether it did so itself, only its transaction tells.
fn blocks_with_movements(suite: &Suite) -> u64 {
    let moves = |event: Event| matches!(event, Event::Transfer { from, .. } if from != NOBODY);
    let has_one = |number: &u64| suite.logs(*number, *number).any(|(_, entry)| moves(entry.event));
    (1..=suite.head()).filter(has_one).count() as u64
}
