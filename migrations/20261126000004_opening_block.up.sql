-- Where reading starts is the daemon's business (ops.coverage says it): it depends on when it was asked. Ground holds what
-- the configuration decides about the rows, the block of the opening balances, so that two registers of one chain agree.
-- The table has a row for each line of the configuration: it is made anew, with its columns in their order.
set local lock_timeout = '500ms';
create temporary table kept on commit drop as select * from chain.configured_contracts;
drop table chain.configured_contracts;
create table chain.configured_contracts (
    chain_id bigint not null,
    address chain.address not null,
    role text not null,
    opening_hash chain.hash32,
    opening_block bigint,
    primary key (chain_id, address)
);
comment on table chain.configured_contracts is 'Contracts named by the configuration: where following starts.';
comment on column chain.configured_contracts.chain_id is 'The chain.';
comment on column chain.configured_contracts.address is 'The contract.';
comment on column chain.configured_contracts.role is 'What it is to the register.';
comment on column chain.configured_contracts.opening_hash is 'Hash of opening_block.';
comment on column chain.configured_contracts.opening_block is 'Set where indexing starts after the first event on purpose: the block before the first one read, at which opening balances are observed.';
insert into chain.configured_contracts
select chain_id, address, role, opening_hash, case when opening_hash is not null then greatest(start_block - 1, 0) end
from kept;
drop table kept;
grant select, insert, update, delete on chain.configured_contracts to asset_indexer_writer;
grant select on chain.configured_contracts to asset_indexer_reader;
