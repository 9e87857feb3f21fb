//! Logs that contracts of a role may write, with values drawn from a few: for simulations that want to see every event
//! meet every other, and shapes that no contract of ours has.

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};

use crate::events::{Declaration, Parameter, declarations};
use crate::words::{Datum, LONG, Type, encode, encode_word};

/// A source of choices: a number below the one given, which is above zero.
pub type Choose<'a> = &'a mut dyn FnMut(u64) -> u64;

/// The topics and data of some event of a role; its name is for reading.
///
/// Addresses are drawn from `addresses`, other values from a handful, so that logs are about the same things. A module
/// speaks mostly of the first two addresses; [`module_log`] says of which instead.
pub fn log(role: &str, addresses: &[Address], choose: Choose<'_>) -> (&'static str, Vec<B256>, Bytes) {
    if role == "compliance_module" {
        return module_log(&addresses[..addresses.len().min(2)], addresses, choose);
    }
    let event = any(role, choose);
    let is_about_a_document = event.name.starts_with("Document");
    written(event, &mut |parameter| match &parameter.kind {
        kind if is_about_a_document => document_value(kind, choose),
        kind => value(kind, addresses, choose),
    })
}

/// The topics and data of some event of a compliance module, mostly about one of `scopes`: the compliances that are
/// watched, and the tokens, since some modules keep their parameters by token. Now and then it is about anybody of
/// `addresses`. Neither may be empty.
///
/// So few accounts, countries and times occur that the same parameter comes and goes again. Numbers stand at the edges
/// of their types, and sometimes beyond: those logs cannot be read.
pub fn module_log(
    scopes: &[Address],
    addresses: &[Address],
    choose: Choose<'_>,
) -> (&'static str, Vec<B256>, Bytes) {
    let event = any("compliance_module", choose);
    written(event, &mut |parameter| match parameter.name {
        "_compliance" | "compliance" | "_tokenAddress" => {
            let among = if choose(5) > 0 { scopes } else { addresses };
            Datum::Address(among[choose(among.len() as u64) as usize])
        }
        _ => module_value(&parameter.kind, addresses, choose),
    })
}

fn any(role: &str, choose: Choose<'_>) -> &'static Declaration {
    let declared = declarations(role);
    &declared[choose(declared.len() as u64) as usize]
}

/// An event with the value that `draw` gives each parameter.
fn written(
    event: &Declaration,
    draw: &mut dyn FnMut(&Parameter) -> Datum,
) -> (&'static str, Vec<B256>, Bytes) {
    let mut topics = vec![event.digest];
    let mut rest = Vec::new();
    for parameter in &event.parameters {
        let value = draw(parameter);
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

fn module_value(kind: &Type, addresses: &[Address], choose: Choose<'_>) -> Datum {
    let is_stranger = choose(8) == 0;
    match kind {
        Type::Address if !is_stranger => {
            Datum::Address(addresses[choose(addresses.len().min(3) as u64) as usize])
        }
        Type::Uint(bits @ ..=48) => {
            let most = (1 << bits) - 1;
            Datum::Small(match choose(16) {
                0 => most + 1,
                1..=3 => most,
                4..=6 => 0,
                7..=9 => 1,
                10..=12 => 2,
                _ => most / 2 + 1,
            })
        }
        kind => value(kind, addresses, choose),
    }
}

/// Names and hashes of documents are few, so that they are set and removed again; their places are texts at all edges.
fn document_value(kind: &Type, choose: Choose<'_>) -> Datum {
    match kind {
        Type::Text => Datum::Text(match choose(10) {
            0 => Vec::new(),
            1 => b"ipfs://prospectus".to_vec(),
            2 => b"\0".to_vec(),
            3 => b"a\0b \xff\xfe c".to_vec(),
            // A letter of three bytes that breaks off.
            4 => b"\xe2\x82".to_vec(),
            5 => vec![b'l'; LONG],
            6 => vec![b'l'; LONG + 1],
            // A letter, and what stands for a byte, across the end.
            7 => [vec![b'l'; LONG - 1], "é".as_bytes().to_vec()].concat(),
            8 => [vec![b'l'; LONG - 1], vec![0]].concat(),
            _ => vec![0xff; LONG / 3],
        }),
        Type::Fixed(size) => Datum::Hex(match choose(4) {
            0 => vec![0; *size],
            1 => vec![0xff; *size],
            _ => vec![b'd'; *size],
        }),
        other => panic!("no document has a {other:?}"),
    }
}
