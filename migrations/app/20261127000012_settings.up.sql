-- What the daemon says of itself in the configuration, what it lets itself be told there, and what the chain says of an asset
-- beside what the tenant says.
set local lock_timeout = '500ms';

create function app.tell_program(p_facts jsonb) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    changed integer;
begin
    if exists (select from jsonb_object_keys(p_facts) f (key) where f.key !~ '^indexer/[a-z0-9_/]{1,80}$') then
        raise exception 'the daemon writes keys under indexer/ alone' using errcode = 'insufficient_privilege';
    end if;
    -- A row that says the same stays as it is: its change is told to listeners, and kept in the trail.
    insert into app.system_config (key, value, type, description)
    select f.key, f.value, jsonb_typeof(f.value), 'Written by the daemon at its start.'
    from jsonb_each(p_facts) f
    on conflict (key) do update set value = excluded.value, type = excluded.type, updated_at = now()
    where system_config.value <> excluded.value;
    get diagnostics changed = row_count;
    -- So that who administers the platform finds them; what is there stays as it was set.
    insert into app.feature_flags (feature, enabled, description) values
        ('indexer.find_violations', true, 'Every hour: open and clear violations that the chain shows.'),
        ('indexer.log_verdicts', true, 'Every hour: log what issuers, topics and signing keys did to verdicts.'),
        ('indexer.seal_trails', true, 'Every hour: seal the audit trails.'),
        ('indexer.take_snapshots', true, 'Every hour: make snapshots of large registers.')
    on conflict (feature) do nothing;
    return changed;
end
$$;
comment on function app.tell_program is 'The daemon says what it is: rows indexer/… of app.system_config, and the flags that it obeys; gives how many rows changed.';

create function app.switched_off() returns setof text
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
    select f.feature from app.feature_flags f where f.feature like 'indexer.%' and not f.enabled;
end;
comment on function app.switched_off is 'What the daemon is told not to do: flags of app.feature_flags under indexer. that are there and not enabled.';

revoke execute on function app.tell_program(jsonb), app.switched_off() from public;
grant execute on function app.tell_program(jsonb), app.switched_off() to asset_indexer_writer;
-- By name: approving all that is there would approve what somebody else gave meanwhile. The tables of this version may be
-- younger than the last approval.
insert into app.kept_rights
values ('asset_indexer_writer', 'app.tell_program(p_facts jsonb)', 'execute'),
    ('asset_indexer_writer', 'app.switched_off()', 'execute');
insert into app.kept_rights
select r.grantee, o.object, r.privilege
from unnest(array['chain.asset_days', 'chain.asset_documents']) o (object)
cross join (values ('asset_indexer_writer', 'select'), ('asset_indexer_writer', 'insert'), ('asset_indexer_writer', 'update'),
    ('asset_indexer_writer', 'delete'), ('asset_indexer_reader', 'select')) r (grantee, privilege)
union all
select r.grantee, 'api.asset_documents', 'select' from unnest(array['asset_indexer_writer', 'asset_indexer_reader']) r (grantee)
on conflict do nothing;

create or replace view api.asset_metadata with (security_invoker = true) as
select a.id as asset_id, coalesce(m.description, '') as description, coalesce(m.documentation, '[]') as documentation,
    coalesce(m.legal_info, '{}') as legal_info, coalesce(m.regulatory_info, '{}') as regulatory_info, m.updated_at, a.chain_id,
    (
        select coalesce(jsonb_agg(jsonb_build_object('name', d.name, 'uri', d.uri, 'document_hash', d.document_hash,
            'set_at', d.set_at) order by d.name, d.name_bytes), '[]')
        from api.asset_documents d where d.chain_id = a.chain_id and d.asset_id = a.id and d.active
    ) as documents,
    (
        select coalesce(jsonb_agg(jsonb_build_object('claim_id', c.claim_id, 'claim_type', c.claim_type, 'status', c.status,
            'signed_by_issuer', c.signed_by_issuer, 'id_matches', c.id_matches, 'issuer', c.issuer, 'uri', c.uri,
            'claim_data', c.claim_data, 'issued_at', c.issued_at, 'expires_at', c.expires_at)
            order by c.from_block, c.from_log), '[]')
        from chain.contract_links l
        join api.chain_identity_claims c on c.chain_id = l.chain_id and c.identity_bytes = l.target::bytea
        where l.chain_id = a.chain_id and l.address = a.contract_address and l.link = 'onchain_id'
            and l.slot = chain.zero_address() and l.to_block is null and c.to_block is null
    ) as claims
from chain.assets a
left join app.asset_metadata m on m.tenant_id = (select app.current_tenant()) and m.asset_id = a.id;
comment on view api.asset_metadata is 'What the tenant says about each asset, and what its contracts say: a row for every asset.';
comment on column api.asset_metadata.documents is 'Documents in force that the token points to (ERC-1643): name, uri, document_hash, set_at.';
comment on column api.asset_metadata.claims is 'Claims in force on the token''s own identity, with their status as in api.identity_claims.';
select ops.describe_views();
