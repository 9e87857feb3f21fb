do $$
begin
    if to_regclass('asset_indexer.migrations') is not null then
        revoke select on asset_indexer.migrations from asset_indexer_writer, asset_indexer_reader;
        revoke usage on schema asset_indexer from asset_indexer_writer, asset_indexer_reader;
    end if;
end
$$;
