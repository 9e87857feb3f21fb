//! Transactions and reads.

use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::providers::Provider;
use alloy::rpc::json_rpc::{RpcRecv, RpcSend};
use alloy::rpc::types::{Block, Filter, Log, TransactionReceipt, TransactionRequest};
use alloy::sol_types::SolCall;
use serde_json::{Value, json};

use super::Node;
use crate::error::{Error, Result};

/// Enough for a suite of contracts, and fixed so that no estimate is asked for.
const GAS: u64 = 30_000_000;

/// A transaction that an unlocked account can send: now, later, or in a reorg's other blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Who sends it.
    pub from: Address,
    /// The contract; none deploys one.
    pub to: Option<Address>,
    /// The calldata, or the creation code.
    pub data: Bytes,
    /// The function's signature, or what is deployed: for messages.
    pub what: String,
    /// The gas limit.
    pub gas: u64,
}

impl Call {
    /// A call of a function.
    pub fn new<C: SolCall>(from: Address, to: Address, call: &C) -> Self {
        Self::raw(from, to, call.abi_encode().into(), C::SIGNATURE)
    }

    /// A call with any calldata.
    pub fn raw(from: Address, to: Address, data: Bytes, what: &str) -> Self {
        Self { from, to: Some(to), data, what: what.to_owned(), gas: GAS }
    }

    /// A deployment of a contract by its creation code.
    pub fn deploy(from: Address, code: Bytes, what: &str) -> Self {
        Self { from, to: None, data: code, what: format!("deploying {what}"), gas: GAS }
    }

    /// The same call with another gas limit.
    #[must_use]
    pub fn with_gas(mut self, gas: u64) -> Self {
        self.gas = gas;
        self
    }

    pub(super) fn request(&self) -> TransactionRequest {
        let mut request = TransactionRequest::default();
        request.set_from(self.from);
        request.set_input(self.data.clone());
        request.set_gas_limit(self.gas);
        if let Some(to) = self.to {
            request.set_to(to);
        }
        request
    }
}

impl Node {
    /// Any request to the node.
    ///
    /// # Errors
    /// If the node refuses it or the answer is of another type.
    pub async fn request<P: RpcSend, R: RpcRecv>(&self, method: &'static str, params: P) -> Result<R> {
        let answer = self.provider.raw_request(method.into(), params).await;
        answer.map_err(|error| Error::rpc(method, &error))
    }

    /// Sends a transaction and waits for its block; needs automatic mining.
    ///
    /// # Errors
    /// [`Error::Reverted`] if it failed in the block.
    pub async fn send(&self, call: &Call) -> Result<TransactionReceipt> {
        let receipt = self.attempt(call).await?;
        if receipt.status() { Ok(receipt) } else { Err(self.reverted(call, &receipt).await) }
    }

    /// Sends transactions one by one, each in a block of its own.
    ///
    /// # Errors
    /// At the first that fails.
    pub async fn send_all<'a>(
        &self,
        calls: impl IntoIterator<Item = &'a Call>,
    ) -> Result<Vec<TransactionReceipt>> {
        let mut receipts = Vec::new();
        for call in calls {
            receipts.push(self.send(call).await?);
        }
        Ok(receipts)
    }

    /// Sends a transaction and waits for its block, whether it succeeds or fails in it.
    ///
    /// # Errors
    /// If the node refuses it.
    pub async fn attempt(&self, call: &Call) -> Result<TransactionReceipt> {
        self.request("eth_sendTransactionSync", [call.request()]).await
    }

    /// Sends a transaction without waiting for a block.
    ///
    /// # Errors
    /// If the node refuses it.
    pub async fn submit(&self, call: &Call) -> Result<B256> {
        self.request("eth_sendTransaction", [call.request()]).await
    }

    /// Sends several transactions and makes one block of them, in this order. Automatic mining is on afterwards.
    ///
    /// # Errors
    /// At the first that is refused or fails in the block.
    pub async fn send_in_one_block(&self, calls: &[Call]) -> Result<Vec<TransactionReceipt>> {
        self.set_automine(false).await?;
        let mut hashes = Vec::with_capacity(calls.len());
        for call in calls {
            hashes.push(self.submit(call).await?);
        }
        self.mine(1).await?;
        self.set_automine(true).await?;
        let mut receipts = Vec::with_capacity(calls.len());
        for (call, hash) in calls.iter().zip(hashes) {
            let receipt = self.receipt(hash).await?;
            let receipt =
                receipt.ok_or_else(|| Error::Unknown(format!("{} was not mined in its block", call.what)))?;
            if !receipt.status() {
                return Err(self.reverted(call, &receipt).await);
            }
            receipts.push(receipt);
        }
        Ok(receipts)
    }

    /// Deploys a contract and tells its address.
    ///
    /// # Errors
    /// If its constructor fails.
    pub async fn deploy(&self, call: &Call) -> Result<Address> {
        let receipt = self.send(call).await?;
        receipt
            .contract_address
            .ok_or_else(|| Error::answer(&call.what, "the receipt has no contract address"))
    }

    /// The receipt of a transaction; none if no block of the chain has it.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn receipt(&self, transaction: B256) -> Result<Option<TransactionReceipt>> {
        self.request("eth_getTransactionReceipt", [transaction]).await
    }

    async fn reverted(&self, call: &Call, receipt: &TransactionReceipt) -> Error {
        // At the parent block: exact if the transaction was the first of its block, and a good hint if not.
        let parent = U256::from(receipt.block_number.unwrap_or(1).saturating_sub(1));
        let again = self.request::<_, Bytes>("eth_call", (call.request(), parent)).await;
        let reason = match again {
            Err(Error::Rpc { message, .. }) => message,
            _ => format!("out of gas or dependent on its block (gas used: {})", receipt.gas_used),
        };
        Error::Reverted { call: call.what.clone(), to: call.to, reason }
    }

    /// What a view function answers at a block.
    ///
    /// # Errors
    /// If the block is unknown or its state is gone, the call fails, or the answer does not decode.
    pub async fn call_at<C: SolCall>(&self, block: B256, to: Address, call: &C) -> Result<C::Return> {
        let answer = self.call_raw_at(block, to, call.abi_encode().into()).await?;
        C::abi_decode_returns(&answer)
            .map_err(|error| Error::answer(format!("{} on {to}", C::SIGNATURE), error))
    }

    /// The raw answer to calldata at a block.
    ///
    /// # Errors
    /// If the block is unknown or its state is gone, or the call fails.
    pub async fn call_raw_at(&self, block: B256, to: Address, data: Bytes) -> Result<Bytes> {
        self.request("eth_call", (json!({ "to": to, "data": data }), json!({ "blockHash": block }))).await
    }

    /// Whether a transaction would go through on the state after a block; it is not sent.
    ///
    /// # Errors
    /// If the block is unknown or its state is gone.
    pub async fn would_succeed(&self, block: B256, call: &Call) -> Result<bool> {
        match self.request::<_, Bytes>("eth_call", (call.request(), json!({ "blockHash": block }))).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_revert() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What a view function answers at the head.
    ///
    /// # Errors
    /// As [`Node::call_at`].
    pub async fn call<C: SolCall>(&self, to: Address, call: &C) -> Result<C::Return> {
        let head = self.head().await?;
        self.call_at(head.header.hash, to, call).await
    }

    /// The logs that a filter selects.
    ///
    /// # Errors
    /// If the node refuses the filter.
    pub async fn logs(&self, filter: &Filter) -> Result<Vec<Log>> {
        self.request("eth_getLogs", [filter]).await
    }

    /// All logs of the chain, in its order.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn all_logs(&self) -> Result<Vec<Log>> {
        self.logs(&Filter::new().from_block(0)).await
    }

    /// The last block, with the hashes of its transactions.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn head(&self) -> Result<Block> {
        self.tagged("latest").await
    }

    /// The block that the node calls `latest`, `safe`, `finalized` or `earliest`.
    ///
    /// # Errors
    /// If the node has no such block.
    pub async fn tagged(&self, tag: &str) -> Result<Block> {
        let block: Option<Block> = self.request("eth_getBlockByNumber", (tag, false)).await?;
        block.ok_or_else(|| Error::Unknown(format!("the node has no block {tag}")))
    }

    /// A block by its number; none if the chain is shorter.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn block(&self, number: u64) -> Result<Option<Block>> {
        self.request("eth_getBlockByNumber", (U256::from(number), false)).await
    }

    /// The hash of a block.
    ///
    /// # Errors
    /// If the chain is shorter.
    pub async fn block_hash(&self, number: u64) -> Result<B256> {
        let block = self.block(number).await?;
        block
            .map(|block| block.header.hash)
            .ok_or_else(|| Error::Unknown(format!("the chain has no block {number}")))
    }

    /// The number of the last block.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn block_number(&self) -> Result<u64> {
        Ok(self.head().await?.header.number)
    }

    /// Lets a contract or any other address send transactions, and gives it ether for them.
    ///
    /// # Errors
    /// If the node refuses.
    pub async fn impersonate(&self, address: Address) -> Result<()> {
        let ether = U256::from(10).pow(U256::from(22));
        let _: Value = self.request("anvil_setBalance", (address, ether)).await?;
        let _: Value = self.request("anvil_impersonateAccount", [address]).await?;
        Ok(())
    }
}
