//! Partitions as the server's catalogue has them: names say nothing, bounds do.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::postgres::PgConnection;

use super::{MaintainError, wrong};

/// What a partition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bounds {
    /// Blocks of a chain, from the first to the one before `to`.
    Blocks {
        /// The chain.
        chain_id: i64,
        /// The first block.
        from: i64,
        /// The first block after it.
        to: i64,
    },
    /// A month.
    Month {
        /// Its first instant.
        from: DateTime<Utc>,
        /// The first instant after it.
        to: DateTime<Utc>,
    },
}

impl std::fmt::Display for Bounds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Blocks { chain_id, from, to } => {
                write!(f, "blocks {from} to {} of chain {chain_id}", to - 1)
            }
            Self::Month { from, .. } => write!(f, "{}", from.format("%B %Y")),
        }
    }
}

impl Bounds {
    /// The chain; none for months.
    pub fn chain_id(&self) -> Option<i64> {
        match self {
            Self::Blocks { chain_id, .. } => Some(*chain_id),
            Self::Month { .. } => None,
        }
    }

    /// As `for values` says it.
    pub(super) fn for_values(&self) -> String {
        match self {
            Self::Blocks { from, to, .. } => format!("for values from ({from}) to ({to})"),
            Self::Month { from, to } => {
                format!("for values from ('{}') to ('{}')", from.to_rfc3339(), to.to_rfc3339())
            }
        }
    }
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// The table, with its schema.
    pub table: String,
    /// The partition's name, in the same schema.
    pub name: String,
}

impl Partition {
    pub(super) fn schema(&self) -> &str {
        self.table.split('.').next().unwrap_or_default()
    }

    /// With its schema.
    pub fn qualified(&self) -> String {
        format!("{}.\"{}\"", self.schema(), self.name)
    }

    /// What it is a partition of: facts have a level for the chain between.
    pub(super) fn parent(&self, bounds: &Bounds) -> String {
        match bounds.chain_id() {
            Some(chain_id) => format!("{}_{chain_id}", self.table),
            None => self.table.clone(),
        }
    }
}

/// Partitions that go and come together. Facts of the same blocks do: each table is derived from, or compared with, the
/// others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// What they hold.
    pub bounds: Bounds,
    /// They.
    pub partitions: Vec<Partition>,
    /// What is older than this is due; none where a policy of one of the tables says never.
    pub(super) cutoff: Option<DateTime<Utc>>,
}

impl std::fmt::Display for Unit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<String> =
            self.partitions.iter().map(|part| format!("{}.{}", part.schema(), part.name)).collect();
        write!(f, "{} ({})", names.join(", "), self.bounds)
    }
}

const LEAVES: &str = "
    select p.table_name, c.relname::text, now() - p.archive_after,
        (regexp_match(pg_get_expr(up.relpartbound, up.oid), 'IN [(]''?(\\d+)''?[)]'))[1]::bigint,
        case p.unit when 'blocks' then m.b[1]::bigint end, case p.unit when 'blocks' then m.b[2]::bigint end,
        case p.unit when 'months' then m.b[1]::timestamptz end, case p.unit when 'months' then m.b[2]::timestamptz end
    from ops.retention_policies p
    cross join lateral pg_partition_tree(to_regclass(p.table_name)) t
    join pg_class c on c.oid = t.relid
    join pg_class up on up.oid = t.parentrelid
    cross join lateral (
        select regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM [(]''?([^'')]+)''?[)] TO [(]''?([^'')]+)''?[)]') as b) m
    where t.isleaf and t.level > 0 and p.unit in ('blocks', 'months')
    order by p.table_name";

type Leaf = (
    String,
    String,
    Option<DateTime<Utc>>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<DateTime<Utc>>,
    Option<DateTime<Utc>>,
);

/// Every partition that a policy is about, in the order of their bounds.
pub(super) async fn units(connection: &mut PgConnection) -> Result<Vec<Unit>, MaintainError> {
    let leaves: Vec<Leaf> =
        sqlx::query_as(LEAVES).fetch_all(connection).await.map_err(wrong("reading the partitions"))?;
    let mut blocks: BTreeMap<Bounds, Unit> = BTreeMap::new();
    let mut months = Vec::new();
    for (table, name, cutoff, chain_id, from, to, from_time, to_time) in leaves {
        let partition = Partition { table, name };
        match (chain_id, from, to, from_time, to_time) {
            (Some(chain_id), Some(from), Some(to), ..) => {
                let bounds = Bounds::Blocks { chain_id, from, to };
                let unit = blocks.entry(bounds).or_insert(Unit { bounds, partitions: Vec::new(), cutoff });
                unit.partitions.push(partition);
                // The longest period of the tables counts for all.
                unit.cutoff = unit.cutoff.zip(cutoff).map(|(one, other)| one.min(other));
            }
            (_, _, _, Some(from), Some(to)) => {
                let bounds = Bounds::Month { from, to };
                months.push(Unit { bounds, partitions: vec![partition], cutoff });
            }
            _ => {}
        }
    }
    months.sort_by_key(|unit| unit.bounds);
    Ok(blocks.into_values().chain(months).collect())
}
