//! What a remedy would change and whom it would hurt, what guarded it, what was sent, and how it ended.

use serde::{Serialize, Serializer};

use crate::world::ObjectRef;

/// Where a run stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    #[default]
    Planning,
    Guarding,
    DryRun,
    Confirming,
    Applying,
    Watching,
    Done,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Info,
    Warning,
    Critical,
}

/// One object the remedy changes, with a unified diff of its YAML (empty where nothing in the API object changes).
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ChangedObject {
    #[serde(serialize_with = "object")]
    pub object: ObjectRef,
    pub diff: String,
}

/// One consequence worth knowing before saying yes.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Impact {
    pub what: String,
    pub severity: Severity,
    pub detail: String,
}

#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Plan {
    pub changes: Vec<ChangedObject>,
    pub impact: Vec<Impact>,
    /// The kubectl command that does the same.
    pub kubectl: String,
}

/// One check that had to hold before anything was sent.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Guard {
    pub check: String,
    pub ok: bool,
    pub reason: String,
}

/// One write that was sent. `status` is the HTTP status; 0 where no answer came.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct RequestLine {
    pub verb: String,
    pub path: String,
    pub dry_run: bool,
    pub status: u16,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Done, and the cluster shows the result.
    Verified,
    /// Sent and accepted, but the result was not seen.
    Applied,
    /// Nothing was changed: a guard, the operator or read-only mode said no.
    Refused,
    Failed,
}

impl Outcome {
    /// `khud do`'s exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Outcome::Verified => 0,
            Outcome::Refused | Outcome::Failed => 1,
            Outcome::Applied => 3,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Verified => "verified",
            Outcome::Applied => "applied",
            Outcome::Refused => "refused",
            Outcome::Failed => "failed",
        }
    }
}

/// A file written on this machine.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct LocalFile {
    pub path: String,
    pub bytes: u64,
    /// Hex; empty for a part that was not completed.
    pub sha256: String,
}

/// All of a run, in the shape `khud do -o json` prints.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Report {
    pub action: String,
    #[serde(serialize_with = "object")]
    pub target: ObjectRef,
    pub plan: Plan,
    pub guard: Vec<Guard>,
    pub requests: Vec<RequestLine>,
    /// `None` until the run ends, and for a plan that was only shown (`--dry-run`).
    pub outcome: Option<Outcome>,
    pub reason: String,
    pub took_ms: u64,
    pub files: Vec<LocalFile>,
}

impl Report {
    pub fn new(action: &str, target: ObjectRef) -> Report {
        Report {
            action: action.to_owned(),
            target,
            plan: Plan::default(),
            guard: Vec::new(),
            requests: Vec::new(),
            outcome: None,
            reason: String::new(),
            took_ms: 0,
            files: Vec::new(),
        }
    }

    /// The guards that said no.
    pub fn refusals(&self) -> impl Iterator<Item = &Guard> {
        self.guard.iter().filter(|g| !g.ok)
    }
}

/// `{kind, namespace, name}`; the namespace of a cluster-scoped object is empty.
pub fn object<S: Serializer>(o: &ObjectRef, s: S) -> Result<S::Ok, S::Error> {
    use serde::ser::SerializeStruct;
    let mut out = s.serialize_struct("Object", 3)?;
    out.serialize_field("kind", o.kind.name())?;
    out.serialize_field("namespace", &*o.namespace)?;
    out.serialize_field("name", &*o.name)?;
    out.end()
}
