-- no-transaction
-- By whom and from which wallet a transaction was submitted: what export and erasure ask, and the foreign key of users.
-- Built beside readers and writers, so outside of a transaction, and then alone in its file: where it is interrupted, what is
-- left is not valid, and `migrate` drops it before it begins again. Of a partitioned table: `create index … on only` the table,
-- one such file for each partition, and `alter index … attach partition` in the next file.
create index concurrently submitted_transactions_user_idx on app.submitted_transactions (user_id, chain_id, sender);
