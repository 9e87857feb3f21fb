//! Ground by itself: ids that can be computed, and logs that can be read again.

use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, Row as _};

use super::{Check, Finding, Snapshot, name};
use crate::block::Position;
use crate::decode::Decoder;
use crate::fact::{Entry, Role};
use crate::id;
use crate::row::Table;
use crate::store::StoreError;
use crate::store::postgres::{failed, read_events};
use crate::table::event::AssetEvent;

/// Events read again at once.
const PAGE: u32 = 5_000;

/// Every event's id is computed anew from its place.
pub(super) async fn event_ids(snapshot: &mut Snapshot) -> Result<Check, StoreError> {
    let mut check =
        Check::new("event_ids_are_computed", "Every event's id is the one that its place gives it.");
    let (name_of_check, chain_id, chain) = (check.name, snapshot.chain_id, snapshot.chain());
    let sql = format!(
        "select t.block_number, t.log_index, t.block_hash::bytea, t.id, t.part from {} t where t.chain_id = $1",
        name(AssetEvent::DEF)
    );
    let mut rows = sqlx::query(AssertSqlSafe(sql)).bind(chain).fetch(&mut snapshot.connection);
    while let Some(row) = rows.try_next().await.map_err(|error| failed("reading events", &error))? {
        check.examined += 1;
        let number = u64::try_from(row.get::<i64, _>(0)).unwrap_or_default();
        let log = u32::try_from(row.get::<i64, _>(1)).unwrap_or_default();
        let hash = row.get::<Vec<u8>, _>(2).as_slice().try_into().unwrap_or_default();
        let stored: uuid::Uuid = row.get(3);
        let computed = id::fact_id(AssetEvent::DEF.name, chain_id, number, hash, log, &[]);
        if stored != computed {
            let finding = Finding::of(name_of_check, "the id is not that of the event's place");
            let part = row.get::<i64, _>(4);
            let finding = finding.row(AssetEvent::DEF.name, event_key(number, log, part)).block(number);
            check.find(finding.values(stored.to_string(), computed.to_string()));
        }
    }
    Ok(check)
}

/// Every stored log is decoded again, in its role, and compared with what stands beside it.
///
/// # Errors
/// The database's.
pub async fn read_again(snapshot: &mut Snapshot, decoder: &Decoder) -> Result<Check, StoreError> {
    let mut check = Check::new(
        "events_are_read_alike",
        "Every stored log, decoded again, gives the name, data, asset and id that stand beside it.",
    );
    let mut after: Option<Position> = None;
    loop {
        let page = read_events(&mut snapshot.connection, snapshot.chain_id, after, PAGE).await;
        let page = page.map_err(|error| failed("reading events", &error))?;
        let Some(last) = page.last() else { return Ok(check) };
        after = Some(Position { block_number: last.block_number, log_index: last.log_index });
        for stored in &page {
            check.examined += 1;
            let again = read(stored, snapshot.chain_id, decoder);
            if again.as_ref() != Some(stored) {
                let key = event_key(stored.block_number, stored.log_index, stored.part.into());
                let finding =
                    Finding::of(check.name, "the log says another thing than the columns beside it");
                let finding = finding.row(AssetEvent::DEF.name, key).block(stored.block_number);
                let theirs = again.as_ref().map_or_else(|| "an unknown role".to_owned(), said);
                check.find(finding.values(said(stored), theirs));
            }
        }
    }
}

fn read(stored: &AssetEvent, chain_id: u64, decoder: &Decoder) -> Option<AssetEvent> {
    let (role, log) = (Role::from_name(&stored.role)?, stored.log());
    let reading = decoder.read(role, &log);
    let asset_id = role.is_token().then(|| id::asset_id(chain_id, log.address));
    Some(AssetEvent::of(chain_id, &Entry { time: stored.block_timestamp, log, role, asset_id, reading }))
}

/// An event's key as findings tell it.
pub(super) fn event_key(block: u64, log: u32, part: i64) -> String {
    format!("{{\"part\": {part}, \"log_index\": {log}, \"block_number\": {block}}}")
}

/// What is derived from the log, shortened.
fn said(event: &AssetEvent) -> String {
    let data = event.event_data.as_ref().map(ToString::to_string).unwrap_or_default();
    let text = format!(
        "{} {} {} {} {}",
        event.id,
        event.asset_id.map(|id| id.to_string()).unwrap_or_default(),
        event.event_type.as_deref().unwrap_or("-"),
        event.unreadable.as_deref().unwrap_or("-"),
        data
    );
    text.chars().take(300).collect()
}
