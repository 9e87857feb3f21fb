//! Tokens: supply, holders, freezes, and what each transaction was.
//!
//! `Transfer` alone moves balances (domain.md, fact 7); `TokensFrozen` is a delta on T-REX (fact 11); a freeze outlives
//! the balance (fact 9).

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, B256, U256};
use serde_json::Value;

use crate::day::Days;
use crate::document::Documents;
use crate::events::Event;
use crate::input::{Answer, Ask};
use crate::operation;
use crate::row::{Here, Row, Squares, Sum, hex, row};
use crate::words::{self, Datum, Type};

/// What tokens leave behind.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    tokens: BTreeMap<Address, Token>,
    history: Vec<Row>,
    operations: Vec<Row>,
    transactions: BTreeMap<(Address, B256), Transaction>,
    days: Days,
    documents: Documents,
}

#[derive(Debug, Default)]
struct Token {
    facts: Row,
    holders: BTreeMap<Address, Holder>,
    agents: BTreeSet<Address>,
    supply: Sum,
    was_negative: bool,
    exceeded: bool,
    unreadable: u64,
}

/// A wallet's position; its row once something changed it.
#[derive(Debug, Default)]
struct Holder {
    balance: Sum,
    frozen: Sum,
    wallet_frozen: bool,
    row: Option<Row>,
}

#[derive(Debug, Default)]
struct Transaction {
    row: Row,
    kinds: BTreeSet<&'static str>,
    events: u64,
    transfers: u64,
    amount: Sum,
}

impl Tokens {
    /// Takes the next log of a token.
    pub(crate) fn take(&mut self, role: &str, here: Here<'_>, event: Option<&Event>, ask: Ask<'_>) {
        let address = here.log.address;
        let token = self.tokens.entry(address).or_insert_with(|| Token::new(role, here, ask));
        let key = (address, here.log.transaction_hash);
        let transaction = self.transactions.entry(key).or_insert_with(|| Transaction::new(here));
        transaction.events += 1;
        let Some(event) = event else {
            token.unreadable += 1;
            return;
        };
        if event.name == "Transfer" && event.address("from").is_zero() && !event.number("value").is_zero() {
            token.introduce(here, ask);
        }
        token.describe(here, event, ask);
        for wallet in token.change(event) {
            self.history.push(token.note(wallet, here));
        }
        if event.name == "Transfer" {
            transaction.transfers += 1;
            transaction.amount.add(event.number("value"));
        }
        self.days.take(here, event, &token.totals());
        self.documents.take(here, event);
        let first_log = &transaction.row["log_index"];
        if let Some((kind, row)) = operation::of(role, here, event, first_log, &token.agents) {
            transaction.kinds.insert(kind);
            self.operations.extend(row);
        }
        token.appoint(event);
    }

    /// The rows of all tables about tokens.
    pub(crate) fn into_tables(self) -> [(&'static str, Vec<Row>); 7] {
        let mut assets = Vec::new();
        let mut holders = Vec::new();
        for token in self.tokens.into_values() {
            let totals = token.totals();
            let mut facts = token.facts;
            facts.extend(totals);
            facts.insert("negative_balance", Value::from(token.was_negative));
            facts.insert("exceeds_uint256", Value::from(token.exceeded));
            facts.insert("unreadable_logs", Value::from(token.unreadable));
            assets.push(facts);
            holders.extend(token.holders.into_values().filter_map(|holder| holder.row));
        }
        [
            ("assets", assets),
            ("asset_holders", holders),
            ("ownership_history", self.history),
            ("asset_operations", self.operations),
            ("asset_transactions", self.transactions.into_values().map(Transaction::into_row).collect()),
            ("asset_days", self.days.into_rows()),
            ("asset_documents", self.documents.into_rows()),
        ]
    }
}

impl Token {
    fn new(role: &str, here: Here<'_>, ask: Ask<'_>) -> Self {
        let is_security = role == "trex_token";
        Self {
            facts: row! {
                "chain_id" => here.chain_id,
                "contract_address" => hex(here.log.address),
                "asset_type" => if is_security { "erc3643" } else { "erc20" },
                "name" => ask_text("name()", here, ask),
                "symbol" => ask_text("symbol()", here, ask),
                "decimals" => ask_small("decimals()", &Type::Uint(8), here, ask),
                "version" => Value::Null,
                "paused" => if is_security { ask_small("paused()", &Type::Bool, here, ask) } else { Value::Null },
                "complete_from" => Value::Null,
                "created_block" => here.number(),
                "created_at" => here.at(),
            },
            ..Self::default()
        }
    }

    /// A proxy that logged before it was initialized, something that no token logs, had nothing to say of itself: it is asked
    /// again at a mint in another block, as long as nobody holds any and it says nothing.
    fn introduce(&mut self, here: Here<'_>, ask: Ask<'_>) {
        let says = |fact: &str| !matches!(&self.facts[fact], Value::Null) && self.facts[fact] != "";
        let is_known = says("name") || says("symbol") || self.facts["decimals"].as_u64().unwrap_or(0) != 0;
        if is_known || self.unreadable == 0 || self.facts["created_block"] == here.number() {
            return;
        }
        let totals = self.totals();
        if totals["total_supply"] != "0" || totals["holder_count"] != 0 {
            return;
        }
        self.facts.insert("name", ask_text("name()", here, ask));
        self.facts.insert("symbol", ask_text("symbol()", here, ask));
        self.facts.insert("decimals", ask_small("decimals()", &Type::Uint(8), here, ask));
    }

    /// What all positions come to, counted anew.
    fn totals(&self) -> Row {
        let (mut frozen, mut squares) = (Sum::default(), Squares::default());
        for holder in self.holders.values() {
            frozen.include_sum(holder.frozen);
            squares.include(&holder.balance);
        }
        row! {
            "total_supply" => self.supply.text(),
            "holder_count" => self.holders.values().filter(|holder| !holder.balance.is_zero()).count(),
            "frozen" => frozen.text(),
            "squares" => squares.text(),
        }
    }

    /// What an event says of the token itself.
    fn describe(&mut self, here: Here<'_>, event: &Event, ask: Ask<'_>) {
        match event.name {
            "Paused" | "Unpaused" => {
                self.facts.insert("paused", Value::from(event.name == "Paused"));
            }
            "UpdatedTokenInformation" => {
                // Observed, also where a T-REX 3 token logs the texts themselves.
                self.facts.insert("name", ask_text("name()", here, ask));
                self.facts.insert("symbol", ask_text("symbol()", here, ask));
                // The first such event of a security that logged before it was initialized: it may be paused since.
                let is_initialized =
                    self.facts["version"].is_null() && self.facts["created_block"] != here.number();
                if self.facts["asset_type"] == "erc3643" && self.unreadable > 0 && is_initialized {
                    match ask_small("paused()", &Type::Bool, here, ask) {
                        Value::Null => {}
                        said => drop(self.facts.insert("paused", said)),
                    }
                }
                self.facts.insert("decimals", Value::from(event.number("_newDecimals").to::<u64>()));
                self.facts.insert("version", event.shown_text("_newVersion", words::SHORT));
            }
            _ => {}
        }
    }

    /// Who may act for the token from here on; nobody's address is no agent.
    fn appoint(&mut self, event: &Event) {
        match event.name {
            "AgentAdded" if !event.address("_agent").is_zero() => {
                self.agents.insert(event.address("_agent"));
            }
            "AgentRemoved" => {
                self.agents.remove(&event.address("_agent"));
            }
            _ => {}
        }
    }

    /// Moves and freezes units; returns the wallets whose position changed.
    fn change(&mut self, event: &Event) -> Vec<Address> {
        match event.name {
            "Transfer" => self.transfer(event.address("from"), event.address("to"), event.number("value")),
            "TokensFrozen" | "TokensUnfrozen" => {
                let (wallet, amount) = (event.address("_userAddress"), event.number("_amount"));
                if amount.is_zero() {
                    return Vec::new();
                }
                let holder = self.holders.entry(wallet).or_default();
                if event.name == "TokensFrozen" {
                    holder.frozen.add(amount);
                } else {
                    holder.frozen.take(amount);
                }
                vec![wallet]
            }
            "AddressFrozen" => {
                let (wallet, is_frozen) = (event.address("_userAddress"), event.flag("_isFrozen"));
                let holder = self.holders.entry(wallet).or_default();
                let changes = holder.wallet_frozen != is_frozen;
                holder.wallet_frozen = is_frozen;
                changes.then_some(wallet).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    fn transfer(&mut self, from: Address, to: Address, amount: U256) -> Vec<Address> {
        if from == to {
            // Nothing moves; but who did not have so much has spent what no log had given.
            let mut rest = self.holders.get(&from).map(|holder| holder.balance).unwrap_or_default();
            rest.take(amount);
            self.was_negative |= rest.is_negative() && !from.is_zero();
        }
        if from == to || amount.is_zero() {
            return Vec::new();
        }
        let mut changed = Vec::new();
        if from.is_zero() {
            self.supply.add(amount);
        } else {
            self.holders.entry(from).or_default().balance.take(amount);
            changed.push(from);
        }
        if to.is_zero() {
            self.supply.take(amount);
        } else {
            self.holders.entry(to).or_default().balance.add(amount);
            changed.push(to);
        }
        changed
    }

    /// Writes a changed position down: into the register, and as a row of its past.
    fn note(&mut self, wallet: Address, here: Here<'_>) -> Row {
        let holder = self.holders.get_mut(&wallet).expect("it has just changed");
        self.was_negative |= holder.balance.is_negative() || holder.frozen.is_negative();
        self.exceeded |= [holder.balance, holder.frozen, self.supply].iter().any(Sum::exceeds_uint256);
        let (balance, frozen) = (holder.balance.text(), holder.frozen.text());
        let first_block = holder.row.as_ref().map_or_else(|| here.number(), |row| row["first_block"].clone());
        holder.row = Some(row! {
            "chain_id" => here.chain_id,
            "asset_id" => hex(here.log.address),
            "holder" => hex(wallet),
            "balance" => balance.clone(),
            "frozen" => frozen.clone(),
            "wallet_frozen" => holder.wallet_frozen,
            "first_block" => first_block,
            "updated_block" => here.number(),
            "updated_at" => here.at(),
        });
        row! {
            "chain_id" => here.chain_id,
            "asset_id" => hex(here.log.address),
            "holder" => hex(wallet),
            "block_number" => here.number(),
            "log_index" => here.index(),
            "balance" => balance,
            "frozen" => frozen,
            "wallet_frozen" => holder.wallet_frozen,
            "block_hash" => hex(here.block.hash),
            "timestamp" => here.at(),
            "transaction_hash" => here.transaction(),
        }
    }
}

impl Transaction {
    fn new(here: Here<'_>) -> Self {
        Self {
            row: row! {
                "chain_id" => here.chain_id,
                "block_number" => here.number(),
                "log_index" => here.index(),
                "part" => 0,
                "asset_id" => hex(here.log.address),
                "block_hash" => hex(here.block.hash),
                "block_timestamp" => here.at(),
                "transaction_hash" => here.transaction(),
                "transaction_index" => here.log.transaction_index,
            },
            ..Self::default()
        }
    }

    fn into_row(mut self) -> Row {
        if self.kinds.is_empty() {
            self.kinds.insert("other");
        }
        let kinds: Vec<_> = operation::weightiest(&self.kinds).into_iter().collect();
        self.row.insert("operation_type", Value::from(kinds.join("|")));
        self.row.insert("event_count", Value::from(self.events));
        self.row.insert("transfer_count", Value::from(self.transfers));
        self.row.insert("amount", self.amount.text());
        self.row
    }
}

/// A text that a contract answers: a string, or 32 bytes padded with NUL as some old tokens do.
pub(crate) fn ask_text(signature: &str, here: Here<'_>, ask: Ask<'_>) -> Value {
    let Answer::Returned(bytes) = ask(here.log.address, &words::call(signature, &[]), here.block.number)
    else {
        return Value::Null;
    };
    if let Some(Datum::Text(said)) = words::value(&Type::Text, &bytes, 0) {
        return Value::from(words::text(&said, words::SHORT));
    }
    match bytes.len() {
        32 => {
            Value::from(words::text(bytes.split(|byte| *byte == 0).next().unwrap_or_default(), words::SHORT))
        }
        _ => Value::Null,
    }
}

/// A value of one word that a contract answers.
fn ask_small(signature: &str, kind: &Type, here: Here<'_>, ask: Ask<'_>) -> Value {
    let Answer::Returned(bytes) = ask(here.log.address, &words::call(signature, &[]), here.block.number)
    else {
        return Value::Null;
    };
    match words::value(kind, &bytes, 0) {
        Some(Datum::Small(small)) => Value::from(small),
        Some(Datum::Bool(flag)) => Value::from(flag),
        _ => Value::Null,
    }
}
