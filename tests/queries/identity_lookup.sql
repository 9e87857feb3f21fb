-- What is known of an identity: its wallets, whether it is verified, and by whom?
-- $1 chain id, $2 identity (0x text)
select id, onchain_id, user_id, wallets, verification_status, verified_at, issuers, claims_hash, finality
from api.identities
where chain_id = $1::bigint and onchain_id_bytes = api.address($2::text);
