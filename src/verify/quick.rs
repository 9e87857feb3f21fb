//! Level `quick`: invariants that the database can check by itself.

use super::{Check, Rule, Snapshot, catalogue, evidence, ground};
use crate::store::StoreError;

const RULES: [Rule; 16] = [
    Rule {
        name: "not_halted",
        sentence: "The chain is not halted.",
        examined: "select count(*) from chain.checkpoints where chain_id = $1",
        broken: "select 'checkpoints', null, k.block_number, k.status, 'running', k.halt_reason
                 from chain.checkpoints k where k.chain_id = $1 and k.status <> 'running'",
    },
    Rule {
        name: "supply_is_sum_of_balances",
        sentence: "The balances of every asset sum to its supply.",
        examined: "select count(*) from chain.assets where chain_id = $1 and complete_from is null",
        broken: "select 'assets', jsonb_build_object('id', a.id)::text, null::bigint, a.total_supply::text,
                     coalesce(s.balances, 0)::text, 'the supply is not the sum of the balances'
                 from chain.assets a
                 left join (
                     select h.asset_id, sum(h.balance) as balances from chain.asset_holders h
                     where h.chain_id = $1 group by 1) s on s.asset_id = a.id
                 where a.chain_id = $1 and a.complete_from is null and a.total_supply <> coalesce(s.balances, 0)",
    },
    Rule {
        name: "holders_are_counted",
        sentence: "Every asset counts its holders.",
        examined: "select count(*) from chain.assets where chain_id = $1 and complete_from is null",
        broken: "select 'assets', jsonb_build_object('id', a.id)::text, null::bigint, a.holder_count::text,
                     coalesce(s.holders, 0)::text, 'holder_count is not the number of wallets with a balance'
                 from chain.assets a
                 left join (
                     select h.asset_id, count(*) as holders from chain.asset_holders h
                     where h.chain_id = $1 and h.balance <> 0 group by 1) s on s.asset_id = a.id
                 where a.chain_id = $1 and a.complete_from is null and a.holder_count <> coalesce(s.holders, 0)",
    },
    Rule {
        name: "sums_are_of_all_holders",
        sentence: "Every asset's sums of frozen parts and of squared balances are those of its holders.",
        examined: "select count(*) from chain.assets where chain_id = $1",
        broken: "select 'assets', jsonb_build_object('id', a.id)::text, null::bigint, concat_ws(' ', a.frozen, a.squares),
                     concat_ws(' ', coalesce(s.frozen, 0), coalesce(s.squares, 0)),
                     'frozen and squares are not the sums over the holders'
                 from chain.assets a
                 left join (
                     select h.asset_id, sum(h.frozen) as frozen, sum(h.balance * h.balance) as squares
                     from chain.asset_holders h where h.chain_id = $1 group by 1) s on s.asset_id = a.id
                 where a.chain_id = $1 and (a.frozen, a.squares) <> (coalesce(s.frozen, 0), coalesce(s.squares, 0))",
    },
    Rule {
        name: "days_make_the_figures",
        sentence: "What the days of an asset minted and burned makes its supply, and its newest day has its figures.",
        examined: "select count(*) from chain.assets where chain_id = $1",
        broken: "select 'assets', jsonb_build_object('id', a.id)::text, n.updated_block,
                     concat_ws(' ', a.total_supply, a.holder_count, a.frozen, a.squares),
                     concat_ws(' ', coalesce(s.supply, 0), coalesce(n.total_supply, 0), coalesce(n.holder_count, 0),
                         coalesce(n.frozen, 0), coalesce(n.squares, 0)),
                     'supply by all days, and the newest day''s supply, holders, frozen and squares, are not the asset''s; '
                         || 'rows of asset_days are missing or wrong: run rebuild'
                 from chain.assets a
                 left join lateral (
                     select sum(y.minted - y.burned) as supply from chain.asset_days y
                     where y.chain_id = a.chain_id and y.asset_id = a.id) s on true
                 left join lateral (
                     select y.* from chain.asset_days y where y.chain_id = a.chain_id and y.asset_id = a.id
                     order by y.updated_block desc, y.day desc limit 1) n on true
                 where a.chain_id = $1
                     and (a.complete_from is null and a.total_supply <> coalesce(s.supply, 0)
                         or (a.holder_count, a.frozen, a.squares)
                             <> (coalesce(n.holder_count, 0), coalesce(n.frozen, 0), coalesce(n.squares, 0))
                         or a.total_supply <> coalesce(n.total_supply, case when a.complete_from is null then 0
                             else a.total_supply end))",
    },
    Rule {
        name: "holders_equal_their_history",
        sentence: "Every holder's position is that of the last row of its history.",
        examined: "select count(*) from chain.asset_holders where chain_id = $1",
        broken: "select 'asset_holders', jsonb_build_object('asset_id', h.asset_id, 'holder', api.hex(h.holder))::text,
                     h.updated_block, concat_ws(' ', h.balance, h.frozen, h.wallet_frozen),
                     coalesce(nullif(concat_ws(' ', n.balance, n.frozen, n.wallet_frozen), ''), 'none'),
                     'balance, frozen part and freeze are not those of the last row of ownership_history'
                 from chain.asset_holders h
                 left join lateral (
                     select n.balance, n.frozen, n.wallet_frozen from chain.ownership_history n
                     where n.chain_id = h.chain_id and n.asset_id = h.asset_id and n.holder = h.holder
                     order by n.block_number desc, n.log_index desc limit 1) n on true
                 where h.chain_id = $1 and (h.balance, h.frozen, h.wallet_frozen)
                     is distinct from (n.balance, n.frozen, n.wallet_frozen)",
    },
    Rule {
        name: "history_has_its_holder",
        sentence: "Every history belongs to a holder.",
        examined: "select count(*) from (
                       select distinct asset_id, holder from chain.ownership_history where chain_id = $1) x",
        broken: "select 'asset_holders', jsonb_build_object('asset_id', n.asset_id, 'holder', api.hex(n.holder))::text,
                     null::bigint, 'none', 'a row', 'ownership_history has rows of a wallet that asset_holders has not'
                 from (
                     select asset_id, holder::bytea from chain.ownership_history where chain_id = $1
                     except select asset_id, holder::bytea from chain.asset_holders where chain_id = $1
                 ) n(asset_id, holder)",
    },
    Rule {
        name: "events_are_of_known_contracts",
        sentence: "Every event is of a watched contract, in its role, and of its asset.",
        examined: "select count(*) from chain.asset_events where chain_id = $1",
        broken: "select 'asset_events',
                     jsonb_build_object('block_number', e.block_number, 'log_index', e.log_index, 'part', e.part)::text,
                     e.block_number, concat_ws(' ', e.role, e.asset_id), concat_ws(' ', c.role, a.id),
                     case when c.address is null then 'the contract is not in contracts'
                         when c.role <> e.role then 'the role is not the contract''s'
                         else 'asset_id is not the id of the contract''s asset' end
                 from chain.asset_events e
                 left join chain.contracts c on c.chain_id = e.chain_id and c.address = e.address
                 left join chain.assets a on a.chain_id = e.chain_id and a.contract_address = e.address
                 where e.chain_id = $1
                     and (c.address is null or c.role <> e.role or e.asset_id is distinct from a.id)",
    },
    Rule {
        name: "events_are_decoded_or_say_why_not",
        sentence: "Every event is decoded or says why not, and an asset counts those that are not.",
        examined: "select count(*) from chain.assets where chain_id = $1",
        broken: "select 'asset_events',
                     jsonb_build_object('block_number', e.block_number, 'log_index', e.log_index, 'part', e.part)::text,
                     e.block_number, e.event_type, e.unreadable, 'either a name or a reason must be there'
                 from chain.asset_events e
                 where e.chain_id = $1 and ((e.event_type is null) = (e.unreadable is null)
                     or (e.event_type is null) <> (e.event_data is null))
                 union all
                 select 'assets', jsonb_build_object('id', a.id)::text, null, a.unreadable_logs::text,
                     coalesce(u.logs, 0)::text, 'unreadable_logs is not the number of unreadable events'
                 from chain.assets a
                 left join (
                     select x.asset_id, sum(x.logs) as logs from (
                         select e.asset_id, count(*) as logs from chain.asset_events e
                         where e.chain_id = $1 and e.unreadable is not null group by 1
                         union all
                         -- Events in files are counted where they were put away.
                         select c.key::uuid, c.value::bigint
                         from ops.archived_partitions p cross join lateral jsonb_each_text(p.unreadable) c
                         where p.chain_id = $1 and p.attached_at is null) x (asset_id, logs)
                     group by 1) u on u.asset_id = a.id
                 where a.chain_id = $1 and a.unreadable_logs <> coalesce(u.logs, 0)",
    },
    Rule {
        name: "transactions_count_their_events",
        sentence: "The transactions of every asset count all of its events.",
        examined: "select count(*) from chain.asset_transactions where chain_id = $1",
        broken: "select 'asset_transactions', jsonb_build_object('asset_id', e.asset_id, 'transaction_hash',
                         api.hex(e.transaction_hash))::text,
                     e.block_number, coalesce(t.event_count, 0)::text, e.events::text,
                     'event_count is not the number of events'
                 from (
                     select asset_id, transaction_hash::bytea, block_number, count(*) as events
                     from chain.asset_events where chain_id = $1 and asset_id is not null group by 1, 2, 3
                 ) e(asset_id, transaction_hash, block_number, events)
                 full join (
                     select asset_id, transaction_hash::bytea, block_number, sum(event_count) as event_count
                     from chain.asset_transactions where chain_id = $1 group by 1, 2, 3
                 ) t(asset_id, transaction_hash, block_number, event_count)
                     using (asset_id, transaction_hash, block_number)
                 where e.events is distinct from t.event_count",
    },
    Rule {
        name: "blocks_have_one_hash",
        sentence: "All rows of a block name one hash and one time of it, and so do headers, evidence and checkpoint.",
        examined: "select count(distinct block_number) from chain.asset_events where chain_id = $1",
        broken: "select 'asset_events', jsonb_build_object('block_number', b.number)::text, b.number,
                     string_agg(distinct api.hex(b.hash), ' '), string_agg(distinct b.time::text, ' '),
                     'tables name ' || count(distinct b.hash) || ' hashes and ' || count(distinct b.time)
                         || ' times of one block'
                 from (
                     select block_number, block_hash::bytea, extract(epoch from block_timestamp)
                         from chain.asset_events where chain_id = $1
                     union select block_number, block_hash::bytea, extract(epoch from block_timestamp)
                         from chain.asset_transactions where chain_id = $1
                     union select block_number, block_hash::bytea, extract(epoch from executed_at)
                         from chain.asset_operations where chain_id = $1
                     union select block_number, block_hash::bytea, extract(epoch from timestamp)
                         from chain.ownership_history where chain_id = $1
                     union select block_number, block_hash::bytea, block_timestamp
                         from ops.headers where chain_id = $1
                     union select block_number, block_hash::bytea, extract(epoch from block_timestamp)
                         from chain.checkpoints where chain_id = $1
                     union select block_number, block_hash::bytea, null from chain.observations where chain_id = $1
                     union select to_block, block_hash::bytea, null from ops.evidence where chain_id = $1
                     union select from_block - 1, parent_hash::bytea, null from ops.evidence where chain_id = $1
                     union select finalized_number, finalized_hash::bytea, null
                         from chain.checkpoints where chain_id = $1 and finalized_number <= block_number
                 ) b(number, hash, time)
                 group by b.number having count(distinct b.hash) > 1 or count(distinct b.time) > 1",
    },
    Rule {
        name: "headers_hang_together",
        sentence: "The headers above finality hang on each other, up to the checkpoint.",
        examined: "select count(*) from ops.headers where chain_id = $1",
        broken: "select 'headers', jsonb_build_object('block_number', h.block_number)::text, h.block_number,
                     api.hex(h.parent_hash), api.hex(h.below), 'the header does not hang on the one below'
                 from (
                     select x.*, lag(x.block_hash) over w as below, lag(x.block_number) over w as number_below
                     from ops.headers x where x.chain_id = $1 window w as (order by x.block_number)
                 ) h join chain.checkpoints k on k.chain_id = h.chain_id
                 where h.number_below = h.block_number - 1 and h.below <> h.parent_hash
                     or h.number_below < h.block_number - 1 and h.number_below >= k.finalized_number
                     or h.block_number > k.block_number
                 union all
                 select 'headers', jsonb_build_object('block_number', k.block_number)::text, k.block_number, 'none',
                     api.hex(k.block_hash), 'the checkpoint''s header is missing'
                 from chain.checkpoints k where k.chain_id = $1 and not exists (
                     select from ops.headers h where h.chain_id = k.chain_id and h.block_number = k.block_number
                         and h.block_hash = k.block_hash)",
    },
    Rule {
        name: "undo_is_above_finality",
        sentence: "The undo journal holds blocks above finality and up to the checkpoint, and nothing else.",
        examined: "select count(*) from ops.undo where chain_id = $1",
        broken: "select 'undo', u.table_name || ' ' || u.key::text, u.block_number, u.block_number::text,
                     k.finalized_number + 1 || ' to ' || k.block_number, 'a before-image of a block outside'
                 from ops.undo u join chain.checkpoints k on k.chain_id = u.chain_id
                 where u.chain_id = $1
                     and (u.block_number <= k.finalized_number or u.block_number > k.block_number)",
    },
    Rule {
        name: "contracts_are_covered",
        sentence: "Every watched contract has its coverage; what the configuration named is as it was named.",
        examined: "select count(*) from chain.contracts where chain_id = $1",
        broken: "select 'contracts', jsonb_build_object('address', api.hex(coalesce(c.address, v.address)))::text,
                     null::bigint, c.role, null, case when c.address is null
                         then 'ops.coverage speaks of a contract that is not watched'
                         else 'a watched contract without coverage' end
                 from (select * from chain.contracts where chain_id = $1) c
                 full join (select * from ops.coverage where chain_id = $1) v on v.address = c.address
                 where c.address is null or v.address is null
                 union all
                 select 'configured_contracts', jsonb_build_object('address', api.hex(f.address))::text, f.opening_block + 1,
                     concat_ws(' ', f.role, f.opening_block + 1), concat_ws(' ', c.role, v.from_block),
                     'role and first block are not those that the contract is followed with'
                 from chain.configured_contracts f
                 left join chain.contracts c on c.chain_id = f.chain_id and c.address = f.address
                 left join ops.coverage v on v.chain_id = f.chain_id and v.address = f.address
                 where f.chain_id = $1 and (c.role is distinct from f.role
                     or c.announced_by is null and v.from_block <> f.opening_block + 1)",
    },
    Rule {
        name: "no_drift_stands",
        sentence: "No difference between tables and contracts stands.",
        examined: "select count(*) from ops.drift where chain_id = $1",
        broken: "select 'drift', jsonb_build_object('asset_id', d.asset_id, 'what', d.what,
                         'wallet', api.hex(d.wallet))::text,
                     d.block_number, d.ours, d.theirs,
                     'reconciliation found a difference' || coalesce('; flags: ' || d.flags, '')
                 from ops.drift d where d.chain_id = $1 and d.resolved_at is null",
    },
    Rule {
        name: "inputs_belong_to_events",
        sentence: "Every stored input belongs to a transaction with events, every observation to a watched contract.",
        examined: "select count(*) from chain.transaction_inputs where chain_id = $1",
        broken: "select 'transaction_inputs', jsonb_build_object('block_number', i.block_number,
                         'transaction_index', i.transaction_index)::text,
                     i.block_number, api.hex(i.transaction_hash), null, 'no event is of this transaction'
                 from chain.transaction_inputs i
                 where i.chain_id = $1 and not exists (
                     select from chain.asset_events e where e.chain_id = i.chain_id
                         and e.block_number = i.block_number and e.transaction_index = i.transaction_index
                         and e.transaction_hash = i.transaction_hash)
                     and not exists (
                         select from ops.archived_partitions p where p.table_name = 'chain.asset_events'
                             and p.chain_id = i.chain_id and p.attached_at is null
                             and i.block_number >= p.from_block and i.block_number < p.to_block)
                 union all
                 select 'observations', jsonb_build_object('block_number', o.block_number, 'target', api.hex(o.target),
                         'input', api.hex(o.input))::text,
                     o.block_number, o.outcome, null, 'the contract is not watched'
                 from chain.observations o
                 where o.chain_id = $1 and not exists (
                     select from chain.contracts c where c.chain_id = o.chain_id and c.address = o.target)",
    },
];

/// All checks of the level.
///
/// # Errors
/// The database's.
pub async fn quick(snapshot: &mut Snapshot) -> Result<Vec<Check>, StoreError> {
    let mut checks = snapshot.keep(&RULES).await?;
    checks.extend(catalogue::checks(snapshot).await?);
    checks.push(evidence::check(snapshot).await?);
    checks.push(ground::event_ids(snapshot).await?);
    Ok(checks)
}
