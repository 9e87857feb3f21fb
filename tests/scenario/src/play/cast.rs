//! Who is who.

use alloy::primitives::Address;

use crate::error::{Error, Result};
use crate::identity::ClaimIssuer;
use crate::node::Node;

/// The accounts of the story, all unlocked on the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wallets {
    /// Runs the platform.
    pub deployer: Address,
    /// Issues the tokens and owns them.
    pub owner: Address,
    /// Agent of both tokens and their registries.
    pub agent: Address,
    /// Agent of the bond for a while.
    pub second_agent: Address,
    /// Runs the KYC provider.
    pub kyc: Address,
    /// Runs the accreditor.
    pub accreditor: Address,
    /// Runs the notary.
    pub notary: Address,
    /// Trades for others by their approval; holds the plain token.
    pub broker: Address,
    /// Has an identity that she deployed herself, with claims before any token was there.
    pub alice: Address,
    /// Has two wallets at the end.
    pub bob: Address,
    /// Bob's second wallet.
    pub bob_second: Address,
    /// Loses her verification and moves to another country.
    pub carol: Address,
    /// Lost.
    pub dave: Address,
    /// Holds the management key of Dave's identity.
    pub dave_backup: Address,
    /// Dave's new wallet.
    pub dave_new: Address,
    /// Deleted from the register and registered again.
    pub erin: Address,
    /// Frozen before he holds anything, and never does; gets another identity.
    pub frank: Address,
    /// Registered through the share's second registry.
    pub grace: Address,
    /// Registered nowhere.
    pub stranger: Address,
}

impl Wallets {
    pub(super) fn of(node: &Node) -> Result<Self> {
        let accounts = node.accounts();
        let &[
            deployer,
            owner,
            agent,
            second_agent,
            kyc,
            accreditor,
            notary,
            broker,
            alice,
            bob,
            bob_second,
            carol,
            dave,
            dave_backup,
            dave_new,
            erin,
            frank,
            grace,
            stranger,
            ..,
        ] = accounts
        else {
            return Err(Error::Unknown(format!(
                "the play needs 19 accounts, the node has {}",
                accounts.len()
            )));
        };
        Ok(Self {
            deployer,
            owner,
            agent,
            second_agent,
            kyc,
            accreditor,
            notary,
            broker,
            alice,
            bob,
            bob_second,
            carol,
            dave,
            dave_backup,
            dave_new,
            erin,
            frank,
            grace,
            stranger,
        })
    }

    /// All wallets that hold or held a token, were registered or frozen.
    pub fn holders(&self) -> Vec<Address> {
        let people = [self.alice, self.bob, self.bob_second, self.carol, self.dave, self.dave_new, self.erin];
        people.into_iter().chain([self.frank, self.grace, self.broker, self.stranger]).collect()
    }
}

/// Those who issue claims.
#[derive(Clone, Debug)]
pub struct Issuers {
    /// Trusted for KYC.
    pub kyc: ClaimIssuer,
    /// Trusted for accreditation; signs with its second key in the end.
    pub accreditor: ClaimIssuer,
    /// Trusted by nobody at first, for KYC later.
    pub notary: ClaimIssuer,
}
