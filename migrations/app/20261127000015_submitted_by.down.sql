set local lock_timeout = '500ms';
drop index app.submitted_transactions_user_idx;
