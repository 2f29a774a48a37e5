//! A finding: what is wrong with which object, since when, and the proof. Serialises as `khud scan -o json` prints it.

use serde::{Deserialize, Serialize, Serializer};

use crate::judge::evidence::object_json;
use crate::judge::{Evidence, Key, Severity, Sure};
use crate::world::{ObjectRef, Text, Time};

use super::quiet::{How, Quieted};

/// Where a finding stands: seen but not yet for long enough, true now, or no longer true but not yet let go.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Pending,
    Firing,
    Resolving,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Firing => "firing",
            State::Resolving => "resolving",
        }
    }
}

/// Something that changed shortly before a finding began and touches what is affected.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct WhatChanged {
    pub what: String,
    #[serde(serialize_with = "object_json")]
    pub object: ObjectRef,
    pub at: Time,
    /// The controller or client that wrote it; empty where nobody is known.
    #[serde(skip_serializing_if = "nobody")]
    pub by: Text,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    #[serde(skip)]
    pub key: Key,
    /// The rule that fired. Ids: `khud print rules`.
    pub rule: Text,
    /// The proved cause: an id of the contract (`image.not-found`), or `unknown`.
    pub cause: Text,
    pub severity: Severity,
    /// The sick object: the rollout where a rollout is stuck, else the first of the sick pods, the node, the claim, …
    #[serde(serialize_with = "object_json")]
    pub object: ObjectRef,
    /// The workload, node or DaemonSet to fix; `None` where the object itself is it.
    #[serde(serialize_with = "maybe_object_json")]
    pub root: Option<ObjectRef>,
    /// The container to blame, where one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<Text>,
    pub sure: Sure,
    /// One sentence.
    pub title: String,
    /// A few words for the sick row in other panes.
    #[serde(skip)]
    pub row: String,
    pub evidence: Vec<Evidence>,
    pub since: Time,
    /// Objects affected.
    pub count: u32,
    pub state: State,
    /// Nearest before `since` first.
    pub changed: Vec<WhatChanged>,
    /// The decision tree to open.
    pub playbook: Text,
    /// The trouble it shares with findings elsewhere: a registry, a ConfigMap, a host.
    #[serde(skip)]
    pub fold: Option<Text>,
    /// The object that has to be put right first, where another one than its root is known.
    #[serde(skip)]
    pub waits_for: Option<ObjectRef>,
    /// The findings that this line stands for besides its own, where several of one trouble are one line.
    #[serde(skip)]
    pub with: Vec<Key>,
    /// That somebody has it, or that it is muted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet: Option<Quieted>,
}

impl Finding {
    /// The object to fix.
    pub fn fix(&self) -> &ObjectRef {
        self.root.as_ref().unwrap_or(&self.object)
    }

    /// Whether it was acknowledged, or muted.
    pub fn is(&self, how: How) -> bool {
        self.quiet.as_ref().is_some_and(|q| q.how == how)
    }

    /// Firing and not muted: what counts in headers and exit codes.
    pub fn counts(&self) -> bool {
        self.state == State::Firing && !self.is(How::Muted)
    }
}

/// What became of a finding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Turn {
    /// Seen, waiting out its time.
    Pending,
    Began,
    /// True again, before it was let go.
    Returned,
    /// Another cause is proved than before: a log answered.
    Refined,
    Changed,
    /// No longer true; kept a while in case it comes back.
    Resolving,
    Ended,
}

#[derive(Clone, PartialEq, Debug)]
pub struct FindingChange {
    pub turn: Turn,
    pub finding: std::sync::Arc<Finding>,
}

fn nobody(by: &Text) -> bool {
    by.is_empty()
}

fn maybe_object_json<S: Serializer>(object: &Option<ObjectRef>, s: S) -> Result<S::Ok, S::Error> {
    match object {
        Some(object) => object_json(object, s),
        None => s.serialize_none(),
    }
}
