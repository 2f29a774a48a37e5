//! Pods that run and are not ready: still starting, a failing readiness probe, a gate.

use std::sync::LazyLock;

use regex::Regex;

use crate::world::{ContainerState, Handler, ObjectRef, Phase, Pod, Probe, Role, Status, condition};

use super::config::seconds;
use super::pattern;
use super::pod::gates;
use super::roles::{self, Role as Part};
use super::signal::{Ctx, Out, Signal, same};

static CODE: LazyLock<Regex> = LazyLock::new(|| pattern(r"statuscode: (\d{3})"));

pub fn judge(ctx: &Ctx, pod: &Pod, object: &ObjectRef, out: &mut Out) {
    if pod.phase != Phase::Running {
        return;
    }
    let root = ctx.root(object);
    let not_since = pod.ready_since.or(pod.started).unwrap_or(ctx.now);
    let waiting = gates(pod);
    let containers_ready =
        condition(&pod.conditions, "ContainersReady").is_none_or(|c| c.status == Status::True);
    if !waiting.is_empty() && containers_ready {
        let fires = not_since.plus(seconds(ctx.limits.unavailable));
        if ctx.now < fires {
            out.again(fires);
        }
        out.push(
            Signal::new("ready.gate", root, not_since)
                .fires_at(fires)
                .title(format!("its containers are ready; readiness gate {} is not", waiting.join(", ")))
                .row("readiness gate")
                .evidence("pod conditions", waiting.join(", "), object, Some(not_since)),
        );
        return;
    }
    let Some(c) = pod.containers.iter().find(|c| {
        matches!(c.spec.role, Role::App | Role::Sidecar)
            && !c.ready
            && matches!(c.state, ContainerState::Running { .. })
    }) else {
        return;
    };
    let ContainerState::Running { since: Some(running) } = c.state else { return };
    let grace = time_to_start(c.spec.startup.as_ref(), c.spec.readiness.as_ref());
    let starting_until = running.plus(grace);
    let unhealthy = ctx.world.events_of(object).into_iter().find(|e| {
        same(&e.regarding_uid, &pod.meta.uid)
            && &*e.reason == "Unhealthy"
            && e.last >= running
            && (e.note.starts_with("Readiness probe") || e.note.starts_with("Startup probe"))
    });
    if ctx.now < starting_until || (c.started == Some(false) && c.spec.startup.is_some()) {
        // Every rollout starts pods; only one that takes its time is worth a line.
        let patient = running.plus(seconds(ctx.limits.starting_volume));
        if ctx.now < patient {
            return out.again(patient);
        }
        out.again(starting_until);
        out.push(
            Signal::new("ready.starting", root, running)
                .title(format!("container {} is starting", c.spec.name))
                .row("starting")
                .evidence(
                    "pod status",
                    format!("running since {running}, probes allow it {} s", grace.as_secs()),
                    object,
                    Some(running),
                ),
        );
        return;
    }
    let since = not_since.max(running);
    match unhealthy {
        Some(event) => {
            let (title, row) = describe(c.spec.readiness.as_ref(), &c.spec.ports, &event.note);
            let mut signal = Signal::new("ready.probe", root, since).title(title).row(row).event(event);
            if let Some(probe) = &c.spec.readiness {
                signal = signal.evidence("pod spec", spec(probe), object, None);
            }
            out.push(adapt(pod, signal));
        }
        None => {
            let fires = since.plus(seconds(120));
            if ctx.now < fires {
                return out.again(fires);
            }
            let s = Signal::new("ready.unknown", root, since)
                .title(format!("container {} runs and is not ready; no event says why", c.spec.name))
                .row("not ready")
                .evidence("condition Ready", "False, and no event about its probe", object, pod.ready_since);
            out.push(adapt(pod, s));
        }
    }
}

fn adapt(pod: &Pod, mut signal: Signal) -> Signal {
    let (rule, title) = match roles::of(pod) {
        Part::GpuPlugin => ("gpu.plugin", "the GPU device plugin is not ready"),
        Part::GpuExporter => ("gpu.exporter-down", "the GPU exporter is not ready"),
        _ => return signal,
    };
    let said = signal.title.clone();
    signal.rule = rule.into();
    signal.cause = rule.into();
    signal.key.family = rule.into();
    signal.title(format!("{title}: {said}"))
}

/// How long the probes themselves allow a container to become ready.
fn time_to_start(startup: Option<&Probe>, readiness: Option<&Probe>) -> std::time::Duration {
    let of = |p: &Probe| u64::from(p.initial_delay) + u64::from(p.period) * u64::from(p.failure_threshold);
    seconds((startup.map_or(0, of) + readiness.map_or(0, of)).clamp(10, 3600))
}

fn spec(probe: &Probe) -> String {
    let what = match &probe.handler {
        Handler::Http { path, port, https } => {
            format!("http{} GET :{port}{path}", if *https { "s" } else { "" })
        }
        Handler::Tcp { port } => format!("tcp :{port}"),
        Handler::Grpc { port } => format!("grpc :{port}"),
        Handler::Exec { command } => format!("exec {command}"),
    };
    format!(
        "readiness probe {what} every {} s, timeout {} s, {} failures",
        probe.period, probe.timeout, probe.failure_threshold
    )
}

fn describe(probe: Option<&Probe>, ports: &[crate::world::Port], note: &str) -> (String, String) {
    let (port, path) = match probe.map(|p| &p.handler) {
        Some(Handler::Http { path, port, .. }) => (Some(port), &**path),
        Some(Handler::Tcp { port } | Handler::Grpc { port }) => (Some(port), ""),
        _ => (None, ""),
    };
    let at = port.map_or(String::new(), |p| format!(" :{p}{path}"));
    if let Some(code) = CODE.captures(note) {
        return (
            format!("its readiness probe{at} gets status {}", &code[1]),
            format!("readiness: {}", &code[1]),
        );
    }
    if note.contains("connection refused") {
        let declared: Vec<String> = ports.iter().map(|p| p.number.to_string()).collect();
        let elsewhere = port.is_some_and(|p| {
            !declared.is_empty()
                && !declared.iter().any(|d| **d == **p)
                && !ports.iter().any(|q| q.name == *p)
        });
        let port = port.map_or(String::from("its port"), |p| format!("port {p}"));
        let more = if elsewhere {
            format!("; the container declares {}", declared.join(", "))
        } else {
            String::new()
        };
        return (
            format!("its readiness probe finds nothing listening on {port}{more}"),
            format!("readiness: {port} refused"),
        );
    }
    if note.contains("deadline exceeded") || note.contains("timeout") || note.contains("timed out") {
        return (format!("its readiness probe{at} times out"), "readiness: timeout".into());
    }
    (format!("its readiness probe{at} fails"), "readiness probe fails".into())
}
