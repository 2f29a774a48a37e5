//! Pods that run and are odd in some way: errors that their logs repeat.

use std::time::Duration;

use crate::world::ask::LogTail;
use crate::world::{Container, ContainerState, Event, ObjectRef, Phase, Pod, Role, Time};

use super::diagnosis::{Ctx, Diagnosis, Out, same};
use super::evidence::{Severity, Sure};
use super::log::{Repeated, Tail, Want};
use super::{crash, log, node};

/// Lines of a running container's log that are read.
const TAIL: u32 = 200;
/// How often the log of an odd pod is read again.
pub const AGAIN: Duration = Duration::from_secs(60);
/// How long after an event or a restart a pod is still looked at.
const RECENT: Duration = Duration::from_secs(600);
/// How long a container may run without being ready before its log is read.
const SETTLING: Duration = Duration::from_secs(60);
/// Errors of one container that are reported.
const REPORTED: usize = 2;
/// Begins the family of every finding of this file.
const FAMILY: &str = "running.log";

/// Judges what the logs of a running pod repeat, where something else about the pod is odd or someone asked for it.
pub fn judge(ctx: &Ctx, pod: &Pod, object: &ObjectRef, out: &mut Out) {
    if pod.phase != Phase::Running || pod.node.is_empty() {
        return;
    }
    if ctx.diagnosed.of(object).iter().any(|key| key.family.starts_with("crash.")) {
        return;
    }
    let odd = odd(ctx, pod, object);
    if !odd && !ctx.is_asked(object) {
        return;
    }
    for (c, since) in pod.containers.iter().filter_map(running) {
        // A container that has just started has said little, and one that keeps ending is judged by its last run.
        let settled = since.plus(SETTLING);
        if ctx.now < settled {
            out.again(settled);
            continue;
        }
        let answer = ctx.logs.running(object, &c.spec.name);
        if answer.is_none_or(|a| a.at.plus(AGAIN) <= ctx.now) {
            out.wants.push(Want {
                root: object.clone(),
                restarts: c.restarts,
                kind: if ctx.is_asked(object) { Tail::Asked } else { Tail::Running },
                tail: LogTail {
                    namespace: object.namespace.clone(),
                    pod: object.name.clone(),
                    container: c.spec.name.clone(),
                    previous: false,
                    tail: TAIL,
                },
            });
        }
        if odd {
            out.again(ctx.now.plus(AGAIN));
        }
        let Some(answer) = answer.filter(|a| a.restarts == c.restarts) else { continue };
        for repeated in answer.repeated.iter().take(REPORTED) {
            out.push(diagnosis(ctx, pod, object, c, repeated, answer.at));
        }
    }
}

/// An App or Sidecar container that runs, and since when.
fn running(c: &Container) -> Option<(&Container, Time)> {
    match &c.state {
        ContainerState::Running { since } if matches!(c.spec.role, Role::App | Role::Sidecar) => {
            Some((c, since.unwrap_or(Time(0))))
        }
        _ => None,
    }
}

/// Whether something other than its log speaks against the pod.
fn odd(ctx: &Ctx, pod: &Pod, object: &ObjectRef) -> bool {
    let unready = |(c, since): (&Container, Time)| !c.ready && ctx.now >= since.plus(SETTLING);
    let restarted = |c: &Container| {
        let ended = c.last.as_deref().filter(|_| c.restarts > 0).and_then(|t| t.finished);
        ended.is_some_and(|at| ctx.now < at.plus(RECENT))
    };
    // What its own log says does not keep it odd.
    let troubled = || ctx.diagnosed.of(object).iter().any(|key| !key.family.starts_with(FAMILY));
    // Warnings from before it was ready belong to its start.
    let told = || {
        // A probe that fails once is everyday life; one that fails again and again is not.
        let of = |e: &Event| e.warning && e.count > 2 && same(&e.regarding_uid, &pod.meta.uid);
        let recent = |e: &Event| ctx.now < e.last.plus(RECENT) && pod.ready_since.is_none_or(|r| e.last > r);
        pod.ready && ctx.world.events_of(object).into_iter().any(|e| of(e) && recent(e))
    };
    pod.containers.iter().any(|c| running(c).is_some_and(unready) || restarted(c)) || troubled() || told()
}

fn diagnosis(
    ctx: &Ctx,
    pod: &Pod,
    object: &ObjectRef,
    c: &Container,
    repeated: &Repeated,
    at: Time,
) -> Diagnosis {
    let (cause, title) = if repeated.cause == node::GPU_VANISHED && c.spec.requests.gpu.is_none() {
        // The node keeps its GPUs; this container has not asked for one.
        (log::CONFIG, format!("the program wants a GPU and container {} requests none", c.spec.name))
    } else {
        (repeated.cause, format!("container {} repeats: {}", c.spec.name, repeated.title))
    };
    let since = repeated.first.unwrap_or(at).min(at);
    let mut signal = Diagnosis::new(cause, ctx.root(object), since)
        .family(&format!("{FAMILY} {} {cause}", c.spec.name))
        .severity(if pod.ready { Severity::Warning } else { Severity::Critical })
        .container(&c.spec.name)
        .title(title)
        .row(&repeated.row)
        .evidence("log", &repeated.line, object, repeated.last.or(Some(at)))
        .evidence("log", repeated.counted(), object, Some(at));
    if repeated.sure == Sure::Likely {
        signal = signal.likely();
    }
    if let Some(host) = &repeated.host {
        signal = signal.fold(format!("{cause} {host}"));
        if let Some((source, quote, service, at)) = crash::service_for(ctx, pod, host) {
            signal = signal.evidence(source, quote, &service, at).waits_for(Some(service.clone()));
        }
    }
    signal
}
