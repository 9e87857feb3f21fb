//! Carries a scenario out: the chain and the faults as its events say, the daemon step by step, a look at the tables
//! whenever they have changed.

use std::sync::Arc;

use asset_indexer::block::BlockId;
use asset_indexer::proof::Method;
use asset_indexer::store::memory::MemoryStore;
use asset_indexer::store::{Checkpoint, Status, Store};
use asset_indexer::sync::{Config, Outcome, Proving, Remedy, SyncError};

use crate::backend::Backend;
use crate::chain::{Picture, SimChain, shared};
use crate::check::{self, Seen};
use crate::chooser::Chooser;
use crate::faults::{Hit, Hits};
use crate::faulty_store::{FaultyStore, StoreFaults};
use crate::independent;
use crate::ports::{self, Deaths, Ports, Ran, Stop};
use crate::process::{self, Process};
use crate::provider::{Provider, Tainted};
use crate::reference::{Reference, difference};
use crate::scenario::{Event, Kind, Move, Scenario};
use crate::stage::Stage;

/// Text that is only in secrets: it is in no error.
pub const CANARY: &str = "canary-5e1f";

/// So many steps with nothing to do are rest, where all is proved; more than between two tries at a proof are in any case.
const IDLE_STEPS: usize = 4;
const IDLE_STEPS_MAX: usize = 80;

/// Steps in which a healed daemon must come to rest.
const STEPS_TO_REST: usize = 4_000;

/// When the oracle is asked too, beside one comparison in so many.
const AT_REST: &str = "healed and at rest";
const ORACLE_EVERY: u64 = 24;

/// Snapshots kept for a failover.
const SNAPSHOTS: usize = 8;

/// What does not hold, and where it was seen.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What does not hold.
    pub what: String,
    /// Index of the event under way; the number of events for the end.
    pub event: usize,
}

/// What a run went through.
#[derive(Debug, Clone, Copy, Default)]
pub struct Report {
    /// Steps of the daemon.
    pub steps: u64,
    /// Awaits passed at its ports.
    pub awaits: u64,
    /// Writes that its store carried out.
    pub writes: u64,
    /// Height of the chain in the end.
    pub blocks: u64,
    /// Halts that an operator ended.
    pub halts: u64,
    /// Comparisons of all tables.
    pub compared: u64,
    /// Repairs by proof.
    pub repaired: u64,
}

/// How a scenario is carried out.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Awaits of the whole run at which the process dies, beside what the scenario says.
    pub deaths: Vec<u64>,
    /// Whether every step is written to standard error.
    pub trace: bool,
}

/// Carries a scenario out and looks at everything that must hold.
///
/// # Errors
/// What does not hold.
pub async fn run<B: Backend + 'static>(
    scenario: &Scenario,
    backend: &B,
    hits: &Hits,
    options: &Options,
) -> Result<Report, Failure> {
    let mut world = World::new(scenario, backend, hits, options);
    for (index, event) in scenario.events.iter().enumerate() {
        world.happen(event).await.map_err(|what| Failure { what, event: index })?;
    }
    let at_end = |what| Failure { what, event: scenario.events.len() };
    world.heal().await.map_err(at_end)?;
    world.compare_with_fresh().await.map_err(at_end)?;
    Ok(world.reported())
}

struct World<'a, B: Backend> {
    scenario: &'a Scenario,
    backend: &'a B,
    options: &'a Options,
    hits: Hits,
    stage: Arc<Stage>,
    providers: Arc<Vec<Provider>>,
    store_faults: StoreFaults,
    deaths: Arc<Deaths>,
    config: Config,
    process: Option<Process>,
    /// Steps of the second writer of a duel that was announced.
    duel: Option<u8>,
    reference: Reference,
    snapshots: Vec<(B::Snapshot, Tainted)>,
    seen: Seen,
    looked_at: u64,
    /// What lies can have left in the tables that is not mended yet.
    tainted: Tainted,
    halted: bool,
    processes: u64,
    report: Report,
}

/// What a step came to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stepped {
    Outcome(Outcome),
    Failed(String),
    Gone,
}

impl<'a, B: Backend + 'static> World<'a, B> {
    fn new(scenario: &'a Scenario, backend: &'a B, hits: &Hits, options: &'a Options) -> Self {
        let stage = Arc::new(Stage::new(scenario.seed, scenario.cast, scenario.finality_depth, hits.clone()));
        let chain = stage.chain().clone();
        let is_alone = scenario.kind == Kind::Single;
        let provider = |number| Provider::new(number, scenario.seed, chain.clone(), hits.clone(), is_alone);
        let config = process::config(scenario);
        Self {
            scenario,
            backend,
            options,
            hits: hits.clone(),
            providers: Arc::new((0..scenario.providers).map(provider).collect()),
            store_faults: StoreFaults::new(scenario.seed, hits.clone()),
            deaths: Deaths::at(options.deaths.clone()),
            reference: Reference::new(chain, &config),
            config,
            process: None,
            duel: None,
            snapshots: Vec::new(),
            seen: Seen::default(),
            looked_at: 0,
            tainted: Tainted::default(),
            halted: false,
            processes: 0,
            report: Report::default(),
            stage,
        }
    }

    fn chain(&self) -> &Arc<SimChain> {
        self.stage.chain()
    }

    fn trace(&self, text: impl FnOnce() -> String) {
        if self.options.trace {
            eprintln!("    {}", text());
        }
    }

    fn reported(&self) -> Report {
        Report {
            awaits: self.deaths.passed(),
            writes: self.store_faults.writes(),
            blocks: self.chain().head().number,
            ..self.report
        }
    }

    async fn happen(&mut self, event: &Event) -> Result<(), String> {
        self.trace(|| format!("{event:?}"));
        match *event {
            Event::Chain(moves) => self.stage.play(&moves),
            Event::Meanwhile { after, moves } => {
                self.present_process().await.ports.meanwhile(u64::from(after), moves);
            }
            Event::Provider { number, fault, rate } => {
                if let Some(provider) = self.providers.get(usize::from(number)) {
                    provider.set(fault, rate);
                }
            }
            Event::Database { fault, rate } => self.store_faults.set(fault, rate),
            Event::Crash { after } => {
                self.present_process().await.ports.stop_after(u64::from(after), Stop::Crash);
            }
            Event::TakeOver { after, steps } => {
                self.duel = Some(steps);
                self.present_process().await.ports.stop_after(u64::from(after), Stop::Pause);
            }
            Event::Reconfigure(change) => {
                let picture = self.chain().picture();
                let exists = |address| picture.has_code(address, picture.finalized);
                self.hits.hit(Hit::Reconfigured);
                self.end_process();
                if process::reconfigure(&mut self.config, change, exists) {
                    self.reference = Reference::new(self.chain().clone(), &self.config);
                }
            }
            Event::Failover { back } => self.fail_over(usize::from(back)).await,
            Event::CutConnection => {
                self.backend.cut().await;
            }
            Event::Step { steps } => {
                for _ in 0..steps {
                    if self.step().await? == Stepped::Outcome(Outcome::Idle) {
                        break;
                    }
                }
            }
            Event::Heal => self.heal().await?,
        }
        Ok(())
    }

    async fn fail_over(&mut self, back: usize) {
        let Some(at) = self.snapshots.len().checked_sub(1 + back) else { return };
        self.hits.hit(Hit::Failover);
        self.snapshots.truncate(at + 1);
        if let Some((snapshot, tainted)) = self.snapshots.last() {
            // With the rows, the lies in them come back.
            self.tainted = *tainted;
            self.backend.restore(snapshot).await;
        }
        self.store_faults.break_connection();
        self.seen.forget();
        self.halted = false;
        self.looked_at = u64::MAX;
    }

    /// The process; a new one, and a new writer, where there is none.
    async fn present_process(&mut self) -> &mut Process {
        if self.process.is_none() {
            let started = self.start_process().await;
            self.process = Some(started);
        }
        self.process.as_mut().expect("it was just started")
    }

    async fn start_process(&mut self) -> Process {
        self.processes += 1;
        let ports = Ports::new(self.stage.clone(), self.deaths.clone(), self.hits.clone());
        let node = Chooser::new(self.providers.clone(), self.scenario.seed ^ self.processes);
        let store = self.backend.writer().await;
        let store = FaultyStore::new(store, self.store_faults.clone(), ports.clone());
        Process::new(ports, node, store, self.config.clone())
    }

    /// The process is gone; what the chain was still to do while it waited, it does now.
    fn end_process(&mut self) {
        if let Some(process) = self.process.take() {
            self.let_chain_move(&process.ports);
        }
    }

    fn let_chain_move(&self, ports: &Ports) {
        ports.take_due().iter().for_each(|moves| self.stage.play(moves));
    }

    /// One step of the daemon, and a look at what it left.
    async fn step(&mut self) -> Result<Stepped, String> {
        self.present_process().await;
        let process = self.process.take().expect("it is there");
        let ports = process.ports.clone();
        self.report.steps += 1;
        let stepped = match ports::run(&ports, process.step()).await {
            Ran::Done((process, result)) => self.ended(process, result)?,
            Ran::Crashed => {
                self.trace(|| "crashed".to_owned());
                self.let_chain_move(&ports);
                Stepped::Gone
            }
            Ran::Paused(stepping) => {
                let steps = self.duel.take().unwrap_or(1);
                Box::pin(self.fight(steps, &ports, stepping)).await?;
                Stepped::Gone
            }
        };
        let told_times = self.take_taints();
        self.trace(|| format!("  {stepped:?}"));
        self.look(&stepped, told_times).await?;
        Ok(stepped)
    }

    fn ended(&mut self, process: Process, result: Result<Outcome, SyncError>) -> Result<Stepped, String> {
        match result {
            Ok(outcome) => {
                self.process = Some(process);
                Ok(Stepped::Outcome(outcome))
            }
            Err(error) => {
                let text = format!("{error}");
                if text.contains(CANARY) || format!("{error:?}").contains(CANARY) {
                    return Err("an error tells a secret".to_owned());
                }
                match error.remedy() {
                    Remedy::Retry => self.process = Some(process),
                    Remedy::Stop => self.let_chain_move(&process.ports),
                }
                Ok(Stepped::Failed(text))
            }
        }
    }

    /// The first writer was paused; a second takes over, and then the first wakes up.
    async fn fight(&mut self, steps: u8, ports: &Ports, first: process::Stepping) -> Result<(), String> {
        self.hits.hit(Hit::TakenOver);
        // It may have taken something back before it was paused.
        self.seen.forget_verified();
        self.trace(|| format!("paused; another takes over for {steps} steps"));
        self.process = Some(self.start_process().await);
        for _ in 0..steps {
            self.step().await?;
        }
        let before = copy(&self.backend.tables());
        let mut stepping = first;
        for _ in 0..3 {
            let Ran::Done((process, result)) = ports::run(ports, stepping).await else { break };
            self.trace(|| format!("  the first: {result:?}"));
            self.take_taints();
            self.unchanged(&before).await?;
            if result.is_err_and(|error| error.remedy() == Remedy::Stop) {
                break;
            }
            stepping = process.step();
        }
        self.let_chain_move(ports);
        Ok(())
    }

    async fn unchanged(&self, before: &MemoryStore) -> Result<(), String> {
        let now = self.backend.tables();
        let all = |_: &asset_indexer::row::TableDef, _: &str| false;
        if let Some(difference) = difference(&now, before, &all) {
            return Err(format!("a writer that was taken over from changed {difference}"));
        }
        if check::present(&now).await != check::present(before).await {
            return Err("a writer that was taken over from moved the checkpoint or evidence".to_owned());
        }
        Ok(())
    }

    /// Whether times were lied about.
    fn take_taints(&mut self) -> bool {
        let mut times = false;
        for provider in self.providers.iter() {
            let told = provider.take_tainted();
            self.tainted.logs |= told.logs && self.config.proving != Proving::BeforeCommit;
            self.tainted.calls |= told.calls;
            self.tainted.code |= told.code;
            self.tainted.finality |= told.finality;
            if told.logs || told.finality {
                self.trace(|| format!("  {:?} {told:?}", self.config.proving));
            }
            times |= told.times;
        }
        times
    }

    /// What it says that it did, it did; and no deep reorg is followed on the word of one provider among others. What is
    /// above finality may be read again where logs were lied about.
    fn check_told(&self, outcome: &Outcome, checkpoint: &Checkpoint) -> Result<(), String> {
        let at = checkpoint.block.id;
        let is_there = match outcome {
            Outcome::Followed { block, .. } => *block == at,
            Outcome::Backfilled { range, .. } => range.to == at.number,
            Outcome::RolledBack { ancestor, .. } => *ancestor == at,
            _ => true,
        };
        if !is_there {
            return Err(format!("it says {outcome:?}, and its checkpoint is {at:?}"));
        }
        let Outcome::RolledBack { from, ancestor, is_reorg: true } = outcome else { return Ok(()) };
        let is_deep = from.number - ancestor.number > self.config.reorg_depth_trusted;
        let chain = self.chain();
        let is_canonical = chain.picture().at(from.number).is_some_and(|block| block.header.id == *from);
        let is_read_again = self.tainted.logs && ancestor.number == checkpoint.finalized.number;
        let is_a_reorg = is_deep && !is_read_again;
        if self.scenario.kind == Kind::Minority && is_a_reorg && is_canonical && !chain.has_reorganized() {
            return Err(format!("{from:?} was taken back down to {ancestor:?}, as one provider alone told"));
        }
        Ok(())
    }

    /// What must hold after every step, and after every change of the tables.
    async fn look(&mut self, stepped: &Stepped, told_times: bool) -> Result<(), String> {
        let ours = self.backend.tables();
        let Some((checkpoint, evidence)) = check::present(&ours).await else { return Ok(()) };
        // How a late contract's blocks were proved leaves no evidence.
        let by_quorum = matches!(stepped, Stepped::Outcome(Outcome::CaughtUp { .. }))
            || evidence.iter().any(|known| known.method == Method::Quorum);
        self.tainted.times |= told_times && by_quorum;
        if let Stepped::Outcome(outcome) = stepped {
            self.check_told(outcome, &checkpoint)?;
        }
        match stepped {
            Stepped::Outcome(Outcome::RolledBack { .. } | Outcome::Unproved { .. }) => {
                self.seen.forget_verified();
            }
            Stepped::Outcome(Outcome::Repaired { .. }) => {
                self.report.repaired += 1;
                self.tainted.asked_in_vain = true;
            }
            // A write whose answer was lost may have been any of them.
            Stepped::Failed(_) | Stepped::Gone => {
                self.seen.forget_verified();
                self.tainted.asked_in_vain |= self.tainted.logs;
            }
            Stepped::Outcome(_) => {}
        }
        if let Status::Halted { reason } = &checkpoint.status
            && !self.halted
        {
            self.halted = true;
            let may = self.scenario.kind == Kind::Across || self.tainted.finality;
            if !may {
                return Err(format!("it halted, and nobody lied about finality: {reason}"));
            }
        }
        let Some(branch) = self.chain().branch_to(checkpoint.block.id) else {
            return Err(format!("the checkpoint {:?} is no block of any branch", checkpoint.block.id));
        };
        self.seen.check(&checkpoint, &branch, &evidence, self.tainted)?;
        let writes = self.store_faults.writes();
        if writes == self.looked_at {
            return Ok(());
        }
        self.looked_at = writes;
        if let Some(difference) = self.backend.differs().await {
            return Err(format!("PostgreSQL and memory differ: {difference}"));
        }
        self.keep_snapshot().await;
        if self.tainted.logs {
            check::nothing_above(&ours, checkpoint.block.id.number)?;
            if writes.is_multiple_of(6) {
                self.compare_verified(&ours, checkpoint.verified).await?;
            }
            return Ok(());
        }
        if check::is_catching_up(&ours) || check::configured(&ours) != self.config.contracts.len() {
            return Ok(());
        }
        let finalized = checkpoint.finalized.number.min(checkpoint.block.id.number);
        self.compare(&ours, Picture { branch, finalized }, "at a commit").await
    }

    async fn keep_snapshot(&mut self) {
        let fails_over = self.scenario.events.iter().any(|event| matches!(event, Event::Failover { .. }));
        if fails_over {
            if self.snapshots.len() == SNAPSHOTS {
                self.snapshots.remove(0);
            }
            self.snapshots.push((self.backend.snapshot().await, self.tainted));
        }
    }

    async fn compare(&mut self, ours: &MemoryStore, picture: Picture, when: &str) -> Result<(), String> {
        let masked = check::masked(self.tainted);
        let branch = picture.branch.clone();
        check::starts(ours, &branch, self.tainted).map_err(|reason| format!("{when}: {reason}"))?;
        let Some(theirs) = self.reference.at(picture).await? else { return Ok(()) };
        self.report.compared += 1;
        if let Some(difference) = difference(ours, theirs, &masked) {
            return Err(format!("{when} the tables are not those of an honest index: {difference}"));
        }
        let is_rest = when == AT_REST;
        if is_rest || self.report.compared.is_multiple_of(ORACLE_EVERY) {
            return self.ask_oracle(ours, &branch, when).await;
        }
        Ok(())
    }

    /// Whoever reads the documents alone must find the same rows.
    async fn ask_oracle(
        &self,
        ours: &MemoryStore,
        branch: &crate::chain::Branch,
        when: &str,
    ) -> Result<(), String> {
        if self.tainted.calls || self.tainted.code || self.tainted.asked_in_vain {
            return Ok(());
        }
        let through = branch.len() as u64 - 1;
        let expected = independent::expected(self.chain(), branch, &self.config, through);
        let mut dump = Vec::new();
        for table in asset_indexer::table::ALL {
            dump.push((table.name, ours.dump(table).await.map_err(|error| error.to_string())?));
        }
        let masked = check::masked(self.tainted);
        independent::agree(&dump, &expected, &masked).map_err(|differences| format!("{when}: {differences}"))
    }

    async fn compare_verified(&self, ours: &MemoryStore, verified: BlockId) -> Result<(), String> {
        let Some(branch) = self.chain().branch_to(verified) else {
            return Err(format!("the verified block {verified:?} is no block of any branch"));
        };
        let verified = verified.number;
        let mut reference = Reference::new(self.chain().clone(), &self.config);
        match reference.at(Picture { branch, finalized: verified }).await? {
            Some(theirs) => check::verified_events(ours, theirs, verified, self.tainted.times),
            None => Ok(()),
        }
    }

    /// Every fault ends; the daemon must come to rest at the head, with everything final proved.
    async fn heal(&mut self) -> Result<(), String> {
        self.providers.iter().for_each(Provider::heal);
        self.store_faults.heal();
        self.duel = None;
        if let Some(process) = &self.process {
            process.ports.disarm();
            self.let_chain_move(&process.ports.clone());
        }
        self.chain().stall(false);
        // No chain stays shorter than it was.
        let at = check::present(&self.backend.tables()).await.map_or(0, |(at, _)| at.block.id.number);
        while self.chain().head().number <= at {
            self.chain().mine(Vec::new());
        }
        if self.config.proving == Proving::Off {
            self.config.proving = Proving::Background;
            self.end_process();
        }
        self.rest().await?;
        if self.tainted.logs {
            // What a contract found by a repair logged above finality is read once it is final.
            for _ in 0..=self.scenario.finality_depth {
                self.chain().mine(Vec::new());
            }
            self.rest().await?;
        }
        if self.tainted.finality {
            // Where a block was called final that the chain does not reach, nothing provisional is believed below it.
            let told = check::present(&self.backend.tables()).await.map_or(0, |(at, _)| at.finalized.number);
            while self.chain().picture().head().id.number < told {
                self.chain().mine(Vec::new());
            }
            self.rest().await?;
        }
        self.at_rest().await
    }

    /// Steps until there is nothing to do.
    async fn rest(&mut self) -> Result<(), String> {
        let (mut idle, mut errors, mut last) = (0, 0, String::new());
        for _ in 0..STEPS_TO_REST {
            match self.step().await? {
                // Who was announced above finality catches up once that is final, and no chain stands still.
                Stepped::Outcome(Outcome::Idle) if check::is_catching_up(&self.backend.tables()) => {
                    self.stage.play(&Move::MineEmpty { blocks: 1 });
                }
                Stepped::Outcome(Outcome::Idle) => idle += 1,
                Stepped::Outcome(Outcome::Halted { .. }) => self.operate().await?,
                Stepped::Outcome(_) => (idle, errors) = (0, 0),
                Stepped::Failed(error) => (idle, errors, last) = (0, errors + 1, error),
                Stepped::Gone => idle = 0,
            }
            if errors > 40 {
                return Err(format!("healed, it only fails: {last}"));
            }
            if idle >= IDLE_STEPS && (idle >= IDLE_STEPS_MAX || self.is_proved().await) {
                break;
            }
        }
        if idle < IDLE_STEPS {
            return Err(format!("healed, it does not come to rest; the last error was {last:?}"));
        }
        Ok(())
    }

    /// Whether all that is final is proved. What could not be is tried again more and more seldom.
    async fn is_proved(&self) -> bool {
        let Some((checkpoint, _)) = check::present(&self.backend.tables()).await else { return false };
        checkpoint.verified.number >= self.chain().picture().finalized.min(checkpoint.finalized.number)
    }

    /// Healed and at rest.
    async fn at_rest(&mut self) -> Result<(), String> {
        let ours = self.backend.tables();
        let Some((checkpoint, _)) = check::present(&ours).await else {
            return Err("healed, it has no checkpoint".to_owned());
        };
        let picture = self.chain().picture();
        let (at, head) = (checkpoint.block.id, picture.head().id);
        if at != head {
            return Err(format!("healed, it rests at block {} and the head is {}", at.number, head.number));
        }
        let due = picture.finalized.min(checkpoint.finalized.number);
        if checkpoint.verified.number < due {
            return Err(format!("healed, it proved up to {} and not {due}", checkpoint.verified.number));
        }
        if ours.deferred_indexes() > 0 {
            return Err("healed, it does without indexes".to_owned());
        }
        if check::is_catching_up(&ours) {
            return Err("healed, a contract never caught up".to_owned());
        }
        if check::unproved_history(&ours).values().any(|from| *from <= due) {
            return Err("healed, the history of a late contract stays unproved".to_owned());
        }
        self.compare(&ours, picture, AT_REST).await?;
        self.tainted.logs = false;
        Ok(())
    }

    /// At the end: a new index by another way, in one backfill, and another on PostgreSQL's own rows.
    async fn compare_with_fresh(&mut self) -> Result<(), String> {
        self.reference = Reference::new(self.chain().clone(), &self.config);
        let ours = self.backend.tables();
        let picture = self.chain().picture();
        self.compare(&ours, picture, "in the end").await
    }

    /// Halted: an operator goes on from the newest block that is right.
    async fn operate(&mut self) -> Result<(), String> {
        self.report.halts += 1;
        if self.report.halts > 12 {
            return Err("it halts again and again after it was healed".to_owned());
        }
        let ours = self.backend.tables();
        let Some((checkpoint, _)) = check::present(&ours).await else { return Ok(()) };
        let Some(branch) = self.chain().branch_to(checkpoint.block.id) else {
            return Err("halted at a block of no branch".to_owned());
        };
        let to = shared(&branch, &self.chain().picture().branch);
        self.trace(|| format!("an operator takes back to {to}"));
        self.end_process();
        let mut tries = 0;
        loop {
            let store = self.backend.writer().await;
            match crate::operator::go_on_from(store, self.chain(), &self.config, to).await {
                Ok(()) => break,
                // An operator whose connection was cut repeats the command.
                Err(error) if error.contains("did not answer") && tries < 3 => tries += 1,
                Err(error) => return Err(error),
            }
        }
        self.seen.forget();
        self.halted = false;
        Ok(())
    }
}

fn copy(tables: &MemoryStore) -> MemoryStore {
    let copy = MemoryStore::new();
    copy.restore(tables.snapshot());
    copy
}
