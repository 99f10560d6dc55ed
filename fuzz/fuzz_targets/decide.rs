//! Programs of commands.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| purse_fuzzing::decide::check(bytes));
