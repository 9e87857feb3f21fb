-- What did a transaction create or bring into the register: tokens, registries, identities, modules?
-- $1 transaction (0x text)
select c.chain_id, c.address, c.role, c.announced_by, a.id as asset_id, i.id as identity_id, c.finality
from api.asset_events e
join api.contracts c on c.chain_id = e.chain_id and c.announced_block = e.block_number and c.announced_log = e.log_index
left join api.assets a on a.chain_id = c.chain_id and a.contract_address_bytes = c.address_bytes
left join api.identities i on i.chain_id = c.chain_id and i.onchain_id_bytes = c.address_bytes
where e.transaction_hash_bytes = decode(substr($1::text, 3), 'hex')
order by c.chain_id, c.announced_log, c.address;
