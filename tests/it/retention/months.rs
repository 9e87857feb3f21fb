//! Months of the application's logs: into files and back, with holds, seals, references, kills and altered files.

use std::path::PathBuf;

use asset_indexer::store::postgres::{migrate, migrate_application, role_sql};
use serde_json::Value as Json;
use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Postgres};
use tokio::process::Child;

use super::{House, run, scalar};
use crate::support::command::{Folder, Line, database_url};
use crate::support::process::until;
use crate::support::world::{cluster, empty_database, pool};

const BROKEN: &str = "select count(*) from app.broken_seals()";
const AWAY: &str = "select count(*) from ops.archived_partitions where attached_at is null";

/// What a partition is, in the catalogue and in its rows.
async fn picture(house: &House, name: &str) -> Vec<String> {
    let sql = format!(
        "select coalesce(md5(string_agg(t::text, chr(10) order by t::text)), 'empty') from app.{name} t
         union all select regexp_replace(pg_get_indexdef(indexrelid), 'INDEX \\S+ ON', 'ON') from pg_index where indrelid = 'app.{name}'::regclass
         union all select pg_get_constraintdef(oid) from pg_constraint where conrelid = 'app.{name}'::regclass
         union all select pg_get_triggerdef(oid) from pg_trigger where tgrelid = 'app.{name}'::regclass and not tgisinternal
         union all select pg_get_expr(relpartbound, oid) from pg_class where oid = 'app.{name}'::regclass
         union all select concat_ws(' ', attnum, attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(d.adbin, d.adrelid))
             from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
             where a.attrelid = 'app.{name}'::regclass and a.attnum > 0
         order by 1"
    );
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&house.pool).await.expect("it is there")
}

async fn seal(house: &House) {
    let end: i64 = scalar(&house.pool, "select app.trail_end('audit_trail')").await;
    house.run(&format!("select app.seal_trail('audit_trail', {end})")).await;
}

/// Rows of the trail in three old months, in turns, and of today: one seal covers them all.
async fn trail(house: &House) {
    for month in ["2010-01", "2010-02", "2010-03"] {
        house.month("audit_trail", month).await;
    }
    house
        .run(
            "insert into app.audit_trail (entity_type, entity_id, action, new_state, timestamp)
             select 'users', n::text, 'insert', jsonb_build_object('n', n), timestamptz '2010-01-15 00:00:00+00' + (n % 3) * interval '1 month'
             from generate_series(1, 30) n",
        )
        .await;
    seal(house).await;
}

fn manifest(house: &House, name: &str) -> PathBuf {
    house.folder.path().join(format!("app.{name}.json"))
}

#[tokio::test]
async fn a_month_goes_into_a_file_and_comes_back_as_it_was() {
    let house = House::new().await;
    let name = house.month("user_actions", "2019-01").await;
    house.actions("2019-01", house.users[0], 50).await;
    house.month("user_actions", "2019-12").await;
    let young = "select count(*) from pg_class where relname = 'user_actions_2026_11'";
    let all = "select count(*) from pg_class where relname ~ '^user_actions_2[0-9_]+$' and relkind = 'r'";
    let (before, months) = (picture(&house, &name).await, house.count(all).await);
    let said = house.dry().await;
    assert!(said.contains("would archive app.user_actions_2019_01 (January 2019): 50 rows"), "{said}");
    assert!(said.contains("would archive app.user_actions_2019_12 (December 2019): 0 rows"), "{said}");
    assert!(!said.contains("login_history"), "nothing young: {said}");
    assert_eq!(picture(&house, &name).await, before, "a dry run changes nothing");
    assert_eq!(house.count("select count(*) from ops.archived_partitions").await, 0);
    let unsaid = house.line(&["--apply"]).await.run().await;
    unsaid.failed(2, &["2 partitions are due", "--to DIR"]);
    let said = house.apply().await;
    assert!(said.contains("archived app.user_actions_2019_01 (January 2019): 50 rows"), "{said}");
    assert_eq!(house.count("select count(*) from app.user_actions where user_id is not null").await, 0);
    assert_eq!(house.count(all).await, months - 2, "dropped, not only detached");
    assert!(house.count(young).await <= 1);
    let text = std::fs::read_to_string(manifest(&house, &name)).expect("a manifest");
    let told: Json = serde_json::from_str(&text).expect("JSON");
    assert_eq!((told["rows"].as_i64(), told["table"].as_str()), (Some(50), Some("app.user_actions")));
    assert_eq!(told["columns"].as_array().map(Vec::len), Some(10));
    let recorded: String = scalar(
        &house.pool,
        "select content_sha256 from ops.archived_partitions where partition = 'user_actions_2019_01'",
    )
    .await;
    assert_eq!(told["content_sha256"].as_str(), Some(recorded.as_str()));
    let file = std::fs::read(house.folder.path().join("app.user_actions_2019_01.copy.gz")).expect("a file");
    let said = house.apply().await;
    assert!(!said.contains("archived"), "a second run finds nothing: {said}");
    let said = house.attach().await.done();
    assert!(said.contains("put back app.user_actions_2019_01 (January 2019): 50 rows"), "{said}");
    assert_eq!(picture(&house, &name).await, before, "rows, columns, indexes, constraints, triggers, bounds");
    house.attach().await.failed(1, &["holds no file of an archived partition"]);
    house.apply().await;
    let again = std::fs::read(house.folder.path().join("app.user_actions_2019_01.copy.gz")).expect("a file");
    assert_eq!(again, file, "the same rows give the same file");
    assert_eq!(
        house
            .count("select count(*) from chain.system_events where event_type in ('archive', 'attach')")
            .await,
        6
    );
}

#[tokio::test]
async fn seals_hold_while_months_are_away_and_a_month_dropped_in_secret_shows() {
    let house = House::new().await;
    trail(&house).await;
    let newest: String = scalar(&house.pool, "select app.newest_seal('audit_trail')").await;
    assert_eq!(house.count(BROKEN).await, 0);
    let period = "'period', 'app.audit_trail', '2010-03-01', '2010-03-02'";
    let hold = house.hold("scope, table_name, from_time, to_time", period).await;
    let said = house.apply().await;
    assert!(
        said.contains("archived app.audit_trail_2010_01")
            && said.contains("archived app.audit_trail_2010_02"),
        "{said}"
    );
    assert!(
        said.contains(&format!("keeps app.audit_trail_2010_03 (March 2010): legal hold {hold} (period")),
        "{said}"
    );
    assert_eq!(house.count(BROKEN).await, 0, "two of a seal's months are away");
    let told: Json = serde_json::from_str(
        &std::fs::read_to_string(manifest(&house, "audit_trail_2010_01")).expect("a manifest"),
    )
    .expect("JSON");
    assert_eq!(told["closing_seal"].as_str(), Some(newest.as_str()));
    let mut owner = house.pool.acquire().await.expect("a connection");
    for (what, cheat) in [
        ("a month dropped in secret", "alter table app.audit_trail detach partition app.audit_trail_2010_03; drop table app.audit_trail_2010_03"),
        ("a row that stayed is changed", "set local session_replication_role = replica; update app.audit_trail set actor = 'nobody' where entity_id = '2'"),
        ("a row is put where the month was", "create table app.forged partition of app.audit_trail for values from ('2010-01-01 00:00:00+00') to ('2010-02-01 00:00:00+00');
             insert into app.audit_trail (id, entity_type, entity_id, action, timestamp) overriding system value values (4, 'x', 'y', 'delete', '2010-01-15')"),
    ] {
        owner.execute(AssertSqlSafe(format!("begin; {cheat}"))).await.expect("the superuser may");
        let broken: i64 = sqlx::query_scalar(BROKEN).fetch_one(&mut *owner).await.expect("a count");
        owner.execute("rollback").await.expect("it ends");
        assert!(broken > 0, "{what}");
    }
    drop(owner);
    std::fs::rename(
        house.folder.path().join("app.audit_trail_2010_02.copy.gz"),
        house.folder.path().join("elsewhere"),
    )
    .expect("it can be moved");
    house.attach().await.done();
    assert_eq!((house.count(BROKEN).await, house.count(AWAY).await), (0, 1), "one is back, one is not");
    std::fs::rename(
        house.folder.path().join("elsewhere"),
        house.folder.path().join("app.audit_trail_2010_02.copy.gz"),
    )
    .expect("it can be moved");
    house.attach().await.done();
    assert_eq!((house.count(BROKEN).await, house.count(AWAY).await), (0, 0), "all are back");
    let whole = "select count(*) from app.audit_seals s join lateral (
        select * from app.seal_remainders m where m.seal_id = s.id order by m.id desc limit 1) r on r.digest <> s.digest";
    assert_eq!(house.count(whole).await, 0, "and the seals are what they were");
}

#[tokio::test]
async fn a_month_whose_seals_do_not_hold_stays() {
    let house = House::new().await;
    trail(&house).await;
    house
        .run("begin; set local session_replication_role = replica; update app.audit_trail set actor = 'nobody' where entity_id = '3'; commit")
        .await;
    let said = house.apply().await;
    assert!(
        said.contains("keeps app.audit_trail_2010_01")
            && said.contains("does not hold: a row is not what was sealed"),
        "{said}"
    );
    assert_eq!(house.count(AWAY).await, 0);
}

#[tokio::test]
async fn rows_that_nobody_sealed_are_sealed_before_they_go() {
    let house = House::new().await;
    house.month("audit_trail", "2010-01").await;
    house
        .run("insert into app.audit_trail (entity_type, entity_id, action, timestamp) values ('users', 'x', 'insert', '2010-01-15')")
        .await;
    let said = house.apply().await;
    assert!(said.contains("archived app.audit_trail_2010_01 (January 2010): 1 rows"), "{said}");
    assert_eq!(house.count(BROKEN).await, 0);
    assert!(house.count("select count(*) from app.seal_remainders").await > 0);
}

#[tokio::test]
async fn every_kind_of_hold_wins_until_it_is_released() {
    let house = House::new().await;
    let wallet = "0xAbCdEf0123456789abcdef0123456789ABCDEF01".to_lowercase();
    let asset = "0a0b0c0d-0000-8000-8000-000000000001";
    house.month("user_actions", "2019-01").await;
    house.actions("2019-01", house.users[0], 5).await;
    house
        .run(&format!(
            "insert into app.user_actions (tenant_id, action_type, resource, details, timestamp) values
                 ('{0}', 'read', 'a wallet', '{{\"wallet\": \"{wallet}\"}}', '2019-01-03'),
                 ('{0}', 'read', 'assets/{asset}', '{{}}', '2019-01-03');
             insert into app.wallet_links (tenant_id, user_id, chain_id, wallet) values ('{0}', '{1}', 1, '{wallet}')",
            house.tenant, house.users[1]
        ))
        .await;
    let by_user = format!("'subject', '{}'", house.users[0]);
    let by_wallet = format!("'subject', '{}'", house.users[1]);
    let by_asset = format!("'asset', '{asset}'");
    for (columns, values) in [
        ("scope, user_id", by_user.as_str()),
        ("scope, user_id", by_wallet.as_str()),
        ("scope, asset_id", by_asset.as_str()),
        ("scope, table_name", "'table', 'app.user_actions'"),
        ("scope, from_time, to_time", "'period', '2019-01-31', 'infinity'"),
    ] {
        let hold = house.hold(columns, values).await;
        let kept = format!("keeps app.user_actions_2019_01 (January 2019): legal hold {hold} (");
        let said = house.dry().await;
        assert!(said.contains(&kept) && said.contains("case 4711"), "{values}: {said}");
        let said = house.apply().await;
        assert!(said.contains(&kept), "{values}: {said}");
        assert_eq!(house.count(AWAY).await, 0, "{values}");
        house.release(hold).await;
    }
    let other = [
        ("scope, user_id", "'subject', gen_random_uuid()"),
        ("scope, asset_id", "'asset', gen_random_uuid()"),
        ("scope, table_name", "'table', 'app.access_logs'"),
        ("scope, from_time, to_time", "'period', '2019-02-01', '2020-01-01'"),
        ("scope, chain_id, from_block, to_block", "'blocks', 1, 0, 100"),
    ];
    for (columns, values) in other {
        house.hold(columns, values).await;
    }
    let said = house.apply().await;
    assert!(
        said.contains("archived app.user_actions_2019_01 (January 2019): 7 rows"),
        "holds on others: {said}"
    );
}

#[tokio::test]
async fn a_month_of_violations_stays_while_resolutions_refer_to_it() {
    let house = House::new().await;
    for month in ["2010-01", "2010-02"] {
        house.month("compliance_violations", month).await;
    }
    house
        .run(&format!(
            "insert into app.compliance_violations (id, tenant_id, violation_type, detected_at)
             select md5(n::text)::uuid, '{0}', 'country', timestamptz '2010-01-15 00:00:00+00' + n * interval '1 month' from generate_series(0, 1) n;
             insert into app.violation_resolutions (violation_id, detected_at, tenant_id, resolution_type)
             values (md5('0')::uuid, '2010-01-15 00:00:00+00', '{0}', 'waived')",
            house.tenant
        ))
        .await;
    for said in [house.dry().await, house.apply().await] {
        let kept = "keeps app.compliance_violations_2010_01 (January 2010): 1 rows of app.violation_resolutions refer to it";
        assert!(said.contains(kept), "{said}");
    }
    let left = "select count(*) from app.compliance_violations";
    assert_eq!(house.count(left).await, 1, "the other month went");
    house.attach().await.done();
    assert_eq!(house.count(left).await, 2);
}

#[tokio::test]
async fn an_altered_file_or_manifest_is_refused() {
    let house = House::new().await;
    for month in ["2019-01", "2019-02"] {
        house.month("user_actions", month).await;
        house.actions(month, house.users[0], 20).await;
    }
    house.apply().await;
    let file = house.folder.path().join("app.user_actions_2019_02.copy.gz");
    for path in [file.clone(), manifest(&house, "user_actions_2019_02")] {
        let good = std::fs::read(&path).expect("it is there");
        for place in [10, good.len() / 2, good.len() - 1] {
            let mut bad = good.clone();
            bad[place] ^= 1;
            std::fs::write(&path, &bad).expect("it can be written");
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            house.attach().await.failed(1, &[&name, "was altered", "nothing was put back"]);
            assert_eq!(house.count(AWAY).await, 2, "not even the good one");
        }
        std::fs::write(&path, &good).expect("it can be written");
    }
    std::fs::remove_file(manifest(&house, "user_actions_2019_01")).expect("it is there");
    house.attach().await.failed(73, &["app.user_actions_2019_01.json"]);
    assert_eq!(house.count(AWAY).await, 2);
}

/// `maintain --apply` at the point where it waits for a reader: the file can be written, the partition not detached.
async fn behind_a_reader(house: &House) -> (PoolConnection<Postgres>, Child) {
    let mut reader = house.pool.acquire().await.expect("a connection");
    reader.execute("begin; lock table app.user_actions in access share mode").await.expect("it may");
    let folder = house.folder.path().display().to_string();
    let child = house.line(&["--apply", "--to", &folder]).await.start();
    until("it waits to detach", async || (house.count(WAITS).await > 0).then_some(())).await;
    (reader, child)
}

const WAITS: &str = "select count(*) from pg_locks l join pg_class c on c.oid = l.relation
    where c.relname = 'user_actions' and l.mode = 'AccessExclusiveLock' and not l.granted
        and l.database = (select oid from pg_database where datname = current_database())";

#[tokio::test]
async fn killed_between_file_and_drop_it_is_run_again() {
    let house = House::new().await;
    let name = house.month("user_actions", "2019-01").await;
    house.actions("2019-01", house.users[0], 50).await;
    let before = picture(&house, &name).await;
    let (mut reader, mut child) = behind_a_reader(&house).await;
    assert!(manifest(&house, &name).exists(), "file and manifest come first");
    child.kill().await.expect("it can be killed");
    reader.execute("rollback").await.expect("it ends");
    drop(reader);
    let gone = "select count(*) from pg_stat_activity where application_name = 'asset-indexer maintain' and datname = current_database()";
    until("its connection is gone", async || (house.count(gone).await == 0).then_some(())).await;
    assert_eq!(picture(&house, &name).await, before, "the partition is there");
    assert_eq!(house.count("select count(*) from ops.archived_partitions").await, 0);
    std::fs::write(house.folder.path().join("app.user_actions_2019_01.copy.gz.unfinished"), "half")
        .expect("written");
    let said = house.apply().await;
    assert!(said.contains("archived app.user_actions_2019_01"), "{said}");
    house.attach().await.done();
    assert_eq!(picture(&house, &name).await, before);
}

#[tokio::test]
async fn an_archive_is_destroyed_when_its_time_is_over_unless_a_hold_stands() {
    let house = House::new().await;
    for month in ["2018-01", "2019-11"] {
        house.month("user_actions", month).await;
        house.actions(month, house.users[0], 3).await;
    }
    house.run("update ops.retention_policies set delete_after = now() - timestamptz '2019-01-01' where table_name = 'app.user_actions'").await;
    let hold = house.hold("scope, user_id", "'subject', gen_random_uuid()").await;
    let said = house.apply().await;
    assert!(
        said.contains("archived app.user_actions_2018_01") && !said.contains("destroyed"),
        "not in one run: {said}"
    );
    let said = house.apply().await;
    let kept = format!("keeps app.user_actions_2018_01.copy.gz: legal hold {hold}");
    assert!(said.contains(&kept), "what is in a file may name anybody: {said}");
    house.release(hold).await;
    let said = house.dry().await;
    assert!(said.contains("would destroy app.user_actions_2018_01.copy.gz"), "{said}");
    assert!(!said.contains("2019_11"), "{said}");
    assert!(manifest(&house, "user_actions_2018_01").exists());
    let said = house.apply().await;
    assert!(said.contains("destroyed app.user_actions_2018_01.copy.gz"), "{said}");
    assert!(
        !manifest(&house, "user_actions_2018_01").exists()
            && manifest(&house, "user_actions_2019_11").exists()
    );
    assert_eq!(
        house.count("select count(*) from ops.archived_partitions where destroyed_at is not null").await,
        1
    );
    let said = house.attach().await.done();
    assert!(said.contains("2019_11") && !said.contains("2018_01"), "{said}");
}

#[tokio::test]
async fn a_reader_is_waited_for() {
    let house = House::new().await;
    house.month("user_actions", "2019-01").await;
    let (mut reader, mut child) = behind_a_reader(&house).await;
    // It lets everybody pass who came meanwhile, and tries again.
    until("it gives way", async || (house.count(WAITS).await == 0).then_some(())).await;
    assert_eq!(house.count("select count(*) from app.user_actions").await, 0);
    reader.execute("rollback").await.expect("it ends");
    assert!(child.wait().await.expect("it ends").success());
    assert_eq!(house.count(AWAY).await, 1);
}

/// The owner need not be a superuser.
#[tokio::test]
async fn an_owner_without_more_rights_maintains() {
    let name = empty_database().await;
    let owner = format!("keeper_{name}");
    let administrator = pool(&name).await;
    run(&administrator, role_sql()).await;
    run(&administrator, &format!("create role {owner} login; alter database {name} owner to {owner}")).await;
    let options = cluster().await.connect_options(&owner, &name);
    let mut owning = PgConnection::connect_with(&options).await.expect("a connection");
    migrate(&mut owning).await.expect("the owner migrates");
    migrate_application(&mut owning).await.expect("the application's tables too");
    let sql = "insert into app.tenants (name) values ('one');
        insert into app.users (tenant_id, email) select id, 'one@example.org' from app.tenants;
        insert into app.sessions (tenant_id, user_id, token, created_at, expires_at)
        select tenant_id, id, repeat('a', 64), '2020-01-01', '2020-01-02' from app.users;
        create table app.audit_trail_2010_01 partition of app.audit_trail for values from ('2010-01-01 00:00:00+00') to ('2010-02-01 00:00:00+00');
        insert into app.audit_trail (entity_type, entity_id, action, timestamp) values ('users', 'x', 'insert', '2010-01-15')";
    owning.execute(sql).await.expect("the owner may");
    owning.close().await.expect("it ends");
    let folder = Folder::new();
    let line = |words: [&'static str; 2]| {
        let line = Line::new(&["maintain"]).arg(words[0]);
        if words[1].is_empty() { line } else { line.arg(words[1]) }.arg(folder.path().display().to_string())
    };
    let url = database_url(&owner, &name).await;
    let said = line(["--apply", "--to"]).set("ADMIN_DATABASE_URL", &url).run().await.done();
    assert!(said.contains("archived app.audit_trail_2010_01 (January 2010): 1 rows"), "{said}");
    assert!(said.contains("deleted 1 rows of app.sessions"), "{said}");
    let said = line(["--attach", ""]).set("ADMIN_DATABASE_URL", &url).run().await.done();
    assert!(said.contains("put back app.audit_trail_2010_01"), "{said}");
    let owned_by =
        "select relowner::regrole::text from pg_class where oid = 'app.audit_trail_2010_01'::regclass";
    assert_eq!(scalar::<String>(&administrator, owned_by).await, owner);
    // Put back by somebody else who may, it is still its table's owner's.
    line(["--apply", "--to"]).set("ADMIN_DATABASE_URL", &url).run().await.done();
    let other = database_url("postgres", &name).await;
    line(["--attach", ""]).set("ADMIN_DATABASE_URL", &other).run().await.done();
    assert_eq!(scalar::<String>(&administrator, owned_by).await, owner);
    assert_eq!(scalar::<i64>(&administrator, BROKEN).await, 0);
    assert_eq!(
        scalar::<i64>(&administrator, "select count(*) from app.audit_trail where entity_id = 'x'").await,
        1
    );
}

#[tokio::test]
async fn no_archive_takes_the_place_of_another() {
    let [house, other] = [House::new().await, House::new().await];
    let name = house.month("user_actions", "2019-01").await;
    house.actions("2019-01", house.users[0], 50).await;
    house.apply().await;
    let file = house.folder.path().join("app.user_actions_2019_01.copy.gz");
    let bytes = std::fs::read(&file).expect("a file");
    // Another database's, in the same folder.
    other.month("user_actions", "2019-01").await;
    other.actions("2019-01", other.users[0], 1).await;
    let folder = house.folder.path().display().to_string();
    let refused = other.line(&["--apply", "--to", &folder]).await.run().await;
    refused.failed(1, &["app.user_actions_2019_01.copy.gz is there already and holds other rows", "--to"]);
    assert_eq!(
        other.count("select count(*) from app.user_actions_2019_01").await,
        1,
        "it stays where it was"
    );
    // The month made anew, with a late row.
    house.month("user_actions", "2019-01").await;
    house.actions("2019-01", house.users[0], 1).await;
    let said = house.apply().await;
    assert!(said.contains("in a file already"), "{said}");
    assert_eq!(house.count("select count(*) from app.user_actions_2019_01").await, 1);
    assert_eq!(house.count("select row_count from ops.archived_partitions").await, 50);
    assert_eq!(std::fs::read(&file).expect("a file"), bytes);
    house.run(&format!("drop table app.{name}")).await;
    let said = house.attach().await.done();
    assert!(said.contains("50 rows"), "{said}");
}

#[tokio::test]
async fn only_what_was_written_is_destroyed() {
    let house = House::new().await;
    house.month("user_actions", "2018-01").await;
    house.actions("2018-01", house.users[0], 3).await;
    house.apply().await;
    house.run("update ops.retention_policies set delete_after = now() - timestamptz '2019-01-01' where table_name = 'app.user_actions'").await;
    let file = house.folder.path().join("app.user_actions_2018_01.copy.gz");
    std::fs::write(&file, "somebody else's").expect("it can be written");
    let folder = house.folder.path().display().to_string();
    let refused = house.line(&["--apply", "--to", &folder]).await.run().await;
    refused.failed(1, &["app.user_actions_2018_01.copy.gz was altered", "was not destroyed"]);
    assert!(file.exists());
}
