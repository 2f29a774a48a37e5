//! Pods that run and are not ready: still starting, a failing readiness probe, a gate.

use std::sync::LazyLock;

use regex::Regex;

use crate::world::{ContainerState, Handler, ObjectRef, Phase, Pod, Probe, Role, Status, condition};

use super::diagnosis::{Ctx, Diagnosis, Out, same};
use super::limits::seconds;
use super::pattern;
use super::patterns::{self, ProbeOutcome};
use super::pod::gates;
use super::registry::causes;
use super::roles::{self, Role as Part};
use super::{crash, log};

const WHY_READY: &str = "pods that run and are not ready get no traffic: the rest carries it until it cannot";

causes! {
    PROBE = "ready.probe" Critical Watch("pods, events") tree "pod":
        "it runs and its readiness probe fails: port, status or timeout",
        why WHY_READY, source "event Unhealthy and the probe's spec";
    STARTING = "ready.starting" Info Watch("pods") tree "pod":
        "within its start-up time and not ready yet",
        why WHY_READY, source "startedAt and the probe's delays";
    GATE = "ready.gate" Warning Watch("pods") tree "pod":
        "its containers are ready and a readiness gate is not true",
        why WHY_READY, source "conditions";
    DEPENDENCY = "ready.dependency" Critical Log("pods, services, endpointslices, log") tree "pod":
        "an init container waits for something that does not answer, or a readiness probe says so: names the Service",
        why "the pod does not start before what it waits for is there", source "command and log of the init container, output of the probe, Services and EndpointSlices";
    UNKNOWN = "ready.unknown" Warning Watch("pods") tree "pod":
        "it runs, is not ready for two minutes, and nothing says why",
        why WHY_READY, source "condition Ready";
}

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
            Diagnosis::new(GATE, root, not_since)
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
            Diagnosis::new(STARTING, root, running)
                .container(&c.spec.name)
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
            let mut signal =
                Diagnosis::new(PROBE, root, since).container(&c.spec.name).title(title).row(row).event(event);
            if let Some(probe) = &c.spec.readiness {
                signal = signal.evidence("pod spec", spec(probe), object, None);
            }
            out.push(adapt(pod, needs(ctx, pod, &event.note, signal)));
        }
        None => {
            let fires = since.plus(seconds(120));
            if ctx.now < fires {
                return out.again(fires);
            }
            let s = Diagnosis::new(UNKNOWN, root, since)
                .container(&c.spec.name)
                .title(format!("container {} runs and is not ready; no event says why", c.spec.name))
                .row("not ready")
                .evidence("condition Ready", "False, and no event about its probe", object, pod.ready_since);
            out.push(adapt(pod, s));
        }
    }
}

/// A probe whose output names the peer that does not answer: the pod waits for that.
fn needs(ctx: &Ctx, pod: &Pod, note: &str, signal: Diagnosis) -> Diagnosis {
    // The kubelet's text about its own connection names the pod itself.
    let Some(ProbeOutcome::Command(output)) = patterns::probe(note).map(|p| p.outcome) else { return signal };
    let said = patterns::log::ended(&output);
    let Some(found) = said.found.filter(|f| f.cause == log::UNREACHABLE) else { return signal };
    let patterns::log::Named::Host { name, .. } = &found.named else { return signal };
    let own = [&*pod.ip, "localhost", "127.0.0.1", "0.0.0.0", "::1"].contains(&name.as_str());
    if own {
        return signal;
    }
    let family = signal.key.family.clone();
    let title = format!("its readiness probe says that {}", found.words);
    let mut signal = signal.renamed(DEPENDENCY).family(&family).title(title).row(found.words.clone());
    if let Some((source, quote, service, at)) = crash::service_for(ctx, pod, name) {
        signal = signal.evidence(source, quote, &service, at).waits_for(Some(service.clone()));
    }
    signal
}

fn adapt(pod: &Pod, signal: Diagnosis) -> Diagnosis {
    let (rule, title) = match roles::of(pod) {
        Part::GpuPlugin => (roles::GPU_PLUGIN, "the GPU device plugin is not ready"),
        Part::GpuExporter => (roles::GPU_EXPORTER_DOWN, "the GPU exporter is not ready"),
        _ => return signal,
    };
    let said = signal.title.clone();
    signal.renamed(rule).title(format!("{title}: {said}"))
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
