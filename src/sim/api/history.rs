//! What has changed, for watches that resume and for those who follow along.
use super::item::{Item, Object};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::broadcast;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    Added,
    Modified,
    Deleted,
    /// The reader was too slow and has missed changes: list again. Carries no object.
    Lagged,
}

/// One change, as told to those who follow the store from inside.
#[derive(Clone, Debug)]
pub struct Change {
    pub rv: u64,
    pub resource: Arc<str>,
    pub kind: ChangeKind,
    pub object: Object,
    pub old: Option<Object>,
}

/// One change as it is kept.
#[derive(Clone, Debug)]
pub struct Logged {
    pub rv: u64,
    pub resource: Arc<str>,
    pub kind: ChangeKind,
    pub item: Item,
    pub old: Option<Item>,
}

/// Every change after [`super::store::Store::subscribe`], in order.
pub struct Changes {
    rx: broadcast::Receiver<Arc<Logged>>,
}

impl Changes {
    pub(super) fn new(rx: broadcast::Receiver<Arc<Logged>>) -> Self {
        Changes { rx }
    }

    /// The next change if there is one already.
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

/// The last changes of one resource, oldest first. Bounded; all but the newest are kept as text.
#[derive(Debug, Default)]
pub struct History {
    log: VecDeque<Arc<Logged>>,
    /// Watches can resume after this version, not before it.
    compacted: u64,
}

/// Changes kept per resource. A watch that is further behind is answered 410.
const KEPT: usize = 4096;
/// Changes kept as trees, for the watches that are about to send them.
const HOT: usize = 64;

impl History {
    pub fn push(&mut self, change: Arc<Logged>) {
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
        if self.log.len() > KEPT
            && let Some(gone) = self.log.pop_front()
        {
            self.compacted = gone.rv;
        }
    }

    /// Forgets everything up to `rv`.
    pub fn compact(&mut self, rv: u64) {
        while self.log.front().is_some_and(|c| c.rv <= rv) {
            self.log.pop_front();
        }
        self.compacted = self.compacted.max(rv);
    }

    pub fn compacted(&self) -> u64 {
        self.compacted
    }

    /// The changes after `rv`, oldest first; None if some of them are forgotten.
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
        for rv in 1..=(KEPT as u64 + 10) {
            let item =
                Item::new(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": rv.to_string()}}));
            let change = Logged { rv, resource: "pods".into(), kind: ChangeKind::Added, item, old: None };
            history.push(Arc::new(change));
        }
        assert_eq!((history.log.len(), history.compacted()), (KEPT, 10));
        assert!(history.since(9).is_none());
        assert_eq!(history.since(10).unwrap().next().unwrap().rv, 11);
        assert!(matches!(history.log[0].item, Item::Cold(_)));
        history.compact(100);
        assert!(history.since(99).is_none());
        assert_eq!(history.since(100).unwrap().count(), KEPT - 90);
    }
}
