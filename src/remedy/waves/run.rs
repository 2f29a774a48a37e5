//! A run of waves from its plan to its report: begun, resumed, stopped or aborted.

use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use super::gates;
use super::hold::Hold;
use super::options::{Asked, Mode};
use super::plan::WavePlan;
use super::select;
use super::state::{NodeState, Phase, State};
use super::steps::Machine;
use super::{report, terraform, upgrade};
use crate::remedy::cx::Cx;
use crate::remedy::files::FileOp;
use crate::remedy::journal;
use crate::remedy::plan::{Severity, Stage};
use crate::remedy::run::{Done, Progress, Stop};
use crate::world::ask::{Answer, Call, Verb};
use crate::world::{ObjectRef, World};

/// How long an API server may be away in the middle of a run.
const ABSENT: Duration = Duration::from_secs(120);

/// `khud do waves`: a new run, or the one that the state file holds where its id is this run's.
pub(in crate::remedy) async fn waves(cx: Cx, target: ObjectRef, asked: Asked) -> Result<Done, Stop> {
    let path = asked.state.clone().or(cx.options().state).ok_or_else(|| {
        Stop::Refused("there is no file to write the run down in; name one with --state FILE".to_owned())
    })?;
    let cluster = identity(&cx, &target).await?;
    match saved(&cx, &path, &cluster).await? {
        Some(state) => resume(cx, asked, path, state).await,
        None if asked.abort => Err(Stop::Refused(format!("{} holds no run to abort", path.display()))),
        None => begin(cx, asked, path, cluster).await,
    }
}

/// The cluster's UID; empty where the namespace may not be read.
async fn identity(cx: &Cx, target: &ObjectRef) -> Result<String, Stop> {
    let answer = cx.call(Call::get(target.path())).await?;
    Ok(answer.body["metadata"]["uid"].as_str().filter(|_| answer.ok()).unwrap_or("").to_owned())
}

/// The state to go on from; `None` for a new run.
async fn saved(cx: &Cx, path: &std::path::Path, cluster: &str) -> Result<Option<State>, Stop> {
    let Some(bytes) = cx.local(FileOp::Read { path: path.to_owned() }).await?.read else { return Ok(None) };
    let refused = |why: String| Stop::Refused(format!("cannot go on from {}: {why}", path.display()));
    let state = State::read(&bytes, cluster).map_err(refused)?;
    let run = &state.run;
    if *run != cx.options().id {
        let then = match state.ended {
            None => format!("resume it with khud do --resume {run}, or name another file"),
            Some(at) => format!("it ended at {at}; name another file"),
        };
        return Err(Stop::Refused(format!("{} holds run {run}: {then}", path.display())));
    }
    if let Some(at) = state.ended {
        return Err(Stop::Refused(format!("run {run} ended at {at}; nothing is left to do")));
    }
    Ok(Some(state))
}

async fn begin(cx: Cx, asked: Asked, path: PathBuf, cluster: String) -> Result<Done, Stop> {
    let machines = match &asked.terraform {
        None => None,
        Some(file) => Some(terraform::machines(&cx, file).await?),
    };
    let named = machines.as_ref().map(|m| m.nodes.clone());
    let planning = asked.clone();
    let plan = cx
        .look(move |world, now| -> Result<WavePlan, String> {
            let found = select::select(world, now, &planning, named.as_ref())?;
            Ok(WavePlan::new(world, &planning, found))
        })
        .await?
        .map_err(Stop::Refused)?;
    let mut text = plan.text(&asked);
    let mut json = plan.json();
    let upgraded = match &asked.upgrade {
        None => None,
        Some(upgrade) => {
            let checks = upgrade::checks(&cx, upgrade, &plan).await?;
            text.insert_str(0, &upgrade::told(&checks));
            json["checks"] = serde_json::to_value(&checks).unwrap_or_default();
            Some(upgrade::begun(&cx, upgrade, &plan).await?)
        }
    };
    if let Some(machines) = &machines {
        text.push_str(&machines.text());
        json["terraform"] = machines.json();
    }
    cx.shown(text, json);
    let all: BTreeSet<String> = plan.waves.iter().flat_map(|w| &w.nodes).map(|n| n.name.clone()).collect();
    cx.guards().await?;
    if asked.mode == Mode::HandsOff {
        return Err(Stop::Planned);
    }
    let run = cx.options().id;
    Hold::check(&cx, &run, &all).await?;
    if all.is_empty() && plan.skipped.is_empty() {
        return Ok(Done::Verified(format!(
            "{} nodes run the version already; nothing is to be done",
            plan.already.len()
        )));
    }
    if all.is_empty() {
        return Err(Stop::Refused(format!("every selected node is skipped ({})", plan.skipped.len())));
    }
    if !asked.replace {
        cx.impact(
            "nothing replaces the nodes",
            Severity::Info,
            "--no-replace: drained, checked and uncordoned",
        );
    } else if asked.upgrade.is_some() && asked.hook.is_none() {
        cx.impact(
            "a person upgrades the nodes",
            Severity::Info,
            "without --node-cmd khud waits until the watch shows the version of each node",
        );
    } else if asked.hook.is_none() {
        cx.impact(
            "a person replaces the nodes",
            Severity::Info,
            "without --replace-cmd khud waits until the watch shows each node replaced, or somebody says so",
        );
    }
    let question = match &asked.upgrade {
        None => format!("Change {} nodes in {} waves?", plan.nodes, plan.waves.len()),
        Some(u) => format!("Upgrade {} nodes to {} in {} waves?", plan.nodes, u.to, plan.waves.len()),
    };
    cx.confirm(question, Some(typed(&cx))).await?;

    let mut state = State {
        run,
        context: cx.options().context,
        cluster,
        begun: cx.now(),
        params: cx.params(),
        waves: plan.waves.len(),
        nodes: std::collections::BTreeMap::new(),
        upgrade: upgraded,
        workloads: BTreeSet::new(),
        lines: Vec::new(),
        ended: None,
    };
    for wave in &plan.waves {
        for node in &wave.nodes {
            let Some(c) = plan.candidate(&node.name) else { continue };
            let fresh = NodeState {
                uid: c.uid.clone(),
                wave: wave.n,
                gpus: c.gpus,
                zone: c.zone.to_string(),
                instance_type: c.instance_type.to_string(),
                cordoned_before: c.cordoned,
                control_plane: c.control_plane,
                terraform: machines
                    .as_ref()
                    .and_then(|m| m.nodes.get(&node.name))
                    .cloned()
                    .unwrap_or_default(),
                ..NodeState::default()
            };
            state.nodes.insert(node.name.clone(), fresh);
        }
    }
    for node in &plan.skipped {
        let left_out = NodeState { phase: Phase::Skipped, why: node.why.clone(), ..NodeState::default() };
        state.nodes.insert(node.name.clone(), left_out);
    }
    carry_out(cx, asked, path, state).await
}

async fn resume(cx: Cx, asked: Asked, path: PathBuf, state: State) -> Result<Done, Stop> {
    let done = state.nodes.values().filter(|n| n.phase.ended()).count();
    let cordoned = state.left_cordoned().len();
    let word = if asked.abort { "Abort" } else { "Resume" };
    let text = format!(
        "\n{word} run {}, begun {}\n  {done} of {} nodes are done or skipped, {cordoned} may be cordoned by it\n",
        state.run,
        state.begun,
        state.nodes.len()
    );
    let json = serde_json::to_value(&state).unwrap_or_default();
    cx.shown(text, json);
    cx.guards().await?;
    let open = |n: &NodeState| !n.phase.ended();
    let left = state.nodes.iter().filter(|(_, n)| open(n)).map(|(name, _)| name.clone()).collect();
    Hold::check(&cx, &state.run, &left).await?;
    cx.confirm(format!("{word} run {}?", state.run), Some(typed(&cx))).await?;
    carry_out(cx, asked, path, state).await
}

/// The text the operator types: the context, which tells one cluster from another.
fn typed(cx: &Cx) -> crate::world::Text {
    let context = cx.options().context;
    if context.is_empty() { "waves".into() } else { context.as_str().into() }
}

async fn carry_out(cx: Cx, asked: Asked, path: PathBuf, state: State) -> Result<Done, Stop> {
    cx.stage(Stage::Watching);
    let (run, nodes) = (state.run.clone(), state.nodes.keys().cloned().collect());
    let hold = Hold::take(&cx, &run, &journal::process(), &nodes).await?;
    let machine = Machine { cx: cx.clone(), asked, path, state: Arc::new(Mutex::new(state)) };
    let ended = {
        let stubborn = cx.stubborn();
        let mut renewing = pin!(hold.renew(&stubborn));
        let mut watching = pin!(machine.watch_services());
        let mut watched = false;
        let mut working = pin!(machine.work());
        poll_fn(|context| {
            watched = watched || watching.as_mut().poll(context).is_ready();
            if let Poll::Ready(ended) = working.as_mut().poll(context) {
                return Poll::Ready(ended);
            }
            let _ = renewing.as_mut().poll(context);
            Poll::Pending
        })
        .await
    };
    hold.release(&cx).await;
    machine.finish(ended).await
}

pub(super) fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // Every write under it is a few assignments: one that panicked halfway is caught by the checks before each step.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Machine {
    /// All waves that are left.
    async fn work(&self) -> Result<(), Stop> {
        self.tidy().await?;
        if self.asked.abort {
            return self.abort().await;
        }
        self.prepare().await?;
        let waves = lock(&self.state).waves;
        for n in 1..=waves {
            let left = {
                let s = lock(&self.state);
                s.nodes.values().any(|node| node.wave == n && !node.phase.ended())
            };
            if left {
                self.wave(n).await?;
            }
        }
        self.conclude().await
    }

    /// Says how it ended, writes that down, and the report beside the state file.
    async fn finish(&self, ended: Result<(), Stop>) -> Result<Done, Stop> {
        let now = self.cx.now();
        let stopped = match ended {
            Ok(()) => None,
            Err(Stop::Cancelled) => Some("stopped by the operator".to_owned()),
            Err(Stop::Failed(why) | Stop::Refused(why)) => Some(why),
            Err(other @ (Stop::Planned | Stop::Stale)) => return Err(other),
        };
        {
            let mut s = lock(&self.state);
            match &stopped {
                None => s.ended = Some(now),
                Some(why) => s.note(now, 0, format!("stopped: {why}")),
            }
        }
        let saved = self.save().await;
        let state = lock(&self.state).clone();
        let text = match &state.upgrade {
            None => report::markdown(&state, now),
            Some(upgraded) => upgrade::markdown(&state, upgraded, now),
        };
        let place = self.path.with_extension("md");
        let sha256 = super::state::sum(&text);
        let written =
            self.cx.stubborn().local(FileOp::Replace { path: place.clone(), bytes: text.into_bytes() }).await;
        if let Ok(written) = written {
            self.cx.file(crate::remedy::plan::LocalFile {
                path: place.display().to_string(),
                bytes: written.length,
                sha256,
            });
        }
        saved?;
        let summary = report::summary(&state);
        match stopped {
            Some(why) => {
                let left = state.left_cordoned();
                let cordoned = match left.is_empty() {
                    true => "no node is cordoned by it".to_owned(),
                    false => format!("still cordoned: {}", left.join(", ")),
                };
                Err(Stop::Failed(format!(
                    "{why}; {summary}; {cordoned}; go on with khud do --resume {}, or give it up with --abort",
                    state.run
                )))
            }
            None if state.count(Phase::Skipped) + state.count(Phase::Failed) == 0
                && state.left_cordoned().is_empty()
                && state.upgrade.as_ref().is_none_or(|u| u.checked.iter().all(|(_, ok)| *ok)) =>
            {
                Ok(Done::Verified(summary))
            }
            None => Ok(Done::Applied(summary)),
        }
    }

    /// Writes the state down; whatever comes next is only done once that is durable.
    pub(super) async fn save(&self) -> Result<(), Stop> {
        let now = self.cx.now();
        let bytes = {
            let mut s = lock(&self.state);
            s.mark(now);
            s.write().map_err(Stop::Failed)?
        };
        self.board("");
        let file = FileOp::Replace { path: self.path.clone(), bytes };
        self.cx.stubborn().local(file).await.map(drop)
    }

    /// Shows where every node stands, those of the current wave first.
    pub(super) fn board(&self, line: &str) {
        let s = lock(&self.state);
        let current = s
            .nodes
            .values()
            .filter(|n| n.wave > 0 && !n.phase.ended())
            .map(|n| n.wave)
            .min()
            .unwrap_or(s.waves);
        let mut order: Vec<(&String, &NodeState)> = s.nodes.iter().collect();
        order.sort_by_key(|(name, n)| (n.wave != current, n.wave == 0, n.wave, (*name).clone()));
        let items = order
            .into_iter()
            .map(|(name, n)| {
                let wave = if n.wave == 0 { String::new() } else { format!("wave {}: ", n.wave) };
                let why = if n.why.is_empty() { String::new() } else { format!(" ({})", n.why) };
                (name.clone(), format!("{wave}{}{why}", n.phase.as_str()))
            })
            .collect();
        let done = s.nodes.values().filter(|n| n.phase.ended()).count() as u64;
        let line = match line {
            "" => format!("wave {current} of {}", s.waves),
            line => format!("wave {current} of {}: {line}", s.waves),
        };
        self.cx.progress(Progress { line, done, total: s.nodes.len() as u64, items });
    }

    /// Sends a read, or a write that may be sent twice. An API server that is restarted, as an upgrade of the control plane
    /// does, answers again within [`ABSENT`]; until then it is tried again.
    pub(super) async fn patient(&self, call: Call) -> Result<Answer, Stop> {
        let until = self.cx.now().plus(ABSENT);
        loop {
            let result = match call.verb {
                Verb::Get => self.cx.call(call.clone()).await,
                _ => self.cx.send(call.clone(), false).await,
            };
            let why = match &result {
                Err(Stop::Failed(why)) => why.clone(),
                Ok(answer) if answer.status >= 500 => answer.message(),
                _ => return result,
            };
            if self.cx.now() >= until {
                return result;
            }
            self.board(&format!("the API server does not answer, trying again: {why}"));
            self.cx.sleep(gates::AGAIN).await?;
        }
    }

    /// Looks at the World through a function that names a node.
    pub(super) async fn see<T, F>(&self, name: &str, look: F) -> Result<T, Stop>
    where
        T: Send + 'static,
        F: FnOnce(&World, &str, crate::world::Time) -> T + Send + 'static,
    {
        let name = name.to_owned();
        self.cx.look(move |world, now| look(world, &name, now)).await
    }
}
