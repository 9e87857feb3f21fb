-- Documents that tokens point to (ERC-1643). Tokens that logged them before were read without: the daemon is asked to read
-- its stored logs again and to derive its tables anew, where that was not asked already.
set local lock_timeout = '500ms';
create table chain.asset_documents (
    chain_id bigint not null,
    asset_id uuid not null,
    name chain.hash32 not null,
    from_block bigint not null,
    from_log bigint not null,
    uri text not null,
    document_hash chain.hash32 not null,
    from_at timestamptz not null,
    to_block bigint,
    to_log bigint,
    to_at timestamptz,
    primary key (chain_id, asset_id, name, from_block, from_log)
) with (fillfactor = 80);
comment on table chain.asset_documents is 'Documents that tokens point to (ERC-1643), a row per version.';
comment on column chain.asset_documents.chain_id is 'The chain.';
comment on column chain.asset_documents.asset_id is 'The asset.';
comment on column chain.asset_documents.name is 'The document''s name, 32 bytes as the token logged them.';
comment on column chain.asset_documents.from_block is 'Block of the log that began this version.';
comment on column chain.asset_documents.from_log is 'Index of that log in its block.';
comment on column chain.asset_documents.uri is 'Where it can be read; what is not valid text is escaped.';
comment on column chain.asset_documents.document_hash is 'Digest of its content, as the token says.';
comment on column chain.asset_documents.from_at is 'Block time of that log.';
comment on column chain.asset_documents.to_block is 'Block of the log that ended this version; null while it is in force.';
comment on column chain.asset_documents.to_log is 'Index of the log that ended this version.';
comment on column chain.asset_documents.to_at is 'Block time of the log that ended this version.';
create unique index asset_documents_open on chain.asset_documents (chain_id, asset_id, name) where to_block is null;
insert into ops.table_classes (table_name, class) values ('chain.asset_documents', 'state');
grant select, insert, update, delete on chain.asset_documents to asset_indexer_writer;
grant select on chain.asset_documents to asset_indexer_reader;

insert into ops.requests (id, chain_id, request)
select gen_random_uuid(), k.chain_id, '{"kind": "upgrade"}' from chain.checkpoints k
where exists (select from chain.assets a where a.chain_id = k.chain_id)
    and not exists (select from ops.requests r where r.chain_id = k.chain_id and r.status = 'waiting'
        and r.request ->> 'kind' = 'upgrade');

create function chain.short_text(p_word bytea) returns text
language sql immutable parallel safe
return case
    when encode(rtrim(p_word, '\x00'::bytea), 'hex') ~ '^(2[0-9a-f]|[3-6][0-9a-f]|7[0-9a-e])+$'
        then convert_from(rtrim(p_word, '\x00'::bytea), 'UTF8')
    else '0x' || encode(p_word, 'hex')
end;
comment on function chain.short_text is 'A word that holds a short text, as contracts write them: the text where it is printable ASCII with zeros behind, else 0x text.';

create view api.asset_documents with (security_invoker = true) as
select d.chain_id, d.asset_id, chain.short_text(d.name::bytea) as name, d.uri, api.hex(d.document_hash) as document_hash,
    d.to_block is null as active, d.from_at as set_at, d.to_at as ended_at, d.from_block, d.from_log, d.to_block, d.to_log,
    d.name::bytea as name_bytes, k.block_number as as_of_block,
    chain.finality(coalesce(d.to_block, d.from_block), k.finalized_number) as finality
from chain.asset_documents d
left join chain.checkpoints k on k.chain_id = d.chain_id;
comment on view api.asset_documents is 'Documents that tokens point to (ERC-1643), now and in the past; no URI is fetched.';
comment on column api.asset_documents.name is 'The document''s name: text where the 32 bytes are text, else 0x text.';
comment on column api.asset_documents.set_at is 'Block time of the log that set it.';
comment on column api.asset_documents.ended_at is 'Block time of its end; null while it is in force.';
grant select on api.asset_documents to asset_indexer_reader, asset_indexer_writer;
grant execute on function chain.short_text(bytea) to asset_indexer_reader, asset_indexer_writer;
select ops.describe_views();
