set local lock_timeout = '500ms';
drop index chain.contracts_announced;
