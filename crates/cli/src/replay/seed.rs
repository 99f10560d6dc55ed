//! Opens the accounts' wallets and grants what they will spend.

use std::sync::Arc;

use purse_client::{
    Client, Error,
    v1::{ErrorReason, GrantRequest, Wallet},
};

use super::{callers, patience::Patience, plan::Plan};
use crate::exit::Failure;

const ADVICE: &str = "Run the same command again to finish: nothing is granted or spent twice.";

/// Sees to it that every account has its wallet and its two grants.
pub async fn all(
    client: &Client,
    plan: &Arc<Plan>,
    patience: &Arc<Patience>,
    callers: usize,
) -> Result<(), Failure> {
    let (client, plan, patience) = (client.clone(), Arc::clone(plan), Arc::clone(patience));
    let indexes = 0..plan.accounts;
    callers::each(callers, indexes, move |index| {
        let (client, plan, patience) = (client.clone(), Arc::clone(&plan), Arc::clone(&patience));
        async move { Seeding { client, plan, patience }.account(index).await }
    })
    .await
}

struct Seeding {
    client: Client,
    plan: Arc<Plan>,
    patience: Arc<Patience>,
}

impl Seeding {
    async fn account(&self, index: u64) -> Result<(), Failure> {
        let wallet = self.wallet(index).await?;
        let created_at = wallet.created_at.ok_or_else(|| {
            Failure::Wrong(format!("the wallet of {} has no created_at", wallet.account))
        })?;
        self.grant(self.plan.monthly_grant(index, created_at)).await?;
        self.grant(self.plan.purchased_grant(index)).await
    }

    /// The account's wallet, new or as an earlier run with the same settings opened it.
    async fn wallet(&self, index: u64) -> Result<Wallet, Failure> {
        let create = || self.client.create_wallet(self.plan.wallet(index));
        let wallet = match self.patience.call(create).await {
            Ok(answer) => answer.wallet,
            // An earlier run with other settings has used the key. Which ones, the wallet tells.
            Err(error) if error.reason() == Some(ErrorReason::IdempotencyKeyReused) => {
                let get = || self.client.get_wallet(self.plan.existing_wallet(index));
                self.patience.call(get).await.map_err(|error| self.stopped(index, error))?.wallet
            }
            Err(error) => return Err(self.stopped(index, error)),
        };
        let wallet = wallet.unwrap_or_default();
        let wanted = self.plan.settings();
        match wanted.iter().find(|(name, value)| wallet.metadata.get(*name) != Some(*value)) {
            None => Ok(wallet),
            Some((name, value)) => {
                let there = wallet.metadata.get(name).map_or("absent", String::as_str);
                Err(Failure::Usage(format!(
                    "{} was made with other settings: {name} is {there} there, and {value} now.\n       \
                     Repeat the settings, or choose another --prefix.",
                    wallet.account
                )))
            }
        }
    }

    async fn grant(&self, request: GrantRequest) -> Result<(), Failure> {
        let grant = || self.client.grant(request.clone());
        match self.patience.call(grant).await {
            Ok(_) => Ok(()),
            Err(error) if names_expires_at(&error) => Err(Failure::Usage(format!(
                "{} was opened by a run that stopped before it made the monthly grant, whose window has \
                 passed.\n       Choose another --prefix.",
                request.account
            ))),
            Err(error) => Err(Failure::Stopped {
                stopped: format!("cannot grant to {}", request.account),
                error,
                advice: ADVICE,
            }),
        }
    }

    fn stopped(&self, index: u64, error: Error) -> Failure {
        let stopped = format!("cannot open the wallet of {}", self.plan.account(index));
        Failure::Stopped { stopped, error, advice: ADVICE }
    }
}

fn names_expires_at(error: &Error) -> bool {
    match error {
        Error::Refused(refusal) => {
            refusal.violations.iter().any(|violation| violation.field == "expires_at")
        }
        Error::Unreachable { .. } | Error::DeadlineExceeded { .. } => false,
    }
}
