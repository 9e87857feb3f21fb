//! What this command is configured with, against what rows are derived with (`ops.derivation`).

use sqlx::PgPool;

use super::{Failure, setup};
use crate::config::Config;
use crate::derivation::{Difference, listed};
use crate::execute::ExecuteError;
use crate::store::postgres::{PostgresStore, failed, read_derivation};

/// What a look shows; nothing where no writer has said what it derives rows with.
#[derive(Debug, Default)]
pub(super) struct Configured {
    /// Where this command is configured otherwise than the last writer was.
    pub(super) other: Vec<Difference>,
    /// The parts that some rows may be derived otherwise with.
    pub(super) mixed: Vec<String>,
}

/// Compares, without a lease: a worker may be alive.
pub(super) async fn look(config: &Config, pool: &PgPool, chain_id: u64) -> Result<Configured, Failure> {
    let reading = async {
        let mut connection = pool.acquire().await?;
        read_derivation(&mut connection, chain_id).await
    };
    let kept = reading.await.map_err(|error| failed("reading what rows are derived with", &error))?;
    let Some(kept) = kept else { return Ok(Configured::default()) };
    let present = setup::sync_config(config, chain_id).derivation(&setup::decoder(config));
    Ok(Configured { other: present.differences(&kept.newest), mixed: kept.mixed })
}

/// Whether this command is configured otherwise than the last writer was.
pub(super) async fn is_other(config: &Config, pool: &PgPool, chain_id: u64) -> Result<bool, Failure> {
    Ok(!look(config, pool, chain_id).await?.other.is_empty())
}

/// Refuses to go on with another configuration than rows were derived with so far.
pub(super) async fn refuse(config: &Config, pool: &PgPool, chain_id: u64) -> Result<(), Failure> {
    let Configured { other, .. } = look(config, pool, chain_id).await?;
    if other.is_empty() {
        return Ok(());
    }
    Err(ExecuteError::OtherConfiguration { chain_id, parts: listed(&other) }.into())
}

/// Before a rebuild: says where all rows will be derived with another configuration than so far, which is refused unless it was
/// accepted. What a rebuild withholds of claims does not come back, and a configuration that was left out by mistake is another
/// one too.
pub(super) async fn tell_or_refuse(store: &PostgresStore, is_accepted: bool) -> Result<(), Failure> {
    let other = store.other_parts().await?;
    if other.is_empty() {
        return Ok(());
    }
    let (chain_id, parts) = (store.chain_id(), listed(&other));
    if !is_accepted {
        let message = format!(
            "all rows of chain {chain_id} would be derived with another configuration than they were so far \
             (ops.derivation): {parts}; nothing was changed: run this with the worker's configuration, or, if this one is meant, \
             `asset-indexer rebuild --accept-configuration`"
        );
        return Err(Failure::new(Failure::CONFIG, message));
    }
    println!("all rows are derived with another configuration than they were so far: {parts}");
    Ok(())
}
