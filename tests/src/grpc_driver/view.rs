//! From messages to what a scenario compares.

use purse_domain::{ExpiryChange, Timestamp};
use purse_proto::v1::{
    Allocation, Balance, BonusSlab, CalendarUnit, CalendarWindow, ClosingRest, DebtPart, Depleted,
    DrawdownPolicy, Entry, EntryBalances, EntryKind, Event, ExcessPolicy, ExpirationPolicy,
    ExpiredPolicy, Grant, GrantStatus, Hold, LowBalance, Money, PackContents, PackShare,
    PerUnitPrice, Price, PricePart, Recovered, ReversedSlice, ReversedSliceOutcome, RoundingMode,
    SpendLimit, SpendLimitUsage, Transaction, Wallet, bonus_slab, event::Occurrence, price_part,
    spend_limit,
};

use crate::{
    answer::{
        EntryView, EventView, GrantView, HoldView, Holdings, LimitView, OccurrenceView, SliceView,
        WalletView, Written,
    },
    driver::{Limit, PackAsked, PartAsked, PriceAsked, SlabAsked},
};

/// A policy that there is not, for names that are none.
const NO_POLICY: i32 = 99;

/// The number of a policy's name.
pub(super) fn policy_number(name: &str) -> i32 {
    if name.is_empty() {
        return DrawdownPolicy::Unspecified.into();
    }
    let policy = DrawdownPolicy::from_str_name(&format!("DRAWDOWN_POLICY_{name}"));
    policy.map_or(NO_POLICY, i32::from)
}

/// The number of what becomes of the rest.
pub(super) fn closing_rest_number(name: &str) -> i32 {
    if name.is_empty() {
        return ClosingRest::Unspecified.into();
    }
    let rest = ClosingRest::from_str_name(&format!("CLOSING_REST_{name}"));
    rest.map_or(NO_POLICY, i32::from)
}

/// The number of an expiration policy's name.
pub(super) fn expiration_policy_number(name: &str) -> i32 {
    if name.is_empty() {
        return ExpirationPolicy::Unspecified.into();
    }
    let policy = ExpirationPolicy::from_str_name(&format!("EXPIRATION_POLICY_{name}"));
    policy.map_or(NO_POLICY, i32::from)
}

/// The number of an expired policy's name.
pub(super) fn expired_policy_number(name: &str) -> i32 {
    if name.is_empty() {
        return ExpiredPolicy::Unspecified.into();
    }
    let policy = ExpiredPolicy::from_str_name(&format!("EXPIRED_POLICY_{name}"));
    policy.map_or(NO_POLICY, i32::from)
}

/// An instant for the wire.
pub(super) fn timestamp(at: Timestamp) -> prost_types::Timestamp {
    let (seconds, nanos) = at.parts();
    prost_types::Timestamp { seconds, nanos }
}

/// A duration for the wire.
pub(super) fn duration(micros: i64) -> prost_types::Duration {
    let (seconds, nanos) = Timestamp::from_micros(micros).parts();
    prost_types::Duration { seconds, nanos }
}

fn micros(duration: &prost_types::Duration) -> i64 {
    duration.seconds * 1_000_000 + i64::from(duration.nanos / 1_000)
}

/// An instant from the wire; what is none reads as the first one there is, which no file expects.
fn instant(at: Option<&prost_types::Timestamp>) -> Timestamp {
    find_instant(at).unwrap_or_else(|| Timestamp::from_micros(i64::MIN))
}

fn find_instant(at: Option<&prost_types::Timestamp>) -> Option<Timestamp> {
    at.and_then(|at| Timestamp::from_parts(at.seconds, at.nanos).ok())
}

/// What a write of settings answers.
pub(super) fn of_settings(wallet: &Wallet, created: Option<bool>, replayed: bool) -> Written {
    let policy = wallet.drawdown_policy().as_str_name().trim_start_matches("DRAWDOWN_POLICY_");
    Written {
        replayed,
        transaction_id: None,
        entries: Vec::new(),
        balances: None,
        grant: None,
        hold: None,
        wallet: Some(WalletView {
            asset: wallet.asset.clone(),
            scale: wallet.scale,
            policy: policy.to_owned(),
            overdraft_limit: wallet.overdraft_limit.clone(),
            low_balance_thresholds: wallet.low_balance_thresholds.clone(),
            expiring_soon_lead_micros: wallet.expiring_soon_leads.iter().map(micros).collect(),
            created,
            etag: wallet.etag.clone(),
            status: wallet.status().as_str_name().trim_start_matches("WALLET_STATUS_").to_owned(),
        }),
        slices: Vec::new(),
        received: Vec::new(),
        commit_token: None,
    }
}

/// What any other write answers.
pub(super) fn of_transaction(
    transaction: Option<Transaction>,
    balance: Option<Balance>,
    replayed: bool,
) -> Written {
    let Transaction { transaction_id, entries, commit_token, .. } = transaction.unwrap_or_default();
    Written {
        replayed,
        transaction_id: Some(transaction_id).filter(|id| !id.is_empty()),
        entries: entries.into_iter().map(entry).collect(),
        balances: balance.map(holdings),
        grant: None,
        hold: None,
        wallet: None,
        slices: Vec::new(),
        received: Vec::new(),
        commit_token: Some(commit_token).filter(|token| !token.is_empty()),
    }
}

/// Balances.
pub(super) fn holdings(balance: Balance) -> Holdings {
    let Balance { account: _, asset: _, at: _, balance, available, held, debt, scheduled } =
        balance;
    Holdings { balance, available, held, debt, scheduled }
}

/// An entry.
pub(super) fn entry(entry: Entry) -> EntryView {
    let kind = entry.kind().as_str_name().trim_start_matches("ENTRY_KIND_").to_owned();
    debug_assert_ne!(entry.kind(), EntryKind::Unspecified);
    let EntryBalances { available, held, debt, scheduled } = entry.after.unwrap_or_default();
    EntryView {
        sequence: entry.sequence,
        kind,
        amount: entry.amount,
        balance_before: entry.balance_before,
        after: Holdings { balance: entry.balance_after, available, held, debt, scheduled },
        effective_at: instant(entry.effective_at.as_ref()),
        recorded_at: instant(entry.recorded_at.as_ref()),
        allocations: entry
            .allocations
            .into_iter()
            .map(|Allocation { grant_number, amount, category: _ }| (grant_number, amount))
            .collect(),
        debts: entry
            .debts
            .into_iter()
            .map(|DebtPart { entry_sequence, amount }| (entry_sequence, amount))
            .collect(),
        about: entry.about_sequence,
        counterparty: entry.counterparty_account,
        expiry: entry.expiry_change.map(|change| ExpiryChange {
            from: find_instant(change.before.as_ref()),
            to: find_instant(change.after.as_ref()),
        }),
    }
}

/// A hold.
pub(super) fn hold(hold: &Hold) -> HoldView {
    let status = hold.status().as_str_name().trim_start_matches("HOLD_STATUS_").to_owned();
    HoldView {
        number: hold.hold_number,
        status,
        amount: hold.amount.clone(),
        parts: [
            ("held", &hold.held),
            ("captured", &hold.captured),
            ("released", &hold.released),
            ("lapsed", &hold.lapsed),
        ]
        .map(|(name, amount)| (name, amount.clone()))
        .to_vec(),
        expires_at: instant(hold.expires_at.as_ref()),
    }
}

/// An event.
pub(super) fn event(event: Event) -> EventView {
    let crossing = |kind, threshold, before, after| OccurrenceView::Crossing {
        kind,
        threshold,
        before,
        after,
    };
    let occurrence = match event.occurrence.unwrap_or(Occurrence::Depleted(Depleted::default())) {
        Occurrence::LowBalance(LowBalance { threshold, balance_before, balance_after }) => {
            crossing("LOW_BALANCE", threshold, balance_before, balance_after)
        }
        Occurrence::Depleted(Depleted { balance_before, balance_after }) => {
            crossing("DEPLETED", String::new(), balance_before, balance_after)
        }
        Occurrence::Recovered(Recovered { threshold, balance_before, balance_after }) => {
            crossing("RECOVERED", threshold, balance_before, balance_after)
        }
        Occurrence::ExpiringSoon(soon) => OccurrenceView::ExpiringSoon {
            grant: soon.grant_number,
            amount: soon.amount,
            expires_at: instant(soon.expires_at.as_ref()),
            lead_micros: soon.lead.as_ref().map_or(0, micros),
        },
    };
    EventView {
        sequence: event.sequence,
        effective_at: instant(event.effective_at.as_ref()),
        recorded_at: instant(event.recorded_at.as_ref()),
        entry: event.entry_sequence,
        occurrence,
    }
}

/// The number of what to do with an excess.
pub(super) fn excess_number(name: &str) -> i32 {
    if name.is_empty() {
        return ExcessPolicy::Unspecified.into();
    }
    let excess = ExcessPolicy::from_str_name(&format!("EXCESS_POLICY_{name}"));
    excess.map_or(NO_POLICY, i32::from)
}

/// A price for the wire.
pub(super) fn price(asked: &PriceAsked) -> Price {
    let PriceAsked { parts, rounding, step, minimum, maximum } = asked;
    Price {
        parts: parts.iter().map(price_part).collect(),
        rounding: rounding_number(rounding),
        step: step.clone(),
        minimum: minimum.clone(),
        maximum: maximum.clone(),
    }
}

fn price_part(asked: &PartAsked) -> PricePart {
    let PartAsked { price, quantity, rounding, step } = asked.clone();
    let part = if quantity.is_empty() {
        price_part::Part::Fixed(price)
    } else {
        let (unit_price, rounding) = (price, rounding_number(&rounding));
        price_part::Part::PerUnit(PerUnitPrice { quantity, unit_price, rounding, step })
    };
    PricePart { part: Some(part) }
}

/// A pack for the wire.
pub(super) fn pack(asked: &PackAsked) -> PackContents {
    let PackAsked { credits, price, valid_for, slabs, bonus_valid_for } = asked.clone();
    let share =
        |micros: Option<i64>| PackShare { valid_for: micros.map(duration), ..PackShare::default() };
    PackContents {
        credits,
        price: price.map(|(amount, currency)| Money { currency, amount }),
        paid: Some(share(valid_for)),
        bonus_slabs: slabs.into_iter().map(slab).collect(),
        bonus: Some(share(bonus_valid_for)),
    }
}

fn slab(asked: SlabAsked) -> BonusSlab {
    let SlabAsked { from, of_credits, bonus, is_per_cent } = asked;
    let from = if of_credits {
        bonus_slab::From::FromCredits(from)
    } else {
        bonus_slab::From::FromQuantity(from.parse().unwrap_or(-1))
    };
    let bonus = if is_per_cent {
        bonus_slab::Bonus::PerCent(bonus)
    } else {
        bonus_slab::Bonus::Credits(bonus)
    };
    BonusSlab { from: Some(from), bonus: Some(bonus) }
}

fn rounding_number(name: &str) -> i32 {
    if name.is_empty() {
        return RoundingMode::Unspecified.into();
    }
    let mode = RoundingMode::from_str_name(&format!("ROUNDING_MODE_{name}"));
    mode.map_or(NO_POLICY, i32::from)
}

/// A spend limit for the wire.
pub(super) fn spend_limit(limit: Limit) -> SpendLimit {
    let Limit {
        name,
        amount,
        by,
        each_actor,
        operation,
        each_operation,
        rolling_micros,
        per,
        zone,
    } = limit;
    let unit = CalendarUnit::from_str_name(&format!("CALENDAR_UNIT_{per}"));
    let unit = unit.map_or(NO_POLICY, i32::from);
    let calendar = (!per.is_empty()).then_some(CalendarWindow { unit, time_zone: zone });
    let rolling = rolling_micros.map(|micros| spend_limit::Window::Rolling(duration(micros)));
    SpendLimit {
        name,
        amount,
        actor: by,
        each_actor,
        operation,
        each_operation,
        window: rolling.or(calendar.map(spend_limit::Window::Calendar)),
    }
}

/// A spend limit, and what is used of it.
pub(super) fn limit(usage: SpendLimitUsage) -> LimitView {
    let SpendLimitUsage { limit, used: _, spent, held, left: _, window_start, frees_at } = usage;
    let SpendLimit { name, amount, .. } = limit.unwrap_or_default();
    let is_told = window_start.is_some();
    LimitView {
        name,
        amount,
        spent: is_told.then_some(spent),
        held: is_told.then_some(held),
        frees_at: find_instant(frees_at.as_ref()),
    }
}

/// A slice of a reversed spend.
pub(super) fn slice(slice: ReversedSlice) -> SliceView {
    let name = slice.outcome().as_str_name();
    let outcome = name.trim_start_matches("REVERSED_SLICE_OUTCOME_").to_owned();
    debug_assert_ne!(slice.outcome(), ReversedSliceOutcome::Unspecified);
    let ReversedSlice { grant_number, amount, outcome: _, new_grant_number } = slice;
    SliceView { grant: grant_number, amount, outcome, new_grant: new_grant_number }
}

/// A grant.
pub(super) fn grant(grant: &Grant) -> GrantView {
    let status = grant.status().as_str_name().trim_start_matches("GRANT_STATUS_").to_owned();
    debug_assert_ne!(grant.status(), GrantStatus::Unspecified);
    GrantView {
        number: grant.number,
        status,
        amount: grant.amount.clone(),
        parts: [
            ("available", &grant.available),
            ("held", &grant.held),
            ("consumed", &grant.consumed),
            ("expired", &grant.expired),
            ("voided", &grant.voided),
            ("revoked", &grant.revoked),
            ("transferred out", &grant.transferred_out),
        ]
        .map(|(name, amount)| (name, amount.clone()))
        .to_vec(),
        effective_at: instant(grant.effective_at.as_ref()),
        expires_at: find_instant(grant.expires_at.as_ref()),
        expired_at: find_instant(grant.expired_at.as_ref()),
        funding_ref: grant.funding_ref.clone(),
    }
}
