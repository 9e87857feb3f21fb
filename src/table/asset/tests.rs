use alloy::sol_types::SolValue as _;

use super::*;
use crate::source::CallAnswer;
use crate::table::fold::{Settings, trial};
use crate::table::holder::AssetHolder;

const TOKEN: Address = Address::repeat_byte(0x70);

fn moved(block: u64, from: u8, to: u8) -> Entry {
    let (from, to) = (Address::repeat_byte(from), Address::repeat_byte(to));
    let fact = Fact::Transferred { from, to, amount: U256::from(5) };
    let entry = trial::entry((TOKEN, Role::Erc20), block, 0, trial::event(fact));
    Entry { asset_id: Some(id::asset_id(1, TOKEN)), ..entry }
}

/// A rebuild has the answers that were kept, and nobody to ask for others.
#[test]
fn what_a_token_says_of_itself_is_asked_at_its_first_log_alone() {
    let openings = [(TOKEN, trial::block(9))].into();
    let settings = Settings { chain_id: 1, openings, ..Settings::default() };
    let hundred = CallAnswer::Returned(U256::from(100).abi_encode().into());
    let entries = [moved(10, 1, 2), moved(11, 3, 4), moved(12, 2, 3)];
    let (changes, asked) = trial::folded(settings, &entries, |_| hundred.clone());
    let asked: Vec<u64> = asked.iter().map(|call| call.block.number).collect();
    assert!(asked.contains(&9) && asked.contains(&10), "{asked:?}");
    assert!(asked.iter().all(|block| *block < 11), "asked at {asked:?}");
    let balances: Vec<_> =
        trial::rows::<AssetHolder>(&changes).into_iter().map(|holder| holder.balance).collect();
    assert_eq!(balances, [95_u64, 100, 100, 105].map(Amount::from), "each opened with a hundred");
}

/// Circle's deployment of a token: `AdminChanged` in a transaction of its own, `initialize` in the next.
#[test]
fn a_proxy_that_is_initialized_after_its_first_log_is_asked_again() {
    let admin_changed = trial::entry((TOKEN, Role::Erc20), 10, 0, trial::unknown());
    let admin_changed = Entry { asset_id: Some(id::asset_id(1, TOKEN)), ..admin_changed };
    let entries = [admin_changed, moved(12, 0, 2), moved(13, 0, 3)];
    let settings = Settings { chain_id: 1, ..Settings::default() };
    let (changes, asked) = trial::folded(settings, &entries, |call| match call.block.number {
        10 => CallAnswer::Returned(Bytes::new()),
        _ if call.input[..4] == calls::decimalsCall::SELECTOR => {
            CallAnswer::Returned(U256::from(6).abi_encode().into())
        }
        _ => CallAnswer::Returned("USDC".to_owned().abi_encode().into()),
    });
    let assets = trial::rows::<Asset>(&changes);
    assert_eq!((assets[0].name.as_deref(), assets[0].decimals), (Some("USDC"), Some(6)));
    assert_eq!((assets[0].created_block, assets[0].unreadable_logs), (10, 1));
    let blocks: Vec<u64> = asked.iter().map(|call| call.block.number).collect();
    assert!(!blocks.contains(&13), "it has said who it is: {blocks:?}");
}

/// T-REX's `init` pauses the token and logs what it is called.
#[test]
fn a_security_that_is_initialized_after_its_first_log_is_asked_whether_it_is_paused() {
    let of_token = |block, event| {
        let entry = trial::entry((TOKEN, Role::TrexToken), block, 0, event);
        Entry { asset_id: Some(id::asset_id(1, TOKEN)), ..entry }
    };
    let told =
        Fact::InformationUpdated { decimals: 0, version: "4.1.6".to_owned(), onchain_id: Address::ZERO };
    let entries = [of_token(10, trial::unknown()), of_token(12, trial::event(told))];
    let settings = Settings { chain_id: 1, ..Settings::default() };
    let (changes, _) = trial::folded(settings, &entries, |call| {
        let paused = call.input[..4] == calls::pausedCall::SELECTOR && call.block.number == 12;
        CallAnswer::Returned(U256::from(paused).abi_encode().into())
    });
    assert_eq!(trial::rows::<Asset>(&changes)[0].paused, Some(true));
}
