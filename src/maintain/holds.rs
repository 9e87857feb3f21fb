//! Legal holds: what they keep, and the words to say so.

use chrono::{DateTime, Utc};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use super::{Bounds, MaintainError, Partition, wrong};

/// What an asset or a person is named by in any row, as patterns of `like`: the id, and addresses without `0x`.
const NAMES: &str = "
    array(select '%' || n.name || '%' from (
        select h.asset_id::text
        union all select encode(a.contract_address::bytea, 'hex') from chain.assets a where a.id = h.asset_id
        union all select h.user_id::text{wallets}) n (name)
    where n.name is not null)";
const WALLETS: &str = " union all select lower(replace(w.wallet, '0x', '')) from app.wallet_links w where w.user_id = h.user_id";

/// Keeps holds from being placed or released until the transaction ends.
pub(super) const LOCK: &str = "lock table ops.legal_holds in share mode";

/// SQL for what the hold `h` is named by.
pub(super) async fn names(connection: &mut PgConnection) -> Result<String, MaintainError> {
    // Without the application nobody knows whose a wallet is.
    let linked: bool = sqlx::query_scalar("select to_regclass('app.wallet_links') is not null")
        .fetch_one(connection)
        .await
        .map_err(wrong("looking for the application's tables"))?;
    Ok(NAMES.replace("{wallets}", if linked { WALLETS } else { "" }))
}

/// A hold in words.
fn say((id, scope, reason, placed_by): (i64, String, String, String)) -> String {
    format!("legal hold {id} ({scope}; {placed_by}): {reason}")
}

/// The holds that stand on a partition. `lasts` is the time that its rows are of.
pub(super) async fn on_partition(
    connection: &mut PgConnection,
    partition: &Partition,
    bounds: &Bounds,
    lasts: (Option<DateTime<Utc>>, DateTime<Utc>),
) -> Result<Vec<String>, MaintainError> {
    let names = names(connection).await?;
    // A row as text has every id and every address in it, whatever column or JSON they are in.
    let sql = format!(
        "select h.id, h.scope, h.reason, h.placed_by from ops.legal_holds h
         where h.released_at is null and (h.table_name is null or h.table_name = $1) and case h.scope
             when 'table' then true
             -- A month ends before its end; a block's time is its own.
             when 'period' then (h.from_time < $3 or h.from_time = $3 and $4 is not null)
                 and h.to_time > coalesce($2, '-infinity')
             when 'blocks' then h.chain_id = $4 and h.from_block < $6 and h.to_block >= $5
             else exists (select from {} t where lower(t::text) like any ({names})) end
         order by h.id",
        partition.qualified()
    );
    let (chain_id, from, to) = match *bounds {
        Bounds::Blocks { chain_id, from, to } => (Some(chain_id), Some(from), Some(to)),
        Bounds::Month { .. } => (None, None, None),
    };
    let found: Vec<(i64, String, String, String)> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(&partition.table)
        .bind(lasts.0)
        .bind(lasts.1)
        .bind(chain_id)
        .bind(from)
        .bind(to)
        .fetch_all(connection)
        .await
        .map_err(wrong("reading the legal holds"))?;
    Ok(found.into_iter().map(say).collect())
}

/// The holds that stand on a whole table.
pub(super) async fn on_table(
    connection: &mut PgConnection,
    table: &str,
) -> Result<Vec<String>, MaintainError> {
    let found: Vec<(i64, String, String, String)> = sqlx::query_as(
        "select id, scope, reason, placed_by from ops.legal_holds
         where released_at is null and scope = 'table' and table_name = $1 order by id",
    )
    .bind(table)
    .fetch_all(connection)
    .await
    .map_err(wrong("reading the legal holds"))?;
    Ok(found.into_iter().map(say).collect())
}

/// The holds that may stand on an archived file: what it names cannot be seen without reading it, so that every hold on
/// an asset or a person counts.
pub(super) async fn on_file(
    connection: &mut PgConnection,
    table: &str,
    partition: &str,
) -> Result<Vec<String>, MaintainError> {
    let found: Vec<(i64, String, String, String)> = sqlx::query_as(
        "select h.id, h.scope, h.reason, h.placed_by
         from ops.legal_holds h join ops.archived_partitions a on a.table_name = $1 and a.partition = $2
         where h.released_at is null and (h.table_name is null or h.table_name = $1) and case h.scope
             when 'period' then h.from_time < coalesce(a.to_time, 'infinity') and h.to_time > coalesce(a.from_time, '-infinity')
             when 'blocks' then h.chain_id = a.chain_id and h.from_block < a.to_block and h.to_block >= a.from_block
             else true end
         order by h.id",
    )
    .bind(table)
    .bind(partition)
    .fetch_all(connection)
    .await
    .map_err(wrong("reading the legal holds"))?;
    Ok(found.into_iter().map(say).collect())
}
