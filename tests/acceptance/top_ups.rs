//! Top-ups: what a low balance asks for, and how often.

use purse_proto::v1::{self, event::Occurrence};
use purse_server::auth::Credentials;
use tonic::Code;

use crate::{
    credentials,
    fixture::{ACCOUNT, ASSET, Server, at_once, grant, new_database, refusal, spend, with_token},
};

/// 500 below 100, so often a day.
fn rule(most_requests: i32, key: &str) -> v1::SetTopUpRuleRequest {
    let day = v1::CalendarWindow { unit: v1::CalendarUnit::Day.into(), ..Default::default() };
    v1::SetTopUpRuleRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        rule: Some(v1::TopUpRule {
            threshold: "100".to_owned(),
            amount: "500".to_owned(),
            most_requests,
            window: Some(v1::top_up_rule::Window::Calendar(day)),
        }),
        idempotency_key: key.to_owned(),
        ..Default::default()
    }
}

fn decline(reference: &str, key: &str) -> v1::DeclineTopUpRequest {
    v1::DeclineTopUpRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        reference: reference.to_owned(),
        idempotency_key: key.to_owned(),
        ..Default::default()
    }
}

async fn asked(server: &Server) -> Vec<v1::TopUpRequested> {
    let request = v1::ListEventsRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        page_size: 1_000,
        ..Default::default()
    };
    let mut client = v1::event_service_client::EventServiceClient::new(server.channel.clone());
    let events = client.list_events(request).await.unwrap().into_inner().events;
    let asked = events.into_iter().filter_map(|event| match event.occurrence {
        Some(Occurrence::TopUpRequested(asked)) => Some(asked),
        _ => None,
    });
    asked.collect()
}

async fn top_ups(server: &Server) -> v1::TopUps {
    let request = v1::GetTopUpsRequest { account: ACCOUNT.to_owned(), asset: ASSET.to_owned() };
    server.wallets().get_top_ups(request).await.unwrap().into_inner().top_ups.unwrap()
}

/// By 32 callers on two servers, of which many cross.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_spends_that_cross_one_asks() {
    let one = Server::start_with(new_database().await, Credentials::open()).await;
    let other = Server::start_on(one.url.clone()).await;
    for server in [&one, &other] {
        server.at("2026-01-01T00:00:00Z").await;
    }
    one.open(ACCOUNT).await;
    one.fund(ACCOUNT, "110").await;
    one.wallets().set_top_up_rule(rule(3, "rule")).await.unwrap();
    for round in 1..=4 {
        at_once(32, |caller| {
            let mut wallets = if caller % 2 == 0 { one.wallets() } else { other.wallets() };
            let request = spend(ACCOUNT, "0.5", &format!("{round} {caller}"));
            async move { wallets.spend(request).await.unwrap() }
        })
        .await;
        // The fourth is one too many for the day.
        let requests = asked(&one).await;
        assert_eq!(requests.len(), round.min(3), "{round}");
        let awaited = top_ups(&other).await;
        if round == 4 {
            assert!(awaited.outstanding.is_empty());
            assert_eq!(awaited.requested_at.len(), 3);
        } else {
            assert_eq!(awaited.outstanding, requests[round - 1].reference);
            let answer = v1::GrantRequest {
                funding_ref: awaited.outstanding.clone(),
                idempotency_key: awaited.outstanding,
                ..grant(ACCOUNT, "16")
            };
            one.grants().grant(answer).await.unwrap();
        }
    }
    assert!(one.verify(ACCOUNT).await.sound);
}

/// A request is part of what is verified: the event, what is awaited, and when it was asked.
#[tokio::test]
async fn a_request_that_was_changed_is_found() {
    let server = Server::start().await;
    server.at("2026-01-01T00:00:00Z").await;
    server.open(ACCOUNT).await;
    server.fund(ACCOUNT, "150").await;
    server.wallets().set_top_up_rule(rule(3, "rule")).await.unwrap();
    server.spend(spend(ACCOUNT, "60", "one")).await.unwrap();
    let reference = top_ups(&server).await.outstanding;
    server.wallets().decline_top_up(decline(&reference, "decline")).await.unwrap();
    server.spend(spend(ACCOUNT, "1", "two")).await.unwrap();
    assert_eq!(asked(&server).await.len(), 2);
    assert!(server.verify(ACCOUNT).await.sound);
    let sql = server.sql().await;
    for (change, back) in [
        (
            "UPDATE wallets SET top_up_outstanding = NULL",
            "UPDATE wallets SET top_up_outstanding = 2",
        ),
        (
            "UPDATE wallets SET top_ups_asked_at = top_ups_asked_at[1:1]",
            "UPDATE wallets SET top_ups_asked_at = top_ups_asked_at || top_ups_asked_at",
        ),
        (
            "UPDATE events SET data = data || '{\"amount\": \"5\"}' WHERE event_sequence = 2",
            "UPDATE events SET data = data || '{\"amount\": \"500\"}' WHERE event_sequence = 2",
        ),
    ] {
        assert_eq!(sql.execute(change, &[]).await.unwrap(), 1, "{change}");
        assert!(!server.verify(ACCOUNT).await.sound, "{change}");
        sql.execute(back, &[]).await.unwrap();
        assert!(server.verify(ACCOUNT).await.sound, "{back}");
    }
}

#[tokio::test]
async fn admins_set_rules_and_granters_decline() {
    let server = credentials::server().await;
    let open = v1::CreateWalletRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        idempotency_key: "open".to_owned(),
        ..Default::default()
    };
    server.wallets().create_wallet(with_token(open, "acme-admin")).await.unwrap();
    for token in ["acme-reader", "acme-spender", "acme-granter"] {
        let request = with_token(rule(1, token), token);
        let status = server.wallets().set_top_up_rule(request).await.unwrap_err();
        assert_eq!(refusal(&status).1, "ROLE_MISSING", "{token}");
    }
    let set = with_token(rule(1, "rule"), "acme-admin");
    let wallet = server.wallets().set_top_up_rule(set).await.unwrap().into_inner().wallet.unwrap();
    assert_eq!(
        wallet.top_up_rule,
        rule(1, "rule").rule.map(|rule| v1::TopUpRule {
            window: Some(v1::top_up_rule::Window::Calendar(v1::CalendarWindow {
                unit: v1::CalendarUnit::Day.into(),
                time_zone: "UTC".to_owned(),
            })),
            ..rule
        })
    );
    let request = with_token(decline("top-up:credits:1", "no"), "acme-spender");
    let status = server.wallets().decline_top_up(request).await.unwrap_err();
    assert_eq!(refusal(&status).1, "ROLE_MISSING");
    let request = with_token(decline("top-up:credits:1", "no"), "acme-granter");
    let status = server.wallets().decline_top_up(request).await.unwrap_err();
    let expected = (Code::FailedPrecondition, "TOP_UP_NOT_OUTSTANDING".to_owned());
    assert_eq!(refusal(&status), expected);
}
