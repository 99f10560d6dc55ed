//! `purse`: the command line of the Purse service.
//!
//! Reads arguments, dispatches and turns the outcome into an exit code. Each verb has a module of its own;
//! all of them talk to a service through `purse-client` and know nothing of what is behind it.

mod args;
mod balance;
mod change_expiry;
mod connection;
mod demo;
mod duration;
mod end_grant;
mod entries;
mod event_file;
mod events;
mod exit;
mod explain;
mod fresh;
mod grant;
mod grants;
mod hold;
mod instant;
mod json;
mod label;
mod limit;
mod local;
mod migrate;
mod operation;
mod output;
mod pack;
mod pages;
mod plot;
mod replay;
mod report;
mod reverse;
mod revoke;
mod rule;
mod serve;
mod spend;
mod subscription;
mod sum;
mod sweep;
mod table;
mod timeline;
mod top_up;
mod transaction;
mod transfer;
mod verify;
mod wallet;
mod wallet_status;
mod window;
mod write_args;

use std::process::ExitCode;

use clap::Parser as _;
use tokio::runtime::Runtime;

use crate::{
    args::{Cli, Command, Operation},
    connection::ConnectionArgs,
    exit::Failure,
    output::Output,
};

/// A call makes some dozens of small, short-lived allocations, often freed on another thread.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    run(Cli::parse()).unwrap_or_else(|failure| failure.report())
}

fn run(Cli { connection, output: format, command }: Cli) -> Result<ExitCode, Failure> {
    let mut output = Output::stdout(format);
    match command {
        Command::Serve(args) => serve::run(args),
        Command::Migrate(args) => runtime()?.block_on(migrate::run(args)),
        Command::Demo(args) => demo::run(&args, &connection, &mut output),
        Command::Replay(args) => replay::run(args, &connection, &mut output),
        Command::Operation(operation) => {
            runtime()?.block_on(operate(operation, &connection, &mut output))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn operate(
    operation: Operation,
    connection: &ConnectionArgs,
    output: &mut Output,
) -> Result<(), Failure> {
    let client = connection.client()?;
    match operation {
        Operation::Wallet(command) => wallet::run(command, &client, output).await,
        Operation::TopUp(command) => top_up::run(command, &client, output).await,
        Operation::Pack(command) => pack::run(command, &client, output).await,
        Operation::Priced(command) => operation::run(command, &client, output).await,
        Operation::Limit(command) => limit::run(command, &client, output).await,
        Operation::Balance(args) => balance::run(args, &client, output).await,
        Operation::Timeline(args) => timeline::run(args, &client, output).await,
        Operation::Entries(args) => entries::run(args, &client, output).await,
        Operation::Events(args) => events::run(args, &client, output).await,
        Operation::Subscription(args) => subscription::show(args, &client, output).await,
        Operation::Application(command) => {
            subscription::application(command, &client, output).await
        }
        Operation::Reconcile(args) => subscription::reconcile(args, &client, output).await,
        Operation::Grants(args) => grants::run(args, &client, output).await,
        Operation::Grant(args) => grant::run(args, &client, output).await,
        Operation::Void(args) => end_grant::void(args, &client, output).await,
        Operation::Expire(args) => end_grant::expire(args, &client, output).await,
        Operation::Spend(args) => spend::run(args, &client, output).await,
        Operation::Transfer(args) => transfer::run(args, &client, output).await,
        Operation::Hold(args) => hold::hold(args, &client, output).await,
        Operation::Capture(args) => hold::capture(args, &client, output).await,
        Operation::Release(args) => hold::release(args, &client, output).await,
        Operation::Extend(args) => hold::extend(args, &client, output).await,
        Operation::Holds(args) => hold::list(args, &client, output).await,
        Operation::Verify(args) => verify::run(args, &client, output).await,
        Operation::Sweep(args) => sweep::run(args, &client, output).await,
        Operation::Reverse(args) => reverse::run(args, &client, output).await,
        Operation::Report(command) => report::run(command, &client, output).await,
        Operation::Transaction(args) => transaction::run(args, &client, output).await,
        Operation::Explain(command) => explain::run(command, &client, output).await,
        Operation::Rule(command) => rule::run(command, &client, output).await,
        Operation::Revoke(args) => revoke::run(args, &client, output).await,
        Operation::ChangeExpiry(args) => change_expiry::run(args, &client, output).await,
    }
}

fn runtime() -> Result<Runtime, Failure> {
    Runtime::new().map_err(Failure::Runtime)
}
