//! One method per RPC. Each takes and gives the messages of the API as they are.

use purse_proto::v1::{
    CaptureHoldRequest, CaptureHoldResponse, CreateHoldRequest, CreateHoldResponse,
    CreateWalletRequest, CreateWalletResponse, DeleteSpendLimitRequest, DeleteSpendLimitResponse,
    ExpireGrantRequest, ExpireGrantResponse, ExtendHoldRequest, ExtendHoldResponse,
    GetBalanceRequest, GetBalanceResponse, GetGrantRequest, GetGrantResponse, GetHoldRequest,
    GetHoldResponse, GetTimelineRequest, GetTimelineResponse, GetWalletRequest, GetWalletResponse,
    GrantRequest, GrantResponse, ListEntriesRequest, ListEntriesResponse, ListGrantsRequest,
    ListGrantsResponse, ListHoldsRequest, ListHoldsResponse, ListSpendLimitsRequest,
    ListSpendLimitsResponse, ListWalletsRequest, ListWalletsResponse, ReleaseHoldRequest,
    ReleaseHoldResponse, ReverseSpendRequest, ReverseSpendResponse, SetSpendLimitRequest,
    SetSpendLimitResponse, SpendRequest, SpendResponse, UpdateWalletRequest, UpdateWalletResponse,
    VerifyWalletRequest, VerifyWalletResponse, VoidGrantRequest, VoidGrantResponse,
    grant_service_client::GrantServiceClient, wallet_service_client::WalletServiceClient,
};

use crate::{Client, Error, client::MAX_ANSWER_BYTES};

macro_rules! calls {
    ($service:ident: $($(#[$doc:meta])* $method:ident($request:ty) -> $response:ty;)*) => {
        impl Client {
            $(
                $(#[$doc])*
                pub async fn $method(&self, request: $request) -> Result<$response, Error> {
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
    /// Answers what a wallet holds, now or at any instant.
    get_balance(GetBalanceRequest) -> GetBalanceResponse;
    /// Answers what a wallet holds over a range of time, as steps.
    get_timeline(GetTimelineRequest) -> GetTimelineResponse;
    /// Takes credits from a wallet, all or nothing.
    spend(SpendRequest) -> SpendResponse;
    /// Sets credits aside for a later capture.
    create_hold(CreateHoldRequest) -> CreateHoldResponse;
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
    /// Answers a page of a wallet's ledger.
    list_entries(ListEntriesRequest) -> ListEntriesResponse;
}

calls! { GrantServiceClient:
    /// Puts credits in a wallet, spendable within a window.
    grant(GrantRequest) -> GrantResponse;
    /// Answers one grant as it is now.
    get_grant(GetGrantRequest) -> GetGrantResponse;
    /// Answers a page of a wallet's grants, as they are now.
    list_grants(ListGrantsRequest) -> ListGrantsResponse;
    /// Takes what a grant has left, as if that had never been granted.
    void_grant(VoidGrantRequest) -> VoidGrantResponse;
    /// Lets what a grant has left expire now.
    expire_grant(ExpireGrantRequest) -> ExpireGrantResponse;
}
