//! The one declaration of a table: the typed row, its key and its [`TableDef`], by the [`table!`](crate::table!) macro.

use super::{Row, TableDef, Time, Value};

/// A typed row of a declared table.
pub trait Table: Clone + PartialEq + 'static {
    /// The typed primary key; of versioned tables, the thing whose versions the rows are.
    type Key: Clone + Ord + std::hash::Hash + std::fmt::Debug;
    /// The declaration.
    const DEF: &'static TableDef;
    /// The row's key.
    fn key(&self) -> Self::Key;
    /// A key as values, in the order of the table's first columns.
    fn key_values(key: &Self::Key) -> Vec<Value>;
    /// The row as values, in column order.
    fn into_row(self) -> Row;
    /// The same of a row that is kept.
    fn to_row(&self) -> Row {
        self.clone().into_row()
    }
    /// A row as a store returned it; `None` when it does not fit the declaration.
    fn from_row(row: Row) -> Option<Self>;
    /// Of versioned tables: whether the version is still in force. Always true elsewhere.
    fn is_open(&self) -> bool;
}

/// Declares a table: its typed row, its key and its [`TableDef`].
///
/// Sections: `key` is the primary key (of a versioned table: the thing), `version` the position that began a version
/// (versioned tables only), `columns` the rest. Each column is `name: Type = "comment"`.
#[macro_export]
macro_rules! table {
    (
        $(#[doc = $comment:literal])+
        $row:ident, $key:ident: versioned $name:literal
        key { $($k:ident: $kt:ty = $kc:literal,)+ }
        columns { $($c:ident: $ct:ty = $cc:literal,)* }
    ) => {
        $crate::table!(@types $(#[doc = $comment])+ $row, $key, [$($k: $kt = $kc,)+], [
            from_block: u64 = "Block of the log that began this version.",
            from_log: u32 = "Index of that log in its block.",
            $($c: $ct = $cc,)*
            from_at: $crate::row::Time = "Block time of that log.",
            to_block: Option<u64> = "Block of the log that ended this version; null while it is in force.",
            to_log: Option<u32> = "Index of the log that ended this version.",
            to_at: Option<$crate::row::Time> = "Block time of the log that ended this version.",
        ]);
        $crate::table!(@impl $row, $key, State, $name, concat!($($comment),+), true, |row| row.to_block.is_none(),
            [$($k: $kt = $kc,)+],
            [from_block: u64 = "Block of the log that began this version.",
             from_log: u32 = "Index of that log in its block.",],
            [$($c: $ct = $cc,)*
             from_at: $crate::row::Time = "Block time of that log.",
             to_block: Option<u64> = "Block of the log that ended this version; null while it is in force.",
             to_log: Option<u32> = "Index of the log that ended this version.",
             to_at: Option<$crate::row::Time> = "Block time of the log that ended this version.",]);
        impl $crate::row::Versioned for $row {
            fn close(&mut self, at: $crate::block::Position, time: $crate::row::Time) {
                self.to_block = Some(at.block_number);
                self.to_log = Some(at.log_index);
                self.to_at = Some(time);
            }
            fn began(&self) -> $crate::block::Position {
                $crate::block::Position { block_number: self.from_block, log_index: self.from_log }
            }
        }
    };
    (
        $(#[doc = $comment:literal])+
        $row:ident, $key:ident: $class:ident $name:literal
        key { $($k:ident: $kt:ty = $kc:literal,)+ }
        columns { $($c:ident: $ct:ty = $cc:literal,)* }
    ) => {
        $crate::table!(@types $(#[doc = $comment])+ $row, $key, [$($k: $kt = $kc,)+], [$($c: $ct = $cc,)*]);
        $crate::table!(@impl $row, $key, $class, $name, concat!($($comment),+), false, |_| true,
            [$($k: $kt = $kc,)+], [], [$($c: $ct = $cc,)*]);
    };
    (@types $(#[doc = $comment:literal])+ $row:ident, $key:ident,
        [$($k:ident: $kt:ty = $kc:literal,)+], [$($c:ident: $ct:ty = $cc:literal,)*]) => {
        $(#[doc = $comment])+
        #[derive(Debug, Clone, PartialEq)]
        pub struct $row {
            $(#[doc = $kc] pub $k: $kt,)+
            $(#[doc = $cc] pub $c: $ct,)*
        }
        #[doc = concat!("Names a [`", stringify!($row), "`].")]
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $key {
            $(#[doc = $kc] pub $k: $kt,)+
        }
    };
    (@impl $row:ident, $key:ident, $class:ident, $name:literal, $comment:expr, $versioned:literal, $is_open:expr,
        [$($k:ident: $kt:ty = $kc:literal,)+], [$($v:ident: $vt:ty = $vc:literal,)*],
        [$($c:ident: $ct:ty = $cc:literal,)*]) => {
        impl $crate::row::Table for $row {
            type Key = $key;
            const DEF: &'static $crate::row::TableDef = &$crate::row::TableDef {
                name: $name,
                comment: $comment,
                class: $crate::row::Class::$class,
                columns: &[
                    $($crate::table!(@column $k: $kt = $kc),)+
                    $($crate::table!(@column $v: $vt = $vc),)*
                    $($crate::table!(@column $c: $ct = $cc),)*
                ],
                key_len: [$(stringify!($k),)+ $(stringify!($v),)*].len(),
                thing_len: if $versioned { Some([$(stringify!($k)),+].len()) } else { None },
            };
            fn key(&self) -> $key {
                $key { $($k: self.$k.clone(),)+ }
            }
            fn key_values(key: &$key) -> Vec<$crate::row::Value> {
                vec![$($crate::row::Field::to_value(&key.$k),)+]
            }
            fn into_row(self) -> $crate::row::Row {
                vec![
                    $($crate::row::Field::into_value(self.$k),)+
                    $($crate::row::Field::into_value(self.$v),)*
                    $($crate::row::Field::into_value(self.$c),)*
                ]
            }
            fn from_row(row: $crate::row::Row) -> Option<Self> {
                let mut values = row.into_iter();
                Some(Self {
                    $($k: $crate::row::Field::from_value(values.next()?)?,)+
                    $($v: $crate::row::Field::from_value(values.next()?)?,)*
                    $($c: $crate::row::Field::from_value(values.next()?)?,)*
                })
            }
            fn is_open(&self) -> bool {
                let is_open: fn(&Self) -> bool = $is_open;
                is_open(self)
            }
        }
    };
    (@column $name:ident: $type:ty = $comment:literal) => {
        $crate::row::Column {
            name: stringify!($name),
            column_type: <$type as $crate::row::Field>::COLUMN_TYPE,
            nullable: <$type as $crate::row::Field>::NULLABLE,
            comment: $comment,
        }
    };
}

/// A row that is one version of a thing: in force from one log to another.
pub trait Versioned: Table {
    /// Ends the version at a log.
    fn close(&mut self, at: crate::block::Position, time: Time);
    /// The log that began the version.
    fn began(&self) -> crate::block::Position;
}
