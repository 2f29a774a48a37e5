//! Proxied requests to ports of pods and to the kubelets.
use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::api::machines::ProxyTarget;
use crate::api::meta::status::Status;
use crate::scenario::format::Serves;

use super::engine::Engine;
use super::http::Heard;
use super::kubelet::{Container, Machine, PodRun, Run};
use super::kubelet::{pressure, upgrade};
use super::object::{self, stamp, text};
use super::{dcgm, kubeproxy, machines, prometheus, usage};

/// The answer of a port.
pub struct Reply {
    pub status: u16,
    pub content_type: String,
    pub body: Bytes,
    pub latency: Duration,
}

/// The API server to a client without credentials: its version and health, and nothing else.
pub fn api_server(engine: &Engine, path: &str) -> Reply {
    match path.split('?').next().unwrap_or(path) {
        "/version" => {
            let version = upgrade::server_version(engine);
            ok("application/json", format!("{:#}", crate::api::server_version(version.as_deref())))
        }
        "/healthz" | "/livez" | "/readyz" => ok("text/plain; charset=utf-8", "ok".to_owned()),
        _ => Reply { status: 403, ..ok("application/json", String::new()) },
    }
}

const PROM: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

fn ok(content_type: &str, body: String) -> Reply {
    Reply {
        status: 200,
        content_type: content_type.to_owned(),
        body: Bytes::from(body),
        latency: Duration::ZERO,
    }
}

/// The ports on which well-known exporters listen.
pub fn serves_port(serves: Option<Serves>, port: u16) -> bool {
    match serves {
        Some(Serves::Dcgm) => port == 9400,
        Some(Serves::KubeProxy) => port == 10249 || port == 10256,
        Some(Serves::CoreDns) => matches!(port, 53 | 8080 | 8181 | 9153),
        Some(Serves::NodeExporter) => port == 9100,
        Some(Serves::Prometheus) => port == prometheus::PORT,
        None => false,
    }
}

pub(super) fn answer(
    engine: &Engine,
    target: &ProxyTarget,
    _method: &str,
    path: &str,
) -> Result<Reply, Status> {
    match target {
        ProxyTarget::Pod { ns, name, port, .. } => {
            let run = machines::run_of(engine, ns, name)?;
            pod_port(engine, run, *port, path)
        }
        ProxyTarget::Node { name, port } => node_port(engine, name, *port, path),
    }
}

fn refused(ip: &str, port: u16) -> Status {
    Status::unavailable(format!(
        "error trying to reach service: dial tcp {ip}:{port}: connect: connection refused"
    ))
}

pub(super) fn pod_port(engine: &Engine, run: &PodRun, port: u16, path: &str) -> Result<Reply, Status> {
    let now = engine.now();
    let ip = run.ip.clone().unwrap_or_default();
    if !engine.machines.get(&run.node).is_some_and(|m| m.kubelet) {
        return Err(Status::unavailable(format!(
            "error trying to reach service: dial tcp {ip}:{port}: connect: no route to host"
        )));
    }
    let page = path.split('?').next().unwrap_or(path);
    for container in run.containers.iter().filter(|c| c.running()) {
        let Some(going) = &container.run else { continue };
        if going.behaviour.serves == Some(Serves::Prometheus) && port == prometheus::PORT {
            return Ok(prometheus::answer(engine, path));
        }
        if serves_port(going.behaviour.serves, port)
            && let Some(reply) = exporter(engine, run, going, port, page)
        {
            return Ok(reply);
        }
        if let Some(vllm) = going.behaviour.vllm.as_ref().filter(|_| page == "/metrics") {
            return Ok(ok(PROM, super::vllm::metrics(vllm, going.elapsed(now))));
        }
        if let Some(counted) = going.behaviour.requests.as_ref().filter(|_| page == "/metrics") {
            return Ok(ok(PROM, super::requests::metrics(counted, going.elapsed(now))));
        }
        if let Heard::Answer { status, body, content_type, latency, .. } = going.hear(port, page, now) {
            if going.behaviour.ports.is_none() && !declares(run, container, port) {
                continue;
            }
            return Ok(Reply {
                status,
                content_type: content_type.to_owned(),
                body: Bytes::copy_from_slice(body.as_bytes()),
                latency,
            });
        }
    }
    Err(refused(&ip, port))
}

/// A container without ports in its behaviour listens on those of its spec.
fn declares(run: &PodRun, container: &Container, port: u16) -> bool {
    let spec = super::kubelet::spec_of(run, container);
    let ports = spec.map_or(&[][..], |s| object::list(s, "/ports"));
    ports.iter().any(|p| object::int(p, "/containerPort") == Some(i64::from(port)))
}

fn exporter(engine: &Engine, run: &PodRun, going: &Run, port: u16, page: &str) -> Option<Reply> {
    let now = engine.now();
    let machine = engine.machines.get(&run.node)?;
    match (going.behaviour.serves?, page) {
        (Serves::Dcgm, "/metrics") => {
            let text = dcgm::dcgm_text(engine, &run.node, now);
            if text.is_empty() {
                // The exporter does not start without NVML.
                return None;
            }
            Some(ok(PROM, text))
        }
        (Serves::Dcgm, _) => Some(ok("text/plain", "OK".into())),
        (Serves::KubeProxy, "/healthz" | "/livez") if port == 10256 => {
            Some(ok("application/json", kubeproxy::kube_proxy_health(now)))
        }
        (Serves::KubeProxy, "/metrics") => {
            Some(ok(PROM, kubeproxy::kube_proxy_metrics(engine, going.started, now)))
        }
        (Serves::KubeProxy, "/proxyMode") => Some(ok("text/plain", "iptables".into())),
        (Serves::KubeProxy, _) => Some(ok("text/plain", "ok".into())),
        (Serves::CoreDns, "/metrics") => Some(ok(PROM, kubeproxy::core_dns_metrics(going.started, now))),
        (Serves::CoreDns, _) => Some(ok("text/plain", "OK".into())),
        (Serves::NodeExporter, "/metrics") => {
            Some(ok(PROM, kubeproxy::node_exporter_metrics(engine, &machine.name, now)))
        }
        (Serves::NodeExporter | Serves::Prometheus, _) => None,
    }
}

fn node_port(engine: &Engine, name: &str, port: u16, path: &str) -> Result<Reply, Status> {
    let machine = engine.machines.get(name).ok_or_else(|| Status::not_found("nodes", name))?;
    let ip = &machine.internal_ip;
    let port = if port == 0 { 10250 } else { port };
    if !machine.kubelet {
        return Err(Status::unavailable(format!(
            "error trying to reach service: dial tcp {ip}:{port}: connect: no route to host"
        )));
    }
    if port != 10250 {
        // A pod with hostNetwork may listen there.
        let found = engine
            .cache
            .on_node(name)
            .filter(|p| object::flag(p, "/spec/hostNetwork"))
            .filter_map(|p| engine.runs.get(object::uid(p)))
            .find(|r| listens_declared(r, port));
        return match found {
            Some(run) => pod_port(engine, run, port, path),
            None => Err(refused(ip, port)),
        };
    }
    let (page, query) = path.split_once('?').unwrap_or((path, ""));
    match page.trim_end_matches('/') {
        "/healthz" => Ok(ok("text/plain; charset=utf-8", "ok".into())),
        "/configz" => Ok(ok("application/json", configz(machine))),
        "/stats/summary" => Ok(ok("application/json", summary(engine, machine).to_string())),
        "/metrics/cadvisor" => Ok(ok(PROM, super::cadvisor::text(engine, name, engine.now()))),
        "/metrics/resource" => Ok(ok(PROM, resource_metrics(engine, machine))),
        "/logs" if query.contains("query=") => Ok(ok("text/plain", node_log(machine, query))),
        "/logs" => Ok(ok("text/html; charset=utf-8", "<pre>\n<a href=\"containers/\">containers/</a>\n<a href=\"pods/\">pods/</a>\n<a href=\"syslog\">syslog</a>\n</pre>\n".into())),
        "/metrics" => Ok(ok(PROM, format!("# TYPE kubelet_running_pods gauge\nkubelet_running_pods {}\n", engine.cache.on_node(name).count()))),
        _ => Ok(Reply {
            status: 404,
            content_type: "text/plain; charset=utf-8".into(),
            body: Bytes::from_static(b"404 page not found\n"),
            latency: Duration::ZERO,
        }),
    }
}

fn listens_declared(run: &PodRun, port: u16) -> bool {
    run.containers.iter().filter(|c| c.running()).any(|c| {
        let told = c.run.as_ref().is_some_and(|r| {
            serves_port(r.behaviour.serves, port)
                || r.behaviour.ports.as_ref().is_some_and(|p| p.contains(&port))
        });
        told || declares(run, c, port)
    })
}

/// The kubelet's stats summary (captures/proxy/node-stats-summary.json).
fn summary(engine: &Engine, machine: &Machine) -> Value {
    let now = engine.now();
    let at = stamp(now);
    let (cpu, memory) = usage::node_usage(engine, &machine.name, now);
    let cpu_stats = |cores: f64, started: jiff::Timestamp| {
        let seconds = super::kubelet::since(started, now).as_secs_f64();
        json!({"time": at, "usageNanoCores": (cores * 1e9) as u64, "usageCoreNanoSeconds": (cores * seconds * 1e9) as u64})
    };
    let memory_stats = |used: f64, total: f64| {
        json!({"time": at, "availableBytes": (total - used).max(0.0) as u64, "usageBytes": (used * 1.1) as u64,
            "workingSetBytes": used as u64, "rssBytes": (used * 0.8) as u64, "pageFaults": 0, "majorPageFaults": 0})
    };
    let mut pods = Vec::new();
    for pod in engine.cache.on_node(&machine.name) {
        let Some(run) = engine.runs.get(object::uid(pod)).filter(|r| !r.done) else { continue };
        let containers: Vec<Value> = run
            .containers
            .iter()
            .filter(|c| c.running())
            .map(|c| {
                let started = c.run.as_ref().map_or(now, |r| r.started);
                let used = run.container_memory(c, now);
                json!({"name": c.name, "startTime": stamp(started), "cpu": cpu_stats(run.container_cpu(c, now), started),
                    "memory": memory_stats(used, used), "rootfs": {"time": at, "usedBytes": c.files.used("/")}})
            })
            .collect();
        let used = run.memory(now);
        let volumes: Vec<Value> = object::list(pod, "/spec/volumes")
            .iter()
            .filter(|v| v.get("emptyDir").is_some() || v.get("persistentVolumeClaim").is_some())
            .map(|v| {
                let volume = text(v, "/name");
                let used = run.volume_bytes(volume, now);
                let size = v.pointer("/emptyDir/sizeLimit").and_then(object::amount).unwrap_or(100e9);
                json!({"name": volume, "time": at, "usedBytes": used as u64, "capacityBytes": size as u64,
                    "availableBytes": (size - used).max(0.0) as u64})
            })
            .collect();
        pods.push(json!({
            "podRef": {"name": object::name(pod), "namespace": object::namespace(pod), "uid": object::uid(pod)},
            "startTime": stamp(run.started), "containers": containers,
            "cpu": cpu_stats(run.containers.iter().map(|c| run.container_cpu(c, now)).sum(), run.started),
            "memory": memory_stats(used, used), "volume": volumes,
            "ephemeral-storage": {"time": at, "usedBytes": run.disk(now) as u64},
        }));
    }
    let used = pressure::node_disk(engine, &machine.name, now);
    json!({
        "node": {
            "nodeName": &*machine.name, "startTime": stamp(machine.booted),
            "cpu": cpu_stats(cpu, machine.booted), "memory": memory_stats(memory, usage::node_memory(engine, &machine.name)),
            "fs": {"time": at, "availableBytes": (machine.storage - used) as u64, "capacityBytes": machine.storage as u64,
                "usedBytes": used as u64, "inodesFree": 15_000_000, "inodes": 16_500_000, "inodesUsed": 1_500_000},
            "rlimit": {"time": at, "maxpid": 4_194_304, "curproc": 612},
        },
        "pods": pods,
    })
}

fn resource_metrics(engine: &Engine, machine: &Machine) -> String {
    let now = engine.now();
    let millis = now.as_millisecond();
    let (cpu, memory) = usage::node_usage(engine, &machine.name, now);
    let up = super::kubelet::since(machine.booted, now).as_secs_f64();
    let mut out = String::from(
        "# HELP container_cpu_usage_seconds_total [STABLE] Cumulative cpu time consumed by the container in core-seconds\n# TYPE container_cpu_usage_seconds_total counter\n",
    );
    let mut second = String::from(
        "# HELP container_memory_working_set_bytes [STABLE] Current working set of the container in bytes\n# TYPE container_memory_working_set_bytes gauge\n",
    );
    for pod in engine.cache.on_node(&machine.name) {
        let Some(run) = engine.runs.get(object::uid(pod)) else { continue };
        for c in run.containers.iter().filter(|c| c.running()) {
            let labels =
                format!("{{container=\"{}\",namespace=\"{}\",pod=\"{}\"}}", c.name, run.key.ns, run.key.name);
            let seconds = c.run.as_ref().map_or(0.0, |r| super::kubelet::since(r.started, now).as_secs_f64());
            let _ = writeln!(
                out,
                "container_cpu_usage_seconds_total{labels} {:.9} {millis}",
                run.container_cpu(c, now) * seconds
            );
            let _ = writeln!(
                second,
                "container_memory_working_set_bytes{labels} {} {millis}",
                run.container_memory(c, now) as u64
            );
        }
    }
    out.push_str(&second);
    let _ = writeln!(
        out,
        "# TYPE node_cpu_usage_seconds_total counter\nnode_cpu_usage_seconds_total {:.9} {millis}",
        cpu * up
    );
    let _ = writeln!(
        out,
        "# TYPE node_memory_working_set_bytes gauge\nnode_memory_working_set_bytes {} {millis}",
        memory as u64
    );
    out
}

impl PodRun {
    /// The used bytes of a volume.
    pub fn volume_bytes(&self, volume: &str, now: jiff::Timestamp) -> f64 {
        let files = self.volumes.get(volume).map_or(0, |t| t.used("/")) as f64;
        let growing = self.containers.iter().filter_map(|c| c.run.as_ref());
        files
            + growing
                .filter_map(|r| r.behaviour.writes.get(volume).map(|w| w.at(r.elapsed(now))))
                .sum::<f64>()
    }
}

fn configz(machine: &Machine) -> String {
    json!({"kubeletconfig": {
        "kind": "KubeletConfiguration", "apiVersion": "kubelet.config.k8s.io/v1beta1", "enableServer": true,
        "address": machine.internal_ip, "port": 10250, "clusterDomain": "cluster.local", "clusterDNS": ["10.96.0.10"],
        "nodeStatusUpdateFrequency": "10s", "nodeStatusReportFrequency": "5m0s", "nodeLeaseDurationSeconds": 40,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "10%", "nodefs.inodesFree": "5%", "imagefs.available": "15%"},
        "maxPods": 110, "enableSystemLogHandler": true, "enableSystemLogQuery": true, "cgroupDriver": "systemd",
    }})
    .to_string()
}

/// The node log of a unit: the scenario's, or the lines of a healthy node.
fn node_log(machine: &Machine, query: &str) -> String {
    let tail = query
        .split('&')
        .find_map(|p| p.strip_prefix("tailLines="))
        .and_then(|n| n.parse::<usize>().ok())
        .unwrap_or(usize::MAX);
    let text = if machine.log.is_empty() {
        format!("-- Logs begin at {} --\n", stamp(machine.booted))
    } else {
        machine.log.clone()
    };
    let lines: Vec<&str> = text.lines().collect();
    let mut out = lines[lines.len().saturating_sub(tail)..].join("\n");
    out.push('\n');
    out
}
