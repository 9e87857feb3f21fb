//! Whose word counts: forks, other chains, lies, witnesses, second opinions, and what is final.

use asset_indexer::block::{BlockId, BlockRange};
use asset_indexer::providers::{Rules, Trouble};
use asset_indexer::source::{Source, SourceError, View};

use super::scripted::{A, B, C, Stage, Way, hash, id};

async fn view(stage: &Stage) -> View {
    stage.source.view().await.expect("somebody answers")
}

#[tokio::test]
async fn one_whose_final_block_is_another_than_the_majoritys_is_left_and_is_no_witness() {
    let stage = Stage::of(3, Rules::default());
    stage.begin().await;
    stage.all[A].script().fork = Some((980, "fork"));
    stage.grow(10);
    assert_eq!(stage.begin_after(5).await, "b");
    assert_eq!(stage.trouble(A), Some(Trouble::Forked));
    assert_eq!(view(&stage).await.finalized, id(1_000));
    let theirs = BlockId { number: 990, hash: hash(990, "fork") };
    let witnesses = stage.source.witnesses(theirs).await.expect("an answer");
    assert_eq!((witnesses.agree, witnesses.disagree, witnesses.others), (0, 1, 2), "a's word does not count");
    for _ in 0..299 {
        assert_ne!(stage.begin_after(1).await, "a");
    }
    // It is tried again, is still on the fork, and is left for twice as long.
    for _ in 0..20 {
        assert_ne!(stage.begin_after(1).await, "a");
    }
    let left = stage.standing(A).quarantine.expect("it is left again").seconds_left;
    assert!(left > 300, "{left} s");
}

#[tokio::test]
async fn one_that_is_not_asked_is_found_on_a_fork_too() {
    let stage = Stage::of(3, Rules::default());
    stage.begin().await;
    stage.all[C].script().fork = Some((980, "fork"));
    stage.grow(10);
    assert_eq!(stage.begin_after(5).await, "a");
    assert_eq!(stage.trouble(C), Some(Trouble::Forked));
    let witnesses = stage.source.witnesses(id(995)).await.expect("an answer");
    assert_eq!((witnesses.agree, witnesses.disagree, witnesses.others), (1, 0, 2));
}

#[tokio::test]
async fn where_two_contradict_each_other_nothing_more_is_final() {
    let stage = Stage::of(2, Rules::default());
    assert_eq!(view(&stage).await.finalized, id(990));
    stage.all[B].script().fork = Some((995, "fork"));
    stage.grow(10);
    stage.clock.seconds(5);
    let shown = view(&stage).await;
    assert_eq!((shown.head.id, shown.finalized), (id(1_010), id(990)), "what both had stays final");
    assert_eq!((stage.trouble(A), stage.trouble(B)), (None, None), "nobody can say who is right");
    assert!(stage.source.disagree());
    stage.all[B].script().fork = None;
    stage.clock.seconds(5);
    assert_eq!(view(&stage).await.finalized, id(1_000));
    assert!(!stage.source.disagree());
}

#[tokio::test]
async fn a_contradiction_lasts_when_one_of_them_falls_silent() {
    let stage = Stage::of(2, Rules::default());
    assert_eq!(view(&stage).await.finalized, id(990));
    stage.all[B].script().fork = Some((995, "fork"));
    stage.grow(10);
    stage.clock.seconds(5);
    assert_eq!(view(&stage).await.finalized, id(990));
    stage.all[B].script().otherwise = Way::Fails;
    for _ in 0..30 {
        stage.grow(10);
        stage.clock.seconds(60);
        assert_eq!(view(&stage).await.finalized, id(990), "silence is no agreement");
        assert_eq!(stage.source.alias(), "a");
        assert!(stage.source.disagree());
    }
    let final_block = stage.all[A].script().finalized;
    stage.all[B].script().otherwise = Way::Answers;
    stage.all[B].script().fork = None;
    stage.clock.seconds(300);
    assert_eq!(view(&stage).await.finalized, id(final_block), "now they agree");
    assert!(!stage.source.disagree());
}

#[tokio::test]
async fn a_contradiction_lasts_when_one_of_them_gives_no_block_or_stands_still() {
    let stage = Stage::of(2, Rules::default());
    assert_eq!(view(&stage).await.finalized, id(990));
    stage.all[B].script().fork = Some((995, "fork"));
    stage.grow(10);
    stage.clock.seconds(5);
    assert_eq!(view(&stage).await.finalized, id(990));
    // Its final block is above the other's, so that its block at that height has to be asked for.
    stage.all[B].script().finalized += 5;
    stage.all[B].script().ways.insert("header", Way::Fails);
    stage.clock.seconds(5);
    assert_eq!(view(&stage).await.finalized, id(990), "no vote is no agreement");
    assert!(stage.source.disagree());
    // Its final block is so far behind that it holds nobody back.
    stage.all[B].script().ways.clear();
    stage.all[A].script().head = 1_210;
    stage.all[A].script().finalized = 1_200;
    stage.clock.seconds(5);
    assert_eq!(view(&stage).await.finalized, id(990));
    assert!(stage.source.disagree());
}

#[tokio::test]
async fn where_nothing_was_disputed_one_that_is_alone_goes_on() {
    let stage = Stage::of(2, Rules::default());
    assert_eq!(view(&stage).await.finalized, id(990));
    stage.all[B].script().otherwise = Way::Fails;
    stage.grow(10);
    stage.clock.seconds(60);
    assert_eq!(view(&stage).await.finalized, id(1_000));
    assert!(!stage.source.disagree());
}

#[tokio::test]
async fn two_that_contradict_each_other_from_the_start_agree_on_block_0() {
    let stage = Stage::of(2, Rules::default());
    stage.all[B].script().fork = Some((5, "fork"));
    let shown = view(&stage).await;
    assert_eq!((shown.head.id, shown.finalized), (id(1_000), id(0)));
}

#[tokio::test]
async fn the_lower_final_block_counts_unless_it_is_far_behind() {
    let stage = Stage::of(2, Rules::default());
    stage.all[B].script().finalized = 985;
    assert_eq!(view(&stage).await.finalized, id(985));
    stage.all[B].script().finalized = 995;
    stage.clock.seconds(5);
    assert_eq!(view(&stage).await.finalized, id(990), "the one that is asked has the last word upwards");
    stage.all[B].script().finalized = 990 - 129;
    stage.clock.seconds(5);
    assert_eq!(
        view(&stage).await.finalized,
        id(990),
        "finality that stands still holds nobody back for ever"
    );
}

#[tokio::test]
async fn the_final_block_is_never_above_the_head() {
    let stage = Stage::of(2, Rules::default());
    stage.begin().await;
    stage.all[A].script().otherwise = Way::Fails;
    stage.all[B].script().head = 985;
    stage.all[B].script().finalized = 980;
    let shown = view(&stage).await;
    assert_eq!((shown.head.id, shown.finalized), (id(985), id(980)));
}

#[tokio::test]
async fn one_of_another_chain_is_never_asked() {
    let stage = Stage::of(2, Rules::default());
    stage.all[A].script().chain_id = 5;
    assert_eq!(stage.source.chain_id().await.expect("b answers"), 1);
    assert_eq!(stage.source.alias(), "b");
    let confined = stage.standing(A).quarantine.expect("it is left");
    assert_eq!(
        (confined.trouble, confined.reason.as_str()),
        (Trouble::WrongChain, "it serves chain 5 and not chain 1")
    );
    stage.all[B].script().otherwise = Way::Fails;
    for _ in 0..50 {
        stage.clock.seconds(1);
        let error = stage.source.view().await.expect_err("nobody may answer").to_string();
        assert!(error.contains("a is left alone: it serves chain 5"), "{error}");
    }
    assert!(stage.source.chain_id().await.is_err(), "b may come back: the end of the process is no remedy");
    stage.all[B].script().otherwise = Way::Answers;
    assert_eq!(stage.begin().await, "b");
}

#[tokio::test]
async fn where_all_are_of_another_chain_it_is_told() {
    let stage = Stage::of(2, Rules::default());
    stage.every(|script| script.chain_id = 5);
    assert_eq!(stage.source.chain_id().await.expect("their id"), 5);
    assert!(matches!(stage.source.view().await, Err(SourceError::Unavailable { .. })));
}

#[tokio::test]
async fn one_with_another_block_0_is_never_asked() {
    let stage = Stage::of(3, Rules::default());
    stage.all[A].script().fork = Some((0, "other"));
    assert_eq!(stage.begin().await, "b");
    assert_eq!(stage.trouble(A), Some(Trouble::WrongChain));
}

#[tokio::test]
async fn the_tables_know_which_block_0_is_ours() {
    let stage = Stage::of(2, Rules::default());
    stage.all[A].script().fork = Some((0, "other"));
    assert_eq!(stage.begin().await, "a", "of two that differ the first is believed");
    assert_eq!(stage.trouble(B), Some(Trouble::WrongChain));
    stage.source.expect_genesis(hash(0, ""));
    assert_eq!(stage.source.chain_id().await.expect("b answers"), 1);
    assert_eq!((stage.source.alias().as_str(), stage.trouble(A)), ("b", Some(Trouble::WrongChain)));
    stage.source.expect_genesis(hash(0, ""));
    assert_eq!(stage.trouble(A), Some(Trouble::WrongChain), "told again, nothing is forgiven");
}

#[tokio::test]
async fn another_chain_behind_the_same_url_is_found_at_the_next_connection_or_within_the_hour() {
    let stage = Stage::of(2, Rules::default());
    stage.begin().await;
    stage.all[A].script().chain_id = 5;
    assert_eq!(stage.begin_after(3_500).await, "a");
    assert_eq!(stage.begin_after(101).await, "b", "within the hour");
    let stage = Stage::of(2, Rules::default());
    stage.begin().await;
    stage.all[A].script().otherwise = Way::Fails;
    assert_eq!(stage.begin_after(1).await, "b");
    stage.all[A].script().otherwise = Way::Answers;
    stage.all[A].script().chain_id = 5;
    for _ in 0..10 {
        assert_eq!(stage.begin_after(1).await, "b");
    }
    assert_eq!(stage.trouble(A), Some(Trouble::WrongChain), "at the next connection");
}

#[tokio::test]
async fn who_is_blamed_is_left_at_once_and_for_long() {
    let stage = Stage::of(3, Rules::default());
    stage.begin().await;
    stage.source.blame("its receipts are not those of the block");
    assert_eq!(stage.source.alias(), "a", "not in the middle of a unit of work");
    assert_eq!(stage.begin().await, "b");
    for _ in 0..290 {
        assert_eq!(stage.begin_after(1).await, "b");
    }
    let witnesses = stage.source.witnesses(id(900)).await.expect("an answer");
    assert_eq!((witnesses.agree, witnesses.disagree, witnesses.others), (1, 0, 2));
    let range = BlockRange { from: 1, to: 2 };
    for _ in 0..6 {
        let opinion = stage.source.second_opinion(range, &[]).await.expect("an answer").expect("c's");
        assert_eq!(opinion.provider, "c");
    }
    // It is tried again, and caught again: twice as long.
    while stage.begin_after(1).await != "a" {}
    stage.source.blame("again");
    stage.begin().await;
    assert!(stage.standing(A).quarantine.expect("it is left").seconds_left > 590);
}

#[tokio::test]
async fn when_all_are_blamed_one_is_asked_but_none_is_a_witness() {
    let stage = Stage::of(2, Rules::default());
    stage.begin().await;
    stage.source.blame("a lied");
    assert_eq!(stage.begin().await, "b");
    stage.source.blame("b lied");
    assert_eq!(stage.begin_after(1).await, "a", "the one whose time is over first");
    let witnesses = stage.source.witnesses(id(900)).await.expect("an answer");
    assert_eq!((witnesses.agree, witnesses.disagree, witnesses.others), (0, 0, 1));
    assert!(
        stage.source.second_opinion(BlockRange { from: 1, to: 2 }, &[]).await.expect("an answer").is_none()
    );
}

#[tokio::test]
async fn witnesses_are_those_who_answer() {
    let stage = Stage::of(5, Rules::default());
    stage.begin().await;
    stage.all[B].script().fork = Some((995, "fork"));
    stage.all[C].script().ways.insert("header", Way::Hangs);
    stage.all[3].script().ways.insert("header", Way::Fails);
    let witnesses = stage.source.witnesses(id(996)).await.expect("an answer");
    assert_eq!((witnesses.agree, witnesses.disagree, witnesses.others), (1, 1, 4));
    let witnesses = stage.source.witnesses(id(2_000)).await.expect("an answer");
    assert_eq!((witnesses.agree, witnesses.disagree, witnesses.others), (0, 0, 4), "nobody has it yet");
}

#[tokio::test]
async fn a_second_opinion_is_each_ones_turn_and_a_failure_is_passed_over() {
    let stage = Stage::of(3, Rules::default());
    stage.begin().await;
    let range = BlockRange { from: 1, to: 2 };
    let mut given = Vec::new();
    for _ in 0..4 {
        given.push(stage.source.second_opinion(range, &[]).await.expect("an answer").expect("one").provider);
    }
    given.sort();
    assert_eq!(given, ["b", "b", "c", "c"]);
    stage.all[B].script().ways.insert("logs_in_range", Way::Hangs);
    for _ in 0..2 {
        let opinion = stage.source.second_opinion(range, &[]).await.expect("an answer").expect("one");
        assert_eq!(opinion.provider, "c");
    }
    stage.all[C].script().ways.insert("logs_in_range", Way::Fails);
    let none = stage.source.second_opinion(range, &[]).await.expect("no failure of the one that is asked");
    assert!(none.is_none());
    assert_eq!(stage.standing(A).score, 1.0);
}

#[tokio::test]
async fn a_quorum_shows_the_newest_block_that_enough_have() {
    let stage = Stage::of(3, Rules { quorum: 2, ..Rules::default() });
    for (heads, shown) in
        [([1_000, 1_000, 1_000], 1_000), ([1_003, 1_001, 1_000], 1_001), ([1_004, 1_001, 1_004], 1_004)]
    {
        stage.all.iter().zip(heads).for_each(|(one, head)| one.script().head = head);
        assert_eq!(view(&stage).await.head.id, id(shown), "{heads:?}");
    }
    // a alone is on a fork: whoever is asked is one of the two others.
    stage.all[A].script().fork = Some((1_000, "fork"));
    let shown = view(&stage).await;
    assert_eq!((shown.head.id, stage.source.alias().as_str()), (id(1_001), "b"), "b and c have it");
    stage.every(|script| script.fork = Some((998, "new")));
    assert_eq!(view(&stage).await.head.id.hash, hash(1_004, "new"));
}

#[tokio::test]
async fn a_quorum_that_is_not_there_shows_nothing_and_says_so() {
    let stage = Stage::of(3, Rules { quorum: 2, ..Rules::default() });
    stage.begin().await;
    (B..=C).for_each(|i| stage.all[i].script().otherwise = Way::Fails);
    for _ in 0..20 {
        stage.clock.seconds(1);
        let error = stage.source.view().await.expect_err("one is no quorum").to_string();
        assert!(error.contains("2 providers must have a block before it is shown (rpc.quorum)"), "{error}");
    }
    stage.all[C].script().otherwise = Way::Answers;
    stage.begin().await;
    // Liars are no quorum either.
    stage.all[B].script().otherwise = Way::Answers;
    for _ in 0..2 {
        stage.source.blame("a lie");
        drop(stage.source.view().await);
    }
    assert!(stage.source.view().await.is_err(), "{:?}", stage.source.standings());
}

#[tokio::test]
async fn a_final_block_is_not_above_the_quorums_head() {
    let stage = Stage::of(2, Rules { quorum: 2, ..Rules::default() });
    stage.every(|script| script.finalized = script.head);
    stage.all[A].script().head = 1_002;
    stage.all[A].script().finalized = 1_002;
    let shown = view(&stage).await;
    assert_eq!((shown.head.id, shown.finalized), (id(1_000), id(1_000)));
}

/// Chains whose finality lies far behind their head: who calls its head final is not believed where all others know better.
#[tokio::test]
async fn a_final_block_far_above_everybody_elses_is_not_final() {
    let stage = Stage::of(3, Rules::default());
    for script in &stage.all {
        let mut script = script.script();
        (script.head, script.finalized) = (10_000, 9_000);
    }
    stage.all[C].script().finalized = 8_990;
    stage.all[A].script().finalized = 10_000;
    let shown = view(&stage).await;
    assert_eq!((stage.source.alias().as_str(), shown.head.id), ("a", id(10_000)));
    assert_eq!(shown.finalized, id(8_990), "the lower of those that are near each other");
    // Who has no newer blocks either stands still, and who never saw a final block knows of none.
    stage.all[B].script().finalized = 0;
    stage.all[C].script().head = 9_000;
    stage.clock.seconds(5);
    assert_eq!(view(&stage).await.finalized, id(10_000));
}
