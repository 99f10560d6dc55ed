//! The workload `changes`: changes of rules' expiry settings, while spends run at half of the rate that the server can do.

use std::{fmt, time::Duration};

use clap::{Args, value_parser};
use purse_proto::v1::{
    CreateGrantRuleRequest, GrantRule, RuleCadence, RuleScope, UpdateExpirySettingsRequest,
    grant_service_client::GrantServiceClient,
};
use serde::Serialize;
use tokio::time::{Interval, MissedTickBehavior};
use tonic::Status;

use purse_process::Server;

use crate::{
    api::ASSET,
    arguments::Place,
    connection::Connection,
    figures::Percentiles,
    load::{Caller, Failure, LoadError, Window, closed_loop},
    machine::{Machine, postgres_settings},
    purse::take,
    seeds::Seeds,
    session::{RunError, Session},
    spender::spenders,
    spread::Spread,
    wallets::Wallets,
};

/// What the project wants to reach: printed beside the figure, not enforced.
const TARGET_P95_MICROS: u64 = 100_000;
/// Wallets that the spends are spread over, and their callers.
const WALLETS: u64 = 10_000;
const CALLERS: u32 = 64;
const CONNECTIONS: u32 = 8;
/// Rules that are changed in turn, by one caller.
const RULES: u32 = 100;

/// Flags of `purse-bench changes`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Seconds of changes; as many of spends alone before them.
    #[arg(long, default_value_t = 20, value_parser = value_parser!(u64).range(1..))]
    pub seconds: u64,
    #[command(flatten)]
    pub place: Place,
}

/// What comes out.
#[derive(Debug, Serialize)]
struct Report {
    machine: Machine,
    postgres: String,
    /// With nothing else to do.
    spends_per_second: u64,
    /// While the changes were measured.
    spends_per_second_beside: u64,
    changes_per_second: u64,
    changes: Percentiles,
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
    let wallets = Wallets::new(Connection::open(server, CONNECTIONS).await?, WALLETS, 5);
    wallets.set_up().await?;
    let connection = Connection::open(server, 1).await?.swap_remove(0);
    let caller = Changer::set_up(connection).await?;
    let mut seeds = Seeds::new(1, None);
    let window = Window { warm_up_seconds: 5, measured_seconds: arguments.seconds };

    let alone =
        closed_loop(take(spenders(&wallets, Spread::Many, &mut seeds), CALLERS), window).await?;
    let spends_per_second = alone.round(window).calls_per_second;
    eprintln!("{spends_per_second} spends/s alone");

    // Each caller as often as makes half of that in all.
    let micros = u64::from(CALLERS) * 2_000_000 / spends_per_second.max(1);
    let pause = Duration::from_micros(micros);
    let paced = take(spenders(&wallets, Spread::Many, &mut seeds), CALLERS).into_iter();
    let paced = paced.map(|spender| Paced::new(spender, pause)).collect();
    let beside = tokio::spawn(closed_loop(paced, window));
    let changes = closed_loop(vec![caller], window).await?.round(window);
    let beside = beside.await.map_err(LoadError::from)??.round(window);
    Ok(Report {
        machine: session.machine,
        postgres,
        spends_per_second,
        spends_per_second_beside: beside.calls_per_second,
        changes_per_second: changes.calls_per_second,
        changes: changes.latencies.percentiles(),
    })
}

/// A caller that calls at intervals.
#[derive(Debug)]
struct Paced<C> {
    caller: C,
    interval: Interval,
}

impl<C> Paced<C> {
    fn new(caller: C, every: Duration) -> Self {
        let mut interval = tokio::time::interval(every);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { caller, interval }
    }
}

impl<C: Caller> Caller for Paced<C> {
    async fn call(&mut self) -> Result<(), Failure> {
        self.interval.tick().await;
        self.caller.call().await
    }
}

/// Changes the expiry settings of one rule after another.
#[derive(Debug)]
struct Changer {
    rules: GrantServiceClient<Connection>,
    ids: Vec<String>,
    changes: u32,
}

impl Changer {
    async fn set_up(connection: Connection) -> Result<Self, Status> {
        let mut rules = GrantServiceClient::new(connection);
        let mut ids = Vec::new();
        for number in 0..RULES {
            let rule = GrantRule {
                name: format!("bench {number}"),
                scope: RuleScope::Plan.into(),
                plan_id: format!("bench {number}"),
                asset: ASSET.to_owned(),
                amount: "100".to_owned(),
                cadence: RuleCadence::Onetime.into(),
                ..Default::default()
            };
            let idempotency_key = format!("bench rule {number}");
            let create =
                CreateGrantRuleRequest { rule: Some(rule), idempotency_key, ..Default::default() };
            let created = rules.create_grant_rule(create).await?.into_inner();
            ids.extend(created.rule.map(|rule| rule.rule_id));
        }
        Ok(Self { rules, ids, changes: 0 })
    }
}

impl Caller for Changer {
    async fn call(&mut self) -> Result<(), Failure> {
        self.changes += 1;
        self.ids.rotate_left(1);
        let request = UpdateExpirySettingsRequest {
            rule_id: self.ids.first().cloned().unwrap_or_default(),
            expire_in_days: i32::try_from(self.changes % 365 + 1).ok(),
            idempotency_key: format!("bench change {}", self.changes),
            ..Default::default()
        };
        self.rules.update_expiry_settings(request).await?;
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            machine,
            postgres,
            spends_per_second,
            spends_per_second_beside,
            changes_per_second,
            changes,
        } = self;
        let millis = |micros: u64| format!("{}.{:02} ms", micros / 1_000, micros % 1_000 / 10);
        writeln!(formatter, "{machine}\nPostgreSQL: {postgres}\n")?;
        writeln!(
            formatter,
            "spends alone: {spends_per_second}/s; beside the changes, paced: {spends_per_second_beside}/s"
        )?;
        writeln!(
            formatter,
            "changes of expiry settings, one after another: {changes_per_second}/s"
        )?;
        write!(
            formatter,
            "a change takes {} at p50, {} at p95 (target {}), {} at p99",
            millis(changes.p50_micros),
            millis(changes.p95_micros),
            millis(TARGET_P95_MICROS),
            millis(changes.p99_micros)
        )
    }
}
