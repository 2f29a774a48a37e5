//! One wave, step by step: cordon, wait, drain, replace, gates, uncordon. Each step begins with what the state says.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::gates;
use super::hold::{LABEL, cordon};
use super::options::{Asked, Mode};
use super::plan::DRAIN;
use super::run::lock;
use super::select;
use super::side_by_side::SideBySide;
use super::stagger;
use super::state::{NodeState, Phase, State};
use crate::remedy::actions::drain::{evict, left};
use crate::remedy::cx::Cx;
use crate::remedy::forecast::{Victim, evictions};
use crate::remedy::run::Stop;
use crate::world::ask::Call;
use crate::world::{Kind, ObjectRef, Status, Uid, World, condition};

/// How long the watch may take to show what the server has answered.
pub(super) const SHOWN: Duration = Duration::from_secs(30);

/// The state of a run while it is carried out.
#[derive(Clone)]
pub(super) struct Machine {
    pub cx: Cx,
    pub asked: Asked,
    /// The state file.
    pub path: PathBuf,
    pub state: Arc<Mutex<State>>,
}

/// The World's facts about a node that is to be drained.
enum Check {
    Go,
    /// It is left alone, because …
    Leave(String),
    /// Its machine is another one already, or gone.
    Replaced,
}

impl Machine {
    pub(super) async fn wave(&self, n: usize) -> Result<(), Stop> {
        self.window(n).await?;
        self.pause(n).await?;
        self.cordon(n).await?;
        self.taint(n).await?;
        if self.asked.mode == Mode::Wait {
            self.wait_for_jobs(n).await?;
        }
        self.checkpoint(n).await?;
        self.drain(n).await?;
        self.volumes(n).await?;
        self.replace(n).await?;
        self.gates(n).await?;
        self.uncordon(n).await
    }

    fn run(&self) -> String {
        lock(&self.state).run.clone()
    }

    /// The nodes of a wave in one of the phases.
    pub(super) fn among(&self, n: usize, phases: &[Phase]) -> Vec<(String, NodeState)> {
        let s = lock(&self.state);
        let of = |node: &NodeState| node.wave == n && phases.contains(&node.phase);
        s.nodes.iter().filter(|(_, node)| of(node)).map(|(name, node)| (name.clone(), node.clone())).collect()
    }

    pub(super) fn change(&self, name: &str, change: impl FnOnce(&mut NodeState)) {
        if let Some(node) = lock(&self.state).nodes.get_mut(name) {
            change(node);
        }
    }

    pub(super) fn set(&self, nodes: &[(String, NodeState)], phase: Phase) {
        nodes.iter().for_each(|(name, _)| self.change(name, |n| n.phase = phase));
    }

    pub(super) fn note(&self, n: usize, what: impl Into<String>) {
        let now = self.cx.now();
        lock(&self.state).note(now, n, what);
    }

    /// Cordons the nodes of the wave, but for those that something speaks against by now.
    async fn cordon(&self, n: usize) -> Result<(), Stop> {
        let waiting = self.among(n, &[Phase::Waiting, Phase::Cordoning]);
        if waiting.is_empty() {
            return Ok(());
        }
        let mut go = Vec::new();
        for (name, node) in waiting {
            match self.check(&name, &node).await? {
                Check::Go => go.push((name, node)),
                Check::Leave(why) => self.leave(n, &name, &why).await?,
                Check::Replaced => self.leave(n, &name, "another machine has its name, or none").await?,
            }
        }
        let now = self.cx.now();
        for (name, node) in &go {
            let before = node.phase == Phase::Waiting
                && self
                    .see(name, |w, name, _| w.nodes.find("", name).is_some_and(|n| n.unschedulable))
                    .await?;
            self.change(name, |node| {
                node.phase = Phase::Cordoning;
                node.cordoned_before |= before;
                node.cordoned = true;
                node.begun = Some(now);
            });
        }
        if !go.is_empty() {
            lock(&self.state).workloads.clear();
        }
        self.save().await?;
        for (name, node) in go {
            let answer = self.cx.send(cordon(&name, &node.uid, Some(&self.run())), false).await?;
            match answer.status {
                200..=299 => {
                    let info = &answer.body["status"]["nodeInfo"];
                    let text = |key: &str| info[key].as_str().unwrap_or("").to_owned();
                    let machine =
                        format!("{} {} {}", text("kubeletVersion"), text("osImage"), text("bootID"));
                    let provider = answer.body["spec"]["providerID"].as_str().unwrap_or("").to_owned();
                    self.change(&name, |node| {
                        node.phase = Phase::Cordoned;
                        node.machine = machine;
                        node.provider_id = provider;
                    });
                }
                404 | 409 | 422 => {
                    self.change(&name, |node| node.cordoned = false);
                    self.leave(n, &name, "it was deleted or replaced before its wave").await?;
                }
                status => {
                    return Err(Stop::Failed(format!(
                        "cordoning {name} was answered {status}: {}",
                        answer.message()
                    )));
                }
            }
        }
        if !self.among(n, &[Phase::Cordoned]).is_empty() {
            self.note(n, "cordoned");
            self.save().await?;
            self.cx.step(format!("wave {n}: cordoned")).await;
        }
        Ok(())
    }

    /// The reasons against draining a node now. Ages grow, and pods came since the plan was made.
    async fn check(&self, name: &str, node: &NodeState) -> Result<Check, Stop> {
        let (asked, uid, run) = (self.asked.clone(), node.uid.clone(), self.run());
        self.see(name, move |world, name, now| {
            let Some(found) = world.nodes.find("", name).filter(|f| f.meta.uid.to_string() == uid) else {
                return Check::Replaced;
            };
            if let Some(other) = found.meta.labels.get(LABEL).filter(|o| **o != *run) {
                return Check::Leave(format!("run {other} works on it"));
            }
            let candidate = select::survey(world, now, found, asked.allowed, &select::budgets(world));
            select::refusal(world, &asked, &candidate).map_or(Check::Go, Check::Leave)
        })
        .await
    }

    /// Leaves a node alone: skipped, and schedulable again where khud had cordoned it.
    pub(super) async fn leave(&self, n: usize, name: &str, why: &str) -> Result<(), Stop> {
        let now = self.cx.now();
        self.change(name, |node| {
            node.phase = Phase::Skipped;
            node.why = why.to_owned();
            node.ended = Some(now);
        });
        self.note(n, format!("{name} is skipped: {why}"));
        self.save().await?;
        self.give_back(name).await?;
        self.save().await
    }

    /// Makes a node schedulable again that khud cordoned. One that was cordoned before loses khud's mark alone.
    async fn give_back(&self, name: &str) -> Result<(), Stop> {
        self.untaint(name).await?;
        let node = lock(&self.state).nodes.get(name).cloned().unwrap_or_default();
        if !node.cordoned {
            return Ok(());
        }
        let there = node.now(name).to_owned();
        let object = ObjectRef::new(Kind::Node, "", there.as_str());
        let found = self.patient(Call::get(object.path())).await?;
        let meta = &found.body["metadata"];
        let marked = meta["labels"][LABEL].as_str().is_some_and(|run| run == self.run());
        let off = found.body["spec"]["unschedulable"].as_bool() == Some(true);
        let own = marked || (off && !node.cordoned_before && meta["uid"].as_str() == Some(&*node.uid));
        match found.status {
            200..=299 if own => {
                let uid = meta["uid"].as_str().unwrap_or("");
                let mut call = cordon(&there, uid, None);
                if node.cordoned_before
                    && let Some(body) = &mut call.body
                {
                    body["spec"] = serde_json::json!({});
                }
                let answer = self.patient(call).await?;
                if !matches!(answer.status, 200..=299 | 404 | 409) {
                    return Err(Stop::Failed(format!(
                        "uncordoning {there} was answered {}: {}",
                        answer.status,
                        answer.message()
                    )));
                }
            }
            200..=299 | 404 => {}
            status => {
                return Err(Stop::Failed(format!(
                    "reading {there} was answered {status}: {}",
                    found.message()
                )));
            }
        }
        self.change(name, |node| node.cordoned = false);
        Ok(())
    }

    /// After a crash between the two: what was skipped and is still cordoned.
    pub(super) async fn tidy(&self) -> Result<(), Stop> {
        let left: Vec<String> = {
            let s = lock(&self.state);
            let skipped = |n: &NodeState| n.phase == Phase::Skipped && (n.cordoned || n.tainted);
            s.nodes.iter().filter(|(_, n)| skipped(n)).map(|(name, _)| name.clone()).collect()
        };
        self.save().await?;
        self.remove_leftovers().await?;
        for name in left {
            self.give_back(&name).await?;
            self.save().await?;
        }
        Ok(())
    }

    async fn drain(&self, n: usize) -> Result<(), Stop> {
        let mut go = Vec::new();
        for (name, node) in self.among(n, &[Phase::Cordoned, Phase::Draining]) {
            if node.phase == Phase::Cordoned {
                // A pod that was being placed when the node was cordoned shows by then.
                let (of, uid) = (name.clone(), node.uid.clone());
                let deadline = Some(self.cx.now().plus(SHOWN));
                let shown = move |w: &World, _| match w.nodes.find("", &of) {
                    Some(f) if f.meta.uid.to_string() == uid && !f.unschedulable => None,
                    _ => Some(()),
                };
                self.cx.until(deadline, shown).await?;
            }
            match self.check(&name, &node).await? {
                Check::Go => go.push((name, node)),
                Check::Leave(why) => self.leave(n, &name, &why).await?,
                Check::Replaced => self.change(&name, |node| node.phase = Phase::Drained),
            }
        }
        if !go.is_empty() {
            let names: Vec<String> = go.iter().map(|(name, _)| name.clone()).collect();
            let owners = self
                .cx
                .look(move |world, _| {
                    names.iter().flat_map(|n| gates::owners(world, n)).collect::<BTreeSet<_>>()
                })
                .await?;
            lock(&self.state).workloads.extend(owners);
        }
        self.set(&go, Phase::Draining);
        self.save().await?;
        let names: Arc<[String]> = go.iter().map(|(name, _)| name.clone()).collect();
        let of = names.clone();
        let late = Arc::new(self.cx.look(move |world, _| stagger::late(world, &of)).await?);
        let mut jobs = SideBySide::default();
        for (name, _) in &go {
            let (machine, of, names, late) = (self.clone(), name.clone(), names.clone(), late.clone());
            jobs.add(name.clone(), async move { machine.drain_node(&of, &names, &late).await });
        }
        let (mut held, mut cancelled) = (Vec::new(), false);
        while let Some((name, result)) = jobs.next().await {
            match result {
                Ok(Ok(evicted)) => {
                    self.change(&name, |node| {
                        node.phase = Phase::Drained;
                        node.evicted += evicted;
                        node.why.clear();
                    });
                    self.save().await?;
                }
                Ok(Err(why)) => {
                    self.change(&name, |node| node.why.clone_from(&why));
                    held.push(format!("{name}: {why}"));
                }
                Err(Stop::Cancelled) => cancelled = true,
                Err(other) => return Err(other),
            }
        }
        if cancelled {
            return Err(Stop::Cancelled);
        }
        if !held.is_empty() {
            return Err(Stop::Failed(format!("wave {n} is not drained: {}", held.join("; "))));
        }
        if !go.is_empty() {
            self.note(n, "drained");
            self.save().await?;
            self.cx.step(format!("wave {n}: drained")).await;
        }
        Ok(())
    }

    /// Evicts the pods of one node of the wave. Those that keep a Service answering go last, once another endpoint is
    /// ready on a node outside of the wave. `Err` within: why pods are left.
    async fn drain_node(
        &self,
        name: &str,
        wave: &Arc<[String]>,
        late: &HashMap<Uid, Vec<ObjectRef>>,
    ) -> Result<Result<u64, String>, Stop> {
        let cx = &self.cx;
        let (on, allowed) = (name.to_owned(), self.asked.allowed);
        let victims = cx.look(move |world, _| evictions(world, &on, allowed).victims).await?;
        let total = victims.len() as u64;
        let until = cx.now().plus(cx.options().timeout.unwrap_or(Duration::from_secs(DRAIN)));
        let (last, first): (Vec<Victim>, Vec<Victim>) =
            victims.into_iter().partition(|v| late.contains_key(&v.uid));
        let shown = AtomicU64::new(u64::MAX);
        let before = AtomicU64::new(0);
        let seen = |gone: u64, _: Vec<(String, String)>| {
            let gone = gone + before.load(Ordering::Relaxed);
            if shown.swap(gone, Ordering::Relaxed) != gone {
                self.change(name, |node| node.why = format!("{gone} of {total} pods gone"));
                self.board("draining");
            }
        };
        let ended = evict(cx, first, self.asked.grace, until, seen).await;
        if ended.cancelled {
            return Err(Stop::Cancelled);
        }
        let (mut gone, mut states) = (ended.gone, ended.states);
        for victim in last {
            before.store(gone, Ordering::Relaxed);
            let services = late.get(&victim.uid).cloned().unwrap_or_default();
            let (here, wanted) = (wave.clone(), services.clone());
            self.change(name, |node| {
                node.why = format!("{gone} of {total} pods gone; {} keeps a Service answering", victim.pod);
            });
            self.board("draining");
            let elsewhere = move |world: &World, _| {
                wanted.iter().all(|s| stagger::elsewhere(world, &here, s)).then_some(())
            };
            if cx.until(Some(until), elsewhere).await?.is_none() {
                let services: Vec<String> = services.iter().map(ObjectRef::to_string).collect();
                let state = format!("not evicted: {} has no other ready endpoint", services.join(", "));
                states.push((victim.pod.to_string(), state));
                continue;
            }
            let ended = evict(cx, vec![victim], self.asked.grace, until, seen).await;
            if ended.cancelled {
                return Err(Stop::Cancelled);
            }
            gone += ended.gone;
            states.extend(ended.states);
        }
        Ok(match gone == total {
            true => Ok(total),
            false => Err(format!("{gone} of {total} pods gone; {}", left(&states))),
        })
    }

    async fn uncordon(&self, n: usize) -> Result<(), Stop> {
        // Without gates nothing was asked, and nothing speaks against it.
        let nodes = self.among(n, &[Phase::Replaced, Phase::Gated, Phase::Uncordoning]);
        if nodes.is_empty() {
            return Ok(());
        }
        self.set(&nodes, Phase::Uncordoning);
        self.save().await?;
        for (name, _) in &nodes {
            self.give_back(name).await?;
            let now = self.cx.now();
            self.change(name, |node| {
                node.phase = Phase::Done;
                node.why.clear();
                node.ended = Some(now);
            });
        }
        self.note(n, "done");
        self.save().await?;
        self.cx.step(format!("wave {n}: done")).await;
        Ok(())
    }

    /// Uncordons what is safe to: nodes that are Ready and whose replacement is not under way. The others are left as
    /// they are, and named.
    pub(super) async fn abort(&self) -> Result<(), Stop> {
        let all: Vec<(String, NodeState)> = {
            let s = lock(&self.state);
            s.nodes
                .iter()
                .filter(|(_, n)| !n.phase.ended())
                .map(|(name, n)| (name.clone(), n.clone()))
                .collect()
        };
        let now = self.cx.now();
        for (name, node) in all {
            let ready = self
                .see(node.now(&name), |w, name, _| {
                    w.nodes.find("", name).is_some_and(|n| {
                        condition(&n.conditions, "Ready").is_some_and(|c| c.status == Status::True)
                    })
                })
                .await?;
            let unsafe_now = match node.phase {
                Phase::Waiting => None,
                Phase::Replacing => {
                    Some("left cordoned: its replacement was under way when the run was given up")
                }
                _ if !ready => Some("left cordoned: it is not Ready"),
                _ => None,
            };
            if let Some(why) = unsafe_now {
                self.change(&name, |node| {
                    node.phase = Phase::Failed;
                    node.why = why.to_owned();
                    node.ended = Some(now);
                });
                self.save().await?;
            } else {
                self.leave(node.wave, &name, "the run was given up").await?;
            }
        }
        Ok(())
    }
}
