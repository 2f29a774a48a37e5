//! Requests to a cluster as plain values: remedies and playbooks create them, `cluster` sends them.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::Text;

/// The HTTP method of a [`Call`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Verb {
    /// Reads an object or a list.
    Get,
    /// Creates an object or a review.
    Post,
    /// Replaces an object.
    Put,
    /// Changes parts of an object.
    Patch,
    /// Deletes an object.
    Delete,
}

impl Verb {
    /// The method's name, in upper case.
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
    /// The HTTP method.
    pub verb: Verb,
    /// Path and query, such as `/api/v1/nodes/n1?dryRun=All`. Names in it are percent-encoded already.
    pub path: String,
    /// `application/json`, `application/json-patch+json`, …; empty without a body.
    pub content_type: Text,
    /// The JSON body, if the request has one.
    pub body: Option<serde_json::Value>,
}

impl Call {
    /// A GET of `path`.
    pub fn get(path: impl Into<String>) -> Call {
        Call { verb: Verb::Get, path: path.into(), content_type: "".into(), body: None }
    }
}

/// The API server's answer: any HTTP status, with its body as JSON, or as a string if it was not JSON.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body: JSON, or a string if it was not JSON.
    pub body: serde_json::Value,
}

impl Answer {
    /// Whether the status is 2xx.
    pub fn ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The message of a `Status` body, else the start of the body.
    pub fn message(&self) -> String {
        match self.body.get("message").and_then(|m| m.as_str()).or(self.body.as_str()) {
            Some(text) => text.chars().take(500).collect(),
            None => format!("HTTP {}", self.status),
        }
    }
}

/// The last `tail` lines of a container's log.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct LogTail {
    /// The pod's namespace.
    pub namespace: Text,
    /// The pod's name.
    pub pod: Text,
    /// The container's name.
    pub container: Text,
    /// Whether to read the log of the previous run.
    pub previous: bool,
    /// The number of lines.
    pub tail: u32,
}

/// A command to run in a container, without a shell unless `command` names one.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Exec {
    /// The pod's namespace.
    pub namespace: Text,
    /// The pod's name.
    pub pod: Text,
    /// The container's name.
    pub container: Text,
    /// The program and its arguments.
    pub command: Vec<String>,
}

/// A session in a container, with the operator at its ends.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Interactive {
    /// The pod's namespace.
    pub namespace: Text,
    /// The pod's name.
    pub pod: Text,
    /// The container's name.
    pub container: Text,
    /// Empty: the container's main process.
    pub command: Vec<String>,
    /// With a terminal, keys go to the command; without one only its outputs come back.
    pub terminal: bool,
}

/// A port on this machine whose connections go to a port of a pod.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Forward {
    /// The pod's namespace.
    pub namespace: Text,
    /// The pod's name; empty: any that the selector selects.
    pub pod: Text,
    /// The labels of the pods that may be meant, in kubectl's notation; empty: only the one that is named.
    pub selector: Text,
    /// The port in the pod: a number, or the name of a container port.
    pub port: Text,
    /// The port on this machine; 0: any that is free.
    pub local: u16,
}

/// A forwarded port as it is now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ForwardState {
    /// The address on this machine.
    pub local: SocketAddr,
    /// The pod that it reaches now.
    pub pod: Text,
    /// The port there.
    pub port: u16,
    /// Connections that are open.
    pub open: u32,
    /// Connections so far.
    pub connections: u64,
    /// Bytes to the pod, of the connections that ended.
    pub sent: u64,
    /// Bytes from the pod, of the connections that ended.
    pub received: u64,
    /// Why the last connection came to nothing.
    pub trouble: Option<Text>,
}

impl ForwardState {
    /// A port that was just opened.
    pub fn new(local: SocketAddr, pod: Text, port: u16) -> ForwardState {
        ForwardState { local, pod, port, open: 0, connections: 0, sent: 0, received: 0, trouble: None }
    }
}

/// The output of a command. `truncated` says that output over the reader's limit was dropped.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ExecOutput {
    /// The bytes of stdout.
    pub stdout: Vec<u8>,
    /// The bytes of stderr.
    pub stderr: Vec<u8>,
    /// The command's exit status.
    pub exit_code: i32,
    /// Whether output was dropped.
    pub truncated: bool,
}
