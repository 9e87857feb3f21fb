//! A contract that logs whatever it is told, for logs that no honest contract would write.

use alloy::primitives::{Address, B256, Bytes, U256};

use crate::error::Result;
use crate::evm::{self, Op};
use crate::node::{Call, Node};

/// The longest list of topics that the EVM can log.
const TOPICS_MAX: u8 = 4;

/// A deployed emitter. Called with one byte for the number of topics, the topics and then the data, it logs exactly
/// that; with more than four topics it reverts. A value is accepted by nobody, a call by anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emitter {
    /// Where it stands: the address of its logs.
    pub address: Address,
    /// Who sends the calls that [`Emitter::emit`] makes.
    pub sender: Address,
}

impl Emitter {
    /// Deploys an emitter.
    ///
    /// # Errors
    /// If the node refuses the transaction.
    pub async fn deploy(node: &Node, sender: Address) -> Result<Self> {
        let code = evm::creation_code(&[], &runtime());
        let address = node.deploy(&Call::deploy(sender, code, "Emitter")).await?;
        Ok(Self { address, sender })
    }

    /// A call that logs these topics and this data; with gas for megabytes.
    ///
    /// # Panics
    /// If there are more than 255 topics.
    pub fn emit(&self, topics: &[B256], data: &[u8]) -> Call {
        let count = u8::try_from(topics.len()).expect("the number of topics fits in a byte");
        let mut calldata = Vec::with_capacity(1 + topics.len() * 32 + data.len());
        calldata.push(count);
        for topic in topics {
            calldata.extend_from_slice(topic.as_slice());
        }
        calldata.extend_from_slice(data);
        // Calldata costs up to 40 gas a byte, the log 8, and memory grows with the square.
        let length = calldata.len() as u64;
        let words = length / 32 + 1;
        let gas = 100_000 + 64 * length + 3 * words + words * words / 512;
        Call::raw(self.sender, self.address, Bytes::from(calldata), "emitting a log").with_gas(gas)
    }

    /// A call that logs an ERC-20 `Transfer` as the standard has it: both parties indexed.
    pub fn transfer(&self, from: Address, to: Address, amount: U256) -> Call {
        self.emit(&[TRANSFER, from.into_word(), to.into_word()], &amount.to_be_bytes::<32>())
    }
}

/// `keccak256("Transfer(address,address,uint256)")`.
pub const TRANSFER: B256 =
    alloy::primitives::b256!("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");

/// The first byte of the calldata selects one of five branches; each pushes its topics and logs the rest.
fn runtime() -> Vec<u8> {
    let mut ops = vec![Op::Push(0), Op::CallDataLoad, Op::Push(0), Op::Byte];
    for count in 0..=TOPICS_MAX {
        ops.extend([Op::Dup1, Op::Push(u64::from(count)), Op::Eq, Op::PushLabel(count), Op::JumpIf]);
    }
    ops.extend([Op::Push(0), Op::Push(0), Op::Revert]);
    for count in 0..=TOPICS_MAX {
        let data_start = 1 + 32 * u64::from(count);
        ops.push(Op::Label(count));
        for topic in (0..count).rev() {
            ops.extend([Op::Push(1 + 32 * u64::from(topic)), Op::CallDataLoad]);
        }
        // The length of the data, once for the copy and once for the log.
        ops.extend([Op::Push(data_start), Op::CallDataSize, Op::Sub, Op::Dup1]);
        ops.extend([Op::Push(data_start), Op::Push(0), Op::CallDataCopy]);
        ops.extend([Op::Push(0), Op::Log(count), Op::Stop]);
    }
    evm::assemble(&ops)
}
