//! Stopping: single containers that failed a probe, whole pods that are deleted or evicted, and their end.
use std::sync::Arc;
use std::time::Duration;

use super::super::engine::{Engine, Timer};
use super::{PodTimer, State, Stopping};

/// What a well-behaved program takes to end on SIGTERM.
const OBEYS: Duration = Duration::from_millis(350);
/// Between the last container's end and the pod's.
const CLEAN: Duration = Duration::from_millis(420);

impl Engine {
    /// Stops a container for its own sake; the pod lives on and starts it again.
    pub(super) fn kill_container(&mut self, uid: &Arc<str>, c: usize, why: &str) {
        self.container_event(uid, c, "Normal", "Killing", why);
        let grace = self.runs.get(uid).map_or(Duration::ZERO, super::PodRun::grace);
        self.ask_to_stop(uid, c, grace);
    }

    /// Sends SIGTERM; SIGKILL follows after the grace.
    fn ask_to_stop(&mut self, uid: &Arc<str>, c: usize, grace: Duration) {
        let Some(container) = self.runs.get(uid).and_then(|r| r.containers.get(c)) else { return };
        let stubborn = container.run.as_ref().is_some_and(|r| r.behaviour.ignores_term);
        let (wait, code) = if stubborn || grace < OBEYS { (grace, 137) } else { (OBEYS, 143) };
        let attempt = container.attempt;
        self.after(wait, Timer::Pod(uid.clone(), PodTimer::Stopped(c, attempt, code)));
    }

    pub(super) fn container_stopped(&mut self, uid: &Arc<str>, c: usize, attempt: u32, code: i32) {
        let Some(container) = self.runs.get(uid).and_then(|r| r.containers.get(c)) else { return };
        if container.attempt != attempt || !container.running() {
            return;
        }
        self.end_container(uid, c, code, "Error", String::new());
        let stopping = self.runs.get(uid).is_some_and(|r| r.stopping.is_some());
        if !stopping {
            self.sync_pod(uid);
        } else if self.runs.get(uid).is_some_and(|r| r.containers.iter().all(|c| !c.running())) {
            self.finish_pod(uid);
        }
    }

    /// Stops a whole pod: it was deleted, or (with a verdict) its kubelet evicts it.
    pub(in super::super) fn stop_pod(&mut self, uid: &Arc<str>, verdict: Option<(String, String, Duration)>) {
        let now = self.now();
        let Some(run) = self.runs.get_mut(uid) else { return };
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
            self.report(uid);
            self.after(Duration::from_millis(800), Timer::Pod(uid.clone(), PodTimer::Finish));
            return;
        }
        for (c, name) in running {
            self.container_event(uid, c, "Normal", "Killing", &format!("Stopping container {name}"));
            self.ask_to_stop(uid, c, grace);
        }
        self.report(uid);
    }

    /// All its containers are over: the pod has its final phase.
    pub(super) fn finish_pod(&mut self, uid: &Arc<str>) {
        let Some(run) = self.runs.get_mut(uid) else { return };
        if run.done {
            return;
        }
        run.done = true;
        run.sandbox = false;
        run.busy = false;
        let stopping = run.stopping.is_some();
        let deleting = super::super::object::deleting(&run.pod);
        self.report(uid);
        if stopping && deleting {
            self.after(CLEAN, Timer::Pod(uid.clone(), PodTimer::Remove));
        }
    }

    pub(super) fn remove_pod(&mut self, uid: &Arc<str>) {
        let Some(run) = self.runs.get(uid) else { return };
        let key = run.key.clone();
        if self.cache.get("pods", &key).is_some_and(|p| super::super::object::uid(p) == &**uid) {
            self.store.remove("pods", &key.ns, &key.name);
        }
        self.runs.remove(uid);
    }
}
