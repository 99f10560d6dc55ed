//! `EventService`.

use purse_proto::v1::{self, event_service_server::EventService};
use tonic::{Request, Response, Status};

use super::Shared;
use crate::{
    auth::{Role, caller},
    parse::{self, EventQuery, WatchFrom},
    render, status,
    watch::Messages,
};

/// The events of the caller's namespace.
#[derive(Debug, Clone)]
pub struct Events(pub Shared);

#[tonic::async_trait]
impl EventService for Events {
    type WatchEventsStream = Messages;

    async fn list_events(
        &self,
        request: Request<v1::ListEventsRequest>,
    ) -> Result<Response<v1::ListEventsResponse>, Status> {
        let caller = caller(&request, Role::Reader)?;
        let (EventQuery { scope, after, most }, page) =
            parse::list_events(&caller, request.into_inner())?;
        let found = self.0.storage.events(&scope, after, most).await;
        let found = found.map_err(|error| status::storage(&error))?;
        let found = found.map_err(|why| status::events_unreadable(why, &scope, "page_token"))?;
        Ok(Response::new(render::page_of_events(&found, &page)))
    }

    async fn watch_events(
        &self,
        request: Request<v1::WatchEventsRequest>,
    ) -> Result<Response<Messages>, Status> {
        let caller = caller(&request, Role::Reader)?;
        let (scope, from, query) = parse::watch_events(&caller, request.into_inner())?;
        let after = match from {
            WatchFrom::Start => None,
            WatchFrom::Position(position) => Some(position),
            WatchFrom::Now => {
                let end = self.0.storage.events_end(&scope).await;
                let end = end.map_err(|error| status::storage(&error))?;
                Some(end.map_err(|why| status::events_unreadable(why, &scope, "new_only"))?)
            }
        };
        Ok(Response::new(self.0.watches.begin(scope, after, query)?))
    }
}
