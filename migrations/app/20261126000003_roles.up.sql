-- What users may do, and how far they have come.

create table app.roles (
    role text primary key check (role ~ '^[a-z][a-z0-9_]{0,62}$'),
    description text,
    created_at timestamptz not null default now()
);
comment on table app.roles is 'Roles of the application: what user_roles and role_permissions speak of.';
comment on column app.roles.role is 'Its name.';
comment on column app.roles.description is 'For people.';
comment on column app.roles.created_at is 'When it was made.';

create table app.permissions (
    id uuid primary key default gen_random_uuid(),
    name text not null unique check (name <> '' and length(name) <= 200),
    description text,
    resource text not null check (resource <> ''),
    action text not null check (action <> ''),
    conditions jsonb not null default '{}' check (jsonb_typeof(conditions) = 'object'),
    unique (resource, action, name)
);
comment on table app.permissions is 'What may be allowed: an action on a kind of resource.';
comment on column app.permissions.id is 'The permission.';
comment on column app.permissions.name is 'Its name.';
comment on column app.permissions.description is 'For people.';
comment on column app.permissions.resource is 'The kind of thing.';
comment on column app.permissions.action is 'What is done with it.';
comment on column app.permissions.conditions is 'When it holds: for the application to judge.';

create table app.role_permissions (
    role text not null references app.roles on update cascade on delete cascade,
    permission_id uuid not null references app.permissions on delete cascade,
    granted_at timestamptz not null default now(),
    granted_by uuid references app.users on delete set null,
    conditions jsonb not null default '{}' check (jsonb_typeof(conditions) = 'object'),
    primary key (role, permission_id)
);
create index role_permissions_permission_idx on app.role_permissions (permission_id);
comment on table app.role_permissions is 'What each role allows.';
comment on column app.role_permissions.role is 'The role.';
comment on column app.role_permissions.permission_id is 'The permission.';
comment on column app.role_permissions.granted_at is 'Since when.';
comment on column app.role_permissions.granted_by is 'Who granted it.';
comment on column app.role_permissions.conditions is 'When it holds for this role: for the application to judge.';

create table app.user_roles (
    id uuid primary key default gen_random_uuid(),
    tenant_id uuid not null default app.current_tenant(),
    user_id uuid not null,
    role text not null references app.roles on update cascade on delete restrict,
    assigned_at timestamptz not null default now(),
    assigned_by uuid,
    expires_at timestamptz,
    status text not null default 'active' check (status in ('active', 'revoked')),
    ended_at timestamptz,
    check (expires_at > assigned_at),
    check ((status = 'revoked') = (ended_at is not null)),
    foreign key (tenant_id, user_id) references app.users (tenant_id, id) on delete cascade,
    foreign key (tenant_id, assigned_by) references app.users (tenant_id, id) on delete set null (assigned_by)
);
create unique index user_roles_user_id_idx on app.user_roles (user_id, role) where status = 'active';
create index user_roles_role_idx on app.user_roles (role) where status = 'active';
comment on table app.user_roles is 'Who has which role: one active assignment a user and role at most; revoked ones stay as history.';
comment on column app.user_roles.id is 'The assignment.';
comment on column app.user_roles.tenant_id is 'Whose user it is.';
comment on column app.user_roles.user_id is 'Who has it.';
comment on column app.user_roles.role is 'The role.';
comment on column app.user_roles.assigned_at is 'Since when.';
comment on column app.user_roles.assigned_by is 'Who gave it.';
comment on column app.user_roles.expires_at is 'From when on it counts no more; null: never.';
comment on column app.user_roles.status is 'active or revoked. One past expires_at is active and counts for nothing.';
comment on column app.user_roles.ended_at is 'When it was revoked.';

create function app.has_permission(p_user uuid, p_resource text, p_action text) returns boolean
language sql stable parallel safe as $$
    select exists (
        select from app.user_roles u
        join app.role_permissions g on g.role = u.role
        join app.permissions p on p.id = g.permission_id
        where u.user_id = p_user and u.status = 'active' and (u.expires_at is null or u.expires_at > now())
            and p.resource = p_resource and p.action = p_action)
$$;
comment on function app.has_permission is 'Whether any role that a user has now allows an action; conditions are for the application to judge.';

create table app.onboarding_steps (
    id uuid primary key default gen_random_uuid(),
    name text not null unique check (name <> '' and length(name) <= 100),
    description text,
    "order" integer not null unique check ("order" >= 0),
    required boolean not null default true,
    validation_rules jsonb not null default '{}' check (jsonb_typeof(validation_rules) = 'object')
);
comment on table app.onboarding_steps is 'The steps from a first login to a user who may trade.';
comment on column app.onboarding_steps.id is 'The step.';
comment on column app.onboarding_steps.name is 'Its name: what onboarding_state speaks of.';
comment on column app.onboarding_steps.description is 'For people.';
comment on column app.onboarding_steps."order" is 'Its place.';
comment on column app.onboarding_steps.required is 'Whether it must be done.';
comment on column app.onboarding_steps.validation_rules is 'What its data must satisfy: for the application to judge.';

create table app.onboarding_state (
    user_id uuid not null,
    tenant_id uuid not null default app.current_tenant(),
    step text not null references app.onboarding_steps (name) on update cascade on delete restrict,
    completed boolean not null default false,
    data jsonb not null default '{}' check (jsonb_typeof(data) = 'object'),
    completed_at timestamptz,
    metadata jsonb not null default '{}' check (jsonb_typeof(metadata) = 'object'),
    updated_at timestamptz not null default now(),
    primary key (user_id, step),
    foreign key (tenant_id, user_id) references app.users (tenant_id, id) on delete cascade,
    check (completed = (completed_at is not null))
);
comment on table app.onboarding_state is 'How far a user has come, a row a step.';
comment on column app.onboarding_state.user_id is 'The user.';
comment on column app.onboarding_state.tenant_id is 'Whose user it is.';
comment on column app.onboarding_state.step is 'The step.';
comment on column app.onboarding_state.completed is 'Whether it is done.';
comment on column app.onboarding_state.data is 'personal: what the user entered.';
comment on column app.onboarding_state.completed_at is 'When it was done.';
comment on column app.onboarding_state.metadata is 'personal: what the application notes beside it.';
comment on column app.onboarding_state.updated_at is 'When the row changed last.';

insert into app.roles (role, description) values
    ('admin', 'runs the platform'),
    ('issuer', 'issues and manages assets'),
    ('compliance_officer', 'verifies people and resolves violations'),
    ('auditor', 'reads everything, changes nothing'),
    ('investor', 'holds assets');
insert into app.onboarding_steps (name, description, "order") values
    ('account', 'the account is made and its address is proved', 10),
    ('wallet', 'a wallet is linked', 20),
    ('identity', 'an on-chain identity is registered', 30),
    ('verification', 'the claims that assets require are issued', 40);
