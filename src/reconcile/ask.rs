//! Asks a node and says on what ground its answers stand.
//!
//! A node that cannot answer for the block it is asked for, and answers for its newest block instead, cannot be told from
//! its answers alone. So they count on one of two grounds. Either the block asked for was the node's newest before and
//! after: then both are one. Or a probe, a balance known to have changed, was answered as of before the change: then the
//! node tells blocks apart. What this proves is that the node honours the block of a call at all; that it did so for each
//! single call is its word, as is every answer. Behind a URL that stands for several nodes one of them may honour it and
//! another not: a difference therefore counts only when two looks at two blocks find it.

use alloy::sol_types::SolCall;

use super::{Judgement, Probe, Question, word};
use crate::amount::Amount;
use crate::block::BlockId;
use crate::decode::calls;
use crate::source::{CallAnswer, CallRequest, Source, SourceError};

/// Why answers may be taken as of the block that was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ground {
    /// The block was the node's newest before and after.
    Newest,
    /// The node answered a probe as of an older block.
    Probed,
    /// They may not, and why.
    None(String),
}

/// What a node answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// In the order of the questions.
    pub judgements: Vec<Judgement>,
    /// Why they may be taken as of the block.
    pub ground: Ground,
}

/// Asks all questions at one block.
///
/// # Errors
/// The node's.
pub async fn ask<S: Source>(
    node: &S,
    block: BlockId,
    questions: &[Question],
    probes: &[Probe],
) -> Result<Asked, SourceError> {
    let newest_before = is_newest(node, block).await?;
    let requests: Vec<CallRequest> = questions.iter().map(|question| question.call(block)).collect();
    let answers = node.calls(&requests).await?;
    let judgements =
        questions.iter().zip(&answers).map(|(question, answer)| question.judge(answer)).collect();
    let ground = if newest_before && is_newest(node, block).await? {
        Ground::Newest
    } else {
        probed(node, probes).await?
    };
    Ok(Asked { judgements, ground })
}

async fn is_newest<S: Source>(node: &S, block: BlockId) -> Result<bool, SourceError> {
    let here = node.header(block.number).await?.map(|header| header.id);
    Ok(here == Some(block) && node.header(block.number + 1).await?.is_none())
}

/// Whether the node tells blocks apart: the first probe that says either way decides.
///
/// # Errors
/// The node's.
pub async fn probed<S: Source>(node: &S, probes: &[Probe]) -> Result<Ground, SourceError> {
    for probe in probes {
        let Some(header) = node.header(probe.block).await? else { continue };
        let input = calls::balanceOfCall { account: probe.wallet }.abi_encode().into();
        let request = CallRequest { block: header.id, target: probe.token, input };
        let answers = node.calls(&[request]).await?;
        let Some(CallAnswer::Returned(bytes)) = answers.first() else { continue };
        let Some(answer) = word(bytes).map(Amount::from) else { continue };
        if answer == probe.then {
            return Ok(Ground::Probed);
        }
        if answer == probe.now {
            return Ok(Ground::None(format!(
                "asked for block {}, the node answered with what is now: it does not answer for the block it is asked for",
                probe.block
            )));
        }
    }
    let reason = "the node went on to another block, and nothing that changed lately shows whether it tells blocks apart";
    Ok(Ground::None(reason.to_owned()))
}
