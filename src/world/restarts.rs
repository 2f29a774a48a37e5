//! Remembers when containers restarted. The API keeps only a count and the last exit.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::record::*;
use super::{Text, Time};

/// How long restarts are remembered.
const KEPT: Duration = Duration::from_secs(3600);

/// The restarts of the last hour, by pod. Of the restarts before khud started, only the last one's time is
/// known.
#[derive(Debug, Default)]
pub struct Restarts(HashMap<Uid, VecDeque<Restart>>);

/// `count` restarts of a container whose last run ended at `at`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Restart {
    /// When the previous run ended.
    pub at: Time,
    /// The container's name.
    pub container: Text,
    /// The number of restarts.
    pub count: u32,
}

impl Restarts {
    pub(super) fn note(&mut self, old: Option<&Pod>, new: &Pod) {
        for container in new.containers.iter().filter(|c| c.restarts > 0) {
            let before = old.and_then(|p| p.containers.iter().find(|c| c.spec.name == container.spec.name));
            let count = match before {
                Some(before) => container.restarts.saturating_sub(before.restarts),
                // The first sight of the pod: only the time of the last restart is known.
                None => 1,
            };
            let Some(at) = container.last.as_ref().and_then(|t| t.finished) else { continue };
            if count == 0 {
                continue;
            }
            let known = self.0.entry(new.meta.uid.clone()).or_default();
            known.push_back(Restart { at, container: container.spec.name.clone(), count });
            let horizon = at.minus(KEPT);
            known.retain(|r| r.at >= horizon);
        }
    }

    pub(super) fn forget(&mut self, pod: &Uid) {
        self.0.remove(pod);
    }

    /// How often the pod's containers restarted since `then`; at most one hour back.
    pub fn since(&self, pod: &Uid, then: Time) -> u32 {
        self.of(pod).filter(|r| r.at >= then).map(|r| r.count).sum()
    }

    /// The remembered restarts of a pod, oldest first.
    pub fn of(&self, pod: &Uid) -> impl Iterator<Item = &Restart> {
        self.0.get(pod).into_iter().flatten()
    }
}
