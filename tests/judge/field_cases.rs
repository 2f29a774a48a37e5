//! The near misses of rules that came from faults of real clusters: one of each rule.

use std::sync::Arc;

use khud::world::*;

use crate::support::scene::*;

fn c(rule: &'static str, quotes: &'static str, sick: fn(&mut Scene), near: fn(&mut Scene)) -> Case {
    Case { rule, quotes, sick, near }
}

/// The pod still runs its init container, which does nothing but wait.
fn init_runs(s: &mut Scene, command: &str) {
    let at = ago(s, 600);
    s.not_ready();
    s.pod.phase = Phase::Pending;
    let mut first = s.pod.containers[0].clone();
    let spec = Arc::make_mut(&mut first.spec);
    (spec.role, spec.name, spec.command) = (Role::Init, "wait".into(), command.into());
    (spec.liveness, spec.readiness) = (None, None);
    first.state = ContainerState::Running { since: Some(at) };
    s.c().state = ContainerState::Waiting { reason: "PodInitializing".into(), message: "".into() };
    s.pod.containers = [first, s.pod.containers[0].clone()].into();
}

/// It ended once some minutes ago, runs again, and prints that line every few lines.
fn repeats(s: &mut Scene, line: &str) {
    let at = ago(s, 200);
    let c = s.c();
    c.restarts = 1;
    c.last = Some(Box::new(terminated(1, "Error", at)));
    c.state = ContainerState::Running { since: Some(at) };
    s.log = format!("INFO served a request\n{line}\n").repeat(5);
}

pub fn cases() -> Vec<Case> {
    vec![
        c(
            "ready.dependency",
            "no Service ledger",
            |s| init_runs(s, "sh -c until nc -z ledger 80; do sleep 2; done"),
            |s| {
                let spec = Arc::make_mut(&mut s.pod.containers[0].spec);
                spec.command = "migrate up".into();
            },
        ),
        c(
            "log.error",
            "out of balance",
            |s| repeats(s, "ERROR ledger: entry 4711 is out of balance"),
            |s| s.log = "INFO ledger: entry 4711 is in balance\n".repeat(10),
        ),
        c(
            "gpu.cuda-error",
            "illegal memory access",
            |s| repeats(s, "ERROR worker: CUDA error: an illegal memory access was encountered"),
            // It got over it.
            |s| s.log.push_str(&"INFO served a request\n".repeat(40)),
        ),
        c(
            "schedule.no-scheduler",
            "schedulerName: batch-scheduler",
            |s| {
                s.unscheduled("");
                s.pod.conditions = [].into();
                s.pod_spec().scheduler = "batch-scheduler".into();
                let old = ago(s, 600);
                s.pod.meta.created = Some(old);
            },
            |s| {
                let since = ago(s, 300);
                s.pod.conditions = [Condition {
                    kind: "PodScheduled".into(),
                    status: Status::False,
                    reason: "Unschedulable".into(),
                    message: "0/1 nodes are available: 1 Too many pods.".into(),
                    since: Some(since),
                    updated: None,
                }]
                .into();
            },
        ),
    ]
}
