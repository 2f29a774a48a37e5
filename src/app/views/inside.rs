//! The contents of an object: a node's pods, a workload's rollout, a pod's containers, the pods behind a Service; else its
//! events.

use crate::app::core::model::Model;
use crate::app::core::msg::Effect;
use crate::app::core::namespaces;
use crate::app::core::stack;
use crate::app::core::view::Then;
use crate::app::table::{Fence, Source};
use crate::app::views::{containers, objects, rollout};
use crate::world::{Kind, ObjectRef};

/// Opens what is inside an object.
pub fn of(object: ObjectRef) -> Option<Then> {
    Some(Box::new(move |model| open(model, &object)))
}

fn open(model: &mut Model, object: &ObjectRef) -> Vec<Effect> {
    let uid = model.data.world.meta(object).map(|m| m.uid.clone());
    let owned = |kind: Kind| uid.clone().map(|u| Source { kind, fence: Fence::Owned(u) });
    let source = match &object.kind {
        Kind::Node => Some(Source { kind: Kind::Pod, fence: Fence::OnNode(object.name.clone()) }),
        Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet => {
            return rollout::open(model, object.clone());
        }
        Kind::Pod => {
            containers::open(model, object.clone());
            None
        }
        Kind::Service if selects(model, object).is_some() => {
            behind(model, object);
            None
        }
        Kind::ReplicaSet | Kind::Job => owned(Kind::Pod),
        Kind::CronJob => owned(Kind::Job),
        Kind::Namespace => {
            namespaces::show(model, vec![object.name.clone()]);
            objects::open_kind(model, Kind::Pod);
            None
        }
        _ => Some(Source { kind: Kind::Event, fence: Fence::Regarding(object.by_word()) }),
    };
    if let Some(source) = source {
        objects::open(model, source);
    }
    Vec::new()
}

/// The selector of a Service.
fn selects(model: &Model, service: &ObjectRef) -> Option<String> {
    let service = model.data.world.services.find(&service.namespace, &service.name)?;
    service.selector.as_ref().map(ToString::to_string)
}

/// The pods that a Service picks, as a filter one can see and change: where it picks none, that is why.
fn behind(model: &mut Model, service: &ObjectRef) {
    let Some(labels) = selects(model, service) else { return };
    objects::open_kind(model, Kind::Pod);
    if let Some((table, cx)) = model.table_mut() {
        table.within_namespaces(&cx, &[service.namespace.clone()].into());
    }
    stack::filter(model, &format!("-l {labels}"));
}
