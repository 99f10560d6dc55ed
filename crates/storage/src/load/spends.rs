//! Spends that are to be reversed.

use std::collections::{BTreeMap, HashMap};

use deadpool_postgres::Client;
use purse_domain::{
    AccountId, Actor, Amount, EntryKind, OperationName, Origin, Sequence, SpendRecord,
    TransactionId, TransactionKind, WalletId, WalletName, WalletState,
};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::{Need, ids_of};
use crate::{
    StorageError,
    replay::{entry, entry_columns},
    row::{self, Columns, debt_columns},
};

/// The transactions that are to be reversed, each with its spend, if it is one, and what was reversed of that.
const SPENDS: &str = concat!(
    "SELECT k.wallet_id,
         t.transaction_id,
         t.actor,
         t.operation,
         r.reversed,",
    entry_columns!(),
    " FROM unnest($1::UUID[], $2::UUID[], $3::UUID[]) AS k (account_id, wallet_id, transaction_id)
      JOIN transactions AS t
      ON t.account_id = k.account_id AND t.transaction_id = k.transaction_id
          AND t.wallet_id = k.wallet_id
      LEFT JOIN entries AS e
      ON e.account_id = t.account_id AND e.wallet_id = t.wallet_id
          AND e.sequence BETWEEN t.first_sequence AND t.last_sequence AND e.kind = $4
          AND t.kind = $6
      LEFT JOIN LATERAL (
          SELECT sum(u.amount) AS reversed
          FROM entries AS u
          WHERE u.account_id = e.account_id AND u.wallet_id = e.wallet_id AND u.about = e.sequence
              AND u.kind = $5
      ) AS r ON TRUE"
);

const NAMED_DEBTS: &str = concat!(
    "SELECT k.wallet_id,",
    debt_columns!(),
    " FROM unnest($1::UUID[], $2::UUID[], $3::BIGINT[]) AS k (account_id, wallet_id, entry)
      JOIN debts AS d
      ON d.account_id = k.account_id AND d.wallet_id = k.wallet_id AND d.entry = k.entry"
);

/// The spends that are to be reversed, with their debts, before anything is decided: what a request of the batch
/// changes of these stays changed.
pub(super) async fn load(
    client: &Client,
    wallets: &mut HashMap<WalletId, WalletState>,
    needs: &BTreeMap<(AccountId, WalletId), Need<'_>>,
) -> Result<(), StorageError> {
    let asked: Vec<(&WalletName, TransactionId)> = needs
        .values()
        .flat_map(|need| need.reversed.iter().map(|transaction| (need.name, *transaction)))
        .collect();
    if asked.is_empty() {
        return Ok(());
    }
    let (accounts, ids) = ids_of(&asked);
    let transactions: Vec<Uuid> = asked.iter().map(|(_, id)| id.uuid()).collect();
    let [taken, given_back] = [EntryKind::Spent, EntryKind::Reversed].map(row::entry_kind_code);
    let kind = row::transaction_kind_code(TransactionKind::Spend);
    let statement = client.prepare_cached(SPENDS).await?;
    let rows = client
        .query(&statement, &[&accounts, &ids, &transactions, &taken, &given_back, &kind])
        .await?;
    for row in rows {
        let mut columns = Columns::of(&row);
        let wallet = WalletId::from_uuid(columns.take()?);
        let transaction = TransactionId::from_uuid(columns.take()?);
        let actor = Actor::from_stored(columns.take()?);
        let operation = columns.take::<Option<String>>()?.map(OperationName::from_stored);
        let reversed = columns.take::<Option<Decimal>>()?;
        let Some(state) = wallets.get_mut(&wallet) else { continue };
        let spend = if columns.is_null::<i64>()? {
            None
        } else {
            SpendRecord::of(TransactionKind::Spend, &[entry(&mut columns)?])
        };
        let origin = Some(Origin { actor, operation });
        let reversed = reversed.map_or(Ok(Amount::ZERO), row::amount)?;
        let spend = spend.map(|spend| SpendRecord { origin, reversed, ..spend });
        state.spends.insert(transaction, spend);
    }
    load_debts(client, wallets, needs).await
}

/// What became of what those spends left uncovered.
async fn load_debts(
    client: &Client,
    wallets: &mut HashMap<WalletId, WalletState>,
    needs: &BTreeMap<(AccountId, WalletId), Need<'_>>,
) -> Result<(), StorageError> {
    let owing: Vec<(&WalletName, Sequence)> = needs
        .values()
        .filter_map(|need| Some((need.name, wallets.get(&need.name.wallet_id)?)))
        .flat_map(|(name, state)| state.spends.values().flatten().map(move |spend| (name, spend)))
        .filter(|(_, spend)| !spend.debt.is_zero())
        .map(|(name, spend)| (name, spend.entry))
        .collect();
    let (accounts, ids) = ids_of(&owing);
    let entries: Vec<i64> = owing.iter().map(|(_, entry)| entry.0).collect();
    let statement = client.prepare_cached(NAMED_DEBTS).await?;
    for row in client.query(&statement, &[&accounts, &ids, &entries]).await? {
        let mut columns = Columns::of(&row);
        let wallet = WalletId::from_uuid(columns.take()?);
        let debt = row::debt(&mut columns)?;
        if let Some(state) = wallets.get_mut(&wallet) {
            state.debts.insert(debt.entry, debt);
        }
    }
    for state in wallets.values() {
        for spend in state.spends.values().flatten() {
            if !spend.debt.is_zero() && !state.debts.contains_key(&spend.entry) {
                let entry = spend.entry;
                return Err(StorageError::Corrupt(format!("the debt of entry {entry} is lost")));
            }
        }
    }
    Ok(())
}
