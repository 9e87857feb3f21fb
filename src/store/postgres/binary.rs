//! Rows in PostgreSQL's binary COPY format, which neither side has to write out and read as text: each field is its length and
//! the bytes that the type's receive function takes, integers with the highest byte first.

use crate::amount::Amount;
use crate::row::{Row, Value};

/// Signature, flags and the length of an extension, both zero.
pub(crate) const HEADER: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// In the place of a row's number of fields, at the end.
pub(crate) const TRAILER: i16 = -1;
/// 2000-01-01, where PostgreSQL's time begins, in seconds since the Unix epoch.
const EPOCH_S: i64 = 946_684_800;
/// `numeric` in pg_type.
const NUMERIC_OID: i32 = 1700;
/// Digits of a number are in groups of four.
const GROUP: u64 = 10_000;

/// Appends a row.
pub(super) fn row(buffer: &mut Vec<u8>, row: &Row) {
    let fields = i16::try_from(row.len()).expect("a table has some dozen columns");
    buffer.extend_from_slice(&fields.to_be_bytes());
    row.iter().for_each(|value| field(buffer, value));
}

fn field(buffer: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => buffer.extend_from_slice(&(-1_i32).to_be_bytes()),
        Value::Bool(value) => sized(buffer, &[u8::from(*value)]),
        Value::Int(value) => sized(buffer, &value.to_be_bytes()),
        Value::Bytes(value) => sized(buffer, value),
        Value::Text(value) => sized(buffer, value.as_bytes()),
        Value::Uuid(value) => sized(buffer, value.as_bytes()),
        Value::Time(seconds) => sized(buffer, &((seconds - EPOCH_S) * 1_000_000).to_be_bytes()),
        Value::Number(value) => measured(buffer, |buffer| amount(buffer, **value)),
        Value::Squares(value) => measured(buffer, |buffer| decimal(buffer, &value.to_string())),
        Value::Numbers(values) => measured(buffer, |buffer| numbers(buffer, values)),
        Value::Json(value) => measured(buffer, |buffer| {
            // The version of the form that `jsonb` is sent in.
            buffer.push(1);
            buffer.extend_from_slice(value.as_str().as_bytes());
        }),
    }
}

fn sized(buffer: &mut Vec<u8>, bytes: &[u8]) {
    measured(buffer, |buffer| buffer.extend_from_slice(bytes));
}

/// Puts the length before what is written.
fn measured(buffer: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let place = buffer.len();
    buffer.extend_from_slice(&[0; 4]);
    write(buffer);
    let length = i32::try_from(buffer.len() - place - 4).expect("a field is bounded far below a gigabyte");
    buffer[place..place + 4].copy_from_slice(&length.to_be_bytes());
}

/// One dimension, counted from 1; none for an empty array.
fn numbers(buffer: &mut Vec<u8>, values: &[Amount]) {
    let count = i32::try_from(values.len()).expect("a list is bounded");
    let (dimensions, has_null) = (i32::from(count > 0), 0_i32);
    for word in [dimensions, has_null, NUMERIC_OID] {
        buffer.extend_from_slice(&word.to_be_bytes());
    }
    if count > 0 {
        for word in [count, 1] {
            buffer.extend_from_slice(&word.to_be_bytes());
        }
    }
    values.iter().for_each(|value| measured(buffer, |buffer| amount(buffer, *value)));
}

fn amount(buffer: &mut Vec<u8>, value: Amount) {
    /// Four groups, which 64 bits hold.
    const HALF: u128 = 10_u128.pow(16);
    let Some((size, is_negative)) = value.small() else { return decimal(buffer, &value.to_string()) };
    let mut groups = [0_u16; 12];
    let (mut rest, mut first) = (size, groups.len());
    while rest > 0 {
        let mut half = u64::try_from(rest % HALF).expect("a remainder of 64 bits");
        rest /= HALF;
        for _ in 0..4 {
            first -= 1;
            groups[first] = u16::try_from(half % GROUP).expect("a group");
            half /= GROUP;
        }
    }
    number(buffer, &groups[first..], is_negative);
}

/// A whole number from its digits in base 10.
fn decimal(buffer: &mut Vec<u8>, text: &str) {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let value = |group: &[u8]| group.iter().fold(0, |value, digit| 10 * value + u16::from(digit - b'0'));
    let (first, rest) = digits.as_bytes().split_at(digits.len() % 4);
    let mut groups = Vec::with_capacity(digits.len() / 4 + 1);
    if !first.is_empty() {
        groups.push(value(first));
    }
    groups.extend(rest.chunks_exact(4).map(value));
    number(buffer, &groups, text.starts_with('-'));
}

/// How many groups, the power of the first, the sign, no decimal places, and the groups.
fn number(buffer: &mut Vec<u8>, groups: &[u16], is_negative: bool) {
    const NEGATIVE: u16 = 0x4000;
    let zeros = groups.iter().take_while(|group| **group == 0).count();
    let groups = &groups[zeros..];
    let count = u16::try_from(groups.len()).expect("a number has some dozen digits");
    let sign = if is_negative && count > 0 { NEGATIVE } else { 0 };
    for word in [count, count.saturating_sub(1), sign, 0] {
        buffer.extend_from_slice(&word.to_be_bytes());
    }
    groups.iter().for_each(|group| buffer.extend_from_slice(&group.to_be_bytes()));
}

#[cfg(test)]
mod tests {
    use alloy::primitives::U256;

    use super::*;

    fn told(value: &Value) -> Vec<u8> {
        let mut buffer = Vec::new();
        field(&mut buffer, value);
        buffer
    }

    fn number(text: &str) -> Vec<u8> {
        told(&Value::Number(Box::new(text.parse().expect("a number"))))
    }

    #[test]
    fn numbers_are_groups_of_four_digits() {
        assert_eq!(number("0"), [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(number("-1"), [0, 0, 0, 10, 0, 1, 0, 0, 0x40, 0, 0, 0, 0, 1]);
        assert_eq!(number("12340005"), [0, 0, 0, 12, 0, 2, 0, 1, 0, 0, 0, 0, 4, 210, 0, 5]);
        assert_eq!(number("10000"), [0, 0, 0, 12, 0, 2, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn a_number_is_written_alike_from_bits_and_from_digits() {
        let edges = [
            "9999",
            "10000",
            "9999999999999999",
            "10000000000000000",
            "340282366920938463463374607431768211455",
        ];
        let mut texts: Vec<String> =
            edges.iter().flat_map(|text| [(*text).to_owned(), format!("-{text}")]).collect();
        texts.extend((0..39).map(|zeros| format!("1{}", "0".repeat(zeros))));
        for text in texts {
            let mut digits = vec![0; 4];
            decimal(&mut digits, &text);
            assert_eq!(number(&text)[4..], digits[4..], "{text}");
        }
        let beyond = Amount::from(U256::from(u128::MAX)).plus(Amount::from(1));
        assert!(beyond.small().is_none(), "more than 128 bits go by way of digits");
    }

    #[test]
    fn a_row_is_its_fields_with_their_lengths() {
        let mut buffer = Vec::new();
        row(
            &mut buffer,
            &vec![Value::Null, Value::Bool(true), Value::Text("é".to_owned()), Value::Time(EPOCH_S + 1)],
        );
        let expected: [&[u8]; 5] = [
            &[0, 4],
            &[0xff; 4],
            &[0, 0, 0, 1, 1],
            &[0, 0, 0, 2, 0xc3, 0xa9],
            &[0, 0, 0, 8, 0, 0, 0, 0, 0, 0x0f, 0x42, 0x40],
        ];
        assert_eq!(buffer, expected.concat());
        assert_eq!(told(&Value::Numbers(vec![])), [0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 164]);
    }
}
