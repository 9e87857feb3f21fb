//! Compliance modules: the rules that the real ones of T-REX 4.1.6 hold, and what they would say of a transfer.

mod eligibility;
mod forks;
mod rules;
mod serving;
mod story;
