//! What the tables must hold: a fold of the workload that shares nothing with the program's, and the comparison.

use std::collections::HashMap;
use std::error::Error;

use alloy::primitives::Address;
use sqlx::PgConnection;

use crate::chain::{Chain, NOBODY};
use crate::ledger::Ledger;

/// Differences that are listed; the rest is counted.
const SHOWN_MAX: usize = 5;

/// A wallet's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    balance: u128,
    first_block: u64,
    updated_block: u64,
}

/// A token's row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Token {
    supply: u128,
    holders: u64,
}

/// Numbers over all rows of the append-only tables.
#[derive(Debug, Default, PartialEq, Eq)]
struct Totals {
    events: u64,
    /// Sum of the values that the events carry.
    moved: u128,
    /// Rows of `ownership_history`.
    changes: u64,
    /// Sum of the balances in them: wrong as soon as one is.
    balances: u128,
    transactions: u64,
    /// Mints and burns.
    operations: u64,
}

/// See the module.
pub struct Register {
    positions: HashMap<(Address, Address), Position>,
    tokens: HashMap<Address, Token>,
    totals: Totals,
}

impl Register {
    /// Folds a chain.
    pub fn of(chain: &Chain) -> Self {
        let mut register =
            Self { positions: HashMap::new(), tokens: HashMap::new(), totals: Totals::default() };
        let mut open = None;
        for (block, _, transfer) in chain.logs(1, chain.head()) {
            let token = chain.tokens()[transfer.token as usize];
            register.totals.events += 1;
            register.totals.moved += transfer.amount;
            let transaction = (block, transfer.transaction, transfer.token);
            register.totals.transactions += u64::from(open.replace(transaction) != Some(transaction));
            let supply = &mut register.tokens.entry(token).or_default().supply;
            if transfer.from == NOBODY {
                *supply += transfer.amount;
            }
            if transfer.to == NOBODY {
                *supply -= transfer.amount;
            }
            register.totals.operations += u64::from(transfer.from == NOBODY || transfer.to == NOBODY);
            if transfer.amount == 0 || transfer.from == transfer.to {
                continue;
            }
            if transfer.from != NOBODY {
                let key = (token, chain.holder(transfer.from));
                register.changed(key, block, |balance| balance - transfer.amount);
            }
            if transfer.to != NOBODY {
                let key = (token, chain.holder(transfer.to));
                register.changed(key, block, |balance| balance + transfer.amount);
            }
        }
        for ((token, _), position) in &register.positions {
            register.tokens.entry(*token).or_default().holders += u64::from(position.balance != 0);
        }
        register
    }

    /// A wallet has a row from the first change of its balance on, and one in its past for each.
    fn changed(&mut self, key: (Address, Address), block: u64, change: impl Fn(u128) -> u128) {
        let new = Position { balance: 0, first_block: block, updated_block: block };
        let position = self.positions.entry(key).or_insert(new);
        position.balance = change(position.balance);
        position.updated_block = block;
        self.totals.changes += 1;
        self.totals.balances += position.balance;
    }

    /// How many wallets have a row.
    pub fn positions(&self) -> usize {
        self.positions.len()
    }

    /// How many rows the wallets' past has.
    pub fn changes(&self) -> u64 {
        self.totals.changes
    }

    /// Compares the tables with the fold, row for row.
    ///
    /// # Errors
    /// The differences.
    pub async fn compare(&self, connection: &mut PgConnection) -> Result<(), Box<dyn Error + Send + Sync>> {
        let mut differences = self.compare_positions(connection).await?;
        differences.extend(self.compare_tokens(connection).await?);
        let found = totals(connection).await?;
        if found != self.totals {
            differences.push(format!("totals: {found:?} instead of {:?}", self.totals));
        }
        let stale: i64 = sqlx::query_scalar(STALE).fetch_one(connection).await?;
        if stale != 0 {
            differences.push(format!("{stale} wallets whose row is not the last one of their past"));
        }
        Ok(refuse(differences)?)
    }

    /// Compares what another indexer left of the same workload: the number of logs, what each wallet holds (a wallet
    /// without a row holds nothing), and the past of all together.
    ///
    /// # Errors
    /// The first difference.
    pub fn compare_peer(
        &self,
        logs: u64,
        held: &[((Address, Address), u128)],
        changes: u64,
    ) -> Result<(), String> {
        let (mut rows, mut left) = (0, self.positions.clone());
        for (key, balance) in held.iter().filter(|(_, balance)| *balance != 0) {
            rows += 1;
            if left.remove(key).is_none_or(|position| position.balance != *balance) {
                return Err(format!("the peer says that {key:?} holds {balance}"));
            }
        }
        if let Some((key, position)) = left.iter().find(|(_, position)| position.balance != 0) {
            return Err(format!("the peer has no row of {key:?}, which holds {}", position.balance));
        }
        let (found, wanted) = ((logs, changes), (self.totals.events, self.totals.changes));
        if found != wanted {
            return Err(format!(
                "the peer has (logs, changes) {found:?} instead of {wanted:?}, and {rows} holders"
            ));
        }
        Ok(())
    }

    async fn compare_positions(&self, connection: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
        type Row = (Vec<u8>, Vec<u8>, String, i64, i64);
        let rows: Vec<Row> = sqlx::query_as(
            "select a.contract_address::bytea, h.holder::bytea, h.balance::text, h.first_block, h.updated_block
             from chain.asset_holders h join chain.assets a on a.chain_id = h.chain_id and a.id = h.asset_id",
        )
        .fetch_all(connection)
        .await?;
        let mut missing = self.positions.clone();
        let mut differences = Vec::new();
        for (token, holder, balance, first_block, updated_block) in rows {
            let key = (Address::from_slice(&token), Address::from_slice(&holder));
            let found = (balance, first_block, updated_block);
            let wanted = missing.remove(&key).map(|position| {
                let blocks = (position.first_block as i64, position.updated_block as i64);
                (position.balance.to_string(), blocks.0, blocks.1)
            });
            if wanted.as_ref() != Some(&found) {
                differences.push(format!("{key:?}: {found:?} instead of {wanted:?}"));
            }
        }
        differences.extend(missing.iter().map(|(key, position)| format!("{key:?}: no row of {position:?}")));
        Ok(differences)
    }

    async fn compare_tokens(&self, connection: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
        let rows: Vec<(Vec<u8>, String, i64)> = sqlx::query_as(
            "select contract_address::bytea, total_supply::text, holder_count from chain.assets",
        )
        .fetch_all(connection)
        .await?;
        let mut missing = self.tokens.clone();
        let mut differences = Vec::new();
        for (token, supply, holders) in rows {
            let token = Address::from_slice(&token);
            let wanted = missing.remove(&token);
            if wanted.map(|token| (token.supply.to_string(), token.holders as i64)) != Some((supply, holders))
            {
                differences.push(format!("token {token} differs from {wanted:?}"));
            }
        }
        differences.extend(missing.keys().map(|token| format!("token {token} has no row")));
        Ok(differences)
    }
}

/// Refuses tables that differ, naming the first differences.
///
/// # Errors
/// When there are any.
pub fn refuse(mut differences: Vec<String>) -> Result<(), String> {
    if differences.is_empty() {
        return Ok(());
    }
    let count = differences.len();
    differences.truncate(SHOWN_MAX);
    Err(format!("the tables are wrong in {count} places: {}", differences.join("; ")))
}

/// Wallets whose present position is not what their past ends with.
const STALE: &str = "
    select count(*) from chain.asset_holders h left join (
        select distinct on (asset_id, holder) asset_id, holder, balance, block_number
        from chain.ownership_history order by asset_id, holder, block_number desc, log_index desc
    ) p using (asset_id, holder)
    where h.balance <> coalesce(p.balance, 0) or h.updated_block <> coalesce(p.block_number, h.first_block)";

async fn totals(connection: &mut PgConnection) -> Result<Totals, Box<dyn Error + Send + Sync>> {
    let (events, moved): (i64, String) = sqlx::query_as(
        "select count(*), coalesce(sum((event_data ->> 'value')::numeric), 0)::text from chain.asset_events
         where unreadable is null and event_type = 'Transfer'",
    )
    .fetch_one(&mut *connection)
    .await?;
    let (changes, balances): (i64, String) =
        sqlx::query_as("select count(*), coalesce(sum(balance), 0)::text from chain.ownership_history")
            .fetch_one(&mut *connection)
            .await?;
    let transactions: i64 = sqlx::query_scalar("select count(*) from chain.asset_transactions")
        .fetch_one(&mut *connection)
        .await?;
    let operations: i64 =
        sqlx::query_scalar("select count(*) from chain.asset_operations").fetch_one(connection).await?;
    Ok(Totals {
        events: events as u64,
        moved: moved.parse()?,
        changes: changes as u64,
        balances: balances.parse()?,
        transactions: transactions as u64,
        operations: operations as u64,
    })
}
