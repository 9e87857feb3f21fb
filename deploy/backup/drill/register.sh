# shellcheck shell=bash
# What works on the machine and around it: the chain, the daemon that follows it, an undamaged register beside, and an
# application that commits all the time. Sourced by drill.sh, which sets folder, binary, chain_binary and pg_bin.

tenant=00000000-0000-4000-8000-000000000001
daemon='' undamaged='' application='' # Process ids.
head_number='' head_hash='' rpc_url='' contracts=()
acknowledged=$folder/acknowledged # Number and milliseconds of every commit that the application was told of.
undamaged_url="postgres://asset_indexer@localhost/asset_indexer?host=$folder/undamaged/run&port=5432&sslmode=disable"

start_chain() {
    coproc CHAIN { exec "$chain_binary" 2>> "$folder/chain.log"; }
    chain_pid=$CHAIN_PID
    local starts
    read -r -u "${CHAIN[0]}" rpc_url starts || die "the chain does not start: $(tail -n 3 "$folder/chain.log")"
    read -ra starts <<< "$starts"
    contracts=(--contract "${starts[0]}" --contract "${starts[1]}")
}

chain() { # word number: see tests/scenario/src/bin/chain.rs
    echo "$*" >&"${CHAIN[1]}"
    read -r -u "${CHAIN[0]}" _ head_number head_hash || die "the chain ended: $(tail -n 3 "$folder/chain.log")"
}

indexer() { # name=value... -- word...: the real program, in an environment of its own
    local variables=()
    while [[ $1 != -- ]]; do variables+=("$1"); shift; done
    shift
    exec env -i "PATH=$PATH" "PG_BIN=$pg_bin" LOG_FORMAT=json "${variables[@]}" "$binary" "$@"
}

register_url="postgres://register@localhost/register?host=$socket&port=5432&sslmode=disable"
of_register() { (indexer "DATABASE_URL=$register_url" -- "$@"); }

start_daemon() {
    (indexer "DATABASE_URL=$register_url" "RPC_URL=$rpc_url" ASSET_INDEXER__RPC__POLL_INTERVAL_MS=200 \
        -- run --listen off "${contracts[@]}") >> "$folder/daemon.log" 2>&1 &
    daemon=$!
}

stop_daemon() {
    kill -TERM "$daemon"
    wait "$daemon" || die "the daemon ended badly: $(tail -n 3 "$folder/daemon.log")"
    daemon=''
}

# The register that nothing happens to: the same program with a private PostgreSQL of its own.
start_undamaged() {
    (indexer "ASSET_INDEXER__DATABASE__STATE_DIR=$folder/undamaged" "RPC_URL=$rpc_url" \
        ASSET_INDEXER__RPC__POLL_INTERVAL_MS=200 -- run --listen off "${contracts[@]}") >> "$folder/undamaged.log" 2>&1 &
    undamaged=$!
}

checkpoint_sql="select block_number || ' 0x' || encode(block_hash, 'hex') from chain.checkpoints"
checkpoint() { query 'select block_number from chain.checkpoints'; }

# Waits until both registers are at the chain's head.
await_head() {
    chain head
    local end=$((SECONDS + 60)) at=''
    until at=$(query "$checkpoint_sql" 2> /dev/null) && [[ $at == "$head_number $head_hash" ]] \
        && [[ $("$psql" -XqAt "$undamaged_url" -c "$checkpoint_sql" 2> /dev/null) == "$at" ]]; do
        if ((SECONDS > end)); then
            finding "the register does not come to block $head_number: it is at ${at:-none}; $(tail -n 2 "$folder/daemon.log")"
            return
        fi
        sleep 0.1
    done
}

# Whether the register's tables are those of the undamaged one, every ground, history and state table, by digest; and
# whether the trails' seals hold.
is_equal() { of_register verify --level against,audit --against "$undamaged_url" --json > "$folder/verify.json" 2>&1; }

assert_equal() { # what was done
    await_head
    is_equal || finding "$1: the tables differ from those of an undamaged register: $(grep -v '"found":0' "$folder/verify.json" | head -n 3)"
}

fill_application() {
    local sql="insert into app.tenants (id, name) values ('$tenant', 'Northern Light');
        set app.tenant = '$tenant';
        insert into app.users (email) select 'investor' || n || '@example.com' from generate_series(1, 200) n;
        insert into app.user_settings (user_id, language) select id, 'nl' from app.users;
        insert into app.wallet_links (user_id, chain_id, wallet)
            select id, 31337, '0x' || lpad(to_hex(row_number() over (order by email)), 40, '0') from app.users;"
    query "$sql"
    : > "$acknowledged"
}

# What the application keeps, apart from what it goes on committing.
application_digest() {
    local table sql=''
    for table in users user_settings wallet_links; do
        sql+="${sql:+ union all }select '$table', count(*), md5(string_agg(t::text, ',' order by t::text)) from app.$table t"
    done
    query "$sql"
}

last_acknowledged() { awk 'END { print $1 + 0 }' "$acknowledged"; }

# Commits a row every 50 ms, and notes what was acknowledged; ends when the database does.
start_application() {
    local first
    first=$(($(last_acknowledged) + 1))
    (
        for ((n = first; ; n++)); do
            [[ ! -e $folder/quiet ]] || break
            echo "insert into app.user_actions (tenant_id, action_type, resource) values ('$tenant', 'drill', '$n')
                returning resource || ' ' || (extract(epoch from timestamp) * 1000)::bigint;"
            sleep 0.05
        done | stdbuf -oL "$psql" -XqAt -v ON_ERROR_STOP=1 -h "$socket" -U postgres -d register >> "$acknowledged"
    ) > /dev/null 2>&1 &
    application=$!
}

stop_application() {
    touch "$folder/quiet"
    wait "$application" 2> /dev/null || true
    rm "$folder/quiet"
    application=''
}
