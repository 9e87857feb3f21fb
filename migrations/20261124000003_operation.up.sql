-- What makes the indexer safe: the checkpoint, the writer's lease, the undo journal, and evidence of what was withdrawn.

create table chain.checkpoints (
    chain_id bigint primary key,
    genesis_hash chain.hash32 not null,
    block_number bigint not null check (block_number >= 0),
    block_hash chain.hash32 not null,
    parent_hash chain.hash32 not null,
    block_timestamp timestamptz not null,
    finalized_number bigint not null check (finalized_number >= 0),
    finalized_hash chain.hash32 not null,
    status text not null check (status in ('running', 'halted')),
    halt_reason text,
    check ((status = 'halted') = (halt_reason is not null))
);
comment on table chain.checkpoints is 'How far each chain is indexed: the one position there is, moved with the rows it speaks for.';
comment on column chain.checkpoints.chain_id is 'The chain (EIP-155 id).';
comment on column chain.checkpoints.genesis_hash is 'Hash of block 0: tells chains that share an id apart.';
comment on column chain.checkpoints.block_number is 'The last block whose logs are in the tables.';
comment on column chain.checkpoints.block_hash is 'Its hash.';
comment on column chain.checkpoints.parent_hash is 'The hash of the block below it.';
comment on column chain.checkpoints.block_timestamp is 'Its time.';
comment on column chain.checkpoints.finalized_number is 'The newest block known to be final; never moves down.';
comment on column chain.checkpoints.finalized_hash is 'Its hash.';
comment on column chain.checkpoints.status is 'running, or halted until an operator rewinds.';
comment on column chain.checkpoints.halt_reason is 'Why it halted.';

-- Finality is a promise: the database keeps it, whatever a program does. Only an operator's rewind says so aloud.
create function chain.keep_finality() returns trigger language plpgsql as $$
begin
    if current_setting('asset_indexer.rewind', true) is distinct from 'on' then
        if new.finalized_number < old.finalized_number then
            raise exception 'finalized block of chain % cannot go from % down to %',
                old.chain_id, old.finalized_number, new.finalized_number;
        end if;
        if new.block_number < old.block_number and new.block_number < old.finalized_number then
            raise exception 'checkpoint of chain % cannot go to % below the finalized block %',
                old.chain_id, new.block_number, old.finalized_number;
        end if;
    end if;
    return new;
end
$$;
create trigger keep_finality before update on chain.checkpoints
    for each row execute function chain.keep_finality();

create table chain.audit_trail (
    id bigint generated always as identity primary key,
    chain_id bigint not null,
    entity_type text not null,
    entity_id text not null,
    action text not null check (action in ('withdrawn', 'restored', 'repaired', 'rewound')),
    old_state jsonb,
    new_state jsonb,
    block_number bigint,
    replaced_by chain.hash32,
    actor text not null,
    timestamp timestamptz not null default clock_timestamp()
);
comment on table chain.audit_trail is 'Every chain row that was taken back or mended, as it was before and after.';
comment on column chain.audit_trail.id is 'Order of writing.';
comment on column chain.audit_trail.chain_id is 'The chain.';
comment on column chain.audit_trail.entity_type is 'The table.';
comment on column chain.audit_trail.entity_id is 'The row''s key, as JSON text.';
comment on column chain.audit_trail.action is 'withdrawn, restored, repaired or rewound.';
comment on column chain.audit_trail.old_state is 'The row before.';
comment on column chain.audit_trail.new_state is 'The row after; null where it went.';
comment on column chain.audit_trail.block_number is 'The block that had caused the row.';
comment on column chain.audit_trail.replaced_by is 'Hash of the block that stands above the common ancestor now.';
comment on column chain.audit_trail.actor is 'reorg, or the operator''s reason.';
comment on column chain.audit_trail.timestamp is 'When it was written, by the database''s clock.';
create index audit_trail_block on chain.audit_trail (chain_id, block_number);
create index audit_trail_entity on chain.audit_trail (entity_type, entity_id);

create table chain.system_events (
    id bigint generated always as identity primary key,
    chain_id bigint,
    event_type text not null,
    event_data jsonb not null,
    timestamp timestamptz not null default clock_timestamp(),
    source text not null,
    severity text not null check (severity in ('info', 'warning', 'critical'))
);
comment on table chain.system_events is 'What the indexer itself did: reorgs, halts, rewinds, repairs, rebuilds.';
comment on column chain.system_events.id is 'Order of writing.';
comment on column chain.system_events.chain_id is 'The chain.';
comment on column chain.system_events.event_type is 'What it was.';
comment on column chain.system_events.event_data is 'The details.';
comment on column chain.system_events.timestamp is 'When, by the database''s clock.';
comment on column chain.system_events.source is 'The program.';
comment on column chain.system_events.severity is 'info, warning or critical.';

create table ops.leases (
    chain_id bigint primary key,
    epoch uuid not null,
    holder text not null,
    acquired_at timestamptz not null,
    expires_at timestamptz not null
);
comment on table ops.leases is 'Who may write a chain''s tables now.';
comment on column ops.leases.chain_id is 'The chain.';
comment on column ops.leases.epoch is 'Random, drawn with the lease: every commit checks it, so a writer that was paused changes nothing.';
comment on column ops.leases.holder is 'Host and process, for people.';
comment on column ops.leases.acquired_at is 'Since when.';
comment on column ops.leases.expires_at is 'Until when without a further sign of life.';

create table ops.headers (
    chain_id bigint not null,
    block_number bigint not null,
    block_hash chain.hash32 not null,
    parent_hash chain.hash32 not null,
    block_timestamp bigint not null,
    primary key (chain_id, block_number)
);
comment on table ops.headers is 'Headers from the newest final block up to the checkpoint: where a reorg finds the common ancestor.';
comment on column ops.headers.chain_id is 'The chain.';
comment on column ops.headers.block_number is 'Height.';
comment on column ops.headers.block_hash is 'Hash.';
comment on column ops.headers.parent_hash is 'Hash of the block below.';
comment on column ops.headers.block_timestamp is 'Seconds since the Unix epoch.';

create table ops.undo (
    chain_id bigint not null,
    table_name text not null,
    key jsonb not null,
    block_number bigint not null,
    before jsonb,
    primary key (chain_id, table_name, key, block_number)
);
comment on table ops.undo is 'What rows were before each block above finality; pruned as blocks become final.';
comment on column ops.undo.chain_id is 'The chain.';
comment on column ops.undo.table_name is 'The table, without schema.';
comment on column ops.undo.key is 'The row''s primary key.';
comment on column ops.undo.block_number is 'The block that changed it.';
comment on column ops.undo.before is 'The row before that block; null where there was none.';
create index undo_block on ops.undo (chain_id, block_number);

create table ops.requests (
    id uuid primary key,
    chain_id bigint not null,
    request jsonb not null,
    status text not null default 'waiting' check (status in ('waiting', 'running', 'done', 'failed')),
    progress bigint,
    result jsonb,
    submitted_at timestamptz not null default clock_timestamp(),
    started_at timestamptz,
    finished_at timestamptz
);
comment on table ops.requests is 'What commands ask of the worker: one writer, one door.';
comment on column ops.requests.id is 'Random.';
comment on column ops.requests.chain_id is 'The chain.';
comment on column ops.requests.request is 'What is asked, with its arguments.';
comment on column ops.requests.status is 'waiting, running, done or failed.';
comment on column ops.requests.progress is 'Last block done.';
comment on column ops.requests.result is 'What came out, or why it failed.';
comment on column ops.requests.submitted_at is 'When it was handed in.';
comment on column ops.requests.started_at is 'When the worker began.';
comment on column ops.requests.finished_at is 'When it ended.';
create index requests_open on ops.requests (chain_id, submitted_at) where status in ('waiting', 'running');

create table ops.table_classes (
    table_name text primary key,
    class text not null check (class in ('ground', 'history', 'state', 'evidence', 'operation', 'application'))
);
comment on table ops.table_classes is 'What each table promises; equality after any reorg or crash means ground, history and state.';
comment on column ops.table_classes.table_name is 'Schema and table.';
comment on column ops.table_classes.class is 'ground: from the chain; history and state: derived from ground; evidence: what was withdrawn or done; operation: what the indexer needs; application: the platform''s own.';
insert into ops.table_classes (table_name, class) values
    ('chain.configured_contracts', 'ground'),
    ('chain.asset_events', 'ground'),
    ('chain.observations', 'ground'),
    ('chain.transaction_inputs', 'ground'),
    ('chain.contracts', 'state'),
    ('ops.coverage', 'operation'),
    ('chain.contract_links', 'state'),
    ('chain.assets', 'state'),
    ('chain.asset_holders', 'state'),
    ('chain.ownership_history', 'history'),
    ('chain.asset_transactions', 'history'),
    ('chain.asset_operations', 'history'),
    ('chain.asset_permissions', 'state'),
    ('chain.registrations', 'state'),
    ('chain.verification_providers', 'state'),
    ('chain.required_topics', 'state'),
    ('chain.identities', 'state'),
    ('chain.identity_links', 'state'),
    ('chain.identity_keys', 'state'),
    ('chain.identity_claims', 'state'),
    ('chain.claim_revocations', 'state'),
    ('chain.checkpoints', 'operation'),
    ('chain.audit_trail', 'evidence'),
    ('chain.system_events', 'evidence'),
    ('ops.leases', 'operation'),
    ('ops.headers', 'operation'),
    ('ops.undo', 'operation'),
    ('ops.requests', 'operation'),
    ('ops.table_classes', 'operation');

-- Partitions of the fact tables, made ahead. SECURITY DEFINER: the writer may fill tables, not make them.
create function ops.ensure_partitions(p_chain_id bigint, p_block bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    width constant bigint := 1000000; -- PARTITION_BLOCKS in src/store/postgres/mod.rs
    parent text;
    slot bigint;
    chain_part text;
    block_part text;
begin
    if p_chain_id <= 0 or p_block < 0 then
        raise exception 'no partition for chain % block %', p_chain_id, p_block;
    end if;
    perform pg_advisory_xact_lock(hashtext('asset_indexer partitions'));
    foreach parent in array array['asset_events', 'asset_transactions', 'asset_operations'] loop
        chain_part := format('%s_%s', parent, p_chain_id);
        if to_regclass(format('chain.%I', chain_part)) is null then
            execute format('create table chain.%I partition of chain.%I for values in (%s) partition by range (block_number)',
                chain_part, parent, p_chain_id);
        end if;
        for slot in p_block / width .. p_block / width + 1 loop
            block_part := format('%s_%s', chain_part, slot);
            if to_regclass(format('chain.%I', block_part)) is null then
                execute format('create table chain.%I partition of chain.%I for values from (%s) to (%s)',
                    block_part, chain_part, slot * width, (slot + 1) * width);
            end if;
        end loop;
    end loop;
end
$$;
comment on function ops.ensure_partitions is 'Makes the partitions of the fact tables for a block and for the stretch above it.';
revoke all on function ops.ensure_partitions from public;
grant execute on function ops.ensure_partitions to asset_indexer_writer;

grant select on ops.table_classes to asset_indexer_writer, asset_indexer_reader;
grant select, insert, update on chain.checkpoints to asset_indexer_writer;
grant select, insert on chain.audit_trail, chain.system_events to asset_indexer_writer;
grant select, insert, update on ops.leases, ops.requests to asset_indexer_writer;
grant select, insert, update, delete on ops.headers, ops.undo to asset_indexer_writer;

-- The daemon checks that the schema is the one it was built for.
do $$
begin
    if to_regclass('_sqlx_migrations') is not null then
        grant select on _sqlx_migrations to asset_indexer_writer, asset_indexer_reader;
    end if;
end
$$;
