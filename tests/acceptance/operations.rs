//! Operations with prices: who may set them, what became of them, and what is spent by them.

use std::{collections::BTreeMap, time::Duration};

use purse_proto::v1::{self, catalog_service_client::CatalogServiceClient, price_part::Part};
use tonic::{Code, transport::Channel};
use tonic_types::StatusExt as _;

use crate::{
    credentials,
    fixture::{ACCOUNT, ASSET, PATIENCE, Server, at_once, blamed, refusal, spend, with_token},
};

impl Server {
    pub fn catalog(&self) -> CatalogServiceClient<Channel> {
        CatalogServiceClient::new(self.channel.clone())
    }

    /// Lets an operation cost so much per page.
    async fn price_pages(&self, operation: &str, unit_price: &str) -> v1::Operation {
        let answer = self.catalog().set_operation(pages(operation, unit_price)).await.unwrap();
        answer.into_inner().operation.unwrap()
    }
}

fn pages(operation: &str, unit_price: &str) -> v1::SetOperationRequest {
    let per_unit = v1::PerUnitPrice {
        quantity: "pages".to_owned(),
        unit_price: unit_price.to_owned(),
        ..Default::default()
    };
    let part = v1::PricePart { part: Some(Part::PerUnit(per_unit)) };
    v1::SetOperationRequest {
        asset: ASSET.to_owned(),
        operation: operation.to_owned(),
        price: Some(v1::Price { parts: vec![part], ..Default::default() }),
        ..Default::default()
    }
}

fn named(operation: &str) -> v1::GetOperationRequest {
    v1::GetOperationRequest { asset: ASSET.to_owned(), operation: operation.to_owned() }
}

fn of_pages(pages: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("pages".to_owned(), pages.to_owned())])
}

/// A spend of so many scanned pages.
fn scan(pages: &str, key: &str) -> v1::SpendRequest {
    v1::SpendRequest {
        operation: "scan".to_owned(),
        quantities: of_pages(pages),
        ..spend(ACCOUNT, "", key)
    }
}

#[tokio::test]
async fn prices_are_a_namespaces_own_and_its_admins_set_them() {
    let server = credentials::server().await;
    let set = |token: &'static str| {
        let request = with_token(pages("scan", "2"), token);
        let mut catalog = server.catalog();
        async move { catalog.set_operation(request).await.err().map(|status| refusal(&status).1) }
    };
    for token in ["acme-reader", "acme-spender", "acme-granter"] {
        assert_eq!(set(token).await, Some("ROLE_MISSING".to_owned()), "{token}");
    }
    assert_eq!(set("acme-admin").await, None);
    let get = |token: &'static str| {
        let request = with_token(named("scan"), token);
        let mut catalog = server.catalog();
        async move { catalog.get_operation(request).await.map_err(|status| refusal(&status)) }
    };
    let found = get("acme-reader").await.unwrap().into_inner().operation.unwrap();
    assert_eq!((found.etag.as_str(), found.updated_by.as_str()), ("1", "acme-admin"));
    let unknown = (Code::NotFound, "OPERATION_NOT_FOUND".to_owned());
    assert_eq!(get("umbrella-admin").await.unwrap_err(), unknown);
    let list = with_token(v1::ListOperationsRequest::default(), "umbrella-admin");
    let listed = server.catalog().list_operations(list).await.unwrap().into_inner();
    assert!(listed.operations.is_empty());

    // Nor can it be spent by, in a wallet of the same name.
    for admin in ["acme-admin", "umbrella-admin"] {
        let request = v1::CreateWalletRequest {
            account: ACCOUNT.to_owned(),
            asset: ASSET.to_owned(),
            overdraft_limit: "100".to_owned(),
            idempotency_key: "open".to_owned(),
            ..Default::default()
        };
        server.wallets().create_wallet(with_token(request, admin)).await.unwrap();
    }
    let pay = |token: &'static str| {
        let request = with_token(scan("3", "k"), token);
        let mut wallets = server.wallets();
        async move { wallets.spend(request).await.map_err(|status| refusal(&status)) }
    };
    let paid = pay("acme-spender").await.unwrap().into_inner();
    assert_eq!(paid.balance.unwrap().balance, "-6");
    assert_eq!(pay("umbrella-admin").await.unwrap_err(), unknown);
}

#[tokio::test]
async fn each_change_says_who_when_and_why_and_an_etag_excludes_lost_ones() {
    let server = Server::start().await;
    server.at("2026-01-01T00:00:00Z").await;
    let set = |request: v1::SetOperationRequest| {
        let mut catalog = server.catalog();
        async move { catalog.set_operation(request).await.map(tonic::Response::into_inner) }
    };
    let by = |unit_price: &str, etag: &str, actor: &str| v1::SetOperationRequest {
        etag: etag.to_owned(),
        actor: actor.to_owned(),
        reason: format!("for {actor}"),
        ..pages("scan", unit_price)
    };
    let preview = v1::SetOperationRequest { validate_only: true, ..by("1", "0", "ann") };
    assert!(set(preview).await.unwrap().changed);
    let missing = server.catalog().get_operation(named("scan")).await.unwrap_err();
    assert_eq!(refusal(&missing).1, "OPERATION_NOT_FOUND");

    assert!(set(by("1", "0", "ann")).await.unwrap().changed);
    server.at("2026-01-02T00:00:00Z").await;
    // Its answer was lost: it is sent again, by the same etag.
    let again = set(by("1", "0", "ann")).await.unwrap();
    assert!(!again.changed);
    assert_eq!(again.operation.unwrap().etag, "1");
    let stale = set(by("2", "0", "bob")).await.unwrap_err();
    assert_eq!(refusal(&stale), (Code::Aborted, "STALE_ETAG".to_owned()));
    assert_eq!(stale.get_details_error_info().unwrap().metadata["etag"], "1");
    assert!(set(by("2", "1", "bob")).await.unwrap().changed);

    let delete = v1::DeleteOperationRequest {
        asset: ASSET.to_owned(),
        operation: "scan".to_owned(),
        actor: "cat".to_owned(),
        ..Default::default()
    };
    for changed in [true, false] {
        let answer = server.catalog().delete_operation(delete.clone()).await.unwrap();
        assert_eq!(answer.into_inner().changed, changed);
    }
    assert!(set(by("1", "3", "ann")).await.unwrap().changed);

    let mut changes = Vec::new();
    let mut page = v1::ListOperationChangesRequest {
        asset: ASSET.to_owned(),
        operation: "scan".to_owned(),
        page_size: 3,
        ..Default::default()
    };
    loop {
        let answer = server.catalog().list_operation_changes(page.clone()).await.unwrap();
        let answer = answer.into_inner();
        changes.extend(answer.changes);
        if answer.next_page_token.is_empty() {
            break;
        }
        page.page_token = answer.next_page_token;
    }
    let told: Vec<(&str, &str, bool, i64)> = changes
        .iter()
        .map(|change| {
            let days = change.updated_at.unwrap().seconds / 86_400 - 20_454;
            (change.etag.as_str(), change.updated_by.as_str(), change.price.is_some(), days)
        })
        .collect();
    let expected = [
        ("1", "ann", true, 0),
        ("2", "bob", true, 1),
        ("3", "cat", false, 1),
        ("4", "ann", true, 1),
    ];
    assert_eq!(told, expected);
    assert_eq!(changes[1].reason, "for bob");
}

#[tokio::test]
async fn operations_are_listed_page_by_page_without_the_deleted_ones() {
    let server = Server::start().await;
    for name in ["a", "b", "c", "d"] {
        server.price_pages(name, "1").await;
    }
    let elsewhere = v1::SetOperationRequest { asset: "gold".to_owned(), ..pages("e", "1") };
    server.catalog().set_operation(elsewhere).await.unwrap();
    let delete = v1::DeleteOperationRequest {
        asset: ASSET.to_owned(),
        operation: "b".to_owned(),
        ..Default::default()
    };
    server.catalog().delete_operation(delete).await.unwrap();
    for (asset, expected) in [("", "a c d e"), (ASSET, "a c d"), ("gold", "e")] {
        let mut names = Vec::new();
        let mut page = v1::ListOperationsRequest {
            asset: asset.to_owned(),
            page_size: 2,
            ..Default::default()
        };
        loop {
            let answer = server.catalog().list_operations(page.clone()).await.unwrap().into_inner();
            names.extend(answer.operations.into_iter().map(|operation| operation.name));
            if answer.next_page_token.is_empty() {
                break;
            }
            page.page_token = answer.next_page_token;
        }
        assert_eq!(names.join(" "), expected, "{asset:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_changes_at_once_by_one_etag_one_is_made() {
    let one = Server::start().await;
    let other = Server::start_on(one.url.clone()).await;
    let changed = at_once(16, |caller| {
        let mut catalog = if caller % 2 == 0 { one.catalog() } else { other.catalog() };
        let price = (caller + 1).to_string();
        let request = v1::SetOperationRequest { etag: "0".to_owned(), ..pages("scan", &price) };
        async move { catalog.set_operation(request).await.is_ok() }
    })
    .await;
    assert_eq!(changed.into_iter().filter(|changed| *changed).count(), 1);
    assert_eq!(one.rows("catalog_changes").await, 1);
}

/// A change holds at once on the server that made it, and soon on every other. The same request is answered as it was
/// first, whichever server is asked.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_price_reaches_every_server_and_no_earlier_answer() {
    let one = Server::start().await;
    let other = Server::start_on(one.url.clone()).await;
    one.open(ACCOUNT).await;
    one.fund(ACCOUNT, "100000").await;
    one.price_pages("scan", "2").await;
    let first = other.spend(scan("3", "first")).await.unwrap();
    assert_eq!(first.balance.as_ref().unwrap().balance, "99994");
    let pricing = first.transaction.as_ref().unwrap().pricing.clone().unwrap();
    assert_eq!((pricing.etag.as_str(), &pricing.quantities), ("1", &of_pages("3")));

    one.price_pages("scan", "5").await;
    let here = one.spend(scan("1", "here")).await.unwrap().transaction.unwrap();
    assert_eq!((here.entries[0].amount.as_str(), here.pricing.unwrap().etag.as_str()), ("5", "2"));
    let there = async {
        for spends in 0.. {
            let key = format!("there {spends}");
            let spent = other.spend(scan("1", &key)).await.unwrap().transaction.unwrap();
            let pricing = spent.pricing.unwrap();
            match (spent.entries[0].amount.as_str(), pricing.etag.as_str()) {
                ("5", "2") => return,
                ("2", "1") => tokio::time::sleep(Duration::from_millis(50)).await,
                odd => panic!("{odd:?}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, there).await.expect("the new price");

    for server in [&one, &other] {
        let again = server.spend(scan("3.00", "first")).await.unwrap();
        assert_eq!(v1::SpendResponse { replayed: false, ..again.clone() }, first);
        assert!(again.replayed);
        let reused = server.spend(scan("4", "first")).await.unwrap_err();
        assert_eq!(refusal(&reused).1, "IDEMPOTENCY_KEY_REUSED");
    }
    let found = one
        .wallets()
        .get_transaction(v1::GetTransactionRequest {
            account: ACCOUNT.to_owned(),
            asset: ASSET.to_owned(),
            transaction_id: first.transaction.as_ref().unwrap().transaction_id.clone(),
        })
        .await
        .unwrap();
    assert_eq!(found.into_inner().transaction.unwrap().pricing, Some(pricing));
}

/// On kept wallets, too, of which no retry is decided.
#[tokio::test(flavor = "multi_thread")]
async fn priced_spends_by_many_callers_take_what_they_cost_once() {
    let server = Server::start().await;
    server.open(ACCOUNT).await;
    server.fund(ACCOUNT, "1000").await;
    server.price_pages("scan", "1.5").await;
    for _ in 0..2 {
        at_once(32, |caller| {
            let mut wallets = server.wallets();
            async move { wallets.spend(scan("2", &format!("k{}", caller / 2))).await.unwrap() }
        })
        .await;
    }
    assert_eq!(server.balance(ACCOUNT).await, "952");
}

#[tokio::test]
async fn batches_and_holds_are_priced_item_by_item() {
    let server = Server::start().await;
    server.at("2026-01-01T00:00:00Z").await;
    server.open(ACCOUNT).await;
    server.open("org:7").await;
    server.fund(ACCOUNT, "100").await;
    server.fund("org:7", "100").await;
    server.price_pages("scan", "2").await;
    let unpriced = v1::SpendRequest { operation: "print".to_owned(), ..scan("1", "b") };
    let mode = v1::BatchMode::EachOnItsOwn.into();
    let requests = vec![scan("1", "a"), unpriced, spend(ACCOUNT, "1", "c")];
    let request = v1::BatchSpendRequest { requests: requests.clone(), mode };
    let results = server.wallets().batch_spend(request).await.unwrap().into_inner().results;
    let reasons: Vec<String> = results
        .into_iter()
        .map(|result| match result.outcome.unwrap() {
            v1::batch_spend_result::Outcome::Response(_) => String::new(),
            v1::batch_spend_result::Outcome::Error(error) => error.reason,
        })
        .collect();
    assert_eq!(reasons, ["", "OPERATION_NOT_FOUND", ""]);
    let request = v1::BatchSpendRequest { requests, mode: v1::BatchMode::AllOrNothing.into() };
    let status = server.wallets().batch_spend(request).await.unwrap_err();
    assert_eq!(refusal(&status), (Code::NotFound, "OPERATION_NOT_FOUND".to_owned()));
    assert_eq!(status.get_details_error_info().unwrap().metadata["index"], "1");
    assert_eq!(server.balance(ACCOUNT).await, "97");

    let leg = |account: &str, pages: &str| v1::HoldLeg {
        account: account.to_owned(),
        asset: ASSET.to_owned(),
        operation: "scan".to_owned(),
        quantities: of_pages(pages),
        ..Default::default()
    };
    let holds = |legs: Vec<v1::HoldLeg>| v1::CreateHoldsRequest {
        legs,
        expires_at: Some(crate::fixture::timestamp("2026-02-01T00:00:00Z")),
        idempotency_key: "holds".to_owned(),
        ..Default::default()
    };
    let bad = holds(vec![leg(ACCOUNT, "1"), leg("org:7", "-1")]);
    let status = server.wallets().create_holds(bad).await.unwrap_err();
    assert_eq!(blamed(&status), ["legs[1].quantities"]);
    let free = holds(vec![leg(ACCOUNT, "1"), leg("org:7", "0")]);
    let status = server.wallets().create_holds(free).await.unwrap_err();
    assert_eq!(blamed(&status), ["legs[1].quantities"]);
    let good = holds(vec![leg(ACCOUNT, "1"), leg("org:7", "20")]);
    let held = server.wallets().create_holds(good.clone()).await.unwrap().into_inner();
    let amounts: Vec<String> =
        held.legs.iter().map(|leg| leg.hold.as_ref().unwrap().held.clone()).collect();
    assert_eq!(amounts, ["2", "40"]);
    server.price_pages("scan", "3").await;
    let again = server.wallets().create_holds(good).await.unwrap().into_inner();
    assert!(again.replayed);
    assert_eq!(again.legs[1].transaction, held.legs[1].transaction);
}

#[tokio::test]
async fn can_afford_says_what_a_spend_would_and_writes_nothing() {
    let server = Server::start().await;
    server.open(ACCOUNT).await;
    server.fund(ACCOUNT, "10").await;
    server.price_pages("scan", "2").await;
    let ask = |pages: &str| v1::CanAffordRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        operation: "scan".to_owned(),
        quantities: of_pages(pages),
        ..Default::default()
    };
    let rows = server.rows("transactions").await;
    let yes = server.catalog().can_afford(ask("5")).await.unwrap().into_inner();
    assert!(yes.affordable && yes.refusal.is_none());
    assert_eq!((yes.amount.as_str(), yes.balance.unwrap().balance.as_str()), ("10", "0"));
    let no = server.catalog().can_afford(ask("6")).await.unwrap().into_inner();
    assert!(!no.affordable && no.balance.is_none());
    let why = no.refusal.unwrap();
    assert_eq!((no.amount.as_str(), why.reason.as_str()), ("12", "INSUFFICIENT_CREDITS"));
    assert_eq!(why.metadata["available"], "10");
    let plain =
        v1::CanAffordRequest { amount: "3".to_owned(), quantities: BTreeMap::new(), ..ask("1") };
    assert_eq!(server.catalog().can_afford(plain).await.unwrap().into_inner().amount, "3");
    assert_eq!(server.rows("transactions").await, rows);
    assert_eq!(server.balance(ACCOUNT).await, "10");

    // What is wrong with the question is an error.
    let nobody = v1::CanAffordRequest { account: "org:0".to_owned(), ..ask("1") };
    let status = server.catalog().can_afford(nobody).await.unwrap_err();
    assert_eq!(refusal(&status).1, "WALLET_NOT_FOUND");
    let nothing = server.catalog().can_afford(ask("0")).await.unwrap_err();
    assert_eq!(blamed(&nothing), ["quantities"]);
    let unpriced = v1::CanAffordRequest { operation: "print".to_owned(), ..ask("1") };
    let status = server.catalog().can_afford(unpriced).await.unwrap_err();
    assert_eq!(refusal(&status).1, "OPERATION_NOT_FOUND");

    let freeze = v1::FreezeWalletRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        idempotency_key: "freeze".to_owned(),
        ..Default::default()
    };
    server.wallets().freeze_wallet(freeze).await.unwrap();
    let frozen = server.catalog().can_afford(ask("1")).await.unwrap().into_inner();
    assert_eq!(frozen.refusal.unwrap().reason, "WALLET_FROZEN");
}

/// The service keeps keys that begin with a blank for itself.
#[tokio::test]
async fn a_key_does_not_begin_with_a_blank() {
    let server = Server::start().await;
    server.open_with_overdraft(ACCOUNT, "10").await;
    let status = server.spend(spend(ACCOUNT, "1", " k")).await.unwrap_err();
    assert_eq!(blamed(&status), ["idempotency_key"]);
}
