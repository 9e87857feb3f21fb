//! A value as it was written, and what it can be read as. Everything that shows one goes through here.

use std::fmt;
use std::path::PathBuf;

use super::error::Origin;

/// What stands for a secret.
pub(super) const REDACTED: &str = "[redacted]";

/// Most characters of a value or a name that a message quotes.
pub(super) const SHOWN_MAX: usize = 80;

/// A value before it means anything. Not `Debug`: it may be a secret.
#[derive(Clone)]
pub(super) enum Value {
    /// A string of the file.
    String(String),
    /// An integer of the file, of any size.
    Integer { digits: String, radix: u32 },
    /// A boolean of the file.
    Boolean(bool),
    /// Text of the environment or of a flag: it is of the type that its key asks for.
    Untyped(String),
    /// What no key takes, by the name of its type.
    Other(&'static str),
}

/// A value and where it came from.
#[derive(Clone)]
pub(super) struct Written {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

impl Written {
    /// The value for a message. A text with `://` may carry a key wherever it stands.
    pub(super) fn shown(&self) -> String {
        match &self.value {
            Value::String(text) | Value::Untyped(text) if text.contains("://") => REDACTED.to_owned(),
            Value::String(text) | Value::Untyped(text) if text.chars().count() > SHOWN_MAX => {
                literal(&format!("{}…", text.chars().take(SHOWN_MAX).collect::<String>()))
            }
            Value::String(text) | Value::Untyped(text) => literal(text),
            Value::Integer { digits, radix: 16 } => format!("0x{digits}"),
            Value::Integer { digits, radix: 8 } => format!("0o{digits}"),
            Value::Integer { digits, radix: 2 } => format!("0b{digits}"),
            Value::Integer { digits, .. } => digits.clone(),
            Value::Boolean(value) => value.to_string(),
            Value::Other(kind) => format!("({kind})"),
        }
    }

    /// A text that is not empty.
    pub(super) fn text(&self) -> Result<&str, String> {
        match &self.value {
            Value::String(text) | Value::Untyped(text) if text.trim().is_empty() => {
                Err("must not be empty".to_owned())
            }
            Value::String(text) | Value::Untyped(text) => Ok(text),
            Value::Integer { .. } | Value::Boolean(_) | Value::Other(_) => {
                Err("must be a text in quotes".to_owned())
            }
        }
    }

    /// A path, seen from where its source stands.
    pub(super) fn path(&self) -> Result<PathBuf, String> {
        match self.text()? {
            text if text.contains("://") => Err("must be a path, and this is a URL".to_owned()),
            text => Ok(self.origin.resolve(text)),
        }
    }

    /// A whole number within bounds; `units` names what is counted.
    pub(super) fn number(&self, units: &str, least: u64, most: u64) -> Result<u64, String> {
        let number = match &self.value {
            Value::Integer { digits, radix } => i128::from_str_radix(digits, *radix).ok(),
            Value::Untyped(text) => text.trim().replace('_', "").parse().ok(),
            Value::String(_) | Value::Boolean(_) | Value::Other(_) => None,
        };
        let of = if units.is_empty() { String::new() } else { format!(" of {units}") };
        number
            .and_then(|number| u64::try_from(number).ok())
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| format!("must be a whole number{of} from {least} to {most}"))
    }

    /// True or false.
    pub(super) fn boolean(&self) -> Result<bool, String> {
        match &self.value {
            Value::Boolean(value) => Ok(*value),
            Value::Untyped(text) if text == "true" => Ok(true),
            Value::Untyped(text) if text == "false" => Ok(false),
            _ => Err("must be true or false, without quotes".to_owned()),
        }
    }
}

/// A text as a TOML string on one line; what does not show itself is escaped.
pub(super) fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            letter if is_unseen(letter) => out.push_str(&format!("\\u{:04X}", u32::from(letter))),
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

/// Controls, marks that turn the direction of writing, and separators that some readers break lines at. All of them
/// have four hexadecimal digits.
fn is_unseen(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A value that meant something, as TOML; texts in quotes, and never a URL that might carry a key.
pub(super) fn quoted(value: impl fmt::Display) -> String {
    let text = value.to_string();
    if text.contains("://") { literal(REDACTED) } else { literal(&text) }
}
