//! `report` as people run it: the digest by `sha256sum`, what is refused, and what is recorded.

use std::path::Path;
use std::process::Command;

use serde_json::Value as Json;
use sqlx::{AssertSqlSafe, Executor};
use uuid::Uuid;

use super::{Indexed, from_raw_logs, sum};
use crate::support::command::{Ended, Folder, Line};
use crate::support::world::{PROGRAM, READER};

/// A login role of an application: nothing but a member of its group.
const APPLICATION: &str = "test_application";

/// The digest as an auditor computes it.
fn sha256sum(file: &Path) -> String {
    let output = Command::new("sha256sum").arg(file).output().expect("coreutils are installed");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).expect("text");
    text.split_whitespace().next().expect("a digest").to_owned()
}

async fn report(indexed: &Indexed, role: &str, arguments: &[&str]) -> Ended {
    let line = Line::new(&[&["report"], arguments].concat());
    line.database(role, &indexed.database).await.run().await
}

fn json(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test]
async fn every_report_has_the_digest_that_sha256sum_gives_and_is_the_same_twice() {
    let indexed = Indexed::new(4).await;
    let folder = Folder::new();
    let (_, token) = indexed.assets().await[0];
    let asset = token.to_string();
    for (number, arguments) in [
        &["cap-table"][..],
        &["cap-table", "--by", "investor"],
        &["concentration"],
        &["concentration", "--by", "investor"],
        &["compliance"],
        &["issuance", "--every", "hour"],
        &["regulatory", "--block", "40"],
    ]
    .into_iter()
    .enumerate()
    {
        let asked = [arguments, &["--asset", &asset]].concat();
        let file = folder.path().join(format!("{number}.csv"));
        let path = file.display().to_string();
        let said =
            report(&indexed, READER, &[&asked[..], &["--format", "csv", "--out", &path]].concat()).await;
        assert!(said.err.contains("sha256"), "the stamp is told: {}", said.err);
        said.done();
        let stamp =
            json(&std::fs::read_to_string(format!("{path}.stamp.json")).expect("the stamp is beside it"));
        let digest = sha256sum(&file);
        assert_eq!(stamp["sha256"], digest.as_str(), "{arguments:?}");
        assert_eq!(stamp["finality"], "final");
        assert_eq!(stamp["complete"], true);
        assert!(stamp["program"].as_str().is_some_and(|program| program.starts_with("asset-indexer ")));
        let csv = std::fs::read_to_string(&file).expect("readable");
        assert_eq!(stamp["rows"], csv.lines().count() - 1, "{arguments:?}");
        let again = report(&indexed, PROGRAM, &[&asked[..], &["--format", "csv"]].concat()).await;
        assert_eq!(again.done(), csv, "{arguments:?}: byte by byte the same");
        let told =
            json(&report(&indexed, READER, &[&asked[..], &["--format", "json"]].concat()).await.done());
        assert_eq!(told["stamp"]["sha256"], digest.as_str(), "{arguments:?}");
        assert_eq!(told["rows"].as_array().map(Vec::len), Some(csv.lines().count() - 1), "{arguments:?}");
        let table = report(&indexed, READER, &asked).await.done();
        assert!(table.contains(&digest) && table.contains(&asset.to_lowercase()), "{table}");
    }
}

#[tokio::test]
async fn a_cap_table_says_what_the_raw_logs_say_with_the_block_s_hash() {
    let indexed = Indexed::new(4).await;
    let (_, token) = indexed.assets().await[0];
    let block = 40;
    let expected = from_raw_logs(&indexed.pool, token, block).await.pop().expect("the last");
    let arguments = ["cap-table", "--format", "json", "--block", "40", "--asset"];
    let told =
        json(&report(&indexed, READER, &[&arguments[..], &[&token.to_string()]].concat()).await.done());
    let stamp = &told["stamp"];
    assert_eq!(stamp["totals"]["balance_base"], sum(expected.values()).to_string());
    assert_eq!(stamp["supply_base"], stamp["totals"]["balance_base"]);
    assert_eq!(stamp["totals"]["equal_supply"], true);
    let rows = told["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), expected.len());
    for (row, (wallet, balance)) in rows.iter().zip(&expected) {
        assert_eq!(row[0], format!("{wallet:#x}"), "in the order of wallets");
        assert_eq!(row[2], balance.to_string());
    }
    let told_block = stamp["block"].as_u64().expect("a number");
    assert!(told_block <= 40);
    let picture = indexed.chain.picture();
    let hash = picture.at(told_block).expect("it is on the chain").header.id.hash;
    assert_eq!(stamp["block_hash"], hash.to_string());
    let watched: i64 = sqlx::query_scalar(
        "select count(*) from chain.asset_events where block_number > $1 and block_number <= 40",
    )
    .bind(told_block as i64)
    .fetch_one(&indexed.pool)
    .await
    .expect("readable");
    assert_eq!(watched, 0, "nothing watched happened between the two");
}

#[tokio::test]
async fn what_cannot_be_reported_is_refused_with_the_reason() {
    let indexed = Indexed::new(4).await;
    let (asset, token) = indexed.assets().await[0];
    let token = token.to_string();
    let checkpoint = indexed.checkpoint().await.to_string();
    let beyond = (indexed.checkpoint().await + 1).to_string();
    let on = async |arguments: &[&str]| {
        report(&indexed, READER, &[&["cap-table", "--asset", &token], arguments].concat()).await
    };
    on(&["--block", &checkpoint]).await.failed(75, &["is not final", "--not-final"]);
    on(&["--block", &beyond]).await.failed(75, &["is not indexed yet", &checkpoint]);
    on(&["--block", &beyond, "--not-final"]).await.failed(75, &["is not indexed yet"]);
    let provisional = on(&["--block", &checkpoint, "--not-final", "--format", "json"]).await.done();
    assert_eq!(json(&provisional)["stamp"]["finality"], "provisional");
    let stranger = "0x00000000000000000000000000000000000000ff";
    report(&indexed, READER, &["cap-table", "--asset", stranger]).await.failed(2, &[stranger, "api.assets"]);
    assert_eq!(on(&["--jurisdiction", "CH"]).await.code, Some(2), "a jurisdiction is for a record");
    on(&["--record"]).await.failed(77, &["asset_indexer_app"]);
    sqlx::query(
        "insert into ops.drift (chain_id, asset_id, what, ours, theirs, block_number, block_hash, provider)
         select chain_id, $1, 'total_supply', '1', '2', block_number, block_hash, 'test' from chain.checkpoints",
    )
    .bind(asset)
    .execute(&indexed.pool)
    .await
    .expect("the superuser may");
    sqlx::query("update chain.assets set complete_from = 7 where id = $1")
        .bind(asset)
        .execute(&indexed.pool)
        .await
        .expect("the superuser may");
    let stamp = json(&on(&["--format", "json"]).await.done())["stamp"].clone();
    assert_eq!(stamp["complete"], false);
    let suspect = stamp["suspect"].to_string();
    assert!(suspect.contains("from block 7 on") && suspect.contains("answers otherwise"), "{suspect}");
    assert!(on(&[]).await.done().contains("INCOMPLETE"), "people are told too");
}

#[tokio::test]
async fn a_recorded_report_stays_as_it_was_given_out() {
    let indexed = Indexed::new(4).await;
    let (asset, token) = indexed.assets().await[0];
    let token = token.to_string();
    let mut owner = indexed.pool.acquire().await.expect("a connection");
    let role = format!(
        "do $$ begin create role {APPLICATION} login in role asset_indexer_app;
         exception when duplicate_object or unique_violation then null; end $$"
    );
    owner.execute(AssertSqlSafe(role)).await.expect("the superuser may");
    let tenant: Uuid = sqlx::query_scalar("insert into app.tenants (name) values ('bank') returning id")
        .fetch_one(&mut *owner)
        .await
        .expect("a tenant");
    let tenant = tenant.to_string();
    let on = async |arguments: &[&str]| {
        let all = [
            arguments,
            &["--asset", &token, "--record", "--tenant", &tenant, "--block", "40", "--format", "json"],
        ];
        report(&indexed, APPLICATION, &all.concat()).await
    };
    // A login that works for one tenant does not record for another, nor as if it did.
    let bound = format!("{APPLICATION}_{}", indexed.database);
    let other: Uuid = sqlx::query_scalar("insert into app.tenants (name) values ('other bank') returning id")
        .fetch_one(&mut *owner)
        .await
        .expect("a tenant");
    let bind = format!(
        "create role {bound} login in role asset_indexer_app; insert into app.tenant_logins values ('{bound}', '{other}')"
    );
    owner.execute(AssertSqlSafe(bind)).await.expect("the superuser may");
    let words = ["cap-table", "--asset", &token, "--record", "--tenant", &tenant, "--block", "40"];
    report(&indexed, &bound, &words)
        .await
        .failed(78, &["--tenant", &tenant, &other.to_string(), "nothing was recorded"]);
    let none: i64 = sqlx::query_scalar("select count(*) from app.asset_reports")
        .fetch_one(&mut *owner)
        .await
        .expect("readable");
    assert_eq!(none, 0);
    let told = on(&["cap-table"]).await;
    assert!(told.err.contains("recorded in app.asset_reports as "), "{}", told.err);
    let told = json(&told.done());
    let (kept, digest, of, block): (Json, String, Uuid, i64) = sqlx::query_as(
        "select report_data, digest, asset_id, block_number from app.asset_reports where report_type = 'cap_table'",
    )
    .fetch_one(&mut *owner)
    .await
    .expect("it is there");
    assert_eq!((of, kept["rows"].clone()), (asset, told["rows"].clone()));
    assert_eq!(
        (Json::from(digest), Json::from(block)),
        (told["stamp"]["sha256"].clone(), told["stamp"]["block"].clone())
    );
    on(&["regulatory", "--period", "2026-Q3", "--jurisdiction", "CH"]).await.done();
    let (jurisdiction, period): (String, String) =
        sqlx::query_as("select jurisdiction, period from app.regulatory_reports")
            .fetch_one(&mut *owner)
            .await
            .expect("it is there");
    assert_eq!((jurisdiction.as_str(), period.as_str()), ("CH", "2026-Q3"));
    let options = crate::support::world::cluster().await.connect_options(APPLICATION, &indexed.database);
    let application = sqlx::PgPool::connect_with(options.options([("app.tenant", tenant.as_str())])).await;
    let application = application.expect("it connects");
    let submitted = sqlx::query("update app.regulatory_reports set submitted_at = now()");
    assert_eq!(submitted.execute(&application).await.expect("it is submitted").rows_affected(), 1);
    for sql in [
        "update app.asset_reports set report_data = '{}'",
        "delete from app.asset_reports",
        "update app.regulatory_reports set report_data = '{}'",
        "update app.regulatory_reports set submitted_at = null",
        "delete from app.regulatory_reports",
    ] {
        let refused = application.execute(sql).await.expect_err(sql);
        let code =
            refused.as_database_error().and_then(|error| error.code()).unwrap_or_default().into_owned();
        assert_eq!(code, "42501", "{sql}");
    }
    for sql in [
        "update app.asset_reports set report_data = '{}'",
        "update app.regulatory_reports set report_data = '{}'",
    ] {
        owner.execute(sql).await.expect_err("nor may the owner");
    }
}
