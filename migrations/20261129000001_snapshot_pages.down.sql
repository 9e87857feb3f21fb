set local lock_timeout = '500ms';
drop function chain.snapshot_middle(bigint);
drop function chain.snapshot_pages(bigint, bigint, bigint);
