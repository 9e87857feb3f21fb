//! The names, kinds and meanings of every series that the worker itself keeps.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

macro_rules! names {
    ($($constant:ident = $name:literal $kind:ident $unit:ident $help:literal;)+) => {
        $(#[doc = $help] pub const $constant: &str = $name;)+

        /// Tells the recorder what every series means.
        pub(super) fn describe() {
            $(names!(@ $kind $constant, $unit, $help);)+
        }
    };
    (@ gauge $name:ident, $unit:ident, $help:literal) => { describe_gauge!($name, Unit::$unit, $help) };
    (@ counter $name:ident, $unit:ident, $help:literal) => { describe_counter!($name, Unit::$unit, $help) };
    (@ histogram $name:ident, $unit:ident, $help:literal) => { describe_histogram!($name, Unit::$unit, $help) };
}

names! {
    BUILD_INFO = "asset_indexer_build_info" gauge Count "1, with the program's version.";
    HEAD_BLOCK = "asset_indexer_head_block" gauge Count "The node's newest block.";
    HEAD_TIMESTAMP = "asset_indexer_head_timestamp_seconds" gauge Seconds "Block time of the node's newest block.";
    CHECKPOINT_BLOCK = "asset_indexer_checkpoint_block" gauge Count "The last block in the tables.";
    CHECKPOINT_TIMESTAMP = "asset_indexer_checkpoint_timestamp_seconds" gauge Seconds "Block time of the last block in the tables.";
    FINALIZED_BLOCK = "asset_indexer_finalized_block" gauge Count "The newest final block.";
    LAG_BLOCKS = "asset_indexer_lag_blocks" gauge Count "Blocks between the tables and the head.";
    LAG_SECONDS = "asset_indexer_lag_seconds" gauge Seconds "Seconds of chain time between the tables and the head.";
    LAST_COMMIT = "asset_indexer_last_commit_timestamp_seconds" gauge Seconds "When rows were last committed, by this machine's clock.";
    LAST_STEP = "asset_indexer_last_step_timestamp_seconds" gauge Seconds "When the writer's last step succeeded, or it took the lease, by this machine's clock.";
    BLOCKS = "asset_indexer_blocks_total" counter Count "Blocks committed.";
    EVENTS = "asset_indexer_events_total" counter Count "Logs written, by the role of their contract.";
    UNDECODABLE = "asset_indexer_undecodable_logs_total" counter Count "Logs kept raw, by the reason.";
    COMMIT_DURATION = "asset_indexer_commit_duration_seconds" histogram Seconds "How long a step with its commit took.";
    ROWS_WRITTEN = "asset_indexer_rows_written_total" counter Count "Rows written, by table.";
    REORGS = "asset_indexer_reorgs_total" counter Count "Reorgs followed.";
    REORG_DEPTH = "asset_indexer_reorg_depth_blocks" histogram Count "How many blocks a reorg took back.";
    VERIFIED_BLOCK = "asset_indexer_verified_block" gauge Count "Up to here every block's logs are proved complete.";
    VERIFIED_BLOCKS = "asset_indexer_verified_blocks_total" counter Count "Blocks proved complete behind the checkpoint.";
    REPAIRS = "asset_indexer_repairs_total" counter Count "Repairs that a proof ordered: a provider had withheld or altered logs.";
    UNPROVED = "asset_indexer_evidence_lost_total" counter Count "Times that evidence did not hang together and was collected anew.";
    DISPUTED = "asset_indexer_disputed_reorg" gauge Count "1 while a deep reorg waits for a second word.";
    PROVIDER_SCORE = "asset_indexer_provider_score" gauge Count "How well a provider does, from 0 to 1.";
    PROVIDER_QUARANTINED = "asset_indexer_provider_quarantined" gauge Count "1 while a provider is left alone.";
    PROVIDER_BUDGET_USED_UP = "asset_indexer_provider_budget_used_up" gauge Count "1 while a provider's requests of the day are used up.";
    PROVIDER_HEAD_BLOCK = "asset_indexer_provider_head_block" gauge Count "A provider's newest block when it was last looked at.";
    PROVIDERS_DISAGREE = "asset_indexer_providers_disagree" gauge Count "1 while the providers have different final blocks and nobody can say who is right.";
    PROVIDER_SWITCHES = "asset_indexer_provider_switches_total" counter Count "Times that another provider was turned to.";
    SUSPECT_ASSETS = "asset_indexer_suspect_assets" gauge Count "Assets whose contract answers otherwise than the tables say.";
    RECONCILIATIONS = "asset_indexer_reconciliations_total" counter Count "Looks at the contracts, by what came of them.";
    PARTITIONS_AHEAD = "asset_indexer_partitions_ahead" gauge Count "Months after this one that every monthly table of the application has a partition for.";
    APPLICATION_UNSEEN = "asset_indexer_application_unseen" gauge Count "1 when the last look at the application's months or security failed: what is told of them is older.";
    SECURITY_FINDINGS = "asset_indexer_security_findings" gauge Count "Findings of the last hour in the application's logs and rights, by kind.";
    HALTED = "asset_indexer_halted" gauge Count "1 when only an operator can go on.";
    EXECUTING = "asset_indexer_executing" gauge Count "1 while a command's or a migration's request is carried out: the chain is not followed meanwhile.";
    ERRORS = "asset_indexer_errors_total" counter Count "Errors, by what is done about them.";
    LEASE_HELD = "asset_indexer_lease_held" gauge Count "1 when this process may write.";
    CONTRACTS = "asset_indexer_contracts" gauge Count "Contracts watched.";
    CATCHING_UP = "asset_indexer_catching_up_contracts" gauge Count "Contracts added later that are still behind.";
    DEFERRED_INDEXES = "asset_indexer_deferred_indexes" gauge Count "Indexes that are built when the first load is nearly done.";
    FLAGGED_ASSETS = "asset_indexer_flagged_assets" gauge Count "Assets with a flag: negative balance, sum beyond uint256, unreadable logs.";
}
