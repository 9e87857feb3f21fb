#!/usr/bin/env bash
# The database's part of the tests on the newer PostgreSQL releases that package.json pins, one after the other. What needs no
# database, or of it only that there is one, is left to the whole suite, which runs on the installed PostgreSQL.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."

# By the names of tests. A name that matches none is a mistake: a part that was renamed would be left out in silence.
filters=(
    # Every migration up, down and up again to the same catalogue; and with rows, by command.
    schema:: commands::migrations::a_step_down
    # Tables, guards, tenants, rights cell by cell, seals, privacy.
    application::
    # Every documented question.
    queries::every_documented_question
    # The register itself: backfill, reorgs, a rebuild that gives equal tables; edges of every type there and back.
    converge::tables_equal_those_of_a_fresh_index_after_any_forks_on_postgresql operate::a_rebuild_without_the_node
    properties::stored
)
# On the newest release also the questions' plans, the reports, and archives with what comes back from them: 17 lies between two
# releases that run them.
newest=(queries:: reports:: retention::)

case $(uname -m) in x86_64) processor=x64 ;; aarch64) processor=arm64 ;; *) processor=$(uname -m) ;; esac
all=$(cargo test --quiet --locked -p asset-indexer --test it -- --list 2> /dev/null)
for filter in "${filters[@]}" "${newest[@]}"; do
    grep -q "$filter.*: test\$" <<< "$all" || { echo "postgresql: no test is named $filter" >&2; exit 1; }
done
for version in 17 18; do
    export PG_BIN=$here/node_modules/postgresql-$version-$processor/native/bin
    [[ -x $PG_BIN/postgres ]] || {
        echo "postgresql: no PostgreSQL $version for $processor in $PG_BIN: run tests/setup.sh" >&2
        exit 69
    }
    # What npm unpacks without running scripts lacks the links of its libraries; the program makes them when it starts it.
    echo "postgresql: the database's part on PostgreSQL $version ($PG_BIN)"
    [[ $version == 17 ]] || filters+=("${newest[@]}")
    cargo test --quiet --locked -p asset-indexer --test it -- "${filters[@]}"
done
