//! Acceptance tests: the real server over gRPC, on a real PostgreSQL.
//!
//! All tests share one throw-away cluster and have a database each. Time is the test clock's.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod bad_input;
mod balances;
mod costs;
mod credentials;
mod database_away;
mod deadlines;
mod deadlocks;
mod events;
mod expiries;
mod expiry_changes;
mod explanations;
mod fixture;
mod history;
mod idempotency;
mod kept_wallets;
mod known_balances;
mod large_wallets;
mod limits;
mod lists;
mod many_callers;
mod mayhem;
mod migrations;
mod operations;
mod overload;
mod packs;
mod pipelines;
mod privileges;
mod random_programs;
mod random_wallet;
mod reports;
mod reversals;
mod rule_costs;
mod rule_fields;
mod rules;
mod scenarios;
mod serving;
mod spend_limits;
mod subscriptions;
mod sweeping;
mod timelines;
mod together;
mod top_ups;
mod transfers;
mod verify;
mod wallets;
