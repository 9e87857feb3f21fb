//! Level `against`: another provider's node, asked for the same blocks.

use super::ground::event_key;
use super::{Check, Finding, Snapshot};
use crate::block::BlockRange;
use crate::source::Source;
use crate::store::Store;
use crate::sync::{Sync, SyncError};

/// Blocks compared at once.
const BLOCKS: u64 = 2_000;

/// Compares blocks and logs with what another node lists; its own word, without proof. `progress` is told each block
/// reached.
///
/// # Errors
/// The node's and the database's.
pub async fn node<S: Source, D: Store>(
    sync: &mut Sync<S, D>,
    snapshot: &Snapshot,
    range: BlockRange,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<Check, SyncError> {
    let mut check =
        Check::new("other_node_agrees", "Another node has the same blocks and lists the same logs in them.");
    sync.check_chain().await?;
    for block in [snapshot.at(), snapshot.checkpoint.finalized] {
        if block.number > snapshot.at().number {
            continue;
        }
        check.examined += 1;
        let theirs = sync.source().header(block.number).await?.map(|header| header.id.hash);
        match theirs {
            Some(theirs) if theirs == block.hash => {}
            None => check.give_up(format!("the other node has no block {} yet", block.number)),
            Some(theirs) => {
                let finding = Finding::of(check.name, "the other node has another block there");
                let finding = finding.row("checkpoints", "{}").block(block.number);
                check.find(finding.values(block.hash.to_string(), theirs.to_string()));
            }
        }
    }
    let mut from = range.from;
    while from <= range.to {
        let to = range.to.min(from.saturating_add(BLOCKS - 1));
        let comparison = sync.list_again(BlockRange { from, to }).await?;
        check.examined += comparison.logs as u64;
        for difference in comparison.differences {
            let message = match difference.kind {
                "missing" => "the other node lists a log that is not in the tables",
                "extra" => "the other node does not list this event's log",
                _ => "the other node lists another log in this place",
            };
            let key = event_key(difference.block, difference.log_index, 0);
            let finding = Finding::of(check.name, message).row("asset_events", key).block(difference.block);
            check.find(finding.values(difference.kind, format!("a log of {}", difference.address)));
        }
        progress(to);
        from = to + 1;
    }
    Ok(check)
}
