//! A claim's signature, as `ClaimIssuer.isClaimValid` (ONCHAINID) checks it.

use std::sync::LazyLock;

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::sol_types::SolValue;
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use secp256k1::{Message, Secp256k1, VerifyOnly};

/// Tables of the curve.
static CURVE: LazyLock<Secp256k1<VerifyOnly>> = LazyLock::new(Secp256k1::verification_only);

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
    let parity = match if v < 27 { v.checked_add(27)? } else { v } {
        27 => RecoveryId::Zero,
        28 => RecoveryId::One,
        _ => return None,
    };
    let prefixed = keccak256([b"\x19Ethereum Signed Message:\n32".as_slice(), digest.as_slice()].concat());
    let signature = RecoverableSignature::from_compact(&signature[..64], parity).ok()?;
    let key = CURVE.recover_ecdsa(Message::from_digest(prefixed.0), &signature).ok()?;
    // The address is of the point alone, without the byte that says how it is written.
    Some(Address::from_raw_public_key(&key.serialize_uncompressed()[1..]))
}

/// The 32-byte word of a claim's data at a place counted in words; `None` where the data is shorter.
pub fn word(data: &[u8], place: usize) -> Option<B256> {
    let at = place.checked_mul(32)?;
    data.get(at..at.checked_add(32)?).map(B256::from_slice)
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Signature, uint};
    use proptest::prelude::*;

    use super::*;

    /// The order of the curve's points.
    const ORDER: U256 = uint!(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141_U256);

    /// The same by another implementation, which shares no code with the first.
    fn signer_otherwise(signature: &[u8; SIGNATURE_BYTES], digest: B256) -> Option<Address> {
        let odd = match signature[64] {
            0 | 27 => false,
            1 | 28 => true,
            _ => return None,
        };
        let (r, s) = (U256::from_be_slice(&signature[..32]), U256::from_be_slice(&signature[32..64]));
        Signature::new(r, s, odd).recover_address_from_msg(digest).ok()
    }

    /// Numbers that a signature may have, among them those at the edges.
    fn number() -> impl Strategy<Value = U256> {
        let edge = prop::sample::select(vec![
            U256::ZERO,
            U256::ONE,
            ORDER - U256::ONE,
            ORDER,
            ORDER / U256::from(2),
            ORDER / U256::from(2) + U256::ONE,
            U256::MAX,
        ]);
        prop_oneof![1 => edge, 3 => any::<[u8; 32]>().prop_map(U256::from_be_bytes)]
    }

    proptest! {
        #[test]
        fn two_implementations_find_the_same_signer(
            r in number(),
            s in number(),
            v in prop_oneof![4 => prop::sample::select(vec![0u8, 1, 27, 28]), 1 => any::<u8>()],
            digest in any::<[u8; 32]>(),
        ) {
            let mut signature = [0; SIGNATURE_BYTES];
            signature[..32].copy_from_slice(&r.to_be_bytes::<32>());
            signature[32..64].copy_from_slice(&s.to_be_bytes::<32>());
            signature[64] = v;
            let digest = B256::from(digest);
            prop_assert_eq!(signer(&signature, digest), signer_otherwise(&signature, digest));
        }
    }
}
