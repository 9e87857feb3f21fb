//! The binary files of the corpora, written as what they are. A test holds files and seeds together.

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::sol_types::SolValue;
use asset_indexer::fact::Role;

use crate::decode::EVENTS;

/// The seeds of a target, by the name of their file; none where the files are text.
pub fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    match target {
        "decode" => logs(),
        "fold" => stories(),
        _ => Vec::new(),
    }
}

fn role_byte(role: Role) -> u8 {
    Role::ALL.iter().position(|other| *other == role).unwrap_or_default() as u8
}

/// The byte that chooses an event.
fn event_byte(role: Role, name: &str) -> u8 {
    let place = EVENTS[&role].iter().position(|(signature, _, _)| signature.starts_with(&format!("{name}(")));
    1 + place.unwrap_or_else(|| panic!("{role:?} has no event {name}")) as u8
}

fn word(number: u64) -> B256 {
    B256::left_padding_from(&number.to_be_bytes())
}

fn wallet(number: u8) -> B256 {
    Address::repeat_byte(0xa0 + number).into_word()
}

/// Input of `decode`.
fn log(role: Role, event: &str, count: u8, topics: &[B256], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![role_byte(role), event_byte(role, event), count];
    topics.iter().for_each(|topic| bytes.extend_from_slice(topic.as_slice()));
    bytes.extend_from_slice(data);
    bytes
}

fn logs() -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<(String, Vec<u8>)> = Vec::new();
    let mut add = |name: &str, bytes: Vec<u8>| found.push((name.to_owned(), bytes));
    let one = U256::ONE.abi_encode();
    let max = U256::MAX.abi_encode();
    let transfer = keccak256("Transfer(address,address,uint256)");
    for role in [Role::Erc20, Role::TrexToken] {
        let name = |what: &str| format!("{}_{what}", role.name());
        add(&name("transfer"), log(role, "Transfer", 255, &[wallet(1), wallet(2)], &one));
        add(&name("transfer_of_all"), log(role, "Transfer", 255, &[B256::ZERO, wallet(2)], &max));
        add(
            &name("transfer_unindexed"),
            log(role, "Transfer", 1, &[], &[wallet(1).0, wallet(2).0, word(1).0].concat()),
        );
        add(
            &name("transfer_one_index"),
            log(role, "Transfer", 2, &[wallet(1)], &[wallet(2).0, word(1).0].concat()),
        );
        add(&name("transfer_erc721"), log(role, "Transfer", 4, &[wallet(1), wallet(2), word(7)], &[]));
        add(
            &name("transfer_five_topics"),
            log(role, "Transfer", 5, &[wallet(1), wallet(2), word(7), word(8)], &one),
        );
        add(&name("transfer_no_data"), log(role, "Transfer", 255, &[wallet(1), wallet(2)], &[]));
        add(&name("transfer_31_bytes"), log(role, "Transfer", 255, &[wallet(1), wallet(2)], &one[..31]));
        add(
            &name("transfer_two_words"),
            log(role, "Transfer", 255, &[wallet(1), wallet(2)], &[one.clone(), max.clone()].concat()),
        );
        add(
            &name("transfer_dirty_address"),
            log(role, "Transfer", 255, &[B256::repeat_byte(0xff), wallet(2)], &one),
        );
        add(&name("approval"), log(role, "Approval", 255, &[wallet(1), wallet(2)], &max));
        add(&name("anonymous"), vec![role_byte(role), 0, 0, 1, 2, 3]);
    }
    let mut unknown = vec![role_byte(Role::Erc20), 0, 1];
    unknown.extend_from_slice(keccak256("Rug(uint256)").as_slice());
    add("unknown_event", unknown.clone());
    unknown[2] = 3;
    unknown[3..35].copy_from_slice(transfer.as_slice());
    add("transfer_by_its_hash", unknown);

    let token = Role::TrexToken;
    let information = |decimals: B256, version: &[u8]| {
        let body = (decimals, Bytes::copy_from_slice(version)).abi_encode_params();
        log(token, "UpdatedTokenInformation", 4, &[keccak256("n"), keccak256("s"), wallet(3)], &body)
    };
    add("information", information(word(18), b"4.1.3"));
    add("information_invalid_utf8", information(word(6), b"\xff\xfe\xc3( \xed\xa0\x80!"));
    add("information_nul", information(word(6), b"4\0.1\0\0"));
    add("information_bidi", information(word(6), "\u{202e}1.4\u{2028}\u{feff}".as_bytes()));
    add("information_long", information(word(6), &b"v".repeat(3_000)));
    // Found by this target: the process ended at a decimal above 64 bits.
    add("information_dirty_decimals", information(B256::repeat_byte(0xff), b"4"));
    let mut huge = information(word(6), b"4.1.3");
    let length = huge.len() - 64;
    huge[length..length + 32].copy_from_slice(word(1 << 62).as_slice());
    add("information_huge_length", huge.clone());
    huge[length..length + 32].fill(0xff);
    add("information_length_of_all", huge.clone());
    huge[length - 32..length].fill(0xff);
    add("information_offset_of_all", huge);
    add("frozen", log(token, "AddressFrozen", 255, &[wallet(1), word(2), wallet(2)], &[]));
    add("tokens_frozen", log(token, "TokensFrozen", 255, &[wallet(1)], &max));
    add("paused", log(token, "Paused", 255, &[], wallet(1).as_slice()));
    add("recovery", log(token, "RecoverySuccess", 255, &[wallet(1), wallet(2), wallet(3)], &[]));
    add("initialized_beyond_its_type", log(token, "Initialized", 255, &[], &max));

    let storage = Role::IdentityRegistryStorage;
    add("country", log(storage, "CountryModified", 255, &[wallet(1), word(528)], &[]));
    add(
        "country_of_all_bits",
        log(storage, "CountryModified", 255, &[wallet(1), B256::repeat_byte(0xff)], &[]),
    );
    add("identity_stored", log(storage, "IdentityStored", 255, &[wallet(1), wallet(2)], &[]));
    let issuers = Role::TrustedIssuersRegistry;
    let topics = |topics: Vec<U256>| (topics,).abi_encode_params();
    add(
        "issuer",
        log(issuers, "TrustedIssuerAdded", 255, &[wallet(1)], &topics(vec![U256::from(1), U256::MAX])),
    );
    add("issuer_of_nothing", log(issuers, "TrustedIssuerAdded", 255, &[wallet(1)], &topics(Vec::new())));
    add(
        "issuer_of_1025_topics",
        log(issuers, "ClaimTopicsUpdated", 255, &[wallet(1)], &topics((0..1025).map(U256::from).collect())),
    );
    let mut lying = topics(vec![U256::ONE]);
    lying[32..64].copy_from_slice(word(1 << 40).as_slice());
    add("issuer_of_a_trillion_topics", log(issuers, "TrustedIssuerAdded", 255, &[wallet(1)], &lying));

    let claim = |uri: &[u8]| {
        let body =
            (U256::ONE, Bytes::from(vec![7; 65]), Bytes::from(vec![1, 2, 3]), Bytes::copy_from_slice(uri));
        log(
            Role::Identity,
            "ClaimAdded",
            255,
            &[keccak256("c"), word(1), wallet(3)],
            &body.abi_encode_params(),
        )
    };
    add("claim", claim(b"https://example.com/claim"));
    add("claim_uri_invalid_utf8", claim(b"\xff\xed\xa0\x80"));
    let mut cut = claim(b"https://example.com/claim");
    cut.truncate(3 + 96 + 96);
    add("claim_cut", cut);
    add("key", log(Role::Identity, "KeyAdded", 255, &[keccak256("k"), word(1), word(1)], &[]));
    add("revoked", log(Role::Identity, "ClaimRevoked", 255, &[keccak256("s")], &[]));
    let suite: Vec<u8> = (1..=5).flat_map(|number| wallet(number).0).collect();
    add("suite", log(Role::TrexFactory, "TREXSuiteDeployed", 255, &[wallet(6), word(1)], &suite));

    // One log of zeros for every event there is.
    for role in Role::ALL {
        for (place, (signature, _, _)) in EVENTS[&role].iter().enumerate() {
            let name = signature.split('(').next().unwrap_or_default();
            let mut zeros = vec![role_byte(role), 1 + place as u8, 255];
            zeros.resize(3 + 9 * 32, 0);
            found.push((format!("zero_{}_{place:02}_{name}", role.name()), zeros));
        }
    }
    found
}

/// A log of a story: flags, the contract's place, its role, the event, codes of topics and of data.
type Told<'a> = (u8, u8, Role, &'a str, &'a [u8], &'a [u8]);

/// Input of `fold`: contracts by their place, words by their codes.
fn story(logs: &[Told<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (flags, place, role, event, topics, data) in logs {
        bytes.extend_from_slice(&[*flags, *place, event_byte(*role, event), 255]);
        bytes.extend_from_slice(topics);
        bytes.push(data.len() as u8);
        bytes.extend_from_slice(data);
    }
    bytes
}

fn stories() -> Vec<(String, Vec<u8>)> {
    use Role::{
        Compliance, Erc20, IdFactory, Identity, IdentityRegistry, IdentityRegistryStorage, TrexFactory,
        TrexToken, TrustedIssuersRegistry,
    };
    let claim: &[u8] = &[24, 104, 106, 108, 88, 136, 137, 138, 26, 140, 28, 141];
    vec![
        (
            "transfers".to_owned(),
            story(&[
                (1, 0, Erc20, "Transfer", &[0, 1], &[90]),
                (1, 0, Erc20, "Transfer", &[1, 2], &[30]),
                (2, 0, Erc20, "Transfer", &[2, 2], &[40]),
                (1, 0, Erc20, "Transfer", &[3, 4], &[132]),
                (0, 13, Erc20, "Transfer", &[2, 0], &[25]),
            ]),
        ),
        (
            "mints_beyond_uint256".to_owned(),
            story(&[
                (1, 0, Erc20, "Transfer", &[0, 1], &[132]),
                (0, 0, Erc20, "Transfer", &[0, 1], &[132]),
                (1, 0, Erc20, "Transfer", &[1, 0], &[132]),
                (0, 0, Erc20, "Transfer", &[0, 0], &[132]),
            ]),
        ),
        (
            "forced_or_not".to_owned(),
            story(&[
                (1, 1, TrexToken, "Transfer", &[0, 1], &[90]),
                (1, 1, TrexToken, "Transfer", &[1, 2], &[30]),
                (2, 1, TrexToken, "Approval", &[1, 3], &[30]),
                (0, 1, TrexToken, "Transfer", &[1, 2], &[30]),
                (2, 1, TrexToken, "TokensFrozen", &[2], &[40]),
                (0, 1, TrexToken, "AddressFrozen", &[2, 24, 3], &[]),
                (1, 1, TrexToken, "RecoverySuccess", &[2, 4, 19], &[]),
                (0, 1, TrexToken, "UpdatedTokenInformation", &[136, 137, 19], &[41, 102, 26, 138]),
            ]),
        ),
        (
            "suite".to_owned(),
            story(&[
                (1, 8, TrexFactory, "TREXSuiteDeployed", &[10, 136], &[11, 12, 13, 14, 15]),
                (0, 2, IdentityRegistry, "IdentityStorageSet", &[12], &[]),
                (2, 3, IdentityRegistryStorage, "IdentityStored", &[1, 19], &[]),
                (1, 3, IdentityRegistryStorage, "CountryModified", &[1, 60], &[]),
                (0, 3, IdentityRegistryStorage, "IdentityModified", &[19, 20], &[]),
                (1, 3, IdentityRegistryStorage, "IdentityUnstored", &[1, 20], &[]),
                (0, 6, Compliance, "ModuleAdded", &[16], &[]),
                (1, 6, Compliance, "ModuleRemoved", &[16], &[]),
                (0, 9, IdFactory, "WalletLinked", &[1, 19], &[]),
            ]),
        ),
        (
            "claims".to_owned(),
            story(&[
                (1, 4, TrustedIssuersRegistry, "TrustedIssuerAdded", &[20], &[101, 25, 24, 132]),
                (1, 10, Identity, "KeyAdded", &[136, 24, 24], &[]),
                (0, 10, Identity, "ClaimAdded", &[150, 24, 20], claim),
                (2, 10, Identity, "ClaimChanged", &[150, 24, 20], claim),
                (1, 11, Identity, "ClaimRevoked", &[136], &[]),
                (0, 10, Identity, "ClaimRemoved", &[150, 24, 20], claim),
                (1, 10, Identity, "ClaimAdded", &[150, 24, 20], claim),
                (0, 4, TrustedIssuersRegistry, "TrustedIssuerRemoved", &[20], &[]),
                (0, 10, Identity, "KeyRemoved", &[136, 24, 24], &[]),
            ]),
        ),
    ]
}
