//! Where one transaction is, and what became of it.

use alloy::primitives::{Address, B256, U64};
use serde_json::json;

use super::Rpc;
use super::blocks::by_number;
use super::classify::RpcFault;
use super::exchange::{Answer, Call};
use crate::block::BlockId;
use crate::source::{Fate, SourceError};

const RECEIPT: &str = "eth_getTransactionReceipt";
const COUNT: &str = "eth_getTransactionCount";

/// The part of a receipt that says where a transaction is and how it ended.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Executed {
    block_number: U64,
    block_hash: B256,
    /// Not in receipts from before Byzantium.
    status: Option<U64>,
}

/// A block and a status, where a transaction has them.
type Receipt = Option<(BlockId, Option<U64>)>;

fn receipt_of(transaction: B256) -> Call {
    Call { method: RECEIPT, params: json!([transaction]) }
}

impl Rpc {
    /// See [`crate::source::Source::fate`].
    ///
    /// The sender's count is asked for before the receipt: a transaction that is executed between the two questions has
    /// a receipt then, and is not taken for a replaced one. Behind one URL may stand several nodes: without a receipt, it
    /// is asked for again beside the final block, and one that lacks that block says nothing.
    pub(super) async fn fate_of(
        &self,
        transaction: B256,
        sent: Option<(Address, u64)>,
        final_block: u64,
    ) -> Result<Fate, SourceError> {
        let passed = match sent {
            Some((sender, nonce)) => {
                self.count_at(sender, final_block).await?.is_some_and(|count| count > nonce)
            }
            None => false,
        };
        let told = match self.executed(transaction).await? {
            None if passed => match self.executed_beside(transaction, final_block).await? {
                Some(None) => return Ok(Fate::Replaced),
                told => told.flatten(),
            },
            told => told,
        };
        Ok(match told {
            Some((block, Some(status))) => Fate::Executed { block, succeeded: status == U64::from(1) },
            Some((_, None)) | None => Fate::Pending,
        })
    }

    /// [`Rpc::executed`] by a node that has a block, as far as one request reaches one node; `None` from one without.
    async fn executed_beside(&self, transaction: B256, number: u64) -> Result<Option<Receipt>, SourceError> {
        let calls = vec![by_number(number), receipt_of(transaction)];
        let mut answers = self.client.each(calls).await.into_iter();
        let (Some(block), Some(receipt)) = (answers.next(), answers.next()) else { return Ok(None) };
        if self.header_from(number, block)?.is_none() {
            return Ok(None);
        }
        self.receipt_from(receipt).map(Some)
    }

    /// The block that holds a transaction; `None` for one that the chain does not know (yet).
    ///
    /// # Errors
    /// The node's.
    pub async fn block_of_transaction(&self, hash: B256) -> Result<Option<BlockId>, SourceError> {
        Ok(self.executed(hash).await?.map(|(block, _)| block))
    }

    /// Where a transaction is, and its status.
    async fn executed(&self, transaction: B256) -> Result<Receipt, SourceError> {
        let answer = self.client.one(receipt_of(transaction)).await;
        self.receipt_from(answer)
    }

    fn receipt_from(&self, answer: Answer) -> Result<Receipt, SourceError> {
        let receipt: Option<Executed> = self.decoded(RECEIPT, None, answer)?;
        let Some(Executed { block_number, block_hash: hash, status }) = receipt else { return Ok(None) };
        let number = self.consistent(RECEIPT, super::wire::holdable(block_number))?;
        Ok(Some((BlockId { number, hash }, status)))
    }

    /// How many transactions an account had sent by the end of a block; `None` where the node does not keep that state.
    async fn count_at(&self, account: Address, number: u64) -> Result<Option<u64>, SourceError> {
        let call = Call { method: COUNT, params: json!([account, format!("0x{number:x}")]) };
        match self.client.one(call).await {
            Err(fault) if matches!(fault.kind, RpcFault::Pruned | RpcFault::Missing) => Ok(None),
            answer => {
                let count: U64 = self.decoded(COUNT, Some(number), answer)?;
                Ok(Some(count.to()))
            }
        }
    }
}
