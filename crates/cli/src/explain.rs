//! `purse explain`: why a transaction drew what it drew, and what a balance is made of.

use clap::{Args, Subcommand};
use prost_types::Timestamp;
use purse_client::{
    Client,
    v1::{
        BalanceComposition, BalanceFigures, ConsideredDebt, ConsideredGrant, DrawingExplanation,
        Entry, EntryKindShare, ExplainBalanceRequest, ExplainTransactionRequest,
        ExplainTransactionResponse, Explanation, RepaymentExplanation, ReversalExplanation,
        ReversibleSlice, Transaction, explanation::Choice,
    },
};

use crate::{
    args::WalletArgs,
    balance,
    exit::Failure,
    instant, label,
    output::Output,
    table::{self, Column, unless_zero},
    transaction,
};

/// The most items that the service lists.
const MOST_ITEMS: i64 = 10_000;

/// What `explain` explains.
#[derive(Debug, Subcommand)]
pub enum ExplainCommand {
    /// Which grants a transaction drew in which order by which rule, and why each other one was passed over
    Transaction(ExplainTransactionArgs),
    /// Which grants and debts a balance is made of, and what each kind of entry did to it
    Balance(ExplainBalanceArgs),
}

/// What `explain transaction` takes.
#[derive(Debug, Args)]
pub struct ExplainTransactionArgs {
    #[command(flatten)]
    wallet: WalletArgs,
    /// The transaction, as `purse entries -o json` shows it
    transaction: String,
    /// The most grants to list that gave nothing
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i32).range(1..=MOST_ITEMS))]
    limit: i32,
}

/// What `explain balance` takes.
#[derive(Debug, Args)]
pub struct ExplainBalanceArgs {
    #[command(flatten)]
    wallet: WalletArgs,
    /// The instant to answer for, past or future: RFC 3339, or a date; without it now
    #[arg(long, value_parser = instant::parse, value_name = "INSTANT")]
    at: Option<Timestamp>,
    /// The most grants, and the most debts, to list
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i32).range(1..=MOST_ITEMS))]
    limit: i32,
}

/// Runs `purse explain`.
pub async fn run(
    command: ExplainCommand,
    client: &Client,
    output: &mut Output,
) -> Result<(), Failure> {
    match command {
        ExplainCommand::Transaction(args) => {
            let ExplainTransactionArgs {
                wallet: WalletArgs { account, asset },
                transaction,
                limit,
            } = args;
            let request = ExplainTransactionRequest {
                account,
                asset,
                transaction_id: transaction,
                max_items: limit,
            };
            let answer = client.explain_transaction(request).await?;
            output.answer(&answer, explained)
        }
        ExplainCommand::Balance(args) => {
            let ExplainBalanceArgs { wallet: WalletArgs { account, asset }, at, limit } = args;
            let request = ExplainBalanceRequest { account, asset, at, max_items: limit };
            let answer = client.explain_balance(request).await?;
            output.answer(&answer, |answer| {
                let mut sections = vec![balance::record(answer.balance.as_ref())];
                sections.extend(answer.composition.iter().flat_map(composed));
                sections.join("\n\n")
            })
        }
    }
}

/// A transaction, its entries, and a table for each of them that had a choice.
fn explained(answer: &ExplainTransactionResponse) -> String {
    let transaction = answer.transaction.clone().unwrap_or_default();
    let choices = answer.explanations.iter().map(|explained| choice(&transaction, explained));
    let sections: Vec<String> =
        [transaction::record(&transaction)].into_iter().chain(choices).collect();
    sections.join("\n\n")
}

fn choice(transaction: &Transaction, explanation: &Explanation) -> String {
    let Explanation { entry_sequence, choice } = explanation;
    let is_it = |entry: &&Entry| entry.sequence == *entry_sequence;
    let kind = transaction.entries.iter().find(is_it).map(Entry::kind).unwrap_or_default();
    let head = format!("Entry {entry_sequence}, {}", label::entry_kind(kind));
    match choice {
        Some(Choice::Drawing(drawing)) => format!("{head}: {}", self::drawing(drawing)),
        Some(Choice::Reversal(reversal)) => {
            let ReversalExplanation { spend_sequence, slices } = reversal;
            format!("{head} of entry {spend_sequence}:\n{}", self::slices(slices))
        }
        Some(Choice::Repayment(repayment)) => {
            let RepaymentExplanation { grant_number, debts, debts_left_out } = repayment;
            let more = more(*debts_left_out, "debts");
            format!("{head} by grant #{grant_number}:\n{}{more}", self::debts(debts))
        }
        None => head,
    }
}

fn drawing(drawing: &DrawingExplanation) -> String {
    let DrawingExplanation { required, drawn, debt, occurred_at, grants, grants_left_out } =
        drawing;
    let owed = if debt == "0" { String::new() } else { format!(", {debt} owed") };
    let late = occurred_at
        .map_or_else(String::new, |at| format!(", for usage at {}", instant::show(Some(at))));
    let columns = [
        Column::Figure("rank"),
        Column::Figure("grant"),
        Column::Word("placed by"),
        Column::Figure("priority"),
        Column::Text("expires at"),
        Column::Text("effective at"),
        Column::Figure("cost"),
        Column::Text("applies to"),
        Column::Word("category"),
        Column::Figure("drawable"),
        Column::Figure("drawn"),
        Column::Word("passed over"),
    ];
    let rows = grants.iter().map(|considered| {
        let ConsideredGrant { rank, grant, drawable, drawn, .. } = considered;
        let grant = grant.clone().unwrap_or_default();
        vec![
            if *rank == 0 { String::new() } else { rank.to_string() },
            format!("#{}", grant.number),
            label::placement_rule(considered.placed_by()),
            grant.priority.to_string(),
            grant.expires_at.map_or_else(|| "never".to_owned(), |at| instant::brief(Some(at))),
            instant::brief(grant.effective_at),
            unless_zero(&grant.cost_basis),
            grant.applies_to.join(", "),
            grant.category,
            unless_zero(drawable),
            unless_zero(drawn),
            label::passed_over(considered.passed_over()),
        ]
    });
    let table = table::rows(&columns, rows);
    let more = more(*grants_left_out, "grants that gave nothing");
    format!("{drawn} of {required} drawn{owed}{late}\n{table}{more}")
}

fn slices(slices: &[ReversibleSlice]) -> String {
    let columns = [
        Column::Word("came from"),
        Column::Figure("grant"),
        Column::Figure("left"),
        Column::Figure("given back"),
    ];
    table::rows(
        &columns,
        slices.iter().map(|slice| {
            vec![
                label::slice_source(slice),
                if slice.grant_number == 0 {
                    String::new()
                } else {
                    format!("#{}", slice.grant_number)
                },
                slice.left.clone(),
                slice.given_back.clone(),
            ]
        }),
    )
}

fn debts(debts: &[ConsideredDebt]) -> String {
    let columns = [
        Column::Figure("debt of entry"),
        Column::Text("operation"),
        Column::Figure("owed"),
        Column::Figure("repaid"),
        Column::Word("passed over"),
    ];
    table::rows(
        &columns,
        debts.iter().map(|debt| {
            vec![
                debt.entry_sequence.to_string(),
                debt.operation.clone(),
                debt.owed.clone(),
                unless_zero(&debt.repaid),
                label::passed_over(debt.passed_over()),
            ]
        }),
    )
}

/// What a balance is made of: its grants, its debts, and the kinds of its entries.
fn composed(composition: &BalanceComposition) -> Vec<String> {
    let BalanceComposition { grants, debts, kinds, shortfall, .. } = composition;
    let short = || format!("{shortfall} of it was drawn late, and is shown as debt.");
    let sections = [
        (shortfall != "0").then(short),
        (!grants.is_empty()).then(|| self::grants(composition)),
        (!debts.is_empty()).then(|| owed(composition)),
        (!kinds.is_empty()).then(|| self::kinds(kinds)),
    ];
    sections.into_iter().flatten().collect()
}

fn grants(composition: &BalanceComposition) -> String {
    let BalanceComposition { grants, grants_left_out, left_out, .. } = composition;
    let columns = [
        Column::Text("grant"),
        Column::Word("category"),
        Column::Figure("amount"),
        Column::Text("effective at"),
        Column::Text("expires at"),
        Column::Figure("available"),
        Column::Figure("held"),
        Column::Figure("scheduled"),
    ];
    let parts = |figures: Option<&BalanceFigures>| {
        let figures = figures.cloned().unwrap_or_default();
        [figures.available, figures.held, figures.scheduled].map(|figure| unless_zero(&figure))
    };
    let rows = grants.iter().map(|share| {
        let [available, held, scheduled] = parts(share.figures.as_ref());
        vec![
            format!("#{}", share.grant_number),
            share.category.clone(),
            share.amount.clone(),
            instant::brief(share.effective_at),
            share.expires_at.map_or_else(|| "never".to_owned(), |at| instant::brief(Some(at))),
            available,
            held,
            scheduled,
        ]
    });
    let rest = (*grants_left_out > 0).then(|| {
        let [available, held, scheduled] = parts(left_out.as_ref());
        let blank = String::new;
        let others = format!("{grants_left_out} more");
        vec![others, blank(), blank(), blank(), blank(), available, held, scheduled]
    });
    table::rows(&columns, rows.chain(rest))
}

fn owed(composition: &BalanceComposition) -> String {
    let BalanceComposition { debts, debts_left_out, debt_left_out, .. } = composition;
    let columns =
        [Column::Text("debt of entry"), Column::Text("operation"), Column::Figure("owed")];
    let rows = debts.iter().map(|debt| {
        vec![debt.entry_sequence.to_string(), debt.operation.clone(), debt.owed.clone()]
    });
    let rest = (*debts_left_out > 0)
        .then(|| vec![format!("{debts_left_out} more"), String::new(), debt_left_out.clone()]);
    table::rows(&columns, rows.chain(rest))
}

fn kinds(kinds: &[EntryKindShare]) -> String {
    let columns = [
        Column::Word("kind"),
        Column::Figure("entries"),
        Column::Figure("balance"),
        Column::Figure("available"),
        Column::Figure("held"),
        Column::Figure("debt"),
        Column::Figure("scheduled"),
    ];
    let rows = kinds.iter().map(|share| {
        let BalanceFigures { balance, available, held, debt, scheduled } =
            share.figures.clone().unwrap_or_default();
        let [held, debt, scheduled] = [held, debt, scheduled].map(|figure| unless_zero(&figure));
        let entries = share.entries.to_string();
        vec![label::entry_kind(share.kind()), entries, balance, available, held, debt, scheduled]
    });
    table::rows(&columns, rows)
}

fn more(left_out: i32, what: &str) -> String {
    if left_out == 0 { String::new() } else { format!("\n{left_out} more {what}") }
}
