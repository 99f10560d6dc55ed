//! Changes of a grant's expiry over gRPC, where batches and servers meet: a grant that has moved in the order is
//! nowhere else.

use purse_domain::{
    Category, ChangeGrantExpiry, Command, CostBasis, GrantNumber, Group, NewGrant, PositiveAmount,
    Priority, Scale, Timestamp,
};
use purse_proto::v1;
use purse_storage::{Kept, Outcome};
use tonic::Code;

use crate::fixture::{ACCOUNT, ASSET, Server, grant, group, refusal, spend, spending, timestamp};

const NOW: &str = "2126-01-01T00:00:00Z";

/// A wallet with grants of 100 until each of these instants.
async fn with_grants(ends: &[&str]) -> Server {
    let server = Server::start().await;
    server.at(NOW).await;
    server.open(ACCOUNT).await;
    for end in ends {
        let expires_at = Some(timestamp(end));
        let request = v1::GrantRequest { expires_at, ..grant(ACCOUNT, "100") };
        server.grants().grant(request).await.unwrap();
    }
    server
}

fn change(number: i32, expires_at: Option<&str>, key: &str) -> v1::ChangeGrantExpiryRequest {
    v1::ChangeGrantExpiryRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        grant_number: number,
        expires_at: expires_at.map(timestamp),
        never: expires_at.is_none(),
        idempotency_key: key.to_owned(),
        ..Default::default()
    }
}

async fn is_sound(server: &Server) {
    let found = server.verify(ACCOUNT).await;
    assert!(found.sound, "{found:?}");
}

/// The database has the second grant at its old place while the batch is decided. Drawn from there too, it would
/// come before the third.
#[tokio::test]
async fn a_batch_that_moves_a_grant_draws_it_once_and_at_its_new_place() {
    let server =
        with_grants(&["2126-01-10T00:00:00Z", "2126-01-20T00:00:00Z", "2126-01-30T00:00:00Z"])
            .await;
    let commands = [
        change_expiry(2, Some("2126-01-05T00:00:00Z")),
        new_grant("100", "2126-01-25T00:00:00Z"),
        change_expiry(4, None),
        spending("350"),
    ];
    let groups: Vec<Group> = commands.into_iter().map(group).collect();
    let (outcomes, _) = server.node.storage().run_batch(&mut Kept::default(), &groups).await;
    let Some(Ok(Outcome::Accepted(answers))) = outcomes.into_iter().next_back() else {
        panic!("all of it can be spent")
    };
    let drawn = answers[0].transaction.entries[0].allocations.iter();
    let drawn: Vec<String> = drawn.map(|part| format!("{} {}", part.grant, part.amount)).collect();
    assert_eq!(drawn, ["2 100", "1 100", "3 100", "4 50"]);
    is_sound(&server).await;
    server.at("2126-06-01T00:00:00Z").await;
    assert_eq!(server.balance(ACCOUNT).await, "50");
}

#[tokio::test(flavor = "multi_thread")]
async fn wallets_that_servers_keep_draw_in_the_order_of_a_change() {
    let one = with_grants(&["2126-01-10T00:00:00Z", "2126-01-20T00:00:00Z"]).await;
    let other = Server::start_on(one.url.clone()).await;
    other.at(NOW).await;
    let first_drawn = async |server: &Server, key: &str| {
        let answer = server.spend(spend(ACCOUNT, "1", key)).await.unwrap();
        answer.transaction.unwrap().entries[0].allocations[0].grant_number
    };
    // Twice: the second is decided on what the first has left.
    for turn in ["first", "again"] {
        assert_eq!(first_drawn(&one, &format!("one {turn}")).await, 1);
    }
    let later = change(1, Some("2126-02-01T00:00:00Z"), "later");
    one.grants().change_grant_expiry(later).await.unwrap();
    for turn in ["first", "again"] {
        assert_eq!(first_drawn(&one, &format!("changed {turn}")).await, 2);
        assert_eq!(first_drawn(&other, &format!("other {turn}")).await, 2);
    }
    other.grants().change_grant_expiry(change(2, None, "never")).await.unwrap();
    assert_eq!(first_drawn(&one, "changed elsewhere").await, 1);
    is_sound(&one).await;
}

#[tokio::test]
async fn a_change_is_listed_with_its_reason_and_answered_again() {
    let server = with_grants(&["2126-01-10T00:00:00Z"]).await;
    let request = v1::ChangeGrantExpiryRequest {
        reason: "a courtesy".to_owned(),
        actor: "alice".to_owned(),
        ..change(1, Some("2126-01-20T00:00:00Z"), "courtesy")
    };
    let first = server.grants().change_grant_expiry(request.clone()).await.unwrap().into_inner();
    let never = server.grants().change_grant_expiry(change(1, None, "never")).await.unwrap();
    let same = server.grants().change_grant_expiry(change(1, None, "the same")).await.unwrap();
    assert!(same.into_inner().transaction.unwrap().entries.is_empty());
    server.spend(spend(ACCOUNT, "100", "all of it")).await.unwrap();

    let replay = server.grants().change_grant_expiry(request).await.unwrap().into_inner();
    assert_eq!(replay, v1::ChangeGrantExpiryResponse { replayed: true, ..first });
    let replay = server.grants().change_grant_expiry(change(1, None, "never")).await.unwrap();
    let replay = replay.into_inner();
    assert_eq!(replay, v1::ChangeGrantExpiryResponse { replayed: true, ..never.into_inner() });

    let list = v1::ListEntriesRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        kinds: vec![v1::EntryKind::ExpiryChanged.into()],
        ..Default::default()
    };
    let listed = server.wallets().list_entries(list).await.unwrap().into_inner().entries;
    let [courtesy, never] = &listed[..] else { panic!("two changes: {listed:?}") };
    assert_eq!((courtesy.reason.as_str(), courtesy.actor.as_str()), ("a courtesy", "alice"));
    let [tenth, twentieth] =
        ["2126-01-10T00:00:00Z", "2126-01-20T00:00:00Z"].map(|at| Some(timestamp(at)));
    let moved = |before, after| Some(v1::ExpiryChange { before, after });
    assert_eq!(courtesy.expiry_change, moved(tenth, twentieth));
    assert_eq!(never.expiry_change, moved(twentieth, None));

    let grant = v1::GetGrantRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        grant_number: 1,
    };
    let found = server.grants().get_grant(grant).await.unwrap().into_inner().grant.unwrap();
    assert_eq!(found.expires_at, None);
    let late = server.grants().change_grant_expiry(change(1, None, "too late")).await.unwrap_err();
    assert_eq!(refusal(&late), (Code::FailedPrecondition, "GRANT_ENDED".to_owned()));
}

fn change_expiry(number: i32, expires_at: Option<&str>) -> Command {
    Command::ChangeGrantExpiry(ChangeGrantExpiry {
        grant: GrantNumber(number),
        expires_at: expires_at.map(|at| Timestamp::parse(at).unwrap()),
    })
}

fn new_grant(amount: &str, expires_at: &str) -> Command {
    Command::Grant(NewGrant {
        amount: PositiveAmount::parse(amount, Scale::MAX).unwrap(),
        effective_at: None,
        expires_at: Some(Timestamp::parse(expires_at).unwrap()),
        priority: Priority::DEFAULT,
        category: Category::adjustment(),
        cost_basis: CostBasis::ZERO,
        applies_to: std::collections::BTreeSet::new(),
        funding_ref: None,
    })
}
