//! Reversals and revocations over gRPC, where callers, batches and servers meet.

use std::collections::BTreeSet;

use purse_domain::{
    Amount, Category, Command, CostBasis, ExpiredPolicy, FundingRef, Group, NewGrant,
    PositiveAmount, Priority, ReverseSpend, RevokeFunding, Scale, TransactionId,
};
use purse_proto::v1;
use purse_storage::{Kept, Outcome};
use tonic::Code;

use crate::fixture::{ACCOUNT, ASSET, Server, at_once, group, refusal, spend, unique};

fn reverse(transaction: &str, amount: &str) -> v1::ReverseSpendRequest {
    v1::ReverseSpendRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        transaction_id: transaction.to_owned(),
        amount: amount.to_owned(),
        idempotency_key: format!("reverse {}", unique()),
        ..Default::default()
    }
}

async fn spent(server: &Server, amount: &str) -> String {
    let answer = server.spend(spend(ACCOUNT, amount, &format!("spend {}", unique()))).await;
    answer.unwrap().transaction.unwrap().transaction_id
}

#[tokio::test(flavor = "multi_thread")]
async fn reversals_by_many_callers_on_two_servers_never_exceed_the_spend() {
    let one = Server::start().await;
    let other = Server::start_on(one.url.clone()).await;
    one.open(ACCOUNT).await;
    one.fund(ACCOUNT, "100").await;
    let transaction = spent(&one, "60").await;

    let answers = at_once(16, |index| {
        let mut wallets = if index % 2 == 0 { one.wallets() } else { other.wallets() };
        let request = reverse(&transaction, "7");
        async move { wallets.reverse_spend(request).await.map(tonic::Response::into_inner) }
    })
    .await;

    let (done, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!(done.len(), 8);
    for status in refused.into_iter().map(Result::unwrap_err) {
        let reason = (Code::FailedPrecondition, "REVERSAL_EXCEEDS_SPEND".to_owned());
        assert_eq!(refusal(&status), reason);
        assert_eq!(status.message(), "4 left to reverse of the spend, 7 required");
    }
    assert_eq!(one.balance(ACCOUNT).await, "96");
    let rest = one.wallets().reverse_spend(reverse(&transaction, "")).await.unwrap().into_inner();
    assert_eq!(rest.slices[0].amount, "4");
    assert_eq!(other.balance(ACCOUNT).await, "100");
}

#[tokio::test]
async fn a_reversal_is_listed_with_the_entry_that_it_undoes() {
    let server = Server::start().await;
    server.open(ACCOUNT).await;
    server.fund(ACCOUNT, "100").await;
    let transaction = spent(&server, "60").await;
    let first = server.wallets().reverse_spend(reverse(&transaction, "25")).await.unwrap();
    let written = first.into_inner().transaction.unwrap();
    assert_eq!(written.kind(), v1::TransactionKind::ReverseSpend);
    let list = v1::ListEntriesRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        kinds: vec![v1::EntryKind::Reversed.into()],
        ..Default::default()
    };
    let listed = server.wallets().list_entries(list).await.unwrap().into_inner().entries;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].about_sequence, 2);
    assert_eq!(listed[0].transaction_id, written.transaction_id);
}

/// A closed debt must not be forgotten while its spend is to be reversed: what it was repaid with goes back to
/// a grant that the database does not have yet.
#[tokio::test]
async fn a_grant_that_repays_and_the_reversal_of_the_spend_may_share_a_batch() {
    let server = Server::start().await;
    let open = v1::CreateWalletRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        overdraft_limit: "100".to_owned(),
        idempotency_key: "open".to_owned(),
        ..Default::default()
    };
    server.wallets().create_wallet(open).await.unwrap();
    let transaction = spent(&server, "60").await;

    let grant = grant("80", None);
    let reversal = |amount| {
        Command::ReverseSpend(ReverseSpend {
            transaction: TransactionId::from_uuid(transaction.parse().unwrap()),
            amount: Some(PositiveAmount::parse(amount, Scale::MAX).unwrap()),
            expired_policy: ExpiredPolicy::default(),
        })
    };
    let commands = [reversal("10"), grant, reversal("20"), reversal("30"), reversal("1")];
    let left = balances(&server, commands).await;
    let balance = |text: &str| Some(text.to_owned());
    assert_eq!(left, [balance("-50"), balance("30"), balance("50"), balance("80"), None]);
    assert_eq!(server.balance(ACCOUNT).await, "80");
    server.spend(spend(ACCOUNT, "80", "all")).await.unwrap();
}

/// The first revocation is of what its own batch granted; the database knows neither that nor the debt yet.
#[tokio::test]
async fn a_revocation_sees_what_its_batch_granted_and_owes() {
    let server = Server::start().await;
    server.open(ACCOUNT).await;
    let revoke = |amount| {
        Command::RevokeFunding(RevokeFunding {
            funding_ref: FundingRef::parse("ch_1").unwrap(),
            cumulative_amount: Amount::parse(amount, Scale::MAX).unwrap(),
        })
    };
    let funded = |amount| grant(amount, Some("ch_1"));
    let commands = [
        revoke("1"),
        funded("100"),
        revoke("30"),
        funded("50"),
        revoke("150"),
        revoke("151"),
        revoke("40"),
    ];
    let balance = |text: &str| Some(text.to_owned());
    assert_eq!(
        balances(&server, commands).await,
        [None, balance("100"), balance("70"), balance("120"), balance("0"), None, balance("110")]
    );

    server.spend(spend(ACCOUNT, "110", "all")).await.unwrap();
    let commands = [revoke("150"), grant("200", None), revoke("145"), revoke("0"), revoke("0")];
    let expected = ["-110", "90", "95", "240", "240"].map(balance);
    assert_eq!(balances(&server, commands).await, expected);
    assert_eq!(server.balance(ACCOUNT).await, "240");
    server.spend(spend(ACCOUNT, "240", "all of it")).await.unwrap();
}

fn grant(amount: &str, funding_ref: Option<&str>) -> Command {
    Command::Grant(NewGrant {
        amount: PositiveAmount::parse(amount, Scale::MAX).unwrap(),
        effective_at: None,
        expires_at: None,
        priority: Priority::DEFAULT,
        category: Category::adjustment(),
        cost_basis: CostBasis::ZERO,
        applies_to: BTreeSet::new(),
        funding_ref: funding_ref.map(|name| FundingRef::parse(name).unwrap()),
    })
}

/// Runs commands as one batch, and says the balance after each; `None`: it is refused.
async fn balances(
    server: &Server,
    commands: impl IntoIterator<Item = Command>,
) -> Vec<Option<String>> {
    let requests: Vec<Group> = commands.into_iter().map(group).collect();
    let (outcomes, _) = server.node.storage().run_batch(&mut Kept::default(), &requests).await;
    let balance = |outcome| match outcome {
        Outcome::Accepted(answers) => Some(answers[0].transaction.balances.balance().to_string()),
        Outcome::Rejected(_) | Outcome::Settled(_) => None,
    };
    outcomes.into_iter().map(|outcome| balance(outcome.unwrap())).collect()
}
