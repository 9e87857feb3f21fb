//! The catalogue against the declarations: a table that is in it by half fails here.

use std::fs;

use asset_indexer::row::{Column, TableDef};
use asset_indexer::store::postgres::{check_schema, migrate};
use asset_indexer::table;
use sqlx::PgPool;

use crate::support::ddl::{column_comment, create_table, sql_type};
use crate::support::world::{database, empty_database, pool};

/// In the order of going up: the chain's, then the application's.
fn migrations(direction: &str) -> Vec<(String, String)> {
    let in_folder = |folder: &str| {
        let mut files: Vec<_> = fs::read_dir(folder)
            .expect("the migrations are beside Cargo.toml")
            .map(|entry| entry.expect("readable").path())
            .filter(|path| path.to_string_lossy().ends_with(&format!(".{direction}.sql")))
            .map(|path| (path.display().to_string(), fs::read_to_string(&path).expect("readable")))
            .collect();
        files.sort();
        files
    };
    [in_folder("migrations"), in_folder("migrations/app")].concat()
}

#[test]
fn every_declared_table_stands_in_a_migration_as_it_is_declared() {
    let all: String = migrations("up").into_iter().map(|(_, sql)| sql).collect();
    for table in table::ALL {
        let expected = create_table(table);
        let grown = all.contains(&expected) || is_said_in_parts(&all, table);
        assert!(grown, "no migration says this of {}:\n{expected}", table.name);
    }
}

/// Whether migrations make a table without the columns that some of them add later.
fn is_said_in_parts(all: &str, table: &TableDef) -> bool {
    let name = format!("{}.{}", table.schema(), table.name);
    let alters: Vec<&str> =
        all.split(";\n").filter(|sql| sql.contains(&format!("alter table {name} "))).collect();
    let says = |what: &str| alters.iter().any(|sql| sql.contains(what));
    let is_added = |column: &Column| says(&format!("add column {} {}", column.name, sql_type(column)));
    let (added, columns): (Vec<Column>, Vec<Column>) =
        table.columns.iter().copied().partition(|column| is_added(column));
    all.contains(&create_table(&TableDef { columns: columns.leak(), ..*table }))
        && added.iter().all(|column| {
            let filled = format!("alter column {} set not null", column.name);
            all.contains(&column_comment(table, column)) && (column.nullable || says(&filled))
        })
}

#[tokio::test]
async fn every_table_view_and_column_has_a_comment() {
    let pool = pool(&database().await).await;
    let silent: Vec<String> = sqlx::query_scalar(
        "select n.nspname || '.' || c.relname || coalesce('.' || a.attname, '')
         from pg_class c join pg_namespace n on n.oid = c.relnamespace
         left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
         where n.nspname in ('chain', 'ops', 'api', 'app') and c.relkind in ('r', 'p', 'v') and not c.relispartition
             and (obj_description(c.oid) is null or col_description(c.oid, a.attnum) is null)
         order by 1",
    )
    .fetch_all(&pool)
    .await
    .expect("the catalogue can be read");
    assert!(silent.is_empty(), "without a comment: {silent:#?}");
}

/// What the schemas hold, a line a thing: relations, columns, keys, indexes, views, functions, triggers, policies, rights,
/// comments.
const CATALOGUE: &str = "
    with ours as (select oid, nspname, nspacl, nspowner from pg_namespace where nspname in ('chain', 'ops', 'api', 'app')),
    relations as (select c.*, n.nspname from pg_class c join ours n on n.oid = c.relnamespace)
    select line from (
        select concat_ws(' ', 'schema', nspname, (select string_agg(x::text, ' ' order by x::text) from unnest(coalesce(nspacl, acldefault('n', nspowner))) x)) from ours
        union all select concat_ws(' ', 'relation', nspname, relname, relkind, reloptions, relrowsecurity,
            relforcerowsecurity, obj_description(oid), (select string_agg(x::text, ' ' order by x::text) from unnest(coalesce(relacl, acldefault('r', relowner))) x)) from relations
        union all select concat_ws(' ', 'column', r.nspname, r.relname, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod),
            a.attnotnull, pg_get_expr(d.adbin, d.adrelid), col_description(r.oid, a.attnum), a.attacl)
            from relations r join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
            left join pg_attrdef d on d.adrelid = r.oid and d.adnum = a.attnum
        union all select concat_ws(' ', 'constraint', r.nspname, r.relname, k.conname, pg_get_constraintdef(k.oid))
            from relations r join pg_constraint k on k.conrelid = r.oid
        union all select concat_ws(' ', 'index', pg_get_indexdef(i.indexrelid)) from relations r join pg_index i on i.indrelid = r.oid
        union all select concat_ws(' ', 'view', r.nspname, r.relname, pg_get_viewdef(r.oid)) from relations r where relkind = 'v'
        union all select concat_ws(' ', 'function', pg_get_functiondef(p.oid), obj_description(p.oid),
            (select string_agg(x::text, ' ' order by x::text) from unnest(coalesce(p.proacl, acldefault('f', p.proowner))) x)) from pg_proc p join ours n on n.oid = p.pronamespace
        union all select concat_ws(' ', 'trigger', pg_get_triggerdef(t.oid)) from relations r join pg_trigger t on t.tgrelid = r.oid
            where not t.tgisinternal
        union all select concat_ws(' ', 'policy', schemaname, tablename, policyname, permissive, roles, cmd, qual, with_check)
            from pg_policies
    ) all_lines (line) order by 1";

pub(crate) async fn catalogue(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar(CATALOGUE).fetch_all(pool).await.expect("the catalogue can be read")
}

async fn apply(pool: &PgPool, (name, sql): &(String, String)) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql.clone()))
        .execute(pool)
        .await
        .unwrap_or_else(|e| panic!("{name}: {e}"));
}

/// Every version up, then down one by one, each step to the very catalogue that was there before; then up again.
#[tokio::test]
async fn every_migration_has_its_way_back_to_the_same_catalogue() {
    let pool = pool(&empty_database().await).await;
    let (up, down) = (migrations("up"), migrations("down"));
    assert_eq!(up.len(), down.len(), "each has its way back");
    let mut before = Vec::new();
    for migration in &up {
        before.push(catalogue(&pool).await);
        apply(&pool, migration).await;
    }
    let whole = catalogue(&pool).await;
    assert!(whole.len() > 1_500, "{}", whole.len());
    for (migration, before) in down.iter().zip(&before).rev() {
        apply(&pool, migration).await;
        let now = catalogue(&pool).await;
        let more: Vec<_> = now.iter().filter(|line| !before.contains(line)).collect();
        let less: Vec<_> = before.iter().filter(|line| !now.contains(line)).collect();
        assert!(more.is_empty() && less.is_empty(), "{}: left over {more:#?}, lost {less:#?}", migration.0);
    }
    for migration in &up {
        apply(&pool, migration).await;
    }
    assert!(catalogue(&pool).await == whole, "down and up again is another catalogue");
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

/// A database of the first versions counted in `public`; a table of that name which is not ours is left alone.
#[tokio::test]
async fn the_table_of_versions_moves_out_of_public() {
    let pool = pool(&empty_database().await).await;
    let mut owner = pool.acquire().await.expect("a connection");
    let first = migrate(&mut owner).await.expect("it migrates");
    let back = "alter table asset_indexer.migrations rename to _sqlx_migrations;
         alter table asset_indexer._sqlx_migrations set schema public; drop schema asset_indexer";
    sqlx::raw_sql(back).execute(&mut *owner).await.expect("as the first versions were");
    let again = migrate(&mut owner).await.expect("it migrates");
    assert_eq!((again.applied.len(), again.version), (0, first.version));
    check_schema(&mut owner).await.expect("it is found");
    let others =
        "create table public._sqlx_migrations (version bigint primary key, description text not null,
         installed_on timestamptz not null default now(), success boolean not null, checksum bytea not null,
         execution_time bigint not null);
         insert into public._sqlx_migrations values (1, 'theirs', now(), true, '', 0);
         drop schema chain, ops, api, app, asset_indexer cascade";
    sqlx::raw_sql(others).execute(&mut *owner).await.expect("another program's");
    migrate(&mut owner).await.expect("it migrates beside another's table");
    let left: i64 = sqlx::query_scalar("select count(*) from public._sqlx_migrations")
        .fetch_one(&mut *owner)
        .await
        .expect("it is still there");
    assert_eq!(left, 1);
}
