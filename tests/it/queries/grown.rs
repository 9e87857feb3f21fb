//! What the planner knows of tables while a load fills them: from one commit to the next, since a second commit within
//! the same second is looked up against rows of the first.

use alloy::primitives::{Address, keccak256};
use asset_indexer::id::identity_id;
use asset_indexer::row::{Table, Time};
use asset_indexer::store::{Commit, Section, Store};
use asset_indexer::table::fold::Changes;
use asset_indexer::table::identity::IdentityLink;
use sqlx::{Executor as _, PgPool};

use crate::support::world::{CHAIN_ID, beginning, database, numbered, pool, postgres_store};

/// Accounts whose link is open since the block.
fn links(block: u64, accounts: u64) -> Changes {
    let link = |log: u64| {
        let account = Address::from_word(keccak256([block.to_be_bytes(), log.to_be_bytes()].concat()));
        IdentityLink {
            chain_id: CHAIN_ID,
            factory: Address::ZERO,
            account,
            from_block: block,
            from_log: log as u32,
            identity: account,
            identity_id: identity_id(CHAIN_ID, account),
            is_token: false,
            from_at: Time(0),
            to_block: None,
            to_log: None,
            to_at: None,
        }
    };
    let rows = (0..accounts).map(|log| link(log).to_row()).collect();
    Changes { inserts: Vec::new(), upserts: vec![(IdentityLink::DEF, rows)] }
}

async fn known_rows(pool: &PgPool) -> f32 {
    let known = "select reltuples from pg_class where oid = 'chain.identity_links'::regclass";
    sqlx::query_scalar(known).fetch_one(pool).await.expect("the catalogue is read")
}

#[tokio::test]
async fn a_commit_that_fills_a_table_is_known_to_the_planner_before_the_next() {
    let database = database().await;
    let pool = pool(&database).await;
    // Nobody else's work is taken for ours.
    pool.execute("alter table chain.identity_links set (autovacuum_enabled = off)").await.expect("altered");
    let store = postgres_store(&database).await;
    store.start(&beginning(numbered(0))).await.expect("it starts");
    // The last two add less than three times what is known, and less than is looked at.
    for (block, (added, known)) in
        [(2_500, 2_500.), (10_000, 12_500.), (2_500, 12_500.), (1_999, 12_500.)].into_iter().enumerate()
    {
        let block = block as u64;
        let commit = Commit {
            expected: numbered(block).id,
            next: numbered(block + 1),
            finalized: numbered(block + 1).id,
            sections: vec![Section { undo_block: None, changes: links(block + 1, added) }],
            evidence: Vec::new(),
        };
        store.commit(&commit).await.expect("it commits");
        assert_eq!(known_rows(&pool).await, known, "after {added} more");
    }
    let lookup = "explain select from unnest(array[1::bigint], array['\\x00'::bytea]) k (chain, place) cross join lateral (
        select r.* from chain.identity_links r
        where r.chain_id = k.chain and r.factory = k.place and r.account = k.place and r.to_block is null offset 0) t";
    let plan: Vec<String> = sqlx::query_scalar(lookup).fetch_all(&pool).await.expect("it is planned");
    assert!(plan.iter().any(|line| line.contains("using identity_links_open")), "{plan:#?}");
}
