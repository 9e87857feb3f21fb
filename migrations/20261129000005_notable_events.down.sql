set local lock_timeout = '500ms';
drop index chain.system_events_notable;
