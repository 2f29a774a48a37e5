//! The ControllerRevisions that a StatefulSet or a DaemonSet keeps.

use serde_json::Value as Json;

use crate::world::{Pod, Text, Time};

/// The label by which the pods of a StatefulSet and of a DaemonSet tell their revision.
const HASH: &str = "controller-revision-hash";

/// A ControllerRevision, as far as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    pub number: u64,
    pub name: Text,
    pub images: String,
    pub created: Option<Time>,
}

impl Kept {
    /// Whether the pod is of this revision. A StatefulSet's pods carry its name, a DaemonSet's the hash at its end.
    pub fn has(&self, pod: &Pod) -> bool {
        let hash = pod.meta.labels.get(HASH);
        hash.is_some_and(|hash| *hash == *self.name || self.name.ends_with(&format!("-{hash}")))
    }
}

/// The revisions of a list that belong to the workload with this uid, newest first.
pub fn of(list: &Json, uid: &str) -> Vec<Kept> {
    let owned = |o: &&Json| {
        let owners = o["metadata"]["ownerReferences"].as_array();
        owners.into_iter().flatten().any(|owner| owner["uid"].as_str() == Some(uid))
    };
    let one = |o: &Json| {
        let containers = o["data"]["spec"]["template"]["spec"]["containers"].as_array();
        let images: Vec<&str> =
            containers.into_iter().flatten().filter_map(|c| c["image"].as_str()).collect();
        Some(Kept {
            number: o["revision"].as_u64()?,
            name: o["metadata"]["name"].as_str()?.into(),
            images: images.join(","),
            created: o["metadata"]["creationTimestamp"].as_str().and_then(Time::parse),
        })
    };
    let mut all: Vec<Kept> =
        list["items"].as_array().into_iter().flatten().filter(owned).filter_map(one).collect();
    all.sort_by_key(|r| std::cmp::Reverse(r.number));
    all
}
