//! Events in any order, and any number of times, end in the same state (scenarios 52 and 53).

use proptest::prelude::*;
use purse_domain::{
    Heard, SubscriptionEvent,
    SubscriptionEventKind::{Cancelled, PlanChanged, Renewed, Started},
    SubscriptionState, SubscriptionStatus,
};

use crate::world::{World, event, monthly, state};

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
