//! An operator at a halted chain: goes on from the newest block that is right, as `rewind` and `resume` do.

use std::sync::Arc;

use asset_indexer::store::{Cause, Checkpoint, Rollback, Store};
use asset_indexer::sync::{Config, fold_ground};

use crate::chain::SimChain;
use crate::faults::Hits;
use crate::faulty_store::{FaultyStore, StoreFaults};
use crate::ports::{Node, Ports};
use crate::reference::Branched;
use crate::stored::Stored;

/// Takes everything above `to` back, or lets the chain go on as it is where nothing above is wrong.
///
/// # Errors
/// The store's.
pub async fn go_on_from(
    stored: Stored,
    chain: &Arc<SimChain>,
    config: &Config,
    to: u64,
) -> Result<(), String> {
    let faults = StoreFaults::new(0, Hits::default());
    let store = &Arc::new(FaultyStore::new(stored, faults, Ports::free()));
    let failed = |error: &dyn std::fmt::Display| format!("the operator's command failed: {error}");
    let checkpoint = store.checkpoint().await.map_err(|e| failed(&e))?.ok_or("nothing is indexed")?;
    let at = checkpoint.block.id;
    let picture = chain.picture();
    let final_there = picture.at(checkpoint.finalized.number).map(|block| block.header.id);
    // What the tables call final and is not goes; what they call so above the checkpoint is forgotten by `resume`.
    let is_wrong = checkpoint.finalized.number <= at.number && final_there != Some(checkpoint.finalized);
    let to = if is_wrong { to.min(checkpoint.finalized.number.saturating_sub(1)) } else { to };
    if to >= at.number {
        return store.resume("the node was wrong").await.map_err(|e| failed(&e));
    }
    let headers = store.headers().await.map_err(|e| failed(&e))?;
    let ours = headers.iter().find(|header| header.id.number == to).copied();
    let theirs = chain.picture().at(to).map(|block| block.header).ok_or("the chain is shorter")?;
    let (ancestor, journalled) = match ours {
        Some(ours) => (ours, to >= checkpoint.finalized.number),
        None => (theirs, false),
    };
    let reason = "the chain really changed".to_owned();
    let rollback = Rollback { expected: at, ancestor, replaced_by: ancestor.id.hash, reason };
    if journalled {
        return store.rewind(&rollback).await.map_err(|e| failed(&e));
    }
    let cut = Checkpoint {
        block: ancestor,
        finalized: if checkpoint.finalized.number > to { ancestor.id } else { checkpoint.finalized },
        ..checkpoint
    };
    let headers: Vec<_> = headers.into_iter().filter(|header| header.id.number <= to).collect();
    let decoder = crate::decoder();
    let node = Some(Arc::new(Node::honest(Branched::new(chain.clone(), chain.picture()))));
    let cause = Cause::Rewind(rollback);
    let mut progress = |_| {};
    let folded = fold_ground(node, store, &decoder, config, &cause, &cut, &headers, &mut progress);
    folded.await.map(drop).map_err(|e| failed(&e))
}
