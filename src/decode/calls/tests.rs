//! The selectors and arguments of T-REX's AgentManager, written by hand from its source.

use alloy::primitives::{B256, keccak256};

use super::*;

const X: Address = Address::repeat_byte(0xa1);
const Y: Address = Address::repeat_byte(0xa2);
const Z: Address = Address::repeat_byte(0xa3);
const ONCHAIN_ID: Address = Address::repeat_byte(0x1d);
const CALLER: Address = Address::repeat_byte(0xee);

fn call(signature: &str, words: &[B256]) -> Vec<u8> {
    [&keccak256(signature)[..4], &words.concat()[..]].concat()
}

fn word(number: u64) -> B256 {
    U256::from(number).into()
}

#[test]
fn a_manager_is_asked_to_force_a_transfer() {
    let words = [X.into_word(), Y.into_word(), word(100), ONCHAIN_ID.into_word()];
    let input = call("callForcedTransfer(address,address,uint256,address)", &words);
    let asked = manager_call(&input).expect("it is one");
    assert!(asked.forced && asked.asks_for(CALLER, X, Y, U256::from(100)));
    assert!(!asked.asks_for(CALLER, Y, X, U256::from(100)) && !asked.asks_for(CALLER, X, Y, U256::from(99)));
    assert_eq!(token_call(&input), None, "the token has no such function");
    assert_eq!(manager_call(&input[..100]), None, "its last word is missing");
    let of_token = call("forcedTransfer(address,address,uint256)", &words[..3]);
    assert_eq!(manager_call(&of_token), None, "a manager has no such function");
}

#[test]
fn a_manager_is_asked_to_force_several() {
    let heads = [word(128), word(224), word(320), ONCHAIN_ID.into_word()];
    let from = [word(2), X.into_word(), Z.into_word()];
    let to = [word(2), Y.into_word(), X.into_word()];
    let amounts = [word(2), word(100), word(7)];
    let words = [&heads[..], &from[..], &to[..], &amounts[..]].concat();
    let input = call("callBatchForcedTransfer(address[],address[],uint256[],address)", &words);
    let asked = manager_call(&input).expect("it is one");
    assert!(asked.forced);
    assert!(asked.asks_for(CALLER, X, Y, U256::from(100)) && asked.asks_for(CALLER, Z, X, U256::from(7)));
    assert!(!asked.asks_for(CALLER, X, Y, U256::from(7)), "of another place in the lists");
}

#[test]
fn whose_identity_changes_is_read_from_whoever_is_called() {
    let of_two = [X.into_word(), Y.into_word()];
    let of_manager = [X.into_word(), Y.into_word(), ONCHAIN_ID.into_word()];
    for input in [
        call("modifyStoredIdentity(address,address)", &of_two),
        call("updateIdentity(address,address)", &of_two),
    ] {
        assert_eq!(identity_update(&input), Some((X, Y)));
    }
    assert_eq!(identity_update(&call("callUpdateIdentity(address,address,address)", &of_manager)), None);
    assert_eq!(identity_update(&call("callDeleteIdentity(address,address)", &of_two)), None);
    assert_eq!(identity_update(&[]), None);
}
