-- Reconciliation: where a contract, asked at the checkpoint's block hash, says another thing than the tables.
--
-- No chain-derived row knows of it: what a node answered is evidence, joined when it is read.
create table ops.drift (
    id bigint generated always as identity primary key,
    chain_id bigint not null,
    asset_id uuid not null,
    what text not null check (what in (
        'total_supply', 'balance', 'frozen', 'wallet_frozen', 'identity', 'country', 'registered', 'verified')),
    wallet chain.address,
    ours text not null,
    theirs text not null,
    flags text,
    block_number bigint not null,
    block_hash chain.hash32 not null,
    provider text not null,
    found_at timestamptz not null default clock_timestamp(),
    resolved_block bigint,
    resolved_at timestamptz,
    check ((what = 'total_supply') = (wallet is null)),
    check ((resolved_block is null) = (resolved_at is null))
);
comment on table ops.drift is 'Differences between tables and contracts that two looks at two blocks found, until a later look finds them gone.';
comment on column ops.drift.id is 'Counts.';
comment on column ops.drift.chain_id is 'The chain.';
comment on column ops.drift.asset_id is 'The asset.';
comment on column ops.drift.what is 'What differs: total_supply, or of a wallet balance, frozen, wallet_frozen, identity, country, registered, verified.';
comment on column ops.drift.wallet is 'The wallet; null for the supply.';
comment on column ops.drift.ours is 'What the tables say.';
comment on column ops.drift.theirs is 'What the contract answers.';
comment on column ops.drift.flags is 'Flags of the asset that may explain it.';
comment on column ops.drift.block_number is 'The block at whose end it was last asked and differed.';
comment on column ops.drift.block_hash is 'Hash of that block.';
comment on column ops.drift.provider is 'Alias of the provider that answered.';
comment on column ops.drift.found_at is 'When it was written down, by the database''s clock.';
comment on column ops.drift.resolved_block is 'The block at whose end both agreed again.';
comment on column ops.drift.resolved_at is 'When; null while the difference stands.';
create unique index drift_open on ops.drift (chain_id, asset_id, what, wallet) nulls not distinct where resolved_at is null;

insert into ops.table_classes (table_name, class) values ('ops.drift', 'evidence');
grant select, insert, update on ops.drift to asset_indexer_writer;
grant select on ops.drift to asset_indexer_reader;

create or replace view api.assets with (security_invoker = true) as
select a.chain_id, a.id, api.hex(a.contract_address) as contract_address, a.asset_type, a.name, a.symbol, a.decimals,
    a.version, case when a.paused then 'paused' else 'active' end as status, a.paused,
    api.units(a.total_supply, a.decimals) as total_supply, a.total_supply as total_supply_base, a.holder_count,
    api.hex(r.target) as identity_registry, api.hex(c.target) as compliance, api.hex(o.target) as onchain_id,
    a.complete_from, v.through_block is not null as catching_up,
    a.negative_balance, a.exceeds_uint256, a.unreadable_logs, a.created_block, a.created_at,
    a.contract_address::bytea as contract_address_bytes,
    k.block_number as as_of_block, chain.finality(a.created_block, k.finalized_number) as finality,
    exists (
        select from ops.drift d
        where d.chain_id = a.chain_id and d.asset_id = a.id and d.resolved_at is null) as suspect
from chain.assets a
left join chain.checkpoints k on k.chain_id = a.chain_id
left join ops.coverage v on v.chain_id = a.chain_id and v.address = a.contract_address
left join chain.contract_links r on r.chain_id = a.chain_id and r.address = a.contract_address
    and r.link = 'identity_registry' and r.slot = chain.zero_address() and r.to_block is null
left join chain.contract_links c on c.chain_id = a.chain_id and c.address = a.contract_address
    and c.link = 'compliance' and c.slot = chain.zero_address() and c.to_block is null
left join chain.contract_links o on o.chain_id = a.chain_id and o.address = a.contract_address
    and o.link = 'onchain_id' and o.slot = chain.zero_address() and o.to_block is null;
comment on column api.assets.suspect is 'A contract''s answer at a block differs from the tables, twice: see api.drift. The rows are what the logs say.';

create view api.drift with (security_invoker = true) as
select d.chain_id, d.id, d.asset_id, d.what, api.hex(d.wallet) as wallet, d.ours, d.theirs, d.flags, d.block_number,
    api.hex(d.block_hash) as block_hash, d.provider, d.found_at, d.resolved_block, d.resolved_at,
    d.resolved_at is null as stands
from ops.drift d;
comment on view api.drift is 'Where a contract, asked at a block''s hash, said another thing than the tables: what stands, and what was resolved.';
grant select on api.drift to asset_indexer_reader, asset_indexer_writer;
