//! The actions that the story does without, and a restart in the middle of it.

use alloy::primitives::{Address, U256};
use scenario::abi::{IIdentityRegistry, IOwnable, IToken};
use scenario::suite::setting;
use scenario::{
    Artifacts, Call, Error, Mining, ModuleSpec, Node, NodeOptions, Play, Step, Suite, Token, TokenSpec, play,
    truth,
};

/// A token without claim topics: who is registered is verified.
async fn simple_token(node: &Node, modules: fn(&Suite) -> Vec<ModuleSpec>) -> (Suite, Token) {
    let artifacts = Artifacts::open().unwrap();
    let suite = Suite::deploy(node, &artifacts, node.account(0)).await.unwrap();
    let spec = TokenSpec {
        modules: modules(&suite),
        ..TokenSpec::new("Simple", "SMPL", 0, node.account(1), node.account(2))
    };
    let token = suite.deploy_token(node, &spec).await.unwrap();
    (suite, token)
}

#[tokio::test]
async fn owners_point_to_other_registries_and_leave() {
    let node = Node::start().await.unwrap();
    let (suite, token) = simple_token(&node, |_| Vec::new()).await;
    let (owner, somebody) = (token.owner, node.account(9));
    let topics = suite.deploy_claim_topics_registry(&node, owner).await.unwrap();
    let storage = suite.deploy_identity_registry_storage(&node, owner).await.unwrap();
    let calls = [
        token.set_claim_topics_registry(topics),
        suite.bind_identity_registry(owner, storage, token.identity_registry),
        token.set_storage(storage),
        token.register(somebody, suite.id_factory, 276),
        token.set_onchain_id(Address::ZERO),
        token.transfer_ownership(somebody),
    ];
    node.send_all(&calls).await.unwrap();
    let head = node.head().await.unwrap().header.hash;
    let truth = truth::token(&node, head, token.address).await.unwrap();
    assert_eq!((truth.claim_topics_registry, truth.storage), (topics, storage));
    assert_eq!((truth.onchain_id, truth.owner), (Address::ZERO, somebody));
    assert_eq!(node.call(token.identity_registry, &IOwnable::ownerCall {}).await.unwrap(), owner);
    let registration = truth::registration(&node, head, token.identity_registry, somebody).await.unwrap();
    // No topics, no questions to the identity, which is none.
    assert_eq!((registration.identity, registration.verified), (Some(suite.id_factory), Some(true)));
    let contains = IIdentityRegistry::containsCall { wallet: somebody };
    assert!(node.call(token.identity_registry, &contains).await.unwrap());
}

#[tokio::test]
async fn modules_refuse_what_they_should() {
    let node = Node::start().await.unwrap();
    let (suite, token) = simple_token(&node, |suite| {
        vec![
            // Without settings, and first here: the factory wants it last.
            ModuleSpec { module: suite.modules.country_restrict, settings: Vec::new() },
            ModuleSpec {
                module: suite.modules.max_balance,
                settings: vec![setting::max_balance(U256::from(60))],
            },
            ModuleSpec {
                module: suite.modules.supply_limit,
                settings: vec![setting::supply_limit(U256::from(100))],
            },
        ]
    })
    .await;
    let [first, second] = [node.account(8), node.account(9)];
    let mut identities = Vec::new();
    for (wallet, salt) in [(first, "first"), (second, "second")] {
        let identity = suite.create_identity(&node, wallet, salt).await.unwrap();
        node.send(&token.register(wallet, identity.address, 840)).await.unwrap();
        identities.push(identity);
    }
    node.send(&token.unpause()).await.unwrap();
    let refused = async |call: &Call| match node.send(call).await {
        Err(Error::Reverted { reason, .. }) => reason,
        other => panic!("{} should have failed: {other:?}", call.what),
    };
    let amount = U256::from;
    assert!(refused(&token.mint(first, amount(61))).await.contains("Compliance not followed"));
    node.send(&token.mint(first, amount(60))).await.unwrap();
    assert!(refused(&token.mint(second, amount(41))).await.contains("Compliance not followed"));
    let restrict = setting::restrict_countries(&[840]);
    node.send(&token.call_module(suite.modules.country_restrict, restrict)).await.unwrap();
    assert!(refused(&token.transfer(first, second, amount(1))).await.contains("Transfer not possible"));
    let unrestrict = setting::unrestrict_countries(&[840]);
    node.send(&token.call_module(suite.modules.country_restrict, unrestrict)).await.unwrap();
    let calls = [
        token.transfer(first, second, amount(10)),
        token.batch_freeze(&[(first, amount(30)), (second, amount(5))]),
        token.batch_unfreeze(&[(first, amount(1)), (second, amount(5))]),
    ];
    node.send_all(&calls).await.unwrap();
    let head = node.head().await.unwrap().header.hash;
    let holders = truth::holders(&node, head, token.address, [first, second]).await.unwrap();
    assert_eq!((holders[&first].balance, holders[&first].frozen_tokens), (amount(50), amount(29)));
    assert_eq!((holders[&second].balance, holders[&second].frozen_tokens), (amount(10), amount(0)));
    assert_eq!(truth::token(&node, head, token.address).await.unwrap().modules.len(), 3);
}

#[tokio::test]
async fn a_contract_can_be_made_to_act() {
    let node = Node::start().await.unwrap();
    let (_, token) = simple_token(&node, |_| Vec::new()).await;
    // The token itself is an agent of its identity registry.
    node.impersonate(token.address).await.unwrap();
    let by_itself = Token { agent: token.address, ..token.clone() };
    let receipt = node.send(&by_itself.register(node.account(5), node.account(6), 56)).await.unwrap();
    assert_eq!(receipt.from, token.address);
    assert!(!node.call(token.address, &IToken::isFrozenCall { wallet: node.account(5) }).await.unwrap());
}

#[tokio::test]
async fn blocks_can_come_by_the_clock() {
    let options = NodeOptions { mining: Mining::EverySeconds(1), ..NodeOptions::default() };
    let node = Node::start_with(options).await.unwrap();
    let before = node.block_number().await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
    assert!(node.block_number().await.unwrap() > before);
}

#[tokio::test]
async fn the_node_may_restart_between_the_steps() {
    let calm = Node::start().await.unwrap();
    let expected = play(&calm).await.unwrap();

    let path = std::env::temp_dir().join(format!("scenario-restart-{}.json", std::process::id()));
    let options = NodeOptions { dump_state: Some(path.clone()), ..NodeOptions::default() };
    let mut node = Node::start_with(options.clone()).await.unwrap();
    let port = node.port();
    let mut play = Play::begin(&node).unwrap();
    while let Some(act) = play.play_next(&node).await.unwrap() {
        if matches!(act.step, Step::Bond | Step::Recovery) {
            node.stop().await.unwrap();
            let again = NodeOptions { load_state: Some(path.clone()), port: Some(port), ..options.clone() };
            node = Node::start_with(again).await.unwrap();
        }
    }
    std::fs::remove_file(&path).unwrap();
    let played = play.finish(&node).await.unwrap();
    assert_eq!((played.head, &played.bond), (expected.head, &expected.bond));
    let timestamp = async |node: &Node| node.head().await.unwrap().header.timestamp;
    assert_eq!(timestamp(&node).await, timestamp(&calm).await);
    let at = played.head_hash;
    let truth = truth::token(&node, at, played.bond.address).await.unwrap();
    assert_eq!(truth, truth::token(&calm, expected.head_hash, expected.bond.address).await.unwrap());
}
