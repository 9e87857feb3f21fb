-- What claims say is kept from the tables where the configuration wants it so ([[claim_topic]] data): the rows say that it was.
set local lock_timeout = '500ms';

alter table chain.asset_events add column withheld text;
comment on column chain.asset_events.withheld is 'How what a claim says was kept from data before it was stored, digest or drop; null where data is what was logged.';
alter table chain.identity_claims add column withheld text;
comment on column chain.identity_claims.withheld is 'How what the claim says was kept from the tables; null where it was not. digest: claim_data is what the issuer signed, keccak256 of identity, topic and statement, and uri its hash. drop: claim_data, uri and signature are empty.';
-- Checked for what comes; what is there is looked through by the next step, which keeps nobody waiting.
alter table chain.asset_events add constraint asset_events_withheld
    check (withheld in ('digest', 'drop')) not valid;
alter table chain.identity_claims add constraint identity_claims_withheld
    check (withheld in ('digest', 'drop')) not valid;

-- Where nothing is withheld, rows are written as they were before there was the column: digests that are kept elsewhere hold.
create or replace function chain.row_text(p_table regclass) returns text
language sql stable parallel safe set search_path = pg_catalog, pg_temp as $$
    select string_agg(format('coalesce(length(%1$s)::text || '':'' || %1$s, %2$L)', case
            when coalesce(nullif(t.typbasetype, 0), t.oid) = 'bytea'::regtype
                then format('encode(t.%I::bytea, ''hex'')', a.attname)
            when t.oid = 'timestamptz'::regtype then format('extract(epoch from t.%I)::text', a.attname)
            else format('t.%I::text', a.attname)
        end, case when a.attname <> 'withheld' then '-' else '' end), ' || ' order by a.attnum)
    from pg_attribute a join pg_type t on t.oid = a.atttypid
    where a.attrelid = p_table and a.attnum > 0 and not a.attisdropped
$$;

-- A digest is not taken for the statement.
do $$
begin
    execute format($view$
create or replace view %s with (security_invoker = true) as
select c.chain_id, c.id, i.id as identity_id, api.hex(c.identity) as identity, api.hex(c.claim_id) as claim_id,
    c.claim_type::text as claim_type,
    case
        when c.to_block is not null then c.ended_by
        when x.revoked_block is not null then 'revoked'
        when c.expires_at <= now() then 'expired'
        else 'valid'
    end as status,
    (
        select bool_or(coalesce(s.key_hash = c.signer_key, false) and s.purpose in (1, 3) and s.to_block is null)
        from chain.identity_keys s where s.chain_id = c.chain_id and s.identity = c.issuer
    ) as signed_by_issuer,
    api.hex(c.issuer) as issuer, c.id_matches,
    case c.withheld when 'drop' then null when 'digest' then 'digest:' || api.hex(c.claim_data) else api.hex(c.claim_data) end
        as claim_data,
    c.uri, c.scheme::text as scheme,
    case when c.withheld is distinct from 'drop' then api.hex(c.signature) end as signature,
    api.hex(c.signature_hash) as signature_hash, c.from_at as issued_at,
    c.expires_at, x.revoked_at, x.revoked_block, api.hex(x.transaction_hash) as revoked_in, c.to_at as ended_at,
    c.from_block, c.from_log, c.to_block, c.to_log, api.hex(c.transaction_hash) as transaction_hash,
    c.identity::bytea as identity_bytes, k.block_number as as_of_block,
    chain.finality(greatest(c.from_block, c.to_block, x.revoked_block), k.finalized_number) as finality
from chain.identities i
join chain.identity_claims c on c.chain_id = i.chain_id and c.identity = i.onchain_id
left join chain.claim_revocations x on x.chain_id = c.chain_id and x.issuer = c.issuer
    and x.signature_hash = c.signature_hash
left join chain.checkpoints k on k.chain_id = c.chain_id
$view$, coalesce(to_regclass('api.chain_identity_claims'), to_regclass('api.identity_claims')));
end
$$;

create or replace function api.claims_at(identity uuid, block bigint)
returns table (claim_id text, claim_type text, issuer text, issued_at timestamptz, expires_at timestamptz,
    revoked boolean, signed_by_issuer boolean, id_matches boolean, claim_data text, uri text, id uuid)
language sql stable parallel safe rows 10
begin atomic
    select api.hex(c.claim_id), c.claim_type::text, api.hex(c.issuer), c.from_at, c.expires_at,
        exists (
            select from chain.claim_revocations x
            where x.chain_id = c.chain_id and x.issuer = c.issuer and x.signature_hash = c.signature_hash
                and (block is null or x.revoked_block <= block)),
        (
            select bool_or(coalesce(s.key_hash = c.signer_key, false) and s.purpose in (1, 3)
                and chain.in_force(s.from_block, s.to_block, block))
            from chain.identity_keys s where s.chain_id = c.chain_id and s.identity = c.issuer
        ),
        c.id_matches,
        case c.withheld when 'drop' then null when 'digest' then 'digest:' || api.hex(c.claim_data) else api.hex(c.claim_data) end,
        c.uri, c.id
    from chain.identities i
    join chain.identity_claims c on c.chain_id = i.chain_id and c.identity = i.onchain_id
        and chain.in_force(c.from_block, c.to_block, block)
    where i.id = claims_at.identity;
end;

do $$
declare
    place text;
begin
    foreach place in array array['api.identity_claims', 'api.chain_identity_claims'] loop
        continue when to_regclass(place) is null;
        execute format('comment on column %s.claim_data is %L', place, 'The statement as 0x text, or the digest of it that the claim holds. Where the configuration withholds it: digest: and what the issuer signed, or null.');
        execute format('comment on column %s.signature is %L', place, 'Signature over identity, topic and data; null where the configuration has the claim dropped.');
    end loop;
end
$$;

-- Where schema app is there, its guards know the view as it is now.
do $$
begin
    if to_regprocedure('app.keep_guards(text[])') is not null then
        perform app.keep_guards(array['view api.chain_identity_claims',
            'function api.claims_at(identity uuid, block bigint)', 'function chain.row_text(p_table regclass)']);
    end if;
end
$$;
