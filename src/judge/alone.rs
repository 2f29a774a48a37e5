//! The judge's answer about one object where nothing but the World is at hand: no past, no logs, no other findings.

use std::collections::BTreeSet;

use crate::world::{ObjectRef, Text, Time, Uid, World};

use super::certificate::Secrets;
use super::diagnosis::{Ctx, Diagnosed, Diagnosis, Out, Past};
use super::evidence::{Key, Severity};
use super::fleet::Fleet;
use super::free_capacity::FreeCapacity;
use super::limits::Thresholds;
use super::log::Answers;

/// Nothing was seen before, and nothing is known of other objects.
#[derive(Default)]
struct Nothing {
    fleet: Fleet,
}

impl Past for Nothing {
    fn restarts(&self, _: &Uid, _: &Text, _: Time) -> usize {
        0
    }
    fn most_gpus(&self, _: &str) -> u64 {
        0
    }
    fn fewer_gpus(&self, _: &str) -> Option<Time> {
        None
    }
    fn short_since(&self, _: &ObjectRef) -> Option<Time> {
        None
    }
    fn endpoints(&self, _: &ObjectRef) -> (u32, u32, Option<Time>) {
        (0, 0, None)
    }
    fn slices(&self, _: &ObjectRef) -> Vec<Text> {
        Vec::new()
    }
    fn fleet(&self) -> &Fleet {
        &self.fleet
    }
}

impl Diagnosed for Nothing {
    fn of(&self, _: &ObjectRef) -> &[Key] {
        &[]
    }
    fn severity(&self, _: &Key) -> Severity {
        Severity::Info
    }
    fn sick_pods(&self, _: &str) -> Vec<(&ObjectRef, &[Key])> {
        Vec::new()
    }
}

/// The rules' answer about an object at this moment, without findings that are still pending.
pub fn alone(world: &World, object: &ObjectRef, now: Time) -> Vec<Diagnosis> {
    let (nothing, none) = (Nothing::default(), BTreeSet::new());
    let ctx = Ctx {
        world,
        now,
        past: &nothing,
        logs: &Answers::default(),
        secrets: &Secrets::default(),
        free: &FreeCapacity::default(),
        limits: &Thresholds::default(),
        diagnosed: &nothing,
        asked: &none,
        sampled: &none,
    };
    let mut out = Out::default();
    super::judge(&ctx, object, &mut out);
    out.signals.retain(|d| d.fires_at <= now);
    out.signals
}
