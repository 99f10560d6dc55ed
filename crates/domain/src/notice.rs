//! What a wallet wants to be told of: when its balance is low, and when credits expire soon.
//!
//! An entry never depends on these. They only add events, and instants at which an event is due.

use thiserror::Error;

use crate::{ExpiryChange, Grant, Period, PositiveAmount, Scale, Timestamp};

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

    /// When a grant is to be announced as expiring soon, with the lead.
    pub fn announcements<'a>(
        &'a self,
        grant: &Grant,
    ) -> impl Iterator<Item = (Timestamp, Period)> + 'a {
        let (begins_at, expires_at) = (begins_at(grant), grant.window.expires_at());
        let at = move |lead: Period| Some((announced_at(begins_at, expires_at?, lead), lead));
        self.0.iter().copied().filter_map(at)
    }

    /// The leads whose instant was still ahead before a grant got another end, and is not any more.
    pub fn overtaken<'a>(
        &'a self,
        grant: &Grant,
        change: ExpiryChange,
        now: Timestamp,
    ) -> impl Iterator<Item = Period> + 'a {
        let begins_at = begins_at(grant);
        let is_ahead = move |expires_at: Option<Timestamp>, lead: Period| {
            expires_at.is_none_or(|at| announced_at(begins_at, at, lead) > now)
        };
        let overtaken =
            move |lead: &Period| is_ahead(change.from, *lead) && !is_ahead(change.to, *lead);
        self.0.iter().copied().filter(overtaken)
    }
}

/// When a grant can be spent first.
fn begins_at(grant: &Grant) -> Timestamp {
    grant.window.effective_at().max(grant.granted_at)
}

/// The lead's length before the end, but not before the grant can be spent.
fn announced_at(begins_at: Timestamp, expires_at: Timestamp, lead: Period) -> Timestamp {
    expires_at.plus_micros(-lead.micros()).max(begins_at)
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
