//! Wallets by name.

use purse_domain::{
    AccountName, AssetCode, NamespaceId, Scale, TopUps, WalletName, WalletSettings,
};

use crate::{
    Storage, StorageError,
    row::{self, Columns, settings_columns},
};

const WALLETS: &str = concat!(
    "SELECT w.account,
         w.asset,",
    settings_columns!(),
    " FROM wallets AS w
      WHERE w.namespace_id = $1
          AND ($2::TEXT IS NULL OR w.account = $2)
          AND ($3::TEXT IS NULL OR w.asset = $3)
          AND (w.account, w.asset) > ($4, $5)
      ORDER BY w.account, w.asset
      LIMIT $6"
);

const SCALE: &str = "
    SELECT a.scale
    FROM assets AS a
    WHERE a.namespace_id = $1 AND a.asset = $2";

/// Which wallets to list.
#[derive(Debug, Clone)]
pub struct WalletQuery {
    /// The namespace.
    pub namespace_id: NamespaceId,
    /// Only this account's.
    pub account: Option<AccountName>,
    /// Only of this asset.
    pub asset: Option<AssetCode>,
    /// Only those after this account and asset.
    pub after: Option<(String, String)>,
    /// At most this many.
    pub most: i64,
}

impl Storage {
    /// A wallet's settings.
    pub async fn find_wallet(
        &self,
        name: &WalletName,
    ) -> Result<Option<WalletSettings>, StorageError> {
        let client = self.reader().await?;
        let state = super::wallet(&client, name).await?;
        Ok(state.map(|state| WalletSettings::clone(&state.settings)))
    }

    /// A wallet's settings, and what it asked for as of its last transaction.
    pub async fn find_top_ups(
        &self,
        name: &WalletName,
    ) -> Result<Option<(WalletSettings, TopUps)>, StorageError> {
        let client = self.reader().await?;
        let state = super::wallet(&client, name).await?;
        Ok(state.map(|state| (WalletSettings::clone(&state.settings), state.head.top_ups)))
    }

    /// Wallets by account and asset.
    pub async fn list_wallets(
        &self,
        query: &WalletQuery,
    ) -> Result<Vec<WalletSettings>, StorageError> {
        let WalletQuery { namespace_id, account, asset, after, most } = query;
        let client = self.reader().await?;
        let statement = client.prepare_cached(WALLETS).await?;
        let account = account.as_ref().map(AccountName::as_str);
        let asset = asset.as_ref().map(AssetCode::as_str);
        let (after_account, after_asset) =
            after.as_ref().map_or(("", ""), |(account, asset)| (account, asset));
        let rows = client
            .query(
                &statement,
                &[&namespace_id.uuid(), &account, &asset, &after_account, &after_asset, most],
            )
            .await?;
        rows.iter()
            .map(|row| {
                let mut columns = Columns::of(row);
                let account = AccountName::from_stored(columns.take()?);
                let asset = AssetCode::from_stored(columns.take()?);
                row::settings(&mut columns, WalletName::new(*namespace_id, account, asset))
            })
            .collect()
    }

    /// The scale of an asset, which never changes once there is one.
    pub async fn find_scale(
        &self,
        namespace_id: NamespaceId,
        asset: &AssetCode,
    ) -> Result<Option<Scale>, StorageError> {
        let client = self.reader().await?;
        let statement = client.prepare_cached(SCALE).await?;
        let row = client.query_opt(&statement, &[&namespace_id.uuid(), &asset.as_str()]).await?;
        row.map(|row| row::scale(Columns::of(&row).take()?)).transpose()
    }
}
