//! The balances of a wallet over a range of time.
//!
//! Most entries count when they are recorded, so they are in order of time along the sequence. The others, dated
//! back, have an index in order of time. The past is both of these read side by side, a page at a time; what is to
//! come is settled in memory.

use std::collections::VecDeque;

use deadpool_postgres::Client;
use purse_domain::{
    Amount, Balances, Step, TimeRange, Timeline, Timestamp, WalletName, WalletState, forecast,
};
use rust_decimal::Decimal;
use tokio_postgres::{Row, types::ToSql};

use super::{
    Unanswerable,
    balance::{as_known_now, last_recorded},
};
use crate::{
    Storage, StorageError,
    load::supplied,
    row::{Columns, Instant},
};

const LAST_RECORDED: &str = concat!(last_recorded!(), " SELECT l.sequence FROM last AS l");

/// When an entry counts, and how it changes the balances. The two streams differ in what limits and orders them.
macro_rules! changes {
    ($which:literal) => {
        concat!(
            "SELECT e.effective_at,
                 e.sequence,
                 e.available_after - COALESCE(p.available_after, 0) AS available,
                 e.held_after - COALESCE(p.held_after, 0) AS held,
                 e.debt_after - COALESCE(p.debt_after, 0) AS debt,
                 e.scheduled_after - COALESCE(p.scheduled_after, 0) AS scheduled
             FROM (
                 SELECT effective_at,
                     sequence,
                     available_after,
                     held_after,
                     debt_after,
                     scheduled_after
                 FROM entries
                 WHERE account_id = $1 AND wallet_id = $2 AND ",
            $which,
            ") AS e
             LEFT JOIN LATERAL (
                 SELECT b.available_after,
                     b.held_after,
                     b.debt_after,
                     b.scheduled_after
                 FROM entries AS b
                 WHERE b.account_id = $1 AND b.wallet_id = $2 AND b.sequence = e.sequence - 1
                 LIMIT 1
             ) AS p ON TRUE
             ORDER BY e.effective_at, e.sequence"
        )
    };
}

/// After entry $3, up to entry $4.
const PROMPT: &str = changes!(
    "effective_at = recorded_at AND sequence > $3 AND sequence <= $4
     ORDER BY sequence
     LIMIT $5"
);

/// After entry $4 of those that count at $3, up to $5.
const BACKDATED: &str = changes!(
    "effective_at < recorded_at AND effective_at >= $3 AND effective_at <= $5
         AND (effective_at > $3 OR sequence > $4)
     ORDER BY effective_at, sequence
     LIMIT $6"
);

/// Entries of each stream that are in memory at once: few round trips, some hundred kilobytes.
const PAGE: i64 = 512;

/// Which balances of a wallet to tell.
#[derive(Debug, Clone)]
pub struct TimelineQuery {
    /// The wallet.
    pub wallet: WalletName,
    /// The first instant; `None`: the wallet's opening.
    pub start: Option<Timestamp>,
    /// The first instant after the range; `None`: now.
    pub end: Option<Timestamp>,
    /// At most this many points.
    pub most: usize,
}

/// The balances of a wallet over a range of time.
#[derive(Debug, Clone)]
pub struct TimelineRecord {
    /// The range.
    pub range: TimeRange,
    /// The balances at its start, and each change after it.
    pub steps: Vec<Step>,
    /// There are more changes than were asked for.
    pub thinned: bool,
}

impl Storage {
    /// A wallet's balances over a range of time, as they are known now.
    pub async fn timeline(
        &self,
        query: &TimelineQuery,
    ) -> Result<Result<TimelineRecord, Unanswerable>, StorageError> {
        let TimelineQuery { wallet, start, end, most } = query;
        let clock = self.clock().now();
        let snapshot = self.snapshot().await?;
        let client = snapshot.client()?;
        let Some(mut state) = super::wallet(client, wallet).await? else {
            snapshot.end().await?;
            return Ok(Err(Unanswerable::WalletNotFound));
        };
        let start = start.unwrap_or(state.settings.created_at);
        let end = end.unwrap_or(clock.max(state.head.recorded_at));
        let Ok(range) = TimeRange::new(start, end) else {
            snapshot.end().await?;
            return Ok(Err(Unanswerable::RangeInverted { start, end }));
        };
        let at_start = as_known_now(client, &mut state, start).await?;
        let mut timeline = Timeline::new(range, *most, at_start);
        past(client, &state, range, at_start, &mut timeline).await?;
        future(client, &mut state, range, &mut timeline).await?;
        snapshot.end().await?;
        let (steps, thinned) = timeline.finish();
        Ok(Ok(TimelineRecord { range, steps, thinned }))
    }
}

/// Adds what the ledger tells of the range.
async fn past(
    client: &Client,
    state: &WalletState,
    range: TimeRange,
    at_start: Balances,
    timeline: &mut Timeline,
) -> Result<(), StorageError> {
    if range.start() >= state.head.recorded_at {
        return Ok(());
    }
    let (first, last) = (range.start(), range.last());
    let mut prompt = Stream::new(Cursor::Sequence {
        after: last_recorded_by(client, state, first).await?,
        until: last_recorded_by(client, state, last).await?,
    });
    // What counts at the start itself is in the balance there.
    let mut backdated = Stream::new(Cursor::Instant { at: first, after: i64::MAX, until: last });
    let mut totals = Totals::of(&at_start);
    let mut instant = None;
    loop {
        let next = [prompt.peek(client, state).await?, backdated.peek(client, state).await?];
        let at = next.into_iter().flatten().min();
        if let Some(done) = instant.filter(|_| at != instant) {
            timeline.push(Step { at: done, balances: totals.balances()? });
        }
        let Some(at) = at else { return Ok(()) };
        instant = Some(at);
        let stream = if next[0] == Some(at) { &mut prompt } else { &mut backdated };
        if let Some(change) = stream.page.pop_front() {
            totals.add(&change);
        }
    }
}

/// Adds what time alone does from the wallet's last transaction on.
async fn future(
    client: &Client,
    state: &mut WalletState,
    range: TimeRange,
    timeline: &mut Timeline,
) -> Result<(), StorageError> {
    let steps = supplied(client, state, |state| forecast(state, range.last())).await?;
    steps.into_iter().filter(|step| step.at > range.start()).for_each(|step| timeline.push(step));
    Ok(())
}

/// The number of the last entry that was recorded by an instant; 0: none was.
pub(super) async fn last_recorded_by(
    client: &Client,
    state: &WalletState,
    at: Timestamp,
) -> Result<i64, StorageError> {
    let name = &state.settings.name;
    let (account, wallet) = (name.account_id.uuid(), name.wallet_id.uuid());
    let last = state.head.last_sequence.0;
    let statement = client.prepare_cached(LAST_RECORDED).await?;
    let row = client.query_one(&statement, &[&account, &wallet, &last, &Instant(at)]).await?;
    Columns::of(&row).take()
}

/// What an entry changes, and when.
struct Change {
    at: Timestamp,
    sequence: i64,
    /// Available, held, debt and scheduled: more, or less if negative.
    by: [Decimal; 4],
}

impl Change {
    fn read(row: &Row) -> Result<Self, StorageError> {
        let mut columns = Columns::of(row);
        Ok(Self {
            at: columns.instant()?,
            sequence: columns.take()?,
            by: [columns.take()?, columns.take()?, columns.take()?, columns.take()?],
        })
    }
}

/// Balances while the changes of an instant are added, of which some may come before what they take from.
struct Totals([Decimal; 4]);

impl Totals {
    fn of(balances: &Balances) -> Self {
        let Balances { available, held, debt, scheduled } = *balances;
        Self([available, held, debt, scheduled].map(Amount::decimal))
    }

    fn add(&mut self, change: &Change) {
        for (total, by) in self.0.iter_mut().zip(change.by) {
            *total += by;
        }
    }

    fn balances(&self) -> Result<Balances, StorageError> {
        let amount = |total: Decimal| {
            Amount::from_stored(total)
                .ok_or_else(|| StorageError::Corrupt(format!("{total} is no amount")))
        };
        let [available, held, debt, scheduled] = self.0;
        Ok(Balances {
            available: amount(available)?,
            held: amount(held)?,
            debt: amount(debt)?,
            scheduled: amount(scheduled)?,
        })
    }
}

/// Where the next page begins, and where the last one ends.
enum Cursor {
    Sequence { after: i64, until: i64 },
    Instant { at: Timestamp, after: i64, until: Timestamp },
}

/// Changes in order of time, a page at a time.
struct Stream {
    cursor: Cursor,
    page: VecDeque<Change>,
    is_last_page: bool,
}

impl Stream {
    fn new(cursor: Cursor) -> Self {
        Self { cursor, page: VecDeque::new(), is_last_page: false }
    }

    /// When the next change counts; `None`: there is none.
    async fn peek(
        &mut self,
        client: &Client,
        state: &WalletState,
    ) -> Result<Option<Timestamp>, StorageError> {
        if self.page.is_empty() && !self.is_last_page {
            self.page = self.cursor.read(client, state).await?;
            self.is_last_page = i64::try_from(self.page.len()).is_ok_and(|count| count < PAGE);
            if let Some(change) = self.page.back() {
                self.cursor.move_past(change);
            }
        }
        Ok(self.page.front().map(|change| change.at))
    }
}

impl Cursor {
    async fn read(
        &self,
        client: &Client,
        state: &WalletState,
    ) -> Result<VecDeque<Change>, StorageError> {
        let name = &state.settings.name;
        let (account, wallet) = (name.account_id.uuid(), name.wallet_id.uuid());
        let rows = match self {
            Self::Sequence { after, until } => {
                let statement = client.prepare_cached(PROMPT).await?;
                client.query(&statement, &[&account, &wallet, after, until, &PAGE]).await?
            }
            Self::Instant { at, after, until } => {
                let statement = client.prepare_cached(BACKDATED).await?;
                let (at, until) = (Instant(*at), Instant(*until));
                let limits: [&(dyn ToSql + Sync); 6] =
                    [&account, &wallet, &at, after, &until, &PAGE];
                client.query(&statement, &limits).await?
            }
        };
        rows.iter().map(Change::read).collect()
    }

    fn move_past(&mut self, change: &Change) {
        match self {
            Self::Sequence { after, .. } => *after = change.sequence,
            Self::Instant { at, after, .. } => (*at, *after) = (change.at, change.sequence),
        }
    }
}
