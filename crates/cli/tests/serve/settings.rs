//! Where a setting comes from, and what is shown of it.

use toml::{Table, Value};

use crate::{
    folder::Folder,
    process::{Finished, purse, run},
};

/// A setting with a value of each source, as it is written there and as it is shown.
struct Setting {
    name: &'static str,
    flag: [&'static str; 2],
    variable: [&'static str; 2],
    /// In TOML.
    file: &'static str,
    /// What results from the file alone, with the variable, and with the flag too; in TOML.
    shown: [&'static str; 3],
}

const SETTINGS: [Setting; 8] = [
    Setting {
        name: "listen",
        flag: ["--listen", "127.0.0.1:3"],
        variable: ["PURSE_LISTEN", "127.0.0.1:2"],
        file: "'127.0.0.1:1'",
        shown: ["'127.0.0.1:1'", "'127.0.0.1:2'", "'127.0.0.1:3'"],
    },
    Setting {
        name: "metrics_listen",
        flag: ["--metrics-listen", "127.0.0.1:3"],
        variable: ["PURSE_METRICS_LISTEN", "off"],
        file: "'127.0.0.1:1'",
        shown: ["'127.0.0.1:1'", "'off'", "'127.0.0.1:3'"],
    },
    Setting {
        name: "data_dir",
        flag: ["--data-dir", "/nowhere/flag"],
        variable: ["PURSE_DATA_DIR", "/nowhere/variable"],
        file: "'/nowhere/file'",
        shown: ["'/nowhere/file'", "'/nowhere/variable'", "'/nowhere/flag'"],
    },
    Setting {
        name: "lanes",
        flag: ["--lanes", "3"],
        variable: ["PURSE_LANES", "2"],
        file: "1",
        shown: ["1", "2", "3"],
    },
    Setting {
        name: "events_pause",
        flag: ["--events-pause", "3s"],
        variable: ["PURSE_EVENTS_PAUSE", "2s"],
        file: "'1s'",
        shown: ["'1s'", "'2s'", "'3s'"],
    },
    Setting {
        name: "sweep_interval",
        flag: ["--sweep-interval", "off"],
        variable: ["PURSE_SWEEP_INTERVAL", "2s"],
        file: "'1m'",
        shown: ["'1m'", "'2s'", "'off'"],
    },
    Setting {
        name: "sweep_batch",
        flag: ["--sweep-batch", "3"],
        variable: ["PURSE_SWEEP_BATCH", "2"],
        file: "1",
        shown: ["1", "2", "3"],
    },
    Setting {
        name: "log_format",
        flag: ["--log-format", "auto"],
        variable: ["PURSE_LOG_FORMAT", "text"],
        file: "'json'",
        shown: ["'json'", "'text'", "'auto'"],
    },
];

/// A setting that is a switch on the command line: its name, flag and variable.
const SWITCHES: [[&str; 3]; 3] = [
    ["migrate", "--migrate", "PURSE_MIGRATE"],
    ["production", "--production", "PURSE_PRODUCTION"],
    ["allow_data_loss", "--allow-data-loss", "PURSE_ALLOW_DATA_LOSS"],
];

/// A token of nobody, for what needs tokens.
pub const TOKENS: &str = r#"
[[tokens]]
sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
namespace = "acme"
roles = ["admin"]
name = "checkout"
"#;

/// What `--print-config` prints.
fn printed(
    folder: &Folder,
    file: Option<&str>,
    variable: Option<[&str; 2]>,
    flag: &[&str],
) -> Finished {
    let mut command = purse();
    command.args(["serve", "--print-config"]).args(flag);
    if let Some(text) = file {
        command.arg("--config").arg(folder.file("purse.toml", text));
    }
    if let Some([name, value]) = variable {
        command.env(name, value);
    }
    let finished = run(&mut command);
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    finished
}

fn shown(
    folder: &Folder,
    name: &str,
    file: Option<&str>,
    variable: Option<[&str; 2]>,
    flag: &[&str],
) -> Value {
    let printed = printed(folder, file, variable, flag).stdout;
    printed.parse::<Table>().unwrap().remove(name).unwrap()
}

/// A value in TOML.
fn value(text: &str) -> Value {
    format!("value = {text}").parse::<Table>().unwrap().remove("value").unwrap()
}

#[test]
fn a_flag_wins_over_a_variable_and_a_variable_over_the_file() {
    let folder = Folder::new();
    for Setting { name, flag, variable, file, shown: [by_file, by_variable, by_flag] } in SETTINGS {
        let text = format!("{name} = {file}\n");
        let result = |variable, flag| shown(&folder, name, Some(&text), variable, flag);
        assert_eq!(result(None, &[]), value(by_file), "{name} from the file");
        assert_eq!(result(Some(variable), &[]), value(by_variable), "{name} from the variable");
        assert_eq!(result(Some(variable), &flag), value(by_flag), "{name} from the flag");
        assert_eq!(shown(&folder, name, None, None, &flag), value(by_flag), "{name}, flag alone");
    }
}

#[test]
fn a_switch_is_turned_on_and_off_by_each_source_over_the_ones_before() {
    let folder = Folder::new();
    for [name, flag, variable] in SWITCHES {
        let off = format!("{flag}=false");
        for (by_file, by_variable, flag) in [(false, true, off.as_str()), (true, false, flag)] {
            let text = format!("{name} = {by_file}\n{TOKENS}");
            let variable = [variable, if by_variable { "true" } else { "false" }];
            let result = |variable, flag| shown(&folder, name, Some(&text), variable, flag);
            assert_eq!(result(None, &[]), Value::Boolean(by_file), "{name} from the file");
            assert_eq!(result(Some(variable), &[]), Value::Boolean(by_variable), "{variable:?}");
            assert_eq!(result(Some(variable), &[flag]), Value::Boolean(by_file), "{flag}");
        }
    }
}

#[test]
fn printed_settings_hide_the_database_url_and_the_digests_of_tokens() {
    const URL: &str = "postgresql://purse:hunter2@db.example/purse";
    let folder = Folder::new();
    let file = format!("database_url = '{URL}'\n{TOKENS}");
    let sources = [
        printed(&folder, Some(&file), None, &[]),
        printed(&folder, Some(TOKENS), Some(["DATABASE_URL", URL]), &[]),
        printed(&folder, Some(TOKENS), None, &["--database-url", URL]),
    ];
    for finished in sources {
        for secret in ["hunter2", "e3b0c44298fc1c14"] {
            assert!(!finished.stdout.contains(secret), "{finished:#?}");
            assert!(!finished.stderr.contains(secret), "{finished:#?}");
        }
        let shown: Table = finished.stdout.parse().unwrap();
        assert_eq!(shown["database_url"], value("'(hidden)'"));
        let token = value(
            "{ sha256 = '(hidden)', namespace = 'acme', roles = ['admin'], name = 'checkout' }",
        );
        assert_eq!(shown["tokens"], Value::Array(vec![token]));
    }
}

#[test]
fn help_hides_secrets_of_the_environment() {
    let help = run(purse()
        .args(["serve", "--help"])
        .env("DATABASE_URL", "postgresql://purse:hunter2@db.example/purse")
        .env("PURSE_TOKEN", "hunter3"));
    assert_eq!(help.code, Some(0), "{help:#?}");
    for secret in ["hunter2", "hunter3"] {
        assert!(!help.stdout.contains(secret), "{help:#?}");
    }
}
