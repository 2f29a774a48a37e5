//! The contexts and namespaces that an action changes, for those that are protected.

use super::action::Action;
use super::failover;
use super::run::Params;
use crate::world::{Kind, ObjectRef};

/// Context and namespace of each place; an empty context is that of the run. Nodes and other objects without a
/// namespace are in none, whatever runs there.
pub fn places(action: &Action, target: &ObjectRef, params: &Params) -> Vec<(String, String)> {
    let own = match target.kind {
        Kind::Namespace if !action.is_cluster_wide() => &target.name,
        _ => &target.namespace,
    };
    let mut all = vec![(String::new(), own.to_string())];
    if action.name == "failover"
        && let Ok(asked) = failover::Asked::parse(params)
    {
        all.extend(asked.places());
    }
    all
}
