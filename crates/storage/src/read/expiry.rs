//! Expiry reports: what expires when, by group, and what is left meanwhile.

use purse_domain::{
    CostReport, ExpiryGroup, ExpiryGrouping, Grant, Periods, TimeRange, TimeZone, Timestamp,
    calendar::CalendarUnit, expiry_statements,
};

use super::report::{Grouping, NoReport, ReportPage, ReportedWallets, left, moved};
use crate::{Storage, StorageError, row::Columns};

/// Which expiries to report.
#[derive(Debug, Clone)]
pub struct ExpiryQuery {
    /// The wallets.
    pub wallets: ReportedWallets,
    /// The first instant; `None`: now.
    pub start: Option<Timestamp>,
    /// The first instant after it.
    pub end: Timestamp,
    /// The instant that parts what happened from what is to come; `None`: now.
    pub now: Option<Timestamp>,
    /// What the range is cut into; `None`: it is one period.
    pub unit: Option<CalendarUnit>,
    /// Where its periods begin.
    pub zone: TimeZone,
    /// What the grants are grouped by.
    pub grouping: ExpiryGrouping,
}

impl Grouping for ExpiryGrouping {
    type Group = ExpiryGroup;

    fn left(&self) -> &'static str {
        match self {
            Self::None => left!("''::TEXT", "g.expires_at IS NULL"),
            Self::Category => left!("g.category", "g.expires_at IS NULL"),
            Self::FundingRef => left!("COALESCE(g.funding_ref, '')", "g.expires_at IS NULL"),
        }
    }

    fn moved(&self) -> &'static str {
        match self {
            Self::None => moved!("''::TEXT", "g.expires_at IS NULL"),
            Self::Category => moved!("g.category", "g.expires_at IS NULL"),
            Self::FundingRef => moved!("COALESCE(g.funding_ref, '')", "g.expires_at IS NULL"),
        }
    }

    fn read(columns: &mut Columns<'_>) -> Result<ExpiryGroup, StorageError> {
        Ok(ExpiryGroup { name: columns.take()?, never_expires: columns.take()? })
    }

    fn of(&self, grant: &Grant) -> ExpiryGroup {
        self.group_of(grant)
    }

    fn lines(&self, report: &CostReport<ExpiryGroup>) -> usize {
        expiry_statements(report).len()
    }
}

impl Storage {
    /// What expires when of a page of wallets, all as of one instant. A period in which that lies is cut in two there.
    pub async fn expiry_report(
        &self,
        query: &ExpiryQuery,
    ) -> Result<Result<ReportPage<ExpiryGroup>, NoReport>, StorageError> {
        let ExpiryQuery { wallets, start, end, now, unit, zone, grouping } = query;
        let now = now.unwrap_or_else(|| self.clock().now());
        let (start, end) = (start.unwrap_or(now), *end);
        let Ok(range) = TimeRange::new(start, end) else {
            return Ok(Err(NoReport::RangeInverted { start, end }));
        };
        let periods = Periods::cut(range, *unit, *zone).and_then(|periods| periods.cut_at(now));
        let Ok(periods) = periods else {
            return Ok(Err(NoReport::TooManyPeriods));
        };
        self.report(wallets, grouping, periods, now).await
    }
}
