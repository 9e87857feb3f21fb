set local lock_timeout = '500ms';
drop view api.asset_metadata;
create view api.asset_metadata with (security_invoker = true) as
select a.id as asset_id, coalesce(m.description, '') as description, coalesce(m.documentation, '[]') as documentation,
    coalesce(m.legal_info, '{}') as legal_info, coalesce(m.regulatory_info, '{}') as regulatory_info, m.updated_at, a.chain_id
from chain.assets a
left join app.asset_metadata m on m.tenant_id = (select app.current_tenant()) and m.asset_id = a.id;
comment on view api.asset_metadata is 'What the tenant says about each asset: a row for every asset.';
grant select on api.asset_metadata to asset_indexer_reader;
select ops.describe_views();
delete from app.kept_rights where object in ('app.tell_program(p_facts jsonb)', 'app.switched_off()');
drop function app.tell_program(jsonb), app.switched_off();
