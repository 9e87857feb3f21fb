//! What moves or freezes balances. The bond's balances after each step, in whole units:
//!
//! | step | alice | bob | bob's second | carol | dave | dave's new | erin | supply |
//! |---|---|---|---|---|---|---|---|---|
//! | mint | 1000 | 500 | | 300 | 200 | | 100 | 2100 |
//! | transfers | 850 | 555 | | 365 | 200 | | 130 | 2100 |
//! | forced transfers | 1200 | 205 | | 300 | 200 | | 195 | 2100 |
//! | recovery | 1200 | 205 | | 300 | 0 | 200 | 195 | 2100 |
//! | burn | 1100 | 200 | | 300 | 0 | 200 | 100 | 1900 |
//! | pause | 1075 | 200 | | 325 | 0 | 200 | 100 | 1900 |
//! | registrations | 1075 | 180 | 20 | 325 | 0 | 200 | 100 | 1900 |
//! | trust | 1060 | 195 | 20 | 325 | 0 | 200 | 100 | 1900 |
//! | agents | 1100 | 195 | 20 | 325 | 0 | 200 | 100 | 1940 |
//! | compliance | 1090 | 195 | 20 | 325 | 0 | 200 | 110 | 1940 |
//!
//! Frozen at the end: 55 of bob's, 80 of dave's new wallet, 100 of erin's; as wholes the wallets of carol, dave, dave's
//! new one and frank.

use super::Play;
use crate::error::{Error, Result};
use crate::identity::purpose;
use crate::node::{Call, Node};

/// Sends a transaction that the contract must refuse: it is in a block, and logs nothing.
pub(super) async fn expect_failure(node: &Node, call: &Call) -> Result<()> {
    if node.attempt(call).await?.status() {
        return Err(Error::Unknown(format!("{} went through and should not have", call.what)));
    }
    Ok(())
}

impl Play {
    pub(super) async fn mint(&mut self, node: &Node) -> Result<()> {
        let w = self.wallets;
        let bond = self.bond()?;
        let batch = [(w.bob, bond.units(500)), (w.carol, bond.units(300)), (w.dave, bond.units(200))];
        let calls = [
            bond.unpause(),
            bond.mint(w.alice, bond.units(1_000)),
            bond.batch_mint(&batch),
            bond.mint(w.erin, bond.units(100)),
        ];
        node.send_all(&calls).await?;
        Ok(())
    }

    pub(super) async fn transfers(&mut self, node: &Node) -> Result<()> {
        let w = self.wallets;
        let bond = self.bond()?;
        let batch = [(w.bob, bond.units(10)), (w.carol, bond.units(20)), (w.erin, bond.units(30))];
        let calls = [
            bond.transfer(w.alice, w.bob, bond.units(100)),
            bond.approve(w.bob, w.broker, bond.units(150)),
            bond.transfer_from(w.broker, w.bob, w.carol, bond.units(50)),
            bond.batch_transfer(w.alice, &batch),
            bond.transfer(w.alice, w.alice, bond.units(7)),
        ];
        node.send_all(&calls).await?;
        let one_block = [
            bond.transfer(w.bob, w.erin, bond.units(5)),
            bond.transfer(w.carol, w.erin, bond.units(5)),
            bond.transfer(w.erin, w.alice, bond.units(10)),
        ];
        node.send_in_one_block(&one_block).await?;
        expect_failure(node, &bond.transfer(w.alice, w.stranger, bond.units(1))).await
    }

    pub(super) async fn freezes(&mut self, node: &Node) -> Result<()> {
        let w = self.wallets;
        let bond = self.bond()?;
        let share = self.share()?;
        let calls = [
            bond.set_frozen(w.carol, true),
            bond.batch_freeze(&[(w.bob, bond.units(200)), (w.dave, bond.units(80))]),
            bond.unfreeze(w.bob, bond.units(50)),
            // Frank holds nothing: a freeze can come before the first balance.
            bond.batch_set_frozen(&[(w.dave, true), (w.frank, true), (w.erin, true)]),
            bond.set_frozen(w.erin, false),
            share.freeze(w.bob, share.units(100)),
        ];
        node.send_all(&calls).await?;
        expect_failure(node, &bond.transfer(w.carol, w.bob, bond.units(1))).await
    }

    pub(super) async fn forced_transfers(&mut self, node: &Node) -> Result<()> {
        let w = self.wallets;
        let bond = self.bond()?;
        let batch = [(w.carol, w.erin, bond.units(65)), (w.alice, w.bob, bond.units(150))];
        let calls = [
            // Bob has 405 free: 95 of the frozen 150 are freed first.
            bond.forced_transfer(w.bob, w.alice, bond.units(500)),
            bond.batch_forced_transfer(&batch),
        ];
        node.send_all(&calls).await?;
        Ok(())
    }

    pub(super) async fn recovery(&mut self, node: &Node) -> Result<()> {
        let w = self.wallets;
        let bond = self.bond()?;
        let identity = self.identity("dave")?;
        let calls = [
            identity.add_key(w.dave_new, purpose::MANAGEMENT),
            bond.recover(w.dave, w.dave_new, identity.address),
        ];
        node.send_all(&calls).await?;
        Ok(())
    }

    pub(super) async fn burn(&mut self, node: &Node) -> Result<()> {
        let w = self.wallets;
        let bond = self.bond()?;
        let calls = [
            bond.burn(w.erin, bond.units(45)),
            bond.freeze(w.erin, bond.units(120)),
            // Erin has 30 free: 20 of the frozen 120 are freed first.
            bond.burn(w.erin, bond.units(50)),
            bond.batch_burn(&[(w.alice, bond.units(100)), (w.bob, bond.units(5))]),
        ];
        node.send_all(&calls).await?;
        Ok(())
    }

    pub(super) async fn pause(&mut self, node: &Node) -> Result<()> {
        let w = self.wallets;
        let bond = self.bond()?;
        node.send(&bond.pause()).await?;
        expect_failure(node, &bond.transfer(w.alice, w.bob, bond.units(1))).await?;
        node.send(&bond.forced_transfer(w.alice, w.carol, bond.units(25))).await?;
        node.send(&bond.unpause()).await?;
        Ok(())
    }
}
