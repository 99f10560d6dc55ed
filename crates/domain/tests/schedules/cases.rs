//! Worked examples (scenarios 41 to 43, 48 to 51, 54).

use purse_domain::{
    Amount, Cadence, CatchUp, EntryKind, ExpirySettings, OnCancel, Percent, Proration, Rollover,
    RolloverCap, Scale, Stage,
    SubscriptionEventKind::{Cancelled, PlanChanged, Renewed, Started, TrialStarted},
    SubscriptionState, SubscriptionStatus,
    rule::part_of,
};

use crate::world::{World, amount, at, days, event, monthly, state, told_in, with};

fn cancelled(plan: &str, started: &str) -> SubscriptionState {
    SubscriptionState { status: SubscriptionStatus::Cancelled, ..state(plan, started) }
}

#[test]
fn unused_monthly_credits_do_not_accumulate() {
    let mut world = World::new("2026-01-01", vec![monthly("basic", "100")]);
    world.hear(event(1, Started, "2026-01-01", state("basic", "2026-01-01")));
    world.spend("40");
    world.until("2026-02-01");
    assert_eq!(world.balance(), "100");
    world.hear(event(2, Renewed, "2026-02-01", state("basic", "2026-01-01")));
    assert_eq!(world.balance(), "100");
}

#[test]
fn missed_periods_are_caught_up_as_the_rule_says() {
    let rule = |catch_up| {
        with(monthly("basic", "50"), |terms| {
            terms.catch_up = catch_up;
            terms.expiry = ExpirySettings::Never;
        })
    };
    for (catch_up, applied) in [(CatchUp::All, 3), (CatchUp::Latest, 1), (CatchUp::None, 0)] {
        let mut world = World::new("2026-03-16", vec![rule(catch_up)]);
        let started = event(1, Started, "2026-01-01", state("basic", "2026-01-01"));
        world.hear(told_in(&started, "2026-03-16"));
        assert_eq!(world.kept.len(), applied, "{catch_up:?}");
        let told = world.applications("2026-04-01");
        assert_eq!(told.len(), 4);
        assert_eq!(told[3], "2026-04-01 50: PENDING");
    }
    let mut world = World::new("2026-03-16", vec![rule(CatchUp::All)]);
    world.hear(event(1, Started, "2026-03-15", state("basic", "2026-03-15")));
    assert_eq!(world.kept.len(), 1);
    let mut world = World::new("2026-03-16", vec![rule(CatchUp::All)]);
    world.hear(event(1, Started, "2026-04-01", state("basic", "2026-04-01")));
    assert_eq!(world.kept.len(), 0);
    world.until("2026-04-01");
    assert_eq!(world.kept.len(), 1);
}

#[test]
fn what_would_have_expired_is_skipped() {
    let rule =
        with(monthly("basic", "50"), |terms| terms.expiry = ExpirySettings::Duration(days(1)));
    let mut world = World::new("2026-01-03", vec![rule]);
    world.hear(event(1, Started, "2026-01-01", state("basic", "2026-01-01")));
    assert_eq!(
        world.applications("2026-02-01"),
        ["2026-01-01 50: SKIPPED ExpiredOnArrival", "2026-02-01 50: PENDING"]
    );
    assert_eq!(world.balance(), "0");
}

#[test]
fn a_cancellation_cancels_what_begins_with_it_or_later() {
    let rule = with(monthly("basic", "10"), |terms| {
        terms.cadence = Cadence::Recurring(days(5));
        terms.expiry = ExpirySettings::Never;
    });
    let mut world = World::new("2026-01-07", vec![rule.clone()]);
    world.hear(event(1, Started, "2026-01-01", state("basic", "2026-01-01")));
    world.hear(event(2, Cancelled, "2026-01-16", cancelled("basic", "2026-01-01")));
    world.until("2026-03-01");
    assert_eq!(world.balance(), "30");
    // One that is heard of too late takes back what was granted for periods that never began.
    let mut world = World::new("2026-01-01", vec![rule]);
    world.hear(event(1, Started, "2026-01-01", state("basic", "2026-01-01")));
    world.until("2026-01-22");
    assert_eq!(world.balance(), "50");
    world.spend("35");
    world.hear(event(2, Cancelled, "2026-01-16", cancelled("basic", "2026-01-01")));
    assert_eq!(world.balance(), "0");
    assert_eq!(world.count(EntryKind::Voided), 2);
}

#[test]
fn credits_follow_the_rules_cancel_policy() {
    for (on_cancel, left) in [(OnCancel::Keep, "100"), (OnCancel::Expire, "0")] {
        let rule = with(monthly("basic", "100"), |terms| terms.on_cancel = on_cancel);
        let mut world = World::new("2026-01-01", vec![rule]);
        world.hear(event(1, Started, "2026-01-01", state("basic", "2026-01-01")));
        world.until("2026-01-10");
        world.hear(event(2, Cancelled, "2026-01-10", cancelled("basic", "2026-01-01")));
        assert_eq!(world.balance(), left, "{on_cancel:?}");
    }
}

#[test]
fn an_upgrade_grants_the_difference_once() {
    let mut world = World::new("2026-01-01", vec![monthly("basic", "500"), monthly("pro", "2000")]);
    world.hear(event(1, Started, "2026-01-01", state("basic", "2026-01-01")));
    for (version, plan) in (2..).zip(["pro", "basic", "pro", "basic", "pro"]) {
        let day = format!("2026-01-{:02}", 10 + version);
        world.until(&day);
        world.hear(event(version, PlanChanged, &day, state(plan, "2026-01-01")));
        assert_eq!(world.balance(), "2000");
    }
    assert_eq!(
        world.grants(),
        ["2026-01-01 500 until 2026-02-01: 500", "2026-01-12 1500 until 2026-02-01: 1500"]
    );
    world.hear(event(7, PlanChanged, "2026-01-20", state("basic", "2026-01-01")));
    world.until("2026-02-01");
    assert_eq!(world.balance(), "500");
}

#[test]
fn an_upgrade_is_not_measured_by_the_raw_number() {
    // 150 a week are more than 500 a month.
    let weekly = with(monthly("weekly", "150"), |terms| {
        terms.cadence = Cadence::Recurring(days(7));
        terms.expiry = ExpirySettings::Never;
    });
    let mut world = World::new("2026-02-01", vec![monthly("basic", "500"), weekly]);
    world.hear(event(1, Started, "2026-02-01", state("basic", "2026-02-01")));
    world.until("2026-02-08");
    world.hear(event(2, PlanChanged, "2026-02-08", state("weekly", "2026-02-01")));
    // A quarter of the month is paid for: the week that begins is granted whole by the new plan.
    assert_eq!(world.balance(), "650");
}

#[test]
fn a_part_of_a_period_is_granted_in_part() {
    let amount_of = |from: &str| {
        let part = at("2025-02-01").micros() - at(from).micros();
        let whole = at("2025-02-01").micros() - at("2025-01-01").micros();
        part_of(amount("100").get(), part, whole, Scale::MAX)
    };
    assert_eq!(amount_of("2025-01-16T12:00:00Z"), amount("50").get());
    assert_eq!(amount_of("2025-01-01"), amount("100").get());
    assert_eq!(amount_of("2025-01-20"), Amount::parse("38.709677", Scale::MAX).unwrap());
    // Billed from the first of the month, begun on the 20th.
    for (proration, granted) in [(Proration::First, "38.709677"), (Proration::None, "100")] {
        let rule = with(monthly("basic", "100"), |terms| terms.proration = proration);
        let mut world = World::new("2025-01-20", vec![rule]);
        let state =
            SubscriptionState { anchor_at: at("2025-01-01"), ..state("basic", "2025-01-20") };
        world.hear(event(1, Started, "2025-01-20", state));
        assert_eq!(world.balance(), granted);
        world.until("2025-02-01");
        assert_eq!(world.balance(), "100");
    }
}

#[test]
fn what_is_left_is_carried_once() {
    let rule = with(monthly("basic", "100"), |terms| {
        let half = Percent::new(rust_decimal::Decimal::from(50)).unwrap();
        terms.rollover = Rollover { cap: RolloverCap::Percent(half), periods: 1 };
    });
    let mut world = World::new("2026-01-01", vec![rule]);
    world.hear(event(1, Started, "2026-01-01", state("basic", "2026-01-01")));
    world.spend("20");
    world.until("2026-02-01");
    assert_eq!(world.balance(), "150");
    assert!(world.grants().contains(&"2026-02-01 50 until 2026-03-01: 50".to_owned()));
    world.until("2026-03-01");
    // 50 of the 100 of February; the 50 of January are gone.
    assert_eq!(world.balance(), "150");
}

#[test]
fn a_trial_ends_and_its_conversion_grants_once() {
    let trial = with(monthly("basic", "50"), |terms| {
        terms.cadence = Cadence::OneTime;
        terms.expiry = ExpirySettings::Never;
        terms.stage = Stage::Trial;
    });
    let bonus = with(monthly("basic", "7"), |terms| {
        terms.cadence = Cadence::OneTime;
        terms.expiry = ExpirySettings::Never;
    });
    let mut world = World::new("2026-01-01", vec![trial, bonus, monthly("basic", "100")]);
    let in_trial = SubscriptionState {
        status: SubscriptionStatus::Trialing,
        trial_ends_at: Some(at("2026-01-08")),
        ..state("basic", "2026-01-01")
    };
    world.hear(event(1, TrialStarted, "2026-01-01", in_trial));
    assert_eq!(world.balance(), "50");
    world.until("2026-01-08");
    assert_eq!(world.balance(), "0");
    let converted =
        SubscriptionState { anchor_at: at("2026-01-08"), ..state("basic", "2026-01-01") };
    world.hear(event(2, Renewed, "2026-01-08", converted.clone()));
    assert_eq!(world.balance(), "107");
    world.hear(event(3, Renewed, "2026-02-08", converted));
    world.until("2026-02-08");
    assert_eq!(world.balance(), "107");
}

#[test]
fn the_next_period_can_be_granted_ahead() {
    let ahead = with(monthly("basic", "100"), |terms| terms.ahead_micros = 3 * 86_400_000_000);
    let mut world = World::new("2026-01-01", vec![ahead]);
    world.hear(event(1, Started, "2026-01-01", state("basic", "2026-01-01")));
    world.until("2026-01-29");
    assert_eq!(world.kept.len(), 2);
    assert_eq!(world.balance(), "100");
    world.spend("100");
    world.until("2026-02-01");
    assert_eq!(world.balance(), "100");
}
