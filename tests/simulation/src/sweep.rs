//! The crash sweep: short scenarios, run again and again, each time dying at another await of the daemon's ports.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::dice::Dice;
use crate::driver::Options;
use crate::executor::on_threads;
use crate::faults::{Fault, Hits};
use crate::play::Cast;
use crate::runs::{Summary, in_memory};
use crate::scenario::{Change, Event, How, Kind, Move, Prove, Scenario};

/// Pairs of awaits that are tried of each scenario.
const PAIRS: usize = 60;

fn mine(seed: u64, blocks: u8) -> Event {
    Event::Chain(Move::Mine { seed, blocks })
}

fn fork(seed: u64, depth: u8, grow: i8, how: How) -> Event {
    Event::Chain(Move::Fork { seed, depth, grow, how })
}

const STEPS: Event = Event::Step { steps: 40 };

/// Short scenarios that pass through every phase.
pub fn scenarios() -> Vec<Scenario> {
    let of = |name: &str, seed: u64, proving: Prove, events: Vec<Event>| Scenario {
        name: name.to_owned(),
        seed,
        cast: Cast::Whole,
        kind: Kind::Honest,
        providers: 1,
        finality_depth: 4,
        proving,
        range_blocks: 7,
        sweep_blocks: 5,
        deferred_indexes_from_blocks: 0,
        reads_ahead: false,
        older_logs_max: 0,
        reorg_depth_trusted: 1_000,
        events,
    };
    let lies = |number, fault, rate| Event::Provider { number, fault, rate };
    vec![
        of("backfill and follow", 1, Prove::Background, vec![mine(1, 16), STEPS, mine(2, 3), STEPS]),
        of("proved before the commit", 2, Prove::BeforeCommit, vec![mine(3, 16), STEPS, mine(4, 3), STEPS]),
        of(
            "a reorg",
            3,
            Prove::Background,
            vec![mine(5, 14), STEPS, fork(6, 3, 1, How::New), STEPS, mine(7, 2), STEPS],
        ),
        of(
            "transactions move, and the branch comes back",
            4,
            Prove::Background,
            vec![mine(8, 14), STEPS, fork(9, 3, 1, How::Moved), STEPS, Event::Chain(Move::Return), STEPS],
        ),
        of(
            "a shorter chain",
            5,
            Prove::Background,
            vec![mine(10, 14), STEPS, fork(11, 3, -2, How::New), STEPS, mine(12, 3), STEPS],
        ),
        of(
            "a contract added late",
            6,
            Prove::Background,
            vec![mine(13, 20), STEPS, Event::Reconfigure(Change::PlainToken(1)), STEPS, mine(14, 2), STEPS],
        ),
        of(
            "a contract added late, and a reorg meanwhile",
            7,
            Prove::Background,
            vec![
                mine(15, 20),
                STEPS,
                Event::Reconfigure(Change::PlainToken(1)),
                Event::Step { steps: 2 },
                fork(16, 2, 1, How::New),
                STEPS,
            ],
        ),
        Scenario {
            older_logs_max: 1,
            ..of(
                "contracts found with more older logs than a step holds, and a reorg meanwhile",
                21,
                Prove::Background,
                vec![
                    mine(23, 16),
                    Event::Step { steps: 6 },
                    fork(24, 2, 1, How::New),
                    STEPS,
                    mine(25, 4),
                    STEPS,
                ],
            )
        },
        Scenario {
            kind: Kind::Single,
            ..of(
                "a log left out of a backfill, found and repaired",
                8,
                Prove::Background,
                vec![
                    mine(17, 18),
                    lies(0, Fault::OmittedLog, 100),
                    Event::Step { steps: 3 },
                    lies(0, Fault::OmittedLog, 0),
                    STEPS,
                    mine(18, 2),
                    STEPS,
                ],
            )
        },
        Scenario {
            kind: Kind::Across,
            ..of(
                "a reorg across finality, and an operator",
                9,
                Prove::Background,
                vec![
                    mine(19, 14),
                    STEPS,
                    Event::Chain(Move::ForkAcrossFinality { seed: 20, below: 2 }),
                    STEPS,
                ],
            )
        },
        Scenario {
            providers: 3,
            reorg_depth_trusted: 1,
            ..of(
                "a deep reorg that others confirm",
                10,
                Prove::BeforeCommit,
                vec![mine(21, 14), STEPS, fork(22, 4, 2, How::Failing), STEPS],
            )
        },
        Scenario {
            deferred_indexes_from_blocks: 1,
            reads_ahead: true,
            ..of(
                "a first load without its indexes, read ahead",
                11,
                Prove::Background,
                vec![mine(23, 30), STEPS, mine(24, 3), STEPS],
            )
        },
    ]
}

/// Runs each scenario once for every await at which it can die, and once for some pairs of them.
pub fn every_await(threads: usize) -> Summary {
    let scenarios = scenarios();
    let mut jobs: Vec<(usize, Vec<u64>)> = Vec::new();
    let mut summary = Summary::default();
    for (number, scenario) in scenarios.iter().enumerate() {
        let hits = Hits::default();
        let outcome = in_memory(scenario, &hits, &Options::default());
        let awaits = outcome.as_ref().map(|report| report.awaits).unwrap_or(0);
        summary.add(scenario, outcome, &hits);
        jobs.extend((0..awaits).map(|at| (number, vec![at])));
        let mut dice = Dice::new(scenario.seed);
        jobs.extend((0..PAIRS).map(|_| {
            let first = dice.below(awaits);
            (number, vec![first, first + 1 + dice.below(60)])
        }));
    }
    let next = AtomicUsize::new(0);
    let all = Mutex::new(summary);
    on_threads(threads, || {
        let mut mine = Summary::default();
        while let Some((number, deaths)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let options = Options { deaths: deaths.clone(), trace: false };
            let hits = Hits::default();
            let outcome = in_memory(&scenarios[*number], &hits, &options);
            let outcome = outcome.map_err(|mut failure| {
                failure.what = format!("dying at await {deaths:?}: {}", failure.what);
                failure
            });
            mine.add(&scenarios[*number], outcome, &hits);
        }
        all.lock().expect("no thread panics with it").merge(mine);
    });
    all.into_inner().expect("all threads are done")
}
