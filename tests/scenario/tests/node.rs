//! The node itself: mining, reorgs, snapshots, dumps, time, strange logs, a plain token.

use alloy::primitives::{B256, Bytes, U256};
use alloy::rpc::types::Filter;
use scenario::node::GENESIS_TIMESTAMP;
use scenario::{Artifacts, Emitter, Error, Mining, Node, NodeOptions, PlainToken, Reorg, truth};

#[tokio::test]
async fn finality_is_twice_the_slots_below_the_head() {
    for (slots, finalized) in [(32, 36), (2, 96)] {
        let node = Node::start_with(NodeOptions { slots_in_an_epoch: slots, ..NodeOptions::default() })
            .await
            .unwrap();
        assert_eq!(node.tagged("finalized").await.unwrap().header.number, 0);
        node.mine(100).await.unwrap();
        assert_eq!(node.tagged("finalized").await.unwrap().header.number, finalized);
        assert_eq!(node.tagged("safe").await.unwrap().header.number, 100 - slots);
        // Time is the chain's own.
        assert_eq!(node.head().await.unwrap().header.timestamp, GENESIS_TIMESTAMP + 100 * 12);
    }
}

#[tokio::test]
async fn the_emitter_logs_exactly_what_it_is_told() {
    let node = Node::start().await.unwrap();
    let emitter = Emitter::deploy(&node, node.account(0)).await.unwrap();
    for count in 0..=4 {
        for length in [0, 1, 31, 32, 33, 1000] {
            let topics: Vec<B256> = (1..=count).map(B256::with_last_byte).collect();
            let data: Vec<u8> = (0..length).map(|byte| u8::try_from(byte % 251).unwrap()).collect();
            let receipt = node.send(&emitter.emit(&topics, &data)).await.unwrap();
            let [log] = receipt.logs() else { panic!("one log expected, got {:?}", receipt.logs()) };
            assert_eq!(log.address(), emitter.address);
            assert_eq!(log.topics(), topics);
            assert_eq!(log.data().data, Bytes::from(data));
        }
    }
    let refused = node.send(&emitter.emit(&[B256::ZERO; 5], &[])).await;
    assert!(matches!(refused, Err(Error::Reverted { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_log_can_hold_a_megabyte() {
    let node = Node::start().await.unwrap();
    let emitter = Emitter::deploy(&node, node.account(0)).await.unwrap();
    let data = vec![0xab; 1 << 20];
    let receipt = node.send(&emitter.emit(&[B256::ZERO], &data)).await.unwrap();
    let logs = node.logs(&Filter::new().at_block_hash(receipt.block_hash.unwrap())).await.unwrap();
    assert_eq!(logs.len(), 1);
    assert_eq!(logs[0].data().data, Bytes::from(data));
}

#[tokio::test]
async fn a_reorg_replaces_blocks_and_takes_the_transactions_it_is_given() {
    let node = Node::start().await.unwrap();
    let emitter = Emitter::deploy(&node, node.account(0)).await.unwrap();
    let told = |number: u8| emitter.emit(&[B256::with_last_byte(number)], &[]);
    for number in 1..=3 {
        node.send(&told(number)).await.unwrap();
    }
    let before = node.head().await.unwrap().header;
    let topics = async || -> Vec<(u64, u8)> {
        let logs = node.all_logs().await.unwrap();
        logs.iter().map(|log| (log.block_number.unwrap(), log.topics()[0][31])).collect()
    };
    assert_eq!(topics().await, [(2, 1), (3, 2), (4, 3)]);

    node.reorg(&Reorg::of(2).with(1, told(9)).with(0, told(8))).await.unwrap();
    let after = node.head().await.unwrap().header;
    assert_eq!((after.number, after.timestamp), (before.number, before.timestamp));
    assert_ne!(after.hash, before.hash);
    assert_eq!(topics().await, [(2, 1), (3, 8), (4, 9)]);
    let gone = node.call_raw_at(before.hash, emitter.address, Bytes::new()).await;
    assert!(matches!(gone, Err(Error::Rpc { code: Some(-32001), .. })), "{gone:?}");

    node.reorg_with_the_same_transactions(2, 0).await.unwrap();
    assert_ne!(node.head().await.unwrap().header.hash, after.hash);
    assert_eq!(topics().await, [(2, 1), (3, 8), (4, 9)]);
    node.reorg_with_the_same_transactions(2, 1).await.unwrap();
    assert_eq!(topics().await, [(2, 1), (4, 8), (4, 9)]);
}

#[tokio::test]
async fn a_snapshot_brings_back_a_shorter_chain() {
    let node = Node::start().await.unwrap();
    let emitter = Emitter::deploy(&node, node.account(0)).await.unwrap();
    let snapshot = node.snapshot().await.unwrap();
    for _ in 0..3 {
        node.send(&emitter.emit(&[B256::ZERO], &[])).await.unwrap();
    }
    node.revert(snapshot).await.unwrap();
    assert_eq!(node.block_number().await.unwrap(), 1);
    assert!(node.all_logs().await.unwrap().is_empty());
    assert!(node.revert(snapshot).await.is_err(), "a snapshot is used up");
    node.send(&emitter.emit(&[B256::ZERO], &[])).await.unwrap();
    assert_eq!(node.head().await.unwrap().header.timestamp, GENESIS_TIMESTAMP + 2 * 12);
}

#[tokio::test]
async fn mining_on_demand_puts_waiting_transactions_into_one_block() {
    let options = NodeOptions { mining: Mining::OnDemand, ..NodeOptions::default() };
    let node = Node::start_with(options).await.unwrap();
    node.set_automine(true).await.unwrap();
    let emitter = Emitter::deploy(&node, node.account(0)).await.unwrap();
    node.set_automine(false).await.unwrap();
    let mut hashes = Vec::new();
    for number in 1..=3 {
        hashes.push(node.submit(&emitter.emit(&[B256::with_last_byte(number)], &[])).await.unwrap());
    }
    assert_eq!(node.receipt(hashes[0]).await.unwrap(), None);
    node.mine(1).await.unwrap();
    for (place, hash) in hashes.into_iter().enumerate() {
        let receipt = node.receipt(hash).await.unwrap().unwrap();
        assert_eq!(receipt.block_number, Some(2));
        assert_eq!(receipt.transaction_index, Some(place as u64));
    }
}

#[tokio::test]
async fn a_chain_survives_a_restart_under_the_same_url() {
    let path = std::env::temp_dir().join(format!("scenario-dump-{}.json", std::process::id()));
    let dumping = NodeOptions { dump_state: Some(path.clone()), ..NodeOptions::default() };
    let node = Node::start_with(dumping).await.unwrap();
    let artifacts = Artifacts::open().unwrap();
    let (holder, other) = (node.account(0), node.account(1));
    let supply = U256::from(1_000);
    let plain = PlainToken::deploy(&node, &artifacts, holder, "Plain", "PLN", supply).await.unwrap();
    let minted = node.head().await.unwrap().header.hash;
    node.send(&plain.transfer(holder, other, U256::from(300))).await.unwrap();
    let (url, port, logs) = (node.url(), node.port(), node.all_logs().await.unwrap());
    let head = node.head().await.unwrap().header;
    let blob = node.dump_state().await.unwrap();
    node.stop().await.unwrap();

    let loading = NodeOptions { load_state: Some(path.clone()), port: Some(port), ..NodeOptions::default() };
    let node = Node::start_with(loading).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(node.url(), url);
    assert_eq!(node.head().await.unwrap().header.hash, head.hash);
    assert_eq!(node.all_logs().await.unwrap(), logs);
    // The state of an old block is there too.
    assert_eq!(truth::balance(&node, minted, plain.address, holder).await.unwrap(), supply);
    assert_eq!(truth::balance(&node, head.hash, plain.address, other).await.unwrap(), U256::from(300));
    node.send(&plain.transfer(other, holder, U256::from(100))).await.unwrap();
    let next = node.head().await.unwrap().header;
    assert_eq!((next.number, next.timestamp), (head.number + 1, head.timestamp + 12));

    let third = Node::start().await.unwrap();
    third.load_state(&blob).await.unwrap();
    assert_eq!(third.head().await.unwrap().header.hash, head.hash);
    assert_eq!(truth::balance(&third, minted, plain.address, holder).await.unwrap(), supply);
}

#[tokio::test]
async fn without_historical_states_a_restarted_node_is_pruned() {
    let path = std::env::temp_dir().join(format!("scenario-pruned-{}.json", std::process::id()));
    let options =
        NodeOptions { dump_state: Some(path.clone()), historical_states: false, ..NodeOptions::default() };
    let node = Node::start_with(options).await.unwrap();
    node.mine(3).await.unwrap();
    let (old, head) = (node.block_hash(2).await.unwrap(), node.block_hash(3).await.unwrap());
    let somebody = node.account(0);
    node.stop().await.unwrap();
    let loading = NodeOptions { load_state: Some(path.clone()), ..NodeOptions::default() };
    let node = Node::start_with(loading).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    let refused = node.call_raw_at(old, somebody, Bytes::new()).await;
    assert!(
        matches!(&refused, Err(Error::Rpc { code: Some(-32602), message, .. }) if message.contains("BlockOutOfRange")),
        "{refused:?}"
    );
    assert!(node.call_raw_at(head, somebody, Bytes::new()).await.is_ok());
}

#[tokio::test]
async fn a_plain_token_keeps_its_books() {
    let node = Node::start().await.unwrap();
    let artifacts = Artifacts::open().unwrap();
    let (holder, other, spender) = (node.account(0), node.account(1), node.account(2));
    let supply = U256::MAX;
    let plain = PlainToken::deploy(&node, &artifacts, holder, "Plain", "PLN", supply).await.unwrap();
    let mint = node.all_logs().await.unwrap().remove(0);
    assert_eq!(mint.topics(), [scenario::emitter::TRANSFER, B256::ZERO, holder.into_word()]);
    assert_eq!(mint.data().data, Bytes::from(supply.to_be_bytes::<32>()));
    let calls = [
        plain.approve(holder, spender, U256::from(10)),
        plain.transfer_from(spender, holder, other, U256::from(7)),
    ];
    node.send_all(&calls).await.unwrap();
    let head = node.head().await.unwrap().header.hash;
    assert_eq!(truth::balance(&node, head, plain.address, other).await.unwrap(), U256::from(7));
    assert_eq!(truth::balance(&node, head, plain.address, holder).await.unwrap(), supply - U256::from(7));
    assert_eq!(truth::total_supply(&node, head, plain.address).await.unwrap(), supply);
    let name = node.call(plain.address, &scenario::abi::IErc20::nameCall {}).await.unwrap();
    let symbol = node.call(plain.address, &scenario::abi::IErc20::symbolCall {}).await.unwrap();
    assert_eq!((name.as_str(), symbol.as_str()), ("Plain", "PLN"));
}

#[tokio::test]
async fn a_dropped_node_is_gone() {
    let node = Node::start().await.unwrap();
    let pid = node.pid();
    assert!(std::path::Path::new(&format!("/proc/{pid}")).exists() || !cfg!(target_os = "linux"));
    let port = node.port();
    drop(node);
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[tokio::test]
async fn a_taken_port_is_said() {
    let node = Node::start().await.unwrap();
    let second = Node::start_with(NodeOptions { port: Some(node.port()), ..NodeOptions::default() }).await;
    let message = second.unwrap_err().to_string();
    assert!(message.contains("ddress already in use"), "{message}");
}
