//! What migrations change is approved with them, where schema `app` watches over it: an upgrade sets off no alert, and hides none.
//!
//! Approved is what is told after a run and was not told before it: what the run made, changed or took away. So what somebody
//! else had changed before stays told, also where a migration has replaced it meanwhile: the owner looks, and approves by name.

use sqlx::postgres::PgConnection;

use super::failed;
use super::locks::wait_for_locks;
use crate::store::StoreError;

const DURING: &str = "approving what migrations changed";
/// Guards that are not as they were approved.
const TOLD: &str = "select coalesce(n.object, k.object) from app.guards_now() n full join app.kept_guards k on k.object = n.object
     where n.said is distinct from k.said";

/// What the watch told before a run.
pub(super) struct Before {
    guards: Vec<String>,
    /// Grantee, object and privilege.
    rights: [Vec<String>; 3],
}

impl Before {
    /// Nothing, where there is no watch yet.
    pub(super) async fn look(connection: &mut PgConnection) -> Result<Self, StoreError> {
        wait_for_locks(connection).await?;
        let mut before = Self { guards: Vec::new(), rights: Default::default() };
        if watches(connection, "keep_guards").await? {
            before.guards = sqlx::query_scalar(TOLD).fetch_all(&mut *connection).await.map_err(wrong)?;
        }
        if watches(connection, "keep_rights").await? {
            let sql = "select grantee, object, privilege from app.rights_now()";
            let rights: Vec<(String, String, String)> =
                sqlx::query_as(sql).fetch_all(connection).await.map_err(wrong)?;
            for (grantee, object, privilege) in rights {
                let [grantees, objects, privileges] = &mut before.rights;
                grantees.push(grantee);
                objects.push(object);
                privileges.push(privilege);
            }
        }
        Ok(before)
    }

    /// Approves what is told now and was not told before; of rights those on our schemas and what is in them alone.
    pub(super) async fn approve(&self, connection: &mut PgConnection) -> Result<(), StoreError> {
        wait_for_locks(connection).await?;
        if watches(connection, "keep_guards").await? {
            let sql = format!("select app.keep_guards(array({TOLD} except select unnest($1)))");
            sqlx::query(sqlx::AssertSqlSafe(sql))
                .bind(&self.guards)
                .execute(&mut *connection)
                .await
                .map_err(wrong)?;
        }
        if !watches(connection, "keep_rights").await? {
            return Ok(());
        }
        let [grantees, objects, privileges] = &self.rights;
        for sql in [
            // Taken away, and no longer expected.
            "delete from app.kept_rights k using unnest($1, $2, $3) b (grantee, object, privilege)
             where (k.grantee, k.object, k.privilege) = (b.grantee, b.object, b.privilege)
                 and k.object ~ '^(schema )?(chain|ops|api|app)(\\.|$)'
                 and (k.grantee, k.object, k.privilege) not in (select n.grantee, n.object, n.privilege from app.rights_now() n)",
            "insert into app.kept_rights
             select n.* from app.rights_now() n where n.object ~ '^(schema )?(chain|ops|api|app)(\\.|$)'
                 and not exists (select from unnest($1, $2, $3) b (grantee, object, privilege)
                     where (n.grantee, n.object, n.privilege) = (b.grantee, b.object, b.privilege))
             on conflict do nothing",
        ] {
            sqlx::query(sql)
                .bind(grantees)
                .bind(objects)
                .bind(privileges)
                .execute(&mut *connection)
                .await
                .map_err(wrong)?;
        }
        Ok(())
    }
}

fn wrong(error: sqlx::Error) -> StoreError {
    failed(DURING, &error)
}

/// Whether there is a watch, and it takes this role's approval.
async fn watches(connection: &mut PgConnection, function: &str) -> Result<bool, StoreError> {
    sqlx::query_scalar(
        "select exists (select from pg_proc p join pg_namespace n on n.oid = p.pronamespace
             where n.nspname = 'app' and p.proname = $1 and has_schema_privilege(n.oid, 'usage')
                 and has_function_privilege(p.oid, 'execute'))",
    )
    .bind(function)
    .fetch_one(connection)
    .await
    .map_err(wrong)
}
