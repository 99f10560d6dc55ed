//! Settings that the server refuses to start with.

use crate::{
    folder::Folder,
    process::{Finished, purse, run},
    settings::TOKENS,
};

fn serve(folder: &Folder, arguments: &[&str]) -> Finished {
    let mut command = purse();
    command.arg("serve").arg("--data-dir").arg(folder.data()).args(["--metrics-listen", "off"]);
    run(command.args(arguments))
}

fn assert_refused(finished: &Finished, code: i32, complaint: &str) {
    assert_eq!(finished.code, Some(code), "{finished:#?}");
    assert!(finished.stderr.contains(complaint), "{finished:#?}");
}

#[test]
fn production_refuses_what_only_tests_want() {
    let folder = Folder::new();
    let config = folder.file("purse.toml", TOKENS);
    let config = config.to_str().unwrap();
    let cases: [(&[&str], &str); 4] = [
        (&["--production", "--test-clock", "--config", config], "--test-clock"),
        (&["--production", "--test-clock"], "--test-clock"),
        (&["--production", "--allow-data-loss", "--config", config], "--allow-data-loss"),
        (&["--production"], "--production needs tokens"),
    ];
    for (arguments, complaint) in cases {
        assert_refused(&serve(&folder, arguments), 2, complaint);
    }
    assert!(!folder.data().exists(), "refused before anything was made");
}

#[test]
fn without_tokens_only_loopback_is_listened_on() {
    let folder = Folder::new();
    let refused = serve(&folder, &["--listen", "0.0.0.0:0"]);
    assert_refused(&refused, 2, "without tokens only loopback is listened on");
    assert_eq!(folder.cluster().processes(), [], "no PostgreSQL was started");
}

#[test]
fn a_setting_that_the_file_misspells_is_refused() {
    let folder = Folder::new();
    let config = folder.file("purse.toml", "listn = \"127.0.0.1:0\"");
    assert_refused(&serve(&folder, &["--config", config.to_str().unwrap()]), 2, "listn");
}
