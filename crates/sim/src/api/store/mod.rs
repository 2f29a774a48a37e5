//! The objects with their versions and history: etcd and the watch cache of this API server.

mod deletion;
pub(crate) mod expiry;
pub(in crate::api) mod history;
pub(in crate::api) mod item;
pub(in crate::api) mod pages;
pub(in crate::api) mod selector;
mod settle;

use crate::api::admission;
use crate::api::admission::defaults;
use crate::api::admission::validate;
use crate::api::meta;
use crate::api::meta::ids::Ids;
use crate::api::meta::status::Status;
use crate::api::schema::registry::{self, Registry, Resource};
use crate::api::schema::versions;
use crate::clock::{SimClock, rfc3339};
use history::{History, Logged};
use item::Item;
use pages::Moment;
use serde_json::Value;
use settle::{bump_generation, has_generation, settle};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::sync::{broadcast, watch};

pub use deletion::{DeleteOptions, Propagation};
pub use history::{Change, ChangeKind, Changes};
pub use item::Object;

/// How many changes a follower inside the process may lag before it must list again.
const FOLLOW_BUFFER: usize = 16 * 1024;

/// The part of an object that a write may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Everything except the status, if status is a subresource.
    Main,
    /// Only status.
    Status,
}

/// How an object is rewritten.
#[derive(Clone, Copy, Debug)]
pub(in crate::api) struct Rewrite {
    pub part: Part,
    pub dry_run: bool,
    /// The writer is part of the cluster, so the rules for users do not apply.
    pub trusted: bool,
}

/// The store. All calls are short and never wait for a reader.
pub struct Store {
    clock: SimClock,
    inner: RwLock<Inner>,
    followers: broadcast::Sender<Arc<Logged>>,
    /// The lists that are being read in pages.
    pub(in crate::api) moments: Mutex<VecDeque<Arc<Moment>>>,
}

/// The state behind the lock.
pub(in crate::api) struct Inner {
    pub rv: u64,
    pub registry: Registry,
    pub ids: Ids,
    pub tables: HashMap<Arc<str>, Table>,
}

/// The objects of one resource, in etcd's order.
pub(in crate::api) struct Table {
    pub objects: BTreeMap<Box<str>, Item>,
    pub history: History,
    /// Sends the version of the newest change.
    pub news: watch::Sender<u64>,
}

impl Default for Table {
    fn default() -> Self {
        Table { objects: BTreeMap::new(), history: History::default(), news: watch::Sender::new(0) }
    }
}

/// `namespace/name`, or `name` for cluster-scoped objects: the end of an etcd key.
pub(in crate::api) fn key(ns: &str, name: &str) -> Box<str> {
    if ns.is_empty() { name.into() } else { format!("{ns}/{name}").into() }
}

/// Serves the objects of a definition no more.
fn withdraw(inner: &mut Inner, definition: &Value) {
    let group = meta::text(definition, &["spec", "group"]);
    let plural = meta::text(definition, &["spec", "names", "plural"]);
    inner.registry.remove(|r| r.custom && r.group == group && r.plural == plural);
}

impl Inner {
    pub fn get(&self, resource: &str, ns: &str, name: &str) -> Option<&Item> {
        self.tables.get(resource)?.objects.get(&key(ns, name))
    }

    /// The objects of a resource, in one namespace or in all.
    pub fn range<'a>(
        &'a self,
        resource: &str,
        ns: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a str, &'a Item)> + use<'a> {
        let prefix = ns.map(|ns| format!("{ns}/")).unwrap_or_default();
        let start: Box<str> = prefix.as_str().into();
        let table = self.tables.get(resource);
        table
            .into_iter()
            .flat_map(move |t| t.objects.range(start.clone()..))
            .map(|(k, v)| (&**k, v))
            .take_while(move |(k, _)| k.starts_with(prefix.as_str()))
    }

    pub fn resource(&self, key: &str) -> Result<Arc<Resource>, Status> {
        self.registry.by_key(key).cloned().ok_or_else(Status::no_such_resource)
    }
}

impl Store {
    pub fn new(clock: SimClock) -> Arc<Store> {
        let seed = clock.now().as_nanosecond() as u64;
        Self::seeded(clock, seed)
    }

    /// A store with reproducible uids and generated names.
    pub fn seeded(clock: SimClock, seed: u64) -> Arc<Store> {
        let inner =
            Inner { rv: 0, registry: Registry::built_in(), ids: Ids::new(seed), tables: HashMap::new() };
        let (followers, _) = broadcast::channel(FOLLOW_BUFFER);
        Arc::new(Store { clock, inner: RwLock::new(inner), followers, moments: Mutex::default() })
    }

    pub fn clock(&self) -> &SimClock {
        &self.clock
    }

    pub(in crate::api) fn read(&self) -> RwLockReadGuard<'_, Inner> {
        // Objects are replaced in one step, so a panic leaves no half-written object.
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::api) fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The version of the newest change.
    pub fn version(&self) -> u64 {
        self.read().rv
    }

    /// `ns` is "" for cluster-scoped resources.
    pub fn get(&self, resource: &str, ns: &str, name: &str) -> Option<Object> {
        self.read().get(resource, ns, name).map(Item::value)
    }

    /// A secret that cannot be guessed from another one.
    pub(in crate::api) fn new_token(&self) -> String {
        let ids = &mut self.write().ids;
        format!("{}{}", ids.uid(), ids.uid()).replace('-', "")
    }

    /// All objects of a resource, in one namespace or everywhere, in key order.
    pub fn list(&self, resource: &str, ns: Option<&str>) -> Vec<Object> {
        let items: Vec<Item> = self.read().range(resource, ns).map(|(_, item)| item.clone()).collect();
        items.iter().map(Item::value).collect()
    }

    /// Every change from now on, in order.
    pub fn subscribe(&self) -> Changes {
        // Under the lock: otherwise a change could fall between this call and the caller's list.
        let _inner = self.read();
        Changes::new(self.followers.subscribe())
    }

    /// Creates an object like the API server: name, uid, version, defaults, admission.
    pub fn create(&self, resource: &str, ns: &str, object: Value) -> Result<Object, Status> {
        self.create_with(resource, ns, object, false)
    }

    /// [`Store::create`]; a dry run skips only the last step.
    pub(in crate::api) fn create_with(
        &self,
        resource: &str,
        ns: &str,
        object: Value,
        dry_run: bool,
    ) -> Result<Object, Status> {
        let mut inner = self.write();
        let def = inner.resource(resource)?;
        let value = self.prepare_new(&mut inner, &def, ns, object)?;
        if dry_run {
            return Ok(Arc::new(value));
        }
        Ok(self.commit(&mut inner, &def, None, value).value())
    }

    fn prepare_new(
        &self,
        inner: &mut Inner,
        def: &Resource,
        ns: &str,
        mut value: Value,
    ) -> Result<Value, Status> {
        if !def.stored() {
            return Err(Status::method_not_allowed());
        }
        value = versions::stored(value);
        let map = meta::object(&mut value);
        map.insert("apiVersion".into(), (&*def.api_version).into());
        map.insert("kind".into(), def.kind.as_str().into());
        let now = rfc3339(self.clock.now());
        let uid = inner.ids.uid();
        let suffix = inner.ids.suffix();
        let metadata = meta::metadata(&mut value);
        for key in
            ["resourceVersion", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds", "generation"]
        {
            metadata.remove(key);
        }
        metadata.insert("uid".into(), uid.into());
        metadata.insert("creationTimestamp".into(), now.into());
        if def.namespaced {
            metadata.insert("namespace".into(), ns.into());
        } else {
            metadata.remove("namespace");
        }
        if metadata.get("name").and_then(Value::as_str).unwrap_or_default().is_empty()
            && let Some(prefix) = metadata.get("generateName").and_then(Value::as_str)
        {
            let name = format!("{prefix}{suffix}");
            metadata.insert("name".into(), name.into());
        }
        if has_generation(def) {
            metadata.insert("generation".into(), 1.into());
        }
        let name = meta::name(&value);
        if inner.get(&def.key, ns, name).is_some() {
            return Err(Status::already_exists(&def.qualified(), name));
        }
        defaults::apply(&def.key, &mut value);
        admission::admit(inner, def, ns, &mut value)?;
        defaults::first(&def.key, &mut value);
        validate::created(def, &value)?;
        Ok(value)
    }

    /// Changes an object in place. `Part::Main` keeps the status and counts the generation if the spec
    /// changed; `Part::Status` changes only the status. A write without a change makes no new version. `f`
    /// runs under the store's lock and must not call the store.
    pub fn modify(
        &self,
        resource: &str,
        ns: &str,
        name: &str,
        part: Part,
        f: impl FnOnce(&mut Value),
    ) -> Result<Object, Status> {
        self.rewrite(resource, ns, name, Rewrite { part, dry_run: false, trusted: true }, |v| {
            f(v);
            Ok(())
        })
    }

    /// The common path of updates and patches: `f` makes the new version from the current one.
    pub(in crate::api) fn rewrite(
        &self,
        resource: &str,
        ns: &str,
        name: &str,
        how: Rewrite,
        f: impl FnOnce(&mut Value) -> Result<(), Status>,
    ) -> Result<Object, Status> {
        let mut inner = self.write();
        let def = inner.resource(resource)?;
        let old = inner.get(&def.key, ns, name).cloned();
        let old = old.ok_or_else(|| Status::not_found(&def.qualified(), name))?;
        let before = old.value();
        let mut after = (*before).clone();
        f(&mut after)?;
        settle(&def, &before, &mut after, how.part)?;
        if how.part == Part::Main && !how.trusted {
            // Asked before the write is found to change nothing.
            admission::webhooks::reachable(&inner, &def, "UPDATE", ns, &after)?;
        }
        if after == *before {
            return Ok(before);
        }
        if how.part == Part::Main && !how.trusted {
            defaults::apply(&def.key, &mut after);
            validate::updated(&def, &before, &after)?;
        }
        if how.dry_run {
            return Ok(Arc::new(after));
        }
        if deletion::finished(&after) {
            return Ok(self.erase(&mut inner, &def, &old, after).value());
        }
        Ok(self.commit(&mut inner, &def, Some(old), after).value())
    }

    /// Deletes like the API server: with a finalizer or a grace period, the object stays with a
    /// `deletionTimestamp`. Returns the object that stays; None if it was removed.
    pub fn delete(
        &self,
        resource: &str,
        ns: &str,
        name: &str,
        options: DeleteOptions,
    ) -> Result<Option<Object>, Status> {
        let mut inner = self.write();
        let def = inner.resource(resource)?;
        let old = inner.get(&def.key, ns, name).cloned();
        let old = old.ok_or_else(|| Status::not_found(&def.qualified(), name))?;
        let before = old.value();
        options.check(&def, &before)?;
        let Some(mut after) = deletion::mark(&def, &before, &options, self.clock.now()) else {
            if !options.dry_run {
                self.erase(&mut inner, &def, &old, (*before).clone());
            }
            return Ok(None);
        };
        if after == *before || options.dry_run {
            return Ok(Some(Arc::new(after)));
        }
        bump_generation(&mut after);
        Ok(Some(self.commit(&mut inner, &def, Some(old), after).value()))
    }

    /// Removes an object whose deletion is finished, as the kubelet does for a pod. It stays while finalizers
    /// hold it. A missing object is no error.
    pub fn remove(&self, resource: &str, ns: &str, name: &str) {
        let options = DeleteOptions { grace_period_seconds: Some(0), ..DeleteOptions::default() };
        let _ = self.delete(resource, ns, name, options);
    }

    /// Stores a new version under the next resource version and notifies watches.
    fn commit(&self, inner: &mut Inner, def: &Resource, old: Option<Item>, mut value: Value) -> Item {
        inner.rv += 1;
        meta::metadata(&mut value).insert("resourceVersion".into(), inner.rv.to_string().into());
        if def.plural == "customresourcedefinitions" {
            // A version that it declared before and does not serve any more goes.
            withdraw(inner, &value);
            for resource in registry::from_crd(&value) {
                inner.registry.put(resource);
            }
        }
        let at = key(meta::namespace(&value), meta::name(&value));
        let item = Item::new(value);
        let kind = if old.is_some() { ChangeKind::Modified } else { ChangeKind::Added };
        let table = inner.tables.entry(def.key.clone()).or_default();
        table.objects.insert(at, item.clone());
        self.announce(inner, &def.key, kind, item.clone(), old);
        item
    }

    /// Removes an object; its last version carries the version of the deletion.
    fn erase(&self, inner: &mut Inner, def: &Resource, old: &Item, mut last: Value) -> Item {
        inner.rv += 1;
        meta::metadata(&mut last).insert("resourceVersion".into(), inner.rv.to_string().into());
        if def.plural == "customresourcedefinitions" {
            withdraw(inner, &last);
        }
        let at = key(meta::namespace(&last), meta::name(&last));
        let item = Item::new(last);
        inner.tables.entry(def.key.clone()).or_default().objects.remove(&at);
        self.announce(inner, &def.key, ChangeKind::Deleted, item.clone(), Some(old.clone()));
        item
    }

    pub(in crate::api) fn announce(
        &self,
        inner: &mut Inner,
        resource: &Arc<str>,
        kind: ChangeKind,
        item: Item,
        old: Option<Item>,
    ) {
        let logged = Arc::new(Logged { rv: inner.rv, resource: resource.clone(), kind, item, old });
        let table = inner.tables.entry(resource.clone()).or_default();
        table.history.push(logged.clone());
        table.news.send_replace(inner.rv);
        // Fails only without followers.
        let _ = self.followers.send(logged);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn store() -> Arc<Store> {
        Store::new(SimClock::manual("2026-11-21T01:00:00Z".parse().unwrap()))
    }

    fn pod(name: &str, node: &str) -> Value {
        json!({"metadata": {"name": name}, "spec": {"nodeName": node, "containers": [{"name": "c", "image": "i"}]}})
    }

    #[test]
    fn create_makes_an_api_object() {
        let store = store();
        let mut changes = store.subscribe();
        let mut web = pod("", "");
        web["metadata"] = json!({"generateName": "web-"});
        let got = store.create("pods", "prod", web).unwrap();
        assert!(meta::name(&got).starts_with("web-") && meta::name(&got).len() == 9);
        assert_eq!((&got["kind"], &got["apiVersion"]), (&json!("Pod"), &json!("v1")));
        assert_eq!(got["metadata"]["creationTimestamp"], "2026-11-21T01:00:00Z");
        assert_eq!(got["metadata"]["generation"], 1);
        assert_eq!(got["metadata"]["resourceVersion"], "1");
        let change = changes.try_next().unwrap();
        assert_eq!((change.kind, change.rv, &*change.resource), (ChangeKind::Added, 1, "pods"));
        assert!(changes.try_next().is_none());
        let again = store.create("pods", "prod", (*got).clone()).unwrap_err();
        assert_eq!((again.code, again.reason), (409, "AlreadyExists"));
    }

    #[test]
    fn parts_keep_to_themselves_and_an_empty_write_is_no_version() {
        let store = store();
        let labels = json!({"app": "d"});
        let template =
            json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
        let spec = json!({"replicas": 1, "selector": {"matchLabels": labels}, "template": template});
        store.create("deployments.apps", "a", json!({"metadata": {"name": "d"}, "spec": spec})).unwrap();
        let got = store
            .modify("deployments.apps", "a", "d", Part::Main, |d| {
                d["spec"]["replicas"] = json!(2);
                d["status"] = json!({"replicas": 9});
                d["metadata"]["labels"] = json!({"x": "y"});
            })
            .unwrap();
        assert_eq!((&got["spec"]["replicas"], &got["status"]), (&json!(2), &json!({})));
        assert_eq!(got["metadata"]["generation"], 2);
        let got = store
            .modify("deployments.apps", "a", "d", Part::Status, |d| {
                d["spec"]["replicas"] = json!(7);
                d["status"] = json!({"replicas": 2});
            })
            .unwrap();
        assert_eq!((&got["spec"]["replicas"], &got["status"]["replicas"]), (&json!(2), &json!(2)));
        assert_eq!((&got["metadata"]["generation"], store.version()), (&json!(2), 3));
        store.modify("deployments.apps", "a", "d", Part::Main, |_| {}).unwrap();
        assert_eq!(store.version(), 3);
        let stale = store.modify("deployments.apps", "a", "d", Part::Main, |d| {
            d["metadata"]["resourceVersion"] = json!("1");
        });
        assert_eq!(stale.unwrap_err().code, 409);
    }

    #[test]
    fn pods_on_a_node_wait_for_their_kubelet_and_finalizers_hold() {
        let store = store();
        store.create("pods", "a", pod("bound", "n1")).unwrap();
        store.create("pods", "a", pod("pending", "")).unwrap();
        let mut held = pod("held", "n1");
        held["metadata"]["finalizers"] = json!(["example.com/hold"]);
        store.create("pods", "a", held).unwrap();

        let left = store.delete("pods", "a", "bound", DeleteOptions::default()).unwrap().unwrap();
        assert_eq!(left["metadata"]["deletionTimestamp"], "2026-11-21T01:00:30Z");
        assert_eq!(left["metadata"]["deletionGracePeriodSeconds"], 30);
        assert!(store.delete("pods", "a", "pending", DeleteOptions::default()).unwrap().is_none());
        store.remove("pods", "a", "bound");
        assert!(store.get("pods", "a", "bound").is_none());

        store.remove("pods", "a", "held");
        let got = store.get("pods", "a", "held").unwrap();
        assert_eq!(got["metadata"]["deletionGracePeriodSeconds"], 0);
        store
            .modify("pods", "a", "held", Part::Main, |p| {
                meta::metadata(p).remove("finalizers");
            })
            .unwrap();
        assert!(store.get("pods", "a", "held").is_none());
        assert_eq!(store.list("pods", None).len(), 0);
    }

    #[test]
    fn a_namespace_lists_its_own_objects_in_key_order() {
        let store = store();
        for (ns, name) in [("prod", "b"), ("prod-a", "x"), ("prod", "a"), ("dev", "z")] {
            store.create("pods", ns, pod(name, "")).unwrap();
        }
        let names = |ns| store.list("pods", ns).iter().map(|p| meta::name(p).to_string()).collect::<Vec<_>>();
        assert_eq!(names(Some("prod")), ["a", "b"]);
        // '-' sorts before '/', as in etcd.
        assert_eq!(names(None), ["z", "x", "a", "b"]);
    }
}
