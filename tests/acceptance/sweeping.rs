//! The sweeper: what time did to wallets that nobody touches is booked once, and told, whoever sweeps.

use std::{sync::Arc, time::Duration};

use prost_types::Duration as Lead;
use purse_proto::{
    testing::v1::{SetTimeRequest, test_clock_service_client::TestClockServiceClient},
    v1::{self, SweepWalletsRequest, SweepWalletsResponse},
};
use purse_tests::{AsOf, DomainDriver, Driver as _, GrpcDriver, WalletRef};
use tonic::{Code, Status};

use crate::{
    credentials,
    fixture::{
        ACCOUNT, ASSET, PATIENCE, Server, at_once, blamed, grant, new_database, refusal, spend,
        timestamp, unique, with_token,
    },
    random_wallet::{Dice, HOUR, play, undated},
};

const DAY: i64 = 86_400;
/// How often servers of these tests sweep.
const INTERVAL: Duration = Duration::from_millis(20);

impl Server {
    pub async fn sweep(&self, max_wallets: i32) -> SweepWalletsResponse {
        let request = SweepWalletsRequest { max_wallets, ..Default::default() };
        self.wallets().sweep_wallets(request).await.unwrap().into_inner()
    }

    async fn sweep_one(&self, account: &str) -> Result<SweepWalletsResponse, Status> {
        let request = SweepWalletsRequest {
            account: account.to_owned(),
            asset: ASSET.to_owned(),
            max_wallets: 0,
        };
        Ok(self.wallets().sweep_wallets(request).await?.into_inner())
    }

    /// Opens a wallet whose grants are announced so many days before they end.
    pub async fn open_announcing(&self, account: &str, days: &[i64]) {
        let leads = days.iter().map(|days| Lead { seconds: days * DAY, nanos: 0 });
        let request = v1::CreateWalletRequest {
            account: account.to_owned(),
            asset: ASSET.to_owned(),
            expiring_soon_leads: leads.collect(),
            idempotency_key: format!("open {account}"),
            ..Default::default()
        };
        self.wallets().create_wallet(request).await.unwrap();
    }

    pub async fn fund_until(&self, account: &str, amount: &str, until: &str) {
        let request =
            v1::GrantRequest { expires_at: Some(timestamp(until)), ..grant(account, amount) };
        self.grants().grant(request).await.unwrap();
    }

    /// What a query over the whole database counts.
    pub async fn count(&self, sql: &str) -> i64 {
        self.sql().await.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// Waits until a query over the whole database counts nothing any more.
    pub async fn wait_for_none(&self, sql: &str) {
        let wait = async {
            while self.count(sql).await > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE * 4, wait).await.expect("none");
    }

    /// A figure of its sweeper, by its metrics.
    async fn sweeper(&self, figure: &str) -> u64 {
        let text = self.metrics().await;
        let name = format!("purse_sweeper_{figure}");
        let line = text.lines().find(|line| line.starts_with(&name));
        line.and_then(|line| line.rsplit(' ').next()).map_or(0, |count| count.parse().unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_sweep_what_is_due_once_while_others_spend() {
    const IDLE: usize = 2_000;
    const BUSY: usize = 16;
    const SPENDS: usize = 40;
    let first = Arc::new(Server::start_sweeping(new_database().await, INTERVAL).await);
    let second = Arc::new(Server::start_sweeping(first.url.clone(), INTERVAL).await);
    for server in [&first, &second] {
        server.at("2100-01-01T00:00:00Z").await;
    }
    let idle = |number| format!("idle:{number}");
    let busy = |number| format!("busy:{number}");
    let openers = 40;
    at_once(openers, |opener| {
        let server = Arc::clone(&first);
        async move {
            for number in (opener..IDLE).step_by(openers) {
                server.open_announcing(&idle(number), &[1]).await;
                server.fund_until(&idle(number), "10", "2100-02-01T00:00:00Z").await;
            }
            for number in (opener..BUSY).step_by(openers) {
                server.open_announcing(&busy(number), &[1]).await;
                server.fund_until(&busy(number), "10", "2100-02-01T00:00:00Z").await;
                server.fund(&busy(number), "1000").await;
            }
        }
    })
    .await;
    assert_eq!(first.count("SELECT count(*) FROM events").await, 0);

    let spenders = tokio::spawn({
        let servers = [Arc::clone(&first), Arc::clone(&second)];
        async move {
            at_once(BUSY, |number| {
                let server = Arc::clone(&servers[number % 2]);
                async move {
                    for spent in 0..SPENDS {
                        let request = spend(&busy(number), "1", &format!("{number} {spent}"));
                        server.spend(request).await.unwrap();
                    }
                }
            })
            .await;
        }
    });
    for server in [&first, &second] {
        server.at("2100-02-02T00:00:00Z").await;
    }
    first
        .wait_for_none("SELECT count(*) FROM wallets WHERE next_due_at <= '2100-02-02T00:00:00Z'")
        .await;
    spenders.await.unwrap();

    let twice = "SELECT count(*) FROM (
        SELECT 1 FROM events GROUP BY account_id, wallet_id, kind, data HAVING count(*) > 1
    ) AS t";
    assert_eq!(first.count(twice).await, 0);
    let of_idle = "FROM events AS e JOIN wallets AS w USING (account_id, wallet_id)
        WHERE w.account LIKE 'idle:%'";
    let told = i64::try_from(IDLE).unwrap();
    // Announced, and depleted.
    assert_eq!(first.count(&format!("SELECT count(*) {of_idle}")).await, 2 * told);
    let by_kind = format!(
        "SELECT count(*) FROM (SELECT 1 {of_idle} GROUP BY e.kind HAVING count(*) = {told}) AS t"
    );
    assert_eq!(first.count(&by_kind).await, 2);
    let booked = "SELECT count(*) FROM entries AS e JOIN wallets AS w USING (account_id, wallet_id)
        WHERE w.account LIKE 'idle:%' AND e.transaction_id IS NULL";
    assert_eq!(first.count(booked).await, told, "each expiry once");
    let left = "SELECT count(*) FROM wallets
        WHERE account LIKE 'idle:%' AND (available > 0 OR next_due_at IS NOT NULL)";
    assert_eq!(first.count(left).await, 0);

    let swept = [first.sweeper("wallets_total").await, second.sweeper("wallets_total").await];
    assert!(swept.iter().all(|swept| *swept > 0), "both do a part of it: {swept:?}");
    assert!(swept.iter().sum::<u64>() <= (IDLE + BUSY) as u64, "none is settled twice: {swept:?}");
    let twice = "SELECT count(*) FROM (
        SELECT 1 FROM entries WHERE transaction_id IS NULL
        GROUP BY account_id, wallet_id HAVING count(*) > 1
    ) AS t";
    assert_eq!(first.count(twice).await, 0, "each wallet had one grant that ends");
    at_once(openers, |opener| {
        let server = Arc::clone(&first);
        async move {
            for number in (opener..IDLE).step_by(openers * 10) {
                let answer = server.verify(&idle(number)).await;
                assert!(answer.sound, "{answer:?}");
            }
            for number in (opener..BUSY).step_by(openers) {
                let answer = server.verify(&busy(number)).await;
                assert!(answer.sound, "{answer:?}");
            }
        }
    })
    .await;
}

/// 20 wallets, of which every other has nothing left when the second lead comes.
#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_announced_once_for_each_lead_whoever_sweeps_and_restarts() {
    const DUE: &str = "SELECT count(*) FROM wallets WHERE next_due_at <=";
    let mut first = Server::start_sweeping(new_database().await, INTERVAL).await;
    let second = Server::start_sweeping(first.url.clone(), INTERVAL).await;
    for server in [&first, &second] {
        server.at("2100-01-01T00:00:00Z").await;
    }
    let accounts: Vec<String> = (0..20).map(|number| format!("org:{number}")).collect();
    for account in &accounts {
        first.open_announcing(account, &[7, 1]).await;
        first.fund_until(account, "10", "2100-02-01T00:00:00Z").await;
        first.fund_until(account, "5", "2100-02-01T00:00:00Z").await;
    }
    for instant in [
        "2100-01-24T23:59:59.999999Z",
        "2100-01-25T00:00:00Z",
        "2100-01-30T00:00:00Z",
        "2100-01-31T00:00:00Z",
        "2100-01-31T12:00:00Z",
        "2100-02-01T00:00:00Z",
    ] {
        for server in [&first, &second] {
            server.at(instant).await;
        }
        second.wait_for_none(&format!("{DUE} '{instant}'")).await;
        if instant == "2100-01-30T00:00:00Z" {
            for account in accounts.iter().step_by(2) {
                second.spend(spend(account, "15", "all of it")).await.unwrap();
            }
        }
        // Its clock begins long before.
        let url = first.url.clone();
        first.node.stop().await;
        first = Server::start_sweeping(url, INTERVAL).await;
        first.at(instant).await;
    }
    let told = first
        .sql()
        .await
        .query(
            "SELECT w.account, (e.effective_at AT TIME ZONE 'UTC')::TEXT, e.data->>'grant_number',
                 count(*)
             FROM events AS e JOIN wallets AS w USING (account_id, wallet_id)
             WHERE e.data->>'lead_micros' IS NOT NULL
             GROUP BY 1, 2, 3
             ORDER BY 1, 2, 3",
            &[],
        )
        .await
        .unwrap();
    let count = |account: &str, instant: &str| -> i64 {
        let rows = told.iter().filter(|row| {
            row.get::<_, &str>(0) == account && row.get::<_, &str>(1).starts_with(instant)
        });
        rows.map(|row| row.get::<_, i64>(3)).sum()
    };
    for (number, account) in accounts.iter().enumerate() {
        assert_eq!(count(account, "2100-01-25 00:00:00"), 2, "a week before, {account}");
        let left = if number % 2 == 0 { 0 } else { 2 };
        assert_eq!(count(account, "2100-01-31 00:00:00"), left, "a day before, {account}");
        assert!(first.verify(account).await.sound);
    }
    let all: i64 = told.iter().map(|row| row.get::<_, i64>(3)).sum();
    assert_eq!(all, 20 * 2 + 10 * 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_books_what_the_next_write_would_have_booked() {
    let server = Server::start().await;
    server.at("2026-01-01T00:00:00Z").await;
    for account in ["swept", "touched"] {
        server.open_announcing(account, &[7, 1]).await;
        server.fund_until(account, "10", "2026-02-01T00:00:00Z").await;
        server.fund_until(account, "20", "2026-02-10T00:00:00Z").await;
        let later = v1::GrantRequest {
            effective_at: Some(timestamp("2026-02-05T00:00:00Z")),
            ..grant(account, "40")
        };
        server.grants().grant(later).await.unwrap();
        let hold = v1::CreateHoldRequest {
            account: account.to_owned(),
            asset: ASSET.to_owned(),
            amount: "5".to_owned(),
            expires_at: Some(timestamp("2026-02-03T00:00:00Z")),
            idempotency_key: "hold".to_owned(),
            ..Default::default()
        };
        server.wallets().create_hold(hold).await.unwrap();
    }
    for day in ["2026-01-25", "2026-01-31", "2026-02-02", "2026-02-03", "2026-02-07"] {
        server.at(&format!("{day}T12:00:00Z")).await;
        server.sweep_one("swept").await.unwrap();
    }
    for account in ["swept", "touched"] {
        server.spend(spend(account, "1", "touch")).await.unwrap();
    }
    // All columns but the wallet's name, when it was written, by whom and what follows from that.
    let columns =
        "e.sequence, e.effective_at, e.kind, e.amount, e.balance_before, e.available_after,
        e.held_after, e.debt_after, e.scheduled_after, e.grant_numbers, e.grant_amounts,
        e.hold_number, e.transaction_id IS NULL";
    let differences = format!(
        "SELECT count(*) FROM (
            (SELECT {columns} FROM entries AS e JOIN wallets AS w USING (account_id, wallet_id)
             WHERE w.account = 'swept')
            EXCEPT
            (SELECT {columns} FROM entries AS e JOIN wallets AS w USING (account_id, wallet_id)
             WHERE w.account = 'touched')
        ) AS d"
    );
    assert_eq!(server.count(&differences).await, 0);
    let events = differences
        .replace("FROM entries", "FROM events")
        .replace(columns, "e.event_sequence, e.kind, e.effective_at, e.entry_sequence, e.data");
    assert_eq!(server.count(&events).await, 0);
    // A week and a day before the first end, a week before the second.
    assert_eq!(server.rows("events").await, 2 * 3);
    for account in ["swept", "touched"] {
        let answer = server.verify(account).await;
        assert!(answer.sound, "{answer:?}");
    }
}

/// Scenario 18: the same weeks of two wallets, one on a server that sweeps all the time, the other on one that never
/// does. Each balance that is asked for on the way and each one that is asked for afterwards is the same, and so are
/// the ledgers.
#[tokio::test(flavor = "multi_thread")]
async fn balances_and_ledgers_are_the_same_with_a_sweeper_and_without() {
    const ENDS: i64 = 12;
    let swept = Server::start_sweeping(new_database().await, Duration::from_millis(1)).await;
    let unswept = Server::start().await;
    for seed in [51, 52] {
        let wallet = WalletRef { account: format!("seed {seed}"), asset: ASSET.to_owned() };
        let mut ledgers = Vec::new();
        let mut served = Vec::new();
        for (server, sweeps) in [(&swept, true), (&unswept, false)] {
            let mut remote = GrpcDriver::new(server.channel.clone());
            let mut domain = DomainDriver::new();
            let asked = play(&mut Dice::new(seed), &wallet, &mut remote, &mut domain).await;
            let mut balances = Vec::new();
            let mut now = *asked.last().unwrap();
            // Ends to come, so that the sweeper has something to come first for.
            for step in 1..=ENDS {
                let until = now.plus_micros(step * 6 * HOUR).to_string();
                server.fund_until(&wallet.account, "1", &until).await;
            }
            for _ in 0..60 {
                now = now.plus_micros(6 * HOUR);
                remote.set_time(now).await.unwrap();
                if sweeps {
                    let due = format!("SELECT count(*) FROM wallets WHERE next_due_at <= '{now}'");
                    server.wait_for_none(&due).await;
                }
                balances.push(remote.balance(&wallet, AsOf::default()).await.unwrap());
            }
            // A write, so that both have booked all.
            remote.sweep(&wallet).await.unwrap();
            let mut at = asked[0].plus_micros(-HOUR);
            while at < now {
                let as_of = AsOf { at: Some(at), known_at: None };
                balances.push(remote.balance(&wallet, as_of).await.unwrap());
                at = at.plus_micros(HOUR);
            }
            remote.verify(&wallet).await.unwrap();
            served.push(balances);
            let grants = remote.grants(&wallet).await.unwrap();
            ledgers.push((undated(&mut remote, &wallet).await, grants));
        }
        assert_eq!(served[0], served[1], "seed {seed}");
        assert_eq!(ledgers[0], ledgers[1], "seed {seed}");
    }
    let first = swept.sweeper("wallets_total").await;
    // Of what is owed, some of it repays.
    assert!(first >= u64::try_from(ENDS).unwrap(), "the sweeper came first {first} times");
}

#[tokio::test]
async fn nothing_due_writes_nothing_and_what_came_to_nothing_is_not_due_again() {
    let server = Server::start().await;
    server.at("2026-01-01T00:00:00Z").await;
    server.open(ACCOUNT).await;
    server.fund_until(ACCOUNT, "10", "2026-02-01T00:00:00Z").await;
    let row = "SELECT to_jsonb(w)::TEXT FROM wallets AS w";
    let read = async || -> String { server.sql().await.query_one(row, &[]).await.unwrap().get(0) };
    let before = read().await;
    assert_eq!(server.sweep(0).await, SweepWalletsResponse::default());
    assert_eq!(server.sweep_one(ACCOUNT).await.unwrap(), SweepWalletsResponse::default());
    assert_eq!(read().await, before);

    // Used up, so its end brings nothing; the row does not know that before.
    server.spend(spend(ACCOUNT, "10", "k")).await.unwrap();
    server.at("2026-02-01T00:00:00Z").await;
    let rows = ["entries", "events", "transactions"];
    let mut counts = Vec::new();
    for table in rows {
        counts.push(server.rows(table).await);
    }
    let swept = SweepWalletsResponse { wallets: 1, ..Default::default() };
    assert_eq!(server.sweep(0).await, swept);
    assert_eq!(server.sweep(0).await, SweepWalletsResponse::default());
    for (table, count) in rows.into_iter().zip(counts) {
        assert_eq!(server.rows(table).await, count, "{table}");
    }
    assert!(server.verify(ACCOUNT).await.sound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_is_bounded_and_says_what_is_left() {
    let server = Server::start().await;
    server.at("2026-01-01T00:00:00Z").await;
    for number in 0..7 {
        let account = format!("org:{number}");
        server.open(&account).await;
        server.fund_until(&account, "10", "2026-02-01T00:00:00Z").await;
    }
    server.at("2026-02-01T00:00:00Z").await;
    let swept = server.sweep(3).await;
    assert_eq!((swept.wallets, swept.entries, swept.due), (3, 3, 4));
    // The rest of it is depleted too.
    assert_eq!(
        server.sweep(0).await,
        SweepWalletsResponse { wallets: 4, entries: 4, events: 4, failed: 0, due: 0 }
    );
}

#[tokio::test]
async fn a_wallet_that_cannot_be_settled_stops_no_other() {
    let server = Server::start().await;
    server.at("2026-01-01T00:00:00Z").await;
    for account in ["broken", "sound"] {
        server.open(account).await;
        server.fund_until(account, "10", "2026-02-01T00:00:00Z").await;
    }
    break_wallet(&server).await;
    server.at("2026-02-01T00:00:00Z").await;
    let swept = server.sweep(0).await;
    assert_eq!((swept.wallets, swept.failed, swept.due), (1, 1, 1));
    assert_eq!(server.balance("sound").await, "0");
    let status = server.sweep_one("broken").await.unwrap_err();
    assert_eq!(status.code(), Code::Internal, "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweeper_that_cannot_settle_a_wallet_goes_on_and_does_not_try_it_all_the_time() {
    let server = Server::start_sweeping(new_database().await, INTERVAL).await;
    server.at("2100-01-01T00:00:00Z").await;
    for account in ["broken", "sound"] {
        server.open(account).await;
        server.fund_until(account, "10", "2100-02-01T00:00:00Z").await;
    }
    break_wallet(&server).await;
    server.at("2100-02-01T00:00:00Z").await;
    let due = "SELECT count(*) FROM wallets WHERE next_due_at IS NOT NULL AND account = 'sound'";
    server.wait_for_none(due).await;
    let rounds = server.sweeper("round_duration_seconds_count").await;
    let some_more = async {
        while server.sweeper("round_duration_seconds_count").await < rounds + 10 {
            tokio::time::sleep(INTERVAL).await;
        }
    };
    tokio::time::timeout(PATIENCE, some_more).await.expect("rounds");
    assert_eq!(server.sweeper("failures_total").await, 1);
    assert_eq!(server.sweeper("wallets_total").await, 1);
}

/// Makes a wallet one that cannot be written to: there is an entry of the number that comes next.
async fn break_wallet(server: &Server) {
    let planted = "INSERT INTO entries
        SELECT (jsonb_populate_record(e, '{\"sequence\": 2}')).*
        FROM entries AS e JOIN wallets AS w USING (account_id, wallet_id)
        WHERE w.account = 'broken'";
    assert_eq!(server.sql().await.execute(planted, &[]).await.unwrap(), 1);
}

#[tokio::test]
async fn sweeping_by_hand_is_for_admins_and_keeps_to_their_namespace() {
    let server = credentials::server().await;
    let at = async |instant: &str| {
        let time = with_token(SetTimeRequest { now: Some(timestamp(instant)) }, "umbrella-admin");
        TestClockServiceClient::new(server.channel.clone()).set_time(time).await.unwrap();
    };
    at("2026-01-01T00:00:00Z").await;
    for admin in ["acme-admin", "umbrella-admin"] {
        let open = v1::CreateWalletRequest {
            account: ACCOUNT.to_owned(),
            asset: ASSET.to_owned(),
            idempotency_key: "open".to_owned(),
            ..Default::default()
        };
        server.wallets().create_wallet(with_token(open, admin)).await.unwrap();
        let until = Some(timestamp("2026-02-01T00:00:00Z"));
        let fund = v1::GrantRequest { expires_at: until, ..grant(ACCOUNT, "10") };
        server.grants().grant(with_token(fund, admin)).await.unwrap();
    }
    at("2026-02-01T00:00:00Z").await;
    let all = SweepWalletsRequest::default();
    for token in ["acme-reader", "acme-spender", "acme-granter"] {
        let request = with_token(all.clone(), token);
        let status = server.wallets().sweep_wallets(request).await.unwrap_err();
        assert_eq!(refusal(&status), (Code::PermissionDenied, "ROLE_MISSING".to_owned()));
    }
    let request = with_token(all, "acme-admin");
    let swept = server.wallets().sweep_wallets(request).await.unwrap().into_inner();
    assert_eq!((swept.wallets, swept.due), (1, 0));
    let due = "SELECT count(*) FROM wallets WHERE next_due_at IS NOT NULL";
    assert_eq!(server.count(due).await, 1, "the other namespace's");
}

#[tokio::test]
async fn what_is_wrong_with_a_sweep_is_said() {
    let server = Server::start().await;
    server.at("2026-01-01T00:00:00Z").await;
    let sweep = async |account: &str, asset: &str, max_wallets| {
        let (account, asset) = (account.to_owned(), asset.to_owned());
        let request = SweepWalletsRequest { account, asset, max_wallets };
        server.wallets().sweep_wallets(request).await.unwrap_err()
    };
    assert_eq!(blamed(&sweep("", "", -1).await), ["max_wallets"]);
    assert_eq!(blamed(&sweep(ACCOUNT, "", 0).await), ["asset"]);
    assert_eq!(blamed(&sweep("", ASSET, 0).await), ["account"]);
    let status = sweep("nobody", ASSET, 0).await;
    assert_eq!(refusal(&status), (Code::NotFound, "WALLET_NOT_FOUND".to_owned()));
}

/// A closed wallet's row may still say that something is due.
#[tokio::test]
async fn frozen_and_closed_wallets_are_settled_too() {
    let server = Server::start().await;
    server.at("2026-01-01T00:00:00Z").await;
    for account in ["frozen", "closed"] {
        server.open(account).await;
        server.fund_until(account, "10", "2026-02-01T00:00:00Z").await;
    }
    let (account, asset) = ("frozen".to_owned(), ASSET.to_owned());
    let key = format!("{}", unique());
    let freeze =
        v1::FreezeWalletRequest { account, asset, idempotency_key: key, ..Default::default() };
    server.wallets().freeze_wallet(freeze).await.unwrap();
    let (account, asset) = ("closed".to_owned(), ASSET.to_owned());
    let rest = v1::ClosingRest::Void.into();
    let key = format!("{}", unique());
    let close =
        v1::CloseWalletRequest { account, asset, rest, idempotency_key: key, ..Default::default() };
    server.wallets().close_wallet(close).await.unwrap();
    server.at("2026-02-01T00:00:00Z").await;
    let swept = server.sweep(0).await;
    assert_eq!((swept.wallets, swept.entries, swept.due), (2, 1, 0));
    for account in ["frozen", "closed"] {
        assert!(server.verify(account).await.sound, "{account}");
    }
}
