//! `purse events send`: streams events of subscriptions from a file.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fs::File,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use purse_client::{
    Client,
    v1::{EventOutcome, GetStreamPositionRequest, SubscriptionEvent},
};
use serde_json::json;

use crate::{
    exit::Failure,
    json, label,
    output::{Format, Output},
    table::{self, Column},
};

/// What `events send` takes.
#[derive(Debug, Args)]
pub struct SendArgs {
    /// The file: a subscription event a line, in the JSON form that grpcurl takes
    file: PathBuf,
    /// Send all of it, also what was acknowledged before: once events that were rejected are corrected
    #[arg(long)]
    from_start: bool,
}

/// Runs `purse events send`. An event that is rejected is told and does not stop the others.
pub async fn send(args: SendArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let SendArgs { file, from_start } = args;
    // Read once before anything is sent: a malformed line is found now, not in the middle.
    let mut lines = 0_u64;
    let mut last_of: BTreeMap<String, String> = BTreeMap::new();
    for event in read(&file)? {
        last_of.entry(event?.source).or_default();
        lines += 1;
    }
    if !from_start {
        for (source, last) in &mut last_of {
            let request = GetStreamPositionRequest { source: source.clone() };
            *last = client.get_stream_position(request).await?.event_id;
        }
    }
    let skipped = skipped(&file, &last_of)?;
    let bar = progress(lines - skipped);
    let outcomes: RefCell<BTreeMap<String, u64>> = RefCell::default();
    let granted = Cell::new(0_u64);
    let mut rejected = Vec::new();
    let events = read(&file)?.skip(usize::try_from(skipped).unwrap_or(usize::MAX));
    // Each line was read once already.
    let events = events.map_while(Result::ok);
    let sent = client.send_subscription_events(events, |event, answer| {
        let outcome = label::event_outcome(answer.outcome());
        *outcomes.borrow_mut().entry(outcome).or_default() += 1;
        granted.set(granted.get() + answer.applied.len() as u64);
        if answer.outcome() == EventOutcome::Rejected {
            let error = answer.error.clone().unwrap_or_default();
            bar.suspend(|| eprintln!("purse: {}: {}", event.event_id, error.message));
            rejected.push(event.event_id.clone());
        }
        bar.inc(1);
    });
    sent.await.map_err(|error| Failure::Stopped {
        stopped: format!("stopped after {} of {} events", bar.position(), lines - skipped),
        error,
        advice: "Run it again: it goes on from there.",
    })?;
    bar.finish_and_clear();
    let outcomes = outcomes.into_inner();
    match output.format() {
        Format::Table => {
            let mut rows = vec![vec!["acknowledged before".to_owned(), skipped.to_string()]];
            rows.extend(outcomes.iter().map(|(of, count)| vec![of.clone(), count.to_string()]));
            rows.push(vec!["grants".to_owned(), granted.get().to_string()]);
            output
                .line(&table::rows(&[Column::Word("outcome"), Column::Figure("events")], rows))?;
        }
        Format::Json => {
            let summary = json!({
                "acknowledgedBefore": skipped,
                "outcomes": outcomes,
                "grants": granted.get(),
                "rejected": rejected,
            });
            output.line(&format!("{summary:#}"))?;
        }
    }
    match rejected.len() {
        0 => Ok(()),
        count => Err(Failure::Wrong(format!(
            "{count} events were rejected, and the next run goes on after them; \
             once they are corrected, send the file with --from-start: the others are told as duplicates"
        ))),
    }
}

/// The events of a file, line by line; blank lines are left out.
fn read(path: &Path) -> Result<impl Iterator<Item = Result<SubscriptionEvent, Failure>>, Failure> {
    let shown = path.display().to_string();
    let failed = |error: std::io::Error| Failure::Usage(format!("{shown}: {error}"));
    let file = File::open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(Failure::Usage(format!("{shown}: is no regular file, and is read twice")));
    }
    let lines = BufReader::new(file).lines().enumerate();
    Ok(lines.filter_map(move |(index, line)| {
        let wrong = |problem: String| Failure::Usage(format!("{shown}:{}: {problem}", index + 1));
        match line {
            Ok(line) if line.trim().is_empty() => None,
            Ok(line) => Some(json::parse(&line).map_err(wrong)),
            Err(error) => Some(Err(wrong(error.to_string()))),
        }
    }))
}

/// How many events from the start of the file on were acknowledged: up to the last one of the source that has come least
/// far. What others sent after it is told as a duplicate.
fn skipped(path: &Path, last_of: &BTreeMap<String, String>) -> Result<u64, Failure> {
    let mut places = BTreeMap::new();
    for (place, event) in (1_u64..).zip(read(path)?) {
        let SubscriptionEvent { source, event_id, .. } = event?;
        if last_of.get(&source) == Some(&event_id) {
            places.insert(source, place);
        }
    }
    // If nothing of one source in this file was acknowledged, all of it is sent, which does no harm.
    let places = last_of.keys().map(|source| places.get(source).copied().unwrap_or(0));
    Ok(places.min().unwrap_or(0))
}

/// A bar on stderr, if that is a terminal; otherwise nothing.
fn progress(events: u64) -> ProgressBar {
    let bar = ProgressBar::new(events);
    let template = "{bar:40} {human_pos}/{human_len} events  {per_sec}  {eta} left";
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
