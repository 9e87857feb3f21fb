//! JSON as a column holds it: written once, in one spelling, and handed on as it is.
//!
//! A tree of its values would take a hundred times the memory of a number, and is needed by nobody between decoding and the
//! tables.

use std::fmt;
use std::sync::{Arc, LazyLock};

use serde_json::Value;

/// The text of a value: names in order, nothing between its parts. So two are equal when their texts are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Json(Arc<str>);

impl Json {
    /// `null`.
    pub fn null() -> Self {
        static NULL: LazyLock<Json> = LazyLock::new(|| Value::Null.into());
        NULL.clone()
    }

    /// Reads a text of any spelling.
    ///
    /// # Errors
    /// Where it is not JSON.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<Value>(text).map(Self::from)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The value.
    pub fn value(&self) -> Value {
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        // Objects keep their names in order: serde_json's feature preserve_order is off, which a test shows.
        Self(value.to_string().into())
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_does_not_matter() {
        let read = |text| Json::parse(text).expect("JSON");
        // As PostgreSQL gives it back: by the length of names, with spaces.
        let one = read(r#"{"to": "0x1", "from": "0x2", "list": [1, {"b": null, "a": true}]}"#);
        let other = read(r#"{"from":"0x2","list":[1,{"a":true,"b":null}],"to":"0x1"}"#);
        assert_eq!(one, other);
        assert_eq!(one.as_str(), r#"{"from":"0x2","list":[1,{"a":true,"b":null}],"to":"0x1"}"#);
        assert_eq!(Json::from(one.value()), one);
        assert!(Json::parse("{").is_err());
    }
}
