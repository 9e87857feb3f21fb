//! Claims, registrations and trust, and what becomes of the verification.

use alloy::primitives::Bytes;

use super::foundation::{claim_about, country};
use super::{Play, topic};
use crate::error::Result;
use crate::identity::{Claim, purpose};
use crate::node::Node;

impl Play {
    pub(super) async fn change_claims(&mut self, node: &Node) -> Result<()> {
        let issuers = self.issuers()?.clone();
        let (alice, bob, carol) =
            (*self.identity("alice")?, *self.identity("bob")?, *self.identity("carol")?);
        let (erin, frank) = (*self.identity("erin")?, *self.identity("frank")?);
        let (kyc, accreditor, notary) = (&issuers.kyc, &issuers.accreditor, &issuers.notary);
        let residence = claim_about(notary, carol.address, topic::RESIDENCE, "carol", "resident of France");
        // Issued by the identity about itself: nobody checks the signature.
        let own = Claim {
            issuer: alice.address,
            topic: topic::RESIDENCE,
            signature: Bytes::from_static(b"my own word"),
            data: Bytes::from_static(&[0x00, 0xff, 0xfe]),
            uri: "https://alice.example/größe".to_owned(),
        };
        let bobs = claim_about(kyc, bob.address, topic::KYC, "bob", "identified again");
        let erins = claim_about(accreditor, erin.address, topic::ACCREDITED, "erin", "accredited again");
        let franks = claim_about(accreditor, frank.address, topic::ACCREDITED, "frank", "accredited again");
        let calls = [
            bob.add_claim(&bobs),
            kyc.revoke(self.claim("carol", topic::KYC)?),
            carol.add_claim(&residence),
            carol.remove_claim(notary.address, topic::RESIDENCE),
            erin.remove_claim(accreditor.address, topic::ACCREDITED),
            erin.add_claim(&erins),
            accreditor.revoke_on(frank.address, topic::ACCREDITED),
            frank.add_claim(&franks),
            alice.add_claim(&own),
        ];
        node.send_all(&calls).await?;
        self.claims.insert(("bob", topic::KYC), bobs);
        self.claims.insert(("erin", topic::ACCREDITED), erins);
        self.claims.insert(("frank", topic::ACCREDITED), franks);
        Ok(())
    }

    pub(super) async fn change_registrations(&mut self, node: &Node) -> Result<()> {
        let w = self.wallets;
        let suite = self.suite()?.clone();
        let issuers = self.issuers()?.clone();
        let bond = self.bond()?.clone();
        let second = suite.deploy_identity(node, w.frank).await?;
        let claims = [
            claim_about(&issuers.kyc, second.address, topic::KYC, "frank's second", "identified"),
            claim_about(
                &issuers.accreditor,
                second.address,
                topic::ACCREDITED,
                "frank's second",
                "accredited",
            ),
        ];
        for claim in claims {
            node.send(&second.add_claim(&claim)).await?;
        }
        self.identities.insert("frank's second", second);
        let bob = self.identity("bob")?.address;
        let erin = self.identity("erin")?.address;
        let calls = [
            bond.update_country(w.carol, country::UNITED_STATES),
            bond.update_identity(w.frank, second.address),
            // Erin holds bonds all the while.
            bond.delete_identity(w.erin),
            bond.register(w.erin, erin, country::BELGIUM),
            suite.link_wallet(w.bob, w.bob_second),
            suite.link_wallet(w.bob, w.stranger),
            suite.unlink_wallet(w.bob, w.stranger),
            bond.register(w.bob_second, bob, country::GERMANY),
            bond.transfer(w.bob, w.bob_second, bond.units(20)),
            bond.register(w.stranger, bob, country::GERMANY),
            bond.delete_identity(w.stranger),
        ];
        node.send_all(&calls).await?;
        Ok(())
    }

    pub(super) async fn change_trust(&mut self, node: &Node) -> Result<()> {
        let w = self.wallets;
        let bond = self.bond()?;
        let issuers = self.issuers()?;
        let (kyc, notary) = (issuers.kyc.address, issuers.notary.address);
        let bob = self.identity("bob")?;
        let bobs = claim_about(&issuers.notary, bob.address, topic::KYC, "bob", "known in person");
        let calls = [
            // Nobody is verified between these two.
            bond.add_claim_topic(topic::RESIDENCE),
            bond.remove_claim_topic(topic::RESIDENCE),
            bond.add_trusted_issuer(notary, &[topic::KYC, topic::ACCREDITED]),
            bob.add_claim(&bobs),
            bond.remove_trusted_issuer(kyc),
            // Bob alone is verified now: he can receive.
            bond.transfer(w.alice, w.bob, bond.units(15)),
            bond.update_issuer_topics(notary, &[topic::KYC]),
            bond.add_trusted_issuer(kyc, &[topic::KYC]),
        ];
        node.send_all(&calls).await?;
        Ok(())
    }

    pub(super) async fn change_keys(&mut self, node: &Node) -> Result<()> {
        let old = self.issuers()?.accreditor.clone();
        let new = old.signing_as("accreditor, second key");
        node.send(&old.add_key(new.signer.address(), purpose::CLAIM)).await?;
        for name in ["alice", "bob", "erin"] {
            let identity = *self.identity(name)?;
            let claim = claim_about(&new, identity.address, topic::ACCREDITED, name, "accredited anew");
            node.send(&identity.add_claim(&claim)).await?;
            self.claims.insert((name, claim.topic), claim);
        }
        node.send(&old.remove_key(old.signer.address(), purpose::CLAIM)).await?;
        if let Some(issuers) = &mut self.issuers {
            issuers.accreditor = new;
        }
        Ok(())
    }
}
