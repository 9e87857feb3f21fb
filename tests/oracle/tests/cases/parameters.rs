//! Compliance modules: what they are, and every row of the table of parameters.

use alloy::primitives::{Address, B256, address, hex};
use oracle::{Answer, Log, tables};
use serde_json::{Value, json};

use super::chain::{ANN, BEN, NOBODY, TOKEN, chain, columns, log, n, silent, text, told};

const MODULE: Address = address!("0x3000000000000000000000000000000000000001");
/// In mixed case, so that an argument that is not in lower case is seen.
const COMPLIANCE: Address = address!("0xC0C0C0c0c0C0c0c0C0c0C0c0c0c0C0C0C0C0C0c0");
const EXCHANGE: Address = address!("0xEE0000000000000000000000000000000000000e");
const EXCHANGE_TEXT: &str = "0xee0000000000000000000000000000000000000e";

/// Scope, parameter, argument, value, account, and the blocks of beginning and end.
type Parameter = [Value; 7];

/// The parameters that a module's logs leave, one log a block from block 1 on.
fn parameters(logs: Vec<Log>) -> Vec<Parameter> {
    let tables = told(&chain(&[("compliance_module", MODULE)], logs));
    columns(
        &tables,
        "module_parameters",
        ["scope", "parameter", "argument", "value", "account", "from_block", "to_block"],
    )
}

/// A parameter without a value.
fn so(scope: Address, parameter: &str, argument: &str, from: u64, to: Option<u64>) -> Parameter {
    [text(scope), json!(parameter), json!(argument), json!(null), json!(null), json!(from), json!(to)]
}

/// A parameter with a value.
fn set(
    scope: Address,
    parameter: &str,
    argument: &str,
    value: &str,
    from: u64,
    to: Option<u64>,
) -> Parameter {
    [text(scope), json!(parameter), json!(argument), json!(value), json!(null), json!(from), json!(to)]
}

fn said(event: &str, indexed: &[B256], data: &[B256]) -> Log {
    log(MODULE, event, indexed, data)
}

fn word(address: Address) -> B256 {
    address.into_word()
}

const MOST: B256 = B256::repeat_byte(0xff);
const MOST_TEXT: &str = "115792089237316195423570985008687907853269984665640564039457584007913129639935";

#[test]
fn a_compliance_is_bound_and_unbound() {
    let bound = said("ComplianceBound(address)", &[word(COMPLIANCE)], &[]);
    let unbound = said("ComplianceUnbound(address)", &[word(COMPLIANCE)], &[]);
    // Not bound yet; bound; bound already; unbound; no longer bound; bound again.
    let logs = vec![unbound.clone(), bound.clone(), bound.clone(), unbound.clone(), unbound, bound];
    assert_eq!(
        parameters(logs),
        [so(COMPLIANCE, "bound", "", 2, Some(4)), so(COMPLIANCE, "bound", "", 6, None)]
    );
}

#[test]
fn a_country_is_allowed_and_no_longer() {
    let allowed = |country| said("CountryAllowed(address,uint16)", &[], &[word(COMPLIANCE), n(country)]);
    let unallowed = said("CountryUnallowed(address,uint16)", &[], &[word(COMPLIANCE), n(276)]);
    assert_eq!(
        parameters(vec![allowed(276), allowed(0), allowed(65_535), unallowed]),
        [
            so(COMPLIANCE, "allowed_country", "0", 2, None),
            so(COMPLIANCE, "allowed_country", "276", 1, Some(4)),
            so(COMPLIANCE, "allowed_country", "65535", 3, None)
        ]
    );
}

#[test]
fn a_country_is_restricted_and_no_longer() {
    let of = |compliance, country| {
        said("AddedRestrictedCountry(address,uint16)", &[word(compliance)], &[n(country)])
    };
    let removed = said("RemovedRestrictedCountry(address,uint16)", &[word(COMPLIANCE)], &[n(840)]);
    // What another compliance restricts is another parameter.
    assert_eq!(
        parameters(vec![of(COMPLIANCE, 840), of(BEN, 840), removed, of(COMPLIANCE, 840)]),
        [
            so(BEN, "restricted_country", "840", 2, None),
            so(COMPLIANCE, "restricted_country", "840", 1, Some(3)),
            so(COMPLIANCE, "restricted_country", "840", 4, None)
        ]
    );
}

#[test]
fn a_user_is_allowed_and_no_longer() {
    let allowed = said("UserAllowed(address,address)", &[], &[word(COMPLIANCE), word(EXCHANGE)]);
    let disallowed = said("UserDisallowed(address,address)", &[], &[word(COMPLIANCE), word(EXCHANGE)]);
    assert_eq!(
        parameters(vec![allowed, disallowed]),
        [so(COMPLIANCE, "allowed_user", EXCHANGE_TEXT, 1, Some(2))]
    );
}

#[test]
fn an_exchange_is_known_to_all() {
    let added = said("ExchangeIDAdded(address)", &[], &[word(EXCHANGE)]);
    let removed = said("ExchangeIDRemoved(address)", &[], &[word(EXCHANGE)]);
    assert_eq!(
        parameters(vec![added.clone(), removed, added]),
        [so(NOBODY, "exchange", EXCHANGE_TEXT, 1, Some(2)), so(NOBODY, "exchange", EXCHANGE_TEXT, 3, None)]
    );
}

#[test]
fn a_token_is_listed_by_an_investor_and_no_longer() {
    let listed = said("TokenListed(address,address)", &[], &[word(TOKEN), word(ANN)]);
    let unlisted = said("TokenUnlisted(address,address)", &[], &[word(TOKEN), word(ANN)]);
    assert_eq!(
        parameters(vec![listed, unlisted]),
        [so(TOKEN, "listed", "0xaa00000000000000000000000000000000000001", 1, Some(2))]
    );
}

#[test]
fn a_preset_is_completed_once() {
    let completed = said("PresetCompleted(address)", &[word(COMPLIANCE)], &[]);
    let unbound = said("ComplianceUnbound(address)", &[word(COMPLIANCE)], &[]);
    assert_eq!(
        parameters(vec![completed.clone(), unbound, completed]),
        [so(COMPLIANCE, "preset_completed", "", 1, None)]
    );
}

#[test]
fn each_word_of_a_greatest_balance_is_a_version() {
    let set_to = |most| said("MaxBalanceSet(address,uint256)", &[word(COMPLIANCE), most], &[]);
    assert_eq!(
        parameters(vec![set_to(n(100)), set_to(n(100)), set_to(n(0)), set_to(MOST)]),
        [
            set(COMPLIANCE, "max_balance", "", "100", 1, Some(2)),
            set(COMPLIANCE, "max_balance", "", "100", 2, Some(3)),
            set(COMPLIANCE, "max_balance", "", "0", 3, Some(4)),
            set(COMPLIANCE, "max_balance", "", MOST_TEXT, 4, None)
        ]
    );
}

#[test]
fn a_balance_is_preset_by_identity() {
    let preset = |id: Address, balance| {
        said("IDBalancePreSet(address,address,uint256)", &[word(COMPLIANCE), word(id)], &[n(balance)])
    };
    assert_eq!(
        parameters(vec![preset(EXCHANGE, 7), preset(ANN, 8), preset(EXCHANGE, 9)]),
        [
            set(COMPLIANCE, "preset_balance", "0xaa00000000000000000000000000000000000001", "8", 2, None),
            set(COMPLIANCE, "preset_balance", EXCHANGE_TEXT, "7", 1, Some(3)),
            set(COMPLIANCE, "preset_balance", EXCHANGE_TEXT, "9", 3, None)
        ]
    );
}

#[test]
fn a_limit_of_supply_is_set_by_compliance() {
    let limit = |limit| said("SupplyLimitSet(address,uint256)", &[], &[word(COMPLIANCE), limit]);
    assert_eq!(
        parameters(vec![limit(MOST), limit(n(5))]),
        [
            set(COMPLIANCE, "supply_limit", "", MOST_TEXT, 1, Some(2)),
            set(COMPLIANCE, "supply_limit", "", "5", 2, None)
        ]
    );
}

#[test]
fn a_limit_of_transfers_is_set_by_its_time_and_removed() {
    let updated = |time, value| {
        said("TimeTransferLimitUpdated(address,uint32,uint256)", &[word(COMPLIANCE)], &[n(time), n(value)])
    };
    let removed = |time| said("TimeTransferLimitRemoved(address,uint32)", &[word(COMPLIANCE)], &[n(time)]);
    // Nothing to remove; set; set anew; another time; removed; removed again; set again.
    let logs = vec![
        removed(86_400),
        updated(86_400, 10),
        updated(86_400, 20),
        updated(4_294_967_295, 5),
        removed(86_400),
        removed(86_400),
        updated(86_400, 20),
    ];
    assert_eq!(
        parameters(logs),
        [
            set(COMPLIANCE, "transfer_limit", "4294967295", "5", 4, None),
            set(COMPLIANCE, "transfer_limit", "86400", "10", 2, Some(3)),
            set(COMPLIANCE, "transfer_limit", "86400", "20", 3, Some(5)),
            set(COMPLIANCE, "transfer_limit", "86400", "20", 7, None)
        ]
    );
}

#[test]
fn a_limit_at_an_exchange_is_set_by_exchange_and_time() {
    // In the log, the value stands before the time.
    let updated = |time, value| {
        let data = [word(EXCHANGE), n(value), n(time)];
        said("ExchangeLimitUpdated(address,address,uint256,uint32)", &[word(COMPLIANCE)], &data)
    };
    let argument = |time| format!("{EXCHANGE_TEXT}/{time}");
    assert_eq!(
        parameters(vec![updated(3_600, 50), updated(0, 60), updated(3_600, 70)]),
        [
            set(COMPLIANCE, "exchange_limit", &argument(0), "60", 2, None),
            set(COMPLIANCE, "exchange_limit", &argument(3_600), "50", 1, Some(3)),
            set(COMPLIANCE, "exchange_limit", &argument(3_600), "70", 3, None)
        ]
    );
}

#[test]
fn a_monthly_limit_at_an_exchange_is_set_by_exchange() {
    let updated = |value| {
        let data = [word(EXCHANGE), n(value)];
        said("ExchangeMonthlyLimitUpdated(address,address,uint256)", &[word(COMPLIANCE)], &data)
    };
    // That the exchange is no longer known does not end its limit.
    let removed = said("ExchangeIDRemoved(address)", &[], &[word(EXCHANGE)]);
    assert_eq!(
        parameters(vec![updated(1), updated(2), removed]),
        [
            set(COMPLIANCE, "exchange_monthly_limit", EXCHANGE_TEXT, "1", 1, Some(2)),
            set(COMPLIANCE, "exchange_monthly_limit", EXCHANGE_TEXT, "2", 2, None)
        ]
    );
}

#[test]
fn a_fee_has_a_rate_and_a_collector() {
    let updated = |rate, collector: Address| {
        said("FeeUpdated(address,uint256,address)", &[word(COMPLIANCE)], &[n(rate), word(collector)])
    };
    let fee = |rate: &str, collector, from: u64, to: Option<u64>| {
        [text(COMPLIANCE), json!("fee"), json!(""), json!(rate), text(collector), json!(from), json!(to)]
    };
    assert_eq!(
        parameters(vec![updated(200, ANN), updated(0, NOBODY)]),
        [fee("200", ANN, 1, Some(2)), fee("0", NOBODY, 2, None)]
    );
}

#[test]
fn a_token_is_configured_as_white_or_black() {
    let configured = |kind| said("TokenListingConfigured(address,uint8)", &[], &[word(TOKEN), n(kind)]);
    assert_eq!(
        parameters(vec![configured(1), configured(255)]),
        [set(TOKEN, "listing", "", "1", 1, Some(2)), set(TOKEN, "listing", "", "255", 2, None)]
    );
}

#[test]
fn other_events_and_what_cannot_be_read_set_nothing() {
    let units = |event: &str| said(event, &[], &[word(ANN), word(BEN), n(1), word(TOKEN)]);
    let logs = vec![
        // A country, a time and a kind beyond their types.
        said("CountryAllowed(address,uint16)", &[], &[word(COMPLIANCE), n(65_536)]),
        said(
            "TimeTransferLimitUpdated(address,uint32,uint256)",
            &[word(COMPLIANCE)],
            &[n(4_294_967_296), n(1)],
        ),
        said("TokenListingConfigured(address,uint8)", &[], &[word(TOKEN), n(256)]),
        // The compliance in the data instead of a topic, and the other way round.
        said("MaxBalanceSet(address,uint256)", &[], &[word(COMPLIANCE), n(1)]),
        said("SupplyLimitSet(address,uint256)", &[word(COMPLIANCE)], &[n(1)]),
        // An event of T-REX 3's compliance.
        said("MaxBalanceSet(uint256)", &[], &[n(1)]),
        units("TransferApproved(address,address,uint256,address)"),
        units("ApprovalRemoved(address,address,uint256,address)"),
        said("Initialized(uint8)", &[], &[n(1)]),
        said("OwnershipTransferred(address,address)", &[word(NOBODY), word(ANN)], &[]),
        said("Upgraded(address)", &[word(ANN)], &[]),
        // No topic at all.
        Log { address: MODULE, ..Log::default() },
    ];
    let tables = told(&chain(&[("compliance_module", MODULE)], logs));
    assert_eq!(tables["module_parameters"], []);
    let read: Vec<bool> =
        columns(&tables, "asset_events", ["unreadable"]).concat().iter().map(Value::is_null).collect();
    assert_eq!(read, [false, false, false, false, false, false, true, true, true, true, true, false]);
    assert_eq!(tables["asset_permissions"], [], "who owns a module is not kept");
}

#[test]
fn only_a_module_has_parameters() {
    let bound = |address| log(address, "ComplianceBound(address)", &[word(COMPLIANCE)], &[]);
    let chain =
        chain(&[("compliance", COMPLIANCE), ("trex_token", TOKEN)], vec![bound(COMPLIANCE), bound(TOKEN)]);
    let tables = told(&chain);
    assert_eq!(tables["module_parameters"], []);
    assert_eq!(tables["compliance_modules"], []);
}

#[test]
fn a_module_that_is_announced_late_has_its_past() {
    let bound = said("ComplianceBound(address)", &[word(COMPLIANCE)], &[]);
    let added = log(COMPLIANCE, "ModuleAdded(address)", &[word(MODULE)], &[]);
    let removed = log(COMPLIANCE, "ModuleRemoved(address)", &[word(MODULE)], &[]);
    let chain = chain(&[("compliance", COMPLIANCE)], vec![bound, added, removed.clone()]);
    assert_eq!(tables(&chain, 1, &silent)["module_parameters"], []);
    // That the compliance no longer has the module ends nothing in the module.
    let tables = told(&chain);
    assert_eq!(columns(&tables, "module_parameters", ["from_block", "to_block"]), [[json!(1), json!(null)]]);
    assert_eq!(
        columns(&tables, "compliance_modules", ["first_block", "first_at"]),
        [[json!(1), json!(1_010)]]
    );
}

#[test]
fn a_version_has_its_places_and_its_times() {
    let bound = said("ComplianceBound(address)", &[word(COMPLIANCE)], &[]);
    let unbound = said("ComplianceUnbound(address)", &[word(COMPLIANCE)], &[]);
    let mut chain = chain(&[("compliance_module", MODULE)], vec![bound, unbound]);
    chain.blocks[1].logs[0].log_index = 3;
    chain.blocks[2].logs[0].log_index = 5;
    let tables = told(&chain);
    assert_eq!(
        columns(
            &tables,
            "module_parameters",
            ["chain_id", "module", "from_log", "from_at", "to_log", "to_at"]
        ),
        [[json!(1), text(MODULE), json!(3), json!(1_010), json!(5), json!(1_020)]]
    );
}

#[test]
fn a_name_is_asked_at_the_first_log_and_at_each_upgrade() {
    let upgraded = |to: Address| said("Upgraded(address)", &[word(to)], &[]);
    let logs = vec![
        Log { address: MODULE, topics: vec![B256::repeat_byte(1)], ..Log::default() },
        said("ComplianceBound(address)", &[word(COMPLIANCE)], &[]),
        upgraded(ANN),
        // One topic too few: that is no upgrade.
        said("Upgraded(address)", &[], &[word(EXCHANGE)]),
        upgraded(BEN),
        upgraded(NOBODY),
    ];
    let chain = chain(&[("compliance_module", MODULE)], logs);
    // name() answers "v1", "v2", … by block; nothing at block 5; at block 6 the 32 bytes of an old contract.
    let ask = |asked: Address, input: &[u8], number: u64| {
        assert_eq!((asked, input), (MODULE, &hex!("06fdde03")[..]));
        match number {
            5 => Answer::Reverted,
            6 => Answer::Returned(B256::right_padding_from(b"old").to_vec().into()),
            _ => {
                let name = B256::right_padding_from(format!("v{number}\0").as_bytes());
                Answer::Returned([n(32), n(3), name].concat().into())
            }
        }
    };
    let at = |through| {
        let tables = tables(&chain, through, &ask);
        columns(
            &tables,
            "compliance_modules",
            ["module", "name", "implementation", "first_block", "first_at"],
        )
    };
    let row =
        |name: Value, implementation: Value| [[text(MODULE), name, implementation, json!(1), json!(1_010)]];
    assert_eq!(at(0), [] as [[Value; 5]; 0]);
    assert_eq!(at(1), row(json!("v1\\0"), json!(null)));
    assert_eq!(at(2), row(json!("v1\\0"), json!(null)));
    assert_eq!(at(3), row(json!("v3\\0"), text(ANN)));
    assert_eq!(at(4), row(json!("v3\\0"), text(ANN)));
    assert_eq!(at(5), row(json!(null), text(BEN)));
    assert_eq!(at(6), row(json!("old"), text(NOBODY)));
}

#[test]
fn topic_hashes_of_modules_are_those_of_the_contracts() {
    // The first bytes are from domain.md, section e.
    let of = |event: &str| said(event, &[], &[]).topics[0];
    assert_eq!(of("CountryAllowed(address,uint16)")[..4], hex!("48c27938"));
    assert_eq!(of("CountryUnallowed(address,uint16)")[..4], hex!("35c7374b"));
    assert_eq!(of("AddedRestrictedCountry(address,uint16)")[..4], hex!("5e0addf6"));
    assert_eq!(of("RemovedRestrictedCountry(address,uint16)")[..4], hex!("fb8bb575"));
    assert_eq!(of("MaxBalanceSet(address,uint256)")[..4], hex!("8bec153e"));
    assert_eq!(of("SupplyLimitSet(address,uint256)")[..4], hex!("2f1ac741"));
    // From ERC-1967.
    assert_eq!(of("Upgraded(address)")[..4], hex!("bc7cd75a"));
}
