//! Why a container keeps ending: its memory limit, its probes, its command, or what its last log lines say.

use crate::judge::patterns::{ProbeKind, killed_for};
use crate::world::ask::LogTail;
use crate::world::{Container, ContainerState, Event, Kind, ObjectRef, Pod, Role, Terminated, Text, Time};

use super::diagnosis::{Ctx, Diagnosis, Out, same};
use super::evidence::Sure;
use super::limits::seconds;
use super::log::{Tail, Want};
use super::registry::{Cause, causes};
use super::text::{bytes, nearest};
use super::{create, file_access, log, network_policy, node, reach, roles, running, volume};

const EXIT: &str = "container state and last termination; kubelet";
const WHY_CRASH: &str =
    "a restart loop serves nobody, loses work in flight, and hides its cause in a log that is soon gone";

causes! {
    OOM_LIMIT = "crash.oom-limit" Critical Watch("pods") tree "pod":
        "the kernel kills the container at its own memory limit",
        why WHY_CRASH, source EXIT;
    OOM_NODE = "crash.oom-node" Critical Watch("pods, events") tree "pod":
        "the kernel kills the container because the node runs out of memory",
        why WHY_CRASH, source "OOMKilled without or under a limit, event SystemOOM";
    LIVENESS = "crash.liveness" Critical Watch("pods, events") tree "pod":
        "the kubelet kills it because its liveness probe fails",
        why WHY_CRASH, source "events Killing and Unhealthy";
    STARTUP_PROBE = "crash.startup-probe" Critical Watch("pods, events") tree "pod":
        "the kubelet kills it because its startup probe never succeeds",
        why WHY_CRASH, source "events Killing and Unhealthy";
    APPLICATION = "crash.application" Critical Log("pods, previous log") tree "pod":
        "it exits by itself and nothing else explains it; exit code and last lines are quoted",
        why WHY_CRASH, source EXIT;
    INIT = "crash.init" Critical Log("pods, previous log") tree "pod":
        "an init container fails, with its own cause",
        why WHY_CRASH, source EXIT;
}

/// What runc says where the kernel kills a container before its program runs.
pub const OOM_KILLED_AT_START: &str = "container init was OOM-killed";

/// Lines of a log that are read.
const TAIL: u32 = 200;

pub fn judge(ctx: &Ctx, pod: &Pod, object: &ObjectRef, c: &Container, out: &mut Out) {
    let Some(crash) = crash_of(ctx, pod, c, out) else { return };
    let root = ctx.root(object);
    let end = crash.end;
    let since = crash.since;
    let source = format!("pod status, container {}", c.spec.name);
    let code = exit(end);
    let loops = match c.restarts {
        0 => String::new(),
        n => format!(", {n} restarts"),
    };

    let mut cause = APPLICATION;
    let mut title = format!("container {} exits with {code}", c.spec.name);
    let mut row = format!("exits with {code}");
    let mut more: Vec<(Text, String, ObjectRef, Option<Time>)> = Vec::new();
    let mut events: Vec<&Event> = Vec::new();
    let mut host: Option<String> = None;
    let mut told_by_log = false;
    let mut likely = false;
    let mut waits_for: Option<ObjectRef> = None;
    let mut missed_line: Option<String> = None;

    let killed = killing(ctx, pod, object, c, end);
    if out_of_memory(end) {
        // Without a limit of its own, a container has that of its pod.
        let whole = pod.spec.memory_limit.filter(|_| c.spec.limits.memory.is_none());
        let whose = if whole.is_some() { "its pod's" } else { "its" };
        match (c.spec.limits.memory.or(whole), system_oom(ctx, pod, end)) {
            (Some(limit), None) => {
                cause = OOM_LIMIT;
                let limit = bytes(limit);
                let how = if &*end.reason == "OOMKilled" { "OOMKilled" } else { "while it starts" };
                title = format!(
                    "container {} is killed at {whose} memory limit of {limit} ({how}, {code})",
                    c.spec.name
                );
                row = format!("OOM at {limit} limit");
                // An event would tell of a node without memory.
                likely = !ctx.listed(&[Kind::Event], &"".into());
                more.push((source.clone().into(), format!("limits.memory {limit}"), object.clone(), None));
            }
            (limit, system) => {
                cause = OOM_NODE;
                let why = match limit {
                    None => "it has no memory limit".to_owned(),
                    Some(l) => format!("under its limit of {}", bytes(l)),
                };
                title =
                    format!("container {} is killed because its node ran out of memory; {why}", c.spec.name);
                row = "OOM on the node".into();
                likely = system.is_none();
                events.extend(system);
            }
        }
    } else if let Some((found, t, r)) = create::start_error(c, end) {
        (cause, title, row) = (found, t, r);
    } else if let Some((found, kill)) = killed {
        let probe = if found == LIVENESS { "liveness" } else { "startup" };
        cause = found;
        title = format!("container {} is killed because its {probe} probe fails", c.spec.name);
        row = format!("{probe} probe fails");
        events.push(kill);
        let word = if probe == "liveness" { "Liveness probe" } else { "Startup probe" };
        events.extend(ctx.world.events_of(object).into_iter().find(|e| {
            same(&e.regarding_uid, &pod.meta.uid) && &*e.reason == "Unhealthy" && e.note.starts_with(word)
        }));
    } else if let Some(hook) = ctx.event(pod, object, &["FailedPostStartHook", "FailedPreStopHook"])
        && near(hook.last, end)
    {
        cause = create::HOOK;
        let which = if &*hook.reason == "FailedPostStartHook" { "postStart" } else { "preStop" };
        title = format!("{which} hook of container {} fails", c.spec.name);
        row = format!("{which} hook fails");
        events.push(hook);
    } else {
        // Everything else only its log can tell.
        told_by_log = true;
        let book = ctx.logs.get(&root, &pod.meta.name, &c.spec.name);
        if book.is_none_or(|b| b.restarts != c.restarts) {
            let previous = !matches!(c.state, ContainerState::Terminated(_));
            out.wants.push(Want {
                root: root.clone(),
                restarts: c.restarts,
                kind: Tail::Ended,
                tail: LogTail {
                    namespace: pod.meta.namespace.clone(),
                    pod: pod.meta.name.clone(),
                    container: c.spec.name.clone(),
                    previous,
                    tail: TAIL,
                },
            });
        }
        // The program's termination message, or the end of its log, which the kubelet puts there.
        let left = (!end.message.is_empty()).then(|| {
            log::read(&pod.meta.name, c.restarts, Ok(&end.message), end.finished.unwrap_or(ctx.now))
        });
        let left = left.as_ref().filter(|l| l.found.is_some() && book.is_none_or(|b| b.found.is_none()));
        let source = if left.is_some() { "termination message" } else { "log" };
        if let Some(book) = left.or(book) {
            if let Some(found) = &book.found {
                cause = found.cause;
                if cause == APPLICATION {
                    title = format!("container {} ends with {code}: {}", c.spec.name, found.title);
                } else if cause == node::GPU_VANISHED && c.spec.requests.gpu.is_none() {
                    // The node keeps its GPUs; this container has not asked for one.
                    cause = log::CONFIG;
                    title = format!("the program wants a GPU and container {} requests none", c.spec.name);
                } else {
                    title = found.title.clone();
                }
                row = found.row.clone();
                likely = found.sure == Sure::Likely && cause != APPLICATION;
                if let Some(path) = found.path.as_ref().filter(|_| cause == volume::PERMISSION) {
                    let refused = file_access::refused(pod, c, path);
                    (cause, title, row) = (refused.cause, refused.title, refused.row);
                    more.push(("pod spec".into(), refused.quote, object.clone(), None));
                }
                missed_line = Some(found.line.clone());
                waits_for = log::account(cause, &found.line);
                if let Some(named) = &found.host {
                    let named = reach::meant(ctx.world, &pod.meta.namespace, named, &found.line);
                    host = Some(named.to_owned());
                    waits_for = reach::service(ctx.world, &pod.meta.namespace, named);
                    more.extend(service_for(ctx, pod, named));
                    if let Some(ingress) = certificate_of(ctx, cause, named).filter(|_| waits_for.is_none()) {
                        more.push(serves(&ingress, named));
                        waits_for = Some(ingress);
                    }
                }
            }
            // A log that nobody could read may hold the cause.
            likely |= cause == APPLICATION && book.absent.is_some();
            for line in book.quotes() {
                let pod = ObjectRef::new(Kind::Pod, pod.meta.namespace.clone(), book.pod.clone());
                more.push((source.into(), line.to_owned(), pod, Some(book.at)));
            }
        }
    }
    // A kill for a probe or a hook stands in an event, and another pod of the workload may have said why.
    likely |=
        told_by_log && cause == APPLICATION && !ctx.listed(&[Kind::Event, Kind::Pod], &pod.meta.namespace);
    let ended = if end.message.is_empty() {
        format!("{} ({code}){loops}", if end.reason.is_empty() { "terminated" } else { &end.reason })
    } else {
        format!("{} ({code}){loops}: {}", end.reason, end.message)
    };

    let (own, detail) = (cause, title.clone());
    if c.spec.role == Role::Init {
        cause = INIT;
        title = format!("init container {} fails: {detail}", c.spec.name);
        row = format!("init {}: {row}", c.spec.name);
    }
    let mut signal = Diagnosis::new(cause, root.clone(), since);
    if told_by_log {
        signal.playbook = log::tree_of(&signal.playbook);
        // One log a workload and container: whatever it proves is still the same finding.
        signal = signal.family(&format!("crash.log {}", c.spec.name));
    }
    let named = host.clone();
    if let Some(host) = host {
        signal = signal.fold(format!("{cause} {host}"));
    }
    signal = signal.waits_for(waits_for);
    if cause == INIT && own != APPLICATION {
        signal = signal.evidence("cause", own.id(), object, None);
    }
    signal =
        signal.container(&c.spec.name).title(title).row(row).evidence(source, ended, object, end.finished);
    for event in events {
        signal = signal.event(event);
    }
    for (source, quote, object, at) in more {
        signal = signal.evidence(source, quote, &object, at);
    }
    if likely {
        signal = signal.likely();
    }
    if let Some(line) = missed_line {
        let name = own == log::UNREACHABLE && detail.contains("resolve");
        let service = signal.waits_for.clone();
        let asks = running::Asks { name, peer: own == log::UNREACHABLE, line: &line, host: named.as_deref() };
        signal = signal.likely_unless(running::may_judge(ctx, pod, &asks));
        if let Some(missed) = running::missed(ctx, &asks, service.as_ref()) {
            signal = network_policy::explain(ctx, pod, missed, signal);
        }
    }
    if !crash.down && c.restarts < ctx.limits.restarts {
        signal = signal.severity(super::evidence::Severity::Warning);
    }
    out.push(roles::adapt(ctx, pod, c, signal));
}

struct Crash<'a> {
    end: &'a Terminated,
    since: Time,
    /// It is not running at this moment.
    down: bool,
}

/// Whether the container is crashing, and by which end. A container that ended once and runs again is not, unless the
/// end alone proves a cause (OOM); one that ended again and again is until it has run for `stable` seconds.
fn crash_of<'a>(ctx: &Ctx, pod: &Pod, c: &'a Container, out: &mut Out) -> Option<Crash<'a>> {
    let proxy = roles::of(pod) == roles::Role::Proxy;
    match &c.state {
        ContainerState::Waiting { reason, .. } if &**reason == "CrashLoopBackOff" => {
            let end = c.last.as_deref()?;
            Some(Crash { end, since: first_end(ctx, pod, end), down: true })
        }
        ContainerState::Terminated(end) => {
            let restarts = match c.spec.role {
                Role::App => pod.spec.restart_always,
                Role::Sidecar => true,
                Role::Init | Role::Ephemeral => false,
            };
            if end.exit_code == 0 && !(restarts && c.restarts > 0) {
                return None;
            }
            // A first failure is often cured by the restart that follows it within a second.
            let telling = &*end.reason == "OOMKilled" || &*end.reason == "StartError";
            if c.restarts == 0 && restarts && !telling && !proxy {
                let wait = end.finished.unwrap_or(ctx.now).plus(seconds(10));
                if ctx.now < wait {
                    out.again(wait);
                    return None;
                }
            }
            Some(Crash { end, since: first_end(ctx, pod, end), down: true })
        }
        ContainerState::Running { since } => {
            let end = c.last.as_deref().filter(|_| c.restarts > 0)?;
            let finished = end.finished.or(*since)?;
            let window = if proxy { ctx.limits.proxy_window } else { ctx.limits.stable };
            let until = since.unwrap_or(finished).plus(seconds(window));
            if ctx.now >= until {
                return None;
            }
            let telling = &*end.reason == "OOMKilled";
            let seen = ctx.past.restarts(
                &pod.meta.uid,
                &c.spec.name,
                ctx.now.minus(seconds(ctx.limits.restart_window)),
            );
            let short = end
                .started
                .is_none_or(|s| s.0 <= 0 || finished.0 - s.0 < 1000 * ctx.limits.restart_window as i64);
            let loops = c.restarts >= ctx.limits.restarts && short || seen >= ctx.limits.restarts as usize;
            if !(telling || loops || proxy) {
                return None;
            }
            out.again(until);
            Some(Crash { end, since: first_end(ctx, pod, end), down: false })
        }
        _ => None,
    }
}

/// When the crashing began, as far as anything still tells: the first back-off event, else the last end.
fn first_end(ctx: &Ctx, pod: &Pod, end: &Terminated) -> Time {
    let object = super::pod::reference(pod);
    let event = ctx.event(pod, &object, &["BackOff"]).map(|e| e.first);
    let finished = end.finished.unwrap_or(ctx.now);
    event.map_or(finished, |e| e.min(finished))
}

/// The event that says the kubelet killed this container for a probe, near the time it ended.
fn killing<'w>(
    ctx: &'w Ctx,
    pod: &Pod,
    object: &ObjectRef,
    c: &Container,
    end: &Terminated,
) -> Option<(Cause, &'w Event)> {
    if c.spec.liveness.is_none() && c.spec.startup.is_none() {
        return None;
    }
    ctx.world
        .events_of(object)
        .into_iter()
        .filter(|e| same(&e.regarding_uid, &pod.meta.uid) && &*e.reason == "Killing")
        .filter(|e| {
            let grace = i64::from(pod.spec.grace) * 1000 + 30_000;
            // The kubelet stops repeating its events after a while; a container killed by a signal that was killed for
            // its probe before is killed for it still.
            let signalled = matches!(end.exit_code, 137 | 143) && e.last >= ctx.now.minus(seconds(3600));
            signalled || end.finished.is_none_or(|f| (e.last.0 - f.0).abs() <= grace)
        })
        .find_map(|e| {
            let (name, kind) = killed_for(&e.note)?;
            let cause = match kind {
                ProbeKind::Liveness => LIVENESS,
                _ => STARTUP_PROBE,
            };
            (*name == *c.spec.name).then_some((cause, e))
        })
}

/// The kubelet's word of a system OOM on the pod's node around the time the container ended. Node Problem Detector's
/// `OOMKilling` is written for every kill, those at a container's own limit included: it proves nothing.
fn system_oom<'w>(ctx: &'w Ctx, pod: &Pod, end: &Terminated) -> Option<&'w Event> {
    let node = Ctx::node_ref(&pod.node);
    ctx.world
        .events_of(&node)
        .into_iter()
        .find(|e| &*e.reason == "SystemOOM" && &*e.source == "kubelet" && near(e.last, end))
}

/// Whether the kernel killed it for its memory. A limit too small for the runtime's own start ends in a `StartError`.
fn out_of_memory(end: &Terminated) -> bool {
    &*end.reason == "OOMKilled" || end.message.contains(OOM_KILLED_AT_START)
}

fn near(at: Time, end: &Terminated) -> bool {
    end.finished.is_none_or(|f| (at.0 - f.0).abs() <= 60_000)
}

/// The fault behind an exit code of 128 and a signal's number, where the signal says what went wrong.
fn fault(code: i32) -> Option<&'static str> {
    match code {
        132 => Some("illegal instruction"),
        135 => Some("bus error"),
        136 => Some("arithmetic fault"),
        139 => Some("segmentation fault"),
        _ => None,
    }
}

fn exit(end: &Terminated) -> String {
    match (end.signal, end.exit_code) {
        (s, _) if s != 0 => format!("signal {s}"),
        (_, code) => match fault(code) {
            Some(what) => format!("exit code {code}: {what}"),
            None => format!("exit code {code}"),
        },
    }
}

/// The Ingress whose certificate a TLS fault is about, where the host is one of this cluster's.
pub(super) fn certificate_of(ctx: &Ctx, cause: Cause, host: &str) -> Option<ObjectRef> {
    let tls = cause.starts_with("cert.") || cause == log::LOG_TLS;
    tls.then(|| reach::ingress(ctx.world, host)).flatten()
}

/// The evidence that the host is the Ingress's.
pub(super) fn serves(ingress: &ObjectRef, host: &str) -> (Text, String, ObjectRef, Option<Time>) {
    (
        "ingress spec".into(),
        format!("Ingress {} has the certificate for {host}", ingress.name),
        ingress.clone(),
        None,
    )
}

/// Whether the Service that a log names exists, and which one looks like it.
pub(super) fn service_for(
    ctx: &Ctx,
    pod: &Pod,
    host: &str,
) -> Option<(Text, String, ObjectRef, Option<Time>)> {
    let object = reach::service(ctx.world, &pod.meta.namespace, host)?;
    let (namespace, name) = (&*object.namespace, &*object.name);
    let quote = match ctx.world.services.find(namespace, name) {
        Some(_) => format!("Service {name} exists in namespace {namespace}"),
        None => {
            let names: Vec<&Text> = ctx
                .world
                .services
                .values()
                .filter(|s| &*s.meta.namespace == namespace)
                .map(|s| &s.meta.name)
                .collect();
            match nearest(name, names.into_iter()) {
                Some(like) => format!("no Service {name} in namespace {namespace}; there is {like}"),
                None => format!("no Service {name} in namespace {namespace}"),
            }
        }
    };
    Some(("services".into(), quote, object, None))
}
