-- no-transaction
-- When each user was active last, from logs that are archived before a user's own time is over. In batches: see
-- ops.data_migrations. `maintain` calls it again before it archives months of those logs.
call app.note_activity('app.users.last_activity_at');
