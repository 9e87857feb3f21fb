drop function api.regulatory_summary, api.holder_compliance, api.issuance, api.concentration, api.cap_table_by_investor, api.cap_table, api.register_totals,
    api.end_of_day, api.block_at, chain.known_block, chain.investor_of, chain.supply_at, chain.positions_at, chain.snapshot_positions,
    chain.snapshot_below,
    ops.forget_snapshots, ops.sweep_snapshots, ops.take_snapshot, ops.count_growth, api.block_shown_at, ops.trim_commits;
drop table ops.register_growth, ops.register_positions, ops.register_snapshots, ops.commit_retention, ops.commits;
delete from ops.table_classes where table_name in ('ops.commits', 'ops.commit_retention', 'ops.register_snapshots',
    'ops.register_positions', 'ops.register_growth');
