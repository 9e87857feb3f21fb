-- How long what is kept, what must not go, and what went where: policies, legal holds, and the partitions that stand in
-- files. `asset-indexer maintain` reads them; the daemon reads the last, so that it writes into no archived block.
set local lock_timeout = '500ms';

create table ops.retention_policies (
    table_name text primary key check (table_name ~ '^(chain|app)[.][a-z_]+$'),
    seed_tables text[] not null default '{}',
    unit text not null check (unit in ('blocks', 'months', 'rows', 'subjects', 'kept')),
    archive_after interval check (archive_after >= interval '0'),
    delete_after interval check (delete_after >= interval '0'),
    activity text not null check (activity <> ''),
    legal_basis text not null check (legal_basis <> ''),
    check (archive_after is null or delete_after is null or archive_after <= delete_after),
    check (unit <> 'kept' or delete_after is null),
    check (unit <> 'rows' or archive_after is null),
    -- Ground is never destroyed: its archive counts as ground when it is given.
    check (unit <> 'blocks' or delete_after is null)
);
comment on table ops.retention_policies is 'How long each table''s rows are kept, and why. Read by `asset-indexer maintain`; the owner may change the periods.';
comment on column ops.retention_policies.table_name is 'Schema and table.';
comment on column ops.retention_policies.seed_tables is 'The tables of the published schema that are read from it.';
comment on column ops.retention_policies.unit is 'What goes at once: blocks: a partition of blocks; months: a partition of a month; rows: rows, for good; subjects: a person''s rows, by an erasure; kept: nothing.';
comment on column ops.retention_policies.archive_after is 'From this age on a partition is put into a file and dropped; null: never.';
comment on column ops.retention_policies.delete_after is 'From this age on rows, or archives, may be destroyed; null: never.';
comment on column ops.retention_policies.activity is 'The last activity: what the age is counted from.';
comment on column ops.retention_policies.legal_basis is 'Why so long, and why no longer.';

insert into ops.retention_policies (table_name, seed_tables, unit, archive_after, delete_after, activity, legal_basis) values
    ('chain.asset_events', '{asset_events,transaction_logs}', 'blocks', '7 years', null,
        'time of the partition''s last block', 'transaction data: seven years online; the archive is ground, so it is never destroyed'),
    ('chain.asset_transactions', '{asset_transactions,asset_analytics}', 'blocks', '7 years', null,
        'time of the partition''s last block', 'transaction data: goes with the events that it is derived from'),
    ('chain.asset_operations', '{asset_operations}', 'blocks', '7 years', null,
        'time of the partition''s last block', 'transaction data: goes with the events that it is derived from'),
    ('chain.ownership_history', '{ownership_history}', 'kept', null, null,
        'none: it is permanent', 'the register''s past: partitioned by asset, it answers as of any block while events are archived'),
    ('chain.observations', '{}', 'kept', null, null,
        'none: it is permanent', 'ground: answers of contracts, without which archived events cannot be folded'),
    ('chain.transaction_inputs', '{}', 'kept', null, null,
        'none: it is permanent', 'ground: call data, without which archived events cannot be folded'),
    ('chain.assets', '{assets,asset_configuration,asset_metrics}', 'kept', null, null,
        'none: the current state', 'state of the register: a row an asset, for as long as the register is kept'),
    ('chain.asset_holders', '{asset_holders}', 'kept', null, null,
        'none: the current state', 'state of the register: who holds what'),
    ('chain.asset_permissions', '{asset_permissions}', 'kept', null, null,
        'none: the current state', 'state of the register: who may act for an asset'),
    ('chain.identities', '{identities}', 'kept', null, null,
        'none: the current state', 'public data of the chain: the link to a person is the application''s, and goes with an erasure'),
    ('chain.identity_claims', '{identity_claims}', 'kept', null, null,
        'none: the current state', 'public data of the chain: without it no verdict of the past can be proved'),
    ('chain.verification_providers', '{verification_providers}', 'kept', null, null,
        'none: the current state', 'public data of the chain: whom a registry trusts'),
    ('chain.required_topics', '{compliance_rules}', 'kept', null, null,
        'none: it is permanent', 'compliance rules are permanent'),
    ('chain.contract_links', '{asset_compliance,compliance_modules}', 'kept', null, null,
        'none: it is permanent', 'compliance rules are permanent'),
    ('chain.audit_trail', '{audit_trail}', 'kept', null, null,
        'none: it is permanent', 'evidence of withdrawn and mended rows of the register'),
    ('chain.system_events', '{system_events}', 'rows', null, '7 years',
        'when it happened', 'system audit: seven years; reorgs, rewinds and repairs stay, the audit trail refers to them'),
    ('chain.system_errors', '{system_errors}', 'rows', null, '7 years',
        'when it had passed; one that lasts stays', 'system audit: seven years');

create table ops.legal_holds (
    id bigint generated always as identity primary key,
    scope text not null check (scope in ('table', 'period', 'blocks', 'asset', 'subject')),
    table_name text,
    from_time timestamptz,
    to_time timestamptz,
    chain_id bigint,
    from_block bigint,
    to_block bigint,
    asset_id uuid,
    user_id uuid,
    reason text not null check (reason <> ''),
    placed_by text not null default session_user::text check (placed_by <> ''),
    placed_at timestamptz not null default clock_timestamp(),
    released_by text,
    released_at timestamptz check (released_at >= placed_at),
    check ((released_at is null) = (released_by is null)),
    check (scope <> 'table' or table_name is not null),
    check ((scope = 'period') = (from_time is not null) and (scope = 'period') = (to_time is not null) and from_time < to_time),
    check ((scope = 'blocks') = (chain_id is not null) and (scope = 'blocks') = (from_block is not null)
        and (scope = 'blocks') = (to_block is not null) and from_block <= to_block),
    check ((scope = 'asset') = (asset_id is not null)),
    check ((scope = 'subject') = (user_id is not null))
);
comment on table ops.legal_holds is 'What must not be archived, deleted or destroyed until it is released, whatever a policy says.';
comment on column ops.legal_holds.id is 'The hold.';
comment on column ops.legal_holds.scope is 'table: a whole table; period: a stretch of time; blocks: a stretch of a chain; asset: whatever names the asset; subject: whatever names the user or a linked wallet.';
comment on column ops.legal_holds.table_name is 'The table, with its schema; null, where the scope is another: in every table.';
comment on column ops.legal_holds.from_time is 'First instant of the period.';
comment on column ops.legal_holds.to_time is 'First instant after it; infinity is allowed.';
comment on column ops.legal_holds.chain_id is 'The chain of the blocks.';
comment on column ops.legal_holds.from_block is 'The first block.';
comment on column ops.legal_holds.to_block is 'The last block.';
comment on column ops.legal_holds.asset_id is 'api.assets.id.';
comment on column ops.legal_holds.user_id is 'personal: app.users.id.';
comment on column ops.legal_holds.reason is 'The proceeding, the request, the letter.';
comment on column ops.legal_holds.placed_by is 'Who placed it.';
comment on column ops.legal_holds.placed_at is 'When.';
comment on column ops.legal_holds.released_by is 'Who released it.';
comment on column ops.legal_holds.released_at is 'When; null while it stands.';

create function ops.keep_hold() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if tg_op = 'UPDATE' and old.released_at is null and new.released_at is not null
        and to_jsonb(new) - '{released_at,released_by}'::text[] = to_jsonb(old) - '{released_at,released_by}'::text[] then
        return new;
    end if;
    raise exception 'legal hold % stays as it was placed: % is refused', old.id, lower(tg_op)
        using errcode = 'insufficient_privilege', hint = 'release it (released_at, released_by), and place another';
end
$$;
comment on function ops.keep_hold is 'A hold is released once, and changed or deleted never.';
create trigger keep_hold before update or delete on ops.legal_holds for each row execute function ops.keep_hold();
revoke all on function ops.keep_hold() from public;

create table ops.archived_partitions (
    table_name text not null,
    partition text not null,
    chain_id bigint,
    from_block bigint,
    to_block bigint,
    from_time timestamptz,
    to_time timestamptz,
    columns text[] not null,
    row_count bigint not null check (row_count >= 0),
    content_sha256 text not null check (content_sha256 ~ '^[0-9a-f]{64}$'),
    file_name text not null,
    file_bytes bigint not null,
    file_sha256 text not null check (file_sha256 ~ '^[0-9a-f]{64}$'),
    manifest_sha256 text not null check (manifest_sha256 ~ '^[0-9a-f]{64}$'),
    register_digest text,
    closing_seal text,
    unreadable jsonb not null default '{}',
    archived_at timestamptz not null default clock_timestamp(),
    attached_at timestamptz,
    destroyed_at timestamptz,
    primary key (table_name, partition),
    check ((chain_id is null) = (from_block is null) and (chain_id is null) = (to_block is null)),
    check ((chain_id is null) = (from_time is not null)),
    check (attached_at is null or destroyed_at is null)
);
comment on table ops.archived_partitions is 'Partitions that were put into files. While attached_at is null the rows are in the file alone.';
comment on column ops.archived_partitions.table_name is 'Schema and table.';
comment on column ops.archived_partitions.partition is 'The partition, in the same schema.';
comment on column ops.archived_partitions.chain_id is 'Its chain; null for months.';
comment on column ops.archived_partitions.from_block is 'Its first block.';
comment on column ops.archived_partitions.to_block is 'The first block after it.';
comment on column ops.archived_partitions.from_time is 'First instant of its month; null for blocks.';
comment on column ops.archived_partitions.to_time is 'First instant after its month, or the time by which its last block had passed.';
comment on column ops.archived_partitions.columns is 'The columns in the file, in their order.';
comment on column ops.archived_partitions.row_count is 'Rows in the file.';
comment on column ops.archived_partitions.content_sha256 is 'SHA-256 of the file''s content before compression: rows as COPY writes them, in the order of their key.';
comment on column ops.archived_partitions.file_name is 'The file, without its folder; the manifest has the ending .json.';
comment on column ops.archived_partitions.file_bytes is 'Its size.';
comment on column ops.archived_partitions.file_sha256 is 'SHA-256 of the file.';
comment on column ops.archived_partitions.manifest_sha256 is 'SHA-256 of the manifest.';
comment on column ops.archived_partitions.register_digest is 'Of events: the digest of its blocks as api.digests says it.';
comment on column ops.archived_partitions.closing_seal is 'Of a sealed trail: the digest of the last seal that covers a row of it.';
comment on column ops.archived_partitions.unreadable is 'Of events: how many an asset has there that could not be decoded.';
comment on column ops.archived_partitions.archived_at is 'When it was dropped.';
comment on column ops.archived_partitions.attached_at is 'When it was put back; null while it is away.';
comment on column ops.archived_partitions.destroyed_at is 'When the file was destroyed, its time being over.';

insert into ops.table_classes (table_name, class) values
    ('ops.retention_policies', 'operation'),
    ('ops.legal_holds', 'evidence'),
    ('ops.archived_partitions', 'evidence');
grant select on ops.archived_partitions to asset_indexer_writer;

-- What is asked of blocks below this one would be answered without a part of their facts.
create function api.archived_below(chain bigint) returns bigint language sql stable security definer
set search_path = pg_catalog, pg_temp as $$
    select max(p.to_block) from ops.archived_partitions p where p.chain_id = chain and p.attached_at is null and p.destroyed_at is null
$$;
comment on function api.archived_below is 'The first block above the facts that are in archives alone; null: none are. Supply, movements and times of blocks below it are not to be had until they are attached; balances are.';
revoke execute on function api.archived_below(bigint) from public;
grant execute on function api.archived_below(bigint) to asset_indexer_reader, asset_indexer_writer;

-- As before, but a partition that was archived is not made anew, empty: its rows are in a file.
create or replace function ops.ensure_partitions(p_chain_id bigint, p_block bigint) returns void
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
                if exists (select from ops.archived_partitions a
                    where a.table_name = 'chain.' || parent and a.partition = block_part and a.attached_at is null) then
                    raise exception 'partition % is archived: blocks % to % of chain % are in a file', block_part,
                        slot * width, (slot + 1) * width - 1, p_chain_id
                        using errcode = 'check_violation', hint = 'put it back: asset-indexer maintain --attach DIR';
                end if;
                execute format('create table chain.%I partition of chain.%I for values from (%s) to (%s)',
                    block_part, chain_part, slot * width, (slot + 1) * width);
            end if;
        end loop;
    end loop;
end
$$;
