//! Numbers that are not API objects: GPU memory, usage.
//!
//! This room says what is to be read (`targets`) and what a reading means (`Telemetry::apply`); app has cluster fetch.

pub mod gpu;
pub mod prom;
pub mod series;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

pub use gpu::Gpu;
pub use series::Series;

use crate::world::{Phase, Pod, StreamState, Text, Time};

/// An exporter to read through the API server's pod proxy: `GET …/pods/POD:PORT/proxy/PATH`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Target {
    /// The source it belongs to: `dcgm` or `amd`.
    pub source: Text,
    pub namespace: Text,
    pub pod: Text,
    pub port: u16,
    pub path: Text,
    /// The node its pod runs on.
    pub node: Text,
}

/// What came of reading a target.
#[derive(Clone, PartialEq, Debug)]
pub struct Reading {
    pub target: Target,
    pub at: Time,
    pub outcome: Outcome,
}

#[derive(Clone, PartialEq, Debug)]
pub enum Outcome {
    Text(String),
    /// The reason, a sentence.
    Failed(Text),
    Forbidden(Text),
}

/// How often a target is to be read.
pub const EVERY: Duration = Duration::from_secs(10);
/// Readings older than this are stale: two in a row were missed.
const FRESH: Duration = Duration::from_secs(30);
/// Readings kept of each GPU: two hours.
const KEPT: usize = 720;

/// Whether the pod is one that could be read.
pub fn is_exporter(pod: &Pod) -> bool {
    exporter(pod).is_some()
}

/// The exporters among these pods that run now, at most one a node and source, in a steady order.
pub fn targets<'p>(pods: impl Iterator<Item = &'p Pod>) -> Vec<Target> {
    let mut out: BTreeMap<(Text, Text), Target> = BTreeMap::new();
    for pod in pods {
        let Some((source, default_port)) = exporter(pod) else { continue };
        if pod.phase != Phase::Running || pod.node.is_empty() || pod.meta.deleting.is_some() {
            continue;
        }
        let ports = || pod.containers.iter().flat_map(|c| c.spec.ports.iter());
        let port = ports()
            .find(|p| p.number == default_port)
            .or_else(|| ports().find(|p| &*p.name == "metrics"))
            .map_or(default_port, |p| p.number);
        let source: Text = source.into();
        let target = Target {
            source: source.clone(),
            namespace: pod.meta.namespace.clone(),
            pod: pod.meta.name.clone(),
            port,
            path: "metrics".into(),
            node: pod.node.clone(),
        };
        // While one pod replaces another the ready one is asked.
        let place = (source, pod.node.clone());
        if pod.ready || !out.contains_key(&place) {
            out.insert(place, target);
        }
    }
    out.into_values().collect()
}

/// Which exporter a pod is, by its labels or its image.
fn exporter(pod: &Pod) -> Option<(&'static str, u16)> {
    let label = |key: &str| pod.meta.labels.get(key).unwrap_or_default();
    let image = |what: &str| pod.containers.iter().any(|c| c.spec.image.contains(what));
    if label("app") == "nvidia-dcgm-exporter"
        || label("app") == "dcgm-exporter"
        || label("app.kubernetes.io/name") == "dcgm-exporter"
        || image("dcgm-exporter")
    {
        return Some(("dcgm", 9400));
    }
    if image("device-metrics-exporter")
        || label("app.kubernetes.io/name") == "metrics-exporter" && image("amd")
    {
        return Some(("amd", 5000));
    }
    None
}

/// A GPU by node, number and MIG instance.
type Key = (Text, u32, Text);

/// The newest readings. Owned by the model.
#[derive(Debug, Default)]
pub struct Telemetry {
    gpus: BTreeMap<Key, Gpu>,
    memory: HashMap<Key, Series>,
    /// How each target's last reading went.
    last: BTreeMap<Target, (Time, Outcome)>,
}

impl Telemetry {
    /// Takes a reading in. True where a GPU appeared, went, or changed its owner or its XID.
    pub fn apply(&mut self, reading: Reading) -> bool {
        let Reading { target, at, outcome } = reading;
        let mut changed = false;
        if let Outcome::Text(text) = &outcome {
            let read = gpu::read(text, &target.node, at);
            let before = self.gpus.len();
            // What the exporter of a node no longer names is no longer there.
            self.gpus.retain(|k, _| k.0 != target.node || read.iter().any(|g| key(g) == *k));
            changed |= self.gpus.len() != before;
            for gpu in read {
                let key = key(&gpu);
                if let Some(used) = gpu.used {
                    self.memory.entry(key.clone()).or_insert_with(|| Series::new(KEPT)).push(at, used as f64);
                }
                let old = self.gpus.insert(key, gpu.clone());
                changed |= old.is_none_or(|o| {
                    (&o.pod, &o.namespace, o.xid, &o.uuid) != (&gpu.pod, &gpu.namespace, gpu.xid, &gpu.uuid)
                });
            }
        }
        let outcome = match outcome {
            // The text is read; only that there was one matters from here on.
            Outcome::Text(_) => Outcome::Text(String::new()),
            other => other,
        };
        self.last.insert(target, (at, outcome));
        changed
    }

    /// Forgets exporters that are gone, and the GPUs of nodes that have none any more.
    pub fn keep(&mut self, targets: &[Target]) {
        self.last.retain(|t, _| targets.contains(t));
        self.gpus.retain(|k, _| targets.iter().any(|t| t.node == k.0));
        self.memory.retain(|k, _| self.gpus.contains_key(k));
    }

    /// Every GPU, by node and number.
    pub fn gpus(&self) -> impl Iterator<Item = &Gpu> {
        self.gpus.values()
    }

    pub fn on_node(&self, node: &str) -> impl Iterator<Item = &Gpu> {
        let from: Key = (node.into(), 0, Text::default());
        self.gpus.range(from..).map(|(_, g)| g).take_while(move |g| &*g.node == node)
    }

    /// The GPUs a pod holds, as far as the exporter knows.
    pub fn of_pod(&self, namespace: &str, pod: &str) -> impl Iterator<Item = &Gpu> {
        self.gpus.values().filter(move |g| &*g.namespace == namespace && &*g.pod == pod)
    }

    /// Used memory (MiB) of a GPU over time.
    pub fn memory(&self, gpu: &Gpu) -> Option<&Series> {
        self.memory.get(&key(gpu))
    }

    /// Whether a GPU's numbers are too old to be taken for the present.
    pub fn is_stale(gpu: &Gpu, now: Time) -> bool {
        gpu.read_at.age(now) > FRESH
    }

    /// How each source stands: live while any of its exporters answers, else the reason of the last one that did not.
    pub fn states(&self, now: Time) -> BTreeMap<Text, StreamState> {
        let mut out: BTreeMap<Text, StreamState> = BTreeMap::new();
        for (target, (at, outcome)) in &self.last {
            let state = match outcome {
                Outcome::Text(_) if at.age(now) <= FRESH => StreamState::Live,
                Outcome::Text(_) => StreamState::Stale { since: *at },
                Outcome::Forbidden(why) => StreamState::Forbidden { why: why.clone() },
                Outcome::Failed(why) => StreamState::Reconnecting { at: at.plus(EVERY), why: why.clone() },
            };
            let place = out.entry(target.source.clone()).or_insert_with(|| state.clone());
            if state.is_live() {
                *place = state;
            }
        }
        out
    }
}

fn key(g: &Gpu) -> Key {
    (g.node.clone(), g.index, g.instance.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{
        Container, ContainerSpec, ContainerState, Delta, Meta, Port, Record, Resources, Role, World,
    };

    fn exporter_pod(name: &str, node: &str, image: &str, ready: bool) -> Delta {
        let spec = ContainerSpec {
            name: "exporter".into(),
            image: image.into(),
            role: Role::App,
            requests: Resources::default(),
            limits: Resources::default(),
            ports: Box::new([Port { name: "metrics".into(), number: 9410, protocol: "TCP".into() }]),
            liveness: None,
            readiness: None,
            startup: None,
            ..ContainerSpec::default()
        };
        Delta::Apply(Record::Pod(Box::new(Pod {
            meta: Meta { namespace: "gpu".into(), name: name.into(), uid: name.into(), ..Meta::default() },
            node: node.into(),
            phase: Phase::Running,
            ready,
            containers: Box::new([Container {
                spec: spec.into(),
                ready,
                started: None,
                restarts: 0,
                state: ContainerState::None,
                last: None,
            }]),
            ..Pod::default()
        })))
    }

    #[test]
    fn each_node_has_one_target_and_readings_make_gpus() {
        let (mut world, mut changes) = (World::new(), Vec::new());
        let image = "nvcr.io/nvidia/k8s/dcgm-exporter:4.8.2";
        for d in [
            exporter_pod("old", "n1", image, false),
            exporter_pod("new", "n1", image, true),
            exporter_pod("other", "n2", image, true),
            exporter_pod("web", "n2", "nginx", true),
        ] {
            world.apply(d, &mut changes);
        }
        let targets = targets(world.pods.values());
        let named: Vec<(&str, &str, u16)> = targets.iter().map(|t| (&*t.node, &*t.pod, t.port)).collect();
        assert_eq!(named, [("n1", "new", 9410), ("n2", "other", 9410)]);

        let mut t = Telemetry::default();
        let text = |used: u32, pod: &str| {
            Outcome::Text(format!(
                "DCGM_FI_DEV_FB_USED{{gpu=\"0\",UUID=\"a\",pod=\"{pod}\",namespace=\"ml\"}} {used}\n"
            ))
        };
        let reading =
            |i: usize, at: i64, outcome| Reading { target: targets[i].clone(), at: Time(at * 1000), outcome };
        assert!(t.apply(reading(0, 10, text(100, "p"))));
        assert!(!t.apply(reading(0, 20, text(200, "p"))), "only the number changed");
        assert!(t.apply(reading(0, 30, text(200, "q"))));
        assert_eq!((t.gpus().count(), t.of_pod("ml", "q").count(), t.on_node("n1").count()), (1, 1, 1));
        let gpu = t.gpus().next().unwrap().clone();
        assert_eq!(t.memory(&gpu).unwrap().len(), 3);

        t.apply(reading(1, 30, Outcome::Failed("connection refused".into())));
        assert!(t.states(Time(35_000))["dcgm"].is_live());
        assert!(!t.states(Time(120_000))["dcgm"].is_live());
        assert!(Telemetry::is_stale(&gpu, Time(120_000)));
        t.keep(&targets[1..]);
        assert_eq!(t.gpus().count(), 0);
    }
}
