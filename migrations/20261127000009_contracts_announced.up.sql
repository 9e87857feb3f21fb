-- What did a transaction create? Contracts by the log that announced them.
set local lock_timeout = '500ms';
create index contracts_announced on chain.contracts (chain_id, announced_block, announced_log) where announced_block is not null;
