//! Requests as they come over the wire.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| purse_fuzzing::parse::check(bytes));
