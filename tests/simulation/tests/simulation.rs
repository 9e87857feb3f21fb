//! The simulation as a test: seeds in memory and on PostgreSQL, a death at every await, every scenario that once failed.

use std::path::Path;
use std::sync::Mutex;

use simulation::coverage::Coverage;
use simulation::driver::Options;
use simulation::faults::Hits;
use simulation::play::Cast;
use simulation::runs::{self, Summary};
use simulation::scenario::Scenario;
use simulation::{named, postgres, sweep};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Seeds in memory.
const SEEDS: std::ops::Range<u64> = 0..2_000;
/// Seeds beyond that hit what those do not, played by the core cast: see `seldom hit` in what `make replay ARGS=--coverage`
/// prints.
const RARE: [u64; 5] = [2_078, 2_962, 3_090, 3_611, 3_631];
/// Seeds on PostgreSQL.
const SEEDS_ON_POSTGRES: std::ops::Range<u64> = 10_000..10_100;
const THREADS: usize = 2;

/// One part at a time: each uses all cores.
static TURN: Mutex<()> = Mutex::new(());

fn require(summary: &Summary, on_postgres: bool) {
    let failed: Vec<String> = summary.failed.iter().map(|failed| failed.text(on_postgres)).collect();
    assert!(failed.is_empty(), "{} of {} runs failed:\n{}", failed.len(), summary.runs, failed.join("\n\n"));
}

fn one_by_one(scenarios: impl Iterator<Item = Scenario>) -> Summary {
    let mut summary = Summary::default();
    for scenario in scenarios {
        let hits = Hits::default();
        let outcome = runs::in_memory(&scenario, &hits, &Options::default());
        summary.add(&scenario, outcome, &hits);
    }
    summary
}

#[test]
fn seeds_and_cases_hold_in_memory_and_on_postgresql_and_every_fault_is_hit_in_every_phase() {
    let _turn = TURN.lock();
    let in_memory = runs::seeds_in_memory(SEEDS, THREADS, 5);
    require(&in_memory, false);
    let rare = RARE.map(|seed| Scenario { cast: Cast::Core, ..Scenario::of(seed) });
    let named = one_by_one(named::scenarios().into_iter().chain(rare));
    require(&named, false);
    let mut scenarios = named::cut_connections();
    scenarios.extend(SEEDS_ON_POSTGRES.map(Scenario::of));
    let on_postgres = postgres::on_postgres(&scenarios, THREADS);
    require(&on_postgres, true);
    let mut coverage = Coverage::default();
    coverage.merge(in_memory.coverage);
    coverage.merge(named.coverage);
    coverage.merge(on_postgres.coverage);
    let table = coverage.table();
    println!("{table}");
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("coverage.txt");
    std::fs::write(&place, &table).expect("the target directory can be written to");
    let empty: Vec<String> =
        coverage.empty().into_iter().map(|(hit, phase)| format!("{} in {phase:?}", hit.name())).collect();
    assert!(empty.is_empty(), "never hit: {empty:?}");
}

#[test]
fn short_scenarios_survive_a_death_at_every_await_of_a_port() {
    let _turn = TURN.lock();
    let summary = sweep::every_await(THREADS);
    println!("{} runs, {} awaits", summary.runs, summary.total.awaits);
    require(&summary, false);
}

#[test]
fn every_scenario_that_once_failed_holds() {
    let _turn = TURN.lock();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions");
    let scenarios = std::fs::read_dir(folder).expect("the scenarios are there").map(|entry| {
        let path = entry.expect("readable").path();
        let text = std::fs::read_to_string(&path).expect("readable");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path:?}: {error}"))
    });
    let scenarios: Vec<Scenario> = scenarios.collect();
    let summary = one_by_one(scenarios.iter().cloned());
    assert!(summary.runs >= 20, "{} scenarios", summary.runs);
    require(&summary, false);
    require(&postgres::on_postgres(&scenarios, THREADS), true);
}

#[test]
fn a_seed_is_the_same_run_each_time() {
    let _turn = TURN.lock();
    for seed in 0..40 {
        let scenario = Scenario::of(seed);
        let run = || runs::in_memory(&scenario, &Hits::default(), &Options::default()).map_err(|e| e.what);
        let (one, other) = (run(), run());
        assert_eq!(format!("{one:?}"), format!("{other:?}"), "seed {seed}");
    }
}
