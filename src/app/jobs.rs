//! Carries effects out against the cluster, each in a task of its own; what comes back is a message.

use std::sync::Arc;

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use super::hands;
use super::msg::{Effect, Msg};
use crate::cluster::{Connection, Scope, watch_all};
use crate::world::Kind;

/// Messages that may wait; past that the feed holds deltas back and folds them.
pub const INBOX: usize = 64;

#[derive(Debug)]
pub struct Jobs {
    connection: Connection,
    inbox: mpsc::Sender<Msg>,
    /// Everything under way. Dropping it stops all.
    tasks: JoinSet<()>,
    /// Wakes the feed to connect again at once.
    nudge: Arc<Notify>,
}

/// What the cockpit watches. Secrets only where they are switched on.
pub const WATCHED: &[Kind] = &[
    Kind::Pod,
    Kind::Node,
    Kind::Event,
    Kind::Namespace,
    Kind::Deployment,
    Kind::ReplicaSet,
    Kind::StatefulSet,
    Kind::DaemonSet,
    Kind::Job,
    Kind::CronJob,
    Kind::Service,
    Kind::EndpointSlice,
    Kind::PersistentVolumeClaim,
    Kind::ResourceQuota,
    Kind::PodDisruptionBudget,
    Kind::HorizontalPodAutoscaler,
    Kind::ConfigMap,
];

impl Jobs {
    pub fn new(connection: Connection, inbox: mpsc::Sender<Msg>) -> Jobs {
        Jobs { connection, inbox, tasks: JoinSet::new(), nudge: Arc::new(Notify::new()) }
    }

    /// Asks the server who it is.
    pub fn hello(&mut self) {
        let connection = self.connection.clone();
        self.spawn("asking for the server's version", async move {
            match connection.check().await {
                Ok(v) => Msg::Version(v.git_version),
                Err(e) => Msg::Failed(e.to_string()),
            }
        });
    }

    /// Watches the cluster for as long as the cockpit lives. While the cockpit is busy the feed folds changes.
    pub fn watch(&mut self, scope: &Scope) {
        let mut feed = watch_all(&self.connection, scope, WATCHED);
        let (inbox, nudge) = (self.inbox.clone(), self.nudge.clone());
        self.tasks.spawn(async move {
            loop {
                let deltas = tokio::select! {
                    deltas = feed.next() => deltas,
                    () = nudge.notified() => {
                        feed.reconnect();
                        continue;
                    }
                };
                if inbox.send(Msg::Deltas(deltas)).await.is_err() {
                    break;
                }
            }
        });
    }

    pub fn carry_out(&mut self, effect: Effect) {
        let connection = self.connection.clone();
        match effect {
            Effect::Call { token, call } => self.spawn("a request", async move {
                let result = connection.call(call).await.map_err(|e| e.to_string());
                Msg::Called { token, result }
            }),
            Effect::Log(tail) => self.spawn("reading a log", async move {
                let result = hands::read_log(&connection, &tail).await;
                Msg::Log { tail, result }
            }),
            Effect::Reconnect => self.nudge.notify_one(),
            // These are the terminal's, and done before effects come here.
            Effect::Quit | Effect::Suspend | Effect::Redraw | Effect::Copy(_) => {}
        }
    }

    /// Runs a task and delivers its message; one that panics is reported, not fatal.
    fn spawn(&mut self, what: &'static str, task: impl Future<Output = Msg> + Send + 'static) {
        while self.tasks.try_join_next().is_some() {}
        let inbox = self.inbox.clone();
        self.tasks.spawn(async move {
            let msg = match tokio::spawn(task).await {
                Ok(msg) => msg,
                Err(e) if e.is_panic() => Msg::Failed(format!(
                    "khud failed at {what}; this is a bug, and `khud bug` gathers what helps"
                )),
                Err(_) => return,
            };
            // The cockpit is gone when nobody receives any more.
            let _ = inbox.send(msg).await;
        });
    }
}
