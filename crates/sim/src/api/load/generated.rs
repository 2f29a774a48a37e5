//! Stores generated objects, changes them and removes them.
use super::item;
use super::made::Made;
use crate::api::store::Store;
use crate::api::store::history::ChangeKind;
use crate::api::store::item::Item;
use std::sync::Arc;

impl Store {
    /// Stores generated objects without notifying watches, as if they had always existed.
    pub(in crate::api) fn put_all(&self, resource: &str, all: &mut [Made]) {
        let mut inner = self.write();
        for made in all {
            inner.rv += 1;
            made.rv = inner.rv;
            let table = inner.tables.entry(resource.into()).or_default();
            table.objects.insert(made.key(), item(made));
        }
        let rv = inner.rv;
        inner.tables.entry(resource.into()).or_default().history.compact(rv);
    }

    /// Stores a new version of a generated object, unless a user has changed or deleted it.
    pub(in crate::api) fn renew(&self, resource: &str, made: &mut Made) {
        let is_ours = {
            let inner = self.read();
            let objects = inner.tables.get(resource).map(|t| &t.objects);
            matches!(objects.and_then(|o| o.get(&made.key())), Some(Item::Made(_)))
        };
        if is_ours {
            self.put(resource, made);
        }
    }

    /// Stores a new version of a generated object and notifies watches.
    pub(in crate::api) fn put(&self, resource: &str, made: &mut Made) {
        let mut inner = self.write();
        inner.rv += 1;
        made.rv = inner.rv;
        let item = item(made);
        let table = inner.tables.entry(resource.into()).or_default();
        let old = table.objects.insert(made.key(), item.clone());
        let kind = if old.is_some() { ChangeKind::Modified } else { ChangeKind::Added };
        self.announce(&mut inner, &resource.into(), kind, item, old);
    }

    /// Removes a generated object. A missing one is no error.
    pub(in crate::api) fn take(&self, resource: &str, at: &str) {
        let mut inner = self.write();
        let table = inner.tables.entry(resource.into()).or_default();
        let Some(old) = table.objects.remove(at) else { return };
        inner.rv += 1;
        let last = match &old {
            Item::Made(made) => Item::Made(Arc::new(Made { rv: inner.rv, ..(**made).clone() })),
            other => other.clone(),
        };
        self.announce(&mut inner, &resource.into(), ChangeKind::Deleted, last, Some(old));
    }
}
