//! Questions about state as of a block: calls and code.
//!
//! A call names its block by hash (EIP-1898), so that no reorganization can slip in between.

use alloy::primitives::{Address, Bytes, address};
use serde_json::json;

use super::Rpc;
use super::blocks::{BY_HASH, BY_NUMBER};
use super::classify::RpcFault;
use super::client::Verdict;
use super::exchange::{Answer, Call, Fault};
use crate::source::{CallAnswer, CallRequest, SourceError};

const CALL: &str = "eth_call";
const GET_CODE: &str = "eth_getCode";
/// JSON-RPC 2.0, section 5.1.
const INTERNAL_ERROR: i64 = -32603;
/// The precompile that returns what it is given; on every EVM chain.
const IDENTITY: Address = address!("0x0000000000000000000000000000000000000004");

impl Rpc {
    /// See [`crate::source::Source::calls`].
    pub(super) async fn pinned_calls(
        &self,
        requests: &[CallRequest],
    ) -> Result<Vec<CallAnswer>, SourceError> {
        let answers = self.client.each(requests.iter().map(pinned).collect()).await;
        let mut results = Vec::with_capacity(requests.len());
        let mut failed = None;
        for (request, answer) in requests.iter().zip(answers) {
            if let Err(fault) = &answer
                && (is_exhausting(fault) || self.is_of_contract(fault, request).await)
            {
                let (provider, target) = (self.client.alias(), request.target);
                tracing::warn!(provider, %target, reason = %fault.text, "a contract's answer is given up");
                results.push(CallAnswer::StateUnavailable);
                continue;
            }
            results.push(match answer {
                Err(fault) if fault.reverted => CallAnswer::Reverted,
                Err(fault) if fault.kind == RpcFault::Pruned => CallAnswer::StateUnavailable,
                Err(fault) if fault.kind == RpcFault::Missing => self.call_with_header(request).await?,
                answer => match self.decoded(CALL, Some(request.block.number), answer) {
                    Ok(bytes) => {
                        self.inward.answered(request);
                        CallAnswer::Returned(bytes)
                    }
                    Err(error) => {
                        // The others are looked at all the same: of those that fail, all are known to.
                        failed.get_or_insert(error);
                        continue;
                    }
                },
            });
        }
        failed.map_or(Ok(results), Err)
    }

    /// Whether an internal error of the node, which came at every try, is the contract's: Besu answers so to a call that ends
    /// in an invalid opcode. It is where that goes on, and the same block's state answers another call.
    async fn is_of_contract(&self, fault: &Fault, request: &CallRequest) -> bool {
        if fault.reverted || fault.kind != RpcFault::Unknown || fault.code != Some(INTERNAL_ERROR) {
            return false;
        }
        let control = CallRequest { target: IDENTITY, input: Bytes::from_static(&[1]), ..request.clone() };
        let answer = self.client.each(vec![pinned(&control)]).await.pop();
        let returned = answer.and_then(Result::ok).and_then(|value| serde_json::from_str(value.get()).ok());
        returned == Some(control.input) && self.inward.failed(request)
    }

    /// The node did not know the block: it lags behind, the block was replaced, or only its state is gone.
    /// Its header, asked together with the call, tells which.
    async fn call_with_header(&self, request: &CallRequest) -> Result<CallAnswer, SourceError> {
        let block = request.block;
        let calls = [pinned(request), Call { method: BY_HASH, params: json!([block.hash, false]) }];
        match self.client.until(&calls, |answers, _| judge_call(answers)).await {
            Ok(answer) => Ok(answer),
            Err(fault) if fault.kind == RpcFault::Missing => {
                Err(SourceError::BlockGone { number: block.number, hash: Some(block.hash) })
            }
            Err(fault) => Err(self.client.error(CALL, Some(block.number), fault)),
        }
    }

    /// See [`crate::source::Source::have_code`].
    pub(super) async fn code_of_all(
        &self,
        accounts: &[(Address, u64)],
    ) -> Result<Vec<Option<bool>>, SourceError> {
        let answers = self.client.each(accounts.iter().map(|account| code_of(*account)).collect()).await;
        let mut known = Vec::with_capacity(accounts.len());
        for (account, answer) in accounts.iter().zip(answers) {
            known.push(self.judged_code(*account, answer).await?);
        }
        Ok(known)
    }

    async fn judged_code(
        &self,
        account: (Address, u64),
        answer: Answer,
    ) -> Result<Option<bool>, SourceError> {
        let number = account.1;
        match answer {
            Err(fault) if fault.kind == RpcFault::Pruned => Ok(None),
            Err(fault) if fault.kind == RpcFault::Missing => {
                let header = Call { method: BY_NUMBER, params: json!([format!("0x{number:x}"), false]) };
                let calls = [code_of(account), header];
                let judged = self.client.until(&calls, |answers, _| judge_code(answers)).await;
                judged.map_err(|fault| self.client.error(GET_CODE, Some(number), fault))
            }
            answer => {
                let code: Bytes = self.decoded(GET_CODE, Some(number), answer)?;
                Ok(Some(!code.is_empty()))
            }
        }
    }
}

fn code_of((address, number): (Address, u64)) -> Call {
    Call { method: GET_CODE, params: json!([address, format!("0x{number:x}")]) }
}

/// Whether the contract made its answer impossible, by its size or its gas: one contract must not stop a chain.
fn is_exhausting(fault: &Fault) -> bool {
    // geth's words, after which its clients and proxies shaped theirs.
    matches!(fault.kind, RpcFault::Size { .. }) || fault.text.contains("execution aborted")
}

fn pinned(request: &CallRequest) -> Call {
    let block = json!({ "blockHash": request.block.hash, "requireCanonical": false });
    // `data` is understood by every client, `input` only by newer ones.
    Call { method: CALL, params: json!([{ "to": request.target, "data": request.input }, block]) }
}

/// The answer to a question about state and the header that came with it: `None` when the state is not kept.
fn with_header(answers: Vec<Answer>) -> Verdict<Option<Answer>> {
    let Ok([answer, header]) = <[Answer; 2]>::try_from(answers) else {
        return Verdict::Failed(Fault::broken("not two answers"));
    };
    let known = match header {
        Ok(header) => header.get() != "null",
        Err(fault) if fault.kind == RpcFault::Missing => false,
        Err(fault) => return Verdict::fault(fault),
    };
    match answer {
        Err(fault) if fault.reverted => Verdict::Done(Some(Err(fault))),
        Err(fault) if fault.kind == RpcFault::Pruned => Verdict::Done(None),
        Err(fault) if fault.kind == RpcFault::Missing && known => Verdict::Done(None),
        Err(fault) if fault.kind == RpcFault::Missing => Verdict::Again(fault),
        Err(fault) => Verdict::fault(fault),
        Ok(value) => Verdict::Done(Some(Ok(value))),
    }
}

fn judge_call(answers: Vec<Answer>) -> Verdict<CallAnswer> {
    match with_header(answers) {
        Verdict::Done(None) => Verdict::Done(CallAnswer::StateUnavailable),
        Verdict::Done(Some(Err(_))) => Verdict::Done(CallAnswer::Reverted),
        Verdict::Done(Some(Ok(value))) => match serde_json::from_str(value.get()) {
            Ok(bytes) => Verdict::Done(CallAnswer::Returned(bytes)),
            Err(error) => Verdict::Again(Fault::broken(error.to_string())),
        },
        Verdict::Again(fault) => Verdict::Again(fault),
        Verdict::Failed(fault) => Verdict::Failed(fault),
    }
}

fn judge_code(answers: Vec<Answer>) -> Verdict<Option<bool>> {
    match with_header(answers) {
        Verdict::Done(None) => Verdict::Done(None),
        Verdict::Done(Some(Err(fault))) => Verdict::Failed(fault),
        Verdict::Done(Some(Ok(value))) => match serde_json::from_str::<Bytes>(value.get()) {
            Ok(code) => Verdict::Done(Some(!code.is_empty())),
            Err(error) => Verdict::Again(Fault::broken(error.to_string())),
        },
        Verdict::Again(fault) => Verdict::Again(fault),
        Verdict::Failed(fault) => Verdict::Failed(fault),
    }
}
