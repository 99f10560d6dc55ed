//! `purse grants`: what is, was and will be in a wallet.

use clap::Args;
use purse_client::{
    Client,
    v1::{Grant, ListGrantsRequest},
};

use crate::{
    args::WalletArgs,
    exit::Failure,
    instant, label,
    output::Output,
    pages,
    table::{self, Column, unless_zero},
};

/// What `grants` takes.
#[derive(Debug, Args)]
pub struct GrantsArgs {
    #[command(flatten)]
    wallet: WalletArgs,
    /// Only this category
    #[arg(long, default_value = "", hide_default_value = true)]
    category: String,
    /// Only grants that are scheduled or active
    #[arg(long)]
    open: bool,
    /// The most to list; 0 lists all
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

/// Runs `purse grants`.
pub async fn run(args: GrantsArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let GrantsArgs { wallet: WalletArgs { account, asset }, category, open, limit } = args;
    let request = ListGrantsRequest {
        account,
        asset,
        category,
        open_only: open,
        ..ListGrantsRequest::default()
    };
    let answer = pages::list_grants(client, request, limit).await?;
    output.answer(&answer, |answer| table(&answer.grants))?;
    pages::note_cut(&answer.next_page_token, limit);
    Ok(())
}

/// Grants, a line for each.
pub fn table(grants: &[Grant]) -> String {
    let columns = [
        Column::Figure("#"),
        Column::Word("status"),
        Column::Word("category"),
        Column::Figure("priority"),
        Column::Figure("amount"),
        Column::Figure("available"),
        Column::Figure("consumed"),
        Column::Figure("expired"),
        Column::Figure("cost"),
        Column::Text("effective at"),
        Column::Text("expires at"),
        Column::Text("applies to"),
    ];
    table::rows(
        &columns,
        grants.iter().map(|grant| {
            vec![
                grant.number.to_string(),
                label::grant_status(grant),
                grant.category.clone(),
                grant.priority.to_string(),
                grant.amount.clone(),
                grant.available.clone(),
                unless_zero(&grant.consumed),
                unless_zero(&grant.expired),
                unless_zero(&grant.cost_basis),
                instant::brief(grant.effective_at),
                grant.expires_at.map_or_else(|| "never".to_owned(), |at| instant::brief(Some(at))),
                grant.applies_to.join(", "),
            ]
        }),
    )
}
