//! Entries with their allocations: appended, never changed.

use postgres_types::ToSql;
use purse_domain::{Entry, EntryHash, TransactionId, WalletName};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::together::Row;
use crate::row::{self, Expiry, Instant};

/// A row of `entries`.
#[derive(Debug, ToSql)]
#[postgres(name = "entry_row")]
pub(super) struct EntryRow {
    account_id: Uuid,
    wallet_id: Uuid,
    sequence: i64,
    effective_at: Instant,
    recorded_at: Instant,
    transaction_id: Option<Uuid>,
    kind: i16,
    amount: Decimal,
    balance_before: Decimal,
    available_after: Decimal,
    held_after: Decimal,
    debt_after: Decimal,
    scheduled_after: Decimal,
    grant_numbers: Vec<i32>,
    grant_amounts: Vec<Decimal>,
    debt_entries: Option<Vec<i64>>,
    debt_amounts: Option<Vec<Decimal>>,
    hold_number: Option<i32>,
    about: Option<i64>,
    hash: Vec<u8>,
    expires_at_before: Option<Expiry>,
    expires_at_after: Option<Expiry>,
}

impl Row for EntryRow {
    const STATEMENT: &'static str = "
        INSERT INTO entries (account_id, wallet_id, sequence, effective_at, recorded_at,
            transaction_id, kind, amount, balance_before, available_after, held_after,
            debt_after, scheduled_after, grant_numbers, grant_amounts, debt_entries,
            debt_amounts, hold_number, about, hash, expires_at_before, expires_at_after)
        SELECT r.* FROM unnest($1::entry_row[]) AS r";
}

impl EntryRow {
    /// `owner` is the transaction; time alone has none.
    pub(super) fn new(
        name: &WalletName,
        entry: &Entry,
        hash: &EntryHash,
        owner: Option<TransactionId>,
    ) -> Self {
        let Entry {
            sequence,
            kind,
            amount,
            balance_before,
            after,
            effective_at,
            recorded_at,
            allocations,
            debts,
            hold,
            about,
            expiry,
        } = entry;
        let some = !debts.is_empty();
        Self {
            account_id: name.account_id.uuid(),
            wallet_id: name.wallet_id.uuid(),
            sequence: sequence.0,
            effective_at: Instant(*effective_at),
            recorded_at: Instant(*recorded_at),
            transaction_id: owner.map(TransactionId::uuid),
            kind: row::entry_kind_code(*kind),
            amount: amount.decimal(),
            balance_before: balance_before.decimal(),
            available_after: after.available.decimal(),
            held_after: after.held.decimal(),
            debt_after: after.debt.decimal(),
            scheduled_after: after.scheduled.decimal(),
            grant_numbers: allocations.iter().map(|part| part.grant.0).collect(),
            grant_amounts: allocations.iter().map(|part| part.amount.decimal()).collect(),
            debt_entries: some.then(|| debts.iter().map(|part| part.entry.0).collect()),
            debt_amounts: some.then(|| debts.iter().map(|part| part.amount.decimal()).collect()),
            hold_number: hold.map(|number| number.0),
            about: about.map(|undone| undone.0),
            hash: hash.as_bytes().to_vec(),
            expires_at_before: expiry.map(|change| Expiry(change.from)),
            expires_at_after: expiry.map(|change| Expiry(change.to)),
        }
    }
}
