//! How a wallet is named, and the ids that follow from the name.

use crate::{AccountId, AccountName, AssetCode, NamespaceId, WalletId};

/// A wallet's name within its namespace, with the ids that follow from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalletName {
    /// The tenant's environment.
    pub namespace_id: NamespaceId,
    /// The holder's id.
    pub account_id: AccountId,
    /// The wallet's id.
    pub wallet_id: WalletId,
    /// The holder.
    pub account: AccountName,
    /// What is counted.
    pub asset: AssetCode,
}

impl WalletName {
    /// Names the wallet of an account and an asset.
    pub fn new(namespace_id: NamespaceId, account: AccountName, asset: AssetCode) -> Self {
        let account_id = AccountId::of(namespace_id, &account);
        let wallet_id = WalletId::of(account_id, &asset);
        Self { namespace_id, account_id, wallet_id, account, asset }
    }
}
