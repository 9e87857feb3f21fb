//! S4: what contracts say that have no say. Every event of every ABI, by the hundred, from foreign addresses and from
//! watched contracts of another role: the register equals the one without them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use alloy::dyn_abi::{DynSolType, DynSolValue, Specifier};
use alloy::json_abi::{Event, JsonAbi};
use alloy::primitives::{Address, B256, U256, keccak256};
use alloy::sol_types::SolCall;
use asset_indexer::decode::{Decoder, calls, parse_abi};
use asset_indexer::fact::Role;
use asset_indexer::row::{Row, Table, Value};
use asset_indexer::store::memory::MemoryStore;
use asset_indexer::sync::Outcome;
use asset_indexer::table;
use asset_indexer::table::asset::Asset;
use asset_indexer::table::contract::Contract;
use asset_indexer::table::event::AssetEvent;
use asset_indexer::table::identity::IdentityClaim;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::support::real::rows;
use crate::support::world::{assert_same, config, converge, database, dump, postgres_store, worker};
use simulation::chain::{NewLog, NewTransaction, SimChain};
use simulation::events::{account, claim_added, issuers, log, registry, storage, token, topics, transfer};
use simulation::play::Play;

type Tables = Vec<(&'static str, Vec<Row>)>;

/// A kind of address that the play does not use.
const FOREIGN: u8 = 0xee;

/// Every event of every file under `abi/`.
fn events() -> Vec<Event> {
    let mut files: Vec<_> = ["abi", "abi/trex", "abi/onchainid"]
        .into_iter()
        .flat_map(|folder| {
            fs::read_dir(folder).expect("our ABIs").map(|entry| entry.expect("readable").path())
        })
        .filter(|path: &std::path::PathBuf| path.extension().is_some_and(|ending| ending == "json"))
        .collect();
    files.sort();
    let read = |path: &Path| -> JsonAbi {
        let text = fs::read_to_string(path).expect("readable");
        parse_abi(&path.display().to_string(), &text).expect("our own ABIs are sound")
    };
    files.iter().flat_map(|path| read(path).events.into_values().flatten()).collect()
}

/// A liar's pen: events whose parameters speak of the real contracts and wallets.
struct Forger {
    rng: StdRng,
    real: Vec<Address>,
}

impl Forger {
    fn new(seed: u64, real: Vec<Address>) -> Self {
        Self { rng: StdRng::seed_from_u64(seed), real }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.rng.random_range(0..bound)
    }

    fn address(&mut self) -> Address {
        match self.below(8) {
            0 => account(FOREIGN, self.rng.random_range(0..4)),
            _ => {
                let place = self.below(self.real.len());
                self.real[place]
            }
        }
    }

    fn value(&mut self, kind: &DynSolType) -> DynSolValue {
        match kind {
            DynSolType::Address => DynSolValue::Address(self.address()),
            DynSolType::Bool => DynSolValue::Bool(self.below(2) == 0),
            DynSolType::Uint(bits) => DynSolValue::Uint(U256::from(self.below(200)), *bits),
            DynSolType::FixedBytes(size) => {
                DynSolValue::FixedBytes(B256::left_padding_from(self.address().as_slice()), *size)
            }
            DynSolType::Bytes => DynSolValue::Bytes(self.address().to_vec()),
            DynSolType::String => DynSolValue::String("https://forged.example".to_owned()),
            DynSolType::Array(of) => DynSolValue::Array((0..2).map(|_| self.value(of)).collect()),
            DynSolType::Tuple(of) => DynSolValue::Tuple(of.iter().map(|kind| self.value(kind)).collect()),
            other => panic!("no ABI of ours has {other}"),
        }
    }

    fn log(&mut self, from: Address, event: &Event) -> NewLog {
        let (mut topics, mut body) = (vec![event.selector()], Vec::new());
        for input in &event.inputs {
            let value = self.value(&input.resolve().expect("our own ABIs are sound"));
            match (input.indexed, value.as_word()) {
                (true, Some(word)) => topics.push(word),
                (true, None) => topics.push(keccak256(value.abi_encode_packed())),
                (false, _) => body.push(value),
            }
        }
        NewLog { address: from, topics, data: DynSolValue::Tuple(body).abi_encode_params().into() }
    }

    /// A transaction with several lies, to a real contract as often as not, with call data that would mean something.
    fn transaction(&mut self, logs: Vec<NewLog>) -> NewTransaction {
        let (from, to, amount) = (self.address(), self.address(), U256::from(7));
        let input = calls::forcedTransferCall { from, to, amount }.abi_encode().into();
        NewTransaction {
            from: self.address(),
            to: Some(self.address()),
            input,
            logs,
            ..NewTransaction::default()
        }
    }
}

/// The chain of a seed, with something added at the end of each block, where it moves no other log.
fn played(seed: u64, blocks: usize, mut added: impl FnMut() -> Vec<NewTransaction>) -> Arc<SimChain> {
    let mut play = Play::new(seed);
    let chain = Arc::new(Play::chain(6));
    for mut block in play.blocks(blocks) {
        block.extend(added());
        chain.mine(block);
    }
    chain
}

async fn indexed(chain: &Arc<SimChain>) -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::new());
    converge(&mut worker(chain.clone(), store.clone(), config(&Play::contracts()))).await;
    store
}

/// Rows without hashes, and without the ids and the simulated answers that are computed from them: what foreign
/// contracts log changes the hashes of blocks, and nothing else. The ids of assets and identities are computed from addresses, and stay.
fn without_hashes(mut tables: Tables) -> Tables {
    for (name, rows) in &mut tables {
        let def = table::ALL.into_iter().find(|def| def.name == *name).expect("a declared table");
        let of_a_place = !matches!(*name, "assets" | "identities");
        let columns =
            ["block_hash", "transaction_hash", "transaction_id", "granted_in", "output", "country", "id"];
        let places: Vec<usize> = columns
            .into_iter()
            .filter(|column| *column != "id" || of_a_place)
            .filter_map(|column| def.column(column))
            .collect();
        for row in rows.iter_mut() {
            for place in &places {
                row[*place] = Value::Null;
            }
        }
    }
    tables
}

/// What a liar would like to speak of: all watched contracts, and wallets.
async fn watched(store: &MemoryStore) -> Vec<(Address, Role)> {
    let contracts: Vec<Contract> = rows(store).await;
    contracts.iter().map(|row| (row.address, Role::from_name(&row.role).expect("a role"))).collect()
}

fn spoken_of(watched: &[(Address, Role)]) -> Vec<Address> {
    let wallets = (0..6).map(|number| account(0xaa, number));
    watched.iter().map(|(address, _)| *address).chain(wallets).chain([Address::ZERO]).collect()
}

#[tokio::test]
async fn every_event_of_every_abi_from_foreign_addresses_changes_nothing() {
    let events = events();
    assert!(events.len() > 100, "{} events", events.len());
    let mut told = BTreeSet::new();
    for seed in 0..4 {
        let honest = indexed(&played(seed, 60, Vec::new)).await;
        let real = watched(&honest).await;
        assert!(real.len() > 10, "the play brings contracts: {real:?}");
        let mut forger = Forger::new(seed, spoken_of(&real));
        let chain = played(seed, 60, || {
            let liars = 1 + forger.below(3);
            (0..liars)
                .map(|_| {
                    let from = account(FOREIGN, forger.rng.random_range(0..40));
                    let logs = (0..6)
                        .map(|_| {
                            let event = &events[forger.below(events.len())];
                            told.insert((event.signature(), event.num_topics()));
                            forger.log(from, event)
                        })
                        .collect();
                    forger.transaction(logs)
                })
                .collect()
        });
        let lied_to = indexed(&chain).await;
        let expected = without_hashes(dump(&*honest).await);
        let context = format!("seed {seed}: with lies");
        assert_same(&without_hashes(dump(&*lied_to).await), &expected, &context);
        if seed == 0 {
            let database = database().await;
            let store = Arc::new(postgres_store(&database).await);
            let settings = config(&Play::contracts());
            let outcomes = converge(&mut worker(chain, store.clone(), settings)).await;
            assert!(outcomes.iter().any(|outcome| matches!(outcome, Outcome::Followed { .. })));
            assert_same(&without_hashes(dump(&*store).await), &expected, "on PostgreSQL");
        }
    }
    let known: BTreeSet<_> = events.iter().map(|event| (event.signature(), event.num_topics())).collect();
    assert_eq!(told, known, "every event was forged at least once");
}

/// The rows of a table whose columns do not speak of these addresses.
fn without(tables: &Tables, addresses: &[Address], assets: &[uuid::Uuid]) -> Tables {
    let speaks = |row: &Row| {
        row.iter().any(|value| match value {
            Value::Bytes(bytes) => addresses.iter().any(|address| address.as_slice() == bytes.as_slice()),
            Value::Uuid(id) => assets.contains(id),
            _ => false,
        })
    };
    let keep = |rows: &Vec<Row>| rows.iter().filter(|row| !speaks(row)).cloned().collect();
    tables.iter().map(|(name, rows)| (*name, keep(rows))).collect()
}

/// Events of another role in the mouth of a watched contract: kept raw as what nobody can read, and counted.
#[tokio::test]
async fn every_event_from_a_watched_contract_of_another_role_is_kept_unread_and_means_nothing() {
    let (events, decoder) = (events(), Decoder::new(&[]));
    let mut forged = 0;
    for seed in 20..24 {
        let chain = played(seed, 60, Vec::new);
        let before = indexed(&chain).await;
        let real = watched(&before).await;
        let mut forger = Forger::new(seed, spoken_of(&real));
        let above = chain.head().number;
        let mut lies = 0;
        for (liar, role) in &real {
            let known = decoder.events_of(*role);
            let shapes: BTreeSet<_> = known.iter().map(|(name, count)| (name.as_str(), *count)).collect();
            let theirs: Vec<&Event> = events
                .iter()
                .filter(|event| !shapes.contains(&(event.signature().as_str(), event.num_topics())))
                .collect();
            let logs: Vec<NewLog> = theirs.iter().map(|event| forger.log(*liar, event)).collect();
            lies += logs.len();
            let transactions = logs.chunks(8).map(|logs| forger.transaction(logs.to_vec())).collect();
            chain.mine(transactions);
        }
        let after = indexed(&chain).await;
        let unread: Vec<AssetEvent> = rows(&*after).await;
        let unread: Vec<_> = unread.iter().filter(|event| event.block_number > above).collect();
        assert_eq!(unread.len(), lies, "each is kept");
        assert!(
            unread.iter().all(|event| {
                matches!(event.unreadable.as_deref(), Some("unknown_event" | "other_topic_count"))
            }),
            "{:#?}",
            unread.iter().filter(|event| event.unreadable.is_none()).take(3).collect::<Vec<_>>()
        );
        assert_same(
            &meaning(&dump(&*after).await, above),
            &meaning(&dump(&*before).await, above),
            &format!("seed {seed}: what means something"),
        );
        let counts = async |store: &MemoryStore| -> u64 {
            rows::<Asset, _>(store).await.iter().map(|asset| asset.unreadable_logs).sum()
        };
        assert!(counts(&after).await > counts(&before).await, "flagged on their assets");
        forged += lies;
    }
    assert!(forged > 4_000, "{forged} lies");
}

/// All rows but the raw logs above a block and what counts them: a token's transactions, an identity's or a module's first
/// log.
fn meaning(tables: &Tables, above: u64) -> Tables {
    let counted = [(Asset::DEF, "unreadable_logs")];
    let mut kept = tables.clone();
    for (name, rows) in &mut kept {
        let def = table::ALL.into_iter().find(|def| def.name == *name).expect("a declared table");
        if let Some(place) = def.column("block_number").filter(|_| {
            matches!(*name, "asset_events" | "asset_transactions" | "transaction_inputs" | "observations")
        }) {
            rows.retain(|row| matches!(row[place], Value::Int(number) if number.cast_unsigned() <= above));
        }
        if let Some(first) = def.column("first_block").filter(|_| *name == "compliance_modules") {
            rows.retain(|row| matches!(row[first], Value::Int(number) if number.cast_unsigned() <= above));
        }
        for row in rows.iter_mut() {
            for (of, column) in counted.iter().filter(|(of, _)| of.name == *name) {
                row[of.column(column).expect("a column")] = Value::Null;
            }
            let first = def.column("first_block").filter(|_| *name == "identities");
            if let Some(place) = first
                && matches!(row[place], Value::Int(number) if number.cast_unsigned() > above)
            {
                row[place] = Value::Null;
                row[def.column("first_at").expect("a column")] = Value::Null;
            }
        }
    }
    kept
}

/// What a watched contract may say about itself: its own rows change, and nobody else's.
#[tokio::test]
async fn a_hostile_token_moves_its_own_rows_only() {
    for seed in 40..46 {
        let chain = played(seed, 60, Vec::new);
        let (evil, evil_registry, evil_issuers) =
            (account(FOREIGN, 1), account(FOREIGN, 2), account(FOREIGN, 3));
        let (evil_identity, evil_topics) = (account(FOREIGN, 4), account(FOREIGN, 5));
        let mut contracts = Play::contracts();
        contracts.push((Role::TrexToken, evil));
        let settings = config(&contracts);
        let index = async || {
            let store = Arc::new(MemoryStore::new());
            converge(&mut worker(chain.clone(), store.clone(), settings.clone())).await;
            store
        };
        // It exists already, and is quiet.
        chain.mine(vec![NewTransaction {
            logs: vec![transfer(evil, Address::ZERO, account(0xaa, 1), 5)],
            ..NewTransaction::default()
        }]);
        let before = index().await;
        let real = watched(&before).await;
        let of = |role: Role| {
            let found = real.iter().find(|(address, of)| *of == role && *address != evil);
            found.unwrap_or_else(|| panic!("seed {seed}: no {}", role.name())).0
        };
        let (theirs, real_registry, identity) =
            (of(Role::IdentityRegistryStorage), of(Role::IdentityRegistry), of(Role::Identity));
        let wallet = account(0xaa, 2);
        let says = |event| NewTransaction { logs: event, ..NewTransaction::default() };
        chain.mine(vec![
            // The token points to a registry of its own, which is its right, and that one to the others' storage.
            says(vec![log(evil, token::IdentityRegistryAdded { _identityRegistry: evil_registry })]),
            says(vec![
                log(evil_registry, registry::IdentityStorageSet { identityStorage: theirs }),
                log(
                    evil_registry,
                    registry::TrustedIssuersRegistrySet { trustedIssuersRegistry: evil_issuers },
                ),
                log(evil_registry, registry::ClaimTopicsRegistrySet { claimTopicsRegistry: evil_topics }),
                log(
                    evil_registry,
                    registry::IdentityRegistered { investorAddress: wallet, identity: evil_identity },
                ),
                log(
                    evil_issuers,
                    issuers::TrustedIssuerAdded {
                        trustedIssuer: evil_identity,
                        claimTopics: vec![U256::from(7)],
                    },
                ),
                log(evil_topics, topics::ClaimTopicAdded { claimTopic: U256::from(9) }),
                // No registry writes into a storage by logging; the storage's own log would.
                log(
                    evil_registry,
                    storage::IdentityStored { investorAddress: wallet, identity: evil_identity },
                ),
                log(evil_registry, storage::IdentityUnstored { investorAddress: wallet, identity }),
            ]),
            // Another's identity, in the hostile one's name: a claim with the id that another's has, a revocation.
            says(vec![
                claim_added(evil_identity, account(0x55, 0), 7, 1),
                log(
                    evil_identity,
                    simulation::events::identity::ClaimRemoved {
                        claimId: keccak256([account(0x55, 0).as_slice(), &7u64.to_be_bytes()].concat()),
                        topic: U256::from(7),
                        scheme: U256::from(1),
                        issuer: account(0x55, 0),
                        signature: vec![1].into(),
                        data: vec![].into(),
                        uri: String::new(),
                    },
                ),
                log(
                    evil_identity,
                    simulation::events::identity::ClaimRevoked { signature: B256::with_last_byte(1) },
                ),
            ]),
            // A token that recovers, freezes and burns what is its own, and takes another registry for its own.
            says(vec![
                transfer(evil, wallet, Address::ZERO, 1_000),
                log(evil, token::AddressFrozen { _userAddress: wallet, _isFrozen: true, _owner: wallet }),
                log(
                    evil,
                    token::RecoverySuccess {
                        _lostWallet: wallet,
                        _newWallet: account(0xaa, 3),
                        _investorOnchainID: identity,
                    },
                ),
                log(evil, token::IdentityRegistryAdded { _identityRegistry: real_registry }),
            ]),
        ]);
        let after = index().await;
        let assets: Vec<Asset> = rows(&*after).await;
        let own: Vec<_> =
            assets.iter().filter(|asset| asset.contract_address == evil).map(|asset| asset.id).collect();
        assert_eq!(own.len(), 1);
        let evils = [evil, evil_registry, evil_issuers, evil_identity, evil_topics];
        assert_same(
            &without(&dump(&*after).await, &evils, &own),
            &without(&dump(&*before).await, &evils, &own),
            &format!("seed {seed}: everybody else"),
        );
        let claims: Vec<IdentityClaim> = rows(&*after).await;
        let told: Vec<_> = claims.iter().filter(|claim| claim.identity == evil_identity).collect();
        assert_eq!(told.len(), 1, "the claim is its own, whatever id it gives it");
    }
}
