//! What is done with a token's registries and its compliance.

use alloy::primitives::{Address, Bytes, U256};
use alloy::sol_types::SolCall;

use super::Token;
use crate::abi::{
    IAgentRole, IClaimTopicsRegistry, IIdentityRegistry, IModularCompliance, ITrustedIssuersRegistry,
};
use crate::node::Call;

/// The identity registry.
impl Token {
    /// Registers a wallet as an identity's, with a country (ISO 3166-1 numeric).
    pub fn register(&self, wallet: Address, identity: Address, country: u16) -> Call {
        self.registry_by_agent(&IIdentityRegistry::registerIdentityCall { wallet, identity, country })
    }

    /// Registers several wallets (wallet, identity, country) in one transaction.
    pub fn batch_register(&self, registrations: &[(Address, Address, u16)]) -> Call {
        let call = IIdentityRegistry::batchRegisterIdentityCall {
            wallets: registrations.iter().map(|registration| registration.0).collect(),
            identities: registrations.iter().map(|registration| registration.1).collect(),
            countries: registrations.iter().map(|registration| registration.2).collect(),
        };
        self.registry_by_agent(&call)
    }

    /// Changes the country of a wallet.
    pub fn update_country(&self, wallet: Address, country: u16) -> Call {
        self.registry_by_agent(&IIdentityRegistry::updateCountryCall { wallet, country })
    }

    /// Changes the identity of a wallet.
    pub fn update_identity(&self, wallet: Address, identity: Address) -> Call {
        self.registry_by_agent(&IIdentityRegistry::updateIdentityCall { wallet, identity })
    }

    /// Deletes a wallet's registration.
    pub fn delete_identity(&self, wallet: Address) -> Call {
        self.registry_by_agent(&IIdentityRegistry::deleteIdentityCall { wallet })
    }

    /// Makes an address an agent of the identity registry.
    pub fn add_registry_agent(&self, agent: Address) -> Call {
        self.registry_by_owner(&IAgentRole::addAgentCall { agent })
    }

    /// Dismisses an agent of the identity registry.
    pub fn remove_registry_agent(&self, agent: Address) -> Call {
        self.registry_by_owner(&IAgentRole::removeAgentCall { agent })
    }

    /// Points the identity registry to another storage.
    pub fn set_storage(&self, storage: Address) -> Call {
        self.registry_by_owner(&IIdentityRegistry::setIdentityRegistryStorageCall { storage_: storage })
    }

    /// Points the identity registry to another trusted issuers registry.
    pub fn set_trusted_issuers_registry(&self, registry: Address) -> Call {
        self.registry_by_owner(&IIdentityRegistry::setTrustedIssuersRegistryCall { registry })
    }

    /// Points the identity registry to another claim topics registry.
    pub fn set_claim_topics_registry(&self, registry: Address) -> Call {
        self.registry_by_owner(&IIdentityRegistry::setClaimTopicsRegistryCall { registry })
    }

    fn registry_by_agent<C: SolCall>(&self, call: &C) -> Call {
        Call::new(self.agent, self.identity_registry, call)
    }

    fn registry_by_owner<C: SolCall>(&self, call: &C) -> Call {
        Call::new(self.owner, self.identity_registry, call)
    }
}

/// Trusted issuers and required claims.
impl Token {
    /// Trusts an issuer for topics.
    pub fn add_trusted_issuer(&self, issuer: Address, topics: &[U256]) -> Call {
        let call = ITrustedIssuersRegistry::addTrustedIssuerCall { issuer, topics: topics.to_vec() };
        Call::new(self.owner, self.trusted_issuers_registry, &call)
    }

    /// No longer trusts an issuer.
    pub fn remove_trusted_issuer(&self, issuer: Address) -> Call {
        let call = ITrustedIssuersRegistry::removeTrustedIssuerCall { issuer };
        Call::new(self.owner, self.trusted_issuers_registry, &call)
    }

    /// Changes the topics that an issuer is trusted for.
    pub fn update_issuer_topics(&self, issuer: Address, topics: &[U256]) -> Call {
        let call = ITrustedIssuersRegistry::updateIssuerClaimTopicsCall { issuer, topics: topics.to_vec() };
        Call::new(self.owner, self.trusted_issuers_registry, &call)
    }

    /// Requires a claim of every holder.
    pub fn add_claim_topic(&self, topic: U256) -> Call {
        Call::new(self.owner, self.claim_topics_registry, &IClaimTopicsRegistry::addClaimTopicCall { topic })
    }

    /// No longer requires a claim.
    pub fn remove_claim_topic(&self, topic: U256) -> Call {
        Call::new(
            self.owner,
            self.claim_topics_registry,
            &IClaimTopicsRegistry::removeClaimTopicCall { topic },
        )
    }
}

/// Compliance.
impl Token {
    /// Binds a module.
    pub fn add_module(&self, module: Address) -> Call {
        Call::new(self.owner, self.compliance, &IModularCompliance::addModuleCall { module })
    }

    /// Unbinds a module.
    pub fn remove_module(&self, module: Address) -> Call {
        Call::new(self.owner, self.compliance, &IModularCompliance::removeModuleCall { module })
    }

    /// Sets a bound module by calldata of [`crate::suite::setting`].
    pub fn call_module(&self, module: Address, setting: Bytes) -> Call {
        let call = IModularCompliance::callModuleFunctionCall { callData: setting, module };
        Call::new(self.owner, self.compliance, &call)
    }
}
