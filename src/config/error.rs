//! A mistake in the configuration: where it stands, what was written, and the rule it breaks.

use std::fmt;
use std::path::{Path, PathBuf};

/// Where a value came from. A later variant wins over an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody gave it.
    Default,
    /// The configuration file.
    File {
        /// The file, as it was named.
        file: PathBuf,
        /// Counted from 1; 0 for the file as a whole.
        line: usize,
    },
    /// An environment variable.
    Environment {
        /// Its name.
        variable: String,
    },
    /// An argument of the command line.
    Flag {
        /// Its name, with the dashes.
        flag: &'static str,
    },
}

impl Origin {
    /// Which source wins: the highest. Among the environment's, variables that programs share win over ours.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Origin::Default => 0,
            Origin::File { .. } => 1,
            Origin::Environment { variable } if variable.starts_with(super::key::PREFIX) => 2,
            Origin::Environment { .. } => 3,
            Origin::Flag { .. } => 4,
        }
    }

    /// What a relative path of this source starts from: the file's own directory, or the working directory.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        match self {
            Origin::File { file, .. } => file.parent().unwrap_or(Path::new("")).join(path),
            Origin::Default | Origin::Environment { .. } | Origin::Flag { .. } => PathBuf::from(path),
        }
    }

    fn line(&self) -> usize {
        match self {
            Origin::File { line, .. } => *line,
            Origin::Default | Origin::Environment { .. } | Origin::Flag { .. } => 0,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { file, line: 0 } => write!(f, "{}", file.display()),
            Origin::File { file, line } => write!(f, "{}:{line}", file.display()),
            // A name of ours that was not set by us may hold anything.
            Origin::Environment { variable } => write!(f, "environment {}", variable.escape_debug()),
            Origin::Flag { flag } => f.write_str(flag),
        }
    }
}

/// One mistake. Holds no secret: where the value is one, or might be one, it is replaced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// Where it stands.
    pub origin: Origin,
    /// The key, as `section.key`; empty where the text is no TOML.
    pub key: String,
    /// What was written, where it helps and is no secret.
    pub value: Option<String>,
    /// The rule it breaks.
    pub rule: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.origin != Origin::Default {
            write!(f, "{}: ", self.origin)?;
        }
        match (self.key.as_str(), &self.value) {
            ("", _) => {}
            (key, None) => write!(f, "{key}: ")?,
            (key, Some(value)) => write!(f, "{key} = {value}: ")?,
        }
        f.write_str(&self.rule)
    }
}

/// Every mistake that was found, in the order of the sources and of the lines. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// The mistakes in order; `Ok` when there is none.
    pub(super) fn none_of(mut errors: Vec<ConfigError>) -> Result<(), Self> {
        if errors.is_empty() {
            return Ok(());
        }
        errors.sort_by_key(|error| (error.origin.rank(), error.origin.line()));
        Err(Self(errors))
    }

    /// The mistakes.
    pub fn iter(&self) -> std::slice::Iter<'_, ConfigError> {
        self.0.iter()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = self.0.as_slice() {
            return write!(f, "{only}");
        }
        write!(f, "{} mistakes in the configuration:", self.0.len())?;
        self.0.iter().try_for_each(|error| write!(f, "\n  {error}"))
    }
}
