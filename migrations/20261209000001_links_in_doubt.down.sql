set local lock_timeout = '500ms';

drop index chain.registrations_in_doubt;
