//! Runs work with a bounded number of callers.

use std::{
    panic,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::task::JoinSet;

/// Does `work` for each item, with up to `callers` at once. The first failure stops all of them.
pub async fn each<I, F, W, E>(callers: usize, items: I, work: F) -> Result<(), E>
where
    I: Iterator<Item: Send> + Send + 'static,
    F: Fn(I::Item) -> W + Clone + Send + 'static,
    W: Future<Output = Result<(), E>> + Send,
    E: Send + 'static,
{
    let items = Arc::new(Mutex::new(items));
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let (items, work) = (Arc::clone(&items), work.clone());
        tasks.spawn(async move {
            while let Some(item) = next(&items) {
                work(item).await?;
            }
            Ok(())
        });
    }
    while let Some(task) = tasks.join_next().await {
        match task {
            // Returning drops the set, which ends the other callers.
            Ok(outcome) => outcome?,
            Err(error) => panic::resume_unwind(error.into_panic()),
        }
    }
    Ok(())
}

/// In a function of its own, so that the lock is gone before the work begins.
fn next<I: Iterator>(items: &Mutex<I>) -> Option<I::Item> {
    items.lock().unwrap_or_else(PoisonError::into_inner).next()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[tokio::test]
    async fn each_item_is_done_once() {
        let sum = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&sum);
        let work = move |item: u64| {
            let sum = Arc::clone(&seen);
            async move {
                sum.fetch_add(item, Ordering::Relaxed);
                tokio::task::yield_now().await;
                Ok::<_, String>(())
            }
        };
        assert_eq!(each(8, 1..=1_000, work).await, Ok(()));
        assert_eq!(sum.load(Ordering::Relaxed), 500_500);
    }

    #[tokio::test]
    async fn the_first_failure_stops_all() {
        let work = |item: u64| async move {
            if item == 3 { Err(item) } else { std::future::pending().await }
        };
        assert_eq!(each(8, 1..=1_000_000, work).await, Err(3));
    }
}
