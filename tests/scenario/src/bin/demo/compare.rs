//! The register against the chain: every value that a view shows, asked of the contracts at the same block.

use std::fmt::{Debug, Display};

use alloy::primitives::{Address, B256, Bytes, U256};
use scenario::abi::{IErc20, IToken};
use scenario::play::topic;
use scenario::{Node, Played, truth};

use crate::Result;
use crate::names::{self, hex};
use crate::register::{Asset, Register};

/// What was compared, by kind.
#[derive(Default)]
pub(crate) struct Tally {
    kinds: Vec<(&'static str, usize, usize)>,
    /// What was not equal, in words.
    pub(crate) differences: Vec<String>,
}

impl Tally {
    /// Compares one value.
    fn check<T: PartialEq + Debug>(
        &mut self,
        kind: &'static str,
        place: impl Display,
        register: &T,
        chain: &T,
    ) {
        let known = self.kinds.iter().position(|known| known.0 == kind);
        let row = known.unwrap_or_else(|| {
            self.kinds.push((kind, 0, 0));
            self.kinds.len() - 1
        });
        self.kinds[row].1 += 1;
        if register != chain {
            self.kinds[row].2 += 1;
            self.differences
                .push(format!("{kind}, {place}: the register says {register:?}, the chain {chain:?}"));
        }
    }

    /// The kinds with how many values were compared and how many differ.
    pub(crate) fn kinds(&self) -> &[(&'static str, usize, usize)] {
        &self.kinds
    }

    /// How many values were compared.
    pub(crate) fn total(&self) -> usize {
        self.kinds.iter().map(|kind| kind.1).sum()
    }
}

/// Compares balances, freezes and, where the token has an identity registry, registrations and verdicts.
pub(crate) async fn positions(
    register: &mut Register,
    node: &Node,
    at: B256,
    asset: &Asset,
    wallets: &[(Address, &'static str)],
    tally: &mut Tally,
) -> Result<()> {
    let token: Address = asset.contract_address.parse()?;
    let registry: Option<Address> = asset.identity_registry.as_deref().map(str::parse).transpose()?;
    let addresses: Vec<Address> = wallets.iter().map(|(address, _)| *address).collect();
    let positions = register.positions(asset.id, &addresses).await?;
    if positions.len() != wallets.len() {
        return Err(format!("{} positions of {} wallets", positions.len(), wallets.len()).into());
    }
    for (position, (wallet, name)) in positions.iter().zip(wallets) {
        let place = format!("{name} ({}) in {}", position.wallet, asset.symbol);
        let Some(registry) = registry else {
            let balance = truth::balance(node, at, token, *wallet).await?;
            tally.check("balances", &place, &position.balance, &balance.to_string());
            continue;
        };
        let holder = truth::holder(node, at, token, *wallet).await?;
        tally.check("balances", &place, &position.balance, &holder.balance.to_string());
        tally.check("frozen amounts", &place, &position.frozen, &holder.frozen_tokens.to_string());
        tally.check("frozen wallets", &place, &position.wallet_frozen, &holder.frozen);
        let registration = truth::registration(node, at, registry, *wallet).await?;
        tally.check("verified", &place, &position.verified, &registration.verified);
        tally.check("identities", &place, &position.identity, &registration.identity.map(hex));
        tally.check("countries", &place, &position.country, &i64::from(registration.country));
    }
    Ok(())
}

/// Compares all that the story left behind.
pub(crate) async fn everything(
    register: &mut Register,
    node: &Node,
    at: B256,
    played: &Played,
) -> Result<Tally> {
    let mut tally = Tally::default();
    let wallets = names::people(&played.wallets);
    for asset in register.assets().await? {
        positions(register, node, at, &asset, &wallets, &mut tally).await?;
        token(node, at, &asset, &mut tally).await?;
    }
    claims(register, node, at, played, &mut tally).await?;
    for token in played.tokens() {
        let chain = truth::trusted_issuers(node, at, token.trusted_issuers_registry).await?;
        let chain = chain.into_iter().map(|(issuer, topics)| {
            (hex(issuer), topics.iter().map(U256::to_string).collect::<Vec<String>>())
        });
        let tables = register.trusted_issuers(token.trusted_issuers_registry).await?;
        tally.check("trusted issuers", &token.symbol, &tables, &chain.collect());
    }
    Ok(tally)
}

async fn token(node: &Node, at: B256, asset: &Asset, tally: &mut Tally) -> Result<()> {
    let address: Address = asset.contract_address.parse()?;
    let of = |what: &str| format!("{what} of {}", asset.symbol);
    let supply = truth::total_supply(node, at, address).await?.to_string();
    tally.check("token facts", of("supply"), &asset.supply_base, &supply);
    let name = node.call_at(at, address, &IErc20::nameCall {}).await?;
    tally.check("token facts", of("name"), &asset.name, &name);
    let symbol = node.call_at(at, address, &IErc20::symbolCall {}).await?;
    tally.check("token facts", of("symbol"), &asset.symbol, &symbol);
    let decimals = node.call_at(at, address, &IErc20::decimalsCall {}).await?;
    tally.check("token facts", of("decimals"), &asset.decimals, &i64::from(decimals));
    if asset.identity_registry.is_none() {
        return Ok(());
    }
    let chain = truth::token(node, at, address).await?;
    let paused = node.call_at(at, address, &IToken::pausedCall {}).await?;
    tally.check("token facts", of("pause"), &asset.paused, &paused);
    let links = [
        ("identity registry", &asset.identity_registry, chain.identity_registry),
        ("compliance", &asset.compliance, chain.compliance),
        ("identity", &asset.onchain_id, chain.onchain_id),
    ];
    for (what, register, chain) in links {
        tally.check("token facts", of(what), register, &Some(hex(chain)));
    }
    Ok(())
}

/// What a claim is, and what its issuer says of it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Standing {
    id: String,
    data: String,
    is_revoked: bool,
    is_valid: bool,
}

async fn claims(
    register: &mut Register,
    node: &Node,
    at: B256,
    played: &Played,
    tally: &mut Tally,
) -> Result<()> {
    let rows = register.claims().await?;
    for (name, identity) in &played.identities {
        let own = hex(identity.address);
        let current = |status: &str| !matches!(status, "changed" | "removed");
        let mut register: Vec<Standing> = rows
            .iter()
            .filter(|claim| claim.identity == own && current(&claim.status))
            .map(|claim| Standing {
                id: claim.claim_id.clone(),
                data: claim.claim_data.clone(),
                is_revoked: claim.status == "revoked",
                is_valid: claim.status == "valid" && claim.signed_by_issuer == Some(true),
            })
            .collect();
        let chain = truth::claims(node, at, identity.address, &topic::ALL).await?;
        let mut chain: Vec<Standing> = chain
            .into_iter()
            .map(|(id, claim)| Standing {
                id: id.to_string(),
                data: bytes(&claim.data),
                // An issuer that is no claim issuer knows no revocation, and vouches for nothing.
                is_revoked: claim.revoked == Some(true),
                is_valid: claim.valid == Some(true),
            })
            .collect();
        register.sort();
        chain.sort();
        tally.check("claims", format!("how many {name} has"), &register.len(), &chain.len());
        for (register, chain) in register.iter().zip(&chain) {
            tally.check("claims", format!("{name}'s {}", chain.id), register, chain);
        }
    }
    Ok(())
}

fn bytes(data: &Bytes) -> String {
    data.to_string()
}
