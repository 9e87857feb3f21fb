//! What a step can end with.

use crate::block::{BlockId, BlockRange};

/// What a step did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The first checkpoint was set.
    Started(BlockId),
    /// A range of final blocks was read.
    Backfilled {
        /// The blocks.
        range: BlockRange,
        /// Logs of watched contracts in them, and older ones of contracts found.
        events: usize,
    },
    /// One block above finality was read.
    Followed {
        /// The block.
        block: BlockId,
        /// Logs written.
        events: usize,
    },
    /// Blocks were taken back.
    RolledBack {
        /// The block that was the checkpoint.
        from: BlockId,
        /// The block that both chains share.
        ancestor: BlockId,
        /// Whether they left the chain; else they are read again for a reason of ours.
        is_reorg: bool,
    },
    /// An index, or a key, that waited for the end of the first load was built.
    IndexBuilt {
        /// Its name, in schema `chain`.
        name: String,
    },
    /// A contract that was added later was read up to a block.
    CaughtUp {
        /// The last block read.
        through: u64,
        /// Whether the checkpoint speaks for it now.
        joined: bool,
        /// Logs written.
        events: usize,
    },
    /// The logs of blocks behind the checkpoint were proved complete.
    Verified {
        /// The blocks.
        range: BlockRange,
        /// Requests that it took.
        requests: u64,
    },
    /// Blocks behind the checkpoint were proved to hold other logs than the tables, and the tables were mended.
    Repaired {
        /// The blocks.
        range: BlockRange,
        /// Logs put in.
        added: usize,
        /// Logs taken out.
        removed: usize,
    },
    /// Contracts were asked what the tables say of them, and nothing new was found to differ.
    Reconciled {
        /// The block whose state was asked.
        at: BlockId,
        /// How many questions were asked.
        questions: usize,
        /// How many differences that stood are gone.
        resolved: usize,
        /// Why the answers say nothing, if so.
        doubt: Option<String>,
    },
    /// Contracts answer otherwise than the tables say.
    Drifted {
        /// The block whose state was asked.
        at: BlockId,
        /// Differences that an earlier look had found too: they are written down.
        confirmed: usize,
        /// Differences that a look at another block has to confirm.
        suspected: usize,
    },
    /// What was proved does not hang together with the chain, and is proved again.
    Unproved {
        /// What was found.
        reason: String,
    },
    /// A reorg that is too deep to be followed on one provider's word waits for another word.
    Disputed {
        /// What is waited for.
        reason: String,
    },
    /// Nothing to do until the chain grows.
    Idle,
    /// Stopped; only an operator goes on from here.
    Halted {
        /// What was found.
        reason: String,
    },
}
