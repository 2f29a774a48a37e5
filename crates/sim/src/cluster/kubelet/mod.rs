//! The kubelets: one machine per node, with the pods bound to it.
mod admit;
pub(in crate::cluster) mod crash;
pub(in crate::cluster) mod node;
pub(in crate::cluster) mod pressure;
pub(in crate::cluster) mod probe;
pub(in crate::cluster) mod run;
pub(in crate::cluster) mod start;
pub(in crate::cluster) mod status;
pub(in crate::cluster) mod stop;
pub(in crate::cluster) mod upgrade;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::api::store::Object;
use crate::scenario::format::{Behaviour, Gpu, Upgrades};

use super::files::{File, Tree};
use super::object::{Key, list, text};

pub(in crate::cluster) use admit::Kubelet;
pub use node::{Replacement, memory_request, priority};
pub use probe::{ProbeKind, named_port, spec_of};

/// How long the node controller waits for a lease renewal.
pub fn lease_grace() -> Duration {
    node::GRACE
}

/// The machine of a node: the true state, which its kubelet reports.
#[derive(Clone, Debug)]
pub struct Machine {
    pub name: Arc<str>,
    /// Whether the kubelet is running.
    pub kubelet: bool,
    pub runtime: bool,
    pub network: bool,
    pub memory_pressure: bool,
    pub disk_pressure: bool,
    pub pid_pressure: bool,
    /// When memory was last below its eviction threshold; cleared after the pressure ended.
    pub starved: Option<Timestamp>,
    /// When the disk was last below its eviction threshold.
    pub full: Option<Timestamp>,
    /// When the kubelet checks its usage next.
    pub look: Option<Timestamp>,
    pub nvml: bool,
    pub dns: bool,
    pub gpu: Option<Gpu>,
    /// The GPUs that the device plugin offers.
    pub gpus: u32,
    pub driver: String,
    pub log: String,
    pub conntrack: (u64, u64),
    /// The images on the node's disk.
    pub images: HashSet<String>,
    pub internal_ip: String,
    /// The node's own memory use in bytes, without its pods.
    pub overhead: f64,
    /// When the kubelet restarted, while it still reports the runtime as down.
    pub warming: Option<Timestamp>,
    pub next_ip: u32,
    pub pod_net: String,
    pub cores: f64,
    pub memory: f64,
    pub storage: f64,
    pub booted: Timestamp,
    /// The time of the last lease renewal.
    pub renewed: Timestamp,
    /// The last cordon that the kubelet reported.
    pub cordoned: bool,
    pub kubelet_version: String,
    /// The agent that upgrades the kubelet.
    pub agent: Option<Upgrades>,
    /// The version that the agent is installing.
    pub installing: Option<String>,
    /// The kubelet's static pods; `{version}` is the node's version.
    pub manifests: Vec<Value>,
}

/// A pod on a machine.
#[derive(Debug)]
pub struct PodRun {
    pub key: Key,
    pub uid: Arc<str>,
    pub node: Arc<str>,
    pub pod: Object,
    /// In spec order: init containers, containers, ephemeral containers.
    pub containers: Vec<Container>,
    pub inits: usize,
    pub sandbox: bool,
    pub ip: Option<String>,
    pub started: Timestamp,
    /// The replica index among the owner's pods.
    pub slot: u32,
    /// The indexes of its GPUs.
    pub gpus: Vec<u32>,
    /// emptyDir and other volumes by name.
    pub volumes: BTreeMap<String, Tree>,
    /// A container is starting.
    pub busy: bool,
    pub stopping: Option<Stopping>,
    /// The kubelet's reason and message for ending the whole pod.
    pub verdict: Option<(String, String)>,
    pub done: bool,
    /// The number of the newest resync timer; older ones are ignored.
    pub resync: u64,
    pub mount_failures: u32,
    pub sandbox_failures: u32,
}

#[derive(Clone, Copy, Debug)]
pub struct Stopping {
    pub since: Timestamp,
    pub grace: Duration,
}

/// The list of the pod's spec that a container stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Init,
    Main,
    Ephemeral,
}

impl Place {
    /// `containers`: the list's name in the spec, also in events.
    pub const fn list(self) -> &'static str {
        match self {
            Place::Init => "initContainers",
            Place::Main => "containers",
            Place::Ephemeral => "ephemeralContainers",
        }
    }
}

/// A container of a pod and its latest run.
#[derive(Debug)]
pub struct Container {
    pub name: String,
    pub image: String,
    pub place: Place,
    pub sidecar: bool,
    pub state: State,
    pub last: Option<Ended>,
    pub restarts: u32,
    /// The number of starts; timers of an older attempt are ignored.
    pub attempt: u32,
    pub id: Option<String>,
    pub image_id: Option<String>,
    pub started: bool,
    pub ready: bool,
    /// Why it does not run. Like the kubelet, the status shows it one sync later.
    pub reason: Option<(String, String)>,
    pub pull: Backoff,
    pub crash: Backoff,
    pub run: Option<Run>,
    pub previous: Option<Run>,
    pub files: Tree,
    /// Files of the image that were deleted.
    pub removed: HashSet<String>,
    pub probes: [probe::Probing; 3],
}

#[derive(Clone, Debug, PartialEq)]
pub enum State {
    Waiting,
    Running(Timestamp),
    Ended(Ended),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    pub code: i32,
    pub reason: String,
    pub message: String,
    pub started: Option<Timestamp>,
    pub finished: Option<Timestamp>,
    pub id: Option<String>,
}

/// One run of a container.
#[derive(Clone, Debug)]
pub struct Run {
    pub behaviour: Arc<Behaviour>,
    /// The start of the run.
    pub started: Timestamp,
    /// The time from which the behaviour's times count.
    pub since: Timestamp,
    pub ended: Option<Timestamp>,
}

impl Run {
    /// The time since the behaviour started.
    pub fn elapsed(&self, now: Timestamp) -> Duration {
        now.duration_since(self.since).try_into().unwrap_or(Duration::ZERO)
    }
}

/// The kubelet's exponential back-off for pulls and crashed containers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Backoff {
    /// The delay and when it was last raised.
    entry: Option<(Duration, Timestamp)>,
}

const FIRST_BACKOFF: Duration = Duration::from_secs(10);
const MAX_BACKOFF: Duration = Duration::from_secs(300);

impl Backoff {
    /// The rest of the delay after the failure at `event`; none if it is over.
    pub fn waiting(&self, event: Timestamp, now: Timestamp) -> Option<Duration> {
        let (wait, updated) = self.entry?;
        if since(updated, event) > MAX_BACKOFF * 2 {
            return None;
        }
        wait.checked_sub(since(event, now)).filter(|left| !left.is_zero())
    }

    pub fn wait(&self) -> Duration {
        self.entry.map_or(Duration::ZERO, |e| e.0)
    }

    /// Raises the delay: 10 s, doubling to 300 s, reset after ten minutes without a failure.
    pub fn next(&mut self, event: Timestamp, now: Timestamp) {
        self.entry = Some(match self.entry {
            Some((wait, updated)) if since(updated, event) <= MAX_BACKOFF * 2 => {
                ((wait * 2).min(MAX_BACKOFF), now)
            }
            _ => (FIRST_BACKOFF, now),
        });
    }
}

/// The time between two moments; zero if the second is not later.
pub fn since(from: Timestamp, to: Timestamp) -> Duration {
    to.duration_since(from).try_into().unwrap_or(Duration::ZERO)
}

/// A timer of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodTimer {
    Sandbox,
    Pulled(usize),
    PullFailed(usize),
    Create(usize),
    Started(usize),
    /// Sync the pod; ignored unless it is the newest.
    Sync(u64),
    /// The behaviour exits: container, attempt.
    Exit(usize, u32),
    Probe(usize, u32, ProbeKind, u64),
    /// The container has stopped: container, attempt, exit code.
    Stopped(usize, u32, i32),
    /// The last sync of an ended pod.
    Finish,
    Remove,
}

impl PodRun {
    pub fn container(&self, name: &str) -> Option<(usize, &Container)> {
        self.containers.iter().enumerate().find(|(_, c)| c.name == name)
    }

    /// The volume that contains a path of a container, and the path inside it.
    pub fn mount(&self, container: &Container, path: &str) -> Option<(String, String)> {
        let spec = spec_of(self, container)?;
        let mounts = list(spec, "/volumeMounts").iter().filter_map(|m| {
            let at = text(m, "/mountPath").trim_end_matches('/');
            let rest = path.strip_prefix(at).filter(|r| r.is_empty() || r.starts_with('/'))?;
            let sub = text(m, "/subPath");
            let inside = match (sub, rest) {
                ("", "") => "/".to_owned(),
                ("", rest) => rest.to_owned(),
                (sub, rest) => format!("/{sub}{rest}"),
            };
            Some((at.len(), text(m, "/name").to_owned(), inside))
        });
        mounts.max_by_key(|m| m.0).map(|m| (m.1, m.2))
    }

    /// A file in a volume or in the container's writable layer.
    pub fn written<'a>(&'a self, container: &'a Container, path: &str) -> Option<&'a File> {
        match self.mount(container, path) {
            Some((volume, inside)) => self.volumes.get(&volume)?.get(&inside),
            None => container.files.get(path),
        }
    }

    pub fn label(&self) -> String {
        format!("{}_{}({})", self.key.name, self.key.ns, self.uid)
    }

    pub fn restart_policy(&self) -> &str {
        match text(&self.pod, "/spec/restartPolicy") {
            "" => "Always",
            policy => policy,
        }
    }

    pub fn grace(&self) -> Duration {
        let spec = super::object::int(&self.pod, "/spec/terminationGracePeriodSeconds").unwrap_or(30);
        let asked = super::object::int(&self.pod, "/metadata/deletionGracePeriodSeconds").unwrap_or(spec);
        Duration::from_secs(asked.max(0).unsigned_abs())
    }
}

impl Container {
    pub fn main(&self) -> bool {
        self.place == Place::Main
    }

    pub fn running(&self) -> bool {
        matches!(self.state, State::Running(_))
    }

    pub fn ended(&self) -> Option<&Ended> {
        match &self.state {
            State::Ended(e) => Some(e),
            _ => None,
        }
    }

    /// Whether the image contains the file.
    pub fn has_file(&self, path: &str) -> bool {
        !self.hides(path) && self.run.as_ref().is_some_and(|r| r.behaviour.files.contains_key(path))
    }

    /// Whether a file of the image, or a directory above it, was deleted.
    pub fn hides(&self, path: &str) -> bool {
        let mut path = Some(path);
        while let Some(p) = path {
            if self.removed.contains(p) {
                return true;
            }
            path = p.rsplit_once('/').map(|(parent, _)| parent);
        }
        false
    }

    /// `spec.containers{app}`: the container as events name it.
    pub fn field(&self) -> String {
        format!("spec.{}{{{}}}", self.place.list(), self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// captures/watch/oom-crashloop: at once, then 10 s, 20 s, … to 5 m; reset after ten minutes without a
    /// crash.
    #[test]
    fn the_back_off_doubles_to_five_minutes_and_is_forgotten() {
        let at = |s: i64| Timestamp::from_second(1_000_000 + s).unwrap();
        let mut backoff = Backoff::default();
        let mut now = 0;
        let mut waits = Vec::new();
        for _ in 0..8 {
            let failed = at(now);
            let wait = backoff.waiting(failed, failed).unwrap_or_default();
            waits.push(wait.as_secs());
            now += wait.as_secs() as i64;
            backoff.next(failed, at(now));
            now += 1;
        }
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 300, 300]);
        let later = at(now + 601);
        assert_eq!(backoff.waiting(later, later), None);
        backoff.next(later, later);
        assert_eq!(backoff.wait(), FIRST_BACKOFF);
    }
}
