//! `export` and `erase` as people run them.

use std::os::unix::fs::PermissionsExt;

use asset_indexer::store::postgres::{migrate, migrate_application, role_sql};
use serde_json::Value as Json;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::{Held, Platform, WALLETS, contents, count, key_file, people, run};
use crate::support::command::{Folder, Line, database_url};
use crate::support::world::{PROGRAM, cluster, empty_database};

async fn line(words: &[&str], platform: &Platform) -> Line {
    let url = database_url("postgres", &platform.database).await;
    Line::new(words).database(PROGRAM, &platform.database).await.set("ADMIN_DATABASE_URL", url)
}

#[tokio::test]
async fn an_export_is_whole_the_same_each_time_and_for_its_owners_eyes() {
    let mut platform = Platform::new().await;
    let [person, ..] = people(&mut platform, 1, WALLETS).await;
    let folder = Folder::new();
    let (keys, out) = (folder.write("keys", &key_file()), folder.path().join("bundle.json"));
    let user = person.user.to_string();
    let place = out.display().to_string();
    let words = ["export", "--subject", &user, "--key-file", &keys];
    let to_file = [words.as_slice(), &["--out", &place]].concat();
    line(&to_file, &platform).await.run().await.done();
    let mode = std::fs::metadata(&out).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let written = std::fs::read_to_string(&out).expect("readable");
    for text in person.held(&[Held::Plain, Held::Meaning, Held::Wallet]) {
        assert!(written.contains(&text), "it lacks {text}");
    }
    for text in person.held(&[Held::Secret, Held::Ciphertext]) {
        assert!(!written.contains(&text), "it holds {text}");
    }
    let bundle: Json = serde_json::from_str(&written).expect("JSON");
    let left_out = bundle["left_out"]["secrets"].as_array().expect("named");
    for secret in
        ["sessions.token", "accounts.access_token", "subject_keys.wrapped_key", "verifications.token"]
    {
        assert!(left_out.contains(&Json::from(secret)), "{secret} is left out in silence");
    }
    let printed = line(&words, &platform).await.run().await.done();
    assert_eq!(printed, written, "the same state, the same bytes");
    let again = line(&to_file, &platform).await.run().await;
    again.failed(73, &["bundle.json", "never overwritten"]);
    let nowhere = folder.path().join("nowhere/bundle.json").display().to_string();
    let lost = line(&["export", "--subject", &user, "--out", &nowhere], &platform).await.run().await;
    lost.failed(73, &[&nowhere, "No such file"]);
    assert_eq!(std::fs::read_to_string(&out).expect("readable"), written);
    let records =
        format!("select count(*) from app.access_logs where action = 'export' and resource = 'user {user}'");
    assert_eq!(count(&mut platform.owner, &records).await, 2, "each is recorded");

    let keyless = line(&["export", "--subject", &user], &platform).await.run().await.done();
    let keyless: Json = serde_json::from_str(&keyless).expect("JSON");
    assert_eq!(keyless["stored"]["user_profiles"][0]["phone"], "encrypted");
    assert_eq!(keyless["encrypted"].as_array().map(Vec::len), Some(4), "and which columns are");
    let wrong = folder.write("wrong", "test-2 AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n");
    let other = folder.path().join("other.json").display().to_string();
    let ended = line(&["export", "--subject", &user, "--key-file", &wrong, "--out", &other], &platform)
        .await
        .run()
        .await;
    ended.failed(78, &[&user, "wrapped by test-1", "hold test-2"]);
    assert!(!std::path::Path::new(&other).exists(), "no empty file stays");
    let nobody = uuid::Uuid::nil().to_string();
    line(&["export", "--subject", &nobody], &platform).await.run().await.failed(1, &["no user", &nobody]);
}

#[tokio::test]
async fn an_erasure_is_shown_then_done_then_told_as_done() {
    let mut platform = Platform::new().await;
    let [person, ..] = people(&mut platform, 1, WALLETS).await;
    let user = person.user.to_string();
    let words = ["erase", "--subject", &user, "--ticket", "DSR-2026/17"];
    let apply = [words.as_slice(), &["--apply"]].concat();
    let before = contents(&mut platform.owner).await;
    let shown = line(&words, &platform).await.run().await.done();
    for part in
        ["user_profiles", "deleted", "overwritten: ", "restricted until 20", "nothing was changed", "--apply"]
    {
        assert!(shown.contains(part), "it does not show {part}: {shown}");
    }
    assert_eq!(contents(&mut platform.owner).await, before);
    let named =
        line(&["erase", "--subject", &user, "--ticket", "for Alice", "--apply"], &platform).await.run().await;
    named.failed(2, &["--ticket", "no name"]);
    let email = person.held(&[Held::Plain])[0].to_uppercase();
    let report = format!(
        "insert into app.asset_reports (tenant_id, asset_id, report_type, report_data)
         values ('{}', gen_random_uuid(), 'cap_table', '{{\"largest\": \"{email}\"}}')",
        person.tenant
    );
    run(&mut platform.owner, &report).await;
    let searching = [apply.as_slice(), &["--search"]].concat();
    let done = line(&searching, &platform).await.run().await.done();
    let places: Vec<_> = done.lines().filter(|line| line.contains("holds such values still")).collect();
    assert_eq!(places.len(), 1, "{places:?}");
    assert!(
        places[0].starts_with("app.asset_reports.report_data ") && places[0].contains("1 rows"),
        "{places:?}"
    );
    assert!(done.contains("is erased under ticket DSR-2026/17"), "{done}");
    for told in [&shown, &done.to_lowercase()] {
        for (text, _) in &person.values {
            assert!(!told.contains(text.as_str()), "a personal value is told: {text}");
        }
    }
    let again = ["erase", "--subject", &user, "--ticket", "DSR-2027/1", "--apply"];
    let again = line(&again, &platform).await.run().await.done();
    assert!(again.contains("was erased on 20") && again.contains("under ticket DSR-2026/17"), "{again}");
    let unequal = Line::new(&words).database(PROGRAM, &platform.database).await.run().await;
    unequal.failed(77, &["permission denied", "ADMIN_DATABASE_URL"]);
}

/// The owner need not be a superuser; without the application's tables, both commands say so.
#[tokio::test]
async fn an_owner_without_more_rights_exports_and_erases() {
    let name = empty_database().await;
    let owner = format!("privacy_{name}");
    let options = cluster().await.connect_options("postgres", &name);
    let mut administrator = PgConnection::connect_with(&options).await.expect("a connection");
    administrator.execute(AssertSqlSafe(role_sql().to_owned())).await.expect("an administrator may");
    run(&mut administrator, &format!("create role {owner} login; alter database {name} owner to {owner}"))
        .await;
    let options = cluster().await.connect_options(&owner, &name);
    let mut owning = PgConnection::connect_with(&options).await.expect("a connection");
    migrate(&mut owning).await.expect("the owner migrates");
    let line = async |words: &[&str]| {
        let url = database_url(&owner, &name).await;
        Line::new(words).set("ADMIN_DATABASE_URL", url).run().await
    };
    let nobody = uuid::Uuid::nil().to_string();
    line(&["export", "--subject", &nobody]).await.failed(78, &["application's tables", "--without-app"]);
    let erase = ["erase", "--subject", &nobody, "--ticket", "T", "--apply"];
    line(&erase).await.failed(78, &["application's tables", "--without-app"]);
    migrate_application(&mut owning).await.expect("the application's tables too");
    let mut platform = Platform {
        database: name.clone(),
        owner: owning,
        tenants: [uuid::Uuid::new_v4(); 2],
        users: [uuid::Uuid::new_v4(); 2],
    };
    platform.tenants[1] = uuid::Uuid::new_v4();
    platform.users[1] = uuid::Uuid::new_v4();
    for n in 0..2 {
        let (tenant, user) = (platform.tenants[n], platform.users[n]);
        run(
            &mut platform.owner,
            &format!(
                "insert into app.tenants (id, name) values ('{tenant}', 'x');
                 insert into app.users (id, tenant_id, email) values ('{user}', '{tenant}', 'x@example.org')"
            ),
        )
        .await;
    }
    let [person, ..] = people(&mut platform, 1, WALLETS).await;
    let user = person.user.to_string();
    let bundle = line(&["export", "--subject", &user]).await.done();
    assert!(person.held(&[Held::Plain]).iter().all(|text| bundle.contains(text.as_str())));
    line(&["erase", "--subject", &user, "--ticket", "T", "--apply"]).await.done();
    let left = super::traces(&mut platform.owner, &["app"], &person.held(&[Held::Plain, Held::Secret])).await;
    assert!(left.is_empty(), "{left:?}");
}
