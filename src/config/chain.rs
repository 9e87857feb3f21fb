//! `[chain]`: which chain, what of it is final, and how it is read.

use super::reader::Reader;
use super::{BLOCK_MAX, DEPTH_MAX, is_name, key};
use crate::rpc::Finality;

/// `[chain]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// EIP-155 id that the node must serve; `None` to take the node's.
    pub id: Option<u64>,
    /// A name for people.
    pub name: Option<String>,
    /// How the final block is found; the node's configuration holds the same.
    pub finality: Finality,
    /// No contract of the platform logged anything below.
    pub floor_block: u64,
    /// Most blocks of one backfill transaction, and of one request for logs.
    pub range_blocks_max: u64,
    /// About how many logs one backfill transaction should hold.
    pub range_logs_target: usize,
    /// Final blocks that a first load must have before it, for most indexes to be built at its end; zero for never.
    pub deferred_indexes_from_blocks: u64,
    /// Reorgs up to this depth, in blocks, are followed on one provider's word.
    pub reorg_depth_trusted: u64,
}

pub(super) fn chain(reader: &mut Reader) -> Chain {
    let id = reader.optional_number(key::CHAIN_ID, "", 1..=BLOCK_MAX);
    let rule = "must be 1 to 64 letters, digits, spaces and any of . _ - ( )";
    let name = reader.text(key::CHAIN_NAME, rule, |text| is_name(text, " ._-()"));
    Chain {
        id,
        name,
        finality: finality(reader),
        floor_block: reader.number(key::FLOOR_BLOCK, "", 0..=BLOCK_MAX, 0),
        range_blocks_max: reader.number(key::RANGE_BLOCKS_MAX, "blocks", 1..=1_000_000, 10_000),
        range_logs_target: reader.count(key::RANGE_LOGS_TARGET, "logs", 1..=1_000_000, 27_000),
        deferred_indexes_from_blocks: reader.number(
            key::DEFERRED_INDEXES_FROM_BLOCKS,
            "blocks",
            0..=BLOCK_MAX,
            1_000,
        ),
        reorg_depth_trusted: reader.number(key::REORG_DEPTH_TRUSTED, "blocks", 0..=DEPTH_MAX, 2),
    }
}

fn finality(reader: &mut Reader) -> Finality {
    let kind = reader.keys.get(&key::FINALITY).cloned();
    let written_depth = reader.keys.get(&key::FINALITY_DEPTH_BLOCKS).cloned();
    let is_depth = reader.choice(key::FINALITY, &[("tag", false), ("depth", true)]);
    let depth = reader.optional_number(key::FINALITY_DEPTH_BLOCKS, "blocks", 0..=DEPTH_MAX);
    match (is_depth, depth) {
        (true, Some(depth)) => Finality::Depth(depth),
        (true, None) => {
            if let (Some(kind), None) = (kind, written_depth) {
                let rule = "needs finality_depth_blocks (0 where every block is final at once)".to_owned();
                reader.refuse(key::FINALITY, &kind, rule);
            }
            Finality::Depth(0)
        }
        (false, fallback_depth) => {
            // A mistyped finality is told already.
            let is_tag = kind.is_none_or(|kind| kind.text().is_ok_and(|text| text.trim() == "tag"));
            if let (true, Some(0), Some(written)) = (is_tag, fallback_depth, written_depth) {
                let rule = "must be at least 1 where it stands in for the tag; where every block is final at once, \
                            set finality = \"depth\"";
                reader.refuse(key::FINALITY_DEPTH_BLOCKS, &written, rule.to_owned());
            }
            Finality::Tag { fallback_depth }
        }
    }
}
