-- The wallets of a storage whose identity is in doubt: any change of identity in it may be about one of them, whatever
-- identity they are kept under, so each such log asks for them.
set local lock_timeout = '500ms';

-- Versions in force alone: registrations_undetermined holds the past ones too, which grow with every doubt.
create index registrations_in_doubt on chain.registrations (chain_id, storage) where undetermined and to_block is null;

-- What was folded otherwise before: a change of identity in a storage where some other change was in doubt.
insert into ops.requests (id, chain_id, request)
select gen_random_uuid(), k.chain_id, '{"kind": "upgrade"}' from chain.checkpoints k
where exists (select from chain.registrations g where g.chain_id = k.chain_id and g.undetermined)
    and not exists (select from ops.requests r where r.chain_id = k.chain_id and r.status = 'waiting'
        and r.request ->> 'kind' = 'upgrade');
