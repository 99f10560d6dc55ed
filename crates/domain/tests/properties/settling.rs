//! Settling often or seldom makes no difference but in `recorded_at`.

use proptest::prelude::*;
use purse_domain::{Entry, EntryKind, Sequence, Timestamp, Verdict, balances_at};

use super::{
    cases,
    ledger::{Ledger, Totals},
    program::{HOUR, START, Step, programs},
};

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn settling_often_or_seldom_gives_the_same_balances_and_entries(
        program in programs(30),
        sweep_every in 1_i64..=9,
    ) {
        settles_alike(&program, sweep_every)?;
    }

    #[test]
    fn what_is_due_is_booked_by_its_instant_expiries_before_activations(program in programs(30)) {
        let mut ledger = Ledger::opened();
        let mut clock = START;
        for step in &program {
            clock = clock.plus_micros(step.wait * HOUR);
            let verdict = ledger.run(&step.action, clock);
            let Verdict::Accepted(decision) = verdict else { continue };
            let places: Vec<_> = decision.entries[..decision.settled]
                .iter()
                // It follows its activation.
                .filter(|entry| entry.kind != EntryKind::Repaid)
                // What comes back from a hold to a grant that has ended expires with the hold.
                .filter(|entry| entry.kind != EntryKind::Expired || entry.hold.is_none())
                .map(|entry| {
                    let order =
                        [EntryKind::HoldExpired, EntryKind::Expired, EntryKind::Activated];
                    let step = order.iter().position(|kind| *kind == entry.kind);
                    let is_hold = entry.kind == EntryKind::HoldExpired;
                    let grant = (!is_hold).then_some(entry.allocations[0].grant);
                    (entry.effective_at, step, entry.hold, grant)
                })
                .collect();
            prop_assert!(places.is_sorted(), "{places:?}");
        }
    }

    #[test]
    fn a_balance_that_was_served_is_what_the_entries_say_later(program in programs(30)) {
        served_what_it_says(&program)?;
    }
}

/// Settling often or seldom gives the same balances and entries.
pub fn settles_alike(program: &[Step], sweep_every: i64) -> Result<(), TestCaseError> {
    let mut seldom = Ledger::opened();
    let mut often = Ledger::opened();
    let mut clock = START;
    for step in program {
        let until = clock.plus_micros(step.wait * HOUR);
        while clock < until {
            clock = until.min(clock.plus_micros(sweep_every * HOUR));
            often.sweep(clock);
            same_balances_around(&seldom, &often, clock)?;
        }
        let verdicts = [&mut seldom, &mut often].map(|ledger| {
            let verdict = ledger.run(&step.action, clock);
            matches!(verdict, Verdict::Accepted(_))
        });
        prop_assert_eq!(verdicts[0], verdicts[1]);
    }

    let ahead: Vec<Timestamp> = seldom.boundaries().into_iter().filter(|at| *at >= clock).collect();
    for at in &ahead {
        often.sweep(*at);
        same_balances_around(&seldom, &often, *at)?;
    }
    let end = clock.plus_micros(100 * HOUR);
    seldom.sweep(end);
    often.sweep(end);
    prop_assert_eq!(undated(&seldom), undated(&often));
    for at in seldom.boundaries() {
        prop_assert_eq!(seldom.past(at), often.past(at), "at {}", at);
    }
    prop_assert_eq!(seldom.grants(), often.grants());
    Ok(())
}

/// A balance that was served is what the entries say later.
pub fn served_what_it_says(program: &[Step]) -> Result<(), TestCaseError> {
    let mut ledger = Ledger::opened();
    let mut clock = START;
    let mut served = Vec::new();
    for step in program {
        clock = clock.plus_micros(step.wait * HOUR);
        ledger.run(&step.action, clock);
        served.push((clock, ledger.entries.len(), balances_at(&ledger.state, clock)));
    }
    ledger.sweep(clock);
    for (position, (at, written, balances)) in served.iter().enumerate() {
        // Invariant 8: unless a later entry counts earlier, or happened at the same instant.
        let is_last_at = served.get(position + 1).is_none_or(|(next, _, _)| next > at);
        let corrected = ledger.entries[*written..]
            .iter()
            .any(|entry| entry.effective_at <= *at && is_backdated_by_its_command(entry));
        if is_last_at && !corrected {
            let balances = balances.as_ref().expect("all grants are held");
            prop_assert_eq!(ledger.past(*at), Totals::of(balances), "at {}", at);
        }
    }
    Ok(())
}

/// What time alone did is dated before it was written, and yet no correction.
fn is_backdated_by_its_command(entry: &Entry) -> bool {
    match entry.kind {
        EntryKind::Granted | EntryKind::Spent | EntryKind::ExpiryReversed => {
            entry.effective_at < entry.recorded_at
        }
        EntryKind::Activated
        | EntryKind::Expired
        | EntryKind::Voided
        | EntryKind::Repaid
        | EntryKind::Reversed
        | EntryKind::Revoked
        | EntryKind::RevocationReversed
        | EntryKind::ExpiryChanged
        | EntryKind::Held
        | EntryKind::Captured
        | EntryKind::Released
        | EntryKind::HoldExpired
        | EntryKind::TransferredOut
        | EntryKind::TransferredIn => false,
    }
}

fn same_balances_around(
    seldom: &Ledger,
    often: &Ledger,
    clock: Timestamp,
) -> Result<(), TestCaseError> {
    for micros in [0, 1] {
        let at = clock.plus_micros(micros);
        prop_assert_eq!(balances_at(&seldom.state, at), balances_at(&often.state, at), "at {}", at);
    }
    // Just before, only the wallet that is not settled yet can be asked; the ledger answers for the other.
    let before = clock.plus_micros(-1);
    if before >= seldom.state.head.recorded_at {
        let balances = balances_at(&seldom.state, before).expect("all grants are held");
        let past = often.past(before);
        prop_assert_eq!(Totals::of(&balances), past, "at {}", before);
    }
    Ok(())
}

/// The entries without when they were written and what number they got.
fn undated(ledger: &Ledger) -> Vec<Entry> {
    ledger
        .entries
        .iter()
        .map(|entry| Entry { recorded_at: START, sequence: Sequence(0), ..entry.clone() })
        .collect()
}
