-- Back: nothing is lost, digests are computed.
drop function api.table_digest(bigint, text);
drop function api.digests(bigint, bigint, bigint, bigint);
drop function chain.row_text(regclass);
revoke select on chain.configured_contracts, chain.observations, chain.transaction_inputs from asset_indexer_reader;
