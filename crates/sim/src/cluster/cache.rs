//! The controllers' cache: all objects by kind, with indexes by owner, node and namespace.
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::api::store::{Change, ChangeKind, Object};

use super::object::{self, Key};

/// Resources that no controller reconciles. Caching them would waste memory.
const IGNORED: [&str; 2] = ["events", "leases.coordination.k8s.io"];

#[derive(Default)]
pub struct Cache {
    kinds: HashMap<Arc<str>, BTreeMap<Key, Object>>,
    /// Dependents by owner uid, with their resource.
    owned: HashMap<String, BTreeSet<(Arc<str>, Key)>>,
    by_node: HashMap<String, BTreeSet<Key>>,
    uids: HashMap<String, (Arc<str>, Key)>,
}

impl Cache {
    /// Applies a change, except to events and leases.
    pub fn apply(&mut self, change: &Change) {
        if IGNORED.contains(&&*change.resource) {
            return;
        }
        let key = Key::of(&change.object);
        let gone = matches!(change.kind, ChangeKind::Deleted);
        let kind = self.kinds.entry(change.resource.clone()).or_default();
        let old = if gone { kind.remove(&key) } else { kind.insert(key.clone(), change.object.clone()) };
        if let Some(old) = &old {
            let same = !gone
                && old["metadata"]["ownerReferences"] == change.object["metadata"]["ownerReferences"]
                && old.pointer("/spec/nodeName") == change.object.pointer("/spec/nodeName")
                && object::uid(old) == object::uid(&change.object);
            if same {
                return;
            }
            self.unindex(&change.resource, &key, old);
        }
        if !gone {
            self.index(&change.resource, &key, &change.object);
        }
    }

    fn index(&mut self, resource: &Arc<str>, key: &Key, object: &Object) {
        self.uids.insert(object::uid(object).to_owned(), (resource.clone(), key.clone()));
        for owner in object::list(object, "/metadata/ownerReferences") {
            let owner = object::text(owner, "/uid").to_owned();
            self.owned.entry(owner).or_default().insert((resource.clone(), key.clone()));
        }
        if &**resource == "pods" {
            let node = object::text(object, "/spec/nodeName");
            if !node.is_empty() {
                self.by_node.entry(node.to_owned()).or_default().insert(key.clone());
            }
        }
    }

    fn unindex(&mut self, resource: &Arc<str>, key: &Key, object: &Object) {
        self.uids.remove(object::uid(object));
        let entry = (resource.clone(), key.clone());
        for owner in object::list(object, "/metadata/ownerReferences") {
            let owner = object::text(owner, "/uid");
            if let Some(set) = self.owned.get_mut(owner) {
                set.remove(&entry);
                if set.is_empty() {
                    self.owned.remove(owner);
                }
            }
        }
        if let Some(set) = self.by_node.get_mut(object::text(object, "/spec/nodeName")) {
            set.remove(key);
        }
    }

    pub fn get(&self, resource: &str, key: &Key) -> Option<&Object> {
        self.kinds.get(resource)?.get(key)
    }

    pub fn find(&self, resource: &str, ns: &str, name: &str) -> Option<&Object> {
        self.get(resource, &Key::new(ns, name))
    }

    pub fn all(&self, resource: &str) -> impl Iterator<Item = (&Key, &Object)> {
        self.kinds.get(resource).into_iter().flatten()
    }

    pub fn in_namespace<'a>(
        &'a self,
        resource: &str,
        ns: &'a str,
    ) -> impl Iterator<Item = (&'a Key, &'a Object)> {
        let first = Key::new(ns, "");
        self.kinds
            .get(resource)
            .into_iter()
            .flat_map(move |m| m.range(first.clone()..))
            .take_while(move |(k, _)| &*k.ns == ns)
    }

    /// The dependents of one resource, by name.
    pub fn owned(&self, resource: &str, owner: &str) -> Vec<Object> {
        let owned = self.owned.get(owner).into_iter().flatten();
        owned.filter(|(r, _)| &**r == resource).filter_map(|(r, k)| self.get(r, k)).cloned().collect()
    }

    /// All dependents of an owner.
    pub fn dependents(&self, owner: &str) -> Vec<(Arc<str>, Key)> {
        self.owned.get(owner).into_iter().flatten().cloned().collect()
    }

    pub fn on_node(&self, node: &str) -> impl Iterator<Item = &Object> {
        self.by_node.get(node).into_iter().flatten().filter_map(|k| self.get("pods", k))
    }

    pub fn by_uid(&self, uid: &str) -> Option<&(Arc<str>, Key)> {
        self.uids.get(uid)
    }
}
