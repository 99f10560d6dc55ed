//! Entries and their allocations: appended, never changed.

use purse_domain::{Entry, TransactionId, WalletName};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::columns::columns;
use crate::row::{self, Instant};

columns!(
    /// Rows of `entries`.
    Entries,
    "INSERT INTO entries (account_id, wallet_id, sequence, effective_at, recorded_at,
         transaction_id, kind, amount, balance_before, available_after, held_after, debt_after,
         scheduled_after)
     SELECT *
     FROM unnest($1::UUID[], $2::UUID[], $3::BIGINT[], $4::TIMESTAMPTZ[], $5::TIMESTAMPTZ[],
         $6::UUID[], $7::SMALLINT[], $8::NUMERIC[], $9::NUMERIC[], $10::NUMERIC[], $11::NUMERIC[],
         $12::NUMERIC[], $13::NUMERIC[])",
    {
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
    }
);

impl Entries {
    /// `owner` is the transaction; time alone has none.
    pub(super) fn add(&mut self, name: &WalletName, entry: &Entry, owner: Option<TransactionId>) {
        self.account_id.push(name.account_id.uuid());
        self.wallet_id.push(name.wallet_id.uuid());
        self.sequence.push(entry.sequence.0);
        self.effective_at.push(Instant(entry.effective_at));
        self.recorded_at.push(Instant(entry.recorded_at));
        self.transaction_id.push(owner.map(TransactionId::uuid));
        self.kind.push(row::entry_kind_code(entry.kind));
        self.amount.push(entry.amount.decimal());
        self.balance_before.push(entry.balance_before.decimal());
        self.available_after.push(entry.after.available.decimal());
        self.held_after.push(entry.after.held.decimal());
        self.debt_after.push(entry.after.debt.decimal());
        self.scheduled_after.push(entry.after.scheduled.decimal());
    }
}

columns!(
    /// Rows of `allocations`.
    Allocations,
    "INSERT INTO allocations (account_id, wallet_id, sequence, ordinal, grant_number, amount)
     SELECT *
     FROM unnest($1::UUID[], $2::UUID[], $3::BIGINT[], $4::INTEGER[], $5::INTEGER[],
         $6::NUMERIC[])",
    {
        account_id: Uuid,
        wallet_id: Uuid,
        sequence: i64,
        ordinal: i32,
        grant_number: i32,
        amount: Decimal,
    }
);

impl Allocations {
    pub(super) fn add(&mut self, name: &WalletName, entry: &Entry) {
        for (ordinal, allocation) in (1..).zip(&entry.allocations) {
            self.account_id.push(name.account_id.uuid());
            self.wallet_id.push(name.wallet_id.uuid());
            self.sequence.push(entry.sequence.0);
            self.ordinal.push(ordinal);
            self.grant_number.push(allocation.grant.0);
            self.amount.push(allocation.amount.decimal());
        }
    }
}
