//! A timeline tells the balance at each instant, and a thinned one as much of it as it may.

use proptest::{collection, prelude::*};
use purse_domain::{
    Amount, Balances, Scale, Step, TimeRange, TimeRangeError, Timeline, Timestamp, forecast,
};

use super::{
    cases,
    ledger::{Ledger, Totals},
    program::{self, HOUR, START, programs},
};

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn a_forecast_is_the_balance_at_each_instant(program in programs(30)) {
        forecasts(&program)?;
    }

    #[test]
    fn a_timeline_is_what_was_pushed(steps in raw_steps(40)) {
        let (points, thinned) = timeline(&steps, usize::MAX);
        prop_assert!(!thinned);
        for micros in 0..WIDTH {
            let at = START.plus_micros(micros);
            prop_assert_eq!(value(&points, at), value(&steps, at), "at {}", micros);
        }
        for pair in points.windows(2) {
            prop_assert!(pair[0].at < pair[1].at, "{pair:?}");
            prop_assert!(pair[0].balances != pair[1].balances, "no step: {pair:?}");
        }
    }

    #[test]
    fn a_thinned_timeline_keeps_the_first_the_last_and_the_last_of_each_slot(
        steps in raw_steps(60),
        most in 2_usize..40,
    ) {
        let (all, _) = timeline(&steps, usize::MAX);
        let (points, thinned) = timeline(&steps, most);
        prop_assert_eq!(thinned, all.len() > most);
        if !thinned {
            prop_assert_eq!(points, all);
            return Ok(());
        }
        prop_assert!(points.len() <= most);
        let slots = i64::try_from(most - 1).expect("few");
        let mut expected = vec![all[0]];
        for slot in 0..slots {
            // Rounded up: the first microsecond of a slot.
            let bound = |slot: i64| START.plus_micros((slot * WIDTH + slots - 1) / slots);
            let inside = |step: &&Step| bound(slot) <= step.at && step.at < bound(slot + 1);
            expected.extend(all[1..].iter().rev().find(inside));
        }
        prop_assert_eq!(points, expected);
    }
}

/// A forecast is the balance at each instant.
pub fn forecasts(program: &[program::Step]) -> Result<(), TestCaseError> {
    let mut ledger = Ledger::opened();
    let mut clock = START;
    for step in program {
        clock = clock.plus_micros(step.wait * HOUR);
        ledger.run(&step.action, clock);
    }
    let from = ledger.state.head.recorded_at;
    let ahead: Vec<Timestamp> = ledger.boundaries().into_iter().filter(|at| *at >= from).collect();
    let until = ahead.last().copied().unwrap_or(from);
    let steps = forecast(&ledger.state, until).expect("all grants are held");
    prop_assert!(steps.is_sorted_by_key(|step| step.at));
    prop_assert!(steps.iter().all(|step| from < step.at && step.at <= until));
    for at in ahead {
        let told = value(&steps, at).unwrap_or(ledger.state.head.balances);
        prop_assert_eq!(Totals::of(&told), ledger.totals(at), "at {}", at);
    }
    Ok(())
}

/// Microseconds of the range.
const WIDTH: i64 = 100;

/// The balance at the start and what is pushed after it, often several at one instant, some of which change
/// nothing.
fn raw_steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let later = collection::vec((1..WIDTH, 0_u32..4), 0..=most);
    (0_u32..4, later).prop_map(|(first, mut later)| {
        later.sort_by_key(|(micros, _)| *micros);
        let step = |(micros, figure): (i64, u32)| Step {
            at: START.plus_micros(micros),
            balances: balances(figure),
        };
        std::iter::once((0, first)).chain(later).map(step).collect()
    })
}

fn balances(figure: u32) -> Balances {
    let available = Amount::parse(&figure.to_string(), Scale::MAX).expect("a figure");
    Balances { available, ..Balances::ZERO }
}

fn timeline(steps: &[Step], most: usize) -> (Vec<Step>, bool) {
    let range = TimeRange::new(START, START.plus_micros(WIDTH)).expect("it is not inverted");
    let mut timeline = Timeline::new(range, most, steps[0].balances);
    for step in &steps[1..] {
        timeline.push(*step);
    }
    timeline.finish()
}

/// The value of a step function.
fn value(steps: &[Step], at: Timestamp) -> Option<Balances> {
    steps.iter().rev().find(|step| step.at <= at).map(|step| step.balances)
}

#[test]
fn a_single_point_is_the_first() {
    let steps: Vec<Step> = (0..3)
        .map(|figure| Step { at: START.plus_micros(i64::from(figure)), balances: balances(figure) })
        .collect();
    assert_eq!(timeline(&steps, 1), (vec![steps[0]], true));
    assert_eq!(timeline(&steps[..1], 1), (vec![steps[0]], false));
}

#[test]
fn a_range_may_be_empty_and_not_inverted() {
    let before = START.plus_micros(-1);
    assert_eq!(TimeRange::new(START, before), Err(TimeRangeError));
    let empty = TimeRange::new(START, START).unwrap();
    assert_eq!((empty.last(), empty.end()), (before, START));
}
