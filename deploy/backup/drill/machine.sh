# shellcheck shell=bash
# The machine that is lost and recovered: a private PostgreSQL, its near repository, and the repository elsewhere. Sourced by
# drill.sh, which sets folder, pg_bin, psql and archive_timeout.
#
#   $folder/machine      all that a machine has: data, socket, pgBackRest's configuration, the near repository
#   $folder/elsewhere    what is left when it is lost: the repository of another site, and a copy of the passphrases

machine=$folder/machine elsewhere=$folder/elsewhere socket=$folder/machine/run
server='' # The process id of the postmaster.

# PostgreSQL does not run as root: then all of the machine belongs to user postgres.
# An array and not a function: what it starts in the background is then the program itself, and no shell around it.
as_owner=(env -i "PATH=$PATH" LC_ALL=C)
if [[ $(id -u) == 0 ]]; then as_owner=(setpriv --reuid=postgres --regid=postgres --init-groups -- "${as_owner[@]}"); fi

backrest() { # word...: pgBackRest as the machine is configured; quiet, unless it fails
    local said
    said=$("${as_owner[@]}" pgbackrest --config="$machine/pgbackrest.conf" --config-include-path="$machine/conf.d" \
        --stanza=register "$@" 2>&1) || die "pgbackrest $*: $said"
    if [[ $1 == info ]]; then echo "$said"; fi
}

query() { PGOPTIONS='-c client_min_messages=warning' "$psql" -XqAt -v ON_ERROR_STOP=1 -h "$socket" -U postgres -d "${2:-register}" -c "$1"; }

# The configuration that is shipped, with this folder's paths and another kind of second repository: so the drill tries it.
# archive_timeout alone is the drill's: nobody watches five minutes of nothing.
furnish_machine() {
    "${as_owner[@]}" mkdir -p "$machine"/{run,near,spool,log,lock,conf.d}
    sed -e "s#^repo1-path=.*#repo1-path=$machine/near#" -e "s#^repo2-path=.*#repo2-path=$elsewhere/repository#" \
        -e 's#^repo2-type=s3#repo2-type=posix#' -e '/^repo2-s3-/d' \
        -e "s#^spool-path=.*#spool-path=$machine/spool#" \
        -e "s#^log-path=.*#log-path=$machine/log\nlock-path=$machine/lock#" \
        -e "s#^pg1-path=.*#pg1-path=$machine/data#" -e "s#^pg1-socket-path=.*#pg1-socket-path=$socket#" \
        "$here/pgbackrest/pgbackrest.conf" | "${as_owner[@]}" tee "$machine/pgbackrest.conf" > /dev/null
    "${as_owner[@]}" cp "$elsewhere/secrets.conf" "$machine/conf.d/secrets.conf"
}

make_machine() {
    "${as_owner[@]}" mkdir -p "$elsewhere/repository"
    local repository
    { echo '[global]'; for repository in 1 2; do
        echo "repo$repository-cipher-pass=$(head -c 48 /dev/urandom | base64 -w 0)"
    done; } | "${as_owner[@]}" sh -c 'umask 077; cat > "$1"' sh "$elsewhere/secrets.conf"
    furnish_machine
    # Segments of 1 MB: the drill ships one every other second.
    "${as_owner[@]}" "$pg_bin/initdb" --pgdata="$machine/data" --data-checksums --wal-segsize=1 --username=postgres --auth=trust \
        --encoding=UTF8 --locale=C --no-sync > "$folder/initdb.log" 2>&1 || die "initdb: $(tail -n 3 "$folder/initdb.log")"
    { sed -e "s#pgbackrest --stanza#pgbackrest --config=$machine/pgbackrest.conf --config-include-path=$machine/conf.d --stanza#" \
        -e "s#^archive_timeout = .*#archive_timeout = ${archive_timeout}s#" "$here/pgbackrest/postgresql.conf"
      printf '%s\n' "listen_addresses = ''" "unix_socket_directories = '$socket'" 'timezone = UTC' 'max_wal_size = 256MB' \
          'fsync = off' # Processes are killed here, the machine is not; and its disk is not what is tried.
    } | "${as_owner[@]}" tee -a "$machine/data/postgresql.conf" > /dev/null
    # Before the first segment is shipped: an archiver that failed three times sleeps for a minute.
    backrest --no-online stanza-create
    start_server
    query 'create database register' postgres
    backrest check
}

start_server() { # and wait until it takes writes: recovery is over
    "${as_owner[@]}" "$pg_bin/postgres" -D "$machine/data" >> "$folder/postgresql.log" 2>&1 &
    server=$!
    local end=$((SECONDS + 120))
    until [[ $(query 'select not pg_is_in_recovery()' postgres 2> /dev/null) == t ]]; do
        if ! kill -0 "$server" 2> /dev/null || ((SECONDS > end)); then
            die "PostgreSQL does not start: $(tail -n 5 "$folder/postgresql.log")"
        fi
        sleep 0.1
    done
}

stop_server() { # in order: all of the log is shipped
    kill -INT "$server"
    wait "$server" || true
    server=''
}

kill_server() { # as a power cut would, with all that it started
    local children
    children=$(cat "/proc/$server/task/$server/children" 2> /dev/null || true)
    # shellcheck disable=SC2086
    kill -KILL "$server" $children 2> /dev/null || true
    wait "$server" 2> /dev/null || true
    server=''
    kill_shippers
}

# pgBackRest ships log in the background, no child of anybody's; its command line names this drill's own folder.
kill_shippers() {
    local process
    for process in /proc/[0-9]*; do
        if { tr '\0' ' ' < "$process/cmdline"; } 2> /dev/null | grep -q "^[^ ]*pgbackrest .*$machine/pgbackrest.conf"; then
            kill -KILL "${process#/proc/}" 2> /dev/null || true
        fi
    done
}

# Restores into the data directory, from the repository and to the point that the words name.
restore() {
    "${as_owner[@]}" mkdir -p -m 0700 "$machine/data"
    backrest "$@" restore
}

megabytes() { # path
    du -s --block-size=1 "$1" | awk '{ printf "%.1f MB", $1 / 1e6 }'
}
