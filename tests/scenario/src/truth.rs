//! What the contracts themselves answer at a block: the truth that an indexer's tables are compared with.
//!
//! Every function takes the block's hash, so that all answers are of one block even while the chain moves on.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::sol_types::SolCall;

use crate::abi::{
    IAgentRole, IClaimTopicsRegistry, IErc20, IIdentity, IIdentityRegistry, IModularCompliance, IOwnable,
    IToken, ITrustedIssuersRegistry,
};
use crate::error::Result;
use crate::node::Node;

/// A T-REX token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenTruth {
    /// `name()`.
    pub name: String,
    /// `symbol()`.
    pub symbol: String,
    /// `decimals()`.
    pub decimals: u8,
    /// `totalSupply()`.
    pub total_supply: U256,
    /// `paused()`.
    pub paused: bool,
    /// `owner()`.
    pub owner: Address,
    /// `onchainID()`.
    pub onchain_id: Address,
    /// `compliance()`.
    pub compliance: Address,
    /// `identityRegistry()`.
    pub identity_registry: Address,
    /// The registry's `identityStorage()`.
    pub storage: Address,
    /// The registry's `issuersRegistry()`.
    pub trusted_issuers_registry: Address,
    /// The registry's `topicsRegistry()`.
    pub claim_topics_registry: Address,
    /// The compliance's `getModules()`.
    pub modules: Vec<Address>,
}

/// A wallet's holding of a T-REX token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HolderTruth {
    /// `balanceOf(wallet)`.
    pub balance: U256,
    /// `getFrozenTokens(wallet)`.
    pub frozen_tokens: U256,
    /// `isFrozen(wallet)`: the whole wallet.
    pub frozen: bool,
}

/// A wallet in an identity registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegistrationTruth {
    /// `identity(wallet)`; none if the wallet is not registered.
    pub identity: Option<Address>,
    /// `investorCountry(wallet)`, 0 if the wallet is not registered.
    pub country: u16,
    /// `isVerified(wallet)`; none if the call itself fails, as it does for an identity that is no contract.
    pub verified: Option<bool>,
}

/// A claim on an identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimTruth {
    /// Its topic.
    pub topic: U256,
    /// Its signature scheme.
    pub scheme: U256,
    /// Its issuer.
    pub issuer: Address,
    /// Its signature.
    pub signature: Bytes,
    /// Its data.
    pub data: Bytes,
    /// Its URI.
    pub uri: String,
    /// What the issuer's `isClaimRevoked` answers; none if it has no such function.
    pub revoked: Option<bool>,
    /// What the issuer's `isClaimValid` answers: signed by a key that it has, and not revoked.
    pub valid: Option<bool>,
}

/// `balanceOf` of any ERC-20 token.
///
/// # Errors
/// If the node has no such block or the contract no such function; so for all functions here.
pub async fn balance(node: &Node, block: B256, token: Address, holder: Address) -> Result<U256> {
    node.call_at(block, token, &IErc20::balanceOfCall { holder }).await
}

/// `totalSupply` of any ERC-20 token.
///
/// # Errors
/// As [`balance`].
pub async fn total_supply(node: &Node, block: B256, token: Address) -> Result<U256> {
    node.call_at(block, token, &IErc20::totalSupplyCall {}).await
}

/// A token and where it points.
///
/// # Errors
/// As [`balance`].
pub async fn token(node: &Node, block: B256, token: Address) -> Result<TokenTruth> {
    let registry = node.call_at(block, token, &IToken::identityRegistryCall {}).await?;
    let compliance = node.call_at(block, token, &IToken::complianceCall {}).await?;
    Ok(TokenTruth {
        name: node.call_at(block, token, &IErc20::nameCall {}).await?,
        symbol: node.call_at(block, token, &IErc20::symbolCall {}).await?,
        decimals: node.call_at(block, token, &IErc20::decimalsCall {}).await?,
        total_supply: total_supply(node, block, token).await?,
        paused: node.call_at(block, token, &IToken::pausedCall {}).await?,
        owner: node.call_at(block, token, &IOwnable::ownerCall {}).await?,
        onchain_id: node.call_at(block, token, &IToken::onchainIDCall {}).await?,
        compliance,
        identity_registry: registry,
        storage: node.call_at(block, registry, &IIdentityRegistry::identityStorageCall {}).await?,
        trusted_issuers_registry: node
            .call_at(block, registry, &IIdentityRegistry::issuersRegistryCall {})
            .await?,
        claim_topics_registry: node
            .call_at(block, registry, &IIdentityRegistry::topicsRegistryCall {})
            .await?,
        modules: node.call_at(block, compliance, &IModularCompliance::getModulesCall {}).await?,
    })
}

/// A wallet's holding.
///
/// # Errors
/// As [`balance`].
pub async fn holder(node: &Node, block: B256, token: Address, wallet: Address) -> Result<HolderTruth> {
    Ok(HolderTruth {
        balance: balance(node, block, token, wallet).await?,
        frozen_tokens: node.call_at(block, token, &IToken::getFrozenTokensCall { wallet }).await?,
        frozen: node.call_at(block, token, &IToken::isFrozenCall { wallet }).await?,
    })
}

/// The holdings of several wallets, those with nothing included.
///
/// # Errors
/// As [`balance`].
pub async fn holders(
    node: &Node,
    block: B256,
    token: Address,
    wallets: impl IntoIterator<Item = Address>,
) -> Result<BTreeMap<Address, HolderTruth>> {
    let mut holders = BTreeMap::new();
    for wallet in wallets {
        holders.insert(wallet, holder(node, block, token, wallet).await?);
    }
    Ok(holders)
}

/// A wallet in an identity registry.
///
/// # Errors
/// As [`balance`].
pub async fn registration(
    node: &Node,
    block: B256,
    registry: Address,
    wallet: Address,
) -> Result<RegistrationTruth> {
    let identity = node.call_at(block, registry, &IIdentityRegistry::identityCall { wallet }).await?;
    Ok(RegistrationTruth {
        identity: (!identity.is_zero()).then_some(identity),
        country: node.call_at(block, registry, &IIdentityRegistry::investorCountryCall { wallet }).await?,
        verified: unless_reverted(node, block, registry, &IIdentityRegistry::isVerifiedCall { wallet })
            .await?,
    })
}

/// The claims of an identity for these topics, by their ids.
///
/// # Errors
/// As [`balance`].
pub async fn claims(
    node: &Node,
    block: B256,
    identity: Address,
    topics: &[U256],
) -> Result<BTreeMap<B256, ClaimTruth>> {
    let mut claims = BTreeMap::new();
    for &topic in topics {
        for id in node.call_at(block, identity, &IIdentity::getClaimIdsByTopicCall { topic }).await? {
            claims.insert(id, claim(node, block, identity, id).await?);
        }
    }
    Ok(claims)
}

async fn claim(node: &Node, block: B256, identity: Address, id: B256) -> Result<ClaimTruth> {
    let claim = node.call_at(block, identity, &IIdentity::getClaimCall { id }).await?;
    let is_revoked = IIdentity::isClaimRevokedCall { signature: claim.signature.clone() };
    let is_valid = IIdentity::isClaimValidCall {
        identity,
        topic: claim.topic,
        signature: claim.signature.clone(),
        data: claim.data.clone(),
    };
    Ok(ClaimTruth {
        revoked: unless_reverted(node, block, claim.issuer, &is_revoked).await?,
        valid: unless_reverted(node, block, claim.issuer, &is_valid).await?,
        topic: claim.topic,
        scheme: claim.scheme,
        issuer: claim.issuer,
        signature: claim.signature,
        data: claim.data,
        uri: claim.uri,
    })
}

/// The keys of an identity or a claim issuer for a purpose; see [`crate::identity::purpose`].
///
/// # Errors
/// As [`balance`].
pub async fn keys(node: &Node, block: B256, identity: Address, purpose: u8) -> Result<Vec<B256>> {
    let purpose = U256::from(purpose);
    node.call_at(block, identity, &IIdentity::getKeysByPurposeCall { purpose }).await
}

/// The issuers that a trusted issuers registry trusts, and for what.
///
/// # Errors
/// As [`balance`].
pub async fn trusted_issuers(
    node: &Node,
    block: B256,
    registry: Address,
) -> Result<BTreeMap<Address, Vec<U256>>> {
    let mut trusted = BTreeMap::new();
    for issuer in node.call_at(block, registry, &ITrustedIssuersRegistry::getTrustedIssuersCall {}).await? {
        let topics = ITrustedIssuersRegistry::getTrustedIssuerClaimTopicsCall { issuer };
        trusted.insert(issuer, node.call_at(block, registry, &topics).await?);
    }
    Ok(trusted)
}

/// The claims that a claim topics registry requires.
///
/// # Errors
/// As [`balance`].
pub async fn required_topics(node: &Node, block: B256, registry: Address) -> Result<Vec<U256>> {
    node.call_at(block, registry, &IClaimTopicsRegistry::getClaimTopicsCall {}).await
}

/// Whether an address is an agent of a token, an identity registry or a storage.
///
/// # Errors
/// As [`balance`].
pub async fn is_agent(node: &Node, block: B256, contract: Address, agent: Address) -> Result<bool> {
    node.call_at(block, contract, &IAgentRole::isAgentCall { agent }).await
}

/// The answer of a function that a foreign contract may lack or fail in.
async fn unless_reverted<C: SolCall>(
    node: &Node,
    block: B256,
    to: Address,
    call: &C,
) -> Result<Option<C::Return>> {
    match node.call_raw_at(block, to, call.abi_encode().into()).await {
        // An account without code answers nothing at all.
        Ok(answer) => Ok(C::abi_decode_returns(&answer).ok()),
        Err(error) if error.is_revert() => Ok(None),
        Err(error) => Err(error),
    }
}
