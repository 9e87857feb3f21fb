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
pub(crate) fn in_word(kind: &Type, word: [u8; 32]) -> Option<Datum> {
    match kind {
        Type::Address => {
            word[..12].iter().all(|byte| *byte == 0).then(|| Datum::Address(Address::from_slice(&word[12..])))
        }
        Type::Bool => match U256::from_be_bytes(word) {
            U256::ZERO => Some(Datum::Bool(false)),
            value if value == U256::from(1) => Some(Datum::Bool(true)),
            _ => None,
        },
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
        Type::Fixed(size) => {
            word[*size..].iter().all(|byte| *byte == 0).then(|| Datum::Hex(word[..*size].to_vec()))
        }
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

/// Bytes as text that PostgreSQL and JSON can hold: U+FFFD for what is not UTF-8, NUL as a visible escape.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\0', NUL)
}

/// What stands for a NUL, which no text of PostgreSQL can hold.
pub(crate) const NUL: &str = "\\0";
