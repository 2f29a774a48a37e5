//! SyncPod: the next step for a pod, and the timers that trigger it.
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::{Place, PodTimer, State};
use super::{crash, probe, start, status, stop};
use crate::cluster::engine::{Engine, Timer};
use crate::cluster::events::{Said, Source};
use crate::cluster::object::{list, text};

/// The time from a pod's arrival to its sandbox.
const SANDBOX: Duration = Duration::from_millis(260);
/// The attach controller's retry interval for a volume on another node.
const DETACH: Duration = Duration::from_secs(15);
/// The kubelet's retry interval for a failed pod.
const RETRY: Duration = Duration::from_secs(10);

pub(in crate::cluster) fn pod_timer(engine: &mut Engine, uid: &Arc<str>, what: PodTimer) {
    let Some(run) = engine.runs.get(uid) else { return };
    if !engine.machines.get(&run.node).is_some_and(|m| m.kubelet) {
        // A stopped kubelet does nothing; it finds ended containers when it returns.
        if !matches!(what, PodTimer::Probe(..) | PodTimer::Sync(_)) {
            engine.after(Duration::from_secs(5), Timer::Pod(uid.clone(), what));
        }
        return;
    }
    let asks_runtime =
        !matches!(what, PodTimer::Probe(..) | PodTimer::Sync(_) | PodTimer::Finish | PodTimer::Remove);
    if asks_runtime && engine.machines.get(&run.node).is_some_and(|m| !m.runtime) {
        // Without the runtime no container starts or ends, and no state is known.
        engine.after(Duration::from_secs(5), Timer::Pod(uid.clone(), what));
        return;
    }
    match what {
        PodTimer::Sandbox => sandbox_made(engine, uid),
        PodTimer::Pulled(c) => start::pulled(engine, uid, c),
        PodTimer::PullFailed(c) => start::pull_failed(engine, uid, c),
        PodTimer::Create(c) => start::create_container(engine, uid, c),
        PodTimer::Started(c) => start::container_started(engine, uid, c),
        PodTimer::Sync(token) if token == run.resync => sync_pod(engine, uid),
        PodTimer::Sync(_) => {}
        PodTimer::Exit(c, attempt) => crash::container_exits(engine, uid, c, attempt),
        PodTimer::Probe(c, attempt, kind, token) => probe::probe(engine, uid, c, attempt, kind, token),
        PodTimer::Stopped(c, attempt, code) => stop::container_stopped(engine, uid, c, attempt, code),
        PodTimer::Finish => stop::finish_pod(engine, uid),
        PodTimer::Remove => stop::remove_pod(engine, uid),
    }
}

/// Schedules the next sync; it replaces an earlier one.
pub(in crate::cluster) fn resync(engine: &mut Engine, uid: &Arc<str>, wait: Duration) {
    let Some(run) = engine.runs.get_mut(uid) else { return };
    run.resync += 1;
    let token = run.resync;
    engine.after(wait, Timer::Pod(uid.clone(), PodTimer::Sync(token)));
}

pub(in crate::cluster) fn retry(engine: &mut Engine, uid: &Arc<str>) {
    let wait = engine.chance.jitter(RETRY, 0.5);
    resync(engine, uid, wait);
}

/// Reports the pod, then takes the next step. Like a real kubelet, it reports new findings at the next sync.
pub(in crate::cluster) fn sync_pod(engine: &mut Engine, uid: &Arc<str>) {
    status::report(engine, uid);
    let Some(run) = engine.runs.get(uid) else { return };
    if run.done || run.stopping.is_some() || run.busy {
        return;
    }
    if !run.sandbox {
        if volumes_ready(engine, uid) {
            make_sandbox(engine, uid);
        }
        return;
    }
    next_container(engine, uid);
}

/// Starts the first container that should run and does not.
fn next_container(engine: &mut Engine, uid: &Arc<str>) {
    let Some(run) = engine.runs.get(uid) else { return };
    let policy = run.restart_policy().to_owned();
    let inits = run.inits;
    // Like the kubelet: before all others, and once.
    let debug: Vec<usize> = (0..run.containers.len())
        .filter(|i| {
            run.containers[*i].place == Place::Ephemeral && run.containers[*i].state == State::Waiting
        })
        .collect();
    for i in debug {
        if start::try_start(engine, uid, i) {
            return;
        }
    }
    for i in 0..inits {
        let Some(c) = engine.runs.get(uid).and_then(|r| r.containers.get(i)) else { return };
        let blocked = match (&c.state, c.sidecar) {
            (State::Running(_), true) => !c.started,
            (State::Running(_), false) => true,
            (State::Ended(e), false) if e.code == 0 => false,
            (State::Ended(_), false) if policy == "Never" => {
                stop::finish_pod(engine, uid);
                return;
            }
            (State::Ended(_), true) => {
                if start::try_start(engine, uid, i) {
                    return;
                }
                false
            }
            _ => {
                start::try_start(engine, uid, i);
                return;
            }
        };
        if blocked {
            return;
        }
    }
    let count = engine.runs.get(uid).map_or(0, |r| r.containers.iter().filter(|c| c.main()).count()) + inits;
    let mut over = true;
    for i in inits..count {
        let Some(c) = engine.runs.get(uid).and_then(|r| r.containers.get(i)) else { return };
        let again = match &c.state {
            State::Running(_) => {
                over = false;
                continue;
            }
            State::Waiting => true,
            State::Ended(e) => match policy.as_str() {
                "Never" => false,
                "OnFailure" => e.code != 0,
                _ => true,
            },
        };
        if again {
            over = false;
            if start::try_start(engine, uid, i) {
                return;
            }
        }
    }
    if over && count > inits {
        engine.after(Duration::from_millis(900), Timer::Pod(uid.clone(), PodTimer::Finish));
    }
}

fn make_sandbox(engine: &mut Engine, uid: &Arc<str>) {
    let Some(run) = engine.runs.get_mut(uid) else { return };
    let Some(machine) = engine.machines.get(&run.node) else { return };
    let (node, pod) = (run.node.clone(), run.pod.clone());
    let host = crate::cluster::object::flag(&pod, "/spec/hostNetwork");
    let problem = if !machine.runtime {
        Some(crate::cluster::machines::NO_RUNTIME.to_owned())
    } else if !machine.network && !host {
        None
    } else {
        run.busy = true;
        engine.after(SANDBOX, Timer::Pod(uid.clone(), PodTimer::Sandbox));
        return;
    };
    run.sandbox_failures += 1;
    match problem {
        Some(why) => {
            let text = format!("Failed to create pod sandbox: {why}");
            kubelet_event(engine, &node, &pod, None, "Warning", "FailedCreatePodSandBox", &text);
        }
        None => {
            let text = "network is not ready: container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized";
            kubelet_event(engine, &node, &pod, None, "Warning", "NetworkNotReady", text);
        }
    }
    retry(engine, uid);
}

fn sandbox_made(engine: &mut Engine, uid: &Arc<str>) {
    let Some(run) = engine.runs.get_mut(uid) else { return };
    run.busy = false;
    if run.stopping.is_some() {
        return;
    }
    run.sandbox = true;
    if let Some(machine) = engine.machines.get_mut(&run.node) {
        run.ip = Some(if crate::cluster::object::flag(&run.pod, "/spec/hostNetwork") {
            machine.internal_ip.clone()
        } else {
            machine.next_ip = machine.next_ip % 253 + 1;
            format!("{}.{}", machine.pod_net, machine.next_ip + 1)
        });
    }
    sync_pod(engine, uid);
}

/// Whether the pod's volumes are mounted. If not, it reports that and schedules a retry.
fn volumes_ready(engine: &mut Engine, uid: &Arc<str>) -> bool {
    let Some(run) = engine.runs.get(uid) else { return false };
    let (pod, node, key) = (run.pod.clone(), run.node.clone(), run.key.clone());
    let exists = |resource: &str, name: &str| engine.cache.find(resource, &key.ns, name).is_some();
    let mut missing = None;
    if let Some((volume, user)) = attached_elsewhere(engine, uid) {
        let said =
            format!("Multi-Attach error for volume {volume:?} Volume is already used by pod(s) {user}");
        engine.event(
            Source::Controller("attachdetach-controller"),
            &pod,
            "Warning",
            "FailedAttachVolume",
            &said,
        );
        resync(engine, uid, DETACH);
        return false;
    }
    for volume in list(&pod, "/spec/volumes") {
        let optional = |p: &str| crate::cluster::object::flag(volume, p);
        let secret = text(volume, "/secret/secretName");
        let map = text(volume, "/configMap/name");
        let why = if !secret.is_empty() && !optional("/secret/optional") && !exists("secrets", secret) {
            format!("secret {secret:?} not found")
        } else if !map.is_empty() && !optional("/configMap/optional") && !exists("configmaps", map) {
            format!("configmap {map:?} not found")
        } else {
            continue;
        };
        missing = Some(format!("MountVolume.SetUp failed for volume {:?} : {why}", text(volume, "/name")));
        break;
    }
    let Some(message) = missing else { return true };
    let Some(run) = engine.runs.get_mut(uid) else { return false };
    // The volume manager's back-off: half a second, doubling to two minutes.
    let wait = Duration::from_millis(500 << run.mount_failures.min(8)).min(Duration::from_secs(122));
    run.mount_failures += 1;
    kubelet_event(engine, &node, &pod, None, "Warning", "FailedMount", &message);
    resync(engine, uid, wait);
    false
}

/// A single-node volume of the pod that is attached to another node, and the pod that uses it there.
fn attached_elsewhere(engine: &Engine, uid: &Arc<str>) -> Option<(String, String)> {
    let run = engine.runs.get(uid)?;
    let claims = |run: &super::PodRun| -> Vec<String> {
        let names = list(&run.pod, "/spec/volumes").iter();
        names
            .map(|v| text(v, "/persistentVolumeClaim/claimName").to_owned())
            .filter(|n| !n.is_empty())
            .collect()
    };
    for name in claims(run) {
        let Some(claim) = engine.cache.find("persistentvolumeclaims", &run.key.ns, &name) else { continue };
        if list(claim, "/spec/accessModes").iter().any(|m| m == "ReadWriteMany" || m == "ReadOnlyMany") {
            continue;
        }
        let others =
            engine.runs.values().filter(|r| r.sandbox && r.node != run.node && r.key.ns == run.key.ns);
        let mut users: Vec<&str> =
            others.filter(|r| claims(r).contains(&name)).map(|r| &*r.key.name).collect();
        users.sort_unstable();
        if let Some(user) = users.first() {
            return Some((text(claim, "/spec/volumeName").to_owned(), (*user).to_owned()));
        }
    }
    None
}

pub(in crate::cluster) fn kubelet_event(
    engine: &mut Engine,
    node: &str,
    pod: &Value,
    field: Option<&str>,
    kind: &str,
    reason: &str,
    message: &str,
) {
    let said = Said { kind, reason, message, field, action: "" };
    let now = engine.now();
    engine.recorder.record(&engine.store, now, Source::Kubelet(node), pod, &said);
}

/// An event about one container of a pod.
pub(in crate::cluster) fn container_event(
    engine: &mut Engine,
    uid: &Arc<str>,
    c: usize,
    kind: &str,
    reason: &str,
    message: &str,
) {
    let Some(run) = engine.runs.get(uid) else { return };
    let Some(container) = run.containers.get(c) else { return };
    let (node, pod, field) = (run.node.clone(), run.pod.clone(), container.field());
    kubelet_event(engine, &node, &pod, Some(&field), kind, reason, message);
}
