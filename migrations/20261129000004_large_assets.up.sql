set local lock_timeout = '500ms';
-- Where there are very many assets, an asset has three holders on average, and the plan of a prepared statement, which is made
-- for any asset, read the million holders of a large one and sorted them for its fifty largest. For the planner an asset
-- may be large.
alter table chain.asset_holders alter column asset_id set (n_distinct = -0.001);
