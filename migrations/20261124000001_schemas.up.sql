-- Four schemas, by who may do what (decision 10):
--   chain  what the chain says: written by the indexer alone
--   ops    what the indexer needs to be safe: lease, undo, headers, requests
--   api    what people and tools read: views with 0x text, decimals, finality
--   app    the application's own tables; later migrations fill it
-- Roles cannot log in; a login role is made a member of what it needs.
do $$
declare
    role_name text;
begin
    foreach role_name in array array['asset_indexer_owner', 'asset_indexer_writer', 'asset_indexer_reader'] loop
        if not exists (select from pg_roles where rolname = role_name) then
            execute format('create role %I nologin', role_name);
        end if;
    end loop;
end
$$;

create schema chain;
create schema ops;
create schema api;
create schema app;
comment on schema chain is 'What the chain says. Written by the indexer alone; every row can be derived again.';
comment on schema ops is 'What the indexer needs to be safe: lease, undo journal, headers, requests.';
comment on schema api is 'What people and tools read: views with 0x text, decimals-aware amounts, finality.';
comment on schema app is 'The application''s own tables.';

-- A foreign key or a length error would stop a chain; a wrong length can only be our own bug, so it is checked.
create domain chain.address as bytea check (octet_length(value) = 20);
create domain chain.hash32 as bytea check (octet_length(value) = 32);
comment on domain chain.address is 'An account of an EVM chain: 20 bytes.';
comment on domain chain.hash32 is 'A keccak256 hash: 32 bytes.';

grant usage on schema chain, ops, api to asset_indexer_writer;
grant usage on schema chain, api to asset_indexer_reader;
