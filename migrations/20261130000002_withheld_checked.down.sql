-- Back: the checks stay, and stand for what comes after them alone.
set local lock_timeout = '500ms';
alter table chain.identity_claims drop constraint identity_claims_withheld;
alter table chain.asset_events drop constraint asset_events_withheld;
alter table chain.asset_events add constraint asset_events_withheld
    check (withheld in ('digest', 'drop')) not valid;
alter table chain.identity_claims add constraint identity_claims_withheld
    check (withheld in ('digest', 'drop')) not valid;
