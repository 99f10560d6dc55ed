//! Opening a wallet and changing its settings.

use std::collections::BTreeMap;

use super::{Decision, Stop};
use crate::{
    Amount, Coverage, CreateWallet, DrawdownKey, Grant, LeadTimes, LimitChange, MOST_LIMITS,
    Missing, Rejection, Request, Scale, SpendLimits, Thresholds, Timestamp, TopUpChange,
    UpdateWallet, WalletSettings, WalletState, WalletStatus, draft::Draft,
};

/// Opens a wallet, or answers the one there is and writes nothing.
pub(super) fn create(
    state: Option<&WalletState>,
    create: &CreateWallet,
    request: &Request,
    clock: Timestamp,
) -> Result<Decision, Rejection> {
    let CreateWallet {
        requested_scale,
        asset_scale,
        drawdown_policy,
        overdraft_limit,
        low_balance_thresholds,
        expiring_soon_leads,
    } = create;
    let scale = asset_scale.or(*requested_scale).unwrap_or(Scale::MAX);
    if let Some(requested) = requested_scale.filter(|requested| *requested != scale) {
        return Err(Rejection::AssetScaleMismatch { scale, requested });
    }
    check_overdraft_limit(*overdraft_limit, scale)?;
    check_thresholds(low_balance_thresholds, scale)?;
    let settings = if let Some(state) = state {
        WalletSettings::clone(&state.settings)
    } else {
        WalletSettings {
            name: request.wallet.clone(),
            scale,
            drawdown_policy: *drawdown_policy,
            overdraft_limit: *overdraft_limit,
            low_balance_thresholds: low_balance_thresholds.clone(),
            expiring_soon_leads: expiring_soon_leads.clone(),
            spend_limits: SpendLimits::default(),
            top_up: None,
            metadata: request.metadata.clone(),
            status: WalletStatus::Active,
            created_at: clock,
            updated_at: clock,
            version: 1,
        }
    };
    let head = match state {
        Some(state) => state.head,
        None => WalletState::opened(settings.clone()).head,
    };
    Ok(Decision {
        now: clock.max(head.recorded_at),
        entries: Vec::new(),
        hashes: Vec::new(),
        settled: 0,
        events: Vec::new(),
        settled_events: 0,
        head,
        grants: BTreeMap::new(),
        vacated: Vec::new(),
        debts: BTreeMap::new(),
        holds: BTreeMap::new(),
        settings: Some(settings),
        hold: None,
        new_grants: Vec::new(),
        counted: Vec::new(),
        held_for: None,
        reversed: None,
        sent: Vec::new(),
        writes: state.is_none(),
    })
}

/// Changes settings. Another drawdown policy moves every open grant to its new place. What is as asked for
/// already stays at its version.
pub(super) fn update(draft: &mut Draft<'_>, update: &UpdateWallet) -> Result<WalletSettings, Stop> {
    let UpdateWallet {
        drawdown_policy,
        overdraft_limit,
        low_balance_thresholds,
        expiring_soon_leads,
        spend_limit,
        top_up,
        metadata,
        expected_version,
    } = update;
    let before = &draft.state().settings;
    if expected_version.is_some_and(|expected| expected != before.version) {
        return Err(Rejection::StaleVersion { version: before.version }.into());
    }
    let drawdown_policy = drawdown_policy.unwrap_or(before.drawdown_policy);
    if drawdown_policy != before.drawdown_policy && draft.coverage() != Coverage::Complete {
        return Err(Missing::AllOpen.into());
    }
    let overdraft_limit = overdraft_limit.unwrap_or(before.overdraft_limit);
    check_overdraft_limit(overdraft_limit, before.scale)?;
    let thresholds = low_balance_thresholds.as_ref().unwrap_or(&before.low_balance_thresholds);
    check_thresholds(thresholds, before.scale)?;
    let leads = expiring_soon_leads.as_ref().unwrap_or(&before.expiring_soon_leads);
    if *leads != before.expiring_soon_leads {
        follow_leads(draft, leads)?;
    }
    draft.head.lows = draft.head.lows.carried(&before.low_balance_thresholds, thresholds);
    let spend_limits = spend_limit.as_ref().map_or_else(
        || Ok(before.spend_limits.clone()),
        |change| with(&before.spend_limits, change),
    )?;
    let top_up = match top_up {
        None => before.top_up,
        Some(TopUpChange::Set(rule)) => Some(*rule),
        Some(TopUpChange::Delete) => None,
    };
    draft.head.top_ups = draft.head.top_ups.carried(top_up.as_ref());
    let metadata = metadata.as_ref().unwrap_or(&before.metadata);
    if drawdown_policy == before.drawdown_policy
        && overdraft_limit == before.overdraft_limit
        && *thresholds == before.low_balance_thresholds
        && *leads == before.expiring_soon_leads
        && spend_limits == before.spend_limits
        && top_up == before.top_up
        && *metadata == before.metadata
    {
        return Ok(WalletSettings::clone(before));
    }
    Ok(WalletSettings {
        drawdown_policy,
        overdraft_limit,
        low_balance_thresholds: thresholds.clone(),
        expiring_soon_leads: leads.clone(),
        spend_limits,
        top_up,
        metadata: metadata.clone(),
        updated_at: draft.now,
        version: before.version + 1,
        ..WalletSettings::clone(before)
    })
}

/// With other leads every open grant is due at another instant. One that has passed already makes no event.
fn follow_leads(draft: &mut Draft<'_>, leads: &LeadTimes) -> Result<(), Missing> {
    if draft.coverage() != Coverage::Complete {
        return Err(Missing::AllOpen);
    }
    let open = draft.grants().filter(|(_, grant)| grant.is_open());
    let open: BTreeMap<DrawdownKey, Grant> =
        open.map(|(key, grant)| (key, grant.clone())).collect();
    for grant in open.values() {
        draft.becomes_due(grant.due_at(leads, draft.now));
    }
    draft.changed.extend(open);
    Ok(())
}

fn check_thresholds(thresholds: &Thresholds, scale: Scale) -> Result<(), Rejection> {
    if thresholds.fit(scale) { Ok(()) } else { Err(Rejection::ThresholdTooPrecise { scale }) }
}

fn check_overdraft_limit(limit: Amount, scale: Scale) -> Result<(), Rejection> {
    if limit.fits(scale) { Ok(()) } else { Err(Rejection::OverdraftLimitTooPrecise { scale }) }
}

fn with(limits: &SpendLimits, change: &LimitChange) -> Result<SpendLimits, Rejection> {
    match change {
        LimitChange::Set(limit) => {
            let limits = limits.with(limit.clone());
            if limits.len() > MOST_LIMITS {
                return Err(Rejection::TooManySpendLimits);
            }
            Ok(limits)
        }
        LimitChange::Delete(name) if limits.find(name).is_some() => Ok(limits.without(name)),
        LimitChange::Delete(name) => Err(Rejection::SpendLimitNotFound { limit: name.clone() }),
    }
}
