//! Logs that no honest contract would write.

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::sol_types::SolEvent;
use scenario::emitter::TRANSFER;

use super::wallet;
use simulation::events::{account, identity, token};

pub const MEGABYTE: usize = 1 << 20;

/// A log, and why a token of each kind cannot read it; `None` where it can.
pub struct Case {
    pub what: &'static str,
    pub topics: Vec<B256>,
    pub data: Vec<u8>,
    pub erc20: Option<&'static str>,
    pub trex: Option<&'static str>,
}

fn case(what: &'static str, topics: &[B256], data: &[u8], unreadable: Option<&'static str>) -> Case {
    Case { what, topics: topics.to_vec(), data: data.to_vec(), erc20: unreadable, trex: unreadable }
}

/// An event that only a T-REX token has.
fn trex(what: &'static str, event: impl SolEvent) -> Case {
    let data = event.encode_log_data();
    let (topics, data) = (data.topics().to_vec(), data.data.to_vec());
    Case { what, topics, data, erc20: Some("unknown_event"), trex: None }
}

fn moves(what: &'static str, from: Address, to: Address, amount: U256) -> Case {
    let topics = [TRANSFER, from.into_word(), to.into_word()];
    case(what, &topics, &amount.to_be_bytes::<32>(), None)
}

fn information(version: &str) -> token::UpdatedTokenInformation {
    token::UpdatedTokenInformation {
        _newName: keccak256("name"),
        _newSymbol: keccak256("symbol"),
        _newDecimals: 6,
        _newVersion: version.to_owned(),
        _newOnchainID: account(0x1d, 1),
    }
}

/// Replaces bytes that occur once.
fn replaced(mut case: Case, from: &[u8], to: &[u8]) -> Case {
    let places: Vec<usize> =
        (0..case.data.len() - from.len()).filter(|at| case.data[*at..].starts_with(from)).collect();
    let [at] = places.as_slice() else { panic!("{}: {places:?}", case.what) };
    case.data[*at..at + from.len()].copy_from_slice(to);
    case
}

/// Logs of any shape, in the order in which both tokens log them.
pub fn cases() -> Vec<Case> {
    let (a, b, word) = (wallet(1), wallet(2), |address: Address| address.into_word());
    let one = U256::ONE.to_be_bytes::<32>();
    let dirty = {
        let mut topic = word(a);
        topic.0[0] = 0xff;
        topic
    };
    let mut cases = vec![
        case(
            "an ERC-721 transfer",
            &[TRANSFER, word(a), word(b), B256::with_last_byte(7)],
            &[],
            Some("other_topic_count"),
        ),
        case(
            "a transfer without indices",
            &[TRANSFER],
            &[a.into_word().0, b.into_word().0, one].concat(),
            Some("other_topic_count"),
        ),
        case(
            "a transfer with one index",
            &[TRANSFER, word(a)],
            &[b.into_word().0, one].concat(),
            Some("other_topic_count"),
        ),
        case("an anonymous log without data", &[], &[], Some("anonymous")),
        case("an anonymous log with a transfer's data", &[], &one, Some("anonymous")),
        case("an unknown event", &[keccak256("Rug(uint256)")], &one, Some("unknown_event")),
        case(
            "an unknown event of a megabyte",
            &[keccak256("Rug(bytes)")],
            &vec![0xab; MEGABYTE],
            Some("unknown_event"),
        ),
        case("a transfer of no data", &[TRANSFER, word(a), word(b)], &[], Some("malformed")),
        case("a transfer of 31 bytes", &[TRANSFER, word(a), word(b)], &one[..31], Some("malformed")),
        moves("a transfer to oneself", a, a, U256::from(5)),
        moves("a transfer of nothing", a, b, U256::ZERO),
        moves("a transfer from nobody to nobody", Address::ZERO, Address::ZERO, U256::from(9)),
        moves("a burn of what nobody holds", wallet(3), Address::ZERO, U256::from(4)),
        moves("a transfer of what nobody holds", wallet(4), wallet(5), U256::MAX),
        moves("a transfer to the contract that logs", a, account(0x99, 9), U256::ZERO),
        trex(
            "an unfreeze of more than is frozen",
            token::TokensUnfrozen { _userAddress: a, _amount: U256::from(5) },
        ),
        trex(
            "a freeze of more than anybody holds",
            token::TokensFrozen { _userAddress: b, _amount: U256::MAX },
        ),
        trex("an unpause that was never a pause", token::Unpaused { _userAddress: a }),
        trex(
            "a recovery of nobody",
            token::RecoverySuccess { _lostWallet: a, _newWallet: a, _investorOnchainID: Address::ZERO },
        ),
        trex(
            "a registry that is the token of somebody else",
            token::IdentityRegistryAdded { _identityRegistry: account(0x99, 8) },
        ),
        trex("a version with NUL bytes", information("4\0.1\0")),
        trex("a version of a megabyte", information(&"v".repeat(MEGABYTE))),
        replaced(
            trex("a version that is not UTF-8", information("not UTF-8")),
            b"not UTF-8",
            b"\xff\xfe\xc3( \xed\xa0\x80!",
        ),
    ];
    cases.extend((0..10).map(|_| moves("a mint of all that fits", Address::ZERO, wallet(6), U256::MAX)));
    let mut long =
        case("a transfer with a word too many", &[TRANSFER, word(a), word(b)], &[one, one].concat(), None);
    long.topics[2] = word(wallet(7));
    cases.push(long);
    cases.push(case("a transfer from more than an address", &[TRANSFER, dirty, word(b)], &one, None));
    let mut lying = trex("a version that begins outside", information("4.1"));
    lying.data[32..64].copy_from_slice(&U256::MAX.to_be_bytes::<32>());
    lying.trex = Some("malformed");
    cases.push(lying);
    let mut endless = trex("a version longer than memory", information("4.1"));
    let length = endless.data.len() - 64;
    endless.data[length..length + 32].copy_from_slice(&U256::from(1u64 << 62).to_be_bytes::<32>());
    endless.trex = Some("malformed");
    cases.push(endless);
    cases
}

/// What an identity may be made to log.
pub fn claims() -> Vec<Case> {
    let claim = |number: u8, uri: &str, data: Vec<u8>| identity::ClaimAdded {
        claimId: B256::with_last_byte(number),
        topic: U256::MAX,
        scheme: U256::MAX,
        issuer: account(0x55, u64::from(number)),
        signature: Bytes::from(vec![number; 65]),
        data: data.into(),
        uri: uri.to_owned(),
    };
    let long = identity::ClaimAdded {
        signature: vec![1; MEGABYTE].into(),
        ..claim(3, &"u".repeat(MEGABYTE), vec![2; MEGABYTE])
    };
    let mut cut = trex("a claim that ends early", claim(4, "https://example.com", vec![]));
    cut.data.truncate(96);
    let removed = identity::ClaimRemoved {
        claimId: B256::with_last_byte(9),
        topic: U256::ZERO,
        scheme: U256::ZERO,
        issuer: Address::ZERO,
        signature: Bytes::new(),
        data: Bytes::new(),
        uri: String::new(),
    };
    let key = |active: bool| match active {
        true => trex(
            "a key of every purpose",
            identity::KeyAdded { key: B256::ZERO, purpose: U256::MAX, keyType: U256::MAX },
        ),
        false => trex(
            "a key that was never there",
            identity::KeyRemoved { key: B256::ZERO, purpose: U256::ZERO, keyType: U256::ZERO },
        ),
    };
    vec![
        replaced(
            trex("a claim whose URI is not UTF-8", claim(1, "not UTF-8", vec![])),
            b"not UTF-8",
            b"\xff\xfe\xc3( \xed\xa0\x80!",
        ),
        trex("a claim whose URI has a NUL", claim(2, "ipfs\0://", vec![0; 3])),
        trex("a claim of three megabytes", long),
        cut,
        trex("a claim removed that was never there", removed),
        key(true),
        key(true),
        key(false),
        trex("a revocation of nothing", identity::ClaimRevoked { signature: B256::ZERO }),
    ]
}
