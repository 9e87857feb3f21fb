//! Whether the workload is what it was, and fits the program's own understanding of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::sol_types::SolValue;
use asset_indexer::block::{BlockId, BlockRange, RawLog};
use asset_indexer::decode::{Decoder, calls, claim};
use asset_indexer::fact::{Fact, Reading, Role};
use asset_indexer::rpc::Rpc;
use asset_indexer::source::{CallAnswer, CallRequest, Source};

use super::draw::Event;
use super::{FIRST_IDENTITY, Failed, NOBODY, REGISTRY, REMOVED_ISSUER, STORAGE, Shape, Suite, TOKEN, TOPICS};
use crate::check::{client, same};
use crate::ledger::{Ledger, Log, Place};
use crate::node::{Manner, Node};

/// What happened to an identity, in blocks.
#[derive(Debug, Default)]
struct Life {
    claims: Vec<u64>,
    registered: Vec<u64>,
    minted: Vec<u64>,
}

/// Draws a small chain and checks it: figures are worth comparing only while the workload stays what it was.
///
/// # Errors
/// What is not as it should be.
pub fn check() -> Result<(), String> {
    const PINNED: &str = "0x8e50c8ea2e2ceff01947b006ce00f9f89e6f2dcf199f4a844b09d3daac857207";
    let shape = Shape::of(40, 60)?;
    let suite = Suite::new(shape);
    let (mut text, mut log, mut transfers) = (Vec::new(), Log::default(), 0);
    let mut lives: HashMap<u32, Life> = HashMap::new();
    for (place, entry) in suite.logs(0, u64::MAX) {
        let Place { number, index, .. } = place;
        match entry.event {
            Event::ClaimAdded { identity, .. } => lives.entry(identity).or_default().claims.push(number),
            Event::IdentityRegistered(identity) => lives.entry(identity).or_default().registered.push(number),
            Event::Transfer { from: NOBODY, to, .. } => lives.entry(to).or_default().minted.push(number),
            _ => {}
        }
        transfers += u32::from(matches!(entry.event, Event::Transfer { .. }));
        suite.log(place, &mut log);
        let Log { address, transaction, topics, data } = &log;
        text.extend(format!("{number} {index} {transaction} {address} {topics:?} ").bytes());
        text.extend(data);
    }
    if let Some(life) = lives.values().find(|life| !is_in_order(life)) {
        return Err(format!("an identity whose claims, registration and mint are not in order: {life:?}"));
    }
    if (lives.len(), transfers) != (shape.identities as usize, shape.transfers) {
        return Err(format!("{} identities and {transfers} transfers instead of {shape:?}", lives.len()));
    }
    let last: Vec<Event> = suite.logs(shape.blocks, u64::MAX).map(|(_, entry)| entry.event).collect();
    if last != [Event::TrustedIssuerRemoved(REMOVED_ISSUER)] {
        return Err(format!("the last block holds {last:?}"));
    }
    match keccak256(&text).to_string() {
        found if found == PINNED => Ok(()),
        found => Err(format!("the suite's workload changed: digest {found} instead of {PINNED}")),
    }
}

fn is_in_order(life: &Life) -> bool {
    match (life.claims.as_slice(), life.registered.as_slice(), life.minted.as_slice()) {
        (claims, [registered], [minted]) => {
            claims.len() == TOPICS
                && claims.iter().all(|claim| claim + 1 < *registered)
                && registered < minted
        }
        _ => false,
    }
}

/// Serves a small chain and reads it through [`Rpc`].
///
/// # Errors
/// What is not as it should be.
pub async fn read() -> Result<(), Failed> {
    let suite = Arc::new(Suite::new(Shape::of(50, 60)?));
    let manner = Manner { latency: Duration::ZERO, logs_max: 300, block_timestamps: true };
    let (node, address) = Node::serve(suite.clone(), manner).await?;
    let rpc = client(&format!("http://{address}"), Duration::from_secs(1))?;
    let all = raw_logs(&suite);
    let head = suite.head();
    let range = BlockRange { from: 1, to: head };
    let named: Vec<Address> =
        (0..7).map(|number| suite.identity(number * 7)).chain([suite.wallet(3)]).collect();
    let wanted: Vec<RawLog> = all.iter().filter(|log| named.contains(&log.address)).cloned().collect();
    same("logs of identities", &rpc.logs_in_range(range, &named).await?, &wanted)?;
    let asked = node.asked();
    // Of the named ones, those that are identities, in every page from the first block on.
    same("identities in a back-scan", &asked.back_scanned, &(7 * asked.back_scans))?;
    same("back-scans", &(asked.back_scans > 0), &true)?;
    let every: Vec<Address> = suite.contracts.clone();
    same("logs of all contracts", &rpc.logs_in_range(range, &every).await?, &all)?;
    understand(&suite, &all)?;
    let block = BlockId { number: head - 1, hash: suite.hash(head - 1) };
    let of_block: Vec<RawLog> = all.iter().filter(|log| log.block == block).cloned().collect();
    same("logs of a block", &rpc.logs_of_block(block).await?, &of_block)?;
    transactions(&suite, &rpc).await?;
    calls_and_code(&suite, &rpc, block).await
}

/// Every log as the program should see it, by another way than the node's.
fn raw_logs(suite: &Suite) -> Vec<RawLog> {
    let logs = suite.logs(1, u64::MAX).map(|(Place { number, index, .. }, entry)| {
        let mut log = Log::default();
        suite.emit(entry.event, &mut log);
        RawLog {
            block: BlockId { number, hash: suite.hash(number) },
            log_index: index,
            transaction_hash: suite.transaction_hash(number, entry.transaction),
            transaction_index: entry.transaction,
            address: suite.contract(entry.event.emitter()),
            topics: log.topics,
            data: log.data.into(),
            timestamp: Some(suite.timestamp(number)),
            withheld: None,
        }
    });
    logs.collect()
}

/// Every log means something to the program's decoder, and every claim is signed by its issuer.
fn understand(suite: &Suite, logs: &[RawLog]) -> Result<(), Failed> {
    let decoder = Decoder::new(&[]);
    let roles = [
        Role::TrexToken,
        Role::IdentityRegistry,
        Role::IdentityRegistryStorage,
        Role::TrustedIssuersRegistry,
        Role::ClaimTopicsRegistry,
        Role::Compliance,
    ];
    let mut claims = 0;
    for log in logs {
        let place = suite.places.get(&log.address).ok_or("a log of a stranger")?;
        let role = roles.get(*place as usize).copied().unwrap_or(Role::Identity);
        let Reading::Event { fact, .. } = decoder.read(role, log) else {
            return Err(format!("the program cannot read {log:?}").into());
        };
        match fact {
            Fact::Recorded => return Err(format!("the program takes nothing from {log:?}").into()),
            Fact::ClaimSet(said) => {
                claims += 1;
                let issuer = (0..TOPICS as u8).find(|issuer| suite.issuer(*issuer) == said.issuer);
                let signer =
                    claim::signer(&said.signature, claim::signed_digest(log.address, said.topic, &said.data));
                same("signer of a claim", &signer, &issuer.map(|issuer| suite.signer(issuer)))?;
            }
            _ => {}
        }
    }
    same("claims", &claims, &((suite.contracts.len() - FIRST_IDENTITY as usize) * TOPICS))
}

/// The transactions of a block without an end of it left out, and every transfer is what its giver asked the token for.
async fn transactions(suite: &Suite, rpc: &Rpc) -> Result<(), Failed> {
    let head = suite.head();
    for number in [1, head / 2, head - 1] {
        let block = BlockId { number, hash: suite.hash(number) };
        let read = rpc.transactions(block).await?;
        let by_index: HashMap<u32, _> = read.iter().map(|read| (read.index, read)).collect();
        for (place, entry) in suite.logs(number, number) {
            let read = by_index.get(&entry.transaction).ok_or(format!("no transaction of {place:?}"))?;
            same("transaction", &read.hash, &suite.transaction_hash(number, entry.transaction))?;
            let Event::Transfer { from, to, amount } = entry.event else { continue };
            same("contract that a transfer calls", &read.to, &Some(suite.contract(TOKEN)))?;
            if from == NOBODY {
                continue;
            }
            let units = U256::from(u128::from(amount) * super::emit::UNIT);
            let asks = calls::token_call(&read.input)
                .is_some_and(|call| call.asks_for(read.from, suite.wallet(from), suite.wallet(to), units));
            same("transfer that was asked for", &asks, &true)?;
        }
    }
    Ok(())
}

async fn calls_and_code(suite: &Suite, rpc: &Rpc, block: BlockId) -> Result<(), Failed> {
    let call = |target: u32, input: Vec<u8>| CallRequest {
        block,
        target: suite.contract(target),
        input: input.into(),
    };
    let selector = |signature: &str| keccak256(signature)[..4].to_vec();
    let country = [selector("storedInvestorCountry(address)"), suite.wallet(1).abi_encode()].concat();
    let calls = [
        call(TOKEN, selector("symbol()")),
        call(TOKEN, selector("paused()")),
        call(STORAGE, country.clone()),
        call(REGISTRY, country),
        call(TOKEN, selector("totalSupply()")),
    ];
    let word = |number: u64| CallAnswer::Returned(Bytes::from(B256::from(U256::from(number)).to_vec()));
    let answers = [
        CallAnswer::Returned("BS".abi_encode().into()),
        word(0),
        word(42),
        CallAnswer::Reverted,
        CallAnswer::Reverted,
    ];
    same("calls", &rpc.calls(&calls).await?, &answers.to_vec())?;
    let code = (
        rpc.has_code(suite.identity(3), block.number).await?,
        rpc.has_code(suite.wallet(3), block.number).await?,
    );
    same("code", &code, &(Some(true), Some(false)))
}
