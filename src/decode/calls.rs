//! Calls: the ones we make to observe what no log tells, and the ones whose call data tells it.

use alloy::primitives::Address;
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenCall {
    /// An agent moved somebody's units.
    Forced,
    /// The holder, or whom the holder allowed, did.
    Own,
}

/// Reads a call to a T-REX token; `None` for what moves nothing by itself.
pub fn token_call(input: &[u8]) -> Option<TokenCall> {
    let selector: [u8; 4] = input.get(..4)?.try_into().ok()?;
    match selector {
        forcedTransferCall::SELECTOR | batchForcedTransferCall::SELECTOR => Some(TokenCall::Forced),
        transferCall::SELECTOR | transferFromCall::SELECTOR | batchTransferCall::SELECTOR => {
            Some(TokenCall::Own)
        }
        _ => None,
    }
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
