//! Entries and grants as lines of text: what scenario files expect and failures show.

use purse_domain::{ExpiryChange, Timestamp};

use crate::{
    answer::{EntryView, EventView, GrantView, HoldView, LimitView, OccurrenceView, SliceView},
    instant::{render, render_span},
};

/// An entry: when it counts, what it did, how much, the balance before and after, of which grants, and of
/// which entry's debt; what undoes another entry says which, and a change of expiry from when to when.
///
/// `2026-01-02 EXPIRED 100: 150 -> 50 (1: 100)`, `2026-01-02 SPENT 25: 10 -> -15 (1: 10, debt of 2: 15)`,
/// `2026-01-03 REVERSED of 2 15: -15 -> 0 (debt of 2: 15)`, `2026-01-03 TRANSFERRED_OUT with shop 15: 15 -> 0 (1: 15)`,
/// `2026-01-04 EXPIRY_CHANGED 40: 40 -> 40 (1: 40) from 2026-01-10 to never`
pub fn entry(entry: &EntryView) -> String {
    let EntryView {
        kind,
        amount,
        balance_before,
        after,
        effective_at,
        allocations,
        debts,
        about,
        counterparty,
        expiry,
        ..
    } = entry;
    let at = render(*effective_at);
    let debts = debts.iter().map(|(entry, amount)| format!("debt of {entry}: {amount}"));
    let from = self::allocations(allocations).into_iter().chain(debts).collect::<Vec<_>>();
    let from = from.join(", ");
    let end = |at: Option<Timestamp>| at.map_or_else(|| "never".to_owned(), render);
    let expiry =
        expiry.map(|ExpiryChange { from, to }| format!(" from {} to {}", end(from), end(to)));
    let expiry = expiry.unwrap_or_default();
    let of = if *about == 0 { String::new() } else { format!(" of {about}") };
    let other = match counterparty.rsplit(':').next() {
        None | Some("") => String::new(),
        Some(other) => format!(" with {other}"),
    };
    format!(
        "{at} {kind}{of}{other} {amount}: {balance_before} -> {} ({from}){expiry}",
        after.balance
    )
}

/// A grant: its number, its status, its amount and where that is.
///
/// `2 ACTIVE 50: available 20, consumed 30`
pub fn grant(grant: &GrantView) -> String {
    let GrantView { number, status, amount, parts, .. } = grant;
    format!("{number} {status} {amount}: {}", self::parts(parts))
}

/// An event: when it counts, what happened, and the entry that did it.
///
/// `2026-01-02 LOW_BALANCE 100: 150 -> 75 by 2`, `2026-01-02 DEPLETED: 75 -> 0 by 3`,
/// `2026-01-04 EXPIRING_SOON 1: 40 until 2026-01-11, 7d before`
pub fn event(event: &EventView) -> String {
    let EventView { sequence: _, effective_at, recorded_at: _, entry, occurrence } = event;
    let at = render(*effective_at);
    match occurrence {
        OccurrenceView::Crossing { kind, threshold, before, after } => {
            let of = if threshold.is_empty() { String::new() } else { format!(" {threshold}") };
            format!("{at} {kind}{of}: {before} -> {after} by {entry}")
        }
        OccurrenceView::TopUpRequested { reference, amount, threshold, before, after } => format!(
            "{at} TOP_UP_REQUESTED {reference} {amount} below {threshold}: {before} -> {after} by {entry}"
        ),
        OccurrenceView::ExpiringSoon { grant, amount, expires_at, lead_micros } => {
            let (until, lead) = (render(*expires_at), render_span(*lead_micros));
            format!("{at} EXPIRING_SOON {grant}: {amount} until {until}, {lead} before")
        }
    }
}

/// A grant that was received: its amount and window.
///
/// `100 from 2026-01-01 until 2026-01-06`, `70 from 2026-01-02`
pub fn received(grant: &GrantView) -> String {
    let GrantView { amount, effective_at, expires_at, .. } = grant;
    let until = expires_at.map(|at| format!(" until {}", render(at))).unwrap_or_default();
    format!("{amount} from {}{until}", render(*effective_at))
}

/// A hold: its number, its status, its amount, its deadline and where the amount is.
///
/// `1 OPEN 60 until 2026-01-03: held 35, captured 25`
pub fn hold(hold: &HoldView) -> String {
    let HoldView { number, status, amount, parts, expires_at } = hold;
    let parts = self::parts(parts);
    format!("{number} {status} {amount} until {}: {parts}", render(*expires_at))
}

/// A spend limit: its name, its amount, what is used of it and when less is.
///
/// `daily 100: spent 60, held 10, frees 2026-01-02`, `daily 100: each`
pub fn limit(limit: &LimitView) -> String {
    let LimitView { name, amount, spent, held, frees_at } = limit;
    let (Some(spent), Some(held)) = (spent, held) else { return format!("{name} {amount}: each") };
    let used = [("spent", spent.clone()), ("held", held.clone())];
    let frees = frees_at.map(|at| format!("frees {}", render(at)));
    let used = [parts(&used)].into_iter().filter(|used| !used.is_empty()).chain(frees);
    format!("{name} {amount}: {}", used.collect::<Vec<_>>().join(", "))
}

fn parts(parts: &[(&'static str, String)]) -> String {
    let parts = parts.iter().filter(|(_, amount)| amount != "0");
    parts.map(|(name, amount)| format!("{name} {amount}")).collect::<Vec<_>>().join(", ")
}

/// A slice of a reversed spend: `1: 100 RESTORED`, `1: 60 REISSUED as 2`, `debt: 15 DEBT_FORGIVEN`.
pub fn slice(slice: &SliceView) -> String {
    let SliceView { grant, amount, outcome, new_grant } = slice;
    let grant = if *grant == 0 { "debt".to_owned() } else { grant.to_string() };
    let anew = if *new_grant == 0 { String::new() } else { format!(" as {new_grant}") };
    format!("{grant}: {amount} {outcome}{anew}")
}

/// How much of which grant: `1: 100`.
pub fn allocations(allocations: &[(i32, String)]) -> Vec<String> {
    allocations.iter().map(|(grant, amount)| format!("{grant}: {amount}")).collect()
}
