set local lock_timeout = '500ms';
-- Who was erased must not be forgotten, nor what is restricted be shown.
do $$
begin
    if exists (select from app.erasures) then
        raise exception 'people were erased: this step back would forget it, and show what is restricted'
            using hint = 'if that is really meant: copy app.erasures and app.restrictions elsewhere, disable their triggers refuse_change, and empty them';
    end if;
end
$$;
delete from ops.table_classes where table_name in ('app.subject_tables', 'app.erasures', 'app.restrictions');
delete from app.table_guards where table_name in ('subject_tables', 'erasures', 'restrictions');
drop view app.processing_record;
do $$
declare
    place record;
begin
    for place in select p.tablename from pg_policies p where p.schemaname = 'app' and p.policyname = 'restricted' loop
        execute format('drop policy restricted on app.%I', place.tablename);
    end loop;
    for place in
        select c.relname, t.tgname from pg_trigger t join pg_class c on c.oid = t.tgrelid
        where c.relnamespace = 'app'::regnamespace and not c.relispartition
            and t.tgname in ('refuse_erased', 'minimise_erased', 'keep_erased', 'keep_destroyed', 'refuse_pretended_erasure')
    loop
        execute format('drop trigger %I on app.%I', place.tgname, place.relname);
    end loop;
    for place in
        select c.relname, a.attname, regexp_replace(col_description(c.oid, a.attnum), '; basis: .*$', '.') as said
        from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where c.relnamespace = 'app'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
            and col_description(c.oid, a.attnum) ~ '^(personal|secret):.*; basis: '
    loop
        execute format('comment on column app.%I.%I is %L', place.relname, place.attname, place.said);
    end loop;
end
$$;
drop function app.erase_subject(uuid, text, boolean);
drop function app.erase_rows(app.users, app.subject_tables, text, bigint, timestamptz, text[]);
drop function app.traces_of(text[]), app.values_of(uuid), app.names_any(text, text[]);
drop function app.export_subject(uuid), app.export_chain(uuid), app.is_held(uuid), app.hold_on(uuid), app.restricted_reports(),
    app.restricted_violations(), app.restricted_subjects(text), app.sees_restricted(), app.minimise_erased(), app.refuse_erased(),
    app.is_erased(uuid), app.keep_destroyed(), app.keep_erased(), app.refuse_pretended_erasure();
drop table app.restrictions;
drop table app.erasures;
drop table app.subject_tables;
create or replace function app.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '%.% is append-only: % is refused', tg_table_schema, tg_table_name, lower(tg_op)
        using errcode = 'insufficient_privilege', hint = 'write a new row that says what is right';
end
$$;
comment on function app.refuse_change is 'Holds a table append-only, whoever asks.';
comment on column app.access_logs.details is 'Why, under which ticket.';
comment on column app.compliance_logs.details is 'The reasons.';
comment on column app.user_actions.resource is 'To what.';
comment on column app.login_history.failure_reason is 'Why not.';
comment on column app.asset_reports.report_data is 'What it said.';
comment on column app.regulatory_reports.report_data is 'What it says.';
comment on column app.audit_trail.actor is 'Who acted.';
comment on column app.system_changes.changed_by is 'Who.';
select app.guard_tables();
