//! Opening wallets and changing their settings.

use purse_proto::v1;
use tonic::Code;

use crate::fixture::{ACCOUNT, ASSET, Server, at_once, refusal};

fn open(asset: &str, scale: Option<i32>, key: &str) -> v1::CreateWalletRequest {
    v1::CreateWalletRequest {
        account: ACCOUNT.to_owned(),
        asset: asset.to_owned(),
        scale,
        idempotency_key: key.to_owned(),
        ..Default::default()
    }
}

#[tokio::test]
async fn an_asset_that_is_spelled_otherwise_is_the_same_wallet() {
    let server = Server::start().await;
    let first =
        server.wallets().create_wallet(open(" ORE ", None, "1")).await.unwrap().into_inner();
    let second = server.wallets().create_wallet(open("ore", None, "2")).await.unwrap().into_inner();
    assert!(first.created && !second.created);
    assert_eq!(first.wallet.as_ref().unwrap().asset, "ore");
    assert_eq!(first.wallet, second.wallet);
    assert_eq!(server.rows("wallets").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_opened_many_times_at_once_is_opened_once() {
    let one = Server::start().await;
    let other = Server::start_on(one.url.clone()).await;
    let answers = at_once(32, |index| {
        let mut wallets = if index % 2 == 0 { one.wallets() } else { other.wallets() };
        let request = open(ASSET, None, &format!("key {index}"));
        async move { wallets.create_wallet(request).await.unwrap().into_inner() }
    })
    .await;
    assert_eq!(answers.iter().filter(|answer| answer.created).count(), 1);
    assert!(answers.windows(2).all(|pair| pair[0].wallet == pair[1].wallet));
    assert_eq!(one.rows("transactions").await, 1);
}

#[tokio::test]
async fn an_assets_scale_is_fixed_by_its_first_wallet() {
    let server = Server::start().await;
    server.wallets().create_wallet(open(ASSET, Some(2), "1")).await.unwrap();
    let other = v1::CreateWalletRequest { account: "b".to_owned(), ..open(ASSET, Some(3), "2") };
    let status = server.wallets().create_wallet(other.clone()).await.unwrap_err();
    assert_eq!(refusal(&status), (Code::FailedPrecondition, "ASSET_SCALE_MISMATCH".to_owned()));
    let same = v1::CreateWalletRequest { scale: None, ..other };
    let answer = server.wallets().create_wallet(same).await.unwrap().into_inner();
    assert_eq!(answer.wallet.unwrap().scale, 2);
}

#[tokio::test]
async fn a_validated_wallet_is_not_there() {
    let server = Server::start().await;
    let request = v1::CreateWalletRequest { validate_only: true, ..open(ASSET, None, "1") };
    let answer = server.wallets().create_wallet(request).await.unwrap().into_inner();
    assert!(answer.created);
    for table in ["assets", "wallets", "transactions"] {
        assert_eq!(server.rows(table).await, 0, "{table}");
    }
}

#[tokio::test]
async fn an_update_with_an_old_etag_is_refused() {
    let server = Server::start().await;
    let etag = server.open(ACCOUNT).await.etag;
    let update = |etag: &str, key: &str, plan: &str| v1::UpdateWalletRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        wallet: Some(v1::Wallet {
            metadata: [("plan".to_owned(), plan.to_owned())].into(),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["metadata".to_owned()] }),
        etag: etag.to_owned(),
        idempotency_key: key.to_owned(),
        ..Default::default()
    };
    let first = server.wallets().update_wallet(update(&etag, "1", "pro")).await.unwrap();
    assert_eq!(first.into_inner().wallet.unwrap().metadata["plan"], "pro");
    let stale = server.wallets().update_wallet(update(&etag, "2", "free")).await.unwrap_err();
    assert_eq!(refusal(&stale), (Code::Aborted, "STALE_ETAG".to_owned()));
    let get = v1::GetWalletRequest { account: ACCOUNT.to_owned(), asset: ASSET.to_owned() };
    let now = server.wallets().get_wallet(get).await.unwrap().into_inner().wallet.unwrap();
    assert_eq!(now.metadata["plan"], "pro");
}

#[tokio::test]
async fn what_a_wallet_is_to_be_told_of_is_answered_again_by_a_replay() {
    let server = Server::start().await;
    let duration = |seconds| prost_types::Duration { seconds, nanos: 0 };
    let request = v1::CreateWalletRequest {
        low_balance_thresholds: vec!["100".to_owned(), "2.50".to_owned()],
        expiring_soon_leads: vec![duration(3_600), duration(604_800)],
        ..open(ASSET, None, "1")
    };
    let first =
        server.wallets().create_wallet(request.clone()).await.unwrap().into_inner().wallet.unwrap();
    assert_eq!(first.low_balance_thresholds, ["2.5", "100"]);
    assert_eq!(first.expiring_soon_leads, [duration(604_800), duration(3_600)]);
    let update = v1::UpdateWalletRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        wallet: Some(v1::Wallet::default()),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["low_balance_thresholds".to_owned()],
        }),
        idempotency_key: "2".to_owned(),
        ..Default::default()
    };
    let updated =
        server.wallets().update_wallet(update).await.unwrap().into_inner().wallet.unwrap();
    assert_eq!(updated.low_balance_thresholds, [""; 0]);
    assert_eq!(updated.expiring_soon_leads, first.expiring_soon_leads);
    // In another order it is the same request, and its answer is the first one.
    let again = v1::CreateWalletRequest {
        low_balance_thresholds: vec!["2.5".to_owned(), "100".to_owned()],
        ..request
    };
    let again = server.wallets().create_wallet(again).await.unwrap().into_inner();
    assert!(again.replayed);
    assert_eq!(again.wallet.as_ref(), Some(&first));
}
