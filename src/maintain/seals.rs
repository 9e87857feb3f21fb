//! Seals of a trail whose month goes or comes: what is left of each sealed stretch is written down.

use sqlx::postgres::PgConnection;

use super::{MaintainError, Partition, copy, run, wrong};

/// A month of a sealed trail, and the seals that cover its rows.
#[derive(Debug)]
pub(super) struct Sealed {
    partition: String,
    seals: Vec<i64>,
    /// Digest of the last of them.
    pub(super) closing: Option<String>,
}

impl Sealed {
    /// Without some of the seals.
    pub(super) fn without(mut self, seals: &[i64]) -> Self {
        self.seals.retain(|seal| !seals.contains(seal));
        self
    }
}

/// The trail's seals that do not hold; none where the table is not sealed.
pub(super) async fn broken(
    connection: &mut PgConnection,
    partition: &Partition,
) -> Result<Vec<i64>, MaintainError> {
    if partition.table != "app.audit_trail" {
        return Ok(Vec::new());
    }
    sqlx::query_scalar("select seal_id from app.broken_seals() where table_name = 'audit_trail'")
        .fetch_all(connection)
        .await
        .map_err(wrong("checking the seals of a month"))
}

/// The seals over a partition's rows; none where the table is not sealed.
pub(super) async fn of(
    connection: &mut PgConnection,
    partition: &Partition,
) -> Result<Option<Sealed>, MaintainError> {
    if partition.table != "app.audit_trail" {
        return Ok(None);
    }
    let during = "reading the seals of a month";
    let ends = format!("select array[min(id), max(id)] from {}", partition.qualified());
    let ends: Vec<Option<i64>> = copy::scalar(connection, during, ends).await?;
    let seals: Vec<(i64, String)> = sqlx::query_as(
        "select s.id, s.digest from app.audit_seals s
         where s.table_name = 'audit_trail' and s.first_row <= $2 and s.last_row >= $1 order by s.id",
    )
    .bind(ends[0])
    .bind(ends[1])
    .fetch_all(connection)
    .await
    .map_err(wrong(during))?;
    let closing = seals.last().map(|(_, digest)| digest.clone());
    let seals = seals.into_iter().map(|(id, _)| id).collect();
    Ok(Some(Sealed { partition: partition.name.clone(), seals, closing }))
}

/// Why a month's seals do not let it go: rows without a seal, or with one that does not hold.
pub(super) async fn objection(
    connection: &mut PgConnection,
    partition: &Partition,
    sealed: &Sealed,
) -> Result<Option<String>, MaintainError> {
    let during = "checking the seals of a month";
    let unsealed = format!(
        "select count(*) from {} t where t.id > coalesce(
             (select max(s.last_row) from app.audit_seals s where s.table_name = 'audit_trail'), 0)",
        partition.qualified()
    );
    let unsealed: i64 = copy::scalar(connection, during, unsealed).await?;
    if unsealed > 0 {
        return Ok(Some(format!(
            "{unsealed} rows are not sealed yet: a running worker, or the next run, seals them"
        )));
    }
    let broken: Option<(i64, String)> = sqlx::query_as(
        "select b.seal_id, b.reason from app.broken_seals() b where b.seal_id = any ($1) limit 1",
    )
    .bind(&sealed.seals)
    .fetch_optional(connection)
    .await
    .map_err(wrong(during))?;
    Ok(broken.map(|(seal, reason)| format!("seal {seal} does not hold: {reason}")))
}

/// Seals the trail as far as it is whole. Writers under way are waited for half a second; then it is not sealed now.
pub(super) async fn seal(connection: &mut PgConnection) -> Result<(), MaintainError> {
    let is_there = "select to_regprocedure('app.seal_trail(text, bigint)') is not null".to_owned();
    if !copy::scalar(connection, "looking for the application's tables", is_there).await? {
        return Ok(());
    }
    let end: Result<Option<i64>, _> =
        sqlx::query_scalar("select app.trail_end('audit_trail')").fetch_one(&mut *connection).await;
    let Ok(Some(end)) = end else { return Ok(()) };
    run(connection, "sealing the trail", format!("select app.seal_trail('audit_trail', {end})")).await
}

/// Writes down what the table holds of each stretch now.
pub(super) async fn keep(connection: &mut PgConnection, sealed: &Sealed) -> Result<(), MaintainError> {
    sqlx::query(
        "insert into app.seal_remainders (seal_id, partition, row_count, digest)
         select s.id, $2, d.row_count, d.digest
         from app.audit_seals s
         cross join lateral app.trail_digest(s.table_name, s.first_row, s.last_row, s.previous) d
         where s.id = any ($1) order by s.id",
    )
    .bind(&sealed.seals)
    .bind(&sealed.partition)
    .execute(connection)
    .await
    .map(drop)
    .map_err(wrong("writing down what is left of sealed stretches"))
}
