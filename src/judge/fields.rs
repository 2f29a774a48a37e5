//! An object as a user's rule sees it: plain values under the names that playbooks use.

use serde_json::{Map, Value, json};

use crate::world::{
    Condition, Container, ContainerState, Kind, Labels, Meta, ObjectRef, Phase, Resources, Role, Status,
    Time, World,
};

/// Kinds that rules can be about, with the name their object has in expressions.
pub const KINDS: &[(Kind, &str)] = &[
    (Kind::Pod, "pod"),
    (Kind::Node, "node"),
    (Kind::Deployment, "deployment"),
    (Kind::StatefulSet, "statefulset"),
    (Kind::DaemonSet, "daemonset"),
    (Kind::Job, "job"),
    (Kind::CronJob, "cronjob"),
    (Kind::Service, "service"),
    (Kind::PersistentVolumeClaim, "claim"),
    (Kind::ResourceQuota, "quota"),
];

/// The fields that every object has.
const META: &[&str] =
    &["kind", "namespace", "name", "labels", "age_s", "deleting", "controlled", "owner_kind"];

/// The names of an object's fields by its kind, sorted: what [`of`] gives. Empty for a kind that is not in [`KINDS`].
pub fn names(kind: &Kind) -> Vec<&'static str> {
    let own: &[&str] = match kind {
        Kind::Pod => &[
            "phase",
            "reason",
            "message",
            "node",
            "status",
            "ready",
            "scheduled",
            "restarts",
            "service_account",
            "host_network",
            "priority",
            "grace_s",
            "conditions",
            "containers",
        ],
        Kind::Node => &[
            "unschedulable",
            "ready",
            "conditions",
            "capacity",
            "allocatable",
            "kubelet",
            "kernel",
            "runtime",
            "os_image",
            "taints",
        ],
        Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet => &[
            "desired",
            "current",
            "updated",
            "ready",
            "available",
            "paused",
            "strategy",
            "revision",
            "conditions",
            "observed",
            "containers",
        ],
        Kind::Job => &[
            "active",
            "succeeded",
            "failed",
            "completions",
            "backoff_limit",
            "suspended",
            "completed",
            "conditions",
        ],
        Kind::CronJob => &["schedule", "suspended", "active", "last_schedule_s", "last_success_s"],
        Kind::Service => &["type", "cluster_ip", "has_selector", "ports"],
        Kind::PersistentVolumeClaim => &["phase", "class", "volume", "requested", "capacity"],
        Kind::ResourceQuota => &["amounts"],
        _ => return Vec::new(),
    };
    let mut all: Vec<&str> = own.iter().chain(META).copied().collect();
    all.sort_unstable();
    all
}

/// The fields of each member of a list, by the kind and the list's name: what [`of`] gives. `None` where that is no list.
pub fn members(kind: &Kind, list: &str) -> Option<&'static [&'static str]> {
    Some(match (kind, list) {
        (Kind::Pod, "containers") => &[
            "name",
            "image",
            "role",
            "ready",
            "restarts",
            "state",
            "reason",
            "message",
            "exit_code",
            "exit_reason",
            "requests",
            "limits",
        ],
        (Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet, "containers") => {
            &["name", "image", "requests", "limits", "liveness", "readiness"]
        }
        (Kind::Node, "taints") => &["key", "value", "effect"],
        (Kind::Service, "ports") => &["name", "port", "target", "protocol"],
        _ => return None,
    })
}

/// The object's fields; `None` where it is not there.
pub fn of(world: &World, o: &ObjectRef, now: Time) -> Option<Value> {
    let (ns, name) = (&*o.namespace, &*o.name);
    let mut out = match &o.kind {
        Kind::Pod => {
            let p = world.pods.find(ns, name)?;
            let phase = match p.phase {
                Phase::Pending => "Pending",
                Phase::Running => "Running",
                Phase::Succeeded => "Succeeded",
                Phase::Failed => "Failed",
                Phase::Unknown => "Unknown",
            };
            json!({
                "phase": phase, "reason": &*p.reason, "message": &*p.message, "node": &*p.node,
                "status": &*p.status().status, "ready": p.ready, "scheduled": !p.node.is_empty(),
                "restarts": p.containers.iter().map(|c| c.restarts).sum::<u32>(),
                "service_account": &*p.spec.service_account, "host_network": p.spec.host_network,
                "priority": p.spec.priority, "grace_s": p.spec.grace,
                "conditions": conditions(&p.conditions),
                "containers": p.containers.iter().map(container).collect::<Vec<_>>(),
            })
        }
        Kind::Node => {
            let n = world.nodes.find("", name)?;
            json!({
                "unschedulable": n.unschedulable, "ready": super::node::ready(n),
                "conditions": conditions(&n.conditions), "capacity": resources(&n.capacity),
                "allocatable": resources(&n.allocatable), "kubelet": &*n.info.kubelet,
                "kernel": &*n.info.kernel, "runtime": &*n.info.runtime, "os_image": &*n.info.os_image,
                "taints": n.taints.iter().map(|t| json!({
                    "key": &*t.key, "value": &*t.value, "effect": &*t.effect,
                })).collect::<Vec<_>>(),
            })
        }
        Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet => {
            let w = world.workload(o)?;
            json!({
                "desired": w.desired, "current": w.current, "updated": w.updated, "ready": w.ready,
                "available": w.available, "paused": w.paused, "strategy": &*w.strategy,
                "revision": w.revision.unwrap_or(0), "conditions": conditions(&w.conditions),
                "observed": w.observed_generation >= w.meta.generation,
                "containers": w.template.containers.iter().map(|c| json!({
                    "name": &*c.name, "image": &*c.image,
                    "requests": resources(&c.requests), "limits": resources(&c.limits),
                    "liveness": c.liveness.is_some(), "readiness": c.readiness.is_some(),
                })).collect::<Vec<_>>(),
            })
        }
        Kind::Job => {
            let j = world.jobs.find(ns, name)?;
            json!({
                "active": j.active, "succeeded": j.succeeded, "failed": j.failed,
                "completions": j.completions, "backoff_limit": j.backoff_limit, "suspended": j.suspended,
                "completed": j.completed.is_some(), "conditions": conditions(&j.conditions),
            })
        }
        Kind::CronJob => {
            let c = world.cron_jobs.find(ns, name)?;
            json!({
                "schedule": &*c.schedule, "suspended": c.suspended, "active": c.active,
                "last_schedule_s": ago(c.last_schedule, now), "last_success_s": ago(c.last_success, now),
            })
        }
        Kind::Service => {
            let s = world.services.find(ns, name)?;
            json!({
                "type": &*s.service_type, "cluster_ip": &*s.cluster_ip, "has_selector": s.selector.is_some(),
                "ports": s.ports.iter().map(|p| json!({
                    "name": &*p.name, "port": p.port, "target": &*p.target, "protocol": &*p.protocol,
                })).collect::<Vec<_>>(),
            })
        }
        Kind::PersistentVolumeClaim => {
            let c = world.claims.find(ns, name)?;
            json!({
                "phase": &*c.phase, "class": c.class.as_deref().unwrap_or(""), "volume": &*c.volume,
                "requested": int(c.requested), "capacity": int(c.capacity),
            })
        }
        Kind::ResourceQuota => {
            let q = world.quotas.find(ns, name)?;
            let amounts: Map<String, Value> = q
                .amounts
                .iter()
                .map(|a| {
                    (a.resource.to_string(), json!({"used": int(a.used_value), "hard": int(a.hard_value)}))
                })
                .collect();
            json!({ "amounts": amounts })
        }
        _ => return None,
    };
    let meta = meta(world.meta(o)?, &o.kind, now);
    if let Value::Object(map) = &mut out {
        map.extend(meta);
    }
    Some(out)
}

fn meta(m: &Meta, kind: &Kind, now: Time) -> Map<String, Value> {
    let mut out = Map::new();
    out.insert("kind".into(), json!(kind.name()));
    out.insert("namespace".into(), json!(&*m.namespace));
    out.insert("name".into(), json!(&*m.name));
    out.insert("labels".into(), labels(&m.labels));
    out.insert("age_s".into(), json!(ago(m.created, now)));
    out.insert("deleting".into(), json!(m.deleting.is_some()));
    out.insert("controlled".into(), json!(m.owner.is_some()));
    out.insert("owner_kind".into(), json!(m.owner.as_ref().map_or("", |o| o.kind.name())));
    out
}

/// Seconds since; −1 where it never was.
fn ago(t: Option<Time>, now: Time) -> i64 {
    t.map_or(-1, |t| (now.0 - t.0).max(0) / 1000)
}

fn int(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn labels(l: &Labels) -> Value {
    Value::Object(l.iter().map(|(k, v)| (k.to_owned(), json!(v))).collect())
}

fn conditions(list: &[Condition]) -> Value {
    let one = |c: &Condition| {
        let status = match c.status {
            Status::True => "True",
            Status::False => "False",
            Status::Unknown => "Unknown",
        };
        (c.kind.to_string(), json!({"status": status, "reason": &*c.reason, "message": &*c.message}))
    };
    Value::Object(list.iter().map(one).collect())
}

/// Amounts that are not set are −1.
fn resources(r: &Resources) -> Value {
    let of = |n: Option<u64>| n.map_or(-1, int);
    json!({"cpu": of(r.cpu), "memory": of(r.memory), "gpu": of(r.gpu), "pods": of(r.pods)})
}

fn container(c: &Container) -> Value {
    let (state, reason, message) = match &c.state {
        ContainerState::None => ("none", "", ""),
        ContainerState::Waiting { reason, message } => ("waiting", &**reason, &**message),
        ContainerState::Running { .. } => ("running", "", ""),
        ContainerState::Terminated(t) => ("terminated", &*t.reason, &*t.message),
    };
    let role = match c.spec.role {
        Role::Init => "init",
        Role::Sidecar => "sidecar",
        Role::App => "app",
        Role::Ephemeral => "ephemeral",
    };
    let last = match &c.state {
        ContainerState::Terminated(t) => Some(&**t),
        _ => c.last.as_deref(),
    };
    json!({
        "name": &*c.spec.name, "image": &*c.spec.image, "role": role, "ready": c.ready,
        "restarts": c.restarts, "state": state, "reason": reason, "message": message,
        "exit_code": last.map_or(-1, |t| t.exit_code), "exit_reason": last.map_or("", |t| &*t.reason),
        "requests": resources(&c.spec.requests), "limits": resources(&c.spec.limits),
    })
}
