//! What of the configuration the chain's rows are derived with, part by part: kept beside the rows, so that whoever would
//! derive others is told. Pure.
//!
//! Its parts are what one log may come to other rows by: events that operators' ABIs add, what is told of claim topics, and
//! where the history of contracts that are found begins. Contracts are none of them: they are ground, and compared by
//! themselves. Nor is what gives equal rows whatever it is: sizes of ranges, proofs, finality, nodes.
//!
//! Invariant: configurations that derive the same rows from any ground have the same parts. So files are not told apart by
//! their places, nor events by their order, and a topic that is told what all others are is not a part of its own.

use std::collections::{BTreeMap, BTreeSet};

use alloy::hex;
use alloy::primitives::U256;
use sha2::{Digest, Sha256};

use crate::decode::withhold::{ClaimData, Withheld};
use crate::decode::{AddedEvent, Decoder};

/// How the names of parts begin that are of a claim topic.
pub const CLAIM_TOPIC: &str = "claim topic ";
/// Most letters of a part's name and of what is told of it: both come out of files, and a name is a key in the database.
const LETTERS_MAX: usize = 200;
/// Parts that are listed for people; the rest is counted.
const LISTED_MAX: usize = 8;

/// The parts by name, each with what it is told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Derivation(BTreeMap<String, String>);

/// A part of one derivation that is otherwise, or not there, in another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The part's name.
    pub part: String,
    /// What it was told before.
    pub before: Option<String>,
    /// What it is told now.
    pub now: Option<String>,
}

impl Derivation {
    /// The parts of a configuration.
    pub fn new(
        decoder: &Decoder,
        claim_expiry: &BTreeMap<U256, usize>,
        claim_data: &ClaimData,
        floor_block: u64,
    ) -> Self {
        let mut parts = BTreeMap::from([("chain.floor_block".to_owned(), floor_block.to_string())]);
        parts.extend(decoder.added().map(event));
        parts.extend(claim_topics(claim_expiry, claim_data));
        Self(parts)
    }

    /// Each part's name, with what it is told.
    pub fn parts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(part, value)| (part.as_str(), value.as_str()))
    }

    /// Where these parts are not what they were before, by name.
    pub fn differences(&self, before: &Self) -> Vec<Difference> {
        let names: BTreeSet<&String> = before.0.keys().chain(self.0.keys()).collect();
        let pairs = names.into_iter().map(|name| (name, before.0.get(name), self.0.get(name)));
        pairs
            .filter(|(_, before, now)| before != now)
            .map(|(name, before, now)| Difference {
                part: name.clone(),
                before: before.cloned(),
                now: now.cloned(),
            })
            .collect()
    }
}

impl FromIterator<(String, String)> for Derivation {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(parts: I) -> Self {
        Self(parts.into_iter().collect())
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let told = |value: &Option<String>| value.clone().unwrap_or_else(|| "not configured".to_owned());
        write!(f, "{} (was {}, is {})", self.part, told(&self.before), told(&self.now))
    }
}

/// The first of some parts, for people, and how many more there are.
pub fn listed<T: std::fmt::Display>(parts: &[T]) -> String {
    let first: Vec<String> = parts.iter().take(LISTED_MAX).map(T::to_string).collect();
    let rest = parts.len() - first.len();
    let more = if rest > 0 { format!("; and {rest} more") } else { String::new() };
    format!("{}{more}", first.join("; "))
}

fn event(event: AddedEvent) -> (String, String) {
    let AddedEvent { role, signature, topics, declaration } = event;
    (format!("event {} of {}, {topics} topics", short(&signature), role.name()), short(&declaration))
}

/// What each topic is told that the others are not, and what the others are.
fn claim_topics(expiry: &BTreeMap<U256, usize>, data: &ClaimData) -> Vec<(String, String)> {
    let told = |how: Option<Withheld>| format!("data = {}", how.map_or("keep", Withheld::name));
    let topics: BTreeSet<&U256> = expiry.keys().chain(data.topics.keys()).collect();
    let mut parts: Vec<(String, String)> = Vec::new();
    for topic in topics {
        let word = expiry.get(topic).map(|word| format!("expires_at_word = {word}"));
        let how = data.topics.get(topic).filter(|how| **how != data.others).map(|how| told(*how));
        let whole: Vec<String> = word.into_iter().chain(how).collect();
        if !whole.is_empty() {
            parts.push((format!("{CLAIM_TOPIC}{}", number(*topic)), whole.join(", ")));
        }
    }
    if data.others.is_some() {
        parts.push((format!("{CLAIM_TOPIC}*"), told(data.others)));
    }
    parts
}

/// A topic as people write it: a small number, or the hash of a name.
fn number(topic: U256) -> String {
    if topic <= U256::from(u64::MAX) { topic.to_string() } else { format!("{topic:#x}") }
}

/// The text, or where it is long its beginning with its SHA-256.
fn short(text: &str) -> String {
    if text.chars().nth(LETTERS_MAX).is_none() {
        return text.to_owned();
    }
    let beginning: String = text.chars().take(LETTERS_MAX / 2).collect();
    format!("{beginning}… (SHA-256 {})", hex::encode(Sha256::digest(text)))
}

#[cfg(test)]
mod tests {
    use alloy::json_abi::JsonAbi;

    use super::*;
    use crate::decode::parse_abi;
    use crate::fact::Role;

    const MOVED: &str = r#"{"type": "event", "name": "Moved", "anonymous": false, "inputs": [
        {"name": "who", "type": "address", "indexed": true}, {"name": "amount", "type": "uint256", "indexed": false}]}"#;
    const NAMED: &str = r#"{"inputs": [{"indexed": false, "type": "string", "name": "name"}], "name": "Named", "type": "event",
        "anonymous": false}"#;
    /// One of ours, for whoever has the role of a token.
    const TRANSFER: &str = r#"{"type": "event", "name": "Transfer", "anonymous": false, "inputs": [
        {"name": "a", "type": "address", "indexed": true}, {"name": "b", "type": "address", "indexed": true},
        {"name": "c", "type": "uint256", "indexed": false}]}"#;

    fn abi(events: &[&str]) -> JsonAbi {
        parse_abi("extra.json", &format!("[{}]", events.join(", "))).expect("an ABI")
    }

    /// A configuration: ABIs, words of the ends of claims, what of claims is withheld by topic and of all others, the floor.
    #[derive(Clone, Default)]
    struct Told {
        abis: Vec<(Role, JsonAbi)>,
        words: BTreeMap<U256, usize>,
        data: ClaimData,
        floor: u64,
    }

    impl Told {
        fn whole() -> Self {
            let seven = U256::from(7);
            Self {
                abis: vec![(Role::Erc20, abi(&[MOVED, NAMED]))],
                words: BTreeMap::from([(seven, 1)]),
                data: ClaimData {
                    topics: BTreeMap::from([(seven, Some(Withheld::Drop))]),
                    others: Some(Withheld::Digest),
                },
                floor: 5,
            }
        }

        fn derivation(&self) -> Derivation {
            Derivation::new(&Decoder::new(&self.abis), &self.words, &self.data, self.floor)
        }
    }

    #[test]
    fn the_parts_say_what_they_are() {
        let derivation = Told::whole().derivation();
        let parts: Vec<(&str, &str)> = derivation.parts().collect();
        let expected = [
            ("chain.floor_block", "5"),
            ("claim topic *", "data = digest"),
            ("claim topic 7", "expires_at_word = 1, data = drop"),
            ("event Moved(address,uint256) of erc20, 2 topics", "Moved(address indexed who, uint256 amount)"),
            ("event Named(string) of erc20, 1 topics", "Named(string name)"),
        ];
        assert_eq!(parts, expected);
        let plain = Told::default().derivation();
        assert_eq!(plain.parts().collect::<Vec<_>>(), [("chain.floor_block", "0")], "there is always one");
    }

    #[test]
    fn what_derives_the_same_has_the_same_parts() {
        let whole = Told::whole();
        let mut same: Vec<Told> = Vec::new();
        // Neither leading marks nor every key of a file counts.
        let marked = MOVED.replace("\"who", "\"_who");
        let typed = NAMED.replace("{\"indexed", "{\"internalType\": \"string\", \"indexed");
        for abis in [
            vec![abi(&[NAMED, MOVED])],
            vec![abi(&[NAMED]), abi(&[MOVED])],
            // Again, and one that stands behind ours.
            vec![abi(&[MOVED, NAMED]), abi(&[TRANSFER, MOVED])],
            vec![abi(&[&marked, &typed])],
        ] {
            same.push(Told {
                abis: abis.into_iter().map(|abi| (Role::Erc20, abi)).collect(),
                ..whole.clone()
            });
        }
        // What a topic is told that all others are, too.
        let mut data = whole.data.clone();
        data.topics.insert(U256::from(8), Some(Withheld::Digest));
        same.push(Told { data, ..whole.clone() });
        for (place, told) in same.iter().enumerate() {
            assert_eq!(told.derivation(), whole.derivation(), "{place}");
        }
        let kept = ClaimData { topics: BTreeMap::from([(U256::from(7), None)]), others: None };
        let plain = Told::default();
        assert_eq!(Told { data: kept, ..plain.clone() }.derivation(), plain.derivation());
    }

    #[test]
    fn each_part_makes_a_difference_and_is_named() {
        let whole = Told::whole();
        let with_abi = |role, text: &str| Told { abis: vec![(role, abi(&[text, NAMED]))], ..whole.clone() };
        let with_data = |data| Told { data, ..whole.clone() };
        let moved = "event Moved(address,uint256) of erc20, 2 topics";
        let seven = ClaimData { topics: BTreeMap::new(), ..whole.data.clone() };
        let others = ClaimData { others: Some(Withheld::Drop), topics: BTreeMap::new() };
        for (told, part) in [
            (Told { abis: vec![(Role::Erc20, abi(&[NAMED]))], ..whole.clone() }, moved),
            (with_abi(Role::Erc20, &MOVED.replace("amount", "value")), moved),
            (
                with_abi(Role::Erc20, &MOVED.replace("uint256", "uint128")),
                "event Moved(address,uint128) of erc20",
            ),
            (
                with_abi(Role::Erc20, &MOVED.replace("true", "false")),
                "event Moved(address,uint256) of erc20, 1 topics",
            ),
            (with_abi(Role::Identity, MOVED), "event Moved(address,uint256) of identity, 2 topics"),
            (Told { words: BTreeMap::from([(U256::from(7), 2)]), ..whole.clone() }, "claim topic 7"),
            (Told { words: BTreeMap::from([(U256::MAX, 1)]), ..whole.clone() }, "claim topic 0xff"),
            (with_data(seven), "claim topic 7"),
            (with_data(others), "claim topic *"),
            (Told { floor: 6, ..whole.clone() }, "chain.floor_block (was 5, is 6)"),
        ] {
            let differences = told.derivation().differences(&whole.derivation());
            assert!(listed(&differences).contains(part), "{part}: {differences:?}");
        }
        let gone = Told::default().derivation().differences(&whole.derivation());
        assert_eq!(gone.len(), 5, "{gone:?}");
        assert_eq!(
            gone[2].to_string(),
            "claim topic 7 (was expires_at_word = 1, data = drop, is not configured)"
        );
        assert!(whole.derivation().differences(&whole.derivation()).is_empty());
    }

    /// Of two files that read one event otherwise, the first has the say.
    #[test]
    fn the_order_of_files_counts_where_they_contradict_each_other() {
        let other = MOVED.replace("who", "whom");
        let of = |files: [&str; 2]| Told {
            abis: files.map(|file| (Role::Erc20, abi(&[file]))).to_vec(),
            ..Told::default()
        };
        let (one, two) = (of([MOVED, &other]).derivation(), of([&other, MOVED]).derivation());
        assert_eq!(two.differences(&one).len(), 1);
    }

    #[test]
    fn long_names_are_told_by_their_digest() {
        let long = |last: char| MOVED.replace("Moved", &format!("M{}{last}", "o".repeat(3_000)));
        let of = |text: String| Told { abis: vec![(Role::Erc20, abi(&[&text]))], ..Told::default() };
        let (one, other) = (of(long('a')).derivation(), of(long('b')).derivation());
        assert!(one.parts().all(|(part, value)| part.len() < 300 && value.len() < 300), "{one:?}");
        assert_eq!(other.differences(&one).len(), 2, "one is gone, and another there");
    }

    #[test]
    fn of_many_parts_the_first_are_listed_and_the_rest_counted() {
        assert_eq!(listed::<String>(&[]), "");
        assert_eq!(listed(&[1, 2]), "1; 2");
        let many: Vec<u32> = (1..=10).collect();
        assert_eq!(listed(&many), "1; 2; 3; 4; 5; 6; 7; 8; and 2 more");
    }
}
