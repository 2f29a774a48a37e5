//! The history of changes, for watches that resume and for followers inside the process.
use super::item::{Item, Object};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::broadcast;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    Added,
    Modified,
    Deleted,
    /// The reader was too slow and missed changes: list again. It carries no object.
    Lagged,
}

/// One change, as followers inside the process get it.
#[derive(Clone, Debug)]
pub struct Change {
    pub rv: u64,
    pub resource: Arc<str>,
    pub kind: ChangeKind,
    pub object: Object,
    pub old: Option<Object>,
}

/// One change in the history.
#[derive(Clone, Debug)]
pub struct Logged {
    pub rv: u64,
    pub resource: Arc<str>,
    pub kind: ChangeKind,
    pub item: Item,
    pub old: Option<Item>,
}

/// Every change after [`crate::api::store::Store::subscribe`], in order.
pub struct Changes {
    rx: broadcast::Receiver<Arc<Logged>>,
}

impl Changes {
    pub(in crate::api) fn new(rx: broadcast::Receiver<Arc<Logged>>) -> Self {
        Changes { rx }
    }

    /// The next change, if there is one already.
    pub fn try_next(&mut self) -> Option<Change> {
        match self.rx.try_recv() {
            Ok(logged) => Some(logged.change()),
            Err(broadcast::error::TryRecvError::Lagged(_)) => Some(lagged()),
            Err(_) => None,
        }
    }

    /// Waits for the next change; for ever once the store is gone.
    pub async fn next(&mut self) -> Change {
        match self.rx.recv().await {
            Ok(logged) => logged.change(),
            Err(broadcast::error::RecvError::Lagged(_)) => lagged(),
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

fn lagged() -> Change {
    Change { rv: 0, resource: "".into(), kind: ChangeKind::Lagged, object: Object::default(), old: None }
}

impl Logged {
    fn change(&self) -> Change {
        Change {
            rv: self.rv,
            resource: self.resource.clone(),
            kind: self.kind,
            object: self.item.value(),
            old: self.old.as_ref().map(Item::value),
        }
    }
}

/// The last changes of one resource, oldest first. Bounded; older ones are stored as text.
#[derive(Debug, Default)]
pub struct History {
    log: VecDeque<Arc<Logged>>,
    /// The size of the changes in bytes.
    bytes: usize,
    /// Watches can resume from later versions only.
    compacted: u64,
}

/// The most bytes of text for each resource. A watch further behind gets 410.
const KEPT_BYTES: usize = 24 << 20;
/// The most changes for each resource: more than a minute of a very busy cluster.
const KEPT: usize = 200_000;
/// The most changes stored as trees, for watches that are about to send them.
const HOT: usize = 64;

impl History {
    pub fn push(&mut self, change: Arc<Logged>) {
        self.bytes += change.item.weight();
        self.log.push_back(change);
        if let Some(at) = self.log.len().checked_sub(HOT + 1) {
            let hot = &self.log[at];
            let cold = Logged {
                item: hot.item.cold(),
                old: hot.old.as_ref().map(Item::cold),
                resource: hot.resource.clone(),
                ..**hot
            };
            self.log[at] = Arc::new(cold);
        }
        while self.log.len() > KEPT || (self.bytes > KEPT_BYTES && self.log.len() > HOT) {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some(gone) = self.log.pop_front() {
            self.bytes -= gone.item.weight();
            self.compacted = gone.rv;
        }
    }

    /// Drops all changes up to `rv`.
    pub fn compact(&mut self, rv: u64) {
        while self.log.front().is_some_and(|c| c.rv <= rv) {
            self.forget_first();
        }
        self.compacted = self.compacted.max(rv);
    }

    pub fn compacted(&self) -> u64 {
        self.compacted
    }

    /// The changes after `rv`, oldest first; None if some of them were dropped.
    pub fn since(&self, rv: u64) -> Option<impl DoubleEndedIterator<Item = &Arc<Logged>>> {
        let from = self.log.partition_point(|c| c.rv <= rv);
        (rv >= self.compacted).then(|| self.log.range(from..))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn history_is_bounded_and_says_what_it_has_forgotten() {
        let mut history = History::default();
        // Each change weighs 64 KiB, so that 384 of them fill the history.
        let ballast = "x".repeat(64 << 10);
        for rv in 1..=500 {
            let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": ballast}});
            let change = Logged {
                rv,
                resource: "pods".into(),
                kind: ChangeKind::Added,
                item: Item::new(object),
                old: None,
            };
            history.push(Arc::new(change));
        }
        let first = history.compacted() + 1;
        assert!((100..200).contains(&first), "{first}");
        assert!(history.since(first - 2).is_none());
        assert_eq!(history.since(first - 1).unwrap().next().unwrap().rv, first);
        assert!(matches!(history.log[0].item, Item::Cold(_)));
        history.compact(490);
        assert!(history.since(489).is_none());
        assert_eq!(history.since(490).unwrap().count(), 10);
    }
}
