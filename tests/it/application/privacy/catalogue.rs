//! A table or column that speaks of a person and is not thought of fails here.

use super::{Platform, WALLETS, count, people, run};

/// Tables that speak of a person without saying what export and erasure do with them.
const UNTHOUGHT: &str = "
    select c.relname::text from pg_class c
    where c.relnamespace = 'app'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
        and not exists (select from app.subject_tables s where s.table_name = c.relname)
        and (exists (select from pg_attribute a where a.attrelid = c.oid and a.attname in ('user_id', 'subject', 'subject_id') and not a.attisdropped)
            or exists (select from pg_constraint k where k.conrelid = c.oid and k.confrelid = 'app.users'::regclass)
            or c.relname not in ('asset_reports', 'integration_config', 'audit_keys') and exists (
                select from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and col_description(c.oid, a.attnum) ~ '^(personal|secret):'))";

/// Columns that an erasure by overwriting leaves a personal value in.
const UNCLEARED: &str = "
    select format('%s.%s', c.relname, a.attname)
    from app.subject_tables s join pg_class c on c.relnamespace = 'app'::regnamespace and c.relname = s.table_name
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where s.on_erasure in ('clear', 'keep') and a.attname not in ('user_id', 'actor', 'changed_by') and a.attgenerated = ''
        and col_description(c.oid, a.attnum) ~ '^(personal|secret):'
        and coalesce(s.cleared, '') !~ ('\\m' || a.attname || ' = ')";

/// Columns of `app` that look personal, by name or type, and whose comment does not say for what, on which basis and for
/// how long.
const UNSAID: &str = "
    select format('%s.%s', c.relname, a.attname) from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relnamespace = 'app'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
        and (a.atttypid = 'inet'::regtype or col_description(c.oid, a.attnum) ~ '^(personal|secret):'
            or a.attname ~ '(^|_)(e?mail|phone|mobile|fax|birth|born|first_name|last_name|surname|username|nationality|passport|iban|gender|language|ip|ip_address|user_agent|wallet|sender|token|secret|password|address|street|city|postcode|latitude|longitude|location|device)(_|$)')
        and coalesce(col_description(c.oid, a.attnum), '') !~ '^(personal|secret): .+; basis: .+; kept: .+[.]$'";

async fn names(platform: &mut Platform, sql: &'static str) -> Vec<String> {
    let mut names: Vec<String> =
        sqlx::query_scalar(sql).fetch_all(&mut platform.owner).await.expect("the catalogue can be read");
    names.sort();
    names
}

#[tokio::test]
async fn every_table_and_column_that_speaks_of_a_person_is_thought_of() {
    let mut platform = Platform::new().await;
    let nothing: Vec<String> = vec![];
    for sql in [UNTHOUGHT, UNCLEARED, UNSAID] {
        assert_eq!(names(&mut platform, sql).await, nothing, "{sql}");
    }
    // The questions find what they ask for.
    run(
        &mut platform.owner,
        "create table app.newcomers (id int, user_id uuid);
         create table app.guests (id int, host uuid references app.users);
         create table app.visits (id int, place inet, mobile text, notes text);
         comment on column app.visits.notes is 'personal: what was said.';
         alter table app.login_history add column device text;
         comment on column app.login_history.device is 'personal: security; basis: contract; kept: 1 year.'",
    )
    .await;
    assert_eq!(names(&mut platform, UNTHOUGHT).await, ["guests", "newcomers", "visits"]);
    assert_eq!(names(&mut platform, UNCLEARED).await, ["login_history.device"]);
    assert_eq!(names(&mut platform, UNSAID).await, ["visits.mobile", "visits.notes", "visits.place"]);
}

/// What the other tests of erasure stand on: their people have a row wherever one can be.
#[tokio::test]
async fn the_people_of_these_tests_have_rows_in_every_table() {
    let mut platform = Platform::new().await;
    let [person, ..] = people(&mut platform, 1, WALLETS).await;
    let told: Vec<(String, i64)> =
        sqlx::query_as("select table_name, row_count from app.erase_subject($1, '', false)")
            .bind(person.user)
            .fetch_all(&mut platform.owner)
            .await
            .expect("a dry run");
    let tables = count(&mut platform.owner, "select count(*) from app.subject_tables").await;
    assert_eq!(told.len() as i64, tables, "a row a table");
    let empty: Vec<_> = told.into_iter().filter(|(_, rows)| *rows == 0).map(|(table, _)| table).collect();
    assert_eq!(empty, ["erasures", "restrictions"], "these are written by an erasure");
}

#[tokio::test]
async fn the_record_of_processing_is_whole() {
    let mut platform = Platform::new().await;
    let owner = &mut platform.owner;
    let said = "select count(*) from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
        where c.relnamespace = 'app'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
            and col_description(c.oid, a.attnum) ~ '^(personal|secret):'";
    let said = count(owner, said).await;
    assert!(said > 45, "{said}");
    let record = "select count(*) from app.processing_record where schema_name = 'app'";
    assert_eq!(count(owner, record).await, said);
    let lacking =
        "select count(*) from app.processing_record r where purpose is null or basis is null or kept is null
        or concat(purpose, basis, kept) ~ '(basis|kept): ' or kept ~ '[.]$'";
    assert_eq!(count(owner, lacking).await, 0);
    let row: (String, String, String, String) = sqlx::query_as(
        "select purpose, basis, kept, on_erasure from app.processing_record where table_name = 'user_profiles' and column_name = 'phone'",
    )
    .fetch_one(&mut *owner)
    .await
    .expect("it is there");
    let expected = ["contact (ciphertext)", "contract", "until erased", "delete"].map(str::to_owned);
    assert_eq!([row.0, row.1, row.2, row.3], expected);
    assert!(
        count(owner, "select count(*) from app.processing_record where schema_name = 'chain'").await > 10
    );
}
