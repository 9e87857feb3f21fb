//! What a provider withholds or alters is found, and mended or never shown: the proofs at work, one lie at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy::primitives::{Address, B256, U256};
use asset_indexer::block::{BlockRange, RawLog};
use asset_indexer::proof::Method;
use asset_indexer::proof::beside::is_beside;
use asset_indexer::source::Witnesses;
use asset_indexer::store::memory::MemoryStore;
use asset_indexer::store::{ALL_BLOCKS, Checkpoint, Evidence, STRETCH_BLOCKS, Status, Store};
use asset_indexer::sync::{Config, Outcome, Proving, Sync, SyncError};
use asset_indexer::table::contract::{Contract, LateHistory};

use crate::support::liar::{Liar, Lies};
use crate::support::real::rows;
use crate::support::world::{assert_equal, config, converge, database, fresh, pool, worker};
use simulation::chain::SimChain;
use simulation::play::Play;

mod forms;

const FINALITY: u64 = 6;

/// A grown chain, a provider in front of it, and a worker that has not begun.
struct World {
    play: Play,
    chain: Arc<SimChain>,
    liar: Arc<Liar>,
    settings: Config,
    worker: Sync<Liar, MemoryStore>,
}

impl World {
    fn new(seed: u64, blocks: usize, proving: Proving) -> Self {
        let mut play = Play::new(seed);
        let chain = Arc::new(Play::chain(FINALITY));
        for block in play.blocks(blocks) {
            chain.mine(block);
        }
        let liar = Arc::new(Liar::new(chain.clone()));
        let settings = Config { proving, ..config(&Play::contracts()) };
        let worker = worker(liar.clone(), Arc::new(MemoryStore::new()), settings.clone());
        Self { play, chain, liar, settings, worker }
    }

    fn grow(&mut self, blocks: usize) {
        for block in self.play.blocks(blocks) {
            self.chain.mine(block);
        }
    }

    async fn checkpoint(&self) -> Checkpoint {
        self.worker.store().checkpoint().await.expect("readable").expect("there")
    }

    /// The logs that an honest index holds, up to a block.
    async fn honest_logs(&self, to: u64) -> Vec<RawLog> {
        let store = fresh(&self.chain, &self.settings).await;
        let range = asset_indexer::block::BlockRange { from: 0, to };
        store.ground_logs(range, None).await.expect("readable")
    }

    /// What cannot be proved is asked for more and more seldom while nothing changes.
    async fn assert_tried_seldom(&mut self) {
        let begun = self.liar.proofs_begun();
        for look in 0..500 {
            let looked = self.worker.step(None).await;
            assert!(matches!(looked, Ok(Outcome::Idle)), "look {look}: {looked:?}");
        }
        let tries = self.liar.proofs_begun() - begun;
        assert!((6..=16).contains(&tries), "{tries} tries while nothing changed");
    }

    /// All is as if the provider had always been honest, and all of it is proved.
    async fn assert_mended(&self, context: &str) {
        let honest = fresh(&self.chain, &self.settings).await;
        assert_equal(&**self.worker.store(), &honest, context).await;
        let checkpoint = self.checkpoint().await;
        assert!(checkpoint.verified.number >= checkpoint.finalized.number, "{context}: {checkpoint:?}");
        let store = self.worker.store();
        let known: Vec<_> = rows::<Contract, _>(&**store).await.into_iter().map(|row| row.address).collect();
        for row in rows::<LateHistory, _>(&**store).await {
            // Of a contract that a reorg took back such a row means nothing.
            let is_done = row.next_block > row.through_block || row.next_block > checkpoint.finalized.number;
            assert!(is_done || !known.contains(&row.address), "{context}: {row:?}, {checkpoint:?}");
        }
    }

    /// Steps until an error, or to rest.
    async fn until_refused(&mut self) -> Option<SyncError> {
        for _ in 0..1_000 {
            match self.worker.step(None).await {
                Ok(Outcome::Idle | Outcome::Halted { .. }) => return None,
                Ok(_) => {}
                Err(error) => return Some(error),
            }
        }
        panic!("the worker does not come to rest");
    }
}

#[tokio::test]
async fn an_honest_chain_is_proved_to_its_finality_and_at_its_head() {
    let mut world = World::new(11, 40, Proving::Background);
    converge(&mut world.worker).await;
    world.grow(5);
    converge(&mut world.worker).await;
    world.assert_mended("honest").await;
    let checkpoint = world.checkpoint().await;
    assert_eq!(checkpoint.verified, checkpoint.block.id, "blocks at the head are proved as they come");
    let evidence = world.worker.store().evidence(ALL_BLOCKS).await.expect("readable");
    assert!(evidence.iter().any(|stretch| stretch.method == Method::Receipts));
    for pair in evidence.windows(2) {
        assert_eq!(pair[0].range.to + 1, pair[1].range.from, "without a gap");
        assert_eq!(pair[0].hash, pair[1].parent, "and by hashes");
    }
    assert!(world.liar.blamed().is_empty());
}

/// On Polygon what a state sync logged was beside the receipts root: blocks with it are proved all the same, what it logged
/// is kept whether receipts tell of it or not, and elsewhere such a log is none.
#[tokio::test]
async fn what_a_state_sync_logged_is_kept_and_stands_in_no_proofs_way() {
    let token = Play::contracts()[0].1;
    for (proving, tell) in [
        (Proving::Background, false),
        (Proving::Background, true),
        (Proving::BeforeCommit, false),
        (Proving::BeforeCommit, true),
    ] {
        let mut world = World::new(12, 40, proving);
        // Blocks with other logs of ours, and without any.
        let beside: BTreeMap<u64, Address> = (2..60).step_by(3).map(|number| (number, token)).collect();
        let lies = Lies { beside, receipts_tell_beside: tell, ..Lies::default() };
        world.liar.tell(lies);
        world.settings.chain_id = 137;
        world.worker = worker(world.liar.clone(), Arc::new(MemoryStore::new()), world.settings.clone());
        converge(&mut world.worker).await;
        world.grow(7);
        converge(&mut world.worker).await;
        let context = format!("{proving:?}, {tell}");
        let checkpoint = world.checkpoint().await;
        assert_eq!(checkpoint.verified, checkpoint.block.id, "{context}");
        let range = BlockRange { from: 0, to: checkpoint.block.id.number };
        let logs = world.worker.store().ground_logs(range, None).await.expect("readable");
        let kept: Vec<u64> = logs.iter().filter(|log| is_beside(log)).map(|log| log.block.number).collect();
        let logged: Vec<u64> = (2..=range.to).step_by(3).collect();
        assert_eq!(kept, logged, "{context}");
        assert!(world.liar.blamed().is_empty(), "{context}: {:?}", world.liar.blamed());

        let settings = Config { proving: Proving::Off, ..world.settings.clone() };
        let mut unproved = worker(world.liar.clone(), Arc::new(MemoryStore::new()), settings);
        converge(&mut unproved).await;
        assert_equal(&**world.worker.store(), &**unproved.store(), &context).await;

        // Who does not list them does not prove that they are not there.
        world.liar.tell(Lies::default());
        let mut sweeping = worker(world.liar.clone(), unproved.store().clone(), world.settings.clone());
        let outcomes = converge(&mut sweeping).await;
        assert!(outcomes.iter().any(|it| matches!(it, Outcome::Verified { .. })), "{context}: {outcomes:?}");
        assert_equal(&**world.worker.store(), &**unproved.store(), &context).await;
    }

    // Nor does such a log stand before one that is under the root.
    let mut world = World::new(12, 40, Proving::BeforeCommit);
    let beside = (2..40).map(|number| (number, token)).collect();
    world.liar.tell(Lies { beside, beside_at: Some(0), ..Lies::default() });
    world.settings.chain_id = 137;
    world.worker = worker(world.liar.clone(), Arc::new(MemoryStore::new()), world.settings.clone());
    let refused = world.until_refused().await;
    assert!(
        matches!(refused, Some(SyncError::Disproved { .. } | SyncError::Contradiction(_))),
        "{refused:?}"
    );

    let mut world = World::new(12, 40, Proving::BeforeCommit);
    world.liar.tell(Lies { beside: BTreeMap::from([(20, token)]), ..Lies::default() });
    converge(&mut world.worker).await;
    let range = BlockRange { from: 0, to: 40 - FINALITY };
    let logs = world.worker.store().ground_logs(range, None).await.expect("readable");
    assert_eq!(logs.len(), world.honest_logs(range.to).await.len());
}

#[tokio::test]
async fn a_log_withheld_from_a_backfill_is_found_and_put_in() {
    for seed in 20..26 {
        let mut world = World::new(seed, 40, Proving::Background);
        let logs = world.honest_logs(40 - FINALITY).await;
        let hidden = logs.iter().step_by(3).map(|log| (log.block.number, log.log_index)).collect();
        world.liar.tell(Lies { hidden, ..Lies::default() });
        let outcomes = converge(&mut world.worker).await;
        assert!(
            outcomes.iter().any(|outcome| matches!(outcome, Outcome::Repaired { .. })),
            "seed {seed}: {outcomes:?}"
        );
        world.liar.tell(Lies::default());
        world.grow(FINALITY as usize + 2);
        converge(&mut world.worker).await;
        world.assert_mended(&format!("seed {seed}")).await;
    }
}

#[tokio::test]
async fn a_withheld_announcement_is_made_good_with_everything_it_announces() {
    let mut world = World::new(31, 50, Proving::Background);
    let logs = world.honest_logs(50).await;
    let factory = Play::contracts()[0].1;
    let announcement = logs.iter().find(|log| log.address == factory).expect("a suite was deployed");
    let hidden = [(announcement.block.number, announcement.log_index)].into();
    world.liar.tell(Lies { hidden, ..Lies::default() });
    converge(&mut world.worker).await;
    world.liar.tell(Lies::default());
    world.grow(FINALITY as usize + 2);
    converge(&mut world.worker).await;
    world.assert_mended("an announcement").await;
}

#[tokio::test]
async fn an_altered_log_is_replaced() {
    let mut world = World::new(41, 40, Proving::Background);
    let logs = world.honest_logs(30).await;
    let altered = logs.iter().filter(|log| !log.data.is_empty()).step_by(4);
    let altered = altered.map(|log| (log.block.number, log.log_index)).collect();
    world.liar.tell(Lies { altered, ..Lies::default() });
    let outcomes = converge(&mut world.worker).await;
    let removed: usize = outcomes
        .iter()
        .map(|outcome| if let Outcome::Repaired { removed, .. } = outcome { *removed } else { 0 })
        .sum();
    assert!(removed > 0, "{outcomes:?}");
    world.liar.tell(Lies::default());
    world.grow(FINALITY as usize + 2);
    converge(&mut world.worker).await;
    world.assert_mended("altered").await;
}

#[tokio::test]
async fn nothing_is_visible_that_is_not_proved_when_nothing_may_be() {
    for seed in 50..54 {
        let mut world = World::new(seed, 40, Proving::BeforeCommit);
        let logs = world.honest_logs(40).await;
        let hidden = logs.iter().map(|log| (log.block.number, log.log_index)).collect();
        world.liar.tell(Lies { hidden, ..Lies::default() });
        converge(&mut world.worker).await;
        world.assert_mended("lists are not asked at all").await;
        let last = world.checkpoint().await.block.id.number;
        world.grow(10);
        let grown = world.honest_logs(60).await;
        let next = grown.iter().find(|log| log.block.number > last).expect("a log").block.number;
        world.liar.tell(Lies { short_receipts: [next].into(), ..Lies::default() });
        let refused = world.until_refused().await;
        assert!(matches!(refused, Some(SyncError::Disproved { block, .. }) if block == next), "{refused:?}");
        assert!(world.checkpoint().await.block.id.number < next, "it stops at a certain block");
        assert_eq!(world.liar.blamed().len(), 1);
        world.liar.tell(Lies::default());
        converge(&mut world.worker).await;
        world.assert_mended("healed").await;
    }
}

#[tokio::test]
async fn wrong_receipts_at_the_head_are_never_taken() {
    let mut world = World::new(61, 20, Proving::Background);
    converge(&mut world.worker).await;
    let before = world.checkpoint().await.block.id.number;
    world.grow(8);
    let logs = world.honest_logs(28).await;
    let above = before.max(world.chain.head().number - FINALITY);
    let next = logs.iter().find(|log| log.block.number > above).expect("a log").block.number;
    world.liar.tell(Lies { short_receipts: [next].into(), ..Lies::default() });
    let refused = world.until_refused().await.expect("refused");
    assert!(refused.to_string().contains(&format!("block {next}")), "{refused}");
    assert_eq!(world.checkpoint().await.block.id.number, next - 1);
}

#[tokio::test]
async fn a_chain_that_proves_nothing_is_indexed_and_never_called_proved() {
    for lies in
        [Lies { strange_headers: true, ..Lies::default() }, Lies { no_receipts: true, ..Lies::default() }]
    {
        let mut world = World::new(71, 30, Proving::Background);
        world.liar.tell(lies);
        let refused = world.until_refused().await;
        assert!(refused.is_none(), "what cannot be proved holds nothing up: {refused:?}");
        let checkpoint = world.checkpoint().await;
        assert_eq!(checkpoint.block.id, world.chain.head(), "it is indexed to the head all the same");
        let logs = world.honest_logs(30).await;
        assert!(checkpoint.verified.number < logs[0].block.number, "{checkpoint:?}");
        let honest = fresh(&world.chain, &world.settings).await;
        assert_equal(&**world.worker.store(), &honest, "unproved").await;

        world.assert_tried_seldom().await;
        assert!(world.liar.last_proof() <= 2, "{} headers", world.liar.last_proof());
        world.liar.tell(Lies::default());
        for _ in 0..64 {
            world.worker.step(None).await.expect("it looks");
        }
        converge(&mut world.worker).await;
        world.assert_mended("provable at last").await;
    }
    let mut strict = World::new(71, 30, Proving::BeforeCommit);
    strict.liar.tell(Lies { strange_headers: true, ..Lies::default() });
    let refused = strict.until_refused().await.expect("nothing may be visible");
    assert!(refused.to_string().contains("no second provider"), "{refused}");
    assert_eq!(strict.honest_logs(strict.checkpoint().await.block.id.number).await.len(), 0);
}

#[tokio::test]
async fn two_providers_that_agree_stand_in_for_a_proof_and_two_that_differ_do_not() {
    let agree = Some(Witnesses { agree: 1, disagree: 0, others: 1 });
    let honest = Lies { strange_headers: true, has_second: true, witnesses: agree, ..Lies::default() };
    for proving in [Proving::Background, Proving::BeforeCommit] {
        let mut world = World::new(81, 30, proving);
        world.liar.tell(honest.clone());
        converge(&mut world.worker).await;
        world.assert_mended("by quorum").await;
        let evidence = world.worker.store().evidence(ALL_BLOCKS).await.expect("readable");
        assert!(evidence.iter().all(|stretch| stretch.method == Method::Quorum));
        assert!(evidence.iter().all(|stretch| stretch.provider == "liar+second"), "{evidence:?}");
    }
    let mut world = World::new(82, 30, Proving::BeforeCommit);
    let logs = world.honest_logs(30).await;
    let hidden = logs.iter().skip(3).take(1).map(|log| (log.block.number, log.log_index)).collect();
    world.liar.tell(Lies { hidden, ..honest });
    let refused = world.until_refused().await.expect("one of them is wrong");
    assert!(
        matches!(&refused, SyncError::Disproved { reason, .. } if reason.contains("one of them is wrong")),
        "{refused}"
    );
}

#[tokio::test]
async fn evidence_of_another_fork_is_collected_anew() {
    let mut world = World::new(91, 40, Proving::Background);
    while world.worker.position().is_none_or(|at| at.id != world.chain.head()) {
        world.worker.step(None).await.expect("the step succeeds"); // to the head, without the sweep
    }
    world.liar.tell(Lies { fork_from: Some(5), ..Lies::default() });
    let mut outcomes = Vec::new();
    for _ in 0..400 {
        match world.worker.step(None).await {
            Ok(Outcome::Unproved { reason }) => {
                outcomes.push(reason);
                world.liar.tell(Lies::default());
            }
            Ok(Outcome::Idle) if !outcomes.is_empty() => break,
            _ => {}
        }
    }
    assert!(!outcomes.is_empty(), "the fork hung together with nothing and was not noticed");
    world.assert_mended("after the fork").await;
}

#[tokio::test]
async fn a_provider_that_others_outvote_is_blamed_and_its_blocks_are_not_proved() {
    let mut world = World::new(92, 40, Proving::Background);
    let outvoted = Some(Witnesses { agree: 0, disagree: 2, others: 2 });
    world.liar.tell(Lies { witnesses: outvoted, ..Lies::default() });
    let refused = world.until_refused().await;
    assert!(refused.is_none(), "the head is followed all the same: {refused:?}");
    assert!(!world.liar.blamed().is_empty());
    let checkpoint = world.checkpoint().await;
    assert!(checkpoint.verified.number < checkpoint.finalized.number, "{checkpoint:?}");
}

#[tokio::test]
async fn a_deep_reorg_needs_a_second_word_or_three_looks() {
    let mut world = World::new(101, 30, Proving::Background);
    world.settings.reorg_depth_trusted = 2;
    world.worker = worker(world.liar.clone(), Arc::new(MemoryStore::new()), world.settings.clone());
    converge(&mut world.worker).await;
    let fork = world.play.blocks(6);
    world.chain.reorg(4, fork);
    let mut looks = 0;
    loop {
        match world.worker.step(None).await.expect("the step succeeds") {
            Outcome::Disputed { .. } => looks += 1,
            Outcome::RolledBack { from, ancestor, is_reorg } => {
                assert!(is_reorg);
                assert_eq!(from.number - ancestor.number, 4);
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(looks, 2, "the third look is believed");
    converge(&mut world.worker).await;
    world.assert_mended("followed").await;

    let fork = world.play.blocks(6);
    world.chain.reorg(4, fork);
    let nobody = Witnesses { agree: 0, disagree: 0, others: 2 };
    world.liar.tell(Lies { witnesses: Some(nobody), ..Lies::default() });
    for _ in 0..5 {
        let waits = world.worker.step(None).await.expect("the step succeeds");
        assert!(matches!(waits, Outcome::Disputed { .. }), "others are silent: it waits; {waits:?}");
    }
    world.liar.tell(Lies { witnesses: Some(Witnesses { disagree: 2, ..nobody }), ..Lies::default() });
    let error = world.worker.step(None).await.expect_err("nobody else tells of it");
    assert!(error.to_string().contains("it is not followed"), "{error}");
    world.liar.tell(Lies { witnesses: Some(Witnesses { agree: 1, ..nobody }), ..Lies::default() });
    converge(&mut world.worker).await;
    world.assert_mended("agreed").await;
}

#[tokio::test]
async fn a_contradiction_of_finality_halts_only_without_a_witness_and_until_resumed() {
    let mut world = World::new(111, 30, Proving::Background);
    converge(&mut world.worker).await;
    let at = world.checkpoint().await;
    let fork = world.play.blocks(14);
    world.chain.reorg(12, fork);
    let with = |agree, disagree, others| Lies {
        witnesses: Some(Witnesses { agree, disagree, others }),
        ..Lies::default()
    };
    world.liar.tell(with(1, 1, 2));
    let error = world.worker.step(None).await.expect_err("another provider still has our block");
    assert!(matches!(error, SyncError::Contradiction(_)), "{error}");
    world.liar.tell(with(0, 0, 2));
    let error = world.worker.step(None).await.expect_err("nobody can be asked");
    assert!(error.to_string().contains("no other provider can be asked"), "{error}");
    assert_eq!(world.checkpoint().await.status, Status::Running, "neither of them stops the chain for good");
    world.liar.tell(with(0, 2, 2));
    let halted = world.worker.step(None).await.expect("the step succeeds");
    assert!(matches!(&halted, Outcome::Halted { reason } if reason.contains("resume")), "{halted:?}");
    let mut restarted = worker(world.liar.clone(), world.worker.store().clone(), world.settings.clone());
    let halted = restarted.step(None).await.expect("the step succeeds");
    assert!(matches!(halted, Outcome::Halted { .. }), "a restart clears nothing: {halted:?}");
    world.worker.store().resume("looked into").await.expect("an operator may");
    let resumed = world.checkpoint().await;
    assert_eq!((resumed.block, resumed.status), (at.block, Status::Running), "nothing was taken back");
    let halted = world.worker.step(None).await.expect("the step succeeds");
    assert!(matches!(halted, Outcome::Halted { .. }), "the same contradiction halts again: {halted:?}");
}

/// Both stores end a stretch of evidence at the same blocks.
#[tokio::test]
async fn no_stretch_of_evidence_grows_too_long_to_be_walked() {
    let hash = |number: u64| B256::from(U256::from(number));
    let stretch = |from: u64, to: u64| Evidence {
        range: BlockRange { from, to },
        parent: hash(from - 1),
        hash: hash(to),
        method: Method::Bloom,
        provider: "a".to_owned(),
        requests: 1,
    };
    let proved = [
        stretch(1_000, 1_010),
        stretch(1_011, STRETCH_BLOCKS - 1),
        stretch(STRETCH_BLOCKS, 1_030),
        stretch(1_031, 1_040),
    ];
    let joined: Vec<bool> = proved.windows(2).map(|pair| pair[0].continues_with(&pair[1])).collect();
    assert_eq!(joined, [true, false, true]);
    let pool = pool(&database().await).await;
    for evidence in &proved {
        sqlx::query("select ops.prove(1, $1, $2, $3, $4, 'bloom', 'a', 1)")
            .bind(evidence.range.from.cast_signed())
            .bind(evidence.range.to.cast_signed())
            .bind(evidence.parent.as_slice())
            .bind(evidence.hash.as_slice())
            .execute(&pool)
            .await
            .expect("written");
    }
    let stored: Vec<(i64, i64)> =
        sqlx::query_as("select from_block, to_block from ops.evidence order by from_block")
            .fetch_all(&pool)
            .await
            .expect("readable");
    assert_eq!(stored, [(1_000, 1_023), (1_024, 1_040)]);
}
