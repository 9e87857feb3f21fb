//! Amounts against arithmetic on decimal digits, ids, times.

use alloy::primitives::{Address, B256, U256};
use asset_indexer::amount::Amount;
use asset_indexer::block::BlockRange;
use asset_indexer::id::{asset_id, fact_id, identity_id};
use asset_indexer::row::{Field, Time};
use proptest::prelude::*;

/// A signed number as its decimal digits, the lowest first; slow and plain.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Naive {
    negative: bool,
    digits: Vec<u8>,
}

impl Naive {
    fn parse(text: &str) -> Self {
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
        Self { negative, digits: digits.bytes().rev().map(|digit| digit - b'0').collect() }.trimmed()
    }

    fn trimmed(mut self) -> Self {
        while self.digits.last() == Some(&0) {
            self.digits.pop();
        }
        self.negative &= !self.digits.is_empty();
        self
    }

    fn text(&self) -> String {
        let digits: String = self.digits.iter().rev().map(|digit| char::from(b'0' + digit)).collect();
        match (digits.as_str(), self.negative) {
            ("", _) => "0".to_owned(),
            (_, true) => format!("-{digits}"),
            (_, false) => digits,
        }
    }

    /// Whether the digits without the sign are of a larger number.
    fn is_larger(&self, other: &Self) -> bool {
        let key = |one: &Self| (one.digits.len(), one.digits.iter().rev().copied().collect::<Vec<u8>>());
        key(self) > key(other)
    }

    fn plus(&self, other: &Self) -> Self {
        let place = |one: &Self, place: usize| i16::from(one.digits.get(place).copied().unwrap_or(0));
        let (large, small) = if other.is_larger(self) { (other, self) } else { (self, other) };
        let sign = if large.negative == small.negative { 1 } else { -1 };
        let (mut digits, mut carry) = (Vec::new(), 0);
        for at in 0..=large.digits.len() {
            let sum = place(large, at) + sign * place(small, at) + carry;
            digits.push(sum.rem_euclid(10) as u8);
            carry = sum.div_euclid(10);
        }
        Self { negative: large.negative, digits }.trimmed()
    }

    fn minus(&self, other: &Self) -> Self {
        self.plus(&Self { negative: !other.negative, digits: other.digits.clone() })
    }
}

/// Units as logs carry them, the edges often.
fn units() -> impl Strategy<Value = U256> {
    prop_oneof![
        Just(U256::ZERO),
        Just(U256::ONE),
        Just(U256::MAX),
        Just(U256::ONE << 255),
        any::<u64>().prop_map(U256::from),
        any::<[u8; 32]>().prop_map(U256::from_be_bytes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sums_are_those_of_decimal_arithmetic(moves in prop::collection::vec((any::<bool>(), units()), 0..120)) {
        let most = Naive::parse(&U256::MAX.to_string());
        let (mut sum, mut naive) = (Amount::ZERO, Naive::parse("0"));
        for (is_credit, amount) in moves {
            let (amount, digits) = (Amount::from(amount), Naive::parse(&amount.to_string()));
            let before = sum;
            (sum, naive) = match is_credit {
                true => (sum.plus(amount), naive.plus(&digits)),
                false => (sum.minus(amount), naive.minus(&digits)),
            };
            prop_assert_eq!(sum.to_string(), naive.text());
            prop_assert_eq!(sum.is_negative(), naive.negative);
            prop_assert_eq!(sum.is_zero(), naive.digits.is_empty());
            prop_assert_eq!(sum.exceeds_uint256(), !naive.negative && naive.is_larger(&most));
            prop_assert_eq!(sum.cmp(&before), if amount.is_zero() { std::cmp::Ordering::Equal } else if is_credit { std::cmp::Ordering::Greater } else { std::cmp::Ordering::Less });
            prop_assert_eq!(naive.text().parse::<Amount>().ok(), Some(sum));
            prop_assert_eq!(Amount::from_value(sum.to_value()), Some(sum));
        }
    }

    #[test]
    fn a_number_is_read_exactly_or_refused(text in "-?[0-9]{0,170}|[+-]{0,2}[0-9 ._eE,x]{0,12}|\\PC{0,6}") {
        let digits = text.strip_prefix('-').unwrap_or(&text);
        let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
        match text.parse::<Amount>() {
            Ok(amount) => {
                prop_assert!(is_number);
                prop_assert_eq!(amount.to_string(), Naive::parse(&text).text());
            }
            // 2^511 has 154 digits.
            Err(_) => prop_assert!(!is_number || Naive::parse(&text).digits.len() >= 154, "{} was refused", text),
        }
    }

    #[test]
    fn ids_are_the_same_again_and_ordered_by_place(
        (block, log) in (0u64..1 << 48, any::<u32>()),
        (other_block, other_log) in (0u64..1 << 48, any::<u32>()),
        hash in any::<[u8; 32]>(),
        subject in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let id = |block, log, subject: &[u8]| fact_id("asset_events", 1, block, B256::from(hash), log, subject);
        prop_assert_eq!(id(block, log, &subject), id(block, log, &subject));
        if block != other_block {
            prop_assert_eq!(id(block, log, &subject) < id(other_block, other_log, &subject), block < other_block);
        } else if log != other_log {
            prop_assert_ne!(id(block, log, &subject), id(block, other_log, &subject));
        }
        let mut longer = subject.clone();
        longer.push(0);
        prop_assert_ne!(id(block, log, &subject), id(block, log, &longer));
        let address = Address::from_slice(&hash[..20]);
        prop_assert_eq!(asset_id(1, address), asset_id(1, address));
        prop_assert_ne!(asset_id(1, address), asset_id(2, address));
        prop_assert_ne!(asset_id(1, address), identity_id(1, address));
    }

    #[test]
    fn times_stay_within_what_is_stored(seconds in prop_oneof![any::<u64>(), 0..2 * Time::MAX.0.unsigned_abs()], word in units()) {
        let time = Time::from_seconds(seconds);
        prop_assert!(time >= Time(0) && time <= Time::MAX);
        prop_assert_eq!(time.0.unsigned_abs(), seconds.min(Time::MAX.0.unsigned_abs()));
        prop_assert_eq!(Time::from_value(time.to_value()), Some(time));
        let plausible = !word.is_zero() && word <= U256::from(Time::MAX.0);
        prop_assert_eq!(Time::from_word(word).map(|time| U256::from(time.0)), plausible.then_some(word));
    }

    #[test]
    fn a_range_contains_as_many_blocks_as_it_says(from in any::<u64>(), more in 0u64..300) {
        let range = BlockRange { from: from.saturating_sub(more), to: from };
        let inside = (range.from.saturating_sub(2)..=range.to.saturating_add(2)).filter(|number| range.contains(*number));
        prop_assert_eq!(inside.count() as u64, range.len());
    }
}
