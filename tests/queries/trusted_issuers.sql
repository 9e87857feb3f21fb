-- Whose claims count for a token, and about which topics?
-- $1 asset (uuid)
select p.issuer, p.topics, p.since, p.registry as trusted_issuers_registry, p.finality
from api.assets a
join api.contract_links r on r.chain_id = a.chain_id and r.address_bytes = a.contract_address_bytes
    and r.link = 'identity_registry' and r.active
join api.contract_links t on t.chain_id = r.chain_id and t.address_bytes = r.target_bytes
    and t.link = 'trusted_issuers' and t.active
join api.verification_providers p on p.chain_id = t.chain_id and p.registry_bytes = t.target_bytes
    and p.status = 'trusted'
where a.id = $1::uuid
order by p.since, p.issuer_bytes;
