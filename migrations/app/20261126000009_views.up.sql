-- The seed's names read through `api`: what the chain says joined with what the application knows. The chain's own view of
-- a name that is widened here stays beside it as chain_….

alter view api.identities rename to chain_identities;
create view api.identities with (security_invoker = true) as
select i.*, l.user_id, c.from_at as verified_at, api.hex(c.issuer) as issuer
from api.chain_identities i
left join lateral (
    select w.user_id from app.wallet_links w
    where w.tenant_id = (select app.current_tenant()) and w.chain_id = i.chain_id and w.unlinked_at is null
        and (w.wallet = i.onchain_id or w.wallet = any (i.wallets))
    order by w.linked_at, w.id limit 1) l on true
left join lateral (
    select c.from_at, c.issuer from chain.identity_claims c
    join chain.verification_providers p on p.chain_id = c.chain_id and p.issuer = c.issuer and c.claim_type = any (p.topics)
        and p.to_block is null
    where i.verification_status = 'verified' and c.chain_id = i.chain_id and c.identity = i.onchain_id_bytes
        and c.to_block is null and c.id_matches
        and not exists (select from chain.claim_revocations x where x.chain_id = c.chain_id and x.issuer = c.issuer
            and x.signature_hash = c.signature_hash)
    order by c.from_block desc, c.from_log desc limit 1) c on true;
comment on view api.identities is 'api.chain_identities with the tenant''s user, found by the identity or by a wallet of it.';
comment on column api.identities.user_id is 'The tenant''s user; null where none is linked.';
comment on column api.identities.verified_at is 'While it is verified: block time of the newest claim in force of an issuer that a registry trusts for its topic.';
comment on column api.identities.issuer is 'The issuer of that claim.';

alter view api.asset_permissions rename to chain_asset_permissions;
create view api.asset_permissions with (security_invoker = true) as
select p.asset_id, w.user_id, p.permission_type, p.granted_at,
    p.granted_in as granted_by, null::timestamptz as expires_at, p.active, p.account_address, p.ended_at,
    'chain' as source, p.chain_id, p.address, p.granted_in, p.from_block, p.from_log, p.to_block, p.to_log,
    p.address_bytes, p.account_bytes, p.as_of_block, p.finality
from api.chain_asset_permissions p
left join app.wallet_links w on w.tenant_id = (select app.current_tenant()) and w.chain_id = p.chain_id
    and w.wallet = p.account_address and w.unlinked_at is null
union all
select a.asset_id, a.user_id, a.permission_type, a.granted_at, a.granted_by::text, a.expires_at,
    a.revoked_at is null and (a.expires_at is null or a.expires_at > now()), null,
    case when a.revoked_at is not null or a.expires_at <= now() then least(a.revoked_at, a.expires_at) end, 'application', null, null, null, null, null, null, null, null, null, null, null
from app.asset_permissions a
where a.tenant_id = (select app.current_tenant());
comment on view api.asset_permissions is 'Who may do what with an asset: agents and owners by contract, and grants of the application.';
comment on column api.asset_permissions.granted_by is 'The transaction, or the user who granted it.';
comment on column api.asset_permissions.source is 'chain or application.';

alter view api.verification_providers rename to chain_verification_providers;
create view api.verification_providers with (security_invoker = true) as
select p.id, coalesce(p.name, v.issuer) as name,
    case when v.issuer is null then p.provider_type else coalesce(p.provider_type, 'onchain_issuer') end as provider_type,
    p.api_config, coalesce(v.status, p.status) as status, p.trust_level,
    coalesce(v.chain_id, p.chain_id) as chain_id, v.registry, coalesce(v.issuer, p.issuer) as issuer, v.topics,
    v.since, v.until, v.from_block, v.from_log, v.to_block, v.to_log, v.registry_bytes,
    coalesce(v.issuer_bytes, api.address(p.issuer)) as issuer_bytes, v.as_of_block,
    v.finality
from api.chain_verification_providers v
full join (select * from app.provider_profiles where tenant_id = (select app.current_tenant())) p
    on p.chain_id = v.chain_id and p.issuer = v.issuer;
comment on view api.verification_providers is 'Who verifies people: issuers that registries trust, now and in the past, and what the tenant knows of them and of others.';
comment on column api.verification_providers.id is 'The tenant''s own row; null where it has none.';
comment on column api.verification_providers.status is 'What the registry says; of one that no registry knows, what the tenant says.';

alter view api.identity_claims rename to chain_identity_claims;
create view api.identity_claims with (security_invoker = true) as
select c.*, p.id as provider_id
from api.chain_identity_claims c
left join app.provider_profiles p on p.tenant_id = (select app.current_tenant()) and p.chain_id = c.chain_id
    and p.issuer = c.issuer;
comment on view api.identity_claims is 'api.chain_identity_claims with the tenant''s row of the issuer.';
comment on column api.identity_claims.provider_id is 'app.provider_profiles.id of the issuer; null where the tenant has none.';

alter view api.transaction_logs rename to chain_transaction_logs;
create view api.transaction_logs with (security_invoker = true) as
select t.*, coalesce(r.user_id, s.user_id) as user_id, s.user_id as from_user_id, r.user_id as to_user_id
from api.chain_transaction_logs t
left join app.wallet_links s on s.tenant_id = (select app.current_tenant()) and s.chain_id = t.chain_id
    and s.wallet = t.from_address and s.unlinked_at is null
left join app.wallet_links r on r.tenant_id = (select app.current_tenant()) and r.chain_id = t.chain_id
    and r.wallet = t.to_address and r.unlinked_at is null;
comment on view api.transaction_logs is 'api.chain_transaction_logs with the tenant''s users.';
comment on column api.transaction_logs.user_id is 'The recipient, else the sender.';

alter view api.compliance_rules rename to chain_compliance_rules;
create view api.compliance_rules with (security_invoker = true) as
select r.id, r.rule_type, r.jurisdiction, r.parameters, r.active, r.created_at, r.updated_at, r.version, r.source, r.chain_id
from api.chain_compliance_rules r
union all
select r.id, r.rule_type, r.jurisdiction, r.parameters, r.active, r.created_at, r.updated_at, r.version, 'application', null
from app.compliance_rules r
where r.tenant_id = (select app.current_tenant());
comment on view api.compliance_rules is 'What contracts require, and the tenant''s own rules.';
comment on column api.compliance_rules.source is 'chain or application.';

alter view api.asset_compliance rename to chain_asset_compliance;
create view api.asset_compliance with (security_invoker = true) as
select c.asset_id, c.rule_id, c.parameters, c.active, c.configured_at, c.configured_by, c.module_id, c.source, c.chain_id
from api.chain_asset_compliance c
union all
select c.asset_id, c.rule_id, c.parameters, c.active, c.configured_at, c.configured_by, c.module_id, 'application', null
from app.asset_compliance c
where c.tenant_id = (select app.current_tenant());
comment on view api.asset_compliance is 'Which rules an asset is under: by its contracts, and by the tenant.';
comment on column api.asset_compliance.source is 'chain or application.';

alter view api.asset_metrics rename to chain_asset_metrics;
create view api.asset_metrics with (security_invoker = true) as
select m.*, b.benchmark
from api.chain_asset_metrics m
left join app.asset_benchmarks b on b.tenant_id = (select app.current_tenant()) and b.asset_id = m.asset_id and b.metric_type = m.metric_type;
comment on view api.asset_metrics is 'api.chain_asset_metrics with the tenant''s benchmark.';
comment on column api.asset_metrics.benchmark is 'What the tenant compares the value with.';

create view api.asset_metadata with (security_invoker = true) as
select a.id as asset_id, coalesce(m.description, '') as description, coalesce(m.documentation, '[]') as documentation,
    coalesce(m.legal_info, '{}') as legal_info, coalesce(m.regulatory_info, '{}') as regulatory_info, m.updated_at, a.chain_id
from chain.assets a
left join app.asset_metadata m on m.tenant_id = (select app.current_tenant()) and m.asset_id = a.id;
comment on view api.asset_metadata is 'What the tenant says about each asset: a row for every asset.';

create view api.asset_configuration with (security_invoker = true) as
select a.id as asset_id,
    jsonb_build_object('decimals', a.decimals, 'version', a.version, 'identity_registry', a.identity_registry,
        'compliance', a.compliance, 'onchain_id', a.onchain_id) as configuration_data,
    jsonb_build_object('standard', a.asset_type) as extension_settings,
    (select coalesce(jsonb_agg(jsonb_build_object('rule_id', c.rule_id, 'parameters', c.parameters) order by c.rule_id), '[]')
        from api.asset_compliance c where c.asset_id = a.id and c.active) as compliance_rules,
    coalesce(s.operational_params, '{}') as operational_params, a.chain_id, a.as_of_block
from api.assets a
left join app.asset_settings s on s.tenant_id = (select app.current_tenant()) and s.asset_id = a.id;
comment on view api.asset_configuration is 'How each asset is set up: its contracts and rules by the chain, how it is operated by the tenant.';

create view api.compliance_violations with (security_invoker = true) as
select v.id, v.asset_id, v.user_id, v.violation_type, v.details, v.detected_at, r.resolved_at, r.resolution_type, v.detected_by
from app.compliance_violations v
left join app.violation_resolutions r on r.tenant_id = v.tenant_id and r.violation_id = v.id
where v.tenant_id = (select app.current_tenant());
comment on view api.compliance_violations is 'Breaches and whether they ended. The open ones: where resolved_at is null.';

create view api.submitted_transactions with (security_invoker = true) as
select s.transaction_hash, s.chain_id,
    s.asset_id, s.user_id, s.operation_type, s.submitted_at,
    case
        when t.block_number <= k.finalized_number then 'finalized'
        when t.block_number is not null then 'included'
        else 'pending'
    end as status,
    t.block_number, t.block_timestamp, k.block_number as as_of_block
from app.submitted_transactions s
left join lateral (
    select x.block_number, x.block_timestamp from chain.asset_events x
    where x.transaction_hash = decode(substr(s.transaction_hash, 3), 'hex') and x.chain_id = s.chain_id limit 1) t on true
left join chain.checkpoints k on k.chain_id = s.chain_id
where s.tenant_id = (select app.current_tenant());
comment on view api.submitted_transactions is 'What became of transactions that the application sent.';
comment on column api.submitted_transactions.status is 'pending until a watched contract logged in it: a transaction that failed leaves no log and stays pending; then included, then finalized.';

-- For support: whom one talks to, without what one need not know. Owner's rights, so the tenant is asked for here.
create view app.users_masked with (security_barrier = true) as
select u.id, u.status, left(u.email, 1) || '***@' || split_part(u.email, '@', 2) as email,
    left(u.username, 1) || '***' as username, u.created_at, u.updated_at
from app.users u
where u.tenant_id = (select app.current_tenant());
comment on view app.users_masked is 'Users as support sees them: first letter and mail domain.';
comment on column app.users_masked.id is 'The user.';
comment on column app.users_masked.status is 'As in app.users.';
comment on column app.users_masked.email is 'First letter and domain.';
comment on column app.users_masked.username is 'First letter.';
comment on column app.users_masked.created_at is 'When the account was made.';
comment on column app.users_masked.updated_at is 'When the row changed last.';

comment on column api.asset_configuration.configuration_data is 'Decimals, version, and the contracts that the token points to.';
comment on column api.asset_configuration.extension_settings is 'The standard it follows.';
comment on column api.asset_configuration.compliance_rules is 'The rules in force, as in api.asset_compliance.';
comment on column api.asset_configuration.operational_params is 'What the tenant set: app.asset_settings.';
comment on column api.compliance_violations.resolved_at is 'When it ended; null while it stands.';
comment on column api.compliance_violations.resolution_type is 'How it ended.';
comment on column api.submitted_transactions.block_timestamp is 'Block time, once it is included.';
comment on column api.transaction_logs.from_user_id is 'The tenant''s user who had the units.';
comment on column api.transaction_logs.to_user_id is 'The tenant''s user who got them.';
comment on column api.verification_providers.name is 'The tenant''s name for it, else the issuer''s address.';
comment on column api.verification_providers.provider_type is 'The tenant''s word; onchain_issuer for one that only a registry knows.';
comment on column api.verification_providers.api_config is 'How the tenant reaches it.';
comment on column api.verification_providers.trust_level is 'How far the tenant trusts it, 0 to 100.';
select ops.describe_views();
