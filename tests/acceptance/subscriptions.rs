//! Subscriptions: what events and time make of rules, over gRPC.

use purse_domain::{AccountName, NamespaceId, NamespaceName, SubscriptionId, SubscriptionName};
use purse_proto::v1::{
    self, ApplicationState, EventOutcome, SubscriptionEventKind, SubscriptionStatus,
    event_service_client::EventServiceClient,
    subscription_service_client::SubscriptionServiceClient,
};
use purse_storage::{
    migrate::{SCHEMA_VERSION, migrate},
    pool::connect,
    subscriptions::Told,
};
use tonic::{Code, transport::Channel};

use crate::fixture::{
    ACCOUNT, ASSET, Server, at_once, blamed, new_database, refusal, spend, timestamp,
};

impl Server {
    fn subscriptions(&self) -> SubscriptionServiceClient<Channel> {
        SubscriptionServiceClient::new(self.channel.clone())
    }

    /// Creates a rule of a plan that grants monthly until the end of the billing period.
    async fn monthly(&self, plan: &str, amount: &str) -> v1::GrantRule {
        self.rule(monthly(plan, amount)).await
    }

    async fn rule(&self, rule: v1::GrantRule) -> v1::GrantRule {
        let idempotency_key = format!("{} {} {}", rule.name, rule.plan_id, rule.amount);
        let create =
            v1::CreateGrantRuleRequest { rule: Some(rule), idempotency_key, ..Default::default() };
        self.grants().create_grant_rule(create).await.unwrap().into_inner().rule.unwrap()
    }

    async fn record(&self, event: v1::SubscriptionEvent) -> v1::RecordSubscriptionEventResponse {
        let request = v1::RecordSubscriptionEventRequest { event: Some(event) };
        self.subscriptions().record_subscription_event(request).await.unwrap().into_inner()
    }

    async fn reconcile(&self, apply: bool) -> Vec<v1::Application> {
        let request = v1::ReconcileSubscriptionRequest {
            account: ACCOUNT.to_owned(),
            subscription_id: "sub_1".to_owned(),
            apply,
            ..Default::default()
        };
        let answer = self.subscriptions().reconcile_subscription(request).await;
        answer.unwrap().into_inner().missing
    }

    async fn events_of(&self, account: &str) -> Vec<v1::Event> {
        let request = v1::ListEventsRequest {
            account: account.to_owned(),
            asset: ASSET.to_owned(),
            ..Default::default()
        };
        let mut events = EventServiceClient::new(self.channel.clone());
        events.list_events(request).await.unwrap().into_inner().events
    }

    async fn grants_of(&self, account: &str) -> Vec<v1::Grant> {
        let request = v1::ListGrantsRequest {
            account: account.to_owned(),
            asset: ASSET.to_owned(),
            page_size: 1_000,
            ..Default::default()
        };
        match self.grants().list_grants(request).await {
            Ok(answer) => answer.into_inner().grants,
            Err(status) => {
                assert_eq!(status.code(), Code::NotFound);
                Vec::new()
            }
        }
    }
}

fn monthly(plan: &str, amount: &str) -> v1::GrantRule {
    let billing_cycle = v1::ExpiryBillingCycle { reset_at_period_end: true, cycle_count: 1 };
    v1::GrantRule {
        name: "monthly".to_owned(),
        scope: v1::RuleScope::Plan.into(),
        plan_id: plan.to_owned(),
        asset: ASSET.to_owned(),
        amount: amount.to_owned(),
        cadence: v1::RuleCadence::Recurring.into(),
        period: v1::RulePeriod::Monthly.into(),
        period_count: 1,
        expiry_settings: Some(v1::ExpirySettings {
            r#type: v1::ExpiryType::BillingCycle.into(),
            billing_cycle: Some(billing_cycle),
            ..Default::default()
        }),
        category: "monthly".to_owned(),
        priority: Some(1),
        ..Default::default()
    }
}

fn event(version: i64, kind: SubscriptionEventKind, at: &str, plan: &str) -> v1::SubscriptionEvent {
    v1::SubscriptionEvent {
        event_id: format!("evt_{version}"),
        source: "billing".to_owned(),
        account: ACCOUNT.to_owned(),
        subscription_id: "sub_1".to_owned(),
        version,
        previous_version: None,
        kind: kind.into(),
        effective_at: Some(timestamp(at)),
        state: Some(v1::SubscriptionState {
            status: SubscriptionStatus::Active.into(),
            plan_id: plan.to_owned(),
            started_at: Some(timestamp("2126-01-31T00:00:00Z")),
            ..Default::default()
        }),
    }
}

fn started() -> v1::SubscriptionEvent {
    event(1, SubscriptionEventKind::Started, "2126-01-31T00:00:00Z", "basic")
}

fn outcome(answer: &v1::RecordSubscriptionEventResponse) -> EventOutcome {
    answer.outcome()
}

/// Scenario 41, with purchased credits behind the monthly ones.
#[tokio::test(flavor = "multi_thread")]
async fn monthly_credits_are_reset_and_purchased_ones_stay() {
    let server = Server::start().await;
    server.at("2126-01-31T00:00:00Z").await;
    server.monthly("basic", "100").await;
    let answer = server.record(started()).await;
    assert_eq!(outcome(&answer), EventOutcome::Applied);
    assert_eq!(answer.applied.len(), 1);
    assert_eq!(answer.applied[0].state(), ApplicationState::Applied);
    assert_eq!(answer.applied[0].grant_number, 1);
    server.fund(ACCOUNT, "50").await;
    server.spend(spend(ACCOUNT, "120", "first")).await.unwrap();
    assert_eq!(server.balance(ACCOUNT).await, "30");
    server.at("2126-02-28T00:00:00Z").await;
    let renewed = event(2, SubscriptionEventKind::Renewed, "2126-02-28T00:00:00Z", "basic");
    for expected in [EventOutcome::Applied, EventOutcome::Duplicate] {
        let answer = server.record(renewed.clone()).await;
        assert_eq!(outcome(&answer), expected);
        assert_eq!(server.balance(ACCOUNT).await, "130");
    }
    // The anchor is kept: the next period ends on the 31st.
    let grants = server.grants_of(ACCOUNT).await;
    assert_eq!(grants[2].expires_at, Some(timestamp("2126-03-31T00:00:00Z")));
    assert!(server.verify(ACCOUNT).await.sound);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_by_time_alone_is_granted() {
    let server = Server::start().await;
    server.at("2126-01-31T00:00:00Z").await;
    server.monthly("basic", "100").await;
    server.record(started()).await;
    server.at("2126-03-01T00:00:00Z").await;
    // Whether the job was faster does not matter.
    server.reconcile(true).await;
    assert_eq!(server.grants_of(ACCOUNT).await.len(), 2);
    assert_eq!(server.balance(ACCOUNT).await, "100");
    assert!(server.reconcile(false).await.is_empty());
}

/// Calls that come together are heard together; none of them may be answered before it is done.
#[tokio::test(flavor = "multi_thread")]
async fn each_call_that_is_heard_is_told_what_is_to_be_done() {
    let server = Server::start().await;
    server.at("2126-01-31T00:00:00Z").await;
    server.record(started()).await;
    // The job looks at what it knows already within a day.
    server.monthly("basic", "100").await;
    let namespace = NamespaceId::of(&NamespaceName::parse("default").unwrap());
    let account = AccountName::from_stored(ACCOUNT.to_owned());
    let id = SubscriptionId::from_stored("sub_1".to_owned());
    let told = Told { whole: true, ..Told::time(SubscriptionName::new(namespace, account, id)) };
    let advanced = server.node.storage().advance(&[told.clone(), told]).await.unwrap();
    let actions: Vec<usize> = advanced.iter().map(|advanced| advanced.actions.len()).collect();
    assert_eq!(actions, [1, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_comes_at_once_everywhere_grants_once() {
    let url = new_database().await;
    let servers = [Server::start_on(url.clone()).await, Server::start_on(url).await];
    for server in &servers {
        server.at("2126-01-31T00:00:00Z").await;
    }
    servers[0].monthly("basic", "100").await;
    let servers = std::sync::Arc::new(servers);
    let outcomes = at_once(32, |index| {
        let servers = std::sync::Arc::clone(&servers);
        async move { outcome(&servers[index % 2].record(started()).await) }
    })
    .await;
    let applied = outcomes.iter().filter(|outcome| **outcome == EventOutcome::Applied);
    assert_eq!(applied.count(), 1);
    assert_eq!(servers[0].grants_of(ACCOUNT).await.len(), 1);
    assert!(servers[1].verify(ACCOUNT).await.sound);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_grants_what_is_missing_and_an_older_event_is_stale() {
    let server = Server::start().await;
    server.at("2126-01-31T00:00:00Z").await;
    server.monthly("basic", "500").await;
    server.monthly("pro", "2000").await;
    server.at("2126-02-10T00:00:00Z").await;
    let upgraded = event(3, SubscriptionEventKind::PlanChanged, "2126-02-10T00:00:00Z", "pro");
    let answer = server.record(upgraded).await;
    assert_eq!((outcome(&answer), answer.applied.len()), (EventOutcome::Deferred, 0));
    let answer = server.record(started()).await;
    assert_eq!(outcome(&answer), EventOutcome::Stale);
    assert_eq!(server.balance(ACCOUNT).await, "2000");
    let mut subscriptions = server.subscriptions();
    let listed = subscriptions.list_applications(v1::ListApplicationsRequest {
        account: ACCOUNT.to_owned(),
        subscription_id: "sub_1".to_owned(),
        until: Some(timestamp("2126-04-30T00:00:00Z")),
    });
    let listed = listed.await.unwrap().into_inner().applications;
    let states: Vec<_> = listed.iter().map(|it| (it.amount.as_str(), it.state())).collect();
    assert_eq!(
        states,
        [
            ("500", ApplicationState::Applied),
            ("1500", ApplicationState::Applied),
            ("2000", ApplicationState::Pending),
            ("2000", ApplicationState::Pending),
            ("2000", ApplicationState::Pending),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_events_of_one_version_are_a_contradiction() {
    let server = Server::start().await;
    server.at("2126-01-31T00:00:00Z").await;
    server.monthly("basic", "100").await;
    server.record(started()).await;
    let other = event(1, SubscriptionEventKind::Started, "2126-01-31T00:00:00Z", "pro");
    let request = v1::RecordSubscriptionEventRequest { event: Some(other) };
    let refused = server.subscriptions().record_subscription_event(request).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::AlreadyExists, "VERSION_CONTRADICTED".to_owned()));
    assert_eq!(server.balance(ACCOUNT).await, "100");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_wallet_refuses_fails_visibly_and_is_tried_again() {
    let server = Server::start().await;
    server.at("2126-01-31T00:00:00Z").await;
    let rule = server.monthly("basic", "100").await;
    server.open(ACCOUNT).await;
    let close = v1::CloseWalletRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        idempotency_key: "close".to_owned(),
        ..Default::default()
    };
    server.wallets().close_wallet(close).await.unwrap();
    let answer = server.record(started()).await;
    assert_eq!((outcome(&answer), answer.applied.len()), (EventOutcome::Applied, 0));
    let failed = server
        .subscriptions()
        .list_failed_applications(v1::ListFailedApplicationsRequest::default())
        .await
        .unwrap()
        .into_inner()
        .applications;
    let application = failed[0].application.clone().unwrap();
    assert_eq!((failed.len(), application.reason.as_str()), (1, "WALLET_CLOSED"));
    assert_eq!((application.rule_id.as_str(), application.attempts), (rule.rule_id.as_str(), 1));
    let retry = v1::RetryApplicationRequest {
        account: ACCOUNT.to_owned(),
        subscription_id: "sub_1".to_owned(),
        rule_id: rule.rule_id,
        period_start: application.period_start,
    };
    let retried = server.subscriptions().retry_application(retry).await.unwrap().into_inner();
    let retried = retried.application.unwrap();
    assert_eq!((retried.state(), retried.attempts), (ApplicationState::Failed, 2));
}

/// All that is wrong is told, by its path.
#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_event_names_its_fields() {
    let server = Server::start().await;
    let wrong = v1::SubscriptionEvent {
        version: 0,
        effective_at: None,
        state: Some(v1::SubscriptionState {
            status: SubscriptionStatus::Trialing.into(),
            time_zone: "Berlin".to_owned(),
            billing_period: 17,
            current_period_end: Some(timestamp("2126-01-31T00:00:00Z")),
            ..Default::default()
        }),
        ..Default::default()
    };
    let request = v1::RecordSubscriptionEventRequest { event: Some(wrong) };
    let refused = server.subscriptions().record_subscription_event(request).await.unwrap_err();
    assert_eq!(
        blamed(&refused),
        [
            "event.event_id",
            "event.source",
            "event.account",
            "event.subscription_id",
            "event.version",
            "event.kind",
            "event.effective_at",
            "event.state.plan_id",
            "event.state.started_at",
            "event.state.billing_period",
            "event.state.time_zone",
            "event.state.trial_ends_at",
            "event.state.current_period_end",
        ]
    );
    assert_eq!(server.rows("subscriptions").await, 0);
}

/// Events of many subscriptions, shuffled and repeated, some of them malformed.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_acknowledges_each_event_in_its_order() {
    let server = Server::start().await;
    server.at("2126-02-28T00:00:00Z").await;
    server.monthly("basic", "100").await;
    let mut events = Vec::new();
    for number in 0..300 {
        let renewed = event(2, SubscriptionEventKind::Renewed, "2126-02-28T00:00:00Z", "basic");
        for told in [renewed.clone(), started(), renewed] {
            let event_id = format!("evt_{}", events.len());
            let account = format!("org:{number}");
            events.push(v1::SubscriptionEvent { event_id, account, ..told });
        }
    }
    events[70].version = -1;
    // A fixed shuffle: 7 and 900 have no common factor.
    let sent: Vec<_> = (0..events.len()).map(|index| events[index * 7 % 900].clone()).collect();
    let ids: Vec<String> = sent.iter().map(|event| event.event_id.clone()).collect();
    let requests =
        sent.into_iter().map(|event| v1::StreamSubscriptionEventsRequest { event: Some(event) });
    let mut acknowledged = server
        .subscriptions()
        .stream_subscription_events(tokio_stream::iter(requests))
        .await
        .unwrap()
        .into_inner();
    let mut told = Vec::new();
    let mut rejected = Vec::new();
    while let Some(answer) = acknowledged.message().await.unwrap() {
        if answer.outcome() == EventOutcome::Rejected {
            rejected.push((answer.event_id.clone(), answer.error.unwrap_or_default().reason));
        }
        told.push(answer.event_id);
    }
    assert_eq!(told, ids);
    assert_eq!(rejected, [("evt_70".to_owned(), "INVALID_FIELD".to_owned())]);
    // January is over, so only the second month is granted.
    for number in [0, 23, 299] {
        let grants = server.grants_of(&format!("org:{number}")).await;
        assert_eq!(grants.len(), 1, "{number}");
        assert_eq!(grants[0].effective_at, Some(timestamp("2126-02-28T00:00:00Z")));
    }
    assert_eq!(server.rows("grants").await, 300);
    let position = server
        .subscriptions()
        .get_stream_position(v1::GetStreamPositionRequest { source: "billing".to_owned() })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(Some(&position.event_id), ids.last());
}

/// Earlier versions wrote numbers where words are now, and did not say when what was applied counts.
#[tokio::test(flavor = "multi_thread")]
async fn what_earlier_versions_wrote_is_brought_over() {
    let server = Server::start().await;
    server.at("2126-01-31T00:00:00Z").await;
    server.monthly("half-yearly", "100").await;
    server.record(started()).await;
    let changed =
        event(2, SubscriptionEventKind::PlanChanged, "2126-01-31T00:00:00Z", "half-yearly");
    let half_yearly = v1::SubscriptionState {
        billing_period: v1::BillingPeriod::HalfYearly.into(),
        ..changed.state.clone().unwrap()
    };
    server.record(v1::SubscriptionEvent { state: Some(half_yearly), ..changed }).await;
    let mut client = connect(&server.url).await.unwrap();
    let kept = "SELECT s.history::TEXT, a.granted_from::TEXT, a.granted_until::TEXT
        FROM subscriptions AS s JOIN applications AS a USING (account_id, subscription_id)";
    let read = async |client: &tokio_postgres::Client| -> [String; 3] {
        let row = client.query_one(kept, &[]).await.unwrap();
        [row.get(0), row.get(1), row.get(2)]
    };
    let before = read(&client).await;
    assert!(before[0].contains(r#""kind": "plan_changed""#), "{before:?}");
    migrate(&mut client, 19).await.unwrap();
    let history = client.query_one("SELECT history::TEXT FROM subscriptions", &[]).await.unwrap();
    let numbers: String = history.get(0);
    for number in [r#""kind": 4"#, r#""status": 2"#, r#""span": [5, 1]"#] {
        assert!(numbers.contains(number), "{number} in {numbers}");
    }
    migrate(&mut client, SCHEMA_VERSION).await.unwrap();
    assert_eq!(read(&client).await, before);
}

/// Nobody asks for it: the job looks.
#[tokio::test(flavor = "multi_thread")]
async fn the_job_grants_what_time_makes_due() {
    let server = Server::start().await;
    server.at("2126-01-31T00:00:00Z").await;
    server.monthly("basic", "100").await;
    server.record(started()).await;
    server.spend(spend(ACCOUNT, "100", "all")).await.unwrap();
    server.at("2126-02-28T00:00:00Z").await;
    let begun = std::time::Instant::now();
    while server.balance(ACCOUNT).await != "100" {
        assert!(begun.elapsed().as_secs() < 30, "nothing came");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// The old credits end and the new ones begin in one step, so the wallet does not look empty in between.
#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_tells_no_depletion_and_asks_for_no_top_up() {
    let server = Server::start().await;
    server.at("2126-01-31T00:00:00Z").await;
    server.monthly("basic", "100").await;
    server.record(started()).await;
    server.spend(spend(ACCOUNT, "40", "some")).await.unwrap();
    let before = server.events_of(ACCOUNT).await;
    for at in ["2126-02-27T23:00:00Z", "2126-02-28T00:00:00Z"] {
        server.at(at).await;
        server.reconcile(true).await;
    }
    assert_eq!(server.balance(ACCOUNT).await, "100");
    assert_eq!(server.events_of(ACCOUNT).await, before);
}

/// A rule grants for what begins from then on, and for the past if it is asked to.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_rule_grants_from_then_on_or_for_the_past() {
    let server = Server::start().await;
    server.at("2126-01-31T00:00:00Z").await;
    server.record(started()).await;
    server.at("2126-02-10T00:00:00Z").await;
    let made = server.monthly("basic", "100").await;
    assert!(server.reconcile(true).await.is_empty());
    assert!(server.grants_of(ACCOUNT).await.is_empty());
    let request = v1::UpdateGrantRuleRequest {
        rule_id: made.rule_id,
        rule: Some(v1::GrantRule {
            starts_at: Some(timestamp("2126-01-01T00:00:00Z")),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["starts_at".to_owned()] }),
        idempotency_key: "for the past".to_owned(),
        ..Default::default()
    };
    server.grants().update_grant_rule(request).await.unwrap();
    assert_eq!(server.reconcile(true).await.len(), 1);
    assert_eq!(server.balance(ACCOUNT).await, "100");
}
