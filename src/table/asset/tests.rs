use alloy::sol_types::SolValue as _;

use super::*;
use crate::row::Table;
use crate::source::CallAnswer;
use crate::table::fold::{Changes, Settings, trial};
use crate::table::holder::{AssetHolder, OwnershipHistory};

const TOKEN: Address = Address::repeat_byte(0x70);

fn moved(block: u64, from: u8, to: u8) -> Entry {
    transferred(block, from, to, 5)
}

fn transferred(block: u64, from: u8, to: u8, amount: u64) -> Entry {
    let (from, to) = (Address::repeat_byte(from), Address::repeat_byte(to));
    let fact = Fact::Transferred { from, to, amount: U256::from(amount) };
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

/// What a token that is followed from block 10 on comes to, where every call answers the same.
fn opened(entries: &[Entry], answer: u64) -> Changes {
    let openings = [(TOKEN, trial::block(9))].into();
    let settings = Settings { chain_id: 1, openings, ..Settings::default() };
    let answer = CallAnswer::Returned(U256::from(answer).abi_encode().into());
    trial::folded(settings, entries, |_| answer.clone()).0
}

/// Wallet, balance, frozen part and freeze of every row of the register, then the same and the block of its past.
fn register_and_past(changes: &Changes) -> (Vec<Position>, Vec<(Position, u64)>) {
    let holders = trial::rows::<AssetHolder>(changes).into_iter();
    let register = holders.map(|row| (row.holder[0], row.balance, row.frozen, row.wallet_frozen));
    let tables = changes.inserts.iter().filter(|(def, _)| def.name == OwnershipHistory::DEF.name);
    let rows = tables.flat_map(|(_, rows)| rows.clone());
    let past = rows.map(|row| OwnershipHistory::from_row(row).expect("as declared"));
    let past =
        past.map(|row| ((row.holder[0], row.balance, row.frozen, row.wallet_frozen), row.block_number));
    (register.collect(), past.collect())
}

/// The wallet's first byte, balance, frozen part and freeze.
type Position = (u8, Amount, Amount, bool);

#[test]
fn a_wallet_that_opens_with_units_has_a_past_although_nothing_moved() {
    let held = |wallet: u8| -> Position { (wallet, Amount::from(100_u64), Amount::ZERO, false) };
    let of_two = opened(&[transferred(10, 1, 2, 0), transferred(11, 2, 1, 0)], 100);
    let (register, past) = register_and_past(&of_two);
    assert_eq!(register, [held(1), held(2)]);
    assert_eq!(past, [(held(1), 10), (held(2), 10)], "one row each: the second log opens nobody");
    assert_eq!(trial::rows::<Asset>(&of_two)[0].holder_count, 2);
    let (register, past) = register_and_past(&opened(&[moved(10, 1, 1), moved(11, 1, 1)], 100));
    assert_eq!((register, past), (vec![held(1)], vec![(held(1), 10)]), "transfers to oneself");
    let nobodys = opened(&[transferred(10, 1, 2, 0), moved(11, 3, 3)], 0);
    assert_eq!(register_and_past(&nobodys), (Vec::new(), Vec::new()), "a wallet without units is no holder");
}

#[test]
fn a_wallet_that_opens_frozen_has_a_past_although_a_freeze_changed_nothing() {
    let (wallet, hundred) = (Address::repeat_byte(1), Amount::from(100_u64));
    for fact in [
        Fact::WalletFrozen { wallet, frozen: true, by: Address::ZERO },
        Fact::AmountFrozen { wallet, amount: U256::ZERO },
        Fact::AmountUnfrozen { wallet, amount: U256::ZERO },
    ] {
        let entry = trial::entry((TOKEN, Role::TrexToken), 10, 0, trial::event(fact));
        let changes = opened(&[Entry { asset_id: Some(id::asset_id(1, TOKEN)), ..entry }], 100);
        let held: Position = (1, hundred, hundred, true);
        assert_eq!(register_and_past(&changes), (vec![held], vec![(held, 10)]));
        assert_eq!(trial::rows::<Asset>(&changes)[0].frozen, hundred);
    }
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
