-- Which wallets were verified by a registry at one block and no longer at a later one, and why?
-- $1 chain id, $2 identity registry (0x text), $3 earlier block, $4 later block
-- Grouped, not joined: the plan stays the same however many rows PostgreSQL expects of a function. A wallet that no registration
-- is known of has none only where the registry's storage is known, and read to that block from its beginning.
select api.hex(v.wallet) as wallet, max(api.hex(v.identity)) as identity,
    case when max(v.after) is null and chain.may_be_registered($1::bigint, o.storage, v.wallet, $4::bigint) then 'undetermined'
        else coalesce(max(v.after), o.verdict) end as verdict,
    case
        when max(v.after) is not null then max(v.reason)
        when o.reason = 'not registered' and chain.may_be_registered($1::bigint, o.storage, v.wallet, $4::bigint)
            then 'past of the storage not known'
        else o.reason
    end as reason
from (
    select wallet, identity, verdict as before, null as after, null as reason
    from chain.verdicts($1::bigint, api.address($2::text), $3::bigint) where verdict = 'verified'
    union all
    select wallet, null, null, verdict, reason
    from chain.verdicts($1::bigint, api.address($2::text), $4::bigint)
) v
cross join (
    select g.storage, case when g.storage is null or g.unsettled then 'undetermined' else 'not_verified' end as verdict,
        case
            when g.storage is null then 'storage of the registry not known'
            when g.unsettled then 'a contract of the registry is catching up'
            else 'not registered'
        end as reason
    from chain.verification_rules($1::bigint, api.address($2::text), $4::bigint) g
) o
group by v.wallet, o.storage, o.verdict, o.reason
having max(v.before) = 'verified' and max(v.after) is distinct from 'verified'
order by v.wallet;
