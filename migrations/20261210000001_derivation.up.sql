-- What of the configuration rows are derived with (events of operators' ABIs, what is told of claim topics, the floor of history):
-- who was configured otherwise derived other rows, and nobody was told.
set local lock_timeout = '500ms';

create table ops.derivation (
    chain_id bigint not null,
    part text not null,
    value text,
    since timestamptz not null default clock_timestamp(),
    is_mixed boolean not null default false,
    primary key (chain_id, part)
);
comment on table ops.derivation is 'What of the configuration the rows of a chain are derived with, part by part, as the last writer was configured. Written by the daemon when it begins, and by a rebuild; empty where neither was since the upgrade. Contracts are in chain.configured_contracts.';
comment on column ops.derivation.chain_id is 'The chain.';
comment on column ops.derivation.part is 'What it is: an event that an ABI file adds to a role, a claim topic (* for all others), or chain.floor_block.';
comment on column ops.derivation.value is 'What it is told; where that is long, its beginning with its SHA-256. Null: it is not configured any more, and some rows may be derived with it.';
comment on column ops.derivation.since is 'When it was written down, by the database''s clock.';
comment on column ops.derivation.is_mixed is 'Whether rows that were written before may be derived otherwise, until a rebuild.';
insert into ops.table_classes (table_name, class) values ('ops.derivation', 'operation');
grant select, insert, update, delete on ops.derivation to asset_indexer_writer;
grant select on ops.derivation to asset_indexer_reader;
