-- Is an asset's register at the end of a block whole: do the balances sum up to the supply?
-- $1 asset (uuid), $2 block number
select holders, balance_base, supply_base, balance_base = supply_base as agrees, complete, suspect, block_number, block_hash,
    finality
from api.register_totals($1::uuid, $2::bigint);
