//! Drawing: what a spend or a hold may take of each grant, and why it passes over the others.
//!
//! Whoever draws goes through the grants in drawdown order and asks here, one grant after another. A decision
//! stops once nothing is lacking any more; an explanation ([`crate::explain`]) asks about the rest too.

use crate::{
    Allocation, Amount, DrawdownKey, Grant, GrantNumber, GrantParts, OperationName, Timestamp,
};

/// Why nothing was taken of a grant or, by a grant, nothing was repaid of a debt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassedOver {
    /// Its window had not begun: not yet or, for late usage, not when that happened.
    NotEffective,
    /// Its time was over, for late usage already when that happened.
    Expired,
    /// It is restricted to other operations.
    OtherOperations,
    /// What was left of it was set aside by holds.
    AllHeld,
    /// Nothing was left of it.
    NothingLeft,
    /// What came before it sufficed.
    NotNeeded,
}

/// What credits are drawn for.
#[derive(Debug, Clone, Copy)]
pub enum Purpose<'a> {
    /// An operation, or none: grants for other operations are passed over.
    Operation(Option<&'a OperationName>),
    /// Another wallet. There they may pay for what they could pay for here.
    Transfer,
}

impl Purpose<'_> {
    fn may_draw(self, grant: &Grant) -> bool {
        match self {
            Self::Operation(operation) => grant.applies_to(operation),
            Self::Transfer => true,
        }
    }
}

/// For what and when credits are drawn: all that decides which grants may give some.
#[derive(Debug, Clone, Copy)]
pub struct Usage<'a> {
    /// What they are drawn for.
    pub purpose: Purpose<'a>,
    /// The instant of the decision; what was due by then is booked.
    pub now: Timestamp,
    /// When it happened, if that was earlier. Late usage draws only grants that were effective then.
    pub late: Option<Timestamp>,
}

impl Usage<'_> {
    /// What may be drawn of what the grant has available.
    pub fn drawable(&self, grant: &Grant) -> Result<Amount, PassedOver> {
        let Grant { activated, parts, .. } = grant;
        let at = self.late.unwrap_or(self.now);
        // One that was voided before its window began is never activated.
        let is_scheduled = !activated && !parts.available.is_zero();
        if is_scheduled || !grant.had_begun(at) {
            Err(PassedOver::NotEffective)
        } else if grant.has_ended(at) {
            Err(PassedOver::Expired)
        } else if !self.purpose.may_draw(grant) {
            Err(PassedOver::OtherOperations)
        } else {
            available(grant)
        }
    }

    /// What late usage may take back of what the grant has lost to expiry since.
    pub fn lost(&self, grant: &Grant) -> Result<Amount, PassedOver> {
        let Grant { expired_at, lost, .. } = grant;
        let Some(at) = self.late else { return Err(PassedOver::Expired) };
        if !grant.had_begun(at) {
            Err(PassedOver::NotEffective)
        } else if expired_at.is_some_and(|expired_at| expired_at <= at) {
            Err(PassedOver::Expired)
        } else if !self.purpose.may_draw(grant) {
            Err(PassedOver::OtherOperations)
        } else if expired_at.is_none() || lost.is_zero() {
            Err(PassedOver::NothingLeft)
        } else {
            Ok(*lost)
        }
    }
}

/// What a grant has available, effective or not: what a revocation may take.
pub fn available(grant: &Grant) -> Result<Amount, PassedOver> {
    let GrantParts { available, held, .. } = grant.parts;
    if !available.is_zero() {
        Ok(available)
    } else if !held.is_zero() {
        Err(PassedOver::AllHeld)
    } else {
        Err(PassedOver::NothingLeft)
    }
}

/// What was drawn so far.
#[derive(Debug)]
pub struct Drawing {
    /// What is still uncovered.
    pub left: Amount,
    /// How much of which grant.
    pub taken: Vec<(DrawdownKey, Allocation)>,
}

impl Drawing {
    /// Nothing yet of an amount.
    pub fn of(amount: Amount) -> Self {
        Self { left: amount, taken: Vec::new() }
    }

    /// Takes what is still uncovered of a grant, `most` at most, and says how much that was.
    pub fn take(&mut self, key: DrawdownKey, grant: GrantNumber, most: Amount) -> Amount {
        let amount = most.min(self.left);
        if !amount.is_zero() {
            self.left = self.left - amount;
            self.taken.push((key, Allocation { grant, amount }));
        }
        amount
    }
}
