//! Decoded parameters as JSON for people and SQL: integers above 48 bits as decimal strings, so that no reader rounds
//! them; addresses and bytes as `0x` text; long bytes and text cut, because the log keeps them whole.

use alloy::dyn_abi::DynSolValue;
use alloy::hex;
use alloy::primitives::{I256, U256};
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
        DynSolValue::Uint(word, bits) => match (lowest(*word, *bits), *bits) {
            (value, ..=EXACT_BITS) => json!(value.to::<u64>()),
            (value, _) => json!(value.to_string()),
        },
        DynSolValue::Int(word, bits) => {
            let unused = 256 - *bits;
            let value = I256::from_raw(word.into_raw() << unused).asr(unused);
            if *bits <= EXACT_BITS { json!(value.as_i64()) } else { json!(value.to_string()) }
        }
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

/// The bits that an integer's type has. A contract may log any word in its place; alloy hands the word on whole, while
/// our bindings read these bits.
fn lowest(word: U256, bits: usize) -> U256 {
    let unused = 256 - bits;
    (word << unused) >> unused
}

fn bytes(value: &[u8]) -> Json {
    if value.len() <= BYTES_MAX {
        return json!(hex::encode_prefixed(value));
    }
    json!(format!("{}…", hex::encode_prefixed(&value[..BYTES_MAX])))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A country of `2^256 - 1` once ended the process, and with it every other contract's index.
    #[test]
    fn an_integer_is_read_in_the_bits_of_its_type() {
        let max = U256::MAX;
        let dirty = (max << 16) | U256::from(528);
        for (value, shown) in [
            (DynSolValue::Uint(max, 8), json!(255)),
            (DynSolValue::Uint(dirty, 16), json!(528)),
            (DynSolValue::Uint(max, 48), json!(281_474_976_710_655_u64)),
            (DynSolValue::Uint(max, 56), json!("72057594037927935")),
            (DynSolValue::Uint(max, 256), json!(max.to_string())),
            (DynSolValue::Int(I256::from_raw(dirty), 16), json!(528)),
            (DynSolValue::Int(I256::from_raw(max), 8), json!(-1)),
            (DynSolValue::Int(I256::from_raw(U256::from(0x80)), 8), json!(-128)),
            (DynSolValue::Int(I256::MAX, 48), json!(-1)),
            (DynSolValue::Int(I256::MIN, 64), json!("0")),
            (DynSolValue::Int(I256::MIN, 256), json!(I256::MIN.to_string())),
        ] {
            assert_eq!(parameter(&value), shown, "{value:?}");
        }
    }
}
