set local lock_timeout = '500ms';
create temporary table kept on commit drop as select * from chain.configured_contracts;
drop table chain.configured_contracts;
create table chain.configured_contracts (
    chain_id bigint not null,
    address chain.address not null,
    role text not null,
    start_block bigint not null,
    opening_hash chain.hash32,
    primary key (chain_id, address)
);
comment on table chain.configured_contracts is 'Contracts named by the configuration: where following starts.';
comment on column chain.configured_contracts.chain_id is 'The chain.';
comment on column chain.configured_contracts.address is 'The contract.';
comment on column chain.configured_contracts.role is 'What it is to the register.';
comment on column chain.configured_contracts.start_block is 'First block whose logs are read.';
comment on column chain.configured_contracts.opening_hash is 'Set where indexing starts after the first event on purpose: hash of the block before start_block, at which opening balances are observed.';
insert into chain.configured_contracts
select k.chain_id, k.address, k.role, coalesce(k.opening_block + 1, v.from_block, 0), k.opening_hash
from kept k
left join ops.coverage v on v.chain_id = k.chain_id and v.address = k.address;
drop table kept;
grant select, insert, update, delete on chain.configured_contracts to asset_indexer_writer;
grant select on chain.configured_contracts to asset_indexer_reader;
