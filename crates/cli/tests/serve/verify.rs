//! `purse verify`: exit code 0 if all is as it should be, 1 if not, and what is wrong.

use crate::{
    folder::Folder,
    ledger::{ACCOUNT, ASSET, Spend, open},
    process::{Finished, purse, run},
    server::Server,
};

fn verify(server: &Server, arguments: &[&str]) -> Finished {
    run(purse().args(["--server", server.endpoint(), "verify"]).args(arguments))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verification_names_the_wallet_and_the_entry_that_were_changed() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    let client = server.client();
    open(&client, 100).await;
    client.spend(Spend::new("one", 7).request()).await.unwrap();
    client.spend(Spend::new("two", 5).request()).await.unwrap();

    let sound = verify(&server, &[ACCOUNT, ASSET]);
    assert_eq!(sound.code, Some(0), "{sound:#?}");
    let all = verify(&server, &["--all"]);
    assert_eq!(all.code, Some(0), "{all:#?}");

    let sql = purse_storage::pool::connect(&folder.cluster().url()).await.unwrap();
    let change = "UPDATE entries SET amount = amount - 1, available_after = available_after + 1
                  WHERE sequence = 2";
    assert_eq!(sql.execute(change, &[]).await.unwrap(), 1);

    let found = verify(&server, &["-o", "json", ACCOUNT, ASSET]);
    assert_eq!(found.code, Some(1), "{found:#?}");
    assert!(found.stdout.contains("\"entrySequence\": \"2\""), "{found:#?}");
    let all = verify(&server, &["--all", "-o", "json"]);
    assert_eq!(all.code, Some(1), "{all:#?}");
    assert!(all.stdout.contains(ACCOUNT), "{all:#?}");
    assert!(all.stderr.contains("1 of 1 wallets are not sound"), "{all:#?}");

    let neither = verify(&server, &[]);
    assert_eq!(neither.code, Some(2), "{neither:#?}");
}
