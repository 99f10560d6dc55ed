//! The catalog of a namespace: what it sells, each with its versions. It is read by key, changed seldom, and no spend
//! waits for it: whoever spends by a price brings what it came to.

use deadpool_postgres::{GenericClient, Transaction};
use purse_domain::{
    Actor, AssetCode, CatalogChange, CatalogItem, NamespaceId, Pack, Price, Reason, StaleItem,
    Timestamp, change_item,
};

use crate::{
    Storage, StorageError,
    row::{Columns, Instant, PackSnapshot, PriceSnapshot},
};

/// Something that a catalog holds.
pub trait Sellable: Clone + PartialEq + Send + Sync {
    /// Its kind, for ever.
    const KIND: i16;

    /// It as JSON.
    fn to_json(&self) -> Result<String, serde_json::Error>;

    /// It as it was kept.
    fn from_json(json: &str) -> Result<Self, StorageError>;
}

impl Sellable for Price {
    const KIND: i16 = 1;

    fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&PriceSnapshot::of(self))
    }

    fn from_json(json: &str) -> Result<Self, StorageError> {
        let read: Result<PriceSnapshot, _> = serde_json::from_str(json);
        read.map_err(|_| StorageError::Corrupt("a price".to_owned()))?.price()
    }
}

impl Sellable for Pack {
    const KIND: i16 = 2;

    fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&PackSnapshot::of(self))
    }

    fn from_json(json: &str) -> Result<Self, StorageError> {
        let read: Result<PackSnapshot, _> = serde_json::from_str(json);
        read.map_err(|_| StorageError::Corrupt("a pack".to_owned()))?.pack()
    }
}

/// What is sold, by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CatalogName {
    /// Who sells it.
    pub namespace_id: NamespaceId,
    /// For what.
    pub asset: AssetCode,
    /// Its own name.
    pub name: String,
}

/// Which part of a catalog to list.
#[derive(Debug, Clone)]
pub struct CatalogQuery {
    /// Whose.
    pub namespace_id: NamespaceId,
    /// Only for this asset.
    pub asset: Option<AssetCode>,
    /// Only what comes after this asset and name.
    pub after: Option<(String, String)>,
    /// At most this many.
    pub most: i64,
}

/// What became of a change.
#[derive(Debug, Clone)]
pub struct CatalogChanged<T> {
    /// What is there after it; `None`: there never was such a thing.
    pub item: Option<CatalogItem<T>>,
    /// Whether it was otherwise before.
    pub changed: bool,
}

/// The columns of [`item`].
macro_rules! item_columns {
    () => {
        "c.definition::TEXT AS definition,
         c.version,
         c.created_at,
         c.updated_at,
         c.actor,
         c.reason"
    };
}

const ITEM: &str = concat!(
    "SELECT ",
    item_columns!(),
    " FROM catalog AS c
      WHERE c.namespace_id = $1 AND c.kind = $2 AND c.asset = $3 AND c.name = $4"
);

const LOCKED_ITEM: &str = concat!(
    "SELECT ",
    item_columns!(),
    " FROM catalog AS c
      WHERE c.namespace_id = $1 AND c.kind = $2 AND c.asset = $3 AND c.name = $4
      FOR UPDATE"
);

const ITEMS: &str = concat!(
    "SELECT c.asset,
         c.name,",
    item_columns!(),
    " FROM catalog AS c
      WHERE c.namespace_id = $1
          AND c.kind = $2
          AND ($3::TEXT IS NULL OR c.asset = $3)
          AND (c.asset, c.name) > ($4, $5)
          AND c.definition IS NOT NULL
      ORDER BY c.asset, c.name
      LIMIT $6"
);

const CHANGES: &str = concat!(
    "SELECT ",
    item_columns!(),
    " FROM catalog_changes AS c
      WHERE c.namespace_id = $1 AND c.kind = $2 AND c.asset = $3 AND c.name = $4 AND c.version > $5
      ORDER BY c.version
      LIMIT $6"
);

/// A row to lock where there is none yet. It is gone again unless the change is written.
const PLACE: &str = "
    INSERT INTO catalog (namespace_id, kind, asset, name, version, created_at, updated_at, actor, reason)
    VALUES ($1, $2, $3, $4, 0, $5, $5, '', '')
    ON CONFLICT ON CONSTRAINT catalog_pkey DO NOTHING";

const CHANGE: &str = "
    WITH kept AS (
        INSERT INTO catalog_changes (namespace_id, kind, asset, name, definition, version, created_at,
            updated_at, actor, reason)
        VALUES ($1, $2, $3, $4, $5::TEXT::JSONB, $6, $7, $8, $9, $10)
    )
    UPDATE catalog
    SET definition = $5::TEXT::JSONB,
        version = $6,
        created_at = $7,
        updated_at = $8,
        actor = $9,
        reason = $10
    WHERE namespace_id = $1 AND kind = $2 AND asset = $3 AND name = $4";

impl Storage {
    /// What is sold under a name, also if it was deleted; `None`: there never was such a thing.
    pub async fn find_sold<T: Sellable>(
        &self,
        name: &CatalogName,
    ) -> Result<Option<CatalogItem<T>>, StorageError> {
        find(&self.reader().await?, ITEM, name).await
    }

    /// What is sold, by asset and name.
    pub async fn list_sold<T: Sellable>(
        &self,
        query: &CatalogQuery,
    ) -> Result<Vec<(CatalogName, CatalogItem<T>)>, StorageError> {
        let CatalogQuery { namespace_id, asset, after, most } = query;
        let client = self.reader().await?;
        let statement = client.prepare_cached(ITEMS).await?;
        let asset = asset.as_ref().map(AssetCode::as_str);
        let (after_asset, after_name) =
            after.as_ref().map_or(("", ""), |(asset, name)| (asset, name));
        let namespace = namespace_id.uuid();
        let rows = client
            .query(&statement, &[&namespace, &T::KIND, &asset, &after_asset, &after_name, most])
            .await?;
        rows.iter()
            .map(|row| {
                let mut columns = Columns::of(row);
                let asset = AssetCode::from_stored(columns.take()?);
                let name = columns.take()?;
                let name = CatalogName { namespace_id: *namespace_id, asset, name };
                Ok((name, item(&mut columns)?))
            })
            .collect()
    }

    /// The versions after one, oldest first.
    pub async fn list_versions<T: Sellable>(
        &self,
        name: &CatalogName,
        after: i64,
        most: i64,
    ) -> Result<Vec<CatalogItem<T>>, StorageError> {
        let client = self.reader().await?;
        let statement = client.prepare_cached(CHANGES).await?;
        let CatalogName { namespace_id, asset, name } = name;
        let (namespace, asset) = (namespace_id.uuid(), asset.as_str());
        let rows =
            client.query(&statement, &[&namespace, &T::KIND, &asset, &name, &after, &most]).await?;
        rows.iter().map(|row| item(&mut Columns::of(row))).collect()
    }

    /// Changes what is sold under a name, and keeps the change. A caller that goes away rolls it back.
    pub async fn change_sold<T: Sellable>(
        &self,
        name: &CatalogName,
        change: &CatalogChange<T>,
        validate_only: bool,
    ) -> Result<Result<CatalogChanged<T>, StaleItem>, StorageError> {
        let mut client = self.catalog_writer().await?;
        let transaction = client.transaction().await?;
        let clock = self.clock().now();
        make_place::<T>(&transaction, name, clock).await?;
        let before = find(&transaction, LOCKED_ITEM, name).await?;
        let after = match change_item(before.as_ref(), change, clock) {
            Ok(after) => after,
            Err(stale) => return Ok(Err(stale)),
        };
        let Some(after) = after else {
            return Ok(Ok(CatalogChanged { item: before, changed: false }));
        };
        if !validate_only {
            write(&transaction, name, &after).await?;
            transaction.commit().await?;
        }
        Ok(Ok(CatalogChanged { item: Some(after), changed: true }))
    }
}

async fn make_place<T: Sellable>(
    transaction: &Transaction<'_>,
    name: &CatalogName,
    clock: Timestamp,
) -> Result<(), StorageError> {
    let statement = transaction.prepare_cached(PLACE).await?;
    let CatalogName { namespace_id, asset, name } = name;
    let (namespace, asset) = (namespace_id.uuid(), asset.as_str());
    let at = Instant(clock);
    transaction.execute(&statement, &[&namespace, &T::KIND, &asset, &name, &at]).await?;
    Ok(())
}

async fn write<T: Sellable>(
    transaction: &Transaction<'_>,
    name: &CatalogName,
    item: &CatalogItem<T>,
) -> Result<(), StorageError> {
    let CatalogItem { definition, version, created_at, updated_at, actor, reason } = item;
    let json = definition.as_ref().map(T::to_json).transpose();
    let json = json.map_err(|_| StorageError::Corrupt("what is no JSON".to_owned()))?;
    let CatalogName { namespace_id, asset, name } = name;
    let statement = transaction.prepare_cached(CHANGE).await?;
    transaction
        .execute(
            &statement,
            &[
                &namespace_id.uuid(),
                &T::KIND,
                &asset.as_str(),
                &name,
                &json,
                version,
                &Instant(*created_at),
                &Instant(*updated_at),
                &actor.as_str(),
                &reason.as_str(),
            ],
        )
        .await?;
    Ok(())
}

async fn find<T: Sellable>(
    client: &impl GenericClient,
    statement: &str,
    name: &CatalogName,
) -> Result<Option<CatalogItem<T>>, StorageError> {
    let statement = client.prepare_cached(statement).await?;
    let CatalogName { namespace_id, asset, name } = name;
    let (namespace, asset) = (namespace_id.uuid(), asset.as_str());
    let row = client.query_opt(&statement, &[&namespace, &T::KIND, &asset, &name]).await?;
    let found = row.map(|row| item(&mut Columns::of(&row))).transpose()?;
    Ok(found.filter(|item: &CatalogItem<T>| item.version > 0))
}

fn item<T: Sellable>(columns: &mut Columns<'_>) -> Result<CatalogItem<T>, StorageError> {
    Ok(CatalogItem {
        definition: columns.take::<Option<&str>>()?.map(T::from_json).transpose()?,
        version: columns.take()?,
        created_at: columns.instant()?,
        updated_at: columns.instant()?,
        actor: Actor::from_stored(columns.take()?),
        reason: Reason::from_stored(columns.take()?),
    })
}
