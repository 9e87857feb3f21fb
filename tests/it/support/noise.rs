//! A simulated chain on which every event of every role meets every other, also in shapes that no contract of ours has.

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolValue;
use asset_indexer::fact::Role;
use asset_indexer::source::CallAnswer;
use oracle::noise;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::world::CHAIN_ID;
use simulation::chain::{NewLog, NewTransaction, SimChain};
use simulation::events::{account, erc20, identity, log, raw};

/// Every role that a contract can have.
pub const ROLES: [Role; 18] = [
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

/// The calls that tell by whose word units moved, or whose identity changed.
const CALLS: [&str; 7] = [
    "transfer(address,uint256)",
    "transferFrom(address,address,uint256)",
    "forcedTransfer(address,address,uint256)",
    "batchTransfer(address[],uint256[])",
    "batchForcedTransfer(address[],address[],uint256[])",
    "updateIdentity(address,address)",
    "modifyStoredIdentity(address,address)",
];

/// A contract of each role and a few wallets and identities, and choices by seed.
pub struct Noise {
    random: StdRng,
    contracts: Vec<(Role, Address)>,
    addresses: Vec<Address>,
}

impl Noise {
    /// A contract of each of these roles; with `tangled`, events name those contracts too, in whatever role.
    pub fn new(seed: u64, roles: &[Role], tangled: bool) -> Self {
        let contracts: Vec<_> = (0..).zip(roles).map(|(place, role)| (*role, account(0xc0, place))).collect();
        let mut addresses = vec![Address::ZERO];
        addresses.extend((0..4).map(|number| account(0xaa, number)));
        addresses.extend((0..3).map(|number| account(0x1d, number)));
        if tangled {
            addresses.extend(contracts.iter().map(|(_, address)| *address));
        }
        Self { random: StdRng::seed_from_u64(seed), contracts, addresses }
    }

    /// All contracts with their roles.
    pub fn contracts(&self) -> &[(Role, Address)] {
        &self.contracts
    }

    fn below(&mut self, bound: usize) -> usize {
        self.random.random_range(0..bound)
    }

    fn address(&mut self) -> Address {
        let place = self.below(self.addresses.len());
        self.addresses[place]
    }

    /// A chain of so many blocks above block 0.
    pub fn chain(&mut self, blocks: usize) -> SimChain {
        let chain = SimChain::new(CHAIN_ID, 5);
        for (_, contract) in self.contracts.clone() {
            self.answers(&chain, contract);
        }
        for number in 0..blocks {
            // Some days go by, and now and then the clock goes back over midnight.
            chain.pace(if number % 11 == 10 { -30_000 } else { 9_000 });
            let transactions = (0..self.below(3)).map(|_| self.transaction()).collect();
            chain.mine(transactions);
        }
        chain
    }

    /// What a contract answers; nothing is answered to what is left out.
    fn answers(&mut self, chain: &SimChain, contract: Address) {
        let selector = |signature: &str| keccak256(signature)[..4].to_vec();
        for signature in ["name()", "symbol()"] {
            let answer = match self.below(6) {
                0 => CallAnswer::Returned("Bond é".abi_encode().into()),
                1 => CallAnswer::Returned("a\0b".abi_encode().into()),
                2 => CallAnswer::Returned(Bytes::from(b"\xff\xfe".to_vec()).abi_encode().into()),
                3 => CallAnswer::Returned(B256::right_padding_from(b"SYM").to_vec().into()),
                4 => CallAnswer::Returned("long ".repeat(400).abi_encode().into()),
                _ => CallAnswer::StateUnavailable,
            };
            chain.answer(contract, selector(signature), answer);
        }
        let decimals = [U256::from(6), U256::MAX][self.below(2)];
        chain.answer(contract, selector("decimals()"), CallAnswer::Returned(decimals.abi_encode().into()));
        let paused = U256::from(self.below(3)).abi_encode();
        chain.answer(contract, selector("paused()"), CallAnswer::Returned(paused.into()));
        for wallet in self.addresses.clone() {
            let of_wallet = |signature: &str| [selector(signature), wallet.abi_encode()].concat();
            let country = [U256::from(528), U256::from(70_000)][self.below(2)].abi_encode();
            chain.answer(
                contract,
                of_wallet("storedInvestorCountry(address)"),
                CallAnswer::Returned(country.into()),
            );
            let identity = self.address().abi_encode();
            chain.answer(
                contract,
                of_wallet("storedIdentity(address)"),
                CallAnswer::Returned(identity.into()),
            );
        }
    }

    fn transaction(&mut self) -> NewTransaction {
        let place = self.below(self.contracts.len());
        let called = self.contracts[place].1;
        let mut logs: Vec<NewLog> = (0..1 + self.below(4)).map(|_| self.log()).collect();
        let mut transaction = NewTransaction {
            from: self.address(),
            to: Some(called),
            input: Bytes::new(),
            ..NewTransaction::default()
        };
        if self.below(3) == 0 {
            transaction.input = self.call(called, transaction.from, &mut logs);
        }
        transaction.logs = logs;
        transaction
    }

    fn log(&mut self) -> NewLog {
        let place = self.below(self.contracts.len());
        let (role, address) = self.contracts[place];
        if role == Role::Identity && self.below(4) == 0 {
            return self.signed_claim(address);
        }
        let scopes = self.scopes();
        let random = &mut self.random;
        let mut choose = |bound| random.random_range(0..bound);
        let (_, mut topics, mut data) = if role == Role::ComplianceModule {
            noise::module_log(&scopes, &self.addresses, &mut choose)
        } else {
            noise::log(role.name(), &self.addresses, &mut choose)
        };
        if choose(20) == 0 {
            noise::damage(&mut topics, &mut data, &mut choose);
        }
        raw(address, topics, data)
    }

    /// Whom modules speak of: the compliances and tokens among the contracts, and one wallet.
    fn scopes(&self) -> Vec<Address> {
        let is_scope = |role: &Role| matches!(role, Role::Compliance | Role::TrexToken);
        let contracts = self.contracts.iter().filter(|(role, _)| is_scope(role)).map(|(_, address)| *address);
        contracts.chain([self.addresses[1]]).collect()
    }

    /// Call data, and often a log of what it did.
    fn call(&mut self, called: Address, sender: Address, logs: &mut Vec<NewLog>) -> Bytes {
        let signature = CALLS[self.below(CALLS.len())];
        let (mut from, to, amount) = (self.address(), self.address(), U256::from(self.below(4)));
        if signature.starts_with("transfer(") || signature.starts_with("batchTransfer") {
            from = sender;
        }
        let (others, more) = (vec![self.address(), to], vec![U256::from(9), amount]);
        let arguments = match signature {
            "transfer(address,uint256)" => (to, amount).abi_encode_params(),
            "batchTransfer(address[],uint256[])" => (others, more).abi_encode_params(),
            "batchForcedTransfer(address[],address[],uint256[])" => {
                (vec![from, from], others, more).abi_encode_params()
            }
            "updateIdentity(address,address)" | "modifyStoredIdentity(address,address)" => {
                (from, to).abi_encode_params()
            }
            _ => (from, to, amount).abi_encode_params(),
        };
        if self.below(4) > 0 && signature.contains("ransfer") {
            logs.push(log(called, erc20::Transfer { from, to, value: amount }));
        }
        [keccak256(signature)[..4].to_vec(), arguments].concat().into()
    }

    /// A claim with the signature of a real key, in one of the forms that the precompile takes.
    fn signed_claim(&mut self, identity: Address) -> NewLog {
        let key = B256::with_last_byte(1 + self.below(3) as u8);
        let signer = PrivateKeySigner::from_bytes(&key).expect("a key");
        let topic = U256::from(1 + self.below(3));
        let data = Bytes::from(U256::from(self.below(3) * 1_900_000_000).to_be_bytes_vec());
        let digest = keccak256((identity, topic, data.clone()).abi_encode_params());
        let mut signature = signer.sign_message_sync(digest.as_slice()).expect("a signature").as_bytes();
        signature[64] -= [0, 27][self.below(2)];
        log(
            identity,
            identity::ClaimAdded {
                claimId: B256::with_last_byte(self.below(3) as u8),
                topic,
                scheme: U256::from(1),
                issuer: self.address(),
                signature: signature.to_vec().into(),
                data,
                uri: String::new(),
            },
        )
    }
}
