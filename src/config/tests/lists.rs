//! Contracts, ABI files and claim topics.

use alloy::primitives::{U256, address, keccak256};

use super::{Directory, said, sound};
use crate::block::Withheld;
use crate::config::{Config, Overrides};
use crate::fact::Role;
use crate::sync::Contract;

const CHECKSUMMED: &str = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48";

fn contract(address: &str) -> String {
    format!("[[contract]]\nrole = \"erc20\"\naddress = {address:?}\n")
}

#[test]
fn contracts_keep_their_order() {
    let text = format!(
        "{}start_block = 5\npartial = true\n{}",
        contract(CHECKSUMMED),
        "[[contract]]\nrole = \"trex_factory\"\naddress = \"0x2222222222222222222222222222222222222222\""
    );
    assert_eq!(
        sound(&text).contracts,
        [
            Contract {
                role: Role::Erc20,
                address: address!("a0b86991c6218b36c1d19d4a2e9eb0ce3606eb48"),
                start_block: Some(5),
                partial: true,
            },
            Contract {
                role: Role::TrexFactory,
                address: address!("2222222222222222222222222222222222222222"),
                start_block: None,
                partial: false,
            },
        ]
    );
}

#[test]
fn mixed_case_is_a_checksum_and_one_case_is_none() {
    for sound_address in
        [CHECKSUMMED.to_owned(), CHECKSUMMED.to_lowercase(), format!("0x{}", CHECKSUMMED[2..].to_uppercase())]
    {
        let config = sound(&contract(&sound_address));
        assert_eq!(config.contracts[0].address.to_string(), CHECKSUMMED);
    }
    let mistyped = CHECKSUMMED.replace("0xA0b", "0xa0b");
    assert_eq!(
        said(&contract(&mistyped)),
        format!(
            "config.toml:3: contract.address = {mistyped:?}: the checksum of its upper and lower case (EIP-55) is wrong: \
             a digit is mistyped; copy the address again"
        )
    );
}

#[test]
fn contracts_have_rules() {
    let form = "must be an address: 0x and 40 hexadecimal digits";
    for (address, rule) in [
        ("0x0000000000000000000000000000000000000000", "must not be the zero address"),
        ("0x1234", form),
        ("1111111111111111111111111111111111111111", form),
        ("0x111111111111111111111111111111111111111g", form),
        ("0X1111111111111111111111111111111111111111", form),
        ("0x11111111111111111111111111111111111111é", form),
    ] {
        assert_eq!(
            said(&contract(address)),
            format!("config.toml:3: contract.address = {address:?}: {rule}")
        );
    }
    let roles = "(roles: erc20, trex_token, identity_registry, identity_registry_storage, trusted_issuers_registry, \
                 claim_topics_registry, compliance, compliance_module, trex_factory, trex_gateway, \
                 trex_implementation_authority, dvd_manager, dva_manager, role_manager, id_factory, id_gateway, \
                 id_implementation_authority, identity)";
    for (role, hint) in [
        ("erc-20", "; did you mean \"erc20\"?"),
        ("trex-factory", "; did you mean \"trex_factory\"?"),
        ("token", "; did you mean \"trex_token\"?"),
        ("bond", ""),
    ] {
        let text = contract(CHECKSUMMED).replace("erc20", role);
        assert_eq!(
            said(&text),
            format!("config.toml:2: contract.role = {role:?}: unknown role{hint} {roles}")
        );
    }
    for (line, message) in [
        ("start_block = -1", "start_block = -1: must be a whole number from 0 to 9223372036854775807"),
        ("partial = \"yes\"", "partial = \"yes\": must be true or false, without quotes"),
    ] {
        let text = format!("{}{line}", contract(CHECKSUMMED));
        assert_eq!(said(&text), format!("config.toml:4: contract.{message}"));
    }
    assert_eq!(
        said("\n[[contract]]"),
        "2 mistakes in the configuration:\n  config.toml:2: contract.role: is missing\
         \n  config.toml:2: contract.address: is missing"
    );
    let below = format!("[chain]\nfloor_block = 100\n{}start_block = 99", contract(CHECKSUMMED));
    assert_eq!(
        said(&below),
        "config.toml:6: contract.start_block = 99: must not lie below chain.floor_block (100), where nothing is looked for"
    );
}

#[test]
fn a_contract_stands_once() {
    let lower = CHECKSUMMED.to_lowercase();
    let text = contract(CHECKSUMMED) + &contract(&lower).replace("erc20", "trex_token");
    assert_eq!(
        said(&text),
        format!("config.toml:6: contract.address = {lower:?}: is configured already (config.toml:1)")
    );
}

#[test]
fn topics_are_numbers_or_names() {
    let text = |topic: &str| format!("[[claim_topic]]\ntopic = {topic}\nexpires_at_word = 2\n");
    let largest = U256::MAX;
    for (written, topic) in [
        ("7".to_owned(), U256::from(7)),
        ("0x1f".to_owned(), U256::from(31)),
        ("\"7\"".to_owned(), U256::from(7)),
        ("\"0x1F\"".to_owned(), U256::from(31)),
        (format!("{largest}"), largest),
        (format!("\"{largest:#x}\""), largest),
        ("\"KYC\"".to_owned(), U256::from_be_bytes(keccak256("KYC").0)),
    ] {
        assert_eq!(sound(&text(&written)).claim_expiry, [(topic, 2)].into(), "{written}");
    }
    let rule = "must be a claim topic: a number of up to 256 bits, decimal or after 0x, or a name that begins with a \
                letter (the topic is its keccak-256)";
    let above = format!("\"{largest}0\"");
    for written in ["-1", "\"\"", "\"0x\"", "\"0xkyc\"", "\"12ab\"", "\"_kyc\"", "true", &above] {
        assert_eq!(said(&text(written)), format!("config.toml:2: claim_topic.topic = {written}: {rule}"));
    }
    assert_eq!(
        said("[[claim_topic]]\ntopic = 1\nexpires_at_word = 1024"),
        "config.toml:3: claim_topic.expires_at_word = 1024: must be a whole number of words from 0 to 1023"
    );
    assert_eq!(
        said("[[claim_topic]]\ntopic = 1"),
        "config.toml:2: claim_topic.topic = 1: has neither expires_at_word nor data beside it"
    );
    assert_eq!(
        said(&(text("7") + &text("\"0x7\""))),
        "config.toml:5: claim_topic.topic = \"0x7\": is configured already (config.toml:1)"
    );
}

#[test]
fn claim_data_is_kept_or_withheld_by_topic() {
    let config = sound(
        "[[claim_topic]]\ntopic = 1\ndata = \"digest\"\n[[claim_topic]]\ntopic = 2\nexpires_at_word = 0\n\
         [[claim_topic]]\ntopic = \"*\"\ndata = \"drop\"\n[[claim_topic]]\ntopic = 3\ndata = \"keep\"\nexpires_at_word = 1",
    );
    let of = |topic: u64| config.claim_data.of(Some(U256::from(topic)));
    assert_eq!([of(1), of(2), of(3)], [Some(Withheld::Digest), Some(Withheld::Drop), None]);
    assert_eq!(config.claim_expiry, [(U256::from(2), 0), (U256::from(3), 1)].into());
    assert!(sound("").claim_data.keeps_all());
    let entry = |keys: &str| said(&format!("[[claim_topic]]\n{keys}"));
    assert_eq!(
        entry("topic = 1\ndata = \"digests\""),
        "config.toml:3: claim_topic.data = \"digests\": unknown word; did you mean \"digest\"? (words: keep, digest, drop)"
    );
    assert_eq!(
        entry("topic = \"*\"\nexpires_at_word = 1\ndata = \"drop\""),
        "config.toml:3: claim_topic.expires_at_word = 1: says of one topic when its claims end; topic = \"*\" is for data alone"
    );
    let all = "topic = \"*\"\ndata = \"drop\"\n";
    assert_eq!(
        entry(&format!("{all}[[claim_topic]]\n{all}")),
        "config.toml:5: claim_topic.topic = \"*\": is configured already (config.toml:1)"
    );
}

#[test]
fn abi_files_are_found_beside_the_file_and_read() {
    let directory = Directory::new();
    let event = r#"[{"type":"event","name":"Paid","inputs":[{"name":"amount","type":"uint256","indexed":false}],"anonymous":false}]"#;
    directory.write("paid.json", event);
    directory.write("broken.json", "[\n  {\"type\": \"event\",}\n]");
    directory.write("empty.json", "[]");
    let load = |abis: &[&str]| {
        let entries = abis.iter().map(|file| format!("[[abi]]\nrole = \"trex_token\"\nfile = \"{file}\"\n"));
        let file = directory.write("config.toml", entries.collect::<String>());
        Config::load_with(Some(&file), &Default::default(), &Overrides::default())
            .map_err(|errors| directory.relative(errors))
    };
    let config = load(&["paid.json"]).expect("a sound ABI");
    assert_eq!(config.abis.len(), 1);
    assert_eq!(config.abis[0].0, Role::TrexToken);
    assert!(config.abis[0].1.events.contains_key("Paid"));
    let said =
        load(&["none.json", "broken.json", "empty.json", "paid.json", "paid.json"]).expect_err("mistakes");
    let form = "is not a JSON ABI (a list of entries with \"type\", \"name\", \"inputs\")";
    assert_eq!(
        said,
        format!(
            "4 mistakes in the configuration:\
             \n  config.toml:3: abi.file = \"none.json\": ABI file none.json cannot be read: No such file or directory \
             (os error 2)\
             \n  config.toml:6: abi.file = \"broken.json\": ABI file broken.json {form}: trailing comma at line 2 column 20\
             \n  config.toml:9: abi.file = \"empty.json\": ABI file empty.json {form}: it declares no event\
             \n  config.toml:15: abi.file = \"paid.json\": is configured already for this role (config.toml:10)"
        )
    );
}
