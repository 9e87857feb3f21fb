set local lock_timeout = '500ms';

delete from ops.undo u where exists (
    select from ops.undo earlier
    where earlier.chain_id = u.chain_id and earlier.block_number = u.block_number and earlier.table_name = u.table_name
        and earlier.key = u.key and earlier.image < u.image
);
alter table ops.undo drop column image;
alter table ops.undo add primary key (chain_id, table_name, key, block_number);
create index undo_block on ops.undo (chain_id, block_number);
comment on table ops.undo is 'What rows were before each block above finality; pruned as blocks become final.';
