//! How each method's requests are parsed, and what is then looked at.

use std::{collections::BTreeSet, sync::Once};

use prost::Message;
use prost_types::{FileDescriptorSet, MethodDescriptorProto};
use purse_proto::{DESCRIPTORS, v1};
use purse_server::parse;
use tonic::Status;

use super::{World, accepted, accepted as keeps, message};

/// A method by its name, and how its requests are checked.
type Method = (&'static str, fn(&World, &[u8]));

/// A request, and what is looked at if it is accepted.
macro_rules! read {
    ($name:ident, $message:ident, $parse:expr, $look:expr) => {
        (stringify!($name), |world, bytes| read::<v1::$message, _>(world, bytes, $parse, $look))
    };
}

/// A request that the caller's namespace is enough to parse.
macro_rules! find {
    ($name:ident, $message:ident, $parse:ident, $look:expr) => {
        read!($name, $message, |world, it| parse::$parse(&world.caller, it), $look)
    };
}

/// A write to a wallet, and by what else it is parsed.
macro_rules! write {
    ($name:ident, $message:ident, $parse:ident $(, $by:expr)*) => {
        read!(
            $name,
            $message,
            |world, it| parse::$parse(&world.caller, it $(, $by(world))*),
            keeps::request
        )
    };
}

/// A change of a rule, and by what else it is parsed.
macro_rules! rule {
    ($name:ident, $message:ident, $parse:ident $(, $by:expr)*) => {
        read!(
            $name,
            $message,
            |world, it| parse::$parse(&world.caller, it $(, $by(world))*),
            |_, request| keeps::rule_request(request)
        )
    };
}

/// A request for a page. Nobody guesses a token of its query, so its token is taken for the cursor within one.
macro_rules! pages {
    ($name:ident, $message:ident, $token:ident, $parse:ident, $take:expr) => {
        (stringify!($name), |world, bytes| {
            let Some(mut message) = message::<v1::$message>(bytes) else { return };
            let cursor = std::mem::take(&mut message.$token);
            let parsed = accepted(parse::$parse(&world.caller, message.clone()));
            let Some((most, query)) = parsed.map($take) else { return };
            assert!((1..=1_000).contains(&most), "a page of {most}");
            message.$token = query.token(&cursor);
            let again = query.cursor_of("page_token", &message.$token);
            assert!(matches!(again, Ok(Some(again)) if again == cursor));
            accepted(parse::$parse(&world.caller, message));
        })
    };
}

/// All methods. New ones go to the end, so that inputs that were found keep their meaning.
const METHODS: &[Method] = &[
    write!(CreateWallet, CreateWalletRequest, create_wallet),
    write!(UpdateWallet, UpdateWalletRequest, update_wallet),
    write!(FreezeWallet, FreezeWalletRequest, freeze_wallet),
    write!(UnfreezeWallet, UnfreezeWalletRequest, unfreeze_wallet),
    write!(CloseWallet, CloseWalletRequest, close_wallet),
    write!(Spend, SpendRequest, spend, World::terms),
    write!(CanAfford, CanAffordRequest, can_afford, World::terms),
    write!(Transfer, TransferRequest, transfer, World::scale),
    write!(CreateHold, CreateHoldRequest, create_hold, World::terms),
    write!(CaptureHold, CaptureHoldRequest, capture_hold, World::scale),
    write!(ReleaseHold, ReleaseHoldRequest, release_hold, World::scale),
    write!(ExtendHold, ExtendHoldRequest, extend_hold),
    write!(Grant, GrantRequest, grant, World::scale),
    write!(VoidGrant, VoidGrantRequest, void_grant),
    write!(ExpireGrant, ExpireGrantRequest, expire_grant),
    write!(ChangeGrantExpiry, ChangeGrantExpiryRequest, change_grant_expiry),
    write!(RevokeFunding, RevokeFundingRequest, revoke_funding, World::scale),
    write!(SetSpendLimit, SetSpendLimitRequest, set_spend_limit, World::scale),
    write!(DeleteSpendLimit, DeleteSpendLimitRequest, delete_spend_limit),
    write!(SetTopUpRule, SetTopUpRuleRequest, set_top_up_rule, World::scale),
    write!(DeleteTopUpRule, DeleteTopUpRuleRequest, delete_top_up_rule),
    write!(DeclineTopUp, DeclineTopUpRequest, decline_top_up),
    write!(PurchasePack, PurchasePackRequest, purchase_pack, World::scale, World::pack),
    read!(
        ReverseSpend,
        ReverseSpendRequest,
        |world, it| parse::reverse_spend(&world.caller, it, world.scale()),
        |world, (request, _)| keeps::request(world, request)
    ),
    rule!(CreateGrantRule, CreateGrantRuleRequest, create_grant_rule, World::scale),
    rule!(UpdateGrantRule, UpdateGrantRuleRequest, update_grant_rule, World::scale),
    rule!(UpdateExpirySettings, UpdateExpirySettingsRequest, update_expiry_settings),
    rule!(DeleteGrantRule, DeleteGrantRuleRequest, delete_grant_rule),
    pages!(ListOperations, ListOperationsRequest, page_token, list_operations, |(it, query)| (
        it.most, query
    )),
    pages!(
        ListOperationChanges,
        ListOperationChangesRequest,
        page_token,
        list_operation_changes,
        |(it, query)| (it.most, query)
    ),
    pages!(ListPacks, ListPacksRequest, page_token, list_packs, |(it, query)| (it.most, query)),
    pages!(ListPackChanges, ListPackChangesRequest, page_token, list_pack_changes, |(
        it,
        query,
    )| (
        it.most, query
    )),
    pages!(ListEvents, ListEventsRequest, page_token, list_events, |(it, query)| (it.most, query)),
    pages!(ListGrants, ListGrantsRequest, page_token, list_grants, |(it, query)| (it.most, query)),
    pages!(ListEntries, ListEntriesRequest, page_token, list_entries, |(it, query)| (
        it.most, query
    )),
    pages!(ListHolds, ListHoldsRequest, page_token, list_holds, |(it, query)| (it.most, query)),
    pages!(ReportCostBasis, ReportCostBasisRequest, page_token, report_cost_basis, |(
        it,
        query,
    )| (
        it.wallets.most,
        query
    )),
    pages!(ReportExpiry, ReportExpiryRequest, page_token, report_expiry, |(it, query)| (
        it.wallets.most,
        query
    )),
    pages!(ListGrantRules, ListGrantRulesRequest, page_token, list_grant_rules, |(it, query)| (
        it.most, query
    )),
    pages!(
        ListGrantRuleChanges,
        ListGrantRuleChangesRequest,
        page_token,
        list_grant_rule_changes,
        |(it, query)| (it.most, query)
    ),
    pages!(
        ListFailedApplications,
        ListFailedApplicationsRequest,
        page_token,
        list_failed_applications,
        |(it, query)| (it.most, query)
    ),
    pages!(ListWallets, ListWalletsRequest, page_token, list_wallets, |(it, query)| (
        it.most, query
    )),
    pages!(WatchEvents, WatchEventsRequest, from_position, watch_events, |(_, _, query)| (
        1, query
    )),
    find!(GetOperation, GetOperationRequest, get_operation, |_, _| ()),
    find!(GetPack, GetPackRequest, get_pack, |_, _| ()),
    find!(ExplainTransaction, ExplainTransactionRequest, explain_transaction, |world, it| {
        keeps::wallet(world, &it.wallet);
    }),
    find!(ExplainBalance, ExplainBalanceRequest, explain_balance, |world, it| keeps::wallet(
        world, &it.wallet
    )),
    find!(GetGrant, GetGrantRequest, get_grant, |world, it| keeps::wallet(world, &it.0)),
    find!(GetTransaction, GetTransactionRequest, get_transaction, |world, it| keeps::wallet(
        world, &it.0
    )),
    find!(GetHold, GetHoldRequest, get_hold, |world, it| keeps::wallet(world, &it.0)),
    find!(ListSpendLimits, ListSpendLimitsRequest, list_spend_limits, |world, it| keeps::wallet(
        world, &it.wallet
    )),
    find!(GetSubscription, GetSubscriptionRequest, get_subscription, |_, _| ()),
    find!(ListApplications, ListApplicationsRequest, list_applications, |_, _| ()),
    find!(RetryApplication, RetryApplicationRequest, retry_application, |_, _| ()),
    find!(ReconcileSubscription, ReconcileSubscriptionRequest, reconcile_subscription, |_, _| ()),
    find!(SweepWallets, SweepWalletsRequest, sweep_wallets, |_, _| ()),
    find!(GetTopUps, GetTopUpsRequest, get_top_ups, keeps::wallet),
    find!(GetWallet, GetWalletRequest, get_wallet, keeps::wallet),
    find!(GetBalance, GetBalanceRequest, get_balance, |world, it| keeps::wallet(world, &it.wallet)),
    find!(GetTimeline, GetTimelineRequest, get_timeline, |world, it| keeps::wallet(
        world, &it.wallet
    )),
    find!(VerifyWallet, VerifyWalletRequest, verify_wallet, keeps::wallet),
    read!(GetGrantRule, GetGrantRuleRequest, |_, it| parse::get_grant_rule(it), |_, _| ()),
    read!(GetStreamPosition, GetStreamPositionRequest, |_, it| parse::stream_source(it), |_, _| ()),
    read!(
        CalculateExpiry,
        CalculateExpiryRequest,
        |_, it| parse::calculate_expiry(it),
        |_, asked| keeps::calculation(asked)
    ),
    read!(
        EstimateCost,
        EstimateCostRequest,
        |world, it| parse::estimate_cost(it, world.scale()),
        keeps::estimate
    ),
    find!(SetOperation, SetOperationRequest, set_operation, |_, edit| keeps::priced(edit)),
    find!(DeleteOperation, DeleteOperationRequest, delete_operation, |_, edit| {
        assert!(edit.change.definition.is_none());
    }),
    read!(
        SetPack,
        SetPackRequest,
        |world, it| parse::set_pack(&world.caller, it, world.scale()),
        |_, edit| keeps::packed(edit)
    ),
    find!(DeletePack, DeletePackRequest, delete_pack, |_, edit| {
        assert!(edit.change.definition.is_none());
    }),
    read!(
        RecordSubscriptionEvent,
        RecordSubscriptionEventRequest,
        |world, it| parse::subscription_event(&world.caller, it.event),
        |_, heard| keeps::subscription_event(heard)
    ),
    read!(
        StreamSubscriptionEvents,
        StreamSubscriptionEventsRequest,
        |world, it| parse::subscription_event(&world.caller, it.event),
        |_, heard| keeps::subscription_event(heard)
    ),
    read!(
        CreateHolds,
        CreateHoldsRequest,
        |world, it| {
            let terms = vec![world.terms.clone(); it.legs.len().min(parse::MOST_LEGS)];
            parse::create_holds(&world.caller, it, &terms)
        },
        keeps::group
    ),
    ("BatchSpend", |world, bytes| {
        let batch = message::<v1::BatchSpendRequest>(bytes).unwrap_or_default();
        for message in batch.requests {
            let parsed = parse::spend(&world.caller, message, &world.terms);
            accepted(parsed).inspect(|request| keeps::request(world, request));
        }
    }),
    ("BatchGrant", |world, bytes| {
        let batch = message::<v1::BatchGrantRequest>(bytes).unwrap_or_default();
        for message in batch.requests {
            let parsed = parse::grant(&world.caller, message, world.scale());
            accepted(parsed).inspect(|request| keeps::request(world, request));
        }
    }),
    ("BulkUpdateExpirySettings", |world, bytes| {
        let batch = message::<v1::BulkUpdateExpirySettingsRequest>(bytes).unwrap_or_default();
        for message in batch.requests {
            let parsed = parse::update_expiry_settings(&world.caller, message);
            accepted(parsed).inspect(keeps::rule_request);
        }
    }),
];

/// Parses a request of the method that a byte stands for.
pub fn check(method: u8, world: &World, bytes: &[u8]) {
    ALL_ARE_HERE.call_once(all_are_here);
    let (_, check) = METHODS[usize::from(method) % METHODS.len()];
    check(world, bytes);
}

fn read<M: Message + Default, T>(
    world: &World,
    bytes: &[u8],
    parse: fn(&World, M) -> Result<T, Status>,
    look: fn(&World, &T),
) {
    let Some(message) = message::<M>(bytes) else { return };
    if let Some(parsed) = accepted(parse(world, message)) {
        look(world, &parsed);
    }
}

static ALL_ARE_HERE: Once = Once::new();

/// A method that is added to the API is added here.
fn all_are_here() {
    let files = FileDescriptorSet::decode(DESCRIPTORS).expect("the build made it").file;
    let ours = files.iter().filter(|file| file.package() == "purse.v1");
    let methods = ours.flat_map(|file| &file.service).flat_map(|service| &service.method);
    let served: BTreeSet<&str> = methods.map(MethodDescriptorProto::name).collect();
    let here: BTreeSet<&str> = METHODS.iter().map(|(name, _)| *name).collect();
    assert_eq!(here, served, "the methods of the API, and those of this target");
    assert_eq!(here.len(), METHODS.len(), "a method twice");
}
