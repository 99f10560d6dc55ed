//! What later events say of what was granted already: nothing is lost by it, and nothing is granted twice.

use purse_domain::{
    Cadence, CatchUp, EntryKind, ExpirySettings, GrantRule, OnCancel, PlanChange, Proration,
    Rollover, RolloverCap, Stage, SubscriptionEvent,
    SubscriptionEventKind::{
        Cancelled, Paused, PlanChanged, Renewed, Resumed, Started, TrialStarted,
    },
    SubscriptionState, SubscriptionStatus,
};

use crate::world::{World, amount, at, days, event, monthly, state, with};

const DAY: i64 = 86_400_000_000;

fn in_status(status: SubscriptionStatus, plan: &str) -> SubscriptionState {
    SubscriptionState { status, ..state(plan, "2026-01-01") }
}

fn paused(plan: &str) -> SubscriptionState {
    in_status(SubscriptionStatus::Paused, plan)
}

fn cancelled(plan: &str) -> SubscriptionState {
    in_status(SubscriptionStatus::Cancelled, plan)
}

fn active(plan: &str) -> SubscriptionState {
    state(plan, "2026-01-01")
}

fn begun(rules: Vec<GrantRule>, plan: &str) -> World {
    let mut world = World::new("2026-01-01", rules);
    world.hear(event(1, Started, "2026-01-01", active(plan)));
    world
}

fn forever(rule: GrantRule) -> GrantRule {
    with(rule, |terms| terms.expiry = ExpirySettings::Never)
}

fn carrying(rule: GrantRule, cap: RolloverCap) -> GrantRule {
    with(rule, |terms| terms.rollover = Rollover { cap, periods: 1 })
}

#[test]
fn what_was_taken_back_is_granted_when_its_period_begins_after_all() {
    let mut world = begun(vec![monthly("basic", "100")], "basic");
    world.until("2026-02-01T01:00:00Z");
    // The card is declined; two days later it is not.
    world.hear(event(2, Paused, "2026-02-01", paused("basic")));
    assert_eq!(world.balance(), "0");
    assert_eq!(world.applications("2026-02-01")[1], "2026-02-01 0: CANCELLED");
    world.until("2026-02-03");
    world.hear(event(3, Resumed, "2026-02-03", active("basic")));
    assert_eq!(world.balance(), "100");
    assert_eq!(world.applications("2026-02-03")[1], "2026-02-01 100: APPLIED");
}

#[test]
fn what_was_used_of_it_is_not_granted_again() {
    let mut world = begun(vec![monthly("basic", "100")], "basic");
    world.until("2026-02-01T01:00:00Z");
    world.spend("60");
    world.hear(event(2, Paused, "2026-02-01", paused("basic")));
    assert_eq!(world.balance(), "0");
    world.hear(event(3, Resumed, "2026-02-01T00:30:00Z", active("basic")));
    assert_eq!(world.balance(), "40");
    // All of it was used: there is nothing to grant.
    world.spend("40");
    world.hear(event(4, Paused, "2026-02-01", paused("basic")));
    world.hear(event(5, Resumed, "2026-02-01T00:30:00Z", active("basic")));
    assert_eq!(world.balance(), "0");
    assert_eq!(world.applications("2026-02-03")[1], "2026-02-01 0: SKIPPED AlreadyGranted");
}

#[test]
fn a_cancellation_that_is_withdrawn_before_it_counts_changes_nothing() {
    let ahead = with(monthly("basic", "100"), |terms| terms.ahead_micros = 7 * DAY);
    let mut world = begun(vec![ahead], "basic");
    world.until("2026-01-27");
    world.hear(event(2, Cancelled, "2026-02-01", cancelled("basic")));
    world.until("2026-01-28");
    world.hear(event(3, Resumed, "2026-01-28", active("basic")));
    world.until("2026-02-02");
    assert_eq!(world.balance(), "100");
}

#[test]
fn an_upgrade_does_not_count_what_was_taken_back() {
    let rules = ["500", "700", "2000", "5000"].map(|granted| monthly(granted, granted));
    for (from, to, upgrade, total) in
        [("2000", "500", "700", "700"), ("500", "2000", "5000", "5000")]
    {
        let mut world = begun(rules.to_vec(), from);
        world.until("2026-02-01T00:01:00Z");
        // Told a minute late: February was granted by the old plan.
        world.hear(event(2, PlanChanged, "2026-02-01", active(to)));
        assert_eq!(world.balance(), to);
        world.until("2026-02-10");
        world.hear(event(3, PlanChanged, "2026-02-10", active(upgrade)));
        assert_eq!(world.balance(), total, "{from} to {to} to {upgrade}");
    }
}

#[test]
fn an_end_that_is_known_ahead_lets_all_credits_expire() {
    let rule = with(forever(monthly("basic", "100")), |terms| terms.on_cancel = OnCancel::Expire);
    let once = with(forever(monthly("basic", "7")), |terms| {
        terms.cadence = Cadence::OneTime;
        terms.on_cancel = OnCancel::Expire;
    });
    let mut world = begun(vec![rule, once], "basic");
    world.until("2026-05-10");
    assert_eq!(world.balance(), "507");
    world.hear(event(2, Cancelled, "2026-05-31", cancelled("basic")));
    assert_eq!(world.balance(), "507");
    world.until("2026-05-31");
    assert_eq!(world.balance(), "0");
}

#[test]
fn what_was_granted_for_a_time_after_the_end_is_taken_back() {
    let ahead = with(monthly("basic", "100"), |terms| terms.ahead_micros = 3 * DAY);
    let ending = SubscriptionState { ends_at: Some(at("2026-02-01")), ..active("basic") };
    for told in ["2026-01-28", "2026-01-30", "2026-02-02"] {
        let mut world = begun(vec![ahead.clone()], "basic");
        world.until(told);
        world.hear(event(2, Renewed, "2026-01-01", ending.clone()));
        world.until("2026-02-03");
        assert_eq!(world.balance(), "0", "told on {told}");
    }
}

#[test]
fn what_is_carried_over_cannot_be_had_by_late_usage_as_well() {
    let half = RolloverCap::Amount(amount("50"));
    let mut world = begun(vec![carrying(monthly("basic", "100"), half)], "basic");
    world.spend("20");
    world.until("2026-02-02");
    assert_eq!(world.balance(), "150");
    // 30 are lost, and no more: late usage cannot have what is February's now.
    assert!(!world.spend_late("31", "2026-01-31"));
    assert!(world.spend_late("30", "2026-01-31"));
    assert_eq!(world.balance(), "150");
}

#[test]
fn what_somebody_ended_before_its_time_is_not_carried() {
    let mut world = begun(vec![carrying(monthly("basic", "100"), RolloverCap::All)], "basic");
    world.until("2026-01-15");
    world.expire_first();
    world.until("2026-02-01");
    assert_eq!(world.balance(), "100");
}

#[test]
fn credits_that_outlive_their_period_are_carried_when_they_end() {
    let cycles = |reset_at_period_end, cycle_count: u32| ExpirySettings::BillingCycle {
        reset_at_period_end,
        cycle_count: cycle_count.try_into().unwrap(),
    };
    for (expiry, then, balance, later, later_balance) in [
        (cycles(false, 1), "2026-02-01T00:00:01Z", "180", "2026-03-01T00:00:00Z", "200"),
        (cycles(true, 2), "2026-03-01", "280", "2026-04-01", "300"),
        (ExpirySettings::Duration(days(45)), "2026-02-15", "180", "2026-03-01", "200"),
    ] {
        let rule = with(monthly("basic", "100"), |terms| {
            terms.expiry = expiry;
            terms.rollover = Rollover { cap: RolloverCap::All, periods: 1 };
        });
        let mut world = begun(vec![rule], "basic");
        world.spend("20");
        world.until(then);
        assert_eq!(world.balance(), balance, "{expiry:?}");
        world.until(later);
        assert_eq!(world.balance(), later_balance, "{expiry:?}");
    }
}

#[test]
fn a_change_of_plan_in_the_first_period_leaves_it_the_first_one() {
    let first = |rule| with(rule, |terms| terms.proration = Proration::First);
    let rules = [monthly("basic", "100"), monthly("same", "100"), monthly("pro", "200")].map(first);
    for (plan, expected) in [("pro", "100"), ("same", "50")] {
        let begun = SubscriptionState {
            anchor_at: at("2026-01-01"),
            ..state("basic", "2026-01-16T12:00:00Z")
        };
        let mut world = World::new("2026-01-16T12:00:00Z", rules.to_vec());
        world.hear(event(1, Started, "2026-01-16T12:00:00Z", begun.clone()));
        assert_eq!(world.balance(), "50");
        let changed = SubscriptionState { plan: active(plan).plan, ..begun };
        world.until("2026-01-16T12:01:00Z");
        world.hear(event(2, PlanChanged, "2026-01-16T12:01:00Z", changed));
        assert_eq!(world.balance(), expected, "{plan}");
    }
}

#[test]
fn what_lies_before_the_kept_events_is_not_granted_again() {
    let rules = [forever(monthly("basic", "500")), forever(monthly("pro", "500"))];
    let mut world = begun(rules.to_vec(), "pro");
    world.until("2026-01-10");
    world.hear(event(2, PlanChanged, "2026-01-10", active("basic")));
    assert_eq!(world.balance(), "500");
    // Each day says that all goes on, so from the 64th on the beginning is kept no longer.
    for day in 1..80_i64 {
        let told_at = at("2026-01-10").plus_micros(day * DAY).to_string();
        world.until(&told_at);
        world.hear(event(day + 2, Renewed, &told_at, active("basic")));
    }
    world.until("2026-03-31T12:00:00Z");
    assert_eq!(world.balance(), "1500");
}

#[test]
fn what_is_granted_for_a_trial_ends_with_it() {
    let trial = with(monthly("basic", "50"), |terms| {
        terms.cadence = Cadence::OneTime;
        terms.expiry = ExpirySettings::Never;
        terms.stage = Stage::Trial;
    });
    let always = with(monthly("basic", "10"), |terms| terms.stage = Stage::Any);
    let in_trial = SubscriptionState {
        trial_ends_at: Some(at("2026-01-08")),
        ..in_status(SubscriptionStatus::Trialing, "basic")
    };
    for (next, balance) in [
        (event(2, Renewed, "2026-01-04", active("basic")), "10"),
        (event(2, Cancelled, "2026-01-04", cancelled("basic")), "10"),
        (
            event(
                2,
                Renewed,
                "2026-01-04",
                SubscriptionState { trial_ends_at: Some(at("2026-01-12")), ..in_trial.clone() },
            ),
            "60",
        ),
    ] {
        let mut world = World::new("2026-01-01", vec![trial.clone(), always.clone()]);
        world.hear(event(1, TrialStarted, "2026-01-01", in_trial.clone()));
        assert_eq!(world.balance(), "60");
        world.until("2026-01-04");
        world.hear(next);
        assert_eq!(world.balance(), balance);
        // What is granted in any stage lives until its own end.
        world.until("2026-01-12");
        assert_eq!(world.balance(), "10");
    }
}

#[test]
fn what_is_to_expire_waits_for_what_was_before_the_end() {
    let paid = with(forever(monthly("basic", "100")), |terms| terms.on_cancel = OnCancel::Expire);
    let trial = with(paid.clone(), |terms| terms.stage = Stage::Trial);
    let in_trial = in_status(SubscriptionStatus::Trialing, "basic");
    for (rule, first, last) in [
        (paid, event(1, Started, "2026-01-01", active("basic")), cancelled("basic")),
        (trial, event(1, TrialStarted, "2026-01-01", in_trial), active("pro")),
    ] {
        let begin = |before| {
            let mut world = World::new("2026-01-01", vec![rule.clone()]);
            world.hear(first.clone());
            world.until("2026-01-10");
            let last = event(3, Cancelled, "2026-01-10", last.clone());
            world.hear(SubscriptionEvent { previous_version: Some(before), ..last });
            world
        };
        assert_eq!(begin(1).balance(), "0");
        // It never comes.
        let mut world = begin(2);
        world.until("2026-01-10T00:59:59Z");
        assert_eq!(world.balance(), "100");
        world.until("2026-01-10T01:00:00Z");
        assert_eq!((world.balance(), world.count(EntryKind::Expired)), ("0".to_owned(), 1));
        // It says that all went on, or that it never began.
        for (at, state, kind) in [
            ("2026-01-05", first.state.clone(), EntryKind::Expired),
            ("2026-01-01", paused("basic"), EntryKind::Voided),
        ] {
            let mut world = begin(2);
            let between = event(2, Renewed, at, state);
            world.hear(SubscriptionEvent { previous_version: Some(1), ..between });
            assert_eq!((world.balance(), world.count(kind)), ("0".to_owned(), 1), "{at}");
        }
    }
}

#[test]
fn news_takes_its_time() {
    let none = with(monthly("basic", "100"), |terms| terms.catch_up = CatchUp::None);
    let mut world = World::new("2026-01-01T00:00:00.3Z", vec![none.clone()]);
    world.hear(event(1, Started, "2026-01-01", active("basic")));
    assert_eq!(world.balance(), "100");
    let mut world = World::new("2026-01-01T02:00:00Z", vec![none]);
    world.hear(event(1, Started, "2026-01-01", active("basic")));
    assert_eq!(world.balance(), "0");
}

#[test]
fn a_rule_grants_for_what_begins_from_its_start_on() {
    let late = with(forever(monthly("basic", "10")), |terms| {
        terms.starts_at = Some(at("2026-03-10"));
    });
    let once = with(forever(monthly("basic", "7")), |terms| {
        terms.cadence = Cadence::OneTime;
        terms.starts_at = Some(at("2026-03-10"));
    });
    let mut world = begun(vec![late, once], "basic");
    for (version, day) in (2..).zip(["2026-02-01", "2026-03-01", "2026-04-01"]) {
        world.until(day);
        world.hear(event(version, Renewed, day, active("basic")));
    }
    // A renewal is no beginning: the sign-up bonus is for those who come from then on.
    assert_eq!(world.balance(), "10");
}

#[test]
fn full_and_next_period_are_what_they_say() {
    for (plan_change, balance) in
        [(PlanChange::TopUp, "2000"), (PlanChange::Full, "2500"), (PlanChange::NextPeriod, "500")]
    {
        let pro = with(monthly("pro", "2000"), |terms| terms.plan_change = plan_change);
        let mut world = begun(vec![monthly("basic", "500"), pro], "basic");
        world.until("2026-01-10");
        world.hear(event(2, PlanChanged, "2026-01-10", active("pro")));
        assert_eq!(world.balance(), balance, "{plan_change:?}");
        world.until("2026-02-01");
        assert_eq!(world.balance(), "2000", "{plan_change:?}");
    }
}

#[test]
fn carried_credits_are_told_as_carried() {
    let mut world = begun(vec![carrying(monthly("basic", "100"), RolloverCap::All)], "basic");
    world.spend("20");
    world.until("2026-02-01");
    assert_eq!(world.balance(), "180");
    assert_eq!(world.count(EntryKind::ExpiryReversed), 1);
    assert_eq!(world.count(EntryKind::Voided), 1);
}

#[test]
fn what_is_taken_back_does_not_count_against_an_upgrade_in_the_same_moment() {
    let rules = ["500", "700", "2000"].map(|granted| monthly(granted, granted));
    let mut world = begun(rules.to_vec(), "500");
    world.until("2026-02-01T00:30:00Z");
    assert_eq!(world.balance(), "500");
    let upgraded = event(3, PlanChanged, "2026-02-01T00:20:00Z", active("2000"));
    world.hear(SubscriptionEvent { previous_version: Some(2), ..upgraded });
    world.hear(event(2, PlanChanged, "2026-02-01", active("700")));
    assert_eq!(world.balance(), "2000");
}
