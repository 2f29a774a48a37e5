//! The shell of the containers: what commands print there.
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::sim::api::machines::{ExecIo, ExecRequest, ExecResult};

use super::Cluster;

/// Environment variables.
pub type Env = BTreeMap<String, String>;

/// A command's place: the container run it is in.
pub struct Session {
    cluster: Cluster,
    uid: Arc<str>,
    container: usize,
    attempt: u32,
}

impl Session {
    pub fn new(cluster: Cluster, uid: Arc<str>, container: usize, attempt: u32) -> Self {
        Self { cluster, uid, container, attempt }
    }
}

/// Runs a command to its end.
pub async fn run(session: Session, exec: ExecRequest, io: ExecIo) -> ExecResult {
    let words: Vec<&str> = exec.command.iter().map(String::as_str).collect();
    let answer = {
        let engine = session.cluster.lock();
        let run = engine.runs.get(&session.uid).and_then(|r| r.containers.get(session.container));
        run.filter(|c| c.attempt == session.attempt)
            .and_then(|c| c.run.as_ref()?.behaviour.answers(&words).cloned())
    };
    match answer {
        Some(a) if !a.missing => {
            // A reader that is gone needs no output.
            let _ = io.stdout.send(Bytes::from(a.stdout)).await;
            let _ = io.stderr.send(Bytes::from(a.stderr)).await;
            ExecResult::Exited(a.code)
        }
        _ => {
            let program = words.first().copied().unwrap_or_default();
            ExecResult::Failed(format!(
                "error executing command in container: failed to exec in container: failed to start exec: OCI runtime exec failed: exec failed: unable to start container process: exec: {program:?}: executable file not found in $PATH"
            ))
        }
    }
}
