//! Requests about events.

use purse_domain::{AccountId, AccountName};
use purse_proto::v1;
use purse_storage::{EventPosition, EventScope};
use tonic::Status;

use super::Fields;
use crate::{auth::Caller, page};

/// What a token or a position must be of to be taken.
const NOT_OURS: &str = "is not one that this service gave";

/// Which events to list.
#[derive(Debug)]
pub struct EventQuery {
    /// Whose.
    pub scope: EventScope,
    /// After this.
    pub after: Option<EventPosition>,
    /// At most this many.
    pub most: i64,
}

/// Where a stream of events begins.
#[derive(Debug, Clone, Copy)]
pub enum WatchFrom {
    /// With the first event.
    Start,
    /// With what is written from now on.
    Now,
    /// After a position.
    Position(EventPosition),
}

/// Which events to list, and the query for the next page's token.
pub fn list_events(
    caller: &Caller,
    message: v1::ListEventsRequest,
) -> Result<(EventQuery, page::Query), Status> {
    let (page_size, page_token) = (message.page_size, message.page_token.clone());
    let message = v1::ListEventsRequest { page_size: 0, page_token: String::new(), ..message };
    let query = page::Query::of("ListEvents", &message);
    let v1::ListEventsRequest { account, asset, page_size: _, page_token: _ } = message;
    let mut fields = Fields::default();
    let scope = scope(&mut fields, caller, &account, &asset);
    let most = fields.take(page::size(page_size));
    let cursor = fields.take(query.cursor(&page_token)).flatten();
    let after = cursor.map(|cursor| cursor.parse().map_err(|_| NOT_OURS));
    let after = fields.check_optional("page_token", after);
    let parsed = (|| Some(EventQuery { scope: scope?, after: after?, most: most? }))();
    Ok((fields.finish(parsed)?, query))
}

/// Whose events to tell, from where on, and the query for the positions.
pub fn watch_events(
    caller: &Caller,
    message: v1::WatchEventsRequest,
) -> Result<(EventScope, WatchFrom, page::Query), Status> {
    let (position, new_only) = (message.from_position.clone(), message.new_only);
    let message =
        v1::WatchEventsRequest { from_position: String::new(), new_only: false, ..message };
    let query = page::Query::of("WatchEvents", &message);
    let v1::WatchEventsRequest { account, asset, from_position: _, new_only: _ } = message;
    let mut fields = Fields::default();
    let scope = scope(&mut fields, caller, &account, &asset);
    if new_only && !position.is_empty() {
        fields.note("new_only", "does not go with from_position");
    }
    let from = match query.cursor_of("from_position", &position) {
        Ok(None) if new_only => Some(WatchFrom::Now),
        Ok(None) => Some(WatchFrom::Start),
        Ok(Some(cursor)) => {
            let parsed = cursor.parse().map_err(|_| NOT_OURS);
            fields.check("from_position", parsed).map(WatchFrom::Position)
        }
        Err(violation) => fields.take(Err(violation)),
    };
    let (scope, from) = fields.finish(scope.zip(from))?;
    Ok((scope, from, query))
}

/// A wallet, an account, or the caller's whole namespace.
fn scope(fields: &mut Fields, caller: &Caller, account: &str, asset: &str) -> Option<EventScope> {
    match (account, asset) {
        ("", "") => Some(EventScope::Namespace(caller.namespace_id)),
        (account, "") => {
            let name = fields.check("account", AccountName::parse(account))?;
            Some(EventScope::Account(AccountId::of(caller.namespace_id, &name)))
        }
        (account, asset) => fields.wallet(caller, account, asset).map(EventScope::Wallet),
    }
}
