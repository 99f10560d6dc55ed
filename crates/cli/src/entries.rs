//! `purse entries`: a wallet's ledger.

use clap::Args;
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
    /// The most to list; 0 lists all
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

/// Runs `purse entries`.
pub async fn run(args: EntriesArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let EntriesArgs { wallet: WalletArgs { account, asset }, newest, kinds, limit } = args;
    let order = if newest { EntryOrder::NewestFirst } else { EntryOrder::OldestFirst };
    let request = ListEntriesRequest {
        account,
        asset,
        order: order.into(),
        kinds: kinds.into_iter().map(i32::from).collect(),
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
        Column::Text("grants"),
        Column::Text("debt"),
        Column::Text("expiry"),
        Column::Text("reason"),
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
                label::allocations(&entry.allocations),
                label::debts(entry),
                label::expiry_change(entry),
                entry.reason.clone(),
            ]
        }),
    )
}
