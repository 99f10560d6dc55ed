//! What a wallet does, once more: slow, without a ledger, and written to be obviously right.
//!
//! It keeps each grant with what was taken from it and when, and computes everything from that each time.
//! Amounts are whole hundredths.

use std::cmp::Ordering;

use purse_domain::{
    Command, DrawdownPolicy, ExpiredPolicy, NewGrant, OperationName, Request, ReverseSpend, Spend,
    Timestamp,
};

use crate::program::{HOUR, START};

/// The hours that usage may be late.
const LATE_HOURS: i64 = 72;

/// A wallet.
#[derive(Debug, Clone)]
pub struct Model {
    policy: DrawdownPolicy,
    overdraft_limit: i64,
    grants: Vec<ModelGrant>,
    debts: Vec<ModelDebt>,
    /// The accepted writes; of a spend, its place among the debts and what it drew.
    writes: Vec<Option<ModelSpend>>,
    last_at: Timestamp,
}

/// A spend that may be reversed.
#[derive(Debug, Clone)]
struct ModelSpend {
    at: Timestamp,
    /// The grants by number, in the order in which they were drawn; what was reversed is not here any more.
    drawn: Vec<(i32, i64)>,
    debt: Option<usize>,
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
    /// What the drawdown order compares, which an early expiry does not change.
    expires_at: Option<Timestamp>,
    priority: i32,
    is_paid: bool,
    applies_to: Vec<OperationName>,
    draws: Vec<Taken>,
    has_repaid: bool,
    /// When credits last came back.
    restored_at: Option<Timestamp>,
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

    /// Repays what it can, oldest first.
    fn repay(&mut self, debts: &mut [ModelDebt], at: Timestamp) {
        for debt in debts {
            let amount = self.left().min(debt.left());
            if amount > 0 && self.serves(debt.operation.as_ref()) {
                self.draws.push(Taken { at, amount });
                debt.settled.push(Taken { at, amount });
                debt.repaid.push((self.number, amount));
            }
        }
    }

    /// What nothing has taken yet.
    fn left(&self) -> i64 {
        self.left_at(Timestamp::from_micros(i64::MAX))
    }

    /// What nothing that counts by `at` has taken.
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
            grants: Vec::new(),
            debts: Vec::new(),
            writes: Vec::new(),
            last_at: START,
        }
    }

    /// What is available, scheduled and owed at an instant, past or future, as is known today.
    pub fn balances(&self, at: Timestamp) -> [i64; 3] {
        let mut then = self.clone();
        then.repay_until(at);
        [
            then.sum(at, |grant| grant.has_begun(at) && !grant.has_ended(at)),
            then.sum(at, |grant| grant.granted_at <= at && !grant.has_begun(at)),
            then.debts.iter().map(|debt| debt.left_at(at)).sum(),
        ]
    }

    /// Lets each grant that has become effective by `now` repay, in that order, once.
    fn repay_until(&mut self, now: Timestamp) {
        let mut due: Vec<&mut ModelGrant> = self
            .grants
            .iter_mut()
            .filter(|grant| grant.has_begun(now) && !grant.has_repaid)
            .collect();
        due.sort_by_key(|grant| (grant.effective_at, grant.number));
        for grant in due {
            grant.has_repaid = true;
            // One that was effective when it was granted repays then.
            let at = grant.effective_at.max(grant.granted_at);
            grant.repay(&mut self.debts, at);
        }
    }

    fn sum(&self, at: Timestamp, counts: impl Fn(&ModelGrant) -> bool) -> i64 {
        self.grants.iter().filter(|grant| counts(grant)).map(|grant| grant.left_at(at)).sum()
    }

    /// Does what a request asks for.
    pub fn run(&mut self, request: &Request, clock: Timestamp) -> Outcome {
        let now = clock.max(self.last_at);
        let before = self.clone();
        self.repay_until(now);
        let outcome = match &request.command {
            Command::CreateWallet(_) => Outcome::Refused("programs do not open wallets"),
            Command::UpdateWallet(update) => {
                self.policy = update.drawdown_policy.unwrap_or(self.policy);
                let limit = update.overdraft_limit.map(hundredths);
                self.overdraft_limit = limit.unwrap_or(self.overdraft_limit);
                Outcome::Done(Vec::new())
            }
            Command::Grant(new) => self.grant(new, now),
            Command::Spend(spend) => self.spend(spend, now),
            Command::VoidGrant(number) => self.void(number.0, now),
            Command::ExpireGrant(number) => self.expire(number.0, now),
            Command::ReverseSpend(reverse) => self.reverse(reverse, now),
        };
        if matches!(outcome, Outcome::Done(_)) {
            if !matches!(request.command, Command::Spend(_)) {
                self.writes.push(None);
            }
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
            restored_at: None,
        });
        Outcome::Done(Vec::new())
    }

    fn spend(&mut self, spend: &Spend, now: Timestamp) -> Outcome {
        let at = spend.occurred_at.unwrap_or(now);
        if at > now {
            return Outcome::Refused("occurred_at is ahead");
        }
        if at < now.plus_micros(-LATE_HOURS * HOUR) {
            return Outcome::Refused("occurred_at is too old");
        }
        let policy = self.policy;
        let mut valid: Vec<&mut ModelGrant> = self
            .grants
            .iter_mut()
            .filter(|grant| grant.has_begun(at) && !grant.has_ended(at))
            .filter(|grant| grant.serves(spend.operation.as_ref()) && grant.left() > 0)
            .collect();
        // What is still there pays before what has been lost since.
        valid.sort_by(|a, b| {
            a.has_ended(now).cmp(&b.has_ended(now)).then_with(|| in_order(policy, a, b))
        });

        let required = hundredths(spend.amount.get());
        let available: i64 = valid.iter().map(|grant| grant.left()).sum();
        let owed: i64 = self.debts.iter().map(ModelDebt::left).sum();
        let overdraft_left = (self.overdraft_limit - owed).max(0);
        if available + overdraft_left < required {
            return Outcome::Insufficient(available);
        }
        let mut missing = required;
        let mut drawn = Vec::new();
        let mut counts_from = at;
        for grant in &valid {
            let amount = missing.min(grant.left());
            if amount > 0 {
                drawn.push((grant.number, amount));
                missing -= amount;
                counts_from = counts_from.max(grant.restored_at.unwrap_or(at));
            }
        }
        let at = counts_from;
        for (grant, (_, amount)) in valid.into_iter().zip(&drawn) {
            grant.draws.push(Taken { at, amount: *amount });
        }
        let debt = (missing > 0).then_some(self.debts.len());
        if debt.is_some() {
            self.debts.push(ModelDebt {
                at,
                operation: spend.operation.clone(),
                amount: missing,
                settled: Vec::new(),
                repaid: Vec::new(),
            });
        }
        self.writes.push(Some(ModelSpend { at, drawn: drawn.clone(), debt }));
        Outcome::Done(drawn)
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
            self.grants[index].repay(&mut self.debts, now);
        }
        Outcome::Done(given_back)
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
        grant.restored_at = Some(now);
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
            restored_at: None,
            ..old
        };
        self.grants.push(anew);
        Some(self.grants.len() - 1)
    }

    fn void(&mut self, number: i32, now: Timestamp) -> Outcome {
        self.end(number, now, |grant| {
            grant.draws.push(Taken { at: now, amount: grant.left() });
            Outcome::Done(Vec::new())
        })
    }

    fn expire(&mut self, number: i32, now: Timestamp) -> Outcome {
        self.end(number, now, |grant| {
            if !grant.has_begun(now) {
                return Outcome::Refused("the grant is not effective");
            }
            grant.ends_at = Some(now);
            Outcome::Done(Vec::new())
        })
    }

    fn end(
        &mut self,
        number: i32,
        now: Timestamp,
        end: impl FnOnce(&mut ModelGrant) -> Outcome,
    ) -> Outcome {
        match self.grants.iter_mut().find(|grant| grant.number == number) {
            None => Outcome::Refused("there is no such grant"),
            Some(grant) if grant.has_ended(now) || grant.left() == 0 => {
                Outcome::Refused("the grant has ended")
            }
            Some(grant) => end(grant),
        }
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
