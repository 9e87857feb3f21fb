-- no-transaction
-- What somebody should know of, the newest first: among millions of events it is rare.
create index concurrently system_events_notable on chain.system_events (timestamp desc) where severity <> 'info';
