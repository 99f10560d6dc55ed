//! Assets, which come into being with their first wallet.

use purse_domain::{Scale, Timestamp, WalletName};
use uuid::Uuid;

use super::columns::columns;
use crate::row::Instant;

columns!(
    /// Rows of `assets`. Two servers that make the same asset meet in its primary key.
    Assets,
    "INSERT INTO assets (namespace_id, asset, scale, created_at)
     SELECT *
     FROM unnest($1::UUID[], $2::TEXT[], $3::SMALLINT[], $4::TIMESTAMPTZ[])",
    {
        namespace_id: Uuid,
        asset: String,
        scale: i16,
        created_at: Instant,
    }
);

impl Assets {
    pub(super) fn add(&mut self, name: &WalletName, scale: Scale, created_at: Timestamp) {
        self.namespace_id.push(name.namespace_id.uuid());
        self.asset.push(name.asset.as_str().to_owned());
        self.scale.push(i16::from(scale.places()));
        self.created_at.push(Instant(created_at));
    }
}
