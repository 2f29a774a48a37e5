//! How containers end: by themselves, at their memory limit, or by their kubelet.
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{Ended, PodTimer, Run, State, spec_of};
use super::{pressure, probe, run, start, status};
use crate::cluster::engine::{Engine, Timer};
use crate::cluster::object::amount;

/// Schedules the end of a run: its own exit or the memory limit, whichever comes first.
pub(in crate::cluster) fn plan_exit(engine: &mut Engine, uid: &Arc<str>, c: usize) {
    let now = engine.now();
    let Some((run, attempt)) = engine.runs.get(uid).and_then(|r| {
        let container = r.containers.get(c)?;
        Some((container.run.as_ref()?.clone(), container.attempt))
    }) else {
        return;
    };
    let limit = memory_limit(engine, uid, c);
    let exit = run.behaviour.exit.as_ref().map(|e| e.after.duration());
    let oom = limit.and_then(|limit| run.behaviour.memory.as_ref()?.reaches(limit));
    let Some(after) = [exit, oom].into_iter().flatten().min() else { return };
    let wait = after.saturating_sub(run.elapsed(now));
    engine.after(wait, Timer::Pod(uid.clone(), PodTimer::Exit(c, attempt)));
}

/// The container's memory limit in bytes.
pub(in crate::cluster) fn memory_limit(engine: &Engine, uid: &Arc<str>, c: usize) -> Option<f64> {
    let run = engine.runs.get(uid)?;
    let container = run.containers.get(c)?;
    let spec = spec_of(run, container)?;
    amount(spec.pointer("/resources/limits/memory")?)
}

pub(in crate::cluster) fn replan_exits(engine: &mut Engine, uid: &Arc<str>) {
    let count = engine.runs.get(uid).map_or(0, |r| r.containers.len());
    for c in 0..count {
        let running = engine.runs.get(uid).and_then(|r| r.containers.get(c)).is_some_and(|c| c.running());
        if running {
            plan_exit(engine, uid, c);
        }
    }
    status::report(engine, uid);
}

/// Runs at the scheduled time and checks whether the run ends now.
pub(in crate::cluster) fn container_exits(engine: &mut Engine, uid: &Arc<str>, c: usize, attempt: u32) {
    let now = engine.now();
    let limit = memory_limit(engine, uid, c);
    let Some(container) = engine.runs.get(uid).and_then(|r| r.containers.get(c)) else { return };
    if !container.running() || container.attempt != attempt {
        return;
    }
    let Some(run) = &container.run else { return };
    // One millisecond of tolerance for rounded times.
    let elapsed = run.elapsed(now) + Duration::from_millis(1);
    let oom =
        limit.and_then(|limit| run.behaviour.memory.as_ref()?.reaches(limit)).is_some_and(|at| at <= elapsed);
    let exit = run.behaviour.exit.as_ref().filter(|e| e.after.duration() <= elapsed);
    let (code, reason, message) = match (oom, exit) {
        (true, _) => (137, "OOMKilled", String::new()),
        (false, Some(e)) => {
            (e.code, if e.code == 0 { "Completed" } else { "Error" }, e.message.clone().unwrap_or_default())
        }
        (false, None) => return,
    };
    end_container(engine, uid, c, code, reason, message);
    run::sync_pod(engine, uid);
}

/// Ends a container's run.
pub(in crate::cluster) fn end_container(
    engine: &mut Engine,
    uid: &Arc<str>,
    c: usize,
    code: i32,
    reason: &str,
    message: String,
) {
    let now = engine.now();
    let Some(container) = engine.runs.get_mut(uid).and_then(|r| r.containers.get_mut(c)) else { return };
    let started = match container.state {
        State::Running(at) => Some(at),
        _ => None,
    };
    if let Some(run) = &mut container.run {
        run.ended = Some(now);
    }
    container.state = State::Ended(Ended {
        code,
        reason: reason.to_owned(),
        message,
        started,
        finished: Some(now),
        id: container.id.clone(),
    });
    container.ready = false;
    container.started = false;
    container.reason = None;
    container.probes = Default::default();
    if code == 0 {
        leave_files(engine, uid, c);
    }
}

/// Stores the files that the container leaves behind.
fn leave_files(engine: &mut Engine, uid: &Arc<str>, c: usize) {
    let now = engine.now();
    let Some(run) = engine.runs.get_mut(uid) else { return };
    let Some(container) = run.containers.get(c) else { return };
    let Some(behaviour) = container.run.as_ref().map(|r| r.behaviour.clone()) else { return };
    for (path, spec) in &behaviour.leaves {
        if let Some((volume, inside)) = run.containers.get(c).and_then(|c| run.mount(c, path)) {
            run.volumes.entry(volume).or_default().put(&inside, spec.content(path), now);
        }
    }
    let node = run.node.clone();
    pressure::watch_usage(engine, &node);
}

/// Whether a behaviour depends on the number of ready siblings.
pub(in crate::cluster) fn load_is_shared(engine: &Engine) -> bool {
    engine.behaviours.iter().any(|b| b.matches.ready.is_some())
}

/// Applies changed behaviours to running containers at once. Their times count from now.
pub(in crate::cluster) fn rematch(engine: &mut Engine) {
    let now = engine.now();
    let mut uids: Vec<Arc<str>> = engine.runs.keys().cloned().collect();
    uids.sort();
    let mut nodes = BTreeSet::new();
    for uid in uids {
        let count = engine.runs.get(&uid).map_or(0, |r| r.containers.len());
        for c in 0..count {
            let fits = start::behaviour_for(engine, &uid, c);
            let Some(container) = engine.runs.get_mut(&uid).and_then(|r| r.containers.get_mut(c)) else {
                continue;
            };
            let running = container.running();
            let Some(run) = container.run.as_mut().filter(|r| running && !Arc::ptr_eq(&r.behaviour, &fits))
            else {
                continue;
            };
            *run = Run { behaviour: fits, started: run.started, since: now, ended: None };
            nodes.extend(engine.runs.get(&uid).map(|r| r.node.clone()));
            plan_exit(engine, &uid, c);
            probe::wake_probes(engine, &uid, c);
        }
    }
    for node in nodes {
        pressure::watch_usage(engine, &node);
    }
}
