-- What the application knows about assets and the chain does not. Keyed by the asset's computed id (api.assets.id), without
-- a foreign key: a reorg is never held up by these rows, and takes none of them away.

create table app.asset_metadata (
    asset_id uuid not null,
    tenant_id uuid not null default app.current_tenant() references app.tenants on delete restrict,
    description text,
    documentation jsonb not null default '[]' check (jsonb_typeof(documentation) in ('array', 'object')),
    legal_info jsonb not null default '{}' check (jsonb_typeof(legal_info) = 'object'),
    regulatory_info jsonb not null default '{}' check (jsonb_typeof(regulatory_info) = 'object'),
    updated_at timestamptz not null default now(),
    primary key (tenant_id, asset_id)
);
comment on table app.asset_metadata is 'Prospectus, legal form and the like. Read it through api.asset_metadata.';
comment on column app.asset_metadata.asset_id is 'The asset.';
comment on column app.asset_metadata.tenant_id is 'Whose text it is.';
comment on column app.asset_metadata.description is 'For people.';
comment on column app.asset_metadata.documentation is 'Documents: names, places, digests.';
comment on column app.asset_metadata.legal_info is 'Legal form, ISIN, register.';
comment on column app.asset_metadata.regulatory_info is 'Exemptions, approvals, jurisdictions.';
comment on column app.asset_metadata.updated_at is 'When the row changed last.';

create table app.asset_settings (
    asset_id uuid not null,
    tenant_id uuid not null default app.current_tenant() references app.tenants on delete restrict,
    operational_params jsonb not null default '{}' check (jsonb_typeof(operational_params) = 'object'),
    updated_at timestamptz not null default now(),
    primary key (tenant_id, asset_id)
);
comment on table app.asset_settings is 'The application''s part of api.asset_configuration.';
comment on column app.asset_settings.asset_id is 'The asset.';
comment on column app.asset_settings.tenant_id is 'Whose settings they are.';
comment on column app.asset_settings.operational_params is 'Trading hours, minimum tickets and the like.';
comment on column app.asset_settings.updated_at is 'When the row changed last.';

create table app.asset_permissions (
    id uuid primary key default gen_random_uuid(),
    tenant_id uuid not null default app.current_tenant() references app.tenants on delete restrict,
    asset_id uuid not null,
    user_id uuid not null,
    permission_type text not null check (permission_type <> '' and length(permission_type) <= 100),
    granted_at timestamptz not null default now(),
    granted_by uuid,
    expires_at timestamptz check (expires_at > granted_at),
    revoked_at timestamptz check (revoked_at >= granted_at),
    foreign key (tenant_id, user_id) references app.users (tenant_id, id) on delete cascade,
    foreign key (tenant_id, granted_by) references app.users (tenant_id, id) on delete set null (granted_by)
);
create unique index asset_permissions_active_idx on app.asset_permissions (tenant_id, asset_id, user_id, permission_type) where revoked_at is null;
create index asset_permissions_user_id_idx on app.asset_permissions (user_id);
comment on table app.asset_permissions is 'Rights on an asset that the application grants; those that a contract grants come from the chain. Both: api.asset_permissions.';
comment on column app.asset_permissions.id is 'The grant.';
comment on column app.asset_permissions.tenant_id is 'Whose grant it is.';
comment on column app.asset_permissions.asset_id is 'The asset.';
comment on column app.asset_permissions.user_id is 'Who may.';
comment on column app.asset_permissions.permission_type is 'What.';
comment on column app.asset_permissions.granted_at is 'Since when.';
comment on column app.asset_permissions.granted_by is 'Who granted it.';
comment on column app.asset_permissions.expires_at is 'From when on it counts no more; null: never.';
comment on column app.asset_permissions.revoked_at is 'When it was taken back.';

create table app.asset_benchmarks (
    tenant_id uuid not null default app.current_tenant() references app.tenants on delete restrict,
    asset_id uuid not null,
    metric_type text not null check (metric_type <> ''),
    benchmark numeric not null,
    updated_at timestamptz not null default now(),
    primary key (tenant_id, asset_id, metric_type)
);
comment on table app.asset_benchmarks is 'What a metric is compared with: the column benchmark of api.asset_metrics.';
comment on column app.asset_benchmarks.tenant_id is 'Whose measure it is.';
comment on column app.asset_benchmarks.asset_id is 'The asset.';
comment on column app.asset_benchmarks.metric_type is 'As in api.asset_metrics.';
comment on column app.asset_benchmarks.benchmark is 'The value to compare with, in the metric''s unit.';
comment on column app.asset_benchmarks.updated_at is 'When the row changed last.';

create table app.asset_reports (
    id uuid primary key default gen_random_uuid(),
    tenant_id uuid not null default app.current_tenant() references app.tenants on delete restrict,
    asset_id uuid not null,
    report_type text not null check (report_type ~ '^[a-z][a-z0-9_]*$'),
    report_data jsonb not null,
    generated_at timestamptz not null default now(),
    generated_by text not null default app.actor(),
    chain_id bigint,
    block_number bigint check (block_number >= 0),
    block_hash text check (block_hash ~ '^0x[0-9a-f]{64}$'),
    digest text check (digest ~ '^[0-9a-f]{64}$'),
    check ((block_number is null) = (block_hash is null))
);
create index asset_reports_asset_idx on app.asset_reports (asset_id, report_type, generated_at desc);
comment on table app.asset_reports is 'Reports as they were given out: append-only.';
comment on column app.asset_reports.id is 'The report.';
comment on column app.asset_reports.tenant_id is 'Whose report it is.';
comment on column app.asset_reports.asset_id is 'The asset.';
comment on column app.asset_reports.report_type is 'What it reports: cap_table and so on.';
comment on column app.asset_reports.report_data is 'What it said.';
comment on column app.asset_reports.generated_at is 'When it was made.';
comment on column app.asset_reports.generated_by is 'Who made it.';
comment on column app.asset_reports.chain_id is 'The chain it speaks of.';
comment on column app.asset_reports.block_number is 'As of which block; null where it speaks of none.';
comment on column app.asset_reports.block_hash is 'Hash of that block.';
comment on column app.asset_reports.digest is 'SHA-256, in hex, of the report as given out.';

create table app.submitted_transactions (
    transaction_hash text not null check (transaction_hash ~ '^0x[0-9a-f]{64}$'),
    tenant_id uuid not null default app.current_tenant() references app.tenants on delete restrict,
    chain_id bigint not null check (chain_id > 0),
    asset_id uuid,
    user_id uuid,
    operation_type text not null check (operation_type <> ''),
    sender text check (sender ~ '^0x[0-9a-f]{40}$'),
    nonce bigint check (nonce >= 0),
    submitted_at timestamptz not null default now(),
    primary key (tenant_id, chain_id, transaction_hash),
    foreign key (tenant_id, user_id) references app.users (tenant_id, id) on delete set null (user_id)
);
create index submitted_transactions_asset_idx on app.submitted_transactions (asset_id, submitted_at desc);
comment on table app.submitted_transactions is 'Transactions that the application sent; api.submitted_transactions tells whether the chain has them.';
comment on column app.submitted_transactions.transaction_hash is 'Its hash.';
comment on column app.submitted_transactions.tenant_id is 'Who sent it.';
comment on column app.submitted_transactions.chain_id is 'To which chain.';
comment on column app.submitted_transactions.asset_id is 'The asset it is about.';
comment on column app.submitted_transactions.user_id is 'personal: who wished it.';
comment on column app.submitted_transactions.operation_type is 'What it should do.';
comment on column app.submitted_transactions.sender is 'personal: who signed it.';
comment on column app.submitted_transactions.nonce is 'The sender''s count of transactions before it.';
comment on column app.submitted_transactions.submitted_at is 'When it was sent.';

create table app.provider_profiles (
    id uuid primary key default gen_random_uuid(),
    tenant_id uuid not null default app.current_tenant() references app.tenants on delete restrict,
    chain_id bigint check (chain_id > 0),
    issuer text check (issuer ~ '^0x[0-9a-f]{40}$'),
    name text not null check (name <> '' and length(name) <= 200),
    provider_type text not null default 'kyc' check (provider_type in ('kyc', 'aml', 'accreditation', 'onchain_issuer', 'other')),
    api_config jsonb not null default '{}' check (jsonb_typeof(api_config) = 'object'),
    status text not null default 'active' check (status in ('active', 'paused', 'ended')),
    trust_level smallint not null default 50 check (trust_level between 0 and 100),
    updated_at timestamptz not null default now(),
    check ((chain_id is null) = (issuer is null))
);
create unique index provider_profiles_issuer_idx on app.provider_profiles (tenant_id, chain_id, issuer) where issuer is not null;
comment on table app.provider_profiles is 'What the application knows of those who verify people; whom a registry trusts, the chain says. Both: api.verification_providers.';
comment on column app.provider_profiles.id is 'The provider.';
comment on column app.provider_profiles.tenant_id is 'Whose knowledge it is.';
comment on column app.provider_profiles.chain_id is 'The chain of its issuer contract, if it has one.';
comment on column app.provider_profiles.issuer is 'Its issuer contract.';
comment on column app.provider_profiles.name is 'For people.';
comment on column app.provider_profiles.provider_type is 'kyc, aml, accreditation, onchain_issuer or other.';
comment on column app.provider_profiles.api_config is 'How it is reached; secrets are named here and kept elsewhere.';
comment on column app.provider_profiles.status is 'active, paused or ended.';
comment on column app.provider_profiles.trust_level is 'How far the tenant trusts it, 0 to 100.';
comment on column app.provider_profiles.updated_at is 'When the row changed last.';
