//! Calls: the ones we make to observe what no log tells, and the ones whose call data tells it.

use alloy::primitives::{Address, U256};
use alloy::sol;
use alloy::sol_types::SolCall;

sol! {
    // Text is read as bytes, which are encoded alike: it need not be UTF-8.
    function name() external view returns (bytes);
    function symbol() external view returns (bytes);
    function decimals() external view returns (uint8);
    function totalSupply() external view returns (uint256);
    function balanceOf(address account) external view returns (uint256);
    function paused() external view returns (bool);
    function isFrozen(address wallet) external view returns (bool);
    function getFrozenTokens(address wallet) external view returns (uint256);
    function storedIdentity(address wallet) external view returns (address);
    function storedInvestorCountry(address wallet) external view returns (uint16);
    function identity(address wallet) external view returns (address);
    function investorCountry(address wallet) external view returns (uint16);
    function contains(address wallet) external view returns (bool);
    function isVerified(address wallet) external view returns (bool);

    function transfer(address to, uint256 amount) external returns (bool);
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
    function batchTransfer(address[] to, uint256[] amounts) external;
    function forcedTransfer(address from, address to, uint256 amount) external returns (bool);
    function batchForcedTransfer(address[] from, address[] to, uint256[] amounts) external;

    function updateIdentity(address wallet, address identity) external;
    function modifyStoredIdentity(address wallet, address identity) external;

    // T-REX's AgentManager, an agent through which others act; last comes the identity of whoever calls it.
    function callForcedTransfer(address from, address to, uint256 amount, address onchainId) external;
    function callBatchForcedTransfer(address[] from, address[] to, uint256[] amounts, address onchainId) external;
}

/// What was to move: from whom (`None`: from who called), to whom, how many units.
type Move = (Option<Address>, Address, U256);

/// What a call meant to move of a T-REX token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenCall {
    /// Whether an agent moved somebody's units; else the holder did, or whom the holder allowed.
    pub forced: bool,
    moves: Vec<Move>,
}

impl TokenCall {
    /// Whether a call by `caller` asked for this transfer. One that it did not ask for was made by a contract on the
    /// way: a compliance module that collects its fee, say, which may take it from anybody.
    pub fn asks_for(&self, caller: Address, from: Address, to: Address, amount: U256) -> bool {
        self.moves
            .iter()
            .any(|(giver, taker, units)| (giver.unwrap_or(caller), *taker, *units) == (from, to, amount))
    }
}

/// Reads a call to a T-REX token; `None` for what moves nothing by itself.
pub fn token_call(input: &[u8]) -> Option<TokenCall> {
    let selector: [u8; 4] = input.get(..4)?.try_into().ok()?;
    let (forced, moves) = match selector {
        transferCall::SELECTOR => {
            let call = transferCall::abi_decode(input).ok()?;
            (false, vec![(None, call.to, call.amount)])
        }
        transferFromCall::SELECTOR => {
            let call = transferFromCall::abi_decode(input).ok()?;
            (false, vec![(Some(call.from), call.to, call.amount)])
        }
        batchTransferCall::SELECTOR => {
            let call = batchTransferCall::abi_decode(input).ok()?;
            (false, call.to.into_iter().zip(call.amounts).map(|(to, amount)| (None, to, amount)).collect())
        }
        forcedTransferCall::SELECTOR => {
            let call = forcedTransferCall::abi_decode(input).ok()?;
            (true, vec![(Some(call.from), call.to, call.amount)])
        }
        batchForcedTransferCall::SELECTOR => {
            let call = batchForcedTransferCall::abi_decode(input).ok()?;
            (true, side_by_side(call.from, call.to, call.amounts))
        }
        _ => return None,
    };
    Some(TokenCall { forced, moves })
}

/// Reads a call to an AgentManager that has it force transfers of its token; `None` for any other. By itself it proves
/// nothing: any contract may have such a function, and only an agent of the token can force.
pub fn manager_call(input: &[u8]) -> Option<TokenCall> {
    let selector: [u8; 4] = input.get(..4)?.try_into().ok()?;
    let moves = match selector {
        callForcedTransferCall::SELECTOR => {
            let call = callForcedTransferCall::abi_decode(input).ok()?;
            vec![(Some(call.from), call.to, call.amount)]
        }
        callBatchForcedTransferCall::SELECTOR => {
            let call = callBatchForcedTransferCall::abi_decode(input).ok()?;
            side_by_side(call.from, call.to, call.amounts)
        }
        _ => return None,
    };
    Some(TokenCall { forced: true, moves })
}

/// The moves of lists that run side by side.
fn side_by_side(from: Vec<Address>, to: Vec<Address>, amounts: Vec<U256>) -> Vec<Move> {
    from.into_iter().zip(to).zip(amounts).map(|((from, to), amount)| (Some(from), to, amount)).collect()
}

/// Reads a call to a storage or registry that gives a wallet another identity: `(wallet, identity)`. What is called through a
/// manager is not read: any contract may have such a function, and the storage's state tells without it.
pub fn identity_update(input: &[u8]) -> Option<(Address, Address)> {
    let selector: [u8; 4] = input.get(..4)?.try_into().ok()?;
    match selector {
        updateIdentityCall::SELECTOR => {
            let call = updateIdentityCall::abi_decode(input).ok()?;
            Some((call.wallet, call.identity))
        }
        modifyStoredIdentityCall::SELECTOR => {
            let call = modifyStoredIdentityCall::abi_decode(input).ok()?;
            Some((call.wallet, call.identity))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
