//! Runs the targets on the inputs in `fuzz/seeds`, and on some made of them by chance, always the same ones.
//!
//! What libFuzzer finds in an hour it does not find here; but nothing that was found comes back, and a target that
//! stops at nearly everything is noticed before the next hunt.

use std::{fs, panic, path::Path};

use fastrand::Rng;

/// Inputs that are made for each target: together they take some seconds in a debug build.
const RUNS_OF_PARSE: usize = 20_000;
const RUNS_OF_DECIDE: usize = 1_000;
/// Most bytes that are added to an input at once.
const MOST_ADDED: usize = 256;

#[test]
fn requests_are_parsed_or_refused() {
    run("parse", RUNS_OF_PARSE, purse_fuzzing::parse::check);
}

#[test]
fn programs_keep_the_properties() {
    run("decide", RUNS_OF_DECIDE, purse_fuzzing::decide::check);
}

fn run(target: &str, runs: usize, check: fn(&[u8])) {
    let seeds = seeds(target);
    assert!(!seeds.is_empty(), "fuzz/seeds/{target} has inputs");
    for (name, seed) in &seeds {
        try_input(check, seed, name);
    }
    let mut chance = Rng::with_seed(1);
    for _ in 0..runs {
        let (name, seed) = &seeds[chance.usize(..seeds.len())];
        try_input(check, &changed(seed, &mut chance), name);
    }
}

/// The inputs of a target, by name.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let files = fs::read_dir(folder).expect("a folder of inputs").map(|file| file.expect("a file"));
    let mut seeds: Vec<_> = files
        .map(|file| {
            let bytes = fs::read(file.path()).expect("an input");
            (file.file_name().to_string_lossy().into_owned(), bytes)
        })
        .collect();
    seeds.sort();
    seeds
}

/// An input with some bytes changed, put in, taken out or added.
fn changed(seed: &[u8], chance: &mut Rng) -> Vec<u8> {
    let mut input = seed.to_vec();
    for _ in 0..chance.usize(1..6) {
        let place = chance.usize(..=input.len());
        match chance.u8(..8) {
            0 => {
                let added = chance.usize(..MOST_ADDED);
                input.extend(std::iter::repeat_with(|| chance.u8(..)).take(added));
            }
            1 => input.insert(place, chance.u8(..)),
            2 if place < input.len() => drop(input.remove(place)),
            _ if place < input.len() => input[place] = chance.u8(..),
            _ => {}
        }
    }
    input
}

/// Says the bytes of an input that a target stops at: written to a file they are one of libFuzzer's, and a seed.
fn try_input(check: fn(&[u8]), input: &[u8], seed: &str) {
    if let Err(stopped) = panic::catch_unwind(|| check(input)) {
        eprintln!("stopped at {input:?}, made of {seed}");
        panic::resume_unwind(stopped);
    }
}
