//! Plays Purse with a server.
//!
//! It must add nothing of its own: what a scenario asks goes out as it is, and answers come back as they are. It
//! sets the server's clock, so one scenario at a time runs on one server.

use std::collections::{BTreeMap, BTreeSet};

use purse_domain::Timestamp;
use purse_proto::{
    testing::v1::{SetTimeRequest, test_clock_service_client::TestClockServiceClient},
    v1::{
        Balance, CaptureHoldRequest, ChangeGrantExpiryRequest, CloseWalletRequest,
        CreateHoldRequest, CreateWalletRequest, DeclineTopUpRequest, DeleteOperationRequest,
        DeletePackRequest, DeleteSpendLimitRequest, DeleteTopUpRuleRequest, EstimateCostRequest,
        Event, ExpireGrantRequest, ExtendHoldRequest, FreezeWalletRequest, GetBalanceRequest,
        GrantRequest, Hold, ListEntriesRequest, ListEventsRequest, ListGrantsRequest,
        ListHoldsRequest, ListSpendLimitsRequest, PurchasePackRequest, ReleaseHoldRequest,
        ReverseSpendRequest, RevokeFundingRequest, SetOperationRequest, SetPackRequest,
        SetSpendLimitRequest, SetTopUpRuleRequest, SpendLimit, SpendRequest, SweepWalletsRequest,
        TopUpRule, Transaction, TransferRequest, UnfreezeWalletRequest, UpdateWalletRequest,
        VerifyWalletRequest, VerifyWalletResponse, VoidGrantRequest, Wallet, WatchEventsRequest,
        catalog_service_client::CatalogServiceClient, event_service_client::EventServiceClient,
        grant_service_client::GrantServiceClient,
        subscription_service_client::SubscriptionServiceClient,
        wallet_service_client::WalletServiceClient,
    },
};
use tonic::{Request, metadata::AsciiMetadataValue, transport::Channel};

use crate::{
    answer::{EntryView, EventView, GrantView, HoldView, Holdings, LimitView, Refusal, Written},
    billing::{ApplicationView, NewEvent, NewRule},
    driver::{AsOf, Change, Driver, Notices, PackAsked, PriceAsked, WalletRef, Write},
    expiry::{CalculateStep, Expires, ExpiryView},
};

mod billing;
mod expiry;
mod refusal;
mod view;

/// Few per page, so that scenarios read more than one.
const PAGE_SIZE: i32 = 3;

/// A Purse at the other end of a channel.
#[derive(Debug, Clone)]
pub struct GrpcDriver {
    wallets: WalletServiceClient<Channel>,
    grants: GrantServiceClient<Channel>,
    events: EventServiceClient<Channel>,
    catalog: CatalogServiceClient<Channel>,
    subscriptions: SubscriptionServiceClient<Channel>,
    clock: TestClockServiceClient<Channel>,
    authorization: Option<AsciiMetadataValue>,
    /// The accounts of which events were told.
    subscribers: BTreeSet<String>,
}

/// Sends a write's message with what every write has, and gives the answer or the refusal.
macro_rules! ask {
    ($driver:ident.$service:ident.$method:ident($request:ident $(, $commit_token:ident)?), $write:expr, $message:expr) => {{
        let Asked { account, asset, idempotency_key, actor, validate_only } = Asked::of($write);
        let message = $request {
            account,
            asset,
            idempotency_key,
            actor,
            validate_only,
            $($commit_token: $write.commit_token.clone(),)?
            ..$message
        };
        let request = $driver.request(message);
        $driver.$service.$method(request).await.map_err(refusal::of)?.into_inner()
    }};
}

impl GrpcDriver {
    /// A server that has a test clock and lets everybody in.
    pub fn new(channel: Channel) -> Self {
        Self {
            wallets: WalletServiceClient::new(channel.clone()),
            grants: GrantServiceClient::new(channel.clone()),
            events: EventServiceClient::new(channel.clone()),
            catalog: CatalogServiceClient::new(channel.clone()),
            subscriptions: SubscriptionServiceClient::new(channel.clone()),
            clock: TestClockServiceClient::new(channel),
            authorization: None,
            subscribers: BTreeSet::new(),
        }
    }

    /// The same for a server that wants a header, such as `Bearer TOKEN`.
    #[must_use]
    pub fn with_authorization(self, authorization: AsciiMetadataValue) -> Self {
        Self { authorization: Some(authorization), ..self }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(authorization) = &self.authorization {
            request.metadata_mut().insert("authorization", authorization.clone());
        }
        request
    }

    async fn create(
        &mut self,
        write: &Write,
        scale: Option<i32>,
        policy: &str,
        overdraft_limit: String,
        notices: Notices,
    ) -> Result<Written, Refusal> {
        let Asked { account, asset, idempotency_key, actor, validate_only } = Asked::of(write);
        let request = self.request(CreateWalletRequest {
            account,
            asset,
            scale,
            drawdown_policy: view::policy_number(policy),
            overdraft_limit,
            low_balance_thresholds: notices.thresholds.unwrap_or_default(),
            expiring_soon_leads: durations(notices.lead_micros),
            idempotency_key,
            actor,
            validate_only,
            ..Default::default()
        });
        let answer = self.wallets.create_wallet(request).await.map_err(refusal::of)?.into_inner();
        let wallet = answer.wallet.unwrap_or_default();
        Ok(view::of_settings(&wallet, Some(answer.created), answer.replayed))
    }

    async fn update(
        &mut self,
        write: &Write,
        policy: &str,
        overdraft_limit: String,
        notices: Notices,
        etag: &str,
    ) -> Result<Written, Refusal> {
        let asked = [("drawdown_policy", policy), ("overdraft_limit", &overdraft_limit)];
        let asked = asked.into_iter().filter(|(_, value)| !value.is_empty());
        let Notices { thresholds, lead_micros } = notices;
        let paths = asked.map(|(path, _)| path.to_owned());
        let paths = paths
            .chain(thresholds.as_ref().map(|_| "low_balance_thresholds".to_owned()))
            .chain(lead_micros.as_ref().map(|_| "expiring_soon_leads".to_owned()))
            .collect();
        let Asked { account, asset, idempotency_key, actor, validate_only } = Asked::of(write);
        let request = self.request(UpdateWalletRequest {
            account,
            asset,
            wallet: Some(Wallet {
                drawdown_policy: view::policy_number(policy),
                overdraft_limit,
                low_balance_thresholds: thresholds.unwrap_or_default(),
                expiring_soon_leads: durations(lead_micros),
                ..Default::default()
            }),
            update_mask: Some(prost_types::FieldMask { paths }),
            etag: etag.to_owned(),
            idempotency_key,
            actor,
            validate_only,
            ..Default::default()
        });
        let answer = self.wallets.update_wallet(request).await.map_err(refusal::of)?.into_inner();
        Ok(view::of_settings(&answer.wallet.unwrap_or_default(), None, answer.replayed))
    }

    async fn set_limit(&mut self, write: &Write, limit: SpendLimit) -> Result<Written, Refusal> {
        let message = SetSpendLimitRequest { limit: Some(limit), ..Default::default() };
        let answer = ask!(self.wallets.set_spend_limit(SetSpendLimitRequest), write, message);
        Ok(view::of_settings(&answer.wallet.unwrap_or_default(), None, answer.replayed))
    }

    async fn delete_limit(&mut self, write: &Write, name: String) -> Result<Written, Refusal> {
        let message = DeleteSpendLimitRequest { name, ..Default::default() };
        let answer = ask!(self.wallets.delete_spend_limit(DeleteSpendLimitRequest), write, message);
        Ok(view::of_settings(&answer.wallet.unwrap_or_default(), None, answer.replayed))
    }

    async fn grant(&mut self, write: &Write, message: GrantRequest) -> Result<Written, Refusal> {
        let answer = ask!(self.grants.grant(GrantRequest, commit_token), write, message);
        let grant = answer.grant.as_ref().map(view::grant);
        let written = view::of_transaction(answer.transaction, answer.balance, answer.replayed);
        Ok(Written { grant, ..written })
    }

    async fn spend(&mut self, write: &Write, message: SpendRequest) -> Result<Written, Refusal> {
        let answer = ask!(self.wallets.spend(SpendRequest, commit_token), write, message);
        Ok(view::of_transaction(answer.transaction, answer.balance, answer.replayed))
    }

    async fn void(&mut self, write: &Write, grant_number: i32) -> Result<Written, Refusal> {
        let message = VoidGrantRequest { grant_number, ..Default::default() };
        let answer = ask!(self.grants.void_grant(VoidGrantRequest, commit_token), write, message);
        Ok(view::of_transaction(answer.transaction, answer.balance, answer.replayed))
    }

    async fn expire(&mut self, write: &Write, grant_number: i32) -> Result<Written, Refusal> {
        let message = ExpireGrantRequest { grant_number, ..Default::default() };
        let answer =
            ask!(self.grants.expire_grant(ExpireGrantRequest, commit_token), write, message);
        Ok(view::of_transaction(answer.transaction, answer.balance, answer.replayed))
    }

    /// What a watch of a wallet tells until it has told everything.
    async fn watched(&mut self, wallet: &WalletRef) -> Result<Vec<Event>, Refusal> {
        let WalletRef { account, asset } = wallet.clone();
        let message = WatchEventsRequest { account, asset, ..Default::default() };
        let request = self.request(message);
        let answer = self.events.watch_events(request).await.map_err(refusal::of)?;
        let mut messages = answer.into_inner();
        let mut told = Vec::new();
        while let Some(message) = messages.message().await.map_err(refusal::of)? {
            match message.event {
                Some(event) => told.push(event),
                None => break,
            }
        }
        Ok(told)
    }

    async fn create_hold(
        &mut self,
        write: &Write,
        message: CreateHoldRequest,
    ) -> Result<Written, Refusal> {
        let answer =
            ask!(self.wallets.create_hold(CreateHoldRequest, commit_token), write, message);
        Ok(of_hold(answer.hold.as_ref(), answer.transaction, answer.balance, answer.replayed))
    }

    async fn capture_hold(
        &mut self,
        write: &Write,
        message: CaptureHoldRequest,
    ) -> Result<Written, Refusal> {
        let answer =
            ask!(self.wallets.capture_hold(CaptureHoldRequest, commit_token), write, message);
        Ok(of_hold(answer.hold.as_ref(), answer.transaction, answer.balance, answer.replayed))
    }

    async fn release_hold(
        &mut self,
        write: &Write,
        message: ReleaseHoldRequest,
    ) -> Result<Written, Refusal> {
        let answer =
            ask!(self.wallets.release_hold(ReleaseHoldRequest, commit_token), write, message);
        Ok(of_hold(answer.hold.as_ref(), answer.transaction, answer.balance, answer.replayed))
    }

    async fn extend_hold(
        &mut self,
        write: &Write,
        message: ExtendHoldRequest,
    ) -> Result<Written, Refusal> {
        let answer =
            ask!(self.wallets.extend_hold(ExtendHoldRequest, commit_token), write, message);
        Ok(of_hold(answer.hold.as_ref(), answer.transaction, answer.balance, answer.replayed))
    }

    async fn change_expiry(
        &mut self,
        write: &Write,
        grant_number: i32,
        expires_at: Option<Timestamp>,
        never: bool,
    ) -> Result<Written, Refusal> {
        let expires_at = expires_at.map(view::timestamp);
        let message =
            ChangeGrantExpiryRequest { grant_number, expires_at, never, ..Default::default() };
        let answer = ask!(
            self.grants.change_grant_expiry(ChangeGrantExpiryRequest, commit_token),
            write,
            message
        );
        Ok(view::of_transaction(answer.transaction, answer.balance, answer.replayed))
    }

    async fn revoke(
        &mut self,
        write: &Write,
        message: RevokeFundingRequest,
    ) -> Result<Written, Refusal> {
        let answer =
            ask!(self.grants.revoke_funding(RevokeFundingRequest, commit_token), write, message);
        Ok(view::of_transaction(answer.transaction, answer.balance, answer.replayed))
    }

    async fn freeze(&mut self, write: &Write) -> Result<Written, Refusal> {
        let message = FreezeWalletRequest::default();
        let answer = ask!(self.wallets.freeze_wallet(FreezeWalletRequest), write, message);
        Ok(view::of_settings(&answer.wallet.unwrap_or_default(), None, answer.replayed))
    }

    async fn unfreeze(&mut self, write: &Write) -> Result<Written, Refusal> {
        let message = UnfreezeWalletRequest::default();
        let answer = ask!(self.wallets.unfreeze_wallet(UnfreezeWalletRequest), write, message);
        Ok(view::of_settings(&answer.wallet.unwrap_or_default(), None, answer.replayed))
    }

    async fn close(&mut self, write: &Write, rest: &str) -> Result<Written, Refusal> {
        let rest = view::closing_rest_number(rest);
        let message = CloseWalletRequest { rest, ..Default::default() };
        let answer = ask!(self.wallets.close_wallet(CloseWalletRequest), write, message);
        let settings = view::of_settings(&answer.wallet.unwrap_or_default(), None, answer.replayed);
        let moved = view::of_transaction(answer.transaction, None, answer.replayed);
        Ok(Written { entries: moved.entries, ..settings })
    }

    async fn transfer(
        &mut self,
        write: &Write,
        message: TransferRequest,
    ) -> Result<Written, Refusal> {
        let answer = ask!(self.wallets.transfer(TransferRequest, commit_token), write, message);
        let received = answer.grants.iter().map(view::grant).collect();
        let written = view::of_transaction(answer.transaction, answer.balance, answer.replayed);
        Ok(Written { received, ..written })
    }

    async fn set_top_up(&mut self, write: &Write, rule: TopUpRule) -> Result<Written, Refusal> {
        let message = SetTopUpRuleRequest { rule: Some(rule), ..Default::default() };
        let answer = ask!(self.wallets.set_top_up_rule(SetTopUpRuleRequest), write, message);
        Ok(view::of_settings(&answer.wallet.unwrap_or_default(), None, answer.replayed))
    }

    async fn delete_top_up(&mut self, write: &Write) -> Result<Written, Refusal> {
        let message = DeleteTopUpRuleRequest::default();
        let answer = ask!(self.wallets.delete_top_up_rule(DeleteTopUpRuleRequest), write, message);
        Ok(view::of_settings(&answer.wallet.unwrap_or_default(), None, answer.replayed))
    }

    async fn decline_top_up(
        &mut self,
        write: &Write,
        reference: String,
    ) -> Result<Written, Refusal> {
        let message = DeclineTopUpRequest { reference, ..Default::default() };
        let answer = ask!(self.wallets.decline_top_up(DeclineTopUpRequest), write, message);
        Ok(view::of_settings(&answer.wallet.unwrap_or_default(), None, answer.replayed))
    }

    async fn purchase(
        &mut self,
        write: &Write,
        pack: String,
        payment_ref: String,
        quantity: i64,
    ) -> Result<Written, Refusal> {
        let Asked { account, asset, idempotency_key: _, actor, validate_only } = Asked::of(write);
        let request = self.request(PurchasePackRequest {
            account,
            asset,
            pack,
            payment_ref,
            quantity,
            actor,
            validate_only,
            commit_token: write.commit_token.clone(),
            ..Default::default()
        });
        let answer = self.catalog.purchase_pack(request).await.map_err(refusal::of)?.into_inner();
        let received = answer.grants.iter().map(view::grant).collect();
        let written = view::of_transaction(answer.transaction, answer.balance, answer.replayed);
        Ok(Written { received, ..written })
    }

    async fn reverse(
        &mut self,
        write: &Write,
        message: ReverseSpendRequest,
    ) -> Result<Written, Refusal> {
        let answer =
            ask!(self.wallets.reverse_spend(ReverseSpendRequest, commit_token), write, message);
        let slices = answer.slices.into_iter().map(view::slice).collect();
        let written = view::of_transaction(answer.transaction, answer.balance, answer.replayed);
        Ok(Written { slices, ..written })
    }
}

fn durations(micros: Option<Vec<i64>>) -> Vec<prost_types::Duration> {
    micros.unwrap_or_default().into_iter().map(view::duration).collect()
}

/// What every write about a hold answers.
fn of_hold(
    hold: Option<&Hold>,
    transaction: Option<Transaction>,
    balance: Option<Balance>,
    replayed: bool,
) -> Written {
    let hold = hold.map(view::hold);
    Written { hold, ..view::of_transaction(transaction, balance, replayed) }
}

/// The fields that every write has.
struct Asked {
    account: String,
    asset: String,
    idempotency_key: String,
    actor: String,
    validate_only: bool,
}

impl Asked {
    fn of(write: &Write) -> Self {
        let Write { wallet: WalletRef { account, asset }, key, actor, validate_only, .. } = write;
        Self {
            account: account.clone(),
            asset: asset.clone(),
            idempotency_key: key.clone(),
            actor: actor.clone(),
            validate_only: *validate_only,
        }
    }
}

impl Driver for GrpcDriver {
    async fn set_time(&mut self, now: Timestamp) -> Result<(), Refusal> {
        let request = self.request(SetTimeRequest { now: Some(view::timestamp(now)) });
        self.clock.set_time(request).await.map(|_| ()).map_err(refusal::of)?;
        self.reconcile_all().await
    }

    async fn rule(&mut self, rule: &NewRule) -> Result<Expires, Refusal> {
        self.ask_for_rule(rule).await
    }

    async fn calculate(&mut self, question: &CalculateStep) -> Result<ExpiryView, Refusal> {
        self.ask_for_expiry(question).await
    }

    async fn event(&mut self, event: &NewEvent) -> Result<String, Refusal> {
        self.tell(event).await
    }

    async fn applications(
        &mut self,
        account: &str,
        until: Timestamp,
    ) -> Result<Vec<ApplicationView>, Refusal> {
        self.list_applications(account, until).await
    }

    #[expect(clippy::too_many_lines, reason = "one table, an arm for each change")]
    async fn write(&mut self, write: &Write) -> Result<Written, Refusal> {
        match write.change.clone() {
            Change::Create { scale, policy, overdraft_limit, notices } => {
                self.create(write, scale, &policy, overdraft_limit, notices).await
            }
            Change::Update { policy, overdraft_limit, notices, etag } => {
                self.update(write, &policy, overdraft_limit, notices, &etag).await
            }
            Change::Grant {
                amount,
                effective_at,
                expires_at,
                priority,
                category,
                cost_basis,
                applies_to,
                funding_ref,
            } => {
                let message = GrantRequest {
                    amount,
                    effective_at: effective_at.map(view::timestamp),
                    expires_at: expires_at.map(view::timestamp),
                    priority,
                    category,
                    cost_basis,
                    applies_to,
                    funding_ref,
                    ..Default::default()
                };
                self.grant(write, message).await
            }
            Change::Spend { amount, operation, occurred_at, quantities } => {
                let occurred_at = occurred_at.map(view::timestamp);
                let message = SpendRequest {
                    amount,
                    operation,
                    occurred_at,
                    quantities,
                    ..Default::default()
                };
                self.spend(write, message).await
            }
            Change::Hold { amount, operation, expires_at, quantities } => {
                let message = CreateHoldRequest {
                    amount,
                    operation,
                    expires_at: Some(view::timestamp(expires_at)),
                    quantities,
                    ..Default::default()
                };
                self.create_hold(write, message).await
            }
            Change::Capture { hold, amount, excess, is_final } => {
                let message = CaptureHoldRequest {
                    hold_number: hold,
                    amount,
                    excess: view::excess_number(&excess),
                    r#final: is_final,
                    ..Default::default()
                };
                self.capture_hold(write, message).await
            }
            Change::Release { hold: hold_number, amount } => {
                let message = ReleaseHoldRequest { hold_number, amount, ..Default::default() };
                self.release_hold(write, message).await
            }
            Change::Extend { hold: hold_number, expires_at } => {
                let expires_at = Some(view::timestamp(expires_at));
                let message = ExtendHoldRequest { hold_number, expires_at, ..Default::default() };
                self.extend_hold(write, message).await
            }
            Change::Limit(limit) => self.set_limit(write, view::spend_limit(limit)).await,
            Change::Unlimit { name } => self.delete_limit(write, name).await,
            Change::Void { grant } => self.void(write, grant).await,
            Change::Expire { grant } => self.expire(write, grant).await,
            Change::ChangeExpiry { grant, expires_at, never } => {
                self.change_expiry(write, grant, expires_at, never).await
            }
            Change::Revoke { funding_ref, cumulative_amount } => {
                let message =
                    RevokeFundingRequest { funding_ref, cumulative_amount, ..Default::default() };
                self.revoke(write, message).await
            }
            Change::Freeze => self.freeze(write).await,
            Change::Purchase { pack, payment, quantity } => {
                self.purchase(write, pack, payment, quantity).await
            }
            Change::SetTopUp(rule) => self.set_top_up(write, view::top_up_rule(rule)).await,
            Change::DeleteTopUp => self.delete_top_up(write).await,
            Change::DeclineTopUp { reference } => self.decline_top_up(write, reference).await,
            Change::Unfreeze => self.unfreeze(write).await,
            Change::Close { rest } => self.close(write, &rest).await,
            Change::Transfer { to, amount, expiration_policy, expires_at } => {
                let message = TransferRequest {
                    to_account: to.account,
                    to_asset: to.asset,
                    amount,
                    expiration_policy: view::expiration_policy_number(&expiration_policy),
                    expires_at: expires_at.map(view::timestamp),
                    ..Default::default()
                };
                self.transfer(write, message).await
            }
            Change::Reverse { transaction, amount, expired_policy, grace_micros } => {
                let message = ReverseSpendRequest {
                    transaction_id: transaction,
                    amount,
                    expired_policy: view::expired_policy_number(&expired_policy),
                    grace_period: grace_micros.map(view::duration),
                    ..Default::default()
                };
                self.reverse(write, message).await
            }
        }
    }

    async fn balance(&mut self, wallet: &WalletRef, as_of: AsOf) -> Result<Holdings, Refusal> {
        let WalletRef { account, asset } = wallet.clone();
        let [at, known_at] = [as_of.at, as_of.known_at].map(|at| at.map(view::timestamp));
        let request = self.request(GetBalanceRequest { account, asset, at, known_at });
        let answer = self.wallets.get_balance(request).await.map_err(refusal::of)?.into_inner();
        Ok(view::holdings(answer.balance.unwrap_or_default()))
    }

    async fn entries(&mut self, wallet: &WalletRef) -> Result<Vec<EntryView>, Refusal> {
        let WalletRef { account, asset } = wallet.clone();
        let mut message =
            ListEntriesRequest { account, asset, page_size: PAGE_SIZE, ..Default::default() };
        let mut entries = Vec::new();
        loop {
            let request = self.request(message.clone());
            let page = self.wallets.list_entries(request).await.map_err(refusal::of)?.into_inner();
            entries.extend(page.entries.into_iter().map(view::entry));
            if page.next_page_token.is_empty() {
                return Ok(entries);
            }
            message.page_token = page.next_page_token;
        }
    }

    async fn grants(&mut self, wallet: &WalletRef) -> Result<Vec<GrantView>, Refusal> {
        let WalletRef { account, asset } = wallet.clone();
        let mut message =
            ListGrantsRequest { account, asset, page_size: PAGE_SIZE, ..Default::default() };
        let mut grants = Vec::new();
        loop {
            let request = self.request(message.clone());
            let page = self.grants.list_grants(request).await.map_err(refusal::of)?.into_inner();
            grants.extend(page.grants.iter().map(view::grant));
            if page.next_page_token.is_empty() {
                return Ok(grants);
            }
            message.page_token = page.next_page_token;
        }
    }

    async fn events(&mut self, wallet: &WalletRef) -> Result<Vec<EventView>, Refusal> {
        let WalletRef { account, asset } = wallet.clone();
        let mut message =
            ListEventsRequest { account, asset, page_size: PAGE_SIZE, ..Default::default() };
        let mut listed = Vec::new();
        loop {
            let request = self.request(message.clone());
            let page = self.events.list_events(request).await.map_err(refusal::of)?.into_inner();
            listed.extend(page.events);
            if page.next_page_token.is_empty() {
                break;
            }
            message.page_token = page.next_page_token;
        }
        // A watch from the beginning tells the same, up to its first heartbeat.
        let told = self.watched(wallet).await?;
        if told != listed {
            return Err(Refusal::new("WATCHED_OTHERWISE", &[("told", format!("{told:?}"))]));
        }
        Ok(listed.into_iter().map(view::event).collect())
    }

    async fn verify(&mut self, wallet: &WalletRef) -> Result<(), String> {
        let WalletRef { account, asset } = wallet.clone();
        let request = self.request(VerifyWalletRequest { account, asset });
        let answer = self.wallets.verify_wallet(request).await.map_err(|status| status.to_string());
        match answer?.into_inner() {
            VerifyWalletResponse { sound: true, .. } => Ok(()),
            VerifyWalletResponse { problem, .. } => Err(problem),
        }
    }

    async fn sweep(&mut self, wallet: &WalletRef) -> Result<i64, Refusal> {
        let WalletRef { account, asset } = wallet.clone();
        let request = self.request(SweepWalletsRequest { account, asset, max_wallets: 0 });
        let answer = self.wallets.sweep_wallets(request).await.map_err(refusal::of)?;
        Ok(answer.into_inner().entries)
    }

    async fn limits(
        &mut self,
        wallet: &WalletRef,
        actor: &str,
        operation: &str,
    ) -> Result<Vec<LimitView>, Refusal> {
        let WalletRef { account, asset } = wallet.clone();
        let (actor, operation) = (actor.to_owned(), operation.to_owned());
        let request = self.request(ListSpendLimitsRequest { account, asset, actor, operation });
        let answer = self.wallets.list_spend_limits(request).await.map_err(refusal::of)?;
        Ok(answer.into_inner().limits.into_iter().map(view::limit).collect())
    }

    async fn set_price(
        &mut self,
        asset: &str,
        operation: &str,
        price: Option<&PriceAsked>,
    ) -> Result<(), Refusal> {
        let (asset, operation) = (asset.to_owned(), operation.to_owned());
        if price.is_none() {
            let message = DeleteOperationRequest { asset, operation, ..Default::default() };
            let request = self.request(message);
            return self.catalog.delete_operation(request).await.map(|_| ()).map_err(refusal::of);
        }
        let price = price.map(view::price);
        let message = SetOperationRequest { asset, operation, price, ..Default::default() };
        let request = self.request(message);
        self.catalog.set_operation(request).await.map(|_| ()).map_err(refusal::of)
    }

    async fn set_pack(
        &mut self,
        asset: &str,
        name: &str,
        pack: Option<&PackAsked>,
    ) -> Result<(), Refusal> {
        let (asset, name) = (asset.to_owned(), name.to_owned());
        if pack.is_none() {
            let message = DeletePackRequest { asset, pack: name, ..Default::default() };
            let request = self.request(message);
            return self.catalog.delete_pack(request).await.map(|_| ()).map_err(refusal::of);
        }
        let contents = pack.map(view::pack);
        let message = SetPackRequest { asset, pack: name, contents, ..Default::default() };
        let request = self.request(message);
        self.catalog.set_pack(request).await.map(|_| ()).map_err(refusal::of)
    }

    async fn estimate(
        &mut self,
        asset: &str,
        operation: &str,
        quantities: &BTreeMap<String, String>,
    ) -> Result<String, Refusal> {
        let (asset, operation) = (asset.to_owned(), operation.to_owned());
        let quantities = quantities.clone();
        let request = self.request(EstimateCostRequest { asset, operation, quantities });
        let answer = self.catalog.estimate_cost(request).await.map_err(refusal::of)?;
        Ok(answer.into_inner().amount)
    }

    async fn holds(&mut self, wallet: &WalletRef) -> Result<Vec<HoldView>, Refusal> {
        let mut holds = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = self.request(ListHoldsRequest {
                account: wallet.account.clone(),
                asset: wallet.asset.clone(),
                open_only: false,
                page_size: PAGE_SIZE,
                page_token,
            });
            let page = self.wallets.list_holds(request).await.map_err(refusal::of)?.into_inner();
            holds.extend(page.holds.iter().map(view::hold));
            if page.next_page_token.is_empty() {
                return Ok(holds);
            }
            page_token = page.next_page_token;
        }
    }
}
