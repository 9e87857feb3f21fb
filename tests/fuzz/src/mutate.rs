//! Varies the files of a corpus, the same way in every run: a fuzzer without feedback, for stable Rust.
//!
//! An input is known by its target, a seed and a number, so that a failure is played again from three words.

use std::path::{Path, PathBuf};

use crate::Target;

/// Largest input that is made.
const BYTES_MAX: usize = 8 * 1024;

/// 32-byte words at which decoders of the ABI go wrong.
const WORDS: [[u8; 4]; 8] = [
    [0; 4],
    [0, 0, 0, 1],
    [0, 0, 0, 0x20],
    [0, 0, 0, 0x40],
    [0, 0, 0, 0x60],
    [0, 0, 0xff, 0xff],
    [0x7f, 0xff, 0xff, 0xff],
    [0xff; 4],
];

/// A source of numbers that is the same everywhere (splitmix64).
#[derive(Debug, Clone)]
pub struct Numbers(u64);

impl Numbers {
    /// Those of a seed and a place in its series.
    pub fn new(seed: u64, place: u64) -> Self {
        Self(seed ^ place.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// One more number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not zero.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.draw() % bound as u64) as usize
    }
}

/// Where the files of a target's corpus are.
pub fn folder(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name)
}

/// The files of a target's corpus with their names, in the order of names.
///
/// # Errors
/// When the folder or a file cannot be read.
pub fn corpus(target: &Target) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder(target))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.push((name, std::fs::read(path)?));
    }
    files.sort();
    Ok(files)
}

/// The mutated input of that number.
pub fn input(target: &Target, corpus: &[(String, Vec<u8>)], seed: u64, number: u64) -> Vec<u8> {
    let mut numbers = Numbers::new(seed, number);
    let pick = |numbers: &mut Numbers| corpus[numbers.below(corpus.len())].1.clone();
    let mut bytes = pick(&mut numbers);
    for _ in 0..=numbers.below(6) {
        let other = if numbers.below(8) == 0 { pick(&mut numbers) } else { Vec::new() };
        change(&mut bytes, &other, target.words, &mut numbers);
        bytes.truncate(BYTES_MAX);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, other: &[u8], words: &[&str], numbers: &mut Numbers) {
    let at = numbers.below(bytes.len() + 1);
    let magnitude = numbers.below(8);
    let length = 1 + numbers.below(1 << magnitude);
    let end = (at + length).min(bytes.len());
    if !other.is_empty() {
        let from = numbers.below(other.len());
        let to = (from + 1 + numbers.below(256)).min(other.len());
        bytes.splice(at..end, other[from..to].iter().copied());
        return;
    }
    match numbers.below(12) {
        0 if at < bytes.len() => bytes[at] ^= 1 << numbers.below(8),
        1 if at < bytes.len() => bytes[at] = numbers.draw() as u8,
        2 if at < bytes.len() => {
            bytes[at] = [0, 1, b'0', b'9', b'"', b'\\', b'\n', 0x7f, 0x80, 0xff][numbers.below(10)]
        }
        3 => drop(bytes.drain(at..end)),
        4 => bytes.truncate(at),
        5 => {
            let piece = bytes[at..end].to_vec();
            let place = numbers.below(bytes.len() + 1);
            bytes.splice(place..place, piece);
        }
        6 => {
            let piece = bytes[at..end].to_vec();
            let magnitude = numbers.below(9);
            let times = 1 + numbers.below(1 << magnitude);
            bytes.splice(end..end, piece.repeat(times.min(1 + BYTES_MAX / length)));
        }
        7 => word(bytes, at, numbers),
        8 => number(bytes, at, numbers),
        9 | 10 if !words.is_empty() => {
            let word = words[numbers.below(words.len())].bytes();
            let replaced = if numbers.below(2) == 0 { end } else { at };
            bytes.splice(at..replaced, word);
        }
        _ => {
            let noise: Vec<u8> = (0..length).map(|_| numbers.draw() as u8).collect();
            bytes.splice(at..at, noise);
        }
    }
}

/// Writes a 32-byte word over what stands there, aligned from the end as the ABI's words are.
fn word(bytes: &mut [u8], at: usize, numbers: &mut Numbers) {
    let start = at.saturating_sub((at + 32 - bytes.len() % 32) % 32);
    let low = WORDS[numbers.below(WORDS.len())];
    let fill = if low == [0xff; 4] { 0xff } else { 0 };
    for (place, byte) in bytes.iter_mut().skip(start).take(32).enumerate() {
        *byte = if place < 28 { fill } else { low[place - 28] };
    }
}

/// Replaces a run of digits.
fn number(bytes: &mut Vec<u8>, at: usize, numbers: &mut Numbers) {
    let Some(start) = (at..bytes.len()).find(|place| bytes[*place].is_ascii_digit()) else { return };
    let end = (start..bytes.len()).find(|place| !bytes[*place].is_ascii_hexdigit()).unwrap_or(bytes.len());
    let new = match numbers.below(6) {
        0 => "0".to_owned(),
        1 => u64::MAX.to_string(),
        2 => (u128::from(u64::MAX) + 1).to_string(),
        3 => "9".repeat(1 + numbers.below(100)),
        4 => numbers.below(3_000).to_string(),
        _ => "ffffffffffffffff".to_owned(),
    };
    bytes.splice(start..end, new.bytes());
}
