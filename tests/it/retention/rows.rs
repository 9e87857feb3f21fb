//! Rows that go for good.

use super::{House, scalar};

const SESSIONS: &str = "select count(*) from app.sessions";

async fn session(house: &House, user: usize, expired: &str) {
    let (tenant, user) = (house.tenant, house.users[user]);
    // As it is stored: a digest, made before the table's own rules looked.
    house
        .run(&format!(
            "insert into app.sessions (tenant_id, user_id, token, created_at, expires_at)
             values ('{tenant}', '{user}', encode(sha256(convert_to(gen_random_uuid()::text, 'UTF8')), 'hex'),
                 timestamptz '{expired}' - interval '1 hour', timestamptz '{expired}')"
        ))
        .await;
}

#[tokio::test]
async fn expired_sessions_go_and_a_hold_keeps_its_subjects() {
    let house = House::new().await;
    for expired in ["2020-01-01 00:00:00+00", "2021-01-01 00:00:00+00"] {
        session(&house, 0, expired).await;
        session(&house, 1, expired).await;
    }
    session(&house, 0, "2099-01-01 00:00:00+00").await;
    let subject = format!("'subject', '{}'", house.users[1]);
    let on_subject = house.hold("scope, user_id", &subject).await;
    let period = "'period', 'app.sessions', '2020-12-31 23:30:00+00', '2020-12-31 23:45:00+00'";
    let on_period = house.hold("scope, table_name, from_time, to_time", period).await;
    let said = house.dry().await;
    assert!(said.contains("would delete 1 rows of app.sessions (when it expired)"), "{said}");
    assert!(said.contains("keeps 3 rows of app.sessions"), "{said}");
    assert_eq!(house.count(SESSIONS).await, 5, "a dry run changes nothing");
    let said = house.apply().await;
    assert!(said.contains("deleted 1 rows of app.sessions"), "{said}");
    assert_eq!(house.count(SESSIONS).await, 4);
    let left = format!("{SESSIONS} where user_id = '{}' and expires_at < now()", house.users[0]);
    assert_eq!(house.count(&left).await, 1, "it was of use in a period that is held");
    house.release(on_subject).await;
    house.release(on_period).await;
    let on_table = house.hold("scope, table_name", "'table', 'app.sessions'").await;
    let said = house.apply().await;
    assert!(said.contains(&format!("keeps 3 rows of app.sessions: legal hold {on_table}")), "{said}");
    assert_eq!(house.count(SESSIONS).await, 4);
    house.release(on_table).await;
    house.apply().await;
    assert_eq!(house.count(SESSIONS).await, 1, "what has not expired stays");
    let trail = "select count(*) from app.audit_trail where entity_type = 'sessions' and action = 'delete'
        and actor = 'asset-indexer maintain'";
    assert_eq!(house.count(trail).await, 4, "and the audit trail has them");
}

#[tokio::test]
async fn old_system_events_go_and_those_that_evidence_refers_to_stay() {
    let house = House::new().await;
    house
        .run(
            "insert into chain.system_events (event_type, event_data, timestamp, source, severity)
             select kind, '{}', at, 'test', 'info'
             from unnest(array['start', 'reorg', 'rewind', 'repair']) kind,
                 unnest(array[timestamptz '2015-01-01', now()]) at;
             insert into chain.system_errors (error_type, error_message, occurred_at, last_at, resolved_at) values
                 ('passed', 'x', '2015-01-01', '2015-01-01', '2015-01-02'), ('lasts', 'x', '2015-01-01', '2015-01-01', null)",
        )
        .await;
    let said = house.dry().await;
    assert!(said.contains("would delete 1 rows of chain.system_events"), "{said}");
    house.apply().await;
    let of_test = "select count(*) from chain.system_events where source = 'test'";
    assert_eq!(house.count(of_test).await, 7);
    let started = format!("{of_test} and event_type = 'start'");
    assert_eq!(house.count(&started).await, 1, "the young one");
    assert_eq!(house.count("select count(*) from chain.system_errors where error_type = 'lasts'").await, 1);
    assert_eq!(house.count("select count(*) from chain.system_errors where error_type = 'passed'").await, 0);
}

#[tokio::test]
async fn users_without_activity_are_counted_and_left_to_an_erasure() {
    let house = House::new().await;
    house
        .run(&format!(
            "begin; set local session_replication_role = replica;
             update app.users set created_at = '2015-01-01', updated_at = '2015-01-01'; commit;
             insert into app.user_actions (tenant_id, user_id, action_type, resource) values ('{}', '{}', 'read', 'a page')",
            house.tenant, house.users[0]
        ))
        .await;
    let said = house.apply().await;
    assert!(said.contains("1 users have been without activity"), "{said}");
    assert_eq!(house.count("select count(*) from app.users").await, 2);
}

/// Logs are archived before a user's own time is over: when somebody was active last is noted before they go.
#[tokio::test]
async fn an_activity_outlives_the_month_of_the_log_that_tells_it() {
    let house = House::new().await;
    let five_years_ago: String =
        scalar(&house.pool, "select to_char(now() - interval '5 years', 'YYYY-MM')").await;
    house.month("user_actions", &five_years_ago).await;
    house.actions(&five_years_ago, house.users[0], 3).await;
    house
        .run(
            "begin; set local session_replication_role = replica;
             update app.users set created_at = '2015-01-01', updated_at = '2015-01-01'; commit",
        )
        .await;
    let said = house.apply().await;
    assert!(said.contains("archived app.user_actions_"), "{said}");
    assert!(said.contains("1 users have been without activity"), "the other one alone: {said}");
    let noted = format!("select count(*) from app.users where id = '{}' and to_char(last_activity_at at time zone 'UTC', 'YYYY-MM') = '{five_years_ago}'
        and updated_at = '2015-01-01'", house.users[0]);
    assert_eq!(house.count(&noted).await, 1, "noted, and that is no change of the user's row");
    assert!(house.dry().await.contains("1 users have been without activity"));
}
