//! Futures that go on side by side; polled by hand, because nothing in a run has a waker.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

type Job<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Named futures; each is polled whenever the run is.
pub(super) struct SideBySide<T> {
    jobs: Vec<(String, Job<T>)>,
}

impl<T> Default for SideBySide<T> {
    fn default() -> SideBySide<T> {
        SideBySide { jobs: Vec::new() }
    }
}

impl<T> SideBySide<T> {
    pub(super) fn add(&mut self, name: String, job: impl Future<Output = T> + Send + 'static) {
        self.jobs.push((name, Box::pin(job)));
    }

    /// The next that ends; `None` once all have.
    pub(super) async fn next(&mut self) -> Option<(String, T)> {
        if self.jobs.is_empty() {
            return None;
        }
        let ended = poll_fn(|context| {
            for (i, (_, job)) in self.jobs.iter_mut().enumerate() {
                if let Poll::Ready(result) = job.as_mut().poll(context) {
                    return Poll::Ready((i, result));
                }
            }
            Poll::Pending
        })
        .await;
        let (name, _) = self.jobs.swap_remove(ended.0);
        Some((name, ended.1))
    }
}
