-- How often a request was begun: one that ends its worker each time (out of memory, say) was begun again by every worker after
-- it, and the chain was followed by none.
set local lock_timeout = '500ms';

create table ops.request_starts (
    request_id uuid primary key references ops.requests (id) on delete cascade,
    starts bigint not null
);
comment on table ops.request_starts is 'How often a request was begun. Begun three times and never ended, it is failed instead of begun a fourth time, but not what a migration asked for (kind upgrade).';
comment on column ops.request_starts.request_id is 'The request.';
comment on column ops.request_starts.starts is 'How often a worker began it.';
insert into ops.table_classes (table_name, class) values ('ops.request_starts', 'operation');
grant select, insert, update on ops.request_starts to asset_indexer_writer;

-- What was folded otherwise before: who is the only wallet of an identity, of a storage that is followed from some block on; and
-- whether a security is paused that logged before it was initialized.
insert into ops.requests (id, chain_id, request)
select gen_random_uuid(), k.chain_id, '{"kind": "upgrade"}' from chain.checkpoints k
where (exists (select from chain.configured_contracts c where c.chain_id = k.chain_id
            and c.role = 'identity_registry_storage' and c.opening_block is not null)
        or exists (select from chain.assets a where a.chain_id = k.chain_id and a.asset_type = 'erc3643'
            and a.unreadable_logs > 0))
    and not exists (select from ops.requests r where r.chain_id = k.chain_id and r.status = 'waiting'
        and r.request ->> 'kind' = 'upgrade');
