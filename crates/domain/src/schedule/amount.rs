//! How much an application grants: the rule's amount or a part of it, less what was granted for its period before.

use std::collections::BTreeMap;

use super::{Candidate, Entered, Known};
use crate::{
    Amount, ApplicationId, AssetCode, Cadence, CyclePeriod, KeptApplication, PlanChange, PlanId,
    RuleId, RuleScope, Scale, Skipped, Timestamp, Window, rule::part_of,
};

/// What was granted for periods, so far.
pub(super) struct Granted<'k> {
    kept: BTreeMap<ApplicationId, &'k KeptApplication>,
    /// The plan of each rule of one that grants again and again.
    plans: BTreeMap<RuleId, (&'k PlanId, &'k AssetCode)>,
    /// What was granted, or is going to be.
    amounts: BTreeMap<ApplicationId, Counted>,
    /// What rules that came into force within a period have counted already of what was granted before.
    absorbed: BTreeMap<(Timestamp, &'k AssetCode), Amount>,
}

/// What an application granted, or is going to.
#[derive(Debug, Clone, Copy)]
struct Counted {
    period: CyclePeriod,
    effective_at: Timestamp,
    amount: Amount,
    /// Whether it waits for an earlier event, which may change it.
    waits: bool,
}

/// How much an application grants.
#[derive(Debug, Clone, Copy)]
pub(super) struct HowMuch {
    /// That much.
    pub amount: Amount,
    /// Why it is nothing, if it is.
    pub skipped: Option<Skipped>,
    /// Whether it depends on one that waits for an earlier event.
    pub waits: bool,
}

impl<'k> Granted<'k> {
    pub(super) fn of(known: &Known<'k>) -> Self {
        let plans = known.rules.iter().filter_map(|rule| match (&rule.scope, rule.terms.cadence) {
            (RuleScope::Plan(plan), Cadence::Recurring(_)) => Some((rule.id, (plan, &rule.asset))),
            (RuleScope::Plan(_) | RuleScope::Subscription(_) | RuleScope::Addon(_), _) => None,
        });
        let amounts = known.kept.iter().map(|kept| {
            let window = kept.state.applied().map(|applied| applied.window);
            let effective_at = window.map_or(kept.period.start, Window::effective_at);
            let (period, amount) = (kept.period, kept.granted());
            (kept.id, Counted { period, effective_at, amount, waits: false })
        });
        Self {
            kept: known.kept.iter().map(|kept| (kept.id, kept)).collect(),
            plans: plans.collect(),
            amounts: amounts.collect(),
            absorbed: BTreeMap::new(),
        }
    }

    /// What was kept of one.
    pub(super) fn kept(&self, id: ApplicationId) -> Option<&'k KeptApplication> {
        self.kept.get(&id).copied()
    }

    /// Counts what a candidate grants, or is going to.
    pub(super) fn count(&mut self, candidate: &Candidate<'k>, amount: Amount, waits: bool) {
        let used = self.kept(candidate.id()).map_or(Amount::ZERO, |kept| kept.taken_back.used);
        let Candidate { period, effective_at, .. } = *candidate;
        let counted = Counted { period, effective_at, amount: amount + used, waits };
        self.amounts.insert(candidate.id(), counted);
    }

    /// How much a candidate grants, or would.
    pub(super) fn how_much(&mut self, known: &Known<'k>, candidate: &Candidate<'k>) -> HowMuch {
        let rule = candidate.of.rule;
        let scale = known.scales.get(&rule.asset).copied().unwrap_or(Scale::MAX);
        let whole = prorated(candidate, scale);
        if whole.is_zero() {
            let skipped = Some(Skipped::NothingLeft);
            return HowMuch { amount: whole, skipped, waits: false };
        }
        let kept = self.kept(candidate.id());
        let (rest, waits) = match self.granted_before(candidate, whole, scale) {
            Before::Nothing => (whole, false),
            Before::All => (Amount::ZERO, false),
            Before::Some { counted, waits } => (whole - counted, waits),
        };
        // What was used of an earlier grant for this period, which was taken back since.
        let used = kept.map_or(Amount::ZERO, |kept| kept.taken_back.used);
        let amount = rest - used.min(rest);
        let skipped = amount.is_zero().then_some(Skipped::AlreadyGranted);
        HowMuch { amount, skipped, waits }
    }

    /// What counts as granted before, of a period within which a subscription came to a rule's plan.
    fn granted_before(&mut self, candidate: &Candidate<'k>, whole: Amount, scale: Scale) -> Before {
        let of = &candidate.of;
        let RuleScope::Plan(plan) = &of.rule.scope else { return Before::Nothing };
        if !candidate.is_partial() || of.entered != Some(Entered::FromPlan) {
            return Before::Nothing;
        }
        match of.rule.terms.plan_change {
            PlanChange::Full => Before::Nothing,
            PlanChange::NextPeriod => Before::All,
            PlanChange::TopUp => {
                let applied = self.kept(candidate.id()).filter(|it| it.state.applied().is_some());
                let (counted, waits) = if let Some(kept) = applied {
                    (whole - kept.granted().min(whole), false)
                } else {
                    let (before, waits) = self.by_other_plans(plan, candidate, scale);
                    let absorbed = self.absorbed(candidate);
                    (whole.min(before - before.min(absorbed)), waits)
                };
                let key = (of.stretch.from, &of.rule.asset);
                let absorbed = self.absorbed.entry(key).or_default();
                *absorbed = *absorbed + counted;
                Before::Some { counted, waits }
            }
        }
    }

    fn absorbed(&self, candidate: &Candidate<'k>) -> Amount {
        let of = &candidate.of;
        self.absorbed.get(&(of.stretch.from, &of.rule.asset)).copied().unwrap_or_default()
    }

    /// What other plans than this one granted for a period before it came into force, and whether some of that waits. Of a
    /// period that lies in it only in part, that part.
    fn by_other_plans(
        &self,
        plan: &PlanId,
        candidate: &Candidate<'k>,
        scale: Scale,
    ) -> (Amount, bool) {
        let Candidate { of, period, effective_at, .. } = candidate;
        let asset = &of.rule.asset;
        let (mut sum, mut waits) = (Amount::ZERO, false);
        for (id, counted) in &self.amounts {
            let Some((other, granted)) = self.plans.get(&id.rule) else { continue };
            if *other == plan || *granted != asset || counted.effective_at >= *effective_at {
                continue;
            }
            let whole = counted.period;
            let both = whole.end.min(period.end).micros() - whole.start.max(period.start).micros();
            if both > 0 {
                sum = sum + part_of(counted.amount, both, whole.micros(), scale);
                waits |= counted.waits;
            }
        }
        (sum, waits)
    }
}

/// What counts as granted before.
enum Before {
    /// Nothing: the rule grants its amount.
    Nothing,
    /// So much.
    Some { counted: Amount, waits: bool },
    /// All: it grants nothing before the next period.
    All,
}

/// The rule's amount, or its part for a period that is granted in part; rounded down, because rules may be made before
/// their asset.
fn prorated(candidate: &Candidate<'_>, scale: Scale) -> Amount {
    let Candidate { of, period, effective_at, .. } = candidate;
    let (amount, proration) = (of.rule.terms.amount.get(), of.rule.terms.proration);
    if of.rule.terms.cadence == Cadence::OneTime {
        return amount.rounded_down(scale);
    }
    let from = match of.entered {
        Some(Entered::Anew) if candidate.is_partial() && proration.of_first() => *effective_at,
        // It is the first period of the subscription still, whatever its plan was.
        Some(Entered::FromPlan) if candidate.is_partial() && proration.of_first() => {
            of.paid_since.max(period.start)
        }
        Some(Entered::Anew | Entered::FromPlan) | None => period.start,
    };
    let ends_at = of.stretch.state().ends_at.filter(|_| proration.of_last());
    let until = ends_at.map_or(period.end, |ends_at| ends_at.clamp(from, period.end));
    part_of(amount, until.micros() - from.micros(), period.micros(), scale)
}
