//! ABI encoding read by hand, word by word (Solidity's contract ABI specification), and text as the tables hold it.

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};

/// A type of an event's parameter, as far as the contracts we know use them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Type {
    Address,
    Bool,
    /// Unsigned, of so many bits.
    Uint(usize),
    /// `bytes1` to `bytes32`.
    Fixed(usize),
    Bytes,
    Text,
    List(Box<Type>),
    /// Only ever indexed: nothing but its digest is seen.
    Tuple,
}

impl Type {
    /// From its canonical spelling.
    pub(crate) fn parse(text: &str) -> Self {
        if let Some(inner) = text.strip_suffix("[]") {
            return Self::List(Box::new(Self::parse(inner)));
        }
        match text {
            "address" => Self::Address,
            "bool" => Self::Bool,
            "bytes" => Self::Bytes,
            "string" => Self::Text,
            _ if text.starts_with('(') => Self::Tuple,
            _ => match (text.strip_prefix("uint"), text.strip_prefix("bytes")) {
                (Some(bits), _) => Self::Uint(bits.parse().expect("a width in bits")),
                (_, Some(size)) => Self::Fixed(size.parse().expect("a size in bytes")),
                _ => panic!("no type of ours: {text}"),
            },
        }
    }

    /// Whether it is encoded by an offset to elsewhere.
    pub(crate) fn is_dynamic(&self) -> bool {
        matches!(self, Self::Bytes | Self::Text | Self::List(_) | Self::Tuple)
    }
}

/// A value read from an encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Datum {
    Address(Address),
    Bool(bool),
    /// Of a type wider than 48 bits.
    Wide(U256),
    /// Of a type up to 48 bits wide.
    Small(u64),
    /// Bytes of any kind, also the digest that stands for an indexed dynamic value.
    Hex(Vec<u8>),
    Text(Vec<u8>),
    List(Vec<Datum>),
}

/// The 32 bytes at an offset.
pub(crate) fn word(data: &[u8], at: usize) -> Option<[u8; 32]> {
    data.get(at..at.checked_add(32)?)?.try_into().ok()
}

/// A value that stands in one word; none where the word is no value of the type.
///
/// No document says how strict to be with words that no compiler writes. Addresses, flags and short bytes are read as
/// the EVM masks them; an integer that its type cannot hold is no value.
pub(crate) fn in_word(kind: &Type, word: [u8; 32]) -> Option<Datum> {
    match kind {
        Type::Address => Some(Datum::Address(Address::from_slice(&word[12..]))),
        Type::Bool => Some(Datum::Bool(word.iter().any(|byte| *byte != 0))),
        Type::Uint(bits) => {
            let value = U256::from_be_bytes(word);
            if value.bit_len() > *bits {
                None
            } else if *bits > 48 {
                Some(Datum::Wide(value))
            } else {
                Some(Datum::Small(value.to()))
            }
        }
        Type::Fixed(size) => Some(Datum::Hex(word[..*size].to_vec())),
        _ => None,
    }
}

/// A value of a type whose head stands at `head` of an encoding that begins at the start of `data`.
pub(crate) fn value(kind: &Type, data: &[u8], head: usize) -> Option<Datum> {
    let first = word(data, head)?;
    if !kind.is_dynamic() {
        return in_word(kind, first);
    }
    let place = small(first)?;
    let length = small(word(data, place)?)?;
    let rest = data.get(place + 32..)?;
    match kind {
        Type::Bytes => Some(Datum::Hex(rest.get(..length)?.to_vec())),
        Type::Text => Some(Datum::Text(rest.get(..length)?.to_vec())),
        Type::List(inner) => {
            if length > rest.len() / 32 {
                return None;
            }
            (0..length).map(|index| value(inner, rest, index * 32)).collect::<Option<_>>().map(Datum::List)
        }
        _ => None,
    }
}

fn small(word: [u8; 32]) -> Option<usize> {
    let value = U256::from_be_bytes(word);
    (value.bit_len() <= 32).then(|| value.to())
}

/// The four bytes that begin a call, from the function's canonical signature.
pub(crate) fn selector(signature: &str) -> [u8; 4] {
    keccak256(signature)[..4].try_into().expect("four of thirty-two")
}

/// Call data of a function with address arguments.
pub(crate) fn call(signature: &str, arguments: &[Address]) -> Bytes {
    let mut data = selector(signature).to_vec();
    for argument in arguments {
        data.extend(argument.into_word());
    }
    data.into()
}

/// The arguments of a call, where it is one of this function.
pub(crate) fn arguments(signature: &str, input: &[u8]) -> Option<Vec<Datum>> {
    let rest = input.strip_prefix(&selector(signature)[..])?;
    let types = signature.split_once('(')?.1.strip_suffix(')')?;
    types.split(',').enumerate().map(|(index, kind)| value(&Type::parse(kind), rest, index * 32)).collect()
}

/// keccak256 of the encoding of one address: how ERC-734 names a key.
pub(crate) fn key_of(address: Address) -> B256 {
    keccak256(address.into_word())
}

/// Bytes as text that PostgreSQL can hold: NUL as `\\0`, what is not UTF-8 as `\\xNN`, cut with a mark where there is more
/// than `most` bytes of it.
pub(crate) fn text(bytes: &[u8], most: usize) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text += &chunk.valid().replace('\0', "\\0");
        for byte in chunk.invalid() {
            text += &format!("\\x{byte:02x}");
        }
    }
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
        text.push('…');
    }
    text
}

/// The longest name or symbol that is kept, in bytes.
pub(crate) const SHORT: usize = 1024;
/// The longest other text.
pub(crate) const LONG: usize = 8 * 1024;
/// The most bytes that `event_data` shows of a parameter.
pub(crate) const SHOWN_BYTES: usize = 4 * 1024;
/// The most elements that `event_data` shows of a list.
pub(crate) const SHOWN_ELEMENTS: usize = 1024;

/// How the values of some types are encoded one after the other: heads first, then what the heads point to.
pub(crate) fn encode(values: &[(&Type, Datum)]) -> Vec<u8> {
    let mut heads = Vec::new();
    let mut tails = Vec::new();
    for (kind, value) in values {
        if kind.is_dynamic() {
            let place = values.len() * 32 + tails.len();
            heads.extend(U256::from(place).to_be_bytes::<32>());
            tails.extend(encode_dynamic(kind, value));
        } else {
            heads.extend(encode_word(value));
        }
    }
    heads.extend(tails);
    heads
}

/// One word.
pub(crate) fn encode_word(value: &Datum) -> [u8; 32] {
    match value {
        Datum::Address(address) => address.into_word().0,
        Datum::Bool(flag) => U256::from(u8::from(*flag)).to_be_bytes(),
        Datum::Wide(number) => number.to_be_bytes(),
        Datum::Small(number) => U256::from(*number).to_be_bytes(),
        Datum::Hex(bytes) => {
            let mut word = [0; 32];
            word[..bytes.len()].copy_from_slice(bytes);
            word
        }
        other => panic!("{other:?} takes more than a word"),
    }
}

fn encode_dynamic(kind: &Type, value: &Datum) -> Vec<u8> {
    match (kind, value) {
        (_, Datum::Hex(bytes) | Datum::Text(bytes)) => {
            let mut encoded = U256::from(bytes.len()).to_be_bytes::<32>().to_vec();
            encoded.extend(bytes);
            encoded.resize(encoded.len().next_multiple_of(32), 0);
            encoded
        }
        (Type::List(inner), Datum::List(items)) => {
            let mut encoded = U256::from(items.len()).to_be_bytes::<32>().to_vec();
            let items: Vec<_> = items.iter().map(|item| (&**inner, item.clone())).collect();
            encoded.extend(encode(&items));
            encoded
        }
        other => panic!("{other:?} is not dynamic"),
    }
}
