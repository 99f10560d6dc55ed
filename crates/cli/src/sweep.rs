//! `purse sweep`: book what is due of wallets that nobody touches.

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use purse_client::{
    Client,
    v1::{SweepWalletsRequest, SweepWalletsResponse},
};

use crate::{exit::Failure, output::Output, table};

/// Wallets that a call settles: a second of work or less, so that the bar moves.
const PER_CALL: i32 = 256;

/// What `sweep` takes.
#[derive(Debug, Args)]
pub struct SweepArgs {
    /// Who holds the credits of the only wallet to settle, such as org:42; without it all that are due
    #[arg(requires = "asset")]
    account: Option<String>,
    /// What that wallet counts, such as credits
    asset: Option<String>,
    /// Stop after this many wallets
    #[arg(long, value_name = "NUMBER", conflicts_with = "account", value_parser = clap::value_parser!(i32).range(1..))]
    most: Option<i32>,
}

/// Runs `purse sweep`. Fails if a wallet could not be settled.
pub async fn run(args: SweepArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let swept = match args {
        SweepArgs { account: Some(account), asset: Some(asset), .. } => {
            client.sweep_wallets(SweepWalletsRequest { account, asset, max_wallets: 0 }).await?
        }
        SweepArgs { most, .. } => all(most.unwrap_or(i32::MAX), client).await?,
    };
    output.answer(&swept, record)?;
    match swept.failed {
        0 => Ok(()),
        failed => Err(Failure::Wrong(format!(
            "{failed} wallets could not be settled; the server's log says why"
        ))),
    }
}

/// Call after call, until nothing is due, or nothing more comes of it.
async fn all(most: i32, client: &Client) -> Result<SweepWalletsResponse, Failure> {
    let bar = progress();
    let mut sum = SweepWalletsResponse::default();
    while sum.wallets < most {
        let max_wallets = PER_CALL.min(most - sum.wallets);
        let request = SweepWalletsRequest { max_wallets, ..SweepWalletsRequest::default() };
        let SweepWalletsResponse { wallets, entries, events, failed, due } =
            client.sweep_wallets(request).await?;
        sum.wallets += wallets;
        sum.entries += entries;
        sum.events += events;
        // The same ones fail again.
        sum.failed = failed;
        sum.due = due;
        bar.set_length(u64::try_from(sum.wallets + due).unwrap_or(0));
        bar.set_position(u64::try_from(sum.wallets).unwrap_or(0));
        if due == 0 || wallets == 0 {
            break;
        }
    }
    bar.finish_and_clear();
    Ok(sum)
}

/// What was settled, a line for each figure.
fn record(swept: &SweepWalletsResponse) -> String {
    let SweepWalletsResponse { wallets, entries, events, failed, due } = swept;
    table::record([
        ("wallets", wallets.to_string()),
        ("entries", entries.to_string()),
        ("events", events.to_string()),
        ("failed", failed.to_string()),
        ("still due", due.to_string()),
    ])
}

/// A bar on stderr, if that is a terminal; otherwise nothing.
fn progress() -> ProgressBar {
    let bar = ProgressBar::new(0);
    match ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} wallets  {per_sec}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
