//! JSON, written as it is needed: a tree of values would cost the node more than the program that is measured.

use alloy::hex;

/// Text as it is.
pub fn text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// A comma before all but the first.
pub fn separate(out: &mut Vec<u8>, place: usize) {
    if place > 0 {
        out.push(b',');
    }
}

/// A number as JSON-RPC writes it.
pub fn quantity(out: &mut Vec<u8>, number: u64) {
    text(out, &format!("\"0x{number:x}\""));
}

/// Bytes as JSON-RPC writes them.
pub fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    text(out, "\"0x");
    let start = out.len();
    out.resize(start + 2 * bytes.len(), 0);
    hex::encode_to_slice(bytes, &mut out[start..]).expect("the slice has twice the bytes");
    out.push(b'"');
}
