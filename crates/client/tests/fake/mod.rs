//! A wallet service on loopback that follows a script and keeps what it was sent.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use purse_client::v1::{
    self,
    wallet_service_server::{WalletService, WalletServiceServer},
};
use tokio::{
    net::{TcpListener, TcpSocket},
    runtime::Runtime,
    sync::Notify,
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

/// How the service meets one call.
pub enum Script {
    Answer,
    Refuse(Status),
    Silence,
}

/// What one call carried.
#[derive(Clone)]
pub struct Call {
    pub idempotency_key: String,
    pub authorization: Option<String>,
    pub has_deadline: bool,
}

#[derive(Default)]
struct State {
    script: Mutex<VecDeque<Script>>,
    calls: Mutex<Vec<Call>>,
    called: Notify,
}

pub struct Fake {
    pub endpoint: String,
    address: SocketAddr,
    state: Arc<State>,
    // The service's own, so that its end cuts every connection without a word, as a killed process does.
    runtime: Option<Runtime>,
}

impl Fake {
    pub async fn start(script: impl IntoIterator<Item = Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Mutex::new(script.into_iter().collect());
        let state = Arc::new(State { script, ..State::default() });
        let runtime = Some(serve(listener.into_std().unwrap(), Arc::clone(&state)));
        Self { endpoint: format!("http://{address}"), address, state, runtime }
    }

    pub fn calls(&self) -> Vec<Call> {
        self.state.calls.lock().unwrap().clone()
    }

    /// Waits until a call has arrived.
    pub async fn called(&self) {
        self.state.called.notified().await;
    }

    /// Ends the service at once.
    pub async fn kill(&mut self) {
        let runtime = self.runtime.take().unwrap();
        let patience = Duration::from_secs(5);
        tokio::task::spawn_blocking(move || runtime.shutdown_timeout(patience)).await.unwrap();
    }

    /// Listens again at the same address.
    pub fn restart(&mut self) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(self.address).unwrap();
        let listener = socket.listen(16).unwrap().into_std().unwrap();
        self.runtime = Some(serve(listener, Arc::clone(&self.state)));
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waiting is not allowed within the test's own runtime, and nothing is left to wait for.
            runtime.shutdown_background();
        }
    }
}

fn serve(listener: std::net::TcpListener, state: Arc<State>) -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).enable_all().build().unwrap();
    runtime.spawn(async move {
        let incoming = TcpListenerStream::new(TcpListener::from_std(listener).unwrap());
        let service = WalletServiceServer::new(Service(state));
        Server::builder().add_service(service).serve_with_incoming(incoming).await
    });
    runtime
}

/// Accepts connections and closes each at once.
pub async fn hang_up_always() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(stream);
        }
    });
    endpoint
}

struct Service(Arc<State>);

/// A service that plays its script for `Spend` and knows no other method.
macro_rules! scripted {
    ($($method:ident($request:ident) -> $response:ident,)*) => {
        #[tonic::async_trait]
        impl WalletService for Service {
            async fn spend(
                &self,
                request: Request<v1::SpendRequest>,
            ) -> Result<Response<v1::SpendResponse>, Status> {
                self.play(&request).await.map(Response::new)
            }

            $(
                async fn $method(
                    &self,
                    _: Request<v1::$request>,
                ) -> Result<Response<v1::$response>, Status> {
                    Err(Status::unimplemented("not part of any script"))
                }
            )*
        }
    };
}

scripted! {
    create_wallet(CreateWalletRequest) -> CreateWalletResponse,
    batch_spend(BatchSpendRequest) -> BatchSpendResponse,
    freeze_wallet(FreezeWalletRequest) -> FreezeWalletResponse,
    unfreeze_wallet(UnfreezeWalletRequest) -> UnfreezeWalletResponse,
    close_wallet(CloseWalletRequest) -> CloseWalletResponse,
    get_wallet(GetWalletRequest) -> GetWalletResponse,
    list_wallets(ListWalletsRequest) -> ListWalletsResponse,
    update_wallet(UpdateWalletRequest) -> UpdateWalletResponse,
    get_balance(GetBalanceRequest) -> GetBalanceResponse,
    get_timeline(GetTimelineRequest) -> GetTimelineResponse,
    create_hold(CreateHoldRequest) -> CreateHoldResponse,
    create_holds(CreateHoldsRequest) -> CreateHoldsResponse,
    capture_hold(CaptureHoldRequest) -> CaptureHoldResponse,
    release_hold(ReleaseHoldRequest) -> ReleaseHoldResponse,
    extend_hold(ExtendHoldRequest) -> ExtendHoldResponse,
    get_hold(GetHoldRequest) -> GetHoldResponse,
    list_holds(ListHoldsRequest) -> ListHoldsResponse,
    verify_wallet(VerifyWalletRequest) -> VerifyWalletResponse,
    reverse_spend(ReverseSpendRequest) -> ReverseSpendResponse,
    transfer(TransferRequest) -> TransferResponse,
    list_entries(ListEntriesRequest) -> ListEntriesResponse,
    explain_transaction(ExplainTransactionRequest) -> ExplainTransactionResponse,
    get_transaction(GetTransactionRequest) -> GetTransactionResponse,
    explain_balance(ExplainBalanceRequest) -> ExplainBalanceResponse,
    set_spend_limit(SetSpendLimitRequest) -> SetSpendLimitResponse,
    delete_spend_limit(DeleteSpendLimitRequest) -> DeleteSpendLimitResponse,
    list_spend_limits(ListSpendLimitsRequest) -> ListSpendLimitsResponse,
    set_top_up_rule(SetTopUpRuleRequest) -> SetTopUpRuleResponse,
    delete_top_up_rule(DeleteTopUpRuleRequest) -> DeleteTopUpRuleResponse,
    decline_top_up(DeclineTopUpRequest) -> DeclineTopUpResponse,
    get_top_ups(GetTopUpsRequest) -> GetTopUpsResponse,
    sweep_wallets(SweepWalletsRequest) -> SweepWalletsResponse,
}

impl Service {
    async fn play(&self, request: &Request<v1::SpendRequest>) -> Result<v1::SpendResponse, Status> {
        let header = |name| request.metadata().get(name).map(|value| value.to_str().unwrap());
        self.0.calls.lock().unwrap().push(Call {
            idempotency_key: request.get_ref().idempotency_key.clone(),
            authorization: header("authorization").map(str::to_owned),
            has_deadline: header("grpc-timeout").is_some(),
        });
        self.0.called.notify_one();
        let script = self.0.script.lock().unwrap().pop_front();
        match script {
            Some(Script::Answer) => Ok(v1::SpendResponse::default()),
            Some(Script::Refuse(status)) => Err(status),
            Some(Script::Silence) => std::future::pending().await,
            None => Err(Status::internal("the script is over")),
        }
    }
}
