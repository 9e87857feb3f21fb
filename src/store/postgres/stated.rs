//! What the tables say of assets and wallets, in the form in which contracts are asked; and what came of asking.

use std::collections::BTreeSet;

use alloy::primitives::{Address, B256};
use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};
use uuid::Uuid;

use super::{int, rollback};
use crate::amount::Amount;
use crate::reconcile::{
    Drift, Found, Position, Probe, Registered, Sample, Stated, Subject, Supply, What, chosen, draw,
};

/// Balances that changed lately, to find out whether a node tells blocks apart.
const PROBES: i64 = 5;

fn account(row: &PgRow, place: usize) -> Result<Address, sqlx::Error> {
    let bytes: Vec<u8> = row.try_get(place)?;
    Address::try_from(bytes.as_slice()).map_err(|error| sqlx::Error::Decode(error.into()))
}

fn amount(row: &PgRow, place: usize) -> Result<Amount, sqlx::Error> {
    let text: String = row.try_get(place)?;
    text.parse().map_err(|error: crate::amount::AmountError| sqlx::Error::Decode(error.into()))
}

/// `complete_from is not null, negative_balance, exceeds_uint256, unreadable_logs > 0`, from this place on.
fn flags(row: &PgRow, place: usize) -> Result<Vec<&'static str>, sqlx::Error> {
    let mut flags = Vec::new();
    for (at, flag) in
        ["complete_from", "negative_balance", "exceeds_uint256", "unreadable_logs"].into_iter().enumerate()
    {
        if row.try_get::<bool, _>(place + at)? {
            flags.push(flag);
        }
    }
    Ok(flags)
}

/// Supplies of these assets, or of all.
///
/// # Errors
/// The driver's.
pub async fn read_supplies(
    connection: &mut PgConnection,
    chain_id: u64,
    assets: Option<&[Uuid]>,
) -> Result<Vec<Supply>, sqlx::Error> {
    let rows = sqlx::query(
        "select id, contract_address::bytea, total_supply::text,
             complete_from is not null, negative_balance, exceeds_uint256, unreadable_logs > 0
         from chain.assets where chain_id = $1 and ($2::uuid[] is null or id = any($2)) order by id",
    )
    .bind(int(chain_id))
    .bind(assets)
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Supply {
                asset_id: row.try_get(0)?,
                token: account(row, 1)?,
                total_supply: amount(row, 2)?,
                flags: flags(row, 3)?,
            })
        })
        .collect()
}

/// Positions of wallets in assets, in no order. A wallet without a row holds nothing, unless the asset is indexed only
/// from a later block: then nothing is said of it.
///
/// # Errors
/// The driver's.
pub async fn read_positions(
    connection: &mut PgConnection,
    chain_id: u64,
    keys: &[(Uuid, Address)],
) -> Result<Vec<Position>, sqlx::Error> {
    let (assets, wallets): (Vec<Uuid>, Vec<Vec<u8>>) =
        keys.iter().map(|(asset, wallet)| (*asset, wallet.to_vec())).unzip();
    let rows = sqlx::query(
        "select a.id, a.contract_address::bytea, w.wallet, coalesce(h.balance, 0)::text,
             coalesce(h.frozen, 0)::text, coalesce(h.wallet_frozen, false), a.asset_type = 'erc3643',
             l.target::bytea, v.identity, coalesce(r.undetermined, false), v.country, v.verdict,
             a.complete_from is not null, a.negative_balance, a.exceeds_uint256, a.unreadable_logs > 0
         from unnest($2::uuid[], $3::bytea[]) w(asset_id, wallet)
         join chain.assets a on a.chain_id = $1 and a.id = w.asset_id
         left join chain.asset_holders h on h.chain_id = $1 and h.asset_id = a.id and h.holder = w.wallet
         left join chain.contract_links l on l.chain_id = $1 and l.address = a.contract_address
             and l.link = 'identity_registry' and l.slot = chain.zero_address() and l.to_block is null
         left join lateral chain.verdict($1, l.target, w.wallet) v on l.target is not null
         left join chain.registrations r on r.chain_id = $1 and r.storage = v.storage and r.wallet = w.wallet
             and r.to_block is null
         where h.holder is not null or a.complete_from is null",
    )
    .bind(int(chain_id))
    .bind(assets)
    .bind(wallets)
    .fetch_all(connection)
    .await?;
    rows.iter().map(position).collect()
}

fn position(row: &PgRow) -> Result<Position, sqlx::Error> {
    let registry = match row.try_get::<Option<Vec<u8>>, _>(7)? {
        Some(_) => Some(registered(row)?),
        None => None,
    };
    let freezes = if row.try_get(6)? { Some((amount(row, 4)?, row.try_get(5)?)) } else { None };
    Ok(Position {
        asset_id: row.try_get(0)?,
        token: account(row, 1)?,
        wallet: account(row, 2)?,
        balance: amount(row, 3)?,
        freezes,
        registry,
        flags: flags(row, 12)?,
    })
}

fn registered(row: &PgRow) -> Result<Registered, sqlx::Error> {
    let verdict: Option<String> = row.try_get(11)?;
    let verified = match verdict.as_deref() {
        Some("verified") => Some(true),
        Some("not_verified") => Some(false),
        _ => None,
    };
    let is_registered = row.try_get::<Option<Vec<u8>>, _>(8)?.is_some();
    let (identity, country) = match (is_registered, row.try_get::<bool, _>(9)?, verified) {
        (true, true, _) => (None, None),
        (true, false, _) => (Some(account(row, 8)?), row.try_get::<Option<i64>, _>(10)?),
        (false, _, Some(false)) => (Some(Address::ZERO), Some(0)),
        (false, ..) => (None, None),
    };
    let country = country.and_then(|country| u16::try_from(country).ok());
    Ok(Registered { registry: account(row, 7)?, identity, country, verified })
}

/// See [`crate::reconcile::Probe`]; the newest first.
///
/// # Errors
/// The driver's.
pub async fn read_probes(connection: &mut PgConnection, chain_id: u64) -> Result<Vec<Probe>, sqlx::Error> {
    let rows = sqlx::query(
        "select a.contract_address::bytea, n.holder::bytea, n.block_number - 1, coalesce(b.balance, 0)::text,
             h.balance::text
         from (
             select distinct on (x.block_number, x.asset_id, x.holder) x.* from (
                 select y.chain_id, y.asset_id, y.holder, y.block_number from chain.ownership_history y
                 where y.chain_id = $1 order by y.block_number desc limit 64) x
         ) n
         join chain.assets a on a.chain_id = n.chain_id and a.id = n.asset_id and a.complete_from is null
         join chain.asset_holders h
             on h.chain_id = n.chain_id and h.asset_id = n.asset_id and h.holder = n.holder
         left join lateral (
             select z.balance from chain.ownership_history z
             where z.chain_id = n.chain_id and z.asset_id = n.asset_id and z.holder = n.holder
                 and z.block_number < n.block_number
             order by z.block_number desc, z.log_index desc limit 1) b on true
         where coalesce(b.balance, 0) <> h.balance and coalesce(b.balance, 0) >= 0 and n.block_number > a.created_block
         order by n.block_number desc, n.asset_id, n.holder limit $2",
    )
    .bind(int(chain_id))
    .bind(PROBES)
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Probe {
                token: account(row, 0)?,
                wallet: account(row, 1)?,
                block: super::checkpoint::unsigned(row, 2)?,
                then: amount(row, 3)?,
                now: amount(row, 4)?,
            })
        })
        .collect()
}

/// What the tables say of a sample.
pub(super) async fn sample(
    connection: &mut PgConnection,
    chain_id: u64,
    sample: &Sample,
) -> Result<Stated, sqlx::Error> {
    let standing = standing(connection, chain_id).await?;
    let looked_at: BTreeSet<Subject> = sample.suspected.union(&standing).copied().collect();
    let assets: Vec<Uuid> = sqlx::query_scalar("select id from chain.assets where chain_id = $1 order by id")
        .bind(int(chain_id))
        .fetch_all(&mut *connection)
        .await?;
    let mut wallets: BTreeSet<(Uuid, Address)> = looked_at
        .iter()
        .filter_map(|subject| subject.wallet.map(|wallet| (subject.asset_id, wallet)))
        .collect();
    wallets.extend(touched(connection, chain_id, sample).await?);
    wallets.extend(read_drawn(connection, chain_id, sample.at.hash, sample.drawn, &assets).await?);
    let named = looked_at.iter().filter(|subject| subject.wallet.is_none()).map(|subject| subject.asset_id);
    let mut supplies: BTreeSet<Uuid> = named.collect();
    supplies.extend(chosen(sample.at.hash, assets).into_iter().take(sample.supplies_max));
    let supplies: Vec<Uuid> = supplies.into_iter().collect();
    let wallets: Vec<(Uuid, Address)> = wallets.into_iter().collect();
    Ok(Stated {
        supplies: read_supplies(connection, chain_id, Some(&supplies)).await?,
        positions: read_positions(connection, chain_id, &wallets).await?,
        probes: read_probes(connection, chain_id).await?,
        standing,
    })
}

async fn touched(
    connection: &mut PgConnection,
    chain_id: u64,
    sample: &Sample,
) -> Result<Vec<(Uuid, Address)>, sqlx::Error> {
    let rows = sqlx::query(
        "select n.asset_id, n.holder::bytea from chain.ownership_history n
         where n.chain_id = $1 and n.block_number > $2
         group by n.asset_id, n.holder order by max(n.block_number) desc, n.asset_id, n.holder limit $3",
    )
    .bind(int(chain_id))
    .bind(int(sample.touched_since))
    .bind(i64::try_from(sample.touched_max).unwrap_or(i64::MAX))
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, account(row, 1)?))).collect()
}

/// Wallets by lot of a block's hash: the next holder of an asset at or above a place, else its first.
///
/// # Errors
/// The driver's.
pub async fn read_drawn(
    connection: &mut PgConnection,
    chain_id: u64,
    hash: B256,
    count: usize,
    assets: &[Uuid],
) -> Result<Vec<(Uuid, Address)>, sqlx::Error> {
    if assets.is_empty() || count == 0 {
        return Ok(Vec::new());
    }
    let (chosen, places): (Vec<Uuid>, Vec<Vec<u8>>) = (0..count)
        .map(|n| {
            let (number, place) = draw(hash, n);
            (assets[(number % assets.len() as u64) as usize], place.to_vec())
        })
        .unzip();
    let rows = sqlx::query(
        "select d.asset_id, coalesce(
             (select h.holder::bytea from chain.asset_holders h
              where h.chain_id = $1 and h.asset_id = d.asset_id and h.holder >= d.place order by h.holder limit 1),
             (select h.holder::bytea from chain.asset_holders h
              where h.chain_id = $1 and h.asset_id = d.asset_id order by h.holder limit 1))
         from unnest($2::uuid[], $3::bytea[]) d(asset_id, place)",
    )
    .bind(int(chain_id))
    .bind(chosen)
    .bind(places)
    .fetch_all(connection)
    .await?;
    let mut found = Vec::new();
    for row in rows {
        if row.try_get::<Option<Vec<u8>>, _>(1)?.is_some() {
            found.push((row.try_get(0)?, account(&row, 1)?));
        }
    }
    Ok(found)
}

async fn standing(connection: &mut PgConnection, chain_id: u64) -> Result<BTreeSet<Subject>, sqlx::Error> {
    let rows = sqlx::query(
        "select asset_id, what, wallet::bytea from ops.drift where chain_id = $1 and resolved_at is null
         order by found_at, id limit 100",
    )
    .bind(int(chain_id))
    .fetch_all(connection)
    .await?;
    let mut subjects = BTreeSet::new();
    for row in rows {
        let wallet = match row.try_get::<Option<Vec<u8>>, _>(2)? {
            Some(_) => Some(account(&row, 2)?),
            None => None,
        };
        let name: String = row.try_get(1)?;
        let what = What::from_name(&name)
            .ok_or_else(|| sqlx::Error::Decode(format!("{name:?} is nothing that drifts").into()))?;
        subjects.insert(Subject { asset_id: row.try_get(0)?, wallet, what });
    }
    Ok(subjects)
}

/// Writes down what a look found.
pub(super) async fn record(
    connection: &mut PgConnection,
    chain_id: u64,
    found: &Found,
) -> Result<(), sqlx::Error> {
    for drift in &found.confirmed {
        let new: bool = sqlx::query_scalar(
            "insert into ops.drift (chain_id, asset_id, what, wallet, ours, theirs, flags, block_number, block_hash,
                 provider)
             values ($1, $2, $3, $4, $5, $6, nullif($7, ''), $8, $9, $10)
             on conflict (chain_id, asset_id, what, wallet) where resolved_at is null do update
             set ours = excluded.ours, theirs = excluded.theirs, flags = excluded.flags,
                 block_number = excluded.block_number, block_hash = excluded.block_hash, provider = excluded.provider
             returning xmax = 0",
        )
        .bind(int(chain_id))
        .bind(drift.subject.asset_id)
        .bind(drift.subject.what.name())
        .bind(drift.subject.wallet.map(|wallet| wallet.to_vec()))
        .bind(&drift.ours)
        .bind(&drift.theirs)
        .bind(drift.flags.join(", "))
        .bind(int(found.at.number))
        .bind(found.at.hash.as_slice())
        .bind(&found.provider)
        .fetch_one(&mut *connection)
        .await?;
        if new {
            let message = in_words(drift, found);
            rollback::system_event(connection, chain_id, "drift", "critical", &message).await?;
        }
    }
    for subject in &found.resolved {
        let resolved = sqlx::query(
            "update ops.drift set resolved_at = clock_timestamp(), resolved_block = $5
             where chain_id = $1 and asset_id = $2 and what = $3 and wallet is not distinct from $4
                 and resolved_at is null",
        )
        .bind(int(chain_id))
        .bind(subject.asset_id)
        .bind(subject.what.name())
        .bind(subject.wallet.map(|wallet| wallet.to_vec()))
        .bind(int(found.at.number))
        .execute(&mut *connection)
        .await?;
        if resolved.rows_affected() > 0 {
            let message = format!("{} agrees again at block {}", about(*subject), found.at.number);
            rollback::system_event(connection, chain_id, "drift_resolved", "info", &message).await?;
        }
    }
    Ok(())
}

fn about(subject: Subject) -> String {
    let wallet = subject.wallet.map(|wallet| format!(" of {wallet:#x}")).unwrap_or_default();
    format!("{}{wallet} in asset {}", subject.what.name(), subject.asset_id)
}

fn in_words(drift: &Drift, found: &Found) -> String {
    let flags = match drift.flags.as_slice() {
        [] => String::new(),
        flags => format!("; flags: {}", flags.join(", ")),
    };
    format!(
        "{} is {} in the tables and {} at block {} ({}), says {}{flags}",
        about(drift.subject),
        drift.ours,
        drift.theirs,
        found.at.number,
        found.at.hash,
        found.provider
    )
}

/// How many assets have a difference that stands.
///
/// # Errors
/// The driver's.
pub async fn suspect_assets(pool: &sqlx::PgPool, chain_id: u64) -> Result<u64, sqlx::Error> {
    let count: i64 = sqlx::query_scalar(
        "select count(distinct asset_id) from ops.drift where chain_id = $1 and resolved_at is null",
    )
    .bind(int(chain_id))
    .fetch_one(pool)
    .await?;
    Ok(u64::try_from(count).unwrap_or_default())
}
