//! How well a pod or node is, for the order and colour of its row. What is wrong with it is detect's to say.

use crate::app::table::cx::Cx;
use crate::detect::Severity;
use crate::world::{Container, ContainerState, Node, Object, Phase, Pod, Role, Status, Text, condition};

/// Sickest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    Critical,
    Bad,
    Pending,
    Ok,
    Done,
}

impl Health {
    pub fn scope(self) -> &'static str {
        match self {
            Health::Critical | Health::Bad => "status.bad",
            Health::Pending => "status.pending",
            Health::Ok => "text",
            Health::Done => "status.done",
        }
    }

    pub fn sick(self) -> bool {
        self <= Health::Bad
    }
}

/// The pod's own state, without what rules found.
pub fn pod_alone(pod: &Pod) -> Health {
    let status = pod.status();
    let (ready, of) = (status.ready, status.total);
    match pod.phase {
        Phase::Succeeded => Health::Done,
        Phase::Failed => Health::Bad,
        _ if pod.meta.deleting.is_some() => Health::Pending,
        Phase::Unknown => Health::Bad,
        Phase::Pending if troubled(pod) => Health::Bad,
        Phase::Pending => Health::Pending,
        Phase::Running if troubled(pod) => Health::Bad,
        Phase::Running if ready < of || !pod.ready => Health::Pending,
        Phase::Running => Health::Ok,
    }
}

/// A container that cannot start or keeps ending, or a pod no node takes.
fn troubled(pod: &Pod) -> bool {
    let starting = |reason: &str| matches!(reason, "ContainerCreating" | "PodInitializing" | "");
    pod.containers.iter().any(|c| match &c.state {
        ContainerState::Waiting { reason, .. } => !starting(reason),
        ContainerState::Terminated(t) => t.exit_code != 0 && c.spec.role != Role::Ephemeral,
        _ => false,
    }) || condition(&pod.conditions, "PodScheduled").is_some_and(|c| c.status == Status::False)
}

pub fn pod(cx: &Cx<'_>, pod: &Pod) -> Health {
    let alone = pod_alone(pod);
    match cx.cause(&pod.reference()).map(|c| c.severity) {
        Some(Severity::Critical) => Health::Critical,
        Some(Severity::Warning) => alone.min(Health::Bad),
        _ => alone,
    }
}

pub fn node_alone(node: &Node) -> Health {
    let ready = condition(&node.conditions, "Ready").map_or(Status::Unknown, |c| c.status);
    let pressure = node.conditions.iter().any(|c| {
        c.status == Status::True
            && matches!(&*c.kind, "MemoryPressure" | "DiskPressure" | "PIDPressure" | "NetworkUnavailable")
    });
    if ready != Status::True {
        Health::Critical
    } else if pressure {
        Health::Bad
    } else if node.unschedulable {
        Health::Pending
    } else {
        Health::Ok
    }
}

pub fn node(cx: &Cx<'_>, node: &Node) -> Health {
    let alone = node_alone(node);
    match cx.cause(&node.reference()).map(|c| c.severity) {
        Some(Severity::Critical) => Health::Critical,
        Some(Severity::Warning) => alone.min(Health::Bad),
        _ => alone,
    }
}

/// `Ready`, `NotReady,SchedulingDisabled`, with pressure named.
pub fn node_status(node: &Node) -> Text {
    let mut words = vec![match condition(&node.conditions, "Ready").map(|c| c.status) {
        Some(Status::True) => "Ready",
        Some(Status::False) => "NotReady",
        _ => "Unknown",
    }];
    for (kind, word) in [
        ("MemoryPressure", "MemoryPressure"),
        ("DiskPressure", "DiskPressure"),
        ("PIDPressure", "PIDPressure"),
        ("NetworkUnavailable", "NoNetwork"),
    ] {
        if condition(&node.conditions, kind).is_some_and(|c| c.status == Status::True) {
            words.push(word);
        }
    }
    if node.unschedulable {
        words.push("Cordoned");
    }
    words.join(",").into()
}

/// Why and when a container of the pod last ended.
pub fn last_exit(containers: &[Container]) -> Option<(crate::world::Text, crate::world::Time)> {
    containers
        .iter()
        .flat_map(|c| {
            let now = match &c.state {
                ContainerState::Terminated(t) => Some(&**t),
                _ => None,
            };
            now.into_iter().chain(c.last.as_deref())
        })
        .filter_map(|t| {
            let reason = if t.reason.is_empty() || &*t.reason == "Error" {
                format!("exit {}", t.exit_code).into()
            } else {
                t.reason.clone()
            };
            t.finished.map(|at| (reason, at))
        })
        .max_by_key(|(_, at)| *at)
}
