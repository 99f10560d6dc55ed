//! Runs the binary. Nothing of the caller's environment that would set it up gets through.

use std::{
    env,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

/// What tests wait for takes a second or two; this is for machines that are busy.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Between looks at something that is waited for.
pub const LOOK: Duration = Duration::from_millis(20);

/// The variables that the binary reads, by how their names begin.
const SETTINGS: [&str; 4] = ["PURSE_", "OTEL_", "DATABASE_URL", "RUST_LOG"];

/// The binary, to be given arguments.
pub fn purse() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_purse"));
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if SETTINGS.iter().any(|prefix| name.starts_with(prefix)) {
            command.env_remove(&*name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// What came of a run.
#[derive(Debug)]
pub struct Finished {
    /// `None` if a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a command to its end. What it prints must fit into a pipe, 64 KiB.
pub fn run(command: &mut Command) -> Finished {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let ended = wait(&mut child);
    if ended.is_none() {
        child.kill().unwrap();
    }
    let output = child.wait_with_output().unwrap();
    let finished = Finished {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    };
    assert!(ended.is_some(), "it does not end by itself: {finished:#?}");
    finished
}

/// Waits for the end of a process; `None` if that takes too long.
pub fn wait(child: &mut Child) -> Option<ExitStatus> {
    let mut status = None;
    until(|| {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    status
}

/// Polls until something is so, and tells whether it came about.
pub fn until(mut is_so: impl FnMut() -> bool) -> bool {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if is_so() {
            return true;
        }
        thread::sleep(LOOK);
    }
    false
}
