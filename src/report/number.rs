//! Amounts and shares as decimal text: exact, without a detour through floating point.

use std::cmp::Ordering;
use std::fmt::Write as _;

use alloy::primitives::{U256, U512};

use crate::amount::Amount;

/// Decimal places of a percentage, as in `api`.
const PLACES: usize = 8;

/// Compares two whole numbers that are written without leading zeros.
pub(super) fn by_number(one: &str, other: &str) -> Ordering {
    match (one.strip_prefix('-'), other.strip_prefix('-')) {
        (None, None) => one.len().cmp(&other.len()).then_with(|| one.cmp(other)),
        (Some(one), Some(other)) => by_number(other, one),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
    }
}

/// A whole number of base units.
pub(super) fn amount(text: &str) -> Option<Amount> {
    match small(text) {
        Some(n) => Some(Amount::from(U256::from(n))),
        None => text.parse().ok(),
    }
}

/// A number of at most 32 digits, in two halves that are read without a check for overflow: most balances, a million times.
fn small(text: &str) -> Option<u128> {
    const HALF: usize = 16;
    let digits = text.as_bytes();
    if digits.is_empty() || digits.len() > 2 * HALF || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let (high, low) = text.split_at(text.len().saturating_sub(HALF));
    let high: u64 = if high.is_empty() { 0 } else { high.parse().ok()? };
    Some(u128::from(high) * 10_000_000_000_000_000 + u128::from(low.parse::<u64>().ok()?))
}

/// Writes base units as units: exact, with as many decimal places as the asset has; nothing where they are not known.
pub(super) fn units(into: &mut String, base: &str, decimals: Option<u32>) {
    let Some(decimals) = decimals else { return };
    let places = decimals as usize;
    let digits = match base.strip_prefix('-') {
        Some(digits) => {
            into.push('-');
            digits
        }
        None => base,
    };
    if places == 0 {
        into.push_str(digits);
        return;
    }
    match digits.len().checked_sub(places).filter(|whole| *whole > 0) {
        Some(whole) => {
            into.push_str(&digits[..whole]);
            into.push('.');
            into.push_str(&digits[whole..]);
        }
        None => {
            into.push_str("0.");
            into.extend(std::iter::repeat_n('0', places - digits.len()));
            into.push_str(digits);
        }
    }
}

/// Shares of a supply, rounded half away from zero.
pub(super) struct Share {
    supply: Option<U512>,
    small: Option<u128>,
}

impl Share {
    /// Of a supply in base units; one that is not above zero has no shares.
    pub(super) fn new(supply_base: &str) -> Self {
        let supply = U512::from_str_radix(supply_base, 10).ok().filter(|supply| !supply.is_zero());
        let small = supply_base.parse().ok().filter(|supply| *supply > 0 && *supply < u128::MAX >> 1);
        Self { supply, small }
    }

    /// Writes the share of a balance in percent, to eight places; nothing where there is no supply.
    pub(super) fn percentage(&self, into: &mut String, base: &str) {
        /// Of a percent: eight places.
        const SCALE: u64 = 10_000_000_000;
        /// From here on twice a scaled balance may leave 128 bits.
        const SMALL: u128 = (u128::MAX >> 2) / SCALE as u128;
        let Some(supply) = self.supply else { return };
        let digits = base.strip_prefix('-').unwrap_or(base);
        let small = self.small.zip(small(base).filter(|balance| *balance < SMALL));
        let scaled = match small {
            Some((supply, balance)) => {
                let scaled = (2 * balance * u128::from(SCALE) + supply) / (2 * supply);
                if let Ok(scaled) = u64::try_from(scaled) {
                    return push_percent(into, scaled);
                }
                scaled.to_string()
            }
            None => {
                let Ok(balance) = U512::from_str_radix(digits, 10) else { return };
                let two = U512::from(2);
                ((two * balance * U512::from(SCALE) + supply) / (two * supply)).to_string()
            }
        };
        if base.starts_with('-') && scaled != "0" {
            into.push('-');
        }
        let (whole, part) = scaled.split_at(scaled.len().saturating_sub(PLACES));
        let whole = if whole.is_empty() { "0" } else { whole };
        // Writing to a string does not fail.
        let _ = write!(into, "{whole}.{part:0>PLACES$}");
    }
}

/// Writes hundred-millionths of a percent as percent.
fn push_percent(into: &mut String, scaled: u64) {
    /// Digits of the largest, and a point.
    const LENGTH: usize = 21;
    let (mut text, mut rest, mut at) = ([b'0'; LENGTH], scaled, LENGTH);
    while rest > 0 || LENGTH - at < PLACES + 2 {
        at -= 1;
        if LENGTH - at == PLACES + 1 {
            text[at] = b'.';
            continue;
        }
        text[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    into.push_str(std::str::from_utf8(&text[at..]).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut String)) -> String {
        let mut text = String::new();
        write(&mut text);
        text
    }

    #[test]
    fn units_are_exact_at_every_number_of_places() {
        for (base, decimals, expected) in [
            ("1", 18, "0.000000000000000001"),
            ("1234", 2, "12.34"),
            ("-1234", 3, "-1.234"),
            ("12", 2, "0.12"),
            ("0", 1, "0.0"),
            ("7", 0, "7"),
        ] {
            assert_eq!(written(|text| units(text, base, Some(decimals))), expected);
        }
        assert_eq!(written(|text| units(text, "7", None)), "");
    }

    #[test]
    fn shares_are_rounded_half_away_from_zero_whatever_their_width() {
        let max = U256::MAX.to_string();
        for (base, supply, expected) in [
            ("1", "3", "33.33333333"),
            ("2", "3", "66.66666667"),
            ("3", "3", "100.00000000"),
            ("1", "20000000000", "0.00000001"),
            ("-1", "20000000000", "-0.00000001"),
            ("1", "20000000001", "0.00000000"),
            (max.as_str(), max.as_str(), "100.00000000"),
            ("1", "0", ""),
            ("1", "-5", ""),
            ("0", "7", "0.00000000"),
            ("18446744073709551615", "10000000000", "184467440737.09551615"),
            ("1844674407370955161", "1", "184467440737095516100.00000000"),
        ] {
            assert_eq!(
                written(|text| Share::new(supply).percentage(text, base)),
                expected,
                "{base} of {supply}"
            );
        }
    }

    #[test]
    fn amounts_of_any_width_are_read_as_they_are_written() {
        for digits in 1..=80 {
            for digit in ["1", "9", "10"] {
                let text: String = digit.chars().cycle().take(digits).collect();
                assert_eq!(amount(&text), text.parse().ok(), "{text}");
                assert_eq!(amount(&format!("-{text}")), format!("-{text}").parse().ok(), "-{text}");
            }
        }
        for text in ["", "-", "1.5", "NaN", " 1", "1x", "0x1"] {
            assert_eq!(amount(text), None, "{text:?}");
        }
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        let mut texts = ["10", "9", "-10", "0", "-9", "11"];
        texts.sort_unstable_by(|one, other| by_number(one, other));
        assert_eq!(texts, ["-10", "-9", "0", "9", "10", "11"]);
    }
}
