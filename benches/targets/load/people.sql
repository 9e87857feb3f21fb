-- The application's side: $USERS$ users of four tenants with all that belongs to each, and what is written about them. Months
-- of the past are made first: an installation of five years has them.
set session_replication_role = replica;
set synchronous_commit = off;
set work_mem = '256MB';
do $$
declare
    monthly record;
    month timestamp;
begin
    for monthly in select m.table_name from app.monthly_tables m loop
        for month in select generate_series(date_trunc('month', now() at time zone 'UTC') - interval '60 months',
                date_trunc('month', now() at time zone 'UTC') - interval '1 month', interval '1 month') loop
            execute format('create table app.%I partition of app.%I for values from (%L) to (%L)',
                monthly.table_name || to_char(month, '_YYYY_MM'), monthly.table_name, month || '+00',
                month + interval '1 month' || '+00');
        end loop;
    end loop;
end
$$;
insert into app.tenants (id, name) select md5('tenant' || n)::uuid, 'Tenant ' || n from generate_series(0, 3) n;
insert into app.tenant_assets (tenant_id, asset_id) select md5('tenant' || a.n % 4)::uuid, a.id from bench.asset a order by a.n;
insert into app.asset_metadata (tenant_id, asset_id, description, legal_info)
select md5('tenant' || a.n % 4)::uuid, a.id, 'Asset ' || a.n || ' of the load', '{"form": "bearer bond", "law": "CH"}'
from bench.asset a order by a.n;
create unlogged table bench.person as
select n, md5('user' || n)::uuid as id, md5('tenant' || n % 4)::uuid as tenant,
    'v1.' || encode(sha256(('a' || n)::bytea) || sha256(('b' || n)::bytea), 'hex') as ciphertext,
    now() - interval '1825 days' + n * (interval '1800 days' / $USERS$) as since
from generate_series(0::bigint, $USERS$ - 1) n;
alter table bench.person add primary key (n);
analyze bench.person;
insert into app.users (id, tenant_id, email, username, created_at, updated_at)
select id, tenant, 'user' || n || '@example.org', 'user' || n, since, since from bench.person order by n;
insert into app.subject_keys (user_id, tenant_id, wrapped_key, wrapping_key)
select id, tenant, substr(ciphertext, 4, 80), 'key 1' from bench.person order by n;
insert into app.user_profiles (user_id, tenant_id, first_name, last_name, phone, address)
select id, tenant, ciphertext, ciphertext, ciphertext, ciphertext from bench.person order by n;
insert into app.user_settings (user_id, tenant_id) select id, tenant from bench.person order by n;
insert into app.sessions (tenant_id, user_id, token, created_at, expires_at, ip_address)
select tenant, id, encode(sha256(('session' || n || '/' || s)::bytea), 'hex'), now() - interval '1 hour',
    now() + interval '1 day' * (s + 1), inet '10.0.0.0' + n
from bench.person, generate_series(0, 1) s order by n;
insert into app.accounts (tenant_id, user_id, provider, provider_id, access_token, refresh_token)
select tenant, id, 'openid', 'subject ' || n, ciphertext, ciphertext from bench.person order by n;
insert into app.verifications (tenant_id, user_id, type, token, created_at, expires_at)
select tenant, id, 'email', encode(sha256(('verification' || n)::bytea), 'hex'), now() - interval '1 hour', now() + interval '1 day'
from bench.person order by n;
insert into app.wallet_links (tenant_id, user_id, chain_id, wallet)
select p.tenant, p.id, 1, api.hex(w.address) from bench.person p join bench.wallet w on w.n = p.n order by p.n;
insert into app.permissions (id, name, resource, action)
select md5('permission' || n)::uuid, 'permission ' || n, 'resource' || n / 5, (array['read', 'create', 'change', 'delete', 'approve'])[1 + n % 5]
from generate_series(0, 99) n;
insert into app.role_permissions (role, permission_id)
select r.role, md5('permission' || n)::uuid from app.roles r, generate_series(0, 99) n where n % 5 < 3;
insert into app.user_roles (tenant_id, user_id, role)
select tenant, id, (array['investor', 'investor', 'investor', 'issuer', 'compliance_officer'])[1 + n % 5] from bench.person order by n;
insert into app.onboarding_state (user_id, tenant_id, step, completed, completed_at)
select id, tenant, s, true, since from bench.person, unnest('{account,wallet}'::text[]) s order by n;
insert into app.system_config (key, value, type) select 'setting.' || n, to_jsonb('value ' || n), 'string' from generate_series(0, 999) n;
insert into app.feature_flags (feature, enabled) select 'feature.' || n, n % 2 = 0 from generate_series(0, 499) n;
insert into app.integration_config (service, config_data)
select 'service.' || n, jsonb_build_object('url', 'https://service' || n || '.example') from generate_series(0, 99) n;
insert into app.compliance_rules (id, tenant_id, rule_type, jurisdiction, parameters)
select md5('rule' || n)::uuid, md5('tenant' || n % 4)::uuid, (array['max_balance', 'country', 'lockup', 'accreditation'])[1 + n / 4 % 4],
    (array['CH', 'DE', 'NL', 'FR', 'US'])[1 + n / 16 % 5], jsonb_build_object('limit', n) from generate_series(0, 1999) n;
insert into app.asset_compliance (asset_id, rule_id, tenant_id)
select a.id, md5('rule' || (a.n % 4 + 4 * (a.n / 40 % 500)))::uuid, md5('tenant' || a.n % 4)::uuid
from bench.asset a where a.n / 4 % 10 = 0 order by a.n;
