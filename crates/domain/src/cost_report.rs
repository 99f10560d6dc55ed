//! Cost reports: what credits cost that were consumed, that expired, and that are left, period by period.
//!
//! The value of credits is their amount times the cost basis of their grant, exactly. The value of what is left, held
//! and scheduled credits included, is deferred revenue. In each period, half-open and by when entries count,
//!
//! opening + granted + transferred in − consumed − expired − voided − revoked − transferred out = closing.
//!
//! What each kind of entry moves is not said here: [`EntryKind::moves`] says it. What is left is known of the present,
//! and reckoned back from there by what happened since; so a report reads nothing from before its start.

use std::{
    collections::BTreeMap,
    ops::{Add, Neg, Sub},
};

use thiserror::Error;

use crate::{
    Amount, Category, CostBasis, Entry, EntryKind, Grant, GrantNumber, Part, TimeRange, Timestamp,
    calendar::{CalendarUnit, TimeZone},
    exact::Exact,
};

/// Most periods of a report: a year of days, and a month more to compare with.
pub const MOST_PERIODS: usize = 400;

/// The range would be cut into more than [`MOST_PERIODS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("cuts the range into more than {MOST_PERIODS} periods")]
pub struct TooManyPeriods;

/// A range of time cut into periods, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Periods(Vec<Timestamp>);

/// Where an instant lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeriodPlace {
    /// Before the first period.
    Before,
    /// In the how manieth one, from 0 on.
    In(usize),
    /// After the last one.
    After,
}

impl Periods {
    /// Cuts a range where days, weeks, months or years of a time zone begin; `None`: it is one period.
    pub fn cut(
        range: TimeRange,
        unit: Option<CalendarUnit>,
        zone: TimeZone,
    ) -> Result<Self, TooManyPeriods> {
        let (mut at, end) = (range.start(), range.end());
        let mut bounds = vec![at];
        while let Some(unit) = unit.filter(|_| at < end) {
            let next = zone.period_of(unit, at).end;
            // At the end of the calendar the last period takes what is left.
            at = if next > at { next.min(end) } else { end };
            bounds.push(at);
            if bounds.len() > MOST_PERIODS + 1 {
                return Err(TooManyPeriods);
            }
        }
        if bounds.len() == 1 {
            bounds.push(end);
        }
        Ok(Self(bounds))
    }

    /// Cuts the period in which an instant lies there too, unless it begins then.
    pub fn cut_at(mut self, at: Timestamp) -> Result<Self, TooManyPeriods> {
        if let Err(place) = self.0.binary_search(&at)
            && self.start() < at
            && at < self.end()
        {
            self.0.insert(place, at);
        }
        if self.count() > MOST_PERIODS { Err(TooManyPeriods) } else { Ok(self) }
    }

    /// The first instant of each period, and the first one after the last.
    pub fn bounds(&self) -> &[Timestamp] {
        &self.0
    }

    /// The first instant of the first one.
    pub fn start(&self) -> Timestamp {
        self.0[0]
    }

    /// The first instant after the last one.
    pub fn end(&self) -> Timestamp {
        self.0[self.count()]
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len() - 1
    }

    /// The place of an instant.
    pub fn place(&self, at: Timestamp) -> PeriodPlace {
        self.place_after(self.0.iter().take_while(|bound| **bound <= at).count())
    }

    /// The place of an instant that so many of the bounds are not after.
    pub fn place_after(&self, bounds: usize) -> PeriodPlace {
        match bounds.checked_sub(1) {
            None => PeriodPlace::Before,
            Some(index) if index < self.count() => PeriodPlace::In(index),
            Some(_) => PeriodPlace::After,
        }
    }
}

/// So many credits, and what they cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Worth {
    /// How many.
    pub credits: Exact,
    /// What they cost.
    pub value: Exact,
}

impl Worth {
    /// Of an amount of a grant.
    pub fn of(amount: Amount, cost_basis: CostBasis) -> Self {
        Self { credits: amount.into(), value: Exact::product(amount, cost_basis) }
    }
}

impl Add for Worth {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { credits: self.credits + other.credits, value: self.value + other.value }
    }
}

impl Neg for Worth {
    type Output = Self;

    fn neg(self) -> Self {
        Self { credits: -self.credits, value: -self.value }
    }
}

impl Sub for Worth {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

/// What became of credits. Each figure is net: what was undone of it is subtracted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CostFlow {
    /// They came in.
    pub granted: Worth,
    /// They came from other wallets.
    pub transferred_in: Worth,
    /// Spends, captures and repayments of debt took them.
    pub consumed: Worth,
    /// They expired.
    pub expired: Worth,
    /// They were voided.
    pub voided: Worth,
    /// They were taken back with their funding.
    pub revoked: Worth,
    /// They went to other wallets.
    pub transferred_out: Worth,
}

impl CostFlow {
    /// What an entry's share of a grant does.
    pub fn of(kind: EntryKind, share: Worth) -> Self {
        let mut flow = Self::default();
        if kind.makes_grants() {
            let came = if kind == EntryKind::TransferredIn {
                &mut flow.transferred_in
            } else {
                &mut flow.granted
            };
            *came = share;
        }
        if let Some((from, to)) = kind.moves() {
            flow.add_to(from, -share);
            flow.add_to(to, share);
        }
        flow
    }

    fn add_to(&mut self, part: Part, share: Worth) {
        let figure = match part {
            // That is what is left.
            Part::Available | Part::Held => return,
            Part::Consumed => &mut self.consumed,
            Part::Expired => &mut self.expired,
            Part::Voided => &mut self.voided,
            Part::Revoked => &mut self.revoked,
            Part::TransferredOut => &mut self.transferred_out,
        };
        *figure = *figure + share;
    }

    /// What it adds to what is left.
    pub fn net(&self) -> Worth {
        let Self { granted, transferred_in, consumed, expired, voided, revoked, transferred_out } =
            *self;
        granted + transferred_in - consumed - expired - voided - revoked - transferred_out
    }
}

impl Add for CostFlow {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            granted: self.granted + other.granted,
            transferred_in: self.transferred_in + other.transferred_in,
            consumed: self.consumed + other.consumed,
            expired: self.expired + other.expired,
            voided: self.voided + other.voided,
            revoked: self.revoked + other.revoked,
            transferred_out: self.transferred_out + other.transferred_out,
        }
    }
}

/// A period: what was left at its start, what became of it, what was left at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CostStatement {
    /// What was left just before its first instant.
    pub opening: Worth,
    /// What happened from then on.
    pub flow: CostFlow,
    /// What was left just before the first instant after it.
    pub closing: Worth,
}

impl CostStatement {
    /// Whether there was nothing, and nothing happened.
    pub fn is_blank(&self) -> bool {
        *self == Self::default()
    }
}

impl Add for CostStatement {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            opening: self.opening + other.opening,
            flow: self.flow + other.flow,
            closing: self.closing + other.closing,
        }
    }
}

/// A statement for each period, by what the grants are grouped by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CostReport<G = Category>(BTreeMap<G, Vec<CostStatement>>);

impl<G> Default for CostReport<G> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<G: Ord + Clone> CostReport<G> {
    /// The statements of each group, those of the periods in order.
    pub fn groups(&self) -> impl Iterator<Item = (&G, &[CostStatement])> {
        self.0.iter().map(|(group, statements)| (group, &statements[..]))
    }

    /// The statements of all groups together, those of the periods in order; none, if there is nothing.
    pub fn together(&self) -> Vec<CostStatement> {
        let mut all = self.0.values();
        let first = all.next().cloned().unwrap_or_default();
        all.fold(first, |sum, statements| add_up(&sum, statements))
    }

    /// Adds the report of another wallet over the same periods.
    pub fn add(&mut self, other: &Self) {
        for (group, statements) in &other.0 {
            let sum = match self.0.get(group) {
                Some(before) => add_up(before, statements),
                None => statements.clone(),
            };
            self.0.insert(group.clone(), sum);
        }
    }
}

fn add_up(one: &[CostStatement], other: &[CostStatement]) -> Vec<CostStatement> {
    one.iter().zip(other).map(|(one, other)| *one + *other).collect()
}

/// A wallet's report in the making. What is left of its grants as of its last entry goes in, every entry that counts
/// from the start of the periods on, and what time alone has done or will do before their end.
#[derive(Debug)]
pub struct CostBooks<'p, G = Category> {
    periods: &'p Periods,
    /// Of each group, what is left at the end of the periods, and what happened in each.
    groups: BTreeMap<G, (Worth, Vec<CostFlow>)>,
}

impl<'p, G: Ord + Clone> CostBooks<'p, G> {
    /// With nothing in them.
    pub fn new(periods: &'p Periods) -> Self {
        Self { periods, groups: BTreeMap::new() }
    }

    /// Takes what is left of grants of a group as of the wallet's last entry.
    pub fn left(&mut self, group: &G, left: Worth) {
        let (at_end, _) = self.of(group);
        *at_end = *at_end + left;
    }

    /// Takes the shares of grants of a group in entries of a kind that count at a place. They are booked, so what is
    /// left knows of them already.
    pub fn booked(&mut self, place: PeriodPlace, kind: EntryKind, group: &G, share: Worth) {
        let flow = CostFlow::of(kind, share);
        let (at_end, flows) = self.of(group);
        match place {
            PeriodPlace::Before => {}
            PeriodPlace::In(index) => flows[index] = flows[index] + flow,
            PeriodPlace::After => *at_end = *at_end - flow.net(),
        }
    }

    /// Takes an entry that time alone makes after the wallet's last one; `grant` has those that it names, and `group`
    /// says what they belong to.
    pub fn due<'g>(
        &mut self,
        entry: &Entry,
        grant: impl Fn(GrantNumber) -> Option<&'g Grant>,
        group: impl Fn(&Grant) -> G,
    ) {
        let place = self.periods.place(entry.effective_at);
        if place == PeriodPlace::After {
            return;
        }
        for part in &entry.allocations {
            let Some(grant) = grant(part.grant) else { continue };
            let share = Worth::of(part.amount, grant.terms.cost_basis);
            let flow = CostFlow::of(entry.kind, share);
            let (at_end, flows) = self.of(&group(grant));
            *at_end = *at_end + flow.net();
            if let PeriodPlace::In(index) = place {
                flows[index] = flows[index] + flow;
            }
        }
    }

    /// The report.
    pub fn close(self) -> CostReport<G> {
        let statements = |(at_end, flows): (Worth, Vec<CostFlow>)| {
            let mut closing = at_end;
            let backwards = flows.into_iter().rev().map(|flow| {
                let opening = closing - flow.net();
                let statement = CostStatement { opening, flow, closing };
                closing = opening;
                statement
            });
            let mut statements: Vec<CostStatement> = backwards.collect();
            statements.reverse();
            statements
        };
        let groups = self.groups.into_iter();
        let reports = groups.map(|(group, books)| (group, statements(books)));
        let is_blank =
            |statements: &[CostStatement]| statements.iter().all(CostStatement::is_blank);
        CostReport(reports.filter(|(_, statements)| !is_blank(statements)).collect())
    }

    fn of(&mut self, group: &G) -> &mut (Worth, Vec<CostFlow>) {
        let count = self.periods.count();
        let nothing = || (Worth::default(), vec![CostFlow::default(); count]);
        self.groups.entry(group.clone()).or_insert_with(nothing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn cut(
        start: &str,
        end: &str,
        unit: Option<CalendarUnit>,
    ) -> Result<Vec<String>, TooManyPeriods> {
        let range = TimeRange::new(at(start), at(end)).unwrap();
        let periods = Periods::cut(range, unit, TimeZone::UTC)?;
        Ok(periods.bounds().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_range_is_cut_where_months_and_days_begin() {
        let (start, end) = ("2026-01-30T12:00:00Z", "2026-03-01T00:00:00Z");
        let february = "2026-02-01T00:00:00Z";
        assert_eq!(cut(start, end, None).unwrap(), [start, end]);
        assert_eq!(cut(start, end, Some(CalendarUnit::Month)).unwrap(), [start, february, end]);
        assert_eq!(cut(start, end, Some(CalendarUnit::Day)).unwrap().len(), 31);
        assert_eq!(cut(start, start, Some(CalendarUnit::Day)).unwrap(), [start, start]);
    }

    #[test]
    fn a_report_has_400_periods_at_most() {
        let day = Some(CalendarUnit::Day);
        let start = "2026-01-01T00:00:00Z";
        assert_eq!(cut(start, "2027-02-05T00:00:00Z", day).unwrap().len(), 401);
        assert_eq!(cut(start, "2027-02-05T00:00:00.000001Z", day), Err(TooManyPeriods));
        let far = cut("9999-01-01T00:00:00Z", "9999-12-31T23:59:59Z", day).unwrap();
        assert_eq!(far.last().unwrap(), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn days_begin_where_they_do_in_the_zone_and_now_begins_another() {
        let (start, end) = (at("2026-03-28T12:00:00Z"), at("2026-03-30T12:00:00Z"));
        let range = TimeRange::new(start, end).unwrap();
        let zone = TimeZone::parse("Europe/Berlin").unwrap();
        let days = Periods::cut(range, Some(CalendarUnit::Day), zone).unwrap();
        let told = |periods: &Periods| -> Vec<String> {
            periods.bounds()[1..periods.count()].iter().map(ToString::to_string).collect()
        };
        // The Sunday on which clocks go forward has 23 hours.
        assert_eq!(told(&days), ["2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"]);
        let noon = days.clone().cut_at(at("2026-03-29T12:00:00Z")).unwrap();
        assert_eq!(told(&noon)[1], "2026-03-29T12:00:00Z");
        for bound in [start, end, at("2026-03-28T23:00:00Z"), at("2027-01-01T00:00:00Z")] {
            assert_eq!(days.clone().cut_at(bound).unwrap(), days, "{bound}");
        }
    }

    #[test]
    fn periods_are_half_open() {
        let range = TimeRange::new(at("2026-01-01T00:00:00Z"), at("2026-03-01T00:00:00Z")).unwrap();
        let periods = Periods::cut(range, Some(CalendarUnit::Month), TimeZone::UTC).unwrap();
        for (instant, place) in [
            ("2025-12-31T23:59:59.999999Z", PeriodPlace::Before),
            ("2026-01-01T00:00:00Z", PeriodPlace::In(0)),
            ("2026-01-31T23:59:59.999999Z", PeriodPlace::In(0)),
            ("2026-02-01T00:00:00Z", PeriodPlace::In(1)),
            ("2026-03-01T00:00:00Z", PeriodPlace::After),
        ] {
            assert_eq!(periods.place(at(instant)), place, "{instant}");
        }
    }
}
