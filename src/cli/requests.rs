//! `requests`: what was handed to the worker and has not ended, and taking one back.

use serde_json::Value as Json;
use sqlx::PgPool;
use sqlx::types::Json as SqlJson;
use uuid::Uuid;

use super::Failure;
use super::setup::{self, Database};
use crate::config::Config;
use crate::store::postgres::{Requests, failed};

/// Id, status, what is asked, how often it was begun, the last block done, and when it was handed in.
type Open = (Uuid, String, SqlJson<Json>, Option<i64>, Option<i64>, String);

/// Shows the requests that have not ended, the next one first; or takes one back.
pub(super) async fn requests(config: &Config, withdraw: Option<Uuid>) -> Result<(), Failure> {
    let database = Database::open(config).await?;
    let done = match withdraw {
        Some(id) => take_back(config, &database.pool, id).await,
        None => show(config, &database.pool).await,
    };
    database.close().await;
    done
}

async fn show(config: &Config, pool: &PgPool) -> Result<(), Failure> {
    let chain_id = setup::chain_without_node(config, pool).await?;
    let open: Vec<Open> = sqlx::query_as(
        "select id, status, request,
             (select s.starts from ops.request_starts s where s.request_id = r.id), progress,
             to_char(submitted_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')
         from ops.requests r where chain_id = $1 and status in ('waiting', 'running')
         order by submitted_at, id",
    )
    .bind(i64::try_from(chain_id).unwrap_or(i64::MAX))
    .fetch_all(pool)
    .await
    .map_err(|error| Failure::from(failed("reading the requests", &error)))?;
    if open.is_empty() {
        println!("no request is open");
    }
    for (id, status, request, starts, progress, submitted_at) in open {
        let begun = starts.map_or(String::new(), |times| format!(", begun {times} times"));
        let at = progress.map_or(String::new(), |block| format!(", at block {block}"));
        println!("{id}  {status}{begun}{at}, handed in {submitted_at}: {}", request.0);
    }
    Ok(())
}

async fn take_back(config: &Config, pool: &PgPool, id: Uuid) -> Result<(), Failure> {
    let chain_id = setup::chain_without_node(config, pool).await?;
    let requests = Requests::new(pool.clone(), chain_id);
    if requests.withdraw(id).await? {
        println!("withdrawn: nothing of it was done");
        return Ok(());
    }
    let why = match requests.state(id).await?.map(|state| state.status) {
        None => format!("chain {chain_id} has no request {id}"),
        Some(status) if status == "waiting" => {
            "a migration asked for it: the tables need it, and it stays".to_owned()
        }
        Some(status) if status == "running" => {
            "it has begun: it is carried out, or failed when its worker has ended three times over it"
                .to_owned()
        }
        Some(status) => format!("it has ended: {status}"),
    };
    Err(Failure::new(Failure::FINDINGS, format!("the request cannot be withdrawn: {why}")))
}
