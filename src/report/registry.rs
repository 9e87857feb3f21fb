//! Who is registered and what is claimed of whom, for verdicts on very many holders: registrations and claims are read once,
//! as they lie, instead of once a holder.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use alloy::hex;
use foldhash::fast::RandomState;
use futures_util::FutureExt;
use serde::Deserialize;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::copy::{bigint, boolean, copy};
use super::positions::{Account, MIDDLE};
use super::readers::Readers;
use crate::store::StoreError;
use crate::store::postgres::failed;

/// Topics are bits below.
const TOPICS_MAX: usize = 62;

/// The rules of the asset's registry at the block, as `chain.compliance_rules` says them.
#[derive(Debug, Deserialize)]
struct Rules {
    chain_id: i64,
    has_registry: bool,
    /// Whether the asset's registry is only not known: it was named before the asset is followed.
    is_untold: bool,
    storage: Option<String>,
    topics: Vec<String>,
    /// Arrays as PostgreSQL writes them: what a claim's issuer and topic, and issuer and key, must be among.
    required: String,
    trusted: String,
    keys: String,
    unknown: String,
    unsettled: bool,
    /// Whether something of before a contract is followed could decide (`partial` in the configuration).
    is_part: bool,
    /// The verdict on every registered wallet, where its claims do not matter.
    decided: Option<String>,
    because: Option<String>,
}

/// What a registry knows of a wallet.
pub(super) struct Registered {
    /// The identity that it belongs to.
    pub(super) identity: Account,
    /// ISO 3166-1 numeric; none where it is not known.
    pub(super) country: Option<i64>,
    /// Whether the logs leave open whose the wallet is now.
    pub(super) undetermined: bool,
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

/// Everything that verdicts are made of; who is who in two halves, which are read at once.
pub(super) struct Registry {
    rules: Arc<Rules>,
    lower: Known,
    upper: Known,
}

/// Wallets and identities of a half of all addresses.
#[derive(Default)]
struct Known {
    wallets: HashMap<Account, Registered, RandomState>,
    claims: HashMap<Account, Claims, RandomState>,
}

/// A verdict, and what it is made of; displayed as its reason.
#[derive(Clone, Copy)]
pub(super) enum Judgement<'a> {
    /// Without a look at claims.
    Told(&'static str, &'a str),
    /// All that is required is there.
    Verified,
    /// The first topic that is not there, and why.
    Missing {
        /// What the lack of it makes.
        verdict: &'static str,
        /// In base 10.
        topic: &'a str,
        /// Why it is not there.
        why: &'static str,
    },
}

impl Judgement<'_> {
    /// In the words of `chain.judge`.
    pub(super) fn verdict(&self) -> &'static str {
        match self {
            Self::Told(verdict, _) | Self::Missing { verdict, .. } => verdict,
            Self::Verified => "verified",
        }
    }
}

impl fmt::Display for Judgement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Told(_, why) => f.write_str(why),
            Self::Verified => Ok(()),
            Self::Missing { topic, why, .. } => write!(f, "topic {topic}: {why}"),
        }
    }
}

impl Registry {
    /// Reads it as of the end of a block; none where more topics are required than are judged here, or where what was logged
    /// before a contract is followed could decide: then the database judges.
    ///
    /// # Errors
    /// The database's.
    pub(super) async fn read(
        readers: &mut Readers<'_>,
        asset: Uuid,
        block: i64,
    ) -> Result<Option<Self>, StoreError> {
        let rules: sqlx::types::Json<Rules> = sqlx::query_scalar(
            "select jsonb_build_object('chain_id', r.chain_id, 'has_registry', r.registry is not null,
                 'is_untold', r.registry is null and exists (select from chain.assets a
                     where a.id = $1 and a.asset_type = 'erc3643' and a.complete_from is not null),
                 'storage', encode(r.storage, 'hex'), 'topics', coalesce(to_jsonb(array_remove(r.required, null)::text[]), '[]'),
                 'required', coalesce(array_remove(r.required, null)::text, '{}'), 'trusted', coalesce(r.trusted::text, '{}'),
                 'keys', coalesce(r.keys::text, '{}'), 'unknown', coalesce(r.unknown::text, '{}'),
                 'unsettled', coalesce(r.unsettled, false), 'decided', r.decided, 'because', r.because,
                 'is_part', array_position(r.required, null) is not null or array_position(r.trusted, null) is not null
                     or exists (select from chain.configured_contracts f where f.chain_id = r.chain_id
                         and f.opening_block is not null and (f.address = r.storage or f.role = 'identity')))
             from chain.compliance_rules($1, $2) r",
        )
        .bind(asset)
        .bind(block)
        .fetch_one(readers.first())
        .await
        .map_err(wrong)?;
        let sqlx::types::Json(rules) = rules;
        if rules.is_part || rules.topics.len() > TOPICS_MAX {
            return Ok(None);
        }
        let rules = Arc::new(rules);
        let (for_lower, for_upper) = (Arc::clone(&rules), Arc::clone(&rules));
        let (lower, upper) = readers
            .both(
                |connection| Known::read(connection, for_lower, block, "<").boxed(),
                move |connection| Known::read(connection, for_upper, block, ">=").boxed(),
            )
            .await?;
        Ok(Some(Self { rules, lower, upper }))
    }

    fn half(&self, account: &Account) -> &Known {
        if *account < MIDDLE { &self.lower } else { &self.upper }
    }

    /// How many wallets are registered.
    pub(super) fn wallets(&self) -> usize {
        self.lower.wallets.len() + self.upper.wallets.len()
    }

    /// What it knows of a wallet.
    pub(super) fn of(&self, wallet: &Account) -> Option<&Registered> {
        self.half(wallet).wallets.get(wallet)
    }

    /// The judgement on a wallet that is registered or not.
    pub(super) fn judge(&self, registered: Option<&Registered>) -> Judgement<'_> {
        let rules = &*self.rules;
        let Some(registered) = registered else {
            return match (rules.has_registry, &rules.storage, rules.unsettled) {
                (false, ..) if rules.is_untold => {
                    Judgement::Told("undetermined", "identity registry of the asset not known")
                }
                (false, ..) => Judgement::Told("no registry", "the asset has no identity registry"),
                (_, None, _) => Judgement::Told("undetermined", "storage of the registry not known"),
                (.., true) => Judgement::Told("undetermined", "a contract of the registry is catching up"),
                _ => Judgement::Told("not_verified", "not registered"),
            };
        };
        if let Some(decided) = &rules.decided {
            let verdict = ["verified", "not_verified"].into_iter().find(|verdict| verdict == decided);
            let because = rules.because.as_deref().unwrap_or_default();
            return Judgement::Told(verdict.unwrap_or("undetermined"), because);
        }
        if registered.undetermined {
            return Judgement::Told("undetermined", "undetermined identity");
        }
        if registered.behind {
            return Judgement::Told("undetermined", "identity is catching up");
        }
        let identity = &registered.identity;
        let claims = self.half(identity).claims.get(identity).copied().unwrap_or_default();
        let all = (1_u64 << rules.topics.len()) - 1;
        match (claims.valid, claims.valid | claims.unknown) {
            (valid, _) if valid == all => Judgement::Verified,
            (valid, either) if either == all => self.missing("undetermined", claims, valid),
            (_, either) => self.missing("not_verified", claims, either),
        }
    }

    /// Why the first topic that is not among some is missing.
    fn missing(&self, verdict: &'static str, claims: Claims, there: u64) -> Judgement<'_> {
        let place = (!there).trailing_zeros();
        let bit = 1_u64 << place;
        let why = match () {
            () if claims.unknown & bit != 0 => "issuer's keys not known",
            () if claims.revoked & bit != 0 => "claim revoked",
            () if claims.unsigned & bit != 0 => "claim not signed by a key of its issuer",
            () => "no claim of a trusted issuer",
        };
        let topic = self.rules.topics.get(place as usize).map_or("", String::as_str);
        Judgement::Missing { verdict, topic, why }
    }
}

impl Known {
    /// Those below the middle of all addresses, or from it on, as `side` (an operator) says.
    async fn read(
        connection: &mut PgConnection,
        rules: Arc<Rules>,
        block: i64,
        side: &'static str,
    ) -> Result<Self, StoreError> {
        let mut known = Self::default();
        let Some(storage) = &rules.storage else { return Ok(known) };
        let side = format!("{side} '\\x{}'::bytea", hex::encode(MIDDLE));
        if rules.decided.is_none() {
            known.read_claims(connection, &rules, block, &side).await.map_err(wrong)?;
        }
        known.read_wallets(connection, (rules.chain_id, storage), block, &side).await.map_err(wrong)?;
        Ok(known)
    }

    async fn read_claims(
        &mut self,
        connection: &mut PgConnection,
        rules: &Rules,
        block: i64,
        side: &str,
    ) -> Result<(), sqlx::Error> {
        let Rules { chain_id, required, trusted, keys, unknown, .. } = rules;
        // Pairs of an issuer and a topic, and of an issuer and a key, are taken apart once, not put together for every claim.
        let sql = format!(
            "copy (select c.identity, t.place,
                 case
                     when x.issuer is not null then 'revoked'
                     when c.issuer = any ('{unknown}'::bytea[]) then 'unknown'
                     when k.key is not null then 'valid'
                     else 'unsigned'
                 end
             from chain.identity_claims c
             join (
                 select distinct substr(p.pair, 1, 20) as issuer, r.topic, r.place
                 from unnest('{required}'::numeric[]) with ordinality r (topic, place)
                 join unnest('{trusted}'::bytea[]) p (pair) on substr(p.pair, 21) = numeric_send(r.topic)
             ) t on t.issuer = c.issuer and t.topic = c.claim_type
             left join (
                 select distinct substr(p.pair, 1, 20) as issuer, substr(p.pair, 21) as key
                 from unnest('{keys}'::bytea[]) p (pair)
             ) k on k.issuer = c.issuer and k.key = c.signer_key
             left join chain.claim_revocations x on x.chain_id = c.chain_id and x.issuer = c.issuer
                 and x.signature_hash = c.signature_hash and x.revoked_block <= {block}
             where c.chain_id = {chain_id} and c.from_block <= {block} and (c.to_block is null or c.to_block > {block})
                 and c.identity {side} and c.id_matches) to stdout with (format binary)"
        );
        copy(connection, &sql, |[identity, topic, state]| {
            let topic = 1_u64.checked_shl(u32::try_from(bigint(topic)?).ok()?.checked_sub(1)?)?;
            let known: &mut Claims = self.claims.entry(identity.try_into().ok()?).or_default();
            match state {
                b"valid" => known.valid |= topic,
                b"unknown" => known.unknown |= topic,
                b"revoked" => known.revoked |= topic,
                _ => known.unsigned |= topic,
            }
            Some(())
        })
        .await
    }

    async fn read_wallets(
        &mut self,
        connection: &mut PgConnection,
        (chain, storage): (i64, &str),
        block: i64,
        side: &str,
    ) -> Result<(), sqlx::Error> {
        let sql = format!(
            "copy (select r.wallet, r.identity, r.country::bigint, r.undetermined, b.address is not null
             from chain.registrations r
             left join chain.contracts_behind({chain}, {block}) b on b.address = r.identity
             where r.chain_id = {chain} and r.storage = decode('{storage}', 'hex') and r.wallet {side}
                 and r.from_block <= {block} and (r.to_block is null or r.to_block > {block})
                 and r.identity <> chain.zero_address()) to stdout with (format binary)"
        );
        copy(connection, &sql, |[wallet, identity, country, undetermined, behind]| {
            let registered = Registered {
                identity: identity.try_into().ok()?,
                country: if country.is_empty() { None } else { Some(bigint(country)?) },
                undetermined: boolean(undetermined),
                behind: boolean(behind),
            };
            self.wallets.insert(wallet.try_into().ok()?, registered);
            Some(())
        })
        .await
    }
}

fn wrong(error: sqlx::Error) -> StoreError {
    failed("reading who is registered", &error)
}
