//! Grants: new ones, the parts of those that changed, and places in the drawdown order.

use std::collections::BTreeMap;

use purse_domain::{
    AccountId, Decision, DrawdownKey, Grant, GrantNumber, OperationName, TransactionId, WalletId,
    WalletName, WalletState,
};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::columns::columns;
use crate::row::Instant;

type GrantId = (AccountId, WalletId, GrantNumber);

/// The grants of a batch as they are at its end.
#[derive(Debug, Default)]
pub(super) struct Grants {
    changed: BTreeMap<GrantId, Grant>,
    new: BTreeMap<GrantId, New>,
    moved: BTreeMap<GrantId, DrawdownKey>,
}

#[derive(Debug)]
struct New {
    transaction: TransactionId,
    place: DrawdownKey,
}

impl Grants {
    pub(super) fn add(
        &mut self,
        name: &WalletName,
        decision: &Decision,
        transaction: TransactionId,
        after: &WalletState,
    ) {
        let id = |grant: &Grant| (name.account_id, name.wallet_id, grant.number);
        for grant in decision.grants.values() {
            self.changed.insert(id(grant), grant.clone());
        }
        if let Some(grant) = decision.made_grant() {
            let place = DrawdownKey::of(after.settings.drawdown_policy, grant);
            self.new.insert(id(grant), New { transaction, place });
        }
        if decision.settings.is_some() {
            // The policy may have changed; then all open grants are held, at their new places.
            for (place, grant) in after.grants.iter().filter(|(_, grant)| grant.is_open()) {
                match self.new.get_mut(&id(grant)) {
                    Some(new) => new.place = *place,
                    None => drop(self.moved.insert(id(grant), *place)),
                }
            }
        }
    }

    /// As rows: those that changed, new ones, and places.
    pub(super) fn rows(&self) -> (ChangedGrants, NewGrants, Places) {
        let mut updates = ChangedGrants::default();
        let mut inserts = NewGrants::default();
        let mut places = Places::default();
        for (id, grant) in &self.changed {
            match self.new.get(id) {
                Some(new) => inserts.add(*id, grant, new),
                None => updates.add(*id, grant),
            }
        }
        for (id, place) in &self.moved {
            places.add(*id, place);
        }
        (updates, inserts, places)
    }
}

columns!(
    /// What can change of a grant. A spend changes no indexed column unless it uses the grant up, so the
    /// update stays on its page.
    ChangedGrants,
    "UPDATE grants AS g
     SET activated = u.activated,
         expired_at = u.expired_at,
         available = u.available,
         held = u.held,
         consumed = u.consumed,
         expired = u.expired,
         voided = u.voided,
         revoked = u.revoked,
         transferred_out = u.transferred_out,
         open = u.open,
         due_at = u.due_at
     FROM unnest($1::UUID[], $2::UUID[], $3::INTEGER[], $4::BOOLEAN[], $5::TIMESTAMPTZ[],
         $6::NUMERIC[], $7::NUMERIC[], $8::NUMERIC[], $9::NUMERIC[], $10::NUMERIC[],
         $11::NUMERIC[], $12::NUMERIC[], $13::BOOLEAN[], $14::TIMESTAMPTZ[])
     AS u (account_id, wallet_id, grant_number, activated, expired_at, available, held, consumed,
         expired, voided, revoked, transferred_out, open, due_at)
     WHERE g.account_id = u.account_id AND g.wallet_id = u.wallet_id
         AND g.grant_number = u.grant_number",
    {
        account_id: Uuid,
        wallet_id: Uuid,
        grant_number: i32,
        activated: bool,
        expired_at: Option<Instant>,
        available: Decimal,
        held: Decimal,
        consumed: Decimal,
        expired: Decimal,
        voided: Decimal,
        revoked: Decimal,
        transferred_out: Decimal,
        open: bool,
        due_at: Option<Instant>,
    }
);

impl ChangedGrants {
    fn add(&mut self, (account, wallet, number): GrantId, grant: &Grant) {
        let parts = &grant.parts;
        self.account_id.push(account.uuid());
        self.wallet_id.push(wallet.uuid());
        self.grant_number.push(number.0);
        self.activated.push(grant.activated);
        self.expired_at.push(grant.expired_at.map(Instant));
        self.available.push(parts.available.decimal());
        self.held.push(parts.held.decimal());
        self.consumed.push(parts.consumed.decimal());
        self.expired.push(parts.expired.decimal());
        self.voided.push(parts.voided.decimal());
        self.revoked.push(parts.revoked.decimal());
        self.transferred_out.push(parts.transferred_out.decimal());
        self.open.push(grant.is_open());
        self.due_at.push(grant.due_at().map(Instant));
    }
}

columns!(
    /// Grants that were made in this batch. Arrays of arrays do not unnest, so `applies_to` travels as
    /// text; codes hold no comma.
    NewGrants,
    "INSERT INTO grants (account_id, wallet_id, grant_number, transaction_id, granted_at, amount,
         effective_at, expires_at, priority, category, cost_basis, applies_to, activated,
         expired_at, available, held, consumed, expired, voided, revoked, transferred_out, open,
         due_at, drawdown_key)
     SELECT account_id, wallet_id, grant_number, transaction_id, granted_at, amount,
         effective_at, expires_at, priority, category, cost_basis,
         string_to_array(applies_to, ','), activated,
         expired_at, available, held, consumed, expired, voided, revoked, transferred_out, open,
         due_at, drawdown_key
     FROM unnest($1::UUID[], $2::UUID[], $3::INTEGER[], $4::UUID[], $5::TIMESTAMPTZ[],
         $6::NUMERIC[], $7::TIMESTAMPTZ[], $8::TIMESTAMPTZ[], $9::INTEGER[], $10::TEXT[],
         $11::NUMERIC[], $12::TEXT[], $13::BOOLEAN[], $14::TIMESTAMPTZ[], $15::NUMERIC[],
         $16::NUMERIC[], $17::NUMERIC[], $18::NUMERIC[], $19::NUMERIC[], $20::NUMERIC[],
         $21::NUMERIC[], $22::BOOLEAN[], $23::TIMESTAMPTZ[], $24::BYTEA[])
     AS u (account_id, wallet_id, grant_number, transaction_id, granted_at, amount,
         effective_at, expires_at, priority, category, cost_basis, applies_to, activated,
         expired_at, available, held, consumed, expired, voided, revoked, transferred_out, open,
         due_at, drawdown_key)",
    {
        account_id: Uuid,
        wallet_id: Uuid,
        grant_number: i32,
        transaction_id: Uuid,
        granted_at: Instant,
        amount: Decimal,
        effective_at: Instant,
        expires_at: Option<Instant>,
        priority: i32,
        category: String,
        cost_basis: Decimal,
        applies_to: String,
        activated: bool,
        expired_at: Option<Instant>,
        available: Decimal,
        held: Decimal,
        consumed: Decimal,
        expired: Decimal,
        voided: Decimal,
        revoked: Decimal,
        transferred_out: Decimal,
        open: bool,
        due_at: Option<Instant>,
        drawdown_key: Vec<u8>,
    }
);

impl NewGrants {
    fn add(&mut self, (account, wallet, number): GrantId, grant: &Grant, new: &New) {
        let (terms, parts) = (&grant.terms, &grant.parts);
        let operations: Vec<&str> = terms.applies_to.iter().map(OperationName::as_str).collect();
        self.account_id.push(account.uuid());
        self.wallet_id.push(wallet.uuid());
        self.grant_number.push(number.0);
        self.transaction_id.push(new.transaction.uuid());
        self.granted_at.push(Instant(grant.granted_at));
        self.amount.push(terms.amount.get().decimal());
        self.effective_at.push(Instant(terms.window.effective_at()));
        self.expires_at.push(terms.window.expires_at().map(Instant));
        self.priority.push(terms.priority.get());
        self.category.push(terms.category.as_str().to_owned());
        self.cost_basis.push(terms.cost_basis.decimal());
        self.applies_to.push(operations.join(","));
        self.activated.push(grant.activated);
        self.expired_at.push(grant.expired_at.map(Instant));
        self.available.push(parts.available.decimal());
        self.held.push(parts.held.decimal());
        self.consumed.push(parts.consumed.decimal());
        self.expired.push(parts.expired.decimal());
        self.voided.push(parts.voided.decimal());
        self.revoked.push(parts.revoked.decimal());
        self.transferred_out.push(parts.transferred_out.decimal());
        self.open.push(grant.is_open());
        self.due_at.push(grant.due_at().map(Instant));
        self.drawdown_key.push(new.place.as_bytes().to_vec());
    }
}

columns!(
    /// New places in the drawdown order, after a change of policy.
    Places,
    "UPDATE grants AS g
     SET drawdown_key = u.drawdown_key
     FROM unnest($1::UUID[], $2::UUID[], $3::INTEGER[], $4::BYTEA[])
     AS u (account_id, wallet_id, grant_number, drawdown_key)
     WHERE g.account_id = u.account_id AND g.wallet_id = u.wallet_id
         AND g.grant_number = u.grant_number",
    {
        account_id: Uuid,
        wallet_id: Uuid,
        grant_number: i32,
        drawdown_key: Vec<u8>,
    }
);

impl Places {
    fn add(&mut self, (account, wallet, number): GrantId, place: &DrawdownKey) {
        self.account_id.push(account.uuid());
        self.wallet_id.push(wallet.uuid());
        self.grant_number.push(number.0);
        self.drawdown_key.push(place.as_bytes().to_vec());
    }
}
