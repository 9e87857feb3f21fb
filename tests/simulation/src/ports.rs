//! The daemon's ports: every await of its node and its database passes here, before the call and after it was carried
//! out. Here a process dies or is paused, exactly at the await that was asked for; and here it is seen what it is doing.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use alloy::primitives::{Address, B256};
use asset_indexer::block::{BlockId, BlockRange, Header, RawLog, Receipt, Sealed, Transaction};
use asset_indexer::source::{CallAnswer, CallRequest, SecondOpinion, Source, SourceError, View, Witnesses};
use asset_indexer::store::Checkpoint;
use asset_indexer::sync::{Step, plan};

use crate::answers::Answers;
use crate::faults::{Hit, Hits, Phase};
use crate::reference::Branched;
use crate::scenario::Move;
use crate::stage::Stage;

/// What happens to a process at an await.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It dies.
    Crash,
    /// It is paused, and may go on later.
    Pause,
}

#[derive(Debug, Default)]
struct State {
    awaits: u64,
    due: Vec<(u64, Move)>,
    stop_at: Option<(u64, Stop)>,
    stopped: Option<Stop>,
    checkpoint: Option<Checkpoint>,
    planned: Plan,
    last: Last,
    /// Whether a contract is catching up, and whether the step before was about that: the two take turns.
    late: bool,
    was_late: bool,
    /// Whether a write is on its way.
    writes: bool,
}

impl State {
    /// What happens at this await, if anything still does.
    fn stops(&self, at: u64) -> Option<Stop> {
        self.stop_at.filter(|(place, _)| *place <= at).map(|(_, stop)| stop)
    }
}

/// What was planned with the last view.
#[derive(Debug, Default, Clone, Copy)]
enum Plan {
    #[default]
    Nothing,
    Planned,
    Checking,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Last {
    #[default]
    Other,
    View,
    StoredHeaders,
}

/// Awaits of a whole run, and at which of them the process dies.
#[derive(Debug, Default)]
pub struct Deaths {
    passed: AtomicU64,
    at: Vec<u64>,
}

impl Deaths {
    /// Dies at these awaits of the run.
    pub fn at(at: Vec<u64>) -> Arc<Self> {
        Arc::new(Self { passed: AtomicU64::new(0), at })
    }

    /// How many awaits were passed.
    pub fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }

    fn dies_here(&self) -> bool {
        let at = self.passed.fetch_add(1, Ordering::Relaxed);
        self.at.contains(&at)
    }
}

/// The ports of one process.
#[derive(Debug, Clone)]
pub struct Ports {
    state: Arc<Mutex<State>>,
    /// `None` for whoever is no process under test: nothing stops it and nothing is counted.
    stage: Option<Arc<Stage>>,
    deaths: Arc<Deaths>,
    hits: Hits,
}

impl Ports {
    /// Of a process that has not asked anything yet.
    pub fn new(stage: Arc<Stage>, deaths: Arc<Deaths>, hits: Hits) -> Self {
        hits.enter(Phase::Start);
        Self { state: Arc::default(), stage: Some(stage), deaths, hits }
    }

    /// Of a worker that is not under test.
    pub fn free() -> Self {
        Self { state: Arc::default(), stage: None, deaths: Arc::default(), hits: Hits::default() }
    }

    /// The chain moves at the await that comes after so many.
    pub fn meanwhile(&self, after: u64, moves: Move) {
        let mut state = self.state();
        let at = state.awaits + after;
        state.due.push((at, moves));
    }

    /// The moves that were still to come.
    pub fn take_due(&self) -> Vec<Move> {
        std::mem::take(&mut self.state().due).into_iter().map(|(_, moves)| moves).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics at a port")
    }

    /// How many awaits were passed.
    pub fn awaits(&self) -> u64 {
        self.state().awaits
    }

    /// Stops the process at the await that comes `after` so many others from now.
    pub fn stop_after(&self, after: u64, stop: Stop) {
        let mut state = self.state();
        let at = state.awaits + after;
        state.stop_at = Some((at, stop));
    }

    /// Whether a stop is still to come.
    pub fn is_armed(&self) -> bool {
        self.state().stop_at.is_some()
    }

    /// Nothing stops the process any more.
    pub fn disarm(&self) {
        self.state().stop_at = None;
    }

    /// Whether it stopped, since it was last asked.
    fn take_stopped(&self) -> Option<Stop> {
        self.state().stopped.take()
    }

    /// A call through a port.
    pub async fn pass<T>(&self, call: impl Future<Output = T>) -> T {
        if self.stage.is_none() {
            return call.await;
        }
        self.stop_here(Hit::CrashBefore).await;
        let answer = call.await;
        self.stop_here(Hit::CrashAfter).await;
        answer
    }

    /// A write that whoever dies or is paused at another await beside it does not cut: a server that was told to commit, and
    /// that nobody listens to any more, has done it or not, and its copy would have to guess. A connection that is lost in the
    /// midst of a write is [`crate::scenario::Event::CutConnection`], a death around it what [`Self::pass`] does.
    pub async fn whole<T>(&self, write: impl Future<Output = T>) -> T {
        self.state().writes = true;
        let answer = write.await;
        self.state().writes = false;
        answer
    }

    /// Waits until no write is on its way.
    async fn written(&self) {
        while self.state().writes {
            Rest(1).await;
        }
    }

    async fn stop_here(&self, hit: Hit) {
        let dies = self.deaths.dies_here();
        let (at, due) = {
            let mut state = self.state();
            let at = state.awaits;
            state.awaits += 1;
            if dies {
                state.stop_at = Some((at, Stop::Crash));
            }
            let due = state.due.extract_if(.., |(place, _)| *place <= at);
            (at, due.map(|(_, moves)| moves).collect::<Vec<Move>>())
        };
        for moves in &due {
            if let Some(stage) = &self.stage {
                stage.play(moves);
            }
        }
        if self.state().stops(at).is_some() {
            self.written().await;
        }
        // The end of a write that was waited for may have been where it stopped.
        let stop = {
            let mut state = self.state();
            let stop = state.stops(at);
            if stop.is_some() {
                (state.stop_at, state.stopped) = (None, stop);
            }
            stop
        };
        match stop {
            None => {}
            Some(Stop::Pause) => Rest(1).await,
            Some(Stop::Crash) => {
                self.hits.hit(hit);
                std::future::pending().await
            }
        }
    }

    /// The daemon begins a step.
    pub fn steps(&self) {
        self.state().planned = Plan::Nothing;
        self.hits.enter(Phase::Start);
    }

    /// The daemon read its checkpoint.
    pub fn saw_checkpoint(&self, checkpoint: Option<&Checkpoint>) {
        if self.stage.is_none() {
            return;
        }
        self.state().checkpoint = checkpoint.cloned();
    }

    /// The daemon read its own headers: the search for an ancestor begins so.
    pub fn asked_stored_headers(&self) {
        let mut state = self.state();
        // Right after a view it is the look whether what is final is ours.
        if state.last != Last::View {
            state.last = Last::StoredHeaders;
        }
    }

    /// The daemon read which contracts are catching up.
    pub fn saw_coverage(&self, late: bool) {
        self.state().late = late;
    }

    /// The daemon asked what is proved.
    pub fn asked_evidence(&self) {
        if matches!(self.state().planned, Plan::Checking) {
            self.hits.enter(Phase::Sweep);
        }
    }

    fn saw_view(&self, view: &View) {
        if self.stage.is_none() {
            return;
        }
        let mut state = self.state();
        let Some(checkpoint) = state.checkpoint.clone() else { return };
        let (planned, phase) = match plan(&checkpoint, view, None, 1_000) {
            Step::Backfill(_) => (Plan::Planned, Phase::Backfill),
            Step::Follow(_) => (Plan::Planned, Phase::Follow),
            Step::Check(_) => (Plan::Checking, Phase::Follow),
        };
        state.planned = planned;
        state.last = Last::View;
        drop(state);
        self.hits.enter(phase);
    }

    fn asked(&self, is_header: bool, is_proof: bool) {
        if self.stage.is_none() {
            return;
        }
        let mut state = self.state();
        let last = std::mem::take(&mut state.last);
        let planned = state.planned;
        let catches_up = last == Last::View && state.late && !state.was_late;
        if last == Last::View {
            state.was_late = catches_up;
        }
        drop(state);
        match (planned, last) {
            (Plan::Nothing, _) => {}
            (_, Last::View) if catches_up => self.hits.enter(Phase::CatchUp),
            (_, Last::StoredHeaders) if is_header => self.hits.enter(Phase::Rollback),
            (Plan::Checking, _) if is_proof && self.hits.phase() == Phase::Follow => {
                self.hits.enter(Phase::Sweep);
            }
            _ => {}
        }
    }
}

/// Is ready after so many polls.
#[derive(Debug)]
pub struct Rest(pub u32);

impl Future for Rest {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0 == 0 {
            return Poll::Ready(());
        }
        self.0 -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// What became of a future that ran until it was done or its process stopped.
#[derive(Debug)]
pub enum Ran<F: Future> {
    /// It is done.
    Done(F::Output),
    /// It died: nothing of it is left.
    Crashed,
    /// It can go on.
    Paused(F),
}

/// Runs a future until it is done or stops at a port.
pub async fn run<F: Future + Unpin>(ports: &Ports, mut future: F) -> Ran<F> {
    let outcome = std::future::poll_fn(|context| match Pin::new(&mut future).poll(context) {
        Poll::Ready(output) => Poll::Ready(Ok(output)),
        Poll::Pending => match ports.take_stopped() {
            Some(stop) => Poll::Ready(Err(stop)),
            None => Poll::Pending,
        },
    })
    .await;
    match outcome {
        Ok(output) => Ran::Done(output),
        Err(Stop::Crash) => Ran::Crashed,
        Err(Stop::Pause) => Ran::Paused(future),
    }
}

/// A node behind the ports.
#[derive(Debug)]
pub struct Node {
    source: Answers,
    ports: Ports,
}

impl Node {
    /// A node as one process sees it.
    pub fn new(source: Answers, ports: Ports) -> Self {
        Self { source, ports }
    }

    /// An honest node whose chain ends where it is told to; nothing stops whoever asks it.
    pub fn honest(branched: Branched) -> Self {
        Self { source: Answers::Branched(branched), ports: Ports::free() }
    }

    /// The honest node behind.
    pub fn branched(&self) -> Option<&Branched> {
        match &self.source {
            Answers::Branched(branched) => Some(branched),
            Answers::Chooser(_) => None,
        }
    }
}

impl Source for Node {
    async fn chain_id(&self) -> Result<u64, SourceError> {
        self.ports.pass(self.source.chain_id()).await
    }

    async fn view(&self) -> Result<View, SourceError> {
        let view = self.ports.pass(self.source.view()).await?;
        self.ports.saw_view(&view);
        Ok(view)
    }

    async fn header(&self, number: u64) -> Result<Option<Header>, SourceError> {
        self.ports.asked(true, false);
        self.ports.pass(self.source.header(number)).await
    }

    async fn headers(&self, numbers: &[u64]) -> Result<Vec<Header>, SourceError> {
        self.ports.asked(false, false);
        self.ports.pass(self.source.headers(numbers)).await
    }

    async fn logs_of_block(&self, block: BlockId) -> Result<Vec<RawLog>, SourceError> {
        self.ports.asked(false, false);
        self.ports.pass(self.source.logs_of_block(block)).await
    }

    async fn logs_in_range(
        &self,
        range: BlockRange,
        addresses: &[Address],
    ) -> Result<Vec<RawLog>, SourceError> {
        self.ports.asked(false, false);
        if addresses.is_empty() {
            return Ok(Vec::new());
        }
        self.ports.pass(self.source.logs_in_range(range, addresses)).await
    }

    /// Some of them, which need not be the first, where there are too many.
    async fn logs_up_to(
        &self,
        range: BlockRange,
        addresses: &[Address],
        most: usize,
    ) -> Result<Vec<RawLog>, SourceError> {
        let logs = self.logs_in_range(range, addresses).await?;
        let spared = logs.len().saturating_sub(most.saturating_add(1));
        Ok(logs.into_iter().skip(spared / 2).take(most.saturating_add(1)).collect())
    }

    async fn calls(&self, requests: &[CallRequest]) -> Result<Vec<CallAnswer>, SourceError> {
        self.ports.asked(false, false);
        self.ports.pass(self.source.calls(requests)).await
    }

    async fn transactions(&self, block: BlockId) -> Result<Vec<Transaction>, SourceError> {
        self.ports.asked(false, false);
        self.ports.pass(self.source.transactions(block)).await
    }

    async fn has_code(&self, address: Address, number: u64) -> Result<Option<bool>, SourceError> {
        self.ports.pass(self.source.has_code(address, number)).await
    }

    async fn sealed(&self, numbers: &[u64]) -> Result<Vec<Sealed>, SourceError> {
        self.ports.asked(false, true);
        self.ports.pass(self.source.sealed(numbers)).await
    }

    async fn receipts(&self, block: BlockId) -> Result<Vec<Receipt>, SourceError> {
        self.ports.pass(self.source.receipts(block)).await
    }

    fn alias(&self) -> String {
        self.source.alias()
    }

    async fn witnesses(&self, block: BlockId) -> Result<Witnesses, SourceError> {
        self.ports.pass(self.source.witnesses(block)).await
    }

    async fn second_opinion(
        &self,
        range: BlockRange,
        addresses: &[Address],
    ) -> Result<Option<SecondOpinion>, SourceError> {
        self.ports.pass(self.source.second_opinion(range, addresses)).await
    }

    fn blame(&self, reason: &str) {
        self.source.blame(reason);
    }

    async fn wait_for_head(&self) {
        self.source.wait_for_head().await;
    }
}

/// Names a block in a failure's text.
pub fn short(hash: B256) -> String {
    format!("{:02x}{:02x}{:02x}", hash[0], hash[1], hash[2])
}
