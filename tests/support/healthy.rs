//! A healthy cluster that is never still: rollouts, scale-ups, node upgrades, Jobs, heartbeats, all done properly.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use khud::world::selector::Requirement;
use khud::world::*;

/// Deltas of a healthy cluster, second by second. The same seed gives the same deltas.
pub struct Healthy {
    pub now: Time,
    random: u64,
    serial: u64,
    nodes: Vec<Text>,
    deployments: Vec<Deployment>,
    /// What is still to come, by time.
    agenda: BTreeMap<(Time, u64), Delta>,
    /// The node being upgraded, and until when; node 0 never is.
    upgrading: usize,
    upgraded_at: Time,
}

struct Deployment {
    name: Text,
    namespace: Text,
    uid: Uid,
    replicas: u32,
    revision: u64,
    pods: Vec<(Text, Text)>,
    busy_until: Time,
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    let mut pairs: Vec<(Text, Text)> = pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    pairs.sort();
    Labels(pairs.into())
}

fn condition(kind: &str, status: Status, reason: &str, since: Time, updated: Time) -> Condition {
    Condition {
        kind: kind.into(),
        status,
        reason: reason.into(),
        message: "".into(),
        since: Some(since),
        updated: Some(updated),
    }
}

fn probe() -> Probe {
    let handler = Handler::Http { path: "/ready".into(), port: "8080".into(), https: false };
    Probe { handler, initial_delay: 5, period: 5, timeout: 1, failure_threshold: 3 }
}

fn spec(image: &str) -> Arc<ContainerSpec> {
    let amounts = Resources { cpu: Some(100), memory: Some(256 << 20), ..Resources::default() };
    Arc::new(ContainerSpec {
        name: "app".into(),
        image: image.into(),
        role: Role::App,
        requests: amounts.clone(),
        limits: amounts,
        ports: [Port { name: "http".into(), number: 8080, protocol: "TCP".into() }].into(),
        liveness: Some(probe()),
        readiness: Some(probe()),
        startup: None,
        ..ContainerSpec::default()
    })
}

impl Healthy {
    /// A cluster of so many nodes and pods, and the lists that describe it.
    pub fn new(nodes: usize, pods: usize, seed: u64) -> (Healthy, Vec<Delta>) {
        let now = Time::parse("2026-11-21T01:00:00Z").unwrap();
        let mut h = Healthy {
            now,
            random: seed | 1,
            serial: 0,
            nodes: (0..nodes).map(|i| format!("node-{i:05}").into()).collect(),
            deployments: Vec::new(),
            agenda: BTreeMap::new(),
            upgrading: 0,
            upgraded_at: now,
        };
        let mut out = Vec::new();
        let list = |out: &mut Vec<Delta>, kind: Kind, records: Vec<Record>| {
            out.push(Delta::ListStart { kind: kind.clone(), namespace: "".into() });
            out.extend(records.into_iter().map(Delta::Apply));
            out.push(Delta::ListEnd { kind, namespace: "".into() });
        };
        let records = (0..nodes).map(|i| h.node(i, true, false, "v1.33.1")).collect();
        list(&mut out, Kind::Node, records);
        let (mut all_pods, mut deployments, mut sets) = (Vec::new(), Vec::new(), Vec::new());
        let (mut services, mut slices) = (Vec::new(), Vec::new());
        let mut left = pods;
        while left > 0 {
            let replicas = left.min(1 + (h.roll() % 19) as usize) as u32;
            left -= replicas as usize;
            let i = h.deployments.len();
            let mut d = Deployment {
                name: format!("app-{i}").into(),
                namespace: format!("team-{}", i % 40).into(),
                uid: h.uid(),
                replicas,
                revision: 1,
                pods: Vec::new(),
                busy_until: now,
            };
            let born = now.minus(seconds(86_400));
            for _ in 0..replicas {
                let (name, node) = h.name_pod(&d);
                all_pods.push(h.pod(&d, &name, &node, Step::Ready(born), born));
                d.pods.push((name, node));
            }
            deployments.push(h.deployment(&d, replicas, born, true));
            sets.push(h.replica_set(&d, replicas));
            services.push(service(&d));
            slices.push(slice(&d, replicas, 0));
            h.deployments.push(d);
        }
        list(&mut out, Kind::Pod, all_pods);
        list(&mut out, Kind::ReplicaSet, sets);
        list(&mut out, Kind::Deployment, deployments);
        list(&mut out, Kind::Service, services);
        list(&mut out, Kind::EndpointSlice, slices);
        let quotas = (0..40).map(quota).collect();
        list(&mut out, Kind::ResourceQuota, quotas);
        for kind in [Kind::Event, Kind::Job, Kind::CronJob, Kind::DaemonSet, Kind::StatefulSet] {
            list(&mut out, kind, Vec::new());
        }
        (h, out)
    }

    /// The next second: about `rate` deltas.
    pub fn second(&mut self, rate: usize) -> Vec<Delta> {
        self.now = self.now.plus(seconds(1));
        let mut out = Vec::new();
        // Something new begins as long as there is room for what it will cause.
        while self.agenda.len() < rate * 12 {
            match self.roll() % 10 {
                0..=4 => self.roll_out(),
                5..=6 => self.scale_up(),
                7..=8 => self.run_job(),
                _ => self.upgrade_node(),
            }
        }
        while let Some(entry) = self.agenda.first_entry() {
            if entry.key().0 > self.now || out.len() >= rate * 4 {
                break;
            }
            out.push(entry.remove());
        }
        // Kubelets report in between.
        while out.len() < rate {
            let i = (self.roll() as usize) % self.nodes.len();
            if self.upgrading == 0 || i != self.upgrading {
                out.push(Delta::Apply(self.node(i, true, false, "v1.33.1")));
            }
        }
        out
    }

    fn roll(&mut self) -> u64 {
        // xorshift64: even enough for a fixture.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random >> 8
    }

    fn uid(&mut self) -> Uid {
        self.serial += 1;
        Uid::Uuid(u128::from(self.serial) << 32 | 7)
    }

    fn at(&mut self, time: Time, delta: Delta) {
        self.serial += 1;
        self.agenda.insert((time, self.serial), delta);
    }

    fn name_pod(&mut self, d: &Deployment) -> (Text, Text) {
        self.serial += 1;
        let node = loop {
            let i = (self.roll() as usize) % self.nodes.len();
            if self.upgrading == 0 || i != self.upgrading {
                break self.nodes[i].clone();
            }
        };
        (format!("{}-r{}-{:06x}", d.name, d.revision, self.serial).into(), node)
    }

    fn node(&mut self, i: usize, ready: bool, cordoned: bool, kubelet: &str) -> Record {
        let long_ago = self.now.minus(seconds(40 * 86_400));
        let gpu = i.is_multiple_of(8).then_some(8);
        let zone = ["us-west-2a", "us-west-2b", "us-west-2c"][i % 3];
        let mut pairs = vec![("topology.kubernetes.io/zone", zone)];
        if gpu.is_some() {
            pairs.push(("nvidia.com/gpu.present", "true"));
            pairs.push(("nvidia.com/gpu.count", "8"));
            pairs.push(("nvidia.com/cuda.driver-version.full", "550.54.15"));
        }
        let amounts = Resources {
            cpu: Some(64_000),
            memory: Some(512 << 30),
            pods: Some(250),
            gpu,
            ..Resources::default()
        };
        let (status, reason) =
            if ready { (Status::True, "KubeletReady") } else { (Status::Unknown, "NodeStatusUnknown") };
        let mut conditions: Vec<Condition> =
            ["MemoryPressure", "DiskPressure", "PIDPressure", "KernelDeadlock", "ReadonlyFilesystem"]
                .iter()
                .map(|k| condition(k, Status::False, "", long_ago, self.now))
                .collect();
        // What vendors add: unknown types, some good when True.
        conditions.push(condition("AcceleratedHardwareReady", Status::True, "", long_ago, self.now));
        conditions.push(condition("VendorThing", Status::True, "", long_ago, self.now));
        conditions.push(condition(
            "Ready",
            status,
            reason,
            if ready { long_ago } else { self.now },
            self.now,
        ));
        Record::Node(Box::new(Node {
            meta: Meta {
                name: self.nodes[i].clone(),
                uid: Uid::Uuid(i as u128 + 1),
                created: Some(long_ago),
                labels: labels(&pairs),
                ..Meta::default()
            },
            conditions: conditions.into(),
            unschedulable: cordoned,
            capacity: amounts.clone(),
            allocatable: amounts,
            info: NodeInfo { kubelet: kubelet.into(), ..NodeInfo::default() },
            ..Node::default()
        }))
    }

    fn image(d: &Deployment) -> String {
        format!("registry.example.com/{}:v1.{}.0", d.name, d.revision)
    }

    fn set_name(d: &Deployment) -> Text {
        format!("{}-r{}", d.name, d.revision).into()
    }

    fn set_uid(d: &Deployment) -> Uid {
        let Uid::Uuid(n) = d.uid else { unreachable!("made by uid()") };
        Uid::Uuid(n << 8 | u128::from(d.revision) << 64)
    }

    fn pod(&self, d: &Deployment, name: &Text, node: &Text, step: Step, born: Time) -> Record {
        let (ready, state, phase, node) = match step {
            Step::Unscheduled => (false, ContainerState::None, Phase::Pending, Text::from("")),
            Step::Creating => {
                let state =
                    ContainerState::Waiting { reason: "ContainerCreating".into(), message: "".into() };
                (false, state, Phase::Pending, node.clone())
            }
            Step::Starting(since) => {
                (false, ContainerState::Running { since: Some(since) }, Phase::Running, node.clone())
            }
            Step::Ready(since) | Step::Deleting(since) => {
                (true, ContainerState::Running { since: Some(since) }, Phase::Running, node.clone())
            }
        };
        let mut conditions = Vec::new();
        if matches!(step, Step::Unscheduled) {
            let mut c = condition("PodScheduled", Status::False, "Unschedulable", self.now, self.now);
            c.message =
                "0/9 nodes are available: 9 Insufficient cpu. preemption: 0/9 nodes are available.".into();
            conditions.push(c);
        }
        if !ready {
            conditions.push(condition("Ready", Status::False, "ContainersNotReady", born, born));
        }
        Record::Pod(Box::new(Pod {
            meta: Meta {
                namespace: d.namespace.clone(),
                name: name.clone(),
                uid: Uid::from(&**name),
                created: Some(born),
                deleting: matches!(step, Step::Deleting(_)).then(|| self.now.plus(seconds(30))),
                owner: Some(Owner { kind: Kind::ReplicaSet, name: Self::set_name(d), uid: Self::set_uid(d) }),
                labels: labels(&[("app", &d.name)]),
                ..Meta::default()
            },
            spec: Arc::new(PodSpec { restart_always: true, grace: 30, ..PodSpec::default() }),
            node,
            phase,
            started: Some(born),
            ready,
            ready_since: Some(born),
            conditions: conditions.into(),
            containers: [Container {
                spec: spec(&Self::image(d)),
                ready,
                started: Some(ready),
                restarts: 0,
                state,
                last: None,
            }]
            .into(),
            ..Pod::default()
        }))
    }

    fn workload(&self, d: &Deployment, kind: Kind) -> Workload {
        Workload {
            kind,
            meta: Meta {
                namespace: d.namespace.clone(),
                name: d.name.clone(),
                uid: d.uid.clone(),
                generation: d.revision as i64,
                created: Some(self.now.minus(seconds(86_400))),
                ..Meta::default()
            },
            desired: d.replicas,
            current: d.replicas,
            updated: d.replicas,
            ready: d.replicas,
            available: d.replicas,
            observed_generation: d.revision as i64,
            paused: false,
            selector: Selector([Requirement::In("app".into(), [d.name.clone()].into())].into()),
            template: Arc::new(Template {
                containers: [spec(&Self::image(d))].into(),
                pod: Arc::new(PodSpec::default()),
            }),
            conditions: [].into(),
            revision: Some(d.revision),
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

    fn deployment(&self, d: &Deployment, updated: u32, progress: Time, done: bool) -> Record {
        let reason = if done { "NewReplicaSetAvailable" } else { "ReplicaSetUpdated" };
        Record::Workload(Box::new(Workload {
            updated,
            conditions: [
                condition("Available", Status::True, "MinimumReplicasAvailable", progress, progress),
                condition("Progressing", Status::True, reason, progress, progress),
            ]
            .into(),
            ..self.workload(d, Kind::Deployment)
        }))
    }

    fn replica_set(&self, d: &Deployment, desired: u32) -> Record {
        let mut w = self.workload(d, Kind::ReplicaSet);
        w.meta.name = Self::set_name(d);
        w.meta.uid = Self::set_uid(d);
        w.meta.created = Some(self.now);
        w.meta.owner = Some(Owner { kind: Kind::Deployment, name: d.name.clone(), uid: d.uid.clone() });
        (w.desired, w.current, w.ready, w.available) = (desired, desired, desired, desired);
        Record::Workload(Box::new(w))
    }

    fn idle_deployment(&mut self) -> Option<usize> {
        let i = (self.roll() as usize) % self.deployments.len();
        (self.deployments[i].busy_until < self.now).then_some(i)
    }

    /// A pod's life from nothing to ready, from `from` on: 9 s, some of them unscheduled or slow to become ready.
    fn start_pod(&mut self, i: usize, name: &Text, node: &Text, from: Time) -> Time {
        let was = self.now;
        let slow = self.roll() % 20;
        let mut t = from;
        if slow == 0 {
            // The cluster grows first.
            self.step(i, name, node, Step::Unscheduled, t, from);
            t = t.plus(seconds(12));
        }
        self.step(i, name, node, Step::Creating, t, from);
        t = t.plus(seconds(3));
        self.step(i, name, node, Step::Starting(t), t, from);
        let starting = t;
        if slow == 1 {
            t = t.plus(seconds(3));
            let event = self.unhealthy(i, name, t);
            self.at(t, event);
        }
        t = t.plus(seconds(6));
        self.step(i, name, node, Step::Ready(starting), t, from);
        self.now = was;
        t
    }

    fn step(&mut self, i: usize, name: &Text, node: &Text, step: Step, at: Time, born: Time) {
        self.now = at;
        let record = self.pod(&self.deployments[i], name, node, step, born);
        self.at(at, Delta::Apply(record));
    }

    fn unhealthy(&mut self, i: usize, name: &Text, at: Time) -> Delta {
        let d = &self.deployments[i];
        let namespace = d.namespace.clone();
        let regarding = ObjectRef::new(Kind::Pod, namespace.clone(), name.clone());
        let note = "Readiness probe failed: Get \"http://10.0.0.1:8080/ready\": dial tcp 10.0.0.1:8080: connect: connection refused";
        Delta::Apply(Record::Event(Box::new(Event {
            meta: Meta { namespace, name: format!("{name}.unhealthy").into(), ..Meta::default() },
            regarding,
            regarding_uid: Uid::from(&**name),
            field_path: "spec.containers{app}".into(),
            warning: true,
            reason: "Unhealthy".into(),
            note: note.into(),
            count: 1,
            first: at,
            last: at,
            source: "kubelet".into(),
            host: "".into(),
        })))
    }

    fn roll_out(&mut self) {
        let Some(i) = self.idle_deployment() else { return };
        let begin = self.now;
        let old: Vec<(Text, Text)> = std::mem::take(&mut self.deployments[i].pods);
        let born = begin.minus(seconds(86_400));
        self.deployments[i].revision += 1;
        let set = self.replica_set(&self.deployments[i], 1);
        self.at(begin, Delta::Apply(set));
        let mut t = begin;
        for (n, (old_name, old_node)) in (1u32..).zip(old) {
            let d = &self.deployments[i];
            let record = self.deployment(d, n, t, false);
            self.at(t, Delta::Apply(record));
            let made = {
                let d = &self.deployments[i];
                let (namespace, name, revision) = (d.namespace.clone(), d.name.clone(), d.revision);
                let like = Deployment {
                    name,
                    namespace,
                    uid: d.uid.clone(),
                    replicas: d.replicas,
                    revision,
                    pods: Vec::new(),
                    busy_until: t,
                };
                self.name_pod(&like)
            };
            t = self.start_pod(i, &made.0, &made.1, t);
            // The old revision's pod leaves: 2 s of grace.
            self.deployments[i].revision -= 1;
            self.step(i, &old_name, &old_node, Step::Deleting(born), t, born);
            self.deployments[i].revision += 1;
            let object = ObjectRef::new(Kind::Pod, self.deployments[i].namespace.clone(), old_name);
            self.at(t.plus(seconds(2)), Delta::Delete { object, uid: Uid::default() });
            self.deployments[i].pods.push(made);
            self.now = begin;
        }
        let record = self.deployment(&self.deployments[i], self.deployments[i].replicas, t, true);
        self.at(t, Delta::Apply(record));
        self.deployments[i].busy_until = t.plus(seconds(5));
    }

    fn scale_up(&mut self) {
        let Some(i) = self.idle_deployment() else { return };
        let begin = self.now;
        let ready = self.deployments[i].replicas;
        self.deployments[i].replicas += 1;
        let record = self.deployment(&self.deployments[i], ready, begin, false);
        self.at(begin, Delta::Apply(record));
        let d = &self.deployments[i];
        let like = Deployment {
            name: d.name.clone(),
            namespace: d.namespace.clone(),
            uid: d.uid.clone(),
            replicas: d.replicas,
            revision: d.revision,
            pods: Vec::new(),
            busy_until: begin,
        };
        let made = self.name_pod(&like);
        let t = self.start_pod(i, &made.0, &made.1, begin);
        self.deployments[i].pods.push(made);
        let d = &self.deployments[i];
        let (record, slice) = (self.deployment(d, d.replicas, t, true), slice(d, d.replicas, 0));
        self.at(t, Delta::Apply(record));
        self.at(t, Delta::Apply(slice));
        self.deployments[i].busy_until = t.plus(seconds(5));
    }

    /// Cordon, empty, reboot with a new kubelet, come back, uncordon.
    fn upgrade_node(&mut self) {
        if self.now < self.upgraded_at || self.nodes.len() < 2 {
            // One at a time.
            return self.run_job();
        }
        let i = 1 + (self.roll() as usize) % (self.nodes.len() - 1);
        self.upgrading = i;
        self.upgraded_at = self.now.plus(seconds(70));
        let begin = self.now;
        for (after, ready, cordoned, kubelet) in [
            (0, true, true, "v1.33.1"),
            (20, false, true, "v1.33.1"),
            (60, true, true, "v1.33.2"),
            (65, true, false, "v1.33.2"),
        ] {
            self.now = begin.plus(seconds(after));
            let record = self.node(i, ready, cordoned, kubelet);
            self.at(self.now, Delta::Apply(record));
        }
        self.now = begin;
    }

    fn run_job(&mut self) {
        let begin = self.now;
        self.serial += 1;
        let name: Text = format!("job-{}", self.serial).into();
        let namespace: Text = "batch".into();
        let uid = self.uid();
        let job = |done: Option<Time>| {
            Delta::Apply(Record::Job(Box::new(Job {
                meta: Meta {
                    namespace: namespace.clone(),
                    name: name.clone(),
                    uid: uid.clone(),
                    created: Some(begin),
                    ..Meta::default()
                },
                active: u32::from(done.is_none()),
                succeeded: u32::from(done.is_some()),
                completions: 1,
                parallelism: 1,
                backoff_limit: 6,
                started: Some(begin),
                completed: done,
                ..Job::default()
            })))
        };
        let d = Deployment {
            name: name.clone(),
            namespace: namespace.clone(),
            uid: uid.clone(),
            replicas: 1,
            revision: 1,
            pods: Vec::new(),
            busy_until: begin,
        };
        let (pod_name, node) = self.name_pod(&d);
        let end = begin.plus(seconds(15));
        self.at(begin, job(None));
        for (after, step) in [(0, Step::Creating), (3, Step::Starting(begin)), (15, Step::Ready(begin))] {
            let Record::Pod(mut pod) = self.pod(&d, &pod_name, &node, step, begin) else {
                unreachable!("pod() makes a pod")
            };
            pod.meta.owner = Some(Owner { kind: Kind::Job, name: name.clone(), uid: uid.clone() });
            pod.spec = Arc::new(PodSpec { restart_always: false, ..PodSpec::default() });
            if after == 15 {
                pod.phase = Phase::Succeeded;
                pod.ready = false;
                pod.containers[0].ready = false;
                pod.containers[0].state = ContainerState::Terminated(Box::new(Terminated {
                    exit_code: 0,
                    signal: 0,
                    reason: "Completed".into(),
                    message: "".into(),
                    started: Some(begin),
                    finished: Some(end),
                }));
            }
            self.at(begin.plus(seconds(after)), Delta::Apply(Record::Pod(pod)));
        }
        self.at(end, job(Some(end)));
    }
}

#[derive(Clone, Copy)]
enum Step {
    Unscheduled,
    Creating,
    Starting(Time),
    Ready(Time),
    Deleting(Time),
}

fn service(d: &Deployment) -> Record {
    Record::Service(Box::new(Service {
        meta: Meta {
            namespace: d.namespace.clone(),
            name: d.name.clone(),
            created: Time::parse("2026-01-01T00:00:00Z"),
            ..Meta::default()
        },
        service_type: "ClusterIP".into(),
        selector: Some(Selector([Requirement::In("app".into(), [d.name.clone()].into())].into())),
        ports: [ServicePort { port: 80, target: "http".into(), ..ServicePort::default() }].into(),
        ..Service::default()
    }))
}

fn slice(d: &Deployment, ready: u32, not_ready: u32) -> Record {
    Record::EndpointSlice(Box::new(EndpointSlice {
        meta: Meta {
            namespace: d.namespace.clone(),
            name: format!("{}-abcde", d.name).into(),
            ..Meta::default()
        },
        service: d.name.clone(),
        ready,
        not_ready,
        ports: [Port { name: "".into(), number: 8080, protocol: "TCP".into() }].into(),
        by_hand: [].into(),
    }))
}

fn quota(i: usize) -> Record {
    Record::Quota(Box::new(Quota {
        meta: Meta { namespace: format!("team-{i}").into(), name: "quota".into(), ..Meta::default() },
        amounts: [QuotaAmount {
            resource: "pods".into(),
            used: "80".into(),
            hard: "100".into(),
            used_value: 80,
            hard_value: 100,
        }]
        .into(),
    }))
}
