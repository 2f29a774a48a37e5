//! One wave, step by step: cordon, wait, drain, replace, gates, uncordon. Each step begins with what the state says.

use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use super::gates::{self, Answer};
use super::hold::{LABEL, cordon};
use super::options::{Asked, Gate, Mode};
use super::plan::DRAIN;
use super::run::lock;
use super::select;
use super::state::{NodeState, Phase, State};
use crate::remedy::actions::drain::{evict, left};
use crate::remedy::cx::Cx;
use crate::remedy::forecast::evictions;
use crate::remedy::run::{Command, Confirm, Stop};
use crate::world::ask::Call;
use crate::world::time::human;
use crate::world::{Kind, Node, ObjectRef, Status, World, condition};

/// How long the watch may take to show what the server has answered.
const SHOWN: Duration = Duration::from_secs(30);

/// What carries a run out.
pub(super) struct Machine {
    pub cx: Cx,
    pub asked: Asked,
    /// The state file.
    pub path: PathBuf,
    pub state: Arc<Mutex<State>>,
}

/// What the World says of a node that is to be drained.
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
        self.cordon(n).await?;
        if self.asked.mode == Mode::Wait {
            self.wait_for_jobs(n).await?;
        }
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
    fn among(&self, n: usize, phases: &[Phase]) -> Vec<(String, NodeState)> {
        let s = lock(&self.state);
        let of = |node: &NodeState| node.wave == n && phases.contains(&node.phase);
        s.nodes.iter().filter(|(_, node)| of(node)).map(|(name, node)| (name.clone(), node.clone())).collect()
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut NodeState)) {
        if let Some(node) = lock(&self.state).nodes.get_mut(name) {
            change(node);
        }
    }

    fn set(&self, nodes: &[(String, NodeState)], phase: Phase) {
        nodes.iter().for_each(|(name, _)| self.change(name, |n| n.phase = phase));
    }

    fn note(&self, n: usize, what: impl Into<String>) {
        let now = self.cx.now();
        lock(&self.state).note(now, n, what);
    }

    /// A wave begins in its window only.
    async fn window(&self, n: usize) -> Result<(), Stop> {
        let untouched = self.among(n, &[Phase::Waiting]).len() == lock(&self.state).members(n).len();
        for gate in self.asked.gates.iter().filter(|g| matches!(g, Gate::Window(..))) {
            if untouched {
                self.hold(n, gate, Vec::new()).await?;
            }
        }
        Ok(())
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
        if n > 0 && !go.is_empty() {
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
        self.note(n, "cordoned");
        self.save().await?;
        self.cx.step(format!("wave {n}: cordoned")).await;
        Ok(())
    }

    /// What speaks against draining a node now. Ages grow, and pods came since the plan was made.
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
    async fn leave(&self, n: usize, name: &str, why: &str) -> Result<(), Stop> {
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
        let node = lock(&self.state).nodes.get(name).cloned().unwrap_or_default();
        if !node.cordoned {
            return Ok(());
        }
        let object = ObjectRef::new(Kind::Node, "", name);
        let found = self.cx.call(Call::get(object.path())).await?;
        let meta = &found.body["metadata"];
        let marked = meta["labels"][LABEL].as_str().is_some_and(|run| run == self.run());
        let off = found.body["spec"]["unschedulable"].as_bool() == Some(true);
        let own = marked || (off && !node.cordoned_before && meta["uid"].as_str() == Some(&*node.uid));
        match found.status {
            200..=299 if own => {
                let uid = meta["uid"].as_str().unwrap_or("");
                let mut call = cordon(name, uid, None);
                if node.cordoned_before
                    && let Some(body) = &mut call.body
                {
                    body["spec"] = serde_json::json!({});
                }
                let answer = self.cx.send(call, false).await?;
                if !matches!(answer.status, 200..=299 | 404 | 409) {
                    return Err(Stop::Failed(format!(
                        "uncordoning {name} was answered {}: {}",
                        answer.status,
                        answer.message()
                    )));
                }
            }
            200..=299 | 404 => {}
            status => {
                return Err(Stop::Failed(format!(
                    "reading {name} was answered {status}: {}",
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
            let skipped = |n: &NodeState| n.phase == Phase::Skipped && n.cordoned;
            s.nodes.iter().filter(|(_, n)| skipped(n)).map(|(name, _)| name.clone()).collect()
        };
        self.save().await?;
        for name in left {
            self.give_back(&name).await?;
            self.save().await?;
        }
        Ok(())
    }

    /// Lets jobs end; nodes whose jobs go on beyond the deadline are left alone.
    async fn wait_for_jobs(&self, n: usize) -> Result<(), Stop> {
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
        let mut jobs = Together::default();
        for (name, _) in &go {
            let (cx, of, allowed) = (self.cx.clone(), name.clone(), self.asked.allowed);
            let grace = self.asked.grace;
            let limit = self.cx.options().timeout.unwrap_or(Duration::from_secs(DRAIN));
            jobs.add(name.clone(), async move {
                let victims = cx.look(move |world, _| evictions(world, &of, allowed).victims).await?;
                let total = victims.len() as u64;
                let ended = evict(&cx, victims, grace, cx.now().plus(limit), |_, _| {}).await;
                if ended.cancelled {
                    return Err(Stop::Cancelled);
                }
                Ok(match ended.gone == total {
                    true => Ok(total),
                    false => Err(format!("{} of {total} pods gone; {}", ended.gone, left(&ended.states))),
                })
            });
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

    /// The gate that is asked before the machine goes: no volume is attached to the node any more.
    async fn volumes(&self, n: usize) -> Result<(), Stop> {
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

    async fn replace(&self, n: usize) -> Result<(), Stop> {
        let drained = self.among(n, &[Phase::Drained, Phase::Replacing]);
        if drained.is_empty() {
            return Ok(());
        }
        if !self.asked.replace {
            self.set(&drained, Phase::Replaced);
            return self.save().await;
        }
        let mut go = Vec::new();
        for (name, node) in drained {
            // Nothing is replaced twice: a step that was cut off may have been done all the same.
            if self.changed(&name, &node).await? {
                self.change(&name, |node| node.phase = Phase::Replaced);
            } else {
                self.change(&name, |node| {
                    node.phase = Phase::Replacing;
                    node.attempts += 1;
                });
                go.push(name);
            }
        }
        self.save().await?;
        match &self.asked.hook {
            Some(words) => self.hooks(n, &go, words).await?,
            None => self.by_hand(n, &go).await?,
        }
        self.note(n, "replaced");
        self.save().await?;
        self.cx.step(format!("wave {n}: replaced")).await;
        Ok(())
    }

    /// Whether the node's machine is another one than the one that was cordoned, or gone, as the server says; the World
    /// has caught up with that once it returns.
    async fn changed(&self, name: &str, node: &NodeState) -> Result<bool, Stop> {
        let answer = self.cx.call(Call::get(ObjectRef::new(Kind::Node, "", name).path())).await?;
        let uid = match answer.status {
            200..=299 => answer.body["metadata"]["uid"].as_str().unwrap_or("").to_owned(),
            404 => String::new(),
            status => {
                return Err(Stop::Failed(format!(
                    "reading {name} was answered {status}: {}",
                    answer.message()
                )));
            }
        };
        let (of, now) = (name.to_owned(), uid.clone());
        let agrees = move |world: &World, _| {
            let found = world.nodes.find("", &of).map(|f| f.meta.uid.to_string()).unwrap_or_default();
            (found == now).then_some(())
        };
        self.cx.until(Some(self.cx.now().plus(SHOWN)), agrees).await?;
        let info = &answer.body["status"]["nodeInfo"];
        let text = |key: &str| info[key].as_str().unwrap_or("");
        let machine = format!("{} {} {}", text("kubeletVersion"), text("osImage"), text("bootID"));
        Ok(uid != node.uid || !node.machine.is_empty() && machine != node.machine)
    }

    async fn hooks(&self, n: usize, names: &[String], words: &[String]) -> Result<(), Stop> {
        let mut jobs = Together::default();
        for name in names {
            let (cx, command) = (self.cx.clone(), self.command(n, name, words).await?);
            jobs.add(name.clone(), async move { cx.command(command).await });
        }
        self.board("replacing");
        let mut failed = Vec::new();
        let mut cancelled = false;
        while let Some((name, result)) = jobs.next().await {
            let why = match result {
                Ok(Ok(ran)) if ran.code == Some(0) => {
                    let node = lock(&self.state).nodes.get(&name).cloned().unwrap_or_default();
                    self.change(&name, |node| {
                        node.phase = Phase::Replaced;
                        node.why.clear();
                    });
                    self.save().await?;
                    // The gates must not see the machine that has just gone.
                    self.changed(&name, &node).await?;
                    continue;
                }
                Ok(Ok(ran)) => {
                    let code = ran
                        .code
                        .map_or("ended by a signal or its time".to_owned(), |c| format!("exit code {c}"));
                    let last = ran.tail.lines().next_back().unwrap_or("it printed nothing").to_owned();
                    format!("{code}: {last}")
                }
                Ok(Err(why)) => why,
                Err(Stop::Cancelled) => {
                    cancelled = true;
                    continue;
                }
                Err(other) => return Err(other),
            };
            self.change(&name, |node| node.why = format!("the hook: {why}"));
            failed.push(format!("{name}: {why}"));
        }
        self.save().await?;
        if cancelled {
            return Err(Stop::Cancelled);
        }
        match failed.is_empty() {
            true => Ok(()),
            false => Err(Stop::Failed(format!("the hook of wave {n} failed: {}", failed.join("; ")))),
        }
    }

    /// The hook for one node. `{node}` and the other names in its words are replaced inside the words: no value of the
    /// cluster becomes a word of its own, and no shell reads any.
    async fn command(&self, n: usize, name: &str, words: &[String]) -> Result<Command, Stop> {
        let (state, run, waves) = {
            let s = lock(&self.state);
            (s.nodes.get(name).cloned().unwrap_or_default(), s.run.clone(), s.waves)
        };
        let address = self
            .see(name, |w, name, _| {
                w.nodes.find("", name).map(|f| f.internal_ip.to_string()).unwrap_or_default()
            })
            .await?;
        let env = vec![
            ("KHUD_RUN", run),
            ("KHUD_CONTEXT", self.cx.options().context),
            ("KHUD_NODE", name.to_owned()),
            ("KHUD_NODE_UID", state.uid),
            ("KHUD_PROVIDER_ID", state.provider_id),
            ("KHUD_INTERNAL_IP", address),
            ("KHUD_ZONE", state.zone),
            ("KHUD_TERRAFORM_ADDRESS", state.terraform),
            ("KHUD_WAVE", n.to_string()),
            ("KHUD_WAVES", waves.to_string()),
            ("KHUD_ATTEMPT", state.attempts.to_string()),
        ];
        let named = [
            ("{node}", "KHUD_NODE"),
            ("{provider_id}", "KHUD_PROVIDER_ID"),
            ("{address}", "KHUD_INTERNAL_IP"),
            ("{zone}", "KHUD_ZONE"),
            ("{terraform}", "KHUD_TERRAFORM_ADDRESS"),
        ];
        let value = |key: &str| env.iter().find(|(k, _)| *k == key).map_or("", |(_, v)| v.as_str());
        let fill =
            |word: &String| named.iter().fold(word.clone(), |w, (mark, key)| w.replace(mark, value(key)));
        let mut log = self.path.clone().into_os_string();
        log.push(format!(".{}.log", crate::remedy::files::safe_name(name)));
        Ok(Command {
            words: words.iter().map(fill).collect(),
            env: env.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect(),
            log: log.into(),
            timeout: self.asked.replace_timeout,
        })
    }

    /// A person replaces the nodes: done once the watch shows it of all, or somebody says so.
    async fn by_hand(&self, n: usize, names: &[String]) -> Result<(), Stop> {
        if names.is_empty() {
            return Ok(());
        }
        self.board("waiting for the nodes to be replaced by hand");
        let uids: Vec<(String, String)> = {
            let s = lock(&self.state);
            names
                .iter()
                .map(|n| (n.clone(), s.nodes.get(n).map(|n| n.uid.clone()).unwrap_or_default()))
                .collect()
        };
        let question = Confirm {
            question: format!("Wave {n}: replace {} now. Are they replaced?", names.join(", ")),
            typed: None,
        };
        let seen = move |world: &World, _| {
            let another = |(name, uid): &(String, String)| {
                world.nodes.find("", name).is_some_and(|f: &Node| f.meta.uid.to_string() != *uid)
            };
            uids.iter().all(another).then_some(())
        };
        if self.cx.ask_or_see(question, seen).await? == Some(false) {
            return Err(Stop::Failed(format!("the nodes of wave {n} are not replaced")));
        }
        names.iter().for_each(|name| self.change(name, |node| node.phase = Phase::Replaced));
        Ok(())
    }

    async fn gates(&self, n: usize) -> Result<(), Stop> {
        let nodes = self.among(n, &[Phase::Replaced]);
        if nodes.is_empty() {
            return Ok(());
        }
        for gate in &self.asked.gates {
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
                gate => self.hold(n, gate, nodes.clone()).await?,
            }
        }
        self.set(&nodes, Phase::Gated);
        self.save().await?;
        self.cx.step(format!("wave {n}: its gates hold")).await;
        Ok(())
    }

    /// Waits until a gate holds.
    async fn hold(&self, n: usize, gate: &Gate, nodes: Vec<(String, NodeState)>) -> Result<(), Stop> {
        let (since, workloads) = (self.cx.now(), lock(&self.state).workloads.clone());
        let last: Arc<Mutex<String>> = Arc::default();
        let (asked, heard) = (gate.clone(), last.clone());
        // A pause is over at its end, not before the end of its patience.
        let slack = if matches!(gate, Gate::Pause(_)) { SHOWN } else { Duration::ZERO };
        let deadline = gate.limit().map(|limit| since.plus(limit + slack));
        self.board(&format!("gate {}", gate.name()));
        loop {
            let (asked, heard, workloads, nodes) =
                (asked.clone(), heard.clone(), workloads.clone(), nodes.clone());
            let soon = self.cx.now().plus(gates::AGAIN);
            let step = deadline.map_or(soon, |d| d.min(soon));
            let holds = self
                .cx
                .until(Some(step), move |world, now| {
                    match gates::ask(&asked, &nodes, &workloads, world, since, now) {
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
        }
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
                .see(&name, |w, name, _| {
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

/// Futures that go on side by side; polled by hand, because nothing here has a waker.
struct Together<T> {
    jobs: Vec<(String, Pin<Box<dyn Future<Output = T> + Send>>)>,
}

impl<T> Default for Together<T> {
    fn default() -> Together<T> {
        Together { jobs: Vec::new() }
    }
}

impl<T> Together<T> {
    fn add(&mut self, name: String, job: impl Future<Output = T> + Send + 'static) {
        self.jobs.push((name, Box::pin(job)));
    }

    /// The next that ends; `None` once all have.
    async fn next(&mut self) -> Option<(String, T)> {
        if self.jobs.is_empty() {
            return None;
        }
        let ended = poll_fn(|context| {
            for (i, (_, job)) in self.jobs.iter_mut().enumerate() {
                if let Poll::Ready(result) = job.as_mut().poll(context) {
                    return Poll::Ready((i, result));
                }
            }
            Poll::Pending
        })
        .await;
        let (name, _) = self.jobs.swap_remove(ended.0);
        Some((name, ended.1))
    }
}
