//! Plays Purse with the domain alone: wallets and keys in memory, `decide` for everything else.
//!
//! It must not decide anything itself. What it adds is what the domain leaves to others: parsing, the scale of
//! assets, the keys that were used, and the reasons that callers are given.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use purse_domain::{
    AccountId, Amount, AssetCode, Command, CommitToken, Counts, CreateWallet, Decided, Decision,
    Event, Fingerprint, Fold, FoldError, GroupVerdict, LimitName, MOST_LIMITS, NamespaceId,
    NamespaceName, NoticesFrom, OperationName, Origin, Recount, Rejection, Request, Scale,
    Sequence, SpendRecord, Timestamp, TransactionId, WalletId, WalletName, WalletSettings,
    WalletState, balances_at, decide_group, settle::settled, slices, verify, verify_event,
};
use uuid::Uuid;

use crate::{
    answer::{
        EntryView, EventView, GrantView, HoldView, Holdings, LimitView, Refusal, WalletView,
        Written,
    },
    billing::{ApplicationView, NewEvent, NewRule},
    driver::{AsOf, Driver, PackAsked, PriceAsked, WalletRef, Write},
    expiry::{CalculateStep, Expires, ExpiryView},
};

mod billing;
mod expiry;
mod limit_store;
mod packs;
mod parse;
mod prices;
mod view;

use billing::Billing;
use limit_store::LimitStore;
use packs::Packs;
use prices::Prices;

/// A Purse in memory.
#[derive(Debug)]
pub struct DomainDriver {
    namespace_id: NamespaceId,
    clock: Timestamp,
    assets: HashMap<AssetCode, Scale>,
    wallets: HashMap<WalletId, Ledger>,
    used_keys: HashMap<(AccountId, String), (Fingerprint, TransactionId, Written)>,
    prices: Prices,
    packs: Packs,
    transactions: u128,
    billing: Billing,
}

#[derive(Debug, Clone)]
struct Ledger {
    state: WalletState,
    entries: Vec<purse_domain::Entry>,
    events: Vec<Event>,
    /// Which transaction made which entry; what is not here time did.
    owners: BTreeMap<Sequence, TransactionId>,
    /// What the wallet wanted to be told of, from its opening on.
    notices: Vec<NoticesFrom>,
    /// What commands said that their entries are for.
    operations: BTreeMap<Sequence, OperationName>,
    /// What limits count.
    limits: LimitStore,
    /// The other wallets of entries that moved credits between wallets.
    counterparties: BTreeMap<Sequence, WalletName>,
}

impl Ledger {
    fn opened(state: WalletState) -> Self {
        Self {
            state,
            entries: Vec::new(),
            events: Vec::new(),
            owners: BTreeMap::new(),
            notices: Vec::new(),
            operations: BTreeMap::new(),
            limits: LimitStore::default(),
            counterparties: BTreeMap::new(),
        }
    }

    /// The wallet as it was with what was recorded by then.
    fn as_known(&self, known_at: Timestamp) -> Self {
        let known = self.entries.iter().take_while(|entry| entry.recorded_at <= known_at);
        let entries: Vec<_> = known.cloned().collect();
        let fold = self.fold(&entries).expect("entries that were decided are a ledger");
        // A deadline that was moved since counts as if it had always been there.
        let deadline = |hold| self.state.holds.get(&hold).map_or(known_at, |hold| hold.expires_at);
        Self { state: fold.into_state(deadline), entries, ..self.clone() }
    }

    fn fold(&self, entries: &[purse_domain::Entry]) -> Result<Fold, FoldError> {
        self.fold_and(entries, |_, _| ())
    }

    /// Folds entries; `see` sees each with what comes before it.
    fn fold_and(
        &self,
        entries: &[purse_domain::Entry],
        mut see: impl FnMut(&Fold, &purse_domain::Entry),
    ) -> Result<Fold, FoldError> {
        let grants = self.state.grants.values();
        let terms = grants.map(|grant| (grant.number, Arc::clone(&grant.terms))).collect();
        let mut fold = Fold::opened(Arc::clone(&self.state.settings));
        for entry in entries {
            see(&fold, entry);
            fold.book(entry, self.operations.get(&entry.sequence), &terms)?;
        }
        Ok(fold)
    }

    fn views(&self) -> Vec<EntryView> {
        let entries = self.entries.iter();
        let view = |entry: &purse_domain::Entry| {
            view::entry(entry, self.counterparties.get(&entry.sequence))
        };
        entries.map(view).collect()
    }

    fn verify(&self) -> Result<(), String> {
        let mut recount = Recount::new(Sequence(0), self.notices.clone());
        let see = |fold: &Fold, entry: &purse_domain::Entry| {
            recount.add(fold, entry, self.owners.get(&entry.sequence).copied());
        };
        let fold = self.fold_and(&self.entries, see).map_err(|error| error.to_string())?;
        recount.finish(&fold, self.state.head.recorded_at);
        for (kept, said) in self.events.iter().zip(recount.take()) {
            verify_event(kept, &said).map_err(|discrepancy| discrepancy.to_string())?;
        }
        verify(fold, &recount, self.state.head.last_hash, &self.state)
            .map_err(|discrepancy| discrepancy.to_string())
    }

    fn holdings(&self, at: Timestamp) -> Result<Holdings, Refusal> {
        let Self { state, entries, .. } = self;
        if at < state.head.recorded_at {
            return Ok(view::past_holdings(entries, at));
        }
        let balances = balances_at(state, at);
        balances.map(|balances| view::holdings(&balances)).map_err(|missing| lacking(&missing))
    }
}

impl Default for DomainDriver {
    fn default() -> Self {
        Self::new()
    }
}

impl DomainDriver {
    /// Without wallets.
    pub fn new() -> Self {
        Self {
            namespace_id: NamespaceId::of(&NamespaceName::from_stored("default".to_owned())),
            clock: Timestamp::from_micros(0),
            assets: HashMap::new(),
            wallets: HashMap::new(),
            used_keys: HashMap::new(),
            prices: Prices::default(),
            packs: Packs::default(),
            transactions: 0,
            billing: Billing::default(),
        }
    }

    fn decide_and_write(&mut self, write: &Write) -> Result<Written, Refusal> {
        let name = parse::wallet_name(self.namespace_id, &write.wallet)?;
        let asset_scale = self.assets.get(&name.asset).copied();
        let (key, request) = parse::request(write, name, asset_scale, (&self.prices, &self.packs))?;
        let used = (request.wallet.account_id, key.as_str().to_owned());
        if let Some((fingerprint, transaction, first)) = self.used_keys.get(&used) {
            if *fingerprint == request.fingerprint {
                return Ok(Written { replayed: true, ..first.clone() });
            }
            let transaction = *transaction;
            let reused = Rejection::IdempotencyKeyReused { key, transaction };
            return Err(refusal(&reused, &request.wallet));
        }

        let request = with_asset_scale(request, asset_scale);
        self.hold_funding(&request);
        let decided = match self.decide(&request) {
            GroupVerdict::Accepted(decided) => decided,
            GroupVerdict::Rejected(refused) => {
                return Err(refusal(&refused.rejection, &refused.wallet));
            }
            GroupVerdict::Lacking(_, missing) => return Err(lacking(&missing)),
        };
        let commit_token = CommitToken::of(&decided).to_string();
        let [first, others @ ..] = &decided[..] else {
            return Err(Refusal::new("NOT_DECIDED", &[]));
        };
        let received = others.iter().flat_map(|leg| leg.decision.made_grants().map(view::grant));
        let bought = request.command.purchase().map(|_| first.decision.made_grants());
        let received = received.chain(bought.into_iter().flatten().map(view::grant));
        let mut written = written(&request, &first.decision);
        written.received = received.collect();
        let moves = written.wallet.is_none();
        written.commit_token = (moves && request.validate_only).then_some(commit_token);
        if first.decision.writes && !request.validate_only {
            self.transactions += 1;
            let id = TransactionId::from_uuid(Uuid::from_u128(self.transactions));
            if written.wallet.is_none() {
                written.transaction_id = Some(id.to_string());
            }
            for Decided { request, decision } in &decided {
                self.append(request, decision, id);
            }
            self.used_keys.insert(used, (request.fingerprint, id, written.clone()));
        }
        Ok(written)
    }

    /// Decides a request, and supplies what limits count.
    fn decide<'r>(&mut self, request: &'r Request) -> GroupVerdict<'r> {
        loop {
            let find = |id| self.wallets.get(&id).map(|ledger: &Ledger| &ledger.state);
            let verdict = decide_group(find, &[request], self.clock);
            let GroupVerdict::Lacking(id, missing) = &verdict else { return verdict };
            let supplied = self.wallets.get_mut(id).is_some_and(|ledger| {
                let Ledger { state, limits, .. } = ledger;
                limits.supply(state, missing)
            });
            if !supplied {
                return verdict;
            }
        }
    }

    /// The state takes note of what fundings it is told of, so from their first mention on.
    fn hold_funding(&mut self, request: &Request) {
        let named = match &request.command {
            Command::Grant(new) => new.funding_ref.as_ref(),
            Command::RevokeFunding(revoke) => Some(&revoke.funding_ref),
            Command::PurchasePack(purchase) => Some(&purchase.payment_ref),
            Command::CreateWallet(_)
            | Command::UpdateWallet(_)
            | Command::CarryOver(_)
            | Command::Spend(_)
            | Command::VoidGrant(_)
            | Command::ExpireGrant(_)
            | Command::ChangeGrantExpiry(_)
            | Command::CreateHold(_)
            | Command::CaptureHold(_)
            | Command::ReleaseHold(_)
            | Command::ExtendHold(..)
            | Command::ReverseSpend(_)
            | Command::Transfer(_)
            | Command::Receive(_)
            | Command::FreezeWallet
            | Command::UnfreezeWallet
            | Command::DeclineTopUp(_)
            | Command::CloseWallet(_)
            | Command::Settle => None,
        };
        if let (Some(name), Some(ledger)) = (named, self.wallets.get_mut(&request.wallet.wallet_id))
        {
            ledger.state.fundings.entry(name.clone()).or_default();
        }
    }

    fn append(&mut self, request: &Request, decision: &Decision, transaction: TransactionId) {
        let id = request.wallet.wallet_id;
        if let (Command::CreateWallet(_), Some(settings)) = (&request.command, &decision.settings) {
            self.assets.insert(settings.name.asset.clone(), settings.scale);
            let state = WalletState::opened(settings.clone());
            self.wallets.insert(id, Ledger::opened(state));
        }
        if let Some(ledger) = self.wallets.get_mut(&id) {
            ledger.state.apply(decision);
            ledger.entries.extend_from_slice(&decision.entries);
            ledger.events.extend_from_slice(&decision.events);
            let own = decision.own_entries().iter().map(|entry| (entry.sequence, transaction));
            ledger.owners.extend(own);
            let declines = matches!(request.command, Command::DeclineTopUp(_));
            let (after, at) = (decision.head.last_sequence, decision.now);
            let notices =
                |settings: &WalletSettings| NoticesFrom::of(settings, after, at, declines);
            ledger.notices.extend(decision.settings.as_ref().map(notices));
            let operation = decision.operation(&request.command);
            for entry in decision.own_entries() {
                ledger.operations.extend(operation.map(|name| (entry.sequence, name.clone())));
                let other = request.command.counterparty();
                ledger.counterparties.extend(other.map(|other| (entry.sequence, other.clone())));
            }
            ledger.limits.add(request, decision);
            // The next request finds what the entries say.
            ledger.state.counts = Counts::default();
            let (actor, operation) = (request.actor.clone(), operation.cloned());
            let origin = Some(Origin { actor, operation });
            let Some(kind) = request.command.kind() else { return };
            let spend = SpendRecord::of(kind, decision.own_entries());
            let spend = spend.map(|spend| SpendRecord { origin, ..spend });
            ledger.state.spends.insert(transaction, spend);
        }
    }

    fn settle(&mut self, wallet: &WalletRef) -> Result<i64, Refusal> {
        let request = Request::settle(parse::wallet_name(self.namespace_id, wallet)?);
        let decision = match self.decide(&request) {
            GroupVerdict::Accepted(mut decided) => decided.remove(0).decision,
            GroupVerdict::Rejected(refused) => {
                return Err(refusal(&refused.rejection, &refused.wallet));
            }
            GroupVerdict::Lacking(_, missing) => return Err(lacking(&missing)),
        };
        if decision.writes {
            // Nothing of it has an owner.
            self.append(&request, &decision, TransactionId::from_uuid(Uuid::nil()));
        }
        Ok(i64::try_from(decision.entries.len()).unwrap_or(i64::MAX))
    }

    fn ledger(&self, wallet: &WalletRef) -> Result<&Ledger, Refusal> {
        let name = parse::wallet_name(self.namespace_id, wallet)?;
        let ledger = self.wallets.get(&name.wallet_id);
        ledger.ok_or_else(|| refusal(&Rejection::WalletNotFound, &name))
    }

    fn holdings(&self, wallet: &WalletRef, as_of: AsOf) -> Result<Holdings, Refusal> {
        let ledger = self.ledger(wallet)?;
        let now = self.clock.max(ledger.state.head.recorded_at);
        let AsOf { at, known_at } = as_of;
        let at = at.or(known_at).unwrap_or(now);
        match known_at {
            None => ledger.holdings(at),
            Some(known_at) if known_at > now => Err(Refusal::field("known_at")),
            Some(known_at) => ledger.as_known(known_at).holdings(at),
        }
    }

    fn limit_views(
        &mut self,
        wallet: &WalletRef,
        actor: &str,
        operation: &str,
    ) -> Result<Vec<LimitView>, Refusal> {
        let (actor, operation) = parse::chosen(actor, operation)?;
        let name = parse::wallet_name(self.namespace_id, wallet)?;
        let ledger = self.wallets.get_mut(&name.wallet_id);
        let Some(Ledger { state, limits: store, .. }) = ledger else {
            return Err(refusal(&Rejection::WalletNotFound, &name));
        };
        let now = self.clock.max(state.head.recorded_at);
        let limits = state.settings.spend_limits.clone();
        let views = limits.iter().map(|limit| {
            let chosen = limit.chosen(actor.as_ref(), operation.as_ref());
            let usage = chosen.map(|spender| store.usage(state, limit, &spender, now));
            view::limit(limit, usage.as_ref())
        });
        Ok(views.collect())
    }

    fn settled(&self, wallet: &WalletRef) -> Result<WalletState, Refusal> {
        let Ledger { state, .. } = self.ledger(wallet)?;
        let now = self.clock.max(state.head.recorded_at);
        settled(state, now).map_err(|missing| lacking(&missing))
    }

    fn grant_views(&self, wallet: &WalletRef) -> Result<Vec<GrantView>, Refusal> {
        let state = self.settled(wallet)?;
        let mut grants: Vec<GrantView> = state.grants.values().map(view::grant).collect();
        grants.sort_by_key(|grant| grant.number);
        Ok(grants)
    }
}

impl Driver for DomainDriver {
    fn set_time(&mut self, now: Timestamp) -> impl Future<Output = Result<(), Refusal>> + Send {
        self.clock = now;
        std::future::ready(self.bring_all_about())
    }

    fn write(&mut self, write: &Write) -> impl Future<Output = Result<Written, Refusal>> + Send {
        std::future::ready(self.decide_and_write(write))
    }

    fn balance(
        &mut self,
        wallet: &WalletRef,
        as_of: AsOf,
    ) -> impl Future<Output = Result<Holdings, Refusal>> + Send {
        std::future::ready(self.holdings(wallet, as_of))
    }

    fn rule(&mut self, rule: &NewRule) -> impl Future<Output = Result<Expires, Refusal>> + Send {
        std::future::ready(self.create_rule(rule))
    }

    fn calculate(
        &mut self,
        question: &CalculateStep,
    ) -> impl Future<Output = Result<ExpiryView, Refusal>> + Send {
        std::future::ready(self.answer_expiry(question))
    }

    fn event(&mut self, event: &NewEvent) -> impl Future<Output = Result<String, Refusal>> + Send {
        std::future::ready(self.hear(event))
    }

    fn applications(
        &mut self,
        account: &str,
        until: Timestamp,
    ) -> impl Future<Output = Result<Vec<ApplicationView>, Refusal>> + Send {
        std::future::ready(Ok(self.applications_until(account, until)))
    }

    fn entries(
        &mut self,
        wallet: &WalletRef,
    ) -> impl Future<Output = Result<Vec<EntryView>, Refusal>> + Send {
        let ledger = self.ledger(wallet);
        std::future::ready(ledger.map(Ledger::views))
    }

    fn grants(
        &mut self,
        wallet: &WalletRef,
    ) -> impl Future<Output = Result<Vec<GrantView>, Refusal>> + Send {
        std::future::ready(self.grant_views(wallet))
    }

    fn events(
        &mut self,
        wallet: &WalletRef,
    ) -> impl Future<Output = Result<Vec<EventView>, Refusal>> + Send {
        let ledger = self.ledger(wallet);
        let views = |ledger: &Ledger| {
            let asset = &ledger.state.settings.name.asset;
            ledger.events.iter().map(|event| view::event(event, asset)).collect()
        };
        std::future::ready(ledger.map(views))
    }

    fn verify(&mut self, wallet: &WalletRef) -> impl Future<Output = Result<(), String>> + Send {
        let found = self.ledger(wallet).map(Ledger::verify);
        std::future::ready(found.unwrap_or_else(|refusal| Err(format!("{refusal:?}"))))
    }

    fn sweep(&mut self, wallet: &WalletRef) -> impl Future<Output = Result<i64, Refusal>> + Send {
        std::future::ready(self.settle(wallet))
    }

    fn set_price(
        &mut self,
        asset: &str,
        operation: &str,
        price: Option<&PriceAsked>,
    ) -> impl Future<Output = Result<(), Refusal>> + Send {
        std::future::ready(self.prices.set(asset, operation, price, self.clock))
    }

    fn set_pack(
        &mut self,
        asset: &str,
        name: &str,
        pack: Option<&PackAsked>,
    ) -> impl Future<Output = Result<(), Refusal>> + Send {
        let scale = |asset: &AssetCode| self.assets.get(asset).copied();
        std::future::ready(self.packs.set((asset, scale), name, pack, self.clock))
    }

    fn estimate(
        &mut self,
        asset: &str,
        operation: &str,
        quantities: &BTreeMap<String, String>,
    ) -> impl Future<Output = Result<String, Refusal>> + Send {
        let scale = |asset: &AssetCode| self.assets.get(asset).copied();
        std::future::ready(self.prices.estimate((asset, scale), operation, quantities))
    }

    fn limits(
        &mut self,
        wallet: &WalletRef,
        actor: &str,
        operation: &str,
    ) -> impl Future<Output = Result<Vec<LimitView>, Refusal>> + Send {
        std::future::ready(self.limit_views(wallet, actor, operation))
    }

    fn holds(
        &mut self,
        wallet: &WalletRef,
    ) -> impl Future<Output = Result<Vec<HoldView>, Refusal>> + Send {
        let state = self.settled(wallet);
        std::future::ready(state.map(|state| state.holds.values().map(view::hold).collect()))
    }
}

fn with_asset_scale(request: Request, asset_scale: Option<Scale>) -> Request {
    match request.command {
        Command::CreateWallet(create) => {
            let command = Command::CreateWallet(CreateWallet { asset_scale, ..create });
            Request { command, ..request }
        }
        Command::UpdateWallet(_)
        | Command::Grant(_)
        | Command::CarryOver(_)
        | Command::Spend(_)
        | Command::VoidGrant(_)
        | Command::ExpireGrant(_)
        | Command::ChangeGrantExpiry(_)
        | Command::CreateHold(_)
        | Command::CaptureHold(_)
        | Command::ReleaseHold(_)
        | Command::ExtendHold(..)
        | Command::ReverseSpend(_)
        | Command::RevokeFunding(_)
        | Command::Transfer(_)
        | Command::Receive(_)
        | Command::PurchasePack(_)
        | Command::FreezeWallet
        | Command::UnfreezeWallet
        | Command::DeclineTopUp(_)
        | Command::CloseWallet(_)
        | Command::Settle => request,
    }
}

fn written(request: &Request, decision: &Decision) -> Written {
    let wallet = decision.settings.as_ref().map(|settings| WalletView {
        asset: settings.name.asset.to_string(),
        scale: i32::from(settings.scale.places()),
        policy: view::policy(settings.drawdown_policy).to_owned(),
        overdraft_limit: settings.overdraft_limit.to_string(),
        low_balance_thresholds: settings
            .low_balance_thresholds
            .as_slice()
            .iter()
            .map(|threshold| threshold.get().to_string())
            .collect(),
        expiring_soon_lead_micros: settings
            .expiring_soon_leads
            .as_slice()
            .iter()
            .map(|lead| lead.micros())
            .collect(),
        created: matches!(request.command, Command::CreateWallet(_)).then_some(decision.writes),
        etag: settings.version.to_string(),
        status: view::wallet_status(settings.status).to_owned(),
    });
    Written {
        replayed: false,
        transaction_id: None,
        entries: decision
            .own_entries()
            .iter()
            .map(|entry| view::entry(entry, request.command.counterparty()))
            .collect(),
        balances: wallet.is_none().then(|| view::holdings(&decision.head.balances)),
        grant: match request.command {
            Command::Grant(_) | Command::CarryOver(_) => {
                decision.made_grants().next().map(view::grant)
            }
            Command::CreateWallet(_)
            | Command::UpdateWallet(_)
            | Command::Spend(_)
            | Command::VoidGrant(_)
            | Command::ExpireGrant(_)
            | Command::ChangeGrantExpiry(_)
            | Command::CreateHold(_)
            | Command::CaptureHold(_)
            | Command::ReleaseHold(_)
            | Command::ExtendHold(..)
            | Command::ReverseSpend(_)
            | Command::RevokeFunding(_)
            | Command::Transfer(_)
            | Command::Receive(_)
            | Command::PurchasePack(_)
            | Command::FreezeWallet
            | Command::UnfreezeWallet
            | Command::DeclineTopUp(_)
            | Command::CloseWallet(_)
            | Command::Settle => None,
        },
        hold: decision.hold().map(view::hold),
        wallet,
        slices: match &request.command {
            Command::ReverseSpend(reverse) => {
                let slices = slices(reverse.expired_policy, decision.own_entries());
                slices.iter().map(view::slice).collect()
            }
            Command::CreateWallet(_)
            | Command::UpdateWallet(_)
            | Command::Grant(_)
            | Command::CarryOver(_)
            | Command::Spend(_)
            | Command::VoidGrant(_)
            | Command::ExpireGrant(_)
            | Command::ChangeGrantExpiry(_)
            | Command::CreateHold(_)
            | Command::CaptureHold(_)
            | Command::ReleaseHold(_)
            | Command::ExtendHold(..)
            | Command::RevokeFunding(_)
            | Command::Transfer(_)
            | Command::Receive(_)
            | Command::PurchasePack(_)
            | Command::FreezeWallet
            | Command::UnfreezeWallet
            | Command::DeclineTopUp(_)
            | Command::CloseWallet(_)
            | Command::Settle => Vec::new(),
        },
        received: Vec::new(),
        commit_token: None,
    }
}

fn named(wallet: &WalletName) -> [(&'static str, String); 2] {
    [("account", wallet.account.to_string()), ("asset", wallet.asset.to_string())]
}

/// The reason that a caller is given, with its figures: `error_reason.proto`.
#[expect(clippy::too_many_lines, reason = "one table, an arm for each rejection")]
fn refusal(rejection: &Rejection, wallet: &WalletName) -> Refusal {
    match rejection {
        Rejection::WalletNotFound => Refusal::new(
            "WALLET_NOT_FOUND",
            &[("account", wallet.account.to_string()), ("asset", wallet.asset.to_string())],
        ),
        Rejection::GrantNotFound { grant } => {
            Refusal::new("GRANT_NOT_FOUND", &[("grant_number", grant.to_string())])
        }
        Rejection::InsufficientCredits { available, overdraft_left, required } => Refusal::new(
            "INSUFFICIENT_CREDITS",
            &[
                ("available", available.to_string()),
                ("overdraft_left", overdraft_left.to_string()),
                ("required", required.to_string()),
            ],
        ),
        Rejection::Unbuyable(why) => packs::unbuyable(why, &wallet.asset),
        Rejection::Unpriced(why) => prices::unpriced(why, &wallet.asset),
        Rejection::SpendLimitExceeded { limit, used, allowed, required, frees_at, now: _ } => {
            limited(limit, [*used, *allowed, *required], *frees_at)
        }
        Rejection::SpendLimitNotFound { limit } => {
            Refusal::new("SPEND_LIMIT_NOT_FOUND", &[("limit_name", limit.to_string())])
        }
        Rejection::TooManySpendLimits => {
            Refusal::new("TOO_MANY_SPEND_LIMITS", &[("limit", MOST_LIMITS.to_string())])
        }
        Rejection::GrantEnded { grant } => {
            Refusal::new("GRANT_ENDED", &[("grant_number", grant.to_string())])
        }
        Rejection::GrantNotEffective { grant, effective_at } => Refusal::new(
            "GRANT_NOT_EFFECTIVE",
            &[("grant_number", grant.to_string()), ("effective_at", effective_at.to_string())],
        ),
        Rejection::BalanceLimitExceeded => {
            Refusal::new("BALANCE_LIMIT_EXCEEDED", &[("limit", "1000000000000000".to_owned())])
        }
        Rejection::AssetScaleMismatch { scale, requested } => Refusal::new(
            "ASSET_SCALE_MISMATCH",
            &[
                ("scale", scale.places().to_string()),
                ("requested_scale", requested.places().to_string()),
            ],
        ),
        Rejection::HoldNotFound { hold } => {
            Refusal::new("HOLD_NOT_FOUND", &[("hold_number", hold.to_string())])
        }
        Rejection::HoldExpired { hold, expires_at } => Refusal::new(
            "HOLD_EXPIRED",
            &[("hold_number", hold.to_string()), ("expires_at", expires_at.to_string())],
        ),
        Rejection::HoldClosed { hold } => {
            Refusal::new("HOLD_CLOSED", &[("hold_number", hold.to_string())])
        }
        Rejection::CaptureExceedsHold { hold, held, required }
        | Rejection::ReleaseExceedsHold { hold, held, required } => Refusal::new(
            "EXCEEDS_HOLD",
            &[
                ("hold_number", hold.to_string()),
                ("held", held.to_string()),
                ("required", required.to_string()),
            ],
        ),
        Rejection::TransactionNotFound { transaction } => {
            Refusal::new("TRANSACTION_NOT_FOUND", &[("transaction_id", transaction.to_string())])
        }
        Rejection::TransactionNotReversible { transaction } => Refusal::new(
            "TRANSACTION_NOT_REVERSIBLE",
            &[("transaction_id", transaction.to_string())],
        ),
        Rejection::NothingLeftToReverse { required } => {
            let required = required.map(|required| ("required", required.to_string()));
            let figures: Vec<_> = [("left", "0".to_owned())].into_iter().chain(required).collect();
            Refusal::new("NOTHING_LEFT_TO_REVERSE", &figures)
        }
        Rejection::ReversalExceedsSpend { left, required } => Refusal::new(
            "REVERSAL_EXCEEDS_SPEND",
            &[("left", left.to_string()), ("required", required.to_string())],
        ),
        Rejection::FundingNotFound { funding_ref } => {
            Refusal::new("FUNDING_NOT_FOUND", &[("funding_ref", funding_ref.to_string())])
        }
        Rejection::RevocationExceedsFunding { .. } => Refusal::field("cumulative_amount"),
        Rejection::OverdraftLimitTooPrecise { .. } => Refusal::field("overdraft_limit"),
        Rejection::ThresholdTooPrecise { .. } => Refusal::field("low_balance_thresholds"),
        Rejection::TopUpNotOutstanding { reference } => {
            Refusal::new("TOP_UP_NOT_OUTSTANDING", &[("reference", reference.to_string())])
        }
        Rejection::WalletFrozen => Refusal::new("WALLET_FROZEN", &named(wallet)),
        Rejection::WalletClosed => Refusal::new("WALLET_CLOSED", &named(wallet)),
        Rejection::WalletNotEmpty { available, held, debt, scheduled } => Refusal::new(
            "WALLET_NOT_EMPTY",
            &[
                ("available", available.to_string()),
                ("held", held.to_string()),
                ("debt", debt.to_string()),
                ("scheduled", scheduled.to_string()),
            ],
        ),
        Rejection::StaleCommitToken => Refusal::new("STALE_COMMIT_TOKEN", &[]),
        Rejection::StaleVersion { version } => {
            Refusal::new("STALE_ETAG", &[("etag", version.to_string())])
        }
        Rejection::ExpiresAtNotAhead { .. } | Rejection::WindowEndsBeforeItStarts { .. } => {
            Refusal::field("expires_at")
        }
        Rejection::OccurredAtAhead { .. } | Rejection::OccurredAtTooOld { .. } => {
            Refusal::field("occurred_at")
        }
        Rejection::IdempotencyKeyReused { key, transaction } => Refusal::new(
            "IDEMPOTENCY_KEY_REUSED",
            &[("idempotency_key", key.to_string()), ("transaction_id", transaction.to_string())],
        ),
    }
}

fn limited(
    limit: &LimitName,
    [used, allowed, required]: [Amount; 3],
    frees_at: Option<Timestamp>,
) -> Refusal {
    let figures = [
        ("limit_name", limit.to_string()),
        ("used", used.to_string()),
        ("limit", allowed.to_string()),
        ("required", required.to_string()),
    ];
    let frees = frees_at.map(|frees_at| ("frees_at", frees_at.to_string()));
    let reason = match frees_at {
        Some(_) => "SPEND_LIMIT_EXCEEDED",
        None => "NEVER_WITHIN_SPEND_LIMIT",
    };
    Refusal::new(reason, &figures.into_iter().chain(frees).collect::<Vec<_>>())
}

/// The driver holds all grants, so this is a defect of the domain.
fn lacking(missing: &purse_domain::Missing) -> Refusal {
    Refusal::new("LACKING", &[("missing", format!("{missing:?}"))])
}
