//! A grant: credits with a window, and where they have gone.

use std::sync::Arc;

use crate::{
    Amount, EntryKind, ExpiryChange, GrantNumber, GrantTerms, LeadTimes, OperationName, Timestamp,
    Window, amount::CostBasis, draft::earliest,
};

/// Lower numbers are drawn first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(i32);

impl Priority {
    /// The priority of a grant whose request names none.
    pub const DEFAULT: Self = Self(100);
    /// Far more steps than any plan has, far from the ends of the integer.
    const LIMIT: i32 = 1_000_000;

    /// `None` outside of −1,000,000 to 1,000,000.
    pub fn new(priority: i32) -> Option<Self> {
        (-Self::LIMIT..=Self::LIMIT).contains(&priority).then_some(Self(priority))
    }

    /// The number.
    pub fn get(self) -> i32 {
        self.0
    }
}

/// Where a grant's amount is: the seven parts always sum to it (invariant 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrantParts {
    /// Can be spent, or will be once the grant is effective.
    pub available: Amount,
    /// Set aside by open holds.
    pub held: Amount,
    /// Taken by spends and debts, and not given back.
    pub consumed: Amount,
    /// Left when the grant expired.
    pub expired: Amount,
    /// Taken by a void.
    pub voided: Amount,
    /// Taken back because the funding was refunded.
    pub revoked: Amount,
    /// Moved to other wallets.
    pub transferred_out: Amount,
}

/// A part of a grant's amount, as [`GrantParts`] has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Can be spent, or will be once the grant is effective.
    Available,
    /// Set aside.
    Held,
    /// Taken by spends and debts.
    Consumed,
    /// Left at the end.
    Expired,
    /// Taken by a void.
    Voided,
    /// Taken back with the funding.
    Revoked,
    /// Moved to other wallets.
    TransferredOut,
}

impl GrantParts {
    fn part_mut(&mut self, part: Part) -> &mut Amount {
        match part {
            Part::Available => &mut self.available,
            Part::Held => &mut self.held,
            Part::Consumed => &mut self.consumed,
            Part::Expired => &mut self.expired,
            Part::Voided => &mut self.voided,
            Part::Revoked => &mut self.revoked,
            Part::TransferredOut => &mut self.transferred_out,
        }
    }

    /// A grant as it is made: all of it available.
    pub fn of(amount: Amount) -> Self {
        Self {
            available: amount,
            held: Amount::ZERO,
            consumed: Amount::ZERO,
            expired: Amount::ZERO,
            voided: Amount::ZERO,
            revoked: Amount::ZERO,
            transferred_out: Amount::ZERO,
        }
    }

    /// Whether more was taken from a part than there was.
    pub fn is_overdrawn(&self) -> bool {
        let Self { available, held, consumed, expired, voided, revoked, transferred_out } = *self;
        [available, held, consumed, expired, voided, revoked, transferred_out]
            .into_iter()
            .any(Amount::is_overdrawn)
    }

    /// What the parts sum to: the grant's amount.
    pub fn total(&self) -> Amount {
        let Self { available, held, consumed, expired, voided, revoked, transferred_out } = *self;
        [available, held, consumed, expired, voided, revoked, transferred_out].into_iter().sum()
    }
}

/// What a grant is at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantStatus {
    /// Not effective yet.
    Scheduled,
    /// Some of it is available or held.
    Active,
    /// Nothing is left, and nothing expired, was voided or was revoked at the end: it was spent or sent to another
    /// wallet.
    UsedUp,
    /// What was left has expired.
    Expired,
    /// What was left was voided.
    Voided,
    /// What was left was revoked.
    Revoked,
}

/// Credits put in a wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The grant's number within its wallet.
    pub number: GrantNumber,
    /// What was granted, and on which terms. They never change, so copies share them.
    pub terms: Arc<GrantTerms>,
    /// When it can be spent: as it was granted, but for changes of its expiry since.
    pub window: Window,
    /// When it was recorded.
    pub granted_at: Timestamp,
    /// Whether its activation is booked, so that what is available counts in the balance.
    pub activated: bool,
    /// When what was left expired, once that is booked: `expires_at`, or earlier by an early expiry.
    pub expired_at: Option<Timestamp>,
    /// Where the amount is.
    pub parts: GrantParts,
    /// Whether it came from another wallet: then it was not here before it was recorded, whenever its window
    /// began.
    pub transferred_in: bool,
    /// The part of what expired that could be spent until then. Late usage may take it back, and not what came
    /// back from a hold or by a reversal when the grant had ended already.
    pub lost: Amount,
}

impl Grant {
    /// A grant as it is made. One whose window has not begun is scheduled.
    pub fn made(
        number: GrantNumber,
        terms: impl Into<Arc<GrantTerms>>,
        granted_at: Timestamp,
    ) -> Self {
        let terms = terms.into();
        let window = terms.granted_window;
        Self {
            number,
            window,
            granted_at,
            activated: window.has_begun(granted_at),
            expired_at: None,
            parts: GrantParts::of(terms.amount.get()),
            transferred_in: false,
            lost: Amount::ZERO,
            terms,
        }
    }

    /// Whether the grant could be drawn in this wallet at an instant, as far as its beginning goes.
    pub fn had_begun(&self, at: Timestamp) -> bool {
        self.window.has_begun(at) && (!self.transferred_in || self.granted_at <= at)
    }

    /// Whether the grant can still change by a spend or by time.
    pub fn is_open(&self) -> bool {
        !self.parts.available.is_zero() || !self.parts.held.is_zero()
    }

    /// Whether an operation may draw the grant.
    pub fn applies_to(&self, operation: Option<&OperationName>) -> bool {
        self.terms.applies_to.is_empty()
            || operation.is_some_and(|operation| self.terms.applies_to.contains(operation))
    }

    /// Whether the credits cost nothing.
    pub fn is_free(&self) -> bool {
        self.terms.cost_basis == CostBasis::ZERO
    }

    /// The next instant after `settled_to` at which time alone changes the grant or announces that it expires
    /// soon, with these leads.
    pub fn due_at(&self, leads: &LeadTimes, settled_to: Timestamp) -> Option<Timestamp> {
        if self.parts.available.is_zero() {
            None
        } else if self.activated {
            let announced = leads.announcements(self).map(|(at, _)| at);
            let announced = announced.filter(|at| *at > settled_to).min();
            earliest(self.window.expires_at(), announced)
        } else {
            Some(self.window.effective_at())
        }
    }

    /// When its time is over: at the end of its window, or earlier by an early expiry. A void ends nothing
    /// but what was left then.
    pub fn ends_at(&self) -> Option<Timestamp> {
        earliest(self.expired_at, self.window.expires_at())
    }

    /// Gives its window another end. `false`: it has another one than the change is from, or cannot have that one.
    pub(crate) fn change_expiry(&mut self, change: ExpiryChange) -> bool {
        let ExpiryChange { from, to } = change;
        match self.window.ending(to) {
            Ok(window) if self.window.expires_at() == from => {
                self.window = window;
                true
            }
            Ok(_) | Err(_) => false,
        }
    }

    /// Whether the grant had ended by an instant, so that what comes back cannot stay.
    pub fn has_ended(&self, at: Timestamp) -> bool {
        self.ends_at().is_some_and(|ends_at| ends_at <= at)
    }

    /// What the grant is now that all that is due by `now` is booked.
    pub fn status(&self) -> GrantStatus {
        let Self { parts, .. } = self;
        if self.is_open() {
            if self.activated { GrantStatus::Active } else { GrantStatus::Scheduled }
        } else if !parts.expired.is_zero() {
            GrantStatus::Expired
        } else if !parts.voided.is_zero() {
            GrantStatus::Voided
        } else if !parts.revoked.is_zero() {
            GrantStatus::Revoked
        } else {
            GrantStatus::UsedUp
        }
    }

    /// Moves an entry's share between the parts, as [`EntryKind::moves`] says, and notes what else follows.
    pub fn book(&mut self, kind: EntryKind, amount: Amount, effective_at: Timestamp) {
        if let Some((from, to)) = kind.moves() {
            let taken = self.parts.part_mut(from);
            *taken = *taken - amount;
            let given = self.parts.part_mut(to);
            *given = *given + amount;
        }
        match kind {
            EntryKind::Activated => self.activated = true,
            EntryKind::TransferredIn => self.transferred_in = true,
            // Its end stays where it was, however late something comes back and expires again.
            EntryKind::Expired => {
                self.expired_at = earliest(self.ends_at(), Some(effective_at));
            }
            EntryKind::Granted
            | EntryKind::ExpiryChanged
            | EntryKind::TransferredOut
            | EntryKind::Spent
            | EntryKind::Repaid
            | EntryKind::Voided
            | EntryKind::Held
            | EntryKind::Captured
            | EntryKind::Released
            | EntryKind::HoldExpired
            | EntryKind::ExpiryReversed
            | EntryKind::Reversed
            | EntryKind::Revoked
            | EntryKind::RevocationReversed => {}
        }
    }
}
