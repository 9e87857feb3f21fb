-- Roles of the indexer, none of which can log in: a login role is made a member of what it needs.
-- Idempotent. `migrate` runs these statements where its role may; elsewhere an administrator runs them once
-- (`asset-indexer migrate --print-roles`).
do $$
declare
    role_name text;
begin
    foreach role_name in array array['asset_indexer_owner', 'asset_indexer_writer', 'asset_indexer_reader',
        'asset_indexer_app', 'asset_indexer_compliance', 'asset_indexer_auditor', 'asset_indexer_support'] loop
        if not exists (select from pg_roles where rolname = role_name) then
            execute format('create role %I nologin', role_name);
        end if;
    end loop;
    foreach role_name in array array['asset_indexer_app', 'asset_indexer_compliance', 'asset_indexer_auditor'] loop
        if not pg_has_role(role_name, 'asset_indexer_reader', 'member') then
            execute format('grant asset_indexer_reader to %I', role_name);
        end if;
    end loop;
end
$$;
