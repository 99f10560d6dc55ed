//! The workload `renewals`: a renewal day. Every subscription of a plan renews at once, as one stream of events, beside
//! spends of 64 callers on the same server, in turns.
//!
//! A renewal is an event that is recorded, a grant, and the record that it was applied.

use std::{
    fmt,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use clap::{Args, value_parser};
use prost_types::Timestamp;
use purse_proto::v1::{
    CreateGrantRuleRequest, EventOutcome, ExpiryBillingCycle, ExpirySettings, ExpiryType,
    GrantRule, RuleCadence, RulePeriod, RuleScope, StreamSubscriptionEventsRequest,
    SubscriptionEvent, SubscriptionEventKind, SubscriptionState, SubscriptionStatus,
    grant_service_client::GrantServiceClient,
    subscription_service_client::SubscriptionServiceClient,
};
use serde::Serialize;
use tonic::{Status, transport::Channel};

use purse_process::Server;

use crate::{
    api::ASSET,
    arguments::Place,
    connection::Connection,
    load::{Window, closed_loop},
    machine::{Machine, postgres_settings},
    purse::take,
    seeds::Seeds,
    session::{RunError, Session},
    spender::spenders,
    spread::Spread,
    wallets::Wallets,
};

/// What the project wants to reach, in hundredths: printed beside the ratio, not enforced.
const TARGET_HUNDREDTHS: u64 = 200;
/// Wallets that the spends beside it are spread over, and their callers.
const WALLETS: u64 = 10_000;
const CALLERS: u32 = 64;
const CONNECTIONS: u32 = 8;
const MONTH_SECONDS: i64 = 30 * 86_400;

/// Flags of `purse-bench renewals`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Subscriptions that renew.
    #[arg(long, default_value_t = 100_000, value_parser = value_parser!(u64).range(1..))]
    pub subscriptions: u64,
    /// In so many parts, with spends between them.
    #[arg(long, default_value_t = 4, value_parser = value_parser!(u64).range(1..=100))]
    pub parts: u64,
    /// Seconds of spends after each part.
    #[arg(long, default_value_t = 8, value_parser = value_parser!(u64).range(1..))]
    pub seconds: u64,
    #[command(flatten)]
    pub place: Place,
}

/// One part: its events, and the spends after it.
#[derive(Debug, Clone, Copy, Serialize)]
struct Part {
    events: u64,
    events_per_second: u64,
    spends_per_second: u64,
    /// Of the server, after the events.
    resident_mebibytes: u64,
}

/// What comes out.
#[derive(Debug, Serialize)]
struct Report {
    machine: Machine,
    postgres: String,
    subscriptions: u64,
    /// The events that made the subscriptions, each with its wallet and its first grant.
    starts_per_second: u64,
    parts: Vec<Part>,
}

/// Runs the workload and prints its report.
pub async fn run(arguments: &Arguments) -> Result<(), RunError> {
    let session = Session::begin(&arguments.place).await?;
    let work = async |server: &Server, url: &str| measure(arguments, &session, server, url).await;
    let report = session.with_server(&arguments.place, work).await?;
    println!("{report}");
    arguments.place.write(&report)?;
    Ok(())
}

async fn measure(
    arguments: &Arguments,
    session: &Session,
    server: &Server,
    url: &str,
) -> Result<Report, RunError> {
    let postgres = postgres_settings(&session.programs, url).await?;
    let Arguments { subscriptions, parts, seconds, .. } = *arguments;
    let connections = Connection::open(server, CONNECTIONS).await?;
    let billing = server.connect().await?;
    let wallets = Wallets::new(connections, WALLETS, 5);
    wallets.set_up().await?;
    make_rule(billing.clone()).await?;
    let days = Days::around(now_seconds());

    let begun_at = Instant::now();
    stream(&billing, 0..subscriptions, move |number| days.started(number)).await?;
    let starts_per_second = per_second(subscriptions, begun_at.elapsed());
    eprintln!("{subscriptions} subscriptions started at {starts_per_second}/s");

    let mut measured = Vec::new();
    let mut seeds = Seeds::new(1, None);
    let window = Window { warm_up_seconds: 2, measured_seconds: seconds };
    for part in 0..parts {
        let range = subscriptions * part / parts..subscriptions * (part + 1) / parts;
        let events = range.end - range.start;
        session.programs.checkpoint(url).await;
        let begun_at = Instant::now();
        let granted = stream(&billing, range, move |number| days.renewed(number)).await?;
        let events_per_second = per_second(events, begun_at.elapsed());
        if granted != events {
            return Err(RunError::Wrong { wrong: events - granted, all: events });
        }
        let resident_mebibytes = server.resident_mebibytes();
        session.programs.checkpoint(url).await;
        let callers = take(spenders(&wallets, Spread::Many, &mut seeds), CALLERS);
        let spends_per_second = closed_loop(callers, window).await?.round(window).calls_per_second;
        eprintln!(
            "part {} of {parts}: {events_per_second} renewals/s, {spends_per_second} spends/s, \
             {resident_mebibytes} MiB",
            part + 1
        );
        measured.push(Part { events, events_per_second, spends_per_second, resident_mebibytes });
    }
    Ok(Report {
        machine: session.machine,
        postgres,
        subscriptions,
        starts_per_second,
        parts: measured,
    })
}

/// Streams an event for each number; answers how many were applied with one grant.
async fn stream(
    channel: &Channel,
    numbers: std::ops::Range<u64>,
    event: impl Fn(u64) -> SubscriptionEvent + Send + 'static,
) -> Result<u64, Status> {
    let requests =
        numbers.map(move |number| StreamSubscriptionEventsRequest { event: Some(event(number)) });
    let mut service = SubscriptionServiceClient::new(channel.clone());
    let requests = tokio_stream::iter(requests);
    let mut answers = service.stream_subscription_events(requests).await?.into_inner();
    let mut granted = 0;
    while let Some(answer) = answers.message().await? {
        if answer.outcome() == EventOutcome::Applied && answer.applied.len() == 1 {
            granted += 1;
        }
    }
    Ok(granted)
}

/// When subscriptions begin, and when all of them renew.
#[derive(Debug, Clone, Copy)]
struct Days {
    started_at: i64,
    renewed_at: i64,
}

impl Days {
    fn around(now: i64) -> Self {
        Self { started_at: now - MONTH_SECONDS, renewed_at: now }
    }

    fn started(self, number: u64) -> SubscriptionEvent {
        self.event(number, 1, SubscriptionEventKind::Started, self.started_at)
    }

    fn renewed(self, number: u64) -> SubscriptionEvent {
        self.event(number, 2, SubscriptionEventKind::Renewed, self.renewed_at)
    }

    fn event(
        self,
        number: u64,
        version: i64,
        kind: SubscriptionEventKind,
        at: i64,
    ) -> SubscriptionEvent {
        let instant = |seconds| Some(Timestamp { seconds, nanos: 0 });
        SubscriptionEvent {
            event_id: format!("{number}/{version}"),
            source: "bench".to_owned(),
            account: format!("bench:renewal:{number:07}"),
            subscription_id: "sub".to_owned(),
            version,
            previous_version: Some(version - 1),
            kind: kind.into(),
            effective_at: instant(at),
            state: Some(SubscriptionState {
                status: SubscriptionStatus::Active.into(),
                plan_id: "bench".to_owned(),
                started_at: instant(self.started_at),
                current_period_start: instant(at),
                current_period_end: instant(at + MONTH_SECONDS),
                anchor_at: instant(at),
                ..Default::default()
            }),
        }
    }
}

/// The one rule: credits for a billing period, whenever it begins.
async fn make_rule(channel: Channel) -> Result<(), Status> {
    let billing_cycle = ExpiryBillingCycle { reset_at_period_end: true, cycle_count: 2 };
    let rule = GrantRule {
        name: "bench".to_owned(),
        scope: RuleScope::Plan.into(),
        plan_id: "bench".to_owned(),
        asset: ASSET.to_owned(),
        amount: "100".to_owned(),
        cadence: RuleCadence::Recurring.into(),
        // Also for the periods before it was made.
        starts_at: Some(Timestamp { seconds: 0, nanos: 0 }),
        period: RulePeriod::Monthly.into(),
        period_count: 1,
        expiry_settings: Some(ExpirySettings {
            r#type: ExpiryType::BillingCycle.into(),
            billing_cycle: Some(billing_cycle),
            ..Default::default()
        }),
        ..Default::default()
    };
    let idempotency_key = "bench rule".to_owned();
    let request =
        CreateGrantRuleRequest { rule: Some(rule), idempotency_key, ..Default::default() };
    GrantServiceClient::new(channel).create_grant_rule(request).await?;
    Ok(())
}

/// Since 1970.
#[expect(clippy::disallowed_methods, reason = "the server under load goes by the real time, too")]
fn now_seconds() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

fn per_second(count: u64, elapsed: Duration) -> u64 {
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    count.saturating_mul(1_000) / millis
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { machine, postgres, subscriptions, starts_per_second, parts } = self;
        writeln!(formatter, "{machine}\nPostgreSQL: {postgres}")?;
        writeln!(
            formatter,
            "{subscriptions} subscriptions in one stream, started at {starts_per_second}/s; spends: {CALLERS} callers over \
             {WALLETS} wallets\n"
        )?;
        writeln!(formatter, "| part | renewals/s | spends/s | server MiB |")?;
        writeln!(formatter, "|------|------------|----------|------------|")?;
        for (index, part) in parts.iter().enumerate() {
            let Part { events_per_second, spends_per_second, resident_mebibytes, .. } = part;
            writeln!(
                formatter,
                "| {:>4} | {events_per_second:>10} | {spends_per_second:>8} | {resident_mebibytes:>10} |",
                index + 1
            )?;
        }
        let middle = |figure: fn(&Part) -> u64| {
            let mut figures: Vec<u64> = parts.iter().map(figure).collect();
            figures.sort_unstable();
            figures.get(figures.len() / 2).copied().unwrap_or_default().max(1)
        };
        let (spends, renewals) =
            (middle(|part| part.spends_per_second), middle(|part| part.events_per_second));
        let hundredths = spends * 100 / renewals;
        write!(
            formatter,
            "\na renewal takes {}.{:02} times as long as a spend (target {}.{:02})",
            hundredths / 100,
            hundredths % 100,
            TARGET_HUNDREDTHS / 100,
            TARGET_HUNDREDTHS % 100
        )
    }
}
