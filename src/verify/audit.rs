//! Level `audit`: what is told of the past, against itself and against the tables.

use super::{Check, Rule, Snapshot};
use crate::store::StoreError;

const RULES: [Rule; 4] = [
    Rule {
        name: "withdrawn_is_gone",
        sentence: "A withdrawn event is not in the tables, unless its block came back by a later reorg or rewind.",
        examined: "select count(*) from chain.audit_trail where chain_id = $1 and entity_type = 'asset_events'
                   and action = 'withdrawn'",
        broken: "select 'asset_events', t.entity_id, t.block_number, t.old_state->>'block_hash', null,
                     'the event was withdrawn and stands in the tables, and nothing tells how it came back'
                 from chain.audit_trail t
                 join chain.asset_events e on e.chain_id = t.chain_id and e.block_number = t.block_number
                     and e.log_index = (t.old_state->>'log_index')::bigint
                     and e.id = (t.old_state->>'id')::uuid
                 where t.chain_id = $1 and t.entity_type = 'asset_events' and t.action = 'withdrawn'
                     and t.actor = 'reorg'
                     and not exists (
                         select from chain.audit_trail later
                         where later.chain_id = t.chain_id and later.id > t.id and later.action = 'withdrawn'
                             and later.block_number <= t.block_number
                             and (later.replaced_by is distinct from t.replaced_by or later.actor <> t.actor))
                     and not exists (
                         select from chain.system_events s
                         where s.chain_id = t.chain_id and s.timestamp > t.timestamp
                             and s.event_type in ('reorg', 'rewind', 'repair')
                             and position(api.hex(t.replaced_by) || ' stands there now'
                                 in s.event_data->>'message') = 0)",
    },
    Rule {
        name: "trail_is_told_as_events",
        sentence: "Everything in the audit trail belongs to a reorg, a rewind or a repair among the system's events.",
        examined: "select count(*) from chain.audit_trail where chain_id = $1",
        broken: "select 'audit_trail', jsonb_build_object('id', min(t.id))::text, min(t.block_number), t.actor, null,
                     count(*) || ' rows of a ' || t.action || ' that no system event tells of'
                 from chain.audit_trail t
                 where t.chain_id = $1 and not exists (
                     select from chain.system_events s
                     where s.chain_id = t.chain_id
                         and s.event_type = case
                             when t.action = 'repaired' then 'repair'
                             when t.actor = 'reorg' then 'reorg' else 'rewind' end
                         and position(case when t.actor = 'reorg' then api.hex(t.replaced_by) else t.actor end
                             in s.event_data->>'message') > 0)
                 group by t.action, t.actor, t.replaced_by",
    },
    Rule {
        name: "trail_holds_its_states",
        sentence: "Every row of the audit trail holds the states that its action speaks of, of a table that there is.",
        examined: "select count(*) from chain.audit_trail where chain_id = $1",
        broken: "select 'audit_trail', jsonb_build_object('id', t.id)::text, t.block_number, t.action, null,
                     case when k.table_name is null then 'there is no table ' || t.entity_type
                         when t.old_state ? 'chain_id' and (t.old_state->>'chain_id')::bigint <> t.chain_id
                             then 'the state is of another chain'
                         else 'a state is missing' end
                 from chain.audit_trail t
                 left join ops.table_classes k
                     on k.table_name in ('chain.' || t.entity_type, 'ops.' || t.entity_type)
                 where t.chain_id = $1 and (k.table_name is null
                     or t.action = 'withdrawn' and t.old_state is null
                     or t.action = 'restored' and (t.old_state is null or t.new_state is null)
                     or t.action = 'repaired' and t.old_state is null and t.new_state is null
                     or t.old_state ? 'chain_id' and (t.old_state->>'chain_id')::bigint <> t.chain_id)",
    },
    Rule {
        name: "reorgs_left_their_rows",
        sentence: "The rows that a reorg took back lie in the blocks that it tells of.",
        examined: "select count(*) from chain.system_events
                   where chain_id = $1 and event_type in ('reorg', 'rewind')",
        broken: "select 'system_events', jsonb_build_object('id', s.id)::text, x.lowest, x.lowest || ' to ' || x.highest,
                     s.first_block || ' to ' || s.last_block, 'rows were withdrawn of blocks that the event does not name'
                 from (
                     select e.id, e.event_data->>'message' as message,
                         (regexp_match(e.event_data->>'message', '^blocks (\\d+) to (\\d+) '))[1]::bigint as first_block,
                         (regexp_match(e.event_data->>'message', '^blocks (\\d+) to (\\d+) '))[2]::bigint as last_block
                     from chain.system_events e where e.chain_id = $1 and e.event_type = 'reorg'
                 ) s
                 cross join lateral (
                     select min(t.block_number) as lowest, max(t.block_number) as highest from chain.audit_trail t
                     where t.chain_id = $1 and t.actor = 'reorg' and t.action = 'withdrawn'
                         and t.entity_type = 'asset_events'
                         and position(api.hex(t.replaced_by) in s.message) > 0
                         -- A late contract's older events are withdrawn with the block that announced it.
                         and t.old_state->>'block_number' is not null
                         and not exists (
                             select from chain.system_events other
                             where other.chain_id = $1 and other.event_type = 'reorg' and other.id <> s.id
                                 and position(api.hex(t.replaced_by) in other.event_data->>'message') > 0)
                 ) x
                 where x.highest > s.last_block or s.first_block is null",
    },
];

/// Where the application's tables are.
const SEALED: Rule = Rule {
    name: "trail_is_as_it_was_sealed",
    sentence: "The application's trails are what their chain of seals says.",
    examined: "select app.sealed_rows() where $1::bigint is not null",
    broken: "select 'app.' || b.table_name, jsonb_build_object('seal', b.seal_id)::text, null::bigint,
                 'rows ' || b.first_row || ' to ' || b.last_row, null, b.reason
             from app.broken_seals() b where $1::bigint is not null",
};

/// All checks of the level.
///
/// # Errors
/// The database's.
pub async fn audit(snapshot: &mut Snapshot) -> Result<Vec<Check>, StoreError> {
    let mut checks = snapshot.keep(&RULES).await?;
    let may_look = "select count(*) from pg_proc p join pg_namespace n on n.oid = p.pronamespace
         where $1::bigint is not null and n.nspname = 'app' and p.proname = 'broken_seals'
             and has_schema_privilege(n.oid, 'usage') and has_function_privilege(p.oid, 'execute')";
    if snapshot.count(may_look).await? > 0 {
        checks.extend(snapshot.keep(&[SEALED]).await?);
    }
    Ok(checks)
}
