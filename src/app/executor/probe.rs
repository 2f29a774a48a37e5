//! The cockpit's eyes and hands without a screen: one World fed by the same watches, for scan, diagnose and do.

use std::time::Duration;

use tokio::time::Instant;

use crate::app::core::causes::answer;
use crate::cluster::Connection;
use crate::cluster::feed::{Feed, Scope, watch_all};
use crate::world::{Change, Kind, StreamId, StreamState, Time, World};

/// How long a server that refuses everything gets to come to its senses.
pub const PATIENCE: Duration = Duration::from_secs(3);

/// A cluster under watch.
pub struct Session {
    pub connection: Connection,
    pub world: World,
    feed: Feed,
    kinds: Vec<Kind>,
}

impl Session {
    pub fn start(connection: Connection, scope: &Scope, kinds: &[Kind]) -> Session {
        let feed = watch_all(&connection, scope, kinds);
        Session { connection, world: World::new(), feed, kinds: kinds.to_vec() }
    }

    pub fn now(&self) -> Time {
        self.connection.clock().now()
    }

    /// Waits for the next changes and takes them in. Cancelling it loses nothing.
    pub async fn next(&mut self) -> Vec<Change> {
        let deltas = self.feed.next().await;
        let mut changes = Vec::new();
        for delta in deltas {
            self.world.apply(delta, &mut changes);
        }
        changes
    }

    /// Whether every kind is either listed in full or known not to be had.
    pub fn settled(&self) -> bool {
        self.kinds.iter().all(|kind| {
            let mut any = false;
            // Where namespaces are named, each has to answer.
            let all = self.world.streams.iter().all(|(id, stream)| match id {
                StreamId::Watch { kind: k, namespace } if k == kind => {
                    any = true;
                    match &stream.state {
                        StreamState::Connecting | StreamState::Listing { .. } => false,
                        state => self.world.synced_in(kind, namespace) || refused(state),
                    }
                }
                _ => true,
            });
            any && all
        })
    }

    /// Takes changes in until everything has answered or the time is up; `seen` hears each batch.
    pub async fn settle(&mut self, limit: Duration, mut seen: impl FnMut(&World, &[Change])) {
        let began = Instant::now();
        let deadline = began + limit;
        while !(self.settled() || self.hopeless() && began.elapsed() > PATIENCE) {
            match tokio::time::timeout_at(deadline, self.next()).await {
                Ok(changes) => seen(&self.world, &changes),
                Err(_) => return,
            }
        }
    }

    /// Whether every source has failed and none has shown anything.
    pub fn hopeless(&self) -> bool {
        let failing = |s: &StreamState| refused(s) || matches!(s, StreamState::Reconnecting { .. });
        self.kinds
            .iter()
            .all(|kind| !self.world.synced(kind) && answer(&self.world, kind).is_some_and(failing))
    }

    /// The kinds of which nothing may be seen.
    pub fn refused(&self) -> impl Iterator<Item = &Kind> {
        let refused = |k: &&Kind| matches!(answer(&self.world, k), Some(StreamState::Forbidden { .. }));
        self.kinds.iter().filter(refused)
    }

    /// How many kinds were to be seen.
    pub fn sources(&self) -> usize {
        self.kinds.len()
    }

    /// Whether anything at all could be seen.
    pub fn saw_something(&self) -> bool {
        self.kinds.iter().any(|kind| self.world.synced(kind))
    }
}

/// The server said that this is not to be had; waiting longer changes nothing.
fn refused(state: &StreamState) -> bool {
    matches!(state, StreamState::Forbidden { .. } | StreamState::Unsupported { .. })
}
