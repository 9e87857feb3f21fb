//! A node's URL, which often carries a key in its path, query or user name.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use alloy::transports::Authorization;
use alloy::transports::http::reqwest::Url;

/// What stands for a secret in any text.
const REDACTED: &str = "[redacted]";

/// Parts of a URL shorter than this are words such as `v3` and `rpc`, not keys.
const SECRET_LENGTH_MIN: usize = 8;

/// Metadata services outside the link-local ranges: AWS by IPv6, Alibaba Cloud.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
const METADATA_V4: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);
/// Google's, by name.
const METADATA_NAME: &str = "metadata.google.internal";

/// A node's URL. Prints its scheme and host and nothing else, by `Debug` as by `Display`.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct SecretUrl(Url);

/// Why a text is no URL of a node. Never quotes the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretUrlError {
    /// Not a URL at all.
    #[error("the node's URL cannot be parsed ({0}); write it as https://host/path or wss://host/path")]
    Malformed(String),
    /// A scheme that we do not speak.
    #[error("the node's URL has a scheme that is not http, https, ws or wss")]
    Scheme,
    /// No host.
    #[error("the node's URL has no host; write it as https://host/path or wss://host/path")]
    Host,
}

impl SecretUrl {
    /// Whether the URL asks for a WebSocket.
    pub fn is_websocket(&self) -> bool {
        matches!(self.0.scheme(), "ws" | "wss")
    }

    /// Whether the host is written as a link-local address or as a cloud's metadata service, in any notation. What a
    /// name resolves to is not looked at.
    pub fn is_link_local(&self) -> bool {
        let host = self.0.host_str().unwrap_or_default();
        let is_v4 = |number: Ipv4Addr| number.is_link_local() || number == METADATA_V4;
        match host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            Ok(IpAddr::V4(number)) => is_v4(number),
            Ok(IpAddr::V6(number)) => {
                number.is_unicast_link_local() || number == METADATA_V6 || number.to_ipv4().is_some_and(is_v4)
            }
            Err(_) => host.trim_end_matches('.').eq_ignore_ascii_case(METADATA_NAME),
        }
    }

    /// The URL with its secrets, for the transport alone.
    pub(super) fn expose(&self) -> &Url {
        &self.0
    }

    /// `text` without this URL's secrets: a node's error may quote the key or the path it was called with.
    pub fn redact(&self, text: &str) -> String {
        let mut clean = text.replace(self.0.as_str(), &self.to_string());
        for secret in self.secrets() {
            clean = clean.replace(&secret, REDACTED);
        }
        clean
    }

    /// Everything in the URL that may be a secret, longest first.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let url = &self.0;
        let mut found: Vec<String> = Vec::new();
        found.extend(url.path_segments().into_iter().flatten().flat_map(written_and_decoded));
        found.extend(url.query().map(str::to_owned));
        found.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
        found.extend(url.fragment().map(str::to_owned));
        let names = written_and_decoded(url.username());
        found.extend(names.iter().cloned());
        found.retain(|part| part.len() >= SECRET_LENGTH_MIN);
        // A password is a secret whatever its length; HTTP sends it with the name, in base64.
        let passwords = written_and_decoded(url.password().unwrap_or_default());
        for (name, password) in names.iter().zip(&passwords) {
            let sent = Authorization::basic(name, password).to_string();
            found.extend(
                sent.strip_prefix("Basic ").filter(|_| sent.len() > SECRET_LENGTH_MIN + 6).map(str::to_owned),
            );
        }
        found.extend(passwords.into_iter().filter(|password| !password.is_empty()));
        if url.path().len() > SECRET_LENGTH_MIN {
            found.push(url.path().to_owned());
        }
        found.sort_by_key(|part| std::cmp::Reverse(part.len()));
        found
    }
}

/// A part of a URL as it is written, and as it is meant: with what is percent-encoded decoded.
pub(crate) fn written_and_decoded(part: &str) -> [String; 2] {
    let mut query = String::from("http://host/?part=");
    // Only a query gives its values decoded; there a plus would be a space.
    query.push_str(&part.replace('+', "%2B").replace('&', "%26"));
    let decoded = Url::parse(&query).ok().and_then(|url| Some(url.query_pairs().next()?.1.into_owned()));
    [part.to_owned(), decoded.unwrap_or_else(|| part.to_owned())]
}

impl FromStr for SecretUrl {
    type Err = SecretUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text.trim()).map_err(|error| SecretUrlError::Malformed(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https" | "ws" | "wss") {
            return Err(SecretUrlError::Scheme);
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(SecretUrlError::Host);
        }
        if url.path().contains('@') {
            // A raw `/` in a password ends the host there: what is shown as host would be the secret's beginning.
            let reason = "a raw '/' stands in the password, or a raw '@' after the host".to_owned();
            return Err(SecretUrlError::Malformed(reason));
        }
        Ok(Self(url))
    }
}

impl TryFrom<String> for SecretUrl {
    type Error = SecretUrlError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.0.scheme(), self.0.host_str().unwrap_or_default())?;
        match self.0.port() {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "wss://canaryuser:canarypw@node.example:8443/v2/canarypath0?key=canaryquery";

    #[test]
    fn prints_scheme_and_host_only() {
        let url: SecretUrl = URL.parse().expect("a sound URL");
        assert_eq!(url.to_string(), "wss://node.example:8443");
        assert_eq!(format!("{url:?}"), "SecretUrl(wss://node.example:8443)");
        assert!(url.is_websocket());
    }

    #[test]
    fn redacts_every_part_wherever_it_is_quoted() {
        let url: SecretUrl = URL.parse().expect("a sound URL");
        let text = format!(
            "cannot reach {URL}: /v2/canarypath0 refused, key canarypath0, user canaryuser canarypw, canaryquery"
        );
        let clean = url.redact(&text);
        assert!(!clean.contains("canary"), "{clean}");
        assert!(clean.contains("node.example"), "the host stays readable: {clean}");
    }

    #[test]
    fn knows_a_secret_encoded_decoded_and_as_http_sends_it() {
        let url: SecretUrl = "http://user:p%40ss+w&%C3%A9@node.example/".parse().expect("a sound URL");
        // base64 of `user:p@ss+w&é`, and of what is written.
        for text in ["p%40ss+w&%C3%A9", "p@ss+w&é", "dXNlcjpwQHNzK3cmw6k=", "dXNlcjpwJTQwc3MrdyYlQzMlQTk="] {
            assert_eq!(url.redact(&format!("it says {text}.")), "it says [redacted].");
        }
        let bare: SecretUrl = "http://node.example/v3".parse().expect("a sound URL");
        assert_eq!(bare.secrets(), Vec::<String>::new(), "{bare:?}");
    }

    #[test]
    fn tells_link_local_and_metadata_addresses_in_every_notation() {
        let is = |host: &str| format!("http://{host}/").parse::<SecretUrl>().expect("a URL").is_link_local();
        for host in [
            "169.254.169.254",
            "169.254.0.1:8545",
            "0xA9FEA9FE",
            "2852039166",
            "0251.0376.0251.0376",
            "169.254.43518",
            "[fe80::1]",
            "[febf::1]",
            "[fd00:ec2::254]",
            "[::ffff:169.254.169.254]",
            "[::ffff:a9fe:a9fe]",
            "100.100.100.200",
            "metadata.google.internal",
            "Metadata.Google.Internal.",
        ] {
            assert!(is(host), "{host}");
        }
        for host in
            ["127.0.0.1", "10.0.0.1", "169.253.1.1", "[fd00::1]", "[::1]", "node.example", "localhost"]
        {
            assert!(!is(host), "{host}");
        }
    }

    #[test]
    fn refuses_what_is_no_node_without_quoting_it() {
        for (text, part) in [
            ("canary canary", "cannot be parsed"),
            ("ftp://canary.example/canary", "a scheme that is not"),
            ("http:///", "cannot be parsed"),
            ("", "cannot be parsed"),
        ] {
            let error = text.parse::<SecretUrl>().expect_err("not a node's URL").to_string();
            assert!(error.contains(part), "{text}: {error}");
            assert!(!error.contains("canary"), "{error}");
        }
    }
}
