//! The state file: where every node of a run stands. Written before each step, so that any khud can go on from it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::remedy::run::Params;
use crate::world::{ObjectRef, Time};

/// The form of the file that this khud writes and reads.
const VERSION: u32 = 1;
const KIND: &str = "khud-waves";

/// Where a node stands. A step is written down before its request is sent: whoever goes on from `Draining` has to expect
/// that some pods are gone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    #[default]
    Waiting,
    Cordoning,
    Cordoned,
    Draining,
    Drained,
    Replacing,
    /// The machine was replaced, or nothing replaces it.
    Replaced,
    /// The gates of its wave hold.
    Gated,
    Uncordoning,
    Done,
    Skipped,
    /// It is left alone, and cordoned where khud cordoned it: see `why`.
    Failed,
}

impl Phase {
    /// Nothing more is done to the node.
    pub fn ended(self) -> bool {
        matches!(self, Phase::Done | Phase::Skipped | Phase::Failed)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Waiting => "waiting",
            Phase::Cordoning => "cordoning",
            Phase::Cordoned => "cordoned",
            Phase::Draining => "draining",
            Phase::Drained => "drained",
            Phase::Replacing => "replacing",
            Phase::Replaced => "replaced",
            Phase::Gated => "gates hold",
            Phase::Uncordoning => "uncordoning",
            Phase::Done => "done",
            Phase::Skipped => "skipped",
            Phase::Failed => "failed",
        }
    }
}

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct NodeState {
    /// `metadata.uid` when the run was planned; another one under the name means that the node was replaced.
    pub uid: String,
    /// From 1; 0 for a node that the plan left out.
    pub wave: usize,
    pub phase: Phase,
    pub gpus: u64,
    pub zone: String,
    #[serde(default)]
    pub instance_type: String,
    /// It was cordoned before the run began and stays so.
    #[serde(default)]
    pub cordoned_before: bool,
    /// khud cordoned it and has not undone that.
    #[serde(default)]
    pub cordoned: bool,
    #[serde(default)]
    pub provider_id: String,
    /// Its resource's address in the Terraform plan.
    #[serde(default)]
    pub terraform: String,
    /// kubelet version, OS image and boot id when it was cordoned: what differs afterwards proves a replacement.
    #[serde(default)]
    pub machine: String,
    /// The node that came in its place under another name; empty where it has its own name again.
    #[serde(default)]
    pub successor: String,
    /// How often the hook was started.
    #[serde(default)]
    pub attempts: u32,
    /// Why it was skipped or failed; what it waits for.
    #[serde(default)]
    pub why: String,
    #[serde(default)]
    pub begun: Option<Time>,
    #[serde(default)]
    pub ended: Option<Time>,
    /// Pods that were evicted.
    #[serde(default)]
    pub evicted: u64,
    /// It runs the control plane.
    #[serde(default)]
    pub control_plane: bool,
    /// Its jobs have saved their work.
    #[serde(default)]
    pub checkpointed: bool,
    /// khud tainted it and has not undone that.
    #[serde(default)]
    pub tainted: bool,
    /// When it entered each phase, as the file was written.
    #[serde(default)]
    pub marks: Vec<(Phase, Time)>,
}

/// One line of what happened.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Line {
    pub at: Time,
    pub wave: usize,
    pub what: String,
}

/// What an upgrade has done beside its nodes.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Upgraded {
    /// The API server's version before.
    pub from: String,
    pub to: String,
    /// The control-plane node that goes first; empty where one runs the version already, or none is seen.
    #[serde(default)]
    pub first: String,
    /// How the snapshot of etcd was made; `None` before it was.
    #[serde(default)]
    pub etcd: Option<String>,
    /// The objects before, in a file.
    #[serde(default)]
    pub snapshot: Option<String>,
    /// Services that had two ready endpoints at the start, as `namespace/name`.
    #[serde(default)]
    pub services: BTreeSet<String>,
    /// Services of them that were seen without a ready endpoint since, and when first.
    #[serde(default)]
    pub outages: BTreeMap<String, Time>,
    /// The answers of the check after the last node, one a line; the second is false where something is wrong.
    #[serde(default)]
    pub checked: Vec<(String, bool)>,
    /// The difference of the objects before and after.
    #[serde(default)]
    pub difference: Vec<String>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct State {
    /// The run's id in the journal.
    pub run: String,
    pub context: String,
    /// UID of the namespace kube-system.
    pub cluster: String,
    pub begun: Time,
    pub params: Params,
    /// The number of waves.
    pub waves: usize,
    pub nodes: BTreeMap<String, NodeState>,
    /// What an upgrade knows beside its nodes.
    #[serde(default)]
    pub upgrade: Option<Upgraded>,
    /// Workloads that lost pods to the wave under way.
    #[serde(default)]
    pub workloads: BTreeSet<ObjectRef>,
    pub lines: Vec<Line>,
    /// Set once nothing is left to do.
    #[serde(default)]
    pub ended: Option<Time>,
}

#[derive(Serialize)]
struct Written<'a> {
    kind: &'a str,
    version: u32,
    sha256: String,
    state: &'a RawValue,
}

#[derive(Deserialize)]
struct File<'a> {
    kind: String,
    version: u32,
    sha256: String,
    #[serde(borrow)]
    state: &'a RawValue,
}

/// Hex of a text's SHA-256.
pub(super) fn sum(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}

impl NodeState {
    /// The name of the node that stands there now.
    pub fn now<'a>(&'a self, name: &'a str) -> &'a str {
        if self.successor.is_empty() { name } else { &self.successor }
    }
}

impl State {
    /// The file's bytes.
    ///
    /// # Errors
    /// A sentence where the state cannot be written as JSON.
    pub fn write(&self) -> Result<Vec<u8>, String> {
        let tell = |e: serde_json::Error| format!("the state cannot be written down: {e}");
        let text = serde_json::to_string(self).map_err(tell)?;
        let raw = RawValue::from_string(text).map_err(tell)?;
        let file = Written { kind: KIND, version: VERSION, sha256: sum(raw.get()), state: &raw };
        let mut out = serde_json::to_vec(&file).map_err(tell)?;
        out.push(b'\n');
        Ok(out)
    }

    /// Reads a file that khud wrote, for the cluster that answers now.
    ///
    /// # Errors
    /// A sentence: truncated, edited, of another version, of another cluster, or no state file at all.
    pub fn read(bytes: &[u8], cluster: &str) -> Result<State, String> {
        let file: File = serde_json::from_slice(bytes).map_err(|e| {
            if e.is_eof() {
                "it ends in the middle: the disk was full or the file was cut; use a whole copy".to_owned()
            } else {
                format!("it is no state file of khud ({e})")
            }
        })?;
        if file.kind != KIND {
            return Err(format!("it holds {:?}, not the state of a run of waves", file.kind));
        }
        if file.version != VERSION {
            return Err(format!(
                "it has version {}, this khud reads version {VERSION}: resume it with the khud that wrote it",
                file.version
            ));
        }
        if sum(file.state.get()) != file.sha256 {
            return Err(
                "it was edited: its checksum does not match, and khud does not act on nodes that it cannot be sure of"
                    .to_owned(),
            );
        }
        let state: State =
            serde_json::from_str(file.state.get()).map_err(|e| format!("it cannot be read ({e})"))?;
        if state.cluster != cluster {
            return Err(format!(
                "it is of another cluster: its kube-system has the UID {}, the one that answers has {cluster}",
                state.cluster
            ));
        }
        Ok(state)
    }

    pub fn note(&mut self, at: Time, wave: usize, what: impl Into<String>) {
        self.lines.push(Line { at, wave, what: what.into() });
    }

    /// Notes the phases that nodes have entered since the last call.
    pub fn mark(&mut self, now: Time) {
        for node in self.nodes.values_mut() {
            if node.marks.last().is_none_or(|(phase, _)| *phase != node.phase) {
                node.marks.push((node.phase, now));
            }
        }
    }

    /// The nodes of a wave, by name.
    pub fn members(&self, wave: usize) -> Vec<String> {
        self.nodes.iter().filter(|(_, n)| n.wave == wave).map(|(name, _)| name.clone()).collect()
    }

    pub fn count(&self, phase: Phase) -> usize {
        self.nodes.values().filter(|n| n.phase == phase).count()
    }

    /// Nodes that khud cordoned and has not uncordoned.
    pub fn left_cordoned(&self) -> Vec<&str> {
        self.nodes.iter().filter(|(_, n)| n.cordoned).map(|(name, _)| name.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        State {
            run: "1-2-0".to_owned(),
            context: "prod".to_owned(),
            cluster: "uid-1".to_owned(),
            begun: Time(0),
            params: Params::new(),
            waves: 1,
            nodes: [("n1".to_owned(), NodeState { wave: 1, ..NodeState::default() })].into(),
            upgrade: None,
            workloads: BTreeSet::new(),
            lines: Vec::new(),
            ended: None,
        }
    }

    #[test]
    fn a_state_comes_back_as_it_was_written() {
        assert_eq!(State::read(&state().write().unwrap(), "uid-1"), Ok(state()));
    }

    #[test]
    fn a_file_that_cannot_be_trusted_is_refused_with_a_sentence() {
        let good = String::from_utf8(state().write().unwrap()).unwrap();
        let says = |text: &str, cluster: &str| State::read(text.as_bytes(), cluster).unwrap_err();
        assert!(says(&good, "uid-2").contains("of another cluster"));
        assert!(says(&good[..good.len() / 2], "uid-1").contains("ends in the middle"));
        assert!(says("", "uid-1").contains("ends in the middle"));
        assert!(says(&good.replace("\"waiting\"", "\"done\""), "uid-1").contains("was edited"));
        assert!(says(&good.replace("\"version\":1", "\"version\":0"), "uid-1").contains("has version 0"));
        assert!(says("{\"kind\":\"x\"}", "uid-1").contains("no state file"));
        for cut in 0..good.len() - 1 {
            assert!(State::read(&good.as_bytes()[..cut], "uid-1").is_err(), "cut at {cut}");
        }
    }
}
