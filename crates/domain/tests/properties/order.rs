//! The drawdown order is the one of the design, total, and all that the outcome of a spend depends on.

use std::cmp::Ordering;

use proptest::prelude::*;
use purse_domain::{
    Command, DrawdownKey, DrawdownPolicy, Grant, GrantNumber, GrantTerms, Timestamp, Verdict,
    WalletState, Window, decide,
};

use super::{
    cases,
    ledger::Ledger,
    program::{Action, HOUR, POLICIES, START, grants, programs, request},
};

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn keys_compare_as_the_rule_says(
        first in grants(),
        second in grants(),
        numbers in (1_i32..5, 1_i32..5),
        // Instants before 1970 are negative numbers.
        clocks in prop::array::uniform2(prop_oneof![Just(START), Just(Timestamp::from_micros(-HOUR))]),
    ) {
        let first = grant(&first, numbers.0, clocks[0]);
        let second = grant(&second, numbers.1, clocks[1]);
        let (Some(first), Some(second)) = (first, second) else { return Ok(()) };
        for policy in POLICIES {
            let keys = [&first, &second].map(|grant| DrawdownKey::of(policy, grant));
            let expected = by_the_rule(policy, &first, &second);
            prop_assert_eq!(keys[0].cmp(&keys[1]), expected, "{:?}", policy);
            prop_assert_eq!(keys[0].as_bytes().cmp(keys[1].as_bytes()), expected);
        }
    }
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn no_two_grants_of_a_wallet_share_a_place(program in programs(30)) {
        let ledger = ledger_of(&program);
        prop_assert_eq!(
            ledger.state.grants.len(),
            usize::try_from(ledger.state.head.last_grant_number.0).expect("a count")
        );
        let grants: Vec<&Grant> = ledger.state.grants.values().collect();
        let policy = ledger.state.settings.drawdown_policy;
        for pair in grants.windows(2) {
            prop_assert_eq!(by_the_rule(policy, pair[0], pair[1]), Ordering::Less);
        }
    }

    #[test]
    fn a_spend_does_not_depend_on_the_order_in_which_grants_were_loaded(
        program in programs(30),
        spend in 1_u32..20_000,
        shuffled in Just((0..64_usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let mut ledger = ledger_of(&program);
        let clock = ledger.state.head.recorded_at;
        let spend = Action::Spend { amount: spend, operation: Some("chat"), hours_ago: Some(10) };
        let request = request(&spend, clock);
        // What limits count is loaded by then.
        ledger.decide(&request, clock);
        let mut grants: Vec<Option<Grant>> = ledger.state.grants.values().cloned().map(Some).collect();
        let mut loaded = WalletState { grants: std::collections::BTreeMap::new(), ..ledger.state.clone() };
        for position in shuffled {
            if let Some(grant) = grants.get_mut(position).and_then(Option::take) {
                loaded.hold_loaded(grant);
            }
        }
        let verdicts =
            [&ledger.state, &loaded].map(|state| format!("{:?}", decide(Some(state), &request, clock)));
        prop_assert_eq!(&verdicts[0], &verdicts[1]);
    }

    #[test]
    fn an_entry_draws_grants_in_order(program in programs(30)) {
        let mut ledger = Ledger::opened();
        let mut clock = START;
        for step in &program {
            clock = clock.plus_micros(step.wait * HOUR);
            let is_now = matches!(step.action, Action::Spend { hours_ago: None | Some(0), .. });
            let verdict = ledger.run(&step.action, clock);
            let (true, Verdict::Accepted(decision)) = (is_now, verdict) else { continue };
            for entry in decision.own_entries() {
                let drawn: Vec<&Grant> = entry
                    .allocations
                    .iter()
                    .filter_map(|allocation| {
                        decision.grants.values().find(|grant| grant.number == allocation.grant)
                    })
                    .collect();
                let policy = ledger.state.settings.drawdown_policy;
                for pair in drawn.windows(2) {
                    prop_assert_eq!(by_the_rule(policy, pair[0], pair[1]), Ordering::Less);
                    prop_assert!(pair[0].parts.available.is_zero(), "left some for the next");
                }
            }
        }
    }
}

/// The rule of the design, section 3, "Drawdown order", as it is written there.
pub fn by_the_rule(policy: DrawdownPolicy, a: &Grant, b: &Grant) -> Ordering {
    let (x, y) = (&a.terms, &b.terms);
    let priority = x.priority.get().cmp(&y.priority.get());
    let expiry = match (a.window.expires_at(), b.window.expires_at()) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) => a.cmp(&b),
    };
    let narrowness = match (x.applies_to.len(), y.applies_to.len()) {
        (0, 0) => Ordering::Equal,
        (0, _) => Ordering::Greater,
        (_, 0) => Ordering::Less,
        (a, b) => a.cmp(&b),
    };
    let cost = (!x.cost_basis.is_zero()).cmp(&!y.cost_basis.is_zero());
    let effective = a.window.effective_at().cmp(&b.window.effective_at());
    let number = a.number.cmp(&b.number);
    match policy {
        DrawdownPolicy::ExpiryFirst => {
            priority.then(expiry).then(narrowness).then(cost).then(effective).then(number)
        }
        DrawdownPolicy::OldestFirst => {
            priority.then(narrowness).then(cost).then(effective).then(expiry).then(number)
        }
    }
}

fn ledger_of(program: &[super::program::Step]) -> Ledger {
    let mut ledger = Ledger::opened();
    let mut clock = START;
    for step in program {
        clock = clock.plus_micros(step.wait * HOUR);
        ledger.run(&step.action, clock);
    }
    ledger
}

/// A grant on the terms of an action, asked for at an instant; `None` if its window is empty.
fn grant(action: &Action, number: i32, clock: Timestamp) -> Option<Grant> {
    let Command::Grant(new) = request(action, clock).command else { return None };
    let window = Window::new(new.effective_at.unwrap_or(clock), new.expires_at).ok()?;
    let terms = GrantTerms {
        amount: new.amount,
        granted_window: window,
        priority: new.priority,
        category: new.category,
        cost_basis: new.cost_basis,
        applies_to: new.applies_to,
        funding_ref: None,
    };
    Some(Grant::made(GrantNumber(number), terms, clock))
}
