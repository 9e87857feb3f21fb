//! Providers that do anything at any time, by seed; what must hold whatever they do.

use asset_indexer::block::BlockId;
use asset_indexer::providers::{Rules, Trouble};
use asset_indexer::source::{Source, SourceError};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::scripted::{Script, Stage, Way};

const METHODS: [&str; 5] = ["chain_id", "view", "header", "logs_of_block", "receipts"];
const WAYS: [Way; 8] = [
    Way::Answers,
    Way::Answers,
    Way::Answers,
    Way::Fails,
    Way::Refuses,
    Way::Pruned,
    Way::Contradicts,
    Way::Hangs,
];

fn disturb(script: &mut Script, rng: &mut StdRng) {
    match rng.random_range(0..9) {
        0..=2 => {
            script.ways.insert(METHODS[rng.random_range(0..5)], WAYS[rng.random_range(0..8)]);
        }
        3..=4 => script.ways.clear(),
        5 => script.otherwise = WAYS[rng.random_range(0..8)],
        6 => script.otherwise = Way::Answers,
        7 => {
            let depth = rng.random_range(1..30);
            script.fork = [None, Some((script.head.saturating_sub(depth), "fork"))][rng.random_range(0..2)];
        }
        _ => script.gives_up_to = [u64::MAX, u64::MAX, script.head - 1][rng.random_range(0..3)],
    }
}

async fn play(seed: u64) -> (u64, u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let count = rng.random_range(1..=4);
    let quorum = rng.random_range(1..=2.min(count));
    let stage = Stage::of(count, Rules { quorum, ..Rules::default() });
    for one in &stage.all {
        one.script().chain_id = [1, 1, 1, 1, 1, 2][rng.random_range(0..6)];
    }
    let (mut shown, mut failed) = (0, 0);
    for _ in 0..60 {
        stage.clock.pass(std::time::Duration::from_millis(rng.random_range(0..20_000)));
        let (blocks, all) = (rng.random_range(0..4), rng.random_bool(0.8));
        for one in &stage.all {
            if all || rng.random_bool(0.5) {
                let mut script = one.script();
                script.head += blocks;
                script.finalized = script.head - 10;
            }
        }
        if rng.random_bool(0.5) {
            let i = rng.random_range(0..count);
            let mut script = stage.all[i].script();
            disturb(&mut script, &mut rng);
            if count == 1 {
                // Who is alone is waited for: its timeouts are its own.
                let answered = |way: &mut Way| *way = if *way == Way::Hangs { Way::Fails } else { *way };
                script.ways.values_mut().for_each(answered);
                answered(&mut script.otherwise);
            }
        }
        let before = stage.source.alias();
        let view = stage.source.view().await;
        let pinned =
            stage.all.iter().position(|one| one.alias() == stage.source.alias()).expect("one of them");
        let script = stage.all[pinned].script().clone();
        match view {
            Ok(view) => {
                shown += 1;
                assert_eq!(view.head.id, script.id(view.head.id.number), "the head is its own block");
                let BlockId { number, .. } = view.finalized;
                let own = script.id(number);
                assert!(view.finalized == own, "the final block {number} is its own");
                assert!(number <= view.head.id.number && number <= script.finalized, "{number}");
                if count > 1 {
                    assert_eq!(
                        script.chain_id,
                        1,
                        "another chain is never asked: {:?}",
                        stage.source.standings()
                    );
                }
            }
            Err(error) => {
                failed += 1;
                assert_eq!(stage.source.alias(), before, "who answers changes only with a view");
                let perfect = |script: &Script| {
                    script.otherwise == Way::Answers
                        && script.ways.values().all(|way| *way == Way::Answers)
                        && (script.chain_id, script.fork, script.gives_up_to) == (1, None, u64::MAX)
                };
                let good = stage.all.iter().filter(|one| perfect(&one.script())).count();
                // Without forks and other chains in the past, enough good ones always show something.
                let marked = (0..count).any(|i| {
                    stage.trouble(i).is_some_and(Trouble::is_of_integrity)
                        || stage.all[i].script().fork.is_some()
                });
                assert!(good < quorum || marked, "{good} of {count} are well: {error}");
            }
        }
        stage.take_asked();
        for _ in 0..rng.random_range(0..3) {
            let id = script.id(script.head);
            drop(stage.source.header(id.number).await);
            drop(stage.source.logs_of_block(id).await);
            match stage.source.receipts(id).await {
                Err(SourceError::Pruned { .. }) => assert!((0..count).all(|i| {
                    i == pinned || matches!(stage.trouble(i), Some(Trouble::Pruned | Trouble::WrongChain))
                })),
                _ => continue,
            }
        }
        let alias = stage.source.alias();
        assert!(
            stage.take_asked().iter().all(|(asked, _)| **asked == alias),
            "one unit of work, one provider"
        );
        if rng.random_range(0..40) == 0 {
            stage.source.blame("as the dice say");
        }
        let witnesses = stage.source.witnesses(script.id(script.head)).await.expect("an answer");
        assert!(witnesses.agree + witnesses.disagree <= witnesses.others && witnesses.others == count - 1);
        let trusted = (0..count)
            .filter(|i| *i != pinned && !stage.trouble(*i).is_some_and(Trouble::is_of_integrity))
            .count();
        assert!(witnesses.agree + witnesses.disagree <= trusted, "a liar is no witness");
    }
    (shown, failed)
}

#[tokio::test]
async fn whatever_they_do_the_rules_hold() {
    let (mut shown, mut failed) = (0, 0);
    for seed in 0..300 {
        let played = tokio::spawn(play(seed)).await.unwrap_or_else(|panic| panic!("seed {seed}: {panic}"));
        shown += played.0;
        failed += played.1;
    }
    assert!(shown > 6_000 && failed > 600, "both happen often: {shown} shown, {failed} not");
}
