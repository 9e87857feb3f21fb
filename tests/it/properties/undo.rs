//! What a rollback leaves of any commits: nothing.

use alloy::primitives::{Address, B256};
use asset_indexer::amount::Amount;
use asset_indexer::id::asset_id;
use asset_indexer::row::{Table, Time};
use asset_indexer::store::memory::MemoryStore;
use asset_indexer::store::{Commit, Rollback, Section, Store};
use asset_indexer::table::fold::Changes;
use asset_indexer::table::holder::{AssetHolder, OwnershipHistory};
use asset_indexer::table::identity::IdentityLink;
use proptest::prelude::*;

use crate::support::world::{CHAIN_ID, assert_same, beginning, dump, numbered};

/// What one block does to a wallet: its balance becomes this, and its link this identity's.
type Change = (u8, u64, u8);

fn holder(block: u64, (wallet, balance, _): Change) -> AssetHolder {
    AssetHolder {
        chain_id: CHAIN_ID,
        asset_id: asset_id(CHAIN_ID, Address::ZERO),
        holder: Address::repeat_byte(wallet),
        balance: Amount::from(balance),
        frozen: Amount::ZERO,
        wallet_frozen: balance % 2 == 0,
        first_block: 0,
        updated_block: block,
        updated_at: Time(block as i64),
    }
}

fn history(block: u64, log: u32, change: Change) -> OwnershipHistory {
    let holder = holder(block, change);
    OwnershipHistory {
        chain_id: CHAIN_ID,
        asset_id: holder.asset_id,
        holder: holder.holder,
        block_number: block,
        log_index: log,
        id: asset_id(block, holder.holder),
        balance: holder.balance,
        frozen: holder.frozen,
        wallet_frozen: holder.wallet_frozen,
        block_hash: numbered(block).id.hash,
        timestamp: Time(block as i64),
        transaction_hash: B256::ZERO,
    }
}

fn link(block: u64, log: u32, (wallet, _, identity): Change, ended: Option<u64>) -> IdentityLink {
    IdentityLink {
        chain_id: CHAIN_ID,
        factory: Address::ZERO,
        account: Address::repeat_byte(wallet),
        from_block: block,
        from_log: log,
        identity: Address::repeat_byte(identity),
        identity_id: asset_id(CHAIN_ID, Address::repeat_byte(identity)),
        is_token: false,
        from_at: Time(block as i64),
        to_block: ended,
        to_log: ended.map(|_| 0),
        to_at: ended.map(|block| Time(block as i64)),
    }
}

/// The rows of a block: state, history, and versions of which the newest is open.
fn changes(block: u64, wanted: &[Change], open: &mut Vec<(u64, u32, Change)>) -> Changes {
    let (mut holders, mut histories, mut links) = (Vec::new(), Vec::new(), Vec::new());
    for (log, change) in wanted.iter().enumerate() {
        let log = log as u32;
        holders.retain(|row: &AssetHolder| row.holder != Address::repeat_byte(change.0));
        holders.push(holder(block, *change));
        histories.push(history(block, log, *change));
        for (from, index, before) in open.extract_if(.., |(_, _, before)| before.0 == change.0) {
            links.retain(|row: &IdentityLink| (row.from_block, row.from_log) != (from, index));
            links.push(link(from, index, before, Some(block)));
        }
        links.push(link(block, log, *change, None));
        open.push((block, log, *change));
    }
    fn rows<T: Table>(
        rows: &[T],
    ) -> (&'static asset_indexer::row::TableDef, Vec<Vec<asset_indexer::row::Value>>) {
        (T::DEF, rows.iter().map(Table::to_row).collect())
    }
    Changes { inserts: vec![rows(&histories)], upserts: vec![rows(&holders), rows(&links)] }
}

async fn undo(blocks: Vec<Vec<Change>>, depth: usize) {
    let store = MemoryStore::new();
    store.start(&beginning(numbered(0))).await.expect("it starts");
    let mut dumps = vec![dump(&store).await];
    let mut commits = Vec::new();
    let mut open = Vec::new();
    for (below, wanted) in blocks.iter().enumerate() {
        let number = below as u64 + 1;
        let section = Section { undo_block: Some(number), changes: changes(number, wanted, &mut open) };
        let commit = Commit {
            expected: numbered(below as u64).id,
            next: numbered(number),
            finalized: numbered(0).id,
            sections: vec![section],
            evidence: Vec::new(),
        };
        store.commit(&commit).await.expect("it commits");
        commits.push(commit);
        dumps.push(dump(&store).await);
    }
    let ancestor = blocks.len() - depth.min(blocks.len());
    let rollback = Rollback {
        expected: numbered(blocks.len() as u64).id,
        ancestor: numbered(ancestor as u64),
        replaced_by: B256::ZERO,
        reason: "reorg".to_owned(),
    };
    store.rollback(&rollback).await.expect("it rolls back");
    assert_same(&dump(&store).await, &dumps[ancestor], "rolled back against never committed");
    for (number, commit) in commits.iter().enumerate().skip(ancestor) {
        store.commit(commit).await.expect("it commits again");
        assert_same(&dump(&store).await, &dumps[number + 1], "committed again against committed");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_rolled_back_was_never_there(
        blocks in prop::collection::vec(prop::collection::vec((1u8..5, any::<u64>(), 1u8..4), 0..6), 1..9),
        depth in 0usize..9,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(undo(blocks, depth));
    }
}
