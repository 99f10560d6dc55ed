//! Events in any order, and any number of times, end in the same state (scenarios 52 and 53).

use proptest::prelude::*;
use purse_domain::{
    Cadence, ExpirySettings, GrantRule, Heard, OnCancel, SubscriptionEvent, SubscriptionEventKind,
    SubscriptionEventKind::{
        BillingDateChanged, Cancelled, Paused, PlanChanged, Renewed, Resumed, Started, TrialStarted,
    },
    SubscriptionState, SubscriptionStatus,
};

use crate::world::{World, at, event, monthly, state, with};

fn events() -> Vec<SubscriptionEvent> {
    let ended =
        SubscriptionState { status: SubscriptionStatus::Cancelled, ..state("pro", "2026-01-01") };
    vec![
        event(1, Started, "2026-01-01", state("basic", "2026-01-01")),
        event(2, Renewed, "2026-02-01", state("basic", "2026-01-01")),
        event(3, PlanChanged, "2026-02-10", state("pro", "2026-01-01")),
        event(4, Renewed, "2026-03-01", state("pro", "2026-01-01")),
        event(5, Cancelled, "2026-03-20", ended),
    ]
}

fn heard_at(now: &str, order: &[usize]) -> World {
    let rules = [monthly("basic", "500"), monthly("pro", "2000")].map(|rule| {
        crate::world::with(rule, |terms| terms.expiry = purse_domain::ExpirySettings::Never)
    });
    let mut world = World::new(now, rules.to_vec());
    let events = events();
    for place in order {
        world.hear(events[*place].clone());
    }
    world
}

#[test]
fn an_upgrade_that_comes_before_the_beginning_waits_for_it() {
    let mut world = heard_at("2026-02-10", &[2]);
    assert_eq!(world.balance(), "0");
    assert_eq!(world.hear(events()[0].clone()), Heard::Older);
    // 500 of January, and what the upgrade adds to the 500 of February. Whether these are granted depends on what
    // is still to be heard of February; nothing comes.
    assert_eq!(world.balance(), "2000");
    world.until("2026-02-11");
    assert_eq!(world.balance(), "2500");
    // If it never comes, the upgrade is granted as if there had been nothing before.
    let mut world = heard_at("2026-02-10", &[2]);
    world.until("2026-02-11");
    assert_eq!(world.balance(), "2000");
}

proptest! {
    #[test]
    fn any_order_ends_in_the_same_state(
        mut order in Just((0..5_usize).collect::<Vec<_>>()).prop_shuffle(),
        again in proptest::collection::vec(0..5_usize, 0..6),
    ) {
        let clean = heard_at("2026-03-25", &[0, 1, 2, 3, 4]);
        for place in again {
            order.push(place);
        }
        let any = heard_at("2026-03-25", &order);
        prop_assert_eq!(any.grants(), clean.grants());
        prop_assert_eq!(any.ledger(), clean.ledger());
        prop_assert_eq!(any.applications("2026-06-01"), clean.applications("2026-06-01"));
    }
}

/// What may happen to a subscription after its beginning.
#[derive(Debug, Clone)]
struct Turn {
    kind: SubscriptionEventKind,
    hours: i64,
    plan: &'static str,
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let kind = prop_oneof![
        Just(Renewed),
        Just(PlanChanged),
        Just(PlanChanged),
        Just(Paused),
        Just(Resumed),
        Just(Cancelled)
    ];
    let turn = (kind, 0..80_i64 * 24, prop_oneof![Just("small"), Just("mid"), Just("big")]);
    let turn = turn.prop_map(|(kind, hours, plan)| Turn { kind, hours, plan });
    proptest::collection::vec(turn, 1..5)
}

/// A beginning and what happens after it, told as one who keeps the order tells it.
fn life(turns: &[Turn]) -> Vec<SubscriptionEvent> {
    let mut turns = turns.to_vec();
    turns.sort_by_key(|turn| turn.hours);
    // A cancellation that lasts for no time lets credits expire if it is heard before it is withdrawn.
    turns.dedup_by_key(|turn| turn.hours);
    let mut plan = "small";
    let mut told = vec![event(1, Started, "2026-01-01", state(plan, "2026-01-01"))];
    for (version, Turn { kind, hours, plan: next }) in (2..).zip(turns) {
        if kind == PlanChanged {
            plan = next;
        }
        let status = match kind {
            Paused => SubscriptionStatus::Paused,
            Cancelled => SubscriptionStatus::Cancelled,
            Started | TrialStarted | Renewed | PlanChanged | BillingDateChanged | Resumed => {
                SubscriptionStatus::Active
            }
        };
        let state = SubscriptionState { status, ..state(plan, "2026-01-01") };
        let at = at("2026-01-01").plus_micros(hours * 3_600_000_000).to_string();
        let previous_version = Some(version - 1);
        told.push(SubscriptionEvent { previous_version, ..event(version, kind, &at, state) });
    }
    told
}

fn sold() -> Vec<GrantRule> {
    let weekly = with(monthly("mid", "31"), |terms| {
        terms.cadence = Cadence::Recurring(crate::world::days(7));
        terms.expiry = ExpirySettings::Never;
    });
    let bonus = with(monthly("big", "7"), |terms| {
        terms.cadence = Cadence::OneTime;
        terms.expiry = ExpirySettings::Duration(crate::world::days(60));
    });
    let welcome = with(monthly("small", "13"), |terms| {
        terms.cadence = Cadence::OneTime;
        terms.expiry = ExpirySettings::Duration(crate::world::days(70));
    });
    let expiring = with(monthly("small", "11"), |terms| {
        terms.expiry = ExpirySettings::Never;
        terms.on_cancel = OnCancel::Expire;
    });
    let expiring_weekly = with(monthly("mid", "17"), |terms| {
        terms.cadence = Cadence::Recurring(crate::world::days(7));
        terms.expiry = ExpirySettings::Never;
        terms.on_cancel = OnCancel::Expire;
    });
    let plans = [monthly("small", "500"), monthly("mid", "700"), monthly("big", "2000")];
    plans.into_iter().chain([weekly, bonus, welcome, expiring, expiring_weekly]).collect()
}

/// What a life leaves that is told in an order.
fn told(turns: &[Turn], order: &[usize]) -> World {
    let events = life(turns);
    let mut world = World::new("2026-03-25", sold());
    for place in order.iter().filter(|place| **place < events.len()) {
        world.hear(events[*place].clone());
    }
    world.until("2026-03-25T03:00:00Z");
    world
}

/// Lives and orders that chance found.
#[test]
fn upgrades_that_are_told_backwards_leave_the_same() {
    let turn = |kind, hours, plan| Turn { kind, hours, plan };
    let changed = |hours, plan| turn(PlanChanged, hours, plan);
    let renewed = turn(Renewed, 0, "small");
    let cases = [
        // The weekly credits of `mid` are less by what `small` granted, and those of `big` by what `mid` did.
        (
            vec![changed(745, "big"), changed(1345, "mid"), changed(1417, "big")],
            [3, 1, 2, 0].as_slice(),
        ),
        // What `mid` granted for later weeks goes before it is known what `big` adds.
        (vec![renewed.clone(), changed(1416, "mid"), changed(1417, "big")], &[1, 0, 3, 2]),
        // What `big` granted afterwards does not count against `mid`.
        (vec![renewed, changed(1345, "mid"), changed(1416, "big")], &[0, 3, 2, 1]),
        // What `small`, which never was, granted does not count against `mid`, though it was to expire with the end.
        (vec![changed(0, "big"), changed(1, "mid"), turn(Cancelled, 2, "small")], &[3, 0, 2, 1]),
        // Weeks of `mid` that were to expire with the end never began: one that begins after all is granted.
        (
            vec![
                changed(1464, "mid"),
                turn(Paused, 1488, "small"),
                turn(Cancelled, 1632, "small"),
                turn(Resumed, 1668, "small"),
            ],
            &[3, 0, 1, 2, 4],
        ),
    ];
    for (turns, order) in cases {
        let (clean, any) = (told(&turns, &[0, 1, 2, 3, 4]), told(&turns, order));
        assert_eq!(any.spendable(), clean.spendable(), "{turns:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    /// Whatever happens to a subscription, and however it is told, the account has the same in the end.
    #[test]
    fn any_life_told_in_any_order_leaves_the_same(
        turns in turns(),
        order in Just((0..5_usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let clean = told(&turns, &[0, 1, 2, 3, 4]);
        let any = told(&turns, &order);
        prop_assert_eq!(any.spendable(), clean.spendable());
        prop_assert_eq!(any.balance(), clean.balance());
    }
}
