//! From the path of a call to the service that answers it.
//!
//! A call of Purse's own services is let in only with credentials. They are found by their names and called directly:
//! tonic's routes, which health and reflection have, are those of a web framework, with boxes and bodies around each call.

use std::{
    convert::Infallible,
    future::ready,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use purse_proto::{
    testing::v1::test_clock_service_server::{self as test_clocks, TestClockServiceServer},
    v1::{
        catalog_service_server::{self as catalog, CatalogServiceServer},
        event_service_server::{self as events, EventServiceServer},
        grant_service_server::{self as grants, GrantServiceServer},
        report_service_server::{self as reports, ReportServiceServer},
        subscription_service_server::{self as subscriptions, SubscriptionServiceServer},
        wallet_service_server::{self as wallets, WalletServiceServer},
    },
};
use tonic::{body::Body, codegen::BoxFuture, service::Routes};
use tower::Service;

use crate::{
    auth::Credentials,
    clock::TestClock,
    service::{
        Catalog, Events, Grants, Reports, Shared, SubscriptionEvents, TestClockControl, Wallets,
    },
    subscriptions::Subscriptions,
};

/// Most bytes of a message: a page of a thousand entries, or a batch, with room for metadata.
pub const MOST_MESSAGE_BYTES: usize = 4 * 1_024 * 1_024;

/// All services of a server.
#[derive(Debug, Clone)]
pub struct Services {
    own: Arc<Own>,
    others: Routes,
}

/// Those that take credentials.
#[derive(Debug)]
struct Own {
    credentials: Credentials,
    wallets: WalletServiceServer<Wallets>,
    grants: GrantServiceServer<Grants>,
    events: EventServiceServer<Events>,
    subscriptions: SubscriptionServiceServer<SubscriptionEvents>,
    reports: ReportServiceServer<Reports>,
    catalog: CatalogServiceServer<Catalog>,
    test_clock: Option<TestClockServiceServer<TestClockControl>>,
}

impl Services {
    /// Purse's own services for holders of credentials, and others for everybody.
    pub fn new(
        credentials: Credentials,
        shared: Shared,
        subscriptions: Subscriptions,
        test_clock: Option<Arc<TestClock>>,
        others: Routes,
    ) -> Self {
        let events_of_billing = SubscriptionEvents { shared: shared.clone(), subscriptions };
        let own = Own {
            credentials,
            wallets: WalletServiceServer::new(Wallets(shared.clone()))
                .max_decoding_message_size(MOST_MESSAGE_BYTES),
            grants: GrantServiceServer::new(Grants(shared.clone()))
                .max_decoding_message_size(MOST_MESSAGE_BYTES),
            events: EventServiceServer::new(Events(shared.clone()))
                .max_decoding_message_size(MOST_MESSAGE_BYTES),
            subscriptions: SubscriptionServiceServer::new(events_of_billing)
                .max_decoding_message_size(MOST_MESSAGE_BYTES),
            reports: ReportServiceServer::new(Reports(shared.clone()))
                .max_decoding_message_size(MOST_MESSAGE_BYTES),
            catalog: CatalogServiceServer::new(Catalog(shared))
                .max_decoding_message_size(MOST_MESSAGE_BYTES),
            test_clock: test_clock
                .map(|clock| TestClockServiceServer::new(TestClockControl(clock))),
        };
        Self { own: Arc::new(own), others: others.prepare() }
    }
}

impl Service<Request<Body>> for Services {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Body>, Infallible>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let own = &self.own;
        let path = request.uri().path();
        let service = path.strip_prefix('/').and_then(|path| Some(path.split_once('/')?.0));
        match (service, &own.test_clock) {
            (Some(wallets::SERVICE_NAME), _) => own.admit(&own.wallets, request),
            (Some(grants::SERVICE_NAME), _) => own.admit(&own.grants, request),
            (Some(events::SERVICE_NAME), _) => own.admit(&own.events, request),
            (Some(subscriptions::SERVICE_NAME), _) => own.admit(&own.subscriptions, request),
            (Some(reports::SERVICE_NAME), _) => own.admit(&own.reports, request),
            (Some(catalog::SERVICE_NAME), _) => own.admit(&own.catalog, request),
            (Some(test_clocks::SERVICE_NAME), Some(clock)) => own.admit(clock, request),
            _ => Box::pin(self.others.call(request)),
        }
    }
}

impl Own {
    /// Calls a service, which finds the caller in the request.
    fn admit<S>(
        &self,
        service: &S,
        mut request: Request<Body>,
    ) -> BoxFuture<Response<Body>, Infallible>
    where
        S: Clone
            + Service<
                Request<Body>,
                Response = Response<Body>,
                Error = Infallible,
                Future = BoxFuture<Response<Body>, Infallible>,
            >,
    {
        match self.credentials.caller(request.headers()) {
            Ok(caller) => {
                request.extensions_mut().insert(caller);
                service.clone().call(request)
            }
            Err(refused) => Box::pin(ready(Ok(refused.into_http()))),
        }
    }
}
