-- What the two loads share: staging tables without WAL, and the indexes put aside until the rows are there. Triggers and
-- foreign keys sleep in the loading sessions (session_replication_role): the rows are made to agree.
create schema bench;
create unlogged table bench.wallet as
select n, substr(sha256(('holder' || n)::bytea), 1, 20) as address,
    substr(sha256(('identity' || n)::bytea), 1, 20) as identity, md5('identity' || n)::uuid as identity_id
from generate_series(0::bigint, greatest($HOLDERS$, $USERS$) - 1) n;
alter table bench.wallet add primary key (n);
-- Asset 0 has the many holders; the others share what else happens. These two have the ids that reports compute from a contract.
create unlogged table bench.asset as
select n, case n when 0 then $ASSET$ when 3 then $ORDINARY_ASSET$ else md5('asset' || n)::uuid end as id,
    case n when 0 then $TOKEN$ when 3 then $ORDINARY_TOKEN$ else substr(sha256(('asset' || n)::bytea), 1, 20) end as address,
    n % 3 = 0 as is_trex, case n when 0 then 0 else 1 + n / 3 % 19 end as suite
from generate_series(0::bigint, $ASSETS$ - 1) n;
alter table bench.asset add primary key (n);
create unlogged table bench.block as
select n, sha256(('b' || n)::bytea) as hash, sha256(('t' || n)::bytea) as tx,
    timestamptz '2021-11-01' + n * (interval '1825 days' / $BLOCKS$) as at
from generate_series(0::bigint, $BLOCKS$) n;
alter table bench.block add primary key (n);
-- A registry with storage, topics and issuers: the first is that of asset 0 alone.
create unlogged table bench.suite as
select n, substr(sha256(('registry' || n)::bytea), 1, 20) as registry,
    substr(sha256(('storage' || n)::bytea), 1, 20) as storage, substr(sha256(('topics' || n)::bytea), 1, 20) as topics,
    substr(sha256(('issuers' || n)::bytea), 1, 20) as issuers,
    substr(sha256(('compliance' || n)::bytea), 1, 20) as compliance
from generate_series(0, 19) n;
create unlogged table bench.issuer as
select n, substr(sha256(('issuer' || n)::bytea), 1, 20) as address, sha256(('key' || n)::bytea) as key
from generate_series(0, 2) n;
analyze bench.wallet, bench.asset, bench.block, bench.suite, bench.issuer;

-- Of the chain's tables the primary keys too, which no foreign key needs.
create table bench.put_aside as
select format('drop index %I.%I', n.nspname, c.relname) as aside,
    replace(pg_get_indexdef(i.indexrelid), ' ON ONLY ', ' ON ') as back
from pg_index i
join pg_class c on c.oid = i.indexrelid
join pg_namespace n on n.oid = c.relnamespace
where n.nspname in ('chain', 'app') and not c.relispartition
    and not exists (select from pg_constraint k where k.conindid = i.indexrelid)
union all
select format('alter table %s drop constraint %I', k.conrelid::regclass, k.conname),
    format('alter table %s add constraint %I %s', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid))
from pg_constraint k
join pg_class c on c.oid = k.conrelid
where k.contype = 'p' and c.relnamespace = 'chain'::regnamespace and not c.relispartition;
do $$
declare
    place record;
begin
    for place in select * from bench.put_aside loop
        execute place.aside;
    end loop;
    -- A column that a later version added, and that no figure depends on, gets nothing.
    for place in
        select a.attrelid::regclass as relation, a.attname, format_type(t.oid, null) as kind, t.typcategory
        from pg_attribute a
        join pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'p') and c.relnamespace = 'chain'::regnamespace
        join pg_type t on t.oid = a.atttypid
        where a.attnum > 0 and a.attnotnull and not a.atthasdef and a.attidentity = '' and t.typcategory in ('N', 'B', 'S')
            and not c.relispartition
    loop
        execute format('alter table %s alter column %I set default %s', place.relation, place.attname,
            case place.typcategory when 'N' then '0' when 'B' then 'false' else '''''' end);
    end loop;
end
$$;

-- Two of the loading sessions write into them.
select ops.ensure_partitions(1, $BLOCKS$);
