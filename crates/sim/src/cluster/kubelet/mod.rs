//! The kubelets: one machine a node, and what it runs of each pod bound to it.
mod admit;
pub(in crate::cluster) mod crash;
pub(in crate::cluster) mod node;
pub(in crate::cluster) mod pressure;
pub(in crate::cluster) mod probe;
pub(in crate::cluster) mod run;
pub(in crate::cluster) mod start;
pub(in crate::cluster) mod status;
pub(in crate::cluster) mod stop;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::api::store::Object;
use crate::scenario::format::{Behaviour, Gpu};

use super::files::{File, Tree};
use super::object::{Key, list, text};

pub(in crate::cluster) use admit::Kubelet;
pub use node::{Replacement, memory_request, priority};
pub use probe::{ProbeKind, named_port, spec_of};

/// How long the node controller waits for a lease to be renewed.
pub fn lease_grace() -> Duration {
    node::GRACE
}

/// A node's machine: what is true of it, which its kubelet reports.
#[derive(Clone, Debug)]
pub struct Machine {
    pub name: Arc<str>,
    /// The kubelet runs and reports.
    pub kubelet: bool,
    pub runtime: bool,
    pub network: bool,
    pub memory_pressure: bool,
    pub disk_pressure: bool,
    pub pid_pressure: bool,
    /// When memory was last under its eviction threshold; forgotten when that is over for good.
    pub starved: Option<Timestamp>,
    /// The same of its disk.
    pub full: Option<Timestamp>,
    /// When its kubelet will look at its usage next.
    pub look: Option<Timestamp>,
    pub nvml: bool,
    pub dns: bool,
    pub gpu: Option<Gpu>,
    /// GPUs the device plugin offers.
    pub gpus: u32,
    pub driver: String,
    pub log: String,
    pub conntrack: (u64, u64),
    /// Images on its disk.
    pub images: HashSet<String>,
    pub internal_ip: String,
    /// Node's own memory use besides its pods, bytes.
    pub overhead: f64,
    /// When its kubelet came back and still counts its runtime as down.
    pub warming: Option<Timestamp>,
    pub next_ip: u32,
    pub pod_net: String,
    pub cores: f64,
    pub memory: f64,
    pub storage: f64,
    pub booted: Timestamp,
    /// The last lease renewal.
    pub renewed: Timestamp,
    /// The cordon its kubelet last told of.
    pub cordoned: bool,
}

/// A pod on a machine.
#[derive(Debug)]
pub struct PodRun {
    pub key: Key,
    pub uid: Arc<str>,
    pub node: Arc<str>,
    pub pod: Object,
    /// Init containers first, then the others, in the order of the spec.
    pub containers: Vec<Container>,
    pub inits: usize,
    pub sandbox: bool,
    pub ip: Option<String>,
    pub started: Timestamp,
    /// The place among its owner's pods.
    pub slot: u32,
    /// Indexes of the GPUs it was given.
    pub gpus: Vec<u32>,
    /// emptyDir and other volumes by name.
    pub volumes: BTreeMap<String, Tree>,
    /// A container is on its way to start.
    pub busy: bool,
    pub stopping: Option<Stopping>,
    /// The kubelet's own verdict on the whole pod: (reason, message).
    pub verdict: Option<(String, String)>,
    pub done: bool,
    /// Only the newest resync timer counts.
    pub resync: u64,
    pub mount_failures: u32,
    pub sandbox_failures: u32,
}

#[derive(Clone, Copy, Debug)]
pub struct Stopping {
    pub since: Timestamp,
    pub grace: Duration,
}

/// A container of a pod and its latest run.
#[derive(Debug)]
pub struct Container {
    pub name: String,
    pub image: String,
    pub init: bool,
    pub sidecar: bool,
    pub state: State,
    pub last: Option<Ended>,
    pub restarts: u32,
    /// Counts starts; timers of an older attempt are void.
    pub attempt: u32,
    pub id: Option<String>,
    pub image_id: Option<String>,
    pub started: bool,
    pub ready: bool,
    /// Why it does not run, as of the last sync: shown in status at the next one, as the kubelet does.
    pub reason: Option<(String, String)>,
    pub pull: Backoff,
    pub crash: Backoff,
    pub run: Option<Run>,
    pub previous: Option<Run>,
    pub files: Tree,
    /// Files of the image that were removed.
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

/// One run of a container: what it does and since when.
#[derive(Clone, Debug)]
pub struct Run {
    pub behaviour: Arc<Behaviour>,
    /// When it started.
    pub started: Timestamp,
    /// From when the behaviour's times count.
    pub since: Timestamp,
    pub ended: Option<Timestamp>,
}

impl Run {
    /// How long the behaviour has been going on.
    pub fn elapsed(&self, now: Timestamp) -> Duration {
        now.duration_since(self.since).try_into().unwrap_or(Duration::ZERO)
    }
}

/// Exponential back-off as the kubelet keeps it for pulls and for crashed containers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Backoff {
    /// The wait and when it was last raised.
    entry: Option<(Duration, Timestamp)>,
}

const FIRST_BACKOFF: Duration = Duration::from_secs(10);
const MAX_BACKOFF: Duration = Duration::from_secs(300);

impl Backoff {
    /// Is it too early, `event` being when it last failed?
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

    /// Raises the wait: 10 s, doubling to 300 s; forgotten after ten quiet minutes.
    pub fn next(&mut self, event: Timestamp, now: Timestamp) {
        self.entry = Some(match self.entry {
            Some((wait, updated)) if since(updated, event) <= MAX_BACKOFF * 2 => {
                ((wait * 2).min(MAX_BACKOFF), now)
            }
            _ => (FIRST_BACKOFF, now),
        });
    }
}

/// How long from one moment to a later one; nothing if it is not later.
pub fn since(from: Timestamp, to: Timestamp) -> Duration {
    to.duration_since(from).try_into().unwrap_or(Duration::ZERO)
}

/// What a pod waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodTimer {
    Sandbox,
    Pulled(usize),
    PullFailed(usize),
    Create(usize),
    Started(usize),
    /// Look again; void unless it is the newest.
    Sync(u64),
    /// The behaviour ends by itself: container, attempt.
    Exit(usize, u32),
    Probe(usize, u32, ProbeKind, u64),
    /// The container is gone after being asked to stop: container, attempt, exit code.
    Stopped(usize, u32, i32),
    /// The last look at a pod that ended.
    Finish,
    Remove,
}

impl PodRun {
    pub fn container(&self, name: &str) -> Option<(usize, &Container)> {
        self.containers.iter().enumerate().find(|(_, c)| c.name == name)
    }

    /// The volume a path of a container is in, and the path inside it.
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

    /// A file somebody wrote, in a volume or in the container's own layer.
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
    pub fn running(&self) -> bool {
        matches!(self.state, State::Running(_))
    }

    pub fn ended(&self) -> Option<&Ended> {
        match &self.state {
            State::Ended(e) => Some(e),
            _ => None,
        }
    }

    /// Is there such a file in its image?
    pub fn has_file(&self, path: &str) -> bool {
        !self.hides(path) && self.run.as_ref().is_some_and(|r| r.behaviour.files.contains_key(path))
    }

    /// Was this file of the image removed, or a directory it was in?
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

    /// `spec.containers{app}`, as events point at it.
    pub fn field(&self) -> String {
        format!("spec.{}{{{}}}", if self.init { "initContainers" } else { "containers" }, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// captures/watch/oom-crashloop: at once, then 10 s, 20 s, … to 5 m; forgotten after ten minutes without a crash.
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
