-- The tables of applied migrations are in a schema of their own: in `public` a platform's own tools would offer to rename
-- or drop them (drizzle-kit push). The daemon checks there that the schema is the one it was built for.
do $$
begin
    if to_regclass('asset_indexer.migrations') is not null then
        comment on schema asset_indexer is 'Which migrations were applied.';
        grant usage on schema asset_indexer to asset_indexer_writer, asset_indexer_reader;
        grant select on asset_indexer.migrations to asset_indexer_writer, asset_indexer_reader;
    end if;
end
$$;
