//! Logs that contracts of a role may write, with values drawn from a few: for simulations that want to see every event
//! meet every other, and shapes that no contract of ours has.

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};

use crate::events::declarations;
use crate::words::{Datum, Type, encode, encode_word};

/// A source of choices: a number below the one given, which is above zero.
pub type Choose<'a> = &'a mut dyn FnMut(u64) -> u64;

/// The topics and data of some event of a role; its name is for reading.
///
/// Addresses are drawn from `addresses`, other values from a handful, so that logs are about the same things.
pub fn log(role: &str, addresses: &[Address], choose: Choose<'_>) -> (&'static str, Vec<B256>, Bytes) {
    let declared = declarations(role);
    let event = &declared[choose(declared.len() as u64) as usize];
    let mut topics = vec![event.digest];
    let mut rest = Vec::new();
    for parameter in &event.parameters {
        let value = value(&parameter.kind, addresses, choose);
        if !parameter.indexed {
            rest.push((&parameter.kind, value));
        } else if parameter.kind.is_dynamic() {
            topics.push(match value {
                Datum::Hex(bytes) | Datum::Text(bytes) => keccak256(bytes),
                _ => B256::ZERO,
            });
        } else {
            topics.push(B256::from(encode_word(&value)));
        }
    }
    (event.name, topics, encode(&rest).into())
}

/// Damages a log: a topic more or less, data cut off, a word that is no value of its type, something appended.
pub fn damage(topics: &mut Vec<B256>, data: &mut Bytes, choose: Choose<'_>) {
    let mut bytes = data.to_vec();
    match choose(6) {
        0 => {
            topics.pop();
        }
        1 if topics.len() < 4 => topics.push(B256::repeat_byte(7)),
        2 => bytes.truncate(choose(bytes.len() as u64 + 1) as usize),
        3 if !bytes.is_empty() => {
            let word = choose(bytes.len() as u64 / 32) as usize;
            bytes[word * 32..word * 32 + 32].fill(0xff);
        }
        4 if topics.len() > 1 => {
            let place = 1 + choose(topics.len() as u64 - 1) as usize;
            topics[place] = B256::repeat_byte(0xee);
        }
        _ => bytes.extend([1, 2, 3]),
    }
    *data = bytes.into();
}

fn value(kind: &Type, addresses: &[Address], choose: Choose<'_>) -> Datum {
    const TEXTS: [&[u8]; 5] =
        [b"", b"Bond \xc3\xa9", b"a\0b", b"\xff\xfe", b"a text that is longer than one word of the ABI"];
    match kind {
        Type::Address => Datum::Address(addresses[choose(addresses.len() as u64) as usize]),
        Type::Bool => Datum::Bool(choose(2) == 1),
        Type::Uint(bits) if *bits > 48 => Datum::Wide(match choose(12) {
            0 => U256::MAX >> (256 - bits),
            1 => U256::ZERO,
            _ => U256::from(1 + choose(6)),
        }),
        Type::Uint(_) => Datum::Small(choose(4)),
        Type::Fixed(size) => Datum::Hex(vec![choose(3) as u8; *size]),
        Type::Bytes => Datum::Hex(match choose(4) {
            0 => Vec::new(),
            1 => vec![choose(3) as u8; 65],
            _ => U256::from(choose(3)).to_be_bytes_vec(),
        }),
        Type::Text => Datum::Text(TEXTS[choose(5) as usize].to_vec()),
        Type::List(inner) => Datum::List((0..choose(4)).map(|_| value(inner, addresses, choose)).collect()),
        Type::Tuple => Datum::Hex(vec![choose(2) as u8]),
    }
}
