//! What a request about a grant rule adds to its fingerprint.

use super::Fingerprint;
use crate::{
    Actor, AskedExpiry, Cadence, CalendarSpan, CatchUp, ExpirySettings, Metadata, NewRule,
    OnCancel, PlanChange, Proration, Reason, Rollover, RolloverCap, RuleCommand, RuleId, RuleScope,
    RuleTerms, SpanUnit, Stage, TermChange, Timestamp, canonical::Canonical,
};

impl Fingerprint {
    /// The fingerprint of a request about a rule. `actor` is the one that the request names.
    pub fn of_rule(
        rule: RuleId,
        command: &RuleCommand,
        actor: &Actor,
        reason: &Reason,
        metadata: &Metadata,
    ) -> Self {
        let mut canonical = Canonical::new();
        canonical.write(actor, reason, metadata);
        match command {
            RuleCommand::Create(new) => {
                let NewRule { scope, asset, terms } = &**new;
                canonical.text(b'C', b"create_grant_rule");
                canonical.scope(scope);
                canonical.text(3, asset.as_str().as_bytes());
                for term in terms_of(terms) {
                    canonical.term(&term);
                }
            }
            RuleCommand::Update { changes, expected_version } => {
                canonical.text(b'C', b"update_grant_rule");
                canonical.rule(rule, *expected_version);
                for change in changes {
                    canonical.term(change);
                }
            }
            RuleCommand::Delete { expected_version } => {
                canonical.text(b'C', b"delete_grant_rule");
                canonical.rule(rule, *expected_version);
            }
        }
        Self(canonical.finish())
    }
}

/// All terms as changes, so that each has one canonical form.
fn terms_of(terms: &RuleTerms) -> [TermChange; 19] {
    let RuleTerms {
        name,
        amount,
        cadence,
        expiry,
        priority,
        category,
        cost_basis,
        applies_to,
        metadata,
        starts_at,
        ends_at,
        is_active,
        stage,
        proration,
        catch_up,
        plan_change,
        on_cancel,
        rollover,
        ahead_micros,
    } = terms;
    let expiry = match *expiry {
        ExpirySettings::Never => AskedExpiry::Never,
        ExpirySettings::Duration(span) => AskedExpiry::Duration(span),
        ExpirySettings::BillingCycle { reset_at_period_end, cycle_count } => {
            AskedExpiry::BillingCycle { reset_at_period_end, cycle_count: Some(cycle_count) }
        }
    };
    [
        TermChange::Name(name.clone()),
        TermChange::Amount(*amount),
        TermChange::Cadence(*cadence),
        TermChange::Expiry(expiry),
        TermChange::Priority(*priority),
        TermChange::Category(category.clone()),
        TermChange::CostBasis(*cost_basis),
        TermChange::AppliesTo(applies_to.clone()),
        TermChange::Metadata(metadata.clone()),
        TermChange::StartsAt(*starts_at),
        TermChange::EndsAt(*ends_at),
        TermChange::IsActive(*is_active),
        TermChange::Stage(*stage),
        TermChange::Proration(*proration),
        TermChange::CatchUp(*catch_up),
        TermChange::PlanChange(*plan_change),
        TermChange::OnCancel(*on_cancel),
        TermChange::Rollover(*rollover),
        TermChange::Ahead { micros: *ahead_micros },
    ]
}

impl Canonical {
    fn rule(&mut self, rule: RuleId, expected_version: Option<i64>) {
        self.text(1, rule.uuid().as_bytes());
        if let Some(version) = expected_version {
            self.text(2, &version.to_be_bytes());
        }
    }

    fn scope(&mut self, scope: &RuleScope) {
        let kind: &[u8] = match scope {
            RuleScope::Plan(_) => b"plan",
            RuleScope::Subscription(_) => b"subscription",
            RuleScope::Addon(_) => b"addon",
        };
        self.text(1, kind);
        self.text(2, scope.target().as_bytes());
    }

    /// A term begins with its own tag, from 10 on; what else belongs to it has a tag above 100.
    fn term(&mut self, term: &TermChange) {
        match term {
            TermChange::Name(name) => self.text(10, name.as_str().as_bytes()),
            TermChange::Amount(amount) => self.text(11, amount.get().to_string().as_bytes()),
            TermChange::Cadence(Cadence::OneTime) => self.text(12, b"one_time"),
            TermChange::Cadence(Cadence::Recurring(span)) => {
                self.text(12, b"recurring");
                self.span(*span);
            }
            TermChange::Expiry(asked) => self.expiry(*asked),
            TermChange::Priority(priority) => self.text(14, &priority.get().to_be_bytes()),
            TermChange::Category(category) => self.text(15, category.as_str().as_bytes()),
            TermChange::CostBasis(cost_basis) => self.text(16, cost_basis.to_string().as_bytes()),
            // None is another request than leaving what there is.
            TermChange::AppliesTo(operations) => {
                self.text(17, b"");
                for operation in operations {
                    self.text(117, operation.as_str().as_bytes());
                }
            }
            TermChange::Metadata(metadata) => {
                self.text(18, b"");
                for (key, value) in metadata.as_map() {
                    self.text(118, key.as_bytes());
                    self.text(119, value.as_bytes());
                }
            }
            TermChange::StartsAt(at) => self.bound(19, *at),
            TermChange::EndsAt(at) => self.bound(20, *at),
            TermChange::IsActive(is_active) => self.text(21, &[u8::from(*is_active)]),
            TermChange::Stage(stage) => self.text(
                22,
                match stage {
                    Stage::Paid => b"paid",
                    Stage::Trial => b"trial",
                    Stage::Any => b"any",
                },
            ),
            TermChange::Proration(proration) => self.text(
                23,
                match proration {
                    Proration::None => b"none",
                    Proration::First => b"first",
                    Proration::Last => b"last",
                    Proration::Both => b"both",
                },
            ),
            TermChange::CatchUp(catch_up) => self.text(
                24,
                match catch_up {
                    CatchUp::All => b"all",
                    CatchUp::Latest => b"latest",
                    CatchUp::None => b"none",
                },
            ),
            TermChange::PlanChange(plan_change) => self.text(
                25,
                match plan_change {
                    PlanChange::TopUp => b"top_up",
                    PlanChange::Full => b"full",
                    PlanChange::NextPeriod => b"next_period",
                },
            ),
            TermChange::OnCancel(on_cancel) => self.text(
                26,
                match on_cancel {
                    OnCancel::Keep => b"keep",
                    OnCancel::Expire => b"expire",
                },
            ),
            TermChange::Rollover(rollover) => self.rollover(rollover),
            TermChange::Ahead { micros } => self.text(28, &micros.to_be_bytes()),
        }
    }

    fn expiry(&mut self, asked: AskedExpiry) {
        match asked {
            AskedExpiry::Never => self.text(13, b"never"),
            AskedExpiry::Duration(span) => {
                self.text(13, b"duration");
                self.span(span);
            }
            AskedExpiry::BillingCycle { reset_at_period_end, cycle_count } => {
                self.text(13, b"billing_cycle");
                self.text(103, &[u8::from(reset_at_period_end)]);
                // Where it may be left out it stands for 1.
                let cycle_count = cycle_count.map_or(1, std::num::NonZeroU32::get);
                self.text(104, &cycle_count.to_be_bytes());
            }
        }
    }

    fn rollover(&mut self, rollover: &Rollover) {
        let Rollover { cap, periods } = rollover;
        match cap {
            RolloverCap::None => self.text(27, b"none"),
            RolloverCap::All => self.text(27, b"all"),
            RolloverCap::Amount(most) => {
                self.text(27, b"amount");
                self.text(105, most.get().to_string().as_bytes());
            }
            RolloverCap::Percent(most) => {
                self.text(27, b"percent");
                self.text(105, most.decimal().to_string().as_bytes());
            }
        }
        self.text(106, &[*periods]);
    }

    fn bound(&mut self, tag: u8, at: Option<Timestamp>) {
        self.text(tag, b"");
        self.instant(100, at);
    }

    fn span(&mut self, span: CalendarSpan) {
        let unit: &[u8] = match span.unit() {
            SpanUnit::Day => b"day",
            SpanUnit::Week => b"week",
            SpanUnit::Month => b"month",
            SpanUnit::Quarter => b"quarter",
            SpanUnit::HalfYear => b"half_year",
            SpanUnit::Year => b"year",
        };
        self.text(101, unit);
        self.text(102, &span.count().to_be_bytes());
    }
}
