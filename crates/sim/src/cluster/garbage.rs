//! Garbage: what an owner leaves behind goes with it; namespaces empty themselves before they go.
use std::sync::Arc;

use serde_json::Value;

use crate::api::store::{DeleteOptions, Part};

use super::engine::Engine;
use super::object::{self, Key, list};

impl Engine {
    /// An owner is gone or going: deletes what only it owns, in the way its deletion was asked for.
    pub(super) fn collect(&mut self, uid: &Arc<str>) {
        let owner = self
            .cache
            .by_uid(uid)
            .and_then(|(r, k)| Some((r.clone(), k.clone(), self.cache.get(r, k)?.clone())));
        let dependents = self.cache.dependents(uid);
        let Some((resource, key, owner)) = owner else {
            for (resource, key) in dependents {
                self.release(&resource, &key, uid);
            }
            return;
        };
        let held = |f: &str| list(&owner, "/metadata/finalizers").iter().any(|x| x == f);
        if held("orphan") {
            for (resource, key) in dependents {
                self.disown(&resource, &key, uid);
            }
            self.drop_finalizer(&resource, &key, "orphan");
        } else if held("foregroundDeletion") {
            let blocking: Vec<_> = dependents
                .iter()
                .filter(|(r, k)| self.cache.get(r, k).is_some_and(|o| !object::deleting(o)))
                .cloned()
                .collect();
            for (resource, key) in &blocking {
                let options = DeleteOptions {
                    propagation: Some(crate::api::store::Propagation::Foreground),
                    ..DeleteOptions::default()
                };
                // What is gone already needs no deleting.
                let _ = self.store.delete(resource, &key.ns, &key.name, options);
            }
            if dependents.is_empty() {
                self.drop_finalizer(&resource, &key, "foregroundDeletion");
            }
        }
    }

    /// An owner is gone for good.
    fn release(&mut self, resource: &str, key: &Key, uid: &str) {
        let Some(object) = self.cache.get(resource, key).cloned() else { return };
        let others = list(&object, "/metadata/ownerReferences")
            .iter()
            .any(|o| o["uid"] != *uid && self.cache.by_uid(object::text(o, "/uid")).is_some());
        if others {
            self.disown(resource, key, uid);
        } else if !object::deleting(&object) {
            let _ = self.store.delete(resource, &key.ns, &key.name, DeleteOptions::default());
        } else if let Some((_, _, owner)) = object::controller(&object).filter(|o| o.2 != uid) {
            self.add(super::engine::Work::Collect(owner.into()));
        }
    }

    fn disown(&self, resource: &str, key: &Key, uid: &str) {
        self.write(resource, key, |o| {
            if let Some(Value::Array(owners)) = o.pointer_mut("/metadata/ownerReferences") {
                owners.retain(|r| r["uid"] != *uid);
            }
        });
    }

    fn drop_finalizer(&self, resource: &str, key: &Key, finalizer: &str) {
        // The write is the last one where nothing else holds the object; then it is gone.
        let _ = self.store.modify(resource, &key.ns, &key.name, Part::Main, |o| {
            if let Some(Value::Array(list)) = o.pointer_mut("/metadata/finalizers") {
                list.retain(|f| f != finalizer);
            }
        });
    }

    /// A namespace: its default account and root certificate while it lives, its emptying when it goes.
    pub(super) fn sync_namespace(&mut self, name: &Arc<str>) {
        let key = Key::new("", name);
        let Some(namespace) = self.cached("namespaces", &key) else { return };
        if !object::deleting(&namespace) {
            return;
        }
        let mut left = false;
        for resource in super::dispatch::WATCHED {
            let here: Vec<Key> = self.cache.in_namespace(resource, name).map(|(k, _)| k.clone()).collect();
            for key in here {
                left = true;
                let _ = self.store.delete(resource, &key.ns, &key.name, DeleteOptions::default());
            }
        }
        if left {
            self.after(
                std::time::Duration::from_secs(1),
                super::engine::Timer::Work(super::engine::Work::Namespace(name.clone())),
            );
            return;
        }
        self.write("namespaces", &key, |o| {
            if let Some(spec) = o.get_mut("spec").and_then(Value::as_object_mut) {
                spec.remove("finalizers");
            }
        });
    }
}
