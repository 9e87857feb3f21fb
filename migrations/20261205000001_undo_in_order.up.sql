-- The undo journal keeps its images in the order they were written, instead of one for each key and block: what is put in
-- goes to the end of its index, and nothing has to be looked for. Of several images of a key the oldest counts, as before.
set local lock_timeout = '500ms';
-- What a daemon that was not stopped is about to commit is waited for, and copied.
lock table ops.undo in access exclusive mode;

create temporary table kept_undo on commit drop as table ops.undo;
drop table ops.undo;
create table ops.undo (
    chain_id bigint not null,
    block_number bigint not null,
    image bigint generated always as identity,
    table_name text not null,
    key jsonb not null,
    before jsonb,
    primary key (chain_id, block_number, image)
);
comment on table ops.undo is 'What rows were before each block above finality, in the order in which they were changed; pruned as blocks become final.';
comment on column ops.undo.chain_id is 'The chain.';
comment on column ops.undo.block_number is 'The block that changed it.';
comment on column ops.undo.image is 'Counts up: of the images of a key the first of the lowest block is what was there before.';
comment on column ops.undo.table_name is 'The table, without schema.';
comment on column ops.undo.key is 'The row''s primary key.';
comment on column ops.undo.before is 'The row before that block; null where there was none.';
grant select, insert, update, delete on ops.undo to asset_indexer_writer;
insert into ops.undo (chain_id, block_number, table_name, key, before)
select chain_id, block_number, table_name, key, before from kept_undo;
drop table kept_undo;
