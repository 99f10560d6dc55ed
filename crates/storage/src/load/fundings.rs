//! Fundings that are to be revoked.

use std::collections::{BTreeMap, HashMap};

use deadpool_postgres::Client;
use purse_domain::{
    AccountId, EntryKind, FundingRecord, FundingRef, Sequence, TransactionKind, WalletId,
    WalletName, WalletState,
};

use super::{ALL, Need, ids_of};
use crate::{
    StorageError,
    row::{self, Columns, debt_columns, grant_columns},
};

/// The grants of fundings, and which of them were asked for: a reversal may have granted some of it anew.
const FUNDED_GRANTS: &str = concat!(
    "SELECT k.wallet_id,
         t.kind,
         t.first_sequence,",
    grant_columns!(),
    " FROM unnest($1::UUID[], $2::UUID[], $3::TEXT[]) AS k (account_id, wallet_id, funding_ref)
      CROSS JOIN LATERAL (
          SELECT *
          FROM grants
          WHERE (account_id, wallet_id, funding_ref) >= (k.account_id, k.wallet_id, k.funding_ref)
              AND (account_id, wallet_id, funding_ref) <= (k.account_id, k.wallet_id, k.funding_ref)
              AND funding_ref IS NOT NULL
          ORDER BY account_id, wallet_id, funding_ref
          LIMIT $4
      ) AS g
      CROSS JOIN LATERAL (
          SELECT kind,
              first_sequence
          FROM transactions
          WHERE account_id = g.account_id AND transaction_id = g.transaction_id
              AND wallet_id = g.wallet_id
          LIMIT 1
      ) AS t
      ORDER BY k.wallet_id, g.grant_number"
);

/// The debts that revocations made.
const REVOCATION_DEBTS: &str = concat!(
    "SELECT k.wallet_id,
         k.funding_ref,",
    debt_columns!(),
    " FROM unnest($1::UUID[], $2::UUID[], $3::TEXT[], $4::BIGINT[])
          AS k (account_id, wallet_id, funding_ref, entry)
      JOIN entries AS u
      ON u.account_id = k.account_id AND u.wallet_id = k.wallet_id AND u.about = k.entry
          AND u.kind = $5
      JOIN debts AS d
      ON d.account_id = u.account_id AND d.wallet_id = u.wallet_id AND d.entry = u.sequence
      ORDER BY k.wallet_id, d.entry"
);

/// The fundings that are to be revoked, with their grants and debts, before anything is decided: what a request
/// of the batch changes of these stays changed.
pub(super) async fn load(
    client: &Client,
    wallets: &mut HashMap<WalletId, WalletState>,
    needs: &BTreeMap<(AccountId, WalletId), Need<'_>>,
) -> Result<(), StorageError> {
    let asked: Vec<(&WalletName, &FundingRef)> = needs
        .values()
        .flat_map(|need| need.revoked.iter().map(|funding_ref| (need.name, *funding_ref)))
        .collect();
    if asked.is_empty() {
        return Ok(());
    }
    // One that a request of the batch grants on first has to be there to take note of it.
    for (name, funding_ref) in &asked {
        if let Some(state) = wallets.get_mut(&name.wallet_id) {
            state.fundings.insert((*funding_ref).clone(), FundingRecord::default());
        }
    }
    let (accounts, ids) = ids_of(&asked);
    let names: Vec<&str> = asked.iter().map(|(_, funding_ref)| funding_ref.as_str()).collect();
    let statement = client.prepare_cached(FUNDED_GRANTS).await?;
    for row in client.query(&statement, &[&accounts, &ids, &names, &ALL]).await? {
        let mut columns = Columns::of(&row);
        let wallet = WalletId::from_uuid(columns.take()?);
        let made_by = row::transaction_kind(columns.take()?)?;
        let was_asked_for =
            matches!(made_by, TransactionKind::Grant | TransactionKind::PurchasePack);
        let entry = Sequence(columns.take()?);
        let grant = row::grant(&mut columns)?;
        let Some(state) = wallets.get_mut(&wallet) else { continue };
        let funding_ref = grant.terms.funding_ref.as_ref();
        if let Some(funding) = funding_ref.and_then(|name| state.fundings.get_mut(name))
            && was_asked_for
        {
            funding.add(entry, &grant);
        }
        state.hold_loaded(grant);
    }
    load_debts(client, wallets, &asked).await
}

async fn load_debts(
    client: &Client,
    wallets: &mut HashMap<WalletId, WalletState>,
    asked: &[(&WalletName, &FundingRef)],
) -> Result<(), StorageError> {
    let funding_of = |(name, funding_ref): &(&WalletName, &FundingRef)| {
        wallets.get(&name.wallet_id)?.fundings.get(funding_ref)?.entry
    };
    let funded = asked.iter().filter_map(|asked| Some((asked.0, (asked.1, funding_of(asked)?))));
    let funded: Vec<(&WalletName, (&FundingRef, Sequence))> = funded.collect();
    let (accounts, ids) = ids_of(&funded);
    let names: Vec<&str> =
        funded.iter().map(|(_, (funding_ref, _))| funding_ref.as_str()).collect();
    let entries: Vec<i64> = funded.iter().map(|(_, (_, entry))| entry.0).collect();
    let kind = row::entry_kind_code(EntryKind::Revoked);
    let statement = client.prepare_cached(REVOCATION_DEBTS).await?;
    for row in client.query(&statement, &[&accounts, &ids, &names, &entries, &kind]).await? {
        let mut columns = Columns::of(&row);
        let wallet = WalletId::from_uuid(columns.take()?);
        let funding_ref = FundingRef::from_stored(columns.take()?);
        let debt = row::debt(&mut columns)?;
        let Some(state) = wallets.get_mut(&wallet) else { continue };
        if let Some(funding) = state.fundings.get_mut(&funding_ref) {
            funding.debts.push(debt.entry);
        }
        state.debts.insert(debt.entry, debt);
    }
    Ok(())
}
