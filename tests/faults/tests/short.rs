//! Every fault for a moment, and every planted bug: what is in place for the long runs works.

use std::{
    env,
    path::PathBuf,
    process::{Command, Output},
    sync::OnceLock,
};

/// Long enough that each fault strikes.
const SECONDS: &str = "2";
/// Two processors are enough.
const CALLERS: &str = "8";

static PURSE: OnceLock<PathBuf> = OnceLock::new();

/// The server's binary, beside that of the faults. With all of the workspace it is built anyway; without, here.
fn purse() -> PathBuf {
    let build = || {
        let purse = PathBuf::from(env!("CARGO_BIN_EXE_purse-faults")).with_file_name("purse");
        if !purse.is_file() {
            let mut cargo = Command::new(env!("CARGO"));
            let built = cargo.args(["build", "--locked", "--package", "purse-cli"]).status();
            assert!(built.expect("cargo").success());
        }
        purse
    };
    PURSE.get_or_init(build).clone()
}

fn faults(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_purse-faults"));
    command.args(arguments).args(["--seconds", SECONDS, "--callers", CALLERS, "--purse"]);
    let output = command.arg(purse()).output().expect("the binary of the faults");
    // With the seed, for whoever reads why it failed.
    println!("{}", String::from_utf8_lossy(&output.stdout));
    println!("{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn assert_nothing_is_lost_or_doubled(fault: &str) {
    assert_eq!(faults(&[fault]).status.code(), Some(0));
}

fn assert_seen(bug: &str) {
    let output = faults(&["plant", bug]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains(&format!("{bug}: seen")));
}

macro_rules! runs {
    ($assert:ident: $($name:ident = $argument:literal;)*) => {
        $(
            #[test]
            fn $name() {
                $assert($argument);
            }
        )*
    };
}

runs! { assert_nothing_is_lost_or_doubled:
    servers_that_are_killed = "kill-server";
    postgresql_that_is_killed = "kill-postgres";
    postgresql_that_is_stopped_immediately = "stop-immediate";
    backends_that_are_terminated = "terminate-backends";
    connections_cut_before_a_commit = "cut-before-commit";
    connections_cut_after_a_commit = "cut-after-commit";
    replies_that_are_slow = "slow-replies";
    two_servers_with_the_same_keys = "two-servers";
    servers_restarted_in_turns = "rolling-restart";
    deadlines_that_are_short = "deadlines";
    many_callers_on_few_connections = "many-callers";
    a_disk_that_is_full_and_grows = "full-disk";
    clocks_an_hour_apart = "clocks-apart";
    a_database_that_comes_up_late = "late-database";
}

runs! { assert_seen:
    fresh_keys_are_seen = "fresh-keys";
    asynchronous_commits_are_seen = "asynchronous-commit";
    edited_entries_are_seen = "edited-entry";
}
