//! The program as a process: killed at any instant, twice at once, paused, stopped in every phase, cut off from its
//! node and its database, watched over HTTP, and given work by commands. The tables equal a fresh index's every time.

mod commits;
mod database;
mod derivation;
mod disk;
mod duels;
mod failover;
mod first_load;
mod flags;
mod kills;
mod node;
mod node_link;
mod pace;
mod reading;
mod requests;
mod signals;
mod silence;
mod stages;
mod stalls;
mod upgrades;
mod upkeep;
mod watched;
mod writers;

use std::time::Duration;

use scenario::NodeOptions;

/// Another writer takes over from one that died: a lease (5 s), a glance (0.5 s), and some air.
const TAKEOVER: Duration = Duration::from_secs(8);

/// The server ends a transaction in which nothing happens for ten seconds.
const FREED: Duration = Duration::from_secs(10);

fn slots(slots_in_an_epoch: u64) -> NodeOptions {
    NodeOptions { slots_in_an_epoch, ..NodeOptions::default() }
}

fn between(one: chrono::DateTime<chrono::Utc>, other: chrono::DateTime<chrono::Utc>) -> Duration {
    (other - one).to_std().unwrap_or_default()
}
