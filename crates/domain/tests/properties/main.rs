//! Properties of the domain over random programs of commands (design, section 3).
//!
//! A program is a list of commands with the hours between them. Instants are whole hours, so that windows,
//! commands and late usage often meet at one instant, which is where rules about time go wrong.
//!
//! * `program`, `limited`: random commands;
//! * `ledger`: a wallet in memory with all of its entries;
//! * `model`, `limit_model`: what a wallet does, once more, written as plainly as possible;
//! * the rest: the properties themselves, one file per rule.

mod composing;
mod costing;
mod cycles;
mod events;
mod explaining;
mod folding;
mod invariants;
mod knowing;
mod ledger;
mod limit_model;
mod limited;
mod limits;
mod model;
mod order;
mod partial_coverage;
mod program;
mod settling;
mod slow_model;
mod timelines;

/// Cases of each property: together they take a few seconds in a debug build.
fn cases(cases: u32) -> proptest::test_runner::Config {
    proptest::test_runner::Config { cases, failure_persistence: None, ..Default::default() }
}
