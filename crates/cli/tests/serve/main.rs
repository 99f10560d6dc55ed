//! The `purse` binary as a process: what it refuses to start with, what a crash of it or of its database
//! leaves behind, what it sends to a trace collector, and the exit codes of its other verbs.
//!
//! Each test has a data folder of its own and starts the real binary on it. What a test needs of the world
//! it polls for, up to [`process::PATIENCE`].

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod billing_year;
mod cluster;
mod collector;
mod crashes;
mod credentials;
mod event_files;
mod folder;
mod ledger;
mod load;
mod migrations;
mod operations;
mod process;
mod refusals;
mod rules;
mod server;
mod settings;
mod stopping;
mod sweeping;
mod traces;
mod verify;
