//! The steps that an upgrade has beyond those of a wave: etcd's snapshot, taints, pauses, the watch over Services.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::options::Upgrade;
use crate::remedy::files::FileOp;
use crate::remedy::run::{Command, STRATEGIC, Stop, patch};
use crate::remedy::snapshot::{self, Snapshot, difference};
use crate::remedy::taints;
use crate::remedy::waves::run::lock;
use crate::remedy::waves::stagger::endpoints;
use crate::remedy::waves::state::{Phase, Upgraded};
use crate::remedy::waves::steps::Machine;
use crate::world::ask::{Answer, Call};
use crate::world::time::human;
use crate::world::{Kind, ObjectRef, World};

/// The taint that keeps new pods off a control-plane node.
const TAINT: &str = super::CONTROL_PLANE[0];
/// How often a write is tried again that somebody else's write to the same node came before.
const TRIES: usize = 5;

/// Services that can keep an endpoint while pods move: those with two or more ready ones.
pub(in crate::remedy::waves) fn redundant(world: &World) -> BTreeSet<String> {
    endpoints(world).into_iter().filter(|(_, ready)| *ready >= 2).map(|(name, _)| name).collect()
}

/// Whether a change is the one that the upgrade is for: a version that became the new one.
fn wanted(line: &str, to: &str) -> bool {
    let Some((field, change)) = line.split_once(": ") else { return false };
    let Some((_, new)) = change.split_once(" → ") else { return false };
    let tag = new.rsplit_once(':').map_or(new, |(_, tag)| tag);
    matches!(field, "kubelet" | "version" | "images") && super::same(tag, to)
}

impl Machine {
    /// Whether the wave holds control-plane nodes.
    pub(in crate::remedy::waves) fn controls(&self, n: usize) -> bool {
        lock(&self.state).nodes.values().any(|node| node.wave == n && node.control_plane)
    }

    /// The part of a wave's nodes in an upgrade, for its command: kubeadm has one for the first control-plane node
    /// (`upgrade apply`) and another for the rest (`upgrade node`). Empty in other runs.
    pub(in crate::remedy::waves) fn role(&self, n: usize) -> &'static str {
        let s = lock(&self.state);
        let Some(upgraded) = &s.upgrade else { return "" };
        let first = |name: &String| *name == upgraded.first;
        if s.nodes.iter().any(|(name, node)| node.wave == n && first(name)) {
            "first-control-plane"
        } else if s.nodes.values().any(|node| node.wave == n && node.control_plane) {
            "control-plane"
        } else {
            "worker"
        }
    }

    /// Waits after the wave before: its nodes take work again while nothing else changes.
    pub(in crate::remedy::waves) async fn pause(&self, n: usize) -> Result<(), Stop> {
        let Some(upgrade) = &self.asked.upgrade else { return Ok(()) };
        if self.among(n, &[Phase::Waiting]).len() != lock(&self.state).members(n).len() {
            return Ok(());
        }
        let last = {
            let s = lock(&self.state);
            let done = s.nodes.values().filter(|x| x.wave < n && x.phase == Phase::Done);
            done.filter_map(|x| Some((x.ended?, x.control_plane))).max()
        };
        let Some((ended, control_plane)) = last else { return Ok(()) };
        let pause = upgrade.pause_after(control_plane);
        let until = ended.plus(pause);
        if self.cx.now() < until {
            self.board(&format!("pause of {}", human(pause)));
            self.cx.until(Some(until), |_, _| None::<()>).await?;
        }
        Ok(())
    }

    async fn node(&self, name: &str) -> Result<Answer, Stop> {
        self.patient(Call::get(ObjectRef::new(Kind::Node, "", name).path())).await
    }

    /// Keeps new pods off the control-plane nodes of a wave. Clusters made by kubeadm have the taint anyway.
    pub(in crate::remedy::waves) async fn taint(&self, n: usize) -> Result<(), Stop> {
        if self.asked.upgrade.is_none() {
            return Ok(());
        }
        for (name, node) in self.among(n, &[Phase::Cordoned]) {
            if !node.control_plane {
                continue;
            }
            let found = self.node(&name).await?;
            let there = taints::of(&found.body).iter().any(|t| {
                super::CONTROL_PLANE.iter().any(|key| t["key"] == **key) && t["effect"] == "NoSchedule"
            });
            if there || found.status == 404 {
                continue;
            }
            self.change(&name, |node| node.tainted = true);
            self.save().await?;
            let taint = json!({"key": TAINT, "effect": "NoSchedule"});
            self.change_taints(&name, &node.uid, |taints| taints.push(taint.clone())).await?;
            self.note(n, format!("{name} is tainted {TAINT}:NoSchedule"));
        }
        Ok(())
    }

    /// Takes back the taint of [`Machine::taint`], where this run set it.
    pub(in crate::remedy::waves) async fn untaint(&self, name: &str) -> Result<(), Stop> {
        let node = lock(&self.state).nodes.get(name).cloned().unwrap_or_default();
        if !node.tainted {
            return Ok(());
        }
        self.change_taints(name, &node.uid, |taints| taints.retain(|t| t["key"] != TAINT)).await?;
        self.change(name, |node| node.tainted = false);
        Ok(())
    }

    /// Changes the taints of the node of that UID. The list is replaced as a whole, so the write names the version that it
    /// was read from.
    async fn change_taints(
        &self,
        name: &str,
        uid: &str,
        change: impl Fn(&mut Vec<Value>),
    ) -> Result<(), Stop> {
        for _ in 0..TRIES {
            let found = self.node(name).await?;
            if found.status == 404 || found.body["metadata"]["uid"].as_str() != Some(uid) {
                return Ok(());
            }
            let before = taints::of(&found.body);
            let mut after = before.clone();
            change(&mut after);
            if after == before {
                return Ok(());
            }
            let version = &found.body["metadata"]["resourceVersion"];
            let body = json!({
                "metadata": {"uid": uid, "resourceVersion": version},
                "spec": {"taints": if after.is_empty() { Value::Null } else { json!(after) }},
            });
            let node = ObjectRef::new(Kind::Node, "", name);
            let answer = self.cx.send(patch(&node, STRATEGIC, body), false).await?;
            match answer.status {
                200..=299 => return Ok(()),
                404 => return Ok(()),
                409 => {}
                status => {
                    return Err(Stop::Failed(format!(
                        "changing the taints of {name} was answered {status}: {}",
                        answer.message()
                    )));
                }
            }
        }
        Err(Stop::Failed(format!(
            "the taints of {name} could not be changed: somebody else changed the node {TRIES} times meanwhile; resume the run"
        )))
    }

    /// What comes before the first node is touched, once.
    pub(in crate::remedy::waves) async fn prepare(&self) -> Result<(), Stop> {
        let Some(upgrade) = self.asked.upgrade.clone() else { return Ok(()) };
        self.snapshot_objects().await?;
        self.snapshot_etcd(&upgrade).await
    }

    /// Saves what the objects say before the first node is touched.
    async fn snapshot_objects(&self) -> Result<(), Stop> {
        if self.upgraded(|u| u.snapshot.is_some()) {
            return Ok(());
        }
        let taken = snapshot::take(&self.cx).await?;
        let path = self.path.with_extension("before.json");
        let bytes = taken.write().map_err(Stop::Failed)?;
        self.cx.local(FileOp::Replace { path: path.clone(), bytes }).await?;
        let name = path.display().to_string();
        self.note(0, format!("{} objects are saved in {name}", taken.objects.len()));
        self.with_upgraded(|u| u.snapshot = Some(name));
        self.save().await
    }

    /// Compares the objects with those before, without what an upgrade is meant to change.
    pub(super) async fn compare_objects(&self, to: &str) -> Result<(), Stop> {
        let Some(before) = self.upgraded(|u| u.snapshot.clone()) else { return Ok(()) };
        let read = self.cx.local(FileOp::Read { path: before.clone().into() }).await?.read;
        let before = match read.as_deref().map(Snapshot::read) {
            Some(Ok(before)) => before,
            other => {
                let why = other.and_then(Result::err).unwrap_or_else(|| "it is gone".to_owned());
                self.note(0, format!("the objects were not compared: {before}: {why}"));
                self.with_upgraded(|u| u.snapshot = None);
                return Ok(());
            }
        };
        let after = snapshot::take(&self.cx).await?;
        let path = self.path.with_extension("after.json");
        let bytes = after.write().map_err(Stop::Failed)?;
        self.cx.local(FileOp::Replace { path, bytes }).await?;
        let (changed, unknown) = difference(&before, &after);
        let mut lines: Vec<String> = changed
            .into_iter()
            .flat_map(|c| {
                let object = c.object.to_string();
                c.lines
                    .into_iter()
                    .filter(|line| !wanted(line, to))
                    .map(move |line| format!("{object}: {line}"))
            })
            .collect();
        lines.extend(unknown);
        self.with_upgraded(|u| u.difference = lines);
        Ok(())
    }

    /// Runs the operator's command that saves etcd, and notes the checksum of what it wrote.
    async fn snapshot_etcd(&self, upgrade: &Upgrade) -> Result<(), Stop> {
        let Some(words) = &upgrade.etcd else { return Ok(()) };
        if self.upgraded(|u| u.etcd.is_some()) {
            return Ok(());
        }
        let file = self.path.with_extension("etcd.db");
        let name = file.display().to_string();
        self.board("saving etcd");
        let mut log = file.clone().into_os_string();
        log.push(".log");
        let (run, context) = (lock(&self.state).run.clone(), self.cx.options().context);
        let env = [
            ("KHUD_RUN", run),
            ("KHUD_CONTEXT", context),
            ("KHUD_VERSION", upgrade.to.clone()),
            ("KHUD_FILE", name.clone()),
        ];
        let command = Command {
            words: words.iter().map(|w| w.replace("{file}", &name)).collect(),
            env: env.map(|(k, v)| (k.to_owned(), v)).into(),
            log: log.clone().into(),
            timeout: self.asked.replace_timeout,
        };
        let failed = |why: String| Stop::Failed(format!("etcd was not saved: {why}; no node was changed"));
        let ran = self.cx.command(command).await?.map_err(failed)?;
        if ran.code != Some(0) {
            let code =
                ran.code.map_or("it ended by a signal or its time".to_owned(), |c| format!("exit code {c}"));
            let last = ran.tail.lines().next_back().unwrap_or("it printed nothing").to_owned();
            return Err(failed(format!("{code}: {last}")));
        }
        let sum = |path| self.cx.local(FileOp::Sum { path });
        let saved = sum(file).await?;
        let text = match saved.sha256 {
            Some(sha256) => format!("{name}, {} bytes, sha256 {sha256}", saved.length),
            // The command may leave the snapshot on the machine of etcd: its output is then all that there is here.
            None => match sum(log.into()).await?.sha256 {
                Some(sha256) => {
                    let last = ran.tail.lines().next_back().unwrap_or("").to_owned();
                    format!("its command wrote no {name}; its output ends with {last:?}, sha256 {sha256}")
                }
                None => format!("its command wrote no {name} and printed nothing"),
            },
        };
        self.note(0, format!("etcd is saved: {text}"));
        self.with_upgraded(|u| u.etcd = Some(text));
        self.save().await?;
        self.cx.step("etcd is saved".to_owned()).await;
        Ok(())
    }

    pub(super) fn upgraded<T: Default>(&self, look: impl FnOnce(&Upgraded) -> T) -> T {
        lock(&self.state).upgrade.as_ref().map(look).unwrap_or_default()
    }

    pub(super) fn with_upgraded(&self, change: impl FnOnce(&mut Upgraded)) {
        if let Some(upgraded) = &mut lock(&self.state).upgrade {
            change(upgraded);
        }
    }

    /// Notes every Service that had two ready endpoints when the run began and has none now. Ends only where the run is no
    /// upgrade.
    pub(in crate::remedy::waves) async fn watch_services(&self) -> Result<(), Stop> {
        let cx = self.cx.stubborn();
        loop {
            let open: BTreeSet<String> = self
                .upgraded(|u| u.services.iter().filter(|s| !u.outages.contains_key(*s)).cloned().collect());
            if open.is_empty() {
                return Ok(());
            }
            let gone = cx
                .until(None, move |world, _| {
                    let ready = endpoints(world);
                    let gone: Vec<String> =
                        open.iter().filter(|s| ready.get(*s) == Some(&0)).cloned().collect();
                    (!gone.is_empty()).then_some(gone)
                })
                .await?;
            let now = self.cx.now();
            for service in gone.into_iter().flatten() {
                self.note(0, format!("Service {service} has no ready endpoint"));
                self.with_upgraded(|u| {
                    u.outages.insert(service, now);
                });
            }
        }
    }
}
