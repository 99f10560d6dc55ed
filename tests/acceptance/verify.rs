//! A verification finds whatever was changed by hand, and names the first entry that is wrong.

use purse_proto::v1::{
    ChangeGrantExpiryRequest, CreateHoldRequest, CreateWalletRequest, TransferRequest,
};

use crate::fixture::{ACCOUNT, ASSET, Server, grant, spend, timestamp};

/// A wallet with entries of many kinds: grants, spends, debt that was repaid and debt that was not, a hold,
/// an expiry, a change of one.
async fn lived_in() -> Server {
    let server = Server::start().await;
    server.at("2126-01-01T00:00:00Z").await;
    let open = CreateWalletRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        overdraft_limit: "100".to_owned(),
        low_balance_thresholds: vec!["70".to_owned()],
        idempotency_key: "open".to_owned(),
        ..Default::default()
    };
    server.wallets().create_wallet(open).await.unwrap();
    server.spend(spend(ACCOUNT, "30", "on credit")).await.unwrap();
    let short = purse_proto::v1::GrantRequest {
        expires_at: Some(timestamp("2126-01-02T00:00:00Z")),
        ..grant(ACCOUNT, "50")
    };
    server.grants().grant(short).await.unwrap();
    server.fund(ACCOUNT, "100").await;
    let hold = CreateHoldRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        amount: "40".to_owned(),
        expires_at: Some(timestamp("2126-01-03T00:00:00Z")),
        idempotency_key: "hold".to_owned(),
        ..Default::default()
    };
    server.wallets().create_hold(hold).await.unwrap();
    server.at("2126-01-02T12:00:00Z").await;
    server.spend(spend(ACCOUNT, "120", "on credit again")).await.unwrap();
    let change = ChangeGrantExpiryRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        grant_number: 2,
        expires_at: Some(timestamp("2126-02-01T00:00:00Z")),
        idempotency_key: "change".to_owned(),
        ..Default::default()
    };
    server.grants().change_grant_expiry(change).await.unwrap();
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_that_nobody_touched_is_sound() {
    let server = lived_in().await;
    let found = server.verify(ACCOUNT).await;
    assert!(found.sound, "{found:?}");
    assert_eq!((found.grants, found.holds), (2, 1));
    assert_eq!(found.entries, server.rows("entries").await);
    assert_eq!(server.rows("events").await, 2);
}

/// Changes of events. The second one is that the wallet was depleted, by the last entry.
const OF_EVENTS: [(&str, &str, i64); 5] = [
    (
        "UPDATE events SET data = jsonb_set(data, '{balance_after}', '\"0\"')",
        "UPDATE events SET data = kept_events.data FROM kept_events
         WHERE events.event_sequence = kept_events.event_sequence",
        0,
    ),
    (
        "DELETE FROM events WHERE event_sequence = 2",
        "INSERT INTO events SELECT * FROM kept_events WHERE event_sequence = 2",
        0,
    ),
    (
        "INSERT INTO events
         SELECT account_id, wallet_id, 3, namespace_id, kind, entry_sequence, transaction_id,
             effective_at, recorded_at, data, stream_xid
         FROM kept_events WHERE event_sequence = 2",
        "DELETE FROM events WHERE event_sequence = 3",
        0,
    ),
    (
        "UPDATE wallets SET last_event = last_event + 1",
        "UPDATE wallets SET last_event = last_event - 1",
        0,
    ),
    ("UPDATE wallets SET lows = 0", "UPDATE wallets SET lows = 3", 0),
];

/// What is changed by hand, the way back, and the first entry that is wrong between; 0: none is.
const CHANGES: [(&str, &str, i64); 17] = [
    (
        "UPDATE grants SET expires_at = '2126-03-01' WHERE grant_number = 2",
        "UPDATE grants SET expires_at = '2126-02-01' WHERE grant_number = 2",
        0,
    ),
    (
        "UPDATE grants SET granted_expires_at = '2126-03-01' WHERE grant_number = 2",
        "UPDATE grants SET granted_expires_at = 'infinity' WHERE grant_number = 2",
        4,
    ),
    (
        "UPDATE entries SET expires_at_after = '2126-03-01' WHERE kind = 17",
        "UPDATE entries SET expires_at_after = '2126-02-01' WHERE kind = 17",
        7,
    ),
    (
        "UPDATE entries SET hash = NULL WHERE sequence = 4",
        "UPDATE entries SET hash = kept.hash FROM kept
         WHERE entries.sequence = 4 AND kept.sequence = 4",
        4,
    ),
    (
        "UPDATE transactions SET idempotency_key = 'another' WHERE idempotency_key = 'hold'",
        "UPDATE transactions SET idempotency_key = 'hold' WHERE idempotency_key = 'another'",
        5,
    ),
    (
        "UPDATE wallets SET last_hash = sha256('')",
        "UPDATE wallets SET last_hash = kept.hash FROM kept WHERE kept.sequence = last_sequence",
        0,
    ),
    (
        "UPDATE grants SET expires_at = expires_at + INTERVAL '1 day' WHERE grant_number = 1",
        "UPDATE grants SET expires_at = expires_at - INTERVAL '1 day' WHERE grant_number = 1",
        2,
    ),
    (
        "UPDATE entries SET amount = amount + 1 WHERE sequence = 2",
        "UPDATE entries SET amount = amount - 1 WHERE sequence = 2",
        2,
    ),
    (
        "UPDATE entries SET available_after = available_after + 1 WHERE sequence = 2",
        "UPDATE entries SET available_after = available_after - 1 WHERE sequence = 2",
        2,
    ),
    (
        "UPDATE entries SET grant_numbers = '{2}' WHERE sequence = 3",
        "UPDATE entries SET grant_numbers = '{1}' WHERE sequence = 3",
        3,
    ),
    (
        "UPDATE entries SET effective_at = recorded_at + INTERVAL '1 s' WHERE sequence = 1",
        "UPDATE entries SET effective_at = recorded_at WHERE sequence = 1",
        1,
    ),
    (
        "UPDATE entries SET sequence = 1000 WHERE sequence = 5",
        "UPDATE entries SET sequence = 5 WHERE sequence = 1000",
        6,
    ),
    (
        "UPDATE grants SET consumed = consumed - 1, available = available + 1, open = true
         WHERE grant_number = 2",
        "UPDATE grants SET consumed = consumed + 1, available = available - 1,
             open = (available - 1 > 0 OR held > 0)
         WHERE grant_number = 2",
        0,
    ),
    ("UPDATE wallets SET debt = debt + 1", "UPDATE wallets SET debt = debt - 1", 0),
    ("UPDATE wallets SET next_due_at = NULL", "UPDATE wallets SET next_due_at = '2126-01-03'", 0),
    (
        "UPDATE holds SET slice_grants = '{2}', held = held - 1, released = released + 1",
        "UPDATE holds SET slice_grants = '{1,2}', held = held + 1, released = released - 1",
        0,
    ),
    (
        "UPDATE debts SET owed = owed + 1 WHERE owed > 0",
        "UPDATE debts SET owed = owed - 1 WHERE owed > 0",
        0,
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_changed_by_hand_is_found() {
    let server = lived_in().await;
    let sql = server.sql().await;
    sql.batch_execute(
        "CREATE TABLE kept AS SELECT sequence, hash FROM entries;
         CREATE TABLE kept_events AS SELECT * FROM events;
         ALTER TABLE entries DROP CONSTRAINT entries_are_not_dated_ahead;
         ALTER TABLE holds DROP CONSTRAINT holds_slices_are_pairs",
    )
    .await
    .unwrap();
    for (change, back, first_wrong) in CHANGES.into_iter().chain(OF_EVENTS) {
        assert!(sql.execute(change, &[]).await.unwrap() > 0, "{change}");
        let found = server.verify(ACCOUNT).await;
        assert!(!found.sound, "{change}");
        if first_wrong > 0 {
            assert_eq!(found.entry_sequence, first_wrong, "{change}: {found:?}");
        }
        sql.execute(back, &[]).await.unwrap();
        let found = server.verify(ACCOUNT).await;
        assert!(found.sound, "back from {change}: {found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_whose_other_leg_moved_something_else_is_found() {
    let server = lived_in().await;
    let name = |account: &str| CreateWalletRequest {
        account: account.to_owned(),
        asset: ASSET.to_owned(),
        idempotency_key: "open".to_owned(),
        ..Default::default()
    };
    server.wallets().create_wallet(name("receiver")).await.unwrap();
    server.fund(ACCOUNT, "500").await;
    let transfer = TransferRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        to_account: "receiver".to_owned(),
        amount: "25".to_owned(),
        idempotency_key: "transfer".to_owned(),
        ..Default::default()
    };
    server.wallets().transfer(transfer).await.unwrap();
    assert!(server.verify(ACCOUNT).await.sound);
    let sql = server.sql().await;
    let changed = sql.execute("UPDATE entries SET amount = 24 WHERE kind = 16", &[]).await.unwrap();
    assert_eq!(changed, 1);
    let found = server.verify(ACCOUNT).await;
    assert!(!found.sound);
    let sent = sql.query_one("SELECT sequence FROM entries WHERE kind = 15", &[]).await.unwrap();
    assert_eq!(found.entry_sequence, sent.get::<_, i64>(0));
}

/// As the migration leaves a wallet that had a life before it.
const FROM_BEFORE_EVENTS: &str = "
    DELETE FROM events;
    UPDATE wallets SET events_since = last_sequence, last_event = 0, lows = 0";

#[tokio::test(flavor = "multi_thread")]
async fn entries_from_before_there_were_events_have_none() {
    let server = lived_in().await;
    server.sql().await.batch_execute(FROM_BEFORE_EVENTS).await.unwrap();
    let found = server.verify(ACCOUNT).await;
    assert!(found.sound, "{found:?}");
    // One that did not keep the wallet. It comes back from where nobody was told that it was, and falls again.
    let after = Server::start_on(server.url.clone()).await;
    after.at("2126-01-02T12:00:00Z").await;
    after.fund(ACCOUNT, "150").await;
    assert_eq!(after.rows("events").await, 0);
    after.spend(spend(ACCOUNT, "50", "after it")).await.unwrap();
    assert_eq!(after.rows("events").await, 1);
    let found = after.verify(ACCOUNT).await;
    assert!(found.sound, "{found:?}");
}
