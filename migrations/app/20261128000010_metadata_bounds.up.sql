-- A token says what it likes, and as often: one with very many documents, or claims on its own identity, must not fail the view of
-- all assets.
set local lock_timeout = '500ms';
create or replace view api.asset_metadata with (security_invoker = true) as
select a.id as asset_id, coalesce(m.description, '') as description, coalesce(m.documentation, '[]') as documentation,
    coalesce(m.legal_info, '{}') as legal_info, coalesce(m.regulatory_info, '{}') as regulatory_info, m.updated_at, a.chain_id,
    (
        select coalesce(jsonb_agg(jsonb_build_object('name', d.name, 'uri', case when length(d.uri) <= 8192 then d.uri end, 'document_hash', d.document_hash,
            'set_at', d.set_at) order by d.name, d.name_bytes), '[]')
        from (
            select x.name, x.uri, x.document_hash, x.set_at, x.name_bytes from api.asset_documents x
            where x.chain_id = a.chain_id and x.asset_id = a.id and x.active
            order by x.from_block desc, x.from_log desc limit 100) d
    ) as documents,
    (
        select coalesce(jsonb_agg(jsonb_build_object('claim_id', c.claim_id, 'claim_type', c.claim_type, 'status', c.status,
            'signed_by_issuer', c.signed_by_issuer, 'id_matches', c.id_matches, 'issuer', c.issuer, 'uri', case when length(c.uri) <= 8192 then c.uri end,
            'claim_data', case when length(c.claim_data::text) <= 8192 then c.claim_data end, 'issued_at', c.issued_at, 'expires_at', c.expires_at)
            order by c.from_block, c.from_log), '[]')
        from (
            select n.* from chain.contract_links l
            join api.chain_identity_claims n on n.chain_id = l.chain_id and n.identity_bytes = l.target::bytea
            where l.chain_id = a.chain_id and l.address = a.contract_address and l.link = 'onchain_id'
                and l.slot = chain.zero_address() and l.to_block is null and n.to_block is null
            order by n.from_block desc, n.from_log desc limit 100) c
    ) as claims,
    (select count(*) from chain.asset_documents d
        where d.chain_id = a.chain_id and d.asset_id = a.id and d.to_block is null) as document_count,
    (
        select count(*) from chain.contract_links l
        join chain.identity_claims c on c.chain_id = l.chain_id and c.identity = l.target and c.to_block is null
        where l.chain_id = a.chain_id and l.address = a.contract_address and l.link = 'onchain_id'
            and l.slot = chain.zero_address() and l.to_block is null
    ) as claim_count
from chain.assets a
left join app.asset_metadata m on m.tenant_id = (select app.current_tenant()) and m.asset_id = a.id;
comment on view api.asset_metadata is 'What the tenant says about each asset, and what its contracts say: a row for every asset.';
comment on column api.asset_metadata.documents is 'The newest 100 documents in force that the token points to (ERC-1643): name, uri (null where longer than 8192 characters), document_hash, set_at. All of them, whole: api.asset_documents.';
comment on column api.asset_metadata.claims is 'The newest 100 claims in force on the token''s own identity, with their status as in api.identity_claims, which has all of them, also what is longer than 8192 characters (uri, claim_data; null here).';
comment on column api.asset_metadata.document_count is 'How many documents in force the token points to.';
comment on column api.asset_metadata.claim_count is 'How many claims are in force on the token''s own identity.';
select ops.describe_views();

-- What the chain's newer migrations made before these tables were there.
select app.keep_guards(array[
    'function chain.days_wait(p_chain_id bigint)',
    'function chain.facts_between(p_chain_id bigint, p_table text, p_first bigint, p_last bigint)',
    'function chain.facts_reach_since(p_asset uuid, p_since timestamp with time zone, p_by_period boolean)']);
