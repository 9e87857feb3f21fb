//! What a table is, and what a row of it is, declared once.
//!
//! COPY, upsert, before-image, rollback, comparison and the test over the catalogue all derive from a [`TableDef`];
//! the [`table!`](crate::table!) macro writes it, with the typed row and its key, from one declaration.
//!
//! Knows no SQL text, no facts, no RPC.

mod declare;

use std::cmp::Ordering;

use alloy::primitives::{Address, B256, Bytes, U256};
use smallvec::SmallVec;
use uuid::Uuid;

use crate::amount::{Amount, Squares};
use crate::json::Json;
pub use declare::{Table, Versioned};

/// What a table promises; kept in the database too (`ops.table_classes`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// What came from the chain and cannot be derived: rebuild starts from it.
    Ground,
    /// Append-only, derived from ground.
    History,
    /// Current value or versioned rows, derived from ground.
    State,
    /// What the indexer itself did; outside equality.
    Operation,
}

impl Class {
    /// The class as the catalogue spells it.
    pub fn name(self) -> &'static str {
        match self {
            Class::Ground => "ground",
            Class::History => "history",
            Class::State => "state",
            Class::Operation => "operation",
        }
    }
}

/// The SQL type behind a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// `boolean`
    Bool,
    /// `bigint`
    Int,
    /// `bytea` of any length
    Bytes,
    /// `bytea` of 20 bytes
    Address,
    /// `bytea` of 32 bytes
    Hash,
    /// `text`, never with NUL
    Text,
    /// `numeric` without a bound
    Number,
    /// `numeric` without a bound, for sums of squares
    Squares,
    /// `numeric[]`
    Numbers,
    /// `timestamptz`, whole seconds of the chain's clock
    Time,
    /// `jsonb`
    Json,
    /// `uuid`
    Uuid,
}

/// One column of a declared table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Name in SQL and in Rust.
    pub name: &'static str,
    /// SQL type.
    pub column_type: ColumnType,
    /// Whether null is allowed.
    pub nullable: bool,
    /// The sentence that `comment on column` carries.
    pub comment: &'static str,
}

/// A table, declared once.
#[derive(Debug, PartialEq, Eq)]
pub struct TableDef {
    /// Name without schema.
    pub name: &'static str,
    /// The sentence that `comment on table` carries.
    pub comment: &'static str,
    /// What the table promises.
    pub class: Class,
    /// All columns, the primary key's first and in its order.
    pub columns: &'static [Column],
    /// How many of the columns are the primary key.
    pub key_len: usize,
    /// For versioned tables: how many of the key's columns name the thing whose versions these are. At most one
    /// version of a thing is open (`to_block is null`).
    pub thing_len: Option<usize>,
}

impl TableDef {
    /// Position of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// Of a versioned table: the column that is null while a version is in force.
    pub fn version_end(&self) -> Option<usize> {
        self.thing_len.and_then(|_| self.column("to_block"))
    }

    /// The SQL schema it lives in.
    pub fn schema(&self) -> &'static str {
        if self.class == Class::Operation { "ops" } else { "chain" }
    }

    /// The primary key's columns.
    pub fn key_columns(&self) -> &'static [Column] {
        &self.columns[..self.key_len]
    }

    /// Whether rows are only ever added by the block that caused them, so that a rollback deletes them by number. The
    /// writer has no right to update them.
    pub fn is_append_only(&self) -> bool {
        matches!(self.class, Class::Ground | Class::History) && self.column("block_number").is_some()
    }
}

/// Bytes of a row: up to 32 of them, as addresses and hashes are, take no memory elsewhere.
pub type Octets = SmallVec<[u8; 32]>;

/// One value of a row, in the form that both stores compare.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Value {
    /// SQL null.
    Null,
    /// See [`ColumnType::Bool`].
    Bool(bool),
    /// See [`ColumnType::Int`].
    Int(i64),
    /// See [`ColumnType::Bytes`], also addresses and hashes.
    Bytes(Octets),
    /// See [`ColumnType::Text`].
    Text(String),
    /// See [`ColumnType::Number`]; boxed, since most values are none, and each would be half as large again.
    Number(Box<Amount>),
    /// See [`ColumnType::Squares`]; boxed for the same reason.
    Squares(Box<Squares>),
    /// See [`ColumnType::Numbers`].
    Numbers(Vec<Amount>),
    /// Seconds since the Unix epoch.
    Time(i64),
    /// JSON in one spelling.
    Json(Json),
    /// See [`ColumnType::Uuid`].
    Uuid(Uuid),
}

/// Two ranges' rows are in memory during a load, some two million values.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Value>() == 48);

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    /// The order of PostgreSQL within one type; across types, and for JSON, an arbitrary but fixed one.
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Value::Bool(one), Value::Bool(other)) => one.cmp(other),
            (Value::Int(one), Value::Int(other)) | (Value::Time(one), Value::Time(other)) => one.cmp(other),
            (Value::Bytes(one), Value::Bytes(other)) => one.cmp(other),
            (Value::Text(one), Value::Text(other)) => one.cmp(other),
            (Value::Number(one), Value::Number(other)) => one.cmp(other),
            (Value::Squares(one), Value::Squares(other)) => one.cmp(other),
            (Value::Numbers(one), Value::Numbers(other)) => one.cmp(other),
            (Value::Uuid(one), Value::Uuid(other)) => one.cmp(other),
            (Value::Json(one), Value::Json(other)) => one.cmp(other),
            (one, other) => one.rank().cmp(&other.rank()),
        }
    }
}

impl Value {
    fn rank(&self) -> u8 {
        match self {
            Value::Bool(_) => 0,
            Value::Int(_) => 1,
            Value::Bytes(_) => 2,
            Value::Text(_) => 3,
            Value::Number(_) => 4,
            Value::Numbers(_) => 5,
            Value::Time(_) => 6,
            Value::Json(_) => 7,
            Value::Uuid(_) => 8,
            Value::Squares(_) => 9,
            Value::Null => 10,
        }
    }
}

/// The values of one row, in the order of the table's columns.
pub type Row = Vec<Value>;

/// A Rust type that can stand in a column.
pub trait Field: Sized + Clone {
    /// The column's SQL type.
    const COLUMN_TYPE: ColumnType;
    /// Whether null is a value of the type.
    const NULLABLE: bool = false;
    /// The value to store.
    fn to_value(&self) -> Value;
    /// The same of what is not needed any more.
    fn into_value(self) -> Value {
        self.to_value()
    }
    /// The value read back; `None` when the store holds another kind of value than declared.
    fn from_value(value: Value) -> Option<Self>;
}

fn octets(bytes: &[u8]) -> Value {
    Value::Bytes(Octets::from_slice(bytes))
}

macro_rules! field {
    ($type:ty, $column:ident, $self:ident => $to:expr, $value:pat => $from:expr) => {
        impl Field for $type {
            const COLUMN_TYPE: ColumnType = ColumnType::$column;
            fn to_value(&self) -> Value {
                let $self = self;
                $to
            }
            fn from_value(value: Value) -> Option<Self> {
                match value {
                    $value => $from,
                    _ => None,
                }
            }
        }
    };
}

field!(bool, Bool, v => Value::Bool(*v), Value::Bool(v) => Some(v));
field!(u64, Int,
    v => Value::Int(i64::try_from(*v).expect("chain numbers and counts stay below 2^63")),
    Value::Int(v) => u64::try_from(v).ok());
field!(u32, Int, v => Value::Int(i64::from(*v)), Value::Int(v) => u32::try_from(v).ok());
field!(Address, Address, v => octets(v.as_slice()), Value::Bytes(v) => Address::try_from(v.as_slice()).ok());
field!(B256, Hash, v => octets(v.as_slice()), Value::Bytes(v) => B256::try_from(v.as_slice()).ok());
field!(Bytes, Bytes, v => octets(v), Value::Bytes(v) => Some(Bytes::from(v.into_vec())));
field!(Amount, Number, v => Value::Number(Box::new(*v)), Value::Number(v) => Some(*v));
field!(Squares, Squares, v => Value::Squares(Box::new(*v)), Value::Squares(v) => Some(*v));
field!(Uuid, Uuid, v => Value::Uuid(*v), Value::Uuid(v) => Some(v));
field!(Time, Time, v => Value::Time(v.0), Value::Time(v) => Some(Time(v)));

/// Those whose value takes what they own over.
macro_rules! owning_field {
    ($type:ty, $column:ident) => {
        impl Field for $type {
            const COLUMN_TYPE: ColumnType = ColumnType::$column;
            fn to_value(&self) -> Value {
                Value::$column(self.clone())
            }
            fn into_value(self) -> Value {
                Value::$column(self)
            }
            fn from_value(value: Value) -> Option<Self> {
                if let Value::$column(value) = value { Some(value) } else { None }
            }
        }
    };
}

owning_field!(String, Text);
owning_field!(Vec<Amount>, Numbers);
owning_field!(Json, Json);

impl Field for &'static str {
    const COLUMN_TYPE: ColumnType = ColumnType::Text;
    fn to_value(&self) -> Value {
        Value::Text((*self).to_owned())
    }
    fn from_value(_: Value) -> Option<Self> {
        None
    }
}

impl<T: Field> Field for Option<T> {
    const COLUMN_TYPE: ColumnType = T::COLUMN_TYPE;
    const NULLABLE: bool = true;
    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::to_value)
    }
    fn into_value(self) -> Value {
        self.map_or(Value::Null, T::into_value)
    }
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}

/// A point of the chain's clock, in whole seconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Time(pub i64);

impl Time {
    /// The latest time PostgreSQL can hold comfortably (year 9999); what lies beyond is kept as this.
    pub const MAX: Self = Self(253_402_300_799);

    /// From a block's timestamp; a chain that claims a time past the year 9999 is taken at that bound.
    pub fn from_seconds(seconds: u64) -> Self {
        i64::try_from(seconds).map_or(Self::MAX, |seconds| Self(seconds.min(Self::MAX.0)))
    }

    /// The first instant of the day, in UTC.
    pub fn day(self) -> Self {
        Self(self.0 - self.0.rem_euclid(86_400))
    }

    /// From a number in a claim's data; `None` when it is no plausible time.
    pub fn from_word(word: U256) -> Option<Self> {
        u64::try_from(word)
            .ok()
            .filter(|s| *s > 0 && *s <= Self::MAX.0.unsigned_abs())
            .map(Self::from_seconds)
    }
}
