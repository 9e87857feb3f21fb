//! A claim's signature, as `ClaimIssuer.isClaimValid` (ONCHAINID) checks it.

use alloy::primitives::{Address, B256, Bytes, Signature, U256, keccak256};
use alloy::sol_types::SolValue;

/// Bytes of an ECDSA signature: r, s and v.
pub const SIGNATURE_BYTES: usize = 65;

/// What the issuer signs: `keccak256(abi.encode(identity, topic, data))`.
pub fn signed_digest(identity: Address, topic: U256, data: &Bytes) -> B256 {
    keccak256((identity, topic, data.clone()).abi_encode_params())
}

/// The account whose key made a signature over a digest, as `ClaimIssuer.getRecoveredAddress` finds it:
/// [`SIGNATURE_BYTES`], the last one 27 or 28 (or 0 or 1), over the prefixed digest. `None` where there is none.
pub fn signer(signature: &[u8], digest: B256) -> Option<Address> {
    let signature: &[u8; SIGNATURE_BYTES] = signature.try_into().ok()?;
    let v = signature[64];
    let odd = match if v < 27 { v.checked_add(27)? } else { v } {
        27 => false,
        28 => true,
        _ => return None,
    };
    let prefixed = keccak256([b"\x19Ethereum Signed Message:\n32".as_slice(), digest.as_slice()].concat());
    let r = U256::from_be_slice(&signature[..32]);
    let s = U256::from_be_slice(&signature[32..64]);
    Signature::new(r, s, odd).recover_address_from_prehash(&prefixed).ok()
}

/// The 32-byte word of a claim's data at a place counted in words; `None` where the data is shorter.
pub fn word(data: &[u8], place: usize) -> Option<B256> {
    let at = place.checked_mul(32)?;
    data.get(at..at.checked_add(32)?).map(B256::from_slice)
}
