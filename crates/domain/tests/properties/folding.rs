//! A wallet is the fold of its ledger.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use proptest::prelude::*;
use purse_domain::{
    Amount, Balances, Coverage, Debt, Entry, Fold, FoldError, GrantNumber, Head, Hold, Sequence,
    WalletState, balances_at,
};

use super::{
    cases,
    invariants::not_later,
    ledger::Ledger,
    program::{Action, HOUR, POLICIES, START, Step, programs_with_a_bad_clock},
};

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn folding_the_entries_gives_the_state_that_deciding_left(
        program in programs_with_a_bad_clock(30)
    ) {
        folds(&program)?;
    }
}

/// Folding the entries gives the state that deciding left.
pub fn folds(program: &[Step]) -> Result<(), TestCaseError> {
    let mut ledger = Ledger::opened();
    let mut clock = START;
    for step in program {
        clock = clock.plus_micros(step.wait * HOUR);
        ledger.run(&step.action, clock);
        same_state(&ledger)?;
    }
    // Changes nothing but what is due.
    ledger.run(&Action::Policy(POLICIES[0]), clock.plus_micros(24 * HOUR));
    same_state(&ledger)?;
    Ok(())
}

/// The state of a ledger is that which its entries give.
pub fn same_state(ledger: &Ledger) -> Result<(), TestCaseError> {
    let state = &ledger.state;
    let deadlines = |hold| state.holds.get(&hold).map_or(START, |hold| hold.expires_at);
    let folded = ledger.folded(&ledger.entries).settled_to(state.head.recorded_at);
    let folded = folded.into_state(deadlines);
    prop_assert_eq!(&folded.grants, &state.grants);
    // The state has those of spends too, which a reversal may go back to.
    let open: BTreeMap<Sequence, Debt> = state
        .debts
        .iter()
        .filter(|(_, debt)| !debt.left.is_zero())
        .map(|(entry, debt)| (*entry, debt.clone()))
        .collect();
    prop_assert_eq!(&folded.debts, &open);
    prop_assert_eq!(folded.coverage, Coverage::Complete);
    prop_assert_eq!(open_holds(&folded), open_holds(state));
    let Head {
        balances,
        last_sequence,
        last_grant_number,
        last_hold_number,
        next_due_at,
        recorded_at,
        revision: _,
        last_hash: _,
        last_event: _,
        lows: _,
        top_ups: _,
    } = folded.head;
    prop_assert_eq!(last_hold_number, state.head.last_hold_number);
    prop_assert_eq!(balances, state.head.balances);
    prop_assert_eq!(last_sequence, state.head.last_sequence);
    prop_assert_eq!(last_grant_number, state.head.last_grant_number);
    prop_assert_eq!(recorded_at, state.head.recorded_at);
    // The state's own may lie too early.
    let deadlines = open_holds(state).into_iter().map(|hold| hold.expires_at);
    let due = state.grants.values().filter_map(|grant| state.due_at(grant)).chain(deadlines).min();
    prop_assert_eq!(next_due_at, due);
    prop_assert!(not_later(state.head.next_due_at, next_due_at));
    for at in ledger.boundaries().into_iter().filter(|at| *at >= state.head.recorded_at) {
        prop_assert_eq!(balances_at(&folded, at), balances_at(state, at), "at {}", at);
    }
    Ok(())
}

/// Deadlines that were moved are not in the ledger, so those of ended holds may differ.
fn open_holds(state: &WalletState) -> Vec<&Hold> {
    state.holds.values().filter(|hold| hold.is_open()).collect()
}

/// A ledger of three entries: a grant, a grant, and a spend of the first.
fn three_entries() -> Ledger {
    let mut ledger = Ledger::opened();
    let grant = |ends_in| Action::Grant {
        amount: 1_000,
        starts_in: None,
        ends_in,
        priority: 100,
        cost: 0,
        applies_to: BTreeSet::new(),
        funding: None,
    };
    ledger.run(&grant(Some(5)), START);
    ledger.run(&grant(None), START);
    ledger.run(&Action::Spend { amount: 400, operation: None, hours_ago: None }, START);
    assert_eq!(ledger.entries.len(), 3);
    ledger
}

#[test]
fn entries_that_are_no_ledger_are_not_folded() {
    let ledger = three_entries();
    let terms = ledger.terms();
    let settings = Arc::clone(&ledger.state.settings);
    let fold_first = |count: usize| {
        let mut fold = Fold::opened(Arc::clone(&settings));
        for entry in &ledger.entries[..count] {
            fold.book(entry, None, &terms).unwrap();
        }
        fold
    };

    let gap = fold_first(1).book(&ledger.entries[2], None, &terms);
    assert_eq!(gap, Err(FoldError::OutOfSequence { sequence: Sequence(3), last: Sequence(1) }));

    let nameless = fold_first(1).book(&ledger.entries[1], None, &BTreeMap::new());
    let unknown = FoldError::UnknownGrant { sequence: Sequence(2), grant: GrantNumber(2) };
    assert_eq!(nameless, Err(unknown));

    let third = &ledger.entries[2];
    let folded = Box::new(third.after);
    let after = Balances { held: third.amount, ..third.after };
    let other = FoldError::OtherBalances { sequence: Sequence(3), folded };
    assert_eq!(fold_first(2).book(&Entry { after, ..third.clone() }, None, &terms), Err(other));

    let balance_before = Amount::ZERO.signed();
    let other = FoldError::OtherBalanceBefore { sequence: Sequence(3) };
    assert_eq!(
        fold_first(2).book(&Entry { balance_before, ..third.clone() }, None, &terms),
        Err(other)
    );

    assert_eq!(fold_first(2).book(third, None, &terms), Ok(()));
}
