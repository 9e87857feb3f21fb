//! Who may erase and read what is retained; what stands in the way of an erasure, and of undoing one.

use std::time::Duration;

use sqlx::Executor;

use super::connect;
use super::{Platform, Subject, WALLETS, contents, count, erase, people, refused, run};

const FORBIDDEN: &str = "42501";

async fn erased() -> (Platform, [Subject; 3]) {
    let mut platform = Platform::new().await;
    let people = people(&mut platform, 1, WALLETS).await;
    erase(&mut platform.owner, &people[0], true).await;
    (platform, people)
}

#[tokio::test]
async fn what_law_retains_is_read_by_compliance_and_auditors_alone() {
    let (mut platform, [person, neighbour, _]) = erased().await;
    let until: i64 = count(
        &mut platform.owner,
        "select count(*) from app.restrictions where restricted_until between now() + interval '6 years' and now() + interval '10 years 1 day'",
    )
    .await;
    assert_eq!(until, 6, "each table has its date");
    let tables = [
        ("access_logs", "user_id"),
        // Who read of them; not the record of the erasure, which nobody need be kept from.
        ("access_logs", "resource || case action when 'read' then '' else user_id::text end"),
        ("compliance_logs", "user_id"),
        ("compliance_violations", "user_id"),
        ("violation_resolutions", "notes"),
        ("regulatory_reports", "report_data ->> 'evidence'"),
    ];
    for role in ["app", "compliance", "auditor"] {
        let mut works = platform.works(&format!("asset_indexer_{role}"), 0).await;
        for (table, column) in tables {
            let of =
                |user| format!("select count(*) from app.{table} where ({column})::text like '%{user}%'");
            let sees = i64::from(role != "app");
            assert_eq!(count(&mut works, &of(person.user)).await, sees, "{role}: {table}");
            assert_eq!(count(&mut works, &of(neighbour.user)).await, 1, "{role}: {table} of others");
        }
        let links = "select count(*) from app.report_violations";
        assert_eq!(count(&mut works, links).await, if role == "app" { 1 } else { 2 }, "{role}");
        let view = "select count(*) from api.compliance_violations";
        assert_eq!(count(&mut works, view).await, if role == "app" { 1 } else { 2 }, "{role}");
    }
    let mut app = platform.works("asset_indexer_app", 0).await;
    let found = format!(
        "insert into app.compliance_violations (user_id, violation_type) values ('{}', 'found_later')",
        person.user
    );
    run(&mut app, &found).await;
    let later = "select count(*) from app.compliance_violations where violation_type = 'found_later'";
    assert_eq!(count(&mut app, later).await, 0, "what is found later is restricted, too");
    let mut compliance = platform.works("asset_indexer_compliance", 0).await;
    assert_eq!(count(&mut compliance, later).await, 1);
    let mut other = platform.works("asset_indexer_compliance", 1).await;
    for table in ["erasures", "restrictions"] {
        assert_eq!(
            count(&mut other, &format!("select count(*) from app.{table}")).await,
            0,
            "of another tenant"
        );
    }
}

#[tokio::test]
async fn the_owner_alone_exports_and_erases_and_an_erasure_opens_nothing_else() {
    let mut platform = Platform::new().await;
    let [person, neighbour, _] = people(&mut platform, 1, WALLETS).await;
    for role in ["writer", "app", "reader", "compliance", "auditor", "support"] {
        let mut works = platform.works(&format!("asset_indexer_{role}"), 0).await;
        for call in [
            format!("select app.erase_subject('{}', 'T', true)", person.user),
            format!("select app.erase_subject('{}', 'T', false)", person.user),
            format!("select app.export_subject('{}')", person.user),
            format!("select app.export_chain('{}')", person.user),
            format!(
                "insert into app.erasures (user_id, tenant_id, ticket) values ('{}', '{}', 'T')",
                person.user, person.tenant
            ),
        ] {
            assert_eq!(refused(&mut works, &call).await, FORBIDDEN, "{role}: {call}");
        }
    }
    let owner = &mut platform.owner;
    let clear = |user| format!("update app.user_actions set ip_address = null where user_id = '{user}'");
    assert_eq!(refused(owner, &clear(person.user)).await, FORBIDDEN, "without an erasure");
    // Within an erasure that somebody holds open by hand, its own person's personal columns are all that can be written.
    let open = format!(
        "begin; insert into app.erasures (user_id, tenant_id, ticket) values ('{}', '{}', 'T')",
        person.user, person.tenant
    );
    for (sql, why) in [
        (clear(neighbour.user), "another's row"),
        (
            format!("update app.user_actions set action_type = 'x' where user_id = '{}'", person.user),
            "what was done",
        ),
        (
            format!(
                "update app.user_actions set user_id = '{}' where user_id = '{}'",
                neighbour.user, person.user
            ),
            "whose it is",
        ),
        (format!("delete from app.user_actions where user_id = '{}'", person.user), "the row"),
        ("update app.audit_trail set actor = 'x'".to_owned(), "the trail"),
        (
            format!("update app.user_actions set ip_address = '192.0.2.1' where user_id = '{}'", person.user),
            "another value",
        ),
        (
            format!(
                "update app.user_actions set details = '{{\"forged\": true}}' where user_id = '{}'",
                person.user
            ),
            "other details",
        ),
        (
            format!(
                "update app.compliance_violations set details = '{{}}' where user_id = '{}'",
                person.user
            ),
            "what law retains",
        ),
        (format!("delete from app.erasures where user_id = '{}'", person.user), "that there was one"),
        ("set constraints all immediate".to_owned(), "an erasure that is not carried out"),
        (
            format!(
                "update app.erasures set finished_at = now() where user_id = '{}'; set constraints all immediate",
                person.user
            ),
            "an erasure that is called finished",
        ),
    ] {
        run(owner, &open).await;
        assert_eq!(refused(owner, &sql).await, FORBIDDEN, "{why}");
        run(owner, "rollback").await;
    }
    run(owner, &open).await;
    assert_eq!(refused(owner, "commit").await, FORBIDDEN, "left open");
    run(owner, "begin").await;
    erase(owner, &person, true).await;
    assert_eq!(
        refused(owner, &clear(person.user)).await,
        FORBIDDEN,
        "once it is done, also in its transaction"
    );
    run(owner, "rollback").await;
    let told = "select count(*) from app.audit_trail where entity_type = 'user_actions'";
    assert_eq!(count(owner, told).await, 0, "rolled back");
    erase(owner, &person, true).await;
    assert_eq!(count(owner, told).await, 1, "that a log was cleared stands in the trail");
    let record =
        "select count(*) from app.access_logs where action = 'erase' and details ->> 'ticket' = 'DSR-1'
        and (details -> 'rows' ->> 'sessions')::int = 1";
    assert_eq!(count(owner, record).await, 1);
}

#[tokio::test]
async fn what_is_erased_stays_erased() {
    let (mut platform, [person, neighbour, _]) = erased().await;
    let user = person.user;
    let owner = &mut platform.owner;
    run(owner, &format!("set app.tenant = '{}'", person.tenant)).await;
    for sql in [
        format!("update app.users set email = 'back@example.org' where id = '{user}'"),
        format!("update app.users set status = 'active' where id = '{user}'"),
        format!(
            "update app.subject_keys set destroyed_at = null, wrapped_key = encode(sha256('x'), 'base64') where user_id = '{user}'"
        ),
        format!("insert into app.user_profiles (user_id) values ('{user}')"),
        format!(
            "insert into app.wallet_links (user_id, chain_id, wallet) values ('{user}', 1, '{}')",
            WALLETS[0]
        ),
        format!("update app.wallet_links set user_id = '{user}'"),
        format!(
            "insert into app.sessions (user_id, token, expires_at) values ('{user}', encode(sha256('x'), 'hex'), now() + interval '1 hour')"
        ),
        format!("update app.erasures set ticket = 'other' where user_id = '{user}'"),
        format!("delete from app.erasures where user_id = '{user}'"),
        "delete from app.restrictions".to_owned(),
    ] {
        assert_eq!(refused(owner, &sql).await, FORBIDDEN, "{sql}");
    }
    run(
        owner,
        &format!("insert into app.user_actions (user_id, action_type, resource, details, ip_address, user_agent)
            select u, 'late', 'x', '{{\"x\": 1}}', '192.0.2.77', 'late' from unnest(array['{user}', '{}']::uuid[]) u", neighbour.user),
    )
    .await;
    let clear = "select count(*) from app.user_actions where action_type = 'late' and (ip_address is not null or details <> '{}')";
    assert_eq!(count(owner, clear).await, 1, "a late row of the log holds nothing personal; others' do");
    let rewrapped = format!(
        "update app.subject_keys set wrapped_key = encode(sha256('y'), 'base64'), wrapping_key = 'test-2' where user_id = '{}'",
        neighbour.user
    );
    run(owner, &rewrapped).await;
    let rotated =
        "select count(*) from app.subject_keys where rotated_at is not null and destroyed_at is null";
    assert_eq!(count(owner, rotated).await, 1, "a key that is wrapped anew says when");
}

/// Who writes while an erasure is under way waits for its end, and then writes nothing personal.
#[tokio::test]
async fn nothing_slips_in_beside_an_erasure() {
    let mut platform = Platform::new().await;
    let [person, ..] = people(&mut platform, 1, WALLETS).await;
    run(&mut platform.owner, "begin").await;
    erase(&mut platform.owner, &person, true).await;
    let mut writing = Vec::new();
    for sql in [
        format!(
            "insert into app.sessions (user_id, token, expires_at, ip_address) values ('{}', encode(sha256('late'), 'hex'), now() + interval '1 hour', '192.0.2.99')",
            person.user
        ),
        format!(
            "insert into app.login_history (user_id, login_method, success, ip_address) values ('{}', 'passkey', true, '192.0.2.99')",
            person.user
        ),
    ] {
        let mut app = platform.works("asset_indexer_app", 0).await;
        writing.push(tokio::spawn(async move { app.execute(sqlx::AssertSqlSafe(sql)).await.map(|_| ()) }));
    }
    let mut watching = connect(&platform.database).await;
    let waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    for _ in 0..200 {
        if count(&mut watching, waiting).await == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(count(&mut watching, waiting).await, 2, "both wait");
    run(&mut platform.owner, "commit").await;
    let mut ends = Vec::new();
    for written in writing {
        let end = written.await.expect("it ends");
        ends.push(end.err().and_then(|e| e.as_database_error().and_then(|e| Some(e.code()?.into_owned()))));
    }
    assert_eq!(ends, [Some(FORBIDDEN.to_owned()), None], "no session, and a log's row");
    let left = super::traces(&mut platform.owner, &["app"], &["192.0.2.99".to_owned()]).await;
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_legal_hold_stands_before_an_erasure() {
    let mut platform = Platform::new().await;
    let [person, neighbour, _] = people(&mut platform, 1, WALLETS).await;
    let owner = &mut platform.owner;
    let held = |user| format!("select app.is_held('{user}')::int::bigint");
    run(owner, &format!("set app.tenant = '{}'", person.tenant)).await;
    assert_eq!(count(owner, &held(person.user)).await, 0, "without any hold");
    run(
        owner,
        "create table if not exists ops.legal_holds (id bigint generated always as identity, scope text, table_name text,
            asset_id uuid, user_id uuid, reason text, placed_by text default 'x', released_by text, released_at timestamptz)",
    )
    .await;
    run(
        owner,
        &format!(
            "insert into ops.legal_holds (scope, user_id, reason) values ('subject', '{}', 'a suit')",
            person.user
        ),
    )
    .await;
    assert_eq!(count(owner, &held(person.user)).await, 1);
    assert_eq!(count(owner, &held(neighbour.user)).await, 0, "another's hold");
    for elsewhere in ["set app.tenant = '00000000-0000-4000-8000-000000000009'", "reset app.tenant"] {
        run(owner, elsewhere).await;
        assert_eq!(count(owner, &held(person.user)).await, 0, "to the person's tenant alone: {elsewhere}");
    }
    let before = contents(owner).await;
    let sql = format!("select app.erase_subject('{}', 'T', true)", person.user);
    assert_eq!(refused(owner, &sql).await, "55000");
    assert_eq!(contents(owner).await, before, "nothing was done");
    assert!(erase(owner, &person, false).await > 20, "what it would do is told all the same");
    let release = "update ops.legal_holds set released_at = clock_timestamp(), released_by = 'court'";
    run(owner, release).await;
    for (hold, what) in [
        ("('table', 'app.user_actions', null::uuid)".to_owned(), "a table that would be cleared"),
        (
            "('asset', null, (select asset_id from app.asset_permissions where user_id = $1))"
                .replace("$1", &format!("'{}'", person.user)),
            "an asset of theirs",
        ),
    ] {
        run(owner, &format!("insert into ops.legal_holds (scope, table_name, asset_id, reason) select x.*, 'a suit' from (values {hold}) x")).await;
        assert_eq!(refused(owner, &sql).await, "55000", "{what}");
        run(owner, &format!("{release} where released_at is null")).await;
    }
    run(owner, "insert into ops.legal_holds (scope, table_name, reason) values ('table', 'app.asset_reports', 'a suit')").await;
    assert!(erase(owner, &person, true).await > 20, "a hold on what an erasure does not touch is in no way");
}

#[tokio::test]
async fn nobody_is_called_erased_who_was_not() {
    let mut platform = Platform::new().await;
    let user = platform.users[0];
    let pretended = format!("update app.users set status = 'erased' where id = '{user}'");
    let mut works = platform.works("asset_indexer_app", 0).await;
    assert_eq!(refused(&mut works, &pretended).await, FORBIDDEN);
    assert_eq!(refused(&mut platform.owner, &pretended).await, FORBIDDEN);
    let new = "insert into app.users (email, username, status) values ('x@example.org', 'x', 'erased')";
    assert_eq!(refused(&mut works, new).await, FORBIDDEN);
}
