//! Properties of the domain over random programs of commands (design, section 3).
//!
//! A program is a list of commands with the hours between them. Instants are whole hours, so that windows,
//! commands and late usage often meet at one instant, which is where rules about time go wrong.
//!
//! * `program`, `limited`: random commands;
//! * `ledger`: a wallet in memory with all of its entries;
//! * `model`, `limit_model`: what a wallet does, once more, written as plainly as possible;
//! * the rest: the properties themselves, one file per rule.
//!
//! A property of programs is a function of one, which `tests/fuzzing` calls too, with programs that a fuzzer makes. It
//! compiles these files once more, so they name each other by `super`.

pub(crate) mod composing;
#[cfg(test)]
mod costing;
#[cfg(test)]
mod cycles;
pub(crate) mod events;
pub(crate) mod explaining;
pub(crate) mod folding;
pub(crate) mod invariants;
pub(crate) mod knowing;
pub(crate) mod ledger;
pub(crate) mod limit_model;
pub(crate) mod limited;
pub(crate) mod limits;
pub(crate) mod model;
#[cfg(test)]
mod order;
pub(crate) mod partial_coverage;
pub(crate) mod program;
#[cfg(test)]
mod settings;
pub(crate) mod settling;
pub(crate) mod slow_model;
pub(crate) mod timelines;

/// Cases of each property: together they take a few seconds in a debug build.
fn cases(cases: u32) -> proptest::test_runner::Config {
    proptest::test_runner::Config { cases, failure_persistence: None, ..Default::default() }
}
