//! Running a scenario file by a driver.

use std::{
    collections::{HashMap, HashSet},
    fmt::{Debug, Display},
    path::Path,
};

use purse_domain::Timestamp;
use thiserror::Error;
use toml::Spanned;

use crate::{
    answer::{GrantView, Holdings, Refusal, WalletView, Written},
    audit::{audit, audit_events},
    billing::{ApplicationView, EventStep, NewEvent, NewRule, RuleStep},
    driver::{
        AsOf, Change, Driver, Limit, Notices, PackAsked, PriceAsked, TopUpAsked, WalletRef, Write,
    },
    expiry::{CalculateStep, ExpiryView},
    instant::{Span, render},
    line,
    scenario::{Scenario, ScenarioError},
    sold,
    step::{
        Action, BalanceStep, CaptureAction, Common, CreateAction, DeclineTopUpAction, EstimateStep,
        ExtendAction, GrantAction, HoldsStep, LimitAction, LimitsStep, NoTopUpAction, PackStep,
        PriceStep, PurchaseAction, ReleaseAction, ReverseAction, StatusAction, Step, SweepStep,
        TopUpAction, TransferAction, UnlimitAction, UnpriceStep, UpdateAction, WithdrawStep,
        WriteStep,
    },
};

/// Why a file does not pass.
#[derive(Debug, Error)]
pub enum RunError {
    /// The file is no scenario.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// A step answers something else than the file says.
    #[error("line {line}: {what}")]
    Step {
        /// Where the step begins.
        line: usize,
        /// What differs.
        what: String,
    },
    /// What must hold of every wallet does not hold at the end.
    #[error("at the end: {what}")]
    Audit {
        /// What is wrong.
        what: String,
    },
}

/// Runs a scenario file. Files that share a server run one after another, because its clock is one for all.
pub async fn run_file(path: &Path, driver: &mut impl Driver) -> Result<(), RunError> {
    let scenario = Scenario::read(path)?;
    let file = &scenario.file;
    let mut run = Run::new(&scenario, driver);
    if let Err(what) = run.begin().await {
        return Err(RunError::Step { line: 1, what });
    }
    for step in &file.steps {
        if let Err(what) = run.step(step).await {
            return Err(RunError::Step { line: scenario.line_of(step), what });
        }
    }
    run.end().await.map_err(|what| RunError::Audit { what })
}

struct Run<'a, D> {
    scenario: &'a Scenario,
    driver: &'a mut D,
    now: Timestamp,
    writes: usize,
    wallets: HashSet<WalletRef>,
    first_answers: HashMap<(String, String), Written>,
    etags: Vec<String>,
    tokens: HashMap<String, String>,
}

impl<'a, D: Driver> Run<'a, D> {
    fn new(scenario: &'a Scenario, driver: &'a mut D) -> Self {
        Self {
            scenario,
            driver,
            now: scenario.file.start.0,
            writes: 0,
            wallets: HashSet::new(),
            first_answers: HashMap::new(),
            etags: Vec::new(),
            tokens: HashMap::new(),
        }
    }

    async fn begin(&mut self) -> Result<(), String> {
        let file = &self.scenario.file;
        self.driver.set_time(self.now).await.map_err(|refusal| shown(&refusal))?;
        if !file.opened {
            return Ok(());
        }
        let create = CreateAction {
            create: self.scenario.wallet().asset,
            scale: file.scale,
            policy: file.policy.clone(),
            overdraft_limit: file.overdraft_limit.clone(),
            low_balance_thresholds: file.low_balance_thresholds.clone(),
            expiring_soon_leads: file.expiring_soon_leads.clone(),
            code: None,
            has_scale: file.scale,
            created: Some(true),
        };
        self.write(&WriteStep { action: Action::Create(create), common: Common::default() }).await
    }

    async fn step(&mut self, step: &Spanned<Step>) -> Result<(), String> {
        match step.get_ref() {
            Step::Time(step) => self.set_time(step.time.0).await,
            Step::Advance(step) => self.set_time(self.now.plus_micros(step.advance.micros)).await,
            Step::Write(step) => self.write(step).await,
            Step::Balance(step) => self.balance(step).await,
            Step::Holds(step) => self.holds(step).await,
            Step::Limits(step) => self.limits(step).await,
            Step::Price(step) => self.price(step).await,
            Step::Unprice(UnpriceStep { unprice, asset, error }) => {
                let asset = self.wallet(None, asset.as_deref()).asset;
                let answer = self.driver.set_price(&asset, unprice, None).await;
                outcome(answer, error.as_deref(), None).map(|_| ())
            }
            Step::Pack(step) => self.pack(step).await,
            Step::Withdraw(WithdrawStep { withdraw, asset, error }) => {
                let asset = self.wallet(None, asset.as_deref()).asset;
                let answer = self.driver.set_pack(&asset, withdraw, None).await;
                outcome(answer, error.as_deref(), None).map(|_| ())
            }
            Step::Estimate(step) => self.estimate(step).await,
            Step::Sweep(step) => self.sweep(step).await,
            Step::Events(step) => {
                let wallet = self.wallet(step.account.as_deref(), step.asset.as_deref());
                let events =
                    self.driver.events(&wallet).await.map_err(|refusal| shown(&refusal))?;
                lines(&step.events, &events.iter().map(line::event).collect::<Vec<_>>())
            }
            Step::Entries(step) => {
                let wallet = self.wallet(step.account.as_deref(), step.asset.as_deref());
                let entries =
                    self.driver.entries(&wallet).await.map_err(|refusal| shown(&refusal))?;
                lines(&step.entries, &entries.iter().map(line::entry).collect::<Vec<_>>())
            }
            Step::Rule(rule) => self.rule(rule).await,
            Step::Calculate(step) => self.calculate(step).await,
            Step::Event(event) => self.event(event).await,
            Step::Applications(step) => {
                let account = self.scenario.wallet().account;
                let found = self.driver.applications(&account, step.until.0).await;
                let found = found.map_err(|refusal| shown(&refusal))?;
                let found: Vec<String> = found.iter().map(ApplicationView::line).collect();
                lines(&step.applications, &found)
            }
            Step::Grants(step) => {
                let wallet = self.wallet(step.account.as_deref(), step.asset.as_deref());
                let grants =
                    self.driver.grants(&wallet).await.map_err(|refusal| shown(&refusal))?;
                lines(&step.grants, &grants.iter().map(line::grant).collect::<Vec<_>>())
            }
        }
    }

    /// A plan of this file.
    fn plan(&self, plan: &str) -> String {
        format!("{}/{plan}", self.scenario.name)
    }

    async fn rule(&mut self, step: &RuleStep) -> Result<(), String> {
        let RuleStep { subscription, settings, error, field, .. } = step;
        let of_file = |id: &String| if id.is_empty() { String::new() } else { self.plan(id) };
        let rule = NewRule {
            plan: self.plan(&step.rule),
            subscription: subscription.as_ref().map(of_file),
            asset: self.scenario.wallet().asset,
            step: step.clone(),
        };
        let answer = self.driver.rule(&rule).await;
        match (outcome(answer, error.as_deref(), field.as_ref())?, settings) {
            (Some(answered), Some(settings)) => same("settings", &answered, settings),
            (Some(_) | None, Some(_) | None) => Ok(()),
        }
    }

    async fn calculate(&mut self, step: &CalculateStep) -> Result<(), String> {
        let answer = self.driver.calculate(step).await;
        let answered = outcome(answer, step.error.as_deref(), step.field.as_ref())?;
        let Some(ExpiryView { expires_at, is_expired, next_expires_at }) = answered else {
            return Ok(());
        };
        same("expires_at", &expires_at, &step.expires_at.map(|at| at.0))?;
        same("expired", &is_expired, &step.expired.unwrap_or(is_expired))?;
        same("next", &next_expires_at, &step.next.map_or(next_expires_at, |at| Some(at.0)))
    }

    async fn event(&mut self, step: &EventStep) -> Result<(), String> {
        let told = NewEvent {
            account: self.scenario.wallet().account,
            plan: self.plan(&step.plan),
            started_at: step.started.unwrap_or(self.scenario.file.start).0,
            step: step.clone(),
        };
        let outcome = match self.driver.event(&told).await {
            Ok(outcome) => outcome,
            Err(refusal) => refusal.reason,
        };
        same("the outcome", &outcome, &step.outcome)
    }

    async fn price(&mut self, step: &PriceStep) -> Result<(), String> {
        let PriceStep { price, asset, parts, rounding, step, minimum, maximum, error, field } =
            step;
        let asset = self.wallet(None, asset.as_deref()).asset;
        let asked = PriceAsked {
            parts: parts.iter().map(|part| sold::part(part)).collect::<Result<_, _>>()?,
            rounding: rounding.clone(),
            step: step.clone(),
            minimum: minimum.clone(),
            maximum: maximum.clone(),
        };
        let answer = self.driver.set_price(&asset, price, Some(&asked)).await;
        outcome(answer, error.as_deref(), field.as_ref()).map(|_| ())
    }

    async fn pack(&mut self, step: &PackStep) -> Result<(), String> {
        let PackStep {
            pack,
            asset,
            credits,
            price,
            valid_for,
            bonus,
            bonus_valid_for,
            error,
            field,
        } = step;
        let asset = self.wallet(None, asset.as_deref()).asset;
        let micros = |span: &Option<Span>| span.as_ref().map(|span| span.micros);
        let asked = PackAsked {
            credits: credits.clone(),
            price: price.as_deref().map(sold::money).transpose()?,
            valid_for: micros(valid_for),
            slabs: bonus.iter().map(|slab| sold::slab(slab)).collect::<Result<_, _>>()?,
            bonus_valid_for: micros(bonus_valid_for),
        };
        let answer = self.driver.set_pack(&asset, pack, Some(&asked)).await;
        outcome(answer, error.as_deref(), field.as_ref()).map(|_| ())
    }

    async fn estimate(&mut self, step: &EstimateStep) -> Result<(), String> {
        let EstimateStep { estimate, asset, quantities, cost, error, field } = step;
        let asset = self.wallet(None, asset.as_deref()).asset;
        let answer = self.driver.estimate(&asset, estimate, quantities).await;
        match (outcome(answer, error.as_deref(), field.as_ref())?, cost) {
            (Some(answered), Some(cost)) => same("the cost", &answered, cost),
            (Some(_) | None, Some(_) | None) => Ok(()),
        }
    }

    async fn holds(&mut self, step: &HoldsStep) -> Result<(), String> {
        let wallet = self.wallet(step.account.as_deref(), step.asset.as_deref());
        let holds = self.driver.holds(&wallet).await.map_err(|refusal| shown(&refusal))?;
        lines(&step.holds, &holds.iter().map(line::hold).collect::<Vec<_>>())
    }

    async fn sweep(&mut self, step: &SweepStep) -> Result<(), String> {
        let SweepStep { account, asset, sweep } = step;
        let wallet = self.wallet(account.as_deref(), asset.as_deref());
        let booked = self.driver.sweep(&wallet).await.map_err(|refusal| shown(&refusal))?;
        same("the number of entries", &booked, sweep)?;
        let again = self.driver.sweep(&wallet).await.map_err(|refusal| shown(&refusal))?;
        same("the number of entries of a second time", &again, &0)
    }

    async fn limits(&mut self, step: &LimitsStep) -> Result<(), String> {
        let LimitsStep { account, asset, by, operation, limits } = step;
        let wallet = self.wallet(account.as_deref(), asset.as_deref());
        let answered = self.driver.limits(&wallet, by, operation).await;
        let answered = answered.map_err(|refusal| shown(&refusal))?;
        lines(limits, &answered.iter().map(line::limit).collect::<Vec<_>>())
    }

    async fn set_time(&mut self, now: Timestamp) -> Result<(), String> {
        if now < self.now {
            return Err(format!(
                "time runs backwards, from {} to {}",
                render(self.now),
                render(now)
            ));
        }
        self.now = now;
        self.driver.set_time(now).await.map_err(|refusal| shown(&refusal))
    }

    async fn write(&mut self, step: &WriteStep) -> Result<(), String> {
        let WriteStep { action, common } = step;
        let write = self.ask(action, common)?;
        self.wallets.insert(write.wallet.clone());
        if let Change::Transfer { to, .. } = &write.change {
            self.wallets.insert(to.clone());
        }
        let before = self.driver.entries(&write.wallet).await;
        let answer = self.driver.write(&write).await;
        let leaves_no_trace = answer.is_err() || write.validate_only || common.replayed;
        if leaves_no_trace && self.driver.entries(&write.wallet).await != before {
            return Err("this must write no entry, and did".to_owned());
        }
        match (answer, &common.error) {
            (Err(refusal), Some(reason)) => refused(&refusal, reason, common),
            (Err(refusal), None) => Err(format!("is refused: {}", shown(&refusal))),
            (Ok(_), Some(reason)) => Err(format!("is accepted, the file says {reason}")),
            (Ok(written), None) => {
                answered(&written, common)?;
                action_answered(action, &written)?;
                self.remember(&write, written)
            }
        }
    }

    #[expect(clippy::too_many_lines, reason = "one table, an arm for each action")]
    fn ask(&mut self, action: &Action, common: &Common) -> Result<Write, String> {
        self.writes += 1;
        let mut key = common.key.clone().unwrap_or_else(|| format!("write {}", self.writes));
        let mut wallet = self.wallet(common.account.as_deref(), common.asset.as_deref());
        let at = |instant: Option<crate::instant::Instant>| instant.map(|instant| instant.0);
        let change = match action {
            Action::Create(create) => {
                wallet.asset.clone_from(&create.create);
                Change::Create {
                    scale: create.scale,
                    policy: create.policy.clone(),
                    overdraft_limit: create.overdraft_limit.clone(),
                    notices: notices(
                        create.low_balance_thresholds.as_ref(),
                        create.expiring_soon_leads.as_ref(),
                    ),
                }
            }
            Action::Update(update) => self.update(update)?,
            Action::Grant(grant) => Change::Grant {
                amount: grant.grant.clone(),
                effective_at: at(grant.effective_at),
                expires_at: at(grant.expires_at),
                priority: grant.priority,
                category: grant.category.clone(),
                cost_basis: grant.cost_basis.clone(),
                applies_to: grant.applies_to.clone(),
                funding_ref: grant.funding_ref.clone(),
            },
            Action::Spend(spend) => Change::Spend {
                amount: spend.spend.clone(),
                operation: spend.operation.clone(),
                occurred_at: at(spend.occurred_at),
                quantities: spend.quantities.clone(),
            },
            Action::Void(void) => Change::Void { grant: void.void },
            Action::Expire(expire) => Change::Expire { grant: expire.expire },
            Action::Revoke(revoke) => Change::Revoke {
                funding_ref: revoke.revoke.clone(),
                cumulative_amount: revoke.cumulative.clone(),
            },
            Action::ChangeExpiry(change) => Change::ChangeExpiry {
                grant: change.change_expiry,
                expires_at: at(change.expires_at),
                never: change.never,
            },
            Action::Hold(hold) => Change::Hold {
                amount: hold.hold.clone(),
                operation: hold.operation.clone(),
                expires_at: hold.until.0,
                quantities: hold.quantities.clone(),
            },
            Action::Capture(capture) => Change::Capture {
                hold: capture.of,
                amount: capture.capture.clone(),
                excess: capture.excess.clone(),
                is_final: capture.r#final,
            },
            Action::Release(release) => {
                Change::Release { hold: release.release, amount: release.amount.clone() }
            }
            Action::Extend(extend) => {
                Change::Extend { hold: extend.extend, expires_at: extend.until.0 }
            }
            Action::TopUp(TopUpAction { top_up, below, most, rolling, per }) => {
                Change::SetTopUp(TopUpAsked {
                    amount: top_up.clone(),
                    threshold: below.clone(),
                    most: *most,
                    rolling_micros: rolling.as_ref().map(|span| span.micros),
                    per: per.clone(),
                })
            }
            Action::NoTopUp(NoTopUpAction { no_top_up: _ }) => Change::DeleteTopUp,
            Action::DeclineTopUp(DeclineTopUpAction { decline_top_up }) => {
                Change::DeclineTopUp { reference: decline_top_up.clone() }
            }
            Action::Purchase(PurchaseAction { purchase, payment, quantity, received: _ }) => {
                // The service makes it, and no caller can.
                key = format!(" payment {payment}");
                let (pack, payment) = (purchase.clone(), payment.clone());
                Change::Purchase { pack, payment, quantity: *quantity }
            }
            Action::Limit(action) => Change::Limit(limit(action)),
            Action::Unlimit(UnlimitAction { unlimit }) => Change::Unlimit { name: unlimit.clone() },
            Action::Status(status) => of_status(status),
            Action::Transfer(transfer) => Change::Transfer {
                to: self.wallet(
                    Some(&transfer.to),
                    transfer.to_asset.as_deref().or(Some(&wallet.asset)),
                ),
                amount: transfer.transfer.clone(),
                expiration_policy: transfer.expiration_policy.clone(),
                expires_at: at(transfer.expires_at),
            },
            Action::Reverse(ReverseAction {
                reverse,
                amount,
                expired_policy,
                grace,
                slices: _,
            }) => Change::Reverse {
                transaction: self.transaction(&wallet, reverse)?,
                amount: amount.clone(),
                expired_policy: expired_policy.clone(),
                grace_micros: grace.as_ref().map(|grace| grace.micros),
            },
        };
        let previewed = |key: &String| self.tokens.get(key).unwrap_or(key).clone();
        let commit_token = common.commit.as_ref().map(previewed).unwrap_or_default();
        let (actor, validate_only) = (common.actor.clone(), common.validate_only);
        Ok(Write { wallet, key, actor, validate_only, commit_token, change })
    }

    fn update(&self, update: &UpdateAction) -> Result<Change, String> {
        let seen = |version: usize| {
            let etag = version.checked_sub(1).and_then(|index| self.etags.get(index));
            etag.cloned().ok_or_else(|| format!("no version {version} was seen"))
        };
        let etag = update.if_version.map_or(Ok(String::new()), seen)?;
        let (policy, overdraft_limit) = (update.update.clone(), update.overdraft_limit.clone());
        let notices =
            notices(update.low_balance_thresholds.as_ref(), update.expiring_soon_leads.as_ref());
        Ok(Change::Update { policy, overdraft_limit, notices, etag })
    }

    /// The transaction of a key that this file used, or what is meant to be one.
    fn transaction(&self, wallet: &WalletRef, key: &str) -> Result<String, String> {
        match self.first_answers.get(&(wallet.account.clone(), key.to_owned())) {
            None => Ok(key.to_owned()),
            Some(first) => first.transaction_id.clone().ok_or_else(|| format!("{key} has none")),
        }
    }

    /// The file's own wallet, or the one that a step names.
    fn wallet(&self, account: Option<&str>, asset: Option<&str>) -> WalletRef {
        let own = self.scenario.wallet();
        let account = match account {
            None => own.account,
            // A prefix would make it a name.
            Some("") => String::new(),
            Some(account) => format!("{}:{account}", own.account),
        };
        WalletRef { account, asset: asset.map_or(own.asset, str::to_owned) }
    }

    /// Keeps the first answer to a key, and compares later ones with it.
    fn remember(&mut self, write: &Write, written: Written) -> Result<(), String> {
        let key = (write.wallet.account.clone(), write.key.clone());
        if written.replayed {
            let replay = Written { replayed: false, ..written };
            return match self.first_answers.get(&key) {
                Some(first) => same("the replayed answer", &replay, first),
                None => Err("is a replay of an answer that this file did not see".to_owned()),
            };
        }
        if write.validate_only {
            let token = written.commit_token.map(|token| (write.key.clone(), token));
            self.tokens.extend(token);
            return Ok(());
        }
        if let Some(WalletView { etag, .. }) = &written.wallet
            && self.etags.last() != Some(etag)
        {
            self.etags.push(etag.clone());
        }
        self.first_answers.insert(key, written);
        Ok(())
    }

    async fn balance(&mut self, step: &BalanceStep) -> Result<(), String> {
        let BalanceStep {
            account,
            asset,
            at,
            known_at,
            balance,
            available,
            held,
            debt,
            scheduled,
            error,
        } = step;
        let wallet = self.wallet(account.as_deref(), asset.as_deref());
        let [at, known_at] = [at, known_at].map(|instant| instant.map(|instant| instant.0));
        let holdings = match (self.driver.balance(&wallet, AsOf { at, known_at }).await, error) {
            (Err(refusal), Some(reason)) => return refused(&refusal, reason, &Common::default()),
            (Err(refusal), None) => return Err(format!("is refused: {}", shown(&refusal))),
            (Ok(_), Some(reason)) => return Err(format!("is answered, the file says {reason}")),
            (Ok(holdings), None) => holdings,
        };
        for (what, answered, expected) in [
            ("balance", &holdings.balance, balance),
            ("available", &holdings.available, available),
            ("held", &holdings.held, held),
            ("debt", &holdings.debt, debt),
            ("scheduled", &holdings.scheduled, scheduled),
        ] {
            if let Some(expected) = expected {
                same(what, answered, expected)?;
            }
        }
        Ok(())
    }

    async fn end(&mut self) -> Result<(), String> {
        let wallets = std::mem::take(&mut self.wallets);
        for wallet in &wallets {
            // Steps may be about wallets that there never was.
            let Ok(holdings) = self.driver.balance(wallet, AsOf::default()).await else { continue };
            let entries = self.driver.entries(wallet).await.map_err(|refusal| shown(&refusal))?;
            let grants = self.driver.grants(wallet).await.map_err(|refusal| shown(&refusal))?;
            let holds = self.driver.holds(wallet).await.map_err(|refusal| shown(&refusal))?;
            let events = self.driver.events(wallet).await.map_err(|refusal| shown(&refusal))?;
            audit(&entries, &grants, &holds, &holdings)?;
            audit_events(&events)?;
            self.driver.verify(wallet).await?;
        }
        Ok(())
    }
}

fn limit(action: &LimitAction) -> Limit {
    let LimitAction {
        limit,
        amount,
        by,
        each_actor,
        operation,
        each_operation,
        rolling,
        per,
        zone,
    } = action;
    Limit {
        name: limit.clone(),
        amount: amount.clone(),
        by: by.clone(),
        each_actor: *each_actor,
        operation: operation.clone(),
        each_operation: *each_operation,
        rolling_micros: rolling.as_ref().map(|span| span.micros),
        per: per.clone(),
        zone: zone.clone(),
    }
}

fn notices(thresholds: Option<&Vec<String>>, leads: Option<&Vec<Span>>) -> Notices {
    let micros = |leads: &Vec<Span>| leads.iter().map(|lead| lead.micros).collect();
    Notices { thresholds: thresholds.cloned(), lead_micros: leads.map(micros) }
}

fn of_status(StatusAction { status, rest }: &StatusAction) -> Change {
    match status.as_str() {
        "FROZEN" => Change::Freeze,
        "ACTIVE" => Change::Unfreeze,
        _ => Change::Close { rest: rest.clone() },
    }
}

/// The answer, if the file expects one, or nothing if it expects this refusal.
fn outcome<T>(
    answer: Result<T, Refusal>,
    error: Option<&str>,
    field: Option<&String>,
) -> Result<Option<T>, String> {
    match (answer, error) {
        (Err(refusal), Some(reason)) => {
            let common = Common { field: field.cloned(), ..Common::default() };
            refused(&refusal, reason, &common).map(|()| None)
        }
        (Err(refusal), None) => Err(format!("is refused: {}", shown(&refusal))),
        (Ok(_), Some(reason)) => Err(format!("is accepted, the file says {reason}")),
        (Ok(answer), None) => Ok(Some(answer)),
    }
}

fn refused(refusal: &Refusal, reason: &str, common: &Common) -> Result<(), String> {
    same("the reason", refusal.reason.as_str(), reason)?;
    for (key, expected) in &common.metadata {
        let answered = refusal.metadata.get(key).map_or("absent", String::as_str);
        same(format!("metadata.{key}"), answered, expected)?;
    }
    if let Some(field) = &common.field {
        let named = refusal.fields.iter().map(String::as_str).collect::<Vec<_>>();
        same("the field", named.as_slice(), [field.as_str()].as_slice())?;
        let first = refusal.metadata.get("field").map_or("absent", String::as_str);
        same("metadata.field", first, field)?;
    }
    Ok(())
}

fn answered(written: &Written, common: &Common) -> Result<(), String> {
    same("replayed", &written.replayed, &common.replayed)?;
    if let Some(expected) = &common.balance {
        let answered =
            written.balances.as_ref().map_or("absent", |Holdings { balance, .. }| balance);
        same("the balance after it", answered, expected)?;
    }
    if let Some(expected) = &common.allocations {
        let last = written.entries.last().map(|entry| line::allocations(&entry.allocations));
        lines(expected, &last.unwrap_or_default())?;
    }
    Ok(())
}

fn action_answered(action: &Action, written: &Written) -> Result<(), String> {
    match action {
        Action::Create(CreateAction { code, has_scale, created, .. }) => {
            let wallet = written.wallet.as_ref().ok_or("answers no wallet")?;
            if let Some(code) = code {
                same("the asset", &wallet.asset, code)?;
            }
            if let Some(scale) = has_scale {
                same("the scale", &wallet.scale, scale)?;
            }
            created.map_or(Ok(()), |created| same("created", &wallet.created, &Some(created)))
        }
        Action::Update(update) => {
            let wallet = written.wallet.as_ref().ok_or("answers no wallet")?;
            for (what, answered, asked) in [
                ("the policy", &wallet.policy, &update.update),
                ("the overdraft limit", &wallet.overdraft_limit, &update.overdraft_limit),
            ] {
                if !asked.is_empty() {
                    same(what, answered, asked)?;
                }
            }
            if let Some(thresholds) = &update.low_balance_thresholds {
                same("the thresholds", &wallet.low_balance_thresholds, thresholds)?;
            }
            match &update.expiring_soon_leads {
                None => Ok(()),
                Some(leads) => {
                    let leads: Vec<i64> = leads.iter().map(|lead| lead.micros).collect();
                    same("the leads", &wallet.expiring_soon_lead_micros, &leads)
                }
            }
        }
        Action::Status(StatusAction { status, .. }) => {
            let wallet = written.wallet.as_ref().ok_or("answers no wallet")?;
            same("the status", &wallet.status, status)
        }
        Action::Grant(grant) => grant_answered(grant, written.grant.as_ref()),
        Action::Hold(asked) => {
            let hold = written.hold.as_ref().ok_or("answers no hold")?;
            same("the deadline", &hold.expires_at, &asked.until.0)?;
            asked.number.map_or(Ok(()), |number| same("the hold's number", &hold.number, &number))
        }
        Action::Capture(CaptureAction { of, .. })
        | Action::Release(ReleaseAction { release: of, .. })
        | Action::Extend(ExtendAction { extend: of, .. }) => {
            let hold = written.hold.as_ref().ok_or("answers no hold")?;
            same("the hold's number", &hold.number, of)
        }
        Action::Reverse(ReverseAction { slices: Some(slices), .. }) => {
            lines(slices, &written.slices.iter().map(line::slice).collect::<Vec<_>>())
        }
        Action::Limit(_)
        | Action::Unlimit(_)
        | Action::TopUp(_)
        | Action::NoTopUp(_)
        | Action::DeclineTopUp(_) => {
            written.wallet.as_ref().map(|_| ()).ok_or_else(|| "answers no wallet".to_owned())
        }
        Action::Transfer(TransferAction { received: Some(received), .. })
        | Action::Purchase(PurchaseAction { received: Some(received), .. }) => {
            lines(received, &written.received.iter().map(line::received).collect::<Vec<_>>())
        }
        Action::Reverse(ReverseAction { slices: None, .. })
        | Action::Transfer(TransferAction { received: None, .. })
        | Action::Purchase(PurchaseAction { received: None, .. })
        | Action::Spend(_)
        | Action::Void(_)
        | Action::Expire(_)
        | Action::Revoke(_)
        | Action::ChangeExpiry(_) => Ok(()),
    }
}

fn grant_answered(asked: &GrantAction, answered: Option<&GrantView>) -> Result<(), String> {
    let grant = answered.ok_or("answers no grant")?;
    if let Some(number) = asked.number {
        same("the grant's number", &grant.number, &number)?;
    }
    if let Some(effective_at) = asked.effective_at {
        same("effective_at", &grant.effective_at, &effective_at.0)?;
    }
    same("funding_ref", &grant.funding_ref, &asked.funding_ref)?;
    same("expires_at", &grant.expires_at, &asked.expires_at.map(|instant| instant.0))
}

fn lines(expected: &[String], answered: &[String]) -> Result<(), String> {
    if answered == expected {
        return Ok(());
    }
    let show = |lines: &[String]| lines.join("\n    ");
    Err(format!("is\n    {}\n  the file says\n    {}", show(answered), show(expected)))
}

fn same<T: Debug + PartialEq + ?Sized>(
    what: impl Display,
    answered: &T,
    expected: &T,
) -> Result<(), String> {
    if answered == expected {
        Ok(())
    } else {
        Err(format!("{what} is {answered:?}, the file says {expected:?}"))
    }
}

fn shown(refusal: &Refusal) -> String {
    let Refusal { reason, metadata, fields } = refusal;
    format!("{reason} {metadata:?} {fields:?}")
}
