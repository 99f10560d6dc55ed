//! `purse operation`: prices of operations, and what something costs.

use clap::{Args, Subcommand};
use purse_client::{
    Client,
    v1::{
        CanAffordRequest, CanAffordResponse, DeleteOperationRequest, EstimateCostRequest,
        GetOperationRequest, ListOperationChangesRequest, ListOperationsRequest, Operation,
        PerUnitPrice, Price, PricePart, RoundingMode, SetOperationRequest, price_part::Part,
    },
};

use crate::{
    args::WalletArgs,
    balance,
    exit::Failure,
    instant, label,
    output::Output,
    pages,
    table::{self, Column},
    write_args::parse_pair,
};

/// What to do with operations.
#[derive(Debug, Subcommand)]
pub enum OperationCommand {
    /// Give an operation a price, or another one
    Set(SetArgs),
    /// Show what an operation costs
    Get(OperationArgs),
    /// List operations with their prices
    List(ListArgs),
    /// Take an operation's price away
    Delete(DeleteArgs),
    /// List what an operation cost before, and who changed that
    History(HistoryArgs),
    /// Say what an operation would cost, whoever is to pay
    Estimate(EstimateArgs),
    /// Say whether a wallet could pay now
    Afford(AffordArgs),
}

/// The two names of an operation.
#[derive(Debug, Clone, Args)]
pub struct OperationArgs {
    /// What is paid with, such as credits
    asset: String,
    /// The operation's name, as spends name it
    operation: String,
}

/// Who changes something of the catalog, why, and on which condition.
#[derive(Debug, Args)]
pub struct ChangeArgs {
    /// Change it only if this is still its etag; 0: only if there never was one
    #[arg(long, default_value = "", hide_default_value = true)]
    pub etag: String,
    /// Who asks; without it the name of the credentials
    #[arg(long, default_value = "", hide_default_value = true)]
    pub actor: String,
    /// Why, kept with the change
    #[arg(long, default_value = "", hide_default_value = true)]
    pub reason: String,
    /// Decide and answer exactly, but write nothing
    #[arg(long)]
    pub validate_only: bool,
}

/// What `operation set` takes.
#[derive(Debug, Args)]
pub struct SetArgs {
    #[command(flatten)]
    of: OperationArgs,
    /// What each use costs
    #[arg(long, value_name = "PRICE", required_unless_present = "per_unit")]
    fixed: Option<String>,
    /// What each unit of a quantity costs, such as megabytes=2; or megabytes=2,up:1 if the quantity is first rounded up
    /// to a multiple of 1. May be repeated
    #[arg(long, value_name = "QUANTITY=PRICE[,MODE:STEP]", value_parser = parse_per_unit)]
    per_unit: Vec<PerUnitPrice>,
    /// How the sum becomes a multiple of --step: up, down, half-up, half-down or half-even [default: up]
    #[arg(long, value_parser = label::parse_rounding_mode)]
    rounding: Option<RoundingMode>,
    /// What the sum is rounded to a multiple of [default: the smallest part of the asset]
    #[arg(long, default_value = "", hide_default_value = true)]
    step: String,
    /// The least that a use costs
    #[arg(long, default_value = "", hide_default_value = true)]
    minimum: String,
    /// The most that a use costs
    #[arg(long, default_value = "", hide_default_value = true)]
    maximum: String,
    #[command(flatten)]
    change: ChangeArgs,
}

/// What `operation list` takes.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only what is paid with this asset
    #[arg(long, default_value = "", hide_default_value = true)]
    asset: String,
    /// The most to list; 0 lists all
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

/// What `operation delete` takes.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    #[command(flatten)]
    of: OperationArgs,
    #[command(flatten)]
    change: ChangeArgs,
}

/// What `operation history` takes.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    #[command(flatten)]
    of: OperationArgs,
    /// The most to list; 0 lists all
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

/// What `operation estimate` takes.
#[derive(Debug, Args)]
pub struct EstimateArgs {
    #[command(flatten)]
    of: OperationArgs,
    /// What it is priced by, such as megabytes=5.2
    #[arg(value_name = "NAME=FIGURE", value_parser = parse_pair)]
    quantities: Vec<(String, String)>,
}

/// What `operation afford` takes.
#[derive(Debug, Args)]
pub struct AffordArgs {
    #[command(flatten)]
    wallet: WalletArgs,
    /// The operation's name
    operation: String,
    /// What it is priced by, such as megabytes=5.2
    #[arg(value_name = "NAME=FIGURE", value_parser = parse_pair)]
    quantities: Vec<(String, String)>,
    /// How much, whatever the operation's price is
    #[arg(long, default_value = "", hide_default_value = true, conflicts_with = "quantities")]
    amount: String,
    /// Who would ask; without it the name of the credentials
    #[arg(long, default_value = "", hide_default_value = true)]
    actor: String,
}

/// Runs `purse operation`.
pub async fn run(
    command: OperationCommand,
    client: &Client,
    output: &mut Output,
) -> Result<(), Failure> {
    match command {
        OperationCommand::Set(args) => set(args, client, output).await,
        OperationCommand::Get(OperationArgs { asset, operation }) => {
            let answer = client.get_operation(GetOperationRequest { asset, operation }).await?;
            output.answer(&answer, |answer| record(answer.operation.as_ref(), ""))
        }
        OperationCommand::List(args) => list(args, client, output).await,
        OperationCommand::Delete(args) => delete(args, client, output).await,
        OperationCommand::History(args) => history(args, client, output).await,
        OperationCommand::Estimate(args) => estimate(args, client, output).await,
        OperationCommand::Afford(args) => afford(args, client, output).await,
    }
}

async fn set(args: SetArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let SetArgs { of, fixed, per_unit, rounding, step, minimum, maximum, change } = args;
    let OperationArgs { asset, operation } = of;
    let ChangeArgs { etag, actor, reason, validate_only } = change;
    let parts = fixed.map(Part::Fixed).into_iter().chain(per_unit.into_iter().map(Part::PerUnit));
    let price = Price {
        parts: parts.map(|part| PricePart { part: Some(part) }).collect(),
        rounding: rounding.unwrap_or(RoundingMode::Unspecified).into(),
        step,
        minimum,
        maximum,
    };
    let price = Some(price);
    let request =
        SetOperationRequest { asset, operation, price, etag, actor, reason, validate_only };
    let answer = client.set_operation(request).await?;
    output.answer(&answer, |answer| {
        record(answer.operation.as_ref(), outcome(answer.changed, validate_only))
    })
}

async fn delete(args: DeleteArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let DeleteArgs { of: OperationArgs { asset, operation }, change } = args;
    let ChangeArgs { etag, actor, reason, validate_only } = change;
    let request = DeleteOperationRequest { asset, operation, etag, actor, reason, validate_only };
    let answer = client.delete_operation(request).await?;
    output.answer(&answer, |answer| {
        record(answer.operation.as_ref(), outcome(answer.changed, validate_only))
    })
}

/// What became of a change.
pub fn outcome(changed: bool, validate_only: bool) -> &'static str {
    match (changed, validate_only) {
        (true, true) => "validated; nothing was written",
        (true, false) => "changed",
        (false, _) => "so before; nothing was written",
    }
}

async fn list(args: ListArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let ListArgs { asset, limit } = args;
    let request = ListOperationsRequest { asset, ..ListOperationsRequest::default() };
    let answer = pages::list_operations(client, request, limit).await?;
    output.answer(&answer, |answer| {
        let columns = [
            Column::Word("asset"),
            Column::Word("operation"),
            Column::Text("price"),
            Column::Text("updated"),
            Column::Text("by"),
        ];
        let lines = answer.operations.iter().map(|operation| {
            vec![
                operation.asset.clone(),
                operation.name.clone(),
                brief(operation.price.as_ref()),
                instant::brief(operation.updated_at),
                operation.updated_by.clone(),
            ]
        });
        table::rows(&columns, lines)
    })?;
    pages::note_cut(&answer.next_page_token, limit);
    Ok(())
}

async fn history(args: HistoryArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let HistoryArgs { of: OperationArgs { asset, operation }, limit } = args;
    let request =
        ListOperationChangesRequest { asset, operation, ..ListOperationChangesRequest::default() };
    let answer = pages::list_operation_changes(client, request, limit).await?;
    output.answer(&answer, |answer| {
        let columns = [
            Column::Figure("etag"),
            Column::Text("price"),
            Column::Text("changed"),
            Column::Text("by"),
            Column::Text("reason"),
        ];
        let lines = answer.changes.iter().map(|operation| {
            vec![
                operation.etag.clone(),
                brief(operation.price.as_ref()),
                instant::brief(operation.updated_at),
                operation.updated_by.clone(),
                operation.reason.clone(),
            ]
        });
        table::rows(&columns, lines)
    })?;
    pages::note_cut(&answer.next_page_token, limit);
    Ok(())
}

async fn estimate(args: EstimateArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let EstimateArgs { of: OperationArgs { asset, operation }, quantities } = args;
    let quantities = quantities.into_iter().collect();
    let answer = client.estimate_cost(EstimateCostRequest { asset, operation, quantities }).await?;
    output.answer(&answer, |answer| {
        table::record([("cost", answer.amount.clone()), ("etag", answer.etag.clone())])
    })
}

async fn afford(args: AffordArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let AffordArgs { wallet, operation, quantities, amount, actor } = args;
    let WalletArgs { account, asset } = wallet;
    let quantities = quantities.into_iter().collect();
    let request = CanAffordRequest { account, asset, amount, operation, quantities, actor };
    let answer = client.can_afford(request).await?;
    output.answer(&answer, |answer| {
        let CanAffordResponse { affordable, amount, balance, refusal } = answer;
        let refusal = refusal.clone().unwrap_or_default();
        let verdict = table::record([
            ("affordable", if *affordable { "yes" } else { "no" }.to_owned()),
            ("cost", amount.clone()),
            ("why", refusal.message),
            ("reason", refusal.reason),
        ]);
        match balance {
            None => verdict,
            Some(_) => format!("{verdict}\n\nAfter it:\n{}", balance::record(balance.as_ref())),
        }
    })
}

fn record(operation: Option<&Operation>, outcome: &str) -> String {
    let operation = operation.cloned().unwrap_or_default();
    table::record([
        ("asset", operation.asset),
        ("operation", operation.name),
        ("price", brief(operation.price.as_ref())),
        ("created", instant::show(operation.created_at)),
        ("updated", instant::show(operation.updated_at)),
        ("by", operation.updated_by),
        ("reason", operation.reason),
        ("etag", operation.etag),
        ("outcome", outcome.to_owned()),
    ])
}

/// A price in a line, such as `10 + 1 per megabytes, up to 1, at least 12`.
fn brief(price: Option<&Price>) -> String {
    let Some(price) = price else { return "deleted".to_owned() };
    let parts = price.parts.iter().filter_map(|part| part.part.as_ref()).map(|part| match part {
        Part::Fixed(price) => price.clone(),
        Part::PerUnit(per_unit) => {
            let PerUnitPrice { quantity, unit_price, rounding: _, step } = per_unit;
            let mode = label::rounding_mode(per_unit.rounding());
            let rounded =
                if mode.is_empty() { String::new() } else { format!(" ({mode} to {step})") };
            format!("{unit_price} per {quantity}{rounded}")
        }
    });
    let sum = parts.collect::<Vec<_>>().join(" + ");
    let step = if price.step.is_empty() { "the asset's scale" } else { &price.step };
    let rounded = format!("{} to {step}", label::rounding_mode(price.rounding()));
    let bound = |what: &str, amount: &str| (!amount.is_empty()).then(|| format!("{what} {amount}"));
    let bounds = [bound("at least", &price.minimum), bound("at most", &price.maximum)];
    let all = [sum, rounded].into_iter().chain(bounds.into_iter().flatten());
    all.collect::<Vec<_>>().join(", ")
}

/// Reads `QUANTITY=PRICE` or `QUANTITY=PRICE,MODE:STEP`.
fn parse_per_unit(text: &str) -> Result<PerUnitPrice, String> {
    let (quantity, rest) = parse_pair(text)?;
    let (unit_price, rounding) = match rest.split_once(',') {
        None => (rest, None),
        Some((unit_price, rounding)) => (unit_price.to_owned(), Some(rounding)),
    };
    let (rounding, step) = match rounding {
        None => (RoundingMode::Unspecified, String::new()),
        Some(rounding) => {
            let (mode, step) = rounding.split_once(':').ok_or("expected MODE:STEP, as up:1")?;
            (label::parse_rounding_mode(mode)?, step.to_owned())
        }
    };
    Ok(PerUnitPrice { quantity, unit_price, rounding: rounding.into(), step })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_told_in_a_line() {
        let per_unit = parse_per_unit("megabytes=2,half-even:0.5").unwrap();
        let parts = [Part::Fixed("10".to_owned()), Part::PerUnit(per_unit)];
        let price = Price {
            parts: parts.map(|part| PricePart { part: Some(part) }).into(),
            rounding: RoundingMode::Up.into(),
            step: "1".to_owned(),
            minimum: "12".to_owned(),
            maximum: String::new(),
        };
        let told = "10 + 2 per megabytes (half-even to 0.5), up to 1, at least 12";
        assert_eq!(brief(Some(&price)), told);
        assert_eq!(brief(None), "deleted");
        assert!(parse_per_unit("megabytes=2,up").is_err());
        assert!(parse_per_unit("megabytes").is_err());
    }
}
