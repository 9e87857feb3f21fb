//! What the tables should hold, computed from the documents alone.
//!
//! An oracle for the indexer's tests. It was written from `domain.md`, the schema's comments, the decisions and the
//! contracts' own sources by somebody who had not read the indexer's decoding and folding, and shares no code with
//! them: ABI words are read by hand, topic hashes are computed from Solidity's texts, and every answer comes from one
//! replay of the whole chain from genesis. It knows no undo, no batches, no late discovery: it reads the chain again
//! until no contract is left to be found, and then replays it with all of them known from the start. That is what the
//! indexer's tables must equal after any history (decision 4).
//!
//! - [`tables`] computes the rows of every table it covers ([`compare::KEYS`]) in a neutral form.
//! - [`compare::differences`] says where another set of rows differs, by table, key and column.
//! - [`check::violations`] finds what cannot be, whoever computed the rows.
//! - [`noise`] writes logs of every event of a role, for simulations.
//! - [`verdict::verdict`] is what an identity registry's `isVerified` answers.
//!
//! Not covered: contracts whose indexing begins late on purpose (`partial`), contracts that are still catching up, and
//! the ground tables `configured_contracts`, `observations` and `transaction_inputs`, which hold what the indexer asked
//! and not what the chain says.

#![forbid(unsafe_code)]
#![warn(missing_docs, missing_debug_implementations)]

pub mod check;
mod closure;
pub mod compare;
mod day;
mod document;
mod events;
mod identity;
mod input;
mod module;
pub mod noise;
mod operation;
mod registry;
mod row;
mod signatures;
mod token;
mod transfer;
pub mod verdict;
mod words;

use std::collections::BTreeMap;

use alloy::primitives::Address;
use serde_json::Value;

use closure::{Followed, called_identities, closure, row_of};
use events::{Event, read};
use identity::Identities;
pub use input::{Answer, Ask, Block, Chain, Configured, Log, Transaction};
use module::Modules;
use registry::Registries;
use row::{Here, hash_or_null, hex, row, time};
pub use row::{NO_ROW, Row, Tables};
use token::Tokens;

/// The rows of every covered table once the chain's blocks up to and including `through` are indexed, sorted by key.
///
/// `ask` answers calls as the contracts did at the end of a block; only what no log tells is asked.
pub fn tables(chain: &Chain, through: u64, ask: Ask<'_>) -> Tables {
    let end = chain.blocks.iter().take_while(|block| block.number <= through).count();
    let blocks = &chain.blocks[..end];
    let known = closure(chain, blocks);
    let mut events = Vec::new();
    let mut tokens = Tokens::default();
    let mut identities = Identities::default();
    let mut registries = Registries::default();
    let mut modules = Modules::default();
    let mut first_seen: BTreeMap<Address, &Block> = BTreeMap::new();
    for block in blocks {
        for log in &block.logs {
            let Some(contract) = known.get(&log.address).filter(|it| it.start_block <= block.number) else {
                continue;
            };
            first_seen.entry(log.address).or_insert(block);
            let here = Here { chain_id: chain.chain_id, block, log };
            let role = contract.role.as_str();
            let event = read(role, log);
            events.push(event_row(role, here, event.as_ref()));
            if is_asset(role) {
                tokens.take(role, here, event.as_ref(), ask);
            }
            if role == "compliance_module" {
                modules.take(here, event.as_ref(), ask);
            }
            let Some(event) = event else {
                continue;
            };
            registries.permit(role, here, &event);
            registries.point(role, here, &event);
            match role {
                "identity" => identities.take(chain, here, &event),
                "id_factory" => identities.link(here, &event),
                "identity_registry_storage" => registries.store(here, &event, &known, ask),
                "trusted_issuers_registry" => registries.trust(here, &event),
                "claim_topics_registry" => registries.require(here, &event),
                _ => {}
            }
        }
    }
    let contracts = known.iter().map(|(address, followed)| row_of(chain.chain_id, *address, followed));
    let mut tables = Tables::from([
        ("asset_events", events),
        ("contracts", contracts.collect()),
        ("identities", identity_rows(chain.chain_id, &known, blocks, &first_seen)),
        ("identity_keys", identities.keys.into_rows()),
        ("identity_claims", identities.claims.into_rows()),
        ("identity_links", identities.links.into_rows()),
        ("claim_revocations", identities.revocations),
        ("registrations", registries.registrations.into_rows()),
        ("verification_providers", registries.issuers.into_rows()),
        ("required_topics", registries.topics.into_rows()),
        ("contract_links", registries.links.into_rows()),
        ("asset_permissions", registries.permissions.into_rows()),
    ]);
    tables.extend(tokens.into_tables());
    tables.extend(modules.into_tables());
    for (table, rows) in &mut tables {
        rows.sort_by_cached_key(|row| compare::key(table, row));
    }
    tables
}

fn is_asset(role: &str) -> bool {
    matches!(role, "erc20" | "trex_token")
}

/// The row of `asset_events`. `unreadable` is true where there is a reason: its words are not specified.
fn event_row(role: &str, here: Here<'_>, event: Option<&Event>) -> Row {
    let topic = |place: usize| hash_or_null(here.log.topics.get(place));
    row! {
        "chain_id" => here.chain_id,
        "block_number" => here.number(),
        "log_index" => here.index(),
        "part" => 0,
        "asset_id" => is_asset(role).then(|| hex(here.log.address)),
        "block_hash" => hex(here.block.hash),
        "block_timestamp" => here.at(),
        "transaction_hash" => here.transaction(),
        "transaction_index" => here.log.transaction_index,
        "address" => hex(here.log.address),
        "role" => role,
        "event_type" => event.map(|event| event.name),
        "event_data" => event.map(Event::to_json),
        "unreadable" => if event.is_none() { Value::from(true) } else { Value::Null },
        "topic0" => topic(0),
        "topic1" => topic(1),
        "topic2" => topic(2),
        "topic3" => topic(3),
        "data" => hex(&here.log.data),
        "withheld" => Value::Null,
    }
}

/// The rows of `identities`: whatever is followed as one, also before it has logged anything, and whatever a followed
/// contract calls one, because other rows name it.
fn identity_rows(
    chain_id: u64,
    known: &BTreeMap<Address, Followed>,
    blocks: &[Block],
    first_seen: &BTreeMap<Address, &Block>,
) -> Vec<Row> {
    let mut identities = called_identities(known, blocks);
    let is_identity = |address: &Address| known.get(address).is_some_and(|it| it.role == "identity");
    identities.extend(known.keys().filter(|address| is_identity(address)));
    identities
        .into_iter()
        .map(|address| {
            let first = first_seen.get(&address).filter(|_| is_identity(&address));
            row! {
                "chain_id" => chain_id,
                "onchain_id" => hex(address),
                "first_block" => first.map(|block| block.number),
                "first_at" => first.map(|block| time(block.timestamp)),
            }
        })
        .collect()
}
