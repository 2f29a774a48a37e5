//! Startup, liveness and readiness probes. A probe whose answer cannot change sleeps until it can, so that
//! thousands of healthy pods cost nothing.
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::{Container, PodRun, PodTimer};
use super::{run, status, stop};
use crate::cluster::engine::{Engine, Timer};
use crate::cluster::http::Heard;
use crate::cluster::object::{int, list, text};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeKind {
    Startup,
    Liveness,
    Readiness,
}

const KINDS: [ProbeKind; 3] = [ProbeKind::Startup, ProbeKind::Liveness, ProbeKind::Readiness];

impl ProbeKind {
    fn field(self) -> &'static str {
        match self {
            Self::Startup => "startupProbe",
            Self::Liveness => "livenessProbe",
            Self::Readiness => "readinessProbe",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Startup => "Startup",
            Self::Liveness => "Liveness",
            Self::Readiness => "Readiness",
        }
    }

    fn lower(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Liveness => "liveness",
            Self::Readiness => "readiness",
        }
    }
}

/// The state of one probe of a container.
#[derive(Clone, Copy, Debug, Default)]
pub struct Probing {
    successes: i64,
    failures: i64,
    /// The number of the newest timer; older ones are ignored.
    token: u64,
}

struct Numbers {
    delay: u64,
    period: u64,
    success: i64,
    failure: i64,
}

fn numbers(probe: &Value) -> Numbers {
    let get = |f: &str, default: i64| int(probe, f).filter(|v| *v > 0).unwrap_or(default);
    Numbers {
        delay: get("/initialDelaySeconds", 0).unsigned_abs(),
        period: get("/periodSeconds", 10).unsigned_abs(),
        success: get("/successThreshold", 1),
        failure: get("/failureThreshold", 3),
    }
}

pub fn spec_of<'a>(run: &'a PodRun, container: &Container) -> Option<&'a Value> {
    let list = run.pod.pointer("/spec")?.get(container.place.list())?.as_array()?;
    list.iter().find(|s| s["name"] == container.name.as_str())
}

fn probe_spec(engine: &Engine, uid: &Arc<str>, c: usize, kind: ProbeKind) -> Option<Value> {
    let run = engine.runs.get(uid)?;
    spec_of(run, run.containers.get(c)?)?.get(kind.field()).filter(|p| p.is_object()).cloned()
}

/// Starts the probes of a started container. Without probes it is started and ready.
pub(in crate::cluster) fn start_probes(engine: &mut Engine, uid: &Arc<str>, c: usize) {
    let startup = probe_spec(engine, uid, c, ProbeKind::Startup).is_some();
    let readiness = probe_spec(engine, uid, c, ProbeKind::Readiness).is_some();
    if let Some(container) = engine.runs.get_mut(uid).and_then(|r| r.containers.get_mut(c)) {
        container.started = !startup;
        container.ready = !startup && !readiness;
        container.probes = Default::default();
    }
    for kind in KINDS {
        if !startup || kind == ProbeKind::Startup {
            first_probe(engine, uid, c, kind);
        }
    }
}

fn first_probe(engine: &mut Engine, uid: &Arc<str>, c: usize, kind: ProbeKind) {
    let Some(spec) = probe_spec(engine, uid, c, kind) else { return };
    let numbers = numbers(&spec);
    // The readiness probe of a fresh container runs at once; the others wait for their period.
    let wait = match numbers.delay {
        0 if kind == ProbeKind::Readiness => Duration::from_millis(20),
        0 => engine.chance.jitter(Duration::from_millis(500), 1.0).min(Duration::from_secs(numbers.period)),
        delay => Duration::from_secs(delay),
    };
    next_probe(engine, uid, c, kind, wait);
}

fn next_probe(engine: &mut Engine, uid: &Arc<str>, c: usize, kind: ProbeKind, wait: Duration) {
    let Some(container) = engine.runs.get_mut(uid).and_then(|r| r.containers.get_mut(c)) else { return };
    let probing = &mut container.probes[kind as usize];
    probing.token += 1;
    let timer = PodTimer::Probe(c, container.attempt, kind, probing.token);
    engine.after(wait, Timer::Pod(uid.clone(), timer));
}

/// Runs all probes of a container soon, because its answers may have changed.
pub(in crate::cluster) fn wake_probes(engine: &mut Engine, uid: &Arc<str>, c: usize) {
    let started = engine.runs.get(uid).and_then(|r| r.containers.get(c)).is_some_and(|c| c.started);
    for kind in KINDS {
        if (kind == ProbeKind::Startup) == started {
            continue;
        }
        if let Some(spec) = probe_spec(engine, uid, c, kind) {
            let wait = Duration::from_secs(numbers(&spec).period).mul_f64(engine.chance.unit());
            next_probe(engine, uid, c, kind, wait);
        }
    }
}

pub(in crate::cluster) fn probe(
    engine: &mut Engine,
    uid: &Arc<str>,
    c: usize,
    attempt: u32,
    kind: ProbeKind,
    token: u64,
) {
    let Some(spec) = probe_spec(engine, uid, c, kind) else { return };
    let Some(run) = engine.runs.get(uid) else { return };
    let Some(container) = run.containers.get(c) else { return };
    let current = container.attempt == attempt && container.probes[kind as usize].token == token;
    if !current || !container.running() || run.stopping.is_some() && kind != ProbeKind::Readiness {
        return;
    }
    let numbers = numbers(&spec);
    let (outcome, changes) = ask(engine, uid, c, &spec);
    let Some(container) = engine.runs.get_mut(uid).and_then(|r| r.containers.get_mut(c)) else { return };
    let probing = &mut container.probes[kind as usize];
    match &outcome {
        Ok(()) => {
            probing.successes += 1;
            probing.failures = 0;
        }
        Err(_) => {
            probing.failures += 1;
            probing.successes = 0;
        }
    }
    let (good, bad) = (probing.successes >= numbers.success, probing.failures >= numbers.failure);
    if let Err(output) = &outcome {
        let said = format!("{} probe failed: {output}", kind.title());
        run::container_event(engine, uid, c, "Warning", "Unhealthy", &said);
    }
    let period = Duration::from_secs(numbers.period);
    match kind {
        ProbeKind::Readiness => {
            set_ready(engine, uid, c, good, bad);
        }
        ProbeKind::Startup if good => {
            set_started(engine, uid, c);
            return;
        }
        ProbeKind::Liveness | ProbeKind::Startup if bad => {
            let name = engine.runs.get(uid).and_then(|r| r.containers.get(c)).map(|c| c.name.clone());
            let name = name.unwrap_or_default();
            let said = format!("Container {name} failed {} probe, will be restarted", kind.lower());
            stop::kill_container(engine, uid, c, &said);
            return;
        }
        _ => {}
    }
    match (outcome.is_ok() && good, changes) {
        (true, None) => {}
        (true, Some(at)) => next_probe(engine, uid, c, kind, at.max(period)),
        (false, _) => next_probe(engine, uid, c, kind, period),
    }
}

fn set_ready(engine: &mut Engine, uid: &Arc<str>, c: usize, good: bool, bad: bool) {
    let Some(container) = engine.runs.get_mut(uid).and_then(|r| r.containers.get_mut(c)) else { return };
    let was = container.ready;
    container.ready = (was || good) && !bad;
    if container.ready != was {
        status::report(engine, uid);
    }
}

fn set_started(engine: &mut Engine, uid: &Arc<str>, c: usize) {
    let readiness = probe_spec(engine, uid, c, ProbeKind::Readiness).is_some();
    if let Some(container) = engine.runs.get_mut(uid).and_then(|r| r.containers.get_mut(c)) {
        container.started = true;
        container.ready = !readiness;
    }
    first_probe(engine, uid, c, ProbeKind::Liveness);
    first_probe(engine, uid, c, ProbeKind::Readiness);
    run::sync_pod(engine, uid);
}

/// Probes the container once: the answer, and when it may change.
fn ask(engine: &Engine, uid: &Arc<str>, c: usize, spec: &Value) -> (Result<(), String>, Option<Duration>) {
    let now = engine.now();
    let Some(run) = engine.runs.get(uid) else { return (Ok(()), None) };
    let Some(container) = run.containers.get(c) else { return (Ok(()), None) };
    let Some(running) = &container.run else { return (Ok(()), None) };
    let ip = match text(spec, "/httpGet/host") {
        "" => run.ip.clone().unwrap_or_default(),
        host => host.to_owned(),
    };
    let container_spec = spec_of(run, container);
    let port = |pointer: &str| named_port(container_spec, spec.pointer(pointer));
    let timeout =
        Duration::from_secs(int(spec, "/timeoutSeconds").filter(|t| *t > 0).unwrap_or(1).unsigned_abs());
    let changes = running.changes_after(now);
    let answer = if spec.get("httpGet").is_some() {
        let port = port("/httpGet/port");
        let path = match text(spec, "/httpGet/path") {
            "" => "/",
            path => path,
        };
        let scheme = match text(spec, "/httpGet/scheme") {
            "HTTPS" => "https",
            _ => "http",
        };
        let url = format!("{scheme}://{ip}:{port}{path}");
        match running.hear(port, path, now) {
            Heard::Refused => {
                Err(format!("Get \"{url}\": dial tcp {ip}:{port}: connect: connection refused"))
            }
            Heard::Answer { latency, .. } if latency > timeout => Err(format!(
                "Get \"{url}\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
            )),
            Heard::Answer { status, .. } if status >= 400 => {
                Err(format!("HTTP probe failed with statuscode: {status}"))
            }
            Heard::Answer { .. } => Ok(()),
        }
    } else if spec.get("tcpSocket").is_some() {
        let port = port("/tcpSocket/port");
        match running.hear(port, "/", now) {
            Heard::Refused => Err(format!("dial tcp {ip}:{port}: connect: connection refused")),
            Heard::Answer { .. } => Ok(()),
        }
    } else if spec.get("grpc").is_some() {
        let port = port("/grpc/port");
        match running.hear(port, "/", now) {
            Heard::Refused => Err(format!(
                "timeout: failed to connect service \"{ip}:{port}\" within 1s: context deadline exceeded"
            )),
            Heard::Answer { .. } => Ok(()),
        }
    } else {
        let words: Vec<&str> = list(spec, "/exec/command").iter().filter_map(Value::as_str).collect();
        match running
            .behaviour
            .answers(&words, |path| run.written(container, path).is_some() || container.has_file(path))
        {
            Some(a) if a.code != 0 => Err(format!("{}{}", a.stdout, a.stderr)),
            _ => Ok(()),
        }
    };
    (answer, changes)
}

/// A port by number or by the name a container gives it.
pub fn named_port(container: Option<&Value>, port: Option<&Value>) -> u16 {
    let number = |v: &Value| v.as_u64().and_then(|p| u16::try_from(p).ok());
    let Some(port) = port else { return 0 };
    if let Some(number) = number(port) {
        return number;
    }
    let name = port.as_str().unwrap_or_default();
    let ports = container.map_or(&[][..], |c| list(c, "/ports"));
    let found =
        ports.iter().find(|p| p["name"] == name).and_then(|p| p.get("containerPort")).and_then(number);
    found.or_else(|| name.parse().ok()).unwrap_or(0)
}
