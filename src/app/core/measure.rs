//! Reads telemetry sources on time and takes in what they bring.

use crate::app::table::vitals::Vitals;
use crate::telemetry::Schedule;
use crate::world::readings::{Reading, Target};
use crate::world::{Kind, ObjectRef, Time, World};

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
