//! Foreign text, made storable: PostgreSQL's `text` and `jsonb` refuse NUL, and a contract may log any bytes.
//!
//! The raw bytes stay in the log's `data`; this is the reading for people.

/// Most bytes of a name or symbol that are kept as text.
pub const SHORT_MAX: usize = 1024;

/// Most bytes of any other text that are kept decoded.
pub const LONG_MAX: usize = 8 * 1024;

/// Valid UTF-8 as it is, NUL as `\0`, every other byte that is not text as `\xNN`; cut at `max` bytes with a mark.
pub fn storable(raw: &[u8], max: usize) -> String {
    let mut text = String::with_capacity(raw.len().min(max));
    for chunk in raw.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\0' => text.push_str("\\0"),
                other => text.push(other),
            }
            if text.len() > max {
                return cut(text, max);
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
        if text.len() > max {
            return cut(text, max);
        }
    }
    text
}

fn cut(mut text: String, max: usize) -> String {
    let end = (0..=max).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.truncate(end);
    text.push('…');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_postgresql_refuses_survives() {
        assert_eq!(storable(b"Gold \xf0\x9f\xa5\x87", 100), "Gold 🥇");
        assert_eq!(storable(b"a\0b\xff", 100), "a\\0b\\xff");
        let long = storable("ä".repeat(1000).as_bytes(), 101);
        assert!(long.len() <= 101 + '…'.len_utf8() && long.ends_with('…'));
        assert!(!storable(&[0u8; 4000], SHORT_MAX).contains('\0'));
    }
}
