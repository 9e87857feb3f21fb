//! A plain ERC-20 token: OpenZeppelin's, whose published code has no way to mint.
//!
//! So its constructor is written here: it sets the name, the symbol and the first holder's balance in the slots where
//! the code looks for them, logs the mint and leaves the published code on the chain.

use alloy::primitives::{Address, B256, U256};

use crate::abi::IErc20;
use crate::artifact::{Artifacts, Package};
use crate::emitter::TRANSFER;
use crate::error::Result;
use crate::evm::{self, Op};
use crate::node::{Call, Node};

/// Storage slots of OpenZeppelin 4's ERC20.
const BALANCES_SLOT: u64 = 0;
const SUPPLY_SLOT: u64 = 2;
const NAME_SLOT: u64 = 3;
const SYMBOL_SLOT: u64 = 4;

/// A deployed plain token with 18 decimals. Its supply was minted to the deployer and never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainToken {
    /// The contract.
    pub address: Address,
}

impl PlainToken {
    /// Deploys a token; `name` and `symbol` have at most 31 bytes.
    ///
    /// # Errors
    /// If the artifact is missing or the node refuses the transaction.
    ///
    /// # Panics
    /// If the name or the symbol is longer.
    pub async fn deploy(
        node: &Node,
        artifacts: &Artifacts,
        deployer: Address,
        name: &str,
        symbol: &str,
        supply: U256,
    ) -> Result<Self> {
        let runtime = artifacts.deployed(Package::TRex, "@openzeppelin/contracts/token/ERC20/ERC20")?;
        let code = evm::creation_code(&constructor(name, symbol, supply), &runtime);
        let address = node.deploy(&Call::deploy(deployer, code, "ERC20")).await?;
        Ok(Self { address })
    }

    /// A transfer by its holder.
    pub fn transfer(&self, from: Address, to: Address, amount: U256) -> Call {
        Call::new(from, self.address, &IErc20::transferCall { to, amount })
    }

    /// An approval by a holder.
    pub fn approve(&self, holder: Address, spender: Address, amount: U256) -> Call {
        Call::new(holder, self.address, &IErc20::approveCall { spender, amount })
    }

    /// A transfer by an approved spender.
    pub fn transfer_from(&self, spender: Address, from: Address, to: Address, amount: U256) -> Call {
        Call::new(spender, self.address, &IErc20::transferFromCall { from, to, amount })
    }
}

fn constructor(name: &str, symbol: &str, supply: U256) -> Vec<Op> {
    let supply = Op::PushBytes(supply.to_be_bytes::<32>().to_vec());
    let store = |value: Op, slot: u64| [value, Op::Push(slot), Op::SStore];
    let mut ops = Vec::new();
    ops.extend(store(supply.clone(), SUPPLY_SLOT));
    ops.extend(store(short_string(name), NAME_SLOT));
    ops.extend(store(short_string(symbol), SYMBOL_SLOT));
    // The slot of the deployer's balance: keccak256 of the address and the mapping's slot, both as words.
    ops.extend([Op::Caller, Op::Push(0), Op::MStore, Op::Push(BALANCES_SLOT), Op::Push(32), Op::MStore]);
    ops.extend([supply.clone(), Op::Push(64), Op::Push(0), Op::Keccak256, Op::SStore]);
    ops.extend([supply, Op::Push(0), Op::MStore]);
    ops.extend([Op::Caller, Op::PushBytes(B256::ZERO[..20].to_vec()), Op::PushBytes(TRANSFER.to_vec())]);
    ops.extend([Op::Push(32), Op::Push(0), Op::Log(3)]);
    ops
}

/// Solidity's layout of a string below 32 bytes: left-aligned, twice its length in the last byte.
fn short_string(text: &str) -> Op {
    assert!(text.len() < 32, "the text has at most 31 bytes");
    let mut word = vec![0; 32];
    word[..text.len()].copy_from_slice(text.as_bytes());
    word[31] = u8::try_from(text.len() * 2).expect("twice 31 fits in a byte");
    Op::PushBytes(word)
}
