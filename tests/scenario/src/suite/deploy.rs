//! Deploys the platform, and single contracts of it beside the factories.

use alloy::primitives::{Address, Bytes};
use alloy::sol_types::{SolCall, SolValue};

use super::{Implementations, Modules, Suite};
use crate::abi::{IIdFactory, IModule, ITrexAuthority, TrexContracts, Version};
use crate::artifact::{Artifacts, Package};
use crate::error::Result;
use crate::node::{Call, Node};

/// Deploys contracts for one account.
struct Deployer<'a> {
    node: &'a Node,
    artifacts: &'a Artifacts,
    account: Address,
}

impl Deployer<'_> {
    async fn deploy<T: SolValue>(&self, package: Package, source: &str, arguments: &T) -> Result<Address>
    where
        for<'a> <T::SolType as alloy::sol_types::SolType>::Token<'a>: alloy::sol_types::abi::TokenSeq<'a>,
    {
        let code = self.artifacts.creation(package, source, arguments)?;
        let name = source.rsplit('/').next().unwrap_or(source);
        self.node.deploy(&Call::deploy(self.account, code, name)).await
    }

    async fn trex(&self, source: &str) -> Result<Address> {
        self.deploy(Package::TRex, source, &()).await
    }

    async fn implementations(&self) -> Result<Implementations> {
        let identity = (self.account, true);
        Ok(Implementations {
            token: self.trex("contracts/token/Token").await?,
            claim_topics_registry: self.trex("contracts/registry/implementation/ClaimTopicsRegistry").await?,
            identity_registry: self.trex("contracts/registry/implementation/IdentityRegistry").await?,
            identity_registry_storage: self
                .trex("contracts/registry/implementation/IdentityRegistryStorage")
                .await?,
            trusted_issuers_registry: self
                .trex("contracts/registry/implementation/TrustedIssuersRegistry")
                .await?,
            modular_compliance: self.trex("contracts/compliance/modular/ModularCompliance").await?,
            identity: self.deploy(Package::OnchainId, "contracts/Identity", &identity).await?,
        })
    }

    async fn module(&self, name: &str) -> Result<Address> {
        let folder = "contracts/compliance/modular/modules";
        let implementation = self.trex(&format!("{folder}/{name}")).await?;
        let initialize = Bytes::from(IModule::initializeCall {}.abi_encode());
        self.deploy(Package::TRex, &format!("{folder}/ModuleProxy"), &(implementation, initialize)).await
    }

    async fn modules(&self) -> Result<Modules> {
        Ok(Modules {
            country_allow: self.module("CountryAllowModule").await?,
            country_restrict: self.module("CountryRestrictModule").await?,
            max_balance: self.module("MaxBalanceModule").await?,
            supply_limit: self.module("SupplyLimitModule").await?,
        })
    }

    async fn trex_authority(&self, implementations: &Implementations) -> Result<Address> {
        let arguments = (true, Address::ZERO, Address::ZERO);
        let source = "contracts/proxy/authority/TREXImplementationAuthority";
        let authority = self.deploy(Package::TRex, source, &arguments).await?;
        let use_version = ITrexAuthority::addAndUseTREXVersionCall {
            version: Version { major: 4, minor: 1, patch: 6 },
            contracts: TrexContracts {
                token: implementations.token,
                claimTopicsRegistry: implementations.claim_topics_registry,
                identityRegistry: implementations.identity_registry,
                identityRegistryStorage: implementations.identity_registry_storage,
                trustedIssuersRegistry: implementations.trusted_issuers_registry,
                modularCompliance: implementations.modular_compliance,
            },
        };
        self.node.send(&Call::new(self.account, authority, &use_version)).await?;
        Ok(authority)
    }
}

impl Suite {
    /// Deploys the platform: implementations, authorities, factories and modules.
    ///
    /// # Errors
    /// If an artifact is missing or the node refuses a transaction.
    pub async fn deploy(node: &Node, artifacts: &Artifacts, deployer: Address) -> Result<Self> {
        let by = Deployer { node, artifacts, account: deployer };
        let implementations = by.implementations().await?;
        let authority = "contracts/proxy/ImplementationAuthority";
        let identity_authority =
            by.deploy(Package::OnchainId, authority, &(implementations.identity,)).await?;
        let factory = "contracts/factory/IdFactory";
        let id_factory = by.deploy(Package::OnchainId, factory, &(identity_authority,)).await?;
        let trex_authority = by.trex_authority(&implementations).await?;
        let arguments = (trex_authority, id_factory);
        let trex_factory = by.deploy(Package::TRex, "contracts/factory/TREXFactory", &arguments).await?;
        let ia_factory =
            by.deploy(Package::TRex, "contracts/proxy/authority/IAFactory", &(trex_factory,)).await?;
        let settings = [
            Call::new(deployer, id_factory, &IIdFactory::addTokenFactoryCall { factory: trex_factory }),
            Call::new(
                deployer,
                trex_authority,
                &ITrexAuthority::setTREXFactoryCall { factory: trex_factory },
            ),
            Call::new(deployer, trex_authority, &ITrexAuthority::setIAFactoryCall { factory: ia_factory }),
        ];
        node.send_all(&settings).await?;
        let modules = by.modules().await?;
        let artifacts = artifacts.clone();
        Ok(Self {
            deployer,
            trex_factory,
            trex_authority,
            id_factory,
            identity_authority,
            implementations,
            modules,
            artifacts,
        })
    }

    /// Deploys one more compliance module of T-REX behind a proxy of its own, by the name of its contract.
    ///
    /// # Errors
    /// If the artifact is missing or the node refuses a transaction.
    pub async fn deploy_module(&self, node: &Node, name: &str) -> Result<Address> {
        Deployer { node, artifacts: &self.artifacts, account: self.deployer }.module(name).await
    }

    /// Deploys a trusted issuers registry beside the factory, owned by `owner`.
    ///
    /// # Errors
    /// If the artifact is missing or the node refuses the transaction.
    pub async fn deploy_trusted_issuers_registry(&self, node: &Node, owner: Address) -> Result<Address> {
        self.proxy(node, owner, "TrustedIssuersRegistryProxy", &(self.trex_authority,)).await
    }

    /// Deploys a claim topics registry beside the factory, owned by `owner`.
    ///
    /// # Errors
    /// If the artifact is missing or the node refuses the transaction.
    pub async fn deploy_claim_topics_registry(&self, node: &Node, owner: Address) -> Result<Address> {
        self.proxy(node, owner, "ClaimTopicsRegistryProxy", &(self.trex_authority,)).await
    }

    /// Deploys an identity registry storage beside the factory, owned by `owner`.
    ///
    /// # Errors
    /// If the artifact is missing or the node refuses the transaction.
    pub async fn deploy_identity_registry_storage(&self, node: &Node, owner: Address) -> Result<Address> {
        self.proxy(node, owner, "IdentityRegistryStorageProxy", &(self.trex_authority,)).await
    }

    /// Deploys a compliance contract beside the factory, owned by `owner`.
    ///
    /// # Errors
    /// If the artifact is missing or the node refuses the transaction.
    pub async fn deploy_compliance(&self, node: &Node, owner: Address) -> Result<Address> {
        self.proxy(node, owner, "ModularComplianceProxy", &(self.trex_authority,)).await
    }

    /// Deploys an identity registry beside the factory, owned by `owner`. It may write only into a storage that is
    /// bound to it: [`Suite::bind_identity_registry`].
    ///
    /// # Errors
    /// If the artifact is missing or the node refuses the transaction.
    pub async fn deploy_identity_registry(
        &self,
        node: &Node,
        owner: Address,
        trusted_issuers_registry: Address,
        claim_topics_registry: Address,
        storage: Address,
    ) -> Result<Address> {
        let arguments = (self.trex_authority, trusted_issuers_registry, claim_topics_registry, storage);
        self.proxy(node, owner, "IdentityRegistryProxy", &arguments).await
    }

    async fn proxy<T: SolValue>(
        &self,
        node: &Node,
        owner: Address,
        name: &str,
        arguments: &T,
    ) -> Result<Address>
    where
        for<'a> <T::SolType as alloy::sol_types::SolType>::Token<'a>: alloy::sol_types::abi::TokenSeq<'a>,
    {
        let by = Deployer { node, artifacts: &self.artifacts, account: owner };
        by.deploy(Package::TRex, &format!("contracts/proxy/{name}"), arguments).await
    }
}
