//! The second line against secrets in what the program writes: whatever a library logs, whatever an error quotes, and
//! whatever a panic says, passes here last. (The first line is that our own types show no secret.)

use std::io::{self, Write};
use std::panic;
use std::sync::{Arc, OnceLock};

use tracing_subscriber::fmt::MakeWriter;

/// What stands for a secret.
const REDACTED: &str = "[redacted]";

/// Shorter secrets are left to the first line: to take every `a` out of a log would leave nothing of it.
const LENGTH_MIN: usize = 4;

/// The process's secrets, once its configuration is read.
static SECRETS: OnceLock<Secrets> = OnceLock::new();

/// Texts that must not be written.
#[derive(Clone, Default)]
pub(super) struct Secrets(Arc<[String]>);

impl Secrets {
    /// These secrets, as they are and as JSON and Rust write them within quotes.
    pub(super) fn new(secrets: impl IntoIterator<Item = String>) -> Self {
        let mut all: Vec<String> = Vec::new();
        for secret in secrets.into_iter().filter(|secret| secret.len() >= LENGTH_MIN) {
            let json = serde_json::Value::from(secret.as_str()).to_string();
            let rust = format!("{secret:?}");
            for quoted in [&json, &rust] {
                let inner = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
                all.extend(inner.map(str::to_owned));
            }
            all.push(secret);
        }
        // The longest first: one may be a part of another.
        all.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        all.dedup();
        Self(all.into())
    }

    /// The text without them.
    pub(super) fn redact(&self, text: &str) -> String {
        let present = self.0.iter().filter(|secret| text.contains(secret.as_str()));
        present.fold(text.to_owned(), |clean, secret| clean.replace(secret.as_str(), REDACTED))
    }
}

/// Keeps the secrets for the rest of the process, for [`clean`] and for what a panic says.
pub(super) fn keep(secrets: Secrets) {
    // A second configuration in one process happens only in tests.
    let _ = SECRETS.set(secrets);
}

/// From now on a panic tells no secret that is kept, and output that nobody takes is no panic.
pub(super) fn watch_panics() {
    panic::set_hook(Box::new(|panicked| {
        refuse_output(panicked.payload_as_str().unwrap_or_default());
        let trace = std::backtrace::Backtrace::capture();
        eprintln!("{}", clean(&format!("{panicked}\n{trace}")));
    }));
}

/// Ends the process where standard output takes no more: quietly where its reader has gone (`| head`), as a program ends that
/// the signal for it ends.
fn refuse_output(said: &str) {
    let Some(reason) = said.strip_prefix("failed printing to stdout: ") else { return };
    if reason.contains("os error 32") {
        std::process::exit(128 + 13);
    }
    eprintln!("asset-indexer: standard output takes no more: {reason}");
    std::process::exit(73);
}

/// The text without the secrets that were kept; as it is while there are none.
pub(super) fn clean(text: &str) -> String {
    SECRETS.get().map_or_else(|| text.to_owned(), |secrets| secrets.redact(text))
}

/// Standard error, for log lines.
#[derive(Clone, Default)]
pub(super) struct Stderr(pub(super) Secrets);

impl<'w> MakeWriter<'w> for Stderr {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

impl Write for Stderr {
    /// A whole line at a time, as the log writes.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        io::stderr().lock().write_all(self.0.redact(&text).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_taken_out_however_it_is_quoted() {
        let secrets = Secrets::new(["pass\"word\\".to_owned(), "key".to_owned(), "longer-key".to_owned()]);
        for text in [
            "as it is: pass\"word\\, or longer-key",
            "{\"reason\":\"pass\\\"word\\\\ and longer-key\"}",
            &format!("{:?}", "pass\"word\\ longer-key"),
        ] {
            let clean = secrets.redact(text);
            assert!(!clean.contains("word") && !clean.contains("longer-key"), "{clean}");
            assert_eq!(clean.matches(REDACTED).count(), 2, "{clean}");
        }
        assert_eq!(secrets.redact("a monkey"), "a monkey", "what is too short stays");
        let json = secrets.redact("{\"reason\":\"pass\\\"word\\\\\"}");
        serde_json::from_str::<serde_json::Value>(&json).expect("a line of JSON stays one");
    }

    #[test]
    fn a_panic_tells_no_secret() {
        keep(Secrets::new(["canary-of-a-panic".to_owned()]));
        let text = clean("it broke at canary-of-a-panic");
        assert_eq!(text, "it broke at [redacted]");
    }
}
