//! Who may do what: the matrix of roles, tables and verbs as it is kept in tests/rights.txt, and walked.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sqlx::{AssertSqlSafe, Executor};

use super::{Platform, connect};
use crate::support::world::database;

const KEPT: &str = include_str!("../../rights.txt");
const ROLES: [&str; 6] = ["writer", "reader", "app", "compliance", "auditor", "support"];
const VERBS: [&str; 4] = ["select", "insert", "update", "delete"];

/// Table -> one letter a verb for each role, as the server's catalogue says.
async fn matrix(connection: &mut sqlx::PgConnection) -> BTreeMap<String, Vec<String>> {
    let rows: Vec<(String, String, String, bool)> = sqlx::query_as(
        "select format('%s.%s', n.nspname, c.relname), r.role, v.verb,
            has_schema_privilege('asset_indexer_' || r.role, n.oid, 'usage') and case v.verb when 'delete' then has_table_privilege('asset_indexer_' || r.role, c.oid, v.verb)
                else has_any_column_privilege('asset_indexer_' || r.role, c.oid, v.verb) end
         from pg_class c join pg_namespace n on n.oid = c.relnamespace
         cross join unnest($1::text[]) r (role) cross join unnest($2::text[]) v (verb)
         where n.nspname in ('chain', 'ops', 'app', 'api') and c.relkind in ('r', 'p', 'v') and not c.relispartition",
    )
    .bind(ROLES.map(str::to_owned).to_vec())
    .bind(VERBS.map(str::to_owned).to_vec())
    .fetch_all(connection)
    .await
    .expect("the catalogue can be read");
    let mut matrix: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let place = |list: &[&str], what: &str| list.iter().position(|it| *it == what).expect("we asked for it");
    for (table, role, verb, may) in rows {
        let cells = matrix.entry(table).or_insert_with(|| vec!["----".to_owned(); ROLES.len()]);
        if may {
            let at = place(&VERBS, &verb);
            cells[place(&ROLES, &role)].replace_range(at..=at, &verb[..1]);
        }
    }
    matrix
}

fn written(matrix: &BTreeMap<String, Vec<String>>) -> String {
    let mut text = String::from(
        "# Rights of each role: s(elect) i(nsert) u(pdate) d(elete), on at least some columns.\n",
    );
    let _ =
        writeln!(text, "{:<34} {}", "# table", ROLES.map(|role| format!("{role:<10}")).join(" ").trim_end());
    for (table, cells) in matrix {
        let cells: Vec<String> = cells.iter().map(|cell| format!("{cell:<10}")).collect();
        let _ = writeln!(text, "{table:<34} {}", cells.join(" ").trim_end());
    }
    text
}

#[tokio::test]
async fn the_matrix_is_the_one_that_is_kept() {
    let mut owner = connect(&database().await).await;
    let now = written(&matrix(&mut owner).await);
    if now != KEPT {
        let place = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("rights.txt");
        std::fs::write(&place, &now).expect("the target folder can be written");
        let lines: Vec<&str> = now.lines().filter(|line| !KEPT.contains(line)).collect();
        panic!("rights changed; if that is meant, keep {} as tests/rights.txt: {lines:#?}", place.display());
    }
}

/// Each cell is tried: what the matrix forbids the server refuses, what it allows the server lets through.
#[tokio::test]
async fn the_server_holds_to_the_matrix() {
    let mut platform = Platform::new().await;
    let matrix = matrix(&mut platform.owner).await;
    let mut tried = 0;
    for (number, role) in ROLES.into_iter().enumerate() {
        let mut works = platform.works(&format!("asset_indexer_{role}"), 0).await;
        for (table, cells) in &matrix {
            for (place, verb) in VERBS.into_iter().enumerate() {
                let allowed = &cells[number][place..=place] != "-";
                let is_refused = is_refused(&mut works, &mut platform.owner, role, table, verb).await;
                assert_eq!(is_refused, !allowed, "{role} {verb} {table}");
                tried += 1;
            }
        }
    }
    assert!(tried > 2_000, "{tried}");
}

/// Whether the server says that the right is missing, trying columns that the role has the right for.
async fn is_refused(
    works: &mut sqlx::PgConnection,
    owner: &mut sqlx::PgConnection,
    role: &str,
    table: &str,
    verb: &str,
) -> bool {
    let column: String = sqlx::query_scalar(
        "select quote_ident(attname) from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped
         order by case when $3 <> 'delete' then has_column_privilege('asset_indexer_' || $2, attrelid, attnum, $3) end desc,
            attnum limit 1",
    )
    .bind(table)
    .bind(role)
    .bind(verb)
    .fetch_one(owner)
    .await
    .expect("a relation has columns");
    let sql = match verb {
        "select" => format!("select {column} from {table} limit 0"),
        "insert" => format!("insert into {table} ({column}) overriding system value select null where false"),
        "update" => format!("update {table} set {column} = default where false"),
        _ => format!("delete from {table} where false"),
    };
    match works.execute(AssertSqlSafe(sql)).await {
        Ok(_) => false,
        // A view that joins tables takes no rows from anybody.
        Err(error) => ["permission denied", "cannot insert", "cannot update", "cannot delete"]
            .iter()
            .any(|refusal| error.to_string().contains(refusal)),
    }
}
