//! Rollouts of StatefulSets and DaemonSets, which have no Progressing condition: what each revision has and lacks.

use std::collections::BTreeMap;

use crate::world::{Kind, Pod, Time, Workload};

use super::diagnosis::Ctx;

/// The label by which their pods name their revision.
const HASH: &str = "controller-revision-hash";

/// A rollout that waits for pods which do not become ready.
pub struct Standing {
    /// Since when the oldest of these pods is not ready.
    pub since: Time,
    /// Ready against wanted, revision by revision.
    pub quote: String,
}

/// Whether pods of two revisions exist side by side and one that is not ready keeps the rollout from going on.
pub fn standing(ctx: &Ctx, w: &Workload) -> Option<Standing> {
    if !matches!(w.kind, Kind::StatefulSet | Kind::DaemonSet)
        || w.observed_generation < w.meta.generation
        || &*w.strategy == "OnDelete"
    {
        return None;
    }
    let mut revisions: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    let mut oldest: Option<Time> = None;
    for (_, pod) in ctx.world.pods_of(&w.meta.uid).filter(|(_, p)| p.meta.deleting.is_none()) {
        let of = revisions.entry(pod.meta.labels.get(HASH).unwrap_or("")).or_default();
        of.1 += 1;
        if pod.ready {
            of.0 += 1;
        } else if let Some(since) = waits_since(pod) {
            oldest = Some(oldest.map_or(since, |o| o.min(since)));
        }
    }
    let since = oldest.filter(|_| revisions.len() > 1)?;
    let each = revisions.iter().map(|(hash, (ready, all))| {
        let new =
            if w.kind == Kind::StatefulSet && **hash == *w.update_revision { " (the new one)" } else { "" };
        format!("{hash}{new}: {ready} of {all} ready")
    });
    let quote = format!("wanted {}; {}", w.desired, each.collect::<Vec<_>>().join("; "));
    Some(Standing { since, quote })
}

fn waits_since(pod: &Pod) -> Option<Time> {
    pod.ready_since.or(pod.started).or(pod.meta.created)
}
