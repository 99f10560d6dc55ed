//! What is to be done about a subscription by now: the commands that bring about what its schedule says.
//!
//! Each has a key of its own that says what it is for, so it happens once however often, and by how many servers at
//! once, it is asked for.

use uuid::Uuid;

use crate::{
    Application, ApplicationId, ApplicationState, Applied, AssetCode, Cadence, CarryOver, Command,
    CyclePeriod, GrantRule, IdempotencyKey, KeptApplication, Known, NewGrant, OnCancel,
    RolloverCap, SubscriptionName, SubscriptionStatus, Timestamp, next_due_at,
    schedule::is_in_force,
};

/// Something to be done about a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// What for.
    pub application: ApplicationId,
    /// Its period.
    pub period: CyclePeriod,
    /// How often it was tried and refused before.
    pub attempts: u32,
    /// What was applied, if this deals with what that has left; `None`: it makes the grant.
    pub closes: Option<Applied>,
    /// The asset of the account's wallet.
    pub asset: AssetCode,
    /// What to do there.
    pub command: Command,
    /// Its key.
    pub key: IdempotencyKey,
}

/// What is to be done by `now`: the applications that are due, then what has become of earlier ones.
pub fn actions(
    name: &SubscriptionName,
    known: &Known<'_>,
    applications: &[Application],
    now: Timestamp,
) -> Vec<Action> {
    let rule_of = |id: ApplicationId| known.rules.iter().find(|rule| rule.id == id.rule);
    let due = applications.iter().filter(|it| it.state == ApplicationState::Due);
    let due = due.filter_map(|application| {
        let rule = rule_of(application.id)?;
        let command = Command::Grant(grant_of(application, rule)?);
        let kept = known.kept.iter().find(|kept| kept.id == application.id);
        Some(Action {
            application: application.id,
            period: application.period,
            attempts: kept.map_or(0, KeptApplication::attempts),
            closes: None,
            asset: application.asset.clone(),
            command,
            key: key_of(name, application.id, "apply"),
        })
    });
    let closings = closings(known, now).into_iter();
    let closings = closings.map(|(kept, applied, closing)| {
        let grant = applied.grant;
        let (what, command) = match closing {
            Closing::Carry { cap, effective_at, expires_at } => {
                let carry = CarryOver { grant, cap, effective_at, expires_at };
                ("carry", Command::CarryOver(carry))
            }
            Closing::Expire => ("expire", Command::ExpireGrant(grant)),
            Closing::TakeBack => ("take back", Command::VoidGrant(grant)),
        };
        Action {
            application: kept.id,
            period: kept.period,
            attempts: 0,
            closes: Some(applied.clone()),
            asset: kept.asset.clone(),
            command,
            key: key_of(name, kept.id, what),
        }
    });
    due.chain(closings).collect()
}

/// When there may be something to do again, if nobody says anything: an application is due, a period ends of which
/// something may be carried on, or the subscription's life takes a turn that is known.
pub fn next_look_at(
    known: &Known<'_>,
    applications: &[Application],
    now: Timestamp,
) -> Option<Timestamp> {
    let carries =
        |id: ApplicationId| known.rules.iter().any(|rule| rule.id == id.rule && rule.carries());
    let ends = known.kept.iter().filter(|kept| kept.is_open() && carries(kept.id));
    let ends = ends.map(|kept| kept.period.end);
    let turns = known.subscription.stretches().into_iter();
    let turns = turns.flat_map(|stretch| [Some(stretch.from), stretch.until]).flatten();
    let ahead = ends.chain(turns).filter(|at| *at > now);
    ahead.chain(next_due_at(applications)).min()
}

/// A key that no caller can use, whatever the names are made of.
fn key_of(name: &SubscriptionName, application: ApplicationId, what: &str) -> IdempotencyKey {
    let ApplicationId { rule, period_start } = application;
    let said = format!("{what} {rule} {} {}", period_start.micros(), name.id);
    IdempotencyKey::internal(Uuid::new_v5(&name.account_id.uuid(), said.as_bytes()))
}

/// The grant that an application makes; `None`: nothing.
fn grant_of(application: &Application, rule: &GrantRule) -> Option<NewGrant> {
    Some(NewGrant {
        amount: application.amount.positive()?,
        effective_at: Some(application.effective_at),
        expires_at: application.expires_at,
        priority: rule.terms.priority,
        category: rule.terms.category.clone(),
        cost_basis: rule.terms.cost_basis,
        applies_to: rule.terms.applies_to.clone(),
        funding_ref: None,
    })
}

/// What is to be done about what an application has left, now that its time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closing {
    /// Carry some of it on.
    Carry { cap: RolloverCap, effective_at: Timestamp, expires_at: Timestamp },
    /// Let it expire: the subscription was cancelled.
    Expire,
    /// Take it back: it was granted for a period that never began.
    TakeBack,
}

/// The applied ones whose time is over by `now`.
fn closings<'k>(
    known: &Known<'k>,
    now: Timestamp,
) -> Vec<(&'k KeptApplication, &'k Applied, Closing)> {
    let stretches = known.subscription.stretches();
    let ended_at = known.subscription.newest().and_then(|event| match event.state.status {
        SubscriptionStatus::Cancelled => Some(event.effective_at),
        SubscriptionStatus::Trialing | SubscriptionStatus::Active | SubscriptionStatus::Paused => {
            event.state.ends_at
        }
    });
    let ended_at = ended_at.filter(|ended_at| *ended_at <= now);
    let mut found = Vec::new();
    for kept in known.kept {
        let Some(applied) = kept.state.applied() else { continue };
        let Some(rule) = known.rules.iter().find(|rule| rule.id == kept.id.rule) else { continue };
        let Cadence::Recurring(span) = rule.terms.cadence else { continue };
        if applied.is_closed {
            continue;
        }
        let during = stretches.iter().filter(|stretch| {
            stretch.from < kept.period.end
                && stretch.until.is_none_or(|until| kept.period.start < until)
        });
        let mut during = during.peekable();
        // A later event says that the rule was not in force in all that period.
        let is_known = during.peek().is_some_and(|first| first.from <= kept.period.start);
        let never_began = is_known && !during.any(|it| is_in_force(known.id, rule, it));
        let closing = if never_began {
            Some(Closing::TakeBack)
        } else if ended_at.is_some() && rule.terms.on_cancel == OnCancel::Expire {
            Some(Closing::Expire)
        } else if rule.terms.rollover.cap != RolloverCap::None && kept.period.end <= now {
            let at = kept.period.end;
            let goes_on = stretches.iter().find(|stretch| {
                stretch.from <= at
                    && stretch.until.is_none_or(|until| at < until)
                    && is_in_force(known.id, rule, stretch)
            });
            goes_on.map(|stretch| {
                let cycle = stretch.state().cycle(span);
                let periods = i64::from(rule.terms.rollover.periods.max(1));
                let expires_at = cycle.bound(cycle.number_of(at) + periods);
                Closing::Carry { cap: rule.terms.rollover.cap, effective_at: at, expires_at }
            })
        } else {
            None
        };
        found.extend(closing.map(|closing| (kept, applied, closing)));
    }
    found
}
