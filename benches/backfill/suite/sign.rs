//! Signatures of claims, made beforehand on every core.

use std::num::NonZero;
use std::thread;

use alloy::primitives::{Address, keccak256};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolValue;

use super::emit::{statement, topic};

/// Bytes of a signature: r, s and v.
pub(super) const BYTES: usize = 65;

/// What each issuer signs about each identity: by identity, then issuer.
pub(super) fn sign(identities: &[Address], signers: &[PrivateKeySigner]) -> Vec<[u8; BYTES]> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let share = identities.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        let shares: Vec<_> =
            identities.chunks(share).map(|share| scope.spawn(|| sign_some(share, signers))).collect();
        shares.into_iter().flat_map(|signed| signed.join().expect("signing does not panic")).collect()
    })
}

fn sign_some(identities: &[Address], signers: &[PrivateKeySigner]) -> Vec<[u8; BYTES]> {
    let of = |identity: Address| {
        (0..).zip(signers).map(move |(issuer, signer): (u8, _)| {
            let signed = (identity, topic(issuer), statement(identity, issuer.into())).abi_encode_params();
            let digest = keccak256(signed);
            signer.sign_message_sync(digest.as_slice()).expect("a key in memory signs").as_bytes()
        })
    };
    identities.iter().flat_map(|identity| of(*identity)).collect()
}
