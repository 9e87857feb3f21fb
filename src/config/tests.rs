//! Every rule with its message, every source, and every file of `config/`.

mod effective;
mod examples;
mod file;
mod lists;
mod providers;
mod secrets;
mod sources;

use std::path::{Path, PathBuf};

use super::raw::Raw;
use super::{Config, ConfigErrors, Environment, Overrides};

/// The configuration of a file's text and nothing else.
fn load(text: &str) -> Result<Config, ConfigErrors> {
    let mut raw = Raw::default();
    raw.read_text(Path::new("config.toml"), text);
    Config::mean(raw)
}

fn sound(text: &str) -> Config {
    load(text).unwrap_or_else(|errors| panic!("{text}\n{errors}"))
}

/// What is said about a text with mistakes.
fn said(text: &str) -> String {
    match load(text) {
        Ok(_) => panic!("no mistake was found in\n{text}"),
        Err(errors) => errors.to_string(),
    }
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().copied().collect()
}

/// What comes of an environment and nothing else.
fn in_environment(variables: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    Config::load_with(None, &environment(variables), &Overrides::default())
}

/// A directory that goes with the test.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        let path =
            std::env::temp_dir().join(format!("asset-indexer-config-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&path).expect("a new directory");
        Self(path)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, content).expect("a file is written");
        path
    }

    /// `text` without the directory's own name.
    fn relative(&self, text: impl ToString) -> String {
        text.to_string().replace(&format!("{}/", self.0.display()), "")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// The value of a key in a rendering, if it has one.
fn value_of<'t>(rendered: &'t str, section: &str, name: &str) -> Option<&'t str> {
    let section = rendered.split(&format!("[{section}]")).nth(1)?.split("\n[").next()?;
    let value = section.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "))?;
    Some(value.split(" # ").next().unwrap_or(value).trim_end())
}
