set local lock_timeout = '500ms';
drop view api.module_parameters, api.compliance_modules;
create view api.compliance_modules with (security_invoker = true) as
select l.chain_id, md5('compliance_modules ' || l.chain_id || ' ' || encode(l.target, 'hex'))::uuid as id,
    null::text as module_name, null::text as version, api.hex(l.target) as contract_address,
    jsonb_build_object('compliances', count(distinct l.address) filter (where l.to_block is null)) as capabilities,
    case when bool_or(l.to_block is null) then 'active' else 'removed' end as status,
    min(l.from_at) as first_at, l.target::bytea as contract_address_bytes
from chain.contract_links l
where l.link = 'module'
group by l.chain_id, l.target;
comment on view api.compliance_modules is 'Modules that compliances use or used, known from ModuleAdded.';
comment on column api.compliance_modules.module_name is 'Not told by any log: null.';
comment on column api.compliance_modules.version is 'Not told by any log: null.';
comment on column api.compliance_modules.capabilities is 'compliances: how many use it now.';
comment on column api.compliance_modules.status is 'active while a compliance uses it, else removed.';
comment on column api.asset_compliance.module_id is 'api.compliance_modules.id, where a module enforces it.';
comment on column api.compliance_modules.first_at is 'Block time of the first ModuleAdded.';
grant select on api.compliance_modules to asset_indexer_reader, asset_indexer_writer;
select ops.describe_views();

-- Where the application's tables are, its wider views have these names, and the chain's own are beside them as chain_….
do $do$
begin
    execute format($view$
create or replace view %s with (security_invoker = true) as
select md5('rule topic ' || t.chain_id || ' ' || encode(t.registry, 'hex') || ' ' || t.topic)::uuid as id,
    'required_topic' as rule_type, null::text as jurisdiction,
    jsonb_build_object('registry', api.hex(t.registry), 'topic', t.topic::text) as parameters,
    bool_or(t.to_block is null) as active, min(t.from_at) as created_at,
    max(greatest(t.from_at, t.to_at)) as updated_at, count(*)::integer as version, 'chain' as source, t.chain_id
from chain.required_topics t
group by t.chain_id, t.registry, t.topic
union all
select md5('rule module ' || l.chain_id || ' ' || encode(l.address, 'hex') || ' ' || encode(l.target, 'hex'))::uuid,
    'compliance_module', null, jsonb_build_object('compliance', api.hex(l.address), 'module', api.hex(l.target)),
    bool_or(l.to_block is null), min(l.from_at), max(greatest(l.from_at, l.to_at)), count(*)::integer, 'chain', l.chain_id
from chain.contract_links l
where l.link = 'module'
group by l.chain_id, l.address, l.target
$view$, coalesce(to_regclass('api.chain_compliance_rules'), to_regclass('api.compliance_rules')));
    execute format($view$
create or replace view %s with (security_invoker = true) as
select a.chain_id, a.id as asset_id,
    md5('rule topic ' || t.chain_id || ' ' || encode(t.registry, 'hex') || ' ' || t.topic)::uuid as rule_id,
    null::uuid as module_id, jsonb_build_object('topic', t.topic::text) as parameters, true as active,
    greatest(t.from_at, c.from_at, r.from_at) as configured_at, api.hex(t.registry) as configured_by, 'chain' as source
from chain.assets a
join chain.contract_links r on r.chain_id = a.chain_id and r.address = a.contract_address
    and r.link = 'identity_registry' and r.to_block is null
join chain.contract_links c on c.chain_id = a.chain_id and c.address = r.target
    and c.link = 'claim_topics' and c.to_block is null
join chain.required_topics t on t.chain_id = a.chain_id and t.registry = c.target and t.to_block is null
union all
select a.chain_id, a.id, md5('rule module ' || m.chain_id || ' ' || encode(m.address, 'hex') || ' ' || encode(m.target, 'hex'))::uuid,
    md5('compliance_modules ' || m.chain_id || ' ' || encode(m.target, 'hex'))::uuid,
    jsonb_build_object('module', api.hex(m.target)), true, greatest(m.from_at, c.from_at), api.hex(m.address), 'chain'
from chain.assets a
join chain.contract_links c on c.chain_id = a.chain_id and c.address = a.contract_address
    and c.link = 'compliance' and c.to_block is null
join chain.contract_links m on m.chain_id = a.chain_id and m.address = c.target and m.link = 'module' and m.to_block is null
$view$, coalesce(to_regclass('api.chain_asset_compliance'), to_regclass('api.asset_compliance')));
end
$do$;

drop function chain.module_rules(bigint, bytea, bytea);
delete from ops.retention_policies where table_name in ('chain.compliance_modules', 'chain.module_parameters');
delete from ops.table_classes where table_name in ('chain.compliance_modules', 'chain.module_parameters');
drop table chain.module_parameters, chain.compliance_modules;
