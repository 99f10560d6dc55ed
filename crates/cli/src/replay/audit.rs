//! Reads every account's ledger and has it checked.

use std::sync::{Arc, Mutex, PoisonError};

use purse_client::{
    Client, Error,
    v1::{GetBalanceRequest, ListEntriesRequest, ListGrantsRequest},
};

use super::{
    callers,
    check::{Check, Discrepancy, Totals},
    patience::Patience,
    plan::Plan,
    spending::{Spent, Tally},
};
use crate::{
    exit::Failure,
    pages::{self, MAX_PAGE_SIZE},
};

/// Checks the ledger of every account: the sum of those that add up, and the first discrepancy of each
/// that does not.
pub async fn all(
    client: &Client,
    plan: &Arc<Plan>,
    patience: &Arc<Patience>,
    tally: &Tally,
    callers: usize,
) -> Result<(Totals, Vec<Discrepancy>), Failure> {
    let found = Arc::new(Mutex::new((Totals::default(), Vec::new())));
    let audit = Arc::new(Audit {
        client: client.clone(),
        plan: Arc::clone(plan),
        patience: Arc::clone(patience),
        may_hold_more: tally.failed > 0,
    });
    let accounts: Vec<(u64, Vec<Spent>)> = (0..).zip(tally.spent.iter().cloned()).collect();
    let shared = Arc::clone(&found);
    callers::each(callers, accounts.into_iter(), move |(index, spent)| {
        let (audit, found) = (Arc::clone(&audit), Arc::clone(&shared));
        async move {
            let outcome = audit.account(index, &spent).await.map_err(|error| Failure::Stopped {
                stopped: format!("cannot read the ledger of {}", audit.plan.account(index)),
                error,
                advice: "Run the same command again to check: nothing is spent twice.",
            })?;
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            match outcome {
                Ok(totals) => found.0.add(&totals),
                Err(discrepancy) => found.1.push(discrepancy),
            }
            Ok::<(), Failure>(())
        }
    })
    .await?;
    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
    let (totals, mut discrepancies) = std::mem::take(&mut *found);
    discrepancies.sort_by(|one, other| one.account.cmp(&other.account));
    Ok((totals, discrepancies))
}

struct Audit {
    client: Client,
    plan: Arc<Plan>,
    patience: Arc<Patience>,
    may_hold_more: bool,
}

impl Audit {
    async fn account(
        &self,
        index: u64,
        spent: &[Spent],
    ) -> Result<Result<Totals, Discrepancy>, Error> {
        let Self { client, plan, patience, may_hold_more } = self;
        let (account, asset) = (plan.account(index), plan.asset.clone());
        let mut check = Check::new(&account, spent, *may_hold_more);
        let mut last_recorded_at = None;
        let mut request = ListEntriesRequest {
            account: account.clone(),
            asset: asset.clone(),
            page_size: MAX_PAGE_SIZE,
            ..ListEntriesRequest::default()
        };
        loop {
            let page = patience.call(|| client.list_entries(request.clone())).await?;
            for entry in &page.entries {
                if let Err(discrepancy) = check.entry(entry) {
                    return Ok(Err(discrepancy));
                }
                last_recorded_at = entry.recorded_at;
            }
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        let request = ListGrantsRequest {
            account: account.clone(),
            asset: asset.clone(),
            ..ListGrantsRequest::default()
        };
        let grants = patience.call(|| pages::list_grants(client, request.clone(), 0)).await?.grants;
        let request = GetBalanceRequest {
            account: account.clone(),
            asset,
            at: last_recorded_at,
            ..GetBalanceRequest::default()
        };
        let balance = patience.call(|| client.get_balance(request.clone())).await?.balance;
        Ok(check.finish(&grants, balance.as_ref()))
    }
}
