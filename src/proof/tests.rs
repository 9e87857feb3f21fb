//! Against alloy's own receipts, and against every way of telling less or something else.

use alloy::consensus::{self, Eip658Value, ReceiptEnvelope, TxType, proofs::calculate_receipt_root};
use alloy::primitives::{U256, b256};

use super::*;
use crate::block::{BlockId, Deposit, Header};

fn log(transaction: u32, index: u32, data: usize) -> RawLog {
    RawLog {
        block: BlockId { number: 7, hash: B256::ZERO },
        log_index: index,
        transaction_hash: B256::with_last_byte(transaction as u8 + 1),
        transaction_index: transaction,
        address: Address::with_last_byte(transaction as u8),
        topics: vec![B256::with_last_byte(9); data % 5],
        data: vec![0xab; data].into(),
        timestamp: None,
        withheld: None,
    }
}

fn receipts() -> Vec<Receipt> {
    let receipt =
        |kind, ending, cumulative_gas, logs| Receipt { kind, ending, cumulative_gas, deposit: None, logs };
    vec![
        receipt(0, Ending::Status(true), 21_000, vec![log(0, 0, 0), log(0, 1, 32)]),
        receipt(2, Ending::Status(false), 90_000, vec![]),
        receipt(3, Ending::Status(true), 900_000, vec![log(2, 2, 100)]),
        receipt(0, Ending::StateRoot(B256::repeat_byte(1)), 950_000, vec![log(3, 3, 64)]),
    ]
}

/// A sealed block over receipts, whose logs get its hash.
fn sealed(mut receipts: Vec<Receipt>) -> (Sealed, Vec<Receipt>) {
    let (receipts_root, logs_bloom) = commitments(&receipts);
    let fields =
        Fields { number: 7, timestamp: 1_700_000_000, receipts_root, logs_bloom, ..Fields::default() };
    let id = BlockId { number: 7, hash: fields.hash_slow() };
    receipts.iter_mut().flat_map(|receipt| &mut receipt.logs).for_each(|log| log.block = id);
    let header = Header { id, parent: fields.parent_hash, timestamp: fields.timestamp };
    (Sealed { header, fields: Some(Box::new(fields)) }, receipts)
}

#[test]
fn the_root_is_the_one_that_alloy_computes() {
    let theirs: Vec<ReceiptEnvelope> = receipts()
        .into_iter()
        .map(|receipt| {
            let status = match receipt.ending {
                Ending::Status(status) => Eip658Value::Eip658(status),
                Ending::StateRoot(root) => Eip658Value::PostState(root),
            };
            let logs = receipt.logs.iter().map(|log| Log {
                address: log.address,
                data: LogData::new_unchecked(log.topics.clone(), log.data.clone()),
            });
            let logs = logs.collect();
            let inner = consensus::Receipt { status, cumulative_gas_used: receipt.cumulative_gas, logs };
            let kind = TxType::try_from(receipt.kind).expect("a known type");
            ReceiptEnvelope::from_typed(kind, inner)
        })
        .collect();
    let (root, bloom) = commitments(&receipts());
    assert_eq!(root, calculate_receipt_root(&theirs));
    let expected = theirs.iter().fold(Bloom::ZERO, |all, one| all | *one.logs_bloom());
    assert_eq!(bloom, expected);
}

#[test]
fn a_block_without_transactions_has_the_empty_root() {
    let (sealed, receipts) = sealed(Vec::new());
    let proved = header(&sealed).expect("its own hash");
    assert!(proved.is_empty());
    assert_eq!(proved.logs(receipts).expect("under the root"), Vec::new());
}

#[test]
fn logs_come_back_in_order_with_the_block_s_time() {
    let (sealed, receipts) = sealed(receipts());
    let logs = header(&sealed).expect("its own hash").logs(receipts).expect("under the root");
    let places: Vec<_> = logs.iter().map(|log| (log.transaction_index, log.log_index)).collect();
    assert_eq!(places, [(0, 0), (0, 1), (2, 2), (3, 3)]);
    assert!(logs.iter().all(|log| log.timestamp == Some(1_700_000_000)));
}

/// Besu before 23.10.3, Erigon and reth in some releases: `logIndex` began at zero with each transaction.
#[test]
fn places_follow_from_the_order_whatever_a_node_says_of_them() {
    let (sealed, mut receipts) = sealed(receipts());
    for receipt in &mut receipts {
        for (index, log) in receipt.logs.iter_mut().enumerate() {
            (log.log_index, log.transaction_index) = (index as u32, 0);
        }
    }
    let logs = header(&sealed).expect("its own hash").logs(receipts).expect("under the root");
    let places: Vec<_> = logs.iter().map(|log| (log.transaction_index, log.log_index)).collect();
    assert_eq!(places, [(0, 0), (0, 1), (2, 2), (3, 3)]);
}

/// By hand, as the OP Stack's specification writes a deposit's receipt down since Canyon.
#[test]
fn the_receipt_of_an_op_stack_s_deposit_has_two_fields_more() {
    let deposit = Receipt {
        kind: 0x7e,
        ending: Ending::Status(true),
        cumulative_gas: 1_000_000,
        deposit: Some(Deposit { nonce: 0x1234, version: 1 }),
        logs: Vec::new(),
    };
    let encoded = |receipt: &Receipt| {
        let mut out = Vec::new();
        encode(receipt, &Bloom::ZERO, &mut out);
        out
    };
    let mut expected = alloy::primitives::hex!("7ef9010d01830f4240b90100").to_vec();
    expected.extend_from_slice(&[0; 256]);
    expected.extend_from_slice(&alloy::primitives::hex!("c082123401"));
    assert_eq!(encoded(&deposit), expected);
    // Before it, though nodes say the nonce.
    let mut expected = alloy::primitives::hex!("7ef9010901830f4240b90100").to_vec();
    expected.extend_from_slice(&[0; 256]);
    expected.push(0xc0);
    assert_eq!(encoded(&Receipt { deposit: None, ..deposit.clone() }), expected);

    let (sealed, receipts) = sealed([vec![deposit], receipts()].concat());
    assert!(header(&sealed).expect("its own hash").logs(receipts).is_ok());
}

#[test]
fn whatever_is_left_out_added_or_altered_is_noticed() {
    let (sealed, receipts) = sealed(receipts());
    let proved = header(&sealed).expect("its own hash");
    type Alter = fn(&mut Vec<Receipt>);
    let alterations: [(&str, Alter); 12] = [
        ("a log left out", |r| drop(r[0].logs.pop())),
        ("a receipt left out", |r| drop(r.remove(1))),
        ("the last receipt left out", |r| drop(r.pop())),
        ("all left out", |r| r.clear()),
        ("a log added", |r| {
            let again = r[0].logs[0].clone();
            r[1].logs.push(again);
        }),
        ("data altered", |r| r[2].logs[0].data = vec![1].into()),
        ("address altered", |r| r[2].logs[0].address = Address::ZERO),
        ("topic altered", |r| r[0].logs[1].topics[0] = B256::ZERO),
        ("two receipts changed places", |r| r.swap(0, 2)),
        ("two logs changed places", |r| r[0].logs.swap(0, 1)),
        ("another transaction", |r| r[0].logs[1].transaction_hash = B256::with_last_byte(3)),
        ("another block", |r| r[2].logs[0].block.number = 8),
    ];
    for (what, alter) in alterations {
        let mut altered = receipts.clone();
        alter(&mut altered);
        assert!(proved.logs(altered).is_err(), "{what} went unnoticed");
    }
    assert!(proved.logs(receipts).is_ok());
}

#[test]
fn a_header_proves_nothing_under_another_hash() {
    let (good, _) = sealed(receipts());
    assert!(header(&good).is_ok());
    type Alter = fn(&mut Sealed);
    let alterations: [(&str, Alter); 6] = [
        ("its hash", |s| s.header.id.hash = B256::repeat_byte(3)),
        ("its number", |s| s.header.id.number = 8),
        ("its parent", |s| s.header.parent = B256::repeat_byte(3)),
        ("its time", |s| s.header.timestamp += 1),
        ("a field", |s| s.fields.as_mut().expect("fields").gas_used += 1),
        ("its fields", |s| s.fields = None),
    ];
    for (what, alter) in alterations {
        let mut altered = good.clone();
        alter(&mut altered);
        assert_eq!(header(&altered).err(), Some(Flaw::Hash { number: altered.header.id.number }), "{what}");
    }
}

#[test]
fn a_bloom_that_does_not_hold_the_block_s_own_logs_is_told_apart() {
    let (receipts_root, _) = commitments(&receipts());
    let fields = Fields { number: 7, receipts_root, ..Fields::default() };
    let id = BlockId { number: 7, hash: fields.hash_slow() };
    let header_of = Header { id, parent: fields.parent_hash, timestamp: 0 };
    let zero = Sealed { header: header_of, fields: Some(Box::new(fields)) };
    let proved = header(&zero).expect("its own hash");
    assert_eq!(proved.logs(receipts()).err(), Some(Flaw::Bloom { number: 7 }));
}

#[test]
fn a_contract_in_the_bloom_is_found_and_an_absent_one_is_proved_absent() {
    let (sealed, _) = sealed(receipts());
    let proved = header(&sealed).expect("its own hash");
    let emitter = Address::with_last_byte(2);
    assert!(proved.may_have_logs(&[emitter].into_iter().collect()));
    let absent: Vec<Address> =
        (0..200u64).map(|n| Address::from_word(U256::from(n + 1_000).into())).collect();
    let bloom = sealed.fields.as_ref().expect("fields").logs_bloom;
    for address in absent {
        let expected = bloom.contains_input(BloomInput::Raw(address.as_slice()));
        assert_eq!(proved.may_have_logs(&[address].into_iter().collect()), expected, "{address}");
    }
    assert!(!proved.may_have_logs(&Watched::default()));
}

/// A block of Ethereum's mainnet with its known hash: the form of headers is the network's, not only ours.
#[test]
fn the_genesis_of_mainnet_has_its_hash() {
    let fields = Fields {
        state_root: b256!("d7f8974fb5ac78d9ac099b9ad5018bedc2ce0a72dad1827a1709da30580f0544"),
        difficulty: U256::from(17_179_869_184u64),
        gas_limit: 5_000,
        nonce: alloy::primitives::b64!("0000000000000042"),
        extra_data: alloy::primitives::bytes!(
            "11bbe8db4e347b4e8c937c1c8370e4b5ed33adb3db69cbdb7a38e1e50b1b82fa"
        ),
        ..Fields::default()
    };
    let hash = b256!("d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3");
    let id = BlockId { number: 0, hash };
    let genesis =
        Sealed { header: Header { id, parent: B256::ZERO, timestamp: 0 }, fields: Some(Box::new(fields)) };
    assert!(header(&genesis).is_ok());
}

#[test]
fn the_seals_and_the_round_of_a_qbft_or_ibft_2_header_are_not_hashed() {
    let extra = |end: Option<(u8, &[u8])>| {
        let mut body = Vec::new();
        B256::repeat_byte(7).encode(&mut body); // vanity
        vec![Address::with_last_byte(1)].encode(&mut body); // validators
        body.push(0xc0); // no vote
        if let Some((round, seals)) = end {
            round.encode(&mut body);
            RlpHeader { list: true, payload_length: seals.len() }.encode(&mut body);
            body.extend_from_slice(seals);
        }
        let mut list = Vec::new();
        RlpHeader { list: true, payload_length: body.len() }.encode(&mut list);
        list.extend_from_slice(&body);
        Bytes::from(list)
    };
    let no_seals: &[u8] = &[];
    for hashed in [Some((0, no_seals)), None] {
        let hashed = Fields { number: 7, extra_data: extra(hashed), ..Fields::default() };
        let shown = Fields { extra_data: extra(Some((3, &[0x83, 1, 2, 3]))), ..hashed.clone() };
        let id = BlockId { number: 7, hash: hashed.hash_slow() };
        let at = |fields: Fields| Sealed {
            header: Header { id, parent: B256::ZERO, timestamp: 0 },
            fields: Some(Box::new(fields)),
        };
        assert!(header(&at(shown.clone())).is_ok());
        let mut other = shown.clone();
        other.extra_data = Bytes::from([&shown.extra_data[..], &[1]].concat());
        other.gas_used = 1;
        assert!(header(&at(other)).is_err());
    }
}

#[test]
fn what_a_state_sync_logged_comes_behind_what_is_under_the_root() {
    let (sealed, receipts) = sealed(receipts());
    let block = sealed.header.id;
    let with = |log: RawLog| {
        let receipt = Receipt {
            kind: 0,
            ending: Ending::Status(true),
            cumulative_gas: 0,
            deposit: None,
            logs: vec![log],
        };
        header(&sealed).expect("its hash").logs([receipts.clone(), vec![receipt]].concat())
    };
    let synced = RawLog { block, transaction_hash: beside::state_sync(block), ..log(4, 4, 32) };
    let logs = with(synced.clone()).expect("the rest is under the root");
    assert_eq!((logs.len(), logs[4].timestamp), (5, Some(1_700_000_000)));
    assert!(logs[4].same_as(&synced) && beside::is_beside(&logs[4]));

    // Under any other hash, of another block or in another place it is none.
    let other = RawLog { transaction_hash: B256::with_last_byte(5), ..synced.clone() };
    assert!(matches!(with(other), Err(Flaw::Root { .. })));
    let other = RawLog { block: BlockId { number: 8, ..block }, ..synced.clone() };
    assert!(matches!(with(other), Err(Flaw::Root { .. })));
    let logs = with(RawLog { log_index: 0, ..synced.clone() }).expect("its place follows from the others");
    assert_eq!(logs[4].log_index, 4);
    let mixed = [synced, log(5, 5, 32)].map(|log| RawLog { block, ..log });
    let receipt = Receipt { logs: mixed.into(), ..receipts[0].clone() };
    let mixed = header(&sealed).expect("its hash").logs([receipts.clone(), vec![receipt]].concat());
    assert!(matches!(mixed, Err(Flaw::Places { .. })));
    // Polygon PoS, as its explorers show it.
    let block = BlockId {
        number: 74_667_488,
        hash: b256!("0x38623e33fa0f94dd9276b7d44ea589608085b56c8fc87950612562b09e18b896"),
    };
    let synced = b256!("0xc048ab4888a7d0c044b85e3371b775efbeb7a7b9d93a1d229ee1b039150c3289");
    assert_eq!(beside::state_sync(block), synced);
}
