-- An export gives nothing of another out of a report, also where that other's wallet is no user's; and whether a person is
-- under legal hold is told to the person's tenant alone.
set local lock_timeout = '500ms';

create function app.addresses_of(p_subject uuid) returns table (address text)
language sql stable set search_path = pg_catalog, pg_temp as $$
    with wallets as materialized (
        select w.chain_id, w.wallet, w.linked_at, coalesce(w.unlinked_at, 'infinity') as unlinked_at
        from app.wallet_links w where w.user_id = p_subject)
    select w.wallet from wallets w
    union select s.sender from app.submitted_transactions s where s.user_id = p_subject and s.sender is not null
    -- An identity is the person's for as long as it is a linked wallet's.
    union select api.hex(r.identity) from wallets w
        join chain.registrations r on r.chain_id = w.chain_id and r.wallet = api.address(w.wallet)
            and r.from_at < w.unlinked_at and coalesce(r.to_at, 'infinity') > w.linked_at
    union select api.hex(n.identity) from wallets w
        join chain.identity_links n on n.chain_id = w.chain_id and n.account = api.address(w.wallet)
            and n.from_at < w.unlinked_at and coalesce(n.to_at, 'infinity') > w.linked_at
$$;
comment on function app.addresses_of is 'The wallets and identities that are, or were, a person''s. For the owner alone.';
revoke execute on function app.addresses_of(uuid) from public;

create or replace function app.names_others(p_text text, p_tenant uuid, p_subject uuid) returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$
    select exists (select from regexp_matches(lower(p_text), '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}', 'g') m (found)
            join app.users u on u.id = m.found[1]::uuid and u.id <> p_subject)
        -- A longer number is a hash.
        or exists (select from regexp_matches(lower(p_text), '0x[0-9a-f]{40}(?![0-9a-f])', 'g') m (found)
            where m.found[1] not in (select a.address from app.addresses_of(p_subject) a)
                and (exists (select from app.wallet_links w where w.tenant_id = p_tenant and w.wallet = m.found[1])
                    -- Nobody's: tokens, registries, modules, and whom mints come from.
                    or m.found[1] <> api.hex(chain.zero_address()) and not exists (
                        select from chain.checkpoints k join chain.contracts c on c.chain_id = k.chain_id
                            and c.address = decode(substr(m.found[1], 3), 'hex') and c.role <> 'identity')))
        or exists (select from regexp_matches(lower(p_text), '[^[:space:]<>"'',;:()]+@[^[:space:]<>"'',;:()]+', 'g') m (found)
            join app.users u on u.tenant_id = p_tenant and u.email_key = m.found[1] and u.id <> p_subject)
$$;
comment on function app.names_others is 'Whether a text holds another person''s id or e-mail address, or an address that is neither this person''s nor a contract of the register.';

create or replace function app.part_of(p_data jsonb, p_names text[], p_tenant uuid, p_subject uuid, p_mine boolean default false) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    is_object constant boolean := jsonb_typeof(p_data) = 'object';
    is_mine boolean := p_mine;
    of_item boolean;
    item record;
    part jsonb;
    kept jsonb;
begin
    if jsonb_typeof(p_data) not in ('object', 'array') then
        part := case when p_mine or app.names_any(p_data #>> '{}', p_names) then p_data end;
        return case when not app.names_others(p_data #>> '{}', p_tenant, p_subject) then part end;
    end if;
    -- What stands beside a value that names the person is said of the person.
    for item in select * from app.parts(p_data) where p_mine is not null loop
        is_mine := is_mine or item.is_plain and coalesce(app.names_any(item.value #>> '{}', p_names), false);
    end loop;
    for item in select * from app.parts(p_data) loop
        -- A list beside it may be of others: of its entries those that name the person. An object beside it that names
        -- another is of that other.
        of_item := case
            when app.names_any(item.name, p_names) then true
            when is_mine is null or is_mine and is_object and jsonb_typeof(item.value) = 'object'
                and app.names_others(item.value::text, p_tenant, p_subject) then null
            else is_mine and (item.is_plain or is_object and jsonb_typeof(item.value) = 'object') end;
        part := case when not coalesce(app.names_others(item.name, p_tenant, p_subject), false) then
            app.part_of(item.value, p_names, p_tenant, p_subject, of_item) end;
        if part is not null then
            kept := case when is_object then coalesce(kept, '{}') || jsonb_build_object(item.name, part)
                else coalesce(kept, '[]') || jsonb_build_array(part) end;
        end if;
    end loop;
    return kept;
end
$$;
comment on function app.part_of is 'The part of a JSON value that speaks of a person: entries that name them, and what stands beside such a name; never what names another. p_mine: whether what stands around it names the person; null: that is another''s, and only what names the person itself is taken.';

create or replace function app.is_held(p_subject uuid) returns boolean language sql stable security definer
set search_path = pg_catalog, pg_temp as $$
    select exists (select from app.users u where u.id = p_subject and u.tenant_id = app.current_tenant())
        and app.hold_on(p_subject) is not null
$$;
comment on function app.is_held is 'Whether a legal hold forbids erasing a person of the connection''s tenant.';
select app.keep_guards(array['function app.addresses_of(p_subject uuid)', 'function app.is_held(p_subject uuid)',
    'function app.names_others(p_text text, p_tenant uuid, p_subject uuid)',
    'function app.part_of(p_data jsonb, p_names text[], p_tenant uuid, p_subject uuid, p_mine boolean)']);
