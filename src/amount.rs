//! Quantities of an asset, in its base units.
//!
//! A log carries an unsigned 256-bit integer; a *sum* of logs (balance, supply) may leave that range, because a
//! contract may emit anything: nine mints of `2^256 - 1` are valid logs. [`Amount`] is therefore signed and 512 bits
//! wide, which no chain can fill: that would take `2^255` logs. A sum of squared amounts ([`Squares`]) is 1024 bits wide.

use std::fmt;
use std::str::FromStr;

use alloy::primitives::aliases::I512;
use alloy::primitives::{Signed, U256, U512, Uint};

/// A signed number of base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Amount(I512);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(I512::ZERO);

    /// The sum.
    ///
    /// # Panics
    /// Past 512 bits, which no number of logs can reach.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.checked_add(other.0).expect("a sum of 256-bit amounts stays far below 512 bits"))
    }

    /// The difference; see [`Amount::plus`].
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0.checked_sub(other.0).expect("a sum of 256-bit amounts stays far below 512 bits"))
    }

    /// Whether it is below zero: a balance that the logs do not explain.
    pub fn is_negative(self) -> bool {
        self.0.is_negative()
    }

    /// Whether it is zero.
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// Its size, where 128 bits hold it, and whether it is below zero.
    pub(crate) fn small(self) -> Option<(u128, bool)> {
        let size: U512 = self.0.unsigned_abs();
        u128::try_from(size).ok().map(|size| (size, self.is_negative()))
    }

    /// Whether it exceeds what a contract can hold in a `uint256`.
    pub fn exceeds_uint256(self) -> bool {
        !self.is_negative() && self.0.into_raw() > U512::from(U256::MAX)
    }
}

impl From<U256> for Amount {
    fn from(value: U256) -> Self {
        Self(I512::from_raw(U512::from(value)))
    }
}

impl From<u64> for Amount {
    fn from(value: u64) -> Self {
        Self::from(U256::from(value))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A sum of squared balances, in base units squared: what concentration is computed from.
///
/// A balance is below `2^511` on either side, so its square is below `2^1022`; a sum of them comes no nearer to the end
/// than a balance does to its own. It is signed because a row that somebody tampered with must not end the process: what
/// is found there is moved by exact differences, and stays as wrong as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Squares(Signed<1024, 16>);

impl Squares {
    /// No balance at all.
    pub const ZERO: Self = Self(Signed::ZERO);

    /// The square of a balance; the same for one below zero.
    pub fn of(balance: Amount) -> Self {
        let size: U512 = balance.0.unsigned_abs();
        // Nearly every balance fits 128 bits, and its square 256.
        let square: Uint<1024, 16> = match u128::try_from(size) {
            Ok(small) => Uint::from(U256::from(small) * U256::from(small)),
            Err(_) => size.widening_mul(size),
        };
        Self(Signed::from_raw(square))
    }

    /// The sum after a balance that was part of it became another.
    ///
    /// # Panics
    /// Past 1024 bits, which no number of logs can reach.
    #[must_use]
    pub fn moved(self, from: Amount, to: Amount) -> Self {
        let moved = self.0.checked_sub(Self::of(from).0).and_then(|rest| rest.checked_add(Self::of(to).0));
        Self(moved.expect("a sum of squared balances stays far below 1024 bits"))
    }
}

impl fmt::Display for Squares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for Squares {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || AmountError(text.to_owned());
        if !is_whole(text) {
            return Err(wrong());
        }
        Signed::from_dec_str(text).map(Self).map_err(|_| wrong())
    }
}

fn is_whole(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
}

/// The text was not a whole number of at most 512 bits, or of 1024 where it is a sum of squares.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a whole number of base units")]
pub struct AmountError(String);

impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || AmountError(text.to_owned());
        if !is_whole(text) {
            return Err(wrong());
        }
        I512::from_dec_str(text).map(Self).map_err(|_| wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_at_the_edges() {
        let max = Amount::from(U256::MAX);
        let beyond = (0..10).fold(Amount::ZERO, |sum, _| sum.plus(max));
        for amount in [Amount::ZERO, Amount::from(1), max, beyond, Amount::ZERO.minus(max)] {
            assert_eq!(amount.to_string().parse::<Amount>().expect("own text parses"), amount);
        }
        assert!(beyond.exceeds_uint256() && !max.exceeds_uint256());
        assert!(Amount::ZERO.minus(max).is_negative());
        assert!("1.5".parse::<Amount>().is_err() && "".parse::<Amount>().is_err());
    }

    #[test]
    fn squares_are_exact_for_any_balance() {
        let max = Amount::from(U256::MAX);
        let widest: Amount = format!("-{}", "9".repeat(153)).parse().expect("153 digits fit 512 bits");
        let sum = [Amount::from(3), max, widest]
            .into_iter()
            .fold(Squares::ZERO, |sum, balance| sum.moved(Amount::ZERO, balance));
        // 9 + (2^256 - 1)^2 + (10^153 - 1)^2, by another's arithmetic.
        let expected = "1000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000011407807929942597099574024998205846127479365820592393377723561443721764030073315392623399665776056285720014482370779510884422601683867654778417822746804235";
        assert_eq!(sum.to_string(), expected);
        assert_eq!(expected.parse::<Squares>().expect("own text parses"), sum);
        let back = sum.moved(widest, Amount::ZERO).moved(max, Amount::from(4));
        assert_eq!(back.to_string(), "25");
        assert_eq!(Squares::of(Amount::ZERO.minus(max)), Squares::of(max));
        let tampered = Squares::ZERO.moved(Amount::from(3), Amount::ZERO).to_string();
        assert_eq!(tampered.parse::<Squares>().expect("own text parses").to_string(), "-9");
        for wrong in ["", "-", "1.5", &"9".repeat(309)] {
            assert!(wrong.parse::<Squares>().is_err(), "{wrong}");
        }
    }
}
