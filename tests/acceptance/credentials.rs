//! Nothing crosses a namespace, and roles allow what they say.

use purse_proto::v1;
use purse_server::auth::{Credentials, Role, TokenSettings};
use sha2::{Digest as _, Sha256};
use tonic::Code;

use crate::fixture::{ACCOUNT, ASSET, Server, grant, new_database, refusal, spend, with_token};

fn token(text: &str, namespace: &str, roles: &[Role]) -> TokenSettings {
    let digest = Sha256::digest(text.as_bytes());
    TokenSettings {
        sha256: digest.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}")),
        namespace: namespace.to_owned(),
        roles: roles.to_vec(),
        name: text.to_owned(),
    }
}

pub async fn server() -> Server {
    let credentials = Credentials::from_settings(&[
        token("acme-admin", "acme", &[Role::Admin]),
        token("acme-reader", "acme", &[Role::Reader]),
        token("acme-spender", "acme", &[Role::Spender]),
        token("acme-granter", "acme", &[Role::Granter]),
        token("acme-both", "acme", &[Role::Spender, Role::Granter]),
        token("umbrella-admin", "umbrella", &[Role::Admin]),
    ])
    .unwrap();
    Server::start_with(new_database().await, credentials).await
}

fn open() -> v1::CreateWalletRequest {
    v1::CreateWalletRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        idempotency_key: "open".to_owned(),
        ..Default::default()
    }
}

fn balance() -> v1::GetBalanceRequest {
    v1::GetBalanceRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        ..Default::default()
    }
}

#[tokio::test]
async fn the_same_name_in_two_namespaces_is_two_wallets() {
    let server = server().await;
    for (admin, amount) in [("acme-admin", "10"), ("umbrella-admin", "20")] {
        server.wallets().create_wallet(with_token(open(), admin)).await.unwrap();
        let request =
            v1::GrantRequest { idempotency_key: "same key".to_owned(), ..grant(ACCOUNT, amount) };
        server.grants().grant(with_token(request, admin)).await.unwrap();
    }
    for (admin, amount) in [("acme-admin", "10"), ("umbrella-admin", "20")] {
        let answer = server.wallets().get_balance(with_token(balance(), admin)).await.unwrap();
        assert_eq!(answer.into_inner().balance.unwrap().balance, amount);
        let all = server
            .wallets()
            .list_wallets(with_token(v1::ListWalletsRequest::default(), admin))
            .await
            .unwrap();
        assert_eq!(all.into_inner().wallets.len(), 1);
    }
}

#[tokio::test]
async fn what_another_namespace_has_is_not_found() {
    let server = server().await;
    server.wallets().create_wallet(with_token(open(), "acme-admin")).await.unwrap();
    let stranger = "umbrella-admin";
    let status = server.wallets().get_balance(with_token(balance(), stranger)).await.unwrap_err();
    assert_eq!(refusal(&status), (Code::NotFound, "WALLET_NOT_FOUND".to_owned()));
    let request = with_token(spend(ACCOUNT, "1", "k"), stranger);
    let status = server.wallets().spend(request).await.unwrap_err();
    assert_eq!(refusal(&status), (Code::NotFound, "ASSET_NOT_FOUND".to_owned()));
}

#[tokio::test]
async fn roles_allow_what_they_say() {
    let server = server().await;
    let open = |token| server.wallets_call(open(), token);
    assert_eq!(open("acme-spender").await, Some("ROLE_MISSING".to_owned()));
    assert_eq!(open("acme-granter").await, None);

    let fund = |token| {
        let request = with_token(grant(ACCOUNT, "10"), token);
        let mut grants = server.grants();
        async move { grants.grant(request).await.err().map(|status| refusal(&status).1) }
    };
    assert_eq!(fund("acme-reader").await, Some("ROLE_MISSING".to_owned()));
    assert_eq!(fund("acme-spender").await, Some("ROLE_MISSING".to_owned()));
    assert_eq!(fund("acme-granter").await, None);

    let revoke = |token: &'static str| {
        let request = v1::RevokeFundingRequest {
            account: ACCOUNT.to_owned(),
            asset: ASSET.to_owned(),
            funding_ref: "ch_1".to_owned(),
            cumulative_amount: "1".to_owned(),
            idempotency_key: format!("revoke {token}"),
            ..Default::default()
        };
        let mut grants = server.grants();
        async move {
            let answer = grants.revoke_funding(with_token(request, token)).await;
            answer.err().map(|status| refusal(&status).1)
        }
    };
    assert_eq!(revoke("acme-spender").await, Some("ROLE_MISSING".to_owned()));
    assert_eq!(revoke("acme-granter").await, Some("FUNDING_NOT_FOUND".to_owned()));

    let change = |token: &'static str| {
        let request = v1::ChangeGrantExpiryRequest {
            account: ACCOUNT.to_owned(),
            asset: ASSET.to_owned(),
            grant_number: 9,
            never: true,
            idempotency_key: format!("change {token}"),
            ..Default::default()
        };
        let mut grants = server.grants();
        async move {
            let answer = grants.change_grant_expiry(with_token(request, token)).await;
            answer.err().map(|status| refusal(&status).1)
        }
    };
    assert_eq!(change("acme-spender").await, Some("ROLE_MISSING".to_owned()));
    assert_eq!(change("acme-granter").await, Some("GRANT_NOT_FOUND".to_owned()));

    let pay = |token: &'static str| {
        let request = with_token(spend(ACCOUNT, "1", token), token);
        let mut wallets = server.wallets();
        async move { wallets.spend(request).await.err().map(|status| refusal(&status).1) }
    };
    assert_eq!(pay("acme-reader").await, Some("ROLE_MISSING".to_owned()));
    assert_eq!(pay("acme-granter").await, Some("ROLE_MISSING".to_owned()));
    assert_eq!(pay("acme-spender").await, None);
    assert_eq!(pay("acme-admin").await, None);

    let look = server.wallets().get_balance(with_token(balance(), "acme-reader")).await.unwrap();
    assert_eq!(look.into_inner().balance.unwrap().balance, "8");
}

#[tokio::test]
async fn who_may_spend_may_reverse_but_makes_no_grants_by_it() {
    let server = server().await;
    server.wallets().create_wallet(with_token(open(), "acme-admin")).await.unwrap();
    server.grants().grant(with_token(grant(ACCOUNT, "10"), "acme-admin")).await.unwrap();
    let pay = with_token(spend(ACCOUNT, "5", "k"), "acme-spender");
    let spent = server.wallets().spend(pay).await.unwrap().into_inner().transaction.unwrap();
    let reverse = |token: &'static str, policy: v1::ExpiredPolicy| {
        let request = v1::ReverseSpendRequest {
            account: ACCOUNT.to_owned(),
            asset: ASSET.to_owned(),
            transaction_id: spent.transaction_id.clone(),
            amount: "1".to_owned(),
            expired_policy: policy.into(),
            idempotency_key: format!("{token} {policy:?}"),
            ..Default::default()
        };
        let mut wallets = server.wallets();
        async move {
            let answer = wallets.reverse_spend(with_token(request, token)).await;
            answer.err().map(|status| refusal(&status).1)
        }
    };
    let (usual, anew) = (v1::ExpiredPolicy::Unspecified, v1::ExpiredPolicy::Reissue);
    let missing = Some("ROLE_MISSING".to_owned());
    assert_eq!(reverse("acme-reader", usual).await, missing);
    assert_eq!(reverse("acme-spender", usual).await, None);
    assert_eq!(reverse("acme-spender", anew).await, missing);
    // What makes new grants takes both roles.
    assert_eq!(reverse("acme-granter", anew).await, missing);
    assert_eq!(reverse("acme-granter", usual).await, missing);
    assert_eq!(reverse("acme-both", anew).await, None);
}

#[tokio::test]
async fn a_spend_is_recorded_under_the_name_of_its_credentials() {
    let server = server().await;
    server.wallets().create_wallet(with_token(open(), "acme-admin")).await.unwrap();
    server.grants().grant(with_token(grant(ACCOUNT, "10"), "acme-granter")).await.unwrap();
    let named = v1::SpendRequest { actor: "alice".to_owned(), ..spend(ACCOUNT, "1", "named") };
    for request in [spend(ACCOUNT, "1", "unnamed"), named] {
        server.wallets().spend(with_token(request, "acme-spender")).await.unwrap();
    }
    let list = v1::ListEntriesRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        ..Default::default()
    };
    let entries = server.wallets().list_entries(with_token(list, "acme-reader")).await.unwrap();
    let actors: Vec<String> =
        entries.into_inner().entries.into_iter().map(|entry| entry.actor).collect();
    assert_eq!(actors, ["acme-granter", "acme-spender", "alice"]);
}

impl Server {
    /// The reason for which opening a wallet is refused.
    async fn wallets_call(&self, request: v1::CreateWalletRequest, token: &str) -> Option<String> {
        let answer = self.wallets().create_wallet(with_token(request, token)).await;
        answer.err().map(|status| refusal(&status).1)
    }
}

#[tokio::test]
async fn without_a_token_nothing_is_answered() {
    let server = server().await;
    let status = server.wallets().get_balance(balance()).await.unwrap_err();
    assert_eq!(refusal(&status), (Code::Unauthenticated, "CREDENTIALS_MISSING".to_owned()));
    let status = server.wallets().get_balance(with_token(balance(), "guess")).await.unwrap_err();
    assert_eq!(refusal(&status), (Code::Unauthenticated, "CREDENTIALS_INVALID".to_owned()));
}
