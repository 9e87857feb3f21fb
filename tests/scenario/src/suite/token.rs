//! Deploys a token with its registries through the factory, in one transaction.

use alloy::primitives::{Address, Bytes, U256};

use super::{ModuleSpec, Suite};
use crate::abi::{
    ClaimDetails, IErc20, IIdentityRegistry, IIdentityRegistryStorage, IToken, ITrexFactory, TokenDetails,
};
use crate::error::{Error, Result};
use crate::node::{Call, Node};
use crate::token::Token;

/// An issuer that a token trusts, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedIssuer {
    /// The claim issuer's contract.
    pub issuer: Address,
    /// The topics that its claims count for.
    pub topics: Vec<U256>,
}

/// What a token is to be. The factory takes at most 5 topics, 5 issuers, 5 agents and 30 module settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSpec {
    /// Its name.
    pub name: String,
    /// Its symbol.
    pub symbol: String,
    /// Its decimals, up to 18.
    pub decimals: u8,
    /// Makes the addresses; a factory takes each once.
    pub salt: String,
    /// Owns the token and its registries: an unlocked account.
    pub owner: Address,
    /// Agents of the token and of its identity registry: unlocked accounts. The first sends the agent's calls.
    pub agents: Vec<Address>,
    /// The claims that a holder needs.
    pub claim_topics: Vec<U256>,
    /// Who may issue them.
    pub trusted_issuers: Vec<TrustedIssuer>,
    /// The compliance modules and their settings.
    pub modules: Vec<ModuleSpec>,
    /// The identity registry storage of another token to share; none deploys a new one.
    pub shared_storage: Option<Address>,
}

impl TokenSpec {
    /// A token without claim topics, issuers and modules, with the symbol as salt.
    pub fn new(name: &str, symbol: &str, decimals: u8, owner: Address, agent: Address) -> Self {
        Self {
            name: name.to_owned(),
            symbol: symbol.to_owned(),
            decimals,
            salt: symbol.to_owned(),
            owner,
            agents: vec![agent],
            claim_topics: Vec::new(),
            trusted_issuers: Vec::new(),
            modules: Vec::new(),
            shared_storage: None,
        }
    }

    fn details(&self) -> TokenDetails {
        // The factory pairs modules and settings by their places: a module comes once for each of its settings, and
        // those without any come last.
        let mut modules = Vec::new();
        let mut settings: Vec<Bytes> = Vec::new();
        for spec in &self.modules {
            for setting in &spec.settings {
                modules.push(spec.module);
                settings.push(setting.clone());
            }
        }
        modules.extend(self.modules.iter().filter(|spec| spec.settings.is_empty()).map(|spec| spec.module));
        TokenDetails {
            owner: self.owner,
            name: self.name.clone(),
            symbol: self.symbol.clone(),
            decimals: self.decimals,
            irs: self.shared_storage.unwrap_or_default(),
            onchainId: Address::ZERO,
            irAgents: self.agents.clone(),
            tokenAgents: self.agents.clone(),
            complianceModules: modules,
            complianceSettings: settings,
        }
    }

    fn claims(&self) -> ClaimDetails {
        ClaimDetails {
            claimTopics: self.claim_topics.clone(),
            issuers: self.trusted_issuers.iter().map(|trusted| trusted.issuer).collect(),
            issuerClaims: self.trusted_issuers.iter().map(|trusted| trusted.topics.clone()).collect(),
        }
    }
}

impl Suite {
    /// Deploys a token and its registries. It is paused, as every T-REX token at first.
    ///
    /// # Errors
    /// If the salt is taken, a limit of the factory is passed, or the shared storage is not the factory's any more.
    pub async fn deploy_token(&self, node: &Node, spec: &TokenSpec) -> Result<Token> {
        let receipt = node.send(&self.deploy_token_call(spec)).await?;
        let block =
            receipt.block_number.ok_or_else(|| Error::answer("the receipt", "it has no block number"))?;
        let address =
            node.call(self.trex_factory, &ITrexFactory::getTokenCall { salt: spec.salt.clone() }).await?;
        let agent = spec.agents.first().copied().unwrap_or(spec.owner);
        let mut token = self.token_at(node, address, spec.owner, agent).await?;
        token.deployed_in = block;
        Ok(token)
    }

    /// The call of [`Suite::deploy_token`].
    pub fn deploy_token_call(&self, spec: &TokenSpec) -> Call {
        let call = ITrexFactory::deployTREXSuiteCall {
            salt: spec.salt.clone(),
            token: spec.details(),
            claims: spec.claims(),
        };
        Call::new(self.deployer, self.trex_factory, &call)
    }

    /// A token that stands at an address, with the registries that it points to at the head.
    ///
    /// # Errors
    /// If no T-REX token is there.
    pub async fn token_at(
        &self,
        node: &Node,
        address: Address,
        owner: Address,
        agent: Address,
    ) -> Result<Token> {
        let registry = node.call(address, &IToken::identityRegistryCall {}).await?;
        let head = node.head().await?.header;
        let at = head.hash;
        Ok(Token {
            address,
            identity_registry: registry,
            storage: node.call_at(at, registry, &IIdentityRegistry::identityStorageCall {}).await?,
            trusted_issuers_registry: node
                .call_at(at, registry, &IIdentityRegistry::issuersRegistryCall {})
                .await?,
            claim_topics_registry: node
                .call_at(at, registry, &IIdentityRegistry::topicsRegistryCall {})
                .await?,
            compliance: node.call_at(at, address, &IToken::complianceCall {}).await?,
            onchain_id: node.call_at(at, address, &IToken::onchainIDCall {}).await?,
            name: node.call_at(at, address, &IErc20::nameCall {}).await?,
            symbol: node.call_at(at, address, &IErc20::symbolCall {}).await?,
            decimals: node.call_at(at, address, &IErc20::decimalsCall {}).await?,
            owner,
            agent,
            deployed_in: head.number,
        })
    }

    /// Makes `owner` the owner of a storage that the factory owns, as binding registries by hand needs. The factory
    /// cannot deploy further tokens onto that storage afterwards.
    pub fn recover_storage(&self, storage: Address, owner: Address) -> Call {
        let call = ITrexFactory::recoverContractOwnershipCall { deployed: storage, newOwner: owner };
        Call::new(self.deployer, self.trex_factory, &call)
    }

    /// Lets an identity registry write into a storage; `owner` owns the storage.
    pub fn bind_identity_registry(&self, owner: Address, storage: Address, registry: Address) -> Call {
        Call::new(owner, storage, &IIdentityRegistryStorage::bindIdentityRegistryCall { registry })
    }

    /// No longer lets an identity registry write into a storage; `owner` owns the storage.
    pub fn unbind_identity_registry(&self, owner: Address, storage: Address, registry: Address) -> Call {
        Call::new(owner, storage, &IIdentityRegistryStorage::unbindIdentityRegistryCall { registry })
    }
}
