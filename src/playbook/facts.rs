//! What the World says of an object, as evidence: plain values under the names playbooks use.

use serde_json::{Value, json};

use crate::judge::patterns::{self, ProbeKind, ProbeOutcome};
use crate::judge::{Answer, Evidence};
use crate::world::Object as _;
use crate::world::quantity::bytes;
use crate::world::{
    Condition, Container, ContainerState, Event, Handler, Kind, ObjectRef, Phase, Pod, Probe, Role, Status,
    Terminated, Text, Time, Workload, World, condition,
};

/// Events taken along, newest first.
const EVENTS: usize = 40;

pub(super) fn object(o: &ObjectRef) -> Value {
    json!({"kind": o.kind.name(), "namespace": &*o.namespace, "name": &*o.name})
}

/// `{kind, namespace, name}` back as a reference.
pub(super) fn reference(v: &Value) -> Option<ObjectRef> {
    let text = |k: &str| v[k].as_str().unwrap_or("").to_owned();
    let (kind, name) = (text("kind"), text("name"));
    (!kind.is_empty() && !name.is_empty()).then(|| ObjectRef::new(Kind::of(&kind), text("namespace"), name))
}

/// The node that an object is, or that a pod is on; `None` where it has none.
pub(super) fn node_of(world: &World, o: &ObjectRef) -> Option<Text> {
    match o.kind {
        Kind::Node => Some(o.name.clone()),
        _ => world.pods.find(&o.namespace, &o.name).map(|p| p.node.clone()).filter(|n| !n.is_empty()),
    }
}

pub(super) fn at(t: Option<Time>) -> Value {
    t.map_or(Value::String(String::new()), |t| Value::String(t.to_string()))
}

/// Seconds since; -1 where it is not known.
pub(super) fn ago(t: Option<Time>, now: Time) -> i64 {
    t.map_or(-1, |t| i64::try_from(t.age(now).as_secs()).unwrap_or(i64::MAX))
}

/// The judge's answer under the name `judge`: its first cause, with what proves it. Empty texts where there is none.
pub(super) fn judge(answer: &Answer, asked: &ObjectRef) -> Value {
    let causes: Vec<&str> = answer.causes.iter().map(|f| &*f.cause).collect();
    let unseen: Vec<String> = answer.unseen.iter().map(|(what, why)| format!("{what}: {why}")).collect();
    let Some(f) = answer.causes.first() else {
        return json!({
            "cause": "", "family": "", "words": "", "title": "", "sure": "", "container": "", "causes": causes,
            "quote": "", "log": "", "services": "",
            "blamed": object(asked), "shown_by": object(asked), "evidence": [], "ruled": answer.ruled, "unseen": unseen,
        });
    };
    // "unknown" is no answer that a branch could be named after; the rule that found no proof is.
    let cause = if &*f.cause == "unknown" { &*f.rule } else { &*f.cause };
    let of = |source: &str| {
        let quotes = f.evidence.iter().filter(|e| &*e.source == source).map(|e| e.quote.as_str());
        quotes.collect::<Vec<_>>().join("\n")
    };
    json!({
        "quote": f.evidence.first().map_or("", |e| e.quote.as_str()), "log": of("log"), "services": of("services"),
        "cause": cause, "family": cause.split('.').next().unwrap_or_default(), "words": f.row, "title": f.title,
        "sure": f.sure.as_str(), "container": f.container.as_deref().unwrap_or_default(), "causes": causes,
        "blamed": object(&f.blamed), "shown_by": object(&f.shown_by),
        "evidence": f.evidence.iter().map(quote).collect::<Vec<_>>(), "ruled": answer.ruled, "unseen": unseen,
    })
}

fn quote(e: &Evidence) -> Value {
    json!({"source": &*e.source, "quote": e.quote, "object": object(&e.object), "at": at(e.at)})
}

/// The container that the judge blames, or the one to look at first.
pub(super) fn blamed<'p>(pod: &'p Pod, container: Option<&str>) -> Option<&'p Container> {
    let named = container.and_then(|name| pod.containers.iter().find(|c| &*c.spec.name == name));
    let app = || pod.containers.iter().filter(|c| matches!(c.spec.role, Role::App | Role::Sidecar));
    let waiting = pod.containers.iter().find(|c| {
        c.spec.role == Role::Init && !matches!(c.state, ContainerState::Terminated(_) | ContainerState::None)
    });
    // The most restarted of the unready ones, then the most restarted of all.
    named
        .or(waiting)
        .or_else(|| app().filter(|c| !c.ready).max_by_key(|c| c.restarts))
        .or_else(|| app().max_by_key(|c| c.restarts))
}

pub(super) fn conditions(list: &[Condition], now: Time) -> Value {
    let map: serde_json::Map<String, Value> = list
        .iter()
        .map(|c| {
            let status = match c.status {
                Status::True => "True",
                Status::False => "False",
                Status::Unknown => "Unknown",
            };
            let value = json!({
                "status": status, "reason": &*c.reason, "message": &*c.message,
                "at": at(c.since), "age_s": ago(c.since, now),
            });
            (c.kind.to_string(), value)
        })
        .collect();
    Value::Object(map)
}

fn probe(p: Option<&Probe>) -> Value {
    let Some(p) = p else {
        return json!({"set": false, "port": "", "text": "no probe", "kills_after_s": -1, "initial_delay_s": 0});
    };
    let (port, text) = match &p.handler {
        Handler::Http { path, port, .. } => (port.to_string(), format!("GET {path} on :{port}")),
        Handler::Tcp { port } => (port.to_string(), format!("TCP :{port}")),
        Handler::Grpc { port } => (port.to_string(), format!("gRPC :{port}")),
        Handler::Exec { command } => (String::new(), format!("exec {command}")),
    };
    json!({
        "set": true, "port": port, "initial_delay_s": p.initial_delay, "period_s": p.period,
        "timeout_s": p.timeout, "failures": p.failure_threshold,
        "kills_after_s": p.failure_threshold * p.period + p.timeout,
        "text": format!("{text} every {} s, {} failures allowed", p.period, p.failure_threshold),
    })
}

fn exit(t: Option<&Terminated>, now: Time) -> Value {
    let Some(t) = t else {
        return json!({"exit_code": -1, "reason": "", "message": "", "ago_s": -1, "ran_s": -1, "quote": "", "at": ""});
    };
    let ran = match (t.started, t.finished) {
        (Some(a), Some(b)) if a.0 > 0 => (b.0 - a.0) / 1000,
        _ => -1,
    };
    json!({
        "exit_code": t.exit_code, "reason": &*t.reason, "message": &*t.message, "ago_s": ago(t.finished, now),
        "ran_s": ran, "quote": quote_exit(t), "at": at(t.finished),
    })
}

fn quote_exit(t: &Terminated) -> String {
    let head =
        format!("{} (exit code {})", if t.reason.is_empty() { "ended" } else { &*t.reason }, t.exit_code);
    if t.message.is_empty() { head } else { format!("{head}: {}", t.message.trim()) }
}

/// Words in the names of images whose program is known not to be a JVM.
const NO_JVM: &[&str] = &[
    "kube-",
    "coredns",
    "etcd",
    "pause",
    "cilium",
    "calico",
    "flannel",
    "prometheus",
    "grafana",
    "alertmanager",
    "traefik",
    "nginx",
    "envoy",
    "haproxy",
    "redis",
    "memcached",
    "postgres",
    "mysql",
    "mariadb",
    "mongo",
    "busybox",
    "alpine",
    "golang",
    "python",
    "vllm",
    "sglang",
    "pytorch",
    "torch",
    "tensorflow",
    "triton",
    "text-generation",
    "llama",
    "ollama",
    "ray",
    "jupyter",
    "node:",
    "nodejs",
    "ruby",
    "php",
    "dcgm",
    "device-plugin",
    "fluent-bit",
];

/// Programs that are no JVM, by the beginning of their name.
const OTHERS: &[&str] = &[
    "python", "node", "ruby", "php", "nginx", "gunicorn", "uvicorn", "vllm", "torchrun", "redis", "postgres",
    "mysqld",
];

/// Whether the program may run in a JVM, as far as its command and the name of its image tell.
fn may_be_jvm(command: &str, image: &str) -> bool {
    let program = command.split_ascii_whitespace().next().unwrap_or("");
    match program.rsplit('/').next().unwrap_or(program) {
        "java" => return true,
        p if OTHERS.iter().any(|o| p.starts_with(o)) => return false,
        _ => {}
    }
    let name = image.rsplit('/').next().unwrap_or(image).to_ascii_lowercase();
    !NO_JVM.iter().any(|word| name.contains(word))
}

fn container(c: &Container, now: Time) -> Value {
    let (state, reason, message, since) = match &c.state {
        ContainerState::None => ("none", "", "", None),
        ContainerState::Waiting { reason, message } => ("waiting", &**reason, &**message, None),
        ContainerState::Running { since } => ("running", "", "", *since),
        ContainerState::Terminated(t) => ("terminated", &*t.reason, &*t.message, t.finished),
    };
    let role = match c.spec.role {
        Role::Init => "init",
        Role::Sidecar => "sidecar",
        Role::App => "app",
        Role::Ephemeral => "ephemeral",
    };
    let ended = match &c.state {
        ContainerState::Terminated(t) => Some(&**t),
        _ => c.last.as_deref(),
    };
    let limit = c.spec.limits.memory.map_or(-1, |m| i64::try_from(m).unwrap_or(i64::MAX));
    json!({
        "name": &*c.spec.name, "image": &*c.spec.image, "may_be_jvm": may_be_jvm(&c.spec.command, &c.spec.image), "role": role, "ready": c.ready, "restarts": c.restarts,
        "started": c.started.unwrap_or(c.spec.startup.is_none()),
        "state": state, "reason": reason, "message": message, "since_s": ago(since, now),
        "last": exit(ended, now),
        "memory_limit": limit,
        "memory_limit_text": c.spec.limits.memory.map_or_else(|| "no limit".to_owned(), bytes),
        "ports": c.spec.ports.iter().map(|p| json!({"name": &*p.name, "number": p.number})).collect::<Vec<_>>(),
        "liveness": probe(c.spec.liveness.as_ref()),
        "readiness": probe(c.spec.readiness.as_ref()),
        "startup": probe(c.spec.startup.as_ref()),
    })
}

/// `pod` and `container`.
pub(super) fn pod(
    world: &World,
    o: &ObjectRef,
    container_named: Option<&str>,
    now: Time,
) -> Result<Vec<(&'static str, Value)>, String> {
    let p = world.pods.find(&o.namespace, &o.name).ok_or_else(|| format!("there is no {o}"))?;
    let phase = match p.phase {
        Phase::Pending => "Pending",
        Phase::Running => "Running",
        Phase::Succeeded => "Succeeded",
        Phase::Failed => "Failed",
        Phase::Unknown => "Unknown",
    };
    let summary = p.status();
    let b = blamed(p, container_named);
    let pod = json!({
        "kind": "Pod", "namespace": &*o.namespace, "name": &*o.name,
        "phase": phase, "reason": &*p.reason, "message": &*p.message, "node": &*p.node,
        // What kubectl prints under STATUS.
        "status": &*summary.status, "restarts": summary.restarts,
        "ready": p.ready, "ready_containers": summary.ready, "total_containers": summary.total,
        "not_ready_s": if p.ready { -1 } else { ago(p.ready_since, now) },
        "scheduled": !p.node.is_empty(), "deleting": p.meta.deleting.is_some(),
        "deleting_s": ago(p.meta.deleting, now), "age_s": ago(p.meta.created, now),
        "controlled": p.meta.owner.is_some(), "restart_always": p.spec.restart_always,
        "conditions": conditions(&p.conditions, now),
        "gates": p.spec.readiness_gates.iter().map(|g| &**g).collect::<Vec<_>>(),
        "grace_s": p.spec.grace,
        "containers": p.containers.iter().map(|c| container(c, now)).collect::<Vec<_>>(),
    });
    Ok(vec![
        ("pod", pod),
        ("container", b.map_or_else(|| json!({"name": "", "state": "none"}), |c| container(c, now))),
    ])
}

/// `events`, and the probe that they say fails: `probe`.
pub(super) fn events(
    world: &World,
    o: &ObjectRef,
    container_named: Option<&str>,
    now: Time,
) -> Vec<(&'static str, Value)> {
    let list = world.events_of(o);
    let p = world.pods.find(&o.namespace, &o.name);
    let b = p.and_then(|p| blamed(p, container_named));
    let of_container = |e: &Event| {
        b.is_none_or(|c| e.field_path.is_empty() || e.field_path.contains(&format!("{{{}}}", c.spec.name)))
    };
    let all: Vec<Value> = list
        .iter()
        .take(EVENTS)
        .map(|e| {
            json!({
                "reason": &*e.reason, "note": &*e.note, "warning": e.warning, "count": e.count,
                "age_s": ago(Some(e.last), now), "at": at(Some(e.last)), "source": format!("event {}", e.reason),
                "quote": &*e.note, "object": object(o),
            })
        })
        .collect();
    vec![("events", Value::Array(all)), ("probe", probes(&list, of_container, o, now))]
}

/// The newest failing probe of the container, and whether the kubelet killed for one.
fn probes(list: &[&Event], of_container: impl Fn(&Event) -> bool, o: &ObjectRef, now: Time) -> Value {
    let kind = |k: ProbeKind| match k {
        ProbeKind::Liveness => "liveness",
        ProbeKind::Readiness => "readiness",
        ProbeKind::Startup => "startup",
    };
    let mine = || list.iter().filter(|e| of_container(e));
    let killed = mine()
        .filter(|e| &*e.reason == "Killing")
        .find_map(|e| patterns::killed_for(&e.note).map(|(_, k)| (k, *e)));
    let failures: Vec<_> = mine()
        .filter(|e| &*e.reason == "Unhealthy")
        .filter_map(|e| patterns::probe(&e.note).map(|f| (f, *e)))
        .collect();
    // A probe that kills explains more than the readiness probe that fails beside it.
    let failing = killed
        .and_then(|(k, _)| failures.iter().find(|(f, _)| f.kind == k))
        .or_else(|| failures.iter().find(|(f, _)| f.kind != ProbeKind::Readiness))
        .or_else(|| failures.first());
    let mut out = json!({
        "failing": false, "kind": "", "words": "", "quote": "", "source": "events", "at": "", "age_s": -1,
        "status": 0, "refused_port": "", "timeout": false, "count": 0, "object": object(o),
        "killed": killed.map_or("", |(k, _)| kind(k)),
        "killed_quote": killed.map_or("", |(_, e)| &*e.note),
        "killed_s": killed.map_or(-1, |(_, e)| ago(Some(e.last), now)),
    });
    if let Some((f, e)) = failing {
        out["failing"] = json!(true);
        out["kind"] = json!(kind(f.kind));
        out["words"] = json!(f.words());
        out["quote"] = json!(e.note.trim());
        out["source"] = json!(format!("event {}", e.reason));
        out["at"] = at(Some(e.last));
        out["age_s"] = json!(ago(Some(e.last), now));
        out["count"] = json!(e.count);
        match &f.outcome {
            ProbeOutcome::Status(code) => out["status"] = json!(code),
            ProbeOutcome::Refused(addr) => {
                out["refused_port"] = json!(addr.rsplit(':').next().unwrap_or(""));
            }
            ProbeOutcome::Timeout => out["timeout"] = json!(true),
            ProbeOutcome::Command(_) | ProbeOutcome::Other(_) => {}
        }
    }
    out
}

/// The workload at the top of the owner chain.
pub(super) fn owner(world: &World, o: &ObjectRef, now: Time) -> Value {
    let root = world.root(o);
    let mut out = object(&root);
    out["known"] = json!(false);
    for (key, value) in [
        ("revision", 0),
        ("previous_revision", 0),
        ("desired", 0),
        ("ready", 0),
        ("available", 0),
        ("updated", 0),
    ] {
        out[key] = json!(value);
    }
    for key in ["paused", "newest", "can_roll_back", "stuck"] {
        out[key] = json!(false);
    }
    out["changed_s"] = json!(-1);
    out["controller"] = json!(root != *o);
    out["text"] = json!(root.to_string());
    let Some(w) = world.workload(&root) else { return out };
    out["known"] = json!(true);
    out["desired"] = json!(w.desired);
    out["ready"] = json!(w.ready);
    out["available"] = json!(w.available);
    out["updated"] = json!(w.updated);
    out["paused"] = json!(w.paused);
    out["stuck"] = json!(
        condition(&w.conditions, "Progressing").is_some_and(|c| &*c.reason == "ProgressDeadlineExceeded")
    );
    let mut sets: Vec<&Workload> = world.replica_sets_of(&w.meta.uid).map(|(_, rs)| rs).collect();
    sets.sort_by_key(|rs| std::cmp::Reverse(rs.revision));
    if let Some(newest) = sets.first() {
        out["revision"] = json!(newest.revision.unwrap_or(0));
        out["changed_s"] = json!(ago(newest.meta.created, now));
        let mine = world.pods.find(&o.namespace, &o.name).and_then(|p| p.meta.owner.as_ref());
        out["newest"] = json!(o.kind != Kind::Pod || mine.is_some_and(|m| m.uid == newest.meta.uid));
    }
    out["previous_revision"] = json!(sets.get(1).and_then(|rs| rs.revision).unwrap_or(0));
    let earlier = match w.kind {
        Kind::Deployment => sets.len() > 1,
        // Their revisions are not watched; two names of revisions tell that there is an earlier one.
        _ => !w.current_revision.is_empty() && w.current_revision != w.update_revision,
    };
    out["can_roll_back"] = json!(earlier && !w.paused);
    out
}

/// A workload's rollout: where it stands, why it does not go on, and the pod to look at.
pub(super) fn rollout(
    world: &World,
    o: &ObjectRef,
    shown_by: Option<&ObjectRef>,
    now: Time,
) -> Result<Value, String> {
    let w = world.workload(o).ok_or_else(|| format!("there is no {o}"))?;
    let mut sets: Vec<&Workload> = world.replica_sets_of(&w.meta.uid).map(|(_, rs)| rs).collect();
    sets.sort_by_key(|rs| std::cmp::Reverse(rs.revision));
    let pods: Vec<&Pod> = match (&w.kind, sets.first()) {
        (Kind::Deployment, Some(newest)) => world.pods_of(&newest.meta.uid).map(|(_, p)| p).collect(),
        _ => world.pods_of(&w.meta.uid).map(|(_, p)| p).collect(),
    };
    let live = || pods.iter().filter(|p| p.meta.deleting.is_none());
    // The pod that shows the cause, else one that is not ready.
    let shows = |p: &&&Pod| shown_by.is_some_and(|o| o.kind == Kind::Pod && o.name == p.meta.name);
    let sick = || live().filter(|p| !p.ready).min_by_key(|p| p.meta.name.clone());
    let worst = live().find(shows).or_else(sick).map(|p| p.reference());
    let progressing = condition(&w.conditions, "Progressing");
    // Pods that the strategy itself keeps at their revision, until somebody deletes them or lowers the partition.
    let held = if &*w.strategy == "OnDelete" { w.desired } else { w.partition.min(w.desired) };
    Ok(json!({
        "kind": o.kind.name(), "namespace": &*o.namespace, "name": &*o.name,
        "desired": w.desired, "current": w.current, "updated": w.updated, "ready": w.ready, "available": w.available,
        "paused": w.paused, "held": held, "revision": w.revision.unwrap_or(0),
        "observed": w.observed_generation >= w.meta.generation,
        "stuck": progressing.is_some_and(|c| &*c.reason == "ProgressDeadlineExceeded"),
        "quote": progressing.map_or("", |c| &*c.message), "source": "condition Progressing",
        "at": at(progressing.and_then(|c| c.since)), "object": object(o),
        "changed_s": sets.first().map_or(-1, |rs| ago(rs.meta.created, now)),
        "has_worst": worst.is_some(),
        "worst": worst.map_or(Value::Null, |p| object(&p)),
        "sick": live().filter(|p| !p.ready).count(),
    }))
}
