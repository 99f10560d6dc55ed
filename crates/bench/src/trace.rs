//! The workload `trace`: the requests of a usage trace in an open loop, when they were made or so many times as fast.
//!
//! Each row is a spend of its tokens; row by row, the accounts take turns.

mod rows;

pub use rows::TraceError;

use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use clap::{Args, value_parser};
use purse_proto::v1::{SpendRequest, wallet_service_client::WalletServiceClient};
use serde::Serialize;

use purse_process::Server;

use crate::{
    api::{ASSET, acknowledged},
    arguments::Place,
    check::{Check, FailedCalls},
    connection::Connection,
    figures::{Percentiles, grouped, milliseconds},
    load::{Caller, Failure},
    machine::{Machine, postgres_settings},
    open_loop::on_schedule,
    seeds::{Seed, Seeds},
    session::{RunError, Session},
    wallets::Wallets,
};
use rows::Row;

/// Flags of `purse-bench trace`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The trace: a CSV file with `TIMESTAMP,ContextTokens,GeneratedTokens`, such as the Azure LLM inference traces.
    #[arg(value_name = "FILE")]
    pub trace: PathBuf,
    /// So many times as fast as it was.
    #[arg(long, default_value_t = 100, value_parser = value_parser!(u64).range(1..))]
    pub faster: u64,
    /// Accounts that the rows are spread over, in turn.
    #[arg(long, default_value_t = 100, value_parser = value_parser!(u64).range(1..))]
    pub accounts: u64,
    /// HTTP/2 connections.
    #[arg(long, default_value_t = 8, value_parser = value_parser!(u32).range(1..))]
    pub connections: u32,
    #[command(flatten)]
    pub place: Place,
}

/// Everything that a run found.
#[derive(Debug, Serialize)]
struct Report {
    #[serde(flatten)]
    machine: Machine,
    postgres: String,
    faster: u64,
    accounts: u64,
    rows: usize,
    /// How long all of them took to become due.
    seconds: u64,
    /// Most that became due within a tenth of a second.
    most_in_a_tenth: u64,
    accepted: u64,
    /// From when a row was due.
    latency: Percentiles,
    failures: Vec<FailedCalls>,
    /// In credits.
    check: Check,
}

/// Runs the workload and prints its report.
pub async fn run(arguments: &Arguments) -> Result<(), RunError> {
    let (place, rows) = (&arguments.place, rows::read(&arguments.trace)?);
    let session = Session::begin(place).await?;
    let work = async |server: &Server, url: &str| {
        measure(arguments, rows.into(), &session, server, url).await
    };
    let report = session.with_server(place, work).await?;
    println!("{report}");
    place.write(&report)?;
    report.check.verdict()?;
    Ok(())
}

async fn measure(
    arguments: &Arguments,
    rows: Arc<[Row]>,
    session: &Session,
    server: &Server,
    url: &str,
) -> Result<Report, RunError> {
    let postgres = postgres_settings(&session.programs, url).await?;
    let Arguments { faster, accounts, connections, .. } = *arguments;
    let wallets = Wallets::new(Connection::open(server, connections).await?, accounts, 5);
    wallets.set_up().await?;
    let before = wallets.total().await?;
    session.programs.checkpoint(url).await;

    let due: Vec<u64> = rows.iter().map(|row| row.micros / faster).collect();
    let end = due.last().copied().unwrap_or_default() + 1;
    let shared = Arc::new(Shared {
        accounts: Arc::clone(&wallets.many),
        rows: Arc::clone(&rows),
        next: AtomicUsize::new(0),
        spent: AtomicU64::new(0),
        failed: AtomicU64::new(0),
    });
    let callers = Spender::all(&wallets.connections, &shared);
    let tally = on_schedule(callers, due, vec![end]).await?;
    let [all] = tally.phases.as_slice() else { return Err(RunError::NoSuchSide) };
    let spent = shared.spent.load(Ordering::Relaxed);
    let failed = shared.failed.load(Ordering::Relaxed);
    Ok(Report {
        machine: session.machine,
        postgres,
        faster,
        accounts,
        rows: rows.len(),
        seconds: end / 1_000_000,
        most_in_a_tenth: tally.slices.iter().map(|slice| slice.due).max().unwrap_or_default(),
        accepted: all.accepted.count(),
        latency: all.accepted.percentiles(),
        check: Check::new(spent, failed, before, wallets.total().await?),
        failures: FailedCalls::of(tally.failures),
    })
}

/// What the callers share: each takes the next row.
#[derive(Debug)]
struct Shared {
    accounts: Arc<[String]>,
    rows: Arc<[Row]>,
    next: AtomicUsize,
    /// Credits of spends that were acknowledged, and of those that were not.
    spent: AtomicU64,
    failed: AtomicU64,
}

/// Spends the tokens of the next row.
#[derive(Debug)]
struct Spender {
    client: WalletServiceClient<Connection>,
    shared: Arc<Shared>,
    seed: Seed,
    calls: u64,
}

impl Spender {
    /// As many as are taken, spread evenly over the connections.
    fn all(
        connections: &[Connection],
        shared: &Arc<Shared>,
    ) -> impl Iterator<Item = Self> + Send + use<> {
        let (connections, shared) = (connections.to_vec(), Arc::clone(shared));
        let mut seeds = Seeds::new(1, None);
        connections.into_iter().cycle().map(move |connection| Self {
            client: WalletServiceClient::new(connection),
            shared: Arc::clone(&shared),
            seed: seeds.next_caller(),
            calls: 0,
        })
    }
}

impl Caller for Spender {
    async fn call(&mut self) -> Result<(), Failure> {
        self.calls += 1;
        let Shared { accounts, rows, next, spent, failed } = &*self.shared;
        let number = next.fetch_add(1, Ordering::Relaxed);
        let tokens = rows[number % rows.len()].tokens;
        let request = SpendRequest {
            account: accounts[number % accounts.len()].clone(),
            asset: ASSET.to_owned(),
            amount: tokens.to_string(),
            operation: "inference".to_owned(),
            idempotency_key: self.seed.key(self.calls),
            ..SpendRequest::default()
        };
        let outcome = acknowledged(self.client.spend(request).await);
        let sum = if outcome.is_ok() { spent } else { failed };
        sum.fetch_add(tokens, Ordering::Relaxed);
        outcome
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { machine, postgres, faster, accounts, rows, seconds, latency, .. } = self;
        writeln!(out, "\n{machine}\nPostgreSQL: {postgres}\n")?;
        writeln!(
            out,
            "{rows} rows over {accounts} accounts within {seconds} s, {faster} times as fast as they were; at most {} \
             within a tenth of a second",
            self.most_in_a_tenth
        )?;
        writeln!(
            out,
            "{} accepted: p50 {} ms, p95 {} ms, p99 {} ms, at most {} ms from when they were due",
            grouped(self.accepted),
            milliseconds(latency.p50_micros),
            milliseconds(latency.p95_micros),
            milliseconds(latency.p99_micros),
            milliseconds(latency.max_micros)
        )?;
        for failed in &self.failures {
            writeln!(out, "{failed}")?;
        }
        let Check { acknowledged, failed, booked } = self.check;
        write!(
            out,
            "check: spends of {} credits acknowledged, of {} failed; the balances say {booked}",
            grouped(acknowledged),
            grouped(failed)
        )
    }
}
