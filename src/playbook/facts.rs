//! What the World says of an object, as evidence: plain values under the names playbooks use.

use serde_json::{Value, json};

use crate::judge::patterns::{self, Match, ProbeKind, ProbeOutcome, status};
use crate::judge::pending::why_pending;
use crate::world::quantity::bytes;
use crate::world::{
    Condition, Container, ContainerState, Event, Handler, Kind, ObjectRef, Phase, Pod, Probe, Role, Status,
    Terminated, Time, Workload, World, condition,
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

pub(super) fn at(t: Option<Time>) -> Value {
    t.map_or(Value::String(String::new()), |t| Value::String(t.to_string()))
}

/// Seconds since; -1 where it is not known.
pub(super) fn ago(t: Option<Time>, now: Time) -> i64 {
    t.map_or(-1, |t| i64::try_from(t.age(now).as_secs()).unwrap_or(i64::MAX))
}

/// A proof as playbooks see it: cause and words empty where nothing is proved.
pub(super) fn proof(
    clue: Option<Match>,
    source: &str,
    quote: &str,
    when: Option<Time>,
    object: &ObjectRef,
) -> Value {
    match clue {
        Some(c) => json!({
            "cause": c.cause.id(), "words": c.words, "subject": c.subject,
            "source": source, "quote": quote.trim(), "at": at(when), "object": self::object(object),
        }),
        None => json!({
            "cause": "", "words": "", "subject": "",
            "source": source, "quote": "", "at": "", "object": self::object(object),
        }),
    }
}

/// The container that keeps a pod down, or the one to look at first.
pub(super) fn blamed(pod: &Pod) -> Option<&Container> {
    if let Some((c, _)) = status::pod(pod) {
        return Some(c);
    }
    let app = || pod.containers.iter().filter(|c| matches!(c.spec.role, Role::App | Role::Sidecar));
    let waiting = pod.containers.iter().find(|c| {
        c.spec.role == Role::Init && !matches!(c.state, ContainerState::Terminated(_) | ContainerState::None)
    });
    // The most restarted of the unready ones, then the most restarted of all.
    waiting
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

fn exit(c: &Container, t: Option<&Terminated>, now: Time) -> Value {
    let Some(t) = t else {
        return json!({"exit_code": -1, "reason": "", "message": "", "ago_s": -1, "ran_s": -1, "cause": "", "words": "", "quote": "", "at": ""});
    };
    let ran = match (t.started, t.finished) {
        (Some(a), Some(b)) if a.0 > 0 => (b.0 - a.0) / 1000,
        _ => -1,
    };
    let clue = status::ended(c, t).or_else(|| status::again(c, t));
    let (cause, words) = clue.map_or(("", String::new()), |c| (c.cause.id(), c.words));
    json!({
        "exit_code": t.exit_code, "reason": &*t.reason, "message": &*t.message, "ago_s": ago(t.finished, now),
        "ran_s": ran, "cause": cause, "words": words, "quote": quote_exit(t), "at": at(t.finished),
    })
}

fn quote_exit(t: &Terminated) -> String {
    let head =
        format!("{} (exit code {})", if t.reason.is_empty() { "ended" } else { &*t.reason }, t.exit_code);
    if t.message.is_empty() { head } else { format!("{head}: {}", t.message.trim()) }
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
        "name": &*c.spec.name, "image": &*c.spec.image, "role": role, "ready": c.ready, "restarts": c.restarts,
        "started": c.started.unwrap_or(c.spec.startup.is_none()),
        "state": state, "reason": reason, "message": message, "since_s": ago(since, now),
        "last": exit(c, ended, now),
        "memory_limit": limit,
        "memory_limit_text": c.spec.limits.memory.map_or_else(|| "no limit".to_owned(), bytes),
        "ports": c.spec.ports.iter().map(|p| json!({"name": &*p.name, "number": p.number})).collect::<Vec<_>>(),
        "liveness": probe(c.spec.liveness.as_ref()),
        "readiness": probe(c.spec.readiness.as_ref()),
        "startup": probe(c.spec.startup.as_ref()),
    })
}

/// `pod`, `container`, `clue`, `evicted`.
pub(super) fn pod(world: &World, o: &ObjectRef, now: Time) -> Result<Vec<(&'static str, Value)>, String> {
    let p = world.pods.find(&o.namespace, &o.name).ok_or_else(|| format!("there is no {o}"))?;
    let phase = match p.phase {
        Phase::Pending => "Pending",
        Phase::Running => "Running",
        Phase::Succeeded => "Succeeded",
        Phase::Failed => "Failed",
        Phase::Unknown => "Unknown",
    };
    let summary = p.status();
    let b = blamed(p);
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
    let clue = b.and_then(status::container);
    let quote = b.map_or_else(String::new, |c| match (&c.state, &clue) {
        (ContainerState::Waiting { message, reason }, Some(k))
            if !k.cause.starts_with("crash.") && k.cause != "container.command" =>
        {
            if message.is_empty() {
                reason.to_string()
            } else {
                message.to_string()
            }
        }
        (ContainerState::Terminated(t), _) => quote_exit(t),
        _ => c.last.as_deref().map_or_else(String::new, quote_exit),
    });
    let when = b.and_then(|c| match &c.state {
        ContainerState::Terminated(t) => t.finished,
        _ => c.last.as_ref().and_then(|t| t.finished),
    });
    let source =
        b.map_or_else(|| "pod status".to_owned(), |c| format!("status of container {}", c.spec.name));
    let evicted = patterns::evicted(&p.reason, &p.message).or_else(|| {
        condition(&p.conditions, "DisruptionTarget").and_then(|c| patterns::evicted(&c.reason, &c.message))
    });
    let evicted_quote = if p.message.is_empty() {
        condition(&p.conditions, "DisruptionTarget").map_or("", |c| &*c.message).to_owned()
    } else {
        p.message.to_string()
    };
    Ok(vec![
        ("pod", pod),
        ("container", b.map_or_else(|| json!({"name": "", "state": "none"}), |c| container(c, now))),
        ("clue", proof(clue, &source, &quote, when, o)),
        ("evicted", proof(evicted, "pod status", &evicted_quote, None, o)),
    ])
}

/// `events`, and what they prove: `mount`, `sandbox`, `probe`.
pub(super) fn events(world: &World, o: &ObjectRef, now: Time) -> Vec<(&'static str, Value)> {
    let list = world.events_of(o);
    let p = world.pods.find(&o.namespace, &o.name);
    let b = p.and_then(blamed);
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
    let newest = |reasons: &[&str]| list.iter().find(|e| reasons.contains(&&*e.reason)).copied();
    let mount = newest(&["FailedMount", "FailedAttachVolume", "FailedMapVolume"]);
    let mount = mount.map_or_else(
        || proof(None, "events", "", None, o),
        |e| {
            proof(
                patterns::mount(&e.reason, &e.note),
                &format!("event {}", e.reason),
                &e.note,
                Some(e.last),
                o,
            )
        },
    );
    let sandbox = newest(&["FailedCreatePodSandBox", "NetworkNotReady"]);
    let sandbox = sandbox.map_or_else(
        || proof(None, "events", "", None, o),
        |e| proof(patterns::sandbox(&e.note), &format!("event {}", e.reason), &e.note, Some(e.last), o),
    );
    vec![
        ("events", Value::Array(all)),
        ("mount", mount),
        ("sandbox", sandbox),
        ("probe", probes(&list, of_container, o, now)),
    ]
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

/// Why the scheduler found no node.
pub(super) fn schedule(world: &World, o: &ObjectRef) -> Value {
    let u = world.pods.find(&o.namespace, &o.name).and_then(|p| why_pending(world, p));
    match u {
        Some(u) => json!({
            "cause": u.cause.id(), "words": u.words, "subject": u.subject, "quote": u.quote,
            "source": "condition PodScheduled", "at": at(u.at), "object": object(o),
        }),
        None => proof(None, "condition PodScheduled", "", None, o),
    }
}

/// A workload's rollout: where it stands, why it does not go on, and the pod to look at.
pub(super) fn rollout(world: &World, o: &ObjectRef, now: Time) -> Result<Value, String> {
    let w = world.workload(o).ok_or_else(|| format!("there is no {o}"))?;
    let mut sets: Vec<&Workload> = world.replica_sets_of(&w.meta.uid).map(|(_, rs)| rs).collect();
    sets.sort_by_key(|rs| std::cmp::Reverse(rs.revision));
    let pods: Vec<&Pod> = match (&w.kind, sets.first()) {
        (Kind::Deployment, Some(newest)) => world.pods_of(&newest.meta.uid).map(|(_, p)| p).collect(),
        _ => world.pods_of(&w.meta.uid).map(|(_, p)| p).collect(),
    };
    let live = || pods.iter().filter(|p| p.meta.deleting.is_none());
    // The pod whose status proves most, then any that is not ready.
    let worst =
        live().filter(|p| !p.ready).min_by_key(|p| (status::pod(p).is_none(), p.meta.name.clone())).map(
            |p| ObjectRef { kind: Kind::Pod, namespace: p.meta.namespace.clone(), name: p.meta.name.clone() },
        );
    let creators: Vec<ObjectRef> = sets
        .iter()
        .map(|rs| ObjectRef {
            kind: rs.kind.clone(),
            namespace: rs.meta.namespace.clone(),
            name: rs.meta.name.clone(),
        })
        .chain([o.clone()])
        .collect();
    let failure = condition(&w.conditions, "ReplicaFailure").filter(|c| c.status == Status::True);
    let event = creators
        .iter()
        .find_map(|c| world.events_of(c).into_iter().find(|e| &*e.reason == "FailedCreate").map(|e| (c, e)));
    let created = match (failure, event) {
        (Some(c), _) => {
            proof(patterns::created(&c.message), "condition ReplicaFailure", &c.message, c.since, o)
        }
        // Events outlive what they tell of: they only count while pods are missing.
        (None, Some((by, e))) if w.current < w.desired => {
            proof(patterns::created(&e.note), "event FailedCreate", &e.note, Some(e.last), by)
        }
        _ => proof(None, "events", "", None, o),
    };
    let progressing = condition(&w.conditions, "Progressing");
    Ok(json!({
        "kind": o.kind.name(), "namespace": &*o.namespace, "name": &*o.name,
        "desired": w.desired, "current": w.current, "updated": w.updated, "ready": w.ready, "available": w.available,
        "paused": w.paused, "revision": w.revision.unwrap_or(0),
        "observed": w.observed_generation >= w.meta.generation,
        "stuck": progressing.is_some_and(|c| &*c.reason == "ProgressDeadlineExceeded"),
        "quote": progressing.map_or("", |c| &*c.message), "source": "condition Progressing",
        "at": at(progressing.and_then(|c| c.since)), "object": object(o),
        "changed_s": sets.first().map_or(-1, |rs| ago(rs.meta.created, now)),
        "created": created,
        "has_worst": worst.is_some(),
        "worst": worst.map_or(Value::Null, |p| object(&p)),
        "sick": live().filter(|p| !p.ready).count(),
    }))
}
