//! The window `[effective_at, expires_at)` in which a grant can be spent.

use thiserror::Error;

use crate::Timestamp;

/// A half-open window: at `effective_at` the grant is there, at `expires_at` it is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    effective_at: Timestamp,
    expires_at: Option<Timestamp>,
}

/// A change of a window's end; `None`: it never ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpiryChange {
    /// When it ended before the change.
    pub from: Option<Timestamp>,
    /// When it ends after it.
    pub to: Option<Timestamp>,
}

/// The window ends before it starts, or where it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be after effective_at")]
pub struct WindowError;

impl Window {
    /// A window that is not empty. Without `expires_at` it never ends.
    pub fn new(
        effective_at: Timestamp,
        expires_at: Option<Timestamp>,
    ) -> Result<Self, WindowError> {
        if expires_at.is_some_and(|expires_at| expires_at <= effective_at) {
            return Err(WindowError);
        }
        Ok(Self { effective_at, expires_at })
    }

    /// A window that never ends.
    pub fn from(effective_at: Timestamp) -> Self {
        Self { effective_at, expires_at: None }
    }

    /// The same window with another end.
    pub fn ending(self, expires_at: Option<Timestamp>) -> Result<Self, WindowError> {
        Self::new(self.effective_at, expires_at)
    }

    /// The first instant inside.
    pub fn effective_at(self) -> Timestamp {
        self.effective_at
    }

    /// The first instant after it; `None`: it never ends.
    pub fn expires_at(self) -> Option<Timestamp> {
        self.expires_at
    }

    /// Whether the window has begun at `at`.
    pub fn has_begun(self, at: Timestamp) -> bool {
        self.effective_at <= at
    }

    /// Whether the window is over at `at`.
    pub fn is_over(self, at: Timestamp) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= at)
    }

    /// Whether `at` lies inside.
    pub fn contains(self, at: Timestamp) -> bool {
        self.has_begun(at) && !self.is_over(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_half_open() {
        let [start, end] = [10, 20].map(Timestamp::from_micros);
        let window = Window::new(start, Some(end)).unwrap();
        let inside: Vec<i64> =
            (8..23).filter(|at| window.contains(Timestamp::from_micros(*at))).collect();
        assert_eq!(inside, (10..20).collect::<Vec<_>>());
        assert_eq!(Window::new(end, Some(end)), Err(WindowError));
    }
}
