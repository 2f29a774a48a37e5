//! Upgrades: waves that bring control-plane nodes, then workers, to another Kubernetes version.
//!
//! `options` reads what was asked, `version` compares versions by the skew policy, `before` looks at what stands in the
//! way, `deprecated` at APIs that go, `steps` adds to a wave what an upgrade has beyond it, `check` looks at the cluster afterwards, `log` writes the
//! upgrade log.

mod before;
mod check;
mod deprecated;
mod log;
mod options;
mod steps;
mod version;

pub(super) use before::{begun, checks, told};
pub(super) use log::markdown;
pub(in crate::remedy) use options::SPECS;
pub(in crate::remedy) use options::Upgrade;
pub(super) use steps::redundant;
pub(super) use version::same;

use crate::world::Node;

/// The labels of control-plane nodes; the second is that of clusters before 1.24.
const CONTROL_PLANE: [&str; 2] = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];

/// Whether a node runs the control plane, by its labels.
pub(super) fn control_plane(node: &Node) -> bool {
    CONTROL_PLANE.iter().any(|label| node.meta.labels.get(label).is_some())
}
