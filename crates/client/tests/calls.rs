//! The client against a service that answers what a test tells it to.

#[allow(clippy::unwrap_used, reason = "a fake that cannot start fails its test")]
mod fake;

use std::{collections::HashMap, time::Duration};

use fake::{Fake, Script};
use purse_client::{
    Client, ClientOptions, Code, Error, RetryPolicy, Token,
    v1::{ErrorReason, GetBalanceRequest, SpendRequest},
};
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt as _};

fn options(fake: &Fake) -> ClientOptions {
    ClientOptions {
        token: Some(Token::new("secret")),
        retry: RetryPolicy { first_backoff: Duration::from_millis(1), ..RetryPolicy::default() },
        jitter_seed: Some(7),
        ..ClientOptions::new(&fake.endpoint)
    }
}

fn spend() -> SpendRequest {
    SpendRequest { idempotency_key: "key-1".to_owned(), ..SpendRequest::default() }
}

fn status(code: Code, reason: &str, retry_after: Option<Duration>) -> Status {
    let mut details = ErrorDetails::new();
    details.set_error_info(reason, "purse.v1", HashMap::new());
    if let Some(retry_after) = retry_after {
        details.set_retry_info(Some(retry_after));
    }
    Status::with_error_details(code, "as the test says", details)
}

#[tokio::test]
async fn unavailable_is_retried_with_the_same_key() {
    let away = || Script::Refuse(status(Code::Unavailable, "SERVER_STOPPING", None));
    let fake = Fake::start([away(), away(), Script::Answer]).await;
    let client = Client::connect(options(&fake)).unwrap();
    client.spend(spend()).await.unwrap();

    let calls = fake.calls();
    assert_eq!(calls.len(), 3);
    for call in calls {
        assert_eq!(call.idempotency_key, "key-1");
        assert_eq!(call.authorization.as_deref(), Some("Bearer secret"));
        assert!(call.has_deadline);
    }
}

#[tokio::test]
async fn a_refusal_is_not_retried() {
    let refusal = status(Code::FailedPrecondition, "INSUFFICIENT_CREDITS", None);
    let fake = Fake::start([Script::Refuse(refusal), Script::Answer]).await;
    let client = Client::connect(options(&fake)).unwrap();
    let error = client.spend(spend()).await.unwrap_err();
    assert_eq!(error.reason(), Some(ErrorReason::InsufficientCredits));
    assert_eq!(fake.calls().len(), 1);
}

#[tokio::test]
async fn tries_are_bounded() {
    let away = || Script::Refuse(status(Code::Unavailable, "DATABASE_UNAVAILABLE", None));
    let fake = Fake::start([away(), away(), away(), Script::Answer]).await;
    let client = Client::connect(options(&fake)).unwrap();
    let error = client.spend(spend()).await.unwrap_err();
    assert!(error.outcome_is_unknown() && error.is_temporary());
    assert!(matches!(error, Error::Refused(refusal) if refusal.attempts == 3));
    assert_eq!(fake.calls().len(), 3);
}

#[tokio::test]
async fn overload_is_retried_only_if_the_service_says_when() {
    let fake = Fake::start([
        Script::Refuse(status(Code::ResourceExhausted, "OVERLOADED", Some(Duration::ZERO))),
        Script::Refuse(status(Code::ResourceExhausted, "OVERLOADED", None)),
        Script::Answer,
    ])
    .await;
    let client = Client::connect(options(&fake)).unwrap();
    let error = client.spend(spend()).await.unwrap_err();
    assert_eq!(error.reason(), Some(ErrorReason::Overloaded));
    assert_eq!(fake.calls().len(), 2);
}

#[tokio::test]
async fn what_a_spend_limit_refuses_is_for_the_caller_to_wait_for() {
    let soon = Some(Duration::from_millis(1));
    let limited = status(Code::ResourceExhausted, "SPEND_LIMIT_EXCEEDED", soon);
    let fake = Fake::start([Script::Refuse(limited), Script::Answer]).await;
    let client = Client::connect(options(&fake)).unwrap();
    let error = client.spend(spend()).await.unwrap_err();
    assert_eq!(error.reason(), Some(ErrorReason::SpendLimitExceeded));
    assert!(!error.is_temporary());
    assert!(matches!(error, Error::Refused(refusal) if refusal.retry_after == soon));
    assert_eq!(fake.calls().len(), 1);
}

#[tokio::test]
async fn a_retry_time_past_the_deadline_gives_up_at_once() {
    let busy = status(Code::ResourceExhausted, "OVERLOADED", Some(Duration::from_hours(1)));
    let fake = Fake::start([Script::Refuse(busy), Script::Answer]).await;
    let client = Client::connect(options(&fake)).unwrap();
    assert!(matches!(client.spend(spend()).await.unwrap_err(), Error::Refused(_)));
    assert_eq!(fake.calls().len(), 1);
}

#[tokio::test]
async fn a_call_ends_at_its_deadline() {
    let fake = Fake::start([Script::Silence]).await;
    let timeout = Duration::from_millis(100);
    let client = Client::connect(ClientOptions { timeout, ..options(&fake) }).unwrap();
    let error = client.spend(spend()).await.unwrap_err();
    assert_eq!(error, Error::DeadlineExceeded { timeout, attempts: 1, last: None });
}

#[tokio::test]
async fn a_lost_connection_is_retried_and_then_unreachable() {
    let endpoint = fake::hang_up_always().await;
    let retry = RetryPolicy { first_backoff: Duration::from_millis(1), ..RetryPolicy::default() };
    let options = ClientOptions { retry, ..ClientOptions::new(endpoint) };
    let client = Client::connect(options).unwrap();
    let error = client.get_balance(GetBalanceRequest::default()).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { attempts: 3, .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_that_dies_in_a_call_is_unreachable_and_comes_back() {
    let mut fake = Fake::start([Script::Silence, Script::Answer]).await;
    let retry = RetryPolicy::never();
    let client = Client::connect(ClientOptions { retry, ..options(&fake) }).unwrap();
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.spend(spend()).await }
    });
    fake.called().await;
    fake.kill().await;
    let error = call.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");

    fake.restart();
    client.spend(spend()).await.unwrap();
}

#[tokio::test]
async fn nothing_prints_the_token() {
    let fake = Fake::start([]).await;
    let options = options(&fake);
    assert!(!format!("{options:?}").contains("secret"));
    assert!(!format!("{:?}", Client::connect(options).unwrap()).contains("secret"));
}

#[tokio::test]
async fn options_that_cannot_work_are_refused_before_any_call() {
    for endpoint in ["", "127.0.0.1:50051", "ftp://127.0.0.1"] {
        assert!(Client::connect(ClientOptions::new(endpoint)).is_err(), "{endpoint:?}");
    }
    let token = Some(Token::new("line\nbreak"));
    let options = ClientOptions { token, ..ClientOptions::new("http://127.0.0.1:1") };
    assert!(Client::connect(options).is_err());
}
