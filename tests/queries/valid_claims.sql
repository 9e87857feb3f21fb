-- Which claims of an identity count today: in force, not revoked, not expired, signed by a key of their issuer?
-- $1 chain id, $2 identity (0x text)
select claim_type, issuer, issued_at, expires_at, uri, claim_data, finality
from api.identity_claims
where chain_id = $1::bigint and identity_bytes = api.address($2::text) and status = 'valid' and signed_by_issuer
    and id_matches
order by claim_type::numeric, issuer;
