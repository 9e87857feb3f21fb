//! The compliance of very many holders: registrations and claims are read once, as they lie, and judged here while the
//! positions come. What `chain.judge` says of one identity is said of all; a test compares the two.

use std::borrow::Cow;
use std::collections::HashMap;

use alloy::hex;
use serde::Deserialize;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::cap_table::{Sums, Totals};
use super::copy::copy;
use super::number::units;
use super::positions::{Account, Positions, account, not_whole, positions};
use crate::store::StoreError;
use crate::store::postgres::failed;

/// The header of the body.
pub const HEADER: &str =
    "wallet,identity,country,verdict,wallet_frozen,balance,balance_base,frozen,frozen_base,reason";
/// Topics are bits below.
const TOPICS_MAX: usize = 62;

/// The rules of the asset's registry at the block, as `chain.compliance_rules` says them.
#[derive(Debug, Deserialize)]
struct Rules {
    chain_id: i64,
    has_registry: bool,
    storage: Option<String>,
    topics: Vec<String>,
    /// Arrays as PostgreSQL writes them: what a claim's issuer and topic, and issuer and key, must be among.
    required: String,
    trusted: String,
    keys: String,
    unknown: String,
    unsettled: bool,
    /// The verdict on every registered wallet, where its claims do not matter.
    decided: Option<String>,
    because: Option<String>,
}

/// What a registry knows of a wallet.
pub(super) struct Registered {
    /// The identity that it belongs to.
    pub(super) identity: Account,
    /// ISO 3166-1 numeric; empty where it is not known.
    pub(super) country: String,
    undetermined: bool,
    behind: bool,
}

/// Of each kind of claim, the topics there are claims about, a bit a topic.
#[derive(Clone, Copy, Default)]
struct Claims {
    valid: u64,
    unknown: u64,
    revoked: u64,
    unsigned: u64,
}

/// Everything that verdicts are made of.
pub(super) struct Registry {
    rules: Rules,
    wallets: HashMap<Account, Registered>,
    claims: HashMap<Account, Claims>,
}

/// Whether an asset has so many holders that [`body`] is the quicker way.
///
/// # Errors
/// The database's.
pub async fn is_large(connection: &mut PgConnection, asset: Uuid) -> Result<bool, StoreError> {
    let sql = "select coalesce((select chain.has_many_holders($1)), false)";
    let asked = sqlx::query_scalar(sql).bind(asset).fetch_one(connection).await;
    asked.map_err(|error| failed("asking how many hold the asset", &error))
}

/// The body of the compliance report of an asset at the end of a block, in the order of wallets, and its sums; none where
/// more topics are required than are judged here.
///
/// # Errors
/// The database's; [`StoreError::Corrupt`] for a position that is no whole number of base units.
pub async fn body(
    connection: &mut PgConnection,
    asset: Uuid,
    block: i64,
    decimals: Option<u32>,
    supply_base: &str,
) -> Result<Option<(String, Totals)>, StoreError> {
    let Some(registry) = Registry::read(connection, asset, block).await? else { return Ok(None) };
    let lines = positions(
        connection,
        asset,
        block,
        Lines {
            registry: &registry,
            decimals,
            sums: Sums::default(),
            body: format!("{HEADER}\n"),
            is_whole: true,
        },
    )
    .await?;
    if !lines.is_whole {
        return Err(not_whole());
    }
    Ok(Some((lines.body, lines.sums.totals(supply_base))))
}

impl Registry {
    /// Reads it as of the end of a block; none where more topics are required than are judged here.
    ///
    /// # Errors
    /// The database's.
    pub(super) async fn read(
        connection: &mut PgConnection,
        asset: Uuid,
        block: i64,
    ) -> Result<Option<Self>, StoreError> {
        let wrong = |error: sqlx::Error| failed("reading who is registered", &error);
        let rules: sqlx::types::Json<Rules> = sqlx::query_scalar(
            "select jsonb_build_object('chain_id', r.chain_id, 'has_registry', r.registry is not null,
                 'storage', encode(r.storage, 'hex'), 'topics', coalesce(to_jsonb(r.required::text[]), '[]'),
                 'required', coalesce(r.required::text, '{}'), 'trusted', coalesce(r.trusted::text, '{}'),
                 'keys', coalesce(r.keys::text, '{}'), 'unknown', coalesce(r.unknown::text, '{}'),
                 'unsettled', coalesce(r.unsettled, false), 'decided', r.decided, 'because', r.because)
             from chain.compliance_rules($1, $2) r",
        )
        .bind(asset)
        .bind(block)
        .fetch_one(&mut *connection)
        .await
        .map_err(wrong)?;
        let sqlx::types::Json(rules) = rules;
        if rules.topics.len() > TOPICS_MAX {
            return Ok(None);
        }
        let mut registry = Self { rules, wallets: HashMap::new(), claims: HashMap::new() };
        registry.read_claims(connection, block).await.map_err(wrong)?;
        registry.read_wallets(connection, block).await.map_err(wrong)?;
        Ok(Some(registry))
    }

    async fn read_claims(&mut self, connection: &mut PgConnection, block: i64) -> Result<(), sqlx::Error> {
        let Rules { chain_id, required, trusted, keys, unknown, decided, storage, .. } = &self.rules;
        if decided.is_some() || storage.is_none() {
            return Ok(());
        }
        let sql = format!(
            "copy (select encode(c.identity, 'hex'), array_position('{required}'::numeric[], c.claim_type),
                 case
                     when x.issuer is not null then 'revoked'
                     when c.issuer = any ('{unknown}'::bytea[]) then 'unknown'
                     when c.issuer || c.signer_key = any ('{keys}'::bytea[]) then 'valid'
                     else 'unsigned'
                 end
             from chain.identity_claims c
             left join chain.claim_revocations x on x.chain_id = c.chain_id and x.issuer = c.issuer
                 and x.signature_hash = c.signature_hash and x.revoked_block <= {block}
             where c.chain_id = {chain_id} and c.from_block <= {block} and (c.to_block is null or c.to_block > {block})
                 and c.id_matches and c.issuer || numeric_send(c.claim_type) = any ('{trusted}'::bytea[])) to stdout"
        );
        let claims = &mut self.claims;
        copy(connection, &sql, |line| {
            let mut fields = line.split('\t');
            let mut field = || fields.next().unwrap_or_default();
            let (identity, topic, state) = (account(field()), field(), field());
            let topic = topic.parse::<u32>().ok().and_then(|n| 1_u64.checked_shl(n.checked_sub(1)?));
            let (Some(identity), Some(topic)) = (identity, topic) else { return };
            let known: &mut Claims = claims.entry(identity).or_default();
            match state {
                "valid" => known.valid |= topic,
                "unknown" => known.unknown |= topic,
                "revoked" => known.revoked |= topic,
                _ => known.unsigned |= topic,
            }
        })
        .await
    }

    async fn read_wallets(&mut self, connection: &mut PgConnection, block: i64) -> Result<(), sqlx::Error> {
        let Some(storage) = &self.rules.storage else { return Ok(()) };
        let chain = self.rules.chain_id;
        let sql = format!(
            "copy (select encode(r.wallet, 'hex'), encode(r.identity, 'hex'), coalesce(r.country::text, ''), r.undetermined,
                 b.address is not null
             from chain.registrations r
             left join chain.contracts_behind({chain}, {block}) b on b.address = r.identity
             where r.chain_id = {chain} and r.storage = decode('{storage}', 'hex') and r.from_block <= {block}
                 and (r.to_block is null or r.to_block > {block}) and r.identity <> chain.zero_address()) to stdout"
        );
        let wallets = &mut self.wallets;
        copy(connection, &sql, |line| {
            let mut fields = line.split('\t');
            let mut field = || fields.next().unwrap_or_default();
            let (wallet, identity, country) = (account(field()), account(field()), field());
            let (undetermined, behind) = (field() == "t", field() == "t");
            if let (Some(wallet), Some(identity)) = (wallet, identity) {
                wallets.insert(
                    wallet,
                    Registered { identity, country: country.to_owned(), undetermined, behind },
                );
            }
        })
        .await
    }

    /// What it knows of a wallet.
    pub(super) fn of(&self, wallet: &Account) -> Option<&Registered> {
        self.wallets.get(wallet)
    }

    /// Verdict and reason of a wallet that is registered or not.
    pub(super) fn judge(&self, registered: Option<&Registered>) -> (&'static str, Cow<'_, str>) {
        let rules = &self.rules;
        let Some(registered) = registered else {
            let (verdict, reason) = match (rules.has_registry, &rules.storage, rules.unsettled) {
                (false, ..) => ("no registry", "the asset has no identity registry"),
                (_, None, _) => ("undetermined", "storage of the registry not known"),
                (.., true) => ("undetermined", "a contract of the registry is catching up"),
                _ => ("not_verified", "not registered"),
            };
            return (verdict, reason.into());
        };
        if let Some(decided) = &rules.decided {
            let verdict = ["verified", "not_verified"].into_iter().find(|verdict| verdict == decided);
            return (verdict.unwrap_or("undetermined"), rules.because.as_deref().unwrap_or_default().into());
        }
        if registered.undetermined {
            return ("undetermined", "undetermined identity".into());
        }
        if registered.behind {
            return ("undetermined", "identity is catching up".into());
        }
        let claims = self.claims.get(&registered.identity).copied().unwrap_or_default();
        let all = (1_u64 << rules.topics.len()) - 1;
        match (claims.valid, claims.valid | claims.unknown) {
            (valid, _) if valid == all => ("verified", "".into()),
            (valid, either) if either == all => ("undetermined", self.missing(claims, valid).into()),
            (_, either) => ("not_verified", self.missing(claims, either).into()),
        }
    }

    /// Why the first topic that is not among some is missing.
    fn missing(&self, claims: Claims, there: u64) -> String {
        let place = (!there).trailing_zeros();
        let bit = 1_u64 << place;
        let why = match () {
            () if claims.unknown & bit != 0 => "issuer's keys not known",
            () if claims.revoked & bit != 0 => "claim revoked",
            () if claims.unsigned & bit != 0 => "claim not signed by a key of its issuer",
            () => "no claim of a trusted issuer",
        };
        let topic = self.rules.topics.get(place as usize).map_or("", String::as_str);
        format!("topic {topic}: {why}")
    }
}

/// The body as it grows.
struct Lines<'a> {
    registry: &'a Registry,
    decimals: Option<u32>,
    sums: Sums,
    body: String,
    is_whole: bool,
}

impl Positions for Lines<'_> {
    fn take(&mut self, wallet: &Account, balance: &str, frozen: &str, wallet_frozen: bool) {
        self.is_whole &= self.sums.add(balance, frozen).is_some();
        let registered = self.registry.of(wallet);
        let (verdict, reason) = self.registry.judge(registered);
        let body = &mut self.body;
        body.push_str(hex::Buffer::<20, true>::new().format(wallet));
        body.push(',');
        if let Some(registered) = registered {
            body.push_str(hex::Buffer::<20, true>::new().format(&registered.identity));
        }
        body.push(',');
        body.push_str(registered.map_or("", |registered| &registered.country));
        body.push(',');
        body.push_str(verdict);
        body.push_str(if wallet_frozen { ",t," } else { ",f," });
        units(body, balance, self.decimals);
        body.push(',');
        body.push_str(balance);
        body.push(',');
        units(body, frozen, self.decimals);
        body.push(',');
        body.push_str(frozen);
        body.push(',');
        body.push_str(&reason);
        body.push('\n');
    }
}
