#!/usr/bin/env bash
# Run once by the PostgreSQL image on an empty volume, after migrations/roles.sql has made the groups: the login of
# `migrate` (owner) and that of `run` (indexer). Neither is a superuser, because a superuser sees through row security; logins
# of applications are made by the administrator (postgres). What is to be written goes through temporary tables, which PUBLIC may
# make where nobody takes that away: indexer gets it back.
set -euo pipefail

psql --username "${POSTGRES_USER:-postgres}" --dbname "$POSTGRES_DB" --no-psqlrc --set ON_ERROR_STOP=1 <<'SQL'
\set owner_password `cat /run/secrets/owner_password`
\set indexer_password `cat /run/secrets/indexer_password`
CREATE ROLE owner LOGIN PASSWORD :'owner_password';
CREATE ROLE indexer LOGIN PASSWORD :'indexer_password';
GRANT asset_indexer_owner TO owner;
GRANT asset_indexer_writer TO indexer;
SELECT format('ALTER DATABASE %I OWNER TO owner', current_database()) \gexec
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database()) \gexec
SELECT format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO indexer', current_database()) \gexec
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
SQL
