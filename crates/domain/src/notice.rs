//! What a wallet wants to be told of: when its balance is low, and when credits expire soon.
//!
//! An entry never depends on these. They only add events, and instants at which an event is due.

use thiserror::Error;

use crate::{Grant, Period, PositiveAmount, Scale, Timestamp};

/// The amounts below which a balance is low: distinct, rising.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Thresholds(Vec<PositiveAmount>);

/// How long before a grant expires it is announced: distinct, the longest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeadTimes(Vec<Period>);

/// Why a list is no such setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoticesError {
    /// More than there may be.
    #[error("must not be more than {most}")]
    TooMany {
        /// The most.
        most: usize,
    },
    /// One of them is there twice.
    #[error("must be distinct")]
    NotDistinct,
}

impl Thresholds {
    /// As many as a plan has warning levels, and some more; [`Lows`](crate::Lows) has a bit for each.
    pub const MOST: usize = 16;

    /// These amounts, in any order.
    pub fn new(mut amounts: Vec<PositiveAmount>) -> Result<Self, NoticesError> {
        amounts.sort_unstable_by_key(|amount| amount.get());
        check(&amounts, Self::MOST)?;
        Ok(Self(amounts))
    }

    /// The amounts, the lowest first.
    pub fn as_slice(&self) -> &[PositiveAmount] {
        &self.0
    }

    /// Whether none has more decimal places than the scale.
    pub fn fit(&self, scale: Scale) -> bool {
        self.0.iter().all(|amount| amount.get().fits(scale))
    }
}

impl LeadTimes {
    /// A week, a day and an hour before, and one to spare.
    pub const MOST: usize = 4;

    /// These periods, in any order.
    pub fn new(mut periods: Vec<Period>) -> Result<Self, NoticesError> {
        periods.sort_unstable();
        periods.reverse();
        check(&periods, Self::MOST)?;
        Ok(Self(periods))
    }

    /// The periods, the longest first.
    pub fn as_slice(&self) -> &[Period] {
        &self.0
    }

    /// When a grant is to be announced as expiring soon, with the lead: that long before it expires, but not
    /// before it was granted and is effective.
    pub fn announcements<'a>(
        &'a self,
        grant: &Grant,
    ) -> impl Iterator<Item = (Timestamp, Period)> + 'a {
        let begins_at = grant.terms.window.effective_at().max(grant.granted_at);
        let expires_at = grant.terms.window.expires_at();
        let leads = expires_at.into_iter().flat_map(|at| self.0.iter().map(move |lead| (at, lead)));
        leads.map(move |(at, lead)| (at.plus_micros(-lead.micros()).max(begins_at), *lead))
    }
}

/// `sorted` has no more than `most`, all of them distinct.
fn check<T: PartialEq>(sorted: &[T], most: usize) -> Result<(), NoticesError> {
    if sorted.len() > most {
        Err(NoticesError::TooMany { most })
    } else if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        Err(NoticesError::NotDistinct)
    } else {
        Ok(())
    }
}
