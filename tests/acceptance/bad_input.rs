//! Bad input is refused with the field's name, and nothing is written.

use purse_proto::v1;
use tonic::{Code, Status};

use crate::fixture::{ACCOUNT, ASSET, Server, blamed, grant, refusal, spend, timestamp};

/// Two wallets of different scale, and a count of all rows before.
async fn server() -> (Server, Vec<i64>) {
    let server = Server::start().await;
    server.open(ACCOUNT).await;
    server.fund(ACCOUNT, "100").await;
    let whole = v1::CreateWalletRequest {
        account: ACCOUNT.to_owned(),
        asset: "whole".to_owned(),
        scale: Some(0),
        idempotency_key: "open whole".to_owned(),
        ..Default::default()
    };
    server.wallets().create_wallet(whole).await.unwrap();
    let before = counts(&server).await;
    (server, before)
}

async fn counts(server: &Server) -> Vec<i64> {
    let mut counts = Vec::new();
    for table in ["assets", "wallets", "grants", "transactions", "entries"] {
        counts.push(server.rows(table).await);
    }
    counts
}

fn assert_blames(status: &Status, field: &str, case: &str) {
    let expected = (Code::InvalidArgument, "INVALID_FIELD".to_owned());
    assert_eq!(refusal(status), expected, "{case}");
    assert_eq!(blamed(status), [field], "{case}");
    assert!(status.message().starts_with(field), "{case}: {}", status.message());
}

#[tokio::test]
async fn a_spend_names_the_field_that_is_wrong() {
    let (server, before) = server().await;
    let good = spend(ACCOUNT, "1", "k");
    let long = |count: usize| "x".repeat(count);
    let mut cases: Vec<(&str, v1::SpendRequest)> = vec![
        ("idempotency_key", v1::SpendRequest { idempotency_key: String::new(), ..good.clone() }),
        ("idempotency_key", v1::SpendRequest { idempotency_key: long(256), ..good.clone() }),
        (
            "idempotency_key",
            v1::SpendRequest { idempotency_key: "a\0b".to_owned(), ..good.clone() },
        ),
        ("account", v1::SpendRequest { account: String::new(), ..good.clone() }),
        ("account", v1::SpendRequest { account: long(256), ..good.clone() }),
        ("account", v1::SpendRequest { account: "a\0b".to_owned(), ..good.clone() }),
        ("asset", v1::SpendRequest { asset: String::new(), ..good.clone() }),
        ("asset", v1::SpendRequest { asset: "not an asset".to_owned(), ..good.clone() }),
        ("operation", v1::SpendRequest { operation: "No Code".to_owned(), ..good.clone() }),
        ("actor", v1::SpendRequest { actor: long(256), ..good.clone() }),
        ("reason", v1::SpendRequest { reason: long(1_025), ..good.clone() }),
        ("reason", v1::SpendRequest { reason: "a\0b".to_owned(), ..good.clone() }),
        ("metadata", metadata(&good, "k", &long(16 * 1_024))),
        ("metadata", metadata(&good, "k", "a\0b")),
        ("metadata", metadata(&good, "", "v")),
        (
            "occurred_at",
            v1::SpendRequest {
                occurred_at: Some(timestamp("9999-01-01T00:00:00Z")),
                ..good.clone()
            },
        ),
        (
            "occurred_at",
            v1::SpendRequest {
                occurred_at: Some(prost_types::Timestamp { seconds: 0, nanos: -1 }),
                ..good.clone()
            },
        ),
    ];
    for amount in
        ["", "0", "0.0", "-5", "+5", "NaN", "inf", "1e3", " 10", "10 ", "1_000", "1,5", ".5"]
            .into_iter()
            .chain(["5.", "0x10", "1.0000001", "1000000000000000", "１０"])
    {
        cases.push(("amount", v1::SpendRequest { amount: amount.to_owned(), ..good.clone() }));
    }
    cases.push((
        "amount",
        v1::SpendRequest { asset: "whole".to_owned(), amount: "10.5".to_owned(), ..good.clone() },
    ));
    for (field, request) in cases {
        let case = format!("{request:?}").chars().take(300).collect::<String>();
        let status = server.spend(request).await.expect_err(&case);
        assert_blames(&status, field, &case);
    }
    assert_eq!(counts(&server).await, before);
    // And "10.0" is 10 at scale 0: refused for lack of credits, not for its form.
    let whole = v1::SpendRequest { asset: "whole".to_owned(), amount: "10.0".to_owned(), ..good };
    let status = server.spend(whole).await.unwrap_err();
    assert_eq!(refusal(&status).1, "INSUFFICIENT_CREDITS");
}

fn metadata(request: &v1::SpendRequest, key: &str, value: &str) -> v1::SpendRequest {
    let metadata = [(key.to_owned(), value.to_owned())].into();
    v1::SpendRequest { metadata, ..request.clone() }
}

#[tokio::test]
async fn a_grant_names_the_field_that_is_wrong() {
    let (server, before) = server().await;
    server.at("2026-01-01T00:00:00Z").await;
    let good = grant(ACCOUNT, "1");
    let at = |instant: &str| Some(timestamp(instant));
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let cases: Vec<(&str, v1::GrantRequest)> = vec![
        ("amount", v1::GrantRequest { amount: "0".to_owned(), ..good.clone() }),
        ("expires_at", v1::GrantRequest { expires_at: at("2026-01-01T00:00:00Z"), ..good.clone() }),
        ("expires_at", v1::GrantRequest { expires_at: at("2025-01-01T00:00:00Z"), ..good.clone() }),
        (
            "expires_at",
            v1::GrantRequest {
                effective_at: at("2026-03-01T00:00:00Z"),
                expires_at: at("2026-02-01T00:00:00Z"),
                ..good.clone()
            },
        ),
        (
            "expires_at",
            v1::GrantRequest {
                effective_at: at("2026-03-01T00:00:00Z"),
                expires_at: at("2026-03-01T00:00:00Z"),
                ..good.clone()
            },
        ),
        ("priority", v1::GrantRequest { priority: Some(1_000_001), ..good.clone() }),
        ("category", v1::GrantRequest { category: "No Code".to_owned(), ..good.clone() }),
        ("cost_basis", v1::GrantRequest { cost_basis: "-1".to_owned(), ..good.clone() }),
        ("applies_to", v1::GrantRequest { applies_to: names(&["ok", "No"]), ..good.clone() }),
        ("applies_to", v1::GrantRequest { applies_to: names(&[""]), ..good.clone() }),
        (
            "applies_to",
            v1::GrantRequest {
                applies_to: (0..65).map(|n| format!("op{n}")).collect(),
                ..good.clone()
            },
        ),
    ];
    for (field, request) in cases {
        let case = format!("{request:?}");
        let status = server.grants().grant(request).await.expect_err(&case);
        assert_blames(&status, field, &case);
    }
    assert_eq!(counts(&server).await, before);
}

#[tokio::test]
async fn unknown_enum_numbers_are_refused() {
    let (server, before) = server().await;
    let create = v1::CreateWalletRequest {
        account: "other".to_owned(),
        asset: ASSET.to_owned(),
        drawdown_policy: 99,
        idempotency_key: "k".to_owned(),
        ..Default::default()
    };
    let status = server.wallets().create_wallet(create).await.unwrap_err();
    assert_blames(&status, "drawdown_policy", "create");
    let list = v1::ListEntriesRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        kinds: vec![99],
        ..Default::default()
    };
    let status = server.wallets().list_entries(list.clone()).await.unwrap_err();
    assert_blames(&status, "kinds", "kinds");
    let list = v1::ListEntriesRequest { kinds: vec![], order: 99, ..list };
    let status = server.wallets().list_entries(list).await.unwrap_err();
    assert_blames(&status, "order", "order");
    assert_eq!(counts(&server).await, before);
}

#[tokio::test]
async fn all_wrong_fields_are_named_at_once() {
    let (server, _) = server().await;
    let request = v1::SpendRequest { asset: "no asset".to_owned(), ..spend("", "-1", "") };
    let status = server.spend(request).await.unwrap_err();
    assert_eq!(blamed(&status), ["account", "asset", "amount", "idempotency_key"]);
}
