//! The catalog: what a namespace sells, by asset and name. Each change has a version, and what was deleted keeps its
//! own, so that no version ever comes back.

use thiserror::Error;

use crate::{Actor, Reason, Timestamp};

/// Something of the catalog as it was last changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogItem<T> {
    /// What it is; `None`: it was deleted.
    pub definition: Option<T>,
    /// The number of its last change, from 1 on.
    pub version: i64,
    /// When it was first there.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Who changed it.
    pub actor: Actor,
    /// Why.
    pub reason: Reason,
}

/// What is to become of something of the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogChange<T> {
    /// What it is to be; `None`: it is to be deleted.
    pub definition: Option<T>,
    /// The version that it must have.
    pub expected_version: Option<i64>,
    /// Who asks.
    pub actor: Actor,
    /// Why.
    pub reason: Reason,
}

/// It has changed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("it has changed; its version is {version}")]
pub struct StaleItem {
    /// The version that it has; 0: there never was such a thing.
    pub version: i64,
}

/// What a change makes of it; `None`: it is so already, whatever version was expected. So a change that is repeated
/// because its answer was lost happens once.
pub fn change_item<T: Clone + PartialEq>(
    before: Option<&CatalogItem<T>>,
    change: &CatalogChange<T>,
    clock: Timestamp,
) -> Result<Option<CatalogItem<T>>, StaleItem> {
    let CatalogChange { definition, expected_version, actor, reason } = change;
    if before.and_then(|before| before.definition.as_ref()) == definition.as_ref() {
        return Ok(None);
    }
    let version = before.map_or(0, |before| before.version);
    if expected_version.is_some_and(|expected| expected != version) {
        return Err(StaleItem { version });
    }
    let now = before.map_or(clock, |before| clock.max(before.updated_at));
    Ok(Some(CatalogItem {
        definition: definition.clone(),
        version: version + 1,
        created_at: before.map_or(now, |before| before.created_at),
        updated_at: now,
        actor: actor.clone(),
        reason: reason.clone(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn change(definition: Option<u8>, expected_version: Option<i64>) -> CatalogChange<u8> {
        let (actor, reason) = (Actor::parse("ann").unwrap(), Reason::parse("").unwrap());
        CatalogChange { definition, expected_version, actor, reason }
    }

    #[test]
    fn each_change_has_its_version_and_none_comes_back() {
        let made = change_item(None, &change(Some(1), None), at(5)).unwrap().unwrap();
        assert_eq!((made.version, made.created_at), (1, at(5)));
        let gone = change_item(Some(&made), &change(None, Some(1)), at(6)).unwrap().unwrap();
        assert_eq!((gone.version, gone.definition), (2, None));
        let again = change_item(Some(&gone), &change(Some(1), None), at(4)).unwrap().unwrap();
        assert_eq!((again.version, again.created_at, again.updated_at), (3, at(5), at(6)));
    }

    #[test]
    fn what_is_so_already_is_not_changed_and_what_has_changed_is_stale() {
        let made = change_item(None, &change(Some(1), Some(0)), at(5)).unwrap().unwrap();
        assert_eq!(change_item(Some(&made), &change(Some(1), Some(0)), at(6)), Ok(None));
        let stale = change_item(Some(&made), &change(Some(2), Some(0)), at(6));
        assert_eq!(stale, Err(StaleItem { version: 1 }));
        assert_eq!(change_item(None, &change(None, None), at(6)), Ok(None));
    }
}
