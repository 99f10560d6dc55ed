//! What was accepted keeps what its types promise, and what the domain makes of it is sound.

use std::collections::BTreeMap;

use purse_domain::{
    AccountName, Actor, Amount, AssetCode, CalendarSpan, Charge, Command, ExpiryQuestion,
    GrantRule, Group, Horizon, IdempotencyKey, Known, Metadata, PATIENCE_MICROS, Pack, PackCount,
    PositiveAmount, Price, PricePart, Quantities, Reason, Request, RuleRequest, RuleScope, Scale,
    SpanUnit, Subscription, SubscriptionId, SubscriptionName, TimeZone, Timestamp, WalletName,
    balances_at, change_rule, decide, decide_group, look, schedule,
};
use purse_server::parse::{About, Calculation, CatalogEdit, Estimate, SourcedEvent};

use super::world::{NOW, SUBSCRIBED, World, rule_of, wallets};
use crate::{
    must_hold,
    properties::{folding, invariants},
};

/// A write to a wallet.
pub fn request(world: &World, request: &Request) {
    assert!(request.key.is_some(), "a write without a key: {request:?}");
    request_of_group(world, request);
}

/// Writes that happen together.
pub fn group(world: &World, group: &Group) {
    assert_eq!(group.transactions().count(), 1, "legs of one transaction: {group:?}");
    for leg in group.requests() {
        request_of_group(world, leg);
    }
}

fn request_of_group(world: &World, request: &Request) {
    wallet(world, &request.wallet);
    if let Some(key) = &request.key {
        let is_own = key.as_str().starts_with(' ') || key.as_str().is_empty();
        assert!(is_own || IdempotencyKey::parse(key.as_str()).as_ref() == Ok(key), "{key:?}");
    }
    let Request { actor, reason, metadata, command, .. } = request;
    assert_eq!(Actor::parse(actor.as_str()).as_ref(), Ok(actor));
    assert_eq!(Reason::parse(reason.as_str()).as_ref(), Ok(reason));
    assert_eq!(Metadata::parse(metadata.as_map().clone()).as_ref(), Ok(metadata));
    for amount in amounts(command) {
        self::amount(amount, world.scale().unwrap_or(Scale::MAX));
    }
    for ledger in wallets() {
        let mut ledger = ledger.clone();
        ledger.ask(request, NOW);
        must_hold("sums of grants", invariants::check_grants(&ledger.state));
        must_hold("sums of entries", invariants::check_entries(&ledger));
        must_hold("sums of reversals", invariants::check_reversals(&ledger));
        must_hold("folding", folding::same_state(&ledger));
        for at in [NOW, Timestamp::from_micros(NOW.micros() * 2), Timestamp::LAST] {
            balances_at(&ledger.state, at).expect("all grants are held");
        }
    }
    let [lived_in, new] = wallets();
    decide(None, request, NOW);
    // With the other leg of a transfer.
    let is_asked = |id| id == request.wallet.wallet_id;
    let find = |id| Some(if is_asked(id) { &lived_in.state } else { &new.state });
    decide_group(find, &[request], NOW);
}

/// A wallet that is asked for.
pub fn wallet(world: &World, name: &WalletName) {
    assert_eq!(AccountName::parse(name.account.as_str()).as_ref(), Ok(&name.account));
    assert_eq!(AssetCode::parse(name.asset.as_str()).as_ref(), Ok(&name.asset));
    let same = WalletName::new(world.caller.namespace_id, name.account.clone(), name.asset.clone());
    assert_eq!(*name, same, "of another namespace");
}

/// What a command says in the scale of its asset.
fn amounts(command: &Command) -> Vec<PositiveAmount> {
    let charged = |charge: &Charge| charge.amount().into_iter().collect();
    match command {
        Command::Grant(grant) => vec![grant.amount],
        Command::Spend(spend) => charged(&spend.amount),
        Command::CreateHold(hold) => charged(&hold.amount),
        Command::CaptureHold(capture) => vec![capture.amount],
        Command::ReleaseHold(release) => release.amount.into_iter().collect(),
        Command::ReverseSpend(reverse) => reverse.amount.into_iter().collect(),
        Command::RevokeFunding(revoke) => revoke.cumulative_amount.positive().into_iter().collect(),
        Command::Transfer(transfer) => vec![transfer.amount],
        Command::PurchasePack(purchase) => {
            let grants = purchase.bought.iter().flat_map(|bought| &bought.grants);
            grants.map(|grant| grant.amount).collect()
        }
        Command::CreateWallet(_)
        | Command::UpdateWallet(_)
        | Command::CarryOver(_)
        | Command::VoidGrant(_)
        | Command::ExpireGrant(_)
        | Command::ChangeGrantExpiry(_)
        | Command::ExtendHold(..)
        | Command::Receive(_)
        | Command::FreezeWallet
        | Command::UnfreezeWallet
        | Command::DeclineTopUp(_)
        | Command::CloseWallet(_)
        | Command::Settle => Vec::new(),
    }
}

fn amount(amount: PositiveAmount, scale: Scale) {
    assert!(amount.get() > Amount::ZERO && !amount.get().is_over_cap(), "{amount:?}");
    assert!(amount.get().fits(scale), "{amount:?} with {scale:?}");
    assert_eq!(PositiveAmount::parse(&amount.get().to_string(), scale), Ok(amount));
}

/// A price that an operation is to have.
pub fn priced(edit: &CatalogEdit<Price>) {
    let price = edit.change.definition.as_ref();
    self::price(price.expect("it is to have one"));
}

/// A pack that is to be for sale.
pub fn packed(edit: &CatalogEdit<Pack>) {
    let pack = edit.change.definition.as_ref();
    self::pack(pack.expect("it is to be there"));
}

/// What the operation of the world would cost.
pub fn estimate(world: &World, asked: &Estimate) {
    let sold = world.terms.operation.as_ref().and_then(|item| item.definition.as_ref());
    if let Some(price) = sold {
        cost(price, &asked.quantities, asked.scale);
    }
}

/// A price, of quantities that it takes.
fn price(price: &Price) {
    let names = price.terms().parts.iter().filter_map(|part| match part {
        PricePart::Fixed(_) => None,
        PricePart::PerUnit { quantity, .. } => Some(quantity.as_str().to_owned()),
    });
    let names: Vec<String> = names.collect();
    for quantity in ["0", "1", "1000.5", "999999999999999.999999"] {
        let quantities = names.iter().map(|name| (name.clone(), quantity.to_owned())).collect();
        let quantities = Quantities::parse(&quantities).expect("numbers by names");
        cost(price, &quantities, Scale::MAX);
        cost(price, &quantities, Scale::new(0).expect("whole ones"));
    }
}

/// What quantities cost, if they can be paid.
fn cost(price: &Price, quantities: &Quantities, scale: Scale) {
    if let Ok(cost) = price.cost(quantities, scale) {
        assert!(!cost.is_overdrawn() && !cost.is_over_cap() && cost.fits(scale), "{cost}");
    }
}

/// A pack, bought once and as often as can be.
fn pack(pack: &Pack) {
    for count in [1, 2, 1_000, i64::from(u32::MAX)].into_iter().filter_map(PackCount::new) {
        for scale in [0, 2, 6].into_iter().filter_map(Scale::new) {
            for grant in pack.grants(count, scale).into_iter().flatten() {
                amount(grant.amount, scale);
            }
        }
    }
}

/// A change of a rule; what the rule then grants can be worked out.
pub fn rule_request(request: &RuleRequest) {
    for before in [None, Some(rule_of(RuleScope::Plan(SUBSCRIBED.event.state.plan.clone())))] {
        if let Ok(change) = change_rule(before.as_ref(), request, NOW) {
            let mut event = SUBSCRIBED.event.clone();
            let mut id = SUBSCRIBED.name.id.clone();
            match &change.after.scope {
                RuleScope::Plan(plan) => event.state.plan = plan.clone(),
                RuleScope::Addon(addon) => event.state.addons = [addon.clone()].into(),
                RuleScope::Subscription(subscription) => id = subscription.clone(),
            }
            plan_ahead(&id, &Subscription::of(vec![event]), &change.after);
        }
    }
}

/// An event; what the subscription is then granted can be worked out.
pub fn subscription_event(heard: &SourcedEvent) {
    let rules = [
        RuleScope::Plan(heard.event.state.plan.clone()),
        RuleScope::Subscription(heard.name.id.clone()),
    ];
    let mut known = Subscription::of(vec![SUBSCRIBED.event.clone()]);
    known.may_change_from(&heard.event);
    known.hear(heard.event.clone());
    for subscription in [Subscription::of(vec![heard.event.clone()]), known] {
        for rule in rules.clone().map(rule_of) {
            plan_ahead(&heard.name.id, &subscription, &rule);
        }
    }
}

/// Works out what is due now, and what a year brings.
fn plan_ahead(id: &SubscriptionId, subscription: &Subscription, rule: &GrantRule) {
    let scales = BTreeMap::from([(rule.asset.clone(), Scale::MAX)]);
    for since in [Timestamp::FIRST, NOW] {
        let known = Known {
            id,
            subscription,
            rules: std::slice::from_ref(rule),
            kept: &[],
            scales: &scales,
            since,
            patience_micros: PATIENCE_MICROS,
        };
        let name = SubscriptionName { id: id.clone(), ..SUBSCRIBED.name.clone() };
        look(&name, &known, NOW);
        let year = CalendarSpan::new(SpanUnit::Year, 1).expect("a year");
        let until = year.after(NOW, TimeZone::UTC);
        for application in schedule(&known, NOW, Horizon::Until(until)) {
            assert!(!application.amount.is_overdrawn() && !application.amount.is_over_cap());
        }
    }
}

/// A question about an expiry.
pub fn calculation(calculation: &Calculation) {
    let Calculation { about, effective_at, zone, billing, at } = calculation;
    let About::Settings(settings, recurs_every) = *about else { return };
    let (effective_at, zone, billing) = (*effective_at, *zone, *billing);
    let at = at.unwrap_or(NOW);
    let question = ExpiryQuestion { settings, effective_at, zone, billing, recurs_every, at };
    if let Ok(answer) = question.answer() {
        assert!(answer.next_expires_at.is_none_or(|next| next > at), "{answer:?} at {at}");
        assert_eq!(answer.is_expired, answer.expires_at.is_some_and(|end| end <= at));
    }
}
