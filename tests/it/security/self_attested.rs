//! S5, S6: identities that attest themselves (ERC-3643 issue 101). The registry believes the issuer that an identity's
//! own code names; the register believes the issuer's key.

use std::sync::Arc;

use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::sol_types::{SolEvent, SolValue};
use asset_indexer::table::identity::IdentityClaim;
use scenario::identity::{claim_id, purpose};
use scenario::{
    Artifacts, Call, ClaimIssuer, Emitter, Identity, Node, Suite, Token, TokenSpec, TrustedIssuer, truth,
};

use crate::support::real::{factories, node, rows, rpc};
use crate::support::world::{converge, database, pool, postgres_store, worker};
use simulation::events::identity::ClaimAdded;

const TOPIC: U256 = U256::from_limbs([7, 0, 0, 0]);

/// What a register shows of a wallet: verified, and why not.
type Shown = (Option<bool>, Option<String>);

/// An identity by code of its own: it logs, while it is made, a claim under the id that belongs to the trusted issuer,
/// but in its own name; it answers `getClaim` with the same; and asked whether a claim is valid, it says yes.
async fn liar(node: &Node, sender: Address, trusted: Address) -> Address {
    let (scheme, signature, data) = (U256::ONE, Bytes::from(vec![0x11; 65]), Bytes::from(vec![1]));
    let words = |size: usize| u16::try_from(size).expect("code is below 64 KiB").to_be_bytes();
    // Its own address, where the issuer stands, is put in by the code itself.
    let answer = (TOPIC, scheme, Address::ZERO, signature.clone(), data.clone(), "self".to_owned())
        .abi_encode_params();
    let size = words(answer.len());
    // getClaim has 36 bytes of call data, isClaimValid many more.
    let mut runtime = vec![0x36, 0x60, 0x24, 0x14, 0x60, 0x10, 0x57];
    runtime.extend([0x60, 0x01, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3, 0x00]);
    assert_eq!(runtime.len(), 0x10);
    runtime.extend([0x5b, 0x61, size[0], size[1], 0x60, 0x23, 0x5f, 0x39, 0x30, 0x60, 0x40, 0x52]);
    runtime.extend([0x61, size[0], size[1], 0x5f, 0xf3, 0x00, 0x00]);
    assert_eq!(runtime.len(), 0x23);
    runtime.extend(&answer);

    let body = (scheme, signature, data, "self".to_owned()).abi_encode_params();
    let (body_size, runtime_size) = (words(body.len()), words(runtime.len()));
    let mut code = Vec::new();
    let begin = |code_size: usize| words(code_size);
    // The creation's own length is known: see the assertion.
    const CREATION: usize = 8 + 1 + 3 * 33 + 5 + 8 + 5;
    code.extend([0x61, body_size[0], body_size[1], 0x61]);
    code.extend(begin(CREATION));
    code.extend([0x5f, 0x39]);
    // Topics last to first: issuer (itself), topic, id, the event's own.
    code.push(0x30);
    for topic in [B256::from(TOPIC), claim_id(trusted, TOPIC), ClaimAdded::SIGNATURE_HASH] {
        code.push(0x7f);
        code.extend(topic);
    }
    code.extend([0x61, body_size[0], body_size[1], 0x5f, 0xa4]);
    code.extend([0x61, runtime_size[0], runtime_size[1], 0x61]);
    code.extend(begin(CREATION + body.len()));
    code.extend([0x5f, 0x39]);
    code.extend([0x61, runtime_size[0], runtime_size[1], 0x5f, 0xf3]);
    assert_eq!(code.len(), CREATION);
    code.extend(body);
    code.extend(runtime);
    node.deploy(&Call::deploy(sender, code.into(), "an identity that attests itself"))
        .await
        .expect("it deploys")
}

/// A claim as an emitter logs it, under any id.
fn told(emitter: Emitter, id: B256, claim: &scenario::Claim) -> Call {
    let event = ClaimAdded {
        claimId: id,
        topic: claim.topic,
        scheme: U256::ONE,
        issuer: claim.issuer,
        signature: claim.signature.clone(),
        data: claim.data.clone(),
        uri: claim.uri.clone(),
    };
    let data = event.encode_log_data();
    emitter.emit(data.topics(), &data.data)
}

async fn token(node: &Node, suite: &Suite, issuer: &ClaimIssuer) -> Token {
    let spec = TokenSpec {
        claim_topics: vec![TOPIC],
        trusted_issuers: vec![TrustedIssuer { issuer: issuer.address, topics: vec![TOPIC] }],
        ..TokenSpec::new("Bond", "BND", 2, node.account(0), node.account(1))
    };
    suite.deploy_token(node, &spec).await.expect("it deploys")
}

#[tokio::test]
async fn an_identity_that_attests_itself_deceives_the_registry_and_not_the_register() {
    let node = node().await;
    let artifacts = Artifacts::open().expect("npm's packages are there");
    let suite = Suite::deploy(&node, &artifacts, node.account(0)).await.expect("it deploys");
    let issuer = ClaimIssuer::deploy(&node, &artifacts, node.account(2), "kyc").await.expect("it deploys");
    let token = token(&node, &suite, &issuer).await;

    let honest: Identity = suite.deploy_identity(&node, node.account(3)).await.expect("it deploys");
    let claim = issuer.claim(honest.address, TOPIC, b"known", "");
    node.send(&honest.add_claim(&claim)).await.expect("the identity takes it");
    let liar = liar(&node, node.account(4), issuer.address).await;
    // Signed in truth, but logged under an id where nobody looks.
    let strange = Emitter::deploy(&node, node.account(5)).await.expect("it deploys");
    let misplaced = issuer.claim(strange.address, TOPIC, b"known", "");
    node.send(&told(strange, B256::repeat_byte(9), &misplaced)).await.expect("it logs");
    // Under the right id, with a signature by nobody's key.
    let forger = Emitter::deploy(&node, node.account(5)).await.expect("it deploys");
    let forged = issuer.signing_as("nobody").claim(forger.address, TOPIC, b"known", "");
    node.send(&told(forger, claim_id(issuer.address, TOPIC), &forged)).await.expect("it logs");
    // By its own key, which it holds for claims, but nobody trusts.
    let vain: Identity = suite.deploy_identity(&node, node.account(6)).await.expect("it deploys");
    let itself = ClaimIssuer { address: vain.address, operator: vain.manager, ..issuer.signing_as("vain") };
    node.send(&vain.add_key(itself.signer.address(), purpose::CLAIM)).await.expect("its manager may");
    node.send(&told(forger, claim_id(vain.address, TOPIC), &itself.claim(forger.address, TOPIC, b"me", "")))
        .await
        .expect("it logs");

    let identities = [honest.address, liar, strange.address, forger.address, vain.address];
    let wallets: Vec<Address> = (10..15).map(Address::repeat_byte).collect();
    for (wallet, identity) in wallets.iter().zip(identities) {
        node.send(&token.register(*wallet, identity, 276)).await.expect("an agent may");
    }
    // Whom the registry finds verified can be given tokens.
    for wallet in &wallets[..2] {
        node.send(&token.mint(*wallet, U256::from(100))).await.expect("the registry says yes");
    }

    let database = database().await;
    let store = Arc::new(postgres_store(&database).await);
    converge(&mut worker(rpc(&node.url()), store.clone(), factories(&suite))).await;
    let pool = pool(&database).await;
    let at = node.head().await.expect("the node answers").header.hash;
    let mut found = Vec::new();
    for wallet in &wallets {
        let on_chain = truth::registration(&node, at, token.identity_registry, *wallet).await;
        let shown: Shown = sqlx::query_as(
            "select case verdict when 'verified' then true when 'not_verified' then false end, reason
             from chain.verdict(31337, $1, $2)",
        )
        .bind(token.identity_registry.as_slice())
        .bind(wallet.as_slice())
        .fetch_one(&pool)
        .await
        .expect("a verdict");
        found.push((on_chain.expect("the registry answers").verified, shown.0, shown.1));
    }
    let no = |reason: &str| Some(format!("topic 7: {reason}"));
    let (untrusted, unsigned) = ("no claim of a trusted issuer", "claim not signed by a key of its issuer");
    assert_eq!(
        found,
        [
            (Some(true), Some(true), None),
            (Some(true), Some(false), no(untrusted)),
            (None, Some(false), no(untrusted)),
            (None, Some(false), no(unsigned)),
            (Some(false), Some(false), no(untrusted)),
        ],
        "isVerified, the register's verdict, its reason"
    );
    let holders: Vec<(String, Option<bool>)> = sqlx::query_as(
        "select holder_address, verified from api.asset_holders where balance_base > 0 order by holder_bytes",
    )
    .fetch_all(&pool)
    .await
    .expect("the register");
    let text = |wallet: &Address| format!("{wallet:#x}");
    assert_eq!(holders, [(text(&wallets[0]), Some(true)), (text(&wallets[1]), Some(false))]);

    let mut matches: Vec<(Address, bool)> = rows::<IdentityClaim, _>(&*store)
        .await
        .into_iter()
        .map(|claim| (claim.identity, claim.id_matches))
        .collect();
    matches.sort();
    let mut expected = vec![
        (honest.address, true),
        (liar, false),
        (strange.address, false),
        (forger.address, true),
        (forger.address, true),
    ];
    expected.sort();
    assert_eq!(matches, expected, "an id that is not of its issuer and topic is told");
}
