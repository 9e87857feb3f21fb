-- Users, how they log in, what they may, how far they have come.
--
-- Personal columns name their purpose in their comment ("personal: …"): the record of processing is read from the
-- catalogue; secrets say so too ("secret: …"). Ciphertext is text that the application made with the person's own key
-- (app.subject_keys): "v1." and in base64 12 bytes of nonce, AES-256-GCM ciphertext and tag; associated data are table,
-- column and user_id. Destroying the key erases it everywhere, also in backups. Types are plain ones that every tool knows:
-- digests are hex, addresses and hashes 0x text in lower case.

create table app.users (
    id uuid primary key default gen_random_uuid(),
    tenant_id uuid not null default app.current_tenant() references app.tenants on delete restrict,
    email text not null check (email ~ '^[^@[:space:]]+@[^@[:space:]]+$' and length(email) <= 320),
    -- Stored, not an index on lower(email): behind row-level security a function is no index condition.
    email_key text not null generated always as (lower(email)) stored,
    username text check (username <> '' and length(username) <= 100),
    username_key text generated always as (lower(username)) stored,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    last_activity_at timestamptz,
    status text not null default 'active' check (status in ('invited', 'active', 'suspended', 'locked', 'erased')),
    unique (tenant_id, id)
);
create unique index users_email_idx on app.users (tenant_id, email_key);
create index users_username_idx on app.users (tenant_id, username_key);
comment on table app.users is 'User accounts. Erasing one pseudonymises the row; it is not deleted.';
comment on column app.users.id is 'The user; what personal tables are keyed by.';
comment on column app.users.tenant_id is 'Whose user it is.';
comment on column app.users.email is 'personal: contact and login; unique within the tenant, whatever its case.';
comment on column app.users.email_key is 'personal: email in lower case; look users up by it.';
comment on column app.users.username_key is 'personal: username in lower case; look users up by it.';
comment on column app.users.username is 'personal: shown to others.';
comment on column app.users.created_at is 'When the account was made.';
comment on column app.users.updated_at is 'When the row changed last.';
comment on column app.users.last_activity_at is 'personal: last login or change of a claim; retention counts from here.';
comment on column app.users.status is 'invited, active, suspended, locked (too many failed logins) or erased.';

create table app.subject_keys (
    user_id uuid primary key,
    tenant_id uuid not null default app.current_tenant(),
    wrapped_key text check (wrapped_key ~ '^[A-Za-z0-9+/]{40,}={0,2}$' and length(wrapped_key) <= 2000),
    wrapping_key text not null,
    created_at timestamptz not null default now(),
    rotated_at timestamptz,
    destroyed_at timestamptz,
    check ((destroyed_at is null) = (wrapped_key is not null)),
    foreign key (tenant_id, user_id) references app.users (tenant_id, id) on delete restrict
);
comment on table app.subject_keys is 'One encryption key a person, wrapped by a key that is not in this database.';
comment on column app.subject_keys.user_id is 'The person.';
comment on column app.subject_keys.tenant_id is 'Whose user it is.';
comment on column app.subject_keys.wrapped_key is 'secret: the key, encrypted by the wrapping key, in base64; null once destroyed.';
comment on column app.subject_keys.wrapping_key is 'Which file or KMS key wrapped it.';
comment on column app.subject_keys.created_at is 'When the key was made.';
comment on column app.subject_keys.rotated_at is 'When it was wrapped anew last.';
comment on column app.subject_keys.destroyed_at is 'When it was destroyed: what it encrypted can be read nowhere any more.';

create table app.user_profiles (
    user_id uuid primary key,
    tenant_id uuid not null default app.current_tenant(),
    first_name text check (first_name ~ '^v1[.][A-Za-z0-9+/]{40,}={0,2}$'),
    last_name text check (last_name ~ '^v1[.][A-Za-z0-9+/]{40,}={0,2}$'),
    phone text check (phone ~ '^v1[.][A-Za-z0-9+/]{40,}={0,2}$'),
    address text check (address ~ '^v1[.][A-Za-z0-9+/]{40,}={0,2}$'),
    preferences jsonb not null default '{}' check (jsonb_typeof(preferences) = 'object'),
    updated_at timestamptz not null default now(),
    foreign key (tenant_id, user_id) references app.users (tenant_id, id) on delete cascade
);
comment on table app.user_profiles is 'Who a user is: encrypted with the person''s own key.';
comment on column app.user_profiles.user_id is 'The user; the key is also the seed''s user_id_idx.';
comment on column app.user_profiles.tenant_id is 'Whose user it is.';
comment on column app.user_profiles.first_name is 'personal: identification (ciphertext).';
comment on column app.user_profiles.last_name is 'personal: identification (ciphertext).';
comment on column app.user_profiles.phone is 'personal: contact (ciphertext).';
comment on column app.user_profiles.address is 'personal: identification and contact (ciphertext).';
comment on column app.user_profiles.preferences is 'personal: how the user wants the profile shown.';
comment on column app.user_profiles.updated_at is 'When the row changed last.';

create table app.user_settings (
    user_id uuid primary key,
    tenant_id uuid not null default app.current_tenant(),
    theme text not null default 'system' check (theme in ('light', 'dark', 'system')),
    language text not null default 'en' check (language ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$'),
    notifications jsonb not null default '{}' check (jsonb_typeof(notifications) = 'object'),
    privacy_settings jsonb not null default '{}' check (jsonb_typeof(privacy_settings) = 'object'),
    preferences jsonb not null default '{}' check (jsonb_typeof(preferences) = 'object'),
    cache_seconds integer not null default 300 check (cache_seconds >= 0),
    updated_at timestamptz not null default now(),
    foreign key (tenant_id, user_id) references app.users (tenant_id, id) on delete cascade
);
comment on table app.user_settings is 'How a user wants the application; user_preferences is a view of it.';
comment on column app.user_settings.user_id is 'The user; the key is also the seed''s user_id_idx.';
comment on column app.user_settings.tenant_id is 'Whose user it is.';
comment on column app.user_settings.theme is 'light, dark or system.';
comment on column app.user_settings.language is 'personal: language tag (BCP 47).';
comment on column app.user_settings.notifications is 'personal: which messages by which channel.';
comment on column app.user_settings.privacy_settings is 'personal: what others may see.';
comment on column app.user_settings.preferences is 'personal: everything else the application keeps for the user.';
comment on column app.user_settings.cache_seconds is 'How long a reader may keep the row: 5 minutes.';
comment on column app.user_settings.updated_at is 'When the row changed last.';

create table app.sessions (
    id uuid primary key default gen_random_uuid(),
    tenant_id uuid not null default app.current_tenant(),
    user_id uuid not null,
    token text not null check (token ~ '^[0-9a-f]{64}$'),
    expires_at timestamptz not null,
    created_at timestamptz not null default now(),
    ip_address inet,
    check (expires_at > created_at and expires_at <= created_at + interval '1 year'),
    foreign key (tenant_id, user_id) references app.users (tenant_id, id) on delete cascade
);
create unique index sessions_token_idx on app.sessions (token);
create index sessions_user_id_idx on app.sessions (user_id);
create index sessions_expires_idx on app.sessions (expires_at);
comment on table app.sessions is 'Logged-in sessions. The token itself is never here: who reads this table can use no session.';
comment on column app.sessions.id is 'The session.';
comment on column app.sessions.tenant_id is 'Whose user it is.';
comment on column app.sessions.user_id is 'Whose it is.';
comment on column app.sessions.token is 'secret: SHA-256, in hex, of the token that the browser holds.';
comment on column app.sessions.expires_at is 'From when on it is worth nothing; a year after it began at the latest.';
comment on column app.sessions.created_at is 'When it began.';
comment on column app.sessions.ip_address is 'personal: security of the account.';

create table app.accounts (
    id uuid primary key default gen_random_uuid(),
    tenant_id uuid not null default app.current_tenant(),
    user_id uuid not null,
    provider text not null check (provider <> '' and length(provider) <= 100),
    provider_id text not null check (provider_id <> '' and length(provider_id) <= 500),
    access_token text check (access_token ~ '^v1[.][A-Za-z0-9+/]{40,}={0,2}$'),
    refresh_token text check (refresh_token ~ '^v1[.][A-Za-z0-9+/]{40,}={0,2}$'),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (user_id, provider, provider_id),
    foreign key (tenant_id, user_id) references app.users (tenant_id, id) on delete cascade
);
create index accounts_provider_idx on app.accounts (provider, provider_id);
comment on table app.accounts is 'Logins at other services (OAuth, OpenID Connect) that stand for a user.';
comment on column app.accounts.id is 'The account.';
comment on column app.accounts.tenant_id is 'Whose user it is.';
comment on column app.accounts.user_id is 'Whose it is.';
comment on column app.accounts.provider is 'The service.';
comment on column app.accounts.provider_id is 'personal: the user''s name at the service.';
comment on column app.accounts.access_token is 'secret: ciphertext under the person''s key.';
comment on column app.accounts.refresh_token is 'secret: ciphertext under the person''s key.';
comment on column app.accounts.created_at is 'When it was linked.';
comment on column app.accounts.updated_at is 'When the row changed last.';

create table app.verifications (
    id uuid primary key default gen_random_uuid(),
    tenant_id uuid not null default app.current_tenant(),
    user_id uuid not null,
    type text not null check (type in ('email', 'phone', 'password_reset', 'second_factor')),
    token text not null unique check (token ~ '^[0-9a-f]{64}$'),
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    verified_at timestamptz,
    check (expires_at > created_at and expires_at <= created_at + interval '90 days'),
    check (verified_at is null or verified_at < expires_at),
    foreign key (tenant_id, user_id) references app.users (tenant_id, id) on delete cascade
);
create index verifications_user_id_idx on app.verifications (user_id);
comment on table app.verifications is 'Codes that were sent to prove an address, a telephone or a wish to reset.';
comment on column app.verifications.id is 'The verification.';
comment on column app.verifications.tenant_id is 'Whose user it is.';
comment on column app.verifications.user_id is 'Whose it is.';
comment on column app.verifications.type is 'email, phone, password_reset or second_factor.';
comment on column app.verifications.token is 'secret: SHA-256, in hex, of the code.';
comment on column app.verifications.created_at is 'When it was sent.';
comment on column app.verifications.expires_at is 'From when on it proves nothing; 90 days after it was sent at the latest.';
comment on column app.verifications.verified_at is 'When the code came back.';

create table app.wallet_links (
    id uuid primary key default gen_random_uuid(),
    tenant_id uuid not null default app.current_tenant() references app.tenants on delete restrict,
    user_id uuid not null,
    chain_id bigint not null check (chain_id > 0),
    wallet text not null check (wallet ~ '^0x[0-9a-f]{40}$'),
    linked_at timestamptz not null default now(),
    unlinked_at timestamptz check (unlinked_at >= linked_at),
    foreign key (tenant_id, user_id) references app.users (tenant_id, id) on delete cascade
);
create unique index wallet_links_wallet_idx on app.wallet_links (tenant_id, chain_id, wallet) where unlinked_at is null;
create index wallet_links_user_id_idx on app.wallet_links (user_id) where unlinked_at is null;
comment on table app.wallet_links is 'Which person a wallet belongs to: the one bridge between chain rows and people.';
comment on column app.wallet_links.id is 'The link.';
comment on column app.wallet_links.tenant_id is 'Whose knowledge it is: each tenant has its own.';
comment on column app.wallet_links.user_id is 'personal: the person.';
comment on column app.wallet_links.chain_id is 'The chain.';
comment on column app.wallet_links.wallet is 'personal: the wallet''s address, or an identity contract''s.';
comment on column app.wallet_links.linked_at is 'Since when.';
comment on column app.wallet_links.unlinked_at is 'Until when; null while it stands.';

create function app.validate_session(p_token text) returns table (session_id uuid, user_id uuid, expires_at timestamptz)
language sql stable parallel safe rows 1 as $$
    select s.id, s.user_id, s.expires_at
    from app.sessions s join app.users u on u.id = s.user_id
    where s.token = p_token and s.expires_at > now() and u.status = 'active'
$$;
comment on function app.validate_session is 'The session of a token''s SHA-256 (hex), where it has not expired and its user is active; else no row.';
