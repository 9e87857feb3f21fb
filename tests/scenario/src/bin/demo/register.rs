//! What the demo reads: SQL against the views that everybody reads.

use std::collections::BTreeMap;

use alloy::primitives::Address;
use sqlx::types::Uuid;
use sqlx::{Connection, PgConnection};

use crate::Result;

/// A connection to the register.
pub(crate) struct Register {
    connection: PgConnection,
}

/// A token.
#[derive(sqlx::FromRow)]
pub(crate) struct Asset {
    pub(crate) id: Uuid,
    pub(crate) contract_address: String,
    pub(crate) name: String,
    pub(crate) symbol: String,
    pub(crate) decimals: i64,
    pub(crate) created_block: i64,
    pub(crate) paused: bool,
    pub(crate) supply: String,
    pub(crate) supply_base: String,
    pub(crate) identity_registry: Option<String>,
    pub(crate) compliance: Option<String>,
    pub(crate) onchain_id: Option<String>,
}

/// A line of a cap table.
#[derive(sqlx::FromRow)]
pub(crate) struct Holder {
    pub(crate) holder_address: String,
    pub(crate) balance: String,
    pub(crate) frozen: String,
    pub(crate) wallet_frozen: bool,
    pub(crate) percentage: Option<String>,
    pub(crate) verified: Option<bool>,
    pub(crate) country: Option<i64>,
    /// Why it is not verified.
    pub(crate) reason: Option<String>,
}

/// A change of a position.
#[derive(sqlx::FromRow)]
pub(crate) struct Change {
    pub(crate) block_number: i64,
    pub(crate) at: String,
    pub(crate) balance: String,
    pub(crate) frozen: String,
    pub(crate) wallet_frozen: bool,
    pub(crate) cause: Option<String>,
    pub(crate) transaction_hash: String,
    pub(crate) finality: String,
}

/// An operation.
#[derive(sqlx::FromRow)]
pub(crate) struct Operation {
    pub(crate) block_number: i64,
    pub(crate) operation_type: String,
    pub(crate) from_address: Option<String>,
    pub(crate) to_address: Option<String>,
    pub(crate) amount: Option<String>,
    pub(crate) executed_by: Option<String>,
}

/// A version of a claim.
#[derive(sqlx::FromRow)]
pub(crate) struct Claim {
    pub(crate) identity: String,
    pub(crate) claim_id: String,
    pub(crate) claim_type: String,
    pub(crate) issuer: String,
    pub(crate) status: String,
    pub(crate) signed_by_issuer: Option<bool>,
    pub(crate) claim_data: String,
    pub(crate) from_block: i64,
}

/// A transaction.
#[derive(sqlx::FromRow)]
pub(crate) struct Transaction {
    pub(crate) block_number: i64,
    pub(crate) symbol: Option<String>,
    pub(crate) operation_type: String,
    pub(crate) amount: Option<String>,
    pub(crate) event_count: i64,
    pub(crate) transfer_count: i64,
    pub(crate) transaction_hash: String,
    pub(crate) status: String,
}

/// What the register says of a wallet in an asset, also if it says nothing.
#[derive(sqlx::FromRow)]
pub(crate) struct Position {
    pub(crate) wallet: String,
    pub(crate) balance: String,
    pub(crate) frozen: String,
    pub(crate) wallet_frozen: bool,
    pub(crate) verified: Option<bool>,
    pub(crate) country: i64,
    pub(crate) identity: Option<String>,
}

impl Register {
    /// Connects to the database that the daemon names.
    pub(crate) async fn connect(url: &str) -> Result<Self> {
        Ok(Self { connection: PgConnection::connect(url).await? })
    }

    /// Leaves in order.
    pub(crate) async fn close(self) {
        // Whoever does not answer a farewell is gone already.
        let _ = self.connection.close().await;
    }

    /// Number and hash of the last block in the tables.
    pub(crate) async fn checkpoint(&mut self) -> Result<Option<(i64, String)>> {
        let sql = "select block_number, block_hash from api.checkpoints";
        Ok(sqlx::query_as(sql).fetch_optional(&mut self.connection).await?)
    }

    /// How many contracts are watched, and how many of them are still read from their beginning.
    pub(crate) async fn contracts(&mut self) -> Result<(i64, i64)> {
        let sql = "select count(*), count(*) filter (where catching_up) from api.contracts";
        Ok(sqlx::query_as(sql).fetch_one(&mut self.connection).await?)
    }

    /// How many events, transactions and rows of ownership history there are.
    pub(crate) async fn sizes(&mut self) -> Result<(i64, i64, i64)> {
        let sql =
            "select (select count(*) from api.asset_events), (select count(*) from api.asset_transactions),
            (select count(*) from api.ownership_history)";
        Ok(sqlx::query_as(sql).fetch_one(&mut self.connection).await?)
    }

    /// The last row of evidence.
    pub(crate) async fn last_evidence(&mut self) -> Result<i64> {
        let sql = "select coalesce(max(id), 0) from api.audit_trail";
        Ok(sqlx::query_scalar(sql).fetch_one(&mut self.connection).await?)
    }

    /// Rows withdrawn and rows restored since that row of evidence, by table.
    pub(crate) async fn evidence(&mut self, since: i64) -> Result<BTreeMap<String, (i64, i64)>> {
        let sql = "select entity_type, count(*) filter (where action = 'withdrawn'),
                count(*) filter (where action = 'restored')
            from api.audit_trail where id > $1 group by entity_type";
        let rows: Vec<(String, i64, i64)> =
            sqlx::query_as(sql).bind(since).fetch_all(&mut self.connection).await?;
        Ok(rows.into_iter().map(|(table, withdrawn, restored)| (table, (withdrawn, restored))).collect())
    }

    /// All tokens, in the order of their appearance.
    pub(crate) async fn assets(&mut self) -> Result<Vec<Asset>> {
        let sql = "select id, contract_address, coalesce(name, '') as name, coalesce(symbol, '') as symbol,
                coalesce(decimals, 0) as decimals, created_block, coalesce(paused, false) as paused,
                coalesce(total_supply, 0)::text as supply, total_supply_base::text as supply_base,
                identity_registry, compliance, onchain_id
            from api.assets order by created_block, id";
        Ok(sqlx::query_as(sql).fetch_all(&mut self.connection).await?)
    }

    /// The cap table of a token: whoever holds it or is frozen in it.
    pub(crate) async fn holders(&mut self, asset: Uuid) -> Result<Vec<Holder>> {
        let sql = "select h.holder_address, h.balance::text, h.frozen::text, h.wallet_frozen,
                round(h.percentage, 2)::text as percentage, h.verified, h.country, v.reason
            from api.asset_holders h
            join api.assets a on a.id = h.asset_id
            left join lateral chain.verdict(a.chain_id, api.address(a.identity_registry), h.holder_bytes) v
                on a.identity_registry is not null
            where h.asset_id = $1 and (h.balance_base <> 0 or h.frozen_base <> 0 or h.wallet_frozen)
            order by h.balance_base desc, h.holder_bytes";
        Ok(sqlx::query_as(sql).bind(asset).fetch_all(&mut self.connection).await?)
    }

    /// How a wallet's position came to be, each change with what its transaction was.
    pub(crate) async fn history(&mut self, asset: Uuid, wallet: Address) -> Result<Vec<Change>> {
        let sql = "select h.block_number, to_char(h.timestamp at time zone 'utc', 'HH24:MI:SS') as at,
                h.balance::text, h.frozen::text, h.wallet_frozen, t.operation_type as cause, h.transaction_hash,
                h.finality
            from api.ownership_history h
            left join api.asset_transactions t on t.chain_id = h.chain_id and t.asset_id = h.asset_id
                and t.block_number = h.block_number and t.transaction_hash = h.transaction_hash
            where h.asset_id = $1 and h.holder_bytes = $2
            order by h.block_number, h.log_index";
        let query = sqlx::query_as(sql).bind(asset).bind(wallet.as_slice());
        Ok(query.fetch_all(&mut self.connection).await?)
    }

    /// What was done to a token beyond plain transfers, in the order of the chain.
    pub(crate) async fn operations(&mut self, asset: Uuid) -> Result<Vec<Operation>> {
        let sql = "select block_number, operation_type, from_address, to_address, amount::text, executed_by
            from api.asset_operations where asset_id = $1 order by block_number, log_index";
        Ok(sqlx::query_as(sql).bind(asset).fetch_all(&mut self.connection).await?)
    }

    /// All versions of all claims.
    pub(crate) async fn claims(&mut self) -> Result<Vec<Claim>> {
        let sql =
            "select identity, claim_id, claim_type, issuer, status, signed_by_issuer, claim_data, from_block
            from api.identity_claims
            order by min(from_block) over (partition by identity), identity, from_block, from_log";
        Ok(sqlx::query_as(sql).fetch_all(&mut self.connection).await?)
    }

    /// The newest transactions.
    pub(crate) async fn transactions(&mut self, most: i64) -> Result<Vec<Transaction>> {
        let sql = "select t.block_number, a.symbol, t.operation_type, t.amount::text, t.event_count,
                t.transfer_count, t.transaction_hash, t.status
            from api.asset_transactions t left join api.assets a on a.chain_id = t.chain_id and a.id = t.asset_id
            order by t.block_number desc, t.log_index desc limit $1";
        Ok(sqlx::query_as(sql).bind(most).fetch_all(&mut self.connection).await?)
    }

    /// What the register says of these wallets in a token, in their order. Of a wallet that never held the token, the
    /// verdict comes from `chain.verdict`, as no row of `api.asset_holders` could tell it.
    pub(crate) async fn positions(&mut self, asset: Uuid, wallets: &[Address]) -> Result<Vec<Position>> {
        let sql = "select api.hex(w.wallet) as wallet, coalesce(h.balance_base, 0)::text as balance,
                coalesce(h.frozen_base, 0)::text as frozen, coalesce(h.wallet_frozen, false) as wallet_frozen,
                case
                    when h.holder_bytes is not null then h.verified
                    when v.verdict <> 'undetermined' then v.verdict = 'verified'
                end as verified,
                coalesce(h.country, v.country, 0) as country, coalesce(h.identity, api.hex(v.identity)) as identity
            from unnest($2::bytea[]) with ordinality w(wallet, place)
            join api.assets a on a.id = $1
            left join api.asset_holders h on h.asset_id = a.id and h.holder_bytes = w.wallet
            left join lateral chain.verdict(a.chain_id, api.address(a.identity_registry), w.wallet) v
                on a.identity_registry is not null
            order by w.place";
        let wallets: Vec<&[u8]> = wallets.iter().map(|wallet| wallet.as_slice()).collect();
        Ok(sqlx::query_as(sql).bind(asset).bind(wallets).fetch_all(&mut self.connection).await?)
    }

    /// Whom a registry of trusted issuers trusts, and for which topics.
    pub(crate) async fn trusted_issuers(
        &mut self,
        registry: Address,
    ) -> Result<BTreeMap<String, Vec<String>>> {
        let sql = "select issuer, topics from api.verification_providers
            where registry_bytes = $1 and status = 'trusted'";
        let query = sqlx::query_as(sql).bind(registry.as_slice().to_vec());
        let rows: Vec<(String, Vec<String>)> = query.fetch_all(&mut self.connection).await?;
        Ok(rows.into_iter().collect())
    }
}
