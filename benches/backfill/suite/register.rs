//! What the tables must hold: a fold of the workload that shares nothing with the program's, and the comparison.

use std::collections::{BTreeSet, HashMap, HashSet};

use alloy::primitives::Address;
use sqlx::PgConnection;

use super::draw::Event;
use super::emit::{COUNTRY, UNIT};
use super::{Failed, NOBODY, Suite, TOKEN};
use crate::register::refuse;

/// Numbers of rows.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
struct Counts {
    events: i64,
    identities: i64,
    keys: i64,
    claims: i64,
    registrations: i64,
    /// Those that say where the investor lives.
    countries: i64,
    /// Transactions of the token.
    transactions: i64,
    /// What was more than a plain transfer: mints, and the token's two links.
    operations: i64,
    /// Wallets with a row in the register.
    holders: i64,
    /// Those that the registry finds verified.
    verified: i64,
}

/// See the module.
pub struct Register {
    token: Address,
    counts: Counts,
    balances: HashMap<Address, u128>,
    supply: u128,
}

/// What is known of identities, to find out who is verified.
#[derive(Default)]
struct Known {
    /// Issuers that are trusted, each for its topic.
    trusted: BTreeSet<u8>,
    /// Topics that are required, by issuer.
    required: BTreeSet<u8>,
    /// By identity, whose claims it has.
    claims: HashMap<u32, BTreeSet<u8>>,
    /// Registered identities; an identity's wallet has its number.
    registered: BTreeSet<u32>,
}

impl Known {
    /// For every topic that is required there is a claim by who is trusted for it.
    fn is_verified(&self, wallet: u32) -> bool {
        let Some(claims) = self.claims.get(&wallet).filter(|_| self.registered.contains(&wallet)) else {
            return false;
        };
        self.required.iter().all(|issuer| self.trusted.contains(issuer) && claims.contains(issuer))
    }
}

impl Register {
    /// Folds a chain up to a block.
    pub fn of(suite: &Suite, to: u64) -> Self {
        let (mut counts, mut known) = (Counts::default(), Known::default());
        let (mut held, mut supply): (HashMap<u32, u128>, u128) = (HashMap::new(), 0);
        let (mut identities, mut transactions) = (HashSet::new(), HashSet::new());
        for (place, entry) in suite.logs(1, to) {
            counts.events += 1;
            if entry.event.emitter() == TOKEN {
                transactions.insert((place.number, entry.transaction));
            }
            match entry.event {
                Event::IdentityRegistryAdded | Event::ComplianceAdded => counts.operations += 1,
                Event::ClaimTopicAdded(issuer) => {
                    known.required.insert(issuer);
                }
                Event::TrustedIssuerAdded(issuer) => {
                    known.trusted.insert(issuer);
                }
                Event::TrustedIssuerRemoved(issuer) => {
                    known.trusted.remove(&issuer);
                }
                Event::IssuerKeyAdded(issuer) => {
                    counts.keys += 1;
                    identities.insert(suite.issuer(issuer));
                }
                Event::KeyAdded { .. } => counts.keys += 1,
                Event::ClaimAdded { identity, issuer } => {
                    counts.claims += 1;
                    known.claims.entry(identity).or_default().insert(issuer);
                }
                Event::IdentityRegistered(identity) => {
                    counts.registrations += 1;
                    known.registered.insert(identity);
                    identities.insert(suite.identity(identity));
                }
                Event::Transfer { from, to, amount } => {
                    let units = u128::from(amount) * UNIT;
                    if from == NOBODY {
                        supply += units;
                        counts.operations += 1;
                    } else {
                        *held.entry(from).or_default() -= units;
                    }
                    *held.entry(to).or_default() += units;
                }
                Event::ClaimTopicsRegistrySet
                | Event::TrustedIssuersRegistrySet
                | Event::IdentityStorageSet
                | Event::IdentityStored(_) => {}
            }
        }
        counts.identities = identities.len() as i64;
        counts.countries = counts.registrations;
        counts.transactions = transactions.len() as i64;
        counts.holders = held.len() as i64;
        counts.verified = held.keys().filter(|wallet| known.is_verified(**wallet)).count() as i64;
        let balances = held.into_iter().map(|(wallet, units)| (suite.wallet(wallet), units)).collect();
        Self { token: suite.contract(TOKEN), counts, balances, supply }
    }

    /// How many holders are verified.
    pub fn verified(&self) -> u64 {
        self.counts.verified as u64
    }

    /// How many wallets have a row.
    pub fn holders(&self) -> u64 {
        self.counts.holders as u64
    }

    /// How many logs the program must have found.
    pub fn events(&self) -> u64 {
        self.counts.events as u64
    }

    /// Compares the tables with the fold.
    ///
    /// # Errors
    /// The differences.
    pub async fn compare(&self, connection: &mut PgConnection) -> Result<(), Failed> {
        let mut differences = self.compare_balances(connection).await?;
        let found: Counts =
            sqlx::query_as(COUNTS).bind(i64::from(COUNTRY.to::<u16>())).fetch_one(&mut *connection).await?;
        if found != self.counts {
            differences.push(format!("rows: {found:?} instead of {:?}", self.counts));
        }
        type Token = (Vec<u8>, String, i64);
        let tokens: Vec<Token> = sqlx::query_as(
            "select contract_address::bytea, total_supply::text, holder_count from chain.assets",
        )
        .fetch_all(connection)
        .await?;
        let holders = self.balances.values().filter(|units| **units != 0).count() as i64;
        let wanted = (self.token.to_vec(), self.supply.to_string(), holders);
        if tokens != [wanted.clone()] {
            differences.push(format!("assets: {tokens:?} instead of {wanted:?} alone"));
        }
        Ok(refuse(differences)?)
    }

    async fn compare_balances(&self, connection: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
        let rows: Vec<(Vec<u8>, String)> =
            sqlx::query_as("select holder::bytea, balance::text from chain.asset_holders")
                .fetch_all(connection)
                .await?;
        let mut missing = self.balances.clone();
        let mut differences = Vec::new();
        for (holder, balance) in rows {
            let holder = Address::from_slice(&holder);
            let wanted = missing.remove(&holder).map(|units| units.to_string());
            if wanted.as_ref() != Some(&balance) {
                differences.push(format!("{holder} has {balance} instead of {wanted:?}"));
            }
        }
        differences.extend(missing.iter().map(|(holder, units)| format!("{holder} has no row of {units}")));
        Ok(differences)
    }
}

/// See [`Counts`]. Versions of claims, keys and registrations are rows; each of the workload's has one.
const COUNTS: &str = "
    select (select count(*) from chain.asset_events where unreadable is null) as events,
        (select count(*) from chain.identities) as identities,
        (select count(*) from chain.identity_keys) as keys,
        (select count(*) from chain.identity_claims where to_block is null) as claims,
        (select count(*) from chain.registrations where to_block is null and not undetermined) as registrations,
        (select count(*) from chain.registrations where country = $1) as countries,
        (select count(*) from chain.asset_transactions) as transactions,
        (select count(*) from chain.asset_operations) as operations,
        h.holders, h.verified
    from (select count(*) as holders, count(*) filter (where verified) as verified from api.asset_holders) h";
