//! The domain and a slow, plain model agree on every balance, refusal and allocation.

use proptest::prelude::*;
use purse_domain::{Balances, EntryKind, Rejection, Timestamp, Verdict};

use super::{
    cases,
    ledger::{Ledger, Totals},
    limit_model::Refused,
    limited::limited_programs,
    model::{Model, Outcome, hundredths},
    program::{Action, HOUR, START, Step, programs_with_a_bad_clock, request},
};

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn a_slow_plain_model_decides_the_same_and_has_the_same_balances(
        program in programs_with_a_bad_clock(30)
    ) {
        is_as_modelled(&program)?;
    }

    #[test]
    fn a_slow_plain_model_finds_the_same_limits_used(program in limited_programs(40)) {
        agreed(&program)?;
    }

    /// But for late usage of credits that came back since it happened: see [`Balances::of_sums`].
    #[test]
    fn no_balance_was_ever_negative(
        program in programs_with_a_bad_clock(30),
        with_all in any::<bool>(),
    ) {
        was_never_negative(&program, with_all)?;
    }
}

/// The model decides the same and has the same balances.
pub fn is_as_modelled(program: &[Step]) -> Result<(), TestCaseError> {
    let (ledger, model) = agreed(program)?;
    for at in ledger.boundaries() {
        let expected = model.balances(at);
        prop_assert_eq!(figures(&ledger.totals(at)), expected, "at {}", at);
    }
    Ok(())
}

/// No balance was ever negative.
pub fn was_never_negative(program: &[Step], with_all: bool) -> Result<(), TestCaseError> {
    let mut ledger = Ledger::opened();
    let mut clock = START;
    let gives_some_back = |action: &Action| {
        matches!(action, Action::Hold { .. } | Action::Reverse { .. } | Action::Revoke { .. })
    };
    for step in program.iter().filter(|step| with_all || !gives_some_back(&step.action)) {
        clock = clock.plus_micros(step.wait * HOUR);
        ledger.run(&step.action, clock);
    }
    let zero = Totals::of(&Balances::ZERO);
    for at in ledger.boundaries() {
        let Totals { available, scheduled, held, debt } = ledger.past(at);
        prop_assert!(with_all || available >= zero.available, "{available} available at {at}");
        prop_assert!(scheduled >= zero.scheduled, "{scheduled} scheduled at {at}");
        prop_assert!(debt >= zero.debt, "{debt} owed at {at}");
        prop_assert!(held >= zero.held, "{held} held at {at}");
    }
    Ok(())
}

/// The domain and the model after a program, of which they decide each step alike.
fn agreed(program: &[Step]) -> Result<(Ledger, Model), TestCaseError> {
    let mut ledger = Ledger::opened();
    let mut model = Model::new();
    let mut clock = START;
    for step in program {
        clock = clock.plus_micros(step.wait * HOUR);
        let expected = model.run(&request(&step.action, clock), clock);
        let verdict = ledger.run(&step.action, clock);
        prop_assert_eq!(outcome(&verdict), expected, "{:?} at {}", step, clock);
    }
    Ok((ledger, model))
}

fn outcome(verdict: &Verdict) -> Outcome {
    match verdict {
        Verdict::Accepted(decision) => Outcome::Done(
            decision
                .own_entries()
                .iter()
                .filter(|entry| is_about_grants(entry.kind))
                .flat_map(|entry| &entry.allocations)
                .map(|allocation| (allocation.grant.0, hundredths(allocation.amount)))
                .collect(),
        ),
        Verdict::Rejected(rejection) => refusal(rejection),
        Verdict::Lacking(_) => Outcome::Refused("nothing can be lacking: all is held"),
    }
}

/// What the model tells of too.
fn is_about_grants(kind: EntryKind) -> bool {
    match kind {
        EntryKind::Spent
        | EntryKind::Reversed
        | EntryKind::Revoked
        | EntryKind::RevocationReversed
        | EntryKind::ExpiryChanged => true,
        EntryKind::Granted
        | EntryKind::Activated
        | EntryKind::Expired
        | EntryKind::Voided
        | EntryKind::ExpiryReversed
        | EntryKind::Repaid
        | EntryKind::Held
        | EntryKind::Captured
        | EntryKind::Released
        | EntryKind::HoldExpired
        | EntryKind::TransferredOut
        | EntryKind::TransferredIn => false,
    }
}

fn refusal(rejection: &Rejection) -> Outcome {
    Outcome::Refused(match rejection {
        Rejection::InsufficientCredits { available, .. } => {
            return Outcome::Insufficient(hundredths(*available));
        }
        Rejection::SpendLimitExceeded { limit, used, frees_at, .. } => {
            return Outcome::Limited(Refused {
                limit: limit.as_str().to_owned(),
                used: hundredths(*used),
                frees_at: *frees_at,
            });
        }
        Rejection::SpendLimitNotFound { .. } => "there is no such limit",
        Rejection::StaleCommitToken => "no request has a commit token",
        Rejection::WalletFrozen | Rejection::WalletClosed | Rejection::WalletNotEmpty { .. } => {
            "programs do not freeze or close"
        }
        Rejection::ExpiresAtNotAhead { .. } => "expires_at is not ahead",
        Rejection::WindowEndsBeforeItStarts { .. } => "the window is empty",
        Rejection::OccurredAtAhead { .. } => "occurred_at is ahead",
        Rejection::OccurredAtTooOld { .. } => "occurred_at is too old",
        Rejection::GrantNotFound { .. } => "there is no such grant",
        Rejection::GrantEnded { .. } => "the grant has ended",
        Rejection::GrantNotEffective { .. } => "the grant is not effective",
        Rejection::HoldNotFound { .. } => "there is no such hold",
        Rejection::HoldExpired { .. } => "the hold has expired",
        Rejection::HoldClosed { .. } => "the hold is closed",
        Rejection::CaptureExceedsHold { .. } | Rejection::ReleaseExceedsHold { .. } => {
            "more than is held"
        }
        Rejection::TransactionNotFound { .. } => "there is no such write",
        Rejection::TransactionNotReversible { .. } => "the write is no spend",
        Rejection::NothingLeftToReverse { .. } => "nothing is left to reverse",
        Rejection::TopUpNotOutstanding { .. } => "it is not awaited",
        Rejection::Unpriced(_) => "it has no price",
        Rejection::Unbuyable(_) => "it cannot be bought",
        Rejection::ReversalExceedsSpend { .. } => "less is left to reverse",
        Rejection::FundingNotFound { .. } => "there is no such funding",
        Rejection::RevocationExceedsFunding { .. } => "less was funded",
        Rejection::WalletNotFound
        | Rejection::BalanceLimitExceeded
        | Rejection::AssetScaleMismatch { .. }
        | Rejection::OverdraftLimitTooPrecise { .. }
        | Rejection::TooManySpendLimits
        | Rejection::ThresholdTooPrecise { .. }
        | Rejection::StaleVersion { .. }
        | Rejection::IdempotencyKeyReused { .. } => "not in programs",
    })
}

/// Available, scheduled, held and debt, in hundredths.
fn figures(totals: &Totals) -> [i64; 4] {
    [totals.available, totals.scheduled, totals.held, totals.debt].map(|total| {
        let mut decimal = total.decimal();
        decimal.rescale(2);
        i64::try_from(decimal.mantissa()).expect("programs have small amounts")
    })
}

/// The instants of [`Ledger::boundaries`] reach into the future, where only time happens.
#[test]
fn boundaries_lie_on_both_sides_of_now() {
    let mut ledger = Ledger::opened();
    let grant = Action::Grant {
        amount: 100,
        starts_in: Some(-5),
        ends_in: Some(5),
        priority: 100,
        cost: 0,
        applies_to: std::collections::BTreeSet::new(),
        funding: None,
    };
    ledger.run(&grant, START);
    let boundaries = ledger.boundaries();
    let around = |hours: i64| -> [Timestamp; 3] {
        [-1, 0, 1].map(|micros| START.plus_micros(hours * HOUR + micros))
    };
    for hours in [-5, 0, 5] {
        assert!(around(hours).iter().all(|at| boundaries.contains(at)), "{hours}");
    }
}
