#!/usr/bin/env bash
# The recovery drill: a register with its daemon and an application is lost in four ways and recovered from its backups by
# pgBackRest, and is compared with an undamaged register each time. One line for each step, a table of what it took beside
# what the seed's design allows, exit 1 if anything was not recovered that must be.
#
# It works on a private PostgreSQL, repository and node in a temporary directory, listens on sockets there and, the node,
# on 127.0.0.1, and removes all of it at its end. Wants the workspace built (cargo build --workspace), PostgreSQL 15 or
# what else this machine's pgBackRest knows, pgbackrest, and setpriv when it runs as root.
#
# Environment: PG_BIN, CARGO_TARGET_DIR, SCENARIO_CONTRACTS, TMPDIR; KEEP=1 keeps the directory.
set -euo pipefail
export LC_ALL=C

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
begun_at=$SECONDS
findings=()

die() { echo "drill: $1" >&2; exit 1; }
finding() { findings+=("$1"); echo "  FAILED  $1"; }
say() { printf '%5d s  %s\n' $((SECONDS - begun_at)) "$1"; }
milliseconds() { echo $((${EPOCHREALTIME/./} / 1000)); }
seconds() { printf '%d.%d s' $(($1 / 1000)) $(($1 % 1000 / 100)); } # milliseconds

# --- what it needs -------------------------------------------------------------------------------------------------------

pg_bin=${PG_BIN:-$(compgen -G '/usr/lib/postgresql/*/bin' | sort -V | tail -n 1 || true)}
# Whatever the caller's own PostgreSQL is, this is another.
for variable in $(compgen -e PG); do unset "$variable"; done
[[ -x $pg_bin/initdb ]] || die "no PostgreSQL programs found: install postgresql, or set PG_BIN to the directory of initdb"
type pgbackrest > /dev/null 2>&1 || die "pgbackrest not found: apt-get install pgbackrest, which 'tests/setup.sh with-drill' does"
[[ $(id -u) != 0 ]] || getent passwd postgres > /dev/null || die "root may not run PostgreSQL, and there is no user postgres to do so"
psql=$pg_bin/psql
[[ -x $psql ]] || psql=$(type -P psql) || die "psql not found: install postgresql-client"
target=${CARGO_TARGET_DIR:-$root/target}/debug
binary=$target/asset-indexer chain_binary=$target/chain
for program in "$binary" "$chain_binary"; do [[ -x $program ]] || die "$program is missing: cargo build --workspace"; done
export SCENARIO_CONTRACTS=${SCENARIO_CONTRACTS:-$root/tests/contracts}

# Seconds until a segment that is not full is shipped. 5 minutes in the configuration that is shipped.
archive_timeout=2
folder=$(mktemp -d "${TMPDIR:-/tmp}/asset-indexer-drill.XXXXXX")
if [[ $(id -u) == 0 ]]; then
    chmod 0711 "$folder"
    install -d -o postgres -m 0711 "$folder"/{machine,elsewhere}
fi
((${#folder} <= 70)) || die "$folder is too long a path for a socket: set TMPDIR to a shorter one"
cd "$folder"
# shellcheck source=deploy/backup/drill/machine.sh
source "$here/drill/machine.sh"
# shellcheck source=deploy/backup/drill/register.sh
source "$here/drill/register.sh"
# shellcheck source=deploy/backup/drill/scenarios.sh
source "$here/drill/scenarios.sh"

clean_up() {
    local process
    trap - EXIT
    touch "$folder/quiet"
    if [[ -n $server ]]; then kill -INT "$server" 2> /dev/null || true; fi
    for process in $daemon $undamaged; do
        kill -CONT "$process" 2> /dev/null || true
        kill -TERM "$process" 2> /dev/null || true
    done
    # The end of its input ends the chain, and its node.
    if [[ -n ${chain_pid:-} ]]; then exec {CHAIN[1]}>&- || true; fi
    for process in $server $daemon $undamaged ${chain_pid:-}; do end_within 20 "$process"; done
    wait
    kill_shippers
    if [[ ${KEEP:-0} == 1 ]]; then echo "kept: $folder"; else rm -rf "$folder"; fi
}

end_within() { # seconds, a process that was asked to end
    local end=$((SECONDS + $1))
    while kill -0 "$2" 2> /dev/null; do
        if ((SECONDS > end)); then kill -KILL "$2" 2> /dev/null || true; fi
        sleep 0.05
    done
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

# --- the drill -----------------------------------------------------------------------------------------------------------

echo "Recovery drill with $(pgbackrest version) and $("$pg_bin/postgres" --version), in $folder"
begin
corruption
lost_primary
human_error
empty_machine
rebuilding
without_archiving

summary
if ! verdict; then exit 1; fi
