-- Transactions are asked for by their whole hash alone: a hash index answers that from less than half of the bytes, and is
-- written in half of the time, since a hash comes in no order. Built beside the old ones, whose places they take in the next
-- step, which is repeated by itself where it has to wait. Readers wait for no build; the daemon does.
set local lock_timeout = '500ms';

lock table chain.asset_events, chain.asset_transactions in share mode;
create index asset_events_by_transaction on chain.asset_events using hash (transaction_hash);
create index asset_transactions_by_hash on chain.asset_transactions using hash (transaction_hash);
