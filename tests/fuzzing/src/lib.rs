//! Fuzz targets: functions of bytes that never panic unless something is wrong.
//!
//! * [`decide`]: bytes as a program of commands, which keeps the properties of the domain;
//! * [`parse`]: bytes as a request of one of the methods, parsed as the server does.
//!
//! `fuzz/` makes programs for libFuzzer of them, and `tests/fixed.rs` runs them on the same few inputs each time.
//!
//! The properties are those of `crates/domain/tests/properties`, compiled here once more: there proptest makes the
//! programs, here the fuzzer does.

pub mod decide;
pub mod parse;

#[allow(dead_code, unused_imports, reason = "the tests among it are not compiled here")]
#[path = "../../../crates/domain/tests/properties/main.rs"]
mod properties;

use proptest::test_runner::TestCaseResult;

/// Stops with what is wrong, if anything is.
#[track_caller]
fn must_hold(property: &str, result: TestCaseResult) {
    if let Err(broken) = result {
        panic!("{property}: {broken}");
    }
}
