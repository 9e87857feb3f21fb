-- What came to a wallet and went from it?
-- $1 asset (uuid), $2 wallet (0x text), $3 rows (bigint)
-- By the wallet's history, which has an index: of the events of an asset all would be read. A transfer of nothing, and one to
-- oneself, changed nothing and is not told. The zero address has no history, and so gives nothing: mints and burns are asked otherwise.
select m.timestamp, m.transaction_type, m.from_address, m.to_address, m.amount, m.blockchain_hash, m.finality
from chain.assets a
cross join lateral (
    select l.timestamp, l.transaction_type, l.from_address, l.to_address, l.amount, l.blockchain_hash, l.finality,
        l.block_number, l.log_index
    from chain.ownership_history h
    join api.transaction_logs l on l.chain_id = h.chain_id and l.block_number = h.block_number and l.log_index = h.log_index
        and l.asset_id = h.asset_id
    where h.chain_id = a.chain_id and h.asset_id = a.id and h.holder = api.address($2::text)
    order by h.block_number desc, h.log_index desc
    limit $3::bigint) m
where a.id = $1::uuid
order by m.block_number desc, m.log_index desc;
