//! Tokens from the configuration file.

use purse_client::{Code, Error, v1::ErrorReason};
use sha2::{Digest as _, Sha256};

use crate::{
    folder::Folder,
    ledger::{balance, balance_request, open},
    server::Server,
};

const TOKEN: &str = "a secret of the checkout";

#[tokio::test(flavor = "multi_thread")]
async fn calls_need_a_token_once_the_file_has_one() {
    let digest = Sha256::digest(TOKEN.as_bytes());
    let sha256 = digest.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let folder = Folder::new();
    let config = folder.file(
        "purse.toml",
        &format!(
            "[[tokens]]\nsha256 = '{sha256}'\nnamespace = 'acme'\nroles = ['admin']\nname = 'checkout'\n"
        ),
    );
    // With tokens, production has nothing against it.
    let server = Server::start_with(&folder, |command| {
        command.arg("--production").arg("--config").arg(config)
    })
    .await;

    let cases = [
        (server.client(), ErrorReason::CredentialsMissing),
        (server.client_with("another secret"), ErrorReason::CredentialsInvalid),
    ];
    for (client, reason) in cases {
        let error = client.get_balance(balance_request()).await.unwrap_err();
        let Error::Refused(refusal) = error else { panic!("{error:?}") };
        assert_eq!((refusal.code, refusal.reason), (Code::Unauthenticated, Some(reason)));
    }
    let client = server.client_with(TOKEN);
    open(&client, 100).await;
    assert_eq!(balance(&client).await, "100");
}
