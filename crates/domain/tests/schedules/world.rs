//! A subscription, its rules and its wallet in memory: what events and time make of them by the domain alone.

use std::collections::{BTreeMap, BTreeSet};

use purse_domain::{
    AccountName, Action, Actor, Amount, Answered, ApplicationState, AssetCode, Cadence,
    CalendarSpan, CatchUp, Category, Command, CommitToken, CostBasis, CreateWallet, CyclePeriod,
    Decision, DrawdownPolicy, Entry, EntryKind, ExpirySettings, Fingerprint, GrantRule,
    GroupVerdict, Heard, Horizon, IdempotencyKey, KeptApplication, Known, LeadTimes, Look,
    Metadata, NamespaceId, NamespaceName, OnCancel, PlanChange, PlanId, PositiveAmount, Priority,
    Proration, Reason, Request, Rollover, RuleId, RuleName, RuleScope, RuleTerms, Scale, SpanUnit,
    Spend, Stage, Subscription, SubscriptionEvent, SubscriptionEventKind, SubscriptionId,
    SubscriptionName, SubscriptionState, SubscriptionStatus, Thresholds, TimeZone, Timestamp,
    TransactionId, Verdict, WalletName, WalletState, decide_group, look, schedule,
};
use uuid::Uuid;

pub fn at(text: &str) -> Timestamp {
    let text = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    Timestamp::parse(&text).unwrap()
}

pub fn amount(text: &str) -> PositiveAmount {
    PositiveAmount::parse(text, Scale::MAX).unwrap()
}

fn namespace() -> NamespaceId {
    NamespaceId::of(&NamespaceName::parse("default").unwrap())
}

/// A rule of a plan that grants monthly until the end of the billing period.
pub fn monthly(plan: &str, granted: &str) -> GrantRule {
    let key = IdempotencyKey::parse(&format!("{plan} {granted}")).unwrap();
    GrantRule {
        id: RuleId::of(namespace(), &key),
        namespace_id: namespace(),
        scope: RuleScope::Plan(PlanId::parse(plan).unwrap()),
        asset: AssetCode::parse("credits").unwrap(),
        terms: RuleTerms {
            name: RuleName::parse(&format!("{plan} monthly")).unwrap(),
            amount: amount(granted),
            cadence: Cadence::Recurring(CalendarSpan::MONTH),
            expiry: ExpirySettings::BillingCycle {
                reset_at_period_end: true,
                cycle_count: std::num::NonZeroU32::MIN,
            },
            priority: Priority::DEFAULT,
            category: Category::parse("monthly").unwrap(),
            cost_basis: CostBasis::ZERO,
            applies_to: BTreeSet::new(),
            metadata: Metadata::default(),
            starts_at: None,
            ends_at: None,
            is_active: true,
            stage: Stage::Paid,
            proration: Proration::None,
            catch_up: CatchUp::All,
            plan_change: PlanChange::TopUp,
            on_cancel: OnCancel::Keep,
            rollover: Rollover::default(),
            ahead_micros: 0,
        },
        created_by: Actor::parse("").unwrap(),
        created_at: at("2020-01-01"),
        updated_by: Actor::parse("").unwrap(),
        updated_at: at("2020-01-01"),
        deleted_at: None,
        version: 1,
    }
}

/// The same with other terms.
pub fn with(mut rule: GrantRule, change: impl FnOnce(&mut RuleTerms)) -> GrantRule {
    change(&mut rule.terms);
    rule
}

pub fn days(count: u32) -> CalendarSpan {
    CalendarSpan::new(SpanUnit::Day, count).unwrap()
}

/// An active subscription's state, billed monthly in UTC.
pub fn state(plan: &str, started: &str) -> SubscriptionState {
    SubscriptionState {
        status: SubscriptionStatus::Active,
        plan: PlanId::parse(plan).unwrap(),
        addons: BTreeSet::new(),
        started_at: at(started),
        period: CyclePeriod {
            start: at(started),
            end: CalendarSpan::MONTH.after(at(started), TimeZone::UTC),
        },
        anchor_at: at(started),
        billing_span: CalendarSpan::MONTH,
        zone: TimeZone::UTC,
        trial_ends_at: None,
        ends_at: None,
    }
}

pub fn event(
    version: i64,
    kind: SubscriptionEventKind,
    effective: &str,
    state: SubscriptionState,
) -> SubscriptionEvent {
    let effective_at = at(effective);
    // It speaks of the billing period that it is in.
    let period = state.billing().period_of(effective_at);
    let state = SubscriptionState { period, ..state };
    let (previous_version, recorded_at) = (None, effective_at);
    SubscriptionEvent { version, previous_version, kind, effective_at, state, recorded_at }
}

/// A subscription with its wallet.
#[derive(Clone)]
pub struct World {
    name: SubscriptionName,
    wallet: WalletName,
    rules: Vec<GrantRule>,
    subscription: Subscription,
    pub kept: Vec<KeptApplication>,
    /// What the job goes by; looks of one that forgets nothing must find the same.
    done_until: Timestamp,
    pub state: WalletState,
    pub entries: Vec<Entry>,
    used: BTreeSet<String>,
    now: Timestamp,
    writes: u128,
}

impl World {
    pub fn new(now: &str, rules: Vec<GrantRule>) -> Self {
        let account = AccountName::parse("org:42").unwrap();
        let id = SubscriptionId::parse("sub_1").unwrap();
        let name = SubscriptionName::new(namespace(), account.clone(), id);
        let wallet = WalletName::new(namespace(), account, AssetCode::parse("credits").unwrap());
        let create = CreateWallet {
            requested_scale: None,
            asset_scale: None,
            drawdown_policy: DrawdownPolicy::ExpiryFirst,
            overdraft_limit: Amount::ZERO,
            low_balance_thresholds: Thresholds::default(),
            expiring_soon_leads: LeadTimes::default(),
        };
        let request = request(&wallet, Command::CreateWallet(create), "open".to_owned());
        let now = at(now);
        let state = match purse_domain::decide(None, &request, now) {
            Verdict::Accepted(decision) => WalletState::after(None, &decision).unwrap(),
            refused @ (Verdict::Rejected(_) | Verdict::Lacking(_)) => panic!("{refused:?}"),
        };
        Self {
            name,
            wallet,
            rules,
            subscription: Subscription::default(),
            kept: Vec::new(),
            done_until: Timestamp::FIRST,
            state,
            entries: Vec::new(),
            used: BTreeSet::new(),
            now,
            writes: 0,
        }
    }

    /// Hears of an event now, and does what is to be done.
    pub fn hear(&mut self, event: SubscriptionEvent) -> Heard {
        let event = SubscriptionEvent { recorded_at: self.now, ..event };
        self.done_until = self.done_until.min(self.subscription.may_change_from(&event));
        let heard = self.subscription.hear(event);
        self.settle();
        heard
    }

    /// Time passes, and what becomes due is done when it does.
    pub fn until(&mut self, then: &str) {
        let then = at(then);
        while let Some(due) = self.look().next_look_at.filter(|due| *due <= then) {
            self.now = self.now.max(due);
            self.settle();
        }
        self.now = then;
        self.settle();
    }

    /// What is to be done, by what the job knows. One who looks at everything finds the same.
    fn look(&self) -> Look {
        let scales = BTreeMap::new();
        let since = self.subscription.looks_back_to(self.done_until);
        let kept: Vec<KeptApplication> =
            self.kept.iter().filter(|kept| kept.matters_from(since)).cloned().collect();
        let known = Known { kept: &kept, since: self.done_until, ..self.known(&scales) };
        let found = look(&self.name, &known, self.now);
        let whole = look(&self.name, &self.known(&scales), self.now);
        assert_eq!(found.actions, whole.actions, "done until {}", self.done_until);
        assert_eq!(found.next_look_at, whole.next_look_at, "done until {}", self.done_until);
        found
    }

    pub fn spend(&mut self, much: &str) {
        let (operation, occurred_at) = (None, None);
        let spend = Spend { amount: amount(much).into(), operation, occurred_at };
        self.writes += 1;
        let key = format!("spend {}", self.writes);
        self.decide(Command::Spend(spend), key).unwrap();
    }

    /// Usage of a day before; whether the wallet takes it.
    pub fn spend_late(&mut self, much: &str, occurred: &str) -> bool {
        let (operation, occurred_at) = (None, Some(at(occurred)));
        let spend = Spend { amount: amount(much).into(), operation, occurred_at };
        self.writes += 1;
        let key = format!("spend {}", self.writes);
        self.decide(Command::Spend(spend), key).is_ok()
    }

    /// Somebody lets the wallet's first grant expire.
    pub fn expire_first(&mut self) {
        let first = Command::ExpireGrant(purse_domain::GrantNumber(1));
        self.decide(first, "expire".to_owned()).unwrap();
    }

    fn known<'k>(&'k self, scales: &'k BTreeMap<AssetCode, Scale>) -> Known<'k> {
        Known {
            id: &self.name.id,
            subscription: &self.subscription,
            rules: &self.rules,
            kept: &self.kept,
            scales,
            since: Timestamp::FIRST,
            patience_micros: purse_domain::PATIENCE_MICROS,
        }
    }

    /// What has become of each application until then, as lines.
    pub fn applications(&self, horizon: &str) -> Vec<String> {
        let scales = BTreeMap::new();
        let all = schedule(&self.known(&scales), self.now, Horizon::Until(at(horizon)));
        let line = |it: &purse_domain::Application| {
            let state = match &it.state {
                ApplicationState::Applied(_) => "APPLIED".to_owned(),
                ApplicationState::Skipped(why) => format!("SKIPPED {why:?}"),
                state @ (ApplicationState::Pending
                | ApplicationState::Waiting { .. }
                | ApplicationState::Due
                | ApplicationState::Failed(_)
                | ApplicationState::Cancelled) => format!("{state:?}").to_uppercase(),
            };
            format!("{} {}: {state}", &it.id.period_start.to_string()[..10], it.amount)
        };
        all.iter().map(line).collect()
    }

    fn settle(&mut self) {
        loop {
            let Look { actions, done_until, .. } = self.look();
            self.done_until = done_until;
            if actions.is_empty() {
                return;
            }
            for action in actions {
                self.act(&action);
            }
        }
    }

    fn act(&mut self, action: &Action) {
        assert!(self.used.insert(action.key.as_str().to_owned()), "once: {action:?}");
        let answered = match self.decide(action.command.clone(), action.key.as_str().to_owned()) {
            Ok(decision) => Answered::of(
                TransactionId::from_uuid(Uuid::nil()),
                decision.made_grants(),
                &decision.entries[decision.settled..],
            ),
            Err(reason) => Answered::Refused(reason),
        };
        let kept = action.kept(&answered, self.now);
        self.kept.retain(|before| before.id != kept.id);
        self.kept.push(kept);
    }

    fn decide(&mut self, command: Command, key: String) -> Result<Decision, String> {
        let request = request(&self.wallet, command, key);
        let verdict = decide_group(|_| Some(&self.state), &[&request], self.now);
        match verdict {
            GroupVerdict::Accepted(mut decided) => {
                let decision = decided.remove(0).decision;
                self.entries.extend(decision.entries.iter().cloned());
                self.state.apply(&decision);
                Ok(decision)
            }
            refused @ (GroupVerdict::Rejected(_) | GroupVerdict::Lacking(..)) => {
                Err(format!("{refused:?}"))
            }
        }
    }

    /// The balance now.
    pub fn balance(&self) -> String {
        purse_domain::balances_at(&self.state, self.now).unwrap().balance().to_string()
    }

    /// What was granted, when it counts from and until, in order of that.
    pub fn grants(&self) -> Vec<String> {
        let line = |grant: &purse_domain::Grant| {
            let day = |at: Timestamp| at.to_string()[..10].to_owned();
            let until = grant.window.expires_at().map_or_else(|| "ever".to_owned(), day);
            let from = day(grant.window.effective_at());
            format!("{from} {} until {until}: {}", grant.terms.amount.get(), grant.parts.available)
        };
        let mut lines: Vec<String> = self.state.grants.values().map(line).collect();
        lines.sort();
        lines
    }

    /// What can be spent of grants, when it counts from and until; of several alike their sum.
    pub fn spendable(&self) -> BTreeMap<(Timestamp, Option<Timestamp>), Amount> {
        let mut sums = BTreeMap::new();
        for grant in self.state.grants.values().filter(|it| !it.parts.available.is_zero()) {
            let window = (grant.window.effective_at(), grant.window.expires_at());
            let sum = sums.entry(window).or_insert(Amount::ZERO);
            *sum = *sum + grant.parts.available;
        }
        sums
    }

    /// What the ledger says, whenever it was written.
    pub fn ledger(&self) -> Vec<String> {
        let line =
            |entry: &Entry| format!("{} {:?} {}", entry.effective_at, entry.kind, entry.amount);
        let mut lines: Vec<String> = self.entries.iter().map(line).collect();
        lines.sort();
        lines
    }

    pub fn count(&self, kind: EntryKind) -> usize {
        self.entries.iter().filter(|entry| entry.kind == kind).count()
    }
}

fn request(wallet: &WalletName, command: Command, key: String) -> Request {
    let (actor, reason) = (Actor::parse("").unwrap(), Reason::parse("").unwrap());
    let fingerprint = Fingerprint::of(wallet, &command, &actor, &reason, &Metadata::default());
    Request {
        wallet: wallet.clone(),
        command,
        key: Some(IdempotencyKey::from_stored(key)),
        fingerprint,
        actor,
        reason,
        metadata: Metadata::default(),
        validate_only: false,
        commit_token: None::<CommitToken>,
    }
}

/// The same event, as it is told in a later period.
pub fn told_in(event: &SubscriptionEvent, now: &str) -> SubscriptionEvent {
    let period = event.state.billing().period_of(at(now));
    SubscriptionEvent {
        state: SubscriptionState { period, ..event.state.clone() },
        ..event.clone()
    }
}
