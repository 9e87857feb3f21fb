//! Agents, compliance, names and registries, and a token of another kind.

use alloy::primitives::U256;

use super::foundation::{claim_about, country};
use super::holdings::expect_failure;
use super::{Play, topic};
use crate::erc20::PlainToken;
use crate::error::Result;
use crate::node::Node;
use crate::suite::setting;
use crate::token::Token;

impl Play {
    pub(super) async fn change_agents(&mut self, node: &Node) -> Result<()> {
        let w = self.wallets;
        let bond = self.bond()?;
        let second = Token { agent: w.second_agent, ..bond.clone() };
        let calls = [
            bond.add_agent(w.second_agent),
            bond.add_registry_agent(w.second_agent),
            second.mint(w.alice, bond.units(40)),
            second.update_country(w.bob_second, country::FRANCE),
            bond.remove_agent(w.second_agent),
            bond.remove_registry_agent(w.second_agent),
        ];
        node.send_all(&calls).await?;
        expect_failure(node, &second.mint(w.alice, bond.units(1))).await
    }

    pub(super) async fn change_compliance(&mut self, node: &Node) -> Result<()> {
        let w = self.wallets;
        let modules = self.suite()?.modules;
        let bond = self.bond()?.clone();
        let calls = [
            bond.call_module(modules.country_allow, setting::disallow_countries(&[country::FRANCE])),
            bond.add_module(modules.country_restrict),
            bond.call_module(
                modules.country_restrict,
                setting::restrict_countries(&[country::UNITED_STATES]),
            ),
            bond.remove_module(modules.country_allow),
        ];
        node.send_all(&calls).await?;
        let compliance = self.suite()?.deploy_compliance(node, w.owner).await?;
        node.send(&bond.set_compliance(compliance)).await?;
        let rebound = Token { compliance, ..bond.clone() };
        let allowed = [country::BELGIUM, country::GERMANY, country::NETHERLANDS];
        let calls = [
            rebound.add_module(modules.country_allow),
            rebound.call_module(modules.country_allow, setting::allow_countries(&allowed)),
            rebound.transfer(w.alice, w.erin, rebound.units(10)),
        ];
        node.send_all(&calls).await?;
        self.contracts.insert("bond's first compliance", bond.compliance);
        self.bond = Some(rebound);
        Ok(())
    }

    pub(super) async fn change_names(&mut self, node: &Node) -> Result<()> {
        let mut bond = self.bond()?.clone();
        bond.name = "Northern Light Bond 2030 – Série B".to_owned();
        bond.symbol = "NLB30".to_owned();
        node.send_all(&[bond.set_name(&bond.name), bond.set_symbol(&bond.symbol)]).await?;
        self.bond = Some(bond);
        Ok(())
    }

    pub(super) async fn change_registries(&mut self, node: &Node) -> Result<()> {
        let w = self.wallets;
        let suite = self.suite()?.clone();
        let issuers = self.issuers()?.clone();
        let old = self.share()?.clone();
        // First the list of issuers alone, under the registry that the share has.
        let trusted_issuers_registry = suite.deploy_trusted_issuers_registry(node, w.owner).await?;
        let mut share = Token { trusted_issuers_registry, ..old.clone() };
        let calls = [
            share.add_trusted_issuer(issuers.kyc.address, &[topic::KYC]),
            share.add_trusted_issuer(issuers.notary.address, &[topic::KYC]),
            share.set_trusted_issuers_registry(trusted_issuers_registry),
        ];
        node.send_all(&calls).await?;
        // Then the registry as a whole, on the same storage.
        let topics = share.claim_topics_registry;
        let registry = suite
            .deploy_identity_registry(node, w.owner, trusted_issuers_registry, topics, share.storage)
            .await?;
        share.identity_registry = registry;
        let calls = [
            suite.recover_storage(share.storage, w.owner),
            suite.bind_identity_registry(w.owner, share.storage, registry),
            share.add_registry_agent(w.agent),
            share.add_registry_agent(share.address),
            share.set_identity_registry(registry),
            suite.unbind_identity_registry(w.owner, share.storage, old.identity_registry),
        ];
        node.send_all(&calls).await?;
        let grace = suite.create_identity(node, w.grace, "grace").await?;
        let claim = claim_about(&issuers.notary, grace.address, topic::KYC, "grace", "known in person");
        let calls = [
            grace.add_claim(&claim),
            share.register(w.grace, grace.address, country::FRANCE),
            share.mint(w.grace, share.units(100)),
            share.transfer(w.bob, w.grace, share.units(50)),
        ];
        node.send_all(&calls).await?;
        self.identities.insert("grace", grace);
        self.contracts.insert("share's first identity registry", old.identity_registry);
        self.contracts.insert("share's first trusted issuers registry", old.trusted_issuers_registry);
        self.share = Some(share);
        Ok(())
    }

    pub(super) async fn plain_token(&mut self, node: &Node) -> Result<()> {
        let w = self.wallets;
        let whole = U256::from(10).pow(U256::from(18));
        let units = |units: u64| U256::from(units) * whole;
        let supply = units(1_000_000);
        let plain = PlainToken::deploy(node, &self.artifacts, w.broker, "Plain Euro", "PEUR", supply).await?;
        let calls = [
            plain.transfer(w.broker, w.alice, units(1_000)),
            plain.transfer(w.broker, w.stranger, units(10)),
            // ERC-20 demands the event for nothing moved too.
            plain.transfer(w.stranger, w.bob, U256::ZERO),
            plain.approve(w.alice, w.broker, units(300)),
            plain.transfer_from(w.broker, w.alice, w.bob, units(200)),
            plain.transfer(w.stranger, w.stranger, units(3)),
            plain.transfer(w.stranger, w.broker, units(10)),
        ];
        node.send_all(&calls).await?;
        self.plain = Some(plain);
        Ok(())
    }
}
