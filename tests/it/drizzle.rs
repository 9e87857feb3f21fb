//! The tables through Drizzle: the schema that we ship is the catalogue's, compiles strictly and joins; drizzle-kit pulls
//! ours without an unknown type in `app`; a platform's own `push` leaves ours alone.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use asset_indexer::store::postgres::migrate_application;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor};
use tokio::process::Command;

use crate::support::loaded::LOAD;
use crate::support::world::{cluster_over_tcp, database, pool};

const SHIPPED: &str = include_str!("../../deploy/drizzle/schema.ts");
const HEAD: &str = "// The tables and views of asset-indexer for Drizzle. Written from the catalogue by a test (tests/it/drizzle.rs), which holds
// it to the migrations. For reading and joining: do not list it in drizzle.config, the migrations are asset-indexer's.
import { sql } from \"drizzle-orm\";
import { bigint, boolean, customType, inet, integer, jsonb, numeric, pgSchema, smallint, text, timestamp, uuid } from \"drizzle-orm/pg-core\";

const bytea = customType<{ data: Buffer }>({ dataType: () => \"bytea\" });
export const api = pgSchema(\"api\");
export const app = pgSchema(\"app\");
";

type Column = (String, String, String, bool, Option<String>, bool);

fn camel(name: &str) -> String {
    let mut parts = name.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| {
        let (head, tail) = part.split_at(part.len().min(1));
        all + &head.to_uppercase() + tail
    })
}

/// A column as Drizzle writes its type; every type must have a way.
fn typed(name: &str, sql_type: &str) -> String {
    let (base, is_array) = sql_type.strip_suffix("[]").map_or((sql_type, false), |base| (base, true));
    let written = match base {
        "bigint" => format!("bigint(\"{name}\", {{ mode: \"number\" }})"),
        "timestamp with time zone" => format!("timestamp(\"{name}\", {{ withTimezone: true }})"),
        "uuid" | "text" | "boolean" | "integer" | "smallint" | "numeric" | "jsonb" | "bytea" | "inet" => {
            format!("{base}(\"{name}\")")
        }
        other => panic!("{name} is {other}, which Drizzle has no name for"),
    };
    if is_array { written + ".array()" } else { written }
}

async fn generated(connection: &mut PgConnection) -> String {
    let columns: Vec<Column> = sqlx::query_as(
        "select n.nspname || '.' || c.relname, a.attname::text, format_type(a.atttypid, a.atttypmod),
            a.attnotnull and c.relkind <> 'v', pg_get_expr(d.adbin, d.adrelid), a.attidentity <> ''
         from pg_class c join pg_namespace n on n.oid = c.relnamespace
         join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
         left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
         where n.nspname in ('api', 'app') and c.relkind in ('r', 'p', 'v') and not c.relispartition
         order by n.nspname, c.relname, a.attnum",
    )
    .fetch_all(connection)
    .await
    .expect("the catalogue can be read");
    let mut relations: BTreeMap<String, Vec<Column>> = BTreeMap::new();
    for column in columns {
        relations.entry(column.0.clone()).or_default().push(column);
    }
    let mut text = HEAD.to_owned();
    for (relation, columns) in &relations {
        let (schema, name) = relation.split_once('.').expect("schema and name");
        let is_twin = schema == "app" && relations.contains_key(&format!("api.{name}"));
        let constant = camel(name) + if is_twin { "InApp" } else { "" };
        let is_view = schema == "api" || ["user_preferences", "users_masked"].contains(&name);
        let _ = writeln!(
            text,
            "\nexport const {constant} = {schema}.{}(\"{name}\", {{",
            if is_view { "view" } else { "table" }
        );
        for (_, column, sql_type, not_null, default, identity) in columns {
            let mut written = typed(column, sql_type);
            if *not_null {
                written += ".notNull()";
            }
            if *identity {
                written += ".generatedAlwaysAsIdentity()";
            }
            if let Some(default) = default {
                let _ = write!(written, ".default(sql`{}`)", default.replace('`', "\\`"));
            }
            let _ = writeln!(text, "  {}: {written},", camel(column));
        }
        text += if is_view { "}).existing();\n" } else { "});\n" };
    }
    text
}

#[tokio::test]
async fn the_schema_that_we_ship_is_the_catalogues() {
    let pool = pool(&database().await).await;
    let now = generated(&mut pool.acquire().await.expect("a connection")).await;
    if now != SHIPPED {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("schema.ts");
        std::fs::write(&place, &now).expect("the target folder can be written");
        panic!("the catalogue changed: keep {} as deploy/drizzle/schema.ts", place.display());
    }
}

/// Runs a script of the folder with Node.js; what it printed, where it succeeded.
async fn node(folder: &Path, script: &[&str], environment: &[(&str, &str)]) -> String {
    let output = Command::new("node")
        .args(script)
        .current_dir(folder)
        .envs(environment.iter().copied())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap_or_else(|error| panic!("{script:?}: {error}: `tests/setup.sh` fetches it"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script:?}: {said}{failed}");
    said
}

/// A copy of tests/drizzle that shares its packages.
fn folder() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/drizzle");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("drizzle");
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    for file in ["package.json", "tsconfig.json", "drizzle.config.ts", "push.config.ts", "own.ts", "joins.ts"]
    {
        std::fs::copy(source.join(file), folder.join(file)).expect("readable");
    }
    std::fs::write(folder.join("schema.ts"), SHIPPED).expect("the target folder can be written");
    std::os::unix::fs::symlink(source.join("node_modules"), folder.join("node_modules")).expect("a link");
    folder
}

#[tokio::test]
async fn drizzle_joins_pulls_and_pushes_beside_us() {
    let (cluster, mut owner, port) = cluster_over_tcp().await;
    migrate_application(&mut owner).await.expect("the application's migrations apply");
    owner.execute(LOAD).await.expect("a loaded register");
    owner
        .execute("create role platform login password 'platform' in role asset_indexer_app; create role pusher login superuser password 'pusher'")
        .await
        .expect("the superuser may");
    let url = |who: &str| format!("postgres://{who}:{who}@127.0.0.1:{port}/assets");
    let folder = folder();

    node(&folder, &["node_modules/typescript/bin/tsc", "-p", "."], &[]).await;
    let tenant: String =
        sqlx::query_scalar("select id::text from app.tenants").fetch_one(&mut owner).await.expect("one");
    let (platform, pusher) = (url("platform"), url("pusher"));
    let environment = [("DATABASE_URL", platform.as_str()), ("TENANT", tenant.as_str())];
    let said = node(&folder, &["js/joins.js"], &environment).await;
    let counts: serde_json::Value = serde_json::from_str(&said).expect("counts");
    assert_eq!(counts, serde_json::json!({ "holdings": 40_000, "moved": 40_000, "strangers": 0 }));

    const KIT: &str = "node_modules/drizzle-kit/bin.cjs";
    for (version, kit) in [("0.31.4", KIT), ("newest", "node_modules/drizzle-kit-newest/bin.cjs")] {
        let out = folder.join(version);
        let environment = [("DATABASE_URL", pusher.as_str()), ("OUT", out.to_str().expect("a path"))];
        node(&folder, &[kit, "pull", "--config", "drizzle.config.ts"], &environment).await;
        let pulled = std::fs::read_to_string(out.join("schema.ts")).expect("it pulled");
        let tables = pulled.split("export const ").filter(|table| table.contains("= app.table("));
        let mut seen = 0;
        for table in tables {
            assert!(!table.contains("unknown("), "{version}: {table}");
            seen += 1;
        }
        assert!(seen > 35, "{version}: {seen} tables");
    }

    let shape =
        "select count(*) from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n
        on n.oid = c.relnamespace where n.nspname in ('chain', 'ops', 'api', 'app')";
    let before: i64 = sqlx::query_scalar(AssertSqlSafe(shape)).fetch_one(&mut owner).await.expect("readable");
    let push = [KIT, "push", "--force", "--config", "push.config.ts"];
    node(&folder, &push, &[("DATABASE_URL", &pusher)]).await;
    let after: i64 = sqlx::query_scalar(AssertSqlSafe(shape)).fetch_one(&mut owner).await.expect("readable");
    assert_eq!(before, after, "a push of one's own schema touches ours");
    let own: bool = sqlx::query_scalar("select to_regclass('public.orders') is not null")
        .fetch_one(&mut owner)
        .await
        .expect("readable");
    assert!(own, "it was pushed");
    drop(owner);
    cluster.stop().await.expect("it stops");
}
