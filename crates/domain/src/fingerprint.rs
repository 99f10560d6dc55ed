//! The fingerprint of a request: what its idempotency key stands for.
//!
//! SHA-256 over the canonical request without key and `validate_only`. Canonical: after parsing, so
//! 10 and 10.00 are one request, and as [`canonical`](crate::canonical) says. So keys keep their meaning for as
//! long as their transactions.

mod rule;

use crate::{
    Actor, CalendarUnit, CaptureHold, CarryOver, ChangeGrantExpiry, Charge, CloseWallet, Command,
    CreateHold, CreateWallet, DrawdownPolicy, Excess, ExpirationPolicy, ExpiredPolicy, FundingRef,
    IdempotencyKey, LeadTimes, LimitChange, LimitWindow, Metadata, NewGrant, OperationName,
    Purchase, Reason, ReleaseHold, Rest, ReverseSpend, RevokeFunding, RolloverCap, Share, Spend,
    SpendLimit, Thresholds, TopUpChange, TopUpRule, Transfer, UpdateWallet, WalletName,
    canonical::Canonical,
};

/// SHA-256 over a canonical request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a request. `actor` is the one that the request names, not a default from the
    /// credentials: a retry with a renewed token is the same request.
    pub fn of(
        wallet: &WalletName,
        command: &Command,
        actor: &Actor,
        reason: &Reason,
        metadata: &Metadata,
    ) -> Self {
        let mut canonical = Canonical::new();
        canonical.text(b'W', wallet.wallet_id.uuid().as_bytes());
        canonical.write(actor, reason, metadata);
        canonical.command(command);
        Self(canonical.finish())
    }

    /// The fingerprint of a request for several legs, from those of its legs.
    pub fn of_legs(legs: &[Self]) -> Self {
        let mut canonical = Canonical::new();
        for leg in legs {
            canonical.text(b'L', leg.as_bytes());
        }
        Self(canonical.finish())
    }

    /// The fingerprint of what Purse does by itself: its key says all. So a rule that is changed between two attempts
    /// does not make the second one a conflict.
    pub fn of_internal(key: &IdempotencyKey) -> Self {
        let mut canonical = Canonical::new();
        canonical.text(b'I', key.as_str().as_bytes());
        Self(canonical.finish())
    }

    /// Takes a fingerprint that was stored; `None` if it is none.
    pub fn from_stored(stored: &[u8]) -> Option<Self> {
        stored.try_into().ok().map(Self)
    }

    /// The bytes for PostgreSQL.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What a command adds to its fingerprint.
impl Canonical {
    /// What every write carries.
    fn write(&mut self, actor: &Actor, reason: &Reason, metadata: &Metadata) {
        self.optional_text(b'A', actor.as_str());
        self.optional_text(b'R', reason.as_str());
        for (key, value) in metadata.as_map() {
            self.text(b'K', key.as_bytes());
            self.text(b'V', value.as_bytes());
        }
    }

    fn command(&mut self, command: &Command) {
        match command {
            Command::CreateWallet(CreateWallet {
                requested_scale,
                asset_scale: _,
                drawdown_policy,
                overdraft_limit,
                low_balance_thresholds,
                expiring_soon_leads,
            }) => {
                self.text(b'C', b"create_wallet");
                if let Some(scale) = requested_scale {
                    self.text(1, &[scale.places()]);
                }
                self.policy(2, *drawdown_policy);
                if !overdraft_limit.is_zero() {
                    self.text(3, overdraft_limit.to_string().as_bytes());
                }
                self.thresholds(4, low_balance_thresholds);
                self.leads(5, expiring_soon_leads);
            }
            Command::UpdateWallet(update) => self.update(update),
            Command::Grant(NewGrant {
                amount,
                effective_at,
                expires_at,
                priority,
                category,
                cost_basis,
                applies_to,
                funding_ref,
            }) => {
                self.text(b'C', b"grant");
                self.text(1, amount.get().to_string().as_bytes());
                self.instant(2, *effective_at);
                self.instant(3, *expires_at);
                self.text(4, &priority.get().to_be_bytes());
                self.text(5, category.as_str().as_bytes());
                self.text(6, cost_basis.to_string().as_bytes());
                for operation in applies_to {
                    self.text(7, operation.as_str().as_bytes());
                }
                self.optional_text(8, funding_ref.as_ref().map_or("", FundingRef::as_str));
            }
            Command::CarryOver(CarryOver { grant, cap, effective_at, expires_at }) => {
                self.text(b'C', b"carry_over");
                self.text(1, &grant.0.to_be_bytes());
                match cap {
                    RolloverCap::None => {}
                    RolloverCap::All => self.text(2, b"all"),
                    RolloverCap::Amount(most) => self.text(3, most.get().to_string().as_bytes()),
                    RolloverCap::Percent(most) => {
                        self.text(4, most.decimal().to_string().as_bytes());
                    }
                }
                self.instant(5, Some(*effective_at));
                self.instant(6, Some(*expires_at));
            }
            Command::Spend(Spend { amount, operation, occurred_at }) => {
                self.text(b'C', b"spend");
                self.charge(amount);
                self.optional_text(2, operation.as_ref().map_or("", OperationName::as_str));
                self.instant(3, *occurred_at);
            }
            Command::VoidGrant(number) => {
                self.text(b'C', b"void_grant");
                self.text(1, &number.0.to_be_bytes());
            }
            Command::ExpireGrant(number) => {
                self.text(b'C', b"expire_grant");
                self.text(1, &number.0.to_be_bytes());
            }
            // Never is not set.
            Command::ChangeGrantExpiry(ChangeGrantExpiry { grant, expires_at }) => {
                self.text(b'C', b"change_grant_expiry");
                self.text(1, &grant.0.to_be_bytes());
                self.instant(2, *expires_at);
            }
            Command::CreateHold(_)
            | Command::CaptureHold(_)
            | Command::ReleaseHold(_)
            | Command::ExtendHold(..) => self.hold_command(command),
            Command::ReverseSpend(reverse) => self.reversal(reverse),
            Command::RevokeFunding(RevokeFunding { funding_ref, cumulative_amount }) => {
                self.text(b'C', b"revoke_funding");
                self.text(1, funding_ref.as_str().as_bytes());
                self.text(2, cumulative_amount.to_string().as_bytes());
            }
            Command::Transfer(transfer) => self.transfer(transfer),
            // Asked for by nobody: it shares the fingerprint of its transfer.
            Command::Receive(_) => {}
            Command::PurchasePack(purchase) => self.purchase(purchase),
            Command::FreezeWallet => self.text(b'C', b"freeze_wallet"),
            Command::UnfreezeWallet => self.text(b'C', b"unfreeze_wallet"),
            Command::DeclineTopUp(reference) => {
                self.text(b'C', b"decline_top_up");
                self.text(1, reference.as_str().as_bytes());
            }
            Command::CloseWallet(CloseWallet { rest }) => self.close(*rest),
            // It has no key that this could be compared for.
            Command::Settle => self.text(b'C', b"settle"),
        }
    }

    /// What it grants follows from the pack as it was then.
    fn purchase(&mut self, purchase: &Purchase) {
        let Purchase { pack, quantity, payment_ref, bought: _ } = purchase;
        self.text(b'C', b"purchase_pack");
        self.text(1, pack.as_str().as_bytes());
        self.text(2, &quantity.get().to_be_bytes());
        self.text(3, payment_ref.as_str().as_bytes());
    }

    /// What was asked for: of quantities not what they cost, which another price would change.
    fn charge(&mut self, charge: &Charge) {
        match charge {
            Charge::Amount(amount) => self.text(1, amount.get().to_string().as_bytes()),
            Charge::Priced(priced) => {
                self.text(4, b"");
                for (name, quantity) in priced.quantities.iter() {
                    self.text(5, name.as_str().as_bytes());
                    self.text(6, quantity.to_string().as_bytes());
                }
            }
        }
    }

    fn close(&mut self, rest: Rest) {
        self.text(b'C', b"close_wallet");
        match rest {
            // The default, so as good as not set.
            Rest::Refuse => {}
            Rest::Void => self.text(1, b"void"),
        }
    }

    fn transfer(&mut self, transfer: &Transfer) {
        let Transfer { to, amount, expiration_policy } = transfer;
        self.text(b'C', b"transfer");
        self.text(1, to.wallet_id.uuid().as_bytes());
        self.text(2, amount.get().to_string().as_bytes());
        match expiration_policy {
            // The default, so as good as not set.
            ExpirationPolicy::Preserve => {}
            ExpirationPolicy::None => self.text(3, b"none"),
            ExpirationPolicy::Fixed(expires_at) => self.instant(4, Some(*expires_at)),
        }
    }

    fn limit_change(&mut self, change: &LimitChange) {
        let limit = match change {
            LimitChange::Delete(name) => return self.text(11, name.as_str().as_bytes()),
            LimitChange::Set(limit) => limit,
        };
        let SpendLimit { name, amount, actor, operation, window } = limit;
        self.text(12, name.as_str().as_bytes());
        self.text(13, amount.to_string().as_bytes());
        match actor {
            Share::All => {}
            Share::Only(actor) => self.text(14, actor.as_str().as_bytes()),
            Share::Each => self.text(15, b""),
        }
        match operation {
            Share::All => {}
            Share::Only(operation) => self.text(16, operation.as_str().as_bytes()),
            Share::Each => self.text(17, b""),
        }
        self.window(*window);
    }

    fn window(&mut self, window: LimitWindow) {
        match window {
            LimitWindow::Rolling(span) => self.text(18, &span.micros().to_be_bytes()),
            LimitWindow::Calendar(unit, zone) => {
                let unit: &[u8] = match unit {
                    CalendarUnit::Day => b"day",
                    CalendarUnit::Week => b"week",
                    CalendarUnit::Month => b"month",
                    CalendarUnit::Year => b"year",
                };
                self.text(19, unit);
                self.text(20, zone.name().as_bytes());
            }
        }
    }

    fn reversal(&mut self, reverse: &ReverseSpend) {
        let ReverseSpend { transaction, amount, expired_policy } = reverse;
        self.text(b'C', b"reverse_spend");
        self.text(1, transaction.uuid().as_bytes());
        if let Some(amount) = amount {
            self.text(2, amount.get().to_string().as_bytes());
        }
        match expired_policy {
            // The default, so as good as not set.
            ExpiredPolicy::RestoreThenExpire => {}
            ExpiredPolicy::Reissue => self.text(3, b"reissue"),
            ExpiredPolicy::Grace(period) => {
                self.text(3, b"grace");
                self.text(4, &period.micros().to_be_bytes());
            }
        }
    }

    fn hold_command(&mut self, command: &Command) {
        match command {
            Command::CreateHold(CreateHold { amount, operation, expires_at }) => {
                self.text(b'C', b"create_hold");
                self.charge(amount);
                self.optional_text(2, operation.as_ref().map_or("", OperationName::as_str));
                self.instant(3, Some(*expires_at));
            }
            Command::CaptureHold(CaptureHold { hold, amount, excess, is_final }) => {
                self.text(b'C', b"capture_hold");
                self.text(1, &hold.0.to_be_bytes());
                self.text(2, amount.get().to_string().as_bytes());
                let excess: &[u8] = match excess {
                    Excess::Reject => b"reject",
                    Excess::Cap => b"cap",
                    Excess::Extend => b"extend",
                };
                self.text(3, excess);
                self.text(4, &[u8::from(*is_final)]);
            }
            Command::ReleaseHold(ReleaseHold { hold, amount }) => {
                self.text(b'C', b"release_hold");
                self.text(1, &hold.0.to_be_bytes());
                if let Some(amount) = amount {
                    self.text(2, amount.get().to_string().as_bytes());
                }
            }
            Command::ExtendHold(hold, expires_at) => {
                self.text(b'C', b"extend_hold");
                self.text(1, &hold.0.to_be_bytes());
                self.instant(2, Some(*expires_at));
            }
            Command::CreateWallet(_)
            | Command::UpdateWallet(_)
            | Command::Grant(_)
            | Command::CarryOver(_)
            | Command::Spend(_)
            | Command::VoidGrant(_)
            | Command::ExpireGrant(_)
            | Command::ChangeGrantExpiry(_)
            | Command::ReverseSpend(_)
            | Command::RevokeFunding(_)
            | Command::Transfer(_)
            | Command::Receive(_)
            | Command::PurchasePack(_)
            | Command::FreezeWallet
            | Command::UnfreezeWallet
            | Command::DeclineTopUp(_)
            | Command::CloseWallet(_)
            | Command::Settle => {}
        }
    }

    fn update(&mut self, update: &UpdateWallet) {
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
        self.text(b'C', b"update_wallet");
        if let Some(policy) = drawdown_policy {
            self.policy(1, *policy);
        }
        if let Some(metadata) = metadata {
            self.text(2, b"");
            for (key, value) in metadata.as_map() {
                self.text(3, key.as_bytes());
                self.text(4, value.as_bytes());
            }
        }
        if let Some(version) = expected_version {
            self.text(5, &version.to_be_bytes());
        }
        if let Some(limit) = overdraft_limit {
            self.text(6, limit.to_string().as_bytes());
        }
        // None is another request than leaving what there is.
        if let Some(thresholds) = low_balance_thresholds {
            self.text(7, b"");
            self.thresholds(8, thresholds);
        }
        if let Some(leads) = expiring_soon_leads {
            self.text(9, b"");
            self.leads(10, leads);
        }
        if let Some(change) = spend_limit {
            self.limit_change(change);
        }
        match top_up {
            None => {}
            Some(TopUpChange::Delete) => self.text(21, b""),
            Some(TopUpChange::Set(TopUpRule { threshold, amount, most, window })) => {
                self.text(22, threshold.get().to_string().as_bytes());
                self.text(23, amount.get().to_string().as_bytes());
                self.text(24, &most.get().to_be_bytes());
                self.window(*window);
            }
        }
    }

    fn thresholds(&mut self, tag: u8, thresholds: &Thresholds) {
        for threshold in thresholds.as_slice() {
            self.text(tag, threshold.get().to_string().as_bytes());
        }
    }

    fn leads(&mut self, tag: u8, leads: &LeadTimes) {
        for lead in leads.as_slice() {
            self.text(tag, &lead.micros().to_be_bytes());
        }
    }

    fn policy(&mut self, tag: u8, policy: DrawdownPolicy) {
        let name: &[u8] = match policy {
            DrawdownPolicy::ExpiryFirst => b"expiry_first",
            DrawdownPolicy::OldestFirst => b"oldest_first",
        };
        self.text(tag, name);
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        AccountName, Actor, Amount, AssetCode, Category, ChangeGrantExpiry, Charge, Command,
        CostBasis, ExpiredPolicy, Fingerprint, FundingRef, GrantNumber, Metadata, NamespaceId,
        NamespaceName, NewGrant, OperationName, Period, PositiveAmount, Price, PricePart,
        PriceTerms, Priority, Quantities, Reason, ReverseSpend, RevokeFunding, RoundingMode, Scale,
        Spend, Timestamp, TransactionId, UnitPrice, WalletName,
    };
    use std::collections::BTreeSet;
    use uuid::Uuid;

    fn spend(amount: &str) -> Fingerprint {
        let amount = PositiveAmount::parse(amount, Scale::MAX).unwrap();
        of(&Command::Spend(Spend { amount: amount.into(), operation: None, occurred_at: None }))
    }

    fn reversal(amount: Option<&str>, expired_policy: ExpiredPolicy) -> Fingerprint {
        let amount = amount.map(|amount| PositiveAmount::parse(amount, Scale::MAX).unwrap());
        let transaction = TransactionId::from_uuid(Uuid::from_u128(7));
        of(&Command::ReverseSpend(ReverseSpend { transaction, amount, expired_policy }))
    }

    fn revocation(funding: &str, amount: &str) -> Fingerprint {
        of(&Command::RevokeFunding(RevokeFunding {
            funding_ref: FundingRef::parse(funding).unwrap(),
            cumulative_amount: Amount::parse(amount, Scale::MAX).unwrap(),
        }))
    }

    fn of(command: &Command) -> Fingerprint {
        let namespace = NamespaceId::of(&NamespaceName::parse("default").unwrap());
        let wallet = WalletName::new(
            namespace,
            AccountName::parse("org:42").unwrap(),
            AssetCode::parse("credits").unwrap(),
        );
        let (actor, reason) = (Actor::parse("").unwrap(), Reason::parse("").unwrap());
        Fingerprint::of(&wallet, command, &actor, &reason, &Metadata::default())
    }

    #[test]
    fn amounts_that_are_equal_make_one_request() {
        assert_eq!(spend("10"), spend("10.00"));
        assert_ne!(spend("10"), spend("11"));
    }

    fn priced(quantities: &[(&str, &str)], unit_price: &str) -> Fingerprint {
        let operation = OperationName::parse("upload").unwrap();
        let given = quantities.iter().map(|(name, figure)| ((*name).into(), (*figure).into()));
        let price = Price::new(PriceTerms {
            parts: vec![PricePart::Fixed(UnitPrice::parse(unit_price).unwrap())],
            mode: RoundingMode::Up,
            step: None,
            minimum: None,
            maximum: None,
        });
        let quantities = Quantities::parse(&given.collect()).unwrap();
        let amount = Charge::priced(&operation, Some((&price.unwrap(), 1)), quantities, Scale::MAX);
        of(&Command::Spend(Spend { amount, operation: Some(operation), occurred_at: None }))
    }

    #[test]
    fn of_what_is_priced_the_quantities_count_and_not_the_price() {
        assert_eq!(priced(&[], "1"), priced(&[], "2"));
        let megabytes = |figure| priced(&[("megabytes", figure)], "1");
        assert_eq!(megabytes("5"), megabytes("5.0"));
        assert_ne!(megabytes("5"), megabytes("6"));
        assert_ne!(megabytes("5"), priced(&[("gigabytes", "5")], "1"));
        assert_ne!(megabytes("5"), priced(&[], "1"));
    }

    #[test]
    fn each_field_of_a_reversal_counts() {
        let grace = |micros| ExpiredPolicy::Grace(Period::from_micros(micros).unwrap());
        let all = [
            reversal(None, ExpiredPolicy::RestoreThenExpire),
            reversal(Some("10"), ExpiredPolicy::RestoreThenExpire),
            reversal(None, ExpiredPolicy::Reissue),
            reversal(None, grace(1)),
            reversal(None, grace(2)),
        ];
        for (index, one) in all.iter().enumerate() {
            assert!(all[index + 1..].iter().all(|other| other != one), "{index}");
        }
    }

    #[test]
    fn each_end_of_a_grant_is_another_request() {
        let change = |grant, micros: Option<i64>| {
            of(&Command::ChangeGrantExpiry(ChangeGrantExpiry {
                grant: GrantNumber(grant),
                expires_at: micros.map(Timestamp::from_micros),
            }))
        };
        assert_ne!(change(1, None), change(2, None));
        assert_ne!(change(1, None), change(1, Some(0)));
        assert_ne!(change(1, Some(0)), change(1, Some(1)));
    }

    #[test]
    fn a_funding_counts_only_if_it_is_named() {
        let grant = |funding: Option<&str>| {
            of(&Command::Grant(NewGrant {
                amount: PositiveAmount::parse("10", Scale::MAX).unwrap(),
                effective_at: None,
                expires_at: None,
                priority: Priority::DEFAULT,
                category: Category::adjustment(),
                cost_basis: CostBasis::ZERO,
                applies_to: BTreeSet::new(),
                funding_ref: funding.map(|name| FundingRef::parse(name).unwrap()),
            }))
        };
        // As it was before grants named what paid for them.
        assert_eq!(grant(None).as_bytes()[..8], [80, 151, 22, 152, 199, 185, 208, 144]);
        assert_ne!(grant(Some("ch_1")), grant(None));
        assert_ne!(grant(Some("ch_1")), grant(Some("ch_2")));
        assert_ne!(revocation("ch_1", "5"), revocation("ch_1", "6"));
        assert_ne!(revocation("ch_1", "5"), revocation("ch_2", "5"));
    }

    /// Keys are kept for years: a fingerprint that changes turns a retry into a conflict.
    #[test]
    fn a_fingerprint_never_changes() {
        assert_eq!(spend("12.5").as_bytes()[..8], [61, 58, 192, 133, 123, 91, 155, 150]);
        let reversal = reversal(Some("12.5"), ExpiredPolicy::Reissue);
        assert_eq!(reversal.as_bytes()[..8], [118, 86, 85, 214, 179, 15, 221, 88]);
    }
}
