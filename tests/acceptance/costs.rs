//! What calls cost on a large wallet and on a small one: the rows that PostgreSQL reads for them.

use std::collections::BTreeMap;

use prost_types::Timestamp;
use purse_proto::v1::{self, BatchMode};

use crate::{
    deadlocks::all_have_ended,
    fixture::{ASSET, Server, grant, new_database, spend, timestamp},
};

const DAY_SECONDS: i64 = 86_400;
/// Grants of the large wallet, each with an expiry and a funding of its own.
const GRANTS: usize = 800;
const SPENDS: usize = 4_000;
/// What the large wallet may cost more: its grants are read 256 at a time if the first ones do not suffice, and what
/// halves the ledger reads a row more for each time that it has doubled. All grants, or all entries, are far more.
const MORE_ROWS: i64 = 350;

/// The rows that were read so far, by what they were read through.
pub async fn rows_read(url: &str) -> BTreeMap<String, i64> {
    let client = purse_storage::pool::connect(url).await.unwrap();
    all_have_ended(&client).await;
    let query = "
        SELECT indexrelname::TEXT, idx_tup_read
        FROM pg_stat_user_indexes
        UNION ALL
        SELECT relname::TEXT, seq_tup_read
        FROM pg_stat_user_tables";
    let rows = client.query(query, &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get::<_, Option<i64>>(1).unwrap_or_default())).collect()
}

/// A day of each month, so that the middle of the ledger is in the middle of the year.
fn month(month: usize) -> String {
    format!("2026-{:02}-01T00:00:00Z", 1 + month)
}

/// A wallet of so many grants, all open, and so many spends, over some months.
async fn make(server: &Server, account: &str, grants: usize, spends: usize) {
    server.at(&month(0)).await;
    server.open_with_overdraft(account, "100").await;
    let expires_at = |index: usize| Timestamp {
        seconds: timestamp("2030-01-01T00:00:00Z").seconds
            - DAY_SECONDS * i64::try_from(index).unwrap(),
        nanos: 0,
    };
    let requests = (0..grants).map(|index| v1::GrantRequest {
        expires_at: Some(expires_at(index)),
        funding_ref: format!("a rather long name of a charge {index}"),
        idempotency_key: format!("grant {index}"),
        ..grant(account, "10000")
    });
    let (requests, mode) = (requests.collect(), BatchMode::EachOnItsOwn.into());
    let request = v1::BatchGrantRequest { requests, mode };
    server.grants().batch_grant(request).await.unwrap();
    let keys: Vec<usize> = (0..spends).collect();
    for (index, keys) in keys.chunks(spends.div_ceil(5)).enumerate() {
        server.at(&month(1 + index)).await;
        let requests = keys.iter().map(|key| spend(account, "1", &format!("spend {key}")));
        let requests = requests.collect();
        let request = v1::BatchSpendRequest { requests, mode };
        server.wallets().batch_spend(request).await.unwrap();
    }
}

/// So many days after all that the wallets begin with.
fn day(days: i64) -> Timestamp {
    let seconds = timestamp("2026-08-01T00:00:00Z").seconds + days * DAY_SECONDS;
    Timestamp { seconds, nanos: 0 }
}

/// Spends cold, warm, again and late; answers the last one.
async fn spend_from(server: &Server, account: &str) -> v1::Transaction {
    for key in ["cold", "warm", "warm"] {
        server.spend(spend(account, "1", key)).await.unwrap();
    }
    let preview = v1::SpendRequest { validate_only: true, ..spend(account, "1", "preview") };
    server.spend(preview).await.unwrap();
    let late = v1::SpendRequest { occurred_at: Some(day(-1)), ..spend(account, "1", "late") };
    server.spend(late).await.unwrap().transaction.unwrap()
}

/// Reads what is, was, was known and will be, and what was written.
async fn read_of(server: &Server, account: &str, transaction_id: String) {
    let mut wallets = server.wallets();
    let (account, asset) = (account.to_owned(), ASSET.to_owned());
    for (at, known_at) in [
        (None, None),
        (Some(day(1)), None),
        (Some(timestamp(&month(3))), None),
        (Some(timestamp(&month(2))), Some(timestamp(&month(3)))),
    ] {
        let (account, asset) = (account.clone(), asset.clone());
        let request = v1::GetBalanceRequest { account, asset, at, known_at };
        wallets.get_balance(request).await.unwrap();
    }
    let request = v1::GetTimelineRequest {
        account: account.clone(),
        asset: asset.clone(),
        start: Some(timestamp("2026-04-02T00:00:00Z")),
        end: Some(timestamp("2026-04-03T00:00:00Z")),
        ..Default::default()
    };
    wallets.get_timeline(request).await.unwrap();
    let request = v1::ListEntriesRequest {
        account: account.clone(),
        asset: asset.clone(),
        order: v1::EntryOrder::NewestFirst.into(),
        page_size: 3,
        ..Default::default()
    };
    wallets.list_entries(request).await.unwrap();
    let request = v1::ListGrantsRequest {
        account: account.clone(),
        asset: asset.clone(),
        page_size: 3,
        ..Default::default()
    };
    server.grants().list_grants(request).await.unwrap();
    let request = v1::GetTransactionRequest { account, asset, transaction_id };
    wallets.get_transaction(request).await.unwrap();
}

/// Reverses a spend, holds, captures and captures again, and transfers.
async fn move_about(server: &Server, account: &str, transaction_id: String) {
    let mut wallets = server.wallets();
    let (account, asset) = (account.to_owned(), ASSET.to_owned());
    let request = v1::ReverseSpendRequest {
        account: account.clone(),
        asset: asset.clone(),
        transaction_id,
        idempotency_key: "reverse".to_owned(),
        ..Default::default()
    };
    wallets.reverse_spend(request).await.unwrap();
    let request = v1::CreateHoldRequest {
        account: account.clone(),
        asset: asset.clone(),
        amount: "5".to_owned(),
        expires_at: Some(day(1)),
        idempotency_key: "hold".to_owned(),
        ..Default::default()
    };
    wallets.create_hold(request).await.unwrap();
    let request = v1::CaptureHoldRequest {
        account: account.clone(),
        asset: asset.clone(),
        hold_number: 1,
        amount: "3".to_owned(),
        idempotency_key: "capture".to_owned(),
        ..Default::default()
    };
    for _ in 0..2 {
        wallets.capture_hold(request.clone()).await.unwrap();
    }
    let request = v1::TransferRequest {
        account,
        asset,
        to_account: "receiver".to_owned(),
        amount: "3".to_owned(),
        idempotency_key: "transfer".to_owned(),
        ..Default::default()
    };
    wallets.transfer(request).await.unwrap();
}

/// Grants, changes the expiry and revokes the funding.
async fn fund(server: &Server, account: &str) {
    let mut grants = server.grants();
    let (asset, expires_at) = (ASSET.to_owned(), Some(day(2)));
    let request =
        v1::GrantRequest { funding_ref: "charge".to_owned(), expires_at, ..grant(account, "7") };
    let made = grants.grant(request).await.unwrap().into_inner().grant.unwrap();
    let request = v1::ChangeGrantExpiryRequest {
        account: account.to_owned(),
        asset: asset.clone(),
        grant_number: made.number,
        expires_at: Some(day(3)),
        idempotency_key: "expiry".to_owned(),
        ..Default::default()
    };
    grants.change_grant_expiry(request).await.unwrap();
    let request = v1::RevokeFundingRequest {
        account: account.to_owned(),
        asset,
        funding_ref: "charge".to_owned(),
        cumulative_amount: "2".to_owned(),
        idempotency_key: "revoke".to_owned(),
        ..Default::default()
    };
    grants.revoke_funding(request).await.unwrap();
}

/// Asks for everything once whose cost must not depend on the wallet.
async fn ask_for_everything(server: &Server, account: &str) {
    server.at("2026-08-01T00:00:00Z").await;
    let late = spend_from(server, account).await;
    read_of(server, account, late.transaction_id.clone()).await;
    move_about(server, account, late.transaction_id).await;
    fund(server, account).await;
    // The deadline of the hold has come, and then the end of the last grant.
    server.at("2026-08-03T00:00:00Z").await;
    assert_eq!(server.sweep(0).await.wallets, 1);
    server.at("2026-08-10T00:00:00Z").await;
    server.balance(account).await;
    server.spend(spend(account, "1", "settling")).await.unwrap();
}

/// The tables whose rows are found by their wallets.
const TABLES: [&str; 5] = ["wallets", "grants", "transactions", "entries", "holds"];

async fn assert_costs_are_alike(statistics: &str) {
    let url = new_database().await;
    let server = Server::start_on(url.clone()).await;
    make(&server, "small", 5, 5).await;
    make(&server, "large", GRANTS, SPENDS).await;
    server.open("receiver").await;
    server.sql().await.batch_execute(statistics).await.unwrap();
    server.node.stop().await;

    let mut read = Vec::new();
    for account in ["small", "large"] {
        let before = rows_read(&url).await;
        let server = Server::start_on(url.clone()).await;
        ask_for_everything(&server, account).await;
        server.node.stop().await;
        let rows = rows_read(&url).await.into_iter();
        let rows = rows.map(|(through, rows)| (through.clone(), rows - before[&through]));
        read.push(rows.collect::<BTreeMap<String, i64>>());
    }
    let too_many: Vec<_> = read[1]
        .iter()
        .filter(|(through, rows)| **rows > read[0][*through] + MORE_ROWS)
        .map(|(through, rows)| format!("{through}: {rows}, of the small one {}", read[0][through]))
        .collect();
    assert!(too_many.is_empty(), "rows read of the large wallet: {too_many:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_wallet_costs_what_a_small_one_does_if_nothing_is_known_of_the_tables() {
    assert_costs_are_alike("SELECT 1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_wallet_costs_what_a_small_one_does_if_the_tables_are_analyzed() {
    assert_costs_are_alike("ANALYZE").await;
}

/// Where nearly all wallets have a grant or two and an entry or two, PostgreSQL expects no more of any.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_wallet_costs_what_a_small_one_does_if_nearly_all_others_are_tiny() {
    let tiny = TABLES.map(|table| {
        format!(
            "ALTER TABLE {table} ALTER COLUMN account_id SET (n_distinct = -0.5);
             ALTER TABLE {table} ALTER COLUMN wallet_id SET (n_distinct = -0.5);"
        )
    });
    assert_costs_are_alike(&format!("{} ANALYZE", tiny.concat())).await;
}

/// The sweeper's index holds when wallets are due next. A spend leaves that as it is.
#[tokio::test(flavor = "multi_thread")]
async fn spends_update_wallets_and_grants_without_their_indexes() {
    const WALLETS: usize = 8;
    const SPENDS: usize = 40;
    let url = new_database().await;
    let server = Server::start_on(url.clone()).await;
    server.at("2026-01-01T00:00:00Z").await;
    for wallet in 0..WALLETS {
        let account = format!("org:{wallet}");
        server.open(&account).await;
        server.fund_until(&account, "1000", "2026-02-01T00:00:00Z").await;
        server.fund_until(&account, "1000", "2026-03-01T00:00:00Z").await;
    }
    server.node.stop().await;
    let before = updates(&url).await;
    let server = Server::start_on(url.clone()).await;
    server.at("2026-01-02T00:00:00Z").await;
    for spent in 0..SPENDS {
        for wallet in 0..WALLETS {
            server.spend(spend(&format!("org:{wallet}"), "1", &format!("{spent}"))).await.unwrap();
        }
    }
    server.node.stop().await;
    let after = updates(&url).await;
    for (table, (all, hot)) in after {
        let (all, hot) = (all - before[&table].0, hot - before[&table].1);
        let expected = i64::try_from(WALLETS * SPENDS).unwrap();
        assert_eq!(all, expected, "{table}");
        // Now and then a page is full.
        assert!(hot * 10 >= all * 9, "{hot} of {all} updates of {table} touched no index");
    }
}

/// How many updates of wallets and of grants there were, and how many of these touched no index.
async fn updates(url: &str) -> BTreeMap<String, (i64, i64)> {
    let client = purse_storage::pool::connect(url).await.unwrap();
    all_have_ended(&client).await;
    let query = "
        SELECT relname::TEXT, n_tup_upd, n_tup_hot_upd
        FROM pg_stat_user_tables
        WHERE relname IN ('wallets', 'grants')";
    let rows = client.query(query, &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect()
}
