//! Explain: why the entries of a transaction moved what they moved.
//!
//! Nothing is decided here. The ledger up to the transaction is folded, and then those very functions are asked
//! that decided: [`Usage`] and [`Drawing`] what each grant could give, [`DrawdownPolicy`] in which order,
//! [`SpendRecord::undo`] what a reversal gives back, and `repayments` what a grant repays. What they say now must
//! be what the entries say; otherwise there is no explanation.

use std::{collections::BTreeMap, sync::Arc};

use thiserror::Error;

use crate::{
    Allocation, Amount, DrawdownKey, DrawdownPolicy, DrawdownRule, Entry, EntryKind, Fold,
    FoldError, FundingRef, Grant, GrantNumber, GrantTerms, OperationName, PassedOver, Sequence,
    SpendRecord, TransactionKind, WalletSettings,
    debt::repayments,
    drawing::{Drawing, Purpose, Usage, available},
};

/// The entries of a transaction in one wallet, to be explained.
#[derive(Debug, Clone)]
pub struct Unexplained {
    /// They themselves.
    pub entries: Vec<Entry>,
    /// What they are for.
    pub operation: Option<OperationName>,
    /// The order by which grants were drawn.
    pub policy: DrawdownPolicy,
}

/// Why there is no explanation: the ledger is not what was decided.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ExplainError {
    /// The entries are no ledger.
    #[error(transparent)]
    NoLedger(#[from] FoldError),
    /// What would be decided today is not what the entry says.
    #[error("entry {sequence} cannot have been decided on what is before it")]
    NotDecidedSo {
        /// The entry.
        sequence: Sequence,
    },
}

/// Why an entry moved what it moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The entry.
    pub entry: Sequence,
    /// What was chosen, and from what.
    pub choice: Choice,
}

/// What an entry could choose from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// Grants to draw.
    Drawing(Vec<ConsideredGrant>),
    /// What a spend had taken, to give back.
    Reversal(Vec<ConsideredSlice>),
    /// Debts to repay with what a grant has.
    Repayment(Vec<ConsideredDebt>),
}

/// A grant that could be drawn or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsideredGrant {
    /// Its place among those that are considered, from 1 on; `None`: it had ended with nothing left, so it is not.
    pub place: Option<Place>,
    /// The grant as it was just before.
    pub grant: Grant,
    /// What could be drawn of it: what it had available or, for late usage, had lost to expiry since.
    pub drawable: Amount,
    /// What was drawn of it, or why nothing was.
    pub drawn: Result<Amount, PassedOver>,
}

/// The place of a grant in an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// From 1 on.
    pub rank: usize,
    /// What puts it after the one before it; `None`: it is the first.
    pub placed_by: Option<PlacedBy>,
}

/// What puts a grant after another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlacedBy {
    /// A rule of the drawdown order.
    Rule(DrawdownRule),
    /// Late usage draws what still has credits before what has lost them to expiry since.
    LostToExpiry,
}

/// A part of a spend that could be given back or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsideredSlice {
    /// Where the spend had it from.
    pub source: SliceSource,
    /// What had not been given back of it.
    pub left: Amount,
    /// What was given back; nothing, if what came before it sufficed.
    pub given_back: Amount,
}

/// Where a spend had a part from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SliceSource {
    /// It was still owed.
    Owed,
    /// The spend had owed it, and this grant had repaid it.
    Repaid(GrantNumber),
    /// The spend had drawn this grant.
    Drawn(GrantNumber),
}

/// A debt that could be repaid or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsideredDebt {
    /// The entry that made it.
    pub entry: Sequence,
    /// What that was for.
    pub operation: Option<OperationName>,
    /// What was owed.
    pub owed: Amount,
    /// What was repaid of it, or why nothing was.
    pub repaid: Result<Amount, PassedOver>,
}

/// A ledger that is read up to the entries that are to be explained.
#[derive(Debug)]
pub struct Explainer {
    fold: Fold,
    unexplained: Unexplained,
    /// The spend that a reversal among them is about.
    spend: Option<SpendRecord>,
    /// The funding that a revocation among them is about.
    funding: Option<FundingRef>,
}

impl Explainer {
    /// Before the first entry.
    pub fn new(settings: Arc<WalletSettings>, unexplained: Unexplained) -> Self {
        Self { fold: Fold::opened(settings), unexplained, spend: None, funding: None }
    }

    /// The last entry to book before the explanation; 0: none.
    pub fn last_before(&self) -> Sequence {
        let first = self.unexplained.entries.first();
        first.map_or(Sequence(0), |entry| Sequence(entry.sequence.0 - 1))
    }

    /// Books the next entry of the ledger, as [`Fold::book`].
    pub fn book(
        &mut self,
        entry: &Entry,
        operation: Option<&OperationName>,
        terms: &BTreeMap<GrantNumber, Arc<GrantTerms>>,
    ) -> Result<(), FoldError> {
        let about = |kind| {
            let mut entries = self.unexplained.entries.iter();
            entries.find(|entry| entry.kind == kind).and_then(|entry| entry.about)
        };
        if about(EntryKind::Revoked) == Some(entry.sequence) {
            let first = entry.allocations.first().and_then(|part| terms.get(&part.grant));
            self.funding = first.and_then(|terms| terms.funding_ref.clone());
        }
        let undone = about(EntryKind::Reversed);
        if undone == Some(entry.sequence) {
            // Of a revocation's debt there is none.
            self.spend = SpendRecord::of(TransactionKind::Spend, std::slice::from_ref(entry));
        } else if let Some(spend) = &mut self.spend
            && entry.kind == EntryKind::Reversed
            && undone == entry.about
        {
            spend.reversed = spend.reversed + entry.amount;
        }
        self.fold.book(entry, operation, terms)
    }

    /// Explains those entries that had a choice. `terms` are those of all grants that they name.
    pub fn explain(
        self,
        terms: &BTreeMap<GrantNumber, Arc<GrantTerms>>,
    ) -> Result<Vec<Explanation>, ExplainError> {
        let Self { mut fold, unexplained, spend, funding } = self;
        let Unexplained { entries, operation, policy } = unexplained;
        let mut before_late = None;
        let mut explanations = Vec::new();
        for entry in &entries {
            let choice = match entry.kind {
                EntryKind::ExpiryReversed => {
                    before_late.get_or_insert_with(|| fold.clone());
                    None
                }
                EntryKind::Spent | EntryKind::Held => {
                    let before = before_late.take();
                    let before = before.as_ref().unwrap_or(&fold);
                    let purpose = Purpose::Operation(operation.as_ref());
                    Some(draw(before, entry, purpose, policy)?)
                }
                EntryKind::TransferredOut => Some(draw(&fold, entry, Purpose::Transfer, policy)?),
                EntryKind::Revoked => Some(revoke(&fold, entry, funding.as_ref(), policy)?),
                // Of less revocation, too, there are some: they are not about a spend, and follow from it.
                EntryKind::Reversed => {
                    spend.as_ref().map(|spend| reverse(&fold, entry, spend)).transpose()?
                }
                EntryKind::Repaid => Some(repay(&fold, entry)?),
                EntryKind::Granted
                | EntryKind::Activated
                | EntryKind::Expired
                | EntryKind::Voided
                | EntryKind::Captured
                | EntryKind::Released
                | EntryKind::HoldExpired
                | EntryKind::RevocationReversed
                | EntryKind::TransferredIn
                | EntryKind::ExpiryChanged => None,
            };
            explanations.extend(choice.map(|choice| Explanation { entry: entry.sequence, choice }));
            fold.book(entry, operation.as_ref(), terms)?;
        }
        Ok(explanations)
    }
}

/// Which grants a spend, a hold or a transfer drew, and which it did not.
fn draw(
    before: &Fold,
    entry: &Entry,
    purpose: Purpose<'_>,
    policy: DrawdownPolicy,
) -> Result<Choice, ExplainError> {
    let Entry { effective_at, recorded_at, .. } = entry;
    let late = (effective_at < recorded_at).then_some(*effective_at);
    let usage = Usage { purpose, now: *recorded_at, late };
    let grants = before.grants().values();
    let offered = grants.map(|grant| {
        let lost = usage.lost(grant);
        if lost.is_ok() {
            (Turn::Lost, grant, lost)
        } else {
            (Turn::of(grant), grant, usage.drawable(grant))
        }
    });
    choose(entry, policy, offered.collect())
}

/// Which grants of a funding a revocation took from, and from which it did not.
fn revoke(
    before: &Fold,
    entry: &Entry,
    funding: Option<&FundingRef>,
    policy: DrawdownPolicy,
) -> Result<Choice, ExplainError> {
    let grants = before.grants().values();
    let funded = grants.filter(|grant| grant.terms.funding_ref.as_ref() == funding);
    let offered = funded.map(|grant| (Turn::of(grant), grant, available(grant)));
    choose(entry, policy, offered.collect())
}

/// Draws again what an entry drew, from all that could be drawn or not.
fn choose(
    entry: &Entry,
    policy: DrawdownPolicy,
    offered: Vec<(Turn, &Grant, Result<Amount, PassedOver>)>,
) -> Result<Choice, ExplainError> {
    let Entry { sequence, amount, allocations, debts, .. } = entry;
    let place = |(turn, grant, offer)| (turn, DrawdownKey::of(policy, grant), grant, offer);
    let mut in_order: Vec<_> = offered.into_iter().map(place).collect();
    in_order.sort_unstable_by_key(|(turn, key, _, _)| (*turn, *key));

    let mut drawing = Drawing::of(*amount);
    let mut previous: Option<(Turn, &Grant)> = None;
    let mut considered = Vec::with_capacity(in_order.len());
    for (index, (turn, key, grant, drawable)) in in_order.into_iter().enumerate() {
        let drawn = drawable.and_then(|most| {
            let taken = drawing.take(key, grant.number, most);
            taken.positive().map(|_| taken).ok_or(PassedOver::NotNeeded)
        });
        let placed_by = previous.replace((turn, grant)).map(|(turn_before, before)| {
            if turn_before == turn {
                PlacedBy::Rule(policy.deciding_rule(before, grant))
            } else {
                PlacedBy::LostToExpiry
            }
        });
        considered.push(ConsideredGrant {
            place: (turn != Turn::Ended).then_some(Place { rank: index + 1, placed_by }),
            grant: grant.clone(),
            drawable: drawable.unwrap_or(Amount::ZERO),
            drawn,
        });
    }

    let taken = drawing.taken.iter().map(|(_, allocation)| allocation);
    let owed: Amount = debts.iter().map(|part| part.amount).sum();
    if taken.eq(allocations) && drawing.left == owed {
        Ok(Choice::Drawing(considered))
    } else {
        Err(ExplainError::NotDecidedSo { sequence: *sequence })
    }
}

/// When it is a grant's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    /// First those of which something is left.
    Open,
    /// Then, for late usage, those that have lost something to expiry since.
    Lost,
    /// Never.
    Ended,
}

impl Turn {
    fn of(grant: &Grant) -> Self {
        if grant.is_open() { Self::Open } else { Self::Ended }
    }
}

/// What of a spend was given back, and what was not.
fn reverse(before: &Fold, entry: &Entry, spend: &SpendRecord) -> Result<Choice, ExplainError> {
    let Entry { sequence, amount, allocations, debts, .. } = entry;
    let not_so = ExplainError::NotDecidedSo { sequence: *sequence };
    if spend.reversed + *amount > spend.amount {
        return Err(not_so);
    }
    let debt = before.debts().get(&spend.entry);
    let done = spend.undo(debt, *amount);
    let forgiven: Amount = debts.iter().map(|part| part.amount).sum();
    if done.given_back() != *allocations || done.forgiven != forgiven {
        return Err(not_so);
    }
    let all = spend.undo(debt, spend.amount - spend.reversed);
    let owed = [all.forgiven].into_iter().filter(|amount| !amount.is_zero());
    let owed = owed.map(|left| ConsideredSlice {
        source: SliceSource::Owed,
        left,
        given_back: done.forgiven,
    });
    let repaid = slices(&all.repaid, &done.repaid, SliceSource::Repaid);
    let drawn = slices(&all.drawn, &done.drawn, SliceSource::Drawn);
    Ok(Choice::Reversal(owed.chain(repaid).chain(drawn).collect()))
}

/// What could be given back beside what was: the same parts, as far as they go.
fn slices<'a>(
    all: &'a [Allocation],
    done: &'a [Allocation],
    source: impl Fn(GrantNumber) -> SliceSource + 'a,
) -> impl Iterator<Item = ConsideredSlice> + 'a {
    all.iter().enumerate().map(move |(index, part)| ConsideredSlice {
        source: source(part.grant),
        left: part.amount,
        given_back: done.get(index).map_or(Amount::ZERO, |done| done.amount),
    })
}

/// Which debts a grant repaid, and which it did not.
fn repay(before: &Fold, entry: &Entry) -> Result<Choice, ExplainError> {
    let not_so = ExplainError::NotDecidedSo { sequence: entry.sequence };
    let grant = entry.allocations.first().and_then(|part| before.grants().get(&part.grant));
    let repaid = repayments(grant.ok_or(not_so.clone())?, before.debts().values());
    let booked = entry.debts.iter().map(|part| (part.entry, part.amount));
    let says = repaid.iter().filter_map(|(debt, repaid)| Some((debt.entry, (*repaid).ok()?)));
    if !booked.eq(says) {
        return Err(not_so);
    }
    let debts = repaid.into_iter().map(|(debt, repaid)| ConsideredDebt {
        entry: debt.entry,
        operation: debt.operation.clone(),
        owed: debt.left,
        repaid,
    });
    Ok(Choice::Repayment(debts.collect()))
}
