//! Verification: that it is silent about tables that are right, and that it finds and names what is not.

mod commands;
mod levels;
mod mutations;
mod reconciliation;
mod stage;
