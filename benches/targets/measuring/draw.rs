//! Whom and what the questions are about: drawn from pools by a generator of our own, the same in every run.

#[path = "../../drawing/splitmix.rs"]
mod splitmix;

use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use sqlx::{AssertSqlSafe, PgConnection};

use self::splitmix::SplitMix;
use super::{CHAIN, Failed, Shape};

/// Entries of a pool.
const POOL: u64 = 1_000;
/// One draw of an asset in so many is the one with many holders.
const LARGE_EVERY: u64 = 20;
/// Days of the load.
const DAYS: i64 = 1_825;

/// A user of the tenant that the questions are asked for.
#[derive(Debug, sqlx::FromRow)]
pub struct Person {
    /// `app.users.id`.
    pub id: String,
    /// E-mail address.
    pub email: String,
    /// Digest of the token of a session.
    pub token: String,
}

/// An asset that the tenant deals with.
#[derive(Debug, sqlx::FromRow)]
pub struct Asset {
    /// `api.assets.id`.
    pub id: String,
    /// The contract.
    pub contract: String,
}

/// A wallet and its identity.
#[derive(Debug, sqlx::FromRow)]
pub struct Wallet {
    /// The wallet.
    pub wallet: String,
    /// The identity's contract.
    pub identity: String,
}

/// See the module.
#[derive(Debug)]
pub struct Pools {
    /// How large the load is.
    pub shape: Shape,
    people: Vec<Person>,
    assets: Vec<Asset>,
    wallets: Vec<Wallet>,
    written: AtomicU64,
}

impl Pools {
    /// Computes the pools of a load.
    ///
    /// # Errors
    /// The database's.
    pub async fn of(connection: &mut PgConnection, shape: Shape) -> Result<Self, Failed> {
        // The tenant asked for has every fourth user and asset.
        let (users, assets, holders) = (shape.users / 4, shape.assets / 4, shape.holders);
        let people = format!(
            "select md5('user' || n)::uuid::text as id, 'User' || n || '@example.org' as email,
                 encode(sha256(('session' || n || '/0')::bytea), 'hex') as token
             from generate_series(1, {POOL}) k, lateral (select 4 * (k * 7919 % {users}) as n) x"
        );
        let of_assets = format!(
            "select md5('asset' || n)::uuid::text as id, api.hex(substr(sha256(('asset' || n)::bytea), 1, 20)) as contract
             from generate_series(1, {POOL}) k, lateral (select 4 * (1 + k * 7919 % ({assets} - 1)) as n) x"
        );
        let wallets = format!(
            "select api.hex(substr(sha256(('holder' || n)::bytea), 1, 20)) as wallet,
                 api.hex(substr(sha256(('identity' || n)::bytea), 1, 20)) as identity
             from generate_series(1, {POOL}) k, lateral (select k * 7919 % {holders} as n) x"
        );
        // What an earlier measurement wrote stays.
        let written: i64 = sqlx::query_scalar(
            "select coalesce(max(log_index) - $2 + 1, 0) from chain.asset_events
             where chain_id = 1 and block_number = $1 and log_index >= $2",
        )
        .bind(shape.blocks().cast_signed())
        .bind(super::statements::WRITTEN_FROM)
        .fetch_one(&mut *connection)
        .await?;
        Ok(Self {
            shape,
            people: sqlx::query_as(AssertSqlSafe(people)).fetch_all(&mut *connection).await?,
            assets: sqlx::query_as(AssertSqlSafe(of_assets)).fetch_all(&mut *connection).await?,
            wallets: sqlx::query_as(AssertSqlSafe(wallets)).fetch_all(&mut *connection).await?,
            written: AtomicU64::new(written.cast_unsigned()),
        })
    }

    /// The id of the asset with many holders.
    pub fn large(&self) -> String {
        asset_indexer::id::asset_id(CHAIN, super::shape::TOKEN).to_string()
    }

    /// A number that no other write of this run has.
    pub fn next(&self) -> u64 {
        self.written.fetch_add(1, Ordering::Relaxed)
    }
}

/// Draws of one client.
#[derive(Debug)]
pub struct Draw<'a> {
    /// What is drawn from.
    pub pools: &'a Pools,
    random: SplitMix,
}

impl<'a> Draw<'a> {
    /// Draws from pools; each client has others.
    pub fn new(pools: &'a Pools, client: u64) -> Self {
        Self { pools, random: SplitMix(0x5eed ^ (client << 32)) }
    }

    /// A number below a bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.random.below(bound)
    }

    /// A user.
    pub fn person(&mut self) -> &'a Person {
        let at = self.below(POOL);
        &self.pools.people[at as usize]
    }

    /// An asset that is not the one with many holders.
    pub fn ordinary(&mut self) -> &'a Asset {
        let at = self.below(POOL);
        &self.pools.assets[at as usize]
    }

    /// The id of any asset.
    pub fn asset(&mut self) -> String {
        match self.below(LARGE_EVERY) {
            0 => self.pools.large(),
            _ => self.ordinary().id.clone(),
        }
    }

    /// A wallet with its identity.
    pub fn wallet(&mut self) -> &'a Wallet {
        let at = self.below(POOL);
        &self.pools.wallets[at as usize]
    }

    /// A block of the chain.
    pub fn block(&mut self) -> u64 {
        1 + self.below(self.pools.shape.blocks())
    }

    /// A stretch of so many days of the chain's, as two times.
    pub fn days_of_chain(&mut self, length: i64) -> [String; 2] {
        let epoch = Utc.with_ymd_and_hms(2021, 11, 1, 0, 0, 0).single().unwrap_or_default();
        self.days_since(epoch, length)
    }

    /// A stretch of so many days of the five years that end now.
    pub fn days(&mut self, length: i64) -> [String; 2] {
        self.days_since(Utc::now() - TimeDelta::days(DAYS), length)
    }

    fn days_since(&mut self, epoch: DateTime<Utc>, length: i64) -> [String; 2] {
        let first = self.below((DAYS - length).cast_unsigned()).cast_signed();
        [first, first + length].map(|day| (epoch + TimeDelta::days(day)).to_rfc3339())
    }

    /// Ciphertext as an application writes it, in the form that the tables demand.
    pub fn ciphertext(&mut self) -> String {
        let words: Vec<String> = (0..6).map(|_| format!("{:016x}", self.random.next())).collect();
        format!("v1.{}", words.concat())
    }
}
