//! The platform, the issuers of claims, the tokens and the register of investors.

use alloy::primitives::{Address, U256};

use super::{Issuers, Play, topic};
use crate::error::Result;
use crate::identity::{Claim, ClaimIssuer, Identity};
use crate::node::Node;
use crate::suite::{ModuleSpec, Suite, TokenSpec, TrustedIssuer, setting};

/// ISO 3166-1 numeric codes.
pub(super) mod country {
    pub(in crate::play) const BELGIUM: u16 = 56;
    pub(in crate::play) const FRANCE: u16 = 250;
    pub(in crate::play) const GERMANY: u16 = 276;
    pub(in crate::play) const NETHERLANDS: u16 = 528;
    pub(in crate::play) const UNITED_STATES: u16 = 840;
}

use country::{BELGIUM, FRANCE, GERMANY, NETHERLANDS};

/// A claim with particulars that tell it apart.
pub(super) fn claim_about(
    issuer: &ClaimIssuer,
    identity: Address,
    topic: U256,
    name: &str,
    particulars: &str,
) -> Claim {
    let data = format!("{name}: {particulars}");
    let uri = format!("https://claims.example/{name}/{topic}");
    issuer.claim(identity, topic, data.as_bytes(), &uri)
}

impl Play {
    pub(super) async fn platform(&mut self, node: &Node) -> Result<()> {
        self.suite = Some(Suite::deploy(node, &self.artifacts, self.wallets.deployer).await?);
        Ok(())
    }

    pub(super) async fn claim_issuers(&mut self, node: &Node) -> Result<()> {
        let wallets = self.wallets;
        self.issuers = Some(Issuers {
            kyc: ClaimIssuer::deploy(node, &self.artifacts, wallets.kyc, "kyc").await?,
            accreditor: ClaimIssuer::deploy(node, &self.artifacts, wallets.accreditor, "accreditor").await?,
            notary: ClaimIssuer::deploy(node, &self.artifacts, wallets.notary, "notary").await?,
        });
        Ok(())
    }

    pub(super) async fn early_identity(&mut self, node: &Node) -> Result<()> {
        let identity = self.suite()?.deploy_identity(node, self.wallets.alice).await?;
        self.identities.insert("alice", identity);
        self.give_claims(node, "alice", identity).await
    }

    pub(super) async fn issue_bond(&mut self, node: &Node) -> Result<()> {
        let suite = self.suite()?;
        let issuers = self.issuers()?;
        let spec = TokenSpec {
            salt: "northern-bond-2030".to_owned(),
            claim_topics: vec![topic::KYC, topic::ACCREDITED],
            trusted_issuers: vec![
                TrustedIssuer { issuer: issuers.kyc.address, topics: vec![topic::KYC] },
                TrustedIssuer { issuer: issuers.accreditor.address, topics: vec![topic::ACCREDITED] },
            ],
            modules: vec![ModuleSpec {
                module: suite.modules.country_allow,
                settings: vec![setting::allow_countries(&[BELGIUM, FRANCE, GERMANY, NETHERLANDS])],
            }],
            ..TokenSpec::new("Northern Bond 2030", "NBOND", 2, self.wallets.owner, self.wallets.agent)
        };
        self.bond = Some(suite.deploy_token(node, &spec).await?);
        Ok(())
    }

    pub(super) async fn investors(&mut self, node: &Node) -> Result<()> {
        let wallets = self.wallets;
        let suite = self.suite()?.clone();
        let managed =
            suite.create_managed_identity(node, wallets.dave, "dave", &[wallets.dave_backup]).await?;
        self.identities.insert("dave", managed);
        for (name, wallet) in
            [("bob", wallets.bob), ("carol", wallets.carol), ("erin", wallets.erin), ("frank", wallets.frank)]
        {
            self.identities.insert(name, suite.create_identity(node, wallet, name).await?);
        }
        for name in ["bob", "carol", "dave", "erin", "frank"] {
            let identity = *self.identity(name)?;
            self.give_claims(node, name, identity).await?;
        }
        let bond = self.bond()?;
        let address = |name: &str| self.identity(name).map(|identity| identity.address);
        let batch = [
            (wallets.bob, address("bob")?, GERMANY),
            (wallets.carol, address("carol")?, FRANCE),
            (wallets.dave, address("dave")?, BELGIUM),
        ];
        let calls = [
            bond.register(wallets.alice, address("alice")?, NETHERLANDS),
            bond.batch_register(&batch),
            bond.register(wallets.erin, address("erin")?, NETHERLANDS),
            bond.register(wallets.frank, address("frank")?, GERMANY),
        ];
        node.send_all(&calls).await?;
        Ok(())
    }

    pub(super) async fn issue_share(&mut self, node: &Node) -> Result<()> {
        let wallets = self.wallets;
        let suite = self.suite()?;
        let bond = self.bond()?;
        let whole = U256::from(10).pow(U256::from(18));
        let spec = TokenSpec {
            salt: "southern-share".to_owned(),
            claim_topics: vec![topic::KYC],
            trusted_issuers: vec![TrustedIssuer {
                issuer: self.issuers()?.kyc.address,
                topics: vec![topic::KYC, topic::RESIDENCE],
            }],
            modules: vec![
                ModuleSpec {
                    module: suite.modules.max_balance,
                    settings: vec![setting::max_balance(U256::from(1_000_000) * whole)],
                },
                ModuleSpec {
                    module: suite.modules.supply_limit,
                    settings: vec![setting::supply_limit(U256::from(10_000_000) * whole)],
                },
            ],
            shared_storage: Some(bond.storage),
            ..TokenSpec::new("Southern Share", "SSHR", 18, wallets.owner, wallets.agent)
        };
        let share = suite.deploy_token(node, &spec).await?;
        let half = whole / U256::from(2);
        let calls = [
            share.unpause(),
            share.mint(wallets.bob, share.units(1_000)),
            share.mint(wallets.alice, share.units(2_000)),
            share.transfer(wallets.alice, wallets.bob, share.units(250) + half),
        ];
        node.send_all(&calls).await?;
        self.share = Some(share);
        Ok(())
    }

    /// KYC and accreditation, each by who is trusted for it.
    async fn give_claims(&mut self, node: &Node, name: &'static str, identity: Identity) -> Result<()> {
        let issuers = self.issuers()?;
        let kyc = claim_about(&issuers.kyc, identity.address, topic::KYC, name, "identified");
        let accredited =
            claim_about(&issuers.accreditor, identity.address, topic::ACCREDITED, name, "accredited");
        for claim in [kyc, accredited] {
            node.send(&identity.add_claim(&claim)).await?;
            self.claims.insert((name, claim.topic), claim);
        }
        Ok(())
    }
}
