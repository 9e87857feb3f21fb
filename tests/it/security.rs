//! The threats S1 to S23, one file for what belongs together; the table in the README names the test of each.

mod forgery;
mod locks;
mod outside;
mod rights;
mod secrets;
mod self_attested;
mod supply;
mod tls;
mod volume;
