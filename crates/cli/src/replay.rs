//! `purse replay`: spends a trace of real usage, row by row, and checks that the ledger adds up.
//!
//! A second run of the same trace with the same settings changes nothing. Every request is a function of
//! the settings, of the row and of what the service keeps, so it has the key and the fingerprint of the
//! first run's, and is answered as a replay:
//!
//! - A spend's key is made of the trace's name, the row's number and a hash of the row's content.
//! - The monthly grant's window must end some minutes after *the first* run began, and a request that took
//!   the present time would be another request each time. So it ends [`monthly_ttl`](plan::Plan) after the
//!   wallet's `created_at`, an instant that the service keeps for ever and answers to every `CreateWallet`.
//! - A refused row stays refused: nothing is granted in between, so its account never has more than before.
//! - Other settings under the same prefix would make other requests, so they are kept in the wallets'
//!   metadata, and a run that differs stops before it writes anything.

mod audit;
mod callers;
mod check;
mod patience;
mod plan;
mod price;
mod seed;
mod spending;
mod summary;
mod trace;

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use purse_client::Client;
use rust_decimal::Decimal;

use self::{
    patience::Patience,
    plan::Plan,
    price::Prices,
    spending::Spending,
    summary::{LedgerCheck, Summary},
    trace::Trace,
};
use crate::{
    connection::ConnectionArgs,
    duration,
    exit::{self, Failure},
    local::{LocalArgs, Service},
    output::{Format, Output},
};

/// What `replay` takes. With the default prices an account of the sample trace spends 2.74 to 3.09, so with
/// the default grants of 2.90 some accounts run out near the end and their last rows are refused.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The embedded default.
    #[command(flatten)]
    local: LocalArgs,
    /// The trace: CSV with the header TIMESTAMP,ContextTokens,GeneratedTokens
    #[arg(long, value_name = "FILE")]
    usage: PathBuf,
    /// What is counted
    #[arg(long, default_value = "tokens_usd")]
    asset: String,
    /// How many accounts the rows are spread over: row number modulo this
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    accounts: u64,
    /// The accounts are named PREFIX:0, PREFIX:1, …; replay:TRACE by default
    #[arg(long)]
    prefix: Option<String>,
    /// The price of 1,000 context tokens
    #[arg(long, default_value = "0.003", value_parser = price::parse_price)]
    context_price: Decimal,
    /// The price of 1,000 generated tokens
    #[arg(long, default_value = "0.015", value_parser = price::parse_price)]
    generated_price: Decimal,
    /// Each account's monthly grant, drawn first
    #[arg(long, default_value = "2", value_parser = price::parse_amount, value_name = "AMOUNT")]
    monthly: Decimal,
    /// How long the monthly grant lives, from the opening of its wallet
    #[arg(long, default_value = "10m", value_parser = duration::parse, value_name = "DURATION")]
    monthly_ttl: Duration,
    /// Each account's purchased grant, which never expires
    #[arg(long, default_value = "0.9", value_parser = price::parse_amount, value_name = "AMOUNT")]
    purchased: Decimal,
    /// How many spends are under way at once
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4_096))]
    concurrency: u16,
    /// How long the service may be away before the replay stops
    #[arg(long, default_value = "60s", value_parser = duration::parse, value_name = "DURATION")]
    patience: Duration,
}

/// Runs `purse replay`, on the embedded default if no service runs.
pub fn run(
    args: ReplayArgs,
    connection: &ConnectionArgs,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let service = Service::reach(connection, &args.local)?;
    let replayed = service.block_on(replay(args, service.client(), output));
    service.stop();
    replayed
}

async fn replay(
    args: ReplayArgs,
    client: &Client,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let callers = usize::from(args.concurrency);
    // Read once before anything is written: a malformed row is found now, not in the middle.
    let rows = Trace::count(&args.usage)?;
    let trace = Trace::open(&args.usage)?;
    let patience = Arc::new(Patience::new(args.patience));
    let plan = Arc::new(plan(args, trace.name())?);

    seed::all(client, &plan, &patience, callers).await?;
    let spending =
        Arc::new(Spending::new(client.clone(), plan.clone(), patience.clone(), progress(rows)));
    let (tally, elapsed) = spending::all(spending, trace, callers).await?;
    let (totals, discrepancies) = audit::all(client, &plan, &patience, &tally, callers).await?;

    let ledger = LedgerCheck::new(plan.accounts, &totals, &discrepancies);
    let summary = Summary::new(rows, &plan, &tally, elapsed, &totals, ledger);
    match output.format() {
        Format::Table => output.line(&summary.table())?,
        Format::Json => output.line(&summary.json())?,
    }
    Ok(if summary.is_good() { ExitCode::SUCCESS } else { exit::check_failed() })
}

fn plan(args: ReplayArgs, trace: String) -> Result<Plan, Failure> {
    let prefix = args.prefix.unwrap_or_else(|| format!("replay:{trace}"));
    let prices =
        Prices { context_per_1000: args.context_price, generated_per_1000: args.generated_price };
    let plan = Plan {
        trace,
        prefix,
        asset: args.asset,
        accounts: args.accounts,
        prices,
        monthly: args.monthly,
        monthly_ttl: args.monthly_ttl,
        purchased: args.purchased,
    };
    plan.check_names().map_err(Failure::Usage)?;
    Ok(plan)
}

/// A bar on stderr, if that is a terminal; otherwise nothing.
fn progress(rows: u64) -> ProgressBar {
    let template = "{bar:40} {human_pos}/{human_len} rows  {per_sec}  {eta} left  {msg}";
    let bar = ProgressBar::new(rows);
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
