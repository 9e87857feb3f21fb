//! ONCHAINID: identities, their keys and claims, and those who issue claims.

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolValue;

use crate::abi::IIdentity;
use crate::artifact::{Artifacts, Package};
use crate::error::Result;
use crate::node::{Call, Node};

/// Key purposes of ERC-734.
pub mod purpose {
    /// May do everything.
    pub const MANAGEMENT: u8 = 1;
    /// May act in the identity's name.
    pub const ACTION: u8 = 2;
    /// May sign claims, and add and remove them on the identity.
    pub const CLAIM: u8 = 3;
}

/// Key type and signature scheme: ECDSA.
const ECDSA: U256 = U256::ONE;

/// The key under which ERC-734 knows an address.
pub fn key_of(address: Address) -> B256 {
    keccak256(address.abi_encode())
}

/// The id that ERC-735 gives a claim: one per issuer and topic.
pub fn claim_id(issuer: Address, topic: U256) -> B256 {
    keccak256((issuer, topic).abi_encode_params())
}

/// An identity contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The contract.
    pub address: Address,
    /// An unlocked account with a management key.
    pub manager: Address,
}

impl Identity {
    /// Adds a claim, or changes the one that the issuer gave for the topic before.
    pub fn add_claim(&self, claim: &Claim) -> Call {
        let call = IIdentity::addClaimCall {
            topic: claim.topic,
            scheme: ECDSA,
            issuer: claim.issuer,
            signature: claim.signature.clone(),
            data: claim.data.clone(),
            uri: claim.uri.clone(),
        };
        Call::new(self.manager, self.address, &call)
    }

    /// Removes the claim of an issuer for a topic.
    pub fn remove_claim(&self, issuer: Address, topic: U256) -> Call {
        Call::new(self.manager, self.address, &IIdentity::removeClaimCall { id: claim_id(issuer, topic) })
    }

    /// Gives an address a key; see [`purpose`].
    pub fn add_key(&self, address: Address, purpose: u8) -> Call {
        let call =
            IIdentity::addKeyCall { key: key_of(address), purpose: U256::from(purpose), keyType: ECDSA };
        Call::new(self.manager, self.address, &call)
    }

    /// Takes a key from an address; see [`purpose`].
    pub fn remove_key(&self, address: Address, purpose: u8) -> Call {
        let call = IIdentity::removeKeyCall { key: key_of(address), purpose: U256::from(purpose) };
        Call::new(self.manager, self.address, &call)
    }
}

/// A signed claim, on the chain or not yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The issuer's contract.
    pub issuer: Address,
    /// What is claimed.
    pub topic: U256,
    /// By an issuer's key, over the identity, the topic and the data.
    pub signature: Bytes,
    /// The particulars.
    pub data: Bytes,
    /// Where more is to be found.
    pub uri: String,
}

/// A claim issuer: its contract and the key that it signs with.
#[derive(Clone, Debug)]
pub struct ClaimIssuer {
    /// The contract.
    pub address: Address,
    /// An unlocked account with a management key.
    pub operator: Address,
    /// Signs the claims; its address has a claim key on the contract.
    pub signer: PrivateKeySigner,
}

impl ClaimIssuer {
    /// Deploys an issuer whose signing key is made of its name, and gives the key its purpose.
    ///
    /// # Errors
    /// If the artifact is missing or the node refuses a transaction.
    pub async fn deploy(node: &Node, artifacts: &Artifacts, operator: Address, name: &str) -> Result<Self> {
        let code = artifacts.creation(Package::OnchainId, "contracts/ClaimIssuer", &(operator,))?;
        let address = node.deploy(&Call::deploy(operator, code, "ClaimIssuer")).await?;
        let issuer = Self { address, operator, signer: signer(name) };
        node.send(&issuer.add_key(issuer.signer.address(), purpose::CLAIM)).await?;
        Ok(issuer)
    }

    /// The same issuer, signing with another key, which [`ClaimIssuer::add_key`] must make known.
    #[must_use]
    pub fn signing_as(&self, name: &str) -> Self {
        Self { signer: signer(name), ..self.clone() }
    }

    /// Signs a claim about an identity.
    ///
    /// # Panics
    /// Never: the key is in memory and the hash has its length.
    pub fn claim(&self, identity: Address, topic: U256, data: &[u8], uri: &str) -> Claim {
        let data = Bytes::copy_from_slice(data);
        let hash = keccak256((identity, topic, data.clone()).abi_encode_params());
        let signature = self.signer.sign_message_sync(hash.as_slice()).expect("a key in memory signs");
        let signature = Bytes::from(signature.as_bytes().to_vec());
        Claim { issuer: self.address, topic, signature, data, uri: uri.to_owned() }
    }

    /// Revokes a claim by its signature; nothing on the identity changes.
    pub fn revoke(&self, claim: &Claim) -> Call {
        let call = IIdentity::revokeClaimBySignatureCall { signature: claim.signature.clone() };
        Call::new(self.operator, self.address, &call)
    }

    /// Revokes the claim that this issuer has on an identity for a topic, by the claim's id.
    pub fn revoke_on(&self, identity: Address, topic: U256) -> Call {
        let call = IIdentity::revokeClaimCall { id: claim_id(self.address, topic), identity };
        Call::new(self.operator, self.address, &call)
    }

    /// Gives an address a key of the issuer; see [`purpose`].
    pub fn add_key(&self, address: Address, purpose: u8) -> Call {
        self.identity().add_key(address, purpose)
    }

    /// Takes a key of the issuer from an address; see [`purpose`].
    pub fn remove_key(&self, address: Address, purpose: u8) -> Call {
        self.identity().remove_key(address, purpose)
    }

    /// The issuer's contract as the identity that it is too.
    pub fn identity(&self) -> Identity {
        Identity { address: self.address, manager: self.operator }
    }
}

/// A key that is the same in every run. It guards nothing outside a test.
fn signer(name: &str) -> PrivateKeySigner {
    let secret = keccak256(format!("scenario claim key {name}"));
    PrivateKeySigner::from_bytes(&secret).expect("a hash is a valid key but for odds of 2^-128")
}
