//! Replacing the machines of a wave: by a hook that runs on this machine, or by a person.

use super::run::lock;
use super::side_by_side::SideBySide;
use super::state::{NodeState, Phase};
use super::steps::{Machine, SHOWN};
use super::upgrade;
use crate::remedy::run::{Command, Confirm, Stop};
use crate::world::ask::Call;
use crate::world::{Kind, Node, ObjectRef, World};

impl Machine {
    pub(super) async fn replace(&self, n: usize) -> Result<(), Stop> {
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
        let words = self.hook(n);
        match &words {
            Some(words) => self.hooks(n, &go, words).await?,
            None => self.by_hand(n, &go).await?,
        }
        let done = if self.asked.upgrade.is_some() { "upgraded" } else { "replaced" };
        self.note(n, done);
        self.save().await?;
        self.cx.step(format!("wave {n}: {done}")).await;
        Ok(())
    }

    /// Whether the node's machine is another one than the one that was cordoned, or gone, as the server says; the World
    /// has caught up with that once it returns.
    async fn changed(&self, name: &str, node: &NodeState) -> Result<bool, Stop> {
        let answer = self.patient(Call::get(ObjectRef::new(Kind::Node, "", name).path())).await?;
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
        let info = &answer.body["status"]["nodeInfo"];
        let text = |key: &str| info[key].as_str().unwrap_or("").to_owned();
        let (of, now, kubelet) = (name.to_owned(), uid.clone(), text("kubeletVersion"));
        let agrees = move |world: &World, _| match world.nodes.find("", &of) {
            Some(found) => {
                (*found.meta.uid.to_string() == now && *found.info.kubelet == kubelet).then_some(())
            }
            None => now.is_empty().then_some(()),
        };
        self.cx.until(Some(self.cx.now().plus(SHOWN)), agrees).await?;
        if let Some(upgrade) = &self.asked.upgrade {
            return Ok(uid.is_empty() || upgrade::same(&text("kubeletVersion"), &upgrade.to));
        }
        let machine = format!("{} {} {}", text("kubeletVersion"), text("osImage"), text("bootID"));
        Ok(uid != node.uid || !node.machine.is_empty() && machine != node.machine)
    }

    /// The command for the nodes of a wave; `None`: a person does it.
    fn hook(&self, n: usize) -> Option<Vec<String>> {
        match &self.asked.upgrade {
            Some(upgrade) if self.controls(n) => upgrade.control_plane.clone(),
            _ => self.asked.hook.clone(),
        }
    }

    async fn hooks(&self, n: usize, names: &[String], words: &[String]) -> Result<(), Stop> {
        let mut jobs = SideBySide::default();
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
    pub(super) async fn command(&self, n: usize, name: &str, words: &[String]) -> Result<Command, Stop> {
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
            ("KHUD_VERSION", self.asked.upgrade.as_ref().map_or_else(String::new, |u| u.to.clone())),
            ("KHUD_ROLE", self.role(n).to_owned()),
        ];
        let named = [
            ("{node}", "KHUD_NODE"),
            ("{provider_id}", "KHUD_PROVIDER_ID"),
            ("{address}", "KHUD_INTERNAL_IP"),
            ("{zone}", "KHUD_ZONE"),
            ("{terraform}", "KHUD_TERRAFORM_ADDRESS"),
            ("{version}", "KHUD_VERSION"),
            ("{role}", "KHUD_ROLE"),
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
        let (done, again) = match &self.asked.upgrade {
            None => ("replace", "replaced"),
            Some(_) => ("upgrade", "upgraded"),
        };
        self.board(&format!("waiting for the nodes to be {again} by hand"));
        let uids: Vec<(String, String)> = {
            let s = lock(&self.state);
            names
                .iter()
                .map(|n| (n.clone(), s.nodes.get(n).map(|n| n.uid.clone()).unwrap_or_default()))
                .collect()
        };
        let question = Confirm {
            question: format!("Wave {n}: {done} {} now. Are they {again}?", names.join(", ")),
            typed: None,
        };
        let to = self.asked.upgrade.as_ref().map(|u| u.to.clone());
        let seen = move |world: &World, _| {
            let another = |(name, uid): &(String, String)| {
                let is = |f: &Node| match &to {
                    None => f.meta.uid.to_string() != *uid,
                    Some(to) => upgrade::same(&f.info.kubelet, to),
                };
                world.nodes.find("", name).is_some_and(is)
            };
            uids.iter().all(another).then_some(())
        };
        if self.cx.ask_or_see(question, seen).await? == Some(false) {
            return Err(Stop::Failed(format!("the nodes of wave {n} are not {again}")));
        }
        names.iter().for_each(|name| self.change(name, |node| node.phase = Phase::Replaced));
        Ok(())
    }
}
