//! Whether the node serves the workload as a node would: the program's own client reads all of it back.

use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::sol_types::SolValue;
use asset_indexer::block::{BlockId, BlockRange, RawLog};
use asset_indexer::rpc::{Config, Finality, Rpc};
use asset_indexer::source::{CallAnswer, CallRequest, Source};
use tokio::time::timeout;

use crate::chain::{Chain, Shape};
use crate::ledger::{CHAIN_ID, Ledger};
use crate::node::{Manner, Node};

/// Serves a small chain and reads it through [`Rpc`].
///
/// # Errors
/// What is not as it should be.
pub async fn check() -> Result<(), Box<dyn Error + Send + Sync>> {
    let chain = Arc::new(Chain::new(Shape { logs: 3_000, tokens: 5, holders: 40, blocks: 60, even: false }));
    for block_timestamps in [true, false] {
        let manner = Manner { latency: Duration::ZERO, logs_max: 700, block_timestamps };
        for scheme in ["http", "ws"] {
            let (node, address) = Node::serve(chain.clone(), manner).await?;
            let url = format!("{scheme}://{address}");
            read(&chain, &url, block_timestamps).await?;
            same(
                "questions for the chain's id",
                &node.asked().methods.get("eth_chainId").copied(),
                &Some(1),
            )?;
            if scheme == "ws" {
                hear(&node, &chain, &url).await?;
            }
        }
    }
    Ok(())
}

/// A new head is told of over a WebSocket, long before it would be asked for.
async fn hear(node: &Node, chain: &Chain, url: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    let asked_every = Duration::from_secs(600);
    let rpc = client(url, asked_every)?;
    let mut heard = pin!(rpc.wait_for_head());
    for head in 1..chain.head() {
        node.publish(head);
        // The subscription may not be there yet.
        if timeout(Duration::from_millis(200), heard.as_mut()).await.is_ok() {
            return Ok(());
        }
    }
    Err("no new head was told of over a WebSocket".into())
}

/// The program's own client, which asks for the head so often where it is not told.
///
/// # Errors
/// When there can be none.
pub fn client(url: &str, poll_interval: Duration) -> Result<Rpc, Box<dyn Error + Send + Sync>> {
    let rpc = Rpc::new(Config {
        url: url.parse()?,
        alias: "benchmark".to_owned(),
        timeout: Duration::from_secs(10),
        poll_interval,
        finality: Finality::Tag { fallback_depth: None },
        range_blocks_max: 50,
        requests_in_flight: 4,
        batch_size_max: 10,
        response_bytes_max: 1 << 24,
    })?;
    Ok(rpc)
}

async fn read(chain: &Chain, url: &str, timed: bool) -> Result<(), Box<dyn Error + Send + Sync>> {
    let rpc = client(url, Duration::from_secs(1))?;
    let head = chain.head();
    let view = rpc.view().await?;
    same("chain id", &rpc.chain_id().await?, &CHAIN_ID)?;
    same("final block", &view.finalized, &view.head.id)?;
    same("head", &(view.head.id.number, view.head.parent), &(head, chain.hash(head - 1)))?;
    let asked: Vec<Address> = chain.tokens()[1..].to_vec();
    let wanted: Vec<RawLog> =
        raw_logs(chain, timed, 1, head).into_iter().filter(|log| asked.contains(&log.address)).collect();
    same("logs of a range", &rpc.logs_in_range(BlockRange { from: 1, to: head }, &asked).await?, &wanted)?;
    let block = BlockId { number: 7, hash: chain.hash(7) };
    same("logs of a block", &rpc.logs_of_block(block).await?, &raw_logs(chain, timed, 7, 7))?;
    let places = chain.logs(7, 7).map(|(_, _, transfer)| chain.transaction_hash(7, transfer.transaction));
    let mut hashes: Vec<B256> = places.collect();
    hashes.dedup();
    let transactions = rpc.transactions(block).await?;
    same("transactions", &transactions.iter().map(|one| one.hash).collect::<Vec<_>>(), &hashes)?;
    let last = transactions.len() - 1;
    let placed = rpc.transactions_at(&[(block, vec![last as u32, 0])]).await?;
    same("single transactions", &placed, &vec![vec![transactions[last].clone(), transactions[0].clone()]])?;
    let target = chain.tokens()[3];
    let call = |signature: &str, target| {
        let input = Bytes::copy_from_slice(&keccak256(signature)[..4]);
        CallRequest { block, target, input }
    };
    let calls = [call("symbol()", target), call("decimals()", target), call("name()", chain.holder(0))];
    let answers = [
        CallAnswer::Returned("BT3".abi_encode().into()),
        CallAnswer::Returned(U256::from(18).abi_encode().into()),
        CallAnswer::Reverted,
    ];
    same("calls", &rpc.calls(&calls).await?, &answers.to_vec())?;
    let code = (rpc.has_code(target, head).await?, rpc.has_code(chain.holder(0), head).await?);
    same("code", &code, &(Some(true), Some(false)))
}

/// Logs as the program should see them, by another way than the node's.
fn raw_logs(chain: &Chain, timed: bool, from: u64, to: u64) -> Vec<RawLog> {
    let topic0 = keccak256("Transfer(address,address,uint256)");
    let logs = chain.logs(from, to).map(|(number, index, transfer)| {
        let parties = [transfer.from, transfer.to].map(|holder| chain.holder(holder).into_word());
        let topics: Vec<B256> = std::iter::once(topic0).chain(parties).collect();
        RawLog {
            block: BlockId { number, hash: chain.hash(number) },
            log_index: index as u32,
            transaction_hash: chain.transaction_hash(number, transfer.transaction),
            transaction_index: transfer.transaction,
            address: chain.tokens()[transfer.token as usize],
            topics,
            data: U256::from(transfer.amount).abi_encode().into(),
            timestamp: timed.then(|| chain.timestamp(number)),
            withheld: None,
        }
    });
    logs.collect()
}

/// Refuses what is not as wanted.
///
/// # Errors
/// Both, under a name.
pub fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    found: &T,
    wanted: &T,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    if found == wanted {
        return Ok(());
    }
    Err(format!("{what}: the node gave {found:?} instead of {wanted:?}").into())
}
