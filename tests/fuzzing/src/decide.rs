//! Bytes as a program of commands, which keeps the properties of the domain.
//!
//! The first byte says which property, the rest is the program: a few bytes for each step, so that one that is changed
//! changes one command. Numbers are mostly of the ranges that the properties' own programs have, because small ones
//! meet each other; some are any that a request may have.

use std::collections::BTreeSet;

use arbitrary::{Result, Unstructured};
use proptest::test_runner::TestCaseResult;
use purse_domain::{
    CalendarUnit, Excess, ExpiredPolicy, LimitChange, LimitName, LimitWindow, Period, RollingSpan,
    Share, SpendLimit, TimeZone,
};

use crate::{
    must_hold,
    properties::{
        composing, events, explaining, folding, invariants, knowing, limits,
        partial_coverage::{self, Habits},
        program::{Action, HOUR, POLICIES, Step, actor, limit, operation},
        settling, slow_model, timelines,
    },
};

/// A property that all programs have, and its name.
type Property = (&'static str, fn(&[Step]) -> TestCaseResult);

/// Those of all programs.
const OF_ALL: [Property; 13] = [
    ("invariants 1 to 4", invariants::keeps_the_invariants),
    ("time never runs backwards", invariants::never_goes_back),
    ("deciding twice", invariants::decides_alike),
    ("folding", folding::folds),
    ("the slow model", slow_model::is_as_modelled),
    ("no negative balance", |program| slow_model::was_never_negative(program, true)),
    ("events", events::tells_of_each_event),
    ("recounting", events::recounts),
    ("explaining", explaining::explains),
    ("composing", composing::composes),
    ("partial coverage, one grant", |program| partial_coverage::suffices(program, &habits(1))),
    ("partial coverage, no grant", |program| partial_coverage::suffices(program, &habits(0))),
    ("limits", |program| limits::keeps_limits(&limits_first(program))),
];

/// Those of programs whose clock never runs backwards.
const OF_STEADY: [Property; 5] = [
    ("what was known", knowing::knows),
    ("forecasts", timelines::forecasts),
    ("settling often or seldom", |program| settling::settles_alike(program, 3)),
    ("what was served", settling::served_what_it_says),
    ("when it fits", limits::tells_when_it_fits),
];

/// Most steps of a program: some properties look at all of it after each step.
const MOST_STEPS: usize = 40;

fn habits(first: usize) -> Habits {
    Habits { first, further: 1, knows_next_due: first > 0 }
}

/// What was spent before there was a limit may be more than that.
fn limits_first(program: &[Step]) -> Vec<Step> {
    let (limits, rest): (Vec<&Step>, Vec<&Step>) =
        program.iter().partition(|step| matches!(step.action, Action::Limit(_)));
    limits.into_iter().chain(rest).cloned().collect()
}

/// Runs a program.
///
/// # Panics
///
/// If it breaks the property.
pub fn check(bytes: &[u8]) {
    let Some((selector, bytes)) = bytes.split_first() else { return };
    let selector = usize::from(*selector) % (OF_ALL.len() + OF_STEADY.len());
    // Bytes that run out are no program.
    let Ok(mut program) = program(&mut Unstructured::new(bytes)) else { return };
    let (name, property) = if let Some(property) = OF_ALL.get(selector) {
        property
    } else {
        for step in &mut program {
            step.wait = step.wait.abs();
        }
        &OF_STEADY[selector - OF_ALL.len()]
    };
    must_hold(name, property(&program));
}

fn program(bytes: &mut Unstructured<'_>) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    while !bytes.is_empty() && steps.len() < MOST_STEPS {
        // The clock stands still half of the time.
        let wait = bytes.int_in_range(-4..=27)?;
        let wait = if wait > 14 { 0 } else { wait };
        steps.push(Step { wait, action: action(bytes)? });
    }
    Ok(steps)
}

fn action(bytes: &mut Unstructured<'_>) -> Result<Action> {
    Ok(match bytes.int_in_range(0..=15)? {
        0 | 1 => Action::Grant {
            amount: amount(bytes)?,
            starts_in: maybe(bytes, |bytes| bytes.int_in_range(-30..=30))?,
            ends_in: maybe(bytes, |bytes| bytes.int_in_range(-2..=60))?,
            priority: *bytes.choose(&[100, -5, 200])?,
            cost: bytes.int_in_range(0..=2)?,
            applies_to: some_of(bytes, &["chat", "image", "voice"])?,
            funding: maybe(bytes, |bytes| bytes.choose(&["charge", "invoice"]).copied())?,
        },
        2 | 3 => Action::Spend {
            amount: amount(bytes)?,
            operation: paid_for(bytes)?,
            // Beyond both ends of the late window too.
            hours_ago: maybe(bytes, |bytes| bytes.int_in_range(-1..=74))?,
        },
        4 => Action::Void(number(bytes)?),
        5 => Action::Expire(number(bytes)?),
        6 => {
            Action::ChangeExpiry(number(bytes)?, maybe(bytes, |bytes| bytes.int_in_range(-2..=60))?)
        }
        7 => match bytes.int_in_range(0..=2)? {
            0 => Action::Policy(*bytes.choose(&POLICIES)?),
            1 => Action::Overdraft(*bytes.choose(&[0, 1, 5_000, 20_000])?),
            _ => Action::Notices(
                some_of(bytes, &[1, 1_000, 3_000, 6_000])?,
                some_of(bytes, &[1, 6, 24, 48])?,
            ),
        },
        8 => Action::Hold {
            amount: amount(bytes)?,
            operation: paid_for(bytes)?,
            ends_in: bytes.int_in_range(-1..=40)?,
        },
        9 | 10 => Action::Capture {
            hold: number(bytes)?,
            amount: amount(bytes)?,
            excess: *bytes.choose(&[Excess::Reject, Excess::Cap, Excess::Extend])?,
            is_final: bytes.arbitrary()?,
        },
        11 => Action::Release(number(bytes)?, maybe(bytes, amount)?),
        12 => Action::Extend(number(bytes)?, bytes.int_in_range(-1..=40)?),
        13 => Action::Limit(limit_change(bytes)?),
        14 => Action::Reverse {
            write: bytes.int_in_range(1..=20)?,
            amount: maybe(bytes, amount)?,
            expired_policy: match bytes.int_in_range(0..=40)? {
                0 => ExpiredPolicy::RestoreThenExpire,
                1 => ExpiredPolicy::Reissue,
                hours => {
                    ExpiredPolicy::Grace(Period::from_micros(hours * HOUR).expect("some hours"))
                }
            },
        },
        _ => Action::Revoke {
            funding: bytes.choose(&["charge", "invoice", "unknown"])?,
            amount: if bytes.ratio(1, 4)? { 0 } else { amount(bytes)? },
        },
    })
}

/// Hundredths, never none: few round ones, which meet exactly, small ones, and seldom any at all.
fn amount(bytes: &mut Unstructured<'_>) -> Result<u32> {
    Ok(match bytes.arbitrary::<u8>()? {
        255 => bytes.int_in_range(1..=u32::MAX)?,
        rounded @ 128..=254 => u32::from(rounded - 127) * 100,
        _ => bytes.int_in_range(1..=9_000)?,
    })
}

/// Of a grant or a hold.
fn number(bytes: &mut Unstructured<'_>) -> Result<i32> {
    bytes.int_in_range(1..=12)
}

fn paid_for(bytes: &mut Unstructured<'_>) -> Result<Option<&'static str>> {
    bytes.choose(&[None, Some("chat"), Some("image"), Some("other")]).copied()
}

fn limit_change(bytes: &mut Unstructured<'_>) -> Result<LimitChange> {
    let name = bytes.choose(&["one", "two", "three"])?;
    let name = LimitName::parse(name).expect("a code");
    if bytes.ratio(1, 4)? {
        return Ok(LimitChange::Delete(name));
    }
    let calendar = |unit, zone| LimitWindow::Calendar(unit, TimeZone::parse(zone).expect("a zone"));
    Ok(LimitChange::Set(SpendLimit {
        name,
        amount: limit(*bytes.choose(&[0, 4_000, 9_000, 15_000])?),
        actor: match bytes.int_in_range(0..=3)? {
            0 => Share::All,
            1 => Share::Each,
            2 => Share::Only(actor("ann")),
            _ => Share::Only(actor("bob")),
        },
        operation: match bytes.int_in_range(0..=2)? {
            0 => Share::All,
            1 => Share::Each,
            _ => Share::Only(operation("chat")),
        },
        window: match bytes.int_in_range(0..=103)? {
            0 => calendar(CalendarUnit::Day, "America/New_York"),
            1 => calendar(CalendarUnit::Week, "UTC"),
            2 => calendar(CalendarUnit::Month, "Asia/Kathmandu"),
            3 => calendar(CalendarUnit::Year, "Europe/Berlin"),
            hours => {
                let span = RollingSpan::from_micros((hours - 3) * HOUR);
                LimitWindow::Rolling(span.expect("some hours"))
            }
        },
    }))
}

fn maybe<T>(
    bytes: &mut Unstructured<'_>,
    make: impl FnOnce(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Option<T>> {
    if bytes.arbitrary()? { make(bytes).map(Some) } else { Ok(None) }
}

fn some_of<T: Copy + Ord>(bytes: &mut Unstructured<'_>, all: &[T]) -> Result<BTreeSet<T>> {
    let bits: u8 = bytes.arbitrary()?;
    Ok(all.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1).map(|(_, one)| *one).collect())
}
