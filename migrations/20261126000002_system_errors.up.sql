-- What went wrong in the daemon: one row a kind and spell, counted, closed when it has passed.
create table chain.system_errors (
    id uuid primary key default gen_random_uuid(),
    chain_id bigint,
    error_type text not null check (error_type ~ '^[a-z][a-z0-9_]*$'),
    error_message text not null check (length(error_message) <= 4000),
    stack_trace text,
    context jsonb not null default '{}' check (jsonb_typeof(context) = 'object'),
    source text not null default 'asset-indexer',
    occurred_at timestamptz not null default clock_timestamp(),
    last_at timestamptz not null default clock_timestamp(),
    occurrences bigint not null default 1 check (occurrences > 0),
    resolved_at timestamptz check (resolved_at >= occurred_at)
);
create unique index system_errors_open on chain.system_errors (source, chain_id, error_type) nulls not distinct where resolved_at is null;
create index system_errors_time on chain.system_errors (occurred_at desc);
comment on table chain.system_errors is 'Errors that somebody may have to look at: a row a kind from its first occurrence until it has passed.';
comment on column chain.system_errors.id is 'The spell.';
comment on column chain.system_errors.chain_id is 'The chain; null where it is about none.';
comment on column chain.system_errors.error_type is 'The kind.';
comment on column chain.system_errors.error_message is 'What it said last.';
comment on column chain.system_errors.stack_trace is 'Where in the program, if the program tells; the daemon''s messages say it themselves: null.';
comment on column chain.system_errors.context is 'What was being done.';
comment on column chain.system_errors.source is 'The program.';
comment on column chain.system_errors.occurred_at is 'First of the spell, by the database''s clock.';
comment on column chain.system_errors.last_at is 'Last of it.';
comment on column chain.system_errors.occurrences is 'How often.';
comment on column chain.system_errors.resolved_at is 'When it had passed; null while it lasts.';
insert into ops.table_classes (table_name, class) values ('chain.system_errors', 'evidence');

create view api.system_errors with (security_invoker = true) as
select e.id, e.error_type, e.error_message, e.stack_trace, e.context, e.occurred_at, e.resolved_at, e.last_at,
    e.occurrences, e.source, e.chain_id
from chain.system_errors e;
comment on view api.system_errors is 'Errors that somebody may have to look at. What lasts: where resolved_at is null.';

grant select, insert, update on chain.system_errors to asset_indexer_writer;
grant select on chain.system_errors, api.system_errors to asset_indexer_reader;
grant select on api.system_errors to asset_indexer_writer;
select ops.describe_views();
