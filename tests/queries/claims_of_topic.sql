-- Who has a claim of a topic today that counts, and until when?
-- $1 chain id, $2 topic (numeric), $3 rows (bigint)
select c.identity, c.issuer, c.issued_at, c.expires_at, c.uri, c.finality
from chain.identity_claims t
join api.identity_claims c on c.chain_id = t.chain_id and c.identity_bytes = t.identity and c.from_block = t.from_block
    and c.from_log = t.from_log
where t.chain_id = $1::bigint and t.claim_type = $2::numeric and t.to_block is null
    and c.status = 'valid' and c.signed_by_issuer and c.id_matches
order by c.expires_at nulls last, c.identity
limit $3::bigint;
