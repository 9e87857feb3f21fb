-- Which wallets were verified by a registry at one block and no longer at a later one, and why?
-- $1 chain id, $2 identity registry (0x text), $3 earlier block, $4 later block
select api.hex(before.wallet) as wallet, api.hex(before.identity) as identity,
    coalesce(after.verdict, 'not_verified') as verdict,
    case when after.wallet is null then 'not registered' else after.reason end as reason
from chain.verdicts($1::bigint, api.address($2::text), $3::bigint) before
left join chain.verdicts($1::bigint, api.address($2::text), $4::bigint) after on after.wallet = before.wallet
where before.verdict = 'verified' and after.verdict is distinct from 'verified'
order by before.wallet;
