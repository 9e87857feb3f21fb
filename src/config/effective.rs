//! What is in effect, as TOML for people: each value with where it came from, secrets not shown.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::key::{self, Key, List, SECTIONS};

/// A line: a value, or why there is none.
#[derive(Debug, Clone)]
enum Line {
    Value { literal: String, origin: String },
    Unset,
}

/// An entry of a list.
#[derive(Debug, Clone)]
struct Entry {
    list: &'static str,
    origin: String,
    values: Vec<(&'static str, String)>,
}

/// Holds no secret: values arrive here as they may be shown.
#[derive(Debug, Clone, Default)]
pub(super) struct Effective {
    lines: BTreeMap<Key, Line>,
    entries: Vec<Entry>,
}

impl Effective {
    /// A value as TOML.
    pub(super) fn set(&mut self, key: Key, literal: String, origin: String) {
        self.lines.insert(key, Line::Value { literal, origin });
    }

    /// Nobody gave a value, and there is no default.
    pub(super) fn unset(&mut self, key: Key) {
        self.lines.insert(key, Line::Unset);
    }

    /// An entry of a list, its values as TOML.
    pub(super) fn entry(&mut self, list: List, origin: String, values: Vec<(&'static str, String)>) {
        self.entries.push(Entry { list: list.name, origin, values });
    }

    /// Digest of the values, not of where they are from: the same configuration from a file and from the environment has
    /// the same.
    pub(super) fn digest(&self) -> String {
        let bare = |line: &Line| match line {
            Line::Value { literal, .. } => Line::Value { literal: literal.clone(), origin: String::new() },
            Line::Unset => Line::Unset,
        };
        let lines = self.lines.iter().map(|(key, line)| (*key, bare(line))).collect();
        let bare = |entry: &Entry| Entry { origin: String::new(), ..entry.clone() };
        let bare = Self { lines, entries: self.entries.iter().map(bare).collect() };
        alloy::hex::encode(Sha256::digest(bare.render()))
    }

    /// The whole as TOML, ending with a line break.
    pub(super) fn render(&self) -> String {
        let mut out = String::new();
        for section in SECTIONS {
            if !out.is_empty() {
                out.push('\n');
            }
            line(&mut out, &format!("[{section}]"), "");
            for key in key::ALL.into_iter().filter(|key| key.section == section) {
                match self.lines.get(&key) {
                    Some(Line::Value { literal, origin }) => {
                        line(&mut out, &format!("{} = {literal}", key.name), origin);
                    }
                    Some(Line::Unset) => line(&mut out, "", &format!("{}: {}", key.name, key.unset)),
                    None => {}
                }
            }
        }
        for entry in &self.entries {
            out.push('\n');
            line(&mut out, &format!("[[{}]]", entry.list), &entry.origin);
            for (name, literal) in &entry.values {
                line(&mut out, &format!("{name} = {literal}"), "");
            }
        }
        out
    }
}

/// One line; a comment holds no control character, lest it end the line or break the document.
fn line(out: &mut String, text: &str, comment: &str) {
    let comment: String =
        comment.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect();
    let written = match (text, comment.as_str()) {
        (text, "") => writeln!(out, "{text}"),
        ("", comment) => writeln!(out, "# {comment}"),
        (text, comment) => writeln!(out, "{text:<40} # {comment}"),
    };
    written.expect("a String takes any text");
}
