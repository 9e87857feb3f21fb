//! The catalogue against the declarations: a table that is in it by half fails here.

use std::fs;

use asset_indexer::table;

use crate::support::ddl::create_table;
use crate::support::world::{database, pool};

fn migrations(direction: &str) -> Vec<(String, String)> {
    let mut files: Vec<_> = fs::read_dir("migrations")
        .expect("the migrations are beside Cargo.toml")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.to_string_lossy().ends_with(&format!(".{direction}.sql")))
        .map(|path| (path.display().to_string(), fs::read_to_string(&path).expect("readable")))
        .collect();
    files.sort();
    files
}

#[test]
fn every_declared_table_stands_in_a_migration_as_it_is_declared() {
    let all: String = migrations("up").into_iter().map(|(_, sql)| sql).collect();
    for table in table::ALL {
        let expected = create_table(table);
        assert!(all.contains(&expected), "no migration says this of {}:\n{expected}", table.name);
    }
}

#[tokio::test]
async fn every_table_view_and_column_has_a_comment() {
    let pool = pool(&database().await).await;
    let silent: Vec<String> = sqlx::query_scalar(
        "select n.nspname || '.' || c.relname || coalesce('.' || a.attname, '')
         from pg_class c join pg_namespace n on n.oid = c.relnamespace
         left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
         where n.nspname in ('chain', 'ops', 'api', 'app') and c.relkind in ('r', 'p', 'v') and not c.relispartition
             and (obj_description(c.oid) is null
                  or (c.relkind <> 'v' and col_description(c.oid, a.attnum) is null))
         order by 1",
    )
    .fetch_all(&pool)
    .await
    .expect("the catalogue can be read");
    assert!(silent.is_empty(), "without a comment: {silent:#?}");
}

#[tokio::test]
async fn every_migration_has_its_way_back() {
    let database = database().await;
    let pool = pool(&database).await;
    for (name, sql) in migrations("down").into_iter().rev() {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&pool)
            .await
            .unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    let left: Vec<String> = sqlx::query_scalar(
        "select nspname::text from pg_namespace where nspname in ('chain', 'ops', 'api', 'app')",
    )
    .fetch_all(&pool)
    .await
    .expect("the catalogue can be read");
    assert!(left.is_empty(), "left behind: {left:?}");
    for (name, sql) in migrations("up") {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&pool)
            .await
            .unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}

#[tokio::test]
async fn every_table_has_its_class_in_the_catalogue_as_in_the_code() {
    let pool = pool(&database().await).await;
    let tables: Vec<(String, Option<String>)> = sqlx::query_as(
        "select n.nspname || '.' || c.relname, k.class
         from pg_class c join pg_namespace n on n.oid = c.relnamespace
         left join ops.table_classes k on k.table_name = n.nspname || '.' || c.relname
         where n.nspname in ('chain', 'ops', 'app') and c.relkind in ('r', 'p') and not c.relispartition",
    )
    .fetch_all(&pool)
    .await
    .expect("the catalogue can be read");
    for (name, class) in tables {
        let class = class.unwrap_or_else(|| panic!("{name} has no class in ops.table_classes"));
        let declared = table::ALL.into_iter().find(|t| format!("{}.{}", t.schema(), t.name) == name);
        if let Some(declared) = declared {
            assert_eq!(class, declared.class.name(), "{name}");
        } else {
            assert!(matches!(class.as_str(), "evidence" | "operation" | "application"), "{name} is {class}");
        }
    }
}
