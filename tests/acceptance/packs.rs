//! Packs: what a payment bought is granted once, whoever delivers it, and however often.

use purse_proto::v1;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::{
    credentials,
    fixture::{ACCOUNT, ASSET, Server, at_once, refusal, timestamp, with_token},
};

/// 1,000 credits for 49.90, valid for a year, and 10 % more for 30 days.
fn starter(credits: &str) -> v1::SetPackRequest {
    let days = |days: i64| prost_types::Duration { seconds: days * 86_400, nanos: 0 };
    let share = |valid_for| v1::PackShare { valid_for: Some(valid_for), ..Default::default() };
    let slab = v1::BonusSlab {
        from: Some(v1::bonus_slab::From::FromQuantity(1)),
        bonus: Some(v1::bonus_slab::Bonus::PerCent("10".to_owned())),
    };
    v1::SetPackRequest {
        asset: ASSET.to_owned(),
        pack: "starter".to_owned(),
        contents: Some(v1::PackContents {
            credits: credits.to_owned(),
            price: Some(v1::Money { currency: "EUR".to_owned(), amount: "49.90".to_owned() }),
            paid: Some(share(days(365))),
            bonus_slabs: vec![slab],
            bonus: Some(v1::PackShare { priority: Some(50), ..share(days(30)) }),
        }),
        ..Default::default()
    }
}

fn purchase(payment_ref: &str) -> v1::PurchasePackRequest {
    v1::PurchasePackRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        pack: "starter".to_owned(),
        payment_ref: payment_ref.to_owned(),
        ..Default::default()
    }
}

#[tokio::test]
async fn what_is_bought_has_its_cost_its_category_and_its_validity() {
    let server = Server::start().await;
    server.at("2026-01-01T00:00:00Z").await;
    server.open(ACCOUNT).await;
    let set = server.catalog().set_pack(starter("1000")).await.unwrap().into_inner();
    assert!(set.changed);
    let preview = v1::PurchasePackRequest { validate_only: true, ..purchase("pay_1") };
    let preview = server.catalog().purchase_pack(preview).await.unwrap().into_inner();
    assert_eq!(server.balance(ACCOUNT).await, "0");
    let commit_token = preview.transaction.unwrap().commit_token;
    let bought = v1::PurchasePackRequest { commit_token, ..purchase("pay_1") };
    let bought = server.catalog().purchase_pack(bought).await.unwrap().into_inner();
    assert_eq!(bought.balance.as_ref().unwrap().balance, "1100");
    let told: Vec<(&str, &str, &str, i32, &str)> = bought
        .grants
        .iter()
        .map(|grant| {
            let v1::Grant { amount, category, cost_basis, priority, funding_ref, .. } = grant;
            (&amount[..], &category[..], &cost_basis[..], *priority, &funding_ref[..])
        })
        .collect();
    let expected =
        [("1000", "purchased", "0.0499", 100, "pay_1"), ("100", "bonus", "0", 50, "pay_1")];
    assert_eq!(told, expected);
    let ends: Vec<_> = bought.grants.iter().map(|grant| grant.expires_at).collect();
    let expected = ["2027-01-01T00:00:00Z", "2026-01-31T00:00:00Z"];
    assert_eq!(ends, expected.map(|end| Some(timestamp(end))));

    let written = bought.transaction.unwrap();
    assert_eq!(written.kind(), v1::TransactionKind::PurchasePack);
    let purchase = written.purchase.clone().unwrap();
    let expected = v1::Purchase { pack: "starter".to_owned(), etag: "1".to_owned(), quantity: 1 };
    assert_eq!(purchase, expected);
    let found = server
        .wallets()
        .get_transaction(v1::GetTransactionRequest {
            account: ACCOUNT.to_owned(),
            asset: ASSET.to_owned(),
            transaction_id: written.transaction_id.clone(),
        })
        .await
        .unwrap();
    assert_eq!(found.into_inner().transaction, Some(written));
    assert!(server.verify(ACCOUNT).await.sound);
}

/// By 32 callers on two servers, while the pack changes.
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_is_delivered_at_once_is_granted_once() {
    let one = Server::start().await;
    let other = Server::start_on(one.url.clone()).await;
    one.open(ACCOUNT).await;
    one.catalog().set_pack(starter("1000")).await.unwrap();
    let answers = at_once(32, |caller| {
        let mut catalog = if caller % 2 == 0 { one.catalog() } else { other.catalog() };
        let mut editor = one.catalog();
        async move {
            if caller == 31 {
                editor.set_pack(starter("1200")).await.unwrap();
            }
            let actor = format!("webhook {caller}");
            let request = v1::PurchasePackRequest { actor, ..purchase("pay_1") };
            catalog.purchase_pack(request).await.unwrap().into_inner()
        }
    })
    .await;
    assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1);
    let unmarked = |answer: &v1::PurchasePackResponse| v1::PurchasePackResponse {
        replayed: false,
        ..answer.clone()
    };
    assert!(answers.iter().all(|answer| unmarked(answer) == unmarked(&answers[0])));
    assert_eq!(one.rows("grants").await, 2);

    // And whatever has become of the pack.
    let delete = v1::DeletePackRequest {
        asset: ASSET.to_owned(),
        pack: "starter".to_owned(),
        ..Default::default()
    };
    one.catalog().delete_pack(delete).await.unwrap();
    for server in [&one, &other] {
        let again = server.catalog().purchase_pack(purchase("pay_1")).await.unwrap().into_inner();
        assert!(again.replayed);
        assert_eq!(unmarked(&again), unmarked(&answers[0]));
    }
    let two = v1::PurchasePackRequest { quantity: 2, ..purchase("pay_1") };
    let status = other.catalog().purchase_pack(two).await.unwrap_err();
    assert_eq!(refusal(&status), (Code::AlreadyExists, "IDEMPOTENCY_KEY_REUSED".to_owned()));
    assert!(status.message().starts_with("payment pay_1 bought something else"), "{status}");
    let status = one.catalog().purchase_pack(purchase("pay_2")).await.unwrap_err();
    assert_eq!(refusal(&status), (Code::NotFound, "PACK_NOT_FOUND".to_owned()));
    assert_eq!(one.rows("grants").await, 2);
    assert!(one.verify(ACCOUNT).await.sound);
}

/// Payments are an account's own, and a purchase is a request of a batch like any other.
#[tokio::test(flavor = "multi_thread")]
async fn payments_of_one_wallet_at_once_are_a_transaction_each() {
    let server = Server::start().await;
    server.open(ACCOUNT).await;
    server.open("org:7").await;
    server.catalog().set_pack(starter("10")).await.unwrap();
    at_once(32, |caller| {
        let mut catalog = server.catalog();
        let account = if caller % 2 == 0 { ACCOUNT } else { "org:7" };
        let request = v1::PurchasePackRequest {
            account: account.to_owned(),
            ..purchase(&format!("pay_{}", caller / 4))
        };
        async move { catalog.purchase_pack(request).await.unwrap() }
    })
    .await;
    for account in [ACCOUNT, "org:7"] {
        assert_eq!(server.balance(account).await, "88", "{account}");
    }
    assert!(server.verify(ACCOUNT).await.sound);
}

#[tokio::test]
async fn packs_are_a_namespaces_own_and_granters_sell_them() {
    let server = credentials::server().await;
    for token in ["acme-reader", "acme-spender", "acme-granter"] {
        let status = server.catalog().set_pack(with_token(starter("1"), token)).await.unwrap_err();
        assert_eq!(refusal(&status).1, "ROLE_MISSING", "{token}");
    }
    server.catalog().set_pack(with_token(starter("1000"), "acme-admin")).await.unwrap();
    for admin in ["acme-admin", "umbrella-admin"] {
        let request = v1::CreateWalletRequest {
            account: ACCOUNT.to_owned(),
            asset: ASSET.to_owned(),
            idempotency_key: "open".to_owned(),
            ..Default::default()
        };
        server.wallets().create_wallet(with_token(request, admin)).await.unwrap();
    }
    let buy = |token: &'static str| {
        let request = with_token(purchase("pay_1"), token);
        let mut catalog = server.catalog();
        async move { catalog.purchase_pack(request).await.err().map(|status| refusal(&status).1) }
    };
    assert_eq!(buy("acme-spender").await, Some("ROLE_MISSING".to_owned()));
    assert_eq!(buy("umbrella-admin").await, Some("PACK_NOT_FOUND".to_owned()));
    assert_eq!(buy("acme-granter").await, None);
    let list = with_token(v1::ListPacksRequest::default(), "umbrella-admin");
    assert!(server.catalog().list_packs(list).await.unwrap().into_inner().packs.is_empty());
}

#[tokio::test]
async fn each_version_of_a_pack_is_kept() {
    let server = Server::start().await;
    for (credits, etag, changed) in
        [("1000", "0", true), ("1000", "0", false), ("1200", "1", true), ("1000", "2", true)]
    {
        let request = v1::SetPackRequest { etag: etag.to_owned(), ..starter(credits) };
        let answer = server.catalog().set_pack(request).await.unwrap().into_inner();
        assert_eq!(answer.changed, changed, "{credits} {etag}");
    }
    let stale = v1::SetPackRequest { etag: "1".to_owned(), ..starter("5") };
    let status = server.catalog().set_pack(stale).await.unwrap_err();
    assert_eq!(refusal(&status), (Code::Aborted, "STALE_ETAG".to_owned()));
    assert_eq!(status.get_details_error_info().unwrap().metadata["etag"], "3");
    let request = v1::ListPackChangesRequest {
        asset: ASSET.to_owned(),
        pack: "starter".to_owned(),
        ..Default::default()
    };
    let changes = server.catalog().list_pack_changes(request).await.unwrap().into_inner().changes;
    let credits: Vec<String> =
        changes.into_iter().map(|change| change.contents.unwrap().credits).collect();
    assert_eq!(credits, ["1000", "1200", "1000"]);
    // An operation may have the same name.
    let operation =
        v1::GetOperationRequest { asset: ASSET.to_owned(), operation: "starter".to_owned() };
    let status = server.catalog().get_operation(operation).await.unwrap_err();
    assert_eq!(refusal(&status).1, "OPERATION_NOT_FOUND");
}
