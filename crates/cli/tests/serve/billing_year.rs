//! A simulated year of billing: subscriptions on five plans in three time zones, whose events come late, repeated,
//! shuffled, or not at all, to a server that is killed now and then. It ends as the clean ordered stream does.
//!
//! `PURSE_YEAR_SUBSCRIPTIONS` says how many subscriptions (60 if it is not set), `PURSE_YEAR_SEED` which year.

mod chance;
mod lives;

use std::{collections::BTreeMap, time::Duration};

use purse_client::{
    Client,
    v1::{
        self, GetSubscriptionRequest, ListApplicationsRequest, ListGrantsRequest,
        RuleCadence::{Onetime, Recurring},
        RulePeriod::{Monthly, Quarterly, Weekly},
        SubscriptionEvent, VerifyWalletRequest,
    },
};
use purse_proto::testing::v1::{SetTimeRequest, test_clock_service_client::TestClockServiceClient};

use self::{chance::Chance, lives::Life};
use crate::{folder::Folder, process::PATIENCE, server::Server};

/// Between two looks of the billing system.
const TICK_DAYS: i64 = 5;
/// A year and the month after it, in which the last events come late.
const TICKS: i64 = 79;
const DAY: i64 = 86_400;
/// 2126-01-01T00:00:00Z.
const YEAR: i64 = 4_922_899_200;
const ASSET: &str = "credits";

/// What a subscription is in the end: its newest version and plan, and its grants that are not over.
type End = (i64, String, Vec<(String, String, Option<i64>)>);

#[tokio::test(flavor = "multi_thread")]
async fn a_year_of_events_ends_as_the_clean_stream_does() {
    let count = number("PURSE_YEAR_SUBSCRIPTIONS", 60);
    let seed = number("PURSE_YEAR_SEED", 1);
    println!("PURSE_YEAR_SEED={seed} PURSE_YEAR_SUBSCRIPTIONS={count}");
    let lives: Vec<Life> = (0..count).map(|index| Life::new(index, seed)).collect();
    let clean = live(&lives, Delivery::Clean).await;
    let disturbed = live(&lives, Delivery::Disturbed { seed }).await;
    for (account, end) in &clean {
        assert_eq!(disturbed.get(account), Some(end), "{account}: seed {seed}");
    }
    let with_grants = clean.values().filter(|(.., grants)| !grants.is_empty()).count();
    assert!(with_grants * 2 > clean.len(), "{with_grants} of {} have credits", clean.len());
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

/// How events come.
#[derive(Debug, Clone, Copy)]
enum Delivery {
    /// Each once, in order, when it happens.
    Clean,
    /// Late, repeated, shuffled, lost.
    Disturbed { seed: u64 },
}

/// Lives the year and says how it ends.
async fn live(lives: &[Life], delivery: Delivery) -> BTreeMap<String, End> {
    let mut mail = deliveries(lives, delivery);
    let folder = Folder::new();
    let mut server = start(&folder, 0).await;
    rules(&server.client()).await;
    for tick in 0..=TICKS {
        set_time(&server, tick).await;
        let events = mail.remove(&tick).unwrap_or_default();
        let is_killed = matches!(delivery, Delivery::Disturbed { .. }) && tick % 15 == 10;
        if is_killed {
            server = killed_in_between(server, &folder, tick, &events).await;
        }
        send(&server, &events).await;
    }
    assert!(mail.is_empty(), "all was delivered");
    settle(&server, lives).await;
    let mut ends = BTreeMap::new();
    for life in lives {
        ends.insert(life.account.clone(), end(&server.client(), life).await);
    }
    ends
}

/// What comes in which tick, in this order.
fn deliveries(lives: &[Life], delivery: Delivery) -> BTreeMap<i64, Vec<SubscriptionEvent>> {
    let mut mail: BTreeMap<i64, Vec<SubscriptionEvent>> = BTreeMap::new();
    for event in lives.iter().flat_map(|life| &life.events) {
        let happens = event.effective_at.unwrap().seconds - YEAR;
        let tick = happens.div_euclid(TICK_DAYS * DAY) + 1;
        let ticks = match delivery {
            Delivery::Clean => vec![tick],
            Delivery::Disturbed { seed } => disturbed(event, tick, seed),
        };
        for tick in ticks {
            mail.entry(tick.clamp(0, TICKS)).or_default().push(event.clone());
        }
    }
    for (tick, events) in &mut mail {
        match delivery {
            Delivery::Clean => events.sort_by_key(|event| event.version),
            Delivery::Disturbed { seed } => Chance::new(seed, *tick).shuffle(events),
        }
    }
    mail
}

/// When an event comes, and how often.
fn disturbed(event: &SubscriptionEvent, tick: i64, seed: u64) -> Vec<i64> {
    let mut chance = Chance::new(seed, event.version).for_name(&event.account);
    let is_renewal = event.kind() == v1::SubscriptionEventKind::Renewed;
    // A renewal that is lost for good is made up for by time; the last one tells the version.
    if is_renewal && event.version > 2 && event.event_id != "last" && chance.one_in(20) {
        return Vec::new();
    }
    let times = if chance.one_in(3) { 2 } else { 1 };
    (0..times).map(|_| tick + if chance.one_in(3) { chance.below(6) } else { 0 }).collect()
}

async fn start(folder: &Folder, tick: i64) -> Server {
    let server = Server::start_with(folder, |command| command.arg("--test-clock")).await;
    set_time(&server, tick).await;
    server
}

async fn set_time(server: &Server, tick: i64) {
    let seconds = YEAR + tick * TICK_DAYS * DAY;
    let now = Some(prost_types::Timestamp { seconds, nanos: 0 });
    let mut clock = TestClockServiceClient::new(server.channel());
    clock.set_time(SetTimeRequest { now }).await.unwrap();
}

/// Kills the server while events are under way, and starts it again. The caller sends them all again.
async fn killed_in_between(
    server: Server,
    folder: &Folder,
    tick: i64,
    events: &[SubscriptionEvent],
) -> Server {
    let client = server.client();
    let (told, mut was_told) = tokio::sync::mpsc::unbounded_channel();
    let under_way = events.to_vec();
    let half = events.len() / 2;
    let sending = tokio::spawn(async move {
        let sent = client.send_subscription_events(under_way, |_, _| {
            told.send(()).ok();
        });
        sent.await.is_ok()
    });
    for _ in 0..half {
        if tokio::time::timeout(PATIENCE, was_told.recv()).await.unwrap().is_none() {
            break;
        }
    }
    server.kill();
    sending.await.unwrap();
    start(folder, tick).await
}

async fn send(server: &Server, events: &[SubscriptionEvent]) {
    let client = server.client();
    let sent = client.send_subscription_events(events.to_vec(), |event, answer| {
        let problem = answer.error.clone().unwrap_or_default();
        assert!(answer.error.is_none(), "{}: {}", event.event_id, problem.message);
    });
    tokio::time::timeout(Duration::from_mins(5), sent).await.unwrap().unwrap();
}

/// Until nothing is missing, whether the job did it or not.
async fn settle(server: &Server, lives: &[Life]) {
    for life in lives {
        let request = v1::ReconcileSubscriptionRequest {
            account: life.account.clone(),
            subscription_id: life.subscription.clone(),
            apply: true,
            ..Default::default()
        };
        server.client().reconcile_subscription(request).await.unwrap();
    }
}

/// How a subscription ends. Its wallet is sound, and nothing was granted twice.
async fn end(client: &Client, life: &Life) -> End {
    let (account, subscription_id) = (life.account.clone(), life.subscription.clone());
    let request = GetSubscriptionRequest {
        account: account.clone(),
        subscription_id: subscription_id.clone(),
    };
    let subscription = client.get_subscription(request).await.unwrap();
    let request = ListGrantsRequest {
        account: account.clone(),
        asset: ASSET.to_owned(),
        page_size: 1_000,
        ..Default::default()
    };
    let grants = client.list_grants(request).await.map(|answer| answer.grants).unwrap_or_default();
    let request =
        ListApplicationsRequest { account: account.clone(), subscription_id, until: None };
    let applications = client.list_applications(request).await.unwrap().applications;
    let applied = applications.iter().filter(|application| application.grant_number > 0);
    let mut numbers: Vec<i32> = applied.map(|application| application.grant_number).collect();
    let made = numbers.len();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), made, "{account}: two applications made one grant");
    // One that was taken back whole, because later events said that it never was due, may come again.
    let mut granted: Vec<_> = grants
        .iter()
        .filter(|grant| grant.voided != grant.amount)
        .map(|grant| (&grant.category, grant.effective_at.map(|at| at.seconds)))
        .collect();
    granted.sort();
    assert!(granted.windows(2).all(|pair| pair[0] != pair[1]), "{account}: granted twice");
    if !grants.is_empty() {
        let request = VerifyWalletRequest { account, asset: ASSET.to_owned() };
        let verified = client.verify_wallet(request).await.unwrap();
        assert!(verified.sound, "{}", verified.problem);
    }
    let left = grants.into_iter().filter(|grant| grant.available != "0");
    let mut left: Vec<_> = left
        .map(|grant| (grant.category, grant.available, grant.expires_at.map(|at| at.seconds)))
        .collect();
    left.sort();
    (subscription.version, subscription.state.unwrap_or_default().plan_id, left)
}

/// Five plans: two by the month, one by the week, one by the quarter, and one with a trial, a bonus and months.
async fn rules(client: &Client) {
    let cycle = v1::ExpirySettings {
        r#type: v1::ExpiryType::BillingCycle.into(),
        billing_cycle: Some(v1::ExpiryBillingCycle { reset_at_period_end: true, cycle_count: 1 }),
        ..Default::default()
    };
    let days = |amount| v1::ExpirySettings {
        r#type: v1::ExpiryType::Duration.into(),
        duration: Some(v1::ExpiryDuration { amount, unit: v1::DurationUnit::Day.into() }),
        ..Default::default()
    };
    let all = [
        ("basic", "100", Recurring, Monthly, cycle, v1::RuleStage::Paid),
        ("pro", "400", Recurring, Monthly, cycle, v1::RuleStage::Paid),
        ("weekly", "50", Recurring, Weekly, days(7), v1::RuleStage::Paid),
        ("quarterly", "1000", Recurring, Quarterly, days(90), v1::RuleStage::Paid),
        ("starter", "30", Onetime, Monthly, days(30), v1::RuleStage::Trial),
        ("starter", "80", Recurring, Monthly, cycle, v1::RuleStage::Paid),
    ];
    for (plan, amount, cadence, period, expiry, stage) in all {
        let rule = v1::GrantRule {
            name: format!("{plan} {amount}"),
            scope: v1::RuleScope::Plan.into(),
            plan_id: plan.to_owned(),
            asset: ASSET.to_owned(),
            amount: amount.to_owned(),
            cadence: cadence.into(),
            period: if cadence == Recurring { period.into() } else { 0 },
            period_count: i32::from(cadence == Recurring),
            expiry_settings: Some(expiry),
            stage: stage.into(),
            category: format!("{plan}-{amount}"),
            ..Default::default()
        };
        let idempotency_key = rule.name.clone();
        let request =
            v1::CreateGrantRuleRequest { rule: Some(rule), idempotency_key, ..Default::default() };
        client.create_grant_rule(request).await.unwrap();
    }
}
