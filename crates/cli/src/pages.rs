//! Lists, page after page, joined into one answer.

use purse_client::{
    Client, Error,
    v1::{
        ListEntriesRequest, ListEntriesResponse, ListEventsRequest, ListEventsResponse,
        ListFailedApplicationsRequest, ListFailedApplicationsResponse, ListGrantRuleChangesRequest,
        ListGrantRuleChangesResponse, ListGrantRulesRequest, ListGrantRulesResponse,
        ListGrantsRequest, ListGrantsResponse, ListHoldsRequest, ListHoldsResponse,
        ListOperationChangesRequest, ListOperationChangesResponse, ListOperationsRequest,
        ListOperationsResponse, ListPackChangesRequest, ListPackChangesResponse, ListPacksRequest,
        ListPacksResponse, ListWalletsRequest, ListWalletsResponse,
    },
};

/// The largest page that the service gives.
pub const MAX_PAGE_SIZE: i32 = 1_000;

/// The size of the next page on the way to `limit`, where 0 means all.
fn page_size(limit: usize, listed: usize) -> i32 {
    match limit {
        0 => MAX_PAGE_SIZE,
        limit => i32::try_from(limit - listed).unwrap_or(MAX_PAGE_SIZE).min(MAX_PAGE_SIZE),
    }
}

macro_rules! pages {
    ($(#[$doc:meta])* $method:ident($request:ty) -> $answer:ty, $items:ident) => {
        $(#[$doc])*
        pub async fn $method(
            client: &Client,
            mut request: $request,
            limit: usize,
        ) -> Result<$answer, Error> {
            let mut answer = <$answer>::default();
            loop {
                request.page_size = page_size(limit, answer.$items.len());
                let mut page = client.$method(request.clone()).await?;
                answer.$items.append(&mut page.$items);
                answer.next_page_token.clone_from(&page.next_page_token);
                let is_full = limit != 0 && answer.$items.len() >= limit;
                if is_full || page.next_page_token.is_empty() {
                    return Ok(answer);
                }
                request.page_token = page.next_page_token;
            }
        }
    };
}

pages! {
    /// Lists wallets up to a limit, 0 for all. A token in the answer says that more follow.
    list_wallets(ListWalletsRequest) -> ListWalletsResponse, wallets
}
pages! {
    /// Lists entries up to a limit, 0 for all. A token in the answer says that more follow.
    list_entries(ListEntriesRequest) -> ListEntriesResponse, entries
}
pages! {
    /// Lists grants up to a limit, 0 for all. A token in the answer says that more follow.
    list_grants(ListGrantsRequest) -> ListGrantsResponse, grants
}

pages! {
    /// Lists events up to a limit, 0 for all. A token in the answer says that more follow.
    list_events(ListEventsRequest) -> ListEventsResponse, events
}
pages! {
    /// Lists failed applications up to a limit, 0 for all. A token in the answer says that more follow.
    list_failed_applications(ListFailedApplicationsRequest) -> ListFailedApplicationsResponse,
    applications
}
pages! {
    /// Lists holds up to a limit, 0 for all. A token in the answer says that more follow.
    list_holds(ListHoldsRequest) -> ListHoldsResponse, holds
}

pages! {
    /// Lists operations up to a limit, 0 for all. A token in the answer says that more follow.
    list_operations(ListOperationsRequest) -> ListOperationsResponse, operations
}
pages! {
    /// Lists an operation's versions up to a limit, 0 for all. A token in the answer says that more follow.
    list_operation_changes(ListOperationChangesRequest) -> ListOperationChangesResponse, changes
}
pages! {
    /// Lists grant rules up to a limit, 0 for all. A token in the answer says that more follow.
    list_grant_rules(ListGrantRulesRequest) -> ListGrantRulesResponse, rules
}
pages! {
    /// Lists changes of a grant rule up to a limit, 0 for all. A token in the answer says that more follow.
    list_grant_rule_changes(ListGrantRuleChangesRequest) -> ListGrantRuleChangesResponse, changes
}

pages! {
    /// Lists packs up to a limit, 0 for all. A token in the answer says that more follow.
    list_packs(ListPacksRequest) -> ListPacksResponse, packs
}
pages! {
    /// Lists a pack's versions up to a limit, 0 for all. A token in the answer says that more follow.
    list_pack_changes(ListPackChangesRequest) -> ListPackChangesResponse, changes
}

/// Tells a person that a list was cut.
pub fn note_cut(next_page_token: &str, limit: usize) {
    if !next_page_token.is_empty() {
        eprintln!("purse: more follow after these {limit}; --limit 0 lists all");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_page_ends_at_the_limit() {
        assert_eq!(page_size(0, 5_000), 1_000);
        assert_eq!(page_size(2_500, 0), 1_000);
        assert_eq!(page_size(2_500, 2_000), 500);
        assert_eq!(page_size(usize::MAX, 0), 1_000);
    }
}
