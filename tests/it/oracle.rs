//! The tables against an oracle that was written without knowledge of decode and fold.

use std::sync::Arc;

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use asset_indexer::fact::Role;
use asset_indexer::source::CallAnswer;
use asset_indexer::store::memory::MemoryStore;
use oracle::compare::{differences, summary};
use oracle::noise;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::support::events::{account, raw};
use crate::support::oracle::{assert_told, expected, neutral};
use crate::support::play::Play;
use crate::support::sim_chain::{NewTransaction, SimChain};
use crate::support::world::{CHAIN_ID, config, converge, dump, worker};

#[tokio::test]
async fn tables_are_what_an_independent_reading_of_the_chain_says() {
    for seed in 0..40 {
        let mut play = Play::new(seed);
        let depth = 3 + play.below(12);
        let chain = Arc::new(Play::chain(depth));
        for block in play.blocks(60) {
            chain.mine(block);
        }
        let settings = config(&Play::contracts());
        let store = Arc::new(MemoryStore::new());
        let mut worker = worker(chain.clone(), store.clone(), settings.clone());
        converge(&mut worker).await;
        let oracle = expected(&chain, &settings, chain.head().number);
        assert_told(&dump(&*store).await, &oracle, &format!("seed {seed}"));
    }
}

const ROLES: &[Role] = &[
    Role::TrexToken,
    Role::Erc20,
    Role::IdentityRegistry,
    Role::IdentityRegistryStorage,
    Role::TrustedIssuersRegistry,
    Role::ClaimTopicsRegistry,
    Role::Compliance,
    Role::ComplianceModule,
    Role::TrexFactory,
    Role::TrexGateway,
    Role::TrexImplementationAuthority,
    Role::DvdManager,
    Role::DvaManager,
    Role::RoleManager,
    Role::IdFactory,
    Role::IdGateway,
    Role::IdImplementationAuthority,
    Role::Identity,
];

/// A contract of each role and a few wallets, every event of every role with every value, now and then damaged.
struct Noise {
    random: StdRng,
    contracts: Vec<(Role, Address)>,
    addresses: Vec<Address>,
}

impl Noise {
    fn new(seed: u64, roles: &[Role]) -> Self {
        let contracts: Vec<_> =
            roles.iter().enumerate().map(|(place, role)| (*role, account(0xc0, place as u64))).collect();
        let mut addresses = vec![Address::ZERO];
        addresses.extend((0..4).map(|number| account(0xaa, number)));
        addresses.extend((0..3).map(|number| account(0x1d, number)));
        Self { random: StdRng::seed_from_u64(seed), contracts, addresses }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random.random_range(0..bound)
    }

    fn transaction(&mut self) -> NewTransaction {
        let mut logs = Vec::new();
        for _ in 0..1 + self.below(4) {
            let place = self.below(self.contracts.len() as u64) as usize;
            let (role, address) = self.contracts[place];
            let random = &mut self.random;
            let mut choose = |bound| random.random_range(0..bound);
            let (_, mut topics, mut data) = noise::log(role.name(), &self.addresses, &mut choose);
            if choose(20) == 0 {
                noise::damage(&mut topics, &mut data, &mut choose);
            }
            logs.push(raw(address, topics, data));
        }
        let place = self.below(self.contracts.len() as u64) as usize;
        NewTransaction {
            from: account(0xaa, self.below(4)),
            to: Some(self.contracts[place].1),
            input: Bytes::new(),
            logs,
        }
    }
}

async fn noisy(seed: u64, roles: &[Role]) -> Vec<oracle::compare::Difference> {
    let mut noise = Noise::new(seed, roles);
    let chain = Arc::new(SimChain::new(CHAIN_ID, 5));
    for (_, contract) in &noise.contracts {
        let answer = |signature: &str, bytes: Vec<u8>| {
            chain.answer(*contract, keccak256(signature)[..4].to_vec(), CallAnswer::Returned(bytes.into()));
        };
        answer("decimals()", U256::from(6).to_be_bytes_vec());
        answer("paused()", U256::from(1).to_be_bytes_vec());
        answer("symbol()", B256::right_padding_from(b"SYM").to_vec());
    }
    for _ in 0..60 {
        let mut block = Vec::new();
        for _ in 0..noise.below(3) {
            block.push(noise.transaction());
        }
        chain.mine(block);
    }
    let settings = config(&noise.contracts);
    let store = Arc::new(MemoryStore::new());
    let mut worker = worker(chain.clone(), store.clone(), settings.clone());
    converge(&mut worker).await;
    let oracle = expected(&chain, &settings, chain.head().number);
    differences(&neutral(&dump(&*store).await), &oracle)
}

#[tokio::test]
async fn every_event_in_any_order_is_read_as_the_oracle_reads_it() {
    let mut all = Vec::new();
    for seed in 0..12 {
        all.extend(noisy(seed, ROLES).await);
        all.extend(noisy(seed, &ROLES[..4]).await);
        all.extend(noisy(seed, &[Role::TrexToken, Role::Erc20]).await);
        all.extend(noisy(seed, &[Role::Identity, Role::IdFactory, Role::IdentityRegistryStorage]).await);
    }
    assert!(all.is_empty(), "{}", summary(&all, 3));
}
