//! Domain to proto: answers.

mod catalog;
mod event;
mod explanation;
mod pack;
mod report;
mod rule;
mod spend_limit;
mod subscription;
mod top_up;

pub use catalog::operation;
pub use event::{event, page_of_events};
pub use explanation::{composed_balance, explained_transaction};
pub use pack::{pack, purchased};
pub use report::{cost_page, expiry_page};
pub use rule::{calculated, expiry_change, grant_rule, grant_rule_change};
pub use spend_limit::spend_limits;
pub use subscription::{
    acknowledgement, application, applied, event_outcome, failed_applications, subscription,
};
pub use top_up::top_ups;

use purse_domain::{
    AccountName, Allocation, Balances, DebtPart, Discrepancy, DrawdownPolicy, Entry, EntryKind,
    ExpiredPolicy, ExpiryChange, Grant, GrantNumber, GrantParts, GrantStatus, GrantTerms, Hold,
    HoldStatus, Period, Sequence, Slice, SliceOutcome, Step, Timestamp, Transaction, TransactionId,
    TransactionKind, WalletName, WalletSettings, WalletStatus, slices,
};
use purse_proto::v1;
use purse_storage::{Answer, EntryRecord, GrantRecord, TimelineRecord, Verification};
use tonic::Status;
use tonic_types::StatusExt as _;

use crate::sweeper::Swept;

/// An instant.
pub fn instant(at: Timestamp) -> prost_types::Timestamp {
    let (seconds, nanos) = at.parts();
    prost_types::Timestamp { seconds, nanos }
}

/// A length of time.
fn period(period: Period) -> prost_types::Duration {
    micros(period.micros())
}

/// So many microseconds, none or more.
fn micros(micros: i64) -> prost_types::Duration {
    let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
    // Below 10^9.
    prost_types::Duration { seconds, nanos: i32::try_from(micros * 1_000).unwrap_or(0) }
}

/// A wallet's settings.
pub fn wallet(settings: &WalletSettings) -> v1::Wallet {
    let WalletSettings {
        name,
        scale,
        drawdown_policy,
        overdraft_limit,
        low_balance_thresholds,
        expiring_soon_leads,
        spend_limits,
        top_up,
        metadata,
        status,
        created_at,
        updated_at,
        version,
    } = settings;
    v1::Wallet {
        account: name.account.to_string(),
        asset: name.asset.to_string(),
        wallet_id: name.wallet_id.to_string(),
        scale: i32::from(scale.places()),
        drawdown_policy: policy(*drawdown_policy).into(),
        overdraft_limit: overdraft_limit.to_string(),
        low_balance_thresholds: low_balance_thresholds
            .as_slice()
            .iter()
            .map(|threshold| threshold.get().to_string())
            .collect(),
        expiring_soon_leads: expiring_soon_leads.as_slice().iter().copied().map(period).collect(),
        spend_limits: spend_limits.iter().map(spend_limit::spend_limit).collect(),
        metadata: metadata.as_map().clone(),
        created_at: Some(instant(*created_at)),
        updated_at: Some(instant(*updated_at)),
        etag: version.to_string(),
        status: wallet_status(*status).into(),
        top_up_rule: top_up.as_ref().map(top_up::top_up_rule),
    }
}

fn wallet_status(status: WalletStatus) -> v1::WalletStatus {
    match status {
        WalletStatus::Active => v1::WalletStatus::Active,
        WalletStatus::Frozen => v1::WalletStatus::Frozen,
        WalletStatus::Closed => v1::WalletStatus::Closed,
    }
}

/// The balances of a wallet at an instant.
pub fn balance(name: &WalletName, at: Timestamp, balances: &Balances) -> v1::Balance {
    let Balances { available, held, debt, scheduled } = balances;
    v1::Balance {
        account: name.account.to_string(),
        asset: name.asset.to_string(),
        at: Some(instant(at)),
        balance: balances.balance().to_string(),
        available: available.to_string(),
        held: held.to_string(),
        debt: debt.to_string(),
        scheduled: scheduled.to_string(),
    }
}

/// The balances of a wallet over a range of time.
pub fn timeline(name: &WalletName, record: &TimelineRecord) -> v1::GetTimelineResponse {
    let TimelineRecord { range, steps, thinned } = record;
    v1::GetTimelineResponse {
        account: name.account.to_string(),
        asset: name.asset.to_string(),
        start: Some(instant(range.start())),
        end: Some(instant(range.end())),
        points: steps.iter().map(timeline_point).collect(),
        thinned: *thinned,
    }
}

fn timeline_point(step: &Step) -> v1::TimelinePoint {
    let Step { at, balances } = step;
    let Balances { available, held, debt, scheduled } = balances;
    v1::TimelinePoint {
        at: Some(instant(*at)),
        balance: balances.balance().to_string(),
        available: available.to_string(),
        held: held.to_string(),
        debt: debt.to_string(),
        scheduled: scheduled.to_string(),
    }
}

/// What every write on a wallet's ledger answers: the transaction and the balance right after it.
pub fn written(answer: &Answer) -> (v1::Transaction, v1::Balance) {
    let done = &answer.transaction;
    (transaction(answer), balance(&done.wallet, done.recorded_at, &done.balances))
}

/// What a spend did.
pub fn spent(answer: &Answer) -> v1::SpendResponse {
    let (transaction, balance) = written(answer);
    let (transaction, balance) = (Some(transaction), Some(balance));
    v1::SpendResponse { transaction, balance, replayed: answer.replayed }
}

/// What a grant did.
pub fn granted(answer: &Answer) -> v1::GrantResponse {
    let (transaction, balance) = written(answer);
    v1::GrantResponse {
        grant: made_grants(answer).into_iter().next(),
        transaction: Some(transaction),
        balance: Some(balance),
        replayed: answer.replayed,
    }
}

/// Why an item of a batch may not happen.
pub fn item_error(refused: &Status) -> v1::ItemError {
    let details = refused.get_error_details();
    let info = details.error_info();
    let delay = details.retry_info().and_then(|retry| retry.retry_delay);
    v1::ItemError {
        code: refused.code().into(),
        message: refused.message().to_owned(),
        reason: info.map(|info| info.reason.clone()).unwrap_or_default(),
        metadata: info.map(|info| info.metadata.clone().into_iter().collect()).unwrap_or_default(),
        retry_delay: delay.and_then(|delay| prost_types::Duration::try_from(delay).ok()),
    }
}

/// What a transfer did: the sender's leg and the receiver's. `None`: there are not both.
pub fn transferred(legs: &[Answer]) -> Option<v1::TransferResponse> {
    let [sent, received] = legs else { return None };
    let (transaction, balance) = written(sent);
    let (received_transaction, to_balance) = written(received);
    Some(v1::TransferResponse {
        transaction: Some(transaction),
        balance: Some(balance),
        replayed: sent.replayed,
        received: Some(received_transaction),
        to_balance: Some(to_balance),
        grants: made_grants(received),
    })
}

fn transaction(answer: &Answer) -> v1::Transaction {
    let Answer { transaction, previewed, commit_token, replayed: _, changes: _ } = answer;
    let mut written = stored_transaction(transaction);
    if *previewed {
        written.transaction_id = String::new();
    }
    written.commit_token = commit_token.map(|token| token.to_string()).unwrap_or_default();
    written
}

/// A transaction.
pub fn stored_transaction(transaction: &Transaction) -> v1::Transaction {
    let Transaction {
        id,
        wallet: name,
        kind,
        key,
        fingerprint: _,
        counterparty,
        operation,
        pricing,
        purchase,
        actor,
        reason,
        metadata,
        drawdown_policy,
        policy_version,
        recorded_at,
        entries,
        balances: _,
        after_sequence: _,
        settings: _,
        grants: _,
        hold: _,
    } = transaction;
    v1::Transaction {
        transaction_id: id.to_string(),
        kind: transaction_kind(*kind).into(),
        idempotency_key: key.as_ref().map(ToString::to_string).unwrap_or_default(),
        account: name.account.to_string(),
        asset: name.asset.to_string(),
        drawdown_policy: policy(*drawdown_policy).into(),
        drawdown_policy_version: i32::from(*policy_version),
        recorded_at: Some(instant(*recorded_at)),
        entries: entries.iter().map(|line| entry(line, counterparty.as_ref())).collect(),
        operation: operation.as_ref().map(ToString::to_string).unwrap_or_default(),
        actor: actor.to_string(),
        reason: reason.to_string(),
        metadata: metadata.as_map().clone(),
        counterparty_account: counterparty.as_ref().map(ToString::to_string).unwrap_or_default(),
        commit_token: String::new(),
        pricing: pricing.as_ref().map(catalog::pricing),
        purchase: purchase.as_ref().map(pack::purchase),
    }
}

/// An entry of a list, with what its transaction says of it.
pub fn entry_record(record: &EntryRecord) -> v1::Entry {
    let EntryRecord {
        entry: line,
        transaction_id,
        key,
        operation,
        actor,
        reason,
        metadata,
        counterparty,
        categories,
    } = record;
    let bare = entry(line, counterparty.as_ref());
    let allocations = bare.allocations.into_iter().zip(categories);
    let allocations = allocations
        .map(|(part, category)| v1::Allocation { category: category.to_string(), ..part });
    v1::Entry {
        allocations: allocations.collect(),
        transaction_id: transaction_id.map(|id| id.to_string()).unwrap_or_default(),
        operation: operation.as_ref().map(ToString::to_string).unwrap_or_default(),
        actor: actor.as_ref().map(ToString::to_string).unwrap_or_default(),
        reason: reason.as_ref().map(ToString::to_string).unwrap_or_default(),
        metadata: metadata.as_map().clone(),
        idempotency_key: key.as_ref().map(ToString::to_string).unwrap_or_default(),
        ..bare
    }
}

fn entry(entry: &Entry, counterparty: Option<&AccountName>) -> v1::Entry {
    let Entry {
        sequence,
        kind,
        amount,
        balance_before,
        after,
        effective_at,
        recorded_at,
        allocations,
        debts,
        hold,
        about,
        expiry,
    } = entry;
    v1::Entry {
        sequence: sequence.0,
        kind: entry_kind(*kind).into(),
        amount: amount.to_string(),
        balance_before: balance_before.to_string(),
        balance_after: after.balance().to_string(),
        after: Some(v1::EntryBalances {
            available: after.available.to_string(),
            held: after.held.to_string(),
            debt: after.debt.to_string(),
            scheduled: after.scheduled.to_string(),
        }),
        effective_at: Some(instant(*effective_at)),
        recorded_at: Some(instant(*recorded_at)),
        allocations: self::allocations(allocations),
        debts: debts
            .iter()
            .map(|DebtPart { entry, amount }| v1::DebtPart {
                entry_sequence: entry.0,
                amount: amount.to_string(),
            })
            .collect(),
        hold_number: hold.map_or(0, |number| number.0),
        about_sequence: about.map_or(0, |Sequence(undone)| undone),
        counterparty_account: counterparty.map(ToString::to_string).unwrap_or_default(),
        expiry_change: expiry.map(|ExpiryChange { from, to }| v1::ExpiryChange {
            before: from.map(instant),
            after: to.map(instant),
        }),
        ..v1::Entry::default()
    }
}

fn allocations(allocations: &[Allocation]) -> Vec<v1::Allocation> {
    allocations
        .iter()
        .map(|Allocation { grant, amount }| v1::Allocation {
            grant_number: grant.0,
            amount: amount.to_string(),
            category: String::new(),
        })
        .collect()
}

/// The hold as a transaction left it. Only the transaction that made it is known here.
pub fn hold_after(answer: &Answer) -> Option<v1::Hold> {
    let Answer { transaction, previewed, .. } = answer;
    let made_it = transaction.kind == TransactionKind::CreateHold && !previewed;
    transaction
        .hold
        .as_ref()
        .map(|after| hold(&transaction.wallet, after, made_it.then_some(transaction.id)))
}

/// A hold.
pub fn hold(name: &WalletName, hold: &Hold, made_by: Option<TransactionId>) -> v1::Hold {
    let Hold {
        number,
        operation,
        amount,
        captured,
        released,
        lapsed,
        slices,
        created_at,
        expires_at,
    } = hold;
    v1::Hold {
        account: name.account.to_string(),
        asset: name.asset.to_string(),
        hold_number: number.0,
        status: hold_status(hold.status()).into(),
        amount: amount.to_string(),
        held: hold.held().to_string(),
        captured: captured.to_string(),
        released: released.to_string(),
        lapsed: lapsed.to_string(),
        slices: allocations(slices),
        operation: operation.as_ref().map(ToString::to_string).unwrap_or_default(),
        created_at: Some(instant(*created_at)),
        expires_at: Some(instant(*expires_at)),
        transaction_id: made_by.map(|id| id.to_string()).unwrap_or_default(),
    }
}

fn hold_status(status: HoldStatus) -> v1::HoldStatus {
    match status {
        HoldStatus::Open => v1::HoldStatus::Open,
        HoldStatus::Captured => v1::HoldStatus::Captured,
        HoldStatus::Released => v1::HoldStatus::Released,
        HoldStatus::Expired => v1::HoldStatus::Expired,
    }
}

/// What a verification found.
pub fn verification(found: &Verification) -> v1::VerifyWalletResponse {
    let Verification { recorded_at, entries, grants, holds, discrepancy } = found;
    v1::VerifyWalletResponse {
        sound: discrepancy.is_none(),
        problem: discrepancy.as_ref().map(ToString::to_string).unwrap_or_default(),
        entry_sequence: discrepancy
            .as_ref()
            .and_then(Discrepancy::entry)
            .map_or(0, |entry| entry.0),
        entries: entries.0,
        grants: grants.0,
        holds: holds.0,
        recorded_at: Some(instant(*recorded_at)),
    }
}

/// What was swept, and how many wallets are still due.
pub fn swept(swept: &Swept, due: i64) -> v1::SweepWalletsResponse {
    let Swept { wallets, entries, events, failed } = *swept;
    v1::SweepWalletsResponse {
        wallets: wallets.try_into().unwrap_or(i32::MAX),
        entries: entries.try_into().unwrap_or(i64::MAX),
        events: events.try_into().unwrap_or(i64::MAX),
        failed: failed.try_into().unwrap_or(i32::MAX),
        due: due.try_into().unwrap_or(i32::MAX),
    }
}

/// What a reversal did, slice by slice.
pub fn reversed_slices(answer: &Answer, policy: ExpiredPolicy) -> Vec<v1::ReversedSlice> {
    let slices = slices(policy, &answer.transaction.entries).into_iter();
    slices.map(reversed_slice).collect()
}

fn reversed_slice(slice: Slice) -> v1::ReversedSlice {
    let Slice { grant, amount, outcome } = slice;
    let (outcome, new_grant) = match outcome {
        SliceOutcome::Restored => (v1::ReversedSliceOutcome::Restored, None),
        SliceOutcome::RestoredAndExpired => (v1::ReversedSliceOutcome::RestoredAndExpired, None),
        SliceOutcome::Reissued(grant) => (v1::ReversedSliceOutcome::Reissued, Some(grant)),
        SliceOutcome::Graced(grant) => (v1::ReversedSliceOutcome::Graced, Some(grant)),
        SliceOutcome::DebtForgiven => (v1::ReversedSliceOutcome::DebtForgiven, None),
    };
    let number = |grant: Option<GrantNumber>| grant.map_or(0, |GrantNumber(number)| number);
    v1::ReversedSlice {
        grant_number: number(grant),
        amount: amount.to_string(),
        outcome: outcome.into(),
        new_grant_number: number(new_grant),
    }
}

/// The grants that a transaction was to make.
pub fn made_grants(answer: &Answer) -> Vec<v1::Grant> {
    let Answer { transaction, previewed, .. } = answer;
    let made = transaction.grants.iter().map(|made| {
        let record = GrantRecord {
            grant: made.clone(),
            transaction_id: transaction.id,
            actor: transaction.actor.clone(),
            reason: transaction.reason.clone(),
            metadata: transaction.metadata.clone(),
        };
        let mut made = grant(&transaction.wallet, &record);
        if *previewed {
            made.transaction_id = String::new();
        }
        made
    });
    made.collect()
}

/// A grant.
pub fn grant(name: &WalletName, record: &GrantRecord) -> v1::Grant {
    let GrantRecord { grant, transaction_id, actor, reason, metadata } = record;
    v1::Grant {
        transaction_id: transaction_id.to_string(),
        actor: actor.to_string(),
        reason: reason.to_string(),
        metadata: metadata.as_map().clone(),
        ..bare_grant(name, grant)
    }
}

/// A grant without what its transaction says of it.
fn bare_grant(name: &WalletName, grant: &Grant) -> v1::Grant {
    let status = grant_status(grant.status());
    let Grant {
        number: GrantNumber(number),
        terms,
        window,
        granted_at,
        activated: _,
        expired_at,
        parts,
        transferred_in,
        lost: _,
    } = grant;
    let GrantTerms {
        amount,
        granted_window: _,
        priority,
        category,
        cost_basis,
        applies_to,
        funding_ref,
    } = &**terms;
    let GrantParts { available, held, consumed, expired, voided, revoked, transferred_out } = parts;
    v1::Grant {
        account: name.account.to_string(),
        asset: name.asset.to_string(),
        number: *number,
        status: status.into(),
        amount: amount.get().to_string(),
        effective_at: Some(instant(window.effective_at())),
        expires_at: window.expires_at().map(instant),
        priority: priority.get(),
        category: category.to_string(),
        cost_basis: cost_basis.to_string(),
        applies_to: applies_to.iter().map(ToString::to_string).collect(),
        available: available.to_string(),
        held: held.to_string(),
        consumed: consumed.to_string(),
        expired: expired.to_string(),
        voided: voided.to_string(),
        revoked: revoked.to_string(),
        transferred_out: transferred_out.to_string(),
        transferred_in: *transferred_in,
        expired_at: expired_at.map(instant),
        granted_at: Some(instant(*granted_at)),
        funding_ref: funding_ref.as_ref().map(ToString::to_string).unwrap_or_default(),
        ..v1::Grant::default()
    }
}

fn policy(policy: DrawdownPolicy) -> v1::DrawdownPolicy {
    match policy {
        DrawdownPolicy::ExpiryFirst => v1::DrawdownPolicy::ExpiryFirst,
        DrawdownPolicy::OldestFirst => v1::DrawdownPolicy::OldestFirst,
    }
}

fn transaction_kind(kind: TransactionKind) -> v1::TransactionKind {
    match kind {
        TransactionKind::CreateWallet => v1::TransactionKind::CreateWallet,
        TransactionKind::UpdateWallet => v1::TransactionKind::UpdateWallet,
        TransactionKind::Grant => v1::TransactionKind::Grant,
        TransactionKind::Spend => v1::TransactionKind::Spend,
        TransactionKind::VoidGrant => v1::TransactionKind::VoidGrant,
        TransactionKind::ExpireGrant => v1::TransactionKind::ExpireGrant,
        TransactionKind::CreateHold => v1::TransactionKind::CreateHold,
        TransactionKind::CaptureHold => v1::TransactionKind::CaptureHold,
        TransactionKind::ReleaseHold => v1::TransactionKind::ReleaseHold,
        TransactionKind::ExtendHold => v1::TransactionKind::ExtendHold,
        TransactionKind::ReverseSpend => v1::TransactionKind::ReverseSpend,
        TransactionKind::RevokeFunding => v1::TransactionKind::RevokeFunding,
        TransactionKind::Transfer => v1::TransactionKind::Transfer,
        TransactionKind::FreezeWallet => v1::TransactionKind::FreezeWallet,
        TransactionKind::UnfreezeWallet => v1::TransactionKind::UnfreezeWallet,
        TransactionKind::DeclineTopUp => v1::TransactionKind::DeclineTopUp,
        TransactionKind::PurchasePack => v1::TransactionKind::PurchasePack,
        TransactionKind::CloseWallet => v1::TransactionKind::CloseWallet,
        TransactionKind::ChangeGrantExpiry => v1::TransactionKind::ChangeGrantExpiry,
    }
}

fn entry_kind(kind: EntryKind) -> v1::EntryKind {
    match kind {
        EntryKind::Granted => v1::EntryKind::Granted,
        EntryKind::Activated => v1::EntryKind::Activated,
        EntryKind::Expired => v1::EntryKind::Expired,
        EntryKind::Spent => v1::EntryKind::Spent,
        EntryKind::Voided => v1::EntryKind::Voided,
        EntryKind::ExpiryReversed => v1::EntryKind::ExpiryReversed,
        EntryKind::Repaid => v1::EntryKind::Repaid,
        EntryKind::Held => v1::EntryKind::Held,
        EntryKind::Captured => v1::EntryKind::Captured,
        EntryKind::Released => v1::EntryKind::Released,
        EntryKind::HoldExpired => v1::EntryKind::HoldExpired,
        EntryKind::Reversed => v1::EntryKind::Reversed,
        EntryKind::Revoked => v1::EntryKind::Revoked,
        EntryKind::RevocationReversed => v1::EntryKind::RevocationReversed,
        EntryKind::TransferredOut => v1::EntryKind::TransferredOut,
        EntryKind::TransferredIn => v1::EntryKind::TransferredIn,
        EntryKind::ExpiryChanged => v1::EntryKind::ExpiryChanged,
    }
}

fn grant_status(status: GrantStatus) -> v1::GrantStatus {
    match status {
        GrantStatus::Scheduled => v1::GrantStatus::Scheduled,
        GrantStatus::Active => v1::GrantStatus::Active,
        GrantStatus::UsedUp => v1::GrantStatus::UsedUp,
        GrantStatus::Expired => v1::GrantStatus::Expired,
        GrantStatus::Voided => v1::GrantStatus::Voided,
        GrantStatus::Revoked => v1::GrantStatus::Revoked,
    }
}
