//! A terminal session in a container: exec or attach, with input, resizing and the command's exit status.

use futures::SinkExt as _;
use futures::channel::mpsc;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{AttachParams, AttachedProcess, TerminalSize};
use tokio::io::{AsyncRead, AsyncWrite};

use super::ask::segment;
use super::connect::Connection;
use super::error::Failure;
use super::exec::exit_code;
use crate::world::ask::Interactive;

/// A session under way. Dropping it hangs up.
pub struct Running {
    process: AttachedProcess,
    server: String,
    size: Option<mpsc::Sender<TerminalSize>>,
}

impl Running {
    /// Where the command's input goes; `None` after it was taken, or without a terminal.
    pub fn stdin(&mut self) -> Option<impl AsyncWrite + Unpin + use<>> {
        self.process.stdin()
    }

    pub fn stdout(&mut self) -> Option<impl AsyncRead + Unpin + use<>> {
        self.process.stdout()
    }

    /// `None` with a terminal, which mixes both outputs.
    pub fn stderr(&mut self) -> Option<impl AsyncRead + Unpin + use<>> {
        self.process.stderr()
    }

    /// Tells the far terminal its size, columns and rows.
    pub async fn resize(&mut self, width: u16, height: u16) {
        if let Some(size) = &mut self.size {
            // A session that ended has no size any more.
            let _ = size.send(TerminalSize { width, height }).await;
        }
    }

    /// The command's exit status, once it ended and its outputs were read to their end.
    ///
    /// # Errors
    /// The connection broke before the status came, or the command could not be started.
    pub async fn exit(&mut self) -> Result<i32, Failure> {
        let broken = || Failure::Broken {
            server: self.server.clone(),
            why: "the session ended before the command said how it ended".into(),
        };
        let Some(status) = self.process.take_status() else { return Err(broken()) };
        match status.await {
            Some(status) => exit_code(&status),
            None => Err(broken()),
        }
    }
}

impl Connection {
    /// Opens a session. With a terminal its input is sent and both outputs come as one.
    ///
    /// # Errors
    /// The session could not be opened, in the API server's words, or nothing answered in time.
    pub async fn interactive(&self, ask: &Interactive) -> Result<Running, Failure> {
        // kube puts these into the path as they are.
        if [&ask.namespace, &ask.pod].iter().any(|n| segment(n) != ***n) {
            return Err(Failure::Protocol(format!(
                "{}/{} cannot be the name of a pod",
                ask.namespace, ask.pod
            )));
        }
        self.renew_before_expiry().await?;
        self.ensure_may_change().await?;
        let params = AttachParams::default()
            .container(&*ask.container)
            .stdin(ask.terminal)
            .stdout(true)
            .stderr(!ask.terminal)
            .tty(ask.terminal);
        let pods: Api<Pod> = Api::namespaced(self.client(), &ask.namespace);
        let after = self.request_timeout();
        let timed_out = |_| Failure::TimedOut { server: self.server().to_owned(), after };
        let started = if ask.command.is_empty() {
            tokio::time::timeout(after, pods.attach(&ask.pod, &params)).await.map_err(timed_out)?
        } else {
            let exec = pods.exec(&ask.pod, ask.command.clone(), &params);
            tokio::time::timeout(after, exec).await.map_err(timed_out)?
        };
        let mut process = started.map_err(|e| self.not_started(e))?;
        let size = process.terminal_size();
        Ok(Running { process, server: self.server().to_owned(), size })
    }
}
