use alloy::primitives::{B256, Bytes};

use super::*;
use crate::block::Transaction;
use crate::fact::{Fact, Role};
use crate::table::fold::{Changes, Settings, trial};

const STORAGE: Address = Address::repeat_byte(0x50);

/// Folds to the end, where the store holds these registrations.
fn folded(fold: &mut Fold, block: u64, fact: Fact, stored: &[Registration]) -> Changes {
    let entries = [trial::entry((STORAGE, Role::IdentityRegistryStorage), block, 0, trial::event(fact))];
    for round in 0.. {
        assert!(round < 10, "the fold asks without an end");
        if fold.fold(&entries).is_ok() {
            break;
        }
        for load in fold.loads() {
            let is_asked = |row: &&Vec<crate::row::Value>| {
                *load.table == *Registration::DEF
                    && load.keys.contains(&load.columns.iter().map(|at| row[*at].clone()).collect())
            };
            let rows: Vec<_> = stored.iter().map(Table::to_row).collect();
            assert!(fold.loaded(&load, rows.iter().filter(is_asked).cloned().collect()));
        }
        for call in fold.wanted_calls() {
            fold.answered(call, crate::source::CallAnswer::Reverted);
        }
        for (block, index) in fold.wanted_inputs() {
            fold.fetched(Transaction {
                block,
                hash: B256::ZERO,
                index,
                from: STORAGE,
                to: None,
                input: Bytes::new(),
            });
        }
    }
    fold.take()
}

/// A contract that catches up is folded in sections of one commit: what was taken is not stored yet.
#[test]
fn who_is_of_an_identity_is_known_before_the_first_section_is_stored() {
    let (wallet, old, new) = (Address::repeat_byte(1), Address::repeat_byte(2), Address::repeat_byte(3));
    let mut fold = Fold::new(Settings { chain_id: 1, ..Settings::default() });
    folded(&mut fold, 10, Fact::IdentityStored { wallet, identity: old }, &[]);
    let changes = folded(&mut fold, 11, Fact::IdentityModified { old, new }, &[]);
    let rows = trial::rows::<Registration>(&changes);
    let open: Vec<_> = rows.iter().filter(|row| row.is_open()).collect();
    assert_eq!(open.len(), 1, "{rows:?}");
    assert_eq!((open[0].wallet, open[0].identity, open[0].undetermined), (wallet, new, false));
}

/// What the store still says of a wallet that an earlier section removed is old.
#[test]
fn a_wallet_that_was_removed_in_an_earlier_section_does_not_come_back() {
    let (wallet, old, new) = (Address::repeat_byte(1), Address::repeat_byte(2), Address::repeat_byte(3));
    let settings = Settings { chain_id: 1, ..Settings::default() };
    let changes =
        folded(&mut Fold::new(settings.clone()), 5, Fact::IdentityStored { wallet, identity: old }, &[]);
    let stored = trial::rows::<Registration>(&changes);
    let mut fold = Fold::new(settings);
    folded(&mut fold, 10, Fact::IdentityUnstored { wallet, identity: old }, &stored);
    let changes = folded(&mut fold, 11, Fact::IdentityModified { old, new }, &stored);
    assert!(trial::rows::<Registration>(&changes).is_empty(), "{changes:?}");
}

/// A storage that is followed only from block 7 on may have registered others for the identity before.
#[test]
fn the_only_wallet_that_is_known_is_not_taken_for_the_only_one_where_older_logs_are_not_read() {
    let (wallet, old, new) = (Address::repeat_byte(1), Address::repeat_byte(2), Address::repeat_byte(3));
    let openings = [(STORAGE, trial::block(6))].into();
    let mut fold = Fold::new(Settings { chain_id: 1, openings, ..Settings::default() });
    folded(&mut fold, 8, Fact::IdentityStored { wallet, identity: old }, &[]);
    let changes = folded(&mut fold, 9, Fact::IdentityModified { old, new }, &[]);
    let rows = trial::rows::<Registration>(&changes);
    let open: Vec<_> = rows.iter().filter(|row| row.is_open()).collect();
    assert_eq!((open[0].identity, open[0].undetermined), (old, true), "{rows:?}");
}
