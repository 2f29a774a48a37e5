//! The garbage collector, and the namespace controller that empties terminating namespaces.
use std::sync::Arc;

use serde_json::Value;

use crate::api::store::{DeleteOptions, Part};

use crate::cluster::controllers::Controller;
use crate::cluster::engine::Engine;
use crate::cluster::object::{self, Key, list};

/// Deletes the dependents of a deleted or terminating owner, by the propagation policy of its deletion.
pub(in crate::cluster) struct GarbageCollector;

impl Controller for GarbageCollector {
    type Key = Arc<str>;

    fn sync(engine: &mut Engine, uid: &Arc<str>) {
        let owner = engine
            .cache
            .by_uid(uid)
            .and_then(|(r, k)| Some((r.clone(), k.clone(), engine.cache.get(r, k)?.clone())));
        let dependents = engine.cache.dependents(uid);
        let Some((resource, key, owner)) = owner else {
            for (resource, key) in dependents {
                release(engine, &resource, &key, uid);
            }
            return;
        };
        let held = |f: &str| list(&owner, "/metadata/finalizers").iter().any(|x| x == f);
        if held("orphan") {
            for (resource, key) in dependents {
                disown(engine, &resource, &key, uid);
            }
            drop_finalizer(engine, &resource, &key, "orphan");
        } else if held("foregroundDeletion") {
            let blocking: Vec<_> = dependents
                .iter()
                .filter(|(r, k)| engine.cache.get(r, k).is_some_and(|o| !object::deleting(o)))
                .cloned()
                .collect();
            for (resource, key) in &blocking {
                let options = DeleteOptions {
                    propagation: Some(crate::api::store::Propagation::Foreground),
                    ..DeleteOptions::default()
                };
                // The object may be deleted already.
                let _ = engine.store.delete(resource, &key.ns, &key.name, options);
            }
            if dependents.is_empty() {
                drop_finalizer(engine, &resource, &key, "foregroundDeletion");
            }
        }
    }
}

/// Removes the references to a deleted owner.
fn release(engine: &mut Engine, resource: &str, key: &Key, uid: &str) {
    let Some(object) = engine.cache.get(resource, key).cloned() else { return };
    let others = list(&object, "/metadata/ownerReferences")
        .iter()
        .any(|o| o["uid"] != *uid && engine.cache.by_uid(object::text(o, "/uid")).is_some());
    if others {
        disown(engine, resource, key, uid);
    } else if !object::deleting(&object) {
        let _ = engine.store.delete(resource, &key.ns, &key.name, DeleteOptions::default());
    } else if let Some((_, _, owner)) = object::controller(&object).filter(|o| o.2 != uid) {
        engine.add(crate::cluster::engine::Work::Collect(owner.into()));
    }
}

fn disown(engine: &Engine, resource: &str, key: &Key, uid: &str) {
    engine.write(resource, key, |o| {
        if let Some(Value::Array(owners)) = o.pointer_mut("/metadata/ownerReferences") {
            owners.retain(|r| r["uid"] != *uid);
        }
    });
}

fn drop_finalizer(engine: &Engine, resource: &str, key: &Key, finalizer: &str) {
    // Without another finalizer, this write removes the object.
    let _ = engine.store.modify(resource, &key.ns, &key.name, Part::Main, |o| {
        if let Some(Value::Array(list)) = o.pointer_mut("/metadata/finalizers") {
            list.retain(|f| f != finalizer);
        }
    });
}

/// Creates a namespace's default service account and root certificate, and empties the namespace when it is
/// deleted.
pub(in crate::cluster) struct NamespaceController;

impl Controller for NamespaceController {
    type Key = Arc<str>;

    fn sync(engine: &mut Engine, name: &Arc<str>) {
        let key = Key::new("", name);
        let Some(namespace) = engine.cached("namespaces", &key) else { return };
        if !object::deleting(&namespace) {
            return;
        }
        let mut left = false;
        for resource in crate::cluster::dispatch::WATCHED {
            let here: Vec<Key> = engine.cache.in_namespace(resource, name).map(|(k, _)| k.clone()).collect();
            for key in here {
                left = true;
                let _ = engine.store.delete(resource, &key.ns, &key.name, DeleteOptions::default());
            }
        }
        if left {
            engine.after(
                std::time::Duration::from_secs(1),
                crate::cluster::engine::Timer::Work(crate::cluster::engine::Work::Namespace(name.clone())),
            );
            return;
        }
        engine.write("namespaces", &key, |o| {
            if let Some(spec) = o.get_mut("spec").and_then(Value::as_object_mut) {
                spec.remove("finalizers");
            }
        });
    }
}
