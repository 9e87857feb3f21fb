//! Draws what happens in each block.

use super::{
    COMPLIANCE, FIRST_IDENTITY, FIRST_ISSUER, ISSUERS, NOBODY, REGISTRY, REMOVED_ISSUER, STORAGE, Shape,
    TOKEN, TOPICS, TOPICS_REGISTRY,
};
use crate::splitmix::SplitMix;

/// The first block in which something happens beside the set-up.
const OPENING: u64 = 2;

/// A log, by what tells it from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// The token points to its registry.
    IdentityRegistryAdded,
    /// The token points to its compliance.
    ComplianceAdded,
    /// The registry points to the list of required topics.
    ClaimTopicsRegistrySet,
    /// The registry points to the list of trusted issuers.
    TrustedIssuersRegistrySet,
    /// The registry points to its storage.
    IdentityStorageSet,
    /// The topic of an issuer is required.
    ClaimTopicAdded(u8),
    /// An issuer is trusted for its topic.
    TrustedIssuerAdded(u8),
    /// An issuer is trusted no longer.
    TrustedIssuerRemoved(u8),
    /// An issuer has a key to sign claims with.
    IssuerKeyAdded(u8),
    /// An identity has a key of its wallet, for a purpose.
    KeyAdded { identity: u32, purpose: u8 },
    /// An issuer made its claim about an identity.
    ClaimAdded { identity: u32, issuer: u8 },
    /// The storage knows an identity's wallet.
    IdentityStored(u32),
    /// The registry announces an identity.
    IdentityRegistered(u32),
    /// Units moved, in the units of [`super::emit::UNIT`].
    Transfer { from: u32, to: u32, amount: u32 },
}

impl Event {
    /// The place of the contract that logs it.
    pub(super) fn emitter(self) -> u32 {
        match self {
            Self::IdentityRegistryAdded | Self::ComplianceAdded | Self::Transfer { .. } => TOKEN,
            Self::ClaimTopicsRegistrySet
            | Self::TrustedIssuersRegistrySet
            | Self::IdentityStorageSet
            | Self::IdentityRegistered(_) => REGISTRY,
            Self::IdentityStored(_) => STORAGE,
            Self::TrustedIssuerAdded(_) | Self::TrustedIssuerRemoved(_) => ISSUERS,
            Self::ClaimTopicAdded(_) => TOPICS_REGISTRY,
            Self::IssuerKeyAdded(issuer) => FIRST_ISSUER + u32::from(issuer),
            Self::KeyAdded { identity, .. } | Self::ClaimAdded { identity, .. } => FIRST_IDENTITY + identity,
        }
    }
}

// What the token points to is a contract that logs nothing: it must not be that of another event.
const _: () = assert!(COMPLIANCE > TOPICS_REGISTRY && COMPLIANCE < FIRST_ISSUER);

/// An event with its transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// Position of the transaction in its block.
    pub(super) transaction: u32,
    /// What is logged.
    pub(super) event: Event,
}

/// What is to happen in a block, beside transfers between wallets.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// An identity is made, and gets its claims.
    Populate(u32),
    /// It is registered with its wallet.
    Register(u32),
    /// The wallet gets its first units.
    Mint(u32),
}

/// A chain being drawn.
struct Draw {
    random: SplitMix,
    /// By block.
    steps: Vec<Vec<Step>>,
    /// By block: how many transfers between wallets.
    transfers: Vec<u32>,
    /// By wallet: nobody gives what they do not have.
    holdings: Vec<u64>,
    /// Wallets that got their first units.
    minted: Vec<u32>,
    entries: Vec<Entry>,
    /// The next transaction of the present block.
    transaction: u32,
}

/// The logs of a shape, and for each block, and one past the last, the index of its first one.
pub(super) fn draw(shape: Shape) -> (Vec<Entry>, Vec<usize>) {
    let mut draw = Draw::of(shape);
    let mut first = vec![0, 0];
    draw.set_up(shape.late);
    first.push(draw.entries.len());
    let mut due = 0;
    for number in OPENING..shape.blocks {
        draw.transaction = 0;
        for step in std::mem::take(&mut draw.steps[number as usize]) {
            draw.step(step);
        }
        due += draw.transfers[number as usize];
        // It takes two to move something: until then it waits.
        while due > 0 && draw.minted.len() > 1 {
            draw.movement();
            due -= 1;
        }
        if shape.late && number + 1 == shape.blocks {
            draw.sent(&[Event::IdentityRegistryAdded]);
        }
        first.push(draw.entries.len());
    }
    draw.transaction = 0;
    draw.sent(&[Event::TrustedIssuerRemoved(REMOVED_ISSUER)]);
    first.push(draw.entries.len());
    (draw.entries, first)
}

impl Draw {
    /// Draws when everything happens: identities are full of claims long before they are registered, in the first three
    /// fifths of the chain, and nobody gets units before that.
    fn of(shape: Shape) -> Self {
        let Shape { identities, transfers, blocks, .. } = shape;
        let mut random = SplitMix(0x7e35_1d0c_1a15);
        let mut steps = vec![Vec::new(); blocks as usize + 1];
        let mut earliest = blocks;
        for identity in 0..identities {
            let populated = OPENING + random.below((blocks - OPENING) * 3 / 5);
            let registered = populated + 1 + blocks / 20 + random.below(blocks / 5);
            let minted = registered + 1 + random.below(blocks / 20);
            steps[populated as usize].push(Step::Populate(identity));
            steps[registered as usize].push(Step::Register(identity));
            steps[minted as usize].push(Step::Mint(identity));
            earliest = earliest.min(minted);
        }
        let mut moved = vec![0; blocks as usize + 1];
        for _ in identities..transfers {
            moved[(earliest + random.below(blocks - earliest)) as usize] += 1;
        }
        Self {
            random,
            steps,
            transfers: moved,
            holdings: vec![0; identities as usize],
            minted: Vec::with_capacity(identities as usize),
            entries: Vec::new(),
            transaction: 0,
        }
    }

    /// The logs of one transaction.
    fn sent(&mut self, events: &[Event]) {
        let transaction = self.transaction;
        self.entries.extend(events.iter().map(|event| Entry { transaction, event: *event }));
        self.transaction += 1;
    }

    fn set_up(&mut self, late: bool) {
        let issuers = || 0..TOPICS as u8;
        for issuer in issuers() {
            self.sent(&[Event::IssuerKeyAdded(issuer)]);
        }
        let mut events =
            vec![Event::ClaimTopicsRegistrySet, Event::TrustedIssuersRegistrySet, Event::IdentityStorageSet];
        events.extend((!late).then_some(Event::IdentityRegistryAdded));
        events.push(Event::ComplianceAdded);
        events.extend(issuers().map(Event::ClaimTopicAdded));
        events.extend(issuers().map(Event::TrustedIssuerAdded));
        self.sent(&events);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Populate(identity) => {
                // A second key now and then: 500 identities of four logs each would be a list of 2,000, which looks cut.
                let purposes: &[u8] = if self.random.below(3) == 0 { &[1, 2] } else { &[1] };
                let keys: Vec<Event> =
                    purposes.iter().map(|purpose| Event::KeyAdded { identity, purpose: *purpose }).collect();
                self.sent(&keys);
                for issuer in 0..TOPICS as u8 {
                    self.sent(&[Event::ClaimAdded { identity, issuer }]);
                }
            }
            Step::Register(identity) => {
                self.sent(&[Event::IdentityStored(identity), Event::IdentityRegistered(identity)]);
            }
            Step::Mint(wallet) => {
                let amount = 1_000 + self.random.below(1_000_000);
                self.holdings[wallet as usize] += amount;
                self.minted.push(wallet);
                self.sent(&[Event::Transfer { from: NOBODY, to: wallet, amount: amount as u32 }]);
            }
        }
    }

    /// One wallet gives another some of what it has, now and then all of it.
    fn movement(&mut self) {
        let count = self.minted.len();
        let mut giver = self.random.below(count as u64) as usize;
        while self.holdings[self.minted[giver] as usize] == 0 {
            giver = (giver + 1) % count;
        }
        let taker = (giver + 1 + self.random.below(count as u64 - 1) as usize) % count;
        let (from, to) = (self.minted[giver], self.minted[taker]);
        let has = self.holdings[from as usize].min(u32::MAX.into());
        let amount = if self.random.below(50) == 0 { has } else { 1 + self.random.below(has) };
        self.holdings[from as usize] -= amount;
        self.holdings[to as usize] += amount;
        self.sent(&[Event::Transfer { from, to, amount: amount as u32 }]);
    }
}
