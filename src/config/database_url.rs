//! The database's URL, which carries a password.

use std::fmt;
use std::str::FromStr;

use alloy::transports::http::reqwest::Url;
use sqlx::postgres::PgConnectOptions;

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
}

impl DatabaseUrl {
    /// How to connect. Its `Debug` shows the password: never print it.
    pub fn connect_options(&self) -> PgConnectOptions {
        self.options.clone()
    }
}

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = |reason: &str| DatabaseUrlError::Malformed(reason.to_owned());
        let url = Url::parse(text.trim()).map_err(|error| malformed(&error.to_string()))?;
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
            text.trim().parse().map_err(|_| malformed("a part of it or a parameter's value does not fit"))?;
        // A directory with a socket stands percent-encoded in the host's place.
        let host = url.host_str().filter(|host| !host.contains('%')).unwrap_or_default();
        // A socket's port names a file, and without a host no port can be read back.
        let port = url.port().filter(|_| !host.is_empty()).map(|port| format!(":{port}")).unwrap_or_default();
        Ok(Self { shown: format!("{}://{host}{port}", url.scheme()), options })
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
        let text = "postgres://canaryuser:canary%2Fpw@db.example:6432/canarydb?sslmode=require&application_name=canaryapp";
        let url: DatabaseUrl = text.parse().expect("a sound URL");
        assert_eq!(url.to_string(), "postgres://db.example:6432");
        assert_eq!(format!("{url:?}"), "DatabaseUrl(postgres://db.example:6432)");
        let options = url.connect_options();
        assert_eq!(options.get_host(), "db.example");
        assert_eq!(options.get_port(), 6432);
        assert_eq!(options.get_username(), "canaryuser");
        assert_eq!(options.get_database(), Some("canarydb"));
        assert_eq!(options.get_application_name(), Some("canaryapp"));
        assert!(matches!(options.get_ssl_mode(), sqlx::postgres::PgSslMode::Require));
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
