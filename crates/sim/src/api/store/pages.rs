//! Reads the store for the protocol: pages of a consistent list, and changes since a version.
use super::history::Logged;
use super::item::Item;
use super::{Inner, Store, key};
use crate::api::meta;
use crate::api::schema::registry::Resource;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, MutexGuard, PoisonError};
use tokio::sync::watch;

/// The objects of a resource to read.
pub struct PageQuery<'a> {
    pub ns: Option<&'a str>,
    /// Only keys after this one.
    pub after: Option<&'a str>,
    /// The version of the list; None is the current one.
    pub at: Option<u64>,
    /// The most objects.
    pub limit: usize,
    pub filter: &'a dyn Fn(&Item) -> bool,
}

/// A part of a list.
pub struct Page {
    /// The version of the list.
    pub rv: u64,
    pub items: Vec<Item>,
    /// The last key, if more objects follow.
    pub last: Option<String>,
    /// The number of objects after the last key, before filtering.
    pub remaining: usize,
}

/// The most changes returned at once, so that a watch far behind does not get all of them for each piece it
/// sends.
const BATCH: usize = 64;
/// The number of past lists that are cached, newest first.
const MOMENTS: usize = 4;

/// The objects of a resource at one version, in key order.
pub(in crate::api) struct Moment {
    resource: Box<str>,
    rv: u64,
    objects: Vec<(Box<str>, Item)>,
}

/// The history that a read needs is gone. The remaining history starts after this version.
#[derive(Debug, PartialEq)]
pub struct Compacted(pub u64);

impl Store {
    pub(in crate::api) fn item(&self, resource: &str, ns: &str, name: &str) -> Option<Item> {
        self.read().get(resource, ns, name).cloned()
    }

    /// The served resource with this group, version and plural.
    pub(in crate::api) fn served(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
        self.read().registry.find(group, version, plural).cloned()
    }

    pub(in crate::api) fn resources(&self) -> Vec<Arc<Resource>> {
        self.read().registry.all().cloned().collect()
    }

    /// The CustomResourceDefinition's definition of a resource's version.
    pub(in crate::api) fn definition(&self, def: &Resource) -> Option<Value> {
        let crd = self.get("customresourcedefinitions.apiextensions.k8s.io", "", &def.qualified())?;
        meta::items(&crd["spec"], "versions").find(|v| v["name"] == def.version.as_str()).cloned()
    }

    pub(in crate::api) fn page(&self, resource: &str, query: &PageQuery) -> Result<Page, Compacted> {
        let inner = self.read();
        let prefix = query.ns.map(|ns| key(ns, "")).unwrap_or_default();
        match query.at {
            Some(at) if at < inner.rv => {
                let moment = self.moment(&inner, resource, at)?;
                let start = match query.after {
                    Some(after) => moment.objects.partition_point(|(k, _)| &**k <= after),
                    None => moment.objects.partition_point(|(k, _)| **k < *prefix),
                };
                let all = moment.objects[start..].iter().map(|(k, item)| (&**k, item));
                let page = fill(at, &prefix, all, query);
                if page.last.is_none() {
                    self.moments().retain(|kept| !Arc::ptr_eq(kept, &moment));
                }
                Ok(page)
            }
            _ => {
                let start = query.after.map_or(Bound::Included(&*prefix), Bound::Excluded);
                let table = inner.tables.get(resource).into_iter();
                let all = table.flat_map(|t| t.objects.range::<str, _>((start, Bound::Unbounded)));
                Ok(fill(inner.rv, &prefix, all.map(|(k, item)| (&**k, item)), query))
            }
        }
    }

    fn moments(&self) -> MutexGuard<'_, VecDeque<Arc<Moment>>> {
        self.moments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The objects of a resource at `rv`. Cached for the next pages, because undoing all changes since `rv`
    /// for each page would cost more than the list.
    fn moment(&self, inner: &Inner, resource: &str, rv: u64) -> Result<Arc<Moment>, Compacted> {
        let mut kept = self.moments();
        if let Some(found) = kept.iter().find(|m| m.rv == rv && *m.resource == *resource) {
            return Ok(found.clone());
        }
        let undone = inner.undone(resource, rv)?;
        let live =
            inner.tables.get(resource).into_iter().flat_map(|t| t.objects.iter().map(|(k, v)| (&**k, v)));
        let live = live.filter(|(k, _)| !undone.contains_key(*k));
        let past = undone.iter().filter_map(|(k, v)| v.as_ref().map(|v| (&**k, v)));
        let objects = merge(live, past).map(|(k, item)| (k.into(), item.clone())).collect();
        let moment = Arc::new(Moment { resource: resource.into(), rv, objects });
        kept.truncate(MOMENTS - 1);
        kept.push_front(moment.clone());
        Ok(moment)
    }

    /// The next changes of a resource after `rv`, oldest first, and the version up to which they are
    /// complete.
    pub(in crate::api) fn since(
        &self,
        resource: &str,
        rv: u64,
    ) -> Result<(Vec<Arc<Logged>>, u64), Compacted> {
        let inner = self.read();
        let Some(table) = inner.tables.get(resource) else { return Ok((Vec::new(), inner.rv)) };
        let changes = table.history.since(rv).ok_or(Compacted(table.history.compacted()))?;
        let changes: Vec<_> = changes.take(BATCH).cloned().collect();
        let upto = changes.get(BATCH - 1).map_or(inner.rv, |last| last.rv);
        Ok((changes, upto))
    }

    /// Wakes when a resource changes.
    pub(in crate::api) fn follow(&self, resource: &Resource) -> watch::Receiver<u64> {
        self.write().tables.entry(resource.key.clone()).or_default().news.subscribe()
    }

    /// Drops the history of every resource, as after a restart.
    pub fn compact(&self) {
        let mut inner = self.write();
        let rv = inner.rv;
        for table in inner.tables.values_mut() {
            table.history.compact(rv);
        }
        self.moments().clear();
    }
}

/// Fills a page with the objects after its start.
fn fill<'a>(
    rv: u64,
    prefix: &str,
    all: impl Iterator<Item = (&'a str, &'a Item)>,
    query: &PageQuery,
) -> Page {
    let mut all = all.take_while(|(k, _)| k.starts_with(prefix));
    let mut page = Page { rv, items: Vec::new(), last: None, remaining: 0 };
    let mut last = "";
    for (k, item) in all.by_ref() {
        if !(query.filter)(item) {
            continue;
        }
        if page.items.len() == query.limit {
            page.last = Some(last.to_string());
            page.remaining = 1;
            break;
        }
        page.items.push(item.clone());
        last = k;
    }
    page.remaining += all.count();
    page
}

impl Inner {
    /// The objects that changed after `rv`, as they were at `rv`; None for those that did not exist.
    fn undone(&self, resource: &str, rv: u64) -> Result<BTreeMap<Box<str>, Option<Item>>, Compacted> {
        let mut undone = BTreeMap::new();
        if let Some(table) = self.tables.get(resource) {
            for change in table.history.since(rv).ok_or(Compacted(table.history.compacted()))? {
                undone.entry(change.item.key()).or_insert_with(|| change.old.clone());
            }
        }
        Ok(undone)
    }
}

/// Merges two sorted sequences without common keys.
fn merge<'a>(
    a: impl Iterator<Item = (&'a str, &'a Item)>,
    b: impl Iterator<Item = (&'a str, &'a Item)>,
) -> impl Iterator<Item = (&'a str, &'a Item)> {
    let (mut a, mut b) = (a.peekable(), b.peekable());
    std::iter::from_fn(move || match (a.peek(), b.peek()) {
        (Some((x, _)), Some((y, _))) if y < x => b.next(),
        (Some(_), _) => a.next(),
        _ => b.next(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::store::{DeleteOptions, Part};
    use crate::clock::SimClock;
    use serde_json::json;

    #[test]
    fn a_list_in_pages_shows_one_moment() {
        let store = Store::new(SimClock::manual("2026-11-21T01:00:00Z".parse().unwrap()));
        for name in ["a", "b", "c", "d"] {
            store.create("configmaps", "x", json!({"metadata": {"name": name}, "data": {"v": "1"}})).unwrap();
        }
        let page = |at, after: Option<&str>, limit| {
            let query = PageQuery { ns: Some("x"), after, at, limit, filter: &|_| true };
            store.page("configmaps", &query)
        };
        let first = page(None, None, 2).unwrap();
        assert_eq!((first.last.as_deref(), first.remaining), (Some("x/b"), 2));
        store.delete("configmaps", "x", "c", DeleteOptions::default()).unwrap();
        store.modify("configmaps", "x", "d", Part::Main, |v| v["data"]["v"] = json!("2")).unwrap();
        store.create("configmaps", "x", json!({"metadata": {"name": "bb"}})).unwrap();
        let rest = page(Some(first.rv), first.last.as_deref(), 10).unwrap();
        let seen: Vec<_> = rest
            .items
            .iter()
            .map(|i| (meta::name(&i.value()).to_string(), i.value()["data"]["v"].clone()))
            .collect();
        assert_eq!(seen, [("c".to_string(), json!("1")), ("d".to_string(), json!("1"))]);
        assert_eq!((rest.last, rest.rv), (None, first.rv));
        store.compact();
        assert_eq!(page(Some(first.rv), None, 10).err(), Some(Compacted(store.version())));
    }
}
