//! What a wallet does, once more: slow, without a ledger, and written to be obviously right.
//!
//! It keeps each grant with what was taken from it and when, and computes everything from that each time.
//! Amounts are whole hundredths.

use std::cmp::Ordering;

use purse_domain::{
    Actor, CaptureHold, ChangeGrantExpiry, Command, CreateHold, DrawdownPolicy, Excess,
    ExpiredPolicy, FundingRef, LimitChange, NewGrant, OperationName, Origin, ReleaseHold, Request,
    ReverseSpend, RevokeFunding, Spend, SpendLimit, Timestamp,
};

use super::{
    limit_model::{Asked, Event, Held, Refused, refused},
    program::{HOUR, START, amount, settings},
};

/// The hours that usage may be late.
const LATE_HOURS: i64 = 72;

/// A wallet.
#[derive(Debug, Clone)]
pub struct Model {
    policy: DrawdownPolicy,
    overdraft_limit: i64,
    /// In microseconds, the longest first.
    leads: Vec<i64>,
    /// By name.
    limits: Vec<SpendLimit>,
    /// All that was ever spent.
    spent: Vec<Event>,
    grants: Vec<ModelGrant>,
    debts: Vec<ModelDebt>,
    holds: Vec<ModelHold>,
    /// The accepted writes; of a spend, what it took.
    writes: Vec<Option<ModelSpend>>,
    last_at: Timestamp,
}

/// A spend that may be reversed.
#[derive(Debug, Clone)]
struct ModelSpend {
    origin: Origin,
    at: Timestamp,
    /// The grants by number, in the order in which they were drawn; what was reversed is not here any more.
    drawn: Vec<(i32, i64)>,
    /// Its place among the debts.
    debt: Option<usize>,
}

/// Credits set aside: pieces of grants, each for a time.
#[derive(Debug, Clone)]
struct ModelHold {
    origin: Origin,
    until: Timestamp,
    pins: Vec<Pin>,
}

/// A piece of a grant that is set aside from an instant to another.
#[derive(Debug, Clone, Copy)]
struct Pin {
    grant: i32,
    amount: i64,
    from: Timestamp,
    /// `None`: until the hold's deadline.
    to: Option<Timestamp>,
}

impl ModelHold {
    fn held_at(&self, grant: Option<i32>, at: Timestamp) -> i64 {
        self.pins
            .iter()
            .filter(|pin| grant.is_none_or(|grant| grant == pin.grant))
            .filter(|pin| pin.from <= at && at < pin.to.unwrap_or(self.until))
            .map(|pin| pin.amount)
            .sum()
    }

    /// Ends the first open pieces, up to an amount, and says which.
    fn end(&mut self, amount: i64, now: Timestamp) -> Vec<(i32, i64)> {
        let mut left = amount;
        let mut ended = Vec::new();
        for index in 0..self.pins.len() {
            let pin = self.pins[index];
            let part = left.min(pin.amount);
            if pin.to.is_none() && part > 0 {
                left -= part;
                ended.push((pin.grant, part));
                self.pins[index] = Pin { amount: part, to: Some(now), ..pin };
                if part < pin.amount {
                    self.pins.insert(index + 1, Pin { amount: pin.amount - part, ..pin });
                    break;
                }
            }
        }
        ended
    }
}

/// What a spend left uncovered.
#[derive(Debug, Clone)]
struct ModelDebt {
    at: Timestamp,
    operation: Option<OperationName>,
    amount: i64,
    /// Repaid or forgiven.
    settled: Vec<Taken>,
    /// The grants by number that have repaid it, and have not been given it back.
    repaid: Vec<(i32, i64)>,
    /// The funding whose revocation made it.
    funding: Option<FundingRef>,
}

impl ModelDebt {
    fn left_at(&self, at: Timestamp) -> i64 {
        let settled: i64 =
            self.settled.iter().filter(|taken| taken.at <= at).map(|taken| taken.amount).sum();
        if self.at <= at { self.amount - settled } else { -settled }
    }

    fn left(&self) -> i64 {
        self.left_at(Timestamp::from_micros(i64::MAX))
    }
}

/// A grant, and what became of it.
#[derive(Debug, Clone)]
struct ModelGrant {
    number: i32,
    amount: i64,
    granted_at: Timestamp,
    effective_at: Timestamp,
    /// `expires_at`, or earlier by an early expiry.
    ends_at: Option<Timestamp>,
    /// What the drawdown order compares, which an early expiry does not change, and a change of expiry does.
    expires_at: Option<Timestamp>,
    priority: i32,
    is_paid: bool,
    applies_to: Vec<OperationName>,
    draws: Vec<Taken>,
    has_repaid: bool,
    /// What could be spent when it ended, less what late usage has taken of that since; `None`: it has not.
    lost: Option<i64>,
    funding: Option<FundingRef>,
    /// What revocations have taken and not given back.
    revoked: i64,
    /// Made by a reversal.
    is_anew: bool,
}

/// An amount that was taken, or given back if negative, and the instant at which that counts.
#[derive(Debug, Clone, Copy)]
struct Taken {
    at: Timestamp,
    amount: i64,
}

/// What came of a command.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It happened; a spend took so much of which grant.
    Done(Vec<(i32, i64)>),
    /// There was so much.
    Insufficient(i64),
    /// A limit refused it.
    Limited(Refused),
    /// It was refused, for this reason.
    Refused(&'static str),
}

impl ModelGrant {
    fn has_begun(&self, at: Timestamp) -> bool {
        self.effective_at <= at
    }

    fn has_ended(&self, at: Timestamp) -> bool {
        self.ends_at.is_some_and(|end| end <= at)
    }

    fn serves(&self, operation: Option<&OperationName>) -> bool {
        self.applies_to.is_empty()
            || operation.is_some_and(|operation| self.applies_to.contains(operation))
    }

    /// What nothing that counts by `at` has taken; some of it may be held.
    fn left_at(&self, at: Timestamp) -> i64 {
        let taken: i64 =
            self.draws.iter().filter(|taken| taken.at <= at).map(|taken| taken.amount).sum();
        self.amount - taken
    }
}

impl Model {
    /// An empty wallet.
    pub fn new() -> Self {
        Self {
            policy: DrawdownPolicy::default(),
            overdraft_limit: 0,
            leads: settings().expiring_soon_leads.as_slice().iter().map(|l| l.micros()).collect(),
            limits: Vec::new(),
            spent: Vec::new(),
            grants: Vec::new(),
            debts: Vec::new(),
            holds: Vec::new(),
            writes: Vec::new(),
            last_at: START,
        }
    }

    /// What is available, scheduled, held and owed at an instant, past or future, as is known today.
    pub fn balances(&self, at: Timestamp) -> [i64; 4] {
        let mut then = self.clone();
        then.repay_until(at);
        [
            then.sum(at, |grant| grant.has_begun(at) && !grant.has_ended(at)),
            then.sum(at, |grant| grant.granted_at <= at && !grant.has_begun(at)),
            then.holds.iter().map(|hold| hold.held_at(None, at)).sum(),
            then.debts.iter().map(|debt| debt.left_at(at)).sum(),
        ]
    }

    /// What is announced after an instant and up to another, if nothing else happens, of grants from the
    /// `first`th on: when, which grant, with which lead, and how much of it is there then.
    pub fn announcements(
        &self,
        after: Timestamp,
        until: Timestamp,
        first: usize,
    ) -> Vec<(Timestamp, i32, i64, i64)> {
        let mut found = Vec::new();
        for (index, grant) in self.grants.iter().enumerate().skip(first) {
            let Some(expires_at) = grant.expires_at else { continue };
            for lead in &self.leads {
                let soonest = grant.effective_at.max(grant.granted_at);
                let at = expires_at.plus_micros(-lead).max(soonest);
                if at <= after || at > until {
                    continue;
                }
                let mut then = self.clone();
                then.repay_until(at);
                let grant = &then.grants[index];
                let amount = if grant.has_ended(at) { 0 } else { then.free_at(grant, at) };
                if amount > 0 {
                    found.push((at, grant.number, *lead, amount));
                }
            }
        }
        found
    }

    /// What is announced at once because a command let a grant end sooner: of the wallet `before` it the instant was
    /// ahead.
    pub fn overtaken(&self, before: &Self, now: Timestamp) -> Vec<(Timestamp, i32, i64, i64)> {
        let mut found = Vec::new();
        for (index, grant) in before.grants.iter().enumerate() {
            let soonest = grant.effective_at.max(grant.granted_at);
            let now_ends = self.grants[index].expires_at;
            for lead in &self.leads {
                let is_ahead = |end: Option<Timestamp>| match end {
                    None => true,
                    Some(end) => end.plus_micros(-lead).max(soonest) > now,
                };
                let amount = self.free_at(&self.grants[index], now);
                if is_ahead(grant.expires_at) && !is_ahead(now_ends) && amount > 0 {
                    found.push((now, grant.number, *lead, amount));
                }
            }
        }
        found
    }

    /// The number of grants so far.
    pub fn grant_count(&self) -> usize {
        self.grants.len()
    }

    /// What each grant has available, scheduled and held at an instant, and what is owed of each debt; those with
    /// nothing left out.
    pub fn shares(&self, at: Timestamp) -> (Vec<(i32, [i64; 3])>, Vec<i64>) {
        let mut then = self.clone();
        then.repay_until(at);
        let grants = then.grants.iter().map(|grant| {
            let free = then.free_at(grant, at);
            let begun = grant.has_begun(at);
            let counts = |counts: bool| if counts { free } else { 0 };
            let held = then.holds.iter().map(|hold| hold.held_at(Some(grant.number), at)).sum();
            let available = counts(begun && !grant.has_ended(at));
            let scheduled = counts(!begun && grant.granted_at <= at);
            (grant.number, [available, scheduled, held])
        });
        let grants = grants.filter(|(_, figures)| *figures != [0; 3]).collect();
        let owed = then.debts.iter().map(|debt| debt.left_at(at)).filter(|owed| *owed != 0);
        (grants, owed.collect())
    }

    /// What of a grant is neither taken nor held at an instant.
    fn free_at(&self, grant: &ModelGrant, at: Timestamp) -> i64 {
        let held: i64 = self.holds.iter().map(|hold| hold.held_at(Some(grant.number), at)).sum();
        grant.left_at(at) - held
    }

    /// Notes what grants that have ended by `now` have lost.
    fn note_lost(&mut self, now: Timestamp) {
        let ended: Vec<(usize, i64)> = self
            .grants
            .iter()
            .enumerate()
            .filter(|(_, grant)| grant.lost.is_none() && grant.has_ended(now))
            .map(|(index, grant)| {
                let end = grant.ends_at.expect("it has ended");
                // A hold that ends at the same instant gives back too late.
                let just_before = end.plus_micros(-1);
                let held: i64 = self
                    .holds
                    .iter()
                    .map(|hold| hold.held_at(Some(grant.number), just_before))
                    .sum();
                let begun = grant.has_begun(just_before) && grant.granted_at < end;
                (index, if begun { grant.left_at(end) - held } else { 0 })
            })
            .collect();
        for (index, lost) in ended {
            self.grants[index].lost = Some(lost);
        }
    }

    /// Lets each grant that has become effective by `now` repay, in that order, once.
    fn repay_until(&mut self, now: Timestamp) {
        let is_due = |grant: &ModelGrant| grant.has_begun(now) && !grant.has_repaid;
        let mut due: Vec<usize> =
            (0..self.grants.len()).filter(|index| is_due(&self.grants[*index])).collect();
        due.sort_by_key(|index| (self.grants[*index].effective_at, *index));
        for index in due {
            let grant = &mut self.grants[index];
            grant.has_repaid = true;
            // One that was effective when it was granted repays then.
            let at = grant.effective_at.max(grant.granted_at);
            self.repay(index, at);
        }
    }

    /// Lets a grant repay what it can, oldest first.
    fn repay(&mut self, index: usize, at: Timestamp) {
        let mut free = self.free_at(&self.grants[index], at);
        let grant = &mut self.grants[index];
        for debt in &mut self.debts {
            let amount = free.min(debt.left());
            if amount > 0 && grant.serves(debt.operation.as_ref()) {
                free -= amount;
                grant.draws.push(Taken { at, amount });
                debt.settled.push(Taken { at, amount });
                debt.repaid.push((grant.number, amount));
            }
        }
    }

    fn sum(&self, at: Timestamp, counts: impl Fn(&ModelGrant) -> bool) -> i64 {
        self.grants.iter().filter(|grant| counts(grant)).map(|grant| self.free_at(grant, at)).sum()
    }

    /// Does what a request asks for.
    pub fn run(&mut self, request: &Request, clock: Timestamp) -> Outcome {
        let now = clock.max(self.last_at);
        let before = self.clone();
        self.repay_until(now);
        self.note_lost(now);
        let mut reversible = None;
        let outcome = match &request.command {
            Command::CreateWallet(_) => Outcome::Refused("programs do not open wallets"),
            Command::UpdateWallet(update) => {
                self.policy = update.drawdown_policy.unwrap_or(self.policy);
                let limit = update.overdraft_limit.map(hundredths);
                self.overdraft_limit = limit.unwrap_or(self.overdraft_limit);
                if let Some(leads) = &update.expiring_soon_leads {
                    self.leads = leads.as_slice().iter().map(|lead| lead.micros()).collect();
                }
                self.change_limits(update.spend_limit.as_ref())
            }
            Command::Grant(new) => self.grant(new, now),
            Command::Spend(spend) => {
                let outcome;
                (outcome, reversible) = self.spend(spend, &request.actor, now, None);
                outcome
            }
            Command::CarryOver(_) => Outcome::Refused("programs carry nothing over"),
            Command::VoidGrant(number) => self.void(number.0, now),
            Command::ExpireGrant(number) => self.expire(number.0, now),
            Command::ChangeGrantExpiry(change) => self.change_expiry(*change, now),
            Command::CreateHold(hold) => self.hold(hold, &request.actor, now),
            Command::CaptureHold(capture) => self.capture(capture, now),
            Command::ReleaseHold(release) => self.release(release, now),
            Command::ExtendHold(number, until) => match self.open_hold(number.0, now) {
                Err(refused) => refused,
                Ok(_) if *until <= now => Outcome::Refused("expires_at is not ahead"),
                Ok(index) => {
                    self.holds[index].until = *until;
                    Outcome::Done(Vec::new())
                }
            },
            Command::ReverseSpend(reverse) => self.reverse(reverse, now),
            Command::RevokeFunding(revoke) => self.revoke(revoke, now),
            Command::Transfer(_) | Command::Receive(_) => Outcome::Refused("there is one wallet"),
            Command::PurchasePack(_) => Outcome::Refused("programs buy no packs"),
            Command::DeclineTopUp(_) => Outcome::Refused("programs decline nothing"),
            Command::FreezeWallet | Command::UnfreezeWallet | Command::CloseWallet(_) => {
                Outcome::Refused("programs do not freeze or close")
            }
            Command::Settle => Outcome::Refused("programs do not sweep"),
        };
        if matches!(outcome, Outcome::Done(_)) {
            self.writes.push(reversible);
            self.repay_until(now);
            self.last_at = now;
        } else {
            *self = before;
        }
        outcome
    }

    fn grant(&mut self, new: &NewGrant, now: Timestamp) -> Outcome {
        let effective_at = new.effective_at.unwrap_or(now);
        if new.expires_at.is_some_and(|expires_at| expires_at <= now) {
            return Outcome::Refused("expires_at is not ahead");
        }
        if new.expires_at.is_some_and(|expires_at| expires_at <= effective_at) {
            return Outcome::Refused("the window is empty");
        }
        self.grants.push(ModelGrant {
            number: i32::try_from(self.grants.len() + 1).expect("few grants"),
            amount: hundredths(new.amount.get()),
            granted_at: now,
            effective_at,
            ends_at: new.expires_at,
            expires_at: new.expires_at,
            priority: new.priority.get(),
            is_paid: !new.cost_basis.is_zero(),
            applies_to: new.applies_to.iter().cloned().collect(),
            draws: Vec::new(),
            has_repaid: false,
            lost: None,
            funding: new.funding_ref.clone(),
            revoked: 0,
            is_anew: false,
        });
        Outcome::Done(Vec::new())
    }

    fn change_limits(&mut self, change: Option<&LimitChange>) -> Outcome {
        match change {
            None => {}
            Some(LimitChange::Set(limit)) => {
                self.limits.retain(|other| other.name != limit.name);
                self.limits.push(limit.clone());
                self.limits.sort_by(|a, b| a.name.cmp(&b.name));
            }
            Some(LimitChange::Delete(name)) => {
                let before = self.limits.len();
                self.limits.retain(|limit| limit.name != *name);
                if self.limits.len() == before {
                    return Outcome::Refused("there is no such limit");
                }
            }
        }
        Outcome::Done(Vec::new())
    }

    /// What refuses to spend so much at an instant, if a limit does.
    fn limited(&self, asked: &Asked<'_>) -> Option<Outcome> {
        let held = self.holds.iter().map(|hold| Held {
            origin: hold.origin.clone(),
            until: hold.until,
            amount: hold.held_at(None, asked.now),
        });
        let held: Vec<Held> = held.collect();
        refused(&self.limits, &self.spent, &held, asked).map(Outcome::Limited)
    }

    /// `extended` is what a capture took of its hold, and the hold's deadline.
    fn spend(
        &mut self,
        spend: &Spend,
        actor: &Actor,
        now: Timestamp,
        extended: Option<(i64, Timestamp)>,
    ) -> (Outcome, Option<ModelSpend>) {
        let at = spend.occurred_at.unwrap_or(now);
        if at > now {
            return (Outcome::Refused("occurred_at is ahead"), None);
        }
        if at < now.plus_micros(-LATE_HOURS * HOUR) {
            return (Outcome::Refused("occurred_at is too old"), None);
        }
        let valid = self.drawable(spend.operation.as_ref(), at, now);
        let required = hundredths(spend.amount.amount().expect("an amount").get());
        let available: i64 = valid.iter().map(|(_, amount)| amount).sum();
        let owed: i64 = self.debts.iter().map(ModelDebt::left).sum();
        let overdraft_left = (self.overdraft_limit - owed).max(0);
        if available + overdraft_left < required {
            return (Outcome::Insufficient(available), None);
        }
        let origin = Origin { actor: actor.clone(), operation: spend.operation.clone() };
        let (captured, until) = extended.unzip();
        let captured = captured.unwrap_or(0);
        let asked = Asked {
            origin: &origin,
            amount: required,
            at,
            is_fixed: spend.occurred_at.is_some(),
            now,
            captured,
            until,
        };
        if let Some(limited) = self.limited(&asked) {
            return (limited, None);
        }
        self.spent.push(Event { origin: origin.clone(), at, amount: required });
        let mut missing = required;
        let mut drawn = Vec::new();
        for (index, most) in valid {
            let grant = &mut self.grants[index];
            let amount = missing.min(most);
            if amount > 0 {
                grant.draws.push(Taken { at, amount });
                grant.lost = grant.lost.map(|lost| lost - amount);
                drawn.push((grant.number, amount));
                missing -= amount;
            }
        }
        let debt = (missing > 0).then_some(self.debts.len());
        if debt.is_some() {
            self.debts.push(ModelDebt {
                at,
                operation: spend.operation.clone(),
                amount: missing,
                settled: Vec::new(),
                repaid: Vec::new(),
                funding: None,
            });
        }
        (Outcome::Done(drawn.clone()), Some(ModelSpend { origin, at, drawn, debt }))
    }

    fn reverse(&mut self, reverse: &ReverseSpend, now: Timestamp) -> Outcome {
        let write = usize::try_from(reverse.transaction.uuid().as_u128()).expect("few writes");
        let mut spend = match self.writes.get(write - 1) {
            None => return Outcome::Refused("there is no such write"),
            Some(None) => return Outcome::Refused("the write is no spend"),
            Some(Some(spend)) => spend.clone(),
        };
        let mut no_debt = ModelDebt {
            at: now,
            operation: None,
            amount: 0,
            settled: Vec::new(),
            repaid: Vec::new(),
            funding: None,
        };
        let debt = match spend.debt {
            Some(debt) => &mut self.debts[debt],
            None => &mut no_debt,
        };
        let parts = debt.repaid.iter().chain(&spend.drawn);
        let left = debt.left() + parts.map(|(_, amount)| amount).sum::<i64>();
        let required = reverse.amount.map_or(left, |amount| hundredths(amount.get()));
        if left == 0 {
            return Outcome::Refused("nothing is left to reverse");
        }
        if required > left {
            return Outcome::Refused("less is left to reverse");
        }

        let forgiven = required.min(debt.left());
        debt.settled.push(Taken { at: now, amount: forgiven });
        let mut missing = required - forgiven;
        let mut given_back = Vec::new();
        for parts in [&mut debt.repaid, &mut spend.drawn] {
            while missing > 0
                && let Some((number, amount)) = parts.pop()
            {
                let back = missing.min(amount);
                missing -= back;
                given_back.push((number, back));
                if back < amount {
                    parts.push((number, amount - back));
                }
            }
        }
        let spent_at = spend.at;
        let origin = spend.origin.clone();
        self.spent.push(Event { origin, at: spent_at, amount: -required });
        self.writes[write - 1] = Some(spend);
        let mut has_more = Vec::new();
        for (number, amount) in &given_back {
            has_more.extend(self.give_back(
                *number,
                *amount,
                spent_at,
                reverse.expired_policy,
                now,
            ));
        }
        // Whatever came back repays what else is owed.
        for index in has_more {
            self.grants[index].has_repaid = true;
            self.repay(index, now);
        }
        Outcome::Done(given_back)
    }

    fn revoke(&mut self, revoke: &RevokeFunding, now: Timestamp) -> Outcome {
        let wanted = hundredths(revoke.cumulative_amount);
        let funding = Some(revoke.funding_ref.clone());
        let policy = self.policy;
        let mut grants: Vec<usize> =
            (0..self.grants.len()).filter(|index| self.grants[*index].funding == funding).collect();
        grants.sort_by(|a, b| in_order(policy, &self.grants[*a], &self.grants[*b]));
        let of_it = |debt: &&mut ModelDebt| debt.funding == funding;
        if grants.is_empty() {
            return Outcome::Refused("there is no such funding");
        }
        let asked_for = grants.iter().map(|index| &self.grants[*index]);
        let funded: i64 = asked_for.filter(|grant| !grant.is_anew).map(|grant| grant.amount).sum();
        if wanted > funded {
            return Outcome::Refused("less was funded");
        }
        let taken: i64 = grants.iter().map(|index| self.grants[*index].revoked).sum();
        let owed = self.debts.iter().filter(|debt| debt.funding == funding);
        let owed =
            owed.map(|debt| debt.left() + debt.repaid.iter().map(|part| part.1).sum::<i64>());
        let revoked = taken + owed.sum::<i64>();

        let mut moved = Vec::new();
        if wanted > revoked {
            let mut missing = wanted - revoked;
            for index in grants {
                let grant = &self.grants[index];
                let free = if grant.has_ended(now) { 0 } else { self.free_at(grant, now) };
                let grant = &mut self.grants[index];
                let amount = missing.min(free);
                if amount > 0 {
                    grant.draws.push(Taken { at: now, amount });
                    grant.revoked += amount;
                    moved.push((grant.number, amount));
                    missing -= amount;
                }
            }
            if missing > 0 {
                self.debts.push(ModelDebt {
                    at: now,
                    operation: None,
                    amount: missing,
                    settled: Vec::new(),
                    repaid: Vec::new(),
                    funding,
                });
            }
            return Outcome::Done(moved);
        }

        let mut missing = revoked - wanted;
        for debt in self.debts.iter_mut().rev().filter(of_it) {
            let amount = missing.min(debt.left());
            debt.settled.push(Taken { at: now, amount });
            missing -= amount;
        }
        let mut repaid = Vec::new();
        for debt in self.debts.iter_mut().rev().filter(of_it) {
            while missing > 0
                && let Some((number, amount)) = debt.repaid.pop()
            {
                let back = missing.min(amount);
                missing -= back;
                repaid.push((number, back));
                if back < amount {
                    debt.repaid.push((number, amount - back));
                }
            }
        }
        for index in grants.into_iter().rev() {
            let grant = &mut self.grants[index];
            let amount = missing.min(grant.revoked);
            grant.revoked -= amount;
            missing -= amount;
            if amount > 0 {
                moved.push((grant.number, amount));
            }
        }
        moved.extend(repaid);
        let expired = ExpiredPolicy::RestoreThenExpire;
        let mut has_more = Vec::new();
        for (number, amount) in &moved {
            has_more.extend(self.give_back(*number, *amount, now, expired, now));
        }
        for index in has_more {
            if self.grants[index].has_begun(now) {
                self.grants[index].has_repaid = true;
                self.repay(index, now);
            }
        }
        Outcome::Done(moved)
    }

    /// Gives back to a grant, and says which one has it then: that one, a new one, or none.
    fn give_back(
        &mut self,
        number: i32,
        amount: i64,
        spent_at: Timestamp,
        policy: ExpiredPolicy,
        now: Timestamp,
    ) -> Option<usize> {
        let index = usize::try_from(number - 1).expect("a number");
        let grant = &mut self.grants[index];
        grant.draws.push(Taken { at: now, amount: -amount });
        if !grant.has_ended(now) {
            return Some(index);
        }
        let end = grant.ends_at.expect("it has ended");
        let life = match policy {
            ExpiredPolicy::RestoreThenExpire => 0,
            ExpiredPolicy::Grace(period) => period.micros(),
            ExpiredPolicy::Reissue => end.micros() - spent_at.max(grant.effective_at).micros(),
        };
        if life <= 0 {
            return None;
        }
        grant.draws.push(Taken { at: now, amount });
        let ends_at = Some(now.plus_micros(life));
        let old = grant.clone();
        let anew = ModelGrant {
            number: i32::try_from(self.grants.len() + 1).expect("few grants"),
            amount,
            granted_at: now,
            effective_at: now,
            ends_at,
            expires_at: ends_at,
            draws: Vec::new(),
            has_repaid: false,
            lost: None,
            revoked: 0,
            is_anew: true,
            ..old
        };
        self.grants.push(anew);
        Some(self.grants.len() - 1)
    }

    /// The grants that usage at `at` may draw now, in order, and how much of each.
    fn drawable(
        &self,
        operation: Option<&OperationName>,
        at: Timestamp,
        now: Timestamp,
    ) -> Vec<(usize, i64)> {
        let mut valid: Vec<(usize, i64)> = self
            .grants
            .iter()
            .enumerate()
            .filter(|(_, grant)| grant.has_begun(at) && !grant.has_ended(at))
            .filter(|(_, grant)| grant.serves(operation))
            .map(|(index, grant)| (index, grant.lost.unwrap_or_else(|| self.free_at(grant, now))))
            .filter(|(_, amount)| *amount > 0)
            .collect();
        // What is still there pays before what has been lost since.
        valid.sort_by(|(a, _), (b, _)| {
            let (a, b) = (&self.grants[*a], &self.grants[*b]);
            a.has_ended(now).cmp(&b.has_ended(now)).then_with(|| in_order(self.policy, a, b))
        });
        valid
    }

    fn hold(&mut self, create: &CreateHold, actor: &Actor, now: Timestamp) -> Outcome {
        if create.expires_at <= now {
            return Outcome::Refused("expires_at is not ahead");
        }
        let valid = self.drawable(create.operation.as_ref(), now, now);
        let mut missing = hundredths(create.amount.amount().expect("an amount").get());
        let available: i64 = valid.iter().map(|(_, amount)| amount).sum();
        if available < missing {
            return Outcome::Insufficient(available);
        }
        let origin = Origin { actor: actor.clone(), operation: create.operation.clone() };
        let until = Some(create.expires_at);
        let asked = Asked {
            origin: &origin,
            amount: missing,
            at: now,
            is_fixed: false,
            now,
            captured: 0,
            until,
        };
        if let Some(limited) = self.limited(&asked) {
            return limited;
        }
        let mut pins = Vec::new();
        for (index, most) in valid {
            let (grant, amount) = (self.grants[index].number, missing.min(most));
            if amount > 0 {
                pins.push(Pin { grant, amount, from: now, to: None });
                missing -= amount;
            }
        }
        self.holds.push(ModelHold { origin, until: create.expires_at, pins });
        Outcome::Done(Vec::new())
    }

    fn capture(&mut self, capture: &CaptureHold, now: Timestamp) -> Outcome {
        let index = match self.open_hold(capture.hold.0, now) {
            Ok(index) => index,
            Err(refused) => return refused,
        };
        let required = hundredths(capture.amount.get());
        let held = self.holds[index].held_at(None, now);
        if required > held && capture.excess == Excess::Reject {
            return Outcome::Refused("more than is held");
        }
        let (origin, until) = (self.holds[index].origin.clone(), self.holds[index].until);
        let captured = required.min(held);
        for (grant, amount) in self.holds[index].end(captured, now) {
            let grant = self.grants.iter_mut().find(|of| of.number == grant).expect("it was held");
            grant.draws.push(Taken { at: now, amount });
        }
        let mut outcome = Outcome::Done(Vec::new());
        if required > held && capture.excess == Excess::Extend {
            let Origin { actor, operation } = origin.clone();
            let amount = amount(u32::try_from(required - held).expect("a small amount"));
            // What a capture spends beyond its hold cannot be reversed.
            let spend = Spend { amount: amount.into(), operation, occurred_at: None };
            (outcome, _) = self.spend(&spend, &actor, now, Some((captured, until)));
        }
        self.spent.push(Event { origin, at: now, amount: captured });
        if capture.is_final {
            self.holds[index].end(i64::MAX, now);
        }
        outcome
    }

    fn release(&mut self, release: &ReleaseHold, now: Timestamp) -> Outcome {
        let index = match self.open_hold(release.hold.0, now) {
            Ok(index) => index,
            Err(refused) => return refused,
        };
        let held = self.holds[index].held_at(None, now);
        let amount = release.amount.map_or(held, |amount| hundredths(amount.get()));
        if amount > held {
            return Outcome::Refused("more than is held");
        }
        self.holds[index].end(amount, now);
        Outcome::Done(Vec::new())
    }

    fn open_hold(&self, number: i32, now: Timestamp) -> Result<usize, Outcome> {
        let index = usize::try_from(number - 1).expect("numbers begin with 1");
        match self.holds.get(index) {
            None => Err(Outcome::Refused("there is no such hold")),
            Some(hold) if hold.pins.iter().all(|pin| pin.to.is_some()) => {
                Err(Outcome::Refused("the hold is closed"))
            }
            Some(hold) if hold.until <= now => Err(Outcome::Refused("the hold has expired")),
            Some(_) => Ok(index),
        }
    }

    fn void(&mut self, number: i32, now: Timestamp) -> Outcome {
        self.end(number, now, |grant, free| {
            grant.draws.push(Taken { at: now, amount: free });
            Outcome::Done(Vec::new())
        })
    }

    fn expire(&mut self, number: i32, now: Timestamp) -> Outcome {
        self.end(number, now, |grant, free| {
            if !grant.has_begun(now) {
                return Outcome::Refused("the grant is not effective");
            }
            grant.ends_at = Some(now);
            grant.lost = Some(free);
            Outcome::Done(Vec::new())
        })
    }

    fn change_expiry(&mut self, change: ChangeGrantExpiry, now: Timestamp) -> Outcome {
        let ChangeGrantExpiry { grant: number, expires_at } = change;
        let Some(index) = self.grants.iter().position(|grant| grant.number == number.0) else {
            return Outcome::Refused("there is no such grant");
        };
        let held: i64 = self.holds.iter().map(|hold| hold.held_at(Some(number.0), now)).sum();
        let left = self.free_at(&self.grants[index], now) + held;
        let grant = &mut self.grants[index];
        if grant.has_ended(now) || left == 0 {
            return Outcome::Refused("the grant has ended");
        }
        if expires_at.is_some_and(|expires_at| expires_at <= now) {
            return Outcome::Refused("expires_at is not ahead");
        }
        if expires_at.is_some_and(|expires_at| expires_at <= grant.effective_at) {
            return Outcome::Refused("the window is empty");
        }
        if grant.expires_at == expires_at {
            return Outcome::Done(Vec::new());
        }
        grant.expires_at = expires_at;
        grant.ends_at = expires_at;
        Outcome::Done(vec![(grant.number, left)])
    }

    fn end(
        &mut self,
        number: i32,
        now: Timestamp,
        end: impl FnOnce(&mut ModelGrant, i64) -> Outcome,
    ) -> Outcome {
        let Some(index) = self.grants.iter().position(|grant| grant.number == number) else {
            return Outcome::Refused("there is no such grant");
        };
        let free = self.free_at(&self.grants[index], now);
        let grant = &mut self.grants[index];
        if grant.has_ended(now) || free == 0 {
            return Outcome::Refused("the grant has ended");
        }
        end(grant, free)
    }
}

/// The drawdown order of the design.
fn in_order(policy: DrawdownPolicy, a: &ModelGrant, b: &ModelGrant) -> Ordering {
    // Later than every instant: what never expires comes last.
    let expiry = |grant: &ModelGrant| grant.expires_at.map_or(i64::MAX, Timestamp::micros);
    // More than any list has: what is unrestricted comes last.
    let width = |grant: &ModelGrant| match grant.applies_to.len() {
        0 => usize::MAX,
        operations => operations,
    };
    let key = |grant: &ModelGrant| {
        let (early, late) = match policy {
            DrawdownPolicy::ExpiryFirst => (expiry(grant), 0),
            DrawdownPolicy::OldestFirst => (0, expiry(grant)),
        };
        (grant.priority, early, width(grant), grant.is_paid, grant.effective_at, late, grant.number)
    };
    key(a).cmp(&key(b))
}

/// An amount of a program in hundredths.
pub fn hundredths(amount: purse_domain::Amount) -> i64 {
    let mut decimal = amount.decimal();
    decimal.rescale(2);
    i64::try_from(decimal.mantissa()).expect("programs have small amounts")
}
