//! Rows in the neutral form in which both sides are compared, and tables whose rows are versions.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, U256, U512, Uint};
use serde_json::Value;

use crate::input::{Block, Log};

/// A row: values by column. Addresses, hashes and bytes are lower-case 0x text, amounts decimal text, counts and
/// block numbers numbers, times Unix seconds. A uuid that names another row is replaced by that row's natural key.
pub type Row = BTreeMap<&'static str, Value>;

/// Rows by table.
pub type Tables = BTreeMap<&'static str, Vec<Row>>;

/// Bytes as 0x text.
pub(crate) fn hex(bytes: impl AsRef<[u8]>) -> Value {
    Value::from(alloy::primitives::hex::encode_prefixed(bytes))
}

/// The row of `identities` that a row names; nobody's address has none.
pub(crate) fn identity_id(identity: Address) -> Value {
    if identity.is_zero() { Value::from(NO_ROW) } else { hex(identity) }
}

/// Stands for a uuid that names no row.
pub const NO_ROW: &str = "no row";

/// A 256-bit number as decimal text.
pub(crate) fn number(number: U256) -> Value {
    Value::from(number.to_string())
}

/// The latest time that is kept, the end of the year 9999: a chain that claims more is taken at that bound.
const LATEST: u64 = 253_402_300_799;

/// A time in Unix seconds.
pub(crate) fn time(seconds: u64) -> Value {
    Value::from(seconds.min(LATEST))
}

/// The first instant of the day in UTC that a time, as it is kept, falls into.
pub(crate) fn day(seconds: u64) -> Value {
    let kept = seconds.min(LATEST);
    Value::from(kept - kept % 86_400)
}

/// A time told by a claim's data; null where the number is no time that can be kept.
pub(crate) fn told_time(word: U256) -> Value {
    match u64::try_from(word) {
        Ok(seconds) if seconds > 0 && seconds <= LATEST => Value::from(seconds),
        _ => Value::Null,
    }
}

/// Writes a row: `row! { "column" => value, … }`.
macro_rules! row {
    ($($column:literal => $value:expr),* $(,)?) => {
        $crate::row::Row::from([$(($column, serde_json::Value::from($value))),*])
    };
}
pub(crate) use row;

/// The place of a log, for the columns that name it.
#[derive(Clone, Copy)]
pub(crate) struct Here<'a> {
    pub(crate) chain_id: u64,
    pub(crate) block: &'a Block,
    pub(crate) log: &'a Log,
}

impl Here<'_> {
    pub(crate) fn number(&self) -> Value {
        Value::from(self.block.number)
    }

    pub(crate) fn index(&self) -> Value {
        Value::from(self.log.log_index)
    }

    pub(crate) fn at(&self) -> Value {
        time(self.block.timestamp)
    }

    pub(crate) fn transaction(&self) -> Value {
        hex(self.log.transaction_hash)
    }
}

/// A table of versions: at most one version of a thing is open.
#[derive(Debug, Default)]
pub(crate) struct Versions {
    rows: Vec<Row>,
    open: BTreeMap<String, usize>,
}

impl Versions {
    /// The open version of a thing.
    pub(crate) fn open(&self, thing: &str) -> Option<&Row> {
        self.open.get(thing).map(|index| &self.rows[*index])
    }

    /// All open versions.
    pub(crate) fn all_open(&self) -> impl Iterator<Item = &Row> {
        self.open.values().map(|index| &self.rows[*index])
    }

    /// Ends the open version of a thing, if there is one, and returns it.
    pub(crate) fn end(&mut self, thing: &str, here: Here<'_>) -> Option<&mut Row> {
        let row = &mut self.rows[self.open.remove(thing)?];
        row.insert("to_block", here.number());
        row.insert("to_log", here.index());
        row.insert("to_at", here.at());
        Some(row)
    }

    /// Begins a version of a thing; the one before it must have been ended.
    pub(crate) fn begin(&mut self, thing: &str, mut row: Row, here: Here<'_>) {
        row.insert("chain_id", Value::from(here.chain_id));
        row.insert("from_block", here.number());
        row.insert("from_log", here.index());
        row.insert("from_at", here.at());
        for column in ["to_block", "to_log", "to_at"] {
            row.insert(column, Value::Null);
        }
        assert!(self.open.insert(thing.to_owned(), self.rows.len()).is_none(), "{thing} is open already");
        self.rows.push(row);
    }

    /// Ends the open version, if any, and begins the next.
    pub(crate) fn replace(&mut self, thing: &str, row: Row, here: Here<'_>) {
        self.end(thing, here);
        self.begin(thing, row, here);
    }

    pub(crate) fn into_rows(self) -> Vec<Row> {
        self.rows
    }
}

/// A sum that may fall below zero or rise above 256 bits: what was added and what was taken, apart.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sum {
    plus: U512,
    minus: U512,
}

impl Sum {
    pub(crate) fn add(&mut self, amount: U256) {
        self.plus += U512::from(amount);
    }

    pub(crate) fn take(&mut self, amount: U256) {
        self.minus += U512::from(amount);
    }

    /// Adds an amount given as decimal text, which may be below zero.
    pub(crate) fn include(&mut self, amount: &str) {
        let (side, digits) = match amount.strip_prefix('-') {
            Some(digits) => (&mut self.minus, digits),
            None => (&mut self.plus, amount),
        };
        *side += digits.parse::<U512>().expect("decimal digits");
    }

    /// Takes an amount given as decimal text, which may be below zero.
    pub(crate) fn exclude(&mut self, amount: &str) {
        let mut taken = Self::default();
        taken.include(amount);
        self.include_sum(Self { plus: taken.minus, minus: taken.plus });
    }

    /// Adds another sum.
    pub(crate) fn include_sum(&mut self, other: Self) {
        self.plus += other.plus;
        self.minus += other.minus;
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.plus == self.minus
    }

    pub(crate) fn is_negative(&self) -> bool {
        self.plus < self.minus
    }

    pub(crate) fn exceeds_uint256(&self) -> bool {
        self.plus > self.minus && self.plus - self.minus > U512::from(U256::MAX)
    }

    pub(crate) fn text(&self) -> Value {
        Value::from(if self.is_negative() {
            format!("-{}", self.minus - self.plus)
        } else {
            (self.plus - self.minus).to_string()
        })
    }
}

/// A sum of squares: room for the squares of 2^1024 sums, each of 512 bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Squares(Uint<2048, 32>);

impl Squares {
    /// Adds a number times itself; one below zero counts like one above.
    pub(crate) fn include(&mut self, number: &Sum) {
        let (more, less) = (number.plus.max(number.minus), number.plus.min(number.minus));
        let size = Uint::<2048, 32>::from(more - less);
        self.0 += size * size;
    }

    pub(crate) fn text(&self) -> Value {
        Value::from(self.0.to_string())
    }
}

/// A hash, or null.
pub(crate) fn hash_or_null(hash: Option<&B256>) -> Value {
    hash.map_or(Value::Null, hex)
}
