//! Rules under reorgs: after any forks the tables of modules equal those of a fresh index.

use std::sync::Arc;

use alloy::sol_types::SolCall;
use asset_indexer::fact::Role;
use asset_indexer::store::memory::MemoryStore;
use asset_indexer::table::module::{ComplianceModule, ModuleParameter};
use simulation::chain::SimChain;

use crate::support::noise::Noise;
use crate::support::real::rows;
use crate::support::world::{
    CHAIN_ID, assert_equal, assert_same, config, converge, database, dump, fresh, postgres_store, worker,
};

/// Module contracts that log every event of their role, in every shape, and are forked while two stores follow.
#[tokio::test]
async fn rules_equal_those_of_a_fresh_index_after_any_forks() {
    let (mut ended, mut upgraded) = (0, 0);
    for seed in 0..3 {
        let mut noise = Noise::new(seed, &[Role::ComplianceModule, Role::Compliance], false);
        let settings = config(noise.contracts());
        let mut blocks = noise.chain(160).newest(160).into_iter();
        let chain = Arc::new(SimChain::new(CHAIN_ID, 8));
        for (_, contract) in noise.contracts() {
            chain.answer_by_block(*contract, super::story::Module::nameCall {}.abi_encode());
        }
        let memory = Arc::new(MemoryStore::new());
        let mut followed = worker(chain.clone(), memory.clone(), settings.clone());
        let database = database().await;
        let store = Arc::new(postgres_store(&database).await);
        let mut on_disk = worker(chain.clone(), store.clone(), settings.clone());
        for round in 0..8 {
            let mut next: Vec<_> = blocks.by_ref().take(20).collect();
            if round % 2 == 1 {
                let depth = 2 + seed as usize % 6;
                let mut moved = chain.newest(depth);
                moved.reverse();
                next.splice(0..0, moved.into_iter().skip(1));
                chain.reorg(depth, next);
            } else {
                for block in next {
                    chain.mine(block);
                }
            }
            converge(&mut followed).await;
            converge(&mut on_disk).await;
            let context = format!("seed {seed} round {round}");
            assert_equal(&*memory, &fresh(&chain, &settings).await, &format!("{context}: fresh")).await;
            assert_same(&dump(&*store).await, &dump(&*memory).await, &format!("{context}: PostgreSQL"));
        }
        let parameters: Vec<ModuleParameter> = rows(&*memory).await;
        ended += parameters.iter().filter(|row| row.to_block.is_some()).count();
        let modules: Vec<ComplianceModule> = rows(&*memory).await;
        upgraded += modules.iter().filter(|row| row.implementation.is_some()).count();
        assert!(parameters.len() > 20, "seed {seed}: {}", parameters.len());
    }
    assert!(ended > 10 && upgraded > 0, "{ended} {upgraded}");
}
