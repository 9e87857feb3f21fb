//! The cap table by wallet: merged, summed and written here while the database reads, because only so a register of a
//! million wallets takes about a second. `api.cap_table` says the same a page at a time; a test compares the two.

use futures_util::TryStreamExt;
use serde::Serialize;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::number::{Share, amount, units};
use crate::amount::Amount;
use crate::store::StoreError;
use crate::store::postgres::failed;

/// The header of the body.
pub const HEADER: &str = "wallet,balance,balance_base,percentage,frozen,frozen_base,wallet_frozen";

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

/// Sums of positions as they come.
#[derive(Default)]
pub(super) struct Sums {
    holders: u64,
    balance: Amount,
    frozen: Amount,
}

impl Sums {
    /// Adds a position; none where it is no whole number.
    pub(super) fn add(&mut self, balance: &str, frozen: &str) -> Option<()> {
        self.holders += 1;
        self.balance = self.balance.plus(amount(balance)?);
        if frozen != "0" {
            self.frozen = self.frozen.plus(amount(frozen)?);
        }
        Some(())
    }

    /// The sums, beside the supply.
    pub(super) fn totals(&self, supply_base: &str) -> Totals {
        let balance_base = self.balance.to_string();
        Totals {
            holders: self.holders,
            frozen_base: self.frozen.to_string(),
            equal_supply: balance_base == supply_base,
            balance_base,
        }
    }
}

/// Changes as COPY told them, and of each wallet the last one, in the order of wallets: texts are kept in one piece, because
/// there are hundreds of thousands.
#[derive(Default)]
struct Changes {
    text: String,
    lines: Vec<Line>,
}

/// Where a line lies, and the first eight bytes of its wallet, which tell most wallets apart.
#[derive(Clone, Copy)]
struct Line {
    prefix: u64,
    from: usize,
    to: usize,
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
    let lines = positions(connection, asset, block, || Lines::new(decimals, supply_base)).await?;
    if !lines.is_whole {
        return Err(not_whole());
    }
    Ok((lines.body, lines.sums.totals(supply_base)))
}

/// What becomes of positions as they come.
pub(super) trait Positions {
    /// A wallet (hexadecimal, without `0x`) with a balance other than zero, and what of it is frozen, in base units.
    fn take(&mut self, wallet: &str, balance: &str, frozen: &str, wallet_frozen: bool);
}

/// The positions of an asset at the end of a block, in the order of wallets: the newest snapshot merged with the changes
/// since.
///
/// # Errors
/// The database's.
pub(super) async fn positions<P: Positions>(
    connection: &mut PgConnection,
    asset: Uuid,
    block: i64,
    taker: impl Fn() -> P,
) -> Result<P, StoreError> {
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
        let mut merge = Merge::new(taker(), changed.fields());
        if let Some(snapshot) = snapshot {
            let sql = format!(
                "copy (select encode(p.holder, 'hex'), p.balance, p.frozen, p.wallet_frozen
                     from chain.snapshot_positions({snapshot}) p{order}) to stdout"
            );
            copy(connection, &sql, |line| merge.merge(line)).await.map_err(wrong)?;
        }
        // Rows lie in the order of wallets where they were written; space that was used before may have broken that.
        if merge.in_order {
            return Ok(merge.end());
        }
    }
    Err(StoreError::Refused { during: "reading the positions", reason: "the rows came unsorted".to_owned() })
}

/// For a position that is no whole number of base units.
pub(super) fn not_whole() -> StoreError {
    let reason = "a position is no whole number of base units".to_owned();
    StoreError::Corrupt { table: "ownership_history", reason }
}

/// The last change of each wallet in the blocks above one and up to another, in the order of wallets.
async fn changed(
    connection: &mut PgConnection,
    asset: Uuid,
    above: i64,
    through: i64,
) -> Result<Changes, sqlx::Error> {
    let sql = format!(
        "copy (select encode(h.holder, 'hex'), h.block_number, h.log_index, h.balance, h.frozen, h.wallet_frozen
             from chain.ownership_history h
             where h.chain_id = (select a.chain_id from chain.assets a where a.id = '{asset}') and h.asset_id = '{asset}'
                 and h.block_number > {above} and h.block_number <= {through}) to stdout"
    );
    let mut changes = Changes::default();
    copy(connection, &sql, |line| changes.add(line)).await?;
    changes.keep_last();
    Ok(changes)
}

impl Changes {
    fn add(&mut self, line: &str) {
        let prefix = line.get(..16).and_then(|half| u64::from_str_radix(half, 16).ok()).unwrap_or_default();
        let from = self.text.len();
        self.text.push_str(line);
        self.lines.push(Line { prefix, from, to: self.text.len() });
    }

    /// Sorts by wallet, and keeps of each the line of the highest block and log.
    fn keep_last(&mut self) {
        let text = &self.text;
        let wallet = |line: &Line| text[line.from..line.to].split('\t').next().unwrap_or_default();
        let place = |line: &Line| {
            let mut numbers =
                text[line.from..line.to].split('\t').skip(1).map(|n| n.parse::<u64>().unwrap_or_default());
            (numbers.next(), numbers.next())
        };
        self.lines.sort_unstable_by(|one, other| {
            one.prefix
                .cmp(&other.prefix)
                .then_with(|| wallet(one).cmp(wallet(other)))
                .then_with(|| place(one).cmp(&place(other)))
        });
        self.lines.dedup_by(|later, kept| {
            let is_same = later.prefix == kept.prefix && wallet(later) == wallet(kept);
            if is_same {
                *kept = *later;
            }
            is_same
        });
    }

    /// Fields of each line: wallet, block, log, balance, frozen, wallet_frozen.
    fn fields(&self) -> impl Iterator<Item = [&str; 6]> {
        self.lines.iter().map(|line| {
            let mut fields = self.text[line.from..line.to].split('\t');
            std::array::from_fn(|_| fields.next().unwrap_or_default())
        })
    }
}

/// The snapshot's wallets and the changed ones, merged in their order.
struct Merge<'a, I: Iterator<Item = [&'a str; 6]>, P> {
    changed: std::iter::Peekable<I>,
    taker: P,
    last: String,
    in_order: bool,
}

impl<'a, I: Iterator<Item = [&'a str; 6]>, P: Positions> Merge<'a, I, P> {
    fn new(taker: P, changed: I) -> Self {
        Self { changed: changed.peekable(), taker, last: String::new(), in_order: true }
    }

    /// A line of the snapshot: wallet, balance, frozen, wallet_frozen. What changed since stands in its place.
    fn merge(&mut self, line: &str) {
        let mut fields = line.split('\t');
        let mut field = || fields.next().unwrap_or_default();
        let (wallet, balance, frozen, wallet_frozen) = (field(), field(), field(), field());
        self.in_order &= self.last.as_str() < wallet;
        self.last.clear();
        self.last.push_str(wallet);
        while let Some([other, _, _, balance, frozen, wallet_frozen]) =
            self.changed.next_if(|other| other[0] <= wallet)
        {
            self.push(other, balance, frozen, wallet_frozen);
            if other == wallet {
                return;
            }
        }
        self.push(wallet, balance, frozen, wallet_frozen);
    }

    fn push(&mut self, wallet: &str, balance: &str, frozen: &str, wallet_frozen: &str) {
        if balance != "0" {
            self.taker.take(wallet, balance, frozen, wallet_frozen == "t");
        }
    }

    fn end(mut self) -> P {
        while let Some([wallet, _, _, balance, frozen, wallet_frozen]) = self.changed.next() {
            self.push(wallet, balance, frozen, wallet_frozen);
        }
        self.taker
    }
}

/// The body as it grows.
struct Lines {
    decimals: Option<u32>,
    share: Share,
    sums: Sums,
    body: String,
    is_whole: bool,
}

impl Lines {
    fn new(decimals: Option<u32>, supply_base: &str) -> Self {
        let share = Share::new(supply_base);
        Self { decimals, share, sums: Sums::default(), body: format!("{HEADER}\n"), is_whole: true }
    }
}

impl Positions for Lines {
    fn take(&mut self, wallet: &str, balance: &str, frozen: &str, wallet_frozen: bool) {
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
}

/// Gives each line that a COPY to standard output tells; a row comes whole, in one piece or with others.
pub(super) async fn copy(
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
