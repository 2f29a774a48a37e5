//! Stops containers that failed a probe, and pods that are deleted or evicted.
use std::sync::Arc;
use std::time::Duration;

use super::{PodTimer, State, Stopping};
use super::{crash, run, status};
use crate::cluster::engine::{Engine, Timer};

/// The time a well-behaved program needs to exit after SIGTERM.
const OBEYS: Duration = Duration::from_millis(350);
/// The time between the end of the last container and the end of the pod.
const CLEAN: Duration = Duration::from_millis(420);

/// Stops one container; the pod stays and restarts it.
pub(in crate::cluster) fn kill_container(engine: &mut Engine, uid: &Arc<str>, c: usize, why: &str) {
    run::container_event(engine, uid, c, "Normal", "Killing", why);
    let grace = engine.runs.get(uid).map_or(Duration::ZERO, super::PodRun::grace);
    ask_to_stop(engine, uid, c, grace);
}

/// Sends SIGTERM; SIGKILL follows after the grace period.
fn ask_to_stop(engine: &mut Engine, uid: &Arc<str>, c: usize, grace: Duration) {
    let Some(container) = engine.runs.get(uid).and_then(|r| r.containers.get(c)) else { return };
    let stubborn = container.run.as_ref().is_some_and(|r| r.behaviour.ignores_term);
    let (wait, code) = if stubborn || grace < OBEYS { (grace, 137) } else { (OBEYS, 143) };
    let attempt = container.attempt;
    engine.after(wait, Timer::Pod(uid.clone(), PodTimer::Stopped(c, attempt, code)));
}

pub(in crate::cluster) fn container_stopped(
    engine: &mut Engine,
    uid: &Arc<str>,
    c: usize,
    attempt: u32,
    code: i32,
) {
    let Some(container) = engine.runs.get(uid).and_then(|r| r.containers.get(c)) else { return };
    if container.attempt != attempt || !container.running() {
        return;
    }
    crash::end_container(engine, uid, c, code, "Error", String::new());
    let stopping = engine.runs.get(uid).is_some_and(|r| r.stopping.is_some());
    if !stopping {
        run::sync_pod(engine, uid);
    } else if engine.runs.get(uid).is_some_and(|r| r.containers.iter().all(|c| !c.running())) {
        finish_pod(engine, uid);
    }
}

/// Stops a whole pod that is deleted, or (with a verdict) evicted by its kubelet.
pub(in crate::cluster) fn stop_pod(
    engine: &mut Engine,
    uid: &Arc<str>,
    verdict: Option<(String, String, Duration)>,
) {
    let now = engine.now();
    let Some(run) = engine.runs.get_mut(uid) else { return };
    let grace = verdict.as_ref().map_or_else(|| run.grace(), |v| v.2);
    run.stopping = Some(Stopping { since: now, grace });
    run.verdict = verdict.map(|v| (v.0, v.1));
    let running: Vec<(usize, String)> = run
        .containers
        .iter()
        .enumerate()
        .filter(|(_, c)| matches!(c.state, State::Running(_)))
        .map(|(i, c)| (i, c.name.clone()))
        .collect();
    if running.is_empty() {
        status::report(engine, uid);
        engine.after(Duration::from_millis(800), Timer::Pod(uid.clone(), PodTimer::Finish));
        return;
    }
    for (c, name) in running {
        run::container_event(engine, uid, c, "Normal", "Killing", &format!("Stopping container {name}"));
        ask_to_stop(engine, uid, c, grace);
    }
    status::report(engine, uid);
}

/// Sets the final phase after all containers have ended.
pub(in crate::cluster) fn finish_pod(engine: &mut Engine, uid: &Arc<str>) {
    let Some(run) = engine.runs.get_mut(uid) else { return };
    if run.done {
        return;
    }
    run.done = true;
    run.sandbox = false;
    run.busy = false;
    let stopping = run.stopping.is_some();
    let deleting = crate::cluster::object::deleting(&run.pod);
    status::report(engine, uid);
    if stopping && deleting {
        engine.after(CLEAN, Timer::Pod(uid.clone(), PodTimer::Remove));
    }
}

pub(in crate::cluster) fn remove_pod(engine: &mut Engine, uid: &Arc<str>) {
    let Some(run) = engine.runs.get(uid) else { return };
    let key = run.key.clone();
    if engine.cache.get("pods", &key).is_some_and(|p| crate::cluster::object::uid(p) == &**uid) {
        engine.store.remove("pods", &key.ns, &key.name);
    }
    engine.runs.remove(uid);
}
