//! Positions of an asset at the end of a block, in the order of wallets: the newest snapshot at or below it, which is read a
//! page of a thousand wallets at a time, merged with the changes since.

use std::iter::Peekable;
use std::slice;

use futures_util::TryStreamExt;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::copy::copy;
use crate::store::StoreError;
use crate::store::postgres::failed;

/// Twenty bytes: a wallet or an identity.
pub(super) type Account = [u8; 20];

/// What becomes of positions as they come.
pub(super) trait Positions {
    /// A wallet with a balance other than zero, and what of it is frozen, in base units.
    fn take(&mut self, wallet: &Account, balance: &str, frozen: &str, wallet_frozen: bool);
}

/// Twenty bytes from their hexadecimal digits.
pub(super) fn account(hex: &str) -> Option<Account> {
    let mut bytes = Account::default();
    alloy::hex::decode_to_slice(hex, &mut bytes).ok().map(|()| bytes)
}

/// For a position that is no whole number of base units.
pub(super) fn not_whole() -> StoreError {
    corrupt("ownership_history", "a position is no whole number of base units")
}

fn corrupt(table: &'static str, reason: &str) -> StoreError {
    StoreError::Corrupt { table, reason: reason.to_owned() }
}

/// The positions of an asset at the end of a block, in the order of wallets.
///
/// # Errors
/// The database's; [`StoreError::Corrupt`] for a page that is not what `ops.take_snapshot` writes.
pub(super) async fn positions<P: Positions>(
    connection: &mut PgConnection,
    asset: Uuid,
    block: i64,
    taker: P,
) -> Result<P, StoreError> {
    let wrong = |error: sqlx::Error| failed("reading the positions", &error);
    let snapshot: Option<(i64, i64)> =
        sqlx::query_as("select id, block_number from chain.snapshot_below($1, $2)")
            .bind(asset)
            .bind(block)
            .fetch_optional(&mut *connection)
            .await
            .map_err(wrong)?;
    let above = snapshot.map_or(-1, |(_, block)| block);
    let changed = changed(connection, asset, above, block).await.map_err(wrong)?;
    let mut merge =
        Merge { changed: changed.lines.iter().peekable(), text: &changed.text, taker, last: None };
    if let Some((snapshot, _)) = snapshot {
        let mut pages = sqlx::query_as::<_, Page>(
            "select holders, balances, frozen, frozen_wallets from ops.register_positions
             where snapshot_id = $1 order by page",
        )
        .bind(snapshot)
        .fetch(connection);
        while let Some(page) = pages.try_next().await.map_err(wrong)? {
            merge.page(&page).ok_or_else(|| {
                corrupt("register_positions", "a page lacks something, or its wallets are not in order")
            })?;
        }
    }
    Ok(merge.end())
}

/// A page of a snapshot, as `ops.register_positions` explains it.
#[derive(sqlx::FromRow)]
struct Page {
    holders: Vec<u8>,
    balances: String,
    frozen: Option<String>,
    frozen_wallets: Option<String>,
}

/// Changes, of each wallet the last one, in the order of wallets. Texts are kept in one piece, because there are hundreds of
/// thousands.
#[derive(Default)]
struct Changes {
    text: String,
    lines: Vec<Change>,
}

/// A change, and where in the text its balance, frozen part and freeze stand.
#[derive(Clone, Copy)]
struct Change {
    wallet: Account,
    at: (u64, u64),
    from: usize,
    to: usize,
}

/// The last change of each wallet in the blocks above one and up to another.
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
    let mut is_readable = true;
    copy(connection, &sql, |line| is_readable &= changes.add(line).is_some()).await?;
    if !is_readable {
        return Err(sqlx::Error::Decode("a change of ownership is not written as expected".into()));
    }
    changes.keep_last();
    Ok(changes)
}

impl Changes {
    fn add(&mut self, line: &str) -> Option<()> {
        let mut fields = line.splitn(4, '\t');
        let wallet = account(fields.next()?)?;
        let at = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let from = self.text.len();
        self.text.push_str(fields.next()?);
        self.lines.push(Change { wallet, at, from, to: self.text.len() });
        Some(())
    }

    /// Sorts by wallet, and keeps of each the change of the highest block and log.
    fn keep_last(&mut self) {
        // The first eight bytes tell most wallets apart.
        let prefix = |change: &Change| change.wallet.first_chunk().map(|bytes| u64::from_be_bytes(*bytes));
        self.lines.sort_unstable_by(|one, other| {
            prefix(one)
                .cmp(&prefix(other))
                .then_with(|| (&one.wallet, one.at).cmp(&(&other.wallet, other.at)))
        });
        self.lines.dedup_by(|later, kept| {
            let is_same = later.wallet == kept.wallet;
            if is_same {
                *kept = *later;
            }
            is_same
        });
    }
}

/// The snapshot's wallets and the changed ones, merged in their order.
struct Merge<'a, P> {
    changed: Peekable<slice::Iter<'a, Change>>,
    text: &'a str,
    taker: P,
    last: Option<Account>,
}

impl<P: Positions> Merge<'_, P> {
    /// The wallets of a page; what changed since stands in the place of what it says. None where it is not whole.
    fn page(&mut self, page: &Page) -> Option<()> {
        let mut balances = page.balances.split(',');
        let mut frozen = page.frozen.as_deref().map(|parts| parts.split(','));
        let mut frozen_wallets = page.frozen_wallets.as_deref().map(|freezes| freezes.split(','));
        let (wallets, rest) = page.holders.as_chunks::<20>();
        for wallet in wallets {
            let balance = balances.next()?;
            let part = frozen.as_mut().map_or(Some("0"), Iterator::next)?;
            let freeze = frozen_wallets.as_mut().map_or(Some("f"), Iterator::next)?;
            if self.last.is_some_and(|last| last >= *wallet) {
                return None;
            }
            self.last = Some(*wallet);
            self.merge(wallet, balance, part, freeze);
        }
        (rest.is_empty() && balances.next().is_none()).then_some(())
    }

    fn merge(&mut self, wallet: &Account, balance: &str, frozen: &str, wallet_frozen: &str) {
        while let Some(change) = self.changed.next_if(|change| change.wallet <= *wallet) {
            self.push_change(change);
            if change.wallet == *wallet {
                return;
            }
        }
        self.push(wallet, balance, frozen, wallet_frozen);
    }

    fn push_change(&mut self, change: &Change) {
        let mut fields = self.text[change.from..change.to].split('\t');
        let mut field = || fields.next().unwrap_or_default();
        let (balance, frozen, wallet_frozen) = (field(), field(), field());
        self.push(&change.wallet, balance, frozen, wallet_frozen);
    }

    fn push(&mut self, wallet: &Account, balance: &str, frozen: &str, wallet_frozen: &str) {
        if balance != "0" {
            self.taker.take(wallet, balance, frozen, wallet_frozen == "t");
        }
    }

    fn end(mut self) -> P {
        while let Some(change) = self.changed.next() {
            self.push_change(change);
        }
        self.taker
    }
}
