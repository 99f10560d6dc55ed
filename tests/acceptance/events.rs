//! Events: told once each, in each wallet's order, whoever writes and whatever is cut.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use purse_domain::{AccountName, AssetCode, Group, NamespaceId, NamespaceName, WalletName};
use purse_proto::v1::{
    self, Event, WatchEventsRequest, WatchEventsResponse, event::Occurrence,
    event_service_client::EventServiceClient,
};
use purse_server::{
    auth::{Credentials, Role, TokenSettings},
    watch::WatchOptions,
};
use purse_storage::Kept;
use purse_tests::{DomainDriver, Driver as _, GrpcDriver, WalletRef};
use sha2::{Digest as _, Sha256};
use tonic::{Code, Status, Streaming, transport::Channel};

use crate::{
    fixture::{
        ACCOUNT, ASSET, PATIENCE, Server, at_once, blamed, grant, group_on, new_cluster,
        new_database, refusal, spend, spending, timestamp, until_waiting, with_token,
    },
    random_wallet::{Dice, play},
};

impl Server {
    fn events(&self) -> EventServiceClient<Channel> {
        EventServiceClient::new(self.channel.clone())
    }

    /// Opens a wallet whose balance is low below 50, and which may be overdrawn.
    async fn open_with_threshold(&self, account: &str, asset: &str) {
        let request = v1::CreateWalletRequest {
            account: account.to_owned(),
            asset: asset.to_owned(),
            low_balance_thresholds: vec!["50".to_owned()],
            overdraft_limit: "100".to_owned(),
            idempotency_key: format!("open {asset}"),
            ..Default::default()
        };
        self.wallets().create_wallet(request).await.unwrap();
    }

    async fn watch(&self, request: WatchEventsRequest) -> Watch {
        let answer = self.events().watch_events(request).await.unwrap();
        Watch { messages: answer.into_inner(), position: String::new() }
    }

    async fn watch_all(&self, from_position: &str) -> Watch {
        let from_position = from_position.to_owned();
        self.watch(WatchEventsRequest { from_position, ..Default::default() }).await
    }
}

/// An open watch, and where it is.
struct Watch {
    messages: Streaming<WatchEventsResponse>,
    position: String,
}

impl Watch {
    /// The next event; `None`: a heartbeat.
    async fn next(&mut self) -> Result<Option<Event>, Status> {
        let message = tokio::time::timeout(PATIENCE, self.messages.message()).await;
        let message = message.expect("a sign of life")?.expect("a watch ends by an error only");
        self.position = message.position;
        Ok(message.event)
    }

    /// So many events. A watch over several wallets may send a heartbeat before the last of them: other tests
    /// work on the same cluster, and it waits for their transactions too.
    async fn take(&mut self, count: usize) -> Vec<Event> {
        let mut events = Vec::new();
        while events.len() < count {
            events.extend(self.next().await.unwrap());
        }
        events
    }

    /// The events of a wallet, whose watch waits for nobody, up to the heartbeat that says that these are all.
    async fn rest(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await.unwrap() {
            events.push(event);
        }
        events
    }
}

fn of_account(account: &str) -> WatchEventsRequest {
    WatchEventsRequest { account: account.to_owned(), ..Default::default() }
}

fn of_wallet(account: &str, asset: &str) -> WatchEventsRequest {
    WatchEventsRequest { asset: asset.to_owned(), ..of_account(account) }
}

/// The number of each event by its wallet, in the order of telling.
fn by_wallet(events: &[Event]) -> BTreeMap<(String, String), Vec<i64>> {
    let mut told: BTreeMap<_, Vec<i64>> = BTreeMap::new();
    for Event { account, asset, sequence, .. } in events {
        told.entry((account.clone(), asset.clone())).or_default().push(*sequence);
    }
    told
}

/// How many events each wallet has, as the database says.
async fn written(server: &Server) -> BTreeMap<(String, String), i64> {
    let rows = server.sql().await;
    let rows = rows.query("SELECT account, asset, last_event FROM wallets", &[]).await.unwrap();
    rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect()
}

/// Crosses the threshold twice, down and up; with another one at the same time also nothing.
async fn swing(server: &Server, account: &str, turn: usize) {
    server.spend(spend(account, "60", &format!("down {turn}"))).await.unwrap();
    let request =
        v1::GrantRequest { idempotency_key: format!("up {turn}"), ..grant(account, "60") };
    server.grants().grant(request).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_that_is_cut_and_resumes_is_told_each_event_once_while_two_servers_write() {
    const ACCOUNTS: usize = 32;
    const TURNS: usize = 20;
    let one = Arc::new(Server::start().await);
    let other = Arc::new(Server::start_on(one.url.clone()).await);
    for index in 0..ACCOUNTS {
        one.open_with_threshold(&format!("org:{index}"), ASSET).await;
        one.fund(&format!("org:{index}"), "100").await;
    }
    // How many events there are, once that is known.
    let all = Arc::new(AtomicUsize::new(usize::MAX));
    let watcher = {
        let (one, other, all) = (Arc::clone(&one), Arc::clone(&other), Arc::clone(&all));
        tokio::spawn(async move {
            let (mut told, mut position, mut cuts) = (Vec::new(), String::new(), 0);
            while told.len() < all.load(Ordering::SeqCst) {
                let server = if cuts % 2 == 0 { &one } else { &other };
                let mut watch = server.watch_all(&position).await;
                // Cut in the midst of whatever it is telling.
                for _ in 0..=(cuts % 37) {
                    let event = watch.next().await.unwrap();
                    position.clone_from(&watch.position);
                    let Some(event) = event else { break };
                    told.push(event);
                }
                cuts += 1;
            }
            (told, cuts)
        })
    };
    // Both servers write to every wallet.
    at_once(ACCOUNTS * 2, |index| {
        let server = if index % 2 == 0 { Arc::clone(&one) } else { Arc::clone(&other) };
        async move {
            for turn in 0..TURNS {
                swing(&server, &format!("org:{}", index / 2), index % 2 * TURNS + turn).await;
            }
        }
    })
    .await;
    let expected = written(&one).await;
    let count = usize::try_from(expected.values().sum::<i64>()).unwrap();
    all.store(count, Ordering::SeqCst);
    let told = tokio::time::timeout(PATIENCE, watcher).await;
    let (told, cuts) = told.expect("all events to be told").unwrap();
    assert!(cuts > 10, "cut {cuts} times only");
    assert!(told.len() > ACCOUNTS * TURNS, "{} events only", told.len());
    let told = by_wallet(&told);
    assert_eq!(told.len(), ACCOUNTS);
    for (wallet, sequences) in &told {
        assert!(sequences.iter().copied().eq(1..=expected[wallet]), "{wallet:?}: {sequences:?}");
    }
    // Whoever looks later, at all of them or at some, is told the same.
    let again = other.watch_all("").await.take(count).await;
    assert_eq!(by_wallet(&again), told);
    for wallet in told.keys().take(3) {
        let watch = of_wallet(&wallet.0, &wallet.1);
        assert_eq!(by_wallet(&one.watch(watch).await.rest().await)[wallet], told[wallet]);
        let events = one.watch(of_account(&wallet.0)).await.take(told[wallet].len()).await;
        assert_eq!(by_wallet(&events)[wallet], told[wallet]);
        let request =
            v1::VerifyWalletRequest { account: wallet.0.clone(), asset: wallet.1.clone() };
        let found = one.wallets().verify_wallet(request).await.unwrap().into_inner();
        assert!(found.sound, "{found:?}");
    }
}

/// Writes an event by hand in a transaction that stays open.
const BY_HAND: &str = "
    BEGIN;
    INSERT INTO events
    SELECT w.account_id, w.wallet_id, 1, w.namespace_id, 2, 1, NULL, w.recorded_at, w.recorded_at,
        '{\"balance_before\": \"1\", \"balance_after\": \"0\"}', pg_current_xact_id()
    FROM wallets AS w
    WHERE w.account = 'slow'";

#[tokio::test(flavor = "multi_thread")]
async fn events_wait_for_older_transactions_that_are_not_committed_and_none_is_skipped() {
    let server = Server::start().await;
    for account in ["slow", "fast"] {
        server.open_with_threshold(account, ASSET).await;
        server.fund(account, "100").await;
    }
    let slow = server.sql().await;
    slow.batch_execute(BY_HAND).await.unwrap();
    server.spend(spend("fast", "60", "low")).await.unwrap();

    // The wallet's own watch need not wait; the others tell nothing yet, neither of them.
    let own = server.watch(of_wallet("fast", ASSET)).await.rest().await;
    assert_eq!(own.len(), 1);
    let mut all = server.watch_all("").await;
    let mut account = server.watch(of_account("fast")).await;
    for watch in [&mut all, &mut account] {
        assert_eq!(watch.next().await.unwrap(), None);
    }
    let resumed_from = all.position.clone();
    let list = v1::ListEventsRequest::default();
    let listed = server.events().list_events(list.clone()).await.unwrap().into_inner();
    assert_eq!(listed.events, []);

    slow.batch_execute("COMMIT").await.unwrap();
    let told = all.take(2).await;
    assert_eq!([&told[0].account, &told[1].account], ["slow", "fast"]);
    assert_eq!(account.take(1).await, told[1..]);
    assert_eq!(server.watch_all(&resumed_from).await.take(2).await, told);
    let listed = server.events().list_events(list).await.unwrap().into_inner();
    assert_eq!(listed.events, told);
}

/// A spend as a lane hands it over.
fn asked(name: &WalletName, amount: &str, key: &str) -> Group {
    group_on(name, spending(amount), key)
}

/// A transaction that locks several wallets has its number from the first one. By the time it has the last one, a
/// younger transaction may have written to that. The order in the stream is the wallet's all the same.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_an_older_transaction_comes_after_the_one_that_it_follows() {
    let server = Arc::new(Server::start().await);
    let namespace = NamespaceId::of(&NamespaceName::parse("default").unwrap());
    let account = AccountName::parse(ACCOUNT).unwrap();
    let mut names = ["a", "b"]
        .map(|asset| WalletName::new(namespace, account.clone(), AssetCode::parse(asset).unwrap()));
    // In the order in which a batch locks them.
    names.sort_by_key(|name| name.wallet_id);
    for name in &names {
        let asset = name.asset.to_string();
        server.open_with_threshold(ACCOUNT, &asset).await;
        server.grants().grant(v1::GrantRequest { asset, ..grant(ACCOUNT, "200") }).await.unwrap();
    }
    let [first, last] = &names;

    let (sql, locker) = (server.sql().await, server.sql().await);
    let lock = format!("SELECT 1 FROM wallets WHERE asset = '{}' FOR UPDATE", last.asset);
    locker.batch_execute(&format!("BEGIN; {lock}")).await.unwrap();
    // The younger one is the first to wait for the last wallet, and has no number yet.
    let storage = server.node.storage().clone();
    let requests = [asked(last, "160", "younger")];
    let younger =
        tokio::spawn(async move { storage.run_batch(&mut Kept::default(), &requests).await.0 });
    until_waiting(&sql, 1).await;
    // The older one has the first wallet, and with it its number, and waits behind the younger.
    let storage = server.node.storage().clone();
    let requests = [asked(first, "160", "first"), asked(last, "40", "older")];
    let older =
        tokio::spawn(async move { storage.run_batch(&mut Kept::default(), &requests).await.0 });
    until_waiting(&sql, 2).await;
    locker.batch_execute("COMMIT").await.unwrap();
    for batch in [younger, older] {
        assert!(batch.await.unwrap().into_iter().all(|outcome| outcome.is_ok()));
    }

    let query = "SELECT w.asset, e.event_sequence, e.stream_xid = e.xmin::TEXT::xid8
        FROM events AS e
        JOIN wallets AS w ON w.account_id = e.account_id AND w.wallet_id = e.wallet_id
        ORDER BY w.wallet_id, e.event_sequence";
    let places: Vec<(String, i64, bool)> = sql
        .query(query, &[])
        .await
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect();
    let place = |name: &WalletName, event, by_its_own| (name.asset.to_string(), event, by_its_own);
    assert_eq!(places, [place(first, 1, true), place(last, 1, true), place(last, 2, false)]);
    let told = server.watch_all("").await.take(3).await;
    let told: Vec<(&str, i64)> =
        told.iter().map(|event| (event.asset.as_str(), event.sequence)).collect();
    let [first, last] = [first, last].map(|name| name.asset.as_str());
    assert_eq!(told, [(first, 1), (last, 1), (last, 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_ends_its_watches_and_another_one_goes_on() {
    let one = Server::start().await;
    let other = Server::start_on(one.url.clone()).await;
    one.open_with_threshold(ACCOUNT, ASSET).await;
    one.fund(ACCOUNT, "100").await;
    swing(&one, ACCOUNT, 0).await;
    let mut watch = one.watch_all("").await;
    assert_eq!(watch.take(1).await[0].sequence, 1);
    let position = watch.position.clone();
    let began = std::time::Instant::now();
    one.node.stop().await;
    assert!(began.elapsed() < Duration::from_secs(5), "an open watch holds up the stop");
    let ended = loop {
        match watch.next().await {
            Ok(_) => {}
            Err(status) => break status,
        }
    };
    assert_eq!(refusal(&ended), (Code::Unavailable, "SERVER_STOPPING".to_owned()));
    assert_eq!(other.watch_all(&position).await.take(1).await[0].sequence, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn heartbeats_come_while_nothing_happens_and_new_events_as_they_are_written() {
    let watch =
        WatchOptions { pause: Duration::from_millis(10), heartbeat: Duration::from_millis(30) };
    let server = Server::start_watching(new_database().await, Credentials::open(), watch).await;
    server.open_with_threshold(ACCOUNT, ASSET).await;
    server.fund(ACCOUNT, "100").await;
    swing(&server, ACCOUNT, 0).await;
    let new_only = WatchEventsRequest { new_only: true, ..of_wallet(ACCOUNT, ASSET) };
    let mut watch = server.watch(new_only).await;
    for _ in 0..3 {
        assert_eq!(watch.next().await.unwrap(), None);
    }
    swing(&server, ACCOUNT, 1).await;
    let told = watch.take(2).await;
    assert_eq!(told.iter().map(|event| event.sequence).collect::<Vec<_>>(), [3, 4]);
    assert!(matches!(told[0].occurrence, Some(Occurrence::LowBalance(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_is_slow_is_told_everything_in_the_end() {
    let server = Server::start().await;
    server.open_with_threshold(ACCOUNT, ASSET).await;
    // More than any buffer between them holds.
    let many = "INSERT INTO events
        SELECT w.account_id, w.wallet_id, n, w.namespace_id, 2, 1, NULL, w.recorded_at,
            w.recorded_at, '{\"balance_before\": \"1\", \"balance_after\": \"0\"}',
            pg_current_xact_id()
        FROM wallets AS w, generate_series(1, 30000) AS n";
    let mut slow = server.watch_all("").await;
    server.sql().await.batch_execute(many).await.unwrap();
    let mut told = slow.take(1).await;
    // While it does not read, others are told.
    assert_eq!(server.watch_all("").await.take(30_000).await.len(), 30_000);
    told.extend(slow.take(29_999).await);
    assert!(told.iter().map(|event| event.sequence).eq(1..=30_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_tells_what_the_domain_tells() {
    let server = Server::start().await;
    let mut count = 0;
    for seed in 1..=6 {
        let wallet = WalletRef { account: format!("seed {seed}"), asset: ASSET.to_owned() };
        let mut remote = GrpcDriver::new(server.channel.clone());
        let mut domain = DomainDriver::new();
        play(&mut Dice::new(seed), &wallet, &mut remote, &mut domain).await;
        let told = remote.events(&wallet).await.unwrap();
        assert_eq!(told, domain.events(&wallet).await.unwrap());
        count += told.len();
        remote.verify(&wallet).await.unwrap();
    }
    assert!(count > 30, "{count} events only");
}

#[tokio::test(flavor = "multi_thread")]
async fn announcements_of_hundreds_of_grants_come_at_their_instants_and_not_before() {
    let server = Server::start().await;
    server.at("2026-01-01T00:00:00Z").await;
    let request = v1::CreateWalletRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        expiring_soon_leads: vec![prost_types::Duration { seconds: 10 * 86_400, nanos: 0 }],
        idempotency_key: "open".to_owned(),
        ..Default::default()
    };
    server.wallets().create_wallet(request).await.unwrap();
    server.fund(ACCOUNT, "1000").await;
    // One expires each day, from 21 January on.
    let begin = timestamp("2026-01-21T00:00:00Z").seconds;
    at_once(400, |index| {
        let mut grants = server.grants();
        let seconds = begin + i64::try_from(index).unwrap() * 86_400;
        let expires_at = Some(prost_types::Timestamp { seconds, nanos: 0 });
        async move {
            grants.grant(v1::GrantRequest { expires_at, ..grant(ACCOUNT, "1") }).await.unwrap();
        }
    })
    .await;
    let next_due = async || -> String {
        let query = "SELECT to_char(next_due_at, 'YYYY-MM-DD') FROM wallets";
        server.sql().await.query_one(query, &[]).await.unwrap().get(0)
    };
    assert_eq!(next_due().await, "2026-01-11");
    let count = async || server.rows("events").await;
    let pay = async |key: &str| server.spend(spend(ACCOUNT, "0.1", key)).await.unwrap();

    server.at("2026-01-10T23:59:59.999999Z").await;
    pay("too early").await;
    assert_eq!((count().await, next_due().await), (0, "2026-01-11".to_owned()));
    server.at("2026-01-11T00:00:00Z").await;
    pay("at the instant").await;
    assert_eq!((count().await, next_due().await), (1, "2026-01-12".to_owned()));
    // Thirty days later thirty more have been announced, and 21 have expired.
    server.at("2026-02-10T12:00:00Z").await;
    pay("later").await;
    assert_eq!((count().await, next_due().await), (31, "2026-02-11".to_owned()));
    // Another lead is for all of them, held by the state or not.
    let update = v1::UpdateWalletRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        wallet: Some(v1::Wallet {
            expiring_soon_leads: vec![prost_types::Duration { seconds: 3_600, nanos: 0 }],
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["expiring_soon_leads".to_owned()] }),
        idempotency_key: "an hour".to_owned(),
        ..Default::default()
    };
    server.wallets().update_wallet(update).await.unwrap();
    server.at("2026-02-10T23:00:00Z").await;
    pay("an hour before").await;
    assert_eq!((count().await, next_due().await), (32, "2026-02-11".to_owned()));
    let found = server.verify(ACCOUNT).await;
    assert!(found.sound, "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_cannot_be_is_refused_by_its_field() {
    let server = Server::start().await;
    server.open_with_threshold(ACCOUNT, ASSET).await;
    let mut watch = server.watch(of_account(ACCOUNT)).await;
    watch.next().await.unwrap();
    let from = |from_position: &str, request| WatchEventsRequest {
        from_position: from_position.to_owned(),
        ..request
    };
    let all = WatchEventsRequest::default();
    let cases = [
        ("account", of_wallet("", ASSET)),
        ("asset", of_wallet(ACCOUNT, "not an asset")),
        ("from_position", from("nonsense", all.clone())),
        ("from_position", from(&watch.position, all.clone())),
        (
            "new_only",
            WatchEventsRequest { new_only: true, ..from(&watch.position, of_account(ACCOUNT)) },
        ),
    ];
    for (field, request) in cases {
        let refused = server.events().watch_events(request).await.unwrap_err();
        assert_eq!(refusal(&refused), (Code::InvalidArgument, "INVALID_FIELD".to_owned()));
        assert_eq!(blamed(&refused), [field]);
    }
    let mut nobody = server.watch(of_wallet("nobody", ASSET)).await;
    let refused = nobody.next().await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::NotFound, "WALLET_NOT_FOUND".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_of_another_database_is_refused() {
    let here = Server::start().await;
    let cluster = tokio::task::spawn_blocking(new_cluster).await.unwrap();
    cluster.ensure_database().await.unwrap();
    let there = Server::start_on(cluster.url().to_owned()).await;
    let mut watch = there.watch_all("").await;
    watch.next().await.unwrap();
    let refused = here.watch_all(&watch.position).await.next().await.unwrap_err();
    assert_eq!(blamed(&refused), ["from_position"]);
    there.node.stop().await;
    tokio::task::spawn_blocking(move || cluster.stop()).await.unwrap();
}

#[tokio::test]
async fn nobody_is_told_of_another_namespace() {
    let token = |name: &str, namespace: &str, role| {
        let digest = Sha256::digest(name.as_bytes());
        TokenSettings {
            sha256: digest.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}")),
            namespace: namespace.to_owned(),
            roles: vec![role],
            name: name.to_owned(),
        }
    };
    let credentials = Credentials::from_settings(&[
        token("acme-admin", "acme", Role::Admin),
        token("acme-reader", "acme", Role::Reader),
        token("umbrella-reader", "umbrella", Role::Reader),
    ]);
    let server = Server::start_with(new_database().await, credentials.unwrap()).await;
    let open = v1::CreateWalletRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        idempotency_key: "open".to_owned(),
        ..Default::default()
    };
    server.wallets().create_wallet(with_token(open, "acme-admin")).await.unwrap();
    let fund = with_token(grant(ACCOUNT, "5"), "acme-admin");
    server.grants().grant(fund).await.unwrap();
    let pay = with_token(spend(ACCOUNT, "5", "all"), "acme-admin");
    server.wallets().spend(pay).await.unwrap();
    for (reader, expected) in [("acme-reader", 1), ("umbrella-reader", 0)] {
        for request in [WatchEventsRequest::default(), of_account(ACCOUNT)] {
            let answer = server.events().watch_events(with_token(request, reader)).await.unwrap();
            let mut watch = Watch { messages: answer.into_inner(), position: String::new() };
            assert_eq!(watch.take(expected).await.len(), expected, "{reader}");
            // What is not told now is not told later.
            assert_eq!(watch.next().await.unwrap(), None, "{reader}");
        }
        let list = with_token(v1::ListEventsRequest::default(), reader);
        let listed = server.events().list_events(list).await.unwrap().into_inner();
        assert_eq!(listed.events.len(), expected, "{reader}");
    }
}

#[tokio::test]
async fn pages_of_one_event_come_to_an_end() {
    let server = Server::start().await;
    server.open_with_threshold(ACCOUNT, ASSET).await;
    let mut events = server.events();
    let mut list = async |page_token: String| {
        let request = v1::ListEventsRequest { page_size: 1, page_token, ..Default::default() };
        let page = events.list_events(request).await.unwrap().into_inner();
        (page.events.len(), page.next_page_token)
    };
    assert_eq!(list(String::new()).await, (0, String::new()));
    server.fund(ACCOUNT, "60").await;
    server.spend(spend(ACCOUNT, "20", "k")).await.unwrap();
    // A list of many wallets' events waits for nobody, but leaves out what may not be told yet: so once it is.
    server.watch_all("").await.take(1).await;
    let mut told = 0;
    let mut token = String::new();
    for _ in 0..10 {
        let (count, next) = list(token).await;
        told += count;
        token = next;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!((told, token.as_str()), (1, ""));
}
