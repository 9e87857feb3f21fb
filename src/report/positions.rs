//! Positions of an asset at the end of a block, in the order of wallets: the newest snapshot at or below it, which is read a
//! page of a thousand wallets at a time, merged with the changes since. Two halves of the wallets are read at once.

use std::iter::Peekable;
use std::slice;
use std::sync::Arc;

use futures_util::{FutureExt, TryStreamExt};
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::copy::{bigint, boolean, copy};
use super::readers::Readers;
use crate::store::StoreError;
use crate::store::postgres::failed;

/// Twenty bytes: a wallet or an identity.
pub(super) type Account = [u8; 20];

/// Where addresses are parted that no snapshot parts: they are spread evenly.
pub(super) const MIDDLE: Account = {
    let mut middle = [0; 20];
    middle[0] = 0x80;
    middle
};

/// What becomes of positions as they come.
pub(super) trait Positions: Send + 'static {
    /// A wallet with a balance other than zero, and what of it is frozen, in base units.
    fn take(&mut self, wallet: &Account, balance: &str, frozen: &str, wallet_frozen: bool);
}

/// For a position that is no whole number of base units.
pub(super) fn not_whole() -> StoreError {
    corrupt("ownership_history", "a position is no whole number of base units")
}

fn corrupt(table: &'static str, reason: &str) -> StoreError {
    StoreError::Corrupt { table, reason: reason.to_owned() }
}

fn corrupt_page() -> StoreError {
    corrupt("register_positions", "a page lacks something, or its wallets are not in order")
}

/// Gives the positions of an asset at the end of a block to two takers: to the first the lower half of the wallets, to the
/// second the upper one, each in the order of wallets.
///
/// # Errors
/// The database's; [`StoreError::Corrupt`] for a page that is not what `ops.take_snapshot` writes.
pub(super) async fn positions<P: Positions>(
    readers: &mut Readers<'_>,
    asset: Uuid,
    block: i64,
    [lower, upper]: [P; 2],
) -> Result<[P; 2], StoreError> {
    let base = Base::read(readers.first(), asset, block).await?;
    let (above, border) = (base.above, base.border);
    let middle = above + (block - above) / 2;
    let (mut changes, newer) = readers
        .both(
            |connection| changed(connection, asset, (above, middle), border).boxed(),
            move |connection| changed(connection, asset, (middle, block), border).boxed(),
        )
        .await?;
    changes.append(newer);
    let text: Arc<str> = changes.text.into();
    let [below, from] = changes.halves;
    let (lower_pages, upper_pages) = base.pages();
    let lower = Half { pages: lower_pages, changes: below, text: Arc::clone(&text), taker: lower };
    let upper = Half { pages: upper_pages, changes: from, text, taker: upper };
    let (lower, upper) = readers
        .both(|connection| lower.read(connection).boxed(), |connection| upper.read(connection).boxed())
        .await?;
    Ok([lower, upper])
}

/// The newest snapshot at or below a block, and where its wallets are parted.
struct Base {
    snapshot: Option<i64>,
    /// Its block, whose changes it holds; -1 without one.
    above: i64,
    /// The first page of the upper half, and its first wallet.
    page: i64,
    border: Account,
}

impl Base {
    async fn read(connection: &mut PgConnection, asset: Uuid, block: i64) -> Result<Self, StoreError> {
        let found: Option<Middle> = sqlx::query_as(
            "select s.id, s.block_number, m.page, m.border
             from chain.snapshot_below($1, $2) s left join lateral chain.snapshot_middle(s.id) m on true",
        )
        .bind(asset)
        .bind(block)
        .fetch_optional(connection)
        .await
        .map_err(|error| failed("reading which snapshot there is", &error))?;
        let Some(found) = found else {
            return Ok(Self { snapshot: None, above: -1, page: 0, border: MIDDLE });
        };
        let border = found.border.map_or(Ok(MIDDLE), |border| border.as_slice().try_into());
        let border = border.map_err(|_| corrupt_page())?;
        Ok(Self {
            snapshot: Some(found.id),
            above: found.block_number,
            page: found.page.unwrap_or(0),
            border,
        })
    }

    fn pages(&self) -> (Option<Pages>, Option<Pages>) {
        let of = |first, last, below| self.snapshot.map(|snapshot| Pages { snapshot, first, last, below });
        (of(i64::MIN, self.page - 1, Some(self.border)), of(self.page, i64::MAX, None))
    }
}

/// A snapshot, and the page that halves it; none where nobody held anything.
#[derive(sqlx::FromRow)]
struct Middle {
    id: i64,
    block_number: i64,
    page: Option<i64>,
    border: Option<Vec<u8>>,
}

/// Some pages of a snapshot, and the wallet that theirs are below.
struct Pages {
    snapshot: i64,
    first: i64,
    last: i64,
    below: Option<Account>,
}

/// A page of a snapshot, as `ops.register_positions` explains it.
#[derive(sqlx::FromRow)]
struct Page {
    holders: Vec<u8>,
    balances: String,
    frozen: Option<String>,
    frozen_wallets: Option<String>,
}

/// Changes of each half of the wallets. Texts are kept in one piece, because there are hundreds of thousands.
#[derive(Default)]
struct Changes {
    text: String,
    halves: [Vec<Change>; 2],
}

/// A change, and where in the text its balance and frozen part stand.
#[derive(Clone, Copy)]
struct Change {
    wallet: Account,
    at: (i64, i64),
    from: usize,
    frozen_from: usize,
    to: usize,
    wallet_frozen: bool,
}

/// The changes in the blocks above one and up to another, of the wallets below a border and of those from it on.
async fn changed(
    connection: &mut PgConnection,
    asset: Uuid,
    (above, through): (i64, i64),
    border: Account,
) -> Result<Changes, StoreError> {
    let sql = format!(
        "copy (select h.holder, h.block_number::bigint, h.log_index::bigint, h.balance::text, h.frozen::text, h.wallet_frozen
             from chain.ownership_history h
             where h.chain_id = (select a.chain_id from chain.assets a where a.id = '{asset}') and h.asset_id = '{asset}'
                 and h.block_number > {above} and h.block_number <= {through}) to stdout with (format binary)"
    );
    let mut changes = Changes::default();
    copy(connection, &sql, |fields| changes.add(fields, &border))
        .await
        .map_err(|error| failed("reading what changed since", &error))?;
    Ok(changes)
}

impl Changes {
    fn add(
        &mut self,
        [wallet, block, log, balance, frozen, wallet_frozen]: [&[u8]; 6],
        border: &Account,
    ) -> Option<()> {
        let wallet = wallet.try_into().ok()?;
        let from = self.text.len();
        self.text.push_str(std::str::from_utf8(balance).ok()?);
        let frozen_from = self.text.len();
        self.text.push_str(std::str::from_utf8(frozen).ok()?);
        self.halves[usize::from(wallet >= *border)].push(Change {
            wallet,
            at: (bigint(block)?, bigint(log)?),
            from,
            frozen_from,
            to: self.text.len(),
            wallet_frozen: boolean(wallet_frozen),
        });
        Some(())
    }

    fn append(&mut self, other: Self) {
        let by = self.text.len();
        self.text.push_str(&other.text);
        for (half, changes) in self.halves.iter_mut().zip(other.halves) {
            half.extend(changes.into_iter().map(|change| Change {
                from: change.from + by,
                frozen_from: change.frozen_from + by,
                to: change.to + by,
                ..change
            }));
        }
    }
}

/// Sorts by wallet, and keeps of each the change of the highest block and log.
fn keep_last(changes: &mut Vec<Change>) {
    // The first eight bytes tell most wallets apart.
    let prefix = |change: &Change| change.wallet.first_chunk().map(|bytes| u64::from_be_bytes(*bytes));
    changes.sort_unstable_by(|one, other| {
        prefix(one).cmp(&prefix(other)).then_with(|| (&one.wallet, one.at).cmp(&(&other.wallet, other.at)))
    });
    changes.dedup_by(|later, kept| {
        let is_same = later.wallet == kept.wallet;
        if is_same {
            *kept = *later;
        }
        is_same
    });
}

/// Half of the wallets: what a snapshot says of them, and what changed since.
struct Half<P> {
    pages: Option<Pages>,
    changes: Vec<Change>,
    text: Arc<str>,
    taker: P,
}

impl<P: Positions> Half<P> {
    async fn read(mut self, connection: &mut PgConnection) -> Result<P, StoreError> {
        keep_last(&mut self.changes);
        let mut merge = Merge {
            changed: self.changes.iter().peekable(),
            text: &self.text,
            taker: self.taker,
            last: None,
            below: self.pages.as_ref().and_then(|pages| pages.below),
        };
        if let Some(Pages { snapshot, first, last, .. }) = self.pages {
            let wrong = |error: sqlx::Error| failed("reading the positions", &error);
            let mut pages = sqlx::query_as::<_, Page>(
                "select holders, balances, frozen, frozen_wallets from chain.snapshot_pages($1, $2, $3) order by page",
            )
            .bind(snapshot)
            .bind(first)
            .bind(last)
            .fetch(connection);
            while let Some(page) = pages.try_next().await.map_err(wrong)? {
                merge.page(&page).ok_or_else(corrupt_page)?;
            }
        }
        Ok(merge.end())
    }
}

/// The snapshot's wallets and the changed ones, merged in their order.
struct Merge<'a, P> {
    changed: Peekable<slice::Iter<'a, Change>>,
    text: &'a str,
    taker: P,
    last: Option<Account>,
    below: Option<Account>,
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
            if self.last.is_some_and(|last| last >= *wallet)
                || self.below.is_some_and(|below| below <= *wallet)
            {
                return None;
            }
            self.last = Some(*wallet);
            self.merge(wallet, balance, part, freeze == "t");
        }
        (rest.is_empty() && balances.next().is_none()).then_some(())
    }

    fn merge(&mut self, wallet: &Account, balance: &str, frozen: &str, wallet_frozen: bool) {
        while let Some(change) = self.changed.next_if(|change| change.wallet <= *wallet) {
            self.push_change(change);
            if change.wallet == *wallet {
                return;
            }
        }
        self.push(wallet, balance, frozen, wallet_frozen);
    }

    fn push_change(&mut self, change: &Change) {
        let (balance, frozen) =
            (&self.text[change.from..change.frozen_from], &self.text[change.frozen_from..change.to]);
        self.push(&change.wallet, balance, frozen, change.wallet_frozen);
    }

    fn push(&mut self, wallet: &Account, balance: &str, frozen: &str, wallet_frozen: bool) {
        if balance != "0" {
            self.taker.take(wallet, balance, frozen, wallet_frozen);
        }
    }

    fn end(mut self) -> P {
        while let Some(change) = self.changed.next() {
            self.push_change(change);
        }
        self.taker
    }
}
