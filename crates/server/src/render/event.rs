//! Domain to proto: events.

use purse_domain::{AssetCode, Crossing, Event, EventSequence, Occurrence, Sequence, TopUps};
use purse_proto::v1::{self, event::Occurrence as Rendered};
use purse_storage::{EventPage, EventRecord};

use super::{instant, period};
use crate::page;

/// A page of events.
pub fn page_of_events(found: &EventPage, query: &page::Query) -> v1::ListEventsResponse {
    let EventPage { records, position, is_full } = found;
    let next_page_token = is_full.then(|| query.token(&position.to_string()));
    v1::ListEventsResponse {
        events: records.iter().map(event).collect(),
        next_page_token: next_page_token.unwrap_or_default(),
    }
}

/// An event.
pub fn event(record: &EventRecord) -> v1::Event {
    let EventRecord { account, asset, event, transaction_id, position: _ } = record;
    let Event { sequence, occurrence, effective_at, recorded_at, entry } = event;
    v1::Event {
        account: account.to_string(),
        asset: asset.to_string(),
        sequence: sequence.0,
        effective_at: Some(instant(*effective_at)),
        recorded_at: Some(instant(*recorded_at)),
        entry_sequence: entry.map_or(0, |Sequence(sequence)| sequence),
        transaction_id: transaction_id.map(|id| id.to_string()).unwrap_or_default(),
        occurrence: Some(self::occurrence(*occurrence, asset, *sequence)),
    }
}

fn occurrence(occurrence: Occurrence, asset: &AssetCode, sequence: EventSequence) -> Rendered {
    match occurrence {
        Occurrence::LowBalance { threshold, balance: Crossing { before, after } } => {
            Rendered::LowBalance(v1::LowBalance {
                threshold: threshold.get().to_string(),
                balance_before: before.to_string(),
                balance_after: after.to_string(),
            })
        }
        Occurrence::Depleted { balance: Crossing { before, after } } => {
            Rendered::Depleted(v1::Depleted {
                balance_before: before.to_string(),
                balance_after: after.to_string(),
            })
        }
        Occurrence::Recovered { threshold, balance: Crossing { before, after } } => {
            Rendered::Recovered(v1::Recovered {
                threshold: threshold.map(|at| at.get().to_string()).unwrap_or_default(),
                balance_before: before.to_string(),
                balance_after: after.to_string(),
            })
        }
        Occurrence::ExpiringSoon { grant, amount, expires_at, lead } => {
            Rendered::ExpiringSoon(v1::ExpiringSoon {
                grant_number: grant.0,
                amount: amount.to_string(),
                expires_at: Some(instant(expires_at)),
                lead: Some(period(lead)),
            })
        }
        Occurrence::TopUpRequested { threshold, amount, balance: Crossing { before, after } } => {
            Rendered::TopUpRequested(v1::TopUpRequested {
                reference: TopUps::reference(asset, sequence).to_string(),
                amount: amount.get().to_string(),
                threshold: threshold.get().to_string(),
                balance_before: before.to_string(),
                balance_after: after.to_string(),
            })
        }
    }
}
