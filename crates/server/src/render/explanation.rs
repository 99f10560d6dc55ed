//! Explanations.

use purse_domain::{
    Amount, Composition, DrawdownRule, Entry, Explanation, GrantNumber, GrantTerms, PassedOver,
    Sequence, SignedAmount, WalletName,
    composition::{DebtShare, Figures, GrantShare, KindShare},
    explain::{
        Choice, ConsideredDebt, ConsideredGrant, ConsideredSlice, Place, PlacedBy, SliceSource,
    },
};
use purse_proto::v1;
use purse_storage::{ComposedBalance, ExplainedTransaction};

use super::{balance, bare_grant, entry_kind, instant, stored_transaction};

/// A transaction, explained with at most so many items that nothing became of.
pub fn explained_transaction(
    name: &WalletName,
    explained: &ExplainedTransaction,
    most: usize,
) -> v1::ExplainTransactionResponse {
    let ExplainedTransaction { transaction, explanations } = explained;
    let explanations = explanations.iter().filter_map(|explanation| {
        let entry = transaction.entries.iter().find(|of| of.sequence == explanation.entry)?;
        Some(self::explanation(name, entry, explanation, most))
    });
    v1::ExplainTransactionResponse {
        explanations: explanations.collect(),
        transaction: Some(stored_transaction(transaction)),
    }
}

fn explanation(
    name: &WalletName,
    entry: &Entry,
    explanation: &Explanation,
    most: usize,
) -> v1::Explanation {
    use v1::explanation::Choice as Answered;
    let Explanation { entry: sequence, choice } = explanation;
    v1::Explanation {
        entry_sequence: sequence.0,
        choice: Some(match choice {
            Choice::Drawing(grants) => Answered::Drawing(drawing(name, entry, grants, most)),
            Choice::Reversal(slices) => Answered::Reversal(v1::ReversalExplanation {
                spend_sequence: entry.about.map_or(0, |Sequence(spend)| spend),
                slices: slices.iter().map(slice).collect(),
            }),
            Choice::Repayment(debts) => Answered::Repayment(repayment(entry, debts, most)),
        }),
    }
}

fn drawing(
    name: &WalletName,
    entry: &Entry,
    grants: &[ConsideredGrant],
    most: usize,
) -> v1::DrawingExplanation {
    let (grants, left_out) = first(grants, most, |grant| grant.drawn.is_ok());
    let Entry { amount, effective_at, recorded_at, allocations, debts, .. } = entry;
    let drawn: Amount = allocations.iter().map(|part| part.amount).sum();
    let debt: Amount = debts.iter().map(|part| part.amount).sum();
    v1::DrawingExplanation {
        required: amount.to_string(),
        drawn: drawn.to_string(),
        debt: debt.to_string(),
        occurred_at: (effective_at < recorded_at).then(|| instant(*effective_at)),
        grants: grants.into_iter().map(|grant| considered_grant(name, grant)).collect(),
        grants_left_out: left_out,
    }
}

fn considered_grant(name: &WalletName, considered: &ConsideredGrant) -> v1::ConsideredGrant {
    let ConsideredGrant { place, grant, drawable, drawn } = considered;
    let rank = place.map_or(0, |Place { rank, placed_by: _ }| rank);
    let placed_by = place.and_then(|Place { rank: _, placed_by }| placed_by);
    v1::ConsideredGrant {
        rank: i32::try_from(rank).unwrap_or(i32::MAX),
        grant: Some(bare_grant(name, grant)),
        placed_by: placed_by.map_or(v1::PlacementRule::Unspecified, placement_rule).into(),
        drawable: drawable.to_string(),
        drawn: drawn.unwrap_or(Amount::ZERO).to_string(),
        passed_over: passed_over(drawn.err()).into(),
    }
}

fn placement_rule(placed_by: PlacedBy) -> v1::PlacementRule {
    match placed_by {
        PlacedBy::Rule(DrawdownRule::Priority) => v1::PlacementRule::Priority,
        PlacedBy::Rule(DrawdownRule::ExpiresAt) => v1::PlacementRule::ExpiresAt,
        PlacedBy::Rule(DrawdownRule::AppliesTo) => v1::PlacementRule::AppliesTo,
        PlacedBy::Rule(DrawdownRule::CostBasis) => v1::PlacementRule::CostBasis,
        PlacedBy::Rule(DrawdownRule::EffectiveAt) => v1::PlacementRule::EffectiveAt,
        PlacedBy::Rule(DrawdownRule::Number) => v1::PlacementRule::GrantNumber,
        PlacedBy::LostToExpiry => v1::PlacementRule::LostToExpiry,
    }
}

fn passed_over(why: Option<PassedOver>) -> v1::PassedOverReason {
    match why {
        None => v1::PassedOverReason::Unspecified,
        Some(PassedOver::NotEffective) => v1::PassedOverReason::NotEffective,
        Some(PassedOver::Expired) => v1::PassedOverReason::Expired,
        Some(PassedOver::OtherOperations) => v1::PassedOverReason::OtherOperations,
        Some(PassedOver::AllHeld) => v1::PassedOverReason::AllHeld,
        Some(PassedOver::NothingLeft) => v1::PassedOverReason::NothingLeft,
        Some(PassedOver::NotNeeded) => v1::PassedOverReason::NotNeeded,
    }
}

fn slice(slice: &ConsideredSlice) -> v1::ReversibleSlice {
    let ConsideredSlice { source, left, given_back } = slice;
    let (source, grant) = match source {
        SliceSource::Owed => (v1::SliceSource::Owed, 0),
        SliceSource::Repaid(GrantNumber(grant)) => (v1::SliceSource::Repaid, *grant),
        SliceSource::Drawn(GrantNumber(grant)) => (v1::SliceSource::Drawn, *grant),
    };
    v1::ReversibleSlice {
        source: source.into(),
        grant_number: grant,
        left: left.to_string(),
        given_back: given_back.to_string(),
    }
}

fn repayment(entry: &Entry, debts: &[ConsideredDebt], most: usize) -> v1::RepaymentExplanation {
    let (debts, left_out) = first(debts, most, |debt| debt.repaid.is_ok());
    v1::RepaymentExplanation {
        grant_number: entry.allocations.first().map_or(0, |part| part.grant.0),
        debts: debts.into_iter().map(considered_debt).collect(),
        debts_left_out: left_out,
    }
}

fn considered_debt(considered: &ConsideredDebt) -> v1::ConsideredDebt {
    let ConsideredDebt { entry, operation, owed, repaid } = considered;
    v1::ConsideredDebt {
        entry_sequence: entry.0,
        operation: operation.as_ref().map(ToString::to_string).unwrap_or_default(),
        owed: owed.to_string(),
        repaid: repaid.unwrap_or(Amount::ZERO).to_string(),
        passed_over: passed_over(repaid.err()).into(),
    }
}

/// Those that something became of and the first others, and how many more there are.
fn first<T>(all: &[T], most: usize, moved: impl Fn(&T) -> bool) -> (Vec<&T>, i32) {
    let mut others = 0;
    let listed: Vec<&T> = all
        .iter()
        .filter(|item| {
            let is_other = !moved(item);
            others += usize::from(is_other);
            !is_other || others <= most
        })
        .collect();
    let left_out = all.len() - listed.len();
    (listed, i32::try_from(left_out).unwrap_or(i32::MAX))
}

/// A balance and what it is made of, with at most so many grants and debts.
pub fn composed_balance(
    name: &WalletName,
    composed: &ComposedBalance,
    most: usize,
) -> v1::ExplainBalanceResponse {
    let ComposedBalance { at, composition } = composed;
    let Composition { balances, shortfall, grants, debts, kinds } = composition;
    let (grants, more_grants) = grants.split_at(most.min(grants.len()));
    let (debts, more_debts) = debts.split_at(most.min(debts.len()));
    let left_out = more_grants.iter().fold(Figures::ZERO, |sum, share| sum + share.figures);
    let debt_left_out = more_debts.iter().fold(SignedAmount::ZERO, |sum, share| sum + share.owed);
    let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    v1::ExplainBalanceResponse {
        balance: Some(balance(name, *at, balances)),
        composition: Some(v1::BalanceComposition {
            grants: grants.iter().map(grant_share).collect(),
            grants_left_out: count(more_grants.len()),
            left_out: Some(figures(left_out)),
            debts: debts.iter().map(debt_share).collect(),
            debts_left_out: count(more_debts.len()),
            debt_left_out: debt_left_out.to_string(),
            kinds: kinds.iter().map(kind_share).collect(),
            shortfall: shortfall.to_string(),
        }),
    }
}

fn grant_share(share: &GrantShare) -> v1::GrantShare {
    let GrantShare { number, terms, window, figures } = share;
    let GrantTerms {
        amount,
        granted_window: _,
        priority,
        category,
        cost_basis,
        applies_to,
        funding_ref: _,
    } = &**terms;
    v1::GrantShare {
        grant_number: number.0,
        amount: amount.get().to_string(),
        effective_at: Some(instant(window.effective_at())),
        expires_at: window.expires_at().map(instant),
        priority: priority.get(),
        category: category.to_string(),
        cost_basis: cost_basis.to_string(),
        applies_to: applies_to.iter().map(ToString::to_string).collect(),
        figures: Some(self::figures(*figures)),
    }
}

fn debt_share(share: &DebtShare) -> v1::DebtShare {
    let DebtShare { entry, operation, owed } = share;
    v1::DebtShare {
        entry_sequence: entry.0,
        operation: operation.as_ref().map(ToString::to_string).unwrap_or_default(),
        owed: owed.to_string(),
    }
}

fn kind_share(share: &KindShare) -> v1::EntryKindShare {
    let KindShare { kind, entries, figures } = share;
    v1::EntryKindShare {
        kind: entry_kind(*kind).into(),
        entries: i64::try_from(*entries).unwrap_or(i64::MAX),
        figures: Some(self::figures(*figures)),
    }
}

fn figures(figures: Figures) -> v1::BalanceFigures {
    let Figures { available, held, debt, scheduled } = figures;
    v1::BalanceFigures {
        balance: figures.balance().to_string(),
        available: available.to_string(),
        held: held.to_string(),
        debt: debt.to_string(),
        scheduled: scheduled.to_string(),
    }
}
