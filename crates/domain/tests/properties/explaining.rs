//! An explanation says exactly what was decided, and of every grant.

use std::collections::BTreeSet;

use proptest::prelude::*;
use purse_domain::{
    Allocation, Amount, DrawdownPolicy, DrawdownRule, Entry, EntryKind, ExpiredPolicy, Grant,
    GrantNumber, OperationName, PassedOver, Timestamp, TransactionKind, Verdict,
    explain::{
        Choice, ConsideredDebt, ConsideredGrant, ConsideredSlice, Explanation, PlacedBy,
        SliceSource, Unexplained,
    },
};

use super::{
    cases,
    ledger::Ledger,
    model::hundredths,
    program::{Action, HOUR, START, Step, amount, programs_with_a_bad_clock, request},
};

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn an_explanation_says_what_was_decided_and_of_every_grant(
        program in programs_with_a_bad_clock(30)
    ) {
        explains(&program)?;
    }
}

/// An explanation says what was decided, and of every grant.
pub fn explains(program: &[Step]) -> Result<(), TestCaseError> {
    let mut ledger = Ledger::opened();
    let mut clock = START;
    for step in program {
        clock = clock.plus_micros(step.wait * HOUR);
        let policy = ledger.state.settings.drawdown_policy;
        let command = request(&step.action, clock).command;
        let Verdict::Accepted(decision) = ledger.run(&step.action, clock) else { continue };
        let operation = decision.operation(&command).cloned();
        let entries = decision.own_entries().to_vec();
        let unexplained =
            Unexplained { entries: entries.clone(), operation: operation.clone(), policy };
        let explanations = ledger.explain(unexplained);

        let with_a_choice = |entry: &&Entry| match entry.kind {
            EntryKind::Spent
            | EntryKind::Held
            | EntryKind::Repaid
            | EntryKind::Revoked
            | EntryKind::TransferredOut => true,
            EntryKind::Reversed => command.kind() == Some(TransactionKind::ReverseSpend),
            EntryKind::Granted
            | EntryKind::Activated
            | EntryKind::Expired
            | EntryKind::Voided
            | EntryKind::ExpiryReversed
            | EntryKind::Captured
            | EntryKind::Released
            | EntryKind::HoldExpired
            | EntryKind::RevocationReversed
            | EntryKind::TransferredIn
            | EntryKind::ExpiryChanged => false,
        };
        let expected: Vec<_> =
            entries.iter().filter(with_a_choice).map(|entry| entry.sequence).collect();
        let explained: Vec<_> = explanations.iter().map(|of| of.entry).collect();
        prop_assert_eq!(explained, expected);
        for Explanation { entry, choice } in &explanations {
            let entry = entries.iter().find(|of| of.sequence == *entry).expect("its own");
            match choice {
                Choice::Drawing(grants) => {
                    check_drawing(&ledger, entry, grants, operation.as_ref(), policy)?;
                }
                Choice::Reversal(slices) => check_reversal(entry, slices)?,
                Choice::Repayment(debts) => check_repayment(&ledger, entry, debts)?,
            }
        }
    }
    Ok(())
}

fn check_drawing(
    ledger: &Ledger,
    entry: &Entry,
    considered: &[ConsideredGrant],
    operation: Option<&OperationName>,
    policy: DrawdownPolicy,
) -> Result<(), TestCaseError> {
    let drawn: Vec<Allocation> = considered
        .iter()
        .filter_map(|of| Some(Allocation { grant: of.grant.number, amount: of.drawn.ok()? }))
        .collect();
    prop_assert_eq!(&drawn, &entry.allocations);

    let listed: BTreeSet<GrantNumber> = considered.iter().map(|of| of.grant.number).collect();
    prop_assert_eq!(listed.len(), considered.len(), "a grant is listed twice");
    let granted = ledger.entries.iter().take_while(|of| of.sequence <= entry.sequence);
    let granted = granted.filter(|of| of.kind == EntryKind::Granted);
    let granted: BTreeSet<GrantNumber> = granted.map(|of| of.allocations[0].grant).collect();
    if entry.kind == EntryKind::Revoked {
        let terms = ledger.terms();
        let first = usize::try_from(entry.about.expect("of a funding").0 - 1).expect("few");
        let funding = |grant: &GrantNumber| terms[grant].funding_ref.clone();
        let revoked = funding(&ledger.entries[first].allocations[0].grant);
        prop_assert!(revoked.is_some());
        let of_it = granted.into_iter().filter(|grant| funding(grant) == revoked);
        prop_assert_eq!(listed, of_it.collect());
    } else {
        prop_assert_eq!(listed, granted);
    }

    let late = (entry.effective_at < entry.recorded_at).then_some(entry.effective_at);
    let ranks: Vec<usize> = considered.iter().filter_map(|of| Some(of.place?.rank)).collect();
    prop_assert_eq!(&ranks, &(1..=ranks.len()).collect::<Vec<_>>());
    let mut uncovered = entry.amount;
    for of in considered {
        let ConsideredGrant { grant, drawable, drawn, place } = of;
        prop_assert!(place.is_some() || !grant.is_open(), "{of:?}");
        let at = late.unwrap_or(entry.recorded_at);
        match drawn {
            Ok(amount) => {
                prop_assert!(place.is_some());
                prop_assert_eq!(*amount, uncovered.min(*drawable));
                uncovered = uncovered - *amount;
            }
            Err(why) => {
                // What was refunded is taken whatever it could have paid for.
                let serves = entry.kind == EntryKind::Revoked || grant.applies_to(operation);
                prop_assert!(is_so(*why, grant, serves, at, uncovered), "{of:?}");
            }
        }
        prop_assert!(*drawable <= grant.parts.available + grant.lost);
    }
    prop_assert_eq!(uncovered, entry.debts.iter().map(|part| part.amount).sum::<Amount>());

    for pair in considered.windows(2).filter(|pair| pair[1].place.is_some()) {
        match pair[1].place.expect("it has one").placed_by {
            None => prop_assert!(false, "only the first stands behind none: {pair:?}"),
            Some(PlacedBy::LostToExpiry) => {
                prop_assert!(late.is_some() && pair[1].grant.expired_at > late, "{pair:?}");
            }
            Some(PlacedBy::Rule(rule)) => {
                let [before, after] =
                    [&pair[0], &pair[1]].map(|of| by_the_rules(policy, &of.grant));
                let first = before.iter().zip(&after).find(|(before, after)| before != after);
                let ((said, less), (_, more)) = first.expect("no two are the same");
                prop_assert!(*said == rule && less < more, "{said:?}: {pair:?}");
            }
        }
    }
    Ok(())
}

/// Whether a grant was passed over for a reason that there was.
fn is_so(why: PassedOver, grant: &Grant, serves: bool, at: Timestamp, uncovered: Amount) -> bool {
    let Grant { window, parts, lost, .. } = grant;
    match why {
        PassedOver::NotEffective => window.effective_at() > at,
        PassedOver::Expired => {
            let ended = window.expires_at().into_iter().chain(grant.expired_at).min();
            ended.is_some_and(|ended| ended <= at)
        }
        PassedOver::OtherOperations => !serves,
        PassedOver::AllHeld => parts.available.is_zero() && !parts.held.is_zero(),
        PassedOver::NothingLeft => parts.available.is_zero() && parts.held.is_zero(),
        PassedOver::NotNeeded => {
            uncovered.is_zero() && serves && !(parts.available + *lost).is_zero()
        }
    }
}

/// The order of the design, a figure for each rule: lower comes first.
fn by_the_rules(policy: DrawdownPolicy, grant: &Grant) -> Vec<(DrawdownRule, i64)> {
    let terms = &grant.terms;
    let width = i64::try_from(terms.applies_to.len()).expect("few operations");
    let end = grant.window.expires_at().map_or(i64::MAX, Timestamp::micros);
    let expiry = (DrawdownRule::ExpiresAt, end);
    let mut rules = vec![
        (DrawdownRule::Priority, i64::from(terms.priority.get())),
        (DrawdownRule::AppliesTo, if width == 0 { i64::MAX } else { width }),
        (DrawdownRule::CostBasis, i64::from(!terms.cost_basis.is_zero())),
        (DrawdownRule::EffectiveAt, grant.window.effective_at().micros()),
        (DrawdownRule::Number, i64::from(grant.number.0)),
    ];
    match policy {
        DrawdownPolicy::ExpiryFirst => rules.insert(1, expiry),
        DrawdownPolicy::OldestFirst => rules.insert(4, expiry),
    }
    rules
}

fn check_reversal(entry: &Entry, slices: &[ConsideredSlice]) -> Result<(), TestCaseError> {
    let given = slices.iter().filter(|slice| !slice.given_back.is_zero());
    let (owed, back): (Vec<&ConsideredSlice>, Vec<&ConsideredSlice>) =
        given.partition(|slice| slice.source == SliceSource::Owed);
    let back: Vec<Allocation> = back
        .into_iter()
        .filter_map(|slice| match slice.source {
            SliceSource::Owed => None,
            SliceSource::Repaid(grant) | SliceSource::Drawn(grant) => {
                Some(Allocation { grant, amount: slice.given_back })
            }
        })
        .collect();
    prop_assert_eq!(&back, &entry.allocations);
    let forgiven: Amount = owed.iter().map(|slice| slice.given_back).sum();
    prop_assert_eq!(forgiven, entry.debts.iter().map(|part| part.amount).sum::<Amount>());
    // One after another: what follows is not touched before the one before it is given back whole.
    for pair in slices.windows(2) {
        prop_assert!(pair[0].given_back == pair[0].left || pair[1].given_back.is_zero());
    }
    prop_assert!(slices.iter().all(|slice| !slice.left.is_zero()), "{slices:?}");
    Ok(())
}

fn check_repayment(
    ledger: &Ledger,
    entry: &Entry,
    debts: &[ConsideredDebt],
) -> Result<(), TestCaseError> {
    let repaid = debts.iter().filter_map(|debt| Some((debt.entry, debt.repaid.ok()?)));
    let booked = entry.debts.iter().map(|part| (part.entry, part.amount));
    prop_assert!(repaid.eq(booked), "{debts:?}");
    let before = usize::try_from(entry.sequence.0 - 1).expect("few entries");
    let fold = ledger.folded(&ledger.entries[..before]);
    let open: Vec<_> =
        fold.debts().values().filter(|debt| !debt.left.is_zero()).map(|of| of.entry).collect();
    prop_assert_eq!(debts.iter().map(|debt| debt.entry).collect::<Vec<_>>(), open);
    for debt in debts {
        let paid = debt.repaid.unwrap_or(Amount::ZERO);
        prop_assert!(paid <= debt.owed);
        let why = debt.repaid.err();
        let whys = [None, Some(PassedOver::OtherOperations), Some(PassedOver::NothingLeft)];
        prop_assert!(whys.contains(&why), "{debt:?}");
    }
    Ok(())
}

/// Random programs seldom reverse twice a spend whose debt was repaid.
#[test]
fn the_second_reversal_of_repaid_debt_starts_where_the_first_one_ended() {
    let mut ledger = Ledger::opened();
    let grant = Action::Grant {
        amount: 8_000,
        starts_in: None,
        ends_in: None,
        priority: 100,
        cost: 0,
        applies_to: BTreeSet::new(),
        funding: None,
    };
    let reversal =
        Action::Reverse { write: 2, amount: Some(2_000), expired_policy: ExpiredPolicy::default() };
    ledger.run(&Action::Overdraft(20_000), START);
    ledger.run(&Action::Spend { amount: 6_000, operation: None, hours_ago: None }, START);
    ledger.run(&grant, START);
    for left in [6_000, 4_000, 2_000] {
        let Verdict::Accepted(decision) = ledger.run(&reversal, START) else {
            panic!("20 are left");
        };
        let unexplained = Unexplained {
            entries: decision.own_entries().to_vec(),
            operation: None,
            policy: DrawdownPolicy::default(),
        };
        let explained = ledger.explain(unexplained);
        let slice = ConsideredSlice {
            source: SliceSource::Repaid(GrantNumber(1)),
            left: amount(left).get(),
            given_back: amount(2_000).get(),
        };
        let choices: Vec<_> = explained.into_iter().map(|explanation| explanation.choice).collect();
        assert_eq!(choices, [Choice::Reversal(vec![slice])]);
    }
}

/// What an operator reads: each grant with its place, what put it there, and what came of it.
#[test]
fn late_usage_draws_what_is_left_and_then_what_was_lost() {
    let mut ledger = Ledger::opened();
    let grant = |amount, ends_in, applies_to: &[&'static str]| Action::Grant {
        amount,
        starts_in: None,
        ends_in,
        priority: 100,
        cost: 0,
        applies_to: applies_to.iter().copied().collect(),
        funding: None,
    };
    ledger.run(&grant(1_000, Some(10), &[]), START);
    ledger.run(&grant(2_000, None, &["image"]), START);
    ledger.run(&grant(3_000, None, &[]), START);
    ledger.run(&grant(4_000, Some(5), &[]), START);
    ledger.run(&grant(5_000, Some(2), &[]), START);
    let later = START.plus_micros(12 * HOUR);
    ledger.run(&grant(6_000, None, &[]), later);
    let spend = Action::Spend { amount: 3_500, operation: None, hours_ago: Some(8) };
    let Verdict::Accepted(decision) = ledger.run(&spend, later) else { panic!("there is enough") };
    let unexplained = Unexplained {
        entries: decision.own_entries().to_vec(),
        operation: None,
        policy: DrawdownPolicy::default(),
    };
    let explained = ledger.explain(unexplained);
    let [Explanation { choice: Choice::Drawing(considered), .. }] = &explained[..] else {
        panic!("{explained:?}");
    };
    let told: Vec<_> = considered
        .iter()
        .map(|of| {
            let place = of.place.map(|place| (place.rank, place.placed_by));
            (of.grant.number.0, place, of.drawn.map(hundredths))
        })
        .collect();
    let by = |rule| Some(PlacedBy::Rule(rule));
    let expected = [
        (2, Some((1, None)), Err(PassedOver::OtherOperations)),
        (3, Some((2, by(DrawdownRule::AppliesTo))), Ok(3_000)),
        (6, Some((3, by(DrawdownRule::EffectiveAt))), Err(PassedOver::NotEffective)),
        (4, Some((4, Some(PlacedBy::LostToExpiry))), Ok(500)),
        (1, Some((5, by(DrawdownRule::ExpiresAt))), Err(PassedOver::NotNeeded)),
        (5, None, Err(PassedOver::Expired)),
    ];
    assert_eq!(told, expected);
}
