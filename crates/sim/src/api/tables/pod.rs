//! A pod's row. The server computes kubectl's STATUS column here.
use super::print::{age, human, plain};
use crate::api::meta::{items, text};
use jiff::Timestamp;
use serde_json::{Value, json};

/// `printPod` of kube-apiserver.
pub fn pod(o: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&o["spec"], &o["status"]);
    let mut state = State {
        reason: match text(status, &["reason"]) {
            "" => plain(&status["phase"]),
            reason => reason.to_string(),
        },
        total: items(spec, "containers").count(),
        ..State::default()
    };
    let gated =
        items(status, "conditions").any(|c| c["type"] == "PodScheduled" && c["reason"] == "SchedulingGated");
    if gated {
        state.reason = "SchedulingGated".into();
    }
    let initializing = state.init_containers(spec, status);
    if !initializing || has_initialized(status) {
        state.containers(status);
    }
    let deleted = o["metadata"]["deletionTimestamp"].is_string();
    let terminal = matches!(text(status, &["phase"]), "Succeeded" | "Failed");
    if deleted && status["reason"] == "NodeLost" {
        state.reason = "Unknown".into();
    } else if deleted && !terminal {
        state.reason = "Terminating".into();
    }
    let restarts = match state.last_restart {
        Some(at) if state.restarts > 0 => format!("{} ({} ago)", state.restarts, human(now.as_second() - at)),
        _ => state.restarts.to_string(),
    };
    let or_none = |v: &Value| json!(if v.is_string() { plain(v) } else { "<none>".into() });
    vec![
        o["metadata"]["name"].clone(),
        json!(format!("{}/{}", state.ready, state.total)),
        json!(state.reason),
        json!(restarts),
        json!(age(&o["metadata"]["creationTimestamp"], now)),
        or_none(if status["podIPs"][0]["ip"].is_string() {
            &status["podIPs"][0]["ip"]
        } else {
            &status["podIP"]
        }),
        or_none(&spec["nodeName"]),
        or_none(&status["nominatedNodeName"]),
        json!(gates(spec, status)),
    ]
}

#[derive(Default)]
struct State {
    reason: String,
    ready: usize,
    total: usize,
    restarts: i64,
    /// The latest end of a container, in Unix seconds.
    last_restart: Option<i64>,
}

fn ended(status: &Value) -> Option<i64> {
    let at = text(status, &["lastState", "terminated", "finishedAt"]);
    at.parse::<Timestamp>().ok().map(|t| t.as_second())
}

/// The STATUS word for a terminated container.
fn ending(terminated: &Value, prefix: &str) -> String {
    let reason = text(terminated, &["reason"]);
    if !reason.is_empty() {
        return format!("{prefix}{reason}");
    }
    match terminated["signal"].as_i64().unwrap_or(0) {
        0 => format!("{prefix}ExitCode:{}", terminated["exitCode"].as_i64().unwrap_or(0)),
        signal => format!("{prefix}Signal:{signal}"),
    }
}

fn has_initialized(status: &Value) -> bool {
    items(status, "conditions").any(|c| c["type"] == "Initialized" && c["status"] == "True")
}

fn is_sidecar(spec: &Value, name: &Value) -> bool {
    items(spec, "initContainers").any(|c| &c["name"] == name && c["restartPolicy"] == "Always")
}

impl State {
    /// True while init containers run or are stuck.
    fn init_containers(&mut self, spec: &Value, status: &Value) -> bool {
        let count = items(spec, "initContainers").count();
        self.total += items(spec, "initContainers").filter(|c| c["restartPolicy"] == "Always").count();
        let (mut sidecar_restarts, mut sidecar_last) = (0, None);
        let mut initializing = false;
        for (i, c) in items(status, "initContainerStatuses").enumerate() {
            let sidecar = is_sidecar(spec, &c["name"]);
            let restarts = c["restartCount"].as_i64().unwrap_or(0);
            self.restarts += restarts;
            self.last_restart = self.last_restart.max(ended(c));
            if sidecar {
                sidecar_restarts += restarts;
                sidecar_last = sidecar_last.max(ended(c));
            }
            let (terminated, waiting) = (&c["state"]["terminated"], &c["state"]["waiting"]);
            if terminated.is_object() && terminated["exitCode"] == 0 {
                continue;
            }
            if sidecar && c["started"] == true {
                self.ready += usize::from(c["ready"] == true);
                continue;
            }
            let reason = text(waiting, &["reason"]);
            self.reason = if terminated.is_object() {
                ending(terminated, "Init:")
            } else if !reason.is_empty() && reason != "PodInitializing" {
                format!("Init:{reason}")
            } else {
                format!("Init:{i}/{count}")
            };
            initializing = true;
            break;
        }
        if !initializing || has_initialized(status) {
            self.restarts = sidecar_restarts;
            self.last_restart = sidecar_last;
        }
        initializing
    }

    fn containers(&mut self, status: &Value) {
        let all: Vec<&Value> = items(status, "containerStatuses").collect();
        let mut running = false;
        for c in all.into_iter().rev() {
            self.restarts += c["restartCount"].as_i64().unwrap_or(0);
            self.last_restart = self.last_restart.max(ended(c));
            let (terminated, waiting) = (&c["state"]["terminated"], &c["state"]["waiting"]);
            if !text(waiting, &["reason"]).is_empty() {
                self.reason = plain(&waiting["reason"]);
            } else if terminated.is_object() {
                self.reason = ending(terminated, "");
            } else if c["ready"] == true && c["state"]["running"].is_object() {
                running = true;
                self.ready += 1;
            }
        }
        if self.reason == "Completed" && running {
            let ready = items(status, "conditions").any(|c| c["type"] == "Ready" && c["status"] == "True");
            self.reason = if ready { "Running" } else { "NotReady" }.into();
        }
    }
}

fn gates(spec: &Value, status: &Value) -> String {
    let all: Vec<&str> = items(spec, "readinessGates").map(|g| text(g, &["conditionType"])).collect();
    if all.is_empty() {
        return "<none>".into();
    }
    let met =
        |gate: &&&str| items(status, "conditions").any(|c| c["type"] == **gate && c["status"] == "True");
    format!("{}/{}", all.iter().filter(met).count(), all.len())
}
