//! Puts entries on the timeline and has them saved.

use crate::app::core::model::Model;
use crate::app::core::msg::Effect;
use crate::detect::timeline::{Entry, What};
use crate::world::ObjectRef;

/// Puts an entry on the timeline and has it saved to its file.
pub fn entry(model: &mut Model, entry: Entry) {
    // A finding that was open when an earlier cockpit ended began then, not now.
    if entry.what == What::FindingBegan && model.open.remove(&opening(&entry)) {
        return;
    }
    model.unsaved.push(entry.clone());
    model.data.timeline.push(entry);
}

/// Puts an action's beginning or end on the timeline.
pub fn action(model: &mut Model, target: Option<ObjectRef>, text: &str) {
    let done = Entry::new(model.data.now, What::Action, target, text).by(model.cluster.user.clone());
    entry(model, done);
}

/// The key of a finding across sessions.
pub fn opening(entry: &Entry) -> (Option<ObjectRef>, String) {
    (entry.object.clone(), entry.family.clone())
}

/// Entries not yet written to the timeline's file.
pub fn save(model: &mut Model) -> Option<Effect> {
    (!model.unsaved.is_empty()).then(|| Effect::AppendTimeline(std::mem::take(&mut model.unsaved)))
}
