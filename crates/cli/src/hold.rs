//! `purse hold`, `capture`, `release`, `extend` and `holds`: credits set aside.

use clap::Args;
use prost_types::Timestamp;
use purse_client::{
    Client,
    v1::{
        Balance, CaptureHoldRequest, CreateHoldRequest, CreateHoldsRequest, ExcessPolicy,
        ExtendHoldRequest, Hold, HoldLeg, ListHoldsRequest, ReleaseHoldRequest, Transaction,
    },
};

use crate::{
    args::WalletArgs,
    exit::Failure,
    instant, label,
    output::Output,
    pages, spend,
    table::{self, Column},
    write_args::{WriteArgs, parse_pair},
};

/// What `hold` takes.
#[derive(Debug, Args)]
pub struct HoldArgs {
    #[command(flatten)]
    wallet: WalletArgs,
    /// How much, such as 12.50; without it what the price of --operation makes of --quantity
    #[arg(default_value = "", hide_default_value = true, required_unless_present = "operation")]
    amount: String,
    /// When the hold ends by itself: RFC 3339, or a date
    #[arg(long, value_parser = instant::parse, value_name = "INSTANT")]
    until: Timestamp,
    /// What it is for; grants that apply to some operations only are pinned by those
    #[arg(long, default_value = "", hide_default_value = true)]
    operation: String,
    /// What the operation is priced by, such as megabytes=5.2; may be repeated
    #[arg(
        long = "quantity",
        value_name = "NAME=FIGURE",
        value_parser = parse_pair,
        conflicts_with = "amount",
        requires = "operation"
    )]
    quantities: Vec<(String, String)>,
    /// A hold in another wallet together with this one, all or nothing; may be repeated
    #[arg(long, num_args = 3, value_names = ["ACCOUNT", "ASSET", "AMOUNT"])]
    and: Vec<String>,
    #[command(flatten)]
    write: WriteArgs,
}

/// What `capture` takes.
#[derive(Debug, Args)]
pub struct CaptureArgs {
    #[command(flatten)]
    wallet: WalletArgs,
    /// The hold's number within the wallet, as `purse holds` lists it
    number: i32,
    /// How much, such as 12.50
    amount: String,
    /// What to do if that is more than is held: reject (the default), cap or extend
    #[arg(long, value_parser = label::parse_excess)]
    excess: Option<ExcessPolicy>,
    /// Give back what is left after it
    #[arg(long = "final")]
    is_final: bool,
    #[command(flatten)]
    write: WriteArgs,
}

/// What `release` takes.
#[derive(Debug, Args)]
pub struct ReleaseArgs {
    #[command(flatten)]
    wallet: WalletArgs,
    /// The hold's number within the wallet, as `purse holds` lists it
    number: i32,
    /// How much; without it all that is left
    #[arg(long, default_value = "", hide_default_value = true)]
    amount: String,
    #[command(flatten)]
    write: WriteArgs,
}

/// What `extend` takes.
#[derive(Debug, Args)]
pub struct ExtendArgs {
    #[command(flatten)]
    wallet: WalletArgs,
    /// The hold's number within the wallet, as `purse holds` lists it
    number: i32,
    /// The new deadline: RFC 3339, or a date
    #[arg(long, value_parser = instant::parse, value_name = "INSTANT")]
    until: Timestamp,
    #[command(flatten)]
    write: WriteArgs,
}

/// What `holds` takes.
#[derive(Debug, Args)]
pub struct HoldsArgs {
    #[command(flatten)]
    wallet: WalletArgs,
    /// Only holds that are open
    #[arg(long)]
    open: bool,
    /// The most to list; 0 lists all
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

/// Runs `purse hold`.
pub async fn hold(args: HoldArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    if !args.and.is_empty() {
        return holds(args, client, output).await;
    }
    let HoldArgs { wallet, amount, until, operation, quantities, and: _, write } = args;
    let WalletArgs { account, asset } = wallet;
    let request = CreateHoldRequest {
        account,
        asset,
        amount,
        operation,
        expires_at: Some(until),
        quantities: quantities.into_iter().collect(),
        idempotency_key: write.key(),
        metadata: write.metadata(),
        actor: write.actor,
        reason: write.reason,
        validate_only: write.validate_only,
        commit_token: write.commit_token,
    };
    let answer = client.create_hold(request).await?;
    output.answer(&answer, |answer| {
        let (hold, transaction) = (answer.hold.as_ref(), answer.transaction.as_ref());
        record(hold, transaction, answer.balance.as_ref(), answer.replayed)
    })
}

/// Holds in several wallets, as one transaction.
async fn holds(args: HoldArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let HoldArgs { wallet, amount, until, operation, quantities, and, write } = args;
    let first = HoldLeg {
        account: wallet.account,
        asset: wallet.asset,
        amount,
        operation: operation.clone(),
        quantities: quantities.into_iter().collect(),
    };
    let others = and.chunks_exact(3).map(|leg| HoldLeg {
        account: leg[0].clone(),
        asset: leg[1].clone(),
        amount: leg[2].clone(),
        operation: operation.clone(),
        ..HoldLeg::default()
    });
    let request = CreateHoldsRequest {
        legs: [first].into_iter().chain(others).collect(),
        expires_at: Some(until),
        idempotency_key: write.key(),
        metadata: write.metadata(),
        actor: write.actor,
        reason: write.reason,
        validate_only: write.validate_only,
        commit_token: write.commit_token,
    };
    let answer = client.create_holds(request).await?;
    output.answer(&answer, |answer| {
        let legs = answer.legs.iter().map(|leg| {
            let (hold, transaction) = (leg.hold.as_ref(), leg.transaction.as_ref());
            record(hold, transaction, leg.balance.as_ref(), leg.replayed)
        });
        legs.collect::<Vec<_>>().join("\n\n")
    })
}

/// Runs `purse capture`.
pub async fn capture(
    args: CaptureArgs,
    client: &Client,
    output: &mut Output,
) -> Result<(), Failure> {
    let CaptureArgs { wallet, number, amount, excess, is_final, write } = args;
    let WalletArgs { account, asset } = wallet;
    let request = CaptureHoldRequest {
        account,
        asset,
        hold_number: number,
        amount,
        excess: excess.unwrap_or(ExcessPolicy::Unspecified).into(),
        r#final: is_final,
        idempotency_key: write.key(),
        metadata: write.metadata(),
        actor: write.actor,
        reason: write.reason,
        validate_only: write.validate_only,
        commit_token: write.commit_token,
    };
    let answer = client.capture_hold(request).await?;
    output.answer(&answer, |answer| {
        let (hold, transaction) = (answer.hold.as_ref(), answer.transaction.as_ref());
        record(hold, transaction, answer.balance.as_ref(), answer.replayed)
    })
}

/// Runs `purse release`.
pub async fn release(
    args: ReleaseArgs,
    client: &Client,
    output: &mut Output,
) -> Result<(), Failure> {
    let ReleaseArgs { wallet: WalletArgs { account, asset }, number, amount, write } = args;
    let request = ReleaseHoldRequest {
        account,
        asset,
        hold_number: number,
        amount,
        idempotency_key: write.key(),
        metadata: write.metadata(),
        actor: write.actor,
        reason: write.reason,
        validate_only: write.validate_only,
        commit_token: write.commit_token,
    };
    let answer = client.release_hold(request).await?;
    output.answer(&answer, |answer| {
        let (hold, transaction) = (answer.hold.as_ref(), answer.transaction.as_ref());
        record(hold, transaction, answer.balance.as_ref(), answer.replayed)
    })
}

/// Runs `purse extend`.
pub async fn extend(args: ExtendArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let ExtendArgs { wallet: WalletArgs { account, asset }, number, until, write } = args;
    let request = ExtendHoldRequest {
        account,
        asset,
        hold_number: number,
        expires_at: Some(until),
        idempotency_key: write.key(),
        metadata: write.metadata(),
        actor: write.actor,
        reason: write.reason,
        validate_only: write.validate_only,
        commit_token: write.commit_token,
    };
    let answer = client.extend_hold(request).await?;
    output.answer(&answer, |answer| {
        let (hold, transaction) = (answer.hold.as_ref(), answer.transaction.as_ref());
        record(hold, transaction, answer.balance.as_ref(), answer.replayed)
    })
}

/// Runs `purse holds`.
pub async fn list(args: HoldsArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let HoldsArgs { wallet: WalletArgs { account, asset }, open, limit } = args;
    let request =
        ListHoldsRequest { account, asset, open_only: open, ..ListHoldsRequest::default() };
    let answer = pages::list_holds(client, request, limit).await?;
    output.answer(&answer, |answer| table(&answer.holds))?;
    pages::note_cut(&answer.next_page_token, limit);
    Ok(())
}

/// What a transaction wrote, with the hold after it.
fn record(
    hold: Option<&Hold>,
    transaction: Option<&Transaction>,
    balance: Option<&Balance>,
    replayed: bool,
) -> String {
    let holds = table(hold.map_or(&[], std::slice::from_ref));
    let written = spend::record(transaction, balance, replayed);
    format!("{written}\n\nThe hold after it:\n{holds}")
}

/// Holds, a line for each.
fn table(holds: &[Hold]) -> String {
    let columns = [
        Column::Figure("#"),
        Column::Word("status"),
        Column::Figure("amount"),
        Column::Figure("held"),
        Column::Figure("captured"),
        Column::Figure("released"),
        Column::Figure("lapsed"),
        Column::Text("until"),
        Column::Text("operation"),
        Column::Text("grants"),
    ];
    table::rows(
        &columns,
        holds.iter().map(|hold| {
            vec![
                hold.hold_number.to_string(),
                label::hold_status(hold),
                hold.amount.clone(),
                hold.held.clone(),
                hold.captured.clone(),
                hold.released.clone(),
                hold.lapsed.clone(),
                instant::brief(hold.expires_at),
                hold.operation.clone(),
                label::allocations(&hold.slices),
            ]
        }),
    )
}
