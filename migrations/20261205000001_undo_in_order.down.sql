set local lock_timeout = '500ms';
-- What a daemon that was not stopped is about to commit is waited for, and copied.
lock table ops.undo in access exclusive mode;

create temporary table kept_undo on commit drop as
select distinct on (chain_id, table_name, key, block_number) chain_id, table_name, key, block_number, before from ops.undo
order by chain_id, table_name, key, block_number, image;
drop table ops.undo;
create table ops.undo (
    chain_id bigint not null,
    table_name text not null,
    key jsonb not null,
    block_number bigint not null,
    before jsonb,
    primary key (chain_id, table_name, key, block_number)
);
create index undo_block on ops.undo (chain_id, block_number);
comment on table ops.undo is 'What rows were before each block above finality; pruned as blocks become final.';
comment on column ops.undo.chain_id is 'The chain.';
comment on column ops.undo.table_name is 'The table, without schema.';
comment on column ops.undo.key is 'The row''s primary key.';
comment on column ops.undo.block_number is 'The block that changed it.';
comment on column ops.undo.before is 'The row before that block; null where there was none.';
grant select, insert, update, delete on ops.undo to asset_indexer_writer;
insert into ops.undo (chain_id, table_name, key, block_number, before)
select chain_id, table_name, key, block_number, before from kept_undo;
drop table kept_undo;
