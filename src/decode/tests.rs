//! Events that operators add to a role.

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};

use super::{Decoder, parse_abi};
use crate::block::{BlockId, RawLog};
use crate::fact::{Fact, Reading, Role, Unreadable};

const FROM: Address = Address::repeat_byte(0xAB);
const TO: Address = Address::repeat_byte(0xCD);

fn log(signature: &str, indexed: &[B256], body: &[B256]) -> RawLog {
    RawLog {
        address: Address::repeat_byte(0x11),
        topics: std::iter::once(keccak256(signature)).chain(indexed.iter().copied()).collect(),
        data: Bytes::from(body.concat()),
        block: BlockId { number: 7, hash: B256::repeat_byte(7) },
        log_index: 0,
        transaction_hash: B256::repeat_byte(8),
        transaction_index: 0,
        timestamp: None,
        withheld: None,
    }
}

fn word(number: u64) -> B256 {
    U256::from(number).into()
}

/// ERC-223's transfer, and two of ERC-20's signature that index nothing and everything.
fn decoder(role: Role) -> Decoder {
    let abi = r#"[
        {"type": "event", "name": "Transfer", "anonymous": false, "inputs": [
            {"name": "from", "type": "address", "indexed": true},
            {"name": "to", "type": "address", "indexed": true},
            {"name": "value", "type": "uint256", "indexed": false},
            {"name": "data", "type": "bytes", "indexed": false}]},
        {"type": "event", "name": "Transfer", "anonymous": false, "inputs": [
            {"name": "from", "type": "address", "indexed": false},
            {"name": "to", "type": "address", "indexed": false},
            {"name": "value", "type": "uint256", "indexed": false}]},
        {"type": "event", "name": "Transfer", "anonymous": false, "inputs": [
            {"name": "from", "type": "address", "indexed": true},
            {"name": "to", "type": "address", "indexed": true},
            {"name": "id", "type": "uint256", "indexed": true}]}
    ]"#;
    Decoder::new(&[(role, parse_abi("extra.json", abi).expect("an ABI"))])
}

#[test]
fn an_event_with_the_name_of_ours_and_another_signature_is_recorded() {
    // Offset and length of the bytes, which are none.
    let body = [word(5), word(64), word(0)];
    let log = log("Transfer(address,address,uint256,bytes)", &[FROM.into_word(), TO.into_word()], &body);
    for role in [Role::Erc20, Role::TrexToken] {
        let Reading::Event { name, data, fact } = decoder(role).read(role, &log) else {
            panic!("{role:?}: it is not read");
        };
        assert_eq!((name.as_str(), fact), ("Transfer", Fact::Recorded), "{role:?}");
        let data = data.value();
        assert_eq!((data["value"].as_str(), data["data"].as_str()), (Some("5"), Some("0x")), "{role:?}");
        assert_eq!(Decoder::new(&[]).read(role, &log), Reading::Unreadable(Unreadable::UnknownEvent));
    }
}

#[test]
fn our_own_event_means_what_it_does_beside_an_operators_of_its_name() {
    let log = log("Transfer(address,address,uint256)", &[FROM.into_word(), TO.into_word()], &[word(5)]);
    let Reading::Event { fact, .. } = decoder(Role::Erc20).read(Role::Erc20, &log) else {
        panic!("it is not read");
    };
    assert_eq!(fact, Fact::Transferred { from: FROM, to: TO, amount: U256::from(5) });
}

/// It moved something, and how much is not known: the asset must not look as if all were understood.
#[test]
fn our_signature_with_other_topics_is_not_taken_for_a_record() {
    let (from, to, decoder) = (FROM.into_word(), TO.into_word(), decoder(Role::Erc20));
    let signature = "Transfer(address,address,uint256)";
    for log in [log(signature, &[], &[from, to, word(5)]), log(signature, &[from, to, word(5)], &[])] {
        assert_eq!(decoder.read(Role::Erc20, &log), Reading::Unreadable(Unreadable::Malformed));
    }
}
