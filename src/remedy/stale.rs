//! Whether a plan still holds: what of the target it depends on, and how a new plan differs from the one before.

use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use super::plan::Report;
use super::render;
use crate::world::{Kind, ObjectRef, Uid, World};

/// What a plan depends on: which object it is and what that object is meant to be. A status update changes none of it.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct State {
    uid: Uid,
    /// Counts the changes of the spec; 0 for kinds whose generation the server does not keep.
    generation: i64,
    deleting: bool,
    /// Nodes: their generation does not count.
    unschedulable: bool,
}

/// The target as the World has it; `None` where it is gone or its kind is not watched.
pub(super) fn state(world: &World, target: &ObjectRef) -> Option<State> {
    let meta = world.meta(target)?;
    let node = (target.kind == Kind::Node).then(|| world.nodes.find("", &target.name)).flatten();
    Some(State {
        uid: meta.uid.clone(),
        generation: meta.generation,
        deleting: meta.deleting.is_some(),
        unschedulable: node.is_some_and(|n| n.unschedulable),
    })
}

/// The target as the server answered when the plan was made. The watch may show it later.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Planned(State);

impl Planned {
    pub fn new(object: &Value) -> Planned {
        let meta = &object["metadata"];
        Planned(State {
            uid: Uid::from(meta["uid"].as_str().unwrap_or("")),
            generation: meta["generation"].as_i64().unwrap_or(0),
            deleting: meta["deletionTimestamp"].is_string(),
            unschedulable: object["spec"]["unschedulable"].as_bool() == Some(true),
        })
    }

    /// Whether the World now shows what the server answered then.
    pub fn is(&self, state: Option<&State>) -> bool {
        state == Some(&self.0)
    }
}

/// The lines that a new plan says and the old one did not (`+`), and the reverse (`-`); `None` where they say the same.
pub(super) fn difference(before: &Report, after: &Report) -> Option<String> {
    let (old, new) = (render::plan(before), render::plan(after));
    let diff = TextDiff::from_lines(&old, &new);
    let lines = diff.iter_all_changes().filter_map(|change| {
        let line = change.value().trim();
        match change.tag() {
            _ if line.is_empty() => None,
            ChangeTag::Equal => None,
            ChangeTag::Delete => Some(format!("- {line}\n")),
            ChangeTag::Insert => Some(format!("+ {line}\n")),
        }
    });
    Some(lines.collect::<String>()).filter(|text| !text.is_empty())
}
