//! Documents (ERC-1643) and metadata (ERC-4906) of tokens of every kind.

use alloy::primitives::{B256, hex, keccak256};
use oracle::{Log, Tables, compare};
use serde_json::{Value, json};

use super::chain::{
    ANN, BEN, NOBODY, TOKEN, chain, columns, frozen, log, n, tail, text, together, told, transfer,
};

const PROSPECTUS: B256 = B256::repeat_byte(0xd0);
const TERMS: B256 = B256::repeat_byte(0xd1);
const PROSPECTUS_TEXT: &str = "0xd0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0";

/// An event about a document: name, then offset of the place, hash, and the place itself.
fn document(event: &str, name: B256, uri: &[u8], hash: u64) -> Log {
    let data = [n(64).to_vec(), n(hash).to_vec(), tail(uri)].concat();
    let topics = vec![keccak256(format!("{event}(bytes32,string,bytes32)")), name];
    Log { address: TOKEN, topics, data: data.into(), ..Log::default() }
}

fn set(name: B256, uri: &[u8], hash: u64) -> Log {
    document("DocumentUpdated", name, uri, hash)
}

fn removed(name: B256) -> Log {
    document("DocumentRemoved", name, b"gone", 0)
}

fn hash(number: u64) -> Value {
    json!(hex::encode_prefixed(n(number)))
}

#[test]
fn a_document_is_set_set_anew_and_removed() {
    for role in ["erc20", "trex_token"] {
        let logs = vec![
            removed(PROSPECTUS),
            set(PROSPECTUS, b"ipfs://1", 1),
            set(TERMS, b"ipfs://t", 9),
            set(PROSPECTUS, b"ipfs://1", 1),
            removed(PROSPECTUS),
            removed(PROSPECTUS),
            set(PROSPECTUS, b"ipfs://2", 2),
        ];
        let tables = told(&chain(&[(role, TOKEN)], logs));
        let shown = ["asset_id", "name", "uri", "document_hash", "from_block", "to_block"];
        let row = |name: B256, uri: &str, number: u64, from: u64, to: Option<u64>| {
            let name = json!(hex::encode_prefixed(name));
            [text(TOKEN), name, json!(uri), hash(number), json!(from), json!(to)]
        };
        assert_eq!(
            columns(&tables, "asset_documents", shown),
            [
                row(PROSPECTUS, "ipfs://1", 1, 2, Some(4)),
                row(PROSPECTUS, "ipfs://1", 1, 4, Some(5)),
                row(PROSPECTUS, "ipfs://2", 2, 7, None),
                row(TERMS, "ipfs://t", 9, 3, None)
            ],
            "{role}"
        );
        let kinds = ["removed", "set", "set", "set", "removed", "removed", "set"];
        let kinds = kinds.map(|kind| json!(format!("document_{kind}")));
        assert_eq!(columns(&tables, "asset_operations", ["operation_type"]).concat(), kinds, "{role}");
        assert_eq!(columns(&tables, "asset_transactions", ["operation_type"]).concat(), kinds, "{role}");
    }
}

#[test]
fn an_operation_on_a_document_says_which() {
    let logs = vec![set(PROSPECTUS, b"ipfs://1", 5), removed(PROSPECTUS)];
    let tables = told(&chain(&[("trex_token", TOKEN)], logs));
    assert_eq!(
        columns(&tables, "asset_operations", ["parameters"]).concat(),
        [
            json!({ "name": PROSPECTUS_TEXT, "uri": "ipfs://1", "document_hash": hash(5) }),
            json!({ "name": PROSPECTUS_TEXT, "uri": "gone", "document_hash": hash(0) })
        ]
    );
    let nobody = ["from_address", "to_address", "amount", "executed_by"];
    assert_eq!(columns(&tables, "asset_operations", nobody).concat(), [const { Value::Null }; 8]);
    assert_eq!(
        columns(&tables, "asset_operations", ["transaction_id", "block_number", "log_index"]),
        [[json!("1:0"), json!(1), json!(0)], [json!("2:0"), json!(2), json!(0)]]
    );
}

#[test]
fn the_place_of_a_document_is_kept_as_far_as_it_is_text() {
    let long = vec![b'l'; 8_192];
    let longer = vec![b'l'; 8_193];
    let cut = [vec![b'l'; 8_191], "é".as_bytes().to_vec()].concat();
    let places: [(&[u8], String, String); 7] = [
        (b"", String::new(), String::new()),
        (b"a\0b", "a\\0b".to_owned(), "a\\0b".to_owned()),
        (b"\xff\xfe.", "\\xff\\xfe.".to_owned(), "\u{fffd}\u{fffd}.".to_owned()),
        // What breaks off in the middle of a letter: two bytes, one mark.
        (b"\xe2\x82", "\\xe2\\x82".to_owned(), "\u{fffd}".to_owned()),
        (&long, "l".repeat(8_192), "l".repeat(8_192)),
        (&longer, "l".repeat(8_192) + "…", "l".repeat(8_192) + "…"),
        (&cut, "l".repeat(8_191) + "…", "l".repeat(8_191) + "…"),
    ];
    let logs = places.iter().map(|(uri, ..)| set(PROSPECTUS, uri, 1)).collect();
    let tables = told(&chain(&[("erc20", TOKEN)], logs));
    let kept: Vec<Value> = places.iter().map(|(_, kept, _)| json!(kept)).collect();
    assert_eq!(columns(&tables, "asset_documents", ["uri"]).concat(), kept);
    for (row, (_, kept, shown)) in tables["asset_events"].iter().zip(&places) {
        assert_eq!(
            row["event_data"],
            json!({ "name": PROSPECTUS_TEXT, "uri": shown, "documentHash": hash(1) })
        );
        let operation =
            tables["asset_operations"].iter().find(|it| it["block_number"] == row["block_number"]);
        assert_eq!(operation.map(|it| &it["parameters"]["uri"]), Some(&json!(kept)));
    }
}

#[test]
fn what_is_no_text_or_lacks_its_hash_cannot_be_read() {
    let mut without_hash = set(PROSPECTUS, b"", 1);
    without_hash.data = [n(64), n(1)].concat().into();
    let mut beyond = set(PROSPECTUS, b"ipfs://1", 1);
    beyond.data = [n(64), n(1), n(9), B256::ZERO].concat()[..96 + 8].to_vec().into();
    let mut not_indexed = set(PROSPECTUS, b"", 1);
    not_indexed.topics.pop();
    let tables = told(&chain(&[("erc20", TOKEN)], vec![without_hash, beyond, not_indexed]));
    for table in ["asset_documents", "asset_operations"] {
        assert_eq!(tables[table], [], "{table}");
    }
    assert_eq!(columns(&tables, "assets", ["unreadable_logs"]), [[json!(3)]]);
}

#[test]
fn a_document_is_below_whatever_moves_or_freezes() {
    let kind = |logs| {
        let tables = told(&together(&[("trex_token", TOKEN)], logs));
        assert_eq!(tables["asset_transactions"].len(), 1);
        tables["asset_transactions"][0]["operation_type"].clone()
    };
    let document = || set(PROSPECTUS, b"", 1);
    assert_eq!(kind(vec![document(), transfer(NOBODY, ANN, 1)]), "mint");
    assert_eq!(kind(vec![removed(TERMS), transfer(ANN, BEN, 1), document()]), "undetermined_transfer");
    assert_eq!(kind(vec![document(), frozen("TokensFrozen", ANN, 1)]), "freeze_amount");
    assert_eq!(kind(vec![frozen("TokensUnfrozen", ANN, 1), document()]), "unfreeze_amount");
    // Of these either may stand.
    assert_eq!(kind(vec![document(), removed(PROSPECTUS)]), "document_removed|document_set");
    let paused = log(TOKEN, "Paused(address)", &[], &[ANN.into_word()]);
    assert_eq!(kind(vec![document(), paused]), "document_set|pause");
}

#[test]
fn metadata_that_changed_is_an_event_and_nothing_else() {
    for role in ["erc20", "trex_token"] {
        let logs = vec![
            log(TOKEN, "MetadataUpdate(uint256)", &[], &[n(7)]),
            log(TOKEN, "BatchMetadataUpdate(uint256,uint256)", &[], &[n(0), B256::repeat_byte(0xff)]),
            log(TOKEN, "MetadataUpdate(uint256)", &[n(7)], &[]),
        ];
        let tables = told(&chain(&[(role, TOKEN)], logs));
        let most = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
        assert_eq!(
            columns(&tables, "asset_events", ["event_type", "event_data", "asset_id"]),
            [
                [json!("MetadataUpdate"), json!({ "tokenId": "7" }), text(TOKEN)],
                [json!("BatchMetadataUpdate"), json!({ "fromTokenId": "0", "toTokenId": most }), text(TOKEN)],
                [json!(null), json!(null), text(TOKEN)]
            ]
        );
        for table in ["asset_operations", "asset_documents", "asset_days", "ownership_history"] {
            assert_eq!(tables[table], [], "{table}");
        }
        assert_eq!(columns(&tables, "asset_transactions", ["operation_type"]).concat(), ["other"; 3]);
    }
}

#[test]
fn topic_hashes_are_those_of_the_standards() {
    // From ERC-4906 as it is deployed, and ERC-1643's interface.
    let first = |log: &Log| log.topics[0];
    let metadata = log(TOKEN, "MetadataUpdate(uint256)", &[], &[]);
    assert_eq!(first(&metadata)[..4], hex!("f8e1a15a"));
    let batch = log(TOKEN, "BatchMetadataUpdate(uint256,uint256)", &[], &[]);
    assert_eq!(first(&batch)[..4], hex!("6bd5c950"));
}

#[test]
fn parameters_are_compared_where_they_are_specified() {
    let logs = vec![set(PROSPECTUS, b"ipfs://1", 5), log(TOKEN, "Paused(address)", &[], &[ANN.into_word()])];
    let oracle = told(&chain(&[("trex_token", TOKEN)], logs));
    let with = |parameters: [Value; 2]| -> Tables {
        let mut ours = oracle.clone();
        for (row, value) in ours.get_mut("asset_operations").expect("a table").iter_mut().zip(parameters) {
            row.insert("parameters", value);
        }
        ours
    };
    let right = oracle["asset_operations"][0]["parameters"].clone();
    // What the operation of another kind says beyond its columns is nobody's business.
    assert_eq!(compare::differences(&with([right.clone(), json!({ "any": 1 })]), &oracle), []);
    let mut wrong = right;
    wrong["document_hash"] = hash(6);
    let found = compare::differences(&with([wrong, json!(null)]), &oracle);
    assert_eq!(
        found.iter().map(|it| (it.table, it.column)).collect::<Vec<_>>(),
        [("asset_operations", Some("parameters"))]
    );
}
