//! Where the program's time goes, by its own word: each stage of a step tells at its end how long it worked and waited.

use std::collections::BTreeMap;
use std::fmt;
use std::io::BufRead;

use serde_json::Value;

/// What makes the program tell of its stages.
pub const LOG_LEVEL: (&str, &str) = ("LOG_LEVEL", "info,asset_indexer::stage=trace");
/// Where it tells of them.
const TARGET: &str = "asset_indexer::stage";
/// In the order of a step, with what each is.
const STAGES: [(&str, &str); 6] = [
    ("fetch", "requests to the node, and reading answers"),
    ("decode", "logs into facts"),
    ("load", "rows out of PostgreSQL"),
    ("fold", "facts into rows"),
    ("write", "rows into PostgreSQL, and commit"),
    ("index", "indexes, built at the end of a first load"),
];

/// How long a stage worked and waited, in seconds, without the stages inside it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Spent {
    times: u64,
    busy: f64,
    idle: f64,
}

/// The time of each stage.
#[derive(Debug, Clone, Default)]
pub struct Stages(BTreeMap<String, Spent>);

impl Stages {
    /// Of a program's log.
    ///
    /// # Errors
    /// The file system's.
    pub fn read(log: impl BufRead) -> std::io::Result<Self> {
        let mut stages = Self::default();
        for line in log.lines() {
            let line: Value = serde_json::from_str(&line?).unwrap_or_default();
            if line["target"] == TARGET {
                stages.add(&line);
            }
        }
        Ok(stages)
    }

    fn add(&mut self, line: &Value) {
        let Some(name) = line["span"]["name"].as_str() else { return };
        let time = |field: &str| line["fields"][field].as_str().and_then(seconds).unwrap_or(f64::NAN);
        let (busy, idle) = (time("time.busy"), time("time.idle"));
        let spent = self.0.entry(name.to_owned()).or_default();
        spent.times += 1;
        spent.busy += busy;
        spent.idle += idle;
        // The stage around it counts both as its own: it works while this one works, and waits while it waits.
        let spans = line["spans"].as_array().into_iter().flatten();
        let mut names = spans.rev().filter_map(|span| span["name"].as_str());
        if let Some(around) = names.find(|around| *around != name) {
            let around = self.0.entry(around.to_owned()).or_default();
            around.busy -= busy;
            around.idle -= idle;
        }
    }
}

impl fmt::Display for Stages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{:<10}{:>8}{:>12}{:>12}", "stage", "times", "works, s", "waits, s")?;
        for (name, what) in STAGES {
            let Spent { times, busy, idle } = self.0.get(name).copied().unwrap_or_default();
            writeln!(f, "{name:<10}{times:>8}{busy:>12.2}{idle:>12.2}   {what}")?;
        }
        Ok(())
    }
}

/// A duration as the log spells it.
fn seconds(text: &str) -> Option<f64> {
    let digits = text.find(|letter: char| letter != '.' && !letter.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let scale = match unit {
        "s" => 1.0,
        "ms" => 1e-3,
        "µs" => 1e-6,
        "ns" => 1e-9,
        _ => return None,
    };
    number.parse::<f64>().ok().map(|number| number * scale)
}

/// Whether a log is read as it should be.
///
/// # Errors
/// What is wrong.
pub fn check() -> Result<(), String> {
    let line = |name: &str, around: &str, busy: &str, idle: &str| {
        format!(
            r#"{{"target":"{TARGET}","fields":{{"time.busy":"{busy}","time.idle":"{idle}"}},"span":{{"name":"{name}"}},"spans":[{around}{{"name":"{name}"}}]}}"#
        )
    };
    let log = [
        line("load", r#"{"name":"fold"},"#, "500µs", "1.5ms"),
        line("fold", "", "2.00ms", "2.5ms"),
        r#"{"target":"elsewhere","span":{"name":"fold"}}"#.to_owned(),
        line("fold", "", "1.00s", "10ns"),
    ];
    let stages = Stages::read(log.join("\n").as_bytes()).map_err(|error| error.to_string())?;
    let fold = stages.0.get("fold").copied().unwrap_or_default();
    let (busy, idle) = (1.0 + 0.0015, 0.001 + 1e-8);
    if fold.times != 2 || (fold.busy - busy).abs() > 1e-9 || (fold.idle - idle).abs() > 1e-9 {
        return Err(format!("two stages of {busy} and {idle} seconds are read as {fold:?}"));
    }
    Ok(())
}
