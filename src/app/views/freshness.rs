//! How fresh the rows of a kind are, and why its list is not there.

use crate::app::core::model::Model;
use crate::world::time::human;
use crate::world::{Kind, StreamId, StreamState};

/// How fresh a kind's rows are, where they are not live.
pub fn freshness(model: &Model, kind: &Kind) -> Option<String> {
    let now = model.data.now;
    let states = model.data.world.streams.iter().filter(|(id, _)| match id {
        StreamId::Watch { kind: k, .. } => k == kind,
        StreamId::Telemetry(_) => false,
    });
    // Where the whole cluster is forbidden some of its namespaces may not be.
    let live = model.data.world.streams.iter().filter_map(|(id, s)| match id {
        StreamId::Watch { kind: k, namespace } if k == kind && s.state.is_live() => Some(&**namespace),
        _ => None,
    });
    let live: Vec<&str> = live.filter(|ns| !ns.is_empty()).collect();
    for (_, s) in states {
        let words = match &s.state {
            StreamState::Live => continue,
            StreamState::Polled { .. } => "polled, watch not allowed".to_owned(),
            StreamState::Connecting => "connecting".to_owned(),
            StreamState::Listing { objects } => format!("listing {objects}"),
            StreamState::Stale { since } => format!("stale {}", human(since.age(now))),
            StreamState::Reconnecting { why, .. } => format!("{} old: {why}", human(s.since.age(now))),
            StreamState::Forbidden { .. } if !live.is_empty() => format!("only {}", live.join(", ")),
            StreamState::Forbidden { .. } => "forbidden".to_owned(),
            StreamState::Unsupported { .. } => "not served".to_owned(),
        };
        return Some(words);
    }
    None
}

/// Whether nothing is heard of a kind now: what is known of it is old.
pub fn stale(model: &Model, kind: &Kind) -> bool {
    let of = |id: &StreamId| matches!(id, StreamId::Watch { kind: k, .. } if k == kind);
    let streams = model.data.world.streams.iter().filter(|(id, _)| of(id));
    let old = |s: &StreamState| matches!(s, StreamState::Stale { .. } | StreamState::Reconnecting { .. });
    streams.map(|(_, s)| &s.state).any(old)
}

/// Why a kind's list is not there: a lasting reason is no promise.
pub fn unlisted(model: &Model, kind: &Kind, forbidden: &'static str) -> &'static str {
    let of = |id: &StreamId| matches!(id, StreamId::Watch { kind: k, .. } if k == kind);
    let streams = model.data.world.streams.iter().filter(|(id, _)| of(id));
    match streams.map(|(_, s)| &s.state).next() {
        Some(StreamState::Forbidden { .. }) => forbidden,
        Some(StreamState::Reconnecting { .. } | StreamState::Stale { .. }) => {
            "The cluster does not answer. khud keeps trying; ctrl-r tries at once."
        }
        _ => "Looking…",
    }
}
