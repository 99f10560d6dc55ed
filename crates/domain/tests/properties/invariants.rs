//! Invariants 1 to 4 of the design, and that a rejection leaves no trace.

use proptest::prelude::*;
use purse_domain::{
    Amount, Entry, EntryKind, Hold, Sequence, SignedAmount, Timestamp, Verdict, WalletState,
    decide, settle::settled,
};

use super::{
    cases,
    ledger::Ledger,
    program::{HOUR, START, Step, programs_with_a_bad_clock, request},
};

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn invariants_1_to_4_hold_after_each_step(program in programs_with_a_bad_clock(30)) {
        keeps_the_invariants(&program)?;
    }

    #[test]
    fn time_never_runs_backwards_within_a_wallet(program in programs_with_a_bad_clock(30)) {
        never_goes_back(&program)?;
    }

    #[test]
    fn deciding_twice_gives_equal_results_and_changes_nothing(
        program in programs_with_a_bad_clock(30)
    ) {
        decides_alike(&program)?;
    }
}

/// Invariants 1 to 4 hold after each step.
pub fn keeps_the_invariants(program: &[Step]) -> Result<(), TestCaseError> {
    let mut ledger = Ledger::opened();
    let mut clock = START;
    for step in program {
        clock = clock.plus_micros(step.wait * HOUR);
        ledger.run(&step.action, clock);
        check_grants(&ledger.state)?;
        check_entries(&ledger)?;
        check_reversals(&ledger)?;
    }
    let later = ledger.state.head.recorded_at.plus_micros(24 * HOUR);
    let mut then = settled(&ledger.state, later).expect("all grants are held");
    then.head.recorded_at = later;
    check_grants(&then)?;
    Ok(())
}

/// Time never runs backwards within a wallet.
pub fn never_goes_back(program: &[Step]) -> Result<(), TestCaseError> {
    let mut ledger = Ledger::opened();
    let mut clock = START;
    for step in program {
        clock = clock.plus_micros(step.wait * HOUR);
        let before = ledger.state.head.recorded_at;
        if let Verdict::Accepted(decision) = ledger.run(&step.action, clock) {
            prop_assert_eq!(decision.now, clock.max(before));
            prop_assert_eq!(ledger.state.head.recorded_at, decision.now);
        }
    }
    for pair in ledger.entries.windows(2) {
        prop_assert!(pair[0].recorded_at <= pair[1].recorded_at);
    }
    for entry in &ledger.entries {
        prop_assert!(entry.effective_at <= entry.recorded_at, "dated ahead: {entry:?}");
    }
    Ok(())
}

/// Deciding twice gives equal results and changes nothing.
pub fn decides_alike(program: &[Step]) -> Result<(), TestCaseError> {
    let mut ledger = Ledger::opened();
    let mut clock = START;
    for step in program {
        clock = clock.plus_micros(step.wait * HOUR);
        let request = request(&step.action, clock);
        // What limits count is loaded by then.
        ledger.decide(&request, clock);
        let before = format!("{:?}", ledger.state);
        let preview = decide(Some(&ledger.state), &request, clock);
        prop_assert_eq!(format!("{:?}", ledger.state), before.clone());
        let verdict = ledger.run(&step.action, clock);
        prop_assert_eq!(format!("{preview:?}"), format!("{verdict:?}"));
        match verdict {
            Verdict::Accepted(_) => {}
            Verdict::Rejected(_) => prop_assert_eq!(format!("{:?}", ledger.state), before),
            Verdict::Lacking(missing) => prop_assert!(false, "all is held, yet {missing:?}"),
        }
    }
    Ok(())
}

/// Invariant 1, and that the wallet's balances are those of its grants.
pub fn check_grants(state: &WalletState) -> Result<(), TestCaseError> {
    let mut available = Amount::ZERO;
    let mut scheduled = Amount::ZERO;
    let mut held = Amount::ZERO;
    for grant in state.grants.values() {
        prop_assert_eq!(grant.parts.total(), grant.terms.amount.get(), "grant {}", grant.number);
        let part = if grant.activated { &mut available } else { &mut scheduled };
        *part = *part + grant.parts.available;
        held = held + grant.parts.held;
    }
    let balances = state.head.balances;
    prop_assert_eq!(balances.available, available);
    prop_assert_eq!(balances.scheduled, scheduled);
    prop_assert_eq!(balances.held, held);
    let in_holds = state.holds.values().map(Hold::held).sum::<Amount>();
    prop_assert_eq!(balances.held, in_holds);
    for hold in state.holds.values() {
        // Invariant 4.
        let Hold { amount, captured, released, lapsed, .. } = hold;
        prop_assert_eq!(*captured + *released + *lapsed + hold.held(), *amount, "{:?}", hold);
    }
    let owed = state.debts.values().map(|debt| debt.left).sum::<Amount>();
    prop_assert_eq!(balances.debt, owed);

    let deadlines = state.holds.values().filter(|hold| hold.is_open()).map(|hold| hold.expires_at);
    let due = state.grants.values().filter_map(|grant| state.due_at(grant)).chain(deadlines).min();
    prop_assert!(not_later(state.head.next_due_at, due), "{:?} is after {due:?}", state.head);
    Ok(())
}

/// Invariants 2 and 3.
pub fn check_entries(ledger: &Ledger) -> Result<(), TestCaseError> {
    let head = ledger.state.head;
    let mut balance: SignedAmount = Amount::ZERO.signed();
    let mut sequence = Sequence(0);
    for entry in &ledger.entries {
        let Entry { amount, balance_before, after, allocations, .. } = entry;
        sequence = sequence.next();
        prop_assert_eq!(entry.sequence, sequence);
        prop_assert_eq!(*balance_before, balance);
        prop_assert!(entry.sums_up(), "{entry:?}");
        prop_assert!(!amount.is_zero(), "an entry of nothing: {entry:?}");
        prop_assert!(
            allocations.iter().all(|allocation| !allocation.amount.is_zero()),
            "an allocation of nothing: {entry:?}"
        );
        balance = after.balance();
    }
    prop_assert_eq!(head.last_sequence, sequence);
    if let Some(last) = ledger.entries.last() {
        prop_assert_eq!(last.after, head.balances);
    }
    Ok(())
}

/// Invariant 4: what was reversed of each spend is what its record says, and no more than it took; no more is
/// revoked of each funding than it funded.
pub fn check_reversals(ledger: &Ledger) -> Result<(), TestCaseError> {
    for spend in ledger.state.spends.values().flatten() {
        let undo =
            |entry: &&Entry| entry.kind == EntryKind::Reversed && entry.about == Some(spend.entry);
        let reversals = ledger.entries.iter().filter(undo);
        let reversed = reversals.map(|entry| entry.amount).sum::<Amount>();
        prop_assert_eq!(reversed, spend.reversed);
        prop_assert!(reversed <= spend.amount, "{reversed} reversed of {spend:?}");
    }
    for funding in ledger.state.fundings.values().filter(|funding| funding.entry.is_some()) {
        let about = |kind: EntryKind, sequence: Option<Sequence>| {
            let entries = ledger.entries.iter();
            let entries =
                entries.filter(move |entry| entry.kind == kind && entry.about == sequence);
            entries.map(|entry| entry.amount).sum::<Amount>()
        };
        let revoked = about(EntryKind::Revoked, funding.entry);
        let debts = funding.debts.iter().map(|debt| about(EntryKind::Reversed, Some(*debt)));
        let given_back = about(EntryKind::RevocationReversed, funding.entry) + debts.sum();
        prop_assert!(given_back <= revoked, "{given_back} of {revoked} came back");
        prop_assert!(revoked - given_back <= funding.funded, "{funding:?}");
    }
    for entry in &ledger.entries {
        match entry.kind {
            EntryKind::Reversed | EntryKind::Revoked | EntryKind::RevocationReversed => {
                prop_assert!(entry.about.is_some());
            }
            // What came back to a grant that had ended.
            EntryKind::Expired | EntryKind::Voided => {}
            EntryKind::Granted
            | EntryKind::Activated
            | EntryKind::Spent
            | EntryKind::ExpiryReversed
            | EntryKind::Repaid
            | EntryKind::Held
            | EntryKind::Captured
            | EntryKind::Released
            | EntryKind::HoldExpired
            | EntryKind::TransferredOut
            | EntryKind::TransferredIn
            | EntryKind::ExpiryChanged => prop_assert_eq!(entry.about, None),
        }
    }
    Ok(())
}

/// Whether `early` is not after `late`, where `None` is never.
pub fn not_later(early: Option<Timestamp>, late: Option<Timestamp>) -> bool {
    match (early, late) {
        (Some(early), Some(late)) => early <= late,
        (_, None) => true,
        (None, Some(_)) => false,
    }
}
