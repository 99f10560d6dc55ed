//! The scales of assets, which parsing an amount needs. They never change, so what was seen once is kept.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use purse_domain::{AssetCode, NamespaceId, Scale};
use purse_storage::Storage;
use tonic::Status;

use crate::status;

/// Most assets that are kept: far more than a tenant has, small in memory.
const MOST_KEPT: usize = 100_000;

/// Known scales.
#[derive(Debug)]
pub struct Assets {
    storage: Storage,
    known: RwLock<HashMap<(NamespaceId, AssetCode), Scale>>,
}

impl Assets {
    /// Knows none yet.
    pub fn new(storage: Storage) -> Self {
        Self { storage, known: RwLock::default() }
    }

    /// The scale of an asset as a request names it; `None`: there is no such asset, or it is no code.
    pub async fn scale(
        &self,
        namespace: NamespaceId,
        asset: &str,
    ) -> Result<Option<Scale>, Status> {
        let Ok(asset) = AssetCode::parse(asset) else { return Ok(None) };
        let id = (namespace, asset);
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).get(&id).copied();
        if known.is_some() {
            return Ok(known);
        }
        // Boxed, because every write would have room for this in its call, and hardly any does it.
        let found = Box::pin(self.storage.find_scale(namespace, &id.1)).await;
        let found = found.map_err(|error| status::storage(&error))?;
        if let Some(scale) = found {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            if known.len() < MOST_KEPT {
                known.insert(id, scale);
            }
        }
        Ok(found)
    }
}
