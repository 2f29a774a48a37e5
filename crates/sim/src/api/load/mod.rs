//! Generates a cluster of any size with any rate of changes, reproducible by seed.

mod generated;
pub(in crate::api) mod made;

use crate::api::meta;
use crate::api::meta::fields;
use crate::api::meta::ids::{Ids, mix};
use crate::api::meta::status::Status;
use crate::api::store::Store;
use crate::api::store::item::Item;
use made::{Made, Template};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The size and the rate of changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoadOptions {
    pub nodes: u32,
    pub pods: u32,
    /// Changes per second of wall time.
    pub churn: f64,
    pub seed: u64,
}

/// The average number of pods in a Deployment.
const PODS_PER_APP: u32 = 100;
/// The most applications; each has a Deployment, a ReplicaSet and the templates of its pods.
const MAX_APPS: u32 = 400;
const NAMESPACES: u32 = 40;
const IMAGES: u32 = 200;
/// Wall time between steps of the churn.
const STEP: Duration = Duration::from_millis(10);

/// The templates of an application's pods.
struct App {
    running: Arc<Template>,
    crashing: Arc<Template>,
    pending: Arc<Template>,
}

/// A generated cluster in a store.
pub struct Load {
    store: Arc<Store>,
    options: LoadOptions,
    apps: Vec<App>,
    nodes: Vec<Made>,
    pods: Vec<Made>,
    next_index: u32,
    ids: Ids,
}

impl Load {
    /// Fills the store. Namespaces and Deployments are created normally; pods and nodes are built only when
    /// they are read.
    pub fn fill(store: &Arc<Store>, options: LoadOptions) -> Result<Load, Status> {
        let now = store.clock().now().as_second();
        let mut load = Load {
            store: store.clone(),
            options,
            apps: Vec::new(),
            nodes: Vec::new(),
            pods: Vec::new(),
            next_index: options.pods,
            ids: Ids::new(options.seed),
        };
        let made = |template: &Arc<Template>, index, node| Made {
            template: template.clone(),
            index,
            seed: options.seed,
            rv: 0,
            node,
            restarts: 0,
            created: now - 86_400 - i64::from(index % 100_000),
            changed: now - 3600,
        };
        let kinds = [Template::new(&node(false), "", ""), Template::new(&node(true), "", "")];
        load.nodes = (0..options.nodes).map(|i| made(&kinds[usize::from(i % 5 == 0)], i, i)).collect();
        let count = (options.pods / PODS_PER_APP).clamp(1, MAX_APPS);
        for i in 0..count.min(NAMESPACES) {
            store.create("namespaces", "", json!({"metadata": {"name": namespace(i)}}))?;
        }
        for i in 0..count {
            let app = load.app(i, options.pods / count)?;
            load.apps.push(app);
        }
        let nodes = options.nodes.max(1);
        load.pods = (0..options.pods)
            .map(|i| {
                let app = &load.apps[(i % count) as usize];
                let template = match mix(options.seed ^ u64::from(i)) % 200 {
                    0 => &app.pending,
                    1 | 2 => &app.crashing,
                    _ => &app.running,
                };
                Made {
                    restarts: if Arc::ptr_eq(template, &app.crashing) { 7 } else { 0 },
                    ..made(template, i, i % nodes)
                }
            })
            .collect();
        store.put_all("nodes", &mut load.nodes);
        store.put_all("pods", &mut load.pods);
        Ok(load)
    }

    /// Creates a Deployment and its ReplicaSet, and the templates of their pods.
    fn app(&mut self, i: u32, replicas: u32) -> Result<App, Status> {
        let (ns, name) = (namespace(i), format!("app-{i:03}"));
        let hash = format!("{:08x}", mix(self.options.seed ^ u64::from(i)) as u32);
        let tier = ["web", "api", "batch", "ml"][(i % 4) as usize];
        let labels = json!({"app": name, "tier": tier});
        let template = json!({"metadata": {"labels": labels}, "spec": {"containers": containers(i)}});
        let spec =
            json!({"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template});
        let object = json!({"metadata": {"name": name, "labels": labels}, "spec": spec});
        let deployment = self.store.create("deployments.apps", &ns, object.clone())?;
        let mut set = object;
        let owner = |kind: &str, name: &str, uid: &str| json!([{"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": true, "blockOwnerDeletion": true}]);
        let set_name = format!("{name}-{hash}");
        set["metadata"]["name"] = json!(set_name);
        set["metadata"]["ownerReferences"] = owner("Deployment", &name, meta::uid(&deployment));
        set["metadata"]["annotations"] = json!({"deployment.kubernetes.io/revision": "1"});
        let set = self.store.create("replicasets.apps", &ns, set)?;
        let status = json!({"observedGeneration": 1, "replicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas,
            "updatedReplicas": replicas});
        for (key, name) in [("deployments.apps", &name), ("replicasets.apps", &set_name)] {
            let status = status.clone();
            self.store.modify(key, &ns, name, crate::api::store::Part::Status, |o| {
                meta::object(o).insert("status".into(), status);
            })?;
        }
        let owner = owner("ReplicaSet", &set_name, meta::uid(&set));
        let build = |phase: &'static str, crashing: bool| {
            let tree = pod(i, &ns, &labels, &hash, &set_name, &owner, phase, crashing);
            Template::new(&tree, &format!("{set_name}-"), phase)
        };
        Ok(App {
            running: build("Running", false),
            crashing: build("Running", true),
            pending: build("Pending", false),
        })
    }

    /// Changes the cluster at its rate, for ever.
    pub async fn churn(mut self) {
        if self.options.churn <= 0.0 || self.pods.is_empty() {
            return;
        }
        let start = Instant::now();
        let mut done = 0_u64;
        let mut tick = tokio::time::interval(STEP);
        loop {
            tick.tick().await;
            // Based on the elapsed time, because ticks are late on a busy machine.
            let due = (start.elapsed().as_secs_f64() * self.options.churn) as u64;
            for _ in done..due {
                self.step();
            }
            done = done.max(due);
        }
    }

    /// One change, or two if a pod replaces another.
    pub fn step(&mut self) {
        let now = self.store.clock().now().as_second();
        let (draw, pick) = (self.ids.next_u64() % 100, self.ids.next_u64());
        match draw {
            0..10 if !self.nodes.is_empty() => {
                let at = (pick % self.nodes.len() as u64) as usize;
                self.nodes[at].changed = now;
                self.store.renew("nodes", &mut self.nodes[at]);
            }
            10..20 => {
                let at = (pick % self.pods.len() as u64) as usize;
                let old = self.pods[at].clone();
                self.store.take("pods", &old.key());
                let index = self.next_index;
                // Wraps after more pods than names; the first ones were deleted long before.
                self.next_index = self.next_index.wrapping_add(1);
                let app = &self.apps[index as usize % self.apps.len()];
                let new = Made {
                    template: app.running.clone(),
                    index,
                    created: now,
                    changed: now,
                    restarts: 0,
                    ..old
                };
                self.pods[at] = new;
                self.store.put("pods", &mut self.pods[at]);
            }
            _ => {
                let at = (pick % self.pods.len() as u64) as usize;
                self.pods[at].changed = now;
                self.pods[at].restarts += u32::from(draw > 90);
                self.store.renew("pods", &mut self.pods[at]);
            }
        }
    }
}

fn namespace(i: u32) -> String {
    format!("team-{:02}", i % NAMESPACES)
}

fn image(i: u32, sidecar: bool) -> String {
    let n = (if sidecar { i * 7 + 3 } else { i }) % IMAGES;
    format!("registry.example.com/team-{:02}/service-{n:03}:v1.{}.{}", n % NAMESPACES, n % 30, n % 7)
}

fn containers(i: u32) -> Value {
    // Each value has its own hole, so that the values of a pod differ.
    let container = |name: &str, places: std::ops::RangeInclusive<u32>, image: String| {
        let env: Vec<Value> = places
            .map(|k| json!({"name": format!("SERVICE_SETTING_{k:02}"), "value": format!("@@U{k}@@")}))
            .collect();
        json!({"name": name, "image": image, "imagePullPolicy": "IfNotPresent", "env": env,
            "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
            "resources": {"limits": {"cpu": "2", "memory": "4Gi"}, "requests": {"cpu": "500m", "memory": "1Gi"}},
            "livenessProbe": {"httpGet": {"path": "/healthz", "port": 8080, "scheme": "HTTP"}, "timeoutSeconds": 1, "periodSeconds": 10,
                "successThreshold": 1, "failureThreshold": 3},
            "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080, "scheme": "HTTP"}, "timeoutSeconds": 1, "periodSeconds": 10,
                "successThreshold": 1, "failureThreshold": 3},
            "volumeMounts": [{"name": "config", "mountPath": "/etc/config", "readOnly": true}, {"name": "cache", "mountPath": "/cache"},
                {"name": "token", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true}],
            "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"})
    };
    json!([container("app", 1..=24, image(i, false)), container("proxy", 25..=32, image(i, true))])
}

#[allow(clippy::too_many_arguments)] // one call, and each is a different part of the pod
fn pod(
    i: u32,
    ns: &str,
    labels: &Value,
    hash: &str,
    set: &str,
    owner: &Value,
    phase: &str,
    crashing: bool,
) -> Value {
    let mut labels = labels.clone();
    labels["pod-template-hash"] = json!(hash);
    let ready = if phase == "Running" && !crashing { "True" } else { "False" };
    let condition = |kind: &str, status: &str| json!({"type": kind, "observedGeneration": 1, "status": status, "lastProbeTime": null, "lastTransitionTime": "@@CHANGED@@"});
    let conditions: Vec<Value> = [
        ("PodReadyToStartContainers", "True"),
        ("Initialized", "True"),
        ("Ready", ready),
        ("ContainersReady", ready),
        ("PodScheduled", "True"),
    ]
    .map(|(k, s)| condition(k, s))
    .to_vec();
    let statuses: Vec<Value> = meta::items(&json!({"c": containers(i)}), "c")
        .map(|c| {
            let broken = crashing && c["name"] == "app";
            let state = match (phase, broken) {
                ("Pending", _) => json!({"waiting": {"reason": "ContainerCreating"}}),
                (_, true) => json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container=app"}}),
                _ => json!({"running": {"startedAt": "@@CREATED@@"}}),
            };
            let last = if broken {
                json!({"terminated": {"exitCode": 1, "reason": "Error", "startedAt": "@@CREATED@@", "finishedAt": "@@CHANGED@@"}})
            } else {
                json!({})
            };
            json!({"name": c["name"], "state": state, "lastState": last, "ready": phase == "Running" && !broken,
                "restartCount": "@@#RESTARTS@@", "image": c["image"], "imageID": format!("{}@sha256:@@U40@@@@U41@@", c["image"].as_str().unwrap_or_default()),
                "containerID": "containerd://@@U42@@@@U43@@", "started": phase == "Running" && !broken})
        })
        .collect();
    let mut spec = json!({"nodeName": "@@NODE@@", "containers": containers(i), "restartPolicy": "Always", "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst", "serviceAccountName": "default", "serviceAccount": "default", "securityContext": {},
        "schedulerName": "default-scheduler", "priority": 0, "enableServiceLinks": true, "preemptionPolicy": "PreemptLowerPriority",
        "volumes": [{"name": "config", "configMap": {"name": format!("app-{i:03}"), "defaultMode": 420}}, {"name": "cache", "emptyDir": {}},
            {"name": "token", "projected": {"defaultMode": 420, "sources": [{"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}]}}],
        "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
            {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}]});
    if i % 10 == 3 {
        spec["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] = json!("1");
    }
    let status = json!({"phase": phase, "observedGeneration": 1, "conditions": conditions, "hostIP": "@@HOSTIP@@", "hostIPs": [{"ip": "@@HOSTIP@@"}],
        "podIP": "@@IP@@", "podIPs": [{"ip": "@@IP@@"}], "startTime": "@@CREATED@@", "containerStatuses": statuses, "qosClass": "Burstable"});
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "@@NAME@@", "generateName": format!("{set}-"), "namespace": ns,
        "uid": "@@UID@@", "resourceVersion": "@@VERSION@@", "generation": 1, "creationTimestamp": "@@CREATED@@", "labels": labels,
        "ownerReferences": owner}, "spec": spec, "status": status});
    managed(&mut pod, "kube-controller-manager", "kubelet");
    pod
}

/// managedFields as a controller and a status writer leave them.
fn managed(object: &mut Value, writer: &str, status_writer: &str) {
    let set = fields::of_object(object);
    let (status, rest): (fields::Set, fields::Set) = set.into_iter().partition(|p| p[0] == "f:status");
    let entry = |manager: &str, set: &fields::Set, sub: Option<&str>| {
        let mut entry = json!({"manager": manager, "operation": "Update", "apiVersion": "v1", "time": "@@CREATED@@", "fieldsType": "FieldsV1",
            "fieldsV1": fields::to_tree(set)});
        if let Some(sub) = sub {
            entry["subresource"] = json!(sub);
        }
        entry
    };
    let entries = json!([entry(writer, &rest, None), entry(status_writer, &status, Some("status"))]);
    meta::metadata(object).insert("managedFields".into(), entries);
}

fn node(gpus: bool) -> Value {
    let mut labels = json!({"beta.kubernetes.io/arch": "amd64", "kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux",
        "kubernetes.io/hostname": "@@NAME@@", "topology.kubernetes.io/zone": "us-west-2a", "node.kubernetes.io/instance-type": "m7i.16xlarge"});
    let mut amounts =
        json!({"cpu": "64", "memory": "263922136Ki", "pods": "250", "ephemeral-storage": "514937088Ki"});
    if gpus {
        labels["nvidia.com/gpu.present"] = json!("true");
        labels["nvidia.com/gpu.product"] = json!("NVIDIA-H100-80GB-HBM3");
        amounts["nvidia.com/gpu"] = json!("8");
    }
    let condition = |kind: &str, status: &str, reason: &str| {
        json!({"type": kind, "status": status, "reason": reason, "message": format!("kubelet says {reason}"),
            "lastHeartbeatTime": "@@CHANGED@@", "lastTransitionTime": "@@CREATED@@"})
    };
    let images: Vec<Value> = (0..40)
        .map(|i| json!({"names": [image(i * 5, false)], "sizeBytes": 120_000_000 + i * 1_000_000}))
        .collect();
    let status = json!({"capacity": amounts, "allocatable": amounts, "images": images,
        "conditions": [condition("MemoryPressure", "False", "KubeletHasSufficientMemory"), condition("DiskPressure", "False", "KubeletHasNoDiskPressure"),
            condition("PIDPressure", "False", "KubeletHasSufficientPID"), condition("Ready", "True", "KubeletReady")],
        "addresses": [{"type": "InternalIP", "address": "@@HOSTIP@@"}, {"type": "Hostname", "address": "@@NAME@@"}],
        "nodeInfo": {"machineID": "@@U1@@", "systemUUID": "@@U2@@", "bootID": "@@U3@@", "kernelVersion": "6.18.44", "osImage": "Debian GNU/Linux 12 (bookworm)",
            "containerRuntimeVersion": "containerd://2.1.9", "kubeletVersion": "v1.36.2", "kubeProxyVersion": "", "operatingSystem": "linux", "architecture": "amd64"}});
    let mut node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "@@NAME@@", "uid": "@@UID@@", "resourceVersion": "@@VERSION@@",
        "creationTimestamp": "@@CREATED@@", "labels": labels}, "spec": {"podCIDR": "10.244.0.0/24", "providerID": "khud://@@NAME@@"}, "status": status});
    managed(&mut node, "kubelet", "kubelet");
    node
}

/// The stored form of a generated object.
pub fn item(made: &Made) -> Item {
    Item::Made(Arc::new(made.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SimClock;
    use std::collections::HashSet;

    fn fill(seed: u64) -> (Arc<Store>, Load) {
        let store = Store::seeded(SimClock::manual("2026-11-21T01:00:00Z".parse().unwrap()), seed);
        let load = Load::fill(&store, LoadOptions { nodes: 50, pods: 2000, churn: 0.0, seed }).unwrap();
        (store, load)
    }

    #[test]
    fn load_is_large_unique_and_the_same_for_the_same_seed() {
        let (store, mut load) = fill(3);
        let pods = store.list("pods", None);
        assert_eq!((pods.len(), store.list("nodes", None).len()), (2000, 50));
        let mut seen = HashSet::new();
        for pod in &pods {
            let text = pod.to_string();
            assert!(text.len() > 10_000 && !text.contains("@@"), "{}: {text}", text.len());
            assert!(pod["metadata"]["managedFields"].is_array());
            let env = meta::items(&pod["spec"], "containers").flat_map(|c| meta::items(c, "env"));
            let values = env.map(|e| e["value"].to_string());
            let own = [meta::name(pod).into(), meta::uid(pod).into(), pod["status"]["podIP"].to_string()];
            for unique in values.chain(own) {
                assert!(seen.insert(unique));
            }
        }
        let rv = store.version();
        (0..500).for_each(|_| load.step());
        assert!(store.version() >= rv + 500);
        assert_eq!(store.list("pods", None).len(), 2000);
        let (again, mut other) = fill(3);
        (0..500).for_each(|_| other.step());
        assert_eq!(store.list("pods", None), again.list("pods", None));
        // A generated object can be changed like any other.
        let name = meta::name(&pods[0]).to_string();
        let ns = meta::namespace(&pods[0]).to_string();
        if store.get("pods", &ns, &name).is_some() {
            store.delete("pods", &ns, &name, Default::default()).unwrap();
            assert!(store.get("pods", &ns, &name).unwrap()["metadata"]["deletionTimestamp"].is_string());
        }
    }
}
