-- The undo journal keeps its images in the order they were written, instead of one for each key and block: what is put in
-- goes to the end of its index, and nothing has to be looked for. Of several images of a key the oldest counts, as before.
set local lock_timeout = '500ms';

alter table ops.undo drop constraint undo_pkey;
drop index ops.undo_block;
alter table ops.undo add column image bigint generated always as identity;
alter table ops.undo add primary key (chain_id, block_number, image);
comment on table ops.undo is 'What rows were before each block above finality, in the order in which they were changed; pruned as blocks become final.';
comment on column ops.undo.image is 'Counts up: of the images of a key the first of the lowest block is what was there before.';
