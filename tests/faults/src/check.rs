//! The verdict: what the callers remember, against what the database holds and what the service says now.

use std::{
    collections::{HashMap, HashSet},
    pin::pin,
    process::Stdio,
    sync::Arc,
};

use purse_client::{Client, v1::GetBalanceRequest};
use rust_decimal::Decimal;
use serde::Deserialize;
use tokio::{process::Command, task::JoinSet};
use tokio_stream::StreamExt as _;
use uuid::Uuid;

use crate::{
    call::{Answer, amount},
    error::RunError,
    load::{Done, Record},
    stage::Stage,
    world::{ASSET, GRANTED_CENTS, WALLETS, World, account},
};

/// Callers that ask for everything once more.
const REPLAYERS: usize = 256;
/// Entries that each wallet begins with.
const OPENING_ENTRIES: u64 = 1;
/// How many things that are wrong are told.
const TOLD: usize = 10;

/// Every key that was used and its transaction. What opens the wallets is the run's own.
const KEYS: &str = "
    SELECT idempotency_key, transaction_id
    FROM transactions
    WHERE idempotency_key IS NOT NULL
        AND idempotency_key NOT LIKE 'opening%'";

/// What was found.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Calls that were acknowledged and are not there as they were told.
    pub lost: usize,
    /// Transactions that nobody was told of.
    pub doubled: usize,
    /// Wallets whose balance is not what the answers make of it.
    pub wrong_balances: usize,
    /// Answers that contradicted others, or entries that nobody was told of.
    pub contradictions: usize,
    /// Wallets that `purse verify` found unsound.
    pub unsound: usize,
    /// Wallets and entries that it looked at.
    pub wallets: u64,
    pub entries: u64,
    /// The first things that are wrong.
    pub findings: Vec<String>,
}

impl Verdict {
    /// Whether all is as it was told.
    pub fn is_clean(&self) -> bool {
        let Self { lost, doubled, wrong_balances, contradictions, unsound, .. } = self;
        lost + doubled + wrong_balances + contradictions + unsound == 0
    }

    fn find(&mut self, finding: impl FnOnce() -> String) {
        if self.findings.len() < TOLD {
            self.findings.push(finding());
        }
    }
}

/// What `purse verify --all -o json` prints.
#[derive(Debug, Deserialize)]
struct Verified {
    wallets: u64,
    entries: u64,
    unsound: Vec<Unsound>,
}

#[derive(Debug, Deserialize)]
struct Unsound {
    account: String,
    problem: String,
}

/// Compares everything. The faults have ended, and nobody else calls.
pub async fn check(stage: &Stage, world: &Arc<World>, record: Record) -> Result<Verdict, RunError> {
    let client = stage.patient_clients()?.swap_remove(0);
    let Record { done, contradictions, .. } = record;
    let mut verdict = Verdict { contradictions: contradictions.len(), ..Verdict::default() };
    for contradiction in contradictions {
        verdict.find(|| contradiction);
    }
    let mut lost = HashSet::new();
    compare_keys(stage, &done, &mut lost, &mut verdict).await?;
    compare_balances(&client, &done, &mut verdict).await?;
    verify(stage, &done, &mut verdict).await?;
    let before = count_transactions(stage).await?;
    replay(&client, world, done, &mut lost, &mut verdict).await?;
    // What was lost is written by its replay, and nothing else is.
    let after = count_transactions(stage).await?;
    let written = usize::try_from(after - before).unwrap_or(usize::MAX);
    verdict.doubled += written.saturating_sub(lost.len());
    verdict.lost = lost.len();
    Ok(verdict)
}

/// Each key that was acknowledged is in the database with its transaction, and no other is.
async fn compare_keys(
    stage: &Stage,
    done: &[Done],
    lost: &mut HashSet<String>,
    verdict: &mut Verdict,
) -> Result<(), RunError> {
    let mut told: HashMap<String, &Done> = HashMap::with_capacity(done.len());
    for one in done {
        if one.told.amount != amount(one.call.cents) {
            verdict.contradictions += 1;
            verdict.find(|| format!("{one:?} is another amount"));
        }
        told.insert(one.call.key(), one);
    }
    let sql = stage.sql().await?;
    let none: [&str; 0] = [];
    let mut rows = pin!(sql.query_raw(KEYS, none).await?);
    while let Some(row) = rows.next().await {
        let row = row?;
        let (key, transaction): (&str, Uuid) = (row.try_get(0)?, row.try_get(1)?);
        match told.get(key) {
            Some(one) if one.told.transaction == transaction => {
                told.remove(key);
            }
            // The one that was told stays among what is told, and so is lost.
            Some(_) | None => {
                verdict.doubled += 1;
                verdict.find(|| format!("nobody was told of {key}, transaction {transaction}"));
            }
        }
    }
    if told.is_empty() {
        return Ok(());
    }
    for one in done.iter().filter(|one| told.contains_key(&one.call.key())) {
        verdict.find(|| format!("{one:?} was acknowledged and is not there"));
        lost.insert(one.call.key());
    }
    Ok(())
}

async fn compare_balances(
    client: &Client,
    done: &[Done],
    verdict: &mut Verdict,
) -> Result<(), RunError> {
    let mut expected = HashMap::new();
    for (wallet, cents) in done.iter().flat_map(|one| one.call.moves()) {
        *expected.entry(wallet).or_insert(GRANTED_CENTS) += cents;
    }
    for wallet in 0..WALLETS {
        let account = account(wallet);
        let request =
            GetBalanceRequest { account, asset: ASSET.to_owned(), ..GetBalanceRequest::default() };
        let answer = client.get_balance(request).await.map_err(RunError::refused("GetBalance"))?;
        let balance = answer.balance.unwrap_or_default().balance;
        let expected = amount(expected.get(&wallet).copied().unwrap_or(GRANTED_CENTS));
        if balance.parse::<Decimal>() != Ok(expected) {
            verdict.wrong_balances += 1;
            verdict.find(|| format!("wallet {wallet} has {balance} and should have {expected}"));
        }
    }
    Ok(())
}

/// `purse verify --all`, as an operator runs it; and there are as many entries as callers were told of.
async fn verify(stage: &Stage, done: &[Done], verdict: &mut Verdict) -> Result<(), RunError> {
    let server = format!("http://{}", stage.address());
    let arguments = ["--server", &server, "--timeout", "120s", "-o", "json", "verify", "--all"];
    let output = Command::new(stage.purse()).args(arguments).stdin(Stdio::null()).output().await?;
    // It fails when a wallet is unsound, and says which all the same.
    let verified: Verified =
        serde_json::from_slice(&output.stdout).map_err(|_| RunError::Command {
            arguments: arguments.join(" "),
            output: String::from_utf8_lossy(&output.stderr).into_owned(),
        })?;
    verdict.wallets = verified.wallets;
    verdict.entries = verified.entries;
    verdict.unsound = verified.unsound.len();
    for Unsound { account, problem } in verified.unsound {
        verdict.find(|| format!("{account} is not sound: {problem}"));
    }
    let of_calls: u64 = done.iter().map(|one| u64::from(one.told.entries)).sum();
    let expected = u64::from(WALLETS) * OPENING_ENTRIES + of_calls;
    if verified.entries != expected || verified.wallets != u64::from(WALLETS) {
        verdict.contradictions += 1;
        let Verified { wallets, entries, .. } = verified;
        verdict.find(|| format!("{entries} entries in {wallets} wallets, told were {expected}"));
    }
    Ok(())
}

/// Asks for everything once more: each answer is the first one again.
async fn replay(
    client: &Client,
    world: &Arc<World>,
    done: Vec<Done>,
    lost: &mut HashSet<String>,
    verdict: &mut Verdict,
) -> Result<(), RunError> {
    let done: Arc<[Done]> = done.into();
    let mut replayers = JoinSet::new();
    for replayer in 0..REPLAYERS {
        let (client, world, done) = (client.clone(), Arc::clone(world), Arc::clone(&done));
        replayers.spawn(async move {
            let mut wrong = Vec::new();
            for one in done.iter().skip(replayer).step_by(REPLAYERS) {
                // What depends on something that was lost is refused.
                let again = one.call.send(&client, &world).await;
                if again != Ok(Answer { told: one.told, replayed: true }) {
                    wrong.push((*one, again));
                }
            }
            wrong
        });
    }
    while let Some(wrong) = replayers.join_next().await {
        for (one, again) in wrong? {
            verdict.find(|| format!("{one:?}, asked for again: {again:?}"));
            lost.insert(one.call.key());
        }
    }
    Ok(())
}

async fn count_transactions(stage: &Stage) -> Result<i64, RunError> {
    let row = stage.sql().await?.query_one("SELECT count(*) FROM transactions", &[]).await?;
    Ok(row.try_get(0)?)
}
