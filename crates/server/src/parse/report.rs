//! Requests for reports.

use purse_domain::{
    AccountName, AssetCode, ExpiryGrouping, TimeZone, Timestamp, calendar::CalendarUnit,
};
use purse_proto::v1;
use purse_storage::{CostQuery, ExpiryQuery, ReportedWallets};
use tonic::Status;

use super::Fields;
use crate::{auth::Caller, page};

/// Which costs to report, and the query for the next page's token.
pub fn report_cost_basis(
    caller: &Caller,
    message: v1::ReportCostBasisRequest,
) -> Result<(CostQuery, page::Query), Status> {
    let (page_size, page_token) = (message.page_size, message.page_token.clone());
    let message = v1::ReportCostBasisRequest { page_size: 0, page_token: String::new(), ..message };
    let query = page::Query::of("ReportCostBasis", &message);
    let v1::ReportCostBasisRequest {
        asset,
        account,
        start,
        end,
        period,
        by_category,
        per_wallet,
        page_size: _,
        page_token: _,
    } = message;
    let mut fields = Fields::default();
    let asset = fields.check("asset", AssetCode::parse(&asset));
    let account = (!account.is_empty()).then(|| AccountName::parse(&account));
    let account = fields.check_optional("account", account);
    let start = fields.required_instant("start", start);
    let end = fields.instant("end", end);
    let unit = unit(&mut fields, period);
    let most = fields.take(page::size(page_size));
    let cursor = fields.take(query.cursor(&page_token)).flatten();
    let cursor = cursor.and_then(|cursor| {
        let read = read_cursor(&cursor).ok_or("is not a token that this service gave");
        fields.check("page_token", read)
    });
    let parsed = (|| {
        // The first page says where the others end.
        let (end, after) = match cursor {
            Some((end, after)) => (Some(end), Some(after)),
            None => (end?, None),
        };
        let wallets = ReportedWallets {
            namespace_id: caller.namespace_id,
            asset: asset?,
            account: account?,
            per_wallet,
            after,
            most: most?,
        };
        Some(CostQuery { wallets, start: start?, end, unit: unit?, by_category })
    })();
    Ok((fields.finish(parsed)?, query))
}

/// Which expiries to report, and the query for the next page's token.
pub fn report_expiry(
    caller: &Caller,
    message: v1::ReportExpiryRequest,
) -> Result<(ExpiryQuery, page::Query), Status> {
    let (page_size, page_token) = (message.page_size, message.page_token.clone());
    let message = v1::ReportExpiryRequest { page_size: 0, page_token: String::new(), ..message };
    let query = page::Query::of("ReportExpiry", &message);
    let v1::ReportExpiryRequest {
        asset,
        account,
        start,
        end,
        period,
        time_zone,
        group_by,
        per_wallet,
        page_size: _,
        page_token: _,
    } = message;
    let mut fields = Fields::default();
    let asset = fields.check("asset", AssetCode::parse(&asset));
    let account = (!account.is_empty()).then(|| AccountName::parse(&account));
    let account = fields.check_optional("account", account);
    let start = fields.instant("start", start);
    let end = fields.required_instant("end", end);
    let unit = unit(&mut fields, period);
    let zone = if time_zone.is_empty() { Ok(TimeZone::UTC) } else { TimeZone::parse(&time_zone) };
    let zone = fields.check("time_zone", zone);
    let grouping = grouping(&mut fields, group_by);
    let most = fields.take(page::size(page_size));
    let cursor = fields.take(query.cursor(&page_token)).flatten();
    let cursor = cursor.and_then(|cursor| {
        let read = read_cursor(&cursor).ok_or("is not a token that this service gave");
        fields.check("page_token", read)
    });
    let parsed = (|| {
        // The first page says what is past for the others.
        let (now, after) = cursor.unzip();
        let wallets = ReportedWallets {
            namespace_id: caller.namespace_id,
            asset: asset?,
            account: account?,
            per_wallet,
            after,
            most: most?,
        };
        let (start, end) = (start?, end?);
        Some(ExpiryQuery {
            wallets,
            start,
            end,
            now,
            unit: unit?,
            zone: zone?,
            grouping: grouping?,
        })
    })();
    Ok((fields.finish(parsed)?, query))
}

fn grouping(fields: &mut Fields, group_by: i32) -> Option<ExpiryGrouping> {
    match v1::ExpiryGrouping::try_from(group_by) {
        Ok(v1::ExpiryGrouping::Unspecified) => Some(ExpiryGrouping::None),
        Ok(v1::ExpiryGrouping::Category) => Some(ExpiryGrouping::Category),
        Ok(v1::ExpiryGrouping::FundingRef) => Some(ExpiryGrouping::FundingRef),
        Err(_) => {
            fields.note("group_by", "is no known value");
            None
        }
    }
}

/// A cursor: an instant that all pages have in common, and the last account of the page.
pub fn cursor(at: Timestamp, account: &AccountName) -> String {
    format!("{}\n{account}", at.micros())
}

fn read_cursor(cursor: &str) -> Option<(Timestamp, String)> {
    let (at, account) = cursor.split_once('\n')?;
    Some((Timestamp::from_micros(at.parse().ok()?), account.to_owned()))
}

#[expect(clippy::option_option, reason = "wrong, absent and present are three cases")]
fn unit(fields: &mut Fields, period: i32) -> Option<Option<CalendarUnit>> {
    match v1::ReportPeriod::try_from(period) {
        Ok(v1::ReportPeriod::Unspecified) => Some(None),
        Ok(v1::ReportPeriod::Day) => Some(Some(CalendarUnit::Day)),
        Ok(v1::ReportPeriod::Week) => Some(Some(CalendarUnit::Week)),
        Ok(v1::ReportPeriod::Month) => Some(Some(CalendarUnit::Month)),
        Ok(v1::ReportPeriod::Year) => Some(Some(CalendarUnit::Year)),
        Err(_) => {
            fields.note("period", "is no known value");
            None
        }
    }
}
