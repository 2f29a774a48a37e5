//! The kubelet's node object: registration, heartbeats, conditions, and faults of the machine.
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Machine;
use super::{crash, pressure, run, upgrade};
use crate::cluster::chance::{digest, fnv, mix};
use crate::cluster::engine::{Engine, Timer, Work};
use crate::cluster::events::Source;
use crate::cluster::object::{self, Key, amount, condition, entry, list, micro_stamp, stamp, text};
use crate::scenario::format::{NodeChange, NodePool};
use crate::scenario::units::glob;

/// How often a kubelet renews its lease.
const LEASE: Duration = Duration::from_secs(10);
/// How long the node controller waits for a renewal.
pub(super) const GRACE: Duration = Duration::from_secs(40);
/// How often a kubelet reports a node that did not change.
const REPORT: Duration = Duration::from_secs(300);
/// After a restart, a kubelet reports the runtime as down for this long.
const WARM_UP: Duration = Duration::from_secs(10);

/// How long the pod garbage collector waits for a node to return.
const ORPHANED: Duration = Duration::from_secs(40);

/// The machine that replaces the one of a deleted node.
#[derive(Clone, Debug)]
pub struct Replacement {
    after: Duration,
    pool: NodePool,
    index: u32,
    version: String,
}

impl Replacement {
    fn name(&self) -> Arc<str> {
        pool_name(&self.pool, self.index).into()
    }
}

/// The name of a node in a pool: the `#` characters become the number.
fn pool_name(pool: &NodePool, index: u32) -> String {
    let number = pool.first + index;
    let width = pool.name.matches('#').count();
    if width == 0 {
        return if pool.count == 1 { pool.name.clone() } else { format!("{}{number}", pool.name) };
    }
    pool.name.replacen(&"#".repeat(width), &format!("{number:0width$}"), 1)
}

/// Starts the machines of a pool and registers their nodes.
pub(in crate::cluster) fn boot(engine: &mut Engine, pool: &NodePool, version: &str) {
    for index in 0..pool.count {
        boot_one(engine, pool, index, version);
        if let Some(new) = &pool.replaced {
            let mut pool = pool.clone();
            pool.labels.extend(new.labels.clone());
            pool.os = new.os.clone().or(pool.os);
            pool.kernel = new.kernel.clone().or(pool.kernel);
            let version = new.kubelet.clone().or(pool.kubelet.take()).unwrap_or_else(|| version.to_owned());
            let next = Replacement { after: new.after.duration(), pool, index, version };
            engine.replacements.insert(next.name(), next);
        }
    }
}

fn boot_one(engine: &mut Engine, pool: &NodePool, index: u32, version: &str) {
    let name = pool_name(pool, index);
    engine.booted += 1;
    let serial = engine.booted;
    let mut machine = machine(pool, &name, serial, engine.now());
    machine.kubelet_version = pool.kubelet.as_deref().unwrap_or(version).to_owned();
    let node = node_object(pool, &machine, index, version);
    engine.machines.insert(name.as_str().into(), machine);
    match engine.store.create("nodes", "", node) {
        Ok(made) => {
            post_node(engine, &name.as_str().into());
            write_lease(engine, &name, object::uid(&made));
            upgrade::write_static_pods(engine, &name.as_str().into());
        }
        Err(status) => tracing::warn!(%status, node = name, "the node was not registered"),
    }
}

/// Handles the deletion of a Node: removes its machine, and schedules a replacement if the pool has an
/// autoscaler.
pub(in crate::cluster) fn node_deleted(engine: &mut Engine, name: &Arc<str>) {
    engine.machines.remove(name);
    engine.runs.retain(|_, r| r.node != *name);
    engine.after(ORPHANED, Timer::Orphans(name.clone()));
    if let Some(next) = engine.replacements.get(name) {
        engine.after(next.after, Timer::Boot(name.clone()));
    }
}

/// Registers the machine that replaces a deleted node's.
pub(in crate::cluster) fn boot_replacement(engine: &mut Engine, name: &Arc<str>) {
    if engine.cached("nodes", &Key::new("", name)).is_some() {
        return;
    }
    if let Some(next) = engine.replacements.get(name).cloned() {
        boot_one(engine, &next.pool, next.index, &next.version);
    }
}

fn write_lease(engine: &Engine, name: &str, uid: &str) {
    let now = micro_stamp(engine.now());
    let renewed = engine.store.modify(
        "leases.coordination.k8s.io",
        "kube-node-lease",
        name,
        crate::api::store::Part::Main,
        |lease| lease["spec"]["renewTime"] = json!(now),
    );
    if renewed.is_err() {
        let lease = json!({
            "metadata": {"name": name, "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": name, "uid": uid}]},
            "spec": {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": now},
        });
        if let Err(status) = engine.store.create("leases.coordination.k8s.io", "kube-node-lease", lease) {
            tracing::debug!(%status, "a node lease was not made");
        }
    }
}

/// Every running kubelet renews its lease. One timer serves all, because nothing else happens on an idle
/// node.
pub(in crate::cluster) fn renew_leases(engine: &mut Engine) {
    let now = engine.now();
    if !engine.replaying {
        let mut alive: Vec<Arc<str>> = Vec::new();
        for machine in engine.machines.values_mut().filter(|m| m.kubelet) {
            machine.renewed = now;
            alive.push(machine.name.clone());
        }
        alive.sort();
        for name in alive {
            let uid =
                engine.cache.find("nodes", "", &name).map(|n| object::uid(n).to_owned()).unwrap_or_default();
            write_lease(engine, &name, &uid);
        }
        if super::since(engine.last_heartbeat, now) >= REPORT {
            heartbeat_all(engine);
        }
    }
    engine.after(LEASE, Timer::Leases);
}

/// Every running kubelet reports its node and renews its lease.
pub(in crate::cluster) fn heartbeat_all(engine: &mut Engine) {
    let mut names: Vec<Arc<str>> = engine.machines.keys().cloned().collect();
    names.sort();
    for name in names {
        post_node(engine, &name);
    }
    let now = engine.now();
    engine.last_heartbeat = now;
}

/// Writes the kubelet's report on its node, with an event for each changed condition.
pub(in crate::cluster) fn post_node(engine: &mut Engine, name: &Arc<str>) {
    let Some(machine) = engine.machines.get(name).filter(|m| m.kubelet).cloned() else { return };
    let now = engine.now();
    let node = engine.cached("nodes", &Key::new("", name)).or_else(|| engine.store.get("nodes", "", name));
    let Some(node) = node else { return };
    let wanted = conditions(&machine);
    let mut said = Vec::new();
    for (kind, status, ..) in &wanted {
        let was = condition(&node, kind);
        if was.is_some_and(|c| c["status"] != *status) || was.is_none() && *kind != "Ready" {
            let event = match (*kind, *status) {
                ("Ready", "True") => "NodeReady",
                ("Ready", _) => "NodeNotReady",
                ("MemoryPressure", "True") => "NodeHasInsufficientMemory",
                ("MemoryPressure", _) => "NodeHasSufficientMemory",
                ("DiskPressure", "True") => "NodeHasDiskPressure",
                ("DiskPressure", _) => "NodeHasNoDiskPressure",
                ("PIDPressure", "True") => "NodeHasInsufficientPID",
                _ => "NodeHasSufficientPID",
            };
            said.push(event);
        }
    }
    let gpus = machine.gpu.as_ref().map(|_| machine.gpus);
    let heartbeat = stamp(now);
    engine.write_status("nodes", &Key::new("", name), |o| {
        let status = entry(o, "status");
        let old = status.get("conditions").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut all: Vec<Value> = Vec::new();
        for (kind, is, reason, message) in &wanted {
            let before = old.iter().find(|c| c["type"] == *kind);
            let since = before.filter(|c| c["status"] == *is).map(|c| c["lastTransitionTime"].clone());
            all.push(json!({
                "type": kind, "status": is, "lastHeartbeatTime": heartbeat,
                "lastTransitionTime": since.unwrap_or_else(|| json!(heartbeat)), "reason": reason, "message": message,
            }));
        }
        all.extend(old.into_iter().filter(|c| !wanted.iter().any(|w| c["type"] == w.0)));
        status.insert("conditions".into(), Value::Array(all));
        if let Some(gpus) = gpus {
            for side in ["capacity", "allocatable"] {
                if let Some(Value::Object(map)) = status.get_mut(side) {
                    map.insert("nvidia.com/gpu".into(), json!(gpus.to_string()));
                }
            }
        }
    });
    for reason in said {
        let text = format!("Node {name} status is now: {reason}");
        engine.event(Source::Kubelet(name), &node, "Normal", reason, &text);
    }
}

/// Applies the scenario's change to machines; false if no machine matches.
pub(in crate::cluster) fn change_nodes(engine: &mut Engine, change: &NodeChange) -> bool {
    let mut names: Vec<Arc<str>> =
        engine.machines.keys().filter(|n| glob(&change.matches, n)).cloned().collect();
    names.sort();
    for name in &names {
        change_node(engine, name, change);
    }
    !names.is_empty()
}

pub(in crate::cluster) fn change_node(engine: &mut Engine, name: &Arc<str>, change: &NodeChange) {
    let now = engine.now();
    let Some(machine) = engine.machines.get_mut(name) else { return };
    let was_up = machine.kubelet;
    let take = |to: &mut bool, from: Option<bool>| *to = from.unwrap_or(*to);
    take(&mut machine.kubelet, change.kubelet);
    take(&mut machine.runtime, change.runtime);
    take(&mut machine.network, change.network);
    take(&mut machine.memory_pressure, change.memory_pressure);
    take(&mut machine.disk_pressure, change.disk_pressure);
    take(&mut machine.pid_pressure, change.pid_pressure);
    take(&mut machine.nvml, change.nvml);
    take(&mut machine.dns, change.dns);
    machine.gpus = change.gpus.unwrap_or(machine.gpus);
    machine.driver = change.driver.clone().unwrap_or_else(|| machine.driver.clone());
    machine.log = change.log.clone().unwrap_or_else(|| machine.log.clone());
    machine.conntrack = change.conntrack.unwrap_or(machine.conntrack);
    let (up, pressed) = (machine.kubelet, machine.memory_pressure || machine.disk_pressure);
    // Another version means that the kubelet restarted.
    let other = change.kubelet_version.as_ref().filter(|v| **v != machine.kubelet_version);
    let restarted = was_up && up && other.is_some();
    if let Some(version) = other {
        machine.kubelet_version.clone_from(version);
    }
    if was_up != up || restarted {
        machine.renewed = now;
        machine.warming = up.then_some(now);
    }
    if was_up && !up {
        engine.after(GRACE, Timer::Lost(name.clone()));
    }
    if !was_up && up || restarted {
        engine.after(WARM_UP, Timer::Work(Work::Node(name.clone())));
        for pod in engine.cache.on_node(name).map(|p| Key::of(p)).collect::<Vec<_>>() {
            engine.add(Work::Pod(pod));
        }
        let uids: Vec<Arc<str>> =
            engine.runs.values().filter(|r| &r.node == name).map(|r| r.uid.clone()).collect();
        for uid in uids {
            resync_now(engine, &uid);
        }
    }
    relabel(engine, name, change);
    post_node(engine, name);
    if change.nvml.is_some() || change.dns.is_some() {
        crash::rematch(engine);
    }
    engine.add(Work::Node(name.clone()));
    if pressed {
        pressure::look_at(engine, name, Duration::from_secs(3));
    }
}

fn resync_now(engine: &mut Engine, uid: &Arc<str>) {
    run::resync(engine, uid, Duration::from_millis(700));
}

/// Updates labels and node info after a change of the machine.
fn relabel(engine: &mut Engine, name: &Arc<str>, change: &NodeChange) {
    let key = Key::new("", name);
    let driver = change.driver.clone().filter(|_| engine.machines.get(name).is_some_and(|m| m.gpu.is_some()));
    if !change.labels.is_empty() || driver.is_some() {
        engine.write("nodes", &key, |o| {
            let labels = entry(&mut o["metadata"], "labels");
            labels.extend(change.labels.iter().map(|(k, v)| (k.clone(), json!(v))));
            if let Some(driver) = &driver {
                labels.extend(driver_labels(driver));
            }
        });
    }
    if change.kubelet_version.is_none() && change.os.is_none() && change.kernel.is_none() {
        return;
    }
    engine.write_status("nodes", &key, |o| {
        let info = entry(&mut o["status"], "nodeInfo");
        for (field, value) in [
            ("kubeletVersion", &change.kubelet_version),
            ("osImage", &change.os),
            ("kernelVersion", &change.kernel),
        ] {
            if let Some(value) = value {
                info.insert(field.into(), json!(value));
            }
        }
    });
}

/// The kubelet reports cordons in events.
pub(in crate::cluster) fn tell_cordon(engine: &mut Engine, node: &Value) {
    let name: Arc<str> = object::name(node).into();
    let cordoned = object::flag(node, "/spec/unschedulable");
    let Some(machine) = engine.machines.get_mut(&name).filter(|m| m.kubelet) else { return };
    if machine.cordoned == cordoned {
        return;
    }
    machine.cordoned = cordoned;
    let reason = if cordoned { "NodeNotSchedulable" } else { "NodeSchedulable" };
    let text = format!("Node {name} status is now: {reason}");
    engine.event(Source::Kubelet(&name), node, "Normal", reason, &text);
}

/// After its warm-up, the kubelet reports the real state of the runtime and of its pods.
pub(in crate::cluster) fn warmed_up(engine: &mut Engine, name: &Arc<str>) {
    let now = engine.now();
    let Some(machine) = engine.machines.get_mut(name) else { return };
    if machine.warming.is_some_and(|w| super::since(w, now) >= WARM_UP) {
        machine.warming = None;
        post_node(engine, name);
        let uids: Vec<Arc<str>> =
            engine.runs.values().filter(|r| &r.node == name).map(|r| r.uid.clone()).collect();
        for uid in uids {
            resync_now(engine, &uid);
        }
    }
}

/// (type, status, reason, message), in the kubelet's order.
fn conditions(m: &Machine) -> [(&'static str, &'static str, &'static str, String); 4] {
    let pressure = |kind, on, yes: (&'static str, &'static str), no: (&'static str, &'static str)| {
        if on { (kind, "True", yes.0, yes.1.to_owned()) } else { (kind, "False", no.0, no.1.to_owned()) }
    };
    let mut troubles = Vec::new();
    if !m.runtime || m.warming.is_some() {
        troubles.push("container runtime is down");
    }
    if !m.network {
        troubles.push("container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized");
    }
    let ready = match troubles.as_slice() {
        [] => ("Ready", "True", "KubeletReady", "kubelet is posting ready status".to_owned()),
        [one] => ("Ready", "False", "KubeletNotReady", (*one).to_owned()),
        many => ("Ready", "False", "KubeletNotReady", format!("[{}]", many.join(", "))),
    };
    [
        pressure(
            "MemoryPressure",
            m.memory_pressure || m.starved.is_some(),
            ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
            ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ),
        pressure(
            "DiskPressure",
            m.disk_pressure || m.full.is_some(),
            ("KubeletHasDiskPressure", "kubelet has disk pressure"),
            ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ),
        pressure(
            "PIDPressure",
            m.pid_pressure,
            ("KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
            ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ),
        ready,
    ]
}

fn machine(pool: &NodePool, name: &str, serial: u32, now: jiff::Timestamp) -> Machine {
    Machine {
        name: name.into(),
        kubelet: true,
        runtime: true,
        network: true,
        memory_pressure: false,
        disk_pressure: false,
        pid_pressure: false,
        starved: None,
        full: None,
        look: None,
        nvml: true,
        dns: true,
        gpus: pool.gpu.as_ref().map_or(0, |g| g.count),
        driver: pool.gpu.as_ref().map_or_else(String::new, |g| g.driver.clone()),
        gpu: pool.gpu.clone(),
        log: String::new(),
        conntrack: (4_000 + mix(fnv(name.as_bytes())) % 6_000, 262_144),
        images: Default::default(),
        internal_ip: format!("10.0.{}.{}", 16 + serial / 200, serial % 200 + 10),
        overhead: 1.1e9,
        warming: None,
        next_ip: 0,
        pod_net: format!("10.{}.{}", 244 + serial / 250, serial % 250),
        cores: pool.cpu.0,
        memory: pool.memory.0,
        storage: pool.storage.map_or(500e9, |s| s.0),
        booted: now,
        renewed: now,
        cordoned: false,
        kubelet_version: String::new(),
        agent: pool.upgrades.clone(),
        installing: None,
        manifests: pool.static_pods.clone(),
    }
}

fn driver_labels(driver: &str) -> Map<String, Value> {
    let mut parts = driver.split('.');
    let mut labels = Map::new();
    labels.insert("nvidia.com/cuda.driver-version.full".into(), json!(driver));
    for part in ["major", "minor", "revision"] {
        labels.insert(
            format!("nvidia.com/cuda.driver-version.{part}"),
            json!(parts.next().unwrap_or_default()),
        );
    }
    labels
}

fn node_object(pool: &NodePool, m: &Machine, index: u32, version: &str) -> Value {
    let name = &*m.name;
    let zone = pool.zones.get(index as usize % pool.zones.len().max(1));
    let mut labels = Map::new();
    for (k, v) in [
        ("beta.kubernetes.io/arch", "amd64"),
        ("beta.kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", "amd64"),
        ("kubernetes.io/hostname", name),
        ("kubernetes.io/os", "linux"),
    ] {
        labels.insert(k.into(), json!(v));
    }
    if let Some(zone) = zone {
        labels.insert("topology.kubernetes.io/zone".into(), json!(zone));
        let region = zone.trim_end_matches(|c: char| c.is_ascii_lowercase());
        labels.insert("topology.kubernetes.io/region".into(), json!(region));
    }
    if let Some(gpu) = &pool.gpu {
        labels.extend(driver_labels(&gpu.driver));
        for (k, v) in [
            ("nvidia.com/gpu.present", "true".to_owned()),
            ("nvidia.com/gpu.count", gpu.count.to_string()),
            ("nvidia.com/gpu.product", gpu.product.clone()),
            ("nvidia.com/gpu.memory", ((gpu.memory.0 / 1_048_576.0) as u64).to_string()),
            ("nvidia.com/gpu.deploy.device-plugin", "true".to_owned()),
            ("nvidia.com/gpu.deploy.dcgm-exporter", "true".to_owned()),
        ] {
            labels.insert(k.into(), json!(v));
        }
    }
    labels.extend(pool.labels.iter().map(|(k, v)| (k.clone(), json!(v))));
    let kib = |bytes: f64| format!("{}Ki", (bytes / 1024.0) as u64);
    let mut capacity = json!({
        "cpu": format!("{}", m.cores), "memory": kib(m.memory), "pods": pool.pods.to_string(),
        "ephemeral-storage": kib(m.storage), "hugepages-1Gi": "0", "hugepages-2Mi": "0",
    });
    let mut allocatable = capacity.clone();
    allocatable["memory"] = json!(kib(m.memory - 104_857_600.0));
    allocatable["ephemeral-storage"] = json!(format!("{}", (m.storage * 0.9) as u64));
    if pool.gpu.is_some() {
        capacity["nvidia.com/gpu"] = json!(m.gpus.to_string());
        allocatable["nvidia.com/gpu"] = json!(m.gpus.to_string());
    }
    let id = digest(name);
    let mut spec = json!({"podCIDR": format!("{}.0/24", m.pod_net), "podCIDRs": [format!("{}.0/24", m.pod_net)],
        "providerID": format!("aws:///{}/i-0{}", zone.map_or("us-west-2a", |z| z), &id[..16])});
    if !pool.taints.is_empty() {
        spec["taints"] = json!(pool.taints);
    }
    json!({
        "metadata": {"name": name, "labels": labels, "annotations": {
            "node.alpha.kubernetes.io/ttl": "0", "volumes.kubernetes.io/controller-managed-attach-detach": "true"}},
        "spec": spec,
        "status": {
            "capacity": capacity, "allocatable": allocatable,
            "addresses": [{"type": "InternalIP", "address": m.internal_ip}, {"type": "Hostname", "address": name}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": {
                "machineID": &id[..32], "systemUUID": &id[..32], "bootID": format!("{}-{}-4{}-8{}-{}", &id[..8], &id[8..12], &id[13..16], &id[17..20], &id[20..32]),
                "kernelVersion": pool.kernel.as_deref().unwrap_or("6.8.0-1021-aws"),
                "osImage": pool.os.as_deref().unwrap_or("Ubuntu 24.04.2 LTS"),
                "containerRuntimeVersion": pool.runtime.as_deref().unwrap_or("containerd://2.1.4"),
                "kubeletVersion": pool.kubelet.as_deref().unwrap_or(version), "kubeProxyVersion": "",
                "operatingSystem": "linux", "architecture": "amd64",
            },
        },
    })
}

/// The pod's memory request in bytes.
pub fn memory_request(pod: &Value) -> f64 {
    list(pod, "/spec/containers")
        .iter()
        .filter_map(|c| amount(c.pointer("/resources/requests/memory")?))
        .sum()
}

/// A pod's priority.
pub fn priority(pod: &Value) -> i64 {
    object::int(pod, "/spec/priority").unwrap_or(
        if text(pod, "/spec/priorityClassName").starts_with("system-") { 2_000_000_000 } else { 0 },
    )
}
