//! Bugs that we planted ourselves, to see that the tests find them.
//!
//! With the cargo feature `mutants` one of them can be switched on at run time; without it every switch is the constant
//! `false` and nothing of this is in the program. A build without debug assertions refuses the feature, so that no
//! release can hold a planted bug. `make mutants` switches each on in turn and shows after how many seeds of the
//! simulation it is found.

macro_rules! mutants {
    ($($name:ident: $what:literal;)+) => {
        /// A planted bug.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Mutant {
            $(#[doc = $what] $name,)+
        }

        #[cfg(feature = "mutants")]
        impl Mutant {
            /// Every planted bug, with what it does.
            pub const ALL: &[(Self, &str, &str)] = &[$((Self::$name, stringify!($name), $what),)+];

            /// The planted bug of that name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().find(|(_, known, _)| *known == name).map(|(mutant, _, _)| *mutant)
            }
        }
    };
}

mutants! {
    AncestorTooHigh: "a rollback stops one block above the common ancestor";
    RollbackKeepsOne: "a rollback deletes from one block too high on";
    NewestImage: "a rollback restores the newest image of a row instead of the oldest";
    UndoSkipped: "blocks above finality leave no undo journal";
    UndoOffByOne: "the first block above finality leaves no undo journal";
    BackfillAboveFinality: "a backfill goes one block above the final one";
    ParentUnchecked: "a block is followed whatever its parent";
    SameHeightIgnored: "another block at the checkpoint's height is not looked for";
    FinalityCrossed: "a reorg across finality is followed instead of halting";
    HaltForgotten: "a halt does not outlive the step that found it";
    CacheOverRollback: "what is known of contracts outlives a rollback";
    CacheOverError: "a failed commit counts as made";
    CheckpointApart: "the checkpoint moves in a transaction of its own";
    EpochUnchecked: "a writer that was taken over goes on writing";
    LeaseBlind: "every error of the database is swallowed as if nothing had to be written";
    ChildrenFromAnnouncement: "a found contract's logs before its announcement in the block are not read";
    OldHistorySkipped: "a found contract's older history is not read";
    WindowSkipped: "a found contract's logs between finality and the head are not read";
    CatchUpWithoutUndo: "blocks above finality of a contract that joins leave no undo journal";
    CatchUpSkipsFirst: "a contract that catches up loses the first block of each stretch";
    CoverageAtOnce: "a contract added later counts as read from the start";
    BehindCovered: "a found contract whose older history is left for later counts as read";
    CatchUpAboveFinality: "a contract that a block above finality announced catches up before that is final";
    HashUnchecked: "a header is taken to have the hash that it is said to have";
    RootUnchecked: "receipts are taken to be those of the header";
    PlacesUnchecked: "the places of logs are taken from what receipts say";
    BloomInverted: "a bloom that may hold a log is taken as proof of absence";
    BackfillUnproved: "what must be proved before it is visible is proved at the head only";
    HeadUnproved: "blocks at the head are taken as the node lists them";
    VerifiedUnseen: "blocks are marked as proved without comparing them with the tables";
    LinksUnchecked: "stretches of proved blocks need not hang together";
    EvidenceOutlivesRollback: "what was proved of withdrawn blocks stays proved";
    LateHistoryForgotten: "the older history of a contract found late is never proved";
    DeepReorgTrusted: "a deep reorg is followed on one provider's word";
    TopicConfusion: "a log is decoded by its first topic, whatever the number of topics";
    SelfTransferCredited: "a transfer to oneself is credited and not debited";
    SupplyIgnoresBurns: "burnt units stay in the supply";
    NegativeClamped: "a balance below zero is kept at zero";
    FreezeEndsWithBalance: "a frozen part ends with the balance";
    AmountTruncated: "amounts are cut to 64 bits";
    FoldBackwards: "the logs of a block are folded last to first";
    ReplacedClaimStaysOpen: "a claim that is made again does not end its former version";
    PendingForgotten: "a range is folded over the tables without the commit under way below it";
    UnstoredStaysRegistered: "a wallet removed from a storage stays registered";
}

/// Whether a planted bug is switched on: never, without the feature `mutants`.
#[inline]
#[cfg(not(feature = "mutants"))]
pub(crate) const fn is(_: Mutant) -> bool {
    false
}

#[cfg(feature = "mutants")]
pub(crate) use switch::is;
#[cfg(feature = "mutants")]
pub use switch::set;

#[cfg(feature = "mutants")]
mod switch {
    use std::cell::Cell;

    use super::Mutant;

    thread_local! {
        static ACTIVE: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    /// Whether a planted bug is switched on.
    pub(crate) fn is(mutant: Mutant) -> bool {
        ACTIVE.get() == Some(mutant)
    }

    /// Switches a planted bug on, for what this thread runs; `None` for none.
    pub fn set(mutant: Option<Mutant>) {
        ACTIVE.set(mutant);
    }
}

#[cfg(all(feature = "mutants", not(debug_assertions)))]
compile_error!("the feature `mutants` plants bugs: it cannot be built without debug assertions");
