//! The cap table by wallet: merged, summed and written here while the database reads, because only so a register of a
//! million wallets takes about a second. `api.cap_table` says the same a page at a time; a test compares the two.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt::Write as _;

use alloy::primitives::{U256, U512};
use futures_util::TryStreamExt;
use serde::Serialize;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use crate::amount::Amount;
use crate::store::StoreError;
use crate::store::postgres::failed;

/// The header of the body.
pub const HEADER: &str = "wallet,balance,balance_base,percentage,frozen,frozen_base,wallet_frozen";
/// Decimal places of a percentage, as in `api`.
const PLACES: usize = 8;

/// Sums of a cap table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Rows with a balance: wallets or investors.
    pub holders: u64,
    /// What they hold together, in base units.
    pub balance_base: String,
    /// What of it is frozen, in base units.
    pub frozen_base: String,
    /// Whether the balances are the total supply.
    pub equal_supply: bool,
}

impl Totals {
    /// The sums of a body that has columns `balance_base` and `frozen_base`; `None` for one that has not.
    pub fn of(body: &str, supply_base: &str) -> Option<Self> {
        let mut lines = body.lines().map(super::fields);
        let header = lines.next()?;
        let place = |name: &str| header.iter().position(|column| column == name);
        let (balance_at, frozen_at) = (place("balance_base")?, place("frozen_base")?);
        let mut sums = Sums::default();
        for row in lines {
            sums.add(row.get(balance_at)?, row.get(frozen_at)?)?;
        }
        Some(sums.totals(supply_base))
    }
}

#[derive(Default)]
struct Sums {
    holders: u64,
    balance: Amount,
    frozen: Amount,
}

impl Sums {
    fn add(&mut self, balance: &str, frozen: &str) -> Option<()> {
        self.holders += 1;
        self.balance = self.balance.plus(amount(balance)?);
        if frozen != "0" {
            self.frozen = self.frozen.plus(amount(frozen)?);
        }
        Some(())
    }

    fn totals(&self, supply_base: &str) -> Totals {
        let balance_base = self.balance.to_string();
        Totals {
            holders: self.holders,
            frozen_base: self.frozen.to_string(),
            equal_supply: balance_base == supply_base,
            balance_base,
        }
    }
}

/// A wallet's position, and the place of the log that made it.
struct Changed {
    place: (u64, u64),
    balance: String,
    frozen: String,
    wallet_frozen: bool,
}

/// The body of the cap table of an asset at the end of a block, in the order of wallets, and its sums.
///
/// # Errors
/// The database's; [`StoreError::Corrupt`] for a position that is no whole number of base units.
pub async fn by_wallet(
    connection: &mut PgConnection,
    asset: Uuid,
    block: i64,
    decimals: Option<u32>,
    supply_base: &str,
) -> Result<(String, Totals), StoreError> {
    let wrong = |error: sqlx::Error| failed("reading the positions", &error);
    let snapshot: Option<(i64, i64)> =
        sqlx::query_as("select id, block_number from chain.snapshot_below($1, $2)")
            .bind(asset)
            .bind(block)
            .fetch_optional(&mut *connection)
            .await
            .map_err(wrong)?;
    let (snapshot, above) = snapshot.map_or((None, -1), |(id, block)| (Some(id), block));
    let changed = changed(connection, asset, above, block).await.map_err(wrong)?;
    for order in ["", " order by p.holder"] {
        let mut lines = Lines::new(decimals, supply_base, &changed);
        if let Some(snapshot) = snapshot {
            let sql = format!(
                "copy (select encode(p.holder, 'hex'), p.balance, p.frozen, p.wallet_frozen
                     from chain.snapshot_positions({snapshot}) p{order}) to stdout"
            );
            copy(connection, &sql, |line| lines.merge(line)).await.map_err(wrong)?;
        }
        // Rows lie in the order of wallets where they were written; space that was used before may have broken that.
        if lines.in_order {
            return lines.end();
        }
    }
    Err(StoreError::Refused { during: "reading the positions", reason: "the rows came unsorted".to_owned() })
}

/// The last change of each wallet in the blocks above one and up to another, in the order of wallets.
async fn changed(
    connection: &mut PgConnection,
    asset: Uuid,
    above: i64,
    through: i64,
) -> Result<Vec<(String, Changed)>, sqlx::Error> {
    let sql = format!(
        "copy (select encode(h.holder, 'hex'), h.block_number, h.log_index, h.balance, h.frozen, h.wallet_frozen
             from chain.ownership_history h
             where h.chain_id = (select a.chain_id from chain.assets a where a.id = '{asset}') and h.asset_id = '{asset}'
                 and h.block_number > {above} and h.block_number <= {through}) to stdout"
    );
    let mut last: HashMap<String, Changed> = HashMap::new();
    copy(connection, &sql, |line| {
        let mut fields = line.split('\t');
        let mut field = || fields.next().unwrap_or_default();
        let wallet = field();
        let place = (field().parse().unwrap_or_default(), field().parse().unwrap_or_default());
        match last.get_mut(wallet) {
            Some(known) if known.place > place => {}
            Some(known) => known.become_of(place, field(), field(), field()),
            None => {
                let mut changed = Changed::nothing();
                changed.become_of(place, field(), field(), field());
                last.insert(wallet.to_owned(), changed);
            }
        }
    })
    .await?;
    let mut sorted: Vec<_> = last.into_iter().collect();
    sorted.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    Ok(sorted)
}

impl Changed {
    fn nothing() -> Self {
        Self { place: (0, 0), balance: String::new(), frozen: String::new(), wallet_frozen: false }
    }

    fn become_of(&mut self, place: (u64, u64), balance: &str, frozen: &str, wallet_frozen: &str) {
        self.place = place;
        self.balance.clear();
        self.balance.push_str(balance);
        self.frozen.clear();
        self.frozen.push_str(frozen);
        self.wallet_frozen = wallet_frozen == "t";
    }
}

/// The body as it grows: the snapshot's wallets and the changed ones, merged in their order.
struct Lines<'a> {
    changed: std::iter::Peekable<std::slice::Iter<'a, (String, Changed)>>,
    decimals: Option<u32>,
    supply_base: &'a str,
    share: Share,
    sums: Sums,
    body: String,
    last: String,
    in_order: bool,
    is_whole: bool,
}

impl<'a> Lines<'a> {
    fn new(decimals: Option<u32>, supply_base: &'a str, changed: &'a [(String, Changed)]) -> Self {
        Self {
            changed: changed.iter().peekable(),
            decimals,
            supply_base,
            share: Share::new(supply_base),
            sums: Sums::default(),
            body: format!("{HEADER}\n"),
            last: String::new(),
            in_order: true,
            is_whole: true,
        }
    }

    /// A line of the snapshot: wallet, balance, frozen, wallet_frozen. What changed since stands in its place.
    fn merge(&mut self, line: &str) {
        let mut fields = line.split('\t');
        let mut field = || fields.next().unwrap_or_default();
        let (wallet, balance, frozen, wallet_frozen) = (field(), field(), field(), field());
        self.in_order &= self.last.as_str() < wallet;
        self.last.clear();
        self.last.push_str(wallet);
        while let Some((other, position)) = self.changed.next_if(|(other, _)| other.as_str() <= wallet) {
            self.push(other, &position.balance, &position.frozen, position.wallet_frozen);
            if other == wallet {
                return;
            }
        }
        self.push(wallet, balance, frozen, wallet_frozen == "t");
    }

    fn push(&mut self, wallet: &str, balance: &str, frozen: &str, wallet_frozen: bool) {
        if balance == "0" {
            return;
        }
        self.is_whole &= self.sums.add(balance, frozen).is_some();
        self.body.push_str("0x");
        self.body.push_str(wallet);
        self.body.push(',');
        units(&mut self.body, balance, self.decimals);
        self.body.push(',');
        self.body.push_str(balance);
        self.body.push(',');
        self.share.percentage(&mut self.body, balance);
        self.body.push(',');
        units(&mut self.body, frozen, self.decimals);
        self.body.push(',');
        self.body.push_str(frozen);
        self.body.push_str(if wallet_frozen { ",t\n" } else { ",f\n" });
    }

    fn end(mut self) -> Result<(String, Totals), StoreError> {
        while let Some((wallet, position)) = self.changed.next() {
            self.push(wallet, &position.balance, &position.frozen, position.wallet_frozen);
        }
        if !self.is_whole {
            let reason = "a position is no whole number of base units".to_owned();
            return Err(StoreError::Corrupt { table: "ownership_history", reason });
        }
        Ok((self.body, self.sums.totals(self.supply_base)))
    }
}

/// Gives each line that a COPY to standard output tells; a row comes whole, in one piece or with others.
async fn copy(
    connection: &mut PgConnection,
    sql: &str,
    mut line: impl FnMut(&str),
) -> Result<(), sqlx::Error> {
    let mut stream = connection.copy_out_raw(sql).await?;
    while let Some(piece) = stream.try_next().await? {
        let text = std::str::from_utf8(&piece).map_err(|error| sqlx::Error::Decode(error.into()))?;
        text.lines().for_each(&mut line);
    }
    Ok(())
}

/// Everything that a COPY to standard output tells.
pub(super) async fn copied(connection: &mut PgConnection, sql: &str) -> Result<String, sqlx::Error> {
    let mut stream = connection.copy_out_raw(sql).await?;
    let mut bytes = Vec::new();
    while let Some(piece) = stream.try_next().await? {
        bytes.extend_from_slice(&piece);
    }
    String::from_utf8(bytes).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// Compares two whole numbers that are written without leading zeros.
pub(super) fn by_number(one: &str, other: &str) -> Ordering {
    match (one.strip_prefix('-'), other.strip_prefix('-')) {
        (None, None) => one.len().cmp(&other.len()).then_with(|| one.cmp(other)),
        (Some(one), Some(other)) => by_number(other, one),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
    }
}

fn amount(text: &str) -> Option<Amount> {
    match text.len() {
        0..=38 if !text.starts_with('-') => text.parse::<u128>().ok().map(|n| Amount::from(U256::from(n))),
        _ => text.parse().ok(),
    }
}

/// Writes base units as units: exact, with as many decimal places as the asset has; nothing where they are not known.
fn units(into: &mut String, base: &str, decimals: Option<u32>) {
    let Some(decimals) = decimals else { return };
    let places = decimals as usize;
    let digits = match base.strip_prefix('-') {
        Some(digits) => {
            into.push('-');
            digits
        }
        None => base,
    };
    if places == 0 {
        into.push_str(digits);
        return;
    }
    match digits.len().checked_sub(places).filter(|whole| *whole > 0) {
        Some(whole) => {
            into.push_str(&digits[..whole]);
            into.push('.');
            into.push_str(&digits[whole..]);
        }
        None => {
            into.push_str("0.");
            into.extend(std::iter::repeat_n('0', places - digits.len()));
            into.push_str(digits);
        }
    }
}

/// Shares of a supply, rounded half away from zero.
struct Share {
    supply: Option<U512>,
    small: Option<u128>,
}

impl Share {
    /// Of a supply in base units; one that is not above zero has no shares.
    fn new(supply_base: &str) -> Self {
        let supply = U512::from_str_radix(supply_base, 10).ok().filter(|supply| !supply.is_zero());
        let small = supply_base.parse().ok().filter(|supply| *supply > 0 && *supply < u128::MAX >> 1);
        Self { supply, small }
    }

    fn percentage(&self, into: &mut String, base: &str) {
        /// Of a percent: eight places.
        const SCALE: u64 = 10_000_000_000;
        /// From here on twice a scaled balance may leave 128 bits.
        const SMALL: u128 = (u128::MAX >> 2) / SCALE as u128;
        let Some(supply) = self.supply else { return };
        let digits = base.strip_prefix('-').unwrap_or(base);
        let small = self.small.zip(digits.parse::<u128>().ok().filter(|balance| *balance < SMALL));
        let scaled = match small {
            Some((supply, balance)) => {
                ((2 * balance * u128::from(SCALE) + supply) / (2 * supply)).to_string()
            }
            None => {
                let Ok(balance) = U512::from_str_radix(digits, 10) else { return };
                let two = U512::from(2);
                ((two * balance * U512::from(SCALE) + supply) / (two * supply)).to_string()
            }
        };
        if base.starts_with('-') && scaled != "0" {
            into.push('-');
        }
        let (whole, part) = scaled.split_at(scaled.len().saturating_sub(PLACES));
        let whole = if whole.is_empty() { "0" } else { whole };
        // Writing to a string does not fail.
        let _ = write!(into, "{whole}.{part:0>PLACES$}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut String)) -> String {
        let mut text = String::new();
        write(&mut text);
        text
    }

    #[test]
    fn units_are_exact_at_every_number_of_places() {
        for (base, decimals, expected) in [
            ("1", 18, "0.000000000000000001"),
            ("1234", 2, "12.34"),
            ("-1234", 3, "-1.234"),
            ("12", 2, "0.12"),
            ("0", 1, "0.0"),
            ("7", 0, "7"),
        ] {
            assert_eq!(written(|text| units(text, base, Some(decimals))), expected);
        }
        assert_eq!(written(|text| units(text, "7", None)), "");
    }

    #[test]
    fn shares_are_rounded_half_away_from_zero_whatever_their_width() {
        let max = U256::MAX.to_string();
        for (base, supply, expected) in [
            ("1", "3", "33.33333333"),
            ("2", "3", "66.66666667"),
            ("3", "3", "100.00000000"),
            ("1", "20000000000", "0.00000001"),
            ("-1", "20000000000", "-0.00000001"),
            ("1", "20000000001", "0.00000000"),
            (max.as_str(), max.as_str(), "100.00000000"),
            ("1", "0", ""),
            ("1", "-5", ""),
        ] {
            assert_eq!(
                written(|text| Share::new(supply).percentage(text, base)),
                expected,
                "{base} of {supply}"
            );
        }
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        let mut texts = ["10", "9", "-10", "0", "-9", "11"];
        texts.sort_unstable_by(|one, other| by_number(one, other));
        assert_eq!(texts, ["-10", "-9", "0", "9", "10", "11"]);
    }
}
