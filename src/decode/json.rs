//! Decoded parameters as JSON for people and SQL: integers above 48 bits as decimal strings, so that no reader rounds
//! them; addresses and bytes as `0x` text; long bytes and text cut, because the log keeps them whole.

use alloy::dyn_abi::DynSolValue;
use alloy::hex;
use serde_json::{Value as Json, json};

use super::text;

/// Most bytes of a `bytes` parameter that are shown.
const BYTES_MAX: usize = 4 * 1024;
/// Most elements of an array that are shown.
const ELEMENTS_MAX: usize = 1024;
/// Most bits that every JSON reader keeps exact.
const EXACT_BITS: usize = 48;

/// One parameter.
pub fn parameter(value: &DynSolValue) -> Json {
    match value {
        DynSolValue::Bool(value) => json!(value),
        DynSolValue::Uint(value, bits) if *bits <= EXACT_BITS => {
            json!(u64::try_from(*value).expect("an integer of 48 bits fits 64"))
        }
        DynSolValue::Uint(value, _) => json!(value.to_string()),
        DynSolValue::Int(value, bits) if *bits <= EXACT_BITS => {
            json!(i64::try_from(*value).expect("an integer of 48 bits fits 64"))
        }
        DynSolValue::Int(value, _) => json!(value.to_string()),
        DynSolValue::Address(value) => json!(hex::encode_prefixed(value)),
        DynSolValue::FixedBytes(value, size) => json!(hex::encode_prefixed(&value[..*size])),
        DynSolValue::Function(value) => json!(hex::encode_prefixed(value.as_slice())),
        DynSolValue::Bytes(value) => bytes(value),
        DynSolValue::String(value) => json!(text::storable(value.as_bytes(), text::LONG_MAX)),
        DynSolValue::Array(values) | DynSolValue::FixedArray(values) | DynSolValue::Tuple(values) => {
            Json::Array(values.iter().take(ELEMENTS_MAX).map(parameter).collect())
        }
    }
}

fn bytes(value: &[u8]) -> Json {
    if value.len() <= BYTES_MAX {
        return json!(hex::encode_prefixed(value));
    }
    json!(format!("{}…", hex::encode_prefixed(&value[..BYTES_MAX])))
}
