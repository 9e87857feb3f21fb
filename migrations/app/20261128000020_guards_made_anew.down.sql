set local lock_timeout = '500ms';
create or replace function app.guard_table(p_table text) returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    guard app.table_guards;
    relation regclass;
    has_user boolean;
    key_columns text;
    hidden text;
    seen text;
    readers constant text := 'asset_indexer_app, asset_indexer_reader, asset_indexer_compliance, asset_indexer_auditor, asset_indexer_support';
begin
    select g.* into strict guard from app.table_guards g where g.table_name = p_table;
    relation := 'app.' || quote_ident(guard.table_name);
    has_user := exists (select from pg_attribute a where a.attrelid = relation and a.attname = 'user_id');
    -- updated_at; a rule keeps its own.
    if exists (select from pg_attribute a where a.attrelid = relation and a.attname = 'updated_at')
        and guard.table_name <> 'compliance_rules' then
        execute format('create or replace trigger touch before update on %s for each row execute function app.touch()', relation);
    end if;
    -- Append-only.
    if guard.append_only then
        execute format('create or replace trigger refuse_change before update or delete on %s for each row execute function app.refuse_change()', relation);
    end if;
    execute format('drop trigger if exists refuse_truncate on %s', relation);
    execute format('create trigger refuse_truncate before truncate on %s for each statement execute function app.refuse_change()', relation);
    -- Audit.
    if guard.audited_in is not null then
        select string_agg(a.attname, ',' order by k.n) into key_columns
        from pg_index i cross join lateral unnest(i.indkey::int2[]) with ordinality as k(attnum, n)
        join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
        where i.indrelid = relation and i.indisprimary;
        select coalesce(string_agg(a.attname, ','), '') into hidden
        from pg_attribute a
        where a.attrelid = relation and a.attnum > 0 and not a.attisdropped
            and a.attname <> 'user_id'
            and (col_description(a.attrelid, a.attnum) ~ '^(personal|secret):'
                -- What leads from a pseudonym to the chain.
                or guard.table_name = 'submitted_transactions' and a.attname in ('transaction_hash', 'nonce', 'submitted_at'));
        execute format('create or replace trigger audit after insert or update or delete on %s for each row execute function app.audit(%L, %L, %L, %L)',
            relation, key_columns, hidden, case guard.audited_in when 'system_changes' then 'configuration' else 'trail' end,
            guard.table_name);
    end if;
    -- Row-level security for everybody but the owner, who runs the guards themselves: bound by a policy too, they would
    -- fail open, or not at all, once the tables have another owner (a restore, REASSIGN OWNED).
    execute format('alter table %s enable row level security', relation);
    execute format('drop policy if exists seen on %s', relation);
    execute format('drop policy if exists own on %s', relation);
    seen := case guard.kind
        when 'tenant' then format('%I = (select app.current_tenant())', case guard.table_name when 'tenants' then 'id' else 'tenant_id' end)
        when 'platform' then 'true'
        else 'false'
    end;
    execute format('create policy seen on %s to %s using (%s) with check (%s)', relation, readers, seen, seen);
    if has_user or guard.table_name = 'users' then
        seen := format('(select app.acting_user()) is null or %I is not distinct from (select app.acting_user())',
            case guard.table_name when 'users' then 'id' else 'user_id' end);
        execute format('create policy own on %s as restrictive to %s using (%s) with check (%s)', relation, readers, seen, seen);
    end if;
    -- What is made here is what is meant.
    perform app.keep_guards(array(select m.object from app.guards_made(p_table) m));
end
$$;
select app.keep_guards(array['function app.guard_table(p_table text)']);
