//! Which words of a configuration are secrets, told by another reading of it than the product's; and a place for its
//! files.

use std::path::{Path, PathBuf};

use alloy::transports::http::reqwest::Url;
use asset_indexer::config::{ConfigErrors, Origin};

/// What every secret of the inputs begins with.
pub(crate) const MARK: &str = "canary";

/// A folder of this thread with the files that a configuration may name.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let thread = format!("{:?}", std::thread::current().id());
        let digits: String = thread.chars().filter(char::is_ascii_digit).collect();
        let name = format!("asset-indexer-fuzz-{}-{digits}", std::process::id());
        let folder = Self(std::env::temp_dir().join(name));
        std::fs::create_dir_all(folder.path()).expect("a temporary folder");
        let abi = r#"[{"type":"event","name":"Told","inputs":[{"name":"what","type":"string","indexed":false}],"anonymous":false}]"#;
        folder.write("events.json", abi.as_bytes());
        folder.write("node_url", b"https://canaryuserfile:canarypwfile@node.example/canarypathfile\n");
        folder.write("database_url", b"postgres://canaryuserfile:canarypwfile@db.example/canarynamefile\n");
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, content).expect("a temporary file");
        path
    }
}

thread_local! {
    static FOLDER: Folder = Folder::new();
}

/// The folder of this thread.
pub(crate) fn folder<T>(read: impl FnOnce(&Folder) -> T) -> T {
    FOLDER.with(read)
}

/// Whether reading such a path could wait for ever.
pub(crate) fn names_devices(bytes: &[u8]) -> bool {
    [&b"/dev"[..], b"/proc", b"/sys"]
        .iter()
        .any(|part| bytes.windows(part.len()).any(|window| window == *part))
}

/// The marked words of a text.
fn marked(text: &str) -> Vec<&str> {
    let ends = |rest: &str| rest.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(rest.len());
    text.match_indices(MARK)
        .map(|(at, _)| &text[at..at + ends(&text[at..])])
        .filter(|word| word.len() > MARK.len())
        .collect()
}

/// The marked words that stand only where nothing may be shown: in a URL (but its host), or under a key whose value is
/// secret. `whole` is the text in which they stand, `hidden` these places.
pub(crate) fn secrets(whole: &str, hidden: &[String]) -> Vec<String> {
    let mut found: Vec<String> = hidden.iter().flat_map(|text| marked(text)).map(str::to_owned).collect();
    found.sort();
    found.dedup();
    found.retain(|word| {
        let count = |text: &str| text.matches(word.as_str()).count();
        let hosts = hidden.iter().filter_map(|text| Url::parse(text.trim()).ok());
        let is_host =
            hosts.into_iter().any(|url| url.host_str().is_some_and(|host| host.contains(word.as_str())));
        count(whole) == hidden.iter().map(|text| count(text)).sum::<usize>() && !is_host
    });
    found
}

/// Nothing that is shown holds one of these words, nor what the files of the folder hide.
pub(crate) fn assert_hidden(shown: &str, secrets: &[String]) {
    for word in secrets.iter().map(String::as_str).chain([
        "canaryuserfile",
        "canarypwfile",
        "canarypathfile",
        "canarynamefile",
    ]) {
        assert!(!shown.contains(word), "the secret {word} is shown: {shown}");
    }
}

/// Every mistake says where and what.
pub(crate) fn assert_errors_help(errors: &ConfigErrors) {
    assert!(errors.iter().count() > 0, "no configuration and no mistake");
    for error in errors.iter() {
        assert!(!error.rule.is_empty());
        assert_ne!(error.origin, Origin::Default, "{error}: our own default is wrong");
        let whole = error.rule.starts_with("not TOML") || error.rule.starts_with("the configuration file");
        let variable = matches!(error.origin, Origin::Environment { .. });
        assert!(!error.key.is_empty() || whole || variable, "{error} names no key");
        let told = error.to_string();
        assert!(told.len() < 4_000, "a mistake told in {} bytes: {told:.300}", told.len());
        assert!(!told.chars().any(char::is_control), "a mistake of several lines: {told:?}");
    }
}
