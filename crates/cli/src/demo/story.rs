//! The chapters of the demo: what is asked of the service, and how its answers are told.

use std::time::Duration;

use prost_types::Timestamp;
use purse_client::{
    Client, Error,
    v1::{
        Balance, CreateWalletRequest, ErrorReason, GetBalanceRequest, Grant, GrantRequest,
        ListEntriesRequest, ListGrantsRequest, SpendRequest, SpendResponse,
    },
};
use tokio::time::{Instant, sleep};

use super::points::{self, Point};
use crate::{
    entries,
    exit::Failure,
    grants, instant,
    output::Output,
    pages,
    table::{self, Column},
};

/// Whole amounts only, so that the demo works whatever scale the namespace's credits have.
const ASSET: &str = "credits";
const OPERATION: &str = "completion";
/// Long enough for the chapters before its end, short enough to wait for.
const PROMOTION_TTL: Duration = Duration::from_secs(3);
const MONTH: Duration = Duration::from_hours(30 * 24);
/// A clock that has not come this far past the promotion's end stands still.
const CLOCK_PATIENCE: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_millis(100);

/// The demo as far as it has been told.
pub struct Story<'a> {
    client: &'a Client,
    output: &'a mut Output,
    account: String,
    chapter: u32,
}

/// The instants at which something happens to the grants.
#[expect(clippy::struct_field_names, reason = "instants end in _at everywhere")]
pub struct Milestones {
    /// When the last grant was made.
    pub granted_at: Timestamp,
    /// The end of the promotion.
    pub promotion_ends_at: Timestamp,
    /// The end of the month, and the beginning of the next.
    pub month_ends_at: Timestamp,
    /// The end of next month.
    pub next_month_ends_at: Timestamp,
}

impl<'a> Story<'a> {
    /// A story about a new account.
    pub fn new(client: &'a Client, output: &'a mut Output, account: String) -> Self {
        Self { client, output, account, chapter: 0 }
    }

    /// The account that it is about.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Begins a chapter.
    pub fn heading(&mut self, heading: &str) -> Result<(), Failure> {
        self.chapter += 1;
        let heading = format!("{}. {heading} ", self.chapter);
        self.output.line(&format!("\n── {heading:─<76}\n"))
    }

    /// Opens the wallet. Answers when that was.
    pub async fn open(&mut self) -> Result<Timestamp, Failure> {
        let request = CreateWalletRequest {
            account: self.account.clone(),
            asset: ASSET.to_owned(),
            idempotency_key: "open".to_owned(),
            reason: "demo".to_owned(),
            ..CreateWalletRequest::default()
        };
        let wallet = self.client.create_wallet(request).await?.wallet.unwrap_or_default();
        self.output.line(&format!(
            "{} now has a wallet of {}, at {}.",
            wallet.account,
            wallet.asset,
            instant::show(wallet.created_at)
        ))?;
        present(wallet.created_at, "the wallet's created_at")
    }

    /// Makes four grants.
    pub async fn grant(&mut self) -> Result<Milestones, Failure> {
        let now = present(self.balance(None).await?.at, "the balance's at")?;
        let promotion_ends_at = instant::later(now, PROMOTION_TTL);
        let month_ends_at = instant::later(now, MONTH);
        let next_month_ends_at = instant::later(month_ends_at, MONTH);
        let monthly = |key: &str, window: (Option<Timestamp>, Timestamp)| GrantRequest {
            amount: "100".to_owned(),
            effective_at: window.0,
            expires_at: Some(window.1),
            priority: Some(10),
            category: "monthly".to_owned(),
            idempotency_key: key.to_owned(),
            ..GrantRequest::default()
        };
        let purchased = GrantRequest {
            amount: "200".to_owned(),
            category: "purchased".to_owned(),
            cost_basis: "0.01".to_owned(),
            idempotency_key: "purchased".to_owned(),
            ..GrantRequest::default()
        };
        let promotional = GrantRequest {
            amount: "40".to_owned(),
            expires_at: Some(promotion_ends_at),
            priority: Some(10),
            category: "promotional".to_owned(),
            idempotency_key: "promotional".to_owned(),
            ..GrantRequest::default()
        };
        let mut granted_at = None;
        for request in [
            monthly("this-month", (None, month_ends_at)),
            monthly("next-month", (Some(month_ends_at), next_month_ends_at)),
            purchased,
            promotional,
        ] {
            let request = GrantRequest {
                account: self.account.clone(),
                asset: ASSET.to_owned(),
                reason: "demo".to_owned(),
                ..request
            };
            let transaction = self.client.grant(request).await?.transaction.unwrap_or_default();
            granted_at = transaction.recorded_at;
        }
        let table = grants::table(&self.grants().await?);
        self.output.line(&table)?;
        self.say(&[
            "",
            "The promotion is over in three seconds. Next month's credits are here already, and",
            "count only once they are effective:",
            "",
        ])?;
        let balance = self.balance(None).await?;
        self.figures(&balance)?;
        let granted_at = present(granted_at, "the transaction's recorded_at")?;
        Ok(Milestones { granted_at, promotion_ends_at, month_ends_at, next_month_ends_at })
    }

    /// Spends from the promotion. Answers when that was.
    pub async fn spend_before_expiry(&mut self) -> Result<Timestamp, Failure> {
        let answer = self.client.spend(self.request("15", "spend-1")).await?;
        self.drawn(&answer).await?;
        self.say(&[
            "",
            "Lower priority goes first, so monthly and promotional credits come before purchased",
            "ones. Among equals, what expires first is used first.",
        ])?;
        recorded_at(&answer)
    }

    /// Sends the same spend again.
    pub async fn retry(&mut self) -> Result<(), Failure> {
        let answer = self.client.spend(self.request("15", "spend-1")).await?;
        let transaction = answer.transaction.unwrap_or_default();
        let balance = self.balance(None).await?;
        self.output.line(&format!(
            "A client that saw no answer sends the same request with the same key \"spend-1\".\n\
             It gets the first answer again: transaction {}, replayed: {}.\n\
             The balance is still {}.",
            transaction.transaction_id, answer.replayed, balance.balance
        ))
    }

    /// Asks for more than there is.
    pub async fn refusal(&mut self) -> Result<(), Failure> {
        match self.client.spend(self.request("1000", "spend-2")).await {
            Err(Error::Refused(refusal))
                if refusal.reason == Some(ErrorReason::InsufficientCredits) =>
            {
                self.say(&[
                    "1000 are refused. The answer is an error to decide by, not a text to parse:",
                    "",
                ])?;
                let mut fields = vec![
                    vec!["code".to_owned(), format!("{:?}", refusal.code)],
                    vec!["reason".to_owned(), refusal.reason_name.clone()],
                ];
                for (name, value) in &refusal.metadata {
                    fields.push(vec![format!("metadata.{name}"), value.clone()]);
                }
                let table = table::rows(&[Column::Text("field"), Column::Text("value")], fields);
                self.output.line(&table)?;
                self.say(&["", "Nothing was written, and the key \"spend-2\" is still free."])
            }
            Err(error) => Err(error.into()),
            Ok(_) => Err(Failure::Wrong("the service let 1000 be spent from 325".to_owned())),
        }
    }

    /// Waits for the promotion's end on the service's clock, and shows that the balance drops just then.
    pub async fn expiry(&mut self, ends_at: Timestamp) -> Result<(), Failure> {
        self.output
            .line(&format!("No job runs at {ends_at}. The balance just is another one:\n"))?;
        let began = Instant::now();
        let mut shown = None;
        loop {
            let balance = self.balance(None).await?;
            let left = instant::until(present(balance.at, "the balance's at")?, ends_at);
            self.countdown(left, &balance, &mut shown)?;
            if left.is_zero() {
                break;
            }
            if began.elapsed() > PROMOTION_TTL + CLOCK_PATIENCE {
                let problem = "the service's clock stands still: is this its test clock?";
                return Err(Failure::Wrong(problem.to_owned()));
            }
            sleep(left.min(TICK)).await;
        }
        if self.output.is_terminal() {
            self.output.line("")?;
        }
        let before = self.balance(Some(instant::just_before(ends_at))).await?;
        let after = self.balance(Some(ends_at)).await?;
        self.output.line(&format!(
            "\nOne microsecond before its end, at {}, it is {}; at its end it is {}.",
            instant::show(before.at),
            before.balance,
            after.balance
        ))
    }

    /// Spends across two grants. Answers when that was.
    pub async fn spend_after_expiry(&mut self) -> Result<Timestamp, Failure> {
        let answer = self.client.spend(self.request("120", "spend-3")).await?;
        self.drawn(&answer).await?;
        let request = ListEntriesRequest {
            account: self.account.clone(),
            asset: ASSET.to_owned(),
            ..ListEntriesRequest::default()
        };
        let mut entries = pages::list_entries(self.client, request, 0).await?.entries;
        let booked = entries.split_off(entries.len().saturating_sub(2));
        self.say(&[
            "",
            "The expiry is in the ledger now, just before the spend, dated when it was:",
            "",
        ])?;
        self.output.line(&entries::table(&booked))?;
        recorded_at(&answer)
    }

    /// Draws the balance at some instants.
    pub async fn timeline<const N: usize>(&mut self, points: [Point; N]) -> Result<(), Failure> {
        let mut levels = Vec::with_capacity(N);
        for point in points {
            let balance = self.balance(Some(point.at)).await?;
            levels.push(point.level(&balance.balance)?);
        }
        self.output.line(&points::draw(&levels))
    }

    /// Shows the whole ledger.
    pub async fn ledger(&mut self) -> Result<(), Failure> {
        let request = ListEntriesRequest {
            account: self.account.clone(),
            asset: ASSET.to_owned(),
            ..ListEntriesRequest::default()
        };
        let ledger = pages::list_entries(self.client, request, 0).await?;
        self.output.line(&entries::table(&ledger.entries))
    }

    /// What a spend drew, with what decides the order.
    async fn drawn(&mut self, answer: &SpendResponse) -> Result<(), Failure> {
        let transaction = answer.transaction.clone().unwrap_or_default();
        let Some(entry) = transaction.entries.last() else {
            return Err(Failure::Wrong("the service answered a spend without entries".to_owned()));
        };
        let grants = self.grants().await?;
        let columns = [
            Column::Figure("drawn"),
            Column::Figure("from grant"),
            Column::Text("category"),
            Column::Figure("priority"),
            Column::Text("expires at"),
        ];
        let rows = entry.allocations.iter().map(|allocation| {
            let number = allocation.grant_number;
            let grant = grants.iter().find(|grant| grant.number == number);
            let Grant { category, priority, expires_at, .. } = grant.cloned().unwrap_or_default();
            let expires =
                expires_at.map_or_else(|| "never".to_owned(), |at| instant::brief(Some(at)));
            let amount = allocation.amount.clone();
            vec![amount, number.to_string(), category, priority.to_string(), expires]
        });
        let table = table::rows(&columns, rows.collect::<Vec<_>>());
        self.output
            .line(&format!("{} are spent for \"{}\".\n", entry.amount, transaction.operation))?;
        self.output.line(&table)
    }

    fn countdown(
        &mut self,
        left: Duration,
        balance: &Balance,
        shown: &mut Option<u64>,
    ) -> Result<(), Failure> {
        let tenths = left.as_millis() / 100;
        let line = format!(
            "  {}.{} s left, balance {}        ",
            tenths / 10,
            tenths % 10,
            balance.balance
        );
        if self.output.is_terminal() {
            return self.output.over(&line);
        }
        // A file needs no line per tick.
        let second = if left.is_zero() { 0 } else { left.as_secs() + 1 };
        if shown.replace(second) == Some(second) {
            return Ok(());
        }
        self.output.line(line.trim_end())
    }

    fn figures(&mut self, balance: &Balance) -> Result<(), Failure> {
        let columns =
            [Column::Figure("balance"), Column::Figure("available"), Column::Figure("scheduled")];
        let row =
            vec![balance.balance.clone(), balance.available.clone(), balance.scheduled.clone()];
        self.output.line(&table::rows(&columns, [row]))
    }

    fn say(&mut self, lines: &[&str]) -> Result<(), Failure> {
        lines.iter().try_for_each(|line| self.output.line(line))
    }

    fn request(&self, amount: &str, key: &str) -> SpendRequest {
        SpendRequest {
            account: self.account.clone(),
            asset: ASSET.to_owned(),
            amount: amount.to_owned(),
            operation: OPERATION.to_owned(),
            idempotency_key: key.to_owned(),
            reason: "demo".to_owned(),
            ..SpendRequest::default()
        }
    }

    async fn balance(&self, at: Option<Timestamp>) -> Result<Balance, Failure> {
        let request = GetBalanceRequest {
            account: self.account.clone(),
            asset: ASSET.to_owned(),
            at,
            ..GetBalanceRequest::default()
        };
        Ok(self.client.get_balance(request).await?.balance.unwrap_or_default())
    }

    async fn grants(&self) -> Result<Vec<Grant>, Failure> {
        let request = ListGrantsRequest {
            account: self.account.clone(),
            asset: ASSET.to_owned(),
            ..ListGrantsRequest::default()
        };
        Ok(pages::list_grants(self.client, request, 0).await?.grants)
    }
}

fn recorded_at(answer: &SpendResponse) -> Result<Timestamp, Failure> {
    let recorded_at = answer.transaction.as_ref().and_then(|transaction| transaction.recorded_at);
    present(recorded_at, "the transaction's recorded_at")
}

fn present(instant: Option<Timestamp>, what: &str) -> Result<Timestamp, Failure> {
    instant.ok_or_else(|| Failure::Wrong(format!("the service left {what} out of its answer")))
}
