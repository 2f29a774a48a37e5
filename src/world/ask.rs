//! What khud can ask of a cluster, as plain values: remedies and playbooks say it, `cluster` carries it out.

use serde::{Deserialize, Serialize};

use super::Text;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Verb {
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Get => "GET",
            Verb::Post => "POST",
            Verb::Put => "PUT",
            Verb::Patch => "PATCH",
            Verb::Delete => "DELETE",
        }
    }
}

/// One HTTP request to the API server.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Call {
    pub verb: Verb,
    /// Path and query, e.g. `/api/v1/nodes/n1?dryRun=All`. Names in it are already percent-encoded where needed.
    pub path: String,
    /// `application/json`, `application/json-patch+json`, … ; empty without a body.
    pub content_type: Text,
    pub body: Option<serde_json::Value>,
}

impl Call {
    pub fn get(path: impl Into<String>) -> Call {
        Call { verb: Verb::Get, path: path.into(), content_type: "".into(), body: None }
    }
}

/// What came back: any HTTP status with its body (JSON where it was, else a string).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Answer {
    pub status: u16,
    pub body: serde_json::Value,
}

impl Answer {
    pub fn ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The message of a `Status` body, or the start of whatever else came back.
    pub fn message(&self) -> String {
        match self.body.get("message").and_then(|m| m.as_str()).or(self.body.as_str()) {
            Some(text) => text.chars().take(500).collect(),
            None => format!("HTTP {}", self.status),
        }
    }
}

/// A log to read: `tail` lines from the end.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct LogTail {
    pub namespace: Text,
    pub pod: Text,
    pub container: Text,
    pub previous: bool,
    pub tail: u32,
}

/// A command to run in a container. No shell unless `command` names one.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Exec {
    pub namespace: Text,
    pub pod: Text,
    pub container: Text,
    pub command: Vec<String>,
}

/// What a command printed. Output over the reader's limit is cut and `truncated` says so.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ExecOutput {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// The command's exit status.
    pub exit_code: i32,
    pub truncated: bool,
}
