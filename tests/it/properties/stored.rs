//! Numbers and texts at their edges through COPY, upsert, the undo journal and back: PostgreSQL against memory.

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use asset_indexer::amount::{Amount, Squares};
use asset_indexer::block::{BlockId, Header};
use asset_indexer::decode::text::{LONG_MAX, SHORT_MAX, storable};
use asset_indexer::id::{asset_id, fact_id, identity_id};
use asset_indexer::row::{Table, Time};
use asset_indexer::store::memory::MemoryStore;
use asset_indexer::store::{Commit, Rollback, Section, Store};
use asset_indexer::table::asset::Asset;
use asset_indexer::table::day::AssetDay;
use asset_indexer::table::event::AssetEvent;
use asset_indexer::table::fold::Changes;
use asset_indexer::table::identity::IdentityClaim;
use asset_indexer::table::registry::VerificationProvider;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value as Json, json};

use super::HOSTILE;
use crate::support::world::{CHAIN_ID, assert_equal, assert_same, beginning, database, dump, postgres_store};

const MEGABYTE: usize = 1 << 20;

fn header(number: u64) -> Header {
    let hash = |number: u64| keccak256(number.to_be_bytes());
    let timestamp = 1_700_000_000 + number;
    Header { id: BlockId { number, hash: hash(number) }, parent: hash(number.wrapping_sub(1)), timestamp }
}

/// Texts and numbers, the hostile ones first and then any.
struct Edges {
    rng: StdRng,
    place: usize,
}

impl Edges {
    fn text(&mut self, max: usize) -> String {
        self.place += 1;
        let hostile = HOSTILE.len();
        match self.place % (2 * hostile + 260) {
            place if place < hostile => HOSTILE[place].to_owned(),
            place if place < 2 * hostile => {
                let other = HOSTILE[self.rng.random_range(0..hostile)];
                format!("{other}{}{other}", HOSTILE[place - hostile])
            }
            // Every byte, among others.
            place if place < 2 * hostile + 256 => {
                let mut raw: Vec<u8> = (0..self.rng.random_range(0..40)).map(|_| self.rng.random()).collect();
                raw.push((place - 2 * hostile) as u8);
                storable(&raw, max)
            }
            _ => storable("é\\\t".repeat(max).as_bytes(), max),
        }
    }

    fn amount(&mut self) -> Amount {
        let (most, any) =
            (Amount::from(U256::MAX), Amount::from(U256::from_be_bytes(self.rng.random::<[u8; 32]>())));
        let many = (0..40).fold(Amount::ZERO, |sum, _| sum.plus(most));
        let widest = format!("-{}", "9".repeat(153)).parse().expect("153 digits fit 512 bits");
        let amounts = [
            Amount::ZERO,
            Amount::from(1),
            most,
            any,
            many,
            Amount::ZERO.minus(most),
            Amount::ZERO.minus(any),
            widest,
        ];
        amounts[self.rng.random_range(0..amounts.len())]
    }

    fn time(&mut self) -> Time {
        let any = self.rng.random_range(0..Time::MAX.0);
        [Time(0), Time(1), Time::MAX, Time(any), Time(951_782_400)][self.rng.random_range(0..5)]
    }

    fn bytes(&mut self) -> Bytes {
        let length = [0, 1, 31, 32, 65][self.rng.random_range(0..5)];
        (0..length).map(|_| self.rng.random::<u8>()).collect::<Vec<_>>().into()
    }

    fn json(&mut self, depth: usize) -> Json {
        match self.rng.random_range(0..if depth > 2 { 5 } else { 7 }) {
            0 => json!(self.amount().to_string()),
            1 => json!([0, 1, (1u64 << 48) - 1][self.rng.random_range(0..3)]),
            2 => json!(self.rng.random::<bool>()),
            3 => json!([-1, i64::MIN, i64::MAX][self.rng.random_range(0..3)]),
            4 => json!(self.text(200)),
            5 => Json::Array((0..self.rng.random_range(0..4)).map(|_| self.json(depth + 1)).collect()),
            _ => {
                let pairs = (0..self.rng.random_range(0..4)).map(|_| (self.text(40), self.json(depth + 1)));
                Json::Object(pairs.collect())
            }
        }
    }

    fn address(kind: u8, number: u64) -> Address {
        let mut bytes = [kind; 20];
        bytes[12..].copy_from_slice(&number.to_be_bytes());
        Address::from(bytes)
    }

    fn asset(&mut self, number: u64) -> Asset {
        let address = Self::address(1, number);
        Asset {
            chain_id: CHAIN_ID,
            id: asset_id(CHAIN_ID, address),
            contract_address: address,
            asset_type: "erc3643".to_owned(),
            name: Some(self.text(SHORT_MAX)),
            symbol: self.rng.random::<bool>().then(|| self.text(SHORT_MAX)),
            decimals: Some(u32::from(self.rng.random::<u8>())),
            version: Some(self.text(SHORT_MAX)),
            paused: [None, Some(true), Some(false)][self.rng.random_range(0..3)],
            total_supply: self.amount(),
            holder_count: [0, i64::MAX.unsigned_abs()][self.rng.random_range(0..2)],
            complete_from: None,
            negative_balance: self.rng.random(),
            exceeds_uint256: self.rng.random(),
            unreadable_logs: 0,
            created_block: 1,
            created_at: self.time(),
            frozen: self.amount(),
            squares: (0..3).fold(Squares::ZERO, |sum, _| sum.moved(Amount::ZERO, self.amount())),
        }
    }

    fn day(&mut self, number: u64, asset: &Asset) -> AssetDay {
        AssetDay {
            chain_id: CHAIN_ID,
            asset_id: asset.id,
            day: Time(86_400 * number as i64),
            transfers: 1,
            minted: self.amount(),
            burned: self.amount(),
            volume: self.amount(),
            total_supply: asset.total_supply,
            holder_count: asset.holder_count,
            frozen: asset.frozen,
            squares: asset.squares,
            updated_block: 1,
        }
    }

    fn event(&mut self, block: u64, log_index: u32) -> AssetEvent {
        let hash = header(block).id.hash;
        AssetEvent {
            chain_id: CHAIN_ID,
            block_number: block,
            log_index,
            part: 0,
            id: fact_id("asset_events", CHAIN_ID, block, hash, log_index, &[]),
            asset_id: None,
            block_hash: hash,
            block_timestamp: self.time(),
            transaction_hash: B256::from(self.rng.random::<[u8; 32]>()),
            transaction_index: self.rng.random(),
            address: Self::address(2, u64::from(log_index)),
            role: "erc20".to_owned(),
            event_type: Some(self.text(200)),
            event_data: Some(Json::Object([(self.text(40), self.json(0))].into_iter().collect()).into()),
            unreadable: None,
            topic0: None,
            topic1: Some(B256::repeat_byte(self.rng.random())),
            topic2: None,
            topic3: None,
            data: self.bytes(),
            withheld: Some("digest".to_owned()),
        }
    }

    fn provider(&mut self, number: u64) -> VerificationProvider {
        VerificationProvider {
            chain_id: CHAIN_ID,
            registry: Self::address(3, 0),
            issuer: Self::address(4, number),
            from_block: 1,
            from_log: 0,
            topics: (0..self.rng.random_range(0..5)).map(|_| self.amount()).collect(),
            from_at: self.time(),
            to_block: None,
            to_log: None,
            to_at: None,
        }
    }

    fn claim(&mut self, number: u64) -> IdentityClaim {
        let identity = Self::address(5, number);
        IdentityClaim {
            chain_id: CHAIN_ID,
            identity,
            claim_id: B256::repeat_byte(7),
            from_block: 1,
            from_log: 0,
            id: asset_id(7, identity),
            identity_id: identity_id(CHAIN_ID, identity),
            claim_type: Amount::from(U256::from_be_bytes(self.rng.random::<[u8; 32]>())),
            scheme: Amount::from(U256::MAX),
            issuer: Self::address(6, number),
            id_matches: number.is_multiple_of(2),
            signature: self.bytes(),
            signature_hash: B256::repeat_byte(8),
            signer_key: None,
            claim_data: self.bytes(),
            uri: self.text(LONG_MAX),
            expires_at: Some(self.time()),
            transaction_hash: B256::repeat_byte(9),
            ended_by: None,
            withheld: number.is_multiple_of(3).then(|| "drop".to_owned()),
            from_at: self.time(),
            to_block: None,
            to_log: None,
            to_at: None,
        }
    }
}

fn rows<T: Table>(rows: Vec<T>) -> (&'static asset_indexer::row::TableDef, Vec<asset_indexer::row::Row>) {
    let mut rows: Vec<_> = rows.iter().map(Table::to_row).collect();
    rows.sort_unstable();
    (T::DEF, rows)
}

/// A few thousand rows for one commit.
fn changes(edges: &mut Edges, block: u64) -> Changes {
    let mut assets: Vec<Asset> = (0..900).map(|number| edges.asset(number)).collect();
    // Longer than any text of ours, to see that only the number of bytes is the limit.
    assets[0].name = Some("ß\t\\\n'\"".repeat(MEGABYTE / 8));
    let days = assets.iter().zip(0..).map(|(asset, number)| edges.day(number, asset)).collect();
    let events = (0..1_200).map(|log| edges.event(block, log)).collect();
    let providers = (0..400).map(|number| edges.provider(number)).collect();
    let mut claims: Vec<IdentityClaim> = (0..700).map(|number| edges.claim(number)).collect();
    claims[0].claim_data = vec![0xff; MEGABYTE].into();
    Changes {
        inserts: vec![rows::<AssetEvent>(events)],
        upserts: vec![rows(assets), rows::<AssetDay>(days), rows(providers), rows(claims)],
    }
}

#[tokio::test]
async fn every_edge_is_read_back_as_it_was_stored_and_restored_as_it_was_read() {
    let database = database().await;
    let (disk, memory) = (postgres_store(&database).await, MemoryStore::new());
    let start = beginning(header(0));
    disk.start(&start).await.expect("PostgreSQL starts");
    memory.start(&start).await.expect("memory starts");
    let mut edges = Edges { rng: StdRng::seed_from_u64(9), place: 0 };
    let mut before = Vec::new();
    for number in [1, 2] {
        let first = Section { undo_block: Some(number), changes: changes(&mut edges, number) };
        // The same rows once more in the same block: what was there before the block is what the first found.
        let again = Changes { inserts: Vec::new(), ..changes(&mut edges, number) };
        let commit = Commit {
            expected: header(number - 1).id,
            next: header(number),
            finalized: header(0).id,
            sections: vec![first, Section { undo_block: Some(number), changes: again }],
            evidence: Vec::new(),
        };
        before = dump(&memory).await;
        disk.commit(&commit).await.expect("PostgreSQL takes every edge");
        memory.commit(&commit).await.expect("memory takes every edge");
        assert_equal(&disk, &memory, &format!("stored in block {number}")).await;
    }
    let rollback = Rollback {
        expected: header(2).id,
        ancestor: header(1),
        replaced_by: B256::ZERO,
        reason: HOSTILE.concat(),
    };
    disk.rollback(&rollback).await.expect("PostgreSQL rolls back");
    assert_same(&dump(&disk).await, &before, "restored from the journal");
}
