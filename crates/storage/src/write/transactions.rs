//! Transactions: one row for each accepted request.

use purse_domain::{Transaction, WalletName};
use uuid::Uuid;

use super::columns::columns;
use crate::row::{self, Instant, SettingsSnapshot};

columns!(
    /// Rows of `transactions`.
    Transactions,
    "INSERT INTO transactions (account_id, transaction_id, wallet_id, kind, idempotency_key,
         fingerprint, operation, actor, reason, metadata, drawdown_policy, policy_version,
         recorded_at, first_sequence, last_sequence, grant_number, settings)
     SELECT account_id, transaction_id, wallet_id, kind, idempotency_key,
         fingerprint, operation, actor, reason, metadata::JSONB, drawdown_policy, policy_version,
         recorded_at, first_sequence, last_sequence, grant_number, settings::JSONB
     FROM unnest($1::UUID[], $2::UUID[], $3::UUID[], $4::SMALLINT[], $5::TEXT[],
         $6::BYTEA[], $7::TEXT[], $8::TEXT[], $9::TEXT[], $10::TEXT[], $11::SMALLINT[],
         $12::SMALLINT[], $13::TIMESTAMPTZ[], $14::BIGINT[], $15::BIGINT[], $16::INTEGER[],
         $17::TEXT[])
     AS t (account_id, transaction_id, wallet_id, kind, idempotency_key,
         fingerprint, operation, actor, reason, metadata, drawdown_policy, policy_version,
         recorded_at, first_sequence, last_sequence, grant_number, settings)",
    {
        account_id: Uuid,
        transaction_id: Uuid,
        wallet_id: Uuid,
        kind: i16,
        idempotency_key: String,
        fingerprint: Vec<u8>,
        operation: Option<String>,
        actor: String,
        reason: String,
        metadata: Option<String>,
        drawdown_policy: i16,
        policy_version: i16,
        recorded_at: Instant,
        first_sequence: Option<i64>,
        last_sequence: Option<i64>,
        grant_number: Option<i32>,
        settings: Option<String>,
    }
);

impl Transactions {
    pub(super) fn add(&mut self, name: &WalletName, transaction: &Transaction) {
        let Transaction {
            id,
            kind,
            key,
            fingerprint,
            operation,
            actor,
            reason,
            metadata,
            drawdown_policy,
            policy_version,
            recorded_at,
            entries,
            balances: _,
            settings,
            grant,
        } = transaction;
        self.account_id.push(name.account_id.uuid());
        self.transaction_id.push(id.uuid());
        self.wallet_id.push(name.wallet_id.uuid());
        self.kind.push(row::transaction_kind_code(*kind));
        self.idempotency_key.push(key.as_str().to_owned());
        self.fingerprint.push(fingerprint.as_bytes().to_vec());
        self.operation.push(operation.as_ref().map(|name| name.as_str().to_owned()));
        self.actor.push(actor.as_str().to_owned());
        self.reason.push(reason.as_str().to_owned());
        self.metadata.push(row::metadata_json(metadata));
        self.drawdown_policy.push(row::policy_code(*drawdown_policy));
        self.policy_version.push(*policy_version);
        self.recorded_at.push(Instant(*recorded_at));
        self.first_sequence.push(entries.first().map(|entry| entry.sequence.0));
        self.last_sequence.push(entries.last().map(|entry| entry.sequence.0));
        self.grant_number.push(grant.as_ref().map(|grant| grant.number.0));
        self.settings.push(settings.as_ref().map(SettingsSnapshot::json));
    }
}
