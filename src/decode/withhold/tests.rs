use alloy::primitives::address;
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;

use super::*;
use crate::block::BlockId;
use crate::decode::Decoder;
use crate::fact::{Claim, Fact, Reading, Role, Unreadable};

const IDENTITY: Address = address!("0x00000000000000000000000000000000000000a1");
const ISSUER: Address = address!("0x00000000000000000000000000000000000000b2");
const TOPIC: U256 = U256::from_limbs([7, 0, 0, 0]);
const URI: &[u8] = b"https://example/jane";

fn key() -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(0x42)).expect("a key")
}

/// A day of birth, and when the claim ends.
fn statement() -> Bytes {
    [keccak256("born 1970-01-01"), U256::from(1_900_000_000u64).into()].concat().into()
}

fn signature() -> Bytes {
    let digest = signed_digest(IDENTITY, TOPIC, &statement());
    key().sign_message_sync(digest.as_slice()).expect("it signs").as_bytes().to_vec().into()
}

fn log(event: B256, topics: [B256; 3], data: Vec<u8>) -> RawLog {
    RawLog {
        block: BlockId { number: 9, hash: B256::repeat_byte(9) },
        log_index: 3,
        transaction_hash: B256::repeat_byte(8),
        transaction_index: 1,
        address: IDENTITY,
        topics: [[event].as_slice(), &topics].concat(),
        data: data.into(),
        timestamp: None,
        withheld: None,
    }
}

fn claimed(event: B256, data: Vec<u8>) -> RawLog {
    let id = keccak256((ISSUER, TOPIC).abi_encode_params());
    log(event, [id, TOPIC.into(), ISSUER.into_word()], data)
}

fn body() -> Vec<u8> {
    (U256::ONE, signature(), statement(), Bytes::from_static(URI)).abi_encode_params()
}

fn add_claim() -> Bytes {
    let uri = Bytes::from_static(URI);
    let arguments = (TOPIC, U256::ONE, ISSUER, signature(), statement(), uri).abi_encode_params();
    [addClaimCall::SELECTOR.as_slice(), &arguments].concat().into()
}

fn requested(input: Bytes) -> RawLog {
    let topics = [B256::ZERO, IDENTITY.into_word(), B256::ZERO];
    log(Identity::ExecutionRequested::SIGNATURE_HASH, topics, (input,).abi_encode_params())
}

/// The second word of the topic's data.
fn end(topic: U256, data: &Bytes) -> Option<u64> {
    assert_eq!(topic, TOPIC);
    word(data, 1).and_then(|word| u64::try_from(U256::from_be_bytes(word.0)).ok())
}

fn endless(_: U256, _: &Bytes) -> Option<u64> {
    None
}

fn left(log: &RawLog, how: Withheld, end: impl Fn(U256, &Bytes) -> Option<u64>) -> RawLog {
    withhold(log, |_| Some(how), end).expect("something is withheld")
}

fn has(log: &RawLog, bytes: &[u8]) -> bool {
    log.data.windows(bytes.len()).any(|window| window == bytes)
}

fn read(log: &RawLog) -> (Claim, serde_json::Value) {
    match Decoder::new(&[]).read(Role::Identity, log) {
        Reading::Event { fact: Fact::ClaimSet(claim), data, .. } => (claim, data.value()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_digest_lets_the_signer_be_recovered_and_shows_the_end() {
    for event in [Identity::ClaimAdded::SIGNATURE_HASH, Identity::ClaimChanged::SIGNATURE_HASH] {
        let left = left(&claimed(event, body()), Withheld::Digest, end);
        let (claim, told) = read(&left);
        assert_eq!(claim.withheld, Some(Withheld::Digest));
        assert_eq!(told["withheld"], "digest");
        assert_eq!(claim.signature, signature());
        let digest = word(&claim.data, 0).expect("a digest");
        assert_eq!(digest, signed_digest(IDENTITY, TOPIC, &statement()));
        assert_eq!(signer(&claim.signature, digest), Some(key().address()));
        assert_eq!(word(&claim.data, 1), word(&statement(), 1), "its end");
        assert_eq!(claim.data.len(), 64);
        assert_eq!(claim.uri, format!("keccak256:{}", keccak256(URI)).into_bytes());
        assert!(!has(&left, &statement()[..32]) && !has(&left, URI));
    }
    let without = left(&claimed(Identity::ClaimAdded::SIGNATURE_HASH, body()), Withheld::Digest, endless);
    assert_eq!(read(&without).0.data.len(), 32, "no end is known of the topic");
}

#[test]
fn of_a_dropped_claim_only_signer_signature_hash_and_end_are_left() {
    let whole = claimed(Identity::ClaimAdded::SIGNATURE_HASH, body());
    let left = left(&whole, Withheld::Drop, end);
    let (claim, told) = read(&left);
    assert_eq!((claim.withheld, &told["withheld"]), (Some(Withheld::Drop), &"drop".into()));
    assert_eq!(word(&claim.data, 0), Some(key().address().into_word()));
    assert_eq!(word(&claim.data, 1), word(&statement(), 1));
    assert_eq!(claim.signature, Bytes::from(keccak256(signature())));
    assert!(claim.uri.is_empty());
    let digest = signed_digest(IDENTITY, TOPIC, &statement());
    for bytes in [&statement()[..32], URI, digest.as_slice(), &signature()[..32], keccak256(URI).as_slice()] {
        assert!(!has(&left, bytes), "{}", alloy::hex::encode(bytes));
    }
    let (as_it_was, _) = read(&whole);
    for kept in [
        (as_it_was.claim_id, as_it_was.topic, as_it_was.scheme, as_it_was.issuer),
        (claim.claim_id, claim.topic, claim.scheme, claim.issuer),
    ] {
        assert_eq!(kept, (keccak256((ISSUER, TOPIC).abi_encode_params()), TOPIC, U256::ONE, ISSUER));
    }
    let unsigned = (U256::ONE, Bytes::new(), statement(), Bytes::new()).abi_encode_params();
    let unsigned =
        self::left(&claimed(Identity::ClaimAdded::SIGNATURE_HASH, unsigned), Withheld::Drop, endless);
    assert_eq!(read(&unsigned).0.data, Bytes::from(B256::ZERO), "nobody signed it");
}

#[test]
fn what_was_withheld_does_not_come_back_and_a_digest_can_be_dropped() {
    let whole = claimed(Identity::ClaimAdded::SIGNATURE_HASH, body());
    let digest = left(&whole, Withheld::Digest, end);
    let dropped = left(&whole, Withheld::Drop, end);
    assert_eq!(withhold(&digest, |_| None, end), None);
    assert_eq!(withhold(&digest, |_| Some(Withheld::Digest), end), None);
    assert_eq!(withhold(&digest, |_| Some(Withheld::Drop), endless), Some(dropped.clone()));
    for how in [None, Some(Withheld::Digest), Some(Withheld::Drop)] {
        assert_eq!(withhold(&dropped, |_| how, end), None);
    }
    let call = requested(add_claim());
    let of_digest = left(&left(&call, Withheld::Digest, end), Withheld::Drop, endless);
    assert_eq!(of_digest, left(&call, Withheld::Drop, end));
}

#[test]
fn calls_that_add_a_claim_say_no_more_than_its_log() {
    let execute = |inner: Bytes| -> Bytes {
        let arguments = (IDENTITY, U256::ZERO, inner).abi_encode_params();
        [executeCall::SELECTOR.as_slice(), &arguments].concat().into()
    };
    for input in [add_claim(), execute(add_claim()), execute(execute(add_claim()))] {
        let whole = requested(input);
        assert!(has(&whole, &statement()[..32]) && has(&whole, URI));
        for how in Withheld::ALL {
            let left = left(&whole, how, endless);
            assert!(!has(&left, &statement()[..32]) && !has(&left, URI), "{how:?}");
            assert_eq!(has(&left, &signature()[..32]), how == Withheld::Digest);
            let Reading::Event { name, data, .. } = Decoder::new(&[]).read(Role::Identity, &left) else {
                panic!("it can be read");
            };
            assert_eq!(
                (name.as_str(), &data.value()["withheld"]),
                ("ExecutionRequested", &how.name().into())
            );
        }
        assert_eq!(withhold(&whole, |_| None, endless), None, "the topic is kept");
    }
    for other in [Bytes::new(), Bytes::from_static(b"\x01\x02\x03\x04whatever"), execute(Bytes::new())] {
        assert_eq!(withhold(&requested(other), |_| Some(Withheld::Drop), endless), None);
    }
}

#[test]
fn what_cannot_be_read_is_not_kept_either() {
    let broken = claimed(Identity::ClaimAdded::SIGNATURE_HASH, b"born 1970-01-01".to_vec());
    let left = left(&broken, Withheld::Digest, endless);
    assert!(left.data.is_empty());
    assert_eq!(left.withheld, Some(Withheld::Digest));
    let reading = Decoder::new(&[]).read(Role::Identity, &left);
    assert_eq!(reading, Reading::Unreadable(Unreadable::Malformed));
    let short = add_claim().slice(..100);
    let left = self::left(&requested(short), Withheld::Drop, endless);
    assert!(has(&left, &addClaimCall::SELECTOR));
    assert!(!has(&left, ISSUER.as_slice()));
}

#[test]
fn what_only_looks_like_a_claim_is_not_kept() {
    let strict = |log: &RawLog| withhold(log, |_| Some(Withheld::Digest), endless).expect("withheld");
    let asked = claimed(ClaimRequested::SIGNATURE_HASH, body());
    assert!(!has(&strict(&asked), &statement()[..32]));
    let mut fewer = claimed(Identity::ClaimAdded::SIGNATURE_HASH, body());
    fewer.topics.pop();
    assert!(strict(&fewer).data.is_empty());
    let nested = |inner: Bytes| -> Bytes {
        let arguments = (IDENTITY, U256::ZERO, inner).abi_encode_params();
        [executeCall::SELECTOR.as_slice(), &arguments].concat().into()
    };
    let deep = (0..=DEPTH_MAX).fold(add_claim(), |inner, _| nested(inner));
    let broken = nested(add_claim()).slice(..60);
    for input in [deep, broken, add_claim().slice(..20)] {
        let left = strict(&requested(input.clone()));
        assert!(!has(&left, &statement()[..32]) && !has(&left, ISSUER.as_slice()));
        assert_eq!(withhold(&requested(input), |_| None, endless), None);
    }
    // A signature that is none may be the statement; one that is revoked lets a guess be tried.
    let token = Bytes::from_static(b"born 1970-01-01, says a token");
    let foreign = (U256::from(2), token.clone(), statement(), Bytes::new()).abi_encode_params();
    let left = strict(&claimed(Identity::ClaimAdded::SIGNATURE_HASH, foreign));
    assert_eq!(left.withheld, Some(Withheld::Drop));
    assert!(!has(&left, &token));
    let revoke = (signature(),).abi_encode_params();
    let revoke = requested([revokeClaimBySignatureCall::SELECTOR.as_slice(), &revoke].concat().into());
    assert_eq!(withhold(&revoke, |_| Some(Withheld::Digest), endless), None);
    let left = self::left(&revoke, Withheld::Drop, endless);
    assert!(!has(&left, &signature()[..32]) && has(&left, keccak256(signature()).as_slice()));
    let data = ClaimData { topics: [(TOPIC, Some(Withheld::Drop))].into(), others: None };
    assert_eq!(data.of(None), Some(Withheld::Drop), "it may be any");
}

#[test]
fn a_topic_with_a_word_of_its_own_is_not_one_of_the_others() {
    let data = ClaimData { topics: [(TOPIC, None)].into(), others: Some(Withheld::Drop) };
    assert_eq!((data.of(Some(TOPIC)), data.of(Some(U256::ONE))), (None, Some(Withheld::Drop)));
    assert!(!data.keeps_all() && ClaimData::default().keeps_all());
    let kept = claimed(Identity::ClaimAdded::SIGNATURE_HASH, body());
    assert_eq!(withhold(&kept, |topic| data.of(topic), endless), None);
    let removed = claimed(Identity::ClaimRemoved::SIGNATURE_HASH, body());
    assert!(!has(&left(&removed, Withheld::Digest, endless), &statement()[..32]), "also of one that ends");
    let other = log(Identity::KeyAdded::SIGNATURE_HASH, [B256::ZERO; 3], Vec::new());
    assert_eq!(withhold(&other, |_| Some(Withheld::Drop), endless), None);
}
