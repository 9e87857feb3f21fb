//! Who is who: the register knows addresses, the story names.

use std::collections::BTreeMap;

use alloy::primitives::{Address, U256};
use scenario::Played;
use scenario::play::{Wallets, topic};

use crate::text::short;

/// The people of the story, with their accounts.
pub(crate) fn people(wallets: &Wallets) -> Vec<(Address, &'static str)> {
    let w = wallets;
    vec![
        (w.deployer, "the operator"),
        (w.owner, "the owner"),
        (w.agent, "the agent"),
        (w.second_agent, "the second agent"),
        (w.kyc, "the KYC provider"),
        (w.accreditor, "the accreditor"),
        (w.notary, "the notary"),
        (w.broker, "a broker"),
        (w.alice, "Alice"),
        (w.bob, "Bob"),
        (w.bob_second, "Bob (second)"),
        (w.carol, "Carol"),
        (w.dave, "Dave (lost)"),
        (w.dave_backup, "Dave (backup)"),
        (w.dave_new, "Dave (new)"),
        (w.erin, "Erin"),
        (w.frank, "Frank"),
        (w.grace, "Grace"),
        (w.stranger, "a stranger"),
    ]
}

/// Names by address, as the register writes addresses.
pub(crate) struct Names(BTreeMap<String, String>);

impl Names {
    /// The names of all that the story made.
    pub(crate) fn new(played: &Played) -> Self {
        let mut names = Self(BTreeMap::new());
        for (account, name) in people(&played.wallets) {
            names.add(account, name);
        }
        for (name, identity) in &played.identities {
            let name = match *name {
                "frank's second" => "Frank (second)".to_owned(),
                name => capitalized(name),
            };
            names.add(identity.address, &name);
        }
        let issuers = &played.issuers;
        names.add(issuers.kyc.address, "KYC provider");
        names.add(issuers.accreditor.address, "accreditor");
        names.add(issuers.notary.address, "notary");
        names
    }

    fn add(&mut self, address: Address, name: &str) {
        self.0.insert(hex(address), name.to_owned());
    }

    /// The name of an address; a short form of the address if it has none.
    pub(crate) fn of(&self, address: &str) -> String {
        self.0.get(address).cloned().unwrap_or_else(|| short(address))
    }
}

/// An address as the register writes it.
pub(crate) fn hex(address: Address) -> String {
    format!("{address:#x}")
}

fn capitalized(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A reason of `chain.verdict`, its topic in a word.
pub(crate) fn reason(text: &str) -> String {
    match text.strip_prefix("topic ").and_then(|rest| rest.split_once(':')) {
        Some((number, why)) => format!("{}:{why}", topic_name(number)),
        None => text.to_owned(),
    }
}

/// A claim topic in a word.
pub(crate) fn topic_name(number: &str) -> String {
    let known = [(topic::KYC, "KYC"), (topic::ACCREDITED, "accredited"), (topic::RESIDENCE, "residence")];
    let is = |topic: &U256| topic.to_string() == number;
    known.iter().find(|(topic, _)| is(topic)).map_or_else(|| short(number), |(_, name)| (*name).to_owned())
}

/// A country as registered (ISO 3166-1 numeric), with the letters of those in the story.
pub(crate) fn country(number: i64) -> String {
    let letters = match number {
        56 => "BE",
        250 => "FR",
        276 => "DE",
        528 => "NL",
        840 => "US",
        _ => return number.to_string(),
    };
    format!("{number} {letters}")
}
