-- What was there before is looked through while others read and write, the many events last.
set local lock_timeout = '500ms';
alter table chain.identity_claims validate constraint identity_claims_withheld;
alter table chain.asset_events validate constraint asset_events_withheld;
