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

/// One parameter; `None` where its word is no value of its type: only a contract that was not compiled logs that, and
/// nobody can say what it meant.
pub fn parameter(value: &DynSolValue) -> Option<Json> {
    Some(match value {
        DynSolValue::Bool(value) => json!(value),
        DynSolValue::Uint(value, bits) if *bits <= EXACT_BITS => {
            json!(u64::try_from(*value).ok().filter(|value| value >> bits == 0)?)
        }
        DynSolValue::Uint(value, bits) => json!((value.bit_len() <= *bits).then(|| value.to_string())?),
        DynSolValue::Int(value, bits) if *bits <= EXACT_BITS => {
            let value = i64::try_from(*value).ok()?;
            json!(Some(value).filter(|value| (value >> (bits - 1)) + i64::from(*value < 0) == 0)?)
        }
        DynSolValue::Int(value, _) => json!(value.to_string()),
        DynSolValue::Address(value) => json!(hex::encode_prefixed(value)),
        DynSolValue::FixedBytes(value, size) => json!(hex::encode_prefixed(&value[..*size])),
        DynSolValue::Function(value) => json!(hex::encode_prefixed(value.as_slice())),
        DynSolValue::Bytes(value) => bytes(value),
        DynSolValue::String(value) => json!(text::storable(value.as_bytes(), text::LONG_MAX)),
        DynSolValue::Array(values) | DynSolValue::FixedArray(values) | DynSolValue::Tuple(values) => {
            Json::Array(values.iter().take(ELEMENTS_MAX).map(parameter).collect::<Option<_>>()?)
        }
    })
}

fn bytes(value: &[u8]) -> Json {
    if value.len() <= BYTES_MAX {
        return json!(hex::encode_prefixed(value));
    }
    json!(format!("{}…", hex::encode_prefixed(&value[..BYTES_MAX])))
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{I256, U256};

    use super::*;

    #[test]
    fn an_integer_that_its_type_cannot_hold_is_no_value() {
        let uint = |value: u64, bits| parameter(&DynSolValue::Uint(U256::from(value), bits));
        assert_eq!(uint(255, 8), Some(json!(255)));
        assert_eq!(uint(256, 8), None);
        assert_eq!(uint(1 << 47, 48), Some(json!(1_u64 << 47)));
        assert_eq!(parameter(&DynSolValue::Uint(U256::MAX, 16)), None);
        assert_eq!(parameter(&DynSolValue::Uint(U256::MAX, 128)), None);
        assert_eq!(parameter(&DynSolValue::Uint(U256::MAX, 256)), Some(json!(U256::MAX.to_string())));
        let int = |value: i64, bits| parameter(&DynSolValue::Int(I256::try_from(value).expect("fits"), bits));
        assert_eq!(int(-128, 8), Some(json!(-128)));
        assert_eq!((int(128, 8), int(-129, 8)), (None, None));
        assert_eq!(int(i64::MIN, 256), Some(json!(i64::MIN.to_string())));
        assert_eq!(parameter(&DynSolValue::Int(I256::MIN, 24)), None);
        let list =
            DynSolValue::Array(vec![DynSolValue::Uint(U256::from(7), 8), DynSolValue::Uint(U256::MAX, 8)]);
        assert_eq!(parameter(&list), None);
    }
}
