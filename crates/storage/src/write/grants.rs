//! Grants: new ones, the parts of those that changed, and places in the drawdown order.

use std::collections::{BTreeMap, BTreeSet};

use postgres_types::ToSql;
use purse_domain::{
    AccountId, Decision, DrawdownKey, EntryKind, Grant, GrantNumber, GrantParts, GrantTerms,
    Timestamp, TransactionId, WalletId, WalletName, WalletState,
};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::together::Row;
use crate::row::{Expiry, Instant};

type GrantId = (AccountId, WalletId, GrantNumber);

/// The grants of a batch as they are at its end.
#[derive(Debug, Default)]
pub(super) struct Grants {
    /// With the next instant at which time alone does something with it.
    changed: BTreeMap<GrantId, (Grant, Option<Timestamp>)>,
    new: BTreeMap<GrantId, New>,
    moved: BTreeMap<GrantId, GrantPlace>,
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
        transaction: Option<TransactionId>,
        after: &WalletState,
    ) {
        let id = |grant: &Grant| (name.account_id, name.wallet_id, grant.number);
        for grant in decision.grants.values() {
            self.changed.insert(id(grant), (grant.clone(), after.due_at(grant)));
        }
        // Time alone makes none.
        if let Some(transaction) = transaction {
            for grant in decision.made_grants() {
                let place = DrawdownKey::of(after.settings.drawdown_policy, grant);
                self.new.insert(id(grant), New { transaction, place });
            }
        }
        // A grant that has ended keeps the place that it had then, and the policy may have changed since.
        let moving = decision.entries.iter().filter(|entry| may_move(entry.kind));
        let moving: BTreeSet<GrantNumber> =
            moving.flat_map(|entry| &entry.allocations).map(|part| part.grant).collect();
        let may_move = |grant: &Grant| grant.is_open() && moving.contains(&grant.number);
        for (place, grant) in decision.grants.iter().filter(|(_, grant)| may_move(grant)) {
            self.move_to(id(grant), *place, grant);
        }
        if decision.settings.is_some() {
            // The policy may have changed; then all open grants are held, at their new places.
            for (place, grant) in after.grants.iter().filter(|(_, grant)| grant.is_open()) {
                self.move_to(id(grant), *place, grant);
            }
        }
    }

    fn move_to(&mut self, id: GrantId, place: DrawdownKey, grant: &Grant) {
        match self.new.get_mut(&id) {
            Some(new) => new.place = place,
            None => drop(self.moved.insert(id, GrantPlace::new(id, &place, grant))),
        }
    }

    /// As rows: those that changed, new ones, and places.
    pub(super) fn rows(self) -> (Vec<GrantChange>, Vec<GrantRow>, Vec<GrantPlace>) {
        let (mut changes, mut new) = (Vec::new(), Vec::new());
        for (id, (grant, due_at)) in &self.changed {
            match self.new.get(id) {
                Some(made) => new.push(GrantRow::new(*id, grant, *due_at, made)),
                None => changes.push(GrantChange::new(*id, grant, *due_at)),
            }
        }
        (changes, new, self.moved.into_values().collect())
    }
}

/// Whether an entry of a kind gives its grants another end, or may give credits to one that had nothing left.
fn may_move(kind: EntryKind) -> bool {
    match kind {
        EntryKind::ExpiryChanged | EntryKind::Reversed | EntryKind::RevocationReversed => true,
        // What late usage takes back from expiry it spends, and what was held was open.
        EntryKind::Granted
        | EntryKind::Activated
        | EntryKind::Expired
        | EntryKind::Spent
        | EntryKind::Voided
        | EntryKind::ExpiryReversed
        | EntryKind::Repaid
        | EntryKind::Held
        | EntryKind::Captured
        | EntryKind::Released
        | EntryKind::HoldExpired
        | EntryKind::Revoked
        | EntryKind::TransferredOut
        | EntryKind::TransferredIn => false,
    }
}

/// What can change of a grant. A spend changes no indexed column unless it uses the grant up, so the update
/// stays on its page.
#[derive(Debug, ToSql)]
#[postgres(name = "grant_change")]
pub(super) struct GrantChange {
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
    lost: Decimal,
}

impl Row for GrantChange {
    const STATEMENT: &'static str = "
        UPDATE grants AS g
        SET activated = r.activated,
            expired_at = r.expired_at,
            available = r.available,
            held = r.held,
            consumed = r.consumed,
            expired = r.expired,
            voided = r.voided,
            revoked = r.revoked,
            transferred_out = r.transferred_out,
            open = r.open,
            due_at = r.due_at,
            lost = r.lost
        FROM unnest($1::grant_change[]) AS r
        WHERE g.account_id = r.account_id AND g.wallet_id = r.wallet_id
            AND g.grant_number = r.grant_number";
}

impl GrantChange {
    fn new((account, wallet, number): GrantId, grant: &Grant, due_at: Option<Timestamp>) -> Self {
        let GrantParts { available, held, consumed, expired, voided, revoked, transferred_out } =
            &grant.parts;
        Self {
            account_id: account.uuid(),
            wallet_id: wallet.uuid(),
            grant_number: number.0,
            activated: grant.activated,
            expired_at: grant.expired_at.map(Instant),
            available: available.decimal(),
            held: held.decimal(),
            consumed: consumed.decimal(),
            expired: expired.decimal(),
            voided: voided.decimal(),
            revoked: revoked.decimal(),
            transferred_out: transferred_out.decimal(),
            open: grant.is_open(),
            due_at: due_at.map(Instant),
            lost: grant.lost.decimal(),
        }
    }
}

/// A row of `grants`.
#[derive(Debug, ToSql)]
#[postgres(name = "grant_row")]
pub(super) struct GrantRow {
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
    applies_to: Vec<String>,
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
    lost: Decimal,
    funding_ref: Option<String>,
    transferred_in: bool,
    granted_expires_at: Option<Expiry>,
}

impl Row for GrantRow {
    const STATEMENT: &'static str = "
        INSERT INTO grants (account_id, wallet_id, grant_number, transaction_id, granted_at,
            amount, effective_at, expires_at, priority, category, cost_basis, applies_to,
            activated, expired_at, available, held, consumed, expired, voided, revoked,
            transferred_out, open, due_at, drawdown_key, lost, funding_ref,
            transferred_in, granted_expires_at)
        SELECT r.* FROM unnest($1::grant_row[]) AS r";
}

impl GrantRow {
    fn new(
        (account, wallet, number): GrantId,
        grant: &Grant,
        due_at: Option<Timestamp>,
        new: &New,
    ) -> Self {
        let GrantTerms {
            amount,
            granted_window: _,
            priority,
            category,
            cost_basis,
            applies_to,
            funding_ref,
        } = &*grant.terms;
        let GrantParts { available, held, consumed, expired, voided, revoked, transferred_out } =
            &grant.parts;
        Self {
            account_id: account.uuid(),
            wallet_id: wallet.uuid(),
            grant_number: number.0,
            transaction_id: new.transaction.uuid(),
            granted_at: Instant(grant.granted_at),
            amount: amount.get().decimal(),
            effective_at: Instant(grant.window.effective_at()),
            expires_at: grant.window.expires_at().map(Instant),
            priority: priority.get(),
            category: category.as_str().to_owned(),
            cost_basis: cost_basis.decimal(),
            applies_to: applies_to.iter().map(|name| name.as_str().to_owned()).collect(),
            activated: grant.activated,
            expired_at: grant.expired_at.map(Instant),
            available: available.decimal(),
            held: held.decimal(),
            consumed: consumed.decimal(),
            expired: expired.decimal(),
            voided: voided.decimal(),
            revoked: revoked.decimal(),
            transferred_out: transferred_out.decimal(),
            open: grant.is_open(),
            due_at: due_at.map(Instant),
            drawdown_key: new.place.as_bytes().to_vec(),
            lost: grant.lost.decimal(),
            funding_ref: funding_ref.as_ref().map(|name| name.as_str().to_owned()),
            transferred_in: grant.transferred_in,
            granted_expires_at: granted_expiry(grant),
        }
    }
}

/// The end that the grant was made with, if it has another one now.
fn granted_expiry(grant: &Grant) -> Option<Expiry> {
    let granted = grant.terms.granted_window;
    (granted != grant.window).then(|| Expiry(granted.expires_at()))
}

/// A new place in the drawdown order, after a change of policy or of the grant's expiry.
#[derive(Debug, ToSql)]
#[postgres(name = "grant_place")]
pub(super) struct GrantPlace {
    account_id: Uuid,
    wallet_id: Uuid,
    grant_number: i32,
    drawdown_key: Vec<u8>,
    expires_at: Option<Instant>,
    granted_expires_at: Option<Expiry>,
}

impl Row for GrantPlace {
    const STATEMENT: &'static str = "
        UPDATE grants AS g
        SET drawdown_key = r.drawdown_key,
            expires_at = r.expires_at,
            granted_expires_at = r.granted_expires_at
        FROM unnest($1::grant_place[]) AS r
        WHERE g.account_id = r.account_id AND g.wallet_id = r.wallet_id
            AND g.grant_number = r.grant_number";
}

impl GrantPlace {
    fn new((account, wallet, number): GrantId, place: &DrawdownKey, grant: &Grant) -> Self {
        Self {
            account_id: account.uuid(),
            wallet_id: wallet.uuid(),
            grant_number: number.0,
            drawdown_key: place.as_bytes().to_vec(),
            expires_at: grant.window.expires_at().map(Instant),
            granted_expires_at: granted_expiry(grant),
        }
    }
}
