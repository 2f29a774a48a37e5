//! The kubelet's pod status: phase, conditions and container statuses, worded and ordered as captured.
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Container, Ended, Place, PodRun, State, spec_of};
use crate::cluster::engine::Engine;
use crate::cluster::object::{self, entry, int, list, stamp, text};
use crate::cluster::resources::quality;

/// The conditions that the kubelet owns, in its order.
const OWNED: [&str; 4] = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady"];

struct Verdict {
    status: bool,
    reason: &'static str,
    message: String,
}

/// Writes the pod's current status, if it changed.
pub(in crate::cluster) fn report(engine: &mut Engine, uid: &Arc<str>) {
    let now = engine.now();
    let Some(run) = engine.runs.get(uid) else { return };
    let Some(machine) = engine.machines.get(&run.node).filter(|m| m.kubelet) else { return };
    let host_ip = machine.internal_ip.clone();
    let host_network = object::flag(&run.pod, "/spec/hostNetwork");
    let status = render(run, &host_ip, host_network, now);
    let key = run.key.clone();
    engine.write_status("pods", &key, |o| {
        if object::uid(o) != &**uid {
            return;
        }
        let old = o.get("status").cloned().unwrap_or_else(|| json!({}));
        let mut status = status;
        let conditions = status.remove("conditions").unwrap_or_default();
        let merged = merge_conditions(&old, conditions, now);
        let target = entry(o, "status");
        let lists = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"];
        for stale in lists.into_iter().chain(["reason", "message"]) {
            target.remove(stale);
        }
        target.extend(status);
        target.insert("conditions".into(), merged);
    });
}

/// A condition keeps its transition time while its status is the same. Other owners' conditions stay.
fn merge_conditions(old: &Value, new: Value, now: Timestamp) -> Value {
    let olds = list(old, "/conditions");
    let foreign = olds.iter().filter(|c| !OWNED.contains(&text(c, "/type")) && c["type"] != "PodScheduled");
    let mut all: Vec<Value> = foreign.cloned().collect();
    let Value::Array(new) = new else { return Value::Array(all) };
    let generation = new.first().map_or(Value::Null, |c| c["observedGeneration"].clone());
    for mut condition in new {
        let before = olds.iter().find(|c| c["type"] == condition["type"]);
        let same = before.filter(|c| c["status"] == condition["status"]);
        let at = same.map_or_else(|| json!(stamp(now)), |c| c["lastTransitionTime"].clone());
        condition["lastTransitionTime"] = at;
        all.push(condition);
    }
    if let Some(scheduled) = olds.iter().find(|c| c["type"] == "PodScheduled") {
        let mut scheduled = scheduled.clone();
        scheduled["observedGeneration"] = generation;
        all.push(scheduled);
    }
    Value::Array(all)
}

fn render(run: &PodRun, host_ip: &str, host_network: bool, now: Timestamp) -> Map<String, Value> {
    let generation = int(&run.pod, "/metadata/generation").unwrap_or(1);
    let phase = phase(run);
    let mut status = Map::new();
    status.insert("observedGeneration".into(), json!(generation));
    status.insert("phase".into(), json!(phase));
    if let Some((reason, message)) = &run.verdict {
        status.insert("reason".into(), json!(reason));
        status.insert("message".into(), json!(message));
    }
    status.insert("hostIP".into(), json!(host_ip));
    status.insert("hostIPs".into(), json!([{"ip": host_ip}]));
    let ip = if host_network { Some(host_ip) } else { run.ip.as_deref() };
    if let Some(ip) = ip.filter(|_| host_network || shows_ip(run)) {
        status.insert("podIP".into(), json!(ip));
        status.insert("podIPs".into(), json!([{"ip": ip}]));
    }
    status.insert("startTime".into(), json!(stamp(run.started)));
    status.insert("qosClass".into(), json!(quality(&run.pod)));
    let initialized = inits_done(run);
    let statuses = |place: Place| -> Vec<Value> {
        let there = run.containers.iter().filter(|c| c.place == place);
        there.map(|c| container_status(run, c, spec_of(run, c), initialized)).collect()
    };
    status.insert("containerStatuses".into(), Value::Array(statuses(Place::Main)));
    if run.inits > 0 {
        status.insert("initContainerStatuses".into(), Value::Array(statuses(Place::Init)));
    }
    let debug = statuses(Place::Ephemeral);
    if !debug.is_empty() {
        status.insert("ephemeralContainerStatuses".into(), Value::Array(debug));
    }
    status.insert("conditions".into(), Value::Array(conditions(run, phase, generation, initialized)));
    let _ = now;
    status
}

/// The IP is reported once a container has started or has been tried.
fn shows_ip(run: &PodRun) -> bool {
    run.containers.iter().any(|c| c.attempt > 0 || c.reason.is_some())
}

fn done_well(c: &Container) -> bool {
    c.ended().is_some_and(|e| e.code == 0)
}

fn init_done(c: &Container) -> bool {
    if c.sidecar { c.started } else { done_well(c) }
}

fn inits_done(run: &PodRun) -> bool {
    run.containers.iter().filter(|c| c.place == Place::Init).all(init_done)
}

pub(super) fn phase(run: &PodRun) -> &'static str {
    if run.verdict.is_some() {
        return "Failed";
    }
    let mains: Vec<&Container> = run.containers.iter().filter(|c| c.main()).collect();
    let policy = run.restart_policy();
    if !inits_done(run) {
        let failed =
            run.containers.iter().any(|c| c.place == Place::Init && c.ended().is_some_and(|e| e.code != 0));
        return if failed && policy == "Never" || run.done { "Failed" } else { "Pending" };
    }
    let never_ran = |c: &&&Container| matches!(c.state, State::Waiting) && c.last.is_none();
    if mains.iter().filter(never_ran).count() > 0 {
        return if run.done { "Failed" } else { "Pending" };
    }
    if mains.iter().any(|c| c.running()) {
        return "Running";
    }
    if mains.iter().all(|c| done_well(c)) && (policy != "Always" || run.done) {
        return "Succeeded";
    }
    if run.done || policy == "Never" {
        return "Failed";
    }
    "Running"
}

fn conditions(run: &PodRun, phase: &str, generation: i64, initialized: bool) -> Vec<Value> {
    let over = match phase {
        "Succeeded" => Some("PodCompleted"),
        "Failed" => Some("PodFailed"),
        _ => None,
    };
    let all_ended =
        run.containers.iter().filter(|c| c.main()).all(done_well) && run.restart_policy() != "Always";
    let over = over.or(all_ended.then_some("PodCompleted"));
    let unready: Vec<&str> = run
        .containers
        .iter()
        .filter(|c| (c.main() || c.sidecar) && !(c.ready && c.running()))
        .map(|c| c.name.as_str())
        .collect();
    let ready = match over {
        Some(reason) => Verdict { status: false, reason, message: String::new() },
        None if unready.is_empty() => Verdict { status: true, reason: "", message: String::new() },
        None => Verdict {
            status: false,
            reason: "ContainersNotReady",
            message: format!("containers with unready status: [{}]", unready.join(" ")),
        },
    };
    let incomplete: Vec<&str> = run
        .containers
        .iter()
        .filter(|c| c.place == Place::Init && !init_done(c))
        .map(|c| c.name.as_str())
        .collect();
    let init = match over {
        Some("PodCompleted") => Verdict { status: true, reason: "PodCompleted", message: String::new() },
        _ if initialized => Verdict { status: true, reason: "", message: String::new() },
        _ => Verdict {
            status: false,
            reason: "ContainersNotInitialized",
            message: format!("containers with incomplete status: [{}]", incomplete.join(" ")),
        },
    };
    let gate = list(&run.pod, "/spec/readinessGates")
        .iter()
        .map(|g| text(g, "/conditionType"))
        .find(|g| !object::condition_is(&run.pod, g, "True"));
    let pod_ready = match gate {
        Some(gate) if ready.status => Verdict {
            status: false,
            reason: "ReadinessGatesNotReady",
            message: match object::condition(&run.pod, gate) {
                Some(_) => format!("the status of pod readiness gate {gate:?} is not \"True\", but False"),
                None => format!("corresponding condition of pod readiness gate {gate:?} does not exist."),
            },
        },
        _ => Verdict { status: ready.status, reason: ready.reason, message: ready.message.clone() },
    };
    let sandbox = Verdict { status: run.sandbox, reason: "", message: String::new() };
    OWNED
        .iter()
        .zip([sandbox, init, pod_ready, ready])
        .map(|(kind, verdict)| {
            let mut c = json!({
                "type": kind, "observedGeneration": generation,
                "status": if verdict.status { "True" } else { "False" }, "lastProbeTime": null,
            });
            if !verdict.reason.is_empty() {
                c["reason"] = json!(verdict.reason);
            }
            if !verdict.message.is_empty() {
                c["message"] = json!(verdict.message);
            }
            c
        })
        .collect()
}

pub(super) fn terminated(e: &Ended) -> Value {
    let mut t = json!({"exitCode": e.code, "reason": e.reason});
    if !e.message.is_empty() {
        t["message"] = json!(e.message);
    }
    t["startedAt"] = e.started.map_or(Value::Null, |s| json!(stamp(s)));
    t["finishedAt"] = e.finished.map_or(Value::Null, |s| json!(stamp(s)));
    if let Some(id) = &e.id {
        t["containerID"] = json!(format!("containerd://{id}"));
    }
    json!({"terminated": t})
}

fn container_status(run: &PodRun, c: &Container, spec: Option<&Value>, initialized: bool) -> Value {
    let waiting = |reason: &str, message: &str| {
        let mut w = json!({"reason": reason});
        if !message.is_empty() {
            w["message"] = json!(message);
        }
        json!({"waiting": w})
    };
    let mut last = c.last.clone();
    let state = match (&c.state, &c.reason) {
        (State::Running(at), _) => json!({"running": {"startedAt": stamp(*at)}}),
        (State::Ended(e), Some((reason, message))) if !run.done => {
            last = Some(e.clone());
            waiting(reason, message)
        }
        (State::Ended(e), _) => terminated(e),
        (State::Waiting, _) if run.done => terminated(&Ended {
            code: 137,
            reason: "ContainerStatusUnknown".into(),
            message: "The container could not be located when the pod was terminated".into(),
            started: None,
            finished: None,
            id: None,
        }),
        (State::Waiting, Some((reason, message))) if run.stopping.is_none() => waiting(reason, message),
        (State::Waiting, _)
            if c.place == Place::Ephemeral
                || (run.inits > 0 && c.main() && !initialized)
                || (run.inits > 0 && !run.sandbox) =>
        {
            waiting("PodInitializing", "")
        }
        (State::Waiting, _) => waiting("ContainerCreating", ""),
    };
    let mut status = json!({
        "name": c.name, "state": state, "lastState": last.as_ref().map_or_else(|| json!({}), terminated),
        "ready": c.ready && c.running(),
        "restartCount": c.restarts, "image": c.image, "imageID": c.image_id.clone().unwrap_or_default(),
        "started": c.started && c.running(),
    });
    match c.place {
        Place::Init if !c.sidecar => status["ready"] = json!(done_well(c)),
        // Nothing probes it, and it is never ready (captures/list/pod-ephemeral-running).
        Place::Ephemeral => {
            status["ready"] = json!(false);
            if let Some(fields) = status.as_object_mut() {
                fields.remove("started");
            }
        }
        _ => {}
    }
    if let Some(id) = &c.id {
        status["containerID"] = json!(format!("containerd://{id}"));
    }
    if let Some(resources) =
        spec.and_then(|s| s.get("resources")).filter(|r| r.as_object().is_some_and(|m| !m.is_empty()))
        && c.attempt > 0
    {
        if let Some(requests) = resources.get("requests") {
            status["allocatedResources"] = requests.clone();
        }
        status["resources"] = resources.clone();
    }
    if c.attempt > 0 {
        let user = spec
            .and_then(|s| int(s, "/securityContext/runAsUser"))
            .or_else(|| int(&run.pod, "/spec/securityContext/runAsUser"))
            .unwrap_or(0);
        status["user"] = json!({"linux": {"uid": user, "gid": user, "supplementalGroups": [user]}});
    }
    if !run.gpus.is_empty() && spec.is_some_and(|s| s.pointer("/resources/limits/nvidia.com~1gpu").is_some())
    {
        let devices: Vec<Value> = run
            .gpus
            .iter()
            .map(
                |g| json!({"resourceID": crate::cluster::dcgm::gpu_uuid(&run.node, *g), "health": "Healthy"}),
            )
            .collect();
        status["allocatedResourcesStatus"] = json!([{"name": "nvidia.com/gpu", "resources": devices}]);
    }
    status
}
