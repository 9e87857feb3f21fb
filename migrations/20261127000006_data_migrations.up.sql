-- How far a data migration has come that works in batches, each a short transaction of its own: whoever is interrupted goes
-- on from here. The pattern: a procedure with a loop of batches by key, which moves last_key in the batch's transaction; and a
-- migration of one statement, `call`, outside of a transaction.
set local lock_timeout = '500ms';

create table ops.data_migrations (
    name text primary key check (name <> ''),
    last_key text,
    row_count bigint not null default 0,
    started_at timestamptz not null default clock_timestamp(),
    moved_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz
);
comment on table ops.data_migrations is 'How far data migrations have come that work in batches; one that is begun again when it had ended starts over.';
comment on column ops.data_migrations.name is 'What is filled.';
comment on column ops.data_migrations.last_key is 'The last key that was worked on; null: none yet.';
comment on column ops.data_migrations.row_count is 'Rows changed so far.';
comment on column ops.data_migrations.started_at is 'When it began.';
comment on column ops.data_migrations.moved_at is 'When the last batch was written.';
comment on column ops.data_migrations.finished_at is 'When it ended; null while it has not.';
insert into ops.table_classes (table_name, class) values ('ops.data_migrations', 'operation');
