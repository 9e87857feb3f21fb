#!/usr/bin/env bash
# Asks the RustSec database about every crate of Cargo.lock. Fails for an advisory that .deny.toml does not excuse; where the
# database cannot be reached, says that advisories are not checked, and fails nothing.
#
#   tests/advisories.sh CARGO_DENY
set -uo pipefail
deny=$1
if output=$("$deny" --config .deny.toml check advisories 2>&1); then
    echo "advisories: none that .deny.toml does not excuse"
    exit 0
fi
# Diagnostics of a crate have a code in brackets; without one, and with a word of the database, it was not asked at all.
if ! grep -Eq '(error|warning)\[[a-z-]+\]' <<< "$output" && grep -Eiq 'advisory[ -]database|advisory-db' <<< "$output"; then
    echo "advisories: NOT CHECKED: their database cannot be reached from here ($(grep -Ei 'error|fail' <<< "$output" | head -n 1))"
    echo "advisories: where there is a network: $deny --config .deny.toml check advisories"
    exit 0
fi
echo "$output" >&2
echo "advisories: FAILED" >&2
exit 1
