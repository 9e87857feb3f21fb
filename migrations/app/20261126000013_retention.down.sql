set local lock_timeout = '500ms';
do $$
begin
    if exists (select from ops.archived_partitions where table_name like 'app.%' and attached_at is null and destroyed_at is null) then
        raise exception 'months are archived: their seals would not hold any more'
            using hint = 'put them back first: asset-indexer maintain --attach DIR';
    end if;
end
$$;
revoke select on ops.retention_policies, ops.archived_partitions from asset_indexer_auditor;
revoke usage on schema ops from asset_indexer_auditor;
delete from ops.table_classes where table_name = 'app.seal_remainders';
delete from app.table_guards where table_name = 'seal_remainders';
create or replace function app.broken_seals() returns table (seal_id bigint, table_name text, first_row bigint, last_row bigint, reason text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select s.id, s.table_name, s.first_row, s.last_row,
        case
            when d.row_count <> s.row_count then s.row_count || ' rows were sealed, ' || d.row_count || ' are there'
            when d.digest <> s.digest then 'a row is not what was sealed'
            else 'the seal before is not the one that was there'
        end
    from app.audit_seals s
    left join lateral (
        select p.digest, p.last_row from app.audit_seals p where p.table_name = s.table_name and p.id < s.id
        order by p.id desc limit 1) p on true
    cross join lateral app.trail_digest(s.table_name, s.first_row, s.last_row, s.previous) d
    where d.row_count <> s.row_count or d.digest <> s.digest
        or s.previous <> coalesce(p.digest, '') or s.first_row <> coalesce(p.last_row, 0) + 1
    order by s.id
$$;
comment on function app.broken_seals is 'Seals that do not hold: a row was changed, taken out or put in, or a seal was. Reads the whole trails.';
drop table app.seal_remainders;
delete from ops.retention_policies where table_name like 'app.%';
