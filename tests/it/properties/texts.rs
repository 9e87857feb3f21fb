//! Foreign bytes made text.

use asset_indexer::decode::text::{LONG_MAX, storable};
use proptest::prelude::*;

use super::HOSTILE;

fn assert_storable(raw: &[u8], max: usize) {
    let text = storable(raw, max);
    assert!(!text.contains('\0'), "{raw:?}");
    assert!(text.len() <= max + '…'.len_utf8(), "{} bytes of {max}", text.len());
    let whole = !raw.contains(&0) && raw.len() <= max;
    if let (true, Ok(same)) = (whole, std::str::from_utf8(raw)) {
        assert_eq!(text, same, "what can be stored is stored as it is");
    }
    // A second reading finds nothing more to do: the text is stable, but for the mark of a cut.
    if text.len() <= max {
        assert_eq!(storable(text.as_bytes(), max), text);
    }
}

#[test]
fn every_byte_and_every_pair_of_bytes_is_storable() {
    for one in 0..=255u8 {
        assert_storable(&[one], 8);
        for other in 0..=255u8 {
            assert_storable(&[one, other], 8);
        }
    }
    for text in HOSTILE {
        assert_storable(text.as_bytes(), LONG_MAX);
    }
}

#[test]
fn surrogates_overlong_forms_and_megabytes_are_storable() {
    // Lone surrogates as UTF-8 would write them, an overlong slash, a code point beyond the last.
    for raw in
        [b"\xed\xa0\x80".as_slice(), b"\xed\xbf\xbf", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"\xf0\x9f\xa5"]
    {
        let text = storable(raw, 100);
        assert!(text.starts_with("\\x") && text.is_ascii(), "{text}");
        assert_storable(raw, 100);
    }
    for byte in [0, b'a', 0xe4, 0xff] {
        assert_storable(&vec![byte; 1 << 20], LONG_MAX);
    }
    assert_storable("🥇".repeat(1 << 18).as_bytes(), LONG_MAX);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_storable(raw in prop::collection::vec(any::<u8>(), 0..200), max in 0usize..80) {
        assert_storable(&raw, max);
    }

    #[test]
    fn any_text_is_storable(text in "\\PC{0,60}|[\\x00-\\x20é🥇\u{202e}]{0,60}", max in 0usize..80) {
        assert_storable(text.as_bytes(), max);
    }
}
