//! Compiles the protos with a compiler in pure Rust, so that no `protoc` is needed.

use std::{env, fs, path::PathBuf};

use prost::Message as _;

const FILES: &[&str] = &[
    "purse/v1/wallet_service.proto",
    "purse/v1/grant_service.proto",
    "purse/v1/event_service.proto",
    "purse/v1/report_service.proto",
    "purse/v1/catalog_service.proto",
    "purse/v1/subscription_service.proto",
    "purse/testing/v1/test_clock_service.proto",
];

/// Imported by no service, and still part of the API.
const REASONS: &str = "purse/v1/error_reason.proto";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    println!("cargo:rerun-if-changed={}", root.display());

    let files: Vec<PathBuf> = FILES.iter().chain(&[REASONS]).map(|file| root.join(file)).collect();
    let descriptors = protox::compile(files, [&root])?;
    let out = PathBuf::from(env::var("OUT_DIR")?).join("descriptors.bin");
    fs::write(out, descriptors.encode_to_vec())?;

    // BTreeMap: metadata has one order, so equal answers are equal bytes.
    tonic_prost_build::configure().btree_map(".").compile_fds(descriptors)?;
    Ok(())
}
