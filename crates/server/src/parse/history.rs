//! Requests about what was written: entries and transactions.

use purse_domain::{
    Actor, Category, EntryKind, Metadata, Sequence, TimeRange, Timestamp, TransactionId, WalletName,
};
use purse_proto::v1;
use purse_storage::{EntryFilter, EntryQuery};
use tonic::Status;

use super::Fields;
use crate::{auth::Caller, page};

/// Which transaction to answer.
pub fn get_transaction(
    caller: &Caller,
    message: v1::GetTransactionRequest,
) -> Result<(WalletName, TransactionId), Status> {
    let v1::GetTransactionRequest { account, asset, transaction_id } = message;
    let mut fields = Fields::default();
    let wallet = fields.wallet(caller, &account, &asset);
    let transaction = fields.transaction_id(&transaction_id);
    let asked = wallet.zip(transaction);
    fields.finish(asked)
}

/// Which entries to list, and the query for the next page's token.
pub fn list_entries(
    caller: &Caller,
    message: v1::ListEntriesRequest,
) -> Result<(EntryQuery, page::Query), Status> {
    let (page_size, page_token) = (message.page_size, message.page_token.clone());
    let message = v1::ListEntriesRequest { page_size: 0, page_token: String::new(), ..message };
    let query = page::Query::of("ListEntries", &message);
    let v1::ListEntriesRequest {
        account,
        asset,
        order,
        kinds,
        category,
        effective_start,
        effective_end,
        recorded_start,
        recorded_end,
        actor,
        operation,
        transaction_id,
        metadata_key,
        metadata_value,
        page_size: _,
        page_token: _,
    } = message;
    let mut fields = Fields::default();
    let wallet = fields.wallet(caller, &account, &asset);
    let newest_first = match v1::EntryOrder::try_from(order) {
        Ok(v1::EntryOrder::Unspecified | v1::EntryOrder::OldestFirst) => false,
        Ok(v1::EntryOrder::NewestFirst) => true,
        Err(_) => {
            fields.note("order", "is no known value");
            false
        }
    };
    let kinds = kinds.into_iter().filter_map(|kind| entry_kind(&mut fields, kind)).collect();
    let category = (!category.is_empty()).then(|| Category::parse(&category));
    let category = fields.check_optional("category", category);
    let effective_start = fields.instant("effective_start", effective_start);
    let effective_end = fields.instant("effective_end", effective_end);
    check_range(
        &mut fields,
        "effective_end",
        effective_start.flatten(),
        effective_end.flatten(),
        "effective_start",
    );
    let recorded_start = fields.instant("recorded_start", recorded_start);
    let recorded_end = fields.instant("recorded_end", recorded_end);
    check_range(
        &mut fields,
        "recorded_end",
        recorded_start.flatten(),
        recorded_end.flatten(),
        "recorded_start",
    );
    let actor = (!actor.is_empty()).then(|| Actor::parse(&actor));
    let actor = fields.check_optional("actor", actor);
    let operation = fields.operation(&operation);
    let transaction = (!transaction_id.is_empty()).then(|| fields.transaction_id(&transaction_id));
    let metadata = metadata(&mut fields, metadata_key, metadata_value);
    let most = fields.take(page::size(page_size));
    let cursor = fields.take(query.cursor(&page_token));
    let after = cursor.flatten().and_then(|cursor| {
        let sequence = cursor.parse().map_err(|_| "is not a token that this service gave");
        fields.check("page_token", sequence.map(Sequence))
    });
    let parsed = (|| {
        let filter = EntryFilter {
            kinds,
            category: category?,
            effective_start: effective_start?,
            effective_end: effective_end?,
            recorded_start: recorded_start?,
            recorded_end: recorded_end?,
            actor: actor?,
            operation: operation?,
            transaction: transaction.flatten(),
            metadata: metadata?,
        };
        Some(EntryQuery { wallet: wallet?, newest_first, filter, after, most: most? })
    })();
    Ok((fields.finish(parsed)?, query))
}

/// A range whose ends may be absent must not end before it starts.
fn check_range(
    fields: &mut Fields,
    field: &'static str,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    start_field: &str,
) {
    if let (Some(start), Some(end)) = (start, end)
        && TimeRange::new(start, end).is_err()
    {
        fields.note(field, format!("must not be before {start_field}"));
    }
}

/// A key, and the value if one is wanted.
#[expect(clippy::option_option, reason = "wrong, absent and present are three cases")]
fn metadata(
    fields: &mut Fields,
    key: String,
    value: Option<String>,
) -> Option<Option<(String, Option<String>)>> {
    if key.is_empty() {
        if value.is_some() {
            fields.note("metadata_value", "goes with metadata_key");
            return None;
        }
        return Some(None);
    }
    // What metadata cannot be, none is.
    let pair = [(key.clone(), value.clone().unwrap_or_default())].into();
    fields.check("metadata_key", Metadata::parse(pair)).map(|_| Some((key, value)))
}

fn entry_kind(fields: &mut Fields, kind: i32) -> Option<EntryKind> {
    match v1::EntryKind::try_from(kind) {
        Ok(v1::EntryKind::Granted) => Some(EntryKind::Granted),
        Ok(v1::EntryKind::Activated) => Some(EntryKind::Activated),
        Ok(v1::EntryKind::Expired) => Some(EntryKind::Expired),
        Ok(v1::EntryKind::Spent) => Some(EntryKind::Spent),
        Ok(v1::EntryKind::Voided) => Some(EntryKind::Voided),
        Ok(v1::EntryKind::ExpiryReversed) => Some(EntryKind::ExpiryReversed),
        Ok(v1::EntryKind::Repaid) => Some(EntryKind::Repaid),
        Ok(v1::EntryKind::Held) => Some(EntryKind::Held),
        Ok(v1::EntryKind::Captured) => Some(EntryKind::Captured),
        Ok(v1::EntryKind::Released) => Some(EntryKind::Released),
        Ok(v1::EntryKind::HoldExpired) => Some(EntryKind::HoldExpired),
        Ok(v1::EntryKind::Reversed) => Some(EntryKind::Reversed),
        Ok(v1::EntryKind::Revoked) => Some(EntryKind::Revoked),
        Ok(v1::EntryKind::RevocationReversed) => Some(EntryKind::RevocationReversed),
        Ok(v1::EntryKind::TransferredOut) => Some(EntryKind::TransferredOut),
        Ok(v1::EntryKind::TransferredIn) => Some(EntryKind::TransferredIn),
        Ok(v1::EntryKind::ExpiryChanged) => Some(EntryKind::ExpiryChanged),
        Ok(v1::EntryKind::Unspecified) | Err(_) => {
            fields.note("kinds", "is no known value");
            None
        }
    }
}
