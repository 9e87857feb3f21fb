set local lock_timeout = '500ms';

drop index chain.asset_events_by_transaction;
drop index chain.asset_transactions_by_hash;
