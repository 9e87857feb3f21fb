use alloy::primitives::{B256, Bytes};

use super::*;
use crate::block::Transaction;
use crate::fact::{Fact, Role};
use crate::row::Time;
use crate::source::{CallAnswer, CallRequest};
use crate::table::fold::{Changes, Settings, trial};

const STORAGE: Address = Address::repeat_byte(0x50);

/// What a node tells: the call data of every transaction, and the identities to which the storage maps wallets.
#[derive(Default)]
struct Node {
    input: Bytes,
    identities: Vec<(Address, Address)>,
}

impl Node {
    fn answer(&self, call: &CallRequest) -> CallAnswer {
        let is_of = |wallet: Address| call.input[..] == calls::storedIdentityCall { wallet }.abi_encode()[..];
        match self.identities.iter().find(|(wallet, _)| is_of(*wallet)) {
            Some((_, identity)) => CallAnswer::Returned(identity.into_word().to_vec().into()),
            None => CallAnswer::Reverted,
        }
    }
}

/// Folds the facts of one transaction to the end, where the store holds these registrations.
fn folded_with(fold: &mut Fold, block: u64, facts: &[Fact], stored: &[Registration], node: &Node) -> Changes {
    let storage = (STORAGE, Role::IdentityRegistryStorage);
    let entry = |(index, fact): (u32, &Fact)| trial::entry(storage, block, index, trial::event(fact.clone()));
    let entries: Vec<Entry> = (0..).zip(facts).map(entry).collect();
    for round in 0.. {
        assert!(round < 30, "the fold asks without an end");
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
            let answer = node.answer(&call);
            fold.answered(call, answer);
        }
        for (block, index) in fold.wanted_inputs() {
            fold.fetched(Transaction {
                block,
                hash: B256::ZERO,
                index,
                from: STORAGE,
                to: None,
                input: node.input.clone(),
            });
        }
    }
    fold.take()
}

/// The same of one fact, where no node tells anything.
fn folded(fold: &mut Fold, block: u64, fact: Fact, stored: &[Registration]) -> Changes {
    folded_with(fold, block, &[fact], stored, &Node::default())
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

const WALLETS: [Address; 3] = [Address::repeat_byte(1), Address::repeat_byte(2), Address::repeat_byte(3)];
const A: Address = Address::repeat_byte(0xa);
const B: Address = Address::repeat_byte(0xb);
const C: Address = Address::repeat_byte(0xc);
const D: Address = Address::repeat_byte(0xd);

fn registered(wallet: Address, identity: Address, undetermined: bool) -> Registration {
    Registration {
        chain_id: 1,
        storage: STORAGE,
        wallet,
        from_block: 5,
        from_log: 0,
        identity,
        identity_id: id::identity_id(1, identity),
        country: Some(276),
        undetermined,
        from_at: Time(1_005),
        to_block: None,
        to_log: None,
        to_at: None,
    }
}

/// What these changes of identity, logged by one transaction, come to: the registrations that are others then, as
/// wallet, identity, whether in doubt, and the log from which on.
fn modified(
    stored: &[Registration],
    changes: &[(Address, Address)],
    node: &Node,
) -> Vec<(Address, Address, bool, u32)> {
    let mut fold = Fold::new(Settings { chain_id: 1, ..Settings::default() });
    let facts: Vec<Fact> =
        changes.iter().map(|(old, new)| Fact::IdentityModified { old: *old, new: *new }).collect();
    let changes = folded_with(&mut fold, 10, &facts, stored, node);
    let open = trial::rows::<Registration>(&changes).into_iter().filter(Registration::is_open);
    open.map(|row| {
        assert_eq!((row.country, row.from_block), (Some(276), 10), "{row:?}");
        (row.wallet, row.identity, row.undetermined, row.from_log)
    })
    .collect()
}

fn names(wallet: Address, identity: Address) -> Node {
    let input = calls::updateIdentityCall { wallet, identity }.abi_encode().into();
    Node { input, ..Node::default() }
}

/// All three are of B in truth: two have been in doubt since a change from A that nobody told.
#[test]
fn a_wallet_in_doubt_may_be_the_one_that_changed() {
    let [one, two, three] = WALLETS;
    let stored = [registered(one, A, true), registered(two, A, true), registered(three, B, false)];
    let told = [(one, C, false, 0)];
    assert_eq!(modified(&stored, &[(B, C)], &names(one, C)), told);
    assert_eq!(
        modified(&stored[..2], &[(B, C)], &names(one, C)),
        told,
        "none is kept under the old identity"
    );
    let states = Node { identities: vec![(one, C), (two, B), (three, B)], ..Node::default() };
    assert_eq!(modified(&stored, &[(B, C)], &states), told, "what this log does not give is not taken over");
    let nothing = modified(&stored, &[(B, C)], &Node::default());
    assert_eq!(nothing, [(three, B, true, 0)], "those in doubt stay as they are");
}

#[test]
fn the_only_wallet_that_may_be_meant_is_in_doubt_until_something_tells() {
    let stored = [registered(WALLETS[0], A, true)];
    assert_eq!(modified(&stored, &[(B, C)], &Node::default()), [(WALLETS[0], C, true, 0)]);
    assert_eq!(modified(&stored, &[(B, C)], &names(WALLETS[0], C)), [(WALLETS[0], C, false, 0)]);
    let states = Node { identities: vec![(WALLETS[0], C)], ..Node::default() };
    assert_eq!(modified(&stored, &[(B, C)], &states), [(WALLETS[0], C, false, 0)]);
}

#[test]
fn a_doubt_ends_where_the_state_tells_that_nothing_changed() {
    let [one, two, _] = WALLETS;
    let stored = [registered(one, A, true), registered(two, A, true)];
    let states = Node { identities: vec![(one, C), (two, A)], ..Node::default() };
    assert_eq!(modified(&stored, &[(A, C)], &states), [(one, C, false, 0), (two, A, false, 0)]);
}

/// Through a Safe, say: no call data tells. The third answers that it is what it was.
#[test]
fn wallets_that_change_in_one_block_are_all_told_by_its_state() {
    let [one, two, three] = WALLETS;
    let stored = [registered(one, B, false), registered(two, B, false), registered(three, B, false)];
    let states = Node { identities: vec![(one, C), (two, C), (three, B)], ..Node::default() };
    let both = [(one, C, false, 0), (two, C, false, 0)];
    assert_eq!(modified(&stored, &[(B, C), (B, C)], &states), both);
    assert_eq!(modified(&stored[..2], &[(B, C), (B, C)], &states), both, "there is no third");
}

/// One goes on to a third identity, and another comes to where it was: none is taken for the only one there.
#[test]
fn the_order_inside_a_block_that_the_state_told_is_not_taken_as_known() {
    let [one, two, three] = WALLETS;
    let stored = [registered(one, B, false), registered(two, B, false), registered(three, B, false)];
    let states = Node { identities: vec![(one, D), (two, C), (three, B)], ..Node::default() };
    let logs = [(B, C), (C, D), (B, C)];
    assert_eq!(modified(&stored, &logs, &states), [(one, D, false, 1), (two, C, false, 0)]);
    let round = Node { identities: vec![(one, C), (two, C), (three, B)], ..Node::default() };
    let both = [(one, C, false, 0), (two, C, false, 0)];
    assert_eq!(modified(&stored, &[(B, C), (B, D), (D, C)], &round), both);
}
