//! What every row, text and error must be, whoever's bytes are in it.

use asset_indexer::json::Json;
use asset_indexer::row::{Row, Table, TableDef, Value};

/// Longest reading of one log as JSON, in bytes: 1,024 elements of 80 digits, or a few texts of 8 KiB.
const JSON_MAX: usize = 200_000;
/// Longest text of a row: 8 KiB of foreign text and its mark.
const TEXT_MAX: usize = 8 * 1024 + 16;

/// PostgreSQL takes every value, and none is larger than it must be.
pub(crate) fn assert_storable(table: &TableDef, row: &Row) {
    assert_eq!(row.len(), table.columns.len(), "{}", table.name);
    for (column, value) in table.columns.iter().zip(row) {
        let place = || format!("{}.{}", table.name, column.name);
        match value {
            Value::Null => assert!(column.nullable, "{} is null", place()),
            Value::Text(text) => {
                assert!(!text.contains('\0'), "{} holds NUL", place());
                assert!(text.len() <= TEXT_MAX, "{} has {} bytes", place(), text.len());
            }
            Value::Json(json) => {
                let text = json.as_str();
                assert!(!text.contains("\\u0000"), "{} holds NUL", place());
                assert!(text.len() <= JSON_MAX, "{} has {} bytes", place(), text.len());
                let again = Json::parse(text).expect("JSON reads its own text");
                assert_eq!(again, *json, "{}", place());
            }
            Value::Number(number) => {
                assert_eq!(number.to_string().parse().ok(), Some(**number), "{}", place());
            }
            Value::Squares(squares) => {
                assert_eq!(squares.to_string().parse().ok(), Some(**squares), "{}", place());
            }
            Value::Numbers(numbers) => {
                for number in numbers {
                    assert_eq!(number.to_string().parse().ok(), Some(*number), "{}", place());
                }
            }
            Value::Bool(_) | Value::Int(_) | Value::Bytes(_) | Value::Time(_) | Value::Uuid(_) => {}
        }
    }
}

/// A typed row is storable and comes back from its values.
pub(crate) fn assert_round_trip<T: Table + std::fmt::Debug>(row: &T) {
    let values = row.to_row();
    assert_storable(T::DEF, &values);
    assert_eq!(T::from_row(values).as_ref(), Some(row), "{} from its own values", T::DEF.name);
}

/// A message that may be logged, stored and shown: one line, bounded, without these secrets.
pub(crate) fn assert_tellable(message: &str, secrets: &[&str]) {
    assert!(message.len() <= 4_000, "a message of {} bytes: {message:.200}", message.len());
    for letter in message.chars() {
        let turns =
            matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let breaks = letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}');
        assert!(!turns && !breaks, "a message with {letter:?}: {message:?}");
    }
    for secret in secrets {
        assert!(!message.contains(secret), "a message with the secret {secret}: {message}");
    }
}
