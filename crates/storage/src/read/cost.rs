//! Cost reports, over one wallet or over all wallets of an asset, a page of wallets at a time.
//!
//! Of each wallet two sums are read: what its open grants have left, and what its entries moved since the start of
//! the report, by period, kind and category. Neither grows with what is older than the report. Which period an instant
//! belongs to is the domain's affair: PostgreSQL only counts the bounds that it is not before. What time has done since
//! the last entry, or will do before the end, is settled in memory.

use deadpool_postgres::Client;
use purse_domain::{
    AccountName, AssetCode, Category, CostBooks, CostReport, Exact, NamespaceId, Periods,
    TimeRange, Timestamp, WalletName, WalletState, calendar::CalendarUnit, cost_report::Worth,
    settle::due,
};

use super::timeline::last_recorded_by;
use crate::{
    Storage, StorageError,
    load::{state, supplied},
    row::{self, Columns, Instant, head_columns, settings_columns},
};

const WALLETS: &str = concat!(
    "SELECT w.account,",
    settings_columns!(),
    ",",
    head_columns!(),
    " FROM wallets AS w
      WHERE w.namespace_id = $1 AND w.asset = $2
          AND ($3::TEXT IS NULL OR w.account = $3)
          AND w.account > $4
      ORDER BY w.account
      LIMIT $5"
);

/// A NUMERIC keeps all places of a product and of a sum; as text, so does what is read of it.
const LEFT: &str = "
    SELECT g.category,
        sum(g.available + g.held)::TEXT AS credits,
        sum((g.available + g.held) * g.cost_basis)::TEXT AS value
    FROM grants AS g
    WHERE g.account_id = $1 AND g.wallet_id = $2 AND g.open
    GROUP BY g.category";

/// What entries after $3, up to $4, moved that count from the first of the bounds $5 on.
const MOVED: &str = "
    SELECT width_bucket(e.effective_at, $5::TIMESTAMPTZ[]) AS bounds,
        e.kind,
        g.category,
        sum(p.amount)::TEXT AS credits,
        sum(p.amount * g.cost_basis)::TEXT AS value
    FROM entries AS e
    CROSS JOIN LATERAL unnest(e.grant_numbers, e.grant_amounts) AS p (grant_number, amount)
    CROSS JOIN LATERAL (
        SELECT category,
            cost_basis
        FROM grants
        WHERE account_id = $1 AND wallet_id = $2 AND grant_number = p.grant_number
        LIMIT 1
    ) AS g
    WHERE e.account_id = $1 AND e.wallet_id = $2 AND e.sequence > $3 AND e.sequence <= $4
        AND e.effective_at >= ($5::TIMESTAMPTZ[])[1]
    GROUP BY bounds, e.kind, g.category";

/// A page ends with the wallet at which so many entries were looked at: about a second.
const MOST_ENTRIES: i64 = 200_000;
/// A page ends before the wallet with which it would have more lines: two megabytes, half of what clients take.
const MOST_LINES: usize = 5_000;

/// Which costs to report.
#[derive(Debug, Clone)]
pub struct CostQuery {
    /// The namespace.
    pub namespace_id: NamespaceId,
    /// The asset.
    pub asset: AssetCode,
    /// Only this account's wallet.
    pub account: Option<AccountName>,
    /// The first instant.
    pub start: Timestamp,
    /// The first instant after it; `None`: now.
    pub end: Option<Timestamp>,
    /// What the range is cut into; `None`: it is one period.
    pub unit: Option<CalendarUnit>,
    /// Whether each category has lines of its own.
    pub by_category: bool,
    /// Whether each wallet has lines of its own.
    pub per_wallet: bool,
    /// Only wallets of accounts after this one.
    pub after: Option<String>,
    /// At most this many wallets.
    pub most: i64,
}

/// The costs of a page of wallets.
#[derive(Debug, Clone)]
pub struct CostPage {
    /// The present instant.
    pub now: Timestamp,
    /// The periods.
    pub periods: Periods,
    /// Each wallet's, if that was asked for; those with nothing are not listed.
    pub wallets: Vec<(AccountName, CostReport)>,
    /// All of them together.
    pub total: CostReport,
    /// More wallets may follow after this account.
    pub more_after: Option<AccountName>,
}

/// Why there is no report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoReport {
    /// The account has no wallet of the asset.
    WalletNotFound,
    /// The range ends before it starts.
    RangeInverted {
        /// Its start.
        start: Timestamp,
        /// Its end, as asked for or by default.
        end: Timestamp,
    },
    /// The range is cut into too many periods.
    TooManyPeriods,
    /// One wallet alone has too many lines.
    TooManyLines {
        /// How many there are.
        lines: usize,
        /// The most that there may be.
        most: usize,
    },
}

impl CostQuery {
    /// How many lines a report has.
    fn lines(&self, report: &CostReport, periods: &Periods) -> usize {
        let categories = report.by_category().count();
        if self.by_category { categories * periods.count() } else { periods.count() }
    }
}

impl Storage {
    /// The costs of a page of wallets, all as of one instant.
    pub async fn cost_report(
        &self,
        query: &CostQuery,
    ) -> Result<Result<CostPage, NoReport>, StorageError> {
        let now = self.clock().now();
        let (start, end) = (query.start, query.end.unwrap_or(now));
        let Ok(range) = TimeRange::new(start, end) else {
            return Ok(Err(NoReport::RangeInverted { start, end }));
        };
        let Ok(periods) = Periods::cut(range, query.unit) else {
            return Ok(Err(NoReport::TooManyPeriods));
        };
        let snapshot = self.snapshot().await?;
        let page = page(snapshot.client()?, query, periods, now).await?;
        snapshot.end().await?;
        Ok(page)
    }
}

async fn page(
    client: &Client,
    query: &CostQuery,
    periods: Periods,
    now: Timestamp,
) -> Result<Result<CostPage, NoReport>, StorageError> {
    let found = wallets(client, query).await?;
    if found.is_empty() && query.account.is_some() && query.after.is_none() {
        return Ok(Err(NoReport::WalletNotFound));
    }
    let is_full = i64::try_from(found.len()).is_ok_and(|count| count == query.most);
    let mut more_after = found.last().filter(|_| is_full).map(account);
    let (mut reports, mut total) = (Vec::new(), CostReport::default());
    let (mut entries, mut lines, mut done) = (0, 0, None);
    for mut wallet in found {
        if entries > MOST_ENTRIES {
            more_after = done;
            break;
        }
        let (report, looked_at) = report(client, &mut wallet, &periods).await?;
        entries += looked_at;
        let mut together = total.clone();
        together.add(&report);
        let own = if query.per_wallet { query.lines(&report, &periods) } else { 0 };
        let with_it = lines + own + query.lines(&together, &periods);
        if with_it > MOST_LINES {
            if done.is_none() {
                return Ok(Err(NoReport::TooManyLines { lines: with_it, most: MOST_LINES }));
            }
            more_after = done;
            break;
        }
        (lines, total, done) = (lines + own, together, Some(account(&wallet)));
        if query.per_wallet && report.by_category().next().is_some() {
            reports.push((account(&wallet), report));
        }
    }
    Ok(Ok(CostPage { now, periods, wallets: reports, total, more_after }))
}

fn account(wallet: &WalletState) -> AccountName {
    wallet.settings.name.account.clone()
}

/// The wallets of a page, each with no grant held.
async fn wallets(client: &Client, query: &CostQuery) -> Result<Vec<WalletState>, StorageError> {
    let CostQuery { namespace_id, asset, account, after, most, .. } = query;
    let statement = client.prepare_cached(WALLETS).await?;
    let account = account.as_ref().map(AccountName::as_str);
    let after = after.as_deref().unwrap_or_default();
    let limits: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
        [&namespace_id.uuid(), &asset.as_str(), &account, &after, most];
    let rows = client.query(&statement, &limits).await?;
    rows.iter()
        .map(|row| {
            let mut columns = Columns::of(row);
            let account = AccountName::from_stored(columns.take()?);
            state(&mut columns, WalletName::new(*namespace_id, account, asset.clone()))
        })
        .collect()
}

/// The report of a wallet, and how many entries were looked at for it.
async fn report(
    client: &Client,
    wallet: &mut WalletState,
    periods: &Periods,
) -> Result<(CostReport, i64), StorageError> {
    let name = &wallet.settings.name;
    let (account, id) = (name.account_id.uuid(), name.wallet_id.uuid());
    let mut books = CostBooks::new(periods);
    let statement = client.prepare_cached(LEFT).await?;
    for row in client.query(&statement, &[&account, &id]).await? {
        let mut columns = Columns::of(&row);
        let category = Category::from_stored(columns.take()?);
        books.left(&category, worth(&mut columns)?);
    }

    // What counts from the start on was written from then on: no entry is dated ahead.
    let last = wallet.head.last_sequence.0;
    let before = last_recorded_by(client, wallet, periods.start().plus_micros(-1)).await?;
    if before < last {
        let bounds: Vec<Instant> = periods.bounds().iter().copied().map(Instant).collect();
        let statement = client.prepare_cached(MOVED).await?;
        for row in client.query(&statement, &[&account, &id, &before, &last, &bounds]).await? {
            let mut columns = Columns::of(&row);
            let bounds: i32 = columns.take()?;
            let place = periods.place_after(usize::try_from(bounds).unwrap_or_default());
            let kind = row::entry_kind(columns.take()?)?;
            let category = Category::from_stored(columns.take()?);
            books.booked(place, kind, &category, worth(&mut columns)?);
        }
    }

    if wallet.head.next_due_at.is_some_and(|due_at| due_at < periods.end()) {
        let until = periods.end().plus_micros(-1);
        let entries = supplied(client, wallet, |wallet| due(wallet, until)).await?;
        for entry in &entries {
            books.due(entry, |number| wallet.grants.values().find(|grant| grant.number == number));
        }
    }
    Ok((books.close(), last - before))
}

fn worth(columns: &mut Columns<'_>) -> Result<Worth, StorageError> {
    let mut exact = || {
        let text: &str = columns.take()?;
        Exact::from_stored(text).ok_or_else(|| StorageError::Corrupt(format!("{text} is no sum")))
    };
    Ok(Worth { credits: exact()?, value: exact()? })
}
