-- The application's side: who is a tenant, who acts, and the guards that every application table shares.
--
-- A connection says for whom it works: `set app.tenant = '<uuid>'` (without it no row is seen); a login that is bound to a
-- tenant (app.tenant_logins) works for that one whatever it sets. Where it works for one person, `set app.user_id = '<uuid>'`
-- leaves only that person's rows of personal tables. `app.actor` names who acts in the
-- audit trail, and `app.correlation` ties what belongs together.
do $$
declare
    role_name text;
begin
    foreach role_name in array array['asset_indexer_app', 'asset_indexer_compliance', 'asset_indexer_auditor',
        'asset_indexer_support'] loop
        if not exists (select from pg_roles where rolname = role_name) then
            execute format('create role %I nologin', role_name);
        end if;
    end loop;
end
$$;

create function app.acting_user() returns uuid language sql stable parallel safe as
$$ select nullif(current_setting('app.user_id', true), '')::uuid $$;
comment on function app.acting_user is 'The person a connection works for (setting app.user_id); null: the application itself, for its whole tenant.';

create function app.actor() returns text language sql stable parallel safe as
$$ select coalesce(nullif(current_setting('app.actor', true), ''), 'user ' || app.acting_user(), session_user::text) $$;
comment on function app.actor is 'Who acts, for the audit trail: setting app.actor, else the person, else the database login.';

create function app.correlation() returns uuid language sql stable parallel safe as
$$ select nullif(current_setting('app.correlation', true), '')::uuid $$;
comment on function app.correlation is 'What ties audit rows of one request together (setting app.correlation).';

create table app.tenants (
    id uuid primary key default gen_random_uuid(),
    name text not null check (name <> '' and length(name) <= 200),
    status text not null default 'active' check (status in ('active', 'suspended', 'closed')),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
comment on table app.tenants is 'Who shares this database and sees nothing of the others.';
comment on column app.tenants.id is 'What app.tenant is set to.';
comment on column app.tenants.name is 'For people.';
comment on column app.tenants.status is 'active, suspended or closed: for the application to heed.';
comment on column app.tenants.created_at is 'When it was made.';
comment on column app.tenants.updated_at is 'When the row changed last.';

create table app.tenant_logins (
    login text primary key,
    tenant_id uuid not null references app.tenants on delete restrict
);
comment on table app.tenant_logins is 'Database logins that are bound to one tenant; the others choose theirs by app.tenant.';
comment on column app.tenant_logins.login is 'The login role.';
comment on column app.tenant_logins.tenant_id is 'Its tenant.';

create function app.current_tenant() returns uuid language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp as $$
    select coalesce(
        (select l.tenant_id from app.tenant_logins l where l.login = session_user::text),
        nullif(current_setting('app.tenant', true), '')::uuid)
$$;
comment on function app.current_tenant is 'The tenant a connection works for: its login''s, else setting app.tenant; null: none, and then it sees no row.';

create table app.tenant_assets (
    tenant_id uuid not null default app.current_tenant() references app.tenants on delete restrict,
    asset_id uuid not null,
    added_at timestamptz not null default now(),
    primary key (tenant_id, asset_id)
);
create index tenant_assets_asset_idx on app.tenant_assets (asset_id);
comment on table app.tenant_assets is 'Which assets a tenant deals with. The chain is public: this says whose business an asset is.';
comment on column app.tenant_assets.tenant_id is 'The tenant.';
comment on column app.tenant_assets.asset_id is 'api.assets.id. No foreign key: a reorg is never held up by it, and deletes nothing here.';
comment on column app.tenant_assets.added_at is 'When it was added.';

create function app.touch() returns trigger language plpgsql as $$
begin
    new.updated_at := now();
    return new;
end
$$;
comment on function app.touch is 'Keeps updated_at.';

create function app.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '%.% is append-only: % is refused', tg_table_schema, tg_table_name, lower(tg_op)
        using errcode = 'insufficient_privilege', hint = 'write a new row that says what is right';
end
$$;
comment on function app.refuse_change is 'Holds a table append-only, whoever asks.';

-- By which ensure_months makes its partitions; one row a table.
create table app.monthly_tables (
    table_name text primary key,
    time_column text not null
);
comment on table app.monthly_tables is 'Tables of the application that are partitioned by month.';
comment on column app.monthly_tables.table_name is 'Name in schema app.';
comment on column app.monthly_tables.time_column is 'The column that the month is taken of.';

create function app.ensure_months(p_ahead integer default 3) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s' set datestyle = 'ISO' as $$
declare
    monthly record;
    month timestamp;
    this_month constant timestamp := date_trunc('month', now() at time zone 'UTC');
    part text;
    made integer := 0;
begin
    if p_ahead < 0 or p_ahead > 120 then
        raise exception 'cannot make partitions % months ahead: 0 to 120', p_ahead;
    end if;
    perform pg_advisory_xact_lock(hashtext('asset_indexer months'));
    for monthly in select m.table_name from app.monthly_tables m order by 1 loop
        for month in select generate_series(this_month, this_month + make_interval(months => p_ahead), '1 month') loop
            part := monthly.table_name || to_char(month, '_YYYY_MM');
            if to_regclass(format('app.%I', part)) is null then
                execute format('create table app.%I partition of app.%I for values from (%L) to (%L)', part,
                    monthly.table_name, month::text || '+00', (month + interval '1 month')::text || '+00');
                -- Not cloned to partitions as the triggers of rows are.
                execute format('create trigger refuse_truncate before truncate on app.%I for each statement execute function app.refuse_change()', part);
                made := made + 1;
            end if;
        end loop;
    end loop;
    return made;
end
$$;
comment on function app.ensure_months is 'Makes the partitions of the monthly tables for this month and some ahead; returns how many were missing. The daemon calls it, a job may too.';

create function app.months_ahead() returns integer language sql stable security definer
set search_path = pg_catalog, pg_temp as $$
    select coalesce(min(ahead), 0)::integer from (
        select m.table_name, count(part.table_name) - 1 as ahead
        from app.monthly_tables m
        left join lateral (
            select p.relname as table_name
            from pg_inherits i join pg_class p on p.oid = i.inhrelid
            where i.inhparent = ('app.' || quote_ident(m.table_name))::regclass
                and p.relname >= m.table_name || to_char(now() at time zone 'UTC', '_YYYY_MM')) part on true
        group by m.table_name) tables
$$;
comment on function app.months_ahead is 'How many months after this one every monthly table has a partition for: below 1, the next month has nowhere to be written.';
