//! What is told of hostile input: log lines that stay lines, metrics whose series stay few.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use asset_indexer::fact::{Reading, Role, Unreadable};
use asset_indexer::observe::{self, Board};
use asset_indexer::retry::{Limit, Policy};
use asset_indexer::rpc::{Finality, ScriptedAnswer};
use asset_indexer::source::Source;
use fuzz::mutate::{self, Numbers};
use fuzz::rpc_script::{SECRETS, rpc, wait};
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
            .expect("logs are UTF-8")
    }
}

/// Foreign words of every kind: what a provider's text, a token's name or a revert may hold.
fn hostile() -> Vec<String> {
    let target = fuzz::target("rpc_error_text").expect("a target");
    let corpus = mutate::corpus(&target).expect("a corpus");
    let mutated = (0..300).map(|number| mutate::input(&target, &corpus, 5, number));
    let all = corpus.iter().map(|(_, bytes)| bytes.clone()).chain(mutated);
    all.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect()
}

/// Everything that the client logs about such words, at every level.
fn logged(lines: &Lines) -> usize {
    let mut warned = 0;
    for (place, words) in hostile().into_iter().enumerate() {
        let said = words.clone();
        let (node, _) = rpc(Finality::Depth(0), 10, move |_, asked| {
            let error = json!({ "code": -32000, "message": said });
            let answers: Vec<_> =
                asked.iter().map(|(_, _, id)| json!({ "id": id, "error": error })).collect();
            let body =
                if let [only] = answers.as_slice() { only.to_string() } else { json!(answers).to_string() };
            ScriptedAnswer { status: 200, retry_after: None, body: body.into() }
        });
        if let Err(error) = wait(node.chain_id()) {
            tracing::warn!(%error, place, "trying again");
            warned += 1;
        }
        // A name is logged nowhere by us; whoever adds such a line is safe too.
        tracing::info!(name = words, debug = ?words, display = %words, "a name");
    }
    assert!(lines.text().len() > 10_000);
    warned
}

#[test]
fn a_log_line_is_one_json_object_whatever_was_said() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(lines.clone())
        .log_internal_errors(false)
        .json()
        .finish();
    let warned = tracing::subscriber::with_default(subscriber, || logged(&lines));
    let text = lines.text();
    let mut ours = 0;
    for line in text.lines() {
        let object: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(
            object.is_object() && object["level"].is_string() && object["timestamp"].is_string(),
            "{line}"
        );
        let fields = &object["fields"];
        if fields["message"] == "trying again" {
            let told = fields["error"].as_str().expect("a text");
            assert!(!told.contains(|letter: char| letter.is_control() || letter == '\u{202e}'), "{told:?}");
            assert!(!SECRETS.iter().any(|secret| told.contains(secret)), "{told}");
            ours += 1;
        }
    }
    assert_eq!(ours, warned);
}

#[test]
fn a_text_line_holds_no_escape_and_no_other_line() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_writer(lines.clone())
        .log_internal_errors(false)
        .with_ansi(false)
        .finish();
    let warned = tracing::subscriber::with_default(subscriber, || logged(&lines));
    let text = lines.text();
    assert!(!text.contains(|letter: char| letter != '\n' && letter.is_control()));
    assert_eq!(text.lines().filter(|line| line.contains("trying again")).count(), warned);
    for line in text.lines() {
        assert!(line.contains(" WARN "), "a line that nobody logged: {line}");
    }
}

/// Labels whose values are ours: enumerations, and names from the configuration.
const LABELS: [&str; 13] = [
    "chain", "mode", "reason", "role", "table", "remedy", "provider", "method", "outcome", "version",
    "revision", "le", "look",
];

#[test]
fn ten_thousand_hostile_inputs_add_no_series() {
    let handle = observe::record().expect("the first recorder of this process");
    let board = Board::new(31_337);
    let words = hostile();
    let mut numbers = Numbers::new(1, 1);
    let quick = Policy { first: Duration::ZERO, longest: Duration::ZERO, limit: Limit::Attempts(1) };
    let decoder = asset_indexer::decode::Decoder::new(&[]);
    let mut series_after = BTreeMap::new();
    for input in 1..=10_000 {
        // What a provider says.
        let said = words[numbers.below(words.len())].clone();
        let code = -32_000 - numbers.below(100) as i64;
        let status = [200, 200, 429, 500, 403][numbers.below(5)];
        let (node, _) = rpc(Finality::Depth(0), 10, move |_, asked| {
            let body = json!({ "id": asked[0].2, "error": { "code": code, "message": said } }).to_string();
            ScriptedAnswer { status, retry_after: None, body: body.into() }
        });
        let node = node.with_retry(quick);
        if let Err(error) = wait(node.chain_id()) {
            board.problem(Some(error.to_string()), true);
            board.error("retry");
        }
        // What a contract logs.
        let log = asset_indexer::block::RawLog {
            block: asset_indexer::block::BlockId { number: numbers.draw() >> 1, hash: Default::default() },
            log_index: input,
            transaction_hash: Default::default(),
            transaction_index: 0,
            address: alloy::primitives::Address::left_padding_from(&numbers.draw().to_be_bytes()),
            topics: (0..numbers.below(5))
                .map(|_| alloy::primitives::keccak256(numbers.draw().to_be_bytes()))
                .collect(),
            data: numbers.draw().to_be_bytes().to_vec().into(),
            timestamp: None,
            withheld: None,
        };
        let role = Role::ALL[numbers.below(Role::ALL.len())];
        match decoder.read(role, &log) {
            Reading::Unreadable(why) => board.undecodable(why.name(), 1),
            Reading::Event { .. } => board.events(role.name(), 1),
        }
        board.head(log.block.number, numbers.draw(), log.block.number);
        board.checkpoint(numbers.draw(), numbers.draw());
        board.reorg(numbers.draw());
        if input % 2_500 == 0 {
            series_after.insert(input, series(&handle.render()).len());
        }
    }
    let rendered = handle.render();
    let names = series(&rendered);
    assert!(names.len() < 500, "{} series", names.len());
    assert_eq!(
        series_after.values().collect::<BTreeSet<_>>().len(),
        1,
        "series grow with the input: {series_after:?}"
    );
    for name in &names {
        assert!(!name.contains("0x") && !name.contains("canary") && name.len() < 200, "{name}");
        let labels = name.split_once('{').map_or("", |(_, labels)| labels.trim_end_matches('}'));
        for label in labels.split("\",").filter(|label| !label.is_empty()) {
            let (label, value) = label.split_once("=\"").expect("a label has a value");
            assert!(LABELS.contains(&label), "a label that nobody knows: {name}");
            assert!(value.len() <= 65, "{name}");
        }
    }
    assert!(Unreadable::ALL.iter().any(|why| rendered.contains(why.name())));
}

/// Every series of a rendering, by name and labels.
fn series(rendered: &str) -> BTreeSet<&str> {
    let lines = rendered.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| line.rsplit_once(' ').map_or(line, |(name, _)| name)).collect()
}
