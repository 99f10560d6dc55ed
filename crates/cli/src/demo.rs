//! `purse demo`: a running service at work, told for a person, on a wallet of the demo's own.
//!
//! Tells only what the service answered: every figure and every instant printed is one of its answers, and
//! "now" is its clock, not this machine's.

mod commands;
mod points;
mod story;

use std::{
    io::{self, IsTerminal as _},
    process::ExitCode,
};

use clap::Args;
use purse_client::Client;

use self::{commands::Address, points::Point, story::Story};
use crate::{
    connection::ConnectionArgs,
    exit::Failure,
    fresh, label,
    local::{LocalArgs, Service},
    output::Output,
};

/// What `demo` takes.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// The embedded default.
    #[command(flatten)]
    local: LocalArgs,
    /// End after the tour, also on a terminal, where the service otherwise stays until Ctrl-C
    #[arg(long)]
    exit: bool,
}

/// Runs `purse demo`, on the embedded default if no service runs.
pub fn run(
    args: &DemoArgs,
    connection: &ConnectionArgs,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let service = Service::reach(connection, &args.local)?;
    let toured = service.block_on(tour(service.client(), connection.has_token(), output));
    if toured.is_ok() && service.is_own() {
        if !args.exit && io::stdout().is_terminal() {
            eprintln!(
                "\nThe service is still running, for these commands in another terminal. Ctrl-C stops it."
            );
            service.stay();
        } else {
            eprintln!("\nThe service stops now and keeps its data. Start it again first:\n");
            eprintln!("  {} serve", label::program());
        }
    }
    service.stop();
    toured.map(|()| ExitCode::SUCCESS)
}

/// `has_token`: the commands printed at the end have to send a token. Always prints for a person, whatever
/// the format.
async fn tour(client: &Client, has_token: bool, output: &mut Output) -> Result<(), Failure> {
    let unique = fresh::key().chars().take(8).collect::<String>();
    let account = format!("demo:{unique}");
    let mut story = Story::new(client, output, account);

    story.heading("A wallet")?;
    let opened_at = story.open().await?;

    story.heading("Grants with windows")?;
    let grants = story.grant().await?;

    story.heading("A spend, and why it drew what it drew")?;
    let spent_at = story.spend_before_expiry().await?;

    story.heading("The same request again")?;
    story.retry().await?;

    story.heading("A spend that is too large")?;
    story.refusal().await?;

    story.heading("Time passes")?;
    story.expiry(grants.promotion_ends_at).await?;

    story.heading("The next spend books what time did")?;
    let last_spent_at = story.spend_after_expiry().await?;

    story.heading("The balance at any instant, past and future")?;
    let just_before = crate::instant::just_before;
    let points = [
        Point::new("the wallet opens", opened_at),
        Point::new("all is granted", grants.granted_at),
        Point::new("15 are spent", spent_at),
        Point::new("1 µs before the promotion ends", just_before(grants.promotion_ends_at)),
        Point::new("the promotion ends", grants.promotion_ends_at),
        Point::new("120 are spent", last_spent_at),
        Point::new("1 µs before next month", just_before(grants.month_ends_at)),
        Point::new("next month begins", grants.month_ends_at),
        Point::new("1 µs before next month ends", just_before(grants.next_month_ends_at)),
        Point::new("next month ends", grants.next_month_ends_at),
    ];
    story.timeline(points).await?;

    story.heading("The ledger")?;
    story.ledger().await?;

    story.heading("Your turn")?;
    let address = Address::new(&label::program(), client.endpoint(), has_token);
    let closing = commands::text(&address, story.account(), &fresh::key());
    output.line(&closing)
}
