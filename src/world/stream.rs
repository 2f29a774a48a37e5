//! How fresh what we know is: one state per stream, never a guess.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Kind, Text, Time};

/// What a stream carries.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum StreamId {
    /// The watch of a kind; namespace empty for the whole cluster.
    Watch { kind: Kind, namespace: Text },
    /// A telemetry source by name (`dcgm`, `kube-proxy`, `metrics.k8s.io`).
    Telemetry(Text),
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum StreamState {
    Connecting,
    /// The initial list is on its way: `objects` received so far.
    Listing {
        objects: u64,
    },
    Live,
    /// The list is read again and again, because the watch is not allowed; `why` says which right is missing.
    Polled {
        why: Text,
    },
    /// Nothing heard since then though something should have been (bookmarks, probes).
    Stale {
        since: Time,
    },
    Reconnecting {
        at: Time,
        why: Text,
    },
    Forbidden {
        why: Text,
    },
    /// The server does not have it.
    Unsupported {
        why: Text,
    },
}

impl StreamState {
    /// What is known is the present, give or take the time between two polls.
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
