//! What a provider's limits teach.

use super::*;

fn course(size: &PageSize) -> Course {
    size.course(BlockRange { from: 0, to: u64::MAX }, Whose::Named)
}

const FAILED: BlockRange = BlockRange { from: 1_000, to: 1_999 };

#[test]
fn grows_by_a_quarter_after_five_good_pages_and_not_past_the_maximum() {
    let size = PageSize::new(1_000);
    let course = course(&size);
    size.at_most(400);
    for _ in 0..4 {
        size.went_well(&course, 400, 7);
    }
    assert_eq!(size.blocks(&course), 400);
    size.went_well(&course, 399, 7);
    assert_eq!(size.blocks(&course), 400, "a short page does not count");
    size.went_well(&course, 400, 7);
    assert_eq!(size.blocks(&course), 500);
    for _ in 0..100 {
        size.went_well(&course, 1_000, 7);
    }
    assert_eq!(size.blocks(&course), 1_000);
}

#[test]
fn grows_from_one() {
    let size = PageSize::new(10);
    let course = course(&size);
    size.at_most(0);
    assert_eq!(size.blocks(&course), 1);
    for _ in 0..5 {
        size.went_well(&course, 1, 0);
    }
    assert_eq!(size.blocks(&course), 2);
}

#[test]
fn a_named_limit_is_a_ceiling_and_an_odd_one_halves() {
    let size = PageSize::new(1_000);
    let course = course(&size);
    let fault = |suggested| RpcFault::Range { suggested: Some(suggested) };
    assert_eq!(size.after(&course, FAILED, &fault(Suggestion::Blocks(5_000))), 500, "too large to help");
    assert_eq!(size.after(&course, FAILED, &fault(Suggestion::Range(1_500, 1_000))), 500, "inverted");
    assert_eq!(size.after(&course, FAILED, &RpcFault::Unknown), 500);
    assert_eq!(size.blocks(&course), 1_000, "only a success shrinks the shared size");
    assert_eq!(size.after(&course, FAILED, &fault(Suggestion::Range(1_000, 1_009))), 10);
    assert_eq!(size.blocks(&course), 1_000, "a range depends on what is in it");
    assert_eq!(size.after(&course, FAILED, &fault(Suggestion::Blocks(100))), 100);
    for _ in 0..100 {
        size.went_well(&course, 1_000, 0);
    }
    assert_eq!(size.blocks(&course), 100, "never past what the provider named");
    assert_eq!(size.after(&course, BlockRange { from: 5, to: 6 }, &RpcFault::Timeout), 1);
}

/// A provider of at most 10,000 results a page, over a chain of 20 logs a block and then 400.
#[test]
fn a_limit_of_results_is_learned_and_kept_whatever_the_blocks_hold() {
    let size = PageSize::new(10_000);
    let course = course(&size);
    let (mut asked, mut refused) = (0, 0);
    let mut page = |density: u64| {
        let mut blocks = size.blocks(&course);
        loop {
            asked += 1;
            if blocks * density <= 10_000 {
                size.went_well(&course, blocks, (blocks * density) as usize);
                return blocks * density;
            }
            refused += 1;
            let failed = BlockRange { from: 1, to: blocks };
            blocks = size.after(&course, failed, &RpcFault::Size { suggested: None });
        }
    };
    let results: Vec<u64> = (0..200).map(|_| page(20)).collect();
    assert!(results[100..].iter().all(|results| *results > 8_000), "{results:?}");
    let dense: Vec<u64> = (0..50).map(|_| page(400)).collect();
    assert!(dense[10..].iter().all(|results| *results > 8_000), "{dense:?}");
    assert!(refused < 20, "{refused} of {asked} were too much");
}

/// The same provider for two thousand pages, over a chain whose blocks are never quite alike.
#[test]
fn pages_keep_away_from_a_limit_of_results_that_they_have_come_close_to() {
    let size = PageSize::new(10_000);
    let course = course(&size);
    let (mut asked, mut refused, mut listed) = (0_u64, 0_u64, 0_u64);
    for page in 0..2_000_u64 {
        // Between 0.93 and 1.07 times 20 logs a block.
        let density =
            20.0 * (0.93 + (page.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f64 * 0.14 / (1 << 24) as f64);
        let mut blocks = size.blocks(&course);
        loop {
            asked += 1;
            let results = (blocks as f64 * density) as usize;
            if results <= 10_000 {
                size.went_well(&course, blocks, results);
                listed += results as u64;
                break;
            }
            refused += 1;
            let failed = BlockRange { from: 1, to: blocks };
            blocks = size.after(&course, failed, &RpcFault::Size { suggested: None });
        }
    }
    assert!(refused * 20 < asked, "{refused} of {asked} were too much");
    assert!(listed / asked > 8_000, "{listed} results in {asked} answers");
}

#[test]
fn a_limit_of_results_that_is_named_is_met_at_once() {
    let failed = BlockRange { from: 1_001, to: 2_248 };
    let after_400_blocks_of_20 = |named| {
        let size = PageSize::new(10_000);
        let course = course(&size);
        size.went_well(&course, 400, 8_000);
        let within =
            size.after(&course, failed, &RpcFault::Size { suggested: Some(Suggestion::Results(named)) });
        (within, size.blocks(&course))
    };
    assert_eq!(after_400_blocks_of_20(10_000), (450, 450), "nine tenths of 10,000");
    assert_eq!(after_400_blocks_of_20(5_000), (360, 360), "8,000 went well");
    assert_eq!(after_400_blocks_of_20(90_000), (1_123, 1_123), "24,960 were too many, whatever it says");
    assert_eq!(after_400_blocks_of_20(7), (1_123, 1_123), "nobody means that");
    let size = PageSize::new(10_000);
    let course = course(&size);
    let named = RpcFault::Size { suggested: Some(Suggestion::Results(10_000)) };
    assert_eq!(size.after(&course, failed, &named), 624, "of blocks of unknown density half");
    size.went_well(&course, 624, 6_240);
    assert_eq!(size.blocks(&course), 900);
}

#[test]
fn what_is_left_of_a_list_is_asked_for_in_pages_alike() {
    let size = PageSize::new(10_000);
    let course = course(&size);
    assert_eq!(size.blocks_of(&course, 123_456), 10_000, "without a limit of results as many as may be");
    size.went_well(&course, 400, 8_000);
    size.after(&course, FAILED, &RpcFault::Size { suggested: Some(Suggestion::Results(10_000)) });
    for (left, pages) in [(450, 1), (472, 1), (473, 2), (900, 2), (1_350, 3), (1_416, 3), (1_417, 4), (9, 1)]
    {
        let blocks = size.blocks_of(&course, left);
        assert!(blocks <= 472, "a twentieth more than nine tenths of the limit: {blocks}");
        assert_eq!(left.div_ceil(blocks), pages, "{left} blocks in pages of {blocks}");
        assert!(pages * blocks - left < pages, "{left} blocks in pages of {blocks}");
    }
    size.went_well(&course, 1, 60_000);
    assert_eq!(size.blocks_of(&course, 7), 1, "a block is not asked for in parts");
    size.at_most(100);
    size.went_well(&course, 10, 1);
    assert_eq!(size.blocks_of(&course, 101), 100, "a limit of blocks is none of results");
}

#[test]
fn a_list_that_goes_on_knows_the_density_and_another_one_is_not_kept_small_by_it() {
    let size = PageSize::new(10_000);
    let range = |from, to| BlockRange { from, to };
    let dense = size.course(range(1, 1_000), Whose::Named);
    assert_eq!(size.blocks(&dense), 10_000, "nothing is known yet");
    let within = size.after(&dense, range(1, 1_000), &RpcFault::Size { suggested: None });
    assert_eq!(within, 500);
    size.went_well(&dense, 500, 8_000);
    size.end(&dense);
    // 1,000 blocks of 16 results were too many: nine tenths of that.
    let next = size.course(range(1_001, 2_000), Whose::Named);
    assert_eq!(size.blocks(&next), 900);
    let scan = size.course(range(0, 2_000), Whose::Named);
    assert_eq!(size.blocks(&scan), 10_000, "few logs, many blocks");
    let everyones = size.course(range(1_001, 2_000), Whose::Everyones);
    assert_eq!(size.blocks(&everyones), 10_000, "of all others nothing is known");
}

#[test]
fn round_numbers_of_results_are_suspicious() {
    // 10,000 is where mevblocker cuts (row 65 of the collection of providers' errors).
    assert!(is_suspicious(10_000) && is_suspicious(1_000));
    assert!(!is_suspicious(0) && !is_suspicious(9_999));
}
