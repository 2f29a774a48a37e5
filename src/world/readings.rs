//! The newest readings of every telemetry source, their series, and how reading each source goes.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::gpu::Gpu;
use super::histories::{EngineHistory, GpuHistory, NodeHistory, PodHistory};
use super::measured::{Measured, Past, PastOf, Proxy};
use super::past::Pasts;
use super::traffic::TrafficTable;
use super::waits::Waits;
use super::{Kind, ObjectRef, StreamState, Text, Time};

/// Where a source is read, by way of the API server.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Place {
    /// A port of a pod, through the pod proxy.
    Pod { namespace: Text, name: Text, port: u16 },
    /// A port of a node, through the node proxy; `None`: the kubelet's.
    Node { name: Text, port: Option<u16> },
    /// A port of a Service, through the service proxy: whichever pod behind it answers.
    Service { namespace: Text, name: Text, port: Text },
    /// A port that listens on the loopback address of a pod's network alone, through a port-forward.
    Forward { namespace: Text, name: Text, port: u16 },
    /// A server at a URL (scheme, host and port), past the API server.
    Url(Text),
    /// The API server itself.
    Server,
}

/// A Prometheus, or what answers its API: where it is, and the path before `api/v1` (`prometheus/` or empty).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Server {
    pub place: Place,
    pub prefix: Text,
}

/// One thing to read.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Target {
    /// The source it belongs to (`dcgm`, `metrics.k8s.io`), as coverage names it.
    pub source: Text,
    pub place: Place,
    pub path: Text,
    /// The node that the numbers are of; empty where they are of many.
    pub node: Text,
    /// Whether it is known to serve the source. One that only may do so is no failure where it does not.
    pub sure: bool,
}

impl Target {
    /// The reason why the target cannot be read.
    pub fn failed(&self, why: impl Into<Text>) -> Outcome {
        if self.sure { Outcome::Failed(why.into()) } else { Outcome::Absent(why.into()) }
    }
}

/// The result of reading a target.
#[derive(Clone, PartialEq, Debug)]
pub struct Reading {
    pub target: Target,
    pub at: Time,
    pub outcome: Outcome,
}

#[derive(Clone, PartialEq, Debug)]
pub enum Outcome {
    Measured {
        measured: Box<Measured>,
        /// A hash of the answer: one that stays the same for long is no measurement.
        print: u64,
        /// Bytes of the answer.
        bytes: usize,
    },
    /// The reason, a sentence.
    Failed(Text),
    Forbidden(Text),
    /// It answers and has no such page: the source is not there.
    Absent(Text),
}

/// Pods taken in at once.
const PORTION: usize = 2000;

impl Reading {
    /// The reading as several, none of more pods than can be taken in between two keys.
    pub fn portions(mut self) -> Vec<Reading> {
        let mut out = Vec::new();
        if let Outcome::Measured { measured, print, bytes } = &mut self.outcome {
            while measured.pods.len() > PORTION {
                let pods = measured.pods.split_off(measured.pods.len() - PORTION);
                let measured = Box::new(Measured { pods, ..Measured::default() });
                let outcome = Outcome::Measured { measured, print: *print, bytes: *bytes };
                out.push(Reading { target: self.target.clone(), at: self.at, outcome });
            }
        }
        out.push(self);
        out
    }
}

/// How reading a target goes.
#[derive(Clone, PartialEq, Debug)]
pub struct Scrape {
    /// When it was tried last.
    pub at: Time,
    /// When it was read last.
    pub read: Option<Time>,
    /// Since when it cannot be read, and why.
    pub failing: Option<(Time, Text)>,
    pub failures: u32,
    forbidden: bool,
    absent: bool,
    /// It told of the past: that does not grow old.
    of_past: bool,
    print: u64,
    /// Since when the answer is the same, and how often it was.
    same: (Time, u32),
}

/// Answers that stay the same to the last digit this long, over at least so many reads, are old ones: power and energy of
/// a GPU never stand still.
const SAME: (Duration, u32) = (Duration::from_secs(180), 10);

impl Scrape {
    /// Since when the target does not answer, and why; `None` where it does, or where reading it is not allowed.
    pub fn unanswered(&self) -> Option<(Time, &Text)> {
        let (since, why) = self.failing.as_ref()?;
        (!self.forbidden && !self.absent).then_some((*since, why))
    }

    /// Since when the same answer comes again and again; `None` where answers are fresh or there are none.
    pub fn stale(&self) -> Option<Time> {
        let (since, reads) = self.same;
        let lasting = self.read.is_some_and(|read| since.age(read) >= SAME.0);
        (self.failing.is_none() && !self.of_past && lasting && reads >= SAME.1).then_some(since)
    }
}

/// A GPU by node, number and instance.
pub type GpuKey = (Text, u32, Text);

/// The newest readings. Part of the World, written by its owner alone.
#[derive(Debug, Default)]
pub struct Readings {
    gpus: BTreeMap<GpuKey, (Gpu, GpuHistory)>,
    engines: BTreeMap<(Text, Text), EngineHistory>,
    pods: HashMap<Text, HashMap<Text, PodHistory>>,
    /// Pods that have a series.
    series: usize,
    nodes: HashMap<Text, NodeHistory>,
    proxies: BTreeMap<Text, Proxy>,
    scrapes: BTreeMap<Target, Scrape>,
    past: Pasts,
    pub traffic: TrafficTable,
    /// How containers wait.
    pub waits: Waits,
    /// Pods whose waiting is worth a large answer of their kubelet, with their nodes.
    busy: BTreeMap<(Text, Text), Text>,
    /// Sources that are not read, and why.
    unread: Vec<(Text, Text)>,
}

/// Pods whose memory is kept as a series. Of those beyond that only the newest reading is known.
const MOST_SERIES: usize = 10_000;

/// Readings older than this are stale: two in a row were missed.
pub const FRESH: Duration = Duration::from_secs(45);

impl Readings {
    /// Takes a reading in; the nodes and pods whose numbers it changed.
    pub fn apply(&mut self, reading: Reading) -> Vec<ObjectRef> {
        let Reading { target, at, outcome } = reading;
        let mut touched = Vec::new();
        let scrape = self.scrapes.entry(target.clone()).or_insert_with(|| Scrape {
            at,
            read: None,
            failing: None,
            failures: 0,
            forbidden: false,
            absent: false,
            of_past: false,
            print: 0,
            same: (at, 0),
        });
        scrape.at = at;
        scrape.forbidden = matches!(outcome, Outcome::Forbidden(_));
        scrape.absent = matches!(outcome, Outcome::Absent(_));
        match outcome {
            Outcome::Measured { measured, print, bytes: _ } => {
                if print == scrape.print {
                    scrape.same.1 += 1;
                } else {
                    scrape.same = (at, 1);
                }
                scrape.print = print;
                scrape.of_past = !measured.past.is_empty();
                scrape.read = Some(at);
                scrape.failing = None;
                scrape.failures = 0;
                self.take(&target, *measured, at, &mut touched);
            }
            Outcome::Failed(why) | Outcome::Forbidden(why) | Outcome::Absent(why) => {
                let since = scrape.failing.take().map_or(at, |(since, _)| since);
                scrape.failing = Some((since, why));
                scrape.failures += 1;
            }
        }
        if !target.node.is_empty() {
            touched.push(ObjectRef::new(Kind::Node, "", target.node));
        }
        touched
    }

    fn take(&mut self, target: &Target, measured: Measured, at: Time, touched: &mut Vec<ObjectRef>) {
        let Measured { gpus, engine, proxy, pods, nodes, past, traffic, waits } = measured;
        for wait in waits {
            let pod = ObjectRef::new(Kind::Pod, wait.namespace.clone(), wait.pod.clone());
            if touched.last() != Some(&pod) {
                touched.push(pod);
            }
            self.waits.take(wait);
        }
        for past in past {
            touched.extend(self.take_past(past));
        }
        for traffic in traffic {
            self.traffic.take(traffic);
        }
        self.traffic.expire(at);
        if let Some(first) = gpus.first() {
            // A GPU that the node's exporter no longer names is gone.
            let source = first.source.clone();
            let named = |k: &GpuKey| gpus.iter().any(|g| key(g) == *k);
            self.gpus.retain(|k, (g, _)| k.0 != target.node || g.source != source || named(k));
        }
        for gpu in gpus {
            for h in &gpu.holders {
                touched.push(ObjectRef::new(Kind::Pod, h.namespace.clone(), h.pod.clone()));
            }
            let (place, history) = self.gpus.entry(key(&gpu)).or_default();
            history.take(&gpu, at);
            self.past.of_gpu(&gpu, history);
            *place = gpu;
        }
        if let (Some(mut engine), Place::Pod { namespace, name, .. }) = (engine, &target.place) {
            engine.namespace = namespace.clone();
            engine.pod = name.clone();
            touched.push(ObjectRef::new(Kind::Pod, namespace.clone(), name.clone()));
            let history = self.engines.entry((namespace.clone(), name.clone())).or_default();
            history.take(engine, at);
            self.past.of_engine(namespace, name, history);
        }
        if let Some(new) = proxy {
            let old = self.proxies.entry(new.node.clone()).or_default();
            // `/healthz` and `/metrics` each say a part.
            let sick = new.healthy.or(old.healthy) == Some(false);
            let failed = old.failures.zip(new.failures).is_some_and(|(before, now)| now > before);
            let wrote = old.last_sync.zip(new.last_sync).is_some_and(|(before, now)| now > before);
            let failing = old.failing_since.filter(|_| !wrote);
            *old = Proxy {
                unhealthy_since: sick.then(|| old.unhealthy_since.unwrap_or(at)),
                mode: if new.mode.is_empty() { std::mem::take(&mut old.mode) } else { new.mode },
                healthy: new.healthy.or(old.healthy),
                last_sync: new.last_sync.or(old.last_sync),
                last_queued: new.last_queued.or(old.last_queued),
                rules: if new.rules.is_empty() { std::mem::take(&mut old.rules) } else { new.rules },
                failures: new.failures.or(old.failures),
                failing_since: if failed { failing.or(Some(at)) } else { failing },
                ..new
            };
        }
        for usage in pods {
            touched.push(ObjectRef::new(Kind::Pod, usage.namespace.clone(), usage.pod.clone()));
            let namespace = self.pods.entry(usage.namespace.clone()).or_default();
            let history = namespace.entry(usage.pod.clone()).or_default();
            if let Some(memory) = usage.memory() {
                let first = history.memory.is_empty();
                if !first || self.series < MOST_SERIES {
                    history.memory.push(usage.at, memory as f64);
                    self.series += usize::from(first);
                    self.past.of_pod(&usage.namespace, &usage.pod, history);
                }
            }
            history.usage = usage;
        }
        for usage in nodes {
            touched.push(ObjectRef::new(Kind::Node, "", usage.node.clone()));
            let history = self.nodes.entry(usage.node.clone()).or_default();
            if let Some(memory) = usage.memory {
                history.memory.push(usage.at, memory as f64);
            }
            if let Some(cpu) = usage.cpu {
                history.cpu.push(usage.at, cpu as f64);
            }
            history.usage = usage;
        }
    }

    /// Merges a history into the series of its number, or keeps it until the number is read; the object that it is of.
    fn take_past(&mut self, past: Past) -> Option<ObjectRef> {
        let (PastOf::Gpu { namespace, pod, .. }
        | PastOf::Memory { namespace, pod }
        | PastOf::Latency { namespace, pod }) = &past.of;
        let (namespace, pod) = (namespace.clone(), pod.clone());
        match &past.of {
            PastOf::Gpu { uuid, instance, .. } => {
                let (uuid, instance) = (uuid.clone(), instance.clone());
                self.past.hold(past);
                let mut all = self.gpus.values_mut();
                let (gpu, history) = all.find(|(g, _)| g.uuid == uuid && g.instance == instance)?;
                self.past.of_gpu(gpu, history);
            }
            PastOf::Memory { .. } => {
                self.past.hold(past);
                let history =
                    self.pods.get_mut(&namespace)?.get_mut(&pod).filter(|h| !h.memory.is_empty())?;
                self.past.of_pod(&namespace, &pod, history);
            }
            PastOf::Latency { .. } => {
                self.past.hold(past);
                let history = self.engines.get_mut(&(namespace.clone(), pod.clone()))?;
                self.past.of_engine(&namespace, &pod, history);
            }
        }
        Some(ObjectRef::new(Kind::Pod, namespace, pod))
    }

    /// Forgets targets that are no longer there, and what only they told of.
    pub fn keep(&mut self, targets: &[Target]) {
        let wanted: std::collections::HashSet<&Target> = targets.iter().collect();
        let before = self.scrapes.len();
        self.scrapes.retain(|t, _| wanted.contains(t));
        if self.scrapes.len() == before {
            return;
        }
        let told =
            |node: &Text, source: &Text| self.scrapes.keys().any(|t| t.node == *node && t.source == *source);
        self.gpus.retain(|k, (g, _)| told(&k.0, &g.source));
        let pods: std::collections::HashSet<(&Text, &Text)> = self
            .scrapes
            .keys()
            .filter_map(|t| match &t.place {
                Place::Pod { namespace, name, .. } => Some((namespace, name)),
                _ => None,
            })
            .collect();
        self.engines.retain(|(namespace, name), _| pods.contains(&(namespace, name)));
    }

    /// Forgets a pod or a node that is gone.
    pub fn forget(&mut self, object: &ObjectRef) {
        match object.kind {
            Kind::Pod => {
                let pods = self.pods.get_mut(&object.namespace);
                if let Some(gone) = pods.and_then(|pods| pods.remove(&object.name)) {
                    self.series -= usize::from(!gone.memory.is_empty());
                }
                self.waits.forget(&object.namespace, &object.name);
                self.busy.remove(&(object.namespace.clone(), object.name.clone()));
            }
            Kind::Node => {
                self.nodes.remove(&object.name);
                self.proxies.remove(&object.name);
            }
            _ => {}
        }
    }

    /// Notes whether a pod's waiting is worth a large answer of the kubelet of this node.
    pub fn note_busy(&mut self, pod: &ObjectRef, node: Option<&Text>) {
        let key = (pod.namespace.clone(), pod.name.clone());
        match node {
            Some(node) => drop(self.busy.insert(key, node.clone())),
            None => drop(self.busy.remove(&key)),
        }
    }

    /// The nodes of pods whose waiting is worth a large answer, in a steady order.
    pub fn busy_nodes(&self) -> std::collections::BTreeSet<&Text> {
        self.busy.values().collect()
    }

    /// Every GPU, by node and number.
    pub fn gpus(&self) -> impl Iterator<Item = &Gpu> {
        self.gpus.values().map(|(g, _)| g)
    }

    pub fn gpus_on(&self, node: &str) -> impl Iterator<Item = (&Gpu, &GpuHistory)> {
        let from: GpuKey = (node.into(), 0, Text::default());
        self.gpus.range(from..).map(|(_, (g, h))| (g, h)).take_while(move |(g, _)| &*g.node == node)
    }

    /// The GPUs and slices that a pod holds, as far as their source knows.
    pub fn gpus_of(
        &self,
        node: &str,
        namespace: &str,
        pod: &str,
    ) -> impl Iterator<Item = (&Gpu, &GpuHistory)> {
        self.gpus_on(node)
            .filter(move |(g, _)| g.holders.iter().any(|h| &*h.namespace == namespace && &*h.pod == pod))
    }

    pub fn history(&self, gpu: &Gpu) -> Option<&GpuHistory> {
        self.gpus.get(&key(gpu)).map(|(_, h)| h)
    }

    pub fn engine(&self, namespace: &Text, pod: &Text) -> Option<&EngineHistory> {
        self.engines.get(&(namespace.clone(), pod.clone()))
    }

    pub fn engines(&self) -> impl Iterator<Item = &EngineHistory> {
        self.engines.values()
    }

    pub fn pod(&self, namespace: &str, pod: &str) -> Option<&PodHistory> {
        self.pods.get(namespace)?.get(pod)
    }

    /// The source that the usage of pods and nodes comes from: the first of the two that was read.
    pub fn usage_source(&self) -> Option<&'static str> {
        let read = |name: &&str| self.scrapes.iter().any(|(t, s)| &*t.source == *name && s.read.is_some());
        ["metrics.k8s.io", "kubelet"].into_iter().find(read)
    }

    pub fn node(&self, node: &str) -> Option<&NodeHistory> {
        self.nodes.get(node)
    }

    pub fn proxy(&self, node: &str) -> Option<&Proxy> {
        self.proxies.get(node)
    }

    pub fn scrapes(&self) -> impl Iterator<Item = (&Target, &Scrape)> {
        self.scrapes.iter()
    }

    /// Whether a GPU's numbers are too old to be taken for the present.
    pub fn is_stale(gpu: &Gpu, now: Time) -> bool {
        gpu.read_at.age(now) > FRESH
    }

    /// These sources, and no others, are not read, each for its reason.
    pub fn leave_unread(&mut self, sources: impl Iterator<Item = (Text, Text)>) {
        self.unread = sources.collect();
    }

    /// How each source stands: live while all its targets answer, else how many do not and why the first one does not.
    pub fn states(&self, now: Time) -> BTreeMap<Text, StreamState> {
        let mut out = BTreeMap::new();
        let mut scrapes = self.scrapes.iter().peekable();
        while let Some((first, _)) = scrapes.peek() {
            let source = first.source.clone();
            let mut of = Vec::new();
            while let Some((target, scrape)) = scrapes.next_if(|(t, _)| t.source == source) {
                of.push((target, scrape));
            }
            out.insert(source, state(&of, now));
        }
        let unread = |why: &Text| StreamState::Unsupported { why: why.clone() };
        out.extend(self.unread.iter().map(|(source, why)| (source.clone(), unread(why))));
        out
    }
}

fn state(all: &[(&Target, &Scrape)], now: Time) -> StreamState {
    // Where something answers, what has no such page was none of the source's.
    let there: Vec<_> = all.iter().filter(|(_, s)| !s.absent).copied().collect();
    let of = if there.is_empty() { all } else { &there };
    let failing: Vec<_> = of.iter().filter_map(|(t, s)| Some((t, s, s.failing.as_ref()?))).collect();
    let Some((target, _, (since, why))) = failing.first() else {
        let stale: Vec<Time> = of.iter().filter_map(|(_, s)| s.stale()).collect();
        let of_now = of.iter().filter(|(_, s)| !s.of_past);
        let oldest = of_now.filter_map(|(_, s)| s.read).min().unwrap_or(now);
        return match stale.iter().min() {
            Some(since) => StreamState::Stale { since: *since },
            None if oldest.age(now) > FRESH * 4 => StreamState::Stale { since: oldest },
            None => StreamState::Live,
        };
    };
    let why: Text = if of.len() == 1 {
        why.clone()
    } else {
        let place = match &target.place {
            Place::Pod { name, .. }
            | Place::Node { name, .. }
            | Place::Service { name, .. }
            | Place::Forward { name, .. } => format!("{name}: "),
            Place::Url(base) => format!("{base}: "),
            Place::Server => String::new(),
        };
        format!("{} of {} cannot be read; {place}{why}", failing.len(), of.len()).into()
    };
    if failing.len() == of.len() && failing.iter().all(|(_, s, _)| s.forbidden) {
        StreamState::Forbidden { why }
    } else if failing.len() == of.len() && failing.iter().all(|(_, s, _)| s.absent) {
        StreamState::Unsupported { why }
    } else {
        StreamState::Reconnecting { at: *since, why }
    }
}

pub fn key(g: &Gpu) -> GpuKey {
    (g.node.clone(), g.index, g.instance.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::gpu::{Holder, Xid};

    fn at(seconds: i64) -> Time {
        Time(1_700_000_000_000 + seconds * 1000)
    }

    fn target(node: &str) -> Target {
        let place = Place::Pod { namespace: "gpu".into(), name: format!("dcgm-{node}").into(), port: 9400 };
        Target { source: "dcgm".into(), place, path: "metrics".into(), node: node.into(), sure: true }
    }

    fn gpu(node: &str, used: u64, pod: &str) -> Gpu {
        let holder = Holder { namespace: "ml".into(), pod: pod.into(), ..Holder::default() };
        let mut g = Gpu { node: node.into(), source: "dcgm".into(), holders: vec![holder], ..Gpu::default() };
        g.memory.used = Some(used);
        g
    }

    fn read(node: &str, seconds: i64, gpus: Vec<Gpu>, print: u64) -> Reading {
        let measured = Box::new(Measured { gpus, ..Measured::default() });
        Reading {
            target: target(node),
            at: at(seconds),
            outcome: Outcome::Measured { measured, print, bytes: 100 },
        }
    }

    #[test]
    fn a_series_is_of_one_holder_and_ends_with_its_exporter() {
        let mut r = Readings::default();
        for i in 0..5 {
            r.apply(read("n1", i * 10, vec![gpu("n1", 100 + i as u64, "p")], i as u64));
        }
        let touched = r.apply(read("n1", 60, vec![gpu("n1", 7, "q")], 9));
        assert_eq!(touched.iter().map(|o| &*o.name).collect::<Vec<_>>(), ["q", "n1"]);
        let (g, h) = r.gpus_of("n1", "ml", "q").next().unwrap();
        assert_eq!((g.memory.used, h.memory.len(), h.since), (Some(7), 1, at(60)));
        r.keep(&[target("n2")]);
        assert_eq!(r.gpus().count(), 0);
    }

    #[test]
    fn an_error_that_was_there_before_is_no_news() {
        let mut r = Readings::default();
        let with = |code| Gpu { xid: Some(Xid { code, ..Xid::default() }), ..gpu("n1", 1, "p") };
        r.apply(read("n1", 0, vec![with(31)], 1));
        r.apply(read("n1", 10, vec![with(31)], 2));
        let since = |r: &Readings| r.gpus_on("n1").next().unwrap().1.xid_since;
        assert_eq!(since(&r), Some((31, at(0), true)));
        r.apply(read("n1", 20, vec![with(79)], 3));
        assert_eq!(since(&r), Some((79, at(20), false)));
    }

    #[test]
    fn each_way_a_source_fails_is_said_with_its_age() {
        let mut r = Readings::default();
        let fail = |node: &str, s: i64, outcome| Reading { target: target(node), at: at(s), outcome };
        r.apply(read("n1", 0, vec![gpu("n1", 1, "p")], 1));
        assert_eq!(r.states(at(5))["dcgm"], StreamState::Live);
        r.apply(fail("n2", 5, Outcome::Failed("connection refused".into())));
        r.apply(fail("n2", 15, Outcome::Failed("connection refused".into())));
        let why = "1 of 2 cannot be read; dcgm-n2: connection refused".into();
        assert_eq!(r.states(at(20))["dcgm"], StreamState::Reconnecting { at: at(5), why });
        r.keep(&[target("n1")]);
        // The same text again and again: two minutes may be, three are not.
        for i in 1..=12 {
            r.apply(read("n1", i * 10, vec![gpu("n1", 1, "p")], 1));
        }
        assert_eq!(r.states(at(121))["dcgm"], StreamState::Live);
        for i in 13..=18 {
            r.apply(read("n1", i * 10, vec![gpu("n1", 1, "p")], 1));
        }
        assert_eq!(r.states(at(181))["dcgm"], StreamState::Stale { since: at(0) });
        r.apply(read("n1", 190, vec![gpu("n1", 2, "p")], 2));
        assert_eq!(r.states(at(191))["dcgm"], StreamState::Live);
        assert_eq!(r.states(at(900))["dcgm"], StreamState::Stale { since: at(190) }, "nobody reads any more");
        r.apply(fail("n1", 900, Outcome::Forbidden("pods/proxy".into())));
        assert_eq!(r.states(at(901))["dcgm"], StreamState::Forbidden { why: "pods/proxy".into() });
    }
}
