//! Several nodes: their order, names, defaults and budgets.

use std::time::Duration;

use super::{Directory, in_environment, said, sound};
use crate::config::{Config, Environment, Overrides};
use crate::providers::Budget;

fn aliases(config: &Config) -> Vec<&str> {
    config.providers.iter().map(|one| one.rpc.alias.as_str()).collect()
}

#[test]
fn the_one_of_rpc_is_the_first() {
    let list = "[[provider]]\nurl = \"https://b.example\"\n[[provider]]\nurl = \"wss://c.example:8546/key\"";
    let with = sound(&format!("[rpc]\nurl = \"https://a.example\"\n{list}"));
    assert_eq!(aliases(&with), ["a.example", "b.example", "c.example:8546"]);
    assert_eq!(with.rpc.as_ref().map(|rpc| rpc.alias.as_str()), Some("a.example"));
    let without = sound(list);
    assert_eq!(aliases(&without), ["b.example", "c.example:8546"]);
    assert!(without.rpc.is_none());
    assert!(sound("").providers.is_empty());
    let environment = in_environment(&[("RPC_URL", "https://a.example")]).expect("a sound configuration");
    assert_eq!(aliases(&environment), ["a.example"]);
}

#[test]
fn what_an_entry_does_not_say_is_as_in_rpc() {
    let config = sound(
        "[chain]\nfinality_depth_blocks = 7\nrange_blocks_max = 9\n\
         [rpc]\nurl = \"https://a.example\"\ntimeout_ms = 700\nbatch_size_max = 3\nrequests_per_day = 5\n\
         [[provider]]\nurl = \"https://b.example\"\n\
         [[provider]]\nurl = \"https://c.example\"\nalias = \"c\"\ntimeout_ms = 800\nbatch_size_max = 4\n\
         requests_in_flight = 2\nrequests_per_second = 11\nrequests_per_day = 12",
    );
    let [a, b, c] = config.providers.as_slice() else { panic!("three: {:?}", config.providers) };
    assert_eq!(
        (b.rpc.timeout, b.rpc.batch_size_max, b.rpc.requests_in_flight),
        (Duration::from_millis(700), 3, 8)
    );
    assert_eq!(
        (c.rpc.timeout, c.rpc.batch_size_max, c.rpc.requests_in_flight),
        (Duration::from_millis(800), 4, 2)
    );
    for one in [a, b, c] {
        assert_eq!((one.rpc.finality, one.rpc.range_blocks_max), (config.chain.finality, 9));
    }
    assert_eq!(a.budget, Budget { requests_per_second: None, requests_per_day: Some(5) });
    assert_eq!(b.budget, Budget::default(), "a plan is one provider's");
    assert_eq!(c.budget, Budget { requests_per_second: Some(11), requests_per_day: Some(12) });
}

#[test]
fn each_has_a_name_of_its_own() {
    assert_eq!(
        said("[rpc]\nurl = \"https://a.example/1\"\n[[provider]]\nurl = \"https://a.example/2\""),
        "config.toml:3: provider.url: the alias \"a.example\" is [rpc]'s already: give each provider its own"
    );
    assert_eq!(
        said(
            "[[provider]]\nurl = \"https://a.example\"\nalias = \"x\"\n[[provider]]\nurl = \"https://b.example\"\nalias = \"x\""
        ),
        "config.toml:4: provider.alias: the alias \"x\" is config.toml:1's already: give each provider its own"
    );
    let rule = "must be 1 to 64 letters, digits and any of . _ - : [ ]";
    assert_eq!(
        said("[[provider]]\nurl = \"https://a.example\"\nalias = \"a b\""),
        format!("config.toml:3: provider.alias = \"a b\": {rule}")
    );
}

#[test]
fn each_has_one_url() {
    assert_eq!(
        said("[[provider]]\nalias = \"a\""),
        "config.toml:1: provider.url: is missing: give url, or url_file"
    );
    assert_eq!(
        said("[[provider]]\nurl = \"https://a.example\"\nurl_file = \"f\""),
        "config.toml:1: provider.url: url and url_file are both given: give one of them"
    );
    assert_eq!(
        said("[[provider]]\nurl = \"ftp://a.example\""),
        "config.toml:2: provider.url = [redacted]: the node's URL has a scheme that is not http, https, ws or wss"
    );
    let directory = Directory::new();
    directory.write("spare_url", "https://user:password@spare.example/key\n");
    let file = directory.write("config.toml", "[[provider]]\nurl_file = \"spare_url\"");
    let config = Config::load_with(Some(&file), &Environment::default(), &Overrides::default());
    assert_eq!(aliases(&config.expect("a sound configuration")), ["spare.example"]);
    let file = directory.write("config.toml", "[[provider]]\nurl_file = \"none\"");
    let errors = Config::load_with(Some(&file), &Environment::default(), &Overrides::default());
    assert_eq!(
        directory.relative(errors.expect_err("no such file")),
        "config.toml:2: provider.url_file = \"none\": cannot be read: No such file or directory (os error 2)"
    );
}

#[test]
fn a_quorum_needs_as_many() {
    let several = "url = \"https://a.example\"\n[[provider]]\nurl = \"https://b.example\"";
    assert_eq!(sound(&format!("[rpc]\nquorum = 2\n{several}")).rules.quorum, 2);
    assert_eq!(
        said(&format!("[rpc]\nquorum = 3\n{several}")),
        "config.toml:2: rpc.quorum = 3: must not be more than there are providers (2)"
    );
    let rules = sound("[rpc]\nlag_blocks_max = 7\nlag_seconds_max = 8").rules;
    assert_eq!((rules.lag_blocks_max, rules.lag_seconds_max, rules.quorum), (7, 8, 1));
}

#[test]
fn none_of_them_leads_to_a_metadata_address() {
    let entry = "[[provider]]\nurl = \"http://169.254.169.254/latest/canary\"";
    let told = said(entry);
    assert!(
        told.starts_with("config.toml:2: provider.url = [redacted]: must not lead to a link-local"),
        "{told}"
    );
    assert!(!told.contains("canary"), "{told}");
    sound(&format!("[rpc]\nallow_link_local = true\n{entry}"));
}
