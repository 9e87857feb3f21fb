//! Days of tokens, and the sums over their holders.

use alloy::primitives::{Address, Bytes};
use oracle::{Chain, Log};
use serde_json::{Value, json};

use super::chain::{ANN, BEN, NOBODY, TOKEN, chain, columns, frozen, log, n, text, told, transfer};

/// 1 January 2024 in UTC, and the day after.
const FIRST: u64 = 1_704_067_200;
const SECOND: u64 = FIRST + 86_400;

/// A chain of a token, one log a block, at these times.
fn at(role: &str, logs: Vec<(u64, Log)>) -> Chain {
    let (times, logs): (Vec<_>, Vec<_>) = logs.into_iter().unzip();
    let mut chain = chain(&[(role, TOKEN)], logs);
    for (block, time) in chain.blocks[1..].iter_mut().zip(times) {
        block.timestamp = time;
    }
    chain
}

/// Day, transfers, minted, burned, volume, supply, holders, frozen, squares, block.
fn days(chain: &Chain) -> Vec<Value> {
    let days = columns(
        &told(chain),
        "asset_days",
        [
            "day",
            "transfers",
            "minted",
            "burned",
            "volume",
            "total_supply",
            "holder_count",
            "frozen",
            "squares",
            "updated_block",
        ],
    );
    days.into_iter().map(|day| day.into_iter().collect()).collect()
}

fn wallet_frozen(wallet: Address, is_frozen: u64) -> Log {
    let indexed = [wallet.into_word(), n(is_frozen), ANN.into_word()];
    log(TOKEN, "AddressFrozen(address,bool,address)", &indexed, &[])
}

#[test]
fn a_day_ends_at_midnight_and_holds_what_moved() {
    let chain = at(
        "erc20",
        vec![
            (FIRST, transfer(NOBODY, ANN, 100)),
            (FIRST + 1, transfer(ANN, BEN, 30)),
            (SECOND - 1, transfer(BEN, BEN, 5)),
            (SECOND, transfer(BEN, NOBODY, 10)),
            (SECOND + 86_400 * 3, transfer(ANN, BEN, 70)),
        ],
    );
    let told = told(&chain);
    assert_eq!(
        columns(&told, "asset_days", ["chain_id", "asset_id"]),
        [[json!(1), text(TOKEN)], [json!(1), text(TOKEN)], [json!(1), text(TOKEN)]]
    );
    assert_eq!(
        days(&chain),
        [
            // 70 and 30: 4900 + 900.
            json!([FIRST, 3, "100", "0", "35", "100", 2, "0", "5800", 3]),
            // 70 and 20: 4900 + 400.
            json!([SECOND, 1, "0", "10", "0", "90", 2, "0", "5300", 4]),
            // 90.
            json!([SECOND + 86_400 * 3, 1, "0", "0", "70", "90", 1, "0", "8100", 5]),
        ]
    );
    assert_eq!(columns(&told, "assets", ["frozen", "squares"]), [[json!("0"), json!("8100")]]);
}

#[test]
fn transfers_of_nothing_count_and_one_from_nobody_to_nobody_is_minted_and_burned() {
    let chain = at(
        "erc20",
        vec![
            (FIRST, transfer(ANN, BEN, 0)),
            (SECOND, transfer(NOBODY, NOBODY, 7)),
            (SECOND, transfer(NOBODY, ANN, 0)),
        ],
    );
    assert_eq!(
        days(&chain),
        [
            json!([FIRST, 1, "0", "0", "0", "0", 0, "0", "0", 1]),
            json!([SECOND, 2, "7", "7", "0", "0", 0, "0", "0", 3])
        ]
    );
}

#[test]
fn freezes_make_a_day_also_where_they_change_nothing() {
    let day = 86_400;
    let chain = at(
        "trex_token",
        vec![
            (FIRST, transfer(NOBODY, ANN, 10)),
            (FIRST + day, frozen("TokensFrozen", ANN, 4)),
            (FIRST + 2 * day, frozen("TokensFrozen", BEN, 3)),
            (FIRST + 3 * day, frozen("TokensUnfrozen", ANN, 9)),
            (FIRST + 4 * day, frozen("TokensFrozen", ANN, 0)),
            (FIRST + 5 * day, wallet_frozen(BEN, 1)),
            (FIRST + 6 * day, wallet_frozen(BEN, 1)),
        ],
    );
    let row = |number: u64, frozen: &str| {
        json!([FIRST + number * day, 0, "0", "0", "0", "10", 1, frozen, "100", number + 1])
    };
    assert_eq!(
        days(&chain),
        [
            json!([FIRST, 1, "10", "0", "0", "10", 1, "0", "100", 1]),
            row(1, "4"),
            row(2, "7"),
            // Ann: 4 - 9.
            row(3, "-2"),
            row(4, "-2"),
            row(5, "-2"),
            row(6, "-2")
        ]
    );
    let tables = told(&chain);
    assert_eq!(columns(&tables, "assets", ["frozen", "squares"]), [[json!("-2"), json!("100")]]);
}

#[test]
fn what_is_not_about_units_makes_no_day() {
    let mut unreadable = transfer(NOBODY, ANN, 1);
    unreadable.topics.pop();
    let logs = vec![
        (FIRST, unreadable),
        (FIRST, log(TOKEN, "Paused(address)", &[], &[ANN.into_word()])),
        (
            FIRST,
            log(TOKEN, "Approval(address,address,uint256)", &[ANN.into_word(), BEN.into_word()], &[n(1)]),
        ),
        (FIRST, log(TOKEN, "MetadataUpdate(uint256)", &[], &[n(1)])),
    ];
    let tables = told(&at("trex_token", logs));
    assert_eq!(tables["asset_days"], []);
    assert_eq!(
        columns(&tables, "assets", ["frozen", "squares", "total_supply"]),
        [[json!("0"), json!("0"), json!("0")]]
    );

    // A plain token has no freezes.
    let chain = at("erc20", vec![(FIRST, frozen("TokensFrozen", ANN, 5))]);
    assert_eq!(told(&chain)["asset_days"], []);
}

#[test]
fn where_time_goes_back_over_midnight_the_earlier_day_is_the_last() {
    let chain = at(
        "erc20",
        vec![
            (FIRST, transfer(NOBODY, ANN, 10)),
            (SECOND, transfer(NOBODY, ANN, 20)),
            (SECOND - 1, transfer(ANN, BEN, 1)),
        ],
    );
    assert_eq!(
        days(&chain),
        [
            // 29 and 1: 841 + 1.
            json!([FIRST, 2, "10", "0", "1", "30", 2, "0", "842", 3]),
            json!([SECOND, 1, "20", "0", "0", "30", 1, "0", "900", 2])
        ]
    );
}

#[test]
fn a_time_that_no_calendar_holds_falls_into_the_last_day() {
    let chain = at("erc20", vec![(u64::MAX, transfer(NOBODY, ANN, 1))]);
    // 31 December 9999.
    assert_eq!(days(&chain)[0][0], json!(253_402_214_400_u64));
}

#[test]
fn squares_are_exact_and_count_what_is_below_zero() {
    let huge = |from, to| {
        let mut log = transfer(from, to, 0);
        log.data = Bytes::from(vec![0xff; 32]);
        log
    };
    // Ann 2^257 - 2, Ben 1 - 2^256.
    let logs = vec![(FIRST, huge(NOBODY, ANN)), (FIRST, huge(BEN, ANN)), (FIRST, transfer(NOBODY, BEN, 0))];
    let tables = told(&at("erc20", logs));
    // (2 (2^256 - 1))^2 + (2^256 - 1)^2 = 5 (2^256 - 1)^2.
    let squares = "67039039649712985497870124991029230637396829102961966888617807218608820150366576963116998328880281\
                   428600072411853897554422113008419338273892089113734021125";
    assert_eq!(columns(&tables, "assets", ["squares"])[0][0], squares);
    assert_eq!(tables["asset_days"][0]["squares"], squares);
    assert_eq!(tables["asset_days"][0]["holder_count"], 2);
}
