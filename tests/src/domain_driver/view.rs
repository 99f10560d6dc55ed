//! From domain values to what a caller sees.

use purse_domain::{
    Amount, AssetCode, Balances, Crossing, DrawdownPolicy, Entry, Event, Grant, GrantParts,
    GrantStatus, Hold, HoldStatus, LimitUsage, Occurrence, PositiveAmount, Slice, SliceOutcome,
    SpendLimit, Timestamp, TopUps, WalletName, WalletStatus,
};

use crate::answer::{
    EntryView, EventView, GrantView, HoldView, Holdings, LimitView, OccurrenceView, SliceView,
};

/// Balances as texts.
pub(super) fn holdings(balances: &Balances) -> Holdings {
    let Balances { available, held, debt, scheduled } = balances;
    Holdings {
        balance: balances.balance().to_string(),
        available: available.to_string(),
        held: held.to_string(),
        debt: debt.to_string(),
        scheduled: scheduled.to_string(),
    }
}

/// What the entries say today about a past instant: the sum of what those that count by then did.
pub(super) fn past_holdings(entries: &[Entry], at: Timestamp) -> Holdings {
    let sum = |figure: fn(&Balances) -> Amount| {
        let mut before = Amount::ZERO.decimal();
        let mut sum = Amount::ZERO.decimal();
        for entry in entries {
            let after = figure(&entry.after).decimal();
            if entry.effective_at <= at {
                sum += after - before;
            }
            before = after;
        }
        sum
    };
    let balances = Balances::of_sums(
        sum(|balances| balances.available),
        sum(|balances| balances.held),
        sum(|balances| balances.debt),
        sum(|balances| balances.scheduled),
    );
    holdings(&balances.expect("a ledger's sums are balances"))
}

/// An entry.
pub(super) fn entry(entry: &Entry, counterparty: Option<&WalletName>) -> EntryView {
    EntryView {
        sequence: entry.sequence.0,
        kind: entry.kind.name().to_owned(),
        amount: entry.amount.to_string(),
        balance_before: entry.balance_before.to_string(),
        after: holdings(&entry.after),
        effective_at: entry.effective_at,
        recorded_at: entry.recorded_at,
        allocations: entry
            .allocations
            .iter()
            .map(|allocation| (allocation.grant.0, allocation.amount.to_string()))
            .collect(),
        debts: entry.debts.iter().map(|part| (part.entry.0, part.amount.to_string())).collect(),
        about: entry.about.map_or(0, |undone| undone.0),
        counterparty: counterparty.map(|other| other.account.to_string()).unwrap_or_default(),
        expiry: entry.expiry,
    }
}

/// A slice of a reversed spend.
pub(super) fn slice(slice: &Slice) -> SliceView {
    let (outcome, new_grant) = match slice.outcome {
        SliceOutcome::Restored => ("RESTORED", None),
        SliceOutcome::RestoredAndExpired => ("RESTORED_AND_EXPIRED", None),
        SliceOutcome::Reissued(grant) => ("REISSUED", Some(grant)),
        SliceOutcome::Graced(grant) => ("GRACED", Some(grant)),
        SliceOutcome::DebtForgiven => ("DEBT_FORGIVEN", None),
    };
    SliceView {
        grant: slice.grant.map_or(0, |grant| grant.0),
        amount: slice.amount.to_string(),
        outcome: outcome.to_owned(),
        new_grant: new_grant.map_or(0, |grant| grant.0),
    }
}

/// A grant.
pub(super) fn grant(grant: &Grant) -> GrantView {
    let GrantParts { available, held, consumed, expired, voided, revoked, transferred_out } =
        grant.parts;
    let window = grant.window;
    GrantView {
        number: grant.number.0,
        status: grant_status(grant.status()).to_owned(),
        amount: grant.terms.amount.get().to_string(),
        parts: [
            ("available", available),
            ("held", held),
            ("consumed", consumed),
            ("expired", expired),
            ("voided", voided),
            ("revoked", revoked),
            ("transferred out", transferred_out),
        ]
        .map(|(name, amount)| (name, amount.to_string()))
        .to_vec(),
        effective_at: window.effective_at(),
        expires_at: window.expires_at(),
        expired_at: grant.expired_at,
        funding_ref: grant.terms.funding_ref.as_ref().map(ToString::to_string).unwrap_or_default(),
    }
}

/// A hold.
pub(super) fn hold(hold: &Hold) -> HoldView {
    let status = match hold.status() {
        HoldStatus::Open => "OPEN",
        HoldStatus::Captured => "CAPTURED",
        HoldStatus::Released => "RELEASED",
        HoldStatus::Expired => "EXPIRED",
    };
    let Hold { number, amount, captured, released, lapsed, expires_at, .. } = hold;
    HoldView {
        number: number.0,
        status: status.to_owned(),
        amount: amount.to_string(),
        parts: [
            ("held", hold.held()),
            ("captured", *captured),
            ("released", *released),
            ("lapsed", *lapsed),
        ]
        .map(|(name, amount)| (name, amount.to_string()))
        .to_vec(),
        expires_at: *expires_at,
    }
}

/// A spend limit, and what is used of it.
pub(super) fn limit(limit: &SpendLimit, usage: Option<&LimitUsage>) -> LimitView {
    LimitView {
        name: limit.name.to_string(),
        amount: limit.amount.to_string(),
        spent: usage.map(|usage| usage.spent.to_string()),
        held: usage.map(|usage| usage.held.to_string()),
        frees_at: usage.and_then(|usage| usage.frees_at),
    }
}

/// An event.
pub(super) fn event(event: &Event, asset: &AssetCode) -> EventView {
    let crossing =
        |kind, threshold: Option<PositiveAmount>, balance: Crossing| OccurrenceView::Crossing {
            kind,
            threshold: threshold.map(|at| at.get().to_string()).unwrap_or_default(),
            before: balance.before.to_string(),
            after: balance.after.to_string(),
        };
    let occurrence = match event.occurrence {
        Occurrence::LowBalance { threshold, balance } => {
            crossing("LOW_BALANCE", Some(threshold), balance)
        }
        Occurrence::Depleted { balance } => crossing("DEPLETED", None, balance),
        Occurrence::Recovered { threshold, balance } => crossing("RECOVERED", threshold, balance),
        Occurrence::TopUpRequested { threshold, amount, balance } => {
            OccurrenceView::TopUpRequested {
                reference: TopUps::reference(asset, event.sequence).to_string(),
                amount: amount.get().to_string(),
                threshold: threshold.get().to_string(),
                before: balance.before.to_string(),
                after: balance.after.to_string(),
            }
        }
        Occurrence::ExpiringSoon { grant, amount, expires_at, lead } => {
            let (amount, lead_micros) = (amount.to_string(), lead.micros());
            OccurrenceView::ExpiringSoon { grant: grant.0, amount, expires_at, lead_micros }
        }
    };
    EventView {
        sequence: event.sequence.0,
        effective_at: event.effective_at,
        recorded_at: event.recorded_at,
        entry: event.entry.map_or(0, |entry| entry.0),
        occurrence,
    }
}

/// A policy's name on the wire.
pub(super) fn policy(policy: DrawdownPolicy) -> &'static str {
    match policy {
        DrawdownPolicy::ExpiryFirst => "EXPIRY_FIRST",
        DrawdownPolicy::OldestFirst => "OLDEST_FIRST",
    }
}

/// A status' name on the wire.
pub(super) fn wallet_status(status: WalletStatus) -> &'static str {
    match status {
        WalletStatus::Active => "ACTIVE",
        WalletStatus::Frozen => "FROZEN",
        WalletStatus::Closed => "CLOSED",
    }
}

fn grant_status(status: GrantStatus) -> &'static str {
    match status {
        GrantStatus::Scheduled => "SCHEDULED",
        GrantStatus::Active => "ACTIVE",
        GrantStatus::UsedUp => "USED_UP",
        GrantStatus::Expired => "EXPIRED",
        GrantStatus::Voided => "VOIDED",
        GrantStatus::Revoked => "REVOKED",
    }
}
