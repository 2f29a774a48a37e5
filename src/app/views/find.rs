//! To an object by its name, to its owner, its node or its users; what is said where it is not there.

use crate::app::core::model::Model;
use crate::app::core::namespaces;
use crate::app::core::notice::Tone;
use crate::app::core::stack;
use crate::app::table::{Fence, Source};
use crate::app::views::objects;
use crate::world::{Kind, ObjectRef};

/// To the object that controls this one.
pub fn owner(model: &mut Model) {
    let Some(object) = model.selected() else { return };
    if let Some(o) = model.data.world.meta(&object).and_then(|m| m.owner.clone()) {
        open(model, &o.kind, &object.namespace, &o.name);
    }
}

/// To the pods whose spec names this object.
pub fn used_by(model: &mut Model) {
    if let Some(object) = model.selected() {
        objects::open(model, Source { kind: Kind::Pod, fence: Fence::Users(object) });
    }
}

pub fn node(model: &mut Model) {
    let Some(object) = model.selected() else { return };
    let node = model.data.world.pods.find(&object.namespace, &object.name).map(|p| p.node.clone());
    if let Some(n) = node.filter(|n| !n.is_empty()) {
        open(model, &Kind::Node, "", &n);
    }
}

/// Opens the kind's table with the cursor on the object; without a namespace the first of that name.
pub fn open(model: &mut Model, kind: &Kind, namespace: &str, name: &str) {
    let served = (!kind.watched()).then(|| model.served.kind(kind.name()).or(Some(kind.table()))).flatten();
    let kind = &served.unwrap_or_else(|| kind.clone());
    if kind.plural().is_empty() {
        model.say(Tone::Info, format!("The server serves no kind {kind}."));
        return;
    }
    let namespace = if kind.namespaced() { namespace } else { "" };
    objects::open_kind(model, kind.clone());
    let synced = model.data.world.synced(kind);
    let Some((table, cx)) = model.table_mut() else { return };
    // The object that was asked for is shown, whatever the filter and namespaces are.
    if !namespace.is_empty() && !table.namespaces.is_empty() && !table.namespaces.contains(namespace) {
        table.namespaces.clear();
        table.rebuild(&cx);
    }
    if table.seek(&cx, namespace, name) {
        return;
    }
    let object = ObjectRef::new(kind.clone(), namespace, name);
    if synced && !table.at_work() {
        absent(model, &object);
    } else {
        // An object that is not listed yet may still come.
        model.sought = Some(object);
    }
}

/// A first list came: what was asked for before it is there, or that it is not is told. An alert often names a pod that
/// was replaced since, and the cursor must not stand on another as if it were that one.
pub fn listed(model: &mut Model, kind: &Kind, namespace: &str) {
    if *kind == Kind::Namespace && !model.namespaces.is_empty() {
        let names = model.namespaces.iter().cloned().collect::<Vec<_>>();
        namespaces::known(model, &names);
    }
    let Some(object) =
        model.sought.take_if(|o| o.kind == *kind && (namespace.is_empty() || *o.namespace == *namespace))
    else {
        return;
    };
    if !exists(model, &object) {
        absent(model, &object);
    }
}

fn exists(model: &Model, object: &ObjectRef) -> bool {
    let mut metas = model.data.world.metas(&object.kind);
    metas.any(|m| m.name == object.name && (object.namespace.is_empty() || m.namespace == object.namespace))
}

/// Says that an object is not there. Of a pod, those that are named like it are shown: they took its place.
fn absent(model: &mut Model, object: &ObjectRef) {
    let place = if object.namespace.is_empty() { "here".into() } else { format!("in {}", object.namespace) };
    let alike = like(model, object).filter(|_| model.table().is_some_and(|t| t.source.kind == object.kind));
    let more = if alike.is_some() { " These are named like it." } else { "" };
    let kind = object.kind.name().to_lowercase();
    if let Some(stem) = alike {
        stack::filter(model, &stem);
    }
    model.say(Tone::Bad, format!("There is no {kind} {} {place} (any more).{more}", object.name));
}

/// A filter for the part of a pod's name that its owner gave it, as far as others share it.
fn like(model: &Model, pod: &ObjectRef) -> Option<String> {
    if pod.kind != Kind::Pod {
        return None;
    }
    let shared = |stem: &&str| {
        let mut metas = model.data.world.metas(&Kind::Pod);
        metas.any(|m| {
            (pod.namespace.is_empty() || m.namespace == pod.namespace)
                && m.name.strip_prefix(*stem).is_some_and(|rest| rest.starts_with('-'))
        })
    };
    // The pod's own suffix, and its ReplicaSet's.
    let one = pod.name.rsplit_once('-')?.0;
    let stems = [Some(&*pod.name), Some(one), one.rsplit_once('-').map(|(two, _)| two)];
    stems
        .into_iter()
        .flatten()
        .find(shared)
        .map(|stem| format!("{} {stem}-", pod.namespace).trim().to_owned())
}
