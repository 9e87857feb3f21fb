//! Cases whose answer was worked out by hand.

mod chain;
mod days;
mod documents;
mod managers;
mod noise;
mod parameters;
mod violations;

use alloy::primitives::{Address, B256, Bytes, address, b256, hex, keccak256};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use chain::{ANN, BEN, NOBODY, TOKEN, chain, columns, frozen, log, n, silent, tail, text, told, transfer};
use oracle::verdict::{Verdict, verdict};
use oracle::{Answer, Log, tables};
use serde_json::json;

const REGISTRY: Address = address!("0x1a00000000000000000000000000000000000001");
const STORAGE: Address = address!("0x1500000000000000000000000000000000000001");
const TOPICS: Address = address!("0x1c00000000000000000000000000000000000001");
const ISSUERS: Address = address!("0x1100000000000000000000000000000000000001");
const ISSUER: Address = address!("0x5500000000000000000000000000000000000001");
const IDENTITY: Address = address!("0x1d00000000000000000000000000000000000001");

#[test]
fn a_transfer_moves_units_and_one_to_oneself_does_not() {
    let logs = vec![transfer(NOBODY, ANN, 100), transfer(ANN, BEN, 30), transfer(BEN, BEN, 30)];
    let tables = told(&chain(&[("erc20", TOKEN)], logs));
    assert_eq!(
        columns(
            &tables,
            "asset_holders",
            ["holder", "balance", "first_block", "updated_block", "updated_at"]
        ),
        [
            [text(ANN), json!("70"), json!(1), json!(2), json!(1_020)],
            [text(BEN), json!("30"), json!(2), json!(2), json!(1_020)]
        ]
    );
    assert_eq!(
        columns(&tables, "ownership_history", ["holder", "block_number", "balance"]),
        [
            [text(ANN), json!(1), json!("100")],
            [text(ANN), json!(2), json!("70")],
            [text(BEN), json!(2), json!("30")]
        ]
    );
    assert_eq!(
        columns(&tables, "assets", ["total_supply", "holder_count", "negative_balance", "created_block"]),
        [[json!("100"), json!(2), json!(false), json!(1)]]
    );
    assert_eq!(
        columns(&tables, "asset_operations", ["operation_type", "to_address", "amount"]),
        [[json!("mint"), text(ANN), json!("100")]]
    );
    assert_eq!(
        columns(&tables, "asset_transactions", ["operation_type", "transfer_count", "amount"]),
        [
            [json!("mint"), json!(1), json!("100")],
            [json!("transfer"), json!(1), json!("30")],
            [json!("transfer"), json!(1), json!("30")]
        ]
    );
}

#[test]
fn a_burn_takes_supply_and_a_freeze_may_exceed_what_is_held() {
    let logs = vec![
        transfer(NOBODY, ANN, 100),
        frozen("TokensFrozen", ANN, 80),
        frozen("TokensFrozen", ANN, 40),
        transfer(ANN, NOBODY, 60),
        frozen("TokensUnfrozen", ANN, 20),
    ];
    let tables = told(&chain(&[("trex_token", TOKEN)], logs));
    assert_eq!(
        columns(&tables, "ownership_history", ["block_number", "balance", "frozen"]),
        [
            [json!(1), json!("100"), json!("0")],
            [json!(2), json!("100"), json!("80")],
            [json!(3), json!("100"), json!("120")],
            [json!(4), json!("40"), json!("120")],
            [json!(5), json!("40"), json!("100")]
        ]
    );
    assert_eq!(
        columns(&tables, "assets", ["total_supply", "holder_count", "negative_balance", "asset_type"]),
        [[json!("40"), json!(1), json!(false), json!("erc3643")]]
    );
    let kinds = columns(&tables, "asset_operations", ["operation_type"]).concat();
    assert_eq!(kinds, ["mint", "freeze_amount", "freeze_amount", "burn", "unfreeze_amount"]);
}

#[test]
fn sums_leave_256_bits_and_fall_below_zero() {
    let mut most = transfer(NOBODY, ANN, 0);
    most.data = Bytes::from(vec![0xff; 32]);
    let logs = vec![most.clone(), most, transfer(BEN, ANN, 5)];
    let tables = told(&chain(&[("erc20", TOKEN)], logs));
    assert_eq!(
        columns(&tables, "asset_holders", ["balance"]).concat(),
        ["231584178474632390847141970017375815706539969331281128078915168015826259279875", "-5"]
    );
    assert_eq!(
        columns(&tables, "assets", ["negative_balance", "exceeds_uint256", "holder_count"]),
        [[json!(true), json!(true), json!(2)]]
    );
}

#[test]
fn a_name_with_nul_is_escaped_and_a_log_that_cannot_be_read_is_counted() {
    let mut odd = transfer(ANN, BEN, 1);
    odd.topics.push(n(1));
    let chain = chain(&[("erc20", TOKEN)], vec![odd]);
    let ask = |_: Address, input: &[u8], _: u64| {
        let answer = match input {
            // name(): a string of three bytes, one of them NUL.
            [0x06, 0xfd, 0xde, 0x03] => [n(32), n(3), B256::right_padding_from(b"a\0b")].concat(),
            // symbol(): 32 bytes, as old tokens answer.
            [0x95, 0xd8, 0x9b, 0x41] => B256::right_padding_from(b"MKR").to_vec(),
            // decimals()
            [0x31, 0x3c, 0xe5, 0x67] => n(18).to_vec(),
            _ => return Answer::Reverted,
        };
        Answer::Returned(answer.into())
    };
    let tables = tables(&chain, u64::MAX, &ask);
    assert_eq!(
        columns(&tables, "assets", ["name", "symbol", "decimals", "unreadable_logs", "total_supply"]),
        [[json!("a\\0b"), json!("MKR"), json!(18), json!(1), json!("0")]]
    );
    assert_eq!(columns(&tables, "asset_events", ["event_type", "unreadable"]), [[json!(null), json!(true)]]);
    assert_eq!(columns(&tables, "asset_transactions", ["operation_type"]).concat(), ["other"]);
}

/// `ClaimAdded` by hand: topics, then scheme and the offsets and bytes of signature, data and uri.
fn claim_added(signature: &[u8], data: &[u8]) -> Log {
    let (signature, data, uri) = (tail(signature), tail(data), tail(b"ipfs://x"));
    let places = [128, 128 + signature.len(), 128 + signature.len() + data.len()];
    let mut body = n(1).to_vec();
    places.iter().for_each(|place| body.extend(n(*place as u64)));
    body.extend([signature, data, uri].concat());
    let claim_id = keccak256([ISSUER.into_word(), n(7)].concat());
    let name = "ClaimAdded(bytes32,uint256,uint256,address,bytes,bytes,string)";
    let topics = vec![keccak256(name), claim_id, n(7), ISSUER.into_word()];
    Log { address: IDENTITY, topics, data: body.into(), ..Log::default() }
}

/// A key's holder, and their signature of a claim about topic 7.
fn signed(data: &[u8]) -> (PrivateKeySigner, Vec<u8>) {
    let signer = PrivateKeySigner::from_bytes(&n(7)).expect("a key");
    let mut encoded = [IDENTITY.into_word(), n(7), n(96), n(data.len() as u64)].concat();
    encoded.extend(data);
    encoded.resize(encoded.len().next_multiple_of(32), 0);
    let signature = signer.sign_message_sync(keccak256(encoded).as_slice()).expect("a signature");
    (signer, signature.as_bytes().to_vec())
}

/// A platform on which Ann's identity has its claim before anybody registers her.
fn platform() -> (Vec<Log>, Vec<u8>) {
    let (signer, signature) = signed(b"KYC passed");
    let key = keccak256(signer.address().into_word());
    let pointer = |address, event, to: Address| log(address, event, &[to.into_word()], &[]);
    let mut trusted = log(ISSUERS, "TrustedIssuerAdded(address,uint256[])", &[ISSUER.into_word()], &[]);
    trusted.data = [n(32), n(1), n(7)].concat().into();
    let logs = vec![
        claim_added(&signature, b"KYC passed"),
        log(ISSUER, "KeyAdded(bytes32,uint256,uint256)", &[key, n(3), n(1)], &[]),
        pointer(REGISTRY, "IdentityStorageSet(address)", STORAGE),
        pointer(REGISTRY, "ClaimTopicsRegistrySet(address)", TOPICS),
        pointer(REGISTRY, "TrustedIssuersRegistrySet(address)", ISSUERS),
        log(TOPICS, "ClaimTopicAdded(uint256)", &[n(7)], &[]),
        trusted,
        log(STORAGE, "IdentityStored(address,address)", &[ANN.into_word(), IDENTITY.into_word()], &[]),
    ];
    (logs, signature)
}

#[test]
fn claims_from_before_the_registration_count() {
    let (logs, _) = platform();
    let chain = chain(&[("identity_registry", REGISTRY)], logs);
    let tables = told(&chain);
    let found = columns(&tables, "contracts", ["address", "role", "announced_as", "announced_block"]);
    assert_eq!(found.len(), 6);
    assert!(found.contains(&[text(IDENTITY), json!("identity"), json!("IdentityStored"), json!(8)]));
    assert!(found.contains(&[text(ISSUER), json!("identity"), json!("TrustedIssuerAdded"), json!(7)]));
    assert!(found.contains(&[text(REGISTRY), json!("identity_registry"), json!(null), json!(null)]));
    assert_eq!(
        columns(&tables, "identity_claims", ["identity", "claim_type", "from_block", "uri", "to_block"]),
        [[text(IDENTITY), json!("7"), json!(1), json!("ipfs://x"), json!(null)]]
    );
    assert_eq!(
        tables["identity_claims"][0]["signer_key"], tables["identity_keys"][0]["key_hash"],
        "the signer is the issuer's key"
    );
    assert_eq!(verdict(&tables, REGISTRY, ANN), Verdict::Verified);
    assert_eq!(verdict(&tables, REGISTRY, BEN), Verdict::NotVerified);

    // One block earlier nobody had registered Ann, and her identity was nobody's.
    let before = oracle::tables(&chain, 7, &silent);
    assert!(before["identity_claims"].is_empty());
    assert_eq!(verdict(&before, REGISTRY, ANN), Verdict::NotVerified);
}

#[test]
fn a_revocation_by_the_issuer_and_a_removed_key_end_what_a_claim_is_worth() {
    let (mut logs, signature) = platform();
    let revoked = log(ISSUER, "ClaimRevoked(bytes)", &[keccak256(&signature)], &[]);
    let of_another = log(IDENTITY, "ClaimRevoked(bytes)", &[keccak256(&signature)], &[]);
    logs.extend([of_another, revoked.clone(), revoked]);
    let chain = chain(&[("identity_registry", REGISTRY)], logs);
    assert_eq!(verdict(&tables(&chain, 9, &silent), REGISTRY, ANN), Verdict::Verified);
    let revoked = told(&chain);
    assert_eq!(verdict(&revoked, REGISTRY, ANN), Verdict::NotVerified);
    assert_eq!(
        columns(&revoked, "claim_revocations", ["issuer", "revoked_block"]),
        [[text(IDENTITY), json!(9)], [text(ISSUER), json!(10)]]
    );

    let (mut logs, _) = platform();
    let key = keccak256(signed(b"").0.address().into_word());
    logs.push(log(ISSUER, "KeyRemoved(bytes32,uint256,uint256)", &[key, n(3), n(1)], &[]));
    let keyless = told(&self::chain(&[("identity_registry", REGISTRY)], logs));
    assert_eq!(columns(&keyless, "identity_keys", ["from_block", "to_block"]), [[json!(2), json!(9)]]);
    assert_eq!(verdict(&keyless, REGISTRY, ANN), Verdict::NotVerified);
}

#[test]
fn topic_hashes_are_those_of_the_contracts() {
    // From domain.md, section e.
    let known = b256!("0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");
    assert_eq!(transfer(ANN, BEN, 1).topics[0], known);
    assert_eq!(claim_added(b"", b"").topics[0][..4], hex!("46149b18"));
}
