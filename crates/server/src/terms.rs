//! What a request to take credits is parsed by: the scale of its asset and, if it gives quantities instead of an
//! amount, the price of its operation.
//!
//! Prices change seldom and are read on every such spend, so a server keeps those that it used, for as long as
//! [`MOST_AGE`]. It never keeps that there is none, so a new operation is there at once.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use purse_domain::{
    AssetCode, CatalogItem, NamespaceId, OperationName, Pack, PackName, Price, Scale,
};
use purse_storage::{CatalogName, Storage};
use tokio::time::Instant;
use tonic::Status;

use crate::{assets::Assets, status};

/// How old a price may be that is spent by. Of thousands of spends a second one reads it, and whoever changed it need
/// not wait for long until it holds on every server.
pub const MOST_AGE: Duration = Duration::from_secs(1);
/// Most prices that are kept: more than a catalog has, at some hundred bytes each.
const MOST_KEPT: usize = 10_000;

/// What a request is parsed by.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// The asset's scale; `None`: there is no such asset.
    pub scale: Option<Scale>,
    /// The operation as the catalog has it, if it has a price and that is asked for.
    pub operation: Option<Arc<CatalogItem<Price>>>,
}

/// Which terms a request needs.
#[derive(Debug, Clone, Copy)]
pub struct TermsOf<'a> {
    /// The asset that it names.
    pub asset: &'a str,
    /// The amount that it gives; empty: its operation's price is needed.
    pub amount: &'a str,
    /// The operation that it names.
    pub operation: &'a str,
}

/// The terms of what callers ask for.
#[derive(Debug)]
pub struct TermsBook {
    assets: Assets,
    storage: Storage,
    known: RwLock<HashMap<CatalogName, Known>>,
}

#[derive(Debug)]
struct Known {
    since: Instant,
    operation: Arc<CatalogItem<Price>>,
}

impl TermsBook {
    /// Knows none yet.
    pub fn new(storage: Storage) -> Self {
        Self { assets: Assets::new(storage.clone()), storage, known: RwLock::default() }
    }

    /// The scale of an asset, if there is such an asset.
    pub async fn scale(
        &self,
        namespace: NamespaceId,
        asset: &str,
    ) -> Result<Option<Scale>, Status> {
        self.assets.scale(namespace, asset).await
    }

    /// The terms of a request.
    pub async fn terms(&self, namespace: NamespaceId, of: TermsOf<'_>) -> Result<Terms, Status> {
        let TermsOf { asset, amount, operation } = of;
        let scale = self.scale(namespace, asset).await?;
        let operation = match (amount, AssetCode::parse(asset), OperationName::parse(operation)) {
            ("", Ok(asset), Ok(name)) => {
                let name = name.as_str().to_owned();
                self.operation(CatalogName { namespace_id: namespace, asset, name }).await?
            }
            // It needs none, or parsing will say what is wrong.
            (_, Ok(_) | Err(_), Ok(_) | Err(_)) => None,
        };
        Ok(Terms { scale, operation })
    }

    /// A pack as the catalog has it now. A purchase is seldom, and reads it.
    pub async fn pack(
        &self,
        namespace: NamespaceId,
        asset: &str,
        pack: &str,
    ) -> Result<Option<CatalogItem<Pack>>, Status> {
        // Parsing will say what is wrong.
        let (Ok(asset), Ok(name)) = (AssetCode::parse(asset), PackName::parse(pack)) else {
            return Ok(None);
        };
        let name = CatalogName { namespace_id: namespace, asset, name: name.as_str().to_owned() };
        let found = self.storage.find_sold::<Pack>(&name).await;
        found.map_err(|error| status::storage(&error))
    }

    async fn operation(
        &self,
        name: CatalogName,
    ) -> Result<Option<Arc<CatalogItem<Price>>>, Status> {
        let asked = Instant::now();
        let is_fresh = |known: &&Known| asked.duration_since(known.since) < MOST_AGE;
        if let Some(known) =
            self.known.read().unwrap_or_else(PoisonError::into_inner).get(&name).filter(is_fresh)
        {
            return Ok(Some(Arc::clone(&known.operation)));
        }
        // Boxed: see the scales of assets.
        let found = Box::pin(self.storage.find_sold::<Price>(&name)).await;
        let found = found.map_err(|error| status::storage(&error))?;
        let Some(operation) = found.filter(|item| item.definition.is_some()).map(Arc::new) else {
            self.forget(&name);
            return Ok(None);
        };
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_KEPT {
            known.retain(|_, known| asked.duration_since(known.since) < MOST_AGE);
        }
        // Two reads may end in the other order than they began.
        let is_newer = |known: &Known| known.operation.version > operation.version;
        if known.len() < MOST_KEPT && !known.get(&name).is_some_and(is_newer) {
            let kept = Known { since: asked, operation: Arc::clone(&operation) };
            known.insert(name, kept);
        }
        Ok(Some(operation))
    }

    /// Forgets a price that has just changed, so that this server has the new one at once.
    pub fn forget(&self, name: &CatalogName) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}
