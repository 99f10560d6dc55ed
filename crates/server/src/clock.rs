//! The real clock, the test clock and the real source of ids. Only here is the time read and chance used.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use purse_domain::{Timestamp, TransactionId};
use purse_storage::{Clock, IdSource};
use uuid::{NoContext, Uuid};

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the clock that is injected elsewhere")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

/// A clock that stands still until it is told otherwise.
#[derive(Debug)]
pub struct TestClock(AtomicI64);

impl TestClock {
    /// A clock that shows `now`.
    pub fn new(now: Timestamp) -> Self {
        Self(AtomicI64::new(now.micros()))
    }

    /// Sets it, forwards or backwards.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.micros(), Ordering::SeqCst);
    }

    /// Moves it forwards and answers what it shows then.
    pub fn advance(&self, micros: i64) -> Timestamp {
        let before = self.0.fetch_add(micros, Ordering::SeqCst);
        Timestamp::from_micros(before).plus_micros(micros)
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// Random ids.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomIds;

impl RandomIds {
    /// Any place among all ids.
    #[allow(clippy::disallowed_methods, reason = "this is the source that is injected elsewhere")]
    pub fn place(self) -> u128 {
        Uuid::new_v4().as_u128()
    }
}

impl IdSource for RandomIds {
    fn transaction_id(&self, at: Timestamp) -> TransactionId {
        let (seconds, nanos) = at.parts();
        let seconds = u64::try_from(seconds).unwrap_or(0);
        let nanos = u32::try_from(nanos).unwrap_or(0);
        let dated = uuid::Timestamp::from_unix(NoContext, seconds, nanos);
        TransactionId::from_uuid(Uuid::new_v7(dated))
    }
}
