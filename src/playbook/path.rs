//! The parts of a walk: what it wants read, the questions it answered, and what it ends with.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::judge::Sure;
use crate::world::ask::{Answer, Call, Exec, ExecOutput, LogTail};
use crate::world::{ObjectRef, Text, Time};

/// Something a walk wants read.
#[derive(Clone, PartialEq, Debug)]
pub enum Read {
    Log(LogTail),
    Call(Call),
    /// The last lines of services on a node, by the kubelet's log query.
    NodeLog {
        node: Text,
        services: Vec<String>,
        tail: u32,
    },
    /// Only ever wanted where [`Intrusive`] allows it.
    Exec(Exec),
}

/// The result of a read.
#[derive(Clone, PartialEq, Debug)]
pub enum Reading {
    Text(String),
    Answer(Answer),
    Output(ExecOutput),
}

/// Whether a walk may run commands in containers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Intrusive {
    /// Nobody allowed it and nobody can be asked.
    #[default]
    NotAllowed,
    /// Each one needs the operator's yes: see [`super::Walk::consent`].
    Ask,
    Allowed,
    /// khud runs read-only.
    ReadOnly,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct WalkOptions {
    /// Whether commands may be run in containers.
    pub intrusive: Intrusive,
    /// Somebody is there to answer what the cluster cannot; else such answers are `unknown`.
    pub operator: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    Cluster,
    Operator,
}

/// The quotes behind an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Evidence {
    pub source: String,
    pub quote: String,
    pub object: ObjectRef,
    pub at: Option<Time>,
}

/// One question answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// The node's id; `PLAYBOOK/NODE` after a walk went on in another playbook.
    pub id: String,
    pub question: String,
    /// yes, no, a case's name, or unknown.
    pub answer: String,
    pub by: By,
    pub evidence: Vec<Evidence>,
    /// Milliseconds spent fetching evidence for it.
    pub took_ms: u64,
    /// Other answers the operator could give.
    pub choices: Vec<String>,
    /// The operator put their answer in place of this one of the cluster's.
    pub overruled: Option<String>,
    /// The answer needs a command that the operator has not allowed: what it does, where and for how long.
    pub consent: Option<String>,
}

/// A fact that could not be found out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unknown {
    pub what: String,
    pub why: String,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    pub cause: String,
    pub title: String,
    pub explanation: String,
    pub sure: Sure,
    /// The object to fix.
    pub object: ObjectRef,
    /// The container to blame, where one is.
    pub container: Option<Text>,
    /// How to see that it is over; empty where the playbook says nothing.
    pub verify: String,
    /// How long nothing may speak against the object before it counts as over.
    pub hold: Duration,
    /// Pages with lines for people, by id.
    pub pages: Vec<String>,
    /// The ways to go on that people choose between.
    pub options: Vec<Choice>,
}

/// One way to go on.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Choice {
    pub name: String,
    #[serde(rename = "for")]
    pub pro: String,
    pub against: String,
    pub when: String,
    /// The cost, from live numbers where there are any.
    pub cost: String,
}

impl Choice {
    /// For, against, when and cost, each with its word.
    pub fn parts(&self) -> [(&'static str, &str); 4] {
        [("for", &self.pro), ("against", &self.against), ("when", &self.when), ("cost", &self.cost)]
    }
}

/// An action the verdict suggests.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proposal {
    pub action: String,
    pub target: ObjectRef,
    pub params: BTreeMap<String, String>,
}

impl Proposal {
    /// The command that does it.
    pub fn command(&self) -> String {
        let kind = self.target.kind.name().to_ascii_lowercase();
        let mut out = format!("khud do {} {kind}/{}", self.action, self.target.name);
        if !self.target.namespace.is_empty() {
            out.push_str(&format!(" -n {}", self.target.namespace));
        }
        for (name, value) in &self.params {
            if value.is_empty() {
                out.push_str(&format!(" --{name}"));
            } else {
                out.push_str(&format!(" --{name} {value}"));
            }
        }
        out
    }
}

/// Where a walk stands.
#[derive(Clone, PartialEq, Debug)]
pub enum State {
    /// Reads are outstanding: see [`super::Walk::wants`].
    Reading,
    /// The operator is asked; answer with [`super::Walk::tell`].
    Asking {
        id: String,
        question: String,
        why: String,
        choices: Vec<String>,
    },
    Done,
}
