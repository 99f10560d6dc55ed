//! The command line's grammar: the global flags and the verbs. What a verb takes is in its own module.

use clap::{Args, Parser, Subcommand};

use crate::{
    balance::BalanceArgs,
    change_expiry::ChangeExpiryArgs,
    connection::ConnectionArgs,
    demo::DemoArgs,
    end_grant::EndGrantArgs,
    entries::EntriesArgs,
    events::EventsArgs,
    exit::EXIT_CODES,
    explain::ExplainCommand,
    grant::GrantArgs,
    grants::GrantsArgs,
    hold::{CaptureArgs, ExtendArgs, HoldArgs, HoldsArgs, ReleaseArgs},
    limit::LimitCommand,
    migrate::MigrateArgs,
    operation::OperationCommand,
    output::Format,
    pack::PackCommand,
    replay::ReplayArgs,
    report::ReportCommand,
    reverse::ReverseArgs,
    revoke::RevokeArgs,
    rule::RuleCommand,
    serve::ServeArgs,
    spend::SpendArgs,
    subscription::{ApplicationCommand, ReconcileArgs, SubscriptionArgs},
    sweep::SweepArgs,
    timeline::TimelineArgs,
    top_up::TopUpCommand,
    transaction::TransactionArgs,
    transfer::TransferArgs,
    verify::VerifyArgs,
    wallet::WalletCommand,
};

/// Time-aware credit wallets: what is in them, why, and how to change it.
#[derive(Debug, Parser)]
#[command(name = "purse", version, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    /// How to reach the service.
    #[command(flatten)]
    pub connection: ConnectionArgs,

    /// What is printed: a table for people, or the JSON that grpcurl prints.
    #[arg(short, long, global = true, help_heading = "Global options", value_enum, default_value_t = Format::Table)]
    pub output: Format,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve Purse, on a private PostgreSQL or on one that it is given
    Serve(ServeArgs),
    /// Bring the schema of a PostgreSQL up to date, or back
    Migrate(MigrateArgs),
    /// Show the service at work, on a wallet of the demo's own
    Demo(DemoArgs),
    /// Spend a trace of real usage and check that the ledger adds up
    Replay(ReplayArgs),
    /// Work on wallets.
    #[command(flatten)]
    Operation(Operation),
}

/// The verbs for operations, each a call or a few.
#[derive(Debug, Subcommand)]
pub enum Operation {
    /// Create, show, list and change wallets
    #[command(subcommand)]
    Wallet(WalletCommand),
    /// Let wallets ask for more credits when their balance is low
    #[command(subcommand)]
    TopUp(TopUpCommand),
    /// Offer packs of credits, and grant what payments bought
    #[command(subcommand)]
    Pack(PackCommand),
    /// Give operations prices, and say what something costs
    #[command(subcommand, name = "operation")]
    Priced(OperationCommand),
    /// Limit what may be spent of a wallet, and show how much of each limit is used
    #[command(subcommand)]
    Limit(LimitCommand),
    /// Show what a wallet holds, now or at any instant
    Balance(BalanceArgs),
    /// Plot what a wallet holds over a range of time, past or future
    Timeline(TimelineArgs),
    /// List a wallet's ledger, all of it or what passes some filters
    Entries(EntriesArgs),
    /// List what happened to wallets: low balances, credits that expire soon; or follow it; or send events of
    /// subscriptions
    Events(EventsArgs),
    /// Show a subscription as the billing system told it
    Subscription(SubscriptionArgs),
    /// List what rules grant to subscriptions, and try again what failed
    #[command(subcommand)]
    Application(ApplicationCommand),
    /// Show what a subscription should have been granted and was not, and grant it
    Reconcile(ReconcileArgs),
    /// List a wallet's grants
    Grants(GrantsArgs),
    /// Put credits in a wallet, spendable within a window
    Grant(GrantArgs),
    /// Take what a grant has left, as if that had never been granted
    Void(EndGrantArgs),
    /// Let what a grant has left expire now
    Expire(EndGrantArgs),
    /// Let a grant that still has something end at another instant, or never
    ChangeExpiry(ChangeExpiryArgs),
    /// Take credits from a wallet, all or nothing
    Spend(SpendArgs),
    /// Set credits aside for a later capture
    Hold(HoldArgs),
    /// Take part or all of what a hold has set aside
    Capture(CaptureArgs),
    /// Give back what a hold has set aside
    Release(ReleaseArgs),
    /// Move a hold's deadline
    Extend(ExtendArgs),
    /// List a wallet's holds
    Holds(HoldsArgs),
    /// Recompute wallets from their entries and say whether all is as it should be
    Verify(VerifyArgs),
    /// Book now what time has done to wallets that nobody touched
    Sweep(SweepArgs),
    /// Give back what a spend took, all or a part of it
    Reverse(ReverseArgs),
    /// Report figures over one wallet or many, period by period
    #[command(subcommand)]
    Report(ReportCommand),
    /// Show one transaction with its entries
    Transaction(TransactionArgs),
    /// Say why a transaction drew what it drew, or what a balance is made of
    #[command(subcommand)]
    Explain(ExplainCommand),
    /// Move credits to another account's wallet
    Transfer(TransferArgs),
    /// Take back what was granted on a payment, as far as that was refunded
    Revoke(RevokeArgs),
    /// Make and change grant rules, and calculate when their grants expire
    #[command(subcommand)]
    Rule(RuleCommand),
}

/// The two names of a wallet, as most verbs take them.
#[derive(Debug, Clone, Args)]
pub struct WalletArgs {
    /// Who holds the credits, such as org:42
    pub account: String,
    /// What is counted, such as credits
    pub asset: String,
}

/// What a change of a wallet's settings is conditional on.
#[derive(Debug, Args)]
pub struct EtagArgs {
    /// Change it only if this is still the wallet's etag
    #[arg(long, default_value = "", hide_default_value = true)]
    pub etag: String,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }
}
