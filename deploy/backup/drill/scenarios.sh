# shellcheck shell=bash
# The seed's four scenarios, what follows from them for the tables, and the figures. Sourced by drill.sh.

rows=() # The table: a row a scenario.
columns='%-18s %10s %10s %9s %9s %8s %10s %11s   %-16s %s\n'
# The last restore, as milliseconds; what it lost; what must not be lost: commits up to this number.
started=0 recovered=0 caught_up=0 lost_commits=0 lost_time=0 lost_blocks=0 must_keep=0 before=0

head_row() {
    # shellcheck disable=SC2059
    printf "$columns" scenario database 'at head' commits time blocks restored repository 'seed: recovery' 'seed: loss'
}

row() { # scenario, repository, the seed's recovery time, the seed's loss
    local line
    # shellcheck disable=SC2059
    line=$(printf "$columns" "$1" "$(seconds $((recovered - started)))" "$(seconds $((caught_up - started)))" "$lost_commits" \
        "$(seconds "$lost_time")" "$lost_blocks" "$(megabytes "$machine/data")" "$(megabytes "$2")" "$3" "$4")
    rows+=("$line")
    head_row
    echo "$line"
}

# Until the log with all that was acknowledged by now is shipped, as far as PostgreSQL knows: nothing but archive_timeout
# makes it go.
await_archiving() {
    local file end=$((SECONDS + 90))
    must_keep=$(last_acknowledged)
    file=$(query 'select pg_walfile_name(pg_current_wal_insert_lsn())')
    until [[ $(query "select coalesce(last_archived_wal, '') >= '$file' from pg_stat_archiver" postgres) == t ]]; do
        if ((SECONDS > end)); then finding "the log $file was not archived within 90 s"; return; fi
        sleep 0.1
    done
}

# What the restored register lost; the daemon waits meanwhile. Commits up to must_keep may not be among it.
measure_loss() {
    local kept_until last_time broken
    query "select resource from app.user_actions where action_type = 'drill'" > "$folder/present"
    read -r lost_commits broken last_time kept_until < <(awk -v must_keep="$must_keep" '
        NR == FNR { present[$1] = 1; next }
        { last = $2 }
        $1 in present { kept = $2; print > (FILENAME ".kept"); next }
        { lost++; if ($1 <= must_keep) broken++ }
        END { printf "%d %d %.0f %.0f\n", lost, broken, last, kept }' "$folder/present" "$acknowledged")
    lost_time=$((lost_commits > 0 ? last_time - kept_until : 0))
    # What was lost once is not lost again.
    mv "$acknowledged.kept" "$acknowledged"
    ((broken == 0)) || finding "$1: $broken commits were lost that were acknowledged, and archived, before the disaster"
    lost_blocks=$((before - $(checkpoint)))
}

# Restore, start, and see what is there; then the daemon, which waited, goes on by itself.
recover() { # scenario, repository (1 near, 2 elsewhere), word of pgBackRest...
    local scenario=$1 repository=$2
    shift 2
    started=$(milliseconds)
    restore --repo="$repository" "$@"
    # A repository that was lost with the machine begins anew.
    [[ -e $machine/near/archive ]] || backrest --no-online stanza-create
    start_server
    recovered=$(milliseconds)
    measure_loss "$scenario"
    say "restored to block $(checkpoint), $lost_blocks behind; the chain is at block $head_number"
    if [[ -n $daemon ]]; then kill -CONT "$daemon"; else start_daemon; fi
    await_head
    caught_up=$(milliseconds)
    assert_equal "$scenario"
    [[ $(grep -c 'first checkpoint set' "$folder/daemon.log") == 1 ]] || finding "$scenario: the daemon began anew instead of resuming"
    kill -0 "$daemon" 2> /dev/null || finding "$scenario: the daemon did not survive: $(tail -n 2 "$folder/daemon.log")"
}

within() { # scenario, seconds of recovery and of loss that the seed allows at most
    ((caught_up - started <= $2 * 1000)) || finding "$1: recovery took longer than the seed's $2 s"
    ((lost_time <= $3 * 1000)) || finding "$1: $(seconds "$lost_time") were lost, more than the seed's $3 s"
}

# After each recovery a backup. It also wakes PostgreSQL's checkpointer, which after a recovery may sleep for checkpoint_timeout
# (5 minutes) before it heeds archive_timeout.
resume() { # kind of backup
    start_application
    backrest --repo=1 --type="$1" backup
}

begin() {
    start_chain
    start_undamaged
    make_machine
    say "a machine with PostgreSQL and an empty repository, another repository elsewhere"
    query 'create role register login'
    (indexer "DATABASE_URL=postgres://postgres@localhost/register?host=$socket&port=5432&sslmode=disable" -- migrate) \
        > "$folder/migrate.log" 2>&1 || die "migrate: $(tail -n 3 "$folder/migrate.log")"
    query 'grant asset_indexer_writer, asset_indexer_reader to register'
    start_daemon
    chain play 6
    await_head
    fill_application
    start_application
    backrest --repo=1 --type=full backup
    backrest --repo=2 --type=full backup
    chain play 8
    await_head
    backrest --repo=1 --type=incr backup
    say "a register at block $head_number, an application that commits, full backups into both repositories, an incremental one"
}

corruption() {
    local file said
    echo "Corruption: a page of a table is damaged on the disk"
    chain play 9
    await_head
    stop_application
    must_keep=$(last_acknowledged) before=$(checkpoint)
    file=$(query "select pg_relation_filepath(c.oid) from pg_class c where c.relkind = 'r' and c.relname ~ '^asset_holders'
        and c.relnamespace = 'chain'::regnamespace order by pg_relation_size(c.oid) desc limit 1")
    stop_server
    printf 'damaged' | "${as_owner[@]}" dd of="$machine/data/$file" bs=1 seek=4000 conv=notrunc status=none
    start_server
    if said=$(query 'select sum(balance) from chain.asset_holders' 2>&1); then
        finding "corruption: a damaged page was read as data: $said"
    elif [[ $said != *'invalid page in block 0'* ]]; then
        finding "corruption: the damaged page was not what was noticed: $said"
    else
        say "noticed by the page's checksum: ${said#*ERROR:  }"
    fi
    kill -STOP "$daemon"
    stop_server
    chain play 10
    recover corruption 1 --delta
    ((lost_commits == 0 && lost_blocks <= 0)) || finding "corruption: $lost_commits commits and $lost_blocks blocks lost, of a log that is whole"
    row corruption "$machine/near" '2-4 hours' '< 1 hour'
    within corruption $((4 * 3600)) 3600
    resume incr
}

# The server is killed in the midst of commits, and its data are gone; all that it believes to be archived must come back.
lose_primary() {
    await_head
    await_archiving
    chain mine 3
    await_head
    before=$(checkpoint)
    kill -STOP "$daemon"
    kill_server
    rm -rf "$machine/data"
    wait "$application" || true
    chain play "$1"
    recover 'lost primary' 1
}

lost_primary() {
    echo "Lost primary: the server is killed, and its data are gone"
    chain play 11
    lose_primary 12
    row 'lost primary' "$machine/near" '1-2 hours' '< 15 minutes'
    within 'lost primary' $((2 * 3600)) 900
    resume incr
}

human_error() {
    local rows_before time
    echo "Human error: rows are deleted, a table is dropped, another emptied"
    chain play 13
    await_head
    rows_before=$(application_digest)
    must_keep=$(last_acknowledged)
    time=$(query "select clock_timestamp() at time zone 'UTC' || '+00'")
    sleep 0.2
    query 'delete from app.wallet_links; drop table app.user_settings cascade; truncate chain.asset_holders'
    chain play 14
    sleep 1
    before=$(checkpoint)
    kill -STOP "$daemon"
    stop_application
    stop_server
    recover 'human error' 1 --delta --type=time --target="$time" --target-action=promote
    [[ $(application_digest) == "$rows_before" ]] || finding "human error: the application's tables are not as they were before it"
    row 'human error' "$machine/near" '30 min-2 hours' 'variable'
    within 'human error' $((2 * 3600)) 3600
    resume incr
}

empty_machine() {
    echo "Empty machine: nothing is left but the repository elsewhere and the passphrases; the chain reorganizes meanwhile"
    chain play 16
    await_head
    await_archiving
    before=$(checkpoint)
    kill -KILL "$daemon"
    wait "$daemon" 2> /dev/null || true
    daemon=''
    kill_server
    find "$machine" -mindepth 1 -delete
    wait "$application" || true
    chain reorg 3
    chain play 17
    furnish_machine
    recover 'empty machine' 2
    grep -q 'reorg: rolled back' "$folder/daemon.log" || finding "empty machine: the daemon did not take back what the chain had replaced"
    row 'empty machine' "$elsewhere/repository" '4-8 hours' '< 1 hour'
    within 'empty machine' $((8 * 3600)) 3600
    resume full
}

# Chain tables need no backup: ground gives the derived ones again, and the chain gives ground.
rebuilding() {
    local derived position="chain.checkpoints, ops.coverage, ops.headers, ops.undo, ops.evidence, ops.late_history" begun ground
    echo "Chain tables thrown away"
    stop_daemon
    derived=$(query "select string_agg(table_name, ', ') from ops.table_classes where class in ('state', 'history')")
    ground=$(query "select string_agg(table_name, ', ') from ops.table_classes where class = 'ground'")
    query "truncate $derived"
    if is_equal; then finding "emptied tables are called equal to full ones: the comparison sees nothing"; fi
    begun=$(milliseconds)
    of_register rebuild > "$folder/rebuild.log" 2>&1 || finding "rebuild: $(tail -n 3 "$folder/rebuild.log")"
    say "every derived table emptied; rebuilt from ground in $(seconds $(($(milliseconds) - begun)))"
    start_daemon
    assert_equal "rebuild"
    stop_daemon
    query "truncate $derived, $ground, $position"
    begun=$(milliseconds)
    start_daemon
    await_head
    say "every chain table emptied; indexed from the chain in $(seconds $(($(milliseconds) - begun)))"
    assert_equal "a fresh index"
    is_equal && say "equal by digest both times; the application's tables were not touched"
}

# The drill must see what a backup without log is worth, though PostgreSQL believes all of it to be archived.
without_archiving() {
    local kept=("${findings[@]}") said
    echo "A lie: archiving is switched off, and succeeds"
    query "alter system set archive_command = '/bin/true'"
    query 'select pg_reload_conf()' > /dev/null
    findings=()
    sleep 1
    lose_primary 18 > "$folder/lie.log"
    if said=$(verdict) || [[ $said != *"were lost that were acknowledged"* ]]; then
        findings=("${kept[@]}" "a drill without archiving passes")
    else
        findings=("${kept[@]}")
        say "found, as it must be: $(grep -m 1 -o '[0-9]* commits were lost that.*' <<< "$said")"
    fi
}

summary() {
    echo
    head_row
    printf '%s\n' "${rows[@]}"
    echo
    echo "database: until it takes writes; at head: until the daemon has caught up with the chain; commits, time, blocks: what was lost,"
    echo "after a human error what came after it. An unfilled segment of log is shipped after $archive_timeout s here, after 5 minutes in the"
    echo "configuration that is shipped. PostgreSQL does not wait for the disk here (fsync), pgBackRest does. The drill took $((SECONDS - begun_at)) s."
}

verdict() {
    if ((${#findings[@]} == 0)); then echo "drill: everything was recovered"; return; fi
    printf 'drill: FAILED: %s\n' "${findings[@]}"
    return 1
}
