-- Evidence of completeness: which blocks are proved to have no other logs than the tables hold, how, and by whom.

alter table chain.checkpoints
    add column origin_number bigint check (origin_number >= 0),
    add column origin_hash chain.hash32,
    add column verified_number bigint check (verified_number >= 0),
    add column verified_hash chain.hash32;
-- Of a chain that was indexed before there was evidence nothing is proved: it is proved from its first block on.
update chain.checkpoints set
    origin_number = 0, origin_hash = genesis_hash, verified_number = 0, verified_hash = genesis_hash;
alter table chain.checkpoints
    alter column origin_number set not null, alter column origin_hash set not null,
    alter column verified_number set not null, alter column verified_hash set not null;
comment on column chain.checkpoints.origin_number is 'The block below the first that was read: where evidence begins.';
comment on column chain.checkpoints.origin_hash is 'Its hash.';
comment on column chain.checkpoints.verified_number is 'Up to here the logs of every block are proved complete, without a gap.';
comment on column chain.checkpoints.verified_hash is 'Hash of that block.';

create table ops.evidence (
    chain_id bigint not null,
    from_block bigint not null check (from_block >= 0),
    to_block bigint not null,
    parent_hash chain.hash32 not null,
    block_hash chain.hash32 not null,
    method text not null check (method in ('bloom', 'receipts', 'quorum')),
    provider text not null,
    requests bigint not null check (requests >= 0),
    proved_at timestamptz not null default clock_timestamp(),
    primary key (chain_id, from_block),
    check (to_block >= from_block)
);
comment on table ops.evidence is 'Stretches of blocks whose logs are proved complete, and how that is known.';
comment on column ops.evidence.chain_id is 'The chain.';
comment on column ops.evidence.from_block is 'First block.';
comment on column ops.evidence.to_block is 'Last block.';
comment on column ops.evidence.parent_hash is 'Hash of the block below the first: stretches hang together by hashes.';
comment on column ops.evidence.block_hash is 'Hash of the last block.';
comment on column ops.evidence.method is 'bloom: no watched contract is in the headers'' blooms; receipts: the logs are under the headers'' receipts roots; quorum: two providers gave the same logs.';
comment on column ops.evidence.provider is 'Alias of the provider whose answers were checked.';
comment on column ops.evidence.requests is 'Requests that it took.';
comment on column ops.evidence.proved_at is 'When, by the database''s clock.';
create index evidence_end on ops.evidence (chain_id, to_block);

create table ops.late_history (
    chain_id bigint not null,
    address chain.address not null,
    next_block bigint not null,
    through_block bigint not null,
    primary key (chain_id, address)
);
comment on table ops.late_history is 'Contracts found after blocks below were proved without them: what of their history is still to be proved.';
comment on column ops.late_history.chain_id is 'The chain.';
comment on column ops.late_history.address is 'The contract.';
comment on column ops.late_history.next_block is 'First block not proved for it.';
comment on column ops.late_history.through_block is 'Last block to be proved for it; done when next_block is above.';

insert into ops.table_classes (table_name, class) values
    ('ops.evidence', 'operation'),
    ('ops.late_history', 'operation');
grant select, insert, update, delete on ops.evidence, ops.late_history to asset_indexer_writer;
grant select on ops.evidence to asset_indexer_reader;

-- One round trip for each stretch: written down, joined to the one below where nothing but its length differs, and the
-- watermark moved over every gap that it closes.
create function ops.prove(p_chain_id bigint, p_from bigint, p_to bigint, p_parent bytea, p_hash bytea, p_method text,
    p_provider text, p_requests bigint) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    verified record;
    next record;
begin
    update ops.evidence set to_block = p_to, block_hash = p_hash, requests = requests + p_requests,
        proved_at = clock_timestamp()
    where chain_id = p_chain_id and to_block = p_from - 1 and block_hash = p_parent and method = p_method
        and provider = p_provider;
    if not found then
        insert into ops.evidence (chain_id, from_block, to_block, parent_hash, block_hash, method, provider, requests)
        values (p_chain_id, p_from, p_to, p_parent, p_hash, p_method, p_provider, p_requests);
    end if;
    loop
        select verified_number as number, verified_hash as hash into verified
        from chain.checkpoints where chain_id = p_chain_id;
        select to_block, block_hash into next from ops.evidence
        where chain_id = p_chain_id and to_block > verified.number and from_block <= verified.number + 1
            and (from_block <= verified.number or parent_hash = verified.hash)
        order by to_block desc limit 1;
        exit when not found;
        update chain.checkpoints set verified_number = next.to_block, verified_hash = next.block_hash
        where chain_id = p_chain_id;
    end loop;
end
$$;
comment on function ops.prove is 'Writes down that blocks are proved complete and moves the watermark over every gap that this closes.';
revoke all on function ops.prove from public;
grant execute on function ops.prove to asset_indexer_writer;

create or replace view api.checkpoints with (security_invoker = true) as
select k.chain_id, k.block_number, api.hex(k.block_hash) as block_hash, k.block_timestamp,
    k.finalized_number, api.hex(k.finalized_hash) as finalized_hash, api.hex(k.genesis_hash) as genesis_hash,
    k.status, k.halt_reason, k.verified_number, api.hex(k.verified_hash) as verified_hash
from chain.checkpoints k;

create view api.evidence with (security_invoker = true) as
select e.chain_id, e.from_block, e.to_block, e.method, e.provider, e.requests, e.proved_at,
    e.to_block <= k.verified_number as without_gap
from ops.evidence e join chain.checkpoints k on k.chain_id = e.chain_id;
comment on view api.evidence is 'Which blocks are proved to have no other logs than the tables hold, and how; without_gap: all blocks below are proved too.';
grant select on api.evidence to asset_indexer_reader, asset_indexer_writer;
