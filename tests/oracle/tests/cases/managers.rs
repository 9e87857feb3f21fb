//! Transfers forced through T-REX's AgentManager.

use alloy::primitives::{Address, B256, address, keccak256};
use oracle::Chain;
use serde_json::Value;

use super::chain::{ANN, BEN, NOBODY, TOKEN, chain, columns, log, n, together, told, transfer};

const MANAGER: Address = address!("0x3a00000000000000000000000000000000000001");

fn agent(name: &str, account: Address) -> oracle::Log {
    log(TOKEN, &format!("{name}(address)"), &[account.into_word()], &[])
}

/// The kinds of transfers between wallets, where every transaction called a contract with these words.
fn kinds(mut chain: Chain, called: Address, signature: &str, words: &[B256]) -> Vec<Value> {
    for transaction in chain.blocks.iter_mut().flat_map(|block| &mut block.transactions) {
        transaction.to = Some(called);
        transaction.input = [&keccak256(signature)[..4], &words.concat()[..]].concat().into();
    }
    let kinds = columns(&told(&chain), "asset_operations", ["operation_type"]).concat();
    kinds.into_iter().filter(|kind| kind.as_str().is_some_and(|kind| kind.ends_with("transfer"))).collect()
}

#[test]
fn a_manager_forces_where_it_is_an_agent() {
    let call = "callForcedTransfer(address,address,uint256,address)";
    let words = [ANN.into_word(), BEN.into_word(), n(100), MANAGER.into_word()];
    let on = |called, logs| kinds(chain(&[("trex_token", TOKEN)], logs), called, call, &words);
    let minted = || transfer(NOBODY, ANN, 200);
    let moved = || transfer(ANN, BEN, 100);
    let (added, removed) = (|| agent("AgentAdded", MANAGER), || agent("AgentRemoved", MANAGER));
    assert_eq!(on(MANAGER, vec![minted(), added(), moved()]), ["forced_transfer"]);
    assert_eq!(on(MANAGER, vec![minted(), added(), moved(), removed()]), ["forced_transfer"]);
    assert_eq!(on(MANAGER, vec![minted(), moved(), added()]), ["undetermined_transfer"]);
    assert_eq!(on(MANAGER, vec![minted(), added(), removed(), moved()]), ["undetermined_transfer"]);
    assert_eq!(on(BEN, vec![minted(), added(), moved()]), ["undetermined_transfer"]);
    assert_eq!(on(MANAGER, vec![minted(), added(), transfer(ANN, BEN, 99)]), ["undetermined_transfer"]);
    let of_token = vec![minted(), agent("AgentAdded", TOKEN), moved()];
    assert_eq!(on(TOKEN, of_token), ["undetermined_transfer"], "a token has no such function");
    let at_once = |logs| kinds(together(&[("trex_token", TOKEN)], logs), MANAGER, call, &words);
    assert_eq!(at_once(vec![minted(), added(), moved()]), ["forced_transfer"]);
    assert_eq!(at_once(vec![minted(), added(), moved(), removed()]), ["undetermined_transfer"]);
}

#[test]
fn a_manager_forces_several() {
    let call = "callBatchForcedTransfer(address[],address[],uint256[],address)";
    let heads = [n(128), n(224), n(320), MANAGER.into_word()];
    let from = [n(2), ANN.into_word(), BEN.into_word()];
    let to = [n(2), BEN.into_word(), ANN.into_word()];
    let amounts = [n(2), n(100), n(7)];
    let words = [&heads[..], &from[..], &to[..], &amounts[..]].concat();
    let moves = [transfer(ANN, BEN, 100), transfer(BEN, ANN, 7), transfer(ANN, BEN, 7)];
    let logs = [transfer(NOBODY, ANN, 200), agent("AgentAdded", MANAGER)].into_iter().chain(moves).collect();
    let kinds = kinds(together(&[("trex_token", TOKEN)], logs), MANAGER, call, &words);
    assert_eq!(kinds, ["forced_transfer", "forced_transfer", "undetermined_transfer"]);
}
