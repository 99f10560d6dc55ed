//! A cost report says of each period what there was at its start, what became of it, and what is left at its end,
//! whether anybody has touched the wallet since or not.

use std::collections::BTreeMap;

use proptest::{option, prelude::*, sample::select};
use purse_domain::{
    Amount, Category, CostBasis, CostBooks, CostReport, CostStatement, Entry, EntryKind, Exact,
    ExpiryGrouping, ExpiryStatement, Grant, GrantNumber, Periods, Scale, TimeRange, Timestamp,
    calendar::{CalendarUnit, TimeZone},
    cost_report::{CostFlow, Worth},
    expiry_statements,
    settle::{due, settled},
};

use super::{
    cases,
    ledger::Ledger,
    model::Model,
    program::{HOUR, START, programs_with_a_bad_clock, request},
};

proptest! {
    #![proptest_config(cases(192))]

    #[test]
    fn opening_and_what_happened_make_closing_and_both_are_what_was_left(
        program in programs_with_a_bad_clock(30),
        first in -60_i64..200,
        hours in 0_i64..300,
        unit in option::of(select(&[CalendarUnit::Day, CalendarUnit::Week][..])),
        swept in any::<bool>(),
    ) {
        let mut ledger = Ledger::opened();
        let mut model = Model::new();
        let mut clock = START;
        for step in &program {
            clock = clock.plus_micros(step.wait * HOUR);
            model.run(&request(&step.action, clock), clock);
            ledger.run(&step.action, clock);
        }
        let start = START.plus_micros(first * HOUR);
        let end = start.plus_micros(hours * HOUR);
        let periods = cut(start, end, unit);
        let report = report(&ledger, &periods);
        check(&ledger, &model, &periods, &report)?;
        if swept {
            // Booked or not, it is the same.
            ledger.sweep(clock.plus_micros(100 * HOUR));
            prop_assert_eq!(self::report(&ledger, &periods), report);
        }
    }

    #[test]
    fn periods_add_up_to_the_range(
        program in programs_with_a_bad_clock(30),
        first in -60_i64..200,
        hours in 1_i64..300,
    ) {
        let mut ledger = Ledger::opened();
        let mut clock = START;
        for step in &program {
            clock = clock.plus_micros(step.wait * HOUR);
            ledger.run(&step.action, clock);
        }
        let start = START.plus_micros(first * HOUR);
        let end = start.plus_micros(hours * HOUR);
        let days = report(&ledger, &cut(start, end, Some(CalendarUnit::Day))).together();
        let whole = report(&ledger, &cut(start, end, None)).together();
        prop_assert_eq!(whole.is_empty(), days.is_empty());
        if let ([whole], [first, .., last]) = (&whole[..], &days[..]) {
            let flow = days.iter().fold(CostFlow::default(), |sum, day| sum + day.flow);
            let all = CostStatement { opening: first.opening, flow, closing: last.closing };
            prop_assert_eq!(*whole, all);
        }
    }
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn an_expiry_report_has_the_same_figures_and_knows_what_never_expires(
        program in programs_with_a_bad_clock(30),
        first in -60_i64..200,
        hours in 0_i64..300,
    ) {
        let mut ledger = Ledger::opened();
        let mut clock = START;
        for step in &program {
            clock = clock.plus_micros(step.wait * HOUR);
            ledger.run(&step.action, clock);
        }
        let start = START.plus_micros(first * HOUR);
        let end = start.plus_micros(hours * HOUR);
        let periods = cut(start, end, Some(CalendarUnit::Day)).cut_at(clock).expect("some days");
        let costs = report(&ledger, &periods);
        for grouping in [ExpiryGrouping::None, ExpiryGrouping::Category, ExpiryGrouping::FundingRef] {
            let report = grouped(&ledger, &periods, |grant| grouping.group_of(grant));
            let groups = expiry_statements(&report);
            let names: Vec<&str> = groups.iter().map(|(name, _)| *name).collect();
            prop_assert!(names.is_sorted() && names.windows(2).all(|pair| pair[0] != pair[1]));
            if grouping == ExpiryGrouping::Category {
                let categories: Vec<&str> = costs.groups().map(|(group, _)| group.as_str()).collect();
                prop_assert_eq!(names, categories);
            }
            for (index, costs) in costs.together().iter().enumerate() {
                let sum = groups.iter().map(|(_, statements)| statements[index]);
                let sum = sum.fold(ExpiryStatement::default(), |sum, one| sum + one);
                prop_assert_eq!(sum.opening, costs.opening);
                prop_assert_eq!(sum.expired, costs.flow.expired);
                prop_assert_eq!(sum.opening + sum.other - sum.expired, sum.closing);
                prop_assert_eq!(sum.closing, costs.closing);
            }
        }
        // At the last bound, from the grants themselves.
        let Some(last) = periods.bounds().last().filter(|last| **last > ledger.state.head.recorded_at) else {
            return Ok(());
        };
        let state = settled(&ledger.state, last.plus_micros(-1)).expect("all grants are held");
        let never = state.grants.values().filter(|grant| grant.window.expires_at().is_none());
        let never = never
            .map(|grant| Worth::of(grant.parts.available + grant.parts.held, grant.terms.cost_basis))
            .fold(Worth::default(), |sum, worth| sum + worth);
        let report = grouped(&ledger, &periods, |grant| ExpiryGrouping::None.group_of(grant));
        let told = expiry_statements(&report);
        let told = told.first().and_then(|(_, statements)| statements.last());
        prop_assert_eq!(told.map(|told| told.never_expiring).unwrap_or_default(), never);
    }
}

fn cut(start: Timestamp, end: Timestamp, unit: Option<CalendarUnit>) -> Periods {
    let range = TimeRange::new(start, end).expect("it is not inverted");
    Periods::cut(range, unit, TimeZone::UTC).expect("some days")
}

/// The report of a wallet, from what is kept of it as of its last entry and what happened since.
fn report(ledger: &Ledger, periods: &Periods) -> CostReport {
    grouped(ledger, periods, |grant| grant.terms.category.clone())
}

fn grouped<G: Ord + Clone>(
    ledger: &Ledger,
    periods: &Periods,
    group: impl Fn(&Grant) -> G,
) -> CostReport<G> {
    let mut books = CostBooks::new(periods);
    let grants: BTreeMap<GrantNumber, &Grant> =
        ledger.grants().into_iter().map(|grant| (grant.number, grant)).collect();
    let share = |grant: &Grant, amount: Amount| Worth::of(amount, grant.terms.cost_basis);
    for grant in grants.values().filter(|grant| grant.is_open()) {
        let left = grant.parts.available + grant.parts.held;
        books.left(&group(grant), share(grant, left));
    }
    let counting = ledger.entries.iter().filter(|entry| entry.effective_at >= periods.start());
    for entry in counting {
        let place = periods.place(entry.effective_at);
        for part in &entry.allocations {
            let grant = grants[&part.grant];
            books.booked(place, entry.kind, &group(grant), share(grant, part.amount));
        }
    }
    for entry in due(&ledger.state, periods.end().plus_micros(-1)).expect("all grants are held") {
        books.due(&entry, |number| grants.get(&number).copied(), &group);
    }
    books.close()
}

fn check(
    ledger: &Ledger,
    model: &Model,
    periods: &Periods,
    report: &CostReport,
) -> Result<(), TestCaseError> {
    let statements: BTreeMap<&Category, &[CostStatement]> = report.groups().collect();
    for category in ["paid", "free"] {
        let category = Category::parse(category).expect("a code");
        let blank = vec![CostStatement::default(); periods.count()];
        let statements = statements.get(&category).copied().unwrap_or(&blank);
        prop_assert_eq!(statements.len(), periods.count());
        for (bounds, statement) in periods.bounds().windows(2).zip(statements) {
            let [start, end] = [bounds[0], bounds[1]].map(|bound| bound.plus_micros(-1));
            let CostStatement { opening, flow, closing } = *statement;
            let CostFlow {
                granted,
                transferred_in,
                consumed,
                expired,
                voided,
                revoked,
                transferred_out,
            } = flow;
            let gone = consumed + expired + voided + revoked + transferred_out;
            prop_assert_eq!(opening + granted + transferred_in, closing + gone);
            prop_assert_eq!(opening, left(ledger, model, &category, start), "at {}", start);
            prop_assert_eq!(closing, left(ledger, model, &category, end), "at {}", end);
            let [before, after] = [start, end].map(|at| so_far(ledger, &category, at));
            let grown = |index: usize| after[index] - before[index];
            prop_assert_eq!(
                [granted, consumed, expired, voided, revoked],
                [grown(0), grown(1), grown(2), grown(3), grown(4)],
                "from {} to {}",
                start,
                end
            );
        }
        for pair in statements.windows(2) {
            prop_assert_eq!(pair[0].closing, pair[1].opening);
        }
    }
    Ok(())
}

/// What the slow model has left of the grants of a category at an instant.
fn left(ledger: &Ledger, model: &Model, category: &Category, at: Timestamp) -> Worth {
    let (shares, _) = model.shares(at);
    let mut sum = Worth::default();
    for (number, figures) in shares {
        let grant = ledger.grants()[usize::try_from(number - 1).expect("a number")];
        if grant.terms.category == *category {
            let hundredths = figures.iter().sum();
            sum = sum + worth(hundredths, grant.terms.cost_basis);
        }
    }
    sum
}

/// A sum of hundredths may be negative while late usage draws what came back later.
fn worth(hundredths: i64, cost_basis: CostBasis) -> Worth {
    let magnitude = hundredths.unsigned_abs();
    let text = format!("{}.{:02}", magnitude / 100, magnitude % 100);
    let amount = Amount::parse(&text, Scale::MAX).expect("a small amount");
    let worth = Worth::of(amount, cost_basis);
    if hundredths < 0 { -worth } else { worth }
}

/// What was granted, consumed, expired, voided and revoked by an instant, said once more and plainly.
fn so_far(ledger: &Ledger, category: &Category, at: Timestamp) -> [Worth; 5] {
    let mut sums = [Worth::default(); 5];
    let later = due(&ledger.state, at).expect("all grants are held");
    let counting = |entry: &&Entry| entry.effective_at <= at;
    for entry in ledger.entries.iter().chain(&later).filter(counting) {
        for part in &entry.allocations {
            let grants = ledger.grants();
            let index = usize::try_from(part.grant.0 - 1).expect("a number");
            let terms = &grants[index].terms;
            if terms.category != *category {
                continue;
            }
            let share = Worth::of(part.amount, terms.cost_basis);
            let (sum, share) = match entry.kind {
                EntryKind::Granted => (0, share),
                EntryKind::Spent | EntryKind::Captured | EntryKind::Repaid => (1, share),
                EntryKind::Reversed => (1, -share),
                EntryKind::Expired => (2, share),
                EntryKind::ExpiryReversed => (2, -share),
                EntryKind::Voided => (3, share),
                EntryKind::Revoked => (4, share),
                EntryKind::RevocationReversed => (4, -share),
                EntryKind::Activated
                | EntryKind::Held
                | EntryKind::Released
                | EntryKind::HoldExpired
                | EntryKind::ExpiryChanged => continue,
                EntryKind::TransferredOut | EntryKind::TransferredIn => {
                    panic!("there is one wallet")
                }
            };
            sums[sum] = sums[sum] + share;
        }
    }
    sums
}

#[test]
fn nothing_is_rounded() {
    let amount = Amount::parse("0.000001", Scale::MAX).unwrap();
    let cost_basis = CostBasis::parse("0.333333333333").unwrap();
    let worth = Worth::of(amount, cost_basis);
    assert_eq!(worth.value.to_string(), "0.000000333333333333");
    let million: Exact = std::iter::repeat_n(worth.value, 1_000_000).sum();
    assert_eq!(million.to_string(), "0.333333333333");
}
