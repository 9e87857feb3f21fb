//! Any logs of known contracts, folded on the store in memory: block by block, with every block taken back once, and
//! all at once.
//!
//! Input, for each log: flags (1: a new block; 2: a new transaction), contract, event, number of topics, a code for
//! each further topic, number of data words, a code for each word.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use alloy::primitives::{Address, B256, U256, keccak256};
use alloy::sol_types::SolCall;
use asset_indexer::amount::Amount;
use asset_indexer::block::{BlockId, Header, RawLog, Transaction};
use asset_indexer::decode::calls;
use asset_indexer::fact::{Entry, Fact, Reading, Role};
use asset_indexer::id::asset_id;
use asset_indexer::row::{Class, Row, Table, Time, Value};
use asset_indexer::source::{CallAnswer, CallRequest};
use asset_indexer::store::memory::MemoryStore;
use asset_indexer::store::{Commit, Rollback, Section, Start, Store};
use asset_indexer::table;
use asset_indexer::table::asset::Asset;
use asset_indexer::table::event::AssetEvent;
use asset_indexer::table::fold::{Changes, Fold, Settings};
use asset_indexer::table::holder::AssetHolder;

use crate::decode::{DECODER, shape};
use crate::input::Input;
use crate::safe::assert_storable;

const CHAIN_ID: u64 = 1;
/// More logs than this say nothing new.
const LOGS_MAX: usize = 24;
/// More rounds of loading than any chain of needs is long.
const ROUNDS_MAX: usize = 64;

/// The contracts there are.
const ROLES: [Role; 14] = [
    Role::Erc20,
    Role::TrexToken,
    Role::IdentityRegistry,
    Role::IdentityRegistryStorage,
    Role::TrustedIssuersRegistry,
    Role::ClaimTopicsRegistry,
    Role::Compliance,
    Role::ComplianceModule,
    Role::TrexFactory,
    Role::IdFactory,
    Role::Identity,
    Role::Identity,
    Role::TrexToken,
    Role::Erc20,
];

fn contract(place: usize) -> Address {
    Address::repeat_byte(0x70 + (place % ROLES.len()) as u8)
}

/// A word by its code: nobody, wallets, contracts, small numbers, offsets, edges, or the 32 bytes that follow.
fn word(code: u8, input: &mut Input<'_>) -> B256 {
    let number = |number: U256| B256::from(number);
    match code {
        0 => B256::ZERO,
        1..=8 => Address::repeat_byte(0xa0 + code).into_word(),
        9..=22 => contract(usize::from(code - 9)).into_word(),
        23..=99 => number(U256::from(code - 23)),
        100..=131 => number(U256::from(u32::from(code - 100) * 32)),
        132 => number(U256::MAX),
        133 => number(U256::MAX >> 1),
        134 => number(U256::from(u64::MAX)),
        135 => B256::repeat_byte(0xa1),
        136..=199 => keccak256([code]),
        _ => input.word(),
    }
}

fn blocks(bytes: &[u8]) -> Vec<Vec<Entry>> {
    let mut input = Input::new(bytes);
    let mut blocks: Vec<Vec<Entry>> = vec![Vec::new()];
    let (mut logs, mut transaction) = (0, 0);
    while !input.is_empty() && logs < LOGS_MAX {
        let flags = input.byte();
        if flags & 1 != 0 {
            blocks.push(Vec::new());
            transaction = 0;
        } else if flags & 2 != 0 {
            transaction += 1;
        }
        let place = usize::from(input.byte()) % ROLES.len();
        let (event, count) = (input.byte(), input.byte());
        let (topic0, count) = shape(ROLES[place], event, count, || B256::ZERO);
        let mut topics = vec![topic0];
        for _ in 1..count.min(4) {
            let code = input.byte();
            topics.push(word(code, &mut input));
        }
        topics.truncate(count);
        let mut data = Vec::new();
        for _ in 0..input.byte() % 16 {
            let code = input.byte();
            data.extend_from_slice(word(code, &mut input).as_slice());
        }
        let number = blocks.len() as u64;
        let block = header(number).id;
        let log = RawLog {
            block,
            log_index: blocks.last().map_or(0, |entries| entries.len() as u32),
            transaction_hash: keccak256([number as u8, transaction]),
            transaction_index: u32::from(transaction),
            address: contract(place),
            topics,
            data: data.into(),
            timestamp: Some(header(number).timestamp),
            withheld: None,
        };
        let role = ROLES[place];
        let asset_id = role.is_token().then(|| asset_id(CHAIN_ID, log.address));
        let time = Time::from_seconds(header(number).timestamp);
        let reading = DECODER.read(role, &log);
        if let Some(entries) = blocks.last_mut() {
            entries.push(Entry { log, time, role, asset_id, reading });
        }
        logs += 1;
    }
    blocks
}

fn header(number: u64) -> Header {
    let hash = |number: u64| keccak256(number.to_be_bytes());
    let id = BlockId { number, hash: hash(number) };
    Header { id, parent: hash(number.wrapping_sub(1)), timestamp: 1_700_000_000 + 12 * number }
}

/// What a contract answers: anything, the same whenever it is asked at one block.
fn answer(request: &CallRequest) -> CallAnswer {
    let named = [request.target.as_slice(), &request.input, &request.block.number.to_be_bytes()].concat();
    let chance = keccak256(named);
    match chance[0] % 8 {
        0 => CallAnswer::Reverted,
        1 => CallAnswer::StateUnavailable,
        2 => CallAnswer::Returned(chance[..usize::from(chance[1] % 40).min(32)].to_vec().into()),
        3 => CallAnswer::Returned(
            [U256::from(32).to_be_bytes::<32>(), U256::from(3).to_be_bytes(), chance.0].concat().into(),
        ),
        4 => CallAnswer::Returned(chance.to_vec().into()),
        _ => CallAnswer::Returned(U256::from(chance[2]).to_be_bytes::<32>().to_vec().into()),
    }
}

/// What a transaction asked for.
fn transaction(block: BlockId, index: u32) -> Transaction {
    let chance = keccak256([block.hash.as_slice(), &index.to_be_bytes()].concat());
    let selectors = [
        calls::transferCall::SELECTOR,
        calls::forcedTransferCall::SELECTOR,
        calls::batchForcedTransferCall::SELECTOR,
        calls::updateIdentityCall::SELECTOR,
        calls::modifyStoredIdentityCall::SELECTOR,
        [0; 4],
    ];
    let mut input = selectors[usize::from(chance[0]) % selectors.len()].to_vec();
    for at in [1, 2] {
        input.extend_from_slice(Address::repeat_byte(0xa1 + chance[at] % 4).into_word().as_slice());
    }
    input.truncate(if chance[3] == 0 { 10 } else { input.len() });
    let to = (chance[4] % 4 != 0).then(|| contract(usize::from(chance[5])));
    Transaction { block, hash: chance, index, from: Address::repeat_byte(0xa1), to, input: input.into() }
}

/// The store in memory is never waited for.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the store in memory waits for nobody"),
    }
}

fn folded(store: &MemoryStore, entries: &[Entry]) -> Changes {
    let mut fold = Fold::new(Settings { chain_id: CHAIN_ID, ..Settings::default() });
    for _ in 0..ROUNDS_MAX {
        if fold.fold(entries).is_ok() {
            return fold.take();
        }
        for load in fold.loads() {
            let rows = now(store.load(&load)).expect("the store in memory answers");
            assert!(fold.loaded(&load, rows), "rows of {} fit", load.table.name);
        }
        for call in fold.wanted_calls() {
            let said = answer(&call);
            fold.answered(call, said);
        }
        for (block, index) in fold.wanted_inputs() {
            fold.fetched(transaction(block, index));
        }
    }
    panic!("folding {} logs never ends", entries.len());
}

fn begun() -> MemoryStore {
    let store = MemoryStore::new();
    let start = Start {
        genesis: header(0).id.hash,
        block: header(0),
        finalized: header(0).id,
        changes: Changes::default(),
        defers_indexes: false,
    };
    now(store.start(&start)).expect("a fresh store starts");
    store
}

fn commit(from: u64, to: u64, undo_block: Option<u64>, changes: Changes) -> Commit {
    Commit {
        expected: header(from).id,
        next: header(to),
        finalized: header(0).id,
        sections: vec![Section { undo_block, changes }],
        evidence: Vec::new(),
    }
}

type Dump = BTreeMap<&'static str, Vec<Row>>;

fn dump(store: &MemoryStore) -> Dump {
    let tables = table::ALL.into_iter().filter(|table| table.class != Class::Operation);
    tables.map(|table| (table.name, now(store.dump(table)).expect("it can be read"))).collect()
}

/// Folds them: rows are storable, sums are the sums of what was logged, a block taken back leaves nothing, and one
/// batch gives the rows that blocks give.
pub fn fold(bytes: &[u8]) {
    let blocks = blocks(bytes);
    let store = begun();
    let mut before = dump(&store);
    for (place, entries) in blocks.iter().enumerate() {
        let (below, number) = (place as u64, place as u64 + 1);
        let changes = folded(&store, entries);
        for (table, rows) in changes.inserts.iter().chain(&changes.upserts) {
            rows.iter().for_each(|row| assert_storable(table, row));
        }
        let commit = commit(below, number, Some(number), changes);
        now(store.commit(&commit)).expect("it commits");
        let after = dump(&store);
        let rollback = Rollback {
            expected: header(number).id,
            ancestor: header(below),
            replaced_by: B256::ZERO,
            reason: "reorg".to_owned(),
        };
        now(store.rollback(&rollback)).expect("it rolls back");
        assert_eq!(dump(&store), before, "block {number} was taken back");
        now(store.commit(&commit)).expect("it commits again");
        assert_eq!(dump(&store), after);
        before = after;
    }
    let all: Vec<Entry> = blocks.iter().flatten().cloned().collect();
    assert_sums(&before, &all);
    assert_versions(&before);
    let at_once = begun();
    let changes = folded(&at_once, &all);
    now(at_once.commit(&commit(0, blocks.len() as u64, None, changes))).expect("it commits");
    for (name, rows) in dump(&at_once) {
        assert_eq!(rows, before[name], "{name}: at once against block by block");
    }
}

fn typed<T: Table>(dump: &Dump) -> Vec<T> {
    dump[T::DEF.name]
        .iter()
        .map(|row| T::from_row(row.clone()).expect("rows fit their declaration"))
        .collect()
}

/// Balances and supply against a count that knows nothing of the fold.
fn assert_sums(dump: &Dump, entries: &[Entry]) {
    assert_eq!(dump[AssetEvent::DEF.name].len(), entries.len(), "every log is kept");
    let mut balances: BTreeMap<(Address, Address), Amount> = BTreeMap::new();
    let mut supply: BTreeMap<Address, Amount> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.role.is_token()) {
        let token = entry.log.address;
        let total = supply.entry(token).or_default();
        let Reading::Event { fact: Fact::Transferred { from, to, amount }, .. } = &entry.reading else {
            continue;
        };
        // A transfer of nothing, or to oneself, makes nobody a holder.
        if amount.is_zero() || from == to {
            continue;
        }
        let amount = Amount::from(*amount);
        if from.is_zero() {
            *total = total.plus(amount);
        } else {
            let balance = balances.entry((token, *from)).or_default();
            *balance = balance.minus(amount);
        }
        if to.is_zero() {
            *total = total.minus(amount);
        } else {
            let balance = balances.entry((token, *to)).or_default();
            *balance = balance.plus(amount);
        }
    }
    let assets: Vec<Asset> = typed(dump);
    assert_eq!(assets.len(), supply.len());
    for asset in &assets {
        let token = asset.contract_address;
        assert_eq!(asset.total_supply, supply[&token], "{token}");
        let held = balances.iter().filter(|((of, _), balance)| *of == token && !balance.is_zero()).count();
        assert_eq!(asset.holder_count, held as u64, "holders of {token}");
        let unreadable =
            entries.iter().filter(|entry| entry.log.address == token && entry.fact().is_none()).count();
        assert_eq!(asset.unreadable_logs, unreadable as u64, "unreadable logs of {token}");
    }
    let holders: Vec<AssetHolder> = typed(dump);
    for ((token, wallet), balance) in &balances {
        let row =
            holders.iter().find(|row| row.asset_id == asset_id(CHAIN_ID, *token) && row.holder == *wallet);
        assert_eq!(row.map(|row| row.balance), Some(*balance), "{wallet} of {token}");
    }
}

/// Of a thing's versions the last may be open, and each other ends where the next begins or before.
fn assert_versions(dump: &Dump) {
    for table in table::ALL {
        let Some(thing) = table.thing_len else { continue };
        let place = |name: &str| table.column(name).expect("versioned tables have it");
        let (from, to) = ([place("from_block"), place("from_log")], [place("to_block"), place("to_log")]);
        for pair in dump[table.name].windows(2).filter(|pair| pair[0][..thing] == pair[1][..thing]) {
            let at = |row: &Row, places: [usize; 2]| places.map(|place| row[place].clone());
            let (ended, begun) = (at(&pair[0], to), at(&pair[1], from));
            assert!(!ended.contains(&Value::Null), "{}: two open versions", table.name);
            assert!(ended <= begun, "{}: versions overlap: {pair:?}", table.name);
        }
    }
}
