//! A server with a database of its own, and the calls that tests make of it.

use std::{
    path::PathBuf,
    process,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use purse_domain::{
    AccountName, Actor, AssetCode, Command, Fingerprint, Group, IdempotencyKey, Metadata,
    NamespaceId, NamespaceName, PositiveAmount, Reason, Request as Asked, Scale, Spend, WalletName,
};
use purse_proto::{
    testing::v1::{SetTimeRequest, test_clock_service_client::TestClockServiceClient},
    v1::{
        self, grant_service_client::GrantServiceClient, wallet_service_client::WalletServiceClient,
    },
};
use purse_server::{
    auth::Credentials,
    health::READINESS,
    node::{Database, Node, NodeOptions},
    sweeper::SweepOptions,
    watch::WatchOptions,
};
use purse_storage::{
    embedded::{Embedded, EmbeddedOptions},
    privileges::{SERVER_ROLE, ensure_role},
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::{Code, Request, Status, transport::Channel};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_types::StatusExt as _;

static CLUSTER: OnceLock<Embedded> = OnceLock::new();
static COUNTER: AtomicU32 = AtomicU32::new(0);

/// What tests wait for takes milliseconds; this is for machines that are busy.
pub const PATIENCE: Duration = Duration::from_secs(30);
pub const ACCOUNT: &str = "org:42";
pub const ASSET: &str = "credits";

/// A number that no other test of this run has.
pub fn unique() -> u32 {
    COUNTER.fetch_add(1, Ordering::Relaxed)
}

/// A throw-away cluster. It goes when the process does.
pub fn new_cluster() -> Embedded {
    let name = format!("purse-test-{}-{}", process::id(), unique());
    let data_dir: PathBuf = std::env::temp_dir().join(name);
    let options = EmbeddedOptions { data_dir: Some(data_dir), throw_away: true };
    Embedded::start(&options).expect("a PostgreSQL to test on; scripts/setup installs one")
}

/// The URL of a new, empty database in the cluster that all tests share.
pub async fn new_database() -> String {
    let cluster = CLUSTER.get_or_init(new_cluster);
    let name = format!("test_{}", unique());
    let client = purse_storage::pool::connect(&cluster.url_of("postgres")).await.unwrap();
    // Tests that start at once race for the role.
    client.execute("SELECT pg_advisory_lock(1)", &[]).await.unwrap();
    ensure_role(&client, SERVER_ROLE).await.unwrap();
    client.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    cluster.url_of(&name)
}

/// The URL of the same database for the role that servers have.
pub fn as_server(url: &str) -> String {
    let owner = purse_storage::privileges::user_of(url).unwrap().unwrap();
    url.replace(&format!("user={owner}"), &format!("user={SERVER_ROLE}"))
}

/// A running server.
pub struct Server {
    pub node: Node,
    pub url: String,
    pub channel: Channel,
}

impl Server {
    /// On a new database, open to all, with a test clock that shows 2026-01-01.
    pub async fn start() -> Self {
        Self::start_on(new_database().await).await
    }

    /// On a database that another server may use too.
    pub async fn start_on(url: String) -> Self {
        Self::start_with(url, Credentials::open()).await
    }

    pub async fn start_with(url: String, credentials: Credentials) -> Self {
        let watch = WatchOptions { pause: Duration::from_millis(20), ..WatchOptions::default() };
        Self::start_watching(url, credentials, watch).await
    }

    pub async fn start_watching(
        url: String,
        credentials: Credentials,
        watch: WatchOptions,
    ) -> Self {
        Self::start_as(url, credentials, watch, None).await
    }

    /// That settles by itself what is due, each so often. Others do when they are told, so that tests know what is
    /// booked.
    pub async fn start_sweeping(url: String, interval: Duration) -> Self {
        let watch = WatchOptions { pause: Duration::from_millis(20), ..WatchOptions::default() };
        Self::start_as(url, Credentials::open(), watch, Some(interval)).await
    }

    async fn start_as(
        url: String,
        credentials: Credentials,
        watch: WatchOptions,
        interval: Option<Duration>,
    ) -> Self {
        let sweep = SweepOptions { interval, ..SweepOptions::default() };
        let options = NodeOptions {
            database: Database::External { url: as_server(&url), migrate_by: Some(url.clone()) },
            listen: "127.0.0.1:0".parse().unwrap(),
            metrics_listen: Some("127.0.0.1:0".parse().unwrap()),
            credentials,
            lanes: 2,
            watch,
            sweep,
            test_clock: true,
            allow_data_loss: false,
            append_only: true,
        };
        let node = Node::start(options).await.unwrap();
        let endpoint = format!("http://{}", node.address());
        let channel = Channel::from_shared(endpoint).unwrap().connect_lazy();
        let server = Self { node, url, channel };
        server.wait_for(ServingStatus::Serving).await;
        server
    }

    pub fn wallets(&self) -> WalletServiceClient<Channel> {
        WalletServiceClient::new(self.channel.clone())
    }

    pub fn grants(&self) -> GrantServiceClient<Channel> {
        GrantServiceClient::new(self.channel.clone())
    }

    /// Sets the clock.
    pub async fn at(&self, instant: &str) {
        let now = Some(timestamp(instant));
        TestClockServiceClient::new(self.channel.clone())
            .set_time(SetTimeRequest { now })
            .await
            .unwrap();
    }

    pub async fn health(&self, service: &str) -> ServingStatus {
        let request = HealthCheckRequest { service: service.to_owned() };
        let answer = HealthClient::new(self.channel.clone()).check(request).await.unwrap();
        answer.into_inner().status()
    }

    /// Waits until readiness is `wanted`.
    pub async fn wait_for(&self, wanted: ServingStatus) {
        let wait = async {
            while self.health(READINESS[0]).await != wanted {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("readiness");
    }

    /// A connection to the server's database, to see what it holds.
    pub async fn sql(&self) -> tokio_postgres::Client {
        purse_storage::pool::connect(&self.url).await.unwrap()
    }

    /// What its metrics say.
    pub async fn metrics(&self) -> String {
        let address = self.node.metrics_address().unwrap();
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    /// How many rows a table has.
    pub async fn rows(&self, table: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        self.sql().await.query_one(&sql, &[]).await.unwrap().get(0)
    }

    /// Opens a wallet of `credits`.
    pub async fn open(&self, account: &str) -> v1::Wallet {
        self.open_with_overdraft(account, "").await
    }

    /// Opens a wallet of `credits` that may be overdrawn.
    pub async fn open_with_overdraft(&self, account: &str, limit: &str) -> v1::Wallet {
        let request = v1::CreateWalletRequest {
            account: account.to_owned(),
            asset: ASSET.to_owned(),
            overdraft_limit: limit.to_owned(),
            idempotency_key: format!("open {}", unique()),
            ..Default::default()
        };
        self.wallets().create_wallet(request).await.unwrap().into_inner().wallet.unwrap()
    }

    /// Grants credits that never expire.
    pub async fn fund(&self, account: &str, amount: &str) -> v1::Grant {
        let answer = self.grants().grant(grant(account, amount)).await.unwrap();
        answer.into_inner().grant.unwrap()
    }

    pub async fn spend(&self, request: v1::SpendRequest) -> Result<v1::SpendResponse, Status> {
        Ok(self.wallets().spend(request).await?.into_inner())
    }

    /// What recomputing the wallet from its entries finds.
    pub async fn verify(&self, account: &str) -> v1::VerifyWalletResponse {
        let request =
            v1::VerifyWalletRequest { account: account.to_owned(), asset: ASSET.to_owned() };
        self.wallets().verify_wallet(request).await.unwrap().into_inner()
    }

    /// The balance now.
    pub async fn balance(&self, account: &str) -> String {
        self.balance_at(account, None).await
    }

    pub async fn balance_at(&self, account: &str, at: Option<&str>) -> String {
        self.balance_known_at(account, at, None).await
    }

    /// The balance as it was known then.
    pub async fn balance_known_at(
        &self,
        account: &str,
        at: Option<&str>,
        known_at: Option<&str>,
    ) -> String {
        let request = v1::GetBalanceRequest {
            account: account.to_owned(),
            asset: ASSET.to_owned(),
            at: at.map(timestamp),
            known_at: known_at.map(timestamp),
        };
        let answer = self.wallets().get_balance(request).await.unwrap().into_inner();
        answer.balance.unwrap().balance
    }
}

/// A grant that never expires, with a fresh key.
pub fn grant(account: &str, amount: &str) -> v1::GrantRequest {
    v1::GrantRequest {
        account: account.to_owned(),
        asset: ASSET.to_owned(),
        amount: amount.to_owned(),
        idempotency_key: format!("grant {}", unique()),
        ..Default::default()
    }
}

/// A command on the usual wallet as storage takes it, with a fresh key: for batches that a test makes up.
pub fn group(command: Command) -> Group {
    group_on(&usual_wallet(), command, &format!("batch {}", unique()))
}

pub fn usual_wallet() -> WalletName {
    let namespace_id = NamespaceId::of(&NamespaceName::parse("default").unwrap());
    let account = AccountName::parse(ACCOUNT).unwrap();
    WalletName::new(namespace_id, account, AssetCode::parse(ASSET).unwrap())
}

/// The same on any wallet and with any key.
pub fn group_on(wallet: &WalletName, command: Command, key: &str) -> Group {
    let (actor, reason) = (Actor::parse("").unwrap(), Reason::parse("").unwrap());
    let metadata = Metadata::default();
    Group::from(Asked {
        fingerprint: Fingerprint::of(wallet, &command, &actor, &reason, &metadata),
        wallet: wallet.clone(),
        command,
        key: Some(IdempotencyKey::parse(key).unwrap()),
        actor,
        reason,
        metadata,
        validate_only: false,
        commit_token: None,
    })
}

/// The command to spend as much.
pub fn spending(amount: &str) -> Command {
    let amount = PositiveAmount::parse(amount, Scale::MAX).unwrap();
    Command::Spend(Spend { amount: amount.into(), operation: None, occurred_at: None })
}

pub fn spend(account: &str, amount: &str, key: &str) -> v1::SpendRequest {
    v1::SpendRequest {
        account: account.to_owned(),
        asset: ASSET.to_owned(),
        amount: amount.to_owned(),
        idempotency_key: key.to_owned(),
        ..Default::default()
    }
}

pub fn timestamp(instant: &str) -> prost_types::Timestamp {
    let (seconds, nanos) = purse_domain::Timestamp::parse(instant).unwrap().parts();
    prost_types::Timestamp { seconds, nanos }
}

/// With a bearer token.
pub fn with_token<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

/// The code and the reason of an error, which must carry exactly what every error carries.
pub fn refusal(status: &Status) -> (Code, String) {
    let info = status.get_details_error_info().expect("an ErrorInfo");
    assert_eq!(info.domain, "purse.v1", "{status:?}");
    (status.code(), info.reason)
}

/// The fields that an error blames.
pub fn blamed(status: &Status) -> Vec<String> {
    let details = status.get_details_bad_request().map(|request| request.field_violations);
    details.unwrap_or_default().into_iter().map(|violation| violation.field).collect()
}

/// Waits until so many transactions wait for another one.
pub async fn until_waiting(sql: &tokio_postgres::Client, count: i64) {
    let waiting = async {
        let query = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while sql.query_one(query, &[]).await.unwrap().get::<_, i64>(0) != count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("transactions that wait");
}

/// As many calls as a lane lets in however slow all is.
const MOST_AT_ONCE: usize = 250;

/// Runs the same call many times at once, as far as no server may refuse some of them for that.
pub async fn at_once<F, T>(count: usize, call: impl Fn(usize) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let mut answers = Vec::with_capacity(count);
    for first in (0..count).step_by(MOST_AT_ONCE) {
        let some = MOST_AT_ONCE.min(count - first);
        answers.extend(together(some, |index| call(first + index)).await);
    }
    answers
}

async fn together<F, T>(count: usize, call: impl Fn(usize) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let started = Arc::new(tokio::sync::Barrier::new(count));
    let tasks: Vec<_> = (0..count)
        .map(|index| {
            let (started, call) = (Arc::clone(&started), call(index));
            tokio::spawn(async move {
                started.wait().await;
                call.await
            })
        })
        .collect();
    let mut answers = Vec::with_capacity(count);
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}
