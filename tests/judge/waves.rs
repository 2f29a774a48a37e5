//! Waves against a small cluster in memory: killed at every step and resumed, they do nothing twice and leave nothing behind.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::path::PathBuf;

use crate::support::captures;
use khud::remedy::waves::{LABEL, Phase, State};
use khud::remedy::{self, FileDone, FileOp, Need, Options, Outcome, Params, Ran, Reply, Run};
use khud::world::ask::{Answer, Call, Verb};
use khud::world::{Delta, Kind, ObjectRef, Time, World};
use proptest::prelude::*;
use serde_json::{Value, json};

const CLUSTER: &str = "0c1d2e3f-0000-4000-8000-000000000001";
pub const STATE: &str = "/state/run.json";
const HOUR: i64 = 3_600_000;

/// The cluster, the files and the machines, as they are whatever khud believes.
pub struct Fleet {
    pub world: World,
    pub now: Time,
    pub nodes: BTreeMap<String, Value>,
    pods: BTreeMap<String, Value>,
    pub leases: BTreeMap<String, Value>,
    pub files: HashMap<PathBuf, Vec<u8>>,
    uids: u64,
    /// Machines that join at their time.
    booting: Vec<(Time, String)>,
    /// New machines have names of their own, as in a cloud.
    renames: bool,
    /// Nodes whose new machine does not become Ready.
    broken: BTreeSet<String>,
    /// Every node as first seen.
    pub first: BTreeMap<String, String>,
    /// Names of evicted pods and how often the hook ran, by node.
    evicted: Vec<String>,
    pub hooks: BTreeMap<String, u32>,
    /// Nodes in the order in which they were cordoned.
    cordoned: Vec<String>,
    /// The version of an upgrade.
    pub to: Option<&'static str>,
    /// Kubelets that restart, and when they are Ready again.
    pub restarting: Vec<(Time, String)>,
    /// Nodes whose jobs have saved their work; the exit code of what has them do so.
    saved: BTreeSet<String>,
    saves: i32,
    /// Until when the API server does not answer.
    pub away: Time,
    /// The needs that only list objects, by number.
    pub lists: BTreeSet<usize>,
    /// What must never be and was.
    pub wrong: Vec<String>,
}

fn ok(body: Value) -> Answer {
    Answer { status: 200, body }
}

fn refused(status: u16, message: &str) -> Answer {
    Answer { status, body: json!({"kind": "Status", "message": message, "code": status}) }
}

impl Fleet {
    pub fn empty() -> Fleet {
        Fleet {
            world: World::new(),
            now: captures::now(),
            nodes: BTreeMap::new(),
            pods: BTreeMap::new(),
            leases: BTreeMap::new(),
            files: HashMap::new(),
            uids: 0,
            booting: Vec::new(),
            renames: false,
            broken: BTreeSet::new(),
            first: BTreeMap::new(),
            evicted: Vec::new(),
            hooks: BTreeMap::new(),
            cordoned: Vec::new(),
            to: None,
            restarting: Vec::new(),
            saved: BTreeSet::new(),
            saves: 0,
            away: Time(0),
            lists: BTreeSet::new(),
            wrong: Vec::new(),
        }
    }

    /// Seven GPU nodes: two idle, one with a plain workload, a gang of two with young work, one job that is over the
    /// limit, and one that passes it while the waves before go on.
    fn new() -> Fleet {
        let mut fleet = Fleet::empty();
        for n in 1..=7 {
            fleet.join(&format!("n{n}"), true);
        }
        fleet.first = fleet.nodes.iter().map(|(n, o)| (n.clone(), uid(o))).collect();
        let at = |fleet: &Fleet, ago: i64| Time(fleet.now.0 - ago).to_string();
        let (young, old, ageing) =
            (at(&fleet, HOUR), at(&fleet, 21 * 24 * HOUR), at(&fleet, 24 * HOUR - 200_000));
        fleet.pod("web-1", "n3", json!({"kind": "ReplicaSet", "name": "web"}), &young, "Always");
        fleet.pod("gang-0", "n4", json!({"kind": "Job", "name": "gang"}), &young, "Never");
        fleet.pod("gang-1", "n5", json!({"kind": "Job", "name": "gang"}), &young, "Never");
        fleet.pod("weeks-0", "n6", json!({"kind": "Job", "name": "weeks"}), &old, "Never");
        fleet.pod("ageing-0", "n7", json!({"kind": "Job", "name": "ageing"}), &ageing, "Never");
        for kind in [Kind::Node, Kind::Pod, Kind::DaemonSet, Kind::PodDisruptionBudget] {
            captures::listed(&mut fleet.world, kind);
        }
        fleet
    }

    pub fn uid(&mut self) -> String {
        self.uids += 1;
        format!("0c1d2e3f-0000-4000-9000-{:012}", self.uids)
    }

    pub fn join(&mut self, name: &str, ready: bool) {
        let uid = self.uid();
        let node = json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "uid": uid, "creationTimestamp": self.now.to_string(), "labels": {"pool": "gpu", "topology.kubernetes.io/zone": "a"}},
            "spec": {"providerID": format!("aws:///a/i-{}", self.uids)},
            "status": {
                "allocatable": {"cpu": "8", "memory": "64Gi", "pods": "110", "nvidia.com/gpu": "8"},
                "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }, "reason": "KubeletReady"}],
                "nodeInfo": {"kubeletVersion": "v1.33.4", "osImage": "old", "bootID": format!("boot-{}", self.uids)},
            },
        });
        captures::apply(&mut self.world, Kind::Node, &node);
        self.nodes.insert(name.to_owned(), node);
    }

    pub fn pod(&mut self, name: &str, node: &str, mut owner: Value, started: &str, restart: &str) {
        owner["apiVersion"] = json!("v1");
        owner["controller"] = json!(true);
        owner["uid"] =
            json!(format!("0c1d2e3f-0000-4000-a000-{:0>12}", owner["name"].as_str().unwrap().len()));
        let uid = self.uid();
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "ml", "uid": uid, "creationTimestamp": started,
                         "ownerReferences": [owner]},
            "spec": {"nodeName": node, "restartPolicy": restart,
                     "containers": [{"name": "c", "image": "i", "resources": {"limits": {"nvidia.com/gpu": "8"}}}]},
            "status": {"phase": "Running", "startTime": started},
        });
        captures::apply(&mut self.world, Kind::Pod, &pod);
        self.pods.insert(name.to_owned(), pod);
    }

    /// Time goes on; machines that are due join, and the scheduler puts a pod on each.
    pub fn tick(&mut self, to: Time) {
        self.now = to.max(self.now);
        for (_, name) in self.restarting.extract_if(.., |(at, _)| *at <= self.now).collect::<Vec<_>>() {
            self.ready(&name, true);
        }
        let due: Vec<String> =
            self.booting.iter().filter(|(at, _)| *at <= self.now).map(|(_, n)| n.clone()).collect();
        self.booting.retain(|(at, _)| *at > self.now);
        for name in due {
            let ready = !self.broken.contains(&name);
            let name = if self.renames { format!("ip-{name}") } else { name };
            self.join(&name, ready);
            if ready {
                let now = self.now.to_string();
                self.pod(
                    &format!("new-on-{name}"),
                    &name,
                    json!({"kind": "ReplicaSet", "name": "web"}),
                    &now,
                    "Always",
                );
            }
        }
    }

    fn ready(&mut self, name: &str, ready: bool) {
        let Some(node) = self.nodes.get_mut(name) else { return };
        node["status"]["conditions"][0]["status"] = json!(if ready { "True" } else { "False" });
        let node = node.clone();
        captures::apply(&mut self.world, Kind::Node, &node);
    }

    /// The operator's command on a node: its kubelet restarts with the new version.
    fn upgrade(&mut self, name: &str, to: &str) {
        if self.nodes[name]["status"]["nodeInfo"]["kubeletVersion"] == to {
            self.wrong.push(format!("{name} was upgraded twice"));
        }
        self.nodes.get_mut(name).unwrap()["status"]["nodeInfo"]["kubeletVersion"] = json!(to);
        self.ready(name, false);
        self.restarting.push((Time(self.now.0 + 10_000), name.to_owned()));
        if name == "cp1" {
            // kubeadm restarts the API server that answers.
            self.away = Time(self.now.0 + 30_000);
        }
    }

    fn delete_node(&mut self, name: &str) {
        let Some(node) = self.nodes.remove(name) else { return };
        let object = ObjectRef::new(Kind::Node, "", name);
        self.world.apply(Delta::Delete { object, uid: uid(&node).as_str().into() }, &mut Vec::new());
        self.booting.push((Time(self.now.0 + 120_000), name.to_owned()));
    }

    fn call(&mut self, call: &Call) -> Answer {
        let path = call.path.split('?').next().unwrap();
        let last = path.rsplit('/').next().unwrap().to_owned();
        match (call.verb, path) {
            (Verb::Post, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews") => {
                Answer { status: 201, body: json!({"status": {"allowed": true}}) }
            }
            (Verb::Get, "/api/v1/namespaces/kube-system") => ok(json!({"metadata": {"uid": CLUSTER}})),
            (Verb::Get, "/version") => ok(json!({"gitVersion": "v1.33.1"})),
            (Verb::Get, "/metrics" | "/readyz") => ok(json!("")),
            (Verb::Get, p)
                if p.starts_with("/apis/apiextensions.k8s.io/")
                    || p.starts_with("/apis/admissionregistration") =>
            {
                ok(json!({"items": []}))
            }
            (Verb::Get, p) if p == khud::remedy::waves::LEASES => {
                ok(json!({"items": self.leases.values().collect::<Vec<_>>()}))
            }
            (Verb::Post, p) if p == khud::remedy::waves::LEASES => {
                let lease = call.body.clone().unwrap();
                self.leases.insert(lease["metadata"]["name"].as_str().unwrap().to_owned(), lease.clone());
                Answer { status: 201, body: lease }
            }
            (verb, p) if p.contains("/leases/") => match (verb, self.leases.get_mut(&last)) {
                (_, None) => refused(404, "no such lease"),
                (Verb::Delete, _) => {
                    self.leases.remove(&last);
                    ok(json!({}))
                }
                (Verb::Patch, Some(lease)) => {
                    merge(lease, call.body.as_ref().unwrap());
                    ok(lease.clone())
                }
                (_, Some(lease)) => ok(lease.clone()),
            },
            (Verb::Get, p) if p.starts_with("/api/v1/nodes/") => {
                self.nodes.get(&last).map_or_else(|| refused(404, "no such node"), |n| ok(n.clone()))
            }
            (Verb::Patch, p) if p.starts_with("/api/v1/nodes/") => {
                self.patch(&last, call.body.as_ref().unwrap())
            }
            (Verb::Get, "/apis") => ok(json!({"groups": []})),
            (Verb::Get, p) if self.to.is_some() && (p.starts_with("/apis/") || p.starts_with("/api/v1/")) => {
                ok(json!({"items": []}))
            }
            (Verb::Post, p) if p.ends_with("/eviction") => self.evict(p.rsplit('/').nth(1).unwrap(), call),
            other => panic!("{other:?}"),
        }
    }

    fn patch(&mut self, name: &str, body: &Value) -> Answer {
        let Some(node) = self.nodes.get_mut(name) else { return refused(404, "no such node") };
        if body["metadata"]["uid"] != node["metadata"]["uid"] {
            return refused(409, "the UID in the precondition does not match");
        }
        let was = node["spec"]["unschedulable"].as_bool() == Some(true);
        merge(node, body);
        let node = node.clone();
        captures::apply(&mut self.world, Kind::Node, &node);
        if !was && node["spec"]["unschedulable"].as_bool() == Some(true) {
            self.cordoned.push(name.to_owned());
            if self.first[name] != uid(&node) {
                self.wrong.push(format!("the new machine of {name} was cordoned"));
            }
        }
        ok(node)
    }

    fn evict(&mut self, name: &str, call: &Call) -> Answer {
        let Some(pod) = self.pods.get(name) else { return refused(404, "no such pod") };
        if call.body.as_ref().unwrap()["deleteOptions"]["preconditions"]["uid"] != pod["metadata"]["uid"] {
            return refused(409, "the UID in the precondition does not match");
        }
        let pod = self.pods.remove(name).unwrap();
        let object = ObjectRef::new(Kind::Pod, "ml", name);
        self.world.apply(Delta::Delete { object, uid: uid(&pod).as_str().into() }, &mut Vec::new());
        self.evicted.push(name.to_owned());
        Answer { status: 201, body: json!({}) }
    }

    /// Carries a need out.
    fn serve(&mut self, need: &Need) -> Reply {
        match need {
            Need::Call(_) if self.now < self.away => Reply::Call(Err("connection refused".to_owned())),
            Need::Call(call) => Reply::Call(Ok(self.call(call))),
            Need::File(FileOp::Read { path }) => {
                Reply::File(Ok(FileDone { read: self.files.get(path).cloned(), ..FileDone::default() }))
            }
            Need::File(FileOp::Replace { path, bytes }) => {
                self.files.insert(path.clone(), bytes.clone());
                Reply::File(Ok(FileDone::default()))
            }
            Need::Command(command) => {
                let name = command.words[1].clone();
                assert_eq!(command.env.iter().find(|(k, _)| k == "KHUD_NODE").unwrap().1, name);
                if self.nodes.get(&name).is_some_and(|n| uid(n) != self.first[&name]) {
                    self.wrong.push(format!("{name} was replaced twice"));
                }
                if command.words[0] == "save" {
                    let jobs = &command.env.iter().find(|(k, _)| k == "KHUD_JOBS").unwrap().1;
                    assert!(jobs.starts_with("ml/"), "{jobs}");
                    let tail = "no space left on /checkpoints".to_owned();
                    if self.saves == 0 {
                        self.saved.insert(name);
                    }
                    return Reply::Command(Ok(Ran { code: Some(self.saves), tail }));
                }
                *self.hooks.entry(name.clone()).or_default() += 1;
                match self.to {
                    Some(to) => self.upgrade(&name, to),
                    None => self.delete_node(&name),
                }
                Reply::Command(Ok(Ran { code: Some(0), tail: String::new() }))
            }
            Need::Confirm(_) => Reply::Confirm(true),
            Need::Journal(_) => Reply::Journal(Ok(())),
            other => panic!("{other:?}"),
        }
    }

    pub fn state(&self) -> State {
        State::read(&self.files[&PathBuf::from(STATE)], CLUSTER).unwrap()
    }

    pub fn unschedulable(&self) -> Vec<&str> {
        let off = |n: &&Value| n["spec"]["unschedulable"].as_bool() == Some(true);
        self.nodes.values().filter(off).map(|n| n["metadata"]["name"].as_str().unwrap()).collect()
    }

    /// What holds whatever happened to khud.
    fn invariants(&self, when: &str) {
        assert_eq!(self.wrong, Vec::<String>::new(), "{when}");
        assert!(!self.evicted.iter().any(|p| p.starts_with("weeks")), "{when}: the old job was evicted");
        assert!(!self.evicted.iter().any(|p| p.starts_with("new-on")), "{when}: a new machine was drained");
        assert!(self.hooks.values().all(|n| *n == 1), "{when}: {:?}", self.hooks);
    }
}

pub fn uid(object: &Value) -> String {
    object["metadata"]["uid"].as_str().unwrap().to_owned()
}

/// JSON merge patch, which is what a strategic merge patch of these fields means.
fn merge(into: &mut Value, patch: &Value) {
    for (key, value) in patch.as_object().unwrap() {
        match value {
            Value::Null => drop(into.as_object_mut().unwrap().remove(key)),
            Value::Object(_) if into[key].is_object() => merge(&mut into[key], value),
            value => into[key] = value.clone(),
        }
    }
}

fn params() -> Params {
    [
        ("nodes", "pool=gpu"),
        ("size", "2"),
        ("gate", "ready=300s\ngpus\npause=60s"),
        ("max-job-age", "24h"),
        ("replace-cmd", "renew {node}"),
        ("state", STATE),
    ]
    .map(|(k, v)| (k.to_owned(), v.to_owned()))
    .into()
}

fn start(params: Params, id: &str) -> Run {
    let options = Options { id: id.to_owned(), context: "prod".to_owned(), ..Options::default() };
    Run::new(remedy::action("waves").unwrap(), remedy::the_cluster(), params, options).unwrap()
}

/// When khud dies.
#[derive(Clone, Copy, Debug)]
pub enum Death {
    Never,
    /// Before need N is carried out.
    Before(usize),
    /// After need N was carried out, and before its answer came.
    After(usize),
}

/// Drives a run until it ends or khud dies; how many needs were carried out.
pub fn drive(fleet: &mut Fleet, run: &mut Run, death: Death) -> usize {
    let mut open: VecDeque<(u64, Need)> = VecDeque::new();
    let mut served = 0;
    for _ in 0..20_000 {
        open.extend(run.poll(&fleet.world, fleet.now));
        if run.done() {
            return served;
        }
        let Some((id, need)) = open.pop_front() else {
            let wake = run.wake().expect("a run that waits for nothing is stuck");
            let next = Time((fleet.now.0 + 1000).min(wake.0.max(fleet.now.0 + 1)));
            fleet.tick(next);
            continue;
        };
        if matches!(death, Death::Before(n) if n == served) {
            return served;
        }
        // No wave begins before the one before it is back, whoever looks.
        if let Need::Call(call) = &need
            && call.verb == Verb::Patch
            && call.body.as_ref().is_some_and(|b| b["spec"]["unschedulable"] == true)
        {
            fleet.check_order(call.path.rsplit('/').next().unwrap());
        }
        if matches!(&need, Need::Call(call) if call.verb == Verb::Get && call.path.contains("limit=")) {
            fleet.lists.insert(served);
        }
        let reply = fleet.serve(&need);
        served += 1;
        if matches!(death, Death::After(n) if n + 1 == served) {
            return served;
        }
        run.answer(id, reply);
    }
    panic!("the run does not end: {run:?}");
}

impl Fleet {
    fn check_order(&mut self, cordoning: &str) {
        let state = self.state();
        if let Some(to) = self.to {
            return self.check_upgrade(cordoning, to, &state);
        }
        let wave = state.nodes[cordoning].wave;
        for (name, node) in state.nodes.iter().filter(|(_, n)| n.wave > 0 && n.wave < wave) {
            let there = self.nodes.get(node.now(name)).is_some_and(|n| {
                n["status"]["conditions"][0]["status"] == "True"
                    && n["status"]["allocatable"]["nvidia.com/gpu"] == "8"
            });
            let back = there
                && (node.phase == Phase::Skipped || uid(&self.nodes[node.now(name)]) != self.first[name]);
            if !back {
                self.wrong.push(format!("wave {wave} began while {name} of wave {} was not back", node.wave));
            }
        }
    }
}

impl Fleet {
    /// Every node of an earlier wave is upgraded, Ready, schedulable and free of the run's taint; and its pause is over.
    fn check_upgrade(&mut self, cordoning: &str, to: &str, state: &State) {
        let wave = state.nodes[cordoning].wave;
        for (name, before) in state.nodes.iter().filter(|(_, n)| n.wave > 0 && n.wave < wave) {
            let node = &self.nodes[name];
            let well = node["status"]["nodeInfo"]["kubeletVersion"] == to
                && node["status"]["conditions"][0]["status"] == "True"
                && node["spec"]["unschedulable"] != true
                && node["spec"]["taints"].is_null();
            let pause = if before.control_plane { 20_000 } else { 30_000 };
            let waited = before.ended.is_some_and(|at| self.now.0 >= at.0 + pause) || before.wave + 1 < wave;
            if !well || !waited {
                self.wrong.push(format!("{cordoning} began while {name} was not done: {node}"));
            }
        }
    }
}

#[test]
fn all_waves_go_through_and_old_work_survives() {
    let mut fleet = Fleet::new();
    let mut run = start(params(), "r1");
    drive(&mut fleet, &mut run, Death::Never);
    fleet.invariants("at the end");
    assert_eq!(run.outcome(), Some(Outcome::Applied), "{}", run.report().reason);
    assert_eq!(run.exit_code(), 3, "done, but nodes were skipped");
    let state = fleet.state();
    let skipped: Vec<(&str, &str)> = state
        .nodes
        .iter()
        .filter(|(_, n)| n.phase == Phase::Skipped)
        .map(|(name, n)| (name.as_str(), n.why.as_str()))
        .collect();
    assert_eq!(skipped.len(), 2, "{skipped:?}");
    assert_eq!(skipped[0].0, "n6");
    assert!(skipped[0].1.contains("job ml/weeks runs for 21d, the limit is 24h"), "{skipped:?}");
    assert_eq!(skipped[1].0, "n7");
    assert!(skipped[1].1.contains("job ml/ageing"), "it passed the limit while the run went on: {skipped:?}");
    assert_eq!(fleet.unschedulable(), Vec::<&str>::new());
    assert_eq!(fleet.leases.len(), 0);
    assert!(!fleet.cordoned.contains(&"n6".to_owned()));
    // Members of the gang are in different waves.
    assert_ne!(state.nodes["n4"].wave, state.nodes["n5"].wave);
    let report = String::from_utf8(fleet.files[&PathBuf::from("/state/run.md")].clone()).unwrap();
    assert!(
        report.contains("| – | n6 | skipped |") && report.contains("gate gpus holds: 16 GPUs are back"),
        "{report}"
    );
}

/// Resumes until the run ends well, dying at the given steps on the way.
fn survive(deaths: &[Death]) {
    let mut fleet = Fleet::new();
    for death in deaths {
        let mut run = start(params(), "r1");
        drive(&mut fleet, &mut run, *death);
        let later = Time(fleet.now.0 + 5_000);
        fleet.tick(later);
        let ended = fleet.files.contains_key(&PathBuf::from(STATE)) && fleet.state().ended.is_some();
        if ended {
            break;
        }
    }
    let ended = fleet.files.contains_key(&PathBuf::from(STATE)) && fleet.state().ended.is_some();
    if !ended {
        let mut run = start(params(), "r1");
        drive(&mut fleet, &mut run, Death::Never);
        assert_eq!(run.outcome(), Some(Outcome::Applied), "{deaths:?}: {}", run.report().reason);
    }
    let when = format!("{deaths:?}");
    fleet.invariants(&when);
    assert_eq!(fleet.unschedulable(), Vec::<&str>::new(), "{when}: left cordoned by accident");
    let state = fleet.state();
    assert!(state.nodes.values().all(|n| n.phase.ended()), "{when}");
    for name in ["n1", "n2", "n3", "n4", "n5"] {
        assert_eq!(state.nodes[name].phase, Phase::Done, "{when}: {name} {}", state.nodes[name].why);
        assert_ne!(uid(&fleet.nodes[name]), fleet.first[name], "{when}: {name} was not replaced");
    }
}

#[test]
fn killed_before_and_after_every_step_nothing_is_done_twice() {
    let mut fleet = Fleet::new();
    let steps = drive(&mut fleet, &mut start(params(), "r1"), Death::Never);
    assert!(steps > 60, "the run has the steps that it should: {steps}");
    for n in 0..steps {
        survive(&[Death::Before(n)]);
        survive(&[Death::After(n)]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn killed_again_and_again_nothing_is_done_twice(deaths in prop::collection::vec((0usize..45, any::<bool>()), 1..12)) {
        let deaths: Vec<Death> =
            deaths.into_iter().map(|(n, after)| if after { Death::After(n) } else { Death::Before(n) }).collect();
        survive(&deaths);
    }
}

#[test]
fn a_gate_that_fails_stops_the_run_and_its_nodes_stay_cordoned_until_it_is_resumed() {
    let mut fleet = Fleet::new();
    // The machine of a node in the second wave does not become Ready.
    fleet.broken.insert("n1".to_owned());
    let mut run = start(params(), "r1");
    drive(&mut fleet, &mut run, Death::Never);
    assert_eq!((run.outcome(), run.exit_code()), (Some(Outcome::Failed), 1));
    let reason = run.report().reason;
    assert!(reason.contains("gate ready of wave") && reason.contains("n1 is not Ready"), "{reason}");
    assert!(reason.contains("khud do --resume r1"), "{reason}");
    let state = fleet.state();
    let wave = state.nodes["n1"].wave;
    assert!(
        state.nodes.values().filter(|n| n.wave > wave).all(|n| n.phase == Phase::Waiting),
        "no later wave began"
    );
    assert_eq!(fleet.leases.len(), 0, "somebody else may go on");
    // Somebody repairs it.
    fleet.broken.clear();
    fleet.nodes.get_mut("n1").unwrap()["status"]["conditions"][0]["status"] = json!("True");
    let repaired = fleet.nodes["n1"].clone();
    captures::apply(&mut fleet.world, Kind::Node, &repaired);
    let mut run = start(params(), "r1");
    drive(&mut fleet, &mut run, Death::Never);
    assert_eq!(run.outcome(), Some(Outcome::Applied), "{}", run.report().reason);
    fleet.invariants("at the end");
    assert_eq!(fleet.unschedulable(), Vec::<&str>::new());
}

#[test]
fn nodes_that_come_back_under_names_of_their_own_are_found() {
    let mut fleet = Fleet::new();
    fleet.renames = true;
    let mut run = start(params(), "r1");
    drive(&mut fleet, &mut run, Death::Never);
    fleet.invariants("at the end");
    assert_eq!(run.outcome(), Some(Outcome::Applied), "{}", run.report().reason);
    let state = fleet.state();
    for name in ["n1", "n2", "n3", "n4", "n5"] {
        assert_eq!(state.nodes[name].phase, Phase::Done);
        assert_eq!(state.nodes[name].successor, format!("ip-{name}"));
    }
    let report = String::from_utf8(fleet.files[&PathBuf::from("/state/run.md")].clone()).unwrap();
    assert!(report.contains("n1 → ip-n1"), "{report}");
}

#[test]
fn nodes_that_a_stopped_run_holds_are_left_to_it() {
    let mut fleet = Fleet::new();
    fleet.broken.insert("n1".to_owned());
    drive(&mut fleet, &mut start(params(), "r1"), Death::Never);
    // A node that the first run cordoned and did not finish.
    let node = fleet.nodes.get_mut("n3").unwrap();
    node["metadata"]["labels"][LABEL] = json!("r1");
    let node = node.clone();
    captures::apply(&mut fleet.world, Kind::Node, &node);
    let plan = remedy::waves::plan(&fleet.world, fleet.now, &params()).unwrap();
    let why = &plan.skipped.iter().find(|s| s.name == "n3").unwrap().why;
    assert!(why.contains("run r1 has cordoned it: resume that run"), "{why}");
}

#[test]
fn a_run_that_is_given_up_uncordons_what_is_safe_to() {
    let mut fleet = Fleet::new();
    // It dies while the first hook runs: that node's replacement is under way.
    let mut steps = 0;
    loop {
        let mut probe = Fleet::new();
        drive(&mut probe, &mut start(params(), "r1"), Death::Before(steps));
        if probe.files.contains_key(&PathBuf::from(STATE)) && probe.state().count(Phase::Replacing) > 0 {
            break;
        }
        steps += 1;
    }
    drive(&mut fleet, &mut start(params(), "r1"), Death::Before(steps));
    let under_way = fleet.state().count(Phase::Replacing);
    let mut given_up = params();
    given_up.insert("abort".to_owned(), String::new());
    let mut run = start(given_up, "r1");
    drive(&mut fleet, &mut run, Death::Never);
    assert_eq!(run.exit_code(), 3, "{}", run.report().reason);
    let state = fleet.state();
    assert!(state.ended.is_some());
    assert_eq!(state.count(Phase::Failed), under_way);
    assert!(
        state.nodes.values().filter(|n| n.phase == Phase::Failed).all(|n| n.why.contains("left cordoned"))
    );
    assert_eq!(fleet.unschedulable().len(), under_way, "only what is not safe to uncordon");
}

#[test]
fn two_runs_on_the_same_nodes_are_refused_and_others_go_on() {
    let lease = |until: i64, nodes: &str| {
        json!({"metadata": {"name": "khud-waves-other", "labels": {LABEL: "other"},
                            "annotations": {"khud.dev/nodes": nodes}},
               "spec": {"holderIdentity": "bastion:7", "leaseDurationSeconds": 20,
                        "renewTime": Time(captures::now().0 + until).to_string()}})
    };
    for (lease, refused) in
        [(lease(0, "n2,x1"), true), (lease(-60_000, "n2"), false), (lease(0, "x1"), false)]
    {
        let mut fleet = Fleet::new();
        fleet.leases.insert("khud-waves-other".to_owned(), lease);
        let mut run = start(params(), "r1");
        drive(&mut fleet, &mut run, Death::Never);
        let reason = run.report().reason;
        assert_eq!(run.outcome() == Some(Outcome::Refused), refused, "{reason}");
        if refused {
            assert!(reason.contains("run other at bastion:7 works on 1 of these nodes, n2"), "{reason}");
            assert!(fleet.cordoned.is_empty());
        }
    }
}

#[test]
fn a_state_file_of_another_run_or_cluster_is_refused_and_nothing_is_touched() {
    let mut fleet = Fleet::new();
    drive(&mut fleet, &mut start(params(), "r1"), Death::Before(30));
    let cordoned = fleet.cordoned.len();
    let good = fleet.files[&PathBuf::from(STATE)].clone();
    let text = String::from_utf8(good.clone()).unwrap();
    for (bytes, id, says) in [
        (good.clone(), "r2", "holds run r1: resume it with khud do --resume r1"),
        (good[..good.len() / 2].to_vec(), "r1", "ends in the middle"),
        (text.replace("n1", "n9").into_bytes(), "r1", "was edited"),
        (text.replace(CLUSTER, "0c1d2e3f-0000-4000-8000-000000000002").into_bytes(), "r1", "was edited"),
    ] {
        fleet.files.insert(PathBuf::from(STATE), bytes);
        let mut run = start(params(), id);
        drive(&mut fleet, &mut run, Death::Never);
        assert_eq!(run.outcome(), Some(Outcome::Refused));
        assert!(run.report().reason.contains(says), "{}", run.report().reason);
    }
    assert_eq!(fleet.cordoned.len(), cordoned);
}

#[test]
fn cordon_and_wait_interrupts_no_job() {
    let mut fleet = Fleet::new();
    let mut patient = params();
    patient.remove("max-job-age");
    patient.insert("mode".to_owned(), "cordon-and-wait".to_owned());
    patient.insert("wait".to_owned(), "20m".to_owned());
    let mut run = start(patient, "r1");
    drive(&mut fleet, &mut run, Death::Never);
    assert_eq!(run.exit_code(), 3, "{}", run.report().reason);
    assert_eq!(fleet.evicted, ["web-1"], "no job was evicted");
    let state = fleet.state();
    for name in ["n4", "n5", "n6", "n7"] {
        assert_eq!(state.nodes[name].phase, Phase::Skipped);
        assert!(state.nodes[name].why.contains("its jobs still ran after 20m"), "{}", state.nodes[name].why);
    }
    assert_eq!(fleet.unschedulable(), Vec::<&str>::new());
}

#[test]
fn a_plan_is_made_from_the_world_alone() {
    let mut fleet = Fleet::new();
    for n in 0..200 {
        fleet.join(&format!("m{n:04}"), true);
    }
    let plan = remedy::waves::plan(&fleet.world, fleet.now, &params()).unwrap();
    assert_eq!(plan.nodes + plan.skipped.len(), 207);
    assert_eq!(plan.waves.len(), plan.nodes.div_ceil(2));
    assert!(plan.estimate.min_s < plan.estimate.max_s);
    let none = [("nodes".to_owned(), "pool=cpu".to_owned())].into();
    let why = remedy::waves::plan(&fleet.world, fleet.now, &none).unwrap_err();
    assert!(why.contains("no node of 207 is selected"), "{why}");
}

#[test]
fn jobs_save_their_work_before_they_are_evicted_and_a_failure_evicts_none() {
    let mut with = params();
    with.insert("checkpoint-cmd".to_owned(), "save {node}".to_owned());
    let mut fleet = Fleet::new();
    let mut run = start(with.clone(), "r1");
    drive(&mut fleet, &mut run, Death::Never);
    assert_eq!(run.outcome(), Some(Outcome::Applied), "{}", run.report().reason);
    assert_eq!(fleet.saved, ["n4".to_owned(), "n5".to_owned()].into(), "the nodes with jobs, no others");
    assert!(fleet.evicted.contains(&"gang-0".to_owned()) && fleet.evicted.contains(&"gang-1".to_owned()));

    let mut fleet = Fleet::new();
    fleet.saves = 3;
    let mut run = start(with, "r1");
    drive(&mut fleet, &mut run, Death::Never);
    assert_eq!(run.outcome(), Some(Outcome::Failed));
    let reason = run.report().reason;
    assert!(
        reason.contains("gate checkpoint") && reason.contains("exit code 3: no space left on /checkpoints"),
        "{reason}"
    );
    assert!(!fleet.evicted.iter().any(|p| p.starts_with("gang")), "{:?}", fleet.evicted);
}
