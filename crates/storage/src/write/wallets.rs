//! Wallets: new ones, the heads of those that moved, and changed settings.

use std::{collections::BTreeMap, sync::Arc};

use purse_domain::{AccountId, Decision, Head, WalletId, WalletSettings, WalletState};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::columns::columns;
use crate::row::{self, Instant};

/// The wallets of a batch as they are at its end.
#[derive(Debug, Default)]
pub(super) struct Wallets {
    touched: BTreeMap<(AccountId, WalletId), Touched>,
}

#[derive(Debug)]
struct Touched {
    is_new: bool,
    has_new_settings: bool,
    after: (Arc<WalletSettings>, Head),
}

impl Wallets {
    pub(super) fn add(&mut self, existed: bool, decision: &Decision, after: &WalletState) {
        let name = &after.settings.name;
        let after = (Arc::clone(&after.settings), after.head);
        let has_new_settings = existed && decision.settings.is_some();
        self.touched
            .entry((name.account_id, name.wallet_id))
            .and_modify(|touched| {
                touched.after = after.clone();
                touched.has_new_settings |= has_new_settings;
            })
            .or_insert_with(|| Touched {
                is_new: !existed,
                has_new_settings,
                after: after.clone(),
            });
    }

    /// As rows: the heads of those that were there before, new ones, and changed settings.
    pub(super) fn rows(&self) -> (Heads, NewWallets, ChangedSettings) {
        let mut heads = Heads::default();
        let mut new = NewWallets::default();
        let mut changed = ChangedSettings::default();
        for Touched { is_new, has_new_settings, after: (settings, head) } in self.touched.values() {
            if *is_new {
                new.add(settings, head);
            } else {
                heads.add(settings, head);
                if *has_new_settings {
                    changed.add(settings);
                }
            }
        }
        (heads, new, changed)
    }
}

columns!(
    /// Heads of wallets that were there before.
    Heads,
    "UPDATE wallets AS w
     SET available = u.available,
         held = u.held,
         debt = u.debt,
         scheduled = u.scheduled,
         last_sequence = u.last_sequence,
         last_grant_number = u.last_grant_number,
         next_due_at = u.next_due_at,
         recorded_at = u.recorded_at
     FROM unnest($1::UUID[], $2::UUID[], $3::NUMERIC[], $4::NUMERIC[], $5::NUMERIC[],
         $6::NUMERIC[], $7::BIGINT[], $8::INTEGER[], $9::TIMESTAMPTZ[], $10::TIMESTAMPTZ[])
     AS u (account_id, wallet_id, available, held, debt, scheduled, last_sequence,
         last_grant_number, next_due_at, recorded_at)
     WHERE w.account_id = u.account_id AND w.wallet_id = u.wallet_id",
    {
        account_id: Uuid,
        wallet_id: Uuid,
        available: Decimal,
        held: Decimal,
        debt: Decimal,
        scheduled: Decimal,
        last_sequence: i64,
        last_grant_number: i32,
        next_due_at: Option<Instant>,
        recorded_at: Instant,
    }
);

impl Heads {
    fn add(&mut self, settings: &WalletSettings, head: &Head) {
        let Head { balances, last_sequence, last_grant_number, next_due_at, recorded_at } = head;
        self.account_id.push(settings.name.account_id.uuid());
        self.wallet_id.push(settings.name.wallet_id.uuid());
        self.available.push(balances.available.decimal());
        self.held.push(balances.held.decimal());
        self.debt.push(balances.debt.decimal());
        self.scheduled.push(balances.scheduled.decimal());
        self.last_sequence.push(last_sequence.0);
        self.last_grant_number.push(last_grant_number.0);
        self.next_due_at.push(next_due_at.map(Instant));
        self.recorded_at.push(Instant(*recorded_at));
    }
}

columns!(
    /// Wallets that were opened in this batch.
    NewWallets,
    "INSERT INTO wallets (account_id, wallet_id, namespace_id, account, asset, scale,
         drawdown_policy, metadata, created_at, updated_at, version, available, held, debt,
         scheduled, last_sequence, last_grant_number, next_due_at, recorded_at)
     SELECT account_id, wallet_id, namespace_id, account, asset, scale,
         drawdown_policy, metadata::JSONB, created_at, updated_at, version, available, held, debt,
         scheduled, last_sequence, last_grant_number, next_due_at, recorded_at
     FROM unnest($1::UUID[], $2::UUID[], $3::UUID[], $4::TEXT[], $5::TEXT[], $6::SMALLINT[],
         $7::SMALLINT[], $8::TEXT[], $9::TIMESTAMPTZ[], $10::TIMESTAMPTZ[], $11::BIGINT[],
         $12::NUMERIC[], $13::NUMERIC[], $14::NUMERIC[], $15::NUMERIC[], $16::BIGINT[],
         $17::INTEGER[], $18::TIMESTAMPTZ[], $19::TIMESTAMPTZ[])
     AS u (account_id, wallet_id, namespace_id, account, asset, scale,
         drawdown_policy, metadata, created_at, updated_at, version, available, held, debt,
         scheduled, last_sequence, last_grant_number, next_due_at, recorded_at)",
    {
        account_id: Uuid,
        wallet_id: Uuid,
        namespace_id: Uuid,
        account: String,
        asset: String,
        scale: i16,
        drawdown_policy: i16,
        metadata: Option<String>,
        created_at: Instant,
        updated_at: Instant,
        version: i64,
        available: Decimal,
        held: Decimal,
        debt: Decimal,
        scheduled: Decimal,
        last_sequence: i64,
        last_grant_number: i32,
        next_due_at: Option<Instant>,
        recorded_at: Instant,
    }
);

impl NewWallets {
    fn add(&mut self, settings: &WalletSettings, head: &Head) {
        let WalletSettings {
            name,
            scale,
            drawdown_policy,
            metadata,
            created_at,
            updated_at,
            version,
        } = settings;
        let Head { balances, last_sequence, last_grant_number, next_due_at, recorded_at } = head;
        self.account_id.push(name.account_id.uuid());
        self.wallet_id.push(name.wallet_id.uuid());
        self.namespace_id.push(name.namespace_id.uuid());
        self.account.push(name.account.as_str().to_owned());
        self.asset.push(name.asset.as_str().to_owned());
        self.scale.push(i16::from(scale.places()));
        self.drawdown_policy.push(row::policy_code(*drawdown_policy));
        self.metadata.push(row::metadata_json(metadata));
        self.created_at.push(Instant(*created_at));
        self.updated_at.push(Instant(*updated_at));
        self.version.push(*version);
        self.available.push(balances.available.decimal());
        self.held.push(balances.held.decimal());
        self.debt.push(balances.debt.decimal());
        self.scheduled.push(balances.scheduled.decimal());
        self.last_sequence.push(last_sequence.0);
        self.last_grant_number.push(last_grant_number.0);
        self.next_due_at.push(next_due_at.map(Instant));
        self.recorded_at.push(Instant(*recorded_at));
    }
}

columns!(
    /// Settings of wallets that were there before.
    ChangedSettings,
    "UPDATE wallets AS w
     SET drawdown_policy = u.drawdown_policy,
         metadata = u.metadata::JSONB,
         updated_at = u.updated_at,
         version = u.version
     FROM unnest($1::UUID[], $2::UUID[], $3::SMALLINT[], $4::TEXT[], $5::TIMESTAMPTZ[],
         $6::BIGINT[])
     AS u (account_id, wallet_id, drawdown_policy, metadata, updated_at, version)
     WHERE w.account_id = u.account_id AND w.wallet_id = u.wallet_id",
    {
        account_id: Uuid,
        wallet_id: Uuid,
        drawdown_policy: i16,
        metadata: Option<String>,
        updated_at: Instant,
        version: i64,
    }
);

impl ChangedSettings {
    fn add(&mut self, settings: &WalletSettings) {
        self.account_id.push(settings.name.account_id.uuid());
        self.wallet_id.push(settings.name.wallet_id.uuid());
        self.drawdown_policy.push(row::policy_code(settings.drawdown_policy));
        self.metadata.push(row::metadata_json(&settings.metadata));
        self.updated_at.push(Instant(settings.updated_at));
        self.version.push(settings.version);
    }
}
