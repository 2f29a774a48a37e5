//! A scenario played in simulated time, seen and healed through its API alone: what kubectl could do, the drill can.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, reason = "each test binary uses its part")]

use std::time::Duration;

use http::Request;
use k8s_openapi::api::core::v1::Pod;
use khud_sim::api::store::Changes;
use khud_sim::clock::SimClock;
use khud_sim::{Fleet, SimOptions, scenario};
use kube::api::{Api, AttachParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::runtime::Runtime;

pub struct Drill {
    runtime: Runtime,
    fleet: Fleet,
    client: Client,
}

/// What a command in a container came to.
#[derive(Debug)]
pub struct Ran {
    pub out: String,
    pub err: String,
    pub code: i64,
}

impl Drill {
    /// The scenario with its history lived through, at its time zero, in its first context.
    pub fn start(name: &str) -> Drill {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let clock = SimClock::manual("2026-11-21T01:00:00Z".parse().unwrap());
        let loaded = scenario::load(name).unwrap();
        let options = SimOptions { clock, seed: Some(7), ..SimOptions::default() };
        let fleet = runtime.block_on(Fleet::start(&loaded, options)).unwrap();
        let client = runtime.block_on(client(&fleet, None));
        Drill { runtime, fleet, client }
    }

    /// The time in the clusters, RFC 3339: their history is behind them when a drill starts.
    pub fn now(&self) -> String {
        khud_sim::clock::rfc3339(self.fleet.sims().next().unwrap().1.store().clock().now())
    }

    /// For any other client of the same clusters.
    pub fn kubeconfig(&self) -> String {
        self.fleet.kubeconfig()
    }

    /// The steps of the scenario were all carried out.
    pub fn was_played_as_written(&self) {
        assert_eq!(self.fleet.refused(), []);
    }

    /// From now on in this context, as `kubectl config use-context`.
    pub fn use_context(&mut self, name: &str) {
        self.client = self.runtime.block_on(client(&self.fleet, Some(name)));
    }

    pub fn pass(&self, seconds: u64) {
        self.fleet.advance(Duration::from_secs(seconds));
    }

    /// One request; the server's words where it refuses.
    pub fn request(&self, method: &str, path: &str, body: Option<Value>) -> Result<String, String> {
        let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let request = Request::builder().method(method).uri(path).header("content-type", kind);
        let request = request.body(body.map_or_else(Vec::new, |b| b.to_string().into_bytes())).unwrap();
        let answer = self.client.request_text(request);
        // Nobody waits longer than this for one answer.
        let limit = Duration::from_secs(20);
        let answer = self.runtime.block_on(async { tokio::time::timeout(limit, answer).await });
        answer.map_err(|_| "no answer".to_owned())?.map_err(|e| e.to_string())
    }

    /// Everything that changes from now on, in the first context's cluster.
    pub fn changes(&self) -> Changes {
        self.fleet.sims().next().unwrap().1.store().subscribe()
    }

    /// Does the API server answer at all?
    pub fn answers(&self) -> bool {
        let version = self.client.apiserver_version();
        let limit = Duration::from_secs(2);
        self.runtime.block_on(async { tokio::time::timeout(limit, version).await }).is_ok_and(|v| v.is_ok())
    }

    fn json(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let text = self.request(method, path, body).unwrap_or_else(|why| panic!("{method} {path}: {why}"));
        serde_json::from_str(&text).unwrap()
    }

    pub fn get(&self, resource: &str, ns: &str, name: &str) -> Value {
        self.json("GET", &at(resource, ns, name), None)
    }

    pub fn list(&self, resource: &str, ns: &str) -> Vec<Value> {
        self.json("GET", &at(resource, ns, ""), None)["items"].as_array().unwrap().clone()
    }

    /// `kubectl create -f`.
    pub fn create(&self, manifest: Value) {
        let resource = match text(&manifest, "/kind").to_lowercase() {
            kind if kind.ends_with('s') => format!("{kind}es"),
            kind => format!("{kind}s"),
        };
        let path = at(&resource, text(&manifest, "/metadata/namespace"), "");
        self.json("POST", &path, Some(manifest));
        self.pass(0);
    }

    /// A JSON merge patch.
    pub fn patch(&self, resource: &str, ns: &str, name: &str, patch: Value) {
        self.json("PATCH", &at(resource, ns, name), Some(patch));
        self.pass(0);
    }

    pub fn delete(&self, resource: &str, ns: &str, name: &str) {
        self.json("DELETE", &at(resource, ns, name), None);
        self.pass(0);
    }

    pub fn scale(&self, ns: &str, deployment: &str, replicas: u32) {
        self.patch("deployments", ns, deployment, json!({"spec": {"replicas": replicas}}));
    }

    /// `kubectl rollout restart`.
    pub fn restart(&self, resource: &str, ns: &str, name: &str) {
        let before = self.get(resource, ns, name)["metadata"]["resourceVersion"].clone();
        let stamp = json!({"kubectl.kubernetes.io/restartedAt": before});
        let patch = json!({"spec": {"template": {"metadata": {"annotations": stamp}}}});
        self.patch(resource, ns, name, patch);
    }

    /// `kubectl set image`, or whatever else is said of the template's first container.
    pub fn set_container(&self, resource: &str, ns: &str, name: &str, fields: Value) {
        let mut container = self.get(resource, ns, name)["spec"]["template"]["spec"]["containers"][0].clone();
        container.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let patch = json!({"spec": {"template": {"spec": {"containers": [container]}}}});
        self.patch(resource, ns, name, patch);
    }

    /// `kubectl rollout undo`: the template of the ReplicaSet before the newest.
    pub fn undo(&self, ns: &str, deployment: &str) {
        let revision = |s: &Value| -> u64 {
            s["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
                .as_str()
                .unwrap()
                .parse()
                .unwrap()
        };
        let owned = |s: &&Value| s["metadata"]["ownerReferences"][0]["name"] == deployment;
        let mut sets: Vec<Value> = self.list("replicasets", ns).iter().filter(owned).cloned().collect();
        sets.sort_by_key(|s| std::cmp::Reverse(revision(s)));
        let mut object = self.get("deployments", ns, deployment);
        object["spec"]["template"] = sets[1]["spec"]["template"].clone();
        let labels = object.pointer_mut("/spec/template/metadata/labels").unwrap().as_object_mut().unwrap();
        labels.remove("pod-template-hash");
        self.json("PUT", &at("deployments", ns, deployment), Some(object));
        self.pass(0);
    }

    pub fn cordon(&self, node: &str, on: bool) {
        self.patch("nodes", "", node, json!({"spec": {"unschedulable": on}}));
    }

    /// The eviction API, with this grace in seconds if not the pod's own; what refuses it.
    pub fn evict(&self, ns: &str, pod: &str, grace: Option<u32>) -> Result<(), String> {
        let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": ns},
            "deleteOptions": {"gracePeriodSeconds": grace}});
        let done = self.request("POST", &format!("{}/eviction", at("pods", ns, pod)), Some(eviction));
        self.pass(0);
        done.map(drop)
    }

    /// Cordons, then evicts what no DaemonSet keeps there.
    pub fn drain(&self, node: &str) {
        self.cordon(node, true);
        for pod in self.list("pods", "").iter().filter(|p| p["spec"]["nodeName"] == node) {
            if pod["metadata"]["ownerReferences"][0]["kind"] != "DaemonSet" {
                self.evict(text(pod, "/metadata/namespace"), name(pod), None).unwrap();
            }
        }
    }

    pub fn pods(&self, ns: &str, prefix: &str) -> Vec<Value> {
        self.list("pods", ns).into_iter().filter(|p| name(p).starts_with(prefix)).collect()
    }

    pub fn pod(&self, ns: &str, prefix: &str) -> Value {
        self.pods(ns, prefix).into_iter().next().unwrap_or_else(|| panic!("no pod {ns}/{prefix}*"))
    }

    /// The messages of a namespace's events about objects of this name's beginning.
    pub fn events(&self, ns: &str, of: &str) -> Vec<String> {
        let about = |e: &&Value| text(e, "/involvedObject/name").starts_with(of);
        let said = |e: &Value| format!("{}: {}", text(e, "/reason"), text(e, "/message"));
        self.list("events", ns).iter().filter(about).map(said).collect()
    }

    pub fn log(&self, ns: &str, pod: &str, previous: bool) -> String {
        let path = format!("{}/log?previous={previous}", at("pods", ns, pod));
        self.request("GET", &path, None).unwrap_or_else(|why| why)
    }

    /// `/metrics` through the pod's proxy.
    pub fn metrics(&self, ns: &str, pod: &str, port: u16) -> String {
        let path = format!("/api/v1/namespaces/{ns}/pods/{pod}:{port}/proxy/metrics");
        self.request("GET", &path, None).unwrap_or_else(|why| panic!("{path}: {why}"))
    }

    /// The largest value of a metric over the pods of a name's beginning.
    pub fn metric(&self, ns: &str, prefix: &str, port: u16, metric: &str) -> f64 {
        let values = self.pods(ns, prefix).into_iter().flat_map(|pod| {
            let text = self.metrics(ns, name(&pod), port);
            let rows = text.lines().filter(|l| l.split(['{', ' ']).next() == Some(metric));
            rows.map(|l| l.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).collect::<Vec<_>>()
        });
        values.reduce(f64::max).unwrap_or_else(|| panic!("no {metric} in {ns}/{prefix}*"))
    }

    /// What a histogram's observations came to on average over the next ten seconds, the worst pod's.
    pub fn mean(&self, ns: &str, prefix: &str, port: u16, histogram: &str) -> f64 {
        let pods = self.pods(ns, prefix);
        let scrape = |pod: &Value| {
            let text = self.metrics(ns, name(pod), port);
            ["sum", "count"].map(|of| {
                let row = text.lines().find(|l| l.starts_with(&format!("{histogram}_{of}{{"))).unwrap();
                row.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
            })
        };
        let before: Vec<[f64; 2]> = pods.iter().map(&scrape).collect();
        self.pass(10);
        let after = pods.iter().map(&scrape);
        before.iter().zip(after).map(|(b, a)| (a[0] - b[0]) / (a[1] - b[1])).reduce(f64::max).unwrap()
    }

    /// Runs a command in a pod's first container; time passes until it is done.
    pub fn exec(&self, ns: &str, pod: &str, command: &[&str]) -> Ran {
        self.try_exec(ns, pod, command).unwrap_or_else(|why| panic!("{command:?} in {pod}: {why}"))
    }

    /// The same; the server's words where it cannot run it.
    pub fn try_exec(&self, ns: &str, pod: &str, command: &[&str]) -> Result<Ran, String> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), ns);
        let params = AttachParams::default().stdout(true).stderr(true);
        self.runtime.block_on(async {
            let mut process = api.exec(pod, command.to_vec(), &params).await.map_err(|e| e.to_string())?;
            let (mut stdout, mut stderr) = (process.stdout().unwrap(), process.stderr().unwrap());
            let status = process.take_status().unwrap();
            let whole = async {
                let (mut out, mut err) = (String::new(), String::new());
                let (_, _, status) = futures::future::join3(
                    stdout.read_to_string(&mut out),
                    stderr.read_to_string(&mut err),
                    status,
                )
                .await;
                (out, err, status)
            };
            tokio::pin!(whole);
            let (out, err, status) = loop {
                tokio::select! {
                    whole = &mut whole => break whole,
                    () = tokio::time::sleep(Duration::from_millis(5)) => self.fleet.advance(Duration::from_millis(100)),
                }
            };
            let code = exit_code(status.map(|s| serde_json::to_value(s).unwrap()));
            Ok(Ran { out, err, code })
        })
    }

    /// A pod on a node with the machine's root under /host, as `kubectl debug node/NAME` makes it; its name.
    pub fn debug_node(&self, node: &str) -> String {
        let pod = format!("node-debugger-{node}-x7k2p");
        self.create(
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod, "namespace": "default"}, "spec": {
                "nodeName": node, "hostPID": true, "hostNetwork": true, "restartPolicy": "Never",
                "tolerations": [{"operator": "Exists"}],
                "containers": [{"name": "debugger", "image": "ubuntu", "stdin": true, "tty": true,
                    "volumeMounts": [{"name": "host-root", "mountPath": "/host"}]}],
                "volumes": [{"name": "host-root", "hostPath": {"path": "/"}}]}}),
        );
        pod
    }
}

fn exit_code(status: Option<Value>) -> i64 {
    let Some(status) = status.filter(|s| s["status"] != "Success") else { return 0 };
    let causes = status["details"]["causes"].as_array().cloned().unwrap_or_default();
    let code =
        causes.iter().find(|c| c["reason"] == "ExitCode").map(|c| text(c, "/message").parse().unwrap());
    code.unwrap_or(-1)
}

async fn client(fleet: &Fleet, context: Option<&str>) -> Client {
    let kubeconfig = Kubeconfig::from_yaml(&fleet.kubeconfig()).unwrap();
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
    config.default_retry = false;
    config.proxy_url = None;
    Client::try_from(config).unwrap()
}

/// The path of a resource, or of one object of it.
fn at(resource: &str, ns: &str, name: &str) -> String {
    let group = match resource {
        "deployments" | "replicasets" | "statefulsets" | "daemonsets" => "apis/apps/v1",
        "jobs" => "apis/batch/v1",
        "endpointslices" => "apis/discovery.k8s.io/v1",
        "ingresses" | "networkpolicies" => "apis/networking.k8s.io/v1",
        "storageclasses" => "apis/storage.k8s.io/v1",
        "customresourcedefinitions" => "apis/apiextensions.k8s.io/v1",
        "roles" | "rolebindings" => "apis/rbac.authorization.k8s.io/v1",
        "selfsubjectaccessreviews" | "subjectaccessreviews" => "apis/authorization.k8s.io/v1",
        _ => "api/v1",
    };
    let ns = if ns.is_empty() { String::new() } else { format!("/namespaces/{ns}") };
    let name = if name.is_empty() { String::new() } else { format!("/{name}") };
    format!("/{group}{ns}/{resource}{name}")
}

pub fn text<'a>(v: &'a Value, pointer: &str) -> &'a str {
    v.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

pub fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

pub fn condition<'a>(object: &'a Value, kind: &str) -> &'a Value {
    let list = object.pointer("/status/conditions").and_then(Value::as_array);
    list.and_then(|l| l.iter().find(|c| c["type"] == kind)).unwrap_or(&Value::Null)
}

pub fn ready(object: &Value) -> bool {
    condition(object, "Ready")["status"] == "True"
}

pub fn restarts(pod: &Value) -> i64 {
    pod.pointer("/status/containerStatuses/0/restartCount").and_then(Value::as_i64).unwrap_or(-1)
}

/// `CrashLoopBackOff: back-off 10s …`
pub fn waiting(pod: &Value) -> String {
    let w = pod.pointer("/status/containerStatuses/0/state/waiting");
    w.map(|w| format!("{}: {}", text(w, "/reason"), text(w, "/message"))).unwrap_or_default()
}

pub fn last_reason(pod: &Value) -> &str {
    text(pod, "/status/containerStatuses/0/lastState/terminated/reason")
}
