//! Doing the same for many, many at a time, with a bar that shows how far it is.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinSet;

use crate::{api::ApiError, connection::Connection};

/// Does the same for each item, as many at a time as there are `workers`, which share the connections. Answers
/// in no order.
pub async fn each<I, T, W, F>(
    connections: &[Connection],
    workers: usize,
    what: &'static str,
    items: Arc<[I]>,
    work: W,
) -> Result<Vec<T>, ApiError>
where
    I: Clone + Send + Sync + 'static,
    T: Send + 'static,
    W: Fn(Connection, I) -> F + Clone + Send + 'static,
    F: Future<Output = Result<T, ApiError>> + Send,
{
    let progress = progress_bar(what, items.len());
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for connection in connections.iter().cycle().take(workers) {
        let (connection, next, work) = (connection.clone(), Arc::clone(&next), work.clone());
        let (items, progress) = (Arc::clone(&items), progress.clone());
        tasks.spawn(async move {
            let mut done = Vec::new();
            while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                done.push(work(connection.clone(), item.clone()).await?);
                progress.inc(1);
            }
            Ok::<Vec<T>, ApiError>(done)
        });
    }
    let mut all = Vec::with_capacity(items.len());
    while let Some(done) = tasks.join_next().await {
        all.extend(done??);
    }
    progress.finish_and_clear();
    Ok(all)
}

fn progress_bar(what: &'static str, length: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:>10} {wide_bar} {pos}/{len} {eta}")
        .expect("the template is a constant");
    ProgressBar::new(u64::try_from(length).unwrap_or(u64::MAX)).with_style(style).with_message(what)
}
