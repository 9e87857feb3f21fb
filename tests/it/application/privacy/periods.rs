//! What is a person's: what a wallet did while it was theirs, and of a report that names several their own part.

use serde_json::{Value as Json, json};
use simulation::play::Play;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use super::{Platform, connect, count, run};
use crate::support::world::{CHAIN_ID, config, converge, postgres_store, worker};

const WALLET: &str = "0xd4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4";

async fn export(owner: &mut PgConnection, user: Uuid) -> Json {
    let sql = sqlx::query_scalar("select app.export_subject($1)").bind(user);
    sql.fetch_one(owner).await.expect("an export")
}

/// Two users of one tenant, one after the other with the same wallet; three transactions it sent by itself.
async fn one_after_the_other(platform: &mut Platform) -> [Uuid; 2] {
    let (tenant, first) = (platform.tenants[0], platform.users[0]);
    let second: Uuid = sqlx::query_scalar(
        "insert into app.users (tenant_id, email) values ($1, 'later@example.org') returning id",
    )
    .bind(tenant)
    .fetch_one(&mut platform.owner)
    .await
    .expect("a user");
    let sql = format!(
        "insert into app.wallet_links (tenant_id, user_id, chain_id, wallet, linked_at, unlinked_at) values
            ('{tenant}', '{first}', 1, '{WALLET}', '2026-02-01', '2026-03-01'),
            ('{tenant}', '{second}', 1, '{WALLET}', '2026-03-01', null);
         insert into app.submitted_transactions (tenant_id, chain_id, transaction_hash, operation_type, sender, submitted_at)
         select '{tenant}', 1, '0x' || repeat(n::text, 64), 'transfer', '{WALLET}', make_timestamptz(2026, n, 1, 0, 0, 0)
         from generate_series(1, 3) n"
    );
    run(&mut platform.owner, &sql).await;
    [first, second]
}

fn months(export: &Json) -> Vec<&str> {
    let rows = export["stored"]["submitted_transactions"].as_array().expect("a list");
    let mut months: Vec<&str> =
        rows.iter().filter_map(|row| row["submitted_at"].as_str()?.get(5..7)).collect();
    months.sort_unstable();
    months
}

#[tokio::test]
async fn what_a_wallet_did_before_and_after_its_link_is_not_the_persons() {
    let mut platform = Platform::new().await;
    let [first, second] = one_after_the_other(&mut platform).await;
    let owner = &mut platform.owner;
    run(owner, "set timezone = 'UTC'").await;
    let of_first = export(owner, first).await;
    assert_eq!(months(&of_first), ["02"], "January was before, March is the next one's");
    assert_eq!(months(&export(owner, second).await), ["03"]);
    let periods = &of_first["chain"]["periods"];
    assert_eq!(periods[0]["wallet"], WALLET);
    let ends = ["linked_at", "unlinked_at"].map(|end| periods[0][end].as_str().map(|at| at[..10].to_owned()));
    assert_eq!(ends, ["2026-02-01", "2026-03-01"].map(|at| Some(at.to_owned())));
    count(owner, &format!("select count(*) from app.erase_subject('{first}', 'DSR-1', true)")).await;
    let left = "select string_agg(to_char(submitted_at, 'MM'), ' ' order by submitted_at) from app.submitted_transactions where sender is not null";
    let left: String = sqlx::query_scalar(left).fetch_one(owner).await.expect("some are left");
    assert_eq!(left, "01 03", "an erasure takes the person's own alone");
}

/// Holdings at the end of a link that ended, against what the register says of that time; nothing of later claims.
#[tokio::test]
async fn what_the_chain_says_is_told_of_the_time_of_the_link() {
    let mut platform = Platform::new().await;
    let chain = std::sync::Arc::new(Play::chain(6));
    for block in Play::new(71).blocks(120) {
        chain.mine(block);
    }
    let store = std::sync::Arc::new(postgres_store(&platform.database).await);
    converge(&mut worker(chain, store, config(&Play::contracts()))).await;
    let (tenant, user) = (platform.tenants[0], platform.users[0]);
    let mut reading = connect(&platform.database).await;
    // Who moved in the middle and afterwards.
    let (asset, wallet, at): (Uuid, String, String) = sqlx::query_as(
        "select h.asset_id, api.hex(h.holder), (min(h.timestamp) + (max(h.timestamp) - min(h.timestamp)) / 2)::text
         from chain.ownership_history h where h.holder <> chain.zero_address() group by h.asset_id, h.holder
         having count(distinct h.balance) > 3 and max(h.timestamp) > min(h.timestamp)
         order by count(*) desc, 2 limit 1",
    )
    .fetch_one(&mut reading)
    .await
    .expect("somebody moved often");
    let link = format!(
        "insert into app.wallet_links (tenant_id, user_id, chain_id, wallet, linked_at, unlinked_at)
         values ('{tenant}', '{user}', {CHAIN_ID}, '{wallet}', '2000-01-01', '{at}')"
    );
    run(&mut platform.owner, &link).await;
    let told = export(&mut platform.owner, user).await["chain"].clone();
    assert_eq!(told["holdings"], json!([]), "what is held now is another's");
    let then = told["former_holdings"].as_array().expect("a list");
    let of_asset: Vec<&Json> = then.iter().filter(|row| row["asset_id"] == asset.to_string()).collect();
    let expected = format!(
        "select coalesce(max(balance_base), 0)::text from api.holders_at_time('{asset}', timestamptz '{at}' - interval '1 microsecond')
         where holder_address = '{wallet}'"
    );
    let expected: String = sqlx::query_scalar(AssertSqlSafe(expected))
        .fetch_one(&mut reading)
        .await
        .expect("the register's past");
    assert_eq!(of_asset.len(), 1, "{told:#}");
    let equal = format!(
        "select api.units({expected}, decimals) = '{}'::numeric from chain.assets where id = '{asset}'",
        of_asset[0]["balance"]
    );
    let equal: bool =
        sqlx::query_scalar(AssertSqlSafe(equal)).fetch_one(&mut reading).await.expect("the asset");
    assert!(equal, "{expected} were held: {told:#}");

    // A claim that was ended a day after it was made and made anew then: an identity that was linked itself, until noon.
    let (identity, claim): (String, String) = sqlx::query_as(
        "with one as (
             update chain.identity_claims c set to_block = from_block + 1, to_log = 0, to_at = from_at + interval '1 day'
             where c.id = (select id from chain.identity_claims where to_block is null order by id limit 1) returning c.*)
         insert into chain.identity_claims
         select (jsonb_populate_record(null::chain.identity_claims, to_jsonb(one) || jsonb_build_object('id', gen_random_uuid(),
             'from_block', to_block, 'from_at', to_at, 'to_block', null, 'to_log', null, 'to_at', null))).* from one
         returning api.hex(identity), api.hex(claim_id)",
    )
    .fetch_one(&mut reading)
    .await
    .expect("a claim to end");
    let first = format!(
        "select min(from_at) from chain.identity_claims
         where identity = api.address('{identity}') and claim_id = decode(substr('{claim}', 3), 'hex')"
    );
    for (until, ends) in [("12 hours", vec![false]), ("2 days", vec![false, true])] {
        run(&mut platform.owner, &format!("delete from app.wallet_links where wallet = '{identity}'")).await;
        let link = format!(
            "insert into app.wallet_links (tenant_id, user_id, chain_id, wallet, linked_at, unlinked_at)
             values ('{tenant}', '{user}', {CHAIN_ID}, '{identity}', '2000-01-01', ({first}) + interval '{until}')"
        );
        run(&mut platform.owner, &link).await;
        let told = export(&mut platform.owner, user).await["chain"]["claims"].clone();
        let mut told: Vec<bool> = told
            .as_array()
            .expect("a list")
            .iter()
            .filter(|one| one["claim_id"] == claim && one["identity"] == identity)
            .map(|one| one.get("ended_at").is_some_and(|at| !at.is_null()))
            .collect();
        told.sort_unstable();
        assert_eq!(told, ends, "until {until}: which claims, and whether their end");
    }
}

#[tokio::test]
async fn a_report_that_names_several_gives_each_the_own_part() {
    let mut platform = Platform::new().await;
    let [first, second] = one_after_the_other(&mut platform).await;
    let tenant = platform.tenants[0];
    let owner = &mut platform.owner;
    let other = "0xe5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5";
    let data = json!({
        "title": "third quarter",
        "breaches": [
            { "user": first.to_string(), "what": "first's breach", "evidence": { "note": "first's note" } },
            { "user": second.to_string(), "what": "second's breach", "evidence": { "note": "second's note" } },
            { "what": "nobody's breach" },
        ],
        "rows": [["one@example.org", "11"], ["later@example.org", "22"], [other, "33"]],
        "by_user": { first.to_string(): { "sum": "first's sum" }, second.to_string(): { "sum": "second's sum" } },
        "both": format!("{first} together with {second}"),
    });
    let sql = format!(
        "with r as (insert into app.regulatory_reports (tenant_id, report_type, jurisdiction, period, report_data)
                values ('{tenant}', 'breaches', 'CH', '2026-Q3', $${data}$$) returning id),
            v as (insert into app.compliance_violations (tenant_id, user_id, violation_type)
                values ('{tenant}', '{first}', 'max_balance'), ('{tenant}', '{second}', 'max_balance') returning id, detected_at)
         select count(*) from r, v"
    );
    count(owner, &sql).await;
    run(
        owner,
        &format!(
            "insert into app.report_violations (tenant_id, report_id, violation_id, detected_at)
             select '{tenant}', r.id, v.id, v.detected_at from app.regulatory_reports r, app.compliance_violations v"
        ),
    )
    .await;
    for (user, own, others) in [
        (
            first,
            ["first's breach", "first's note", "first's sum", "\"11\""],
            ["second's", "\"22\"", "nobody's", other],
        ),
        (
            second,
            ["second's breach", "second's note", "second's sum", "\"22\""],
            ["first's", "\"11\"", "nobody's", other],
        ),
    ] {
        let told = export(owner, user).await;
        let report = &told["stored"]["regulatory_reports"][0];
        assert_eq!(report["period"], "2026-Q3", "which report it was");
        let part = report["report_data"].to_string();
        for text in own {
            assert!(part.contains(text), "it lacks {text}: {part}");
        }
        for text in others {
            assert!(!part.contains(text), "it gives {text} away: {part}");
        }
        assert!(!part.contains("together with"), "a sentence about two is nobody's part: {part}");
        assert!(told["left_out"]["others"].as_str().is_some_and(|said| said.contains("regulatory_reports")));
    }
}

/// Whose wallet no user has linked is another all the same.
#[tokio::test]
async fn a_report_gives_nothing_of_whoever_is_no_user() {
    let mut platform = Platform::new().await;
    let [_, second] = one_after_the_other(&mut platform).await;
    let tenant = platform.tenants[0];
    let [other, identity, module] = ["88", "1d", "0d"].map(|byte| format!("0x{}", byte.repeat(20)));
    let hash = format!("0x{}", "9a".repeat(32));
    let owner = &mut platform.owner;
    run(
        owner,
        &format!(
            "insert into chain.contracts (chain_id, address, role) values (1, api.address('{module}'), 'compliance_module');
             insert into chain.checkpoints (chain_id, genesis_hash, block_number, block_hash, parent_hash, block_timestamp,
                finalized_number, finalized_hash, status, origin_number, origin_hash, verified_number, verified_hash)
             select 1, h, 9, h, h, now(), 9, h, 'running', 0, h, 0, h from sha256('x') h;
             insert into chain.registrations (chain_id, storage, wallet, from_block, from_log, identity, identity_id, country,
                undetermined, from_at)
             values (1, sha256('s')::bytea, api.address('{WALLET}'), 1, 1, api.address('{identity}'), gen_random_uuid(), 756, false, '2026-01-01')"
        )
        .replace("sha256('s')::bytea", "substr(sha256('s'), 1, 20)"),
    )
    .await;
    let data = json!({ "entries": [
        { "wallet": WALLET, "sum": "11", "block": hash, "identity": identity,
            "reason": format!("holders are not let in by module {module}"),
            "own": { "note": "of mine" },
            "told": format!("sold to {other}"),
            "counterparty": { "wallet": other, "name": "Erika Muster", "born": "1970", "known_as": WALLET,
                "dealings": [{ "with": WALLET, "for": "Erika's car" }], "account": { "name": "Muster's" } },
            "heir": { "of": { "wallet": other }, "name": "Karl Muster" } },
        { "wallet": other, "sum": "33" },
    ] });
    let part: Json = sqlx::query_scalar("select app.part_of($1, app.values_of($2), $3, $2)")
        .bind(&data)
        .bind(second)
        .bind(tenant)
        .fetch_one(owner)
        .await
        .expect("a part");
    assert_eq!(
        part,
        json!({ "entries": [{ "wallet": WALLET, "sum": "11", "block": hash, "identity": identity,
            "reason": format!("holders are not let in by module {module}"), "own": { "note": "of mine" },
            "counterparty": { "known_as": WALLET, "dealings": [{ "with": WALLET }] } }] })
    );
}
