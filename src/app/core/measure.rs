//! Reads telemetry sources on time and takes in what they bring.

use crate::app::core::model::Model;
use crate::app::core::view::View;
use crate::app::table::Fence;
use crate::app::table::vitals::Vitals;
use crate::config::Scope;
use crate::telemetry::{Loopback, Schedule, cadvisor};
use crate::world::readings::{Reading, Target};
use crate::world::{Kind, ObjectRef, Text, Time, World};

/// Whether what kube-proxy tells on its loopback port is looked at, and may be read.
pub fn loopback(front: &dyn View, read_only: bool) -> Loopback {
    match front.table().is_some_and(|t| t.source.fence == Fence::KubeProxy) {
        false => Loopback::Unwatched,
        true if read_only => Loopback::ReadOnly,
        true => Loopback::Read,
    }
}

/// The node of the pod whose description or decision tree is in front.
pub fn looked_at(model: &Model) -> Option<Text> {
    let front = model.front();
    if !matches!(front.scope(), Scope::Tree | Scope::Text) {
        return None;
    }
    let object = front.object(model).filter(|o| o.kind == Kind::Pod)?;
    let pod = model.data.world.pods.find(&object.namespace, &object.name)?;
    (!pod.node.is_empty()).then(|| pod.node.clone())
}

/// The targets that are due now.
pub fn due(schedule: &mut Schedule, world: &mut World, vitals: &Vitals, now: Time) -> Vec<Target> {
    // Before pods are listed there is nobody to ask.
    if !world.synced(&Kind::Pod) {
        return Vec::new();
    }
    if schedule.looks(now) {
        let pods = vitals.exporters().filter_map(|slot| world.pods.get(slot));
        let targets = schedule.targets(world, pods);
        world.readings.keep(&targets);
        world.readings.leave_unread(schedule.unread(&targets));
        schedule.follow(&targets, now);
    }
    schedule.due(now)
}

/// Takes readings in; the nodes and pods they are about.
pub fn take(schedule: &mut Schedule, world: &mut World, readings: Vec<Reading>) -> Vec<ObjectRef> {
    let mut touched = Vec::new();
    for reading in readings {
        schedule.done(&reading);
        let counts_cpu = matches!(&*reading.target.source, "metrics.k8s.io" | "kubelet");
        let changed = world.readings.apply(reading);
        if counts_cpu {
            changed.iter().filter(|o| o.kind == Kind::Pod).for_each(|pod| note_busy(world, pod));
        }
        touched.extend(changed);
    }
    touched
}

/// Keeps the list of pods whose throttling is worth a large answer of their kubelet.
fn note_busy(world: &mut World, pod: &ObjectRef) {
    let usage = world.readings.pod(&pod.namespace, &pod.name).map(|h| &h.usage);
    let known = world.pods.find(&pod.namespace, &pod.name);
    let node = known.zip(usage).filter(|(p, u)| cadvisor::is_worth(p, u)).map(|(p, _)| p.node.clone());
    world.readings.note_busy(pod, node.as_ref());
}
