-- What was folded otherwise before, and is folded anew from ground, once, where it may be:
-- - a wallet with an opening balance that a log named without moving anything (a transfer of nothing or to oneself, a freeze that
--   was there already) was in chain.asset_holders and had no past in chain.ownership_history;
-- - a transfer that T-REX's AgentManager forced was undetermined.
-- Where which wallet a change of identity is about was in doubt, the migration before asks for the same.
set local lock_timeout = '500ms';

insert into ops.requests (id, chain_id, request)
select gen_random_uuid(), k.chain_id, '{"kind": "upgrade"}' from chain.checkpoints k
where (exists (select from chain.configured_contracts c where c.chain_id = k.chain_id and c.opening_block is not null)
        or exists (select from chain.assets a where a.chain_id = k.chain_id and a.asset_type = 'erc3643'
            and exists (select from chain.asset_operations o where o.chain_id = a.chain_id and o.asset_id = a.id
                and o.operation_type = 'undetermined_transfer')))
    and not exists (select from ops.requests r where r.chain_id = k.chain_id and r.status = 'waiting'
        and r.request ->> 'kind' = 'upgrade');
