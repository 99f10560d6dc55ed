//! `purse events`: what happened to wallets, listed or as it happens.

use std::time::Duration;

use clap::{Args, Subcommand};
use purse_client::{
    Client, Watch,
    v1::{
        Depleted, Event, ExpiringSoon, ListEventsRequest, LowBalance, Recovered, TopUpRequested,
        WatchEventsRequest, event::Occurrence,
    },
};

use crate::{
    duration,
    event_file::{self, SendArgs},
    exit::Failure,
    instant,
    output::{Format, Output},
    pages,
    table::{self, Column},
};

/// Between a watch that failed more often than a call may and the next try.
const PAUSE: Duration = Duration::from_secs(1);

/// What `events` takes.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct EventsArgs {
    #[command(subcommand)]
    command: Option<EventsCommand>,
    /// Only this account's
    #[arg(default_value = "", hide_default_value = true)]
    account: String,
    /// Only of this asset
    #[arg(default_value = "", hide_default_value = true)]
    asset: String,
    /// Go on, and print events as they happen, until interrupted
    #[arg(long, short)]
    follow: bool,
    /// Begin after this position, which an earlier --follow printed
    #[arg(long, value_name = "POSITION", requires = "follow")]
    from: Option<String>,
    /// Begin with what happens from now on
    #[arg(long, requires = "follow", conflicts_with = "from")]
    new: bool,
    /// The most to list; 0 lists all
    #[arg(long, default_value_t = 100, conflicts_with = "follow")]
    limit: usize,
}

/// What `events` does besides.
#[derive(Debug, Subcommand)]
pub enum EventsCommand {
    /// Stream events of subscriptions from a file, and go on where an earlier run ended
    Send(SendArgs),
}

/// Runs `purse events`.
pub async fn run(args: EventsArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let EventsArgs { command, account, asset, follow, from, new, limit } = args;
    if let Some(EventsCommand::Send(args)) = command {
        return event_file::send(args, client, output).await;
    }
    if follow {
        let from_position = from.unwrap_or_default();
        let request = WatchEventsRequest { account, asset, from_position, new_only: new };
        return self::follow(client.watch_events(request), output).await;
    }
    let request = ListEventsRequest { account, asset, ..ListEventsRequest::default() };
    let answer = pages::list_events(client, request, limit).await?;
    output.answer(&answer, |answer| table(&answer.events))?;
    pages::note_cut(&answer.next_page_token, limit);
    Ok(())
}

/// Prints what a watch tells until it fails for good or is interrupted; then says where to go on from.
async fn follow(mut watch: Watch, output: &mut Output) -> Result<(), Failure> {
    let ended = tokio::select! {
        ended = print(&mut watch, output) => ended,
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
    };
    if !watch.position().is_empty() {
        eprintln!("purse: --from {} goes on from here", watch.position());
    }
    ended
}

async fn print(watch: &mut Watch, output: &mut Output) -> Result<(), Failure> {
    let mut was_told = false;
    loop {
        let message = match watch.next().await {
            Ok(message) => message,
            Err(error) if was_told && error.is_temporary() => {
                eprintln!("purse: {}; going on", error.problem());
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        was_told = true;
        // A heartbeat is of use to programs: its position is further on.
        if message.event.is_some() || output.format() == Format::Json {
            output
                .answer(&message, |message| message.event.as_ref().map(line).unwrap_or_default())?;
        }
    }
}

/// Events, a line for each.
fn table(events: &[Event]) -> String {
    let columns = [
        Column::Text("account"),
        Column::Text("asset"),
        Column::Figure("#"),
        Column::Text("effective at"),
        Column::Word("event"),
        Column::Text("what"),
        Column::Figure("entry"),
    ];
    table::rows(
        &columns,
        events.iter().map(|event| {
            let (word, what) = words(event);
            let entry = match event.entry_sequence {
                0 => String::new(),
                entry => format!("#{entry}"),
            };
            vec![
                event.account.clone(),
                event.asset.clone(),
                event.sequence.to_string(),
                instant::brief(event.effective_at),
                word.to_owned(),
                what,
                entry,
            ]
        }),
    )
}

/// An event on a line of its own.
fn line(event: &Event) -> String {
    let (word, what) = words(event);
    let Event { account, asset, sequence, .. } = event;
    format!("{}  {account} {asset} #{sequence}  {word}  {what}", instant::brief(event.effective_at))
}

/// What happened, and its figures.
fn words(event: &Event) -> (&'static str, String) {
    match &event.occurrence {
        Some(Occurrence::LowBalance(LowBalance { threshold, balance_before, balance_after })) => {
            ("low-balance", format!("below {threshold}: {balance_before} → {balance_after}"))
        }
        Some(Occurrence::Depleted(Depleted { balance_before, balance_after })) => {
            ("depleted", format!("{balance_before} → {balance_after}"))
        }
        Some(Occurrence::Recovered(Recovered { threshold, balance_before, balance_after })) => {
            let from = if threshold.is_empty() { "depletion" } else { threshold };
            ("recovered", format!("from {from}: {balance_before} → {balance_after}"))
        }
        Some(Occurrence::ExpiringSoon(soon)) => {
            let ExpiringSoon { grant_number, amount, expires_at, lead } = soon;
            let lead = lead.as_ref().map(duration::show).unwrap_or_default();
            let until = instant::show(*expires_at);
            ("expiring-soon", format!("{amount} of grant #{grant_number} at {until}, in {lead}"))
        }
        Some(Occurrence::TopUpRequested(asked)) => {
            let TopUpRequested { reference, amount, threshold, balance_before, balance_after } =
                asked;
            let balance = format!("below {threshold}: {balance_before} → {balance_after}");
            ("top-up-requested", format!("{amount} as {reference}, {balance}"))
        }
        // A service newer than this program.
        None => ("unknown", String::new()),
    }
}
