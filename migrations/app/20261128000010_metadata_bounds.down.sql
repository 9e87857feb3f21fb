set local lock_timeout = '500ms';
drop view api.asset_metadata;
create view api.asset_metadata with (security_invoker = true) as
select a.id as asset_id, coalesce(m.description, '') as description, coalesce(m.documentation, '[]') as documentation,
    coalesce(m.legal_info, '{}') as legal_info, coalesce(m.regulatory_info, '{}') as regulatory_info, m.updated_at, a.chain_id,
    (
        select coalesce(jsonb_agg(jsonb_build_object('name', d.name, 'uri', d.uri, 'document_hash', d.document_hash,
            'set_at', d.set_at) order by d.name, d.name_bytes), '[]')
        from api.asset_documents d where d.chain_id = a.chain_id and d.asset_id = a.id and d.active
    ) as documents,
    (
        select coalesce(jsonb_agg(jsonb_build_object('claim_id', c.claim_id, 'claim_type', c.claim_type, 'status', c.status,
            'signed_by_issuer', c.signed_by_issuer, 'id_matches', c.id_matches, 'issuer', c.issuer, 'uri', c.uri,
            'claim_data', c.claim_data, 'issued_at', c.issued_at, 'expires_at', c.expires_at)
            order by c.from_block, c.from_log), '[]')
        from chain.contract_links l
        join api.chain_identity_claims c on c.chain_id = l.chain_id and c.identity_bytes = l.target::bytea
        where l.chain_id = a.chain_id and l.address = a.contract_address and l.link = 'onchain_id'
            and l.slot = chain.zero_address() and l.to_block is null and c.to_block is null
    ) as claims
from chain.assets a
left join app.asset_metadata m on m.tenant_id = (select app.current_tenant()) and m.asset_id = a.id;
comment on view api.asset_metadata is 'What the tenant says about each asset, and what its contracts say: a row for every asset.';
comment on column api.asset_metadata.documents is 'Documents in force that the token points to (ERC-1643): name, uri, document_hash, set_at.';
comment on column api.asset_metadata.claims is 'Claims in force on the token''s own identity, with their status as in api.identity_claims.';
grant select on api.asset_metadata to asset_indexer_reader;
select ops.describe_views();
