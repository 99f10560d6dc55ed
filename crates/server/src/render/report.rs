//! Reports.

use purse_domain::{
    AccountName, Category, CostReport, CostStatement, Exact, ExpiryGroup, ExpiryStatement, Periods,
    Timestamp,
    cost_report::{CostFlow, Worth},
    expiry_statements,
};
use purse_proto::v1;
use purse_storage::{CostQuery, ExpiryQuery, ReportPage};

use super::instant;
use crate::{page, parse};

/// A page of a cost report.
pub fn cost_page(
    query: &CostQuery,
    found: &ReportPage<Category>,
    page: &page::Query,
) -> v1::ReportCostBasisResponse {
    let ReportPage { now, periods, wallets, total, more_after } = found;
    let lines = |report: &CostReport| lines(report, periods, *now, query.by_category);
    let wallet = |(account, report): &(AccountName, CostReport)| v1::WalletCostBasis {
        account: account.to_string(),
        lines: lines(report),
    };
    let token = |last| page.token(&parse::report_cursor(periods.end(), last));
    v1::ReportCostBasisResponse {
        asset: query.wallets.asset.to_string(),
        start: Some(instant(periods.start())),
        end: Some(instant(periods.end())),
        now: Some(instant(*now)),
        totals: lines(total),
        wallets: wallets.iter().map(wallet).collect(),
        next_page_token: more_after.as_ref().map(token).unwrap_or_default(),
    }
}

fn lines(
    report: &CostReport,
    periods: &Periods,
    now: Timestamp,
    by_category: bool,
) -> Vec<v1::CostBasisLine> {
    let of = |category: &str, statements: &[CostStatement]| -> Vec<v1::CostBasisLine> {
        let bounds = periods.bounds().windows(2);
        bounds
            .zip(statements)
            .map(|(bounds, statement)| v1::CostBasisLine {
                start: Some(instant(bounds[0])),
                end: Some(instant(bounds[1])),
                category: category.to_owned(),
                forecast: bounds[1] > now,
                value: Some(figures(statement, |worth| worth.value)),
                credits: Some(figures(statement, |worth| worth.credits)),
            })
            .collect()
    };
    if by_category {
        let categories = report.groups();
        categories.flat_map(|(category, statements)| of(category.as_str(), statements)).collect()
    } else {
        of("", &report.together())
    }
}

fn figures(statement: &CostStatement, of: impl Fn(Worth) -> Exact) -> v1::CostBasisFigures {
    let CostStatement { opening, flow, closing } = *statement;
    let CostFlow { granted, transferred_in, consumed, expired, voided, revoked, transferred_out } =
        flow;
    let figure = |worth| of(worth).to_string();
    v1::CostBasisFigures {
        opening: figure(opening),
        granted: figure(granted),
        transferred_in: figure(transferred_in),
        consumed: figure(consumed),
        expired: figure(expired),
        voided: figure(voided),
        revoked: figure(revoked),
        transferred_out: figure(transferred_out),
        closing: figure(closing),
    }
}

/// A page of an expiry report.
pub fn expiry_page(
    query: &ExpiryQuery,
    found: &ReportPage<ExpiryGroup>,
    page: &page::Query,
) -> v1::ReportExpiryResponse {
    let ReportPage { now, periods, wallets, total, more_after } = found;
    let lines = |report: &CostReport<ExpiryGroup>| expiry_lines(report, periods, *now);
    let wallet = |(account, report): &(AccountName, CostReport<ExpiryGroup>)| v1::WalletExpiry {
        account: account.to_string(),
        lines: lines(report),
    };
    let token = |last| page.token(&parse::report_cursor(*now, last));
    v1::ReportExpiryResponse {
        asset: query.wallets.asset.to_string(),
        start: Some(instant(periods.start())),
        end: Some(instant(periods.end())),
        now: Some(instant(*now)),
        totals: lines(total),
        wallets: wallets.iter().map(wallet).collect(),
        next_page_token: more_after.as_ref().map(token).unwrap_or_default(),
    }
}

fn expiry_lines(
    report: &CostReport<ExpiryGroup>,
    periods: &Periods,
    now: Timestamp,
) -> Vec<v1::ExpiryLine> {
    let of = |(group, statements): (&str, Vec<ExpiryStatement>)| -> Vec<v1::ExpiryLine> {
        let bounds = periods.bounds().windows(2).zip(statements);
        bounds
            .map(|(bounds, statement)| v1::ExpiryLine {
                start: Some(instant(bounds[0])),
                end: Some(instant(bounds[1])),
                group: group.to_owned(),
                forecast: bounds[1] > now,
                credits: Some(expiry_figures(&statement, |worth| worth.credits)),
                value: Some(expiry_figures(&statement, |worth| worth.value)),
            })
            .collect()
    };
    expiry_statements(report).into_iter().flat_map(of).collect()
}

fn expiry_figures(statement: &ExpiryStatement, of: impl Fn(Worth) -> Exact) -> v1::ExpiryFigures {
    let ExpiryStatement { opening, expired, other, closing, never_expiring } = *statement;
    let figure = |worth| of(worth).to_string();
    v1::ExpiryFigures {
        opening: figure(opening),
        expired: figure(expired),
        other: figure(other),
        closing: figure(closing),
        never_expiring: figure(never_expiring),
    }
}
