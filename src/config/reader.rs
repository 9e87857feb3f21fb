//! Reads values by key: what is written or the default; keeps the mistakes, and what is in effect for people.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use super::effective::Effective;
use super::error::{ConfigError, Origin};
use super::key::Key;
use super::nearest::hint;
use super::raw::read_limited;
use super::value::{REDACTED, Written, quoted};

/// The values that were written, and what came of them.
pub(super) struct Reader {
    pub(super) keys: BTreeMap<Key, Written>,
    pub(super) errors: Vec<ConfigError>,
    pub(super) effective: Effective,
}

impl Reader {
    /// A whole number that has a default.
    pub(super) fn number(&mut self, key: Key, units: &str, range: RangeInclusive<u64>, default: u64) -> u64 {
        let parse = |written: &Written| written.number(units, *range.start(), *range.end());
        self.read(key, Some(default), u64::to_string, parse).unwrap_or(default)
    }

    /// The same for what counts things in memory.
    pub(super) fn count(&mut self, key: Key, units: &str, range: RangeInclusive<u64>, default: u64) -> usize {
        let number = self.number(key, units, range, default);
        usize::try_from(number).unwrap_or(usize::MAX)
    }

    /// A whole number that may be left out.
    pub(super) fn optional_number(
        &mut self,
        key: Key,
        units: &str,
        range: RangeInclusive<u64>,
    ) -> Option<u64> {
        self.read(key, None, u64::to_string, |written| written.number(units, *range.start(), *range.end()))
    }

    /// Yes or no; no where nothing is written.
    pub(super) fn boolean(&mut self, key: Key) -> bool {
        self.read(key, Some(false), bool::to_string, Written::boolean).unwrap_or_default()
    }

    /// One of several words; the first one is the default.
    pub(super) fn choice<T: Copy>(&mut self, key: Key, choices: &[(&'static str, T)]) -> T {
        let default = choices[0];
        let parse = |written: &Written| {
            let text = written.text()?.trim();
            let names = choices.iter().map(|(name, _)| *name);
            choices.iter().find(|(name, _)| *name == text).copied().ok_or_else(|| {
                let listed: Vec<String> = names.clone().map(|name| format!("{name:?}")).collect();
                format!("must be {}{}", listed.join(" or "), hint(text, names))
            })
        };
        self.read(key, Some(default), |(name, _)| quoted(name), parse).unwrap_or(default).1
    }

    /// A text of some form; `rule` says which.
    pub(super) fn text(&mut self, key: Key, rule: &str, fits: impl Fn(&str) -> bool) -> Option<String> {
        self.read(
            key,
            None,
            |text| quoted(text),
            |written| match written.text()? {
                text if fits(text) => Ok(text.to_owned()),
                _ => Err(rule.to_owned()),
            },
        )
    }

    /// A path; a relative one is seen from where its source stands.
    pub(super) fn path(&mut self, key: Key) -> Option<PathBuf> {
        let shown = |path: &PathBuf| quoted(path.display());
        self.read(key, None, shown, Written::path)
    }

    /// A URL that carries secrets, given itself or as the file that holds it.
    pub(super) fn secret_url<T: Display>(
        &mut self,
        key: Key,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let file = key.twin().and_then(|twin| Some((twin, self.keys.remove(&twin)?)));
        let Some((file_key, file)) = file else {
            return self.read(key, None, |url| quoted_url(url), |written| parse(single(written.text()?)?));
        };
        if let Some(url) = self.keys.remove(&key) {
            let rule = format!("{} is given too ({}): give one of them", key.path(), url.origin);
            self.refuse(file_key, &file, rule);
            return None;
        }
        let read = |path: PathBuf| -> Result<(PathBuf, T), String> {
            let content = read_limited(&path)?;
            let url = single(content.trim()).and_then(parse);
            Ok((path, url.map_err(|rule| format!("the file's content: {rule}"))?))
        };
        match file.path().and_then(read) {
            Ok((path, url)) => {
                let origin = format!("{}, read from {}", file.origin, path.display());
                self.effective.set(key, quoted_url(&url), origin);
                Some(url)
            }
            Err(rule) => {
                self.refuse(file_key, &file, rule);
                None
            }
        }
    }

    /// A value or its default, noted for people.
    pub(super) fn read<T>(
        &mut self,
        key: Key,
        default: Option<T>,
        shown: impl Fn(&T) -> String,
        parse: impl FnOnce(&Written) -> Result<T, String>,
    ) -> Option<T> {
        let Some(written) = self.keys.remove(&key) else {
            match &default {
                Some(value) => self.effective.set(key, shown(value), Origin::Default.to_string()),
                None => self.effective.unset(key),
            }
            return default;
        };
        match parse(&written) {
            Ok(value) => {
                self.effective.set(key, shown(&value), written.origin.to_string());
                Some(value)
            }
            Err(rule) => {
                self.refuse(key, &written, rule);
                None
            }
        }
    }

    /// Notes a mistake.
    pub(super) fn refuse(&mut self, key: Key, written: &Written, rule: String) {
        let shown = if key.secret { REDACTED.to_owned() } else { written.shown() };
        let origin = written.origin.clone();
        self.errors.push(ConfigError { origin, key: key.path(), value: Some(shown), rule });
    }
}

/// URL parsers drop line breaks, and would join a file's two lines to one URL.
pub(super) fn single(text: &str) -> Result<&str, String> {
    if text.is_empty() {
        return Err("must not be empty".to_owned());
    }
    if text.chars().any(|letter| letter.is_whitespace() || letter.is_control()) {
        return Err("must be one URL, without spaces or line breaks".to_owned());
    }
    Ok(text)
}

/// A URL whose `Display` shows no secret.
fn quoted_url(url: impl Display) -> String {
    super::value::literal(&url.to_string())
}

/// For the default of a name: the host, and the port if one is given, of a URL that shows nothing else.
pub(super) fn host(url: impl Display) -> String {
    let text = url.to_string();
    text.split_once("://").map_or(text.as_str(), |(_, host)| host).to_owned()
}
