//! Evidence about the platform of a pod: its usage, the cluster's DNS, and kube-proxy on its node.

use std::time::Duration;

use serde_json::{Value, json};

use super::facts::{ago, at, object};
use crate::world::Object as _;
use crate::world::quantity::bytes;
use crate::world::time::human;
use crate::world::{Kind, ObjectRef, Pod, Role, Time, World};

/// A measurement older than this says nothing of now.
const OLD: Duration = Duration::from_secs(300);

/// The usage of a pod against its limits and its node; -1 where there is no limit or no measurement.
///
/// # Errors
/// A sentence: nobody measures it.
pub(super) fn usage(world: &World, o: &ObjectRef, now: Time) -> Result<Value, String> {
    let p = world.pods.find(&o.namespace, &o.name).ok_or_else(|| format!("there is no {o}"))?;
    let history = world.readings.pod(&o.namespace, &o.name).ok_or(
        "nothing measures what it uses: neither metrics.k8s.io nor the kubelet of its node was read",
    )?;
    let measured = &history.usage;
    if measured.at.age(now) > OLD {
        return Err(format!("its usage was last measured {} ago", human(measured.at.age(now))));
    }
    let counted = || p.containers.iter().filter(|c| matches!(c.spec.role, Role::App | Role::Sidecar));
    // The pod has a limit where each of its containers has one.
    let cpu_limit = counted().map(|c| c.spec.limits.cpu).sum::<Option<u64>>().filter(|n| *n > 0);
    let memory_limit = counted().map(|c| c.spec.limits.memory).sum::<Option<u64>>().filter(|n| *n > 0);
    let percent = |used: Option<u64>, of: Option<u64>| match (used, of) {
        (Some(used), Some(of)) if of > 0 => i64::try_from(used.saturating_mul(100) / of).unwrap_or(i64::MAX),
        _ => -1,
    };
    let node = world.nodes.find("", &p.node);
    let on_node = world.readings.node(&p.node).map(|h| &h.usage).filter(|u| u.at.age(now) <= OLD);
    let (cpu, memory) = (measured.cpu(), measured.memory());
    let cpu_text = cpu.map_or_else(|| "CPU not measured".to_owned(), |c| format!("{c}m CPU"));
    let memory_text = memory.map_or_else(|| "memory not measured".to_owned(), bytes);
    let of = |limit: Option<String>| limit.map_or_else(|| " (no limit)".to_owned(), |l| format!(" of {l}"));
    let quote = format!(
        "{cpu_text}{}, {memory_text}{}",
        of(cpu_limit.map(|l| format!("{l}m"))),
        of(memory_limit.map(bytes))
    );
    let node_cpu = percent(on_node.and_then(|u| u.cpu), node.and_then(|n| n.allocatable.cpu));
    let node_memory = percent(on_node.and_then(|u| u.memory), node.and_then(|n| n.allocatable.memory));
    Ok(json!({
        "cpu_percent": percent(cpu, cpu_limit), "memory_percent": percent(memory, memory_limit),
        "node_cpu_percent": node_cpu, "node_memory_percent": node_memory,
        "node_quote": format!("node {}: CPU {node_cpu} %, memory {node_memory} % of what it has", p.node),
        "quote": quote, "source": "usage", "at": at(Some(measured.at)), "object": object(o),
    }))
}

/// The cluster's DNS: the Service that pods are told to ask, and the pods behind it.
///
/// # Errors
/// A sentence: no DNS Service was found, so nothing is known.
pub(super) fn dns(world: &World, now: Time) -> Result<Value, String> {
    let labelled = |labels: &crate::world::Labels| labels.get("k8s-app") == Some("kube-dns");
    let service = world.services.values().find(|s| labelled(&s.meta.labels));
    // The pods behind the Service may carry other labels than its own.
    let selector = service.and_then(|s| s.selector.as_ref()).filter(|s| !s.is_empty());
    let behind = |p: &&Pod| match (service, selector) {
        (Some(s), Some(selector)) => p.meta.namespace == s.meta.namespace && selector.matches(&p.meta.labels),
        _ => labelled(&p.meta.labels),
    };
    let pods: Vec<&Pod> = world.pods.values().filter(behind).collect();
    if service.is_none() && pods.is_empty() {
        return Err("no Service and no pod with the label k8s-app=kube-dns is known".to_owned());
    }
    let (ready, unready) = service.map_or((0, 0), |s| {
        let mine = |e: &&crate::world::EndpointSlice| {
            e.service == s.meta.name && e.meta.namespace == s.meta.namespace
        };
        world.endpoint_slices.values().filter(mine).fold((0, 0), |(r, n), e| (r + e.ready, n + e.not_ready))
    });
    let up = pods.iter().filter(|p| p.ready).count();
    let restarts: u32 = pods.iter().map(|p| p.status().restarts).sum();
    let ip = service.map_or("", |s| &*s.cluster_ip);
    let name = service.map_or("", |s| &*s.meta.name);
    let of = pods
        .first()
        .map_or_else(|| service.map(|s| s.meta.namespace.clone()), |p| Some(p.meta.namespace.clone()));
    let owner = pods.first().map(|p| world.root(&p.reference()));
    let mut nodes: Vec<&str> = pods.iter().map(|p| &*p.node).collect();
    nodes.sort_unstable();
    Ok(json!({
        "name": name, "ip": ip, "pods": pods.len(), "pods_ready": up, "endpoints": ready, "unready_endpoints": unready,
        "restarts": restarts, "nodes": nodes, "owner": owner.map_or(Value::Null, |o| object(&o)),
        "age_s": ago(service.and_then(|s| s.meta.created), now),
        "quote": format!("Service {name} at {ip}: {up} of {} pods ready, {ready} ready endpoints", pods.len()),
        "source": "dns", "at": "",
        "object": object(&ObjectRef::new(Kind::Service, of.unwrap_or_default(), name)),
    }))
}

/// kube-proxy on the node of an object: its pod, its mode, its last sync and its rules.
///
/// # Errors
/// A sentence: no kube-proxy is known there, for example because another network plugin does its work.
pub(super) fn proxy(world: &World, node: &str, now: Time) -> Result<Value, String> {
    let is_proxy = |p: &&Pod| {
        p.meta.labels.get("k8s-app").or_else(|| p.meta.labels.get("component")) == Some("kube-proxy")
            || p.containers.iter().any(|c| &*c.spec.name == "kube-proxy")
    };
    let pod = world.pods_on(node).map(|(_, p)| p).find(is_proxy);
    let read = world.readings.proxy(node);
    if pod.is_none() && read.is_none() {
        return Err(format!("no kube-proxy is known on node {node}: a network plugin may do its work"));
    }
    let o = pod.map(|p| p.reference());
    let restarts = pod.map_or(0, |p| p.status().restarts);
    let ended = pod.and_then(|p| p.containers.first()).and_then(|c| c.last.as_deref());
    let limit = pod.and_then(|p| p.containers.first()).and_then(|c| c.spec.limits.memory);
    let last = ended.map_or("", |t| &*t.reason);
    let sync = read.and_then(|r| r.last_sync);
    let mode = read.map_or("", |r| &*r.mode);
    let rules = read.map_or(0, |r| r.all_rules());
    let services = world.services.len();
    let state = pod.map_or_else(|| "pod not seen".to_owned(), |p| p.status().status.to_string());
    Ok(json!({
        "kind": "Pod", "namespace": o.as_ref().map_or("", |o| &*o.namespace), "name": o.as_ref().map_or("", |o| &*o.name),
        "found": pod.is_some(), "ready": pod.is_some_and(|p| p.ready), "restarts": restarts, "last": last,
        "mode": mode, "rules": rules, "services": services, "sync_s": ago(sync, now),
        "healthy": read.and_then(|r| r.healthy).map_or("unknown", |h| if h { "yes" } else { "no" }),
        "memory_limit_text": limit.map_or_else(|| "no limit".to_owned(), bytes),
        "quote": format!("kube-proxy on {node}: {state}, {restarts} restarts{}{}",
            if last.is_empty() { String::new() } else { format!(", last {last}") },
            if mode.is_empty() { String::new() } else { format!(", mode {mode}, {rules} rules, {services} Services") }),
        "source": "kube-proxy", "at": at(read.map(|r| r.read_at)),
        "object": o.map_or_else(|| object(&ObjectRef::new(Kind::Node, "", node)), |o| object(&o)),
    }))
}
