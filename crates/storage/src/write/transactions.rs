//! Transactions: one row for each accepted request.

use postgres_types::{Json, ToSql};
use purse_domain::Transaction;
use uuid::Uuid;

use super::together::Row;
use crate::row::{
    self, Instant, MetadataJson, PricingSnapshot, PurchaseSnapshot, SettingsSnapshot,
};

/// A row of `transactions`.
#[derive(Debug, ToSql)]
#[postgres(name = "transaction_row")]
pub(super) struct TransactionRow {
    account_id: Uuid,
    transaction_id: Uuid,
    wallet_id: Uuid,
    kind: i16,
    idempotency_key: Option<String>,
    fingerprint: Vec<u8>,
    operation: Option<String>,
    actor: String,
    reason: String,
    metadata: Option<MetadataJson>,
    drawdown_policy: i16,
    policy_version: i16,
    recorded_at: Instant,
    first_sequence: Option<i64>,
    last_sequence: Option<i64>,
    grant_number: Option<i32>,
    settings: Option<Json<SettingsSnapshot>>,
    hold_number: Option<i32>,
    hold_expires_at: Option<Instant>,
    after_sequence: i64,
    counterparty: Option<String>,
    pricing: Option<Json<PricingSnapshot>>,
    purchase: Option<Json<PurchaseSnapshot>>,
}

impl Row for TransactionRow {
    const STATEMENT: &'static str = "
        INSERT INTO transactions (account_id, transaction_id, wallet_id, kind, idempotency_key,
            fingerprint, operation, actor, reason, metadata, drawdown_policy, policy_version,
            recorded_at, first_sequence, last_sequence, grant_number, settings,
            hold_number, hold_expires_at, after_sequence, counterparty, pricing, purchase)
        SELECT r.* FROM unnest($1::transaction_row[]) AS r";
}

impl TransactionRow {
    pub(super) fn new(transaction: &Transaction) -> Self {
        let Transaction {
            id,
            wallet,
            kind,
            key,
            fingerprint,
            counterparty,
            operation,
            pricing,
            purchase,
            actor,
            reason,
            metadata,
            drawdown_policy,
            policy_version,
            recorded_at,
            entries,
            balances: _,
            after_sequence,
            settings,
            grants,
            hold,
        } = transaction;
        Self {
            account_id: wallet.account_id.uuid(),
            transaction_id: id.uuid(),
            wallet_id: wallet.wallet_id.uuid(),
            kind: row::transaction_kind_code(*kind),
            idempotency_key: key.as_ref().map(|key| key.as_str().to_owned()),
            fingerprint: fingerprint.as_bytes().to_vec(),
            operation: operation.as_ref().map(|name| name.as_str().to_owned()),
            actor: actor.as_str().to_owned(),
            reason: reason.as_str().to_owned(),
            metadata: row::metadata_json(metadata),
            drawdown_policy: row::policy_code(*drawdown_policy),
            policy_version: *policy_version,
            recorded_at: Instant(*recorded_at),
            first_sequence: entries.first().map(|entry| entry.sequence.0),
            last_sequence: entries.last().map(|entry| entry.sequence.0),
            grant_number: grants.first().map(|grant| grant.number.0),
            settings: settings.as_ref().map(|settings| Json(SettingsSnapshot::of(settings))),
            hold_number: hold.as_ref().map(|hold| hold.number.0),
            hold_expires_at: hold.as_ref().map(|hold| Instant(hold.expires_at)),
            after_sequence: after_sequence.0,
            counterparty: counterparty.as_ref().map(|name| name.as_str().to_owned()),
            pricing: pricing.as_ref().map(|pricing| Json(PricingSnapshot::of(pricing))),
            purchase: purchase.as_ref().map(|purchase| Json(PurchaseSnapshot::of(purchase))),
        }
    }
}
