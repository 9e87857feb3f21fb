//! The configuration as written: one value per key, the last source's, and the entries of the lists.
//!
//! Unknown keys are found here, types and meaning are not looked at. The document is walked instead of being
//! deserialized into structs, because serde ends at the first mistake and we want to tell all of them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Origin};
use super::key::{self, Key, LISTS, List, SECTIONS};
use super::nearest::hint;
use super::value::{REDACTED, SHOWN_MAX, Value, Written};

/// Most bytes of a configuration file, and of a file with a secret.
pub(super) const FILE_BYTES_MAX: u64 = 1 << 20;

/// An entry of a list.
pub(super) struct Entry {
    pub(super) origin: Origin,
    pub(super) keys: BTreeMap<&'static str, Written>,
}

/// Everything that was written.
#[derive(Default)]
pub(super) struct Raw {
    pub(super) keys: BTreeMap<Key, Written>,
    /// The entries of each list, by its name.
    pub(super) lists: BTreeMap<&'static str, Vec<Entry>>,
    /// `--partial`.
    pub(super) partial: bool,
    pub(super) errors: Vec<ConfigError>,
}

impl Raw {
    /// Sets a key; sources come in their order, so that the last one stands.
    pub(super) fn put(&mut self, key: Key, written: Written) {
        if let Some(twin) = key.twin()
            && self.keys.get(&twin).is_some_and(|other| other.origin.rank() < written.origin.rank())
        {
            self.keys.remove(&twin);
        }
        self.keys.insert(key, written);
    }

    /// Adds an entry to a list.
    pub(super) fn add(&mut self, list: List, entry: Entry) {
        self.lists.entry(list.name).or_default().push(entry);
    }

    /// Takes the entries of a list out.
    pub(super) fn take(&mut self, list: List) -> Vec<Entry> {
        self.lists.remove(list.name).unwrap_or_default()
    }

    pub(super) fn refuse(&mut self, origin: Origin, key: impl Into<String>, rule: impl Into<String>) {
        self.errors.push(ConfigError { origin, key: key.into(), value: None, rule: rule.into() });
    }

    /// Takes a configuration file in.
    pub(super) fn read_file(&mut self, file: &Path) {
        match read_limited(file) {
            Ok(text) => self.read_text(file, &text),
            Err(reason) => {
                let origin = Origin::File { file: file.to_owned(), line: 0 };
                self.refuse(origin, "", format!("the configuration file {reason}"));
            }
        }
    }

    /// Takes the text of a configuration file in.
    pub(super) fn read_text(&mut self, file: &Path, text: &str) {
        let (document, syntax) = DeTable::parse_recoverable(text);
        if !syntax.is_empty() {
            let mut lines = std::collections::BTreeSet::new();
            for error in syntax {
                // `Display` would quote the line, and a secret with it.
                let origin = Document { file, text }.origin(error.span().map_or(0, |span| span.start));
                if lines.insert(origin.to_string()) {
                    self.refuse(origin, "", format!("not TOML: {}", error.message()));
                }
            }
            return;
        }
        Document { file, text }.walk(self, document.get_ref());
    }
}

/// A text file's content, or what is wrong with it.
pub(super) fn read_limited(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("is larger than {FILE_BYTES_MAX} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8 text".to_owned())
}

type Name<'d> = Spanned<std::borrow::Cow<'d, str>>;

struct Document<'d> {
    file: &'d Path,
    text: &'d str,
}

impl Document<'_> {
    /// The line of a place in the text.
    fn origin(&self, offset: usize) -> Origin {
        let before = self.text.as_bytes().iter().take(offset);
        let line = 1 + before.filter(|byte| **byte == b'\n').count();
        Origin::File { file: self.file.to_owned(), line }
    }

    fn walk(&self, raw: &mut Raw, document: &DeTable<'_>) {
        for (name, value) in document.iter() {
            let (origin, name) = (self.origin(name.span().start), name.get_ref().as_ref());
            if let Some(section) = SECTIONS.into_iter().find(|section| *section == name) {
                match value.get_ref() {
                    DeValue::Table(table) => self.section(raw, section, table),
                    _ => raw.refuse(origin, name, format!("is a section: write [{name}] and its keys below")),
                }
            } else if let Some(list) = LISTS.into_iter().find(|list| list.name == name) {
                self.list(raw, list, origin, value);
            } else {
                let sections = SECTIONS.into_iter().chain(LISTS.iter().map(|list| list.name));
                let rule = match (elsewhere(name), hint(name, sections.clone())) {
                    (place, _) if !place.is_empty() => format!("unknown section{place}"),
                    (_, near) if !near.is_empty() => format!("unknown section{near}"),
                    _ => format!("unknown section; there are {}", sections.collect::<Vec<_>>().join(", ")),
                };
                raw.refuse(origin, harmless(name), rule);
            }
        }
    }

    fn section(&self, raw: &mut Raw, section: &'static str, table: &DeTable<'_>) {
        for (name, value) in table.iter() {
            let known = key::ALL.into_iter().filter(|key| key.section == section);
            match known.clone().find(|key| key.name == name.get_ref().as_ref()) {
                Some(key) => raw.put(key, self.written(name, value)),
                None => self.unknown(raw, section, name, known.map(|key| key.name).collect()),
            }
        }
    }

    fn list(&self, raw: &mut Raw, list: List, origin: Origin, value: &Spanned<DeValue<'_>>) {
        let List { name, keys } = list;
        let brackets = format!("is a list: write [[{name}]] with double brackets");
        let DeValue::Array(entries) = value.get_ref() else { return raw.refuse(origin, name, brackets) };
        for entry in entries.iter() {
            let origin = self.origin(entry.span().start);
            let DeValue::Table(table) = entry.get_ref() else {
                raw.refuse(origin, name, brackets.clone());
                continue;
            };
            let mut found = BTreeMap::new();
            for (key, value) in table.iter() {
                match keys.iter().find(|known| **known == key.get_ref().as_ref()) {
                    Some(known) => {
                        found.insert(*known, self.written(key, value));
                    }
                    None => self.unknown(raw, name, key, keys.to_vec()),
                }
            }
            raw.add(list, Entry { origin, keys: found });
        }
    }

    /// The value of an unknown key is not shown: it may be a secret under a misspelt name.
    fn unknown(&self, raw: &mut Raw, section: &str, name: &Name<'_>, known: Vec<&str>) {
        let (origin, name) = (self.origin(name.span().start), name.get_ref().as_ref());
        let near = hint(name, known.iter().copied());
        let rule = match near.as_str() {
            "" => match elsewhere(name).as_str() {
                "" => format!("unknown key; [{section}] has {}", known.join(", ")),
                place => format!("unknown key{place}"),
            },
            near => format!("unknown key{near}"),
        };
        raw.refuse(origin, format!("{section}.{}", harmless(name)), rule);
    }

    fn written(&self, name: &Name<'_>, value: &Spanned<DeValue<'_>>) -> Written {
        let value = match value.get_ref() {
            DeValue::String(text) => Value::String(text.clone().into_owned()),
            DeValue::Integer(integer) => {
                Value::Integer { digits: integer.as_str().to_owned(), radix: integer.radix() }
            }
            DeValue::Boolean(value) => Value::Boolean(*value),
            DeValue::Float(_) => Value::Other("a float"),
            DeValue::Datetime(_) => Value::Other("a date"),
            DeValue::Array(_) => Value::Other("an array"),
            DeValue::Table(_) => Value::Other("a table"),
        };
        Written { value, origin: self.origin(name.span().start) }
    }
}

/// A key's name for a message: somebody may have put a URL where the key belongs.
fn harmless(name: &str) -> String {
    match name.char_indices().nth(SHOWN_MAX) {
        _ if name.contains("://") => REDACTED.to_owned(),
        Some((end, _)) => format!("{}…", name[..end].escape_debug()),
        None => name.escape_debug().to_string(),
    }
}

/// The section that a key of this very name belongs to.
fn elsewhere(name: &str) -> String {
    let singles = key::ALL.iter().filter(|key| key.name == name).map(|key| format!("[{}]", key.section));
    let lists =
        LISTS.iter().filter(|list| list.keys.contains(&name)).map(|list| format!("[[{}]]", list.name));
    match singles.chain(lists).collect::<Vec<_>>().join(" and ").as_str() {
        "" => String::new(),
        sections => format!("; {name} belongs to {sections}"),
    }
}
