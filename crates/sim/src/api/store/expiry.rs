//! Removes events an hour after their last write, like a real server's `--event-ttl`.
use super::Store;
use crate::api::meta;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::sync::Arc;

const TTL: SignedDuration = SignedDuration::from_hours(1);
/// How often expired events are removed.
const SWEEP: SignedDuration = SignedDuration::from_mins(1);

/// Removes expired events for ever, by the cluster's time.
pub async fn run(store: Arc<Store>) {
    loop {
        // True time: etcd's leases run on while the server's clock is wrong.
        let now = store.clock().true_now();
        sweep(&store, now);
        store.clock().sleep_until_true(now.checked_add(SWEEP).unwrap_or(now)).await;
    }
}

fn sweep(store: &Store, now: Timestamp) {
    for event in store.list("events", None) {
        if last_written(&event).is_some_and(|at| now.duration_since(at) > TTL) {
            store.remove("events", meta::namespace(&event), meta::name(&event));
        }
    }
}

/// The newest time in an event. A repeated event carries the time it was last seen.
fn last_written(event: &Value) -> Option<Timestamp> {
    let times = [
        &event["metadata"]["creationTimestamp"],
        &event["eventTime"],
        &event["lastTimestamp"],
        &event["series"]["lastObservedTime"],
    ];
    times.into_iter().filter_map(|time| time.as_str()?.parse().ok()).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SimClock;
    use serde_json::json;
    use std::time::Duration;

    #[tokio::test]
    async fn events_live_an_hour_from_their_last_writing() {
        let clock = SimClock::manual("2026-11-21T01:00:00Z".parse().unwrap());
        let store = Store::new(clock.clone());
        let mut changes = store.subscribe();
        let event = |name: &str, last: &str| json!({"metadata": {"name": name}, "lastTimestamp": last});
        store.create("events", "a", event("once", "2026-11-21T01:00:00Z")).unwrap();
        store.create("events", "a", event("again", "2026-11-21T01:40:00Z")).unwrap();
        let task = tokio::spawn(run(store.clone()));
        for _ in 0..2 {
            changes.next().await;
        }
        clock.advance(Duration::from_secs(61 * 60));
        assert_eq!(meta::name(&changes.next().await.object), "once");
        assert!(store.get("events", "a", "again").is_some());
        task.abort();
    }
}
