//! Events: appended, never changed.

use postgres_types::{Json, ToSql};
use purse_domain::{Event, TransactionId, WalletName};
use uuid::Uuid;

use super::together::Row;
use crate::{
    event_data::{EventData, kind_code},
    row::Instant,
};

/// A row of `events`. Most batches have none.
#[derive(Debug, ToSql)]
#[postgres(name = "event_row")]
pub(super) struct EventRow {
    account_id: Uuid,
    wallet_id: Uuid,
    event_sequence: i64,
    namespace_id: Uuid,
    kind: i16,
    entry_sequence: Option<i64>,
    transaction_id: Option<Uuid>,
    effective_at: Instant,
    recorded_at: Instant,
    data: Json<EventData>,
}

impl Row for EventRow {
    /// A transaction may have got its number before another one that it then waits for. So the number alone is in
    /// no order along a wallet, and an event takes that of the wallet's event before it, if that is higher.
    const STATEMENT: &'static str = "
        INSERT INTO events (account_id, wallet_id, event_sequence, namespace_id, kind,
            entry_sequence, transaction_id, effective_at, recorded_at, data, stream_xid)
        SELECT r.*, GREATEST(pg_current_xact_id(), p.stream_xid)
        FROM unnest($1::event_row[]) AS r
        LEFT JOIN LATERAL (
            SELECT e.stream_xid
            FROM events AS e
            WHERE e.account_id = r.account_id AND e.wallet_id = r.wallet_id
            ORDER BY e.event_sequence DESC
            LIMIT 1
        ) AS p ON TRUE";
}

impl EventRow {
    /// `owner` is the transaction; what time alone did has none.
    pub(super) fn new(name: &WalletName, event: &Event, owner: Option<TransactionId>) -> Self {
        let Event { sequence, occurrence, effective_at, recorded_at, entry } = event;
        Self {
            account_id: name.account_id.uuid(),
            wallet_id: name.wallet_id.uuid(),
            event_sequence: sequence.0,
            namespace_id: name.namespace_id.uuid(),
            kind: kind_code(occurrence),
            entry_sequence: entry.map(|entry| entry.0),
            transaction_id: owner.map(TransactionId::uuid),
            effective_at: Instant(*effective_at),
            recorded_at: Instant(*recorded_at),
            data: Json(EventData::of(occurrence)),
        }
    }
}
