//! `purse balance`: what a wallet holds, now or at any instant, as it is or was known.

use clap::Args;
use prost_types::Timestamp;
use purse_client::{
    Client,
    v1::{Balance, GetBalanceRequest},
};

use crate::{args::WalletArgs, exit::Failure, instant, output::Output, table};

/// What `balance` takes.
#[derive(Debug, Args)]
pub struct BalanceArgs {
    #[command(flatten)]
    wallet: WalletArgs,
    /// The instant to answer for, past or future: RFC 3339, or a date; without it --known-at or now
    #[arg(long, value_parser = instant::parse, value_name = "INSTANT")]
    at: Option<Timestamp>,
    /// Answer as it was known then: what was recorded later does not count
    #[arg(long, value_parser = instant::parse, value_name = "INSTANT")]
    known_at: Option<Timestamp>,
}

/// Runs `purse balance`.
pub async fn run(args: BalanceArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let BalanceArgs { wallet: WalletArgs { account, asset }, at, known_at } = args;
    let answer = client.get_balance(GetBalanceRequest { account, asset, at, known_at }).await?;
    output.answer(&answer, |answer| record(answer.balance.as_ref()))
}

/// A balance, a line for each figure.
pub fn record(balance: Option<&Balance>) -> String {
    let balance = balance.cloned().unwrap_or_default();
    table::record([
        ("account", balance.account),
        ("asset", balance.asset),
        ("at", instant::show(balance.at)),
        ("balance", balance.balance),
        ("available", balance.available),
        ("held", balance.held),
        ("debt", balance.debt),
        ("scheduled", balance.scheduled),
    ])
}
