//! The waits of a run: the hours it may begin in, jobs, volumes, the gates after each wave.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::gates::{self, Answer};
use super::options::Gate;
use super::run::lock;
use super::select;
use super::state::{NodeState, Phase};
use super::steps::{Machine, SHOWN};
use crate::remedy::run::{Confirm, Stop};
use crate::world::time::human;

impl Machine {
    /// A wave begins in its window only.
    pub(super) async fn window(&self, n: usize) -> Result<(), Stop> {
        let untouched = self.among(n, &[Phase::Waiting]).len() == lock(&self.state).members(n).len();
        for gate in self.asked.gates.iter().filter(|g| matches!(g, Gate::Window(..))) {
            if untouched {
                self.hold(n, gate, Vec::new()).await?;
            }
        }
        Ok(())
    }

    /// Lets jobs end; nodes whose jobs go on beyond the deadline are left alone.
    pub(super) async fn wait_for_jobs(&self, n: usize) -> Result<(), Stop> {
        for (name, node) in self.among(n, &[Phase::Cordoned]) {
            let deadline = node.begun.unwrap_or(self.cx.now()).plus(self.asked.wait);
            let (asked, of) = (self.asked.clone(), name.clone());
            self.board(&format!("{name} waits for its jobs"));
            let free = self
                .cx
                .until(Some(deadline), move |world, now| {
                    let Some(found) = world.nodes.find("", &of) else { return Some(()) };
                    let jobs = select::survey(world, now, found, asked.allowed, &select::budgets(world)).jobs;
                    jobs.is_empty().then_some(())
                })
                .await?;
            if free.is_none() {
                let why = format!("its jobs still ran after {}", human(self.asked.wait));
                self.leave(n, &name, &why).await?;
            }
        }
        Ok(())
    }

    /// The gate that is asked before the machine goes: no volume is attached to the node any more.
    pub(super) async fn volumes(&self, n: usize) -> Result<(), Stop> {
        let Some(Gate::Volumes(limit)) = self.asked.gates.iter().find(|g| matches!(g, Gate::Volumes(_)))
        else {
            return Ok(());
        };
        let names: Vec<String> = self.among(n, &[Phase::Drained]).into_iter().map(|(name, _)| name).collect();
        let deadline = self.cx.now().plus(*limit);
        while !names.is_empty() {
            let list = self.cx.get("/apis/storage.k8s.io/v1/volumeattachments".to_owned()).await?;
            let items = list["items"].as_array().cloned().unwrap_or_default();
            let attached: Vec<String> = items
                .iter()
                .filter(|a| {
                    a["spec"]["nodeName"].as_str().is_some_and(|node| names.iter().any(|n| n == node))
                })
                .filter_map(|a| {
                    let volume = a["spec"]["source"]["persistentVolumeName"].as_str()?;
                    Some(format!("{volume} on {}", a["spec"]["nodeName"].as_str()?))
                })
                .collect();
            if attached.is_empty() {
                self.note(n, "gate volumes holds: nothing is attached");
                break;
            }
            if self.cx.now() >= deadline {
                return Err(Stop::Failed(format!(
                    "gate volumes of wave {n}: still attached: {}",
                    attached.join(", ")
                )));
            }
            self.board(&format!("volumes: {} attached", attached.len()));
            self.cx.sleep(gates::AGAIN).await?;
        }
        Ok(())
    }

    pub(super) async fn gates(&self, n: usize) -> Result<(), Stop> {
        let nodes = self.among(n, &[Phase::Replaced]);
        if nodes.is_empty() {
            return Ok(());
        }
        for gate in &self.asked.gates {
            let nodes = self.among(n, &[Phase::Replaced]);
            match gate {
                Gate::Window(..) | Gate::Volumes(_) => {}
                Gate::Word => {
                    let question = format!("Wave {n} is back. May the next wave begin?");
                    self.board("waiting for an operator's word");
                    let said = self.cx.ask_or_see(Confirm { question, typed: None }, |_, _| None).await?;
                    if said != Some(true) {
                        return Err(Stop::Failed(format!("gate word of wave {n}: the operator said no")));
                    }
                    self.note(n, "gate word holds: an operator said so");
                }
                Gate::Functional(_) | Gate::Smoke(_) => self.probe(n, gate, &nodes).await?,
                gate => self.hold(n, gate, nodes.clone()).await?,
            }
        }
        self.set(&nodes, Phase::Gated);
        self.save().await?;
        self.cx.step(format!("wave {n}: its gates hold")).await;
        Ok(())
    }

    /// Writes down which nodes came in the place of others.
    async fn successors(&self, n: usize) -> Result<(), Stop> {
        let nodes = self.among(n, &[Phase::Replaced]);
        let taken = {
            let s = lock(&self.state);
            s.nodes.iter().flat_map(|(name, node)| [name.clone(), node.successor.clone()]).collect()
        };
        let found = self.cx.look(move |world, _| gates::successors(world, &nodes, &taken)).await?;
        if found.is_empty() {
            return Ok(());
        }
        for (name, successor) in found {
            self.note(n, format!("{successor} came in the place of {name}"));
            self.change(&name, |node| node.successor = successor);
        }
        self.save().await
    }

    /// Waits until a gate holds.
    pub(super) async fn hold(
        &self,
        n: usize,
        gate: &Gate,
        mut nodes: Vec<(String, NodeState)>,
    ) -> Result<(), Stop> {
        let (since, workloads) = (self.cx.now(), lock(&self.state).workloads.clone());
        let last: Arc<Mutex<String>> = Arc::default();
        let (asked, heard) = (gate.clone(), last.clone());
        // A pause is over at its end, not before the end of its patience.
        let slack = if matches!(gate, Gate::Pause(_)) { SHOWN } else { Duration::ZERO };
        let deadline = gate.limit().map(|limit| since.plus(limit + slack));
        self.board(&format!("gate {}", gate.name()));
        loop {
            let (asked, heard, workloads, these) =
                (asked.clone(), heard.clone(), workloads.clone(), nodes.clone());
            let soon = self.cx.now().plus(gates::AGAIN);
            let step = deadline.map_or(soon, |d| d.min(soon));
            let holds = self
                .cx
                .until(Some(step), move |world, now| {
                    match gates::ask(&asked, &these, &workloads, world, since, now) {
                        Answer::Holds(text) => Some(text),
                        Answer::Waits(text) => {
                            *heard.lock().unwrap_or_else(PoisonError::into_inner) = text;
                            None
                        }
                    }
                })
                .await?;
            if let Some(text) = holds {
                self.note(n, format!("gate {} holds: {text}", gate.name()));
                return Ok(());
            }
            let text = last.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if deadline.is_some_and(|d| self.cx.now() >= d) {
                let after = gate.limit().unwrap_or_default().as_secs();
                return Err(Stop::Failed(format!(
                    "gate {} of wave {n} does not hold after {after} s: {text}",
                    gate.name()
                )));
            }
            self.board(&format!("gate {}: {text}", gate.name()));
            if !nodes.is_empty() {
                self.successors(n).await?;
                nodes = self.among(n, &[Phase::Replaced]);
            }
        }
    }
}
