//! Every event of every module of T-REX 4.1.6, encoded by hand from its signature.

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};

use super::super::Decoder;
use crate::block::{BlockId, RawLog};
use crate::fact::{Fact, Parameter, Reading, Role, Unreadable};

const COMPLIANCE: Address = Address::repeat_byte(0xc0);
const INVESTOR: Address = Address::repeat_byte(0xAB);
const TOKEN: Address = Address::repeat_byte(0x70);
const INVESTOR_TEXT: &str = "0xabababababababababababababababababababab";

fn word(number: u64) -> B256 {
    U256::from(number).into()
}

fn log(signature: &str, indexed: &[B256], body: &[B256]) -> RawLog {
    RawLog {
        address: Address::repeat_byte(0x11),
        topics: std::iter::once(keccak256(signature)).chain(indexed.iter().copied()).collect(),
        data: Bytes::from(body.concat()),
        block: BlockId { number: 7, hash: B256::repeat_byte(7) },
        log_index: 0,
        transaction_hash: B256::repeat_byte(8),
        transaction_index: 0,
        timestamp: None,
        withheld: None,
    }
}

fn read(log: &RawLog) -> Reading {
    Decoder::new(&[]).read(Role::ComplianceModule, log)
}

fn fact(signature: &str, indexed: &[B256], body: &[B256]) -> Fact {
    match read(&log(signature, indexed, body)) {
        Reading::Event { fact, .. } => fact,
        Reading::Unreadable(why) => panic!("{signature}: {why:?}"),
    }
}

fn held(scope: Address, name: &'static str, argument: &str, held: bool) -> Fact {
    Fact::ParameterHeld { parameter: Parameter { scope, name, argument: argument.to_owned() }, held }
}

fn set(scope: Address, name: &'static str, argument: &str, value: Option<u64>) -> Fact {
    let parameter = Parameter { scope, name, argument: argument.to_owned() };
    Fact::ParameterSet { parameter, value: value.map(U256::from), account: None }
}

#[test]
fn rules_that_are_there_or_not_are_told_with_whom_they_hold_for() {
    let (compliance, investor, token) = (COMPLIANCE.into_word(), INVESTOR.into_word(), TOKEN.into_word());
    let country = word(528);
    let cases: [(&str, &[B256], &[B256], Fact); 13] = [
        ("ComplianceBound(address)", &[compliance], &[], held(COMPLIANCE, "bound", "", true)),
        ("ComplianceUnbound(address)", &[compliance], &[], held(COMPLIANCE, "bound", "", false)),
        (
            "CountryAllowed(address,uint16)",
            &[],
            &[compliance, country],
            held(COMPLIANCE, "allowed_country", "528", true),
        ),
        (
            "CountryUnallowed(address,uint16)",
            &[],
            &[compliance, country],
            held(COMPLIANCE, "allowed_country", "528", false),
        ),
        (
            "AddedRestrictedCountry(address,uint16)",
            &[compliance],
            &[country],
            held(COMPLIANCE, "restricted_country", "528", true),
        ),
        (
            "RemovedRestrictedCountry(address,uint16)",
            &[compliance],
            &[country],
            held(COMPLIANCE, "restricted_country", "528", false),
        ),
        (
            "UserAllowed(address,address)",
            &[],
            &[compliance, investor],
            held(COMPLIANCE, "allowed_user", INVESTOR_TEXT, true),
        ),
        (
            "UserDisallowed(address,address)",
            &[],
            &[compliance, investor],
            held(COMPLIANCE, "allowed_user", INVESTOR_TEXT, false),
        ),
        ("ExchangeIDAdded(address)", &[], &[investor], held(Address::ZERO, "exchange", INVESTOR_TEXT, true)),
        (
            "ExchangeIDRemoved(address)",
            &[],
            &[investor],
            held(Address::ZERO, "exchange", INVESTOR_TEXT, false),
        ),
        ("TokenListed(address,address)", &[], &[token, investor], held(TOKEN, "listed", INVESTOR_TEXT, true)),
        (
            "TokenUnlisted(address,address)",
            &[],
            &[token, investor],
            held(TOKEN, "listed", INVESTOR_TEXT, false),
        ),
        ("PresetCompleted(address)", &[compliance], &[], held(COMPLIANCE, "preset_completed", "", true)),
    ];
    for (signature, indexed, body, expected) in cases {
        assert_eq!(fact(signature, indexed, body), expected, "{signature}");
    }
}

#[test]
fn rules_with_a_value_are_told_with_it() {
    let (compliance, investor, token) = (COMPLIANCE.into_word(), INVESTOR.into_word(), TOKEN.into_word());
    let (day, limit) = (word(86_400), word(1_000));
    let exchange_day = format!("{INVESTOR_TEXT}/86400");
    let cases: [(&str, &[B256], &[B256], Fact); 8] = [
        (
            "MaxBalanceSet(address,uint256)",
            &[compliance, limit],
            &[],
            set(COMPLIANCE, "max_balance", "", Some(1_000)),
        ),
        (
            "IDBalancePreSet(address,address,uint256)",
            &[compliance, investor],
            &[limit],
            set(COMPLIANCE, "preset_balance", INVESTOR_TEXT, Some(1_000)),
        ),
        (
            "SupplyLimitSet(address,uint256)",
            &[],
            &[compliance, limit],
            set(COMPLIANCE, "supply_limit", "", Some(1_000)),
        ),
        (
            "TimeTransferLimitUpdated(address,uint32,uint256)",
            &[compliance],
            &[day, limit],
            set(COMPLIANCE, "transfer_limit", "86400", Some(1_000)),
        ),
        (
            "TimeTransferLimitRemoved(address,uint32)",
            &[compliance],
            &[day],
            set(COMPLIANCE, "transfer_limit", "86400", None),
        ),
        (
            "ExchangeLimitUpdated(address,address,uint256,uint32)",
            &[compliance],
            &[investor, limit, day],
            set(COMPLIANCE, "exchange_limit", &exchange_day, Some(1_000)),
        ),
        (
            "ExchangeMonthlyLimitUpdated(address,address,uint256)",
            &[compliance],
            &[investor, limit],
            set(COMPLIANCE, "exchange_monthly_limit", INVESTOR_TEXT, Some(1_000)),
        ),
        ("TokenListingConfigured(address,uint8)", &[], &[token, word(2)], set(TOKEN, "listing", "", Some(2))),
    ];
    for (signature, indexed, body, expected) in cases {
        assert_eq!(fact(signature, indexed, body), expected, "{signature}");
    }
    let fee = fact("FeeUpdated(address,uint256,address)", &[compliance], &[word(200), investor]);
    let parameter = Parameter { scope: COMPLIANCE, name: "fee", argument: String::new() };
    let (value, account) = (Some(U256::from(200)), Some(INVESTOR));
    assert_eq!(fee, Fact::ParameterSet { parameter, value, account });
}

#[test]
fn other_events_of_modules_give_no_rule() {
    let (compliance, investor) = (COMPLIANCE.into_word(), INVESTOR.into_word());
    let upgraded = fact("Upgraded(address)", &[investor], &[]);
    assert_eq!(upgraded, Fact::Upgraded { implementation: INVESTOR });
    let transfer = [investor, compliance, word(5), TOKEN.into_word()];
    for (signature, indexed, body) in [
        ("TransferApproved(address,address,uint256,address)", &[][..], &transfer[..]),
        ("ApprovalRemoved(address,address,uint256,address)", &[], &transfer),
        ("Initialized(uint8)", &[], &[word(1)]),
        ("OwnershipTransferred(address,address)", &[compliance, investor], &[]),
    ] {
        assert_eq!(fact(signature, indexed, body), Fact::Recorded, "{signature}");
    }
}

#[test]
fn what_does_not_fit_its_type_or_its_topics_is_kept_raw() {
    let compliance = COMPLIANCE.into_word();
    let unreadable =
        |signature: &str, indexed: &[B256], body: &[B256]| match read(&log(signature, indexed, body)) {
            Reading::Unreadable(why) => why,
            Reading::Event { fact, .. } => panic!("{signature}: {fact:?}"),
        };
    let too_large = [compliance, word(65_536)];
    assert_eq!(unreadable("CountryAllowed(address,uint16)", &[], &too_large), Unreadable::Malformed);
    let indexed = unreadable("CountryAllowed(address,uint16)", &[compliance], &[word(528)]);
    assert_eq!(indexed, Unreadable::OtherTopicCount);
    let time = [word(1 << 32), word(1)];
    let long = unreadable("TimeTransferLimitUpdated(address,uint32,uint256)", &[compliance], &time);
    assert_eq!(long, Unreadable::Malformed);
    assert_eq!(unreadable("SupplyLimitSet(address,uint256)", &[], &[compliance]), Unreadable::Malformed);
}
