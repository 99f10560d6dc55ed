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
    /// What was granted, from when on it counted, and for which period.
    amounts: BTreeMap<ApplicationId, (CyclePeriod, Timestamp, Amount)>,
    /// What rules that came into force within a period have counted already of what was granted before.
    absorbed: BTreeMap<(Timestamp, &'k AssetCode), Amount>,
}

/// How much an application grants.
#[derive(Debug, Clone, Copy)]
pub(super) struct HowMuch {
    /// That much.
    pub amount: Amount,
    /// Why it is nothing, if it is.
    pub skipped: Option<Skipped>,
}

impl<'k> Granted<'k> {
    pub(super) fn of(known: &Known<'k>) -> Self {
        let plans = known.rules.iter().filter_map(|rule| match (&rule.scope, rule.terms.cadence) {
            (RuleScope::Plan(plan), Cadence::Recurring(_)) => Some((rule.id, (plan, &rule.asset))),
            (RuleScope::Plan(_) | RuleScope::Subscription(_) | RuleScope::Addon(_), _) => None,
        });
        let amounts = known.kept.iter().map(|kept| {
            let window = kept.state.applied().map(|applied| applied.window);
            let from = window.map_or(kept.period.start, Window::effective_at);
            (kept.id, (kept.period, from, kept.granted()))
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
    pub(super) fn count(&mut self, candidate: &Candidate<'k>, amount: Amount) {
        let used = self.kept(candidate.id()).map_or(Amount::ZERO, |kept| kept.taken_back.used);
        let of_it = (candidate.period, candidate.effective_at, amount + used);
        self.amounts.insert(candidate.id(), of_it);
    }

    /// How much a candidate grants, or would.
    pub(super) fn how_much(&mut self, known: &Known<'k>, candidate: &Candidate<'k>) -> HowMuch {
        let rule = candidate.of.rule;
        let scale = known.scales.get(&rule.asset).copied().unwrap_or(Scale::MAX);
        let whole = prorated(candidate, scale);
        if whole.is_zero() {
            return HowMuch { amount: whole, skipped: Some(Skipped::NothingLeft) };
        }
        let kept = self.kept(candidate.id());
        let rest = self.after_other_plans(candidate, whole, scale);
        // What was used of an earlier grant for this period, which was taken back since.
        let used = kept.map_or(Amount::ZERO, |kept| kept.taken_back.used);
        let amount = rest.map_or(Amount::ZERO, |rest| rest - used.min(rest));
        let skipped = amount.is_zero().then_some(Skipped::AlreadyGranted);
        HowMuch { amount: rest.map_or(whole, |_| amount), skipped }
    }

    /// What a rule still grants for a period within which a subscription came to its plan; `None`: nothing before the
    /// next one.
    fn after_other_plans(
        &mut self,
        candidate: &Candidate<'k>,
        whole: Amount,
        scale: Scale,
    ) -> Option<Amount> {
        let of = &candidate.of;
        let RuleScope::Plan(plan) = &of.rule.scope else { return Some(whole) };
        if !candidate.is_partial() || of.entered != Some(Entered::FromPlan) {
            return Some(whole);
        }
        match of.rule.terms.plan_change {
            PlanChange::Full => Some(whole),
            PlanChange::NextPeriod => None,
            PlanChange::TopUp => {
                let asset = &of.rule.asset;
                let applied = self.kept(candidate.id()).filter(|it| it.state.applied().is_some());
                let counted = if let Some(kept) = applied {
                    whole - kept.granted().min(whole)
                } else {
                    let before = self.by_other_plans(plan, candidate, scale);
                    let absorbed = self.absorbed(candidate);
                    whole.min(before - before.min(absorbed))
                };
                let absorbed = self.absorbed.entry((of.stretch.from, asset)).or_default();
                *absorbed = *absorbed + counted;
                Some(whole - counted)
            }
        }
    }

    fn absorbed(&self, candidate: &Candidate<'k>) -> Amount {
        let of = &candidate.of;
        self.absorbed.get(&(of.stretch.from, &of.rule.asset)).copied().unwrap_or_default()
    }

    /// What other plans than this one granted for a period before it came into force: of a period that lies in it only
    /// in part, that part.
    fn by_other_plans(&self, plan: &PlanId, candidate: &Candidate<'k>, scale: Scale) -> Amount {
        let Candidate { of, period, effective_at, .. } = candidate;
        let asset = &of.rule.asset;
        let parts = self.amounts.iter().filter_map(|(id, (of, from, amount))| {
            let (other, granted) = self.plans.get(&id.rule)?;
            if *other == plan || *granted != asset || from >= effective_at {
                return None;
            }
            let both = of.end.min(period.end).micros() - of.start.max(period.start).micros();
            (both > 0).then(|| part_of(*amount, both, of.micros(), scale))
        });
        parts.sum()
    }
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
