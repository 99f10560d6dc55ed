//! A balance is the sum of what it is said to be made of.

use proptest::prelude::*;
use purse_domain::{
    Composition, SignedAmount, Timestamp,
    composition::{DebtShare, Figures, GrantShare, KindShare},
};

use super::{
    cases,
    ledger::{Ledger, Totals},
    model::Model,
    program::{HOUR, START, Step, programs_with_a_bad_clock, request},
};

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn a_balance_is_the_sum_of_its_grants_and_debts_and_of_its_entries(
        program in programs_with_a_bad_clock(25)
    ) {
        composes(&program)?;
    }
}

/// A balance is the sum of its grants and debts, and of its entries.
pub fn composes(program: &[Step]) -> Result<(), TestCaseError> {
    let mut ledger = Ledger::opened();
    let mut model = Model::new();
    let mut clock = START;
    for step in program {
        clock = clock.plus_micros(step.wait * HOUR);
        model.run(&request(&step.action, clock), clock);
        ledger.run(&step.action, clock);
    }
    for at in ledger.boundaries() {
        check(&ledger, &model, at)?;
    }
    Ok(())
}

fn check(ledger: &Ledger, model: &Model, at: Timestamp) -> Result<(), TestCaseError> {
    let Composition { balances, shortfall, grants, debts, kinds } = ledger.compose(at);
    let totals = ledger.totals(at);
    let of_grants = grants.iter().fold(Figures::ZERO, |sum, share| sum + share.figures);
    let owed = debts.iter().fold(SignedAmount::ZERO, |sum, share| sum + share.owed);
    prop_assert_eq!(of_grants.debt, SignedAmount::ZERO);
    let of_parts = Figures { debt: owed, ..of_grants };
    let of_kinds = kinds.iter().fold(Figures::ZERO, |sum, share| sum + share.figures);
    prop_assert_eq!(of_kinds, of_parts);

    let Totals { available, scheduled, held, debt } = totals;
    if at < ledger.state.head.recorded_at {
        prop_assert_eq!(of_parts, Figures { available, held, debt, scheduled }, "at {}", at);
    }
    prop_assert_eq!(balances.available.signed(), of_parts.available + shortfall);
    prop_assert_eq!(balances.debt.signed(), of_parts.debt + shortfall);
    prop_assert!(shortfall == SignedAmount::ZERO || balances.available.is_zero());
    prop_assert_eq!(balances.held.signed(), held);
    prop_assert_eq!(balances.scheduled.signed(), scheduled);
    prop_assert_eq!(balances.balance(), available - debt);

    let (expected_grants, expected_debts) = model.shares(at);
    let mut by_number: Vec<_> = grants.iter().map(share).collect();
    by_number.sort_unstable();
    prop_assert_eq!(by_number, expected_grants, "at {}", at);
    prop_assert!(debts.iter().map(|share| share.entry).is_sorted_by(|a, b| a < b));
    let owed: Vec<i64> = debts.iter().map(|DebtShare { owed, .. }| hundredths(*owed)).collect();
    prop_assert_eq!(owed, expected_debts, "at {}", at);

    let counted: u64 = kinds.iter().map(|KindShare { entries, .. }| entries).sum();
    let booked = ledger.entries.iter().filter(|entry| entry.effective_at <= at).count();
    let ahead = at > ledger.state.head.recorded_at;
    prop_assert!(ahead || counted == u64::try_from(booked).expect("few"), "{kinds:?}");
    Ok(())
}

fn share(share: &GrantShare) -> (i32, [i64; 3]) {
    let Figures { available, held, scheduled, debt: _ } = share.figures;
    (share.number.0, [available, scheduled, held].map(hundredths))
}

fn hundredths(amount: SignedAmount) -> i64 {
    let mut decimal = amount.decimal();
    decimal.rescale(2);
    i64::try_from(decimal.mantissa()).expect("programs have small amounts")
}
