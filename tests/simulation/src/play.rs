//! A random play of a T-REX platform and a plain token, for the simulated chain: few wallets, so that self-transfers,
//! overdrafts and repeated freezes are frequent; contracts are announced late, twice, and in transactions that a reorg
//! drops.

use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::sol_types::{SolCall, SolValue};
use asset_indexer::decode::calls;
use asset_indexer::fact::Role;
use asset_indexer::source::CallAnswer;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::chain::{NewLog, NewTransaction, SimChain};
use crate::events::{
    account, claim_added, compliance, document, documents, erc20, factory, identity, issuers, log, modules,
    raw, registry, storage, token, topics, transfer,
};

/// Kind of the factory's address, see [`account`].
pub const FACTORY: u8 = 0xfa;
/// Kind of the T-REX tokens' addresses.
pub const TOKEN: u8 = 0x70;
/// Kind of the plain ERC-20 tokens' addresses: the first is configured from the start, the others are never
/// announced.
pub const PLAIN: u8 = 0x20;
const REGISTRY: u8 = 0x1a;
const STORAGE: u8 = 0x15;
const ISSUERS: u8 = 0x11;
const TOPICS: u8 = 0x1c;
const COMPLIANCE: u8 = 0xc0;
const MODULE: u8 = 0x30;
const IDENTITY: u8 = 0x1d;
const ISSUER: u8 = 0x55;
const WALLET: u8 = 0xaa;

/// Whose logs a chain has. A scenario that was kept is played by who was there when it failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cast {
    /// Tokens, registries, identities and their issuers.
    #[default]
    Core,
    /// Also compliance modules, and tokens' documents.
    Whole,
}

/// The random play of one seed.
#[derive(Debug)]
pub struct Play {
    rng: StdRng,
    cast: Cast,
    suites: u64,
    nonce: u64,
}

impl Play {
    /// A play of the core cast that has not begun.
    pub fn new(seed: u64) -> Self {
        Self::of(seed, Cast::Core)
    }

    /// A play that has not begun.
    pub fn of(seed: u64, cast: Cast) -> Self {
        Self { rng: StdRng::seed_from_u64(seed), cast, suites: 0, nonce: 0 }
    }

    /// What comes next is chosen anew; what has happened stays.
    pub fn reseed(&mut self, seed: u64) {
        self.rng = StdRng::seed_from_u64(seed);
    }

    /// The starting points that the configuration names.
    pub fn contracts() -> Vec<(Role, Address)> {
        vec![(Role::TrexFactory, account(FACTORY, 0)), (Role::Erc20, account(PLAIN, 0))]
    }

    /// A chain that answers what the fold observes.
    pub fn chain(finality_depth: u64) -> SimChain {
        let chain = SimChain::new(crate::CHAIN_ID, finality_depth);
        let word = |value: u64| CallAnswer::Returned(U256::from(value).abi_encode().into());
        for (kind, number) in
            [(PLAIN, 0), (PLAIN, 1), (PLAIN, 2), (PLAIN, 3), (TOKEN, 0), (TOKEN, 1), (TOKEN, 2), (TOKEN, 3)]
        {
            let target = account(kind, number);
            let text = |text: &str| CallAnswer::Returned(text.to_owned().abi_encode().into());
            chain.answer(target, calls::nameCall {}.abi_encode(), text(&format!("Token {number}")));
            chain.answer(target, calls::symbolCall {}.abi_encode(), text(&format!("T{number}")));
            match (kind, number) {
                // What an upgradeable token answers may differ from block to block.
                (PLAIN, 1..) => chain.answer_by_block(target, calls::decimalsCall {}.abi_encode()),
                _ => chain.answer(target, calls::decimalsCall {}.abi_encode(), word(18)),
            }
            chain.answer(target, calls::pausedCall {}.abi_encode(), word(1));
        }
        for module in 0..2 {
            let name = format!("Module{module}").abi_encode();
            let answer = CallAnswer::Returned(name.into());
            chain.answer(account(MODULE, module), calls::nameCall {}.abi_encode(), answer);
        }
        for number in 0..4 {
            for wallet in 0..6 {
                let country = calls::storedInvestorCountryCall { wallet: account(WALLET, wallet) };
                chain.answer_by_block(account(STORAGE, number), country.abi_encode());
            }
        }
        // The first block holds what makes the configured contracts exist.
        chain.mine(vec![NewTransaction {
            logs: vec![
                log(account(FACTORY, 0), factory::IdFactorySet { _idFactory: account(9, 9) }),
                transfer(account(PLAIN, 0), Address::ZERO, account(WALLET, 0), 1_000),
            ],
            ..NewTransaction::default()
        }]);
        chain
    }

    /// A number below a bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.rng.random_range(0..bound)
    }

    /// Some blocks more.
    pub fn blocks(&mut self, count: usize) -> Vec<Vec<NewTransaction>> {
        (0..count)
            .map(|_| {
                let transactions = self.below(4);
                (0..transactions).map(|_| self.transaction()).collect()
            })
            .collect()
    }

    fn transaction(&mut self) -> NewTransaction {
        let from = self.wallet();
        self.nonce += 1;
        let token = account(TOKEN, self.below(self.suites.max(1)));
        let roles = match self.cast {
            Cast::Core => 16,
            Cast::Whole => 19,
        };
        let (to, input, logs) = match self.below(roles) {
            0 | 1 if self.suites < 4 => (account(FACTORY, 0), Bytes::new(), self.suite()),
            2..=5 => return self.moves(token),
            6 => (token, Bytes::new(), self.freezes(token)),
            7 | 8 => (account(STORAGE, 0), Bytes::new(), self.registers()),
            9 | 10 => (account(IDENTITY, 0), Bytes::new(), self.claims()),
            11 => (account(ISSUERS, 0), Bytes::new(), self.trusts()),
            12 => (account(REGISTRY, 0), Bytes::new(), self.points()),
            13 => (account(PLAIN, 0), Bytes::new(), self.strange()),
            16 => (token, Bytes::new(), self.papers(token)),
            17 | 18 => (account(MODULE, 0), Bytes::new(), self.rules()),
            _ => (account(PLAIN, 0), Bytes::new(), vec![self.plain()]),
        };
        NewTransaction { from, to: Some(to), input, logs, ..NewTransaction::default() }
    }

    fn wallet(&mut self) -> Address {
        account(WALLET, self.below(6))
    }

    fn plain(&mut self) -> NewLog {
        let (from, to, value) = (self.wallet(), self.wallet(), self.below(50));
        let token = [0, 0, 0, 1, 2, 3][self.below(6) as usize];
        transfer(account(PLAIN, token), from, to, value)
    }

    /// Children log before they are announced, as in the real factory; a later suite may share the first's storage.
    fn suite(&mut self) -> Vec<NewLog> {
        let n = self.suites;
        self.suites += 1;
        let shared = if n > 0 && self.below(2) == 0 { 0 } else { n };
        let (token, registry) = (account(TOKEN, n), account(REGISTRY, n));
        let (storage, owner) = (account(STORAGE, shared), account(WALLET, 0));
        vec![
            log(token, token::OwnershipTransferred { previousOwner: Address::ZERO, newOwner: owner }),
            log(token, token::IdentityRegistryAdded { _identityRegistry: registry }),
            log(token, token::ComplianceAdded { _compliance: account(COMPLIANCE, n) }),
            log(registry, registry::IdentityStorageSet { identityStorage: storage }),
            log(
                registry,
                registry::TrustedIssuersRegistrySet { trustedIssuersRegistry: account(ISSUERS, n) },
            ),
            log(registry, registry::ClaimTopicsRegistrySet { claimTopicsRegistry: account(TOPICS, n) }),
            log(account(TOPICS, n), topics::ClaimTopicAdded { claimTopic: U256::from(7) }),
            log(token, token::AgentAdded { _agent: owner }),
            log(
                token,
                token::UpdatedTokenInformation {
                    _newName: B256::ZERO,
                    _newSymbol: B256::ZERO,
                    _newDecimals: 18,
                    _newVersion: "4.1.6".to_owned(),
                    _newOnchainID: account(IDENTITY, 20 + n),
                },
            ),
            log(
                account(FACTORY, 0),
                factory::TREXSuiteDeployed {
                    _token: token,
                    _ir: registry,
                    _irs: storage,
                    _tir: account(ISSUERS, n),
                    _ctr: account(TOPICS, n),
                    _mc: account(COMPLIANCE, n),
                    _salt: B256::ZERO,
                },
            ),
        ]
    }

    fn moves(&mut self, token: Address) -> NewTransaction {
        let (from, to, value) = (self.wallet(), self.wallet(), self.below(100));
        let amount = U256::from(value);
        let (input, mut logs) = match self.below(6) {
            0 => (Bytes::new(), vec![transfer(token, Address::ZERO, to, value)]),
            1 => (Bytes::new(), vec![transfer(token, from, Address::ZERO, value)]),
            2 => {
                let input = calls::forcedTransferCall { from, to, amount }.abi_encode();
                (Bytes::from(input), vec![transfer(token, from, to, value)])
            }
            3 => {
                let approval = erc20::Approval { owner: from, spender: to, value: amount };
                (Bytes::new(), vec![transfer(token, from, to, value), log(token, approval)])
            }
            4 => {
                let recovery = token::RecoverySuccess {
                    _lostWallet: from,
                    _newWallet: to,
                    _investorOnchainID: account(IDENTITY, 1),
                };
                (Bytes::new(), vec![transfer(token, from, to, value), log(token, recovery)])
            }
            _ => {
                let input = calls::transferCall { to, amount }.abi_encode();
                (Bytes::from(input), vec![transfer(token, from, to, value)])
            }
        };
        if self.below(8) == 0 {
            logs.push(log(token, token::Paused { _userAddress: from }));
        }
        let to = if self.below(5) == 0 { account(0x99, 0) } else { token };
        NewTransaction { from, to: Some(to), input, logs, ..NewTransaction::default() }
    }

    fn freezes(&mut self, token: Address) -> Vec<NewLog> {
        let (wallet, amount) = (self.wallet(), U256::from(self.below(10)));
        let event = match self.below(3) {
            0 => log(token, token::TokensFrozen { _userAddress: wallet, _amount: amount }),
            1 => log(token, token::TokensUnfrozen { _userAddress: wallet, _amount: amount }),
            _ => {
                let frozen = self.below(2) == 0;
                log(token, token::AddressFrozen { _userAddress: wallet, _isFrozen: frozen, _owner: wallet })
            }
        };
        vec![event]
    }

    fn registers(&mut self) -> Vec<NewLog> {
        let storage = account(STORAGE, self.below(3));
        let (wallet, identity) = (self.wallet(), account(IDENTITY, self.below(8)));
        let event = match self.below(6) {
            0 => log(storage, storage::IdentityUnstored { investorAddress: wallet, identity }),
            1 => log(storage, storage::CountryModified { investorAddress: wallet, country: 276 }),
            2 => {
                let new = account(IDENTITY, self.below(8));
                log(storage, storage::IdentityModified { oldIdentity: identity, newIdentity: new })
            }
            _ => log(storage, storage::IdentityStored { investorAddress: wallet, identity }),
        };
        vec![event]
    }

    fn claims(&mut self) -> Vec<NewLog> {
        let (of, issuer) = (account(IDENTITY, self.below(8)), account(ISSUER, self.below(2)));
        let key = B256::with_last_byte(self.below(3) as u8);
        let (purpose, kind) = (U256::from(1 + 2 * self.below(2)), U256::from(1));
        let event = match self.below(6) {
            0 => log(of, identity::KeyAdded { key, purpose, keyType: kind }),
            1 => log(issuer, identity::KeyRemoved { key, purpose, keyType: kind }),
            2 => log(issuer, identity::ClaimRevoked { signature: B256::with_last_byte(self.below(4) as u8) }),
            _ => claim_added(of, issuer, 7 + self.below(2), self.nonce),
        };
        vec![event]
    }

    fn trusts(&mut self) -> Vec<NewLog> {
        let (list, issuer) = (account(ISSUERS, self.below(3)), account(ISSUER, self.below(2)));
        let event = match self.below(3) {
            0 => log(list, issuers::TrustedIssuerRemoved { trustedIssuer: issuer }),
            1 => {
                let topics = vec![U256::from(7), U256::from(8)];
                log(list, issuers::ClaimTopicsUpdated { trustedIssuer: issuer, claimTopics: topics })
            }
            _ => {
                let topics = vec![U256::from(7)];
                log(list, issuers::TrustedIssuerAdded { trustedIssuer: issuer, claimTopics: topics })
            }
        };
        vec![event]
    }

    /// Links move: to contracts that have logged unwatched for long, too.
    fn points(&mut self) -> Vec<NewLog> {
        let n = self.below(3);
        let (registry, other) = (account(REGISTRY, n), self.below(4));
        let (mc, module) = (account(COMPLIANCE, n), account(MODULE, self.below(2)));
        let event = match self.below(5) {
            0 => log(registry, registry::IdentityStorageSet { identityStorage: account(STORAGE, other) }),
            1 => log(
                registry,
                registry::TrustedIssuersRegistrySet { trustedIssuersRegistry: account(ISSUERS, other) },
            ),
            2 => log(mc, compliance::ModuleAdded { _module: module }),
            3 => log(mc, compliance::ModuleRemoved { _module: module }),
            _ => log(
                account(TOKEN, n),
                token::IdentityRegistryAdded { _identityRegistry: account(REGISTRY, other) },
            ),
        };
        vec![event]
    }

    /// Documents of tokens: set, set again, removed, also where there is none.
    fn papers(&mut self, token: Address) -> Vec<NewLog> {
        let token = if self.below(3) == 0 { account(PLAIN, self.below(2)) } else { token };
        let name = [b"prospectus".as_slice(), b"terms"][self.below(2) as usize];
        let (uri, hash) = (format!("ipfs://{}", self.nonce), self.below(3) as u8);
        if self.below(3) > 0 {
            return vec![document(token, name, &uri, hash)];
        }
        let (name, hash) = (B256::right_padding_from(name), B256::repeat_byte(hash));
        vec![log(token, documents::DocumentRemoved { name, uri, documentHash: hash })]
    }

    /// What modules say of compliances and of everybody: one module serves several, and some of it nobody waits for.
    fn rules(&mut self) -> Vec<NewLog> {
        let (of, mc) = (account(MODULE, self.below(2)), account(COMPLIANCE, self.below(3)));
        let (country, amount) = (self.below(3) as u16, U256::from(self.below(100)));
        let event = match self.below(10) {
            0 => log(of, modules::ComplianceBound { _compliance: mc }),
            1 => log(of, modules::ComplianceUnbound { _compliance: mc }),
            2 => log(of, modules::CountryAllowed { _compliance: mc, _country: country }),
            3 => log(of, modules::CountryUnallowed { _compliance: mc, _country: country }),
            4 => log(of, modules::SupplyLimitSet { _compliance: mc, _limit: amount }),
            5 => log(of, modules::MaxBalanceSet { _compliance: mc, _maxBalance: amount }),
            6 => log(of, modules::ExchangeIDAdded { _newExchangeID: account(IDENTITY, 1) }),
            7 => log(of, modules::ExchangeIDRemoved { _exchangeID: account(IDENTITY, 1) }),
            8 => {
                log(of, modules::FeeUpdated { compliance: mc, _rate: amount, _collector: account(WALLET, 1) })
            }
            _ => log(of, modules::Upgraded { implementation: account(9, u64::from(country)) }),
        };
        vec![event]
    }

    /// What hostile or careless contracts log.
    fn strange(&mut self) -> Vec<NewLog> {
        let token = account(PLAIN, 0);
        let transfer_topic = B256::from(alloy::primitives::keccak256("Transfer(address,address,uint256)"));
        let event = match self.below(4) {
            0 => raw(token, vec![], vec![1, 2, 3]),
            1 => raw(token, vec![transfer_topic; 4], vec![]),
            2 => raw(token, vec![transfer_topic], vec![0; 96]),
            _ => {
                log(token, erc20::Transfer { from: Address::ZERO, to: account(WALLET, 1), value: U256::MAX })
            }
        };
        vec![event]
    }
}
