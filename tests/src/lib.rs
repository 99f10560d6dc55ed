//! Scenarios: worked examples with numbers, each a TOML file, each run by two drivers.
//!
//! A file in `tests/scenarios/` tells a story in steps: put credits in, let time pass, spend, look. What a step
//! must answer stands beside it, so that a reader can check the file by hand. [`run_file`] runs a file by
//! a [`Driver`]: [`DomainDriver`] asks the domain's `decide` and nothing else, [`GrpcDriver`] asks a server.
//! A file that passes with one and fails with the other shows where the two differ.
//!
//! In reading order:
//!
//! * the format: [`scenario`], [`step`], [`billing`], [`expiry`], [`instant`];
//! * what is asked and answered: [`driver`], [`answer`], [`line`](mod@line), [`sold`];
//! * running a file: [`run`], with [`audit`] at its end;
//! * the drivers: [`domain_driver`], [`grpc_driver`].

pub mod answer;
pub mod audit;
pub mod billing;
pub mod domain_driver;
pub mod driver;
pub mod expiry;
pub mod grpc_driver;
pub mod instant;
pub mod line;
pub mod run;
pub mod scenario;
pub mod sold;
pub mod step;

pub use answer::{EntryView, EventView, GrantView, Holdings, LimitView, Refusal, Written};
pub use domain_driver::DomainDriver;
pub use driver::{
    AsOf, Change, Driver, Limit, Notices, PackAsked, PartAsked, PriceAsked, SlabAsked, TopUpAsked,
    WalletRef, Write,
};
pub use grpc_driver::GrpcDriver;
pub use run::{RunError, run_file};
pub use scenario::{Scenario, scenario_files};
