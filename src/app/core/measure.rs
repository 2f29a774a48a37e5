//! Reads telemetry sources on time and takes in what they bring.

use crate::app::core::view::View;
use crate::app::table::Fence;
use crate::app::table::vitals::Vitals;
use crate::telemetry::{Loopback, Schedule};
use crate::world::readings::{Reading, Target};
use crate::world::{Kind, ObjectRef, Time, World};

/// Whether what kube-proxy tells on its loopback port is looked at, and may be read.
pub fn loopback(front: &dyn View, read_only: bool) -> Loopback {
    match front.table().is_some_and(|t| t.source.fence == Fence::KubeProxy) {
        false => Loopback::Unwatched,
        true if read_only => Loopback::ReadOnly,
        true => Loopback::Read,
    }
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
        touched.extend(world.readings.apply(reading));
    }
    touched
}
