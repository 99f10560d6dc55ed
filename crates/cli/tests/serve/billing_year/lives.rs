//! The lives of subscriptions: what the billing system would tell of them, in order.

use chrono::{DateTime, Months};
use purse_client::v1::{
    SubscriptionEvent, SubscriptionEventKind, SubscriptionState, SubscriptionStatus,
};

use super::{DAY, YEAR, chance::Chance};

const PLANS: [&str; 5] = ["basic", "pro", "weekly", "quarterly", "starter"];
const ZONES: [&str; 3] = ["UTC", "America/New_York", "Asia/Tokyo"];
/// Nothing changes after the year but by renewal, so that the last events, which come late, are of a past period.
const LAST_CHANGE: i64 = YEAR + 300 * DAY;
const LAST_RENEWAL: i64 = YEAR + 365 * DAY;

/// One subscription's.
#[derive(Debug)]
pub struct Life {
    pub account: String,
    pub subscription: String,
    pub events: Vec<SubscriptionEvent>,
    chance: Chance,
    state: SubscriptionState,
}

impl Life {
    pub fn new(index: u64, seed: u64) -> Self {
        let account = format!("org:{index}");
        let mut chance = Chance::new(seed, 0).for_name(&account);
        let start = YEAR + chance.below(60) * DAY + chance.below(24) * 3_600;
        let plan = PLANS[usize::try_from(chance.below(5)).unwrap()];
        let zone = ZONES[usize::try_from(chance.below(3)).unwrap()];
        let state = SubscriptionState {
            status: SubscriptionStatus::Active.into(),
            plan_id: plan.to_owned(),
            started_at: Some(at(start)),
            anchor_at: Some(at(start)),
            time_zone: zone.to_owned(),
            ..Default::default()
        };
        let subscription = format!("sub_{index}");
        let mut life = Self { account, subscription, events: Vec::new(), chance, state };
        life.live(start);
        life
    }

    fn live(&mut self, start: i64) {
        let mut anchor = start;
        if self.chance.one_in(4) {
            let conversion = start + 14 * DAY;
            self.state.status = SubscriptionStatus::Trialing.into();
            self.state.trial_ends_at = Some(at(conversion));
            self.tell(SubscriptionEventKind::TrialStarted, start);
            self.state.status = SubscriptionStatus::Active.into();
            self.state.trial_ends_at = None;
            anchor = conversion;
            self.state.anchor_at = Some(at(anchor));
            self.tell(SubscriptionEventKind::Renewed, anchor);
        } else {
            self.tell(SubscriptionEventKind::Started, start);
        }
        for month in 0.. {
            let (from, to) = (later(anchor, month), later(anchor, month + 1));
            if from >= LAST_RENEWAL {
                break;
            }
            if month > 0 {
                self.tell(SubscriptionEventKind::Renewed, from);
            }
            if to < LAST_CHANGE && !self.change(from) {
                return;
            }
        }
        if let Some(last) = self.events.last_mut() {
            "last".clone_into(&mut last.event_id);
        }
    }

    /// What happens within a month; `false`: it was cancelled.
    fn change(&mut self, from: i64) -> bool {
        let first = from + DAY + self.chance.below(10 * DAY);
        let second = first + DAY + self.chance.below(10 * DAY);
        match self.chance.below(24) {
            0 => {
                self.state.status = SubscriptionStatus::Cancelled.into();
                self.tell(SubscriptionEventKind::Cancelled, first);
                return false;
            }
            1 | 2 => {
                self.state.status = SubscriptionStatus::Paused.into();
                self.tell(SubscriptionEventKind::Paused, first);
                self.state.status = SubscriptionStatus::Active.into();
                self.tell(SubscriptionEventKind::Resumed, second);
            }
            3..=6 => {
                for change in [first, second] {
                    let plan = PLANS[usize::try_from(self.chance.below(5)).unwrap()];
                    plan.clone_into(&mut self.state.plan_id);
                    self.tell(SubscriptionEventKind::PlanChanged, change);
                }
            }
            _ => {}
        }
        true
    }

    fn tell(&mut self, kind: SubscriptionEventKind, seconds: i64) {
        let version = i64::try_from(self.events.len()).unwrap() + 1;
        self.events.push(SubscriptionEvent {
            event_id: format!("{} {version}", self.subscription),
            source: "billing".to_owned(),
            account: self.account.clone(),
            subscription_id: self.subscription.clone(),
            version,
            previous_version: Some(version - 1),
            kind: kind.into(),
            effective_at: Some(at(seconds)),
            state: Some(self.state.clone()),
        });
    }
}

fn at(seconds: i64) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds, nanos: 0 }
}

/// So many months after the anchor, on its day. In UTC: whether that is the zone's bound to the hour does not matter.
fn later(anchor: i64, months: u32) -> i64 {
    let anchor = DateTime::from_timestamp(anchor, 0).unwrap();
    anchor.checked_add_months(Months::new(months)).unwrap().timestamp()
}
