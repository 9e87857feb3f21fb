-- How far is each chain behind, and does it move?
select chain_id, block_number, now() - block_timestamp as behind, greatest(block_number - finalized_number, 0) as provisional_blocks,
    status, halt_reason
from api.checkpoints
order by chain_id;
