//! How containers end: by themselves, at their memory limit, or by their kubelet; and what changes in mid-run.
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::super::engine::{Engine, Timer};
use super::super::object::{amount, list};
use super::{Ended, PodTimer, Run, State};

impl Engine {
    /// Makes the appointment for the end of a run: its own exit or the memory limit, whichever comes first.
    pub(super) fn plan_exit(&mut self, uid: &Arc<str>, c: usize) {
        let now = self.now();
        let Some((run, attempt)) = self.runs.get(uid).and_then(|r| {
            let container = r.containers.get(c)?;
            Some((container.run.as_ref()?.clone(), container.attempt))
        }) else {
            return;
        };
        let limit = self.memory_limit(uid, c);
        let exit = run.behaviour.exit.as_ref().map(|e| e.after.duration());
        let oom = limit.and_then(|limit| run.behaviour.memory.as_ref()?.reaches(limit));
        let Some(after) = [exit, oom].into_iter().flatten().min() else { return };
        let wait = after.saturating_sub(run.elapsed(now));
        self.after(wait, Timer::Pod(uid.clone(), PodTimer::Exit(c, attempt)));
    }

    /// The container's memory limit in bytes.
    pub(in super::super) fn memory_limit(&self, uid: &Arc<str>, c: usize) -> Option<f64> {
        let run = self.runs.get(uid)?;
        let container = run.containers.get(c)?;
        let path = if container.init { "/spec/initContainers" } else { "/spec/containers" };
        let spec = list(&run.pod, path).iter().find(|s| s["name"] == container.name.as_str())?;
        amount(spec.pointer("/resources/limits/memory")?)
    }

    pub(super) fn replan_exits(&mut self, uid: &Arc<str>) {
        let count = self.runs.get(uid).map_or(0, |r| r.containers.len());
        for c in 0..count {
            let running = self.runs.get(uid).and_then(|r| r.containers.get(c)).is_some_and(|c| c.running());
            if running {
                self.plan_exit(uid, c);
            }
        }
        self.report(uid);
    }

    /// The appointment has come: does the run end now?
    pub(super) fn container_exits(&mut self, uid: &Arc<str>, c: usize, attempt: u32) {
        let now = self.now();
        let limit = self.memory_limit(uid, c);
        let Some(container) = self.runs.get(uid).and_then(|r| r.containers.get(c)) else { return };
        if !container.running() || container.attempt != attempt {
            return;
        }
        let Some(run) = &container.run else { return };
        // A millisecond of grace for the rounding of times.
        let elapsed = run.elapsed(now) + Duration::from_millis(1);
        let oom = limit
            .and_then(|limit| run.behaviour.memory.as_ref()?.reaches(limit))
            .is_some_and(|at| at <= elapsed);
        let exit = run.behaviour.exit.as_ref().filter(|e| e.after.duration() <= elapsed);
        let (code, reason, message) = match (oom, exit) {
            (true, _) => (137, "OOMKilled", String::new()),
            (false, Some(e)) => (
                e.code,
                if e.code == 0 { "Completed" } else { "Error" },
                e.message.clone().unwrap_or_default(),
            ),
            (false, None) => return,
        };
        self.end_container(uid, c, code, reason, message);
        self.sync_pod(uid);
    }

    /// The container is over.
    pub(super) fn end_container(
        &mut self,
        uid: &Arc<str>,
        c: usize,
        code: i32,
        reason: &str,
        message: String,
    ) {
        let now = self.now();
        let Some(container) = self.runs.get_mut(uid).and_then(|r| r.containers.get_mut(c)) else { return };
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
            self.leave_files(uid, c);
        }
    }

    /// What the container has made is there for those after it.
    fn leave_files(&mut self, uid: &Arc<str>, c: usize) {
        let now = self.now();
        let Some(run) = self.runs.get_mut(uid) else { return };
        let Some(container) = run.containers.get(c) else { return };
        let Some(behaviour) = container.run.as_ref().map(|r| r.behaviour.clone()) else { return };
        for (path, spec) in &behaviour.leaves {
            if let Some((volume, inside)) = run.containers.get(c).and_then(|c| run.mount(c, path)) {
                run.volumes.entry(volume).or_default().put(&inside, spec.content(path), now);
            }
        }
        let node = run.node.clone();
        self.watch_usage(&node);
    }

    /// Does what some container does depend on how many of its siblings are ready?
    pub(in super::super) fn load_is_shared(&self) -> bool {
        self.behaviours.iter().any(|b| b.matches.ready.is_some())
    }

    /// Behaviours changed: running containers follow at once, their behaviour's times counting from now.
    pub(crate) fn rematch(&mut self) {
        let now = self.now();
        let mut uids: Vec<Arc<str>> = self.runs.keys().cloned().collect();
        uids.sort();
        let mut nodes = BTreeSet::new();
        for uid in uids {
            let count = self.runs.get(&uid).map_or(0, |r| r.containers.len());
            for c in 0..count {
                let fits = self.behaviour_for(&uid, c);
                let Some(container) = self.runs.get_mut(&uid).and_then(|r| r.containers.get_mut(c)) else {
                    continue;
                };
                let running = container.running();
                let Some(run) =
                    container.run.as_mut().filter(|r| running && !Arc::ptr_eq(&r.behaviour, &fits))
                else {
                    continue;
                };
                *run = Run { behaviour: fits, started: run.started, since: now, ended: None };
                nodes.extend(self.runs.get(&uid).map(|r| r.node.clone()));
                self.plan_exit(&uid, c);
                self.wake_probes(&uid, c);
            }
        }
        for node in nodes {
            self.watch_usage(&node);
        }
    }
}
