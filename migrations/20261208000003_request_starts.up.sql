-- How often a request was begun: one that ends its worker each time (out of memory, say) was begun again by every worker after
-- it, and the chain was followed by none.
set local lock_timeout = '500ms';

create table ops.request_starts (
    request_id uuid primary key references ops.requests (id) on delete cascade,
    starts bigint not null
);
comment on table ops.request_starts is 'How often a request was begun. Begun three times and never ended, it is failed instead of begun a fourth time, but not what a migration asked for (kind upgrade).';
comment on column ops.request_starts.request_id is 'The request.';
comment on column ops.request_starts.starts is 'How often a worker began it.';
insert into ops.table_classes (table_name, class) values ('ops.request_starts', 'operation');
grant select, insert, update, delete on ops.request_starts to asset_indexer_writer;
