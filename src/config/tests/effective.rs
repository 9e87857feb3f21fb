//! What is shown to be in effect.

use super::{Directory, environment, sound};
use crate::config::{Config, Overrides};

#[test]
fn every_value_is_shown_with_where_it_came_from() {
    let directory = Directory::new();
    let file = directory.write(
        "config.toml",
        "[chain]\nname = \"Polygon\"\n\n[[contract]]\nrole = \"erc20\"\n\
         address = \"0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48\"\nstart_block = 1_000\n\n\
         [[claim_topic]]\ntopic = 10\nexpires_at_word = 1\ndata = \"drop\"\n[[provider]]\n\
         url = \"https://u:p@spare.example:8443/key?k=1\"\nalias = \"spare\"\ntimeout_ms = 700\nrequests_per_day = 1_000\n",
    );
    let secret = directory.write("database_url", "postgres://user:password@db.example/register");
    let environment = environment(&[
        ("ASSET_INDEXER__RPC__TIMEOUT_MS", "5000"),
        ("DATABASE_URL_FILE", secret.to_str().expect("a readable name")),
    ]);
    let overrides = Overrides {
        rpc: Some("https://node.example/key".to_owned()),
        contracts: vec!["trex_factory=0x1111111111111111111111111111111111111111".to_owned()],
        ..Overrides::default()
    };
    let config = Config::load_with(Some(&file), &environment, &overrides).expect("a sound configuration");
    let shown = config.effective();
    let compared = directory.relative(&shown).lines().map(squeezed).collect::<Vec<_>>().join("\n");
    assert_eq!(
        compared,
        r#"[chain]
# id: asked of the node
name = "Polygon" # config.toml:2
finality = "tag" # default
# finality_depth_blocks: a node without the tag is refused
floor_block = 0 # default
range_blocks_max = 10000 # default
range_logs_target = 27000 # default
deferred_indexes_from_blocks = 1000 # default
reorg_depth_trusted = 2 # default

[rpc]
url = "https://node.example" # --rpc
allow_link_local = false # default
# alias: the URL's host
timeout_ms = 5000 # environment ASSET_INDEXER__RPC__TIMEOUT_MS
poll_interval_ms = 1000 # default
requests_in_flight = 8 # default
batch_size_max = 50 # default
response_bytes_max = 67108864 # default
# requests_per_second: no limit
# requests_per_day: no limit
quorum = 1 # default
lag_blocks_max = 5 # default
lag_seconds_max = 15 # default

[database]
url = "postgres://db.example" # environment DATABASE_URL_FILE, read from database_url
# admin_url: none
allow_unverified = false # default
allow_superuser = false # default
# state_dir: the account's state directory
# pg_bin: searched for

[proof]
mode = "background" # default
sweep_blocks_max = 512 # default
requests_per_second = 50 # default

[reconcile]
every_blocks = 32 # default
holders_sampled = 20 # default
calls_max = 400 # default

[http]
listen = "127.0.0.1:9464" # default

[log]
format = "auto" # default
level = "info" # default

[[provider]] # config.toml:13
alias = "spare"
url = "https://spare.example:8443"
timeout_ms = 700
requests_in_flight = 8
batch_size_max = 50
requests_per_day = 1000

[[contract]] # config.toml:4
role = "erc20"
address = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"
start_block = 1000
partial = false

[[contract]] # --contract; start_block: found on the chain
role = "trex_factory"
address = "0x1111111111111111111111111111111111111111"
partial = false

[[claim_topic]] # config.toml:9
topic = "0xa"
expires_at_word = 1
data = "drop""#
    );
    assert!(shown.ends_with("data = \"drop\"\n"));
    let again = sound(&shown);
    assert_eq!(
        (again.chain, again.contracts, again.claim_expiry, again.claim_data, again.providers.len()),
        (config.chain, config.contracts, config.claim_expiry, config.claim_data, 2)
    );
    assert_eq!((again.http, again.log), (config.http, config.log));
}

#[test]
fn strange_names_do_not_break_the_text() {
    let directory = Directory::new();
    let file = directory.write("a\nid = 2 \"#.toml", "[database]\nstate_dir = \"a\\n\\\"b\"");
    let config =
        Config::load_with(Some(&file), &Default::default(), &Overrides::default()).expect("a sound file");
    let again = sound(&config.effective());
    assert_eq!(again.chain.id, None);
    assert_eq!(again.database.state_dir, config.database.state_dir);
}

/// A line without the spaces that align comments.
fn squeezed(line: &str) -> String {
    match line.split_once(" # ") {
        Some((value, comment)) => format!("{} # {comment}", value.trim_end()),
        None => line.to_owned(),
    }
}
