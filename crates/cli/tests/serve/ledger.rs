//! One wallet: the calls that tests make of it, and what must be true of its ledger.

use std::collections::BTreeMap;

use purse_client::{
    Client,
    v1::{
        CreateWalletRequest, Entry, EntryKind, GetBalanceRequest, GrantRequest, ListEntriesRequest,
        SpendRequest, SpendResponse, VerifyWalletRequest,
    },
};

pub const ACCOUNT: &str = "org:42";
pub const ASSET: &str = "credits";

/// Opens the wallet and grants credits that never expire.
pub async fn open(client: &Client, granted: u64) {
    let wallet = CreateWalletRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        idempotency_key: "open".to_owned(),
        ..CreateWalletRequest::default()
    };
    client.create_wallet(wallet).await.unwrap();
    let grant = GrantRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        amount: granted.to_string(),
        idempotency_key: "grant".to_owned(),
        ..GrantRequest::default()
    };
    client.grant(grant).await.unwrap();
}

/// A spend as its caller remembers it.
#[derive(Debug, Clone)]
pub struct Spend {
    pub key: String,
    pub amount: u64,
    /// `None`: it was never acknowledged.
    pub answer: Option<SpendResponse>,
}

impl Spend {
    /// One that was not answered yet.
    pub fn new(key: &str, amount: u64) -> Self {
        Self { key: key.to_owned(), amount, answer: None }
    }

    pub fn request(&self) -> SpendRequest {
        SpendRequest {
            account: ACCOUNT.to_owned(),
            asset: ASSET.to_owned(),
            amount: self.amount.to_string(),
            idempotency_key: self.key.clone(),
            ..SpendRequest::default()
        }
    }
}

pub fn balance_request() -> GetBalanceRequest {
    GetBalanceRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        ..GetBalanceRequest::default()
    }
}

pub async fn balance(client: &Client) -> String {
    client.get_balance(balance_request()).await.unwrap().balance.unwrap().balance
}

/// The whole ledger, oldest first.
async fn entries(client: &Client) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListEntriesRequest {
            account: ACCOUNT.to_owned(),
            asset: ASSET.to_owned(),
            page_size: 1_000,
            page_token,
            ..ListEntriesRequest::default()
        };
        let page = client.list_entries(request).await.unwrap();
        entries.extend(page.entries);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return entries;
        }
    }
}

/// Each of the spends is in the ledger exactly once, nothing else was spent, the ledger has no gap
/// (invariant 2), and the balance is what they leave of the grant.
pub async fn assert_holds_exactly(client: &Client, granted: u64, spends: &[Spend]) {
    let (account, asset) = (ACCOUNT.to_owned(), ASSET.to_owned());
    let found = client.verify_wallet(VerifyWalletRequest { account, asset }).await.unwrap();
    assert!(found.sound, "{found:?}");
    let ledger = entries(client).await;
    for (place, pair) in ledger.windows(2).enumerate() {
        assert_eq!(pair[1].sequence, pair[0].sequence + 1, "entry {place}");
        assert_eq!(pair[1].balance_before, pair[0].balance_after, "entry {place}");
    }

    let mut booked: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for entry in ledger.iter().filter(|entry| entry.kind() == EntryKind::Spent) {
        booked.entry(&entry.idempotency_key).or_default().push(&entry.amount);
    }
    let asked: BTreeMap<&str, Vec<String>> =
        spends.iter().map(|spend| (spend.key.as_str(), vec![spend.amount.to_string()])).collect();
    assert_eq!(asked.len(), spends.len(), "each spend has a key of its own");
    for (key, amounts) in &asked {
        assert_eq!(booked.get(key).map(Vec::as_slice).unwrap_or_default(), amounts, "{key}");
    }
    assert_eq!(booked.len(), asked.len(), "nothing else was spent");

    let spent: u64 = spends.iter().map(|spend| spend.amount).sum();
    assert_eq!(balance(client).await, (granted - spent).to_string());
    assert_eq!(ledger.last().unwrap().balance_after, (granted - spent).to_string());
}
