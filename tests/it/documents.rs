//! Documents of tokens (ERC-1643) and notices that metadata changed (ERC-4906).

use std::sync::Arc;

use alloy::primitives::{B256, Bytes, U256, keccak256};
use alloy::sol_types::SolValue;
use asset_indexer::fact::Role;
use asset_indexer::store::memory::MemoryStore;
use asset_indexer::table::asset::Asset;
use asset_indexer::table::document::AssetDocument;
use asset_indexer::table::event::AssetEvent;
use asset_indexer::table::operation::{AssetOperation, AssetTransaction};
use scenario::{Emitter, Reorg};
use serde_json::{Value as Json, json};
use sqlx::AssertSqlSafe;

use crate::application::{connect, run};
use crate::support::real::{node, rows, rpc};
use crate::support::world::{
    CHAIN_ID, assert_equal, config, converge, database, fresh, postgres_store, worker,
};
use simulation::chain::{NewLog, NewTransaction, SimChain};
use simulation::events::{account, document, documents, identity, log, metadata, raw, token, transfer};

fn removed(token: alloy::primitives::Address, name: &[u8]) -> NewLog {
    let name = B256::right_padding_from(name);
    log(token, documents::DocumentRemoved { name, uri: "gone".to_owned(), documentHash: B256::ZERO })
}

/// A chain with the logs of each block in a transaction of their own.
fn chain(blocks: Vec<Vec<NewLog>>) -> Arc<SimChain> {
    let chain = SimChain::new(CHAIN_ID, 3);
    for logs in blocks {
        chain.mine(vec![NewTransaction { logs, ..NewTransaction::default() }]);
    }
    Arc::new(chain)
}

async fn indexed(chain: &Arc<SimChain>, role: Role, token: alloy::primitives::Address) -> MemoryStore {
    fresh(chain, &config(&[(role, token)])).await
}

/// Name, URI, block and log of beginning and end.
type Version = (B256, String, (u64, u32), Option<(u64, u32)>);

fn versions(rows: Vec<AssetDocument>) -> Vec<Version> {
    let version = |row: AssetDocument| {
        (row.name, row.uri, (row.from_block, row.from_log), row.to_block.zip(row.to_log))
    };
    rows.into_iter().map(version).collect()
}

#[tokio::test]
async fn a_document_is_in_force_from_its_update_to_the_next_or_to_its_removal() {
    for (role, asset) in [(Role::TrexToken, account(0x70, 0)), (Role::Erc20, account(0x20, 0))] {
        let chain = chain(vec![
            vec![document(asset, b"b", "ipfs://1", 1), removed(asset, b"a"), document(asset, b"a", "x", 9)],
            vec![document(asset, b"b", "ipfs://1", 1), document(asset, b"b", "ipfs://2", 2)],
            vec![removed(asset, b"b")],
            vec![removed(asset, b"b"), document(asset, b"b", "ipfs://3", 3)],
        ]);
        let store = indexed(&chain, role, asset).await;
        let name = |name: &[u8]| B256::right_padding_from(name);
        let uri = |uri: &str| uri.to_owned();
        assert_eq!(
            versions(rows(&store).await),
            [
                (name(b"a"), uri("x"), (1, 2), None),
                (name(b"b"), uri("ipfs://1"), (1, 0), Some((2, 0))),
                (name(b"b"), uri("ipfs://1"), (2, 0), Some((2, 1))),
                (name(b"b"), uri("ipfs://2"), (2, 1), Some((3, 0))),
                (name(b"b"), uri("ipfs://3"), (4, 1), None),
            ],
            "{role:?}"
        );
        let operations: Vec<AssetOperation> = rows(&store).await;
        let told: Vec<&str> = operations.iter().map(|row| row.operation_type.as_str()).collect();
        let (set, gone) = ("document_set", "document_removed");
        assert_eq!(told, [set, gone, set, set, set, gone, gone, set]);
        assert_eq!(
            operations[4].parameters.value(),
            json!({ "name": name(b"b"), "uri": "ipfs://2", "document_hash": B256::repeat_byte(2) })
        );
        let assets: Vec<Asset> = rows(&store).await;
        assert_eq!(assets[0].unreadable_logs, 0);
    }
}

#[tokio::test]
async fn a_transaction_is_called_by_what_moved_or_froze_before_its_documents() {
    let (asset, one, other) = (account(0x70, 0), account(0xaa, 1), account(0xaa, 2));
    let papers = || document(asset, b"terms", "ipfs://1", 1);
    let frozen = log(asset, token::TokensFrozen { _userAddress: one, _amount: U256::from(1) });
    let approved =
        log(asset, simulation::events::erc20::Approval { owner: one, spender: other, value: U256::ONE });
    let chain = chain(vec![
        vec![papers(), transfer(asset, alloy::primitives::Address::ZERO, one, 9)],
        vec![papers(), frozen],
        vec![approved, papers()],
        vec![log(asset, metadata::MetadataUpdate { tokenId: U256::ONE })],
    ]);
    let store = indexed(&chain, Role::TrexToken, asset).await;
    let transactions: Vec<AssetTransaction> = rows(&store).await;
    let told: Vec<&str> = transactions.iter().map(|row| row.operation_type.as_str()).collect();
    assert_eq!(told, ["mint", "freeze_amount", "document_set", "other"]);
}

#[tokio::test]
async fn whatever_is_logged_as_a_document_is_kept_and_metadata_notices_are_read() {
    let asset = account(0x20, 0);
    let updated = keccak256("DocumentUpdated(bytes32,string,bytes32)");
    let name = B256::repeat_byte(0xee);
    let body = (Bytes::from(b"a\0b\xff".to_vec()), B256::repeat_byte(1)).abi_encode_params();
    let long = ("ä".repeat(9_000), B256::ZERO).abi_encode_params();
    let chain = chain(vec![vec![
        raw(asset, vec![updated, name], body.clone()),
        raw(asset, vec![updated, B256::ZERO], long),
        // The name is not indexed, and the data is cut.
        raw(asset, vec![updated], body.clone()),
        raw(asset, vec![updated, name], body[..64].to_vec()),
        log(asset, metadata::MetadataUpdate { tokenId: U256::MAX }),
        log(asset, metadata::BatchMetadataUpdate { fromTokenId: U256::ONE, toTokenId: U256::from(7) }),
    ]]);
    let store = indexed(&chain, Role::Erc20, asset).await;
    let documents: Vec<AssetDocument> = rows(&store).await;
    assert_eq!(documents.len(), 2);
    assert_eq!(documents[1].uri, "a\\0b\\xff");
    assert!(documents[0].uri.ends_with('…') && documents[0].uri.len() < 8_200);
    let events: Vec<AssetEvent> = rows(&store).await;
    let told: Vec<Option<&str>> = events.iter().map(|row| row.event_type.as_deref()).collect();
    let set = Some("DocumentUpdated");
    assert_eq!(told, [set, set, None, None, Some("MetadataUpdate"), Some("BatchMetadataUpdate")]);
    assert_eq!(events[2].unreadable.as_deref(), Some("other_topic_count"));
    assert_eq!(events[3].unreadable.as_deref(), Some("malformed"));
    let named = json!({ "fromTokenId": "1", "toTokenId": "7" });
    assert_eq!(events[5].event_data, Some(named.into()));
    let assets: Vec<Asset> = rows(&store).await;
    assert_eq!(assets[0].unreadable_logs, 2);
}

/// A contract on a real node that logs what it is told, read over JSON-RPC; its documents through a reorg.
#[tokio::test]
async fn documents_are_read_from_a_real_node() {
    let node = node().await;
    let emitter = Emitter::deploy(&node, node.account(0)).await.expect("it is deployed");
    let say = async |log: NewLog| {
        let receipt = node.send(&emitter.emit(&log.topics, &log.data)).await.expect("it logs");
        receipt.block_number.expect("it is in a block")
    };
    let at = emitter.address;
    say(document(at, b"terms", "ipfs://1", 1)).await;
    say(document(at, b"terms", "ipfs://2", 2)).await;
    let settings = config(&[(Role::Erc20, at)]);
    let store = Arc::new(postgres_store(&database().await).await);
    let mut follower = worker(rpc(&node.url()), store.clone(), settings.clone());
    converge(&mut follower).await;
    let uris = async || -> Vec<(String, bool)> {
        let documents: Vec<AssetDocument> = rows(&*store).await;
        documents.into_iter().map(|row| (row.uri, row.to_block.is_none())).collect()
    };
    assert_eq!(uris().await, [("ipfs://1".to_owned(), false), ("ipfs://2".to_owned(), true)]);
    let last = say(removed(at, b"terms")).await;
    converge(&mut follower).await;
    assert_eq!(uris().await, [("ipfs://1".to_owned(), false), ("ipfs://2".to_owned(), false)]);
    let depth = node.block_number().await.expect("it answers") - last + 1;
    node.reorg(&Reorg::of(depth)).await.expect("anvil reorganizes");
    converge(&mut follower).await;
    assert_eq!(uris().await, [("ipfs://1".to_owned(), false), ("ipfs://2".to_owned(), true)]);
    let memory = fresh(&rpc(&node.url()), &settings).await;
    assert_equal(&*store, &memory, "after a reorg").await;
}

#[tokio::test]
async fn what_contracts_say_of_an_asset_stands_beside_what_the_tenant_says() {
    let (asset, own, issuer) = (account(0x70, 0), account(0x1d, 9), account(0x1d, 8));
    let binary = B256::repeat_byte(0xee);
    let informed = token::UpdatedTokenInformation {
        _newName: keccak256("name"),
        _newSymbol: keccak256("symbol"),
        _newDecimals: 2,
        _newVersion: "4.1.6".to_owned(),
        _newOnchainID: own,
    };
    let claim = identity::ClaimAdded {
        claimId: keccak256((issuer, U256::from(7)).abi_encode()),
        topic: U256::from(7),
        scheme: U256::ONE,
        issuer,
        signature: Bytes::from(vec![1; 65]),
        data: Bytes::from(vec![2]),
        uri: "https://issuer.example".to_owned(),
    };
    let of_another = identity::ClaimAdded { topic: U256::from(8), ..claim.clone() };
    let chain = chain(vec![
        vec![log(asset, informed), log(own, claim), log(issuer, of_another)],
        vec![
            document(asset, b"terms", "ipfs://1", 1),
            document(asset, b"terms", "ipfs://2", 2),
            document(asset, binary.as_slice(), "ipfs://3", 3),
            document(asset, b"gone", "ipfs://4", 4),
            removed(asset, b"gone"),
        ],
    ]);
    let database = database().await;
    let store = Arc::new(postgres_store(&database).await);
    let settings = config(&[(Role::TrexToken, asset), (Role::Identity, own), (Role::Identity, issuer)]);
    converge(&mut worker(chain, store, settings)).await;
    let mut owner = connect(&database).await;
    let views =
        "select name || ' ' || uri || ' ' || active from api.asset_documents order by from_block, from_log";
    let listed: Vec<String> = sqlx::query_scalar(views).fetch_all(&mut owner).await.expect("readable");
    let unprintable = format!("{binary} ipfs://3 true");
    let expected =
        ["terms ipfs://1 false", "terms ipfs://2 true", unprintable.as_str(), "gone ipfs://4 false"];
    assert_eq!(listed, expected);
    run(
        &mut owner,
        "insert into app.tenants (name) values ('one');
         insert into app.asset_metadata (tenant_id, asset_id, description)
         select t.id, a.id, 'A bond.' from app.tenants t, chain.assets a",
    )
    .await;
    let tenant = "select set_config('app.tenant', id::text, false) from app.tenants";
    sqlx::query(tenant).execute(&mut owner).await.expect("set");
    run(&mut owner, "set role asset_indexer_app").await;
    let read = async |owner: &mut sqlx::PgConnection, column: &str| -> Json {
        let sql = format!("select to_jsonb({column}) from api.asset_metadata");
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(owner).await.expect("readable")
    };
    assert_eq!(read(&mut owner, "description").await, json!("A bond."));
    let papers = read(&mut owner, "documents").await;
    let told: Vec<(&str, &str)> = papers
        .as_array()
        .expect("a list")
        .iter()
        .map(|paper| (paper["name"].as_str().unwrap_or_default(), paper["uri"].as_str().unwrap_or_default()))
        .collect();
    let binary = binary.to_string();
    assert_eq!(told, [(binary.as_str(), "ipfs://3"), ("terms", "ipfs://2")]);
    assert_eq!(papers[1]["document_hash"], json!(B256::repeat_byte(2)));
    let claims = read(&mut owner, "claims").await;
    assert_eq!(claims.as_array().expect("a list").len(), 1, "{claims}");
    let claim = &claims[0];
    assert_eq!((&claim["claim_type"], &claim["status"]), (&json!("7"), &json!("valid")), "{claim}");
    assert_eq!((&claim["id_matches"], &claim["uri"]), (&json!(true), &json!("https://issuer.example")));
    run(
        &mut owner,
        "reset role; update chain.contract_links set target = decode(repeat('00', 20), 'hex')
        where link = 'onchain_id'",
    )
    .await;
    assert_eq!(read(&mut owner, "claims").await, json!([]), "claims of an identity that is not the token's");
}

/// A token says what it likes, and as often: the view of all assets stands, and tells how much there is.
#[tokio::test]
async fn a_token_with_very_many_documents_breaks_nobodys_view() {
    let asset = account(0x7b, 0);
    let set = |place: u64, uri: &str| document(asset, format!("paper {place}").as_bytes(), uri, 1);
    let papers: Vec<_> = (0..130).map(|place| set(place, &format!("ipfs://{place}"))).collect();
    let chain = chain(vec![papers, vec![set(200, &"x".repeat(8_193)), removed(asset, b"paper 129")]]);
    let database = database().await;
    let store = Arc::new(postgres_store(&database).await);
    converge(&mut worker(chain, store, config(&[(Role::TrexToken, asset)]))).await;
    let mut owner = connect(&database).await;
    let read = async |owner: &mut sqlx::PgConnection| -> (i64, i64, i64, Json) {
        sqlx::query_as("select count(*), min(document_count), min(claim_count), (array_agg(documents))[1] from api.asset_metadata")
            .fetch_one(owner)
            .await
            .expect("readable")
    };
    let (assets, documents, claims, newest) = read(&mut owner).await;
    assert_eq!((assets, documents, claims), (1, 130, 0));
    let newest = newest.as_array().expect("a list");
    let has = |name: &str| newest.iter().find(|paper| paper["name"] == name);
    assert!(newest.len() == 100 && has("paper 128").is_some() && has("paper 30").is_some(), "{newest:?}");
    assert!(has("paper 29").is_none() && has("paper 129").is_none(), "older, and gone");
    assert_eq!(has("paper 200").map(|paper| &paper["uri"]), Some(&Json::Null), "too long for a list");
    // As an attacker would: a quarter of a gigabyte of text.
    run(
        &mut owner,
        "insert into chain.asset_documents (chain_id, asset_id, name, from_block, from_log, uri, document_hash, from_at)
         select a.chain_id, a.id, sha256(n::text::bytea), 0, 1000 + n, repeat('x', 8192), sha256('h'), now()
         from chain.assets a, generate_series(1, 33000) n",
    )
    .await;
    assert_eq!(read(&mut owner).await.1, 33_130);
}
