//! Subscriptions by the domain alone: events are heard, and what is to be done is decided.

use std::collections::BTreeMap;

use purse_domain::{
    Action, Actor, AddonId, Answered, ApplicationState, AssetCode, Awaited, Cadence, CalendarSpan,
    CatchUp, Category, CostBasis, CyclePeriod, ExpirySettings, Fingerprint, GrantRule, Group,
    GroupVerdict, Heard, Horizon, IdempotencyKey, KeptApplication, Known, Metadata, NamespaceId,
    OnCancel, PATIENCE_MICROS, Percent, PlanChange, PlanId, PositiveAmount, Priority, Proration,
    Reason, Request, Rollover, RolloverCap, RuleId, RuleName, RuleScope, RuleTerms, Scale, Skipped,
    Stage, Subscription, SubscriptionEvent, SubscriptionEventKind, SubscriptionId,
    SubscriptionName, SubscriptionState, SubscriptionStatus, TimeZone, Timestamp, TransactionId,
    WalletName, look, schedule,
};
use uuid::Uuid;

use super::{DomainDriver, expiry};
use crate::{
    answer::Refusal,
    billing::{ApplicationView, NewEvent, NewRule, RuleStep, SUBSCRIPTION},
    expiry::{Expires, Unit},
};

/// The subscriptions and rules of a Purse in memory.
#[derive(Debug, Default)]
pub(super) struct Billing {
    rules: Vec<GrantRule>,
    subscriptions: BTreeMap<String, Kept>,
}

#[derive(Debug, Clone)]
struct Kept {
    name: SubscriptionName,
    subscription: Subscription,
    applications: Vec<KeptApplication>,
}

impl DomainDriver {
    pub(super) fn create_rule(&mut self, rule: &NewRule) -> Result<Expires, Refusal> {
        let rule = grant_rule(self.namespace_id, rule)?;
        let expires = expiry::expires(rule.terms.expiry);
        self.billing.rules.push(rule);
        Ok(expires)
    }

    /// Hears of an event, does what is to be done, and says what became of it.
    pub(super) fn hear(&mut self, told: &NewEvent) -> Result<String, Refusal> {
        let event = event(told, self.clock)?;
        let account = field("account", purse_domain::AccountName::parse(&told.account))?;
        let id = SubscriptionId::from_stored(SUBSCRIPTION.to_owned());
        let name = SubscriptionName::new(self.namespace_id, account, id);
        let kept = self.billing.subscriptions.entry(told.account.clone());
        let kept = kept.or_insert_with(|| Kept {
            name,
            subscription: Subscription::default(),
            applications: Vec::new(),
        });
        let heard = kept.subscription.hear(event);
        self.bring_about(&told.account)?;
        let waits = |it: &purse_domain::Application| {
            matches!(it.state, ApplicationState::Waiting { awaited: Awaited::Earlier, .. })
        };
        let waiting = self.look(&told.account, Horizon::Next).iter().any(waits);
        Ok(match heard {
            Heard::Newest if waiting => "DEFERRED",
            Heard::Newest => "APPLIED",
            Heard::Older | Heard::Forgotten => "STALE",
            Heard::Known => "DUPLICATE",
            Heard::Contradicts => return Err(Refusal::new("VERSION_CONTRADICTED", &[])),
        }
        .to_owned())
    }

    /// Does what has become due for all subscriptions.
    pub(super) fn bring_all_about(&mut self) -> Result<(), Refusal> {
        let accounts: Vec<String> = self.billing.subscriptions.keys().cloned().collect();
        accounts.iter().try_for_each(|account| self.bring_about(account))
    }

    pub(super) fn applications_until(
        &self,
        account: &str,
        until: Timestamp,
    ) -> Vec<ApplicationView> {
        self.look(account, Horizon::Until(until)).iter().map(view).collect()
    }

    fn look(&self, account: &str, horizon: Horizon) -> Vec<purse_domain::Application> {
        let Some(kept) = self.billing.subscriptions.get(account) else { return Vec::new() };
        self.with_known(kept, |known| schedule(known, self.clock, horizon))
    }

    fn with_known<T>(&self, kept: &Kept, ask: impl FnOnce(&Known<'_>) -> T) -> T {
        let scales: BTreeMap<AssetCode, Scale> =
            self.assets.iter().map(|(asset, scale)| (asset.clone(), *scale)).collect();
        ask(&Known {
            id: &kept.name.id,
            subscription: &kept.subscription,
            rules: &self.billing.rules,
            kept: &kept.applications,
            scales: &scales,
            since: Timestamp::FIRST,
            patience_micros: PATIENCE_MICROS,
        })
    }

    fn bring_about(&mut self, account: &str) -> Result<(), Refusal> {
        loop {
            let Some(kept) = self.billing.subscriptions.get(account) else { return Ok(()) };
            let (name, now) = (kept.name.clone(), self.clock);
            let todo = self.with_known(kept, |known| look(&name, known, now).actions);
            if todo.is_empty() {
                return Ok(());
            }
            for action in todo {
                let answered = self.act(&name, &action)?;
                let Some(kept) = self.billing.subscriptions.get_mut(account) else { continue };
                let changed = action.kept(&answered, now);
                kept.applications.retain(|kept| kept.id != changed.id);
                kept.applications.push(changed);
            }
        }
    }

    /// Does one thing.
    fn act(&mut self, name: &SubscriptionName, action: &Action) -> Result<Answered, Refusal> {
        let wallet = WalletName::new(name.namespace_id, name.account.clone(), action.asset.clone());
        let request = Request {
            wallet,
            command: action.command.clone(),
            fingerprint: Fingerprint::of_internal(&action.key),
            key: Some(action.key.clone()),
            actor: Actor::from_stored("purse".to_owned()),
            reason: Reason::from_stored(String::new()),
            metadata: Metadata::default(),
            validate_only: false,
            commit_token: None,
        };
        let group = Group::from(request);
        let request = &group.requests()[0];
        let decided = match self.decide(request) {
            GroupVerdict::Accepted(decided) => decided,
            GroupVerdict::Rejected(refused) => {
                let refusal = super::refusal(&refused.rejection, &refused.wallet);
                return Ok(Answered::Refused(refusal.reason));
            }
            GroupVerdict::Lacking(_, missing) => return Err(super::lacking(&missing)),
        };
        self.transactions += 1;
        let transaction = TransactionId::from_uuid(Uuid::from_u128(self.transactions));
        let mut answered = Err(Refusal::new("NOT_APPLIED", &[]));
        for leg in &decided {
            self.append(&leg.request, &leg.decision, transaction);
            let own = &leg.decision.entries[leg.decision.settled..];
            answered = Ok(Answered::of(transaction, leg.decision.made_grants(), own));
        }
        answered
    }
}

pub(super) fn field<T, E>(name: &str, parsed: Result<T, E>) -> Result<T, Refusal> {
    parsed.map_err(|_| Refusal::field(name))
}

/// One of a few words, or the first of them if nothing is said.
fn word<T: Copy>(text: &str, name: &str, words: &[(&str, T)]) -> Result<T, Refusal> {
    let found = words.iter().find(|(word, _)| *word == text || text.is_empty());
    found.map(|(_, value)| *value).ok_or_else(|| Refusal::field(name))
}

fn grant_rule(namespace_id: NamespaceId, rule: &NewRule) -> Result<GrantRule, Refusal> {
    let NewRule { plan, subscription, asset, step } = rule;
    let cadence = match step.every {
        Some(every) => Cadence::Recurring(expiry::span("rule.period_count", every)?),
        None => Cadence::OneTime,
    };
    let scope = match subscription {
        None => RuleScope::Plan(PlanId::from_stored(plan.clone())),
        Some(id) => {
            RuleScope::Subscription(field("rule.subscription_id", SubscriptionId::parse(id))?)
        }
    };
    let expires = match (step.expires, step.expire_in_days) {
        (None, None) => Expires::Never,
        (Some(expires), None) => expires,
        (None, Some(days)) => {
            let count = field("rule.expire_in_days", days.try_into())?;
            Expires::After { count, unit: Some(Unit::Day) }
        }
        (Some(_), Some(_)) => return Err(Refusal::field("rule.expire_in_days")),
    };
    let expiry = expiry::settings(expires, "rule.", scope.kind())?;
    let nobody = Actor::from_stored(String::new());
    Ok(GrantRule {
        id: RuleId::of(namespace_id, &IdempotencyKey::from_stored(rule.key())),
        namespace_id,
        scope,
        asset: field("asset", AssetCode::parse(asset))?,
        terms: terms(plan, step, cadence, expiry)?,
        created_by: nobody.clone(),
        created_at: Timestamp::FIRST,
        updated_by: nobody,
        updated_at: Timestamp::FIRST,
        deleted_at: None,
        version: 1,
    })
}

fn terms(
    plan: &str,
    step: &RuleStep,
    cadence: Cadence,
    expiry: ExpirySettings,
) -> Result<RuleTerms, Refusal> {
    let category = step.category.clone().unwrap_or_else(|| "monthly".to_owned());
    Ok(RuleTerms {
        name: RuleName::from_stored(plan.to_owned()),
        amount: field("rule.amount", PositiveAmount::parse(&step.amount, Scale::MAX))?,
        cadence,
        expiry,
        priority: step.priority.and_then(Priority::new).unwrap_or(Priority::DEFAULT),
        category: field("rule.category", Category::parse(&category))?,
        cost_basis: CostBasis::ZERO,
        applies_to: std::collections::BTreeSet::new(),
        metadata: Metadata::default(),
        starts_at: step.starts_at.map(|at| at.0),
        ends_at: None,
        is_active: true,
        stage: word(
            &step.stage,
            "rule.stage",
            &[("PAID", Stage::Paid), ("TRIAL", Stage::Trial), ("ANY", Stage::Any)],
        )?,
        proration: word(
            &step.proration,
            "rule.proration",
            &[
                ("NONE", Proration::None),
                ("FIRST", Proration::First),
                ("LAST", Proration::Last),
                ("BOTH", Proration::Both),
            ],
        )?,
        catch_up: word(
            &step.catch_up,
            "rule.catch_up",
            &[("ALL", CatchUp::All), ("LATEST", CatchUp::Latest), ("NONE", CatchUp::None)],
        )?,
        plan_change: word(
            &step.plan_change,
            "rule.plan_change",
            &[
                ("TOP_UP", PlanChange::TopUp),
                ("FULL", PlanChange::Full),
                ("NEXT_PERIOD", PlanChange::NextPeriod),
            ],
        )?,
        on_cancel: word(
            &step.on_cancel,
            "rule.on_cancel",
            &[("KEEP", OnCancel::Keep), ("EXPIRE", OnCancel::Expire)],
        )?,
        rollover: Rollover { cap: cap(&step.rollover)?, periods: 1 },
        ahead_micros: step.ahead.map_or(0, |ahead| ahead.micros),
    })
}

fn cap(text: &str) -> Result<RolloverCap, Refusal> {
    match (text, text.strip_suffix('%')) {
        ("", _) => Ok(RolloverCap::None),
        ("all", _) => Ok(RolloverCap::All),
        (_, Some(percent)) => {
            field("rule.rollover.percent", Percent::parse(percent)).map(RolloverCap::Percent)
        }
        (amount, None) => field("rule.rollover.amount", PositiveAmount::parse(amount, Scale::MAX))
            .map(RolloverCap::Amount),
    }
}

fn event(told: &NewEvent, now: Timestamp) -> Result<SubscriptionEvent, Refusal> {
    let NewEvent { account: _, plan, started_at, step } = told;
    let zone = step.zone.as_deref().unwrap_or("UTC");
    let none = CyclePeriod { start: *started_at, end: *started_at };
    let state = SubscriptionState {
        status: word(
            step.status.as_deref().unwrap_or("ACTIVE"),
            "event.state.status",
            &[
                ("ACTIVE", SubscriptionStatus::Active),
                ("TRIALING", SubscriptionStatus::Trialing),
                ("PAUSED", SubscriptionStatus::Paused),
                ("CANCELLED", SubscriptionStatus::Cancelled),
            ],
        )?,
        plan: field("event.state.plan_id", PlanId::parse(plan))?,
        addons: std::collections::BTreeSet::<AddonId>::new(),
        started_at: *started_at,
        period: none,
        anchor_at: step.anchor.map_or(*started_at, |anchor| anchor.0),
        billing_span: CalendarSpan::MONTH,
        zone: field("event.state.time_zone", TimeZone::parse(zone))?,
        trial_ends_at: step.trial_end.map(|end| end.0),
        ends_at: step.ends.map(|end| end.0),
    };
    let period = state.billing().period_of(step.within.unwrap_or(step.at).0);
    Ok(SubscriptionEvent {
        version: step.version,
        previous_version: None,
        kind: word(
            &step.event,
            "event.kind",
            &[
                ("STARTED", SubscriptionEventKind::Started),
                ("TRIAL_STARTED", SubscriptionEventKind::TrialStarted),
                ("RENEWED", SubscriptionEventKind::Renewed),
                ("PLAN_CHANGED", SubscriptionEventKind::PlanChanged),
                ("BILLING_DATE_CHANGED", SubscriptionEventKind::BillingDateChanged),
                ("PAUSED", SubscriptionEventKind::Paused),
                ("RESUMED", SubscriptionEventKind::Resumed),
                ("CANCELLED", SubscriptionEventKind::Cancelled),
            ],
        )?,
        effective_at: step.at.0,
        state: SubscriptionState { period, ..state },
        recorded_at: now,
    })
}

fn view(application: &purse_domain::Application) -> ApplicationView {
    let (state, reason, grant) = match &application.state {
        ApplicationState::Pending | ApplicationState::Due => ("PENDING", "", 0),
        ApplicationState::Waiting { .. } => ("DEFERRED", "", 0),
        ApplicationState::Applied(applied) => ("APPLIED", "", applied.grant.0),
        ApplicationState::Failed(failed) => ("FAILED", failed.reason.as_str(), 0),
        ApplicationState::Skipped(Skipped::ExpiredOnArrival) => {
            ("SKIPPED", "EXPIRED_ON_ARRIVAL", 0)
        }
        ApplicationState::Skipped(Skipped::AlreadyGranted) => ("SKIPPED", "ALREADY_GRANTED", 0),
        ApplicationState::Skipped(Skipped::Missed) => ("SKIPPED", "MISSED", 0),
        ApplicationState::Skipped(Skipped::NothingLeft) => ("SKIPPED", "NOTHING_LEFT", 0),
        ApplicationState::Cancelled => ("CANCELLED", "", 0),
    };
    ApplicationView {
        effective_at: application.effective_at,
        amount: application.amount.to_string(),
        state: state.to_owned(),
        reason: reason.to_owned(),
        grant,
    }
}
