//! Faults as a cluster writes them, read from `tests/judge/faults/*.yaml`: a small healthy cluster with one case in it.
//!
//! Each case stands in a small healthy cluster. `app` and `event` are short forms that are written out here as the
//! controllers and the kubelet write them; every other object is taken as it is. `@-10m` is ten minutes ago. A pod of an
//! `app` may say `crash: EXIT CODE`, `waiting: [REASON, MESSAGE]` or `unscheduled: MESSAGE` instead of its status.
//! `scan` names causes by the object to fix or the object that shows it; `silent` objects have none.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use khud::cluster::slim::Decoder;
use khud::detect::{DetectConfig, Detector};
use khud::judge::Answer;
use khud::playbook::{Library, State, Walk, WalkOptions};
use khud::world::{Delta, Kind, ObjectRef, Time, TlsSecret, World};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    pub name: String,
    #[serde(default)]
    pub objects: Vec<Value>,
    /// By `POD/CONTAINER`; `POD/CONTAINER previous` where the run before said something else.
    #[serde(default)]
    pub logs: BTreeMap<String, String>,
    /// Why a log cannot be read, by `POD/CONTAINER`.
    #[serde(default)]
    pub unreadable: BTreeMap<String, String>,
    /// What the certificate in a Secret says, by the Secret's name; the others do not exist.
    #[serde(default)]
    pub certificates: BTreeMap<String, Value>,
    /// Causes by `kind/name`, each with the words its title must have.
    #[serde(default)]
    pub scan: BTreeMap<String, Vec<String>>,
    /// The first cause by `kind/name`; `none` where nothing is wrong.
    #[serde(default)]
    pub diagnose: BTreeMap<String, String>,
    #[serde(default)]
    pub silent: Vec<String>,
    /// Roots of all incidents, in any order.
    #[serde(default)]
    pub incidents: Option<Vec<String>>,
    /// How many incidents there are, where several objects may stand as the root.
    #[serde(default)]
    pub incident_count: Option<usize>,
}

/// The time at which every case is looked at.
pub fn now() -> Time {
    Time::parse("2026-11-28T12:00:00Z").unwrap()
}

/// `@-10m` anywhere in a value becomes a time.
fn dated(value: &mut Value) {
    match value {
        Value::String(s) => {
            let (ago, ahead) = (s.strip_prefix("@-"), s.strip_prefix("@+"));
            if let Some(ago) = ago.or(ahead) {
                let (n, unit) = ago.split_at(ago.len() - 1);
                let each = match unit {
                    "s" => 1,
                    "m" => 60,
                    "h" => 3600,
                    "d" => 86_400,
                    _ => panic!("{s}: no unit"),
                };
                let by = Duration::from_secs(n.parse::<u64>().unwrap() * each);
                *s = if ahead.is_some() { now().plus(by) } else { now().minus(by) }.to_string();
            }
        }
        Value::Array(all) => all.iter_mut().for_each(dated),
        Value::Object(all) => all.values_mut().for_each(dated),
        _ => {}
    }
}

/// Lays one value over another; what is not given stays.
fn merge(base: &mut Value, with: &Value) {
    match (base, with) {
        (_, Value::Null) => {}
        (Value::Object(base), Value::Object(with)) => {
            for (k, v) in with {
                merge(base.entry(k).or_insert(Value::Null), v);
            }
        }
        (base, with) => *base = with.clone(),
    }
}

fn owned_by(kind: &str, name: &str) -> Value {
    json!([{"apiVersion": "v1", "kind": kind, "name": name, "uid": format!("{kind}-{name}"), "controller": true}])
}

fn text<'v>(v: &'v Value, key: &str, or: &'v str) -> &'v str {
    v[key].as_str().unwrap_or(or)
}

/// A pod with its short form written out as the kubelet or the scheduler writes it.
fn short_form(pod: &Value) -> Value {
    let container = |state: Value, restarts: u64, last: Value| json!([{"name": "app", "ready": false, "started": false, "restartCount": restarts, "state": state, "lastState": last}]);
    let mut out = match (&pod["crash"], &pod["waiting"], &pod["unscheduled"]) {
        (Value::Number(code), _, _) => {
            let waiting = json!({"waiting": {"reason": "CrashLoopBackOff",
                "message": "back-off 5m0s restarting failed container=app pod=web-1-0_shop(Pod-web-1-0)"}});
            let reason = if code.as_u64() == Some(0) { "Completed" } else { "Error" };
            let ended = json!({"terminated": {"exitCode": code, "reason": reason, "startedAt": "@-3m", "finishedAt": "@-2m"}});
            json!({"ready": false, "status": {"containerStatuses": container(waiting, 6, ended)}})
        }
        (_, Value::Array(why), _) => {
            let waiting = json!({"waiting": {"reason": why[0], "message": why.get(1)}});
            json!({"ready": false, "status": {"phase": "Pending", "containerStatuses": container(waiting, 0, json!({}))}})
        }
        (_, _, Value::String(message)) => json!({"ready": false, "node": "", "status": {
            "phase": "Pending", "podIP": "", "containerStatuses": [],
            "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                            "lastTransitionTime": "@-10m", "message": message}]}}),
        _ => json!({}),
    };
    merge(&mut out, pod);
    out
}

/// A workload with its ReplicaSet where it has one, its pods, and a Service with its slice.
fn app(v: &Value, out: &mut Vec<Value>) {
    let (name, ns, kind) =
        (text(v, "name", "web"), text(v, "namespace", "shop"), text(v, "kind", "Deployment"));
    let labels = json!({"app": name});
    let mut container = json!({
        "name": "app", "image": format!("registry.example.com/{name}:v1"), "resources": {},
        "ports": [{"containerPort": 8080, "protocol": "TCP"}],
    });
    merge(&mut container, &v["container"]);
    let mut spec = json!({
        "containers": [container], "restartPolicy": if kind == "Job" { "Never" } else { "Always" },
        "terminationGracePeriodSeconds": 30,
    });
    merge(&mut spec, &v["spec"]);
    let template = json!({"metadata": {"labels": labels}, "spec": spec});
    let pods = v["pods"].as_array().cloned().unwrap_or_else(|| vec![json!({})]);
    let age = text(v, "age", "@-2h");
    let (mut ready, mut addresses) = (0, Vec::new());
    let (owner_kind, owner) =
        if kind == "Deployment" { ("ReplicaSet", format!("{name}-1")) } else { (kind, name.to_owned()) };
    for (i, p) in pods.iter().map(short_form).enumerate() {
        let p = &p;
        let well = p["ready"].as_bool().unwrap_or(true);
        ready += u32::from(well);
        let pod = p["name"].as_str().map_or_else(|| format!("{owner}-{i}"), str::to_owned);
        let node = text(p, "node", "n1");
        let age = text(p, "age", age);
        let ip = format!("10.244.1.{}", 20 + out.len());
        if !node.is_empty() {
            addresses.push(json!({"addresses": [ip], "conditions": {"ready": well}}));
        }
        let since = text(p, "since", age);
        let mut status = json!({
            "phase": "Running", "startTime": age, "podIP": ip,
            "conditions": [
                {"type": "PodScheduled", "status": "True", "lastTransitionTime": age},
                {"type": "Ready", "status": if well { "True" } else { "False" }, "lastTransitionTime": since,
                 "reason": if well { "" } else { "ContainersNotReady" }},
                {"type": "ContainersReady", "status": if well { "True" } else { "False" }, "lastTransitionTime": since,
                 "reason": if well { "" } else { "ContainersNotReady" }},
            ],
            "containerStatuses": [{
                "name": "app", "ready": well, "started": true, "restartCount": 0, "state": {"running": {"startedAt": age}},
            }],
        });
        merge(&mut status, &p["status"]);
        let mut of = labels.clone();
        merge(&mut of, &p["labels"]);
        let mut pod_spec = spec.clone();
        pod_spec["nodeName"] = json!(node);
        merge(&mut pod_spec, &p["spec"]);
        let mut object = json!({
            "kind": "Pod",
            "metadata": {
                "namespace": ns, "name": pod, "uid": format!("Pod-{pod}"), "labels": of, "creationTimestamp": age,
                "ownerReferences": owned_by(owner_kind, &owner),
            },
            "spec": pod_spec, "status": status,
        });
        if kind == "Pod" {
            object["metadata"].as_object_mut().unwrap().remove("ownerReferences");
        }
        merge(&mut object["metadata"], &p["metadata"]);
        out.push(object);
    }
    let n = v["replicas"].as_u64().unwrap_or(pods.len() as u64);
    let meta = |kind: &str, name: &str| {
        json!({"namespace": ns, "name": name, "uid": format!("{kind}-{name}"), "labels": labels, "generation": 1,
               "creationTimestamp": age})
    };
    let counts = json!({
        "observedGeneration": 1, "replicas": pods.len(), "updatedReplicas": pods.len(), "readyReplicas": ready,
        "availableReplicas": ready, "desiredNumberScheduled": n, "currentNumberScheduled": pods.len(),
        "updatedNumberScheduled": pods.len(), "numberReady": ready, "numberAvailable": ready,
    });
    let workload = json!({"replicas": n, "selector": {"matchLabels": labels}, "template": template});
    if kind == "Deployment" {
        let mut set = json!({"kind": "ReplicaSet", "metadata": meta("ReplicaSet", &owner), "spec": workload, "status": counts});
        set["metadata"]["ownerReferences"] = owned_by("Deployment", name);
        out.push(set);
    }
    if kind != "Pod" {
        let mut object =
            json!({"kind": kind, "metadata": meta(kind, name), "spec": workload, "status": counts});
        if kind == "Job" {
            object["spec"] =
                json!({"completions": 1, "parallelism": 1, "backoffLimit": 6, "template": template});
            object["status"] = json!({"active": 1, "startTime": age});
        }
        merge(&mut object, &v["object"]);
        out.push(object);
    }
    if kind == "Job" || kind == "DaemonSet" || v["service"] == false {
        return;
    }
    let mut service = json!({
        "kind": "Service", "metadata": meta("Service", name),
        "spec": {"type": "ClusterIP", "clusterIP": format!("10.96.0.{}", 20 + out.len()), "selector": labels,
                 "ports": [{"port": 80, "targetPort": 8080, "protocol": "TCP"}]},
    });
    merge(&mut service["spec"], &v["service"]);
    out.push(service);
    out.push(json!({
        "kind": "EndpointSlice",
        "metadata": {"namespace": ns, "name": format!("{name}-x"), "uid": format!("slice-{name}"), "creationTimestamp": age,
                     "labels": {"kubernetes.io/service-name": name,
                                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}},
        "addressType": "IPv4", "endpoints": addresses, "ports": [{"port": 8080, "protocol": "TCP"}],
    }));
}

/// An event about an object of the case.
fn event(v: &Value, n: usize) -> Value {
    let (word, name) = text(v, "on", "").split_once('/').unwrap();
    let kind = Kind::parse(word).unwrap_or_else(|| panic!("{word}: no kind"));
    let namespace = if kind.namespaced() { text(v, "namespace", "shop") } else { "" };
    json!({
        "kind": "Event",
        "metadata": {"namespace": "shop", "name": format!("event-{n}"), "uid": format!("event-{n}"), "creationTimestamp": text(v, "first", "@-10m")},
        "regarding": {"kind": kind.name(), "namespace": namespace, "name": name, "uid": format!("{}-{name}", kind.name())},
        "type": text(v, "type", "Warning"), "reason": v["reason"], "note": v["note"],
        "deprecatedCount": v["count"].as_u64().unwrap_or(5),
        "deprecatedFirstTimestamp": text(v, "first", "@-10m"), "deprecatedLastTimestamp": text(v, "last", "@-20s"),
        "deprecatedSource": {"component": text(v, "source", "kubelet")},
    })
}

/// The healthy cluster that every case stands in.
fn ground() -> Vec<Value> {
    let mut out = Vec::new();
    for (name, taints) in [
        ("cp", json!([{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}])),
        ("n1", json!([])),
        ("n2", json!([])),
    ] {
        let amounts = json!({"cpu": "4", "memory": "8Gi", "pods": "110", "ephemeral-storage": "100Gi"});
        out.push(json!({
            "kind": "Node",
            "metadata": {"name": name, "uid": format!("Node-{name}"), "creationTimestamp": "@-5d",
                         "labels": {"kubernetes.io/hostname": name}},
            "spec": {"taints": taints},
            "status": {
                "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "lastTransitionTime": "@-5d"}],
                "capacity": amounts, "allocatable": amounts, "nodeInfo": {"kubeletVersion": "v1.36.2"},
                "addresses": [{"type": "InternalIP", "address": format!("172.18.0.{}", 2 + out.len())}],
            },
        }));
    }
    for name in ["shop", "kube-system", "default"] {
        out.push(json!({
            "kind": "Namespace", "metadata": {"name": name, "uid": format!("Namespace-{name}"), "creationTimestamp": "@-5d",
                                              "labels": {"kubernetes.io/metadata.name": name}},
            "status": {"phase": "Active"},
        }));
    }
    app(
        &json!({"name": "coredns", "namespace": "kube-system", "age": "@-5d", "service": false,
                "pods": [{"labels": {"k8s-app": "kube-dns"}}]}),
        &mut out,
    );
    out
}

/// A cluster with one case in it, looked at once.
pub struct Case {
    pub world: World,
    pub detector: Detector,
    logs: BTreeMap<String, String>,
    unreadable: BTreeMap<String, String>,
    certificates: BTreeMap<String, Value>,
    logs_denied: bool,
}

/// A source that does not answer.
#[derive(Clone, PartialEq, Debug)]
pub enum Missing {
    Nothing,
    /// The list of a kind, as after a 403.
    Kind(Kind),
    /// The second half of a list that is still on its way.
    Half(Kind),
    Logs,
}

impl Case {
    pub fn of(fault: &Fault) -> Case {
        Case::build(fault, 0, &Missing::Nothing)
    }

    /// The same, with the lists of the kinds in another order for every `seed` but 0.
    pub fn in_order(fault: &Fault, seed: u64) -> Case {
        Case::build(fault, seed, &Missing::Nothing)
    }

    /// The same, seen without one source.
    pub fn without(fault: &Fault, missing: &Missing) -> Case {
        Case::build(fault, 0, missing)
    }

    fn build(fault: &Fault, seed: u64, missing: &Missing) -> Case {
        let mut written = ground();
        for (n, object) in fault.objects.iter().enumerate() {
            match object.as_object().and_then(|o| o.iter().next()).map(|(k, v)| (k.as_str(), v)) {
                Some(("app", v)) => app(v, &mut written),
                Some(("event", v)) => written.push(event(v, n)),
                _ => {
                    let mut object = object.clone();
                    let kind = text(&object, "kind", "").to_owned();
                    let known = Kind::of(&kind);
                    let name = text(&object["metadata"], "name", "").to_owned();
                    let mut meta = json!({"uid": format!("{kind}-{name}"), "creationTimestamp": "@-2h", "generation": 1});
                    if known.namespaced() {
                        meta["namespace"] = json!("shop");
                    }
                    merge(&mut meta, &object["metadata"]);
                    object["metadata"] = meta;
                    written.push(object);
                }
            }
        }
        written.iter_mut().for_each(dated);
        let mut by_kind: BTreeMap<Kind, Vec<Value>> =
            Kind::followed().into_iter().map(|k| (k, Vec::new())).collect();
        for object in written {
            let kind = Kind::of(text(&object, "kind", ""));
            let list =
                by_kind.get_mut(&kind).unwrap_or_else(|| panic!("{}: {kind} is not watched", fault.name));
            // A case may put another object in the place of one of the ground.
            list.retain(|o| {
                (&o["metadata"]["name"], &o["metadata"]["namespace"])
                    != (&object["metadata"]["name"], &object["metadata"]["namespace"])
            });
            list.push(object);
        }
        let mut case = Case {
            world: World::new(),
            detector: Detector::new(DetectConfig::default()),
            logs: fault.logs.clone(),
            unreadable: fault.unreadable.clone(),
            certificates: fault.certificates.clone(),
            logs_denied: *missing == Missing::Logs,
        };
        case.certificates.values_mut().for_each(dated);
        let mut lists: Vec<(Kind, Vec<Value>)> = by_kind.into_iter().collect();
        if seed > 0 {
            lists.sort_by_cached_key(|(kind, _)| {
                let mut hasher = DefaultHasher::new();
                (seed, kind).hash(&mut hasher);
                hasher.finish()
            });
        }
        for (kind, mut objects) in lists {
            if *missing == Missing::Kind(kind.clone()) {
                continue;
            }
            let half = *missing == Missing::Half(kind.clone());
            if half {
                objects.truncate(objects.len() / 2);
            }
            let mut changes = Vec::new();
            case.world.apply(Delta::ListStart { kind: kind.clone(), namespace: "".into() }, &mut changes);
            for object in objects {
                let bytes = serde_json::to_vec(&object).unwrap();
                let item = Decoder::new(kind.clone())
                    .object(&bytes)
                    .unwrap_or_else(|e| panic!("{}: {e}: {object}", fault.name));
                case.world.apply(Delta::Apply(item.record), &mut changes);
            }
            if !half {
                case.world.apply(Delta::ListEnd { kind, namespace: "".into() }, &mut changes);
            }
            case.detector.on_changes(&case.world, &changes, now());
        }
        case.read_logs();
        case
    }

    /// Answers every log and Secret that is asked for, as a one-shot look does.
    fn read_logs(&mut self) {
        for secret in self.detector.wanted_secrets() {
            let found = self.certificates.get(&*secret.name).map_or(TlsSecret::Missing, |c| {
                let at = |key: &str| Time::parse(c[key].as_str().unwrap()).unwrap();
                let names = c["names"].as_array().into_iter().flatten();
                TlsSecret::Certificate {
                    from: at("from"),
                    until: at("until"),
                    names: names.map(|n| n.as_str().unwrap().to_owned()).collect(),
                }
            });
            self.detector.on_secret(&self.world, &secret, Ok(found), now());
        }
        loop {
            let wanted = self.detector.wanted_logs(now());
            if wanted.is_empty() {
                return;
            }
            for tail in wanted {
                let name = format!("{}/{}", tail.pod, tail.container);
                let before = tail.previous.then(|| self.logs.get(&format!("{name} previous"))).flatten();
                let log = before.or_else(|| self.logs.get(&name)).map_or("", String::as_str);
                let denied = self.logs_denied.then_some("pods/log is forbidden");
                let why = denied.or_else(|| self.unreadable.get(&name).map(String::as_str));
                let answer = why.map_or(Ok(log), Err);
                self.detector.on_log(&self.world, &tail, answer, now());
            }
        }
    }

    /// What the judge answers about an object that somebody asks about.
    pub fn answer(&mut self, object: &ObjectRef) -> Answer {
        self.detector.ask(&self.world, object, now());
        self.read_logs();
        self.detector.on_timer(&self.world, now());
        self.read_logs();
        self.detector.answer(&self.world, object, now())
    }

    /// Cause and title of the verdict that `diagnose` comes to.
    pub fn diagnose(&mut self, library: &Arc<Library>, object: &ObjectRef) -> (String, String) {
        let answer = self.answer(object);
        let book = library.about(&object.kind).unwrap().clone();
        let mut walk = Walk::start(library.clone(), book, object.clone(), WalkOptions::default());
        while *walk.step(&self.world, now(), &answer) == State::Reading {
            for read in walk.wants().to_vec() {
                walk.give(&read, Err("nobody answers".into()), 0);
            }
        }
        match walk.verdict() {
            Some(v) => (v.cause.clone(), v.title.clone()),
            None => ("unknown".to_owned(), format!("{:?}", walk.unknown())),
        }
    }
}

/// The object that a case names: `KIND/NAME` in namespace shop, or `KIND/NAMESPACE/NAME`. A kind that has no records is
/// written as the API writes it: `ServiceAccount/runner`.
pub fn reference(fault: &Fault, name: &str) -> ObjectRef {
    let (word, rest) = name.split_once('/').unwrap_or_else(|| panic!("{}: {name}", fault.name));
    let other = || word.starts_with(char::is_uppercase).then(|| Kind::of(word));
    let kind =
        Kind::parse(word).or_else(other).unwrap_or_else(|| panic!("{}: {word} is no kind", fault.name));
    let (namespace, name) = match rest.split_once('/') {
        Some((namespace, name)) => (namespace, name),
        None if kind.namespaced() => ("shop", rest),
        None => ("", rest),
    };
    ObjectRef::new(kind, namespace, name)
}

/// All cases of a file of `tests/judge/faults`.
pub fn cases(file: &str) -> Vec<Fault> {
    let path = format!("{}/tests/judge/faults/{file}.yaml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap();
    serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"))
}
