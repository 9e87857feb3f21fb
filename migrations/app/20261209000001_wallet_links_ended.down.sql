set local lock_timeout = '500ms';
drop index app.wallet_links_ended_idx;
