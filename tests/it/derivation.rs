//! What rows are derived with: kept beside them, told where a writer is configured otherwise, and what is refused then.

use std::sync::Arc;

use alloy::primitives::U256;
use asset_indexer::decode::Decoder;
use asset_indexer::decode::withhold::{ClaimData, Withheld};
use asset_indexer::execute::ExecuteError;
use asset_indexer::store::postgres::{Noted, PostgresStore, Request};
use asset_indexer::sync::Config;
use serde_json::Value as Json;

use crate::support::command::{Folder, Line};
use crate::support::world::{
    CHAIN_ID, PROGRAM, assert_same, config, converge, database, dump, executor, pool, postgres_store, worker,
};
use simulation::chain::SimChain;
use simulation::events::account;
use simulation::play::Play;

/// A configuration in which a word of the data says when claims of topic 7 end.
fn with_word(word: usize) -> Config {
    let claim_expiry = [(U256::from(7), word)].into();
    Config { claim_expiry, ..config(&Play::contracts()) }
}

/// Lets go of the lease that a test's store holds.
async fn release(database: &str) {
    sqlx::query("update ops.leases set expires_at = '-infinity'")
        .execute(&pool(database).await)
        .await
        .expect("the superuser may");
}

/// The next writer of a chain's tables, which is configured so.
async fn writer(database: &str, config: &Config) -> Arc<PostgresStore> {
    release(database).await;
    let store = postgres_store(database).await;
    Arc::new(store.deriving(config.derivation(&Decoder::new(&[]))))
}

async fn note(store: &PostgresStore) -> Noted {
    store.note_derivation().await.expect("written down")
}

fn changed(noted: &Noted) -> Vec<String> {
    noted.changed.iter().map(ToString::to_string).collect()
}

/// A chain that a writer has followed, and its database.
async fn followed(seed: u64, config: &Config) -> (Arc<SimChain>, String) {
    let mut play = Play::new(seed);
    let chain = Arc::new(Play::chain(6));
    for block in play.blocks(40) {
        chain.mine(block);
    }
    let database = database().await;
    let store = writer(&database, config).await;
    assert_eq!(note(&store).await, Noted::default());
    converge(&mut worker(chain.clone(), store, config.clone())).await;
    (chain, database)
}

/// The parts but that of the floor, which is as it is: name, what it is told, whether it is mixed.
async fn kept(database: &str) -> Vec<(String, Option<String>, bool)> {
    let mut all: Vec<(String, Option<String>, bool)> =
        sqlx::query_as("select part, value, is_mixed from ops.derivation order by part")
            .fetch_all(&pool(database).await)
            .await
            .expect("readable");
    let floor = ("chain.floor_block".to_owned(), Some("0".to_owned()), false);
    let place = all.iter().position(|part| *part == floor).expect("it is always there");
    all.remove(place);
    all
}

fn topic(value: Option<&str>, is_mixed: bool) -> Vec<(String, Option<String>, bool)> {
    vec![("claim topic 7".to_owned(), value.map(str::to_owned), is_mixed)]
}

/// What is told among the system's events of a kind.
async fn told(database: &str, kind: &str) -> Vec<String> {
    sqlx::query_scalar(
        "select event_data ->> 'message' from chain.system_events where event_type = $1 order by id",
    )
    .bind(kind)
    .fetch_all(&pool(database).await)
    .await
    .expect("readable")
}

async fn execute(
    node: Option<&Arc<SimChain>>,
    store: &Arc<PostgresStore>,
    config: &Config,
    request: Request,
) -> Result<Json, ExecuteError> {
    executor(node, store, config).execute(&request, &mut |_| {}).await
}

#[tokio::test]
async fn a_writer_that_is_configured_otherwise_is_told_and_rows_are_mixed_until_a_rebuild() {
    let (plain, other) = (config(&Play::contracts()), with_word(1));
    let (_, database) = followed(111, &plain).await;
    assert!(kept(&database).await.is_empty());

    let store = writer(&database, &other).await;
    let noted = note(&store).await;
    assert_eq!(changed(&noted), ["claim topic 7 (was not configured, is expires_at_word = 1)"]);
    assert_eq!(kept(&database).await, topic(Some("expires_at_word = 1"), true));
    let events = told(&database, "configuration").await;
    assert_eq!(events.len(), 1, "{events:?}");
    assert!(
        events[0].contains("claim topic 7") && events[0].contains("`asset-indexer rebuild`"),
        "{events:?}"
    );

    // The same again is no change; that some rows are of before is not forgotten.
    let again = note(&store).await;
    assert_eq!((changed(&again), again.mixed), (vec![], vec!["claim topic 7".to_owned()]));
    let back = writer(&database, &plain).await;
    assert_eq!(changed(&note(&back).await), ["claim topic 7 (was expires_at_word = 1, is not configured)"]);
    assert_eq!(kept(&database).await, topic(None, true));
    assert_eq!(told(&database, "configuration").await.len(), 2);

    execute(None, &back, &plain, Request::Rebuild).await.expect("ground holds everything");
    assert!(kept(&database).await.is_empty());
    let rebuilt = told(&database, "rebuild").await;
    assert!(!rebuilt[0].contains("configuration"), "{rebuilt:?}");
    assert_eq!(note(&back).await, Noted::default());
}

#[tokio::test]
async fn what_would_derive_rows_otherwise_is_refused_but_a_rebuild() {
    let (workers, other) = (with_word(1), with_word(2));
    let (chain, database) = followed(112, &workers).await;
    let store = writer(&database, &other).await;
    let before = dump(&*store).await;
    let rewind = |to| Request::Rewind { to, reason: "a test".to_owned() };
    let reread = |repair| Request::Reread { from: 1, to: 30, repair };
    for request in [rewind(20), reread(true)] {
        let error = execute(Some(&chain), &store, &other, request).await.expect_err("rows would change");
        assert!(matches!(error, ExecuteError::OtherConfiguration { .. }), "{error}");
        let part = "claim topic 7 (was expires_at_word = 1, is expires_at_word = 2)";
        for words in [part, "ops.derivation", "nothing was changed", "the worker's configuration"] {
            assert!(error.to_string().contains(words), "{words}: {error}");
        }
    }
    assert_same(&dump(&*store).await, &before, "refused");
    let (unproved, rewound) = (told(&database, "unproved").await, told(&database, "rewind").await);
    assert!(unproved.is_empty() && rewound.is_empty(), "{unproved:?} {rewound:?}");

    // Neither derives rows: a comparison, and what the journal takes back.
    let report = execute(Some(&chain), &store, &other, reread(false)).await.expect("it compares");
    assert_eq!(report["differences"], 0, "{report}");
    let report = execute(Some(&chain), &store, &other, rewind(38)).await.expect("it rewinds");
    assert_eq!(report["from_journal"], true, "{report}");

    // As the worker is configured, it is done.
    let same = writer(&database, &workers).await;
    let report = execute(Some(&chain), &same, &workers, rewind(20)).await.expect("it rewinds");
    assert_eq!(report["from_journal"], false, "{report}");
    assert_eq!(kept(&database).await, topic(Some("expires_at_word = 1"), false));

    let store = writer(&database, &other).await;
    execute(None, &store, &other, Request::Rebuild).await.expect("ground holds everything");
    assert_eq!(kept(&database).await, topic(Some("expires_at_word = 2"), false));
    let rebuilt = told(&database, "rebuild").await;
    assert!(rebuilt[0].contains("with another configuration than before: claim topic 7"), "{rebuilt:?}");
    execute(Some(&chain), &store, &other, rewind(10)).await.expect("it is what rows are derived with now");
}

/// What is withheld keeps what was told of it when it was read: a rebuild does not vouch for more, unless it is told to.
#[tokio::test]
async fn a_rebuild_does_not_end_what_withheld_claims_were_read_with() {
    let withheld = |word: Option<usize>| {
        let claim_data = ClaimData { others: Some(Withheld::Digest), ..ClaimData::default() };
        let claim_expiry = word.map(|word| (U256::from(7), word)).into_iter().collect();
        Config { claim_data, claim_expiry, ..config(&Play::contracts()) }
    };
    let (_, database) = followed(115, &withheld(None)).await;
    let changed = withheld(Some(1));
    let is_mixed = async || {
        let kept = kept(&database).await;
        kept.into_iter().filter(|(.., is_mixed)| *is_mixed).map(|(part, ..)| part).collect::<Vec<_>>()
    };
    for (accepts, mixed) in [(false, vec!["claim topic 7"]), (true, vec![])] {
        release(&database).await;
        let store = postgres_store(&database).await.deriving(changed.derivation(&Decoder::new(&[])));
        let store = Arc::new(store.accepting(accepts));
        note(&store).await;
        execute(None, &store, &changed, Request::Rebuild).await.expect("ground holds everything");
        assert_eq!(is_mixed().await, mixed);
    }
}

/// What was read below a floor that is raised later is not left out of a rebuild.
#[tokio::test]
async fn a_rebuild_under_a_raised_floor_gives_equal_tables() {
    let plain = config(&Play::contracts());
    let (_, database) = followed(116, &plain).await;
    let raised = Config { floor_block: 30, ..plain };
    let store = writer(&database, &raised).await;
    note(&store).await;
    let before = dump(&*store).await;
    execute(None, &store, &raised, Request::Rebuild).await.expect("ground holds everything");
    assert_same(&dump(&*store).await, &before, "rebuilt under a raised floor");
}

/// What is mixed stays so where claims may be left as they were: only a rebuild withholds what ground holds.
#[tokio::test]
async fn a_rewind_does_not_end_what_is_mixed() {
    let other = with_word(1);
    let (chain, database) = followed(114, &config(&Play::contracts())).await;
    let store = writer(&database, &other).await;
    note(&store).await;
    let rewind = Request::Rewind { to: 20, reason: "a test".to_owned() };
    execute(Some(&chain), &store, &other, rewind).await.expect("it is as the worker is configured");
    assert_eq!(kept(&database).await, topic(Some("expires_at_word = 1"), true));
}

#[tokio::test]
async fn before_the_first_row_a_configuration_may_change() {
    let database = database().await;
    for word in [1, 2] {
        let store = writer(&database, &with_word(word)).await;
        assert_eq!(note(&store).await, Noted::default());
        let value = format!("expires_at_word = {word}");
        assert_eq!(kept(&database).await, topic(Some(&value), false));
    }
    assert!(told(&database, "configuration").await.is_empty());
}

#[tokio::test]
async fn a_command_without_a_worker_says_what_it_would_derive_otherwise() {
    let (_, database) = followed(113, &with_word(1)).await;
    release(&database).await;
    let folder = Folder::new();
    let workers = folder.write("indexer.toml", "[[claim_topic]]\ntopic = 7\nexpires_at_word = 1\n");
    let command = async |words: &[&str]| {
        let line = Line::new(words).set("ASSET_INDEXER__CHAIN__ID", CHAIN_ID.to_string());
        line.contract("erc20", account(7, 7)).database(PROGRAM, &database).await.run().await
    };
    let part = "claim topic 7 (was expires_at_word = 1, is not configured)";
    let rewind = command(&["rewind", "--to", "20", "--reason", "a test"]).await;
    rewind.failed(78, &[part, "ops.derivation", "nothing was changed", "the worker's configuration"]);
    let rebuild = command(&["rebuild"]).await;
    rebuild.failed(78, &[part, "ops.derivation", "nothing was changed", "--accept-configuration"]);
    assert_eq!(kept(&database).await, topic(Some("expires_at_word = 1"), false));
    let status = command(&["status"]).await.done();
    assert!(
        status.contains(&format!("configured here   otherwise than rows are derived: {part}")),
        "{status}"
    );

    let said = command(&["rebuild", "--config", &workers]).await.done();
    assert!(said.contains("folded again from") && !said.contains("configuration"), "{said}");
    let said = command(&["rebuild", "--accept-configuration"]).await.done();
    assert!(said.contains(&format!("another configuration than they were so far: {part}")), "{said}");
    assert!(kept(&database).await.is_empty());
    let status = command(&["status"]).await.done();
    assert!(!status.contains("configur"), "{status}");
}
