//! Random spend limits, and programs that run into them.

use std::collections::BTreeSet;

use proptest::{collection, option, prelude::*, sample::select};
use purse_domain::{
    CalendarUnit, LimitChange, LimitName, LimitWindow, RollingSpan, Share, SpendLimit, TimeZone,
};

use super::program::{
    Action, HOUR, Step, actor, captures, holds, limit, operation, reversals, spends,
};

/// Programs that begin with some limits and then mostly spend, late usage included.
pub fn limited_programs(most_steps: usize) -> impl Strategy<Value = Vec<Step>> {
    let fund = Step { wait: 0, action: funds() };
    let set =
        limits().prop_map(|limit| Step { wait: 0, action: Action::Limit(LimitChange::Set(limit)) });
    let usage = prop_oneof![
        10 => spends(),
        4 => holds(),
        5 => captures(),
        1 => (1..8, option::of(1_u32..3_000)).prop_map(|(hold, most)| Action::Release(hold, most)),
        1 => (1..8, 1_i64..40).prop_map(|(hold, hours)| Action::Extend(hold, hours)),
        2 => reversals(),
        1 => Just(funds()),
    ];
    let usage = (prop_oneof![2 => Just(0), 3 => 0_i64..=14], usage)
        .prop_map(|(wait, action)| Step { wait, action });
    (collection::vec(set, 1..4), collection::vec(usage, 1..=most_steps))
        .prop_map(move |(limits, usage)| [vec![fund.clone()], limits, usage].concat())
}

/// More than limits let anybody spend.
fn funds() -> Action {
    Action::Grant {
        amount: 1_000_000,
        starts_in: Some(-80),
        ends_in: None,
        priority: 100,
        cost: 0,
        applies_to: BTreeSet::new(),
        funding: None,
    }
}

/// Few names, so that limits take each other's places.
const LIMIT_NAMES: [&str; 3] = ["one", "two", "three"];

/// Limits that are set, changed and removed.
pub fn limit_changes() -> impl Strategy<Value = Action> {
    let delete = select(&LIMIT_NAMES[..]).prop_map(|name| LimitChange::Delete(limit_name(name)));
    prop_oneof![3 => limits().prop_map(LimitChange::Set), 1 => delete].prop_map(Action::Limit)
}

fn limits() -> impl Strategy<Value = SpendLimit> {
    let actor = prop_oneof![
        Just(Share::All),
        Just(Share::Each),
        select(&["ann", "bob"][..]).prop_map(|name| Share::Only(actor(name))),
    ];
    let paid_for =
        prop_oneof![Just(Share::All), Just(Share::Each), Just(Share::Only(operation("chat"))),];
    let calendar = |unit, zone| LimitWindow::Calendar(unit, TimeZone::parse(zone).expect("a zone"));
    let window = prop_oneof![
        select(&[1_i64, 5, 24, 100][..]).prop_map(|hours| {
            LimitWindow::Rolling(RollingSpan::from_micros(hours * HOUR).expect("some hours"))
        }),
        Just(calendar(CalendarUnit::Day, "America/New_York")),
        Just(calendar(CalendarUnit::Week, "UTC")),
        Just(calendar(CalendarUnit::Month, "Asia/Kathmandu")),
    ];
    let allowed = select(&[0_u32, 4_000, 9_000, 15_000][..]);
    (select(&LIMIT_NAMES[..]), allowed, actor, paid_for, window).prop_map(
        |(name, allowed, actor, operation, window)| SpendLimit {
            name: limit_name(name),
            amount: limit(allowed),
            actor,
            operation,
            window,
        },
    )
}

fn limit_name(name: &str) -> LimitName {
    LimitName::parse(name).expect("a code")
}
