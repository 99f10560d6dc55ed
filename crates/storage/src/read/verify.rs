//! Verifying a wallet: everything that is kept about it, recomputed from its entries.

use std::collections::BTreeMap;

use deadpool_postgres::Client;
use purse_domain::{
    Coverage, Discrepancy, GrantNumber, HoldNumber, Missing, Sequence, Tally, Timestamp,
    WalletName, WalletState, Width, verify, verify_spending,
};
use tokio_postgres::types::ToSql;

use super::fold::fold;
use crate::{
    Storage, StorageError,
    load::load_missing,
    row::{self, Columns, grant_columns, hold_columns},
    spending::{Counting, kept_tally},
};

const GRANTS: &str = concat!(
    "SELECT ",
    grant_columns!(),
    " FROM grants AS g
      WHERE g.account_id = $1 AND g.wallet_id = $2"
);

const HOLDS: &str = concat!(
    "SELECT ",
    hold_columns!(),
    " FROM holds AS h
      WHERE h.account_id = $1 AND h.wallet_id = $2"
);

/// What a verification looked at, and what it found.
#[derive(Debug, Clone)]
pub struct Verification {
    /// As of when.
    pub recorded_at: Timestamp,
    /// How many entries there are.
    pub entries: Sequence,
    /// How many grants.
    pub grants: GrantNumber,
    /// How many holds.
    pub holds: HoldNumber,
    /// What is wrong; `None`: nothing.
    pub discrepancy: Option<Discrepancy>,
}

impl Storage {
    /// Recomputes a wallet from its entries, in one snapshot; `None`: no such wallet.
    pub async fn verify_wallet(
        &self,
        name: &WalletName,
    ) -> Result<Option<Verification>, StorageError> {
        let snapshot = self.snapshot().await?;
        let client = snapshot.client()?;
        let Some(mut kept) = super::wallet(client, name).await? else { return Ok(None) };
        load_all(client, &mut kept).await?;
        let folded = fold(client, &kept, kept.head.last_sequence).await?;
        let spending = spending(client, &kept).await?;
        snapshot.end().await?;
        let found = folded
            .map_err(Discrepancy::from)
            .and_then(|(fold, last_hash)| verify(fold, last_hash, &kept))
            .and(spending);
        Ok(Some(Verification {
            recorded_at: kept.head.recorded_at,
            entries: kept.head.last_sequence,
            grants: kept.head.last_grant_number,
            holds: kept.head.last_hold_number,
            discrepancy: found.err(),
        }))
    }
}

/// Loads everything that is kept about a wallet.
async fn load_all(client: &Client, kept: &mut WalletState) -> Result<(), StorageError> {
    let name = &kept.settings.name;
    let (account, wallet) = (name.account_id.uuid(), name.wallet_id.uuid());
    let of_wallet: [&(dyn ToSql + Sync); 2] = [&account, &wallet];
    let statement = client.prepare_cached(GRANTS).await?;
    for row in client.query(&statement, &of_wallet).await? {
        kept.hold_loaded(row::grant(&mut Columns::of(&row))?);
    }
    let statement = client.prepare_cached(HOLDS).await?;
    let mut holds = BTreeMap::new();
    for row in client.query(&statement, &of_wallet).await? {
        let hold = row::hold(&mut Columns::of(&row))?;
        holds.insert(hold.number, hold);
    }
    kept.holds = holds;
    load_missing(client, kept, Missing::Debts).await?;
    kept.coverage = Coverage::Complete;
    Ok(())
}

/// What limits count by the entries against what is kept of it, from the first instant on that they may ask for.
async fn spending(
    client: &Client,
    kept: &WalletState,
) -> Result<Result<(), Discrepancy>, StorageError> {
    let limits = &kept.settings.spend_limits;
    let Some(since) = limits.counts_from(kept.head.recorded_at) else { return Ok(Ok(())) };
    let since = Width::Day.start_of(since);
    let mut said = Tally::default();
    let mut counting = Counting::since(client, kept, since).await?;
    while let Some(page) = counting.next(client).await? {
        for counted in page.iter().filter(|counted| counted.at >= since) {
            said.add(limits, counted);
        }
    }
    let kept = kept_tally(client, &kept.settings.name).await?;
    Ok(verify_spending(&said, &kept, since))
}
