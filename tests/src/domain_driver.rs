//! Plays Purse with the domain alone: wallets and keys in memory, `decide` for everything else.
//!
//! It must not decide anything itself. What it adds is what the domain leaves to others: parsing, the scale of
//! assets, the keys that were used, and the reasons that callers are given.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use purse_domain::{
    AccountId, Amount, AssetCode, Command, CreateWallet, Decision, Fingerprint, Fold, FoldError,
    LimitName, MOST_LIMITS, NamespaceId, NamespaceName, OperationName, Origin, Rejection, Request,
    Scale, Sequence, SpendRecord, Timestamp, TransactionId, Usage, Verdict, WalletId, WalletName,
    WalletState, balances_at, decide, settle::settled, slices, verify,
};
use uuid::Uuid;

use crate::{
    answer::{EntryView, GrantView, HoldView, Holdings, LimitView, Refusal, WalletView, Written},
    driver::{AsOf, Driver, WalletRef, Write},
};

mod counts;
mod parse;
mod view;

use counts::Counts;

/// A Purse in memory.
#[derive(Debug)]
pub struct DomainDriver {
    namespace_id: NamespaceId,
    clock: Timestamp,
    assets: HashMap<AssetCode, Scale>,
    wallets: HashMap<WalletId, Ledger>,
    used_keys: HashMap<(AccountId, String), (Fingerprint, TransactionId, Written)>,
    transactions: u128,
}

#[derive(Debug)]
struct Ledger {
    state: WalletState,
    entries: Vec<purse_domain::Entry>,
    /// What commands said that their entries are for.
    operations: BTreeMap<Sequence, OperationName>,
    /// What limits count.
    counts: Counts,
}

impl Ledger {
    /// The wallet as it was with what was recorded by then.
    fn as_known(&self, known_at: Timestamp) -> Self {
        let known = self.entries.iter().take_while(|entry| entry.recorded_at <= known_at);
        let entries: Vec<_> = known.cloned().collect();
        let fold = self.fold(&entries).expect("entries that were decided are a ledger");
        // A deadline that was moved since counts as if it had always been there.
        let deadline = |hold| self.state.holds.get(&hold).map_or(known_at, |hold| hold.expires_at);
        let (operations, counts) = (self.operations.clone(), self.counts.clone());
        Self { state: fold.into_state(deadline), entries, operations, counts }
    }

    fn fold(&self, entries: &[purse_domain::Entry]) -> Result<Fold, FoldError> {
        let grants = self.state.grants.values();
        let terms = grants.map(|grant| (grant.number, Arc::clone(&grant.terms))).collect();
        let mut fold = Fold::opened(Arc::clone(&self.state.settings));
        for entry in entries {
            fold.book(entry, self.operations.get(&entry.sequence), &terms)?;
        }
        Ok(fold)
    }

    fn verify(&self) -> Result<(), String> {
        let fold = self.fold(&self.entries).map_err(|error| error.to_string())?;
        verify(fold, self.state.head.last_hash, &self.state)
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
            transactions: 0,
        }
    }

    fn decide_and_write(&mut self, write: &Write) -> Result<Written, Refusal> {
        let name = parse::wallet_name(self.namespace_id, &write.wallet)?;
        let asset_scale = self.assets.get(&name.asset).copied();
        let request = parse::request(write, name, asset_scale)?;
        let key = (request.wallet.account_id, request.key.as_str().to_owned());
        if let Some((fingerprint, transaction, first)) = self.used_keys.get(&key) {
            if *fingerprint == request.fingerprint {
                return Ok(Written { replayed: true, ..first.clone() });
            }
            let (key, transaction) = (request.key, *transaction);
            let reused = Rejection::IdempotencyKeyReused { key, transaction };
            return Err(refusal(&reused, &request.wallet));
        }

        let request = with_asset_scale(request, asset_scale);
        let verdict = match self.wallets.get_mut(&request.wallet.wallet_id) {
            None => decide(None, &request, self.clock),
            Some(Ledger { state, counts, .. }) => {
                counts.supplied(state, |state| decide(Some(state), &request, self.clock))
            }
        };
        let decision = match verdict {
            Verdict::Accepted(decision) => decision,
            Verdict::Rejected(rejection) => return Err(refusal(&rejection, &request.wallet)),
            Verdict::Lacking(missing) => {
                return Err(Refusal::new("LACKING", &[("missing", format!("{missing:?}"))]));
            }
        };
        let is_written = decision.writes && !request.validate_only;
        let mut written = written(&request, &decision);
        if is_written {
            self.transactions += 1;
            let id = TransactionId::from_uuid(Uuid::from_u128(self.transactions));
            if written.wallet.is_none() {
                written.transaction_id = Some(id.to_string());
            }
            self.append(&request, &decision, id);
            self.used_keys.insert(key, (request.fingerprint, id, written.clone()));
        }
        Ok(written)
    }

    fn append(&mut self, request: &Request, decision: &Decision, transaction: TransactionId) {
        let id = request.wallet.wallet_id;
        if let (Command::CreateWallet(_), Some(settings)) = (&request.command, &decision.settings) {
            self.assets.insert(settings.name.asset.clone(), settings.scale);
            let state = WalletState::opened(settings.clone());
            let (entries, operations) = (Vec::new(), BTreeMap::new());
            let ledger = Ledger { state, entries, operations, counts: Counts::default() };
            self.wallets.insert(id, ledger);
        }
        if let Some(ledger) = self.wallets.get_mut(&id) {
            ledger.state.apply(decision);
            ledger.entries.extend_from_slice(&decision.entries);
            let operation = decision.operation(&request.command);
            for entry in decision.own_entries() {
                ledger.operations.extend(operation.map(|name| (entry.sequence, name.clone())));
            }
            ledger.counts.add(request, decision);
            // The next request finds what the entries say.
            ledger.state.usage = Usage::default();
            let (actor, operation) = (request.actor.clone(), operation.cloned());
            let origin = Origin { actor, operation };
            let spend = SpendRecord::of(request.command.kind(), decision.own_entries(), origin);
            ledger.state.spends.insert(transaction, spend);
        }
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
        let Some(Ledger { state, counts, .. }) = ledger else {
            return Err(refusal(&Rejection::WalletNotFound, &name));
        };
        let now = self.clock.max(state.head.recorded_at);
        let limits = state.settings.spend_limits.clone();
        let views = limits.iter().map(|limit| {
            let chosen = limit.chosen(actor.as_ref(), operation.as_ref());
            let usage = chosen.map(|spender| counts.usage(state, limit, &spender, now));
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
        std::future::ready(Ok(()))
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

    fn entries(
        &mut self,
        wallet: &WalletRef,
    ) -> impl Future<Output = Result<Vec<EntryView>, Refusal>> + Send {
        let ledger = self.ledger(wallet);
        std::future::ready(ledger.map(|ledger| ledger.entries.iter().map(view::entry).collect()))
    }

    fn grants(
        &mut self,
        wallet: &WalletRef,
    ) -> impl Future<Output = Result<Vec<GrantView>, Refusal>> + Send {
        std::future::ready(self.grant_views(wallet))
    }

    fn verify(&mut self, wallet: &WalletRef) -> impl Future<Output = Result<(), String>> + Send {
        let found = self.ledger(wallet).map(Ledger::verify);
        std::future::ready(found.unwrap_or_else(|refusal| Err(format!("{refusal:?}"))))
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
        | Command::Spend(_)
        | Command::VoidGrant(_)
        | Command::ExpireGrant(_)
        | Command::CreateHold(_)
        | Command::CaptureHold(_)
        | Command::ReleaseHold(_)
        | Command::ExtendHold(..)
        | Command::ReverseSpend(_) => request,
    }
}

fn written(request: &Request, decision: &Decision) -> Written {
    let wallet = decision.settings.as_ref().map(|settings| WalletView {
        asset: settings.name.asset.to_string(),
        scale: i32::from(settings.scale.places()),
        policy: view::policy(settings.drawdown_policy).to_owned(),
        overdraft_limit: settings.overdraft_limit.to_string(),
        created: matches!(request.command, Command::CreateWallet(_)).then_some(decision.writes),
        etag: settings.version.to_string(),
    });
    Written {
        replayed: false,
        transaction_id: None,
        entries: decision.own_entries().iter().map(view::entry).collect(),
        balances: wallet.is_none().then(|| view::holdings(&decision.head.balances)),
        grant: match request.command {
            Command::Grant(_) => decision.made_grants().next().map(view::grant),
            Command::CreateWallet(_)
            | Command::UpdateWallet(_)
            | Command::Spend(_)
            | Command::VoidGrant(_)
            | Command::ExpireGrant(_)
            | Command::CreateHold(_)
            | Command::CaptureHold(_)
            | Command::ReleaseHold(_)
            | Command::ExtendHold(..)
            | Command::ReverseSpend(_) => None,
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
            | Command::Spend(_)
            | Command::VoidGrant(_)
            | Command::ExpireGrant(_)
            | Command::CreateHold(_)
            | Command::CaptureHold(_)
            | Command::ReleaseHold(_)
            | Command::ExtendHold(..) => Vec::new(),
        },
    }
}

/// The reason that a caller is given, with its figures: `error_reason.proto`.
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
        Rejection::OverdraftLimitTooPrecise { .. } => Refusal::field("overdraft_limit"),
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
