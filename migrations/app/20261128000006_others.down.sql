set local lock_timeout = '500ms';
create or replace function app.names_others(p_text text, p_tenant uuid, p_subject uuid) returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$
    select exists (select from regexp_matches(lower(p_text), '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}', 'g') m (found)
            join app.users u on u.id = m.found[1]::uuid and u.id <> p_subject)
        or exists (select from regexp_matches(lower(p_text), '0x[0-9a-f]{40}', 'g') m (found)
            join app.wallet_links w on w.tenant_id = p_tenant and w.wallet = m.found[1] and w.user_id <> p_subject
                and not exists (select from app.wallet_links o where o.user_id = p_subject and o.wallet = w.wallet))
        or exists (select from regexp_matches(lower(p_text), '[^[:space:]<>"'',;:()]+@[^[:space:]<>"'',;:()]+', 'g') m (found)
            join app.users u on u.tenant_id = p_tenant and u.email_key = m.found[1] and u.id <> p_subject)
$$;
comment on function app.names_others is 'Whether a text holds another person''s id, linked wallet or e-mail address.';

create or replace function app.part_of(p_data jsonb, p_names text[], p_tenant uuid, p_subject uuid, p_mine boolean default false) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    is_object constant boolean := jsonb_typeof(p_data) = 'object';
    is_mine boolean := p_mine;
    item record;
    part jsonb;
    kept jsonb;
begin
    if jsonb_typeof(p_data) not in ('object', 'array') then
        part := case when p_mine or app.names_any(p_data #>> '{}', p_names) then p_data end;
        return case when not app.names_others(p_data #>> '{}', p_tenant, p_subject) then part end;
    end if;
    -- What stands beside a value that names the person is said of the person.
    for item in select * from app.parts(p_data) loop
        is_mine := is_mine or item.is_plain and coalesce(app.names_any(item.value #>> '{}', p_names), false);
    end loop;
    for item in select * from app.parts(p_data) loop
        -- A list beside it may be of others: of its entries those that name the person.
        part := case when app.names_others(item.name, p_tenant, p_subject) then null
            else app.part_of(item.value, p_names, p_tenant, p_subject, coalesce(app.names_any(item.name, p_names), false)
                or is_mine and (item.is_plain or is_object and jsonb_typeof(item.value) = 'object')) end;
        if part is not null then
            kept := case when is_object then coalesce(kept, '{}') || jsonb_build_object(item.name, part)
                else coalesce(kept, '[]') || jsonb_build_array(part) end;
        end if;
    end loop;
    return kept;
end
$$;
comment on function app.part_of is 'The part of a JSON value that speaks of a person: entries that name them, and what stands beside such a name; never what names another.';

create or replace function app.is_held(p_subject uuid) returns boolean language sql stable security definer
set search_path = pg_catalog, pg_temp as $$ select app.hold_on(p_subject) is not null $$;
comment on function app.is_held is 'Whether a legal hold forbids erasing a person.';
drop function app.addresses_of(uuid);
select app.keep_guards(array['function app.addresses_of(p_subject uuid)', 'function app.is_held(p_subject uuid)',
    'function app.names_others(p_text text, p_tenant uuid, p_subject uuid)',
    'function app.part_of(p_data jsonb, p_names text[], p_tenant uuid, p_subject uuid, p_mine boolean)']);
