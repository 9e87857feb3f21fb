//! Providers in memory that do what a test tells them, and a clock that only moves when told or waited for.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use alloy::primitives::{Address, B256, keccak256};
use asset_indexer::block::{BlockId, BlockRange, Header, RawLog, Receipt, Sealed, Transaction};
use asset_indexer::providers::{Budget, Clock, Providers, Rules, Standing, Trouble};
use asset_indexer::source::{CallAnswer, CallRequest, Source, SourceError, Traffic, View};

/// What a provider does when it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Answers,
    Fails,
    Refuses,
    Pruned,
    Contradicts,
    Hangs,
}

/// One provider's script.
#[derive(Debug, Clone)]
pub struct Script {
    pub chain_id: u64,
    /// Blocks at this height and above are of another branch, with this mark.
    pub fork: Option<(u64, &'static str)>,
    pub head: u64,
    pub finalized: u64,
    /// How each method is answered; the others as `otherwise`.
    pub ways: HashMap<&'static str, Way>,
    pub otherwise: Way,
    /// Answers no header above it, whatever it says of its head.
    pub gives_up_to: u64,
    requests: u64,
}

/// What was asked: of whom, and what.
pub type Asked = Arc<Mutex<Vec<(&'static str, &'static str)>>>;

/// A provider.
#[derive(Debug, Clone)]
pub struct Scripted {
    alias: &'static str,
    script: Arc<Mutex<Script>>,
    asked: Asked,
}

/// The hash of a block on a branch.
pub fn hash(number: u64, mark: &str) -> B256 {
    keccak256(format!("{mark} {number}"))
}

/// A block of the branch that most are on.
pub fn id(number: u64) -> BlockId {
    BlockId { number, hash: hash(number, "") }
}

impl Script {
    /// What it has at a height.
    pub fn id(&self, number: u64) -> BlockId {
        let mark = self.fork.filter(|(from, _)| number >= *from).map_or("", |(_, mark)| mark);
        BlockId { number, hash: hash(number, mark) }
    }

    fn header(&self, number: u64) -> Header {
        let parent = number.checked_sub(1).map_or(B256::ZERO, |below| self.id(below).hash);
        Header { id: self.id(number), parent, timestamp: 1_000 + 12 * number }
    }
}

impl Scripted {
    /// Its script, to be read or changed.
    pub fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().expect("no test panics while it writes a script")
    }

    async fn asked(&self, method: &'static str) -> Result<Script, SourceError> {
        self.asked.lock().expect("a list").push((self.alias, method));
        let script = {
            let mut script = self.script();
            script.requests += 1;
            script.clone()
        };
        let (provider, reason) = (self.alias.to_owned(), "as the script says".to_owned());
        match script.ways.get(method).copied().unwrap_or(script.otherwise) {
            Way::Answers => Ok(script),
            Way::Fails => Err(SourceError::Unavailable { provider, method, reason }),
            Way::Refuses => Err(SourceError::Refused { provider, method, reason }),
            Way::Pruned => Err(SourceError::Pruned { provider, method, block: 1, reason }),
            Way::Contradicts => Err(SourceError::Inconsistent { provider, method, reason }),
            Way::Hangs => std::future::pending().await,
        }
    }
}

impl Source for Scripted {
    async fn chain_id(&self) -> Result<u64, SourceError> {
        Ok(self.asked("chain_id").await?.chain_id)
    }

    async fn view(&self) -> Result<View, SourceError> {
        let script = self.asked("view").await?;
        Ok(View { head: script.header(script.head), finalized: script.id(script.finalized) })
    }

    async fn header(&self, number: u64) -> Result<Option<Header>, SourceError> {
        let script = self.asked("header").await?;
        Ok((number <= script.head.min(script.gives_up_to)).then(|| script.header(number)))
    }

    async fn headers(&self, numbers: &[u64]) -> Result<Vec<Header>, SourceError> {
        let script = self.asked("headers").await?;
        Ok(numbers.iter().map(|number| script.header(*number)).collect())
    }

    async fn logs_of_block(&self, block: BlockId) -> Result<Vec<RawLog>, SourceError> {
        let script = self.asked("logs_of_block").await?;
        let gone = SourceError::BlockGone { number: block.number, hash: Some(block.hash) };
        if script.id(block.number) == block { Ok(Vec::new()) } else { Err(gone) }
    }

    async fn logs_in_range(&self, _: BlockRange, _: &[Address]) -> Result<Vec<RawLog>, SourceError> {
        self.asked("logs_in_range").await?;
        Ok(Vec::new())
    }

    async fn calls(&self, _: &[CallRequest]) -> Result<Vec<CallAnswer>, SourceError> {
        self.asked("calls").await?;
        Ok(Vec::new())
    }

    async fn transactions(&self, _: BlockId) -> Result<Vec<Transaction>, SourceError> {
        self.asked("transactions").await?;
        Ok(Vec::new())
    }

    async fn has_code(&self, _: Address, _: u64) -> Result<Option<bool>, SourceError> {
        self.asked("has_code").await?;
        Ok(Some(true))
    }

    async fn sealed(&self, _: &[u64]) -> Result<Vec<Sealed>, SourceError> {
        self.asked("sealed").await?;
        Ok(Vec::new())
    }

    async fn receipts(&self, _: BlockId) -> Result<Vec<Receipt>, SourceError> {
        self.asked("receipts").await?;
        Ok(Vec::new())
    }

    fn alias(&self) -> String {
        self.alias.to_owned()
    }

    fn traffic(&self) -> Traffic {
        Traffic { requests: self.script().requests, batches: None }
    }

    async fn wait_for_head(&self) {}
}

/// Time that a test moves. Where nothing but a wait is left to do, it passes by itself.
#[derive(Debug, Clone, Default)]
pub struct TestClock(Arc<Mutex<Duration>>);

impl TestClock {
    /// So much later.
    pub fn pass(&self, time: Duration) {
        *self.0.lock().expect("a time") += time;
    }

    /// The same in seconds.
    pub fn seconds(&self, seconds: u64) {
        self.pass(Duration::from_secs(seconds));
    }
}

struct Nap {
    clock: TestClock,
    end: Duration,
}

impl Future for Nap {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.clock.now() >= self.end {
            return Poll::Ready(());
        }
        // Whatever else could go on was polled before, and cannot.
        self.clock.pass(Duration::from_millis(50));
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Clock for TestClock {
    fn now(&self) -> Duration {
        *self.0.lock().expect("a time")
    }

    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send {
        Nap { clock: self.clone(), end: self.now().saturating_add(time) }
    }
}

/// Providers, what stands behind them, and their time.
pub struct Stage {
    pub source: Providers<Scripted, TestClock>,
    pub all: Vec<Scripted>,
    pub clock: TestClock,
    pub asked: Asked,
}

pub const A: usize = 0;
pub const B: usize = 1;
pub const C: usize = 2;

impl Stage {
    /// So many honest providers of chain 1, at block 1,000 of which 990 are final.
    pub fn of(count: usize, rules: Rules) -> Self {
        Self::with_budgets(&vec![Budget::default(); count], rules)
    }

    /// The same, each with a budget.
    pub fn with_budgets(budgets: &[Budget], rules: Rules) -> Self {
        let (asked, clock) = (Asked::default(), TestClock::default());
        let script = Script {
            chain_id: 1,
            fork: None,
            head: 1_000,
            finalized: 990,
            ways: HashMap::new(),
            otherwise: Way::Answers,
            gives_up_to: u64::MAX,
            requests: 0,
        };
        let all: Vec<Scripted> = ["a", "b", "c", "d", "e"][..budgets.len()]
            .iter()
            .map(|alias| Scripted {
                alias,
                script: Arc::new(Mutex::new(script.clone())),
                asked: asked.clone(),
            })
            .collect();
        let sources = all.iter().cloned().zip(budgets.iter().copied()).collect();
        let source = Providers::with_clock(sources, Some(1), rules, clock.clone());
        Self { source, all, clock, asked }
    }

    /// What all of them do.
    pub fn every(&self, mut change: impl FnMut(&mut Script)) {
        self.all.iter().for_each(|one| change(&mut one.script()));
    }

    /// So many blocks more on all chains; finality follows ten behind.
    pub fn grow(&self, blocks: u64) {
        self.every(|script| {
            script.head += blocks;
            script.finalized = script.head - 10;
        });
    }

    /// Begins a unit of work: who answers it.
    pub async fn begin(&self) -> String {
        self.source.view().await.expect("somebody answers");
        self.source.alias()
    }

    /// Some seconds later, begins a unit of work.
    pub async fn begin_after(&self, seconds: u64) -> String {
        self.clock.seconds(seconds);
        self.begin().await
    }

    /// How one stands.
    pub fn standing(&self, i: usize) -> Standing {
        self.source.standings().swap_remove(i)
    }

    /// Why one is left alone.
    pub fn trouble(&self, i: usize) -> Option<Trouble> {
        self.standing(i).quarantine.map(|confined| confined.trouble)
    }

    /// Forgets what was asked; gives it.
    pub fn take_asked(&self) -> Vec<(&'static str, &'static str)> {
        std::mem::take(&mut *self.asked.lock().expect("a list"))
    }
}
