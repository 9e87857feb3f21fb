-- What happened: a Transfer in each block of asset 0, and $TRANSACTIONS$ more among the others, one in ten of them a mint.
set session_replication_role = replica;
set synchronous_commit = off;
set work_mem = '256MB';
insert into chain.asset_events (chain_id, block_number, log_index, part, id, asset_id, block_hash, block_timestamp,
    transaction_hash, transaction_index, address, role, event_type, event_data, topic0, topic1, topic2, data)
select 1, b.n, 0, 0, md5('e' || b.n)::uuid, $ASSET$, b.hash, b.at, b.tx, 0, $TOKEN$, 'trex_token', 'Transfer', '{"value": "1"}',
    sha256('Transfer'), '\x000000000000000000000000'::bytea || f.address, '\x000000000000000000000000'::bytea || t.address, int8send(1)
from bench.block b
join bench.wallet f on f.n = b.n * 7919 % $HOLDERS$ join bench.wallet t on t.n = b.n * 104729 % $HOLDERS$
where b.n > 0;
create unlogged table bench.movement as
select i, 1 + i * 15485863 % ($ASSETS$ - 1) as asset, b.n as block_number, 100 + i % 10000000 as log_index,
    sha256(('m' || i)::bytea) as tx, b.hash, b.at, i % 10 = 0 as is_mint, (i * 104729 + i % 3 * 7919) % least($HOLDERS$, $USERS$) as giver,
    i * 7919 % least($HOLDERS$, $USERS$) as taker
from generate_series(0::bigint, $TRANSACTIONS$ - 1) i
join bench.block b on b.n = 1 + i * ($BLOCKS$ - 1) / $TRANSACTIONS$;
insert into chain.asset_events (chain_id, block_number, log_index, part, id, asset_id, block_hash, block_timestamp,
    transaction_hash, transaction_index, address, role, event_type, event_data, topic0, topic1, topic2, data)
select 1, m.block_number, m.log_index, 0, md5('m' || m.i)::uuid, a.id, m.hash, m.at, m.tx, m.i % 100, a.address,
    case when a.is_trex then 'trex_token' else 'erc20' end, 'Transfer', jsonb_build_object('value', (1000000000000 + m.i)::text),
    sha256('Transfer'),
    '\x000000000000000000000000'::bytea || case when m.is_mint then chain.zero_address() else f.address end,
    '\x000000000000000000000000'::bytea || t.address, sha256(int8send(m.i))
from bench.movement m join bench.asset a on a.n = m.asset
join bench.wallet f on f.n = m.giver join bench.wallet t on t.n = m.taker
order by m.i;
insert into chain.asset_transactions (chain_id, block_number, log_index, part, id, asset_id, block_hash, block_timestamp,
    transaction_hash, transaction_index, operation_type, event_count, transfer_count, amount)
select 1, m.block_number, m.log_index, 0, md5('t' || m.i)::uuid, a.id, m.hash, m.at, m.tx, m.i % 100,
    case when m.is_mint then 'mint' else 'transfer' end, 1, 1, 1000000000000 + m.i
from bench.movement m join bench.asset a on a.n = m.asset
order by m.i;
insert into chain.asset_operations (chain_id, block_number, log_index, part, id, asset_id, transaction_id, operation_type,
    to_address, amount, parameters, executed_at, block_hash, transaction_hash)
select 1, m.block_number, m.log_index, 0, md5('o' || m.i)::uuid, a.id, md5('t' || m.i)::uuid, 'mint', t.address,
    1000000000000 + m.i, '{}', m.at, m.hash, m.tx
from bench.movement m join bench.asset a on a.n = m.asset join bench.wallet t on t.n = m.taker
where m.is_mint
order by m.i;
insert into chain.system_events (chain_id, event_type, event_data, timestamp, source, severity)
select 1, (array['started', 'reorg', 'backfill', 'configuration', 'provider'])[1 + i % 5], jsonb_build_object('block', i, 'depth', i % 7),
    timestamptz '2021-11-01' + i * (interval '1825 days' / $SYSTEM_EVENTS$), 'asset-indexer',
    case when i % 50 = 0 then 'warning' else 'info' end
from generate_series(0::bigint, $SYSTEM_EVENTS$ - 1) i;
