-- One asset, $HOLDERS$ wallets, each changed $ROUNDS$ times: history in the order of blocks, as a chain brings it, 100
-- changes a block. Loaded past the indexer: what is measured is reading.
select ops.ensure_partitions(1, $CHANGES$ / 100 + 1);
create temp table wallet as
select n, substr(sha256(('holder' || n)::bytea), 1, 20) as address from generate_series(0::bigint, $HOLDERS$ - 1) n;
alter table wallet add primary key (n);
create temp table block as
select n, sha256(('b' || n)::bytea) as hash, sha256(('t' || n)::bytea) as tx, timestamptz '2026-01-01' + n * interval '12 s' as at
from generate_series(0::bigint, $CHANGES$ / 100) n;
alter table block add primary key (n);
analyze wallet;
analyze block;
-- Rounds go through the wallets in an order of their own: a wallet's changes lie far apart.
insert into chain.ownership_history (chain_id, asset_id, holder, block_number, log_index, id, balance, frozen, wallet_frozen,
    block_hash, timestamp, transaction_hash)
select 1, $ASSET$, w.address, b.n, i % 100, md5('h')::uuid,
    (i * 265443576 % 1000000007) * 1000000000000::numeric + i, 0, false, b.hash, b.at, b.tx
from generate_series(0::bigint, $CHANGES$ - 1) i
join wallet w on w.n = i * 7919 % $HOLDERS$
join block b on b.n = i / 100 + 1
order by i;
insert into chain.asset_holders (chain_id, asset_id, holder, balance, frozen, wallet_frozen, first_block, updated_block,
    updated_at)
select distinct on (holder) 1, asset_id, holder, balance, frozen, wallet_frozen, 1, block_number, timestamp
from chain.ownership_history
where block_number > ($CHANGES$ - $HOLDERS$) / 100
order by holder, block_number desc, log_index desc;
insert into chain.assets (chain_id, contract_address, id, asset_type, total_supply, holder_count, negative_balance,
    exceeds_uint256, unreadable_logs, created_block, created_at, name, symbol, decimals, frozen, squares)
select 1, $TOKEN$, $ASSET$, 'erc20', sum(balance), count(*), false, false, 0, 1, timestamptz '2026-01-01', 'asset', 'A', 18,
    sum(frozen), sum(balance * balance)
from chain.asset_holders;
insert into chain.asset_events (chain_id, block_number, log_index, part, id, asset_id, block_hash, block_timestamp,
    transaction_hash, transaction_index, address, role, event_type, event_data, topic0, data)
select 1, n, 0, 0, md5('e' || n)::uuid, $ASSET$, hash, at, tx, 0, $TOKEN$, 'erc20', 'Transfer', '{"value": "1"}',
    sha256('Transfer'), ''
from block where n > 0;
insert into ops.coverage (chain_id, address, from_block) values (1, $TOKEN$, 0);
insert into chain.checkpoints (chain_id, genesis_hash, block_number, block_hash, parent_hash, block_timestamp,
    finalized_number, finalized_hash, status, origin_number, origin_hash, verified_number, verified_hash)
select 1, sha256('g'), n, hash, sha256('p'), at, n, hash, 'running', 0, sha256('g'), 0, sha256('g')
from block order by n desc limit 1;
