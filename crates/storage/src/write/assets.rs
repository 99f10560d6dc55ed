//! Assets, which come into being with their first wallet.

use postgres_types::ToSql;
use purse_domain::{Scale, Timestamp, WalletName};
use uuid::Uuid;

use super::together::Row;
use crate::row::Instant;

/// A row of `assets`. Two servers that make the same asset meet in its primary key.
#[derive(Debug, ToSql)]
#[postgres(name = "asset_row")]
pub(super) struct AssetRow {
    namespace_id: Uuid,
    asset: String,
    scale: i16,
    created_at: Instant,
}

impl Row for AssetRow {
    const STATEMENT: &'static str = "
        INSERT INTO assets (namespace_id, asset, scale, created_at)
        SELECT r.* FROM unnest($1::asset_row[]) AS r";
}

impl AssetRow {
    pub(super) fn new(name: &WalletName, scale: Scale, created_at: Timestamp) -> Self {
        Self {
            namespace_id: name.namespace_id.uuid(),
            asset: name.asset.as_str().to_owned(),
            scale: i16::from(scale.places()),
            created_at: Instant(created_at),
        }
    }
}
