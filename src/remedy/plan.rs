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
    /// Values of an option that may be chosen instead.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Choice>,
}

/// A value that an option may have.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Choice {
    /// The option's name, as typed after `--`.
    pub option: &'static str,
    pub value: String,
    pub label: String,
    /// The plan is made with it.
    pub chosen: bool,
}

/// One check that had to hold before anything was sent.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Guard {
    pub check: String,
    pub ok: bool,
    pub reason: String,
}

/// One write that was sent, perhaps several times in a row with the same answer. `status` is the HTTP status; 0 where no
/// answer came.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct RequestLine {
    /// The context that it went to, where that is not the one of the run.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub context: String,
    pub verb: String,
    pub path: String,
    pub dry_run: bool,
    pub status: u16,
    #[serde(skip_serializing_if = "once")]
    pub times: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn once(times: &u32) -> bool {
    *times == 1
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
    /// The `metadata.uid` of the object that was planned for; empty where the action does not read it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    pub plan: Plan,
    /// The plan was made again because its object changed: lines that are new (`+`) or do not hold any more (`-`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refreshed: Option<String>,
    pub guard: Vec<Guard>,
    pub requests: Vec<RequestLine>,
    /// `None` until the run ends, and for a plan that was only shown (`--dry-run`).
    pub outcome: Option<Outcome>,
    pub reason: String,
    pub took_ms: u64,
    pub files: Vec<LocalFile>,
    /// The exit status of the command that a session ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// What should follow, where something should.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub next: Vec<NextStep>,
    /// A plan that has a form of its own.
    #[serde(skip)]
    pub shown: Option<Box<Shown>>,
}

/// A plan in the form that its action prints.
#[derive(Clone, PartialEq, Debug)]
pub struct Shown {
    pub text: String,
    /// The output of `--dry-run -o json` in place of the report.
    pub json: serde_json::Value,
}

/// An action that should follow the one that ended.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct NextStep {
    pub action: &'static str,
    #[serde(serialize_with = "object")]
    pub target: ObjectRef,
}

impl Report {
    pub fn new(action: &str, target: ObjectRef) -> Report {
        Report {
            action: action.to_owned(),
            target,
            uid: String::new(),
            plan: Plan::default(),
            refreshed: None,
            guard: Vec::new(),
            requests: Vec::new(),
            outcome: None,
            reason: String::new(),
            took_ms: 0,
            files: Vec::new(),
            exit_code: None,
            next: Vec::new(),
            shown: None,
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
