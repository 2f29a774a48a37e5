//! Which targets are to be read now: each at its source's pace, slower where there are many or where reading fails.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use super::prometheus;
use super::source::{SOURCES, Source, answers, at_pod, named};
use crate::world::readings::{Outcome, Place, Reading, Server, Target};
use crate::world::{Kind, Pod, StreamId, Text, Time, World};

/// How many targets are read at once.
pub const PARALLEL: usize = 8;
/// Patience with one target.
pub const TIMEOUT: Duration = Duration::from_secs(5);
/// Readings a second at most, of all sources together: with more targets each is read less often.
const PER_SECOND: u32 = 70;
/// Bytes a second at most of one target: a large answer is asked for less often.
const BYTES_PER_SECOND: usize = 100_000;
/// A target that is refused or that has no such page is asked again this much later.
const REFUSED: Duration = Duration::from_secs(300);
/// One that fails is asked less and less often, down to this.
const SLOWEST: Duration = Duration::from_secs(60);
/// How often pods and nodes are looked through for targets.
const LOOK: Duration = Duration::from_secs(5);

/// When each target is due.
#[derive(Debug, Default)]
pub struct Schedule {
    due: HashMap<Target, Due>,
    /// Sources that are absent or refused.
    missing: HashMap<Text, bool>,
    /// When targets were last looked for.
    looked: Option<Time>,
    next: Option<Time>,
    /// Read this often instead of at the sources' pace.
    every: Option<Duration>,
    /// The configured pace of a source; `None` where it is not read.
    configured: BTreeMap<&'static str, Option<Duration>>,
    /// The configured Prometheus; `None`: the one that is found.
    prometheus: Option<Server>,
    /// Whether loopback ports are read, by port-forward.
    loopback: Loopback,
    /// The node of the pod that somebody looks at.
    looked_at: Option<Text>,
}

/// Whether ports that only a port-forward reaches are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Loopback {
    /// Nobody looks at what they tell.
    #[default]
    Unwatched,
    Read,
    /// Somebody looks, and a port-forward is refused.
    ReadOnly,
}

#[derive(Debug)]
struct Due {
    at: Time,
    failures: u32,
    under_way: bool,
}

impl Schedule {
    /// Reads every source this often: for one short look.
    pub fn hurry(&mut self, every: Duration) {
        self.every = Some(every);
    }

    /// Reads sources at other paces than their own from now on, or not at all (`None`), and asks this Prometheus.
    pub fn configure(
        &mut self,
        configured: BTreeMap<&'static str, Option<Duration>>,
        prometheus: Option<Server>,
    ) {
        self.configured = configured;
        self.prometheus = prometheus;
        self.looked = None;
    }

    /// The sources that are not read though these targets are, and why.
    pub fn unread(&self, targets: &[Target]) -> impl Iterator<Item = (Text, Text)> {
        let off = self.configured.iter().filter(|(_, every)| every.is_none());
        let off = off.map(|(name, _)| ((*name).into(), "switched off by the setting telemetry".into()));
        let asks = |name: &str| named(name).is_some_and(|s| !s.of_prometheus().is_empty());
        let asked = targets.iter().any(|t| asks(&t.source));
        let wanted = SOURCES.iter().any(|s| !self.is_off(s.name()) && asks(s.name()));
        let none = (wanted && !asked).then(|| ("prometheus".into(), prometheus::NOT_FOUND.into()));
        let refused = (self.loopback == Loopback::ReadOnly).then(|| {
            (
                "kube-proxy-metrics".into(),
                "khud runs read-only: a port-forward to 127.0.0.1:10249 is refused".into(),
            )
        });
        off.chain(none).chain(refused)
    }

    /// Somebody looks at what loopback ports tell from now on, or no longer.
    pub fn watch_loopback(&mut self, loopback: Loopback) {
        if self.loopback != loopback {
            self.loopback = loopback;
            self.looked = None;
        }
    }

    /// Somebody looks at a pod of this node from now on, or at none.
    pub fn look_at(&mut self, node: Option<Text>) {
        if self.looked_at != node {
            self.looked_at = node;
            self.looked = None;
        }
    }

    fn is_off(&self, source: &str) -> bool {
        matches!(self.configured.get(source), Some(None))
    }

    /// Whether it is time to look for targets again.
    pub fn looks(&self, now: Time) -> bool {
        self.looked.is_none_or(|at| at.plus(LOOK) <= now)
    }

    /// Goes by these targets from now on.
    pub fn follow(&mut self, targets: &[Target], now: Time) {
        self.looked = Some(now);
        let wanted: HashSet<&Target> = targets.iter().collect();
        self.due.retain(|t, _| wanted.contains(t));
        for target in targets {
            self.due.entry(target.clone()).or_insert(Due { at: now, failures: 0, under_way: false });
        }
        self.next = self.earliest();
    }

    /// The targets that are due now, in a steady order. Each must be answered with [`Schedule::done`].
    pub fn due(&mut self, now: Time) -> Vec<Target> {
        if self.next.is_none_or(|at| at > now) {
            return Vec::new();
        }
        let mut out = Vec::new();
        for (target, due) in &mut self.due {
            if due.at <= now && !due.under_way {
                due.under_way = true;
                out.push(target.clone());
            }
        }
        self.next = self.earliest();
        out.sort();
        out
    }

    /// Takes note of how a reading went.
    pub fn done(&mut self, reading: &Reading) {
        let crowd = Duration::from_secs(1) * u32::try_from(self.due.len()).unwrap_or(u32::MAX) / PER_SECOND;
        let source = &*reading.target.source;
        let configured = self.configured.get(source).copied().flatten();
        let own = || named(source).map_or(SLOWEST, |s| s.every());
        let least = named(source).map_or(Duration::ZERO, Source::seldom);
        let usual = self.every.or(configured).unwrap_or_else(own).max(least);
        let missing = matches!(reading.outcome, Outcome::Absent(_) | Outcome::Forbidden(_));
        let was = self.missing.insert(reading.target.source.clone(), missing).unwrap_or(false);
        if was != missing && reading.target.place == Place::Server {
            // Another source stands in for it, or no longer does.
            self.looked = None;
        }
        let Some(due) = self.due.get_mut(&reading.target) else { return };
        due.under_way = false;
        let wait = match &reading.outcome {
            Outcome::Measured { bytes, .. } => {
                due.failures = 0;
                let weight = Duration::from_secs((bytes / BYTES_PER_SECOND) as u64);
                usual.max(crowd).max(weight)
            }
            Outcome::Failed(_) => {
                due.failures += 1;
                (usual * 2u32.saturating_pow(due.failures.min(6) - 1)).clamp(crowd, SLOWEST.max(crowd))
            }
            Outcome::Forbidden(_) | Outcome::Absent(_) => REFUSED,
        };
        // Up to a tenth later, the same for a target each time: what began together does not stay together.
        let mut hasher = DefaultHasher::new();
        reading.target.hash(&mut hasher);
        let share = wait / 1000 * u32::try_from(hasher.finish() % 100).unwrap_or(0);
        due.at = reading.at.plus(wait + share);
        self.next = Some(self.next.map_or(due.at, |next| next.min(due.at)));
    }

    /// When there is something to do.
    pub fn next(&self) -> Option<Time> {
        self.looked.map(|at| at.plus(LOOK)).into_iter().chain(self.next).min()
    }

    fn earliest(&self) -> Option<Time> {
        self.due.values().filter(|d| !d.under_way).map(|d| d.at).min()
    }

    /// Whether a source cannot be read or is not to be.
    fn is_missing(&self, source: &str) -> bool {
        self.is_off(source) || self.missing.get(source).copied().unwrap_or(false)
    }

    /// The kubelets of nodes with busy pods, and of the node that somebody looks at.
    fn busy_nodes<'w>(&'w self, world: &'w World) -> impl Iterator<Item = Target> + 'w {
        let sources = SOURCES.iter().filter(|s| !self.is_off(s.name()));
        let looked_at = self.looked_at.as_ref().filter(|n| world.nodes.find("", n).is_some());
        let busy = world.readings.busy_nodes();
        let others = busy.into_iter().filter(move |n| Some(*n) != looked_at);
        let nodes: Vec<&Text> = looked_at.into_iter().chain(others).take(BUSY_NODES).collect();
        sources.filter_map(|s| Some((s.name(), s.of_busy_node()?))).flat_map(move |(source, path)| {
            nodes.clone().into_iter().map(move |node| Target {
                source: source.into(),
                place: Place::Node { name: node.clone(), port: None },
                path: path.into(),
                node: node.clone(),
                sure: true,
            })
        })
    }

    /// All targets of the cluster, in a steady order: at most one a node of each exporter. `pods` are those that any
    /// source [`super::concerns`].
    pub fn targets<'w>(&self, world: &'w World, pods: impl Iterator<Item = &'w Pod>) -> Vec<Target> {
        let mut out: BTreeMap<(Text, Text, Text), (bool, Target)> = BTreeMap::new();
        let pods: Vec<&Pod> = pods.collect();
        for pod in pods.iter().copied() {
            for source in SOURCES.iter().filter(|s| !self.is_off(s.name())) {
                let Some(target) = at_pod(*source, pod) else { continue };
                // A node has one exporter of a kind, and as many inference servers as it likes.
                let own = if source.name() == "engines" {
                    format!("{}/{}", pod.meta.namespace, pod.meta.name).into()
                } else {
                    Text::default()
                };
                let place = (target.source.clone(), pod.node.clone(), own);
                // While one pod replaces another the ready one is asked.
                if pod.ready || !out.contains_key(&place) {
                    out.insert(place, (pod.ready, target));
                }
            }
        }
        let stands_in = |of: Option<&str>| of.is_none_or(|of| self.is_missing(of));
        let read = |s: &&&dyn Source| !self.is_off(s.name());
        let of_nodes: Vec<_> = SOURCES.iter().filter(read).filter(|s| stands_in(s.instead_of())).collect();
        for node in world.nodes.values() {
            for source in &of_nodes {
                let Some((port, path)) = source.of_node(node) else { continue };
                let name = node.meta.name.clone();
                let place = Place::Node { name: name.clone(), port };
                let target = Target {
                    source: source.name().into(),
                    place,
                    path: path.into(),
                    node: name.clone(),
                    sure: true,
                };
                out.entry((target.source.clone(), name, Text::default())).or_insert((true, target));
            }
        }
        if !self.is_off(PROXY) && !pods.iter().any(|p| named(PROXY).is_some_and(|s| s.of_pod(p).is_some())) {
            // No kube-proxy pods: it may be a service of the hosts, or another program does its work.
            for node in world.nodes.values() {
                let name = node.meta.name.clone();
                let place = Place::Node { name: name.clone(), port: Some(HEALTH) };
                let (source, path) = (Text::from(PROXY), "healthz".into());
                let target = Target { source: source.clone(), place, path, node: name.clone(), sure: false };
                out.insert((source, name, Text::default()), (true, target));
            }
        }
        let mut targets: Vec<Target> = out.into_values().map(|(_, t)| t).collect();
        targets.extend(self.busy_nodes(world));
        let namespaces = namespaces(world);
        for source in SOURCES.iter().filter(read) {
            targets.extend(source.of_server(&namespaces).into_iter().map(|path| Target {
                source: source.name().into(),
                place: Place::Server,
                path: path.into(),
                node: Text::default(),
                sure: true,
            }));
        }
        if self.loopback == Loopback::Read {
            let running = || pods.iter().copied().filter(|p| answers(p));
            for source in SOURCES.iter().filter(read) {
                targets.extend(running().flat_map(|pod| {
                    let (port, paths) = source.of_loopback(pod).unwrap_or_default();
                    let (namespace, name) = (pod.meta.namespace.clone(), pod.meta.name.clone());
                    let place = Place::Forward { namespace, name, port };
                    paths.iter().map(move |path| Target {
                        source: source.name().into(),
                        place: place.clone(),
                        path: (*path).into(),
                        node: pod.node.clone(),
                        sure: true,
                    })
                }));
            }
        }
        let found = || prometheus::find(pods.iter().copied());
        if let Some(server) = self.prometheus.clone().or_else(found) {
            for source in SOURCES.iter().filter(read) {
                targets.extend(source.of_prometheus().into_iter().map(|path| Target {
                    source: source.name().into(),
                    place: server.place.clone(),
                    path: format!("{}{path}", server.prefix).into(),
                    node: Text::default(),
                    sure: true,
                }));
            }
        }
        targets
    }
}

/// Nodes whose large answers are read at once.
const BUSY_NODES: usize = 20;

/// The source that reads kube-proxy's health page, and the page's port.
const PROXY: &str = "kube-proxy";
const HEALTH: u16 = 10_256;

/// The namespaces whose pods are watched; none: those of all.
fn namespaces(world: &World) -> Vec<Text> {
    let watched = world.streams.keys().filter_map(|id| match id {
        StreamId::Watch { kind: Kind::Pod, namespace } => Some(namespace.clone()),
        _ => None,
    });
    let all: Vec<Text> = watched.collect();
    if all.iter().any(|ns| ns.is_empty() && world.synced_in(&Kind::Pod, ns)) {
        return Vec::new();
    }
    all.into_iter().filter(|ns| !ns.is_empty()).collect()
}
