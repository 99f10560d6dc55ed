//! One method per RPC. Each takes and gives the messages of the API as they are.

use purse_proto::v1::{
    self, catalog_service_client::CatalogServiceClient, event_service_client::EventServiceClient,
    grant_service_client::GrantServiceClient, report_service_client::ReportServiceClient,
    subscription_service_client::SubscriptionServiceClient,
    wallet_service_client::WalletServiceClient,
};

use crate::{Client, Error, client::MAX_ANSWER_BYTES};

macro_rules! calls {
    ($service:ident: $($(#[$doc:meta])* $method:ident($request:ident) -> $response:ident;)*) => {
        impl Client {
            $(
                $(#[$doc])*
                pub async fn $method(
                    &self,
                    request: v1::$request,
                ) -> Result<v1::$response, Error> {
                    self.call(request, |channel, request| async move {
                        $service::new(channel)
                            .max_decoding_message_size(MAX_ANSWER_BYTES)
                            .$method(request)
                            .await
                    })
                    .await
                }
            )*
        }
    };
}

calls! { WalletServiceClient:
    /// Opens the wallet of an account and an asset, or answers the one there is.
    create_wallet(CreateWalletRequest) -> CreateWalletResponse;
    /// Answers a wallet's settings.
    get_wallet(GetWalletRequest) -> GetWalletResponse;
    /// Answers a page of the namespace's wallets, by account and asset.
    list_wallets(ListWalletsRequest) -> ListWalletsResponse;
    /// Changes a wallet's settings.
    update_wallet(UpdateWalletRequest) -> UpdateWalletResponse;
    /// Lets no credits be taken from a wallet.
    freeze_wallet(FreezeWalletRequest) -> FreezeWalletResponse;
    /// Lets credits be taken again.
    unfreeze_wallet(UnfreezeWalletRequest) -> UnfreezeWalletResponse;
    /// Closes a wallet for good.
    close_wallet(CloseWalletRequest) -> CloseWalletResponse;
    /// Answers what a wallet holds, now or at any instant.
    get_balance(GetBalanceRequest) -> GetBalanceResponse;
    /// Answers what a wallet holds over a range of time, as steps.
    get_timeline(GetTimelineRequest) -> GetTimelineResponse;
    /// Takes credits from a wallet, all or nothing.
    spend(SpendRequest) -> SpendResponse;
    /// Takes credits up to 1,000 times, all or nothing, or each on its own.
    batch_spend(BatchSpendRequest) -> BatchSpendResponse;
    /// Moves credits to another wallet of the asset.
    transfer(TransferRequest) -> TransferResponse;
    /// Sets credits aside for a later capture.
    create_hold(CreateHoldRequest) -> CreateHoldResponse;
    /// Sets credits aside in several wallets at once, all or nothing.
    create_holds(CreateHoldsRequest) -> CreateHoldsResponse;
    /// Takes part or all of what a hold has set aside.
    capture_hold(CaptureHoldRequest) -> CaptureHoldResponse;
    /// Gives back part or all of what a hold has set aside.
    release_hold(ReleaseHoldRequest) -> ReleaseHoldResponse;
    /// Moves a hold's deadline.
    extend_hold(ExtendHoldRequest) -> ExtendHoldResponse;
    /// Answers a hold as it is now.
    get_hold(GetHoldRequest) -> GetHoldResponse;
    /// Answers a page of a wallet's holds, as they are now.
    list_holds(ListHoldsRequest) -> ListHoldsResponse;
    /// Recomputes a wallet from its entries and says whether all is as it should be.
    verify_wallet(VerifyWalletRequest) -> VerifyWalletResponse;
    /// Gives back what a spend took, all or a part of it.
    reverse_spend(ReverseSpendRequest) -> ReverseSpendResponse;
    /// Adds a spend limit to a wallet, or puts it in the place of the one of its name.
    set_spend_limit(SetSpendLimitRequest) -> SetSpendLimitResponse;
    /// Removes a spend limit from a wallet.
    delete_spend_limit(DeleteSpendLimitRequest) -> DeleteSpendLimitResponse;
    /// Answers a wallet's spend limits, and how much of each is used now.
    list_spend_limits(ListSpendLimitsRequest) -> ListSpendLimitsResponse;
    /// Books now what time has done to wallets that nobody touched.
    sweep_wallets(SweepWalletsRequest) -> SweepWalletsResponse;
    /// Lets a wallet ask for more credits when its balance is low.
    set_top_up_rule(SetTopUpRuleRequest) -> SetTopUpRuleResponse;
    /// Lets a wallet ask for nothing any more.
    delete_top_up_rule(DeleteTopUpRuleRequest) -> DeleteTopUpRuleResponse;
    /// Says that what a wallet asked for will not come.
    decline_top_up(DeclineTopUpRequest) -> DeclineTopUpResponse;
    /// Answers a wallet's rule for top-ups, and what it asked for.
    get_top_ups(GetTopUpsRequest) -> GetTopUpsResponse;
    /// Answers a page of a wallet's ledger.
    list_entries(ListEntriesRequest) -> ListEntriesResponse;
    /// Answers one transaction with its entries.
    get_transaction(GetTransactionRequest) -> GetTransactionResponse;
    /// Says why a transaction moved what it moved.
    explain_transaction(ExplainTransactionRequest) -> ExplainTransactionResponse;
    /// Says what a balance is made of, now or at any instant.
    explain_balance(ExplainBalanceRequest) -> ExplainBalanceResponse;
}

calls! { EventServiceClient:
    /// Answers a page of the events of a wallet, an account or the namespace.
    list_events(ListEventsRequest) -> ListEventsResponse;
}

calls! { GrantServiceClient:
    /// Puts credits in a wallet, spendable within a window.
    grant(GrantRequest) -> GrantResponse;
    /// Puts credits in wallets up to 1,000 times, all or nothing, or each on its own.
    batch_grant(BatchGrantRequest) -> BatchGrantResponse;
    /// Answers one grant as it is now.
    get_grant(GetGrantRequest) -> GetGrantResponse;
    /// Answers a page of a wallet's grants, as they are now.
    list_grants(ListGrantsRequest) -> ListGrantsResponse;
    /// Takes what a grant has left, as if that had never been granted.
    void_grant(VoidGrantRequest) -> VoidGrantResponse;
    /// Lets what a grant has left expire now.
    expire_grant(ExpireGrantRequest) -> ExpireGrantResponse;
    /// Lets a grant that still has something end at another instant, or never.
    change_grant_expiry(ChangeGrantExpiryRequest) -> ChangeGrantExpiryResponse;
    /// Takes back what was granted on a payment, as far as that was refunded.
    revoke_funding(RevokeFundingRequest) -> RevokeFundingResponse;
    /// Makes a rule, which makes grants for subscriptions.
    create_grant_rule(CreateGrantRuleRequest) -> CreateGrantRuleResponse;
    /// Answers a rule as it is now.
    get_grant_rule(GetGrantRuleRequest) -> GetGrantRuleResponse;
    /// Answers a page of the namespace's rules.
    list_grant_rules(ListGrantRulesRequest) -> ListGrantRulesResponse;
    /// Changes a rule.
    update_grant_rule(UpdateGrantRuleRequest) -> UpdateGrantRuleResponse;
    /// Changes when the grants that a rule makes from now on expire.
    update_expiry_settings(UpdateExpirySettingsRequest) -> UpdateExpirySettingsResponse;
    /// Does so with up to 1,000 rules, all or nothing, or each on its own.
    bulk_update_expiry_settings(
        BulkUpdateExpirySettingsRequest
    ) -> BulkUpdateExpirySettingsResponse;
    /// Ends a rule.
    delete_grant_rule(DeleteGrantRuleRequest) -> DeleteGrantRuleResponse;
    /// Answers a page of every change of a rule.
    list_grant_rule_changes(ListGrantRuleChangesRequest) -> ListGrantRuleChangesResponse;
    /// Tells when grants would expire.
    calculate_expiry(CalculateExpiryRequest) -> CalculateExpiryResponse;
}

calls! { ReportServiceClient:
    /// Answers a page of a report of what credits cost, of one wallet or of all wallets of an asset.
    report_cost_basis(ReportCostBasisRequest) -> ReportCostBasisResponse;
    /// Answers a page of a report of what expires when, of one wallet or of all wallets of an asset.
    report_expiry(ReportExpiryRequest) -> ReportExpiryResponse;
}

calls! { CatalogServiceClient:
    /// Gives an operation a price, or another one.
    set_operation(SetOperationRequest) -> SetOperationResponse;
    /// Answers an operation with its price.
    get_operation(GetOperationRequest) -> GetOperationResponse;
    /// Answers a page of the namespace's operations, by asset and name.
    list_operations(ListOperationsRequest) -> ListOperationsResponse;
    /// Takes an operation's price away.
    delete_operation(DeleteOperationRequest) -> DeleteOperationResponse;
    /// Answers a page of an operation's versions.
    list_operation_changes(ListOperationChangesRequest) -> ListOperationChangesResponse;
    /// Answers what quantities cost, whoever is to pay.
    estimate_cost(EstimateCostRequest) -> EstimateCostResponse;
    /// Answers whether a wallet could pay now.
    can_afford(CanAffordRequest) -> CanAffordResponse;
    /// Offers a pack, or changes it.
    set_pack(SetPackRequest) -> SetPackResponse;
    /// Answers a pack.
    get_pack(GetPackRequest) -> GetPackResponse;
    /// Answers a page of the namespace's packs, by asset and name.
    list_packs(ListPacksRequest) -> ListPacksResponse;
    /// Offers a pack no more.
    delete_pack(DeletePackRequest) -> DeletePackResponse;
    /// Answers a page of a pack's versions.
    list_pack_changes(ListPackChangesRequest) -> ListPackChangesResponse;
    /// Grants what was paid for, once for each payment.
    purchase_pack(PurchasePackRequest) -> PurchasePackResponse;
}

calls! { SubscriptionServiceClient:
    /// Tells an event of a subscription, and answers once it is durable and what is due has been granted.
    record_subscription_event(RecordSubscriptionEventRequest) -> RecordSubscriptionEventResponse;
    /// Answers which event of a source was acknowledged last.
    get_stream_position(GetStreamPositionRequest) -> GetStreamPositionResponse;
    /// Answers a subscription as its events say it is.
    get_subscription(GetSubscriptionRequest) -> GetSubscriptionResponse;
    /// Lists what rules grant to a subscription, period by period.
    list_applications(ListApplicationsRequest) -> ListApplicationsResponse;
    /// Answers a page of the applications that failed.
    list_failed_applications(ListFailedApplicationsRequest) -> ListFailedApplicationsResponse;
    /// Tries an application that failed once more.
    retry_application(RetryApplicationRequest) -> RetryApplicationResponse;
    /// Answers what should exist and does not, and brings it about if asked to.
    reconcile_subscription(ReconcileSubscriptionRequest) -> ReconcileSubscriptionResponse;
}
