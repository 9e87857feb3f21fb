set local lock_timeout = '500ms';
alter table chain.asset_holders alter column asset_id reset (n_distinct);
