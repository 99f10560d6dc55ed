//! Requests for reports.

use purse_domain::{AccountName, AssetCode, Timestamp, calendar::CalendarUnit};
use purse_proto::v1;
use purse_storage::CostQuery;
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
        Some(CostQuery {
            namespace_id: caller.namespace_id,
            asset: asset?,
            account: account?,
            start: start?,
            end,
            unit: unit?,
            by_category,
            per_wallet,
            after,
            most: most?,
        })
    })();
    Ok((fields.finish(parsed)?, query))
}

/// A cursor: the end of the report, and the last account of the page.
pub fn cursor(end: Timestamp, account: &AccountName) -> String {
    format!("{}\n{account}", end.micros())
}

fn read_cursor(cursor: &str) -> Option<(Timestamp, String)> {
    let (end, account) = cursor.split_once('\n')?;
    Some((Timestamp::from_micros(end.parse().ok()?), account.to_owned()))
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
