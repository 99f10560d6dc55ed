//! Subscriptions over gRPC.

use purse_domain::Timestamp;
use purse_proto::v1::{
    Application, ApplicationState, BillingPeriod, CreateGrantRuleRequest, EventOutcome, GrantRule,
    ListApplicationsRequest, ReconcileSubscriptionRequest, RecordSubscriptionEventRequest,
    RuleCadence, RuleCatchUp, RuleOnCancel, RulePlanChange, RuleProration, RuleRollover, RuleScope,
    RuleStage, SubscriptionEvent, SubscriptionEventKind, SubscriptionState, SubscriptionStatus,
    rule_rollover::Cap,
};

use super::{GrpcDriver, expiry, refusal, view::timestamp as instant};
use crate::{
    answer::Refusal,
    billing::{ApplicationView, NewEvent, NewRule, SUBSCRIPTION},
    expiry::Expires,
};

impl GrpcDriver {
    pub(super) async fn ask_for_rule(&mut self, rule: &NewRule) -> Result<Expires, Refusal> {
        let NewRule { plan, subscription, asset, step } = rule;
        let (scope, plan_id) = match subscription {
            None => (RuleScope::Plan, plan.clone()),
            Some(_) => (RuleScope::Subscription, String::new()),
        };
        let idempotency_key = rule.key();
        let rule = GrantRule {
            name: plan.clone(),
            scope: scope.into(),
            plan_id,
            subscription_id: subscription.clone().unwrap_or_default(),
            asset: asset.clone(),
            amount: step.amount.clone(),
            cadence: match step.every {
                Some(_) => RuleCadence::Recurring.into(),
                None => RuleCadence::Onetime.into(),
            },
            period: step.every.map_or(0, |every| expiry::period(every.unit).into()),
            period_count: step.every.map_or(0, |every| every.count.cast_signed()),
            expiry_settings: step.expires.map(expiry::settings),
            expire_in_days: step.expire_in_days,
            priority: step.priority,
            category: step.category.clone().unwrap_or_else(|| "monthly".to_owned()),
            stage: number("RULE_STAGE_", &step.stage, RuleStage::from_str_name),
            proration: number("RULE_PRORATION_", &step.proration, RuleProration::from_str_name),
            catch_up: number("RULE_CATCH_UP_", &step.catch_up, RuleCatchUp::from_str_name),
            plan_change: number(
                "RULE_PLAN_CHANGE_",
                &step.plan_change,
                RulePlanChange::from_str_name,
            ),
            on_cancel: number("RULE_ON_CANCEL_", &step.on_cancel, RuleOnCancel::from_str_name),
            rollover: rollover(&step.rollover),
            grant_ahead: Some(prost_types::Duration {
                seconds: step.ahead.map_or(0, |ahead| ahead.micros / 1_000_000),
                nanos: 0,
            }),
            starts_at: Some(instant(step.starts_at.map_or(Timestamp::FIRST, |at| at.0))),
            ..Default::default()
        };
        let message =
            CreateGrantRuleRequest { rule: Some(rule), idempotency_key, ..Default::default() };
        let request = self.request(message);
        let answer = self.grants.create_grant_rule(request).await.map_err(refusal::of)?;
        let rule = answer.into_inner().rule;
        Ok(expiry::expires(rule.and_then(|rule| rule.expiry_settings).as_ref()))
    }

    pub(super) async fn tell(&mut self, told: &NewEvent) -> Result<String, Refusal> {
        self.subscribers.insert(told.account.clone());
        let event = Some(event(told));
        let request = self.request(RecordSubscriptionEventRequest { event });
        let answer = self.subscriptions.record_subscription_event(request).await;
        let outcome = answer.map_err(refusal::of)?.into_inner().outcome();
        Ok(word("EVENT_OUTCOME_", EventOutcome::as_str_name(&outcome)))
    }

    /// Does what has become due for all subscriptions of this driver, if the job has not done so.
    pub(super) async fn reconcile_all(&mut self) -> Result<(), Refusal> {
        for account in self.subscribers.clone() {
            let request = self.request(ReconcileSubscriptionRequest {
                account,
                subscription_id: SUBSCRIPTION.to_owned(),
                as_of: None,
                apply: true,
            });
            self.subscriptions.reconcile_subscription(request).await.map_err(refusal::of)?;
        }
        Ok(())
    }

    pub(super) async fn list_applications(
        &mut self,
        account: &str,
        until: Timestamp,
    ) -> Result<Vec<ApplicationView>, Refusal> {
        let request = self.request(ListApplicationsRequest {
            account: account.to_owned(),
            subscription_id: SUBSCRIPTION.to_owned(),
            until: Some(instant(until)),
        });
        let answer = self.subscriptions.list_applications(request).await.map_err(refusal::of)?;
        Ok(answer.into_inner().applications.iter().map(view).collect())
    }
}

/// The number of a word; nothing if it is empty, and one that there is not if it is not known.
fn number<T: Into<i32>>(prefix: &str, word: &str, find: fn(&str) -> Option<T>) -> i32 {
    if word.is_empty() { 0 } else { find(&format!("{prefix}{word}")).map_or(99, Into::into) }
}

fn word(prefix: &str, name: &str) -> String {
    name.trim_start_matches(prefix).to_owned()
}

fn rollover(text: &str) -> Option<RuleRollover> {
    let cap = match (text, text.strip_suffix('%')) {
        ("", _) => return None,
        ("all", _) => Cap::All(true),
        (_, Some(percent)) => Cap::Percent(percent.to_owned()),
        (amount, None) => Cap::Amount(amount.to_owned()),
    };
    Some(RuleRollover { periods: 1, cap: Some(cap) })
}

fn event(told: &NewEvent) -> SubscriptionEvent {
    let NewEvent { account, plan, started_at, step } = told;
    let at = |at: Option<crate::instant::Instant>| at.map(|at| instant(at.0));
    let kind =
        number("SUBSCRIPTION_EVENT_KIND_", &step.event, SubscriptionEventKind::from_str_name);
    let status = step.status.as_deref().unwrap_or("ACTIVE");
    let anchor_at = step.anchor.map_or(*started_at, |anchor| anchor.0);
    let zone = step.zone.clone().unwrap_or_else(|| "UTC".to_owned());
    // The service takes the period that contains an instant only if it is the event's own.
    let (start, end) = match step.within {
        None => (None, None),
        Some(within) => {
            let (start, end) = month_of(anchor_at, &zone, within.0);
            (Some(instant(start)), Some(instant(end)))
        }
    };
    SubscriptionEvent {
        event_id: format!("{account} {}", step.version),
        source: "scenarios".to_owned(),
        account: account.clone(),
        subscription_id: SUBSCRIPTION.to_owned(),
        version: step.version,
        previous_version: None,
        kind,
        effective_at: Some(instant(step.at.0)),
        state: Some(SubscriptionState {
            status: number("SUBSCRIPTION_STATUS_", status, SubscriptionStatus::from_str_name),
            plan_id: plan.clone(),
            addon_ids: Vec::new(),
            started_at: Some(instant(*started_at)),
            current_period_start: start,
            current_period_end: end,
            billing_period: BillingPeriod::Monthly.into(),
            billing_period_count: 1,
            anchor_at: Some(instant(anchor_at)),
            time_zone: zone,
            trial_ends_at: at(step.trial_end),
            ends_at: at(step.ends),
        }),
    }
}

/// The month after an anchor that contains an instant.
fn month_of(anchor_at: Timestamp, zone: &str, within: Timestamp) -> (Timestamp, Timestamp) {
    let zone = purse_domain::TimeZone::parse(zone).unwrap_or(purse_domain::TimeZone::UTC);
    let cycle = purse_domain::Cycle { anchor_at, span: purse_domain::CalendarSpan::MONTH, zone };
    let period = cycle.period_of(within);
    (period.start, period.end)
}

fn view(application: &Application) -> ApplicationView {
    let state = ApplicationState::as_str_name(&application.state());
    let at = application.effective_at.unwrap_or_default();
    ApplicationView {
        effective_at: Timestamp::from_parts(at.seconds, at.nanos).unwrap_or(Timestamp::FIRST),
        amount: application.amount.clone(),
        state: word("APPLICATION_STATE_", state),
        reason: application.reason.clone(),
        grant: application.grant_number,
    }
}
