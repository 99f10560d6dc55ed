//! What is to be done about a subscription by now: the commands that bring about what its schedule says.
//!
//! Each has a key of its own that says what it is for, so it happens once however often, and by how many servers at
//! once, it is asked for.

use uuid::Uuid;

use crate::{
    Amount, Application, ApplicationId, ApplicationState, Applied, AssetCode, Cadence, CarryOver,
    Command, CyclePeriod, Entry, Failed, Grant, GrantRule, Horizon, IdempotencyKey,
    KeptApplication, Known, NewGrant, OnCancel, RolloverCap, Stage, Stretch, SubscriptionName,
    TakenBack, Timestamp, TransactionId, schedule,
    schedule::{is_in_force, next_due_at, undone_since},
    subscription::trial_ended_by,
};

/// How long a subscription that lives goes without a look at most.
const DAY_MICROS: i64 = 86_400_000_000;

/// Something to be done about a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// What for.
    pub application: ApplicationId,
    /// Its period.
    pub period: CyclePeriod,
    /// How often it was tried and refused before.
    pub attempts: u32,
    /// What was taken back of it before.
    pub taken_back: TakenBack,
    /// What it is to bring about.
    pub purpose: Purpose,
    /// The asset of the account's wallet.
    pub asset: AssetCode,
    /// What to do there.
    pub command: Command,
    /// Its key.
    pub key: IdempotencyKey,
}

/// What an action is to bring about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// The grant of an application.
    Apply,
    /// The end of what was applied: what is left is carried on, or expires.
    Close(Applied),
    /// What is left of what was applied goes; if its period begins after all, it is granted again.
    TakeBack(Applied),
}

/// What the wallet answered to an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// It made a grant.
    Granted(Applied),
    /// It did something else; so much of a grant went.
    Ended(Amount),
    /// It refused, for a stable reason.
    Refused(String),
}

impl Answered {
    /// What a transaction says: by the grants that it made, or by its entries.
    pub fn of<'g>(
        transaction: TransactionId,
        made: impl IntoIterator<Item = &'g Grant>,
        entries: &[Entry],
    ) -> Self {
        match made.into_iter().next() {
            Some(grant) => Self::Granted(Applied {
                amount: grant.terms.amount.get(),
                grant: grant.number,
                transaction,
                window: grant.terms.granted_window,
                is_closed: false,
            }),
            None => Self::Ended(entries.iter().map(|entry| entry.amount).sum()),
        }
    }
}

impl Action {
    /// What is kept of it, once the wallet has answered.
    pub fn kept(&self, answered: &Answered, now: Timestamp) -> KeptApplication {
        let Self { application, period, attempts, taken_back, purpose, asset, .. } = self;
        let mut taken_back = *taken_back;
        let state = match (purpose, answered) {
            (Purpose::Apply, Answered::Granted(applied)) => {
                ApplicationState::Applied(applied.clone())
            }
            (Purpose::Apply, Answered::Refused(reason)) => {
                ApplicationState::Failed(Failed::again(*attempts, reason.clone(), now))
            }
            // No grant makes none.
            (Purpose::Apply, Answered::Ended(_)) => {
                ApplicationState::Failed(Failed::again(*attempts, String::new(), now))
            }
            // Whatever the wallet says of what is left, it is not asked for again.
            (Purpose::Close(applied), _) => {
                ApplicationState::Applied(Applied { is_closed: true, ..applied.clone() })
            }
            (Purpose::TakeBack(applied), answered) => {
                let went = match answered {
                    Answered::Ended(went) => *went,
                    // Nothing was left.
                    Answered::Granted(_) | Answered::Refused(_) => Amount::ZERO,
                };
                let used = taken_back.used + (applied.amount - went.min(applied.amount));
                taken_back = TakenBack { times: taken_back.times.saturating_add(1), used };
                ApplicationState::Cancelled
            }
        };
        KeptApplication {
            id: *application,
            period: *period,
            asset: asset.clone(),
            recorded_at: now,
            taken_back,
            state,
        }
    }
}

/// What is to be done about a subscription, and when somebody has to look again.
#[derive(Debug, Clone)]
pub struct Look {
    /// The applications that are at hand: those of periods that are not done with, and the next ones.
    pub applications: Vec<Application>,
    /// What is to be done now.
    pub actions: Vec<Action>,
    /// When there may be something to do again, once that is done; `None`: only if somebody says something.
    pub next_look_at: Option<Timestamp>,
    /// Periods that ended by then are dealt with, and are not looked at any more.
    pub done_until: Timestamp,
}

/// Looks at a subscription.
pub fn look(name: &SubscriptionName, known: &Known<'_>, now: Timestamp) -> Look {
    let applications = schedule(known, now, Horizon::Next);
    let closings = closings(known, now);
    let actions = actions(name, known, &applications, &closings);
    let next_look_at = next_look_at(known, &applications, &closings, now);
    let done_until =
        if actions.is_empty() { undone_since(&applications, now) } else { known.since };
    Look { applications, actions, next_look_at, done_until }
}

/// What is to be done now: the applications that are due, then what has become of earlier ones. What is to be taken
/// back goes first and alone, because others depend on how much of it was used.
fn actions(
    name: &SubscriptionName,
    known: &Known<'_>,
    applications: &[Application],
    closings: &[Closed<'_>],
) -> Vec<Action> {
    let rule_of = |id: ApplicationId| known.rules.iter().find(|rule| rule.id == id.rule);
    let due = applications.iter().filter(|it| it.state == ApplicationState::Due);
    let due = due.filter_map(|application| {
        let rule = rule_of(application.id)?;
        let command = Command::Grant(grant_of(application, rule)?);
        let kept = known.kept.iter().find(|kept| kept.id == application.id);
        let taken_back = kept.map_or(TakenBack::default(), |kept| kept.taken_back);
        Some(Action {
            application: application.id,
            period: application.period,
            attempts: kept.map_or(0, KeptApplication::attempts),
            taken_back,
            purpose: Purpose::Apply,
            asset: application.asset.clone(),
            command,
            key: key_of(name, application.id, "apply", taken_back),
        })
    });
    let closings = closings.iter().filter_map(|(kept, applied, closing)| {
        let grant = applied.grant;
        let applied = Applied::clone(applied);
        let (what, purpose, command) = match *closing {
            Closing::Wait { .. } => return None,
            Closing::Carry { cap, effective_at, expires_at } => {
                let carry = CarryOver { grant, cap, effective_at, expires_at };
                ("carry", Purpose::Close(applied), Command::CarryOver(carry))
            }
            Closing::Expire => ("expire", Purpose::Close(applied), Command::ExpireGrant(grant)),
            Closing::TakeBack => {
                ("take back", Purpose::TakeBack(applied), Command::VoidGrant(grant))
            }
        };
        Some(Action {
            application: kept.id,
            period: kept.period,
            attempts: 0,
            taken_back: kept.taken_back,
            purpose,
            asset: kept.asset.clone(),
            command,
            key: key_of(name, kept.id, what, kept.taken_back),
        })
    });
    let closings: Vec<Action> = closings.collect();
    let takes_back = |action: &Action| matches!(action.purpose, Purpose::TakeBack(_));
    if closings.iter().any(takes_back) {
        return closings.into_iter().filter(takes_back).collect();
    }
    due.chain(closings).collect()
}

/// When there may be something to do again, if nobody says anything: an application is due, a grant ends of which
/// something may be carried on, one that is to expire has waited long enough, or the subscription's life takes a turn that
/// is known. One that lives is looked at once a day at least, because rules come and change.
fn next_look_at(
    known: &Known<'_>,
    applications: &[Application],
    closings: &[Closed<'_>],
    now: Timestamp,
) -> Option<Timestamp> {
    let carries =
        |id: ApplicationId| known.rules.iter().any(|rule| rule.id == id.rule && rule.carries());
    let open = known.kept.iter().filter(|kept| kept.is_open() && carries(kept.id));
    let ends = open.filter_map(|kept| kept.state.applied()?.window.expires_at());
    let waits = closings.iter().filter_map(|(_, _, closing)| closing.waits_until());
    let turns = known.subscription.stretches().into_iter();
    let turns = turns.flat_map(|stretch| [Some(stretch.from), stretch.until]).flatten();
    let lives = known.subscription.newest().is_some_and(|event| !event.has_ended(now));
    let daily = lives.then(|| now.plus_micros(DAY_MICROS));
    let ahead = ends.chain(waits).chain(turns).chain(daily).filter(|at| *at > now);
    ahead.chain(next_due_at(applications)).min()
}

/// A key that no caller can use, whatever the names are made of. What is granted again, after it was taken back, is
/// another one.
fn key_of(
    name: &SubscriptionName,
    application: ApplicationId,
    what: &str,
    TakenBack { times, used: _ }: TakenBack,
) -> IdempotencyKey {
    let ApplicationId { rule, period_start } = application;
    let again = if times == 0 { String::new() } else { format!(" {times}") };
    let said = format!("{what}{again} {rule} {} {}", period_start.micros(), name.id);
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
    /// Take it back: its rule was not in force when it began, as is known now.
    TakeBack,
    /// Wait with its expiry: an event that is not known yet may say that its rule was not in force when it began.
    Wait { until: Timestamp },
}

impl Closing {
    fn waits_until(self) -> Option<Timestamp> {
        match self {
            Self::Wait { until } => Some(until),
            Self::Carry { .. } | Self::Expire | Self::TakeBack => None,
        }
    }
}

/// An application that was applied, and what is to be done about what it has left.
type Closed<'k> = (&'k KeptApplication, &'k Applied, Closing);

/// The applied ones whose time is over by `now`.
fn closings<'k>(known: &Known<'k>, now: Timestamp) -> Vec<Closed<'k>> {
    let stretches = known.subscription.stretches();
    let mut found = Vec::new();
    for kept in known.kept.iter().filter(|kept| kept.is_open()) {
        let Some(applied) = kept.state.applied() else { continue };
        let Some(rule) = known.rules.iter().find(|rule| rule.id == kept.id.rule) else { continue };
        let closing = closing(known, &stretches, (rule, kept, applied), now);
        found.extend(closing.map(|closing| (kept, applied, closing)));
    }
    found
}

fn closing(
    known: &Known<'_>,
    stretches: &[Stretch<'_>],
    (rule, kept, applied): (&GrantRule, &KeptApplication, &Applied),
    now: Timestamp,
) -> Option<Closing> {
    let began_at = applied.window.effective_at();
    let is_then = |at: Timestamp| {
        move |it: &&Stretch<'_>| it.from <= at && it.until.is_none_or(|until| at < until)
    };
    // Of a time before all that is known, nothing says that the rule was not in force.
    let is_known = stretches.first().is_some_and(|first| first.from <= began_at);
    let was_in_force = |at: Timestamp| {
        stretches.iter().find(is_then(at)).filter(|stretch| is_in_force(known.id, rule, stretch))
    };
    if is_known && was_in_force(began_at).is_none() {
        return Some(Closing::TakeBack);
    }
    // What has expired counts as granted for good. So it waits for an event that may say that it never began.
    let expires_from = |end: &Stretch<'_>| {
        let is_certain = end.known_since <= began_at;
        let waits_until = end.event.recorded_at.plus_micros(known.patience_micros);
        if is_certain { Timestamp::FIRST } else { waits_until }
    };
    let ends = ends_for(rule, stretches, began_at, now);
    if let Some(until) = ends.map(expires_from).min() {
        return Some(if now < until { Closing::Wait { until } } else { Closing::Expire });
    }
    let Cadence::Recurring(span) = rule.terms.cadence else { return None };
    let ended_at = applied.window.expires_at().filter(|_| rule.carries())?;
    if ended_at > now {
        return None;
    }
    let cycle = was_in_force(ended_at)?.state().cycle(span);
    // Credits that end within their period, or a second after it, are carried to the end of the next one.
    let last = cycle.number_of(ended_at.max(kept.period.end))
        + i64::from(rule.terms.rollover.periods.max(1));
    Some(Closing::Carry {
        cap: rule.terms.rollover.cap,
        effective_at: ended_at,
        expires_at: cycle.bound(last),
    })
}

/// The stretches by each of which what a rule granted expires early: the subscription ended by `now`, or the trial did.
fn ends_for<'s>(
    rule: &GrantRule,
    stretches: &'s [Stretch<'s>],
    began_at: Timestamp,
    now: Timestamp,
) -> impl Iterator<Item = &'s Stretch<'s>> {
    let is_due = move |ended_at| began_at < ended_at && ended_at <= now;
    let ends = stretches.iter().filter(move |it| it.subscription_end().is_some_and(is_due));
    let ends = (rule.terms.on_cancel == OnCancel::Expire).then_some(ends);
    let is_trials = rule.terms.stage == Stage::Trial;
    let trial = is_trials.then(|| trial_ended_by(stretches, began_at, now)).flatten();
    ends.into_iter().flatten().chain(trial)
}
