//! `SubscriptionService`.

use std::{collections::BTreeMap, pin::Pin, sync::Arc};

use purse_domain::{
    ApplicationId, ApplicationState, SourceEventId, SourceName, SubscriptionEvent, SubscriptionName,
};
use purse_proto::v1::{self, subscription_service_server::SubscriptionService};
use purse_storage::subscriptions::{SubscriptionRecord, Told};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_stream::{Stream, StreamExt as _, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, Streaming};

use super::Shared;
use crate::{
    auth::{Caller, Role, caller},
    parse, render, status,
    subscriptions::{BroughtAbout, Subscriptions},
};

/// Events of a stream that are in work at once: two full batches.
const WINDOW: usize = 512;
/// Events after which the position of a source is kept, if there is no pause before.
const POSITION_EVERY: usize = 256;

/// The subscriptions of the caller's namespace.
#[derive(Debug, Clone)]
pub struct SubscriptionEvents {
    /// What the services share.
    pub shared: Shared,
    /// The way to all subscriptions.
    pub subscriptions: Subscriptions,
}

type Acknowledgement = Result<v1::StreamSubscriptionEventsResponse, Status>;

#[tonic::async_trait]
impl SubscriptionService for SubscriptionEvents {
    type StreamSubscriptionEventsStream = Pin<Box<dyn Stream<Item = Acknowledgement> + Send>>;

    async fn record_subscription_event(
        &self,
        request: Request<v1::RecordSubscriptionEventRequest>,
    ) -> Result<Response<v1::RecordSubscriptionEventResponse>, Status> {
        let caller = caller(&request, Role::Granter)?;
        let v1::RecordSubscriptionEventRequest { event } = request.into_inner();
        let parsed = parse::subscription_event(&caller, event)?;
        let (name, event) = (parsed.name, parsed.event);
        let brought = self.hear(name, event).await?;
        let outcome = render::event_outcome(&brought)?.into();
        let applied = render::applied(&brought);
        Ok(Response::new(v1::RecordSubscriptionEventResponse { outcome, applied }))
    }

    async fn stream_subscription_events(
        &self,
        request: Request<Streaming<v1::StreamSubscriptionEventsRequest>>,
    ) -> Result<Response<Self::StreamSubscriptionEventsStream>, Status> {
        let caller = caller(&request, Role::Granter)?;
        let (sender, acknowledgements) = mpsc::channel(WINDOW);
        tokio::spawn(self.clone().run_stream(caller, request.into_inner(), sender));
        Ok(Response::new(Box::pin(ReceiverStream::new(acknowledgements))))
    }

    async fn get_stream_position(
        &self,
        request: Request<v1::GetStreamPositionRequest>,
    ) -> Result<Response<v1::GetStreamPositionResponse>, Status> {
        let caller = caller(&request, Role::Reader)?;
        let source = parse::stream_source(request.into_inner())?;
        let found = self.shared.storage.stream_position(caller.namespace_id, &source).await;
        let found = found.map_err(|error| status::storage(&error))?;
        let event_id = found.as_ref().map(|position| position.event_id.to_string());
        Ok(Response::new(v1::GetStreamPositionResponse {
            event_id: event_id.unwrap_or_default(),
            acknowledged_at: found.map(|position| render::instant(position.updated_at)),
        }))
    }

    async fn get_subscription(
        &self,
        request: Request<v1::GetSubscriptionRequest>,
    ) -> Result<Response<v1::GetSubscriptionResponse>, Status> {
        let caller = caller(&request, Role::Reader)?;
        let name = parse::get_subscription(&caller, request.into_inner())?;
        let record = self.record(&name, None, None).await?;
        Ok(Response::new(render::subscription(&record)))
    }

    async fn list_applications(
        &self,
        request: Request<v1::ListApplicationsRequest>,
    ) -> Result<Response<v1::ListApplicationsResponse>, Status> {
        let caller = caller(&request, Role::Reader)?;
        let (name, until) = parse::list_applications(&caller, request.into_inner())?;
        let record = self.record(&name, None, until).await?;
        let applications = record.applications.iter().map(render::application).collect();
        Ok(Response::new(v1::ListApplicationsResponse { applications }))
    }

    async fn list_failed_applications(
        &self,
        request: Request<v1::ListFailedApplicationsRequest>,
    ) -> Result<Response<v1::ListFailedApplicationsResponse>, Status> {
        let caller = caller(&request, Role::Reader)?;
        let (query, page) = parse::list_failed_applications(&caller, request.into_inner())?;
        let found = self.shared.storage.failed_applications(&query).await;
        let found = found.map_err(|error| status::storage(&error))?;
        Ok(Response::new(render::failed_applications(&found, &query, &page)))
    }

    async fn retry_application(
        &self,
        request: Request<v1::RetryApplicationRequest>,
    ) -> Result<Response<v1::RetryApplicationResponse>, Status> {
        let caller = caller(&request, Role::Granter)?;
        let (name, id) = parse::retry_application(&caller, request.into_inner())?;
        let found = self.application(&name, id).await?;
        if matches!(found.state, ApplicationState::Failed(_)) {
            let told = Told { retry: Some(id), ..Told::time(name.clone()) };
            self.subscriptions.bring_about(told).await?;
        }
        let application = Some(render::application(&self.application(&name, id).await?));
        Ok(Response::new(v1::RetryApplicationResponse { application }))
    }

    async fn reconcile_subscription(
        &self,
        request: Request<v1::ReconcileSubscriptionRequest>,
    ) -> Result<Response<v1::ReconcileSubscriptionResponse>, Status> {
        let caller = caller(&request, Role::Granter)?;
        let (name, as_of, apply) = parse::reconcile_subscription(&caller, request.into_inner())?;
        let record = self.record(&name, as_of, None).await?;
        let is_missing = |application: &&purse_domain::Application| {
            matches!(application.state, ApplicationState::Due | ApplicationState::Failed(_))
        };
        let missing = record.applications.iter().filter(is_missing);
        if !apply {
            let missing = missing.map(render::application).collect();
            return Ok(Response::new(v1::ReconcileSubscriptionResponse { missing }));
        }
        let missing: Vec<ApplicationId> = missing.map(|application| application.id).collect();
        let told = Told { whole: true, ..Told::time(name.clone()) };
        self.subscriptions.bring_about(told).await?;
        let record = self.record(&name, None, None).await?;
        let now = record.applications.iter().filter(|it| missing.contains(&it.id));
        let missing = now.map(render::application).collect();
        Ok(Response::new(v1::ReconcileSubscriptionResponse { missing }))
    }
}

impl SubscriptionEvents {
    async fn hear(
        &self,
        name: SubscriptionName,
        event: SubscriptionEvent,
    ) -> Result<BroughtAbout, Status> {
        let told = Told { event: Some(event), ..Told::time(name) };
        self.subscriptions.bring_about(told).await
    }

    async fn record(
        &self,
        name: &SubscriptionName,
        at: Option<purse_domain::Timestamp>,
        until: Option<purse_domain::Timestamp>,
    ) -> Result<SubscriptionRecord, Status> {
        let found = self.shared.storage.subscription(name, at, until).await;
        let found = found.map_err(|error| status::storage(&error))?;
        found.ok_or_else(|| status::subscription_not_found(name))
    }

    async fn application(
        &self,
        name: &SubscriptionName,
        id: ApplicationId,
    ) -> Result<purse_domain::Application, Status> {
        let record = self.record(name, None, None).await?;
        let found = record.applications.into_iter().find(|application| application.id == id);
        found.ok_or_else(|| status::application_not_found(name, id))
    }

    /// Takes events while there is room for them in the window, and acknowledges them in their order.
    async fn run_stream(
        self,
        caller: Caller,
        mut events: Streaming<v1::StreamSubscriptionEventsRequest>,
        sender: mpsc::Sender<Acknowledgement>,
    ) {
        let window = Arc::new(Semaphore::new(WINDOW));
        let (in_order, results) = mpsc::channel(WINDOW);
        let acknowledging = tokio::spawn(self.clone().acknowledge(caller.clone(), results, sender));
        while let Ok(place) = Arc::clone(&window).acquire_owned().await {
            // Otherwise the caller has gone, or has no more.
            let Some(Ok(message)) = events.next().await else { break };
            let v1::StreamSubscriptionEventsRequest { event } = message;
            let (result, waiting) = oneshot::channel();
            if in_order.send(waiting).await.is_err() {
                break;
            }
            let event_id = event.as_ref().map(|event| event.event_id.clone()).unwrap_or_default();
            match parse::subscription_event(&caller, event) {
                Ok(parsed) => {
                    let this = self.clone();
                    // They are told in their order; what is to be done upon them runs beside.
                    let told = Told { event: Some(parsed.event), ..Told::time(parsed.name) };
                    let brought = this.subscriptions.begin(told);
                    tokio::spawn(async move {
                        let brought = match brought {
                            Ok(begun) => begun.end().await,
                            Err(refused) => Err(refused),
                        };
                        result.send((event_id, Some(parsed.source), brought)).ok();
                        drop(place);
                    });
                }
                Err(refused) => {
                    result.send((event_id, None, Err(refused))).ok();
                }
            }
        }
        drop(in_order);
        acknowledging.await.ok();
    }

    async fn acknowledge(
        self,
        caller: Caller,
        mut results: mpsc::Receiver<oneshot::Receiver<Heard>>,
        sender: mpsc::Sender<Acknowledgement>,
    ) {
        let mut unkept = 0;
        let mut last = BTreeMap::new();
        while let Some(result) = results.recv().await {
            let Ok((event_id, source, brought)) = result.await else { break };
            let message = match render::acknowledgement(&event_id, brought) {
                Ok(message) => message,
                Err(status) => {
                    // What is not acknowledged is sent again.
                    sender.send(Err(status)).await.ok();
                    break;
                }
            };
            if sender.send(Ok(message)).await.is_err() {
                break;
            }
            if let (Some(source), Ok(event)) = (source, SourceEventId::parse(&event_id)) {
                last.insert(source, event);
                unkept += 1;
            }
            if unkept >= POSITION_EVERY || results.is_empty() {
                self.keep_positions(&caller, std::mem::take(&mut last)).await;
                unkept = 0;
            }
        }
        self.keep_positions(&caller, last).await;
    }

    /// Keeps how far sources have come. If that fails, a few events are sent again.
    async fn keep_positions(&self, caller: &Caller, last: BTreeMap<SourceName, SourceEventId>) {
        for (source, event) in last {
            let namespace = caller.namespace_id;
            let kept = self.shared.storage.keep_stream_position(namespace, &source, &event).await;
            if let Err(error) = kept {
                tracing::info!(%error, "the position of a source was not kept");
            }
        }
    }
}

/// An event's name, its source if it could be read, and what came of it.
type Heard = (String, Option<SourceName>, Result<BroughtAbout, Status>);
