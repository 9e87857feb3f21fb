//! Real cases of other indexers, each as a short list of events: the id is that of the catalogue of faults.

use crate::faults::{Fault, StoreFault};
use crate::play::Cast;
use crate::scenario::{Change, Event, How, Kind, Move, Prove, Scenario};

fn mine(seed: u64, blocks: u8) -> Event {
    Event::Chain(Move::Mine { seed, blocks })
}

fn fork(seed: u64, depth: u8, grow: i8, how: How) -> Event {
    Event::Chain(Move::Fork { seed, depth, grow, how })
}

fn lies(fault: Fault, rate: u8) -> Event {
    Event::Provider { number: 0, fault, rate }
}

const REST: Event = Event::Step { steps: 80 };

fn step(steps: u8) -> Event {
    Event::Step { steps }
}

fn scenario(name: &str, kind: Kind, events: Vec<Event>) -> Scenario {
    Scenario {
        name: name.to_owned(),
        seed: name.bytes().fold(7, |seed, byte| seed.wrapping_mul(31) + u64::from(byte)),
        cast: Cast::Core,
        kind,
        providers: if kind == Kind::Minority { 3 } else { 1 },
        finality_depth: 8,
        proving: Prove::Background,
        range_blocks: 10,
        sweep_blocks: 10,
        deferred_indexes_from_blocks: 0,
        reads_ahead: false,
        older_logs_max: 0,
        reorg_depth_trusted: 1_000,
        events,
    }
}

/// Of sections 1.1 to 1.5 of the catalogue.
pub fn scenarios() -> Vec<Scenario> {
    let mut all = reading();
    all.extend(reorgs());
    all.extend(database());
    all
}

fn reading() -> Vec<Scenario> {
    vec![
        scenario(
            "A1 empty or short lists from a node that is behind, without an error",
            Kind::Minority,
            vec![
                mine(1, 30),
                lies(Fault::LaggingHead, 60),
                REST,
                mine(2, 6),
                REST,
                lies(Fault::LaggingHead, 0),
                REST,
            ],
        ),
        scenario(
            "A2 a log absent although the block's hash is right",
            Kind::Single,
            vec![
                mine(3, 40),
                lies(Fault::OmittedLog, 100),
                step(12),
                mine(4, 4),
                REST,
                lies(Fault::OmittedLog, 0),
                REST,
            ],
        ),
        scenario(
            "A7 receipts incomplete, or those of the block below",
            Kind::Single,
            vec![
                mine(5, 30),
                lies(Fault::OmittedReceipt, 50),
                lies(Fault::ShiftedReceipts, 50),
                REST,
                mine(6, 6),
                REST,
            ],
        ),
        scenario(
            "A10 history is checked like the head: lists emptied in the backfill alone",
            Kind::Single,
            vec![
                lies(Fault::OmittedLogs, 100),
                mine(7, 60),
                step(8),
                lies(Fault::OmittedLogs, 0),
                REST,
                mine(8, 3),
                REST,
            ],
        ),
        scenario(
            "A16 calls are answered by the newest state, or by none, while contracts catch up and lists are mended",
            Kind::Single,
            [Fault::CallsAtLatest, Fault::StateUnavailable]
                .into_iter()
                .zip(7..)
                .flat_map(|(fault, seed)| {
                    vec![
                        lies(Fault::OmittedLogs, 100),
                        mine(seed, 60),
                        step(8),
                        lies(Fault::OmittedLogs, 0),
                        lies(fault, 100),
                        step(60),
                        Event::Reconfigure(Change::PlainToken(seed % 3 + 1)),
                        step(60),
                        lies(fault, 0),
                        REST,
                    ]
                })
                .collect(),
        ),
        scenario(
            "A11 A-B-A between a question and the next: logs of another block under the same number",
            Kind::Honest,
            (0..12)
                .flat_map(|at| {
                    vec![
                        mine(10 + at, 2),
                        Event::Meanwhile {
                            after: 3 + at as u16,
                            moves: Move::Fork { seed: at, depth: 2, grow: 0, how: How::Sibling },
                        },
                        Event::Meanwhile { after: 5 + at as u16, moves: Move::Return },
                        step(6),
                    ]
                })
                .collect(),
        ),
    ]
}

fn reorgs() -> Vec<Scenario> {
    let deep = |name| Scenario {
        finality_depth: 60,
        ..scenario(
            name,
            Kind::Honest,
            vec![mine(20, 90), REST, fork(21, 55, 3, How::New), REST, fork(22, 40, 1, How::Moved), REST],
        )
    };
    vec![
        deep("B1 reorgs of 55 and 40 blocks, deeper than any fixed window"),
        scenario(
            "B5 a second reorg while the first is handled",
            Kind::Honest,
            (0..10)
                .flat_map(|at| {
                    vec![
                        mine(30 + at, 4),
                        REST,
                        fork(at, 4, 1, How::New),
                        Event::Meanwhile {
                            after: 4 + at as u16,
                            moves: Move::Fork { seed: at + 50, depth: 6, grow: 1, how: How::Moved },
                        },
                        REST,
                    ]
                })
                .collect(),
        ),
        scenario(
            "B6 the newest block replaced by a sibling, again and again",
            Kind::Honest,
            vec![
                mine(40, 20),
                REST,
                fork(1, 1, 0, How::Sibling),
                step(3),
                fork(2, 1, 0, How::New),
                step(3),
                fork(3, 1, 0, How::Failing),
                step(1),
                fork(4, 1, 0, How::Empty),
                REST,
            ],
        ),
        scenario(
            "B7 a shorter chain: the head goes backwards",
            Kind::Honest,
            vec![
                mine(50, 20),
                REST,
                fork(51, 6, -6, How::New),
                REST,
                mine(52, 1),
                REST,
                fork(53, 5, -3, How::New),
                REST,
            ],
        ),
        scenario(
            "B9 every block above finality orphaned: the ancestor is the final block itself",
            Kind::Honest,
            vec![mine(60, 30), REST, fork(61, 200, 1, How::New), REST, fork(62, 200, 0, How::Moved), REST],
        ),
        Scenario {
            reorg_depth_trusted: 1,
            ..scenario(
                "a deep reorg that one provider of three tells of is not followed",
                Kind::Minority,
                std::iter::once(mine(3, 30))
                    .chain(std::iter::once(step(60)))
                    .chain((0..12).flat_map(|at| {
                        let (begin, end) = (lies(Fault::PrivateFork, 100), lies(Fault::PrivateFork, 0));
                        [begin, step(6), end, step(4), mine(50 + at, 1), step(4)]
                    }))
                    .chain([REST])
                    .collect(),
            )
        },
        scenario(
            "B12 finality violated: halts, also after a restart, until an operator goes on",
            Kind::Across,
            vec![
                mine(70, 30),
                REST,
                Event::Chain(Move::ForkAcrossFinality { seed: 71, below: 3 }),
                REST,
                Event::Crash { after: 0 },
                step(2),
                mine(72, 5),
                REST,
                Event::Heal,
                mine(73, 5),
                REST,
            ],
        ),
        scenario(
            "B16 a transaction in another block after a reorg, and failing in a third",
            Kind::Honest,
            vec![
                mine(80, 24),
                REST,
                fork(81, 6, 1, How::Moved),
                REST,
                fork(82, 5, 1, How::Failing),
                REST,
                fork(83, 7, 2, How::Moved),
                REST,
            ],
        ),
        scenario(
            "B17 block times that repeat and go back",
            Kind::Honest,
            vec![mine(90, 40), step(5), mine(91, 20), REST, fork(92, 4, 3, How::New), REST],
        ),
        scenario(
            "B21 contracts go with the block that announced them",
            Kind::Honest,
            (0..8)
                .flat_map(|at| vec![mine(100 + at, 3), REST, fork(110 + at, 8, 1, How::New), REST])
                .collect(),
        ),
        scenario(
            "B22 nothing remembered survives a reorg",
            Kind::Honest,
            (0..8)
                .flat_map(|at| {
                    vec![
                        mine(120 + at, 5),
                        REST,
                        fork(130 + at, 5, 0, How::New),
                        step(1),
                        Event::Chain(Move::Return),
                        REST,
                    ]
                })
                .collect(),
        ),
    ]
}

fn database() -> Vec<Scenario> {
    vec![
        scenario(
            "P9 a full disk at the first row",
            Kind::Honest,
            vec![
                Event::Database { fault: StoreFault::DiskFull, rate: 100 },
                mine(30, 20),
                step(4),
                Event::Database { fault: StoreFault::DiskFull, rate: 0 },
                REST,
            ],
        ),
        scenario(
            "P1 the answer to COMMIT is lost, again and again",
            Kind::Honest,
            vec![
                Event::Database { fault: StoreFault::FailsAfter, rate: 50 },
                mine(140, 30),
                REST,
                fork(141, 4, 2, How::New),
                REST,
                Event::Database { fault: StoreFault::FailsBefore, rate: 20 },
                mine(142, 8),
                REST,
            ],
        ),
        scenario(
            "P4 a failover to a standby that lost the last commits",
            Kind::Honest,
            vec![
                mine(150, 24),
                REST,
                mine(151, 4),
                REST,
                Event::Failover { back: 2 },
                fork(152, 3, 2, How::New),
                REST,
                Event::Failover { back: 1 },
                mine(153, 12),
                REST,
            ],
        ),
    ]
}

/// Connections cut between two statements, in every phase: on PostgreSQL alone.
pub fn cut_connections() -> Vec<Scenario> {
    let cut = Event::CutConnection;
    let of = |seed: u64| {
        let mut events = vec![cut, mine(seed, 40)];
        for at in 0..6 {
            let change = Event::Reconfigure(Change::PlainToken(1 + at % 3));
            events.extend([cut, step(2), cut, step(2), cut, REST, cut, change, step(1), cut, step(1)]);
            events.extend([
                cut,
                step(1),
                cut,
                step(1),
                cut,
                REST,
                mine(seed + at, 5),
                cut,
                step(2),
                cut,
                REST,
            ]);
            events.extend([fork(seed + at, 4, 1, How::New), cut, step(1), cut, step(1), cut, REST]);
        }
        let name = format!("P3 the writer's connection is cut between two statements ({seed})");
        Scenario { range_blocks: 6, sweep_blocks: 4, ..scenario(&name, Kind::Honest, events) }
    };
    (1_000..1_006).map(of).collect()
}
