//! Runs seeds: `--seeds 0..2000`, `--seed N`, `--sweep`; prints what failed and how to replay it.

use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;

use clap::Parser;
use simulation::coverage::Coverage;
use simulation::driver::Options;
use simulation::executor::on_threads;
use simulation::faults::Hits;
use simulation::runs::{self, Summary};
use simulation::scenario::Scenario;
use simulation::shrink::shrink;
use simulation::sweep;

/// Simulation by seed.
#[derive(Debug, Parser)]
struct Arguments {
    /// Seeds to run, `FROM..TO`.
    #[arg(long, default_value = "0..2000")]
    seeds: String,
    /// One seed, step by step, made short where it fails.
    #[arg(long)]
    seed: Option<u64>,
    /// A scenario from a file, step by step.
    #[arg(long)]
    file: Option<std::path::PathBuf>,
    /// A case of the catalogue, by the beginning of its name, step by step.
    #[arg(long)]
    case: Option<String>,
    /// On a private PostgreSQL, with a copy in memory beside.
    #[arg(long)]
    postgres: bool,
    /// Dies at every await of every short scenario in turn.
    #[arg(long)]
    sweep: bool,
    /// Threads; each runs seeds of its own.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Prints the table of faults by phases.
    #[arg(long)]
    coverage: bool,
    /// Writes the scenario here, shortened where it fails.
    #[arg(long)]
    save: Option<std::path::PathBuf>,
    /// What the scenario that is written shows.
    #[arg(long)]
    name: Option<String>,
    /// Says nothing of the steps of a single seed.
    #[arg(long)]
    quiet: bool,
    /// Switches the planted bugs on in turn and shows what finds them; only in builds with the feature `mutants`.
    #[arg(long)]
    mutants: bool,
    /// The same with one of them.
    #[arg(long)]
    mutant: Option<String>,
    /// Most seeds for one planted bug.
    #[arg(long, default_value_t = 2_000)]
    mutant_seeds: u64,
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let code = Mutex::new(ExitCode::SUCCESS);
    let arguments = Arguments::parse();
    on_threads(1, || *code.lock().expect("one thread") = carry_out(&arguments));
    code.into_inner().expect("the thread is done")
}

fn carry_out(arguments: &Arguments) -> ExitCode {
    if arguments.mutants || arguments.mutant.is_some() {
        return hunt(arguments);
    }
    if let Some(scenario) = one(arguments) {
        return replay(&scenario, arguments);
    }
    let began = Instant::now();
    let summary = if arguments.sweep {
        sweep::every_await(arguments.threads)
    } else if arguments.postgres {
        simulation::postgres::seeds_on_postgres(range(&arguments.seeds), arguments.threads)
    } else {
        runs::seeds_in_memory(range(&arguments.seeds), arguments.threads, 5)
    };
    report(&summary, arguments, began.elapsed().as_secs_f64())
}

#[cfg(not(feature = "mutants"))]
fn hunt(_: &Arguments) -> ExitCode {
    eprintln!("this build has no planted bugs: build it with --features mutants");
    ExitCode::from(2)
}

#[cfg(feature = "mutants")]
fn hunt(arguments: &Arguments) -> ExitCode {
    use simulation::mutants;
    // A planted bug may end in a panic, which counts as found; its backtrace is of no interest.
    std::panic::set_hook(Box::new(|_| {}));
    let verdicts = mutants::hunt_all(arguments.mutant.as_deref(), arguments.mutant_seeds, arguments.threads);
    println!("{}", mutants::table(&verdicts));
    let all = !verdicts.is_empty() && verdicts.iter().all(|verdict| verdict.killer.is_some());
    if all { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn one(arguments: &Arguments) -> Option<Scenario> {
    if let Some(path) = &arguments.file {
        let text = std::fs::read_to_string(path).expect("the file can be read");
        return Some(serde_json::from_str(&text).expect("the file is a scenario"));
    }
    if let Some(name) = &arguments.case {
        let mut cases = simulation::named::scenarios().into_iter();
        return Some(cases.find(|case| case.name.starts_with(name)).expect("there is such a case"));
    }
    arguments.seed.map(Scenario::of)
}

fn range(text: &str) -> std::ops::Range<u64> {
    let (from, to) = text.split_once("..").expect("seeds are FROM..TO");
    from.parse().expect("a number")..to.parse().expect("a number")
}

fn replay(scenario: &Scenario, arguments: &Arguments) -> ExitCode {
    let hits = Hits::default();
    let run = |scenario: &Scenario, trace: bool| {
        let options = Options { trace, ..Options::default() };
        if arguments.postgres {
            simulation::postgres::one_on_postgres(scenario, &hits, &options)
        } else {
            runs::in_memory(scenario, &hits, &options)
        }
    };
    match run(scenario, !arguments.quiet) {
        Ok(report) => {
            println!("{report:#?}");
            if arguments.coverage {
                let mut coverage = Coverage::default();
                coverage.add(scenario.seed, hits.take());
                println!("{}", coverage.table());
            }
            if let Some(path) = &arguments.save {
                save(scenario, path, arguments);
            }
            ExitCode::SUCCESS
        }
        Err(failure) => {
            println!("event {}: {}", failure.event, failure.what);
            let tries = if arguments.postgres { 40 } else { 4_000 };
            let same = |scenario: &Scenario| {
                run(scenario, false).is_err_and(|other| alike(&other.what, &failure.what))
            };
            let short = shrink(scenario, tries, same);
            println!("shortened from {} to {} events:", scenario.events.len(), short.events.len());
            short.events.iter().for_each(|event| println!("  {event:?}"));
            if let Err(failure) = run(&short, false) {
                println!("{}", failure.what);
            }
            if let Some(path) = &arguments.save {
                save(&short, path, arguments);
            }
            ExitCode::FAILURE
        }
    }
}

fn save(scenario: &Scenario, path: &std::path::Path, arguments: &Arguments) {
    let mut named = scenario.clone();
    if let Some(name) = &arguments.name {
        named.name.clone_from(name);
    }
    let text = serde_json::to_string_pretty(&named).expect("a scenario is JSON");
    std::fs::write(path, text + "\n").expect("the file can be written");
}

/// Whether two failures are of the same sort: their texts begin alike, numbers apart.
fn alike(one: &str, other: &str) -> bool {
    let sort = |text: &str| text.chars().filter(|c| !c.is_ascii_digit()).take(70).collect::<String>();
    sort(one) == sort(other)
}

fn report(summary: &Summary, arguments: &Arguments, seconds: f64) -> ExitCode {
    for failed in &summary.failed {
        println!("{}\n", failed.text(arguments.postgres));
    }
    if arguments.coverage {
        println!("{}", summary.coverage.table());
        for (hit, phase, count, seed) in summary.coverage.rare() {
            println!("seldom hit: {} in {phase:?}: {count} times, first by seed {seed}", hit.name());
        }
        for (hit, phase) in summary.coverage.empty() {
            println!("never hit: {} in {phase:?}", hit.name());
        }
    }
    let cpu = cpu_seconds();
    println!(
        "{} runs, {} failed; {} steps, {} awaits, {} writes, {} comparisons, {} repairs; {seconds:.1} s wall, {cpu:.1} s CPU, {:.0} runs per CPU minute",
        summary.runs,
        summary.failed.len(),
        summary.total.steps,
        summary.total.awaits,
        summary.total.writes,
        summary.total.compared,
        summary.total.repaired,
        summary.runs as f64 * 60.0 / cpu.max(0.001)
    );
    if summary.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// CPU time of this process so far, in seconds; zero where the system does not tell.
fn cpu_seconds() -> f64 {
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else { return 0.0 };
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    // Clock ticks are hundredths of a second on every Linux.
    (ticks(11) + ticks(12)) / 100.0
}
