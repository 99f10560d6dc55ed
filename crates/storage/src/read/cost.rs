//! Cost reports: what became of credits, by category.

use purse_domain::{
    Category, CostReport, Grant, Periods, TimeRange, TimeZone, Timestamp, calendar::CalendarUnit,
};

use super::report::{Grouping, NoReport, ReportPage, ReportedWallets, left, moved};
use crate::{Storage, StorageError, row::Columns};

/// Which costs to report.
#[derive(Debug, Clone)]
pub struct CostQuery {
    /// The wallets.
    pub wallets: ReportedWallets,
    /// The first instant.
    pub start: Timestamp,
    /// The first instant after it; `None`: now.
    pub end: Option<Timestamp>,
    /// What the range is cut into; `None`: it is one period.
    pub unit: Option<CalendarUnit>,
    /// Whether each category has lines of its own.
    pub by_category: bool,
}

/// By category, which are lines of their own or are shown as one.
struct ByCategory {
    has_lines: bool,
}

impl Grouping for ByCategory {
    type Group = Category;

    fn left(&self) -> &'static str {
        left!("g.category")
    }

    fn moved(&self) -> &'static str {
        moved!("g.category")
    }

    fn read(columns: &mut Columns<'_>) -> Result<Category, StorageError> {
        Ok(Category::from_stored(columns.take()?))
    }

    fn of(&self, grant: &Grant) -> Category {
        grant.terms.category.clone()
    }

    fn lines(&self, report: &CostReport) -> usize {
        if self.has_lines { report.groups().count() } else { 1 }
    }
}

impl Storage {
    /// The costs of a page of wallets, all as of one instant.
    pub async fn cost_report(
        &self,
        query: &CostQuery,
    ) -> Result<Result<ReportPage<Category>, NoReport>, StorageError> {
        let CostQuery { wallets, start, end, unit, by_category } = query;
        let now = self.clock().now();
        let (start, end) = (*start, end.unwrap_or(now));
        let Ok(range) = TimeRange::new(start, end) else {
            return Ok(Err(NoReport::RangeInverted { start, end }));
        };
        let Ok(periods) = Periods::cut(range, *unit, TimeZone::UTC) else {
            return Ok(Err(NoReport::TooManyPeriods));
        };
        self.report(wallets, &ByCategory { has_lines: *by_category }, periods, now).await
    }
}
