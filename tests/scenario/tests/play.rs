//! The story: that it plays, that it is the same twice, and that the contracts tell what it should have done.

use std::time::{Duration, Instant};

use alloy::primitives::{Address, U256};
use alloy::rpc::types::Log;
use scenario::play::topic;
use scenario::truth::{self, HolderTruth};
use scenario::{Node, Play, Played, Step, play};

async fn played() -> (Node, Played) {
    let node = Node::start().await.unwrap();
    let played = play(&node).await.unwrap();
    (node, played)
}

#[tokio::test]
async fn the_story_is_the_same_in_every_run() {
    let begun = Instant::now();
    let (first_node, first) = played().await;
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(60), "the story took {took:?}");
    let (second_node, second) = played().await;
    assert_eq!(first.head_hash, second.head_hash);
    assert_eq!(first_node.all_logs().await.unwrap(), second_node.all_logs().await.unwrap());
    assert_eq!((&first.bond, &first.share), (&second.bond, &second.share));
    assert_eq!(first.identities, second.identities);
    assert_eq!(first.acts, second.acts);
    assert!(first.acts.iter().map(|act| act.step).eq(Step::ALL));
    for pair in first.acts.windows(2) {
        assert_eq!(pair[0].last_block + 1, pair[1].first_block);
    }
}

#[tokio::test]
async fn balances_and_freezes_end_as_told() {
    let (node, played) = played().await;
    let w = played.wallets;
    let at = played.head_hash;
    let bond = &played.bond;
    let expected: [(Address, u64, u64, bool); 9] = [
        (w.alice, 1_090, 0, false),
        (w.bob, 195, 55, false),
        (w.bob_second, 20, 0, false),
        (w.carol, 325, 0, true),
        // The lost wallet stays frozen, with nothing in it.
        (w.dave, 0, 0, true),
        (w.dave_new, 200, 80, true),
        (w.erin, 110, 100, false),
        (w.frank, 0, 0, true),
        (w.grace, 0, 0, false),
    ];
    let mut sum = U256::ZERO;
    for (wallet, balance, frozen_tokens, frozen) in expected {
        let (balance, frozen_tokens) = (bond.units(balance), bond.units(frozen_tokens));
        let holder = truth::holder(&node, at, bond.address, wallet).await.unwrap();
        assert_eq!(holder, HolderTruth { balance, frozen_tokens, frozen }, "{wallet}");
        sum += balance;
    }
    let token = truth::token(&node, at, bond.address).await.unwrap();
    assert_eq!(token.total_supply, bond.units(1_940));
    assert_eq!(token.total_supply, sum);
    assert!(!token.paused);
    assert_eq!((&token.name, &token.symbol, token.decimals), (&bond.name, &bond.symbol, 2));
    assert_eq!(token.compliance, bond.compliance);
    assert_ne!(Some(&token.compliance), played.former.get("bond's first compliance"));
    assert_eq!(token.modules, [played.suite.modules.country_allow]);

    let share = &played.share;
    let holders = truth::holders(&node, at, share.address, played.holders()).await.unwrap();
    let half = share.units(1) / U256::from(2);
    assert_eq!(holders[&w.alice].balance, share.units(1_749) + half);
    assert_eq!(holders[&w.bob].balance, share.units(1_200) + half);
    assert_eq!(holders[&w.bob].frozen_tokens, share.units(100));
    assert_eq!(holders[&w.grace].balance, share.units(150));
    let token = truth::token(&node, at, share.address).await.unwrap();
    assert_eq!(token.total_supply, share.units(3_100));
    assert_eq!(token.total_supply, holders.values().map(|holder| holder.balance).sum::<U256>());
    assert_eq!(token.identity_registry, share.identity_registry);
    assert_eq!(token.trusted_issuers_registry, share.trusted_issuers_registry);
    assert_eq!((token.storage, share.storage), (bond.storage, bond.storage));

    let plain = played.plain.address;
    let alices = truth::balance(&node, at, plain, w.alice).await.unwrap();
    assert_eq!(alices, U256::from(800) * U256::from(10).pow(U256::from(18)));
}

#[tokio::test]
async fn old_blocks_tell_what_was_so_then() {
    let (node, played) = played().await;
    let w = played.wallets;
    let bond = &played.bond;
    let after = async |step: Step| {
        let act = played.acts.iter().find(|act| act.step == step).unwrap();
        node.block_hash(act.last_block).await.unwrap()
    };
    let balance =
        async |step, wallet| truth::balance(&node, after(step).await, bond.address, wallet).await.unwrap();
    assert_eq!(balance(Step::Mint, w.bob).await, bond.units(500));
    assert_eq!(balance(Step::Transfers, w.bob).await, bond.units(555));
    assert_eq!(balance(Step::ForcedTransfers, w.bob).await, bond.units(205));
    assert_eq!(balance(Step::ForcedTransfers, w.dave).await, bond.units(200));
    assert_eq!(balance(Step::Recovery, w.dave).await, U256::ZERO);
    assert_eq!(balance(Step::Recovery, w.dave_new).await, bond.units(200));
    let deployed = truth::token(&node, after(Step::Bond).await, bond.address).await.unwrap();
    assert!(deployed.paused, "a token is paused at first");
    assert_eq!(deployed.name, "Northern Bond 2030");
    let before = bond.deployed_in - 1;
    let before = node.block_hash(before).await.unwrap();
    assert!(truth::balance(&node, before, bond.address, w.bob).await.is_err(), "there was no bond yet");
    // Alice had her claims while nothing pointed to her identity.
    let alice = played.identities["alice"].address;
    assert_eq!(truth::claims(&node, before, alice, &topic::ALL).await.unwrap().len(), 2);
}

#[tokio::test]
async fn registrations_and_verification_end_as_told() {
    let (node, played) = played().await;
    let w = played.wallets;
    let at = played.head_hash;
    let identity = |name: &str| Some(played.identities[name].address);
    let expected = [
        (w.alice, identity("alice"), 528, true),
        (w.bob, identity("bob"), 276, true),
        (w.bob_second, identity("bob"), 250, true),
        // KYC revoked by its issuer.
        (w.carol, identity("carol"), 840, false),
        (w.dave, None, 0, false),
        // Accredited by a key that the accreditor took back.
        (w.dave_new, identity("dave"), 56, false),
        (w.erin, identity("erin"), 56, true),
        (w.frank, identity("frank's second"), 276, false),
        (w.stranger, None, 0, false),
    ];
    for (wallet, identity, country, verified) in expected {
        let truth = truth::registration(&node, at, played.bond.identity_registry, wallet).await.unwrap();
        assert_eq!(
            (truth.identity, truth.country, truth.verified),
            (identity, country, Some(verified)),
            "{wallet}"
        );
    }
    // The share asks for KYC only, and sees whom the bond's registry stored.
    let registry = played.share.identity_registry;
    for (wallet, verified) in [(w.alice, true), (w.dave_new, true), (w.carol, false), (w.grace, true)] {
        let truth = truth::registration(&node, at, registry, wallet).await.unwrap();
        assert_eq!(truth.verified, Some(verified), "{wallet}");
    }
    let trusted = truth::trusted_issuers(&node, at, played.bond.trusted_issuers_registry).await.unwrap();
    let issuers = &played.issuers;
    assert_eq!(trusted[&issuers.kyc.address], [topic::KYC]);
    assert_eq!(trusted[&issuers.notary.address], [topic::KYC]);
    assert_eq!(trusted[&issuers.accreditor.address], [topic::ACCREDITED]);
    let required = truth::required_topics(&node, at, played.bond.claim_topics_registry).await.unwrap();
    assert_eq!(required, [topic::KYC, topic::ACCREDITED]);
    for (agent, is_agent) in [(w.agent, true), (w.second_agent, false)] {
        for contract in [played.bond.address, played.bond.identity_registry] {
            assert_eq!(truth::is_agent(&node, at, contract, agent).await.unwrap(), is_agent);
        }
    }
}

#[tokio::test]
async fn claims_and_keys_end_as_told() {
    let (node, played) = played().await;
    let at = played.head_hash;
    let issuers = &played.issuers;
    let claims = async |name: &str| {
        let identity = played.identities[name].address;
        truth::claims(&node, at, identity, &topic::ALL).await.unwrap().into_values().collect::<Vec<_>>()
    };
    let carols = claims("carol").await;
    let kyc = carols.iter().find(|claim| claim.topic == topic::KYC).unwrap();
    assert_eq!((kyc.issuer, kyc.revoked, kyc.valid), (issuers.kyc.address, Some(true), Some(false)));
    assert_eq!(carols.len(), 2, "the notary's claim is removed");

    let bobs = claims("bob").await;
    let kyc: Vec<_> = bobs.iter().filter(|claim| claim.topic == topic::KYC).collect();
    assert_eq!(kyc.len(), 2, "one by each issuer");
    let changed = kyc.iter().find(|claim| claim.issuer == issuers.kyc.address).unwrap();
    assert_eq!(changed.data.as_ref(), b"bob: identified again");
    assert!(bobs.iter().all(|claim| claim.valid == Some(true)));

    let daves = claims("dave").await;
    let accredited = daves.iter().find(|claim| claim.topic == topic::ACCREDITED).unwrap();
    assert_eq!((accredited.revoked, accredited.valid), (Some(false), Some(false)));

    let alices = claims("alice").await;
    let own = alices.iter().find(|claim| claim.issuer == played.identities["alice"].address).unwrap();
    assert_eq!((own.revoked, own.valid), (None, Some(false)), "an identity knows no revocation");

    let key = scenario::identity::key_of(issuers.accreditor.signer.address());
    let keys =
        truth::keys(&node, at, issuers.accreditor.address, scenario::identity::purpose::CLAIM).await.unwrap();
    assert_eq!(keys, [key]);
}

#[tokio::test]
async fn the_node_may_reorganize_between_the_steps() {
    let (_, calm) = played().await;
    let node = Node::start().await.unwrap();
    let mut play = Play::begin(&node).unwrap();
    let mut step = 0;
    while play.play_next(&node).await.unwrap().is_some() {
        step += 1;
        node.reorg_with_the_same_transactions(1 + step % 5, step % 3).await.unwrap();
    }
    let stormy = play.finish(&node).await.unwrap();
    assert_ne!(calm.head_hash, stormy.head_hash);
    assert_eq!(calm.bond.address, stormy.bond.address);
    assert_eq!(calm.identities, stormy.identities);
    let holders =
        truth::holders(&node, stormy.head_hash, stormy.bond.address, stormy.holders()).await.unwrap();
    assert_eq!(holders[&stormy.wallets.alice].balance, stormy.bond.units(1_090));
}

/// The names of some events by their first topic, for the test below.
fn names(logs: &[Log], played: &Played) -> Vec<String> {
    let events = [
        ("OwnershipTransferred", "OwnershipTransferred(address,address)"),
        ("UpdatedTokenInformation", "UpdatedTokenInformation(string,string,uint8,string,address)"),
        ("KeyAdded", "KeyAdded(bytes32,uint256,uint256)"),
        ("TokenLinked", "TokenLinked(address,address)"),
        ("TREXSuiteDeployed", "TREXSuiteDeployed(address,address,address,address,address,address,string)"),
        ("Deployed", "Deployed(address)"),
        ("Initialized", "Initialized(uint8)"),
        ("ImplementationAuthoritySet", "ImplementationAuthoritySet(address)"),
        ("AgentAdded", "AgentAdded(address)"),
        ("ClaimTopicAdded", "ClaimTopicAdded(uint256)"),
        ("TrustedIssuerAdded", "TrustedIssuerAdded(address,uint256[])"),
        ("IdentityRegistryBound", "IdentityRegistryBound(address)"),
        ("IdentityRegistryAdded", "IdentityRegistryAdded(address)"),
        ("ComplianceAdded", "ComplianceAdded(address)"),
        ("TokenBound", "TokenBound(address)"),
        ("ModuleAdded", "ModuleAdded(address)"),
        ("ModuleInteraction", "ModuleInteraction(address,bytes4)"),
        ("ComplianceBound", "ComplianceBound(address)"),
        ("CountryAllowed", "CountryAllowed(address,uint16)"),
        ("ClaimTopicsRegistrySet", "ClaimTopicsRegistrySet(address)"),
        ("TrustedIssuersRegistrySet", "TrustedIssuersRegistrySet(address)"),
        ("IdentityStorageSet", "IdentityStorageSet(address)"),
    ];
    let emitters = [
        ("token", played.bond.address),
        ("identity registry", played.bond.identity_registry),
        ("storage", played.bond.storage),
        ("issuers", played.bond.trusted_issuers_registry),
        ("topics", played.bond.claim_topics_registry),
        ("compliance", played.former["bond's first compliance"]),
        ("token's identity", played.bond.onchain_id),
        ("factory", played.suite.trex_factory),
        ("id factory", played.suite.id_factory),
        ("country allow", played.suite.modules.country_allow),
    ];
    let name = |log: &Log| {
        let topic = log.topics()[0];
        let event = events.iter().find(|event| alloy::primitives::keccak256(event.1) == topic);
        let emitter = emitters.iter().find(|emitter| emitter.1 == log.address());
        format!("{}: {}", emitter.map_or("?", |emitter| emitter.0), event.map_or("?", |event| event.0))
    };
    logs.iter().map(name).collect()
}

#[tokio::test]
async fn a_suite_announces_itself_last() {
    let (node, played) = played().await;
    let block = node.block_hash(played.bond.deployed_in).await.unwrap();
    let logs = node.logs(&alloy::rpc::types::Filter::new().at_block_hash(block)).await.unwrap();
    let names = names(&logs, &played);
    println!("{}", names.join("\n"));
    assert_eq!(names.last().unwrap(), "factory: TREXSuiteDeployed");
    let place = |name: &str| names.iter().position(|other| other == name).unwrap();
    assert!(place("token: UpdatedTokenInformation") < place("id factory: TokenLinked"));
    assert!(place("token's identity: KeyAdded") < place("id factory: TokenLinked"));
    assert!(names.iter().all(|name| !name.contains('?')), "every log is known");
    assert!(logs.iter().all(|log| log.block_timestamp.is_some()), "anvil tells the timestamp in each log");
}
