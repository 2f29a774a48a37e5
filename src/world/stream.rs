//! How fresh the known state is: one state per stream.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Kind, Text, Time};

/// The source of a stream.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum StreamId {
    /// The watch of a kind; an empty namespace stands for the whole cluster.
    Watch {
        /// The watched kind.
        kind: Kind,
        /// The watched namespace; empty for the whole cluster.
        namespace: Text,
    },
    /// A telemetry source by name (`dcgm`, `kube-proxy`, `metrics.k8s.io`).
    Telemetry(Text),
}

/// The state of a stream.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum StreamState {
    /// No answer yet.
    Connecting,
    /// The initial list is running.
    Listing {
        /// The number of objects so far.
        objects: u64,
    },
    /// The list is complete and the watch is open.
    Live,
    /// The list is polled, because the user may not watch.
    Polled {
        /// The missing right.
        why: Text,
    },
    /// Nothing has arrived since then, although bookmarks or probes should have.
    Stale {
        /// The time of the last data.
        since: Time,
    },
    /// The connection failed and is tried again.
    Reconnecting {
        /// The time of the next attempt.
        at: Time,
        /// The failure, as a sentence.
        why: Text,
    },
    /// The user may not list the kind.
    Forbidden {
        /// The API server's message.
        why: Text,
    },
    /// The server does not serve this kind.
    Unsupported {
        /// The API server's message.
        why: Text,
    },
}

impl StreamState {
    /// Whether the known state is current, up to the time between two polls.
    pub fn is_live(&self) -> bool {
        matches!(self, StreamState::Live | StreamState::Polled { .. })
    }
}

impl fmt::Display for StreamState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StreamState::Connecting => f.write_str("connecting"),
            StreamState::Listing { objects } => write!(f, "listing {objects}"),
            StreamState::Live => f.write_str("live"),
            StreamState::Polled { .. } => f.write_str("polled"),
            StreamState::Stale { .. } => f.write_str("stale"),
            StreamState::Reconnecting { .. } => f.write_str("reconnecting"),
            StreamState::Forbidden { .. } => f.write_str("forbidden"),
            StreamState::Unsupported { .. } => f.write_str("unsupported"),
        }
    }
}
