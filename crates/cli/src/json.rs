//! Answers as canonical protobuf JSON, byte for byte in the shape that grpcurl prints.

use std::sync::LazyLock;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use purse_client::v1;

static DESCRIPTORS: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(purse_proto::DESCRIPTORS)
        .expect("descriptors are built with this binary")
});

/// A message of the API that the command line prints, with its name in the descriptors.
pub trait Answer: Message {
    /// The message's full name.
    const NAME: &'static str;
}

macro_rules! answers {
    ($($message:ident),* $(,)?) => {
        $(impl Answer for v1::$message {
            const NAME: &'static str = concat!("purse.v1.", stringify!($message));
        })*
    };
}

answers! {
    BulkUpdateExpirySettingsResponse,
    CalculateExpiryResponse,
    CanAffordResponse,
    GetSubscriptionResponse,
    ListApplicationsResponse,
    ListFailedApplicationsResponse,
    ReconcileSubscriptionResponse,
    RecordSubscriptionEventResponse,
    RetryApplicationResponse,
    SubscriptionEvent,
    CaptureHoldResponse,
    ChangeGrantExpiryResponse,
    CloseWalletResponse,
    CreateGrantRuleResponse,
    CreateHoldResponse,
    CreateHoldsResponse,
    CreateWalletResponse,
    DeleteGrantRuleResponse,
    DeclineTopUpResponse,
    DeleteOperationResponse,
    DeletePackResponse,
    DeleteSpendLimitResponse,
    DeleteTopUpRuleResponse,
    EstimateCostResponse,
    ExpireGrantResponse,
    ExplainBalanceResponse,
    ExplainTransactionResponse,
    ExtendHoldResponse,
    FreezeWalletResponse,
    GetBalanceResponse,
    GetGrantRuleResponse,
    GetOperationResponse,
    GetPackResponse,
    GetTimelineResponse,
    GetTopUpsResponse,
    GetTransactionResponse,
    GetWalletResponse,
    GrantResponse,
    ListEntriesResponse,
    ListEventsResponse,
    ListGrantRuleChangesResponse,
    ListGrantRulesResponse,
    ListGrantsResponse,
    ListHoldsResponse,
    ListOperationChangesResponse,
    ListOperationsResponse,
    ListPackChangesResponse,
    ListPacksResponse,
    ListSpendLimitsResponse,
    ListWalletsResponse,
    PurchasePackResponse,
    ReleaseHoldResponse,
    ReportCostBasisResponse,
    ReportExpiryResponse,
    ReverseSpendResponse,
    RevokeFundingResponse,
    SetOperationResponse,
    SetPackResponse,
    SetSpendLimitResponse,
    SetTopUpRuleResponse,
    SpendResponse,
    SweepWalletsResponse,
    TransferResponse,
    UnfreezeWalletResponse,
    UpdateExpirySettingsResponse,
    UpdateGrantRuleResponse,
    UpdateWalletResponse,
    VerifyWalletResponse,
    VoidGrantResponse,
    WatchEventsResponse,
}

/// The message as JSON, indented.
pub fn render<A: Answer>(answer: &A) -> String {
    let descriptor =
        DESCRIPTORS.get_message_by_name(A::NAME).expect("every answer has a descriptor");
    let mut message = DynamicMessage::new(descriptor);
    message.transcode_from(answer).expect("an answer is a message of its own descriptor");
    serde_json::to_string_pretty(&message).expect("a message has a JSON form")
}

/// A message from its JSON form, as people write it for grpcurl.
pub fn parse<A: Answer + Default>(text: &str) -> Result<A, String> {
    let descriptor =
        DESCRIPTORS.get_message_by_name(A::NAME).expect("every answer has a descriptor");
    let mut json = serde_json::Deserializer::from_str(text);
    let message =
        DynamicMessage::deserialize(descriptor, &mut json).map_err(|error| error.to_string())?;
    json.end().map_err(|error| error.to_string())?;
    message.transcode_to().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use purse_client::v1::{
        Entry, EntryKind, GetBalanceResponse, ListEntriesResponse, SpendResponse,
    };

    use super::*;

    #[test]
    fn json_is_canonical_protobuf_json() {
        let entry = Entry {
            sequence: 17,
            kind: EntryKind::Spent.into(),
            amount: "12.5".to_owned(),
            recorded_at: Some(crate::instant::parse("2026-01-01T00:00:00.000001Z").unwrap()),
            ..Entry::default()
        };
        let answer = ListEntriesResponse { entries: vec![entry], ..ListEntriesResponse::default() };
        let expected = r#"{
  "entries": [
    {
      "sequence": "17",
      "kind": "ENTRY_KIND_SPENT",
      "amount": "12.5",
      "recordedAt": "2026-01-01T00:00:00.000001Z"
    }
  ]
}"#;
        assert_eq!(render(&answer), expected);
    }

    #[test]
    fn every_answer_has_a_descriptor() {
        assert_eq!(render(&SpendResponse::default()), "{}");
        for name in [
            v1::CreateWalletResponse::NAME,
            v1::GetWalletResponse::NAME,
            v1::ListWalletsResponse::NAME,
            v1::UpdateWalletResponse::NAME,
            GetBalanceResponse::NAME,
            v1::GetTimelineResponse::NAME,
            v1::GrantResponse::NAME,
            v1::ListGrantsResponse::NAME,
            v1::VoidGrantResponse::NAME,
            v1::ExpireGrantResponse::NAME,
            v1::ReverseSpendResponse::NAME,
            v1::RevokeFundingResponse::NAME,
            v1::ChangeGrantExpiryResponse::NAME,
            v1::SetSpendLimitResponse::NAME,
            v1::DeleteSpendLimitResponse::NAME,
            v1::ListSpendLimitsResponse::NAME,
            v1::SweepWalletsResponse::NAME,
        ] {
            assert!(DESCRIPTORS.get_message_by_name(name).is_some(), "{name}");
        }
    }
}
