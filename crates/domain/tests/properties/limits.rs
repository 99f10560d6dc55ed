//! Spend limits: no window ever holds more than it may, what is used is what the entries say, and a refusal tells
//! the truth about when the request fits.

use std::collections::BTreeSet;

use proptest::prelude::*;
use purse_domain::{
    Amount, Counted, Hold, LimitUsage, LimitWindow, Missing, Rejection, SignedAmount, SpendLimit,
    Spender, Timestamp, Verdict, limit_usage,
};

use super::{
    cases,
    ledger::Ledger,
    limited::limited_programs,
    program::{HOUR, START, Step, request},
};

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn no_window_ever_holds_more_than_its_limit(program in limited_programs(60)) {
        keeps_limits(&program)?;
    }

    #[test]
    fn what_is_used_is_what_the_entries_say(program in limited_programs(40), later in 0_i64..60) {
        let mut ledger = play(&program);
        let now = ledger.state.head.recorded_at.plus_micros(later * HOUR);
        let limits = ledger.state.settings.spend_limits.clone();
        for limit in limits.iter() {
            for spender in spenders(limit, &ledger.counted) {
                let usage = used(&mut ledger, limit, &spender, now);
                let counted = counted_for(&spender, &ledger.counted);
                prop_assert_eq!(usage.spent.signed(), spent(limit.window, now, &counted));
                prop_assert_eq!(usage.held, held(&ledger, &spender, now));
                let all = usage.spent + usage.held;
                match usage.frees_at {
                    None => prop_assert!(all.is_zero()),
                    Some(frees_at) => {
                        for (at, is_less) in [(frees_at.plus_micros(-1), false), (frees_at, true)] {
                            let then = used(&mut ledger, limit, &spender, at);
                            prop_assert_eq!(then.spent + then.held < all, is_less, "at {}", at);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_refused_request_fits_when_it_is_told_and_not_before(program in limited_programs(40)) {
        tells_when_it_fits(&program)?;
    }
}

/// No window ever holds more than its limit.
pub fn keeps_limits(program: &[Step]) -> Result<(), TestCaseError> {
    let ledger = play(program);
    for limit in ledger.state.settings.spend_limits.iter() {
        for spender in spenders(limit, &ledger.counted) {
            let counted = counted_for(&spender, &ledger.counted);
            for Counted { at, .. } in &counted {
                let spent = spent(limit.window, *at, &counted);
                prop_assert!(
                    spent <= limit.amount.signed(),
                    "{spent} in the window of {at}, {limit:?}"
                );
            }
        }
    }
    Ok(())
}

/// A refused request fits when it is told and not before.
pub fn tells_when_it_fits(program: &[Step]) -> Result<(), TestCaseError> {
    let mut ledger = Ledger::opened();
    let mut clock = START;
    for step in program {
        clock = clock.plus_micros(step.wait * HOUR);
        let verdict = ledger.run(&step.action, clock);
        let Verdict::Rejected(Rejection::SpendLimitExceeded { frees_at, .. }) = verdict else {
            continue;
        };
        let request = request(&step.action, clock);
        match frees_at {
            Some(frees_at) => {
                prop_assert!(frees_at > clock);
                prop_assert!(!exceeds(&ledger.decide(&request, frees_at)));
                // By the limit or, if the credits have expired by then, for want of them.
                let before = ledger.decide(&request, frees_at.plus_micros(-1));
                prop_assert!(matches!(before, Verdict::Rejected(_)), "{before:?}");
            }
            None => {
                // Whether late or too much: hour by hour, as far as usage may be late, and much later.
                for hours in (0..=72).chain([10_000]) {
                    let then = ledger.decide(&request, clock.plus_micros(hours * HOUR));
                    prop_assert!(matches!(then, Verdict::Rejected(_)), "{then:?}");
                }
            }
        }
    }
    Ok(())
}

fn exceeds(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Rejected(Rejection::SpendLimitExceeded { .. }))
}

fn play(program: &[Step]) -> Ledger {
    let mut ledger = Ledger::opened();
    let mut clock = START;
    for step in program {
        clock = clock.plus_micros(step.wait * HOUR);
        ledger.run(&step.action, clock);
    }
    ledger
}

/// Everyone whom a limit counts on their own.
fn spenders(limit: &SpendLimit, counted: &[Counted]) -> BTreeSet<Spender> {
    counted.iter().filter_map(|counted| limit.spender(&counted.origin)).collect()
}

fn counted_for(spender: &Spender, counted: &[Counted]) -> Vec<Counted> {
    counted.iter().filter(|counted| spender.covers(&counted.origin)).cloned().collect()
}

/// What was spent in the window of an instant.
fn spent(window: LimitWindow, at: Timestamp, counted: &[Counted]) -> SignedAmount {
    let belongs = |other: Timestamp| match window {
        LimitWindow::Rolling(span) => other <= at && at.micros() - other.micros() < span.micros(),
        LimitWindow::Calendar(unit, zone) => {
            zone.period_of(unit, other) == zone.period_of(unit, at)
        }
    };
    counted.iter().filter(|counted| belongs(counted.at)).map(|counted| counted.amount).sum()
}

fn held(ledger: &Ledger, spender: &Spender, now: Timestamp) -> Amount {
    let open = ledger.state.holds.values().filter(|hold| hold.expires_at > now);
    open.filter(|hold| spender.covers(&ledger.held_for[&hold.number])).map(Hold::held).sum()
}

fn used(ledger: &mut Ledger, limit: &SpendLimit, spender: &Spender, now: Timestamp) -> LimitUsage {
    loop {
        let missing = match limit_usage(&ledger.state, limit, spender.clone(), now) {
            Ok(usage) => return usage,
            Err(missing @ (Missing::Spending(_) | Missing::OpenHolds)) => missing,
            Err(missing) => panic!("{missing:?}"),
        };
        ledger.store().supply(&mut ledger.state.counts, &missing);
    }
}
