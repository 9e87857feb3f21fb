set local lock_timeout = '500ms';
-- Readers have no way into schema ops: they read a snapshot's pages by these.
create function chain.snapshot_pages(p_snapshot bigint, p_first bigint, p_last bigint)
returns table (page bigint, holders bytea, balances text, frozen text, frozen_wallets text)
language sql stable parallel safe rows 1000
begin atomic
    select p.page, p.holders, p.balances, p.frozen, p.frozen_wallets
    from ops.register_positions p
    where p.snapshot_id = p_snapshot and p.page between p_first and p_last;
end;
comment on function chain.snapshot_pages is 'Some pages of a snapshot of a register, as ops.register_positions explains them.';

create function chain.snapshot_middle(p_snapshot bigint)
returns table (page bigint, border bytea)
language sql stable parallel safe rows 1
begin atomic
    select p.page, substr(p.holders, 1, 20)
    from ops.register_positions p
    where p.snapshot_id = p_snapshot
    order by p.page
    offset (select count(*) / 2 from ops.register_positions c where c.snapshot_id = p_snapshot) limit 1;
end;
comment on function chain.snapshot_middle is 'The page that halves a snapshot of a register, and its first wallet.';

revoke all on function chain.snapshot_pages(bigint, bigint, bigint), chain.snapshot_middle(bigint) from public;
grant execute on function chain.snapshot_pages(bigint, bigint, bigint), chain.snapshot_middle(bigint)
to asset_indexer_reader, asset_indexer_writer;
