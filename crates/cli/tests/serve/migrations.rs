//! `purse migrate` against the private PostgreSQL, by the URL that other tools are told.

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

    let nothing_to_do = migrate(&url, &[]);
    assert_eq!(nothing_to_do.code, Some(0), "{nothing_to_do:#?}");
    assert_eq!(nothing_to_do.stdout, "schema at version 1\n");

    let refused = migrate(&url, &["--to", "0"]);
    assert_eq!(refused.code, Some(2), "{refused:#?}");
    assert!(refused.stderr.contains("--delete-data"), "{refused:#?}");
    let still_there = migrate(&url, &[]);
    assert_eq!(still_there.stdout, "schema at version 1\n");

    let back = migrate(&url, &["--to", "0", "--delete-data"]);
    assert_eq!(back.code, Some(0), "{back:#?}");
    assert_eq!(back.stdout, "0001 foundation taken back\nschema at version 0\n");

    let up = migrate(&url, &[]);
    assert_eq!(up.code, Some(0), "{up:#?}");
    assert_eq!(up.stdout, "0001 foundation applied\nschema at version 1\n");

    let unknown = migrate(&url, &["--to", "2"]);
    assert_eq!(unknown.code, Some(2), "{unknown:#?}");
}
