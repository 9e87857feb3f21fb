//! The nodes: the one of `[rpc]`, then those of `[[provider]]`, which take from `[rpc]` what they do not say themselves.

use std::time::Duration;

use super::effective::Effective;
use super::entries::Fields;
use super::error::{ConfigError, Origin};
use super::key::{self, PROVIDER};
use super::raw::{Entry, read_limited};
use super::reader::{self, Reader};
use super::value::{REDACTED, Written, literal, quoted};
use super::{Chain, Provider, is_name};
use crate::providers::{Budget, Rules};
use crate::rpc::{self, SecretUrl};

const ALIAS_RULE: &str = "must be 1 to 64 letters, digits and any of . _ - : [ ]";

/// What holds for every node that does not say otherwise.
pub(super) struct Common {
    allow_link_local: bool,
    timeout: Duration,
    poll_interval: Duration,
    requests_in_flight: usize,
    batch_size_max: usize,
    response_bytes_max: usize,
}

/// `[rpc]`: the node it names, if it names one; what holds for all; and how several are treated.
pub(super) fn first(reader: &mut Reader, chain: &Chain) -> (Option<Provider>, Common, Rules) {
    let allow_link_local = reader.boolean(key::ALLOW_LINK_LOCAL);
    let url = reader.secret_url(key::RPC_URL, |text| parse(text, allow_link_local));
    let alias = reader.text(key::RPC_ALIAS, ALIAS_RULE, is_alias);
    let milliseconds = |number| Duration::from_millis(number);
    let common = Common {
        allow_link_local,
        timeout: milliseconds(reader.number(key::TIMEOUT_MS, "milliseconds", 100..=600_000, 30_000)),
        poll_interval: milliseconds(reader.number(
            key::POLL_INTERVAL_MS,
            "milliseconds",
            10..=600_000,
            1_000,
        )),
        requests_in_flight: reader.count(key::REQUESTS_IN_FLIGHT, "requests", 1..=256, 8),
        batch_size_max: reader.count(key::BATCH_SIZE_MAX, "requests", 1..=1_000, 50),
        response_bytes_max: reader.count(key::RESPONSE_BYTES_MAX, "bytes", 1 << 16..=1 << 30, 1 << 26),
    };
    let budget = Budget {
        requests_per_second: reader.optional_number(key::REQUESTS_PER_SECOND, "requests", 1..=1_000_000),
        requests_per_day: reader.optional_number(key::REQUESTS_PER_DAY, "requests", 1..=super::BLOCK_MAX),
    };
    let rules = Rules {
        quorum: reader.count(key::QUORUM, "providers", 1..=16, 1),
        lag_blocks_max: reader.number(key::LAG_BLOCKS_MAX, "blocks", 1..=super::DEPTH_MAX, 5),
        lag_seconds_max: reader.number(key::LAG_SECONDS_MAX, "seconds", 1..=86_400, 15),
        ..Rules::default()
    };
    let provider = url.map(|url| {
        let alias = alias.unwrap_or_else(|| reader::host(&url));
        Provider { rpc: common.config(url, alias, chain), budget }
    });
    (provider, common, rules)
}

impl Common {
    fn config(&self, url: SecretUrl, alias: String, chain: &Chain) -> rpc::Config {
        rpc::Config {
            alias,
            url,
            timeout: self.timeout,
            poll_interval: self.poll_interval,
            finality: chain.finality,
            range_blocks_max: chain.range_blocks_max,
            requests_in_flight: self.requests_in_flight,
            batch_size_max: self.batch_size_max,
            response_bytes_max: self.response_bytes_max,
        }
    }
}

/// Adds the entries of `[[provider]]`; every alias must be another.
pub(super) fn others(
    entries: &[Entry],
    (common, chain): (&Common, &Chain),
    found: &mut Vec<Provider>,
    effective: &mut Effective,
    errors: &mut Vec<ConfigError>,
) {
    let mut fields = Fields { list: PROVIDER, errors };
    let mut places: Vec<(String, String)> =
        found.iter().map(|one| (one.rpc.alias.clone(), "[rpc]".to_owned())).collect();
    for entry in entries {
        let url = url(&mut fields, entry, common.allow_link_local);
        let alias = fields.optional(entry, "alias", |written| match written.text()? {
            text if is_alias(text) => Ok(text.to_owned()),
            _ => Err(ALIAS_RULE.to_owned()),
        });
        let mut number = |name, units, least, most| {
            fields.optional(entry, name, |written| written.number(units, least, most))
        };
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let timeout = number("timeout_ms", "milliseconds", 100, 600_000).map(Duration::from_millis);
        let requests_in_flight = number("requests_in_flight", "requests", 1, 256).map(count);
        let batch_size_max = number("batch_size_max", "requests", 1, 1_000).map(count);
        let budget = Budget {
            requests_per_second: number("requests_per_second", "requests", 1, 1_000_000),
            requests_per_day: number("requests_per_day", "requests", 1, super::BLOCK_MAX),
        };
        let Some(url) = url else { continue };
        let written_alias = alias.is_some();
        let alias = alias.unwrap_or_else(|| reader::host(&url));
        if let Some((_, at)) = places.iter().find(|(other, _)| *other == alias) {
            let rule = format!("the alias {} is {at}'s already: give each provider its own", quoted(&alias));
            let name = if written_alias { "alias" } else { "url" };
            fields.errors.push(mistake(&entry.origin, name, None, rule));
            continue;
        }
        places.push((alias.clone(), entry.origin.to_string()));
        let own = Common {
            timeout: timeout.unwrap_or(common.timeout),
            requests_in_flight: requests_in_flight.unwrap_or(common.requests_in_flight),
            batch_size_max: batch_size_max.unwrap_or(common.batch_size_max),
            ..*common
        };
        let provider = Provider { rpc: own.config(url, alias, chain), budget };
        effective.entry(PROVIDER, entry.origin.to_string(), shown(&provider));
        found.push(provider);
    }
}

fn shown(provider: &Provider) -> Vec<(&'static str, String)> {
    let Provider { rpc, budget } = provider;
    let mut values = vec![
        ("alias", quoted(&rpc.alias)),
        ("url", literal(&rpc.url.to_string())),
        ("timeout_ms", rpc.timeout.as_millis().to_string()),
        ("requests_in_flight", rpc.requests_in_flight.to_string()),
        ("batch_size_max", rpc.batch_size_max.to_string()),
    ];
    values.extend(budget.requests_per_second.map(|most| ("requests_per_second", most.to_string())));
    values.extend(budget.requests_per_day.map(|most| ("requests_per_day", most.to_string())));
    values
}

/// The URL, given itself or as the file that holds it; no message quotes it.
fn url(fields: &mut Fields<'_>, entry: &Entry, allow_link_local: bool) -> Option<SecretUrl> {
    let (name, written) = match (entry.keys.get("url"), entry.keys.get("url_file")) {
        (Some(written), None) => ("url", written),
        (None, Some(written)) => ("url_file", written),
        (both, _) => {
            let rule = match both {
                Some(_) => "url and url_file are both given: give one of them",
                None => "is missing: give url, or url_file",
            };
            fields.errors.push(mistake(&entry.origin, "url", None, rule.to_owned()));
            return None;
        }
    };
    let read = || match name {
        "url" => parse(reader::single(written.text()?)?, allow_link_local),
        _ => {
            let content = read_limited(&written.path()?)?;
            let url = reader::single(content.trim()).and_then(|text| parse(text, allow_link_local));
            url.map_err(|rule| format!("the file's content: {rule}"))
        }
    };
    read()
        .map_err(|rule| {
            let value = if name == "url" { REDACTED.to_owned() } else { Written::shown(written) };
            fields.errors.push(mistake(&written.origin, name, Some(value), rule));
        })
        .ok()
}

fn mistake(origin: &Origin, name: &str, value: Option<String>, rule: String) -> ConfigError {
    ConfigError { origin: origin.clone(), key: format!("{}.{name}", PROVIDER.name), value, rule }
}

fn parse(text: &str, allow_link_local: bool) -> Result<SecretUrl, String> {
    let url = text.parse::<SecretUrl>().map_err(|error| error.to_string())?;
    if url.is_link_local() && !allow_link_local {
        return Err(super::LINK_LOCAL.to_owned());
    }
    Ok(url)
}

fn is_alias(text: &str) -> bool {
    is_name(text, "._-:[]")
}
