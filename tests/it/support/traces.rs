//! Where a text stands in a database, as text or as bytes: what must not be there is looked for everywhere.

use sqlx::{AssertSqlSafe, PgConnection};

/// Whether rows of a relation hold any of the texts: as text, or as bytes of it.
fn holding(relation: &str, texts: &[String]) -> String {
    let patterns = texts.iter().flat_map(|text| {
        let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        [format!("'%{}%'", text.replace('\'', "''")), format!("'%{hex}%'")]
    });
    let patterns = patterns.collect::<Vec<_>>().join(", ");
    format!("select count(*) from {relation} r where to_jsonb(r)::text ilike any (array[{patterns}])")
}

/// Every table and view of some schemas.
pub async fn relations(owner: &mut PgConnection, schemas: &[&str]) -> Vec<String> {
    sqlx::query_scalar(
        "select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where n.nspname = any ($1) and c.relkind in ('r', 'p', 'v', 'm') and not c.relispartition order by 1",
    )
    .bind(schemas.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())
    .fetch_all(owner)
    .await
    .expect("the catalogue can be read")
}

/// Where any of the texts stands in these schemas.
pub async fn traces(owner: &mut PgConnection, schemas: &[&str], texts: &[String]) -> Vec<String> {
    let mut places = Vec::new();
    for relation in relations(owner, schemas).await {
        let sql = AssertSqlSafe(holding(&relation, texts));
        let found: i64 = sqlx::query_scalar(sql)
            .fetch_one(&mut *owner)
            .await
            .unwrap_or_else(|e| panic!("{relation}: {e}"));
        if found > 0 {
            places.push(relation);
        }
    }
    places
}
