//! The regulatory summary of an asset with very many holders: summed here while the positions come, because the database
//! would have to sort and hash each of them several times. `api.regulatory_summary` says the same; a test compares the two.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use foldhash::fast::RandomState;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::Period;
use super::number::{Share, amount, units};
use super::positions::{Account, Positions, not_whole, positions};
use super::readers::Readers;
use super::registry::Registry;
use crate::amount::Amount;
use crate::store::StoreError;
use crate::store::postgres::failed;

/// The header of the body.
const HEADER: &str = "section,item,holders,amount,amount_base,percentage";
/// Of so many investors it is told what they hold together.
const TOPS: [usize; 2] = [1, MOST];
const MOST: usize = 10;

/// The body of the summary at the end of a block; none where `Registry::read` judges nobody.
///
/// # Errors
/// The database's; [`StoreError::Corrupt`] for a position that is no whole number of base units.
pub async fn body(
    readers: &mut Readers<'_>,
    asset: Uuid,
    block: i64,
    (decimals, supply_base): (Option<u32>, &str),
    (period, zone): (Option<&Period>, &str),
) -> Result<Option<String>, StoreError> {
    let Some(registry) = Registry::read(readers, asset, block).await? else { return Ok(None) };
    let registry = Arc::new(registry);
    let takers = [Held::new(Arc::clone(&registry)), Held::new(registry)];
    let [mut held, upper] = positions(readers, asset, block, takers).await?;
    held.plus(upper);
    if !held.is_whole {
        return Err(not_whole());
    }
    let mut lines = Lines { body: format!("{HEADER}\n"), decimals, share: Share::new(supply_base) };
    lines.push("register", "supply", None, supply_base, true);
    held.told(&mut lines);
    for (kind, count, base) in issuance(readers.first(), asset, block, period, zone).await? {
        lines.push("issuance", &kind, u64::try_from(count).ok(), &base, false);
    }
    Ok(Some(lines.body))
}

/// What was minted and burned up to the block, in the period.
async fn issuance(
    connection: &mut PgConnection,
    asset: Uuid,
    block: i64,
    period: Option<&Period>,
    zone: &str,
) -> Result<Vec<(String, i64, String)>, StoreError> {
    let within = period.map_or_else(String::new, |Period { first, last, .. }| {
        format!(
            "and o.executed_at >= (select api.begin_of_day(date '{first}', '{zone}'))
             and o.executed_at < (select api.begin_of_day(date '{last}' + 1, '{zone}'))"
        )
    });
    let sql = format!(
        "select i.item, count(*), sum(o.amount)::text
         from chain.assets a
         join chain.asset_operations o on o.chain_id = a.chain_id and o.asset_id = a.id
             and o.operation_type in ('mint', 'burn') and o.block_number <= $2
         cross join lateral (values ('minted', o.operation_type = 'mint'),
             ('burned', o.operation_type = 'burn' or o.to_address = chain.zero_address())) i (item, is_so)
         where a.id = $1 and i.is_so {within}
         group by i.item order by 1"
    );
    let asked = sqlx::query_as(AssertSqlSafe(sql)).bind(asset).bind(block).fetch_all(connection).await;
    asked.map_err(|error| failed("reading what was issued", &error))
}

/// How many, and what they hold.
#[derive(Default)]
struct Group {
    holders: u64,
    base: Amount,
}

impl Group {
    fn add(&mut self, base: Amount) {
        self.plus(&Self { holders: 1, base });
    }

    fn plus(&mut self, other: &Self) {
        self.holders += other.holders;
        self.base = self.base.plus(other.base);
    }
}

/// Whether it is an identity, and its address: a contract that is one may hold by itself too, as a wallet.
type Investor = (bool, Account);

/// Everything that the sections say of holders, as it grows.
struct Held {
    registry: Arc<Registry>,
    wallets: Group,
    frozen: Group,
    parts: Group,
    verdicts: BTreeMap<&'static str, Group>,
    countries: BTreeMap<Option<i64>, Group>,
    investors: HashMap<Investor, Amount, RandomState>,
    is_whole: bool,
}

impl Held {
    fn new(registry: Arc<Registry>) -> Self {
        // About as many investors as wallets, half of them here.
        let expected = registry.wallets() / 2;
        Self {
            registry,
            wallets: Group::default(),
            frozen: Group::default(),
            parts: Group::default(),
            verdicts: BTreeMap::new(),
            countries: BTreeMap::new(),
            investors: HashMap::with_capacity_and_hasher(expected, RandomState::default()),
            is_whole: true,
        }
    }

    /// Adds what other wallets hold.
    fn plus(&mut self, other: Self) {
        self.is_whole &= other.is_whole;
        for (group, of) in [
            (&mut self.wallets, &other.wallets),
            (&mut self.frozen, &other.frozen),
            (&mut self.parts, &other.parts),
        ] {
            group.plus(of);
        }
        other.verdicts.iter().for_each(|(verdict, of)| self.verdicts.entry(verdict).or_default().plus(of));
        other.countries.iter().for_each(|(country, of)| self.countries.entry(*country).or_default().plus(of));
        for (investor, base) in other.investors {
            let together = self.investors.entry(investor).or_default();
            *together = together.plus(base);
        }
    }

    fn told(&self, lines: &mut Lines) {
        let mut group = |section: &str, item: &str, group: &Group| {
            lines.push(section, item, Some(group.holders), &group.base.to_string(), true);
        };
        group("register", "wallets", &self.wallets);
        let investors = Group { holders: self.investors.len() as u64, base: self.wallets.base };
        group("register", "investors", &investors);
        group("frozen", "wallets", &self.frozen);
        group("frozen", "parts", &self.parts);
        for (verdict, of) in &self.verdicts {
            group("verdict", verdict, of);
        }
        // In the order of the items as they are written.
        let mut countries: Vec<(String, &Group)> =
            self.countries.iter().map(|(country, of)| (country_item(*country), of)).collect();
        countries.sort_by(|one, other| one.0.cmp(&other.0));
        for (country, of) in countries {
            group("country", &country, of);
        }
        // The first of them in order: a million investors are not sorted for ten.
        let mut largest: Vec<Amount> = Vec::with_capacity(MOST + 1);
        for amount in self.investors.values().filter(|amount| !amount.is_negative() && !amount.is_zero()) {
            let place = largest.partition_point(|larger| larger >= amount);
            if place < MOST {
                largest.insert(place, *amount);
                largest.truncate(MOST);
            }
        }
        for top in TOPS {
            let mut of = Group::default();
            largest.iter().take(top).for_each(|amount| of.add(*amount));
            group("largest", &format!("top {top}"), &of);
        }
    }
}

impl Positions for Held {
    fn take(&mut self, wallet: &Account, balance: &str, frozen: &str, wallet_frozen: bool) {
        let (Some(balance), Some(part)) = (amount(balance), amount(frozen)) else {
            self.is_whole = false;
            return;
        };
        let registered = self.registry.of(wallet);
        self.wallets.add(balance);
        if wallet_frozen {
            self.frozen.add(balance);
        }
        if !part.is_zero() {
            self.parts.add(part);
        }
        self.verdicts.entry(self.registry.judge(registered).verdict()).or_default().add(balance);
        self.countries.entry(registered.and_then(|registered| registered.country)).or_default().add(balance);
        // Who it is now the logs do not tell of everybody: such a wallet is an investor of its own.
        let investor = match registered {
            Some(registered) if !registered.undetermined => (true, registered.identity),
            _ => (false, *wallet),
        };
        let together = self.investors.entry(investor).or_default();
        *together = together.plus(balance);
    }
}

/// ISO 3166-1 numeric in three digits; a longer number is no country's, and told whole.
fn country_item(country: Option<i64>) -> String {
    country.map_or_else(|| "not known".to_owned(), |country| format!("{country:03}"))
}

/// The body as it grows.
struct Lines {
    body: String,
    decimals: Option<u32>,
    share: Share,
}

impl Lines {
    fn push(&mut self, section: &str, item: &str, holders: Option<u64>, base: &str, of_supply: bool) {
        let holders = holders.map_or_else(String::new, |holders| holders.to_string());
        self.body.push_str(&format!("{section},{item},{holders},"));
        units(&mut self.body, base, self.decimals);
        self.body.push_str(&format!(",{base},"));
        if of_supply {
            self.share.percentage(&mut self.body, base);
        }
        self.body.push('\n');
    }
}
