//! `purse entries`: a wallet's ledger.

use clap::Args;
use prost_types::Timestamp;
use purse_client::{
    Client,
    v1::{Entry, EntryKind, EntryOrder, ListEntriesRequest},
};

use crate::{
    args::WalletArgs,
    exit::Failure,
    instant, label,
    output::Output,
    pages,
    table::{self, Column},
};

/// What `entries` takes.
#[derive(Debug, Args)]
pub struct EntriesArgs {
    #[command(flatten)]
    wallet: WalletArgs,
    /// The newest first
    #[arg(long)]
    newest: bool,
    /// Only this kind, such as spent or hold-expired; may be repeated
    #[arg(long = "kind", value_parser = label::parse_entry_kind)]
    kinds: Vec<EntryKind>,
    /// Only what moved credits of grants of this category
    #[arg(long, default_value = "")]
    category: String,
    /// Only what counts from this instant on: RFC 3339, or a date
    #[arg(long, value_parser = instant::parse, value_name = "INSTANT")]
    from: Option<Timestamp>,
    /// Only what counts before this instant
    #[arg(long, value_parser = instant::parse, value_name = "INSTANT")]
    to: Option<Timestamp>,
    /// Only what was written from this instant on
    #[arg(long, value_parser = instant::parse, value_name = "INSTANT")]
    recorded_from: Option<Timestamp>,
    /// Only what was written before this instant
    #[arg(long, value_parser = instant::parse, value_name = "INSTANT")]
    recorded_to: Option<Timestamp>,
    /// Only what this one asked for
    #[arg(long, default_value = "")]
    actor: String,
    /// Only what was for this operation
    #[arg(long, default_value = "")]
    operation: String,
    /// Only the entries of this transaction
    #[arg(long, default_value = "")]
    transaction: String,
    /// Only what has this key in its metadata or, as KEY=VALUE, this value there
    #[arg(long, value_name = "KEY[=VALUE]", value_parser = parse_metadata)]
    metadata: Option<(String, Option<String>)>,
    /// The most to list; 0 lists all
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

/// A key, and the value behind the first "=", if there is one.
fn parse_metadata(text: &str) -> Result<(String, Option<String>), String> {
    let (key, value) = match text.split_once('=') {
        Some((key, value)) => (key, Some(value.to_owned())),
        None => (text, None),
    };
    if key.is_empty() {
        Err("expected KEY or KEY=VALUE".to_owned())
    } else {
        Ok((key.to_owned(), value))
    }
}

/// Runs `purse entries`.
pub async fn run(args: EntriesArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let EntriesArgs {
        wallet: WalletArgs { account, asset },
        newest,
        kinds,
        category,
        from,
        to,
        recorded_from,
        recorded_to,
        actor,
        operation,
        transaction,
        metadata,
        limit,
    } = args;
    let (metadata_key, metadata_value) = metadata.unwrap_or_default();
    let order = if newest { EntryOrder::NewestFirst } else { EntryOrder::OldestFirst };
    let request = ListEntriesRequest {
        account,
        asset,
        order: order.into(),
        kinds: kinds.into_iter().map(i32::from).collect(),
        category,
        effective_start: from,
        effective_end: to,
        recorded_start: recorded_from,
        recorded_end: recorded_to,
        actor,
        operation,
        transaction_id: transaction,
        metadata_key,
        metadata_value,
        ..ListEntriesRequest::default()
    };
    let answer = pages::list_entries(client, request, limit).await?;
    output.answer(&answer, |answer| table(&answer.entries))?;
    pages::note_cut(&answer.next_page_token, limit);
    Ok(())
}

/// A ledger, a line for each entry.
pub fn table(entries: &[Entry]) -> String {
    let columns = [
        Column::Figure("#"),
        Column::Word("kind"),
        Column::Figure("amount"),
        Column::Figure("before"),
        Column::Figure("after"),
        Column::Text("effective at"),
        Column::Text("operation"),
        Column::Text("actor"),
        Column::Text("reason"),
        Column::Text("grants"),
        Column::Text("debt"),
        Column::Text("expiry"),
    ];
    table::rows(
        &columns,
        entries.iter().map(|entry| {
            vec![
                entry.sequence.to_string(),
                label::entry_kind(entry.kind()),
                entry.amount.clone(),
                entry.balance_before.clone(),
                entry.balance_after.clone(),
                instant::brief(entry.effective_at),
                entry.operation.clone(),
                entry.actor.clone(),
                entry.reason.clone(),
                label::allocations(&entry.allocations),
                label::debts(entry),
                label::expiry_change(entry),
            ]
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_a_key_with_or_without_a_value() {
        let pair = |key: &str, value: Option<&str>| (key.to_owned(), value.map(str::to_owned));
        assert_eq!(parse_metadata("plan"), Ok(pair("plan", None)));
        assert_eq!(parse_metadata("plan=pro=1"), Ok(pair("plan", Some("pro=1"))));
        assert_eq!(parse_metadata("plan="), Ok(pair("plan", Some(""))));
        assert!(parse_metadata("=pro").is_err());
    }
}
