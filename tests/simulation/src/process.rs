//! One process of the daemon: its worker between its ports, as far as one step reaches.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use asset_indexer::fact::Role;
use asset_indexer::sync::{Config, Contract, Outcome, Proving, Sync, SyncError};

use crate::answers::Answers;
use crate::chooser::Chooser;
use crate::events::account;
use crate::faulty_store::FaultyStore;
use crate::play::{PLAIN, Play, TOKEN};
use crate::ports::{Node, Ports};
use crate::scenario::{Change, Prove, Scenario};

/// See the module.
#[derive(Debug)]
pub struct Process {
    /// Its ports.
    pub ports: Ports,
    worker: Sync<Node, FaultyStore>,
    checked: bool,
}

/// A step under way; it owns its process.
pub type Stepping = Pin<Box<dyn Future<Output = (Process, Result<Outcome, SyncError>)>>>;

impl Process {
    /// A process that has just started.
    pub fn new(ports: Ports, node: Chooser, store: FaultyStore, config: Config) -> Self {
        let node = Arc::new(Node::new(Answers::Chooser(node), ports.clone()));
        let worker = Sync::new(node, Arc::new(store), crate::decoder(), config);
        Self { ports, worker, checked: false }
    }

    /// Begins what the daemon's loop does once.
    pub fn step(mut self) -> Stepping {
        self.ports.steps();
        Box::pin(async move {
            if !self.checked {
                if let Err(error) = self.worker.check_chain().await {
                    return (self, Err(error));
                }
                self.checked = true;
            }
            let stepped = self.worker.step(None).await;
            (self, stepped)
        })
    }
}

/// The configuration that a scenario begins with.
pub fn config(scenario: &Scenario) -> Config {
    let contracts = Play::contracts();
    Config {
        chain_id: crate::CHAIN_ID,
        contracts: contracts.into_iter().map(|(role, address)| contract(role, address)).collect(),
        claim_expiry: Default::default(),
        claim_data: Default::default(),
        floor_block: 0,
        range_blocks_max: scenario.range_blocks,
        // Few contracts at once, where many come to be behind.
        range_logs_target: if scenario.older_logs_max == 0 { 40 } else { 12 },
        older_logs_max: if scenario.older_logs_max == 0 { usize::MAX } else { scenario.older_logs_max },
        deferred_indexes_from_blocks: scenario.deferred_indexes_from_blocks,
        reads_ahead: scenario.reads_ahead,
        proving: proving(scenario.proving),
        sweep_blocks_max: scenario.sweep_blocks,
        reorg_depth_trusted: scenario.reorg_depth_trusted,
    }
}

fn contract(role: Role, address: alloy::primitives::Address) -> Contract {
    Contract { role, address, start_block: None, partial: false }
}

fn proving(prove: Prove) -> Proving {
    match prove {
        Prove::Off => Proving::Off,
        Prove::Background => Proving::Background,
        Prove::BeforeCommit => Proving::BeforeCommit,
    }
}

/// Changes a configuration; whether contracts were added.
pub fn reconfigure(
    config: &mut Config,
    change: Change,
    exists: impl Fn(alloy::primitives::Address) -> bool,
) -> bool {
    let added = match change {
        Change::PlainToken(number) => contract(Role::Erc20, account(PLAIN, number)),
        Change::AnnouncedToken => contract(Role::TrexToken, account(TOKEN, 0)),
        Change::Proving(prove) => {
            config.proving = proving(prove);
            return false;
        }
        Change::Ranges(range, sweep) => {
            config.range_blocks_max = range;
            config.sweep_blocks_max = sweep;
            return false;
        }
        Change::Trusted(depth) => {
            config.reorg_depth_trusted = depth;
            return false;
        }
    };
    let is_new = config.contracts.iter().all(|known| known.address != added.address) && exists(added.address);
    if is_new {
        config.contracts.push(added);
    }
    is_new
}
