//! Every scenario file against the domain alone, each as one test.

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use purse_tests::{DomainDriver, run_file, scenario_files};

fn main() -> std::io::Result<ExitCode> {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    for path in scenario_files()? {
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        trials.push(Trial::test(name.unwrap_or_default(), move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build()?;
            let passed = runtime.block_on(run_file(&path, &mut DomainDriver::new()));
            passed.map_err(|error| Failed::from(in_full(&path, &error)))
        }));
    }
    Ok(libtest_mimic::run(&arguments, trials).exit_code())
}

/// The file and the error with its causes.
fn in_full(path: &std::path::Path, error: &dyn std::error::Error) -> String {
    let mut text = format!("{}, {error}", path.display());
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
