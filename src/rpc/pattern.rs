//! Finds a provider's wording in an error text, and the numbers in it.
//!
//! A pattern is lower-case text in which `#` stands for a decimal number (`2000`, `10,000`, `10k`), `$` for
//! the digits of a hexadecimal one, and `~` for an optional space. It may begin anywhere in the text.

/// Lower case, every run of white space one space.
pub(super) fn normalize(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.extend(word.chars().flat_map(char::to_lowercase));
    }
    out
}

/// The numbers that `pattern` captures where it first occurs in `text` (already normalized); `None` if it
/// does not.
pub(super) fn find(pattern: &str, text: &str) -> Option<Vec<u64>> {
    // Most wordings occur nowhere; the standard search tells that fast, even of a long page.
    let plain = &pattern[..pattern.find(['#', '$', '~']).unwrap_or(pattern.len())];
    let mut from = 0;
    while let Some(found) = text.get(from..)?.find(plain) {
        let start = from + found;
        if let Some(numbers) = matches_at(pattern.as_bytes(), &text.as_bytes()[start..]) {
            return Some(numbers);
        }
        from = text.ceil_char_boundary(start + 1);
        if start >= text.len() {
            return None;
        }
    }
    None
}

fn matches_at(pattern: &[u8], mut text: &[u8]) -> Option<Vec<u64>> {
    let mut numbers = Vec::new();
    for &wanted in pattern {
        let taken = match wanted {
            b'#' => {
                let (number, taken) = decimal(text)?;
                numbers.push(number);
                taken
            }
            b'$' => {
                let (number, taken) = hexadecimal(text)?;
                numbers.push(number);
                taken
            }
            b'~' => usize::from(text.first() == Some(&b' ')),
            _ if text.first() == Some(&wanted) => 1,
            _ => return None,
        };
        text = &text[taken..];
    }
    Some(numbers)
}

/// A decimal number with separators between its digits and an optional `k`; the bytes it takes.
fn decimal(text: &[u8]) -> Option<(u64, usize)> {
    let mut number: u64 = 0;
    let mut taken = 0;
    loop {
        match text.get(taken) {
            Some(digit @ b'0'..=b'9') => {
                number = number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
            }
            Some(b',' | b'.' | b'_') if taken > 0 && text.get(taken + 1).is_some_and(u8::is_ascii_digit) => {}
            Some(b'k') if taken > 0 && !text.get(taken + 1).is_some_and(u8::is_ascii_alphanumeric) => {
                return Some((number.checked_mul(1000)?, taken + 1));
            }
            _ => break,
        }
        taken += 1;
    }
    (taken > 0).then_some((number, taken))
}

/// The digits of a hexadecimal number; the bytes they take.
fn hexadecimal(text: &[u8]) -> Option<(u64, usize)> {
    let taken = text.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let digits = std::str::from_utf8(&text[..taken]).ok()?;
    Some((u64::from_str_radix(digits, 16).ok()?, taken))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_every_spelling() {
        for (pattern, text, numbers) in [
            ("max is # blocks", "Range too large, MAX is   10k blocks", Some(vec![10_000])),
            ("limited to #", "limited to 10,000.", Some(vec![10_000])),
            ("limited to a # range", "limited to a 2.000 range", Some(vec![2_000])),
            ("# > #", "5000 > 1000", Some(vec![5000, 1000])),
            ("[0x$,~0x$]", "try [0x1f, 0xff]", Some(vec![0x1f, 0xff])),
            ("[0x$,~0x$]", "try [0x1f,0xff]", Some(vec![0x1f, 0xff])),
            ("range #-#", "with the range 7-9", Some(vec![7, 9])),
            ("limited to #", "limited to none, limited to 5", Some(vec![5])),
            ("limited to #", "limited to none", None),
            ("limit #", "limit 99999999999999999999999", None),
            ("# logs", "é 12 € 7 logs", Some(vec![7])),
            ("aab", "aaaab", Some(vec![])),
            ("# logs", "", None),
        ] {
            assert_eq!(find(pattern, &normalize(text)), numbers, "{pattern} in {text}");
        }
    }
}
