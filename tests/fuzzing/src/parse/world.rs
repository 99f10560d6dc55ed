//! What requests are parsed by, and what there is when they are decided.

use std::{
    collections::BTreeSet,
    sync::{Arc, LazyLock},
};

use purse_domain::{
    CalendarUnit, CatalogItem, GrantRule, LimitChange, LimitName, LimitWindow, Pack, Price, Reason,
    RuleScope, Scale, Share, SpendLimit, TimeZone, Timestamp, Verdict, change_rule,
};
use purse_proto::v1;
use purse_server::{
    auth::{Caller, Credentials},
    parse::{self, SourcedEvent},
    terms::Terms,
};
use tonic::metadata::MetadataMap;

use crate::properties::{
    ledger::Ledger,
    program::{Action, HOUR, START, amount},
};

/// When requests are decided.
pub const NOW: Timestamp = START.plus_micros(100 * HOUR);

/// One of the worlds that a request may meet.
pub struct World {
    /// Who asks.
    pub caller: Caller,
    /// The asset's scale, and what the operation costs.
    pub terms: Terms,
    /// The pack of which so many are bought, if there is one.
    pack: Option<CatalogItem<Pack>>,
}

static CALLER: LazyLock<Caller> = LazyLock::new(|| {
    Credentials::open().caller(&MetadataMap::new().into_headers()).expect("anybody may call")
});

/// An operation priced by two quantities.
static PRICE: LazyLock<Price> = LazyLock::new(|| {
    let per_unit = |quantity: &str, unit_price: &str, rounding, step: &str| v1::PerUnitPrice {
        quantity: quantity.to_owned(),
        unit_price: unit_price.to_owned(),
        rounding,
        step: step.to_owned(),
    };
    let parts = [
        v1::price_part::Part::Fixed("0.25".to_owned()),
        v1::price_part::Part::PerUnit(per_unit("tokens", "0.002", 0, "")),
        v1::price_part::Part::PerUnit(per_unit("images", "1.5", 1, "2")),
    ];
    let price = v1::Price {
        parts: parts.into_iter().map(|part| v1::PricePart { part: Some(part) }).collect(),
        minimum: "0.5".to_owned(),
        ..v1::Price::default()
    };
    let message = v1::SetOperationRequest {
        asset: "credits".to_owned(),
        operation: "chat".to_owned(),
        price: Some(price),
        ..v1::SetOperationRequest::default()
    };
    let edit = parse::set_operation(&CALLER, message).expect("a price");
    edit.change.definition.expect("it is not deleted")
});

/// A pack with bonus.
static PACK: LazyLock<Pack> = LazyLock::new(|| {
    let slab = v1::BonusSlab {
        from: Some(v1::bonus_slab::From::FromQuantity(2)),
        bonus: Some(v1::bonus_slab::Bonus::PerCent("12.5".to_owned())),
    };
    let contents = v1::PackContents {
        credits: "1000".to_owned(),
        price: Some(v1::Money { currency: "USD".to_owned(), amount: "49.90".to_owned() }),
        bonus_slabs: vec![slab],
        ..v1::PackContents::default()
    };
    let message = v1::SetPackRequest {
        asset: "credits".to_owned(),
        pack: "starter".to_owned(),
        contents: Some(contents),
        ..v1::SetPackRequest::default()
    };
    let edit = parse::set_pack(&CALLER, message, None).expect("a pack");
    edit.change.definition.expect("it is not deleted")
});

/// A wallet with a bit of everything: grants that have begun, are to come and are over, spends, a hold, limits.
static LIVED_IN: LazyLock<Ledger> = LazyLock::new(|| {
    let grant = |amount, starts_in, ends_in, funding| Action::Grant {
        amount,
        starts_in,
        ends_in,
        priority: 100,
        cost: 1,
        applies_to: BTreeSet::new(),
        funding,
    };
    let spend = |amount| Action::Spend { amount, operation: Some("chat"), hours_ago: None };
    let limit = SpendLimit {
        name: LimitName::parse("week").expect("a code"),
        amount: amount(50_000).get(),
        actor: Share::All,
        operation: Share::All,
        window: LimitWindow::Calendar(CalendarUnit::Week, TimeZone::UTC),
    };
    let life = [
        (0, grant(10_000, None, Some(2_000), Some("charge"))),
        (1, grant(5_000, None, None, None)),
        (2, grant(3_000, Some(60), Some(90), None)),
        (3, grant(7_000, Some(500), Some(1_000), Some("invoice"))),
        (4, spend(2_500)),
        (5, Action::Overdraft(20_000)),
        (6, Action::Hold { amount: 1_000, operation: Some("chat"), ends_in: 300 }),
        (7, Action::Limit(LimitChange::Set(limit))),
        (70, spend(1_000)),
    ];
    let mut ledger = Ledger::opened();
    for (hour, action) in life {
        let verdict = ledger.run(&action, START.plus_micros(hour * HOUR));
        assert!(matches!(verdict, Verdict::Accepted(_)), "{action:?}: {verdict:?}");
    }
    ledger
});

static NEW: LazyLock<Ledger> = LazyLock::new(Ledger::opened);

/// The wallets that a request is decided on.
pub fn wallets() -> [&'static Ledger; 2] {
    [&LIVED_IN, &NEW]
}

fn item<T>(definition: T) -> CatalogItem<T> {
    CatalogItem {
        definition: Some(definition),
        version: 1,
        created_at: START,
        updated_at: START,
        actor: CALLER.name.clone(),
        reason: Reason::from_stored(String::new()),
    }
}

/// A subscription that was heard of.
pub static SUBSCRIBED: LazyLock<SourcedEvent> = LazyLock::new(|| {
    let text = str::to_owned;
    let (seconds, nanos) = START.parts();
    let start = Some(prost_types::Timestamp { seconds, nanos });
    let state = v1::SubscriptionState {
        status: v1::SubscriptionStatus::Active.into(),
        plan_id: text("pro"),
        started_at: start,
        time_zone: text("America/New_York"),
        ..v1::SubscriptionState::default()
    };
    let event = v1::SubscriptionEvent {
        event_id: text("evt_1"),
        source: text("billing"),
        account: text("org:42"),
        subscription_id: text("sub_1"),
        version: 10,
        kind: v1::SubscriptionEventKind::Started.into(),
        effective_at: start,
        state: Some(state),
        ..v1::SubscriptionEvent::default()
    };
    parse::subscription_event(&CALLER, Some(event)).expect("an event")
});

/// A rule that grants monthly.
pub fn rule_of(scope: RuleScope) -> GrantRule {
    static MONTHLY: LazyLock<GrantRule> = LazyLock::new(|| {
        let message = v1::CreateGrantRuleRequest {
            rule: Some(v1::GrantRule {
                name: "monthly".to_owned(),
                scope: v1::RuleScope::Plan.into(),
                plan_id: "pro".to_owned(),
                asset: "credits".to_owned(),
                amount: "100".to_owned(),
                cadence: v1::RuleCadence::Recurring.into(),
                period: v1::RulePeriod::Monthly.into(),
                expire_in_days: Some(30),
                ..v1::GrantRule::default()
            }),
            idempotency_key: "rule".to_owned(),
            ..v1::CreateGrantRuleRequest::default()
        };
        let request = parse::create_grant_rule(&CALLER, message, Some(Scale::MAX));
        let change = change_rule(None, &request.expect("a rule"), START);
        change.expect("it is new").after
    });
    GrantRule { scope, ..MONTHLY.clone() }
}

impl World {
    /// The world that a byte stands for.
    pub fn of(byte: u8) -> Self {
        let scale = match byte % 8 {
            7 => None,
            places => Scale::new(i32::from(places)),
        };
        let is_sold = byte & 8 != 0;
        let operation = is_sold.then(|| Arc::new(item(PRICE.clone())));
        let pack = is_sold.then(|| item(PACK.clone()));
        Self { caller: CALLER.clone(), terms: Terms { scale, operation }, pack }
    }

    /// The asset's scale.
    pub fn scale(&self) -> Option<Scale> {
        self.terms.scale
    }

    /// What takes credits is parsed by.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// The pack, if there is one.
    pub fn pack(&self) -> Option<&CatalogItem<Pack>> {
        self.pack.as_ref()
    }
}
