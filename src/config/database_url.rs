//! The database's URL, which carries a password.
//!
//! Invariant: a server on another machine is only spoken to over TLS whose certificate and host name are verified,
//! unless the operator says otherwise in so many words. The driver's own default would fall back to plain text when
//! somebody on the way strips TLS, and would send the password along.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use alloy::transports::http::reqwest::Url;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::rpc::written_and_decoded;

/// What a URL may say in its query. Others would be ignored by the driver, and a misspelt `sslmode` with
/// them.
const PARAMETERS: [&str; 13] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];

/// A database's URL. Prints its scheme and host and nothing else, by `Debug` as by `Display`.
#[derive(Clone)]
pub struct DatabaseUrl {
    shown: String,
    options: PgConnectOptions,
    passwords: Vec<String>,
    /// Whether `sslmode` is written in the URL itself.
    states_sslmode: bool,
}

/// Why a text is no URL of a database. Never quotes the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseUrlError {
    /// Not a URL, or not one of this form.
    #[error(
        "the database's URL cannot be parsed ({0}); write it as postgres://user:password@host:5432/database, special \
         characters of the password percent-encoded"
    )]
    Malformed(String),
    /// Another scheme.
    #[error("the database's URL has a scheme that is not postgres or postgresql")]
    Scheme,
    /// A parameter that the driver does not know.
    #[error("the database's URL has a parameter that is not one of {}", PARAMETERS.join(", "))]
    Parameter,
    /// A server on another machine, and a `sslmode` that does not verify it.
    #[error(
        "the database's URL names a server on another machine and a sslmode that does not verify it: write \
         sslmode=verify-full (or leave it out, which means the same), with sslrootcert=FILE where the authority is your \
         own; for a network that you trust as you trust this machine, set database.allow_unverified = true"
    )]
    Unverified,
}

impl DatabaseUrl {
    /// Reads a URL. For a server on another machine `sslmode` is `verify-full`; another one may be written only with
    /// `allow_unverified`.
    ///
    /// # Errors
    /// What is wrong with the text, without quoting it.
    pub fn parse(text: &str, allow_unverified: bool) -> Result<Self, DatabaseUrlError> {
        let mut parsed = Self::read(text.trim())?;
        if parsed.is_local() || (parsed.states_sslmode && allow_unverified) {
            return Ok(parsed);
        }
        if parsed.states_sslmode && !matches!(parsed.options.get_ssl_mode(), PgSslMode::VerifyFull) {
            return Err(DatabaseUrlError::Unverified);
        }
        // Not the driver's default, and not PGSSLMODE, which may be meant for another program.
        parsed.options = parsed.options.ssl_mode(PgSslMode::VerifyFull);
        Ok(parsed)
    }

    /// Whether what is sent stays on this machine: a socket, or the loopback interface by number or as `localhost`.
    fn is_local(&self) -> bool {
        let host = self.options.get_host();
        if self.options.get_socket().is_some() || host.starts_with('/') {
            return true;
        }
        let number = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        host.eq_ignore_ascii_case("localhost") || number.is_ok_and(|number| number.is_loopback())
    }

    /// How to connect. Its `Debug` shows the password: never print it.
    pub fn connect_options(&self) -> PgConnectOptions {
        self.options.clone()
    }

    /// The passwords it holds, as written and decoded.
    pub(crate) fn secrets(&self) -> Vec<String> {
        self.passwords.clone()
    }

    fn read(text: &str) -> Result<Self, DatabaseUrlError> {
        let malformed = |reason: &str| DatabaseUrlError::Malformed(reason.to_owned());
        let url = Url::parse(text).map_err(|error| malformed(&error.to_string()))?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(DatabaseUrlError::Scheme);
        }
        if url.cannot_be_a_base() {
            return Err(malformed("there is no // after the scheme"));
        }
        // A raw '/', '?' or '#' in the password ends the host's part early, and what follows is taken for a
        // path.
        if url.path().contains('@') || url.fragment().is_some() {
            return Err(malformed(
                "a raw '/' or '#' stands in the password, or a raw '@' or '#' after the host",
            ));
        }
        let known = |name: &str| PARAMETERS.contains(&name) || name.starts_with("options[");
        if !url.query_pairs().all(|(name, _)| known(&name)) {
            return Err(DatabaseUrlError::Parameter);
        }
        // The driver's error may quote a part of the URL.
        let options =
            text.parse().map_err(|_| malformed("a part of it or a parameter's value does not fit"))?;
        // A directory with a socket stands percent-encoded in the host's place.
        let host = url.host_str().filter(|host| !host.contains('%')).unwrap_or_default();
        // A socket's port names a file, and without a host no port can be read back.
        let port = url.port().filter(|_| !host.is_empty()).map(|port| format!(":{port}")).unwrap_or_default();
        let states_sslmode = url.query_pairs().any(|(name, _)| name == "sslmode");
        let mut passwords: Vec<String> = url
            .query_pairs()
            .filter(|(name, _)| name == "password")
            .map(|(_, value)| value.into_owned())
            .collect();
        passwords.extend(url.password().into_iter().flat_map(written_and_decoded));
        Ok(Self { shown: format!("{}://{host}{port}", url.scheme()), options, passwords, states_sslmode })
    }
}

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    /// [`DatabaseUrl::parse`] without exceptions.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text, false)
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_scheme_and_host_only_and_connects_with_the_rest() {
        let text = "postgres://canaryuser:canary%2Fpw@db.example:6432/canarydb?sslmode=verify-full&application_name=canaryapp";
        let url: DatabaseUrl = text.parse().expect("a sound URL");
        assert_eq!(url.to_string(), "postgres://db.example:6432");
        assert_eq!(format!("{url:?}"), "DatabaseUrl(postgres://db.example:6432)");
        let options = url.connect_options();
        assert_eq!(options.get_host(), "db.example");
        assert_eq!(options.get_port(), 6432);
        assert_eq!(options.get_username(), "canaryuser");
        assert_eq!(options.get_database(), Some("canarydb"));
        assert_eq!(options.get_application_name(), Some("canaryapp"));
        assert!(matches!(options.get_ssl_mode(), PgSslMode::VerifyFull));
        assert!(format!("{options:?}").contains("canary/pw"), "the password arrives decoded");
    }

    #[test]
    fn takes_a_socket_and_shows_no_directory() {
        for text in [
            "postgresql:///canary?host=/run/canary",
            "postgresql://canary@%2Frun%2Fcanary/canary",
            "postgresql://canary@%2Frun%2Fcanary:5433/canary",
        ] {
            let url: DatabaseUrl = text.parse().expect("a sound URL");
            assert_eq!(url.to_string(), "postgresql://");
            let socket = url.connect_options().get_socket().map(|path| path.display().to_string());
            assert_eq!(socket.as_deref(), Some("/run/canary"), "{text}");
        }
    }

    #[test]
    fn another_machine_is_verified_unless_the_operator_says_otherwise_in_words() {
        let mode = |host: &str, written: &str, allowed: bool| {
            let text = format!("postgres://canaryuser:canarypw@{host}/canarydb{written}");
            match DatabaseUrl::parse(&text, allowed) {
                Ok(url) => format!("{:?}", url.connect_options().get_ssl_mode()),
                Err(error) => {
                    assert!(!error.to_string().contains("canary"), "{error}");
                    assert!(error.to_string().contains("database.allow_unverified"), "{error}");
                    format!("{error:?}")
                }
            }
        };
        let local =
            ["localhost", "LOCALHOST:6432", "127.0.0.1", "127.8.9.10:5433", "[::1]", "%2Frun%2Fpostgresql"];
        // Near misses: what looks local and need not be.
        let remote = [
            "db.example",
            "db",
            "10.0.0.5",
            "192.168.1.1:5432",
            "[fd00::5]",
            "0.0.0.0",
            "[::ffff:127.0.0.1]",
            "localhost.example",
            "127.0.0.1.example",
            "127.1",
            "notlocalhost",
            "169.254.169.254",
        ];
        for host in local {
            assert_eq!(mode(host, "", false), "Prefer", "{host}");
            assert_eq!(mode(host, "?sslmode=disable", false), "Disable", "{host}");
            assert_eq!(mode(host, "?sslmode=verify-full", false), "VerifyFull", "{host}");
        }
        for host in remote {
            for allowed in [false, true] {
                assert_eq!(mode(host, "", allowed), "VerifyFull", "{host}: silence means verified");
                assert_eq!(mode(host, "?sslmode=verify-full", allowed), "VerifyFull", "{host}");
            }
            for weak in ["disable", "allow", "prefer", "require", "verify-ca"] {
                assert_eq!(mode(host, &format!("?sslmode={weak}"), false), "Unverified", "{host} {weak}");
            }
            assert_eq!(mode(host, "?sslmode=disable", true), "Disable", "{host}");
            assert_eq!(mode(host, "?sslmode=verify-ca", true), "VerifyCa", "{host}");
        }
        // The host that counts is the one that is connected to.
        assert_eq!(mode("localhost", "?host=db.example&sslmode=disable", false), "Unverified");
        assert_eq!(mode("localhost", "?hostaddr=10.0.0.5", false), "VerifyFull");
        assert_eq!(mode("db.example", "?host=/run/postgresql", false), "Prefer");
    }

    #[test]
    fn refuses_what_is_no_database_without_quoting_it() {
        let form = "; write it as postgres://user:password@host:5432/database, special characters of the password \
                    percent-encoded";
        let parsed = |reason: &str| format!("the database's URL cannot be parsed ({reason}){form}");
        let raw = parsed("a raw '/' or '#' stands in the password, or a raw '@' or '#' after the host");
        let parameter = "the database's URL has a parameter that is not one of application_name, dbname, host, \
                         hostaddr, options, password, port, sslcert, sslkey, sslmode, sslrootcert, \
                         statement-cache-capacity, user";
        for (text, message) in [
            ("canary", parsed("relative URL without a base")),
            ("postgres:canary", parsed("there is no // after the scheme")),
            ("postgres://canary:ca/nary@host/canary", parsed("invalid port number")),
            ("postgres://canary:12/canary@host/canary", raw.clone()),
            ("postgres://canary:12?canary@host/canary", parameter.into()),
            ("postgres://canary:12#canary@host/canary", raw),
            ("postgres://host/db?sslmode=canary", parsed("a part of it or a parameter's value does not fit")),
            (
                "mysql://canary:canary@host/canary",
                "the database's URL has a scheme that is not postgres or postgresql".into(),
            ),
            ("postgres://host/db?sslmod=canary", parameter.into()),
            ("postgres://host/db?canary", parameter.into()),
        ] {
            let error = text.parse::<DatabaseUrl>().expect_err("not a database's URL").to_string();
            assert_eq!(error, message, "{text}");
            assert!(!error.contains("canary"), "{error}");
        }
    }
}
