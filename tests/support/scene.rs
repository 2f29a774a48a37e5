//! A small cluster that is well, and what can be done to it: the fixtures of the rules.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::sync::Arc;
use std::time::Duration;

use khud::detect::{DetectConfig, Detector, Finding, State};
use khud::judge::region;
use khud::world::gpu::{Gpu, Holder};
use khud::world::measured::{ContainerUsage, Engine, Measured, PodUsage, Proxy};
use khud::world::readings::{Outcome, Place, Reading, Target};
use khud::world::regions::{self, Sight};
use khud::world::selector::Requirement;
use khud::world::*;

/// A rule, what makes it true, and the one thing that makes it untrue again.
pub struct Case {
    pub rule: &'static str,
    /// Part of a quote that must stand in the evidence.
    pub quotes: &'static str,
    pub sick: fn(&mut Scene),
    pub near: fn(&mut Scene),
}

/// What was found.
#[derive(Debug)]
pub struct Seen {
    pub rule: String,
    pub title: String,
    pub row: String,
    pub playbook: String,
    pub evidence: Vec<String>,
}

/// One Deployment `prod/web` with one pod on node `n1`, a Service before it, and what else a case adds.
pub struct Scene {
    pub now: Time,
    pub pod: Pod,
    /// More pods, each its own.
    pub more: Vec<Pod>,
    pub node: Node,
    pub nodes: Vec<Node>,
    pub set: Workload,
    pub deployment: Workload,
    pub daemon_set: Option<Workload>,
    pub service: Service,
    pub slice: EndpointSlice,
    pub services: Vec<Service>,
    pub claim: Option<Claim>,
    pub quota: Option<Quota>,
    pub job: Option<Job>,
    pub cron_job: Option<CronJob>,
    pub events: Vec<Event>,
    /// The log every container answers with.
    pub log: String,
    /// What the certificate in every Secret says that is read.
    pub certificate: TlsSecret,
    pub config_maps: Vec<Configuration>,
    /// Objects of the kinds the scene has no field for.
    pub standing: Vec<Record>,
    /// More ReplicaSets.
    pub sets: Vec<Workload>,
    /// What comes after all of it was first seen.
    pub then: Vec<Record>,
    /// What telemetry sources said, oldest first.
    pub readings: Vec<Reading>,
    /// Looks at clusters beside this one, oldest first.
    pub regions: Vec<Sight>,
}

pub fn ago(scene: &Scene, seconds: u64) -> Time {
    scene.now.minus(Duration::from_secs(seconds))
}

pub fn condition(kind: &str, status: Status, reason: &str, message: &str, since: Time) -> Condition {
    Condition {
        kind: kind.into(),
        status,
        reason: reason.into(),
        message: message.into(),
        since: Some(since),
        updated: Some(since),
    }
}

pub fn labels(pairs: &[(&str, &str)]) -> Labels {
    let mut pairs: Vec<(Text, Text)> = pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    pairs.sort();
    Labels(pairs.into())
}

pub fn terminated(code: i32, reason: &str, at: Time) -> Terminated {
    Terminated {
        exit_code: code,
        signal: 0,
        reason: reason.into(),
        message: "".into(),
        started: Some(at.minus(Duration::from_secs(20))),
        finished: Some(at),
    }
}

pub fn meta(namespace: &str, name: &str, uid: u128, created: Time) -> Meta {
    Meta {
        namespace: namespace.into(),
        name: name.into(),
        uid: Uid::Uuid(uid),
        generation: 1,
        created: Some(created),
        ..Meta::default()
    }
}

impl Scene {
    pub fn new() -> Scene {
        let now = Time::parse("2026-11-21T02:00:00Z").unwrap();
        let old = now.minus(Duration::from_secs(86_400));
        let spec = ContainerSpec {
            name: "app".into(),
            image: "registry.example.com/team/web:v2.0.1".into(),
            role: Role::App,
            requests: Resources::default(),
            limits: Resources { memory: Some(2 << 30), ..Resources::default() },
            ports: [Port { name: "http".into(), number: 8080, protocol: "TCP".into() }].into(),
            liveness: Some(probe("/live", "8080")),
            readiness: Some(probe("/ready", "8080")),
            startup: None,
            ..ContainerSpec::default()
        };
        let container = Container {
            spec: Arc::new(spec.clone()),
            ready: true,
            started: Some(true),
            restarts: 0,
            state: ContainerState::Running { since: Some(old) },
            last: None,
        };
        let template = Arc::new(Template {
            containers: [Arc::new(spec)].into(),
            pod: Arc::new(PodSpec { restart_always: true, grace: 30, ..PodSpec::default() }),
        });
        let mut pod_meta = meta("prod", "web-1-abc", 100, old);
        pod_meta.labels = labels(&[("app", "web")]);
        pod_meta.owner = Some(Owner { kind: Kind::ReplicaSet, name: "web-1".into(), uid: Uid::Uuid(200) });
        let pod = Pod {
            meta: pod_meta,
            spec: template.pod.clone(),
            node: "n1".into(),
            phase: Phase::Running,
            started: Some(old),
            ready: true,
            ready_since: Some(old),
            containers: [container].into(),
            ..Pod::default()
        };
        let deployment = workload(Kind::Deployment, meta("prod", "web", 300, old), &template);
        let mut set = workload(Kind::ReplicaSet, meta("prod", "web-1", 200, old), &template);
        set.meta.owner = Some(Owner { kind: Kind::Deployment, name: "web".into(), uid: Uid::Uuid(300) });
        let selector = Selector([Requirement::In("app".into(), ["web".into()].into())].into());
        let service = Service {
            meta: meta("prod", "web", 500, old),
            service_type: "ClusterIP".into(),
            selector: Some(selector),
            ports: [ServicePort { port: 80, target: "http".into(), ..ServicePort::default() }].into(),
            ..Service::default()
        };
        let slice = EndpointSlice {
            meta: meta("prod", "web-x", 501, old),
            service: "web".into(),
            ready: 1,
            not_ready: 0,
            ports: [Port { name: "".into(), number: 8080, protocol: "TCP".into() }].into(),
            by_hand: [].into(),
        };
        Scene {
            now,
            pod,
            more: Vec::new(),
            node: node("n1", old),
            nodes: Vec::new(),
            set,
            deployment,
            daemon_set: None,
            service,
            slice,
            services: Vec::new(),
            claim: None,
            quota: None,
            job: None,
            cron_job: None,
            events: Vec::new(),
            log: String::new(),
            certificate: TlsSecret::Missing,
            config_maps: Vec::new(),
            standing: Vec::new(),
            sets: Vec::new(),
            then: Vec::new(),
            readings: Vec::new(),
            regions: Vec::new(),
        }
    }

    /// The container of the pod.
    pub fn c(&mut self) -> &mut Container {
        &mut self.pod.containers[0]
    }

    /// Its spec, to change.
    pub fn spec(&mut self) -> &mut ContainerSpec {
        Arc::make_mut(&mut self.pod.containers[0].spec)
    }

    pub fn pod_spec(&mut self) -> &mut PodSpec {
        Arc::make_mut(&mut self.pod.spec)
    }

    /// The pod runs no more: its container waits.
    pub fn waits(&mut self, reason: &str, message: &str) {
        self.pod.phase = Phase::Pending;
        self.not_ready();
        self.c().state = ContainerState::Waiting { reason: reason.into(), message: message.into() };
    }

    pub fn not_ready(&mut self) {
        let since = ago(self, 600);
        self.pod.ready = false;
        self.pod.ready_since = Some(since);
        let c = condition("Ready", Status::False, "ContainersNotReady", "", since);
        let d = condition("ContainersReady", Status::False, "ContainersNotReady", "", since);
        self.pod.conditions = [c, d].into();
        self.c().ready = false;
        (self.slice.ready, self.slice.not_ready) = (0, 1);
    }

    /// In the restart loop, by that last end.
    pub fn crashes(&mut self, code: i32, reason: &str) {
        let at = ago(self, 100);
        self.not_ready();
        let c = self.c();
        c.restarts = 7;
        c.state = ContainerState::Waiting {
            reason: "CrashLoopBackOff".into(),
            message: "back-off 5m0s restarting failed container=app pod=web-1-abc_prod(1)".into(),
        };
        c.last = Some(Box::new(terminated(code, reason, at)));
    }

    /// No node takes the pod.
    pub fn unscheduled(&mut self, message: &str) {
        let since = ago(self, 600);
        self.pod.node = "".into();
        self.pod.phase = Phase::Pending;
        self.pod.started = None;
        self.not_ready();
        self.pod.ready_since = None;
        self.c().state = ContainerState::None;
        self.pod.conditions =
            [condition("PodScheduled", Status::False, "Unschedulable", message, since)].into();
        (self.slice.ready, self.slice.not_ready) = (0, 0);
    }

    /// The pod is over.
    pub fn failed(&mut self, reason: &str, message: &str) {
        self.not_ready();
        let at = ago(self, 60);
        self.pod.phase = Phase::Failed;
        self.pod.reason = reason.into();
        self.pod.message = message.into();
        self.c().state = ContainerState::Terminated(Box::new(terminated(137, "Error", at)));
        // Its workload has another one by now.
        (self.slice.ready, self.slice.not_ready) = (1, 0);
    }

    pub fn event(&mut self, reason: &str, note: &str) -> &mut Event {
        let (ns, name, uid) =
            (self.pod.meta.namespace.clone(), self.pod.meta.name.clone(), self.pod.meta.uid.clone());
        self.event_on(ObjectRef::new(Kind::Pod, ns, name), uid, reason, note)
    }

    pub fn event_on(&mut self, regarding: ObjectRef, uid: Uid, reason: &str, note: &str) -> &mut Event {
        let at = ago(self, 100);
        let name = format!("e{}", self.events.len());
        self.events.push(Event {
            meta: meta("prod", &name, 900 + self.events.len() as u128, at),
            regarding,
            regarding_uid: uid,
            field_path: "".into(),
            warning: true,
            reason: reason.into(),
            note: note.into(),
            count: 3,
            first: ago(self, 500),
            last: at,
            source: "kubelet".into(),
            host: "n1".into(),
        });
        self.events.last_mut().unwrap()
    }

    pub fn node_condition(&mut self, kind: &str, status: Status, reason: &str, message: &str) {
        let since = ago(self, 400);
        let mut all: Vec<Condition> = self.node.conditions.to_vec();
        all.retain(|c| &*c.kind != kind);
        all.push(condition(kind, status, reason, message, since));
        self.node.conditions = all.into();
    }

    /// Makes the pod a DaemonSet's, with those labels, in kube-system.
    pub fn daemon(&mut self, name: &str, pairs: &[(&str, &str)]) {
        let template = self.deployment.template.clone();
        let old = ago(self, 86_400);
        let mut ds = workload(Kind::DaemonSet, meta("kube-system", name, 400, old), &template);
        ds.meta.labels = labels(pairs);
        self.pod.meta.namespace = "kube-system".into();
        self.pod.meta.name = format!("{name}-x").into();
        self.pod.meta.labels = labels(pairs);
        self.pod.meta.owner = Some(Owner { kind: Kind::DaemonSet, name: name.into(), uid: Uid::Uuid(400) });
        self.daemon_set = Some(ds);
        (self.slice.ready, self.slice.not_ready) = (1, 0);
        (self.deployment.desired, self.set.desired) = (0, 0);
    }

    pub fn a_job(&mut self) -> &mut Job {
        let old = ago(self, 3600);
        self.pod.meta.owner = Some(Owner { kind: Kind::Job, name: "migrate".into(), uid: Uid::Uuid(700) });
        self.pod_spec().restart_always = false;
        self.job.insert(Job {
            meta: meta("prod", "migrate", 700, old),
            completions: 1,
            parallelism: 1,
            backoff_limit: 1,
            failed: 2,
            ..Job::default()
        })
    }

    /// A source was read `count` times, every so many seconds, last now.
    pub fn measure(
        &mut self,
        source: &str,
        node: &str,
        count: usize,
        every: u64,
        make: impl Fn(usize, Time) -> Measured,
    ) {
        let place = match source {
            "metrics.k8s.io" => Place::Server,
            "dcgm" => Place::Pod { namespace: "gpu".into(), name: "dcgm-exporter-x".into(), port: 9400 },
            _ => Place::Pod {
                namespace: self.pod.meta.namespace.clone(),
                name: self.pod.meta.name.clone(),
                port: 8000,
            },
        };
        let target =
            Target { source: source.into(), place, path: "metrics".into(), node: node.into(), sure: true };
        for i in 0..count {
            let at = ago(self, (count - 1 - i) as u64 * every);
            let measured = Box::new(make(i, at));
            let outcome = Outcome::Measured { measured, print: i as u64, bytes: 100 };
            self.readings.push(Reading { target: target.clone(), at, outcome });
        }
    }

    /// The pod holds a GPU with 32 GiB, of which it uses this much (GiB) at each reading of the exporter.
    pub fn gpu(
        &mut self,
        count: usize,
        every: u64,
        used: impl Fn(usize) -> f64,
        edit: impl Fn(usize, &mut Gpu),
    ) {
        let holder = Holder {
            namespace: self.pod.meta.namespace.clone(),
            pod: self.pod.meta.name.clone(),
            container: "app".into(),
            ..Holder::default()
        };
        self.measure("dcgm", "n1", count, every, |i, at| {
            let bytes = (used(i) * 1_073_741_824.0) as u64;
            let mut gpu = Gpu {
                node: "n1".into(),
                source: "dcgm".into(),
                busy: Some(60.0),
                holders: vec![holder.clone()],
                read_at: at,
                ..Gpu::default()
            };
            (gpu.memory.used, gpu.memory.free) = (Some(bytes), Some((32 << 30) - bytes));
            edit(i, &mut gpu);
            Measured { gpus: vec![gpu], ..Measured::default() }
        });
    }

    /// The pod is an inference server, read every 10 s.
    pub fn engine(&mut self, edit: impl Fn(usize, &mut Engine)) {
        self.measure("engines", "n1", 12, 10, |i, at| {
            let mut engine = Engine {
                kind: "vLLM".into(),
                running: Some(40.0),
                waiting: Some(0.0),
                kv_cache: Some(0.5),
                preallocates: true,
                memory_share: Some(0.9),
                read_at: at,
                ..Engine::default()
            };
            edit(i, &mut engine);
            Measured { engine: Some(engine), ..Measured::default() }
        });
    }

    /// The node's kube-proxy was asked for its health every 20 s; its last sync is five minutes old where it is unhealthy.
    pub fn proxy(&mut self, count: usize, healthy: bool) {
        let last = if healthy { self.now } else { ago(self, 300) };
        self.measure("kube-proxy", "n1", count, 20, |_, at| {
            let (node, healthy, last_sync) = ("n1".into(), Some(healthy), Some(last));
            let proxy = Proxy { node, healthy, last_sync, read_at: at, ..Proxy::default() };
            Measured { proxy: Some(proxy), ..Measured::default() }
        });
    }

    /// The node's kube-proxy tells its mode and how many rules it wrote.
    pub fn rules(&mut self, mode: &str, count: u64) {
        let now = self.now;
        self.measure("kube-proxy", "n1", 1, 20, |_, at| {
            let rules = std::iter::once(("nat".into(), count)).collect();
            let mode = mode.into();
            let last_sync = Some(now);
            let proxy = Proxy { node: "n1".into(), mode, rules, last_sync, read_at: at, ..Proxy::default() };
            Measured { proxy: Some(proxy), ..Measured::default() }
        });
    }

    /// What the container uses of memory (MiB) at each reading.
    pub fn usage(&mut self, count: usize, every: u64, mebibytes: impl Fn(usize) -> f64) {
        let (namespace, pod) = (self.pod.meta.namespace.clone(), self.pod.meta.name.clone());
        self.measure("metrics.k8s.io", "", count, every, |i, at| {
            let memory = Some((mebibytes(i) * 1_048_576.0) as u64);
            let containers = Box::new([ContainerUsage { name: "app".into(), cpu: Some(100), memory }]);
            let usage = PodUsage { namespace: namespace.clone(), pod: pod.clone(), containers, at };
            Measured { pods: vec![usage], ..Measured::default() }
        });
    }

    /// Probes of a region's API server, half a minute apart, the last one now: milliseconds, or no answer.
    pub fn probed(&mut self, context: &str, answers: &[Option<u32>]) {
        for (i, ms) in answers.iter().enumerate() {
            let at = self.now.minus(Duration::from_secs(30 * (answers.len() - 1 - i) as u64));
            let why = ms.is_none().then(|| "no answer within 5 s".into());
            self.regions.push(Sight {
                context: context.into(),
                server: format!("https://{context}.example.com").into(),
                api: regions::Probe { at, ms: *ms, why },
                health: None,
                holds: None,
            });
        }
    }

    /// What fires, in a test's words.
    pub fn look(self) -> Vec<Seen> {
        let seen = self.see();
        seen.iter()
            .map(|f| Seen {
                rule: f.rule.to_string(),
                title: f.title.clone(),
                row: f.row.clone(),
                playbook: f.playbook.to_string(),
                evidence: f.evidence.iter().map(|e| e.quote.clone()).collect(),
            })
            .collect()
    }

    /// Feeds it all to a detector, answers the logs it asks for, and says what fires.
    pub fn see(self) -> Vec<Arc<Finding>> {
        let (_, detector, _) = self.play();
        detector.findings().iter().filter(|f| f.state == State::Firing).cloned().collect()
    }

    /// The same, with the World and the moment it is looked at.
    pub fn play(self) -> (World, Detector, Time) {
        let (mut world, mut detector) = (World::new(), Detector::new(DetectConfig::default()));
        let mut changes = Vec::new();
        let mut list = |kind: Kind, records: Vec<Record>| {
            world.apply(Delta::ListStart { kind: kind.clone(), namespace: "".into() }, &mut changes);
            for record in records {
                world.apply(Delta::Apply(record), &mut changes);
            }
            world.apply(Delta::ListEnd { kind, namespace: "".into() }, &mut changes);
        };
        let boxed = |w: Workload| Record::Workload(Box::new(w));
        let nodes = std::iter::once(self.node.clone()).chain(self.nodes);
        list(Kind::Node, nodes.map(|n| Record::Node(Box::new(n))).collect());
        list(Kind::Deployment, vec![boxed(self.deployment)]);
        let sets = std::iter::once(self.set).chain(self.sets);
        list(Kind::ReplicaSet, sets.map(boxed).collect());
        let maps = self.config_maps.into_iter().map(|c| Record::Configuration(Box::new(c)));
        list(Kind::ConfigMap, maps.collect());
        list(Kind::DaemonSet, self.daemon_set.map(boxed).into_iter().collect());
        list(Kind::StatefulSet, Vec::new());
        list(Kind::Job, self.job.map(|j| Record::Job(Box::new(j))).into_iter().collect());
        list(Kind::CronJob, self.cron_job.map(|j| Record::CronJob(Box::new(j))).into_iter().collect());
        let services = std::iter::once(self.service).chain(self.services);
        list(Kind::Service, services.map(|s| Record::Service(Box::new(s))).collect());
        list(Kind::EndpointSlice, vec![Record::EndpointSlice(Box::new(self.slice))]);
        list(
            Kind::PersistentVolumeClaim,
            self.claim.map(|c| Record::Claim(Box::new(c))).into_iter().collect(),
        );
        list(Kind::ResourceQuota, self.quota.map(|q| Record::Quota(Box::new(q))).into_iter().collect());
        let others = [Kind::HorizontalPodAutoscaler, Kind::Namespace, Kind::PodDisruptionBudget];
        for kind in Kind::JUDGED.iter().cloned().chain(others) {
            let of = self.standing.iter().filter(|r| r.object().kind() == kind).cloned().collect();
            list(kind, of);
        }
        list(Kind::Event, self.events.into_iter().map(|e| Record::Event(Box::new(e))).collect());
        let pods = std::iter::once(self.pod).chain(self.more);
        list(Kind::Pod, pods.map(|p| Record::Pod(Box::new(p))).collect());
        detector.on_changes(&world, &changes, self.now);
        for record in self.then {
            let mut changes = Vec::new();
            world.apply(Delta::Apply(record), &mut changes);
            detector.on_changes(&world, &changes, self.now);
        }
        // Numbers that are not renewed prove nothing any more.
        let patience = if self.readings.is_empty() { 90 } else { 40 };
        for reading in self.readings {
            let touched = world.readings.apply(reading);
            detector.on_readings(&world, &touched, self.now);
        }
        for sight in self.regions {
            world.regions.take(sight);
            let all: Vec<_> = world.regions.iter().map(|(name, _)| region::object(name)).collect();
            detector.on_readings(&world, &all, self.now);
        }
        loop {
            let wanted = detector.wanted_logs(self.now);
            if wanted.is_empty() {
                break;
            }
            for tail in wanted {
                detector.on_log(&world, &tail, Ok(&self.log), self.now);
            }
        }
        for secret in detector.wanted_secrets() {
            detector.on_secret(&world, &secret, Ok(self.certificate.clone()), self.now);
        }
        // A little later: what waits out its time fires.
        let later = self.now.plus(Duration::from_secs(patience));
        while let Some(at) = detector.next_timer().filter(|at| *at <= later) {
            detector.on_timer(&world, at);
        }
        (world, detector, later)
    }
}

pub fn probe(path: &str, port: &str) -> Probe {
    Probe {
        handler: Handler::Http { path: path.into(), port: port.into(), https: false },
        initial_delay: 5,
        period: 5,
        timeout: 1,
        failure_threshold: 3,
    }
}

pub fn node(name: &str, created: Time) -> Node {
    let amounts = Resources {
        cpu: Some(8000),
        memory: Some(64 << 30),
        pods: Some(110),
        gpu: Some(8),
        ..Resources::default()
    };
    let mut meta = meta("", name, 10, created);
    meta.labels = labels(&[("nvidia.com/gpu.present", "true"), ("nvidia.com/gpu.count", "8")]);
    Node {
        meta,
        conditions: [condition("Ready", Status::True, "KubeletReady", "", created)].into(),
        capacity: amounts.clone(),
        allocatable: amounts,
        info: NodeInfo { kubelet: "v1.33.2".into(), ..NodeInfo::default() },
        ..Node::default()
    }
}

pub fn workload(kind: Kind, meta: Meta, template: &Arc<Template>) -> Workload {
    Workload {
        kind,
        meta,
        desired: 1,
        current: 1,
        updated: 1,
        ready: 1,
        available: 1,
        observed_generation: 1,
        paused: false,
        selector: Selector([Requirement::In("app".into(), ["web".into()].into())].into()),
        template: template.clone(),
        conditions: [].into(),
        revision: Some(1),
        change_cause: "".into(),
        current_revision: "".into(),
        update_revision: "".into(),
        strategy: "RollingUpdate".into(),
        max_unavailable: "25%".into(),
        max_surge: "25%".into(),
        progress_deadline: 600,
        history_limit: 10,
        service_name: "".into(),
        partition: 0,
    }
}
