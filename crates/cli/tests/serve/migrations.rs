//! `purse migrate` against the private PostgreSQL, by the URL that other tools are told.

use purse_storage::migrate::SCHEMA_VERSION;

use crate::{
    folder::Folder,
    ledger::open,
    process::{Finished, purse, run},
    server::Server,
};

fn migrate(url: &str, arguments: &[&str]) -> Finished {
    run(purse().args(["migrate", "--database-url", url]).args(arguments))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_goes_back_only_if_data_may_be_deleted_and_comes_up_again() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    open(&server.client(), 100).await;
    let url = folder.cluster().url();

    let newest = format!("schema at version {SCHEMA_VERSION}\n");
    let nothing_to_do = migrate(&url, &[]);
    assert_eq!(nothing_to_do.code, Some(0), "{nothing_to_do:#?}");
    assert_eq!(nothing_to_do.stdout, newest);

    let refused = migrate(&url, &["--to", "0"]);
    assert_eq!(refused.code, Some(2), "{refused:#?}");
    assert!(refused.stderr.contains("--delete-data"), "{refused:#?}");
    let still_there = migrate(&url, &[]);
    assert_eq!(still_there.stdout, newest);

    let back = migrate(&url, &["--to", "0", "--delete-data"]);
    assert_eq!(back.code, Some(0), "{back:#?}");
    assert!(
        back.stdout.ends_with("0001 foundation taken back\nschema at version 0\n"),
        "{back:#?}"
    );

    let up = migrate(&url, &[]);
    assert_eq!(up.code, Some(0), "{up:#?}");
    assert!(up.stdout.starts_with("0001 foundation applied\n"), "{up:#?}");
    assert!(up.stdout.ends_with(&newest), "{up:#?}");

    let unknown = migrate(&url, &["--to", "9999"]);
    assert_eq!(unknown.code, Some(2), "{unknown:#?}");
}
