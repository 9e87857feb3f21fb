//! A scenario: settings and a list of events, from a seed or from a file. The same list is the same run, everywhere.

use serde::{Deserialize, Serialize};

use crate::dice::Dice;
use crate::faults::{Fault, StoreFault};
use crate::play::Cast;

/// What may go wrong, and what must hold then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Forks, crashes and a failing database, and one honest provider: tables equal those of a fresh index at every
    /// commit, and it never halts.
    Honest,
    /// Honest providers that fail too: the same.
    Failing,
    /// One provider of three lies: no verified row is wrong, with proving before the commit no row at all; it halts only
    /// where a lie about finality was told; healed, it converges.
    Minority,
    /// The only provider lies: the same.
    Single,
    /// The chain replaces final blocks: it halts, or never had them; an operator's rewind ends it.
    Across,
}

/// How a fork's blocks come about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum How {
    /// Other transactions.
    New,
    /// The same transactions in other blocks.
    Moved,
    /// The same transactions; some fail now.
    Failing,
    /// Blocks without transactions.
    Empty,
    /// The same transactions in the same order: same heights, other hashes.
    Sibling,
}

/// When the logs are proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Prove {
    /// Never.
    Off,
    /// Behind what is visible.
    Background,
    /// Before it is visible.
    BeforeCommit,
}

/// What is configured otherwise at the next start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// A token that nobody announced, by its number.
    PlainToken(u64),
    /// A token that the factory announced, or will.
    AnnouncedToken,
    /// When logs are proved.
    Proving(Prove),
    /// Blocks of a backfill's transaction and of a sweep's step.
    Ranges(u64, u64),
    /// From which depth on a reorg needs a second word.
    Trusted(u64),
}

/// What the chain does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Move {
    /// It grows.
    Mine {
        /// What is in the blocks.
        seed: u64,
        /// How many.
        blocks: u8,
    },
    /// The chain grows by blocks without transactions.
    MineEmpty {
        /// How many.
        blocks: u8,
    },
    /// The newest blocks are replaced; never final ones.
    Fork {
        /// What is in the new blocks.
        seed: u64,
        /// How many go, at most as many as are not final.
        depth: u8,
        /// How many more come than go; fewer where it is negative.
        grow: i8,
        /// What the new ones hold.
        how: How,
    },
    /// Final blocks are replaced.
    ForkAcrossFinality {
        /// What is in the new blocks.
        seed: u64,
        /// How many final ones go.
        below: u8,
    },
    /// The branch that left last is the chain again.
    Return,
    /// Finality stands still, or goes on.
    Stall(bool),
}

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The chain moves between two steps of the daemon.
    Chain(Move),
    /// The chain moves while the daemon waits for an answer.
    Meanwhile {
        /// How many awaits pass before.
        after: u16,
        /// What it does.
        moves: Move,
    },
    /// A provider's fault begins, or ends with rate zero.
    Provider {
        /// Which provider.
        number: u8,
        /// The fault.
        fault: Fault,
        /// In how many of a hundred answers.
        rate: u8,
    },
    /// A fault of the database begins, or ends with rate zero.
    Database {
        /// The fault.
        fault: StoreFault,
        /// In how many of a hundred calls.
        rate: u8,
    },
    /// The process will die at the await that comes after so many.
    Crash {
        /// How many awaits pass.
        after: u16,
    },
    /// The process will be paused at an await, another takes over and makes some steps, and the first wakes up.
    TakeOver {
        /// How many awaits pass.
        after: u16,
        /// Steps of the second before the first wakes up.
        steps: u8,
    },
    /// The process ends and starts with another configuration.
    Reconfigure(Change),
    /// The database fails over to a standby that lost the last writes.
    Failover {
        /// How many writes.
        back: u8,
    },
    /// The writer's connection is cut.
    CutConnection,
    /// The daemon makes some steps.
    Step {
        /// How many, at most: it rests when there is nothing to do.
        steps: u8,
    },
    /// Every fault ends, and the daemon comes to rest.
    Heal,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scenario {
    /// What it shows, where it has a name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Where all choices come from.
    pub seed: u64,
    /// Whose logs the chain has.
    #[serde(default)]
    pub cast: Cast,
    /// What may go wrong.
    pub kind: Kind,
    /// How many providers there are.
    pub providers: u8,
    /// Blocks above a final one.
    pub finality_depth: u64,
    /// When logs are proved.
    pub proving: Prove,
    /// Most blocks of a backfill's transaction.
    pub range_blocks: u64,
    /// Most blocks of a sweep's step.
    pub sweep_blocks: u64,
    /// Final blocks that a first load must have before it to do without indexes; zero for never.
    #[serde(default)]
    pub deferred_indexes_from_blocks: u64,
    /// Whether the next range is read and folded while one is committed.
    #[serde(default)]
    pub reads_ahead: bool,
    /// How many logs contracts may have had before the step that finds them, to be read within it; zero for any number.
    #[serde(default)]
    pub older_logs_max: usize,
    /// From which depth on a reorg needs a second word.
    pub reorg_depth_trusted: u64,
    /// What happens.
    pub events: Vec<Event>,
}

impl Scenario {
    /// The scenario of a seed.
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let kind = match dice.below(100) {
            0..20 => Kind::Honest,
            20..45 => Kind::Failing,
            45..70 => Kind::Minority,
            70..93 => Kind::Single,
            _ => Kind::Across,
        };
        let providers = match kind {
            Kind::Minority => 3,
            Kind::Single => 1,
            _ => 1 + dice.below(3) as u8,
        };
        let mut scenario = Self {
            name: String::new(),
            seed,
            cast: Cast::Whole,
            kind,
            providers,
            finality_depth: *dice.pick(&[1, 3, 4, 6, 8, 12, 20]),
            proving: *dice.pick(&[Prove::Background, Prove::Background, Prove::BeforeCommit]),
            range_blocks: *dice.pick(&[3, 7, 16, 50]),
            sweep_blocks: *dice.pick(&[2, 8, 16, 64]),
            // Without dice, so that all else of a seed stays what it was.
            deferred_indexes_from_blocks: u64::from(seed % 4 == 1),
            reads_ahead: seed.is_multiple_of(2),
            older_logs_max: [0, 0, 3, 0, 0, 9][(seed % 6) as usize],
            reorg_depth_trusted: *dice.pick(&[2, 1_000, 1_000]),
            events: Vec::new(),
        };
        scenario.events = Generator::new(dice, &scenario).events();
        scenario
    }

    /// The same with other events.
    #[must_use]
    pub fn with(&self, events: Vec<Event>) -> Self {
        Self { events, ..self.clone() }
    }
}

/// Which faults a seed has: runs with one fault alone exist, and runs with many.
struct Generator {
    dice: Dice,
    kind: Kind,
    providers: u8,
    source: Vec<Fault>,
    store: Vec<StoreFault>,
    crashes: bool,
    takes_over: bool,
    reconfigures: bool,
    fails_over: bool,
}

impl Generator {
    fn new(mut dice: Dice, scenario: &Scenario) -> Self {
        let kind = scenario.kind;
        let of: &[Fault] = match kind {
            Kind::Honest | Kind::Across => &[],
            Kind::Failing => &Fault::ALL[..Fault::FAILURES],
            Kind::Minority | Kind::Single => &Fault::ALL,
        };
        let most = 1 + dice.below(6);
        let mut source = Vec::new();
        for _ in 0..most {
            if !of.is_empty() {
                source.push(*dice.pick(of));
            }
        }
        // At least one lie where lies are what it is about.
        if matches!(kind, Kind::Minority | Kind::Single) {
            source.push(*dice.pick(&Fault::ALL[Fault::FAILURES..]));
        }
        let mut store = Vec::new();
        for _ in 0..dice.below(3) {
            store.push(*dice.pick(&StoreFault::ALL));
        }
        Self {
            kind,
            providers: scenario.providers,
            source,
            store,
            crashes: dice.percent(50),
            takes_over: dice.percent(25),
            reconfigures: kind != Kind::Across && dice.percent(40),
            fails_over: dice.percent(20),
            dice,
        }
    }

    fn events(mut self) -> Vec<Event> {
        let mut events = vec![Event::Chain(self.mine(40))];
        if self.dice.percent(50) {
            events.extend(self.trouble());
        }
        events.push(self.step());
        let rounds = 8 + self.dice.below(12);
        for _ in 0..rounds {
            let many = 1 + self.dice.below(2);
            for _ in 0..many {
                let moves = self.chain();
                events.push(match self.dice.percent(35) {
                    true => Event::Meanwhile { after: self.dice.below(60) as u16, moves },
                    false => Event::Chain(moves),
                });
            }
            if self.dice.percent(60) {
                events.extend(self.trouble());
            }
            events.push(self.step());
            if self.dice.percent(10) {
                events.push(Event::Heal);
            }
        }
        events
    }

    fn mine(&mut self, most: u64) -> Move {
        Move::Mine { seed: self.dice.roll(), blocks: 1 + self.dice.below(most) as u8 }
    }

    fn step(&mut self) -> Event {
        Event::Step { steps: *self.dice.pick(&[1, 2, 4, 8, 20, 60]) }
    }

    fn chain(&mut self) -> Move {
        match self.dice.below(20) {
            0..8 => self.mine(8),
            8 => Move::MineEmpty { blocks: 1 + self.dice.below(4) as u8 },
            9 => Move::Return,
            10 => Move::Stall(true),
            11 => Move::Stall(false),
            12 if self.kind == Kind::Across => {
                Move::ForkAcrossFinality { seed: self.dice.roll(), below: 1 + self.dice.below(5) as u8 }
            }
            _ => {
                let how = *self.dice.pick(&[
                    How::New,
                    How::New,
                    How::Moved,
                    How::Failing,
                    How::Empty,
                    How::Sibling,
                ]);
                let depth = *self.dice.pick(&[1, 1, 2, 3, 5, 20]);
                let grow = *self.dice.pick(&[-2, -1, 0, 0, 1, 1, 1, 2, 4]);
                Move::Fork { seed: self.dice.roll(), depth, grow, how }
            }
        }
    }

    fn trouble(&mut self) -> Vec<Event> {
        let rates = [3, 10, 30, 100];
        let mut events = Vec::new();
        for _ in 0..1 + self.dice.below(2) {
            let event = match self.dice.below(13) {
                0..4 if !self.source.is_empty() => {
                    let number = match self.kind {
                        Kind::Minority | Kind::Single => 0,
                        _ => self.dice.below(u64::from(self.providers)) as u8,
                    };
                    Event::Provider {
                        number,
                        fault: *self.dice.pick(&self.source),
                        rate: *self.dice.pick(&rates),
                    }
                }
                4 if !self.source.is_empty() => {
                    Event::Provider { number: 0, fault: *self.dice.pick(&self.source), rate: 0 }
                }
                5 if !self.store.is_empty() => Event::Database {
                    fault: *self.dice.pick(&self.store),
                    rate: *self.dice.pick(&[2, 5, 20]),
                },
                6 if !self.store.is_empty() => {
                    Event::Database { fault: *self.dice.pick(&self.store), rate: 0 }
                }
                7 | 8 if self.crashes => Event::Crash { after: self.dice.below(120) as u16 },
                9 if self.takes_over => {
                    Event::TakeOver { after: self.dice.below(80) as u16, steps: 1 + self.dice.below(6) as u8 }
                }
                10 if self.reconfigures => Event::Reconfigure(self.change()),
                11 if self.fails_over => Event::Failover { back: 1 + self.dice.below(6) as u8 },
                12 if self.reconfigures => Event::Reconfigure(self.change()),
                11 | 12 if self.dice.percent(60) => Event::CutConnection,
                _ => continue,
            };
            events.push(event);
        }
        events
    }

    fn change(&mut self) -> Change {
        match self.dice.below(12) {
            0..6 => Change::PlainToken(1 + self.dice.below(3)),
            6 => Change::AnnouncedToken,
            7 => Change::Proving(Prove::Off),
            8 => Change::Proving(Prove::Background),
            9 => Change::Proving(Prove::BeforeCommit),
            10 => Change::Ranges(1 + self.dice.below(30), 1 + self.dice.below(20)),
            _ => Change::Trusted(*self.dice.pick(&[1, 3, 1_000])),
        }
    }
}
