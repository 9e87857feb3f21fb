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
}

/// What a call to a T-REX token meant to move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenCall {
    /// Whether an agent moved somebody's units; else the holder did, or whom the holder allowed.
    pub forced: bool,
    /// What was to move: from whom (`None`: from who called), to whom, how many units.
    moves: Vec<(Option<Address>, Address, U256)>,
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
            let wallets = call.from.into_iter().zip(call.to);
            (true, wallets.zip(call.amounts).map(|((from, to), amount)| (Some(from), to, amount)).collect())
        }
        _ => return None,
    };
    Some(TokenCall { forced, moves })
}

/// Reads a call that gives a wallet another identity: `(wallet, identity)`.
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
