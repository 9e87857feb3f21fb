#!/usr/bin/env bash
# Draws the passwords of deploy/compose.yaml and writes them, with the URLs made of them, as files that git ignores.
# Run again it keeps what is there: PostgreSQL took its passwords when its volume was made. RPC_URL is asked for if unset.
set -euo pipefail

directory=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/secrets
# The directory is closed and the files in it are open: a container's user must read its mounts, other users of this machine must not.
mkdir -p "$directory"
chmod 0700 "$directory"
umask 022
echo '*' > "$directory/.gitignore"

keep() { # name value: writes the file unless it is there, without a newline at the end
    if [[ -s $directory/$1 ]]; then echo "kept  $1"; else printf %s "$2" > "$directory/$1"; echo "wrote $1"; fi
}

draw() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

keep postgres_password "$(draw)"
keep owner_password "$(draw)"
keep indexer_password "$(draw)"
# Plain text, said aloud: the network between the two containers is this machine's own (see config.toml).
keep admin_database_url "postgres://owner:$(<"$directory/owner_password")@postgres:5432/asset_indexer?sslmode=disable"
keep database_url "postgres://indexer:$(<"$directory/indexer_password")@postgres:5432/asset_indexer?sslmode=disable"
if [[ ! -s $directory/rpc_url ]]; then
    [[ -n ${RPC_URL:-} ]] || read -rsp 'RPC URL of your node (not shown): ' RPC_URL
    [[ -n $RPC_URL ]] || { echo "no RPC URL given: set RPC_URL or type it" >&2; exit 2; }
fi
keep rpc_url "${RPC_URL:-}"
