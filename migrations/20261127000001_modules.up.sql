-- Compliance modules: what they call themselves, and which rules they hold for whom, by version. Before, their logs were
-- events alone: a register that already follows modules is to be rebuilt (`asset-indexer rebuild`).
set local lock_timeout = '500ms';

create table chain.compliance_modules (
    chain_id bigint not null,
    module chain.address not null,
    name text,
    implementation chain.address,
    first_block bigint not null,
    first_at timestamptz not null,
    primary key (chain_id, module)
) with (fillfactor = 80);
comment on table chain.compliance_modules is 'Contracts that compliances use as modules, one row a contract, from its first log on.';
comment on column chain.compliance_modules.chain_id is 'The chain.';
comment on column chain.compliance_modules.module is 'The module''s contract.';
comment on column chain.compliance_modules.name is 'What it calls itself, observed at its first log and at each upgrade; null where it does not tell (T-REX before 4.1).';
comment on column chain.compliance_modules.implementation is 'Where its proxy was last pointed to; null where no log told.';
comment on column chain.compliance_modules.first_block is 'Block of the contract''s first log.';
comment on column chain.compliance_modules.first_at is 'Block time of that log.';

create table chain.module_parameters (
    chain_id bigint not null,
    module chain.address not null,
    scope chain.address not null,
    parameter text not null,
    argument text not null,
    from_block bigint not null,
    from_log bigint not null,
    value numeric,
    account chain.address,
    from_at timestamptz not null,
    to_block bigint,
    to_log bigint,
    to_at timestamptz,
    primary key (chain_id, module, scope, parameter, argument, from_block, from_log)
) with (fillfactor = 80);
comment on table chain.module_parameters is 'Rules that compliance modules were given (T-REX 4.1.6), by version.';
comment on column chain.module_parameters.chain_id is 'The chain.';
comment on column chain.module_parameters.module is 'The module''s contract.';
comment on column chain.module_parameters.scope is 'Whom it holds for: the compliance; the token where the module asks by token; the zero address where it holds for all.';
comment on column chain.module_parameters.parameter is 'bound, preset_completed, allowed_country, restricted_country, allowed_user, exchange, listed, max_balance, preset_balance, supply_limit, transfer_limit, exchange_limit, exchange_monthly_limit, fee or listing.';
comment on column chain.module_parameters.argument is 'Country (ISO 3166-1 numeric), account (0x text, small letters), seconds, or account/seconds; empty where there is none.';
comment on column chain.module_parameters.from_block is 'Block of the log that began this version.';
comment on column chain.module_parameters.from_log is 'Index of that log in its block.';
comment on column chain.module_parameters.value is 'Base units; of a fee, parts of 10,000; of a listing 1 for allowed alone, 2 for all but. Null where being there says it all.';
comment on column chain.module_parameters.account is 'Of a fee, who collects it.';
comment on column chain.module_parameters.from_at is 'Block time of that log.';
comment on column chain.module_parameters.to_block is 'Block of the log that ended this version; null while it is in force.';
comment on column chain.module_parameters.to_log is 'Index of the log that ended this version.';
comment on column chain.module_parameters.to_at is 'Block time of the log that ended this version.';
create unique index module_parameters_open on chain.module_parameters (chain_id, module, scope, parameter, argument) where to_block is null;

insert into ops.table_classes (table_name, class) values
    ('chain.compliance_modules', 'state'), ('chain.module_parameters', 'state');
insert into ops.retention_policies (table_name, seed_tables, unit, archive_after, delete_after, activity, legal_basis) values
    ('chain.compliance_modules', '{compliance_modules}', 'kept', null, null,
        'none: it is permanent', 'compliance rules are permanent'),
    ('chain.module_parameters', '{compliance_rules,asset_compliance}', 'kept', null, null,
        'none: it is permanent', 'compliance rules are permanent');
grant select, insert, update, delete on chain.compliance_modules, chain.module_parameters to asset_indexer_writer;
grant select on chain.compliance_modules, chain.module_parameters to asset_indexer_reader;

create function chain.module_rules(p_chain_id bigint, p_module bytea, p_compliance bytea) returns jsonb
language sql stable parallel safe
begin atomic
    select coalesce(jsonb_object_agg(r.parameter, r.held), '{}')
    from (
        select p.parameter, case
                when p.parameter = 'fee' then
                    jsonb_agg(jsonb_build_object('rate', p.value::text, 'collector', api.hex(p.account))) -> 0
                when bool_and(p.argument = '' and p.value is null) then 'true'::jsonb
                when bool_and(p.argument = '') then jsonb_agg(p.value::text) -> 0
                when bool_and(p.value is null) then jsonb_agg(p.argument order by p.argument)
                else jsonb_object_agg(p.argument, p.value::text)
            end as held
        from chain.module_parameters p
        where p.chain_id = p_chain_id and p.module = p_module and p.to_block is null
            and p.scope in (p_compliance, chain.zero_address(), (
                select t.target from chain.contract_links t where t.chain_id = p_chain_id and t.address = p_compliance
                    and t.link = 'token' and t.slot = chain.zero_address() and t.to_block is null))
        group by p.parameter
    ) r;
end;
comment on function chain.module_rules is 'The rules that a module holds now for a compliance and its token: by parameter true, a number as text, a list of arguments, or numbers by argument.';
grant execute on function chain.module_rules(bigint, bytea, bytea) to asset_indexer_reader, asset_indexer_writer;

create or replace view api.compliance_modules with (security_invoker = true) as
select l.chain_id, md5('compliance_modules ' || l.chain_id || ' ' || encode(l.target, 'hex'))::uuid as id,
    x.name as module_name, null::text as version, api.hex(l.target) as contract_address,
    jsonb_build_object('compliances', count(distinct l.address) filter (where l.to_block is null)) as capabilities,
    case when bool_or(l.to_block is null) then 'active' else 'removed' end as status,
    min(l.from_at) as first_at, l.target::bytea as contract_address_bytes,
    api.hex(x.implementation) as implementation, x.first_block
from chain.contract_links l
left join chain.compliance_modules x on x.chain_id = l.chain_id and x.module = l.target
where l.link = 'module'
group by l.chain_id, l.target, x.name, x.implementation, x.first_block;
comment on view api.compliance_modules is 'Modules that compliances use or used, known from ModuleAdded.';
comment on column api.compliance_modules.module_name is 'What the module calls itself (T-REX 4.1: CountryAllowModule, MaxBalanceModule, …); null where it does not tell.';
comment on column api.compliance_modules.implementation is 'Where its proxy was last pointed to; null where no log told.';
comment on column api.compliance_modules.first_block is 'Block of the module''s first log.';

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
    'compliance_module', null, jsonb_build_object('compliance', api.hex(l.address), 'module', api.hex(l.target),
        'name', (select x.name from chain.compliance_modules x where x.chain_id = l.chain_id and x.module = l.target),
        'rules', chain.module_rules(l.chain_id, l.target, l.address)),
    bool_or(l.to_block is null), min(l.from_at), max(greatest(l.from_at, l.to_at, (
        select max(greatest(p.from_at, p.to_at)) from chain.module_parameters p
        where p.chain_id = l.chain_id and p.module = l.target and p.scope = l.address))), count(*)::integer, 'chain', l.chain_id
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
    jsonb_build_object('module', api.hex(m.target),
        'name', (select x.name from chain.compliance_modules x where x.chain_id = m.chain_id and x.module = m.target),
        'rules', chain.module_rules(m.chain_id, m.target, m.address)), true, greatest(m.from_at, c.from_at), api.hex(m.address), 'chain'
from chain.assets a
join chain.contract_links c on c.chain_id = a.chain_id and c.address = a.contract_address
    and c.link = 'compliance' and c.to_block is null
join chain.contract_links m on m.chain_id = a.chain_id and m.address = c.target and m.link = 'module' and m.to_block is null
$view$, coalesce(to_regclass('api.chain_asset_compliance'), to_regclass('api.asset_compliance')));
end
$do$;

create view api.module_parameters with (security_invoker = true) as
select p.chain_id, api.hex(p.module) as module, x.name as module_name, api.hex(p.scope) as scope, p.parameter, p.argument,
    p.value, api.hex(p.account) as account, p.to_block is null as active, p.from_block, p.from_log, p.from_at, p.to_block,
    p.to_log, p.to_at, p.module::bytea as module_bytes, p.scope::bytea as scope_bytes, k.block_number as as_of_block,
    chain.finality(coalesce(p.to_block, p.from_block), k.finalized_number) as finality
from chain.module_parameters p
left join chain.compliance_modules x on x.chain_id = p.chain_id and x.module = p.module
left join chain.checkpoints k on k.chain_id = p.chain_id;
comment on view api.module_parameters is 'Rules that compliance modules were given, now and in the past.';
comment on column api.module_parameters.module_name is 'What the module calls itself; null where it does not tell.';
select ops.describe_views();
grant select on api.module_parameters to asset_indexer_reader, asset_indexer_writer;
