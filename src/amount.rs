//! Quantities of an asset, in its base units.
//!
//! A log carries an unsigned 256-bit integer; a *sum* of logs (balance, supply) may leave that range, because a
//! contract may emit anything: nine mints of `2^256 - 1` are valid logs. [`Amount`] is therefore signed and 512 bits
//! wide, which no chain can fill: that would take `2^255` logs.

use std::fmt;
use std::str::FromStr;

use alloy::primitives::aliases::I512;
use alloy::primitives::{U256, U512};

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

/// The text was not a whole number of at most 512 bits.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a whole number of base units")]
pub struct AmountError(String);

impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let wrong = || AmountError(text.to_owned());
        if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
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
}
