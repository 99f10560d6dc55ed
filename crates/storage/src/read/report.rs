//! Reports over one wallet or over all wallets of an asset, a page of wallets at a time.
//!
//! Of each wallet two sums are read: what its open grants have left, and what its entries moved since the start of
//! the report, by period, kind and group. Neither grows with what is older than the report. Which period an instant
//! belongs to is the domain's affair: PostgreSQL only counts the bounds that it is not before. What time has done since
//! the last entry, or will do before the end, is settled in memory.

use deadpool_postgres::Client;
use purse_domain::{
    AccountName, AssetCode, CostBooks, CostReport, Exact, Grant, NamespaceId, Periods, Timestamp,
    WalletName, WalletState, cost_report::Worth, settle::due,
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

/// What is left by group, whose columns are given. A NUMERIC keeps all places of a product and of a sum; as text, so
/// does what is read of it.
macro_rules! left {
    ($first:literal $(, $more:literal)*) => {
        concat!(
            "SELECT sum(g.available + g.held)::TEXT AS credits,
                 sum((g.available + g.held) * g.cost_basis)::TEXT AS value",
            ", ",
            $first,
            $(", ", $more,)*
            " FROM grants AS g
              WHERE g.account_id = $1 AND g.wallet_id = $2 AND g.open
              GROUP BY ",
            $first,
            $(", ", $more,)*
        )
    };
}

/// What entries after $3, up to $4, moved that count from the first of the bounds $5 on, by group, whose columns are
/// given.
macro_rules! moved {
    ($($group:literal),+) => {
        concat!(
            "SELECT width_bucket(e.effective_at, $5::TIMESTAMPTZ[]) AS bounds,
                 e.kind,
                 sum(p.amount)::TEXT AS credits,
                 sum(p.amount * g.cost_basis)::TEXT AS value",
            $(", ", $group,)+
            " FROM entries AS e
              CROSS JOIN LATERAL unnest(e.grant_numbers, e.grant_amounts)
                  AS p (grant_number, amount)
              CROSS JOIN LATERAL (
                  SELECT *
                  FROM grants
                  WHERE account_id = $1 AND wallet_id = $2 AND grant_number = p.grant_number
                  LIMIT 1
              ) AS g
              WHERE e.account_id = $1 AND e.wallet_id = $2
                  AND e.sequence > $3 AND e.sequence <= $4
                  AND e.effective_at >= ($5::TIMESTAMPTZ[])[1]
              GROUP BY bounds, e.kind",
            $(", ", $group,)+
        )
    };
}

pub(super) use {left, moved};

/// A page ends with the wallet at which so many entries were looked at: about a second.
const MOST_ENTRIES: i64 = 200_000;
/// A page ends before the wallet with which it would have more lines: two megabytes, half of what clients take.
const MOST_LINES: usize = 5_000;

/// What the grants of a report are grouped by.
pub(super) trait Grouping {
    /// A group.
    type Group: Ord + Clone;

    /// The statement for what is left, by group.
    fn left(&self) -> &'static str;

    /// The statement for what entries moved, by group.
    fn moved(&self) -> &'static str;

    /// Reads a group from the columns of either.
    fn read(columns: &mut Columns<'_>) -> Result<Self::Group, StorageError>;

    /// The group of a grant.
    fn of(&self, grant: &Grant) -> Self::Group;

    /// How many lines a report has for each period.
    fn lines(&self, report: &CostReport<Self::Group>) -> usize;
}

/// Which wallets a report is about.
#[derive(Debug, Clone)]
pub struct ReportedWallets {
    /// The namespace.
    pub namespace_id: NamespaceId,
    /// The asset.
    pub asset: AssetCode,
    /// Only this account's wallet.
    pub account: Option<AccountName>,
    /// Whether each wallet has lines of its own.
    pub per_wallet: bool,
    /// Only wallets of accounts after this one.
    pub after: Option<String>,
    /// At most this many wallets.
    pub most: i64,
}

/// The report of a page of wallets.
#[derive(Debug, Clone)]
pub struct ReportPage<G> {
    /// The present instant.
    pub now: Timestamp,
    /// The periods.
    pub periods: Periods,
    /// Each wallet's, if that was asked for; those with nothing are not listed.
    pub wallets: Vec<(AccountName, CostReport<G>)>,
    /// All of them together.
    pub total: CostReport<G>,
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
        /// Its start, as asked for or by default.
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

impl Storage {
    /// The report of a page of wallets, all as of one instant.
    pub(super) async fn report<W: Grouping>(
        &self,
        wallets: &ReportedWallets,
        grouping: &W,
        periods: Periods,
        now: Timestamp,
    ) -> Result<Result<ReportPage<W::Group>, NoReport>, StorageError> {
        let snapshot = self.snapshot().await?;
        let page = page(snapshot.client()?, wallets, grouping, periods, now).await?;
        snapshot.end().await?;
        Ok(page)
    }
}

async fn page<W: Grouping>(
    client: &Client,
    wallets: &ReportedWallets,
    grouping: &W,
    periods: Periods,
    now: Timestamp,
) -> Result<Result<ReportPage<W::Group>, NoReport>, StorageError> {
    let found = find(client, wallets).await?;
    if found.is_empty() && wallets.account.is_some() && wallets.after.is_none() {
        return Ok(Err(NoReport::WalletNotFound));
    }
    let is_full = i64::try_from(found.len()).is_ok_and(|count| count == wallets.most);
    let mut more_after = found.last().filter(|_| is_full).map(account);
    let lines_of = |report: &CostReport<W::Group>| grouping.lines(report) * periods.count();
    let (mut reports, mut total) = (Vec::new(), CostReport::default());
    let (mut entries, mut lines, mut done) = (0, 0, None);
    for mut wallet in found {
        if entries > MOST_ENTRIES {
            more_after = done;
            break;
        }
        let (report, looked_at) = report(client, &mut wallet, grouping, &periods).await?;
        entries += looked_at;
        let mut together = total.clone();
        together.add(&report);
        let own = if wallets.per_wallet { lines_of(&report) } else { 0 };
        let with_it = lines + own + lines_of(&together);
        if with_it > MOST_LINES {
            if done.is_none() {
                return Ok(Err(NoReport::TooManyLines { lines: with_it, most: MOST_LINES }));
            }
            more_after = done;
            break;
        }
        (lines, total, done) = (lines + own, together, Some(account(&wallet)));
        if wallets.per_wallet && report.groups().next().is_some() {
            reports.push((account(&wallet), report));
        }
    }
    Ok(Ok(ReportPage { now, periods, wallets: reports, total, more_after }))
}

fn account(wallet: &WalletState) -> AccountName {
    wallet.settings.name.account.clone()
}

/// The wallets of a page, each with no grant held.
async fn find(
    client: &Client,
    wallets: &ReportedWallets,
) -> Result<Vec<WalletState>, StorageError> {
    let ReportedWallets { namespace_id, asset, account, per_wallet: _, after, most } = wallets;
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
async fn report<W: Grouping>(
    client: &Client,
    wallet: &mut WalletState,
    grouping: &W,
    periods: &Periods,
) -> Result<(CostReport<W::Group>, i64), StorageError> {
    let name = &wallet.settings.name;
    let (account, id) = (name.account_id.uuid(), name.wallet_id.uuid());
    let mut books = CostBooks::new(periods);
    let statement = client.prepare_cached(grouping.left()).await?;
    for row in client.query(&statement, &[&account, &id]).await? {
        let mut columns = Columns::of(&row);
        let worth = worth(&mut columns)?;
        books.left(&W::read(&mut columns)?, worth);
    }

    // What counts from the start on was written from then on: no entry is dated ahead.
    let last = wallet.head.last_sequence.0;
    let before = last_recorded_by(client, wallet, periods.start().plus_micros(-1)).await?;
    if before < last {
        let bounds: Vec<Instant> = periods.bounds().iter().copied().map(Instant).collect();
        let statement = client.prepare_cached(grouping.moved()).await?;
        for row in client.query(&statement, &[&account, &id, &before, &last, &bounds]).await? {
            let mut columns = Columns::of(&row);
            let bounds: i32 = columns.take()?;
            let place = periods.place_after(usize::try_from(bounds).unwrap_or_default());
            let kind = row::entry_kind(columns.take()?)?;
            let worth = worth(&mut columns)?;
            books.booked(place, kind, &W::read(&mut columns)?, worth);
        }
    }

    if wallet.head.next_due_at.is_some_and(|due_at| due_at < periods.end()) {
        let until = periods.end().plus_micros(-1);
        let entries = supplied(client, wallet, |wallet| due(wallet, until)).await?;
        let grant = |number| wallet.grants.values().find(|grant| grant.number == number);
        for entry in &entries {
            books.due(entry, grant, |grant| grouping.of(grant));
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
