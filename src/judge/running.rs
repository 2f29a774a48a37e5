//! Containers that run in pods that are odd in some way: errors that their logs repeat, and what they wait for.

use std::time::Duration;

use crate::world::ask::LogTail;
use crate::world::{Container, ContainerState, Event, Kind, ObjectRef, Phase, Pod, Role, Time};

use super::diagnosis::{Ctx, Diagnosis, Out, same};
use super::evidence::{Severity, Sure};
use super::log::{Repeated, RunningAnswer, Tail, Want};
use super::network_policy::{self, Missed};
use super::{crash, dependency, file_access, gpu, log, node, reach, ready};

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
pub(super) const FAMILY: &str = "running.log";

/// Judges what the logs of a running pod repeat, where something else about the pod is odd or someone asked for it.
pub fn judge(ctx: &Ctx, pod: &Pod, object: &ObjectRef, out: &mut Out) {
    let starting = pod.phase == Phase::Pending;
    if !(starting || pod.phase == Phase::Running) || pod.node.is_empty() {
        return;
    }
    if ctx.diagnosed.of(object).iter().any(|key| key.family.starts_with("crash.")) {
        return;
    }
    let odd = odd(ctx, pod, object);
    let asked = ctx.is_asked(object);
    let sampled = ctx.sampled.contains(object);
    if !(odd || asked || sampled) {
        return;
    }
    for (c, since) in pod.containers.iter().filter_map(|c| running(c, starting)) {
        // A container that has just started has said little, and one that keeps ending is judged by its last run.
        let settled = since.plus(SETTLING);
        if ctx.now < settled {
            out.again(settled);
            continue;
        }
        let answer = ctx.logs.running(object, &c.spec.name);
        let due = answer.is_none_or(|a| (odd || asked) && a.at.plus(AGAIN) <= ctx.now);
        if due {
            out.wants.push(Want {
                root: object.clone(),
                restarts: c.restarts,
                kind: if asked { Tail::Asked } else { Tail::Running },
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
        let answer = answer.filter(|a| a.restarts == c.restarts);
        if c.spec.role == Role::Init {
            out.push(starts(ctx, pod, object, c, since, answer));
            continue;
        }
        let Some(answer) = answer else { continue };
        // Where nothing else is odd, only what a known wording proves counts.
        let tells = |r: &&Repeated| odd || asked || r.sure == Sure::Proved;
        for repeated in answer.repeated.iter().filter(tells).take(REPORTED) {
            out.push(diagnosis(ctx, pod, object, c, repeated, answer.at));
        }
    }
}

/// A container that runs, and since when: App or Sidecar, and Init in a pod that is still starting.
fn running(c: &Container, starting: bool) -> Option<(&Container, Time)> {
    let counts = match c.spec.role {
        Role::App | Role::Sidecar => true,
        Role::Init => starting,
        Role::Ephemeral => false,
    };
    match &c.state {
        ContainerState::Running { since } if counts => Some((c, since.unwrap_or(Time(0)))),
        _ => None,
    }
}

/// An init container that has run for a while: what it waits for, or that it is at work.
fn starts(
    ctx: &Ctx,
    pod: &Pod,
    object: &ObjectRef,
    c: &Container,
    since: Time,
    answer: Option<&RunningAnswer>,
) -> Diagnosis {
    dependency::waiting(ctx, pod, object, c, since, answer).unwrap_or_else(|| {
        Diagnosis::new(ready::STARTING, ctx.root(object), since)
            .container(&c.spec.name)
            .title(format!("init container {} is at work", c.spec.name))
            .row("starting")
            .likely_unless(answer.is_none_or(|a| a.absent.is_none()))
            .evidence("pod status", format!("init container running since {since}"), object, Some(since))
    })
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
    let starting = pod.phase == Phase::Pending;
    pod.containers.iter().any(|c| running(c, starting).is_some_and(unready) || restarted(c))
        || troubled()
        || told()
        // A program that fails for lack of GPU memory may go on and say so in its log alone.
        || gpu::is_nearly_full(ctx, pod)
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
    let severity = if pod.ready || cause == log::LOG_ERROR { Severity::Warning } else { Severity::Critical };
    let mut signal = Diagnosis::new(cause, ctx.root(object), since)
        .family(&format!("{FAMILY} {} {cause}", c.spec.name))
        .severity(severity)
        .container(&c.spec.name)
        .title(title)
        .row(&repeated.row)
        .evidence("log", &repeated.line, object, repeated.last.or(Some(at)))
        .evidence("log", repeated.counted(), object, Some(at));
    signal.playbook = log::tree_of(&signal.playbook);
    if repeated.sure == Sure::Likely {
        signal = signal.likely();
    }
    if let Some(path) = repeated.path.as_ref().filter(|_| cause == log::LOG_PERMISSION) {
        let refused = file_access::refused(pod, c, path);
        signal = signal.evidence("pod spec", refused.quote, object, None);
    }
    let named = repeated.host.as_deref();
    let named = named.map(|h| reach::meant(ctx.world, &pod.meta.namespace, h, &repeated.line));
    if let Some(host) = named {
        signal = signal.fold(format!("{cause} {host}"));
        let ingress = || crash::certificate_of(ctx, cause, host).map(|i| crash::serves(&i, host));
        if let Some((source, quote, of, at)) = crash::service_for(ctx, pod, host).or_else(ingress) {
            signal = signal.evidence(source, quote, &of, at).waits_for(Some(of.clone()));
        }
    }
    if signal.waits_for.is_none() {
        signal = signal.waits_for(log::account(cause, &repeated.line));
    }
    let asks = Asks {
        name: cause == log::LOG_DNS,
        peer: cause == log::LOG_REFUSED,
        line: &repeated.line,
        host: named,
    };
    let service = signal.waits_for.clone();
    signal = signal.likely_unless(may_judge(ctx, pod, &asks));
    match missed(ctx, &asks, service.as_ref()) {
        Some(missed) => network_policy::explain(ctx, pod, missed, signal),
        None => signal,
    }
}

/// A line of a log about a name or a peer that the pod could not reach.
pub struct Asks<'a> {
    /// A name that does not resolve.
    pub name: bool,
    /// A peer that does not answer.
    pub peer: bool,
    pub line: &'a str,
    pub host: Option<&'a str>,
}

/// Words of a server that was reached.
const ANSWERED: &[&str] = &["NXDOMAIN", "no such host", "ENOTFOUND", "refused", "REFUSED"];

/// Whether all is known that decides if a policy, and not the peer, is why the line was printed.
pub fn may_judge(ctx: &Ctx, pod: &Pod, asks: &Asks) -> bool {
    let policies = &[Kind::NetworkPolicy, Kind::Namespace, Kind::Service];
    let open = (asks.name || asks.peer) && !ANSWERED.iter().any(|w| asks.line.contains(w));
    !open || ctx.listed(policies, &pod.meta.namespace)
}

/// The peer that a line says the pod cannot reach, where a policy may be why: a server that answers "no such name" was
/// reached.
pub fn missed<'a>(ctx: &Ctx, asks: &Asks<'a>, service: Option<&'a ObjectRef>) -> Option<Missed<'a>> {
    if ANSWERED.iter().any(|w| asks.line.contains(w)) {
        return None;
    }
    if asks.name {
        return Some(Missed::Names);
    }
    if !asks.peer {
        return None;
    }
    match (service, asks.host) {
        (Some(service), _) => Some(Missed::Service(service)),
        // An address of the cluster is somebody else's to explain.
        (None, Some(host)) => {
            let port = asks.line.split_once(host).and_then(|(_, rest)| {
                let rest = rest.trim_start_matches(']').strip_prefix(':')?;
                let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                rest[..digits].parse::<u16>().ok()
            });
            let inside = ctx.world.pods.values().any(|p| &*p.ip == host)
                || ctx.world.nodes.values().any(|n| &*n.internal_ip == host);
            (!inside && leaves_cluster(ctx, host)).then_some(Missed::Outside(host, port))
        }
        (None, None) => None,
    }
}

/// Whether a host is an address or a name of the outside world. `db-0.db` is a pod behind a headless Service.
fn leaves_cluster(ctx: &Ctx, host: &str) -> bool {
    if host.parse::<std::net::IpAddr>().is_ok() {
        return true;
    }
    let Some(domain) = host.split('.').nth(1) else { return false };
    !host.contains(".svc") && !ctx.world.services.values().any(|s| &*s.meta.name == domain)
}
