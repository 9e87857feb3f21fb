//! The platform: T-REX and ONCHAINID as an operator deploys them, once for all tokens.

mod deploy;
mod token;

use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::sol_types::SolCall;

use crate::abi::{IIdFactory, IModule};
use crate::artifact::{Artifacts, Package};
use crate::error::{Error, Result};
use crate::identity::Identity;
use crate::node::{Call, Node};

pub use token::{TokenSpec, TrustedIssuer};

/// The contracts behind the proxies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Implementations {
    /// `Token`.
    pub token: Address,
    /// `ClaimTopicsRegistry`.
    pub claim_topics_registry: Address,
    /// `IdentityRegistry`.
    pub identity_registry: Address,
    /// `IdentityRegistryStorage`.
    pub identity_registry_storage: Address,
    /// `TrustedIssuersRegistry`.
    pub trusted_issuers_registry: Address,
    /// `ModularCompliance`.
    pub modular_compliance: Address,
    /// ONCHAINID's `Identity`.
    pub identity: Address,
}

/// The compliance modules: one contract each, shared by all tokens that use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Modules {
    /// Holders only from certain countries.
    pub country_allow: Address,
    /// No holders from certain countries.
    pub country_restrict: Address,
    /// A limit to what an identity holds.
    pub max_balance: Address,
    /// A limit to the supply.
    pub supply_limit: Address,
}

/// The deployed platform.
#[derive(Clone, Debug)]
pub struct Suite {
    /// Deployed everything and owns the factories.
    pub deployer: Address,
    /// `TREXFactory`.
    pub trex_factory: Address,
    /// `TREXImplementationAuthority`.
    pub trex_authority: Address,
    /// ONCHAINID's `IdFactory`.
    pub id_factory: Address,
    /// ONCHAINID's `ImplementationAuthority`.
    pub identity_authority: Address,
    /// The contracts behind the proxies.
    pub implementations: Implementations,
    /// The compliance modules.
    pub modules: Modules,
    artifacts: Artifacts,
}

impl Suite {
    /// The compiled contracts that the suite was deployed from.
    pub fn artifacts(&self) -> &Artifacts {
        &self.artifacts
    }

    /// Has the factory create an identity for a wallet and link the two.
    ///
    /// # Errors
    /// If the salt is taken or the wallet has an identity.
    pub async fn create_identity(&self, node: &Node, wallet: Address, salt: &str) -> Result<Identity> {
        node.send(&self.create_identity_call(wallet, salt)).await?;
        self.identity_from_factory(node, wallet, wallet).await
    }

    /// The call of [`Suite::create_identity`].
    pub fn create_identity_call(&self, wallet: Address, salt: &str) -> Call {
        let call = IIdFactory::createIdentityCall { wallet, salt: salt.to_owned() };
        Call::new(self.deployer, self.id_factory, &call)
    }

    /// Has the factory create an identity that not the wallet but others manage.
    ///
    /// # Errors
    /// If the salt is taken, the wallet has an identity, or is among the managers.
    ///
    /// # Panics
    /// If there is no manager.
    pub async fn create_managed_identity(
        &self,
        node: &Node,
        wallet: Address,
        salt: &str,
        managers: &[Address],
    ) -> Result<Identity> {
        let keys: Vec<B256> = managers.iter().copied().map(crate::identity::key_of).collect();
        let call = IIdFactory::createIdentityWithManagementKeysCall { wallet, salt: salt.to_owned(), keys };
        node.send(&Call::new(self.deployer, self.id_factory, &call)).await?;
        self.identity_from_factory(node, wallet, managers[0]).await
    }

    async fn identity_from_factory(
        &self,
        node: &Node,
        wallet: Address,
        manager: Address,
    ) -> Result<Identity> {
        let address = node.call(self.id_factory, &IIdFactory::getIdentityCall { wallet }).await?;
        if address.is_zero() {
            return Err(Error::Unknown(format!("the factory has no identity for {wallet}")));
        }
        Ok(Identity { address, manager })
    }

    /// Deploys an identity without the factory: nothing links it to a wallet until a registry does.
    ///
    /// # Errors
    /// If the artifact is missing or the node refuses the transaction.
    pub async fn deploy_identity(&self, node: &Node, manager: Address) -> Result<Identity> {
        let arguments = (self.identity_authority, manager);
        let code =
            self.artifacts.creation(Package::OnchainId, "contracts/proxy/IdentityProxy", &arguments)?;
        let address = node.deploy(&Call::deploy(manager, code, "IdentityProxy")).await?;
        Ok(Identity { address, manager })
    }

    /// Links one more wallet to the identity that the factory knows for `wallet`.
    pub fn link_wallet(&self, wallet: Address, another: Address) -> Call {
        Call::new(wallet, self.id_factory, &IIdFactory::linkWalletCall { wallet: another })
    }

    /// Takes a wallet from the identity that the factory knows for `wallet`.
    pub fn unlink_wallet(&self, wallet: Address, another: Address) -> Call {
        Call::new(wallet, self.id_factory, &IIdFactory::unlinkWalletCall { wallet: another })
    }
}

/// A compliance module of a token, with the calls that set it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleSpec {
    /// The module's contract.
    pub module: Address,
    /// The calldata of its settings; see [`setting`].
    pub settings: Vec<Bytes>,
}

/// Calldata that sets a compliance module through its token's compliance contract.
pub mod setting {
    use super::{Bytes, IModule, SolCall, U256};

    /// Allows holders from these countries (ISO 3166-1 numeric).
    pub fn allow_countries(countries: &[u16]) -> Bytes {
        IModule::batchAllowCountriesCall { countries: countries.to_vec() }.abi_encode().into()
    }

    /// No longer allows holders from these countries.
    pub fn disallow_countries(countries: &[u16]) -> Bytes {
        IModule::batchDisallowCountriesCall { countries: countries.to_vec() }.abi_encode().into()
    }

    /// Forbids holders from these countries.
    pub fn restrict_countries(countries: &[u16]) -> Bytes {
        IModule::batchRestrictCountriesCall { countries: countries.to_vec() }.abi_encode().into()
    }

    /// No longer forbids holders from these countries.
    pub fn unrestrict_countries(countries: &[u16]) -> Bytes {
        IModule::batchUnrestrictCountriesCall { countries: countries.to_vec() }.abi_encode().into()
    }

    /// Limits what one identity holds.
    pub fn max_balance(max: U256) -> Bytes {
        IModule::setMaxBalanceCall { max }.abi_encode().into()
    }

    /// Limits the supply.
    pub fn supply_limit(limit: U256) -> Bytes {
        IModule::setSupplyLimitCall { limit }.abi_encode().into()
    }
}
