-- Configuration: rows that readers may keep for a while (cache_seconds), and whose change is told at once by NOTIFY
-- asset_indexer_configuration with the table and the key.

create table app.system_config (
    key text primary key check (key ~ '^[a-z][a-z0-9_./-]{0,199}$'),
    value jsonb not null,
    type text not null check (type in ('string', 'number', 'boolean', 'object', 'array')),
    description text,
    cache_seconds integer not null default 3600 check (cache_seconds >= 0),
    updated_at timestamptz not null default now(),
    check (jsonb_typeof(value) = type)
);
comment on table app.system_config is 'Settings of the whole platform: written by its administrators alone.';
comment on column app.system_config.key is 'The setting.';
comment on column app.system_config.value is 'Its value.';
comment on column app.system_config.type is 'The value''s type in JSON: it is held to it.';
comment on column app.system_config.description is 'For people.';
comment on column app.system_config.cache_seconds is 'How long a reader may keep the row: 1 hour.';
comment on column app.system_config.updated_at is 'When the row changed last.';

create table app.feature_flags (
    feature text primary key check (feature ~ '^[a-z][a-z0-9_.-]{0,199}$'),
    enabled boolean not null default false,
    conditions jsonb not null default '{}' check (jsonb_typeof(conditions) = 'object'),
    description text,
    cache_seconds integer not null default 600 check (cache_seconds >= 0),
    updated_at timestamptz not null default now()
);
comment on table app.feature_flags is 'What is switched on.';
comment on column app.feature_flags.feature is 'The feature.';
comment on column app.feature_flags.enabled is 'Whether it is on.';
comment on column app.feature_flags.conditions is 'For whom: for the application to judge.';
comment on column app.feature_flags.description is 'For people.';
comment on column app.feature_flags.cache_seconds is 'How long a reader may keep the row: 10 minutes.';
comment on column app.feature_flags.updated_at is 'When the row changed last.';

create table app.integration_config (
    service text primary key check (service ~ '^[a-z][a-z0-9_.-]{0,199}$'),
    config_data jsonb not null default '{}' check (jsonb_typeof(config_data) = 'object'),
    secret text check (secret ~ '^v1[.][A-Za-z0-9+/]{40,}={0,2}$'),
    enabled boolean not null default true,
    last_success_at timestamptz,
    last_error text check (length(last_error) <= 2000),
    cache_seconds integer not null default 1800 check (cache_seconds >= 0),
    updated_at timestamptz not null default now()
);
comment on table app.integration_config is 'Services that the platform uses, and how they fare.';
comment on column app.integration_config.service is 'The service.';
comment on column app.integration_config.config_data is 'Addresses and options; no secrets.';
comment on column app.integration_config.secret is 'secret: ciphertext, as in personal columns.';
comment on column app.integration_config.enabled is 'Whether it is used.';
comment on column app.integration_config.last_success_at is 'When it answered last.';
comment on column app.integration_config.last_error is 'What it said when it did not.';
comment on column app.integration_config.cache_seconds is 'How long a reader may keep the row: 30 minutes.';
comment on column app.integration_config.updated_at is 'When the row changed last.';

create view app.user_preferences with (security_invoker = true) as
select user_id, preferences, cache_seconds from app.user_settings;
comment on view app.user_preferences is 'The seed''s second name for user_settings, and writable like it.';
comment on column app.user_preferences.user_id is 'The user.';
comment on column app.user_preferences.preferences is 'personal: what the application keeps for the user.';
comment on column app.user_preferences.cache_seconds is 'How long a reader may keep the row: 5 minutes.';

create function app.tell_configuration() returns trigger language plpgsql as $$
declare
    row_now constant jsonb := to_jsonb(case when tg_op = 'DELETE' then old else new end);
begin
    perform pg_notify('asset_indexer_configuration',
        json_build_object('table', tg_table_name, 'key', row_now ->> tg_argv[0])::text);
    return null;
end
$$;
comment on function app.tell_configuration is 'Tells listeners which row of the configuration changed.';
create trigger tell after insert or update or delete on app.system_config
    for each row execute function app.tell_configuration('key');
create trigger tell after insert or update or delete on app.feature_flags
    for each row execute function app.tell_configuration('feature');
create trigger tell after insert or update or delete on app.integration_config
    for each row execute function app.tell_configuration('service');
